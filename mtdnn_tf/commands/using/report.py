"""Writes a report's page, figures and tables again from its report.json."""

from __future__ import annotations

from absl import logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.report.write import read_report, write_report

_FROM = define_path("from", "The report.json of a report.")
_OUTPUT_DIR = define_path("output_dir", "Folder of the new report; an existing report is replaced.")


def main() -> None:
    write_report(read_report(_FROM.value), _OUTPUT_DIR.value)
    logging.info("%s: report written, its page is index.html", _OUTPUT_DIR.value)


COMMAND = Command(main, required=("from", "output_dir"))
