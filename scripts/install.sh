#!/usr/bin/env bash
# Installs the locked dependencies into a virtual environment: the one way, for `make`, .ci/run and
# the Dockerfile.
#
#   scripts/install.sh VENV requirements.lock|requirements-dev.lock
#
# TORCH picks the build of torch:
#   cpu     (default) without CUDA: a tenth of the download
#   cuda    the registry's own build, with CUDA
#   cu126, cu130, rocm6.4, ...   another build from PyTorch's index, by its name there
# TORCH_INDEX names another index for it than PyTorch's own.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${1:?"usage: scripts/install.sh VENV LOCK"}
lock=${2:?"usage: scripts/install.sh VENV LOCK"}
build=${TORCH:-cpu}

find_python() {
  local name
  for name in "${PYTHON:-python3.11}" python3.12 python3.13 python3.14 python3 python; do
    if command -v "$name" >/dev/null \
      && "$name" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "Standin needs Python 3.11 to 3.14, and none was found: install one, or name it, as in 'make serve PYTHON=/path/to/python3.11'." >&2
  return 1
}

if [ ! -x "$venv/bin/python" ]; then
  python=$(find_python)
  echo "Creating $venv with $("$python" --version)"
  if ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    echo "That Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  fi
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input)

version=$(sed -n 's/^torch==//p' requirements-torch.lock)
torchvision=$(sed -n 's/^torchvision==//p' requirements-torch.lock)

# Prints the torch that is installed, as in 2.13.0+cpu, or nothing.
installed() {
  "$venv/bin/python" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true
}

install_torch() {
  local index=${TORCH_INDEX:-https://download.pytorch.org/whl/$build}
  case "$build-$(uname -s)" in
    cuda-*)
      [ "$(installed)" = "$version" ] && return
      # "===" takes the registry's own build and no other, wherever pip may find one. Its CUDA
      # libraries are pinned by torch itself.
      "${pip[@]}" install --constraint requirements-torch.lock "torch===$version" ;;
    cpu-Darwin)
      [ -n "$(installed)" ] && return
      "${pip[@]}" install --no-deps "torch==$version" ;;
    *)
      [ "$(installed)" = "$version+$build" ] && return
      echo "Installing torch $version+$build"
      # The extra index is asked beside what pip is configured with: where it cannot be reached, a
      # mirror or a folder of wheels (PIP_FIND_LINKS) that has this build still serves.
      local deps=(--no-deps)
      [ "$build" = cpu ] || deps=()
      "${pip[@]}" install ${deps[@]+"${deps[@]}"} --retries 2 --timeout 30 --extra-index-url "$index" \
        "torch==$version+$build" || {
        echo "torch $version+$build was not found at $index nor where pip looks otherwise. Another index: TORCH_INDEX=URL; wheels in a folder: PIP_FIND_LINKS=FOLDER; the registry's build, with CUDA: TORCH=cuda." >&2
        return 1
      } ;;
  esac
}

install_torch
# The locks are whole, so nothing is resolved here: what is installed is what the file says. Only
# torchvision's Python parts are used (model/torchvision_ops.py), so any build of it will do.
"${pip[@]}" install --quiet --no-deps --require-hashes --requirement "$lock"
# The checkout itself, so that scripts/ and notebooks find model and service. (The image has none
# yet when its dependencies are installed.)
if [ -f pyproject.toml ]; then
  "${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
fi
if [ "$build" = cpu ]; then "${pip[@]}" check; fi
