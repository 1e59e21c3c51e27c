"""Queries of a server with texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.data.sources.shards import find_shards
from mtdnn_tf.data.sources.tables import place, read_rows
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import read_text
from mtdnn_tf.serving.client.answers import answers_of_row, is_answer
from mtdnn_tf.serving.client.connection import Connection, GrpcConnection, Patience, RestConnection, Signature
from mtdnn_tf.tasks.task import INPUT

_DEFAULT = "serving_default"
_TEXTS = ("text_a", "text_b")


class Texts(NamedTuple):
    """A sentence, or a pair; `text_b` is None for a sentence."""

    text_a: str
    text_b: str | None = None


def connect(server: str, model: str, patience: Patience, api_key: str = "") -> Connection:
    """Returns a connection to a model, to be closed by `with`; `api_key` is sent with each request."""
    scheme, separator, address = server.partition("://")
    if separator and address and scheme in ("http", "https"):
        return RestConnection(server, model, patience, api_key)
    if separator and address and scheme == "grpc":
        return GrpcConnection(address.rstrip("/"), model, patience, api_key)
    raise UserError(f"--server must be http://HOST:PORT or grpc://HOST:PORT, got {server!r}")


def read_api_key(path: Path) -> str:
    """Returns the key that a file holds; refuses what no header can have."""
    key = read_text(path).strip()
    if not re.fullmatch("[!-~]+", key):
        # It may be a key, and is not shown.
        raise UserError(f"{path}: must hold one key of ASCII characters without spaces")
    return key


def read_texts(path: Path, columns: Sequence[str]) -> list[Texts]:
    """Reads the texts of a data file or of shards: its columns, or `text_a` and, if present, `text_b`."""
    texts = [text for shard in find_shards(path, INPUT) for text in _texts_of_table(shard.path, columns)]
    if not texts:
        raise UserError(f"{path}: must have at least one row")
    return texts


def _texts_of_table(path: Path, columns: Sequence[str]) -> Iterator[Texts]:
    names = list(columns) or list(_TEXTS)
    required = names if columns else names[:1]
    for row in read_rows(path, required, [name for name in names if name not in required]):
        if row.problem:
            raise UserError(f"{place(path, row.line)}: {row.problem}")
        for name in required:
            if row.cells[name] is None:
                raise UserError(f"{place(path, row.line)}: column {name!r} must be a text, got null")
        yield Texts(*(row.cells[name] or "" for name in names if name in row.cells))


def ask(
    connection: Connection, texts: Sequence[Texts], signature: str | None, batch_size: int
) -> Iterator[dict[str, dict[str, Any]]]:
    """Yields the model's answers to each text, by task; the texts are all sentences, or all pairs.

    Without a signature, the default one is asked or, if the model has none, those of all tasks.
    """
    chosen = _choose(connection.signatures(), signature, any(text.text_b is not None for text in texts))
    for start in range(0, len(texts), batch_size):
        part = texts[start : start + batch_size]
        columns = {"text_a": [text.text_a for text in part], "text_b": [text.text_b or "" for text in part]}
        answers: list[dict[str, dict[str, Any]]] = [{} for _ in part]
        for name, definition in chosen.items():
            outputs = connection.predict(name, {key: columns[key] for key in definition.inputs})
            if list(outputs) == [""]:  # REST omits the name of a single output.
                outputs = {definition.outputs[0]: outputs[""]}
            for key, values in outputs.items():
                if not isinstance(values, list) or len(values) != len(part):
                    raise UserError(f"signature {name}: output {key!r} must have a value for each of {len(part)} texts")
            for row, answer in enumerate(answers):
                answer.update(answers_of_row(outputs, row, name))
        yield from answers


def _choose(signatures: Mapping[str, Signature], name: str | None, is_pair: bool) -> dict[str, Signature]:
    """Returns the signatures to query, by name."""
    both, wanted = set(_TEXTS), set(_TEXTS if is_pair else _TEXTS[:1])
    if name is None:
        default = signatures.get(_DEFAULT)
        if default is not None and set(default.inputs) in (both, wanted):
            return {_DEFAULT: default}
        found = {
            key: one
            for key, one in signatures.items()
            if key != _DEFAULT and set(one.inputs) == wanted and is_answer(one.outputs)
        }
        if not found:
            raise UserError(f"no signature takes {' and '.join(sorted(wanted))}; the model has {', '.join(signatures)}")
        return found
    if name not in signatures:
        raise unknown_name("signature", name, signatures)
    inputs = set(signatures[name].inputs)
    # The default signature takes an empty second text for a sentence.
    if inputs != wanted and not (name == _DEFAULT and inputs == both):
        takes = ", ".join(signatures[name].inputs)
        raise UserError(f"signature {name} takes {takes}; got {' and '.join(sorted(wanted))}")
    return {name: signatures[name]}
