"""Adapts trained encoders to a new task with few labels, against the plain encoder: trainings, table and plot."""

from __future__ import annotations

from absl import flags

from flags import adaptation, runtime
from mtdnn_tf.adaptation.results import markdown_results
from mtdnn_tf.adaptation.run import plan, run_adaptation
from tools import cli

_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Prints the trainings, their steps and what is done; runs none.")


def main() -> None:
    """Runs the adaptation that the flags describe and prints its table."""
    config = adaptation.adaptation_config()
    if _DRY_RUN.value:
        print(plan(config), end="")
        return
    runtime.prepare_cores(config.base)
    print(markdown_results(run_adaptation(config)), end="")


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
