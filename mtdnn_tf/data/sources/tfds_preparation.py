"""Prepares a task's files as TensorFlow Datasets does, so that a plain `tfds.load` reads them without a network.

TensorFlow Datasets is imported where it is used, as in `tfds_source`.
"""

from __future__ import annotations

import dataclasses
import errno
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from mtdnn_tf.data.sources.files_source import file_splits, read_file_examples, split_path
from mtdnn_tf.data.sources.tfds_source import NO_GOLD, check_features, data_of
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.manifests import checksums
from mtdnn_tf.tasks.task import Task

_ROWS_PER_SHARD = 100_000


def prepare_tfds(task: Task, data_dir: Path, tfds_dir: Path) -> Path:
    """Writes the existing files of a task as its data set in TensorFlow Datasets, and returns the prepared folder.

    Name, version and features are those of TensorFlow Datasets, order and numbers of rows those of the files. Rows
    without an agreed label are kept with label -1, as TensorFlow Datasets keeps them. `tfds_dir` is `data_dir` of
    `tfds.load`; the folder is `<tfds_dir>/<name>/<config>/<version>`.
    """
    declared = _declared_builder(task)
    rows = {split: _rows(task, split, data_dir, declared.info.features) for split in file_splits(task, data_dir)}
    if not rows:
        raise UserError(f"{data_dir}: no file of task {task.name} here, nor where its task file says")
    folder = tfds_dir.joinpath(*declared.info.full_name.split("/"))
    if folder.exists():
        with tempfile.TemporaryDirectory() as temporary:
            _write(declared, rows, Path(temporary))
            if checksums(Path(temporary)) != checksums(folder):
                remedy = f"delete it to prepare those of {data_dir}, or give another folder"
                raise UserError(f"{folder}: other data are prepared there; {remedy}")
        logging.info("found %s prepared in %s", declared.info.full_name, folder)
        return folder
    with new_folder(folder) as temporary_folder:
        _write(declared, rows, temporary_folder)
    counts = ", ".join(f"{len(rows[split])} rows of {split}" for split in rows)
    logging.info("prepared %s in %s: %s", declared.info.full_name, folder, counts)
    return folder


def _declared_builder(task: Task) -> Any:
    """Returns TensorFlow Datasets' own builder, which knows features and version without any data."""
    import tensorflow_datasets as tfds

    data = data_of(task)
    with tempfile.TemporaryDirectory() as nothing_prepared:
        builder = tfds.builder(data.name, data_dir=nothing_prepared)
    features = builder.info.features
    check_features(data, features)
    for name in features:
        if name not in data.features:
            raise UserError(f"{data.name}: feature {name!r} is no column of task {task.name}, it cannot be prepared")
    return builder


def _rows(task: Task, split: str, data_dir: Path, features: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a split's rows as TensorFlow Datasets has them; labels by its own index of the label's name."""
    data = data_of(task)
    path = split_path(task, split, data_dir)
    gold: dict[int | None, float] = {None: NO_GOLD if task.labels else float(NO_GOLD)}
    if task.labels:
        renamed = {own_name: name for name, own_name in data.labels}
        names = features[data.label].names
        gold.update({at: names.index(renamed.get(name, name)) for at, name in enumerate(task.labels)})
    rows = []
    for example in read_file_examples(task, split, data_dir, keep_skipped=True):
        row: dict[str, Any] = dict(zip(data.text, (example.text_a, example.text_b)))
        row[data.label] = gold[example.label] if task.labels or example.label is None else example.label
        if data.id:
            row[data.id] = _row_id(example.example_id, features[data.id].np_dtype, f"{path}: id")
        rows.append(row)
    if not rows:
        raise UserError(f"{path}: no example of task {task.name}; a split must have one or more")
    return rows


def _row_id(example_id: str, dtype: Any, where: str) -> str | int:
    """Returns an id as a feature of this type takes it."""
    if not np.issubdtype(dtype, np.integer):
        return example_id
    largest = np.iinfo(dtype).max
    if not re.fullmatch("[0-9]{1,18}", example_id) or int(example_id) > largest:
        raise UserError(f"{where} must be an integer from 0 to {largest}, got {example_id!r}")
    return int(example_id)


def _write(declared: Any, rows: Mapping[str, Sequence[dict[str, Any]]], folder: Path) -> None:
    """Writes a data set into an empty folder."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    identity = dataclasses.replace(tfds.core.DatasetIdentity.from_builder(declared), data_dir=str(folder))
    kept = {name: getattr(declared.info, name) for name in ("description", "features", "homepage", "citation")}
    info = tfds.core.DatasetInfo(builder=identity, **kept)
    try:
        writer = tfds.core.SequentialWriter(info, max_examples_per_shard=_ROWS_PER_SHARD)
        writer.initialize_splits(list(rows))
        writer.add_examples(dict(rows))
        writer.close_all()
    except tf.errors.OpError as error:  # Such as a full disk.
        raise OSError(errno.EIO, str(error).split("\n", maxsplit=1)[0], str(folder)) from None
