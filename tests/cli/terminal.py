"""The command on a terminal of its own, which is read as somebody sees it who sits before it."""

from __future__ import annotations

import errno
import os
import select
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from . import COMMAND, ROOT, environment

PATIENCE = 20.0
"""Seconds after which a command that says nothing has hung."""


class Terminal:
    """The command on a terminal, as somebody sees it who sits before it."""

    def __init__(self, *arguments: str | Path) -> None:
        self._master, slave = os.openpty()
        try:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                cwd=ROOT,
                env=environment(),
                start_new_session=True,
            )
        finally:
            os.close(slave)
        self.shown = ""

    def read_until(self, text: str) -> str:
        """All that was shown, once *text* is."""
        while text not in self.shown:
            assert self._read(), f"{text!r} is not in {self.shown!r}"
        return self.shown

    def read(self) -> str:
        """All that was shown, when the command has ended."""
        while self._read():
            pass
        self.process.wait(PATIENCE)
        return self.shown

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"nothing comes after {self.shown!r}"
        try:
            piece = os.read(self._master, 65536)
        except OSError as exc:
            if exc.errno != errno.EIO:  # how Linux says that nobody has the other end any more
                raise
            return False
        self.shown += piece.decode().replace("\r\n", "\n")
        return bool(piece)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(*arguments: str | Path) -> Generator[Terminal]:
    window = Terminal(*arguments)
    try:
        yield window
    finally:
        window.close()


def on_screen(shown: str) -> list[str]:
    """The lines that are left to be read of what was *shown*: without those that were written over."""
    return [line.rsplit("\r\x1b[K", 1)[-1] for line in shown.rstrip("\n").split("\n")]
