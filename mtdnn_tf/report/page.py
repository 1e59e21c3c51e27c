"""The report's page: one HTML file with style and figures, without network or scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from mtdnn_tf.report import tables
from mtdnn_tf.report.data import ReportData, average_summary, compared_models
from mtdnn_tf.report.figures import FIGURES
from mtdnn_tf.report.plotting import DARK, LIGHT, Style, to_png
from mtdnn_tf.report.tables import Cell, Table
from mtdnn_tf.templates import render

Images = Mapping[str, Mapping[Style, bytes]]
_FILES = Path(__file__).parent / "page_files"
STYLES = {
    theme.name + ("_narrow" if narrow else ""): Style(theme, narrow)
    for theme in (LIGHT, DARK)
    for narrow in (False, True)
}


def draw_images(data: ReportData) -> Images:
    """Returns the PNG files of all figures that have data, by name and style."""
    images: dict[str, dict[Style, bytes]] = {}
    for name, draw in FIGURES.items():
        for style in STYLES.values():
            drawn = draw(data, style)
            if drawn is not None:
                images.setdefault(name, {})[style] = to_png(drawn, style)
    return images


def render_page(data: ReportData, images: Images) -> str:
    """Returns the page; images are the result of `draw_images` for the same data."""
    css = (_FILES / "page.css").read_text(encoding="utf-8")
    averages = {model.name: average_summary(model) for model in compared_models(data.models)}
    return render(
        _FILES / "page.html",
        data=data,
        style=css,
        style_hash=f"'sha256-{_base64(hashlib.sha256(css.encode()).digest())}'",
        headlines=[(name, tables.summary_cell(summary, summary.n)) for name, summary in averages.items()],
        images={
            name: {key: f"data:image/png;base64,{_base64(drawn[style])}" for key, style in STYLES.items()}
            for name, drawn in images.items()
        },
        tables={
            "scores": tables.score_table(data),
            "metrics": tables.metric_table(data),
            "average_differences": tables.difference_table(data, averages=True),
            "task_differences": tables.difference_table(data, averages=False),
            "calibration": tables.calibration_table(data),
            "fidelity": tables.fidelity_table(data),
            "cost": tables.cost_table(data),
            "fingerprints": _pairs("SHA-256 or version of each input.", "name", "fingerprint", data.fingerprints),
            "times": _pairs("Duration of each stage.", "stage", "time", _durations(data.seconds)),
        },
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _pairs(caption: str, name: str, value: str, pairs: Mapping[str, str]) -> Table:
    return Table(caption, [Cell(name), Cell(value)], [[Cell(text) for text in pair] for pair in pairs.items()], 2)


def _durations(seconds: Mapping[str, float]) -> dict[str, str]:
    if len(seconds) > 1 and "total" not in seconds:
        seconds = {**seconds, "total": sum(seconds.values())}
    return {stage: _duration(value) for stage, value in seconds.items()}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"
