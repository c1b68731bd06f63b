"""What a person sees: labelled lines, and on a terminal a level meter and words as they come.

In a pipe every line is whole and plain. Nothing is said when the output is for a program (`--json`).
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

LABEL = 9
METER = 24
_PLAIN = {"→": "->", "·": "-", "✓": "ok", "✗": "NO", "“": '"', "”": '"', "…": "..."}


def printable(text: str) -> str:
    """*text* as it may be let loose on a terminal: no escape sequences, no line of its own."""
    return "".join(char if char.isprintable() else " " for char in text)


class Screen:
    """Writes to *out*; *live* if it is a terminal, *silent* to write nothing."""

    def __init__(self, out: TextIO | None = None, *, silent: bool = False) -> None:
        self._out = out or sys.stdout
        self._silent = silent
        self.live = self._out.isatty() and not silent
        self._streaming: str | None = None
        self._streamed: set[str] = set()  # labels whose text was shown as it came, so far
        self._status = False
        self._fancy = _can_encode(self._out, "█→·✓✗“”…")

    def line(self, label: str, text: str) -> None:
        """A whole line: *label* and *text*."""
        self.clear()
        self._write(f"{label:<{LABEL}} {self._plain(text)}\n")

    def note(self, text: str) -> None:
        """A remark, on a line of its own."""
        self.clear()
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

    def status(self, text: str) -> None:
        """On a terminal: what is going on, on a line that is written over."""
        if self.live:
            self.clear()
            self._write(self._plain(text))
            self._status = True

    def finding(self, ok: bool | None, label: str, text: str, advice: str) -> None:
        """A line of a check-up: *ok* (None: for your information), what was found, and under it what to do."""
        mark = {True: "✓", False: "✗", None: "-"}[ok]
        self.note(f"{mark} {label:<13} {text}")
        if advice:
            self.note(f"  {'':<13} → {advice}")

    def stream(self, label: str, text: str) -> None:
        """On a terminal: *text* added to the line of *label*, as it comes."""
        if not self.live:
            return
        if self._streaming != label:
            self.clear()
            self._write(f"{label:<{LABEL}} ")
            self._streaming = label
            self._streamed.add(label)
        self._write(self._plain(text))

    def end_stream(self, label: str, text: str) -> None:
        """Ends the line of *label*; where it was not shown as it came, *text* is shown now, whole."""
        if self._streaming == label:
            self.clear()
        elif text and label not in self._streamed:
            self.line(label, text)
        self._streamed.discard(label)

    def clear(self) -> None:
        """Leaves the cursor at the beginning of a line that is empty."""
        if self._streaming is not None:
            self._write("\n")
            self._streaming = None
        if self._status:
            self._write("\r\x1b[K")
            self._status = False

    def _plain(self, text: str) -> str:
        shown = printable(text)
        if not self._fancy:
            for sign, plain in _PLAIN.items():
                shown = shown.replace(sign, plain)
        encoding = self._out.encoding or "utf-8"  # none: it is in memory
        return shown.encode(encoding, "replace").decode(encoding)

    def _write(self, text: str) -> None:
        if self._silent:
            return
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            # Whoever read the lines has gone (`| head`), but the answer may be wanted in its file.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())


def _can_encode(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
