import os
import subprocess
import sys

import pytest

_FIRST_OPERATION = """
import tensorflow as tf
from mtdnn_tf.serving.server.memory import keep_memory
{}
tf.ones([3])
"""


@pytest.mark.parametrize("call, environment, kept", [
    ("keep_memory()", {}, True),
    ("keep_memory()", {"TF_CPU_ALLOCATOR_USE_BFC": "false"}, False),
    ("", {}, False),
])  # fmt: skip
def test_tensorflow_keeps_memory_after_it_was_imported(call, environment, kept):
    inherited = {name: value for name, value in os.environ.items() if name != "TF_CPU_ALLOCATOR_USE_BFC"}
    told = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_MAX_VLOG_LEVEL": "1", "TF_CPP_VMODULE": "bfc_allocator=1"}
    command = [sys.executable, "-c", _FIRST_OPERATION.format(call)]
    ran = subprocess.run(command, env={**inherited, **told, **environment}, capture_output=True, text=True, check=True)
    # TensorFlow's name for the allocator of all tensors; without it the small ones come from the system.
    assert ("BFCAllocator named: bfc_cpu_allocator_for_gpu" in ran.stderr) == kept, ran.stderr[-2000:]
