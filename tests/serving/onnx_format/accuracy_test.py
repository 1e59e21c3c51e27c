"""What int8 costs is measured on development rows, and layers that it spoils stay in float32."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest

import mtdnn_tf as mtdnn
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.development import development_metrics, development_splits
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.serving.onnx_format.accuracy import onnx_answer, quantize_within
from mtdnn_tf.serving.onnx_format.export import onnx_model
from mtdnn_tf.serving.onnx_format.quantization import quantized
from mtdnn_tf.training.run import read_metrics
from tests.serving.examples import run_alone
from tests.serving.onnx_format.model_test import inputs_of
from tests.serving.onnx_format.sessions import answers

ROOT = Path(__file__).parents[3]


@pytest.fixture(name="loaded", scope="module")
def _loaded(run):
    return load_model(run)


@pytest.fixture(name="development", scope="module")
def _development(run, loaded):
    return development_splits(run, loaded)


def _integer_products(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "MatMulInteger" for node in model.graph.node)


def test_metrics_of_float32_are_those_of_the_training(run, loaded, development):
    metrics = development_metrics(onnx_answer(onnx_model(loaded)), development)
    recorded = read_metrics(run)
    assert metrics.keys() == recorded.keys()
    for name, values in recorded.items():
        assert metrics[name] == pytest.approx(values, abs=1e-4)


def test_int8_multiplies_the_layers_matrices_and_answers_nearly_the_same(loaded, caplog):
    exact = onnx_model(loaded)
    with caplog.at_level(logging.INFO):
        made = quantized(exact, {0, 1})
        # Of its own, as other tests change the levels of the loggers that there are.
        logging.getLogger("another").info("heard")
    assert [record.getMessage() for record in caplog.records if record.levelno <= logging.INFO] == ["heard"]
    assert _integer_products(made) == 2 * 6
    stored = {one.name: one for one in made.graph.initializer if one.data_type == onnx.TensorProto.INT8}
    assert len(stored) >= 12 and all("encoder.layer." in name for name in stored)
    inputs = inputs_of(loaded, rows=60)
    found, expected = answers(made, inputs), answers(exact, inputs)
    for name in expected:
        assert 0 < np.abs(found[name] - expected[name]).max() < 0.2 * max(1.0, np.abs(expected[name]).max())


def test_a_layer_that_int8_spoils_stays_in_float32(loaded, development, caplog):
    """A huge weight on an input that is always 0 changes nothing, but the scale of all of its matrix."""
    weights = loaded.model.backbone.named
    kernel = weights["encoder.layer.1.intermediate.dense.weight"]
    changed = [kernel, *(weights[f"encoder.layer.1.attention.output.LayerNorm.{part}"] for part in ("weight", "bias"))]
    before = [variable.numpy() for variable in changed]
    try:
        for variable, values in zip(changed, before):
            values = values.copy()
            values[0] = 1e6 if variable is kernel else 0.0
            variable.assign(values)
        model = onnx_model(loaded)
        caplog.set_level(logging.INFO, "absl")
        exact = development_metrics(onnx_answer(model), development)
        spoilt = development_metrics(onnx_answer(quantized(model, {1})), development)["similarity"]
        kept = development_metrics(onnx_answer(quantized(model, set())), development)["similarity"]
        assert kept == pytest.approx(exact["similarity"], abs=1e-4)
        assert abs(spoilt["pearson"] - exact["similarity"]["pearson"]) > 0.05
        with pytest.raises(UserError, match=r"`weights=int8` loses .* points .* `max_accuracy_loss` is -100"):
            quantize_within(model, 2, development, max_loss=-100)
        lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("int8")]
        assert lines[0].startswith("int8: ") and lines[1].startswith("int8 but for layers 1: ")
    finally:
        for variable, values in zip(changed, before):
            variable.assign(values)


def test_without_development_rows_int8_is_refused(loaded):
    with pytest.raises(UserError, match="measured on development rows, and no task has any; use float32"):
        quantize_within(onnx_model(loaded), 2, [], 0.5)


def test_an_export_of_int8_says_what_it_costs(run, tmp_path):
    model = mtdnn.load(run)
    version = model.export(tmp_path / "served", weights="int8", formats=("onnx",), max_accuracy_loss=100)
    assert sorted(path.name for path in version.rglob("*.*")) == [
        *("config.json", "manifest.json", "model.onnx", "tokenizer.json"),
    ]
    measured = json.loads((version / "onnx" / "config.json").read_text())["development"]
    assert measured["float32"].keys() == measured["int8"].keys() == set(model.tasks)
    assert measured["layers_in_float32"] == []
    apart = [
        np.mean(list(measured["float32"][task].values())) - np.mean(list(measured["int8"][task].values()))
        for task in model.tasks
    ]
    assert measured["average_loss_points"] == pytest.approx(100 * np.mean(apart), abs=1e-3)
    assert _integer_products(onnx.load(version / "onnx" / "model.onnx")) == 12


def test_an_export_that_loses_too_much_writes_nothing(run, tmp_path):
    with pytest.raises(UserError, match="`max_accuracy_loss` is -100"):
        mtdnn.load(run).export(tmp_path / "served", weights="int8", formats=("onnx",), max_accuracy_loss=-100)
    assert not list((tmp_path / "served").glob("[0-9]*"))


def test_the_same_model_is_the_same_file(run, tmp_path):
    model = mtdnn.load(run)
    files = [model.export(tmp_path / "served", formats=("onnx",)) / "onnx" / "model.onnx" for _ in range(2)]
    assert len({sha256_of_file(path) for path in files}) == 1


def test_the_pages_client_answers_as_the_model(run, tmp_path):
    model = mtdnn.load(run)
    version = model.export(tmp_path / "served", formats=("onnx",))
    page = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    assert code.count("runs/tour/onnx/1/onnx") == 1 and code.count("\nprint(") == 1
    code = code.replace("runs/tour/onnx/1/onnx", str(version / "onnx")).partition("\nprint(")[0]
    texts = ["the cat sees a dog", "a bird", "", "the red house likes the big dog . " * 20]
    pairs = list(zip(texts, reversed(texts)))
    asked = f"print(json.dumps([answer('mood', {texts!r}), answer('similarity', {pairs!r})]))"
    moods, scores = json.loads(run_alone(f"{code}\n{asked}", cwd=tmp_path))
    expected = model.predict(texts, task="mood")
    np.testing.assert_allclose([row["good"] for row in moods], expected["probability_good"], atol=1e-5)
    assert [max(row, key=row.get) for row in moods] == expected["label"].tolist()
    np.testing.assert_allclose(
        [row["score"] for row in scores], model.predict(pairs, task="similarity")["score"], atol=1e-5
    )
