from __future__ import annotations

from collections import Counter

import pytest

from mtdnn_tf.demo.draws import Draws
from mtdnn_tf.demo.messages import INTENTS, NUM_ITEMS, Message, draw_message, reply_to, worded
from mtdnn_tf.demo.tasks import DEMO_TASKS, similarity


def test_messages_name_their_item_by_either_name_and_their_day_only_if_it_is_known():
    draws = Draws("test")
    texts = {worded(draws, Message(0, 0, None)) for _ in range(200)}
    assert all("sofa" in text or "couch" in text for text in texts)
    assert any("sofa" in text for text in texts) and any("couch" in text for text in texts)
    assert not any("ordered it" in text for text in texts)
    assert all("I ordered it on Monday." in worded(draws, Message(0, 0, 0)) for _ in range(50))


def test_an_aside_adds_another_sentence():
    sentences = [worded(Draws("test", n), Message(1, 2, None), has_aside=True).count(".") for n in range(100)]
    without = [worded(Draws("test", n), Message(1, 2, None)).count(".") for n in range(100)]
    assert sum(sentences) - sum(without) == pytest.approx(100, abs=30)


def test_all_intents_and_items_are_drawn():
    draws = Draws("test")
    drawn = [draw_message(draws) for _ in range(2000)]
    assert set(Counter(message.intent for message in drawn)) == set(range(len(INTENTS)))
    assert set(Counter(message.item for message in drawn)) == set(range(NUM_ITEMS))


def test_a_reply_depends_on_intent_and_item_only():
    texts = {reply_to(Draws("test", n), Message(3, 4, n)) for n in range(8)}
    assert texts <= {
        *(f"Your order of the {name} is cancelled." for name in ("phone", "mobile phone")),
        *(f"We have stopped the order, the {name} will not be sent." for name in ("phone", "mobile phone")),
    }


@pytest.mark.parametrize(
    ("second", "score"),
    [
        (Message(0, 0, None), 5.0),
        (Message(0, 0, 1), 4.5),
        (Message(1, 0, None), 2.5),
        (Message(0, 1, None), 3.0),
        (Message(1, 1, 1), 0.0),
    ],
)
def test_similarity_counts_what_two_messages_share(second, score):
    assert similarity(Message(0, 0, None), second) == similarity(second, Message(0, 0, None)) == score


def test_similar_pairs_have_all_degrees_of_similarity():
    draws = Draws("test")
    scores = Counter(DEMO_TASKS["similarity"].make_row(draws, number).gold for number in range(2000))
    assert {0.0, 0.5, 2.0, 2.5, 3.0, 4.5, 5.0} <= set(scores)
    assert min(scores[score] for score in (0.0, 2.5, 5.0)) > 100
