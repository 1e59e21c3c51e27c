from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from mtdnn_tf.report.data import ReportData, task_summary
from mtdnn_tf.report.figures import (
    FIGURES,
    agreement_figure,
    curve_figure,
    difference_figure,
    reliability_figure,
    score_figure,
)
from mtdnn_tf.report.plotting import DARK, LIGHT, Style, to_png
from tests.report.example_data import awkward_report, full_report

_WIDE, _NARROW = Style(), Style(narrow=True)


@pytest.fixture(name="data", scope="module")
def _full() -> ReportData:
    return full_report()


def _draw(draw: Callable[[ReportData, Style], Figure | None], data: ReportData, style: Style) -> Any:
    figure = draw(data, style)
    assert figure is not None
    return figure


def _texts(axes):
    return [text.get_text() for text in axes.texts]


def _png_size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("style", [_WIDE, _NARROW], ids=["wide", "narrow"])
def test_bars_are_as_long_as_the_means_and_error_bars_as_the_deviations(data, style):
    figure = _draw(score_figure, data, style)
    (axes,) = figure.axes
    lengths = [bar.get_width() if style.narrow else bar.get_height() for bar in axes.patches]
    models = [data.models[i] for i in (0, 1, 3, 4)]
    expected = [
        value
        for model in models
        for value in [np.mean([run.average for run in model.runs]), *(task_summary(model, t).mean for t in data.tasks)]
    ]
    # The shaded background of the average is a patch too.
    np.testing.assert_allclose(sorted(lengths)[-len(expected) :], sorted(100 * np.array(expected)))
    errors = [c for c in axes.collections if len(c.get_segments()) == 1]
    assert len(errors) == 40
    spread = np.std([run.average for run in models[0].runs], ddof=1)
    column = 0 if style.narrow else 1
    assert np.ptp(errors[0].get_segments()[0][:, column]) == pytest.approx(200 * spread)
    assert (axes.get_xlabel() if style.narrow else axes.get_ylabel()) == "score × 100"
    assert len(_texts(axes)) == 40
    names = axes.get_yticklabels() if style.narrow else axes.get_xticklabels()
    assert [name.get_text() for name in names] == ["average", *(task.name for task in data.tasks)]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [model.name for model in models]
    assert "n = 5" in legend.get_title().get_text()


def test_one_seed_has_no_error_bars():
    figure = _draw(score_figure, full_report(1), _WIDE)
    assert len(figure.axes[0].collections) == 0
    assert "n = 1" in figure.legends[0].get_title().get_text()


def test_models_that_were_evaluated_once_have_no_curves(data):
    once = {name: {task: points[-1:] for task, points in of.items()} for name, of in data.curves.items()}
    assert _draw(curve_figure, data, _WIDE)
    assert curve_figure(dataclasses.replace(data, curves=once), _WIDE) is None


def test_curves_are_means_over_seeds(data):
    figure = _draw(curve_figure, data, _WIDE)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [task.name for task in data.tasks]
    axes = figure.axes[0]
    points = data.curves["single-task"]["cola"]
    expected = [100 * np.mean([p.score for p in points if p.epoch == epoch]) for epoch in (1, 2, 3, 4, 5)]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    assert (axes.get_ylabel(), figure.axes[-1].get_xlabel()) == ("score × 100", "epoch")
    # The last of each column names its axis, also above an empty place.
    narrow = _draw(curve_figure, data, _NARROW)
    assert [bool(axes.get_xlabel()) for axes in narrow.axes] == [False] * 7 + [True] * 2


def test_reliability_diagrams_show_what_is_in_the_bins(data):
    figure = _draw(reliability_figure, data, _WIDE)
    assert len(figure.axes) == 8
    lines = figure.axes[0].lines
    np.testing.assert_array_equal(lines[0].get_xydata(), [[0, 0], [1, 1]])
    filled = [b for b in data.reliability[0].bins if b.count]
    np.testing.assert_array_equal(lines[1].get_xydata(), [[b.confidence, b.accuracy] for b in filled])
    assert _texts(figure.axes[0]) == ["ECE 0.120", "ECE 0.040", "ECE 0.060"]
    assert (figure.axes[0].get_ylabel(), figure.axes[-1].get_xlabel()) == ("accuracy", "confidence")


def test_differences_show_intervals_in_points(data):
    figure = _draw(difference_figure, data, _WIDE)
    assert figure.axes[0].get_title(loc="left") == "distilled student - multi-task"
    first = data.differences[0]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [100 * first.low, 100 * first.high])
    np.testing.assert_allclose(figure.axes[0].lines[1].get_xdata(), [100 * first.mean])
    assert {axes.get_xlabel() for axes in figure.axes} == {"difference, points"}


def test_agreement_has_a_panel_a_measure_and_cuts_bars_but_not_numbers(data):
    figure = _draw(agreement_figure, data, _NARROW)
    units = ["agreement, %", "KL(teacher ‖ student), nats", "gain of the ensemble kept, %"]
    assert [axes.get_xlabel() for axes in figure.axes] == units
    widths = [patch.get_width() for patch in figure.axes[2].patches]
    np.testing.assert_allclose(widths, [70, 0, 40, 200, 90, 65, 80, -50, 0])
    assert _texts(figure.axes[2])[3:5] == ["350", "90"]


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("style", [Style(DARK), _NARROW], ids=["wide", "narrow"])
def test_awkward_names_and_values_are_drawn(draw, style):
    drawn = _draw(draw, awkward_report(), style)
    width, height = _png_size(to_png(drawn, style))
    assert width == (720 if style.narrow else 1650)
    assert 100 < height < 3000
    shown = [t.get_text() for axes in drawn.axes for t in (axes.title, axes._left_title, *axes.get_yticklabels())]
    assert all(len(line) < 60 for text in shown for line in text.splitlines())


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_nothing_is_drawn_of_what_is_not_there(draw, data):
    assert draw(ReportData("nothing", (), ()), _WIDE) is None
    bare = dataclasses.replace(data, models=(), differences=(), curves={}, reliability=(), fidelity=())
    assert draw(bare, _WIDE) is None


def test_drawing_leaves_no_trace_in_matplotlib_and_the_same_bytes(data):
    before = dict(mpl.rcParams)
    first, second = (to_png(_draw(difference_figure, data, style), style) for style in (Style(LIGHT), Style(LIGHT)))
    assert first == second
    assert dict(mpl.rcParams) == before
