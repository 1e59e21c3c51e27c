"""Keys that requests to a server must have."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import read_text
from mtdnn_tf.serving.server.monitoring import HEALTH

_LINE = re.compile(r"([\w.-]+):([0-9a-f]{64})")
_REFUSAL = b'{"error": "unauthorized"}'


class ApiKeys:
    """Known keys, by their SHA-256 alone."""

    def __init__(self, hashes: Iterable[str]) -> None:
        self._hashes = tuple(hashes)

    @classmethod
    def read(cls, path: Path) -> ApiKeys:
        """Reads lines `NAME:SHA256` of random keys; blank lines and those that begin with # are skipped."""
        hashes = {}
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            found = _LINE.fullmatch(line.strip())
            if found is None or found[1] in hashes:
                # The line may be a key.
                raise UserError(f"{path}:{number}: must be NAME:SHA256, 64 hexadecimal digits, each name once")
            hashes[found[1]] = found[2]
        if not hashes:
            raise UserError(f"{path}: must have a line NAME:SHA256, has none")
        return cls(hashes.values())

    def accept(self, authorization: str) -> bool:
        """Returns whether an Authorization header, `Bearer KEY`, has a known key."""
        scheme, _, key = authorization.partition(" ")
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        # All are compared, each in constant time.
        found = [hmac.compare_digest(digest, known) for known in self._hashes]
        return any(found) and scheme.lower() == "bearer"


class HttpGuard:
    """Answers 401 to requests without a known key, except for the health check.

    Args:
        application: An ASGI application.
        keys: The known keys.
    """

    def __init__(self, application: Callable[..., Awaitable[None]], keys: ApiKeys) -> None:
        self._application = application
        self._keys = keys

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        """Answers one request."""
        given = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
        if scope["type"] != "http" or scope["path"] == HEALTH or self._keys.accept(given):
            await self._application(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": _REFUSAL})


class GrpcGuard(grpc.aio.ServerInterceptor):
    """Ends calls without a known key in their metadata with UNAUTHENTICATED."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._refusal = grpc.unary_unary_rpc_method_handler(_refuse)

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:
        """Returns what answers one call."""
        given = str(dict(details.invocation_metadata).get("authorization", ""))
        return await continuation(details) if self._keys.accept(given) else self._refusal


async def _refuse(_: Any, context: grpc.aio.ServicerContext) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized")
