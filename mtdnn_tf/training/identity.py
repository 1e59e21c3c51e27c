"""What a run's weights depend on, kept in its folder, so that it is continued with nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.checked_json import read_checked_json, write_checked_json
from mtdnn_tf.distillation.soft_targets import SoftTargets
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.pretrained import PretrainedBackbone
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs import TaskInputs

REMEDY = "delete the run's folder and train again"
_FILE = "config.json"


def run_identity(
    config: TrainingConfig,
    pretrained: PretrainedBackbone,
    inputs: Sequence[TaskInputs],
    soft_targets: Mapping[str, SoftTargets],
) -> dict[str, Any]:
    """Returns everything that decides a run's weights, as JSON values.

    Args:
        config: The training.
        pretrained: The encoder that it starts from.
        inputs: What each task trains on.
        soft_targets: By task, and split.
    """
    return {
        **config.decisive_fields(),
        "tasks": [task.task.name for task in inputs],
        "backbone_weights": _weights_fingerprint(pretrained),
        "backbone_config": pretrained.config.to_json(),
        "data": {task.task.name: task.encoded.manifest["key"] for task in inputs},
        "soft_targets": {name: target.manifest["manifest_sha256"] for name, target in soft_targets.items()},
    }


def _weights_fingerprint(pretrained: PretrainedBackbone) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(pretrained.weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Refuses to continue a run that depended on something else.

    Args:
        folder: The run's folder.
        identity: What `run_identity` returned.

    Raises:
        UserError: The folder holds another run; the line tells the fields that differ.
    """
    path = folder / _FILE
    if not path.exists():
        return
    before = {**TrainingConfig.default_fields(), **read_checked_json(path, REMEDY)}
    differing = sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key))
    if differing:
        diff = "; ".join(f"{key}: {before.get(key)} before, {identity.get(key)} now" for key in differing)
        raise UserError(
            f"--output_dir {folder}: holds a run that differs ({diff}); give another folder, or the same settings"
        )


def write_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Keeps what a run depends on in its folder."""
    write_checked_json(folder / _FILE, identity)
