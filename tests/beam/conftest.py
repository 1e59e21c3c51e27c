"""Two teachers of every kind of task, as runs and as exports, and their data in several files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task
from tests.helpers import random_texts, write_answers, write_huggingface_folder

TASKS = """\
tasks:
  mood: {kind: classification, text: [sentence], label: mood, labels: [bad, good], id: key,
         files: {train: {path: "mood/*.tsv", label: mood, label_required: false}}}
  entailment: {kind: classification, text: [premise, hypothesis], label: answer, labels: [no, perhaps, yes], id: hash,
               files: {train: {path: "entailment/part-*.jsonl", label: answer, label_required: false}}}
  topics: {kind: multi_label, text: [sentence], label: topics, labels: [a, b, c, d],
           files: {train: {path: topics.csv, label: topics, label_required: false}}}
  similarity: {kind: regression, text: [first, second], label: score,
               files: {train: {path: "similarity", label: score, label_required: false}}}
  answers: {kind: ranking, text: [question, answer], label: relevant, labels: ["0", "1"], files: {train: answers.tsv}}
"""


KINDS = ("mood", "entailment", "topics", "similarity", "answers")


class Teachers(NamedTuple):
    """Runs, their exports, and what they answer."""

    folder: Path  # Of the data.
    task_file: Path
    tasks: dict[str, Task]
    runs: list[Path]
    exports: list[Path]


def _write_data(folder: Path) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = random_texts(400, seed=3)
    for name in ("mood", "entailment", "similarity"):
        (folder / name).mkdir(parents=True)
    for part in range(3):
        rows = [f"key{part}-{number}\t{texts[20 * part + number]}\n" for number in range(20)]
        (folder / "mood" / f"{part}.tsv").write_text("key\tsentence\n" + "".join(rows))
        # Some texts are repeated, in one file and across files.
        pairs = [(texts[number % 17], texts[100 + number % 17]) for number in range(15 * part, 15 * part + 20)]
        lines = [json.dumps({"premise": one, "hypothesis": other}) + "\n" for one, other in pairs]
        (folder / "entailment" / f"part-{part}.jsonl").write_text("".join(lines))
        table = {"first": texts[200 + 25 * part : 225 + 25 * part], "second": texts[300 : 300 + 25]}
        pq.write_table(pa.table(table), folder / "similarity" / f"{part}.parquet")
    (folder / "topics.csv").write_text("sentence\n" + "".join(f'"{text}, ""x"""\n' for text in texts[:50]))
    write_answers(folder / "answers.tsv", [1, 2, 12, 2, 3, 5, 1, 7, 5, 2], seed=1)


@pytest.fixture(name="teachers", scope="session")
def _teachers(tmp_path_factory: pytest.TempPathFactory) -> Teachers:
    folder = tmp_path_factory.mktemp("beam")
    _write_data(folder)
    task_file = folder / "tasks.yaml"
    task_file.write_text(TASKS)
    tasks = select_tasks([], [task_file])
    write_huggingface_folder(folder / "bert")
    runs, exports = [], []
    for number, name in enumerate(("tiny", str(folder / "bert"))):
        pretrained = find_backbone(name)
        model = build_multi_task_model(pretrained, tasks, seed=number)
        # Initial heads answer almost the same whatever the text.
        random = np.random.default_rng(number)
        for head in model.heads.values():
            head.set_weights([weight + random.normal(0, 1, weight.shape) for weight in head.get_weights()])
        runs.append(folder / f"run{number}")
        save_model(
            model, tasks, WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase), 60, runs[-1] / "model"
        )
        exports.append(folder / f"export{number}")
        export_model(load_model(runs[-1]), exports[-1] / "1", batch_sizes=())
    return Teachers(folder, task_file, {task.name: task for task in tasks}, runs, exports)


def with_mood(folder: Path, files: dict[str, str], **changed: Any) -> Task:
    """Returns a copy of the task `mood` that reads these files."""
    (folder / "mood").mkdir()
    for name, text in files.items():
        (folder / "mood" / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / "tasks.yaml").write_text(TASKS)
    (task,) = (task for task in select_tasks(["mood"], [folder / "tasks.yaml"]))
    split_file = dataclasses.replace(task.files["train"], path=str(folder / "mood" / "*"))
    return dataclasses.replace(task, files={"train": split_file}, **changed)


GOOD = {"a.tsv": "key\tsentence\nk1\tthe cat\nk2\ta dog\n", "b.tsv": "key\tsentence\nk3\tthe big bird\n"}
BAD = {"a.tsv": GOOD["a.tsv"] + "k4\nk5\tnot \udcff UTF-8\n", "b.tsv": GOOD["b.tsv"] + "\ta text without id\n"}
