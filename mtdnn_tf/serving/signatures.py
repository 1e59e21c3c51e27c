"""What a served model answers to: one signature a task for texts, and one for token ids."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.model_folder import LoadedModel
from mtdnn_tf.modeling.multi_task_model import INPUTS
from mtdnn_tf.tasks.task import CLASSIFICATION, Task

TOKENS = "tokens"
_TEXTS = ("text_a", "text_b")

# No Python branches on a tensor here, and without AutoGraph tracing is faster.
_function = functools.partial(tf.function, autograph=False)


@dataclasses.dataclass(frozen=True)
class _Untracked:
    """Hides a model from TensorFlow's object tracking.

    A SavedModel holds every Keras layer that is tracked, with functions that serving does not need.
    """

    loaded: LoadedModel


class Signatures(tf.Module):
    """Answers from texts or token ids, by the tokenizer and model of a run.

    Word pieces and encoder are one function of the graph each, which all signatures call.

    Args:
        loaded: The model; it is used without dropout.

    Raises:
        UserError: A task has no head, or its name is that of the signature for token ids.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__()
        for task in loaded.tasks:
            if task.name == TOKENS:
                raise UserError(f"task name {TOKENS!r} is taken by the signature for token ids; rename the task")
            if task.head_task not in loaded.model.heads:
                raise unknown_name(f"head of task {task.name}", task.head_task, loaded.model.heads)
        self._untracked = _Untracked(loaded)
        self._weights = list(loaded.model.variables)

    def all(self) -> dict[str, Callable[..., dict[str, tf.Tensor]]]:
        """Returns every signature by its name: that of each task, and "tokens"."""
        tasks = self._untracked.loaded.tasks
        signatures = {task.name: self._text_signature(task) for task in tasks}
        tokens = {name: tf.TensorSpec([None, None], tf.int32, name) for name in INPUTS}
        return {**signatures, TOKENS: _function(self.logits_of_tokens).get_concrete_function(**tokens)}

    def logits_of_tokens(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns every task's logits [batch, num_outputs] from the model's inputs, int32 [batch, length]."""
        encoded = self._encode(inputs)
        return {task.name: self._logits(encoded, task) for task in self._untracked.loaded.tasks}

    def answer_texts(self, task: Task, texts: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Answers one task from texts.

        Args:
            task: The task.
            texts: `text_a`, and `text_b` of a pair, string [batch].

        Returns:
            Of a classification `label` string [batch], `probabilities` float32 and `label_names` string, both
            [batch, labels]; of a regression `score` float32 [batch].
        """
        loaded = self._untracked.loaded
        tokens = [self._tokenize(texts[name]) for name in _TEXTS if name in texts]
        packed = pack(tokens[0], tokens[1] if task.is_pair else None, loaded.tokenizer, loaded.max_sequence_length)
        inputs = {name: tf.cast(values, tf.int32) for name, values in to_model_inputs(packed).items()}
        logits = self._logits(self._encode(inputs), task)
        if task.kind != CLASSIFICATION:
            return {"score": logits[:, 0]}
        names = tf.constant(task.labels)
        return {
            "label": tf.gather(names, tf.argmax(logits, axis=1)),
            "probabilities": tf.nn.softmax(logits),
            # A server's batching splits every output by rows, so the names stand in each row.
            "label_names": tf.tile(names[tf.newaxis], [tf.shape(logits)[0], 1]),
        }

    def _text_signature(self, task: Task) -> Callable[..., dict[str, tf.Tensor]]:
        specs = {name: tf.TensorSpec([None], tf.string, name) for name in _TEXTS[: len(task.text)]}
        return _function(lambda **texts: self.answer_texts(task, texts)).get_concrete_function(**specs)

    @_function(input_signature=[tf.TensorSpec([None], tf.string)])
    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._untracked.loaded.tokenizer.tokenize(texts)

    @_function(input_signature=[{name: tf.TensorSpec([None, None], tf.int32) for name in INPUTS}])
    def _encode(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._untracked.loaded.model.encode(inputs, training=False)

    def _logits(self, encoded: dict[str, tf.Tensor], task: Task) -> tf.Tensor:
        head = self._untracked.loaded.model.heads[task.head_task]
        return tf.cast(head(encoded, training=False), tf.float32)
