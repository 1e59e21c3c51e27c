"""Every signature answers the same alone as under TF Serving's rules of batching."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.backbone import MEAN, POOLER
from mtdnn_tf.serving.export import WARMUP_BATCH_SIZES, export_model
from mtdnn_tf.serving.server.work_pool import Limits
from mtdnn_tf.serving.server_files import batching_config
from mtdnn_tf.serving.signatures import Signatures
from mtdnn_tf.tasks.signature_names import signature_names
from mtdnn_tf.tasks.task import Task
from tests.serving.examples import PAIR, TASKS, loaded_model, random_texts
from tests.serving.tf_serving_batching import Refused, answer, execution_size, parse, schedule

_SAN = dataclasses.replace(PAIR, name="san", head="san")
_TOPICS = Task("topics", "multi_label", ("text",), ("cats", "dogs"), ("f1_micro",))
_TASKS = [*TASKS, _SAN, _TOPICS]
_SIGNATURES = signature_names(_TASKS)
# Of one to eight words, so that requests have different lengths.
_TEXTS_A, _TEXTS_B = (
    [b" ".join(text.split()[: 1 + 5 * row % 8]) for row, text in enumerate(random_texts(seed))] for seed in (1, 2)
)
# Rows of requests that arrive together: of one and a few, of none, of more than a batch.
_SIZES = (1, 2, 1, 3, 0, 1, 70, 1, 0, 33, 5)
# What exports of version 0.1 wrote.
_OLD_CONFIG = """
max_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
allowed_batch_sizes: 1
allowed_batch_sizes: 8
allowed_batch_sizes: 32
pad_variable_length_inputs: true
"""


@pytest.fixture(name="loaded", scope="module", params=[POOLER, MEAN])
def _model(request):
    return loaded_model(_TASKS, request.param)


@pytest.fixture(name="saved", scope="module")
def _saved(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "1"
    export_model(loaded, folder, batch_sizes=(1,))
    return tf.saved_model.load(str(folder))


def _run(saved, name):
    def run(inputs):
        tensors = {key: tf.constant(values) for key, values in inputs.items()}
        return {key: value.numpy() for key, value in saved.signatures[name](**tensors).items()}

    return run


def _requests(loaded, name, sizes=_SIZES):
    """Requests of a signature, each with its own texts, and token ids padded to its own longest row."""
    signatures = Signatures(loaded)
    keys = signatures.inputs()[name]
    requests = []
    begun = 0
    for size in sizes:
        rows = slice(begun, begun + size)
        begun += size
        texts = {"text_a": np.array(_TEXTS_A[rows], object), "text_b": np.array(_TEXTS_B[rows], object)}
        if name in ("serving_default", "embed"):
            texts["text_b"][::2] = b""
        if keys == ("inputs",):
            task = next(task for task in _TASKS if task.name == name.rpartition("_")[0])
            examples = [_example(row, len(task.text)) for row in zip(*texts.values())]
            requests.append({"inputs": np.array(examples, object)})
        elif name == "tokens":
            tensors = signatures.tokens_of_pairs(*(tf.constant(list(text), tf.string) for text in texts.values()))
            requests.append({key: value.numpy() for key, value in tensors.items()})
        else:
            requests.append({key: texts[key] for key in keys})
    return requests


def _example(texts, count):
    example = tf.train.Example()
    for name, text in itertools.islice(zip(("text_a", "text_b"), texts), count):
        example.features.feature[name].bytes_list.value.append(text)
    return example.SerializeToString()


@pytest.mark.parametrize("name", _SIGNATURES)
def test_a_request_of_no_rows_gets_empty_outputs(loaded, saved, name):
    one, none = (_run(saved, name)(request) for request in _requests(loaded, name, (1, 0)))
    assert {key: (value.dtype, value.shape[1:]) for key, value in none.items()} == {
        key: (value.dtype, value.shape[1:]) for key, value in one.items()
    }
    assert all(len(value) == 0 for value in none.values())


@pytest.mark.parametrize("name", _SIGNATURES)
@pytest.mark.parametrize("batch_sizes", [(1, 8), WARMUP_BATCH_SIZES])
def test_a_shared_batch_changes_no_answer(loaded, saved, name, batch_sizes):
    requests = _requests(loaded, name)
    run = _run(saved, name)
    found = answer(run, parse(batching_config(batch_sizes)), requests)
    for request, outputs in zip(requests, found):
        expected = run(request)
        assert outputs.keys() == expected.keys()
        for key, values in outputs.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, expected[key], atol=1e-5, err_msg=key)
            else:
                np.testing.assert_array_equal(values, expected[key], err_msg=key)


def test_requests_that_share_a_batch_have_several_lengths(loaded):
    lengths = {request["token_ids"].shape[1] for request in _requests(loaded, "tokens")}
    assert len(lengths) > 4


@pytest.mark.parametrize("task", ["pair", "ranked", "san"])
def test_what_is_filled_up_would_be_read_without_the_signatures_mask(loaded, saved, task):
    """The emulation would notice: the model itself believes the mask of 1 that TF Serving fills up with."""
    requests = [request for request in _requests(loaded, "tokens", [1] * 60) if len(request["token_ids"])]

    def run(inputs):
        tensors = {key: tf.constant(values) for key, values in inputs.items()}
        return {task: loaded.model.task_logits(tensors, task).numpy()}

    found = answer(run, parse(_OLD_CONFIG), requests)
    expected = [run(request) for request in requests]
    differences = [np.abs(a[task] - b[task]).max() for a, b in zip(found, expected)]
    assert max(differences) > 0.1
    # The signature repairs it even under a file that an older export wrote.
    found = answer(_run(saved, "tokens"), parse(_OLD_CONFIG), requests)
    for outputs, logits in zip(found, expected):
        np.testing.assert_allclose(outputs[task], logits[task], atol=1e-5)


def test_padding_of_clients_and_of_tf_serving_is_masked_and_the_first_token_is_not(loaded, saved):
    (request,) = _requests(loaded, "tokens", [3])
    run = _run(saved, "tokens")
    expected = run(request)
    # The client's own padding of any id, and then TF Serving's.
    own = {"token_ids": 7, "segment_ids": 1, "padding_mask": 0}
    padded = {key: np.pad(values, [(0, 0), (0, 2)], constant_values=own[key]) for key, values in request.items()}
    filled = {key: np.pad(v, [(0, 0), (0, 3)], constant_values=v.flat[0]) for key, v in padded.items()}
    for name, values in run(filled).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
    # A row of [CLS] alone.
    start = {"token_ids": [[2]], "segment_ids": [[0]], "padding_mask": [[1]]}
    alone = run({key: np.array(values, np.int32) for key, values in start.items()})
    filled = run({key: np.array([values[0] * 4], np.int32) for key, values in start.items()})
    for name, values in filled.items():
        np.testing.assert_allclose(values, alone[name], atol=1e-5)


def test_the_file_that_exports_wrote_before_refuses_what_the_new_one_takes(loaded, saved):
    run, old = _run(saved, "single"), parse(_OLD_CONFIG)
    with pytest.raises(Refused, match="task size 33 is larger"):
        answer(run, old, _requests(loaded, "single", [33]))
    with pytest.raises(Refused, match="the server ends"):
        answer(run, old, _requests(loaded, "single", [0]))


@pytest.mark.parametrize("batch_sizes", [(1,), (1, 8), WARMUP_BATCH_SIZES, (1, 2048)])
def test_sizes_agree(batch_sizes):
    parameters = parse(batching_config(batch_sizes))
    # What tools.serve takes, TF Serving takes, and in its queue fit several such requests.
    most = Limits().max_batch_rows
    assert parameters.max_batch_size.value == max(most, batch_sizes[-1])
    batches = schedule(parameters, [most] * 3)
    assert sum(rows.stop - rows.start for batch in batches for _, rows in batch) == 3 * most
    # No batch is larger than what the warm-up has tried.
    assert execution_size(parameters) == batch_sizes[-1]
    assert max(sum(rows.stop - rows.start for _, rows in batch) for batch in batches) <= batch_sizes[-1]
    with pytest.raises(Refused, match="larger"):
        schedule(parameters, [max(most, batch_sizes[-1]) + 1])
