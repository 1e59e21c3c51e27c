"""Settings of the documentation's site: `.venv/bin/python -m sphinx -W -c docs . build/site`."""

from __future__ import annotations

import re
from typing import Any

import mtdnn_tf.commands  # noqa: F401  # Silences what TensorFlow prints while it is imported.

project = html_title = "mtdnn_tf"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md"]
root_doc = "docs/index"
html_theme = "furo"
html_extra_path = ["site"]
html_show_sphinx = html_show_copyright = html_copy_source = False
myst_heading_anchors = 4
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"


def _add_contents(app: Any, name: str, source: list[str]) -> None:
    """Adds the site's navigation to the index: the pages that it links to, in their order."""
    if name == root_doc:
        pages = dict.fromkeys(re.findall(r"\]\(([\w./]+)\.md\)", source[0]))
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", *pages, "```", ""])


def setup(app: Any) -> None:
    """Is called by Sphinx."""
    app.connect("source-read", _add_contents)
