"""The names of a release's parts."""

from __future__ import annotations

CARD = "README.md"
LICENCES = "LICENCES.md"
DESCRIPTION = "release.json"
TASKS = "tasks.json"
LABELS = "labels.json"
METRICS = "metrics.json"
FLAGS = "config.flags"
IDENTITY = "config.json"
HEADS = "heads"
HUGGING_FACE = "backbone_huggingface"
KERAS_NLP = "backbone_keras_nlp"
SERVING = "serving"
VERSION = "1"

SCHEMA = 1
# Maximum difference between the answers of the parts.
TOLERANCE = 1e-5
