"""An answer that comes piece by piece: server-sent events, or bytes.

The events are those of the HTML standard (§9.2, "Server-sent events"); of their fields only `data` matters here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from os import PathLike
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
import httpx2
from anyio import CancelScope, get_cancelled_exc_class, move_on_after
from anyio.lowlevel import checkpoint
from pydantic_core import from_json, to_json

from .._reason import reason_of
from ..errors import AnswerCut, AnswerError, StreamBusy, StreamFailed, request_id_of
from .exchange import LOST, root_of
from .result import RateLimits

T = TypeVar("T")
MAX_EVENT = 64 << 20
"""Bytes that one event may have; a picture in base64 has some millions."""
EVENTS_PER_TURN = 64
GOODBYE = 1.0
"""Seconds for the end of the body after the last event, so that its connection can be used again."""
_DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"


class EventLines:
    """Bytes → the data of server-sent events. Pure."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._looked_at = 0
        self._began = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that *chunk* completes."""
        rest = self._rest
        one = chunk.startswith(b"data: ") and chunk.find(b"\n") == len(chunk) - 2 and chunk.endswith(b"\n\n")
        if one and not rest and self._began and b"\r" not in chunk:  # an event in a piece, as they mostly come
            return [chunk[6:-2]]
        rest += chunk
        if not self._began:
            if len(rest) < len(_BOM) and _BOM.startswith(rest):
                return []
            self._began = True
            chunk = bytes(rest).removeprefix(_BOM)
            rest[:] = chunk
        if b"\r" in chunk or (self._looked_at and rest[self._looked_at - 1] == 13):
            ends_in_the_middle = rest.endswith(b"\r")  # a line's end, or half of one
            del rest[len(rest) - ends_in_the_middle :]
            rest[:] = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\r" * ends_in_the_middle
            self._looked_at = 0
        if rest.find(b"\n\n", max(0, self._looked_at - 1)) < 0:
            self._looked_at = len(rest)
            return []
        *blocks, last = bytes(rest).split(b"\n\n")
        rest[:] = last
        self._looked_at = len(rest)
        return [said for block in blocks if (said := _data_of(block)) is not None]

    @property
    def waiting(self) -> int:
        """Bytes of an event that is not complete."""
        return len(self._rest)


def _data_of(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = [
        line[5:].removeprefix(b" ") if line.startswith(b"data:") else b""
        for line in block.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(lines) if lines else None


class Body:
    """The body of an answer while it comes. Close it: `async with`, or read it to its end."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._open = True
        self._reading = False
        self._failure: AnswerError | None = None
        # What is not packed need not go through what unpacks it.
        packed = "content-encoding" in response.headers
        self._pieces: AsyncGenerator[bytes] = response.aiter_bytes() if packed else response.aiter_raw()

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers; names in any case."""
        return self._response.headers

    @property
    def request_id(self) -> str | None:
        """What Azure's support asks for."""
        return request_id_of(self.headers)

    @property
    def rate_limits(self) -> RateLimits:
        """What is left of the deployment's quota."""
        return RateLimits.of(self.headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends it, wherever it is; its connection can be used again only if it was read to the end."""
        if not self._open:
            return
        self._open = False
        with move_on_after(GOODBYE, shield=True), suppress(*LOST, RuntimeError):
            await self._response.aclose()
            # httpx2's generators lie in one another, and do not close those within: an error ends them all.
            async for _ in self._pieces:
                pass

    async def _piece(self) -> bytes | None:
        """What the next read brings; None at the end."""
        if self._failure is not None:
            raise self._failure
        if not self._open:
            return None
        if self._reading:
            raise StreamBusy
        self._reading = True
        try:
            return await anext(self._pieces, None)
        except LOST as exc:
            self._failure = self._cut(reason_of(root_of(exc)))
            await self.aclose()
            raise self._failure from exc
        except get_cancelled_exc_class():
            # httpx2 gives up a body when a read of it is cancelled: what comes after must not look like its end.
            self._failure = self._cut("reading it was cancelled")
            with CancelScope(shield=True):
                await self.aclose()
            raise
        finally:
            self._reading = False

    def _cut(self, why: str) -> AnswerCut:
        return AnswerCut(f"the answer was cut: {why}", request_id=self.request_id)


class Stream(Body, Generic[T]):
    """The events of one answer, as they come: `async for chunk in stream`, by one task.

    Reading raises `StreamFailed` where the service ends it with an error, and `AnswerCut` where it ends without an
    end. A read that is cancelled ends it. Leaving it early: `async with stream`, or `aclose()`.
    """

    def __init__(
        self,
        response: httpx2.Response,
        read: Callable[[bytes], T],
        *,
        done: bool = True,
        is_last: Callable[[T], bool] | None = None,
    ) -> None:
        super().__init__(response)
        self._read = read
        self._says_done = done
        self._is_last = is_last
        self._lines = EventLines()
        self._waiting: deque[bytes] = deque()
        self._ended = False
        self._in_a_row = 0

    async def take_whole(self, kind: str) -> None:
        """Takes all of the body, one JSON object, for one event of type *kind*. Raises `AnswerError`.

        Some models do not stream, though they are asked to.
        """
        body = bytearray()
        while (piece := await self._piece()) is not None:
            body += piece
        await self.aclose()
        try:
            fields = {"type": kind, **from_json(body)}
        except (ValueError, TypeError):
            raise AnswerError("the answer is not a JSON object", request_id=self.request_id, body=bytes(body)) from None
        self._waiting.append(to_json(fields))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._ended or not await self._more():
                raise StopAsyncIteration
        if self._in_a_row >= EVENTS_PER_TURN:
            self._in_a_row = 0
            await checkpoint()
        self._in_a_row += 1
        said = self._waiting.popleft()
        if said == _DONE:
            return await self._end()
        if b'"error"' in said and (failure := self._failed(said)) is not None:
            self._failure = failure
            await self.aclose()
            raise failure
        try:
            made = self._read(said)
        except AnswerError as exc:
            self._failure = exc
            await self.aclose()
            raise
        if self._is_last is not None and self._is_last(made):
            self._ended = True
            self._waiting.clear()
            await self._drain()
        return made

    async def _end(self) -> T:
        self._ended = True
        self._waiting.clear()
        await self._drain()
        raise StopAsyncIteration

    async def _more(self) -> bool:
        """Reads until there are events; False at the end of the body."""
        self._in_a_row = 0
        piece = await self._piece()
        if piece is not None:
            self._waiting.extend(self._lines.feed(piece))
            if self._lines.waiting > MAX_EVENT:
                self._failure = AnswerError(f"an event of more than {MAX_EVENT >> 20} MiB", request_id=self.request_id)
                await self.aclose()
            return True
        if self._open:
            await self.aclose()
            if self._says_done or self._is_last is not None:
                self._failure = self._cut("it ended without its end")
                raise self._failure
        return False

    async def _drain(self) -> None:
        """Reads what is left of the body: its end, which httpx2 wants to have seen before it uses the line again."""
        with move_on_after(GOODBYE), suppress(AnswerError):
            while await self._piece() is not None:
                pass
        self._failure = None
        await self.aclose()

    def _failed(self, said: bytes) -> StreamFailed | None:
        """The error that *said* is, if it is one."""
        try:
            fields: Any = from_json(said)
        except ValueError:
            return None
        if not isinstance(fields, dict):
            return None
        error = fields if fields.get("type") == "error" and "message" in fields else fields.get("error")
        if isinstance(error, str):
            error = {"message": error}
        if not isinstance(error, dict):
            return None
        words = {name: None if error.get(name) is None else str(error[name]) for name in ("code", "type", "param")}
        return StreamFailed(
            f"the service ended the stream: {error.get('message') or words['code'] or 'it does not say why'}",
            code=words["code"],
            kind=words["type"],
            param=words["param"],
            request_id=self.request_id,
            body=said,
        )


class Sound(Body):
    """Sound, or any bytes, as they come: `async for piece in sound`, by one task; or into a file.

    Reading raises `AnswerCut` where it breaks off. A read that is cancelled ends it.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._piece()
        if piece is None:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def write_to(self, path: str | PathLike[str]) -> int:
        """Writes all of it to the file *path*, and returns how many bytes that were. Raises `OSError`."""
        written = 0
        async with self, await anyio.open_file(path, "wb") as file:
            async for piece in self:
                written += await file.write(piece)
        return written
