"""Flagfiles of configurations read back, whatever the names of files and folders."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mtdnn_tf.flags.training
from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import TrainingConfig

_AWKWARD = st.sampled_from([*", \"'~-#=/\\\n\r\t\u2028\u3000é漢🙂$%`;&|<>*?{}", "--", "//", "~root", "..", "a,b", '""'])
_NAMES = st.lists(_AWKWARD | st.text(max_size=3), min_size=1, max_size=6).map("".join)
# A path cannot hold NUL.
_PATHS = _NAMES.filter(lambda name: "\0" not in name).map(Path)
_OWN_FOLDERS = _PATHS.filter(lambda path: path != Path())  # A run refuses the current folder.


def _read(text: str) -> TrainingConfig:
    with tempfile.NamedTemporaryFile(suffix=".flags") as file, flagsaver.flagsaver():
        Path(file.name).write_bytes(text.encode())
        absl_flags.FLAGS(["train", f"--flagfile={file.name}"])
        return mtdnn_tf.flags.training.training_config()


@settings(max_examples=150, deadline=None)
@given(st.lists(_PATHS, max_size=3, unique=True), st.lists(_PATHS, max_size=2), _OWN_FOLDERS, _PATHS)
@example([Path("a,b"), Path("c")], [Path(" x ")], Path("~"), Path("-"))
@example([Path('a"b'), Path("~x"), Path(" ")], [], Path("a\nb"), Path("#"))
def test_every_path_reads_back_or_is_refused(soft_targets, task_files, output_dir, data_dir):
    values = {
        "soft_targets": tuple(soft_targets),
        "task_file": tuple(task_files),
        "output_dir": output_dir,
        "data_dir": data_dir,
    }
    with contextlib.suppress(UserError):
        config = TrainingConfig.build(**values)
        assert _read(config.to_flagfile()) == config
        return
    texts = [str(path) for value in values.values() for path in (value if isinstance(value, tuple) else (value,))]
    assert any(not character.isprintable() for text in texts for character in text)


def test_line_breaks_are_refused_where_a_flagfile_would_lose_them():
    with pytest.raises(UserError, match="`output_dir` must be UTF-8 text without control characters, got a"):
        TrainingConfig.build(output_dir=Path("a\nb"))
    assert str(TrainingConfig.build(output_dir=Path("a\u2028b")).output_dir) == "a\u2028b"
