"""A file system in memory, mounted by FUSE, that keeps what losses of power at different moments would have left.

python -m tests.promises.power.file_system MOUNT_POINT IMAGES --images=8 --seed=0

When it is unmounted, it writes what would have been left at that moment, by `DurableFiles.image`, to IMAGES/end-flushed
and IMAGES/end-names, and what would have been left at random changes before to IMAGES/N-flushed and IMAGES/N-names.
"""

from __future__ import annotations

import argparse
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mfusepy

from tests.promises.power.durable_files import DurableFiles, Image, Node, write_image

_MODELS = {"flushed": False, "names": True}


class FileSystem(mfusepy.Operations):
    """Passes the operations of FUSE to `DurableFiles`, and keeps a sample of images."""

    use_ns = True

    def __init__(self, images: int, seed: int) -> None:
        self._files = DurableFiles()
        self._opened: dict[int, Node] = {}
        self._next = 0
        self._generator = random.Random(seed)
        self._wanted, self._changes = images, 0
        self.sample: list[dict[str, Image]] = []

    def images(self) -> dict[str, Image]:
        """Returns what a loss of power would leave now, by model."""
        images = {name: self._files.image(keeps_names) for name, keeps_names in _MODELS.items()}
        # FUSE's own name of a file that is removed while it is open.
        return {
            name: {path: content for path, content in image.items() if "/.fuse_hidden" not in path}
            for name, image in images.items()
        }

    def _change(self) -> None:
        """Keeps the present images as one of a uniform sample of all changes."""
        self._changes += 1
        place = len(self.sample) if self._changes <= self._wanted else self._generator.randrange(self._changes)
        if place < self._wanted:
            self.sample[place : place + 1] = [self.images()]

    def _open(self, node: Node) -> int:
        self._next += 1
        self._opened[self._next] = node
        return self._next

    def _node(self, path: str, fh: int | None) -> Node:
        return self._opened[fh] if fh in self._opened else self._files.find(path)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        node = self._node(path, fh)
        nanoseconds = int(node.modified * 1e9)
        times = dict.fromkeys(("st_mtime", "st_atime", "st_ctime"), nanoseconds)
        links = 2 if node.is_folder else 1
        return {"st_mode": node.mode, "st_size": len(node.data), "st_nlink": links, "st_ino": id(node), **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *self._files.find(path).names]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        made = self._open(self._files.add(path, stat.S_IFREG | stat.S_IMODE(mode)))
        self._change()
        return made

    def open(self, path: str, flags: int) -> int:
        return self._open(self._files.find(path))

    def opendir(self, path: str) -> int:
        return self._open(self._files.find(path))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._node(path, fh).data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return self._files.write(self._node(path, fh), data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._files.truncate(self._node(path, fh), length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._files.flush(self._node(path, fh))
        self._change()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._files.flush(self._node(path, fh))
        self._change()
        return 0

    def release(self, path: str, fh: int) -> int:
        self._opened.pop(fh, None)
        return 0

    releasedir = release

    def mkdir(self, path: str, mode: int) -> int:
        self._files.add(path, stat.S_IFDIR | stat.S_IMODE(mode))
        self._change()
        return 0

    def unlink(self, path: str) -> int:
        self._files.remove(path)
        self._change()
        return 0

    rmdir = unlink

    def rename(self, old: str, new: str) -> int:
        self._files.rename(old, new)
        self._change()
        return 0

    def chmod(self, path: str, mode: int) -> int:
        node = self._files.find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1 << 20, "f_bavail": 1 << 20, "f_bfree": 1 << 20}


def main() -> None:
    """Serves until the file system is unmounted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount_point")
    parser.add_argument("output", type=Path, help="folder of the images")
    parser.add_argument("--images", type=int, default=8, help="number of random moments")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    files = FileSystem(flags.images, flags.seed)
    serve: Callable[..., Any] = mfusepy.FUSE
    serve(files, flags.mount_point, foreground=True, nothreads=True)
    for moment, images in [("end", files.images()), *enumerate(files.sample)]:
        for model, image in images.items():
            write_image(image, flags.output / f"{moment}-{model}")


if __name__ == "__main__":
    main()
