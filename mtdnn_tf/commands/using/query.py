"""Queries the development server or TF Serving with texts."""

from __future__ import annotations

import json
import logging as python_logging
import sys

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.flags.numbers import define_float, define_integer
from mtdnn_tf.flags.paths import define_data_path, define_path
from mtdnn_tf.serving.client.answers import readable
from mtdnn_tf.serving.client.connection import Patience
from mtdnn_tf.serving.client.query import Texts, ask, connect, read_api_key, read_texts

_SERVER = flags.DEFINE_string(
    "server", "http://127.0.0.1:8501", "http://HOST:PORT for REST, grpc://HOST:PORT for gRPC."
)
_MODEL = flags.DEFINE_string("model", None, "The model's name.")
_SIGNATURE = flags.DEFINE_string(
    "signature", None, "Signature to query, such as a task's name; default: all tasks that take the texts."
)
flags.DEFINE_alias("task", "signature")
_TEXT_A = flags.DEFINE_string("text_a", None, "Sentence, or first text of a pair.")
_TEXT_B = flags.DEFINE_string("text_b", None, "Second text of a pair.")
_INPUT = define_data_path(
    "input", "File of texts, or folder or pattern of such files, instead of --text_a and --text_b."
)
_COLUMNS = flags.DEFINE_list(
    "columns", [], "One or two comma-separated text columns of the file; default: text_a and text_b."
)
_OUTPUT = define_path("output", "A .jsonl file for the answers, one line per text; default: print them.")
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON per text.")
_BATCH_SIZE = define_integer("batch_size", 32, "Number of texts per request.", 1)
_TIMEOUT = define_float("timeout", 10.0, "Timeout of a request, in seconds.", 0.001, 86400)
_API_KEY_FILE = define_path("api_key_file", "File of the key that the server asks for; default: none is sent.")
_RETRIES = define_integer("retries", 3, "Number of retries if the server is unavailable or busy.", 0)


def _texts() -> list[Texts]:
    if (_INPUT.value is None) == (_TEXT_A.value is None):
        raise UserError("exactly one of --text_a and --input must be given")
    if _INPUT.value is None:
        return [Texts(_TEXT_A.value, _TEXT_B.value)]
    if _TEXT_B.value is not None:
        raise UserError("--text_b needs --text_a, not --input")
    if len(_COLUMNS.value) > 2:
        raise UserError(f"--columns must be one or two names, got {','.join(_COLUMNS.value)}")
    return read_texts(_INPUT.value, _COLUMNS.value)


def main() -> None:
    python_logging.getLogger("httpx").setLevel(python_logging.WARNING)  # httpx logs every request.
    texts = _texts()
    if _OUTPUT.value and _OUTPUT.value.suffix != ".jsonl":
        raise UserError(f"--output must be a .jsonl file, got {_OUTPUT.value}")
    lines = []
    is_ascii = not _OUTPUT.value and sys.stdout.encoding.lower() != "utf-8"
    # Not on the command line, which other users of the machine see.
    api_key = read_api_key(_API_KEY_FILE.value) if _API_KEY_FILE.value else ""
    with connect(_SERVER.value, _MODEL.value, Patience(_TIMEOUT.value, _RETRIES.value), api_key) as connection:
        for text, answers in zip(texts, ask(connection, texts, _SIGNATURE.value, _BATCH_SIZE.value)):
            given = {name: value for name, value in text._asdict().items() if value is not None}
            if _OUTPUT.value or _JSON.value:
                lines.append(json.dumps({**given, "answers": answers}, ensure_ascii=is_ascii))
            else:
                lines += [" | ".join(given.values()), *(f"  {line}" for line in readable(answers))]
            if not _OUTPUT.value:
                print("\n".join(lines), flush=True)
                lines.clear()
    if _OUTPUT.value:
        write_text(_OUTPUT.value, "".join(f"{line}\n" for line in lines))
        logging.info("%s: %d answers", _OUTPUT.value, len(lines))


COMMAND = Command(main, required=("model",))
