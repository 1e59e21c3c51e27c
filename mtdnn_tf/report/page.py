"""The report's page: one HTML file that holds its style and its figures, and needs neither network nor scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from markupsafe import Markup

from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.figures import FIGURES
from mtdnn_tf.report.page_style import STYLE
from mtdnn_tf.report.plotting import DARK, LIGHT, Style, to_png
from mtdnn_tf.report.score_figures import compared_models
from mtdnn_tf.report.summary import average_summary
from mtdnn_tf.report.tables import (
    Cell,
    Table,
    calibration_table,
    cost_table,
    difference_table,
    fidelity_table,
    metric_table,
    number,
    score_table,
    to_html,
)

Images = Mapping[str, Mapping[Style, bytes]]
_STYLES = tuple(Style(theme, narrow) for theme in (LIGHT, DARK) for narrow in (False, True))
_NARROW = "screen and (max-width: 820px)"
_DARK = "(prefers-color-scheme: dark)"
_PAGE = Markup(
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    # Refuses whatever would come from elsewhere, and scripts.
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src {hash}">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    "<header>\n<h1>{title}</h1>\n{finding}{headlines}{notes}{contents}</header>\n<main>\n{sections}</main>\n"
    "<footer><p>Made by mtdnn_tf from report.json, which holds every number on this page.</p></footer>\n"
    "</body>\n</html>\n"
)


class _Section(NamedTuple):
    name: str
    title: str
    body: Markup


def draw_images(data: ReportData) -> Images:
    """Returns the PNG files of every figure whose data are there, by its name and style."""
    images: dict[str, dict[Style, bytes]] = {}
    for figure in FIGURES:
        for style in _STYLES:
            drawn = figure.draw(data, style)
            if drawn is not None:
                images.setdefault(figure.name, {})[style] = to_png(drawn, style)
    return images


def render_page(data: ReportData, images: Images) -> str:
    """Returns the page.

    Args:
        data: What it shows.
        images: What `draw_images` returns for the same data.
    """
    sections = [section for section in _sections(data, images) if section.body]
    contents = Markup("").join(
        Markup('<li><a href="#{}">{}</a></li>\n').format(section.name, section.title) for section in sections
    )
    body = Markup("").join(
        Markup('<section id="{}" aria-labelledby="{}-title">\n<h2 id="{}-title">{}</h2>\n{}</section>\n').format(
            section.name, section.name, section.name, section.title, section.body
        )
        for section in sections
    )
    notes = Markup("").join(Markup("<li>{}</li>\n").format(note) for note in data.notes)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return str(
        _PAGE.format(
            hash=f"'sha256-{digest}'",
            title=data.title,
            style=Markup(STYLE),
            finding=Markup("").join(Markup('<p class="finding">{}</p>\n').format(line) for line in data.finding),
            notes=Markup('<div class="notes" role="note">\n<ul>\n{}</ul>\n</div>\n').format(notes) if notes else "",
            headlines=_headlines(data),
            contents=Markup('<nav aria-label="Contents">\n<ul>\n{}</ul>\n</nav>\n').format(contents),
            sections=body,
        )
    )


def _headlines(data: ReportData) -> Markup:
    """Returns the averages of the models that are compared, in large print."""
    tiles = []
    for model in compared_models(data.models):
        summary = average_summary(model)
        spread = "" if summary.deviation is None else f"± {number(summary.deviation, scale=100)}"
        tiles.append(
            Markup('<div><dt>{}, average of {} task{}</dt><dd>{} <span class="minor">{}</span></dd></div>\n').format(
                model.name,
                len(data.tasks),
                "" if len(data.tasks) == 1 else "s",
                number(summary.mean, scale=100),
                spread,
            )
        )
    return Markup('<dl class="headlines">\n{}</dl>\n').format(Markup("").join(tiles)) if tiles else Markup("")


def _sections(data: ReportData, images: Images) -> Iterator[_Section]:
    def figure(name: str, caption: str = "") -> Markup:
        return _figure(name, images[name], caption) if name in images else Markup("")

    results = figure("scores", "Bars begin at 0; error bars are one standard deviation over seeds.")
    if data.models:
        results += to_html(score_table(data))
    if data.models and data.tasks:
        results += _details("Every metric and split", to_html(metric_table(data)))
    yield _Section("results", "Results", results)

    differences = figure(
        "differences",
        "Lines are confidence intervals; blue is above 0, orange below, grey neither. Averages are diamonds.",
    )
    averages, by_task = (difference_table(data, averages=flag) for flag in (True, False))
    differences += to_html(averages) if averages.rows else Markup("")
    differences += _details("By task", to_html(by_task)) if by_task.rows else Markup("")
    yield _Section("differences", "Differences, paired by seed", differences)

    curves = figure("curves", "Development scores; lines are means over seeds, bands one standard deviation.")
    yield _Section("curves", "Learning curves", curves)

    calibration = figure(
        "reliability",
        "A point's area is the share of examples in its bin. Below the dashed line a model is over-confident.",
    )
    calibration += _details("Numbers", to_html(calibration_table(data))) if data.reliability else Markup("")
    yield _Section("calibration", "Calibration", calibration)

    fidelity = figure(
        "agreement", "Gain kept: (student − multi-task) / (ensemble − multi-task); bars beyond 200 % are cut."
    )
    fidelity += to_html(fidelity_table(data)) if data.fidelity else Markup("")
    yield _Section("agreement", "Agreement of student and teacher", fidelity)

    cost = to_html(cost_table(data)) if data.cost and data.cost.rows else Markup("")
    yield _Section("cost", "Cost", cost)
    yield _Section("run", "The run", _run(data))


def _figure(name: str, pictures: Mapping[Style, bytes], caption: str) -> Markup:
    description = next(figure.description for figure in FIGURES if figure.name == name)
    # The first source that fits is taken, so the narrower condition stands first.
    sources = [
        (f"{_NARROW} and {_DARK}", pictures[Style(DARK, narrow=True)]),
        (_NARROW, pictures[Style(LIGHT, narrow=True)]),
        (f"screen and {_DARK}", pictures[Style(DARK)]),
    ]
    tags = Markup("").join(
        Markup('<source media="{}" srcset="{}">\n').format(condition, _data_uri(png)) for condition, png in sources
    )
    return Markup(
        '<figure>\n<picture>\n{}<img src="{}" alt="{}">\n</picture>\n<figcaption>{}</figcaption>\n</figure>\n'
    ).format(tags, _data_uri(pictures[Style(LIGHT)]), description, caption)


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _details(title: str, body: Markup) -> Markup:
    return Markup("<details>\n<summary>{}</summary>\n{}</details>\n").format(title, body)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def _run(data: ReportData) -> Markup:
    body = Markup("")
    if data.flags.strip():
        body += Markup('<h3>Flags</h3>\n<pre tabindex="0">{}</pre>\n').format(data.flags.strip("\n"))
    for title, caption, header, values in (
        ("Fingerprints", "What each of these was, by SHA-256 or version.", ("name", "fingerprint"), data.fingerprints),
        (
            "Time",
            "Duration of each stage.",
            ("stage", "time"),
            {stage: _duration(seconds) for stage, seconds in _with_total(data.seconds).items()},
        ),
    ):
        if values:
            rows = [[Cell(name), Cell(value)] for name, value in values.items()]
            table = to_html(Table(caption, [Cell(name) for name in header], rows, num_text_columns=2))
            body += Markup('<h3>{}</h3>\n<div class="words">{}</div>\n').format(title, table)
    return body


def _with_total(seconds: Mapping[str, float]) -> Mapping[str, float]:
    return {**seconds, "total": sum(seconds.values())} if len(seconds) > 1 and "total" not in seconds else seconds
