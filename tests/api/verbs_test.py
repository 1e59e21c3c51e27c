from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import mtdnn_tf as mtdnn
from mtdnn_tf.errors import UserError
from tests.api.conftest import MOOD, SIMILARITY

ROOT = Path(__file__).parents[2]
TASKS = [MOOD, SIMILARITY]


def _weights(run: Path) -> str:
    return hashlib.sha256((run / "model" / "weights.safetensors").read_bytes()).hexdigest()


def _teachers(student) -> list[Path]:
    return sorted((student.folder.parent / "teachers").iterdir())


def test_the_student_learned_from_both_teachers_and_from_unlabelled_rows(student):
    folder = student.folder.parent
    assert [path.name for path in _teachers(student)] == ["1", "2"]
    flags = (student.folder / "config.flags").read_text(encoding="utf-8").splitlines()
    assert f"--soft_targets={folder / 'soft_targets'}" in flags and "--transfer_splits=unlabelled" in flags
    assert len({_weights(run) for run in (*_teachers(student), student.folder)}) == 3


def test_the_command_line_ends_with_the_same_bytes(student, tmp_path):
    command = [sys.executable, "-m", "tools.train", f"--flagfile={student.folder}/config.flags"]
    subprocess.run([*command, f"--output_dir={tmp_path}"], cwd=ROOT, check=True, capture_output=True)
    assert _weights(tmp_path) == _weights(student.folder)


def test_callbacks_see_the_losses_of_each_epoch_and_change_nothing(data, options, tmp_path):
    seen = []

    class Watch(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, {name for name in logs if name.endswith("/loss")}))

    tables = {"mood": {"train": data["mood"]["train"]}}
    runs = {}
    for name, callbacks in (("watched", [Watch()]), ("plain", [])):
        folder = tmp_path / name
        model = mtdnn.train(MOOD, tables, output_dir=folder, callbacks=callbacks, **{**options, "epochs": 2})
        runs[name] = _weights(model.folder)
    assert seen == [(0, {"mood/loss"}), (1, {"mood/loss"})]
    assert runs["watched"] == runs["plain"]


def test_the_same_call_keeps_what_is_finished(student, data, options):
    folder = student.folder.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = mtdnn.distill(TASKS, data, output_dir=folder, teachers=2, **options)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.folder == student.folder


def test_other_data_in_the_same_folder_are_refused(student, data, options):
    changed = {**data, "mood": {**data["mood"], "train": data["mood"]["train"].iloc[::-1]}}
    with pytest.raises(UserError, match="mood"):
        mtdnn.distill(TASKS, changed, output_dir=student.folder.parent, teachers=2, **options)


def test_teachers_score_the_data_of_their_trainings(student, tmp_path):
    scored = mtdnn.score(_teachers(student), output_dir=tmp_path / "again")
    assert list(scored) == ["mood", "similarity"]
    for task, targets in scored.items():
        written = student.folder.parent / "soft_targets" / task / "predictions.npy"
        np.testing.assert_allclose(targets.predictions, np.load(written), atol=1e-6)


def test_teachers_score_other_tables(student, data, tmp_path):
    texts = data["mood"]["validation"][["sentence"]]
    teachers = list(map(mtdnn.load, _teachers(student)))
    scored = mtdnn.score(teachers, MOOD, {"mood": texts}, output_dir=tmp_path, split="unlabelled")
    assert scored["mood"].manifest["split"] == "unlabelled"
    expected = sum(teacher.predict(texts, "mood")["probability_good"].to_numpy() for teacher in teachers) / 2
    np.testing.assert_allclose(scored["mood"].predictions[:, 1], expected, atol=2e-6)


def test_the_examples_that_teachers_are_least_sure_of_are_written(student, data, tmp_path):
    texts = data["mood"]["validation"][["sentence"]]
    given = {"output_dir": tmp_path, "split": "unlabelled", "rank_by": "variance", "top": 2}
    scored = mtdnn.score(_teachers(student), MOOD, {"mood": texts}, **given)["mood"]
    lines = [json.loads(line) for line in (tmp_path / "mood-unlabelled.variance.jsonl").read_text().splitlines()]
    variances = np.asarray(scored.variances).tolist()
    assert [line["why"]["variance"] for line in lines] == pytest.approx(sorted(variances, reverse=True)[:2], abs=1e-6)
    rows = [scored.example_ids.index(line["id"]) for line in lines]
    assert [line["sentence"] for line in lines] == texts["sentence"].iloc[rows].tolist()


def test_teachers_of_different_tables_and_lengths_score_given_ones(data, options, tmp_path):
    rows, teachers = data["mood"]["train"], []
    for number, part in enumerate((rows.head(24), rows.tail(24))):
        settings = {**options, "max_sequence_length": 24 + 8 * number, "output_dir": tmp_path / str(number)}
        teachers.append(mtdnn.train(MOOD, {"mood": part}, evaluation="never", **settings))
    with pytest.raises(UserError, match="`task_file` must be given"):
        mtdnn.score(teachers, output_dir=tmp_path / "own")
    scored = mtdnn.score(teachers, MOOD, {"mood": rows}, output_dir=tmp_path / "given")
    expected = sum(teacher.predict(rows[["sentence"]])["probability_good"].to_numpy() for teacher in teachers) / 2
    np.testing.assert_allclose(scored["mood"].predictions[:, 1], expected, atol=2e-6)


def test_given_teachers_score_the_students_own_data(student, data, options, tmp_path):
    rows = {"mood": {"train": data["mood"]["train"].head(16), "validation": data["mood"]["validation"]}}
    distilled = mtdnn.distill(MOOD, rows, output_dir=tmp_path, teachers=_teachers(student), **options)
    assert len((tmp_path / "soft_targets" / "mood" / "example_ids.txt").read_text().splitlines()) == 16
    assert distilled.tasks == ("mood",) and not (tmp_path / "teachers").exists()


def test_what_no_teacher_or_task_has_is_refused(student, data, options, tmp_path):
    with pytest.raises(UserError, match="unknown `split` 'unlabeled'; did you mean 'unlabelled'"):
        mtdnn.score(_teachers(student), output_dir=tmp_path, split="unlabeled")
    other = mtdnn.Classification("other", "sentence", ["bad", "good"], label="mood")
    with pytest.raises(UserError, match=r"`teachers` must answer other, got .*teachers/1"):
        mtdnn.distill(other, {"other": data["mood"]}, output_dir=tmp_path, teachers=_teachers(student), **options)


def test_tensorflow_that_was_used_before_is_told(data, tmp_path):
    data["mood"]["train"].to_csv(tmp_path / "mood.csv", index=False)
    code = """if True:
        import mtdnn_tf as mtdnn, tensorflow as tf
        tf.constant(1)
        mood = mtdnn.Classification("mood", "sentence", ["bad", "good"], label="mood")
        mtdnn.train(mood, {"mood": "mood.csv"}, output_dir="run", cache_dir="cache", backbone="tiny", epochs=1,
                    max_sequence_length=32, parallel_parts=2)
    """
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert "TensorFlow was used before" in told.stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data, folder: mtdnn.train(MOOD, output_dir=folder), "`data` must have a table for task 'mood'"),
        (lambda data, folder: mtdnn.train(MOOD, {"mod": data["mood"]}, output_dir=folder), "did you mean 'mood'"),
        (
            lambda data, folder: mtdnn.train(MOOD, {"mood": {"validation": data["mood"]["train"]}}, output_dir=folder),
            "must have a 'train' table",
        ),
        (
            lambda data, folder: mtdnn.train(MOOD, {"mood": data["mood"]["train"]}, output_dir=folder, epoch=1),
            "unknown option 'epoch'; did you mean 'epochs'",
        ),
        (
            lambda data, folder: mtdnn.train(MOOD, {"mood": data["mood"]["train"]}, output_dir=folder, epochs="3"),
            "`epochs` must be an integer, got '3'",
        ),
        (
            lambda data, folder: mtdnn.train(
                mtdnn.Classification("mood", "sentence", ["bad", "fine"], label="mood"),
                {"mood": data["mood"]["train"]},
                output_dir=folder,
                backbone="tiny",
            ),
            "good",
        ),
        (lambda data, folder: mtdnn.score([], output_dir=folder), "`teachers` must be one or more trained models"),
        (
            lambda data, folder: mtdnn.distill(MOOD, {"mood": data["mood"]}, output_dir=folder, teachers=0),
            "`teachers` must be an integer >= 1 or trained models, got 0",
        ),
        (lambda data, folder: mtdnn.load(folder / "none"), "no trained model here"),
    ],
)
def test_wrong_use_is_refused_in_one_line(call, message, data, tmp_path):
    with pytest.raises(mtdnn.UserError, match=message) as raised:
        call(data, tmp_path)
    assert "\n" not in str(raised.value)


def test_importing_the_package_does_not_import_tensorflow():
    code = "import sys, mtdnn_tf; mtdnn_tf.Classification('a', 't', ['x']); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_public_names_are_all_there():
    assert all(hasattr(mtdnn, name) for name in mtdnn.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        mtdnn.trian  # noqa: B018
