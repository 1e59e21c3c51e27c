"""The study's own splits: a few labelled rows, the rest without labels, and fixed development and test rows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from benchmarks.evidence.plan import Plan
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text

TASK_FILE = "tasks.yaml"
UNLABELLED = "unlabelled"
DEVELOPMENT, TEST = "validation", "test"
OTHER_DOMAIN = "other_domain"
_SOURCES = {"train": "train", DEVELOPMENT: "dev", TEST: "test"}


def write_splits(plan: Plan, suite: Path, folder: Path) -> Path:
    """Writes the rows of every split and a task file; returns the task file.

    Args:
        plan: Says how many rows each split has.
        suite: Folder of the suite: tasks.yaml, and per task train.tsv, dev.tsv and test.tsv with a column `id`.
        folder: Where to write.

    Raises:
        UserError: A task is missing, or has too few rows to train on.
    """
    declared = yaml.safe_load((suite / TASK_FILE).read_text(encoding="utf-8"))["tasks"]
    tasks = {}
    for name in (*plan.trained_tasks, *plan.tasks["adaptation"]):
        if name not in declared:
            raise UserError(f"{suite / TASK_FILE}: task {name} is missing")
        tables = {split: _read(suite / declared[name]["files"][split]) for split in _SOURCES}
        _, development, test = (_ordered(rows) for _, rows in tables.values())
        splits = {
            "train": tables["train"][1],
            DEVELOPMENT: development[: plan.rows["development"]],
            TEST: test[: plan.rows["test"]],
        }
        if name in plan.tasks["adaptation"]:
            if "group" in declared[name]:  # Lists are kept whole.
                splits = {split: rows for split, (_, rows) in tables.items()}
        else:
            train, labelled = _ordered(tables["train"][1]), plan.rows["labelled"]
            if len(train) < labelled:
                raise UserError(f"{name}: {labelled} training rows are needed, got {len(train)}")
            splits["train"] = train[:labelled]
            if name in plan.tasks["with_teacher"]:
                splits[UNLABELLED] = train[labelled : labelled + plan.rows["unlabelled"]]
        if name in plan.tasks["other_domain"]:
            other = suite / declared[plan.tasks["other_domain"][name]]["files"][TEST]
            splits[OTHER_DOMAIN] = _ordered(_read(other)[1])[: plan.rows["test"]]
        for split, rows in splits.items():
            write_text(folder / name / f"{split}.tsv", "\n".join([tables["train"][0], *rows]) + "\n")
        tasks[name] = {**declared[name], "files": {split: f"{name}/{split}.tsv" for split in splits}}
    path = folder / TASK_FILE
    write_text(path, yaml.safe_dump({"tasks": tasks}, sort_keys=False))
    return path


def _read(path: Path) -> tuple[str, list[str]]:
    """Returns the header and the rows of a table, as they are."""
    header, *rows = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    return header, rows


def _ordered(rows: list[str]) -> list[str]:
    """Returns rows in the order of a hash of their ids, the first column."""
    return sorted(rows, key=lambda row: hashlib.sha256(row.split("\t", 1)[0].encode()).hexdigest())
