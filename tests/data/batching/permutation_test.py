from __future__ import annotations

import subprocess
import sys

from mtdnn_tf.data.batching.permutation import seeded_permutation, seeded_uniform

ANOTHER_PROCESS = """
from mtdnn_tf.data.batching.permutation import seeded_permutation
print(seeded_permutation(100, "a", 1, 2).tolist())
"""


def test_holds_every_row_once():
    for num_rows in (0, 1, 2, 1000):
        assert sorted(seeded_permutation(num_rows, "x", 1)) == list(range(num_rows))


def test_depends_on_every_part_of_the_key_and_on_nothing_else():
    keys = [("a", 1, 2), ("b", 1, 2), ("a", 2, 1), ("a", 1), ("a", 1, 2, 0)]
    permutations = {tuple(seeded_permutation(100, *key)) for key in keys}
    assert len(permutations) == len(keys)
    ran = subprocess.run([sys.executable, "-c", ANOTHER_PROCESS], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(seeded_permutation(100, "a", 1, 2).tolist())


def test_stays_the_same_in_every_version():
    # Runs that were stopped are resumed with these batches; a change here breaks them.
    assert seeded_permutation(8, "rows", 7).tolist() == [0, 6, 4, 5, 1, 3, 2, 7]


def test_first_places_are_equally_likely():
    firsts = [int(seeded_permutation(4, "uniform", key)[0]) for key in range(4000)]
    assert all(abs(firsts.count(row) - 1000) < 150 for row in range(4))


def test_numbers_are_spread_evenly_and_stay_the_same():
    numbers = [seeded_uniform("visits", 0, epoch) for epoch in range(4000)]
    assert all(0.0 <= number < 1.0 for number in numbers)
    assert all(abs(sum(tenth <= 10 * number < tenth + 1 for number in numbers) - 400) < 100 for tenth in range(10))
    assert seeded_uniform("visits", 7, 1) == 0.3413972439905897
