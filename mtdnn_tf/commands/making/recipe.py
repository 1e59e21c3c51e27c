"""Runs the whole recipe: teachers, soft targets, baselines, student, report and SavedModel."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.training import training_config
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run import plan, run_recipe

define(RecipeConfig)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the stages, their training steps and what is done; run none.")


def main() -> None:
    config = RecipeConfig.build(base=training_config(), **given(RecipeConfig))
    if _DRY_RUN.value:
        print(plan(config), end="")
        return
    config.base.prepare_cores()
    print(run_recipe(config).to_text(), end="")


COMMAND = Command(main, required=("output_dir",))
