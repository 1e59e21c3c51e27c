"""Tables of answers as teachers of `mtdnn.score`, in memory and in files, beside trained models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mtdnn_tf as mtdnn
from tests.api.conftest import MOOD

TOPIC = mtdnn.Classification("topic", "text", ["a", "b"], label="topic", id="key")
TEXTS = pd.DataFrame({"key": ["x", "y", "z"], "text": ["one", "two", "three"], "topic": ["a", "b", "b"]})
ANSWERS = pd.DataFrame({"id": ["x", "x", "y", "y", "z", "z"], "label": ["a", "a", "b", "a", "b", "b"]})
VOTED = np.array([[3, 1], [2, 2], [1, 3]]) / 4


@pytest.mark.parametrize("form", ["frame", "mapping", "file", "gzip", "parquet", "folder"])
def test_a_table_is_a_teacher(tmp_path, form):
    path = tmp_path / "answers.csv"
    ANSWERS.to_csv(path, index=False)
    ANSWERS.to_csv(tmp_path / "answers.tsv.gz", index=False, sep="\t")
    ANSWERS.to_parquet(tmp_path / "answers.parquet")
    files = {"file": str(path), "gzip": tmp_path / "answers.tsv.gz", "parquet": tmp_path / "answers.parquet"}
    teacher = {"frame": ANSWERS, "mapping": ANSWERS.to_dict("list"), **files}.get(form, tmp_path / "first")
    if form == "folder":
        mtdnn.score([path], TOPIC, {"topic": TEXTS}, output_dir=teacher, values="votes")
    values = "probabilities" if form == "folder" else "votes"
    targets = mtdnn.score([teacher], TOPIC, {"topic": TEXTS}, output_dir=tmp_path / "soft", values=values)["topic"]
    assert targets.example_ids == ("x", "y", "z")
    np.testing.assert_allclose(targets.predictions, VOTED, atol=1e-6)
    assert targets.manifest["agreement"][0]["rows"] == 3


def test_missing_log_probabilities_of_a_frame(tmp_path):
    table = pd.DataFrame({"id": ["x", "y", "z"], "a": np.log([0.75, 0.5, 0.5]), "b": [None, np.log(0.5), np.nan]})
    scored = mtdnn.score([table], TOPIC, {"topic": TEXTS}, output_dir=tmp_path, values="log_probabilities")
    targets = scored["topic"]
    np.testing.assert_allclose(targets.predictions, [[0.75, 0.25], [0.5, 0.5], [0.5, 0.5]], atol=1e-6)


@pytest.mark.parametrize(
    ("teachers", "options", "message"),
    [
        ([ANSWERS], {"value": "votes"}, "unknown option 'value'; did you mean 'values'"),
        ([ANSWERS], {"values": "votes", "average": "logits"}, "`teachers` must be trained models with `average`"),
        ([ANSWERS], {"values": "votes", "weights": [1, 2]}, "got 2 weights for 1 teachers"),
        ([ANSWERS], {}, r"teacher-\w+.jsonl:1: unknown column"),
        ([3], {}, "`teachers`: must be a file, a mapping of columns"),
    ],
)
def test_other_teachers_are_refused(tmp_path, teachers, options, message):
    with pytest.raises(mtdnn.UserError, match=message):
        mtdnn.score(teachers, TOPIC, {"topic": TEXTS}, output_dir=tmp_path, **options)


def test_a_table_needs_its_task(tmp_path):
    with pytest.raises(mtdnn.UserError, match="`tasks` must be one task where a teacher is a table, got none"):
        mtdnn.score([ANSWERS], output_dir=tmp_path)


def test_tables_are_averaged_with_trained_models(student, data, tmp_path):
    texts = data["mood"]["validation"][["sentence"]]
    folders = sorted((student.folder.parent / "teachers").iterdir())
    how: dict[str, Any] = {"tasks": MOOD, "data": {"mood": texts}, "split": "unlabelled"}
    trained = mtdnn.score(folders, **how, output_dir=tmp_path / "trained")["mood"]
    table = pd.DataFrame({"id": trained.example_ids, "label": "good"})
    both = mtdnn.score([table, *folders], **how, output_dir=tmp_path / "both", values="labels", label_smoothing=0.2)
    expected = (np.array([0.2, 0.8]) + 2 * trained.predictions) / 3
    np.testing.assert_allclose(both["mood"].predictions, expected, atol=1e-6)
    assert both["mood"].teachers == 3
