from __future__ import annotations

import statistics

from benchmarks.quickstart import Outcome, summary


def _outcome(seed: int, multi_task: float, student: float, right: int = 8) -> Outcome:
    tasks = {"intent": student + 5, "similarity": student - 5}
    return Outcome(seed, 60.0 * (seed + 4), [80.0, 84.0], 86.0 if seed else 81.0, multi_task, student, tasks, right, 8)


def test_the_summary_counts_the_seeds_in_which_each_claim_holds():
    outcomes = [_outcome(0, 82.0, 84.0), _outcome(1, 83.0, 82.5, right=7), _outcome(2, 81.0, 86.0)]
    deviation = statistics.stdev([2.0, -0.5, 5.0])
    assert summary(outcomes).splitlines() == [
        "(a) lowest average of multi-task model or student: 81.0; student's lowest task: 77.5",
        "(b) ensemble above the mean of its members: 2 of 3",
        f"(c) student above multi-task model: 2 of 3, by 2.2 points in the mean, standard deviation {deviation:.1f}",
        "(d) all answers right: 2 of 3",
        "minutes: 4.0, 5.0, 6.0",
    ]


def test_one_seed_has_no_standard_deviation():
    assert "deviation" not in summary([_outcome(0, 82.0, 84.0)])
