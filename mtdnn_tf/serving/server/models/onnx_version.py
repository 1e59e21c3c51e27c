"""A version of a model in the folder "onnx" of an export, answered by ONNX Runtime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.json_files import read_json_object
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.modeling.checkpoints.tokenizer_files import read_tokenizer_files
from mtdnn_tf.serving.client_files import CONFIG, INPUTS
from mtdnn_tf.serving.layout import ONNX_MODEL
from mtdnn_tf.serving.task_answers import TEXTS, TaskAnswers
from mtdnn_tf.serving.text_inputs import TextInputs
from mtdnn_tf.tasks.signature_names import ALL_TASKS, examples_signature
from mtdnn_tf.tasks.task import Task

Answer = Callable[..., dict[str, tf.Tensor]]


class OnnxVersion:
    """Answers every signature of a SavedModel but "tokens" and "embed".

    Texts are cut into word pieces, and answers are made of the model's outputs, by the operations of the SavedModel.
    """

    def __init__(self, folder: Path) -> None:
        steps = _OnnxSteps(folder / ONNX_MODEL)
        answers = TaskAnswers(steps)
        self._answers: dict[str, Answer] = {ALL_TASKS: answers.answer_every_task}
        inputs: dict[str, tuple[str, ...]] = {ALL_TASKS: TEXTS}
        for task in steps.tasks:
            for name, answer, takes in (
                (task.name, answers.answer_texts, TEXTS[: len(task.text)]),
                (examples_signature(task), answers.answer_examples, (tf.saved_model.CLASSIFY_INPUTS,)),
            ):
                self._answers[name], inputs[name] = _of_task(answer, task), takes
        self.definitions = {name: self._definition(name, takes) for name, takes in inputs.items()}
        self.signatures = self.definitions

    def compute(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns every output of a signature."""
        outputs = self._answers[signature](**{name: tf.constant(values, tf.string) for name, values in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    def _definition(self, signature: str, takes: tuple[str, ...]) -> meta_graph_pb2.SignatureDef:
        found = self.compute(signature, {name: np.array([], object) for name in takes})
        definition = meta_graph_pb2.SignatureDef(method_name=tf.saved_model.PREDICT_METHOD_NAME)
        for name in takes:
            definition.inputs[name].CopyFrom(_tensor_info(name, tf.string, ()))
        for name, values in found.items():
            definition.outputs[name].CopyFrom(_tensor_info(name, tf.as_dtype(values.dtype), values.shape[1:]))
        return definition


class _OnnxSteps(TextInputs):
    """The steps from texts to logits of a model that returns what its tasks show: probabilities or scores."""

    def __init__(self, path: Path) -> None:
        folder, self._session = path.parent, _session(path)
        config = read_json_object(folder / CONFIG)
        self.tasks = [_task(name, values) for name, values in config["tasks"].items()]
        self.heads = {task.name: _named(task.name) for task in self.tasks}
        # The ids of a file that was written with the model are not beyond its embeddings.
        vocabulary, lowercase, rules = read_tokenizer_files(folder, None, CONFIG)
        super().__init__(WordPieceTokenizer(vocabulary, lowercase, rules), config["max_sequence_length"])

    def encode(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the logits of every task from token ids."""
        names = [task.name for task in self.tasks]
        if inputs[INPUTS[next(iter(INPUTS))]].shape[0]:
            arrays = {name: inputs[ours].numpy().astype(np.int64) for name, ours in INPUTS.items()}
            found = dict(zip(names, self._session.run(names, arrays)))
        else:
            widths = {output.name: output.shape[1] for output in self._session.get_outputs()}
            found = {name: np.zeros((0, widths[name]), np.float32) for name in names}
        return {task.name: _logits(task, tf.constant(found[task.name])) for task in self.tasks}


def _session(path: Path) -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"{path} needs onnxruntime: pip install 'mtdnn_tf[onnx]'")
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _task(name: str, values: Mapping[str, Any]) -> Task:
    kind = values["kind"]
    if kind not in KINDS:
        raise unknown_name(f"kind of task {name}", str(kind), KINDS)
    # A task must name metrics; answers do not depend on them.
    return Task(name, kind, tuple(values["columns"]), tuple(values["labels"]), KINDS[kind].default_metrics)


def _of_task(answer: Answer, task: Task) -> Answer:
    return lambda **inputs: answer(task, **inputs)


def _named(name: str) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
    return lambda logits: logits[name]


def _logits(task: Task, shown: tf.Tensor) -> tf.Tensor:
    """Returns logits whose activation is what the model shows."""
    activation = task.kind_object.activation
    if activation == "softmax":
        return tf.math.log(shown)
    return tf.math.log(shown) - tf.math.log1p(-shown) if activation == "sigmoid" else shown


def _tensor_info(name: str, dtype: tf.DType, shape: tuple[int, ...]) -> meta_graph_pb2.TensorInfo:
    proto = tf.TensorShape([None, *shape]).as_proto()
    dtype = tf.string if dtype == tf.as_dtype(object) else dtype
    return meta_graph_pb2.TensorInfo(name=f"{name}:0", dtype=dtype.as_datatype_enum, tensor_shape=proto)
