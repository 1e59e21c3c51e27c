"""The learning rate: linear warm-up, then linear decay (1901.11504 sec. 4.2)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("mtdnn_tf")
class LinearWarmupDecay(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to the peak, then falls linearly to 0 at the last step.

    At step n of N with w warm-up steps: peak * min((n + 1) / w, (N - n) / (N - w)).

    Args:
        peak: The highest learning rate.
        total_steps: N.
        warmup_steps: w; 0 for no warm-up.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int) -> None:
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate of a step that counts from 0."""
        step = tf.cast(step, tf.float32)
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        fall = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        return self.peak * tf.clip_by_value(tf.minimum(rise, fall) if self.warmup_steps else fall, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the schedule."""
        return {"peak": self.peak, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}
