"""What is trained: subsets that nest, the same way from every start. That it is: tests/tools/adapt_test.py."""

from __future__ import annotations

import dataclasses

import pytest

from mtdnn_tf.adaptation.config import AdaptationConfig
from mtdnn_tf.adaptation.run import adaptation_trainings, plan
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_answers, write_huggingface_folder, write_tasks


@pytest.fixture(name="config")
def _config(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    write_huggingface_folder(tmp_path / "other", seed=1)
    base = TrainingConfig.build(
        output_dir=tmp_path / "out",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        tasks=("mood",),
        task_file=(write_tasks(tmp_path / "tasks", rows=80),),
        max_sequence_length=32,
        backbone=str(tmp_path / "bert"),
        epochs=2,
        batch_size=8,
        seed=10,
    )
    starts = {"other": str(tmp_path / "other")}
    return AdaptationConfig(base, starts, fractions=(1.0, 0.25, 0.01), subset_seeds=(3, 0), min_steps=9)


def test_subsets_nest_and_every_start_is_trained_the_same_way(config, tmp_path):
    trainings = adaptation_trainings(config)
    assert [(run.subset_seed, run.fraction, run.start) for run, _ in trainings] == [
        (seed, fraction, start)
        for seed in (3, 0)
        for fraction in (0.01, 0.25, 1.0)
        for start in ("plain BERT", "other")
    ]
    assert [run.epochs for run, _ in trainings] == [settings.optimization.epochs for _, settings in trainings]
    # 1, 20 and 80 of 80 rows, in 1, 3 and 10 batches of 8 or fewer an epoch; 9 steps or more, and 2 epochs or more.
    assert [(run.examples, settings.optimization.epochs, run.steps) for run, settings in trainings[::2]] == [
        (1, 9, 9),
        (20, 3, 9),
        (80, 2, 20),
    ] * 2
    parts = [set(map(int, settings.part.rows(80))) for _, settings in trainings]
    assert [len(part) for part in parts] == [run.examples for run, _ in trainings]
    assert parts[0] < parts[2] < parts[4] == set(range(80))
    assert parts[6] < parts[8] < parts[10]
    assert parts[2] != parts[8]
    for (run, plain), (_, other) in zip(trainings[::2], trainings[1::2]):
        assert plain.encoder.init_from is None
        assert other.encoder.init_from == str(tmp_path / "other")
        same = other.replace(init_from=None, output_dir=plain.output_dir)
        assert same == plain
        assert same.optimization.seed == 10 + run.subset_seed
    assert len({settings.output_dir for _, settings in trainings}) == len(trainings)


def test_the_plan_counts_and_writes_nothing(config):
    lines = [line.split() for line in plan(config).splitlines()]
    assert lines[1] == ["plain_bert/fraction_0.01/subset_3", "1", "9", "9"]
    assert lines[-1] == ["all", "152", "152", "to", "do"]
    assert not config.base.output_dir.exists()


def test_a_ranking_is_taken_by_whole_queries(config, tmp_path):
    for number, split in enumerate(("train", "validation")):
        write_answers(tmp_path / f"{split}.tsv", [3, 4, 5, 2, 4, 3, 5, 4], seed=number)
    (tmp_path / "ranking.yaml").write_text(
        "tasks:\n  answers:\n    kind: ranking\n    text: [question, answer]\n    group: question\n"
        "    label: relevant\n    labels: ['0', '1']\n    metrics: [mrr]\n"
        "    files: {train: train.tsv, validation: validation.tsv}\n"
    )
    base = config.base.replace(tasks=("answers",), task_file=(tmp_path / "ranking.yaml",))
    trainings = adaptation_trainings(dataclasses.replace(config, base=base, fractions=(0.3, 1.0)))
    for (small, _), (whole, _) in zip(trainings[::4], trainings[2::4]):
        assert 0 < small.examples <= 9
        assert whole.examples == 30
        assert small.steps >= 9
