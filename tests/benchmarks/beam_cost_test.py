from __future__ import annotations

import sys

import pytest

pytest.importorskip("apache_beam")

from benchmarks import beam_cost


def test_what_workers_share_is_divided_and_the_rest_is_not():
    cost = beam_cost.Cost(read=4, score=3, command=3, shuffled=100, files=200)
    line = beam_cost._line("small", cost, 36_000_000, 7)
    assert line == "| small | 36,000,000 | 7 | 0 | 10,000.00 | 30,000.00 | 3.60 | 7.20 |"


def test_rows_are_scored_and_their_cost_is_shown(tmp_path, monkeypatch, capsys):
    given = ["--rows=100", "--targets=1000", "--workers=2"]
    monkeypatch.setattr(sys, "argv", ["beam_cost", f"--output={tmp_path}", *given])
    monkeypatch.setattr(beam_cost, "_with_demo", lambda folder, cost, length: cost)
    beam_cost.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "measured between 100 and 400 rows, 1 teacher(s), per row:"
    assert [line.split(" | ")[1:3] for line in lines[-2:]] == [["1,000", "2"]] * 2
    assert not (tmp_path / "soft_targets").exists()
