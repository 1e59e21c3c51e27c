"""A tokenizer.json, from which Hugging Face's `tokenizers` makes the rows that a model of ours reads."""

from __future__ import annotations

from typing import Any

from mtdnn_tf.data.sentence_pieces import SPACE
from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.data.word_pieces import MAX_CHARACTERS_PER_WORD, AddedToken, TokenRules

# Normalizers of ALBERT, which come before SentencePiece's own.
QUOTES: list[dict[str, Any]] = [
    {"type": "Replace", "pattern": {"String": given}, "content": '"'} for given in ("``", "''")
]
ACCENTS: list[dict[str, Any]] = [{"type": "NFKD"}, {"type": "StripAccents"}]
COMPOSED: dict[str, str] = {"type": "NFC"}
LOWERCASE: dict[str, Any] = {"type": "Lowercase"}


def fast_tokenizer(tokenizer: Tokenizer, max_sequence_length: int) -> dict[str, Any]:
    """Returns the content of a tokenizer.json that packs, cuts and pads texts and pairs of texts.

    BERT's own special tokens are no added tokens there: what a text spells out is text.

    Args:
        tokenizer: The pieces and their rules.
        max_sequence_length: Maximum number of tokens per row, special tokens included.
    """
    rules = tokenizer.rules
    return {
        "version": "1.0",
        "truncation": {
            "max_length": max_sequence_length,
            "strategy": "LongestFirst",
            "direction": "Right",
            "stride": 0,
        },
        "padding": {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": tokenizer.pad_id,
            "pad_type_id": 0,
            "pad_token": rules.pad,
        },
        "added_tokens": _added_tokens(rules),
        "post_processor": _post_processor(tokenizer),
        **_parts(tokenizer),
    }


def folder_tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """Returns the content of a tokenizer.json for a folder that transformers reads, with BERT's special tokens."""
    rules = tokenizer.rules
    plain, own = dict.fromkeys(("single_word", "lstrip", "rstrip"), False), _own(rules)
    of_vocabulary = [AddedToken(name, number) for number, name in enumerate(tokenizer.vocabulary) if name in own]
    added = {token.id: token for token in (*of_vocabulary, *rules.added)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": one.content, **plain, "normalized": one.normalized, "special": one.content in own}
            for number, one in sorted(added.items())
        ],
        "post_processor": _post_processor(tokenizer),
        **_parts(tokenizer, is_special_text=False),
    }


def _parts(tokenizer: Tokenizer, is_special_text: bool = True) -> dict[str, Any]:
    """Returns the parts from a text to ids; `is_special_text` says whether a special token may be a text's."""
    if tokenizer.rules.scores:
        return _sentence_pieces(tokenizer, is_special_text)
    return _byte_pairs(tokenizer, is_special_text) if tokenizer.rules.merges else _word_pieces(tokenizer)


def _sentence_pieces(tokenizer: Tokenizer, is_special_text: bool) -> dict[str, Any]:
    rules, own = tokenizer.rules, _own(tokenizer.rules)
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    # Special tokens that are no added tokens would be pieces like any other; no word has a space.
    mark = " " if is_special_text else ""
    vocabulary = [f"{mark}{piece}" if piece in own else piece for piece in tokenizer.vocabulary]
    return {
        "normalizer": _normalizer(tokenizer),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": tokenizer.unknown_id,
            "vocab": [[piece, score] for piece, score in zip(vocabulary, rules.scores)],
            "byte_fallback": rules.has_bytes,
        },
    }


def _word_pieces(tokenizer: Tokenizer) -> dict[str, Any]:
    rules = tokenizer.rules
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": rules.separate_ideographs,
            "strip_accents": rules.strip_accents,
            "lowercase": tokenizer.lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": rules.unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": MAX_CHARACTERS_PER_WORD,
            # `tokenizers` would number added tokens anew that the vocabulary does not have.
            "vocab": {
                **{piece: number for number, piece in enumerate(tokenizer.vocabulary)},
                **{token.content: token.id for token in rules.added},
            },
        },
    }


def _normalizer(tokenizer: Tokenizer) -> dict[str, Any] | None:
    """Returns what `SentencePieceTokenizer` does to a text before it is cut."""
    rules = tokenizer.rules
    is_stripped = tokenizer.lowercase if rules.strip_accents is None else rules.strip_accents
    parts = [
        *(QUOTES if rules.joins_quotes else []),
        *(ACCENTS if is_stripped else []),
        *([LOWERCASE] if tokenizer.lowercase else []),
        *([{"type": "Precompiled", "precompiled_charsmap": rules.charsmap}] if rules.charsmap else []),
    ]
    if len(parts) > 1:
        return {"type": "Sequence", "normalizers": parts}
    return parts[0] if parts else None


def _byte_pairs(tokenizer: Tokenizer, is_special_text: bool) -> dict[str, Any]:
    # `tokenizers` would number added tokens anew if special tokens among them are none; no merge makes one of them.
    added = {token.content: token.id for token in tokenizer.rules.added} if is_special_text else {}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "normalizer": COMPOSED if tokenizer.rules.composes else None,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {**{piece: number for number, piece in enumerate(tokenizer.vocabulary)}, **added},
            "merges": [merge.split(" ") for merge in tokenizer.rules.merges],
        },
    }


def _own(rules: TokenRules) -> set[str]:
    return {rules.pad, rules.unknown, rules.start, rules.end, rules.mask}


def _added_tokens(rules: TokenRules) -> list[dict[str, Any]]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "special"), False)
    return [
        {"id": token.id, "content": token.content, "normalized": token.normalized, **plain}
        for token in rules.added
        if token.content not in _own(rules)
    ]


def _post_processor(tokenizer: Tokenizer) -> dict[str, Any]:
    """Returns what makes `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]`."""
    rules = tokenizer.rules
    start = {"SpecialToken": {"id": rules.start, "type_id": 0}}
    texts = [{"Sequence": {"id": name, "type_id": number}} for number, name in enumerate("AB")]
    ends = [{"SpecialToken": {"id": rules.end, "type_id": number}} for number in (0, 1)]
    special = {rules.start: tokenizer.start_id, rules.end: tokenizer.end_id}
    return {
        "type": "TemplateProcessing",
        "single": [start, texts[0], ends[0]],
        "pair": [start, texts[0], ends[0], *[ends[1]] * (tokenizer.ends_between - 1), texts[1], ends[1]],
        "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in special.items()},
    }
