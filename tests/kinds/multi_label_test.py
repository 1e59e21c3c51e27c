"""Multi-label classification: each piece against another implementation, and one run from data to a server."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, xlogy
from sklearn.metrics import accuracy_score, f1_score, log_loss

from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.distillation.ensemble import average_logits, ensemble_loss
from mtdnn_tf.distillation.exchange import write_exchange_file
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.distillation.teacher_tables import read_teacher_table
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.gold_labels import check_gold_labels
from mtdnn_tf.evaluation.measures.calibration import calibration
from mtdnn_tf.evaluation.measures.fidelity import fidelity
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.predictions import write_predictions
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import write_tasks
from tests.serving.server.server_process import ServerProcess

KIND = KINDS["multi_label"]
LABELS = ("a", "b", "c")
TASK = Task("topics", "multi_label", ("text",), LABELS, KIND.default_metrics)
RANDOM = np.random.default_rng(0)
LOGITS, TEACHER = RANDOM.normal(0, 2, (2, 7, 3)).astype(np.float32)
GOLD = RANDOM.integers(0, 2, (7, 3))
NO_QUERIES = tf.range(7)


def _bernoulli(soft, logits):
    """Returns the cross-entropy of each entry."""
    return -(xlogy(soft, expit(logits)) + xlogy(1 - soft, 1 - expit(logits)))


def test_gold_loss_is_binary_cross_entropy_and_does_not_see_the_columns_of_wider_tasks():
    gold = np.pad(GOLD.astype(np.float32), ((0, 0), (0, 2)), constant_values=9.0)
    expected = _bernoulli(GOLD, LOGITS.astype(float)).mean(axis=1)
    np.testing.assert_allclose(KIND.gold_loss(TASK, LOGITS, gold, NO_QUERIES), expected, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distilled_losses_at_a_temperature(temperature):
    soft, logits = expit(TEACHER.astype(float) / temperature), LOGITS.astype(float) / temperature
    cross_entropy = _bernoulli(soft, logits)
    entropy = -(xlogy(soft, soft) + xlogy(1 - soft, 1 - soft))
    expected = {
        "cross_entropy": cross_entropy,
        "kl": cross_entropy - entropy,
        "mse": (logits - TEACHER / temperature) ** 2,
    }
    for loss, entries in expected.items():
        found = KIND.distilled_loss(LOGITS, TEACHER, NO_QUERIES, loss, temperature)
        np.testing.assert_allclose(found, entries.mean(axis=1) * temperature**2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_scikit_learns(seed):
    random = np.random.default_rng(seed)
    gold, predictions = random.integers(0, 2, (40, 3)), random.random((40, 3)).astype(np.float32)
    if seed == 3:
        # A label that is neither gold nor predicted.
        gold[:, 1], predictions[:, 1] = 0, 0.1
    predictions[0] = 0.5
    decided = predictions >= 0.5
    expected = {
        "f1_micro": f1_score(gold, decided, average="micro", zero_division=0.0),
        "f1_macro": f1_score(gold, decided, average="macro", zero_division=0.0),
        "subset_accuracy": accuracy_score(gold, decided),
    }
    unlabelled = np.concatenate([gold, np.full((5, 3), -1)])
    padded = np.concatenate([predictions, predictions[:5]])
    assert compute_metrics(TASK, padded, unlabelled) == pytest.approx(expected)


def test_files_hold_lists_none_of_the_labels_and_rows_without_gold(tmp_path):
    (tmp_path / "a.tsv").write_text('text\tgold\none\tc; a\ntwo\t\nthree\t["b"]\nfour\t[]\n')
    (tmp_path / "b.jsonl").write_text(
        '{"text": "one", "gold": ["c", "a"]}\n{"text": "two", "gold": []}\n{"text": "three", "gold": null}\n'
        '{"text": "four"}\n{"text": "five", "gold": "b"}\n'
    )
    (tmp_path / "c.tsv").write_text("text\none\n")
    files = {name[0]: SplitFile(name, label="gold", label_required=False) for name in ("a.tsv", "b.jsonl", "c.tsv")}
    task, source = dataclasses.replace(TASK, files=files), DataSource("files", tmp_path)
    found = {split: [example.label for example in source.read(task, split)] for split in files}
    assert found == {"a": [(2, 0), (), (1,), ()], "b": [(2, 0), (), None, None, (1,)], "c": [None]}
    array = KIND.label_array(task, found["b"])
    assert array.tolist() == [[1, 0, 1], [0, 0, 0], [-1, -1, -1], [-1, -1, -1], [0, 1, 0]]
    assert KIND.labelled(array).tolist() == [True, True, False, False, True]
    assert KIND.are_labels(task, array)
    for wrong in ([[2, 0, 0]], [[-1, 0, 0]]):
        assert not KIND.are_labels(task, np.array(wrong))
    assert KIND.label_text(task, np.array([1, 0, 1])) == "['a', 'c']"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("a;d", "a.tsv:2: unknown label of task topics 'd'. Accepted: a, b, c"),
        ("a;;b", "a.tsv:2: unknown label of task topics ''"),
        ("b;a;b", "a.tsv:2: column 'gold' must name each label once, got 'b' twice"),
        ('["a"', "a.tsv:2: column 'gold' must be names with ';' between them or a JSON array of names, got"),
        ("[1]", "a.tsv:2: column 'gold' must be names"),
    ],
)
def test_other_cells_are_refused(tmp_path, cell, message):
    (tmp_path / "a.tsv").write_text(f"text\tgold\none\t{cell}\n")
    task = dataclasses.replace(TASK, files={"train": SplitFile("a.tsv", label="gold")})
    with pytest.raises(UserError) as error:
        DataSource("files", tmp_path).read(task, "train")
    assert message in str(error.value)


def test_unlabelled_rows_are_refused_where_every_row_needs_labels(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one", "gold": null}\n')
    task = dataclasses.replace(TASK, files={"train": SplitFile("a.jsonl", label="gold")})
    with pytest.raises(UserError, match=r"a.jsonl:1: column 'gold' must have a label in every row, got none"):
        DataSource("files", tmp_path).read(task, "train")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ()}, r"labels must be one or more different names, got \[\]"),
        ({"labels": ("a", "b;c")}, "a label must have no ';'.* got 'b;c'"),
        ({"labels": ("[a]",)}, "no '.' at its start"),
        ({"head": "san", "text": ("a", "b")}, "head san needs two texts and labels"),
        ({"metrics": ("accuracy",)}, "unknown metric of multi_label task topics 'accuracy'.*subset_accuracy"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(TASK, **fields)


def test_teachers_are_averaged_by_label():
    teachers = expit(RANDOM.normal(size=(2, 6, 3)))
    logits = np.log(teachers) - np.log1p(-teachers)
    np.testing.assert_allclose(KIND.to_logits(teachers), logits, rtol=1e-9)
    expected = expit(np.average(logits, axis=0, weights=[3, 1]))
    np.testing.assert_allclose(average_logits(KIND, list(teachers), [3, 1]), expected, rtol=1e-6)
    for extreme in (np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)):
        found = KIND.to_logits(extreme)
        assert found.dtype == np.float32 and np.isfinite(found).all()
        np.testing.assert_allclose(expit(found), extreme, atol=1e-7)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_weights_are_fitted_by_the_likelihood_of_each_label(average):
    teachers, gold = expit(RANDOM.normal(size=(2, 9, 3))), RANDOM.integers(0, 2, (9, 3))
    gold[4] = -1
    rows = np.arange(9) != 4
    mean = np.average(teachers, axis=0, weights=[0.3, 0.7])
    if average == "logits":
        mean = average_logits(KIND, list(teachers), [0.3, 0.7])
    labelled = KIND.labelled_predictions(list(teachers), gold)
    assert labelled.size == 24
    found = ensemble_loss(labelled, np.array([0.3, 0.7]), average)[0]
    assert found == pytest.approx(log_loss(gold[rows].ravel(), mean[rows].ravel()), rel=1e-6)


def test_calibration_and_fidelity_are_those_of_each_labels_yes_or_no():
    student, teacher = expit(RANDOM.normal(size=(2, 50, 3)))
    gold = RANDOM.integers(0, 2, (50, 3))
    found = calibration(TASK, student, gold)
    assert found is not None
    assert found.nll == pytest.approx(log_loss(gold.ravel(), student.ravel()))
    assert found.brier == pytest.approx(2 * np.mean((student - gold) ** 2))
    assert found.n == 150
    compared = fidelity(TASK, student, teacher)
    assert compared.agreement == pytest.approx(np.mean(np.all((student >= 0.5) == (teacher >= 0.5), axis=1)))
    kl = xlogy(teacher, teacher / student) + xlogy(1 - teacher, (1 - teacher) / (1 - student))
    assert compared.divergence == pytest.approx(kl.mean())
    assert KIND.differences(student, teacher, None).mean() == pytest.approx(1 - (compared.agreement or 0))


@pytest.mark.parametrize("values", ["probabilities", "logits"])
def test_soft_targets_are_exchanged_without_a_sum(tmp_path, values):
    probabilities = expit(RANDOM.normal(size=(2, 3))).astype(np.float32)
    write_exchange_file(tmp_path / "t.tsv", TASK, ["x", "y"], probabilities, values)
    read = read_teacher_table(tmp_path / "t.tsv", TASK, "train", ["x", "y"], values).predictions
    np.testing.assert_allclose(read, probabilities, rtol=1e-6)
    (tmp_path / "t.tsv").write_text("id\ta\tb\tc\nx\t1.5\t0\t0\ny\t0\t0\t0\n")
    with pytest.raises(UserError, match=r"t.tsv:2: probabilities must be from 0 to 1, got 1.5, 0, 0"):
        read_teacher_table(tmp_path / "t.tsv", TASK, "train", ["x", "y"])


YAML = """\
tasks:
  topics:
    kind: multi_label
    text: [text]
    label: topics
    labels: [cats, dogs, mats]
    id: number
    files: {train: train.tsv, validation: validation.jsonl, more: more.tsv}
"""
WORDS = {"cats": "the cat sat", "dogs": "a dog ran", "mats": "on the mat"}


def _rows(count, seed):
    random = np.random.default_rng(seed)
    for number in range(count):
        names = [name for name in WORDS if random.random() < 0.5]
        yield f"r{number}", " ".join(WORDS[name] for name in names) or "very good", names


@pytest.fixture(scope="module", name="runs")
def _runs(tmp_path_factory):
    """Returns the configuration and metrics of a student that learned from two teachers, beside another task."""
    folder = tmp_path_factory.mktemp("topics")
    lines = [f"{number}\t{text}\t{';'.join(names)}\n" for number, text, names in _rows(48, 0)]
    (folder / "train.tsv").write_text("number\ttext\ttopics\n" + "".join(lines))
    objects = [{"number": number, "text": text, "topics": names} for number, text, names in _rows(24, 1)]
    (folder / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in objects))
    lines = [f"{number}\t{text}\n" for number, text, _ in _rows(8, 2)]
    (folder / "more.tsv").write_text("number\ttext\n" + "".join(lines))
    (folder / "topics.yaml").write_text(YAML)
    config = TrainingConfig.build(
        output_dir=folder / "teacher1",
        data_dir=folder,
        cache_dir=folder / "cache",
        tasks=("topics", "mood"),
        task_file=(folder / "topics.yaml", write_tasks(folder / "tasks")),
        max_sequence_length=16,
        backbone="tiny",
        epochs=20,
        batch_size=8,
        learning_rate=2e-2,
        pooling="mean",
        evaluation="end",
    )
    train(config)
    train(config.replace(output_dir=folder / "teacher2", seed=5, evaluation="never"))
    teachers = [folder / "teacher1", folder / "teacher2"]
    selected = config.data.selected_tasks()[:1]
    for split in ("train", "more"):
        score(Scoring(teachers, selected, split, config.data.task_data(), folder / "soft"))
    student = config.replace(
        output_dir=folder / "student",
        soft_targets=(folder / "soft",),
        transfer_splits=("more",),
    )
    return student, train(student)


def test_soft_targets_on_disk_are_the_mean_of_the_teachers_probabilities(runs):
    config, _ = runs
    folder = config.output_dir.parent
    targets = read_soft_targets(folder / "soft" / "topics-more")
    tasks = config.data.selected_tasks()[:1]
    alone = [
        predict_with_runs([folder / name], tasks, ["more"], config.data.task_data())["topics/more"]
        for name in ("teacher1", "teacher2")
    ]
    expected = (alone[0].predictions.astype(float) + alone[1].predictions) / 2
    np.testing.assert_allclose(targets.predictions, expected, rtol=1e-5)
    assert np.abs(targets.predictions.sum(axis=1) - 1).max() > 0.05


def test_a_student_learns_and_its_files_and_metrics_agree(runs, tmp_path):
    config, metrics = runs
    tasks = config.data.selected_tasks()[:1]
    predicted = predict_with_runs([config.output_dir], tasks, [], config.data.task_data())
    write_predictions(tmp_path / "p.tsv", predicted["topics"].rows())
    write_predictions(tmp_path / "p.jsonl", predicted["topics"].rows())
    objects = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    with (tmp_path / "p.tsv").open(newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    gold = [json.loads(line) for line in (config.data.data_dir / "validation.jsonl").read_text().splitlines()]
    assert [row["id"] for row in objects] == [row["number"] for row in gold]
    assert [row["labels"].split(";") if row["labels"] else [] for row in table] == [row["labels"] for row in objects]
    assert list(table[0]) == ["id", "labels", "probability_cats", "probability_dogs", "probability_mats"]
    sides = [
        np.array([[name in names for name in WORDS] for names in given])
        for given in ([row["topics"] for row in gold], [row["labels"] for row in objects])
    ]
    assert metrics["topics"] == pytest.approx(
        {
            "f1_micro": f1_score(*sides, average="micro"),
            "f1_macro": f1_score(*sides, average="macro"),
            "subset_accuracy": accuracy_score(*sides),
        }
    )
    assert metrics["topics"]["f1_micro"] > 0.75
    check_gold_labels(predicted["topics"].encoded)


def test_an_export_is_served(runs, tmp_path):
    config, _ = runs
    export_model(load_model(config.output_dir), tmp_path / "student" / "1", batch_sizes=(1,))
    predicted = predict_with_runs(
        [config.output_dir], config.data.selected_tasks()[:1], ["more"], config.data.task_data()
    )
    values = predicted["topics/more"].predictions
    texts = [text for _, text, _ in _rows(8, 2)]
    server = ServerProcess(tmp_path, {"student": tmp_path / "student"})
    try:
        body = {"signature_name": "topics", "inputs": {"text_a": texts}}
        answer = server.ask("/v1/models/student:predict", body).body["outputs"]
        np.testing.assert_allclose(answer["probabilities"], values, atol=1e-5)
        names = [";".join(np.array(list(WORDS))[row >= 0.5]) for row in values]
        assert answer["label"] == names and answer["label_names"] == [list(WORDS)] * 8
        examples = {"signature_name": "topics_classify", "examples": [{"text_a": texts[0]}]}
        (classes,) = server.ask("/v1/models/student:classify", examples).body["results"]
        assert [name for name, _ in classes] == list(WORDS)
        np.testing.assert_allclose([share for _, share in classes], values[0], atol=1e-5)
    finally:
        server.process.kill()


def test_a_task_file_of_the_kind_has_its_defaults(runs):
    config, _ = runs
    (task,) = select_tasks([], [config.data.data_dir / "topics.yaml"])
    assert (task.metrics, task.num_outputs, task.head) == (KIND.default_metrics, 3, "auto")
