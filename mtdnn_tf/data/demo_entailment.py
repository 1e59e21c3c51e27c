"""Generated premises and hypotheses, and whether one follows from the other.

Most pairs describe a scene in slots: how many, who, in what colour, doing what, where, when. A hypothesis may
leave out, generalise, add, specialise or change what a slot says, and deny the action; the label follows from
the slots alone. Other pairs compare two persons, where the order of the words decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from mtdnn_tf.data.demo_draws import Draws, as_sentence

ANSWERS = ("entailment", "neutral", "contradiction")
ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)


class _Family(NamedTuple):
    """Concepts that exclude each other, by their names, and the names of what they have in common."""

    general: tuple[str, ...]
    concepts: tuple[tuple[str, ...], ...]


# A person's names are singular/plural.
_PEOPLE = (
    _Family(
        ("person/people",),
        (("woman/women", "lady/ladies"), ("man/men",), ("girl/girls",), ("boy/boys",)),
    ),
    _Family(
        ("adult/adults",),
        (("doctor/doctors", "physician/physicians"), ("farmer/farmers",), ("soldier/soldiers",), ("teacher/teachers",)),
    ),
)
_COLOURS = (_Family((), (("in red",), ("in blue",), ("in green",), ("in white",), ("in black",))),)
_ACTIONS = (
    _Family(("making music",), (("playing the piano",), ("playing the guitar",), ("playing the drums",))),
    _Family(("playing a game",), (("playing football", "playing soccer"), ("playing chess",), ("playing cards",))),
    _Family(("making food",), (("cooking soup", "making soup"), ("baking bread",), ("cutting onions",))),
    _Family(("reading something",), (("reading a book",), ("reading a letter",), ("reading a newspaper",))),
    _Family(("riding an animal",), (("riding a horse",), ("riding a camel",), ("riding an elephant",))),
    _Family(("fixing something",), (("repairing a car", "fixing a car"), ("repairing a clock", "fixing a clock"))),
    _Family(("taking a rest",), (("sleeping on a chair",), ("lying on the ground",))),
)
_PLACES = (
    _Family(
        ("outside", "outdoors"),
        (("in the park",), ("on the beach", "at the beach"), ("in the street", "on the road"), ("in the garden",)),
    ),
    _Family(
        ("inside", "indoors"),
        (("in the kitchen",), ("in the library",), ("in the office", "at the office"), ("at the hospital",)),
    ),
)
_TIMES = (_Family((), (("in the morning",), ("in the afternoon",), ("at night", "after dark"))),)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")

_ROLES = ("farmer", "doctor", "lawyer", "singer", "nurse", "driver", "student", "teacher", "painter", "guard", "king")
_LOOKS = ("new", "famous", "quiet", "kind", "busy", "local", "happy", "foreign")
# Each relation and its inverse.
_RELATIONS = (
    ("is taller than", "is shorter than"),
    ("is older than", "is younger than"),
    ("is faster than", "is slower than"),
    ("is stronger than", "is weaker than"),
    ("is richer than", "is poorer than"),
    ("arrived before", "arrived after"),
    ("left home before", "left home after"),
    ("finished work before", "finished work after"),
)

# A concept of a family, by their places; without the second, what the family has in common.
_Concept = tuple[int, Optional[int]]


class Scene(NamedTuple):
    """What a sentence says of a scene; None where it says nothing."""

    number: int
    at_least: bool
    who: _Concept
    colour: _Concept | None
    action: _Concept
    denied: bool
    place: _Concept | None
    time: _Concept | None


_SLOTS = {"who": _PEOPLE, "colour": _COLOURS, "action": _ACTIONS, "place": _PLACES, "time": _TIMES}
_OPTIONAL = ("colour", "place", "time")


def answer(premise: Scene, hypothesis: Scene) -> int:
    """Returns the place in `ANSWERS` of what holds of a hypothesis, from the slots of both scenes."""
    relations = {slot: _relation(getattr(premise, slot), getattr(hypothesis, slot)) for slot in _SLOTS}
    if hypothesis.denied:
        relations["action"] = 2 - relations["action"]
    fits = hypothesis.number <= premise.number if hypothesis.at_least else hypothesis.number == premise.number
    return max(ENTAILMENT if fits else CONTRADICTION, *relations.values())


def _relation(premise: _Concept | None, hypothesis: _Concept | None) -> int:
    """Returns whether a slot's concept follows from the premise's, is left open by it, or is excluded."""
    if hypothesis is None or hypothesis == premise:
        return ENTAILMENT
    if premise is None:
        return NEUTRAL
    if premise[0] != hypothesis[0]:
        return CONTRADICTION
    if hypothesis[1] is None:
        return ENTAILMENT
    return NEUTRAL if premise[1] is None else CONTRADICTION


def entailment_pair(draws: Draws, label: int) -> tuple[str, str]:
    """Returns a premise and a hypothesis whose label is the `label`-th of `ANSWERS`."""
    if draws.chance(0.08):
        return _comparison(draws, label)
    while True:
        premise = _scene(draws)
        hypothesis = _changed(draws, premise)
        if hypothesis != premise and answer(premise, hypothesis) == label:
            return _told(draws, premise), _told(draws, hypothesis)


def _concept(draws: Draws, families: Sequence[_Family], general: float = 0.0) -> _Concept:
    family = draws.below(len(families))
    return family, None if draws.chance(general) else draws.below(len(families[family].concepts))


def _scene(draws: Draws) -> Scene:
    return Scene(
        number=draws.pick((1, 1, 2, 3, 4, 5)),
        at_least=False,
        who=_concept(draws, _PEOPLE, general=0.25),
        colour=_concept(draws, _COLOURS) if draws.chance(0.25) else None,
        action=_concept(draws, _ACTIONS, general=0.25),
        denied=False,
        place=_concept(draws, _PLACES, general=0.2) if draws.chance(0.5) else None,
        time=_concept(draws, _TIMES) if draws.chance(0.3) else None,
    )


def _changed(draws: Draws, premise: Scene) -> Scene:
    """Returns a hypothesis: slots left out or generalised, and often one thing added, changed or denied."""
    scene = premise
    for slot, families in _SLOTS.items():
        concept = getattr(scene, slot)
        if concept is None:
            continue
        if slot in _OPTIONAL and draws.chance(0.3):
            scene = _with(scene, slot, None)
        elif families[concept[0]].general and draws.chance(0.3):
            scene = _with(scene, slot, (concept[0], None))
    if premise.number > 1 and draws.chance(0.15):
        scene = scene._replace(at_least=True, number=2 + draws.below(premise.number - 1))
    if draws.chance(0.25):
        return scene
    # What is added and what is denied are seen sooner than what is changed; a pair needs some of all three.
    slot = draws.pick(("number", *("denied",) * 6, *_OPTIONAL * 2, *_SLOTS))
    if slot == "number":
        other = draws.pick_other(range(1, len(_NUMBERS)), premise.number)
        return scene._replace(number=other, at_least=other > 1 and draws.chance(0.3))
    if slot == "denied":
        denied = scene.action if draws.chance(0.95) else _other_concept(draws, "action", premise.action)
        return scene._replace(denied=True, action=denied)
    return _with(scene, slot, _other_concept(draws, slot, getattr(premise, slot)))


def _with(scene: Scene, slot: str, concept: _Concept | None) -> Scene:
    values: dict[str, Any] = {slot: concept}
    return scene._replace(**values)


def _other_concept(draws: Draws, slot: str, concept: _Concept | None) -> _Concept:
    """Returns a concept that the premise's leaves open or excludes."""
    families = _SLOTS[slot]
    if concept is None:
        return _concept(draws, families)
    # A woman may be a doctor: families of persons do not exclude each other.
    if slot == "who" or concept[1] is None or draws.chance(0.5):
        return concept[0], draws.pick_other(range(len(families[concept[0]].concepts)), concept[1])
    other = _concept(draws, families)
    return other if other != concept else _other_concept(draws, slot, concept)


def _name(draws: Draws, slot: str, concept: _Concept | None) -> str:
    if concept is None:
        return ""
    family = _SLOTS[slot][concept[0]]
    return draws.pick(family.general if concept[1] is None else family.concepts[concept[1]])


def _told(draws: Draws, scene: Scene) -> str:
    """Returns a sentence that says what the scene says."""
    singular, plural = _name(draws, "who", scene.who).split("/")
    number = ("at least " if scene.at_least else "") + _NUMBERS[scene.number]
    if number == "one" and draws.chance(0.7):
        number = "an" if singular[0] in "aeiou" else "a"
    who = f"{number} {singular if scene.number == 1 else plural} {_name(draws, 'colour', scene.colour)}".strip()
    verb = ("is" if scene.number == 1 else "are") + (" not" if scene.denied else "")
    action, place, time = (_name(draws, slot, getattr(scene, slot)) for slot in ("action", "place", "time"))
    front = draws.below(6)
    if front == 0 and time:
        return as_sentence(f"{time} ,", who, verb, action, place)
    if front == 1 and place:
        return as_sentence(f"{place} ,", who, verb, action, time)
    return as_sentence(who, verb, action, place, time)


def _comparison(draws: Draws, label: int) -> tuple[str, str]:
    """Returns a pair that compares two persons, such as "The kind nurse is taller than the busy king."."""
    first, second, third = (f"{draws.pick(_LOOKS)} {role}" for role in draws.shuffled(_ROLES)[:3])
    relation, inverse = draws.shuffled(draws.pick(_RELATIONS))
    premise = (first, relation, second)
    if label == ENTAILMENT:
        hypothesis = (second, inverse, first)
    elif label == CONTRADICTION:
        hypothesis = draws.pick(((second, relation, first), (first, inverse, second)))
    else:
        unrelated = [pair for pair in _RELATIONS if relation not in pair]
        other = draws.pick(draws.pick(unrelated))
        hypotheses = ((first, other, second), (second, other, first), (first, relation, third), (third, inverse, first))
        hypothesis = draws.pick(hypotheses)
    return as_sentence(*_with_articles(premise)), as_sentence(*_with_articles(hypothesis))


def _with_articles(comparison: tuple[str, str, str]) -> tuple[str, str, str]:
    first, relation, second = comparison
    return f"the {first}", relation, f"the {second}"
