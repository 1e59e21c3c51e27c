from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reference_rows import product_rows
from mtdnn_tf.data.subset import Part


@pytest.mark.parametrize(("num_rows", "limit"), [(3668, 2000), (5749, 2000), (10, 3), (10, 10), (10, 40), (10, None)])
def test_the_reference_trains_on_the_rows_that_the_product_picks(num_rows, limit):
    np.testing.assert_array_equal(product_rows(num_rows, limit), Part(limit).rows(num_rows))
