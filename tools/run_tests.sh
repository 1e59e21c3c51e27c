#!/usr/bin/env bash
# Sets up everything and runs the checks and the tests.
#   bash tools/run_tests.sh                ruff, mypy and the tests that take seconds
#   bash tools/run_tests.sh --slow         also the tests that take minutes, and those on real data if MTDNN_TF_GLUE_DIR names it
#   bash tools/run_tests.sh --no-checks    without ruff and mypy
#   PYTHON=python3.13 MTDNN_TF_VENV=.venv313 bash tools/run_tests.sh      on another Python, here with TensorFlow 2.20
# Other arguments are pytest's.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup_environment.sh --tests
bin=${MTDNN_TF_VENV:-.venv}/bin
export TF_CPP_MIN_LOG_LEVEL=3
markers="not slow and not real_data"
checks=true
while true; do
  case ${1:-} in
    --slow)
      markers="slow or not slow"
      [ -n "${MTDNN_TF_GLUE_DIR:-}" ] || markers="not real_data"
      ;;
    --no-checks) checks=false ;;
    *) break ;;
  esac
  shift
done
if $checks; then
  "$bin/ruff" check .
  "$bin/ruff" format --check .
  "$bin/mypy"
fi
"$bin/python" -m pytest -m "$markers" --numprocesses auto --maxprocesses 4 --dist loadfile --durations=15 "$@"
