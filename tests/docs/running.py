"""Runs the blocks of a page in order, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.commands import commands_of
from tests.docs.known_flags import KnownFlags
from tests.docs.pages import ROOT, Block, Page
from tests.docs.readers_files import write_files_of_tasks, write_glue_folder
from tests.docs.small import PORTS, take_records, with_ports, write_project, write_python

_BLOCK_SECONDS = 1200.0
_SERVER_SECONDS = 180.0
_SERVER_IS_READY = re.compile(rb"gRPC: [\d.]+:\d+\n")


class _Process:
    """A block that runs, and everything that it starts; its output is read as it comes."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self.output += chunk

    @property
    def status(self) -> int | None:
        """Exit status of the block's shell; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> None:
        """Waits until the block's shell has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def wait_for_server(self) -> bool:
        """Waits until a server that the block started is ready, and returns whether it is."""
        end = time.monotonic() + _SERVER_SECONDS
        while not _SERVER_IS_READY.search(self.output):
            if not self._reader.is_alive() or time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def stop(self) -> bool:
        """Ends what still runs of the block, and returns whether SIGTERM was enough."""
        self._reader.join(1)
        stopped = True
        if self._reader.is_alive():
            self._signal(signal.SIGTERM)
            # The pipe is closed when the last process that could write to it has ended.
            self._reader.join(60)
            stopped = not self._reader.is_alive()
        if not stopped:
            self._signal(signal.SIGKILL)
        self._process.wait()
        return stopped

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class PageRunner:
    """Runs pages, each in a folder that looks like a clone of the project.

    Args:
        folder: Where these folders are made.
        known: The flags of the programs.
        pages: All pages by path, for those that continue another page.
    """

    def __init__(self, folder: Path, known: KnownFlags, pages: Mapping[str, Page]) -> None:
        self._folder, self._known, self._pages = folder, known, pages
        self._done: dict[str, Path | AssertionError] = {}
        write_glue_folder(folder / "glue_data")

    def run(self, path: str) -> Path:
        """Runs all blocks of a page, after those of the pages that it continues, and returns its folder.

        A page that has run is not run again.

        Raises:
            AssertionError: A block failed or did not write what it should; the message has page, line and output.
        """
        if path not in self._done:
            page = self._pages[path]
            try:
                starts = [self.run(before) for before in page.continues]
                self._done[path] = self.run_blocks(path, page.blocks, starts)
            except AssertionError as error:
                self._done[path] = error
        done = self._done[path]
        if isinstance(done, AssertionError):
            raise done
        return done

    def run_blocks(self, name: str, blocks: Sequence[Block], starts: Sequence[Path] = ()) -> Path:
        """Runs blocks in order in a new folder, and returns it.

        Args:
            name: What the folder is named after.
            blocks: The blocks; those that are not to be run are left out.
            starts: Folders of earlier runs, whose files are copied.

        Raises:
            AssertionError: As of `run`.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"{Path(name).stem}_", dir=self._folder))
        records = folder / "records"
        records.mkdir()
        write_project(folder)
        shutil.copytree(ROOT / "docs", folder / "docs")
        (folder / "glue_data").symlink_to(self._folder / "glue_data")
        made_here = {path.name for path in folder.iterdir()}
        for start in starts:
            for path in start.iterdir():
                if path.is_dir() and path.name not in made_here | {".venv"}:
                    shutil.copytree(path, folder / path.name, symlinks=True, dirs_exist_ok=True)
        ports = dict(zip(PORTS, _free_ports(len(PORTS))))
        write_python(folder / ".venv" / "bin" / "python", sys.executable, self._known, ports, records)
        with contextlib.ExitStack() as servers:
            for block in blocks:
                if block.file:
                    (folder / block.file).write_text(block.code, encoding="utf-8")
                    write_files_of_tasks(folder / block.file)
                elif block.runs:
                    self._run_block(block, folder, ports, servers)
                    for record in take_records(records):
                        for path in record.outputs:
                            assert _holds_something(path), f"{block.place}: {path} was not written"
        return folder

    def _run_block(self, block: Block, folder: Path, ports: Mapping[str, str], servers: contextlib.ExitStack) -> None:
        commands = commands_of(block) if block.is_shell else []
        serving = [command for command in commands if command.program == "tools.serve"]
        code = with_ports(block.code, ports)
        shell = ["bash", "-euo", "pipefail", "-c"] if block.is_shell else [str(folder / ".venv/bin/python"), "-c"]
        process = _Process([*shell, code], folder, self._environment(folder))
        processes = servers.enter_context(contextlib.ExitStack())
        processes.callback(_stop, process, block)
        # A server in the foreground runs as long as the page: a reader has a terminal of its own for it.
        foreground = bool(serving) and not serving[-1].in_background
        if not foreground:
            process.wait(_BLOCK_SECONDS)
            _check(process.status == 0, block, f"exit status {process.status}", process)
        if serving:
            _check(process.wait_for_server(), block, "the server does not answer", process)
        else:
            processes.close()

    def _environment(self, folder: Path) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MTDNN_TF_", "TF_"))}
        environment.update(
            PATH=f"{folder / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}",
            PYTHONPATH=str(ROOT),
            XDG_CACHE_HOME=str(self._folder / "cache"),
            GLUE=str(self._folder / "glue_data"),
            TF_CPP_MIN_LOG_LEVEL="3",
        )
        return environment


def _check(holds: bool, block: Block, what: str, process: _Process) -> None:
    output = process.output.decode(errors="replace")[-4000:]
    assert holds, f"{block.place}: {what}\n{block.code}\n{output}"


def _stop(process: _Process, block: Block) -> None:
    _check(process.stop(), block, "processes of the block do not end on SIGTERM", process)


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0


def _free_ports(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [str(listener.getsockname()[1]) for listener in sockets]
