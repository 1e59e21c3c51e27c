"""Encoders of each family as transformers writes them: the folders of tests/golden/families, and newly made ones."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import CLS, POOLER
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from mtdnn_tf.modeling.checkpoints.pretrained import select_layers, with_pooling
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from tests import transformers_families
from tests.families.encoder_case import GOLDEN, EncoderCase, check_ids, check_outputs, packed
from tests.transformers_families import CASES, EXPECTED

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))


@pytest.fixture
def copied(tmp_path):
    """Returns a function from a family to a copy of its folder."""

    def copy(name):
        return Path(shutil.copytree(GOLDEN / name, tmp_path / name))

    return copy


@pytest.mark.parametrize("name", CASES)
def test_a_missing_and_a_misshapen_weight_have_the_names_of_the_file(copied, name):
    folder = copied(name)
    path = folder / "model.safetensors"
    weights = load_file(path)
    last = sorted(weight for weight in weights if re.search(r"\.layers?\.1\.|\.albert_layers\.0\.", weight))[-1]
    save_file({weight: array for weight, array in weights.items() if weight != last}, path)
    with pytest.raises(UserError, match=rf"model.safetensors: weight {last} is missing.* of {name.split('_')[0]}$"):
        find_backbone(str(folder))
    save_file({**weights, last: weights[last][:5]}, path)
    with pytest.raises(UserError, match=rf"model.safetensors: weight {last} has shape \(5.*, the config asks for"):
        find_backbone(str(folder))
    more = re.sub(r"(layers?)\.[01]\.", r"\1.9.", last)
    save_file({**weights, more: weights[last]}, path)
    with pytest.raises(UserError, match=f"weight {more} is not part of the encoder that config.json describes"):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        (
            "distillbert",
            r"unknown model_type 'distillbert'; did you mean 'distilbert'\? Accepted: albert, bert, deberta-v2, ",
        ),
        (None, "config.json: field model_type is missing; must be one of bert, distilbert"),
        ("t5", "unknown model_type 't5'. Accepted: albert, bert, deberta-v2, distilbert"),
    ],
)
def test_an_unknown_family_is_refused_with_those_that_are_known(copied, model_type, message):
    folder = copied("distilbert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))
    with pytest.raises(UserError, match=message):
        find_backbone(str(folder))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("bert", "albert")])
def test_a_pooler_that_an_encoder_does_not_have_is_refused(name):
    pretrained = find_backbone(str(GOLDEN / name))
    assert pretrained.config.pooling == CLS
    with pytest.raises(UserError, match=r"--pooling must be auto, cls or mean where .* has no pooler, got pooler"):
        with_pooling(pretrained, POOLER)


def test_alberts_pooler_is_read_and_its_layer_run_as_often_as_the_config_says():
    pretrained, expected = find_backbone(str(GOLDEN / "albert")), np.load(GOLDEN / "albert" / EXPECTED)
    config = pretrained.config
    assert (config.pooling, config.num_layers, config.num_own_layers, config.embedding_dim) == (POOLER, 3, 1, 8)
    encoder = build_multi_task_model(pretrained, [TASK]).backbone
    assert len({id(weight) for weight in encoder.weights}) == len(pretrained.weights)
    weights = load_file(GOLDEN / "albert" / "model.safetensors")
    pooled = np.tanh(expected["output"][:, 0] @ weights["albert.pooler.weight"].T + weights["albert.pooler.bias"])
    found = encoder(packed(pretrained), training=False)["pooled_output"].numpy()
    np.testing.assert_allclose(found, pooled, atol=1e-5)


def test_students_of_albert_run_its_layer_as_often_as_layers_are_picked():
    pretrained = find_backbone(str(GOLDEN / "albert"))
    picked = select_layers(pretrained, (0, 2))
    # Two layers of their own with the same weights.
    weights = {**pretrained.weights}
    for name in pretrained.weights:
        if name.startswith("encoder.layer.0."):
            weights[name.replace(".0.", ".1.", 1)] = pretrained.weights[name]
    config = dataclasses.replace(pretrained.config, shares_layers=False, num_layers=2)
    copied = dataclasses.replace(pretrained, config=config, weights=weights)
    inputs = packed(pretrained)
    found, expected = (
        build_multi_task_model(one, [TASK]).backbone(inputs, training=False)["sequence_output"].numpy()
        for one in (picked, copied)
    )
    np.testing.assert_array_equal(found, expected)
    assert picked.config.num_layers == 2 and picked.weights.keys() == pretrained.weights.keys()


@pytest.mark.parametrize(("field", "value"), [("num_hidden_groups", 2), ("inner_group_num", 2)])
def test_layers_that_are_not_all_one_are_refused(copied, field, value):
    folder = copied("albert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, field: value}))
    with pytest.raises(UserError, match=f"config.json: {field} must be 1, got 2"):
        find_backbone(str(folder))


def _change_config(folder, **fields):
    config = json.loads((folder / "config.json").read_text())
    kept = {name: value for name, value in {**config, **fields}.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(kept))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("conv_kernel_size", 3, "conv_kernel_size must be 0, got 3"),
        ("share_att_key", False, "share_att_key must be True, got False"),
        ("share_att_key", ..., "share_att_key must be True, got False"),
        ("pos_att_type", ["c2p"], r"pos_att_type must be \['p2c', 'c2p'\], got \['c2p'\]"),
        ("pos_att_type", "p2c|p2p", r"pos_att_type must be \['p2c', 'c2p'\], got 'p2c\|p2p'"),
        ("pos_att_type", ..., r"pos_att_type must be \['p2c', 'c2p'\], got None"),
        ("pos_att_type", [1], r"pos_att_type must be \['p2c', 'c2p'\], got \[1\]"),
        ("position_biased_input", True, "position_biased_input must be False, got True"),
        ("position_biased_input", ..., "position_biased_input must be False, got True"),
        ("relative_attention", ..., "relative_attention must be True, got False"),
        ("norm_rel_ebd", "none", "norm_rel_ebd must be 'layer_norm', got 'none'"),
        ("max_relative_positions", 64, "max_relative_positions must be -1, got 64"),
        ("type_vocab_size", 2, "type_vocab_size must be 0, got 2"),
        ("position_buckets", -1, "field position_buckets must be an integer from 1 to "),
        ("position_buckets", ..., "field position_buckets is missing"),
        ("position_buckets", 1, "the backbone must have position_buckets >= 2"),
        ("max_position_embeddings", 1 << 20, "the backbone must have .* max_positions <= 65536, got 8 and"),
    ],
)
def test_other_debertas_than_v3_are_refused_by_name(copied, field, value, message):
    folder = copied("deberta-v2")
    _change_config(folder, **{field: value})
    with pytest.raises(UserError, match=f"config.json: {message}"):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("norm_bias", True, "norm_bias must be False, got True"),
        ("attention_bias", True, "attention_bias must be False, got True"),
        ("mlp_bias", True, "mlp_bias must be False, got True"),
        ("rope_scaling", {"rope_type": "linear"}, "rope_scaling must be None, got {'rope_type': 'linear'}"),
        ("local_attention", 1, "local_attention must be an integer >= 2, got 1"),
        ("local_attention", "6", "local_attention must be an integer >= 2, got '6'"),
        ("global_attn_every_n_layers", 0, "global_attn_every_n_layers must be an integer >= 1, got 0"),
        ("global_rope_theta", "big", "global_rope_theta must be a number, got 'big'"),
        ("local_rope_theta", 0.5, "the bases of rotary positions must be numbers >= 1, got 160000.0 and 0.5"),
        ("layer_types", ["full_attention"], "layer_types must be 4 of full_attention and sliding_attention, got"),
        ("layer_types", ["chunked_attention"] * 4, "layer_types must be 4 of full_attention and sliding_attention"),
        ("rope_parameters", {"rope_theta": 1e4}, "full_attention of rope_parameters must have the only fields"),
        (
            "rope_parameters",
            {kind: {"rope_theta": 1e4, "rope_type": "yarn"} for kind in ("full_attention", "sliding_attention")},
            "full_attention of rope_parameters must have the only fields rope_theta and rope_type 'default', got",
        ),
        ("norm_eps", "small", "norm_eps must be a number between 0 and 1, got small"),
        ("num_attention_heads", 16, "width of a head must be even, got hidden_dim 16 and num_heads 16"),
        ("hidden_activation", "silu", "unknown hidden_activation 'silu'"),
    ],
)
def test_other_modernberts_are_refused_by_name(copied, field, value, message):
    folder = copied("modernbert")
    _change_config(folder, **{field: value})
    with pytest.raises(UserError, match=f"config.json: .*{re.escape(message)}"):
        find_backbone(str(folder))


def test_modernberts_fields_as_transformers_5_writes_them_and_its_defaults(copied):
    expected = find_backbone(str(GOLDEN / "modernbert")).config
    assert (expected.windows, expected.global_rotary_base, expected.local_rotary_base) == ((0, 3, 3, 0), 160000, 10000)
    folder = copied("modernbert")
    bases = {
        "full_attention": {"rope_theta": 160000.0},
        "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
    }
    kinds = ["full_attention" if window == 0 else "sliding_attention" for window in expected.windows]
    absent = dict.fromkeys(("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta", "norm_eps"), ...)
    _change_config(folder, **absent, layer_types=kinds, rope_parameters=bases)
    assert find_backbone(str(folder)).config == expected
    _change_config(folder, local_attention=..., layer_types=None, rope_parameters=None, local_rope_theta=None)
    config = find_backbone(str(folder)).config
    assert (config.windows, config.local_rotary_base) == ((0, 64, 64, 0), 160000)


def test_students_of_modernbert_keep_how_far_each_layer_attends(tmp_path):
    pretrained = find_backbone(str(GOLDEN / "modernbert"))
    picked = select_layers(pretrained, (0, 2, 3))
    assert picked.config.windows == (0, 3, 0)
    for here, there in enumerate((0, 2, 3)):
        name = "encoder.layer.{}.output.dense.weight"
        assert picked.weights[name.format(here)] is pretrained.weights[name.format(there)]
    assert "encoder.layer.0.attention.LayerNorm.weight" not in picked.weights
    build_multi_task_model(picked, [TASK]).backbone(packed(pretrained))
    with pytest.raises(UserError, match=r"`student_layers` of .*modernbert must begin with 0: .*, got 1,3"):
        select_layers(pretrained, (1, 3))
    # Every second layer is of global attention, which a config says, or layers 0, 2 and 3 are, which none does.
    convert(picked, tmp_path / "out", "huggingface")
    assert find_backbone(str(tmp_path / "out")).config == picked.config
    other = dataclasses.replace(pretrained, config=dataclasses.replace(pretrained.config, windows=(0, 3, 0, 0)))
    with pytest.raises(UserError, match="global_attn_every_n_layers; the encoder has it in layers 0,2,3 of 4"):
        convert(other, tmp_path / "other", "huggingface")


@pytest.mark.parametrize("kinds", ["p2c|c2p", "C2P | p2c", ["c2p", "p2c"]])
def test_terms_of_disentangled_attention_are_read_in_any_order(copied, kinds):
    folder = copied("deberta-v2")
    _change_config(folder, pos_att_type=kinds, layer_norm_eps=..., max_relative_positions=..., type_vocab_size=...)
    assert find_backbone(str(folder)).config == find_backbone(str(GOLDEN / "deberta-v2")).config


def test_debertas_pooler_is_a_heads_and_its_other_weights_are_read():
    read, pretrained = load_file(GOLDEN / "deberta-v2" / "model.safetensors"), find_backbone(str(GOLDEN / "deberta-v2"))
    assert "pooler.dense.weight" in read and "pooler.dense.weight" not in pretrained.weights
    assert (pretrained.config.position_buckets, len(pretrained.vocabulary)) == (8, 291)
    assert pretrained.weights["encoder.rel_embeddings.weight"].shape == (16, 16)
    assert pretrained.weights["embeddings.word_embeddings.weight"].shape == (400, 16)


def test_alberts_activation_where_the_config_does_not_say_it(copied):
    folder = copied("albert")
    config = json.loads((folder / "config.json").read_text())
    del config["hidden_act"]
    (folder / "config.json").write_text(json.dumps(config))
    assert find_backbone(str(folder)).config == find_backbone(str(GOLDEN / "albert")).config


@pytest.mark.parametrize("name", [name for name in CASES if name != "bert"])
def test_layouts_that_other_families_do_not_have_are_refused(tmp_path, name):
    pretrained = find_backbone(str(GOLDEN / name))
    family = pretrained.config.model_type
    for layout in ("google", "keras_nlp"):
        with pytest.raises(UserError, match=f"--format={layout} must have BERT's architecture, .* {family} with"):
            convert(pretrained, tmp_path / "out", layout)
    assert not (tmp_path / "out").exists()


def test_another_epsilon_is_read_and_needs_hugging_faces_layout(tmp_path):
    pretrained = find_backbone(str(GOLDEN / "bert"))
    assert pretrained.config.norm_epsilon == 1e-5
    with pytest.raises(UserError, match="layer_norm_eps 1e-05; --format=huggingface records it"):
        convert(pretrained, tmp_path / "out", "google")


@pytest.mark.slow
def test_new_ones_in_transformers(tmp_path):
    """Another seed's encoders; what is written back from them, transformers reads with the same ids and outputs."""
    interpreter = os.environ.get("MTDNN_TF_TORCH_PYTHON")
    if not interpreter:
        pytest.skip("MTDNN_TF_TORCH_PYTHON names no interpreter")

    def run(*arguments):
        command = [interpreter, transformers_families.__file__, *map(str, arguments)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        subprocess.run(command, env=environment, capture_output=True, check=True)

    run("make", tmp_path / "made", 1)
    for name in CASES:
        case = EncoderCase(tmp_path / "made" / name, tmp_path)
        check_ids(case)
        check_outputs(case)
        convert(case.pretrained, tmp_path / "out" / name, "huggingface")
    run("run", *(tmp_path / "out" / name for name in CASES))
    for name in CASES:
        theirs, ours = (np.load(tmp_path / place / name / EXPECTED) for place in ("made", "out"))
        for key in ("ids", "mask", "segments", "output"):
            np.testing.assert_array_equal(theirs[key], ours[key])
