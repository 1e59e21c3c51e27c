#!/usr/bin/env bash
# Sets up everything and runs the checks and the tests.
#   bash tools/run_tests.sh            ruff, mypy and the tests that take seconds
#   bash tools/run_tests.sh --slow     also those that take minutes, and those on real data if MTDNN_TF_GLUE_DIR names it
#   PYTHON=python3.12 MTDNN_TF_VENV=.venv312 bash tools/run_tests.sh      the same on the other train, TF 2.20
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup_environment.sh --tests
bin=${MTDNN_TF_VENV:-.venv}/bin
export TF_CPP_MIN_LOG_LEVEL=3
markers="not slow and not real_data"
if [ "${1:-}" = --slow ]; then
  markers="slow or not slow"
  [ -n "${MTDNN_TF_GLUE_DIR:-}" ] || markers="not real_data"
  shift
fi
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/python" -m pytest -m "$markers" --numprocesses auto --maxprocesses 4 --dist loadfile --durations=15 "$@"
