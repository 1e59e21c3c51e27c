import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.bert_weights import assign_weights
from mtdnn_tf.modeling.checkpoints import google_bert
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.encoder import Encoder
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder

LAYERS, WIDTH, INNER, POSITIONS = 2, 16, 32, 64


def _variables(seed=0):
    """Returns the variables of google-research/bert's BertModel, as it names and shapes them."""
    shapes = {
        "bert/embeddings/word_embeddings": (len(VOCABULARY), WIDTH),
        "bert/embeddings/token_type_embeddings": (2, WIDTH),
        "bert/embeddings/position_embeddings": (POSITIONS, WIDTH),
        "bert/pooler/dense/kernel": (WIDTH, WIDTH),
        "bert/pooler/dense/bias": (WIDTH,),
    }
    norms = ["bert/embeddings/LayerNorm"]
    for index in range(LAYERS):
        layer = f"bert/encoder/layer_{index}"
        for dense, inputs, outputs in (
            ("attention/self/query", WIDTH, WIDTH),
            ("attention/self/key", WIDTH, WIDTH),
            ("attention/self/value", WIDTH, WIDTH),
            ("attention/output/dense", WIDTH, WIDTH),
            ("intermediate/dense", WIDTH, INNER),
            ("output/dense", INNER, WIDTH),
        ):
            shapes[f"{layer}/{dense}/kernel"] = (inputs, outputs)
            shapes[f"{layer}/{dense}/bias"] = (outputs,)
        norms += [f"{layer}/attention/output/LayerNorm", f"{layer}/output/LayerNorm"]
    for norm in norms:
        shapes[f"{norm}/gamma"] = shapes[f"{norm}/beta"] = (WIDTH,)
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def _extras(variables):
    slots = {f"{name}/{slot}": value for name, value in variables.items() for slot in ("adam_m", "adam_v")}
    heads = {
        "cls/predictions/output_bias": np.zeros(len(VOCABULARY), np.float32),
        "cls/predictions/transform/dense/kernel": np.zeros((WIDTH, WIDTH), np.float32),
        "cls/seq_relationship/output_weights": np.zeros((2, WIDTH), np.float32),
    }
    return {**slots, **heads, "global_step": np.array(1000, np.int64)}


def _save(prefix, variables):
    """Writes a checkpoint with TensorFlow 1's own Saver."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        saved = [tf.compat.v1.Variable(value, name=name, dtype=value.dtype) for name, value in variables.items()]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(saved).save(session, str(prefix), write_meta_graph=False)


def _write_folder(folder, variables, hidden_act="gelu", vocabulary=VOCABULARY, checkpoint="bert_model.ckpt"):
    folder.mkdir(parents=True)
    config = {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": hidden_act,
        "hidden_dropout_prob": 0.1,
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": 2,
        "num_hidden_layers": LAYERS,
        "type_vocab_size": 2,
        "vocab_size": len(vocabulary),
    }
    (folder / "bert_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary), encoding="utf-8")
    _save(folder / checkpoint, variables)


def _by_huggingface_names(variables):
    """Returns the arrays as bert_in_numpy.py takes them: every name spelt out in other words, kernels turned round."""
    arrays = {}
    for name, value in variables.items():
        parts = name.split("/")[1:]
        if parts[0] == "encoder":
            parts[1:2] = ["layer", parts[1].split("_")[1]]
        if parts[-1] in ("kernel", "gamma"):
            value, parts[-1] = value.T, "weight"
        elif parts[-1] == "beta":
            parts[-1] = "bias"
        elif parts[-1] != "bias":
            parts.append("weight")
        arrays[".".join(parts)] = value
    return arrays


@pytest.fixture(scope="module", name="released")
def _released(tmp_path_factory):
    """A folder as Google released them, optimizer state and pre-training heads included, and its variables."""
    folder = tmp_path_factory.mktemp("google") / "bert"
    variables = _variables()
    _write_folder(folder, {**variables, **_extras(variables)})
    return folder, variables


@pytest.mark.parametrize(("hidden_act", "in_numpy"), [("gelu", "gelu_new"), ("relu", "relu")])
def test_outputs_equal_bert_in_numpy(tmp_path, hidden_act, in_numpy):
    variables = _variables(seed=1)
    _write_folder(tmp_path / "bert", {**variables, **_extras(variables)}, hidden_act)
    pretrained = find_backbone(str(tmp_path / "bert"))
    backbone = Encoder(pretrained.config)
    assign_weights(backbone, pretrained.weights)
    token_ids = np.array([[2, 7, 9, 3, 12, 3], [2, 8, 3, 0, 0, 0]])
    segment_ids = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]])
    mask = token_ids > 0
    outputs = backbone(
        {
            "token_ids": tf.constant(token_ids, tf.int32),
            "segment_ids": tf.constant(segment_ids, tf.int32),
            "padding_mask": tf.constant(mask, tf.int32),
        },
        training=False,
    )
    arrays = _by_huggingface_names(variables)
    sequence, pooled = bert(arrays, token_ids, segment_ids, mask, LAYERS, heads=2, hidden_act=in_numpy)
    np.testing.assert_allclose(outputs["sequence_output"].numpy()[mask], sequence[mask], atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"].numpy(), pooled, atol=1e-5)


def test_every_variable_is_used_once(released):
    folder, variables = released
    weights = google_bert.read_folder(folder).weights
    expected = _by_huggingface_names(variables)
    assert weights.keys() == expected.keys()
    assert len(weights) == len(variables)
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], value)


def test_a_checkpoint_of_another_name_is_found_if_it_is_the_only_one(tmp_path):
    variables = _variables()
    _write_folder(tmp_path / "bert", variables, checkpoint="model.ckpt-1000")
    assert len(google_bert.read_folder(tmp_path / "bert").weights) == len(variables)
    _save(tmp_path / "bert" / "model.ckpt-2000", variables)
    with pytest.raises(UserError, match=r"model.ckpt-1000.index, model.ckpt-2000.index"):
        google_bert.read_folder(tmp_path / "bert")


@pytest.mark.parametrize(
    ("name", "capital", "tokenizer_config", "lowercase"),
    [
        ("bert", False, None, True),
        ("bert", True, None, False),
        ("uncased_L-2_H-16_A-2", True, None, True),
        ("cased_L-2_H-16_A-2", False, None, False),
        ("multi_cased_L-2_H-16_A-2", False, None, False),
        ("multilingual_L-2_H-16_A-2", True, None, True),
        ("chinese_L-2_H-16_A-2", True, None, True),
        ("wwm_cased_L-2_H-16_A-2", False, None, False),
        ("uncased_L-2_H-16_A-2", False, {"do_lower_case": False}, False),
    ],
)
def test_casing(released, tmp_path, name, capital, tokenizer_config, lowercase):
    folder = tmp_path / name
    shutil.copytree(released[0], folder)
    if capital:
        path = folder / "vocab.txt"
        path.write_text(path.read_text().replace("dog", "Dog"))
    if tokenizer_config:
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    assert google_bert.read_folder(folder).lowercase is lowercase


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("bert/pooler/dense/bias"), "1 variables are missing, bert/pooler/dense/bias among them"),
        (
            lambda v: v.update({"bert/encoder/layer_2/output/dense/bias": np.zeros(WIDTH, np.float32)}),
            "1 variables are not part of the encoder .* bert/encoder/layer_2/output/dense/bias among them",
        ),
        (lambda v: v.update({"output_weights": np.zeros(3, np.float32)}), "output_weights among them"),
        (
            lambda v: v.update(
                {"bert/encoder/layer_0/intermediate/dense/kernel": np.zeros((INNER, WIDTH), np.float32)}
            ),
            r"layer_0/intermediate/dense/kernel has shape \[32, 16\], bert_config.json asks for \(16, 32\)",
        ),
    ],
    ids=["missing", "unused layer", "unused head", "transposed"],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tmp_path, change, message):
    variables = _variables()
    change(variables)
    _write_folder(tmp_path / "bert", variables)
    with pytest.raises(UserError, match=message):
        google_bert.read_folder(tmp_path / "bert")


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "vocab.txt").unlink(), "vocab.txt: no such vocabulary file"),
        (lambda f: (f / "vocab.txt").write_text("".join(f"a{i}\n" for i in range(99))), "99 word pieces"),
        (lambda f: (f / "bert_config.json").write_text("[]"), "must be a JSON object"),
        (lambda f: (f / "bert_config.json").write_text('{"hidden_act": "swish"}'), "unknown hidden_act 'swish'"),
        (lambda f: (f / "bert_config.json").write_text('{"hidden_act": "gelu"}'), "field vocab_size is missing"),
        (lambda f: (f / "bert_model.ckpt.index").unlink(), "bert_model.ckpt.index is missing"),
        (lambda f: (f / "bert_model.ckpt.data-00000-of-00001").unlink(), "damaged"),
        (lambda f: _truncate(f / "bert_model.ckpt.data-00000-of-00001"), "damaged"),
        (lambda f: _truncate(f / "bert_model.ckpt.index"), "damaged"),
        (lambda f: _flip_a_bit(f / "bert_model.ckpt.data-00000-of-00001"), "damaged"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(tmp_path, change, message):
    _write_folder(tmp_path / "bert", _variables())
    change(tmp_path / "bert")
    with pytest.raises(UserError, match=message) as caught:
        find_backbone(str(tmp_path / "bert"))
    assert "\n" not in str(caught.value)


def test_an_object_checkpoint_of_tensorflow_2_is_refused(released, tmp_path):
    shutil.copytree(released[0], tmp_path / "bert", ignore=shutil.ignore_patterns("bert_model*", "checkpoint"))
    tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(tmp_path / "bert" / "bert_model.ckpt"))
    with pytest.raises(UserError, match="an object checkpoint of TensorFlow 2"):
        google_bert.read_folder(tmp_path / "bert")


def test_of_two_layouts_in_one_folder_that_with_weights_is_read(released, tmp_path):
    folder = tmp_path / "bert"
    weights = write_huggingface_folder(folder, "gelu_new", seed=5)
    shutil.copytree(released[0], folder, dirs_exist_ok=True)
    name = "pooler.dense.weight"
    np.testing.assert_array_equal(find_backbone(str(folder)).weights[name], weights[name])
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    expected = released[1]["bert/pooler/dense/kernel"].T
    np.testing.assert_array_equal(find_backbone(str(folder)).weights[name], expected)
