"""One version of a model, loaded from its SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # Registers the tokenizer's operations.
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from mtdnn_tf.serving.server.status import ServingError

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class Servable:
    """A loaded version of a model; raises errors of any type for a folder that cannot be loaded."""

    def __init__(self, model: str, version: int, folder: Path) -> None:
        self.model = model
        self.version = version
        self.folder = folder
        self.definitions = SignatureDefMap(signature_def=_signature_defs(folder))
        self._saved = tf.saved_model.load(str(folder))
        # A TensorFlow 1 SavedModel may list its initialization as a signature, which cannot be called.
        self.signatures = {name: self.definitions.signature_def[name] for name in self._saved.signatures}

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """Returns the definition of a signature, the default one if its name is empty; refuses unknown names."""
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            names = ", ".join(sorted(self.signatures))
            message = f"Serving signature key {name!r} not found in model {self.model!r}. It has: {names}"
            raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)
        return self.signatures[name]

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns every output of a signature from all its inputs, with their types."""
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        outputs = self._saved.signatures[signature or DEFAULT_SIGNATURE](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


def _signature_defs(folder: Path) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    saved_model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if tf.saved_model.SERVING in meta_graph.meta_info_def.tags:
            return meta_graph.signature_def
    raise ValueError(f"saved_model.pb holds no graph tagged {tf.saved_model.SERVING!r}")
