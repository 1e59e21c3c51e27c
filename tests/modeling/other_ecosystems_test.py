"""Checks what is written in the ecosystems it is written for; each needs an interpreter of its own.

MTDNN_TF_TORCH_PYTHON names a Python with torch and transformers, MTDNN_TF_KERAS3_PYTHON one with keras-nlp on Keras 3.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder

pytestmark = pytest.mark.slow
TEXT = "The big café cat sees a red bird, not dogs."
IN_TRANSFORMERS = """
import json, sys
import numpy as np, torch
from transformers import AutoModel, AutoTokenizer
folder, inputs, outputs, text = sys.argv[1:]
arrays = {name: torch.tensor(value.astype("int64")) for name, value in np.load(inputs).items()}
model, notes = AutoModel.from_pretrained(folder, output_loading_info=True)
assert not any(notes.values()), notes
with torch.no_grad():
    result = model.eval()(arrays["token_ids"], arrays["padding_mask"], arrays["segment_ids"])
np.savez(outputs, sequence_output=result.last_hidden_state.numpy(), pooled_output=result.pooler_output.numpy())
tokenizer = AutoTokenizer.from_pretrained(folder)
print(json.dumps(tokenizer(text, add_special_tokens=False)["input_ids"]))
"""
IN_KERAS_3 = """
import json, os, sys
assert "TF_USE_LEGACY_KERAS" not in os.environ
import keras, keras_nlp
import numpy as np
assert keras.__version__ >= "3" and keras_nlp.models.BertBackbone.__mro__[-2].__module__.startswith("keras.")
folder, inputs, outputs, text = sys.argv[1:]
model = keras_nlp.models.BertBackbone.from_preset(folder)
result = model({name: value.astype("int32") for name, value in np.load(inputs).items()}, training=False)
np.savez(outputs, **{name: keras.ops.convert_to_numpy(value) for name, value in result.items()})
tokenizer = keras_nlp.models.BertTokenizer.from_preset(folder)
print(json.dumps(np.asarray(tokenizer(text)).tolist()))
"""


def _run(variable: str, program: str, folder: Path, tmp_path: Path, inputs: dict[str, np.ndarray]):
    """Returns the outputs and the ids of TEXT that another interpreter computes from a folder."""
    interpreter = os.environ.get(variable)
    if not interpreter:
        pytest.skip(f"{variable} names no interpreter")
    np.savez(tmp_path / "inputs.npz", **inputs)
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    environment.update(KERAS_BACKEND="tensorflow", HF_HUB_OFFLINE="1")
    arguments = [str(folder), str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz"), TEXT]
    command = [interpreter, "-c", program, *arguments]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return np.load(tmp_path / "outputs.npz"), json.loads(result.stdout.splitlines()[-1])


def _inputs() -> dict[str, np.ndarray]:
    mask = np.arange(12) < np.array([[12], [5], [9]])
    token_ids = np.where(mask, np.random.default_rng(4).integers(5, len(VOCABULARY), (3, 12)), 0)
    return {"token_ids": token_ids, "segment_ids": np.where(mask & (np.arange(12) > 6), 1, 0), "padding_mask": mask}


def _check(outputs, weights, inputs, hidden_act):
    mask = inputs["padding_mask"]
    sequence, pooled = bert(weights, inputs["token_ids"], inputs["segment_ids"], mask, 2, 2, hidden_act)
    np.testing.assert_allclose(outputs["sequence_output"][mask], sequence[mask], atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu"])
def test_transformers_loads_a_hugging_face_folder(tmp_path, hidden_act):
    weights = write_huggingface_folder(tmp_path / "bert", hidden_act)
    pretrained = find_backbone(str(tmp_path / "bert"))
    convert(pretrained, tmp_path / "out", "huggingface")
    inputs = _inputs()
    outputs, ids = _run("MTDNN_TF_TORCH_PYTHON", IN_TRANSFORMERS, tmp_path / "out", tmp_path, inputs)
    _check(outputs, weights, inputs, hidden_act)
    assert ids == pretrained.tokenizer().tokenize([TEXT])[0].numpy().tolist()


def test_keras_3_loads_a_preset(tmp_path):
    weights = write_huggingface_folder(tmp_path / "bert", "gelu_new")
    pretrained = find_backbone(str(tmp_path / "bert"))
    convert(pretrained, tmp_path / "out", "keras_nlp")
    inputs = _inputs()
    outputs, ids = _run("MTDNN_TF_KERAS3_PYTHON", IN_KERAS_3, tmp_path / "out", tmp_path, inputs)
    _check(outputs, weights, inputs, "gelu_new")
    assert ids == pretrained.tokenizer().tokenize([TEXT])[0].numpy().tolist()


@pytest.mark.real_data
def test_the_demo_encoder_in_transformers(tmp_path):
    pretrained = find_backbone("demo")
    convert(pretrained, tmp_path / "out", "huggingface")
    before, after = (load_file(folder / "model.safetensors") for folder in (Path(pretrained.source), tmp_path / "out"))
    before.pop("embeddings.position_ids", None)
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    inputs = _inputs()
    theirs, their_ids = _run("MTDNN_TF_TORCH_PYTHON", IN_TRANSFORMERS, Path(pretrained.source), tmp_path, inputs)
    expected = dict(theirs)
    outputs, ids = _run("MTDNN_TF_TORCH_PYTHON", IN_TRANSFORMERS, tmp_path / "out", tmp_path, inputs)
    assert ids == their_ids
    for name, array in expected.items():
        np.testing.assert_array_equal(outputs[name], array)
