"""Development metrics of a model in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.data.encoding import encode_split
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.evaluation.predictor import Predictor
from mtdnn_tf.evaluation.result_names import result_name
from mtdnn_tf.evaluation.runs import SplitPredictions, metrics_of
from mtdnn_tf.tasks.task import Task


def development_metrics(
    predictor: Predictor,
    tasks: Sequence[Task],
    source: DataSource,
    tokenizer: WordPieceTokenizer,
    max_sequence_length: int,
    cache_dir: Path,
) -> dict[str, dict[str, float]]:
    """Returns a model's metrics on every development split of its tasks, by result name.

    Args:
        predictor: The model's predictor.
        tasks: Its tasks.
        source: Where examples come from.
        tokenizer: The model's word pieces.
        max_sequence_length: Longest input, in word pieces.
        cache_dir: Folder of encoded data.
    """
    predictions = {}
    for task in tasks:
        for split in task.evaluation_splits:
            encoded = encode_split(task, split, source, tokenizer, max_sequence_length, cache_dir)
            predictions[result_name(task, split)] = SplitPredictions(encoded, predictor.predict(encoded))
    return metrics_of(predictions)
