"""Folders that Hugging Face's `datasets` writes with `save_to_disk`, read without that library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import file_within
from mtdnn_tf.json_files import parse_json, read_json_object

INFO = "dataset_info.json"
_NO_CLASS = -1  # What such data sets have instead of the number of a class where a row has no label.
_STATE = "state.json"
_DICT = "dataset_dict.json"


def is_saved_dataset(path: Path) -> bool:
    """Returns whether `Dataset.save_to_disk` wrote a folder."""
    return (path / _STATE).is_file() or (path / INFO).is_file()


def is_saved_dict(path: Path) -> bool:
    """Returns whether `DatasetDict.save_to_disk` wrote a folder, which has one folder per split."""
    return (path / _DICT).is_file()


def split_folder(path: Path, split: str) -> Path:
    """Returns the folder of a split of a saved DatasetDict."""
    splits = read_json_object(path / _DICT).get("splits")
    if not isinstance(splits, list) or not splits or not all(isinstance(name, str) for name in splits):
        raise UserError(f"{path / _DICT}: must list `splits`, got {str(splits)[:60]}")
    if split not in splits:
        remedy = f"to read another split, name its folder, such as {path / splits[0]}"
        raise UserError(f"{path}: the DatasetDict must have the split {split!r}, got {', '.join(splits)}; {remedy}")
    return file_within(path, split, path / _DICT)


def arrow_files(folder: Path) -> list[Path]:
    """Returns the Arrow files of a saved data set, in the order of its rows; none if it has no row."""
    state = read_json_object(folder / _STATE)
    # Versions before 1.2 saved a selection of rows so; later ones write the selected rows.
    if state.get("_indices_data_files"):
        raise UserError(f"{folder / _STATE}: must hold all rows, got a selection; save it again with datasets >= 1.2")
    files = state.get("_data_files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise UserError(f"{folder / _STATE}: must list `_data_files`, got {str(files)[:60]}")
    return [file_within(folder, str(file.get("filename")), folder / _STATE) for file in files]


def saved_features(folder: Path) -> dict[str, Any]:
    """Returns the features of a saved data set by column."""
    features = read_json_object(folder / INFO).get("features")
    if not isinstance(features, dict):
        raise UserError(f"{folder / INFO}: must list `features`, got {str(features)[:60]}")
    return features


def features_of_schema(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Returns the features that `Dataset.to_parquet` wrote to a schema, {} for another writer.

    Raises:
        ValueError: They are not JSON.
    """
    value: Any = parse_json(metadata.get(b"huggingface", b"{}").decode())
    for name in ("info", "features"):
        value = value.get(name, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, dict) else {}


def class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the names of the classes whose numbers a column has, or lists of numbers, by column."""
    found = {}
    for column, feature in features.items():
        while isinstance(feature, (list, dict)) and "names" not in feature:
            # A list of classes; versions before 4 wrote [feature].
            feature = feature.get("feature") if isinstance(feature, dict) else next(iter(feature), None)
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        if isinstance(names, list):
            found[column] = [str(name) for name in names]
    return found


def class_name(value: Any, names: Sequence[str], where: str) -> Any:
    """Returns the name of a class by its number, or the names of a list of them; None for no class."""
    if isinstance(value, list):
        return [class_name(item, names, where) for item in value]
    if value is None or value == _NO_CLASS:
        return None
    if not (isinstance(value, int) and 0 <= value < len(names)):
        accepted = f"{_NO_CLASS} for none or the number of one of {len(names)} classes, from 0"
        raise UserError(f"{where} must be {accepted}, got {value!r}")
    return names[value]
