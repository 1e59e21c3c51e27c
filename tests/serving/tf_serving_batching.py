"""TF Serving's batching, by its own rules, without TF Serving.

Written after tensorflow_serving/batching/{batching_session,batching_util}.cc, tensorflow_serving/servables/tensorflow/
bundle_factory_util.{h,cc} and tensorflow/core/kernels/batching_util/shared_batch_scheduler.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

Tensors = Mapping[str, np.ndarray]


class Refused(Exception):
    """TF Serving refuses a request or a configuration."""


def _message_class() -> Any:
    """Returns TF Serving's BatchingParameters, which its API's package lacks, by session_bundle_config.proto."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    for name, number, kind in (
        ("max_batch_size", 1, "Int64Value"),
        ("batch_timeout_micros", 2, "Int64Value"),
        ("max_enqueued_batches", 3, "Int64Value"),
        ("num_batch_threads", 4, "Int64Value"),
        ("enable_large_batch_splitting", 8, "BoolValue"),
        ("max_execution_batch_size", 9, "Int64Value"),
    ):
        message.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, label=1, type_name=f".google.protobuf.{kind}"
        )
    message.field.add(name="allowed_batch_sizes", number=6, type=field.TYPE_INT64, label=3)
    message.field.add(name="pad_variable_length_inputs", number=7, type=field.TYPE_BOOL, label=1)
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters"))


_PARAMETERS = _message_class()


def parse(text: str) -> Any:
    """Returns the parameters in a batching.config that TF Serving accepts."""
    parameters = text_format.Parse(text, _PARAMETERS())
    allowed, largest = list(parameters.allowed_batch_sizes), parameters.max_batch_size.value
    if allowed and allowed[-1] != largest:
        raise Refused(f"last entry in allowed_batch_sizes was {allowed[-1]}; expected {largest}")
    if sorted(allowed) != allowed:
        raise Refused("allowed_batch_sizes must be in increasing order")
    if parameters.enable_large_batch_splitting.value and largest < execution_size(parameters):
        raise Refused("max_batch_size must be >= max_execution_batch_size")
    return parameters


def execution_size(parameters: Any) -> int:
    """Returns the maximum number of rows that are computed at once."""
    if parameters.enable_large_batch_splitting.value and parameters.HasField("max_execution_batch_size"):
        return parameters.max_execution_batch_size.value
    return parameters.max_batch_size.value


def _rows(request: Tensors) -> int:
    sizes = {len(values) for values in request.values()}
    if len(sizes) != 1:
        raise Refused("input tensors must have equal 0th-dimension size")
    return sizes.pop()


def schedule(parameters: Any, sizes: Sequence[int]) -> list[list[tuple[int, slice]]]:
    """Returns the batches of requests that arrive together: numbers of requests, and their rows."""
    limit = execution_size(parameters)
    batches: list[list[tuple[int, slice]]] = [[]]
    used = 0
    for number, size in enumerate(sizes):
        if size > parameters.max_batch_size.value:
            raise Refused(f"task size {size} is larger than maximum input batch size")
        parts = [size]
        if parameters.enable_large_batch_splitting.value:
            if size > (parameters.max_enqueued_batches.value - len(batches)) * limit + limit - used:
                raise Refused("the batch scheduling queue is full")
            if size > limit - used:
                parts = [limit - used] * (used < limit)
                parts += [min(limit, size - begun) for begun in range(sum(parts), size, limit)]
        begun = 0
        for part in parts:
            if used + part > limit:
                batches.append([])
                used = 0
            batches[-1].append((number, slice(begun, begun + part)))
            begun, used = begun + part, used + part
    return batches


def merge(parameters: Any, requests: Sequence[Tensors]) -> dict[str, np.ndarray]:
    """Returns the inputs of a batch: requests are filled up with their first elements, and the batch with rows."""
    size = sum(map(_rows, requests))
    missing = next((allowed for allowed in parameters.allowed_batch_sizes if allowed >= size), size) - size
    merged = {}
    for name in requests[0]:
        tensors = [request[name] for request in requests]
        longest = [max(tensor.shape[axis] for tensor in tensors) for axis in range(1, tensors[0].ndim)]
        if parameters.pad_variable_length_inputs:
            tensors = [_filled(tensor, longest) for tensor in tensors]
        elif len({tensor.shape[1:] for tensor in tensors}) > 1:
            raise Refused("tensors have different shapes and padding is turned off")
        if missing:
            if not len(tensors[-1]):
                raise Refused("Tensor::Slice checks its limits: the server ends")
            tensors += [tensors[-1][:1]] * missing
        merged[name] = np.concatenate(tensors)
    return merged


def _filled(tensor: np.ndarray, longest: Sequence[int]) -> np.ndarray:
    shape = [len(tensor), *longest]
    if tensor.size == math.prod(shape):
        return tensor.reshape(shape)
    if not tensor.size:
        raise Refused("got empty tensor in batch of non-empty tensors")
    missing = [(0, 0), *((0, size - own) for size, own in zip(longest, tensor.shape[1:]))]
    return np.pad(tensor, missing, constant_values=tensor.flat[0])


def answer(
    run: Callable[[Tensors], Tensors], parameters: Any, requests: Sequence[Tensors]
) -> list[dict[str, np.ndarray]]:
    """Returns the outputs of requests that arrive together."""
    parts: list[dict[str, list[np.ndarray]]] = [{} for _ in requests]
    for batch in schedule(parameters, [_rows(request) for request in requests]):
        inputs = [{name: values[rows] for name, values in requests[number].items()} for number, rows in batch]
        merged = merge(parameters, inputs)
        for name, values in run(merged).items():
            if len(values) != _rows(merged):
                raise Refused("output tensor's 0th dimension does not equal that of the input tensors")
            begun = 0
            for number, rows in batch:
                count = rows.stop - rows.start
                parts[number].setdefault(name, []).append(values[begun : begun + count])
                begun += count
    return [{name: np.concatenate(values) for name, values in part.items()} for part in parts]
