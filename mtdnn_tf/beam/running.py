"""Running a pipeline to its end, with its progress in the log and its failure in one line."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.progress import SECONDS, Pace

# DirectRunner itself downloads a program of Beam's, Prism, and runs the pipeline there.
_LOCAL = {"DirectRunner": "apache_beam.runners.portability.fn_api_runner.FnApiRunner"}
_LONGEST = 600
_log = logging.getLogger("absl")


def pipeline_options(options: BeamOptions) -> PipelineOptions:
    """Returns what Beam is told: the runner, and the options that are handed to it as they are."""
    # The log of a worker has a line per connection otherwise.
    quiet = "--default_sdk_harness_log_level=WARNING"
    given = [item if item.startswith("--") else f"--{item}" for item in options.beam]
    return PipelineOptions([f"--runner={_LOCAL.get(options.runner, options.runner)}", quiet, *given])


def run_pipeline(options: BeamOptions, build: Callable[[beam.Pipeline], None], what: str) -> None:
    """Builds a pipeline and runs it until it is done.

    Raises:
        UserError: Beam knows no such runner, or the pipeline failed; with the last line of what the runner says.
    """
    try:
        pipeline = beam.Pipeline(options=pipeline_options(options))
        build(pipeline)
        pipeline.run().wait_until_finish()
    except UserError:
        raise
    except Exception as error:
        stop_if_asked()
        _log.debug("%s", error)
        raise UserError(f"{what} failed on {options.runner}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    ours = [line for line in lines if "UserError: " in line]
    return shortened(ours[-1].partition("UserError: ")[2] if ours else lines[-1], _LONGEST)


@contextlib.contextmanager
def progress_logged(done: Callable[[], int], total: int, what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Logs how much is done, every minute by default, while the block runs."""
    ended, pace = threading.Event(), Pace(total, seconds, done())

    def log() -> None:
        while not ended.wait(seconds):
            if line := pace.line(done()):
                _log.info("%s: %s", what, line)

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
