"""Exporting a trained model for TF Serving."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, write_json
from mtdnn_tf.modeling.model_folder import LoadedModel
from mtdnn_tf.serving.serving_ops import check_ops
from mtdnn_tf.serving.signatures import Signatures

# TensorFlow leaves what stands in this folder of a SavedModel alone.
DESCRIPTION = "assets.extra/mtdnn_tf.json"
_SCHEMA = 1


def export_version(export_dir: Path, version: int | None = None) -> Path:
    """Returns the folder of a new version of a served model.

    Args:
        export_dir: The model's folder, which holds one folder a version.
        version: The version's number, 1 or more; one above the highest that stands if None.

    Raises:
        UserError: The version stands already, or its number is below 1.
    """
    standing = _versions(export_dir)
    if version is None:
        version = max(standing, default=0) + 1
    if version < 1:
        raise UserError(f"version of the export takes a number of 1 or more, {version} given")
    if version in standing:
        raise UserError(f"{export_dir}: version {version} exists; give a number that is not one of {standing}")
    return export_dir / str(version)


def _versions(export_dir: Path) -> list[int]:
    """Returns the numbers that TF Serving would read from the folder's names."""
    if not export_dir.is_dir():
        return []
    names = [path.name for path in export_dir.iterdir()]
    return sorted({int(name) for name in names if name.isascii() and name.isdigit()})


def export_saved_model(loaded: LoadedModel, folder: Path) -> None:
    """Writes a SavedModel that answers every task of a model from texts and from token ids.

    A server that watches the folder's parent sees it complete or not at all.

    Args:
        loaded: The model with its tasks and tokenizer; longer inputs than its `max_sequence_length` are cut.
        folder: The version's folder, named by a number.

    Raises:
        UserError: The folder exists, or the graph holds operations that a stock TF Serving does not have.
    """
    _refuse_existing(folder)
    # A task that falls together from another's labels serves evaluation; a client asks that other task.
    loaded = loaded._replace(tasks=[task for task in loaded.tasks if not task.head_labels])
    signatures = Signatures(loaded)
    with new_folder(folder) as temporary:
        tf.saved_model.save(signatures, str(temporary), signatures=signatures.all())
        check_ops(temporary)
        write_json(temporary / DESCRIPTION, _description(loaded))
        # Another export may have ended meanwhile.
        _refuse_existing(folder)


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise UserError(f"{folder}: this version exists; a served version is never replaced, give another number")


def _description(loaded: LoadedModel) -> dict[str, Any]:
    """Returns what a person or a client may want to know of an exported model."""
    return {
        "schema": _SCHEMA,
        "mtdnn_tf": _package_version(),
        "tensorflow": tf.__version__,
        "model_fingerprint": loaded.fingerprint,
        "max_sequence_length": loaded.max_sequence_length,
        "tasks": {
            task.name: {"kind": task.kind, "texts": len(task.text), "labels": list(task.labels)}
            for task in loaded.tasks
        },
    }


def _package_version() -> str:
    try:
        return importlib.metadata.version("mtdnn_tf")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
