"""Servers to test against, none of them ours: a peer that is scripted frame by frame, and websockets' own server.

`serve` runs a script for each client in the same event loop, over a real socket; it can do what no good server
does. `serve_in_thread` is websockets' threading server, which knows nothing of this package.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme
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
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as websockets_serve

SESSION_CREATED = {"type": "session.created", "event_id": "event_0", "session": {"type": "realtime", "id": "sess_1"}}
RESPONSE_CREATED = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
RESPONSE_DONE = {"type": "response.done", "response": {"id": "resp_1", "status": "completed"}}


QUIET = logging.Logger("a peer of the tests", logging.CRITICAL)
"""For peers: what they log is not what the package logs."""


def text_delta(delta: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "response_id": "resp_1", "item_id": "item_1", "delta": delta}


def to_bytes(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode()


def text(message: bytes, *, fin: bool = True) -> Frame:
    return Frame(Opcode.TEXT, message, fin)


def close_frame(code: int = 1000, reason: str = "") -> Frame:
    return Frame(Opcode.CLOSE, Close(code, reason).serialize())


def from_server(*frames: Frame) -> bytes:
    """*frames* as a server sends them."""
    return b"".join(frame.serialize(mask=False) for frame in frames)


class Peer:
    """The service's end of one connection. It does what the script says and nothing by itself, not even a pong."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.request: Request
        self._protocol = ServerProtocol(max_size=None, logger=QUIET)
        self._frames: deque[Frame] = deque()

    async def read_request(self) -> Request:
        """The client's request, however many reads it takes."""
        while not (events := self._protocol.events_received()):
            self._protocol.receive_data(await self.stream.receive())
        request, *_ = events
        assert isinstance(request, Request)
        self.request = request
        return request

    async def accept(self, *events: Mapping[str, Any]) -> None:
        """Answers the request with 101, and says *events* in the same write."""
        await self.read_request()
        self._protocol.send_response(self._protocol.accept(self.request))
        answer = b"".join(self._protocol.data_to_send())
        await self.stream.send(answer + from_server(*(text(to_bytes(event)) for event in events)))

    async def answer(self, response: bytes) -> None:
        """Answers the request with *response*."""
        await self.read_request()
        await self.stream.send(response)

    async def send(self, *frames: Frame) -> None:
        await self.stream.send(from_server(*frames))

    async def say(self, *events: Mapping[str, Any]) -> None:
        """Sends *events*, in one write."""
        await self.send(*(text(to_bytes(event)) for event in events))

    async def frame(self) -> Frame:
        """The client's next frame of any kind."""
        while not self._frames:
            self._protocol.receive_data(await self.stream.receive())
            for event in self._protocol.events_received():
                assert isinstance(event, Frame)
                self._frames.append(event)
            if self._protocol.parser_exc is not None:
                raise self._protocol.parser_exc
        return self._frames.popleft()

    async def hear(self) -> dict[str, Any]:
        """The client's next event."""
        frame = await self.frame()
        assert frame.opcode is Opcode.TEXT, frame
        event: dict[str, Any] = json.loads(bytes(frame.data))
        return event

    async def close_code(self) -> int:
        """Reads on to the client's close frame."""
        while (frame := await self.frame()).opcode is not Opcode.CLOSE:
            pass
        return Close.parse(bytes(frame.data)).code

    async def farewell(self) -> int:
        """Reads on to the client's close frame and answers it."""
        code = await self.close_code()
        await self.send(close_frame(code))
        return code

    async def gone(self) -> None:
        """Returns when the client has closed its socket, in whatever way."""
        try:
            while True:
                await self.stream.receive()
        except (EndOfStream, BrokenResourceError):
            pass

    async def reset(self) -> None:
        """Vanishes with an RST."""
        raw: socket.socket = self.stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await aclose_forcefully(self.stream)


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """What a test needs to know of a server that runs."""

    url: str
    port: int
    clients: int = 0
    left: int = 0
    """How many scripts have ended, because they were through or because the client had gone."""
    arrived: Event = field(default_factory=Event)
    """Set when the first has come."""
    idle: Event = field(default_factory=Event)
    """Set when as many have ended as had come."""


@asynccontextmanager
async def serve(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    """Runs *script* for each client; when it returns, or when the client goes away, the socket is closed."""
    multi = await create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port: int = multi.extra(SocketAttribute.local_port)
    listener: Listener[ByteStream] = TLSListener(multi, tls, standard_compatible=False) if tls else multi
    server = Server(f"http{'s' if tls else ''}://127.0.0.1:{port}", port)

    async def handle(stream: ByteStream) -> None:
        server.clients += 1
        server.idle = Event()
        server.arrived.set()
        try:
            await script(Peer(stream))
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


@contextmanager
def serve_in_thread(
    handler: Callable[[ServerConnection], None], *, tls: ssl.SSLContext | None = None, **options: Any
) -> Generator[Server]:
    """websockets' own server. *handler* runs in a thread for each client; what it raises fails the test."""
    options = {"ssl": tls, "ping_interval": None, "close_timeout": 2, "logger": QUIET, **options}
    errors: list[BaseException] = []
    done = threading.Event()

    def handle(connection: ServerConnection) -> None:
        try:
            handler(connection)
        except ConnectionClosed:
            pass
        except BaseException as exc:  # noqa: BLE001 - raised again in the test's thread
            errors.append(exc)
        finally:
            done.set()

    with websockets_serve(handle, "127.0.0.1", 0, **options) as server:
        port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Server(f"http{'s' if tls else ''}://127.0.0.1:{port}", port)
            done.wait(5)
        finally:
            server.shutdown()
            thread.join()
    if errors:
        raise errors[0]


@dataclass(frozen=True)
class Certificates:
    """A certificate authority nobody has heard of, and contexts that use it."""

    authority: trustme.CA = field(default_factory=trustme.CA)

    def server(self, *names: str) -> ssl.SSLContext:
        """A server whose certificate is for *names*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """A client that trusts the authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context
