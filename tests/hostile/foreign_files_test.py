"""A stranger's files run no code, and neither write nor read outside their folder: each is refused in one line."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import ScoredSplit, read_soft_targets, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import file_within, read_array
from mtdnn_tf.json_files import fingerprint, read_json, write_json
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, read_tasks, save_model
from mtdnn_tf.modeling.checkpoints.pretrained import read_safetensors
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.tasks.task_file import load_task_file
from tests.helpers import TASKS, write_huggingface_folder

MARK = "a stranger's code ran"


class _Payload:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self._folder),)


def _refused(read: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        read()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 2000


# === YAML ===


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tasks: !!python/object/apply:os.mkdir [{mark}]\n", "must be `name: value` pairs"),
        ("tasks: {{mood: !!python/object/new:os.system {{}}}}\n", "must have `kind:`"),
        ("tasks: {{? !!python/name:os.system : 1}}\n", "tasks"),
        ("tasks: " + "[" * 5000, "nested too deeply|not YAML"),
        ("tasks: {{a: " * 2000, "nested too deeply|not YAML"),
        # Each line doubles what stands before: 2^40 items, were they made.
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 41)) + "tasks: *a40\n",
            "unknown key of the file 'a0'",
        ),
        ("tasks: &t {{mood: *t}}\n", "must have|recursive|mood"),
        ("tasks: {{mood: {{kind: classification, text: &x [*x]}}}}\n", "must have `label:`"),
    ],
    ids=lambda value: None if len(value) > 60 else repr(value),
)
def test_task_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_text(
        content.replace("{{", "{").replace("}}", "}").replace("{mark}", str(tmp_path / "mark")), encoding="utf-8"
    )
    _refused(lambda: load_task_file(path), message)
    assert not (tmp_path / "mark").exists()


def test_tags_of_objects_are_text(tmp_path: Path) -> None:
    path = tmp_path / "tasks.yaml"
    path.write_text(
        TASKS.replace("[sentence]", f'[!!python/object/apply:os.mkdir "{tmp_path / "mark"}"]'), encoding="utf-8"
    )
    assert load_task_file(path)[0].text == (str(tmp_path / "mark"),)
    assert not (tmp_path / "mark").exists()


# === JSON ===


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is too large"),
        ('{"a": ' + "9" * 5000 + "}", "a number of 5000 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "duplicate name 'a'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": "\\ud83d"}', "half a surrogate pair"),
        ('{"a": 1', "not JSON"),
        ("", "not JSON"),
    ],
    ids=lambda value: None if len(value) > 60 else repr(value),
)
def test_json(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "file.json").write_text(content, encoding="utf-8")
    _refused(lambda: read_json(tmp_path / "file.json"), message)


# === npy ===


def _npy(header: str, data: bytes = b"") -> bytes:
    encoded = header.encode() + b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(encoded)) + encoded + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04N."), "Python objects|object"),
        (
            _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", b"1234"),
            "not a .npy file of numbers",
        ),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10,)}", b"1234"), "not a .npy file of numbers"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-5,)}", b"1234"), "not a .npy file of numbers"),
        (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}", b"1234"), "not a .npy file"),
        (_npy("__import__('os').mkdir('mark')"), "not a .npy file of numbers"),
        (_npy("{'descr': " + "(" * 2000 + "}"), "not a .npy file of numbers"),
        (_npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}", b"1" * 16), "must hold numbers, got <U4"),
        (b"\x93NUMPY\x01\x00\xff\xff", "not a .npy file of numbers"),
        (b"", "not a .npy file of numbers"),
    ],
    ids=lambda value: None if len(value) > 60 else repr(value),
)
def test_npy(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    _refused(lambda: read_array(tmp_path / "a.npy", "make it again"), message)


def test_pickles_and_archives_under_the_name_of_an_array(tmp_path: Path) -> None:
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(_Payload(tmp_path / "mark")))
    np.save(tmp_path / "objects.npy", np.array([_Payload(tmp_path / "mark")]), allow_pickle=True)
    with (tmp_path / "zip.npy").open("wb") as file:
        np.savez(file, a=np.arange(3))
    for name in ("pickle.npy", "objects.npy", "zip.npy", "none.npy"):
        _refused(lambda name=name: read_array(tmp_path / name, "make it again"), f"{name}: (missing|not a .npy)")  # type: ignore[misc]
    assert not (tmp_path / "mark").exists()


# === safetensors ===


def _safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(shape: list[int], offsets: list[int], kind: str = "F32") -> dict[str, Any]:
    return {"a": {"dtype": kind, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    "content",
    [
        _safetensors(_tensor([4], [0, 16])),  # Beyond the end.
        _safetensors(_tensor([4], [1 << 40, (1 << 40) + 16]), b"1" * 16),
        _safetensors(_tensor([4], [16, 0]), b"1" * 16),
        _safetensors(_tensor([1 << 62], [0, 16]), b"1" * 16),
        _safetensors(_tensor([-4], [0, 16]), b"1" * 16),
        _safetensors({**_tensor([4], [0, 16]), "b": _tensor([4], [8, 24])["a"]}, b"1" * 24),  # Overlapping.
        _safetensors(_tensor([4], [0, 16]), b"1" * 32),  # Bytes that nothing tells of.
        _safetensors(_tensor([4], [0, 16], "PY"), b"1" * 16),
        _safetensors({}, length=1 << 62),
        _safetensors({}, length=200_000_000),
        _safetensors(b"{" * 10_000),
        _safetensors(b"\xff"),
        pickle.dumps({"a": 1}),
        b"PK\x03\x04",
        b"",
    ],
    ids=lambda value: None if len(value) > 60 else repr(value),
)
def test_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    _refused(lambda: read_safetensors(path, "copy it again"), "model.safetensors: not a safetensors file, or damaged")


# === Folders with a manifest ===


def _lie(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a manifest as someone who knows its checksum can."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    del manifest["manifest_sha256"]
    change(manifest)
    write_json(folder / MANIFEST, {**manifest, "manifest_sha256": fingerprint(manifest)})


@pytest.mark.parametrize(
    "name", ["../x", "/etc/hostname", "a/../../x", "", ".", "..", "a\\..\\x", "a\nb", "link", "links/hostname"]
)
def test_a_manifest_tells_of_files_in_its_folder_alone(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "x").write_text("x")
    write_manifest(folder, {})
    (folder / "link").symlink_to("/etc/hostname")
    (folder / "links").symlink_to("/etc")
    _lie(folder, lambda manifest: manifest["files"].update({name: "0" * 64}))
    _refused(lambda: read_manifest(folder, "make it again"), "must list only files within its folder")


def test_links_that_lead_to_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    write_manifest(tmp_path, {})
    _lie(tmp_path, lambda manifest: manifest["files"].update({"a": "0" * 64}))
    _refused(lambda: read_manifest(tmp_path, "make it again"), "a: missing|must list only files")
    assert file_within(tmp_path, "c/d.npy", tmp_path) == tmp_path / "c" / "d.npy"


TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",), files={"train": SplitFile("t.tsv")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: np.save(folder / "predictions.npy", np.array([[np.nan, 1], [0, 1], [0, 1]], np.float32)),
            "numbers must be finite",
        ),
        (
            lambda folder: np.save(folder / "predictions.npy", np.ones((2, 2), np.float32)),
            r"3 ids, predictions \[2, 2\]",
        ),
        (lambda folder: np.save(folder / "predictions.npy", np.ones(3, np.float32)), r"predictions \[3\]"),
        (lambda folder: (folder / "example_ids.txt").write_text("1\n1\n2\n"), "duplicate id"),
        (lambda folder: (folder / "example_ids.txt").write_bytes(b"\xff\n2\n3\n"), "not UTF-8"),
        (lambda folder: (folder / "predictions.npy").unlink(), "predictions.npy is not listed"),
    ],
)
def test_soft_targets(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    write_soft_targets(
        tmp_path / "soft",
        TASK,
        ScoredSplit("train", ("1", "2", "3"), "f"),
        np.full((3, 2), 0.5, np.float32),
        [{"run": "r"}],
    )
    read_soft_targets(tmp_path / "soft")
    change(tmp_path / "soft")
    content = json.loads((tmp_path / "soft" / MANIFEST).read_text(encoding="utf-8"))
    (tmp_path / "soft" / MANIFEST).unlink()
    write_manifest(
        tmp_path / "soft", {name: value for name, value in content.items() if name not in ("files", "manifest_sha256")}
    )
    _refused(lambda: read_soft_targets(tmp_path / "soft"), message)


@pytest.fixture(scope="module", name="model")
def _model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    pretrained = find_backbone("tiny")
    tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
    save_model(build_multi_task_model(pretrained, [TASK]), [TASK], tokenizer, 64, folder)
    return folder


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    *places, name, value = path

    def change(description: dict[str, Any]) -> None:
        at: Any = description
        for place in places:
            at = at[place]
        at[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("tasks", 0, "name", "../../x"), "starting with a letter, got '../../x'"),
        (_set("tasks", 0, "files", {"../x": {"path": "t.tsv"}}), "a split must be .* got '../x'"),
        (_set("tasks", 0, "submission", {"test": "../../x"}), "submission must be names"),
        (_set("tasks", 0, "tfds", {"name": "stranger:data", "text": ["a"]}), "'stranger:data' is not accepted"),
        (_set("tasks", 0, "labels", [1, 2]), r"tasks\[0\].labels\[0\] must be a string, got 1"),
        (
            _set("tasks", 0, "labels", ["a", "b", "c"]),
            r"heads.mood.0 is of shape \(16, 2\), the task's head has \(16, 3\)",
        ),
        (_set("tasks", []), "tasks must be a list of one or more"),
        (_set("backbone", "hidden_dim", 1 << 23), "weight embeddings.word_embeddings.weight has shape"),
        (_set("backbone", "num_layers", 1 << 60), "integer from 1 to 1000"),
        (_set("backbone", "num_layers", 900), "weight encoder.layer.2.* is missing"),
        (_set("backbone", "num_heads", 0), "must be an integer from 1"),
        (_set("backbone", "activation", "os.system"), "unknown activation"),
        (_set("backbone", []), "backbone must be an object"),
        (_set("max_sequence_length", 1 << 40), "max_sequence_length must be an integer from 3 to"),
        (_set("lowercase", "yes"), "lowercase must be true or false"),
        (_set("schema", 2), "written by a newer version of mtdnn_tf .schema 2, this version reads 1."),
        (_set("schema", None), "schema must be 1, got None"),
    ],
)
def test_model_folders(model: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(description)
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    (folder / MANIFEST).unlink()
    write_manifest(folder, {"what": "model"})
    _refused(lambda: load_model(folder), message)


def test_weights_by_a_link_or_of_other_names_are_refused(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "weights.safetensors").rename(tmp_path / "elsewhere")
    (folder / "weights.safetensors").symlink_to(tmp_path / "elsewhere")
    _refused(lambda: load_model(folder), "must list only files")
    (folder / "weights.safetensors").unlink()
    save_file({"a": np.zeros(3, np.float32)}, folder / "weights.safetensors")
    (folder / MANIFEST).unlink()
    write_manifest(folder, {"what": "model"})
    _refused(lambda: load_model(folder), "is missing; the encoder must have the architecture of bert")
    (folder / "model.json").unlink()
    _refused(lambda: read_tasks(folder), "no trained model here")


# === Encoders ===


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_hidden_layers": 1 << 50}, "num_hidden_layers must be an integer from 1 to 1000"),
        ({"hidden_size": 1 << 50}, "hidden_size must be an integer"),
        ({"vocab_size": 1 << 24}, "weight embeddings.word_embeddings.weight has shape"),
        ({"hidden_size": "16"}, "hidden_size must be an integer"),
        ({"auto_map": {"AutoModel": "code.Model"}, "hidden_act": "code.run"}, "unknown hidden_act"),
    ],
)
def test_hugging_face_folders(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    write_huggingface_folder(tmp_path / "bert")
    path = tmp_path / "bert" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}), encoding="utf-8")
    _refused(lambda: build_multi_task_model(find_backbone(str(tmp_path / "bert")), [TASK]), message)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        # Keras's reader of objects would import the module and call the class.
        (
            "config.json",
            {"module": "subprocess", "class_name": "Popen", "config": {"args": ["id"]}},
            "class_name 'BertBackbone'",
        ),
        (
            "config.json",
            {"module": "stranger", "class_name": "BertBackbone", "config": {}},
            "field vocabulary_size must be",
        ),
        ("tokenizer.json", {"module": "builtins", "class_name": "exec", "config": "id"}, "class_name 'BertTokenizer'"),
        (
            "tokenizer.json",
            {"class_name": "BertTokenizer", "config": {"lowercase": {"class_name": "x"}}},
            "lowercase must be true or false",
        ),
    ],
)
def test_keras_nlp_presets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: Any, message: str
) -> None:
    folder = tmp_path / "preset"
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (tmp_path / "stranger.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'mark')!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    sizes = {"vocabulary_size": 30, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
    files: dict[str, Any] = {
        "config.json": {"class_name": "BertBackbone", "config": {**sizes, "max_sequence_length": 8, "num_segments": 2}},
        "tokenizer.json": {"class_name": "BertTokenizer", "config": {"lowercase": True}},
        "metadata.json": {},
    }
    for name, value in {**files, file: content}.items():
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_text("[PAD]\n")
    (folder / "model.weights.h5").write_bytes(b"x")
    _refused(lambda: find_backbone(str(folder)), message)
    assert not (tmp_path / "mark").exists()
