"""Exported models that answer on one thread, whose processor time other work on the machine disturbs least."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
import tensorflow_text  # noqa: F401  # Registers the tokenizer's operations.

from mtdnn_tf.serving.client_files import INPUTS
from mtdnn_tf.tasks.signature_names import TOKENS

_TRACES = 20
# Token ids, segment ids and padding mask, [rows, length], by the Python model's names.
Arrays = Mapping[str, np.ndarray]


class SavedModelSession:
    """A SavedModel's signature for token ids in a session, as TF Serving runs it."""

    def __init__(self, folder: Path) -> None:
        options = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, use_per_session_threads=True
        )
        with tf.Graph().as_default() as graph:
            self._session = tf.compat.v1.Session(graph=graph, config=options)
            loaded = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(folder))
        definition = loaded.signature_def[TOKENS]
        self._tasks = list(definition.outputs)
        self._outputs = [info.name for info in definition.outputs.values()]
        self._names = {name: info.name for name, info in definition.inputs.items()}
        self._call = self._session.make_callable(self._outputs, feed_list=list(self._names.values()))

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns the logits of every task, [rows, outputs]."""
        return dict(zip(self._tasks, self._call(*(inputs[name] for name in self._names))))

    def operations(self, inputs: Arrays) -> tuple[collections.Counter[str], collections.Counter[str]]:
        """Returns the number of operations of each type that run for one answer, and their microseconds."""
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE, output_partition_graphs=True)
        feeds = {self._names[name]: values for name, values in inputs.items()}
        found = []
        for _ in range(_TRACES):
            trace = tf.compat.v1.RunMetadata()
            self._session.run(self._outputs, feeds, options=options, run_metadata=trace)
            types = {node.name: node.op for graph in trace.partition_graphs for node in graph.node}
            number: collections.Counter[str] = collections.Counter()
            micros: collections.Counter[str] = collections.Counter()
            for device in trace.step_stats.dev_stats:
                for node in device.node_stats:
                    kind = types.get(node.node_name, "other")
                    number[kind] += 1
                    micros[kind] += (node.op_end_rel_nanos - node.op_start_rel_nanos) / 1000
            found.append((number, micros))
        return min(found, key=lambda counted: sum(counted[1].values()))


class OnnxSession:
    """An ONNX model in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._tasks = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns the probabilities or score of every task, [rows, outputs]."""
        feed = {name: inputs[ours].astype(np.int64) for name, ours in INPUTS.items()}
        return dict(zip(self._tasks, self._session.run(None, feed)))
