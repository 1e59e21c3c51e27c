from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import numpy as np
import pytest

from mtdnn_tf.adaptation.figure import adaptation_figure
from mtdnn_tf.report.plotting import DARK, LIGHT, Style, to_png
from tests.adaptation.examples import SCORES, some_results


def _axes(figure: Any) -> Any:
    (axes,) = figure.axes
    return axes


@pytest.mark.parametrize("style", [Style(), Style(DARK, narrow=True)], ids=["wide", "narrow"])
def test_points_and_error_bars_are_means_and_deviations_at_the_number_of_examples(style):
    axes = _axes(adaptation_figure(some_results(), style))
    assert axes.get_xscale() == "log"
    assert axes.get_ylabel() == "accuracy × 100"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["25\n1 %", "250\n10 %"]
    assert [container.get_label() for container in axes.containers] == list(SCORES)
    for container, by_fraction in zip(axes.containers, SCORES.values()):
        line, _, (bars,) = container.lines
        # Starts stand beside each other, near the number of examples.
        np.testing.assert_allclose(line.get_xdata(orig=False), [25, 250], rtol=0.06)
        np.testing.assert_allclose(line.get_ydata(orig=False), [100 * statistics.mean(s) for s in by_fraction.values()])
        lengths = [float(top - bottom) for (_, bottom), (_, top) in bars.get_segments()]
        np.testing.assert_allclose(lengths, [200 * statistics.stdev(s) for s in by_fraction.values()])
    assert [line.get_ydata()[0] for line in axes.lines if line.get_label() == "most frequent label"] == [52.7]


def test_everything_is_within_the_picture(tmp_path):
    figure: Any = adaptation_figure(some_results(), Style())
    assert to_png(figure, Style())[:8] == b"\x89PNG\r\n\x1a\n"
    renderer = figure.canvas.get_renderer()
    (legend,) = figure.legends
    for artist in (_axes(figure), legend):
        box = artist.get_tightbbox(renderer)
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    assert len(legend.get_texts()) == 4


def test_one_share_one_subset_and_no_majority_are_drawn(tmp_path):
    results = some_results(subsets=1)
    one = dataclasses.replace(results, majority=None, runs=tuple(run for run in results.runs if run.fraction == 0.1))
    axes = _axes(adaptation_figure(one, Style(LIGHT)))
    assert axes.get_xlim() == (125, 500)
    assert len(axes.containers) == 3
