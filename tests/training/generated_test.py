import time

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.training.generated import generated_ahead

SPEC = {"number": tf.TensorSpec([None], tf.int32)}


def test_batches_come_in_their_order_and_anew_for_every_iteration():
    def generate():
        yield from ({"number": np.array([step], np.int32)} for step in range(5))

    dataset = generated_ahead(generate, SPEC, 2)
    for _ in range(2):
        assert [int(batch["number"][0]) for batch in dataset] == [0, 1, 2, 3, 4]
    assert dataset.element_spec == SPEC


@pytest.mark.parametrize("seconds", [0.7, 1.4])
def test_an_iterator_is_dropped_without_a_wait(seconds):
    def generate():
        while True:
            yield {"number": np.zeros(1, np.int32)}

    slowest = 0.0
    for _ in range(3):
        batches = iter(generated_ahead(generate, SPEC, 3))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            next(batches)
        began = time.monotonic()
        del batches
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.3
