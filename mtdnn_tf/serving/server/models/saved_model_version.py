"""A version of a model that is a SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # Registers the tokenizer's operations.
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from mtdnn_tf.serving.layout import SAVED_MODEL


class SavedModelVersion:
    """Answers the signatures of a SavedModel's serving graph."""

    def __init__(self, folder: Path) -> None:
        self.definitions = _signature_defs(folder)
        self._saved = tf.saved_model.load(str(folder))
        # A TensorFlow 1 SavedModel may list its initialization as a signature, which cannot be called.
        self.signatures = {name: self.definitions[name] for name in self._saved.signatures}

    def compute(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns every output of a signature."""
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        outputs = self._saved.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


def _signature_defs(folder: Path) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    saved_model = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if tf.saved_model.SERVING in meta_graph.meta_info_def.tags:
            return meta_graph.signature_def
    raise ValueError(f"saved_model.pb holds no graph tagged {tf.saved_model.SERVING!r}")
