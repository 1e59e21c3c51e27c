"""Texts from Jinja templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2


def render(path: Path, **values: Any) -> str:
    """Returns the text of a template, with values escaped in .html files. A name that has no value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=path.suffix == ".html",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(path.name).render(values)
