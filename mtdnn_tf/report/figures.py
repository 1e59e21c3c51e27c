"""The report's figures, in light and dark, for page and phone."""

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
        name: File name without extension.
        draw: Draws it, or returns None without data.
        description: Alternative text.
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
        "Dot plot: difference in points by task and average, with confidence intervals, one panel per pair of models.",
    ),
    FigureOfReport(
        "curves",
        curve_figure,
        "Line charts: development score × 100 by epoch, one panel per task, bands of one standard deviation.",
    ),
    FigureOfReport(
        "reliability",
        reliability_figure,
        "Reliability diagrams: accuracy by confidence, one panel per task, one line per model; diagonal if calibrated.",
    ),
    FigureOfReport(
        "agreement",
        agreement_figure,
        "Bar charts by task: agreement of the student with its teacher, their KL divergence, and the gain kept.",
    ),
)
