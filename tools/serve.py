"""Serves exported models for development: TF Serving's REST and gRPC APIs, and a page to try them."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.serving.server.model_store import ModelStore, parse_models
from mtdnn_tf.serving.server.serve import Address, serve
from mtdnn_tf.serving.server.work_pool import Limits
from tools import cli

_MODEL = flags.DEFINE_list(
    "model", [], "Comma-separated folders of models: DIR, with the folder's name as the model's, or NAME:DIR."
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for all interfaces.")
_PORT = flags.DEFINE_integer("port", 8501, "Port of the page and of REST; 0 for any free port.", 0, 65535)
_GRPC_PORT = flags.DEFINE_integer("grpc_port", 8500, "Port of gRPC; 0 for any free port.", 0, 65535)
_POLL_SECONDS = flags.DEFINE_float("poll_seconds", 1.0, "Interval of checks for new versions, in seconds.", 0.01, 86400)
_GRACE_SECONDS = flags.DEFINE_integer("grace_seconds", 30, "Seconds for running requests to finish at shutdown.", 0)
_DEFAULTS = Limits()
_REQUEST_BYTES = flags.DEFINE_integer("max_request_bytes", _DEFAULTS.max_request_bytes, "Maximum size of a request.")
_BATCH_ROWS = flags.DEFINE_integer("max_batch_rows", _DEFAULTS.max_batch_rows, "Maximum number of rows per request.")
_CONCURRENCY = flags.DEFINE_integer(
    "max_concurrency", _DEFAULTS.max_concurrency, "Maximum number of running and waiting requests; others are refused."
)
_THREADS = flags.DEFINE_integer("threads", _DEFAULTS.threads, "Maximum number of requests processed in parallel.")


def main() -> None:
    limits = Limits(_REQUEST_BYTES.value, _BATCH_ROWS.value, _CONCURRENCY.value, _THREADS.value)
    store = ModelStore(parse_models(_MODEL.value))
    serve(store, limits, Address(_HOST.value, _PORT.value, _GRPC_PORT.value), _POLL_SECONDS.value, _GRACE_SECONDS.value)
    logging.info("ended")


if __name__ == "__main__":
    cli.run(main, required=["model"])
