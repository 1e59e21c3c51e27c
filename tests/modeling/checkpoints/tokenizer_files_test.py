import itertools
import json
import random

import numpy as np
import pytest
import tensorflow as tf
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import fast_tokenizer
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.checkpoints.tokenizer_files import read_tokenizer_files
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.task import Task
from tests.helpers import VOCABULARY, write_huggingface_folder
from tests.hostile.strategies import SEEDED, mutated

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
# The last pieces of the vocabulary are added tokens here: before and after normalization, with a space, with capitals.
NUM_ADDED = 4
PIECES = VOCABULARY[:-NUM_ADDED]
ADDED = {"N_0": True, "[ENT]": False, "New York": False, "Caf\u00e9": True}
IDS = {content: len(PIECES) + number for number, content in enumerate(ADDED)}


def _texts(count=2000):
    generator = random.Random(0)
    parts = [
        *ADDED,
        "the",
        "cats",
        " ",
        "  ",
        "dog",
        "n_0",
        "CAF\u00c9",
        "cafe",
        "New  York",
        "new york",
        "[",
        "]",
        "\u4e2d",
    ]
    return ["".join(generator.choices(parts, k=generator.randrange(1, 9))) for _ in range(count)]


def _fast(lowercase=True, strip_accents=None, ideographs=True, added=True):
    """Returns Hugging Face's own tokenizer."""
    ids = {piece: number for number, piece in enumerate(PIECES)}
    fast = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    fast.normalizer = normalizers.BertNormalizer(True, ideographs, strip_accents, lowercase)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if added:
        fast.add_tokens([tokenizers.AddedToken(name, normalized=normalized) for name, normalized in ADDED.items()])
    return fast


def _folder(folder, config=None, fast=None, **files):
    """Writes a checkpoint whose vocab.txt lacks the added tokens."""
    write_huggingface_folder(folder)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    if config is not None:
        files["tokenizer_config"] = config
    if fast is not None:
        fast.save(str(folder / "tokenizer.json"))
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def _ids(tokenizer, texts):
    return tokenizer.tokenize(tf.constant(texts)).to_list()


def _fast_ids(fast, texts):
    return [encoding.ids for encoding in fast.encode_batch(texts, add_special_tokens=False)]


DECODER = {str(IDS[name]): {"content": name, "normalized": normalized} for name, normalized in ADDED.items()}


@pytest.mark.parametrize(
    "files",
    [
        {"fast": _fast()},
        {"config": {"do_lower_case": True, "added_tokens_decoder": DECODER}},
        {"added_tokens": IDS, "special_tokens_map": {"additional_special_tokens": ["[ENT]", {"content": "New York"}]}},
        {"fast": _fast(), "config": {"added_tokens_decoder": DECODER}, "added_tokens": IDS},
    ],
    ids=["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "all"],
)
def test_added_tokens_have_the_ids_of_hugging_face(tmp_path, files):
    tokenizer = find_backbone(str(_folder(tmp_path / "bert", **files))).tokenizer()
    texts = _texts()
    assert _ids(tokenizer, texts) == _fast_ids(_fast(), texts)
    assert _ids(tokenizer, ["the cat N_0 dog"])[0][2] == IDS["N_0"]
    assert tokenizer.fingerprint() != find_backbone("tiny").tokenizer().fingerprint()


def test_added_tokens_survive_training_export_and_conversion(tmp_path):
    pretrained = find_backbone(str(_folder(tmp_path / "bert", fast=_fast())))
    texts, model = _texts(200), build_multi_task_model(pretrained, [TASK])
    save_model(model, [TASK], pretrained.tokenizer(), 32, tmp_path / "run" / "model")
    convert(pretrained, tmp_path / "hf", "huggingface")
    expected = _fast_ids(_fast(), texts)
    for tokenizer in (
        load_model(tmp_path / "run").tokenizer,
        find_backbone(str(tmp_path / "run")).tokenizer(),
        find_backbone(str(tmp_path / "hf")).tokenizer(),
    ):
        assert _ids(tokenizer, texts) == expected
    loaded = load_model(tmp_path / "run")
    export_model(loaded, tmp_path / "export" / "1", batch_sizes=[1])
    served = tf.saved_model.load(str(tmp_path / "export" / "1")).signatures["mood"](tf.constant(texts[:8]))
    packed = tf.ragged.constant([[2, *ids, 3][:32] for ids in expected[:8]], dtype=tf.int32)
    inputs = {"token_ids": packed.to_tensor(), "padding_mask": tf.ones_like(packed).to_tensor()}
    logits = loaded.model.task_logits({**inputs, "segment_ids": tf.zeros_like(inputs["token_ids"])}, "mood")
    np.testing.assert_allclose(served["probabilities"], tf.nn.softmax(logits), atol=1e-5)
    with pytest.raises(UserError, match=r"cannot express its tokenizer \(added .*--format=huggingface"):
        convert(pretrained, tmp_path / "preset", "keras_nlp", accept_approximate_gelu=True)


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "ideographs"), itertools.product([True, False], [None, True, False], [True, False])
)
def test_settings_are_those_of_hugging_face(tmp_path, lowercase, strip_accents, ideographs):
    settings = {"do_lower_case": lowercase, "strip_accents": strip_accents, "tokenize_chinese_chars": ideographs}
    folder = _folder(tmp_path / "bert", settings, added_tokens=IDS)
    fast, texts = _fast(lowercase, strip_accents, ideographs), _texts(500)
    tokenizer = find_backbone(str(folder)).tokenizer()
    # added_tokens.json says of no token that it is special, so all are matched after normalization.
    texts = [text for text in texts if "ENT" not in text and "York" not in text and "york" not in text]
    assert _ids(tokenizer, texts) == _fast_ids(fast, texts)


def test_special_looking_pieces_do_not_make_a_vocabulary_cased(tmp_path, caplog):
    folder = _folder(tmp_path / "bert")
    pieces = [*PIECES[:-2], "<S>", "<T>"]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    with caplog.at_level("INFO", "absl"):
        pretrained = find_backbone(str(folder))
    assert pretrained.lowercase
    assert f"{folder}: uncased by its vocabulary; no file says it" in caplog.text
    assert pretrained.tokenizer().unknown_id not in _ids(pretrained.tokenizer(), ["The Cat"])[0]


def test_tokenizer_json_decides_casing(tmp_path):
    assert not find_backbone(str(_folder(tmp_path / "cased", fast=_fast(lowercase=False)))).lowercase
    assert find_backbone(str(_folder(tmp_path / "uncased", fast=_fast()))).lowercase


def test_vocabulary_of_tokenizer_json(tmp_path):
    folder = _folder(tmp_path / "bert", fast=_fast())
    (folder / "vocab.txt").unlink()
    assert find_backbone(str(folder)).vocabulary == tuple(PIECES)


@pytest.mark.parametrize("names", [("[pad]", "[unk]", "[cls]", "[sep]"), ("<pad>", "<unk>", "<s>", "</s>")])
def test_special_tokens_of_other_names(tmp_path, names):
    given = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), names))
    renamed = dict(zip(("[PAD]", "[UNK]", "[CLS]", "[SEP]"), names))
    folder = _folder(tmp_path / "bert", {**given, "sep_token": {"content": names[3]}})
    text = "".join(f"{renamed.get(piece, piece)}\n" for piece in PIECES)
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
    pretrained = find_backbone(str(folder))
    ours = pretrained.tokenizer()
    assert (ours.pad_id, ours.unknown_id, ours.start_id, ours.end_id) == tuple(
        PIECES.index(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    )
    convert(pretrained, tmp_path / "hf", "huggingface")
    assert find_backbone(str(tmp_path / "hf")).rules == pretrained.rules
    (folder / "tokenizer_config.json").unlink()
    (folder / "tokenizer.json").write_text(json.dumps(fast_tokenizer(ours, 8)), encoding="utf-8")
    assert find_backbone(str(folder)).rules == pretrained.rules
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"vocab.txt: vocabulary: must have \[PAD\].*tokenizer_config.json can give"):
        find_backbone(str(folder))


def _bpe():
    fast = tokenizers.Tokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel()
    return fast


def _other_pieces():
    fast = _fast()
    fast.model = models.WordPiece({"[UNK]": 0, "other": 1}, unk_token="[UNK]", max_input_chars_per_word=100)
    return fast


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config": {"tokenizer_class": "BertJapaneseTokenizer"}}, "must be one of .*got 'BertJapaneseTokenizer'"),
        ({"config": {"tokenizer_class": "PreTrainedTokenizerFast"}}, "tokenizer_class must be one of"),
        ({"config": {"word_tokenizer_type": "mecab"}}, "word_tokenizer_type must be 'basic', got 'mecab'"),
        ({"config": {"do_basic_tokenize": False}}, "do_basic_tokenize must be True, got False"),
        ({"config": {"never_split": ["a"]}}, "never_split must be"),
        ({"config": {"do_lower_case": "yes"}}, "must be true or false"),
        ({"config": {"do_lower_case": False}, "fast": _fast()}, "the same in .*got False and True"),
        ({"config": {"pad_token": 3}}, "pad_token must be a string, got 3"),
        ({"fast": _bpe()}, "tokenizer.json: type of normalizer must be 'BertNormalizer', got None"),
        ({"fast": _other_pieces()}, r"vocab.txt:1: is '\[PAD\]', tokenizer.json has '\[UNK\]'"),
        ({"added_tokens": {"a b": 1}}, "added tokens must have ids of their own"),
        ({"added_tokens": {"a b": 99, "c d": 99}}, "added tokens must have ids of their own"),
        ({"added_tokens": {"the": 99}}, "added tokens must have ids of their own"),
        ({"added_tokens": {"a b": 10_000}}, "'a b' has id 10000, config.json vocab_size"),
        ({"added_tokens": {"a b": "x"}}, "added_tokens.json: an added token must have"),
        (
            {"config": {"added_tokens_decoder": {"99": {"content": "a", "single_word": True}}}},
            "tokenizer_config.json: an added token must have .*no single_word, got 'a'",
        ),
        ({"config": {"added_tokens_decoder": {"99": None}}}, "an added token must have"),
        ({"tokenizer": {"added_tokens": 3}}, "must be"),
    ],
)
def test_other_tokenizers_are_refused_by_name(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        find_backbone(str(_folder(tmp_path / "bert", **files)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + "the\n", r"vocab.txt:\d+ is a duplicate of .*vocab.txt:\d+: word piece 'the'"),
        (lambda text: text.replace("the\n", "the\n\n"), r"vocab.txt:\d+ is '': a word piece must have 1 to 256 bytes"),
        (lambda text: text + "".join(f"\u2581{number}\n" for number in range(20)), "got SentencePiece's"),
    ],
    ids=["duplicate", "blank", "SentencePiece"],
)
def test_faults_of_a_vocabulary_are_named(tmp_path, change, message):
    folder = _folder(tmp_path / "bert")
    path = folder / "vocab.txt"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        find_backbone(str(folder))


def test_a_byte_order_mark_is_skipped(tmp_path):
    folder = _folder(tmp_path / "bert")
    path = folder / "vocab.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert find_backbone(str(folder)).vocabulary == tuple(PIECES)


FILES = {
    "tokenizer.json": _fast().to_str(pretty=True).encode(),
    "tokenizer_config.json": json.dumps({"do_lower_case": True, "pad_token": {"content": "[PAD]"}}).encode(),
    "special_tokens_map.json": json.dumps({"additional_special_tokens": ["[ENT]"], "sep_token": "[SEP]"}).encode(),
    "added_tokens.json": json.dumps(IDS).encode(),
    "vocab.txt": "".join(f"{piece}\n" for piece in PIECES).encode(),
}


@settings(SEEDED, max_examples=150)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("bert")
    for file, content in FILES.items():
        (folder / file).write_bytes(data.draw(mutated([content])) if file == name else content)
    config = find_backbone("tiny").config
    try:
        vocabulary, _, rules = read_tokenizer_files(folder, config, "config.json")
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) < 10_000
    else:
        assert len(vocabulary) <= config.vocabulary_size
        assert all(token.id < config.vocabulary_size for token in rules.added)
