"""Serves exported models for development: TF Serving's REST and gRPC APIs, and a page to try them."""

from __future__ import annotations

import asyncio

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.numbers import define_float, define_integer
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.serving.server.api_keys import ApiKeys
from mtdnn_tf.serving.server.models.batcher import BatchingOptions
from mtdnn_tf.serving.server.models.model_store import ModelStore, parse_models
from mtdnn_tf.serving.server.serve import Places, serve
from mtdnn_tf.serving.server.work_pool import Limits

_MODEL = flags.DEFINE_list(
    "model", [], "Comma-separated folders of models: DIR, with the folder's name as the model's, or NAME:DIR."
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for all interfaces.")
_PORT = define_integer("port", 8501, "Port of the page and of REST; 0 for any free port.", 0, 65535)
_GRPC_PORT = define_integer("grpc_port", 8500, "Port of gRPC; 0 for any free port.", 0, 65535)
_POLL_SECONDS = define_float("poll_seconds", 1.0, "Interval of checks for new versions, in seconds.", 0.01, 86400)
_GRACE_SECONDS = define_integer("grace_seconds", 30, "Seconds for running requests to finish at shutdown.", 0)
_API_KEYS_FILE = define_path(
    "api_keys_file", "File of lines NAME:SHA256 of keys, one of which requests then need; default: no keys."
)
define(Limits)
define(BatchingOptions)


def main() -> None:
    limits = Limits.build(**given(Limits))
    keys = ApiKeys.read(_API_KEYS_FILE.value) if _API_KEYS_FILE.value else None
    store = ModelStore(parse_models(_MODEL.value), BatchingOptions.build(**given(BatchingOptions)))
    store.watch(_POLL_SECONDS.value)
    places = Places(_HOST.value, _PORT.value, _GRPC_PORT.value)
    asyncio.run(serve(store, limits, places, _GRACE_SECONDS.value, keys))
    logging.info("ended")


COMMAND = Command(main, required=("model",))
