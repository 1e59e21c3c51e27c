"""Trains one model: single-task, multi-task, or the student of an ensemble."""

from __future__ import annotations

from flags.training import training_config
from mtdnn_tf.training.run import train
from tools import cli


def main() -> None:
    config = training_config()
    config.prepare_cores()
    train(config)


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
