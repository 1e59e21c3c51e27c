"""The kinds of tasks that are known by name."""

from __future__ import annotations

from mtdnn_tf.errors import unknown_name
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.classification import Classification
from mtdnn_tf.kinds.multi_label import MultiLabel
from mtdnn_tf.kinds.ranking import Ranking
from mtdnn_tf.kinds.regression import Regression

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Classification(), Regression(), Ranking(), MultiLabel())}


def kind_named(name: str, what: str = "kind of task", where: str = "") -> Kind:
    """Returns the kind of this name.

    Args:
        name: The name.
        what: What is named, for the message.
        where: Where the name is given, such as "tasks.yaml:3".

    Raises:
        UserError: No kind has this name.
    """
    if name not in KINDS:
        raise unknown_name(what, name, KINDS, where)
    return KINDS[name]
