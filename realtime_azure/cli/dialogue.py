"""One question and its answer: what is sent and heard, when, and what came of it.

A spoken question may go on after a pause, and the service may then have begun to answer its first part; the answer
is what follows the end of the question.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import CancelScope, Event, current_time, move_on_after, sleep_until

from ..audio import pcm
from ..connection import Connection
from ..errors import ConnectionClosed
from ..events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    ServerEvent,
    SessionCreated,
    Usage,
)
from ..events.dicts import MessageDict
from .exit_codes import NoAnswer, Refused
from .screen import Screen

PIECE_MS = 40
SPEECH_LEVEL = 0.01
"""A piece louder than this (-40 dBFS) may be speech: for telling where the question ends, not for the service."""

SILENCE_SECONDS = 3.0
"""How much silence follows the question, at most, before the turn is ended by hand."""

TRANSCRIPT_PATIENCE = 2.0


_BENIGN = ("input_audio_buffer_commit_empty", "conversation_already_has_active_response")
"""Errors that only say that the service found the end of the turn just before it was told."""


@dataclass
class Asked:
    """A question and what became of it. Times are the event loop's, in seconds."""

    file: Path | None
    text: str | None
    pcm: bytes = field(default=b"", repr=False)
    transcript: str | None = None
    """What the service says was asked."""
    answer: str = ""
    sound: bytearray = field(default_factory=bytearray, repr=False)
    status: str | None = None
    usage: Usage | None = None
    endpoint: str = ""
    emulator: bool = False
    transcribing: bool = False
    session_id: str | None = None
    started: float | None = None
    speech_ended: float | None = None
    first_text: float | None = None
    first_audio: float | None = None
    done: float | None = None

    def latency_ms(self) -> dict[str, int | None]:
        since = self.speech_ended if self.text is None else self.started
        return {
            "first_text": _ms(since, self.first_text),
            "first_audio": _ms(since, self.first_audio),
            "total": _ms(self.started, self.done),
        }

    def as_json(self) -> dict[str, Any]:
        question: dict[str, Any] = {"text": self.text} if self.text is not None else {"file": str(self.file)}
        if self.text is None:
            question |= {"seconds": round(pcm.duration(self.pcm), 3), "transcript": self.transcript}
        return {
            "question": question,
            "answer": {
                "transcript": self.answer,
                "seconds": round(pcm.duration(self.sound), 3),
                "status": self.status,
                "complete": self.status == "completed",
            },
            "latency_ms": self.latency_ms(),
            "usage": self.usage.model_dump(exclude_unset=True) if self.usage else None,
            "endpoint": self.endpoint,
            "emulator": self.emulator,
            "session_id": self.session_id,
        }


def _ms(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)


def _speech_ends_ms(sound: bytes) -> int:
    """Where the last of *sound* that may be speech ends: no pause before it is the end of the question."""
    loud = [place for place, piece in enumerate(pcm.chunks(sound, PIECE_MS), 1) if pcm.level(piece) > SPEECH_LEVEL]
    return min(loud[-1] * PIECE_MS, round(pcm.duration(sound) * 1000)) if loud else 0


class Dialogue:
    """One question and its answer: one task sends, one listens; `_settled` says when all is said."""

    def __init__(self, connection: Connection, asked: Asked, screen: Screen, *, fast: bool, patience: float) -> None:
        self._connection = connection
        self._asked = asked
        self._screen = screen
        self._fast = fast
        self._patience = patience
        self._speech_ends_ms = 0
        self._turn_over = Event()  # the question has been heard to its end
        self._in_speech = False
        self._committed = False
        self._owed = False  # a response has been asked for, and is not done
        self._transcripts_owed = 0
        self._waiting = CancelScope()

    # Sending

    async def send(self) -> None:
        with suppress(ConnectionClosed):  # `listen` says how it ended
            if self._asked.text is not None:
                await self._write(self._asked.text)
            else:
                await self._speak(self._asked.pcm)

    async def _write(self, text: str) -> None:
        item: MessageDict = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self._connection.conversation.item.create(item)
        await self._end_turn()

    async def _end_turn(self) -> None:
        self._owed = True
        self._end_turn_here()
        await self._connection.response.create()

    def _end_turn_here(self) -> None:
        self._turn_over.set()
        self._waiting.cancel()  # `listen` may have heard all there is to hear

    async def _speak(self, sound: bytes) -> None:
        total = pcm.duration(sound)
        self._speech_ends_ms = _speech_ends_ms(sound)
        start = current_time()
        sent = 0.0
        for piece in pcm.chunks(sound, PIECE_MS):
            loudness = pcm.level(piece)
            sent = await self._send_piece(piece, start, sent)
            if loudness > SPEECH_LEVEL:
                self._asked.speech_ended = current_time()
            self._screen.meter("sending", loudness, f"{sent:.1f} / {total:.1f} s")
        self._asked.speech_ended = self._asked.speech_ended or current_time()
        for piece in pcm.chunks(pcm.silence(SILENCE_SECONDS), PIECE_MS):
            if self._turn_over.is_set():
                return
            sent = await self._send_piece(piece, start, sent)
            self._screen.meter("waiting", 0.0, "for the end of the turn")
        if self._fast:
            # Nothing was paced, so the service may still be listening.
            with move_on_after(SILENCE_SECONDS):
                await self._turn_over.wait()
        if self._turn_over.is_set():
            return
        if self._committed and not self._in_speech:
            self._end_turn_here()
            return
        await self._connection.input_audio_buffer.commit()
        await self._end_turn()

    async def _send_piece(self, piece: bytes, start: float, sent: float) -> float:
        """Sends *piece* when a microphone would have it whole; how many seconds have been sent by then."""
        sent += pcm.duration(piece)
        if not self._fast:
            await sleep_until(start + sent)
        await self._connection.input_audio_buffer.append(piece)
        return sent

    # Listening

    async def listen(self) -> None:
        """Returns when the answer is complete. Raises `Refused`, `NoAnswer` or `ConnectionLost`."""
        while not self._settled():
            event = await self._next()
            if event is not None:
                self._hear(event)
        with move_on_after(TRANSCRIPT_PATIENCE), suppress(ConnectionClosed):
            while self._transcripts_owed > 0:
                self._hear(await self._connection.receive())

    def _settled(self) -> bool:
        return self._turn_over.is_set() and not self._owed and not self._in_speech and self._asked.status is not None

    async def _next(self) -> ServerEvent | None:
        """The next event; None if there may be nothing to wait for any more."""
        asking = not self._turn_over.is_set()
        with move_on_after(self._patience) as self._waiting:
            return await self._connection.receive()
        # A question that is still being spoken is not the service's silence.
        if not asking and current_time() >= self._waiting.deadline:
            raise NoAnswer(f"the service has said nothing for {self._patience:g} s")
        return None

    def _hear(self, event: ServerEvent) -> None:
        asked, screen = self._asked, self._screen
        match event:
            case ResponseOutputAudioDelta(delta=sound):
                asked.first_audio = asked.first_audio or current_time()
                asked.sound += sound
            case ResponseOutputAudioTranscriptDelta(delta=text) | ResponseOutputTextDelta(delta=text):
                asked.first_text = asked.first_text or current_time()
                asked.answer += text
                screen.stream("answer", text)
            case ErrorEvent(error=error) if error.code not in _BENIGN:
                raise Refused(f"the service answered with an error: {error.message or error.code or 'no reason given'}")
            case SessionCreated(session=session):
                asked.session_id = session.id
            case _:
                self._hear_turn(event)
                self._hear_transcript(event)

    def _hear_turn(self, event: ServerEvent) -> None:
        asked = self._asked
        match event:
            case InputAudioBufferSpeechStarted():
                self._in_speech = True
                self._start_over()
            case InputAudioBufferSpeechStopped(audio_end_ms=end):
                self._in_speech = False
                if end is not None and self._speech_ends_ms and end >= self._speech_ends_ms:
                    self._turn_over.set()
            case InputAudioBufferCommitted():
                self._committed = self._owed = True
                self._transcripts_owed += asked.transcribing
            case ResponseCreated():
                self._owed = True
            case ResponseDone(response=response):
                self._owed = False
                if response.status == "cancelled" and self._in_speech:
                    return  # the question went on
                asked.done, asked.status, asked.usage = current_time(), response.status, response.usage
                self._screen.end_stream("answer", asked.answer)
                if response.status == "failed":
                    details = response.status_details
                    error = details.error if details else None
                    raise Refused(f"the response failed: {(error and error.message) or 'no reason given'}")
            case _:
                pass

    def _start_over(self) -> None:
        """The question goes on after a pause: what was answered to its first part is not the answer."""
        asked = self._asked
        if asked.answer or asked.sound:
            self._screen.end_stream("answer", "" if asked.done else asked.answer)
            self._screen.note("(the question goes on, so that answer does not count)")
        asked.answer, asked.status, asked.usage = "", None, None
        asked.sound.clear()
        asked.first_audio = asked.first_text = asked.done = None

    def _hear_transcript(self, event: ServerEvent) -> None:
        asked, screen = self._asked, self._screen
        match event:
            case ConversationItemInputAudioTranscriptionDelta(delta=text):
                screen.stream("you", text)
                return
            case ConversationItemInputAudioTranscriptionCompleted(transcript=text):
                asked.transcript = f"{asked.transcript or ''} {text}".strip()
                screen.end_stream("you", text.strip())
            case ConversationItemInputAudioTranscriptionFailed(error=error):
                screen.line("you", f"(no transcript: {error.message or error.code or 'transcription failed'})")
            case _:
                return
        self._transcripts_owed -= 1
