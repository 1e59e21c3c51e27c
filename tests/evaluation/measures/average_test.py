from __future__ import annotations

import pytest

from mtdnn_tf.evaluation.measures.average import Average, average, average_name, counts_in_average, result_score
from mtdnn_tf.evaluation.results_table import text_table

# Rows of Table 2 of 1901.11504v2, typed in by hand; MRPC and QQP are F1/accuracy, STS-B Pearson/Spearman, MNLI m/mm.
_COLUMNS = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli", "ax", "score"]
_TABLE_2 = {
    "BERT_LARGE": "60.5 94.9 89.3/85.4 87.6/86.5 72.1/89.3 86.7/85.9 92.7 70.1 65.1 39.6 80.5",
    "MT-DNN no-fine-tune": "58.9 94.6 90.1/86.4 89.5/88.8 72.7/89.6 86.5/85.8 93.1 79.1 65.1 39.4 81.7",
    "MT-DNN": "62.5 95.6 91.1/88.2 89.5/88.8 72.7/89.6 86.7/86.0 93.1 81.4 65.1 40.3 82.7",
}


def _average(results: dict[str, dict[str, float]]) -> Average:
    found = average(results)
    assert found is not None
    return found


def _row(model: str) -> tuple[dict[str, dict[str, float]], float]:
    """Returns the results of a row under the names of development results, and the score that the paper prints."""
    cells = dict(zip(_COLUMNS, _TABLE_2[model].split()))
    results = {}
    for task, cell in cells.items():
        numbers = [float(number) / 100 for number in cell.split("/")]
        if task == "mnli":
            results["mnli/validation_matched"] = {"accuracy": numbers[0]}
            results["mnli/validation_mismatched"] = {"accuracy": numbers[1]}
        elif task != "score":
            results["ax/test" if task == "ax" else task] = dict(zip(("first", "second"), numbers))
    return results, float(cells["score"])


@pytest.mark.parametrize(
    ("model", "hundredths"), [("BERT_LARGE", 80.52), ("MT-DNN no-fine-tune", 81.72), ("MT-DNN", 82.67)]
)
def test_the_score_is_the_papers(model, hundredths):
    results, printed = _row(model)
    name, score = _average(results)
    assert name == "GLUE score"
    assert 100 * score == pytest.approx(hundredths, abs=0.005)
    assert round(100 * score, 1) == printed
    header, _, line = text_table({model: [results]}, markdown=True).splitlines()
    assert header.endswith("| GLUE score |")
    assert line.endswith(f"| {printed} |")


def test_metrics_of_a_task_are_averaged_first():
    assert result_score({"pearson": 0.9, "spearman": 0.8}) == pytest.approx(0.85)
    # Five metrics, three tasks: the mean over metrics would be 0.56.
    results = {
        "stsb": {"pearson": 0.9, "spearman": 0.7},
        "mnli/validation_matched": {"accuracy": 0.5},
        "mnli/validation_mismatched": {"accuracy": 0.4},
        "cola": {"matthews_correlation": 0.3},
    }
    assert average(results) == ("average of 3 tasks", pytest.approx((0.8 + 0.45 + 0.3) / 3))


@pytest.mark.parametrize("missing", ["wnli", "mrpc", "mnli/validation_matched"])
def test_less_than_the_benchmark_is_no_glue_score(missing):
    results, _ = _row("MT-DNN")
    del results[missing]
    assert _average(results).name == f"average of {9 if missing.startswith('mnli') else 8} tasks"


def test_more_than_the_benchmark_is_no_glue_score():
    results, _ = _row("MT-DNN")
    assert _average({**results, "snli": {"accuracy": 0.9}}).name == "average of 10 tasks"
    assert _average({**results, "rte/train": {"accuracy": 1.0}}).name == "average of 9 tasks"


def test_the_test_sets_make_a_glue_score_and_a_mixture_does_not():
    names = {f"{task}/test" for task in _COLUMNS if task not in ("mnli", "ax", "score")}
    names |= {"mnli/test_matched", "mnli/test_mismatched"}
    assert average_name(names) == "GLUE score"
    assert average_name(names - {"rte/test"} | {"rte"}) == "average of 9 tasks"


def test_diagnostic_sets_are_in_no_average():
    assert not counts_in_average("ax/test")
    assert average_name(["ax/test"]) is None
    assert average({"ax/test": {"matthews_correlation": 0.4}}) is None
    assert average_name([]) is None
    assert average({"rte": {"accuracy": 0.6}, "ax/test": {"matthews_correlation": 0.0}}) == ("average of 1 task", 0.6)
