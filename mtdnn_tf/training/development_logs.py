"""Development metrics for TensorBoard, beside the losses of each task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

_FOLDER = "validation"


def log_development_metrics(folder: Path, epoch: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Writes an epoch's metrics as scalars named "<task>/<metric>".

    Args:
        folder: The run's folder of logs; they stand in its folder "validation".
        epoch: Number of epochs done, 1 or more. Their step is one less, as Keras counts the epochs of losses.
        metrics: Values by result name and metric.
    """
    with tf.summary.create_file_writer(str(folder / _FOLDER)).as_default() as writer:
        for name, values in metrics.items():
            for metric, value in values.items():
                tf.summary.scalar(f"{name}/{metric}", value, step=epoch - 1)
    writer.close()
