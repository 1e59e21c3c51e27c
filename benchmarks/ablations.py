"""What each choice of the distillation is worth: one choice changed at a time, several seeds, one table.

python -m benchmarks.ablations --glue=FOLDER --output=FOLDER --backbone=demo

Runs that are done are not run again. With --part=0/2 and --part=1/2 two processes share the students, once the teachers
are trained; a last call without --part prints the table of all.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command_line import InputError, run
from benchmarks.results import percent, table
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, is_scored_by, score
from mtdnn_tf.evaluation.measures.average import average
from mtdnn_tf.evaluation.measures.statistics import paired_difference
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import is_trained, read_metrics, train

_TEACHERS = 3
_MOST_TEACHERS = 5
_FOLDS = 2
_DROPOUTS = (0.05, 0.1, 0.15)
_OUT_OF_FOLD = "out_of_fold"
_ALIKE = "alike"


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to distil.

    Attributes:
        group: What is varied.
        name: How.
        soft_targets: Folder of its soft targets below the output; None for gold labels alone.
        changes: Fields of the training that differ from the defaults.
    """

    group: str
    name: str
    soft_targets: str | None = f"teachers_{_TEACHERS}"
    changes: tuple[tuple[str, object], ...] = ()

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{self.group}_{self.name}".replace(" ", "_").replace(".", "")


BASELINE = Variant("weight", "0 (gold alone)", None)
DEFAULT = Variant("weight", "0.5 (default)")
VARIANTS = (
    BASELINE,
    Variant("weight", "0.25", changes=(("distill_weight", 0.25),)),
    DEFAULT,
    Variant("weight", "0.75", changes=(("distill_weight", 0.75),)),
    Variant("weight", "1", changes=(("distill_weight", 1.0),)),
    Variant("temperature", "2", changes=(("temperature", 2.0),)),
    Variant("temperature", "4", changes=(("temperature", 4.0),)),
    Variant("loss", "kl", changes=(("distill_loss", "kl"),)),
    Variant("loss", "mse", changes=(("distill_loss", "mse"),)),
    Variant("schedule", "linear", changes=(("distill_schedule", "linear"), ("distill_weight", 1.0))),
    *(Variant("teachers", str(count), f"teachers_{count}") for count in (1, 2, 4, _MOST_TEACHERS)),
    Variant("soft targets", "out-of-fold", _OUT_OF_FOLD),
    Variant("soft targets", "teachers of one dropout", _ALIKE),
)


def _train_teachers(base: TrainingConfig, output: Path) -> None:
    """Trains the teachers, those that leave a fold out and those that differ by seed alone, and scores with them."""
    made_as = [
        {"dropout": _DROPOUTS[number % len(_DROPOUTS)], "seed": 100 + number} for number in range(_MOST_TEACHERS)
    ]
    teachers = [output / "teachers" / str(number) for number in range(_MOST_TEACHERS)]
    for folder, changes in zip(teachers, made_as):
        train(base.replace(output_dir=folder, **changes))
    folds = [output / "folds" / f"{number}_without_{fold}" for number in range(_TEACHERS) for fold in range(_FOLDS)]
    for place, folder in enumerate(folds):
        number, fold = divmod(place, _FOLDS)
        left_out = {**made_as[number], "folds": _FOLDS, "held_out_fold": fold}
        train(base.replace(output_dir=folder, **left_out))
    alike = [teachers[0], *(output / "teachers" / f"alike_{number}" for number in range(1, _TEACHERS))]
    for number, folder in enumerate(alike[1:], start=1):
        train(base.replace(output_dir=folder, dropout=_DROPOUTS[0], seed=200 + number))
    stores = {f"teachers_{count}": teachers[:count] for count in range(1, _MOST_TEACHERS + 1)}
    for name, runs in {**stores, _OUT_OF_FOLD: folds, _ALIKE: alike}.items():
        store = output / "soft_targets" / name
        if not all(is_scored_by(store / task, runs) for task in base.data.tasks):
            score(
                Scoring(runs, base.data.selected_tasks(), "train", base.data.task_data(), store, train_part=base.part)
            )


def _student(base: TrainingConfig, output: Path, variant: Variant, seed: int) -> TrainingConfig:
    soft_targets = () if variant.soft_targets is None else (output / "soft_targets" / variant.soft_targets,)
    folder = output / "students" / variant.folder / f"seed_{seed}"
    changes = dict(variant.changes)
    return base.replace(output_dir=folder, seed=seed, soft_targets=soft_targets, **changes)


def _averages(base: TrainingConfig, output: Path, variant: Variant, seeds: Sequence[int]) -> dict[int, float]:
    """Returns the average over tasks of each seed that is trained."""
    averages = {}
    for seed in seeds:
        folder = _student(base, output, variant, seed).output_dir
        over_tasks = average(read_metrics(folder)) if is_trained(folder) else None
        if over_tasks:
            averages[seed] = over_tasks.score
    return averages


def ablation_table(averages: dict[Variant, dict[int, float]]) -> str:
    """Returns the table: the average over tasks, and its difference to gold labels alone, paired by seed.

    Args:
        averages: Of each variant, by seed.
    """
    rows = []
    for variant, by_seed in averages.items():
        values = list(by_seed.values())
        spread = percent(statistics.stdev(values)) if len(values) > 1 else "-"
        difference = paired_difference(by_seed, averages[BASELINE])
        cells = ["-", "-"]
        if difference and variant != BASELINE:
            interval = f"{percent(difference.low, '+.2f')} .. {percent(difference.high, '+.2f')}"
            cells = [percent(difference.mean, "+.2f"), interval if difference.n > 1 else "-"]
        mean = percent(statistics.fmean(values)) if values else "-"
        rows.append((variant.group, variant.name, str(len(values)), mean, spread, *cells))
    return table(("varied", "to", "n", "average", "sd", "less gold alone", "95 % interval"), rows)


def main() -> None:
    """Trains what is not trained and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glue", type=Path, required=True, help="folder of GLUE's own files")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--backbone", default="demo")
    parser.add_argument("--tasks", default="sst2,qqp,stsb")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=3e-4)
    parser.add_argument("--part", default="0/1", help="which of how many processes this one is")
    flags = parser.parse_args()
    try:
        part, parts = map(int, flags.part.split("/"))
        seeds = [int(seed) for seed in flags.seeds.split(",")]
    except ValueError:
        raise InputError(f"--part takes i/n and --seeds whole numbers, {flags.part} and {flags.seeds} given") from None
    base = TrainingConfig.build(
        output_dir=flags.output,
        data_dir=flags.glue,
        cache_dir=flags.output / "cache",
        tasks=tuple(flags.tasks.split(",")),
        max_sequence_length=128,
        backbone=flags.backbone,
        pooling=POOLER,  # As the reference reads it.
        epochs=flags.epochs,
        batch_size=flags.batch_size,
        learning_rate=flags.learning_rate,
        max_train_examples=flags.rows,
        evaluation="end",
    )
    if part == 0:
        _train_teachers(base, flags.output)
    students = [(variant, seed) for seed in seeds for variant in VARIANTS]
    for variant, seed in students[part::parts]:
        train(_student(base, flags.output, variant, seed))
    print(ablation_table({variant: _averages(base, flags.output, variant, seeds) for variant in VARIANTS}), end="")


if __name__ == "__main__":
    run(main)
