#!/bin/sh
# Resolve the locks anew with a uv of its own: lock.sh PYTHON [--upgrade]. Versions stay unless --upgrade is given.
# Hashes only: no address of any index is written into them.
set -eu
python=$1
shift
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT INT TERM
"$python" -m venv "$tools"
"$tools/bin/python" -m pip --disable-pip-version-check --quiet install uv

compile() {
    file=$1
    shift
    "$tools/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --output-file "$file" "$@"
}

compile requirements.lock --extra build "$@"
compile requirements-dev.lock --constraint requirements.lock --extra build --extra dev "$@"
