"""A scoring by two teachers, for the tests of this folder."""

import functools

import pytest

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.ensembles.shards import Shards
from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.tasks.registry import select_tasks
from tests.helpers import write_answers, write_tasks
from tests.small_models import write_two_teachers

ANSWERS = """\
tasks:
  answers: {kind: ranking, text: [question, answer], label: relevant, labels: ["0", "1"],
            files: {train: answers.tsv, validation: more.tsv}}
"""
BATCH = 8


def _score(shard=None, merge=None, **scoring):
    """Scores, writes a shard, or merges shards."""
    given = Scoring(**scoring)
    if shard is not None:
        return Shards(given).write(shard)
    return score(given) if merge is None else Shards(given).merge(merge)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    """Returns `score` for two teachers of different vocabularies; what is left out is the tasks, split and output."""
    folder = tmp_path_factory.mktemp("shards")
    write_answers(folder / "answers.tsv", [1, 2, 12, 2, 3, 5, 1, 7, 5, 2], seed=1)
    write_answers(folder / "more.tsv", [1, 2, 12, 4, 3, 6, 2], seed=2)
    (folder / "answers.yaml").write_text(ANSWERS)
    tasks = select_tasks([], [write_tasks(folder / "tasks"), folder / "answers.yaml"])
    runs = write_two_teachers(folder, tasks)
    chosen = [task for task in tasks if task.name in ("mood", "similarity", "answers")]
    source = DataSource("files", folder)
    return functools.partial(
        _score,
        runs=runs,
        tasks=chosen,
        split="train",
        data=TaskData(source, folder / "cache"),
        inference=InferenceSettings(BATCH),
    )
