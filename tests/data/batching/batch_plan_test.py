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


def _digest(plan: BatchPlan, epochs: int) -> str:
    digest = hashlib.sha256()
    for batch in planned(plan, 0, epochs * plan.steps_per_epoch):
        count = len(batch.rows).to_bytes(4, "little")
        digest.update(bytes([batch.task_index]) + count + batch.rows.astype("<i8").tobytes())
    return digest.hexdigest()


# Computed before plans were arrays: batch size, batch tokens, whether there is a ranking, sampler.
@pytest.mark.parametrize(
    ("batch_size", "batch_tokens", "has_ranking", "sampler", "expected"),
    [
        (32, None, False, None, "8be550a9a253c979187b5f72f6018fe28db7d8a353f4714a314e6996a1fba308"),
        (1, None, False, None, "b5189fe8dbb0f08b74494822b0834b0bfd0c3e5af7ebf1ba73e47b02a81da2bc"),
        (24, None, True, None, "cec1c00ffc0be32c3dba4ab14e5ca111abc951d67e1daa514aee182020d2d241"),
        (32, 700, False, None, "df00051438beb0df0b93b26df7413255a2d44eae778d9178f70cfbb4bdc5779e"),
        (32, 500, True, None, "f981be8d8d63644f8a60db77eb2b5c79e41dc8ba3c3d97a7343feb081ce04811"),
        (16, None, True, Sampler("uniform"), "9e303b802e000f1a7d1c101898e02ace58301eeeb0f6f161c3bd83ab455e7bc4"),
        (32, None, False, Sampler("power", 0.5), "05c40134d6cbc8b795a77b5f621a2c1ef28380ae38c5d883cf6b80b33ae3c8c0"),
        (
            32,
            900,
            True,
            Sampler("annealed", epochs=3),
            "f1bfe1a612315e3e2c5342ef77f3c459073ae690390658d82ef12e05fa273e20",
        ),
        (
            8,
            None,
            False,
            Sampler(task_weights=("one:30",)),
            "24bee90ee8a8e4ead59177cecbd89b5a6e92cc9868aaca9bf94ec3c723db2a1d",
        ),
    ],
)
def test_plans_are_those_of_earlier_versions(batch_size, batch_tokens, has_ranking, sampler, expected):
    # Numbers that no version of NumPy draws differently.
    tasks = [
        TaskRows("one", np.arange(1, 3) * 7 % 19 + 3),
        TaskRows("two", np.arange(640) ** 2 % 61 + 3),
        TaskRows("three", np.arange(5003) ** 2 % 97 + 3),
    ]
    if has_ranking:
        tasks.append(TaskRows("four", np.arange(1500) * 7 % 41 + 3, np.arange(1500) ** 2 % 331))
    assert _digest(BatchPlan(tasks, batch_size, 5, sampler, batch_tokens), epochs=3) == expected


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
