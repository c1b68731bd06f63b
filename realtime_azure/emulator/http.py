"""HTTP/1.1 on a stream, beside websockets: h11 knows the protocol, the waiting is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus

import h11
from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    move_on_after,
)
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteStream
from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage

from .._tasks import service_group
from .rest import Answered, Asked
from .rest.exchange import Wrong

READ_SIZE = 65536
MAX_HEAD = 65536
MAX_BODY = 64 << 20
"""Bytes that a request may bring; more is answered with 413."""

KEEP_ALIVE = 75.0
"""Seconds that a client may take for its next request, or for the rest of one."""

LAST_WORDS = 1.0
"""Seconds for which a client that is refused may still send: its answer would be lost if it were cut off."""

_GONE = (BrokenResourceError, ClosedResourceError, EndOfStream, OSError)
_Answer = Callable[[Asked], Awaitable[Answered]]


async def listen(stream: ByteStream, answer: _Answer) -> HttpLine | ByteStream:
    """Reads the first request's head: an `HttpLine`, or, if the client asks for a websocket, *stream* from its first
    byte on. Raises `InvalidMessage` for what is no HTTP."""
    protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    early = b""
    try:
        while (request := protocol.next_event()) is h11.NEED_DATA:
            early += (received := await stream.receive(READ_SIZE))
            protocol.receive_data(received)
    except h11.RemoteProtocolError as exc:
        raise InvalidMessage(str(exc)) from exc
    if not isinstance(request, h11.Request):
        raise InvalidMessage("this is no request")
    if not any(name == b"upgrade" and b"websocket" in value.lower() for name, value in request.headers):
        return HttpLine(stream, protocol, request, answer)
    again = BufferedByteStream(stream)
    again.feed_data(early)
    return again


class HttpLine:
    """A connection that asks one thing after another."""

    def __init__(self, stream: ByteStream, protocol: h11.Connection, first: h11.Request, answer: _Answer) -> None:
        self._stream = stream
        self._h11 = protocol
        self._request: h11.Request | None = first
        self._answer = answer

    async def serve(self) -> None:
        """Until one side has had enough."""
        while self._request is not None:
            try:
                await self._exchange(self._request)
                self._request = await self._next()
            except h11.RemoteProtocolError as exc:
                if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await self._refuse(Wrong(exc.error_status_hint, "BadRequest", f"This is no HTTP: {exc}"))
                return

    async def _next(self) -> h11.Request | None:
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return None
        self._h11.start_next_cycle()
        with move_on_after(KEEP_ALIVE):
            event = await self._event()
            return event if isinstance(event, h11.Request) else None
        return None

    async def _exchange(self, request: h11.Request) -> None:
        body = await self._body(request)
        if body is None:
            said = f"The request's body is too long: at most {MAX_BODY} bytes are taken."
            await self._refuse(Wrong(413, "413", said))
            return
        headers = Headers()
        for name, value in request.headers:
            headers[name.decode("ascii")] = value.decode("latin-1")
        asked = Asked(request.method.decode("ascii"), request.target.decode("ascii"), headers, body)
        with CancelScope() as scope:
            async with service_group() as tasks:
                tasks.start_soon(self._watch, scope)
                await self._tell(await self._answer(asked), bodiless=asked.method == "HEAD")
        if scope.cancelled_caught:
            raise EndOfStream

    async def _watch(self, scope: CancelScope) -> None:
        """Nobody goes on answering a client that is gone."""
        try:
            while len(self._h11.trailing_data[0]) < READ_SIZE:
                self._h11.receive_data(await self._stream.receive(READ_SIZE))
        except _GONE:
            scope.cancel()

    async def _body(self, request: h11.Request) -> bytes | None:
        """What *request* brings, or None if that is too much."""
        lengths = [int(value) for name, value in request.headers if name == b"content-length"]
        if lengths and lengths[0] > MAX_BODY:
            return None
        body = bytearray()
        with move_on_after(KEEP_ALIVE) as patience:
            while True:
                match await self._event():
                    case h11.Data(data=data):
                        body += data
                        patience.deadline += KEEP_ALIVE if data else 0.0
                    case h11.EndOfMessage():
                        return bytes(body)
                    case _:
                        raise EndOfStream
                if len(body) > MAX_BODY:
                    return None
        raise EndOfStream

    async def _event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            try:
                received = await self._stream.receive(READ_SIZE)
            except EndOfStream:
                received = b""
            self._h11.receive_data(received)
        return event

    async def _tell(self, answer: Answered, *, bodiless: bool) -> None:
        if answer.rest is None:
            head, *rest = _whole(answer)
            await self._send(head, *(rest[1:] if bodiless else rest))
            return
        async with aclosing(answer.rest) as pieces:
            await self._send(_head(answer), h11.Data(data=answer.body))
            async for piece in pieces:
                await self._send(h11.Data(data=piece))
        await self._send(h11.EndOfMessage())

    async def _refuse(self, wrong: Wrong) -> None:
        """The last answer: what else comes, nobody reads."""
        answer = wrong.answered()
        await self._send(*_whole(Answered(answer.status, answer.body, {**answer.headers, "connection": "close"})))
        with move_on_after(LAST_WORDS), suppress(*_GONE):
            await self._stream.send_eof()
            while True:
                await self._stream.receive(READ_SIZE)

    async def _send(self, *events: h11.Event) -> None:
        await self._stream.send(b"".join(self._h11.send(event) or b"" for event in events))


def _head(answer: Answered, *more: tuple[str, str]) -> h11.Response:
    reason = HTTPStatus(answer.status).phrase.encode()
    return h11.Response(status_code=answer.status, headers=[*answer.headers.items(), *more], reason=reason)


def _whole(answer: Answered) -> list[h11.Event]:
    length = ("content-length", str(len(answer.body)))
    return [_head(answer, length), h11.Data(data=answer.body), h11.EndOfMessage()]
