"""Test messages for the demo's exported model, in words that its corpus does not use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.demo.messages import LARGEST_URGENCY

# A score within a quarter of the scale of the expected one counts as right.
_NEAR = 0.25 * LARGEST_URGENCY


class Question(NamedTuple):
    """A test message.

    Attributes:
        task: Name of the task.
        text: The message.
        expected: Correct label or score.
    """

    task: str
    text: str
    expected: str | float


class Answer(NamedTuple):
    """An answer of the model.

    Attributes:
        question: The test message.
        given: Predicted label or score.
        probability: Probability of the label; None for a score.
    """

    question: Question
    given: str | float
    probability: float | None

    @property
    def is_right(self) -> bool:
        """Whether the label is correct, or the score close enough."""
        expected = self.question.expected
        if isinstance(expected, float) and isinstance(self.given, float):
            return abs(self.given - expected) <= _NEAR
        return self.given == expected

    def to_line(self) -> str:
        """Returns the answer in one line, with the expected value if it is wrong."""
        given = f"{self.given:.1f} of 5" if self.probability is None else f"{self.given} ({self.probability:.2f})"
        wrong = "" if self.is_right else f"   WRONG, expected {self.question.expected}"
        return f"  {self.question.task:8} {given:17} {self.question.text}{wrong}"


QUESTIONS = (
    Question("intent", "You billed me twice for one coat.", "billing"),
    Question("intent", "When does my parcel arrive? I need the dress on Saturday.", "delivery"),
    Question("intent", "The screen of my new phone is cracked.", "defect"),
    Question("intent", "These shoes are too tight. Can I get them a size up?", "exchange"),
    Question("mood", "What a terrible shop! Where is my lamp?", "angry"),
    Question("mood", "You are wonderful, thank you. Please cancel the kettle.", "happy"),
    Question("urgency", "You can take your time with the lamp, next month is fine.", 1.0),
    Question("urgency", "I need the coat today, my train leaves in an hour!", 5.0),
)


def answer_questions(model_folder: Path) -> list[Answer]:
    """Answers `QUESTIONS` with an exported model, using only TensorFlow and TF.Text.

    Args:
        model_folder: Folder of a version, with saved_model.pb.
    """
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)

    signatures: dict[str, Callable[..., Any]] = tf.saved_model.load(str(model_folder)).signatures
    answers = []
    for question in QUESTIONS:
        outputs = signatures[question.task](text_a=tf.constant([question.text]))
        if "label" in outputs:
            label, probability = outputs["label"][0].numpy().decode(), float(outputs["probabilities"].numpy().max())
            answers.append(Answer(question, label, probability))
        else:
            answers.append(Answer(question, float(outputs["score"][0]), None))
    return answers
