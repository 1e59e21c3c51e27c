from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.joined_splits import join_splits
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.helpers import VOCABULARY, write_answers, write_tasks


@pytest.mark.parametrize("name", ["mood", "similarity"])
def test_rows_are_those_of_the_splits(tmp_path, name):
    task = select_tasks([name], [write_tasks(tmp_path / "tasks")])[0]
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path)
    splits = [
        EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, split)
        for split in ("train", "test", "validation")
    ]
    assert join_splits(splits[:1]) is splits[0]
    joined = join_splits(splits)
    assert len(joined) == 120 == len(set(joined.example_ids))
    assert joined.example_ids[41] == f"test/{splits[1].example_ids[1]}"
    for number, split in enumerate(splits):
        rows = np.array([39, 0, 17])
        np.testing.assert_array_equal(joined.lengths[40 * number + rows], split.lengths[rows])
        np.testing.assert_array_equal(joined.labels[40 * number + rows], split.labels[rows])
        for feature, values in split.batch(rows).items():
            np.testing.assert_array_equal(joined.batch(40 * number + rows)[feature], values)
    other = join_splits([splits[0], splits[2], splits[1]])
    assert len({split.manifest["key"] for split in (joined, other, *splits)}) == 5


def test_queries_of_two_splits_stay_apart(tmp_path):
    for seed, split in enumerate(("train", "test")):
        write_answers(tmp_path / f"{split}.tsv", [2, 1, 4], seed)
    files = {split: SplitFile(f"{split}.tsv", label="relevant") for split in ("train", "test")}
    task = Task("answers", "ranking", ("question", "answer"), ("0", "1"), ("mrr",), files=files, id="hash")
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path)
    splits = [EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, split) for split in files]
    joined = join_splits(splits)
    first, second = (np.asarray(split.queries) for split in splits)
    np.testing.assert_array_equal(np.asarray(joined.queries), [*first, *(second + 3)])
    assert np.asarray(joined.queries).dtype == np.int32
