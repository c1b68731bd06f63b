"""Plain frames are read past websockets' protocol object: whatever comes, it is as if they were not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest
from anyio import BrokenResourceError, EndOfStream, fail_after
from anyio.abc import ByteStream
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from realtime_azure._dial import dial
from realtime_azure._websocket import Ending, WebSocket, open_client

from .serving import QUIET, Peer, close_frame, from_server, serve, text
from .test_websocket import running

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


# Through the handshake


class Greeted(Pieces):
    """A line whose other end answers the handshake, in one breath with *data*, cut at *cuts*; then it *breaks*, or not.

    What comes first may end in the middle of the answer, or in the middle of a frame.
    """

    def __init__(self, data: bytes, cuts: list[int], *, breaks: bool = False) -> None:
        super().__init__([])
        self._data = data
        self._cuts = cuts
        self._breaks = breaks
        self._peer = ServerProtocol(max_size=None, logger=QUIET)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._pieces and self._breaks:
            raise BrokenResourceError
        return await super().receive(max_bytes)

    async def send(self, item: bytes) -> None:
        if self._peer.state is not State.CONNECTING:
            await super().send(item)
            return
        self._peer.receive_data(item)
        request, *_ = self._peer.events_received()
        assert isinstance(request, Request)
        self._peer.send_response(self._peer.accept(request))
        line = b"".join(self._peer.data_to_send()) + self._data
        ends = [*sorted(cut % len(line) for cut in self._cuts), len(line)]
        self._pieces += [line[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


async def opened(stream: ByteStream, *, limit: int = LIMIT) -> WebSocket:
    response, websocket = await open_client(stream, "ws://localhost/", {}, max_message_size=limit)
    assert response.status_code == 101
    assert websocket is not None
    return websocket


def outcome_from_the_handshake(data: bytes, cuts: list[int]) -> Outcome:
    """What a client makes of *data* that comes with the answer to its handshake, and after it."""
    messages: list[bytes] = []

    async def deliver(came: list[bytes]) -> None:
        messages.extend(came)

    async def run() -> WebSocket:
        websocket = await opened(Greeted(data, cuts))
        with fail_after(5):
            await websocket.pump(deliver)
        return websocket

    websocket = anyio.run(run, backend="asyncio")
    ending = websocket.ending
    assert isinstance(ending, Ending)
    assert websocket.bytes_received <= len(data)
    answers = unmasked(b"".join(websocket.protocol.data_to_send()))
    return messages, answers, (ending.code, ending.reason), type(ending.cause).__name__, websocket.messages_received


@given(lines(), st.lists(st.integers(0, 1 << 20), max_size=5))
@example([from_server(text(b"with the answer"), Frame(Opcode.PING, b"?"), close_frame(1000))], [])
@example([from_server(text(b"x" * LIMIT), text(b"next"))], [65536])
def test_what_comes_with_the_answer_to_the_handshake_is_no_different(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    assert outcome_from_the_handshake(data, cuts) == outcome([data], 0)


def test_the_answer_to_the_handshake_may_be_cut_anywhere() -> None:
    frames = from_server(text(b"one"), Frame(Opcode.PING, b"p"), text(b"tw", fin=False), Frame(Opcode.CONT, b"o"))
    whole = outcome_from_the_handshake(frames, [])
    assert whole[0] == [b"one", b"two"]
    assert whole[1] == b"\x8ap"
    for cut in range(300):  # the answer has some 200 bytes
        assert outcome_from_the_handshake(frames, [cut]) == whole


@given(lines(), st.integers(0, 300_000))
@example([b"\x83\x7e\x00"], 3)  # half a head, of which the first byte says enough
def test_cut_off_anywhere_what_was_whole_was_delivered(pieces: list[bytes], length: int) -> None:
    """However a line ends, and wherever: nothing that was whole is kept back, and nothing that was not is delivered."""
    data = b"".join(pieces)[:length]
    assert outcome([data], LIMIT) == outcome([data], 0)


@pytest.mark.parametrize("cut", [1, 2, 3, 9, 10, 11, 65_000, 65_536, 69_999])
def test_a_large_message_in_two_pieces_is_one(cut: int) -> None:
    """Beyond what one read takes, the protocol object has the beginning of it, and what follows is cut out again."""
    data = from_server(text(b"x" * LIMIT), text(b"after"), Frame(Opcode.PING, b"p"), text(b"last"))
    found = outcome([b"", data[:cut], data[cut:]], LIMIT)
    assert found[0] == [b"x" * LIMIT, b"after", b"last"]
    assert found == outcome([data], 0)


@pytest.mark.parametrize("size", [1, 7, 1000, 40_000])
def test_a_large_message_in_many_pieces_is_one(size: int) -> None:
    """What is inside of it looks like frames, and is none."""
    inside = (from_server(text(b"no message"), close_frame(1000)) * LIMIT)[: 66_000 if size > 1 else 400]
    data = from_server(text(b"before"), text(inside), Frame(Opcode.PING, b"p"), text(b"after"))
    head = data.index(inside) + 100
    pieces = [data[:head], *(data[at : at + size] for at in range(head, len(data), size))]
    found = outcome(pieces, LIMIT)
    assert found[0] == [b"before", inside, b"after"]
    assert found == outcome([data], 0)


HEADS = [
    pytest.param(b"\x83\x05he", 1002, id="an opcode that nobody knows"),
    pytest.param(b"\x81\x7e\x03\xe9" + b"x" * 10, 1009, id="too large"),
    pytest.param(b"\x82\x7e\x03\xe9" + b"x" * 10, 1009, id="binary and too large"),
    pytest.param(b"\x81\x85abcdh", 1002, id="masked"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("frame", "code"), HEADS)
async def test_what_can_be_refused_by_its_head_is_not_waited_for(frame: bytes, code: int) -> None:
    """A peer that announces what it may not send, and sends no more of it, is refused as soon as it has."""

    async def deliver(_: list[bytes]) -> None: ...

    with fail_after(5):
        websocket = await opened(Greeted(from_server(text(b"well")) + frame, [], breaks=True), limit=1000)
        await websocket.pump(deliver)
    assert websocket.ending is not None
    assert websocket.ending.code == code
    assert websocket.messages_received == 1


# Over a real socket


@pytest.mark.anyio
async def test_over_a_real_socket() -> None:
    """Pieces of all sizes, with control frames between them: each ping is answered, and the end is the peer's."""
    pong_after = {n: Frame(Opcode.PING, str(n).encode()) for n in range(0, 40, 3)}
    frames: list[Frame] = []
    expected: list[bytes] = []
    for n, size in enumerate([0, 1, 125, 126, 65_535, 65_536, 65_540, LIMIT] * 5):
        expected.append(bytes([65 + n % 26]) * size)
        if n % 7:
            frames.append(text(expected[-1]))
        else:
            half = size // 2
            frames += [text(expected[-1][:half], fin=False), Frame(Opcode.CONT, expected[-1][half:])]
        if n in pong_after:
            frames.insert(-1, pong_after[n])  # of a fragmented message, between its two
    heard: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        data = from_server(*frames, close_frame(4000, "that was all"))
        at, size = 0, 1
        while at < len(data):
            await peer.stream.send(data[at : at + size])
            at, size = at + size, size * 3 % 99_991
        while not heard or heard[-1].opcode is not Opcode.CLOSE:
            heard.append(await peer.frame())

    with fail_after(10):
        async with serve(script) as server:
            url = server.url.replace("http", "ws")
            messages: list[bytes] = []
            async with running(await dial(url), url=url, max_message_size=LIMIT) as client:
                assert await client.ending() == Ending(4000, "that was all", asked=False)
                await server.idle.wait()
                messages = client.messages
    assert messages == expected
    assert [bytes(frame.data) for frame in heard[:-1]] == [bytes(ping.data) for ping in pong_after.values()]
