from __future__ import annotations

import hashlib
import random

import numpy as np

from mtdnn_tf.data.folds import Fold, part_numbers

IDS = [str(number) for number in range(3000)]


def test_a_row_is_in_the_fold_of_its_ids_hash_wherever_it_stands():
    expected = {name: int(hashlib.sha256(f"fold {name}".encode()).hexdigest(), 16) % 3 for name in IDS}
    shuffled = random.Random(0).sample(IDS, 1000)
    for held_out in range(3):
        assert Fold(3, held_out).contains(shuffled).tolist() == [expected[name] == held_out for name in shuffled]


def test_folds_are_about_equally_large_and_parts_of_another_key_are_independent_of_them():
    folds, halves = part_numbers(IDS, 2, "fold"), part_numbers(IDS, 2, "weights")
    cells = np.bincount(2 * folds + halves)
    # The standard deviation of a cell is 24.
    assert len(cells) == 4 and np.abs(cells - 750).max() < 100


def test_candidates_of_a_query_are_in_one_fold_whatever_their_order():
    queries = np.random.default_rng(0).integers(0, 400, len(IDS))
    members = {query: sorted(IDS[row] for row in np.flatnonzero(queries == query)) for query in set(queries)}
    by_query = {query: int(part_numbers([names[0]], 4, "fold")[0]) for query, names in members.items()}
    assert part_numbers(IDS, 4, "fold", queries).tolist() == [by_query[query] for query in queries]
    order = np.random.default_rng(1).permutation(len(IDS))
    renumbered = part_numbers([IDS[row] for row in order], 4, "fold", 7 * queries[order] + 1)
    assert renumbered.tolist() == [by_query[query] for query in queries[order]]
    assert set(by_query.values()) == {0, 1, 2, 3}
