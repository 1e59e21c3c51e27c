"""Every format of an export answers the same 300 rows of every kind of task as the Python model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  # Registers the tokenizer's operations.

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.evaluation.development import Answer
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.litert import litert_answer, litert_model
from mtdnn_tf.serving.onnx_format.accuracy import onnx_answer
from mtdnn_tf.serving.onnx_format.quantization import quantized
from tests.serving.examples import PAIR, RANKED, SCORED, SINGLE, loaded_model, random_texts
from tests.serving.onnx_format.model_test import ACTIVATIONS, SAN, TOPICS

_ROWS = 300
_TEXTS = [np.array([*random_texts(seed), *random_texts(seed + 2)][:_ROWS], object) for seed in (1, 2)]
_TASKS = {task.name: task for task in (SINGLE, PAIR, SAN, SCORED, RANKED, TOPICS)}
_EXACT = 1e-5
# Of docs/onnx.md: the largest difference in standard deviations of what the Python model answers.
_FLOAT16, _INT8 = 0.05, 0.75


class _Rows:
    """The rows of a task, and what the Python model answers to them.

    Attributes:
        inputs: What the Python model reads.
        logits: Its logits.
        outputs: Probabilities or scores, computed in numpy.
    """

    def __init__(self, loaded, task):
        self.texts = dict(zip(("text_a", "text_b"), _TEXTS[: len(task.text)]))
        tokens = [loaded.tokenizer.tokenize(tf.constant(texts)) for texts in self.texts.values()]
        packed = pack(tokens[0], tokens[1] if task.is_pair else None, loaded.tokenizer, loaded.max_sequence_length)
        self.inputs = {name: tensor.numpy() for name, tensor in to_model_inputs(packed).items()}
        self.logits = loaded.model.task_logits(self.inputs, task.head_task).numpy()
        self.outputs = ACTIVATIONS[task.kind](self.logits)
        # A model that answers alike whatever it is asked would hide a mistake.
        assert len(self.outputs) == _ROWS and self.outputs.std(axis=0).max() > 0.05


@pytest.fixture(name="loaded", scope="module")
def _loaded():
    # Wide enough for LiteRT to have its matrices in int8.
    return loaded_model(list(_TASKS.values()), width=64)


@pytest.fixture(name="rows", scope="module")
def _rows(loaded) -> dict[str, _Rows]:
    return {name: _Rows(loaded, task) for name, task in _TASKS.items()}


@pytest.fixture(name="version", scope="module")
def _version(loaded, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "1"
    export_model(loaded, folder, formats=("saved_model", "onnx", "litert"), batch_sizes=())
    return folder


def _check(answer: Callable[[str, _Rows], np.ndarray], rows: Mapping[str, _Rows], tolerance: float) -> None:
    for name, of_task in rows.items():
        apart = np.abs(answer(name, of_task) - of_task.outputs)
        assert apart.shape == of_task.outputs.shape and apart.max() <= tolerance, (name, apart.max())


def _check_relative(answer: Callable[[str, _Rows], np.ndarray], rows: Mapping[str, _Rows], tolerance: float) -> None:
    for name, of_task in rows.items():
        apart = np.abs(answer(name, of_task) - of_task.outputs) / of_task.outputs.std()
        # Different at all, or nothing is in fewer bits.
        assert _EXACT < apart.max() <= tolerance and apart.mean() <= tolerance / 5, (name, apart.max(), apart.mean())


def _from_texts(folder: Path) -> Callable[[str, _Rows], np.ndarray]:
    signatures = tf.saved_model.load(str(folder)).signatures

    def answer(name: str, rows: _Rows) -> np.ndarray:
        found = signatures[name](**{key: tf.constant(texts) for key, texts in rows.texts.items()})
        return found["probabilities"].numpy() if "probabilities" in found else found["score"].numpy()[:, None]

    return answer


def _from_ids(answer: Answer) -> Callable[[str, _Rows], np.ndarray]:
    return lambda name, rows: answer(name, rows.inputs)


def test_every_kind_of_task_is_among_them():
    assert {task.kind for task in _TASKS.values()} == set(KINDS)


def test_a_saved_model_from_texts(version, rows):
    _check(_from_texts(version), rows, _EXACT)


def test_a_saved_model_from_token_ids(version, rows):
    tokens = tf.saved_model.load(str(version)).signatures["tokens"]

    def answer(name: str, of_task: _Rows) -> np.ndarray:
        logits = tokens(**{key: tf.constant(values, tf.int32) for key, values in of_task.inputs.items()})[name]
        return np.asarray(ACTIVATIONS[_TASKS[name].kind](logits.numpy()))

    _check(answer, rows, _EXACT)


def test_onnx(version, rows):
    _check(_from_ids(onnx_answer(onnx.load(version / "onnx" / "model.onnx"))), rows, _EXACT)


def test_litert(version, rows):
    _check(_from_ids(litert_answer((version / "litert" / "model.tflite").read_bytes())), rows, _EXACT)


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "tolerance"), [("float16", _FLOAT16), ("int8", _INT8)])
def test_a_saved_model_of_fewer_bits(loaded, rows, tmp_path, weights, tolerance):
    export_model(loaded, tmp_path / "1", weights=weights, batch_sizes=())
    _check_relative(_from_texts(tmp_path / "1"), rows, tolerance)


def test_onnx_of_int8(version, rows):
    made = quantized(onnx.load(version / "onnx" / "model.onnx"), {0, 1})
    _check_relative(_from_ids(onnx_answer(made)), rows, _INT8)


@pytest.mark.parametrize(("weights", "tolerance"), [("float16", _FLOAT16), ("int8", _INT8)])
def test_litert_of_fewer_bits(loaded, rows, weights, tolerance):
    _check_relative(_from_ids(litert_answer(litert_model(loaded, weights))), rows, tolerance)
