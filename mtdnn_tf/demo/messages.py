"""Generated messages to a shop's customer service.

A message says what the customer wants (an intent) about an item, and often also how they feel (a mood), how long it can
wait (an urgency), and something about an intent that they do not have ("The bill is fine. Where is the lamp?").
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mtdnn_tf.demo.draws import Draws, as_sentence

INTENTS = ("refund", "delivery", "defect", "cancel", "billing", "exchange")
MOODS = ("angry", "neutral", "happy")
LARGEST_URGENCY = 5.0

# Separated by slashes: the names of an item, then the wordings of a clause.
_ITEMS = (
    *("the sofa/the couch", "the lamp/the light", "the desk/the table", "the phone/the mobile phone", "the camera"),
    *("the laptop/the notebook computer", "the coat/the jacket", "the dress/the gown", "the hat/the cap"),
    *("the kettle", "the toaster", "the frying pan/the pan", "the bike/the bicycle", "the watch", "the suitcase"),
)
_WANTS = {
    "refund": "I want my money back for {item}/please refund {item}/I would like to return {item} and be refunded/"
    "how do I send {item} back for a refund?",
    "delivery": "where is {item}?/{item} has not arrived yet/when will {item} be delivered?/"
    "I am still waiting for {item}",
    "defect": "{item} arrived broken/{item} stopped working after a day/{item} was damaged in the box/"
    "there is a crack in {item}",
    "cancel": "please cancel my order of {item}/I ordered {item} by mistake, please stop the order/"
    "is it too late to cancel {item}?/take {item} off my order before it ships",
    "billing": "I was charged twice for {item}/the invoice for {item} is wrong/my bill for {item} is too high/"
    "you took too much from my card for {item}",
    "exchange": "I need {item} in another size/can I swap {item} for a different colour?/"
    "please exchange {item} for a bigger one/I would like to change {item} for another model",
}
# Used in messages with another intent.
_ASIDES = {
    "refund": "I do not want a refund/keep the money",
    "delivery": "the delivery was quick/the parcel came on time",
    "defect": "nothing is broken/it works as it should",
    "cancel": "I do not want to cancel anything/the order stands",
    "billing": "the bill is fine/I have no question about the price",
    "exchange": "the size is right/I like the colour",
}
# Neutral messages have no feeling.
_FEELINGS = {
    "angry": "I am fed up with your shop/this is a disgrace/I will never order here again/I am losing my patience/"
    "your service is terrible",
    "happy": "I love your shop/you are always so kind/I am a happy customer/you do a great job/"
    "your service is excellent",
}
# By score; messages without urgency have a score of 2.
_UNSAID_URGENCY = 2
_URGENCIES = {
    1: "there is no hurry/take your time/it can wait until next month",
    3: "please answer this week/please answer before the weekend/I would like to know soon",
    4: "please answer by tomorrow/I leave tomorrow/please answer as fast as you can",
    5: "I need it today/this cannot wait/please answer this hour",
}
_SCORES = (1, _UNSAID_URGENCY, 3, 4, 5)


class Message(NamedTuple):
    """What a message says.

    Attributes:
        intent: One of `INTENTS`.
        mood: One of `MOODS`.
        urgency: From 1, it can wait, to 5, it cannot.
    """

    intent: str
    mood: str
    urgency: int


_PLAIN = Message(INTENTS[0], MOODS[1], _UNSAID_URGENCY)


def draw_message(draws: Draws, number: int, facet: str) -> Message:
    """Returns a random message that says nothing beside its intent and one facet.

    Args:
        draws: Chooses the message.
        number: Of the values of intent and mood, which take turns.
        facet: A field of `Message`.
    """
    values: dict[str, Any] = {
        "intent": INTENTS[number % len(INTENTS)],
        "mood": MOODS[number % len(MOODS)],
        "urgency": draws.pick(_SCORES),
    }
    return _PLAIN._replace(**{"intent": draws.pick(INTENTS), facet: values[facet]})


def worded(draws: Draws, message: Message) -> str:
    """Returns one of the many texts of a message."""

    def wording(clauses: str) -> str:
        return draws.pick(clauses.split("/"))

    clauses = [wording(_WANTS[message.intent]).format(item=wording(draws.pick(_ITEMS)))]
    if message.mood in _FEELINGS:
        clauses.append(wording(_FEELINGS[message.mood]))
    if message.urgency in _URGENCIES:
        clauses.append(wording(_URGENCIES[message.urgency]))
    if len(clauses) == 1 and draws.chance(0.3):
        clauses.append(wording(_ASIDES[draws.pick_other(INTENTS, message.intent)]))
    return " ".join(as_sentence(clause) for clause in draws.shuffled(clauses))
