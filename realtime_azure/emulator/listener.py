"""The emulator on a port: handshakes, and one session for each connection. What is decided is in `service`."""

from __future__ import annotations

import logging
import math
import secrets
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Lock,
    create_tcp_listener,
    move_on_after,
    sleep_forever,
)
from anyio.abc import ByteStream, SocketAttribute, TaskGroup
from anyio.streams.tls import TLSStream
from pydantic_core import from_json, to_json
from websockets.exceptions import InvalidHandshake, InvalidMessage
from websockets.http11 import Request

from .._tasks import service_group
from .._websocket import WebSocket, abandon, answer_request, receive_request
from ..audio.pcm import duration
from ..endpoint import Dialect
from ..errors import ConfigurationError, Refusal
from ..events.preview import from_dated, from_voice_live, server_to_dated, server_to_voice_live
from ..events.wire import prepare
from . import voice
from .answer import Answer, Fields, Timed, event
from .clock import Clock
from .faults import Fault, Faults, Trouble
from .faulty import FaultyStream
from .handshake import NO_HANDSHAKE, Admitted, Door, asked_for, refused, signed
from .http import HttpLine, listen
from .memory import line
from .refusals import Refused, check_voice_live, error_event
from .responder import FunctionCall, Reply, Responder, Said, Speaker, Transcriber, Turn, recorded_answer, tone
from .rest import Rest
from .rest.realtime import configure
from .script import UnexpectedTurn
from .service import LIFETIME, Cancel, Outcome, Respond, Service, Transcribe, encoded

PACE = 5.0
HANDSHAKE_TIMEOUT = 10.0
_GONE = (BrokenResourceError, ClosedResourceError, OSError, EOFError, EndOfStream, InvalidHandshake)
logger = logging.getLogger("realtime_azure.emulator")


class Emulator:
    """A running emulator. *url* is the endpoint to connect to, *api_key* the key it takes."""

    def __init__(self, url: str, rules: _Rules, tasks: TaskGroup) -> None:
        self.url = url
        self._rules = rules
        self._tasks = tasks

    def __repr__(self) -> str:
        return f"<Emulator at {self.url}>"

    @property
    def api_key(self) -> str:
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
        """Adds *faults* to the connections that are made inside the `with`; see `realtime_azure.emulator.faults`."""
        return self._rules.faults.during(*faults)

    async def dial(self, url: str) -> ByteStream:
        """A line to it inside this process, for `connect(emulator.url, dial=emulator.dial)`; *url* may be any."""
        near, far = line()
        self._tasks.start_soon(self._rules.serve_connection, far)
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
    (`VirtualClock` for tests), *watch* is called with each message that comes or goes. With *ssl_context*, a
    server's, it speaks TLS.

    Raises `OSError` if the port cannot be had, and `ConfigurationError` for numbers that are not positive.
    """
    for name, value in (("pace", pace), ("session_lifetime", session_lifetime)):
        if not value > 0:
            raise ConfigurationError(f"{name}: {value} is not a positive number")
    prepare()
    can_speak = voice.available()
    rules = _Rules(
        door=Door(api_key or secrets.token_hex(16), tuple(deployments)),
        refusals=deque(refuse),
        faults=Faults(faults, seed),
        ssl_context=ssl_context,
        responder=responder or (voice.spoken_answer if can_speak else recorded_answer),
        transcriber=transcriber or (voice.transcribe if can_speak else None),
        speaker=voice.speak if can_speak else tone,
        pace=pace,
        session_lifetime=session_lifetime,
        rate_limits=rate_limits,
        clock=clock or Clock(),
        watch=watch,
    )
    if port is None:
        async with service_group() as tasks:
            yield Emulator("http://localhost", rules, tasks)
        return
    async with await create_tcp_listener(local_host=host, local_port=port) as listener, service_group() as tasks:
        bound = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, rules.serve_connection)
        # An endpoint to connect to: every address of this machine (0.0.0.0, ::) includes the one it calls itself by.
        near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        shown = f"[{near}]" if ":" in near else near
        yield Emulator(f"{'http' if ssl_context is None else 'https'}://{shown}:{bound}", rules, tasks)


@dataclass(frozen=True)
class Seen:
    """A message that the emulator was sent, or sent: on its *connection*, counted from 1."""

    connection: int
    by_client: bool
    message: bytes = field(repr=False)


@dataclass
class _Rules:
    """What every connection of one emulator shares."""

    door: Door
    refusals: deque[Refusal]
    faults: Faults
    ssl_context: ssl.SSLContext | None
    responder: Responder
    transcriber: Transcriber | None
    speaker: Speaker
    pace: float
    session_lifetime: float
    rate_limits: bool
    clock: Clock
    watch: Callable[[Seen], None] | None

    async def serve_connection(self, stream: ByteStream) -> None:
        try:
            line = None
            with move_on_after(HANDSHAKE_TIMEOUT) as patience:
                if self.ssl_context is not None:
                    stream = await TLSStream.wrap(
                        stream, server_side=True, ssl_context=self.ssl_context, standard_compatible=False
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

    @cached_property
    def rest(self) -> Rest:
        return Rest(self)

    async def _accept(self, stream: ByteStream, patience: CancelScope) -> _Line | HttpLine | None:
        try:
            asking = await listen(stream, self.rest.answer)
            if isinstance(asking, HttpLine):
                return asking
            protocol, request = await receive_request(asking)
        except InvalidMessage:
            await stream.send(signed(refused(NO_HANDSHAKE)).serialize())
            return None
        trouble, said = self._meet(request)
        if trouble.at_handshake == "black_hole":
            patience.deadline = math.inf
            await sleep_forever()
        if trouble.at_handshake == "drop":
            return None
        match said:
            case Refusal():
                answer = refused(said)
            case Admitted():
                answer = protocol.accept(request)
                if answer.status_code != 101:
                    answer = refused(replace(NO_HANDSHAKE, status=answer.status_code))
        skew = trouble.lasting("clock_skew") or 0.0
        websocket = await answer_request(stream, protocol, signed(answer, skew), lambda s: FaultyStream(s, trouble))
        if websocket is None or not isinstance(said, Admitted):
            return None
        service = Service(
            said.deployment,
            transcription=said.transcription,
            voice_live=said.dialect == "voice-live",
            lifetime=trouble.lasting("expire") or self.session_lifetime,
            rate_limits=self.rate_limits,
            now=lambda: self.clock.now() + skew,
        )
        configure(service, said.settings)
        if (watch := self.watch) is not None:
            number = trouble.number
            websocket.watch = lambda way, message: watch(Seen(number, way == "received", message))
        return _Line(self, websocket, service, said.dialect, trouble)

    def _meet(self, request: Request) -> tuple[Trouble, Admitted | Refusal]:
        """What *request* meets at the door, and on the way."""
        try:
            met = self.faults.strike(asked_for(request.path))
        except ConfigurationError as exc:
            return Trouble(), replace(NO_HANDSHAKE, message=str(exc))
        if isinstance(met, Refusal):
            return Trouble(), met
        return met, self.refusals.popleft() if self.refusals else self.door.examine(request)


_Translation = Callable[[Mapping[str, Any]], Fields | None]
_WORDS: dict[Dialect, tuple[_Translation, _Translation]] = {
    "ga": (dict, dict),
    "preview": (from_dated, server_to_dated),
    "voice-live": (from_voice_live, server_to_voice_live),
}
"""What a client says, in GA's words, and what the service says, in the client's."""


class _Line:
    """One connection: hands what comes to the service, and does what takes time."""

    def __init__(
        self, rules: _Rules, websocket: WebSocket, service: Service, dialect: Dialect, trouble: Trouble
    ) -> None:
        self._rules = rules
        self._trouble = trouble
        self._lifetime = trouble.lasting("expire") or rules.session_lifetime
        self._websocket = websocket
        self._service = service
        self._dialect, self._flat = dialect, dialect != "ga"
        self._to_ga, self._from_ga = _WORDS[dialect]
        self._answering: CancelScope | None = None
        self._hearing = Lock()
        self._last_heard = (b"", "")

    async def serve(self) -> None:
        async with service_group() as tasks:
            self._tasks: TaskGroup = tasks
            tasks.start_soon(self._websocket.drain)
            try:
                await self._send(self._service.created())
                tasks.start_soon(self._websocket.pump, self._deliver)
                tasks.start_soon(self._expire)
                await self._websocket.wait_ended()
            finally:
                await self._websocket.aclose(1001, "the emulator is shutting down", timeout=1.0)

    async def _expire(self) -> None:
        await self._rules.clock.sleep(self._lifetime)
        said = EXPIRED.format(minutes=round(self._lifetime / 60))
        error = {"type": "invalid_request_error", "code": "session_expired", "message": said}
        await self._send(event("error", error={**error, "param": None, "event_id": None}))
        await self._websocket.aclose(1001, said, timeout=1.0)

    async def _deliver(self, messages: list[bytes]) -> None:
        for message in messages:
            if (error := self._trouble.heard(message)) is not None:
                await self._send(error)
                continue
            try:
                said, checked = self._in_ga(message)
                for outcome in self._service.receive(said, flat=self._flat, checked=checked):
                    await self._do(outcome)
            except Refused as refusal:
                await self._send(error_event(refusal, message))
            except Exception:
                logger.exception("an event could not be answered")
                await self._send(event("error", error=_FAILED))

    def _in_ga(self, message: bytes) -> tuple[bytes, bool]:
        """*message* in GA's words, and whether its fields were seen to be its dialect's. Raises `Refused`."""
        if not self._flat:
            return message, False
        try:
            fields = from_json(message)
        except ValueError:
            return message, False
        if not isinstance(fields, dict):
            return message, False
        settings = self._dialect == "voice-live" and fields.get("type") in ("session.update", "response.create")
        if settings:
            check_voice_live(message)
        return to_json(self._to_ga(fields)), settings

    async def _do(self, outcome: Outcome) -> None:
        match outcome:
            case Respond():
                self._answering = CancelScope()
                self._tasks.start_soon(self._respond, outcome, self._answering)
            case Transcribe():
                self._tasks.start_soon(self._transcribe, outcome)
            case Cancel(reason=reason):
                if self._answering is not None:
                    self._answering.cancel()
                await self._finish("cancelled", {"type": "cancelled", "reason": reason})
            case _:
                await self._send(outcome)

    async def _send(self, fields: Fields) -> None:
        await self._websocket.wait_room()
        self._send_nowait(fields)

    def _send_nowait(self, fields: Fields) -> None:
        said = self._from_ga(fields)
        if said is None:
            return
        with suppress(BrokenResourceError):  # it has ended, and `serve` is leaving
            for message in self._trouble.said(to_json(said)):
                self._websocket.send_nowait(message)
            if self._trouble.close_code is not None:
                self._tasks.start_soon(self._websocket.aclose, self._trouble.close_code, "as it was asked to")

    async def _finish(self, status: str = "completed", details: Fields | None = None) -> None:
        await self._websocket.wait_room()
        for fields in self._service.finish(status, details):  # in one go: no new answer may begin in between
            self._send_nowait(fields)

    async def _respond(self, due: Respond, scope: CancelScope) -> None:
        status, details = "completed", None
        with scope:
            try:
                await self._answer(due)
            except CutShort as cut:
                status, details = cut.ending()
            except Exception as exc:
                message = f"The emulator's responder failed: {type(exc).__name__}"
                if isinstance(exc, UnexpectedTurn):
                    message = str(exc)
                else:
                    logger.exception("the responder failed")
                error = {"type": "server_error", "code": None, "message": message}
                status, details = "failed", {"type": "failed", "error": error}
        if self._service.answer is due.answer:  # else it was cancelled, and whoever did that has told the end
            await self._finish(status, details)

    async def _answer(self, due: Respond) -> None:
        saying = self._rules.responder(await self._understood(due.turn))
        if not isinstance(saying, AsyncIterator):
            await self._say(due.answer, await saying)
            return
        try:
            async for said in saying:
                await self._say(due.answer, said)
        finally:
            if isinstance(saying, AsyncGenerator):
                with CancelScope(shield=True):
                    await saying.aclose()

    async def _understood(self, turn: Turn) -> Turn:
        """*turn* with what was said in it, if that can be told; an answer needs no transcript."""
        if not turn.speech_seconds or self._rules.transcriber is None:
            return turn
        try:
            return replace(turn, transcript=await self._words(self._rules.transcriber, turn.audio))
        except Exception:
            logger.exception("the transcriber failed")
            return turn

    async def _say(self, answer: Answer, said: Said) -> None:
        if isinstance(said, FunctionCall):
            said = Reply(calls=(said,))
        reply = Reply(said) if isinstance(said, str) else said
        if reply.text or reply.audio or not reply.calls:
            sound = b""
            if answer.spoken:
                pcm = reply.audio if reply.audio is not None else await self._rules.speaker(reply.text)
                form = answer.audio_output["format"]
                sound = encoded(pcm, form["type"], form.get("rate"))
            await self._tell(answer, answer.say(reply.text, sound))
        for call in reply.calls:
            arguments = call.arguments if isinstance(call.arguments, str) else to_json(call.arguments).decode()
            await self._tell(answer, answer.call(call.name, arguments))
        if reply.reason is not None:
            raise CutShort(reply.reason)

    async def _tell(self, answer: Answer, events: Iterator[Timed]) -> None:
        clock, pace = self._rules.clock, self._rules.pace
        due = clock.ticks()
        while True:
            # Before the next is made, for what was made was said: a cancelled answer ends with what was sent of it.
            await self._websocket.wait_room()
            fields, seconds = next(events, (None, 0.0))
            if fields is None:
                return
            self._send_nowait(fields)
            if isinstance(answer.max_output_tokens, int) and answer.tokens >= answer.max_output_tokens:
                raise CutShort("max_output_tokens")
            if seconds and not math.isinf(pace):
                due += seconds / pace  # by the clock: one that was late must not make all that follow late
                await clock.sleep(max(0.0, due - clock.ticks()))

    async def _transcribe(self, due: Transcribe) -> None:
        kind = "conversation.item.input_audio_transcription"
        where: Fields = {"item_id": due.item_id, "content_index": 0}
        if self._rules.transcriber is None:
            await self._send(event(f"{kind}.failed", **where, error=_NO_TRANSCRIBER))
            return
        try:
            transcript = await self._words(self._rules.transcriber, due.audio)
        except Exception as exc:
            logger.exception("the transcriber failed")
            message = f"The emulator's transcriber failed: {type(exc).__name__}"
            await self._send(event(f"{kind}.failed", **where, error={**_NO_TRANSCRIBER, "message": message}))
            return
        usage = {"type": "duration", "seconds": round(duration(due.audio), 2)}
        await self._send(event(f"{kind}.completed", **where, transcript=transcript, usage=usage))

    async def _words(self, transcriber: Transcriber, audio: bytes) -> str:
        """What *audio* says; the turn and its transcription event ask for the same sound, which is heard once."""
        async with self._hearing:
            if self._last_heard[0] != audio:
                self._last_heard = (audio, await transcriber(audio))
            return self._last_heard[1]


class CutShort(Exception):
    """An answer that is not completed, for *reason*."""

    def ending(self) -> tuple[str, Fields]:
        """Its status, and the details of it."""
        reason = str(self)
        if reason in ("max_output_tokens", "content_filter"):
            return "incomplete", {"type": "incomplete", "reason": reason}
        error = {"type": "server_error", "code": reason, "message": f"The response failed: {reason}."}
        return "failed", {"type": "failed", "error": error}


EXPIRED = "Your session hit the maximum duration of {minutes} minutes."
_FAILED: Fields = {
    "type": "server_error",
    "code": None,
    "message": "The emulator had an error while processing your request; its log says which.",
    "param": None,
    "event_id": None,
}
_NO_TRANSCRIBER = {
    "type": "server_error",
    "code": "emulator_cannot_transcribe",
    "message": "The emulator hears speech, not words; its extra emulator-voice lets it try.",
    "param": None,
}
