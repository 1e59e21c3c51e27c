from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.release.layout import CHECKSUMS, verify_checksums, write_checksums


@pytest.fixture(name="folder")
def _folder_with_checksums(tmp_path):
    folder = tmp_path / "release"
    (folder / "part").mkdir(parents=True)
    (folder / "card").write_bytes(b"text\n")
    (folder / "part" / "two words").write_bytes(b"\x00" * 1000)
    write_checksums(folder)
    return folder


def test_every_file_is_named_with_its_sha256(folder):
    assert (folder / CHECKSUMS).read_text() == (
        f"{hashlib.sha256(b'text' + bytes([10])).hexdigest()}  card\n"
        f"{hashlib.sha256(bytes(1000)).hexdigest()}  part/two words\n"
    )
    assert verify_checksums(folder) == 2


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="coreutils is not here")
def test_sha256sum_reads_them(folder):
    check = ["sha256sum", "--check", "--strict", CHECKSUMS]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    (folder / "card").write_bytes(b"Text\n")
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 1


def _flip(folder):
    content = bytearray((folder / "part" / "two words").read_bytes())
    content[500] ^= 1
    (folder / "part" / "two words").write_bytes(content)


def _replace_by_link(folder):
    (folder.parent / "elsewhere").write_bytes((folder / "card").read_bytes())
    (folder / "card").unlink()
    (folder / "card").symlink_to(folder.parent / "elsewhere")


def _name(line):
    def change(folder):
        with (folder / CHECKSUMS).open("a") as file:
            file.write(line + "\n")

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_flip, "two words: checksum does not match"),
        (_replace_by_link, "card: checksum does not match"),
        (lambda folder: (folder / "card").unlink(), "card: missing, but listed in SHA256SUMS"),
        (lambda folder: (folder / "part" / "new").touch(), "new: not listed in SHA256SUMS"),
        (lambda folder: (folder / CHECKSUMS).unlink(), "SHA256SUMS: missing"),
        (lambda folder: (folder / CHECKSUMS).write_bytes(b"\xff\n"), "SHA256SUMS: not UTF-8"),
        (_name("0" * 64 + "  ../elsewhere"), "SHA256SUMS:3: must be a checksum and a path within"),
        (_name("0" * 64 + "  /etc/hostname"), "SHA256SUMS:3"),
        (_name("0" * 64 + "  card"), "SHA256SUMS:3"),
        (_name("card"), "SHA256SUMS:3"),
    ],
)
def test_what_was_changed_is_told(folder, change, message):
    change(folder)
    with pytest.raises(UserError, match=message):
        verify_checksums(folder)
