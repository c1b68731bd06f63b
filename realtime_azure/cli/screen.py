"""What a person sees: labelled lines, and on a terminal a level meter and words as they come.

In a pipe every line is whole and plain. Nothing is said when the output is for a program (`--json`).
"""

from __future__ import annotations

import sys
from typing import TextIO

LABEL = 9
METER = 24


class Screen:
    """Writes to *out*; *live* if it is a terminal, *silent* to write nothing."""

    def __init__(self, out: TextIO | None = None, *, silent: bool = False) -> None:
        self._out = out or sys.stdout
        self._silent = silent
        self.live = self._out.isatty() and not silent
        self._streaming: str | None = None
        self._status = False
        self._fancy = _can_encode(self._out, "█→·")

    def line(self, label: str, text: str) -> None:
        """A whole line: *label* and *text*."""
        self._clear()
        self._write(f"{label:<{LABEL}} {self._plain(text)}\n")

    def note(self, text: str) -> None:
        """A remark, on a line of its own."""
        self._clear()
        self._write(f"{self._plain(text)}\n")

    def meter(self, label: str, level: float, text: str) -> None:
        """On a terminal: how loud it is (*level* 0 to 1) and how far (*text*), on a line that is written over."""
        if not self.live or self._streaming:
            return
        # Speech is mostly between -50 and 0 dBFS; the fourth root spreads that over the meter.
        full = round(min(1.0, level) ** 0.25 * METER)
        bar = ("█" if self._fancy else "#") * full + " " * (METER - full)
        self._write(f"\r\x1b[K{label:<{LABEL}} [{bar}] {text}")
        self._status = True

    def stream(self, label: str, text: str) -> None:
        """On a terminal: *text* added to the line of *label*, as it comes."""
        if not self.live:
            return
        if self._streaming != label:
            self._clear()
            self._write(f"{label:<{LABEL}} ")
            self._streaming = label
        self._write(self._plain(text))

    def end_stream(self, label: str, text: str) -> None:
        """Ends the line of *label*; where it was not shown as it came, *text* is shown now, whole."""
        if self._streaming == label:
            self._clear()
        elif text:
            self.line(label, text)

    def _clear(self) -> None:
        if self._streaming is not None:
            self._write("\n")
            self._streaming = None
        if self._status:
            self._write("\r\x1b[K")
            self._status = False

    def _plain(self, text: str) -> str:
        # What the service sends is not let loose on the terminal: no escape sequences, no line of its own.
        shown = "".join(char if char.isprintable() else " " for char in text)
        if self._fancy:
            return shown
        return (
            shown.replace("→", "->").replace("·", "-").encode(self._out.encoding, "replace").decode(self._out.encoding)
        )

    def _write(self, text: str) -> None:
        if not self._silent:
            self._out.write(text)
            self._out.flush()


def _can_encode(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
