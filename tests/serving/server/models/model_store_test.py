from __future__ import annotations

from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.server.models.model_store import ModelStore, parse_models


def test_models_are_named_by_their_folder_or_by_hand():
    found = parse_models(["runs/tour/export", "teacher:/a/b:c", "student:d/"])
    assert found == {"export": Path("runs/tour/export"), "teacher": Path("/a/b:c"), "student": Path("d")}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([""], "''"),
        ([":a"], "':a'"),
        (["a b:c"], "'a b:c'"),
        (["a/b:c"], "'a/b:c'"),
        (["x/a", "y/a"], "duplicate name 'a'"),
        (["a:x", "a:y"], "duplicate name 'a'"),
    ],
)
def test_names_that_cannot_be_asked_for_are_refused(values, words):
    with pytest.raises(UserError, match="--model") as raised:
        parse_models(values)
    assert words in str(raised.value)


def _broken(folder: Path) -> Path:
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "saved_model.pb").write_bytes(b"nonsense")
    return folder


def test_a_folder_without_a_model_is_told_at_once(tmp_path):
    (tmp_path / "empty").mkdir()
    cases = {
        tmp_path / "none": "no such folder",
        tmp_path / "empty": "must have a version",
        _broken(tmp_path / "broken"): "no version can be loaded (",
        tmp_path / "broken" / "1": "pass its parent folder",
    }
    for folder, words in cases.items():
        with pytest.raises(UserError) as raised:
            ModelStore({"name": folder})
        assert words in str(raised.value) and str(folder) in str(raised.value)
