"""Figures of scores: the bars of models by task, and the differences of models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mtdnn_tf.evaluation.measures.statistics import Summary
from mtdnn_tf.json_files import finite
from mtdnn_tf.report.data import AVERAGE, ENSEMBLE, MULTI_TASK, SINGLE_TASK, STUDENT, Difference, Model, ReportData
from mtdnn_tf.report.plotting import Style, drawing, label, legend_label, looks, new_figure, small_multiples
from mtdnn_tf.report.summary import average_summary, task_summary
from mtdnn_tf.report.tables import number

# First minus second, by role.
_COMPARED = (SINGLE_TASK, MULTI_TASK, ENSEMBLE, STUDENT)


def compared_models(models: Sequence[Model]) -> list[Model]:
    """Returns the models of the bar chart, single-task to distilled; all models if none has such a role."""
    return [model for model in models if model.role in _COMPARED] or list(models)


def _seeds_text(models: Sequence[Model]) -> str:
    counts = sorted({len(model.runs) for model in models})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def score_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws the bars of Figure 3 of 1904.09482, and the ensemble's, per task and on average."""
    models = compared_models(data.models)
    groups = [AVERAGE, *(task.name for task in data.tasks)]
    summaries = {
        model.name: [average_summary(model), *(task_summary(model, task) for task in data.tasks)] for model in models
    }
    if not any(summary.n for column in summaries.values() for summary in column):
        return None
    appearance = looks(data.models, style.theme)
    bars = len(models)
    with drawing(style):
        height = 1.1 + len(groups) * (0.19 * bars + 0.16) if style.narrow else 4.6
        figure = new_figure(style, height)
        axes = figure.add_subplot()
        positions = np.arange(len(groups), dtype=float)
        positions[1:] += 0.25  # Sets the average apart.
        # Limits the width of bars if there is only one task.
        thickness = 0.82 / bars if style.narrow else min(0.82 / bars, 0.03 * (len(groups) + 0.5))
        for i, model in enumerate(models):
            offset = (i - (bars - 1) / 2) * thickness
            _bars(axes, positions + offset, summaries[model.name], thickness, appearance[model.name].colour, style)
        _score_axes(axes, positions, groups, summaries, style)
        handles = [Line2D([], [], lw=0, marker="s", ms=8, color=appearance[model.name].colour) for model in models]
        figure.legend(
            handles,
            [legend_label(model.name) for model in models],
            loc="outside upper center",
            ncols=1 if style.narrow else min(bars, 4),
            title=f"mean and standard deviation over seeds, {_seeds_text(models)}",
        )
    return figure


def _bars(
    axes: Any, positions: np.ndarray, summaries: Sequence[Summary], thickness: float, colour: str, style: Style
) -> None:
    """Draws a model's bars with error bars, and each mean beside the error bar's end."""
    for position, summary in zip(positions, summaries):
        if summary.mean is None:
            continue
        value, error = 100 * summary.mean, None if summary.deviation is None else 100 * summary.deviation
        lines = {"ecolor": style.theme.ink, "error_kw": {"elinewidth": 1, "capsize": 2.5}}
        end = value + math.copysign(error or 0.0, value)
        text = number(summary.mean, scale=100)
        outward = 3 if value >= 0 else -3
        if style.narrow:
            axes.barh(position, value, thickness * 0.92, color=colour, xerr=error, **lines)
            side = "left" if value >= 0 else "right"
            axes.annotate(
                text, (end, position), (outward, 0), textcoords="offset points", ha=side, va="center", fontsize=7
            )
        else:
            axes.bar(position, value, thickness * 0.92, color=colour, yerr=error, **lines)
            side = "bottom" if value >= 0 else "top"
            # A number is about a quarter of an inch wide.
            rotation = 90 if thickness * (style.width - 0.8) / (positions[-1] + 1.1) < 0.25 else 0
            axes.annotate(
                text,
                (position, end),
                (0, outward),
                textcoords="offset points",
                ha="center",
                va=side,
                fontsize=7.5,
                rotation=rotation,
            )


def _score_axes(axes: Any, positions: np.ndarray, groups: Sequence[str], summaries: dict, style: Style) -> None:
    ends = [
        100 * (s.mean + sign * (s.deviation or 0.0)) for col in summaries.values() for s in col if s.mean is not None
        for sign in (-1, 1)
    ]  # fmt: skip
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low) * (0.14 if style.narrow else 0.09)
    limits = (low - room if low < 0 else 0.0, high + room if high > 0 else 0.0)
    names = [label(name, 14 if style.narrow else max(8, 90 // len(groups))) for name in groups]
    if style.narrow:
        axes.set_yticks(positions, names)
        axes.set_ylim(positions[-1] + 0.55, positions[0] - 0.55)
        axes.set_xlim(limits)
        axes.set_xlabel("score × 100")
        axes.grid(axis="x")
        axes.axhspan(-0.55, 0.6, color=style.theme.shade, zorder=0)
        ticks = axes.get_yticklabels()
    else:
        axes.set_xticks(positions, names)
        axes.set_xlim(positions[0] - 0.55, positions[-1] + 0.55)
        axes.set_ylim(limits)
        axes.set_ylabel("score × 100")
        axes.grid(axis="y")
        axes.axvspan(-0.55, 0.6, color=style.theme.shade, zorder=0)
        ticks = axes.get_xticklabels()
    ticks[0].set_fontweight("bold")
    if low < 0:
        (axes.axvline if style.narrow else axes.axhline)(0, color=style.theme.ink, lw=0.8)


def difference_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws each difference with its confidence interval, one panel per pair of models."""
    known = [item for item in data.differences if finite(item.mean) is not None]
    labels = list(dict.fromkeys(item.label for item in known))
    if not labels:
        return None
    order = [AVERAGE, *(task.name for task in data.tasks)]
    tasks = sorted(
        dict.fromkeys(item.task for item in known), key=lambda name: order.index(name) if name in order else len(order)
    )
    columns = 1 if style.narrow else 3
    with drawing(style):
        rows = math.ceil(len(labels) / columns)
        figure = new_figure(style, rows * (0.95 + 0.24 * len(tasks)))
        panels = small_multiples(figure, len(labels), columns)
        for axes, name in zip(panels, labels):
            for item in (item for item in known if item.label == name):
                _interval(axes, tasks.index(item.task), item, style)
            axes.axvline(0, color=style.theme.ink, lw=0.9, zorder=1)
            axes.sharex(panels[0])
            axes.set_title(label(name, 40 if style.narrow else 36), loc="left")
            axes.set_yticks(range(len(tasks)), [label(task, 16, 1) for task in tasks])
            axes.set_ylim(len(tasks) - 0.5, -0.5)
            axes.set_xlabel("difference, points")
            axes.grid(axis="x")
            axes.margins(x=0.08)
            if AVERAGE in tasks:
                axes.axhspan(-0.5, 0.5, color=style.theme.shade, zorder=0)
                axes.get_yticklabels()[0].set_fontweight("bold")
    return figure


def _interval(axes: Any, position: int, item: Difference, style: Style) -> None:
    blue, red, grey = ("#0072B2", "#D55E00", "#767676") if style.theme.name == "light" else (
        "#56B4E9", "#FF8A3D", "#A3A3A3")  # fmt: skip
    low, high, mean = finite(item.low), finite(item.high), finite(item.mean)
    colour = grey
    if low is not None and high is not None:
        colour = blue if low > 0 else red if high < 0 else grey
        axes.plot([100 * low, 100 * high], [position, position], color=colour, lw=2, solid_capstyle="round")
    marker = "D" if item.task == AVERAGE else "o"
    axes.plot([100 * (mean or 0.0)], [position], marker=marker, ms=6, color=colour, lw=0)
