"""The page to try models: static files, and descriptions of the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mtdnn_tf.serving.client.answers import is_answer
from mtdnn_tf.serving.layout import DESCRIPTION
from mtdnn_tf.serving.server.models.model_store import ModelStore
from mtdnn_tf.serving.server.models.servable import DEFAULT_SIGNATURE, Servable
from mtdnn_tf.serving.server.rest import json_response
from mtdnn_tf.serving.server.status import ServingError

_FOLDER = Path(__file__).parent / "page_files"
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/answers.js": ("answers.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TEXT_INPUTS = ({"text_a"}, {"text_a", "text_b"})


def page_routes(store: ModelStore) -> list[Route]:
    """Returns the routes of the page, its files and its list of models."""
    routes = [
        Route(path, Response((_FOLDER / name).read_bytes(), media_type=kind, headers=_HEADERS), methods=["GET"])
        for path, (name, kind) in _FILES.items()
    ]

    async def models(_: Request) -> Response:
        response = json_response(_models(store))
        response.headers.update(_HEADERS)
        return response

    return [*routes, Route("/page/models", models)]


def _models(store: ModelStore) -> list[dict[str, Any]]:
    """Returns the models that take texts."""
    described = []
    for name in store.models:
        try:
            with store.model(name).lease() as servable:
                model = _describe(servable)
        except ServingError:  # Its folder was deleted, and no version is loaded.
            continue
        if model["together"] or model["tasks"]:
            described.append(model)
    return described


def _describe(servable: Servable) -> dict[str, Any]:
    """Returns the description of a model for the page.

    `together`: the default signature answers every task at once; `tasks`: the signatures that answer one from texts.
    """
    default = servable.signatures.get(DEFAULT_SIGNATURE)
    tasks = [
        {"name": name, "texts": len(definition.inputs)}
        for name, definition in sorted(servable.signatures.items())
        if name != DEFAULT_SIGNATURE and set(definition.inputs) in _TEXT_INPUTS and is_answer(list(definition.outputs))
    ]
    return {
        "name": servable.model,
        "version": servable.version,
        "together": default is not None
        and set(default.inputs) == _TEXT_INPUTS[1]
        and any(name.endswith(("_probabilities", "_score")) for name in default.outputs),
        "tasks": tasks,
        "max_sequence_length": _longest(servable.folder),
    }


def _longest(folder: Path) -> int | None:
    try:
        value = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["max_sequence_length"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, int) else None
