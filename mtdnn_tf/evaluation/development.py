"""Development metrics of a model in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.data.encoding import encode_split
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.evaluation.inference import predict
from mtdnn_tf.evaluation.result_names import result_name
from mtdnn_tf.evaluation.runs import SplitPredictions, metrics_of
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import Task


def development_metrics(
    model: MultiTaskModel,
    tasks: Sequence[Task],
    source: DataSource,
    tokenizer: WordPieceTokenizer,
    max_sequence_length: int,
    cache_dir: Path,
    batch_size: int,
) -> dict[str, dict[str, float]]:
    """Returns a model's metrics on every development split of its tasks, by result name.

    Args:
        model: The network.
        tasks: Its tasks.
        source: Where examples come from.
        tokenizer: The model's word pieces.
        max_sequence_length: Longest input, in word pieces.
        cache_dir: Folder of encoded data.
        batch_size: Examples in a batch.
    """
    predictions = {}
    for task in tasks:
        for split in task.evaluation_splits:
            encoded = encode_split(task, split, source, tokenizer, max_sequence_length, cache_dir)
            predictions[result_name(task, split)] = SplitPredictions(encoded, predict(model, encoded, batch_size))
    return metrics_of(predictions)
