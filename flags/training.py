"""Flags of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flags.options import define, given
from mtdnn_tf.data.settings import common_run_data
from mtdnn_tf.parallelism import use_single_threaded_ops
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.strategies import split_cpu

define(TrainingConfig)


def training_config(runs: Sequence[Path] = ()) -> TrainingConfig:
    """Returns the run that the flags describe.

    Args:
        runs: Runs whose data settings are used where no flag gives one; none by default.
    """
    values = given(TrainingConfig)
    return TrainingConfig.build(**{**common_run_data(runs, values), **values})


def prepare_cores(config: TrainingConfig) -> None:
    """Configures the processor cores for a training; must be called before TensorFlow computes anything."""
    if config.runtime.logical_cpus > 1:
        split_cpu(config.runtime.logical_cpus)
    if config.splits_over_cores:
        use_single_threaded_ops()
