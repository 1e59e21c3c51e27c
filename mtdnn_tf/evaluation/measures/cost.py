"""What answers cost: parameters, floating-point operations by formula, and measured time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.distillation.ensemble import average_predictions
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import MEAN, POOLER, BackboneConfig
from mtdnn_tf.modeling.heads import LinearHead, reads_sequence
from mtdnn_tf.modeling.multi_task_model import INPUTS, MultiTaskModel
from mtdnn_tf.modeling.san_head import SanHead
from mtdnn_tf.tasks.task import Task

REPEATS = 30
WARM_UP = 3


class Parameters(NamedTuple):
    """Numbers of weights of the shared encoder, with embeddings and pooler, of each task's head, and of the model."""

    backbone: int
    heads: dict[str, int]
    total: int


class Latency(NamedTuple):
    """Median, quartiles and interquartile range of the time that `repeats` requests take, in milliseconds."""

    median_ms: float
    low_ms: float
    high_ms: float
    repeats: int
    iqr_ms: float


class Cost(NamedTuple):
    """What one model, or an ensemble of several, costs."""

    name: str
    models: int  # Number of models that answer a request, one after the other.
    parameters: int  # Of them all, every head included.
    flops: int  # Of one sequence's answer to one task.
    latency: dict[int, Latency]  # By batch size.


def parameters(model: MultiTaskModel) -> Parameters:
    """Returns how many weights a model has."""
    heads = {name: int(head.count_params()) for name, head in model.heads.items()}
    backbone = int(model.backbone.count_params())
    return Parameters(backbone, heads, backbone + sum(heads.values()))


def forward_flops(shape: BackboneConfig, heads: Iterable[tf.keras.layers.Layer], length: int) -> int:
    """Returns the floating-point operations of all matrix products for one sequence; a multiply-add counts as two.

    With heads that read only the first position, the last block is counted for that position, but with the keys and
    values of all positions, as `MultiTaskModel` computes it. docs/measures.md has the formula.

    Args:
        shape: The shape of the encoder.
        heads: The heads that answer, from one encoding; for none, the encoder's outputs of all positions are counted.
        length: Number of word pieces of the sequence, padding included.

    Raises:
        TypeError: A head is of an unknown class.
    """
    d, f, n = shape.hidden_dim, shape.intermediate_dim, length
    heads = list(heads)
    # A gated feed-forward layer has three matrices of the others' two.
    wide = 6 * d * f if shape.has_modern_blocks else 4 * d * f
    block = 8 * n * d * d + 4 * n * n * d + n * wide
    of_first = 4 * n * d * d + 4 * d * d + 4 * n * d + wide
    if shape.position_buckets:
        # Relative positions through two layers, and their products with queries and keys.
        block += 8 * n * d * d + 8 * n * n * d
        of_first += 4 * n * d * d + 2 * n * d
    is_whole = not heads or shape.pooling == MEAN or any(reads_sequence(head) for head in heads)
    encoder = (shape.num_layers - 1) * block + (block if is_whole else of_first)
    encoder += 2 * n * shape.embedding_width * d if shape.has_projection else 0
    has_pooler = shape.pooling == POOLER and any(isinstance(head, LinearHead) for head in heads)
    pooler = 2 * d * d if has_pooler else 0
    return int(encoder + pooler + sum(_head_flops(head, d, n) for head in heads))


def _head_flops(head: tf.keras.layers.Layer, d: int, n: int) -> int:
    if isinstance(head, LinearHead):
        return 2 * d * int(head.num_outputs)
    if isinstance(head, SanHead):
        # Weighing the hypothesis and summing it; in each step the state's product with the attention's matrix, that
        # with the memory, the premise's sum and the prediction; between steps two products of the GRU's three gates.
        step = 2 * d * d + 2 * n * d + 2 * n * d + 2 * 4 * d * int(head.num_outputs)
        return 2 * n * d + 2 * n * d + int(head.steps) * step + (int(head.steps) - 1) * 12 * d * d
    raise TypeError(f"the operations of a head of class {type(head).__name__} are not known")


def request(models: Sequence[MultiTaskModel], task: Task, batch_size: int, length: int) -> Callable[[], np.ndarray]:
    """Returns a function that answers one request with every model in turn and averages their predictions.

    The request is a batch of random word pieces without padding; encoder and head are one graph of these shapes.
    """
    functions = []
    for model in models:
        # Models of one vocabulary are asked the same.
        tokens = np.random.default_rng(0).integers(0, model.backbone.config.vocabulary_size, (batch_size, length))
        inputs = {
            "token_ids": tokens,
            "segment_ids": np.broadcast_to(np.arange(length) >= length // 2, (batch_size, length)),
            "padding_mask": np.ones((batch_size, length)),
        }
        tensors = {name: tf.constant(inputs[name], tf.int32) for name in INPUTS}
        functions.append((_answer(model, task), tensors))
    return lambda: average_predictions([function(tensors).numpy() for function, tensors in functions])


def _answer(model: MultiTaskModel, task: Task) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    @tf.function(autograph=False)
    def answer(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return task.kind_object.row_outputs(model.task_logits(inputs, task.head_task))

    return answer


def latency(
    requests: Mapping[str, Callable[[], Any]],
    repeats: int = REPEATS,
    warm_up: int = WARM_UP,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Times requests in turn, so that other load of the machine affects all of them.

    Every round times each request once, and begins with another one. Rounds to warm up are not counted; the first one
    compiles. The clock returns seconds.
    """
    names = list(requests)
    times: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(warm_up + repeats):
        first = round_number % len(names)
        for name in names[first:] + names[:first]:
            begin = clock()
            requests[name]()
            elapsed = clock() - begin
            if round_number >= warm_up:
                times[name].append(1000 * elapsed)
    quartiles = {name: np.quantile(values, [0.25, 0.5, 0.75]).tolist() for name, values in times.items()}
    return {name: Latency(median, low, high, repeats, high - low) for name, (low, median, high) in quartiles.items()}


def compare_costs(
    candidates: Mapping[str, Sequence[MultiTaskModel]],
    task: Task,
    length: int,
    batch_sizes: Sequence[int],
    repeats: int = REPEATS,
) -> list[Cost]:
    """Returns the cost of each of several models or ensembles, by name, timed in turn in one process.

    A sequence has `length` word pieces; each batch size has `repeats` timed requests.

    Raises:
        UserError: A model has fewer positions, or no head for the task.
    """
    for name, models in candidates.items():
        for model in models:
            if not 1 <= length <= (longest := model.backbone.config.max_positions):
                raise UserError(f"--length must be 1 to {longest}, the positions of {name}, got {length}")
            if task.head_task not in model.heads:
                raise UserError(f"{name}: no head answers task {task.name}; it has {', '.join(model.heads)}")
    by_size = {
        size: latency({name: request(models, task, size, length) for name, models in candidates.items()}, repeats)
        for size in batch_sizes
    }
    return [
        Cost(
            name,
            len(models),
            sum(parameters(model).total for model in models),
            sum(forward_flops(model.backbone.config, [model.heads[task.head_task]], length) for model in models),
            {size: times[name] for size, times in by_size.items()},
        )
        for name, models in candidates.items()
    ]


def cost_ratios(first: Cost, second: Cost) -> dict[str, Any]:
    """Returns the ratios of two costs as JSON values; latencies are compared by their medians."""
    sizes = [size for size in first.latency if size in second.latency]
    return {
        "parameters": first.parameters / second.parameters,
        "flops": first.flops / second.flops,
        "latency": {str(size): first.latency[size].median_ms / second.latency[size].median_ms for size in sizes},
    }
