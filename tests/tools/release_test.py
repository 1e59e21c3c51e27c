from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401
from safetensors.numpy import load_file, save_file

from mtdnn_tf.release.layout import write_checksums

_TASKS = ("mood", "entailment", "similarity")


def _metrics(run):
    return json.loads((run / "metrics" / "validation.json").read_text())


@pytest.fixture(name="release", scope="module")
def _released(binaries, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases") / "mood"
    runs = [
        {"seed": seed, "metrics": {task: _metrics(run)[task] for task in _TASKS}}
        for seed, run in enumerate(trained.runs)
    ]
    results = folder.parent / "results.json"
    results.write_text(json.dumps({"models": [{"name": "twins", "role": "student", "runs": runs}]}))
    flags = (f"--run={trained.runs[0]}", f"--release={folder}", f"--release_metrics={results}")
    result = binaries.run("export", *flags)
    assert result.status == 0, result.stderr
    assert "written and verified" in result.stderr
    # A temporary folder is gone.
    assert sorted(path.name for path in folder.parent.iterdir()) == ["mood", "results.json"]
    return folder


def test_a_release_holds_every_part_of_the_run(binaries, trained, release, tmp_path):
    weights = load_file(trained.runs[0] / "model" / "weights.safetensors")
    encoder = load_file(release / "backbone_huggingface" / "model.safetensors")
    assert all(np.array_equal(encoder[name[9:]], array) for name, array in weights.items() if name[:9] == "backbone.")
    for task in _TASKS:
        head = load_file(release / "heads" / f"{task}.safetensors")
        assert np.array_equal(head["logits.kernel"], weights[f"heads.{task}.0"])
        assert np.array_equal(head["logits.bias"], weights[f"heads.{task}.1"])
    assert (release / "config.flags").read_bytes() == (trained.runs[0] / "config.flags").read_bytes()
    assert json.loads((release / "labels.json").read_text())["mood"] == ["bad", "good"]
    assert (release / "backbone_keras_nlp" / "model.weights.h5").is_file()
    assert sorted(path.name for path in (release / "serving").iterdir()) == ["1", "batching.config", "models.config"]

    output = tmp_path / "mood.tsv"
    predict = (*trained.flags, "--tasks=mood", "--split=test", f"--run={trained.runs[0]}", f"--output={output}")
    assert binaries.run("predict", *predict).status == 0
    with output.open(newline="") as file:
        expected = [float(row["probability_good"]) for row in csv.DictReader(file, delimiter="\t")]
    with (trained.folder / "tasks" / "mood_test.tsv").open(newline="") as file:
        texts = [row["sentence"] for row in csv.DictReader(file, delimiter="\t")]
    answers = tf.saved_model.load(str(release / "serving" / "1")).signatures["mood"](text_a=tf.constant(texts))
    np.testing.assert_allclose(answers["probabilities"][:, 1], expected, atol=1e-5)


def test_the_card_tells_tasks_metrics_with_spread_and_limits(trained, release):
    card = (release / "README.md").read_text()
    values = [_metrics(run)["mood"]["accuracy"] for run in trained.runs]
    assert f"| mood | accuracy | {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f} | 2 |" in card
    assert "| mood | classification | sentence | bad, good |" in card
    assert "| similarity | regression | first, second | a score |" in card
    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        *("Intended use", "Data", "Teachers", "Metrics", "Calibration", "Limits", "Files", "Serve", "Reproduce")
    ]
    # This encoder's GELU is exact, and KerasNLP's is not.
    assert "Outputs differ by up to" in card
    assert str(trained.folder) not in card + (release / "LICENCES.md").read_text()


def test_a_release_is_verified_and_never_replaced(binaries, trained, release):
    before = (release / "SHA256SUMS").read_bytes()
    result = binaries.run("verify_release", f"--release={release}")
    assert result.status == 0, result.stderr
    assert f"{len(before.splitlines())} files intact; answers to 3 tasks differ by at most" in result.stderr
    result = binaries.run("export", f"--run={trained.runs[1]}", f"--release={release}")
    assert result.status == 1
    assert "must not exist" in result.stderr
    assert (release / "SHA256SUMS").read_bytes() == before


def test_a_release_of_int8_weights_is_compared_with_weights_rounded_alike(binaries, trained, tmp_path):
    folder = tmp_path / "mood"
    result = binaries.run("export", f"--run={trained.runs[0]}", f"--release={folder}", "--weights=int8")
    assert result.status == 0, result.stderr
    assert "large matrices in int8" in (folder / "README.md").read_text()
    description = folder / "serving" / "1" / "assets.extra" / "mtdnn_tf.json"
    description.write_text(description.read_text().replace('"int8"', '"float32"'))
    write_checksums(folder)
    result = binaries.run("verify_release", f"--release={folder}")
    assert result.status == 1
    assert "differently" in result.stderr


def _shift_head(folder):
    path = folder / "heads" / "mood.safetensors"
    arrays = load_file(path)
    save_file({**arrays, "logits.bias": arrays["logits.bias"] + np.array([0.001, 0], np.float32)}, path)


def _swap_labels(folder):
    path = folder / "labels.json"
    path.write_text(path.read_text().replace("bad", "worse"))


def _shift_preset(folder):
    path = folder / "backbone_huggingface" / "model.safetensors"
    arrays = load_file(path)
    arrays["pooler.dense.bias"] = arrays["pooler.dense.bias"] + np.float32(1e-3)
    save_file(arrays, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_shift_head, "answers task mood differently"),
        (_swap_labels, "has other labels than tasks.json"),
        (_shift_preset, "holds another encoder than backbone_huggingface"),
        (lambda folder: (folder / "serving" / "1" / "saved_model.pb").unlink(), "cannot be loaded as a SavedModel"),
    ],
)
def test_parts_that_do_not_belong_together_are_told_though_checksums_match(binaries, release, tmp_path, change, words):
    changed = tmp_path / "changed"
    shutil.copytree(release, changed)
    change(changed)
    result = binaries.run("verify_release", f"--release={changed}")
    assert (result.status, "checksum" in result.stderr or "missing" in result.stderr) == (1, True)
    write_checksums(changed)
    result = binaries.run("verify_release", f"--release={changed}")
    assert result.status == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
