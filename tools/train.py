"""Trains one model: single-task, multi-task, or the student of an ensemble."""

from __future__ import annotations

from flags import runtime, training
from mtdnn_tf.training.run import train
from tools import cli


def main() -> None:
    """Trains the run that the flags describe."""
    config = training.training_config()
    runtime.prepare_cores(config)
    train(config)


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
