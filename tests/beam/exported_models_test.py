from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtdnn_tf.beam.exported_models import find_exported
from mtdnn_tf.errors import UserError
from mtdnn_tf.release import layout as release
from mtdnn_tf.serving.layout import DESCRIPTION, SAVED_MODEL
from mtdnn_tf.tasks.task import Task

MOOD = Task("mood", "classification", ("sentence",), ("bad", "good"), ("accuracy",))


def _write(version: Path, **changed: object) -> None:
    task = {"kind": "classification", "columns": ["sentence"], "labels": ["bad", "good"]}
    about = {"model_fingerprint": f"of {version.name}", "weights": "float16", "tasks": {"mood": task}}
    (version / DESCRIPTION).parent.mkdir(parents=True)
    (version / DESCRIPTION).write_text(json.dumps({**about, **changed}))
    (version / SAVED_MODEL).touch()


def test_the_highest_version_is_taken(tmp_path):
    for number in ("2", "10"):
        _write(tmp_path / "model" / number)
    found = find_exported(tmp_path / "model", [MOOD], "--model")
    assert (found.name, found.fingerprint, found.weights) == ("model/10", "of 10", "float16")
    assert find_exported(tmp_path / "model" / "2", [MOOD], "--model").name == "model/2"


def test_a_release_has_its_model_for_serving(tmp_path):
    (tmp_path / release.DESCRIPTION).write_text("{}")
    _write(tmp_path / release.SERVING / release.VERSION)
    assert find_exported(tmp_path, [MOOD], "--model").folder == tmp_path / "serving" / "1"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tasks": {}}, "unknown task of model .*/1 'mood'. Accepted: none"),
        ({"tasks": {"mood": ["x"]}}, "kind of task mood must be classification, got None"),
        ({"tasks": "mood"}, "not the description of an exported model; run mtdnn export again"),
        ({"model_fingerprint": 1}, "not the description of an exported model"),
    ],
)
def test_what_does_not_answer_the_task_is_refused(tmp_path, changed, message):
    _write(tmp_path / "1", **changed)
    with pytest.raises(UserError, match=message):
        find_exported(tmp_path, [MOOD], "--model")
