"""The promises of docs/reliability.md, each with the commands that show whether it is kept."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.tools.kill_trials import COMMANDS, SETTINGS

_PYTEST = (sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-o", "junit_family=xunit2")


@dataclasses.dataclass(frozen=True)
class Promise:
    """One promise.

    Attributes:
        name: What `--only` calls it.
        text: What is promised.
        trial: What is counted, in the plural.
        arguments: Of the command that tries it: of pytest or, of `kill_trials`, its settings.
        slow: Whether tests marked slow belong to it.
        quick: Arguments of a shorter form; None if that is the same without slow tests, empty if there is none.
        kills: Whether `kill_trials` tries it, and not pytest.
    """

    name: str
    text: str
    trial: str
    arguments: tuple[str, ...]
    slow: bool = False
    quick: tuple[str, ...] | None = None
    kills: bool = False

    @property
    def has_quick_form(self) -> bool:
        """Whether its quick form is another than the whole."""
        return self.kills or self.slow or self.quick is not None

    def command(self, report: Path, quick: bool) -> list[str] | None:
        """Returns the command that tries it, None if there is no quick one.

        Args:
            report: Where it writes what was counted: XML as JUnit's from pytest, JSON from `kill_trials`.
            quick: Whether the shorter form is wanted.
        """
        if self.kills:
            number = "2" if quick else "25"
            return [
                *(sys.executable, "-m", "tests.tools.kill_trials", f"--kills={number}"),
                *(f"--settings={';'.join(self.arguments)}", f"--json={report}"),
            ]
        if quick and self.quick == ():
            return None
        arguments = self.quick if quick and self.quick is not None else self.arguments
        markers = ("-m", "not real_data") if self.slow and not quick else ()
        return [*_PYTEST, *markers, f"--junitxml={report}", *arguments]


def _kills(setting: str) -> Promise:
    if setting in COMMANDS:
        text = (
            f"{setting.capitalize()}, killed at random moments and run again, ends with the files of one that was not"
        )
    elif setting == "SIGTERM":
        text = "A training, stopped by SIGTERM and continued, ends with the weights of one that was not"
    else:
        text = f"A training ({setting}), killed and continued, ends with the weights of one that was not"
    name = f"kill-{setting.lower().replace(', ', '-')}"
    return Promise(name, text, "processes ended", (setting,), kills=True)


PROMISES: tuple[Promise, ...] = (
    *(_kills(setting) for setting in (*SETTINGS, *COMMANDS)),
    Promise(
        "kill-recipe",
        "A recipe, killed in every stage and run again, ends with the files of one that was not",
        "processes ended",
        ("tests/recipe/kill_test.py",),
        slow=True,
        quick=(),
    ),
    Promise(
        "signals",
        "SIGTERM and SIGINT: a checkpoint at the next step, one line, status 75 or 130; a second one ends at once",
        "tests",
        ("tests/interruption_test.py", "tests/tools/interruption_test.py", "-k", "not second_training"),
    ),
    Promise(
        "processes",
        "A second training in one folder is refused while the first lives, and takes over when it is dead",
        "tests",
        ("tests/tools/interruption_test.py", "-k", "second_training"),
    ),
    Promise(
        "damage",
        "A file of any kind, cut or with one bit flipped, is refused with file and remedy",
        "damaged files",
        ("tests/tools/damage_test.py",),
        slow=True,
    ),
    Promise(
        "checksums",
        "Every cut and each flipped bit of a manifest and of a checked JSON file is refused",
        "damaged files",
        ("tests/files_test.py", "tests/checked_json_test.py", "-k", "every_cut"),
    ),
    Promise(
        "disk",
        "A full disk or a read-only folder: nothing partial, the last checkpoint loads, one line tells path and space",
        "commands",
        ("tests/tools/full_disk_test.py",),
    ),
    Promise(
        "provenance",
        "What was made from something else is not used; changed places alone are accepted",
        "tests",
        ("tests/hostile/provenance_test.py", "tests/training/identity_test.py"),
    ),
    Promise(
        "parsers",
        "Whatever a file or flag holds, its parser accepts it or refuses it in one line",
        "generated cases",
        ("tests/hostile/parsers_fuzz_test.py",),
    ),
    Promise(
        "command-lines",
        "Whatever a command line and its files hold, it is accepted or refused in one line; nothing is left",
        "generated command lines",
        ("tests/tools/command_lines_fuzz_test.py",),
        slow=True,
    ),
    Promise(
        "bad-input",
        "Each chosen mistake ends its command with one line, and leaves nothing half-written",
        "commands",
        ("tests/tools/bad_input_test.py", "tests/tools/bad_soft_targets_test.py"),
    ),
    Promise(
        "texts",
        "Unusual texts get the ids of BERT's tokenizer, or are refused with their line",
        "tests and mixtures",
        ("tests/hostile/texts_test.py",),
    ),
    Promise(
        "numbers",
        "Numbers that go wrong stop the training at the step, keep the last good checkpoint, and are said",
        "tests",
        (
            "tests/training/finite_test.py",
            "tests/training/checkpoints_test.py::test_weights_that_are_not_finite_are_not_saved",
            "tests/evaluation/metrics_test.py::test_undefined_metrics_are_zero_without_warnings",
            "tests/evaluation/metrics_test.py::test_a_split_without_any_gold_is_refused",
            "tests/evaluation/metrics_test.py::test_predictions_of_another_shape_or_not_finite_are_refused",
            "tests/evaluation/gold_labels_test.py",
        ),
    ),
    Promise(
        "foreign",
        "A stranger's file runs no code and leads out of no folder",
        "tests",
        ("tests/hostile/foreign_files_test.py",),
    ),
    Promise(
        "long-run",
        "3,000 steps: memory grows less than 2 % after step 300, file handles and checkpoints stay as many",
        "trainings",
        ("tests/training/long_run_test.py",),
        slow=True,
        quick=(),
    ),
    Promise("golden", "Artefacts of older versions are read, with their numbers", "tests", ("tests/golden",)),
)


def select(names: Sequence[str]) -> list[Promise]:
    """Returns the promises that are named, or whose group is (kill), in the order of the catalogue; all for none.

    Raises:
        ValueError: A name is of none.
    """
    for name in names:
        if not any(_is_named(promise, name) for promise in PROMISES):
            raise ValueError(f"--only takes kill and {', '.join(promise.name for promise in PROMISES)}; {name!r} given")
    return [promise for promise in PROMISES if not names or any(_is_named(promise, name) for name in names)]


def _is_named(promise: Promise, name: str) -> bool:
    return promise.name == name or promise.name.startswith(f"{name}-")
