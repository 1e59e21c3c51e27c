from __future__ import annotations

import numpy as np

from mtdnn_tf.demo.draws import Draws, as_sentence


def test_draws_of_a_key_stay_the_same_for_ever():
    draws = Draws("demo", 7)
    assert [draws.below(1000) for _ in range(5)] == [478, 994, 506, 368, 216]
    assert draws.shuffled("abcdef") == list("bafced")


def test_draws_differ_by_key():
    assert [Draws("a", 1).below(10**9), Draws("a", 2).below(10**9)] != [Draws("b", 1).below(10**9)] * 2


def test_draws_have_the_distributions_that_they_name():
    draws = Draws("distributions")
    values = np.array([draws.normal() for _ in range(4000)])
    assert abs(values.mean()) < 0.06 and abs(values.std() - 1) < 0.06
    assert abs(np.mean([draws.chance(0.3) for _ in range(4000)]) - 0.3) < 0.04
    assert {draws.pick_other("abc", "b") for _ in range(50)} == {"a", "c"}
    orders = {"".join(draws.shuffled("abc")) for _ in range(200)}
    assert len(orders) == 6


def test_sentences_are_capitalised_and_punctuated():
    assert as_sentence("the lamp is broken") == "The lamp is broken."
    assert as_sentence("where is it?") == "Where is it?"
