"""What goes over the lines of an emulator, a row for each event. Pure: nothing here waits or prints.

`3 >` is what the client of the third connection says, `3 <` what the service does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from ..emulator import Seen
from ..events import InputAudioBufferAppend, decode
from ..events.wire import read_client_event
from .screen import printable
from .table import PROBLEM, Row, Table, told

_PCM_BYTES_PER_MS = 48.0


@dataclass
class _Line:
    """One connection: what the service says, and the sound of the client that came in a row."""

    said: Table = field(default_factory=Table)
    heard: Row | None = None

    def take_heard(self) -> list[Row]:
        rows, self.heard = ([] if self.heard is None else [self.heard]), None
        return rows


class Traffic:
    """Makes rows of what is seen."""

    def __init__(self) -> None:
        self._lines: dict[int, _Line] = {}

    def rows(self, at: float, seen: Seen) -> Iterator[str]:
        """The rows that are complete by what was *seen*, *at* so many seconds, in order."""
        line = self._lines.setdefault(seen.connection, _Line())
        if seen.by_client:
            yield from _printed(seen.connection, ">", self._heard(line, at, seen.message))
            return
        event = decode(seen.message)
        if not event.type.endswith(".delta"):
            yield from _printed(seen.connection, ">", line.take_heard())
        yield from _printed(seen.connection, "<", line.said.add(at, event))

    def close(self) -> Iterator[str]:
        """The rows that were still growing."""
        for number, line in self._lines.items():
            yield from _printed(number, ">", line.take_heard())
            yield from _printed(number, "<", line.said.close())

    def _heard(self, line: _Line, at: float, message: bytes) -> list[Row]:
        try:
            event = read_client_event(message)
        except ValidationError:
            return [*line.take_heard(), Row(at, decode(message).type, PROBLEM, facts=("not what the service takes",))]
        if isinstance(event, InputAudioBufferAppend):
            line.heard = line.heard or Row(at, event.type, folds=True, count=0)
            line.heard.count += 1
            line.heard.add(event.audio, _PCM_BYTES_PER_MS)
            return []
        said = told(event)
        return [*line.take_heard(), Row(at, event.type, text=said.text, facts=said.facts, ids=said.ids)]


def note(at: float, text: str) -> str:
    """What happens besides the events: a connection that begins or ends, a request, a fault."""
    return f"    - {at:8.3f}   {printable(text)}"


def _printed(number: int, way: str, rows: list[Row]) -> Iterator[str]:
    for row in rows:
        yield f"{number:3} {way} {row.line()}"
