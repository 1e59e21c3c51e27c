"""Imports and averages soft targets from tables of any teachers, or exports them to a table."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.distillation.exchange import export_soft_targets
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.evaluation.measures.gold_agreement import agreement_table
from mtdnn_tf.files import user_path
from mtdnn_tf.flags import data
from mtdnn_tf.flags.ensemble import define_weights
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.options import parse_list
from mtdnn_tf.text_tables import check_format

_IMPORT_FROM = flags.DEFINE_multi_string(
    "import_from",
    [],
    "A teacher's table by example id (.tsv, .csv, .jsonl, .parquet), or a folder of soft targets; may be repeated.",
)
_TEACHER_NAMES = flags.DEFINE_list(
    "teacher_names", [], "Comma-separated names, one per --import_from; default: the names of files and folders."
)
_WEIGHTS = define_weights("--import_from")
_OUTPUT_DIR = define_path("output_dir", "Folder to write imported soft targets to.")
_EXPORT_TO = define_path("export_to", "A .tsv or .jsonl file to export to.")
_SOFT_TARGETS = define_path("soft_targets", "Folder of the soft targets to export.")
_SPLIT = flags.DEFINE_string("split", "train", "Split of the examples.")
define(TableOptions)
_GOES_WITH = {"import_from": (_OUTPUT_DIR, _TEACHER_NAMES, _WEIGHTS), "export_to": (_SOFT_TARGETS,)}


def main() -> None:
    if bool(_IMPORT_FROM.value) == bool(_EXPORT_TO.value):
        raise UserError("exactly one of --import_from and --export_to must be given")
    verb, other = ("import_from", "export_to") if _IMPORT_FROM.value else ("export_to", "import_from")
    for flag in _GOES_WITH[other]:
        if flag.value:
            raise UserError(f"--{flag.name} needs --{other}, got --{verb}")
    if not _GOES_WITH[verb][0].value:
        raise UserError(f"--{_GOES_WITH[verb][0].name} is needed with --{verb}")
    settings, split, options = data.settings(), _SPLIT.value, TableOptions.build(**given(TableOptions))
    tasks = settings.selected_tasks()
    if len(tasks) != 1:
        raise UserError(f"--tasks must name one task here, got {', '.join(task.name for task in tasks)}")
    if _EXPORT_TO.value:
        path = _EXPORT_TO.value
        check_format(path, "soft targets")
        rows = export_soft_targets(_SOFT_TARGETS.value, tasks[0], split, path, *options.values_of([path]))
        logging.info("%s: soft targets of %d examples of %s", path, rows, tasks[0].name)
        return
    folder = import_soft_targets(
        [user_path(path) for path in _IMPORT_FROM.value],
        tasks[0],
        split,
        settings.source,
        _OUTPUT_DIR.value,
        _TEACHER_NAMES.value,
        parse_list("weights", _WEIGHTS.value) or None,
        options,
    )
    logging.info("%s: soft targets of %d teachers for %s", folder, len(_IMPORT_FROM.value), tasks[0].name)
    agreement = read_soft_targets(folder).manifest.get("agreement")
    if agreement:
        print(agreement_table(agreement), end="")
    else:
        logging.info("split %s has no gold labels: agreement with them is not reported", split)


COMMAND = Command(main)
