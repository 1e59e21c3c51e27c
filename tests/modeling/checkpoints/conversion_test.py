import hashlib
import json

import keras_nlp
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import FORMATS, convert, output_difference
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder

INPUTS = {
    "token_ids": np.array([[2, 7, 9, 3, 12, 3], [2, 8, 3, 0, 0, 0]]),
    "segment_ids": np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]]),
    "padding_mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]),
}


def _digests(weights):
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in weights.items()}


@pytest.mark.parametrize(
    "path",
    [("huggingface",), ("google",), ("keras_nlp",), ("google", "keras_nlp"), ("keras_nlp", "google")],
    ids="-".join,
)
def test_to_other_layouts_and_back_gives_the_same_bytes(tmp_path, path):
    weights = write_huggingface_folder(tmp_path / "0", "gelu_new")
    (tmp_path / "0" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    for number, layout in enumerate((*path, "huggingface")):
        convert(find_backbone(str(tmp_path / str(number))), tmp_path / str(number + 1), layout)
    last = tmp_path / str(len(path) + 1)
    assert _digests(load_file(last / "model.safetensors")) == _digests(weights)
    assert (last / "vocab.txt").read_bytes() == (tmp_path / "0" / "vocab.txt").read_bytes()
    first, config = (json.loads((folder / "config.json").read_text()) for folder in (tmp_path / "0", last))
    assert {name: config[name] for name in first} == first
    assert json.loads((last / "tokenizer_config.json").read_text())["do_lower_case"] is False
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu"])
def test_hugging_face_keeps_the_activation(tmp_path, hidden_act):
    write_huggingface_folder(tmp_path / "bert", hidden_act)
    convert(find_backbone(str(tmp_path / "bert")), tmp_path / "out", "huggingface")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["hidden_act"] == hidden_act


def test_a_preset_loads_in_kerasnlp_with_equal_outputs(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert", "gelu_new")
    convert(find_backbone(str(tmp_path / "bert")), tmp_path / "out", "keras_nlp")
    backbone = keras_nlp.models.BertBackbone.from_preset(str(tmp_path / "out"))
    tokenizer = keras_nlp.models.BertTokenizer.from_preset(str(tmp_path / "out"))
    outputs = backbone({name: tf.constant(value, tf.int32) for name, value in INPUTS.items()}, training=False)
    mask = INPUTS["padding_mask"] > 0
    sequence, pooled = bert(weights, INPUTS["token_ids"], INPUTS["segment_ids"], mask, 2, 2, "gelu_new")
    np.testing.assert_allclose(outputs["sequence_output"].numpy()[mask], sequence[mask], atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"].numpy(), pooled, atol=1e-5)
    assert tokenizer.get_vocabulary() == VOCABULARY
    text = "The Cât sees a dog, not birds."
    ours = WordPieceTokenizer(VOCABULARY, lowercase=True).tokenize(tf.constant([text]))
    assert tokenizer(text).numpy().tolist() == ours[0].numpy().tolist()
    assert VOCABULARY.index("cat") in ours[0].numpy()


def test_a_google_checkpoint_has_googles_names_and_shapes(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert", "gelu_new")
    convert(find_backbone(str(tmp_path / "bert")), tmp_path / "out", "google")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert json.loads((tmp_path / "out" / "bert_config.json").read_text())["hidden_act"] == "gelu"
    prefix = str(tmp_path / "out" / "bert_model.ckpt")
    variables = dict(tf.train.list_variables(prefix))
    assert len(variables) == len(weights)
    assert variables["bert/encoder/layer_1/intermediate/dense/kernel"] == [16, 32]
    for theirs, ours in (
        ("bert/embeddings/word_embeddings", weights["embeddings.word_embeddings.weight"]),
        ("bert/embeddings/LayerNorm/gamma", weights["embeddings.LayerNorm.weight"]),
        ("bert/encoder/layer_1/output/LayerNorm/beta", weights["encoder.layer.1.output.LayerNorm.bias"]),
        ("bert/encoder/layer_0/attention/self/query/kernel", weights["encoder.layer.0.attention.self.query.weight"].T),
        ("bert/pooler/dense/bias", weights["pooler.dense.bias"]),
    ):  # fmt: skip
        np.testing.assert_array_equal(tf.train.load_variable(prefix, theirs), ours)


@pytest.mark.parametrize("layout", ["keras_nlp", "google"])
def test_exact_gelu_needs_consent_and_the_difference_is_told(tmp_path, layout):
    weights = write_huggingface_folder(tmp_path / "bert", "gelu")
    pretrained = find_backbone(str(tmp_path / "bert"))
    with pytest.raises(UserError, match=r"has exact GELU: outputs change by up to \d\.\de-0\d; .*accept_approximate_"):
        convert(pretrained, tmp_path / "out", layout)
    assert not (tmp_path / "out").exists()
    convert(pretrained, tmp_path / "out", layout, accept_approximate_gelu=True)
    written = find_backbone(str(tmp_path / "out"))
    assert written.config.activation == "gelu_approximate"
    assert _digests(written.weights) == _digests(weights)


def test_the_difference_of_outputs_is_that_of_bert_in_numpy(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert", "gelu")
    pretrained = find_backbone(str(tmp_path / "bert"))
    token_ids = np.random.default_rng(0).integers(0, len(VOCABULARY), (8, 32))
    ones = np.ones_like(token_ids)
    exact, approximate = (bert(weights, token_ids, 0 * ones, ones > 0, 2, 2, name)[0] for name in ("gelu", "gelu_new"))
    expected = np.abs(exact - approximate).max()
    assert expected > 1e-5
    np.testing.assert_allclose(output_difference(pretrained, "gelu_approximate"), expected, atol=5e-6)


def test_half_precision_is_written_as_float32(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert", "gelu")
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    save_file(halves, tmp_path / "bert" / "model.safetensors")
    convert(find_backbone(str(tmp_path / "bert")), tmp_path / "out", "huggingface")
    for name, array in load_file(tmp_path / "out" / "model.safetensors").items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, halves[name])


def _without_pooler(folder):
    write_huggingface_folder(folder)
    weights = load_file(folder / "model.safetensors")
    save_file({name: array for name, array in weights.items() if "pooler" not in name}, folder / "model.safetensors")


def _without_mask_token(folder):
    write_huggingface_folder(folder, "gelu_new")
    (folder / "vocab.txt").write_text((folder / "vocab.txt").read_text().replace("[MASK]", "mask"))


@pytest.mark.parametrize(
    ("write", "layout", "message"),
    [
        (None, "huggingface", "--from=tiny: has random weights"),
        (_without_pooler, "google", "--format=google must have BERT's pooler, .* has none"),
        (lambda folder: write_huggingface_folder(folder, "relu"), "keras_nlp", "relu; --format=huggingface records it"),
        (_without_mask_token, "keras_nlp", r"needs \[MASK\] in the vocabulary"),
        (write_huggingface_folder, "keras-nlp", "unknown --format 'keras-nlp'; did you mean 'keras_nlp'"),
    ],
)
def test_refusals_leave_nothing(tmp_path, write, layout, message):
    if write is not None:
        write(tmp_path / "bert")
    pretrained = find_backbone(str(tmp_path / "bert") if write else "tiny")
    with pytest.raises(UserError, match=message):
        convert(pretrained, tmp_path / "out", layout)
    assert {path.name for path in tmp_path.iterdir()} <= {"bert"}


@pytest.mark.parametrize("layout", FORMATS)
def test_nothing_that_stands_is_replaced(tmp_path, layout):
    write_huggingface_folder(tmp_path / "bert", "gelu_new")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="out: exists"):
        convert(find_backbone(str(tmp_path / "bert")), tmp_path / "out", layout)
    assert not list((tmp_path / "out").iterdir())
