"""A client of TF Serving's REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.client.connection import Patience, Signature, Unavailable, with_retries

_LATER = (429, 502, 503)


class RestConnection:
    """A connection to one model of a server.

    Args:
        server: The server's address, such as http://127.0.0.1:8501.
        model: The model's name.
        patience: Timeout and retries.
    """

    def __init__(self, server: str, model: str, patience: Patience) -> None:
        self._server, self._patience = server.rstrip("/"), patience
        self._path = f"/v1/models/{model}"
        try:
            self._client = httpx.Client(base_url=self._server, timeout=patience.timeout, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise UserError(f"--server must be a URL, got {server!r} ({error})") from None

    def __enter__(self) -> RestConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def signatures(self) -> dict[str, Signature]:
        """Returns the model's signatures by name."""
        metadata = self._ask("GET", f"{self._path}/metadata")
        try:
            found = metadata["metadata"]["signature_def"]["signature_def"]
            return {
                name: Signature(tuple(sorted(one.get("inputs", {}))), tuple(sorted(one.get("outputs", {}))))
                for name, one in found.items()
            }
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{self._server}{self._path}/metadata: not the metadata of a model") from None

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """Returns every output of a signature, as lists of a value per row.

        Args:
            signature: The signature's name.
            inputs: Texts by input.
        """
        body = {"signature_name": signature, "inputs": {name: list(values) for name, values in inputs.items()}}
        answer = self._ask("POST", f"{self._path}:predict", body)
        outputs = answer.get("outputs")
        if isinstance(outputs, list):  # The only output comes without its name.
            outputs = {"": outputs}
        if not isinstance(outputs, dict):
            raise UserError(f"{self._server}{self._path}:predict: the answer has no 'outputs'")
        return outputs

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return with_retries(lambda: self._ask_once(method, path, body), self._patience, self._server)

    def _ask_once(self, method: str, path: str, body: Any) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.TimeoutException:
            message = f"{self._server}: no answer within {self._patience.timeout:g} seconds; see --timeout"
            raise UserError(message) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
            raise UserError(f"--server must be a URL, got {self._server!r} ({error})") from None
        except httpx.TransportError as error:
            raise Unavailable(error) from None
        try:
            answer = response.json()
        except ValueError:
            answer = None
        reason = answer.get("error") if isinstance(answer, dict) else None
        if response.status_code in _LATER:
            raise Unavailable(reason or f"status {response.status_code}")
        if response.status_code != 200 or not isinstance(answer, dict):
            raise UserError(
                f"{self._server}{path}: {reason or 'the answer is not JSON'} (status {response.status_code})"
            )
        return answer
