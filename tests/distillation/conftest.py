"""Soft targets of a small task."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import softmax

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.streaming.row_sum import RowSum, json_row
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.scored_rows import ScoredRows
from mtdnn_tf.distillation.soft_targets import shared_fields, write_soft_targets
from mtdnn_tf.distillation.target_shards import write_manifest_over_all, write_shard
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task
from tests.helpers import VOCABULARY, write_tasks

TEACHERS = [{"run": "1", "weights_sha256": "00", "weight": 1.0}]


class Scored(NamedTuple):
    """A task, its encoded training split, the predictions for it, and the folder of its soft targets."""

    task: Task
    encoded: EncodedSplit
    predictions: np.ndarray
    folder: Path


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    task = select_tasks(["entailment"], [write_tasks(tmp_path / "tasks")])[0]
    encoded = encode(task, tmp_path)
    predictions = softmax(np.random.default_rng(0).normal(size=(len(encoded), 3)), axis=-1).astype(np.float32)
    write_soft_targets(tmp_path / "soft" / task.name, task, encoded, predictions, TEACHERS)
    return Scored(task, encoded, predictions, tmp_path / "soft")


def encode(task: Task, folder: Path, split: str = "train") -> EncodedSplit:
    """Returns a split of a task whose files are in `<folder>/tasks`."""
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    return EncodedData(DataSource("files", folder / "tasks"), tokenizer, 32, folder / "cache").split(task, split)


def write_shards(
    folder: Path, scored: Scored, shards: dict[str, np.ndarray], variances: np.ndarray | None = None, **changed: Any
) -> dict[str, Any]:
    """Writes rows of soft targets as shards, by name; returns the arguments of `write_manifest_over_all` beside names.

    `changed` are fields of the shards' manifests.
    """
    task, encoded, predictions, _ = scored
    shared = {**shared_fields(task, encoded.split, 2 * TEACHERS, {"average": "probabilities"}), **changed}
    examples = DataSource("files", folder.parent / "tasks").read(task, encoded.split)
    for name, rows in shards.items():
        total = RowSum()
        total.add(json_row([examples[row].example_id, examples[row].text_a, examples[row].text_b]) for row in rows)
        (folder / name).mkdir(parents=True, exist_ok=True)
        ids = [encoded.example_ids[int(row)] for row in rows]
        kept = None if variances is None else variances[rows]
        write_shard(folder / name, ScoredRows(ids, predictions[rows], kept), total.hexdigest(), shared)
    digest = RowDigest(folder.parent)
    digest.add(examples)
    data_fingerprint, data_sum = digest.digests()
    assert data_fingerprint == encoded.data_fingerprint
    return {"shared": shared, "data_sum": data_sum, "details": {"data_fingerprint": data_fingerprint}}


def write_in_shards(
    folder: Path, scored: Scored, shards: dict[str, np.ndarray], names: list[str] | None = None, **given: Any
) -> None:
    """Writes soft targets in shards, in the order of names or as given; other arguments as of `write_shards`."""
    write_manifest_over_all(folder, names or list(shards), **write_shards(folder, scored, shards, **given))
