"""Checks that what makes training fast does not change what is learned.

python -m benchmarks.learning --output_dir=FOLDER

Trains the demo's multi-task model by two paths, once per path and seed, on the same batches with the same schedule:
"fast" is tools.train with its faster layers and half-batches in parallel; "plain" is the same training with the layers
of KerasNLP and Keras, Keras's optimizers, whole batches and all positions computed. Prints means, standard deviations
and paired differences over seeds. Finished trainings are kept, and the same command continues.

Settings are those of flags/presets/demo.flags. Other flags of tools.recipe that are given replace them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.command_line import InputError, run
from benchmarks.worker import Worker
from mtdnn_tf.evaluation.measures.average import average, result_score
from mtdnn_tf.evaluation.measures.statistics import paired_difference, summarise
from mtdnn_tf.json_files import to_json, write_json
from mtdnn_tf.text_tables import markdown_table

_ARMS = ("fast", "plain")
_PRESET = Path(__file__).parents[1] / "flags" / "presets" / "demo.flags"
_MOST_DIFFERENCE = 1e-4
_LOSS = "training loss"
_SCORE = "development score x 100"


def check_same_function(difference: float) -> None:
    """Refuses two paths that compute different functions.

    Args:
        difference: Largest difference of their outputs before training, without dropout.

    Raises:
        InputError: It is too large, or not a number.
    """
    if not difference <= _MOST_DIFFERENCE:
        raise InputError(
            f"outputs of the fast and the plain path without dropout must differ by at most {_MOST_DIFFERENCE:g}, "
            f"got {difference:.3g}"
        )


def measures(result: dict[str, Any]) -> dict[str, float]:
    """Returns the measures of one training by name, averages over tasks first.

    Args:
        result: What `learning_worker.train_once` returned.
    """
    losses, metrics = result["training_loss"], result["metrics"]
    over_tasks = average(metrics)
    assert over_tasks is not None
    return {
        f"{_LOSS}, average of {len(losses)} tasks": sum(losses.values()) / len(losses),
        f"{_SCORE}, {over_tasks.name}": 100 * over_tasks.score,
        **{f"{_LOSS}, {name}": loss for name, loss in losses.items()},
        **{f"{_SCORE}, {name}": 100 * result_score(values) for name, values in metrics.items()},
    }


def summary(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns each measure's mean and standard deviation per path, and the difference, fast less plain, by seed.

    Args:
        results: What `learning_worker.train_once` returned of each path and seed.
    """
    by_arm: dict[str, dict[str, dict[int, float]]] = {}
    for result in results:
        for name, value in measures(result).items():
            by_arm.setdefault(name, {arm: {} for arm in _ARMS})[result["arm"]][result["seed"]] = value
    rows = []
    for name, arms in by_arm.items():
        difference = paired_difference(arms["fast"], arms["plain"])
        assert difference is not None
        spreads = {arm: summarise(values.values())._asdict() for arm, values in arms.items()}
        rows.append({"measure": name, **spreads, "difference": to_json(difference)})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns a summary as a table in Markdown; losses with 4 decimals, scores with 2."""
    lines = [["mean ± standard deviation", "fast path", "plain layers", "fast less plain", "95 % interval", "p", "n"]]
    for row in rows:
        digits = 4 if row["measure"].startswith(_LOSS) else 2
        difference = row["difference"]
        spreads = [_spread(row[arm], digits) for arm in _ARMS]
        interval = (
            "-" if difference["low"] is None else f"{difference['low']:+.{digits}f} to {difference['high']:+.{digits}f}"
        )
        mean, p_value, n = f"{difference['mean']:+.{digits}f}", f"{difference['p_value']:.2f}", str(difference["n"])
        lines.append([row["measure"], *spreads, mean, interval, p_value, n])
    return markdown_table(lines)


def _spread(values: dict[str, Any], digits: int) -> str:
    deviation = "" if values["deviation"] is None else f" ± {values['deviation']:.{digits}f}"
    return f"{values['mean']:.{digits}f}{deviation}"


def _ask(name: str, **arguments: Any) -> Any:
    """Returns the answer of a worker of its own.

    Raises:
        InputError: What the worker refused.
    """
    worker = Worker(sys.executable, "benchmarks.learning_worker")
    try:
        answer = worker(name, **arguments)
    finally:
        worker.close()
    if "error" in answer:
        raise InputError(answer["error"])
    return answer["result"]


def _demo_corpus(folder: Path) -> Path:
    """Writes the demo's corpus and returns its task file."""
    command = [sys.executable, "-m", "tools.demo_corpus", f"--output_dir={folder}"]
    if subprocess.run(command, check=False).returncode:
        raise InputError(f"{folder}: the demo's corpus was not written; see the error above")
    return folder / "tasks.yaml"


def main() -> None:
    """Trains what is not trained yet and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--output", type=Path, help="JSON file of all values; OUTPUT_DIR/learning.json if not given")
    parser.add_argument("--seeds", type=int, default=8, help="number of seeds, counted up from --seed (0)")
    parser.add_argument("--corpus", type=Path, help="task file; the demo's corpus is written if not given")
    parser.add_argument("--train_examples", type=int, help="maximum number of training examples per task")
    own, others = parser.parse_known_args()
    if own.seeds < 1:
        raise InputError(f"--seeds must be an integer >= 1, got {own.seeds}")
    corpus = own.corpus or _demo_corpus(own.output_dir / "corpus")
    if own.train_examples is not None:
        others.append(f"--max_train_examples={own.train_examples}")
    settings = {
        "arguments": [f"--flagfile={_PRESET}", *others],
        "corpus": str(corpus),
        "output": str(own.output_dir),
    }
    compared = _ask("compare", **settings)
    check_same_function(compared["largest_difference"])
    results = []
    for number in range(own.seeds):
        for arm in _ARMS:
            results.append(_ask("train_once", arm=arm, number=number, **settings))
            shown = list(measures(results[-1]).items())[:2]
            values = ", ".join(f"{name} {value:.4f}" for name, value in shown)
            print(f"{arm}, seed {results[-1]['seed']}: {values}", file=sys.stderr)
    rows = summary(results)
    write_json(own.output or own.output_dir / "learning.json", {**compared, "runs": results, "summary": rows})
    print(table(rows), end="")


if __name__ == "__main__":
    run(main)
