#!/usr/bin/env bash
# Sets up everything and runs the main job on the demo's own corpus: three teachers, their soft targets, one distilled
# student for three tasks, a table, and a SavedModel that answers from raw texts. About ten minutes on two CPU cores.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup_environment.sh
python=${MTDNN_TF_VENV:-.venv}/bin/python

"$python" -m tools.demo_corpus --output_dir=runs/demo/corpus --train_examples=400 --validation_examples=300
"$python" -m tools.recipe --flagfile=flags/presets/demo.flags

echo "The exported model, in a process of its own that knows TensorFlow and TF.Text alone:"
TF_CPP_MIN_LOG_LEVEL=3 "$python" - <<'PYTHON'
import tensorflow as tf
import tensorflow_text  # Registers the tokenizer's operations.

model = tf.saved_model.load("runs/demo/export/1")
text = "The waiter was never rude and the food was simply perfect."
mood = model.signatures["mood"](text_a=tf.constant([text]))
print(f"  {text!r}: {mood['label'][0].numpy().decode()} ({mood['probabilities'].numpy().max():.2f})")
pair = "The town sold four large ships to the museum.", "The museum bought 4 big ships from the city."
score = model.signatures["similarity"](text_a=tf.constant([pair[0]]), text_b=tf.constant([pair[1]]))
print(f"  {pair[0]!r} and {pair[1]!r}: similarity {score['score'][0].numpy():.2f} of 5")
PYTHON
