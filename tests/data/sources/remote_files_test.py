"""Data files by URL: fsspec's file system in memory here, a server of S3's protocol in the slow test."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from upath import UPath

from mtdnn_tf.data.sources.files_source import file_fingerprint, file_splits, read_file_examples, split_shards
from mtdnn_tf.data.sources.source import FILES, DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import data_path, user_path
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.tasks.task_file import load_task_file
from tests.data.sources.columnar_files import CLASSES, write_saved_dataset

_ROWS = pd.DataFrame({"text": [f"text {number}" for number in range(7)], "label": ["buy", "greet"] * 3 + ["buy"]})
_TSV = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in _ROWS.itertuples(index=False))


def _task(path: str) -> Task:
    return Task(
        "intent",
        "classification",
        ("text",),
        ("greet", "buy"),
        ("accuracy",),
        files={"train": SplitFile(path)},
        id="row",
    )


def _write(folder: Path) -> None:
    (folder / "shards").mkdir(parents=True)
    (folder / "all.tsv").write_text(_TSV)
    (folder / "all.tsv.gz").write_bytes(gzip.compress(_TSV.encode()))
    _ROWS.to_csv(folder / "all.csv", index=False)
    _ROWS.to_json(folder / "all.jsonl", orient="records", lines=True)
    _ROWS.to_parquet(folder / "all.parquet")
    for part, rows in enumerate((_ROWS[:3], _ROWS[3:])):
        rows.reset_index(drop=True).to_parquet(folder / "shards" / f"part-{part}.parquet")
    (folder / "shards" / "_SUCCESS").write_text("")


@pytest.fixture(name="bucket")
def _bucket(tmp_path: Path) -> Iterator[str]:
    """Yields the URL of a folder that has the files of tmp_path / "local"."""
    _write(tmp_path / "local")
    bucket = UPath("memory://bucket")
    bucket.fs.put(str(tmp_path / "local"), bucket.path, recursive=True)
    yield str(bucket)
    bucket.rmdir(recursive=True)


_PATHS = ("all.tsv", "all.tsv.gz", "all.csv", "all.jsonl", "all.parquet", "shards", "shards/part-*.parquet")


@pytest.mark.parametrize("path", _PATHS)
def test_rows_and_fingerprint_are_those_of_the_local_files(tmp_path: Path, bucket: str, path: str):
    local, remote = _task(path), _task(f"{bucket}/{path}")
    examples = read_file_examples(remote, "train", tmp_path)
    assert examples == read_file_examples(local, "train", tmp_path / "local")
    assert [example.text_a for example in examples] == list(_ROWS["text"])
    assert list(DataSource(FILES, tmp_path).stream(remote, "train")) == examples
    assert file_splits(remote, tmp_path) == ["train"]
    fingerprints = [file_fingerprint(local, "train", tmp_path / "local"), file_fingerprint(remote, "train", tmp_path)]
    for fingerprint in fingerprints:
        del fingerprint["task"]
    assert fingerprints[0] == fingerprints[1]
    # Beam sends tables to its workers.
    assert pickle.loads(pickle.dumps(split_shards(remote, "train", tmp_path))) == split_shards(
        remote, "train", tmp_path
    )


def _message(path: str, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_file_examples(_task(path), "train", folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_read_is_one_line_that_names_the_url(tmp_path: Path, bucket: str):
    assert _message(f"{bucket}/none.tsv", tmp_path).startswith(f"{bucket}/none.tsv: no such file; split 'train' of")
    assert _message(f"{bucket}/no*.tsv", tmp_path).startswith(f"{bucket}/no*.tsv: no file matches; split 'train' of")
    assert _message("nowhere://a/b.tsv", tmp_path).startswith("nowhere://a/b.tsv: cannot be read (")
    UPath(bucket, "bad.tsv").write_bytes(b"text\tlabel\na\tbuy\tc\n")
    UPath(bucket, "bad.parquet").write_bytes(b"PAR1")
    assert _message(f"{bucket}/bad.tsv", tmp_path) == (f"{bucket}/bad.tsv:2: row has 3 column(s), the file has 2")
    assert "not Parquet, or damaged" in _message(f"{bucket}/bad.parquet", tmp_path)


def test_a_saved_data_set_must_be_local(tmp_path: Path):
    write_saved_dataset(tmp_path / "saved", [{"text": ["a"], "label": [0]}], {"text": {}, "label": CLASSES})
    url = (tmp_path / "saved").as_uri()
    assert _message(url, tmp_path) == (
        f"{url}: saved data sets must be in a local folder; copy it, or save it with to_parquet"
    )


def test_a_task_file_may_name_urls(tmp_path: Path, bucket: str):
    declaration = """tasks:
  intent:
    kind: classification
    text: [text]
    label: label
    labels: [greet, buy]
    files: {{train: "{}", validation: {{path: "{}"}}}}
"""
    path = tmp_path / "tasks.yaml"
    path.write_text(declaration.format(f"{bucket}/shards/part-*.parquet", f"{bucket}/all.tsv.gz"))
    (task,) = load_task_file(path)
    for split in ("train", "validation"):
        assert [row.text_a for row in read_file_examples(task, split, tmp_path)] == list(_ROWS["text"])
    assert not DataSource(FILES, tmp_path).reads_data_dir(task)
    path.write_text(declaration.format(f"{bucket}/all.txt", f"{bucket}/all.tsv.gz"))
    with pytest.raises(UserError, match=r"tasks\.yaml:7: .*\.txt"):
        load_task_file(path)


def test_other_paths_must_be_local():
    with pytest.raises(UserError, match=r"^gs://bucket/run: must be a local path; "):
        user_path("gs://bucket/run")
    assert data_path("some/file.tsv") == Path("some/file.tsv")
    assert str(data_path("memory://bucket/all.tsv")) == "memory://bucket/all.tsv"


@pytest.fixture(name="s3_bucket", scope="module")
def _s3_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Yields the URL of a folder on an S3 server of this machine, and the same folder on the disk."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    folder = tmp_path_factory.mktemp("s3")
    _write(folder / "local")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        data = UPath("s3://bucket/data")
        data.fs.mkdir("bucket")
        data.fs.put(str(folder / "local"), data.path, recursive=True)
        yield str(data), folder / "local"
    server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("path", _PATHS)
def test_files_of_an_s3_server_are_read(s3_bucket: tuple[str, Path], path: str):
    """Needs `pip install s3fs 'moto[server]'`."""
    url, folder = s3_bucket
    examples = read_file_examples(_task(f"{url}/{path}"), "train", folder)
    assert examples == read_file_examples(_task(path), "train", folder)
    assert "no such file" in _message(f"{url}/none.tsv", folder)
    with pytest.raises(UserError, match=r"^s3://another/all\.tsv: "):
        read_file_examples(_task("s3://another/all.tsv"), "train", folder)
