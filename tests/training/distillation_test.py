"""One multi-task run of every kind of task, with a teacher, without, and with unlabelled data, on one device and two.

Losses are compared with NumPy's formulas of what the trained model predicts and of what the files hold.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import VOCABULARY, write_answers, write_huggingface_folder, write_tasks

FIELDS = {
    "classification": "kind: classification, text: [premise, hypothesis], label: answer, dropout: 0.0,"
    " labels: [entails, neutral, contradicts]",
    "regression": "kind: regression, text: [first, second], label: score, dropout: 0.0",
    "ranking": "kind: ranking, text: [question, answer], label: relevant, dropout: 0.0",
}
STEMS = {"classification": "entailment", "regression": "similarity", "ranking": "answers"}
LABELS = ["entails", "neutral", "contradicts"]
WEIGHT, TEMPERATURE = 0.3, 2.0
# Of the training rows of these tasks; the file of the unlabelled ones has no such column.
ROW_WEIGHTS = np.random.default_rng(5).choice([0.0, 0.25, 1.0, 3.0], size=40)
WEIGHTED = ("classification_teacher", "regression_unlabelled", "regression_gold")
# A process can split its CPU only before it has used it. With almost no learning rate all steps see the same weights.
TRAINING = """
import dataclasses, json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from mtdnn_tf.training.strategies import split_cpu

folder = Path(sys.argv[1])
split_cpu(2)
config = TrainingConfig.build(
    output_dir=folder / "off", data_dir=folder, cache_dir=folder / "cache", task_file=(folder / "tasks.yaml",),
    max_sequence_length=32, backbone=str(folder / "bert"), dropout=0.0, epochs=1, batch_size=8, learning_rate=1e-30,
    evaluation="never", soft_targets=(folder / "soft",), transfer_splits=("unlabelled",), distill_weight=0.3,
    temperature=2.0, distill_variance_weighting=True,
)
runs = [
    config,
    config.replace(output_dir=folder / "mirrored", strategy="mirrored"),
    config.replace(output_dir=folder / "learns", strategy="mirrored", learning_rate=0.01, epochs=4),
]
results = {"predictions": {}}
for run in runs:
    if run.output_dir.name not in sys.argv[2:]:
        continue
    train(run)
    epochs = results[run.output_dir.name] = []
    for path in sorted((run.output_dir / "logs").rglob("events.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                while len(epochs) < event.step:
                    epochs.append({})
                epochs[event.step - 1][value.tag] = float(tf.make_ndarray(value.tensor))
for task in config.data.selected_tasks():
    if "off" not in sys.argv[2:]:
        break
    splits = [split for split in task.files if split in ("train", "unlabelled")]
    for split in splits:
        data = config.data
        predicted = predict_with_runs([config.output_dir], [task], [split], data.task_data())
        (result,) = predicted.values()
        results["predictions"][task.name + "/" + split] = result.predictions.astype(float).tolist()
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns a folder with an encoder, tasks of every kind, and soft targets of those that have teachers."""
    folder = tmp_path_factory.mktemp("distillation")
    write_huggingface_folder(folder / "bert")
    write_tasks(folder)
    for seed, split in enumerate(("train", "test")):
        write_answers(folder / f"answers_{split}.tsv", [2] * 20, seed)
    for stem in ("entailment", "similarity"):
        rows = (folder / f"{stem}_train.tsv").read_text().splitlines()
        rows = [f"{row}\t{weight}\n" for row, weight in zip(rows, ["importance", *ROW_WEIGHTS])]
        (folder / f"{stem}_train.tsv").write_text("".join(rows))
    lines = ["tasks:"]
    for kind, fields in FIELDS.items():
        train_file, other = (f"{STEMS[kind]}_{split}.tsv" for split in ("train", "test"))
        for data, files in {
            "gold": f"train: {train_file}",
            "teacher": f"train: {train_file}",
            "unlabelled": f"train: {train_file}, unlabelled: {other}",
            # Gold labels and unlabelled data that no teacher has scored.
            "skipped": f"train: {train_file}, unlabelled: {other}",
        }.items():
            weight = "weight: importance, " if f"{kind}_{data}" in WEIGHTED else ""
            lines.append(f"  {kind}_{data}: {{{fields}, {weight}files: {{{files}}}}}")
    (folder / "tasks.yaml").write_text("\n".join(lines) + "\n")
    generator = np.random.default_rng(0)
    stores = {}
    for task in select_tasks([], [folder / "tasks.yaml"]):
        for data, split in (("teacher", "train"), ("unlabelled", "unlabelled")):
            if task.name.endswith(data):
                tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
                encoded = EncodedData(DataSource("files", folder), tokenizer, 32, folder / "cache").split(task, split)
                values = generator.normal(size=(40, task.num_outputs)).astype(np.float32)
                if task.kind == "classification":
                    values = softmax(values, axis=-1)
                elif task.kind == "regression":
                    values += 2
                else:
                    lists = _candidates(folder / task.files[split].path)
                    values[lists, 0] = softmax(values[lists, 0], axis=-1)
                variances = generator.gamma(1.0, size=40).astype(np.float32)
                stores[f"{task.name}/{split}"] = values, variances
                path = soft_target_folder(folder / "soft", task, split)
                write_soft_targets(path, task, encoded, values, [{"run": "1"}, {"run": "2"}], variances)
    return folder, stores


def _rows(path: Path, column: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[column] for row in csv.DictReader(file, delimiter="\t")]


def _candidates(path: Path) -> list[list[int]]:
    """Returns the two rows of each question."""
    rows: dict[str, list[int]] = {}
    for row, question in enumerate(_rows(path, "question")):
        rows.setdefault(question, []).append(row)
    return list(rows.values())


def _gold_loss(folder: Path, kind: str, predictions: np.ndarray) -> np.ndarray:
    if kind == "classification":
        gold = [LABELS.index(answer) for answer in _rows(folder / "entailment_train.tsv", "answer")]
        return -np.log(predictions[np.arange(40), gold])
    if kind == "ranking":
        lists = _candidates(folder / "answers_train.tsv")
        relevant = np.array([label == "1" for label in _rows(folder / "answers_train.tsv", "relevant")])
        return -(np.log(predictions[lists, 0]) * relevant[lists]).sum(axis=-1)
    scores = np.array([float(score) for score in _rows(folder / "similarity_train.tsv", "score")])
    return (predictions[:, 0] - scores) ** 2


def _distilled_loss(
    folder: Path, kind: str, split: str, predictions: np.ndarray, teacher: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    if kind == "ranking":
        lists = _candidates(folder / f"answers_{split}.tsv")
        predictions, teacher = predictions[lists, 0], teacher[lists, 0]
    if kind != "regression":
        soft = softmax(np.log(teacher) / TEMPERATURE, axis=-1)
        return -(soft * log_softmax(np.log(predictions) / TEMPERATURE, axis=-1)).sum(-1) * TEMPERATURE**2
    return (predictions[:, 0] - teacher[:, 0]) ** 2 / (1 + variances / variances.mean())


def _results(folder: Path, *runs: str):
    result = subprocess.run(
        [sys.executable, "-c", TRAINING, folder, *runs],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_every_loss_of_one_run_is_its_formula_on_one_device_and_two(folder):
    folder, stores = folder
    results = _results(folder, "off", "mirrored")
    predictions = {name: np.array(values) for name, values in results["predictions"].items()}
    for kind in FIELDS:
        zeros = np.zeros(20 if kind == "ranking" else 40)
        gold = _gold_loss(folder, kind, predictions[f"{kind}_gold/train"])
        name = f"{kind}_teacher/train"
        taught = _distilled_loss(folder, kind, "train", predictions[name], *stores[name])
        gold_of_taught = _gold_loss(folder, kind, predictions[f"{kind}_teacher/train"])
        unlabelled = f"{kind}_unlabelled/unlabelled"
        # Half of the 80 rows have gold labels and no teacher, half a teacher and, though their file has some, no gold.
        halves = (
            _gold_loss(folder, kind, predictions[f"{kind}_unlabelled/train"]),
            _distilled_loss(folder, kind, "test", predictions[unlabelled], *stores[unlabelled]),
        )
        skipped = _gold_loss(folder, kind, predictions[f"{kind}_skipped/train"])
        expected = {
            "gold": (gold, gold, zeros),
            "teacher": ((1 - WEIGHT) * gold_of_taught + WEIGHT * taught, gold_of_taught, taught),
            "unlabelled": (np.concatenate(halves), [*halves[0], *zeros], [*zeros, *halves[1]]),
            "skipped": (skipped, skipped, zeros),
        }
        for data, losses in expected.items():
            for name, values in zip(("loss", "gold_loss", "distilled_loss"), losses):
                if f"{kind}_{data}" in WEIGHTED:
                    values = np.array(values) * np.concatenate([ROW_WEIGHTS, np.ones(len(values) - 40)])
                for run in ("off", "mirrored"):
                    logged = results[run][0][f"{kind}_{data}/{name}"]
                    np.testing.assert_allclose(
                        logged, np.mean(values), rtol=2e-5, err_msg=f"{run} {kind} {data} {name}"
                    )


@pytest.mark.slow
def test_every_loss_falls_when_it_trains_on_two_devices(folder):
    epochs = _results(folder[0], "learns")["learns"]
    names = [name for name in epochs[0] if name.endswith("/loss")]
    assert len(names) == 12
    assert all(epochs[-1][name] < epochs[0][name] for name in names)


def _config(folder: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig.build(
        output_dir=tmp_path / "out",
        data_dir=folder,
        cache_dir=folder / "cache",
        task_file=(folder / "tasks.yaml",),
        max_sequence_length=32,
        backbone=str(folder / "bert"),
        soft_targets=(folder / "soft",),
        transfer_splits=("unlabelled",),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"soft_targets": ()}, "`transfer_splits` needs `soft_targets`, got none"),
        ({"soft_targets": (), "transfer_splits": (), "distill_variance_weighting": True}, "needs `soft_targets`"),
        (
            {"transfer_splits": (), "tasks": ("classification_unlabelled",)},
            "only of split unlabelled, which is not trained on; `transfer_splits=unlabelled` trains on it",
        ),
        ({"transfer_splits": ("unlabeled",)}, "split of `transfer_splits` 'unlabeled'; did you mean 'unlabelled'"),
        (
            {"tasks": ("classification_teacher", "classification_skipped"), "distill_variance_weighting": True},
            "needs soft targets of a regression, got classification_teacher",
        ),
    ],
)
def test_settings_without_an_effect_are_refused(folder, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        train(_config(folder[0], tmp_path).replace(**changes))
    assert not (tmp_path / "out").exists()
