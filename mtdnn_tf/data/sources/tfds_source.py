"""Examples from data that TensorFlow Datasets has prepared; nothing is ever downloaded.

TensorFlow Datasets is imported where it is used: it is slow to import, and reading files does not need it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from absl import logging

from mtdnn_tf.data.sources.example import Example, HashedIds
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.json_files import to_json
from mtdnn_tf.tasks.task import TRAIN, Task, TfdsData

# How TensorFlow Datasets spells that a row has no gold label or score.
NO_GOLD = -1
_ROWS_READ_AT_ONCE = 1024


def tfds_splits(task: Task, data_dir: Path) -> list[str]:
    """Returns the prepared splits."""
    return list(_prepared_builder(data_of(task), data_dir).info.splits)


def tfds_fingerprint(task: Task, split: str, data_dir: Path) -> dict[str, Any]:
    """Returns what a split's examples are made from: the prepared files' checksums, and how they are read."""
    data = data_of(task)
    builder = _prepared_builder(data, data_dir, split)
    split_info = builder.info.splits[split]
    with _readable(data, data_dir):
        checksums = [sha256_of_file(Path(path)) for path in split_info.filepaths]
    features = builder.info.features
    fields = to_json(task)
    return {
        "kind": "tfds",
        "name": builder.info.full_name,
        "split": split,
        "shard_lengths": [int(length) for length in split_info.shard_lengths],
        "sha256": checksums,
        "label_names": list(getattr(features[data.label], "names", None) or ()) if data.label in features else [],
        "task": {name: fields[name] for name in ("kind", "labels", "skip_labels", "tfds")},
    }


def read_tfds_examples(task: Task, split: str, data_dir: Path) -> list[Example]:
    """Reads a split's examples, ordered by row number where rows are numbered, else as they were prepared.

    TensorFlow Datasets shuffles rows when it prepares them; by row number the order is that of GLUE's files.
    """
    data = data_of(task)
    builder = _prepared_builder(data, data_dir, split)
    check_features(data, builder.info.features, str(data_dir))
    with _readable(data, data_dir):
        rows = sorted(_rows(builder, split, data), key=operator.itemgetter(0))
    label_indices = _label_indices(task, data, builder) if task.labels else {}
    hashed_ids = HashedIds()
    examples = []
    for _, row_id, texts, gold in rows:
        if task.labels and int(gold) not in label_indices:
            continue
        text_a, text_b = texts[0], texts[1] if task.is_pair else None
        example_id = row_id or hashed_ids.next_id(text_a, text_b)
        where = f"{data_dir}: {data.name}, split {split!r}, row {example_id}"
        label = label_indices[int(gold)] if task.labels else _score(task, split, gold, where)
        group = text_a if task.kind_object.has_queries else None
        examples.append(Example(example_id, text_a, text_b, label, group))
    if len(examples) < len(rows):
        skipped = len(rows) - len(examples)
        logging.info("%s, split %s: skipped %d row(s) without an agreed label", data.name, split, skipped)
    return examples


def _rows(builder: Any, split: str, data: TfdsData) -> Iterator[tuple[int, str, list[str], float]]:
    """Yields number, id or "", texts and gold of a split's rows as prepared, numbered where the data do not do so."""
    import tensorflow_datasets as tfds

    in_order = tfds.ReadConfig(interleave_cycle_length=1)
    dataset = builder.as_dataset(split=split, read_config=in_order, shuffle_files=False)
    numbers = itertools.count()
    for batch in dataset.batch(_ROWS_READ_AT_ONCE).as_numpy_iterator():
        for at, gold in enumerate(batch[data.label]):
            number, texts = next(numbers), [batch[name][at].decode("utf-8") for name in data.text]
            row_id = batch[data.id][at] if data.id else b""
            # Ids are row numbers, or text such as ANLI's.
            is_text = isinstance(row_id, bytes)
            yield number if is_text else int(row_id), row_id.decode() if is_text else str(row_id), texts, float(gold)


def _label_indices(task: Task, data: TfdsData, builder: Any) -> dict[int, int | None]:
    """Returns the task's label for each of the data's, by name, without labels whose rows are skipped."""
    names = getattr(builder.info.features[data.label], "names", None)
    if not names:
        raise UserError(f"{data.name}: feature {data.label!r} has no label names; task {task.name} needs them")
    renamed = dict(data.labels)
    indices: dict[int, int | None] = {} if str(NO_GOLD) in task.skip_labels else {NO_GOLD: None}
    for index, name in enumerate(names):
        if name in task.skip_labels:
            continue
        own_name = renamed.get(name, name)
        if own_name not in task.labels:
            raise unknown_name(f"label of task {task.name}", own_name, task.labels, data.name)
        indices[index] = task.labels.index(own_name)
    return indices


def _score(task: Task, split: str, gold: float, where: str) -> float | None:
    """Returns the gold score; None where the split has none."""
    if gold == NO_GOLD and split not in (TRAIN, *task.evaluation_splits):
        return None
    if not math.isfinite(gold):
        raise UserError(f"{where}: the score must be a number, got {gold}")
    return gold


def check_features(data: TfdsData, features: Collection[str], where: str = "") -> None:
    """Refuses a data set without one of the features that are read."""
    for name in data.features:
        if name not in features:
            raise unknown_name(f"feature of {data.name}", name, features, where)


def data_of(task: Task) -> TfdsData:
    """Returns the task's data set in TensorFlow Datasets, or raises UserError if it has none."""
    if task.tfds is None:
        raise UserError(f"task {task.name} is not in TensorFlow Datasets; read it from files")
    return task.tfds


def _prepared_builder(data: TfdsData, data_dir: Path, split: str | None = None) -> Any:
    """Returns the builder of prepared data that have this split."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(data.name, data_dir=str(data_dir))
    # What is not prepared has no splits.
    if not builder.info.splits:
        remedy = f"prepare it with `{_build_command(data, data_dir)}`"
        raise UserError(f"{data_dir}: {builder.info.full_name} is not prepared there; {remedy}")
    if split is not None and split not in builder.info.splits:
        raise unknown_name(f"split of {data.name}", split, builder.info.splits, str(data_dir))
    return builder


@contextlib.contextmanager
def _readable(data: TfdsData, data_dir: Path) -> Iterator[None]:
    """Turns an error of reading prepared data into one for the user."""
    import tensorflow as tf

    try:
        yield
    except (OSError, UnicodeDecodeError, tf.errors.OpError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        remedy = f"delete it and prepare it again with `{_build_command(data, data_dir)}`"
        raise UserError(f"{data_dir}: {data.name} is damaged ({reason}); {remedy}") from None


def _build_command(data: TfdsData, data_dir: Path) -> str:
    return f"tfds build {data.name} --data_dir={data_dir}"
