#!/bin/sh
# Make a virtual environment from a lock: setup.sh VENV LOCK [lock-only]. With lock-only the project itself stays out.
# Needs nothing but a Python of 3.11 or newer; PYTHON names it, otherwise the PATH is searched.
set -eu
venv=$1
lock=$2

is_usable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_usable "$PYTHON" && echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if is_usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

# One that was made by a Python which is gone, or was moved here from another folder, is made anew.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
    [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)')" != "$(cd "$venv" && pwd -P)" ]; then
    python=$(find_python)
    if [ -z "$python" ]; then
        echo "Python 3.11 or newer with its venv module is needed: install it (Debian: apt install python3 python3-venv)," \
            "or name one, as in: make PYTHON=/usr/local/bin/python3.12 up" >&2
        exit 1
    fi
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

echo "Installing from $lock (less than a minute)"
pip="$venv/bin/python -m pip --disable-pip-version-check --no-input --quiet"
$pip install --require-hashes -r "$lock"
if [ "${3:-}" != lock-only ]; then
    $pip install --no-deps --no-build-isolation -e .
fi
