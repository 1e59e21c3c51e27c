import json

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.bert_weights import assign_weights, check_weights, encoder_weights, read_weights
from mtdnn_tf.modeling.checkpoints import huggingface
from mtdnn_tf.modeling.encoder import Encoder
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
    pretrained = huggingface.read_folder(tmp_path / "bert")
    backbone = Encoder(pretrained.config, dropout=0.3)
    assign_weights(backbone, pretrained.weights)
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
    pretrained = huggingface.read_folder(tmp_path / "bert")
    backbone = Encoder(pretrained.config)
    assign_weights(backbone, pretrained.weights)

    written = read_weights(backbone)

    assert written.keys() == weights.keys()
    assert {weight.name: weight.shape for weight in encoder_weights(pretrained.config)} == {
        name: array.shape for name, array in weights.items()
    }
    for name, array in weights.items():
        np.testing.assert_array_equal(written[name], array)


def test_vocabulary_and_casing(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    assert huggingface.read_folder(tmp_path / "bert").lowercase
    assert huggingface.read_folder(tmp_path / "bert").vocabulary == tuple(VOCABULARY)
    (tmp_path / "bert" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert not huggingface.read_folder(tmp_path / "bert").lowercase


def test_a_vocabulary_with_capital_letters_is_cased(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    pieces = (tmp_path / "bert" / "vocab.txt").read_text().replace("dog", "Dog")
    (tmp_path / "bert" / "vocab.txt").write_text(pieces)
    assert not huggingface.read_folder(tmp_path / "bert").lowercase


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bart"}, "unknown model_type 'bart'; did you mean 'bert'"),
        ({"hidden_act": "swish"}, "unknown hidden_act 'swish'"),
        ({"layer_norm_eps": 0.0}, "norm_epsilon between 0 and 1"),
        ({"layer_norm_eps": "1e-5"}, "layer_norm_eps must be a number between 0 and 1, got 1e-5"),
        ({"type_vocab_size": 0}, "type_vocab_size must be an integer from 1"),
        ({"position_embedding_type": "relative_key"}, "must be 'absolute', got 'relative_key'"),
        ({"num_attention_heads": 3}, "not a multiple of num_heads"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"vocab_size": 4}, "word pieces"),
        ({"num_hidden_layers": 3}, "encoder.layer.2.attention.self.query.weight is missing"),
        ({"num_hidden_layers": 1}, "encoder.layer.1.* is not part of the encoder that config.json describes"),
        ({"intermediate_size": 20}, "has shape"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path, change, message):
    write_huggingface_folder(tmp_path / "bert")
    path = tmp_path / "bert" / "config.json"
    config = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    with pytest.raises(UserError, match=message):
        pretrained = huggingface.read_folder(tmp_path / "bert")
        check_weights(pretrained.config, pretrained.weights, pretrained.source)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_a_pickled_checkpoint_is_refused_with_the_reason_and_the_remedy(tmp_path, name):
    write_huggingface_folder(tmp_path / "bert")
    (tmp_path / "bert" / "model.safetensors").rename(tmp_path / "bert" / name)
    with pytest.raises(UserError, match=f"{name} is there, but a pickled .* can run code .*safe_serialization=True"):
        huggingface.read_folder(tmp_path / "bert")


def _write_shards(folder):
    """Splits model.safetensors into three files with an index, as transformers does, and returns the index."""
    weights = write_huggingface_folder(folder)
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    files = {name: f"model-{index % 3 + 1:05}-of-00003.safetensors" for index, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: weights[name] for name in names if files[name] == file}, folder / file)
    index = {"metadata": {"total_size": sum(array.nbytes for array in weights.values())}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return weights, index


def test_shards_are_read_as_one_file(tmp_path):
    weights, _ = _write_shards(tmp_path / "bert")
    read = huggingface.read_folder(tmp_path / "bert").weights
    assert read.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, i: (f / "model-00002-of-00003.safetensors").unlink(), "00002-of-00003.safetensors: missing"),
        (lambda f, i: (f / "model-00002-of-00003.safetensors").write_bytes(b"x"), "00002-of-00003.*damaged"),
        (lambda f, i: i.pop("weight_map"), "index.json: weight_map.* is missing"),
        (
            lambda f, i: i["weight_map"].update(none="model-00001-of-00003.safetensors"),
            "00001.*: weight none is missing",
        ),
        (lambda f, i: i["weight_map"].update(none="../weights"), r"same folder, got '\.\./weights'"),
    ],
)
def test_damaged_shards_are_refused(tmp_path, change, message):
    _, index = _write_shards(tmp_path / "bert")
    change(tmp_path / "bert", index)
    (tmp_path / "bert" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=message):
        huggingface.read_folder(tmp_path / "bert")


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_names_of_older_checkpoints(tmp_path, prefix):
    weights = write_huggingface_folder(tmp_path / "bert")
    older = {
        prefix + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in weights.items()
    }
    older["classifier.weight"] = np.zeros((2, 16), np.float32)
    older[f"{prefix}embeddings.position_ids"] = np.arange(64)[None]
    save_file(older, tmp_path / "bert" / "model.safetensors")
    read = huggingface.read_folder(tmp_path / "bert").weights
    for name, array in weights.items():
        np.testing.assert_array_equal(read[name], array)


def test_a_weight_under_two_names_is_refused(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert")
    weights["bert.pooler.dense.bias"] = weights["pooler.dense.bias"] + 1
    save_file(weights, tmp_path / "bert" / "model.safetensors")
    with pytest.raises(UserError, match=r"duplicate weight pooler.dense.bias"):
        huggingface.read_folder(tmp_path / "bert")


def test_bfloat16_is_read(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert")
    header, content = {}, b""
    for name, array in weights.items():
        upper = (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()  # A bfloat16 is a float32's upper half.
        offsets = [len(content), len(content) + len(upper)]
        header[name] = {"dtype": "BF16", "shape": array.shape, "data_offsets": offsets}
        content += upper
    head = json.dumps(header).encode()
    (tmp_path / "bert" / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + content)
    pretrained = huggingface.read_folder(tmp_path / "bert")
    backbone = Encoder(pretrained.config)
    assign_weights(backbone, pretrained.weights)
    for name, array in read_weights(backbone).items():
        np.testing.assert_array_equal(array, (weights[name].view(np.uint32) & 0xFFFF0000).view(np.float32))


def test_quantised_weights_are_refused(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert")
    weights["pooler.dense.weight"] = weights["pooler.dense.weight"].astype(np.int8)
    save_file(weights, tmp_path / "bert" / "model.safetensors")
    with pytest.raises(UserError, match=r"weights must be floating-point, pooler.dense.weight is int8"):
        huggingface.read_folder(tmp_path / "bert")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "must be a JSON object"),
        ({"do_lower_case": "yes"}, "must be true or false, .*got 'yes'"),
    ],
)
def test_a_tokenizer_that_bert_does_not_have_is_refused(tmp_path, values, message):
    write_huggingface_folder(tmp_path / "bert")
    (tmp_path / "bert" / "tokenizer_config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=message):
        huggingface.read_folder(tmp_path / "bert")


def test_damaged_weights_are_refused(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    path = tmp_path / "bert" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        huggingface.read_folder(tmp_path / "bert")
