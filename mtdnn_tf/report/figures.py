"""The report's figures. Each is drawn in light and dark, for a page and for a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.diagnostic_figures import agreement_figure, curve_figure, reliability_figure
from mtdnn_tf.report.plotting import Style
from mtdnn_tf.report.score_figures import difference_figure, score_figure


class FigureOfReport(NamedTuple):
    """A figure of the report.

    Attributes:
        name: Its file's name without ending.
        draw: Draws it, or returns None if its data are not there.
        description: What it shows, for who cannot see it.
    """

    name: str
    draw: Callable[[ReportData, Style], Figure | None]
    description: str


FIGURES = (
    FigureOfReport(
        "scores",
        score_figure,
        "Bar chart: score × 100 by task and on average, error bars of one standard deviation over seeds.",
    ),
    FigureOfReport(
        "differences",
        difference_figure,
        "Dot plot: difference in points by task and on average, with confidence intervals, a panel a pair of models.",
    ),
    FigureOfReport(
        "curves",
        curve_figure,
        "Line charts: development score × 100 by epoch, a panel a task, bands of one standard deviation.",
    ),
    FigureOfReport(
        "reliability",
        reliability_figure,
        "Reliability diagrams: accuracy by confidence, a panel a task, a line a model; calibrated models are diagonal.",
    ),
    FigureOfReport(
        "agreement",
        agreement_figure,
        "Bar charts by task: agreement of the student with its teacher, their KL divergence, and the gain kept.",
    ),
)
