from __future__ import annotations

from collections import Counter

import pytest

from mtdnn_tf.demo.draws import Draws
from mtdnn_tf.demo.messages import INTENTS, MOODS, Message, draw_message, worded


def _texts(message: Message, count: int = 200) -> list[str]:
    return [worded(Draws("test", n), message) for n in range(count)]


def test_values_of_the_facet_take_turns_and_the_other_facets_say_nothing():
    draws = Draws("test")
    intents = [draw_message(draws, number, "intent") for number in range(600)]
    assert set(Counter(message.intent for message in intents).values()) == {100}
    moods = [draw_message(draws, number, "mood") for number in range(600)]
    assert set(Counter(message.mood for message in moods).values()) == {200}
    assert {message.intent for message in moods} == set(INTENTS)
    urgencies = Counter(draw_message(draws, number, "urgency").urgency for number in range(1000))
    assert sorted(urgencies) == [1, 2, 3, 4, 5] and min(urgencies.values()) > 150
    assert {(message.mood, message.urgency) for message in intents} == {(MOODS[1], 2)}


def test_a_message_says_its_mood_and_urgency_only_if_it_has_one():
    plain = _texts(Message("delivery", "neutral", 2))
    assert not any("shop" in text or "service" in text or "answer" in text or "hurry" in text for text in plain)
    happy = ("I love your shop.", "You are always so kind.", "I am a happy customer.", "You do a great job.")
    for text in _texts(Message("delivery", "happy", 2)):
        assert any(clause in text for clause in (*happy, "Your service is excellent."))
    urgent = ("I need it today.", "This cannot wait.", "Please answer this hour.")
    assert all(any(clause in text for clause in urgent) for text in _texts(Message("delivery", "neutral", 5)))


def test_some_messages_that_say_nothing_else_mention_another_intent():
    def sentences(message: Message) -> int:
        return sum(text.count(".") + text.count("?") for text in _texts(message, 1000))

    assert sentences(Message("refund", "neutral", 2)) - 1000 == pytest.approx(300, abs=50)
    assert sentences(Message("refund", "happy", 2)) == 2000


def test_words_differ_and_clauses_come_in_any_order():
    texts = _texts(Message("refund", "angry", 5))
    assert len(set(texts)) > 150
    firsts = {text.split(".")[0] for text in texts}
    assert "I need it today" in firsts and "This is a disgrace" in firsts
