import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are chosen as on Linux")

REPORT = """
import os, sys
cores = sorted(os.sched_getaffinity(0))[: int(sys.argv[1])]
os.sched_setaffinity(0, cores)
import tensorflow as tf
from mtdnn_tf.threads import give_operations_a_core_each, operations_at_once
before = operations_at_once()
give_operations_a_core_each()
threading = tf.config.threading
within, between = threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()
float(tf.reduce_sum(tf.ones([1000, 1000])))  # TensorFlow takes them.
print(before, within, between, operations_at_once())
"""


def _report(cores, **environment):
    result = subprocess.run(
        [sys.executable, "-c", REPORT, str(cores)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment},
    )
    return [int(value) for value in result.stdout.split()]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_two_cores_are_one_for_each_operation():
    assert _report(2) == [1, 1, 2, 2]


def test_one_core_is_left_to_tensorflow():
    assert _report(1) == [1, 0, 0, 1]


@pytest.mark.parametrize("name", ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"])
def test_what_the_environment_says_stays(name):
    assert _report(2, **{name: "2"}) == [1, 0, 0, 1]
