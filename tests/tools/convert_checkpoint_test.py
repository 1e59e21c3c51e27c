from __future__ import annotations

import json

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.conftest import Trained


def test_the_encoder_of_a_run_goes_out_and_comes_in_again(binaries, trained: Trained, tmp_path):
    run = trained.runs[0]
    weights = {
        name[len("backbone.") :]: array
        for name, array in load_file(run / "model" / "weights.safetensors").items()
        if name.startswith("backbone.")
    }
    google = (f"--from={run}", f"--to={tmp_path / 'google'}", "--format=google")
    refused = binaries.run("convert_checkpoint", *google)
    assert refused.status == 1
    assert "--accept_approximate_gelu" in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "google").exists()
    written = binaries.run("convert_checkpoint", *google, "--accept_approximate_gelu")
    assert written.status == 0, written.stderr
    assert "outputs change by up to" in written.stderr
    reader = tf.train.load_checkpoint(str(tmp_path / "google" / "bert_model.ckpt"))
    query = reader.get_tensor("bert/encoder/layer_1/attention/self/query/kernel")
    np.testing.assert_array_equal(query, weights["encoder.layer.1.attention.self.query.weight"].T)

    for source, name in ((tmp_path / "google", "preset"), (tmp_path / "preset", "back"), (run / "model", "direct")):
        layout = "keras_nlp" if name == "preset" else "huggingface"
        target = f"--to={tmp_path / name}"
        written = binaries.run("convert_checkpoint", f"--from={source}", target, f"--format={layout}")
        assert written.status == 0, written.stderr
        assert all(line[:1].isdigit() for line in written.stderr.splitlines()), written.stderr
    for name, act in (("back", "gelu_new"), ("direct", "gelu")):
        arrays = load_file(tmp_path / name / "model.safetensors")
        assert {key: array.tobytes() for key, array in arrays.items()} == {
            key: array.tobytes() for key, array in weights.items()
        }
        assert json.loads((tmp_path / name / "config.json").read_text())["hidden_act"] == act


def test_a_student_has_the_layers_that_were_picked(binaries, tmp_path):
    write_huggingface_folder(tmp_path / "bert", layers=4)
    file = load_file(tmp_path / "bert" / "model.safetensors")
    shared = (
        f"--task_file={write_tasks(tmp_path / 'tasks')}",
        "--tasks=mood",
        f"--cache_dir={tmp_path / 'cache'}",
        f"--backbone={tmp_path / 'bert'}",
        f"--output_dir={tmp_path / 'run'}",
        # So little is learned in an epoch that the weights stay near those that were picked.
        *("--max_sequence_length=32", "--epochs=1", "--batch_size=40", "--learning_rate=1e-8", "--evaluation=never"),
    )
    trained = binaries.run("train", *shared, "--student_layers=1,3")
    assert trained.status == 0, trained.stderr
    assert json.loads((tmp_path / "run" / "model" / "model.json").read_text())["backbone"]["num_layers"] == 2
    weights = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    for kept, picked in enumerate((1, 3)):
        name = "attention.self.query.weight"
        ours, theirs = weights[f"backbone.encoder.layer.{kept}.{name}"], file[f"encoder.layer.{picked}.{name}"]
        np.testing.assert_allclose(ours, theirs, atol=1e-6)

    assert "--student_layers=1,3" in (tmp_path / "run" / "config.flags").read_text().splitlines()
    other = binaries.run("train", *shared, "--student_layers=0,3")
    assert other.status == 1
    assert "student_layers: [1, 3] before, [0, 3] now" in other.stderr
    again = binaries.run("train", f"--flagfile={tmp_path / 'run' / 'config.flags'}")
    assert again.status == 0, again.stderr
    assert "already trained" in again.stderr
