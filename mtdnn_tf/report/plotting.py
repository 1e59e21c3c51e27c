"""Themes, widths, the look of each model, and PNG files of figures."""

from __future__ import annotations

import functools
import io
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mtdnn_tf.report import roles
from mtdnn_tf.report.data import Model

_MARKERS = "osD^vPX*<>"
_Data = TypeVar("_Data")
_Drawn = TypeVar("_Drawn")


class Theme(NamedTuple):
    """Colours of a figure: of text and axes, background, grid lines, highlighted areas, `ROLES` and further models."""

    name: str
    ink: str
    paper: str
    grid: str
    shade: str
    roles: tuple[str, ...]
    more: tuple[str, ...]


# After the palettes of Okabe and Ito, and of Tol for further models of a role, which are apart for every kind of colour
# blindness; darker on white and lighter on black where they would not stand out.
LIGHT = Theme(
    *("light", "#1f2328", "#ffffff", "#d8dee4", "#f1f4f7"),
    roles=("#767676", "#0072B2", "#5B4FC4", "#B87F00", "#A84683", "#D55E00", "#009E73"),
    more=("#332288", "#882255", "#77771C", "#2B8577", "#661100", "#117733"),
)
DARK = Theme(
    *("dark", "#e6edf3", "#161b22", "#343b44", "#202731"),
    roles=("#A3A3A3", "#56B4E9", "#8C7DF0", "#F0C75E", "#E59AC6", "#FF8A3D", "#2BC49A"),
    more=("#A79BEF", "#D46A92", "#CFCF6A", "#7FD6C8", "#D98FD0", "#6FC78A"),
)


class Style(NamedTuple):
    """Style of a figure: its theme, and whether it is for a phone instead of a page."""

    theme: Theme = LIGHT
    narrow: bool = False

    @property
    def width(self) -> float:
        """Width in inches."""
        return 4.0 if self.narrow else 11.0


class Look(NamedTuple):
    """Colour of a model's bars and lines, and marker of its points."""

    colour: str
    marker: str


def role_colour(role: str, theme: Theme) -> str:
    """Returns the colour of a role's first model."""
    return theme.roles[roles.ROLES.index(role)]


def looks(models: Sequence[Model], theme: Theme) -> Mapping[str, Look]:
    """Returns colour and marker of each model. The first model of a role has the role's colour."""
    result: dict[str, Look] = {}
    seen: set[str] = set()
    for i, model in enumerate(models):
        if model.role not in seen:
            colour = role_colour(model.role, theme)
        else:
            colour = theme.more[(len(result) - len(seen)) % len(theme.more)]
        seen.add(model.role)
        result[model.name] = Look(colour, _MARKERS[i % len(_MARKERS)])
    return result


@contextmanager
def drawing(style: Style) -> Iterator[None]:
    """Applies a style within the block, then restores matplotlib's settings."""
    size = 8.5 if style.narrow else 10.0
    ink, paper = style.theme.ink, style.theme.paper
    settings: dict[str, Any] = {
        "font.family": "DejaVu Sans",
        **dict.fromkeys(("font.size", "axes.labelsize", "legend.fontsize"), size),
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), size - 0.5),
        "axes.titlesize": size + 0.5,
        "axes.titleweight": "bold",
        **dict.fromkeys(("figure.facecolor", "savefig.facecolor", "axes.facecolor"), paper),
        **dict.fromkeys(("axes.edgecolor", "grid.color"), style.theme.grid),
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), ink),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        **dict.fromkeys(("axes.axisbelow", "axes.unicode_minus", "figure.constrained_layout.use"), True),
        "grid.linewidth": 0.7,
        **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 0),
        "text.parse_math": False,  # A name may contain "$".
    }
    with mpl.rc_context(settings):
        yield


def styled(draw: Callable[[_Data, Style], _Drawn]) -> Callable[[_Data, Style], _Drawn]:
    """Decorates a function that draws a figure, so that it draws in its style."""

    @functools.wraps(draw)
    def drawn(data: _Data, style: Style) -> _Drawn:
        with drawing(style):
            return draw(data, style)

    return drawn


def new_figure(style: Style, height: float) -> Figure:
    """Returns an empty figure of a height in inches, not registered in pyplot."""
    figure = Figure(figsize=(style.width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def small_multiples(figure: Figure, titles: Sequence[str], columns: int, x: str = "", y: str = "") -> list[Any]:
    """Returns axes of small multiples; their axes have names where no panel is beside or below them."""
    columns = min(columns, len(titles))
    grid = figure.add_gridspec(math.ceil(len(titles) / columns), columns)
    panels = [figure.add_subplot(grid[divmod(i, columns)]) for i in range(len(titles))]
    for i, (axes, title) in enumerate(zip(panels, titles)):
        axes.set_title(title, loc="left")
        axes.set(xlabel=x if i + columns >= len(titles) else "", ylabel="" if i % columns else y)
    return panels


def add_legend(figure: Figure, style: Style, handles: Mapping[str, Line2D], **options: Any) -> None:
    """Adds a legend above the axes, with up to 4 columns on a page."""
    figure.legend(
        list(handles.values()),
        [legend_label(name) for name in handles],
        loc="outside upper center",
        ncols=1 if style.narrow else min(len(handles), 4),
        **options,
    )


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
