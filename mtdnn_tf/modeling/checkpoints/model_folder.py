"""A trained model on disk: its description, vocabulary and weights, in files that run no code when read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

from mtdnn_tf import json_files
from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.tokenizer import Tokenizer, make_tokenizer
from mtdnn_tf.data.word_pieces import TokenRules, read_vocabulary
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.manifests import read_manifest, write_manifest
from mtdnn_tf.modeling.backbone import BERT, BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, check_weights, read_weights
from mtdnn_tf.modeling.checkpoints.bert_files import SIZES, read_sizes
from mtdnn_tf.modeling.checkpoints.families import family_of
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone, read_safetensors
from mtdnn_tf.modeling.checkpoints.tokenizer_files import VOCABULARY, check_ids, write_vocabulary
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import Task

MODEL_FOLDER = "model"
DESCRIPTION = "model.json"
RUN_CONFIG = "config.json"
_WEIGHTS = "weights.safetensors"
_SCHEMA = 1
_MAY_BE_0 = ("num_segments", "position_offset", "position_buckets")
_REMEDY = "train the run again, or copy its model folder again"


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """The content of model.json."""

    backbone: BackboneConfig
    lowercase: bool  # Whether texts are lowercased and stripped of accents.
    max_sequence_length: int  # Longest sequence it was trained on, in word pieces.
    tasks: Sequence[Task]  # Including those answered by another task's head.
    rules: TokenRules = dataclasses.field(default=TokenRules(), metadata={json_files.OMITTED: True})
    schema: int = _SCHEMA

    def __post_init__(self) -> None:
        if not self.tasks:
            raise UserError("tasks must be a list of one or more, got []")
        if len({task.name for task in self.tasks}) < len(self.tasks):
            raise UserError("two tasks have the same name")
        if not 3 <= self.max_sequence_length <= self.backbone.max_positions:
            raise UserError(
                f"max_sequence_length must be an integer from 3 to the encoder's {self.backbone.max_positions}, "
                f"got {self.max_sequence_length}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values, without any path of this machine."""
        portable = dataclasses.replace(self, tasks=[task.portable() for task in self.tasks])
        return {"schema": self.schema, **json_files.to_json(portable)}


def read_description(path: Path, remedy: str = _REMEDY) -> ModelDescription:
    """Reads a model.json; `remedy` is what the user can do if it is of another version."""
    values = json_files.read_json_object(path)
    json_files.check_schema(values.get("schema"), _SCHEMA, path, remedy)
    if isinstance(values.get("backbone"), dict):
        given = values["backbone"]
        # BackboneConfig checks the others.
        sizes = [name for name in (*SIZES, "embedding_dim", *_MAY_BE_0) if name in given]
        read_sizes(given, {name: name for name in sizes if name not in _MAY_BE_0 or given[name] != 0}, path)
        family_of(given.get("model_type", BERT), path)
    return json_files.from_json(values, ModelDescription, str(path))


class LoadedModel(NamedTuple):
    """A trained model read from its folder."""

    model: MultiTaskModel  # Without dropout.
    tasks: list[Task]  # Including those answered by another task's head.
    tokenizer: Tokenizer
    max_sequence_length: int  # Longest sequence it was trained on, in word pieces.
    fingerprint: str  # SHA-256 of its weights file.

    def task(self, name: str) -> Task:
        """Returns one of the model's tasks by name."""
        return next(task for task in self.tasks if task.name == name)


def save_model(
    model: MultiTaskModel, tasks: list[Task], tokenizer: Tokenizer, max_sequence_length: int, folder: Path
) -> str:
    """Writes a model's folder, complete or not at all, replacing one that exists; returns its weights' SHA-256."""
    arrays = {f"backbone.{name}": array for name, array in read_weights(model.backbone).items()}
    arrays.update({name: np.ascontiguousarray(variable.numpy()) for name, variable in _head_variables(model).items()})
    shape, lowercase, rules = model.backbone.config, tokenizer.lowercase, tokenizer.rules
    description = ModelDescription(shape, lowercase, max_sequence_length, tasks, rules)
    with new_folder(folder) as temporary:
        save_file(arrays, temporary / _WEIGHTS)
        write_vocabulary(temporary / VOCABULARY, tokenizer.vocabulary)
        json_files.write_json(temporary / DESCRIPTION, description.to_json())
        write_manifest(temporary, {"what": "model"})
    return model_fingerprint(folder)


def _head_variables(model: MultiTaskModel) -> dict[str, tf.Variable]:
    """Returns the variables of all heads by name; the order of a head's variables is fixed by its class."""
    heads = model.heads.items()
    return {f"heads.{name}.{index}": variable for name, head in heads for index, variable in enumerate(head.weights)}


class _Files(NamedTuple):
    """The verified files of a model folder, its weights not yet read."""

    folder: Path
    fingerprint: str
    description: ModelDescription
    vocabulary: tuple[str, ...]

    @classmethod
    def of_run(cls, run: Path) -> _Files:
        """Reads them, given the folder of a run or its model folder."""
        for folder in (run, run / MODEL_FOLDER):
            if (folder / DESCRIPTION).is_file():
                break
        else:
            raise UserError(
                f"{run}: no trained model here ({MODEL_FOLDER}/{DESCRIPTION} is missing); "
                "must be a run of mtdnn train that has ended"
            )
        manifest = read_manifest(folder, _REMEDY, needed=(DESCRIPTION, VOCABULARY, _WEIGHTS))
        description = read_description(folder / DESCRIPTION)
        path, size = folder / VOCABULARY, description.backbone.vocabulary_size
        vocabulary = tuple(read_vocabulary(path))
        check_ids(vocabulary, description.rules, size, path, DESCRIPTION)
        return cls(folder, str(manifest["files"][_WEIGHTS]), description, vocabulary)

    def weights(self) -> tuple[PretrainedBackbone, dict[str, np.ndarray]]:
        """Returns the encoder, checked, and all arrays by name."""
        of, path, prefix = self.description, self.folder / _WEIGHTS, "backbone."
        arrays = read_safetensors(path, _REMEDY)
        encoder = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
        check_weights(of.backbone, encoder, str(path))
        source = str(self.folder)
        return PretrainedBackbone(source, of.backbone, self.vocabulary, of.lowercase, encoder, of.rules), arrays


def read_backbone(run: Path) -> PretrainedBackbone:
    """Reads the shared encoder of a trained model, to start another training from."""
    return _Files.of_run(run).weights()[0]


def model_fingerprint(run: Path) -> str:
    """Returns the SHA-256 of the weights of a trained run."""
    return _Files.of_run(run).fingerprint


def read_tasks(run: Path) -> list[Task]:
    """Returns the tasks of a trained run."""
    return list(_Files.of_run(run).description.tasks)


def read_tokenizer(run: Path) -> tuple[Tokenizer, int]:
    """Returns a trained run's word pieces and the longest sequence it was trained on, without reading its weights."""
    files = _Files.of_run(run)
    of = files.description
    return make_tokenizer(files.vocabulary, of.lowercase, of.rules), of.max_sequence_length


def load_model(run: Path) -> LoadedModel:
    """Reads a trained model for inference from a run's folder, or its model folder.

    Raises:
        UserError: The folder is missing, damaged or of another version.
    """
    files = _Files.of_run(run)
    tasks = list(files.description.tasks)
    pretrained, arrays = files.weights()
    backbone = Encoder(pretrained.config, dropout=0.0)
    assign_weights(backbone, pretrained.weights)
    model = MultiTaskModel(backbone, tasks)
    for name, variable in _head_variables(model).items():
        array, shape = arrays.get(name), tuple(variable.shape)
        if array is None or array.shape != shape:
            given = "missing" if array is None else f"of shape {array.shape}"
            path = files.folder / _WEIGHTS
            raise UserError(f"{path}: array {name} is {given}, the task's head has {shape}; {_REMEDY}")
        variable.assign(array.astype(np.float32))
    return LoadedModel(model, tasks, pretrained.tokenizer(), files.description.max_sequence_length, files.fingerprint)


def read_fold(run: Path) -> Fold | None:
    """Returns the fold that a run was trained without, as its folder says; None if it was trained on all rows."""
    path = run / RUN_CONFIG
    config = json_files.read_checked_json(path, "delete the run's folder and train again") if path.is_file() else {}
    if config.get("folds") is None:
        return None
    folds, held_out = config["folds"], config.get("held_out_fold")
    if type(folds) is not int or type(held_out) is not int or not 0 <= held_out < folds:
        raise UserError(f"{path}: folds {str(folds)[:60]} and held_out_fold {str(held_out)[:60]} are no fold")
    return Fold(folds, held_out)
