"""Answers to tasks from texts or serialized examples, whatever computes the logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from mtdnn_tf.tasks.task import Task

TEXTS = ("text_a", "text_b")


class AnswerSteps(Protocol):
    """The steps from texts to logits: those of `TextInputs`, an encoder, and heads by name."""

    single_inputs: Callable[..., Any]
    pair_inputs: Callable[..., Any]
    any_inputs: Callable[..., Any]

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks that are answered."""

    @property
    def encode(self) -> Callable[..., Any]:
        """From the model's inputs to what heads read."""

    @property
    def heads(self) -> Mapping[str, Callable[..., Any]]:
        """By name, from what `encode` returns to logits [batch, num_outputs]."""


class TaskAnswers(tf.Module):
    """Answers from texts or serialized examples, as TensorFlow's operations."""

    def __init__(self, steps: AnswerSteps) -> None:
        super().__init__()
        # TensorFlow does not track this object: a SavedModel would have functions of every Keras layer within it.
        self.steps = steps

    def answer_texts(self, task: Task, **texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers one task from `text_a`, and `text_b` of a pair, string [batch]; see `Kind.answer_tensors`."""
        steps = self.steps
        inputs = steps.pair_inputs if task.is_pair else steps.single_inputs
        encoded = steps.encode(inputs(*(texts[name] for name in TEXTS if name in texts)))
        return task.kind_object.answer_tensors(task, self.logits(encoded, task))

    def answer_examples(self, task: Task, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers one task from serialized tf.Examples, string [batch]; see `Kind.example_outputs`."""
        features = {name: tf.io.FixedLenFeature([], tf.string) for name in TEXTS[: len(task.text)]}
        answer = self.answer_texts(task, **tf.io.parse_example(inputs, features))
        return task.kind_object.example_outputs(answer)

    def answer_every_task(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers all tasks at once, running the encoder once; a second text "" means a single sentence.

        Returns:
            What `answer_texts` returns, named "<task>_<output>", and `<task>_applicable` bool [batch]: whether the row
            has as many texts as the task takes. Where it has not, labels are "", probabilities and scores 0.
        """
        encoded = self.encode_any(text_a, text_b)
        is_pair = tf.not_equal(text_b, "")
        answers: dict[str, tf.Tensor] = {}
        for task in self.steps.tasks:
            applicable = is_pair if task.is_pair else tf.logical_not(is_pair)
            for name, value in task.kind_object.answer_tensors(task, self.logits(encoded, task)).items():
                if name != "label_names":
                    condition = applicable if value.shape.rank == 1 else applicable[:, tf.newaxis]
                    value = tf.where(condition, value, tf.zeros([], value.dtype))
                answers[f"{task.name}_{name}"] = value
            answers[f"{task.name}_applicable"] = applicable
        return answers

    def encode_any(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encodes texts, string [batch]; a second text "" means a single sentence."""
        return dict(self.steps.encode(self.steps.any_inputs(text_a, text_b)))

    def logits(self, encoded: dict[str, tf.Tensor], task: Task) -> tf.Tensor:
        """Returns a task's logits [batch, num_outputs]."""
        return tf.cast(self.steps.heads[task.head_task](encoded), tf.float32)
