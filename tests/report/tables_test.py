from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest

from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.tables import (
    differences_csv,
    metric_table,
    number,
    p_value_text,
    results_csv,
    score_table,
)
from tests.report.example_data import awkward_report, full_report


def _rows(text: str):
    return list(csv.DictReader(io.StringIO(text)))


def _scores(model, task):
    """Returns a model's scores by seed, by numpy alone."""
    return np.array(
        [np.mean([[run.metrics[r][m] for m in task.metrics] for r in task.result_names]) for run in model.runs]
    )


def test_the_score_table_shows_means_and_deviations_of_numpy():
    data = full_report()
    table = score_table(data)
    assert [cell.text for cell in table.header] == ["model", "average", *(task.name for task in data.tasks)]
    for row, model in zip(table.rows, data.models):
        assert (row[0].text, row[0].spread) == (model.name, "n = 5")
        values = [np.array([run.average for run in model.runs]), *(_scores(model, task) for task in data.tasks)]
        for cell, value in zip(row[1:], values):
            assert cell.text == f"{100 * value.mean():.1f}"
            assert cell.spread == f"± {100 * value.std(ddof=1):.1f}"
    for column in range(1, len(table.header)):
        best = [float(row[column].text) for row in table.rows if row[column].strong]
        assert best == [max(float(row[column].text) for row in table.rows)]


def test_one_seed_has_no_deviation_and_a_missing_value_a_dash():
    rows = score_table(full_report(1)).rows
    assert {cell.spread for row in rows for cell in row[1:]} == {""}
    rows = score_table(awkward_report()).rows
    assert [[cell.text for cell in row[1:]] for row in rows] == [["–", "37.5", "–"], ["–", "–", "−50.0"], ["–"] * 3]


def test_a_cell_of_fewer_seeds_says_so():
    data = full_report(3)
    del data.models[1].runs[0].metrics["rte"]  # type: ignore[attr-defined]
    cell = score_table(data).rows[1][1 + [task.name for task in data.tasks].index("rte") + 1]
    assert re.fullmatch(r"± \d\.\d \(n = 2\)", cell.spread)


def test_every_metric_of_every_split_has_a_row():
    data = full_report(2)
    table = metric_table(data)
    assert len(table.rows) == 13
    row = next(row for row in table.rows if row[0].text == "mnli/validation_mismatched")
    values = [run.metrics["mnli/validation_mismatched"]["accuracy"] for run in data.models[3].runs]
    assert row[4].text == f"{100 * np.mean(np.array(values, float)):.1f}"


def test_results_csv_holds_every_number_of_numpy():
    data = full_report()
    rows = _rows(results_csv(data))
    assert len(rows) == 6 * (1 + 9 + 13)
    by_key = {(row["model"], row["task"], row["result"], row["metric"]): row for row in rows}
    assert len(by_key) == len(rows)
    for model in data.models:
        for task in data.tasks:
            row = by_key[model.name, task.name, task.name, "score"]
            values = _scores(model, task)
            got = [float(row["mean"]), float(row["standard_deviation"])]
            np.testing.assert_allclose(got, [values.mean(), values.std(ddof=1)], rtol=1e-12)
            assert (row["n"], row["role"]) == ("5", model.role)
        average = np.mean(np.array([run.average for run in model.runs], float))
        assert float(by_key[model.name, "average", "average", "score"]["mean"]) == pytest.approx(average, rel=1e-12)


def test_csv_quotes_names_and_leaves_missing_numbers_empty():
    data = awkward_report()
    rows = _rows(results_csv(data))
    assert {row["model"] for row in rows} == {model.name for model in data.models}
    assert {row["mean"] for row in rows if row["model"] == "no runs"} == {""}
    (average, task) = _rows(differences_csv(data))
    assert (average["label"], average["mean"], average["p_value"], average["n"]) == ("a < b & $c$", "", "", "0")
    assert (task["task"], task["mean"], task["low"]) == (data.tasks[0].name, "-0.01", "")


def test_csv_is_the_same_for_the_same_data():
    for table in (results_csv, differences_csv):
        assert table(full_report()) == table(ReportData.from_json(full_report().to_json()))


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (None, {}, "–"),
        (float("nan"), {}, "–"),
        (-0.00001, {}, "0.0"),
        (-0.00001, {"sign": "+"}, "+0.0"),
        (-0.0314, {"scale": 100}, "−3.1"),
        (12345.678, {"digits": 2}, "12,345.68"),
    ],
)
def test_numbers_are_printed_plainly(value, options, text):
    assert number(value, **options) == text


def test_a_p_value_is_never_zero():
    assert [p_value_text(value) for value in (0.0, 0.0001, 0.0625, 1.0, None)] == ["< 0.001"] * 2 + [
        "0.062",
        "1.000",
        "–",
    ]
