from __future__ import annotations

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.write import read_report, write_report
from tests.report.example_data import awkward_report

_NAMES = ("agreement", "curves", "differences", "reliability", "scores")


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "deep" / "report"
    write_report(awkward_report(), folder)
    return folder


def _contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_holds_page_data_tables_and_figures(folder):
    figures = [f"figures/{name}{kind}.png" for name in _NAMES for kind in ("", "_narrow")]
    contents = _contents(folder)
    written = ["index.html", "report.json", "results.csv", "differences.csv", "manifest.json", *figures]
    assert sorted(contents) == sorted(written)
    assert [path.name for path in folder.parent.iterdir()] == ["report"]
    assert all(contents[name].startswith(b"\x89PNG\r\n\x1a\n") for name in figures)
    assert contents["index.html"].startswith(b"<!DOCTYPE html>")


def test_a_report_is_made_again_from_its_data_byte_by_byte(folder, tmp_path):
    write_report(read_report(folder / "report.json"), tmp_path / "again")
    assert _contents(tmp_path / "again") == _contents(folder)


def test_a_report_replaces_a_report_and_nothing_else(tmp_path):
    empty = ReportData("first", (), ())
    write_report(empty, tmp_path / "report")
    write_report(ReportData("second", (), ()), tmp_path / "report")
    assert read_report(tmp_path / "report" / "report.json").title == "second"
    for name in ("thesis.tex", "figures/drawing.svg"):
        (tmp_path / "report" / name).write_text("mine")
        with pytest.raises(UserError, match=f"holds {name}, which is not of a report; name a new or empty folder"):
            write_report(empty, tmp_path / "report")
        assert (tmp_path / "report" / name).read_text() == "mine"
        (tmp_path / "report" / name).unlink()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="must be a folder, got a file"):
        write_report(empty, tmp_path / "file")


def test_no_report_json_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"report\.json: no such file"):
        read_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(UserError, match=r"report\.json: not a report: format must be 2, got none"):
        read_report(tmp_path / "report.json")
