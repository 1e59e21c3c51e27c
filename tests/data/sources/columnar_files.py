"""Parquet files and saved data sets, written with pyarrow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CLASSES = {"names": ["buy", "greet"], "_type": "ClassLabel"}


def write_parquet(path: Path, columns: Mapping[str, Any], features: Mapping[str, Any] | None = None) -> None:
    """Writes a Parquet file; with features, as `Dataset.to_parquet` does."""
    table = pa.table(dict(columns))
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)


def write_saved_dataset(folder: Path, parts: Sequence[Mapping[str, Any]], features: Mapping[str, Any]) -> None:
    """Writes the files of `Dataset.save_to_disk` with one Arrow stream per part.

    Folders that datasets 5.2.0 wrote have these files and keys (one and three Arrow files, a selection of rows, a
    chosen format, a DatasetDict, no row). The project's reader gave the rows that `datasets.load_from_disk` gave.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"data-{number:05d}-of-{len(parts):05d}.arrow" for number in range(len(parts))]
    for name, part in zip(names, parts):
        table = pa.table(dict(part))
        with pa.ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    state = {"_data_files": [{"filename": name} for name in names], "_format_columns": None, "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"description": "", "features": features}))


def write_saved_dict(folder: Path, splits: Mapping[str, Mapping[str, Any]], features: Mapping[str, Any]) -> None:
    """Writes the files of `DatasetDict.save_to_disk`."""
    for split, columns in splits.items():
        write_saved_dataset(folder / split, [columns], features)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
