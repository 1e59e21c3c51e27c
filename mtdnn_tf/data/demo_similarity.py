"""Generated pairs of sentences about deals, and how similar they are.

A deal is made of six facts worth five points in all; a pair scores the points of the facts that both
sentences tell. Who sold and who bought is told by word order or by a passive, "sold to" is "bought from"
the other way round, and things go by several names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mtdnn_tf.data.demo_draws import Draws, as_sentence

LARGEST_SCORE = 5.0

_PARTIES = (
    ("the company", "the firm"),
    ("the hospital", "the clinic"),
    ("the city", "the town"),
    ("the army", "the military"),
    ("the museum", "the gallery"),
    ("the shop", "the store"),
    ("the farmer",),
    ("the church",),
    ("the university", "the college"),
    ("the hotel", "the inn"),
    ("the airline",),
    ("the library",),
)
# By kind; each thing by its names.
_THINGS = (
    (("trucks",), ("buses",), ("cars", "automobiles"), ("bicycles", "bikes")),
    (("ships",), ("boats",), ("planes", "aircraft"), ("helicopters",)),
    (("horses",), ("cows",), ("sheep",), ("dogs",)),
    (("tables",), ("chairs",), ("beds",), ("lamps", "lights")),
    (("computers",), ("printers",), ("phones", "telephones"), ("cameras",)),
    (("paintings", "pictures"), ("maps",), ("statues",), ("films", "movies")),
)
# What the giver does, and what the taker does, in the same deal.
_DEALS = (("sold", "bought"), ("lent", "borrowed"), ("donated", "received"))
_COUNTS = (("two", "2"), ("three", "3"), ("four", "4"), ("five", "5"), ("six", "6"), ("nine", "9"), ("twelve", "12"))
_MONTHS = ("January", "March", "April", "June", "July", "August", "October", "December")
_QUALITIES = ("", "", "old", "new", "large", "cheap", "used", "heavy")
_SOURCES = ("", "", "", "", "officials said", "reportedly", "as expected ,", "in fact ,")


class Deal(NamedTuple):
    """The facts that a sentence tells, by their places in this module's lists.

    Attributes:
        giver: Who gave.
        taker: Who took.
        kind: What sort of deal.
        thing: (kind, thing) of what changed hands.
        number: How many.
        month: When; None if the sentence does not say.
    """

    giver: int
    taker: int
    kind: int
    thing: tuple[int, int]
    number: int
    month: int | None


def similarity(first: Deal, second: Deal) -> float:
    """Returns the points of the shared facts, from 0 to 5.

    Giver, taker, sort of deal and thing are worth 1 each, a thing of the same kind 0.5; count and month are
    worth 0.5 each, a month that one sentence leaves out 0.25.
    """
    score = float(first.giver == second.giver) + (first.taker == second.taker) + (first.kind == second.kind)
    if first.thing[0] == second.thing[0]:
        score += 1.0 if first.thing == second.thing else 0.5
    if first.number == second.number:
        score += 0.5
    if first.month == second.month:
        score += 0.5
    elif None in (first.month, second.month):
        score += 0.25
    return score


def similarity_pair(draws: Draws) -> tuple[str, str, float]:
    """Returns two sentences and their score, from 0 to 5."""
    first = _deal(draws)
    second = _changed(draws, first, draws.below(len(Deal._fields) + 1))
    if draws.chance(0.15):
        second = second._replace(giver=second.taker, taker=second.giver)
    return _told(draws, first), _told(draws, second), similarity(first, second)


def _deal(draws: Draws) -> Deal:
    giver, taker = draws.shuffled(range(len(_PARTIES)))[:2]
    thing_kind = draws.below(len(_THINGS))
    return Deal(
        giver=giver,
        taker=taker,
        kind=draws.below(len(_DEALS)),
        thing=(thing_kind, draws.below(len(_THINGS[thing_kind]))),
        number=draws.below(len(_COUNTS)),
        month=draws.below(len(_MONTHS)) if draws.chance(0.6) else None,
    )


def _changed(draws: Draws, deal: Deal, num_facts: int) -> Deal:
    """Returns the deal with this many of its facts changed."""
    for fact in draws.shuffled(Deal._fields)[:num_facts]:
        other = _deal(draws)
        while getattr(other, fact) == getattr(deal, fact) or {other.giver, other.taker} & {deal.giver, deal.taker}:
            other = _deal(draws)
        values: dict[str, Any] = {fact: getattr(other, fact)}
        if fact == "thing" and draws.chance(0.5):
            same_kind = range(len(_THINGS[deal.thing[0]]))
            values[fact] = (deal.thing[0], draws.pick_other(same_kind, deal.thing[1]))
        deal = deal._replace(**values)
    return deal


def _told(draws: Draws, deal: Deal) -> str:
    """Returns a sentence that tells the deal."""
    giver, taker = draws.pick(_PARTIES[deal.giver]), draws.pick(_PARTIES[deal.taker])
    gave, took = _DEALS[deal.kind]
    kind, thing = deal.thing
    things = [draws.pick(_COUNTS[deal.number]), draws.pick(_QUALITIES), draws.pick(_THINGS[kind][thing])]
    goods = " ".join(word for word in things if word)
    form = draws.below(3)
    if form == 0:
        core = f"{giver} {gave} {goods} to {taker}"
    elif form == 1:
        core = f"{taker} {took} {goods} from {giver}"
    else:
        core = f"{goods} were {gave} to {taker} by {giver}"
    month = "" if deal.month is None else f"in {_MONTHS[deal.month]}"
    if month and draws.chance(0.3):
        return as_sentence(f"{month} ,", core)
    return as_sentence(draws.pick(_SOURCES), core, month)
