"""Texts that tests compare tokenizers on, and their ids."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import tensorflow as tf

from mtdnn_tf.data.tokenizer import Tokenizer

DOCS = sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md"))
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LEAST = 150_000


def page_texts(characters: str) -> list[str]:
    """Returns the lines of this project's pages, and random texts of some characters, without special tokens."""
    generator = random.Random(0)
    lines = [line for path in DOCS for line in path.read_text(encoding="utf-8").splitlines(keepends=True)]
    made = ["".join(generator.choices(characters, k=generator.randint(0, 40))) for _ in range(3000)]
    return without_special(
        [*lines, *made, "", " ", "x" * 10_000, " " * 999, "aaaa" * 99, "don't  'S", "a\n\nb \n c   "]
    )


def without_special(texts: Sequence[str]) -> list[str]:
    """Returns the texts in which no special token is spelt out: it is text here, and a token in other tokenizers."""
    return [text for text in texts if not any(token in text for token in SPECIAL)]


def ids_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Returns the ids of each text."""
    parts = (tf.constant(texts[start : start + 500]) for start in range(0, len(texts), 500))
    return [ids for part in parts for ids in tokenizer.tokenize(part).to_list()]


def glue_texts() -> list[str]:
    """Returns every text of GLUE's files, or skips the test where they are not there."""
    folder = os.environ.get("MTDNN_TF_GLUE_DIR")
    if not folder:
        pytest.skip("MTDNN_TF_GLUE_DIR is not set")
    # Every cell of several words is a text; which column it stands in does not matter.
    lines = [line for path in sorted(Path(folder).glob("*/*.tsv")) for line in path.read_text().split("\n")]
    texts = [cell for line in lines for cell in line.split("\t") if " " in cell]
    assert len(texts) > LEAST
    return texts
