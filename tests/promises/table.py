"""The outcomes of the guarantees' tests as a Markdown table, and its place in a page."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from mtdnn_tf.files import write_text
from tests.promises.catalogue import PROMISES
from tests.promises.outcome import Outcome, current_commit

BEGIN, END = "<!-- promises: begin -->", "<!-- promises: end -->"


def table(outcomes: Mapping[str, Outcome]) -> str:
    """Returns the table, with a row for every guarantee, tested or not.

    Args:
        outcomes: Outcomes by name of the guarantee.
    """
    tried = [outcomes[promise.name] for promise in PROMISES if promise.name in outcomes]
    quick = sum(outcome.quick for outcome in tried)
    counts = [
        f"{len(tried)} of {len(PROMISES)} guarantees tested",
        f"{sum(outcome.trials for outcome in tried):,} trials",
    ]
    counts.append(f"{sum(outcome.failures for outcome in tried)} failures")
    if quick:
        counts.append(f"{quick} in a quick form")
    lines = [
        f"Made by `python -m tests.promises` on {datetime.date.today()} at commit {current_commit()}: "
        f"{', '.join(counts)}.",
        "",
        "| guarantee | | trials | failures | tested |",
        "|---|---|---:|---:|---|",
    ]
    for promise in PROMISES:
        cells = [promise.name, _text(promise.text, outcomes.get(promise.name)), "", "", "**not tested**"]
        if promise.name in outcomes:
            outcome = outcomes[promise.name]
            form = " quick," if outcome.quick else ""
            cells[2] = f"{outcome.trials:,} {promise.trial}"
            if outcome.skipped:
                cells[2] += f" ({outcome.skipped} skipped)"
            cells[3] = f"**{outcome.failures}**" if outcome.failures else "0"
            cells[4] = f"{outcome.date}, {outcome.commit},{form} {outcome.seconds:,.0f} s"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _text(text: str, outcome: Outcome | None) -> str:
    notes = "; ".join(outcome.notes) if outcome else ""
    return f"{text} ({notes})".replace("|", "/") if notes else text


def write_page(page: Path, text: str) -> None:
    """Writes the table into a page, between its two markers.

    Raises:
        ValueError: A marker is missing, duplicate or in the wrong order.
    """
    content = page.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1 or content.index(BEGIN) > content.index(END):
        raise ValueError(f"{page}: must have one line {BEGIN} and one line {END} below it")
    before, _, rest = content.partition(BEGIN)
    write_text(page, f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}")
