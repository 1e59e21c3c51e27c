from __future__ import annotations

import re

import pytest

from mtdnn_tf.data.demo_draws import Draws
from mtdnn_tf.data.demo_mood import MOODS, mood_message

_GOOD = {"excellent", "wonderful", "fantastic", "perfect", "loved", "adored"}
_BAD = {"awful", "terrible", "horrible", "dreadful", "hated", "stand"}


@pytest.mark.parametrize(("mood", "other"), [(0, _GOOD), (1, _BAD)])
def test_no_message_speaks_strongly_against_its_mood(mood, other):
    draws = Draws("strong", mood)
    messages = [mood_message(draws, mood) for _ in range(1500)]
    assert not [message for message in messages if set(re.findall(r"\w+", message.lower())) & other]
    assert [message for message in messages if set(re.findall(r"\w+", message.lower())) & (_GOOD | _BAD)]


def test_a_denied_word_turns_the_mood():
    draws = Draws("denied")
    messages = {(mood_message(draws, mood), MOODS[mood]) for mood in (0, 1) for _ in range(3000)}
    # Without "but", "although" and the like, a message is one clause.
    clauses = [pair for pair in messages if not re.search(r"but|yet|though|while|, and|that", pair[0].lower())]
    denied = {
        mood for text, mood in clauses if re.search(r"(not|never|hardly|far from|by no means) (dirty|rude|bad)", text)
    }
    plain = {mood for text, mood in clauses if re.search(r"was (really |very |quite )?(dirty|rude|bad)\.", text)}
    assert denied == {"positive"}
    assert plain == {"negative"}
    refuted = {
        mood
        for text, mood in messages
        if re.search(r"(not true|wrong|doubt) that the \w+ was (rude|bad|poor|late)\.", text)
    }
    assert refuted == {"positive"}
