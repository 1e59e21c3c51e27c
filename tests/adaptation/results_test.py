from __future__ import annotations

import csv
import io
import json
import math
import statistics

import pytest

from mtdnn_tf.adaptation.results import AdaptationResults, AdaptedRun, csv_results, markdown_results
from tests.adaptation.examples import SCORES, some_results

# Student's t, 97.5 %, 2 degrees of freedom, from a printed table.
_T_2 = 4.303


def _cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_the_table_is_what_plain_python_computes():
    text = markdown_results(some_results())
    assert text.splitlines()[0].startswith("rte: accuracy x 100, mean ± standard deviation over n subsets")
    assert "the most frequent label has 52.7" in text
    header, rule, *rows = _cells(text)
    assert header[3:] == [*SCORES, "multi-task less plain BERT", "distilled less plain BERT"]
    assert set(rule) == {"---:"}
    for fraction, share, examples, row in zip((0.01, 0.1), ("1 %", "10 %"), ("25", "250"), rows):
        assert row[:3] == [examples, share, "3"]
        plain = SCORES["plain BERT"][fraction]
        for start, cell in zip(SCORES, row[3:6]):
            scores = SCORES[start][fraction]
            assert cell == f"{100 * statistics.mean(scores):.1f} ± {100 * statistics.stdev(scores):.1f}"
        for start, cell in zip(("multi-task", "distilled"), row[6:]):
            differences = [a - b for a, b in zip(SCORES[start][fraction], plain)]
            mean = statistics.mean(differences)
            reach = _T_2 * statistics.stdev(differences) / math.sqrt(3)
            shown = [float(part.strip("()")) for part in cell.replace(" to ", " ").split()]
            assert shown == pytest.approx([100 * mean, 100 * (mean - reach), 100 * (mean + reach)], abs=0.06)


def test_json_and_csv_hold_every_value():
    results = some_results()
    content = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert content["starts"]["distilled"] == "runs/b"
    assert len(content["summaries"]) == 6 and len(content["differences_to_plain_bert"]) == 4
    assert content["summaries"][1]["mean"] == pytest.approx(0.63)
    rows = list(csv.DictReader(io.StringIO(csv_results(results))))
    for row, run in zip(rows, content["runs"]):
        expected = SCORES[row["start"]][float(row["fraction"])][int(row["subset_seed"])]
        assert float(row["score"]) == float(row["accuracy"]) == run["score"] == expected
        assert int(row["examples"]) == 2500 * float(row["fraction"])
    assert len(rows) == len(content["runs"]) == 18


def test_one_subset_has_no_spread_and_no_interval():
    results = some_results(subsets=1)
    assert [row[2:] for row in _cells(markdown_results(results))[2:]] == [
        ["1", "50.0", "60.0", "61.0", "+10.0", "+11.0"],
        ["1", "60.0", "66.0", "59.0", "+6.0", "-1.0"],
    ]
    content = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert content["differences_to_plain_bert"][0]["low"] is None
    assert content["summaries"][0]["deviation"] is None


def test_a_score_is_the_mean_over_metrics_and_splits():
    metrics = {"two/a": {"accuracy": 0.5, "f1": 0.7}, "two/b": {"accuracy": 0.8, "f1": 1.0}}
    run = AdaptedRun("plain BERT", 1.0, 0, 10, 5, 100, metrics)
    results = AdaptationResults("two", ("accuracy", "f1"), {"plain BERT": "bert"}, None, (run,))
    assert run.score == pytest.approx(0.75)
    assert results.score_name == "mean of accuracy and f1, mean of 2 splits"
    (row,) = csv.DictReader(io.StringIO(csv_results(results)))
    assert (row["two/b:f1"], row["two/a:accuracy"]) == ("1.0", "0.5")
    assert "most frequent" not in markdown_results(results)
