"""What a command sends: client events from a file or from stdin, each checked first, and what is said in writing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pybase64
from pydantic_core import from_json

from ..endpoint import Dialect
from ..errors import ConfigurationError, InvalidEvent
from ..events import ClientEvent
from ..events.preview import to_dated, to_voice_live
from ..events.wire import checked, dump
from ..verbs import new_event_id


def outgoing(send: str | None, dialect: Dialect) -> AsyncIterator[ClientEvent]:
    """The events to send. A file is read and checked as a whole, now; stdin line by line, as it comes."""
    if send == "-":
        return _stdin(dialect)
    return _each(list(_checked(_lines(send), send, dialect)) if send is not None else [])


def _lines(file: str) -> list[bytes]:
    try:
        return Path(file).read_bytes().splitlines()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ConfigurationError(f"--send: {file} cannot be read: {reason}") from exc


def _checked(lines: Iterable[bytes], where: str, dialect: Dialect, first: int = 1) -> Iterator[ClientEvent]:
    """The events in *lines*; raises `InvalidEvent`, which names the line, counted from *first*."""
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            yield client_event(line, dialect)
        except InvalidEvent as exc:
            raise InvalidEvent(f"{where}, line {number}: {exc}") from None


async def _each(events: Iterable[ClientEvent]) -> AsyncGenerator[ClientEvent]:
    for event in events:
        yield event


async def _stdin(dialect: Dialect) -> AsyncGenerator[ClientEvent]:
    # Not in a thread: one that waits for a line would keep the process from ending.
    stdin, rest, number = sys.stdin.fileno(), b"", 1
    while True:
        with suppress(OSError):  # a file, for which there is no waiting
            await anyio.wait_readable(stdin)
        piece = os.read(stdin, 65536)
        *lines, rest = (rest + piece).split(b"\n") if piece else (rest, b"")
        for event in _checked(lines, "stdin", dialect, number):
            yield event
        number += len(lines)
        if not piece:
            return


def client_event(line: bytes, dialect: Dialect) -> ClientEvent:
    """The event in *line*, with an id, checked as `Connection.send` does it. Raises `InvalidEvent`."""
    try:
        fields = json.loads(line.decode("utf-8-sig"), object_hook=_unpack)
    except json.JSONDecodeError as exc:
        raise InvalidEvent(f"this is not JSON: {exc.msg}, column {exc.colno}") from None
    except (ValueError, RecursionError) as exc:
        raise InvalidEvent(f"this cannot be read: {exc}") from None
    if not isinstance(fields, dict):
        raise InvalidEvent("this is not a JSON object")
    event = checked(fields, voice_live=dialect == "voice-live")
    if dialect != "ga":
        (to_dated if dialect == "preview" else to_voice_live)(from_json(dump(event)))
    return event if event.event_id else event.model_copy(update={"event_id": new_event_id()})


def _unpack(fields: dict[str, Any]) -> dict[str, Any]:
    """*fields* with their sound as bytes, as everybody here takes it."""
    sound = fields.get("audio")
    if not isinstance(sound, str):
        return fields
    try:
        return fields | {"audio": pybase64.b64decode(sound, validate=True)}
    except ValueError:
        raise InvalidEvent("audio: this is not base64") from None


def turn(text: str) -> Iterator[ClientEvent]:
    """What says *text* in writing, and asks for an answer."""
    content = [{"type": "input_text", "text": text}]
    yield checked(
        {
            "type": "conversation.item.create",
            "event_id": new_event_id(),
            "item": {"type": "message", "role": "user", "content": content},
        }
    )
    yield checked({"type": "response.create", "event_id": new_event_id()})
