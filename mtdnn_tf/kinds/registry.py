"""The kinds of tasks that are known by name."""

from __future__ import annotations

from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.classification import Classification
from mtdnn_tf.kinds.multi_label import MultiLabel
from mtdnn_tf.kinds.ranking import Ranking
from mtdnn_tf.kinds.regression import Regression

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Classification(), Regression(), Ranking(), MultiLabel())}
