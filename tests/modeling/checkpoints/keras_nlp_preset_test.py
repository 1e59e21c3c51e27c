import json

import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.keras_nlp_preset import preset_names
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from tests.helpers import VOCABULARY

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))


def _write_preset(folder):
    """Writes a preset folder as KerasNLP reads it; its own writer needs Keras 3."""
    backbone = keras_nlp.models.BertBackbone(len(VOCABULARY), 2, 2, 16, 32, max_sequence_length=64)
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY))
    (folder / "config.json").write_text(json.dumps(tf.keras.saving.serialize_keras_object(backbone)))
    (folder / "metadata.json").write_text(json.dumps({"keras_version": "2.15.0"}))
    tokenizer = keras_nlp.models.BertTokenizer(VOCABULARY, lowercase=True)
    (folder / "tokenizer.json").write_text(json.dumps(tf.keras.saving.serialize_keras_object(tokenizer)))
    backbone.save_weights(str(folder / "model.weights.h5"))
    return backbone


def test_outputs_equal_those_of_kerasnlp(tmp_path):
    theirs = _write_preset(tmp_path / "preset")
    pretrained = find_backbone(str(tmp_path / "preset"))
    assert pretrained.vocabulary == tuple(VOCABULARY)
    assert pretrained.lowercase
    ours = build_multi_task_model(pretrained, [TASK], dropout=0.4).backbone
    inputs = {
        "token_ids": tf.constant([[2, 7, 9, 3, 0]]),
        "segment_ids": tf.constant([[0, 0, 0, 0, 0]]),
        "padding_mask": tf.constant([[1, 1, 1, 1, 0]]),
    }
    expected, computed = theirs(inputs, training=False), ours(inputs, training=False)
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(computed[name], expected[name], atol=1e-6)


def test_a_preset_folder_without_weights_is_refused_in_one_line(tmp_path):
    _write_preset(tmp_path / "preset")
    (tmp_path / "preset" / "model.weights.h5").unlink()
    with pytest.raises(UserError, match="cannot be loaded") as error:
        find_backbone(str(tmp_path / "preset"))
    assert "\n" not in str(error.value)


def test_the_papers_encoders_are_known_by_name():
    assert {"bert_base_en_uncased", "bert_large_en", "bert_large_en_uncased"} <= set(preset_names())
