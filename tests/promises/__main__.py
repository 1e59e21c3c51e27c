"""Tests every guarantee of docs/reliability.md, and prints a table of guarantees, trials and failures.

python -m tests.promises [--only=kill,damage,...] [--quick] [--page=docs/reliability.md]

All tests take hours. Outcomes are kept in a folder: after an interruption, the same command runs only the tests that
failed or were not run at this commit. The page's rows of other guarantees are kept. `--outdated` runs none, and lists
the guarantees of the page whose code has changed since they were tested.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.promises.catalogue import PROMISES, select
from tests.promises.outcome import PAGE, ROOT, Outcome, current_commit, outcome_file, read_outcome, try_promise
from tests.promises.table import outdated, read_rows, table, write_page


def _interrupt(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _flags(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.promises", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="comma-separated names; kill selects all that start with kill-")
    parser.add_argument(
        "--quick", action="store_true", help="2 kills instead of 25, no slow tests; outcomes are kept apart"
    )
    parser.add_argument("--again", action="store_true", help="rerun tests that passed at this commit")
    parser.add_argument("--table", action="store_true", help="run no test, print the table of kept outcomes")
    parser.add_argument("--outdated", action="store_true", help="run no test, list what must be tested again")
    parser.add_argument("--output", type=Path, default=Path("runs/promises"), help="folder of the kept outcomes")
    parser.add_argument("--page", type=Path, default=None, help="page whose table, between two markers, is replaced")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 if all selected tests were run and passed."""
    flags = _flags(arguments)
    try:
        promises = select([name for name in flags.only.split(",") if name])
        if flags.page is not None and not flags.page.is_file():
            raise ValueError(f"--page {flags.page}: no such file")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = read_rows(flags.page or ROOT / PAGE)
    if flags.outdated:
        print("\n".join(lines := outdated(rows)))
        return int(bool(lines))
    folder = flags.output.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        for number, promise in enumerate([] if flags.table else promises, 1):
            report = outcome_file(promise, folder, flags.quick).with_suffix(".report")
            command = promise.command(report, flags.quick)
            where = f"{number} of {len(promises)}: {promise.name}: "
            if command is None:
                print(f"{where}has no quick form", flush=True)
                continue
            kept = read_outcome(outcome_file(promise, folder, flags.quick))
            if kept and not kept.failures and kept.commit == current_commit() and not flags.again:
                print(f"{where}passed at this commit", flush=True)
                continue
            print(f"{where}...", end=" ", flush=True)
            tried = try_promise(promise, command, report, folder, flags.quick)
            print(f"{tried.trials} {promise.trial}, {tried.failures} failures, {tried.seconds:.0f} s", flush=True)
            for problem in tried.problems:
                print(f"  {problem}", flush=True)
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 130
    outcomes: dict[str, Outcome] = {}
    for promise in PROMISES:
        # An outcome of a full test takes precedence over one of a quick test.
        for quick in (False, True) if flags.quick else (False,):
            found = read_outcome(outcome_file(promise, folder, quick))
            if found is not None:
                outcomes.setdefault(promise.name, found)
    text = table(outcomes, rows)
    print(f"\n{text}", end="")
    if flags.page is not None:
        try:
            write_page(flags.page, text)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    # --quick does not select tests without a quick form.
    asked = [promise for promise in promises if promise.command(Path(), flags.quick)]
    return int(any(promise.name not in outcomes or outcomes[promise.name].failures for promise in asked))


if __name__ == "__main__":
    sys.exit(main())
