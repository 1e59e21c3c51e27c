import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.training.inputs.static_batches import StaticBatches
from mtdnn_tf.training.inputs.task_inputs import task_inputs
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs
from mtdnn_tf.training.trainer import Trainer
from tests.helpers import VOCABULARY, write_answers, write_tasks

LENGTH = 24


@pytest.fixture(scope="module", name="tasks")
def _tasks(tmp_path_factory):
    """Returns what three small tasks and a ranking, one of whose queries has more candidates than a batch, train on."""
    folder = tmp_path_factory.mktemp("tasks")
    tasks = select_tasks([], [write_tasks(folder, rows=39)])
    write_answers(folder / "answers.tsv", [3, 11, 2, 4, 1], seed=4)
    files = {"train": SplitFile("answers.tsv", label="relevant")}
    tasks.append(Task("answers", "ranking", ("question", "answer"), ("0", "1"), ("mrr",), files=files, id="hash"))
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    source = DataSource("files", folder)
    splits = [EncodedData(source, tokenizer, LENGTH, folder / "cache").split(task, "train") for task in tasks]
    return [task_inputs(task, split, np.arange(len(split)), None) for task, split in zip(tasks, splits)]


def _batches(tasks, *arguments, batch_size=8, batch_tokens=None):
    inputs = TrainingInputs(tasks, batch_size, 3, batch_tokens=batch_tokens)
    return inputs, StaticBatches(inputs, None if batch_tokens else batch_size, LENGTH, *arguments)


@pytest.mark.parametrize(("replicas", "micro_batches"), [(1, 1), (1, 2), (3, 1), (2, 2)])
def test_shapes_are_few_and_the_rows_that_count_are_the_batch(tasks, replicas, micro_batches):
    inputs, batches = _batches(tasks, replicas, micro_batches)
    shapes = set()
    for step in range(2 * inputs.plan.steps_per_epoch):
        batch, parts = inputs.batch(step), batches.parts(range(step, step + 1))
        assert len(parts) == replicas
        shapes |= {part["token_ids"].shape for part in parts}
        assert len({tuple((name, values.shape) for name, values in part.items()) for part in parts}) == 1
        length = batch["token_ids"].shape[1]
        rows = []
        for part in parts:
            run = len(part["gold"][0]) // micro_batches
            for start in range(0, micro_batches * run, run):
                micro = {name: values[0, start : start + run] for name, values in part.items()}
                real = micro["example_weight"] > 0
                rows += [
                    (*micro["token_ids"][row, :length], micro["gold"][row], micro["example_weight"][row])
                    for row in np.flatnonzero(real)
                ]
                # Padding is no candidate of a query, and no query is split.
                assert not set(micro["query"][real]) & set(micro["query"][~real])
                assert not micro["padding_mask"][:, length:].any()
        expected = [
            (*tokens, gold, weight)
            for tokens, gold, weight in zip(batch["token_ids"], batch["gold"], batch["example_weight"])
        ]
        assert sorted(map(tuple, rows)) == sorted(map(tuple, expected))
    base = -(-8 // (replicas * micro_batches))
    assert {shape[2] for shape in shapes} == {16, 24}
    # The query of 11 candidates is on one replica, in one micro-batch.
    assert {shape[1] // micro_batches for shape in shapes} <= {base * 2**doubling for doubling in range(4)}
    assert len(shapes) <= 6


def test_batches_by_tokens_have_few_shapes_too(tasks):
    inputs, batches = _batches(tasks, batch_tokens=400)
    steps = range(inputs.plan.steps_per_epoch)
    shapes = {batches.parts(range(step, step + 1))[0]["token_ids"].shape for step in steps}
    assert {rows for _, rows, _ in shapes} <= {16, 24, 32, 48, 64}
    assert len(shapes) <= 5


@pytest.mark.parametrize("start", [0, 4, 17, 19])
def test_an_execution_is_the_same_wherever_a_training_goes_on(tasks, start):
    _, batches = _batches(tasks, 1, 1, 4)
    every = list(batches.executions(0, 18)) + list(batches.executions(18, 36))
    assert [len(execution) for execution in every] == [4, 4, 4, 4, 1, 1, 1, 1, 4, 4, 4, 4]
    assert [step for e in every for step in e] == list(range(36))
    stop = 18 if start < 18 else 36
    continued = list(batches.executions(start, stop)) + (list(batches.executions(18, 36)) if start < 18 else [])
    assert continued == [execution for execution in every if execution.start >= start]


def test_steps_that_are_executed_together_have_one_shape_and_no_feature_is_text(tasks):
    _, batches = _batches(tasks, 2, 1, 4)
    dataset = batches.dataset(lambda: range(6))
    assert not any(spec.dtype == tf.string for spec in dataset.element_spec.values())
    elements = list(dataset)
    assert [len(element["gold"]) for element in elements] == [4, 4, 1, 1, 1, 1]
    for element in elements:
        assert all(values.shape.is_fully_defined() for values in element.values())
        assert element["token_ids"].shape[2] in (16, 24)
    alone = [batches.parts(range(step, step + 1))[1] for step in range(4)]
    for step, part in enumerate(alone):
        real = part["example_weight"][0] > 0
        found = elements[1]["example_weight"][step].numpy() > 0
        np.testing.assert_array_equal(elements[1]["gold"][step][found], part["gold"][0][real])


def test_the_loss_of_a_padded_batch_is_that_of_the_batch(tasks):
    inputs, batches = _batches(tasks)
    network = build_multi_task_model(find_backbone("tiny"), [task.task for task in tasks], 0.0, seed=3)
    trainer = Trainer(network, [task.task for task in tasks], DistillationOptions(), 10)
    trainer.compile(optimizer="sgd")
    loss = tf.function(trainer.batch_loss, reduce_retracing=True)
    last_batches = {}
    for step in range(inputs.plan.steps_per_epoch):
        batch = inputs.batch(step)
        if len(batch["gold"]) != 8:
            last_batches[inputs.task_of(step)] = (batch, batches.parts(range(step, step + 1))[0])
    assert last_batches.keys() == {"mood", "entailment", "similarity", "answers"}
    for batch, part in last_batches.values():
        padded = {name: tf.constant(values[0]) for name, values in part.items()}
        plain = {name: tf.constant(values) for name, values in batch.items()}
        assert padded["token_ids"].shape != plain["token_ids"].shape
        np.testing.assert_allclose(loss(padded, False)["loss"], loss(plain, False)["loss"], rtol=1e-5)
