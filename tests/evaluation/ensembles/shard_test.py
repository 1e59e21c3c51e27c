from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.batching import inference_batches
from mtdnn_tf.data.batching.inference_batches import batched_order
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.shard import Shard, parse_shard


@pytest.mark.parametrize(("rows", "batch_size", "count"), [(40, 8, 3), (41, 8, 4), (5, 8, 3), (0, 8, 2), (7, 1, 7)])
def test_a_shard_has_whole_batches_and_all_shards_every_row(rows, batch_size, count):
    order = np.random.default_rng(0).permutation(rows)
    batches = [list(order[start : start + batch_size]) for start in range(0, rows, batch_size)]
    expected = [[row for batch in batches[index::count] for row in batch] for index in range(count)]
    assert [list(Shard(index, count).take(order, batch_size)) for index in range(count)] == expected


# In windows of 2 batches: 7 rows in one window; whole windows only; windows that are left; a last window of 3 rows.
@pytest.mark.parametrize("rows", [0, 7, 24, 40, 43, 51])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_have_the_batches_of_all_rows_by_the_lengths_of_few(rows, count, monkeypatch):
    monkeypatch.setattr(inference_batches, "_BATCHES_PER_WINDOW", 2)
    size, lengths = 4, np.random.default_rng(rows).integers(3, 20, rows).astype(np.int32)
    order = batched_order(lengths, size)
    batches = {tuple(order[start : start + size]) for start in range(0, rows, size)}
    found = []
    for index in range(count):
        shard = Shard(index, count)
        needed = shard.needed(rows, size)
        assert (np.diff(needed) > 0).all() and len(needed) <= rows // count + count * 2 * size
        own = needed[shard.order(lengths[needed], rows, size)]
        found.append([tuple(own[start : start + size]) for start in range(0, len(own), size)])
    together = [batch for batches_of_shard in found for batch in batches_of_shard]
    assert len(together) == len(batches) and set(together) == batches
    counts = [len(batches_of_shard) for batches_of_shard in found]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("text", ["4/4", "-1/4", "0/0", "1", "1/", "a/4", "0/4/4", "0/10000", "0 / 4", "", "\u0660/4"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UserError, match=r"--shard must be I/N, such as 0/4, .*, got "):
        parse_shard(text)
    assert parse_shard("3/4") == Shard(3, 4)
