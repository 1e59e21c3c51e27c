"""Soft targets written as a table by example id, which other frameworks can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtdnn_tf.data.streaming.disk_arrays import row_blocks
from mtdnn_tf.data.streaming.joined_arrays import AnyArray
from mtdnn_tf.distillation.ensemble import check_average
from mtdnn_tf.distillation.soft_targets import read_soft_targets, soft_target_folder
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_file
from mtdnn_tf.kinds.values import ID_COLUMN, LOGITS, PROBABILITIES
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import check_format, jsonl_text, tsv_text


def export_soft_targets(soft_targets: Path, task: Task, split: str, path: Path, values: str = PROBABILITIES) -> int:
    """Writes the soft targets of a split, in a folder of mtdnn score, by `write_exchange_file`; returns their number.

    Raises:
        UserError: There are no such soft targets, or they are of other labels than the task's.
    """
    folder = soft_target_folder(soft_targets, task, split)
    if not folder.is_dir():
        raise UserError(f"--soft_targets {soft_targets}: no soft targets of task {task.name}, split {split} there")
    targets = read_soft_targets(folder)
    for field, own in (("split", split), ("kind", task.kind), ("label_names", list(task.labels))):
        if targets.manifest.get(field) != own:
            raise UserError(f"{folder}: {field} is {targets.manifest.get(field)}, the task's is {own}")
    write_exchange_file(path, task, targets.example_ids, targets.rows.predictions, values)
    return len(targets.example_ids)


def write_exchange_file(
    path: Path, task: Task, example_ids: Sequence[str], predictions: AnyArray, values: str = PROBABILITIES
) -> None:
    """Writes predictions, or their logits, so that `read_teacher_table` reads the same float32 numbers.

    Raises:
        UserError: The ending is neither .tsv nor .jsonl, or an id does not fit in a .tsv.
    """
    check_format(path, "soft targets")
    names = _columns(task, values)
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        if path.suffix == ".tsv":
            file.write(tsv_text(path, [[ID_COLUMN, *names]]))
        for block in row_blocks(len(predictions)):
            given = predictions[block]
            written = (task.kind_object.to_logits(given) if values == LOGITS else given).astype(np.float32)
            # The shortest decimals that float32 reads back.
            rows = zip(example_ids[block], ([str(number) for number in row] for row in written))
            if path.suffix == ".tsv":
                file.write(tsv_text(path, [[of, *row] for of, row in rows]))
            else:
                file.write(jsonl_text({ID_COLUMN: of, **dict(zip(names, map(float, row)))} for of, row in rows))


def _columns(task: Task, values: str) -> tuple[str, ...]:
    """Returns the columns of a table beside `id`, after checking that the task has such values."""
    check_average(values, "`values`")
    task.kind_object.check_values(task, values)
    return task.kind_object.target_columns(task, values)
