"""Locks that keep two processes from writing to the same folder."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import make_folder, remove

_LOCK = ".lock"
# Names of the temporary files of mtdnn_tf.files.
_TEMPORARY = r"\.{name}\.[a-z0-9_]{{8}}"
# Leaves a user's own hidden files alone.
_OWN_FILE = r"[\w-]+\.(json|flags|md|csv|png)"
_log = logging.getLogger("absl")


def lock_beside(folder: Path) -> Path:
    """Returns the lock file of a folder that is created or replaced as a whole."""
    return folder.parent / f".{folder.name}{_LOCK}"


@contextlib.contextmanager
def locked(file: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Holds a lock file while the block runs, then removes it.

    The lock is flock(2), which the kernel releases when the process dies. It works between processes of one machine,
    and over network file systems that support flock.

    Args:
        file: The lock file; its folder is created if missing, and then removed if the block leaves it empty.
        what: Name of the locked path for messages, such as "--output_dir runs/a".
        wait: Whether to wait for another process instead of raising UserError. Defaults to False.
    """
    missing = [folder for folder in (file.parent, *file.parent.parents) if not folder.exists()]
    make_folder(file.parent)
    try:
        descriptor = _acquire(file, what, wait)
        try:
            yield
        finally:
            # Removed before the release: a waiting process sees that the file is gone and creates a new one.
            file.unlink(missing_ok=True)
            os.close(descriptor)
    finally:
        with contextlib.suppress(OSError):  # Keeps folders that are not empty.
            for folder in missing:
                folder.rmdir()


def _acquire(file: Path, what: str, wait: bool) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, descriptor)
            _lock(descriptor, file, what, wait)
            with contextlib.suppress(FileNotFoundError):  # The process that held the lock may have removed its file.
                if os.path.samestat(os.fstat(descriptor), file.stat()):
                    with contextlib.suppress(OSError):  # The disk may be full.
                        os.ftruncate(descriptor, 0)
                        os.write(descriptor, _this_process().encode())
                    stack.pop_all()
                    return descriptor


def _this_process() -> str:
    since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} of {socket.gethostname()} ({Path(sys.argv[0]).name}, since {since})"


def _lock(descriptor: int, file: Path, what: str, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = ""
        with contextlib.suppress(FileNotFoundError):
            holder = " ".join(file.read_text(encoding="utf-8", errors="replace").split())
        holder = holder or "another process"
        if not wait:
            raise UserError(f"{what}: in use by {holder}; wait until it ends, or use another path") from None
        _log.info("%s: waiting for %s", what, holder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
            raise
        _log.warning("%s: this file system has no locks; make sure that no other process writes here", what)


@contextlib.contextmanager
def locked_folder(folder: Path, what: str, subfolders: Sequence[str] = ()) -> Iterator[None]:
    """Holds the lock of a folder that files are added to, and removes temporary files of killed processes.

    See `locked`; the lock also covers the subfolders.
    """
    with locked(folder / _LOCK, what):
        for path in (folder, *(folder / name for name in subfolders)):
            _remove_named(path, _OWN_FILE)
        yield


@contextlib.contextmanager
def locked_path(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a file or folder that is written as a whole, and removes leftovers of killed processes."""
    with locked(lock_beside(path), what, wait):
        remove_leftovers(path)
        yield


def remove_leftovers(path: Path) -> None:
    """Removes temporary files that killed processes left for `path`. The caller must hold its lock."""
    _remove_named(path.parent, re.escape(path.name))


def _remove_named(folder: Path, name: str) -> None:
    """Removes temporary files and folders of a folder whose final names match a pattern."""
    for entry in list(folder.iterdir()) if folder.is_dir() else ():
        if re.fullmatch(_TEMPORARY.format(name=name), entry.name):
            remove(entry)
