"""Several splits of a task as one, to train on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.json_files import fingerprint


def join_splits(splits: Sequence[EncodedSplit]) -> EncodedSplit:
    """Returns one split with the rows of several, one split after the other, in memory.

    Args:
        splits: Different splits of one task, one or more, of the same word pieces and length.

    Returns:
        The only one itself; else a split named "<first>+<second>", whose ids are "<split>/<id>" and whose manifest has
        no more than a `key`, which depends on all of them.
    """
    if len(splits) == 1:
        return splits[0]
    starts = np.cumsum([0, *(len(split.token_ids) for split in splits)])
    offsets = [split.offsets[:-1] + start for split, start in zip(splits, starts)]
    return dataclasses.replace(
        splits[0],
        split="+".join(split.split for split in splits),
        example_ids=[f"{split.split}/{example_id}" for split in splits for example_id in split.example_ids],
        token_ids=np.concatenate([split.token_ids for split in splits]),
        offsets=np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
        first_segment_lengths=np.concatenate([split.first_segment_lengths for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        data_fingerprint=fingerprint([split.data_fingerprint for split in splits]),
        queries=_joined_queries(splits),
        manifest={"key": joined_key([split.manifest["key"] for split in splits])},
    )


def joined_key(keys: Sequence[str]) -> str:
    """Returns the key in the manifest of joined splits from those of their manifests."""
    return keys[0] if len(keys) == 1 else fingerprint(list(keys))


def _joined_queries(splits: Sequence[EncodedSplit]) -> np.ndarray | None:
    """Returns the rows' queries, none of which is in two splits."""
    joined: list[np.ndarray] = []
    for split in splits:
        if split.queries is None:
            return None
        joined.append(np.asarray(split.queries) + (joined[-1].max() + 1 if joined else 0))
    return np.concatenate(joined).astype(np.int32)
