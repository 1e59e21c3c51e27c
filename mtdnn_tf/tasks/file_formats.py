"""Formats of data files, told by their endings."""

from __future__ import annotations

import glob
from pathlib import PurePath

TSV = ".tsv"
CSV = ".csv"
JSONL = ".jsonl"
PARQUET = ".parquet"
GZIP = ".gz"
PLAIN_ENDINGS = (CSV, JSONL, TSV)
TEXT_ENDINGS = (*PLAIN_ENDINGS, *(f"{ending}{GZIP}" for ending in PLAIN_ENDINGS))
ENDINGS = (*TEXT_ENDINGS, PARQUET)


def ending_of(path: PurePath) -> str:
    """Returns the ending that tells a file's format, such as ".tsv" or ".tsv.gz"."""
    return path.suffix if path.suffix != GZIP else PurePath(path.stem).suffix + GZIP


def is_text(path: PurePath) -> bool:
    """Returns whether a file has lines of text, as all formats but Parquet and Arrow have."""
    return ending_of(path) in TEXT_ENDINGS


def is_pattern(path: PurePath) -> bool:
    """Returns whether a path has wildcards (*, ? or [])."""
    return glob.escape(str(path)) != str(path)
