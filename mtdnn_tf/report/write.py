"""Writes a report's folder and reads its data."""

from __future__ import annotations

from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, write_text
from mtdnn_tf.json_files import read_json, write_json
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.page import draw_images, render_page
from mtdnn_tf.report.plotting import LIGHT, Style
from mtdnn_tf.report.tables import differences_csv, results_csv

PAGE = "index.html"
DATA = "report.json"
RESULTS = "results.csv"
DIFFERENCES = "differences.csv"
FIGURES = "figures"


def write_report(data: ReportData, folder: Path) -> None:
    """Writes a report: the page, its data, tables as CSV, and figures as PNG, for a page and (`_narrow`) for a phone.

    The folder becomes visible when complete. An existing report is replaced; other folders are refused by UserError.
    """
    check_folder(folder)
    images = draw_images(data)
    with new_folder(folder) as temporary:
        write_json(temporary / DATA, data.to_json())
        write_text(temporary / RESULTS, results_csv(data))
        write_text(temporary / DIFFERENCES, differences_csv(data))
        write_text(temporary / PAGE, render_page(data, images))
        (temporary / FIGURES).mkdir()
        for name, pictures in images.items():
            (temporary / FIGURES / f"{name}.png").write_bytes(pictures[Style(LIGHT)])
            (temporary / FIGURES / f"{name}_narrow.png").write_bytes(pictures[Style(LIGHT, narrow=True)])
        write_manifest(temporary, {"what": "report"})


def read_report(path: Path) -> ReportData:
    """Reads the data of a report from its report.json, or raises UserError if it or its folder is damaged."""
    if (path.parent / MANIFEST).is_file():
        read_manifest(path.parent, "edit a copy of report.json elsewhere, or write the report again")
    return ReportData.from_json(read_json(path), str(path))


def check_folder(folder: Path) -> None:
    """Raises a `UserError` if a folder is not a report."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: must be a folder, got a file")
    foreign = {path.name for path in folder.glob("*")} - {PAGE, DATA, RESULTS, DIFFERENCES, FIGURES, MANIFEST}
    foreign |= {f"{FIGURES}/{path.name}" for path in (folder / FIGURES).glob("*") if path.suffix != ".png"}
    if foreign:
        raise UserError(
            f"{folder}: a report replaces its whole folder, and this one holds {min(foreign)}, which is not of a "
            "report; name a new or empty folder"
        )
