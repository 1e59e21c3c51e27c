"""An encoded split has the same files and key as those of the version that read a whole split into memory."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from pathlib import Path

import pytest

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.helpers import VOCABULARY, WORDS

_ROWS = 3000
_EXTRAS = ("café", "猫", "\U0001f431", '"quoted"', "back\\slash", "\u2028", "], [", "\x00")
_LETTERS = ("é", "a", "猫", "~", "\U0001f431", "")
_BASE = Task(
    name="pairs",
    kind="classification",
    text=("one", "two"),
    labels=("no", "yes"),
    metrics=("accuracy",),
    files={"train": SplitFile("train.jsonl", label_required=False)},
    id="key",
)
_TASKS = {
    "ids": _BASE,
    # Texts are repeated, so that hashes are numbered.
    "hashes": dataclasses.replace(_BASE, text=("one",), id="hash"),
    "hashes_of_pairs": dataclasses.replace(_BASE, id="hash"),
    "rows_of_shards": dataclasses.replace(
        _BASE, id="row", files={"train": SplitFile("part-*.jsonl", label_required=False)}
    ),
    "scores": dataclasses.replace(
        _BASE,
        kind="regression",
        labels=(),
        metrics=("pearson",),
        files={"train": SplitFile("train.jsonl", label="score", label_required=False)},
    ),
    "queries": dataclasses.replace(_BASE, kind="ranking", metrics=("mrr",), group="query"),
    "hashes_of_queries": dataclasses.replace(_BASE, kind="ranking", metrics=("mrr",), group="query", id="hash"),
    "labels": dataclasses.replace(
        _BASE,
        kind="multi_label",
        labels=("a", "b", "c"),
        metrics=("f1_micro",),
        files={"train": SplitFile("train.jsonl", label="letters", label_required=False)},
    ),
}
# SHA-256 over name and bytes of every file of the folder, and the folder's name, as commit c01b309 wrote them.
_WRITTEN = {
    "hashes": ("train-5ec8edf937f06b20", "5c14e60c69b2a9569759bd302632a1fec8c6c8e87317142462261f34912b1224"),
    "hashes_of_pairs": ("train-9c53b65767eaa3ba", "1a808c72323e4089d76f8dceafd3232ccc08a99dd0ef77de256c1367ff6401c5"),
    "hashes_of_queries": ("train-fbdafe414a0e6b3e", "1027504fb37817cb38d15b1bc5c934b693d55c9573fd53cf8a993f441dab9d03"),
    "ids": ("train-35c1806b0706e815", "b0bff78f7caeea50696428ac4b185515ac224efa530e7a730b4390491b798e62"),
    "labels": ("train-c02394dc7ef2800a", "777cff7febb15f4e784dd975a9f16c2521ae216e7ddb7954a492f9de79dd7082"),
    "queries": ("train-410f8297931c5f50", "d3fd79cda174d0374a66252c47e7e969fef3e47dcb11d23982ee4df26768e094"),
    "rows_of_shards": ("train-f53d3884ff8a3c9c", "bd2f8f2bfa6d216045e48106b7acec1a8b1600a98242c55e795a6301ad6b04be"),
    "scores": ("train-3f8b79bc8587444e", "5ca80a9e55990e968a948223e9b2d35567d59542ce531722cdf7d39f5d5978ab"),
}


def _write_rows(folder: Path) -> None:
    generator = random.Random(1)
    words = [*WORDS, *_EXTRAS]
    lines = []
    for number in range(_ROWS):
        row = {
            "key": generator.choice(_LETTERS) + str(number * 7919 % _ROWS),
            "one": " ".join(generator.choices(words, k=generator.choice((0, 1, 1, 2, 9)))),
            "two": " ".join(generator.choices(words, k=generator.choice((0, 1, 30)))),
            "label": generator.choice(("no", "yes", None)),
            "score": generator.choice((1.25, -3, None)),
            "letters": generator.choice((["a", "c"], [], None)),
            "query": f"q{generator.randrange(40)}",
        }
        lines.append(json.dumps(row) + "\n")
    (folder / "train.jsonl").write_text("".join(lines))
    (folder / "part-1.jsonl").write_text("".join(lines[:1700]))
    (folder / "part-2.jsonl").write_text("".join(lines[1700:]))


@pytest.mark.parametrize("name", _TASKS)
def test_files_and_key_are_those_of_earlier_versions(tmp_path, name):
    _write_rows(tmp_path)
    data = EncodedData(DataSource("files", tmp_path), WordPieceTokenizer(VOCABULARY, True), 24, tmp_path / "cache")
    data.split(_TASKS[name], "train")
    (folder,) = (tmp_path / "cache" / "pairs").iterdir()
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    assert (folder.name, digest.hexdigest()) == _WRITTEN[name]
