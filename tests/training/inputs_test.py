import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.encoding import encode_split
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import find_soft_targets, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.inputs import TrainingInputs, split_batch, task_inputs
from tests.helpers import VOCABULARY, write_tasks


@pytest.fixture
def encoded(tmp_path):
    """Returns the tasks and their encoded training splits."""
    tasks = select_tasks([], [write_tasks(tmp_path / "tasks")])
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    source = DataSource("files", tmp_path / "tasks")
    return [(task, encode_split(task, "train", source, tokenizer, 32, tmp_path / "cache")) for task in tasks]


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
    def token_ids(start, stop):
        dataset = TrainingInputs(_inputs(encoded), 16, seed=5).dataset(start, stop, tf.distribute.get_strategy())
        return [batch["token_ids"].numpy() for batch in dataset]

    whole, part = token_ids(0, 20), token_ids(13, 20)
    assert len(whole) == 20
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


@pytest.mark.parametrize("size", [1, 5, 6])
def test_parts_of_a_batch_are_equally_large_and_weigh_as_the_whole(size):
    batch = {
        "token_ids": np.arange(size * 3).reshape(size, 3),
        "task_index": np.zeros(size, np.int32),
        "example_weight": np.full(size, 1 / size, np.float32),
    }
    parts = split_batch(batch, 2)
    assert len({len(part["token_ids"]) for part in parts}) == 1
    rows = np.concatenate([part["token_ids"][part["example_weight"] > 0] for part in parts])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, batch["token_ids"]))
    assert sum(part["example_weight"].sum() for part in parts) == pytest.approx(1.0)
