import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder

PAGE = Path(__file__).resolve().parents[3] / "docs" / "checkpoints.md"
TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
SEGMENTS = "embeddings.token_type_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
BFLOAT16 = tf.bfloat16.as_numpy_dtype
WORDS = "embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"


def _older(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def _cast(weights, dtype):
    return {name: array.astype(dtype) for name, array in weights.items()}


# What a row of the page is called, with the change to a plain checkpoint: of its weights and its config.
READ = {
    "weights named `bert.`": lambda weights: ({f"bert.{name}": array for name, array in weights.items()}, {}),
    "weights named `model.`": lambda weights: ({f"model.{name}": array for name, array in weights.items()}, {}),
    "`gamma` and `beta`": lambda weights: ({_older(name): array for name, array in weights.items()}, {}),
    "decoder of masked-language modelling, tied or not": lambda weights: (
        {**weights, DECODER: weights[WORDS], "cls.predictions.bias": np.ones(3, np.float32)},
        {},
    ),
    "float16": lambda weights: (_cast(weights, np.float16), {}),
    "bfloat16": lambda weights: (_cast(weights, BFLOAT16), {}),
    "float64": lambda weights: (_cast(weights, np.float64), {}),
    "embeddings of more word pieces than the vocabulary": lambda weights: (
        {**weights, WORDS: np.concatenate([weights[WORDS], weights[WORDS][:7]])},
        {"vocab_size": len(VOCABULARY) + 7},
    ),
    "more than 512 positions": lambda weights: (
        {**weights, POSITIONS: np.tile(weights[POSITIONS], (10, 1))},
        {"max_position_embeddings": 640},
    ),
    "`type_vocab_size` 1": lambda weights: ({**weights, SEGMENTS: weights[SEGMENTS][:1]}, {"type_vocab_size": 1}),
}


def _write(folder, change):
    """Writes a changed checkpoint; returns the plain one's weights."""
    weights = write_huggingface_folder(folder)
    changed, values = change(weights)
    save_file(changed, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    return weights


@pytest.mark.parametrize("name", READ)
def test_odd_checkpoints_compute_what_bert_does(tmp_path, name):
    weights = _write(tmp_path / "bert", READ[name])
    pretrained = find_backbone(str(tmp_path / "bert"))
    encoder = build_multi_task_model(pretrained, [TASK]).backbone
    token_ids = np.random.default_rng(0).integers(5, len(VOCABULARY), (3, 9))
    segment_ids, mask = np.tile(np.arange(9) >= 4, (3, 1)).astype(int), np.ones((3, 9), bool)
    inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": mask}
    outputs = encoder({key: tf.constant(value, tf.int32) for key, value in inputs.items()}, training=False)

    known = np.zeros_like(segment_ids) if pretrained.config.num_segments == 1 else segment_ids
    if "16" in name:
        dtype = np.float16 if name == "float16" else BFLOAT16
        weights = _cast(_cast(weights, dtype), np.float32)
    sequence, pooled = bert(weights, token_ids, known, mask, layers=2, heads=2, hidden_act="gelu")
    np.testing.assert_allclose(outputs["sequence_output"], sequence, atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)
    convert(pretrained, tmp_path / "out", "huggingface")
    again = build_multi_task_model(find_backbone(str(tmp_path / "out")), [TASK]).backbone
    same = again({key: tf.constant(value, tf.int32) for key, value in inputs.items()}, training=False)
    np.testing.assert_array_equal(outputs["sequence_output"], same["sequence_output"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: (weights, {"vocab_size": 4}), r"vocab.txt: \d+ word pieces, config.json has vocab_size 4"),
        (lambda weights: ({**weights, WORDS: weights[WORDS] * np.nan}, {}), "word_embeddings.weight must be finite"),
        (
            lambda weights: ({**weights, WORDS: weights[WORDS] + np.inf}, {}),
            "word_embeddings.weight must be finite",
        ),
    ],
    ids=["more word pieces than embeddings", "NaN", "infinity"],
)
def test_odd_checkpoints_that_are_refused(tmp_path, change, message):
    _write(tmp_path / "bert", change)
    for use in (
        lambda pretrained: build_multi_task_model(pretrained, [TASK]),
        lambda pretrained: convert(pretrained, tmp_path / "out", "huggingface"),
    ):
        with pytest.raises(UserError, match=message):
            use(find_backbone(str(tmp_path / "bert")))
    assert not (tmp_path / "out").exists()


def test_the_page_lists_every_odd_checkpoint():
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in READ if f"| {name} |" not in page] == []
