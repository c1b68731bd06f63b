"""`connect()` and the `Connection` it opens: typed events in, typed events and verbs out.

    async with connect(deployment="gpt-realtime") as connection:
        await connection.response.create()
        async for event in connection: ...

A connection exists only while it is open. Three tasks serve it (reading, writing, asking whether the peer is
still there) and end with the block; what the block raises comes out as it was raised.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

from anyio import BrokenResourceError
from pydantic_core import from_json, to_json

from ._handshake import Opened, Opening, fit_headers
from ._proxy import proxy_for
from ._tasks import service_group
from ._websocket import abandon
from .auth import AnyCredential, default_scope, resolve_credential
from .endpoint import Endpoint
from .errors import ConfigurationError, ConnectionClosed, ConnectionLost
from .events import (
    ClientEvent,
    ErrorEvent,
    Event,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    decode,
)
from .events.preview import to_dated, to_voice_live
from .events.wire import Bytes, checked, dump, encode_append, prepare
from .streams import EventStream, Inbox, Subscription
from .verbs import (
    Conversation,
    InputAudioBuffer,
    OutputAudioBuffer,
    Responses,
    SessionVerbs,
    TranscriptionSession,
    new_event_id,
)

E1 = TypeVar("E1", bound=ServerEvent)
E2 = TypeVar("E2", bound=ServerEvent)
E3 = TypeVar("E3", bound=ServerEvent)
E4 = TypeVar("E4", bound=ServerEvent)

_NOTED = frozenset({SessionCreated, ResponseCreated, ResponseDone, ErrorEvent})


class Connection:
    """A live connection to one realtime session. Made by `connect`.

    Iterate it for every event from the opening on; the iteration ends when the connection has ended in good
    order, and raises `ConnectionLost` otherwise. `session`, `input_audio_buffer`, `output_audio_buffer`,
    `conversation` and `response` hold the verbs. Any number of tasks may send; one iterates the main stream, others
    `subscribe`.
    """

    def __init__(self, opened: Opened, endpoint: Endpoint, *, inbox_limit: int, close_timeout: float) -> None:
        self.endpoint = endpoint
        self.request_id = opened.request_id
        """The service's id of the handshake (`apim-request-id`, else `x-request-id`), for Azure's support."""
        self.client_request_id = opened.client_request_id
        """Ours, as it was sent (`x-ms-client-request-id`)."""
        self.region = opened.region
        """The Azure region that answered (`x-ms-region`), if it said so."""
        self.session_id: str | None = None
        """The id of the session, once `session.created` has come."""
        self.session = SessionVerbs(self.send)
        self.input_audio_buffer = InputAudioBuffer(self.send, self._append)
        self.output_audio_buffer = OutputAudioBuffer(self.send)
        self.conversation = Conversation(self.send)
        self.response = Responses(self.send)
        self.transcription_session = TranscriptionSession(self.send)
        self._websocket = opened.websocket
        self._inbox = Inbox(inbox_limit)
        self._close_timeout = close_timeout
        self._open_response: str | None = None
        self._last_error: str | None = None

    def __repr__(self) -> str:
        state = "open" if self._websocket.ending is None else "ended"
        return f"<Connection {state} to {self.endpoint.host} session={self.session_id}>"

    # Receiving

    def __aiter__(self) -> EventStream[ServerEvent]:
        return self._inbox.main

    async def receive(self) -> ServerEvent:
        """The next event of the main stream; cancelled while waiting, nothing is lost.

        Raises `ConnectionClosed` after the last event, `ConnectionLost` if the connection ended badly.
        """
        return await self._inbox.main.receive()

    @overload
    def subscribe(self, a: type[E1], /, *, limit: int | None = ...) -> Subscription[E1]: ...
    @overload
    def subscribe(self, a: type[E1], b: type[E2], /, *, limit: int | None = ...) -> Subscription[E1 | E2]: ...
    @overload
    def subscribe(
        self, a: type[E1], b: type[E2], c: type[E3], /, *, limit: int | None = ...
    ) -> Subscription[E1 | E2 | E3]: ...
    @overload
    def subscribe(
        self, a: type[E1], b: type[E2], c: type[E3], d: type[E4], /, *, limit: int | None = ...
    ) -> Subscription[E1 | E2 | E3 | E4]: ...
    @overload
    def subscribe(self, *types: type[ServerEvent], limit: int | None = ...) -> Subscription[ServerEvent]: ...
    def subscribe(self, *types: type[Any], limit: int | None = None) -> Subscription[Any]:
        """A stream of its own of the events of *types* (all, if none is named), from the `async with` on.

            async with connection.subscribe(ResponseOutputAudioDelta) as sound:
                async for event in sound: ...

        It holds at most *limit* bytes (the connection's `inbox_limit` if None); one that is full because nobody
        reads it lapses, and holds up nobody else.
        """
        return Subscription(self._inbox, types or (Event,), limit)

    async def wait_for(self, type: type[E1], *, where: Callable[[E1], bool] | None = None) -> E1:  # noqa: A002
        """The first event of *type* for which *where* holds; it is taken away from no stream.

        Looks first at what the main stream has not handed out yet, then waits. Raises `ConnectionClosed` or
        `ConnectionLost` if the connection ends before, and whatever *where* raises.
        """
        return await self._inbox.wait_for((type,), where)

    # Sending

    async def send(self, event: ClientEvent | Mapping[str, Any], *, extra: bool = False) -> None:
        """Sends one event, a model or a mapping in the service's (GA) vocabulary.

        It is checked first: `InvalidEvent` names what is wrong with it, and nothing is sent. With *extra*, fields and
        values that are newer than this version are sent, not refused. It gets an
        `event_id` if it has none (`input_audio_buffer.append` does not). Waits while the network is behind;
        cancelled, the event is wholly queued or not at all. Raises `ConnectionClosed` after the end.
        """
        dialect = self.endpoint.dialect
        made = checked(event, extra=extra, voice_live=dialect == "voice-live")
        if made.type == "input_audio_buffer.append" and not made.model_extra:
            await self._append(made.audio, made.event_id)
            return
        if made.event_id is None:
            made = made.model_copy(update={"event_id": new_event_id()})
        message = dump(made)
        if dialect != "ga":
            translate = to_dated if dialect == "preview" else to_voice_live
            message = to_json(translate(from_json(message), extra=extra))
        await self._send(message)

    async def _append(self, audio: Bytes, event_id: str | None) -> None:
        await self._send(encode_append(audio, event_id))

    async def _send(self, message: bytes) -> None:
        try:
            await self._websocket.send(message)
        except BrokenResourceError:
            error = self._ended()
            raise error from error.__cause__

    # Ending

    async def aclose(self) -> None:
        """Closes the connection: sends what is queued, then the close frame, and waits shortly for the answer.

        Leaving the `async with` does it too. What was received can still be read; sending raises.
        """
        self._inbox.end(self._ended)  # first: a full inbox would keep the service's answer from being read
        await self._websocket.aclose(timeout=self._close_timeout)

    async def _pump(self) -> None:
        """Reads until the end; `connect` runs it."""
        await self._websocket.pump(self._deliver)
        self._inbox.end(self._ended)

    async def _deliver(self, messages: list[bytes]) -> None:
        events = [decode(message) for message in messages]
        for event in events:
            if type(event) in _NOTED:  # isinstance is slow here: pydantic's classes are abstract base classes
                self._note(event)
        await self._inbox.deliver(events)

    def _note(self, event: ServerEvent) -> None:
        match event:
            case SessionCreated(session=session):
                self.session_id = session.id
            case ResponseCreated(response=response):
                self._open_response = response.id
            case ResponseDone():
                self._open_response = None
            case ErrorEvent(error=error):
                self._last_error = error.message
            case _:
                pass

    def _ended(self) -> ConnectionClosed:
        """The error that says how it ended; a new one each time, for each caller has its own traceback."""
        ending = self._websocket.foreseen
        if ending is None or ending.asked:
            return ConnectionClosed("this connection was closed")
        if ending.code == 1000 and self._open_response is None:
            return ConnectionClosed(
                f"the service closed this connection{f' ({ending.reason})' if ending.reason else ''}",
                reason=ending.reason,
            )
        said = f"close {ending.code}" if ending.code != 1006 else "no close frame"
        for more in dict.fromkeys((ending.reason, _words(ending.cause))):  # what this side refused is both
            said += f": {more}" if more else ""
        cut = f", in the middle of response {self._open_response}" if self._open_response else ""
        error = ConnectionLost(
            f"the connection was lost{cut} ({said})",
            code=ending.code,
            reason=ending.reason,
            response_cut=self._open_response,
            session_id=self.session_id,
            last_error=self._last_error,
        )
        error.__cause__ = ending.cause and (ending.cause.__cause__ or ending.cause)  # the network's own, behind anyio's
        return error


@asynccontextmanager
async def connect(
    endpoint: str | Endpoint | None = None,
    *,
    deployment: str | None = None,
    api_version: str | None = None,
    api_key: str | None = None,
    credential: AnyCredential | None = None,
    call_id: str | None = None,
    intent: str | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    scope: str | None = None,
    allow_insecure: bool = False,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | bool | None = True,
    open_timeout: float = 30.0,
    attempt_timeout: float = 10.0,
    max_retries: int = 2,
    close_timeout: float = 3.0,
    ping_interval: float | None = 20.0,
    ping_timeout: float = 20.0,
    inbox_limit: int = 16 << 20,
    max_message_size: int = 16 << 20,
) -> AsyncGenerator[Connection]:
    """Opens a realtime connection for the length of the `async with`.

    *endpoint* is a resource's URL, as the portal shows it, or an `Endpoint`; *deployment* the name of a realtime
    model's deployment; *api_version* `"v1"`, or a dated version for the preview protocol. Sign in with *api_key* or
    *credential*: a token, a function that gives one, an azure-identity credential (sync or async; asked for *scope*,
    by default that of the endpoint's cloud), or a `Credential` of your own. What is not passed comes from
    `AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_REALTIME_DEPLOYMENT` (or `AZURE_OPENAI_DEPLOYMENT_NAME`, or
    `AZURE_OPENAI_DEPLOYMENT`), `OPENAI_API_VERSION` (or `AZURE_OPENAI_API_VERSION`), and `AZURE_OPENAI_AD_TOKEN` or
    `AZURE_OPENAI_API_KEY`.

    *call_id* joins a telephone or WebRTC call, *intent* `"transcription"` opens a session that only writes down.
    *query* and *headers* are added to the handshake. *allow_insecure* lets `http://` leave this machine.
    *ssl_context* replaces the default, which checks certificates against the system's trust store, or against
    `SSL_CERT_FILE`; a client's certificate goes into it, too. *proxy* is the URL of an HTTP or SOCKS proxy (the latter
    needs the extra `socks`), True for what `HTTPS_PROXY` and `NO_PROXY` say, False for none.

    Times are in seconds: *open_timeout* for all of the opening, *attempt_timeout* for each attempt (the credential's
    part included: for one that asks a person, raise both), of which *max_retries* may follow the first where that can
    help (429, 408, 5xx, no answer, hung up; after what `retry-after` says, else a jittered half second, one, two). A
    401 with a token that can be renewed is tried once more. *close_timeout* is for the goodbye, a ping goes out after
    each *ping_interval* (None: never), and has *ping_timeout* to be answered. *inbox_limit* and *max_message_size* are
    in bytes: how much may wait to be read (see `realtime_azure.streams`), and how large one message may be.

    Raises `ConfigurationError` before anything is sent, and a `ConnectError` when no connection comes about: a
    `HandshakeError` when the service refuses, another where it cannot be reached (see `realtime_azure.errors`). What
    the block raises comes out as it is. Cancelled at any point, nothing stays open.
    """
    target = Endpoint.resolve(endpoint, deployment=deployment, api_version=api_version, allow_insecure=allow_insecure)
    _check_numbers(
        open_timeout=open_timeout,
        attempt_timeout=attempt_timeout,
        ping_interval=1.0 if ping_interval is None else ping_interval,
        ping_timeout=ping_timeout,
        inbox_limit=inbox_limit,
        max_message_size=max_message_size,
    )
    _check_numbers(zero_is_well=True, close_timeout=close_timeout, max_retries=max_retries)
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise ConfigurationError(f"ssl_context: give an ssl.SSLContext, not {type(ssl_context).__name__}")
    url = target.realtime_url(call_id=call_id, intent=intent, query=query)
    opening = Opening(
        url,
        resolve_credential(api_key, credential, scope=scope or default_scope(target.host)),
        fit_headers(headers or {}),
        ssl_context=ssl_context,
        proxy=proxy_for(url, proxy),
        max_message_size=max_message_size,
        open_timeout=open_timeout,
        attempt_timeout=attempt_timeout,
        max_retries=max_retries,
    )
    prepare(voice_live=target.dialect == "voice-live")
    opened = await opening.open()
    try:
        connection = Connection(opened, target, inbox_limit=inbox_limit, close_timeout=close_timeout)
        async with service_group() as tasks:
            tasks.start_soon(connection._pump)  # pyright: ignore[reportPrivateUsage]  # `connect` makes it, and starts it
            tasks.start_soon(opened.websocket.drain)
            if ping_interval is not None:
                tasks.start_soon(opened.websocket.keepalive, ping_interval, ping_timeout)
            try:
                yield connection
            finally:
                await connection.aclose()
    finally:
        del opening, credential  # Python from 3.12 on may keep this frame until the caller's own ends
        await abandon(opened.stream)


def _check_numbers(*, zero_is_well: bool = False, **numbers: Any) -> None:
    """Raises `ConfigurationError` for what is no number in *numbers*, or negative, or 0 (unless *zero_is_well*)."""
    for name, value in numbers.items():
        real = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
        if not real or value < 0 or (value == 0 and not zero_is_well):
            raise ConfigurationError(
                f"{name}: {value!r} is not a number {'of 0 or more' if zero_is_well else 'above 0'}"
            )


def _words(error: BaseException | None) -> str:
    """What went wrong, in the network's own words where there are some."""
    return "" if error is None else str(error.__cause__ or error) or type(error).__name__
