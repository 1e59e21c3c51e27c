"""Tables of parts of a split, imported as shards in any order, against one table of all examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming import disk_arrays
from mtdnn_tf.distillation import teacher_tables
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles import imported_shards
from mtdnn_tf.evaluation.ensembles.imported_shards import import_shard, join_shards
from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task

TASKS = """\
tasks:
  mood: {kind: classification, text: [text], label: mood, labels: [bad, good], id: hash, files: {train: train.tsv}}
  answers: {kind: ranking, text: [question, answer], label: relevant, labels: ["0", "1"], id: key,
            files: {train: answers.tsv}}
"""
ROWS = 60


@pytest.fixture(name="folder")
def _folder(tmp_path, monkeypatch):
    """Returns a folder with data, of which texts are repeated, and small blocks."""
    for module, name in ((disk_arrays, "_ROWS_AT_ONCE"), (teacher_tables, "_ROWS_AT_ONCE")):
        monkeypatch.setattr(module, name, 7)
    monkeypatch.setattr(imported_shards, "_IDS_AT_ONCE", 5)
    (tmp_path / "tasks.yaml").write_text(TASKS)
    rows = [f"text {number % 50}\t{'good' if number % 3 else 'bad'}\n" for number in range(ROWS)]
    (tmp_path / "train.tsv").write_text("text\tmood\n" + "".join(rows))
    rows = [f"k{number}\tquestion {number // 5}\tanswer {number}\t{int(number % 5 == 0)}\n" for number in range(20)]
    (tmp_path / "answers.tsv").write_text("key\tquestion\tanswer\trelevant\n" + "".join(rows))
    return tmp_path


def _task(name: str, folder: Path) -> tuple[Task, str, DataSource]:
    (task,) = select_tasks([name], [folder / "tasks.yaml"])
    return task, "train", DataSource("files", folder)


def _tables(folder, parts):
    """Writes tables of two teachers of all examples of `mood`, and of parts of them; returns the ids."""
    task, split, source = _task("mood", folder)
    ids = [example.example_id for example in source.read(task, split)]
    order = np.random.default_rng(0).permutation(ROWS)
    for teacher in (0, 1):
        good = np.random.default_rng(teacher).random(ROWS).tolist()
        for name, rows in {"all": order, **parts}.items():
            lines = [f"{ids[row]}\t{1 - good[row]!r}\t{good[row]!r}\n" for row in rows]
            (folder / f"{name}-{teacher}.tsv").write_text("id\tbad\tgood\n" + "".join(lines))
    return ids


def _import(folder, name, **changed):
    how = {"teacher_names": ["one", "two"], "weights": [1.0, 3.0], **changed}
    return import_shard(
        name, [folder / f"{name}-{of}.tsv" for of in (0, 1)], *_task("mood", folder), folder / "st", **how
    )


def test_parts_in_any_order_are_the_soft_targets_of_one_table(folder, monkeypatch):
    parts = {"b": range(40, 60), "a": [*range(0, 40, 2)], "c": [*range(1, 40, 2)]}
    _tables(folder, parts)
    for name in parts:
        assert _import(folder, name) == folder / "st" / "mood" / name
    with pytest.raises(UserError, match="its shards are not complete"):
        read_soft_targets(folder / "st" / "mood")
    store = join_shards(*_task("mood", folder), folder / "st")
    whole = [folder / "all-0.tsv", folder / "all-1.tsv"]
    one = import_soft_targets(whole, *_task("mood", folder), folder / "one", ["one", "two"], [1.0, 3.0])
    given, expected = read_soft_targets(store), read_soft_targets(one)
    assert given.manifest["data_fingerprint"] == expected.manifest["data_fingerprint"]
    assert [shard["name"] for shard in given.manifest["shards"]] == ["a", "b", "c"]
    assert [(of["run"], of["weight"]) for of in given.manifest["teachers"]] == [("one", 1.0), ("two", 3.0)]
    assert given.variances is not None and expected.variances is not None
    places = expected.places.of(given.example_ids)
    assert sorted(places.tolist()) == list(range(ROWS))
    assert np.array_equal(given.predictions, expected.predictions[places])
    assert np.array_equal(given.variances, expected.variances[places])
    assert sorted(path.name for path in store.iterdir()) == ["a", "b", "c", "manifest.json"]
    # Blocks of other sizes have the same bits.
    monkeypatch.setattr(disk_arrays, "_ROWS_AT_ONCE", 1 << 16)
    again = import_soft_targets(whole, *_task("mood", folder), folder / "again", ["one", "two"], [1.0, 3.0])
    assert [path.read_bytes() for path in sorted(again.iterdir())] == [
        path.read_bytes() for path in sorted(one.iterdir())
    ]


def test_shards_that_are_not_all_rows_or_of_other_teachers_are_refused(folder):
    _tables(folder, {"a": range(40), "b": range(40, 60), "c": range(39, 60)})
    with pytest.raises(UserError, match="no shards there"):
        join_shards(*_task("mood", folder), folder / "st")
    _import(folder, "a")
    with pytest.raises(UserError, match="the rows of its 1 shards are not those of the data"):
        join_shards(*_task("mood", folder), folder / "st")
    shard = _import(folder, "b", weights=None)
    with pytest.raises(UserError, match=f"{shard}: shard of other teachers: must be "):
        join_shards(*_task("mood", folder), folder / "st")
    _import(folder, "b")
    join_shards(*_task("mood", folder), folder / "st")
    # A shard that is imported again makes the folder incomplete.
    _import(folder, "b")
    with pytest.raises(UserError, match="its shards are not complete"):
        read_soft_targets(shard.parent)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("../a", {}, "--shard must be letters, digits, _, . and -, such as part-3, got '../a'"),
        ("a", {"teacher_names": []}, "--shard needs --teacher_names, the same for all shards, got 0 names"),
        ("bad", {}, "bad-0.tsv:3: id 'no such' is no example of task mood, split train"),
        ("other", {}, "other-1.tsv: no row for 1 of 2 examples of task mood, split train"),
    ],
)
def test_bad_shards_are_refused(folder, name, changed, message):
    ids = _tables(folder, {"a": range(40), "other": range(2)})
    rows = [f"{ids[0]}\t0.5\t0.5\n", "no such\t0.5\t0.5\n"]
    for teacher in (0, 1):
        (folder / f"bad-{teacher}.tsv").write_text("id\tbad\tgood\n" + "".join(rows))
    (folder / "other-1.tsv").write_text("id\tbad\tgood\n" + rows[0])
    with pytest.raises(UserError) as refused:
        _import(folder, name, **changed)
    assert message in str(refused.value) and not (folder / "st").exists()


def test_a_shard_of_a_ranking_has_whole_queries(folder):
    table = folder / "part.tsv"
    table.write_text("id\tprobability\n" + "".join(f"k{number}\t0.2\n" for number in range(12)))
    given = ("part", [table], *_task("answers", folder), folder / "st", ["one"])
    with pytest.raises(UserError, match="a shard must have whole queries, 3 candidates are missing, the first: k12"):
        import_shard(*given)
    table.write_text("id\tprobability\n" + "".join(f"k{number}\t0.2\n" for number in range(10)))
    import_shard(*given)
    table.write_text("id\tprobability\n" + "".join(f"k{number}\t0.2\n" for number in range(10, 20)))
    import_shard("rest", *given[1:])
    store = join_shards(*_task("answers", folder), folder / "st")
    assert read_soft_targets(store).example_ids == [f"k{number}" for number in range(20)]
