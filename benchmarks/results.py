"""Results of benchmark runs: JSON lists of {"mode", "seed", "task", "metrics"}, and their statistics."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.command_line import InputError
from mtdnn_tf.text_tables import aligned_table


class Key(NamedTuple):
    """What is measured over the seeds of one side."""

    mode: str
    task: str
    metric: str


Values = dict[Key, dict[int, float]]


def read_results(folder: Path) -> Values:
    """Reads every JSON file of a folder and returns each metric's values by seed.

    A file holds a list of {"mode": "mrpc,stsb", "seed": 0, "task": "mrpc", "metrics": {"accuracy": 0.8}}; other
    fields are left alone.

    Raises:
        InputError: There is no file, a file is not such a list, or a value is given twice.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"{folder}: holds no .json file; a folder of results is accepted")
    values: Values = {}
    for path in paths:
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(results, list):
                raise TypeError("not a list")
            for result in results:
                for metric, value in result["metrics"].items():
                    by_seed = values.setdefault(Key(str(result["mode"]), str(result["task"]), metric), {})
                    seed = int(result["seed"])
                    if seed in by_seed:
                        raise InputError(f"{path}: {metric} of {result['mode']}, seed {seed} is in another file too")
                    by_seed[seed] = float(value)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f'{path}: takes a list of {{"mode", "seed", "task", "metrics"}} ({error!r})') from None
    return values


def mean_and_deviation(values: Iterable[float]) -> tuple[float, float]:
    """Returns the mean and the sample standard deviation; nan where one value has no deviation."""
    values = list(values)
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def pooled_deviation(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns the standard deviation within two samples taken together; nan if neither has two values."""
    freedom = len(first) + len(second) - 2
    if freedom < 1:
        return math.nan
    squares = sum((len(sample) - 1) * statistics.variance(sample) for sample in (first, second) if len(sample) > 1)
    return math.sqrt(squares / freedom)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a text table with the first three columns left-aligned, as `Key` names them."""
    return aligned_table([header, *rows], len(Key._fields))


def percent(value: float, form: str = ".2f") -> str:
    """Returns a value times 100; "-" for nan."""
    return "-" if math.isnan(value) else f"{100 * value:{form}}"


def summary(values: Values) -> str:
    """Returns a table of the mean and the deviation of each metric over seeds, times 100."""
    rows = []
    for key, by_seed in values.items():
        mean, deviation = mean_and_deviation(by_seed.values())
        rows.append((*key, percent(mean), percent(deviation), str(len(by_seed))))
    return table((*Key._fields, "mean", "sd", "n"), rows)
