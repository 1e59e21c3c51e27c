"""Asks a server for development or a TF Serving what its model says of texts."""

from __future__ import annotations

import json
import logging as python_logging
from pathlib import Path

from absl import flags, logging

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.serving.client.answers import readable
from mtdnn_tf.serving.client.connection import Patience
from mtdnn_tf.serving.client.query import Texts, ask, connect, read_texts
from tools import cli

_SERVER = flags.DEFINE_string(
    "server", "http://127.0.0.1:8501", "http://HOST:PORT for REST, grpc://HOST:PORT for gRPC."
)
_MODEL = flags.DEFINE_string("model", None, "The model's name.")
_SIGNATURE = flags.DEFINE_string(
    "signature", None, "The signature to ask, such as a task's name; all tasks that take the texts if not given."
)
flags.DEFINE_alias("task", "signature")
_TEXT_A = flags.DEFINE_string("text_a", None, "The sentence, or the first of a pair.")
_TEXT_B = flags.DEFINE_string("text_b", None, "The second of a pair.")
_INPUT = flags.DEFINE_string("input", None, "File of texts (.tsv, .csv, .jsonl) in place of --text_a and --text_b.")
_COLUMNS = flags.DEFINE_list("columns", [], "The file's one or two columns of texts; text_a and text_b if not given.")
_OUTPUT = flags.DEFINE_string("output", None, "A .jsonl file for the answers, a line per text; printed if not given.")
_JSON = flags.DEFINE_bool("json", False, "Prints a line of JSON per text.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Texts in a request.", lower_bound=1)
_TIMEOUT = flags.DEFINE_float("timeout", 10.0, "Seconds that a request may take.", lower_bound=0.001)
_RETRIES = flags.DEFINE_integer("retries", 3, "How often to ask again where the server is unavailable or busy.", 0)


def _texts() -> list[Texts]:
    if (_INPUT.value is None) == (_TEXT_A.value is None):
        raise UserError("one of --text_a and --input is needed, and only one")
    if _INPUT.value is None:
        return [Texts(_TEXT_A.value, _TEXT_B.value)]
    if _TEXT_B.value is not None:
        raise UserError("--text_b goes with --text_a, not with --input")
    if len(_COLUMNS.value) > 2:
        raise UserError(f"--columns takes one or two names, {','.join(_COLUMNS.value)} given")
    return read_texts(Path(_INPUT.value), _COLUMNS.value)


def main() -> None:
    """Prints or writes the answers to the texts of the flags."""
    python_logging.getLogger("httpx").setLevel(python_logging.WARNING)  # It logs every request.
    texts = _texts()
    if _OUTPUT.value and Path(_OUTPUT.value).suffix != ".jsonl":
        raise UserError(f"--output takes a .jsonl file, {_OUTPUT.value} given")
    lines = []
    with connect(_SERVER.value, _MODEL.value, Patience(_TIMEOUT.value, _RETRIES.value)) as connection:
        for text, answers in zip(texts, ask(connection, texts, _SIGNATURE.value, _BATCH_SIZE.value)):
            given = {name: value for name, value in text._asdict().items() if value is not None}
            if _OUTPUT.value or _JSON.value:
                lines.append(json.dumps({**given, "answers": answers}, ensure_ascii=False))
            else:
                lines += [" | ".join(given.values()), *(f"  {line}" for line in readable(answers))]
            if not _OUTPUT.value:
                print("\n".join(lines), flush=True)
                lines.clear()
    if _OUTPUT.value:
        write_text(Path(_OUTPUT.value), "".join(f"{line}\n" for line in lines))
        logging.info("%s: %d answers", _OUTPUT.value, len(lines))


if __name__ == "__main__":
    cli.run(main, required=["model"])
