"""One connection of the emulator: hands what comes to its session, and does what takes time."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from anyio import BrokenResourceError, CancelScope, Event, Lock
from anyio.abc import TaskGroup
from pydantic_core import from_json, to_json

from .._tasks import service_group
from .._websocket import WebSocket
from ..audio.pcm import duration
from ..endpoint import Dialect
from ..errors import Refusal
from ..events.preview import from_dated, from_voice_live, server_to_dated, server_to_voice_live
from .answer import Answer, Fields, Timed, event
from .clock import Clock
from .faults import Faults, Trouble
from .handshake import Admitted, Door
from .refusals import Refused, check_voice_live, error_event
from .responder import FunctionCall, Reply, Responder, Said, Speaker, Transcriber, Turn, pieces
from .script import UnexpectedTurn
from .service import Cancel, Outcome, Respond, Service, Transcribe, encoded

logger = logging.getLogger("realtime_azure.emulator")


@dataclass(frozen=True)
class Seen:
    """A message that the emulator was sent, or sent: on its *connection*, counted from 1."""

    connection: int
    by_client: bool
    message: bytes = field(repr=False)


@dataclass
class Rules:
    """What every connection of one emulator shares."""

    door: Door
    refusals: deque[Refusal]
    faults: Faults
    responder: Responder
    transcriber: Transcriber | None
    speaker: Speaker
    pace: float
    session_lifetime: float
    rate_limits: bool
    clock: Clock
    watch: Callable[[Seen], None] | None


_Translation = Callable[[Mapping[str, Any]], Fields | None]
_WORDS: dict[Dialect, tuple[_Translation, _Translation]] = {
    "ga": (dict, dict),
    "preview": (from_dated, server_to_dated),
    "voice-live": (from_voice_live, server_to_voice_live),
}
"""What a client says, in GA's words, and what the service says, in the client's."""


class Line:
    """One connection: hands what comes to the service, and does what takes time."""

    def __init__(self, rules: Rules, websocket: WebSocket, service: Service, said: Admitted, trouble: Trouble) -> None:
        self._rules = rules
        self._trouble = trouble
        self._lifetime = trouble.lasting("expire") or rules.session_lifetime
        self._websocket = websocket
        self._service = service
        self._dialect, self._flat = said.dialect, said.dialect != "ga"
        self._to_ga, self._from_ga = _WORDS[said.dialect]
        self._said, self._hung_up = said.deployment, said.hung_up
        self._answering: dict[str, CancelScope] = {}  # response id → what stops it
        self._hearing = Lock()
        self._last_heard = (b"", "")

    async def serve(self) -> None:
        number = self._trouble.number
        async with service_group() as tasks:
            self._tasks: TaskGroup = tasks
            tasks.start_soon(self._websocket.drain)
            try:
                logger.info("connection %d begins (%s, %s)", number, self._dialect, self._said or "no deployment")
                await self._send(self._service.created())
                tasks.start_soon(self._websocket.pump, self._deliver)
                tasks.start_soon(self._expire)
                if self._hung_up is not None:
                    tasks.start_soon(self._leave, self._hung_up)
                await self._websocket.wait_ended()
            finally:
                await self._websocket.aclose(1001, "the emulator is shutting down", timeout=1.0)
                ending = self._websocket.ending
                code, reason = (1006, "") if ending is None else (ending.code, ending.reason)
                logger.info("connection %d ends with %d%s", number, code, f" ({reason})" if reason else "")

    async def _leave(self, hung_up: Event) -> None:
        """Where the call is over that the client is beside."""
        await hung_up.wait()
        await self._websocket.aclose(1000, "the call has ended", timeout=1.0)

    async def _expire(self) -> None:
        await self._rules.clock.sleep(self._lifetime)
        said = expired(self._lifetime)
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
            case Respond(answer=answer):
                scope = self._answering[answer.id] = CancelScope()
                self._tasks.start_soon(self._respond, outcome, scope)
            case Transcribe():
                self._tasks.start_soon(self._transcribe, outcome)
            case Cancel(answer=answer, reason=reason):
                self._answering[answer.id].cancel()
                await self._finish(answer, "cancelled", {"type": "cancelled", "reason": reason})
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

    async def _finish(self, answer: Answer, status: str, details: Fields | None) -> None:
        """Tells the end of *answer*, unless somebody else did while this waited."""
        await self._websocket.wait_room()
        self._answering.pop(answer.id, None)
        for fields in self._service.finish(answer, status, details):  # in one go: no new one may begin in between
            self._send_nowait(fields)

    async def _respond(self, due: Respond, scope: CancelScope) -> None:
        status, details = "completed", None
        with scope:
            try:
                await self._answer(due)
            except CutShort as cut:
                status, details = cut.ending()
            except UnexpectedTurn as exc:  # all its words, for they are meant for who reads the test
                status, details = _failed(None, str(exc))
            except Exception as exc:
                logger.exception("the responder failed")
                status, details = _failed(None, f"The emulator's responder failed: {type(exc).__name__}")
        if not scope.cancel_called:  # whoever cancelled it tells the end
            await self._finish(due.answer, status, details)

    async def _answer(self, due: Respond) -> None:
        turn = await self._understood(due.turn)
        async with aclosing(pieces(self._rules.responder, turn)) as saying:
            async for said in saying:
                await self._say(due.answer, said)

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
        if reply.text or reply.audio or not (reply.calls or reply.reason):
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
            if answer.id not in self._service.answers:  # cancelled, when this was about to go on: its end was told
                return
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
        kind = "rate_limit_exceeded" if reason.endswith("rate_limit_exceeded") else "server_error"
        return _failed(reason, f"The response failed: {reason}.", kind)


def _failed(code: str | None, message: str, kind: str = "server_error") -> tuple[str, Fields]:
    """The status of an answer that failed, and the details of it."""
    return "failed", {"type": "failed", "error": {"type": kind, "code": code, "message": message}}


def expired(lifetime: float) -> str:
    """What the service says at the end of a session of *lifetime* seconds."""
    number, unit = (round(lifetime / 60), "minute") if lifetime >= 60 else (round(lifetime), "second")
    return f"Your session hit the maximum duration of {number} {unit}{'' if number == 1 else 's'}."


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
