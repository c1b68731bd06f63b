"""The emulator on a port: handshakes, and one session for each connection. What is decided is in `service`."""

from __future__ import annotations

import logging
import math
import secrets
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    create_tcp_listener,
    move_on_after,
    sleep_forever,
)
from anyio.abc import ByteStream, SocketAttribute, TaskGroup
from anyio.streams.tls import TLSStream
from websockets.exceptions import InvalidHandshake, InvalidMessage
from websockets.http11 import Request

from .._tasks import service_group
from .._websocket import WebSocket, abandon, answer_request, receive_request
from ..errors import ConfigurationError, Refusal
from ..events.wire import prepare
from . import voice
from .clock import Clock
from .faults import Fault, Faults, Trouble
from .faulty import FaultyStream
from .handshake import NO_HANDSHAKE, Admitted, Door, asked_for, refused, signed
from .http import HttpLine, listen
from .line import Line, Rules, Seen
from .memory import line
from .responder import Responder, Transcriber, recorded_answer, tone
from .rest import Rest
from .rest.realtime import configure
from .service import LIFETIME, Service

PACE = 5.0
HANDSHAKE_TIMEOUT = 10.0
_GONE = (BrokenResourceError, ClosedResourceError, OSError, EOFError, EndOfStream, InvalidHandshake)
logger = logging.getLogger("realtime_azure.emulator")


class Emulator:
    """A running emulator. *url* is the endpoint to connect to, *api_key* the key it takes."""

    def __init__(self, url: str, listener: _Listener, tasks: TaskGroup) -> None:
        self.url = url
        self._listener = listener
        self._rules = listener.rules
        self._tasks = tasks

    def __repr__(self) -> str:
        return f"<Emulator at {self.url}>"

    @property
    def api_key(self) -> str:
        """The key that it takes; the one that `serve` was given, or made."""
        return self._rules.door.api_key

    @property
    def deployments(self) -> tuple[str, ...]:
        """Those that exist; none are named if any name is."""
        return tuple(self._rules.door.deployments)

    @property
    def voice(self) -> bool:
        """Whether it transcribes and speaks by itself (the extra `emulator-voice`)."""
        return self._rules.responder is voice.spoken_answer

    @property
    def responder(self) -> Responder:
        """Who answers; another may take over at any time, from the next turn on."""
        return self._rules.responder

    @responder.setter
    def responder(self, responder: Responder) -> None:
        self._rules.responder = responder

    @property
    def seed(self) -> int:
        """What faults are drawn from; given to `serve`, they are the same again."""
        return self._rules.faults.seed

    def refuse(self, *refusals: Refusal) -> None:
        """Refuses the next handshakes and requests so, one each (`REFUSALS` has what Azure says); then it accepts."""
        self._rules.refusals.extend(refusals)

    def faults(self, *faults: Fault | str) -> AbstractContextManager[None]:
        """Adds *faults* to the connections that are made inside the `with`; see `realtime_azure.emulator.faults`.

        Those that are open already have none of them. Raises `ConfigurationError` for what is no fault.
        """
        return self._rules.faults.during(*faults)

    async def dial(self, url: str) -> ByteStream:
        """A line to it inside this process, for `connect(emulator.url, dial=emulator.dial)`; *url* may be any.

        Raises `BrokenResourceError` once the emulator has ended.
        """
        near, far = line()
        self._tasks.start_soon(self._listener.serve_connection, far)
        return near


@asynccontextmanager
async def serve(
    *,
    host: str = "127.0.0.1",
    port: int | None = 0,
    api_key: str | None = None,
    deployments: Collection[str] = (),
    responder: Responder | None = None,
    transcriber: Transcriber | None = None,
    pace: float = PACE,
    session_lifetime: float = LIFETIME,
    rate_limits: bool = False,
    refuse: Iterable[Refusal] = (),
    faults: Iterable[Fault | str] = (),
    seed: int | None = None,
    clock: Clock | None = None,
    watch: Callable[[Seen], None] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncGenerator[Emulator]:
    """Runs the emulator for the length of the `async with`.

    *port* 0 picks one; None is for `Emulator.dial` alone. Without *api_key* one is made; without *deployments* any name
    is accepted. *responder* answers each turn (see `realtime_azure.emulator.Turn`), *transcriber* writes down what was
    said; without them it is the voice of the extra `emulator-voice` where that is installed, else `recorded_answer`,
    and no transcripts. Sound is sent *pace* times faster than it plays, as the service does; `math.inf` is as fast as
    it goes. A session ends after *session_lifetime* seconds: with the error `session_expired`, and close code 1001.
    With *rate_limits*, each answer comes with `rate_limits.updated`, as OpenAI's do and Azure's do not. *refuse* is
    how the first handshakes are refused, one each (`REFUSALS` has what Azure says). *faults* is what goes wrong on
    connections, as texts (`"drop@5"`; see `realtime_azure.emulator.faults`), and *seed* what is drawn from; a
    client may ask for its own with `fault=` in the URL's query. *clock* is the time that paces and lifetimes go by
    (`VirtualClock` for tests). *watch* is called with each message that comes or goes, in the client's dialect; it
    must neither wait nor raise. With *ssl_context*, a server's, it speaks TLS.

    Leaving the block closes what is open, with close code 1001. Raises `OSError` if the port cannot be had, and
    `ConfigurationError` for numbers that are not positive.
    """
    for name, value in (("pace", pace), ("session_lifetime", session_lifetime)):
        if not value > 0:
            raise ConfigurationError(f"{name}: {value} is not a positive number")
    if math.isinf(session_lifetime):
        raise ConfigurationError("session_lifetime: a session says when it ends; give seconds")
    if port is None and ssl_context is not None:
        raise ConfigurationError("ssl_context: a line in memory has no TLS; leave it out, or give a port")
    prepare()
    can_speak = voice.available()
    rules = Rules(
        door=Door(api_key or secrets.token_hex(16), tuple(deployments)),
        refusals=deque(refuse),
        faults=Faults(faults, seed),
        responder=responder or (voice.spoken_answer if can_speak else recorded_answer),
        transcriber=transcriber or (voice.transcribe if can_speak else None),
        speaker=voice.speak if can_speak else tone,
        pace=pace,
        session_lifetime=session_lifetime,
        rate_limits=rate_limits,
        clock=clock or Clock(),
        watch=watch,
    )
    listener = _Listener(rules, ssl_context)
    if port is None:
        async with service_group() as tasks:
            yield Emulator("http://localhost", listener, tasks)
        return
    async with await create_tcp_listener(local_host=host, local_port=port) as bound, service_group() as tasks:
        tasks.start_soon(bound.serve, listener.serve_connection)
        scheme = "http" if ssl_context is None else "https"
        yield Emulator(f"{scheme}://{shown(host)}:{bound.extra(SocketAttribute.local_port)}", listener, tasks)


def shown(host: str) -> str:
    """*host*, that something listens on, in a URL to connect to.

    Every address of this machine (0.0.0.0, ::) includes the one it calls itself by.
    """
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{near}]" if ":" in near else near


class _Listener:
    """Who comes in, and what becomes of them."""

    def __init__(self, rules: Rules, ssl_context: ssl.SSLContext | None) -> None:
        self.rules = rules
        self._ssl_context = ssl_context
        self._rest = Rest(rules)

    async def serve_connection(self, stream: ByteStream) -> None:
        try:
            line = None
            with move_on_after(HANDSHAKE_TIMEOUT) as patience:
                if self._ssl_context is not None:
                    stream = await TLSStream.wrap(
                        stream, server_side=True, ssl_context=self._ssl_context, standard_compatible=False
                    )
                line = await self._accept(stream, patience)
            if line is not None:
                await line.serve()
        except _GONE:
            pass  # the client went away, or does not speak HTTP
        except Exception:
            logger.exception("a connection failed")
        finally:
            await abandon(stream)

    async def _accept(self, stream: ByteStream, patience: CancelScope) -> Line | HttpLine | None:
        try:
            asking = await listen(stream, self._rest.answer)
            if isinstance(asking, HttpLine):
                return asking
            protocol, request = await receive_request(asking)
        except InvalidMessage:
            await stream.send(signed(refused(NO_HANDSHAKE), self.rules.clock.now()).serialize())
            return None
        said, trouble, now = self._meet(request)
        if trouble.at_handshake == "black_hole":
            patience.deadline = math.inf
            await sleep_forever()
        if trouble.at_handshake == "drop":
            return None
        match said:
            case Refusal():
                path, why = request.path.partition("?")[0], said.message or said.code or ""
                logger.info("a handshake at %s is refused with %d %s", path, said.status, why)
                answer = refused(said)
            case Admitted():
                answer = protocol.accept(request)
                if answer.status_code != 101:
                    answer = refused(replace(NO_HANDSHAKE, status=answer.status_code))
        websocket = await answer_request(stream, protocol, signed(answer, now), lambda s: FaultyStream(s, trouble))
        if websocket is None or not isinstance(said, Admitted):
            return None
        return self._line(websocket, said, trouble)

    def _line(self, websocket: WebSocket, said: Admitted, trouble: Trouble) -> Line:
        rules, skew = self.rules, trouble.lasting("clock_skew") or 0.0
        service = Service(
            said.deployment,
            transcription=said.transcription,
            voice_live=said.dialect == "voice-live",
            lifetime=trouble.lasting("expire") or rules.session_lifetime,
            rate_limits=rules.rate_limits,
            now=lambda: rules.clock.now() + skew,
        )
        configure(service, said.settings)
        if (watch := rules.watch) is not None:
            number = trouble.number
            websocket.watch = lambda way, message: watch(Seen(number, way == "received", message))
        return Line(rules, websocket, service, said, trouble)

    def _meet(self, request: Request) -> tuple[Admitted | Refusal, Trouble, float]:
        """What *request* meets at the door, and on the way, and what time it is; only who is let in uses a fault up."""
        rules, asked = self.rules, asked_for(request.path)
        now, faults = rules.clock.now(), rules.faults
        if rules.refusals:
            return rules.refusals.popleft(), Trouble(), now
        try:
            now += faults.skew(asked)
            said = faults.refusal(asked) or rules.door.examine(request)
        except ConfigurationError as exc:
            return replace(NO_HANDSHAKE, message=str(exc)), Trouble(), now
        return said, Trouble() if isinstance(said, Refusal) else faults.trouble(asked), now
