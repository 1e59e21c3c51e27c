from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.batching.batch_plan import BatchPlan, PlannedBatch, TaskRows
from mtdnn_tf.data.batching.sampling import Sampler
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.subset import Part
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from tests.data.batching.plans import padding_ratio, planned
from tests.data.word_pieces_test import encoder_vocabulary


def some_tasks() -> list[TaskRows]:
    generator = np.random.default_rng(0)
    return [
        TaskRows(name, (generator.gamma(3, 8, rows) + 3).astype(np.int32))
        for name, rows in (("small", 5), ("even", 320), ("large", 5003))
    ]


def as_lists(batches: list[PlannedBatch]) -> list[tuple[int, list[int]]]:
    return [(batch.task_index, batch.rows.tolist()) for batch in batches]


def test_every_epoch_holds_every_row_once_in_batches_of_one_task():
    tasks = some_tasks()
    plan = BatchPlan(tasks, batch_size=32, seed=1)
    assert plan.steps_per_epoch == 1 + 10 + 157
    for epoch in range(3):
        batches = list(planned(plan, epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch))
        for index, task in enumerate(tasks):
            own = [batch.rows for batch in batches if batch.task_index == index]
            assert sorted(np.concatenate(own)) == list(range(len(task.lengths)))
            assert sum(len(rows) != 32 for rows in own) == (len(task.lengths) % 32 > 0)
            assert all(rows.dtype == np.int64 for rows in own)


def test_a_step_is_the_same_whether_walked_to_or_jumped_to():
    walked = BatchPlan(some_tasks(), 32, seed=1)
    steps = walked.steps_per_epoch
    batches = list(planned(walked, 0, 4 * steps))
    jumped = BatchPlan(some_tasks(), 32, seed=1)
    for n in (3 * steps + 7, 5, 2 * steps, 4 * steps - 1, 0, steps - 1):
        assert as_lists([jumped.step(n)]) == as_lists([batches[n]])
    assert as_lists(list(planned(BatchPlan(some_tasks(), 32, seed=1), 3 * steps, 4 * steps))) == as_lists(
        batches[3 * steps :]
    )


def test_seeds_and_epochs_differ():
    plan = BatchPlan(some_tasks(), 32, seed=1)
    epoch = as_lists(list(planned(plan, 0, plan.steps_per_epoch)))
    next_epoch = as_lists(list(planned(plan, plan.steps_per_epoch, 2 * plan.steps_per_epoch)))
    other_seed = as_lists(list(planned(BatchPlan(some_tasks(), 32, seed=2), 0, plan.steps_per_epoch)))
    for other in (next_epoch, other_seed):
        assert [index for index, _ in other] != [index for index, _ in epoch]
        shared = {tuple(rows) for _, rows in epoch} & {tuple(rows) for _, rows in other}
        assert len(shared) <= 1  # The batch of the small task may be the same.


def test_rows_meet_other_rows_in_the_next_epoch():
    lengths = np.random.default_rng(0).integers(5, 60, 2000)
    plan = BatchPlan([TaskRows("task", lengths)], 32, seed=0)
    batch_of_row = np.zeros([2, 2000], np.int64)
    for n, batch in enumerate(planned(plan, 0, 2 * plan.steps_per_epoch)):
        batch_of_row[n // plan.steps_per_epoch, batch.rows] = n
    met = [batch_of_row[epoch][:, None] == batch_of_row[epoch] for epoch in range(2)]
    again = ((met[0] & met[1]).sum() - 2000) / (met[0].sum() - 2000)
    assert again < 0.4


def test_adding_a_task_changes_no_other_tasks_batches():
    def batches_of(tasks: list[TaskRows], name: str) -> list[list[int]]:
        plan = BatchPlan(tasks, 32, seed=1)
        batches = list(planned(plan, plan.steps_per_epoch, 2 * plan.steps_per_epoch))
        return [batch.rows.tolist() for batch in batches if tasks[batch.task_index].name == name]

    alone, others = some_tasks()[2], some_tasks()[:2]
    assert batches_of([alone], "large") == batches_of([*others, alone], "large")


def test_tasks_are_visited_in_proportion_to_their_sizes_throughout_an_epoch():
    tasks = [TaskRows("one", np.full(3200, 9)), TaskRows("three", np.full(9600, 9))]
    plan = BatchPlan(tasks, 32, seed=0)
    assert Counter(batch.task_index for batch in planned(plan, 0, 400)) == {0: 100, 1: 300}
    for start in range(0, 400, 100):
        visits = sum(batch.task_index == 0 for batch in planned(plan, start, start + 100))
        assert 10 <= visits <= 40  # 25 are expected; five standard deviations are 19.


def test_the_proportional_plan_is_what_it_always_was():
    tasks = [TaskRows("one", np.arange(5, 42) % 17), TaskRows("two", np.arange(400) % 23)]
    for sampler in (None, Sampler(), Sampler(task_weights=("one:3", "two:3"))):
        plan, digest = BatchPlan(tasks, 8, seed=3, sampler=sampler), hashlib.sha256()
        for batch in planned(plan, 0, 3 * plan.steps_per_epoch):
            digest.update(bytes([batch.task_index]) + batch.rows.astype("<i8").tobytes())
        # Computed before there were other samplers.
        assert digest.hexdigest() == "2ae35ee84d85f7268972ae45c1c2b200f7a450ce88c189ad1d0c79070688de97"


SAMPLERS = [
    Sampler("uniform"),
    Sampler("power", 0.5),
    Sampler("annealed", epochs=4),
    Sampler(task_weights=("small:30",)),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_a_sampler_decides_how_often_a_task_is_visited_and_no_row_is_left_out(sampler):
    tasks = some_tasks()
    sizes = np.array([5, 320, 5003])
    plan = BatchPlan(tasks, 32, seed=1, sampler=sampler)
    steps = plan.steps_per_epoch
    assert steps == BatchPlan(tasks, 32, seed=1).steps_per_epoch == 168
    rows_of: dict[int, list[np.ndarray]] = {index: [] for index in range(3)}
    for epoch in range(4):
        power = {"uniform": 0.0, "power": 0.5, "annealed": 1 - 0.8 * epoch / 3, "proportional": 1.0}[sampler.name]
        rates = sizes**power * ([30, 1, 1] if sampler.task_weights else [1, 1, 1])
        batches = list(planned(plan, epoch * steps, (epoch + 1) * steps))
        visits = Counter(batch.task_index for batch in batches)
        assert all(abs(visits[index] - steps * rates[index] / rates.sum()) < 1 for index in range(3))
        # Visits are spread over the epoch: half of the most visited task's lie in its first half, within 5 deviations.
        most = visits.most_common(1)[0][0]
        early = sum(batch.task_index == most for batch in batches[: steps // 2])
        assert abs(early - visits[most] / 2) < 5 * np.sqrt(visits[most]) / 2
        for batch in batches:
            rows_of[batch.task_index].append(batch.rows)
    for index, task in enumerate(tasks):
        per_pass = -(-len(task.lengths) // 32)
        passes = [rows_of[index][start : start + per_pass] for start in range(0, len(rows_of[index]), per_pass)]
        for rows in passes:
            seen = np.concatenate(rows)
            assert len(set(seen)) == len(seen)
            assert len(rows) < per_pass or len(seen) == len(task.lengths)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_a_sampled_step_is_the_same_whether_walked_to_or_jumped_to(sampler):
    walked = BatchPlan(some_tasks(), 32, seed=1, sampler=sampler)
    steps = walked.steps_per_epoch
    batches = as_lists(list(planned(walked, 0, 4 * steps)))
    for n in (3 * steps + 7, 5, 2 * steps, 4 * steps - 1, 0, steps - 1):
        assert as_lists([BatchPlan(some_tasks(), 32, seed=1, sampler=sampler).step(n)]) == [batches[n]]
    other = BatchPlan(some_tasks(), 32, seed=2, sampler=sampler)
    assert as_lists(list(planned(other, 0, steps))) != batches[:steps]


def test_padding_ratio_is_that_of_batches_padded_to_their_longest_row():
    tasks = [TaskRows("task", np.array([4, 2, 2, 2, 8]))]
    # Sorted and cut: (2, 2), (2, 4), (8).
    assert padding_ratio(BatchPlan(tasks, batch_size=2, seed=0), tasks) == pytest.approx((4 + 8 + 8) / 18)
    # Cut in random order the same rows would take more than twice their tokens.
    assert padding_ratio(BatchPlan(some_tasks(), 32, seed=0), some_tasks(), epochs=2) < 1.1


def test_unusable_arguments_are_refused():
    for tasks, message in (([], "got none"), ([TaskRows("empty", np.array([]))], "task empty has no rows")):
        with pytest.raises(UserError, match=message):
            BatchPlan(tasks, 1, 0)


@pytest.mark.real_data
@pytest.mark.parametrize("limit", [None, 2000])
def test_padding_of_glue_is_within_five_percent(limit, tmp_path, capsys):
    folder = os.environ.get("MTDNN_TF_GLUE_DIR")
    if not folder:
        pytest.skip("MTDNN_TF_GLUE_DIR is not set")
    tokenizer = WordPieceTokenizer(encoder_vocabulary(), lowercase=True)
    tasks = []
    for task in select_tasks(["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte"], []):
        lengths = EncodedData(DataSource("files", Path(folder)), tokenizer, 128, tmp_path).split(task, "train").lengths
        tasks.append(TaskRows(task.name, lengths[Part(limit).rows(len(lengths))]))
    ratio = padding_ratio(BatchPlan(tasks, batch_size=32, seed=0), tasks, epochs=2)
    with capsys.disabled():
        print(f"\nGLUE, at most {limit} rows a task: {ratio:.4f} tokens with padding per token without")
    assert ratio <= 1.05
