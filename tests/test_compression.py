"""permessage-deflate and subprotocols, with websockets' own server, which knows nothing of this package."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anyio import fail_after
from websockets.sync.server import ServerConnection
from websockets.utils import accept_key

from realtime_azure import ConfigurationError, ConnectError, ConnectionLost, connect
from realtime_azure.events import ResponseOutputTextDelta

from .serving import SESSION_CREATED, Peer, serve, serve_in_thread, text_delta

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
