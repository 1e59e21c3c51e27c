"""Answers with the product's models on request of benchmarks.run."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.worker import serve
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.checkpoints.pretrained import with_pooling
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.modeling.multi_task_model import INPUTS, build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.litert import litert_answer, litert_model
from mtdnn_tf.serving.reduced_weights import FLOAT32, INT8
from mtdnn_tf.tasks.registry import select_tasks


class AnswerWorker:
    """Answers tasks from token ids.

    Args:
        backbone: The encoder.
        output: A folder for exports.
        tasks: Names of the tasks.
        max_length: Longest sequence.
    """

    def __init__(self, backbone: str, output: Path, tasks: Sequence[str], max_length: int) -> None:
        self._pretrained = with_pooling(find_backbone(backbone), POOLER)
        self._output = output
        self._tasks = choose_heads(select_tasks(tuple(tasks), ()), {}, "linear")
        self._max_length = max_length
        self._network = self._build()
        self._engines: dict[str, Callable[..., Any]] = {}

    def _build(self) -> Any:
        return build_multi_task_model(self._pretrained, self._tasks)

    def answer(self, engine: str, batch_size: int, length: int, repeats: int) -> list[float]:
        """Returns the milliseconds of each of some requests, after one that is not counted.

        Args:
            engine: "saved_model" (all tasks of the exported model from token ids), "litert" or "litert_int8" (one),
                "one_task" or "all_tasks" (the Python model in one graph), or "ensemble" (three models, one task).
            batch_size: Sequences in a request.
            length: Word pieces of each.
            repeats: Number of requests.
        """
        ids = np.random.default_rng(0).integers(1000, self._pretrained.config.vocabulary_size, (batch_size, length))
        arrays = dict(zip(INPUTS, (ids, np.zeros_like(ids), np.ones_like(ids))))
        tensors = {name: tf.constant(array, tf.int32) for name, array in arrays.items()}
        function = self._engine(engine)
        times = []
        for _ in range(repeats + 1):
            started = time.perf_counter()
            tf.nest.map_structure(np.asarray, function(**tensors))
            times.append(1000 * (time.perf_counter() - started))
        return times[1:]

    def write_onnx(self) -> dict[str, str]:
        """Writes the first task's model as ONNX; returns the paths of the files by what their products are of."""
        from mtdnn_tf.serving.onnx_format.export import onnx_model
        from mtdnn_tf.serving.onnx_format.quantization import quantized

        exact = onnx_model(self._of_first_task)
        layers = range(self._pretrained.config.num_layers)
        paths = {}
        # What int8 loses is not measured here.
        for name, model in (("float32", exact), ("int8", quantized(exact, layers))):
            paths[name] = tempfile.mkstemp(f"_{name}.onnx", dir=self._output)[1]
            Path(paths[name]).write_bytes(model.SerializeToString())
        return paths

    def _engine(self, engine: str) -> Callable[..., Any]:
        if engine not in self._engines:
            if engine == "saved_model":
                self._engines[engine] = self._exported()
            elif engine.startswith("litert"):
                self._engines[engine] = self._litert(INT8 if engine.endswith(INT8) else FLOAT32)
            else:
                self._engines[engine] = self._graph(engine)
        return self._engines[engine]

    @property
    def _loaded(self) -> LoadedModel:
        tokenizer = self._pretrained.tokenizer()
        return LoadedModel(self._network, self._tasks, tokenizer, self._max_length, fingerprint="benchmark")

    @property
    def _of_first_task(self) -> LoadedModel:
        return self._loaded._replace(tasks=self._tasks[:1])

    def _exported(self) -> Callable[..., Any]:
        folder = Path(tempfile.mkdtemp(dir=self._output)) / "1"
        export_model(self._loaded, folder)
        tokens: Callable[..., Any] = tf.saved_model.load(str(folder)).signatures["tokens"]
        return tokens

    def _litert(self, weights: str) -> Callable[..., Any]:
        answer = litert_answer(litert_model(self._of_first_task, weights))
        return lambda **inputs: answer(self._tasks[0].name, {name: value.numpy() for name, value in inputs.items()})

    def _graph(self, engine: str) -> Callable[..., Any]:
        network, name = self._network, self._tasks[0].name
        models = [network] + [self._build() for _ in range(2 if engine == "ensemble" else 0)]

        def answer(**inputs: tf.Tensor) -> Any:
            if engine == "all_tasks":
                encoded = network.encode(inputs)
                return [tf.nn.softmax(head(encoded, training=False)) for head in network.heads.values()]
            logits = [model.task_logits(inputs, name) for model in models]
            return tf.add_n([tf.nn.softmax(values) for values in logits]) / len(logits)

        specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in INPUTS}
        compiled: Callable[..., Any] = tf.function(answer, autograph=False).get_concrete_function(**specs)
        return compiled


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="demo")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--tasks", default="")
    parser.add_argument("--max_length", type=int, default=128)
    flags = parser.parse_args()
    worker = AnswerWorker(flags.encoder, flags.output, flags.tasks.split(","), flags.max_length)
    serve({"answer": worker.answer, "write_onnx": worker.write_onnx})


if __name__ == "__main__":
    main()
