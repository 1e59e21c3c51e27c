"""What may go wrong with a request, under gRPC's canonical codes, and the HTTP status of each."""

from __future__ import annotations

import grpc
import tensorflow as tf
from absl import logging

# As TF Serving's REST API maps them; a code that is not here is 500.
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
# An error of TensorFlow's may hold a whole graph's trace.
_LONGEST_MESSAGE = 1000


class ServingError(Exception):
    """A request that is not answered.

    Args:
        code: gRPC's canonical code.
        message: What is wrong.
        http_status: HTTP status; that of the code if None.
    """

    def __init__(self, code: grpc.StatusCode, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or _HTTP_STATUS.get(code, 500)


def invalid(message: str) -> ServingError:
    """Builds the error for a request that is wrong whatever the model."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def one_line(error: BaseException) -> str:
    """Returns an error's message without line breaks, cut where it is long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."


def serving_error(error: Exception) -> ServingError:
    """Returns what a client is told of any error; one that is the server's own is logged too."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), one_line(error))
    if isinstance(error, MemoryError):
        return ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, "not enough memory to answer this request")
    logging.error("request failed: %s", one_line(error), exc_info=error)
    return ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {one_line(error)}")
