from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks import registry

_TASK_FILE = """
tasks:
  {name}:
    kind: regression
    text: [a]
    label: score
    files: {{train: train.tsv}}
"""


def _write_task_file(folder: Path, name: str, file: str = "tasks.yaml") -> Path:
    path = folder / file
    path.write_text(_TASK_FILE.format(name=name))
    return path


def test_all_tasks_are_known_in_order():
    names = "cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, ax_b, mnli_matched, mnli_mismatched, snli, scitail"
    names += ", anli_r1, anli_r2, anli_r3, boolq, cb, superglue_rte, axb, axg"
    assert ", ".join(registry.task_names()) == names
    assert [registry.get_task(name).name for name in registry.task_names()] == registry.task_names()


class _DownloadNothing:
    """Tells TensorFlow Datasets' builders that what they ask for lies in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def download(self, urls: object) -> object:
        return dict.fromkeys(urls, self._folder) if isinstance(urls, dict) else self._folder

    def download_and_extract(self, url: object) -> Path:
        return self._folder


@pytest.mark.parametrize("name", registry.task_names())
def test_declarations_are_those_of_tensorflow_datasets(name: str, tmp_path: Path):
    import tensorflow_datasets as tfds

    task = registry.get_task(name)
    data = task.tfds
    assert data is not None
    builder = tfds.builder(data.name, data_dir=str(tmp_path))
    features = builder.info.features
    assert set(features) == {*data.text, data.label} | ({data.id} if data.id else set())
    assert len(data.text) == len(task.text)
    assert all(isinstance(features[text], tfds.features.Text) for text in data.text)
    if data.id:
        assert isinstance(features[data.id], tfds.features.Text) or np.dtype(features[data.id].np_dtype) == "int32"
    if task.kind == "classification":
        renamed = dict(data.labels)
        assert set(renamed) <= set(features[data.label].names)
        names = [renamed.get(label, label) for label in features[data.label].names]
        assert sorted(names) == sorted(task.labels)
    else:
        assert np.dtype(features[data.label].np_dtype) == "float32"

    generators = builder._split_generators(_DownloadNothing(tmp_path))
    if isinstance(generators, dict):
        assert {str(split) for split in generators} == set(task.files)
        return
    # AX has gold labels in a file of its own, which is not there.
    assert {str(generator.name) for generator in generators} == set(task.files) - {"full"}
    for generator in generators:
        file = generator.gen_kwargs.get("data_file") or generator.gen_kwargs["filepath"]
        # MRPC and SNLI are made from other files there, AX is downloaded as it is, and AX-b has two forms here.
        if name not in ("mrpc", "snli", "ax", "ax_b"):
            # ANLI's makers have published version 1.0 since.
            path = str(file).replace("anli_v0.1", "anli_v1.0")
            assert path.endswith("/" + task.files[str(generator.name)].path)


def test_every_config_of_one_or_two_texts_is_declared():
    import tensorflow_datasets as tfds

    declared = {task.tfds.name for task in map(registry.get_task, registry.task_names()) if task.tfds}
    known = {"snli", "sci_tail"}
    for name in ("glue", "anli", "super_glue"):
        known |= {f"{name}/{config.name}" for config in tfds.builder_cls(name).BUILDER_CONFIGS}
    others = {f"super_glue/{name}" for name in ("copa", "multirc", "record", "wic", "wsc", "wsc.fixed")}
    assert known - declared == others
    assert declared <= known


def test_unknown_task_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match=r"^unknown task 'rtee'; did you mean 'rte'\? Accepted: anli_r1, .*wnli$"):
        registry.get_task("rtee")


def test_tasks_are_selected_in_the_order_given(tmp_path: Path):
    path = _write_task_file(tmp_path, "mine")
    assert [task.name for task in registry.select_tasks(["rte", "mine", "cola"], [path])] == [
        "rte",
        "mine",
        "cola",
    ]


def test_without_names_the_task_files_tasks_are_selected(tmp_path: Path):
    paths = [_write_task_file(tmp_path, name, f"{name}.yaml") for name in ("second", "first")]
    assert [task.name for task in registry.select_tasks([], paths)] == ["second", "first"]


def test_a_users_task_may_not_shadow_another(tmp_path: Path):
    with pytest.raises(UserError, match=r"tasks.yaml: task 'rte' is one of mtdnn_tf's own"):
        registry.select_tasks([], [_write_task_file(tmp_path, "rte")])
    twice = [_write_task_file(tmp_path, "mine", file) for file in ("a.yaml", "b.yaml")]
    with pytest.raises(UserError, match=r"b.yaml: task 'mine' is declared in another task file too"):
        registry.select_tasks([], twice)


def test_bad_selections_are_refused():
    with pytest.raises(UserError, match="no task given"):
        registry.select_tasks([], [])
    with pytest.raises(UserError, match="duplicate task 'rte'"):
        registry.select_tasks(["rte", "cola", "rte"], [])
    with pytest.raises(UserError, match="did you mean 'mnli'"):
        registry.select_tasks(["mnlii"], [])


def test_a_users_task_is_not_registered(tmp_path: Path):
    registry.select_tasks([], [_write_task_file(tmp_path, "mine")])
    assert "mine" not in registry.task_names()
