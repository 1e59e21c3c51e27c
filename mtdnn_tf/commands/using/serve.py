"""Serves exported models for development: TF Serving's REST and gRPC APIs, and a page to try them."""

from __future__ import annotations

import asyncio

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.serving.server.model_store import ModelStore, parse_models
from mtdnn_tf.serving.server.serve import serve
from mtdnn_tf.serving.server.work_pool import Limits

_MODEL = flags.DEFINE_list(
    "model", [], "Comma-separated folders of models: DIR, with the folder's name as the model's, or NAME:DIR."
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for all interfaces.")
_PORT = flags.DEFINE_integer("port", 8501, "Port of the page and of REST; 0 for any free port.", 0, 65535)
_GRPC_PORT = flags.DEFINE_integer("grpc_port", 8500, "Port of gRPC; 0 for any free port.", 0, 65535)
_POLL_SECONDS = flags.DEFINE_float("poll_seconds", 1.0, "Interval of checks for new versions, in seconds.", 0.01, 86400)
_GRACE_SECONDS = flags.DEFINE_integer("grace_seconds", 30, "Seconds for running requests to finish at shutdown.", 0)
define(Limits)


def main() -> None:
    limits = Limits.build(**given(Limits))
    store = ModelStore(parse_models(_MODEL.value))
    store.watch(_POLL_SECONDS.value)
    asyncio.run(serve(store, limits, _HOST.value, _PORT.value, _GRPC_PORT.value, _GRACE_SECONDS.value))
    logging.info("ended")


COMMAND = Command(main, required=("model",))
