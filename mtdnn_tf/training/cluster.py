"""The workers of a training on several machines, as TF_CONFIG names them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError, one_line

_FORM = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The number of workers of a training, and the index of this one, from 0."""

    num_workers: int
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the one that writes."""
        return self.index == 0

    @property
    def is_alone(self) -> bool:
        """Whether there are no others."""
        return self.num_workers == 1


ALONE = Cluster(num_workers=1, index=0)


def read_cluster() -> Cluster:
    """Returns the cluster that the environment variable TF_CONFIG describes."""
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UserError(
            f"`strategy=multi_worker` needs the environment variable TF_CONFIG, which is not set; {_FORM} is accepted"
        )
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _refused(f"is not JSON ({error})") from None
    workers, task = _part(found, "cluster"), _part(found, "task")
    other = sorted(set(workers) - {"worker"})
    if other:
        raise _refused(f"has jobs other than worker: {', '.join(other)}")
    hosts = workers.get("worker")
    if (
        not isinstance(hosts, list)
        or not hosts
        or not all(isinstance(host, str) and re.fullmatch(r".+:\d+", host) for host in hosts)
    ):
        raise _refused(f"must have a list of HOST:PORT as cluster.worker, got {json.dumps(hosts)}")
    if len(set(hosts)) < len(hosts):
        raise _refused(f"has a duplicate worker: {', '.join(hosts)}")
    index = task.get("index")
    if task.get("type") != "worker" or type(index) is not int or not 0 <= index < len(hosts):
        raise _refused(f"must have a task of type worker and index 0 to {len(hosts) - 1}, got {json.dumps(task)}")
    return Cluster(len(hosts), index)


def is_same_on_all_workers(cluster: Cluster, strategy: tf.distribute.Strategy, value: int) -> bool:
    """Returns whether all workers have the same value; waits until all of them call it."""
    if cluster.is_alone:
        return True

    @tf.function(autograph=False)
    def gather() -> tf.Tensor:
        def of_replica() -> tf.Tensor:
            return tf.distribute.get_replica_context().all_gather(tf.constant([value], tf.int64), axis=0)

        return strategy.experimental_local_results(strategy.run(of_replica))[0]

    return len(set(gather().numpy().tolist())) == 1


@contextmanager
def run_on_chief_first(cluster: Cluster, strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Blocks the other workers until the chief has left the block, in which it writes what all of them read."""
    if not cluster.is_chief:
        is_same_on_all_workers(cluster, strategy, 0)
    yield
    if cluster.is_chief:
        is_same_on_all_workers(cluster, strategy, 0)


def _part(found: Any, name: str) -> dict[str, Any]:
    part = found.get(name) if isinstance(found, dict) else None
    if not isinstance(part, dict):
        raise _refused(f"has no object {name!r}")
    return part


def _refused(what: str) -> UserError:
    return UserError(f"TF_CONFIG {what}; {_FORM} is accepted")


@contextmanager
def report_worker_failure(cluster: Cluster) -> Iterator[None]:
    """Reports the end of another worker, or of the connection to it, in one line."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError, tf.errors.CancelledError,
            tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError) as error:  # fmt: skip
        if cluster.is_alone:
            raise
        failure = f"another worker has ended or is not reached ({one_line(error)})"
        remedy = "start all workers again to go on from the last checkpoint"
        raise UserError(f"worker {cluster.index} of {cluster.num_workers}: {failure}; {remedy}") from error
