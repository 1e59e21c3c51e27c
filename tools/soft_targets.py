"""Imports soft targets from tables that any teacher wrote, averaging several, or exports them to one."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from flags import data
from mtdnn_tf.distillation.exchange import export_soft_targets, import_soft_targets
from mtdnn_tf.distillation.exchange_files import PROBABILITIES, VALUES, check_format
from mtdnn_tf.errors import UserError
from mtdnn_tf.options import parse_list
from tools import cli

_IMPORT_FROM = flags.DEFINE_multi_string(
    "import_from", [], "A teacher's predictions: .tsv, .csv or .jsonl, by example id; may be repeated."
)
_TEACHER_NAMES = flags.DEFINE_list("teacher_names", [], "One name an imported file, by commas; the files' if empty.")
_WEIGHTS = flags.DEFINE_list("weights", [], "One weight an imported file, by commas; equal if empty.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the soft targets that are imported.")
_EXPORT_TO = flags.DEFINE_string("export_to", None, "A .tsv or .jsonl file to export to.")
_SOFT_TARGETS = flags.DEFINE_string("soft_targets", None, "Folder of the soft targets that are exported.")
_SPLIT = flags.DEFINE_string("split", "train", "The split whose examples they are of.")
_VALUES = flags.DEFINE_enum("values", PROBABILITIES, VALUES, "What a file of classification or ranking holds.")
_GOES_WITH = {
    "import_from": (_OUTPUT_DIR, _TEACHER_NAMES, _WEIGHTS),
    "export_to": (_SOFT_TARGETS,),
}


def main() -> None:
    """Imports or exports what the flags name."""
    if bool(_IMPORT_FROM.value) == bool(_EXPORT_TO.value):
        raise UserError("one of --import_from and --export_to is needed, and only one")
    verb, other = ("import_from", "export_to") if _IMPORT_FROM.value else ("export_to", "import_from")
    for flag in _GOES_WITH[other]:
        if flag.value:
            raise UserError(f"--{flag.name} goes with --{other}, --{verb} given")
    if not _GOES_WITH[verb][0].value:
        raise UserError(f"--{_GOES_WITH[verb][0].name} is needed with --{verb}")
    settings, split = data.settings(), _SPLIT.value
    tasks = settings.selected_tasks()
    if len(tasks) != 1:
        raise UserError(f"--tasks takes one task here, {', '.join(task.name for task in tasks)} given")
    if _EXPORT_TO.value:
        path = Path(_EXPORT_TO.value)
        check_format(path)
        rows = export_soft_targets(Path(_SOFT_TARGETS.value), tasks[0], split, path, _VALUES.value)
        logging.info("%s: soft targets of %d examples of %s", path, rows, tasks[0].name)
        return
    folder = import_soft_targets(
        [Path(path) for path in _IMPORT_FROM.value],
        tasks[0],
        split,
        settings.source,
        Path(_OUTPUT_DIR.value),
        _TEACHER_NAMES.value,
        parse_list("weights", _WEIGHTS.value) or None,
        _VALUES.value,
    )
    logging.info("%s: soft targets of %d teachers for %s", folder, len(_IMPORT_FROM.value), tasks[0].name)


if __name__ == "__main__":
    cli.run(main)
