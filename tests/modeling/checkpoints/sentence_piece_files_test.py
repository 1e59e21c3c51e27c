import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
import tokenizers

from mtdnn_tf.data.sentence_pieces import ModelProto
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from tests.transformers_families import TEXTS

FAMILIES = Path(__file__).resolve().parents[2] / "golden" / "families"
GOLDEN = FAMILIES / "xlm-roberta"
MODEL = "sentencepiece.bpe.model"
OF_ALBERT = "spiece.model"
OF_DEBERTA = "spm.model"


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """A copy of XLM-R's folder, with tokenizer.json and the model that it was made of."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "xlm-roberta"))


@pytest.fixture(name="albert")
def _albert(tmp_path):
    """A copy of ALBERT's folder, with both kinds of files."""
    return Path(shutil.copytree(FAMILIES / "albert", tmp_path / "albert"))


@pytest.fixture(name="deberta")
def _deberta(tmp_path):
    """A copy of DeBERTa's folder, with both kinds of files."""
    return Path(shutil.copytree(FAMILIES / "deberta-v2", tmp_path / "deberta-v2"))


def _change(path, change):
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def _change_model(folder, change, name=MODEL):
    (folder / "tokenizer.json").unlink()
    model = ModelProto.FromString((folder / name).read_bytes())
    change(model)
    (folder / name).write_bytes(model.SerializeToString())


def test_both_kinds_of_files_make_the_same_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    of_model = find_backbone(str(folder))
    (folder / MODEL).unlink()
    shutil.copy(GOLDEN / "tokenizer.json", folder)
    of_fast = find_backbone(str(folder))
    assert of_model.vocabulary == of_fast.vocabulary
    assert of_model.rules == of_fast.rules
    assert of_model.rules.charsmap and len(of_model.rules.scores) == len(of_model.vocabulary) == 35
    assert of_model.tokenizer().fingerprint() == of_fast.tokenizer().fingerprint()
    config = of_model.config
    assert (config.position_offset, config.max_positions, config.num_segments) == (2, 20, 1)


def test_special_tokens_of_other_names(folder):
    _change(folder / "tokenizer_config.json", lambda values: values.update(cls_token={"content": "[CLS]"}))
    _change_model(folder, lambda model: None)
    tokenizer = find_backbone(str(folder)).tokenizer()
    assert (tokenizer.start_id, tokenizer.vocabulary[0]) == (0, "[CLS]")


def test_older_forms_of_the_treatment_of_spaces_are_read(folder):
    expected = find_backbone(str(folder)).rules
    charsmap = {"type": "Precompiled", "precompiled_charsmap": expected.charsmap}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    replace = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "str_rep": "\u2581", "add_prefix_space": True}
    older = {"normalizer": {"type": "Sequence", "normalizers": [charsmap, strip, replace]}, "pre_tokenizer": metaspace}
    _change(folder / "tokenizer.json", lambda values: values.update(older))
    assert find_backbone(str(folder)).rules == expected


def test_without_rules_of_normalization(folder, tmp_path):
    _change(folder / "tokenizer.json", lambda values: values.update(normalizer=None))
    pretrained = find_backbone(str(folder))
    assert pretrained.rules.charsmap == ""
    convert(pretrained, tmp_path / "out", "huggingface")
    assert json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))["normalizer"] is None


def _part(name, **change):
    return lambda values: values[name].update(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_part("model", type="BPE"), "model: type must be 'Unigram', got 'BPE'"),
        (_part("model", byte_fallback=True), "model: byte_fallback must be False, got True"),
        (_part("model", unk_id=0), "unk_id of model must be the id of <unk>, got 0"),
        (_part("model", vocab=[["a", "b"]]), r"vocab of model must be pieces with scores, got \[\['a', 'b'\]\]"),
        (lambda values: values["model"]["vocab"][9].__setitem__(1, 1e39), "scores must be finite, got 1e\\+39 of 'a'"),
        (lambda values: values["model"]["vocab"][9].__setitem__(0, "a\n"), "must have no line break, got 'a.n' with"),
        (lambda values: values["model"]["vocab"][9].__setitem__(0, "s"), "is a duplicate of vocabulary: entry 6"),
        (lambda values: values.update(normalizer={"type": "NFKC"}), "normalizer must be Precompiled, got {'type': 'NF"),
        (_part("normalizer", precompiled_charsmap="AAAA"), "precompiled_charsmap must be SentencePiece's rules"),
        (
            lambda values: values["pre_tokenizer"]["pretokenizers"][1].update(prepend_scheme="first"),
            "pre_tokenizer must be Metaspace of \u2581 that always prepends it",
        ),
        (lambda values: values.update(pre_tokenizer=None), "pre_tokenizer must be Metaspace .*, got None"),
        (
            lambda values: values["added_tokens"].append({"content": "[ENT]", "id": 9}),
            r"tokens added to a vocabulary of SentencePiece's pieces must be <unk>, .*got '\[ENT\]'",
        ),
    ],
)
def test_another_tokenizer_json_is_refused(folder, change, message):
    _change(folder / "tokenizer.json", change)
    with pytest.raises(UserError, match=message):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: setattr(model.trainer_spec, "model_type", 2), "must be a unigram model"),
        (
            lambda model: setattr(model.trainer_spec, "byte_fallback", True),
            "must be a unigram model without pieces for",
        ),
        (lambda model: setattr(model.normalizer_spec, "add_dummy_prefix", False), "must put a space before each text"),
        (lambda model: model.pieces.pop(0), "the first pieces must be <unk>, <s>, </s>, got '<s>', '</s>', '\u2581'"),
        (lambda model: setattr(model.pieces[10], "type", 4), "piece '.*' must be of type 1, is of 4"),
        (lambda model: setattr(model.pieces[5], "score", np.nan), "scores must be finite, got nan"),
    ],
)
def test_another_model_is_refused(folder, change, message):
    _change_model(folder, change)
    with pytest.raises(UserError, match=f"{MODEL}: {message}"):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing; a folder must have tokenizer.json or sentencepiece.bpe.model"),
        (b"\xff\xff", "not a SentencePiece model, or damaged"),
        (b"", "the first pieces must be <unk>, <s>, </s>, got none"),
    ],
)
def test_a_missing_or_damaged_model_is_refused(folder, content, message):
    (folder / "tokenizer.json").unlink()
    (folder / MODEL).unlink()
    if content is not None:
        (folder / MODEL).write_bytes(content)
    with pytest.raises(UserError, match=f"{MODEL}: {message}"):
        find_backbone(str(folder))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "tokenizer_config.json",
            {"tokenizer_class": "BertTokenizer"},
            "tokenizer_class must be 'XLMRobertaTokenizer'",
        ),
        ("tokenizer_config.json", {"add_prefix_space": False}, "add_prefix_space must be True, got False"),
        ("config.json", {"pad_token_id": 3}, "the id of <pad> must be the pad_token_id, got 1, in config.json 3"),
        ("config.json", {"vocab_size": 9}, "35 word pieces, config.json has vocab_size 9"),
    ],
)
def test_files_that_do_not_fit_are_refused(folder, file, change, message):
    _change(folder / file, lambda values: values.update(change))
    with pytest.raises(UserError, match=message):
        find_backbone(str(folder))


def test_both_kinds_of_alberts_files_make_the_same_tokenizer(albert):
    of_fast = find_backbone(str(albert))
    (albert / "tokenizer.json").unlink()
    of_model = find_backbone(str(albert))
    assert of_model.vocabulary == of_fast.vocabulary
    assert of_model.rules == of_fast.rules and of_model.lowercase and of_fast.lowercase
    assert (of_model.rules.ends_between, of_model.rules.joins_quotes) == (1, True)
    tokenizer = of_model.tokenizer()
    assert (tokenizer.pad_id, tokenizer.unknown_id, tokenizer.start_id, tokenizer.end_id) == (0, 1, 2, 3)
    # Without any other file, as in the releases of its authors.
    (albert / "tokenizer_config.json").unlink()
    assert find_backbone(str(albert)).rules == of_fast.rules


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("keeps", [True, False])
def test_alberts_letters_and_accents_are_what_the_files_say(albert, tmp_path, lowercase, keeps):
    (albert / "tokenizer.json").unlink()
    settings = {"do_lower_case": lowercase, "keep_accents": keeps}
    _change(albert / "tokenizer_config.json", lambda values: values.update(settings))
    pretrained = find_backbone(str(albert))
    assert pretrained.lowercase == lowercase
    assert pretrained.rules.strip_accents == (None if lowercase is not keeps else not keeps)
    convert(pretrained, tmp_path / "out", "huggingface")
    written = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert {name: written[name] for name in settings} == settings
    # tokenizer.json says the same.
    (tmp_path / "out" / "tokenizer_config.json").unlink()
    again = find_backbone(str(tmp_path / "out"))
    assert (again.lowercase, again.rules) == (lowercase, pretrained.rules)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "tokenizer_config.json",
            lambda values: values.update(do_lower_case=False),
            "do_lower_case and keep_accents must be true or false, and the same in tokenizer_config.json",
        ),
        (
            "tokenizer_config.json",
            lambda values: values.update(keep_accents="no"),
            "do_lower_case and keep_accents must",
        ),
        (
            "tokenizer.json",
            lambda values: values["normalizer"]["normalizers"].pop(0),
            "normalizer must be Replace of `` and '' by \", NFKD with StripAccents or not, Lowercase or not",
        ),
        ("tokenizer.json", lambda values: values["model"].update(unk_id=0), "unk_id of model must be the id of <unk>"),
        ("config.json", lambda values: values.update(vocab_size=9), "word pieces, config.json has vocab_size 9"),
    ],
)
def test_files_of_albert_that_do_not_fit_are_refused(albert, file, change, message):
    _change(albert / file, change)
    with pytest.raises(UserError, match=message):
        find_backbone(str(albert))


def test_types_of_pieces_of_alberts_model(albert):
    expected = find_backbone(str(albert)).vocabulary
    # A character that its user made a piece, as ALBERT's punctuation is.
    place = next(number for number, piece in enumerate(expected) if number > 5 and len(piece) == 1)
    _change_model(albert, lambda model: setattr(model.pieces[place], "type", 4), OF_ALBERT)
    assert find_backbone(str(albert)).vocabulary == expected
    (albert / "tokenizer.json").touch()
    _change_model(albert, lambda model: setattr(model.pieces[2], "type", 1), OF_ALBERT)
    with pytest.raises(UserError, match=r"spiece.model: piece '\[CLS\]' must be of type 3, is of 1"):
        find_backbone(str(albert))


def _without_fast(folder):
    """Leaves the files of the authors' releases: the model, and what says that it is SentencePiece's."""
    for name in ("tokenizer.json", "added_tokens.json", "special_tokens_map.json"):
        (folder / name).unlink()
    settings = {"do_lower_case": False, "vocab_type": "spm"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def test_both_kinds_of_debertas_files_have_the_same_pieces_and_the_model_has_those_of_bytes(deberta, tmp_path):
    of_fast = find_backbone(str(deberta))
    _without_fast(deberta)
    of_model = find_backbone(str(deberta))
    assert of_model.vocabulary == of_fast.vocabulary
    assert of_model.vocabulary[:5] == ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "<0x00>")
    # After the model's own pieces.
    assert of_model.vocabulary[-1] == "[MASK]" and of_model.rules.scores[-1] == 0
    assert not of_fast.rules.has_bytes and of_model.rules == dataclasses.replace(of_fast.rules, has_bytes=True)
    tokenizer = of_model.tokenizer()
    assert (tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id, tokenizer.unknown_id) == (0, 1, 2, 3)
    assert tokenizer.fingerprint() != of_fast.tokenizer().fingerprint()
    processor = sentencepiece.SentencePieceProcessor(model_file=str(deberta / OF_DEBERTA))
    texts = [text for pair in TEXTS for text in pair if text] + ["<0x41> Ω", "🙂"]
    assert tokenizer.tokenize(tf.constant(texts)).to_list() == processor.encode(texts)
    convert(of_model, tmp_path / "out", "huggingface")
    written = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))
    assert written["model"]["byte_fallback"] is True
    theirs = tokenizers.Tokenizer.from_str(json.dumps(written))
    # Names of bytes that are written out in a text are text only to SentencePiece.
    plain = [text for text in texts if "<0x" not in text]
    expected = [row.ids for row in theirs.encode_batch(plain, add_special_tokens=False)]
    assert tokenizer.tokenize(tf.constant(plain)).to_list() == expected


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("do_lower_case", True, "do_lower_case must be False, got True"),
        ("split_by_punct", True, "split_by_punct must be False, got True"),
        ("vocab_type", "gpt2", "vocab_type must be 'spm', got 'gpt2'"),
        ("tokenizer_class", "DebertaTokenizer", "tokenizer_class must be 'DebertaV2Tokenizer' or"),
    ],
)
def test_other_tokenizers_of_deberta_are_refused(deberta, field, value, message):
    _change(deberta / "tokenizer_config.json", lambda values: values.update({field: value}))
    with pytest.raises(UserError, match=f"tokenizer_config.json: {message}"):
        find_backbone(str(deberta))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: setattr(model.trainer_spec, "model_type", 2), "must be a unigram model, spaces before words"),
        (lambda model: setattr(model.pieces[4], "type", 1), "piece '<0x00>' must be of type 6, is of 1"),
        (lambda model: model.pieces.pop(4), "vocabulary: no model of SentencePiece"),
        (lambda model: setattr(model.pieces[0], "piece", "<pad>"), r"piece '<pad>' must be of type 1, is of 3"),
    ],
)
def test_other_models_of_deberta_are_refused(deberta, change, message):
    _change_model(deberta, change, OF_DEBERTA)
    with pytest.raises(UserError, match=f"{OF_DEBERTA}: {message}"):
        find_backbone(str(deberta))


def test_a_mask_among_the_pieces_is_not_added_again(deberta):
    _change_model(deberta, lambda model: model.pieces.add(piece="[MASK]", type=3), OF_DEBERTA)
    pretrained = find_backbone(str(deberta))
    assert pretrained.vocabulary.count("[MASK]") == 1 and len(pretrained.vocabulary) == 291
