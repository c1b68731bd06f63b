"""`connect(watch=, dial=)`: every message seen once and in order, and a line of one's own."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import BrokenResourceError, EndOfStream, connect_tcp, fail_after
from anyio.abc import ByteStream

from realtime_azure import BrokenOff, ConnectError, Connection, ConnectionLost, Unreachable, connect
from realtime_azure.audio import pcm
from realtime_azure.emulator import Emulator, Seen, Turn, serve
from realtime_azure.events import ResponseDone, SessionUpdated

from .serving import SESSION_CREATED, Peer, close_frame, text, to_bytes
from .serving import serve as peers

pytestmark = pytest.mark.anyio


async def say(turn: Turn) -> str:
    return "All is well."


class Watched:
    """What *watch* was told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, bytes]] = []

    def __call__(self, way: str, message: bytes) -> None:
        self.all.append((way, message))

    def of(self, way: str) -> list[bytes]:
        return [message for each, message in self.all if each == way]


def opened(emulator: Emulator, **options: Any) -> Any:
    arguments: dict[str, Any] = {
        "deployment": "any",
        "api_version": "v1",
        "api_key": emulator.api_key,
        "max_retries": 0,
    }
    return connect(emulator.url, **{**arguments, **options})


@asynccontextmanager
async def emulated(**options: Any) -> AsyncGenerator[Emulator]:
    with fail_after(10):
        async with serve(responder=say, pace=math.inf, **options) as emulator:
            yield emulator


# Watching


@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
@pytest.mark.parametrize("compression", [False, True])
async def test_every_message_is_seen_once_in_order_both_ways(version: str, compression: bool) -> None:
    """By the client and by the emulator, which must agree; after translation, as on the wire."""
    watched, at_emulator = Watched(), list[Seen]()
    raw: list[bytes] = []
    async with (
        emulated(watch=at_emulator.append) as emulator,
        opened(emulator, api_version=version, watch=watched, compression=compression) as connection,
    ):
        await connection.session.update({"type": "realtime", "instructions": "Be brief."})
        for _ in range(100):
            await connection.input_audio_buffer.append(pcm.silence(0.02))
        await connection.response.create()
        async for event in connection:
            raw.append(event.raw)
            if isinstance(event, ResponseDone):
                break
    assert watched.of("received") == raw
    assert watched.of("sent") == [seen.message for seen in at_emulator if seen.by_client]
    assert watched.of("received") == [seen.message for seen in at_emulator if not seen.by_client]
    assert len(watched.of("sent")) == 102
    assert {seen.connection for seen in at_emulator} == {1}
    types = [json.loads(message)["type"] for message in watched.of("sent")]
    assert types == ["session.update", *["input_audio_buffer.append"] * 100, "response.create"]


async def test_what_came_with_the_handshake_is_seen_too() -> None:
    watched = Watched()

    async def eager(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, {"type": "second"})
        await peer.farewell()

    with fail_after(5):
        async with (
            peers(eager) as server,
            connect(server.url, deployment="m", api_version="v1", api_key="k", watch=watched) as connection,
        ):
            for _ in range(2):
                await connection.receive()
    assert watched.all == [("received", to_bytes(SESSION_CREATED)), ("received", to_bytes({"type": "second"}))]


async def test_what_is_unreadable_or_in_pieces_is_seen_whole() -> None:
    watched = Watched()

    async def odd(peer: Peer) -> None:
        await peer.accept()
        await peer.send(text(b"no JSON"))
        await peer.stream.send(b"\x01\x03abc\x80\x03def")  # a fragmented message
        await peer.send(close_frame())
        await peer.gone()

    with fail_after(5):
        async with (
            peers(odd) as server,
            connect(server.url, deployment="m", api_version="v1", api_key="k", watch=watched) as connection,
        ):
            async for _ in connection:
                pass
    assert watched.all == [("received", b"no JSON"), ("received", b"abcdef")]


async def test_what_is_not_sent_is_not_seen() -> None:
    watched = Watched()
    async with emulated() as emulator, opened(emulator, watch=watched) as connection:
        with pytest.raises(ValueError, match="instructions"):
            await connection.session.update({"type": "realtime", "instructions": 5})
        await connection.session.update({"type": "realtime", "instructions": "x"}, wait=True)
    assert [json.loads(message)["type"] for message in watched.of("sent")] == ["session.update"]


async def test_what_was_queued_when_it_was_closed_is_seen() -> None:
    watched, at_emulator = Watched(), list[Seen]()
    async with emulated(watch=at_emulator.append) as emulator, opened(emulator, watch=watched) as connection:
        await connection.receive()
        for _ in range(20):
            await connection.input_audio_buffer.append(pcm.silence(0.1))
    assert len(watched.of("sent")) == 20
    assert watched.of("sent") == [seen.message for seen in at_emulator if seen.by_client]


async def test_nothing_that_signs_in_is_seen() -> None:
    watched = Watched()
    async with emulated(api_key="the-key-of-the-tests") as emulator, opened(emulator, watch=watched) as connection:
        await connection.session.update({"type": "realtime", "instructions": "x"}, wait=True)
    assert watched.all
    assert not any(b"the-key-of-the-tests" in message for _, message in watched.all)


async def test_the_emulator_tells_its_connections_apart() -> None:
    seen: list[Seen] = []
    async with emulated(watch=seen.append) as emulator, opened(emulator) as one, opened(emulator) as other:
        await one.receive()
        await other.receive()
    assert sorted(each.connection for each in seen) == [1, 2]
    assert "session.created" not in repr(seen[0])


# Lines of one's own


async def test_a_line_of_ones_own_is_asked_for_the_url() -> None:
    asked: list[str] = []
    async with emulated() as emulator:
        port = int(emulator.url.rpartition(":")[2])

        async def dial(url: str) -> ByteStream:
            asked.append(url)
            return await connect_tcp("127.0.0.1", port)

        async with connect(
            "https://name.openai.azure.com",
            deployment="any",
            api_version="v1",
            api_key=emulator.api_key,
            dial=dial,
        ) as connection:
            await connection.session.update({"type": "realtime", "instructions": "x"}, wait=True)
            assert connection.endpoint.host == "name.openai.azure.com"
    assert asked == ["wss://name.openai.azure.com/openai/v1/realtime?model=any"]


async def test_tls_and_the_proxy_are_left_out() -> None:
    """They are the line's own matter: this one speaks neither."""
    context = ssl.create_default_context()
    async with emulated() as emulator:
        port = int(emulator.url.rpartition(":")[2])

        async def dial(url: str) -> ByteStream:
            return await connect_tcp("127.0.0.1", port)

        async with connect(
            "https://name.openai.azure.com",
            deployment="any",
            api_version="v1",
            api_key=emulator.api_key,
            dial=dial,
            ssl_context=context,
            proxy="http://127.0.0.1:9",
        ) as connection:
            await connection.receive()
    assert context.session_stats()["connect"] == 0


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(111, "Connection refused"), OSError("no modem"), BrokenResourceError()]
)
async def test_a_line_that_does_not_come_about_is_a_connect_error(error: Exception) -> None:
    tries = 0

    async def dial(url: str) -> ByteStream:
        nonlocal tries
        tries += 1
        raise error

    with fail_after(5), pytest.raises(Unreachable) as caught:
        async with connect("https://h", deployment="m", api_version="v1", api_key="k", dial=dial, max_retries=0):
            pass
    assert isinstance(caught.value, ConnectError)
    assert caught.value.__cause__ is error
    assert str(caught.value).startswith("dial: ")
    assert tries == 1


async def test_what_else_it_raises_comes_out() -> None:
    async def dial(url: str) -> ByteStream:
        raise ZeroDivisionError

    with fail_after(5), pytest.raises(ZeroDivisionError):
        async with connect("https://h", deployment="m", api_version="v1", api_key="k", dial=dial):
            pass


async def test_each_attempt_has_a_line_of_its_own() -> None:
    asked = 0
    async with emulated(faults=["refuse=too_many*2"]) as emulator:

        async def dial(url: str) -> ByteStream:
            nonlocal asked
            asked += 1
            return await emulator.dial(url)

        async with opened(emulator, dial=dial, max_retries=2) as connection:
            await connection.receive()
    assert asked == 3


class Silent(ByteStream):
    """A line at whose other end nobody is: it ends at once."""

    def __init__(self) -> None:
        self.closed = False

    async def send(self, item: bytes) -> None:
        pass

    async def receive(self, max_bytes: int = 65536) -> bytes:
        raise EndOfStream

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        self.closed = True


async def test_a_line_that_ends_is_closed() -> None:
    line = Silent()

    async def dial(url: str) -> ByteStream:
        return line

    with fail_after(5), pytest.raises(BrokenOff):
        async with connect("https://h", deployment="m", api_version="v1", api_key="k", dial=dial, max_retries=0):
            pass
    assert line.closed


class Noted(ByteStream):
    """Passes on to another line, and notes that it was closed."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.closed = False

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._stream.receive(min(max_bytes, 7))

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        self.closed = True
        await self._stream.aclose()


@pytest.mark.parametrize("ending", ["by us", "by the service"])
async def test_any_byte_stream_will_do_and_is_closed_in_the_end(ending: str) -> None:
    lines: list[Noted] = []
    async with emulated(faults=["close@3=1011"] if ending == "by the service" else []) as emulator:

        async def dial(url: str) -> ByteStream:
            lines.append(Noted(await emulator.dial(url)))
            return lines[-1]

        async with opened(emulator, dial=dial) as connection:
            await connection.session.update({"type": "realtime", "instructions": "x"})
            await connection.wait_for(SessionUpdated)
            if ending == "by the service":
                await until_lost(connection)
            assert not lines[0].closed
    assert lines[0].closed


async def until_lost(connection: Connection) -> None:
    await connection.response.create()
    with pytest.raises(ConnectionLost):
        async for _ in connection:
            pass
