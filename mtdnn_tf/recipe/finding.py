"""What a recipe found, in sentences: scores, the share of the ensemble's gain that the student keeps, and the price."""

from __future__ import annotations

from collections.abc import Mapping

from mtdnn_tf.evaluation.measures.fidelity import Gain
from mtdnn_tf.report.data import Cost


def finding(gains: Mapping[str, Gain], cost: Cost, num_teachers: int, num_seeds: int) -> list[str]:
    """Returns the finding, the most important sentence first.

    Args:
        gains: What `recipe.report.gains` returned; "all" is of all tasks.
        cost: What `recipe.cost.answering_cost` returned, whose last two rows are all tasks' ensembles and the student.
        num_teachers: Number of teachers in an ensemble.
        num_seeds: Number of students, over which scores are averaged.
    """
    ensembles, student = cost.rows[-2:]
    return [
        _scores(gains["all"], num_seeds),
        f"Price: the {num_teachers} teachers together have {_times(ensembles.parameters, student.parameters)} the "
        f"student's parameters ({_millions(ensembles.parameters)} million against {_millions(student.parameters)} "
        f"million) and need {_times(ensembles.flops, student.flops)} its computation to answer all tasks.",
    ]


def _scores(gain: Gain, num_seeds: int) -> str:
    if gain.ensemble is None:
        return f"Average score: student {_score(gain.student)}, multi-task model {_score(gain.baseline)}."
    tasks = len(gain.tasks)
    of = f"average of {tasks} task{'s' if tasks > 1 else ''}" + (
        f", mean of {num_seeds} seeds" if num_seeds > 1 else ""
    )
    scores = (
        f"the ensemble of teachers scores {_score(gain.ensemble)}, the multi-task model {_score(gain.baseline)} and "
        f"the distilled student {_score(gain.student)} ({of})"
    )
    if gain.kept is None:
        verdict = "The ensemble is no better than one model, so there is nothing to distil"
    elif gain.kept >= 1.0:
        verdict = "The student is as good as the ensemble of its teachers"
    elif gain.kept > 0.0:
        verdict = f"The student keeps {100 * gain.kept:.0f} % of what the ensemble gains over one model"
    else:
        verdict = "The student keeps nothing of what the ensemble gains over one model"
    return f"{verdict}: {scores}."


def _score(value: float) -> str:
    return f"{100 * value:.1f}"


def _millions(value: float | None) -> str:
    return f"{(value or 0) / 1e6:.1f}" if (value or 0) < 1e8 else f"{(value or 0) / 1e6:.0f}"


def _times(larger: float | None, smaller: float | None) -> str:
    return f"{(larger or 0) / (smaller or 1):.1f} times"
