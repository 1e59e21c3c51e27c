"""Writes a report's page, figures and tables again from its report.json."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from mtdnn_tf.report.write import read_report, write_report
from tools import cli

_FROM = flags.DEFINE_string("from", None, "The report.json of a report.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the new report; an existing report is replaced.")


def main() -> None:
    folder = Path(_OUTPUT_DIR.value)
    write_report(read_report(Path(_FROM.value)), folder)
    logging.info("%s: report written, its page is index.html", folder)


if __name__ == "__main__":
    cli.run(main, required=["from", "output_dir"])
