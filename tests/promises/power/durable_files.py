"""Files in memory that know what of them a loss of power would leave.

A file's content is on the disk when the file is flushed, a name when its folder is (POSIX promises no more).
"""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path


@dataclasses.dataclass
class Node:
    """A file or a folder.

    Attributes:
        mode: Its type and permissions.
        data: A file's content.
        flushed: A file's content on the disk.
        names: A folder's entries.
        flushed_names: A folder's entries on the disk.
        modified: Time of its last change, in seconds.
    """

    mode: int
    data: bytearray = dataclasses.field(default_factory=bytearray)
    flushed: bytes = b""
    names: dict[str, Node] = dataclasses.field(default_factory=dict)
    flushed_names: dict[str, Node] = dataclasses.field(default_factory=dict)
    modified: float = dataclasses.field(default_factory=time.time)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


# Contents by path, None for a folder.
Image = Mapping[str, "bytes | None"]


class DurableFiles:
    """A tree of files; paths begin with "/"."""

    def __init__(self) -> None:
        self.root = Node(stat.S_IFDIR | 0o755)

    def find(self, path: str) -> Node:
        """Returns what is at a path."""
        node = self.root
        for part in filter(None, path.split("/")):
            if part not in node.names:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            node = node.names[part]
        return node

    def _place(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        return self.find(folder), name

    def add(self, path: str, mode: int) -> Node:
        """Adds an empty file or folder."""
        folder, name = self._place(path)
        node = folder.names[name] = Node(mode)
        return node

    def write(self, node: Node, data: bytes, offset: int) -> int:
        """Writes into a file."""
        node.data.extend(bytes(max(0, offset - len(node.data))))
        node.data[offset : offset + len(data)] = data
        node.modified = time.time()
        return len(data)

    def truncate(self, node: Node, length: int) -> None:
        """Cuts a file, or fills it with zeros, to a length."""
        del node.data[length:]
        node.data.extend(bytes(length - len(node.data)))
        node.modified = time.time()

    def rename(self, old: str, new: str) -> None:
        """Moves a file or folder; it replaces a file or an empty folder."""
        node = self.find(old)
        (source, name), (target, new_name) = self._place(old), self._place(new)
        replaced = target.names.get(new_name)
        if replaced is not None and replaced.names:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        del source.names[name]
        target.names[new_name] = node

    def remove(self, path: str) -> None:
        """Removes a file or an empty folder."""
        folder, name = self._place(path)
        if self.find(path).names:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        del folder.names[name]

    def flush(self, node: Node) -> None:
        """Brings a file's content, or a folder's names, to the disk."""
        node.flushed = bytes(node.data)
        node.flushed_names = dict(node.names)

    def image(self, keeps_names: bool) -> Image:
        """Returns what a loss of power would leave now.

        Args:
            keeps_names: Whether names reach the disk at once, as with a journal, and contents when they are flushed;
                otherwise neither does before it is flushed.
        """
        return dict(_left(self.root, "", keeps_names))


def _left(folder: Node, path: str, keeps_names: bool) -> Iterator[tuple[str, bytes | None]]:
    for name, node in (folder.names if keeps_names else folder.flushed_names).items():
        below = f"{path}/{name}"
        yield below, None if node.is_folder else node.flushed
        if node.is_folder:
            yield from _left(node, below, keeps_names)


def write_image(image: Image, folder: Path) -> None:
    """Writes what a loss of power left into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in image.items():
        target = folder / path.lstrip("/")
        if content is None:
            target.mkdir()
        else:
            target.write_bytes(content)
