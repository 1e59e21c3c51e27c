"""Numbers of a ranking's queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtdnn_tf.data.sources.example import Example


class QueryNumbers:
    """Numbers queries in the order in which they first come; it keeps their names in memory."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}

    def next(self, examples: Sequence[Example]) -> np.ndarray:
        """Returns the number of each of the next candidates' queries, int32 [examples]."""
        numbers = self._numbers
        return np.array([numbers.setdefault(example.group, len(numbers)) for example in examples], np.int32)
