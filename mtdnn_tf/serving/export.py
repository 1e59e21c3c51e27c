"""Exporting a trained model: a SavedModel for TF Serving, and other formats beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.files import new_folder
from mtdnn_tf.json_files import write_json
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import write_manifest
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.serving import server_files
from mtdnn_tf.serving.description import describe
from mtdnn_tf.serving.layout import DESCRIPTION
from mtdnn_tf.serving.litert import write_litert
from mtdnn_tf.serving.reduced_weights import FLOAT32, INT8
from mtdnn_tf.serving.signatures import Signatures
from mtdnn_tf.tasks.task import Task

WARMUP_BATCH_SIZES = (1, 8, 32)
# Servers read numbers of 64 bits.
_LARGEST_VERSION = 10**18 - 1
SAVED_MODEL, ONNX, LITERT = "saved_model", "onnx", "litert"
# With the packages of extras that each needs.
FORMATS: dict[str, tuple[str, ...]] = {SAVED_MODEL: (), ONNX: ("onnx", "onnxruntime"), LITERT: ()}
ONNX_WEIGHTS = (FLOAT32, INT8)
OLDEST_TF_SERVING = "2.12.1"
ALLOWED_OPS = frozenset(
    op
    for line in (Path(__file__).parent / "allowed_ops.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for op in line.split()
)


class Int8Budget(NamedTuple):
    """What computing in int8 may cost."""

    development: Sequence[EncodedSplit]  # On whose rows it is measured.
    max_accuracy_loss: float = 0.5  # Of the tasks' average, in points.


NO_BUDGET = Int8Budget(())


def export_version(export_dir: Path, version: int | None = None) -> Path:
    """Returns the folder of a new version of a served model.

    Args:
        export_dir: The model's folder, which holds one folder per version.
        version: The version's number, 1 or more; the highest existing one plus 1 if None.

    Raises:
        UserError: The version exists, or its number is below 1 or has more than 18 digits.
    """
    # TF Serving reads the numbers from the folders' names.
    names = [path.name for path in export_dir.iterdir()] if export_dir.is_dir() else []
    existing = sorted({int(name) for name in names if name.isascii() and name.isdigit()})
    if version is None:
        version = max(existing, default=0) + 1
    if not 1 <= version <= _LARGEST_VERSION:
        accepted = f"an integer >= 1 and <= {_LARGEST_VERSION}"
        raise UserError(f"version of the export must be {accepted}, got {shortened(str(version))}")
    if version in existing:
        raise UserError(f"{export_dir}: version {version} exists; give a number that is not one of {existing}")
    return export_dir / str(version)


def served_tasks(loaded: LoadedModel, names: Sequence[str] = ()) -> list[Task]:
    """Returns the tasks that an export answers: those named, or all that have a signature."""
    # A task whose labels are merged from another's serves evaluation; a client asks that other task.
    served = {task.name: task for task in loaded.tasks if not task.head_labels}
    if len(set(names)) < len(names):
        raise UserError(f"--tasks must name each task once, got {','.join(names)}")
    for name in names:
        if name not in served:
            raise unknown_name("task of the export", name, served)
    return [served[name] for name in names] if names else list(served.values())


def export_model(
    loaded: LoadedModel,
    folder: Path,
    tasks: Sequence[str] = (),
    batch_sizes: Sequence[int] = WARMUP_BATCH_SIZES,
    model_name: str = server_files.MODEL_NAME,
    weights: str = FLOAT32,
    formats: Sequence[str] = (SAVED_MODEL,),
    int8_budget: Int8Budget = NO_BUDGET,
) -> None:
    """Writes a version of a served model, in one or several formats.

    A server that watches the folder's parent sees it complete or not at all. A SavedModel, which answers from texts,
    serialized examples and token ids, is the folder itself; the server's own files are written beside it, unless they
    exist. Models of other formats are in its subfolders "onnx" and "litert".

    Args:
        loaded: The model with its tasks and tokenizer; longer inputs than its `max_sequence_length` are cut.
        folder: The version's folder, named by a number.
        tasks: Names of the tasks that are answered; all if empty. Heads of others are left out.
        batch_sizes: Sizes of the warm-up requests, which the server's batches are filled up to; in rising order.
        model_name: Name under which the server knows the model.
        weights: How the encoder's large matrices are stored: "float32", "float16" or "int8".
        formats: Of `FORMATS`. Defaults to a SavedModel.
        int8_budget: What a model that computes in int8 may lose, and on which rows that is measured.

    Raises:
        UserError: The folder exists, or another process writes it; the graph holds operations that a stock TF Serving
            does not have, a format needs a package that is not installed, or an argument is invalid.
    """
    _refuse_existing(folder)
    check_formats(formats, weights)
    server_files.check_batch_sizes(batch_sizes)
    server_files.check_model_name(model_name)
    loaded = loaded._replace(tasks=served_tasks(loaded, tasks))
    with locked_path(folder, str(folder)), new_folder(folder) as temporary:
        if SAVED_MODEL in formats:
            _write_saved_model(loaded, temporary, batch_sizes, model_name, weights)
        if ONNX in formats:
            # Needs packages of an extra.
            from mtdnn_tf.serving.onnx_format.export import write_onnx

            write_onnx(loaded, temporary / ONNX, weights, *int8_budget)
        if LITERT in formats:
            write_litert(loaded, temporary / LITERT, weights, *int8_budget)
        write_manifest(temporary, {"what": "export"})
        if SAVED_MODEL in formats:
            # Before the version appears, so that a server started on it finds them.
            server_files.write_server_config(folder.parent, model_name, batch_sizes)
        # Another export may have ended meanwhile.
        _refuse_existing(folder)


def check_formats(formats: Sequence[str], weights: str = FLOAT32) -> None:
    """Refuses formats that are unknown, or need a package that is not installed, or do not store such weights."""
    if not formats:
        raise UserError(f"`format` must be one or more of {', '.join(FORMATS)}, got none")
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("`format` of the export", name, FORMATS)
        for package in FORMATS[name]:
            if importlib.util.find_spec(package) is None:
                raise UserError(f"`format={name}` needs {package}: pip install 'mtdnn_tf[{name}]'")
    if ONNX in formats and weights not in ONNX_WEIGHTS:
        raise UserError(f"`format={ONNX}` needs `weights={' or '.join(ONNX_WEIGHTS)}`, got {weights}")


def computes_in_int8(formats: Sequence[str], weights: str) -> bool:
    """Returns whether an export computes in int8, which may cost accuracy; a SavedModel only stores so."""
    return weights == INT8 and bool({ONNX, LITERT} & {*formats})


def _write_saved_model(
    loaded: LoadedModel, folder: Path, batch_sizes: Sequence[int], model_name: str, weights: str
) -> None:
    signatures = Signatures(loaded, weights)
    tf.saved_model.save(signatures, str(folder), signatures=signatures.all())
    check_ops(folder)
    write_json(folder / DESCRIPTION, describe(loaded, weights))
    server_files.write_warmup(folder, signatures, batch_sizes, model_name)


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise UserError(f"{folder}: this version exists; a served version is never replaced, give another number")


def ops_of_saved_model(folder: Path) -> set[str]:
    """Returns the names of all operations in a SavedModel's graphs and functions."""
    saved_model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    ops: set[str] = set()
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        functions = {function.signature.name for function in graph.library.function}
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        # A node may name a function of the same graph as its operation.
        ops |= {node.op for node in nodes} - functions
    return ops


def check_ops(folder: Path) -> None:
    """Refuses a SavedModel with an operation that a stock TF Serving may not have."""
    unknown = sorted(ops_of_saved_model(folder) - ALLOWED_OPS)
    if unknown:
        raise UserError(
            f"the model cannot be exported: its graph has {', '.join(unknown)}; accepted are operations that answering "
            f"needs and TF Serving {OLDEST_TF_SERVING} has"
        )
