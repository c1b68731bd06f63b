"""Where events are shown: as JSON lines, or as a table, on a terminal or in a pipe."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import Any, Protocol

import pybase64

from ..events import ServerEvent
from .screen import Screen
from .table import ERROR, PLAIN, PROBLEM, Row, Table, fit


class Show(Protocol):
    """Where events are shown."""

    def show(self, at: float, event: ServerEvent) -> None:
        """Shows *event*, which came *at* so many seconds."""

    def skip(self, event: ServerEvent) -> None:
        """*event* has come, too."""

    def end(self) -> None:
        """Shows what was held back."""


class JsonLines:
    """Each event as it came, in a line of its own that is written at once."""

    def __init__(self, *, no_audio: bool) -> None:
        self._no_audio = no_audio

    def show(self, at: float, event: ServerEvent) -> None:
        print(json_line(event, no_audio=self._no_audio), flush=True)

    def skip(self, event: ServerEvent) -> None:
        pass

    def end(self) -> None:
        pass


_COLOURS = {ERROR: "\x1b[31m", PROBLEM: "\x1b[33m"}
_NOT_PLAIN = re.compile(r"[^ -~]")


def json_line(event: ServerEvent, *, no_audio: bool = False) -> str:
    """*event* as it came, in one line of ASCII: for a reader of any encoding, and safe on a terminal."""
    try:
        text = event.raw.decode(json.detect_encoding(event.raw), "surrogatepass")
        if no_audio:
            text = _without_audio(event, text)
        else:
            json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps({"not_json": pybase64.b64encode(event.raw).decode("ascii")})
    return _NOT_PLAIN.sub(_escaped, text)


def _escaped(char: re.Match[str]) -> str:
    if char[0] in "\t\r\n":  # in JSON they are between the words only
        return " "
    units = char[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _without_audio(event: ServerEvent, text: str) -> str:
    fields = json.loads(text, object_hook=_weighed)
    delta = getattr(event, "delta", None)
    if isinstance(fields, dict) and isinstance(delta, bytes):
        fields["delta"] = {"bytes": len(delta)}
    return json.dumps(fields)


def _weighed(fields: dict[str, Any]) -> dict[str, Any]:
    sound = fields.get("audio")
    return fields | {"audio": {"bytes": len(sound.rstrip("=")) * 3 // 4}} if isinstance(sound, str) else fields


class Roll(Screen):
    """Rows, one below the other; on a terminal, those that still grow are written over, and trouble has a colour."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.live and os.environ.get("TERM") != "dumb"
        self._coloured = self.live and not os.environ.get("NO_COLOR")
        self._table = Table()
        self._growing = 0  # rows on the terminal that may change

    def show(self, at: float, event: ServerEvent) -> None:
        self._draw(self._table.add(at, event))

    def skip(self, event: ServerEvent) -> None:
        self._table.note(event)

    def end(self) -> None:
        self._draw(self._table.close())

    def _draw(self, complete: list[Row]) -> None:
        if not self.live:
            self._write("".join(f"{self._plain(row.line())}\n" for row in complete))
            return
        up = f"\x1b[{self._growing}A" if self._growing else ""
        growing = self._table.open
        width = shutil.get_terminal_size().columns - 1  # in the last column, terminals differ
        self._write(up + "".join(f"\r\x1b[K{self._painted(row, width)}\n" for row in (*complete, *growing)))
        self._growing = len(growing)

    def _painted(self, row: Row, width: int) -> str:
        line = self._plain(row.line(width))
        if row.folds or row.mark == PLAIN:  # trouble is shown whole
            line = fit(line, width, self._plain("…"))
        colour = _COLOURS.get(row.mark) if self._coloured else None
        return f"{colour}{line}\x1b[0m" if colour else line

    def _write(self, text: str) -> None:
        # Whoever read this has gone (`| head`): there is nothing else to be done here, so that ends the command.
        if text:
            self._out.write(text)
            self._out.flush()
