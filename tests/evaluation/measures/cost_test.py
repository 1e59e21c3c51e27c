from __future__ import annotations

import dataclasses
import functools
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.cost import compare_costs, cost_ratios, forward_flops, latency, parameters, request
from mtdnn_tf.json_files import to_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.dropout import generator_seeds
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.modeling.multi_task_model import INPUTS, MultiTaskModel
from mtdnn_tf.tasks.task import Task

_CONFIG = BackboneConfig(
    vocabulary_size=50, num_layers=2, num_heads=2, hidden_dim=24, intermediate_dim=40, max_positions=32
)
_MOOD = Task("mood", "classification", ("a",), ("bad", "good"), ("accuracy",))
_PAIR = Task("pair", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",), head="san")
_SCORE = Task("score", "regression", ("a", "b"), metrics=("pearson",))
_TASKS = [_MOOD, _PAIR, _SCORE]
_PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}


def _model(config=_CONFIG, seed=0):
    tf.keras.backend.clear_session()
    return MultiTaskModel(Encoder(config, 0.0, generator_seeds(seed)), _TASKS)


@pytest.fixture(name="model", scope="module")
def _shared_model():
    return _model()


def _count(model, task, length):
    """Returns the operations of the matrix products that the answer in the traced graph depends on."""
    specs = {name: tf.TensorSpec([1, length], tf.int32) for name in INPUTS}
    graph = tf.function(lambda inputs: model.task_logits(inputs, task)).get_concrete_function(specs).graph
    waiting, seen, total = [tensor.op for tensor in graph.outputs], set(), 0
    while waiting:
        op = waiting.pop()
        if op.name in seen:
            continue
        seen.add(op.name)
        waiting += [tensor.op for tensor in op.inputs]
        # A function within the graph, or a convolution, would hide operations.
        assert not any(word in op.type for word in ("Call", "While", "If", "Conv")), op.type
        if op.type not in _PRODUCTS:
            continue
        shapes = [tensor.shape.as_list() for tensor in op.inputs]
        if op.type == "Einsum":
            letters = op.get_attr("equation").decode().split("->")[0].split(",")
            sizes = {letter: size for names, shape in zip(letters, shapes) for letter, size in zip(names, shape)}
            total += 2 * math.prod(sizes.values())
        else:
            inner = shapes[0][-2 if op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x") else -1]
            total += 2 * inner * math.prod(op.outputs[0].shape.as_list())
    return total


@pytest.mark.parametrize("task", [task.name for task in _TASKS])
@pytest.mark.parametrize("length", [7, 32])
def test_operations_are_those_of_the_matrix_products_of_the_graph(model, task, length):
    assert forward_flops(_CONFIG, [model.heads[task]], length) == _count(model, task, length)


def test_a_projection_of_embeddings_is_counted():
    config = dataclasses.replace(_CONFIG, embedding_dim=10)
    model = _model(config)
    assert forward_flops(config, [model.heads["mood"]], 7) == _count(model, "mood", 7)


@pytest.mark.parametrize("task", ["mood", "pair"])
@pytest.mark.parametrize(
    "others",
    [
        {"position_buckets": 8},
        {"windows": (0, 2), "global_rotary_base": 1e4, "local_rotary_base": 1e4, "num_segments": 0},
    ],
    ids=["disentangled attention", "gated layers"],
)
def test_other_blocks_are_counted(task, others):
    config = dataclasses.replace(_CONFIG, **others)
    model = _model(config)
    assert forward_flops(config, [model.heads[task]], 7) == _count(model, task, 7)


def test_several_heads_share_one_encoding(model):
    linear, score, san = (model.heads[name] for name in ("mood", "score", "pair"))
    # Both linear heads read the one pooled vector.
    one, two = forward_flops(_CONFIG, [linear], 16), forward_flops(_CONFIG, [linear, score], 16)
    assert two - one == 2 * 24 * 1
    # A head that reads all positions needs the last block of them all, and the pooled vector for the others.
    last_block = (16 - 1) * (2 * 2 * 24 * 24 + 2 * 2 * 24 * 40) + (16 * 16 - 16) * 2 * 2 * 24
    of_san = forward_flops(_CONFIG, [san], 16) - forward_flops(_CONFIG, [], 16)
    assert forward_flops(_CONFIG, [linear, san], 16) == one + last_block + of_san


def test_a_head_that_is_not_known_is_refused():
    with pytest.raises(TypeError, match="class Dense"):
        forward_flops(_CONFIG, [tf.keras.layers.Dense(2)], 16)


def test_parameters_are_counted_by_shape(model):
    d, f = 24, 40
    block = 4 * (d * d + d) + (d * f + f) + (f * d + d) + 2 * 2 * d
    backbone = (50 + 32 + 2) * d + 2 * d + 2 * block + d * d + d
    san = d + d * d + (2 * 3 * d * d + 2 * 3 * d) + 4 * d * 3 + 3
    counted = parameters(model)
    total = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert counted == (backbone, {"mood": 2 * d + 2, "pair": san, "score": d + 1}, total)
    assert to_json(counted)["total"] == counted.total


def test_times_are_taken_in_turn_and_summed_up_by_quartiles():
    now, order = 0.0, []
    durations = {"slow": iter([9, 9, 0.004, 0.006, 0.005, 0.010]), "fast": iter([9, 9, 0.001, 0.001, 0.002, 0.003])}

    def work(name):
        nonlocal now
        order.append(name)
        now += next(durations[name])

    requests = {name: functools.partial(work, name) for name in durations}
    measured = latency(requests, 4, warm_up=2, clock=lambda: now)
    assert order == ["slow", "fast", "fast", "slow"] * 3
    assert measured["slow"] == pytest.approx((5.5, 4.75, 7.0, 4, 2.25))
    assert measured["fast"] == pytest.approx((1.5, 1.0, 2.25, 4, 1.25))
    assert to_json(measured["slow"])["iqr_ms"] == pytest.approx(2.25)


def test_a_request_is_answered_with_the_average(model):
    other = _model(seed=1)
    alone = [request([one], _MOOD, 3, 8)() for one in (model, other)]
    assert alone[0].shape == (3, 2)
    np.testing.assert_allclose(alone[0].sum(axis=1), 1, rtol=1e-6)
    assert request([model], _SCORE, 1, 8)().shape == (1, 1)
    assert not np.allclose(alone[0], alone[1], atol=1e-5)
    np.testing.assert_allclose(request([model, other], _MOOD, 3, 8)(), (alone[0] + alone[1]) / 2, atol=1e-6)


def test_an_ensemble_costs_what_its_models_cost(model):
    costs = compare_costs({"ensemble": [model, _model()], "student": [model]}, _MOOD, 16, [1, 4], repeats=5)
    ensemble, student = costs
    flops = forward_flops(_CONFIG, [model.heads["mood"]], 16)
    assert (ensemble.models, ensemble.parameters, ensemble.flops) == (2, 2 * parameters(model).total, 2 * flops)
    assert (student.models, student.flops) == (1, flops)
    ratios = cost_ratios(ensemble, student)
    assert ratios["parameters"] == ratios["flops"] == 2.0
    expected = ensemble.latency[4].median_ms / student.latency[4].median_ms
    assert set(ratios["latency"]) == {"1", "4"}
    assert ratios["latency"]["4"] == expected
    stored = to_json(student)
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert stored["latency"]["1"]["repeats"] == 5
    assert stored["latency"]["1"]["low_ms"] <= stored["latency"]["1"]["median_ms"] <= stored["latency"]["1"]["high_ms"]


def test_what_a_model_cannot_answer_is_refused(model):
    with pytest.raises(UserError, match="--length must be 1 to 32, the positions of student, got 33"):
        compare_costs({"student": [model]}, _MOOD, 33, [1])
    other = Task("other", "regression", ("a",), metrics=("pearson",))
    with pytest.raises(UserError, match="student: no head answers task other; it has mood, pair, score"):
        compare_costs({"student": [model]}, other, 16, [1])
