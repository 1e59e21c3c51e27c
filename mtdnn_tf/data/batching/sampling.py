"""How often each task is trained on: its share of an epoch's steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_uniform
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.options import Options, option

PROPORTIONAL = "proportional"
UNIFORM = "uniform"
POWER = "power"
ANNEALED = "annealed"
SAMPLERS = (PROPORTIONAL, UNIFORM, POWER, ANNEALED)
# BAM (Clark et al. 2019, arXiv 1907.04829) draws tasks in proportion to size^0.75.
DEFAULT_POWER = 0.75


@dataclasses.dataclass(frozen=True)
class Sampler(Options):
    """Draws task i in proportion to weight_i * size_i^p.

    p is 1 ("proportional"), 0 ("uniform"), `power` ("power"), or 1 - 0.8 (e - 1) / (E - 1) in epoch e of E
    ("annealed", Stickland & Murray 2019, arXiv 1902.02671): in proportion to sizes at first and nearly uniform at the
    end; 1 if there is one epoch.
    """

    name: str = option(
        PROPORTIONAL,
        "How tasks are drawn: in proportion to their sizes, all equally, in proportion to size^p, or moving from the "
        "first to the second.",
        name="sampler",
        choices=SAMPLERS,
    )
    power: float | None = option(
        None, "p of `--sampler=power`.", name="sampler_power", unset=f"{DEFAULT_POWER}", at_least=0, at_most=10
    )
    task_weights: tuple[str, ...] = option(
        (), "Comma-separated task:weight; multiplies how often `--sampler` draws the task."
    )
    epochs: int = 1  # E, which only "annealed" depends on.

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.power is not None and self.name != POWER:
            raise UserError(f"`sampler_power` needs `sampler={POWER}`, got `sampler={self.name}`")
        _ = self.weights

    @property
    def weights(self) -> dict[str, float]:
        """Weights by task name, of the tasks that are given one."""
        weights: dict[str, float] = {}
        for item in self.task_weights:
            name, colon, number = item.rpartition(":")
            try:
                weight = float(number)
            except ValueError:
                weight = float("nan")
            if not (colon and name and 0.0 < weight < float("inf")):
                raise UserError(f"`task_weights` must be comma-separated task:weight with weights > 0, got {item!r}")
            if name in weights:
                raise UserError(f"`task_weights` must name each task once, got {name} twice")
            weights[name] = weight
        return weights

    def is_plain(self, names: Sequence[str]) -> bool:
        """Returns whether each epoch is every task's rows once, which no draw is needed for."""
        self.check_tasks(names)
        return self.name == PROPORTIONAL and len({self.weights.get(name, 1.0) for name in names}) == 1

    def check_tasks(self, names: Sequence[str]) -> None:
        """Refuses weights of tasks that are not trained."""
        for name in self.weights:
            if name not in names:
                raise unknown_name("task of `task_weights`", name, names)

    def shares(self, names: Sequence[str], sizes: Sequence[int], epoch: int) -> np.ndarray:
        """Returns each task's share of an epoch's steps, float64 [tasks] of sum 1."""
        weights = np.array([self.weights.get(name, 1.0) for name in names])
        # Divided by the largest, so that a large power does not overflow.
        rates = weights * (np.asarray(sizes, np.float64) / max(sizes)) ** self.power_at(epoch)
        return np.asarray(rates / rates.sum())

    def power_at(self, epoch: int) -> float:
        """Returns p in an epoch counted from 0."""
        if self.name == ANNEALED:
            return 1.0 - 0.8 * min(epoch, self.epochs - 1) / max(self.epochs - 1, 1)
        if self.name == POWER:
            return DEFAULT_POWER if self.power is None else self.power
        return 1.0 if self.name == PROPORTIONAL else 0.0


def draw_visits(shares: np.ndarray, steps: int, seed: int, epoch: int) -> np.ndarray:
    """Returns how many of an epoch's steps go to each task, int64 [tasks] of sum `steps`.

    Systematic sampling: one random number shifts a comb of `steps` teeth over the tasks' shares, float64 [tasks] of
    sum 1. The expected number is exactly shares * steps, and no epoch is off by one step or more.
    """
    borders = np.cumsum(shares) * steps
    borders[-1] = steps
    # Tooth k stands at k + shift, 0 <= shift < 1.
    teeth = np.ceil(borders - seeded_uniform("visits", seed, epoch)).astype(np.int64)
    return np.diff(teeth, prepend=0)
