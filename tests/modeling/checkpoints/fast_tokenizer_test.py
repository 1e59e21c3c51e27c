"""Rows that Hugging Face's `tokenizers` makes from a tokenizer.json are those that our models were trained on."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
import tokenizers

from mtdnn_tf.data.packing import pack
from mtdnn_tf.data.word_pieces import AddedToken, TokenRules, WordPieceTokenizer
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import fast_tokenizer
from tests.hostile import texts_test as hostile
from tests.serving.examples import VOCABULARY, random_texts

A, B = ([text.decode("utf-8", "ignore") for text in random_texts(seed)] for seed in (0, 1))


def _ours(tokenizer, length, first, second=None):
    tokens = [tokenizer.tokenize(tf.constant(texts)) for texts in (first, second) if texts is not None]
    packed = pack(tokens[0], tokens[1] if second is not None else None, tokenizer, length)
    return packed.token_ids.to_list(), packed.first_segment_lengths.numpy().tolist()


def _theirs(tokenizer, length, first, second=None):
    made = tokenizers.Tokenizer.from_str(json.dumps(fast_tokenizer(tokenizer, length)))
    rows = made.encode_batch(list(zip(first, second)) if second is not None else first)
    assert {len(row.ids) for row in rows} == {max(sum(row.attention_mask) for row in rows)}
    lengths = [sum(row.attention_mask) for row in rows]
    ids = [row.ids[:length] for row, length in zip(rows, lengths)]
    return ids, [row.type_ids[:length].count(0) for row, length in zip(rows, lengths)]


@pytest.fixture(name="tokenizer")
def _tokenizer():
    return WordPieceTokenizer(VOCABULARY, lowercase=True)


@pytest.mark.parametrize("length", [4, 5, 12, 23, 24, 500])
def test_single_texts_have_the_same_ids(tokenizer, length):
    assert _theirs(tokenizer, length, A) == _ours(tokenizer, length, A)


@pytest.mark.parametrize("length", [5, 11, 23, 501])
def test_pairs_have_the_same_ids(tokenizer, length):
    assert _theirs(tokenizer, length, A, B) == _ours(tokenizer, length, A, B)


@pytest.mark.parametrize("length", [12, 24])
def test_pairs_of_an_even_length_differ_only_where_both_texts_are_cut(tokenizer, length):
    """BERT's own code, and ours, leaves the odd place to the first text, `tokenizers` to the longer one."""
    counts = zip(*([len(tokens) for tokens in tokenizer.tokenize(tf.constant(texts)).to_list()] for texts in (A, B)))
    both_are_cut = [min(pair) > (length - 3) // 2 for pair in counts]
    theirs, ours = _theirs(tokenizer, length, A, B)[0], _ours(tokenizer, length, A, B)[0]
    assert [len(row) for row in theirs] == [len(row) for row in ours]
    differing = [one != other for one, other in zip(theirs, ours)]
    assert any(differing) and not any(differs and not cut for differs, cut in zip(differing, both_are_cut))


@pytest.mark.parametrize(
    "rules",
    [
        TokenRules(),
        TokenRules(strip_accents=True),
        TokenRules(strip_accents=False),
        TokenRules(separate_ideographs=False),
        TokenRules(added=(AddedToken("Café", 900), AddedToken("fast cat", 901, normalized=True))),
    ],
)
@pytest.mark.parametrize("lowercase", [True, False])
def test_unusual_texts_have_the_same_ids_by_any_rules(rules, lowercase):
    tokenizer = WordPieceTokenizer(hostile.VOCABULARY, lowercase, rules)
    texts = [*A, *hostile.TEXTS.values(), "a Café fast cat", "FAST  CAT café", "[CLS] the [MASK] [PAD]"]
    assert _theirs(tokenizer, 500, texts) == _ours(tokenizer, 500, texts)


def test_other_names_of_special_tokens_are_kept():
    vocabulary = ["<pad>", "<unk>", "<s>", "</s>", "cat"]
    tokenizer = WordPieceTokenizer(
        vocabulary, False, TokenRules(pad="<pad>", unknown="<unk>", start="<s>", end="</s>", mask="<mask>")
    )
    assert _theirs(tokenizer, 8, ["cat <s> dog"]) == _ours(tokenizer, 8, ["cat <s> dog"])
