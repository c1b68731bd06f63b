"""The clients of the benchmarks: what each library's user would write, with the same events at the end of it.

Every client but openai's decodes with ours, so that the table compares ways to the network; openai's makes the
events that its users get, and its users do the base64. A client that is not installed is left out.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import importlib.util
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import trustme
from openai import AsyncOpenAI
from websockets.asyncio.client import connect as websockets_connect
from websockets.frames import Frame

from realtime_azure import connect
from realtime_azure._dial import dial
from realtime_azure._websocket import READ_SIZE, open_client
from realtime_azure.events import InputAudioBufferCommitted, ResponseDone, ServerEvent, decode
from realtime_azure.events.wire import encode_append

from .raw_server import PCM

CREATE = b'{"type":"response.create"}'
COMMIT = b'{"type":"input_audio_buffer.commit"}'
CLOCK = time.process_time


@dataclass(frozen=True)
class Target:
    """Where the server is."""

    port: int
    tls: ssl.SSLContext | None = None

    @property
    def http(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"ws{'s' if self.tls else ''}://127.0.0.1:{self.port}/openai/v1/realtime?model=d"


def certificates() -> tuple[bytes, ssl.SSLContext]:
    """A server's key and certificate in PEM, and a client's context that trusts it."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes(), context


Run = Callable[[Target, int], Awaitable[tuple[float, float]]]
"""CPU seconds to receive so many events, and to send so many appends until the server has them all."""


async def ours(target: Target, events: int) -> tuple[float, float]:
    async with connect(
        target.http, deployment="d", api_version="v1", api_key="k", ssl_context=target.tls
    ) as connection:
        await connection.receive()
        await connection.response.create()
        start = CLOCK()
        async for event in connection:
            if isinstance(event, ResponseDone):
                break
        received = CLOCK() - start
        start = CLOCK()
        for _ in range(events):
            await connection.input_audio_buffer.append(PCM)
        await connection.input_audio_buffer.commit()
        async for event in connection:
            if isinstance(event, InputAudioBufferCommitted):
                break
        return received, CLOCK() - start


async def bare(target: Target, events: int) -> tuple[float, float]:
    """The least that the same protocol object, byte stream and decoder can cost: no connection, no streams."""
    async with await dial(target.url, ssl_context=target.tls) as stream:
        _, websocket = await open_client(stream, target.url, {}, max_message_size=1 << 24)
        assert websocket is not None
        protocol = websocket.protocol

        async def send(message: bytes) -> None:
            protocol.send_text(message)
            await stream.send(b"".join(protocol.data_to_send()))

        async def receive_until(kind: type[ServerEvent]) -> None:
            more = True
            while more:
                protocol.receive_data(await stream.receive(READ_SIZE))
                for frame in protocol.events_received():
                    assert isinstance(frame, Frame)
                    more = not isinstance(decode(bytes(frame.data)), kind)

        await send(CREATE)
        start = CLOCK()
        await receive_until(ResponseDone)
        received = CLOCK() - start
        start = CLOCK()
        for _ in range(events):
            await send(encode_append(PCM))
        await send(COMMIT)
        await receive_until(InputAudioBufferCommitted)
        return received, CLOCK() - start


async def openai(target: Target, events: int) -> tuple[float, float]:
    options: dict[str, Any] = {"ssl": target.tls} if target.tls else {}
    async with (
        AsyncOpenAI(
            base_url=f"{target.http}/v1", websocket_base_url=f"{target.http}/v1".replace("http", "ws"), api_key="k"
        ) as client,
        client.realtime.connect(model="d", websocket_connection_options=options) as connection,  # type: ignore[arg-type]  # a TypedDict's
    ):
        await connection.recv()
        await connection.response.create()
        start = CLOCK()
        async for event in connection:
            if event.type == "response.output_audio.delta":
                base64.b64decode(event.delta)
            if event.type == "response.done":
                break
        received = CLOCK() - start
        start = CLOCK()
        for _ in range(events):
            await connection.input_audio_buffer.append(audio=base64.b64encode(PCM).decode())
        await connection.input_audio_buffer.commit()
        async for event in connection:
            if event.type == "input_audio_buffer.committed":
                break
        return received, CLOCK() - start


async def _messages(
    receive: Callable[[], Awaitable[Any]], send: Callable[[bytes], Awaitable[Any]], events: int
) -> tuple[float, float]:
    """The same for a library that gives one message after the other."""
    await receive()
    await send(CREATE)
    start = CLOCK()
    while not isinstance(decode(await receive()), ResponseDone):
        pass
    received = CLOCK() - start
    start = CLOCK()
    for _ in range(events):
        await send(encode_append(PCM))
    await send(COMMIT)
    while not isinstance(decode(await receive()), InputAudioBufferCommitted):
        pass
    return received, CLOCK() - start


async def websockets_asyncio(target: Target, events: int) -> tuple[float, float]:
    async with websockets_connect(target.url, ssl=target.tls, max_size=None) as connection:
        return await _messages(
            lambda: connection.recv(decode=False), lambda message: connection.send(message, text=True), events
        )


async def websockets_trio(target: Target, events: int) -> tuple[float, float]:
    client: Any = importlib.import_module("websockets.trio.client")  # not in websockets 15
    async with client.connect(target.url, ssl=target.tls, max_size=None) as connection:
        return await _messages(
            lambda: connection.recv(decode=False), lambda message: connection.send(message, text=True), events
        )


async def aiohttp(target: Target, events: int) -> tuple[float, float]:
    library: Any = importlib.import_module("aiohttp")
    async with (
        library.ClientSession() as session,
        session.ws_connect(target.url, ssl=target.tls or True, max_msg_size=0, decode_text=False) as connection,
    ):

        async def receive() -> bytes:
            message: bytes = (await connection.receive()).data
            return message

        return await _messages(receive, lambda message: connection.send_frame(message, library.WSMsgType.TEXT), events)


async def picows(target: Target, events: int) -> tuple[float, float]:
    library: Any = importlib.import_module("picows")

    class Listener(library.WSListener):  # type: ignore[misc]  # it has no stubs where it is not installed
        def __init__(self) -> None:
            self.awaited: type[ServerEvent] = ServerEvent  # type: ignore[assignment]
            self.arrived = asyncio.Event()
            self.writable = asyncio.Event()
            self.writable.set()

        def on_ws_frame(self, _: Any, frame: Any) -> None:
            if isinstance(decode(frame.get_payload_as_bytes()), self.awaited):
                self.arrived.set()

        def pause_writing(self) -> None:
            self.writable.clear()

        def resume_writing(self) -> None:
            self.writable.set()

        async def wait(self, kind: type[ServerEvent]) -> None:
            self.awaited = kind
            self.arrived.clear()
            await self.arrived.wait()

    transport, listener = await library.ws_connect(Listener, target.url, ssl_context=target.tls)
    text = library.WSMsgType.TEXT
    transport.send(text, CREATE)
    start = CLOCK()
    await listener.wait(ResponseDone)
    received = CLOCK() - start
    start = CLOCK()
    for _ in range(events):
        transport.send(text, encode_append(PCM))
        if not listener.writable.is_set():
            await listener.writable.wait()
    transport.send(text, COMMIT)
    await listener.wait(InputAudioBufferCommitted)
    sent = CLOCK() - start
    transport.disconnect()
    await transport.wait_disconnected()
    return received, sent


LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}

CLIENTS: dict[str, tuple[Run, tuple[str, ...], str]] = {
    "openai": (openai, ("asyncio", "uvloop"), "openai"),
    "realtime_azure": (ours, ("asyncio", "uvloop", "trio"), "realtime_azure"),
    "bare Sans-I/O loop": (bare, ("asyncio", "uvloop", "trio"), "realtime_azure"),
    "websockets.asyncio": (websockets_asyncio, ("asyncio", "uvloop"), "websockets.asyncio"),
    "websockets.trio": (websockets_trio, ("trio",), "websockets.trio"),
    "aiohttp": (aiohttp, ("asyncio", "uvloop"), "aiohttp"),
    "picows": (picows, ("asyncio", "uvloop"), "picows"),
}


def loops() -> dict[str, dict[str, Any]]:
    """The event loops that are installed, as arguments of `anyio.run`."""
    return {name: options for name, options in LOOPS.items() if importlib.util.find_spec(name)}


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def run(client: Run, loop: str, target: Target, events: int) -> tuple[float, float]:
    """One run of *client* on *loop*."""
    return anyio.run(client, target, events, **LOOPS[loop])
