"""The files of rows that teachers scored: ids, averaged predictions, and variances around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EXAMPLE_IDS
from mtdnn_tf.data.streaming.array_file import ArrayFile
from mtdnn_tf.data.streaming.text_lines import JoinedTexts, TextLines
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import read_array

PREDICTIONS = "predictions.npy"
VARIANCES = "variances.npy"


class ScoredRows(NamedTuple):
    """Scored rows; what was read stays on disk."""

    example_ids: Sequence[str]
    predictions: np.ndarray  # Float32 [rows, num_outputs]: averaged probabilities or scores.
    variances: np.ndarray | None = None  # Float32 [rows]: the teachers', around the average; None if not kept.


def write_scored_rows(folder: Path, rows: ScoredRows) -> None:
    """Writes the files of rows into a folder."""
    np.save(folder / PREDICTIONS, np.asarray(rows.predictions, np.float32), allow_pickle=False)
    if rows.variances is not None:
        np.save(folder / VARIANCES, np.asarray(rows.variances, np.float32), allow_pickle=False)
    with (folder / EXAMPLE_IDS).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{example_id}\n" for example_id in rows.example_ids)


def read_scored_rows(folder: Path, remedy: str, has_variances: bool = True) -> ScoredRows:
    """Reads what `write_scored_rows` wrote.

    Args:
        folder: The folder.
        remedy: What the user can do, for the UserError of a file that is missing or damaged.
        has_variances: Whether variances were written. Defaults to True.
    """
    try:
        example_ids = TextLines(folder / EXAMPLE_IDS)
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / EXAMPLE_IDS}: not UTF-8 ({error}); {remedy}") from None
    predictions = read_array(folder / PREDICTIONS, remedy, mapped=True)
    variances = read_array(folder / VARIANCES, remedy, mapped=True) if has_variances else None
    return ScoredRows(example_ids, predictions, variances)


def join_scored_rows(folder: Path, parts: Sequence[ScoredRows], remedy: str) -> ScoredRows:
    """Returns one or more parts, which have variances, as one, whose arrays are written into a folder."""
    for name, arrays in (
        (PREDICTIONS, [part.predictions for part in parts]),
        (VARIANCES, [part.variances for part in parts if part.variances is not None]),
    ):
        path = folder / name
        path.unlink(missing_ok=True)
        with ArrayFile(path, arrays[0][:0]) as file:
            for array in arrays:
                file.add(array)
    predictions, variances = (read_array(folder / name, remedy, mapped=True) for name in (PREDICTIONS, VARIANCES))
    return ScoredRows(JoinedTexts([("", part.example_ids) for part in parts]), predictions, variances)
