"""Files on their way to the service: from a path, from bytes, from a file that is open."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path, PurePath
from typing import IO, Any, TypeAlias

from anyio import to_thread

from ..errors import ConfigurationError

FileContent: TypeAlias = bytes | bytearray | memoryview | str | PathLike[str] | IO[bytes]
"""Bytes, a path, or a file that is open for reading bytes."""
File: TypeAlias = FileContent | tuple[str, FileContent] | tuple[str, FileContent, str]
"""A file: its content; or name and content; or name, content and media type."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (8, b"WEBP", "webp"),  # before the next, for it is RIFF, too
    (0, b"RIFF", "wav"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (0, b"\xff\xf3", "mp3"),  # at 24 kHz or less, as speech is
    (0, b"\xff\xf2", "mp3"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"\x1a\x45\xdf\xa3", "webm"),
    (4, b"ftyp", "m4a"),
    (0, b"\x89PNG", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
)


_LOOKED_AT = 16


@dataclass(frozen=True)
class Field:
    """A part of a form that is no file, but has a media type, *kind*."""

    content: bytes
    kind: str


class Part:
    """A file as a part of a form: *part* is httpx2's, *replayable* whether it can be read twice."""

    def __init__(self, part: tuple[Any, ...], *, replayable: bool) -> None:
        self.part = part
        self.replayable = replayable


@asynccontextmanager
async def opened(file: File | Field, argument: str) -> AsyncGenerator[Part]:
    """*file*, open for the length of the block. Raises `ConfigurationError` for what is none, and `OSError`.

    The service knows a format by its name's ending: what has no name gets one by how it begins.
    """
    if isinstance(file, Field):
        yield Part((None, file.content, file.kind), replayable=True)
        return
    name, content, rest = _named(file, argument)
    match content:
        case bytes() | bytearray() | memoryview():
            held = bytes(content)
            yield Part((name or _name_of(held), held, *rest), replayable=True)
        case str() | PathLike():
            path = Path(content)
            source = await to_thread.run_sync(path.open, "rb")
            try:
                yield await to_thread.run_sync(_read, name or path.name, source, rest)
            finally:
                source.close()  # nothing to wait for: a cancellation here would lose the answer
        case _ if hasattr(content, "read"):
            if isinstance(content, io.TextIOBase) or iscoroutinefunction(content.read):
                raise _no_file(argument, content)
            own = getattr(content, "name", None)
            shown = name or (PurePath(own).name if isinstance(own, str) else None)
            yield await to_thread.run_sync(_read, shown, content, rest)
        case _:
            raise _no_file(argument, content)


def _no_file(argument: str, content: object) -> ConfigurationError:
    said = f"give bytes, a path or a file that is open for reading bytes, not {type(content).__name__}"
    return ConfigurationError(f"{argument}: {said}")


def _read(name: str | None, file: Any, rest: tuple[str, ...]) -> Part:
    """*file* as a part. A pipe is read whole: httpx2 would wait for it in the event loop, and take it for empty."""
    if not getattr(file, "seekable", bool)():
        held = file.read() or b""
        return Part((name or _name_of(held), held, *rest), replayable=False)
    if name is None:
        file.seek(0)  # from where httpx2 sends it
        name = _name_of(file.read(_LOOKED_AT))
    return Part((name, file, *rest), replayable=True)


def _named(file: Any, argument: str) -> tuple[str | None, Any, tuple[str, ...]]:
    if not isinstance(file, tuple):
        return None, file, ()
    if not 2 <= len(file) <= 3 or not isinstance(file[0], str):
        raise ConfigurationError(f"{argument}: a tuple is (name, content) or (name, content, media type)")
    return file[0], file[1], tuple(file[2:])


def _name_of(content: bytes) -> str:
    for at, beginning, ending in _SIGNATURES:
        if content[at : at + len(beginning)] == beginning:
            return f"upload.{ending}"
    return "upload"
