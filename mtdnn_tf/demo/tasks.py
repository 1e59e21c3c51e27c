"""The demo's three tasks, one of each shape: a row of texts with its label or score."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mtdnn_tf.demo.draws import Draws
from mtdnn_tf.demo.messages import INTENTS, NUM_DAYS, NUM_ITEMS, Message, draw_message, reply_to, worded

LARGEST_SCORE = 5.0
ANSWERS = ("no", "yes")


class DemoRow(NamedTuple):
    """One row of a task: its texts, and its label's name or its score."""

    texts: tuple[str, ...]
    gold: str | float


class DemoTask(NamedTuple):
    """How a task's rows are made and written.

    Attributes:
        make_row: Returns the row of a number, of which labels take turns.
        labels: Names of the labels; empty for a score.
        columns: Names of the columns, the label's last.
        ending: Format of its files: "tsv", "csv" or "jsonl".
        metrics: Names of the metrics.
    """

    make_row: Callable[[Draws, int], DemoRow]
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    ending: str
    metrics: tuple[str, ...]


def _intent(draws: Draws, number: int) -> DemoRow:
    message = draw_message(draws)._replace(intent=number % len(INTENTS))
    return DemoRow((worded(draws, message, draws.chance(0.5)),), INTENTS[message.intent])


def _answered(draws: Draws, number: int) -> DemoRow:
    message = draw_message(draws)
    replied = message
    if number % 2 == 0:
        field = draws.pick(("intent", "item"))
        replied = _changed(draws, message, field)
    return DemoRow((worded(draws, message, draws.chance(0.3)), reply_to(draws, replied)), ANSWERS[number % 2])


def _similarity(draws: Draws, number: int) -> DemoRow:
    first = draw_message(draws)
    second = first
    for field in draws.shuffled(Message._fields)[: number % (len(Message._fields) + 1)]:
        second = _changed(draws, second, field)
    return DemoRow((worded(draws, first), worded(draws, second)), similarity(first, second))


def similarity(first: Message, second: Message) -> float:
    """Returns how similar two messages are, from 0 to 5: 2.5 for the intent, 2 for the item, 0.5 for the day."""
    return 2.5 * (first.intent == second.intent) + 2.0 * (first.item == second.item) + 0.5 * (first.day == second.day)


def _changed(draws: Draws, message: Message, field: str) -> Message:
    """Returns the message with another value of a field."""
    values = {"intent": range(len(INTENTS)), "item": range(NUM_ITEMS), "day": range(NUM_DAYS)}[field]
    return message._replace(**{field: draws.pick_other(values, getattr(message, field))})


DEMO_TASKS = {
    "intent": DemoTask(_intent, INTENTS, ("message", "intent"), "tsv", ("accuracy", "f1_macro")),
    "answered": DemoTask(_answered, ANSWERS, ("message", "reply", "answered"), "jsonl", ("accuracy",)),
    "similarity": DemoTask(_similarity, (), ("first", "second", "score"), "csv", ("pearson", "spearman")),
}
