"""Figures of learning curves, calibration, and the student's fidelity to its teacher."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mtdnn_tf.evaluation.measures.statistics import summarise
from mtdnn_tf.json_files import finite
from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.plotting import Style, drawing, label, legend_label, looks, new_figure, small_multiples
from mtdnn_tf.report.tables import number


def curve_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws development scores by epoch, one panel per task: means over seeds, with bands of one standard deviation.

    Models that were evaluated once have no curve. Without curves there is no figure.
    """
    drawn = {model.name for model in data.models} & set(data.curves)
    models = [model for model in data.models if model.name in drawn]
    tasks = [task.name for task in data.tasks if any(data.curves[model.name].get(task.name) for model in models)]
    if all(len({point.epoch for point in points}) < 2 for m in models for points in data.curves[m.name].values()):
        return None
    appearance = looks(data.models, style.theme)
    columns = 2 if style.narrow else min(5, max(3, math.ceil(math.sqrt(len(tasks)))))
    with drawing(style):
        rows = math.ceil(len(tasks) / columns)
        legend_rows = len(models) if style.narrow else math.ceil(len(models) / 4)
        figure = new_figure(style, 0.45 + 0.17 * legend_rows + rows * (1.7 if style.narrow else 2.35))
        for i, (axes, task) in enumerate(zip(small_multiples(figure, len(tasks), columns), tasks)):
            for model in models:
                points = data.curves[model.name].get(task, ())
                known = [
                    point for point in points if finite(point.score) is not None and finite(point.epoch) is not None
                ]
                epochs = sorted({point.epoch for point in known})
                if not epochs:
                    continue
                at = [summarise(point.score for point in known if point.epoch == epoch) for epoch in epochs]
                mean = 100 * np.array([summary.mean for summary in at], float)
                spread = 100 * np.array([summary.deviation or 0.0 for summary in at])
                colour, marker = appearance[model.name]
                shown = marker if len(epochs) <= 12 else ""
                axes.plot(epochs, mean, color=colour, marker=shown, ms=4, lw=1.6)
                if spread.any():
                    axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
            axes.set_title(label(task, 22 if style.narrow else 100 // columns), loc="left")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.grid()
            if i % columns == 0:
                axes.set_ylabel("score × 100")
            if i + columns >= len(tasks):
                axes.set_xlabel("epoch")
        handles = [
            Line2D([], [], color=appearance[model.name].colour, marker=appearance[model.name].marker, ms=5)
            for model in models
        ]
        names = [legend_label(model.name) for model in models]
        figure.legend(handles, names, loc="outside upper center", ncols=1 if style.narrow else min(len(models), 4))
    return figure


def reliability_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws accuracy against confidence, one panel per task; a point's area is its bin's share of examples."""
    diagrams = [item for item in data.reliability if any(b.count and finite(b.accuracy) is not None for b in item.bins)]
    tasks = list(dict.fromkeys(item.task for item in diagrams))
    names = list(dict.fromkeys(item.model for item in diagrams))
    if not tasks:
        return None
    appearance = looks(data.models, style.theme)
    missing = [name for name in names if name not in appearance]
    colours = {name: look.colour for name, look in appearance.items()} | dict.fromkeys(missing, style.theme.ink)
    columns = 2 if style.narrow else 4
    with drawing(style):
        rows = math.ceil(len(tasks) / columns)
        figure = new_figure(style, 0.5 + 0.2 * len(names) * style.narrow + rows * (2.05 if style.narrow else 2.75))
        for i, (axes, task) in enumerate(zip(small_multiples(figure, len(tasks), columns), tasks)):
            axes.plot([0, 1], [0, 1], color=style.theme.ink, lw=0.9, ls=(0, (4, 3)))
            of_task = [item for item in diagrams if item.task == task]
            for line, item in enumerate(of_task):
                bins = [b for b in item.bins if b.count and finite(b.confidence) is not None]
                bins = [b for b in bins if finite(b.accuracy) is not None]
                total = sum(b.count for b in bins)
                x, y = [b.confidence for b in bins], [b.accuracy for b in bins]
                axes.plot(x, y, color=colours[item.model], lw=1.3)
                sizes = [8 + 120 * b.count / total for b in bins]
                axes.scatter(x, y, sizes, color=colours[item.model], alpha=0.75, lw=0, zorder=3, clip_on=False)
                # Curves of good models leave the lower right corner free.
                at = (0.98, 0.03 + 0.1 * (len(of_task) - 1 - line))
                text = f"ECE {number(summarise(item.ece).mean, 3)}"
                axes.annotate(text, at, xycoords="axes fraction", ha="right", color=colours[item.model], fontsize=8)
            axes.set_title(label(task, 20 if style.narrow else 26), loc="left")
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], box_aspect=1)
            axes.grid()
            if i % columns == 0:
                axes.set_ylabel("accuracy")
            if i + columns >= len(tasks):
                axes.set_xlabel("confidence")
        handles = [Line2D([], [], color=colours[name], marker="o", ms=5) for name in names]
        handles.append(Line2D([], [], color=style.theme.ink, lw=0.9, ls=(0, (4, 3))))
        shown = [*(legend_label(name) for name in names), "calibrated"]
        figure.legend(handles, shown, loc="outside upper center", ncols=1 if style.narrow else min(len(shown), 4))
    return figure


def agreement_figure(data: ReportData, style: Style) -> Figure | None:
    """Draws the student's fidelity by task, separately for tasks with and without soft targets."""
    panels = {
        "agreement, %": [(summarise(item.agreement).mean, 100) for item in data.fidelity],
        "KL(teacher ‖ student), nats": [(summarise(item.kl).mean, 1) for item in data.fidelity],
        "gain of the ensemble kept, %": [(item.gain_kept, 100) for item in data.fidelity],
    }
    panels = {name: values for name, values in panels.items() if any(finite(value) is not None for value, _ in values)}
    if not panels:
        return None
    appearance = (
        {True: "#0072B2", False: "#E69F00"} if style.theme.name == "light" else {True: "#56B4E9", False: "#F0C75E"}
    )
    count = len(data.fidelity)
    with drawing(style):
        height = (len(panels) if style.narrow else 1) * (0.75 + 0.25 * count) + 0.45
        figure = new_figure(style, height)
        for i, (axes, (name, values)) in enumerate(
            zip(small_multiples(figure, len(panels), 1 if style.narrow else 3), panels.items())
        ):
            shown = [(finite(value), scale) for value, scale in values]
            # If the ensemble's gain is near 0, the ratio may be thousands of percent; the number is printed.
            clip = 200.0 if "gain" in name else math.inf
            widths = [0.0 if value is None else max(-clip, min(clip, scale * value)) for value, scale in shown]
            colours = [appearance[item.has_teacher] for item in data.fidelity]
            axes.barh(range(count), widths, 0.66, color=colours)
            longest = 0
            for row, (width, (value, scale)) in enumerate(zip(widths, shown)):
                text = (
                    number(value, 3 if scale == 1 else 0 if "gain" in name else 1, scale)
                    if value is not None
                    else "n/a"
                )
                longest = max(longest, len(text))
                axes.annotate(
                    text,
                    (width, row),
                    (3 if width >= 0 else -3, 0),
                    textcoords="offset points",
                    va="center",
                    ha="left" if width >= 0 else "right",
                    fontsize=8,
                )
            low, high = min(0.0, *widths), max(0.0, *widths)
            room = (0.05 + 0.038 * longest) * ((high - low) or 1.0)
            axes.set_xlim(low - room if low < 0 else 0.0, high + room)
            names = [label(item.task, 16, 1) for item in data.fidelity]
            axes.set_yticks(range(count), names if style.narrow or i == 0 else [""] * count)
            axes.set_ylim(count - 0.45, -0.55)
            axes.set_xlabel(name)
            axes.grid(axis="x")
            if name.startswith("agreement") and low >= 0 and high <= 100:
                axes.set(xlim=(0, 118), xticks=[0, 25, 50, 75, 100])
            else:
                axes.xaxis.set_major_locator(MaxNLocator(4))
            if low < 0:
                axes.axvline(0, color=style.theme.ink, lw=0.8)
        kinds = [kind for kind in (True, False) if any(item.has_teacher == kind for item in data.fidelity)]
        handles = [Line2D([], [], lw=0, marker="s", ms=8, color=appearance[kind]) for kind in kinds]
        texts = [f"task {'with' if kind else 'without'} soft targets" for kind in kinds]
        figure.legend(handles, texts, loc="outside upper center", ncols=1 if style.narrow else 2)
    return figure
