"""The examples that an ensemble is least sure of, against a calculation from the predictions of each teacher."""

import json

import numpy as np
import pytest
from scipy.stats import entropy

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.examples_to_label import MEASURES, Selection
from mtdnn_tf.evaluation.ensembles.shard import Shard
from mtdnn_tf.evaluation.runs import predict_each_run
from tests.evaluation.ensembles.conftest import BATCH

WEIGHTS = [3.0, 1.0]


def _task(scoring, name):
    return next(task for task in scoring.keywords["tasks"] if task.name == name)


def _lines(folder, name, measure, split="validation"):
    return [json.loads(line) for line in (folder / f"{name}-{split}.{measure}.jsonl").read_text().splitlines()]


def _predictions(scoring, name):
    given = scoring.keywords
    (predictions,) = predict_each_run(given["runs"], [_task(scoring, name)], ["validation"], given["data"]).values()
    return predictions


def _measures(teachers, weights):
    """Returns the measures of one list of probabilities by each teacher, [teachers, outcomes]."""
    weights = np.array(weights) / sum(weights)
    mean = weights @ teachers
    return {
        "variance": (weights @ (teachers - mean) ** 2).mean(),
        "entropy": entropy(mean),
        "disagreement": sum(weight * entropy(teacher, mean) for weight, teacher in zip(weights, teachers)),
    }


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_rows_of_a_classification_with_most_of_a_measure_are_written(scoring, tmp_path, measure, weights):
    task = _task(scoring, "mood")
    selection = Selection(measure, 5)
    scoring(output_dir=tmp_path, tasks=[task], split="validation", weights=weights, to_label=selection)
    predictions = _predictions(scoring, "mood")
    by_row = np.stack(predictions.by_run, axis=1).astype(np.float64)
    by_row /= by_row.sum(axis=-1, keepdims=True)
    expected = {
        example_id: _measures(teachers, weights or [1.0, 1.0])[measure]
        for example_id, teachers in zip(predictions.encoded.example_ids, by_row)
    }
    lines = _lines(tmp_path, "mood", measure)
    assert len(lines) == 5 < len(expected)
    found = [line["why"][measure] for line in lines]
    assert found == sorted(found, reverse=True)
    np.testing.assert_allclose(found, sorted(expected.values(), reverse=True)[:5], atol=2e-6)
    texts = {example.example_id: example for example in scoring.keywords["data"].source.read(task, "validation")}
    for line in lines:
        assert line["why"][measure] == pytest.approx(expected[line["id"]], abs=2e-6)
        assert [line[name] for name in task.text] == [texts[line["id"]].text_a]
        row = list(expected).index(line["id"])
        assert [answer["teacher"] for answer in line["why"]["teachers"]] == ["run0", "run1"]
        for answer, values in zip(line["why"]["teachers"], by_row[row]):
            assert answer["label"] == task.labels[values.argmax()]
            assert list(answer["probabilities"].values()) == pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_queries_of_a_ranking_are_written_whole(scoring, tmp_path, measure):
    task = _task(scoring, "answers")
    scoring(output_dir=tmp_path, tasks=[task], split="validation", to_label=Selection(measure, 3))
    predictions = _predictions(scoring, "answers")
    queries, by_run = predictions.encoded.queries, np.stack(predictions.by_run)[..., 0].astype(np.float64)
    expected = [_measures(by_run[:, queries == query], [1.0, 1.0])[measure] for query in np.unique(queries)]
    lines = _lines(tmp_path, "answers", measure)
    of_query: dict[str, list[dict]] = {}
    for line in lines:
        of_query.setdefault(line["question"], []).append(line)
    sizes = sorted(np.bincount(queries)[np.argsort(expected)[-3:]])
    assert sorted(map(len, of_query.values())) == sizes
    assert [line["question"] for line in lines] == [line["question"] for group in of_query.values() for line in group]
    found = [group[0]["why"][measure] for group in of_query.values()]
    np.testing.assert_allclose(found, sorted(expected, reverse=True)[:3], atol=2e-6)


def test_shards_and_their_merge_write_what_one_call_writes(scoring, tmp_path):
    task = _task(scoring, "similarity")
    options = {"split": "validation", "tasks": [task], "to_label": Selection("variance", 4)}
    scoring(output_dir=tmp_path / "whole", **options)
    for index in range(2):
        scoring(output_dir=tmp_path / "parts", shard=Shard(index, 2), **options)
    assert not list((tmp_path / "parts").glob("*.jsonl"))
    scoring(output_dir=tmp_path / "parts", merge=2, **options)
    lines = _lines(tmp_path / "whole", "similarity", "variance")
    assert lines == _lines(tmp_path / "parts", "similarity", "variance")
    assert len(lines) == 4 < BATCH
    assert set(lines[0]) == {"id", *task.text, "why"}
    assert set(lines[0]["why"]["ensemble"]) == {"score"}


@pytest.mark.parametrize(
    ("name", "measure", "runs", "words"),
    [
        ("similarity", "entropy", 2, "`rank_by` must be variance for regression task similarity, got entropy"),
        ("mood", "variance", 1, "`rank_by=variance` needs two or more teachers, got 1; use entropy"),
        ("mood", "margin", 2, "unknown `rank_by`"),
    ],
)
def test_what_has_no_measure_is_refused_before_anything_is_predicted(scoring, tmp_path, name, measure, runs, words):
    given = {"tasks": [_task(scoring, name)], "runs": scoring.keywords["runs"][:runs]}
    with pytest.raises(UserError) as raised:
        scoring(output_dir=tmp_path / "soft", to_label=Selection(measure), **given)
    assert words in str(raised.value)
    assert not (tmp_path / "soft").exists()
