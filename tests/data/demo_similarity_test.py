from __future__ import annotations

import re

from mtdnn_tf.data.demo_draws import Draws
from mtdnn_tf.data.demo_similarity import similarity_pair

_NAMES = {
    "firm": "company", "clinic": "hospital", "town": "city", "military": "army", "gallery": "museum",
    "store": "shop", "college": "university", "inn": "hotel", "automobiles": "cars", "bikes": "bicycles",
    "aircraft": "planes", "lights": "lamps", "telephones": "phones", "pictures": "paintings", "movies": "films",
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "nine": "9", "twelve": "12",
}  # fmt: skip
_KINDS = (
    "trucks buses cars bicycles", "ships boats planes helicopters", "horses cows sheep dogs",
    "tables chairs beds lamps", "computers printers phones cameras", "paintings maps statues films",
)  # fmt: skip
_TAKEN = {"bought": "sold", "borrowed": "lent", "received": "donated"}
_GOODS = r"(\w+)(?: (?:old|new|large|cheap|used|heavy))? (\w+)"
_FORMS = (
    re.compile(rf"the (?P<giver>\w+) (?P<deal>sold|lent|donated) {_GOODS} to the (?P<taker>\w+)"),
    re.compile(rf"the (?P<taker>\w+) (?P<deal>bought|borrowed|received) {_GOODS} from the (?P<giver>\w+)"),
    re.compile(rf"{_GOODS} were (?P<deal>sold|lent|donated) to the (?P<taker>\w+) by the (?P<giver>\w+)"),
)


def _facts(sentence: str) -> dict[str, str | None]:
    """Reads the facts back from a sentence, by patterns of its own."""
    match = next(match for match in (form.search(sentence.lower()) for form in _FORMS) if match)
    number, thing = match.group(*[at for at in range(1, 6) if at not in match.re.groupindex.values()])
    facts = {**match.groupdict(), "number": number, "thing": thing}
    facts = {name: _NAMES.get(word, word) for name, word in facts.items()}
    month = re.search(r"[Ii]n ([A-Z]\w+)", sentence)
    return {**facts, "deal": _TAKEN.get(facts["deal"], facts["deal"]), "month": month.group(1) if month else None}


def test_scores_count_the_facts_that_can_be_read_from_both_sentences():
    draws = Draws("similarity")
    scores = []
    for _ in range(600):
        first, second, score = similarity_pair(draws)
        a, b = _facts(first), _facts(second)
        expected: float = sum(a[name] == b[name] for name in ("giver", "taker", "deal", "thing"))
        same_kind = any({a["thing"], b["thing"]} <= set(kind.split()) for kind in _KINDS)
        expected += 0.5 * (a["thing"] != b["thing"] and same_kind) + 0.5 * (a["number"] == b["number"])
        expected += 0.5 if a["month"] == b["month"] else 0.25 * (None in (a["month"], b["month"]))
        assert score == expected, (first, second)
        scores.append(score)
    assert min(scores) < 0.5 and max(scores) == 5.0
    # Every fifth of the scale is well covered.
    assert all(sum(low <= score <= low + 1 for score in scores) > 60 for low in range(5))
