"""Adapts trained encoders and the plain encoder to a new task with few labels, and compares them."""

from __future__ import annotations

import csv
from pathlib import Path

from absl import flags

from mtdnn_tf.adaptation.config import AdaptationConfig
from mtdnn_tf.adaptation.results import markdown_results
from mtdnn_tf.adaptation.run import plan, run_adaptation
from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import user_path
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.training import training_config
from mtdnn_tf.training.config import EncoderOptions

define(AdaptationConfig)
_STARTS = flags.DEFINE_list(
    "starts",
    [],
    "Comma-separated NAME:RUN: runs whose encoders are adapted, with their names in tables; instead of --init_from, "
    "which takes comma-separated runs and names each after its folder.",
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the trainings, their steps and what is done; run none.")


def _starts() -> dict[str, str]:
    init_from = given(EncoderOptions).get("init_from")
    if bool(init_from) == bool(_STARTS.value):
        raise UserError("the runs to start from must be given by one of --init_from and --starts")
    if init_from:
        pairs = [(Path(run).name, run) for run in next(csv.reader([init_from]))]
    else:
        pairs = [(name, run) for name, _, run in (start.partition(":") for start in _STARTS.value)]
        if not all(run for _, run in pairs):
            raise UserError(f"--starts must be comma-separated NAME:RUN, got {','.join(_STARTS.value)}")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise UserError(f"runs must have different names, got {','.join(names)}; --starts=NAME:RUN names them")
    return {name: str(user_path(run)) for name, run in pairs}


def main() -> None:
    starts = _starts()
    base = training_config([Path(run) for run in starts.values()]).replace(init_from=None)
    config = AdaptationConfig.build(base=base, starts=starts, **given(AdaptationConfig))
    if _DRY_RUN.value:
        print(plan(config), end="")
        return
    config.base.prepare_cores()
    print(markdown_results(run_adaptation(config)), end="")


COMMAND = Command(main, required=("output_dir",))
