"""Teachers' predictions for the rows of one range, in a folder of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.beam.exported_teachers import ExportedTeacher, LoadedTeachers
from mtdnn_tf.data.encoded_split import EXAMPLE_IDS
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.streaming.query_numbers import QueryNumbers
from mtdnn_tf.distillation.ensemble import combined_predictions
from mtdnn_tf.distillation.scored_rows import (
    PREDICTIONS,
    VARIANCES,
    ScoredRows,
    join_scored_rows,
    read_scored_rows,
    write_scored_rows,
)
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.manifests import read_manifest, write_manifest
from mtdnn_tf.tasks.task import Task

_FILES = (EXAMPLE_IDS, PREDICTIONS, VARIANCES)
_REMEDY = "delete it and run mtdnn beam_score again"


@dataclasses.dataclass(frozen=True)
class RangeScores:
    """Scores of the ranges of a task's split.

    Attributes:
        folder: Where they are, one folder per range.
        identity: Fingerprint of all that decides them; those of something else are computed again.
        task: The task.
        teachers: The teachers.
        weights: One weight per teacher; None for equal weights.
        average: Average "probabilities" or "logits".
        batch_size: Rows per batch.
    """

    folder: Path
    identity: str
    task: Task
    teachers: tuple[ExportedTeacher, ...]
    weights: tuple[float, ...] | None
    average: str
    batch_size: int

    def write(self, number: int, rows: Sequence[Sequence[Any]], models: LoadedTeachers) -> None:
        """Scores the rows of a range: id, texts and, of a ranking, query; whole queries are in one range."""
        kind = self.task.kind_object
        examples = [Example(row[0], row[1], row[2], group=row[3] if kind.has_queries else None) for row in rows]
        queries = QueryNumbers().next(examples) if kind.has_queries else None
        texts = ([example.text_a for example in examples], [example.text_b for example in examples])
        outputs = models.outputs(self.task, *texts, self.batch_size)
        predictions = [kind.predictions(self.task, found, queries) for found in outputs]
        averaged, variances = combined_predictions(kind, predictions, self.weights, self.average, queries=queries)
        with new_folder(self._range(number)) as temporary:
            write_scored_rows(temporary, ScoredRows([of.example_id for of in examples], averaged, variances))
            write_manifest(temporary, {"identity": self.identity})

    def has(self, number: int) -> bool:
        """Returns whether a range is scored."""
        if not self._range(number).is_dir():
            return False
        try:
            manifest = read_manifest(self._range(number), _REMEDY, _FILES)
        except UserError:
            return False
        return manifest.get("identity") == self.identity

    def read(self, count: int) -> list[ScoredRows]:
        """Returns the scored ranges of `count` in order; those without rows are left out."""
        return [read_scored_rows(self._range(number), _REMEDY) for number in range(count) if self.has(number)]

    def joined(self, count: int) -> ScoredRows:
        """Returns the scores of all ranges of `count` as one, whose arrays are in files beside them.

        One range at least is scored.
        """
        return join_scored_rows(self.folder, self.read(count), _REMEDY)

    def written(self) -> int:
        """Returns the number of folders that are there."""
        return sum(1 for _ in self.folder.glob("range-*"))

    def _range(self, number: int) -> Path:
        return self.folder / f"range-{number:05d}"
