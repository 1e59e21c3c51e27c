from __future__ import annotations

import pytest

from mtdnn_tf.evaluation.measures.fidelity import Gain, gain_kept
from mtdnn_tf.recipe.results import finding, models_json, runs_by_model
from mtdnn_tf.report.data import Cost, CostRow, Model, Run

_COST = Cost([CostRow("a", 1.0, 1.0), CostRow("ensembles", 68_100_000, 6e9), CostRow("student", 22_700_000, 1.5e9)])


def _gain(baseline, ensemble, student):
    return Gain(("a", "b"), baseline, ensemble, student, gain_kept(baseline, ensemble, student))


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        ((0.80, 0.90, 0.86), "The student keeps 60 % of what the ensemble gains over one model"),
        ((0.80, 0.90, 0.91), "The student is as good as the ensemble of its teachers"),
        ((0.80, 0.90, 0.79), "The student keeps nothing of what the ensemble gains over one model"),
        ((0.80, 0.80, 0.86), "The ensemble is no better than one model, so there is nothing to distil"),
    ],
)
def test_the_first_sentence_says_what_is_kept_with_all_scores(gain, verdict):
    first, _ = finding({"all": _gain(*gain)}, _COST, 3, 1)
    baseline, ensemble, student = (f"{100 * value:.1f}" for value in gain)
    assert first == (
        f"{verdict}: the ensemble of teachers scores {ensemble}, the multi-task model {baseline} and the distilled "
        f"student {student} (average of 2 tasks)."
    )


def test_the_price_is_in_parameters_and_computation():
    _, price = finding({"all": _gain(0.8, 0.9, 0.85)}, _COST, 3, 1)
    assert price == (
        "Price: the 3 teachers together have 3.0 times the student's parameters (68.1 million against 22.7 million) "
        "and need 4.0 times its computation to answer all tasks."
    )


def test_seeds_are_named_and_a_missing_ensemble_is_left_out():
    assert "(average of 2 tasks, mean of 5 seeds)" in finding({"all": _gain(0.8, 0.9, 0.85)}, _COST, 3, 5)[0]
    alone = Gain(("a",), 0.8, None, 0.7, None)
    assert finding({"all": alone}, _COST, 3, 1)[0] == "Average score: student 70.0, multi-task model 80.0."


def test_results_become_json():
    model = Model("student", "student", [Run(1, {"nli": {"accuracy": 0.5}}, 0.5)])
    assert models_json([model]) == [
        {"name": "student", "role": "student", "runs": [{"seed": 1, "metrics": {"nli": {"accuracy": 0.5}}}]}
    ]


def test_tables_get_the_runs_of_every_model():
    runs = [Run(4, {"nli": {"accuracy": 0.5}}, 0.5), Run(2, {"nli": {"accuracy": 0.75}}, 0.75)]
    model = Model("student", "student", runs)
    assert runs_by_model([model]) == {"student": [{"nli": {"accuracy": 0.5}}, {"nli": {"accuracy": 0.75}}]}
