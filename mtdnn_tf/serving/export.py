"""Exporting a trained model for TF Serving."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import new_folder
from mtdnn_tf.json_files import write_json
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import write_manifest
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.serving.reduced_weights import FLOAT32
from mtdnn_tf.serving.server_config import MODEL_NAME, check_model_name, write_server_config
from mtdnn_tf.serving.serving_ops import check_ops
from mtdnn_tf.serving.signatures import Signatures
from mtdnn_tf.serving.warmup import check_batch_sizes, write_warmup
from mtdnn_tf.tasks.task import Task

# TensorFlow leaves what stands in this folder of a SavedModel alone.
DESCRIPTION = "assets.extra/mtdnn_tf.json"
_SCHEMA = 1
WARMUP_BATCH_SIZES = (1, 8, 32)


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


def served_tasks(loaded: LoadedModel, names: Sequence[str] = ()) -> list[Task]:
    """Returns the tasks that an export answers.

    Args:
        loaded: The model.
        names: Names of some of its tasks, different; all if empty.

    Raises:
        UserError: A name is unknown, stands twice, or is that of a task that no client can ask.
    """
    # A task that falls together from another's labels serves evaluation; a client asks that other task.
    served = {task.name: task for task in loaded.tasks if not task.head_labels}
    if len(set(names)) < len(names):
        raise UserError(f"--tasks takes different tasks, {','.join(names)} given")
    for name in names:
        if name not in served:
            raise unknown_name("task of the export", name, served)
    return [served[name] for name in names] if names else list(served.values())


def export_saved_model(
    loaded: LoadedModel,
    folder: Path,
    tasks: Sequence[str] = (),
    batch_sizes: Sequence[int] = WARMUP_BATCH_SIZES,
    model_name: str = MODEL_NAME,
    weights: str = FLOAT32,
) -> None:
    """Writes a SavedModel that answers tasks of a model from texts, serialized examples and token ids.

    A server that watches the folder's parent sees it complete or not at all. The server's own files are written beside
    it, unless they stand.

    Args:
        loaded: The model with its tasks and tokenizer; longer inputs than its `max_sequence_length` are cut.
        folder: The version's folder, named by a number.
        tasks: Names of the tasks that are answered; all if empty. Heads of others are left out.
        batch_sizes: Sizes of the warm-up requests, which the server's batches are filled up to; in rising order.
        model_name: Name under which the server knows the model.
        weights: How the encoder's large matrices are stored: "float32", "float16" or "int8".

    Raises:
        UserError: The folder exists, or another process writes it; the graph holds operations that a stock TF Serving
            does not have, or something given is not accepted.
    """
    _refuse_existing(folder)
    check_batch_sizes(batch_sizes)
    check_model_name(model_name)
    loaded = loaded._replace(tasks=served_tasks(loaded, tasks))
    signatures = Signatures(loaded, weights)
    with locked_path(folder, str(folder)), new_folder(folder) as temporary:
        tf.saved_model.save(signatures, str(temporary), signatures=signatures.all())
        check_ops(temporary)
        write_json(temporary / DESCRIPTION, _description(loaded, weights))
        write_warmup(temporary, signatures, batch_sizes, model_name)
        write_manifest(temporary, {"what": "export"})
        # Before the version appears, so that a server started on it finds them.
        write_server_config(folder.parent, model_name, batch_sizes)
        # Another export may have ended meanwhile.
        _refuse_existing(folder)


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise UserError(f"{folder}: this version exists; a served version is never replaced, give another number")


def _description(loaded: LoadedModel, weights: str) -> dict[str, Any]:
    """Returns what a person or a client may want to know of an exported model."""
    return {
        "schema": _SCHEMA,
        "mtdnn_tf": _package_version(),
        "tensorflow": tf.__version__,
        "model_fingerprint": loaded.fingerprint,
        "weights": weights,
        "max_sequence_length": loaded.max_sequence_length,
        "tasks": {
            task.name: {
                "kind": task.kind,
                "texts": len(task.text),
                "columns": list(task.text),
                "labels": list(task.labels),
            }
            for task in loaded.tasks
        },
    }


def _package_version() -> str:
    try:
        return importlib.metadata.version("mtdnn_tf")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
