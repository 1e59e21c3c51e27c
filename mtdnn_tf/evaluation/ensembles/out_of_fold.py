"""Which rows of the training split each run of an ensemble counts for: those that it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mtdnn_tf.data.folds import Fold
from mtdnn_tf.errors import UserError


def predictions_per_example(folds: Sequence[Fold | None]) -> int:
    """Returns how many runs count for each row of the training split.

    Args:
        folds: The fold that each run was trained without; None for a run that was trained on all rows, and counts for
            all.

    Raises:
        UserError: A row would have more runs than another: runs of a fold are missing.
    """
    counts = Counter(folds)
    per_example, missing = counts[None], []
    for number in sorted({fold.folds for fold in folds if fold}):
        of_folds = [counts[Fold(number, held_out)] for held_out in range(number)]
        per_example += max(of_folds)
        missing += [
            f"{max(of_folds) - count} with --folds={number} --held_out_fold={held_out}"
            for held_out, count in enumerate(of_folds)
            if count < max(of_folds)
        ]
    if missing:
        raise UserError(
            f"--teachers takes as many runs for every fold of the training split; of those given, {', '.join(missing)} "
            f"{'is' if missing[1:] == [] and missing[0].startswith('1 ') else 'are'} missing"
        )
    return per_example


def check_fold_weights(folds: Sequence[Fold | None], weights: Sequence[float]) -> None:
    """Refuses weights that leave rows of the training split to runs of weight 0.

    Args:
        folds: As of `predictions_per_example`, which has accepted them.
        weights: Of the runs.

    Raises:
        UserError: The runs of a fold all have the weight 0, and so has every run that was trained on all rows.
    """
    counting = {fold for fold, weight in zip(folds, weights) if weight > 0}
    numbers = {fold.folds for fold in folds if fold}
    unweighted = {
        number: [held_out for held_out in range(number) if Fold(number, held_out) not in counting] for number in numbers
    }
    if None not in counting and numbers and all(unweighted.values()):
        number = min(numbers)
        raise UserError(
            f"--weights takes a number above 0 for a run of every fold; for fold {unweighted[number][0]} of {number} "
            f"none has one, {', '.join(map(str, weights))} given"
        )
