"""A line that fails: an anyio byte stream that breaks, falls silent or crawls, as its trouble says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from anyio import BrokenResourceError, aclose_forcefully, sleep, sleep_forever
from anyio.abc import ByteStream

from .faults import Trouble

TURNS = 20
"""How often a second a slow line moves."""

_TEXT_FRAME = 0x81


class FaultyStream(ByteStream):
    """*stream* after the handshake, on the service's side."""

    def __init__(self, stream: ByteStream, trouble: Trouble) -> None:
        self._stream = stream
        self._trouble = trouble
        self._reads, self._writes = trouble.lasting("slow_reader"), trouble.lasting("slow_writer")
        self._dark = False

    async def send(self, item: bytes) -> None:
        """Sends the frames of *item* as far as the line carries them."""
        for frame in _frames(item):
            if self._dark:
                return
            # Only messages count: how many pings there are is a matter of time.
            match self._trouble.sent() if frame[0] == _TEXT_FRAME else None:
                case None:
                    await self._write(frame)
                case "black_hole":
                    self._dark = True
                case broken:
                    if broken == "cut":
                        await self._write(frame[: len(frame) // 2])
                    await aclose_forcefully(self._stream)
                    raise BrokenResourceError

    async def _write(self, data: bytes) -> None:
        if self._writes is None:
            await self._stream.send(data)
            return
        step = max(1, int(self._writes / TURNS))
        for at in range(0, len(data), step):
            await self._stream.send(data[at : at + step])
            await sleep(len(data[at : at + step]) / self._writes)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Reads as slowly as it should."""
        if self._dark:
            await sleep_forever()
        if self._reads is None:
            data = await self._stream.receive(max_bytes)
        else:
            data = await self._stream.receive(min(max_bytes, max(1, int(self._reads / TURNS))))
            await sleep(len(data) / self._reads)
        if self._dark:  # it went dark while this was waiting
            await sleep_forever()
        return data

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes


def _frames(data: bytes) -> Iterator[bytes]:
    """The frames of a server in *data*, which are whole and not masked (RFC 6455 §5.2)."""
    at = 0
    while at < len(data):
        size, start = data[at + 1], at + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[at + 2 : start], "big")
        yield data[at : start + size]
        at = start + size
