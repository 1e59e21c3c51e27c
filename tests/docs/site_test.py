"""The documentation is built as a site without a warning, such as one of a broken link or a malformed docstring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mtdnn_tf

ROOT = Path(__file__).parents[2]


def test_the_site_has_all_pages_and_the_public_names(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    pages = {path.relative_to(ROOT).with_suffix("") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
    assert pages <= {path.relative_to(tmp_path).with_suffix("") for path in tmp_path.rglob("*.html")}
    reference = (tmp_path / "docs" / "reference.html").read_text(encoding="utf-8")
    assert [name for name in mtdnn_tf.__all__ if f'id="mtdnn_tf.{name}"' not in reference] == []
    assert 'href="docs/index.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")
