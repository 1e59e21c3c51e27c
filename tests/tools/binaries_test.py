import csv
import json

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401
from sklearn.metrics import accuracy_score, f1_score

from tests.tools.conftest import Trained


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _metrics(run):
    written = json.loads((run / "metrics" / "validation.json").read_text())
    return {name: values for name, values in written.items() if name != "_sha256"}


def test_train_prints_a_line_an_event_and_nothing_else(binaries, trained: Trained):
    run = trained.folder / "again"
    flags = (f"--flagfile={trained.runs[0] / 'config.flags'}", f"--output_dir={run}")
    result = binaries.run("train", *flags)
    assert (result.status, result.stdout) == (0, "")
    lines = result.stderr.splitlines()
    assert all(line[2] == line[5] == ":" for line in lines), result.stderr
    assert any("epoch 1 of 1: 15 steps" in line for line in lines)
    assert (run / "model" / "weights.safetensors").read_bytes() == (
        trained.runs[0] / "model" / "weights.safetensors"
    ).read_bytes()


def test_predict_and_evaluate_agree_with_scikit_learn(binaries, trained: Trained, tmp_path):
    run = f"--run={trained.runs[0]}"
    output = tmp_path / "mood.tsv"
    result = binaries.run("predict", *trained.flags, run, "--tasks=mood", "--split=validation", f"--output={output}")
    assert result.status == 0, result.stderr
    predicted, gold = _rows(output), _rows(trained.folder / "tasks" / "mood_validation.tsv")
    assert len(predicted) == len(gold) == 40
    for row in predicted:
        probabilities = {label: float(row[f"probability_{label}"]) for label in ("bad", "good")}
        assert row["label"] == max(probabilities, key=lambda label: probabilities[label])
        assert abs(sum(probabilities.values()) - 1) < 1e-4

    result = binaries.run("evaluate", *trained.flags, run, f"--output={tmp_path / 'metrics.json'}")
    assert result.status == 0, result.stderr
    assert "mood" in result.stdout
    written = json.loads((tmp_path / "metrics.json").read_text())
    metrics = written["mood"]
    labels = [row["label"] for row in predicted], [row["mood"] for row in gold]
    assert metrics["accuracy"] == accuracy_score(labels[1], labels[0])
    np.testing.assert_allclose(metrics["f1"], f1_score(labels[1], labels[0], pos_label="good"))
    of_tasks = _metrics(trained.runs[0])
    assert {name: values for name, values in written.items() if name != "_average"} == of_tasks
    average = np.mean([np.mean(list(values.values())) for values in of_tasks.values()])
    np.testing.assert_allclose(written["_average"].pop("average of 3 tasks"), average)
    assert written["_average"] == {}
    header, line = result.stdout.splitlines()
    assert header.endswith("  average of 3 tasks")
    assert line.split()[-1] == f"{100 * average:.1f}"


def test_predict_reads_texts_of_the_users_own(binaries, trained: Trained, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"sentence": "the cat sees the dog"}\n{"sentence": ""}\n')
    flags = (*trained.flags, f"--run={trained.runs[0]}", "--tasks=mood", f"--input={tmp_path / 'texts.jsonl'}")
    result = binaries.run("predict", *flags, f"--output={tmp_path / 'out.jsonl'}")
    assert result.status == 0, result.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["0", "1"]
    assert rows[0]["probabilities"].keys() == {"bad", "good"}


def test_scores_are_the_mean_of_what_the_teachers_predict(binaries, trained: Trained, tmp_path):
    probabilities = []
    for run in trained.runs:
        flags = (*trained.flags, "--tasks=mood", "--split=train", f"--output={tmp_path / run.name}.tsv")
        assert binaries.run("predict", *flags, f"--run={run}").status == 0
        probabilities.append([float(row["probability_good"]) for row in _rows(tmp_path / f"{run.name}.tsv")])
    teachers = ",".join(map(str, trained.runs))
    result = binaries.run("score", *trained.flags, f"--teachers={teachers}", f"--output_dir={tmp_path / 'soft'}")
    assert result.status == 0, result.stderr
    stored = np.load(tmp_path / "soft" / "mood" / "predictions.npy")
    np.testing.assert_allclose(stored[:, 1], np.mean(probabilities, axis=0), atol=2e-6)


def test_an_ensemble_is_judged_without_each_run_and_by_what_they_disagree_on(binaries, trained: Trained, tmp_path):
    labels, alone = [], []
    for run in trained.runs:
        output = tmp_path / f"{run.name}.tsv"
        flags = (*trained.flags, f"--run={run}", "--tasks=mood", "--split=validation", f"--output={output}")
        assert binaries.run("predict", *flags).status == 0
        labels.append([row["label"] for row in _rows(output)])
        alone.append(_metrics(run))
    flags = (*trained.flags, f"--runs={','.join(map(str, trained.runs))}", f"--output={tmp_path / 'metrics.json'}")
    result = binaries.run("evaluate", *flags, "--leave_one_out", "--disagreement", "--average=logits")
    assert result.status == 0, result.stderr
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["_leave_one_out"] == {"without one": alone[1], "without two": alone[0]}
    (pair,) = found["_disagreement"]["mood"]["pairs"]
    share = np.mean([one != two for one, two in zip(*labels)])
    assert pair == {"runs": ["one", "two"], "value": share}
    lines = result.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["ensemble of 2", "without one", "without two"]
    assert lines[-1].split()[:3] == ["one,", "two", f"{100 * share:.1f}"]


def test_export_answers_as_predict_does(binaries, trained: Trained, tmp_path):
    flags = (f"--run={trained.runs[0]}", f"--export_dir={tmp_path / 'export'}")
    assert binaries.run("export", *flags).status == 0
    assert binaries.run("export", *flags).status == 0
    written = ["1", "2", "batching.config", "models.config"]
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == written
    predict = (*trained.flags, "--tasks=mood", "--split=test", f"--output={tmp_path / 'mood.tsv'}")
    assert binaries.run("predict", *predict, f"--run={trained.runs[0]}").status == 0
    texts = [row["sentence"] for row in _rows(trained.folder / "tasks" / "mood_test.tsv")]
    answers = tf.saved_model.load(str(tmp_path / "export" / "2")).signatures["mood"](text_a=tf.constant(texts))
    predicted = _rows(tmp_path / "mood.tsv")
    assert [label.decode() for label in answers["label"].numpy()] == [row["label"] for row in predicted]
    expected = [float(row["probability_good"]) for row in predicted]
    np.testing.assert_allclose(answers["probabilities"][:, 1], expected, atol=1e-5)


def test_encode_fills_the_cache_that_train_reads(binaries, trained: Trained, tmp_path):
    flags = (trained.flags[0], f"--cache_dir={tmp_path / 'cache'}", "--max_sequence_length=32")
    result = binaries.run("encode", *flags, f"--backbone={trained.folder / 'bert'}")
    assert result.status == 0, result.stderr
    encoded = {path.parent.name: path.name for path in (tmp_path / "cache").glob("*/train-*")}
    found = {path.parent.name: path.name for path in (trained.folder / "cache").glob("*/train-*")}
    assert encoded == found
    assert len(list((tmp_path / "cache").glob("*/*"))) == 9


def test_demo_corpus_writes_a_task_file(binaries, tmp_path):
    flags = (f"--output_dir={tmp_path / 'demo'}", "--train_examples=30", "--validation_examples=9", "--test_examples=9")
    assert binaries.run("demo_corpus", *flags).status == 0
    assert len((tmp_path / "demo" / "mood_train.jsonl").read_text().splitlines()) == 30
