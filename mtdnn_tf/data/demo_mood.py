"""Generated customer messages and the mood they are in.

A message is judged by one clause: the only one, the main one beside "although", the one after "but", or the
stronger of two; or by what someone says and whether the writer agrees. The words of the other clause,
negation, and its negation in turn mislead whoever counts words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mtdnn_tf.data.demo_draws import Draws, as_sentence

MOODS = ("negative", "positive")


class _Aspect(NamedTuple):
    """Something a message is about, with the adjectives said of it by mood (negative, positive)."""

    name: str
    adjectives: tuple[tuple[str, ...], tuple[str, ...]]


_ASPECTS = (
    _Aspect("the room", (("dirty", "noisy", "dark", "cold"), ("clean", "quiet", "bright", "warm"))),
    _Aspect("the food", (("cold", "dry", "burned"), ("fresh", "delicious", "tasty"))),
    _Aspect("the waiter", (("rude", "lazy", "slow"), ("friendly", "polite", "quick"))),
    _Aspect("the driver", (("late", "careless", "rude"), ("careful", "helpful", "patient"))),
    _Aspect("the price", (("high", "unfair", "shocking"), ("low", "fair", "reasonable"))),
    _Aspect("the delivery", (("late", "slow", "careless"), ("fast", "early", "careful"))),
    _Aspect("the screen", (("dark", "broken", "tiny"), ("clear", "bright", "sharp"))),
    _Aspect("the battery", (("weak", "useless", "heavy"), ("strong", "reliable", "light"))),
    _Aspect("the music", (("loud", "dull", "boring"), ("beautiful", "soft", "lovely"))),
    _Aspect("the garden", (("wild", "dry", "ugly"), ("green", "beautiful", "peaceful"))),
    _Aspect("the bed", (("hard", "old", "broken"), ("soft", "comfortable", "warm"))),
    _Aspect("the manual", (("confusing", "useless", "wrong"), ("clear", "useful", "helpful"))),
    _Aspect("the coffee", (("weak", "bitter", "cold"), ("strong", "hot", "rich"))),
    _Aspect("the guide", (("rude", "boring", "late"), ("funny", "friendly", "smart"))),
)
_ANY = (("bad", "poor", "disappointing"), ("good", "nice", "pleasant"))
_EXTREME = (("awful", "terrible", "horrible", "dreadful"), ("wonderful", "excellent", "fantastic", "perfect"))
_FEELINGS = (("disliked", "complained about", "regretted"), ("liked", "enjoyed", "praised"))
_EXTREME_FEELINGS = (("hated", "could not stand"), ("loved", "adored"))
_DENIED_FEELINGS = (("did not like", "did not enjoy", "never liked"), ("did not mind", "never regretted"))
_WHO = ("I", "we", "my wife", "my brother", "all of us", "the children")
_NEGATIONS = ("not", "never", "hardly", "not at all", "by no means", "far from")
_OPENERS = (
    "we stayed three nights and",
    "we came on Monday and",
    "this was our second visit and",
    "I paid forty dollars and",
    "I ordered it last week and",
    "in the end",
    "to be honest ,",
    "for the record ,",
    "on the first day",
    "as far as I can tell ,",
)
# What is said of a clause, by whether the writer takes it for false or true.
_VERDICTS = (
    ("it is not true that", "it is wrong that", "I doubt that", "nobody can say that"),
    ("it is true that", "it is right that", "I agree that", "nobody can deny that"),
)
_REPORTS = ("they say that", "my friend thinks that", "one guest wrote that", "you may hear that")
_REPLIES = (
    (", which is not true", ", but I disagree", ", but they are wrong", ", and that is false"),
    (", which is true", ", and I agree", ", and they are right", ", and that is no lie"),
)
_EXPECTATIONS = (
    "they promised that",
    "my friend said that",
    "I had heard that",
    "everyone told us that",
    "I feared that",
)


def _plain(draws: Draws, aspect: _Aspect, mood: int) -> str:
    """Returns a clause without or with negation, such as "the room was far from dirty"."""
    form = draws.below(7)
    if form == 0:
        return f"{draws.pick(_WHO)} {draws.pick(_FEELINGS[mood])} {aspect.name}"
    if form == 1:
        return f"{draws.pick(_WHO)} {draws.pick(_DENIED_FEELINGS[mood])} {aspect.name}"
    if form <= 4:
        opposite = aspect.adjectives[1 - mood] + _ANY[1 - mood]
        return f"{aspect.name} was {draws.pick(_NEGATIONS)} {draws.pick(opposite)}"
    adjective = draws.pick(aspect.adjectives[mood] + _ANY[mood])
    return " ".join(f"{aspect.name} was {draws.pick(('', 'really', 'very', 'quite'))} {adjective}".split())


def _strong(draws: Draws, aspect: _Aspect, mood: int) -> str:
    """Returns a clause of strong feeling, such as "we loved the room"."""
    if draws.chance(0.4):
        return f"{draws.pick(_WHO)} {draws.pick(_EXTREME_FEELINGS[mood])} {aspect.name}"
    return f"{aspect.name} was {draws.pick(('absolutely', 'truly', 'simply'))} {draws.pick(_EXTREME[mood])}"


def _weak(draws: Draws, aspect: _Aspect, mood: int) -> str:
    """Returns a clause of slight feeling, such as "the room was a little dark"."""
    degree = draws.pick(("a little", "slightly", "somewhat", "a bit"))
    return f"{aspect.name} was {degree} {draws.pick(aspect.adjectives[mood] + _ANY[mood])}"


def _one_clause(draws: Draws, mood: int) -> str:
    clause = draws.pick((_plain, _plain, _strong))(draws, draws.pick(_ASPECTS), mood)
    return as_sentence(draws.pick(_OPENERS), clause)


def _but(draws: Draws, mood: int) -> str:
    first, second = draws.shuffled(_ASPECTS)[:2]
    opener = draws.pick(_EXPECTATIONS) if draws.chance(0.5) else ""
    other = mood if opener and draws.chance(0.2) else 1 - mood
    joint = draws.pick((", but", ", yet", ", but then"))
    return as_sentence(opener, _plain(draws, first, other), joint, _plain(draws, second, mood))


def _although(draws: Draws, mood: int) -> str:
    first, second = draws.shuffled(_ASPECTS)[:2]
    main, aside = _plain(draws, first, mood), _plain(draws, second, 1 - mood)
    conjunction = draws.pick(("although", "though", "even though"))
    if draws.chance(0.5):
        return as_sentence(conjunction, aside, ",", main)
    return as_sentence(main, ",", conjunction, aside)


def _stronger(draws: Draws, mood: int) -> str:
    first, second = draws.shuffled(_ASPECTS)[:2]
    clauses = draws.shuffled((_strong(draws, first, mood), _weak(draws, second, 1 - mood)))
    return as_sentence(clauses[0], draws.pick((", and", "and", ", while")), clauses[1])


def _verdict(draws: Draws, mood: int) -> str:
    agrees = draws.below(2)
    clause = _plain(draws, draws.pick(_ASPECTS), mood if agrees else 1 - mood)
    if draws.chance(0.4):
        return as_sentence(draws.pick(_VERDICTS[agrees]), clause)
    return as_sentence(draws.pick(_REPORTS), clause, draws.pick(_REPLIES[agrees]))


_FRAMES: tuple[Callable[[Draws, int], str], ...] = (_one_clause, _but, _although, _stronger, _verdict, _verdict)


def mood_message(draws: Draws, mood: int) -> str:
    """Returns a message in the mood that is the `mood`-th of `MOODS`."""
    return draws.pick(_FRAMES)(draws, mood)
