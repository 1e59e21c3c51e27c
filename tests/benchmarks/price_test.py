"""What answers cost and how good they are, of small runs."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.command_line import InputError
from benchmarks.price import main, price_table
from mtdnn_tf.training.run import read_metrics
from tests.small_models import trained_run


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("price")).output_dir


def _measure(monkeypatch, *flags):
    monkeypatch.setattr(sys, "argv", ["price", *flags])
    main()


def test_an_ensemble_of_the_same_run_twice_answers_as_the_run(run, tmp_path, monkeypatch, capsys):
    small = ["--split=validation", "--rows=20", "--repeats=3", "--max_accuracy_loss=100"]
    files = [f"--teachers={run},{run}", f"--student={run}", f"--output={tmp_path}/price.json"]
    _measure(monkeypatch, *files, *small)
    results = json.loads((tmp_path / "price.json").read_text())
    candidates = results["candidates"]
    assert [(one["model"], one["format"]) for one in candidates] == [
        ("ensemble of 2, 2 layers", "SavedModel float32"),
        ("ensemble of 2, 2 layers", "ONNX float32"),
        ("student, 2 layers", "SavedModel float32"),
        ("student, 2 layers", "ONNX float32"),
        ("student, 2 layers", "ONNX int8"),
    ]
    for one in candidates[:-1]:
        for name, metrics in read_metrics(run).items():
            assert one["metrics"][name] == pytest.approx(metrics, abs=1e-4)
    assert candidates[0]["megabytes"] == pytest.approx(2 * candidates[2]["megabytes"], rel=0.01)
    assert min(one["milliseconds"]["low"] for one in candidates) > 0
    # Ratios are those to the cheaper way of asking the ensemble.
    assert 1 in [one["cheaper"]["median"] for one in candidates[:2]]
    assert price_table(results) in capsys.readouterr().out


def test_the_table_says_what_is_cheaper_and_whether_that_is_enough():
    def candidate(model, cheaper, accuracy, **target):
        ratio = {"median": cheaper, "low": cheaper - 0.5, "high": cheaper + 0.25, **target}
        metrics = {"mood": {"accuracy": accuracy}, "scored/test": {"pearson": 0.5, "spearman": 0.7}}
        average = 100 * (accuracy + 0.6) / 2
        numbers = {"megabytes": 12.34, "milliseconds": {"median": 5.25}, "cheaper": ratio, "average": average}
        return {"model": model, "format": "ONNX", "metrics": metrics, **numbers}

    target = {"target": "at least 10", "met": True}
    candidates = [candidate("ensemble", 1.0, 0.9), candidate("student", 12.0, 0.8, **target)]
    assert price_table({"texts": 60, "word_pieces": 17.25, "candidates": candidates}) == (
        "| model | format | MB | ms | times cheaper | average | mood | scored |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| ensemble | ONNX | 12.3 | 5.2 | 1.0 (0.5 to 1.2) | 75.0 | 90.0 | 60.0 |\n"
        "| student | ONNX | 12.3 | 5.2 | 12.0 (11.5 to 12.2) | 70.0 | 80.0 | 60.0 |\n"
        "\n60 texts of 17.2 word pieces on average; the student, ONNX, is 12.0 times cheaper than the ensemble "
        "(at least 10: met) and scores 5.0 points less\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--student=missing"], "missing"),
        (["--rows=0"], "--rows and --repeats must be >= 1, got 0 and 7$"),
        (["--split=nope"], "nope"),
    ],
)
def test_bad_input_is_one_line(run, flags, message, monkeypatch):
    with pytest.raises(InputError, match=message):
        _measure(monkeypatch, f"--teachers={run}", f"--student={run}", *flags)
