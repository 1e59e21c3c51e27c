"""Holds installed packages against a copy of the Python Packaging Advisory Database, where no network can be asked.

python -m tests.promises.audit --advisories=FOLDER, a clone of github.com/pypa/advisory-database. With a network,
`pip-audit` asks for the newest.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version


class Finding(NamedTuple):
    """An advisory that a package's version falls under: its name, other names, and what it says."""

    advisory: str
    aliases: tuple[str, ...]
    package: str
    version: str
    details: str


def _is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Returns whether a version is listed, or lies in a range, of an advisory in the OSV format."""
    if version in affected.get("versions", ()):
        return True
    found = False
    for versions in affected.get("ranges", ()):
        if versions["type"] != "ECOSYSTEM":
            continue  # Commits.
        inside, given = False, Version(version)
        for event in versions["events"]:
            if "introduced" in event:
                inside |= event["introduced"] == "0" or given >= Version(event["introduced"])
            elif "fixed" in event:
                inside &= given < Version(event["fixed"])
            elif "last_affected" in event:
                inside &= given <= Version(event["last_affected"])
        found |= inside
    return found


def findings(folder: Path, installed: Mapping[str, str]) -> Iterator[Finding]:
    """Yields what the advisories in a folder, below it too, say of packages.

    Args:
        folder: Advisories in the OSV format as .yaml files.
        installed: Versions by package.
    """
    versions = {canonicalize_name(name): version for name, version in installed.items()}
    for path in sorted(folder.rglob("*.yaml")):
        advisory = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(advisory, dict) or "affected" not in advisory or "withdrawn" in advisory:
            continue
        for affected in advisory["affected"]:
            name = canonicalize_name(affected["package"]["name"])
            if name in versions and _is_affected(versions[name], affected):
                aliases, details = tuple(advisory.get("aliases", ())), " ".join(advisory.get("details", "").split())
                yield Finding(advisory["id"], aliases, name, versions[name], details)


def main() -> int:
    """Prints a line for each finding; returns 1 if there is one, 2 if there are no advisories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--advisories", type=Path, required=True, help="folder of advisories, .yaml, in any depth")
    folder = parser.parse_args().advisories
    count = sum(1 for _ in folder.rglob("*.yaml"))
    if not count:
        print(f"error: --advisories {folder}: no .yaml file in it", file=sys.stderr)
        return 2
    installed = {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()}
    found = list(findings(folder, installed))
    for finding in found:
        names = ", ".join((finding.advisory, *finding.aliases))
        print(f"{finding.package} {finding.version}: {names}: {finding.details[:200]}")
    print(f"{len(installed)} packages, {count} files of advisories, {len(found)} findings")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
