"""A websocket over any byte stream, client or server: websockets' protocol objects, our waiting.

One task reads (`pump`), one writes (`drain`), one asks whether the peer is still there (`keepalive`). `send` puts
a whole message in the outbox and returns, so that a cancelled send is wholly queued or not at all; the writer owns
the socket, frames what has gathered, and sends it in one system call. Until then, what has grown too old on the way
can still be left out. The protocol object (RFC 6455) does no I/O, and sees every frame but the plainest (`_cut`).
"""

from __future__ import annotations

import logging
import re
import secrets
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from anyio import (
    BrokenResourceError,
    BusyResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    aclose_forcefully,
    current_time,
    get_cancelled_exc_class,
    move_on_after,
    sleep,
)
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import checkpoint
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.extensions import ClientExtensionFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

READ_SIZE = 65536
OUTBOX_LIMIT = 1 << 20
"""Bytes that may wait for the network before `send` waits too."""

WRITE_SIZE = 1 << 18
"""Bytes after which what waits for the network is sent, and the rest with the next write."""

HASTY_WRITE_SIZE = 1 << 16
"""The same where something that waits may grow too old: what is being written cannot be left out any more."""

NOT_SENT_LIMIT = 16384
"""Bytes that the system may hold unsent where messages may grow too old: what it holds cannot be left out any more."""

SERVER_MESSAGE_LIMIT = 32 << 20
"""Bytes of one message that a server takes: an append of 15 MiB in base64 fits."""

BODY_TIMEOUT = 2.0
"""Seconds that the body of a refusal may take; its head has said the most."""

LAST_WORDS = 1.0
"""Seconds for which a peer that no longer takes what is sent may still be heard."""

UNSENT_PONGS = 1000
"""Answers to pings that may wait for the network before reading stops."""

SENDS_PER_TURN = 32
"""How many frames one task may queue before the others, the writer among them, have their turn."""

PLAIN = 0x81
"""The first byte of a text frame that is a whole message, without extensions."""

TEXT = Opcode.TEXT
_SWITCHING = re.compile(rb"HTTP/1\.[01] 101\b")
_DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)
# EndOfStream is TLS's, on writing too, once it was cut.
_BROKEN = (BrokenResourceError, ClosedResourceError, EndOfStream, OSError)


class _NoSecrets(logging.LoggerAdapter[logging.Logger]):
    """websockets writes headers (a key!) and frames (a voice!) to the log at DEBUG; here it never does."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        return level > logging.DEBUG and super().isEnabledFor(level)


_LOGGER = _NoSecrets(logging.getLogger("realtime_azure.websocket"), {})


@dataclass(frozen=True)
class Ending:
    """How a websocket ended: the peer's close frame (*code*, *reason*; 1006 without one), or what broke it.

    *asked* says whether this side closed first.
    """

    code: int
    reason: str
    asked: bool
    cause: BaseException | None = None


class Behind(Exception):
    """What *deliver* raises to end the websocket: this side does not keep up with what comes."""


@dataclass(eq=False)
class Perishable:
    """A message that is not sent after *until* (of `time.monotonic`), and what it is *worth*, in any unit."""

    message: bytes
    until: float
    worth: float


Watch = Callable[[Literal["sent", "received"], bytes], None]
"""Is told of each message when it leaves, and when it has come."""


class _Signal:
    """Lets whoever waits look again; while nobody does, it costs nothing: an `Event` is 900 bytes on asyncio."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: Event | None = None

    def set(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        if self._event is None:
            self._event = Event()
        await self._event.wait()


class WebSocket:
    """An open websocket, either side. Run `pump` and `drain` beside each other; whoever made *stream* closes it.

    With *plain_limit*, plain frames of at most so many bytes are read past *protocol*, which speaks no extension then.
    """

    def __init__(
        self,
        stream: ByteStream,
        protocol: ClientProtocol | ServerProtocol,
        early: bytes = b"",
        *,
        plain_limit: int = 0,
    ) -> None:
        self.ending: Ending | None = None
        self.latency: float | None = None
        """Seconds that the last ping took to be answered."""
        self.bytes_received = self.bytes_sent = self.messages_received = self.messages_sent = 0
        self.lost = 0.0
        """What messages that had grown too old were worth, in all."""
        self.unsent = 0
        """Bytes of messages that wait for the network."""
        self.outbox: deque[bytes | Perishable] = deque()
        self.watch: Watch | None = None
        self._stream = stream
        self.protocol = protocol
        self._early = early  # what came with the answer to the handshake
        self._plain_limit = plain_limit
        self._rest = b""  # the beginning of a frame, of which the protocol knows nothing yet
        self._owed = 0  # bytes of a large frame that the protocol is in the middle of
        self._fragments = bytearray()
        self._fragmented = False
        self._failure: BaseException | None = None
        self._asked = False
        self._closing: tuple[int, str] | None = None
        self._perishable = 0
        self._sends = 0
        self._work = _Signal()  # set when the writer has something to do
        self._room = _Signal()  # set when there is room in the outbox, for whoever waits for it
        self._ended = _Signal()
        self._finishing = False
        self._close_to_wire = False
        self._drained = False
        self._left = _Signal()  # set when the writer has left
        self._pong: tuple[bytes, Event, float] | None = None
        self._delivering = False
        # Shields: an outer cancellation must not tear a frame, nor stop the closing handshake.
        # `aclose` ends both scopes, within its own time.
        self._reading = CancelScope(shield=True)
        self._writing = CancelScope(shield=True)

    async def send(self, message: bytes) -> None:
        """Queues one text message; waits while `OUTBOX_LIMIT` bytes are waiting already.

        Cancelled, nothing was queued. Raises `BrokenResourceError` once the websocket has ended or is closing.
        """
        await self.wait_room()
        self.send_nowait(message)

    async def wait_room(self) -> None:
        """Returns when `send_nowait` may be called; it lets other tasks have their turn now and then."""
        self._sends += 1
        if self._sends >= SENDS_PER_TURN:
            self._sends = 0
            await checkpoint()
        while self.unsent > OUTBOX_LIMIT and self._failure is None and self.ending is None:
            await self._room.wait()
        if self._failure is not None:
            await self.wait_ended()  # shortly: then `ending` says why

    def send_nowait(self, message: bytes) -> None:
        """Queues one text message however many are waiting. Raises like `send`."""
        self._queue(message, len(message))

    async def send_perishable(self, message: bytes, *, max_age: float, worth: float) -> None:
        """Queues one text message that is left out, and added to `lost`, if it is not sent in *max_age* seconds.

        A queue that is full of what is no longer worth sending is emptied first. Cancelled, nothing was queued.
        """
        self._stay_close()
        perishable = Perishable(message, monotonic() + max_age, worth)
        self._leave_out_old()
        with move_on_after(max_age):
            await self.wait_room()
            self._perishable += 1
            self._queue(perishable, len(message))
            return
        self.lost += worth

    def _queue(self, message: bytes | Perishable, size: int) -> None:
        if self.ending is not None or self._closing is not None or self.protocol.state is not OPEN:
            raise BrokenResourceError
        self.outbox.append(message)
        self.unsent += size
        self._work.set()

    def _leave_out_old(self) -> None:
        """Empties the outbox of what has grown too old."""
        now = monotonic()
        if not any(isinstance(each, Perishable) and each.until < now for each in self.outbox):
            return
        kept: deque[bytes | Perishable] = deque()
        for each in self.outbox:
            if isinstance(each, Perishable) and each.until < now:
                self._lose(each)
            else:
                kept.append(each)
        self.outbox = kept
        self._room.set()

    def _lose(self, message: Perishable) -> None:
        self._perishable -= 1
        self.lost += message.worth
        self.unsent -= len(message.message)

    def _stay_close(self) -> None:
        """Lets the system hold little: seconds of sound fit into what it takes by itself."""
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        own = self._stream.extra(SocketAttribute.raw_socket, None)
        if self._close_to_wire or option is None or own is None:
            return
        self._close_to_wire = True
        with suppress(OSError):
            own.setsockopt(socket.IPPROTO_TCP, option, NOT_SENT_LIMIT)

    async def pump(self, deliver: Callable[[list[bytes]], Awaitable[None]]) -> None:
        """Reads until the websocket ends, whatever ends it; `ending` then says what did.

        *deliver* is awaited with the messages that one read brought.
        """
        with self._vital(), self._reading:
            try:
                await self._read(deliver)
            except EndOfStream:
                if self._rest:
                    self.protocol.receive_data(self._rest)
                self.protocol.receive_eof()
            except _BROKEN as exc:
                self._failure = exc
            except Behind as exc:
                self._give_up(str(exc))
        self._end()

    def _give_up(self, reason: str) -> None:
        """Closes because of this side itself; what was not sent yet is not sent any more."""
        self._failure = Behind(reason)
        self.unsent -= sum(len(each.message if isinstance(each, Perishable) else each) for each in self.outbox)
        self.outbox.clear()
        self._perishable = 0
        if self.protocol.state is OPEN:
            self.protocol.send_close(CloseCode.POLICY_VIOLATION, reason)

    async def _read(self, deliver: Callable[[list[bytes]], Awaitable[None]]) -> None:
        protocol, receive = self.protocol, self._stream.receive
        take = self._cut if self._plain_limit else self._parse
        received, self._early = self._early, b""
        while True:
            self.bytes_received += len(received)
            messages = take(received)
            if protocol.writes:  # a pong, or the answer to a close frame
                self._work.set()
            if messages:
                self.messages_received += len(messages)
                if self.watch is not None:
                    for message in messages:
                        self.watch("received", message)
                self._delivering = True
                await deliver(messages)
                self._delivering = False
            if protocol.close_rcvd is not None or protocol.parser_exc is not None:
                return
            while len(protocol.writes) > UNSENT_PONGS and self._failure is None and self.ending is None:
                await self._room.wait()  # a peer that pings and does not read: let it wait
            received = await receive(READ_SIZE)

    def _cut(self, received: bytes) -> list[bytes]:
        """The messages in *received*: those that are one plain frame each by ourselves, all else by the protocol.

        Nearly all that a service sends is an unmasked text frame of its own (RFC 6455 §5.2), for which the protocol
        object takes as long as decoding the event does. It gets every other frame, whole, in its place.
        """
        data, self._rest = self._rest + received if self._rest else received, b""
        messages: list[bytes] = []
        at, end, limit, protocol = min(self._owed, len(data)), len(data), self._plain_limit, self.protocol
        if at:  # the protocol is in the middle of a large frame
            self._owed -= at
            messages += self._parse(data[:at])
        while at < end and protocol.close_rcvd is None and protocol.parser_exc is None:
            start = at + 2
            size = data[at + 1] if start <= end else 0
            if size == 126:
                start = at + 4
                size = data[at + 2] << 8 | data[at + 3] if start <= end else 0
            elif size == 127:
                start = at + 10
                size = int.from_bytes(data[at + 2 : start], "big")
            elif size > 127:  # masked, which no server may do: the protocol will say so
                return messages + self._parse(data[at:])
            stop = start + size
            if stop > end:
                if start > end or (data[at] == PLAIN and size <= min(limit, READ_SIZE)):
                    self._rest = data[at:]
                else:
                    self._owed = stop - end
                    messages += self._parse(data[at:])
                break
            if data[at] == PLAIN and size <= limit and not self._fragmented:
                messages.append(data[start:stop])
            else:
                messages += self._parse(data[at:stop])
            at = stop
        return messages

    def _parse(self, received: bytes) -> list[bytes]:
        self.protocol.receive_data(received)
        return self._messages(self.protocol.events_received())  # type: ignore[arg-type]  # by now, all are frames

    def _messages(self, frames: list[Frame]) -> list[bytes]:
        """The messages that *frames* complete, in order; text and binary alike."""
        messages: list[bytes] = []
        for frame in frames:
            if frame.opcode is TEXT and frame.fin:
                messages.append(bytes(frame.data))
            elif frame.opcode in _DATA:
                self._fragmented = not frame.fin
                self._fragments += frame.data  # not a list: tiny ones would take thirty times their length
                if frame.fin:
                    messages.append(bytes(self._fragments))
                    self._fragments.clear()
            elif frame.opcode is Opcode.PONG and self._pong and self._pong[0] == frame.data:
                self.latency = monotonic() - self._pong[2]
                self._pong[1].set()
        return messages

    async def drain(self) -> None:
        """Writes what was queued, joined, until `aclose` has let it finish, or the end."""
        try:
            with self._vital(), self._writing:
                await self._write()
        except _BROKEN as exc:
            self._failure = exc
            self._room.set()
            # What the peer said last, why it hangs up perhaps, may still be there to be read.
            with move_on_after(LAST_WORDS, shield=True):
                await self.wait_ended()
            self._fail(exc)
        finally:
            self._drained = True
            self._left.set()

    async def _write(self) -> None:
        while True:
            taken = self._frame()
            # The protocol's b"" asks for half a close of TCP, which TLS has not; closing the stream will do.
            if data := b"".join(self.protocol.data_to_send()):
                await self._stream.send(data)
                self.bytes_sent += len(data)
                self.unsent -= taken
                self._room.set()
            elif self._finishing:
                return
            else:
                await self._work.wait()

    def _frame(self) -> int:
        """Frames what waits, as much as one write takes, and the close frame after the last; says how much it was."""
        taken, outbox, protocol = 0, self.outbox, self.protocol
        most = WRITE_SIZE
        if self._perishable:
            self._leave_out_old()
            outbox, most = self.outbox, HASTY_WRITE_SIZE
        if outbox and protocol.state is not OPEN:  # the peer has closed: nobody reads it any more
            outbox.clear()
            self.unsent = self._perishable = 0
        while outbox and taken < most:
            message = outbox.popleft()
            if isinstance(message, Perishable):
                self._perishable -= 1
                message = message.message
            if self.watch is not None:
                self.watch("sent", message)
            protocol.send_text(message)
            self.messages_sent += 1
            taken += len(message)
        if self._closing is not None and not outbox and protocol.state is OPEN:
            protocol.send_close(*self._closing)
        return taken

    async def keepalive(self, interval: float, timeout: float) -> None:
        """Pings every *interval* seconds; a peer that does not answer in *timeout* seconds is gone.

        While this side does not read because its reader is behind, a missing pong proves nothing.
        """
        with self._vital():
            while self.ending is None:
                await sleep(interval)
                if self.protocol.state is not OPEN:
                    return
                payload = secrets.token_bytes(4)
                self._pong = (payload, Event(), monotonic())
                self.protocol.send_ping(payload)
                self._work.set()
                for _ in range(2):  # where this process was too busy to look, the second wait lets it read first
                    with move_on_after(timeout / 2):
                        await self._pong[1].wait()
                if not self._pong[1].is_set() and not self._delivering:
                    self._fail(TimeoutError(f"no answer to a ping within {timeout:g} s"))

    async def wait_ended(self) -> None:
        """Returns when the websocket has ended."""
        while self.ending is None:
            await self._ended.wait()

    async def aclose(self, code: int = 1000, reason: str = "", *, timeout: float = 3.0) -> None:
        """Sends what is queued and a close frame, and waits for the peer's, at most *timeout* seconds in all."""
        if self.ending is None and self.protocol.state is OPEN:
            self._asked, self._closing = True, (code, reason)
            self._work.set()
        try:
            with move_on_after(timeout, shield=True):
                await self.wait_ended()
                self._finishing = True  # the answer to the peer's close frame may still have to be written
                self._work.set()
                while not self._drained:
                    await self._left.wait()
                await self._let_it_hang_up()
        finally:  # a Ctrl-C, and asyncio's own cancellation, know no shield; nothing else would end the two tasks
            self._fail(None)

    async def _let_it_hang_up(self) -> None:
        """Reads on, for nothing, where this side refused: closing with bytes unread is a reset, which overtakes why."""
        if self.protocol.parser_exc is not None and self.protocol.close_rcvd is None and self._failure is None:
            with suppress(*_BROKEN, BusyResourceError):  # or two tasks close
                while True:
                    await self._stream.receive(READ_SIZE)

    @contextmanager
    def _vital(self) -> Generator[None]:
        """The websocket outlives none of its tasks: trio raises a Ctrl-C in whichever is running."""
        try:
            yield
        except (get_cancelled_exc_class(), *_BROKEN):
            raise
        except BaseException:
            self._fail(None)
            raise

    def _fail(self, failure: BaseException | None) -> None:
        self._failure = self._failure or failure
        self._reading.cancel()
        self._writing.cancel()
        self._end()

    def _end(self) -> None:
        if self.ending is not None:
            return
        self.ending = self.foreseen or Ending(1006, "", self._asked, cause=self._failure)
        self._ended.set()
        self._room.set()
        self._work.set()  # there may be a last frame to send: an answer, or why this side gave up

    @property
    def foreseen(self) -> Ending | None:
        """How it will end, though what came before the end may not have been delivered yet; None if that is open."""
        protocol = self.protocol
        if protocol.close_rcvd is not None and (protocol.parser_exc is None or self._asked):
            return Ending(protocol.close_rcvd.code, protocol.close_rcvd.reason, self._asked)
        if isinstance(self._failure, Behind):
            return Ending(CloseCode.POLICY_VIOLATION, str(self._failure), asked=False, cause=self._failure)
        if protocol.parser_exc is not None and protocol.close_sent is not None and not self._asked:
            # This side refused what came: too big, or not the protocol.
            sent = protocol.close_sent
            return Ending(sent.code, sent.reason, asked=False, cause=protocol.parser_exc)
        return self.ending


async def open_client(
    stream: ByteStream,
    url: str,
    headers: Mapping[str, str],
    *,
    max_message_size: int,
    compression: bool = False,
    subprotocols: Sequence[str] = (),
) -> tuple[Response, WebSocket | None]:
    """The client's handshake on *stream*: the server's response, and a websocket if that was a 101.

    *compression* offers permessage-deflate (RFC 7692), *subprotocols* names what may be spoken.
    Raises websockets' `InvalidHandshake` when the answer is not HTTP or breaks the handshake's rules, and
    `EOFError` when the peer hangs up.
    """
    protocol = ClientProtocol(
        parse_uri(url),
        extensions=_deflate() if compression else None,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        max_size=max_message_size,
        logger=_LOGGER,
    )
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    await stream.send(b"".join(protocol.data_to_send()))
    response, early = await _answer(stream, protocol)
    if response.status_code != 101:
        return response, None
    if protocol.handshake_exc is not None:
        raise protocol.handshake_exc
    return response, WebSocket(stream, protocol, early, plain_limit=0 if protocol.extensions else max_message_size)


def _deflate() -> list[ClientExtensionFactory]:
    from websockets.extensions.permessage_deflate import (  # noqa: PLC0415 - for who wants it, and importing costs
        enable_client_permessage_deflate,
    )

    return list(enable_client_permessage_deflate(None))


async def receive_request(stream: ByteStream) -> tuple[ServerProtocol, Request]:
    """The server's half of the handshake, as far as the request. Raises like `open_client`."""
    protocol = ServerProtocol(max_size=SERVER_MESSAGE_LIMIT, logger=_LOGGER)
    request, *_ = await _first_event(stream, protocol)
    if not isinstance(request, Request):
        raise InvalidHandshake("unexpected request")
    return protocol, request


async def answer_request(
    stream: ByteStream,
    protocol: ServerProtocol,
    response: Response,
    then: Callable[[ByteStream], ByteStream] = lambda stream: stream,
) -> WebSocket | None:
    """Sends *response*; a websocket over what *then* makes of *stream*, if it was a 101."""
    protocol.send_response(response)
    await stream.send(b"".join(protocol.data_to_send()))
    if response.status_code != 101:
        return None
    return WebSocket(then(stream), protocol)


async def _answer(stream: ByteStream, protocol: ClientProtocol) -> tuple[Response, bytes]:
    """What the server answers, and what came after it if that is a 101.

    A refusal counts once its head is there: its body may never end, or break off.
    """
    came, early, refused = b"", b"", None
    with CancelScope() as patience:
        while protocol.handshake_exc is None:
            try:
                received = await stream.receive(READ_SIZE)
                came += received
                early = _feed(protocol, came, received)
            except _BROKEN as exc:
                if refused is None and not isinstance(exc, EndOfStream):
                    raise
                protocol.receive_eof()
            for response in protocol.events_received():
                if isinstance(response, Response):  # nothing else can be the first
                    return response, early
            refused = refusal_in(came)
            if refused is not None:
                patience.deadline = min(patience.deadline, current_time() + BODY_TIMEOUT)
    if refused is not None:
        return refused, b""
    raise protocol.handshake_exc or InvalidHandshake("unexpected answer")


def _feed(protocol: ClientProtocol, came: bytes, received: bytes) -> bytes:
    """Gives *protocol* what was *received* but for what lies beyond the head of a 101, which it returns."""
    early = came.partition(b"\r\n\r\n")[2] if _SWITCHING.match(came) else b""
    protocol.receive_data(received[: len(received) - len(early)])
    return early


def refusal_in(came: bytes) -> Response | None:
    """The refusal whose head, and what there is of its body, *came*; None if that is no HTTP, or no refusal."""
    found = re.match(rb"HTTP/1\.[01] ([2-5][0-9][0-9])[^\r\n]*(.*?)\r?\n\r?\n(.*)", came, re.DOTALL)
    if found is None:
        return None
    headers = Headers()
    for line in found[2].decode("latin-1").split("\n")[1:]:  # not splitlines: latin-1 has more ends of lines
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            return None
        headers[name.strip()] = value.strip()
    return Response(int(found[1]), "", headers, found[3])


async def _first_event(stream: ByteStream, protocol: ServerProtocol) -> list[Frame | Request | Response]:
    while True:
        try:
            protocol.receive_data(await stream.receive(READ_SIZE))
        except EndOfStream:
            protocol.receive_eof()
        if events := protocol.events_received():
            return list(events)
        if protocol.handshake_exc is not None:
            raise protocol.handshake_exc


async def abandon(stream: ByteStream) -> None:
    """Closes *stream* at once, whatever state it is in."""
    with CancelScope(shield=True):
        await aclose_forcefully(stream)
