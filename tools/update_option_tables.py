"""Writes the option tables of the documentation from the declarations of the options.

  python -m tools.update_option_tables            rewrites the pages that are not up to date
  python -m tools.update_option_tables --check    lists them, changes nothing, and exits with 1 if there are any

A table follows a line `<!-- options: NAMES -->`; NAMES are options, or classes of options, separated by spaces.
"""

from __future__ import annotations

import re
from pathlib import Path

import mtdnn_tf.commands  # noqa: F401  # Silences what TensorFlow prints while it is imported.
from mtdnn_tf.adaptation.config import AdaptationConfig
from mtdnn_tf.beam.options import BeamOptions, BeamPredictionOptions
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.options import Options, options_table
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.training.config import TrainingConfig
from tools.update_build_files import ROOT, update

_PAGES = ROOT / "docs"
_TABLE = re.compile(r"<!-- options: ([\w ]+) -->\n(?:\|.*\n)*")


def _groups(options: type[Options]) -> dict[str, type[Options]]:
    groups = [type(value) for value in vars(options).values() if isinstance(value, Options)]
    return {group.__name__: group for group in (options, *groups)}


GROUPS = {
    **_groups(TrainingConfig),
    **_groups(BeamOptions),
    **_groups(BeamPredictionOptions),
    **_groups(TableOptions),
    **_groups(RecipeConfig),
    **_groups(AdaptationConfig),
}
_OPTIONS = {name: option for group in GROUPS.values() for name, option in group.declared().items()}


def with_tables(text: str) -> str:
    """Returns the text of a page with the tables of the options, or classes of options, that its comments name."""

    def table(found: re.Match[str]) -> str:
        options = []
        for name in found[1].split():
            if name not in GROUPS and name not in _OPTIONS:
                raise SystemExit(f"error: options must be names of options or their classes, got {name}")
            options += list(GROUPS[name].declared().values()) if name in GROUPS else [_OPTIONS[name]]
        return found[0].partition("\n")[0] + "\n" + options_table(options)

    return _TABLE.sub(table, text)


def _outdated() -> dict[Path, str]:
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(_PAGES.glob("*.md"))}
    return {path.relative_to(ROOT): with_tables(text) for path, text in texts.items() if with_tables(text) != text}


if __name__ == "__main__":
    update(_outdated, __doc__, "tools.update_option_tables", ROOT)
