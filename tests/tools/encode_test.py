from __future__ import annotations

from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.tasks.registry import get_task
from tests.data.official_files import write_glue
from tests.helpers import write_tasks


def test_files_are_prepared_for_tfds_and_encoded_from_there(binaries, tmp_path):
    write_glue(tmp_path / "glue")
    task_file = write_tasks(tmp_path / "tasks")
    target = tmp_path / "tfds"
    flags = (f"--data_dir={tmp_path / 'glue'}", f"--prepare_tfds={target}", f"--cache_dir={tmp_path / 'cache'}")
    result = binaries.run("encode", *flags, f"--task_file={task_file}", "--tasks=wnli,mood,ax")
    assert (result.status, result.stdout) == (0, ""), result.stderr
    lines = [line.split(maxsplit=1)[1] for line in result.stderr.splitlines()]
    assert lines == [
        "skipped mood, not available in TensorFlow Datasets",
        f"prepared glue/wnli/2.0.0 in {target}/glue/wnli/2.0.0:"
        " 12 rows of train, 12 rows of validation, 12 rows of test",
        f"prepared glue/ax/2.0.0 in {target}/glue/ax/2.0.0: 12 rows of test",
    ]
    # Nothing is encoded.
    assert not (tmp_path / "cache").exists()
    wnli = get_task("wnli")
    from_files, from_tfds = (
        DataSource(kind, folder).read(wnli, "train")
        for kind, folder in (("files", tmp_path / "glue"), ("tfds", target))
    )
    assert from_files == from_tfds

    again = binaries.run("encode", *flags, "--tasks=wnli")
    assert again.status == 0, again.stderr
    assert f"found glue/wnli/2.0.0 prepared in {target}/glue/wnli/2.0.0" in again.stderr
    encode = ("--data_source=tfds", f"--data_dir={target}", f"--cache_dir={tmp_path / 'cache'}", "--backbone=tiny")
    encoded = binaries.run("encode", *encode, "--tasks=wnli,ax", "--max_sequence_length=32")
    assert encoded.status == 0, encoded.stderr
    assert "4 splits of 2 tasks" in encoded.stderr
