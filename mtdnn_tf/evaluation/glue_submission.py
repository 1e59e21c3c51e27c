"""The files that GLUE's server scores."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictions import Predictions
from mtdnn_tf.files import new_file, new_folder, write_text
from mtdnn_tf.tasks.registry import get_task, task_names


def write_submission(path: Path, predictions: Sequence[Predictions], allow_partial: bool = False) -> None:
    """Writes predictions for test splits as GLUE's server takes them.

    Args:
        path: A file ending in .zip, or a folder, which must not exist.
        predictions: One for each task and test split; ids are row numbers of GLUE's test file.
        allow_partial: Whether files that GLUE asks for may be missing. Defaults to False.

    Raises:
        UserError: A file or row is missing, a split is no part of a submission or given twice, or the folder
            exists.
    """
    contents: dict[str, str] = {}
    for part in predictions:
        name = part.task.submission.get(part.split)
        if name is None:
            accepted = ", ".join(part.task.submission) or "none"
            raise UserError(
                f"task {part.task.name}: split {part.split!r} is no part of a GLUE submission; accepted: {accepted}"
            )
        if f"{name}.tsv" in contents:
            raise UserError(f"duplicate {name}.tsv in the GLUE submission; give each task and split once")
        contents[f"{name}.tsv"] = _file_content(part)
        rows, official = len(part.example_ids), part.task.submission_rows.get(part.split)
        if official not in (None, rows):
            logging.warning("%s.tsv: %d rows; GLUE's server expects %d, those of its test file", name, rows, official)
    missing = [file for file in submission_files() if file not in contents]
    if missing and not allow_partial:
        raise UserError(f"{path}: a GLUE submission must have all files, missing {', '.join(missing)}")
    if path.suffix == ".zip":
        with new_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, content in contents.items():
                # Without the time of writing, equal predictions make equal archives.
                archive.writestr(zipfile.ZipInfo(file), content, zipfile.ZIP_DEFLATED)
        return
    if path.exists():
        raise UserError(f"{path}: exists; give a new folder for the GLUE submission, or a file ending in .zip")
    with new_folder(path) as temporary:
        for file, content in contents.items():
            write_text(temporary / file, content)


def submission_files() -> list[str]:
    """Returns the names of the files that a complete submission has."""
    return [f"{name}.tsv" for task in task_names() for name in get_task(task).submission.values()]


def _file_content(predictions: Predictions) -> str:
    task = predictions.task
    try:
        numbers = np.array([int(example_id) for example_id in predictions.example_ids], np.int64)
    except ValueError:
        raise UserError(f"task {task.name}: ids of a GLUE submission must be row numbers") from None
    order = np.argsort(numbers, kind="stable")
    wrong = np.flatnonzero(numbers[order] != np.arange(len(order)))
    if len(wrong):
        raise UserError(
            f"task {task.name}: split {predictions.split} has {len(order)} rows, and row {wrong[0]} is "
            "missing or duplicate; GLUE's server scores whole test files only"
        )
    if task.labels:
        spellings = task.submission_labels or task.labels
        cells = [spellings[index] for index in predictions.values.argmax(axis=1)]
    else:
        # GLUE's one regression, STS-B, is scored from 0 to 5.
        cells = [f"{score:.3f}" for score in np.clip(predictions.values[:, 0], 0.0, 5.0)]
    lines = ["index\tprediction", *(f"{number}\t{cells[row]}" for number, row in enumerate(order))]
    return "".join(f"{line}\n" for line in lines)
