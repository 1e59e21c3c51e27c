from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.command_line import InputError
from benchmarks.learning import check_same_function, main, summary, table
from tests.helpers import write_tasks

ROOT = Path(__file__).parents[2]
SEEDS = 5


def _results():
    generator = np.random.default_rng(0)
    return [
        {
            "arm": arm,
            "seed": seed,
            "training_loss": {"mood": generator.random(), "similarity": generator.random()},
            "metrics": {
                "mood": {"accuracy": generator.random()},
                "similarity": {"pearson": generator.random(), "spearman": generator.random()},
            },
        }
        for seed in range(SEEDS)
        for arm in ("fast", "plain")
    ]


def _check_statistics(row, fast, plain):
    """Compares a row with numpy and scipy, and its p value with all flips of sign."""
    for arm, values in (("fast", fast), ("plain", plain)):
        assert row[arm] == pytest.approx({"mean": np.mean(values), "deviation": np.std(values, ddof=1), "n": SEEDS})
    differences = np.subtract(fast, plain)
    low, high = stats.ttest_rel(fast, plain).confidence_interval(0.95)
    flipped = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=SEEDS)]
    p_value = np.mean(np.array(flipped) >= abs(differences.sum()) - 1e-12)
    expected = {"mean": differences.mean(), "low": low, "high": high, "p_value": p_value, "n": SEEDS}
    assert row["difference"] == pytest.approx(expected)


def test_the_summary_equals_numpy_and_scipy():
    results = _results()
    by_arm = [[result for result in results if result["arm"] == arm] for arm in ("fast", "plain")]
    rows = {row["measure"]: row for row in summary(results)}
    assert list(rows)[:2] == ["training loss, average of 2 tasks", "development score x 100, average of 2 tasks"]
    losses = [[np.mean(list(result["training_loss"].values())) for result in arm] for arm in by_arm]
    _check_statistics(rows["training loss, average of 2 tasks"], *losses)
    scores = [
        [100 * np.mean([np.mean(list(values.values())) for values in result["metrics"].values()]) for result in arm]
        for arm in by_arm
    ]
    _check_statistics(rows["development score x 100, average of 2 tasks"], *scores)
    _check_statistics(
        rows["training loss, similarity"],
        *([result["training_loss"]["similarity"] for result in arm] for arm in by_arm),
    )


def test_a_row_of_the_table():
    measured = {"mean": 71.254, "deviation": 1.5, "n": 8}
    difference = {"mean": -0.2, "low": -1.0, "high": 0.6, "p_value": 0.5, "n": 8}
    row = {"measure": "development score x 100, mood", "fast": measured, "plain": measured, "difference": difference}
    expected = "71.25 ± 1.50 | 71.25 ± 1.50 | -0.20 | -1.00 to +0.60 | 0.50 | 8 |"
    assert table([row]).splitlines()[-1] == f"| development score x 100, mood | {expected}"


def test_a_single_seed_has_no_deviation_and_no_interval():
    lines = table(summary([result for result in _results() if result["seed"] == 0])).splitlines()
    assert all("±" not in line and "| - | 1.00 | 1 |" in line for line in lines[2:])


@pytest.mark.parametrize("difference", [1.1e-4, float("nan")])
def test_different_functions_are_refused(difference):
    with pytest.raises(InputError, match=r"must differ by at most 0\.0001, got"):
        check_same_function(difference)


def test_the_same_function_is_accepted():
    check_same_function(1e-4)


@pytest.fixture(name="corpus", scope="module")
def _corpus(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("corpus"))


def _run(corpus, folder, *arguments):
    command = [sys.executable, "-m", "benchmarks.learning", f"--output_dir={folder}", f"--corpus={corpus}"]
    tiny = ["--backbone=tiny", "--epochs=1", "--batch_size=8", "--optimizer=adamax"]
    return subprocess.run([*command, *tiny, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


def test_both_paths_train_and_finished_trainings_are_kept(corpus, tmp_path):
    arguments = ["--seeds=1", "--train_examples=16", "--learning_rate=0.01", "--seed=3"]
    done = _run(corpus, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "learning.json").read_text())
    assert written["settings"]["max_train_examples"] == 16
    assert written["largest_difference"] < 1e-5
    runs = {result["arm"]: result for result in written["runs"]}
    assert [(result["arm"], result["seed"]) for result in written["runs"]] == [("fast", 3), ("plain", 3)]
    assert [runs[arm]["parallel_parts"] for arm in ("fast", "plain")] == [2, 1]
    losses = [list(runs[arm]["training_loss"].values()) for arm in ("fast", "plain")]
    # Dropout draws other numbers.
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.1)
    assert done.stdout == table(written["summary"])
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/model/weights.safetensors")}
    assert len(weights) == 2

    again = _run(corpus, tmp_path, *arguments)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


def test_bad_input_is_refused_in_one_line(corpus, tmp_path):
    refused = _run(corpus, tmp_path, "--sedes=3")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: Unknown command line flag 'sedes'")
    assert "Traceback" not in refused.stderr
    assert not refused.stdout


def test_a_number_of_seeds_below_one_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["learning", f"--output_dir={tmp_path}", "--seeds=0"])
    with pytest.raises(InputError, match="--seeds must be an integer >= 1, got 0"):
        main()
    assert not list(tmp_path.iterdir())
