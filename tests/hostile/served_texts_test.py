"""10,000 texts at random, asked of a SavedModel and of ONNX's client, against the `tokenizers` library's BERT."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from tokenizers import BertWordPieceTokenizer, Tokenizer

from mtdnn_tf.serving.client_files import TOKENIZER
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.onnx_format.export import MODEL
from tests.hostile.texts_test import TEXTS, VOCABULARY
from tests.serving.examples import MAX_SEQUENCE_LENGTH, SINGLE, loaded_model

_COUNT, _BATCH = 10_000, 250
_KNOWN = sorted({*"".join(TEXTS.values()), *"the cat 0aZ[]#'"})


def _text(generator: random.Random) -> str:
    """Returns characters of unusual texts, of any plane but surrogates, or words that the vocabulary has."""
    length = generator.choice([0, 1, 2, 5, 20, 60])
    # 0x800 surrogates are no characters.
    points = [generator.randrange(0x110000 - 0x800) for _ in range(3)]
    characters = [chr(point + 0x800 * (point >= 0xD800)) for point in points]
    any_character = ["a", *(one for one in characters if not _is_disputed(one))]
    words = ["the", "cat", "thecat", " ", "\u00a0", "[SEP]", "##the", "x" * 101]
    return "".join(generator.choice(generator.choice([_KNOWN, any_character, words])) for _ in range(length))


def _is_disputed(character: str) -> bool:
    """Returns whether `tokenizers` may read a character otherwise than BERT's own code, as docs/onnx.md says."""
    return unicodedata.category(character)[0] in "MP" or 0x2B820 <= ord(character) < 0x2B920


def _rows(texts: list[str]) -> list[list[int]]:
    reference = BertWordPieceTokenizer({piece: at for at, piece in enumerate(VOCABULARY)}, lowercase=True)
    # What a text spells out is text here; `tokenizers` would take it for the token itself.
    spelled = [text.replace("[", " [ ").replace("]", " ] ") for text in texts]
    ids = [encoded.ids for encoded in reference.encode_batch(spelled, add_special_tokens=False)]
    return [[2, *row[: MAX_SEQUENCE_LENGTH - 2], 3] for row in ids]


@pytest.mark.slow
def test_served_models_answer_any_text_by_the_ids_of_berts_tokenizer(tmp_path: Path, record_property) -> None:
    loaded = loaded_model([SINGLE], vocabulary=VOCABULARY)
    version = tmp_path / "1"
    export_model(loaded, version, formats=("saved_model", "onnx"))
    served = tf.saved_model.load(str(version)).signatures
    tokenizer = Tokenizer.from_file(str(version / "onnx" / TOKENIZER))
    session = onnxruntime.InferenceSession(str(version / "onnx" / MODEL))
    generator = random.Random(0)
    texts = [*TEXTS.values(), *(_text(generator) for _ in range(_COUNT - len(TEXTS)))]
    for start in range(0, _COUNT, _BATCH):
        part = texts[start : start + _BATCH]
        rows = _rows(part)
        encoded = tokenizer.encode_batch(part)
        assert [[*np.compress(row.attention_mask, row.ids)] for row in encoded] == rows
        mask = np.array([row.attention_mask for row in encoded])
        ids = np.zeros(mask.shape, np.int32)
        ids[mask == 1] = np.concatenate(rows)
        by_ids = served["tokens"](
            token_ids=tf.constant(ids),
            segment_ids=tf.zeros_like(ids),
            padding_mask=tf.constant(mask, tf.int32),
        )["single"]
        (name,) = served["single"].structured_input_signature[1]
        answer = served["single"](**{name: tf.constant([text.encode() for text in part])})["probabilities"]
        np.testing.assert_allclose(answer, tf.nn.softmax(by_ids), atol=1e-5)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (of_onnx,) = session.run(["single"], {key: value.astype(np.int64) for key, value in feed.items()})
        np.testing.assert_allclose(of_onnx, answer, atol=1e-5)
    record_property("trials", _COUNT)
