"""Imports and averages soft targets from tables of any teachers, or exports them to a table."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.distillation.exchange import export_soft_targets
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.imported_shards import import_shard, join_shards
from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.evaluation.measures.gold_agreement import agreement_table
from mtdnn_tf.files import user_path
from mtdnn_tf.flags import data
from mtdnn_tf.flags.ensemble import define_weights
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.options import parse_list
from mtdnn_tf.tasks.task import Task
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
_SHARD = flags.DEFINE_string(
    "shard", None, "Name of the shard that tables with a part of the split's examples are imported to."
)
_JOIN_SHARDS = flags.DEFINE_bool("join_shards", False, "Write the manifest over all imported shards of --output_dir.")
_EXPORT_TO = define_path("export_to", "A .tsv or .jsonl file to export to.")
_SOFT_TARGETS = define_path("soft_targets", "Folder of the soft targets to export.")
_SPLIT = flags.DEFINE_string("split", "train", "Split of the examples.")
define(TableOptions)
_VERBS = {"import_from": _IMPORT_FROM, "join_shards": _JOIN_SHARDS, "export_to": _EXPORT_TO}
# The first one is needed.
_GOES_WITH = {
    "import_from": (_OUTPUT_DIR, _TEACHER_NAMES, _WEIGHTS, _SHARD),
    "join_shards": (_OUTPUT_DIR,),
    "export_to": (_SOFT_TARGETS,),
}


def _verb() -> str:
    """Returns which flag says what to do; refuses flags of others."""
    given = [verb for verb, flag in _VERBS.items() if flag.value]
    if len(given) != 1:
        raise UserError("exactly one of --import_from, --join_shards and --export_to must be given")
    (verb,) = given
    own = {flag.name for flag in _GOES_WITH[verb]}
    for other, accepted in _GOES_WITH.items():
        for flag in accepted:
            if flag.value and flag.name not in own:
                raise UserError(f"--{flag.name} needs --{other}, got --{verb}")
    if not _GOES_WITH[verb][0].value:
        raise UserError(f"--{_GOES_WITH[verb][0].name} is needed with --{verb}")
    return verb


def main() -> None:
    verb = _verb()
    settings, split, options = data.settings(), _SPLIT.value, TableOptions.build(**given(TableOptions))
    tasks = settings.selected_tasks()
    if len(tasks) != 1:
        raise UserError(f"--tasks must name one task here, got {', '.join(task.name for task in tasks)}")
    if verb == "export_to":
        path = _EXPORT_TO.value
        check_format(path, "soft targets")
        rows = export_soft_targets(_SOFT_TARGETS.value, tasks[0], split, path, *options.values_of([path]))
        logging.info("%s: soft targets of %d examples of %s", path, rows, tasks[0].name)
    elif verb == "join_shards":
        folder = join_shards(tasks[0], split, settings.source, _OUTPUT_DIR.value)
        examples = read_soft_targets(folder).manifest["examples"]
        logging.info("%s: soft targets of %d examples of %s", folder, examples, tasks[0].name)
    else:
        _import(tasks[0], split, settings.source, options)


def _import(task: Task, split: str, source: DataSource, options: TableOptions) -> None:
    files, weights = [user_path(path) for path in _IMPORT_FROM.value], parse_list("weights", _WEIGHTS.value) or None
    how = (files, task, split, source, _OUTPUT_DIR.value, _TEACHER_NAMES.value, weights, options)
    if _SHARD.value is not None:
        folder = import_shard(_SHARD.value, *how)
        logging.info("%s: a shard of soft targets of %d teachers for %s", folder, len(files), task.name)
        return
    folder = import_soft_targets(*how)
    logging.info("%s: soft targets of %d teachers for %s", folder, len(files), task.name)
    agreement = read_soft_targets(folder).manifest.get("agreement")
    if agreement:
        print(agreement_table(agreement), end="")
    else:
        logging.info("split %s has no gold labels: agreement with them is not reported", split)


COMMAND = Command(main)
