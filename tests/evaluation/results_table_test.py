from __future__ import annotations

from mtdnn_tf.evaluation.results_table import text_table

_RESULTS = {
    "teacher": [
        {
            "mrpc": {"accuracy": 0.75, "f1": 0.85},
            "mnli/validation_matched": {"accuracy": 0.6},
            "mnli/validation_mismatched": {"accuracy": 0.5},
            "cola": {"matthews_correlation": -0.0314},
        }
    ],
    "student": [{"mrpc": {"accuracy": 0.875, "f1": 0.9119}, "cola": {"matthews_correlation": 0.0}}],
}


def test_text_shows_scores_and_an_average_that_counts_each_task_once():
    # (80 + (60 + 50) / 2 - 3.14) / 3 = 43.95...
    assert text_table(_RESULTS) == (
        "model    mrpc  mnli/validation_matched  mnli/validation_mismatched  cola  average of 3 tasks\n"
        "teacher  80.0                     60.0                        50.0  -3.1                44.0\n"
        "student  89.3                        -                           -   0.0                   -\n"
    )


def test_markdown_shows_every_metric():
    lines = text_table(_RESULTS, show_metrics=True, markdown=True).splitlines()
    assert lines == [
        "| model | mrpc (accuracy/f1) | mnli/validation_matched (accuracy) | "
        "mnli/validation_mismatched (accuracy) | cola (matthews_correlation) | average of 3 tasks |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| teacher | 75.0/85.0 | 60.0 | 50.0 | -3.1 | 44.0 |",
        "| student | 87.5/91.2 | - | - | 0.0 | - |",
    ]


def test_a_bar_in_a_models_name_does_not_end_a_markdown_cell():
    table = text_table({"a|b": [{"rte": {"accuracy": 1.0}}]}, markdown=True)
    assert table.splitlines()[2] == "| a\\|b | 100.0 | 100.0 |"


def test_a_diagnostic_set_has_a_column_and_is_in_no_average():
    rte, diagnostic = {"accuracy": 0.6}, {"matthews_correlation": 0.3}
    assert text_table({"a": [{"rte": rte, "ax/test": diagnostic}], "b": [{"rte": rte}]}) == (
        "model   rte  ax/test  average of 1 task\n"
        "a      60.0     30.0               60.0\n"
        "b      60.0        -               60.0\n"
    )
    assert text_table({"a": [{"ax/test": diagnostic}]}) == "model  ax/test\na         30.0\n"


def test_no_results_make_a_table_without_columns():
    assert text_table({}) == "model\n"
    assert text_table({"student": [{}]}) == "model\nstudent\n"


def test_several_runs_have_mean_and_deviation():
    runs = [
        {"mood": {"accuracy": 0.8, "f1": 0.6}, "nli": {"accuracy": 0.5}},
        {"mood": {"accuracy": 0.9, "f1": 0.8}, "nli": {"accuracy": 0.7}},
    ]
    results = {
        "ensemble": [{"mood": {"accuracy": 0.9, "f1": 0.7}, "nli": {"accuracy": 0.5}}],
        "student": runs,
        "tuned": [{"nli": {"accuracy": 0.25}}],
    }
    # By hand: the student's mood is 70 and 85, its average 60 and 77.5; sample deviations are |difference| / sqrt(2).
    assert [
        line.split("|")[1:-1] for line in text_table(results, markdown=True).replace(" | ", "|").splitlines()[2:]
    ] == [
        [" ensemble", "80.0", "50.0", "65.0", "1 "],
        [" student", "77.5 ± 10.6", "60.0 ± 14.1", "68.8 ± 12.4", "2 "],
        [" tuned", "-", "25.0", "-", "1 "],
    ]
    assert "85.0 ± 7.1/70.0 ± 14.1" in text_table(results, show_metrics=True)
    assert text_table(results).splitlines()[0].split() == ["model", "mood", "nli", "average", "of", "2", "tasks", "n"]
