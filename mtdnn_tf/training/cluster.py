"""The workers of a training on several machines, as TF_CONFIG names them: a chief, if it has one, and workers."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError, one_line

_FORM = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
_CHIEF, _WORKER = "chief", "worker"
_JOBS = (_CHIEF, _WORKER)  # TensorFlow's order, in which a chief comes before worker 0.
_USELESS_JOBS = {
    "evaluator": "the chief evaluates",
    "ps": "every worker has all parameters",
}


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
    jobs, task = _part(found, "cluster"), _part(found, "task")
    _refuse_other_jobs([name for name in [*jobs, task.get("type")] if isinstance(name, str)])
    hosts = [host for job in _JOBS for host in _hosts(jobs, job)]
    if not hosts:
        raise _refused("has neither a chief nor a worker")
    if len(set(hosts)) < len(hosts):
        raise _refused(f"has a duplicate worker: {', '.join(hosts)}")
    job, index = task.get("type"), task.get("index")
    size = len(_hosts(jobs, job)) if job in _JOBS else 0
    if type(index) is not int or not 0 <= index < size:
        accepted = " or ".join(f"{name} 0 to {len(jobs[name]) - 1}" for name in _JOBS if jobs.get(name))
        raise _refused(f"must have as task {accepted}, got {json.dumps(task)}")
    return Cluster(len(hosts), index if job == _CHIEF else index + len(_hosts(jobs, _CHIEF)))


def _refuse_other_jobs(names: Sequence[str]) -> None:
    for name in names:
        if name in _USELESS_JOBS:
            raise _refused(f"has the job {name}, which has no work: {_USELESS_JOBS[name]}; leave it out")
    other = sorted(set(names) - set(_JOBS))
    if other:
        raise _refused(f"has jobs other than {' and '.join(_JOBS)}: {', '.join(other)}")


def _hosts(jobs: Mapping[str, Any], job: str) -> list[str]:
    hosts = jobs.get(job, [])
    if not isinstance(hosts, list) or not all(
        isinstance(host, str) and re.fullmatch(r".+:\d+", host) for host in hosts
    ):
        raise _refused(f"must have a list of HOST:PORT as cluster.{job}, got {json.dumps(hosts)}")
    if job == _CHIEF and len(hosts) > 1:
        raise _refused(f"must have one chief, got {', '.join(hosts)}")
    return hosts


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
