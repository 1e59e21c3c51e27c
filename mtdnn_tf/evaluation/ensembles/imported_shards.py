"""Soft targets in shards from tables that each have a part of a split's examples."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.sources.example import example_batches
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.sources.tables import read_table
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.data.streaming.text_places import TextPlaces
from mtdnn_tf.distillation.scored_rows import ScoredRows
from mtdnn_tf.distillation.soft_targets import shared_fields, soft_target_folder
from mtdnn_tf.distillation.table_options import DEFAULT_TABLES, TableOptions
from mtdnn_tf.distillation.target_shards import fields_of_shards, write_manifest_over_all, write_shard
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.evaluation.ensembles.imported_rows import Rows, read_split_rows, sum_of_rows
from mtdnn_tf.evaluation.ensembles.importing import (
    PER_EXAMPLE,
    Importing,
    checked_names,
    imported,
    working_folder,
)
from mtdnn_tf.files import new_folder
from mtdnn_tf.kinds.values import ID_COLUMN
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.progress import counted
from mtdnn_tf.tasks.task import Task

# What a teacher's record says of a table, of which each shard has another.
_OF_TABLE = ("file", "file_sha256")
_IDS_AT_ONCE = 1 << 12


def import_shard(
    shard: str,
    files: Sequence[Path],
    task: Task,
    split: str,
    source: DataSource,
    output_dir: Path,
    teacher_names: Sequence[str],
    weights: Sequence[float] | None = None,
    options: TableOptions = DEFAULT_TABLES,
) -> Path:
    """Writes a shard of soft targets, of the examples of a split that are in tables; returns its folder.

    `files` are tables with the same examples, one per teacher, and `teacher_names` the same for all shards. A shard of
    the same name is replaced. Other arguments and errors are those of `import_soft_targets`.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", shard):
        raise UserError(f"--shard must be letters, digits, _, . and -, such as part-3, got {shortened(shard)!r}")
    if len(teacher_names) != len(files):
        raise UserError(f"--shard needs --teacher_names, the same for all shards, got {len(teacher_names)} names")
    for path in files:
        if path.is_dir():
            raise UserError(f"--shard needs tables, got the folder {path}")
    names = checked_names(files, teacher_names, weights)
    store = soft_target_folder(output_dir, task, split)
    with working_folder(store / shard) as folder:
        all_rows = read_split_rows(source, task, split, folder)
        rows = _rows_of_table(files[0], all_rows)
        own = all_rows.take(rows)
        given = imported(Importing(files, task, Rows.of(own), source, options, folder), task, names, weights, folder)
        tables = [{field: record.pop(field) for field in _OF_TABLE} for record in given.records]
        details = dict(given.details)
        per_example = {PER_EXAMPLE: details.pop(PER_EXAMPLE)} if PER_EXAMPLE in details else {}
        shared = shared_fields(task, split, given.teachers(names, weights), per_example)
        total = sum_of_rows(source, all_rows, rows)
        with new_folder(store / shard) as temporary:
            scored = ScoredRows(own.example_ids, given.predictions, given.variances)
            write_shard(temporary, scored, total, shared, {"tables": tables, **details})
        (store / MANIFEST).unlink(missing_ok=True)
    return store / shard


def _rows_of_table(path: Path, all_rows: SplitRows) -> np.ndarray:
    """Returns the numbers of the rows of a split that a table has, in rising order, int64; all if it has none.

    Refuses parts of queries. What else is wrong with the table is found when it is read.
    """
    places, found = TextPlaces(all_rows.example_ids), np.zeros(len(all_rows), bool)
    ids = (row.cells.get(ID_COLUMN) or "" for row in read_table(path)[1])
    while block := list(itertools.islice(ids, _IDS_AT_ONCE)):
        at = places.of(block)
        found[at[at >= 0]] = True
    rows = np.flatnonzero(found) if found.any() else np.arange(len(found))
    queries = all_rows.queries
    cut = np.flatnonzero(np.isin(queries, queries[rows]) & ~found) if queries is not None else rows[:0]
    if len(cut):
        raise UserError(
            f"{path}: a shard must have whole queries, {len(cut)} candidates are missing, the first: "
            f"{all_rows.example_ids[int(cut[0])]}"
        )
    return rows


def join_shards(task: Task, split: str, source: DataSource, output_dir: Path) -> Path:
    """Writes the manifest over all shards of a split that `import_shard` has written; returns the folder.

    Raises:
        UserError: There are no shards, they are damaged or of different teachers, or are not all rows of the split.
    """
    store = soft_target_folder(output_dir, task, split)
    # Those with a dot are being written.
    names = sorted(path.parent.name for path in store.glob(f"[!.]*/{MANIFEST}"))
    if not names:
        raise UserError(f"{store}: no shards there; mtdnn soft_targets --import_from=TABLE --shard=NAME writes one")
    with working_folder(store) as folder:
        shared: dict[str, Any] = fields_of_shards(store, names[0])
        shared.update(task=task.name, kind=task.kind, label_names=list(task.labels), split=split)
        digest = RowDigest(folder, source.streams_hashes(task))
        for batch in counted(example_batches(source.stream(task, split)), f"reading {task.name} {split}"):
            digest.add(batch)
        data_fingerprint, data_sum = digest.digests()
        if digest.duplicates:
            source.refuse_duplicates(task, split, digest.duplicates)
        write_manifest_over_all(store, names, shared, data_sum, {"data_fingerprint": data_fingerprint})
    return store
