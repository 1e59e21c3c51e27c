"""TF Serving's REST API."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import grpc
import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mtdnn_tf.serving.server.inference import classify, predict, regress
from mtdnn_tf.serving.server.json_tensors import array_to_json, examples_of_json, inputs_of_json, outputs_to_json
from mtdnn_tf.serving.server.messages import SIGNATURE_DEF, message_json
from mtdnn_tf.serving.server.models.model_store import ModelStore
from mtdnn_tf.serving.server.models.servable import Servable
from mtdnn_tf.serving.server.monitoring import Monitor
from mtdnn_tf.serving.server.status import ServingError, invalid, serving_error
from mtdnn_tf.serving.server.work_pool import WorkPool

_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>predict|classify|regress)|(?P<metadata>/metadata))?"
)
# Reads an oversized request for this long, so that the client reads the answer.
_MOST_IGNORED_BYTES = 64 << 20
_BODY_SECONDS = 60.0


class RestApi:
    """Answers requests below /v1/."""

    def __init__(self, store: ModelStore, pool: WorkPool, monitor: Monitor) -> None:
        self._store, self._pool, self._limits = store, pool, pool.limits
        self._monitor = monitor

    async def answer(self, request: Request) -> Response:
        """Answers one request."""
        # Not of `request.url`, which is parsed from the Host header too, and ends the path at a %3F or %23.
        path = _PATH.fullmatch(request.scope["path"])
        with self._monitor.watch("rest", _verb(path)) as outcome:
            try:
                return await self._answer(request, path)
            except ClientDisconnect:
                outcome.code = grpc.StatusCode.CANCELLED.name
                return Response(status_code=499)
            except Exception as error:
                refusal = serving_error(error)
                outcome.code = refusal.code.name
            response = json_response({"error": refusal.message}, refusal.http_status)
            if refusal.http_status in (429, 503):
                response.headers["Retry-After"] = "1"
            return response

    async def _answer(self, request: Request, path: re.Match[str] | None) -> Response:
        if path is None or request.method != ("POST" if path["verb"] else "GET"):
            # TF Serving also answers 400 to a wrong method.
            raise invalid(f"Malformed request: {request.method} {request.scope['path']}")
        if path["label"]:
            raise invalid(f"Unrecognized servable version label: {path['label']}; this server has no labels")
        version = int(path["version"]) if path["version"] else None
        if path["verb"]:
            body = await self._body(request)
            return await self._pool.run(self._ask, path["verb"], path["model"], version, body)
        if path["metadata"]:
            with self._store.model(path["model"]).lease(version) as servable:
                spec = {"name": servable.model, "signature_name": "", "version": str(servable.version)}
                metadata = {SIGNATURE_DEF: message_json(servable.definitions)}
                return json_response({"model_spec": spec, "metadata": metadata})
        return json_response(message_json(self._store.model(path["model"]).status(version)))

    async def _body(self, request: Request) -> bytes:
        """Reads a request's body, up to the size limit and for a limited time."""
        try:
            return await asyncio.wait_for(_read(request, self._limits.max_request_bytes), _BODY_SECONDS)
        except asyncio.TimeoutError:
            message = f"the request did not arrive within {_BODY_SECONDS:.0f} seconds"
            raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, message, http_status=408) from None

    def _ask(self, verb: str, model: str, version: int | None, content: bytes) -> Response:
        begun = time.perf_counter()
        with self._store.model(model).lease(version) as servable:
            body = _json_object(content)
            name = body.get("signature_name", "")
            if not isinstance(name, str):
                raise invalid("'signature_name' must be a string")
            servable.signature(name)
            response = json_response(self._answer_verb(verb, servable, name, body))
        milliseconds = 1000 * (time.perf_counter() - begun)
        response.headers["Server-Timing"] = f"model;dur={milliseconds:.1f}"
        return response

    def _answer_verb(self, verb: str, servable: Servable, name: str, body: dict[str, Any]) -> dict[str, Any]:
        most = self._limits.max_batch_rows
        if verb == "predict":
            inputs, by_row = inputs_of_json(body, servable.signature(name))
            return outputs_to_json(predict(servable, name, inputs, most), by_row)
        if verb == "classify":
            rows = classify(servable, name, examples_of_json(body), most)
            return {"results": [[[label, array_to_json(np.asarray(score))] for label, score in row] for row in rows]}
        values = regress(servable, name, examples_of_json(body), most)
        return {"results": [array_to_json(np.asarray(value)) for value in values]}


def _verb(path: re.Match[str] | None) -> str:
    """Returns what a path asks for: a verb, "metadata" or "status", or "unknown"."""
    if path is None:
        return "unknown"
    return str(path["verb"] or ("metadata" if path["metadata"] else "status"))


async def _read(request: Request, most: int) -> bytes:
    blocks, size = [], 0
    async for block in request.stream():
        size += len(block)
        if size <= most:
            blocks.append(block)
        elif size > most + _MOST_IGNORED_BYTES:
            break
    if size > most:
        message = f"the request must have at most {most} bytes"
        raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, message, http_status=413)
    return b"".join(blocks)


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except RecursionError:
        raise invalid("JSON Parse error: nested too deep") from None
    except ValueError as error:  # Not JSON, not UTF-8, or a number with too many digits.
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(value, dict):
        raise invalid("the request must be a JSON object")
    return value


def json_response(value: Any, status: int = 200) -> Response:
    """Returns a JSON response, with NaN and Infinity like TF Serving."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ": "))
    return Response(content.encode("utf-8", "replace"), status, media_type="application/json")
