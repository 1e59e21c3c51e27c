"""Generated messages to a shop's customer service, and replies to them.

A message says what the customer wants (an intent) and about which item, in one of many wordings, among phrases that
carry no information. Some also mention an intent that they do not have ("The bill is fine. Where is the lamp?").
"""

from __future__ import annotations

from typing import NamedTuple

from mtdnn_tf.demo.draws import Draws, as_sentence

INTENTS = ("refund", "delivery", "defect", "cancel", "billing", "exchange")

_ITEMS = (
    ("the sofa", "the couch"),
    ("the bike", "the bicycle"),
    ("the lamp", "the light"),
    ("the coat", "the jacket"),
    ("the phone", "the mobile phone"),
    ("the shoes", "the sneakers"),
    ("the laptop", "the notebook computer"),
    ("the camera",),
    ("the kettle",),
    ("the headphones", "the earphones"),
    ("the desk",),
    ("the watch",),
)
# {item} is one of an item's names. By intent: what a customer writes.
_WANTS = (
    (
        "I want my money back for {item}",
        "please refund {item}",
        "I would like to return {item} and be refunded",
        "how do I send {item} back for a refund?",
        "I am not happy with {item} and want to be repaid",
        "{item} was not what I expected, give me my money back",
    ),
    (
        "where is {item}?",
        "{item} has not arrived yet",
        "when will {item} be delivered?",
        "I am still waiting for {item}",
        "the parcel with {item} seems to be lost",
        "{item} should have been here last week",
    ),
    (
        "{item} arrived broken",
        "{item} stopped working after a day",
        "there is a crack in {item}",
        "a part of {item} came off",
        "{item} was damaged in the box",
        "something is wrong with {item}, it makes a strange noise",
    ),
    (
        "please cancel my order of {item}",
        "I ordered {item} by mistake, please stop the order",
        "I no longer need {item}, do not send it",
        "take {item} off my order before it ships",
        "I changed my mind, I do not want to buy {item} any more",
        "is it too late to cancel {item}?",
    ),
    (
        "I was charged twice for {item}",
        "the invoice for {item} is wrong",
        "you took too much from my card for {item}",
        "the price on the bill for {item} is not what I agreed to",
        "my discount is missing from the bill for {item}",
        "why did I pay more for {item} than the website said?",
    ),
    (
        "I need {item} in another size",
        "can I swap {item} for a different colour?",
        "please exchange {item} for a bigger one",
        "I would rather have {item} in black",
        "{item} is too small, send me the next size instead",
        "could I get another model in place of {item}?",
    ),
)
# By intent: what the shop answers.
_REPLIES = (
    ("we have sent you the money for {item}", "you will be repaid for {item} within three days"),
    ("{item} will be with you on Friday", "{item} left our store today, it is on its way"),
    ("we will repair {item}", "we are sorry that {item} is faulty, a technician will look at it"),
    ("your order of {item} is cancelled", "we have stopped the order, {item} will not be sent"),
    ("we have corrected the bill for {item}", "you paid too much for {item}, the new invoice is attached"),
    ("we will send you {item} in the other size", "we have swapped {item}, the new colour ships today"),
)
# By intent: a remark of a customer who wants something else.
_ASIDES = (
    ("I do not want a refund", "keep the money"),
    ("the delivery was quick", "the parcel came on time"),
    ("nothing is broken", "it works as it should"),
    ("I do not want to cancel anything", "the order stands"),
    ("the bill is fine", "I have no question about the price"),
    ("the size is right", "I like the colour"),
)
_OPENERS = ("hello", "hi there", "good morning", "dear team", "excuse me", "one question")
_CLOSERS = ("thank you", "please help", "I hope to hear from you soon", "this is urgent", "best wishes", "many thanks")
_DAYS = ("on Monday", "on Tuesday", "last week", "two days ago", "yesterday", "in March", "in June", "at the weekend")


class Message(NamedTuple):
    """What a message says.

    Attributes:
        intent: Place in `INTENTS`.
        item: What it is about, a number below `NUM_ITEMS`.
        day: When the item was ordered, a number below `NUM_DAYS`; None if the message does not say.
    """

    intent: int
    item: int
    day: int | None


NUM_ITEMS = len(_ITEMS)
NUM_DAYS = len(_DAYS)


def draw_message(draws: Draws) -> Message:
    """Returns a random message."""
    day = draws.below(NUM_DAYS) if draws.chance(0.5) else None
    return Message(draws.below(len(INTENTS)), draws.below(NUM_ITEMS), day)


def worded(draws: Draws, message: Message, has_aside: bool = False) -> str:
    """Returns a text of the message.

    Args:
        draws: Chooses the words.
        message: What it says.
        has_aside: Whether it also mentions an intent that it does not have.
    """
    clauses = [draws.pick(_WANTS[message.intent]).format(item=draws.pick(_ITEMS[message.item]))]
    if message.day is not None:
        clauses.append(f"I ordered it {_DAYS[message.day]}")
    if has_aside:
        aside = draws.pick(_ASIDES[draws.pick_other(range(len(INTENTS)), message.intent)])
        clauses.insert(draws.below(len(clauses) + 1), aside)
    frame = draws.below(4)
    if frame == 0:
        clauses.insert(0, draws.pick(_OPENERS))
    elif frame == 1:
        clauses.append(draws.pick(_CLOSERS))
    return " ".join(as_sentence(clause) for clause in clauses)


def reply_to(draws: Draws, message: Message) -> str:
    """Returns a reply that answers the message."""
    return as_sentence(draws.pick(_REPLIES[message.intent]).format(item=draws.pick(_ITEMS[message.item])))
