from __future__ import annotations

import sys

import pytest

from benchmarks import training_start


@pytest.mark.slow
def test_a_line_per_number_of_rows_and_the_cache_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training_start", f"--output={tmp_path}", "--rows=300,900"])
    training_start.main()
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [(line[0], line[1]) for line in lines] == [("| 300", "now"), ("| 900", "now")]
    assert all(float(line[2]) > 0 for line in lines)
    assert len([*(tmp_path / "cache" / "mood").glob("train-*")]) == 2
    assert not (tmp_path / "run").exists()
