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
    source=$1
    file=$2
    shift 2
    "$tools/bin/uv" pip compile "$source" --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --output-file "$file" "$@"
}

compile pyproject.toml requirements.lock --extra build "$@"
compile pyproject.toml requirements-dev.lock --constraint requirements.lock --extra build --extra dev "$@"
compile tests/contract/clients/requirements.in tests/contract/clients/requirements.lock "$@"
