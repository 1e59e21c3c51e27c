"""Artefacts of older versions are read for good, with the numbers that stand beside them."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.encoding import EncodedData, TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.joining import join_soft_targets
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.manifests import MANIFEST, write_manifest
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.report.write import read_report
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.run import train
from tests.golden.make import SENTENCES, first_numbers, training_config
from tests.helpers import VOCABULARY

VERSIONS = sorted(path for path in Path(__file__).parent.glob("v*") if path.is_dir())


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a version's artefacts, in another place than they were made in."""
    folder: Path = tmp_path / "moved" / request.param.name
    shutil.copytree(request.param, folder)
    for path in folder.rglob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return folder


def _expected(golden: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    return expected


def test_versions_are_there():
    assert VERSIONS


def test_an_interrupted_training_is_continued(golden, tmp_path, caplog):
    caplog.set_level("INFO", "absl")
    train(training_config(golden, golden / "run"))
    assert any("continues at step 12 of 12" in record.getMessage() for record in caplog.records)
    loaded, expected = load_model(golden / "run"), _expected(golden)["weights"]
    # TensorFlow's arithmetic changes in the last digits from version to version.
    found = first_numbers(loaded.model.backbone.named["embeddings.word_embeddings.weight"])
    np.testing.assert_allclose(found, expected["backbone"], atol=1e-4)
    for name, head in loaded.model.heads.items():
        np.testing.assert_allclose(first_numbers(head.get_weights()[0]), expected["heads"][name], atol=1e-4)


def test_encoded_data_and_soft_targets_are_found_and_joined(golden):
    expected = _expected(golden)
    task = select_tasks([], [golden / "tasks" / "tasks.yaml"])[0]
    (folder,) = (golden / "encoded" / "mood").iterdir()
    made = folder.stat().st_mtime_ns
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    encoded = EncodedData(DataSource("files", golden), tokenizer, 32, golden / "encoded").split(task, "train")
    # Neither made again nor under another key.
    assert [path.name for path in (golden / "encoded" / "mood").iterdir()] == [folder.name]
    assert folder.stat().st_mtime_ns == made
    assert encoded.manifest["key"] == expected["encoded"]["key"]
    assert encoded.example_ids == expected["encoded"]["ids"]
    assert encoded.token_ids[:20].tolist() == expected["encoded"]["first"]

    targets = read_soft_targets(golden / "soft_targets" / "mood")
    np.testing.assert_allclose(first_numbers(targets.predictions), expected["soft_targets"], atol=1e-6)
    logits = join_soft_targets(targets, task, encoded, np.arange(3))
    np.testing.assert_allclose(first_numbers(np.exp(logits)), expected["soft_targets"], atol=1e-5)


def test_a_model_and_its_export_answer_as_they_did(golden):
    expected = _expected(golden)
    tasks = select_tasks([], [golden / "tasks" / "tasks.yaml"])
    source = DataSource("files", golden / "tasks")
    for asked in (tasks, []):
        predictions = predict_with_runs([golden / "model"], asked, ["test"], TaskData(source, golden / "cache"))
        for name, values in expected["predictions"].items():
            np.testing.assert_allclose(first_numbers(predictions[name].predictions), values, atol=1e-5)
    serve = tf.saved_model.load(str(golden / "export" / "1")).signatures["mood"]
    found = serve(text_a=tf.constant(SENTENCES))["probabilities"]
    np.testing.assert_allclose(first_numbers(found), expected["export"], atol=1e-5)


def test_a_report_is_read(golden):
    data = read_report(golden / "report.json")
    assert [model.role for model in data.models]
    _check_same(data.to_json(), json.loads((golden / "report.json").read_text(encoding="utf-8")))


def _check_same(found: Any, old: Any) -> None:
    """Fields that a later version added are null, or empty, for what an older one wrote."""
    if isinstance(old, dict):
        assert {key for key, value in found.items() if key not in old and value not in (None, [], {}, "")} == set()
        assert old.keys() <= found.keys()
        for key, value in old.items():
            _check_same(found[key], value)
    elif isinstance(old, list):
        assert len(found) == len(old)
        for new_item, item in zip(found, old):
            _check_same(new_item, item)
    else:
        assert found == old


def test_no_file_tells_of_the_machine_that_it_was_made_on(golden):
    for path in golden.rglob("*"):
        if path.is_file() and "checkpoints" not in path.parts:
            content = path.read_bytes()
            assert not any(place in content for place in (b"/work/", b"/home/", b"/root/", b"/tmp/")), path


@pytest.mark.parametrize(("folder", "field"), [("soft_targets/mood", "schema"), ("encoded/mood/*", "schema_version")])
def test_what_a_newer_version_wrote_is_refused_in_one_line(golden, folder, field):
    (folder,) = golden.glob(folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    content = {name: value for name, value in manifest.items() if name not in ("files", "manifest_sha256")}
    (folder / MANIFEST).unlink()
    write_manifest(folder, {**content, field: content[field] + 1})
    task = select_tasks([], [golden / "tasks" / "tasks.yaml"])[0]
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    with pytest.raises(
        UserError, match=rf"newer version of mtdnn_tf \({field.partition('_')[0]} 2, this version reads 1\); update"
    ):
        if "soft" in str(folder):
            read_soft_targets(folder)
        EncodedData(DataSource("files", golden), tokenizer, 32, golden / "encoded").split(task, "train")


def test_a_report_of_another_format_is_refused(golden):
    report = json.loads((golden / "report.json").read_text(encoding="utf-8"))
    (golden / "report.json").write_text(json.dumps({**report, "format": 99}), encoding="utf-8")
    with pytest.raises(UserError, match="must be 2, got 99"):
        read_report(golden / "report.json")
