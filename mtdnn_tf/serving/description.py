"""What an exported model says of itself, in JSON beside it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mtdnn_tf import __version__
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel

_SCHEMA = 1


def describe(loaded: LoadedModel, weights: str) -> dict[str, Any]:
    """Returns a model's versions, weights, length and tasks as JSON; `weights` is how they are stored."""
    return {
        "schema": _SCHEMA,
        "mtdnn_tf": __version__,
        "tensorflow": tf.__version__,
        "model_fingerprint": loaded.fingerprint,
        "weights": weights,
        "max_sequence_length": loaded.max_sequence_length,
        "tasks": {
            task.name: {
                "kind": task.kind,
                "texts": len(task.text),
                "columns": list(task.text),
                "labels": list(task.labels),
            }
            for task in loaded.tasks
        },
    }
