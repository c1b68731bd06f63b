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
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

from anyio import BrokenResourceError
from anyio.lowlevel import checkpoint
from pydantic_core import from_json, to_json

from ._handshake import Dial, Opened, Opening, fit_headers, fit_subprotocols
from ._proxy import proxy_for
from ._tasks import service_group
from ._websocket import Behind, Watch, abandon
from .auth import AnyCredential, default_scope, resolve_credential
from .calls import ANSWERS, Call, Calls, is_answered
from .endpoint import Endpoint
from .errors import ConfigurationError, ConnectionClosed, ConnectionLost, InvalidEvent
from .events import (
    AnySession,
    ClientEvent,
    ConversationItemCreate,
    ErrorEvent,
    Event,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    TranscriptionSessionUpdated,
    decode,
)
from .events.preview import to_dated, to_voice_live
from .events.wire import Bytes, checked, dump, encode_append, prepare
from .streams import EventStream, Inbox, InboxFull, Subscription, check_types
from .verbs import (
    Conversation,
    InputAudioBuffer,
    OutputAudioBuffer,
    Responses,
    SessionVerbs,
    TranscriptionSession,
    new_event_id,
    new_item_id,
)

A = TypeVar("A", bound=Event)
E1 = TypeVar("E1", bound=ServerEvent)
E2 = TypeVar("E2", bound=ServerEvent)
E3 = TypeVar("E3", bound=ServerEvent)
E4 = TypeVar("E4", bound=ServerEvent)

_NOTED = frozenset({SessionCreated, SessionUpdated, ResponseCreated, ResponseDone, ErrorEvent}) | ANSWERS
BATCH = 256
"""Messages that are decoded before others have their turn."""

_BYTES_PER_MS = {"audio/pcmu": 8, "audio/pcma": 8}  # G.711 at 8 kHz; PCM16 is two bytes for each sample


@dataclass(frozen=True)
class Statistics:
    """What a connection has done so far, and what waits in it. Bytes are the websocket's own, frames included."""

    bytes_sent: int
    bytes_received: int
    events_sent: int
    events_received: int
    outbox_events: int
    """Events that wait for the network."""
    outbox_bytes: int
    inbox_events: int
    """Events that wait to be read from the main stream."""
    inbox_bytes: int
    events_dropped: int
    """Events that streams nobody read have dropped."""
    audio_dropped_ms: float
    """Milliseconds of sound that had become too old to be sent (`append(…, max_age=…)`)."""
    latency: float | None
    """Seconds that the last ping took; None before the first."""


class Connection:
    """A live connection to one realtime session. Made by `connect`.

    Iterate it for every event from the opening on; the iteration ends when the connection has ended in good
    order, and raises `ConnectionLost` otherwise. `session`, `input_audio_buffer`, `output_audio_buffer`,
    `conversation` and `response` hold the verbs. Any number of tasks may send; one iterates the main stream, others
    `subscribe`.
    """

    def __init__(
        self,
        opened: Opened,
        endpoint: Endpoint,
        *,
        inbox_limit: int,
        when_full: Literal["wait", "fail"],
        close_timeout: float,
    ) -> None:
        self.endpoint = endpoint
        self.request_id = opened.request_id
        """The service's id of the handshake (`apim-request-id`, else `x-request-id`), for Azure's support."""
        self.client_request_id = opened.client_request_id
        """Ours, as it was sent (`x-ms-client-request-id`)."""
        self.region = opened.region
        """The Azure region that answered (`x-ms-region`), if it said so."""
        self.session_id: str | None = None
        """The id of the session, once `session.created` has come."""
        self.session = SessionVerbs(self._ask)
        self.input_audio_buffer = InputAudioBuffer(self._ask, self._append)
        self.output_audio_buffer = OutputAudioBuffer(self._ask)
        self.conversation = Conversation(self._ask)
        self.response = Responses(self._ask)
        self.transcription_session = TranscriptionSession(self._ask)
        self._websocket = opened.websocket
        self._inbox = Inbox(inbox_limit, when_full=when_full)
        self._calls = Calls()
        self._close_timeout = close_timeout
        self._open_responses: dict[str, None] = {}  # in their order
        self._last_error: ErrorEvent | None = None
        self._bytes_per_ms = 48.0
        self._audio_lost_before = 0.0

    def __repr__(self) -> str:
        state = "open" if self._websocket.ending is None else "ended"
        return f"<Connection {state} to {self.endpoint.host} session={self.session_id}>"

    @property
    def latency(self) -> float | None:
        """Seconds from the last ping to its answer; None before the first (see *ping_interval* of `connect`)."""
        return self._websocket.latency

    @property
    def subprotocol(self) -> str | None:
        """The one of *subprotocols* that the service chose, if it chose one."""
        return self._websocket.protocol.subprotocol

    def statistics(self) -> Statistics:
        """What was sent and received, what waits, and what was dropped."""
        websocket, main = self._websocket, self._inbox.main
        return Statistics(
            bytes_sent=websocket.bytes_sent,
            bytes_received=websocket.bytes_received,
            events_sent=websocket.messages_sent,
            events_received=websocket.messages_received,
            outbox_events=len(websocket.outbox),
            outbox_bytes=websocket.unsent,
            inbox_events=main.count,
            inbox_bytes=main.size,
            events_dropped=self._inbox.dropped,
            audio_dropped_ms=websocket.lost,
            latency=websocket.latency,
        )

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
        if limit is not None:
            _check_numbers(limit=limit)
        return Subscription(self._inbox, check_types(types or (Event,)), limit)

    async def wait_for(self, type: type[E1], *, where: Callable[[E1], bool] | None = None) -> E1:  # noqa: A002
        """The first event of *type* for which *where* holds; it is taken away from no stream.

        Looks first at what the main stream has not handed out yet, then waits. Raises `ConnectionClosed` or
        `ConnectionLost` if the connection ends before, and whatever *where* raises.
        """
        return await self._inbox.wait_for(check_types((type,)), where)

    # Sending

    @overload
    async def send(
        self, event: ClientEvent | Mapping[str, Any], *, wait: Literal[True], extra: bool = ...
    ) -> ServerEvent: ...
    @overload
    async def send(
        self, event: ClientEvent | Mapping[str, Any], *, wait: Literal[False] = ..., extra: bool = ...
    ) -> None: ...
    async def send(
        self, event: ClientEvent | Mapping[str, Any], *, wait: bool = False, extra: bool = False
    ) -> ServerEvent | None:
        """Sends one event, a model or a mapping in the service's (GA) vocabulary.

        It is checked first: `InvalidEvent` names what is wrong with it, and nothing is sent. With *extra*, fields and
        values that are newer than this version are sent, not refused. It gets an `event_id` if it has none
        (`input_audio_buffer.append` does not). Waits while the network is behind; cancelled, the event is wholly queued
        or not at all. Raises `ConnectionClosed` after the end.

        With *wait*, returns the event that answers it, or raises `EventRejected` if that is an error; both are in the
        streams, too. How answers are told is in `realtime_azure.verbs`. It waits as long as it takes; cancelled then,
        the event has been sent.
        """
        return await self._send_event(event, wait=wait, extra=extra)

    async def _send_event(
        self, event: ClientEvent | Mapping[str, Any], *, wait: bool, extra: bool
    ) -> ServerEvent | None:
        dialect = self.endpoint.dialect
        made = checked(event, extra=extra, voice_live=dialect == "voice-live")
        if wait and not is_answered(made.type):
            raise InvalidEvent(f"{made.type}: the service does not answer it; send it without wait")
        if made.type == "input_audio_buffer.append" and not made.model_extra:
            await self._append(made.audio, made.event_id)
            return None
        if made.event_id is None:
            made = made.model_copy(update={"event_id": new_event_id()})
        if wait and isinstance(made, ConversationItemCreate) and made.item.id is None:  # its answer is told by it
            made = made.model_copy(update={"item": made.item.model_copy(update={"id": new_item_id()})})
        message = dump(made)
        if dialect != "ga":
            translate = to_dated if dialect == "preview" else to_voice_live
            try:
                plain = from_json(message)
            except ValueError:
                raise InvalidEvent(f"{made.type}: an event cannot be nested so deep") from None
            message = to_json(translate(plain, extra=extra))
        await self._websocket.wait_room()
        call = self._calls.begin(made, awaited=wait)  # now, with nothing to wait for: calls are in the wire's order
        try:
            self._send_nowait(message)
        except ConnectionClosed:
            if call is not None:
                self._calls.forget(call)
            raise
        return await self._answer(call) if wait and call is not None else None

    async def _ask(self, event: Mapping[str, Any], answer: type[A], *, wait: bool, extra: bool = False) -> A | None:
        said = await self._send_event(event, wait=wait, extra=extra)
        return said if isinstance(said, answer) else None

    async def _answer(self, call: Call) -> ServerEvent:
        try:
            with self._inbox.accompanied():
                await call.settled.wait()
        finally:
            call.awaited = False
        if (rejection := call.rejection()) is not None:
            raise rejection
        if call.answer is None:
            error = self._ended()
            raise error from error.__cause__
        return call.answer

    async def _append(self, audio: Bytes, event_id: str | None, max_age: float | None = None) -> float:
        message = encode_append(audio, event_id)
        if max_age is None:
            await self._send(message)
            return 0.0
        _check_numbers(max_age=max_age)
        worth = memoryview(audio).nbytes / self._bytes_per_ms
        try:
            await self._websocket.send_perishable(message, max_age=max_age, worth=worth)
        except BrokenResourceError:
            error = self._ended()
            raise error from error.__cause__
        before, self._audio_lost_before = self._audio_lost_before, self._websocket.lost
        return self._audio_lost_before - before

    async def _send(self, message: bytes) -> None:
        await self._websocket.wait_room()
        self._send_nowait(message)

    def _send_nowait(self, message: bytes) -> None:
        try:
            self._websocket.send_nowait(message)
        except BrokenResourceError:
            error = self._ended()
            raise error from error.__cause__

    # Ending

    async def aclose(self) -> None:
        """Closes the connection: sends what is queued, then the close frame, and waits shortly for the answer.

        Leaving the `async with` does it too. What was received can still be read; sending raises.
        """
        self._inbox.end(self._ended)  # first: a full inbox would keep the service's answer from being read
        self._calls.end()
        await self._websocket.aclose(timeout=self._close_timeout)

    async def _pump(self) -> None:
        """Reads until the end; `connect` runs it."""
        await self._websocket.pump(self._deliver)
        self._inbox.end(self._ended)
        self._calls.end()

    async def _deliver(self, messages: list[bytes]) -> None:
        while len(messages) > BATCH:  # small ones: others have their turn in between
            await self._deliver(messages[:BATCH])
            await checkpoint()
            messages = messages[BATCH:]
        events = [decode(message) for message in messages]
        for event in events:
            if type(event) in _NOTED:  # isinstance is slow here: pydantic's classes are abstract base classes
                self._note(event)
        try:
            await self._inbox.deliver(events)
        except InboxFull as exc:
            raise Behind(f"this side does not keep up: {exc}") from None

    def _note(self, event: ServerEvent) -> None:
        match event:
            case SessionCreated(session=session) | SessionUpdated(session=session):
                self.session_id = session.id or self.session_id
                self._bytes_per_ms = _bytes_per_ms(session)
            case TranscriptionSessionUpdated(session=session):
                self._bytes_per_ms = 8.0 if (session.input_audio_format or "").startswith("g711") else 48.0
            case ResponseCreated(response=response):
                if response.id is not None:
                    self._open_responses[response.id] = None
            case ResponseDone(response=response):
                if self._open_responses.pop(response.id or "", "unknown") == "unknown":
                    self._open_responses.clear()  # one that does not say which it is
            case ErrorEvent():
                self._last_error = event
            case _:
                pass
        self._calls.settle(event)

    def _ended(self) -> ConnectionClosed:
        """The error that says how it ended; a new one each time, for each caller has its own traceback."""
        ending = self._websocket.foreseen
        if ending is None or ending.asked:
            return ConnectionClosed("this connection was closed")
        if ending.code == 1000 and not self._open_responses:
            return ConnectionClosed(
                f"the service closed this connection{f' ({ending.reason})' if ending.reason else ''}",
                reason=ending.reason,
            )
        said = f"close {ending.code}" if ending.code != 1006 else "no close frame"
        for more in dict.fromkeys((ending.reason, _words(ending.cause))):  # what this side refused is both
            said += f": {more}" if more else ""
        response = next(iter(self._open_responses), None)
        cut = f", in the middle of response {response}" if self._open_responses else ""
        error = ConnectionLost(
            f"the connection was lost{cut} ({said})",
            code=ending.code,
            reason=ending.reason,
            response_cut=response,
            session_id=self.session_id,
            request_id=self.request_id,
            client_request_id=self.client_request_id,
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
    when_full: Literal["wait", "fail"] = "wait",
    max_message_size: int = 16 << 20,
    compression: bool = False,
    subprotocols: Sequence[str] = (),
    dial: Dial | None = None,
    watch: Watch | None = None,
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
    in bytes: how much may wait to be read (see `realtime_azure.streams`), and how large one message may be. When the
    inbox is full and nobody reads it, reading stops, and the service has to wait; with *when_full* `"fail"`, the
    connection is given up instead (close code 1008). *compression* offers permessage-deflate (RFC 7692), which costs
    more CPU than sound is worth; *subprotocols* are offered to a gateway that wants one (`Connection.subprotocol`).

    *dial*, an async function from the URL to an anyio `ByteStream`, makes a line of your own (TLS is its matter then;
    *ssl_context* and *proxy* are left out). *watch* is called with `"sent"` or `"received"` and the bytes of each
    message that leaves or has come, sound included; it must not block.

    Raises `ConfigurationError` before anything is sent, and a `ConnectError` when no connection comes about: a
    `StatusError` when the service refuses, another where it cannot be reached (see `realtime_azure.errors`). What
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
    if math.isinf(close_timeout):
        raise ConfigurationError("close_timeout: a goodbye that may take for ever cannot be cancelled; give seconds")
    if when_full not in ("wait", "fail"):
        raise ConfigurationError(f"when_full: {when_full!r} is neither 'wait' nor 'fail'")
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise ConfigurationError(f"ssl_context: give an ssl.SSLContext, not {type(ssl_context).__name__}")
    url = target.realtime_url(call_id=call_id, intent=intent, query=query)
    prepare(voice_live=target.dialect == "voice-live")
    opening = Opening(
        url,
        resolve_credential(api_key, credential, scope=scope or default_scope(target.host)),
        fit_headers(headers or {}),
        ssl_context=ssl_context,
        proxy=proxy_for(url, proxy),
        max_message_size=max_message_size,
        compression=compression,
        subprotocols=fit_subprotocols(subprotocols),
        dial=dial,
        open_timeout=open_timeout,
        attempt_timeout=attempt_timeout,
        max_retries=max_retries,
    )
    opened = await opening.open()
    opened.websocket.watch = watch
    try:
        connection = Connection(
            opened, target, inbox_limit=inbox_limit, when_full=when_full, close_timeout=close_timeout
        )
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
        # What signs in is kept as long as the connection, so that others share its token; but Python from 3.12 on may
        # keep this frame until the caller's own ends.
        del opening, credential
        await abandon(opened.stream)


def _check_numbers(*, zero_is_well: bool = False, **numbers: Any) -> None:
    """Raises `ConfigurationError` for what is no number in *numbers*, or negative, or 0 (unless *zero_is_well*)."""
    for name, value in numbers.items():
        real = isinstance(value, int | float) and not isinstance(value, bool)
        try:
            real = real and not math.isnan(value)
        except OverflowError:  # no float holds it
            real = False
        if not real or value < 0 or (value == 0 and not zero_is_well):
            raise ConfigurationError(
                f"{name}: {value!r} is not a number {'of 0 or more' if zero_is_well else 'above 0'}"
            )


def _words(error: BaseException | None) -> str:
    """What went wrong, in the network's own words where there are some."""
    return "" if error is None else str(error.__cause__ or error) or type(error).__name__


def _bytes_per_ms(session: AnySession) -> float:
    """How much of the sound that goes to *session* is a millisecond: PCM16 at 24 kHz, unless it says otherwise."""
    audio = session.ga.audio
    said = audio.input.format if audio and audio.input else None
    if said is None:
        return 48.0
    rate = said.rate or 24000
    rate = rate if 0 < rate < 1_000_000 else 24000  # whatever the service says, this must not end the connection
    return _BYTES_PER_MS.get(said.type) or 2 * rate / 1000
