import json
import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone

FAMILIES = Path(__file__).resolve().parents[2] / "golden" / "families"
GOLDEN, MODERN = FAMILIES / "roberta", FAMILIES / "modernbert"


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """A copy of RoBERTa's folder with vocab.json and merges.txt in place of tokenizer.json."""
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "roberta"))
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    lines = ["#version: 0.2", *map(" ".join, model["merges"]), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _change(path, change):
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_both_kinds_of_files_make_the_same_tokenizer(folder):
    of_files, of_fast = find_backbone(str(folder)), find_backbone(str(GOLDEN))
    assert of_files.vocabulary == of_fast.vocabulary
    assert of_files.rules == of_fast.rules
    assert len(of_files.rules.merges) == 11
    assert of_files.tokenizer().fingerprint() == of_fast.tokenizer().fingerprint()
    config = of_files.config
    assert (config.position_offset, config.max_positions, config.num_segments) == (2, 20, 1)


def test_special_tokens_of_other_names(folder):
    _change(folder / "vocab.json", lambda vocabulary: vocabulary.update({"[CLS]": vocabulary.pop("<s>")}))
    _change(folder / "tokenizer_config.json", lambda values: values.update(cls_token={"content": "[CLS]"}))
    assert find_backbone(str(folder)).tokenizer().start_id == 0


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("tokenizer_config.json", {"add_prefix_space": True}, "add_prefix_space must be False, got True"),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "BertTokenizer"},
            "tokenizer_class must be 'RobertaTokenizer' or",
        ),
        ("tokenizer_config.json", {"added_tokens_decoder": ["a"]}, "added_tokens_decoder an object"),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"9": {"content": "[ENT]"}}},
            r"added to a vocabulary of byte pairs must be <unk>, .*got '\[ENT\]'",
        ),
        ("vocab.json", {"Ā": 999}, "vocab.json: the vocabulary must give ids from 0, without gaps"),
        ("config.json", {"pad_token_id": 3}, "the id of <pad> must be the pad_token_id, got 1, in config.json 3"),
        ("config.json", {"pad_token_id": 30}, "max_position_embeddings must be above pad_token_id"),
        ("config.json", {"vocab_size": 9}, "272 word pieces, config.json has vocab_size 9"),
    ],
)
def test_files_that_do_not_fit_are_refused(folder, file, change, message):
    _change(folder / file, lambda values: values.update(change))
    with pytest.raises(UserError, match=message):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "merges.txt: missing, or not UTF-8 text; must have one merge per line"),
        (b"\xff", "merges.txt: missing, or not UTF-8"),
        (b"#version: 0.2\n", "merges.txt: must have one merge per line, got none"),
        (b"#version: 0.2\na zz\n", "vocab.json: merge 1, 'a zz': must be two pieces"),
    ],
)
def test_merges_that_cannot_be_are_refused(folder, content, message):
    (folder / "merges.txt").unlink()
    if content is not None:
        (folder / "merges.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("model", {"type": "Unigram"}, "model: type must be 'BPE', got 'Unigram'"),
        ("model", {"dropout": 0.1}, "model: dropout must be null, got 0.1"),
        ("model", {"merges": [["a", 3]]}, "merges of model must be pairs of pieces"),
        ("pre_tokenizer", {"add_prefix_space": True}, "pre_tokenizer: add_prefix_space must be False, got True"),
        ("pre_tokenizer", {"use_regex": False}, "pre_tokenizer: use_regex must be True, got False"),
    ],
)
def test_another_tokenizer_json_is_refused(tmp_path, part, change, message):
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "roberta"))
    _change(folder / "tokenizer.json", lambda values: values[part].update(change))
    with pytest.raises(UserError, match=f"tokenizer.json: {message}"):
        find_backbone(str(folder))


def _token(content):
    def find(values):
        return next(token for token in values["added_tokens"] if token["content"] == content)

    return find


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(normalizer=None), "normalizer must be {'type': 'NFC'}, got None"),
        (
            lambda values: values.update(normalizer={"type": "NFKC"}),
            "normalizer must be {'type': 'NFC'}, got {'type': 'NF",
        ),
        (lambda values: _token("  ")(values).update(lstrip=True), "must have lstrip and rstrip false, got '  '"),
        (lambda values: _token("  ")(values).update(single_word=True), "and no single_word, got '  '"),
        (lambda values: _token("  ")(values).update(id=5), "added tokens must have ids of their own"),
        (
            lambda values: _token("[unused1]")(values).update(content="[unused9]", id=300),
            "added tokens must have ids from 269 without gaps, got 300 for 279",
        ),
        (
            lambda values: values["post_processor"]["pair"].insert(2, values["post_processor"]["pair"][2]),
            r"pair of post_processor must be [CLS] A [SEP] B [SEP], got",
        ),
    ],
)
def test_a_tokenizer_json_that_the_graph_cannot_follow_is_refused(tmp_path, change, message):
    folder = Path(shutil.copytree(MODERN, tmp_path / "modernbert"))
    _change(folder / "tokenizer_config.json", lambda values: values.pop("added_tokens_decoder"))
    _change(folder / "tokenizer.json", change)
    with pytest.raises(UserError, match=re.escape(message)):
        find_backbone(str(folder))


def test_added_tokens_are_read_with_their_rules_and_only_from_tokenizer_json(tmp_path):
    pretrained = find_backbone(str(MODERN))
    rules, tokenizer = pretrained.rules, pretrained.tokenizer()
    assert (rules.composes, rules.has_one_end, len(pretrained.vocabulary), len(rules.added)) == (True, True, 269, 13)
    assert (tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id, tokenizer.unknown_id) == (274, 275, 276, 273)
    texts = tf.constant(["|||IP_ADDRESS|||", "a     b", "<|padding|>[MASK]"])
    assert [ids[0] for ids in tokenizer.tokenize(texts).to_list()] == [0, 66, 1]
    folder = Path(shutil.copytree(MODERN, tmp_path / "modernbert"))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json: missing; a folder of this model_type must have it"):
        find_backbone(str(folder))
