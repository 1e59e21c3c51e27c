import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from mtdnn_tf.parallelism import num_parallel_parts

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are chosen as on Linux")

# The sum over a whole tensor is the operation whose result depends on the number of threads that share it.
REPORT = """
import json, sys
import numpy as np
import tensorflow as tf
from mtdnn_tf.parallelism import use_single_threaded_ops
if sys.argv[1] == "single":
    use_single_threaded_ops()
values = np.random.default_rng(0).normal(size=(30522, 384)).astype(np.float32)
sums = [float(tf.reduce_sum(values)), float(tf.nn.l2_loss(values))]
print(json.dumps([tf.config.threading.get_intra_op_parallelism_threads(), *sums]))
"""


def _report(mode, **environment):
    result = subprocess.run(
        [sys.executable, "-c", REPORT, mode],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment},
    )
    return json.loads(result.stdout)


def test_results_do_not_depend_on_the_number_of_threads_that_the_environment_gives():
    single = _report("single")
    assert single[0] == 1
    assert _report("single", TF_NUM_INTRAOP_THREADS="3") == single
    assert _report("default", TF_NUM_INTRAOP_THREADS="3")[1:] != single[1:]


def test_each_core_has_a_part_and_each_part_has_a_row(monkeypatch):
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    for cores, expected in ((1, [1, 1, 1]), (2, [2, 2, 1]), (6, [6, 3, 1]), (64, [8, 3, 1])):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert [num_parallel_parts(rows) for rows in (32, 3, 0)] == expected
