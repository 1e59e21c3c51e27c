from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.model_folder import LoadedModel
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model, tokenizer_of
from mtdnn_tf.modeling.pretrained import PretrainedBackbone
from mtdnn_tf.serving.export import DESCRIPTION, export_saved_model, export_version
from mtdnn_tf.tasks.task import CLASSIFICATION, REGRESSION, Task

_WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "mat",
    "fast",
    "slow",
    "not",
    "very",
    "good",
    "film",
    ",",
    ".",
    "e",
]
_VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, "##s", "##ed", "##er", "好", "😀")
_MAX_SEQUENCE_LENGTH = 24
_TOLERANCE = 1e-5

_SINGLE = Task(name="single", kind=CLASSIFICATION, text=("text",), labels=("bad", "goöd"), metrics=("accuracy",))
_PAIR = Task(name="pair", kind=CLASSIFICATION, text=("a", "b"), labels=("yes", "maybe", "no"), metrics=("accuracy",))
_DIAGNOSTIC = Task(
    name="diagnostic",
    kind=CLASSIFICATION,
    text=("a", "b"),
    labels=("yes", "maybe", "no"),
    metrics=("accuracy",),
    head_of="pair",
)
_MERGED = dataclasses.replace(
    _DIAGNOSTIC,
    name="merged",
    labels=("yes", "not_yes"),
    head_labels=(("yes", "yes"), ("maybe", "not_yes"), ("no", "not_yes")),
)
_SCORED = Task(name="scored", kind=REGRESSION, text=("a", "b"), metrics=("pearson",))
_TASKS = [_SINGLE, _PAIR, _DIAGNOSTIC, _SCORED]

# Run in a process that knows nothing of this project, as TF Serving does.
_CLIENT = """
import json, sys
import numpy as np
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load(sys.argv[1])
requests = json.load(open(sys.argv[2]))
answers = {}
for number, (signature, inputs) in enumerate(requests):
    tensors = {}
    for name, values in inputs.items():
        is_text = name.startswith("text")
        tensors[name] = tf.constant([bytes.fromhex(value) for value in values] if is_text else values,
                                    tf.string if is_text else tf.int32)
    for name, value in model.signatures[signature](**tensors).items():
        value = value.numpy()
        answers[f"{number}/{name}"] = np.char.decode(value.astype(bytes), "utf-8") if value.dtype == object else value
np.savez(sys.argv[3], **answers)
loaded = [name for name in sys.modules if name.split(".")[0] in ("mtdnn_tf", "keras_nlp", "official")]
assert not loaded, loaded
"""


def _loaded_model(tasks=(*_TASKS, _MERGED)):
    config = BackboneConfig(
        vocabulary_size=len(_VOCABULARY),
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_positions=_MAX_SEQUENCE_LENGTH,
    )
    pretrained = PretrainedBackbone("test", config, _VOCABULARY, lowercase=True, weights={})
    # Dropout is on in the model, so that an export that leaves it on is seen.
    model = build_multi_task_model(pretrained, tasks, dropout=0.5)
    random = np.random.default_rng(0)
    # Initial weights answer almost the same whatever the text.
    model.set_weights([weight + random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return LoadedModel(model, list(tasks), tokenizer_of(pretrained), _MAX_SEQUENCE_LENGTH, fingerprint="f" * 64)


def _texts(seed):
    random = np.random.default_rng(seed)
    words = [*_WORDS, "cats", "Runner", "Café", "unknown", "好", "😀", "👩‍👩‍👧", "\u200b", "[SEP]"]
    texts = ["", " ", "😀", "the cat sat", "x" * 10_000, "the cat sat . " * 714, "a\tb\nc\x00d", "[SEP] [CLS]"]
    while len(texts) < 200:
        texts.append(" ".join(random.choice(words, random.integers(1, 40))))
    encoded = [text.encode() for text in texts]
    encoded[8] = b"not \xff UTF-8 \xc3"
    return [encoded[index] for index in random.permutation(200)]


_TEXTS_A, _TEXTS_B = _texts(1), _texts(2)
# Batches of 1, 7 and 64.
_PARTS = [
    *(slice(row, row + 1) for row in range(0, 200, 10)),
    *(slice(start, min(start + size, 200)) for size in (7, 64) for start in range(0, 200, size)),
]


def _encode(loaded, task, rows):
    tokens = [loaded.tokenizer.tokenize(tf.constant(_TEXTS_A[rows]))]
    tokens.append(loaded.tokenizer.tokenize(tf.constant(_TEXTS_B[rows])) if task.is_pair else None)
    inputs = to_model_inputs(pack(tokens[0], tokens[1], loaded.tokenizer, loaded.max_sequence_length))
    return {name: values.numpy().astype(np.int32) for name, values in inputs.items()}


def _request_texts(task, rows):
    texts = {"text_a": _TEXTS_A[rows], "text_b": _TEXTS_B[rows]}
    return {name: [text.hex() for text in texts[name]] for name in list(texts)[: len(task.text)]}


def _softmax(logits):
    exponentials = np.exp(logits.astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(name="loaded", scope="module")
def _shared_model():
    return _loaded_model()


@pytest.fixture(name="exported", scope="module")
def _shared_export(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "1"
    export_saved_model(loaded, folder)
    return folder


def _requests(inputs):
    """Names what is asked of the exported model: for each name a signature and its inputs."""
    requests = {task.name: (task.name, _request_texts(task, slice(0, 200))) for task in _TASKS}
    for name, arrays in inputs.items():
        requests[f"tokens of {name}"] = ("tokens", {key: array.tolist() for key, array in arrays.items()})
    requests.update({f"rows {part.start} {part.stop}": (_PAIR.name, _request_texts(_PAIR, part)) for part in _PARTS})
    return requests


def _ask(python, exported, requests, folder):
    """Returns the exported model's outputs for each named request, computed in another process."""
    (folder / "requests.json").write_text(json.dumps(list(requests.values())))
    ran = subprocess.run(
        [python, "-c", _CLIENT, str(exported), "requests.json", "answers.npz"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    answers: dict[str, dict[str, np.ndarray]] = {name: {} for name in requests}
    with np.load(folder / "answers.npz") as arrays:
        for key in arrays:
            number, output = key.split("/")
            answers[list(requests)[int(number)]][output] = arrays[key]
    return answers


@pytest.fixture(name="inputs", scope="module")
def _encoded_texts(loaded):
    return {task.name: _encode(loaded, task, slice(0, 200)) for task in _TASKS}


@pytest.fixture(name="answers", scope="module")
def _answers_of_another_process(exported, inputs, tmp_path_factory):
    return _ask(sys.executable, exported, _requests(inputs), tmp_path_factory.mktemp("client"))


@pytest.mark.parametrize("task", _TASKS, ids=lambda task: task.name)
def test_texts_tokens_and_the_python_model_agree_in_another_process(loaded, inputs, answers, task):
    by_texts, by_tokens = answers[task.name], answers[f"tokens of {task.name}"]
    logits = loaded.model(inputs[task.name], training=False)[task.head_task].numpy()
    assert logits.std(axis=0).min() > 0.1
    assert set(by_tokens) == {task.name for task in _TASKS}
    np.testing.assert_allclose(by_tokens[task.name], logits, atol=_TOLERANCE)
    if task.kind == REGRESSION:
        assert set(by_texts) == {"score"}
        np.testing.assert_allclose(by_texts["score"], logits[:, 0], atol=_TOLERANCE)
        return
    probabilities = _softmax(logits)
    assert set(by_texts) == {"label", "probabilities", "label_names"}
    np.testing.assert_allclose(by_texts["probabilities"], probabilities, atol=_TOLERANCE)
    assert by_texts["label"].tolist() == [task.labels[index] for index in probabilities.argmax(axis=1)]
    assert len(set(by_texts["label"].tolist())) > 1
    assert by_texts["label_names"].tolist() == [list(task.labels)] * 200


def test_a_rows_answer_does_not_depend_on_its_batch(answers):
    whole = answers[_PAIR.name]["probabilities"]
    for part in _PARTS:
        alone = answers[f"rows {part.start} {part.stop}"]["probabilities"]
        np.testing.assert_allclose(alone, whole[part], atol=_TOLERANCE, err_msg=str(part))


def test_signatures_leave_batch_and_length_free_and_name_their_inputs(exported):
    signatures = tf.saved_model.load(str(exported)).signatures
    assert set(signatures) == {"single", "pair", "diagnostic", "scored", "tokens"}
    described = {
        name: {
            key: (spec.dtype.name, spec.shape.as_list())
            for key, spec in signature.structured_input_signature[1].items()
        }
        for name, signature in signatures.items()
    }
    text = ("string", [None])
    assert described["single"] == {"text_a": text}
    assert described["pair"] == described["diagnostic"] == described["scored"] == {"text_a": text, "text_b": text}
    assert described["tokens"] == {
        name: ("int32", [None, None]) for name in ("token_ids", "segment_ids", "padding_mask")
    }
    outputs = {
        name: {key: spec.shape.as_list() for key, spec in signature.structured_outputs.items()}
        for name, signature in signatures.items()
    }
    assert outputs["pair"] == {"label": [None], "probabilities": [None, 3], "label_names": [None, 3]}
    assert outputs["scored"] == {"score": [None]}
    assert outputs["tokens"] == {"single": [None, 2], "pair": [None, 3], "diagnostic": [None, 3], "scored": [None, 1]}


def test_only_weights_and_signatures_are_saved(loaded, exported):
    saved = tf.train.list_variables(str(exported / "variables" / "variables"))
    weights = [name for name, _ in saved if name.endswith("VARIABLE_VALUE")]
    assert len(weights) == len(loaded.model.variables)
    assert not (exported / "keras_metadata.pb").exists()


def test_description_stands_beside_the_graph(exported):
    description = json.loads((exported / DESCRIPTION).read_text())
    assert description["model_fingerprint"] == "f" * 64
    assert description["max_sequence_length"] == _MAX_SEQUENCE_LENGTH
    assert description["tasks"]["pair"] == {"kind": "classification", "texts": 2, "labels": ["yes", "maybe", "no"]}
    assert description["tasks"]["scored"] == {"kind": "regression", "texts": 2, "labels": []}


def test_a_version_that_stands_is_refused(loaded, tmp_path):
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "mine").write_text("kept")
    with pytest.raises(UserError, match="exists"):
        export_saved_model(loaded, folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["1", "mine"]


def test_a_reader_sees_an_export_complete_or_not_at_all(exported, tmp_path):
    expected = {str(path.relative_to(exported)) for path in exported.rglob("*")}
    loaded = _loaded_model([_SINGLE])
    seen: list[set[str]] = []
    ended = threading.Event()

    def watch():
        while not ended.wait(0.001):
            for version in tmp_path.glob("[0-9]*"):
                seen.append({str(path.relative_to(version)) for path in version.rglob("*")})

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(2):
            export_saved_model(loaded, export_version(tmp_path))
    finally:
        ended.set()
        watcher.join()
    assert seen
    assert all(files == expected for files in seen)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


class _NoisyHead(tf.keras.layers.Layer):
    """Adds noise outside of training too."""

    def call(self, encoded, training=None):
        pooled = encoded["pooled_output"]
        return pooled[:, :2] + tf.random.normal(tf.shape(pooled[:, :2]))


def test_a_graph_that_a_server_cannot_load_never_appears(tmp_path):
    loaded = _loaded_model([_SINGLE])
    loaded.model.heads["single"] = _NoisyHead()
    with pytest.raises(UserError, match="RandomStandardNormal"):
        export_saved_model(loaded, tmp_path / "1")
    assert not list(tmp_path.iterdir())


def test_a_task_named_like_the_signature_for_token_ids_is_refused(tmp_path):
    tokens = Task(name="tokens", kind=REGRESSION, text=("text",), metrics=("pearson",))
    with pytest.raises(UserError, match="rename the task"):
        export_saved_model(_loaded_model([tokens]), tmp_path / "1")
    assert not list(tmp_path.iterdir())


def test_versions_count_up_from_the_highest(tmp_path):
    served = tmp_path / "served"
    assert export_version(served) == served / "1"
    for name in ("3", "0010", ".11.temporary", "latest"):
        (served / name).mkdir(parents=True)
    assert export_version(served) == served / "11"
    assert export_version(served, 4) == served / "4"


@pytest.mark.parametrize(("version", "message"), [(3, "version 3 exists"), (0, "1 or more, 0 given")])
def test_versions_that_cannot_be_are_refused(tmp_path, version, message):
    (tmp_path / "3").mkdir()
    with pytest.raises(UserError, match=message):
        export_version(tmp_path, version)
