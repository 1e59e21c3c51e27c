"""Trains one model: single-task, multi-task, or the student of an ensemble."""

from __future__ import annotations

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.training import training_config
from mtdnn_tf.training.run import train


def main() -> None:
    config = training_config()
    config.prepare_cores()
    train(config)


COMMAND = Command(main, required=("output_dir",))
