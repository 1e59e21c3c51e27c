"""Data files at random, of every format: text, compressed text and Parquet, valid ones and mutated ones."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from mtdnn_tf.tasks.file_formats import ENDINGS, GZIP, PARQUET
from tests.hostile.strategies import mutated

# Two rows of each type that a column may have.
_COLUMNS: tuple[Any, ...] = (
    pa.array(["the cat", "a dog"]),
    pa.array(["good", "bad"]),
    pa.array(["0", "1"]),
    pa.array([0, 1]),
    pa.array([0.5, float("nan")]),
    pa.array([0.25, 0.75]),
    pa.array([None, "a"]),
    pa.nulls(2),
    pa.array([True, False]),
    pa.array([b"\xff", b"a"]),
    pa.array([["a"], ["b", "c"]]),
    pa.array([{"x": 1}, {"x": 2}]),
    pa.array([datetime.date(2026, 1, 1), None]),
    pa.array([decimal.Decimal("0.5"), decimal.Decimal("1.5")]),
    pa.array(["good", "bad"]).dictionary_encode(),
    pa.array(["the cat", "a dog"], pa.large_string()),
    pa.array([2**63 - 1, -(2**63)]),
    pa.array([2**64 - 1, 0], pa.uint64()),
    pa.array([1.5, 2.5], pa.float16()),
    pa.array([], pa.string()),
)


def parquet_bytes(table: pa.Table) -> bytes:
    """Returns a table as a Parquet file."""
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


@st.composite
def _parquet_files(draw: st.DrawFn, names: Sequence[str]) -> bytes:
    columns = [draw(st.sampled_from(_COLUMNS)) for _ in names]
    rows = min(map(len, columns))
    table = pa.table([column[:rows] for column in columns], names=list(names))
    return draw(mutated([parquet_bytes(table)])) if draw(st.booleans()) else parquet_bytes(table)


@st.composite
def table_files(draw: st.DrawFn, texts: Sequence[bytes], columns: Sequence[Sequence[str]]) -> tuple[str, bytes]:
    """Draws the ending and the content of a data file.

    Args:
        draw: Hypothesis's.
        texts: Valid text files, to be mutated.
        columns: Names of columns, of which a Parquet file has some.
    """
    ending = draw(st.sampled_from(ENDINGS))
    if ending == PARQUET:
        return ending, draw(_parquet_files(draw(st.sampled_from(list(columns)))))
    content = draw(mutated(texts))
    if not ending.endswith(GZIP):
        return ending, content
    content = gzip.compress(content, mtime=0)
    return ending, draw(mutated([content])) if draw(st.integers(0, 2)) == 0 else content
