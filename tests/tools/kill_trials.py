"""Kills commands at random and at chosen moments, continues them, and compares what they end with.

python -m tests.tools.kill_trials --kills=25 --settings=single,mirrored --output=table.md
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mtdnn_tf.files import write_text
from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import ROOT, Binaries, Running

_INTERVAL = 20
_EPOCHS = 4
# A process that is still starting has no handler yet.
_STATUS = {signal.SIGKILL: (-signal.SIGKILL,), signal.SIGTERM: (75, -signal.SIGTERM)}


@dataclasses.dataclass
class Trials:
    """What came of the trials of one setting.

    Attributes:
        setting: Its name.
        signal_number: What the processes were sent.
        dead: Processes that it ended.
        moments: How many of them at each kind of moment.
        runs: Commands that then came to their end.
        failures: A line each: what differed, or went wrong.
    """

    setting: str
    signal_number: signal.Signals
    dead: int = 0
    moments: dict[str, int] = dataclasses.field(default_factory=dict)
    runs: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def when(self) -> str:
        """Returns at which moments processes were ended."""
        return ", ".join(f"{name} {count}" for name, count in sorted(self.moments.items()))

    def row(self) -> str:
        """Returns it as a row of the table."""
        counts = f"{self.dead} ({self.when()}) | {self.runs} | {len(self.failures)}"
        return f"| {self.setting} | {self.signal_number.name} | {counts} |\n"


class _Place:
    """Data, an encoder and teachers that all settings share."""

    def __init__(self, folder: Path, binaries: Binaries) -> None:
        self.folder, self.binaries = folder, binaries
        write_huggingface_folder(folder / "bert")
        self.tasks = (f"--task_file={write_tasks(folder / 'tasks')}",)
        self.teacher, self.soft = folder / "teacher", folder / "soft"
        self.run("train", *self.training("teacher", "cache", epochs=1))
        self.run(
            "score",
            *self.tasks,
            f"--cache_dir={folder / 'cache'}",
            f"--teachers={self.teacher}",
            f"--output_dir={self.soft}",
        )

    def run(self, name: str, *flags: str) -> None:
        result = self.binaries.run(name, *flags)
        if result.status:
            raise RuntimeError(f"{name}: {result.stderr}")

    def training(self, run: str, cache: str, epochs: int = _EPOCHS) -> list[str]:
        """Returns the flags of a training."""
        return [
            *self.tasks,
            f"--cache_dir={self.folder / cache}",
            f"--backbone={self.folder / 'bert'}",
            f"--output_dir={self.folder / run}",
            f"--epochs={epochs}",
            f"--checkpoint_interval={_INTERVAL}",
            *("--max_sequence_length=32", "--batch_size=8", "--learning_rate=0.01", "--evaluation=every_epoch"),
        ]


# Of each kind of moment inside a training: whether it has come. The first argument is the run's folder, the others its
# cache, and what it has logged.
_MOMENTS: dict[str, Callable[[Path, Path, str], bool]] = {
    "encoding": lambda run, cache, log: any(cache.glob("*/.*")),
    "first step": lambda run, cache, log: "steps an epoch" in log,
    "checkpoint": lambda run, cache, log: any((run / "checkpoints").glob(".ckpt-*")),
    "evaluation": lambda run, cache, log: re.search(r"epoch \d of \d: [^\n]*\n(?![^\n]*epoch \d: )", log) is not None,
    "end": lambda run, cache, log: any(run.glob(".model.*")) or (run / "model").exists(),
}


def _weights(run: Path) -> str:
    return hashlib.sha256((run / "model" / "weights.safetensors").read_bytes()).hexdigest()


def _newest(run: Path) -> int:
    found = [int(path.name.partition("-")[2]) for path in (run / "checkpoints").glob("ckpt-*")]
    return max(found, default=0)


def training_trials(
    place: _Place, setting: str, more: Sequence[str], kills: int, seed: int, number: signal.Signals = signal.SIGKILL
) -> Trials:
    """Ends trainings at moments of every kind and continues them, and compares weights with an undisturbed run's."""
    trials, generator = Trials(setting, number), random.Random(seed)
    whole = f"{setting}-{number.name}-whole"
    started = time.monotonic()
    place.run("train", *place.training(whole, f"{whole}-cache"), *more)
    duration = time.monotonic() - started
    kinds = list(_MOMENTS)
    name = f"{setting}-{number.name}-0"
    while trials.dead < kills or (place.folder / name).exists():
        run, cache = place.folder / name, place.folder / f"{name}-cache"
        before = _newest(run)
        changed = [
            f"--evaluation_batch_size={generator.choice([16, 64])}",
            f"--keep_checkpoints={generator.choice([1, 2])}",
        ]
        running = place.binaries.start("train", *place.training(name, cache.name), *more, *changed)
        moment = None
        if trials.dead < kills:
            moment = generator.choice([*kinds, "any", "any"])
            ended = _wait(running, moment, generator, duration, run, cache)
            moment = None if ended else moment
        if moment is not None:
            running.send(number)
        result = running.wait()
        found = re.search(r"continues at step (\d+)", result.stderr)
        if found and int(found[1]) != before:
            trials.failures.append(f"{name}: continued at step {found[1]}, checkpoint {before} stood")
        if result.status in _STATUS[number]:
            trials.dead += 1
            trials.moments[moment or "-"] = trials.moments.get(moment or "-", 0) + 1
            continue
        if result.status != 0:
            trials.failures.append(f"{name}: status {result.status}: {result.stderr[-300:]}")
        elif _weights(run) != _weights(place.folder / whole):
            trials.failures.append(f"{name}: other weights")
        elif [path for path in run.rglob("*") if path.name.startswith(".")]:
            trials.failures.append(f"{name}: files under temporary names")
        trials.runs += 1
        shutil.rmtree(cache, ignore_errors=True)
        name = f"{setting}-{number.name}-{trials.runs}"
    return trials


def _wait(running: Running, moment: str, generator: random.Random, duration: float, run: Path, cache: Path) -> bool:
    """Waits for a moment; returns whether the process ended before."""
    end = time.monotonic() + (generator.uniform(0.0, duration) if moment == "any" else 10 * duration)
    while time.monotonic() < end:
        # A process that has ended is a zombie until it is waited for.
        if Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        if moment != "any" and _MOMENTS[moment](run, cache, running.stderr.read_text(encoding="utf-8")):
            time.sleep(generator.uniform(0.0, 0.05))
            break
        time.sleep(0.001)
    return False


def command_trials(place: _Place, setting: str, kills: int, seed: int) -> Trials:
    """Kills scoring, export or encoding at random moments, runs them again, and compares their files."""
    trials, generator = Trials(setting, signal.SIGKILL), random.Random(seed)
    cache = f"--cache_dir={place.folder / 'cache'}"

    def command(output: Path) -> list[str]:
        return {
            "scoring": ["score", *place.tasks, cache, f"--teachers={place.teacher}", f"--output_dir={output}"],
            "export": ["export", f"--run={place.teacher}", f"--export_dir={output}", "--version=1"],
            "encoding": [
                "encode",
                *place.tasks,
                f"--cache_dir={output}",
                f"--backbone={place.folder / 'bert'}",
                "--max_sequence_length=24",
            ],
        }[setting]

    whole = place.folder / f"{setting}-whole"
    started = time.monotonic()
    place.run(*command(whole))
    duration = time.monotonic() - started
    while trials.dead < kills:
        output = place.folder / f"{setting}-{trials.runs}"
        while trials.dead < kills:
            running = place.binaries.start(*command(output))
            time.sleep(generator.uniform(0.2, 1.0) * duration)
            running.send(signal.SIGKILL)
            status = running.wait().status
            if status == 0:
                break
            trials.dead += 1
            trials.moments["any"] = trials.dead
            if setting == "export" and (output / "1").exists():
                break  # It was killed after the version had appeared.
        if not (setting == "export" and (output / "1").exists()):
            place.run(*command(output))
            if [path for path in output.rglob("*") if path.name.startswith(".")]:
                trials.failures.append(f"{output.name}: files under temporary names")
        if _contents(output) != _contents(whole):
            trials.failures.append(f"{output.name}: other files")
        trials.runs += 1
    return trials


def _contents(folder: Path) -> dict[str, str]:
    # Names of functions in a graph are not the same in every process; manifests hold the checksums of the graph.
    varying = re.compile(r"(saved_model|fingerprint)\.pb$|^1/manifest\.json$|/\.|^\.")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if not varying.search(name)
    }


def _settings(place: _Place) -> dict[str, list[str]]:
    return {
        "single": [],
        "mirrored": ["--strategy=mirrored", "--logical_cpus=2"],
        "distilled": [f"--soft_targets={place.soft}"],
        "mirrored, distilled": ["--strategy=mirrored", "--logical_cpus=2", f"--soft_targets={place.soft}"],
        "accumulated": ["--gradient_accumulation=2"],
    }


SETTINGS = ("single", "mirrored", "distilled", "mirrored, distilled", "accumulated", "SIGTERM")
COMMANDS = ("scoring", "export", "encoding")


def all_trials(kills: int, names: Sequence[str], seed: int, folder: Path) -> list[Trials]:
    """Returns the trials of every setting that is named."""
    binaries = Binaries()
    try:
        place = _Place(folder, binaries)
        settings, trials = _settings(place), []
        for name in names:
            if name in COMMANDS:
                trials.append(command_trials(place, name, kills, seed))
            elif name == "SIGTERM":
                trials.append(training_trials(place, "single", [], kills, seed, signal.SIGTERM))
            else:
                trials.append(training_trials(place, name, settings[name], kills, seed))
        return trials
    finally:
        binaries.close()


def table(trials: Sequence[Trials]) -> str:
    """Returns the trials as a Markdown table, with date and commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [f"{datetime.date.today()}, commit {commit.stdout.strip() or 'unknown'}:\n\n"]
    lines.append(
        "| setting | signal | processes ended (at which moment) | compared | failures |\n|---|---|---:|---:|---:|\n"
    )
    return "".join([*lines, *(of_setting.row() for of_setting in trials)])


def to_json(trials: Sequence[Trials]) -> str:
    """Returns what all trials count together."""
    values = {
        "trials": sum(of_setting.dead for of_setting in trials),
        "compared": sum(of_setting.runs for of_setting in trials),
        "failures": [failure for of_setting in trials for failure in of_setting.failures],
        "note": "; ".join(f"{of_setting.when()}: {of_setting.runs} compared" for of_setting in trials),
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def main() -> None:
    """Prints the table, and each failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="processes ended in each setting")
    parser.add_argument("--settings", default=";".join((*SETTINGS, *COMMANDS)), help="names, by semicolons")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--output", type=Path, default=None, help="Markdown file for the table")
    parser.add_argument("--json", type=Path, default=None, help="file for the numbers of processes and failures")
    flags = parser.parse_args()
    names = flags.settings.split(";")
    if unknown := [name for name in names if name not in (*SETTINGS, *COMMANDS)]:
        parser.error(f"--settings takes some of {'; '.join((*SETTINGS, *COMMANDS))}; {unknown[0]!r} given")
    with tempfile.TemporaryDirectory() as folder:
        trials = all_trials(flags.kills, names, flags.seed, Path(folder))
    text = table(trials)
    print(text, end="")
    if flags.output is not None:
        write_text(flags.output, text)
    if flags.json is not None:
        write_text(flags.json, to_json(trials))
    failures = [failure for of_setting in trials for failure in of_setting.failures]
    for failure in failures:
        print(failure)
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
