import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, read_backbone, read_fold, read_tasks, save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task

TASKS = [
    Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",)),
    Task("score", "regression", ("a", "b"), metrics=("pearson",)),
    Task("mood_too", "classification", ("text",), ("bad", "good"), ("accuracy",), head_of="mood"),
]
INPUTS = {
    "token_ids": tf.constant([[2, 10, 11, 3]]),
    "segment_ids": tf.constant([[0, 0, 0, 0]]),
    "padding_mask": tf.constant([[1, 1, 1, 1]]),
}


@pytest.fixture
def saved(tmp_path):
    pretrained = find_backbone("tiny")
    model = build_multi_task_model(pretrained, TASKS, seed=5)
    tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
    fingerprint = save_model(model, TASKS, tokenizer, 64, tmp_path / "run" / "model")
    return model, fingerprint, tmp_path / "run"


def test_a_loaded_model_answers_as_the_saved_one(saved):
    model, fingerprint, run = saved
    loaded = load_model(run)
    assert loaded.tasks == TASKS == read_tasks(run)
    assert (loaded.fingerprint, loaded.max_sequence_length) == (fingerprint, 64)
    assert loaded.tokenizer.vocabulary == find_backbone("tiny").vocabulary
    for name in ("mood", "score"):
        np.testing.assert_allclose(loaded.model.task_logits(INPUTS, name), model.task_logits(INPUTS, name), atol=1e-6)


def test_weights_stand_under_hugging_faces_names(saved):
    model, _, run = saved
    arrays = load_file(run / "model" / "weights.safetensors")
    kernel = model.backbone.named["encoder.layer.1.output.dense.weight"]
    np.testing.assert_array_equal(arrays["backbone.encoder.layer.1.output.dense.weight"], kernel.numpy().T)
    np.testing.assert_array_equal(arrays["heads.mood.0"], model.heads["mood"].logits.kernel.numpy())
    assert not any(name.startswith("heads.mood_too") for name in arrays)


def test_another_training_can_start_from_the_encoder(saved):
    model, _, run = saved
    pretrained = find_backbone(str(run))
    assert pretrained.config == read_backbone(run / "model").config == find_backbone("tiny").config
    np.testing.assert_array_equal(
        pretrained.weights["embeddings.word_embeddings.weight"],
        model.backbone.named["embeddings.word_embeddings.weight"].numpy(),
    )


def test_a_folder_without_a_model_and_a_damaged_one_are_refused(saved, tmp_path):
    _, _, run = saved
    with pytest.raises(UserError, match="no trained model here"):
        load_model(tmp_path)
    path = run / "model" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.safetensors: checksum does not match"):
        load_model(run)


def test_a_run_without_the_fields_was_trained_on_all_rows(tmp_path):
    assert read_fold(tmp_path) is None
    (tmp_path / "config.json").write_text('{"seed": 1}')
    assert read_fold(tmp_path) is None
    (tmp_path / "config.json").write_text('{"folds": 3, "held_out_fold": 0}')
    assert read_fold(tmp_path) == Fold(3, 0)
