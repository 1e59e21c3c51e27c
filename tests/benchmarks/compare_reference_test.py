from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.command_line import InputError
from benchmarks.compare_reference import comparison
from benchmarks.results import Key, read_results, summary


def _write(folder: Path, name: str, mode: str, seed: int, accuracy: float) -> None:
    folder.mkdir(exist_ok=True)
    result = {"mode": mode, "seed": seed, "task": "mrpc", "metrics": {"accuracy": accuracy}, "more": 1}
    (folder / f"{name}.json").write_text(json.dumps([result]))


def _results(folder: Path, accuracies: list[float]) -> dict[Key, dict[int, float]]:
    for seed, accuracy in enumerate(accuracies):
        _write(folder, f"seed{seed}", "mrpc", seed, accuracy)
    return read_results(folder)


def test_the_table_gives_numpys_means_deviations_and_their_difference(tmp_path):
    first, second = [0.70, 0.74, 0.72], [0.75, 0.71]
    table = comparison(_results(tmp_path / "a", first), _results(tmp_path / "b", second))
    difference = np.mean(second) - np.mean(first)
    pooled = np.sqrt((2 * np.var(first, ddof=1) + 1 * np.var(second, ddof=1)) / 3)
    cells = table.splitlines()[1].split()
    assert cells[:3] == ["mrpc", "mrpc", "accuracy"]
    assert [float(cell) for cell in cells[3:]] == pytest.approx(
        [72.0, 100 * np.std(first, ddof=1), 3, 73.0, 100 * np.std(second, ddof=1), 2, 1.0, difference / pooled],
        abs=0.005,
    )


def test_one_value_a_side_has_no_deviation(tmp_path):
    table = comparison(_results(tmp_path / "a", [0.7]), _results(tmp_path / "b", [0.8]))
    assert " ".join(table.splitlines()[1].split()) == "mrpc mrpc accuracy 70.00 - 1 80.00 - 1 +10.00 -"
    assert "70.00" in summary(read_results(tmp_path / "a"))


def test_sides_without_a_mode_in_common_are_refused(tmp_path):
    first = _results(tmp_path / "a", [0.7])
    _write(tmp_path / "b", "seed0", "mrpc,stsb", 0, 0.7)
    with pytest.raises(InputError, match="no mode, task and metric in common"):
        comparison(first, read_results(tmp_path / "b"))


def test_a_seed_given_twice_is_refused(tmp_path):
    _write(tmp_path, "first", "mrpc", 0, 0.7)
    _write(tmp_path, "second", "mrpc", 0, 0.8)
    with pytest.raises(InputError, match=r"second\.json.*seed 0"):
        read_results(tmp_path)


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"mode": "a"}]', "[", '{"mrpc": {"accuracy": 1}}'])
def test_another_layout_is_refused(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match="takes a list of"):
        read_results(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no \.json file"):
        read_results(tmp_path)
