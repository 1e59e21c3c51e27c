from __future__ import annotations

from collections import Counter

import pytest

from mtdnn_tf.demo.draws import Draws
from mtdnn_tf.demo.messages import INTENTS, MOODS, Message, draw_message, worded


def _texts(message: Message, count: int = 200) -> list[str]:
    return [worded(Draws("test", n), message) for n in range(count)]


def test_intents_and_moods_take_turns_and_urgencies_are_drawn():
    draws = Draws("test")
    drawn = [draw_message(draws, number) for number in range(1800)]
    assert set(Counter((message.intent, message.mood) for message in drawn).values()) == {1800 // 18}
    assert {message.intent for message in drawn} == set(INTENTS)
    assert {message.mood for message in drawn} == set(MOODS)
    urgencies = Counter(message.urgency for message in drawn)
    assert sorted(urgencies) == [1, 2, 3, 4, 5] and min(urgencies.values()) > 250


def test_a_message_says_its_mood_and_urgency_only_if_it_has_one():
    plain = _texts(Message("delivery", "neutral", 2))
    assert not any("shop" in text or "service" in text or "answer" in text or "hurry" in text for text in plain)
    assert all("shop" in text or "service" in text or "job" in text or "kind" in text or "customer" in text
               for text in _texts(Message("delivery", "happy", 2)))  # fmt: skip
    urgent = ("I need it today.", "This cannot wait.", "Please answer this hour.")
    assert all(any(clause in text for clause in urgent) for text in _texts(Message("delivery", "neutral", 5)))


def test_a_fifth_of_the_messages_mentions_another_intent():
    texts = _texts(Message("refund", "neutral", 2), 1000)
    sentences = sum(text.count(".") + text.count("?") for text in texts)
    assert sentences - len(texts) == pytest.approx(200, abs=40)


def test_words_differ_and_clauses_come_in_any_order():
    texts = _texts(Message("refund", "angry", 5))
    assert len(set(texts)) > 150
    firsts = {text.split(".")[0] for text in texts}
    assert "I need it today" in firsts and "This is a disgrace" in firsts
