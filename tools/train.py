"""Trains one model: single-task, multi-task, or the student of an ensemble."""

from __future__ import annotations

from flags import runtime, training
from mtdnn_tf.training.run import train
from mtdnn_tf.training.strategies import split_cpu
from tools import cli


def main() -> None:
    """Trains the run that the flags describe."""
    config = training.training_config()
    if runtime.LOGICAL_CPUS.value > 1:
        split_cpu(runtime.LOGICAL_CPUS.value)
    train(config)


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
