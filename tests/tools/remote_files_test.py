"""Commands read data files by URL, and refuse URLs for what they write."""

from __future__ import annotations

import pytest

from tests.tools.conftest import Trained


def test_an_encoded_split_is_found_again_by_the_urls_of_its_files(binaries, trained: Trained, tmp_path):
    local = (trained.folder / "tasks" / "tasks.yaml").read_text(encoding="utf-8")
    (tmp_path / "remote.yaml").write_text(local.replace(": mood_", f": {(trained.folder / 'tasks').as_uri()}/mood_"))
    flags = ("--tasks=mood", "--backbone=tiny", f"--cache_dir={tmp_path / 'cache'}", "--max_sequence_length=32")
    first = binaries.run("encode", *flags, f"--task_file={trained.folder / 'tasks' / 'tasks.yaml'}")
    assert first.status == 0 and "encoded mood train" in first.stderr, first.stderr
    files = sorted((tmp_path / "cache").rglob("*"))
    again = binaries.run("encode", *flags, f"--task_file={tmp_path / 'remote.yaml'}")
    assert again.status == 0 and "encoded mood" not in again.stderr, again.stderr
    assert sorted((tmp_path / "cache").rglob("*")) == files


def test_texts_are_predicted_by_url(binaries, trained: Trained, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"sentence": "the cat sees the dog"}\n{"sentence": ""}\n')
    for name, path in (("local", tmp_path / "texts.jsonl"), ("url", (tmp_path / "texts.jsonl").as_uri())):
        flags = (f"--run={trained.runs[0]}", "--tasks=mood", f"--input={path}")
        result = binaries.run("predict", *trained.flags, *flags, f"--output={tmp_path / name}.tsv")
        assert result.status == 0, result.stderr
    assert (tmp_path / "url.tsv").read_bytes() == (tmp_path / "local.tsv").read_bytes()


@pytest.mark.parametrize("flag", ["output_dir", "cache_dir", "task_file"])
def test_other_paths_must_be_local(binaries, trained: Trained, tmp_path, flag):
    flags = (
        f"--task_file={trained.folder / 'tasks' / 'tasks.yaml'}",
        f"--output_dir={tmp_path / 'run'}",
        "--backbone=tiny",
    )
    result = binaries.run("train", *flags, f"--{flag}=gs://bucket/there", folder=tmp_path)
    assert result.status == 1
    (line,) = result.stderr.splitlines()
    assert "gs://bucket/there: must be a local path; only data files and --input may be URLs" in line
    assert not list(tmp_path.iterdir())
