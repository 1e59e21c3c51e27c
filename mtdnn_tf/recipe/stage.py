"""A stage of the recipe: something with a name that is done or not, and can be continued."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.preparation import training_size
from mtdnn_tf.training.run import check_trained, is_trained, train


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Its folder or file below the recipe's folder.
        what: What it makes, in a few words.
        run: Makes it, going on where an interrupted run stopped.
        is_done: Whether it is.
        steps: Returns how many training steps it takes from its start; the tokenizer encodes the rows for it.
        check: Refuses other settings than those that it was done with.
    """

    name: str
    what: str
    run: Callable[[], object]
    is_done: Callable[[], bool]
    steps: Callable[[WordPieceTokenizer], int] = lambda tokenizer: 0
    check: Callable[[], object] = lambda: None


def training_stage(
    name: str,
    what: str,
    settings: TrainingConfig,
    deferred_settings: Callable[[], dict[str, object]] = dict,
) -> Stage:
    """Returns the stage of a training.

    Args:
        name: Its name.
        what: What it trains.
        settings: Its settings; `output_dir` is its run folder.
        deferred_settings: Returns fields of the settings that depend on stages before this one; none of them changes
            the number of steps.
    """

    def known() -> TrainingConfig:
        return settings.replace(**deferred_settings())

    return Stage(
        name=name,
        what=what,
        run=lambda: train(known()),
        is_done=lambda: is_trained(settings.output_dir),
        steps=lambda tokenizer: settings.optimization.epochs * training_size(settings, tokenizer).steps_per_epoch,
        check=lambda: check_trained(known()),
    )
