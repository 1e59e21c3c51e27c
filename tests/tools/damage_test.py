"""Every file that the project writes, cut or with one bit flipped, is refused by what opens it, with the remedy."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from mtdnn_tf.data.encoded_split import open_encoded_split
from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.settings import RUN_DATA, read_run_data
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring
from mtdnn_tf.evaluation.ensembles.shards import Shards
from mtdnn_tf.json_files import read_checked_json
from mtdnn_tf.manifests import verify
from mtdnn_tf.modeling.checkpoints.model_folder import read_fold, read_tasks
from mtdnn_tf.report.write import read_report, write_report
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.checkpoints import Checkpoints
from mtdnn_tf.training.run import read_metrics
from tests.report.example_data import awkward_report
from tests.tools.binaries import Binaries
from tests.tools.conftest import Trained
from tests.training.checkpoints_test import BATCH, _trainer

# What a line must offer, whatever it names.
_REMEDIES = ("delete", "again", "copy", "train")


def _verified(folder: Path) -> None:
    problems = verify(folder).problems
    if problems:
        raise UserError(problems[0])


class Kind:
    """A kind of files: where they stand, which of them is damaged, and what opens them."""

    def __init__(self, folder: Path, files: list[Path], read: Callable[[Path], object]) -> None:
        self.folder, self.files, self.read = folder, files, read


@pytest.fixture(scope="module")
def kinds(binaries: Binaries, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """Files of every kind, copied so that other tests keep theirs."""
    folder = tmp_path_factory.mktemp("damage")
    run = folder / "run"
    shutil.copytree(trained.runs[0], run)
    encoded = folder / "encoded"
    shutil.copytree(next((trained.folder / "cache" / "mood").glob("train-*")), encoded)
    (task,) = select_tasks(["mood"], [trained.folder / "tasks" / "tasks.yaml"])
    flags = (*trained.flags, "--tasks=mood", f"--teachers={run}", f"--output_dir={folder / 'soft'}")
    assert binaries.run("score", *flags).status == 0
    assert binaries.run("score", *flags, "--shard=0/1").status == 0
    assert binaries.run("export", f"--run={run}", f"--export_dir={folder / 'export'}").status == 0
    write_report(awkward_report(), folder / "report")
    shard = folder / "soft" / "_shards" / "mood-train" / "0_of_1"
    trainer = _trainer(0)
    trainer.train_step(BATCH)
    checkpoints = Checkpoints(trainer, folder / "checkpoints", keep=1)
    checkpoints.save()

    def merge(shard: Path) -> None:
        source = DataSource("files", trained.folder)
        Shards(Scoring([run], [task], "train", TaskData(source, trained.folder / "cache"), shard.parents[2])).merge(1)

    def files(place: Path) -> list[Path]:
        return sorted(path for path in place.rglob("*") if path.is_file())

    return {
        "encoded data": Kind(encoded, files(encoded), lambda place: open_encoded_split(place, task)),
        "soft targets": Kind(folder / "soft" / "mood", files(folder / "soft" / "mood"), read_soft_targets),
        "shard of soft targets": Kind(shard, files(shard), merge),
        "checkpoint": Kind(folder / "checkpoints", files(folder / "checkpoints"), lambda place: checkpoints.restore()),
        "model folder": Kind(run / "model", files(run / "model"), read_tasks),
        "what a run was made from": Kind(run, [run / "config.json"], read_fold),
        "data settings of a run": Kind(run, [run / RUN_DATA], read_run_data),
        "metrics": Kind(run, [run / "metrics" / "validation.json"], read_metrics),
        "metrics of an epoch": Kind(
            run,
            [run / "metrics" / "epoch_001.json"],
            lambda place: read_checked_json(place / "metrics" / "epoch_001.json", "delete it"),
        ),
        "export": Kind(folder / "export", files(folder / "export" / "1"), _verified),
        "report": Kind(folder / "report", files(folder / "report"), lambda place: read_report(place / "report.json")),
    }


def _damaged(content: bytes, places: int, generator: random.Random) -> Iterator[bytes]:
    """Yields a content cut, and with one bit flipped, at as many places."""
    for _ in range(places):
        yield content[: generator.randrange(len(content))]
        place = generator.randrange(len(content))
        yield content[:place] + bytes([content[place] ^ 1 << generator.randrange(8)]) + content[place + 1 :]


def _refusals(kind: Kind, places: int, seed: int) -> int:
    """Returns how many damages were refused; raises if one was not."""
    kind.read(kind.folder)
    refused = 0
    for file in kind.files:
        content = file.read_bytes()
        for damaged in _damaged(content, places, random.Random(f"{seed} {file.name}")) if content else ():
            file.write_bytes(damaged)
            with pytest.raises(UserError) as caught:
                kind.read(kind.folder)
            file.write_bytes(content)
            line = str(caught.value)
            assert str(file) in line and "\n" not in line, line
            assert any(remedy in line.replace(str(file), "") for remedy in _REMEDIES), line
            refused += 1
    kind.read(kind.folder)
    return refused


_NAMES = (
    *(
        "encoded data",
        "soft targets",
        "shard of soft targets",
        "checkpoint",
        "model folder",
        "what a run was made from",
    ),
    *("data settings of a run", "metrics", "metrics of an epoch", "export", "report"),
)


@pytest.mark.parametrize("name", _NAMES)
def test_a_damaged_file_is_refused(
    kinds: dict[str, Kind], name: str, record_property: Callable[[str, object], None]
) -> None:
    refused = _refusals(kinds[name], places=2, seed=0)
    record_property("trials", refused)
    assert refused >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMES)
def test_a_file_damaged_at_10_places_twice_is_refused(
    kinds: dict[str, Kind], name: str, record_property: Callable[[str, object], None]
) -> None:
    refused = _refusals(kinds[name], places=10, seed=1)
    record_property("trials", refused)
    assert refused >= 20


def test_verify_tells_of_every_damaged_file(binaries: Binaries, kinds: dict[str, Kind], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("model folder", "report"):
        shutil.copytree(kinds[name].folder, copy / name.replace(" ", "_"))
    shutil.copy(kinds["metrics"].files[0], copy / "results.json")
    (copy / "notes.txt").write_text("of a person's own")
    result = binaries.run("verify", f"--folder={copy}")
    files = sum(path.is_file() for path in copy.rglob("*"))
    assert (result.status, result.stdout) == (0, f"{copy}: {files - 1} files intact, 0 damaged, 1 without checksum\n")
    for name in ("results.json", "model_folder/vocab.txt"):
        content = bytearray((copy / name).read_bytes())
        content[10] ^= 1
        (copy / name).write_bytes(content)
    result = binaries.run("verify", f"--folder={copy}")
    assert result.status == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in lines] == [
        str(copy / "model_folder" / "vocab.txt"),
        str(copy / "results.json"),
    ]
    assert "2 damaged" in result.stdout


def test_tensorflow_reads_a_checkpoint_that_is_intact(kinds: dict[str, Kind]) -> None:
    (folder,) = kinds["checkpoint"].folder.iterdir()
    assert tf.train.list_variables(str(folder / "state"))
