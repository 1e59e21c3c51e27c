"""Small random encoders of every family, made by transformers, with its tokenizer's ids and its outputs.

A program for a Python with torch, transformers and sentencepiece, which needs nothing of this project:
`python tests/transformers_families.py make FOLDER [SEED]` writes a folder for each of `CASES`, with `EXPECTED`;
`python tests/transformers_families.py run FOLDER...` writes `EXPECTED` into folders that others wrote.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

EXPECTED = "expected.npz"
LENGTH = 16
WORDS = ["the", "a", "cat", "dog", "bird", "sees", "likes", "red", "big", "small", "not", "cafe", "##s", "##ing", "."]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ",", "!", "?", "'", "1", "2", "##2", "中"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# Of byte pairs; "\u0120" is a space.
MERGES = [
    "\u0120 a",
    "\u0120 t",
    "h e",
    "\u0120t he",
    "o g",
    "d og",
    "\u0120 dog",
    "c a",
    "ca t",
    "\u0120 cat",
    "\u00c3 \u00a9",
]
# ModernBERT's special tokens, which come after its pieces, and the tokens that its vocabulary begins with.
_OF_MODERN = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
_FIRST_OF_MODERN = ("|||IP_ADDRESS|||", "<|padding|>")
# Of a SentencePiece model: what it is trained on, and its rules of normalization, characters in hexadecimal.
SENTENCES = ["the big cat sees a dog", "a small red bird likes the cats", "dogs sing, not cafe", "the dog 1 2 é 中 ."]
RULES = ["A0\t20", "9\t20", "A\t20", "65 301\tE9", "C9\tE9", "FF21\t41", "2026\t2E 2E 2E", "AD"]
# ALBERT's special tokens.
_OF_ALBERT = {
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": -1,
    "eos_id": -1,
    "control_symbols": "[CLS],[SEP],[MASK]",
}
# DeBERTa's special tokens, and a piece for each byte.
_OF_DEBERTA = {
    **{f"{name}_id": number for number, name in enumerate(("pad", "bos", "eos", "unk"))},
    **{"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
    "byte_fallback": True,
}
# First and second texts; None: no second one. Of no pair both texts are cut, which has several ways.
TEXTS: list[tuple[str, str | None]] = [
    ("The big cat sees a dog.", None),
    ("Not a small café!", "the cats 12 中 dog?"),
    ("", None),
    ("  a\tdog's   bird\n", "A"),
    ("the cat " * 9, "the dog sees"),
    ("naïve Ωmega — 🙂", "don't"),
    ("[ENT] and <b>", None),
]
_SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_DISTILBERT = {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
# The model's class, with a head that readers ignore, and its config's fields, by the name of the folder.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForSequenceClassification", {**_SIZES, "layer_norm_eps": 1e-5, "max_position_embeddings": 20}),
    "distilbert": ("DistilBertForMaskedLM", {**_DISTILBERT, "max_position_embeddings": 20}),
    "roberta": (
        "RobertaForMaskedLM",
        {**_SIZES, "layer_norm_eps": 1e-5, "type_vocab_size": 1, "max_position_embeddings": 22},
    ),
    "xlm-roberta": (
        "XLMRobertaForSequenceClassification",
        {**_SIZES, "layer_norm_eps": 1e-5, "type_vocab_size": 1, "max_position_embeddings": 22},
    ),
    "albert": (
        "AlbertForSequenceClassification",
        {
            **_SIZES,
            "num_hidden_layers": 3,
            "embedding_size": 8,
            "layer_norm_eps": 1e-5,
            "max_position_embeddings": 20,
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
        },
    ),
    # As the released v3 encoders; distances above 4 share rows, and the table has rows that no token has.
    "deberta-v2": (
        "DebertaV2ForSequenceClassification",
        {
            **_SIZES,
            "max_position_embeddings": 20,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "position_biased_input": False,
            "vocab_size": 400,
        },
    ),
    # Two layers of local attention, to three positions at each side, between two of global attention.
    "modernbert": (
        "ModernBertForMaskedLM",
        {
            **_SIZES,
            "num_hidden_layers": 4,
            "max_position_embeddings": 20,
            "local_attention": 6,
            "vocab_size": 320,
            **{"pad_token_id": 276, "reference_compile": False},
            **dict.fromkeys(("cls_token_id", "bos_token_id"), 274),
            **dict.fromkeys(("sep_token_id", "eos_token_id"), 275),
        },
    ),
    "electra": ("ElectraForPreTraining", {**_SIZES, "embedding_size": 8, "max_position_embeddings": 20}),
    "electra_wide": ("ElectraForMaskedLM", {**_SIZES, "embedding_size": 16, "max_position_embeddings": 20}),
}


def _make(name: str, folder: Path, seed: int) -> None:
    import torch
    import transformers

    kind, fields = CASES[name]
    tokenizer = _tokenizer(name, folder)
    config = getattr(transformers, kind).config_class(**{"vocab_size": len(tokenizer), **fields})
    model = getattr(transformers, kind)(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty_like(parameter).normal_(0, 0.5, generator=generator))
    model.save_pretrained(folder)


def _tokenizer(name: str, folder: Path) -> Any:
    import transformers
    from transformers import AlbertTokenizer, BertTokenizer, RobertaTokenizer, XLMRobertaTokenizer

    if name == "roberta":
        pieces = [*SPECIAL, *_bytes(), *(merge.replace(" ", "") for merge in MERGES)]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        merges = [tuple(merge.split(" ")) for merge in MERGES]
        return _saved(RobertaTokenizer(vocab=vocabulary, merges=merges), folder)
    if name == "xlm-roberta":
        (folder / "sentencepiece.bpe.model").write_bytes(sentence_piece_model(folder, SENTENCES * 9, 60, RULES))
        return _saved(XLMRobertaTokenizer.from_pretrained(folder), folder)
    if name == "albert":
        (folder / "spiece.model").write_bytes(sentence_piece_model(folder, SENTENCES * 9, 60, RULES, **_OF_ALBERT))
        return _saved(AlbertTokenizer.from_pretrained(folder), folder)
    if name == "modernbert":
        return _saved(_modern_tokenizer(), folder)
    if name == "deberta-v2":
        (folder / "spm.model").write_bytes(sentence_piece_model(folder, SENTENCES * 9, 330, RULES, **_OF_DEBERTA))
        # Before transformers 5 the class without "Fast" is Python's, and writes no tokenizer.json.
        kind = getattr(transformers, "DebertaV2TokenizerFast", None) or transformers.DebertaV2Tokenizer
        return _saved(kind.from_pretrained(folder), folder)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY), encoding="utf-8")
    return _saved(BertTokenizer(vocab={piece: number for number, piece in enumerate(VOCABULARY)}), folder)


def _modern_tokenizer() -> Any:
    """Returns a tokenizer as ModernBERT's, whose runs of spaces are added tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [*_FIRST_OF_MODERN, *_bytes(), *(merge.replace(" ", "") for merge in MERGES)]
    merges = [tuple(merge.split(" ")) for merge in MERGES]
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    plain = [AddedToken(text, normalized=True) for text in (_FIRST_OF_MODERN[0], "    ", "   ", "  ")]
    special = [AddedToken(text, normalized=False) for text in (_FIRST_OF_MODERN[1], "<|endoftext|>")]
    own = [AddedToken(text, normalized=False, lstrip=text == "[MASK]") for text in _OF_MODERN.values()]
    tokenizer.add_tokens(plain)
    tokenizer.add_special_tokens([*special, *own])
    tokenizer.add_tokens([AddedToken(f"[unused{number}]", normalized=True) for number in range(2)])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", ends
    )
    names = {f"{role}_token": text for role, text in _OF_MODERN.items()}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **names)


def _saved(tokenizer: Any, folder: Path) -> Any:
    tokenizer.save_pretrained(folder)
    return tokenizer


def sentence_piece_model(folder: Path, sentences: list[str], size: int, rules: list[str], **options: Any) -> bytes:
    """Returns a SentencePiece model of about `size` pieces, trained on sentences."""
    import sentencepiece

    (folder / "rules.tsv").write_text("".join(f"{rule}\n" for rule in rules))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_tsv=str(folder / "rules.tsv"),
        minloglevel=2,
        **options,
    )
    (folder / "rules.tsv").unlink()
    return model.getvalue()


def _bytes() -> list[str]:
    """Returns the characters that stand for bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _run(folder: Path) -> None:
    """Writes ids, mask, segments and the outputs of all positions."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, notes = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not [name for name in notes["missing_keys"] if "pooler" not in name], notes
    rows = [
        tokenizer(first, second, truncation="longest_first", max_length=LENGTH)["input_ids"] for first, second in TEXTS
    ]
    longest = max(map(len, rows))
    ids = np.array([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    segments = np.zeros_like(ids)
    if getattr(model.config, "type_vocab_size", 0) > 1:
        for number, row in enumerate(rows):
            first_end = row.index(tokenizer.sep_token_id)
            segments[number, first_end + 1 : len(row)] = 1
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if segments.any():
        inputs["token_type_ids"] = torch.tensor(segments)
    with torch.no_grad():
        output = model.eval()(**inputs).last_hidden_state.numpy()
    np.savez(folder / EXPECTED, ids=ids, mask=mask, segments=segments, output=output)


def main() -> None:
    """Makes the folders, or runs what is in them."""
    command, *arguments = sys.argv[1:]
    folders = [Path(argument) for argument in arguments]
    if command == "make":
        seed = int(arguments[1]) if len(arguments) > 1 else 0
        folders = [Path(arguments[0]) / name for name in CASES]
        for folder in folders:
            folder.mkdir(parents=True)
            _make(folder.name, folder, seed)
    for folder in folders:
        _run(folder)
    print(json.dumps([str(folder) for folder in folders]))


if __name__ == "__main__":
    main()
