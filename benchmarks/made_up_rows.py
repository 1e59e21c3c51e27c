"""Short made-up texts in files of any number of rows, a vocabulary that cuts them into about 28 pieces, an encoder."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from mtdnn_tf.json_files import write_json

_TEXT = (
    "the a of order parcel coat dress shop refund card paid twice late never arrived please when does my where is "
    "thanks great bad small large blue red box open broken return store customer service answer phone mail today week"
)
_WORDS = _TEXT.split()
_PIECES = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS[::2], *(piece[2:] for piece in _PIECES), *_PIECES)
LABELS = ("bad", "good")
TASK = "mood"
MAX_LENGTH = 64
_ENCODER = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": MAX_LENGTH,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}


def write_vocabulary(path: Path) -> None:
    """Writes the vocabulary, a word piece per line."""
    path.write_text("".join(f"{piece}\n" for piece in VOCABULARY), encoding="utf-8")


def write_encoder(folder: Path) -> str:
    """Writes the shape of a small encoder with the vocabulary; returns what `--backbone` calls it."""
    write_vocabulary(folder / "vocab.txt")
    write_json(folder / "config.json", _ENCODER)
    return f"config:{folder / 'config.json'}"


def write_task(folder: Path, name: str, rows: str) -> Path:
    """Writes a task file `name`.yaml for the training split in the file `rows`; returns its path."""
    declared = f"kind: classification, text: [text], label: label, labels: [{', '.join(LABELS)}], id: id"
    path = folder / f"{name}.yaml"
    path.write_text(f"tasks:\n  {TASK}: {{{declared}, files: {{train: {rows}}}}}\n", encoding="utf-8")
    return path


def write_rows(path: Path, rows: int) -> None:
    """Writes ids, labels and texts as TSV; ids are in no order, and a tenth of the texts repeats another."""
    if path.exists():
        return
    temporary = path.with_suffix(".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write("id\tlabel\ttext\n")
        file.writelines(_rows(rows))
    temporary.rename(path)


def _rows(rows: int) -> Iterator[str]:
    generator = random.Random(0)
    sentences = [" ".join(generator.choices(_WORDS, k=generator.randint(3, 12))) for _ in range(997)]
    different = max(1, rows * 9 // 10)
    for row in range(rows):
        # An odd factor gives each number below 2^32 another one.
        number = row * 2654435761 % 2**32
        text = row % different
        yield f"{number:08x}\t{LABELS[row % 3 > 0]}\t{sentences[text % 997]} {text}\n"
