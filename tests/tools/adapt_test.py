"""The command, on a task that one of the runs it starts from was trained on, which is allowed."""

from __future__ import annotations

import csv
import json
import math
import re
import statistics
import struct
import zlib
from collections import Counter

import pytest
from scipy import stats

from tests.tools.conftest import Trained

SHARES, SEEDS, STARTS = (0.5,), (0, 4), ("plain BERT", "one")


@pytest.fixture(name="flags", scope="module")
def _flags(trained: Trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("adapt") / "out"
    return (
        *trained.flags,
        "--tasks=mood",
        f"--init_from={trained.runs[0]}",
        f"--backbone={trained.folder / 'bert'}",
        f"--output_dir={out}",
        f"--fractions={','.join(map(str, SHARES))}",
        f"--subset_seeds={','.join(map(str, SEEDS))}",
        *("--min_steps=6", "--max_sequence_length=32", "--epochs=1", "--batch_size=8", "--learning_rate=0.01"),
    )


@pytest.fixture(name="out", scope="module")
def _out(binaries, flags, tmp_path_factory):
    (folder,) = [flag.partition("=")[2] for flag in flags if flag.startswith("--output_dir=")]
    result = binaries.run("adapt", *flags)
    assert result.status == 0, result.stderr
    path = tmp_path_factory.mktemp("printed") / "table"
    path.write_text(result.stdout)
    return type(path)(folder), path


def _scores(folder):
    """Returns the mean of the task's metrics by start, share and subset, from the runs' own files."""
    scores = {}
    for start in STARTS:
        for share in SHARES:
            for seed in SEEDS:
                run = folder / start.replace(" ", "_").lower() / f"fraction_{share}" / f"subset_{seed}"
                metrics = json.loads((run / "metrics" / "validation.json").read_text())["mood"]
                scores[start, share, seed] = statistics.mean([metrics["accuracy"], metrics["f1"]])
    return scores


def test_tables_are_made_from_the_runs_own_metrics(trained: Trained, out):
    folder, printed = out
    scores = _scores(folder)
    table = (folder / "results.md").read_text()
    assert printed.read_text() == table
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    assert rows[0] == ["examples", "share", "n", *STARTS, "one less plain BERT"]
    for share, examples, row in zip(SHARES, (20,), rows[2:]):
        assert row[:3] == [str(examples), f"{100 * share:.0f} %", "2"]
        by_start = [[scores[start, share, seed] for seed in SEEDS] for start in STARTS]
        for values, cell in zip(by_start, row[3:5]):
            assert cell == f"{100 * statistics.mean(values):.1f} ± {100 * statistics.stdev(values):.1f}"
        differences = [b - a for a, b in zip(*by_start)]
        reach = stats.t.ppf(0.975, 1) * statistics.stdev(differences) / math.sqrt(2)
        mean = statistics.mean(differences)
        shown = [float(value) for value in re.findall(r"[+-]\d+\.\d", row[5])]
        assert shown == pytest.approx([100 * mean, 100 * (mean - reach), 100 * (mean + reach)], abs=0.051)
    for trained_run in csv.DictReader((folder / "results.csv").open(newline="")):
        place = (trained_run["start"], float(trained_run["fraction"]), int(trained_run["subset_seed"]))
        assert float(trained_run["score"]) == pytest.approx(scores[place])
    runs = json.loads((folder / "results.json").read_text())["runs"]
    assert {(run["start"], run["fraction"], run["subset_seed"]) for run in runs} == scores.keys()
    # The most frequent label of the training split, as the answer to every development row.
    train, development = (
        [row["mood"] for row in csv.DictReader(path.open(), delimiter="\t")]
        for path in (trained.folder / "tasks" / f"mood_{split}.tsv" for split in ("train", "validation"))
    )
    ((majority, _),) = Counter(train).most_common(1)
    accuracy = development.count(majority) / len(development)
    f1 = 2 * accuracy / (1 + accuracy) if majority == "good" else 0.0
    assert f"the most frequent label has {50 * (accuracy + f1):.1f}" in table


def test_the_plot_is_a_whole_png(out):
    content = (out[0] / "adaptation.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 1000 and height > 500
    place, kinds = 8, []
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 4 : place + 8 + length]
        (checksum,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert zlib.crc32(body) == checksum
        kinds.append(body[:4])
        place += 12 + length
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")


def test_a_second_call_trains_nothing_and_writes_the_same(binaries, flags, out):
    folder, printed = out
    plan = binaries.run("adapt", *flags, "--dry_run")
    assert plan.status == 0, plan.stderr
    lines = [line.split() for line in plan.stdout.splitlines()]
    assert lines[1] == ["plain_bert/fraction_0.5/subset_0", "20", "2", "6", "done"]
    assert lines[4] == ["one/fraction_0.5/subset_4", "20", "2", "6", "done"]
    assert lines[-1] == ["all", "24", "0", "to", "do"]
    content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    models = {path: path.stat().st_mtime_ns for path in folder.rglob("weights.safetensors")}
    again = binaries.run("adapt", *flags)
    assert (again.status, again.stdout) == (0, printed.read_text()), again.stderr
    assert again.stderr.count("already trained") == len(models) == 4
    assert "steps in" not in again.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == content
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("weights.safetensors")} == models


def test_other_settings_in_the_same_folder_are_refused(binaries, flags, out):
    result = binaries.run("adapt", *flags, "--learning_rate=0.02")
    assert result.status == 1
    errors = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]
    assert len(errors) == 1 and "learning_rate: 0.01 before, 0.02 now" in errors[0]
