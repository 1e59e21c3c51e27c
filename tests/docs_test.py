"""The examples of docs/ do what docs/ says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.tasks.registry import get_task, select_tasks, task_names
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def _config(task_file: Path, folder: Path) -> TrainingConfig:
    return TrainingConfig.build(
        output_dir=folder / "run",
        data_dir=folder,
        cache_dir=folder / "cache",
        task_file=(task_file,),
        backbone="tiny",
        max_sequence_length=64,
        epochs=1,
        batch_size=8,
        evaluation="end",
    )


def test_the_table_of_built_in_tasks_is_theirs():
    expected = []
    for task in map(get_task, task_names()):
        source = task.tfds.name if task.tfds else ""
        labels = ", ".join(task.labels) or "a score"
        file = next(iter(task.files.values())).path
        cells = (f"`{task.name}`", f"`{source}`", f"`{file}`", ", ".join(task.text), labels, ", ".join(task.metrics))
        expected.append(f"| {' | '.join(cells)} |")
    text = (EXAMPLES.parent / "tasks.md").read_text(encoding="utf-8")
    section = text.split("\n## Built in\n")[1].split("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == expected


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_task_file_trains_and_is_judged_by_its_metrics(path, tmp_path):
    config = _config(path, tmp_path)
    metrics = train(config)
    tasks = select_tasks([], [path])
    assert [task.kind for task in tasks] == [path.stem]
    assert {name: set(values) for name, values in metrics.items()} == {task.name: set(task.metrics) for task in tasks}
    assert all(np.isfinite(list(values.values())).all() for values in metrics.values())
    assert [task.name for task in load_model(config.output_dir).tasks] == [task.name for task in tasks]


def test_the_unlabelled_rows_of_an_example_are_learned_from_imported_soft_targets(tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    config = _config(EXAMPLES / "classification.yaml", tmp_path)
    (task,) = config.data.selected_tasks()
    ids = [line.split("\t")[0] for line in (EXAMPLES / "intent_unlabelled.tsv").read_text().splitlines()[1:]]
    lines = ["id\tgreet\tbuy\tleave", *(f"{example_id}\t0.2\t0.3\t0.5" for example_id in ids)]
    (tmp_path / "teacher.tsv").write_text("\n".join(lines) + "\n")
    import_soft_targets([tmp_path / "teacher.tsv"], task, "unlabelled", config.data.source, tmp_path / "soft")
    student = config.replace(soft_targets=(tmp_path / "soft",), transfer_splits=("unlabelled",), evaluation="never")
    train(student)
    assert "24 examples, 3 steps an epoch" in caplog.text
