"""The websocket: what arrives as what, how it ends, and that no frame is ever torn.

Most of it runs over a byte stream in memory, where every read and write is the test's own; the peer there is
websockets' `ServerProtocol`. What only a kernel does (resets, half-closed sockets) is tried over real sockets.
"""

from __future__ import annotations

import gc
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    CancelScope,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidHandshake
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from realtime_azure._dial import dial
from realtime_azure._websocket import OUTBOX_LIMIT, SENDS_PER_TURN, Ending, WebSocket, abandon, open_client

from .serving import QUIET, Peer, close_frame, from_server, serve, text

pytestmark = pytest.mark.anyio

URL = "ws://127.0.0.1/openai/v1/realtime?model=m"
PING = Frame(Opcode.PING, b"?")


class Interrupt(BaseException):
    """What a Ctrl-C is to the code under test; a real one would end the test run."""


class Wire(ByteStream):
    """A byte stream in memory, with a websocket server's protocol at the other end."""

    def __init__(self, *, read_size: int | None = None) -> None:
        self.writes: list[bytes] = []
        """What was written after the handshake, a write each."""
        self.gate: Event | None = None
        """While there is one, a write waits for it."""
        self.broken_by_writes = False
        self.interrupted = False
        """Whether a Ctrl-C comes with the end of each write, or of the next read."""
        self.after_write = b""
        """What arrives while the next write is under way."""
        self.early = b""
        """What arrives in one piece with the answer to the handshake."""
        self.closed = False
        self._peer = ServerProtocol(max_size=None, logger=QUIET)
        self._read_size = read_size
        self._incoming: deque[bytes | Exception] = deque()
        self._arrival = Event()

    def feed(self, data: bytes | Exception) -> None:
        self._incoming.append(data)
        self._arrival.set()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await checkpoint()
        while not self._incoming:
            self._arrival = Event()
            await self._arrival.wait()
        if self.interrupted:
            raise Interrupt
        data = self._incoming[0]
        if isinstance(data, Exception):
            raise data
        self._incoming.popleft()
        size = min(max_bytes, self._read_size or max_bytes)
        if len(data) > size:
            self._incoming.appendleft(data[size:])
        return data[:size]

    async def send(self, item: bytes) -> None:
        await checkpoint()
        if self._peer.state is State.CONNECTING:
            self._peer.receive_data(item)
            (request,) = self._peer.events_received()
            self._peer.send_response(self._peer.accept(request))  # type: ignore[arg-type]  # the first is a request
            self.feed(b"".join(self._peer.data_to_send()) + self.early)
            return
        if self.after_write:
            self.feed(self.after_write)
        if self.broken_by_writes:
            raise BrokenResourceError from ConnectionResetError(104, "Connection reset by peer")
        if self.gate is not None:
            await self.gate.wait()
        self.writes.append(item)
        if self.interrupted:
            raise Interrupt

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        self.closed = True
        await checkpoint()

    def received(self) -> list[Frame]:
        """The frames in what was written, whole ones; anything torn is an error."""
        parser = ServerProtocol(max_size=None, state=State.OPEN, logger=QUIET)
        parser.receive_data(b"".join(self.writes))
        assert parser.parser_exc is None
        return [frame for frame in parser.events_received() if isinstance(frame, Frame)]

    def messages(self) -> list[bytes]:
        return [bytes(frame.data) for frame in self.received() if frame.opcode is Opcode.TEXT]


class Client:
    """A websocket that runs, and what it delivered."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.messages: list[bytes] = []
        self.batches: list[int] = []
        self.gate: Event | None = None
        """While there is one, the reader is behind."""

    async def deliver(self, messages: list[bytes]) -> None:
        self.messages += messages
        self.batches.append(len(messages))
        if self.gate is not None:
            await self.gate.wait()

    async def ending(self) -> Ending:
        await self.websocket.wait_ended()
        assert self.websocket.ending is not None
        return self.websocket.ending


@asynccontextmanager
async def running(
    stream: ByteStream,
    *,
    url: str = URL,
    headers: Mapping[str, str] | None = None,
    max_message_size: int = 1 << 20,
    keepalive: tuple[float, float] | None = None,
) -> AsyncGenerator[Client]:
    """A client on *stream*, after the handshake, whose tasks run; the test closes it, or its peer does."""
    try:
        response, websocket = await open_client(stream, url, headers or {}, max_message_size=max_message_size)
        assert response.status_code == 101
        assert websocket is not None
        client = Client(websocket)
        async with create_task_group() as tasks:
            tasks.start_soon(websocket.pump, client.deliver)
            tasks.start_soon(websocket.drain)
            if keepalive is not None:
                tasks.start_soon(websocket.keepalive, *keepalive)
            try:
                yield client
            finally:
                await websocket.aclose(timeout=0)
                tasks.cancel_scope.cancel()
    finally:
        await abandon(stream)


@asynccontextmanager
async def in_memory(wire: Wire, **options: Any) -> AsyncGenerator[Client]:
    with fail_after(10):
        async with running(wire, **options) as client:
            yield client


# What arrives

SCENE = from_server(
    text(b"one"),
    Frame(Opcode.BINARY, b"two"),
    text(b""),
    text(b"thr", fin=False),
    PING,
    Frame(Opcode.CONT, b"", fin=False),
    Frame(Opcode.PONG, b"nobody asked"),
    Frame(Opcode.CONT, b"ee"),
    text("vier ✓".encode() * 30),
    close_frame(1001, "bye"),
)
SCENE_MESSAGES = [b"one", b"two", b"", b"three", "vier ✓".encode() * 30]


async def played(wire: Wire, *pieces: bytes) -> tuple[list[bytes], Ending, list[Frame]]:
    """What a client makes of *pieces*, each one read."""
    async with in_memory(wire) as client:
        for piece in pieces:
            wire.feed(piece)
        ending = await client.ending()
        await wait_all_tasks_blocked()
    return client.messages, ending, wire.received()


def check_scene(played: tuple[list[bytes], Ending, list[Frame]]) -> None:
    messages, ending, answers = played
    assert messages == SCENE_MESSAGES
    assert ending == Ending(1001, "bye", asked=False)
    pong, goodbye = answers
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"?")
    assert (goodbye.opcode, Close.parse(bytes(goodbye.data))) == (Opcode.CLOSE, Close(1001, "bye"))


async def test_text_binary_fragments_and_control_frames_in_one_read() -> None:
    check_scene(await played(Wire(), SCENE))


async def test_what_one_read_brings_is_delivered_in_one_go() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.feed(from_server(*(text(str(n).encode()) for n in range(100))))
        await wait_all_tasks_blocked()
        assert client.batches == [100]


async def test_byte_by_byte_it_is_the_same() -> None:
    """The answer to the handshake, too."""
    check_scene(await played(Wire(read_size=1), SCENE))


async def test_cut_anywhere_it_is_the_same() -> None:
    for cut in range(1, len(SCENE)):
        check_scene(await played(Wire(), SCENE[:cut], SCENE[cut:]))


async def test_what_comes_with_the_answer_to_the_handshake_is_not_lost() -> None:
    for cut in range(len(SCENE) + 1):
        wire = Wire()
        wire.early = SCENE[:cut]
        check_scene(await played(wire, SCENE[cut:] or b""))


sizes = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536]) | st.integers(0, 300)


@given(messages=st.lists(st.lists(sizes, min_size=1, max_size=4), max_size=6), read_size=st.integers(1, 70000))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_fragmentation_gives_the_same_messages(messages: list[list[int]], read_size: int) -> None:
    frames: list[Frame] = []
    for number, fragments in enumerate(messages):
        last = len(fragments) - 1
        for place, size in enumerate(fragments):
            kind = Opcode.CONT if place else Opcode.TEXT
            frames += [Frame(kind, bytes([65 + number]) * size, fin=place == last), PING]
    wire = Wire(read_size=max(read_size, 500))
    async with in_memory(wire) as client:
        wire.feed(from_server(*frames, close_frame()))
        await client.ending()
        await wait_all_tasks_blocked()
    assert client.messages == [bytes([65 + n]) * sum(fragments) for n, fragments in enumerate(messages)]
    assert len(wire.received()) == len(frames) // 2 + 1


async def test_pings_are_answered_while_the_reader_is_busy() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        client.gate = Event()
        wire.feed(from_server(PING, text(b"one"), Frame(Opcode.PING, b"??")))
        await wait_all_tasks_blocked()
        assert client.messages == [b"one"]
        assert [bytes(frame.data) for frame in wire.received()] == [b"?", b"??"]


# How it ends


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (close_frame(1000), 1000, ""),
        (close_frame(1001, "going away"), 1001, "going away"),
        (close_frame(1011, "interner Fehler: ✗"), 1011, "interner Fehler: ✗"),
        (close_frame(4000, "x" * 123), 4000, "x" * 123),
        (Frame(Opcode.CLOSE, b""), 1005, ""),
    ],
)
async def test_the_peers_close_frame_says_how_it_ended(frame: Frame, code: int, reason: str) -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.feed(from_server(text(b"last"), frame, text(b"after the end")))
        assert await client.ending() == Ending(code, reason, asked=False)
        await wait_all_tasks_blocked()
        assert client.messages == [b"last"]
        assert [frame.opcode for frame in wire.received()] == [Opcode.CLOSE]  # answered at once
        with pytest.raises(BrokenResourceError):
            await client.websocket.send(b"too late")


@pytest.mark.parametrize(
    "frames",
    [
        [text(b"x" * 1001)],
        [text(b"x" * 600, fin=False), Frame(Opcode.CONT, b"x" * 401)],
        [text(b"fits"), text(b"x" * 70000)],
    ],
    ids=["whole", "fragments", "after another"],
)
async def test_a_message_that_is_too_large_ends_it_with_1009(frames: list[Frame]) -> None:
    wire = Wire()
    async with in_memory(wire, max_message_size=1000) as client:
        wire.feed(from_server(*frames))
        ending = await client.ending()
        assert ending.code == 1009
        assert not ending.asked
        assert ending.cause is not None
        await wait_all_tasks_blocked()
        (answer,) = wire.received()  # the peer is told at once, not when the block is left
        assert Close.parse(bytes(answer.data)).code == 1009
    assert client.messages == [b"fits"][: len(frames) - 1] * (frames[0].data == b"fits")


async def test_a_message_of_just_the_size_is_delivered() -> None:
    wire = Wire()
    async with in_memory(wire, max_message_size=1000) as client:
        wire.feed(from_server(text(b"x" * 1000), text(b"x" * 600, fin=False), Frame(Opcode.CONT, b"x" * 400)))
        await wait_all_tasks_blocked()
        assert client.messages == [b"x" * 1000] * 2


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff\xff\xff\xff", from_server(Frame(Opcode.CONT, b"of nothing")), b"\x81\x85abcdhello", b"\x09\x00"],
    ids=["reserved bits", "continuation of nothing", "masked by a server", "fragmented ping"],
)
async def test_what_is_not_the_protocol_ends_it_with_1002(nonsense: bytes) -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.feed(from_server(text(b"good")))
        wire.feed(nonsense)
        ending = await client.ending()
        assert (ending.code, ending.asked) == (1002, False)
        await wait_all_tasks_blocked()
        assert client.messages == [b"good"]
        assert [frame.opcode for frame in wire.received()] == [Opcode.CLOSE]


@pytest.mark.parametrize("error", [EndOfStream(), BrokenResourceError(), OSError(110, "timed out")])
async def test_without_a_close_frame_it_ends_with_1006(error: Exception) -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.feed(from_server(text(b"one"))[:-1])
        wire.feed(error)
        ending = await client.ending()
        assert (ending.code, ending.asked) == (1006, False)
        assert client.messages == []
        with pytest.raises(BrokenResourceError):
            await client.websocket.send(b"too late")


async def test_what_the_peer_said_last_is_read_though_it_no_longer_listens() -> None:
    """A service that ends a session says why and hangs up; a microphone goes on meanwhile."""
    wire = Wire()
    async with in_memory(wire) as client:
        wire.broken_by_writes = True
        wire.after_write = from_server(text(b"why"), close_frame(4001, "session expired"))
        await client.websocket.send(b"sound")
        assert await client.ending() == Ending(4001, "session expired", asked=False)
        assert client.messages == [b"why"]


async def test_a_write_that_fails_ends_it_when_the_peer_says_nothing_more() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.broken_by_writes = True
        wire.after_write = b""
        wire.feed(from_server(text(b"one")))
        await wait_all_tasks_blocked()
        await client.websocket.send(b"sound")
        ending = await client.ending()
        assert ending.code == 1006
        assert isinstance(ending.cause, BrokenResourceError)


async def test_closing_sends_what_is_queued_then_the_close_frame_and_waits_for_the_answer() -> None:
    wire = Wire()
    async with in_memory(wire) as client, create_task_group() as tasks:
        for number in range(10):
            await client.websocket.send(str(number).encode())
        tasks.start_soon(client.websocket.aclose, 1000, "done")
        await wait_all_tasks_blocked()
        *messages, goodbye = wire.received()
        assert [bytes(frame.data) for frame in messages] == [str(number).encode() for number in range(10)]
        assert Close.parse(bytes(goodbye.data)) == Close(1000, "done")
        assert client.websocket.ending is None
        with pytest.raises(BrokenResourceError):
            await client.websocket.send(b"too late")
        wire.feed(from_server(text(b"still under way"), close_frame(1000, "done")))
        assert await client.ending() == Ending(1000, "done", asked=True)
        assert client.messages == [b"still under way"]


@pytest.mark.parametrize("answer", [EndOfStream(), BrokenResourceError()], ids=["eof", "reset"])
async def test_a_peer_that_answers_a_close_frame_by_hanging_up_was_asked_to(answer: Exception) -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.feed(from_server(text(b"one")))
        await wait_all_tasks_blocked()
        wire.feed(answer)
        await client.websocket.aclose()
        assert client.websocket.ending is not None
        assert client.websocket.ending.asked


async def test_a_peer_that_never_answers_a_close_frame_is_left() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        await client.websocket.aclose(timeout=0.05)
        assert client.websocket.ending == Ending(1006, "", asked=True)


async def test_a_peer_that_does_not_even_read_is_left() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.gate = Event()
        await client.websocket.send(b"stuck")
        await wait_all_tasks_blocked()
        await client.websocket.aclose(timeout=0.05)
        assert client.websocket.ending == Ending(1006, "", asked=True)


@pytest.mark.parametrize("task", ["reader", "writer", "keepalive"])
async def test_a_ctrl_c_in_any_of_its_tasks_ends_it_at_once(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it may take to say goodbye to a peer that says nothing; trio raises it in whichever task runs."""
    wire = Wire()

    async def leave() -> None:
        async with in_memory(wire, keepalive=(0.01, 60) if task == "keepalive" else None) as client:
            if task == "keepalive":
                monkeypatch.setattr(client.websocket.protocol, "send_ping", interrupt)
            wire.interrupted = task != "keepalive"
            if task == "reader":
                wire.feed(b"")
            with fail_after(5, shield=True) as limit:
                if task == "keepalive":
                    await client.websocket.wait_ended()
                await client.websocket.aclose(timeout=10)
            assert not limit.cancel_called  # which the shield within would not feel
            assert client.websocket.ending == Ending(1006, "", asked=task != "keepalive")

    with pytest.raises(BaseExceptionGroup) as caught:
        await leave()
    assert not caught.value.split(Interrupt)[1]


def interrupt(_: bytes) -> None:
    raise Interrupt


async def test_closing_twice_is_closing_once() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        async with create_task_group() as tasks:
            tasks.start_soon(client.websocket.aclose)
            tasks.start_soon(client.websocket.aclose)
            await wait_all_tasks_blocked()
            wire.feed(from_server(close_frame()))
        await client.websocket.aclose()
        assert [frame.opcode for frame in wire.received()] == [Opcode.CLOSE]


# Keepalive


async def test_a_peer_that_does_not_answer_a_ping_is_gone() -> None:
    wire = Wire()
    async with in_memory(wire, keepalive=(0.01, 0.03)) as client:
        ending = await client.ending()
        assert ending.code == 1006
        assert isinstance(ending.cause, TimeoutError)
        assert "no answer to a ping" in str(ending.cause)
        (ping,) = wire.received()
        assert ping.opcode is Opcode.PING
        with pytest.raises(BrokenResourceError):
            await client.websocket.send(b"too late")


async def answer_pings(wire: Wire, count: int) -> None:
    """Returns when *count* pings have been sent and answered."""
    answered = 0
    while answered < count:
        await checkpoint()
        pings = wire.received()
        for ping in pings[answered:]:
            assert ping.opcode is Opcode.PING
            wire.feed(from_server(Frame(Opcode.PONG, ping.data)))
        answered = len(pings)


async def test_a_peer_that_answers_pings_stays() -> None:
    wire = Wire()
    async with in_memory(wire, keepalive=(0.005, 60)) as client:
        await answer_pings(wire, 5)
        assert client.websocket.ending is None
        assert len({bytes(ping.data) for ping in wire.received()}) == len(wire.received())


async def test_the_answer_to_another_ping_does_not_count() -> None:
    wire = Wire()
    async with in_memory(wire, keepalive=(0.01, 0.05)) as client:
        wire.feed(from_server(Frame(Opcode.PONG, b"old")))
        while not wire.writes:
            await checkpoint()
        wire.feed(from_server(Frame(Opcode.PONG, b"old")))
        assert isinstance((await client.ending()).cause, TimeoutError)
        assert len(wire.received()) == 1


async def test_no_answer_proves_nothing_while_the_reader_is_behind() -> None:
    """The answer may be waiting behind what was not read yet."""
    wire = Wire()
    async with in_memory(wire, keepalive=(0.005, 0.005)) as client:
        client.gate = Event()
        wire.feed(from_server(text(b"one")))
        await answer_pings(wire, 4)
        assert client.websocket.ending is None
        assert client.messages == [b"one"]


async def test_a_reader_that_has_just_caught_up_finds_the_answer_in_time() -> None:
    wire = Wire()
    async with in_memory(wire, keepalive=(0.005, 0.5)) as client:
        client.gate = Event()
        wire.feed(from_server(text(b"one")))
        await answer_pings(wire, 1)
        client.gate.set()
        time.sleep(0.6)  # noqa: ASYNC251 - a busy process, whose timers are all late
        await answer_pings(wire, 2)
        assert client.websocket.ending is None


# Sending


async def test_what_gathers_during_a_write_leaves_in_one() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        wire.gate = Event()
        await client.websocket.send(b"first")
        await wait_all_tasks_blocked()
        for number in range(20):
            await client.websocket.send(str(number).encode())
        wire.gate.set()
        await wait_all_tasks_blocked()
        assert len(wire.writes) == 2
        assert wire.messages() == [b"first", *(str(number).encode() for number in range(20))]


async def test_an_idle_writer_sends_at_once() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        for number in range(3):
            await client.websocket.send(str(number).encode())
            await wait_all_tasks_blocked()
            assert len(wire.writes) == number + 1


async def test_a_sender_waits_at_the_outbox_limit_and_goes_on_when_there_is_room() -> None:
    wire = Wire()
    sent = 0
    piece = b"x" * (OUTBOX_LIMIT // 8)

    async with in_memory(wire) as client:
        wire.gate = Event()

        async def send() -> None:
            nonlocal sent
            for _ in range(20):
                await client.websocket.send(piece)
                sent += 1

        async with create_task_group() as tasks:
            tasks.start_soon(send)
            await wait_all_tasks_blocked()
            assert 8 <= sent <= 9
            wire.gate.set()
            wire.gate = Event()
            await wait_all_tasks_blocked()
            assert sent > 9
            wire.gate.set()
            wire.gate = None
        await wait_all_tasks_blocked()
        assert wire.messages() == [piece] * 20


async def test_a_cancelled_send_is_queued_wholly_or_not_at_all() -> None:
    wire = Wire()
    done: list[bytes] = []
    async with in_memory(wire) as client:
        wire.gate = Event()

        async def send(name: bytes) -> None:
            message = name + b"x" * (OUTBOX_LIMIT // 4)
            await client.websocket.send(message)
            done.append(message)

        async with create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(send, str(number).encode())
            await wait_all_tasks_blocked()
            assert 0 < len(done) < 12
            tasks.cancel_scope.cancel()
        wire.gate.set()
        wire.gate = None
        await client.websocket.send(b"and on")
        await wait_all_tasks_blocked()
        assert wire.messages() == [*done, b"and on"]


async def test_a_send_in_a_cancelled_scope_is_queued_or_raises() -> None:
    wire = Wire()
    sent = 0
    async with in_memory(wire) as client:
        with CancelScope() as scope:
            scope.cancel()
            for _ in range(SENDS_PER_TURN * 3):
                await client.websocket.send(b"message")
                sent += 1
        assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert wire.messages() == [b"message"] * sent


async def test_cancelling_the_writers_neighbourhood_does_not_tear_a_frame() -> None:
    wire = Wire()
    waiting = Event()
    with fail_after(5):
        async with create_task_group() as outer:

            async def body() -> None:
                async with running(wire) as client:
                    wire.gate = Event()
                    await client.websocket.send(b"under way")
                    await wait_all_tasks_blocked()
                    await client.websocket.send(b"queued")
                    waiting.set()
                    try:
                        await sleep_forever()
                    finally:
                        with CancelScope(shield=True):
                            wire.gate.set()
                            await wait_all_tasks_blocked()
                            wire.feed(from_server(close_frame()))
                            await client.websocket.aclose()

            outer.start_soon(body)
            await waiting.wait()
            outer.cancel_scope.cancel()
    assert wire.messages() == [b"under way", b"queued"]
    assert wire.received()[-1].opcode is Opcode.CLOSE
    assert wire.closed


async def test_a_task_that_only_sends_lets_the_others_run() -> None:
    wire = Wire()
    async with in_memory(wire) as client:
        for _ in range(SENDS_PER_TURN * 4):
            await client.websocket.send(b"message")
        assert wire.writes  # without a single wait of the test's own


async def test_senders_that_wait_for_room_are_told_of_the_end() -> None:
    wire = Wire()
    refused: list[int] = []
    async with in_memory(wire) as client:
        wire.gate = Event()
        await client.websocket.send(b"x" * (OUTBOX_LIMIT + 1))

        async def send(number: int) -> None:
            with pytest.raises(BrokenResourceError):
                await client.websocket.send(b"more")
            refused.append(number)

        async with create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(send, number)
            await wait_all_tasks_blocked()
            wire.feed(EndOfStream())
        assert sorted(refused) == [0, 1, 2]


# The handshake


async def test_an_answer_with_the_wrong_key_is_refused() -> None:
    class Wrong(Wire):
        async def send(self, item: bytes) -> None:
            await checkpoint()
            self.feed(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: bm90IHRoaXMgb25l\r\n\r\n"
            )

    with fail_after(5), pytest.raises(InvalidHandshake):
        await open_client(Wrong(), URL, {}, max_message_size=1000)


async def test_the_log_never_shows_a_key_or_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wire = Wire()
    async with in_memory(wire, headers={"api-key": "SECRETKEY"}, max_message_size=100) as client:
        await client.websocket.send(b"SECRETVOICE")
        wire.feed(from_server(text(b"SECRETANSWER"), PING))
        await wait_all_tasks_blocked()
        wire.feed(from_server(text(b"SECRETANSWER" * 100)))
        await client.ending()
    assert client.messages
    assert wire.messages()
    assert "SECRET" not in caplog.text
    assert "SECRET" not in "".join(str(vars(record)) for record in caplog.records)


# Over real sockets


async def against(script: Any, **options: Any) -> tuple[list[bytes], Ending]:
    """What a client has received when a *script* has done its worst, and how it ended."""
    with fail_after(10):
        async with serve(script) as server:
            stream = await dial(f"ws://127.0.0.1:{server.port}/")
            async with running(stream, **options) as client:
                ending = await client.ending()
            await server.idle.wait()
    gc.collect()
    return client.messages, ending


async def test_a_peer_that_resets() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept({"n": 1})
        await peer.frame()
        await peer.reset()

    async def send_first(peer: Peer) -> None:
        await script(peer)

    with fail_after(10):
        async with serve(send_first) as server:
            stream = await dial(f"ws://127.0.0.1:{server.port}/")
            async with running(stream) as client:
                await client.websocket.send(b"go")
                ending = await client.ending()
    assert (ending.code, ending.asked) == (1006, False)
    assert isinstance(ending.cause, (BrokenResourceError, OSError))
    assert client.messages == [b'{"n": 1}']


async def test_a_peer_that_hangs_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept({"n": 1})

    messages, ending = await against(script)
    assert (ending.code, ending.reason, ending.asked) == (1006, "", False)
    assert messages == [b'{"n": 1}']


async def test_a_peer_that_hangs_up_within_a_frame() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept({"n": 1})
        await peer.stream.send(from_server(text(b"cut in the middle"))[:-3])

    messages, ending = await against(script)
    assert ending.code == 1006
    assert messages == [b'{"n": 1}']


async def test_a_peer_that_says_it_will_say_no_more_but_still_listens() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept({"n": 1})
        await peer.stream.send_eof()
        await peer.gone()

    messages, ending = await against(script)
    assert (ending.code, ending.asked) == (1006, False)
    assert messages == [b'{"n": 1}']


async def test_a_peer_that_closes_and_leaves_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept({"n": 1})
        await peer.send(close_frame(1012, "restart"))

    messages, ending = await against(script)
    assert ending == Ending(1012, "restart", asked=False)
    assert messages == [b'{"n": 1}']


async def test_more_than_fits_in_any_buffer_goes_both_ways() -> None:
    piece = b"x" * 300_000
    heard: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        for _ in range(20):
            await peer.send(text(piece))
            heard.append(len((await peer.frame()).data))
        await peer.farewell()

    with fail_after(20):
        async with serve(script) as server:
            stream = await dial(f"ws://127.0.0.1:{server.port}/")
            async with running(stream) as client:
                for _ in range(20):
                    await client.websocket.send(piece)
                await client.websocket.aclose()
                assert client.websocket.ending == Ending(1000, "", asked=True)
    assert [len(message) for message in client.messages] == heard == [300_000] * 20
