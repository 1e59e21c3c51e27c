"""Flags of an adaptation, beside those of its trainings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from absl import flags

from flags import model, training, values
from mtdnn_tf.adaptation.config import FRACTIONS, MIN_STEPS, SUBSET_SEEDS, AdaptationConfig
from mtdnn_tf.errors import UserError

_STARTS = flags.DEFINE_list(
    "starts",
    [],
    "NAME:RUN, by commas: runs whose encoders are adapted, with their names in tables; instead of --init_from, which "
    "takes runs by commas and names each as its folder.",
)
_FRACTIONS = flags.DEFINE_list(
    "fractions", [f"{fraction:g}" for fraction in FRACTIONS], "Shares of the training examples, by commas."
)
_SUBSET_SEEDS = flags.DEFINE_list(
    "subset_seeds", [str(seed) for seed in SUBSET_SEEDS], "Seeds, by commas, of which each chooses a subset."
)
_MIN_STEPS = flags.DEFINE_integer(
    "min_steps", MIN_STEPS, "Least steps of a training: small subsets get as many epochs more than --epochs."
)


def _starts(init_from: str | None) -> dict[str, str]:
    if bool(init_from) == bool(_STARTS.value):
        raise UserError("an adaptation takes the runs it starts from by --init_from or by --starts, one of both")
    if init_from:
        pairs = [(Path(run).name, run) for run in init_from.split(",")]
    else:
        parts = [start.partition(":") for start in _STARTS.value]
        pairs = [(name, run) for name, _, run in parts]
        if not all(run for _, run in pairs):
            raise UserError(f"--starts takes NAME:RUN, by commas, {','.join(_STARTS.value)} given")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise UserError(
            f"runs to start from need different names, {','.join(names)} given; --starts=NAME:RUN names them"
        )
    return dict(pairs)


def adaptation_config() -> AdaptationConfig:
    """Returns the adaptation that the flags describe."""
    starts = _starts(model.INIT_FROM.value)
    base = training.training_config([Path(run) for run in starts.values()])
    return AdaptationConfig(
        base=dataclasses.replace(base, init_from=None),
        starts=starts,
        fractions=tuple(values.numbers("fractions", _FRACTIONS.value) or ()),
        subset_seeds=tuple(values.whole_numbers("subset_seeds", _SUBSET_SEEDS.value)),
        min_steps=_MIN_STEPS.value,
    )
