import json

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.bert_weights import read_weights
from mtdnn_tf.modeling.checkpoints import huggingface
from mtdnn_tf.modeling.checkpoints.conversion import convert
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.checkpoints.pretrained import SENTENCE_TRANSFORMERS, with_pooling
from mtdnn_tf.modeling.encoder import mean_over_positions
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.task import Task
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder

_MASK = np.arange(9) < np.array([[9], [4], [7]])
_INPUTS = {
    "token_ids": np.where(_MASK, np.random.default_rng(3).integers(5, len(VOCABULARY), (3, 9)), 0),
    "segment_ids": np.where(_MASK & (np.arange(9) >= 3), 1, 0),
    "padding_mask": _MASK.astype(np.int64),
}
_TENSORS = {name: tf.constant(values, tf.int32) for name, values in _INPUTS.items()}
_TASK = Task(name="mood", kind="classification", text=("text",), labels=("bad", "good"), metrics=("accuracy",))


def _expected(weights, pooling):
    token_ids, segment_ids, mask = _INPUTS.values()
    sequence, pooled = bert(weights, token_ids, segment_ids, mask, layers=2, heads=2, hidden_act="gelu")
    if pooling == "pooler":
        return pooled
    if pooling == "cls":
        return sequence[:, 0]
    return np.stack([row[mask].mean(axis=0) for row, mask in zip(sequence, _MASK)])


def _write_pooling(folder, **modes):
    (folder / "1_Pooling").mkdir(exist_ok=True)
    values = {"word_embedding_dimension": 16, **{f"pooling_mode_{name}": True for name in modes}}
    (folder / SENTENCE_TRANSFORMERS).write_text(json.dumps(values))


def _remove_pooler(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: array for name, array in weights.items() if "pooler" not in name}, folder / "model.safetensors")


@pytest.fixture(name="folder")
def _folder(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    return tmp_path / "bert"


@pytest.mark.parametrize("pooling", ["pooler", "cls", "mean"])
def test_the_pooled_vector_is_that_of_numpy_in_training_and_after_saving(folder, tmp_path, pooling):
    weights = load_file(folder / "model.safetensors")
    pretrained = with_pooling(huggingface.read_folder(folder), pooling)
    model = build_multi_task_model(pretrained, [_TASK], dropout=0.0)
    np.testing.assert_allclose(model.encode(_TENSORS)["pooled_output"], _expected(weights, pooling), atol=1e-5)
    logits = model(_TENSORS)["mood"]
    np.testing.assert_allclose(model.task_logits(_TENSORS, "mood"), logits, atol=1e-6)

    save_model(model, [_TASK], pretrained.tokenizer(), 16, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.model.backbone.config.pooling == pooling
    np.testing.assert_array_equal(loaded.model(_TENSORS)["mood"], logits)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_an_unused_pooler_is_not_trained_and_in_no_file(folder, tmp_path, pooling):
    pretrained = with_pooling(huggingface.read_folder(folder), pooling)
    model = build_multi_task_model(pretrained, [_TASK])
    assert not [name for name in read_weights(model.backbone) if "pooler" in name]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.task_logits(_TENSORS, "mood", training=True))
    assert all(gradient is not None for gradient in tape.gradient(loss, model.trainable_variables))


def test_the_mean_counts_no_padding():
    sequence = tf.random.stateless_normal([2, 3, 4], [1, 2])
    mask = tf.constant([[1, 1, 0], [1, 1, 1]])
    expected = [sequence[0, :2].numpy().mean(axis=0), sequence[1].numpy().mean(axis=0)]
    np.testing.assert_allclose(mean_over_positions(sequence, mask), expected, atol=1e-6)


def test_a_sentence_transformers_folder_decides(folder):
    assert huggingface.read_folder(folder).config.pooling == "pooler"
    _write_pooling(folder, mean_tokens=True)
    assert huggingface.read_folder(folder).config.pooling == "mean"
    _write_pooling(folder, cls_token=True)
    assert huggingface.read_folder(folder).config.pooling == "cls"


@pytest.mark.parametrize(
    ("modes", "given"),
    [
        ({"max_tokens": True}, "pooling_mode_max_tokens"),
        ({"cls_token": True, "mean_tokens": True}, "pooling_mode_cls_token, pooling_mode_mean_tokens"),
        ({}, "none"),
    ],
)
def test_another_pooling_of_sentence_transformers_is_refused(folder, modes, given):
    _write_pooling(folder, **modes)
    with pytest.raises(UserError, match=f"1_Pooling/config.json: exactly one of .* must be true, got {given};"):
        huggingface.read_folder(folder)


def test_without_a_pooler_heads_read_the_first_position_and_a_line_says_so(folder, caplog):
    _remove_pooler(folder)
    with caplog.at_level("INFO", "absl"):
        pretrained = huggingface.read_folder(folder)
    assert pretrained.config.pooling == "cls"
    assert "no pooler weights; heads read the first position's output (pooling cls)" in caplog.text
    with pytest.raises(UserError, match=r"--pooling must be auto, cls or mean where .* has no pooler, got pooler"):
        with_pooling(pretrained, "pooler")


@pytest.mark.parametrize("has_pooler", [True, False])
def test_huggingface_folders_keep_the_pooling_and_others_warn_or_refuse(folder, tmp_path, caplog, has_pooler):
    _write_pooling(folder, mean_tokens=True)
    if not has_pooler:
        _remove_pooler(folder)
    pretrained = huggingface.read_folder(folder)
    convert(pretrained, tmp_path / "again", "huggingface")
    again = huggingface.read_folder(tmp_path / "again")
    assert again.config == pretrained.config
    assert again.weights.keys() == pretrained.weights.keys()
    if has_pooler:
        convert(pretrained, tmp_path / "google", "google", accept_approximate_gelu=True)
        assert "does not record pooling; pass --pooling=mean with it" in caplog.text
    else:
        with pytest.raises(UserError, match=r"--format=google must have BERT's pooler, .* has none"):
            convert(pretrained, tmp_path / "google", "google", accept_approximate_gelu=True)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_the_export_answers_as_the_model_and_holds_only_a_pooler_that_is_used(folder, tmp_path, pooling, weights):
    pretrained = with_pooling(huggingface.read_folder(folder), pooling)
    model = build_multi_task_model(pretrained, [_TASK])
    save_model(model, [_TASK], pretrained.tokenizer(), 16, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    export_model(loaded, tmp_path / "export" / "1", batch_sizes=[], weights=weights)
    texts = tf.constant(["the cat sees a dog.", "a bird"])
    signatures = tf.saved_model.load(str(tmp_path / "export" / "1")).signatures
    packed = to_model_inputs(pack(loaded.tokenizer.tokenize(texts), None, loaded.tokenizer, 16))
    expected = loaded.model.encode(packed)["pooled_output"]
    tolerance = 1e-5 if weights == "float32" else 0.2
    embedding = signatures["embed"](text_a=texts, text_b=tf.constant(["", ""]))["embedding"]
    np.testing.assert_allclose(embedding, expected, atol=tolerance)
    variables = tf.train.list_variables(str(tmp_path / "export" / "1" / "variables" / "variables"))
    assert any("pooler" in name for name, _ in variables) == (pooling == "pooler")
