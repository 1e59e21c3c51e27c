"""What computing in int8 costs on development rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import logging

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.development import Answer, Metrics, development_metrics, points


@dataclasses.dataclass(frozen=True)
class Int8Cost:
    """Metrics on development rows by result name."""

    float32: Metrics
    int8: Metrics
    layers_in_float32: tuple[int, ...] = ()  # Left out of int8.

    @property
    def loss(self) -> float:
        """What the tasks' average loses, in points."""
        return points(self.float32) - points(self.int8)

    def log(self) -> None:
        """Logs both averages in one line."""
        left_out = ", ".join(map(str, self.layers_in_float32))
        but = f" but for layers {left_out}" if left_out else ""
        logging.info("int8%s: %.2f on development rows, float32: %.2f", but, points(self.int8), points(self.float32))

    def to_json(self) -> dict[str, Any]:
        """Returns what it costs, as JSON values."""
        return {
            "float32": self.float32,
            "int8": self.int8,
            "average_loss_points": round(self.loss, 4),
            "layers_in_float32": list(self.layers_in_float32),
        }


def check_development(development: Sequence[EncodedSplit]) -> None:
    """Refuses int8 without rows to measure it on."""
    if not development:
        raise UserError("`weights=int8` is measured on development rows, and no task has any; use float32")


def too_much(least: float, accepted: float) -> UserError:
    """Returns the error of a loss, in points, that is not accepted."""
    return UserError(
        f"`weights=int8` loses {least:.2f} points of the tasks' average on development rows; `max_accuracy_loss` is "
        f"{accepted:g}"
    )


def check_int8(
    float32: Answer, int8: Answer, development: Sequence[EncodedSplit], max_accuracy_loss: float
) -> Int8Cost:
    """Returns what int8 costs; refuses more than `max_accuracy_loss` points, or no development rows."""
    check_development(development)
    cost = Int8Cost(development_metrics(float32, development), development_metrics(int8, development))
    cost.log()
    if cost.loss > max_accuracy_loss:
        raise too_much(cost.loss, max_accuracy_loss)
    return cost
