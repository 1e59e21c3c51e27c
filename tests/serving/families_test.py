"""Exports of encoders of each family: a SavedModel from texts and from tokens, and ONNX, answer as the Keras model."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from tests.serving.examples import PAIR, SINGLE
from tests.serving.onnx_format.sessions import answers
from tests.transformers_families import CASES, LENGTH, TEXTS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "families"
FIRST = [text for text, _ in TEXTS]
SECOND = [text or "a bird" for _, text in TEXTS]


@pytest.mark.parametrize("name", [name for name in CASES if name != "bert"])
def test_exports_answer_as_the_model_of_a_run(tmp_path, name):
    pretrained = find_backbone(str(GOLDEN / name))
    model = build_multi_task_model(pretrained, [SINGLE, PAIR], dropout=0.5)
    for head in model.heads.values():
        head.set_weights([np.random.default_rng(0).normal(0, 4, weight.shape) for weight in head.get_weights()])
    save_model(model, [SINGLE, PAIR], pretrained.tokenizer(), LENGTH, tmp_path / "run")
    loaded = load_model(tmp_path / "run")
    assert loaded.model.backbone.config == pretrained.config
    export_model(loaded, tmp_path / "1", formats=("saved_model", "onnx"))

    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    session = onnx.load(str(tmp_path / "1" / "onnx" / "model.onnx"))
    first, second = (loaded.tokenizer.tokenize(tf.constant(texts)) for texts in (FIRST, SECOND))
    texts = {"text_a": tf.constant(FIRST), "text_b": tf.constant(SECOND)}
    for task, others, given in ((SINGLE, None, ["text_a"]), (PAIR, second, ["text_a", "text_b"])):
        inputs = to_model_inputs(pack(first, others, loaded.tokenizer, LENGTH))
        inputs = {key: tf.cast(value, tf.int32) for key, value in inputs.items()}
        logits = model.task_logits(inputs, task.name).numpy()
        assert np.ptp(logits, axis=0).max() > 0.05
        of_texts = signatures[task.name](**{key: texts[key] for key in given})
        np.testing.assert_allclose(of_texts["probabilities"], softmax(logits, axis=1), atol=1e-5)
        np.testing.assert_allclose(signatures["tokens"](**inputs)[task.name], logits, atol=1e-4)
        of_onnx = answers(session, {key: value.numpy() for key, value in inputs.items()})
        np.testing.assert_allclose(of_onnx[task.name], softmax(logits, axis=1), atol=1e-5)
