import pytest

from mtdnn_tf.data.folds import Fold
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.out_of_fold import check_fold_weights, predictions_per_example

HALVES = [Fold(2, 0), Fold(2, 1)]


@pytest.mark.parametrize(
    ("folds", "count"),
    [
        ([None], 1),
        (HALVES, 1),
        (2 * HALVES, 2),
        ([*HALVES, None], 2),
        ([*HALVES, Fold(3, 2), Fold(3, 0), Fold(3, 1)], 2),
    ],
)
def test_every_row_has_as_many_runs(folds, count):
    assert predictions_per_example(folds) == count


@pytest.mark.parametrize(
    ("folds", "missing"),
    [
        ([Fold(2, 0)], "1 with --folds=2 --held_out_fold=1 is missing"),
        ([*HALVES, Fold(2, 1)], "1 with --folds=2 --held_out_fold=0 is missing"),
        ([Fold(3, 1), Fold(3, 1), None], "2 with --folds=3 --held_out_fold=0, 2 with --folds=3 --held_out_fold=2 are"),
        ([Fold(2, 0), Fold(3, 1)], "1 with --folds=2 --held_out_fold=1, 1 with --folds=3 --held_out_fold=0, 1 with"),
    ],
)
def test_missing_folds_are_named(folds, missing):
    with pytest.raises(UserError, match=missing):
        predictions_per_example(folds)


def test_weights_leave_no_row_without_a_run():
    check_fold_weights(HALVES, [1, 2])
    check_fold_weights([*HALVES, None], [1, 0, 1])
    check_fold_weights([*HALVES, *HALVES], [1, 0, 0, 1])
    check_fold_weights([None, None], [1, 0])
    with pytest.raises(UserError, match="for fold 1 of 2 none has one, 1, 0 given"):
        check_fold_weights(HALVES, [1, 0])
    with pytest.raises(UserError, match="for fold 0 of 2 none has one"):
        check_fold_weights([*HALVES, None], [0, 1, 0])
