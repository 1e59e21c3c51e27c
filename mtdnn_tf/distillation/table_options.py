"""Options of teachers' tables: what they hold, how answers are smoothed, and how probabilities are calibrated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.values import PROBABILITIES, TARGET_VALUES
from mtdnn_tf.options import Options, option

TEMPERATURE, VECTOR = "temperature", "vector"


@dataclasses.dataclass(frozen=True)
class TableOptions(Options):
    """How the tables of teachers become soft targets."""

    table_values: tuple[str, ...] = option(
        (PROBABILITIES,),
        f"What the tables hold: {', '.join(TARGET_VALUES)}; one value for all tables, or comma-separated, one per "
        "table or folder.",
        name="values",
    )
    vote_smoothing: float = option(
        1.0, "Votes that each label has in advance with `--values=votes` (Dirichlet prior).", above=0, at_most=1000
    )
    label_smoothing: float = option(
        0.1,
        "Probability that the answer is another label with `--values=labels`, shared by the other labels.",
        above=0,
        below=0.5,
    )
    calibrate_on: str | None = option(
        None, "Labelled split on which each table's probabilities are calibrated.", unset="no calibration"
    )
    calibration: str = option(
        TEMPERATURE,
        "Calibration: divide logits by one temperature, or scale and shift each label's logit.",
        choices=(TEMPERATURE, VECTOR),
    )
    calibration_from: tuple[Path, ...] = option(
        (),
        "Table with a teacher's rows of `--calibrate_on`, repeated in the order of the imported tables.",
        is_repeated=True,
        unset="the imported tables",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.calibration_from and self.calibrate_on is None:
            raise UserError(f"`calibration_from` needs `calibrate_on`, got only {self.calibration_from[0]}")

    def values_of(self, teachers: Sequence[Path]) -> list[str]:
        """Returns what each teacher's table holds."""
        values = list(self.table_values) * (len(teachers) if len(self.table_values) == 1 else 1)
        if len(values) != len(teachers):
            raise UserError(
                f"`values` must be one value, or one per teacher, got {len(values)} values for {len(teachers)} teachers"
            )
        return values


DEFAULT_TABLES = TableOptions()
