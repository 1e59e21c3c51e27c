"""Writes the demo's corpus: three tasks about customers' messages, with few noisy labels and many unlabelled texts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.demo.draws import Draws
from mtdnn_tf.demo.messages import INTENTS, LARGEST_URGENCY, MOODS, draw_message, worded
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, write_text

TASK_FILE = "tasks.yaml"
UNLABELLED = "unlabelled"
WRONG_LABELS = 0.2
SCORE_BLUR = 1.0
_DRAWS_PER_ROW = 100
_TEXT = "message"


class DemoTask(NamedTuple):
    """A task of the demo. Its name is also that of its label column.

    Attributes:
        labels: Names of the labels; empty for a score.
        ending: Extension of its files: "tsv", "csv" or "jsonl".
        metrics: Names of the metrics.
    """

    labels: tuple[str, ...]
    ending: str
    metrics: tuple[str, ...]


class DemoRow(NamedTuple):
    """A row of a task: its text, and its label's name or its score."""

    text: str
    gold: str | float


DEMO_TASKS = {
    "intent": DemoTask(INTENTS, "tsv", ("accuracy", "f1_macro")),
    "mood": DemoTask(MOODS, "jsonl", ("accuracy",)),
    "urgency": DemoTask((), "csv", ("pearson", "spearman")),
}


def write_demo_corpus(
    folder: Path,
    seed: int = 0,
    train_examples: int = 120,
    unlabelled_examples: int = 600,
    validation_examples: int = 300,
    test_examples: int = 200,
) -> Path:
    """Writes the corpus. An existing folder is replaced.

    Args:
        folder: The new folder.
        seed: Seed of the rows. Defaults to 0.
        train_examples: Labelled rows of each task's training split. Defaults to 120.
        unlabelled_examples: Rows of each task's split without labels. Defaults to 600.
        validation_examples: Rows of each task's validation split. Defaults to 300.
        test_examples: Rows of each task's test split. Defaults to 200.

    Returns:
        The task file, `tasks.yaml` in the folder.

    Raises:
        UserError: A size is below 1, or exceeds the number of different rows.
    """
    sizes = {"train": train_examples, UNLABELLED: unlabelled_examples}
    sizes |= {"validation": validation_examples, "test": test_examples}
    for split, size in sizes.items():
        if size < 1:
            raise UserError(f"{split}_examples of the demo corpus must be an integer >= 1, got {size}")
    with new_folder(folder) as temporary:
        for name, task in DEMO_TASKS.items():
            rows = clean_rows(name, seed, sum(sizes.values()))
            for split, size in sizes.items():
                part, rows = rows[:size], rows[size:]
                if split == "train":
                    part = noisy_rows(name, seed, part)
                text = _file(name, task, part, has_gold=split != UNLABELLED)
                write_text(temporary / f"{name}_{split}.{task.ending}", text)
        write_text(temporary / TASK_FILE, _task_file(sizes))
    return folder / TASK_FILE


def clean_rows(task_name: str, seed: int, num_rows: int) -> list[DemoRow]:
    """Returns correctly labelled rows of a task with different texts, in random order.

    Args:
        task_name: One of `DEMO_TASKS`.
        seed: Seed of the rows.
        num_rows: Number of rows; labels are equally frequent.

    Raises:
        UserError: There are fewer different rows.
    """
    draws = Draws("demo", task_name, seed)
    rows: dict[str, DemoRow] = {}
    for _ in range(_DRAWS_PER_ROW * num_rows):
        if len(rows) == num_rows:
            return draws.shuffled(rows.values())
        message = draw_message(draws, len(rows), task_name)
        gold = getattr(message, task_name)
        text = worded(draws, message)
        rows.setdefault(text, DemoRow(text, gold if DEMO_TASKS[task_name].labels else float(gold)))
    raise UserError(f"task {task_name} of the demo corpus has about {len(rows)} different rows, got {num_rows}")


def noisy_rows(task_name: str, seed: int, rows: Sequence[DemoRow]) -> list[DemoRow]:
    """Returns the rows with a share of `WRONG_LABELS` wrong labels, or with blurred scores."""
    draws = Draws("demo noise", task_name, seed)
    labels = DEMO_TASKS[task_name].labels
    wrong = set(draws.shuffled(range(len(rows)))[: round(WRONG_LABELS * len(rows))])
    noisy = []
    for number, row in enumerate(rows):
        gold = row.gold
        if isinstance(gold, float):
            gold = min(max(round(gold + SCORE_BLUR * draws.normal(), 2), 0.0), LARGEST_URGENCY)
        elif number in wrong:
            gold = draws.pick_other(labels, gold)
        noisy.append(DemoRow(row.text, gold))
    return noisy


def _file(name: str, task: DemoTask, rows: Sequence[DemoRow], has_gold: bool) -> str:
    table = [{_TEXT: row.text, **({name: row.gold} if has_gold else {})} for row in rows]
    if task.ending == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in table)
    file = io.StringIO()
    delimiter = "\t" if task.ending == "tsv" else ","
    writer = csv.DictWriter(file, list(table[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return file.getvalue()


def _task_file(splits: Collection[str]) -> str:
    lines = ["# Generated by tools.demo_corpus.", "tasks:"]
    for name, task in DEMO_TASKS.items():
        kind, labels = (
            ("classification", f"    labels: [{', '.join(task.labels)}]") if task.labels else ("regression", "")
        )
        files = ", ".join(f"{split}: {name}_{split}.{task.ending}" for split in splits)
        lines += [
            f"  {name}:",
            f"    kind: {kind}",
            f"    text: [{_TEXT}]",
            f"    label: {name}",
            *filter(None, [labels]),
        ]
        lines += [f"    metrics: [{', '.join(task.metrics)}]", f"    files: {{{files}}}"]
    return "\n".join(lines) + "\n"
