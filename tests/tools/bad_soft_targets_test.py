"""Every wrong file or flag of soft targets ends soft_targets with one line and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.bad_input_test import _check, _unfinished
from tests.tools.binaries import Binaries

TASKS = """\
tasks:
  mood:
    {kind: classification, text: [text], label: mood, labels: [bad, good], id: key,
     files: {train: mood.tsv, unlabelled: more.tsv}}
  score: {kind: regression, text: [text], label: score, id: key, files: {train: score.tsv}}
"""
FILES = {
    "tasks.yaml": TASKS,
    "mood.tsv": "key\ttext\tmood\nk1\tone\tbad\nk2\ttwo\tgood\nk3\tthree\tbad\n",
    "more.tsv": "key\ttext\nm1\tfour\n",
    "score.tsv": "key\ttext\tscore\nk1\tone\t1.5\nk2\ttwo\t3\n",
    "mood_teacher.tsv": "id\tgood\tbad\nk3\t0.25\t0.75\nk1\t0.5\t0.5\nk2\t1\t0\n",
    "mood_teacher.jsonl": '{"id": "k1", "bad": 0.5, "good": 0.5}\n{"id": "k2", "bad": 0, "good": 1}\n'
    '{"id": "k3", "bad": 1e-3, "good": 0.999}\n',
    "score_teacher.tsv": "id\tscore\nk2\t2.5\nk1\t-1e-2\n",
}
MOOD = "--task_file={tasks}/tasks.yaml --tasks=mood --output_dir={out} --import_from={tasks}/mood_teacher.tsv"
LINES = MOOD.replace(".tsv", ".jsonl")
SCORE = "--task_file={tasks}/tasks.yaml --tasks=score --output_dir={out} --import_from={tasks}/score_teacher.tsv"
EXPORT = "--task_file={tasks}/tasks.yaml --tasks=mood --soft_targets={tasks} --export_to={out}"
Change = tuple[str, str, str]


# Of each case: a name, the flags, the file that is changed with what is replaced by what, and words of the line.
CASES: list[tuple[str, str, Change, list[str]]] = [
    ("unknown id", MOOD, ("mood_teacher.tsv", "k2", "k9"), ["mood_teacher.tsv:4", "'k9' is no example", "mood, split train"]),
    ("missing id", MOOD, ("mood_teacher.tsv", "k2\t1\t0\n", ""), ["mood_teacher.tsv", "no row for 1 of 3 examples", "k2"]),
    ("duplicate id", MOOD, ("mood_teacher.tsv", "k1", "k3"), ["mood_teacher.tsv:3", "duplicate id 'k3', first at ", "mood_teacher.tsv:2"]),
    ("NaN", MOOD, ("mood_teacher.tsv", "0.25", "nan"), ["mood_teacher.tsv:2", "'good' must be a number, got 'nan'"]),
    ("infinite score", SCORE, ("score_teacher.tsv", "2.5", "inf"), ["score_teacher.tsv:2", "got 'inf'"]),
    ("empty number", MOOD, ("mood_teacher.tsv", "0.25", ""), ["mood_teacher.tsv:2", "got ''"]),
    ("word", SCORE, ("score_teacher.tsv", "2.5", "1_0"), ["score_teacher.tsv:2", "got '1_0'"]),
    ("sum", MOOD, ("mood_teacher.tsv", "0.75", "0.7"), ["mood_teacher.tsv:2", "must sum to 1", "got a sum of 0.95"]),
    ("negative probability", MOOD, ("mood_teacher.tsv", "0.25\t0.75", "-0.25\t1.25"), ["tsv:2", "0 to 1", "--values=logits"]),
    ("unknown label", MOOD, ("mood_teacher.tsv", "good", "goood"), ["mood_teacher.tsv:1", "'goood'", "mean 'good'", "bad, good, id"]),
    ("missing label", MOOD, ("mood_teacher.tsv", "\tbad", ""), ["mood_teacher.tsv:1", "'bad' is missing", "id, bad, good"]),
    ("missing id column", SCORE, ("score_teacher.tsv", "id\tscore", "key\tscore"), ["score_teacher.tsv:1", "'key'", "id, score"]),
    ("column given twice", MOOD, ("mood_teacher.tsv", "id\tgood\tbad", "id\tbad\tgood\tbad"), ["mood_teacher.tsv", "'bad' is named 2 times"]),
    ("empty file", MOOD, ("mood_teacher.tsv", FILES["mood_teacher.tsv"], ""), ["mood_teacher.tsv:1", "'id' is missing"]),
    ("row with too few columns", MOOD, ("mood_teacher.tsv", "k2\t1\t0", "k2\t1"), ["mood_teacher.tsv:4", "2 column(s)"]),
    ("wrong kind", SCORE.replace("score_", "mood_"), ("score.tsv", "", ""), ["mood_teacher.tsv:1", "regression task score", "'good'"]),
    ("other wrong kind", MOOD.replace("mood_", "score_"), ("score.tsv", "", ""), ["score_teacher.tsv:1", "classification task mood"]),
    ("missing label of an object", LINES, ("mood_teacher.jsonl", ', "good": 1', ""), ["jsonl:2", "column 'good' is missing"]),
    ("unknown label beside", LINES, ("mood_teacher.jsonl", '"bad": 0,', '"bad": 0, "sad": 0,'), ["jsonl:2", "'sad'", "did you mean 'bad'"]),
    ("null", LINES, ("mood_teacher.jsonl", "1e-3", "null"), ["jsonl:3", "'bad' must be a number, got null"]),
    ("no JSON", LINES, ("mood_teacher.jsonl", "1e-3", "+"), ["mood_teacher.jsonl:3", "not JSON"]),
    ("no such file", MOOD + "x", ("score.tsv", "", ""), ["mood_teacher.tsvx"]),
    ("logits of regression", SCORE + " --values=logits", ("score.tsv", "", ""), ["--values must be probabilities or votes for regression task score, got logits"]),
    ("votes that are no counts", MOOD + " --values=votes", ("score.tsv", "", ""), ["mood_teacher.tsv:3", "votes must be integers >= 0"]),
    ("unknown values", MOOD + " --values=vote", ("score.tsv", "", ""), ["unknown --values 'vote'", "did you mean 'votes'"]),
    ("too few to calibrate on", MOOD + " --calibrate_on=train", ("score.tsv", "", ""), ["--calibrate_on=train: task mood must have 10"]),
    ("smoothing", MOOD + " --vote_smoothing=0", ("score.tsv", "", ""), ["--vote_smoothing must be a number > 0", "got 0"]),
    ("examples of another split", MOOD + " --split=unlabelled", ("score.tsv", "", ""), ["'k3' is no example", "split unlabelled"]),
    ("unknown split", MOOD + " --split=dev", ("score.tsv", "", ""), ["split of task mood 'dev'"]),
    ("two tasks", MOOD.replace("=mood ", "=mood,score "), ("score.tsv", "", ""), ["--tasks must name one task", "mood, score"]),
    ("a name too many", MOOD + " --teacher_names=a,b", ("score.tsv", "", ""), ["got 2 names for 1 files"]),
    ("a weight too many", MOOD + " --weights=1,2", ("score.tsv", "", ""), ["got 2 weights for 1 teachers"]),
    ("both verbs", MOOD + " --export_to={out}.tsv", ("score.tsv", "", ""), ["--join_shards and --export_to", "exactly one"]),
    ("no verb", "--tasks=mood", ("score.tsv", "", ""), ["exactly one of --import_from, --join_shards and --export_to"]),
    ("no folder", MOOD.replace("--output_dir={out}", ""), ("score.tsv", "", ""), ["--output_dir is needed with --import_from"]),
    ("flag of the other verb", EXPORT + ".tsv --weights=1", ("score.tsv", "", ""), ["--weights needs --import_from"]),
    ("nothing to export", EXPORT + ".tsv", ("score.tsv", "", ""), ["no soft targets of task mood, split train there"]),
    ("format", EXPORT + ".csv", ("score.tsv", "", ""), [".csv", ".tsv or .jsonl"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "flags", "change", "words"), CASES, ids=[case[0] for case in CASES])
def test_one_line_and_nothing_half_written(
    binaries: Binaries, tmp_path: Path, name: str, flags: str, change: Change, words: list[str]
) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    changed, old, new = change
    for file, content in FILES.items():
        assert file != changed or old in content
        (tasks / file).write_text(content.replace(old, new, 1) if file == changed else content, encoding="utf-8")
    result = binaries.run("soft_targets", *flags.format(tasks=tasks, out=tmp_path / "out").split())
    _check(result, words)
    assert not _unfinished(tmp_path)
    assert not list(tmp_path.glob("out*"))


def test_the_files_are_right_before_they_are_changed(binaries: Binaries, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    for file, content in FILES.items():
        (tmp_path / "tasks" / file).write_text(content, encoding="utf-8")
    for flags in (MOOD, LINES, SCORE):
        result = binaries.run("soft_targets", *flags.format(tasks=tmp_path / "tasks", out=tmp_path / "out").split())
        assert result.status == 0, result.stderr
