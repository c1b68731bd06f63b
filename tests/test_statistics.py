"""What `Connection.statistics()` says, and what becomes of a full inbox, and of sound that is too old."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pybase64
import pytest
from anyio import Event, fail_after, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from websockets.frames import Frame, Opcode

from realtime_azure import Connection, ConnectionLost, connect
from realtime_azure._websocket import OUTBOX_LIMIT
from realtime_azure.events import ResponseDone, ResponseOutputTextDelta, SessionCreated

from .serving import (
    RESPONSE_DONE,
    SESSION_CREATED,
    Certificates,
    Peer,
    close_frame,
    from_server,
    serve,
    text,
    text_delta,
    to_bytes,
)

pytestmark = pytest.mark.anyio


def open_to(url: str, **options: Any) -> Any:
    return connect(url, deployment="d", api_version="v1", api_key="k", **options)


async def test_everything_is_counted() -> None:
    deltas = [to_bytes(text_delta("x" * size)) for size in (1, 200, 70_000)]
    done = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        for _ in range(2):
            await peer.frame()
        await peer.stream.send(from_server(*map(text, deltas)))
        await done.wait()
        await peer.farewell()

    with fail_after(10):
        async with serve(script) as server, open_to(server.url, ping_interval=None) as connection:
            assert isinstance(await connection.receive(), SessionCreated)
            await connection.session.update({"type": "realtime"})
            await connection.input_audio_buffer.append(bytes(4800))
            for _ in range(2):
                await connection.receive()
            await connection.wait_for(ResponseOutputTextDelta)  # is not taken by that
            told = connection.statistics()
            done.set()
    assert told.events_received == 4
    assert told.events_sent == 2
    assert told.inbox_events == 1
    assert told.inbox_bytes == len(deltas[2])
    # A frame of 70,000 bytes has a head of 10 (RFC 6455 §5.2), the others have 2 and 4.
    assert told.bytes_received == len(from_server(text(to_bytes(SESSION_CREATED)), *map(text, deltas)))
    assert told.bytes_sent > 6400
    assert (told.outbox_events, told.outbox_bytes, told.events_dropped, told.audio_dropped_ms) == (0, 0, 0, 0)
    assert told.latency is None


async def test_a_ping_that_was_answered_is_a_latency() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        ping = await peer.frame()
        await peer.send(type(ping)(Opcode.PONG, ping.data))
        await peer.say(text_delta("after the pong"))
        while (await peer.frame()).opcode is Opcode.PING:
            pass
        await peer.send(close_frame())

    with fail_after(10):
        async with serve(script) as server, open_to(server.url, ping_interval=0.02) as connection:
            await connection.receive()
            assert connection.latency is None
            await connection.receive()
            assert connection.latency is not None
            assert 0 < connection.latency < 5
            assert connection.statistics().latency == connection.latency


async def test_a_pong_that_answers_no_ping_is_no_latency() -> None:
    looked = Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        ping = await peer.frame()
        await peer.send(Frame(Opcode.PONG, b"unasked"), Frame(Opcode.PONG, ping.data[:-1]), text(b"{}"))
        await looked.wait()
        await peer.send(Frame(Opcode.PONG, ping.data), text(b"{}"))
        while (await peer.frame()).opcode is Opcode.PING:
            pass
        await peer.send(close_frame())

    with fail_after(10):
        async with serve(script) as server, open_to(server.url, ping_interval=0.02) as connection:
            await connection.receive()
            assert connection.latency is None
            looked.set()
            await connection.receive()
            assert connection.latency is not None


@pytest.mark.parametrize("options", [{}, {"compression": True}, {"subprotocols": ["a"]}], ids=str)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_each_side_counts_the_same(options: dict[str, Any], secure: bool) -> None:
    """Bytes and events, whatever the frames: the connection's own numbers are those that its peer sees."""
    certificates = Certificates()
    heard: list[Frame] = []
    greeting = len(from_server(text(to_bytes(SESSION_CREATED))))
    delta = to_bytes(text_delta("x" * 300))
    said = from_server(
        text(delta),
        Frame(Opcode.PING, b"?"),
        text(delta[:100], fin=False),
        Frame(Opcode.PONG, b"unasked"),
        Frame(Opcode.CONT, delta[100:], fin=True),
        Frame(Opcode.BINARY, delta),
        text(b"{}"),
        text(b"no JSON"),
        text(to_bytes(text_delta("y" * 70_000))),
        text(to_bytes(RESPONSE_DONE)),
    )

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        heard.extend([await peer.frame() for _ in range(3)])
        await peer.stream.send(said)
        heard.append(await peer.frame())  # the pong
        await asked.wait()
        heard.append(await peer.frame())
        await peer.send(close_frame())

    asked = Event()
    if secure:
        options = {**options, "ssl_context": certificates.client()}
    with fail_after(10):
        async with serve(script, tls=certificates.server("127.0.0.1") if secure else None) as server:
            async with open_to(server.url, ping_interval=None, **options) as connection:
                await connection.session.update({"type": "realtime"})
                await connection.input_audio_buffer.append(bytes(48_000))
                await connection.input_audio_buffer.append(bytes(480), max_age=60)
                await connection.wait_for(ResponseDone)
                told = connection.statistics()
                asked.set()
            ended = connection.statistics()
            await server.idle.wait()
    assert told.events_received == told.inbox_events == 8
    assert told.events_sent == 3
    assert told.bytes_received == greeting + len(said)
    assert ended.bytes_received == told.bytes_received + len(from_server(close_frame()))
    assert ended.bytes_sent == sum(len(frame.serialize(mask=True)) for frame in heard)
    assert (ended.events_received, ended.events_sent) == (told.events_received, told.events_sent)


async def test_what_waits_is_shown_and_then_sent() -> None:
    may_read = Event()
    heard: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await may_read.wait()
        while (frame := await peer.frame()).opcode is Opcode.TEXT:
            heard.append(len(frame.data))
        await peer.send(frame)

    with fail_after(10):
        async with serve(script) as server, open_to(server.url) as connection:
            sent = 0
            while connection.statistics().outbox_bytes <= OUTBOX_LIMIT:
                await connection.input_audio_buffer.append(bytes(48_000))
                sent += 1
                await checkpoint()
            waiting = connection.statistics()
            assert waiting.outbox_events > 0
            assert waiting.events_sent + waiting.outbox_events == sent
            may_read.set()
            while connection.statistics().outbox_bytes:
                await checkpoint()
            told = connection.statistics()
    assert (told.outbox_events, told.outbox_bytes, told.events_sent) == (0, 0, sent)
    assert heard == [heard[0]] * sent
    assert waiting.outbox_bytes % heard[0] == 0  # whole messages


async def test_dropped_events_are_counted_whoever_dropped_them() -> None:
    """Two subscriptions that nobody reads."""
    read_on = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await read_on.wait()
        for n in range(100):
            await peer.say(text_delta(f"{n}" + "x" * 1000))
        await peer.say(RESPONSE_DONE)
        await peer.farewell()

    with fail_after(10):
        async with serve(script) as server, open_to(server.url) as connection:
            await connection.receive()
            async with connection.subscribe(limit=5000) as one, connection.subscribe(limit=100) as other:
                read_on.set()
                await connection.wait_for(ResponseDone)
                dropped = connection.statistics().events_dropped
                assert dropped == one.dropped + other.dropped
                assert (one.dropped, other.dropped) == (101, 101)
            assert connection.statistics().events_dropped == dropped  # they were left, and it is not forgotten
            assert connection.statistics().inbox_events == 101  # the main stream has them all


async def flood(peer: Peer) -> None:
    """Says more than the inbox takes; it ends when it was read, or the line breaks."""
    await peer.accept(SESSION_CREATED)
    for n in range(200):
        await peer.say(text_delta(f"{n}:" + "x" * 10_000))
    await peer.send(close_frame())
    await peer.gone()


async def test_a_full_inbox_makes_the_service_wait_and_loses_nothing() -> None:
    with fail_after(10):
        async with serve(flood) as server, open_to(server.url, inbox_limit=50_000) as connection:
            await connection.receive()
            said = [event.delta async for event in connection]
    assert [text.partition(":")[0] for text in said] == [str(n) for n in range(200)]


async def go_on_sending(connection: Connection) -> None:
    """Never reads."""
    while True:
        await connection.input_audio_buffer.clear()
        await wait_all_tasks_blocked()


async def test_a_full_inbox_may_be_the_end_instead() -> None:
    with fail_after(20):
        async with serve(flood) as server, open_to(server.url, inbox_limit=50_000, when_full="fail") as connection:
            await connection.receive()
            with pytest.raises(ConnectionLost, match="does not keep up") as caught:
                await go_on_sending(connection)
    assert caught.value.code == 1008


async def test_a_full_inbox_that_ends_it_says_how_full_it_was() -> None:
    with fail_after(20):
        async with serve(flood) as server, open_to(server.url, inbox_limit=50_000, when_full="fail") as connection:
            with pytest.raises(ConnectionLost, match=r"[0-9]+ bytes wait to be read, of 50000 that may") as caught:
                await go_on_sending(connection)
            told = connection.statistics()
            assert f"{told.inbox_bytes} bytes wait" in str(caught.value)
            for _ in range(told.events_received):  # what came before can be read
                await connection.receive()
            with pytest.raises(ConnectionLost, match="does not keep up"):
                await connection.receive()
    assert told.inbox_events == told.events_received
    assert told.events_dropped == 0


async def test_an_inbox_that_is_full_of_tiny_events_says_so() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.send(*[text(b'{"type":"x"}')] * 5000)
        await peer.close_code()

    with fail_after(10):
        async with serve(script) as server, open_to(server.url, inbox_limit=1 << 20, when_full="fail") as connection:
            with pytest.raises(ConnectionLost) as caught:
                await go_on_sending(connection)
            assert f"{connection.statistics().inbox_events} events wait to be read" in str(caught.value)


async def test_a_full_inbox_that_is_being_read_does_not_end_it() -> None:
    with fail_after(10):
        async with serve(flood) as server, open_to(server.url, inbox_limit=50_000, when_full="fail") as connection:
            said = [event.delta async for event in connection if isinstance(event, ResponseOutputTextDelta)]
    assert len(said) == 200


FORMATS: list[tuple[dict[str, Any] | None, float]] = [
    (None, 48.0),
    ({"type": "audio/pcm", "rate": 24000}, 48.0),
    ({"type": "audio/pcm", "rate": 16000}, 32.0),
    ({"type": "audio/pcmu"}, 8.0),
    ({"type": "audio/pcma"}, 8.0),
]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(("form", "bytes_per_ms"), FORMATS, ids=str)
async def test_what_is_left_out_is_told_to_the_millisecond(
    form: dict[str, Any] | None, bytes_per_ms: float, secure: bool
) -> None:
    """The peer reads nothing until all was said: what arrives then and what was left out is all that there was."""
    certificates = Certificates()
    read = Event()
    arrived: list[dict[str, Any]] = []
    session = {**SESSION_CREATED["session"], "audio": {"input": {"format": form}}}  # type: ignore[dict-item]

    async def script(peer: Peer) -> None:
        await peer.accept({**SESSION_CREATED, "session": session})
        await read.wait()
        while (frame := await peer.frame()).opcode is Opcode.TEXT:
            arrived.append(json.loads(bytes(frame.data)))
        await peer.send(frame)

    tls: ssl.SSLContext | None = certificates.server("127.0.0.1") if secure else None
    options = {"ssl_context": certificates.client()} if secure else {}
    size, sent, dropped = 96_000, 0, 0.0
    with fail_after(20):
        async with serve(script, tls=tls) as server, open_to(server.url, **options) as connection:
            await connection.receive()
            while not dropped:
                dropped += await connection.input_audio_buffer.append(bytes(size), max_age=0.01)
                sent += 1
                if sent % 5 == 0 and connection.statistics().outbox_bytes < OUTBOX_LIMIT:
                    await connection.input_audio_buffer.clear()
            read.set()
            await connection.input_audio_buffer.commit()
        told = connection.statistics()
    sound = [len(pybase64.b64decode(event["audio"])) for event in arrived if "audio" in event]
    assert sum(sound) / bytes_per_ms + told.audio_dropped_ms == pytest.approx(sent * size / bytes_per_ms)
    assert 0 < len(sound) < sent
    kinds = [event["type"] for event in arrived if "audio" not in event]
    assert kinds[-1] == "input_audio_buffer.commit"  # what is no sound is never left out
