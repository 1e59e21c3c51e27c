"""Errors of requests, with gRPC's canonical codes and HTTP status codes."""

from __future__ import annotations

import functools

import grpc
import tensorflow as tf
from absl import logging

from mtdnn_tf import errors

# The mapping of TF Serving's REST API; other codes are 500.
_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}
# A TensorFlow error may contain a whole graph trace. gRPC clients take 8 KiB of metadata, in which a character may have
# 12 bytes.
_LONGEST = 600
one_line = functools.partial(errors.one_line, longest=_LONGEST)


class ServingError(Exception):
    """Raised if a request cannot be answered; the HTTP status is by default that of gRPC's canonical code.

    Its message is one line, whatever of the request it repeats.
    """

    def __init__(self, code: grpc.StatusCode, message: str, http_status: int | None = None) -> None:
        self.message = errors.shortened(errors.printable(message), _LONGEST)
        super().__init__(self.message)
        self.code = code
        self.http_status = http_status or _HTTP_STATUS.get(code, 500)


def invalid(message: str) -> ServingError:
    """Returns the error of an invalid request."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def serving_error(error: Exception) -> ServingError:
    """Returns the error for the client; internal errors are also logged."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), one_line(error))
    if isinstance(error, MemoryError):
        return ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, "out of memory for this request")
    logging.error("request failed: %s", one_line(error), exc_info=error)
    return ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {one_line(error)}")
