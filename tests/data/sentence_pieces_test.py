"""Sentence pieces have the ids of SentencePiece, and of Hugging Face's `tokenizers`."""

import base64
import dataclasses
import io
import json

import pytest
import sentencepiece
import tensorflow as tf
from tokenizers import Tokenizer

from mtdnn_tf.data.sentence_pieces import ModelProto, SentencePieceTokenizer, is_byte
from mtdnn_tf.data.tokenizer import make_tokenizer
from mtdnn_tf.data.word_pieces import TokenRules
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import folder_tokenizer
from tests.data.tokenizer_texts import DOCS, SPECIAL, glue_texts, ids_of, page_texts, without_special

NAMES = TokenRules(pad="<pad>", unknown="<unk>", start="<s>", end="</s>", mask="<mask>")
# Those that SentencePiece's rules change, cut at, or do not know.
CHARACTERS = (
    "abe  \t\n\r\v\f'sstdlmre123 ,.!?-_éß中ＡＢ１①Ⅷ²…™½ﬁ㌔"
    "\u00a0\u2003\u3000\u2028\u200b\u200d\u00ad\ufeff\x00\x1c\x7f१\ufffd\U0010ffff😀\u2581\u0301カﾞ"
)
# They belong to the character before them.
MARKS = "\u0301\uff9e\u200d"


@pytest.fixture(name="model", scope="module")
def _model():
    """A model that SentencePiece trained on this project's pages, with its usual rules of normalization."""
    return _train(_lines(), 1500)


def _lines():
    return [line for path in DOCS for line in path.read_text(encoding="utf-8").splitlines() if line]


def _train(lines, size, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=size, minloglevel=2, **options
    )
    return model.getvalue()


def _ours(content):
    """Returns our tokenizer of a model, in the order of XLM-R's ids."""
    model = ModelProto.FromString(content)
    pieces = model.pieces[3:]
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    scores = (0.0, 0.0, 0.0, 0.0, *(piece.score for piece in pieces), 0.0)
    has_bytes = model.trainer_spec.byte_fallback
    rules = dataclasses.replace(NAMES, scores=scores, charsmap=charsmap, ends_between=2, has_bytes=has_bytes)
    return make_tokenizer([*SPECIAL[:4], *(piece.piece for piece in pieces), SPECIAL[4]], False, rules)


def _different(texts, ours, theirs):
    """Returns the texts whose ids differ, except cuts of the same score: the same pieces in another order."""
    assert sum(one != other for one, other in zip(ours, theirs)) < len(texts) / 200
    return [row for row in zip(texts, ours, theirs) if sorted(row[1]) != sorted(row[2])]


def test_ids_are_those_of_sentence_piece_in_fairseqs_order(model):
    texts = page_texts(CHARACTERS)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    expected = [[number + 1 if number else 3 for number in row] for row in processor.encode(texts)]
    assert len({number for row in expected for number in row}) > 1000
    assert _different(texts, ids_of(_ours(model), texts), expected) == []


def test_ids_are_those_of_hugging_face_except_of_marks_after_a_changed_character(model):
    ours, texts = _ours(model), page_texts(CHARACTERS)
    theirs = Tokenizer.from_str(json.dumps(folder_tokenizer(ours)))
    plain = [text for text in texts if not set(text) & {*MARKS}]
    assert len(plain) > 3000
    expected = [row.ids for row in theirs.encode_batch(plain, add_special_tokens=False)]
    assert _different(plain, ids_of(ours, plain), expected) == []
    # `tokenizers` drops the mark there, SentencePiece does not.
    (found,) = ids_of(ours, ["\uff11\u0301m"])
    dropped = [number for number in found if number != ours.unknown_id]
    assert dropped == theirs.encode("\uff11\u0301m", add_special_tokens=False).ids != found
    # It ends a word there.
    (found,) = ids_of(ours, ["a\x85a"])
    assert ours.unknown_id in found and ids_of(ours, ["a a"]) == [theirs.encode("a\x85a", add_special_tokens=False).ids]


def test_characters_of_no_piece_become_bytes_where_the_model_has_them():
    content = _train(_lines()[::4], 800, byte_fallback=True, character_coverage=0.98)
    ours, texts = _ours(content), [text for text in page_texts(CHARACTERS)[::5] if "<0x" not in text]
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    found = ids_of(ours, texts)
    assert _different(texts, found, [[number + 1 for number in row] for row in processor.encode(texts)]) == []
    used = {ours.vocabulary[number] for row in found for number in row}
    assert sum(map(is_byte, used)) > 20 and ours.rules.unknown not in used
    theirs = Tokenizer.from_str(json.dumps(folder_tokenizer(ours)))
    plain = [text for text in texts if not set(text) & {*MARKS}]
    expected = [row.ids for row in theirs.encode_batch(plain, add_special_tokens=False)]
    # Of few pieces, more cuts have the same score.
    assert [*map(sorted, ids_of(ours, plain))] == [*map(sorted, expected)]


@pytest.mark.parametrize("strip_accents", [None, False, True])
@pytest.mark.parametrize("lowercase", [False, True])
def test_alberts_normalization_is_that_of_hugging_face(model, lowercase, strip_accents):
    of_xlmr = _ours(model)
    rules = dataclasses.replace(of_xlmr.rules, strip_accents=strip_accents, joins_quotes=True, ends_between=1)
    ours = SentencePieceTokenizer(of_xlmr.vocabulary, lowercase, rules)
    theirs = Tokenizer.from_str(json.dumps(folder_tokenizer(ours)))
    more = ["``A'' ```B'''", "ÉÈ ÅNGSTRÖM Straße İI", "ΑΣ Σ", "q\u0307\u0323 ﬁ"]
    texts = [*more, *(text for text in page_texts(CHARACTERS)[::3] if not set(text) & {*MARKS})]
    expected = [row.ids for row in theirs.encode_batch(texts, add_special_tokens=False)]
    assert _different(texts, ids_of(ours, texts), expected) == []
    assert (ids_of(ours, ["THE"]) == ids_of(ours, ["the"])) == lowercase
    assert ids_of(ours, ["``a''"]) == ids_of(ours, ['"a"'])


def test_special_tokens_and_pieces_across_words_are_no_pieces_of_texts(model):
    ours = _ours(model)
    (spelt,) = ids_of(ours, ["<s> <mask></s>"])
    assert not {ours.start_id, ours.end_id, ours.unknown_id, len(ours.vocabulary) - 1} & {*spelt}
    assert (ours.start_id, ours.pad_id, ours.end_id, ours.unknown_id) == (0, 1, 2, 3)
    rules = dataclasses.replace(ours.rules, scores=(*ours.rules.scores, 0.0))
    more = SentencePieceTokenizer([*ours.vocabulary, "\u2581of\u2581the"], False, rules)
    assert ids_of(more, ["of the"]) == ids_of(ours, ["of the"])


def test_invalid_bytes_are_dropped(model):
    one, other = _ours(model).tokenize(tf.constant([b"a \xff\xc3dog", b"a dog"])).to_list()
    assert one == other


def _damaged(charsmap, start, value):
    content = bytearray(base64.b64decode(charsmap))
    content[start : start + len(value)] = value
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda charsmap: "-",
        lambda charsmap: charsmap[:40],
        lambda charsmap: _damaged(charsmap, 0, b"\xff\xff\xff\x7f"),
        # The root's base is far beyond the units.
        lambda charsmap: _damaged(charsmap, 4, b"\x00\xfc\xff\x7f"),
        # The last text has no end.
        lambda charsmap: _damaged(charsmap, len(base64.b64decode(charsmap)) - 1, b"x"),
        # A node is its own child, of texts of any length.
        lambda charsmap: base64.b64encode((1024).to_bytes(4, "little") + (b"a\x00\x00\x00" * 256) + b"\0").decode(),
    ],
)
def test_damaged_rules_of_normalization_are_refused_before_sentence_piece_follows_them(model, damage):
    ours = _ours(model)
    rules = dataclasses.replace(ours.rules, charsmap=damage(ours.rules.charsmap))
    with pytest.raises(UserError, match="precompiled_charsmap must be SentencePiece's rules"):
        SentencePieceTokenizer(ours.vocabulary, False, rules)


def test_vocabularies_that_are_no_models_are_refused():
    rules = dataclasses.replace(NAMES, scores=(0.0,) * 6)
    for vocabulary, message in (
        ([*SPECIAL, "a", "b"], "must have a score per piece, got 6 scores, 7 pieces"),
        ([*SPECIAL[1:], "a", "b"], "must have <pad>, <unk>, <s>, </s>; <s> missing"),
        ([*SPECIAL, ""], "entry 5 is ''"),
    ):
        with pytest.raises(UserError, match=message):
            SentencePieceTokenizer(vocabulary, False, rules)
    assert ids_of(SentencePieceTokenizer([*SPECIAL, "a"], False, rules), ["a b", ""]) == [[3, 5, 3], []]


@pytest.mark.real_data
@pytest.mark.parametrize("family", ["xlm-roberta", "albert", "deberta-v2"])
def test_ids_equal_hugging_faces_on_every_text_of_glue(family, capsys):
    texts, is_alberts = glue_texts(), family == "albert"
    trained = _ours(_train(texts, 16_000, byte_fallback=family == "deberta-v2"))
    rules = dataclasses.replace(trained.rules, joins_quotes=is_alberts)
    ours = SentencePieceTokenizer(trained.vocabulary, is_alberts, rules)
    # Names of bytes are text here, and bytes in other tokenizers.
    texts = [text for text in without_special(texts) if "<0x" not in text]
    theirs = Tokenizer.from_str(json.dumps(folder_tokenizer(ours)))
    expected = [row.ids for row in theirs.encode_batch(texts, add_special_tokens=False)]
    found = ids_of(ours, texts)
    tied = sum(one != other and sorted(one) == sorted(other) for one, other in zip(found, expected))
    different = [text for text, one, other in zip(texts, found, expected) if sorted(one) != sorted(other)]
    with capsys.disabled():
        counts = f"{tied} cut otherwise with the same score, {len(different)} unlike Hugging Face"
        print(f"\n{len(texts)} texts of GLUE, {family}: {counts}: {different[:5]}")
    assert tied < len(texts) / 1000
    assert different == []
