"""Runs the whole job: teachers, soft targets, baselines, the distilled student, a table and a SavedModel."""

from __future__ import annotations

from flags import recipe, runtime
from mtdnn_tf.evaluation.results_table import text_table
from mtdnn_tf.recipe import run_recipe
from mtdnn_tf.training.strategies import split_cpu
from tools import cli


def main() -> None:
    """Runs the recipe that the flags describe and prints its table."""
    config = recipe.recipe_config()
    if runtime.LOGICAL_CPUS.value > 1:
        split_cpu(runtime.LOGICAL_CPUS.value)
    print(text_table(run_recipe(config)), end="")


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
