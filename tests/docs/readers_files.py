"""The files that a reader of the pages has: GLUE, and the data of the task files on the pages. All rows are made up."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import yaml

from mtdnn_tf.data.sources.shards import has_data
from tests.data.official_files import write_glue

# 1 % of a training split, which a page trains on, is two rows.
_GLUE_ROWS = 200
_ROWS = 12
_CATEGORIES = ("lexical-semantics", "predicate-argument-structure", "logic", "knowledge")


def write_glue_folder(folder: Path) -> None:
    """Writes GLUE's own files, and the diagnostic set with SuperGLUE's labels."""
    write_glue(folder, _GLUE_ROWS)
    lines = ["\t".join(("index", *_CATEGORIES, "sentence1", "sentence2", "label"))]
    for row in range(20):
        categories = ["Negation;Quantifiers" if (row + n) % 3 == 0 else "" for n in range(len(_CATEGORIES))]
        label = ("entailment", "not_entailment")[row % 2]
        lines.append("\t".join((str(row), *categories, f"a cat sees {row} dogs", f"{row} dogs sleep", label)))
    (folder / "AX" / "ax_b.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_files_of_tasks(path: Path) -> None:
    """Writes the data files that a task file names, with its columns, unless the page has written them.

    Args:
        path: The task file.
    """
    for task in yaml.safe_load(path.read_text(encoding="utf-8"))["tasks"].values():
        for split, file in task["files"].items():
            name = file["path"] if isinstance(file, dict) else file
            if has_data(path.parent / name):
                continue
            rows = [_row(task, split, number) for number in range(_ROWS)]
            (path.parent / name).write_text(_table(rows, Path(name).suffix), encoding="utf-8")


def _row(task: dict[str, Any], split: str, number: int) -> dict[str, Any]:
    query, is_ranking = number // 3, task["kind"] == "ranking"
    row: dict[str, Any] = {column: f"{split} text {number} of {column}" for column in task["text"]}
    if is_ranking:
        row[task["text"][0]] = f"{split} question {query}"
        row[task.get("group", task["text"][0])] = f"{split} question {query}"
    if "id" in task:
        row[task["id"]] = f"{split}-{number}"
    if "weight" in task:
        row[task["weight"]] = 1 + number % 2
    labels = task.get("labels", ["0", "1"])
    golds = {"regression": number / 4, "ranking": labels[number % 3 == 0]}
    return {**row, task["label"]: golds.get(task["kind"], labels[number % len(labels)])}


def _table(rows: list[dict[str, Any]], suffix: str) -> str:
    if suffix == ".jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="," if suffix == ".csv" else "\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
