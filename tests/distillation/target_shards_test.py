from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from mtdnn_tf.data.streaming import joined_arrays
from mtdnn_tf.distillation.joining import join_positions, join_soft_targets, join_variance_weights
from mtdnn_tf.distillation.soft_targets import (
    find_soft_targets,
    holds_soft_targets,
    read_soft_targets,
    write_soft_targets,
)
from mtdnn_tf.distillation.target_shards import write_manifest_over_all
from mtdnn_tf.errors import UserError
from mtdnn_tf.manifests import MANIFEST, read_manifest, read_manifest_only, verify, write_manifest
from tests.distillation.conftest import TEACHERS, write_in_shards, write_shards

# Rows of a split of 40 in no order.
ORDER = np.random.default_rng(5).permutation(40)
SHARDS = {"a": ORDER[:7], "b": ORDER[7:8], "c": ORDER[8:]}


@pytest.fixture(name="store")
def _store(scored, tmp_path):
    """Returns the folder of soft targets in shards, whose subfolder is the task's."""
    write_in_shards(tmp_path / "store", scored, SHARDS)
    (tmp_path / "store").rename(tmp_path / "moved")
    (tmp_path / "store").mkdir()
    return (tmp_path / "moved").rename(tmp_path / "store" / scored.task.name).parent


def _refused(folder, task) -> str:
    with pytest.raises(UserError) as refused:
        find_soft_targets([folder], [task])
    return str(refused.value)


@pytest.mark.parametrize("most_open", [1, 100])
def test_shards_are_joined_with_the_bits_of_one_folder(scored, tmp_path, monkeypatch, most_open):
    monkeypatch.setattr(joined_arrays, "_MOST_OPEN", most_open)
    task, encoded, predictions, _ = scored
    variances = np.random.default_rng(2).gamma(1.0, 3.0, len(encoded)).astype(np.float32)
    in_order = dataclasses.replace(encoded, example_ids=[encoded.example_ids[row] for row in ORDER])
    write_soft_targets(tmp_path / "one", task, in_order, predictions[ORDER], 2 * TEACHERS, variances[ORDER])
    write_in_shards(tmp_path / "shards", scored, SHARDS, variances=variances)
    one, shards = read_soft_targets(tmp_path / "one"), read_soft_targets(tmp_path / "shards")
    assert shards.example_ids == one.example_ids and shards.teachers == one.teachers == 2
    assert shards.variances is not None and one.variances is not None
    assert np.array_equal(shards.predictions, one.predictions) and np.array_equal(shards.variances, one.variances)
    assert np.array_equal(shards.rows.predictions[5:9], one.predictions[5:9])
    assert shards.example_ids[39] == one.example_ids[39] and shards.rows.predictions.shape == (40, 3)
    with pytest.raises(IndexError, match="rows must be 0 to 39, got 0 to 40"):
        shards.rows.predictions[np.array([0, 40])]
    rows = np.array([7, 0, 31, 12])
    given, expected = (join_soft_targets(targets, task, encoded, rows) for targets in (shards, one))
    assert np.array_equal(given, expected)
    given, expected = (
        join_variance_weights(targets, join_positions(targets, task, encoded, rows)) for targets in (shards, one)
    )
    assert np.array_equal(given, expected)


def test_a_folder_in_shards_is_found_and_verified(scored, store):
    assert holds_soft_targets(store)
    (targets,) = find_soft_targets([store], [scored.task]).values()
    assert targets.manifest["examples"] == 40 and len(targets.manifest["shards"]) == 3
    found = verify(store)
    assert not found.problems and not found.unchecked
    shutil.rmtree(store / scored.task.name / "b")
    assert "b/manifest.json: missing" in verify(store).problems[0]


@pytest.mark.parametrize("name", ["predictions.npy", "example_ids.txt", MANIFEST])
def test_a_damaged_shard_is_named(scored, store, name):
    path = store / scored.task.name / "c" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    message = _refused(store, scored.task)
    assert message.startswith(f"{path}: ") and "makes only what is missing or damaged" in message


def test_a_missing_shard_is_named(scored, store):
    shutil.rmtree(store / scored.task.name / "b")
    assert _refused(store, scored.task).startswith(f"{store / scored.task.name / 'b'}: the shard is missing; ")


def test_shards_that_are_not_complete_are_refused(scored, store):
    (store / scored.task.name / MANIFEST).unlink()
    assert f"{MANIFEST} is missing, its shards are not complete; " in _refused(store, scored.task)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teachers": TEACHERS}, 'shard of other teachers: must be [{"run": "1", "weights_sha256": "00", "weight": 1'),
        ({"label_names": ["neutral", "entails", "contradicts"]}, "shard of other label_names: must be ["),
        ({"average": "logits"}, 'shard of other average: must be "probabilities", got "logits"; '),
        ({"task": "other"}, 'shard of other task: must be "entailment", got "other"; '),
        ({"note": "of another day"}, "shard of another run: SHA-256 of manifest.json must be "),
    ],
)
def test_a_shard_of_something_else_is_named(scored, store, tmp_path, changed, message):
    write_shards(tmp_path / "other", scored, SHARDS, **changed)
    shutil.rmtree(store / scored.task.name / "b")
    (tmp_path / "other" / "b").rename(store / scored.task.name / "b")
    assert _refused(store, scored.task).startswith(f"{store / scored.task.name / 'b'}: {message}")


def test_labels_in_another_order_are_refused_before_training(scored, store):
    (targets,) = find_soft_targets([store], [scored.task]).values()
    turned = dataclasses.replace(scored.task, labels=scored.task.labels[::-1])
    with pytest.raises(UserError, match=r"label_names: soft targets .*'entails'.*, training .*'contradicts'"):
        join_soft_targets(targets, turned, scored.encoded, np.arange(3))


@pytest.mark.parametrize(
    ("shards", "where"),
    [
        ({**SHARDS, "b": ORDER[6:8]}, "in shards a and b"),
        ({**SHARDS, "b": np.repeat(ORDER[7], 2)}, "twice in shard b"),
        ({"a": SHARDS["a"], "c": SHARDS["c"]}, None),
    ],
)
def test_rows_that_are_not_those_of_the_data_are_refused(scored, tmp_path, shards, where):
    folder = tmp_path / "store"
    given = write_shards(folder, scored, shards)
    with pytest.raises(UserError, match=f"{folder}: the rows of its {len(shards)} shards are not those of the data"):
        write_manifest_over_all(folder, list(shards), **given)
    if where:
        # As if the data had the row twice.
        total = sum(int(json.loads((folder / name / MANIFEST).read_text())["data_sum"], 16) for name in shards)
        with pytest.raises(UserError, match=f"id '.+' is {where}; ids must be unique"):
            write_manifest_over_all(folder, list(shards), **{**given, "data_sum": f"{total % 2**256:064x}"})
    assert not (folder / MANIFEST).exists()


def test_other_numbers_or_files_than_the_first_shard_has_are_refused(scored, tmp_path):
    folder, variances = tmp_path / "store", np.ones(40, np.float32)
    given = write_shards(folder, scored, SHARDS)
    write_shards(folder, scored, {"b": SHARDS["b"]}, variances=variances)
    with pytest.raises(UserError, match="b: must have 0 files of variances as shard a, got 1"):
        write_manifest_over_all(folder, list(SHARDS), **given)
    manifest = read_manifest(folder / "c", "")
    manifest["data_sum"] = "12"
    write_manifest(folder / "c", manifest)
    with pytest.raises(UserError, match=r"c.manifest.json: data_sum must be 64 hexadecimal digits, got '12'"):
        write_manifest_over_all(folder, list(SHARDS), **given)


@pytest.mark.parametrize("name", ["../a", "/tmp", "a/../../b"])
def test_a_manifest_leads_to_no_folder_outside(scored, store, name):
    path = store / scored.task.name / MANIFEST
    manifest = read_manifest_only(path.parent, "")
    manifest["shards"][0]["name"] = name
    write_manifest(path.parent, manifest, manifest["files"])
    assert "must list only files within its folder" in _refused(store, scored.task)
