"""One version of a model, loaded from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from mtdnn_tf.serving.layout import DESCRIPTION, SAVED_MODEL
from mtdnn_tf.serving.server.models.batcher import Batcher, BatchingOptions
from mtdnn_tf.serving.server.models.onnx_version import OnnxVersion
from mtdnn_tf.serving.server.models.saved_model_version import SavedModelVersion
from mtdnn_tf.serving.server.status import ServingError

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class Servable:
    """A loaded version of a model; raises errors of any type for a folder that cannot be loaded.

    A folder with a SavedModel and an ONNX model is answered by the SavedModel.
    """

    def __init__(self, model: str, version: int, folder: Path, batching: BatchingOptions) -> None:
        self.model = model
        self.version = version
        self.folder = folder
        is_saved_model = (folder / SAVED_MODEL).is_file()
        loaded = SavedModelVersion(folder) if is_saved_model else OnnxVersion(folder)
        self.definitions = SignatureDefMap(signature_def=loaded.definitions)
        self.signatures = loaded.signatures
        if is_saved_model and not (folder / DESCRIPTION).is_file():
            # Of a model that is not ours, rows may depend on each other.
            batching = batching.replace(max_batch_size=1)
        self._batcher = Batcher(loaded.compute, batching)

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
        return self._batcher.run(signature or DEFAULT_SIGNATURE, inputs)
