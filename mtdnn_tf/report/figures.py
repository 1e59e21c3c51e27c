"""The report's figures, each in light and dark, for page and phone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.json_files import finite
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import (
    AVERAGE,
    Difference,
    Point,
    Reliability,
    ReportData,
    average_summary,
    compared_models,
    task_summary,
)
from mtdnn_tf.report.plotting import (
    Look,
    Style,
    add_legend,
    label,
    looks,
    new_figure,
    role_colour,
    small_multiples,
    styled,
)
from mtdnn_tf.report.tables import number

_DASHED = (0, (4, 3))


@styled
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
    figure = new_figure(style, 1.1 + len(groups) * (0.19 * bars + 0.16) if style.narrow else 4.6)
    axes = figure.add_subplot()
    positions = np.arange(len(groups), dtype=float)
    positions[1:] += 0.25  # Sets the average apart.
    # Limits the width of bars if there is only one task.
    thickness = 0.82 / bars if style.narrow else min(0.82 / bars, 0.03 * (len(groups) + 0.5))
    for i, model in enumerate(models):
        offset = (i - (bars - 1) / 2) * thickness
        _bars(axes, positions + offset, summaries[model.name], thickness, appearance[model.name].colour, style)
    _score_axes(axes, positions, groups, [summary for column in summaries.values() for summary in column], style)
    counts = sorted({len(model.runs) for model in models})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    handles = {model.name: _square(appearance[model.name].colour) for model in models}
    add_legend(figure, style, handles, title=f"mean and standard deviation over seeds, n = {n}")
    return figure


def _bars(
    axes: Any, positions: np.ndarray, summaries: Sequence[Summary], thickness: float, colour: str, style: Style
) -> None:
    """Draws a model's bars with error bars, and each mean beside the error bar's end."""
    # A number is about a quarter of an inch wide.
    rotation = 90 if thickness * (style.width - 0.8) / (positions[-1] + 1.1) < 0.25 and not style.narrow else 0
    for position, summary in zip(positions, summaries):
        if summary.mean is None:
            continue
        bar = (axes.barh if style.narrow else axes.bar)(
            position,
            100 * summary.mean,
            thickness * 0.92,
            color=colour,
            ecolor=style.theme.ink,
            error_kw={"elinewidth": 1, "capsize": 2.5},
            **{"xerr" if style.narrow else "yerr": None if summary.deviation is None else 100 * summary.deviation},
        )
        text = number(summary.mean, scale=100)
        axes.bar_label(bar, [text], padding=3, fontsize=7 if style.narrow else 7.5, rotation=rotation)


def _score_axes(
    axes: Any, positions: np.ndarray, groups: Sequence[str], summaries: Sequence[Summary], style: Style
) -> None:
    ends = [100 * (s.mean + i * (s.deviation or 0.0)) for s in summaries if s.mean is not None for i in (-1, 1)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low) * (0.14 if style.narrow else 0.09)
    first, last = positions[0] - 0.55, positions[-1] + 0.55
    names, scores = ("y", "x") if style.narrow else ("x", "y")
    axes.set(
        **{
            f"{names}ticks": positions,
            f"{names}ticklabels": [label(name, 14 if style.narrow else max(8, 90 // len(groups))) for name in groups],
            f"{names}lim": (last, first) if style.narrow else (first, last),
            f"{scores}lim": (low - room if low < 0 else 0.0, high + room if high > 0 else 0.0),
            f"{scores}label": "score × 100",
        }
    )
    axes.grid(axis=scores)
    (axes.axhspan if style.narrow else axes.axvspan)(-0.55, 0.6, color=style.theme.shade, zorder=0)
    (axes.get_yticklabels() if style.narrow else axes.get_xticklabels())[0].set_fontweight("bold")
    if low < 0:
        (axes.axvline if style.narrow else axes.axhline)(0, color=style.theme.ink, lw=0.8)


@styled
def difference_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws each difference with its confidence interval, one panel per pair of models."""
    known = [item for item in data.differences if finite(item.mean) is not None]
    labels = list(dict.fromkeys(item.label for item in known))
    if not labels:
        return None
    order = {name: i for i, name in enumerate([AVERAGE, *(task.name for task in data.tasks)])}
    tasks = sorted(dict.fromkeys(item.task for item in known), key=lambda name: order.get(name, len(order)))
    columns = 1 if style.narrow else 3
    figure = new_figure(style, math.ceil(len(labels) / columns) * (0.95 + 0.24 * len(tasks)))
    panels = small_multiples(figure, [label(name, 40 if style.narrow else 36) for name in labels], columns)
    for axes, name in zip(panels, labels):
        for item in known:
            if item.label == name:
                _interval(axes, tasks.index(item.task), item, style)
        axes.axvline(0, color=style.theme.ink, lw=0.9, zorder=1)
        axes.sharex(panels[0])
        axes.set_yticks(range(len(tasks)), [label(task, 16, 1) for task in tasks])
        axes.set(ylim=(len(tasks) - 0.5, -0.5), xlabel="difference, points")
        axes.grid(axis="x")
        axes.margins(x=0.08)
        if AVERAGE in tasks:
            axes.axhspan(-0.5, 0.5, color=style.theme.shade, zorder=0)
            axes.get_yticklabels()[0].set_fontweight("bold")
    return figure


def _interval(axes: Any, position: int, item: Difference, style: Style) -> None:
    low, high, mean = finite(item.low), finite(item.high), finite(item.mean)
    colour = role_colour(roles.SINGLE_TASK, style.theme)
    if low is not None and high is not None:
        colour = role_colour(roles.MULTI_TASK, style.theme) if low > 0 else colour
        colour = role_colour(roles.STUDENT, style.theme) if high < 0 else colour
        axes.plot([100 * low, 100 * high], [position] * 2, color=colour, lw=2, solid_capstyle="round")
    marker = "D" if item.task == AVERAGE else "o"
    axes.plot([100 * (mean or 0.0)], [position], marker=marker, ms=6, color=colour, lw=0)


@styled
def curve_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws development scores by epoch, one panel per task: means over seeds, with bands of one standard deviation.

    Models that were evaluated once have no curve. Without curves there is no figure.
    """
    models = [model for model in data.models if model.name in data.curves]
    tasks = [task.name for task in data.tasks if any(data.curves[model.name].get(task.name) for model in models)]
    if all(len({point.epoch for point in points}) < 2 for m in models for points in data.curves[m.name].values()):
        return None
    appearance = looks(data.models, style.theme)
    columns = 2 if style.narrow else min(5, max(3, math.ceil(math.sqrt(len(tasks)))))
    rows = math.ceil(len(tasks) / columns)
    legend_rows = len(models) if style.narrow else math.ceil(len(models) / 4)
    figure = new_figure(style, 0.45 + 0.17 * legend_rows + rows * (1.7 if style.narrow else 2.35))
    titles = [label(task, 22 if style.narrow else 100 // columns) for task in tasks]
    for axes, task in zip(small_multiples(figure, titles, columns, "epoch", "score × 100"), tasks):
        for model in models:
            _curve(axes, data.curves[model.name].get(task, ()), appearance[model.name])
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid()
    handles = {
        model.name: Line2D([], [], color=appearance[model.name].colour, marker=appearance[model.name].marker, ms=5)
        for model in models
    }
    add_legend(figure, style, handles)
    return figure


def _curve(axes: Any, points: Sequence[Point], look: Look) -> None:
    known = [point for point in points if finite(point.score) is not None and finite(point.epoch) is not None]
    epochs = sorted({point.epoch for point in known})
    if not epochs:
        return
    at = [summarise(point.score for point in known if point.epoch == epoch) for epoch in epochs]
    mean = 100 * np.array([summary.mean for summary in at], float)
    spread = 100 * np.array([summary.deviation or 0.0 for summary in at])
    axes.plot(epochs, mean, color=look.colour, marker=look.marker if len(epochs) <= 12 else "", ms=4, lw=1.6)
    if spread.any():
        axes.fill_between(epochs, mean - spread, mean + spread, color=look.colour, alpha=0.18, lw=0)


@styled
def reliability_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws accuracy against confidence, one panel per task; a point's area is its bin's share of examples."""
    diagrams = [item for item in data.reliability if any(b.count and finite(b.accuracy) is not None for b in item.bins)]
    tasks = list(dict.fromkeys(item.task for item in diagrams))
    if not tasks:
        return None
    appearance = looks(data.models, style.theme)
    colours = {
        item.model: appearance[item.model].colour if item.model in appearance else style.theme.ink for item in diagrams
    }
    columns = 2 if style.narrow else 4
    height = math.ceil(len(tasks) / columns) * (2.05 if style.narrow else 2.75)
    figure = new_figure(style, height + 0.5 + 0.2 * len(colours) * style.narrow)
    titles = [label(task, 20 if style.narrow else 26) for task in tasks]
    for axes, task in zip(small_multiples(figure, titles, columns, "confidence", "accuracy"), tasks):
        axes.plot([0, 1], [0, 1], color=style.theme.ink, lw=0.9, ls=_DASHED)
        of_task = [item for item in diagrams if item.task == task]
        for line, item in enumerate(of_task, start=1):
            _diagram(axes, item, colours[item.model], 0.03 + 0.1 * (len(of_task) - line))
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], box_aspect=1)
        axes.grid()
    handles = {name: Line2D([], [], color=colour, marker="o", ms=5) for name, colour in colours.items()}
    add_legend(figure, style, {**handles, "calibrated": Line2D([], [], color=style.theme.ink, lw=0.9, ls=_DASHED)})
    return figure


def _diagram(axes: Any, item: Reliability, colour: str, height: float) -> None:
    bins = [b for b in item.bins if b.count and finite(b.confidence) is not None and finite(b.accuracy) is not None]
    total = sum(b.count for b in bins)
    x, y = [b.confidence for b in bins], [b.accuracy for b in bins]
    axes.plot(x, y, color=colour, lw=1.3)
    sizes = [8 + 120 * b.count / total for b in bins]
    axes.scatter(x, y, sizes, color=colour, alpha=0.75, lw=0, zorder=3, clip_on=False)
    # Curves of good models leave the lower right corner free.
    text = f"ECE {number(summarise(item.ece).mean, 3)}"
    axes.annotate(text, (0.98, height), xycoords="axes fraction", ha="right", color=colour, fontsize=8)


@styled
def agreement_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws the student's fidelity by task, separately for tasks with and without soft targets."""
    # By name: values, their scale, digits and maximum. If the ensemble's gain is near 0, the ratio may be thousands.
    measures: dict[str, tuple[list[float | None], float, int, float]] = {
        "agreement, %": ([summarise(item.agreement).mean for item in data.fidelity], 100, 1, math.inf),
        "KL(teacher ‖ student), nats": ([summarise(item.kl).mean for item in data.fidelity], 1, 3, math.inf),
        "gain of the ensemble kept, %": ([finite(item.gain_kept) for item in data.fidelity], 100, 0, 200),
    }
    panels = {name: measure for name, measure in measures.items() if any(v is not None for v in measure[0])}
    if not panels:
        return None
    colours = {has: role_colour(roles.MULTI_TASK if has else roles.TEACHER, style.theme) for has in (True, False)}
    count = len(data.fidelity)
    figure = new_figure(style, (len(panels) if style.narrow else 1) * (0.75 + 0.25 * count) + 0.45)
    places = small_multiples(figure, [""] * len(panels), 1 if style.narrow else 3)
    for axes, (name, (values, scale, digits, most)) in zip(places, panels.items()):
        widths = [0.0 if value is None else max(-most, min(most, scale * value)) for value in values]
        bars = axes.barh(range(count), widths, 0.66, color=[colours[item.has_teacher] for item in data.fidelity])
        texts = ["n/a" if value is None else number(value, digits, scale) for value in values]
        axes.bar_label(bars, texts, padding=3, fontsize=8)
        low, high = min(0.0, *widths), max(0.0, *widths)
        room = (0.05 + 0.038 * max(map(len, texts))) * ((high - low) or 1.0)
        axes.set(xlim=(low - room if low < 0 else 0.0, high + room), ylim=(count - 0.45, -0.55), xlabel=name)
        is_named = style.narrow or axes is places[0]
        axes.set_yticks(range(count), [label(item.task, 16, 1) if is_named else "" for item in data.fidelity])
        axes.grid(axis="x")
        if name.startswith("agreement") and low >= 0 and high <= 100:
            axes.set(xlim=(0, 118), xticks=[0, 25, 50, 75, 100])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        if low < 0:
            axes.axvline(0, color=style.theme.ink, lw=0.8)
    kinds = sorted({item.has_teacher for item in data.fidelity}, reverse=True)
    add_legend(figure, style, {f"task {'with' if k else 'without'} soft targets": _square(colours[k]) for k in kinds})
    return figure


def _square(colour: str) -> Line2D:
    return Line2D([], [], lw=0, marker="s", ms=8, color=colour)


FIGURES: Mapping[str, Callable[[ReportData, Style], Figure | None]] = {
    "scores": score_figure,
    "differences": difference_figure,
    "curves": curve_figure,
    "reliability": reliability_figure,
    "agreement": agreement_figure,
}
