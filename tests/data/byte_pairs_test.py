"""Byte pairs have the ids of Hugging Face's `tokenizers`."""

import dataclasses
import json
import random

import pytest
import tensorflow as tf
from tokenizers import AddedToken as HuggingFaceToken
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mtdnn_tf.data.byte_pairs import BytePairTokenizer, byte_characters
from mtdnn_tf.data.tokenizer import make_tokenizer
from mtdnn_tf.data.word_pieces import AddedToken, TokenRules
from mtdnn_tf.errors import UserError
from tests.data.tokenizer_texts import DOCS, SPECIAL, glue_texts, ids_of, page_texts, without_special

RULES = TokenRules(pad="<pad>", unknown="<unk>", start="<s>", end="</s>", mask="<mask>")
CHARACTERS = (
    "ab  \t\n\r\v\f'sstdlmre123 ,.!?-_éß中"
    "\u00a0\u2003\u3000\u0085\u200b\x00\x1c\x7f१Ⅷ²\ufffd\U0010ffff😀👩\u200d👧e\u0301"
)


def _train(texts, size):
    """Returns the vocabulary and the merges of a tokenizer that was trained on texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return sorted(model["vocab"], key=model["vocab"].get), merges


@pytest.fixture(name="trained", scope="module")
def _trained():
    """The vocabulary and the merges of a tokenizer that was trained on this project's pages."""
    return _train([line for path in DOCS for line in path.open(encoding="utf-8")], 1500)


# As ModernBERT's: runs of spaces, names; one is composed before it is matched, two overlap.
ADDED = [" " * count for count in range(24, 1, -1)] + ["|||IP_ADDRESS|||", "e\u0301!", "b the", "ab "]
PLAIN_ADDED = ["<|endoftext|>", "the  cat", "\t\t"]


def _check(vocabulary, merges, texts, rules=RULES):
    theirs = Tokenizer(models.BPE(dict(zip(vocabulary, range(len(vocabulary)))), [(*m.split(" "),) for m in merges]))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if rules.composes:
        theirs.normalizer = normalizers.NFC()
    theirs.add_tokens([HuggingFaceToken(token.content, normalized=token.normalized) for token in rules.added])
    assert [theirs.token_to_id(token.content) for token in rules.added] == [token.id for token in rules.added]
    ours = make_tokenizer(vocabulary, False, dataclasses.replace(rules, merges=tuple(merges)))
    expected = [encoding.ids for encoding in theirs.encode_batch(texts)]
    found = ids_of(ours, texts)
    assert [(text, one, other) for text, one, other in zip(texts, found, expected) if one != other] == []
    assert sum(map(len, expected)) < 0.7 * sum(len(text.encode()) for text in texts if len(text) < 9999) + 10_000


def test_ids_are_those_of_hugging_face(trained):
    vocabulary, merges = trained
    _check(vocabulary, merges, page_texts(CHARACTERS))


def _modern_rules(size):
    """Returns rules with added tokens whose ids follow those of `size` pieces."""
    contents = [(content, True) for content in ADDED] + [(content, False) for content in PLAIN_ADDED]
    added = tuple(AddedToken(content, size + number, normal) for number, (content, normal) in enumerate(contents))
    return dataclasses.replace(RULES, added=added, composes=True, has_one_end=True)


def test_added_tokens_and_composed_characters_have_the_ids_of_hugging_face(trained):
    vocabulary, merges = trained
    generator = random.Random(2)
    parts = [
        *ADDED,
        *PLAIN_ADDED,
        *PLAIN_ADDED,
        *CHARACTERS,
        "the",
        "cat",
        "e\u0301",
        "a\u0301\u0323",
        "\u1100\u1161",
        "!",
    ]
    made = ["".join(generator.choices(parts, k=generator.randint(1, 12))) for _ in range(2000)]
    _check(
        vocabulary, merges, [*page_texts(CHARACTERS)[::4], *made, *ADDED, *PLAIN_ADDED], _modern_rules(len(vocabulary))
    )


def test_special_tokens_among_added_ones_are_text(trained):
    vocabulary, merges = trained
    rules = _modern_rules(len(vocabulary))
    rules = dataclasses.replace(rules, start=PLAIN_ADDED[0], merges=tuple(merges))
    tokenizer = make_tokenizer(vocabulary, False, rules)
    (spelt,) = tokenizer.tokenize(tf.constant([PLAIN_ADDED[0]])).to_list()
    assert tokenizer.start_id == len(vocabulary) + len(ADDED) and tokenizer.start_id not in spelt
    assert (
        tokenizer.ends_between,
        make_tokenizer(vocabulary, False, dataclasses.replace(RULES, merges=tuple(merges))).ends_between,
    ) == (1, 2)


def test_merges_in_any_order_have_the_ids_of_hugging_face(trained):
    vocabulary, merges = trained
    random.Random(1).shuffle(merges := list(merges))
    texts = [text for text in page_texts(CHARACTERS) if len(text) < 200]
    _check(vocabulary, merges, texts[::3])


def test_invalid_bytes_are_dropped_and_special_tokens_are_text(trained):
    vocabulary, merges = trained
    tokenizer = BytePairTokenizer(vocabulary, dataclasses.replace(RULES, merges=tuple(merges)))
    one, other = tokenizer.tokenize(tf.constant([b"a \xff\xc3dog", b"a dog"])).to_list()
    assert one == other
    (spelt,) = tokenizer.tokenize(tf.constant(["<s>"])).to_list()
    assert tokenizer.start_id not in spelt and "".join(vocabulary[number] for number in spelt) == "<s>"
    assert (tokenizer.start_id, tokenizer.pad_id, tokenizer.end_id, tokenizer.unknown_id) == (0, 1, 2, 3)


def test_characters_of_bytes_are_those_of_hugging_face():
    assert sorted(byte_characters()) == sorted(pre_tokenizers.ByteLevel.alphabet())


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (("a b", "a z"), r"merge 2, 'a z': must be two pieces that make one"),
        (("a b", "ab zz"), r"merge 2, 'ab zz': must be two pieces"),
        (("a b", "a b"), r"merge 2, 'a b': .* no duplicate"),
        (("ab",), r"merge 1, 'ab': must be two pieces"),
        ((), "needs one merge or more, got none"),
    ],
)
def test_merges_that_do_not_fit_the_vocabulary_are_refused(merges, message):
    vocabulary = [*SPECIAL, *byte_characters(), "ab"]
    with pytest.raises(UserError, match=message):
        BytePairTokenizer(vocabulary, dataclasses.replace(RULES, merges=merges))


def test_a_vocabulary_without_a_byte_is_refused():
    vocabulary = [*SPECIAL, *byte_characters()[:-1], "ab"]
    with pytest.raises(UserError, match="must have a piece for each of the 256 bytes, lacks 'ÿ'"):
        BytePairTokenizer(vocabulary, dataclasses.replace(RULES, merges=("a b",)))


@pytest.mark.real_data
@pytest.mark.parametrize("family", ["roberta", "modernbert"])
def test_ids_equal_hugging_faces_on_every_text_of_glue(family, capsys):
    texts = glue_texts()
    vocabulary, merges = _train(texts, 30_000)
    texts = without_special(texts)
    _check(vocabulary, merges, texts, RULES if family == "roberta" else _modern_rules(len(vocabulary)))
    with capsys.disabled():
        print(f"\n{len(texts)} texts of GLUE, {family}, {len(merges)} byte pairs: 0 unlike Hugging Face")
