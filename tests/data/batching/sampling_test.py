from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.batching.sampling import Sampler, draw_visits
from mtdnn_tf.errors import UserError

NAMES, SIZES = ("large", "middle", "small"), (100_000, 2_500, 900)


def _shares(rates: list[float]) -> list[float]:
    return [rate / sum(rates) for rate in rates]


@pytest.mark.parametrize(
    ("sampler", "rates"),
    [
        (Sampler(), [100_000, 2_500, 900]),
        (Sampler("uniform"), [1, 1, 1]),
        (Sampler("power", 0.5), [316.22776602, 50, 30]),
        (Sampler("power"), [5623.41325190, 353.55339059, 164.31676725]),  # size^0.75
        (Sampler("power", 0.0), [1, 1, 1]),
        (Sampler("uniform", task_weights=("small:2", "large:0.5")), [0.5, 1, 2]),
        (Sampler(task_weights=("small:100",)), [100_000, 2_500, 90_000]),
    ],
)
def test_shares_are_those_of_the_formula_in_every_epoch(sampler, rates):
    for epoch in (0, 3):
        np.testing.assert_allclose(sampler.shares(NAMES, SIZES, epoch), _shares(rates), rtol=1e-8)


def test_annealing_goes_from_proportional_to_a_fifth_of_the_power():
    sampler = Sampler("annealed", epochs=5)
    # 1 - 0.8 (e - 1) / 4 for e = 1, ..., 5; a sixth epoch would be as the fifth.
    for epoch, power in enumerate((1.0, 0.8, 0.6, 0.4, 0.2, 0.2)):
        expected = _shares([size**power for size in SIZES])
        np.testing.assert_allclose(sampler.shares(NAMES, SIZES, epoch), expected, rtol=1e-9)
    np.testing.assert_allclose(Sampler("annealed").shares(NAMES, SIZES, 0), _shares([100_000, 2_500, 900]))


def test_visits_are_within_one_of_the_shares_and_right_on_average():
    shares = np.array([0.7001, 0.2599, 0.04])
    visits = np.array([draw_visits(shares, 30, seed, epoch) for seed in range(40) for epoch in range(50)])
    assert (visits.sum(axis=1) == 30).all()
    assert (np.abs(visits - 30 * shares) < 1).all()
    # 2,000 draws that are off by less than 1: the mean's standard deviation is below 0.5 / sqrt(2000) = 0.011.
    np.testing.assert_allclose(visits.mean(axis=0), 30 * shares, atol=0.05)
    # A task whose share is less than a step is visited all the same.
    rare = sum(draw_visits(np.array([0.99, 0.01]), 10, 0, epoch)[1] for epoch in range(1000))
    assert 60 < rare < 140


def test_an_epoch_is_drawn_by_its_seed_and_number_alone():
    shares = np.array([0.35, 0.65])
    drawn = [tuple(draw_visits(shares, 31, seed, epoch)) for seed in range(3) for epoch in range(5)]
    assert drawn == [tuple(draw_visits(shares, 31, seed, epoch)) for seed in range(3) for epoch in range(5)]
    assert len(set(drawn)) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "anealed"}, "unknown `sampler` 'anealed'; did you mean 'annealed'"),
        ({"name": "uniform", "power": 0.5}, "`sampler_power` needs `sampler=power`, got `sampler=uniform`"),
        ({"name": "power", "power": -0.5}, "`sampler_power` must be a number >= 0 and <= 10, got -0.5"),
        ({"name": "power", "power": float("nan")}, "`sampler_power`"),
        ({"task_weights": ("rte",)}, "`task_weights` must be comma-separated task:weight.* got 'rte'"),
        ({"task_weights": ("rte:0",)}, "weights > 0, got 'rte:0'"),
        ({"task_weights": ("rte:nan",)}, "got 'rte:nan'"),
        ({"task_weights": ("rte:two",)}, "got 'rte:two'"),
        ({"task_weights": ("rte:2", "rte:3")}, "must name each task once, got rte twice"),
    ],
)
def test_samplers_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        Sampler(**fields)


def test_weights_of_tasks_that_are_not_trained_are_refused():
    with pytest.raises(UserError, match="unknown task of `task_weights` 'smal'; did you mean 'small'"):
        Sampler(task_weights=("smal:2",)).check_tasks(NAMES)
