"""The pipeline that scores ranges of rows with all teachers."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from mtdnn_tf.beam.exported_teachers import LoadedTeachers
from mtdnn_tf.beam.range_scores import RangeScores
from mtdnn_tf.beam.row_ranges import RowRanges
from mtdnn_tf.interruption import stop_if_asked


def build_scoring(pipeline: beam.Pipeline, ranges: RowRanges, scores: RangeScores) -> None:
    """Adds the steps that score all ranges to a pipeline. The rows of a ranking are first divided by queries."""
    numbers = pipeline | "Ranges" >> beam.Create(range(ranges.count)) | "Spread ranges" >> beam.Reshuffle()
    if scores.task.kind_object.has_queries:
        rows = numbers | "Rows" >> beam.FlatMap(lambda number: ranges.rows(number))
        keyed = rows | "Range of query" >> beam.Map(_with_query_range, ranges.count)
        elements = keyed | "Queries" >> beam.GroupByKey()
    else:
        elements = numbers | "Rows" >> beam.Map(lambda number: (number, ranges.rows(number)))
    elements | "Score" >> beam.ParDo(_Score(scores))


def _with_query_range(row: list[Any], count: int) -> tuple[int, list[Any]]:
    return zlib.crc32(row[3].encode()) % count, row


class _Score(beam.DoFn):
    """Scores a range with all teachers, which a process loads once."""

    def __init__(self, scores: RangeScores) -> None:
        self._scores = scores
        self._shared = Shared()
        self._scored = Metrics.counter("mtdnn_tf", "rows_scored")

    def process(self, element: tuple[int, Iterable[list[Any]]]) -> Iterator[None]:
        stop_if_asked()
        number, rows = element
        # A shuffle has no order.
        rows = sorted(rows, key=lambda row: row[0])
        if rows and not self._scores.has(number):
            models = self._shared.acquire(lambda: LoadedTeachers(self._scores.teachers))
            self._scores.write(number, rows, models)
        self._scored.inc(len(rows))
        return iter(())
