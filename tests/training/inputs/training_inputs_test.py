import dataclasses
import time

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import find_soft_targets, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.training.inputs.task_inputs import task_inputs
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs, generated_dataset
from tests.helpers import VOCABULARY, write_answers, write_tasks


@pytest.fixture
def encoded(tmp_path):
    """Returns the tasks and their encoded training splits."""
    tasks = select_tasks([], [write_tasks(tmp_path / "tasks")])
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    source = DataSource("files", tmp_path / "tasks")
    return [(task, EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, "train")) for task in tasks]


def _inputs(encoded, targets=None, limit=40):
    return [task_inputs(task, split, np.arange(limit), (targets or {}).get(task.name)) for task, split in encoded]


def test_an_epoch_has_every_row_once_with_its_own_label_and_soft_target(encoded, tmp_path):
    task, split = encoded[1]
    probabilities = softmax(np.random.default_rng(0).normal(size=(40, 3)), axis=-1).astype(np.float32)
    write_soft_targets(tmp_path / "soft" / task.name, task, split, probabilities, [])
    targets = find_soft_targets([tmp_path / "soft"], [task for task, _ in encoded])
    training = TrainingInputs(_inputs(encoded, targets), batch_size=16, seed=5)
    seen: dict[str, list[int]] = {name: [] for name in ("mood", "entailment", "similarity")}
    for step in range(training.plan.steps_per_epoch):
        batch, planned = training.batch(step), training.plan.step(step)
        name = list(seen)[batch["task_index"][0]]
        split = encoded[batch["task_index"][0]][1]
        seen[name].extend(planned.rows)
        np.testing.assert_array_equal(batch["gold"], np.asarray(split.labels)[planned.rows])
        np.testing.assert_allclose(batch["example_weight"].sum(), 1.0, rtol=1e-6)
        assert batch["has_teacher"].all() == (name == "entailment")
        if name == "entailment":
            np.testing.assert_allclose(np.exp(batch["teacher_logits"]), probabilities[planned.rows], rtol=1e-5)
    assert all(sorted(rows) == list(range(40)) for rows in seen.values())


def test_a_data_set_continues_where_it_is_told(encoded):
    inputs = TrainingInputs(_inputs(encoded), 16, seed=5)
    steps = range(20)
    dataset = inputs.dataset(lambda: steps, tf.distribute.get_strategy())
    whole = [batch["token_ids"].numpy() for batch in dataset]
    steps = range(13, 20)
    part = [batch["token_ids"].numpy() for batch in dataset]
    assert len(whole) == 20 and len(part) == 7
    for step in range(20):
        np.testing.assert_array_equal(whole[step], inputs.batch(step)["token_ids"])
    assert all((one == other).all() for one, other in zip(whole[13:], part))


def test_rows_without_gold_need_a_soft_target(encoded):
    task, split = encoded[0]
    labels = np.array(split.labels)
    labels[::2] = -1
    object.__setattr__(split, "labels", labels)
    assert list(task_inputs(task, split, np.arange(40), None).rows) == list(range(1, 40, 2))
    labels[:] = -1
    with pytest.raises(UserError, match="no row with a gold label"):
        task_inputs(task, split, np.arange(40), None)


@pytest.fixture
def answers(tmp_path):
    """Returns a ranking and its encoded training split of 6 questions."""
    write_answers(tmp_path / "answers.tsv", [1, 2, 3, 2, 9, 2], seed=0)
    task = Task(
        "answers",
        "ranking",
        ("question", "answer"),
        ("0", "1"),
        ("mrr",),
        files={"train": SplitFile("answers.tsv", label="relevant")},
        id="hash",
    )
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    return task, EncodedData(DataSource("files", tmp_path), tokenizer, 32, tmp_path / "cache").split(task, "train")


def test_a_batch_of_a_ranking_weighs_its_queries_alike(answers, encoded):
    task, split = answers
    training = TrainingInputs([*_inputs(encoded), task_inputs(task, split, np.arange(19), None)], 8, seed=5)
    seen: list[int] = []
    for step in range(training.plan.steps_per_epoch):
        batch, planned = training.batch(step), training.plan.step(step)
        if planned.task_index != 3:
            assert batch["query"].tolist() == list(range(len(planned.rows)))
            continue
        queries = np.asarray(split.queries)[planned.rows]
        assert all(
            (batch["query"] == batch["query"][row]).tolist() == (queries == queries[row]).tolist()
            for row in range(len(queries))
        )
        np.testing.assert_array_equal(batch["gold"], np.asarray(split.labels)[planned.rows])
        np.testing.assert_allclose(batch["example_weight"], 1 / len(set(queries)))
        seen.extend(planned.rows)
    assert sorted(seen) == list(range(19))


def test_the_gold_of_a_ranking_is_a_distribution_over_relevant_candidates(answers):
    task, split = answers
    labels, queries = np.array(split.labels), np.asarray(split.queries)
    large = int(np.argmax(np.bincount(queries)))
    labels[np.flatnonzero(queries == large)[:3]] = 1
    labels[queries == (large + 1) % 6] = 0
    object.__setattr__(split, "labels", labels)
    inputs = task_inputs(task, split, np.arange(19), None)
    of_large = np.asarray(split.queries)[inputs.rows] == large
    relevant = (labels[queries == large] == 1).sum()
    np.testing.assert_allclose(np.sort(inputs.gold[of_large])[-relevant:], 1 / relevant)
    assert (large + 1) % 6 not in queries[inputs.rows]
    assert len(inputs.rows) == 19 - (queries == (large + 1) % 6).sum()


def test_class_weights_are_a_second_number_beside_the_gold_label(encoded):
    (task, split), *others = encoded
    weighted = dataclasses.replace(task, class_weights=(0.5, 2.0))
    training = TrainingInputs(_inputs([(weighted, split), *others]), 16, seed=5)
    seen = 0
    for step in range(training.plan.steps_per_epoch):
        batch, planned = training.batch(step), training.plan.step(step)
        labels = np.asarray(encoded[batch["task_index"][0]][1].labels)[planned.rows]
        weights = np.where(labels == 1, 2.0, 0.5) if batch["task_index"][0] == 0 else np.zeros(len(labels))
        np.testing.assert_array_equal(batch["gold"], np.stack([labels, weights], axis=1))
        seen += len(labels)
    assert seen == 120


SPEC = {"number": tf.TensorSpec([None], tf.int32)}


def test_batches_come_in_their_order_and_anew_for_every_iteration():
    def generate():
        yield from ({"number": np.array([step], np.int32)} for step in range(5))

    dataset = generated_dataset(generate, SPEC, 2)
    for _ in range(2):
        assert [int(batch["number"][0]) for batch in dataset] == [0, 1, 2, 3, 4]
    assert dataset.element_spec == SPEC


@pytest.mark.parametrize("seconds", [0.7, 1.4])
def test_an_iterator_is_dropped_without_a_wait(seconds):
    def generate():
        while True:
            yield {"number": np.zeros(1, np.int32)}

    slowest = 0.0
    for _ in range(3):
        batches = iter(generated_dataset(generate, SPEC, 3))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            next(batches)
        began = time.monotonic()
        del batches
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.3
