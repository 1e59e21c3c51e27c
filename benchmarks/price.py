"""Price and quality of answers: an ensemble of teachers, and a student in every format.

python -m benchmarks.price --teachers=RUN,RUN,RUN --student=RUN [--split=test] [--output=price.json]

The runs are exported. The price of an answer is the processor time that one thread needs to answer all tasks of a text
from its word pieces, for texts of the split, by every model in turn; the ensemble's is that of its members together.
Give a split that nothing was chosen by: int8 leaves out layers by development rows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.command_line import InputError, run
from benchmarks.one_thread import Arrays, OnnxSession, SavedModelSession
from benchmarks.ratios import ratio_of, spread
from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.development import development_metrics, development_splits, points
from mtdnn_tf.evaluation.measures.average import result_score, task_of_result
from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel, load_model
from mtdnn_tf.serving.export import NO_BUDGET, ONNX, SAVED_MODEL, Int8Budget, export_model, served_tasks
from mtdnn_tf.serving.layout import ONNX_MODEL
from mtdnn_tf.serving.reduced_weights import FLOAT32, INT8
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import markdown_table

_NAMES = {SAVED_MODEL: "SavedModel", ONNX: "ONNX"}
_CHEAPER = 10.0


class _Session:
    """A version of an export, in one of its formats."""

    def __init__(self, version: Path, format_name: str, tasks: Sequence[Task]) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._has_logits = format_name == SAVED_MODEL
        self.answer = SavedModelSession(version) if self._has_logits else OnnxSession(version / ONNX_MODEL)
        files = (version / "variables").iterdir() if self._has_logits else [version / ONNX_MODEL]
        self.megabytes = sum(path.stat().st_size for path in files) / 1e6

    def outputs(self, task: str, inputs: Arrays) -> np.ndarray:
        """Returns a task's probabilities or scores, [rows, outputs]."""
        found = self.answer(inputs)[task]
        return np.asarray(self._tasks[task].kind_object.row_outputs(found)) if self._has_logits else found


class _Candidate(NamedTuple):
    """What answers: one session, or those of an ensemble, whose outputs are averaged."""

    model: str
    format: str
    sessions: list[_Session]

    def outputs(self, task: str, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns a task's probabilities or scores, [rows, outputs]."""
        return np.mean([session.outputs(task, batch) for session in self.sessions], axis=0)

    def milliseconds(self, rows: Sequence[Arrays]) -> float:
        """Returns the mean processor time of an answer to one row."""
        for session in self.sessions:
            session.answer(rows[0])
        started = time.process_time()
        for row in rows:
            for session in self.sessions:
                session.answer(row)
        return 1000 * (time.process_time() - started) / len(rows)


def main() -> None:
    """Exports, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teachers", required=True, help="comma-separated folders of the ensemble's runs")
    parser.add_argument("--student", type=Path, required=True, help="folder of the student's run")
    parser.add_argument("--split", default="test", help="split of every task")
    parser.add_argument("--rows", type=int, default=60, help="texts by which the price is measured")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of prices")
    parser.add_argument("--max_accuracy_loss", type=float, default=NO_BUDGET.max_accuracy_loss)
    parser.add_argument("--output", type=Path, help="JSON file of the results")
    flags = parser.parse_args()
    if min(flags.rows, flags.repeats) < 1:
        raise InputError(f"--rows and --repeats must be >= 1, got {flags.rows} and {flags.repeats}")
    try:
        results = _measure(flags)
    except UserError as error:
        raise InputError(str(error)) from None
    print(price_table(results), end="")
    if flags.output:
        write_json(flags.output, results)


def _measure(flags: argparse.Namespace) -> dict[str, Any]:
    teachers = [load_model(Path(folder)) for folder in flags.teachers.split(",")]
    student = load_model(flags.student)
    # A ranking's metrics need whole lists of candidates.
    tasks = [task for task in served_tasks(student) if not task.kind_object.has_queries]
    names = [task.name for task in tasks]
    for folder, teacher in zip(flags.teachers.split(","), teachers):
        served_tasks(teacher, names)
        if teacher.tokenizer.fingerprint() != student.tokenizer.fingerprint():
            raise InputError(f"{folder}: its word pieces must be those of {flags.student}")
    splits = development_splits(flags.student, student, names, flags.split)
    budget = Int8Budget(development_splits(flags.student, student, names), flags.max_accuracy_loss)
    with tempfile.TemporaryDirectory() as output:
        versions = [_exported(model, Path(output, str(number), "1"), names) for number, model in enumerate(teachers)]
        exact = _exported(student, Path(output, "student", "1"), names)
        small = Path(output, "student", "2")
        export_model(student, small, names, weights=INT8, formats=(ONNX,), int8_budget=budget)
        ensemble = f"ensemble of {len(teachers)}, {_layers(teachers)} layers"
        one = f"student, {_layers([student])} layers"
        made = [
            *((ensemble, FLOAT32, name, versions) for name in _NAMES),
            *((one, FLOAT32, name, [exact]) for name in _NAMES),
            (one, INT8, ONNX, [small]),
        ]
        candidates = [
            _Candidate(model, f"{_NAMES[name]} {weights}", [_Session(version, name, tasks) for version in found])
            for model, weights, name, found in made
        ]
        return _results(candidates, splits, _sample(splits, flags.rows), flags.repeats)


def _exported(loaded: LoadedModel, version: Path, tasks: Sequence[str]) -> Path:
    export_model(loaded, version, tasks, batch_sizes=(), formats=tuple(_NAMES))
    return version


def _layers(models: Sequence[LoadedModel]) -> str:
    return " and ".join(str(layers) for layers in sorted({one.model.backbone.config.num_layers for one in models}))


def _sample(splits: Sequence[EncodedSplit], count: int) -> list[Arrays]:
    """Returns rows of all splits, each as a batch of its own."""
    rows = [(encoded, row) for encoded in splits for row in range(len(encoded))]
    chosen = np.random.default_rng(0).permutation(len(rows))[:count]
    return [encoded.batch(np.array([row])) for encoded, row in (rows[index] for index in chosen)]


def _results(
    candidates: Sequence[_Candidate], splits: Sequence[EncodedSplit], rows: Sequence[Arrays], repeats: int
) -> dict[str, Any]:
    rounds = [[candidate.milliseconds(rows) for candidate in candidates] for _ in range(repeats)]
    times = [list(of_candidate) for of_candidate in zip(*rounds)]
    # The cheaper way to ask the ensemble.
    base = min(times[: len(_NAMES)], key=statistics.median)
    found = []
    for number, (candidate, values) in enumerate(zip(candidates, times)):
        metrics = development_metrics(candidate.outputs, splits)
        at_least = _CHEAPER if number + 1 == len(candidates) else None
        found.append(
            {
                "model": candidate.model,
                "format": candidate.format,
                "megabytes": sum(session.megabytes for session in candidate.sessions),
                "milliseconds": spread("processor time of an answer", values),
                "cheaper": ratio_of("times cheaper than the ensemble", base, values, at_least),
                "metrics": metrics,
                "average": points(metrics),
            }
        )
    return {
        "texts": len(rows),
        "word_pieces": statistics.mean(row[next(iter(row))].shape[1] for row in rows),
        "rows": {f"{encoded.task.name}/{encoded.split}": len(encoded) for encoded in splits},
        "candidates": found,
    }


def price_table(results: Mapping[str, Any]) -> str:
    """Returns the results as a Markdown table, and whether the student is cheap enough."""
    candidates = results["candidates"]
    tasks = [task_of_result(name) for name in candidates[0]["metrics"]]
    table = [["model", "format", "MB", "ms", "times cheaper", "average", *tasks]]
    for one in candidates:
        cheaper = one["cheaper"]
        scores = [100 * result_score(metrics) for metrics in one["metrics"].values()]
        times = f"{cheaper['median']:.1f} ({cheaper['low']:.1f} to {cheaper['high']:.1f})"
        numbers = [one["megabytes"], one["milliseconds"]["median"], times, one["average"], *scores]
        cells = [number if isinstance(number, str) else f"{number:.1f}" for number in numbers]
        table.append([one["model"], one["format"], *cells])
    last, gained = candidates[-1], candidates[-1]["average"] - candidates[0]["average"]
    cheaper = last["cheaper"]
    target = f"{cheaper['target']}: {'met' if cheaper['met'] else 'missed'}"
    about = f"{results['texts']} texts of {results['word_pieces']:.1f} word pieces on average"
    difference = f"scores {abs(gained):.1f} points {'less' if gained < 0 else 'more'}"
    return (
        f"{markdown_table(table, num_text_columns=2)}\n{about}; the {last['model']}, {last['format']}, is "
        f"{cheaper['median']:.1f} times cheaper than the ensemble ({target}) and {difference}\n"
    )


if __name__ == "__main__":
    run(main)
