"""The pipeline that predicts ranges of rows with exported models."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from mtdnn_tf.beam.exported_models import ExportedModel, LoadedModels
from mtdnn_tf.beam.range_folders import RangeFolders
from mtdnn_tf.beam.row_ranges import RowRanges
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.streaming.query_numbers import QueryNumbers
from mtdnn_tf.data.streaming.row_sum import RowSum, json_row
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.tasks.task import Task


class PredictedRange(NamedTuple):
    """The rows of a range with each model's predictions."""

    example_ids: list[str]
    queries: np.ndarray | None  # Of a ranking, the number of each row's query, int32 [rows].
    by_model: list[np.ndarray]  # Float32 [rows, num_outputs].
    data_sum: str  # The `RowSum` of the rows.


class RangeWork(Protocol):
    """What is done with the predictions for each range of a task's rows. A worker is given a copy."""

    @property
    def task(self) -> Task:
        """The task."""

    @property
    def models(self) -> Sequence[ExportedModel]:
        """The models that predict."""

    @property
    def batch_size(self) -> int:
        """Rows per batch."""

    @property
    def folders(self) -> RangeFolders:
        """Where the ranges that are done are."""

    def write(self, number: int, predicted: PredictedRange) -> None:
        """Writes what is made of a range."""


def build_work(pipeline: beam.Pipeline, ranges: RowRanges, work: RangeWork) -> None:
    """Adds the steps that work on all ranges to a pipeline. The rows of a ranking are first divided by queries."""
    numbers = pipeline | "Ranges" >> beam.Create(range(ranges.count)) | "Spread ranges" >> beam.Reshuffle()
    if work.task.kind_object.has_queries:
        rows = numbers | "Rows" >> beam.FlatMap(lambda number: ranges.rows(number))
        keyed = rows | "Range of query" >> beam.Map(_with_query_range, ranges.count)
        elements = keyed | "Queries" >> beam.GroupByKey()
    else:
        elements = numbers | "Rows" >> beam.Map(lambda number: (number, ranges.rows(number)))
    elements | "Predict" >> beam.ParDo(_Predict(work))


def _with_query_range(row: list[Any], count: int) -> tuple[int, list[Any]]:
    return zlib.crc32(row[3].encode()) % count, row


class _Predict(beam.DoFn):
    """Predicts a range with all models, which a process loads once."""

    def __init__(self, work: RangeWork) -> None:
        self._work = work
        self._shared = Shared()
        self._predicted = Metrics.counter("mtdnn_tf", "rows_predicted")

    def process(self, element: tuple[int, Iterable[list[Any]]]) -> Iterator[None]:
        stop_if_asked()
        number, rows = element
        # A shuffle has no order.
        rows = sorted(rows, key=lambda row: row[0])
        if rows and not self._work.folders.rows(number):
            models = self._shared.acquire(lambda: LoadedModels(self._work.models))
            self._work.write(number, self._predict(rows, models))
        self._predicted.inc(len(rows))
        return iter(())

    def _predict(self, rows: Sequence[list[Any]], models: LoadedModels) -> PredictedRange:
        """Returns the predictions for rows: id, texts and, of a ranking, query; whole queries are in one range."""
        task = self._work.task
        has_queries = task.kind_object.has_queries
        examples = [Example(row[0], row[1], row[2], group=row[3] if has_queries else None) for row in rows]
        queries = QueryNumbers().next(examples) if has_queries else None
        predictions = models.predictions(task, examples, queries, self._work.batch_size)
        total = RowSum()
        total.add(map(json_row, rows))
        return PredictedRange([example.example_id for example in examples], queries, predictions, total.hexdigest())
