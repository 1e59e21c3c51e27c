"""Names, limits and tuples that kinds of tasks share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np

from mtdnn_tf.errors import UserError, shortened

# Number of each row's query from 0, int [rows]; None for kinds without.
Queries = Optional[np.ndarray]
# From gold labels and answers, or from a query's relevant candidates and scores, to a number.
Metric = Callable[[np.ndarray, np.ndarray], float]
# What a table of a teacher may hold: numbers per example, or answers of a teacher that is asked for labels.
PROBABILITIES, LOGITS = "probabilities", "logits"
VOTES, LOG_PROBABILITIES, LABELS = "votes", "log_probabilities", "labels"
TARGET_VALUES = (PROBABILITIES, LOGITS, VOTES, LOG_PROBABILITIES, LABELS)
DISTILL_LOSSES = ("cross_entropy", "kl", "mse")
# Undefined where gold labels or predictions are all alike.
CORRELATIONS = ("matthews_correlation", "pearson", "spearman")
# Keeps the log of a probability finite; the smallest normal float32 is about 1e-38.
SMALLEST_PROBABILITY = 1e-30
# The mean squared error of logits takes probabilities of teachers from here on: log(1e-30), of an imported 0, would be
# hundreds of times what cross-entropy makes of it. Tables with six decimals lose nothing.
SMALLEST_LOGIT = math.log(1e-6)
# How far from 1 the probabilities of a list may sum: float32 rounds, and text files have few decimals.
SUM_TOLERANCE = 1e-3
ID_COLUMN = "id"
# Between the labels of a row, in files of data and of predictions.
LIST_SEPARATOR = ";"
# No two parts take the same digits: a cell of many digits that is no number would take time by their square.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST_FLOAT32 = 3.4e38


class Confidences(NamedTuple):
    """What calibration is computed from."""

    confidence: np.ndarray  # Probability of each answer, float64 [answers].
    right: np.ndarray  # Whether it is right, or the share of equally probable answers that are, [answers].
    nll: float  # Mean negative log-likelihood of gold, in nats.
    brier: float | None  # Brier score; None where it is not defined.


class LabelledPredictions(NamedTuple):
    """What teachers predict for examples with gold labels."""

    values: np.ndarray  # Float64 [teachers, entries]: probabilities of the lists' entries, or scores.
    gold: np.ndarray  # Float64 [entries]: the gold distribution over each list, or gold scores.
    lists: np.ndarray | None  # Number of each entry's list, from 0, int [entries]; None for scores.
    size: int  # Number of lists, or of scores.


def read_number(cell: str | None, column: str, where: str) -> float:
    """Returns the number that a cell of a data file spells, which float32 must hold."""
    number = float(cell) if cell is not None and _NUMBER.fullmatch(cell) else math.nan
    if not abs(number) <= _LARGEST_FLOAT32:
        given = "null" if cell is None else repr(shortened(cell))
        raise UserError(f"{where}: column {column!r} must be a number, got {given}")
    return number


def check_range(probabilities: np.ndarray, where: Callable[[int], str]) -> None:
    """Refuses numbers of a file of soft targets that are no probabilities."""
    wrong = np.flatnonzero(~((probabilities >= 0.0) & (probabilities <= 1.0)).all(axis=1))
    if len(wrong):
        shown = ", ".join(f"{number:g}" for number in probabilities[wrong[0]])
        raise UserError(
            f"{where(wrong[0])}: probabilities must be from 0 to 1, got {shown}; use --values=logits for logits"
        )
