"""Runs the whole job: teachers, soft targets, baselines, the distilled student, a report and a SavedModel."""

from __future__ import annotations

from absl import flags

from flags import recipe, runtime
from mtdnn_tf.recipe.run import plan, run_recipe
from tools import cli

_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Prints the stages, their training steps and what is done; runs none.")


def main() -> None:
    """Runs the recipe that the flags describe and prints its table, finding and report."""
    config = recipe.recipe_config()
    if _DRY_RUN.value:
        print(plan(config), end="")
        return
    runtime.prepare_cores(config.base)
    print(run_recipe(config).to_text(), end="")


if __name__ == "__main__":
    cli.run(main, required=["output_dir"])
