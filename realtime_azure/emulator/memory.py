"""A line without a port: two ends of a byte stream in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anyio import create_memory_object_stream
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

PIECES = 64
"""How many writes wait in a line before the writer does."""


class MemoryStream(ByteStream):
    """One end of a line. Closing it is the end of what the other one reads; a full line makes its writer wait."""

    def __init__(self, sends: MemoryObjectSendStream[bytes], receives: MemoryObjectReceiveStream[bytes]) -> None:
        self._sends, self._receives = sends, receives
        self._rest = b""

    async def send(self, item: bytes) -> None:
        """Raises `BrokenResourceError` when the other end is closed."""
        if item:
            await self._sends.send(item)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Raises `EndOfStream` when the other end sends no more."""
        if self._rest:
            await checkpoint()
        data = self._rest or await self._receives.receive()
        self._rest = data[max_bytes:]
        return data[:max_bytes]

    async def send_eof(self) -> None:
        self._sends.close()

    async def aclose(self) -> None:
        self._sends.close()
        self._receives.close()
        self._rest = b""

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {}


def line() -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a new line."""
    to_right, from_left = create_memory_object_stream[bytes](PIECES)
    to_left, from_right = create_memory_object_stream[bytes](PIECES)
    return MemoryStream(to_right, from_right), MemoryStream(to_left, from_left)
