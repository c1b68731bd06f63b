"""Peers and callers that go to the edge of what is allowed, and beyond: nothing hangs, grows or goes astray."""

from __future__ import annotations

import gc
import json
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    CancelScope,
    Event,
    IncompleteRead,
    connect_tcp,
    create_task_group,
    fail_after,
    open_process,
    wait_all_tasks_blocked,
)
from anyio.abc import ByteStream, Process
from anyio.lowlevel import checkpoint
from anyio.streams.buffered import BufferedByteReceiveStream
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

import realtime_azure.streams
from realtime_azure import (
    ConfigurationError,
    Connection,
    ConnectionClosed,
    ConnectionLost,
    EventRejected,
    InvalidEvent,
    StatusError,
    StreamBusy,
    connect,
)
from realtime_azure._dial import OneAtATime
from realtime_azure._websocket import OUTBOX_LIMIT
from realtime_azure.events import ResponseDone, ResponseOutputTextDelta, ServerEvent, UnknownEvent

from .serving import (
    SESSION_CREATED,
    Certificates,
    Peer,
    Script,
    close_frame,
    from_server,
    serve,
    text,
    text_delta,
    to_bytes,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be searched for each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Generator[None]:
    """A socket or a task that is left to the garbage collector is a warning, and so an error."""
    yield
    gc.collect()


OPTIONS: dict[str, Any] = {"deployment": "my-realtime", "api_version": "v1", "api_key": "a-key", "max_retries": 0}


@asynccontextmanager
async def connected(script: Script, **options: Any) -> AsyncGenerator[Connection]:
    """A connection to *script* that has read `session.created`. When it is left, the server has seen it go."""
    with fail_after(10):
        async with serve(script) as server:
            async with connect(server.url, **{**OPTIONS, **options}) as connection:
                await connection.receive()
                yield connection
            await server.idle.wait()


async def stay(peer: Peer) -> None:
    """Has a word to say about each event, and answers the close frame."""
    while (frame := await peer.frame()).opcode is Opcode.TEXT:
        await peer.say(text_delta("heard"))
    await peer.send(Frame(Opcode.CLOSE, frame.data))
    await peer.gone()


async def echo(peer: Peer) -> None:
    """A service that does nothing else."""
    await peer.accept(SESSION_CREATED)
    await stay(peer)


async def check_it_lives(connection: Connection) -> None:
    """Asks for a word, and gets it."""
    await connection.input_audio_buffer.clear()
    assert isinstance(await connection.receive(), ResponseOutputTextDelta)


# Calls are in the order of the wire


async def judge(peer: Peer) -> None:
    """Rejects session.update where its number is even, and answers where it is odd, each in its turn."""
    while (frame := await peer.frame()).opcode is Opcode.TEXT:
        event = json.loads(bytes(frame.data))
        if event["type"] != "session.update":
            continue
        if int(event["session"]["instructions"]) % 2:
            await peer.say({"type": "session.updated", "session": event["session"]})
        else:
            error = {"type": "invalid_request_error", "message": event["event_id"], "event_id": event["event_id"]}
            await peer.say({"type": "error", "error": error})
    await peer.send(Frame(Opcode.CLOSE, frame.data))
    await peer.gone()


@dataclass
class Caller:
    """Makes calls with numbers, and notes what each was told."""

    connection: Connection
    told: dict[int, str | None] = field(default_factory=dict)

    async def call(self, number: int) -> None:
        try:
            said = await self.connection.session.update(
                {"type": "realtime", "instructions": str(number)}, event_id=f"call {number}", wait=True
            )
            self.told[number] = said.session.ga.instructions
        except EventRejected as exc:
            self.told[number] = f"rejected {exc.event_id}"

    def expected(self, count: int) -> dict[int, str]:
        return {number: str(number) if number % 2 else f"rejected call {number}" for number in range(count)}


async def test_calls_of_many_tasks_each_get_their_own_answer() -> None:
    """Sending lets other tasks have their turn now and then, who send in their turn."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await judge(peer)

    async with connected(script) as connection:
        caller = Caller(connection)
        async with create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(caller.call, number)
        assert caller.told == caller.expected(40)


async def fill_the_outbox(connection: Connection) -> None:
    """Sends sound until a peer that does not read makes whoever sends more wait."""
    while connection.statistics().outbox_bytes <= OUTBOX_LIMIT:
        await connection.input_audio_buffer.append(bytes(2 << 20))
        await wait_all_tasks_blocked()


async def test_calls_that_wait_for_the_network_each_get_their_own_answer() -> None:
    """Whoever comes in the moment in which there is room may send before those who wait."""
    read_on = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await read_on.wait()
        await judge(peer)

    async with connected(script) as connection:
        caller = Caller(connection)

        async def come_at_the_right_moment() -> None:
            while connection.statistics().outbox_bytes > OUTBOX_LIMIT:
                await checkpoint()
            await caller.call(9)

        await fill_the_outbox(connection)
        async with create_task_group() as tasks:
            for number in range(9):
                tasks.start_soon(caller.call, number)
            await wait_all_tasks_blocked()
            tasks.start_soon(come_at_the_right_moment)
            read_on.set()
        assert caller.told == caller.expected(10)


# What callers pass


async def subscribe(connection: Connection, *types: Any, limit: Any = None) -> None:
    async with connection.subscribe(*types, limit=limit) as stream:
        await stream.receive()


async def wait_for(connection: Connection, kind: Any) -> None:
    await connection.wait_for(kind)


@pytest.mark.parametrize(
    "types",
    [
        ("response.done",),
        ([ResponseDone],),
        (ResponseDone.model_construct(type="response.done"),),
        (ResponseDone, "error"),
        (None,),
        (int,),
    ],
    ids=["text", "a list", "an event", "a class and text", "None", "another class"],
)
@pytest.mark.parametrize("ask", [subscribe, wait_for])
async def test_what_is_no_class_of_events_is_refused_at_the_call(
    ask: Callable[..., Awaitable[None]], types: tuple[Any, ...]
) -> None:
    async with connected(echo) as connection:
        await connection.input_audio_buffer.clear()  # the word about it comes while the call would wait
        with pytest.raises(TypeError):
            await ask(connection, *(types if ask is subscribe else types[-1:]))
        assert isinstance(await connection.receive(), ResponseOutputTextDelta)
        await check_it_lives(connection)


@pytest.mark.parametrize("limit", ["1", float("nan"), 0, -1, True, [1]])
async def test_a_limit_that_is_none_is_refused_at_the_call(limit: Any) -> None:
    async with connected(echo) as connection:
        await connection.input_audio_buffer.clear()
        with pytest.raises(ConfigurationError, match="limit: "):
            await subscribe(connection, limit=limit)
        assert isinstance(await connection.receive(), ResponseOutputTextDelta)
        await check_it_lives(connection)


BEYOND: Any = 10**400
"""What no float holds."""


@pytest.mark.parametrize(
    "name",
    ["inbox_limit", "max_message_size", "attempt_timeout", "open_timeout", "close_timeout", "ping_interval"],
)
async def test_an_option_beyond_all_floats_is_taken_or_refused(name: str) -> None:
    with fail_after(5):
        async with serve(echo) as server:
            with suppress(ConfigurationError):
                async with connect(server.url, **{**OPTIONS, name: BEYOND}) as connection:
                    await connection.receive()
                    await check_it_lives(connection)


async def test_a_limit_beyond_all_floats_is_taken_or_refused() -> None:
    async with connected(echo) as connection:
        await connection.input_audio_buffer.clear()
        with suppress(ConfigurationError):
            await subscribe(connection, limit=BEYOND)


async def test_an_age_beyond_all_floats_is_taken_or_refused() -> None:
    async with connected(echo) as connection:
        with suppress(ConfigurationError):
            await connection.input_audio_buffer.append(b"12", max_age=BEYOND)


@pytest.mark.parametrize("event_id", [5, b"x", float("nan"), object(), ["x"]])
async def test_the_id_of_an_append_is_text(event_id: Any) -> None:
    async with connected(echo) as connection:
        with pytest.raises(InvalidEvent, match="event_id"):
            await connection.input_audio_buffer.append(b"12", event_id=event_id)
        with pytest.raises(InvalidEvent, match="event_id"):
            await connection.send({"type": "input_audio_buffer.append", "audio": b"12", "event_id": event_id})
        await check_it_lives(connection)
        assert connection.statistics().events_sent == 1


def nested(depth: int) -> dict[str, Any]:
    """Parameters of a tool, so deep."""
    parameters: dict[str, Any] = {}
    for _ in range(depth):
        parameters = {"a": parameters}
    return {"type": "realtime", "tools": [{"type": "function", "name": "f", "parameters": parameters}]}


@pytest.mark.parametrize("depth", [220, 10_000])
async def test_what_is_nested_too_deep_for_a_dated_version_is_not_sent(depth: int) -> None:
    async with connected(echo, api_version="2025-04-01-preview") as connection:
        with pytest.raises(InvalidEvent, match="nested so deep"):
            await connection.send({"type": "session.update", "session": nested(depth)})
        await check_it_lives(connection)
        assert connection.statistics().events_sent == 1


async def test_a_subscription_is_entered_once_at_a_time() -> None:
    async with connected(echo) as connection:
        subscription = connection.subscribe(ResponseOutputTextDelta)
        async with subscription as stream:
            with pytest.raises(StreamBusy):
                await subscription.__aenter__()
            await connection.input_audio_buffer.clear()
            assert (await stream.receive()).delta == "heard"
        with pytest.raises(ConnectionClosed, match="left"):
            await stream.receive()
        async with subscription as again:
            await connection.input_audio_buffer.clear()
            assert (await again.receive()).delta == "heard"
            with pytest.raises(ConnectionClosed, match="left"):
                await stream.receive()


# Peers that send much of little


async def test_messages_without_a_byte_fill_an_inbox_too() -> None:
    """They take memory, though they are not long."""
    sent = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.stream.send(from_server(text(b"")) * 20_000 + from_server(text(to_bytes(text_delta("last")))))
        sent.set()
        await stay(peer)

    async with connected(script, inbox_limit=1) as connection:
        await sent.wait()
        await wait_all_tasks_blocked()
        assert 0 < connection.statistics().inbox_events < 5000
        for _ in range(20_000):
            assert type(await connection.receive()) is UnknownEvent
        assert isinstance(await connection.receive(), ResponseOutputTextDelta)


async def test_others_have_their_turn_while_a_great_number_of_messages_is_decoded() -> None:
    count, ready = 4000, Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await ready.wait()
        await peer.stream.send(from_server(text(b'{"type":"x"}')) * count)  # which one read brings
        await stay(peer)

    async with connected(script) as connection:
        ready.set()
        seen = [0]
        while seen[-1] < count:
            await checkpoint()
            seen.append(connection.statistics().inbox_events)
        assert max(after - before for before, after in pairwise(seen)) <= 1000


async def test_a_peer_that_pings_and_does_not_read_has_to_wait() -> None:
    """What waits to be answered must not grow for ever. In the end, every ping is answered."""
    pings = pongs = 0
    block = from_server(Frame(Opcode.PING, b"x" * 125)) * 500
    enough, all_said = Event(), Event()

    async def ask(peer: Peer) -> None:
        nonlocal pings
        while pings < 150_000 and not enough.is_set():
            await peer.stream.send(block)
            pings += 500
        all_said.set()
        await peer.say(text_delta("enough"))

    async def script(peer: Peer) -> None:
        nonlocal pongs
        await peer.accept(SESSION_CREATED)
        async with create_task_group() as tasks:
            tasks.start_soon(ask, peer)
            await enough.wait()
            while (frame := await peer.frame()).opcode is Opcode.PONG:
                pongs += 1
            await peer.send(Frame(Opcode.CLOSE, frame.data))
            await peer.gone()

    async with connected(script) as connection:
        await wait_all_tasks_blocked()
        assert not all_said.is_set()
        enough.set()
        assert isinstance(await connection.receive(), ResponseOutputTextDelta)
    assert pongs == pings > 1000


# Messages in fragments


async def test_a_message_in_tiny_fragments_is_joined() -> None:
    said = "ä€𝄞 " * 2000
    message = to_bytes(text_delta(said))

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        pieces = [message[at : at + 3] for at in range(0, len(message), 3)]
        await peer.send(
            Frame(Opcode.TEXT, b"", False),
            *(Frame(Opcode.CONT, each, False) for piece in pieces for each in (piece, b"")),
            Frame(Opcode.CONT, b""),
            text(to_bytes(text_delta("next"))),
        )
        await stay(peer)

    async with connected(script) as connection:
        event, following = await connection.receive(), await connection.receive()
        assert event.raw == message
        assert isinstance(event, ResponseOutputTextDelta)
        assert event.delta == said
        assert isinstance(following, ResponseOutputTextDelta)
        assert following.delta == "next"


async def test_tiny_fragments_take_hardly_more_memory_than_they_are_long() -> None:
    fragments, ready = from_server(Frame(Opcode.CONT, b"  ", False)) * 20_000, Event()
    held = 0

    async def script(peer: Peer) -> None:
        nonlocal held
        await peer.accept(SESSION_CREATED)
        await ready.wait()
        before, _ = tracemalloc.get_traced_memory()
        await peer.send(Frame(Opcode.TEXT, b"{", False))
        await peer.stream.send(fragments + from_server(Frame(Opcode.PING, b"")))
        assert (await peer.frame()).opcode is Opcode.PONG  # so the client has read them
        held = tracemalloc.get_traced_memory()[0] - before
        await peer.send(Frame(Opcode.CONT, b'"type":"x"}'))
        await stay(peer)

    tracemalloc.start()
    try:
        async with connected(script) as connection:
            ready.set()
            assert (await connection.receive()).type == "x"
    finally:
        tracemalloc.stop()
    assert 20_000 < held < 400_000


@pytest.mark.parametrize("before", [(), (text_delta("whole"),)], ids=["the first", "a later one"])
async def test_a_close_frame_in_the_middle_of_a_message_is_no_good_ending(before: tuple[dict[str, Any], ...]) -> None:
    """Not even with code 1000: what was said is not whole."""
    codes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, *before)
        await peer.send(text(b'{"type":', fin=False), close_frame(1000, "done"))
        codes.append(await peer.close_code())

    async with connected(script) as connection:
        seen: list[str] = []
        with pytest.raises(ConnectionLost) as caught:
            seen += [event.type async for event in connection]
        assert (caught.value.code, caught.value.response_cut) == (1002, None)
        with pytest.raises(ConnectionLost):
            await connection.input_audio_buffer.clear()
        with pytest.raises(ConnectionLost):
            await connection.receive()
    assert codes == [1002]


# An inbox that nobody reads


@pytest.mark.parametrize("limit", [1, 1000, 30_000])
async def test_a_reader_that_stops_as_the_inbox_fills_is_found_out(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where failing was chosen, having waited for an event is no promise to read the next."""
    monkeypatch.setattr(realtime_azure.streams, "LAPSE_AFTER", 0.02)
    waits, given_up = Event(), Event()
    codes: list[int] = []
    seen: list[ServerEvent] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await waits.wait()
        await peer.say(*(text_delta("x" * 1000) for _ in range(60)))
        codes.append(await peer.close_code())
        given_up.set()

    async with connected(script, inbox_limit=limit, when_full="fail") as connection:

        async def read_once() -> None:
            seen.append(await connection.receive())

        async with create_task_group() as tasks:
            tasks.start_soon(read_once)
            await wait_all_tasks_blocked()
            waits.set()
        await given_up.wait()
        with pytest.raises(ConnectionLost, match="does not keep up") as caught:
            seen += [event async for event in connection]
        assert caught.value.code == 1008
    assert codes == [1008]


async def test_a_connection_that_was_given_up_has_nothing_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waited is dropped, and whoever waited for room is told."""
    monkeypatch.setattr(realtime_azure.streams, "LAPSE_AFTER", 0.02)
    full, told = Event(), Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await full.wait()
        await peer.say(text_delta("x"))
        await told.wait()
        assert await peer.close_code() == 1008

    async with connected(script, inbox_limit=1, when_full="fail") as connection:

        async def send_more() -> None:
            with pytest.raises(ConnectionLost, match="does not keep up"):
                await connection.input_audio_buffer.clear()
            told.set()

        await fill_the_outbox(connection)
        async with create_task_group() as tasks:
            tasks.start_soon(send_more)
            await wait_all_tasks_blocked()
            full.set()
    statistics = connection.statistics()
    assert (statistics.outbox_events, statistics.outbox_bytes) == (0, 0)


@pytest.mark.parametrize("limit", [1, 1000, 30_000])
async def test_a_reader_that_goes_on_reading_keeps_an_inbox_that_may_fail(limit: int) -> None:
    waits = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await waits.wait()
        await peer.say(*(text_delta("x" * 1000) for _ in range(60)))
        await peer.send(close_frame())
        await peer.gone()

    async with connected(script, inbox_limit=limit, when_full="fail") as connection:
        waits.set()
        assert len([event async for event in connection]) == 60


# Closing, and refusals


async def test_two_tasks_may_close_what_this_side_has_refused() -> None:
    hang_up = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.stream.send(b"\xc1\x01x")  # a bit that is reserved
        assert await peer.close_code() == 1002
        await hang_up.wait()

    async with connected(script) as connection:
        with pytest.raises(ConnectionLost):
            await connection.receive()
        async with create_task_group() as tasks:
            tasks.start_soon(connection.aclose)
            tasks.start_soon(connection.aclose)
            await wait_all_tasks_blocked()
            hang_up.set()


SAID = b'{"error":{"code":"401","message":"Access denied."}}'


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(
            b"HTTP/1.1 401 No\r\nX-City: \xc3\x85lesund\r\nContent-Length: 500\r\n\r\n", id="UTF-8 in a header"
        ),
        pytest.param(b"HTTP/1.0 401 No\r\n\r\n", id="no header"),
        pytest.param(b"HTTP/1.0 401\r\n\r\n", id="no reason either"),
        pytest.param(b"HTTP/1.0 401 No\n\n", id="no header, ends of lines of its own"),
    ],
)
async def test_a_refusal_with_odd_headers_keeps_its_status(head: bytes) -> None:
    """And what it says, though its body is shorter than it should be."""

    async def script(peer: Peer) -> None:
        await peer.answer(head + SAID)

    with fail_after(5):
        async with serve(script) as server:
            with pytest.raises(StatusError) as caught:
                async with connect(server.url, **OPTIONS):
                    pytest.fail("it connected")
    assert (caught.value.status, caught.value.code, caught.value.message) == (401, "401", "Access denied.")


# A second TLS handshake in the middle

HANDSHAKE, APPLICATION_DATA = 22, 23
"""Kinds of records (RFC 5246 §6.2.1)."""


async def record(stream: BufferedByteReceiveStream) -> bytes:
    """The next record of TLS; nothing after the last."""
    try:
        head = await stream.receive_exactly(5)
        return head + await stream.receive_exactly(int.from_bytes(head[3:], "big"))
    except (IncompleteRead, BrokenResourceError):
        return b""


@dataclass
class Relay:
    """Between a client and a server that speak TLS 1.2: it holds back the server's answer to a second handshake."""

    asked: Event = field(default_factory=Event)
    """Set when the client has begun the second handshake."""
    go_on: Event = field(default_factory=Event)
    _speaking: bool = False

    async def run(self, client: ByteStream, port: int) -> None:
        async with await connect_tcp("127.0.0.1", port) as server, create_task_group() as tasks:
            tasks.start_soon(self._up, client, server)
            await self._down(server, client)
            tasks.cancel_scope.cancel()

    async def _up(self, client: ByteStream, server: ByteStream) -> None:
        records = BufferedByteReceiveStream(client)
        while said := await record(records):
            await server.send(said)
            if said[0] == HANDSHAKE and self._speaking:
                self.asked.set()
        await server.send_eof()

    async def _down(self, server: ByteStream, client: ByteStream) -> None:
        records = BufferedByteReceiveStream(server)
        while said := await record(records):
            if self.asked.is_set():
                await self.go_on.wait()
            self._speaking |= said[0] == APPLICATION_DATA
            await client.send(said)


class OpensslServer:
    """`openssl s_server`: what is written to it goes to its client, but for a line `r`, which asks to shake hands."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.say = process.stdin.send
        self._read = process.stdout.receive
        self._said = b""

    async def heard(self, pattern: bytes) -> bytes:
        """The group of *pattern* in what it says and what its client said, once that has come."""
        while (found := re.search(pattern, self._said)) is None:
            self._said += await self._read()
        return found[1]

    async def accept(self) -> None:
        key = await self.heard(rb"(?i)sec-websocket-key: *(\S+)\r\n")
        await self.heard(rb"(\r\n\r\n)")
        accept = accept_key(key.decode())
        await self.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
            + from_server(text(to_bytes(SESSION_CREATED)))
        )


@asynccontextmanager
async def openssl_server(certificates: Certificates, folder: Path) -> AsyncGenerator[OpensslServer]:
    pem = str(folder / "certificate.pem")
    certificates.authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-cert", pem, "-key", pem]
    async with await open_process(command, stderr=subprocess.STDOUT) as process:
        try:
            yield OpensslServer(process)
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("openssl") is None, reason="there is no openssl to talk to")
async def test_a_new_tls_handshake_while_this_side_speaks(tmp_path: Path) -> None:
    """TLS 1.2: the writer cannot go on before the server's answer, for which the reader waits already."""
    certificates, relay = Certificates(), Relay()
    with fail_after(10):
        async with openssl_server(certificates, tmp_path) as server:
            port = int(await server.heard(rb"ACCEPT 127\.0\.0\.1:(\d+)"))
            async with serve(lambda peer: relay.run(peer.stream, port)) as between, create_task_group() as tasks:
                tasks.start_soon(server.accept)
                url = between.url.replace("http:", "https:")
                async with connect(url, **OPTIONS, ssl_context=certificates.client()) as connection:
                    await connection.receive()
                    await server.say(b"r\n")
                    await relay.asked.wait()
                    await connection.input_audio_buffer.append(b"12")
                    await wait_all_tasks_blocked()
                    relay.go_on.set()
                    await server.heard(rb"(\x81\xb3)")  # a frame of 51 bytes
                    await server.say(from_server(text(to_bytes(text_delta("heard"))), close_frame()))
                    assert [event.type async for event in connection] == ["response.output_text.delta"]


async def test_who_receives_second_is_told_when_the_first_has_received() -> None:
    """That is a writer in the middle of a TLS handshake: what it needs is in the reader's hands by then."""
    say = Event()
    received: list[tuple[str, bytes]] = []

    async def script(peer: Peer) -> None:
        await say.wait()
        await peer.stream.send(b"hello")
        await peer.gone()

    async def receive(name: str, stream: OneAtATime) -> None:
        received.append((name, await stream.receive()))

    with fail_after(5):
        async with serve(script) as server, OneAtATime(await connect_tcp("127.0.0.1", server.port)) as stream:
            async with create_task_group() as tasks:
                for name in ("first", "second", "third"):
                    tasks.start_soon(receive, name, stream)
                    await wait_all_tasks_blocked()
                say.set()
            assert sorted(received) == [("first", b"hello"), ("second", b""), ("third", b"")]


async def test_who_receives_second_is_told_when_the_first_is_cancelled() -> None:
    first, told = CancelScope(), Event()

    async def receive(stream: OneAtATime) -> None:
        with first:
            await stream.receive()

    async def receive_second(stream: OneAtATime) -> None:
        assert await stream.receive() == b""
        told.set()

    with fail_after(5):
        async with serve(Peer.gone) as server, OneAtATime(await connect_tcp("127.0.0.1", server.port)) as stream:
            async with create_task_group() as tasks:
                tasks.start_soon(receive, stream)
                await wait_all_tasks_blocked()
                tasks.start_soon(receive_second, stream)
                await wait_all_tasks_blocked()
                first.cancel()
            assert told.is_set()
