"""Flags of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.data.settings import common_run_data
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.training.config import TrainingConfig

define(TrainingConfig)


def training_config(runs: Sequence[Path] = ()) -> TrainingConfig:
    """Returns the run that the flags describe.

    Args:
        runs: Runs whose data settings are used where no flag gives one; none by default.
    """
    values = given(TrainingConfig)
    config = TrainingConfig.build(**{**common_run_data(runs, values), **values})
    config.data.check_cache()
    return config
