"""Small made-up data sets in the layouts that their makers publish, written with plain Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Quotes are text in these layouts, and lines end at "\n" alone.
_ODD_TEXTS = (
    '"Never closed',
    ' "a" said, "b" ',
    "caf\xe9 \U0001f600 \u4e2d",
    "a\x85b\u2028c\x1cd",
    "'tis, 1\\t2",
    "x" * 300,
)
ROWS = 12


class Row(NamedTuple):
    """One row: its number or name in its file, its texts, and the name of its label, its score, or None."""

    number: int | str
    texts: tuple[str, ...]
    gold: str | float | None


Splits = dict[str, list[Row]]


class _Table(NamedTuple):
    """A TSV layout of GLUE: columns by blanks, and the file's spelling of every label."""

    folder: str
    columns: str
    test_columns: str
    texts: str
    label: str = "label"
    spellings: str = ""
    files: str = "train:train.tsv validation:dev.tsv test:test.tsv"


_PAIR = "index sentence1 sentence2"
_PARSED = "index promptID pairID genre s1_parse s2_parse sentence1 sentence2"
_STSB = "index genre filename year old_index source1 source2 sentence1 sentence2"
_NLI = "entailment:entailment neutral:neutral contradiction:contradiction"
_TABLES = {
    "glue/cola": _Table(
        "CoLA", "source label star sentence", "index sentence", "sentence", spellings="unacceptable:0 acceptable:1"
    ),
    "glue/sst2": _Table("SST-2", "sentence label", "index sentence", "sentence", spellings="negative:0 positive:1"),
    "glue/mrpc": _Table(
        "MRPC", "Quality|#1 ID|#2 ID|#1 String|#2 String", "index|#1 ID|#2 ID|#1 String|#2 String",
        "#1 String|#2 String", "Quality", "not_equivalent:0 equivalent:1",
    ),
    "glue/stsb": _Table("STS-B", f"{_STSB} score", _STSB, "sentence1 sentence2", "score"),
    "glue/qqp": _Table(
        "QQP", "id qid1 qid2 question1 question2 is_duplicate", "id question1 question2", "question1 question2",
        "is_duplicate", "not_duplicate:0 duplicate:1",
    ),
    "glue/mnli": _Table(
        "MNLI", f"{_PARSED} label1 gold_label", _PARSED, "sentence1 sentence2", "gold_label", _NLI,
        "train:train.tsv validation_matched:dev_matched.tsv validation_mismatched:dev_mismatched.tsv"
        " test_matched:test_matched.tsv test_mismatched:test_mismatched.tsv",
    ),
    "glue/qnli": _Table(
        "QNLI", "index question sentence label", "index question sentence", "question sentence",
        spellings="entailment:entailment not_entailment:not_entailment",
    ),
    "glue/rte": _Table(
        "RTE", f"{_PAIR} label", _PAIR, "sentence1 sentence2",
        spellings="entailment:entailment not_entailment:not_entailment",
    ),
    "glue/wnli": _Table(
        "WNLI", f"{_PAIR} label", _PAIR, "sentence1 sentence2", spellings="not_entailment:0 entailment:1"
    ),
    "glue/ax": _Table("AX", _PAIR, _PAIR, "sentence1 sentence2", files="test:AX.tsv"),
}  # fmt: skip


def _texts(place: str, number: int, count: int) -> tuple[str, ...]:
    """Returns the texts of a row; every fifth row is one of the odd ones."""
    texts = [f"{place} {number} text {at}: a cat sees the dog." for at in range(count)]
    if number % 5 == 2:
        texts[number % count] = _ODD_TEXTS[(number + len(place)) % len(_ODD_TEXTS)]
    return tuple(texts)


def _split_words(words: str) -> list[str]:
    return words.split("|") if "|" in words else words.split()


def _write_table(folder: Path, name: str, table: _Table, rows: int) -> Splits:
    splits: Splits = {}
    spellings = dict(pair.split(":") for pair in table.spellings.split())
    for split, file in (pair.split(":") for pair in table.files.split()):
        is_test = split.startswith("test")
        columns = _split_words(table.test_columns if is_test else table.columns)
        text_columns = _split_words(table.texts)
        headless = name == "glue/cola" and not is_test
        lines = [] if headless else ["\t".join(columns)]
        splits[split] = []
        for number in range(rows):
            if name == "glue/qqp" and split == "train" and number == 4:
                lines.append(f"{number}\tq1\tq2\ta question that a line break cuts")
                continue
            gold: str | float | None = None
            if not is_test:
                gold = list(spellings)[number * 7 % len(spellings)] if spellings else number * 5 / rows
            texts = _texts(f"{name} {split}", number, len(text_columns))
            cells = {column: f"{column} {number}" for column in columns}
            cells.update(zip(text_columns, texts))
            if gold is not None:
                cells[table.label] = spellings[gold] if isinstance(gold, str) else str(gold)
            lines.append("\t".join(cells[column] for column in columns))
            splits[split].append(Row(number, texts, gold))
        _write(folder / table.folder / file, lines)
    return splits


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def write_glue(folder: Path, rows: int = ROWS) -> dict[str, Splits]:
    """Writes GLUE's folders and returns the rows of each split by TensorFlow Datasets' names."""
    written = {name: _write_table(folder, name, table, rows) for name, table in _TABLES.items()}
    for part in ("matched", "mismatched"):
        written[f"glue/mnli_{part}"] = {
            split: written["glue/mnli"][f"{split}_{part}"] for split in ("validation", "test")
        }
    return written


def _write_objects(path: Path, rows: Sequence[Row], columns: Sequence[str], others: dict[str, Any]) -> None:
    """Writes a row an object; `columns` are those of the id, the texts and the label, "True" and "False" JSON's own."""
    lines: list[str] = []
    for row in rows:
        gold = {"True": True, "False": False}.get(str(row.gold), row.gold)
        cells: dict[str, Any] = {columns[0]: row.number, **dict(zip(columns[1:], row.texts)), **others}
        if gold is not None:
            cells[columns[-1]] = gold
        lines.append(json.dumps(cells, ensure_ascii=len(lines) % 2 == 0))
    _write(path, lines)


def _rows(name: str, split: str, labels: Sequence[str]) -> list[Row]:
    golds = [labels[number * 7 % len(labels)] if labels else None for number in range(ROWS)]
    return [Row(number, _texts(f"{name} {split}", number, 2), gold) for number, gold in enumerate(golds)]


def write_superglue(folder: Path) -> dict[str, Splits]:
    """Writes SuperGLUE's folders of pairs and returns the rows of each split by TensorFlow Datasets' names."""
    written: dict[str, Splits] = {}
    for name, place, columns, labels in (
        ("boolq", "BoolQ", ("question", "passage"), ("True", "False")),
        ("cb", "CB", ("premise", "hypothesis"), ("contradiction", "entailment", "neutral")),
        ("rte", "RTE", ("premise", "hypothesis"), ("entailment", "not_entailment")),
    ):
        splits = {"train": "train", "validation": "val", "test": "test"}
        written[f"super_glue/{name}"] = {
            split: _rows(name, split, () if split == "test" else labels) for split in splits
        }
        for split, rows in written[f"super_glue/{name}"].items():
            _write_objects(folder / place / f"{splits[split]}.jsonl", rows, ("idx", *columns, "label"), {})
    for name, place, columns in (
        ("axb", "AX-b", ("sentence1", "sentence2")),
        ("axg", "AX-g", ("premise", "hypothesis")),
    ):
        rows = _rows(name, "test", ("entailment", "not_entailment"))
        written[f"super_glue/{name}"] = {"test": rows}
        others: dict[str, Any] = {"logic": "Negation"} if name == "axb" else {"pair_id": 3}
        _write_objects(folder / place / f"{place}.jsonl", rows, ("idx", *columns, "label"), others)
    return written


def write_nli(folder: Path) -> dict[str, Splits]:
    """Writes SNLI, SciTail and ANLI and returns the rows of each split by TensorFlow Datasets' names.

    SNLI and SciTail name no rows: these are numbered. SNLI's rows without an agreed label have none here; three of
    its rows have the same texts.
    """
    written: dict[str, Splits] = {"snli": {}, "sci_tail": {}}
    for split, part in (("train", "train"), ("validation", "dev"), ("test", "test")):
        rows = _rows("snli", split, ("entailment", "neutral", "contradiction"))
        rows[3], rows[8] = rows[3]._replace(gold=None), rows[8]._replace(gold=None)
        rows[5:8] = [row._replace(texts=("the same premise", "the same hypothesis")) for row in rows[5:8]]
        written["snli"][split] = rows
        spelled = [row._replace(gold="-" if row.gold is None else row.gold) for row in rows]
        columns = ("pairID", "sentence1", "sentence2", "gold_label")
        _write_objects(
            folder / "snli_1.0" / f"snli_1.0_{part}.jsonl", spelled, columns, {"annotator_labels": ["neutral"]}
        )
        rows = [Row(n, (f"{split} premise {n}", f"it's {n}"), ("neutral", "entails")[n % 2]) for n in range(ROWS)]
        written["sci_tail"][split] = rows
        lines = ["\t".join((*row.texts, str(row.gold))) for row in rows]
        _write(folder / "SciTailV1.1" / "tsv_format" / f"scitail_1.0_{part}.tsv", lines)
        for number in (1, 2, 3):
            rows = _rows(f"anli {number}", split, ("e", "n", "c"))
            rows = [row._replace(number=f"{split}-{row.number * 5 % ROWS}-uid") for row in rows]
            written.setdefault(f"anli/r{number}", {})[split] = rows
            path = folder / "anli_v1.0" / f"R{number}" / f"{part}.jsonl"
            _write_objects(path, rows, ("uid", "context", "hypothesis", "label"), {"reason": "", "emturk": False})
    return written
