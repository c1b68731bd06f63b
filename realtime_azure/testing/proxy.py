"""A proxy that keeps a cassette of what goes through it: for clients in any language, and for the real service."""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from anyio import BrokenResourceError, create_tcp_listener
from anyio.abc import ByteStream, SocketAttribute
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request
from websockets.server import ServerProtocol

from .._tasks import service_group
from .._websocket import WebSocket, abandon, answer_request, receive_request
from ..auth import AnyCredential
from ..connection import Connection, connect
from ..emulator.handshake import refused, signed
from ..emulator.listener import shown
from ..endpoint import DEPLOYMENT_VARIABLES, VERSION_VARIABLES, VOICE_LIVE_VARIABLES, Endpoint
from ..errors import ConfigurationError, ConnectError, ConnectionClosed, ConnectionLost, RealtimeError, Refusal
from .cassettes import Direction, Recorder, recording

logger = logging.getLogger("realtime_azure.testing")


@dataclass
class RecordingProxy:
    """A proxy that is listening at *url*, the endpoint for clients; any key will do, for it signs in by itself."""

    url: str
    service: str
    """The host that it hands on to."""
    cassettes: list[Path] = field(default_factory=list[Path])
    """The files that were written, one for each connection that came about."""
    failures: list[RealtimeError] = field(default_factory=list[RealtimeError])
    """Why connections to the service did not come about."""


class ConnectOptions(TypedDict, total=False):
    """How to connect to the service: arguments of `realtime_azure.connect`."""

    api_key: str | None
    credential: AnyCredential | None
    query: Mapping[str, str] | None
    headers: Mapping[str, str] | None
    scope: str | None
    allow_insecure: bool
    ssl_context: ssl.SSLContext | None
    proxy: str | bool | None
    open_timeout: float
    attempt_timeout: float
    max_retries: int
    close_timeout: float
    ping_interval: float | None
    ping_timeout: float
    inbox_limit: int
    max_message_size: int
    compression: bool


@asynccontextmanager
async def recording_proxy(
    path: str | Path,
    endpoint: str | Endpoint | None = None,
    *,
    sound: Literal["kept", "shortened"] = "shortened",
    host: str = "127.0.0.1",
    port: int = 0,
    **connecting: Unpack[ConnectOptions],
) -> AsyncGenerator[RecordingProxy]:
    """Listens for the length of the `async with`, and hands each connection on to the service at *endpoint*.

    The client chooses the path and the query of the URL (dialect, deployment). The first connection is written to
    *path* (`session.jsonl`), the next to `session-2.jsonl` and so on; files that are there already stay, and their
    numbers are left out. *sound* is as of `recording`. *connecting* goes to `connect` (`api_key=`, `credential=`,
    `proxy=`). Whoever reaches *host* and *port* talks to the service with your sign-in: leave *host* as it is, or
    trust the network.

    Raises `OSError` if the port cannot be had, and `ConfigurationError`.
    """
    # Which deployment and version is for the client to say.
    some = {DEPLOYMENT_VARIABLES[0]: "any", **dict.fromkeys((*VERSION_VARIABLES, *VOICE_LIVE_VARIABLES), "v1")}
    insecure = connecting.get("allow_insecure", False)
    target = Endpoint.resolve(endpoint, allow_insecure=insecure, environ=some | os.environ)
    parts = urlsplit(target.realtime_url())
    origin = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
    async with await create_tcp_listener(local_host=host, local_port=port) as listener, service_group() as tasks:
        proxy = RecordingProxy(f"http://{shown(host)}:{listener.extra(SocketAttribute.local_port)}", parts.netloc)
        way = _Way(proxy, Path(path), origin, sound, connecting)
        tasks.start_soon(listener.serve, way.serve)
        yield proxy


@dataclass
class _Way:
    """From each connection of a client to one to the service."""

    proxy: RecordingProxy
    path: Path
    origin: str
    sound: Literal["kept", "shortened"]
    connecting: ConnectOptions

    async def serve(self, stream: ByteStream) -> None:
        try:
            protocol, request = await receive_request(stream)
            try:
                await self._record(stream, protocol, request)
            except (ConnectError, ConfigurationError) as exc:
                self.proxy.failures.append(exc)
                logger.warning("a connection was refused: %s", exc)
                status, code = getattr(exc, "status", None) or 502, getattr(exc, "code", None) or "ProxyFailed"
                refusal = Refusal(status, code=code, message=str(exc))
                await answer_request(stream, protocol, signed(refused(refusal), time.time()))
        except (InvalidHandshake, BrokenResourceError, OSError, EOFError):
            pass  # the client went away, or is none
        finally:
            await abandon(stream)

    async def _record(self, stream: ByteStream, protocol: ServerProtocol, request: Request) -> None:
        url, asked = _asked(self.origin + request.path)
        recorders: list[Recorder] = []

        def watch(way: Direction, message: bytes) -> None:
            for recorder in recorders:
                recorder(way, message)

        # Around the connection: what is said at its goodbye is written, too; one that is refused has no file.
        with ExitStack() as files:
            async with connect(url, watch=watch, **asked, **self.connecting) as connection:
                recorders.append(files.enter_context(self._recording()))
                await _relay(stream, protocol, request, connection, recorders[0])

    @contextmanager
    def _recording(self) -> Generator[Recorder]:
        file = next(file for file in self._files() if not file.exists())
        with ExitStack() as opened:
            try:
                recorder = opened.enter_context(recording(file, sound=self.sound))
            except OSError as exc:
                raise ConfigurationError(f"{file}: {exc.strerror or exc}") from exc
            self.proxy.cassettes.append(file)
            logger.info("a connection is written to %s", file)
            yield recorder
            logger.info("%s is complete", file)

    def _files(self) -> Iterator[Path]:
        yield self.path
        for number in count(2):
            yield self.path.with_stem(f"{self.path.stem}-{number}")


def _asked(url: str) -> tuple[str, dict[str, Any]]:
    """*url* without what is no endpoint's, but an argument of `connect`: a call to join, and what for."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    own: dict[str, Any] = {name: value for name, value in query if name in ("call_id", "intent")}
    rest = urlencode([(name, value) for name, value in query if name not in own], quote_via=quote)
    return parts._replace(query=rest).geturl() if own else url, own


async def _relay(
    stream: ByteStream, protocol: ServerProtocol, request: Request, connection: Connection, recorder: Recorder
) -> None:
    websocket = await answer_request(stream, protocol, protocol.accept(request))
    if websocket is None:
        return

    async def to_service(messages: list[bytes]) -> None:
        with suppress(ConnectionClosed):
            for message in messages:  # as it is, whatever it is
                await connection._send(message)  # pyright: ignore[reportPrivateUsage]

    async with service_group() as tasks:
        tasks.start_soon(websocket.drain)
        try:
            tasks.start_soon(_to_client, connection, websocket, recorder)
            tasks.start_soon(websocket.pump, to_service)
            await websocket.wait_ended()
        finally:  # nothing else ends the two tasks of the websocket
            await websocket.aclose(1001, "the proxy is shutting down", timeout=1.0)


async def _to_client(connection: Connection, websocket: WebSocket, recorder: Recorder) -> None:
    code, reason = 1000, ""
    with suppress(BrokenResourceError):
        try:
            async for event in connection:
                await websocket.send(event.raw)
        except ConnectionLost as exc:
            code, reason = exc.code, exc.reason
        recorder.closed(code, reason)
        await websocket.aclose({1005: 1000, 1006: 1011}.get(code, code), reason, timeout=1.0)
