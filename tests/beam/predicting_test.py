"""Predictions from Beam against those of `mtdnn predict`, of every kind of task."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

pytest.importorskip("apache_beam", reason="apache-beam is not installed (it needs Python 3.10)")

from mtdnn_tf.beam.options import BeamOptions, BeamPredictionOptions
from mtdnn_tf.beam.predicting import BeamPrediction
from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictions import Predictions, write_predictions
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.manifests import MANIFEST, read_manifest
from tests.beam.conftest import BAD, GOOD, KINDS, Teachers, with_mood


def _beam(made: Teachers, output_dir: Path, options: dict[str, Any] | None = None, **changed: Any) -> BeamPrediction:
    given = {
        "model": made.exports[0],
        "split": "train",
        "data_dir": made.folder,
        "output_dir": output_dir,
        "options": BeamOptions(**{"num_shards": 3, "batch_size": 7, **(options or {})}),
    }
    return BeamPrediction(**{**given, **changed})


def _rows(paths: list[Path]) -> list[dict[str, Any]]:
    """Returns the rows of files, with the probabilities of labels as columns."""
    rows: list[dict[str, Any]] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".tsv":
                rows += csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            else:
                rows += map(json.loads, file)
    for row in rows:
        row.update({f"probability_{label}": value for label, value in row.pop("probabilities", {}).items()})
    return rows


@pytest.fixture(name="expected", scope="module")
def _expected(teachers: Teachers) -> dict[str, Predictions]:
    data = TaskData(DataSource("files", teachers.folder), teachers.folder / "cache")
    predicted = predict_with_runs(teachers.runs[:1], list(teachers.tasks.values()), ["train"], data)
    return {name: predicted[f"{name}/train"].rows() for name in KINDS}


@pytest.mark.parametrize(
    ("name", "ending"), [*((name, "jsonl") for name in KINDS), ("topics", "tsv"), ("similarity", "tsv")]
)
def test_predictions_are_those_of_predict(teachers: Teachers, expected, tmp_path, name, ending):
    (folder,) = _beam(
        teachers, tmp_path / "out", tasks=[teachers.tasks[name]], files=BeamPredictionOptions(format=ending)
    ).predict()
    assert folder == tmp_path / "out" / f"{name}-train"
    write_predictions(tmp_path / f"expected.{ending}", expected[name])
    files = sorted(folder.glob(f"predictions-*-of-*.{ending}"))
    assert len(files) > 1 and {path.name for path in folder.iterdir()} == {MANIFEST, *(path.name for path in files)}
    found, needed = ({row["id"]: row for row in _rows(paths)} for paths in (files, [tmp_path / f"expected.{ending}"]))
    assert read_manifest(folder, "")["rows"] == len(_rows(files)) == len(found) and found.keys() == needed.keys()
    for example_id, row in needed.items():
        assert found[example_id].keys() == row.keys()
        for column, value in row.items():
            if column.startswith(("probability", "score")):
                # Both are rounded to 6 decimals.
                assert float(found[example_id][column]) == pytest.approx(float(value), abs=1.5e-6)
            else:
                assert found[example_id][column] == value
    assert not [path for path in (tmp_path / "out" / "_beam").rglob("*") if path.is_file()]


def test_data_files_may_be_urls(teachers: Teachers, tmp_path):
    """Of the memory of this process, which is the worker's."""
    task = with_mood(tmp_path, GOOD)
    memory = UPath("memory://beam")
    memory.fs.put(str(tmp_path / "mood"), memory.path, recursive=True)
    remote = dataclasses.replace(task, files={"train": dataclasses.replace(task.files["train"], path=str(memory))})
    folders = [
        _beam(teachers, tmp_path / name, data_dir=tmp_path, tasks=[one]).predict()[0]
        for name, one in (("local", task), ("remote", remote))
    ]
    memory.rmdir(recursive=True)
    one, other = ({path.name: path.read_bytes() for path in folder.glob("predictions-*")} for folder in folders)
    assert one == other and sum(len(content.splitlines()) for content in other.values()) == 3


def test_unreadable_rows_are_listed_and_left_out_only_if_asked(teachers: Teachers, tmp_path):
    task, out = with_mood(tmp_path, BAD), tmp_path / "out"
    with pytest.raises(
        UserError, match=r"^3 row\(s\) of task mood, split train cannot be read, `max_unreadable_rows=0"
    ):
        _beam(teachers, out, tasks=[task]).predict()
    assert not (out / "mood-train").exists()
    (folder,) = _beam(teachers, out, tasks=[task], options={"max_unreadable_rows": 3}).predict()
    assert sorted(row["id"] for row in _rows(sorted(folder.glob("predictions-*")))) == ["k1", "k2", "k3"]
    manifest = read_manifest(folder, "")
    assert (manifest["rows"], manifest["unreadable_rows"]) == (3, 3)
    listed = (out / "_beam" / "mood-train" / "rows" / "unreadable.jsonl").read_text().splitlines()
    assert len(listed) == 3 and all(f"{tmp_path}/mood/" in json.loads(line)["problem"] for line in listed)


@pytest.mark.parametrize(
    ("files", "changed", "message"),
    [
        ({**GOOD, "c.tsv": "key\tsentence\nk1\tthe dog\n"}, {}, "c.tsv:2: duplicate id 'k1', also at "),
        (GOOD, {"labels": ("good", "bad")}, "labels of task mood must be good, bad, got bad, good"),
    ],
)
def test_bad_input_is_refused_before_a_model_predicts(teachers: Teachers, tmp_path, files, changed, message):
    with pytest.raises(UserError) as refused:
        _beam(teachers, tmp_path / "out", tasks=[with_mood(tmp_path, files, **changed)]).predict()
    assert message in str(refused.value)
    assert not (tmp_path / "out" / "mood-train").exists() and not list(tmp_path.rglob("range-*"))
