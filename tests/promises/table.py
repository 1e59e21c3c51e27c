"""The outcomes of the guarantees' tests as a Markdown table, and its place in a page."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from mtdnn_tf.files import write_text
from tests.promises.catalogue import PROMISES, Promise
from tests.promises.outcome import Outcome, commits_since, current_commit

BEGIN, END = "<!-- promises: begin -->", "<!-- promises: end -->"


def table(outcomes: Mapping[str, Outcome], rows: Mapping[str, str]) -> str:
    """Returns the table, with a row for every guarantee, tested or not.

    Args:
        outcomes: Outcomes by name of the guarantee.
        rows: Rows of an older table, by name, for guarantees without an outcome.
    """
    lines = [
        _row(promise, outcomes[promise.name]) if promise.name in outcomes else rows.get(promise.name) or _row(promise)
        for promise in PROMISES
    ]
    tried = [cells for cells in map(_cells, lines) if cells[2]]
    trials, failures = (sum(_number(cells[at]) for cells in tried) for at in (2, 3))
    counts = f"{len(tried)} of {len(PROMISES)} guarantees tested, {trials:,} trials, {failures} failures"
    if quick := sum(" quick, " in cells[4] for cells in tried):
        counts += f", {quick} in a quick form"
    return "\n".join(
        [
            f"Made by `python -m tests.promises` on {datetime.date.today()} at commit {current_commit()}: {counts}.",
            "",
            "| guarantee | | trials | failures | tested |",
            "|---|---|---:|---:|---|",
            *lines,
            "",
        ]
    )


def _row(promise: Promise, outcome: Outcome | None = None) -> str:
    if outcome is None:
        return f"| {promise.name} | {promise.text} |  |  | **not tested** |"
    notes = f" ({'; '.join(outcome.notes)})".replace("|", "/") if outcome.notes else ""
    skipped = f" ({outcome.skipped} skipped)" if outcome.skipped else ""
    cells = [
        promise.name,
        f"{promise.text}{notes}",
        f"{outcome.trials:,} {promise.trial}{skipped}",
        f"**{outcome.failures}**" if outcome.failures else "0",
        f"{outcome.date}, {outcome.commit},{' quick,' if outcome.quick else ''} {outcome.seconds:,.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _number(cell: str) -> int:
    """Returns the number that a cell begins with."""
    return int(cell.strip("*").replace(",", "").split()[0])


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def read_rows(page: Path) -> dict[str, str]:
    """Returns the rows of a page's table whose guarantees, as they are now, were tested, by name."""
    rows = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()
    named = {_cells(row)[0]: row for row in rows if row.startswith("| ")}
    kept = {promise.name: named[promise.name] for promise in PROMISES if promise.name in named}
    texts = {promise.name: promise.text for promise in PROMISES}
    return {name: row for name, row in kept.items() if _cells(row)[2] and _cells(row)[1].startswith(texts[name])}


def outdated(rows: Mapping[str, str]) -> list[str]:
    """Returns a line for every guarantee that was not tested since its code changed, or not at all."""
    lines = []
    for promise in PROMISES:
        if promise.name not in rows:
            lines.append(f"{promise.name}: not tested")
            continue
        commit = _cells(rows[promise.name])[4].split(", ")[1].rstrip("+")
        changes = commits_since(commit, promise.sources)
        if changes is None:
            lines.append(f"{promise.name}: tested at {commit}, which is no commit of this repository")
        elif changes:
            lines.append(f"{promise.name}: tested at {commit}; {changes} commit(s) have changed its code since")
    return lines


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
