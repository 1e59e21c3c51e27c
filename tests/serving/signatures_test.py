from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.signatures import Steps
from tests.serving.examples import (
    MAX_SEQUENCE_LENGTH,
    MERGED,
    TASKS,
    WIDTH,
    ask,
    loaded_model,
    random_texts,
)

_TOLERANCE = 1e-5
_TEXTS_A, _TEXTS_B = random_texts(1), random_texts(2)
# Every second row is a single sentence.
_TEXTS_B_OR_NONE = [text if row % 2 else b"" for row, text in enumerate(_TEXTS_B)]
_HAS_SECOND = np.array([text != b"" for text in _TEXTS_B_OR_NONE])
# Batches of 1, 7 and 64.
_PARTS = [
    *(slice(row, row + 1) for row in range(0, 200, 16)),
    *(slice(start, start + 7) for start in range(0, 63, 7)),
    *(slice(start, min(start + 64, 200)) for start in range(0, 200, 64)),
]
_BY_TASK = {task.name: task for task in TASKS}


@pytest.fixture(name="loaded", scope="module")
def _shared_model():
    return loaded_model()


@pytest.fixture(name="exported", scope="module")
def _shared_export(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "1"
    export_model(loaded, folder)
    return folder


@pytest.fixture(name="inputs", scope="module")
def _model_inputs(loaded):
    """The first texts alone, and as pairs with the second ones, as the Python model reads them."""
    first, second = (loaded.tokenizer.tokenize(tf.constant(texts)) for texts in (_TEXTS_A, _TEXTS_B))
    return [
        to_model_inputs(pack(first, other, loaded.tokenizer, loaded.max_sequence_length)) for other in (None, second)
    ]


@pytest.fixture(name="logits", scope="module")
def _python_logits(loaded, inputs):
    """Logits [200, outputs] of the Python model by task, of single sentences and of pairs."""
    of_heads = [loaded.model(values, training=False) for values in inputs]
    return [{task.name: values[task.head_task].numpy() for task in TASKS} for values in of_heads]


def _serialized(texts_a, texts_b):
    rows = []
    for texts in zip(texts_a, texts_b):
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
            for name, text in zip(("text_a", "text_b"), texts)
        }
        rows.append(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return rows


def _requests(inputs):
    """What is asked of each signature, all 200 rows of it."""
    requests = {}
    examples = _serialized(_TEXTS_A, _TEXTS_B)
    for task in TASKS:
        texts = {"text_a": _TEXTS_A, "text_b": _TEXTS_B} if task.is_pair else {"text_a": _TEXTS_A}
        requests[task.name] = texts
        requests[f"{task.name}_{'classify' if task.kind == 'classification' else 'regress'}"] = {"inputs": examples}
    both = {"text_a": _TEXTS_A, "text_b": _TEXTS_B_OR_NONE}
    pairs = {name: values.numpy().astype(np.int32) for name, values in inputs[1].items()}
    return {**requests, "serving_default": both, "embed": both, "tokens": pairs}


@pytest.fixture(name="answers", scope="module")
def _answers_of_another_process(exported, inputs, tmp_path_factory):
    requests = [
        (name, {key: values[part] for key, values in tensors.items()})
        for name, tensors in _requests(inputs).items()
        for part in _PARTS
    ]
    found = ask(exported, requests, tmp_path_factory.mktemp("client"))
    by_signature: dict[str, list[dict[str, np.ndarray]]] = {}
    for (name, _), answer in zip(requests, found):
        by_signature.setdefault(name, []).append(answer)
    return by_signature


def _expected_of_task(task, logits):
    values = logits[task.is_pair][task.name]
    # A model that answers alike whatever it is asked would hide a mistake.
    assert values.std(axis=0).min() > 0.1
    if task.kind != "classification":
        return {"score": values[:, 0]}
    probabilities = softmax(values.astype(np.float64), axis=1)
    labels = np.array(task.labels)[probabilities.argmax(axis=1)]
    assert len(set(labels)) > 1
    return {"label": labels, "probabilities": probabilities, "label_names": np.array([task.labels] * len(values))}


def _expected(name, loaded, logits, inputs):
    if name in _BY_TASK:
        return _expected_of_task(_BY_TASK[name], logits)
    if name == "tokens":
        return logits[1]
    if name == "embed":
        single, pair = (loaded.model.encode(values)["pooled_output"].numpy() for values in inputs)
        return {"embedding": np.where(_HAS_SECOND[:, None], pair, single)}
    if name == "serving_default":
        answers = {}
        for task in TASKS:
            applicable = _HAS_SECOND if task.is_pair else ~_HAS_SECOND
            answer = _expected_of_task(task, logits)
            for key, none in (("label", ""), ("probabilities", 0.0), ("score", 0.0)):
                if key in answer:
                    answer[key] = np.array(answer[key])
                    answer[key][~applicable] = none
            answers.update({f"{task.name}_{key}": value for key, value in answer.items()})
            answers[f"{task.name}_applicable"] = applicable
        return answers
    task, _, verb = name.rpartition("_")
    answer = _expected_of_task(_BY_TASK[task], logits)
    if verb == "regress":
        return {"outputs": answer["score"]}
    return {"classes": answer["label_names"], "scores": answer["probabilities"]}


_NAMES = [
    *("serving_default", "tokens", "embed", "single", "single_classify", "pair", "pair_classify"),
    *("diagnostic", "diagnostic_classify", "scored", "scored_regress", "ranked", "ranked_regress"),
]


@pytest.mark.parametrize("name", _NAMES)
def test_every_signature_answers_as_the_python_model_in_another_process(loaded, logits, inputs, answers, name):
    expected = _expected(name, loaded, logits, inputs)
    for part, answer in zip(_PARTS, answers[name]):
        assert set(answer) == set(expected)
        for key, values in answer.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, expected[key][part], atol=_TOLERANCE, err_msg=f"{key} {part}")
            else:
                assert values.tolist() == expected[key][part].tolist(), (key, part)


def test_the_encoder_runs_once_for_every_task(exported):
    signature = tf.saved_model.load(str(exported)).signatures["serving_default"]
    functions = signature.graph.as_graph_def().library.function
    lookups = [node for function in functions for node in function.node_def if node.op == "ResourceGather"]
    calls = [
        node
        for function in functions
        for node in function.node_def
        if node.op.endswith("PartitionedCall") and "encode" in node.attr["f"].func.name
    ]
    assert len(calls) == 1
    # Word pieces and segments; positions are sliced.
    assert len(lookups) <= 3


def test_rows_are_padded_to_the_longest_of_their_batch(loaded):
    first, second = tf.constant(["the cat sat", "a"]), tf.constant(["", "dog ran on"])
    inputs = Steps(loaded, ["pair"]).any_inputs(first, second)
    # [CLS] the cat sat [SEP]; [CLS] a [SEP] dog ran on [SEP]
    ids = [
        ["[CLS]", "the", "cat", "sat", "[SEP]", "[PAD]", "[PAD]"],
        ["[CLS]", "a", "[SEP]", "dog", "ran", "on", "[SEP]"],
    ]
    assert inputs["token_ids"].numpy().tolist() == [[loaded.tokenizer.vocabulary.index(p) for p in row] for row in ids]
    assert inputs["segment_ids"].numpy().tolist() == [[0] * 7, [0, 0, 0, 1, 1, 1, 1]]
    assert inputs["padding_mask"].numpy().tolist() == [[1] * 5 + [0] * 2, [1] * 7]
    assert loaded.max_sequence_length == MAX_SEQUENCE_LENGTH > 7


def test_batch_and_length_are_free_and_inputs_have_their_names(exported):
    signatures = tf.saved_model.load(str(exported)).signatures
    assert set(signatures) == set(_NAMES)
    for name, signature in signatures.items():
        inputs = {key: (s.dtype.name, s.shape.as_list()) for key, s in signature.structured_input_signature[1].items()}
        if name == "tokens":
            assert inputs == {key: ("int32", [None, None]) for key in ("token_ids", "segment_ids", "padding_mask")}
        else:
            one_text = ["text_a"] if name == "single" else ["text_a", "text_b"]
            keys = ["inputs"] if name.endswith(("_classify", "_regress")) else one_text
            assert inputs == {key: ("string", [None]) for key in keys}
        assert all(spec.shape[0] is None for spec in signature.structured_outputs.values())


def test_a_subset_of_the_tasks_leaves_the_other_heads_out(loaded, exported, tmp_path):
    export_model(loaded, tmp_path / "1", tasks=["scored", "diagnostic"], batch_sizes=())
    assert set(tf.saved_model.load(str(tmp_path / "1")).signatures) == {
        *("serving_default", "tokens", "embed", "scored", "scored_regress", "diagnostic", "diagnostic_classify"),
    }
    saved = tf.train.list_variables(str(tmp_path / "1" / "variables" / "variables"))
    weights = [shape for name, shape in saved if name.endswith("VARIABLE_VALUE")]
    # A kernel and a bias each of the heads of single and ranked are missing; diagnostic is answered by pair's.
    every = tf.train.list_variables(str(exported / "variables" / "variables"))
    assert len(weights) == sum(name.endswith("VARIABLE_VALUE") for name, _ in every) - 4
    assert [WIDTH, 2] not in weights and [WIDTH, 3] in weights


@pytest.mark.parametrize(
    ("names", "message"),
    [(["pairs"], "unknown task of the export 'pairs'; did you mean 'pair'"), (["pair", "pair"], "each task once")],
)
def test_tasks_that_cannot_be_exported_are_refused(loaded, tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        export_model(loaded, tmp_path / "1", tasks=names)
    with pytest.raises(UserError, match="unknown task of the export"):
        export_model(loaded, tmp_path / "1", tasks=[MERGED.name])
    assert not list(tmp_path.iterdir())
