"""Tables of answers as teachers: calibrated on labelled rows, compared with gold, averaged with soft targets."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, log_loss

from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.tasks.registry import select_tasks

LABELS = ("bad", "good")
TASKS = """\
tasks:
  mood:
    {kind: classification, text: [text], label: mood, labels: [bad, good], id: key,
     files: {train: train.tsv, validation: dev.tsv, unlabelled: more.tsv}}
  score: {kind: regression, text: [text], label: score, id: key, files: {train: scores.tsv}}
"""
ROWS = 400
GOLD = np.random.default_rng(0).integers(2, size=ROWS)
# Right in three of four rows, with nine of ten votes.
ANSWERED = np.where(np.arange(ROWS) % 4 == 0, 1 - GOLD, GOLD)
VOTES = np.where(np.eye(2, dtype=bool)[ANSWERED], 9, 1)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "tasks.yaml").write_text(TASKS)
    for name, start in (("train", "t"), ("dev", "d"), ("more", "u")):
        rows = [f"{start}{n}\ttext {n}\t{LABELS[label]}\n" for n, label in enumerate(GOLD)]
        text = "key\ttext\tmood\n" + "".join(rows)
        (tmp_path / f"{name}.tsv").write_text(
            text if start != "u" else text.replace("\tbad", "\t").replace("\tgood", "\t")
        )
    (tmp_path / "scores.tsv").write_text("key\ttext\tscore\na\tone\t1\nb\ttwo\t3\n")
    return tmp_path


def _import(folder, files, split="train", task="mood", weights=None, name="soft", **options):
    (task,) = select_tasks([task], [folder / "tasks.yaml"])
    how = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    source = DataSource("files", folder)
    files = [folder / file for file in files]
    return read_soft_targets(
        import_soft_targets(files, task, split, source, folder / name, (), weights, TableOptions.build(**how))
    )


def _write_votes(folder, name, starts):
    rows = [f"{start}{n}\t{bad}\t{good}\n" for start in starts for n, (bad, good) in enumerate(VOTES)]
    (folder / name).write_text("id\tbad\tgood\n" + "".join(rows))


def test_agreement_with_gold_is_that_of_scikit_learn(folder):
    _write_votes(folder, "votes.tsv", "t")
    targets = _import(folder, ["votes.tsv"], values=["votes"])
    probabilities = (VOTES + 1) / 12
    np.testing.assert_allclose(targets.predictions, probabilities, atol=1e-6)
    (found,) = targets.manifest["agreement"]
    assert (found["teacher"], found["split"], found["rows"]) == ("votes", "train", ROWS)
    assert found["accuracy"] == accuracy_score(GOLD, ANSWERED) == 0.75
    assert found["kappa"] == pytest.approx(cohen_kappa_score(GOLD, ANSWERED))
    assert found["nll"] == pytest.approx(log_loss(GOLD, probabilities), abs=1e-6)
    assert found["ece"] == pytest.approx(10 / 12 - 0.75, abs=1e-6)
    (teacher,) = targets.manifest["teachers"]
    assert (teacher["values"], teacher["vote_smoothing"], teacher["weight"]) == ("votes", 1.0, 1.0)


@pytest.mark.parametrize("calibration", ["temperature", "vector"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_table_is_calibrated_on_labelled_rows(folder, calibration, apart):
    _write_votes(folder, "votes.tsv", "u" if apart else "ud")
    _write_votes(folder, "dev_votes.tsv", "d")
    more = {"calibration_from": [folder / "dev_votes.tsv"]} if apart else {}
    targets = _import(
        folder,
        ["votes.tsv"],
        "unlabelled",
        values=["votes"],
        calibrate_on="validation",
        calibration=calibration,
        **more,
    )
    record = targets.manifest["teachers"][0]["calibration"]
    assert (record["method"], record["split"]) == (calibration, "validation")
    assert record["after"]["nll"] < record["before"]["nll"]
    assert [found["split"] for found in targets.manifest["agreement"]] == [
        "validation, before calibration",
        "validation, after calibration",
    ]
    if calibration == "temperature":
        # The best probability of an answer that is right in 3 of 4 rows.
        np.testing.assert_allclose(targets.predictions.max(axis=1), 0.75, atol=1e-4)
        assert record["temperature"] == pytest.approx(np.log(5) / np.log(3), abs=1e-3)
    else:
        right = np.array([GOLD[label == ANSWERED].mean() for label in (0, 1)])
        np.testing.assert_allclose(targets.predictions[:, 1], right[ANSWERED], atol=1e-3)


def test_tables_and_folders_of_soft_targets_are_averaged(folder):
    _write_votes(folder, "votes.tsv", "t")
    (folder / "labels.tsv").write_text("id\tlabel\n" + "".join(f"t{n}\t{LABELS[a]}\n" for n, a in enumerate(ANSWERED)))
    first = _import(folder, ["votes.tsv", "labels.tsv"], values=["votes", "labels"], name="first")
    both = _import(
        folder, ["labels.tsv", "first"], values=["labels", "probabilities"], weights=[1, 3], label_smoothing=0.2
    )
    hard = np.where(np.eye(2, dtype=bool)[ANSWERED], 0.8, 0.2)
    np.testing.assert_allclose(both.predictions, (hard + 3 * first.predictions) / 4, atol=1e-6)
    assert both.teachers == 3
    assert [found["teacher"] for found in both.manifest["agreement"]] == ["labels", "first", "average"]
    within = 3 * first.variances / 4
    between = ((hard - both.predictions) ** 2 + 3 * (first.predictions - both.predictions) ** 2).mean(axis=1) / 4
    np.testing.assert_allclose(both.variances, within + between, atol=1e-6)


def test_sampled_scores_keep_their_variance(folder):
    (folder / "t.tsv").write_text("id\tscore\na\t1\na\t2\nb\t3\nb\t3\n")
    targets = _import(folder, ["t.tsv"], task="score", values=["votes"])
    np.testing.assert_allclose(targets.predictions, [[1.5], [3.0]])
    np.testing.assert_allclose(targets.variances, [0.25, 0.0])
    assert targets.teachers == 2


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (["votes.tsv"], {"values": ["votes", "votes"]}, "`values` must be one value, or one per teacher, got 2"),
        (["votes.tsv"], {"calibration_from": [Path("x.tsv")]}, "`calibration_from` needs `calibrate_on`"),
        (["votes.tsv"], {"calibration_from": [Path("a")] * 2, "calibrate_on": "validation"}, "imported table, got 2"),
        (["votes.tsv"], {"calibrate_on": "unlabelled"}, "must have 10 labelled rows or more .* got 0"),
        (["votes.tsv"], {"calibrate_on": "dev"}, "split of task mood 'dev'"),
        (["votes.tsv"], {"calibrate_on": "validation"}, "no row for 400 of 800 examples .* split train or validation"),
        (["none.tsv"], {}, "none.tsv: cannot be read"),
        (["folder"], {}, "folder: no soft targets of task mood, split train there"),
    ],
)  # fmt: skip
def test_what_is_not_accepted_is_refused(folder, files, options, message):
    _write_votes(folder, "votes.tsv", "t")
    (folder / "folder").mkdir()
    with pytest.raises(UserError, match=message):
        _import(folder, files, **{"values": ["votes"], **options})
    assert not (folder / "soft").exists()


def test_splits_of_the_same_ids_need_two_tables(folder):
    _write_votes(folder, "votes.tsv", "t")
    (folder / "dev.tsv").write_text((folder / "train.tsv").read_text())
    with pytest.raises(UserError, match="`calibrate_on=validation` needs `calibration_from`: 400 ids such as 't0'"):
        _import(folder, ["votes.tsv"], values=["votes"], calibrate_on="validation")
