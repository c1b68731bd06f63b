"""permessage-deflate and subprotocols, with websockets' own server, which knows nothing of this package."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from typing import Any

import pytest
from anyio import fail_after
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection
from websockets.utils import accept_key

from realtime_azure import ConfigurationError, ConnectError, ConnectionLost, connect
from realtime_azure.events import ResponseOutputTextDelta

from .serving import (
    QUIET,
    SESSION_CREATED,
    Peer,
    close_frame,
    from_server,
    serve,
    serve_in_thread,
    text,
    text_delta,
    to_bytes,
)

pytestmark = pytest.mark.anyio

LONG = "all work and no play " * 5000


def open_to(server: Any, **options: Any) -> Any:
    return connect(server.url, deployment="d", api_version="v1", api_key="k", **options)


@pytest.mark.parametrize("compression", [False, True])
async def test_what_is_said_is_the_same_compressed_or_not(compression: bool) -> None:
    agreed: list[list[str]] = []
    heard: list[str] = []

    def handler(connection: ServerConnection) -> None:
        agreed.append([extension.name for extension in connection.protocol.extensions])
        connection.send(json.dumps(SESSION_CREATED))
        connection.send(json.dumps(text_delta(LONG)))
        heard.extend(json.loads(message)["session"]["instructions"] for message in connection)

    with fail_after(10), serve_in_thread(handler) as server:
        async with open_to(server, compression=compression) as connection:
            await connection.session.update({"type": "realtime", "instructions": LONG})
            delta = await connection.wait_for(ResponseOutputTextDelta)
            told = connection.statistics()
    assert delta.delta == LONG
    assert heard == [LONG]
    assert agreed == [["permessage-deflate"] if compression else []]
    assert (told.bytes_received < len(LONG) / 2) is compression


async def test_a_message_is_measured_as_it_is_read() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.send(json.dumps(SESSION_CREATED))
        connection.send(json.dumps(text_delta(LONG)))
        for _ in connection:
            pass

    with fail_after(10), serve_in_thread(handler) as server:
        async with open_to(server, compression=True, max_message_size=50_000) as connection:
            with pytest.raises(ConnectionLost) as caught:
                await connection.wait_for(ResponseOutputTextDelta)
    assert caught.value.code == 1009


async def test_an_extension_that_nobody_asked_for_is_refused() -> None:
    async def script(peer: Peer) -> None:
        request = await peer.read_request()
        assert "Sec-WebSocket-Extensions" not in request.headers
        accept = accept_key(request.headers["Sec-WebSocket-Key"])
        await peer.stream.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
        )
        await peer.gone()

    with fail_after(10):
        async with serve(script) as server:
            with pytest.raises(ConnectError):
                async with open_to(server, max_retries=0):
                    pass


@pytest.mark.parametrize(
    ("offered", "chosen"), [(("realtime", "other"), "other"), (("realtime",), None), ((), None)], ids=str
)
async def test_a_subprotocol_is_the_servers_choice(offered: tuple[str, ...], chosen: str | None) -> None:
    seen: list[str | None] = []

    def handler(connection: ServerConnection) -> None:
        seen.append(connection.subprotocol)
        connection.send(json.dumps(SESSION_CREATED))
        for _ in connection:
            pass

    def select(_: ServerConnection, names: Any) -> Any:
        return "other" if "other" in names else None

    with fail_after(10), serve_in_thread(handler, subprotocols=["other"], select_subprotocol=select) as server:
        async with open_to(server, subprotocols=offered) as connection:
            await connection.receive()
            assert connection.subprotocol == chosen
    assert seen == [chosen]


@pytest.mark.parametrize("wrong", ["realtime", ["two words"], [""], [5]], ids=str)
async def test_what_is_no_subprotocol_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="subprotocols"):
        async with connect("http://localhost:1", deployment="d", api_version="v1", api_key="k", subprotocols=wrong):
            pass


# With a service that does just so


async def agree(peer: Peer, *fields: str) -> None:
    """Answers the handshake with 101 and more *fields*."""
    request = await peer.read_request()
    accept = accept_key(request.headers["Sec-WebSocket-Key"])
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {accept}", *fields, "", ""]
    await peer.stream.send("\r\n".join(lines).encode())


DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


def deflated(*messages: bytes) -> bytes:
    """Frames of *messages*, each compressed in the context of those before (RFC 7692 §7.2.1)."""
    deflater, frames = zlib.compressobj(wbits=-15), b""
    for message in messages:
        packed = (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
        frame = from_server(text(packed))
        frames += bytes([frame[0] | 0x40]) + frame[1:]
    return frames


async def test_compressed_and_plain_messages_may_be_mixed() -> None:
    """A server compresses what it likes: small ones often are not worth it."""
    first, second, third = (to_bytes(text_delta(name + LONG[:5000])) for name in ("first", "second", "third"))

    async def script(peer: Peer) -> None:
        await agree(peer, DEFLATE)
        both = deflated(first, third)
        await peer.stream.send(from_server(text(b"{}")) + both[:50])
        await peer.stream.send(both[50:] + from_server(text(second), Frame(Opcode.PING, b"?")))
        assert (await peer.frame()).opcode is Opcode.PONG
        await peer.farewell()

    with fail_after(10):
        async with serve(script) as server, open_to(server, compression=True) as connection:
            assert (await connection.receive()).raw == b"{}"
            assert [(await connection.receive()).raw for _ in range(3)] == [first, third, second]
            assert connection.statistics().events_received == 4


@pytest.mark.parametrize(
    "options",
    [
        "",
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; server_no_context_takeover; client_no_context_takeover",
        "; client_max_window_bits=9",
        "; client_max_window_bits=15",
    ],
)
async def test_what_a_server_may_answer_to_the_offer(options: str) -> None:
    """The server's protocol object is told what was agreed upon, and reads what it is sent."""
    settings = {part.strip().partition("=")[0]: part.partition("=")[2] for part in options.split(";")[1:]}
    bits = int(settings.get("client_max_window_bits") or 15)
    heard: list[str] = []

    async def script(peer: Peer) -> None:
        await agree(peer, DEFLATE + options)
        await peer.stream.send(deflated(to_bytes(SESSION_CREATED)))
        takeover = PerMessageDeflate("client_no_context_takeover" in settings, True, bits, 15)
        reader = ServerProtocol(state=State.OPEN, max_size=None, logger=QUIET)
        reader.extensions = [takeover]
        while not reader.close_rcvd:
            reader.receive_data(await peer.stream.receive())
            for frame in reader.events_received():
                assert isinstance(frame, Frame)
                if frame.opcode is Opcode.TEXT:
                    heard.append(json.loads(bytes(frame.data))["session"]["instructions"])
        assert reader.parser_exc is None
        await peer.send(close_frame())

    with fail_after(10):
        async with serve(script) as server, open_to(server, compression=True) as connection:
            await connection.receive()
            for n in range(3):
                await connection.session.update({"type": "realtime", "instructions": f"{n}{LONG}"})
    assert heard == [f"{n}{LONG}" for n in range(3)]


@pytest.mark.parametrize(
    "field",
    [
        DEFLATE + "; never_heard_of",
        DEFLATE + "; client_max_window_bits=99",
        DEFLATE + ", permessage-deflate",
        "Sec-WebSocket-Extensions: x-webkit-deflate-frame",
        "Sec-WebSocket-Protocol: nobody-offered-it",
        "Sec-WebSocket-Protocol: realtime, other",
    ],
)
async def test_an_answer_that_nothing_was_offered_for_is_refused(field: str) -> None:
    async def script(peer: Peer) -> None:
        await agree(peer, field)
        await peer.gone()

    with fail_after(10):
        async with serve(script) as server:
            with pytest.raises(ConnectError, match="did not answer as a websocket server does"):
                async with open_to(server, compression=True, subprotocols=["realtime", "other"], max_retries=0):
                    pass
            await server.idle.wait()
    assert server.clients == 1


@pytest.mark.parametrize("chosen", ["realtime", "other"])
async def test_subprotocols_are_offered_in_their_order(chosen: str) -> None:
    async def script(peer: Peer) -> None:
        await agree(peer, f"Sec-WebSocket-Protocol: {chosen}")
        assert peer.request.headers["Sec-WebSocket-Protocol"] == "realtime, other"
        await peer.farewell()

    with fail_after(10):
        async with serve(script) as server, open_to(server, subprotocols=["realtime", "other"]) as connection:
            assert connection.subprotocol == chosen


BAD = [
    pytest.param(True, b"\xc1\x04\xff\xff\xff\xff", 1002, id="nothing that could be unpacked"),
    pytest.param(True, b"\xd1\x01x", 1002, id="another reserved bit"),
    pytest.param(True, b"\xc9\x00", 1002, id="a compressed ping"),
    pytest.param(False, deflated(b"{}"), 1002, id="compressed, though that was not agreed upon"),
]


@pytest.mark.parametrize(("compression", "frame", "code"), BAD)
async def test_what_cannot_be_unpacked_ends_it(compression: bool, frame: bytes, code: int) -> None:
    codes: list[int] = []

    async def script(peer: Peer) -> None:
        await agree(peer, *[DEFLATE] * compression)
        await peer.stream.send(from_server(text(b"{}")) + frame)
        codes.append(await peer.close_code())

    with fail_after(10):
        async with serve(script) as server, open_to(server, compression=compression) as connection:
            await connection.receive()
            with pytest.raises(ConnectionLost) as caught:
                await connection.receive()
            assert caught.value.code == code
    assert codes == [code]


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("more", [0, 1])
async def test_a_message_of_just_the_size_is_read_and_one_byte_more_is_too_much(compression: bool, more: int) -> None:
    message = to_bytes(text_delta("x" * 40_000))

    async def script(peer: Peer) -> None:
        await agree(peer, *[DEFLATE] * compression)
        await peer.stream.send(deflated(message) if compression else from_server(text(message)))
        assert await peer.close_code() == (1009 if more else 1000)
        await peer.send(close_frame())

    limit = len(message) - more
    with fail_after(10):
        async with (
            serve(script) as server,
            open_to(server, compression=compression, max_message_size=limit) as connection,
        ):
            if more:
                with pytest.raises(ConnectionLost, match=f"limit of {limit}") as caught:
                    await connection.receive()
                assert caught.value.code == 1009
            else:
                assert (await connection.receive()).raw == message


async def test_a_bomb_is_not_unpacked() -> None:
    """A hundred megabytes of nothing are a tenth of one on the wire; no more is read of it than a message may be."""
    zeros = zlib.compressobj(9, wbits=-15)
    packed = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(100)) + zeros.flush(zlib.Z_SYNC_FLUSH)
    frame = from_server(text(packed))

    async def script(peer: Peer) -> None:
        await agree(peer, DEFLATE)
        await peer.stream.send(bytes([frame[0] | 0x40]) + frame[1:])
        await peer.close_code()

    with fail_after(10):
        async with serve(script) as server:
            tracemalloc.start()
            async with open_to(server, compression=True, max_message_size=1 << 20) as connection:
                with pytest.raises(ConnectionLost) as caught:
                    await connection.receive()
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert caught.value.code == 1009
    assert most < 16 << 20
