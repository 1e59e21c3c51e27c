"""A study of made-up rows, small enough for a test."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.evidence.plan import PLAN
from tests.helpers import random_texts

_LABELS = ("yes", "no")
_TASKS = {
    "nli": ("classification", ["premise", "hypothesis"]),
    "other": ("classification", ["premise", "hypothesis"]),
    "closeness": ("regression", ["first", "second"]),
    "mood": ("classification", ["sentence"]),
}


def write_suite(folder: Path, rows: int = 60) -> Path:
    """Writes a suite of four tasks in the form of the real one."""
    declared = {}
    for number, (name, (kind, columns)) in enumerate(_TASKS.items()):
        for split in ("train", "dev", "test"):
            texts = random_texts(2 * rows, seed=10 * number + len(split))
            lines = ["\t".join(["id", *columns, "label"])]
            for row in range(rows):
                own = texts[row * len(columns) : (row + 1) * len(columns)]
                gold = _LABELS["cat" in own[0]] if kind == "classification" else str(len(own[0]) % 6)
                lines.append("\t".join([f"{name}-{split}-{row}", *own, gold]))
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        declared[name] = {
            "kind": kind,
            "text": columns,
            "label": "label",
            "id": "id",
            "files": {"train": f"{name}/train.tsv", "validation": f"{name}/dev.tsv", "test": f"{name}/test.tsv"},
            **({"labels": list(_LABELS)} if kind == "classification" else {}),
        }
    (folder / "tasks.yaml").write_text(yaml.safe_dump({"tasks": declared}), encoding="utf-8")
    return folder


def write_plan(path: Path, backbone: str = "tiny") -> Path:
    """Writes the plan of a small study, with two students of the real one."""
    values = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    values["rows"] = {"labelled": 16, "unlabelled": 24, "development": 20, "test": 30}
    values["tasks"] = {
        "with_teacher": ["nli"],
        "without_teacher": ["closeness"],
        "other_domain": {"nli": "other"},
        "adaptation": ["mood"],
    }
    values["ensembles"] = [[1, 2], [3]]
    values["training"].update(backbone=backbone, epochs=1, batch_size=8, max_sequence_length=32, parallel_parts=1)
    values["students"] = {arm: values["students"][arm] for arm in ("student", "student_transfer")}
    for options in values["students"].values():
        options.update({"epochs": 1} if "epochs" in options else {})
    values["fine_tuning"].update(seeds=1, options={"epochs": 1})
    values["single_task"] = {"seeds": 1, "equal_steps": [1, 3]}
    values["adaptation"].update(labels=[8], epochs=1, min_steps=2)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path
