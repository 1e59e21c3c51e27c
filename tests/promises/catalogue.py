"""The guarantees of docs/reliability.md, and the command that tests each of them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.tools.kill_trials import COMMANDS, SETTINGS

_PYTEST = (sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-o", "junit_family=xunit2")


@dataclasses.dataclass(frozen=True)
class Promise:
    """A guarantee and its test.

    Attributes:
        name: Name for `--only`.
        text: What is guaranteed.
        trial: Unit of the trial count, in the plural.
        arguments: Arguments of pytest, or settings of `kill_trials`.
        slow: Whether to run tests marked slow.
        quick: Arguments of `--quick`; None for the same tests without the slow ones, empty if there is no quick form.
        kills: Whether `kill_trials` tests it instead of pytest.
        code: Files and folders whose changes make an outcome old, beside its tests.
    """

    name: str
    text: str
    trial: str
    arguments: tuple[str, ...]
    slow: bool = False
    quick: tuple[str, ...] | None = None
    kills: bool = False
    code: tuple[str, ...] = ("mtdnn_tf",)

    @property
    def sources(self) -> list[str]:
        """Files and folders that an outcome depends on."""
        tests = ["tests/tools/kill_trials.py"] if self.kills else [name for name in self.arguments if "/" in name]
        return [*self.code, *(name.partition("::")[0] for name in tests)]

    @property
    def has_quick_form(self) -> bool:
        """Whether `--quick` runs something else than the full test."""
        return self.kills or self.slow or self.quick is not None

    def command(self, report: Path, quick: bool) -> list[str] | None:
        """Returns the command of the test, or None if there is no quick one.

        Args:
            report: Path of the command's report: JUnit XML from pytest, JSON from `kill_trials`.
            quick: Whether to return the quick form.
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
        text = f"{setting.capitalize()}, killed at random moments and rerun, writes the same files"
    elif setting == "SIGTERM":
        text = "A training stopped by SIGTERM and rerun ends with the same weights"
    else:
        text = f"A training ({setting}) killed and rerun ends with the same weights"
    name = f"kill-{setting.lower().replace(', ', '-')}"
    return Promise(name, text, "kills", (setting,), kills=True)


PROMISES: tuple[Promise, ...] = (
    *(_kills(setting) for setting in (*SETTINGS, *COMMANDS)),
    Promise(
        "kill-recipe",
        "A recipe killed in every stage and rerun writes the same files",
        "kills",
        ("tests/recipe/kill_test.py",),
        slow=True,
        quick=(),
    ),
    Promise(
        "signals",
        "SIGTERM and SIGINT write a checkpoint, print one line and exit with 75 or 130; a second signal exits at once",
        "tests",
        ("tests/interruption_test.py", "tests/tools/interruption_test.py", "-k", "not second_training"),
    ),
    Promise(
        "processes",
        "A second training in the same folder, of this or another host, is refused while the first runs, and continues "
        "it after its death",
        "tests",
        ("tests/tools/interruption_test.py", "tests/locks_test.py", "-k", "second_training or another_host"),
    ),
    Promise(
        "power",
        "A loss of power costs nothing that a command has ended with; training, scoring and export continue",
        "losses",
        ("tests/promises/power/trials_test.py",),
        slow=True,
        quick=(),
    ),
    Promise(
        "clock",
        "A clock that is set back, within a training or between two, changes nothing",
        "tests",
        ("tests/promises/clock_test.py",),
        slow=True,
        quick=(),
    ),
    Promise(
        "cores",
        "A training continued on another number of cores ends with the same weights",
        "tests",
        ("tests/training/run_test.py", "-k", "other_cores"),
        code=("mtdnn_tf/training", "mtdnn_tf/parallelism.py", "mtdnn_tf/modeling"),
    ),
    Promise(
        "dependency-sets",
        "A training begun with one dependency set and continued with the other ends with the weights of one of them, "
        "but for rounding",
        "trainings",
        ("tests/promises/dependency_sets_test.py",),
        slow=True,
        quick=(),
        code=("mtdnn_tf/training", "mtdnn_tf/data", "mtdnn_tf/modeling"),
    ),
    Promise(
        "damage",
        "A truncated file, or one with a flipped bit, is refused; the message names file and remedy",
        "damaged files",
        ("tests/tools/damage_test.py",),
        slow=True,
    ),
    Promise(
        "checksums",
        "Every truncation and every bit flip of a manifest or a JSON file with a checksum is refused",
        "damaged files",
        ("tests/manifests_test.py", "tests/json_files_test.py", "-k", "every_cut"),
        code=("mtdnn_tf/manifests.py", "mtdnn_tf/json_files.py", "mtdnn_tf/files.py"),
    ),
    Promise(
        "disk",
        "Full disk or read-only folder: no partial file, the last checkpoint loads, one line names path and space",
        "commands",
        ("tests/tools/full_disk_test.py",),
    ),
    Promise(
        "provenance",
        "Files made from other inputs are not used; moved files are accepted",
        "tests",
        ("tests/hostile/provenance_test.py", "tests/training/identity_test.py"),
    ),
    Promise(
        "parsers",
        "Parsers accept any file or flag, or refuse it in one line",
        "generated cases",
        ("tests/hostile/parsers_fuzz_test.py",),
    ),
    Promise(
        "command-lines",
        "Any command line with its files is accepted, or refused in one line without leaving files",
        "generated command lines",
        ("tests/tools/command_lines_fuzz_test.py",),
        slow=True,
    ),
    Promise(
        "bad-input",
        "Each listed mistake ends the command with one line and leaves nothing half-written",
        "commands",
        ("tests/tools/bad_input_test.py", "tests/tools/bad_soft_targets_test.py"),
    ),
    Promise(
        "texts",
        "Unusual texts get the ids of BERT's tokenizer, or are refused with their line number",
        "tests and mixtures",
        ("tests/hostile/texts_test.py",),
        code=("mtdnn_tf/data", "mtdnn_tf/modeling/checkpoints"),
    ),
    Promise(
        "served-texts",
        "A SavedModel and an ONNX client answer any text by the ids of BERT's tokenizer",
        "texts",
        ("tests/hostile/served_texts_test.py",),
        slow=True,
        quick=(),
        code=("mtdnn_tf/data", "mtdnn_tf/serving", "mtdnn_tf/modeling"),
    ),
    Promise(
        "served-requests",
        "Any request by REST or gRPC is answered in TF Serving's form without an error of the server's own",
        "generated requests",
        ("tests/serving/server/generated_requests_test.py",),
        slow=True,
        code=("mtdnn_tf/serving",),
    ),
    Promise(
        "numbers",
        "Non-finite numbers stop the training at that step, keep the last good checkpoint and are reported",
        "tests",
        (
            "tests/training/callbacks_test.py",
            "tests/training/checkpoints_test.py::test_weights_that_are_not_finite_are_not_saved",
            "tests/evaluation/measures/metrics_test.py::test_undefined_metrics_are_zero_without_warnings",
            "tests/evaluation/measures/metrics_test.py::test_a_split_without_any_gold_is_refused",
            "tests/evaluation/measures/metrics_test.py::test_predictions_of_another_shape_or_not_finite_are_refused",
            "tests/evaluation/gold_labels_test.py",
        ),
        code=("mtdnn_tf/training", "mtdnn_tf/evaluation", "mtdnn_tf/kinds"),
    ),
    Promise(
        "foreign",
        "Untrusted files run no code, and no path in them leaves its folder",
        "tests",
        ("tests/hostile/foreign_files_test.py",),
    ),
    Promise(
        "long-run",
        "3,000 steps: memory grows less than 2 % after step 300; the number of handles and checkpoints is constant",
        "training runs",
        ("tests/training/long_run_test.py",),
        slow=True,
        quick=(),
    ),
    Promise(
        "memory",
        "A recipe of 40 trainings in one process: memory grows less than 15 % after the fifth",
        "recipes",
        ("tests/recipe/memory_test.py",),
        slow=True,
        quick=(),
    ),
    Promise("golden", "Files of older versions load and give the same numbers", "tests", ("tests/golden",)),
)


def select(names: Sequence[str]) -> list[Promise]:
    """Returns the guarantees of the given names, in the order of `PROMISES`; all of them if `names` is empty.

    Args:
        names: Names of guarantees, or "kill" for all whose name starts with "kill-".

    Raises:
        ValueError: A name is unknown.
    """
    for name in names:
        if not any(_is_named(promise, name) for promise in PROMISES):
            known = ", ".join(promise.name for promise in PROMISES)
            raise ValueError(f"--only must be a comma-separated list of kill, {known}; got {name!r}")
    return [promise for promise in PROMISES if not names or any(_is_named(promise, name) for name in names)]


def _is_named(promise: Promise, name: str) -> bool:
    return promise.name == name or promise.name.startswith(f"{name}-")
