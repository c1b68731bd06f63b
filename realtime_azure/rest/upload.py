"""Files on their way to the service: from a path, from bytes, from a file that is open."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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
    (0, b"RIFF", "wav"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"\x1a\x45\xdf\xa3", "webm"),
    (4, b"ftyp", "m4a"),
    (0, b"\x89PNG", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
)


class Part:
    """A file as a part of a form: *part* is httpx2's, *replayable* whether it can be read twice."""

    def __init__(self, part: tuple[Any, ...], *, replayable: bool) -> None:
        self.part = part
        self.replayable = replayable


@asynccontextmanager
async def opened(file: File, argument: str) -> AsyncGenerator[Part]:
    """*file*, open for the length of the block. Raises `ConfigurationError` for what is none, and `OSError`.

    The service knows a format by its name's ending: bytes without a name get one by how they begin.
    """
    name, content, rest = _named(file, argument)
    match content:
        case bytes() | bytearray() | memoryview():
            held = bytes(content)
            yield Part((name or _name_of(held), held, *rest), replayable=True)
        case str() | PathLike():
            path = Path(content)
            source = await to_thread.run_sync(path.open, "rb")
            try:
                yield Part((name or path.name, source, *rest), replayable=True)
            finally:
                source.close()  # nothing to wait for: a cancellation here would lose the answer
        case _ if hasattr(content, "read"):
            own = getattr(content, "name", None)
            shown = name or (PurePath(own).name if isinstance(own, str) else "upload")
            seekable = await to_thread.run_sync(lambda: bool(getattr(content, "seekable", bool)()))
            yield Part((shown, content, *rest), replayable=seekable)
        case _:
            raise ConfigurationError(
                f"{argument}: give bytes, a path or a file that is open for reading bytes, not {type(content).__name__}"
            )


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
