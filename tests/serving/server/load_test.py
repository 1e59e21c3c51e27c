"""A minute of mixed load from a second process, of requests that share batches."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.serving.server.server_process import ROOT

_SECONDS = 60
_THREADS = 32


@pytest.mark.slow
def test_a_minute_of_mixed_load_has_no_error(server):
    arguments = [str(server.port), str(server.grpc_port), str(_SECONDS), str(_THREADS)]
    command = [sys.executable, "-m", "tests.serving.server.load", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    result = json.loads(ran.stdout.splitlines()[-1])
    for kind, measured in result.items():
        latency = f"p50 {measured['p50']:.1f} ms, p99 {measured['p99']:.1f} ms"
        print(f"{kind}: {measured['count']} requests, {latency}, {measured['rows_per_second']:.0f} rows/s")
    print(f"together {sum(measured['rows_per_second'] for measured in result.values()):.0f} rows/s")
    assert all(measured["errors"] == [] and measured["count"] > 20 for measured in result.values()), result
    assert server.process.poll() is None
