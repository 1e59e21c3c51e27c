"""Encodes all splits of tasks into word pieces, or prepares their files for TensorFlow Datasets."""

from __future__ import annotations

import numpy as np
from absl import logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.data.checks import DataChecks
from mtdnn_tf.data.sources.source import FILES
from mtdnn_tf.data.sources.tfds_preparation import prepare_tfds
from mtdnn_tf.errors import UserError
from mtdnn_tf.flags import data
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.config import EncoderOptions

define(EncoderOptions)
define(DataChecks)
_PREPARE_TFDS = define_path(
    "prepare_tfds", "Write the tasks' files for `tfds.load(..., data_dir=FOLDER)` to this folder, and encode nothing."
)


def _prepare() -> None:
    """Prepares the tasks that are in TensorFlow Datasets."""
    settings = data.settings()
    tasks, source = settings.selected_tasks(), settings.source
    if source.kind != FILES:
        raise UserError(f"--prepare_tfds needs --data_source={FILES}, got {source.kind}")
    known = [task for task in tasks if task.tfds]
    if not known:
        raise UserError(f"--prepare_tfds: TensorFlow Datasets has none of {', '.join(task.name for task in tasks)}")
    for task in tasks:
        if task.tfds is None:
            logging.info("skipped %s, not available in TensorFlow Datasets", task.name)
    for task in known:
        prepare_tfds(task, source.data_dir, _PREPARE_TFDS.value)


def main() -> None:
    if _PREPARE_TFDS.value is not None:
        _prepare()
        return
    settings = data.settings()
    tasks = settings.selected_tasks()
    source = settings.source
    pretrained = find_backbone(EncoderOptions.build(**given(EncoderOptions)).initial)
    pretrained.check_length(settings.max_sequence_length)
    encoded = settings.encoded(pretrained.tokenizer())
    checks = DataChecks.build(**given(DataChecks))
    splits = []
    for task in tasks:
        found = source.splits(task)
        if not found:
            raise UserError(f"{source.data_dir}: no file of task {task.name} here or next to its task file")
        splits += [(task, split) for split in found]
    made = [encoded.split(task, split) for task, split in splits]
    evaluated = [split for split in made if split.split in split.task.evaluation_splits]
    for training in made:
        if training.split == TRAIN:
            labelled = np.flatnonzero(training.task.kind_object.labelled(training.labels, training.queries))
            development = [split for split in evaluated if split.task.head_task == training.task.name]
            checks.check(training, labelled, development, encoded.tokenizer)
    logging.info("%s: %d splits of %d tasks", settings.cache_dir, len(splits), len(tasks))


COMMAND = Command(main)
