"""Events as the rows of a table: what each says in one line, and deltas that come together folded into one row.

Nothing here waits, prints, or asks how wide the terminal is. What the service says is made printable in `Row.line`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from unicodedata import category, east_asian_width

from pydantic import BaseModel

from ..events import (
    ContentPart,
    ErrorEvent,
    Event,
    RateLimit,
    Response,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    ServiceError,
    Session,
    SessionCreated,
    SessionOutputAudioDelta,
    SessionUpdated,
    UnknownEvent,
    Usage,
)
from .screen import printable

TYPE = 38
"""Columns for the type; the few that are longer push what follows to the right."""

TEXT = 160
"""So many characters of a text are shown, at most: its beginning and its end."""

OPEN_ROWS = 8
"""So many rows may be open at a time, so that they fit on any terminal."""

ERROR, PROBLEM, PLAIN = "!", "?", " "
"""How a row is marked: the service reports a failure, or this version could not read all of the event."""

_FACT = 500
_PROBLEMS = 3
_TEXTS = frozenset({"transcript", "text", "arguments"})
_QUIET = frozenset(
    "type event_id object obfuscation logprobs previous_item_id output_index content_index content".split()
)


@dataclass
class Row:
    """One event, or deltas of one type and item. *at* is in seconds; *size* is bytes of sound, which last *ms*."""

    at: float
    type: str
    mark: str = PLAIN
    text: str = ""
    facts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    folds: bool = False
    """Whether it is made of deltas."""
    count: int = 1
    chars: int = 0
    size: int = 0
    ms: float = 0.0

    def add(self, delta: object, bytes_per_ms: float | None) -> None:
        """One more *delta*, text or bytes; anything else is counted only."""
        match delta:
            case str():
                self.chars += len(delta)
                self.text += delta
                if len(self.text) > 4 * TEXT:  # what is between is never shown
                    self.text = self.text[: 2 * TEXT] + self.text[-2 * TEXT :]
            case bytes():
                self.size += len(delta)
                self.ms += len(delta) / bytes_per_ms if bytes_per_ms else 0.0
            case _:
                pass

    def line(self, width: int | None = None) -> str:
        """The row as one printable line, its text made for *width* columns; what follows may still go beyond."""
        head = f"{self.at:8.3f} {self.mark} {shorten(self.type, 80) or '(no type)':<{TYPE}} "
        facts = [shorten(fact, _FACT) for fact in (*self._totals(), *self.facts)]
        room = TEXT if width is None else max(16, width - cells(head) - cells(" · ".join(facts)) - len(" · “”"))
        said = [f"“{shorten(self.text, min(room, TEXT))}”"] if self.text else []
        ids = [shorten(each, _FACT) for each in self.ids]
        return printable(head + " · ".join([*said, *facts, *ids])).rstrip()

    def _totals(self) -> Iterator[str]:
        if self.folds:
            yield f"{self.count} delta{'s' if self.count > 1 else ''}"
        if self.size:
            yield f"{self.size} bytes"
        if self.ms:
            yield f"{self.ms / 1000:.2f} s"


class Table:
    """Makes rows of events. Deltas that come without another event in between are one row for each type and item."""

    def __init__(self) -> None:
        self._open: dict[tuple[object, ...], Row] = {}
        self._bytes_per_ms = 48.0

    @property
    def open(self) -> list[Row]:
        """The rows that may still change, in the order of their first delta."""
        return list(self._open.values())

    def close(self) -> list[Row]:
        """Those rows, which will not change any more."""
        rows = self.open
        self._open.clear()
        return rows

    def note(self, event: ServerEvent) -> None:
        """Learns from *event*, shown or not, how long a byte of sound is."""
        match event:
            case SessionCreated(session=session) | SessionUpdated(session=session):
                self._bytes_per_ms = _bytes_per_ms(session.ga)
            case _:
                pass

    def add(self, at: float, event: ServerEvent) -> list[Row]:
        """Takes in *event*, which came *at* so many seconds; the rows that are complete by that, in order."""
        self.note(event)
        if event.type.endswith(".delta"):
            return self._fold(at, event)
        said = told(event)
        return [*self.close(), Row(at, event.type, mark_of(event), said.text, said.facts, said.ids)]

    def _fold(self, at: float, event: ServerEvent) -> list[Row]:
        ids = [word for name in ("item_id", "call_id", "response_id") if (word := _word(event, name))]
        key = (type(event), event.type, *ids, event.problems, str(getattr(event, "content_index", "")))
        complete = self.close() if key not in self._open and len(self._open) == OPEN_ROWS else []
        if key in self._open:
            row = self._open[key]
            row.count += 1
        else:
            facts = tuple(_trouble(event))
            row = self._open[key] = Row(at, event.type, mark_of(event), facts=facts, ids=tuple(ids[:1]), folds=True)
        row.add(getattr(event, "delta", None), self._rate_of(event))
        return complete

    def _rate_of(self, event: ServerEvent) -> float | None:
        match event:
            case ResponseOutputAudioDelta():
                return self._bytes_per_ms
            case SessionOutputAudioDelta(sample_rate=rate, channels=channels):
                return _pcm_bytes_per_ms((rate or 24_000) * (channels or 1))
            case _:
                return None


class Said(NamedTuple):
    """What an event says: a *text* of somebody's, short *facts*, and the *ids* of what it is about."""

    text: str = ""
    facts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def __or__(self, other: Said) -> Said:
        return Said(
            f"{self.text} {other.text}".strip(),
            self.facts + other.facts,
            tuple(dict.fromkeys(self.ids + other.ids)),
        )


def told(event: Event) -> Said:
    """What *event* says, its problems first."""
    said = Said(facts=tuple(_trouble(event)))
    for name, value in _fields(event):
        said |= _of_part(name, value) if isinstance(value, BaseModel) else _of_value(name, value)
    return said


def mark_of(event: ServerEvent) -> str:
    """How the row of *event* is marked."""
    match event:
        case ErrorEvent():
            return ERROR
        case ResponseDone(response=response) if response.status == "failed":
            return ERROR
        case _ if event.type.endswith(".failed"):
            return ERROR
        case _:
            return PROBLEM if event.problems or isinstance(event, UnknownEvent) or event.type == "warning" else PLAIN


def _trouble(event: Event) -> Iterator[str]:
    if isinstance(event, UnknownEvent):
        yield f"unknown event: {event.reason}"
    elif event.problems:
        more = len(event.problems) - _PROBLEMS
        yield f"problems: {'; '.join(event.problems[:_PROBLEMS])}{f' and {more} more' if more > 0 else ''}"


def _fields(event: Event) -> Iterator[tuple[str, Any]]:
    """What is in *event* and worth a word."""
    for name, value in event:
        told_by_item = name == "response_id" and not {"item", "item_id"}.isdisjoint(event.model_fields_set)
        quiet = name in _QUIET or told_by_item
        if name in event.model_fields_set and not quiet and value not in (None, "", []):
            yield name, value


def _of_value(name: str, value: Any) -> Said:
    match value:
        case str() if name in _TEXTS:
            return Said(value)
        case str() if name.endswith("_id"):
            return Said(ids=(value,))
        case list() if value and all(isinstance(each, RateLimit) for each in value):
            return Said(facts=tuple(f"{each.name} {each.remaining}/{each.limit}" for each in value))
        case str() | int() | float():
            return Said(facts=(f"{name} {value}",))
        case _:
            return Said(facts=(f"{name} {json.dumps(value, ensure_ascii=False, default=repr)}",))


def _of_part(name: str, part: BaseModel) -> Said:
    match part:
        case ServiceError():
            return _of_error(part)
        case Response():
            return _of_response(part)
        case ContentPart():
            return Said(_spoken(part), (part.type,))
        case Usage():
            return Said(facts=tuple(_of_usage(part)))
        case _ if name in {"item", "session", "conversation"}:
            return _of_thing(part)
        case _:
            return Said(facts=(f"{name} {_word(part, 'message') or part!r}",))


def _of_error(error: ServiceError) -> Said:
    said = ": ".join(word for word in (error.code or error.type, error.message) if word)
    where = (f"param {error.param}",) if error.param else ()
    return Said(facts=(said or "no reason given", *where), ids=(error.event_id,) if error.event_id else ())


def _of_response(response: Response) -> Said:
    said = Said(facts=(response.status,) if response.status else ())
    if (details := response.status_details) is not None:
        said |= Said(facts=(details.reason,) if details.reason else ())
        said |= _of_error(details.error) if details.error else Said()
    usage = tuple(_of_usage(response.usage)) if response.usage else ()
    return said | Said(facts=usage, ids=(response.id,) if response.id else ())


def _of_usage(usage: Usage) -> Iterator[str]:
    if usage.input_tokens is not None or usage.output_tokens is not None:
        yield f"{usage.input_tokens or 0} tokens in, {usage.output_tokens or 0} out"


def _of_thing(thing: BaseModel) -> Said:
    """An item, a session, a conversation: known by their id."""
    content = getattr(thing, "content", None)
    parts = [_spoken(part) for part in content if isinstance(part, ContentPart)] if isinstance(content, list) else []
    text = " ".join(filter(None, parts)) or _word(thing, "arguments") or _word(thing, "output")
    kind = _word(thing, "role") or _word(thing, "type")
    facts = (kind, *(_word(thing, name) for name in ("server_label", "name", "model", "status")))
    return Said(text, tuple(filter(None, facts)), tuple(filter(None, (_word(thing, "id"),))))


def _spoken(part: ContentPart) -> str:
    return part.text or part.transcript or ""


def _word(thing: BaseModel, name: str) -> str:
    """The text of a field that may be missing, and, in what this version does not know, of any kind."""
    value = getattr(thing, name, None)
    return value if isinstance(value, str) else ""


def _bytes_per_ms(session: Session) -> float:
    """How much of the sound that comes from *session* is a millisecond."""
    output = session.audio.output if session.audio else None
    said = output.format if output else None
    if said is None or said.type not in {"audio/pcmu", "audio/pcma"}:
        return _pcm_bytes_per_ms((said and said.rate) or 24_000)
    return 8.0


def _pcm_bytes_per_ms(samples: int) -> float:
    return 2 * samples / 1000 if 0 < samples < 10_000_000 else 48.0  # the service may say anything


# Fitting


def shorten(text: str, most: int) -> str:
    """*text* in one line of at most *most* characters: its beginning and its end."""
    if len(text) > 4 * most:
        text = text[: 2 * most] + text[-2 * most :]
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 1]}…{text[len(text) - tail :]}"


def cells(text: str) -> int:
    """How many columns of a terminal *text* takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if category(char) in {"Mn", "Me"}:  # it is put on the one before
        return 0
    return 2 if east_asian_width(char) in {"W", "F"} else 1


def fit(text: str, width: int, more: str = "…") -> str:
    """*text*, cut with *more* if it takes more than *width* columns."""
    if cells(text) <= width:
        return text
    room = width - cells(more)
    for place, char in enumerate(text):
        room -= _cells(char)
        if room < 0:
            return text[:place] + more
    return text
