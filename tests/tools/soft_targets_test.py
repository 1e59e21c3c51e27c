import csv
import json

from tests.tools.conftest import Trained


def test_another_frameworks_predictions_teach_on_labelled_and_unlabelled_data(binaries, trained: Trained, tmp_path):
    """What `predict` wrote of a run stands for any teacher's table."""
    (tmp_path / "tasks").mkdir()
    for path in (trained.folder / "tasks").iterdir():
        (tmp_path / "tasks" / path.name).write_bytes(path.read_bytes())
    task_file = tmp_path / "tasks" / "tasks.yaml"
    text = task_file.read_text().replace("test: mood_test.tsv", "unlabelled: mood_unlabelled.tsv")
    task_file.write_text(text)
    lines = (tmp_path / "tasks" / "mood_test.tsv").read_text().splitlines()
    # A file without the label's column.
    unlabelled = [line.split("\t")[0] + "\n" for line in lines]
    (tmp_path / "tasks" / "mood_unlabelled.tsv").write_text("".join(unlabelled))
    flags = (f"--task_file={task_file}", f"--cache_dir={tmp_path / 'cache'}", "--tasks=mood")
    for split in ("train", "unlabelled"):
        for number, run in enumerate(trained.runs):
            predicted = tmp_path / f"predicted{number}.tsv"
            predict = (*flags, f"--run={run}", f"--split={split}", f"--output={predicted}")
            result = binaries.run("predict", *predict)
            assert result.status == 0, result.stderr
            with predicted.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            table = [
                {"id": row["id"], **{name: row[f"probability_{name}"] for name in ("good", "bad")}} for row in rows
            ]
            path = tmp_path / f"{split}{number}.jsonl"
            path.write_text("".join(json.dumps({**row, "good": float(row["good"])}) + "\n" for row in table))
        teachers = [f"--import_from={tmp_path / f'{split}{number}.jsonl'}" for number in range(2)]
        imported = (
            *flags,
            *teachers,
            f"--split={split}",
            "--teacher_names=one,two",
            f"--output_dir={tmp_path / 'soft'}",
        )
        result = binaries.run("soft_targets", *imported)
        assert result.status == 0, result.stderr
    assert {path.name for path in (tmp_path / "soft").iterdir()} == {"mood", "mood-unlabelled"}

    student = (
        *(f"--task_file={task_file}", f"--cache_dir={tmp_path / 'cache'}", f"--output_dir={tmp_path / 'student'}"),
        *(f"--backbone={trained.folder / 'bert'}", f"--soft_targets={tmp_path / 'soft'}"),
        *("--transfer_splits=unlabelled", "--distill_schedule=linear"),
        *("--max_sequence_length=32", "--epochs=1", "--batch_size=8", "--evaluation=never", "--sampler=annealed"),
    )
    result = binaries.run("train", *student)
    assert result.status == 0, result.stderr
    assert "mood unlabelled: 40 row(s) are learned from soft targets only" in result.stderr
    assert "3 tasks (1 with soft targets), 160 examples, 20 steps an epoch" in result.stderr
    written = (tmp_path / "student" / "config.flags").read_text().splitlines()
    assert {"--transfer_splits=unlabelled", "--distill_schedule=linear", "--sampler=annealed"} <= set(written)
    identity = json.loads((tmp_path / "student" / "config.json").read_text())
    assert identity["soft_targets"].keys() == {"mood", "mood/unlabelled"}
    assert identity["distill_weight"] == 1.0

    exported = tmp_path / "exported.tsv"
    export = (*flags, f"--soft_targets={tmp_path / 'soft'}", "--split=unlabelled", f"--export_to={exported}")
    result = binaries.run("soft_targets", *export)
    assert result.status == 0, result.stderr
    with exported.open(encoding="utf-8", newline="") as file:
        good = {row["id"]: float(row["good"]) for row in csv.DictReader(file, delimiter="\t")}
    tables = [
        [json.loads(line) for line in (tmp_path / f"unlabelled{n}.jsonl").read_text().splitlines()] for n in (0, 1)
    ]
    assert len(good) == 40
    for first, second in zip(*tables):
        assert abs(good[first["id"]] - (first["good"] + second["good"]) / 2) < 1e-6
