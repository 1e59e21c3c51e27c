"""A scoring by two teachers, for the tests of this folder."""

import functools

import pytest

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.ensembles.shards import Shards
from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.registry import select_tasks
from tests.helpers import write_answers, write_huggingface_folder, write_tasks

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
    write_huggingface_folder(folder / "bert")
    runs = []
    for number, name in enumerate(("tiny", str(folder / "bert"))):
        pretrained = find_backbone(name)
        model = build_multi_task_model(pretrained, tasks, seed=number)
        tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
        runs.append(folder / f"run{number}")
        save_model(model, tasks, tokenizer, 60, runs[-1] / "model")
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
