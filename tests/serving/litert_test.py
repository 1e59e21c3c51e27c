"""A LiteRT model answers as the Keras model does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

import mtdnn_tf as mtdnn
from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.litert import litert_answer, litert_model
from tests.serving.examples import PAIR, RANKED, SCORED, SINGLE, loaded_model
from tests.serving.onnx_format.model_test import ACTIVATIONS, SAN, TOPICS, inputs_of


def _check_parity(loaded, weights="float32", tolerance=1e-5):
    answer = litert_answer(litert_model(loaded, weights))
    for pairs in (True, False):
        inputs = inputs_of(loaded, pairs=pairs)
        for task in loaded.tasks:
            logits = loaded.model.task_logits(inputs, task.head_task).numpy()
            expected = ACTIVATIONS[task.kind](logits)
            np.testing.assert_allclose(answer(task.name, inputs), expected, atol=tolerance, err_msg=task.name)


@pytest.mark.parametrize("pooling", ["pooler", "cls", "mean"])
def test_every_kind_answers_as_the_keras_model(pooling):
    _check_parity(loaded_model([SINGLE, PAIR, SCORED, RANKED, TOPICS], pooling))


def test_a_head_that_reads_all_positions_answers_as_the_keras_model():
    _check_parity(loaded_model([SINGLE, SAN]))


def test_float16_is_close():
    _check_parity(loaded_model([SINGLE, PAIR, SCORED, SAN]), "float16", tolerance=0.02)


def test_it_has_one_signature_of_named_tensors():
    model = litert_model(loaded_model([SINGLE, PAIR]), "float32")
    signatures = tf.lite.Interpreter(model_content=model).get_signature_list()
    names = {"inputs": ["attention_mask", "input_ids", "token_type_ids"], "outputs": ["pair", "single"]}
    assert {key: sorted(value) for key, value in signatures["serving_default"].items()} == names


def test_an_export_has_the_files_of_all_formats(run, tmp_path):
    model = mtdnn.load(run)
    version = model.export(tmp_path / "served", formats=("saved_model", "onnx", "litert"))
    for folder, name in (("onnx", "model.onnx"), ("litert", "model.tflite")):
        files = sorted(path.name for path in (version / folder).iterdir())
        assert files == sorted(["config.json", "tokenizer.json", name])
        config = json.loads((version / folder / "config.json").read_text())
        assert config["format"] == folder and config["tasks"]["mood"]["outputs"] == ["bad", "good"]
        assert config["tasks"]["similarity"]["outputs"] == ["score"]
    assert (version / "saved_model.pb").is_file() and (tmp_path / "served" / "batching.config").is_file()
    assert tf.saved_model.load(str(version)).signatures["mood"]


def test_int8_is_measured_and_limited(run, tmp_path):
    model = mtdnn.load(run)
    version = model.export(tmp_path / "served", weights="int8", formats=("litert",), max_accuracy_loss=100)
    measured = json.loads((version / "litert" / "config.json").read_text())["development"]
    assert measured["float32"].keys() == measured["int8"].keys() == set(model.tasks)
    assert not (tmp_path / "served" / "batching.config").exists()
    with pytest.raises(UserError, match="`max_accuracy_loss` is -100"):
        model.export(tmp_path / "served", weights="int8", formats=("litert",), max_accuracy_loss=-100)
    assert [path.name for path in (tmp_path / "served").glob("[0-9]*")] == ["1"]


def test_an_operation_that_is_not_built_in_is_named(monkeypatch):
    loaded = loaded_model([SINGLE])

    def by_texts(encoded, **_):
        return tf.strings.to_number(tf.strings.as_string(encoded["pooled_output"][:, :2]))

    monkeypatch.setattr(loaded.model.heads["single"], "call", by_texts)
    with pytest.raises(
        UserError, match=r"`format=litert`: the model has operations that LiteRT has not built in: tf\.\w+"
    ):
        litert_model(loaded, "float32")
