"""A trained model on disk: its description, vocabulary and weights, in files that run no code when read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.word_pieces import WordPieceTokenizer, read_vocabulary
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, write_text
from mtdnn_tf.json_files import read_checked_json, write_json
from mtdnn_tf.manifests import read_manifest, write_manifest
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, check_weights, read_weights
from mtdnn_tf.modeling.checkpoints.bert_config import check_vocabulary
from mtdnn_tf.modeling.checkpoints.model_description import ModelDescription, read_description
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.checkpoints.safetensors_file import read_safetensors
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import Task

MODEL_FOLDER = "model"
DESCRIPTION = "model.json"
RUN_CONFIG = "config.json"
_VOCABULARY = "vocab.txt"
_WEIGHTS = "weights.safetensors"
_REMEDY = "train the run again, or copy its model folder again"


class LoadedModel(NamedTuple):
    """A trained model read from its folder.

    Attributes:
        model: The network, without dropout.
        tasks: Its tasks, those answered by another task's head included.
        tokenizer: Its word pieces.
        max_sequence_length: Longest sequence it was trained on, in word pieces.
        fingerprint: SHA-256 of its weights file.
    """

    model: MultiTaskModel
    tasks: list[Task]
    tokenizer: WordPieceTokenizer
    max_sequence_length: int
    fingerprint: str

    def task(self, name: str) -> Task:
        """Returns one of the model's tasks by name."""
        return next(task for task in self.tasks if task.name == name)


def save_model(
    model: MultiTaskModel,
    tasks: list[Task],
    config: BackboneConfig,
    tokenizer: WordPieceTokenizer,
    max_sequence_length: int,
    folder: Path,
) -> str:
    """Writes a model's folder, complete or not at all.

    Args:
        model: The network.
        tasks: Its tasks.
        config: The shape of its encoder.
        tokenizer: Its word pieces.
        max_sequence_length: Longest sequence it was trained on, in word pieces.
        folder: Where to write; replaced if it stands.

    Returns:
        The SHA-256 of the weights file.
    """
    arrays = {f"backbone.{name}": array for name, array in read_weights(model.backbone).items()}
    for name, head in model.heads.items():
        # A head's own order of its variables is fixed by its class.
        for index, variable in enumerate(head.weights):
            arrays[f"heads.{name}.{index}"] = np.ascontiguousarray(variable.numpy())
    description = ModelDescription(config, tokenizer.lowercase, max_sequence_length, tasks)
    with new_folder(folder) as temporary:
        save_file(arrays, temporary / _WEIGHTS)
        write_text(temporary / _VOCABULARY, "".join(f"{piece}\n" for piece in tokenizer.vocabulary))
        write_json(temporary / DESCRIPTION, description.to_json())
        write_manifest(temporary, {"what": "model"})
    return str(_manifest(folder)["files"][_WEIGHTS])


class _Files(NamedTuple):
    """What a model folder holds."""

    description: ModelDescription
    fingerprint: str
    vocabulary: tuple[str, ...]
    arrays: dict[str, np.ndarray]


def _read(folder: Path) -> _Files:
    fingerprint = _manifest(folder)["files"][_WEIGHTS]
    description = read_description(folder / DESCRIPTION, _REMEDY)
    vocabulary = tuple(read_vocabulary(folder / _VOCABULARY))
    check_vocabulary(list(vocabulary), description.backbone, folder / _VOCABULARY, DESCRIPTION)
    arrays = read_safetensors(folder / _WEIGHTS, _REMEDY)
    # Before an encoder is built that may be larger than the weights that there are.
    check_weights(description.backbone, _of_backbone(arrays), str(folder / _WEIGHTS))
    return _Files(description, fingerprint, vocabulary, arrays)


def _manifest(folder: Path) -> dict[str, Any]:
    return read_manifest(folder, _REMEDY, needed=(DESCRIPTION, _VOCABULARY, _WEIGHTS))


def _of_backbone(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    prefix = "backbone."
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def read_backbone(folder: Path) -> PretrainedBackbone:
    """Reads the shared encoder of a trained model, to start another training from.

    Raises:
        UserError: The folder is damaged or of another version.
    """
    description, _, vocabulary, arrays = _read(folder)
    return PretrainedBackbone(
        str(folder), description.backbone, vocabulary, description.lowercase, _of_backbone(arrays)
    )


def model_fingerprint(run: Path) -> str:
    """Returns the SHA-256 of the weights of a trained run.

    Raises:
        UserError: The run's folder is missing or damaged.
    """
    return str(_manifest(_find(run))["files"][_WEIGHTS])


def read_tasks(run: Path) -> list[Task]:
    """Returns the tasks of a trained run.

    Raises:
        UserError: The run's folder is missing, damaged or of another version.
    """
    folder = _find(run)
    _manifest(folder)
    return list(read_description(folder / DESCRIPTION, _REMEDY).tasks)


def read_tokenizer(run: Path) -> tuple[WordPieceTokenizer, int]:
    """Returns a trained run's word pieces and the longest sequence it was trained on, without reading its weights.

    Raises:
        UserError: The run's folder is missing, damaged or of another version.
    """
    folder = _find(run)
    _manifest(folder)
    description = read_description(folder / DESCRIPTION, _REMEDY)
    vocabulary = tuple(read_vocabulary(folder / _VOCABULARY))
    check_vocabulary(list(vocabulary), description.backbone, folder / _VOCABULARY, DESCRIPTION)
    return WordPieceTokenizer(vocabulary, description.lowercase), description.max_sequence_length


def _find(folder: Path) -> Path:
    """Returns the model folder of a run, given either."""
    for candidate in (folder, folder / MODEL_FOLDER):
        if (candidate / DESCRIPTION).is_file():
            return candidate
    raise UserError(
        f"{folder}: no trained model here ({MODEL_FOLDER}/{DESCRIPTION} is missing); "
        "a run of tools.train that has ended is accepted"
    )


def load_model(folder: Path) -> LoadedModel:
    """Reads a trained model for inference.

    Args:
        folder: A run's folder, or its model folder.

    Raises:
        UserError: The folder is missing, damaged or of another version.
    """
    folder = _find(folder)
    description, fingerprint, vocabulary, arrays = _read(folder)
    tasks = list(description.tasks)
    backbone = Encoder(description.backbone, dropout=0.0)
    assign_weights(backbone, _of_backbone(arrays), str(folder / _WEIGHTS))
    model = MultiTaskModel(backbone, tasks)
    for name, head in model.heads.items():
        _assign_head(name, head, arrays, folder / _WEIGHTS)
    tokenizer = WordPieceTokenizer(vocabulary, description.lowercase)
    return LoadedModel(model, tasks, tokenizer, description.max_sequence_length, fingerprint)


def _assign_head(name: str, head: tf.keras.layers.Layer, arrays: dict[str, np.ndarray], path: Path) -> None:
    for index, variable in enumerate(head.weights):
        array = arrays.get(f"heads.{name}.{index}")
        shape = tuple(variable.shape)
        if array is None or array.shape != shape:
            given = "missing" if array is None else f"of shape {array.shape}"
            raise UserError(f"{path}: array heads.{name}.{index} is {given}, the task's head has {shape}; {_REMEDY}")
        variable.assign(array.astype(np.float32))


def read_fold(run: Path) -> Fold | None:
    """Returns the fold that a run was trained without, as its folder says; None if it was trained on all rows."""
    path = run / RUN_CONFIG
    config = read_checked_json(path, "delete the run's folder and train again") if path.is_file() else {}
    if config.get("folds") is None:
        return None
    folds, held_out = config["folds"], config.get("held_out_fold")
    if type(folds) is not int or type(held_out) is not int or not 0 <= held_out < folds:
        raise UserError(f"{path}: folds {str(folds)[:60]} and held_out_fold {str(held_out)[:60]} are no fold")
    return Fold(folds, held_out)
