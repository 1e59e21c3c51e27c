"""What a run's weights depend on, kept in its folder, so that it is continued with nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit, joined_key
from mtdnn_tf.distillation.soft_targets import SoftTargets, find_soft_targets, result_key
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import OMITTED, fingerprint, read_checked_json, to_json, write_checked_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import RUN_CONFIG, read_tokenizer
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.tasks.task import DECIDES_WEIGHTS, TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.task_inputs import TaskInputs

REMEDY = "delete the run's folder and train again"
# It decides no weight, and yet what epochs are compared by. Left out where nothing is evaluated.
_DEVELOPMENT = "development_data"
# Absent from runs of earlier versions, like the keys of tasks' fields.
_PARTS = "parallel_parts"
_FIELDS = [field for field in dataclasses.fields(Task) if field.metadata.get(DECIDES_WEIGHTS)]


def run_identity(
    config: TrainingConfig,
    initial: PretrainedBackbone,
    backbone_config: BackboneConfig,
    inputs: Sequence[TaskInputs],
    soft_targets: Mapping[str, SoftTargets],
    development: Sequence[EncodedSplit] = (),
) -> dict[str, Any]:
    """Returns everything that decides a run's weights, and what they are evaluated on, as JSON values.

    `initial` is the encoder before it is narrowed to `backbone_config`, which other processors may round otherwise.
    """
    evaluated = {f"{split.task.name}/{split.split}": split.manifest["key"] for split in development}
    return {
        **config.decisive_fields(),
        "tasks": [task.task.name for task in inputs],
        "backbone_weights": _weights_fingerprint(initial),
        "backbone_config": to_json(backbone_config),
        "data": {task.task.name: task.encoded.manifest["key"] for task in inputs},
        **_of_soft_targets(soft_targets),
        **_task_fields([task.task for task in inputs]),
        **({_DEVELOPMENT: evaluated} if evaluated else {}),
    }


def _task_fields(tasks: Sequence[Task]) -> dict[str, Any]:
    """Returns the fields of tasks that decide weights, by task; those that JSON omits at their default only if set."""
    found: dict[str, Any] = {}
    for field in _FIELDS:
        values = {task.name: getattr(task, field.name) for task in tasks}
        if field.metadata.get(OMITTED):
            values = {name: value for name, value in values.items() if value != field.default}
        if values:
            found[_key(field)] = to_json(values)
    return found


def _key(field: dataclasses.Field[Any]) -> str:
    return field.name if field.metadata.get(OMITTED) else f"task_{field.name}"


def begun_with(config: TrainingConfig) -> TrainingConfig:
    """Returns a run's configuration with its number of parallel parts: given, recorded, or this machine's cores."""
    given = config.optimization.parallel_parts
    parts = given or (config.takes_parts and _read(config.output_dir).get(_PARTS))
    return config.replace(parallel_parts=parts or config.parts_on_this_machine())


def _of_soft_targets(targets: Mapping[str, SoftTargets]) -> dict[str, Any]:
    return {"soft_targets": {name: fingerprint(target.manifest) for name, target in targets.items()}}


def _weights_fingerprint(pretrained: PretrainedBackbone) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(pretrained.weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Refuses to continue a run that depended on something else, or was evaluated on something else.

    Runs without a record of development data, parallel parts, heads or dropout are accepted: runs of earlier versions,
    and runs that evaluate nothing.
    """
    _compare(folder, identity, {*TrainingConfig.default_fields(), *_read(folder), *identity})


def check_finished(config: TrainingConfig) -> None:
    """Refuses a finished run that was trained with other options, data (if there) or soft targets; loads none."""
    tasks = [task for task in config.data.selected_tasks() if task.head_of is None]
    folders = config.distillation.soft_targets
    targets = find_soft_targets(folders, tasks) if folders else {}
    now = {
        **begun_with(config).decisive_fields(),
        **_of_soft_targets(targets),
        **_task_fields(tasks),
        "tasks": [task.name for task in tasks],
        "data": {**_read(config.output_dir).get("data", {}), **_data_keys(config, tasks, targets)},
    }
    _compare(config.output_dir, now, {*now, *map(_key, _FIELDS)})


def _data_keys(config: TrainingConfig, tasks: Sequence[Task], targets: Collection[str]) -> dict[str, str]:
    """Returns the keys of the encoded data that each task of a finished run would be trained on now, by task."""
    tokenizer, _ = read_tokenizer(config.output_dir)
    data, keys = config.data, {}
    encoded = data.encoded(tokenizer)
    for task in tasks:
        transfer = [split for split in config.distillation.transfer_splits if data.source.has_split(task, split)]
        splits = [TRAIN, *(split for split in transfer if result_key(task.name, split) in targets)]
        with contextlib.suppress(UserError):
            keys[task.name] = joined_key([fingerprint(encoded.made_from(task, split)) for split in splits])
    return keys


def _compare(folder: Path, now: Mapping[str, Any], keys: set[str]) -> None:
    recorded = _read(folder)
    before = {**TrainingConfig.default_fields(), **recorded}
    of_tasks = {_key(field) for field in _FIELDS if not field.metadata.get(OMITTED)}
    keys = keys - {key for key in {*of_tasks, _DEVELOPMENT, _PARTS} if key not in recorded or key not in now}
    for key in of_tasks & keys:
        # Tasks of one side only are named under `tasks`.
        before[key], now = _common(before[key], now[key]), {**now, key: _common(now[key], before[key])}
    differing = sorted(key for key in keys if before.get(key) != now.get(key))
    if (folder / RUN_CONFIG).exists() and differing:
        diff = "; ".join(f"{key}: {_difference(before.get(key), now.get(key))}" for key in differing)
        remedy = "give another folder, or the same settings and data"
        raise UserError(f"`output_dir` {folder}: holds a run that differs ({diff}); {remedy}")


def _common(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in others}


def _read(folder: Path) -> dict[str, Any]:
    return read_checked_json(folder / RUN_CONFIG, REMEDY) if (folder / RUN_CONFIG).exists() else {}


def _difference(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        # Of many tasks, those alone that differ.
        differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        before, now = ({key: side[key] for key in differing if key in side} for side in (before, now))
    return f"{before} before, {now} now"


def write_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Keeps what a run depends on in its folder, and what it was evaluated on even if it is not any more."""
    kept = {key: value for key, value in _read(folder).items() if key == _DEVELOPMENT and key not in identity}
    # A continued run writes the fields in the order of one that was not interrupted.
    write_checked_json(folder / RUN_CONFIG, {**identity, **kept})
