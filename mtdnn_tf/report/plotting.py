"""Shared code of all figures: themes, widths, the look of each model, and PNG files."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mtdnn_tf.report.data import (
    ENSEMBLE,
    FINE_TUNED_MULTI_TASK,
    FINE_TUNED_STUDENT,
    MULTI_TASK,
    SINGLE_TASK,
    STUDENT,
    TEACHER,
    Model,
)

# After the palettes of Okabe and Ito, and of Tol for further models of a role, which are apart for every kind of colour
# blindness; darker on white and lighter on black where they would not stand out.
_ROLE_COLOURS = {
    "light": {
        SINGLE_TASK: "#767676",
        MULTI_TASK: "#0072B2",
        FINE_TUNED_MULTI_TASK: "#5B4FC4",
        TEACHER: "#B87F00",
        ENSEMBLE: "#A84683",
        STUDENT: "#D55E00",
        FINE_TUNED_STUDENT: "#009E73",
    },
    "dark": {
        SINGLE_TASK: "#A3A3A3",
        MULTI_TASK: "#56B4E9",
        FINE_TUNED_MULTI_TASK: "#8C7DF0",
        TEACHER: "#F0C75E",
        ENSEMBLE: "#E59AC6",
        STUDENT: "#FF8A3D",
        FINE_TUNED_STUDENT: "#2BC49A",
    },
}
_MORE_COLOURS = {
    "light": ("#332288", "#882255", "#77771C", "#2B8577", "#661100", "#117733"),
    "dark": ("#A79BEF", "#D46A92", "#CFCF6A", "#7FD6C8", "#D98FD0", "#6FC78A"),
}
_MARKERS = "osD^vPX*<>"


class Theme(NamedTuple):
    """Colours of a figure.

    Attributes:
        name: "light" or "dark".
        ink: Colour of text and axes.
        paper: Colour of the background.
        grid: Colour of grid lines.
        shade: Colour of highlighted areas.
    """

    name: str
    ink: str
    paper: str
    grid: str
    shade: str


LIGHT = Theme("light", "#1f2328", "#ffffff", "#d8dee4", "#f1f4f7")
DARK = Theme("dark", "#e6edf3", "#161b22", "#343b44", "#202731")


class Style(NamedTuple):
    """Style of a figure.

    Attributes:
        theme: Its colours.
        narrow: Whether it is for a phone (about 4 inches wide) instead of a page (11 inches).
    """

    theme: Theme = LIGHT
    narrow: bool = False

    @property
    def width(self) -> float:
        """Width in inches."""
        return 4.0 if self.narrow else 11.0


class Look(NamedTuple):
    """Look of a model.

    Attributes:
        colour: Colour of its bars and lines.
        marker: Marker of its points.
    """

    colour: str
    marker: str


def looks(models: Sequence[Model], theme: Theme) -> Mapping[str, Look]:
    """Returns colour and marker of each model. The first model of a role has the role's colour."""
    result: dict[str, Look] = {}
    roles: set[str] = set()
    more = _MORE_COLOURS[theme.name]
    for i, model in enumerate(models):
        if model.role not in roles:
            colour = _ROLE_COLOURS[theme.name][model.role]
        else:
            colour = more[(len(result) - len(roles)) % len(more)]
        roles.add(model.role)
        result[model.name] = Look(colour, _MARKERS[i % len(_MARKERS)])
    return result


@contextmanager
def drawing(style: Style) -> Iterator[None]:
    """Applies a style within the block, then restores matplotlib's settings."""
    size = 8.5 if style.narrow else 10.0
    ink, paper = style.theme.ink, style.theme.paper
    settings: dict[str, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": size,
        "axes.titlesize": size + 0.5,
        "axes.titleweight": "bold",
        "axes.labelsize": size,
        "xtick.labelsize": size - 0.5,
        "ytick.labelsize": size - 0.5,
        "legend.fontsize": size,
        "legend.frameon": False,
        "figure.facecolor": paper,
        "savefig.facecolor": paper,
        "axes.facecolor": paper,
        "axes.edgecolor": style.theme.grid,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": style.theme.grid,
        "grid.linewidth": 0.7,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "text.parse_math": False,  # A name may contain "$".
        "figure.constrained_layout.use": True,
    }
    with mpl.rc_context(settings):
        yield


def new_figure(style: Style, height: float) -> Figure:
    """Returns an empty figure of a height in inches, not registered in pyplot."""
    figure = Figure(figsize=(style.width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def small_multiples(figure: Figure, count: int, columns: int) -> list[Any]:
    """Returns axes of small multiples, without the unused ones of the last row."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    specification = figure.add_gridspec(rows, columns)
    return [figure.add_subplot(specification[i // columns, i % columns]) for i in range(count)]


def to_png(figure: Figure, style: Style) -> bytes:
    """Returns a figure as a PNG file in high resolution."""
    file = io.BytesIO()
    with drawing(style):
        figure.savefig(file, format="png", dpi=180 if style.narrow else 150, metadata={"Software": None})
    return file.getvalue()


def label(name: str, width: int, lines: int = 2) -> str:
    """Returns a name wrapped to a width in characters, truncated after the last line."""
    parts = textwrap.wrap(name, width, break_on_hyphens=True) or [name]
    if len(parts) > lines:
        parts = [*parts[: lines - 1], parts[lines - 1][: width - 1] + "…"]
    return "\n".join(parts)


def legend_label(name: str, width: int = 44) -> str:
    """Returns a name for a legend; matplotlib hides names that start with an underscore."""
    text = label(name, width, 1)
    return f"\N{THIN SPACE}{text}" if text.startswith("_") else text
