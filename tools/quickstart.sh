#!/usr/bin/env bash
# Sets up everything and runs the main job on the demo's own corpus: three teachers, their soft targets, one distilled
# student for three tasks, a table, and a SavedModel that answers messages. Five to six minutes on two CPU cores.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup_environment.sh
python=${MTDNN_TF_VENV:-.venv}/bin/python
export TF_CPP_MIN_LOG_LEVEL=3

"$python" -m tools.demo_corpus --output_dir=runs/demo/corpus
"$python" -m tools.recipe --flagfile=flags/presets/demo.flags
echo
echo "The exported student answers messages that are not in its corpus, by TensorFlow and TF.Text only:"
"$python" -m tools.demo_answers --model=runs/demo/export/1
cat <<NEXT

Next:
  $python -m tools.serve --model=demo:runs/demo/export
      serves the model, with a page to try it in a browser
  $python -m tools.evaluate --run=runs/demo/student/seed_0 --split=test
      scores the student on rows that nothing was chosen by
  docs/tasks.md
      your own tasks and files
NEXT
