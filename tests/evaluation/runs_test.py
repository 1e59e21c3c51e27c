import dataclasses

import numpy as np
import pytest

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.subset import Part
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.registry import get_task, select_tasks
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_huggingface_folder, write_tasks


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Returns two runs of different encoders and vocabularies, their tasks and their source."""
    folder = tmp_path_factory.mktemp("runs")
    tasks = select_tasks([], [write_tasks(folder / "tasks")])
    write_huggingface_folder(folder / "bert")
    written = []
    for number, name in enumerate(("tiny", str(folder / "bert"))):
        pretrained = find_backbone(name)
        model = build_multi_task_model(pretrained, tasks, seed=number)
        tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
        written.append(folder / f"run{number}")
        save_model(model, tasks, pretrained.config, tokenizer, 60, written[-1] / "model")
    return written, tasks, DataSource("files", folder / "tasks"), folder / "cache"


def test_an_ensemble_of_different_vocabularies_is_averaged_row_by_row(runs):
    folders, tasks, source, cache = runs
    alone = [predict_with_runs([folder], tasks, ["test"], TaskData(source, cache))[0] for folder in folders]
    together, models = predict_with_runs(folders, [], ["test"], TaskData(source, cache), weights=[3.0, 1.0])
    assert len({model.fingerprint for model in models}) == 2
    for name in ("mood/test", "entailment/test", "similarity/test"):
        expected = 0.75 * alone[0][name].predictions + 0.25 * alone[1][name].predictions
        np.testing.assert_allclose(together[name].predictions, expected, atol=1e-6)
        assert not np.allclose(alone[0][name].predictions, alone[1][name].predictions)


def test_scores_are_the_averaged_predictions_with_their_teachers(runs, tmp_path):
    folders, tasks, source, cache = runs
    assert score(Scoring(folders, tasks[:2], "train", TaskData(source, cache), tmp_path)) == ["mood", "entailment"]
    predictions, models = predict_with_runs(folders, tasks[:1], ["train"], TaskData(source, cache))
    np.testing.assert_array_equal(np.load(tmp_path / "mood" / "predictions.npy"), predictions["mood/train"].predictions)
    manifest = (tmp_path / "mood" / "manifest.json").read_text()
    assert all(model.fingerprint in manifest for model in models)
    with pytest.raises(UserError, match="--teachers takes one or more runs"):
        score(Scoring([], tasks, "train", TaskData(source, cache), tmp_path))


def test_a_part_of_the_training_split_is_scored_as_a_student_takes_it(runs, tmp_path):
    folders, tasks, source, cache = runs
    part = Part(max_examples=15, seed=3)
    score(Scoring(folders, tasks[:1], "train", TaskData(source, cache), tmp_path / "part", train_part=part))
    score(Scoring(folders, tasks[:1], "train", TaskData(source, cache), tmp_path / "whole"))
    scored, whole = (read_soft_targets(tmp_path / name / "mood") for name in ("part", "whole"))
    assert len(whole.example_ids) == 40
    taken = TrainingConfig.build(output_dir=tmp_path, max_train_examples=15, subset_seed=3).part.rows(40)
    assert list(scored.example_ids) == [whole.example_ids[row] for row in taken]
    assert scored.manifest["data_fingerprint"] == whole.manifest["data_fingerprint"]
    # Other batches are padded to other lengths.
    np.testing.assert_allclose(scored.predictions, whole.predictions[taken], atol=1e-6)


def test_logits_are_averaged_where_that_is_asked_for(runs, tmp_path):
    folders, tasks, source, cache = runs
    alone = [predict_with_runs([folder], tasks, ["train"], TaskData(source, cache))[0] for folder in folders]
    score(Scoring(folders, tasks, "train", TaskData(source, cache), tmp_path, [3.0, 1.0], average="logits"))
    for name in ("mood", "entailment"):
        stored = read_soft_targets(tmp_path / name)
        products = np.prod([run[f"{name}/train"].predictions ** p for run, p in zip(alone, (0.75, 0.25))], axis=0)
        np.testing.assert_allclose(stored.predictions, products / products.sum(axis=1, keepdims=True), atol=1e-5)
        assert stored.manifest["average"] == "logits"
    scores = [run["similarity/train"].predictions for run in alone]
    stored = read_soft_targets(tmp_path / "similarity")
    np.testing.assert_allclose(stored.predictions, 0.75 * scores[0] + 0.25 * scores[1], atol=1e-6)
    together, _ = predict_with_runs(
        folders, tasks, ["train"], TaskData(source, cache), weights=[3.0, 1.0], average="logits"
    )
    np.testing.assert_array_equal(together["similarity/train"].predictions, stored.predictions)
    with pytest.raises(UserError, match="unknown --average 'logit'; did you mean 'logits'"):
        predict_with_runs(folders, tasks, ["train"], TaskData(source, cache), average="logit")


def test_fitted_weights_are_those_of_each_task_in_its_manifest(runs, tmp_path):
    folders, tasks, source, cache = runs
    score(Scoring(folders, tasks, "train", TaskData(source, cache), tmp_path, fit_weights_on=["dev", "validation"]))
    alone = [predict_with_runs([folder], tasks, ["train"], TaskData(source, cache))[0] for folder in folders]
    fitted = []
    for name in ("mood", "entailment", "similarity"):
        stored = read_soft_targets(tmp_path / name)
        weights = [teacher["weight"] for teacher in stored.manifest["teachers"]]
        mean = np.average([run[f"{name}/train"].predictions for run in alone], axis=0, weights=weights)
        np.testing.assert_allclose(stored.predictions, mean, atol=1e-5)
        details = stored.manifest["fitted_weights"]
        assert details["split"] == "validation" and details["rows_fitted_on"] + details["rows_held_apart"] == 40
        fitted.append(tuple(weights))
    assert len(set(fitted)) == 3


def test_a_run_that_does_not_answer_the_task_is_refused(runs):
    folders, tasks, source, cache = runs
    with pytest.raises(UserError, match=r"unknown task of run .*run0 'rte'"):
        predict_with_runs(folders, [get_task("rte")], ["test"], TaskData(source, cache))
    turned = dataclasses.replace(tasks[0], labels=("good", "bad"))
    with pytest.raises(UserError, match=r"trained as classification with labels .'bad', 'good'., declared now"):
        predict_with_runs(folders, [turned], ["test"], TaskData(source, cache))
