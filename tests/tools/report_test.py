import json

import pytest

from mtdnn_tf.report.data import Model, ReportData, Run, TaskInfo


@pytest.fixture(name="stored")
def _stored(tmp_path):
    data = ReportData(
        "A title",
        [Model("multi-task", "multi-task", [Run(1, {"rte": {"accuracy": 0.75}}, 0.75)])],
        [TaskInfo("rte", "classification", ["accuracy"], True, ["rte"])],
    )
    path = tmp_path / "report.json"
    path.write_text(json.dumps(data.to_json()))
    return path


def test_a_page_is_made_from_report_json(binaries, stored, tmp_path):
    result = binaries.run("report", f"--from={stored}", f"--output_dir={tmp_path / 'out'}")
    assert (result.status, result.stdout) == (0, "")
    assert "report written" in result.stderr
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<h1>A title</h1>" in page and "75.0" in page
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(stored.read_text())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--output_dir={out}", ["from"]),
        ("--from={stored}", ["output_dir"]),
        ("--from={out}/report.json --output_dir={out}", ["report.json", "no such file"]),
        ("--from={stored}.cut --output_dir={out}", ["not JSON"]),
        ("--from={stored} --output_dir={folder}", ["holds", "not of a report", "new or empty folder"]),
    ],
)
def test_a_mistake_is_told_in_one_line(binaries, stored, tmp_path, flags, words):
    stored.with_name("report.json.cut").write_text(stored.read_text()[:-5])
    filled = flags.format(out=tmp_path / "out", stored=stored, folder=tmp_path)
    result = binaries.run("report", *filled.split())
    assert result.status == 1
    (line,) = result.stderr.splitlines()
    assert all(word in line for word in words), line
    assert not (tmp_path / "out").exists()
