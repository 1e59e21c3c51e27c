"""Shards of a scoring, merged, against the same scoring in one piece: every file, byte for byte."""

import dataclasses
import functools
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.batching import inference_batches
from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.soft_targets import find_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles import shard_parts
from mtdnn_tf.evaluation.ensembles import shards as shards_module
from mtdnn_tf.evaluation.ensembles.shard import Shard
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.interruption import Interrupted
from mtdnn_tf.json_files import write_checked_json
from mtdnn_tf.locks import lock_beside, locked
from mtdnn_tf.manifests import MANIFEST, read_manifest, verify, write_manifest
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel, load_model
from tests.evaluation.ensembles.conftest import BATCH


@pytest.fixture(scope="module")
def shards(scoring, tmp_path_factory):
    """Returns a folder with three complete shards of the task `mood`."""
    output_dir = tmp_path_factory.mktemp("mood") / "soft"
    for index in range(3):
        scoring(tasks=_mood(scoring), output_dir=output_dir, shard=Shard(index, 3))
    return output_dir


def _mood(scoring):
    return scoring.keywords["tasks"][:1]


def _files(folder, prefix=""):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {prefix + str(path.relative_to(folder)): path.read_bytes() for path in files}


def _soft_targets(folder):
    return {name: content for name, content in _files(folder).items() if not name.startswith("_shards/")}


def test_merged_shards_are_the_soft_targets_of_one_call(scoring, tmp_path):
    # 12 rows make 2 batches: the third shard has none of them.
    count = 3
    options = {"fit_weights_on": "validation", "average": "logits", "train_part": Part(max_examples=12, seed=3)}
    names = scoring(output_dir=tmp_path / "whole", **options)
    assert names == ["mood", "similarity", "answers"]
    for index in reversed(range(count)):
        assert scoring(output_dir=tmp_path / "parts", shard=Shard(index, count), **options) == names
    assert not _soft_targets(tmp_path / "parts")
    with pytest.raises(UserError, match="no soft targets of mood"):
        find_soft_targets([tmp_path / "parts"], _mood(scoring))
    assert scoring(output_dir=tmp_path / "parts", merge=count, **options) == names
    whole = _files(tmp_path / "whole")
    assert len(whole) == 3 * 4
    assert _soft_targets(tmp_path / "parts") == whole


def test_merged_shards_are_the_out_of_fold_soft_targets_of_one_call(scoring, tmp_path):
    runs = []
    for held_out, run in enumerate(scoring.keywords["runs"]):
        runs.append(tmp_path / run.name)
        shutil.copytree(run, runs[-1])
        write_checked_json(runs[-1] / "config.json", {"folds": 2, "held_out_fold": held_out})
    scoring(runs=runs, output_dir=tmp_path / "whole")
    for index in range(2):
        scoring(runs=runs, output_dir=tmp_path / "parts", shard=Shard(index, 2))
    scoring(runs=runs, output_dir=tmp_path / "parts", merge=2)
    assert _soft_targets(tmp_path / "parts") == _files(tmp_path / "whole")
    with pytest.raises(UserError, match=r"mood-train/0_of_2: of other folds: \[\[2, 0\], \[2, 1\]\] in the shard, "):
        scoring(output_dir=tmp_path / "parts", merge=2)
    with pytest.raises(UserError, match="missing: 1 with --folds=2 --held_out_fold=1"):
        scoring(runs=runs[:1], output_dir=tmp_path / "none", shard=Shard(0, 3))
    assert not (tmp_path / "none").exists()


def test_weights_and_average_are_chosen_at_the_merge(scoring, shards, tmp_path):
    shutil.copytree(shards, tmp_path / "parts")
    for options in ({"weights": [1.0, 3.0]}, {"average": "logits"}):
        scoring(tasks=_mood(scoring), output_dir=tmp_path / "parts", merge=3, **options)
        scoring(tasks=_mood(scoring), output_dir=tmp_path / "whole", **options)
        assert _soft_targets(tmp_path / "parts") == _files(tmp_path / "whole")


def test_a_shard_that_stands_is_not_scored_again_unless_it_is_damaged(scoring, shards, tmp_path):
    output_dir = tmp_path / "parts"
    shutil.copytree(shards, output_dir)
    file = output_dir / "_shards" / "mood-train" / "1_of_3" / "outputs_0.npy"
    before = (_files(output_dir), file.stat().st_ino)
    call = functools.partial(scoring, tasks=_mood(scoring), output_dir=output_dir, shard=Shard(1, 3))
    call()
    assert (_files(output_dir), file.stat().st_ino) == before
    file.write_bytes(file.read_bytes()[:-1])
    call()
    assert _files(output_dir) == before[0]
    assert not verify(output_dir).problems and len(verify(output_dir).intact) == 3 * 5
    call(inference=InferenceSettings(4))
    assert _files(output_dir) != before[0]


def test_an_interrupted_shard_continues_where_it_stopped(scoring, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_parts, "_BATCHES_PER_PART", 1)
    predicted: list[np.ndarray] = []
    head_outputs = Predictor.head_outputs

    def stop_at_the_third_part(self, encoded, rows):
        if len(predicted) == 2:
            raise Interrupted(signal.SIGTERM)
        predicted.append(rows)
        return head_outputs(self, encoded, rows)

    call = functools.partial(scoring, tasks=_mood(scoring), output_dir=tmp_path, shard=Shard(0, 3))
    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="in shard 0/3"):
        patched.setattr(Predictor, "head_outputs", stop_at_the_third_part)
        call()
    folder = tmp_path / "_shards" / "mood-train"
    assert sorted(path.name for path in folder.glob("parts_0_3/*")) == ["0_0", "0_8"]
    # The first teacher has nothing left to predict and is not loaded.
    loaded: list[Path] = []

    def load(run: Path) -> LoadedModel:
        loaded.append(run)
        return load_model(run)

    monkeypatch.setattr(shards_module, "load_model", load)
    call()
    assert loaded == scoring.keywords["runs"][1:]
    assert _files(folder) == _files(shards / "_shards" / "mood-train" / "0_of_3", "0_of_3/")


def test_a_shard_that_another_process_writes_is_refused(scoring, shards):
    folder = shards / "_shards" / "mood-train" / "1_of_3"
    call = functools.partial(scoring, tasks=_mood(scoring), output_dir=shards)
    with locked(lock_beside(folder), "the test's"):
        with pytest.raises(UserError, match=r"--shard 1/3 in .*mood-train: in use by process \d+ of "):
            call(shard=Shard(1, 3))
        call(shard=Shard(2, 3))


def _cut(folder):
    """Takes the last row out of a shard, which is intact otherwise."""
    for name in ("rows_0.npy", "outputs_0.npy"):
        np.save(folder / name, np.load(folder / name)[:-1])
    write_manifest(folder, _content(folder))


def _content(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    return {name: value for name, value in manifest.items() if name not in ("files", "manifest_sha256")}


def _flip(folder):
    content = bytearray((folder / "outputs_1.npy").read_bytes())
    content[-1] ^= 1
    (folder / "outputs_1.npy").write_bytes(content)


def _newer(folder):
    write_manifest(folder, {**_content(folder), "schema": 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shutil.rmtree, r"mood-train: 1 of 3 shards are missing: 1/3; run mtdnn score --shard=1/3 with the same flags"),
        (_flip, r"1_of_3/outputs_1.npy: checksum does not match, the file is damaged; run mtdnn score --shard=1/3"),
        (lambda folder: (folder / "rows_0.npy").unlink(), "1_of_3/rows_0.npy: missing; run mtdnn score --shard=1/3"),
        (lambda folder: (folder / MANIFEST).unlink(), "1_of_3: manifest.json is missing; run mtdnn score --shard=1/3"),
        (_newer, "1_of_3: written by a newer version"),
        (_cut, "mood-train: the 3 shards together have 39 rows of run0, not the 40 that it is asked for, each once"),
    ],
)
def test_a_missing_or_damaged_shard_is_refused_by_the_merge(scoring, shards, tmp_path, change, message):
    output_dir = tmp_path / "parts"
    shutil.copytree(shards, output_dir)
    change(output_dir / "_shards" / "mood-train" / "1_of_3")
    with pytest.raises(UserError, match=message) as caught:
        scoring(tasks=_mood(scoring), output_dir=output_dir, merge=3)
    assert "\n" not in str(caught.value)
    assert not _soft_targets(output_dir)


def test_shards_of_something_else_are_refused_by_the_merge(scoring, shards, tmp_path):
    runs, (mood,) = scoring.keywords["runs"], _mood(scoring)
    changed = tmp_path / "mood_train.tsv"
    text = (runs[0].parent / "tasks" / "mood_train.tsv").read_text()
    changed.write_text(text.replace("cat", "dog", 1))
    files = {**mood.files, "train": dataclasses.replace(mood.files["train"], path=str(changed))}
    other = {
        "teachers": {"runs": runs[::-1]},
        "teachers: ": {"runs": [runs[0]]},
        "batch_size: 8 in the shard, 16 asked for": {"inference": InferenceSettings(16)},
        'part: {"max_examples": null, ': {"train_part": Part(max_examples=30)},
        "data": {"tasks": [dataclasses.replace(mood, files=files)]},
    }
    for field, options in other.items():
        with pytest.raises(UserError) as caught:
            scoring(**{"tasks": [mood], **options}, output_dir=shards, merge=3)
        assert f"0_of_3: of other {field}" in str(caught.value) and "\n" not in str(caught.value)
    compiled = InferenceSettings(BATCH, strategy=tf.distribute.get_strategy())
    with pytest.raises(UserError, match="0_of_3: of other compiled: false in the shard, true asked for"):
        scoring(tasks=[mood], output_dir=shards, merge=3, inference=compiled)
    with pytest.raises(UserError, match=r"5 of 5 shards are missing \(shards there are of 3\): 0/5, 1/5"):
        scoring(tasks=[mood], output_dir=shards, merge=5)
    with pytest.raises(UserError, match=r"mood-validation: 3 of 3 shards are missing: 0/3, 1/3, 2/3; run mtdnn score"):
        scoring(tasks=[mood], output_dir=shards, merge=3, fit_weights_on="validation")
    # A folder that was given another number.
    shutil.copytree(shards, tmp_path / "parts")
    folder = tmp_path / "parts" / "_shards" / "mood-train"
    shutil.rmtree(folder / "1_of_3")
    shutil.copytree(folder / "0_of_3", folder / "1_of_3")
    with pytest.raises(UserError, match='1_of_3: of other shard: "0/3" in the shard, "1/3" asked for'):
        scoring(tasks=[mood], output_dir=tmp_path / "parts", merge=3)
    assert not _soft_targets(shards)
    assert read_manifest(folder / "0_of_3", "")["rows"] == [16, 16]


def test_damage_to_a_shard_is_told_by_verify(shards, tmp_path):
    shutil.copytree(shards, tmp_path / "parts")
    folder = tmp_path / "parts" / "_shards" / "mood-train" / "2_of_3"
    _flip(folder)
    (problem,) = verify(tmp_path / "parts").problems
    assert problem.startswith(f"{folder / 'outputs_1.npy'}: checksum does not match")


def test_a_shard_of_many_rows_encodes_its_own_part(scoring, tmp_path, monkeypatch):
    # 40 rows are 5 windows: two whole ones for each shard, and one that both divide.
    monkeypatch.setattr(inference_batches, "_BATCHES_PER_WINDOW", 1)
    given = {"runs": scoring.keywords["runs"][:1], "tasks": _mood(scoring)}
    source = scoring.keywords["data"].source
    scoring(output_dir=tmp_path / "whole", **given)
    for index in range(2):
        cache = tmp_path / f"cache{index}"
        call = functools.partial(scoring, output_dir=tmp_path / "parts", data=TaskData(source, cache), **given)
        call(shard=Shard(index, 2))
        manifests = [json.loads(path.read_text()) for path in cache.glob("mood/*/manifest.json")]
        assert [manifest["rows"] for manifest in manifests if "rows" in manifest] == [24]
    merged = TaskData(source, tmp_path / "cache")
    scoring(output_dir=tmp_path / "parts", merge=2, data=merged, **given)
    assert not list((tmp_path / "cache").rglob("token_ids.npy"))
    assert _soft_targets(tmp_path / "parts") == _files(tmp_path / "whole")
