"""Measures the server's throughput and latency with and without batching, in turns, under several clients.

python -m benchmarks.server_load --model=EXPORT [--clients=32] [--seconds=20] [--rounds=3]

Clients and server share the machine. Each request is one text, of 4 to 40 words.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.command_line import InputError, run
from benchmarks.ratios import ratio_of, spread

_WORDS = ("parcel", "order", "where", "is", "my", "refund", "please", "send", "it", "back", "today", "late", "box")
_MODES = {"alone": ["--max_batch_size=1"], "together": []}


class _Server:
    def __init__(self, model: Path, flags: list[str]) -> None:
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115  # Closed with the server.
        command = [sys.executable, "-m", "tools.serve", f"--model=m:{model}", "--port=0", "--grpc_port=0", *flags]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        while not (found := re.search(r"REST: http://127.0.0.1:(\d+)/", Path(self._log.name).read_text())):
            if self._process.poll() is not None:
                raise InputError(Path(self._log.name).read_text().strip().splitlines()[-1])
            time.sleep(0.1)
        self.port = int(found[1])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()


def _load(port: int, clients: int, seconds: float) -> list[float]:
    """Returns the milliseconds of each request that clients made in some seconds."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def ask(seed: int) -> None:
        texts, connection = random.Random(seed), http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            text = " ".join(texts.choices(_WORDS, k=texts.randint(4, 40)))
            begun = time.perf_counter()
            connection.request(
                "POST", "/v1/models/m:predict", json.dumps({"inputs": {"text_a": [text], "text_b": [""]}})
            )
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise InputError(f"status {response.status}: {content[:200]!r}")
            times.append(1000 * (time.perf_counter() - begun))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def main() -> None:
    """Prints rows per second and latencies of each way, and the ratio of their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of an export's versions")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    servers = {name: _Server(flags.model, given) for name, given in _MODES.items()}
    try:
        for server in servers.values():
            _load(server.port, flags.clients, 2)
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(flags.rounds):
            for name, server in servers.items():
                times = _load(server.port, flags.clients, flags.seconds)
                rates[name].append(len(times) / flags.seconds)
                p50, p99 = np.quantile(times, [0.5, 0.99])
                print(f"round {number + 1}, {name}: {rates[name][-1]:.0f} rows/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    finally:
        for server in servers.values():
            server.close()
    rows = [spread(f"{name}, rows/s", values) for name, values in rates.items()]
    for row in [*rows, ratio_of("together / alone", rates["together"], rates["alone"])]:
        print(f"{row['what']}: {row['median']:.3g} ({row['low']:.3g} to {row['high']:.3g})")


if __name__ == "__main__":
    run(main)
