"""Soft targets by four processes at once."""

import fcntl
import json
import shutil
import signal

from tests.tools.conftest import Trained


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "_shards" not in path.parts
    }


def test_four_processes_and_a_merge_write_what_one_process_writes(binaries, trained: Trained, tmp_path):
    shared = (*trained.flags, f"--teachers={','.join(map(str, trained.runs))}", "--evaluation_batch_size=4")
    parts = (*shared, f"--output_dir={tmp_path / 'parts'}")
    cluster = {"worker": [f"10.0.0.{index}:2222" for index in range(4)]}
    fourth = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 3}})}
    started = [binaries.start("score", *parts, f"--shard={index}/4") for index in range(3)]
    started.append(binaries.start("score", *parts, "--shard=tf_config", environment=fourth))
    results = [running.wait() for running in started]
    assert [result.status for result in results] == [0] * 4, results
    assert "shard 2/4 is complete for mood, entailment, similarity" in results[2].stderr
    assert not _files(tmp_path / "parts")
    (tmp_path / "parts" / "_shards" / "mood-train" / "3_of_4").rename(tmp_path / "away")
    result = binaries.run("score", *parts, "--merge_shards=4")
    assert result.status == 1 and "1 of 4 shards are missing: 3/4; run mtdnn score --shard=3/4" in result.stderr
    (tmp_path / "away").rename(tmp_path / "parts" / "_shards" / "mood-train" / "3_of_4")
    result = binaries.run("score", *parts, "--merge_shards=4")
    assert result.status == 0, result.stderr
    assert binaries.run("score", *shared, f"--output_dir={tmp_path / 'whole'}").status == 0
    assert _files(tmp_path / "parts") == _files(tmp_path / "whole")
    assert len(_files(tmp_path / "whole")) == 3 * 4
    verified = binaries.run("verify", f"--folder={tmp_path / 'parts'}")
    # Of each of the 12 shards and 3 soft targets the manifest and 4 or 3 files.
    assert verified.stdout == f"{tmp_path / 'parts'}: {12 * 5 + 3 * 4} files intact, 0 damaged, 0 without checksum\n"


def test_a_shard_that_was_killed_goes_on_where_its_files_end(binaries, trained: Trained, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(trained.folder / "cache", cache)
    (encoded,) = (cache / "similarity").glob("train-*")
    encoded.rename(tmp_path / "away")
    shared = (trained.flags[0], f"--cache_dir={cache}", f"--teachers={trained.runs[0]}", "--evaluation_batch_size=4")
    parts = (*shared, f"--output_dir={tmp_path / 'parts'}")
    shards = tmp_path / "parts" / "_shards"
    # The last of three tasks waits for a lock that the test holds, so that the kill falls between two files for sure.
    with (encoded.parent / f".{encoded.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = binaries.start("score", *parts, "--shard=0/2")
        running.wait_for(lambda: "waiting for" in running.stderr.read_text(encoding="utf-8"))
        running.send(signal.SIGKILL)
        assert running.wait().status == -signal.SIGKILL
    (tmp_path / "away").rename(encoded)
    assert sorted(path.parent.name for path in shards.glob("*/0_of_2")) == ["entailment-train", "mood-train"]
    before = (shards / "mood-train" / "0_of_2").stat().st_ino
    assert binaries.run("score", *parts, "--shard=1/2").status == 0
    result = binaries.run("score", *parts, "--merge_shards=2")
    assert result.status == 1 and "similarity-train: 1 of 2 shards are missing: 0/2; run" in result.stderr
    assert not _files(tmp_path / "parts")
    result = binaries.run("score", *parts, "--shard=0/2")
    assert result.status == 0 and "mood train: shard 0/2 is in" in result.stderr, result.stderr
    assert (shards / "mood-train" / "0_of_2").stat().st_ino == before
    # Neither locks nor temporary folders stay.
    assert not list(shards.rglob(".*"))
    assert binaries.run("score", *parts, "--merge_shards=2").status == 0
    assert binaries.run("score", *shared, f"--output_dir={tmp_path / 'whole'}").status == 0
    assert _files(tmp_path / "parts") == _files(tmp_path / "whole")
