import json

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import build_backbone
from mtdnn_tf.modeling.bert_weights import assign_weights, read_weights
from mtdnn_tf.modeling.huggingface import read_huggingface_folder
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder


def _inputs():
    generator = np.random.default_rng(3)
    lengths = np.array([9, 4, 7])
    mask = np.arange(9) < lengths[:, None]
    token_ids = np.where(mask, generator.integers(5, len(VOCABULARY), (3, 9)), 0)
    segment_ids = np.where(mask & (np.arange(9) >= 3), 1, 0)
    return token_ids, segment_ids, mask


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu"])
def test_outputs_equal_bert_in_numpy(tmp_path, hidden_act):
    weights = write_huggingface_folder(tmp_path / "bert", hidden_act)
    pretrained = read_huggingface_folder(tmp_path / "bert")
    backbone = build_backbone(pretrained.config, dropout=0.3)
    assign_weights(backbone, pretrained.weights, pretrained.source)
    token_ids, segment_ids, mask = _inputs()

    outputs = backbone(
        {
            "token_ids": tf.constant(token_ids, tf.int32),
            "segment_ids": tf.constant(segment_ids, tf.int32),
            "padding_mask": tf.constant(mask, tf.int32),
        },
        training=False,
    )

    sequence, pooled = bert(weights, token_ids, segment_ids, mask, layers=2, heads=2, hidden_act=hidden_act)
    np.testing.assert_allclose(outputs["sequence_output"].numpy()[mask], sequence[mask], atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"].numpy(), pooled, atol=1e-5)


def test_written_weights_equal_the_files_they_were_read_from(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert")
    pretrained = read_huggingface_folder(tmp_path / "bert")
    backbone = build_backbone(pretrained.config)
    assign_weights(backbone, pretrained.weights, pretrained.source)

    written = read_weights(backbone)

    assert written.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(written[name], array)


def test_vocabulary_and_casing(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    assert read_huggingface_folder(tmp_path / "bert").lowercase
    assert read_huggingface_folder(tmp_path / "bert").vocabulary == tuple(VOCABULARY)
    (tmp_path / "bert" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert not read_huggingface_folder(tmp_path / "bert").lowercase


def test_a_vocabulary_with_capital_letters_is_cased(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    pieces = (tmp_path / "bert" / "vocab.txt").read_text().replace("dog", "Dog")
    (tmp_path / "bert" / "vocab.txt").write_text(pieces)
    assert not read_huggingface_folder(tmp_path / "bert").lowercase


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "model_type 'bert' is accepted, 'roberta' given"),
        ({"hidden_act": "swish"}, "unknown hidden_act 'swish'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps 1e-12 is accepted"),
        ({"position_embedding_type": "relative_key"}, "'absolute' is accepted"),
        ({"num_attention_heads": 3}, "not a multiple of num_heads"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"vocab_size": 4}, "word pieces"),
        ({"num_hidden_layers": 3}, "encoder.layer.2.attention.self.query.weight is missing"),
        ({"intermediate_size": 20}, "has shape"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path, change, message):
    write_huggingface_folder(tmp_path / "bert")
    path = tmp_path / "bert" / "config.json"
    config = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    with pytest.raises(UserError, match=message):
        pretrained = read_huggingface_folder(tmp_path / "bert")
        assign_weights(build_backbone(pretrained.config), pretrained.weights, pretrained.source)


def test_a_pickled_checkpoint_is_refused_with_the_reason(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    (tmp_path / "bert" / "model.safetensors").rename(tmp_path / "bert" / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled"):
        read_huggingface_folder(tmp_path / "bert")


def test_damaged_weights_are_refused(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    path = tmp_path / "bert" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        read_huggingface_folder(tmp_path / "bert")
