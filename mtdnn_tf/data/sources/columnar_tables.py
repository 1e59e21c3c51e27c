"""Columns of Parquet files and of saved Arrow data sets, as the text that other formats have."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mtdnn_tf.data.sources.saved_datasets import (
    arrow_files,
    class_name,
    class_names,
    features_of_schema,
    is_saved_dataset,
    saved_features,
)
from mtdnn_tf.errors import UserError, one_line

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnarTable(NamedTuple):
    """Columns of a Parquet file, or of the Arrow files of a saved data set."""

    path: Path  # The Parquet file, or the folder of the data set.
    files: list[Path]  # In the order of the rows.
    names: list[str]  # Of its columns, in order.
    schema: pa.Schema | None  # None for a data set without rows.
    classes: dict[str, list[str]]  # Names of the classes whose numbers a column has, by column.

    def rows(self, names: Sequence[str], lists: Sequence[str] = ()) -> Iterator[dict[str, str | None]]:
        """Yields the cells of each row by column: text, numbers as spelled, classes by name, None for null.

        Args:
            names: The columns to read.
            lists: Columns of which each cell may be a list, which is read as JSON text.

        Raises:
            UserError: A column is nested or holds neither text nor numbers, a class is unknown, or a file is damaged.
        """
        for name in names:
            self._check_type(name, name in lists)
        first = 0
        for batch in itertools.chain.from_iterable(_batches(file, names) for file in self.files):
            columns = [self._cells(batch, name, first) for name in names]
            for number in range(batch.num_rows):
                yield {name: column[number] for name, column in zip(names, columns)}
            first += batch.num_rows

    def _check_type(self, name: str, is_list: bool) -> None:
        if self.schema is None:
            return
        types = _arrow()[0].types
        found = self.schema.field(name).type
        value = found.value_type if is_list and (types.is_list(found) or types.is_large_list(found)) else found
        value = value.value_type if types.is_dictionary(value) else value
        accepted = (
            *(types.is_string, types.is_large_string, types.is_string_view, types.is_integer, types.is_floating),
            *(types.is_boolean, types.is_null),
        )
        if not any(check(value) for check in accepted):
            what = "text, numbers or lists of them" if is_list else "text or numbers"
            raise UserError(f"{self.path}: column {name!r} must hold {what}, got {found}")

    def _cells(self, batch: pa.RecordBatch, name: str, first: int) -> list[str | None]:
        """Returns a column of a batch whose first row has a number."""
        values = batch.column(name).to_pylist()
        if name in self.classes:
            places = (f"{self.path}, row {number}: column {name!r}" for number in itertools.count(first))
            values = [class_name(value, self.classes[name], where) for value, where in zip(values, places)]
        return [_spelled(value) for value in values]


def open_columns(path: Path) -> ColumnarTable:
    """Returns the columns of a Parquet file, or of a folder that `Dataset.save_to_disk` wrote; refuses damaged ones."""
    if is_saved_dataset(path):
        files, features = arrow_files(path), saved_features(path)
        schemas = [_schema(file) for file in files]
        for file, schema in zip(files, schemas):
            if not schema.equals(schemas[0]):
                raise UserError(f"{file}: columns must be those of {files[0].name}, got {', '.join(schema.names)}")
        names = schemas[0].names if schemas else list(features)
        return ColumnarTable(path, files, names, schemas[0] if schemas else None, class_names(features))
    schema = _schema(path)
    with _readable(path):
        features = features_of_schema(schema.metadata or {})
    return ColumnarTable(path, [path], schema.names, schema, class_names(features))


def _arrow() -> tuple[Any, Any]:
    """Returns pyarrow and its module of Parquet, which other formats do not need."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(f"Parquet and Arrow files need pyarrow >= 18, got: {one_line(error)}") from None
    return pyarrow, pyarrow.parquet


def _schema(file: Path) -> pa.Schema:
    pa, pq = _arrow()
    with _readable(file):
        if file.suffix == ".arrow":
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
                return reader.schema
        with file.open("rb") as source:
            return pq.read_schema(source)


def _batches(file: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file, a part at a time."""
    pa, pq = _arrow()
    with _readable(file), contextlib.ExitStack() as opened:
        if file.suffix == ".arrow":
            source = opened.enter_context(pa.memory_map(str(file)))
            batches = iter(opened.enter_context(pa.ipc.open_stream(source)))
        else:
            source = opened.enter_context(file.open("rb"))
            batches = opened.enter_context(pq.ParquetFile(source)).iter_batches(columns=list(names))
        for batch in batches:
            # Offsets and bytes of a damaged file are checked before they are followed.
            batch.validate(full=True)
            yield batch


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turns an error of reading a file into one for the user."""
    try:
        yield
    except (_arrow()[0].ArrowException, OSError, ValueError) as error:
        what = "an Arrow stream" if file.suffix == ".arrow" else "Parquet"
        raise UserError(f"{file}: not {what}, or damaged ({one_line(error)})") from None


def _spelled(value: Any) -> str | None:
    """Returns a value as text: what JSONL would have."""
    if isinstance(value, list):
        return json.dumps([_spelled(item) for item in value])
    if isinstance(value, bool):
        return str(value).lower()
    # pandas stores integers beside missing values as floats.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)
