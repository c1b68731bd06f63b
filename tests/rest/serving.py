"""A scripted HTTP server on a real socket: it says what the script says, byte for byte, and nothing by itself."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    aclose_forcefully,
    create_task_group,
    create_tcp_listener,
)
from anyio.abc import ByteStream, Listener, SocketAttribute
from anyio.streams.tls import TLSListener


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Peer:
    """The service's end of one connection."""

    def __init__(self, stream: ByteStream, server: Server) -> None:
        self._stream = stream
        self._server = server
        self._rest = b""

    async def hear(self) -> Heard:
        """The next request on this connection, whole."""
        reader = h11.Connection(h11.SERVER)
        if self._rest:
            reader.receive_data(self._rest)
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = reader.next_event()
            match event:
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    break
                case _:
                    reader.receive_data(await self._stream.receive())
        assert head is not None
        self._rest = reader.trailing_data[0]
        headers = {name.decode().lower(): value.decode() for name, value in head.headers}
        heard = Heard(head.method.decode(), head.target.decode(), headers, bytes(body))
        self._server.heard.append(heard)
        return heard

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self._stream.send(piece)

    async def until_gone(self) -> None:
        """Waits until the client has hung up."""
        while True:
            await self._stream.receive()


@dataclass
class Server:
    """What a test needs to know of a server that runs."""

    url: str
    port: int
    clients: int = 0
    left: int = 0
    heard: list[Heard] = field(default_factory=list[Heard])
    idle: Event = field(default_factory=Event)
    """Set when no connection is open, after there was one."""


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def serve(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    """Runs *script* for each connection; when it returns, or when the client goes away, the socket is closed."""
    multi = await create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port: int = multi.extra(SocketAttribute.local_port)
    listener: Listener[ByteStream] = TLSListener(multi, tls, standard_compatible=False) if tls else multi
    server = Server(f"http{'s' if tls else ''}://127.0.0.1:{port}", port)

    async def handle(stream: ByteStream) -> None:
        server.clients += 1
        server.idle = Event()
        try:
            await script(Peer(stream, server))
        except (EndOfStream, BrokenResourceError, ClosedResourceError):
            pass
        finally:
            await aclose_forcefully(stream)
            server.left += 1
            if server.left == server.clients:
                server.idle.set()

    async with listener, create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield server
        tasks.cancel_scope.cancel()


def answer(status: int = 200, body: bytes | Any = b"{}", **headers: str) -> bytes:
    """An answer with its length; names of *headers* with `_` for `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(content))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + content


HANG_UP = b""


def in_turn(answers: Iterable[bytes]) -> Script:
    """Each request, on whatever connection, gets the next of *answers*; `HANG_UP` is none. Then the last stays."""
    left = list(answers)

    async def script(peer: Peer) -> None:
        while True:
            await peer.hear()
            said = left.pop(0) if len(left) > 1 else left[0]
            if said == HANG_UP:
                return
            await peer.say(said)
            if b"\r\nconnection: close" in said:
                return

    return script


CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nx-request-id: r1\r\n\r\n"
)
END = b"0\r\n\r\n"


def chunk(said: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(said), said)


def streamed(*pieces: bytes) -> bytes:
    """A whole answer of server-sent events, in these *pieces*."""
    return CHUNKED + b"".join(chunk(piece) for piece in pieces) + END
