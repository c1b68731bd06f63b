"""Plain frames are read past websockets' protocol object: whatever comes, it is as if they were not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest
from anyio import EndOfStream, fail_after
from anyio.abc import ByteStream
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from realtime_azure._websocket import Ending, WebSocket

from .serving import QUIET, close_frame, from_server, text

LIMIT = 70_000
"""Bytes of a message that are not too many."""


class Pieces(ByteStream):
    """A line that brings *pieces*, and then ends."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.sent = b""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._pieces:
            raise EndOfStream
        piece = self._pieces.pop(0)
        if len(piece) > max_bytes:
            self._pieces.insert(0, piece[max_bytes:])
        return piece[:max_bytes]

    async def send(self, item: bytes) -> None:
        self.sent += item

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {}


def open_protocol() -> ClientProtocol:
    """A client's, after the handshake."""
    protocol = ClientProtocol(parse_uri("ws://localhost/"), max_size=LIMIT, logger=QUIET)
    request = protocol.connect()
    protocol.send_request(request)
    protocol.data_to_send()
    accept = protocol.key and _accept(protocol.key)
    answer = f"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    protocol.receive_data(answer.encode())
    assert protocol.events_received()
    return protocol


def _accept(key: str) -> str:
    from websockets.utils import accept_key  # noqa: PLC0415 - where it is has changed between versions

    return accept_key(key)


Outcome = tuple[list[bytes], bytes, tuple[int, str] | None, str, int]


def outcome(pieces: list[bytes], plain_limit: int) -> Outcome:
    """The messages, what is answered, how it ended, and how many messages were counted."""
    protocol = open_protocol()
    messages: list[bytes] = []

    async def deliver(came: list[bytes]) -> None:
        messages.extend(came)

    async def run() -> WebSocket:
        websocket = WebSocket(Pieces(list(pieces[1:])), protocol, pieces[0], plain_limit=plain_limit)
        with fail_after(5):
            await websocket.pump(deliver)
        return websocket

    websocket = anyio.run(run, backend="asyncio")
    ending = websocket.ending
    assert isinstance(ending, Ending)
    answers = unmasked(b"".join(protocol.data_to_send()))
    return messages, answers, (ending.code, ending.reason), type(ending.cause).__name__, websocket.messages_received


def unmasked(data: bytes) -> bytes:
    """The payloads of a client's frames: each is masked by chance."""
    at, found = 0, b""
    while at < len(data):
        size = data[at + 1] & 127
        mask, at = data[at + 2 : at + 6], at + 6
        found += bytes([data[at - 6]]) + bytes(byte ^ mask[n % 4] for n, byte in enumerate(data[at : at + size]))
        at += size
    return found


SIZES = st.sampled_from([0, 1, 2, 125, 126, 127, 4096, 65534, 65535, 65536, LIMIT - 1, LIMIT, LIMIT + 1])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    return bytes([draw(st.integers(32, 126))]) * draw(SIZES)


@st.composite
def fragments(draw: st.DrawFn) -> list[Frame]:
    """A message in pieces, with a ping between them perhaps."""
    parts = draw(st.lists(texts(), min_size=2, max_size=4))
    opcodes = [Opcode.TEXT, *[Opcode.CONT] * (len(parts) - 1)]
    frames = [Frame(opcode, part, False) for opcode, part in zip(opcodes, parts, strict=True)]
    frames[-1] = Frame(Opcode.CONT, parts[-1], True)
    return [frames[0], *draw(st.lists(pings(), max_size=1)), *frames[1:]]


@st.composite
def pings(draw: st.DrawFn) -> Frame:
    return Frame(Opcode.PING, draw(st.binary(max_size=125)))


@st.composite
def well(draw: st.DrawFn) -> list[Frame]:
    """Frames that belong together, and may be."""
    match draw(st.integers(0, 4)):
        case 0 | 1:
            return [text(draw(texts()))]
        case 2:
            return draw(fragments())
        case 3:
            return [draw(pings()), Frame(Opcode.PONG, b"unasked")]
        case _:
            return [Frame(Opcode.BINARY, draw(texts()))]


ILL = st.sampled_from(
    [
        text(b"masked").serialize(mask=True),
        b"\xc1\x05hello",  # a reserved bit
        b"\x83\x00",  # an opcode that nobody knows
        b"\x80\x00",  # a continuation of nothing
        from_server(text(b"a", fin=False), text(b"b")),  # a message within a message
        b"\x89\x7e\x00\x7eX",  # a ping of 126 bytes
        b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",  # longer than any
        b"\x81\x7e\x00\x05short",  # a short one that is written long
        b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05short",
        b"\x88\x01X",  # half a close code
        b"",
        b"\x81",
        b"\x81\x7e\x10",
        from_server(close_frame(1000, "bye"), text(b"too late")),
        from_server(text(b"begun", fin=False), close_frame(1000)),
        from_server(close_frame(4000, "custom")),
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> list[bytes]:
    """What a service may send, good or bad, cut anywhere; the first piece came with the answer to the handshake."""
    frames = [frame for group in draw(st.lists(well(), max_size=5)) for frame in group]
    data = from_server(*frames) + draw(ILL) + from_server(*map(text, draw(st.lists(texts(), max_size=2))))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(lines())
@example([b"\x81", b"\x05hello"])
@example([b"", b"\x81\x7e\x00", b"\x80" + b"x" * 128])
@example([b"", from_server(text(b"x" * 66_000))[:65_700], b"x" * 316 + from_server(text(b"next"))])
def test_all_is_as_if_the_protocol_had_seen_it(pieces: list[bytes]) -> None:
    assert outcome(pieces, LIMIT) == outcome(pieces, 0)


def test_byte_by_byte_is_the_same() -> None:
    data = from_server(text(b"one"), Frame(Opcode.PING, b"p"), text(b"x" * 300), text(b"", fin=True), close_frame())
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert outcome(pieces, LIMIT) == outcome(pieces, 0) == outcome([data], LIMIT)
    assert outcome(pieces, LIMIT)[0] == [b"one", b"x" * 300, b""]


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_the_limit_of_a_message_is_kept(size: int) -> None:
    messages, _, ending, _, count = outcome([from_server(text(b"x" * size))], LIMIT)
    fits = size <= LIMIT
    assert (len(messages), count) == (fits, fits)
    assert ending is not None
    assert ending[0] == (1006 if fits else 1009)
