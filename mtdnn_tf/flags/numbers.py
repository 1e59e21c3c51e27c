"""Flags of numbers: NaN, and integers that are too large for what counts with them, are refused."""

from __future__ import annotations

import math

from absl import flags

from mtdnn_tf.options import LARGEST_INTEGER


class _FloatParser(flags.FloatParser):
    def is_outside_bounds(self, value: float) -> bool:
        return math.isnan(value) or bool(super().is_outside_bounds(value))


def define_float(name: str, default: float, help: str, at_least: float, at_most: float) -> flags.FlagHolder[float]:
    """Defines a flag of a number within bounds."""
    parser = _FloatParser(at_least, at_most)
    return flags.DEFINE(parser, name, default, help, serializer=flags.ArgumentSerializer())


def define_integer(
    name: str, default: int | None, help: str, at_least: int, at_most: int = LARGEST_INTEGER
) -> flags.FlagHolder[int | None]:
    """Defines a flag of an integer within bounds, None if it has neither a value nor a default."""
    return flags.DEFINE_integer(name, default, help, at_least, at_most)
