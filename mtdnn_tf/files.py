"""Writing files that are complete or absent, and reading them back with their checksums verified."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.strict_json import parse_json

MANIFEST = "manifest.json"
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sha256_of_file(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Returns the hexadecimal SHA-256 of a JSON value, the same for any order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Makes write errors name `path` instead of nothing (a full disk) or the temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None and "requested and" in str(error):  # NumPy's message for a full disk.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if error.filename is None or f".{path.name}." in str(error.filename):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise
    except Exception as error:
        # TensorFlow and safetensors wrap the errors of the operating system.
        for number in DISK_IS_FULL:
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number), str(path)) from error
        raise


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a temporary file that is renamed to `path` if the block ends without an error, and removed if not.

    An existing file at `path` is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _writing(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            yield temporary
            os.fsync(handle)
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes a text file that becomes visible under its name only when complete."""
    with new_file(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file that becomes visible under its name only when complete."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file, as strictly as `parse_json`.

    Raises:
        UserError: The file is missing or is not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # Not UTF-8, or not JSON.
        raise UserError(f"{path}: not JSON, or damaged ({error}); delete and rebuild it") from None


def _flush(folder: Path) -> None:
    """Flushes a folder's files to disk: after a power failure, a renamed file may otherwise be empty."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        UserError: The file is missing, or is not a JSON object.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: must be a JSON object, got {str(value)[:60]}")
    return value


def check_schema(given: Any, known: int, where: Path, remedy: str) -> None:
    """Checks the schema number of a file.

    Args:
        given: Schema number in the file.
        known: Schema number that this version reads.
        where: The file or folder.
        remedy: What the user can do, for messages.

    Raises:
        UserError: The numbers differ.
    """
    if type(given) is int and given > known:
        raise UserError(
            f"{where}: written by a newer version of mtdnn_tf (schema {given}, this version reads {known}); "
            f"update mtdnn_tf, or {remedy}"
        )
    if type(given) is not int or given != known:
        raise UserError(f"{where}: schema must be {known}, got {str(given)[:60]}; {remedy}")


def file_within(folder: Path, name: str, where: Path) -> Path:
    """Returns the path of a file listed in another file, after checking that it is within the folder.

    Args:
        folder: The folder.
        name: Path within the folder, with "/" as separator.
        where: The file that lists it, for messages.

    Raises:
        UserError: The path is absolute, has "..", or leaves the folder by a symbolic link.
    """
    parts = PurePosixPath(name).parts
    path = folder / name
    # A backslash or a drive leaves the folder on other systems.
    inside = bool(parts) and not {"..", "/"} & {*parts} and "\\" not in name and name.isprintable()
    # Unlike Path.resolve, os.path.realpath does not raise for circular links.
    if not inside or Path(os.path.realpath(folder)) not in Path(os.path.realpath(path)).parents:
        raise UserError(f"{where}: must list only files within its folder, got {name[:100]!r}")
    return path


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder that is renamed to `path` if the block ends without an error, and removed if not.

    An existing folder at `path` is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _writing(path):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            _flush(temporary)
            if path.exists():
                shutil.rmtree(path)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes a folder's manifest: `content`, the SHA-256 of every other file in the folder, and its own checksum.

    Args:
        folder: The folder; all its other files must be complete.
        content: JSON values that describe the folder's inputs.
    """
    files = {
        file.relative_to(folder).as_posix(): sha256_of_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    body = {**content, "files": files}
    write_json(folder / MANIFEST, {**body, "manifest_sha256": fingerprint(body)})


def read_manifest(folder: Path, remedy: str, needed: Sequence[str] = ()) -> dict[str, Any]:
    """Reads a folder's manifest after verifying it and every file it lists.

    Args:
        folder: The folder.
        remedy: What the user can do if it is damaged, such as "delete it and run tools.encode again".
        needed: Files that the manifest must list.

    Returns:
        The `content` of `write_manifest`, with `files` and `manifest_sha256`.

    Raises:
        UserError: The manifest is missing, or it or a listed file is missing or damaged; or a file that it lists is not
            in the folder.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder}: {MANIFEST} is missing; {remedy}")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise UserError(f"{path}: not a manifest; {remedy}")
    body = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    if fingerprint(body) != manifest.get("manifest_sha256") or not path.read_bytes().endswith(b"}\n"):
        raise UserError(f"{path}: checksum does not match, the file is damaged; {remedy}")
    for name in needed:
        if name not in manifest["files"]:
            raise UserError(f"{path}: {name} is not listed; {remedy}")
    for name, expected in manifest["files"].items():
        file = file_within(folder, name, path)
        if not file.is_file():
            raise UserError(f"{file}: missing; {remedy}")
        if sha256_of_file(file) != expected:
            raise UserError(f"{file}: checksum does not match, the file is damaged; {remedy}")
    return manifest
