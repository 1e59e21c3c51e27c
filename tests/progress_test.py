"""A log gets a line at most every so many seconds, with what is done and about how much time is left."""

from __future__ import annotations

import io
import logging
import sys
import time

import pytest

from mtdnn_tf import progress
from mtdnn_tf.progress import Pace, watched


@pytest.fixture(name="clock")
def _clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds_per_step", "expected"),
    [(1.0, "60 of 100, about 40 s left"), (20.0, "3 of 100, about 32 min left"), (300.0, "1 of 100, about 8.2 h left")],
)
def test_a_line_is_due_every_minute_and_tells_the_time_left(clock, seconds_per_step, expected):
    pace, lines = Pace(100), []
    for done in range(1, 101):
        clock[0] += seconds_per_step
        lines.append(pace.line(done))
    assert next(line for line in lines if line) == expected
    assert sum(line is not None for line in lines) == int(100 * min(seconds_per_step / 60, 1))


def test_steps_done_before_do_not_count(clock):
    clock[0] = 100.0
    pace = Pace(1000, first=900)
    assert pace.line(900) is None
    clock[0] = 175.0
    assert pace.line(910) == "910 of 1000, about 11 min left"


def test_items_are_passed_on_and_a_log_gets_lines(caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        assert list(watched(range(4), "encoding mnli train", seconds=0.0)) == [0, 1, 2, 3]
    messages = [record.message for record in caplog.records]
    assert [message.partition(",")[0] for message in messages] == [f"encoding mnli train: {n} of 4" for n in (1, 2, 3)]


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch, caplog):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_DELAY", 0)
    with caplog.at_level(logging.INFO, logger="absl"):
        for _ in watched(range(3), "predicting rte test", seconds=0.0):
            time.sleep(0.15)
    assert "predicting rte test" in terminal.getvalue() and "<00:00" in terminal.getvalue()
    assert caplog.records == []
