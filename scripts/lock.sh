#!/usr/bin/env bash
# Resolves pyproject.toml into requirements.lock (what serving needs) and requirements-dev.lock
# (a superset: tests, checks, training), exact and with the hash of every file, for every Python and
# platform that pyproject.toml allows. `make lock` runs it; `make lock UPGRADE=1` moves every pin.
#
# torch is pinned beside the locks, in requirements-torch.lock: which build of it is installed is the
# choice of the machine (scripts/install.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:?"usage: scripts/lock.sh PYTHON"}
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"$python" -m venv "$tool"
"$tool/bin/pip" install --quiet "uv==0.13.9"

compile() {
  local out=$1
  shift
  UV_CUSTOM_COMPILE_COMMAND="make lock" "$tool/bin/uv" pip compile --quiet ${UPGRADE:+--upgrade} \
    --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --constraints requirements-torch.lock --no-emit-package torch --no-emit-package standin \
    "$@" pyproject.toml --output-file "$out"
}

compile requirements.lock --extra postgres
compile requirements-dev.lock --extra dev --constraints requirements.lock
