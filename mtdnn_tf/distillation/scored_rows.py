"""The files of rows that teachers scored: ids, averaged predictions, and variances around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EXAMPLE_IDS
from mtdnn_tf.data.streaming.joined_arrays import AnyArray
from mtdnn_tf.data.streaming.text_lines import TextLines
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import read_array

PREDICTIONS = "predictions.npy"
VARIANCES = "variances.npy"
_ROWS_AT_ONCE = 1 << 16


class ScoredRows(NamedTuple):
    """Scored rows; what was read stays on disk."""

    example_ids: Sequence[str]
    predictions: AnyArray  # Float32 [rows, num_outputs]: averaged probabilities or scores.
    variances: AnyArray | None = None  # Float32 [rows]: the teachers', around the average; None if not kept.


def write_scored_rows(folder: Path, rows: ScoredRows) -> None:
    """Writes the files of rows into a folder."""
    np.save(folder / PREDICTIONS, np.asarray(rows.predictions, np.float32), allow_pickle=False)
    if rows.variances is not None:
        np.save(folder / VARIANCES, np.asarray(rows.variances, np.float32), allow_pickle=False)
    with (folder / EXAMPLE_IDS).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{example_id}\n" for example_id in rows.example_ids)


def read_scored_rows(folder: Path, remedy: str, has_variances: bool, examples: object) -> ScoredRows:
    """Reads what `write_scored_rows` wrote.

    Args:
        folder: The folder.
        remedy: What the user can do, for the UserError of a file that is missing, damaged or holds something else.
        has_variances: Whether variances were written.
        examples: The number of rows that the manifest records.
    """
    try:
        example_ids = TextLines(folder / EXAMPLE_IDS)
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / EXAMPLE_IDS}: not UTF-8 ({error}); {remedy}") from None
    predictions = read_array(folder / PREDICTIONS, remedy, mapped=True)
    variances = read_array(folder / VARIANCES, remedy, mapped=True) if has_variances else None
    if predictions.ndim != 2 or not len(predictions) == len(example_ids) == examples:
        raise UserError(f"{folder}: {len(example_ids)} ids, predictions {list(predictions.shape)}; {remedy}")
    if variances is not None and variances.shape != (len(example_ids),):
        raise UserError(f"{folder / VARIANCES}: one number per example is expected; {remedy}")
    for name, array in ((PREDICTIONS, predictions), (VARIANCES, variances)):
        if array is not None and not _is_finite(array):
            raise UserError(f"{folder / name}: numbers must be finite; {remedy}")
    return ScoredRows(example_ids, predictions, variances)


def _is_finite(array: np.ndarray) -> bool:
    starts = range(0, len(array), _ROWS_AT_ONCE)
    return array.dtype.kind == "f" and all(np.isfinite(array[start : start + _ROWS_AT_ONCE]).all() for start in starts)
