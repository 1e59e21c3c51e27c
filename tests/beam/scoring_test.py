"""Soft targets from Beam against those of `mtdnn score`, of every kind of task."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed (it needs Python 3.10)")

from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.beam.scoring import BeamScoring
from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.row_digest import data_fingerprint
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.joining import join_soft_targets
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from tests.beam.conftest import BAD, GOOD, KINDS, Teachers, with_mood


def _beam(made: Teachers, output_dir, options=None, **changed) -> BeamScoring:
    given = {
        "teachers": made.exports,
        "tasks": list(made.tasks.values()),
        "split": "train",
        "data_dir": made.folder,
        "output_dir": output_dir,
        "options": BeamOptions(**{"num_shards": 3, "batch_size": 7, **(options or {})}),
    }
    return BeamScoring(**{**given, **changed})


def _assert_same(one, other):
    """Compares the predictions of two folders by example id, and what training compares of their manifests."""
    given, expected = read_soft_targets(one), read_soft_targets(other)
    assert sorted(given.example_ids) == sorted(expected.example_ids)
    for field in ("task", "kind", "label_names", "split", "data_fingerprint", "examples", "average"):
        assert given.manifest[field] == expected.manifest[field]
    assert [teacher["weights_sha256"] for teacher in given.manifest["teachers"]] == [
        teacher["weights_sha256"] for teacher in expected.manifest["teachers"]
    ]
    assert given.variances is not None and expected.variances is not None
    place = {example_id: row for row, example_id in enumerate(given.example_ids)}
    rows = [place[example_id] for example_id in expected.example_ids]
    assert np.ptp(expected.predictions, axis=0).max() > 0.01
    np.testing.assert_allclose(given.predictions[rows], expected.predictions, rtol=0, atol=4e-6)
    np.testing.assert_allclose(given.variances[rows], expected.variances, rtol=0, atol=4e-6)


@pytest.mark.parametrize(
    ("average", "weights"),
    [pytest.param("probabilities", None, marks=pytest.mark.slow), ("logits", (3.0, 1.0))],
)
def test_soft_targets_are_those_of_score_and_join_its_training(teachers: Teachers, tmp_path, average, weights):
    data = TaskData(DataSource("files", teachers.folder), teachers.folder / "cache")
    how = {"weights": weights, "average": average}
    score(Scoring(teachers.runs, list(teachers.tasks.values()), "train", data, tmp_path / "score", **how))
    assert _beam(teachers, tmp_path / "beam", **how).score() == list(KINDS)
    for name in KINDS:
        _assert_same(tmp_path / "beam" / name, tmp_path / "score" / name)
    pretrained = find_backbone("tiny")
    encoded = data.encoded(WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase), 60)
    for name, task in teachers.tasks.items():
        split = encoded.split(task, "train")
        targets = read_soft_targets(tmp_path / "beam" / name)
        assert join_soft_targets(targets, task, split, np.arange(len(split))).shape == (len(split), task.num_outputs)
    # What was written on the way is gone.
    assert not [path for path in (tmp_path / "beam" / "_beam").rglob("*") if path.is_file()]


def test_a_repeated_command_makes_only_damaged_shards_again(teachers: Teachers, tmp_path):
    task, out = teachers.tasks["topics"], tmp_path / "out"
    _beam(teachers, out, tasks=[task]).score()

    def files() -> dict[str, tuple[bytes, int]]:
        found = (path for path in sorted((out / "topics").rglob("*")) if path.is_file())
        return {path.relative_to(out).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}

    before, damaged = files(), out / "topics" / "range-00001" / "predictions.npy"
    assert len(read_soft_targets(out / "topics").manifest["shards"]) == 3
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{damaged}: checksum does not match"):
        read_soft_targets(out / "topics")
    _beam(teachers, out, tasks=[task]).score()
    after = files()
    assert {name: content for name, (content, _) in after.items()} == {
        name: content for name, (content, _) in before.items()
    }
    written = {name for name in after if after[name][1] != before[name][1]}
    assert {name.rpartition("/")[0] for name in written} == {"topics", "topics/range-00001"}
    # Other weights make other shards.
    _beam(teachers, out, tasks=[task], weights=(1.0, 2.0), options={"num_shards": 2}).score()
    targets = read_soft_targets(out / "topics")
    assert [teacher["weight"] for teacher in targets.manifest["teachers"]] == [1.0, 2.0]
    assert sorted(path.name for path in (out / "topics").iterdir()) == ["manifest.json", "range-00000", "range-00001"]


def test_unreadable_rows_are_listed_and_left_out_only_if_asked(teachers: Teachers, tmp_path):
    task = with_mood(tmp_path, BAD)
    out = tmp_path / "out"
    with pytest.raises(UserError) as refused:
        _beam(teachers, out, tasks=[task], options={"max_unreadable_rows": 2}).score()
    path = out / "_beam" / "mood-train" / "rows" / "unreadable.jsonl"
    assert str(refused.value).startswith(
        "3 row(s) of task mood, split train cannot be read, `max_unreadable_rows=2` may be left out; listed in "
        f"{path}; the first: {tmp_path}/mood/a.tsv:4: row has 1 column(s), the file has 2"
    )
    assert not (out / "mood").exists()
    _beam(teachers, out, tasks=[task], teachers=teachers.exports[1:], options={"max_unreadable_rows": 3}).score()
    problems = sorted(json.loads(line)["problem"] for line in path.read_text().splitlines())
    assert [problem.partition(": ")[0] for problem in problems] == [
        f"{tmp_path}/mood/{place}" for place in ("a.tsv:4", "a.tsv:5", "b.tsv:3")
    ]
    assert "not UTF-8, its byte 8 is 0xff" in problems[1]
    targets = read_soft_targets(out / "mood")
    assert sorted(targets.example_ids) == ["k1", "k2", "k3"] and targets.manifest["unreadable_rows"] == 3
    # The fingerprint is that of the data without these rows.
    shutil.rmtree(tmp_path / "mood")
    examples = DataSource("files", tmp_path).read(with_mood(tmp_path, GOOD), "train")
    assert targets.manifest["data_fingerprint"] == data_fingerprint(examples)


@pytest.mark.parametrize(
    ("files", "changed", "options", "message"),
    [
        ({**GOOD, "c.tsv": "key\tsentence\nk9\tx\nk1\tthe dog\n"}, {}, {}, "c.tsv:3: duplicate id 'k1', also at "),
        ({**GOOD, "c.tsv": "sentence\nx\n"}, {}, {"max_unreadable_rows": 5}, "unknown column 'key'"),
        ({"a.tsv": "key\tsentence\n"}, {}, {}, "no example of task mood, split train"),
        (GOOD, {"labels": ("good", "bad")}, {}, "labels of task mood must be good, bad, got bad, good"),
        (GOOD, {"kind": "multi_label", "metrics": ("f1_micro",)}, {}, "kind of task mood must be multi_label, got cl"),
        (GOOD, {"name": "tone"}, {}, "unknown task of model "),
        (GOOD, {"id": "row"}, {"max_unreadable_rows": 1}, "needs ids of a column or hashes"),
        (GOOD, {}, {"runner": "NoRunner"}, "reading mood train failed on NoRunner: Unexpected pipeline runner"),
    ],
)
def test_bad_input_is_refused_before_scoring(teachers: Teachers, tmp_path, files, changed, options, message):
    task = with_mood(tmp_path, files, **changed)
    with pytest.raises(UserError) as refused:
        _beam(teachers, tmp_path / "out", tasks=[task], options=options).score()
    assert message in str(refused.value)
    assert not (tmp_path / "out" / "mood").exists() and not list(tmp_path.rglob("range-*"))


def test_a_folder_without_a_saved_model_is_refused(teachers: Teachers, tmp_path):
    with pytest.raises(UserError, match=r"--teachers must name folders that mtdnn export wrote, got no saved_model.pb"):
        _beam(teachers, tmp_path, teachers=[teachers.runs[0]]).score()
