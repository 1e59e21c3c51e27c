"""Soft targets in shards: folders of rows that were scored anywhere and in any order, and a manifest over all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EXAMPLE_IDS
from mtdnn_tf.data.streaming.joined_arrays import JoinedArray, JoinedLines
from mtdnn_tf.data.streaming.row_sum import RowSum
from mtdnn_tf.data.streaming.text_places import TextPlaces
from mtdnn_tf.distillation.scored_rows import PREDICTIONS, VARIANCES, ScoredRows, read_scored_rows, write_scored_rows
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.files import file_within, sha256_of_file
from mtdnn_tf.json_files import check_schema
from mtdnn_tf.manifests import MANIFEST, read_manifest, read_manifest_only, write_manifest

SHARDS = "shards"
SCHEMA_OF_SHARDS = 2
_SCHEMA_OF_SHARD = 1
_REMEDY = "run the command that made it again, which makes only what is missing or damaged"
# What all shards must agree on, the cause of others before them.
_SHARED = ("task", "kind", "label_names", "split", "temperature", "teachers", "average", "teachers_per_example")
_NAME, _EXAMPLES, _SUM = "name", "examples", "data_sum"
_FIELDS = {_NAME: str, _EXAMPLES: int, _SUM: str}


class _Shard(NamedTuple):
    """A shard that was verified."""

    name: str
    manifest: dict[str, Any]
    num_outputs: int
    has_variances: bool


def shard_fields(shared: Mapping[str, Any], examples: int, data_sum: str) -> dict[str, Any]:
    """Returns what the manifest of a shard says of it.

    Args:
        shared: What the manifests of all shards, and the one over all, say.
        examples: Number of its rows.
        data_sum: The `RowSum` of its rows.
    """
    return {"schema": _SCHEMA_OF_SHARD, **shared, _EXAMPLES: examples, _SUM: data_sum}


def write_shard(
    folder: Path, rows: ScoredRows, data_sum: str, shared: Mapping[str, Any], details: Mapping[str, Any] | None = None
) -> None:
    """Writes a shard into an empty folder; arguments as of `shard_fields`, and further fields of its manifest."""
    write_scored_rows(folder, rows)
    write_manifest(folder, {**shard_fields(shared, len(rows.example_ids), data_sum), **(details or {})})


def write_manifest_over_all(
    folder: Path, names: Sequence[str], shared: Mapping[str, Any], data_sum: str, details: Mapping[str, Any]
) -> None:
    """Writes the manifest over all shards of a folder, after verifying them.

    Args:
        folder: The folder.
        names: Its shards, one or more.
        shared: As of `shard_fields`.
        data_sum: The `RowSum` of all rows of the split.
        details: Further fields, such as the number of rows that could not be read.

    Raises:
        UserError: A shard is missing, damaged or of something else, an id is in two shards, or rows are missing.
    """
    shards = [_read_shard(folder, name, shared) for name in names]
    listed = [{_NAME: shard.name, _EXAMPLES: shard.manifest[_EXAMPLES], _SUM: shard.manifest[_SUM]} for shard in shards]
    _check_sums(folder, listed, data_sum)
    ids = _joined(folder, shards).example_ids
    check_ids(folder, listed, ids, TextPlaces(ids))
    examples = sum(shard.manifest[_EXAMPLES] for shard in shards)
    totals = {_EXAMPLES: examples, _SUM: data_sum, SHARDS: listed}
    files = {_manifest_of(shard.name): sha256_of_file(folder / _manifest_of(shard.name)) for shard in shards}
    write_manifest(folder, {"schema": SCHEMA_OF_SHARDS, **shared, **details, **totals}, files)


def _manifest_of(name: str) -> str:
    """Returns the path of a shard's manifest in the folder of all."""
    return f"{name}/{MANIFEST}"


def fields_of_shards(folder: Path, name: str) -> dict[str, Any]:
    """Returns the fields that all shards of a folder must agree on, as one of them has them."""
    manifest = read_manifest_only(folder / name, _REMEDY)
    return {field: manifest[field] for field in _SHARED if field in manifest}


def is_in_shards(folder: Path) -> bool:
    """Returns whether a folder of soft targets has shards, complete or not."""
    return not (folder / PREDICTIONS).exists() and any(folder.glob(f"*/{PREDICTIONS}"))


def read_manifest_over_all(folder: Path) -> dict[str, Any]:
    """Reads the manifest over all shards of a folder; `read_shards` verifies the shards."""
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder}: {MANIFEST} is missing, its shards are not complete; {_REMEDY}")
    # A shard that is missing or of another run is named with what differs.
    manifest = read_manifest_only(folder, _REMEDY)
    check_schema(manifest.get("schema"), SCHEMA_OF_SHARDS, folder, _REMEDY)
    listed = manifest.get(SHARDS)
    if not isinstance(listed, list) or not listed or not all(map(_is_listed, listed)):
        raise UserError(f"{folder / MANIFEST}: must list one or more shards; {_REMEDY}")
    return manifest


def _is_listed(shard: Any) -> bool:
    """Returns whether a value says of a shard what the manifest over all must."""
    return isinstance(shard, dict) and all(type(shard.get(field)) is of for field, of in _FIELDS.items())


def read_shards(folder: Path, manifest: Mapping[str, Any]) -> ScoredRows:
    """Returns the rows of all shards, one shard after the other; what is read stays on disk.

    `check_ids` refuses duplicate ids.

    Raises:
        UserError: A shard is missing, damaged or another than the manifest over all lists.
    """
    shards = []
    for listed in manifest[SHARDS]:
        name = listed[_NAME]
        shard = _read_shard(folder, name, manifest)
        sha256 = sha256_of_file(folder / name / MANIFEST)
        for field, given, needed in (
            (_EXAMPLES, shard.manifest[_EXAMPLES], listed[_EXAMPLES]),
            (_SUM, shard.manifest[_SUM], listed[_SUM]),
            (f"SHA-256 of {MANIFEST}", sha256, manifest["files"].get(_manifest_of(name))),
        ):
            if given != needed:
                raise UserError(
                    f"{folder / name}: shard of another run: {field} must be {needed}, as {folder / MANIFEST} says, "
                    f"got {given}; {_REMEDY}"
                )
        shards.append(shard)
    _check_sums(folder, manifest[SHARDS], manifest.get(_SUM))
    return _joined(folder, shards)


def _read_shard(folder: Path, name: str, shared: Mapping[str, Any]) -> _Shard:
    """Reads and verifies a shard, whose manifest must have the `_SHARED` fields of another."""
    path = file_within(folder, name, folder / MANIFEST)
    if not path.is_dir():
        raise UserError(f"{path}: the shard is missing; {_REMEDY}")
    manifest = read_manifest(path, _REMEDY, needed=(EXAMPLE_IDS, PREDICTIONS))
    check_schema(manifest.get("schema"), _SCHEMA_OF_SHARD, path, _REMEDY)
    for field in _SHARED:
        given, needed = manifest.get(field), shared.get(field)
        if given != needed:
            given, needed = (shortened(json.dumps(value)) for value in (given, needed))
            raise UserError(f"{path}: shard of other {field}: must be {needed}, got {given}; {_REMEDY}")
    try:
        RowSum(str(manifest.get(_SUM)))
    except ValueError as error:
        raise UserError(f"{path / MANIFEST}: {_SUM} {error}; {_REMEDY}") from None
    has_variances = VARIANCES in manifest["files"]
    rows = read_scored_rows(path, _REMEDY, has_variances, manifest.get(_EXAMPLES))
    return _Shard(name, manifest, rows.predictions.shape[1], has_variances)


def _check_sums(folder: Path, listed: Sequence[Mapping[str, Any]], data_sum: object) -> None:
    total = RowSum()
    for shard in listed:
        total.add_sum(shard[_SUM])
    if total.hexdigest() != data_sum:
        raise UserError(
            f"{folder}: the rows of its {len(listed)} shards are not those of the data: their {_SUM} is "
            f"{total.hexdigest()}, that of the data {data_sum}; {_REMEDY}"
        )


def _joined(folder: Path, shards: Sequence[_Shard]) -> ScoredRows:
    first = shards[0]
    for shard in shards:
        for what, given, needed in (
            ("numbers per example", shard.num_outputs, first.num_outputs),
            ("files of variances", int(shard.has_variances), int(first.has_variances)),
        ):
            if given != needed:
                raise UserError(
                    f"{folder / shard.name}: must have {needed} {what} as shard {first.name}, got {given}; {_REMEDY}"
                )
    lengths = [shard.manifest[_EXAMPLES] for shard in shards]

    def joined(name: str, like: np.ndarray) -> JoinedArray:
        return JoinedArray([folder / shard.name / name for shard in shards], lengths, like, _REMEDY)

    ids = JoinedLines([folder / shard.name / EXAMPLE_IDS for shard in shards], lengths)
    predictions = joined(PREDICTIONS, np.empty((0, first.num_outputs), np.float32))
    return ScoredRows(ids, predictions, joined(VARIANCES, np.empty(0, np.float32)) if first.has_variances else None)


def check_ids(
    folder: Path, listed: Sequence[Mapping[str, Any]], example_ids: Sequence[str], places: TextPlaces
) -> None:
    """Refuses an id in two shards, or twice in one.

    Args:
        folder: The folder of the shards.
        listed: The shards as the manifest over all lists them.
        example_ids: The ids of all shards.
        places: Where each is.
    """
    found = places.duplicate()
    if found is None:
        return
    ends = np.cumsum([shard[_EXAMPLES] for shard in listed])
    first, second = (listed[int(np.searchsorted(ends, place, side="right"))][_NAME] for place in found)
    where = f"twice in shard {first}" if first == second else f"in shards {first} and {second}"
    raise UserError(f"{folder}: id {example_ids[found[0]]!r} is {where}; ids must be unique; {_REMEDY}")
