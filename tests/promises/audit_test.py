"""Whether a version falls under an advisory, by hand."""

import pytest

from tests.promises.audit import findings

# Two ranges, as of a mistake that was made twice, a version by name, and commits, which tell nothing of versions.
ADVISORY = """
id: PYSEC-2024-1
aliases: [CVE-2024-1]
details: |
  It
  breaks.
affected:
- package: {name: Some.Package, ecosystem: PyPI}
  ranges:
  - type: GIT
    events: [{introduced: "0"}, {fixed: abc}]
  - type: ECOSYSTEM
    events: [{introduced: "0"}, {fixed: "1.10"}, {introduced: "2.0"}, {last_affected: "2.1"}]
  versions: ["3.0"]
"""


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [
        *[("0.1", True), ("1.9", True), ("1.10rc1", True), ("1.10", False), ("1.11", False)],
        *[("2.0", True), ("2.1", True), ("2.1.1", False), ("3.0", True), ("3.1", False)],
    ],
)
def test_versions(tmp_path, version, is_affected):
    (tmp_path / "some-package").mkdir()
    (tmp_path / "some-package" / "PYSEC-2024-1.yaml").write_text(ADVISORY)
    (tmp_path / "workflow.yaml").write_text("on: push\n")
    found = list(findings(tmp_path, {"some_package": version, "other": "1.0"}))
    expected = ("PYSEC-2024-1", ("CVE-2024-1",), "some-package", version, "It breaks.")
    assert found == ([expected] if is_affected else [])


def test_what_was_withdrawn_is_none(tmp_path):
    (tmp_path / "a.yaml").write_text(ADVISORY + "withdrawn: 2024-02-01T00:00:00Z\n")
    assert list(findings(tmp_path, {"some-package": "0.1"})) == []
