"""A small encoder of a family, and what is done with an encoder: each column of the table of families is a check."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
import tokenizers
from safetensors.numpy import load_file
from scipy.special import softmax

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.bert_weights import read_weights
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from mtdnn_tf.modeling.checkpoints.families import FAMILIES
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import fast_tokenizer
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel, load_model, save_model
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import ONNX, export_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import write_tasks
from tests.serving.examples import PAIR, SINGLE
from tests.serving.onnx_format.sessions import answers
from tests.transformers_families import EXPECTED, LENGTH, TEXTS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "families"
_FIRST = [text for text, _ in TEXTS]
_SECOND = [text or "" for _, text in TEXTS]
_HAS_SECOND = [text is not None for _, text in TEXTS]


def packed(pretrained: PretrainedBackbone) -> dict[str, tf.Tensor]:
    """Returns `TEXTS` as an encoder's inputs."""
    tokenizer = pretrained.tokenizer()
    first, second = (tokenizer.tokenize(tf.constant(texts)) for texts in (_FIRST, _SECOND))
    return to_model_inputs(pack(first, second, tokenizer, LENGTH, tf.constant(_HAS_SECOND)))


class EncoderCase:
    """An encoder and a folder for what is made of it.

    Args:
        folder: Hugging Face folder with `EXPECTED`, what transformers made of `TEXTS`.
        work: Folder for runs, exports and conversions, which each check makes once.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder, work

    @functools.cached_property
    def pretrained(self) -> PretrainedBackbone:
        """The encoder as it is read."""
        return find_backbone(str(self.folder))

    @functools.cached_property
    def served(self) -> tuple[LoadedModel, Path]:
        """A model of two tasks whose answers depend on the text, and its SavedModel."""
        tasks = [SINGLE, PAIR]
        model = build_multi_task_model(self.pretrained, tasks, dropout=0.5)
        for head in model.heads.values():
            head.set_weights([np.random.default_rng(0).normal(0, 4, weight.shape) for weight in head.get_weights()])
        save_model(model, tasks, self.pretrained.tokenizer(), LENGTH, self.work / "model")
        loaded = load_model(self.work / "model")
        assert loaded.model.backbone.config == self.pretrained.config
        export_model(loaded, self.work / "exports" / "1", batch_sizes=(1,))
        return loaded, self.work / "exports" / "1"

    @functools.cached_property
    def answers(self) -> list[tuple[Task, dict[str, np.ndarray], np.ndarray]]:
        """Each served task, the inputs of some texts, and the model's logits."""
        loaded, _ = self.served
        first, second = (loaded.tokenizer.tokenize(tf.constant(texts)) for texts in (_FIRST, _SECOND))
        found = []
        for task, others in ((SINGLE, None), (PAIR, second)):
            inputs = to_model_inputs(pack(first, others, loaded.tokenizer, LENGTH))
            arrays = {name: value.numpy().astype(np.int32) for name, value in inputs.items()}
            logits = loaded.model.task_logits(inputs, task.name).numpy()
            assert np.ptp(logits, axis=0).max() > 0.05
            found.append((task, arrays, logits))
        return found


def check_read(case: EncoderCase) -> None:
    """Reads the encoder."""
    assert case.pretrained.weights


def check_ids(case: EncoderCase) -> None:
    """Compares the ids of texts with those of transformers, also by the tokenizer that is written for it."""
    expected, inputs = np.load(case.folder / EXPECTED), packed(case.pretrained)
    mask = expected["mask"] > 0
    np.testing.assert_array_equal(inputs["padding_mask"], mask)
    np.testing.assert_array_equal(np.where(mask, inputs["token_ids"], 0), np.where(mask, expected["ids"], 0))
    if case.pretrained.config.num_segments > 1:
        np.testing.assert_array_equal(inputs["segment_ids"], expected["segments"])
    written = tokenizers.Tokenizer.from_str(json.dumps(fast_tokenizer(case.pretrained.tokenizer(), LENGTH)))
    rows = written.encode_batch([first if second is None else (first, second) for first, second in TEXTS])
    assert [row.ids for row in rows] == expected["ids"].tolist()
    assert [row.attention_mask for row in rows] == expected["mask"].tolist()


def check_outputs(case: EncoderCase) -> None:
    """Compares the outputs of all positions with those of transformers."""
    expected = np.load(case.folder / EXPECTED)
    mask = expected["mask"] > 0
    encoder = build_multi_task_model(case.pretrained, [SINGLE]).backbone
    output = encoder(packed(case.pretrained), training=False)["sequence_output"].numpy()
    assert np.abs(expected["output"][mask]).max() > 1
    np.testing.assert_allclose(output[mask], expected["output"][mask], atol=1e-5)


def check_training(case: EncoderCase) -> None:
    """Trains every weight of the encoder, and reads the encoder of the run."""
    config = TrainingConfig.build(
        output_dir=case.work / "run",
        data_dir=case.work,
        cache_dir=case.work / "cache",
        task_file=(write_tasks(case.work / "tasks", rows=16),),
        tasks=("entailment",),
        max_sequence_length=LENGTH,
        backbone=str(case.folder),
        epochs=1,
        batch_size=8,
        learning_rate=0.01,
        parallel_parts=1,
        evaluation="never",
    )
    train(config)
    trained, initial = load_model(config.output_dir).model.backbone, case.pretrained
    again = find_backbone(str(config.output_dir))
    assert trained.config == again.config == initial.config
    for weight, array in read_weights(trained).items():
        assert np.isfinite(array).all() and not np.array_equal(array, initial.weights[weight]), weight
        np.testing.assert_array_equal(array, again.weights[weight])


def check_export_with_texts(case: EncoderCase) -> None:
    """Compares what a SavedModel answers from texts with the model's answers."""
    _, folder = case.served
    signatures = tf.saved_model.load(str(folder)).signatures
    texts = {"text_a": tf.constant(_FIRST), "text_b": tf.constant(_SECOND)}
    for task, _, logits in case.answers:
        given = list(texts)[: len(task.text)]
        answered = signatures[task.name](**{name: texts[name] for name in given})
        np.testing.assert_allclose(answered["probabilities"], softmax(logits, axis=1), atol=1e-5)


def check_export_with_ids(case: EncoderCase) -> None:
    """Compares what a SavedModel and an ONNX model answer from ids with the model's answers."""
    loaded, folder = case.served
    export_model(loaded, folder.parent / "2", formats=(ONNX,))
    signature = tf.saved_model.load(str(folder)).signatures["tokens"]
    model = onnx.load(str(folder.parent / "2" / ONNX / "model.onnx"))
    for task, inputs, logits in case.answers:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        np.testing.assert_allclose(signature(**tensors)[task.name], logits, atol=1e-4)
        np.testing.assert_allclose(answers(model, inputs)[task.name], softmax(logits, axis=1), atol=1e-5)


def check_written_back(case: EncoderCase) -> None:
    """Writes the encoder for Hugging Face, with the same bytes and fields, and reads that."""
    written = EncoderCase(case.work / "written", case.work)
    convert(case.pretrained, written.folder, "huggingface")
    family = FAMILIES[case.pretrained.config.model_type]
    read = load_file(case.folder / "model.safetensors")
    before = {name.removeprefix(f"{family.prefix}."): array for name, array in read.items()}
    after = load_file(written.folder / "model.safetensors")
    assert len(after) == sum(name.startswith(f"{family.prefix}.") for name in read)
    for name, array in after.items():
        assert array.tobytes() == before[name].tobytes()
    config, fields = (json.loads((at / "config.json").read_text()) for at in (case.folder, written.folder))
    assert fields.pop("architectures") == [family.architecture]
    assert {name: config[name] for name in fields if name in config} == {
        name: value for name, value in fields.items() if name in config
    }
    shutil.copy(case.folder / EXPECTED, written.folder)
    check_ids(written)
    check_outputs(written)


# By the heading of its column.
CHECKS: dict[str, Callable[[EncoderCase], None]] = {
    "read": check_read,
    "ids equal": check_ids,
    "outputs equal": check_outputs,
    "trained": check_training,
    "exported with texts": check_export_with_texts,
    "exported with ids": check_export_with_ids,
    "written back": check_written_back,
}
