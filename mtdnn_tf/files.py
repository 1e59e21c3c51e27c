"""Files that are complete or absent, and checks of untrusted ones."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import Any

import numpy as np

from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.remote_files import is_remote, remote_path

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# NumPy parses the header of a .npy file with ast.literal_eval and tokenize, which raise these.
_HEADER_ERRORS = (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError, TokenError)


def user_path(text: str) -> Path:
    """Returns the path of a text in which a leading `~` is the home folder; refuses a URL."""
    if is_remote(text):
        raise UserError(f"{text}: must be a local path; only data files and --input may be URLs")
    try:
        # `Path("./~")` would be expanded too.
        return Path(text).expanduser() if text.startswith("~") else Path(text)
    except RuntimeError:
        raise UserError(f"{text}: the home folder is not known; give the path without ~") from None


def data_path(text: str) -> Path:
    """Returns the path of a data file, folder or pattern: a local one as `user_path`, or a URL."""
    return remote_path(text) if is_remote(text) else user_path(text)


def sha256_of_file(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


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
def _replacing(path: Path, make: Callable[..., str], mode: int) -> Iterator[Path]:
    with _writing(path):
        make_folder(path.parent)
        temporary = Path(make(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(mode)
            # A renamed file that is not on the disk yet is empty after a loss of power.
            for item in (*temporary.rglob("*"), temporary):
                if item.is_file() or item.is_dir():
                    _flush(item)
            if temporary.is_dir() and path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
            _flush(path.parent)
        except BaseException:
            remove(temporary)
            raise


def make_folder(path: Path) -> None:
    """Makes a folder and those that it is in, where they are missing, so that a loss of power leaves them."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _flush(folder.parent)


def _flush(path: Path) -> None:
    """Waits until the content of a file, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some network file systems do not flush folders, and a folder may be writable but not readable.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES) or not path.is_dir():
            raise


def move_folder(folder: Path, path: Path) -> None:
    """Gives a folder another path in the same file system, replacing what is there."""
    make_folder(path.parent)
    remove(path)
    folder.rename(path)
    for parent in {folder.parent, path.parent}:
        _flush(parent)


def remove(path: Path) -> None:
    """Removes a temporary file or folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _make_file(**where: Any) -> str:
    descriptor, name = tempfile.mkstemp(**where)
    os.close(descriptor)
    return name


def new_file(path: Path) -> contextlib.AbstractContextManager[Path]:
    """Yields a temporary file that is renamed to `path` if the block ends without an error, and removed if not.

    An existing file at `path` is replaced.
    """
    return _replacing(path, _make_file, 0o644)


def new_folder(path: Path) -> contextlib.AbstractContextManager[Path]:
    """Yields a temporary folder that is renamed to `path` if the block ends without an error, and removed if not.

    An existing folder at `path` is replaced.
    """
    return _replacing(path, tempfile.mkdtemp, 0o755)


def write_text(path: Path, text: str) -> None:
    """Writes a text file that becomes visible under its name only when complete."""
    with new_file(path) as temporary:
        temporary.write_bytes(text.encode())


def read_text(path: Path) -> str:
    """Returns the text of a UTF-8 file; refuses other bytes."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; convert the file to UTF-8") from None


def file_within(folder: Path, name: str, where: Path) -> Path:
    """Returns the path of a file that the file `where` lists, after checking that it is within the folder.

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


def read_array(path: Path, remedy: str, mapped: bool = False) -> np.ndarray:
    """Reads an array of numbers from an untrusted .npy file.

    Pickled objects and archives (.npz) are never read. The size in the header cannot make it allocate more memory than
    the file holds.

    Args:
        path: The file.
        remedy: What the user can do, for the UserError of a file that is missing, damaged or holds no numbers.
        mapped: Whether the array stays on disk. Defaults to False.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: missing; {remedy}") from None
    except (OSError, *_HEADER_ERRORS) as error:
        raise UserError(f"{path}: not a .npy file of numbers, or damaged ({one_line(error)}); {remedy}") from None
    if array.dtype.kind not in "biuf":
        raise UserError(f"{path}: must hold numbers, got {array.dtype}; {remedy}")
    return array if mapped else np.array(array)
