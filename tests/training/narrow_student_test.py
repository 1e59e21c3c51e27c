"""A student with fewer layers and a narrower encoder: trained, killed and continued, and exported."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.training.run import train

ROOT = Path(__file__).resolve().parents[2]


def test_a_killed_run_of_a_narrow_student_ends_with_the_same_weights_and_is_exported(config, tmp_path):
    config = config.replace(student_layers=(1,), student_dim=8, epochs=12, checkpoint_interval=20, evaluation="never")

    def command(folder):
        return [sys.executable, "-m", "tools.train", *config.replace(output_dir=folder).to_flagfile().split()]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(command(killed), cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list((killed / "checkpoints").glob("ckpt-*")) and process.poll() is None:
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert not (killed / "model").exists()
    subprocess.run(command(killed), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    weights = [(folder / "model" / "weights.safetensors").read_bytes() for folder in (whole, killed)]
    assert weights[0] == weights[1]
    with pytest.raises(UserError, match="student_dim: 8 before, None now"):
        train(config.replace(output_dir=whole, student_dim=None))

    loaded = load_model(killed)
    shape = loaded.model.backbone.config
    assert (shape.num_layers, shape.hidden_dim, shape.num_heads, shape.intermediate_dim) == (1, 8, 1, 16)
    export_model(loaded, tmp_path / "exports" / "1")
    texts = tf.constant(["the cat sees a dog", "not a small bird"])
    answered = tf.saved_model.load(str(tmp_path / "exports" / "1")).signatures["mood"](text_a=texts)
    inputs = to_model_inputs(pack(loaded.tokenizer.tokenize(texts), None, loaded.tokenizer, 32))
    logits = loaded.model.task_logits(inputs, "mood").numpy()
    np.testing.assert_allclose(answered["probabilities"], softmax(logits, axis=1), atol=1e-5)
