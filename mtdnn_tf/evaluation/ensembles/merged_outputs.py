"""A run's predictions for a split from the outputs of its head in several shards, on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.streaming.disk_arrays import disk_array, row_blocks
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictor import num_head_outputs, predictions_of
from mtdnn_tf.evaluation.runs import query_blocks


def merged_predictions(
    scored: EncodedSplit | SplitRows,
    counted: np.ndarray | None,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    folder: Path,
    run: str,
) -> np.ndarray:
    """Returns what a run predicts, float32 [rows, num_outputs], 0 where it does not count.

    Args:
        scored: The rows that are scored.
        counted: Which rows the run counts for, bool [rows]; None for all.
        parts: Row numbers, int64, and outputs of the head of each shard.
        folder: The folder of the shards, where temporary files are made.
        run: Name of the run, for messages.

    Raises:
        UserError: The shards together do not have each row that the run counts for once.
    """
    task, size = scored.task, len(scored)
    outputs, found = disk_array(folder, (size, num_head_outputs(task))), np.zeros(size, bool)
    needed = size if counted is None else int(counted.sum())
    shards = given = 0
    for rows, values in parts:
        shards, given = shards + 1, given + len(rows)
        for block in row_blocks(len(rows)):
            # Numbers of no row make the shards lack others.
            known = (rows[block] >= 0) & (rows[block] < size)
            found[rows[block][known]] = True
            outputs[rows[block][known]] = values[block][known]
    # As many as are needed, and none is missing: none is there twice.
    if given != needed or not np.array_equal(found, np.ones(size, bool) if counted is None else counted):
        raise UserError(
            f"{folder}: the {shards} shards together have {given} rows of {run}, not the {needed} that it is asked "
            "for, each once; delete them and run mtdnn score --shard again"
        )
    predicted = disk_array(folder, (size, task.num_outputs))
    for block in query_blocks(scored):
        rows = np.arange(block.start, block.stop) if counted is None else block.start + np.flatnonzero(counted[block])
        predicted[rows] = predictions_of(scored, outputs[rows], rows)
    return predicted
