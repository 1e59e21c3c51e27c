"""Results of an adaptation: scores by start, number of examples and subset, and their tables."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

from mtdnn_tf.adaptation.config import PLAIN
from mtdnn_tf.evaluation.measures.average import Metrics, average
from mtdnn_tf.evaluation.measures.statistics import PairedDifference, Summary, paired_difference, summarise
from mtdnn_tf.evaluation.results_table import mean_and_deviation
from mtdnn_tf.json_files import finite, to_json
from mtdnn_tf.text_tables import csv_table, markdown_table


@dataclasses.dataclass(frozen=True)
class AdaptedRun:
    """One training: its start, part of the task's training examples, length, and development metrics."""

    start: str
    fraction: float
    subset_seed: int
    examples: int
    epochs: int
    steps: int
    metrics: Mapping[str, Metrics] = dataclasses.field(default_factory=dict)

    @property
    def score(self) -> float:
        """The mean of the metrics, and of the splits where there are several."""
        found = average(self.metrics)
        assert found is not None  # The task has a head of its own.
        return found.score


@dataclasses.dataclass(frozen=True)
class AdaptationResults:
    """All trainings of an adaptation."""

    task: str
    metrics: tuple[str, ...]
    starts: Mapping[str, str]  # Run or encoder by name; the plain encoder is the first.
    majority: float | None  # Score of the most frequent training label; None unless the task is a classification.
    runs: tuple[AdaptedRun, ...]

    @property
    def score_name(self) -> str:
        """What a score is called."""
        name = self.metrics[0] if len(self.metrics) == 1 else f"mean of {' and '.join(self.metrics)}"
        splits = len(self.runs[0].metrics)
        return name.replace("_", " ") + (f", mean of {splits} splits" if splits > 1 else "")

    @property
    def fractions(self) -> list[float]:
        """Shares of the examples, from the smallest on."""
        return sorted({run.fraction for run in self.runs})

    def of(self, start: str, fraction: float) -> list[AdaptedRun]:
        """Returns the trainings of a start on a share of the examples, one per subset."""
        return [run for run in self.runs if (run.start, run.fraction) == (start, fraction)]

    def examples(self, fraction: float) -> float:
        """Returns the number of examples of a share; subsets of a ranking, which are whole queries, may differ."""
        return statistics.fmean(run.examples for run in self.of(PLAIN, fraction))

    def summary(self, start: str, fraction: float) -> Summary:
        """Returns the scores of a start on a share of the examples."""
        return summarise(run.score for run in self.of(start, fraction))

    def difference(self, start: str, fraction: float) -> PairedDifference:
        """Returns a start's scores less the plain encoder's, by subset."""
        first, second = ({run.subset_seed: run.score for run in self.of(name, fraction)} for name in (start, PLAIN))
        found = paired_difference(first, second)
        assert found is not None  # Both were trained on every subset.
        return found

    def to_json(self) -> dict[str, Any]:
        """Returns everything as JSON values; scores and differences are from 0 to 1."""
        summaries, differences = [], []
        for start, fraction in [(start, fraction) for fraction in self.fractions for start in self.starts]:
            place, summary = {"start": start, "fraction": fraction}, self.summary(start, fraction)._asdict()
            summaries.append({**place, "examples": self.examples(fraction), **summary})
            if start != PLAIN:
                found = to_json(self.difference(start, fraction))
                differences.append({**place, **{name: found[name] for name in ("mean", "low", "high", "n")}})
        return {
            "task": self.task,
            "score": self.score_name,
            "starts": dict(self.starts),
            "majority": self.majority,
            "summaries": summaries,
            "differences_to_plain_bert": differences,
            "runs": [{**dataclasses.asdict(run), "score": run.score} for run in self.runs],
        }


def csv_results(results: AdaptationResults) -> str:
    """Returns one row per training as CSV; a metric of one of several splits is named "<result>:<metric>"."""
    names = [(result, metric) for result, metrics in results.runs[0].metrics.items() for metric in metrics]
    several = len(results.runs[0].metrics) > 1
    columns = ("start", "fraction", "examples", "subset_seed", "epochs", "steps", "score")
    rows: list[list[object]] = [
        ["task", *columns, *(f"{result}:{metric}" if several else metric for result, metric in names)]
    ]
    for run in results.runs:
        values = [run.metrics[result][metric] for result, metric in names]
        rows.append([results.task, *(getattr(run, column) for column in columns), *values])
    return csv_table(rows)


def markdown_results(results: AdaptationResults) -> str:
    """Returns a Markdown table: one row per number of examples, scores and paired differences x 100."""
    starts = [start for start in results.starts if start != PLAIN]
    # A minus sign between two names is not read as one where they have hyphens.
    header = ["examples", "share", "n", *results.starts, *(f"{start} less {PLAIN}" for start in starts)]
    rows = [header]
    for fraction in results.fractions:
        line = [f"{results.examples(fraction):.0f}", percent(fraction), str(results.summary(PLAIN, fraction).n)]
        line += [mean_and_deviation(results.summary(start, fraction)) for start in results.starts]
        line += [_difference(results.difference(start, fraction)) for start in starts]
        rows.append(line)
    title = f"{results.task}: {results.score_name} x 100, mean ± standard deviation over n subsets"
    if results.majority is not None:
        title += f"; the most frequent label has {100 * results.majority:.1f}"
    title += ". Differences are paired by subset, with their 95 % t interval."
    return f"{title}\n\n" + markdown_table(rows, num_text_columns=0)


def percent(fraction: float) -> str:
    """Returns a share as "0.1 %"."""
    return f"{100 * fraction:.6g} %"


def _difference(found: PairedDifference) -> str:
    mean = f"{100 * found.mean:+.1f}"
    return mean if finite(found.low) is None else f"{mean} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
