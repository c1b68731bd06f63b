"""`realtime-azure ask`: a question in a WAV file or in writing, and the spoken answer to it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import CancelScope, Event, current_time, move_on_after, sleep_until

from .._tasks import service_group
from ..audio import pcm, wav
from ..connection import Connection, connect
from ..emulator import serve
from ..endpoint import Endpoint
from ..errors import AudioFileError, ConfigurationError, ConnectionClosed, RealtimeError
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
from .exit_codes import NoAnswer, Refused, exit_code
from .player import play
from .screen import Screen

PIECE_MS = 40
SPEECH_LEVEL = 0.01
"""A piece louder than this (-40 dBFS) may be speech: for telling where the question ends, not for the service."""

SILENCE_SECONDS = 3.0
"""How much silence follows the question, at most, before the turn is ended by hand."""

TRANSCRIPT_PATIENCE = 2.0


_BENIGN = ("input_audio_buffer_commit_empty", "conversation_already_has_active_response")
"""Errors that only say that the service found the end of the turn just before it was told."""


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "ask",
        help="ask a recorded or written question, hear a spoken answer",
        description="Streams a question to a realtime model as a microphone would, shows what is said on both sides, "
        "and writes the spoken answer to a WAV file. Without an endpoint it asks an emulator, in this process. "
        "AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_OPENAI_DEPLOYMENT_NAME and OPENAI_API_VERSION "
        "configure Azure.",
        epilog="examples: realtime-azure ask question.wav -o answer.wav --play | realtime-azure ask --text 'Hello!'",
    )
    parser.add_argument(
        "question", nargs="?", type=Path, metavar="QUESTION.wav", help="any PCM or G.711 WAV; made 24 kHz mono"
    )
    parser.add_argument("--text", help="ask in writing instead")
    parser.add_argument("-o", "--output", type=Path, metavar="ANSWER.wav", help="where to write the answer's sound")
    parser.add_argument("--play", action="store_true", help="play the answer, if there is a player on this machine")
    parser.add_argument("--fast", action="store_true", help="send the question as fast as it goes, not as it sounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--instructions", help="what the model is to be (a system prompt)")
    parser.add_argument("--voice", help="the voice of the answer")
    parser.add_argument(
        "--transcribe-with", metavar="DEPLOYMENT", help="also write down the question, with this deployment"
    )
    parser.add_argument("--endpoint", metavar="URL", help="the resource, instead of AZURE_OPENAI_ENDPOINT")
    parser.add_argument("--deployment", metavar="NAME", help="instead of AZURE_OPENAI_DEPLOYMENT_NAME")
    parser.add_argument("--api-version", metavar="V", help="'v1' or a dated version, instead of OPENAI_API_VERSION")
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="S", help="how long the service may be quiet (%(default)g s)"
    )
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


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


def run(options: argparse.Namespace) -> int:
    screen = Screen(silent=options.json)
    asked = Asked(options.question, options.text)
    error: BaseException | None = None
    try:
        _check(options)
        if options.question is not None:
            asked.pcm = wav.read(options.question).pcm
            screen.line("question", f"{options.question} ({pcm.duration(asked.pcm):.1f} s)")
        anyio.run(_ask, options, asked, screen)
    except (RealtimeError, KeyboardInterrupt) as exc:
        error = exc
    written = None
    try:
        written = _write_answer(options.output, asked)
    except AudioFileError as exc:
        error = error or exc
    if options.json:
        _print_json(asked, written, error)
    else:
        _report(asked, screen, options.output, written)
        if error is not None:
            raise error
    if options.play and error is None:
        anyio.run(_play, asked, screen, written)
    return exit_code(error) if error is not None else 0


def _write_answer(output: Path | None, asked: Asked) -> Path | None:
    """Writes what came of the answer, all of it or not; where to, or None if there is nothing to write."""
    if output is None or not asked.sound:
        return None
    wav.write(output, bytes(asked.sound))
    return output


def _report(asked: Asked, screen: Screen, output: Path | None, written: Path | None) -> None:
    screen.end_stream("answer", "" if asked.done else asked.answer)
    screen.clear()
    if asked.done is not None:
        latency = asked.latency_ms()
        since = "end of speech" if asked.text is None else "question"
        kind = "sound" if latency["first_audio"] is not None else "text"
        first = latency["first_audio"] if kind == "sound" else latency["first_text"]
        until = f"{since} → first {kind} {first} ms · " if first is not None else ""
        screen.line("latency", f"{until}total {latency['total']} ms")
    if asked.usage is not None:
        screen.line("usage", f"{asked.usage.input_tokens} tokens in · {asked.usage.output_tokens} out")
    seconds = pcm.duration(asked.sound)
    if written is not None:
        whole = "" if asked.status == "completed" else " (incomplete: this is what was received)"
        screen.line("sound", f"{written} ({seconds:.1f} s){whole}")
    elif output is not None and asked.started is not None and not asked.sound:
        screen.line("sound", f"{output} was not written: no sound came")


def _print_json(asked: Asked, written: Path | None, error: BaseException | None) -> None:
    said = asked.as_json()
    said["answer"]["file"] = str(written) if written else None
    if error is not None:
        facts = {name: getattr(error, name, None) for name in ("status", "code", "request_id", "hint")}
        said["error"] = {
            "kind": type(error).__name__,
            "message": str(error) or "interrupted",
            **{name: value for name, value in facts.items() if value},
            "exit_code": exit_code(error),
        }
    # ASCII, for a reader of any encoding; flushed, for one who has gone (`| head`) to be noticed here.
    print(json.dumps(said), flush=True)


async def _play(asked: Asked, screen: Screen, written: Path | None) -> None:
    if not asked.sound:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = written or Path(folder) / "answer.wav"
        if written is None:
            wav.write(file, bytes(asked.sound))
        player = await play(file, pcm.duration(asked.sound))
    if player is None:
        where = f"the answer is in {written}" if written else "-o ANSWER.wav keeps the answer"
        screen.note(f"(not played: no player on this machine works; {where})")
    else:
        screen.note(f"(played with {player})")


def _check(options: argparse.Namespace) -> None:
    """Refuses what cannot work, before anything is read or sent."""
    if (options.question is None) == (options.text is None):
        raise ConfigurationError("give a question: either a WAV file, or --text 'in writing'")
    if options.text is not None and not options.text.strip():
        raise ConfigurationError("--text: the question is empty")
    output: Path | None = options.output
    if output is None:
        return
    if not _may_be_file(output):
        raise ConfigurationError(f"--output: {output} cannot be a file: choose a name in a folder that exists")
    if options.question is not None and _is_same_file(output, options.question):
        raise ConfigurationError(f"--output: {output} is the question; choose another name")


def _may_be_file(path: Path) -> bool:
    try:
        return path.absolute().parent.is_dir() and not path.is_dir()
    except OSError:  # too long a name, or a folder that may not be searched
        return False


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


@asynccontextmanager
async def _service(options: argparse.Namespace, asked: Asked, screen: Screen) -> AsyncGenerator[Connection]:
    """A connection to what is configured, else to an emulator in this process."""
    if options.endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT"):
        target = Endpoint.resolve(options.endpoint, deployment=options.deployment, api_version=options.api_version)
        asked.endpoint = target.origin
        async with connect(target) as connection:
            yield connection
        return
    async with serve() as emulator:
        asked.endpoint, asked.emulator = emulator.url, True
        screen.note("No endpoint is configured, so this asks the emulator, on this machine (see --help for Azure).")
        async with connect(
            emulator.url,
            deployment=options.deployment or "emulator",
            api_version=options.api_version or "v1",
            api_key=emulator.api_key,
        ) as connection:
            yield connection


async def _ask(options: argparse.Namespace, asked: Asked, screen: Screen) -> None:
    async with _service(options, asked, screen) as connection:
        asked.started = current_time()
        await connection.session.update(_session(options, asked), event_id="ask_session")
        dialogue = _Dialogue(connection, asked, screen, fast=options.fast, patience=options.timeout)
        async with service_group() as tasks:
            tasks.start_soon(dialogue.send)
            await dialogue.listen()


def _session(options: argparse.Namespace, asked: Asked) -> dict[str, Any]:
    # A short pause inside a sentence should not end the question.
    listening: dict[str, Any] = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}
    transcriber = options.transcribe_with or ("emulator" if asked.emulator else None)
    if transcriber is not None:
        asked.transcribing = True
        listening["transcription"] = {"model": transcriber}
    speaking = {"voice": options.voice} if options.voice else {}
    session: dict[str, Any] = {"type": "realtime", "output_modalities": ["audio"], "audio": {"input": listening}}
    if speaking:
        session["audio"]["output"] = speaking
    if options.instructions:
        session["instructions"] = options.instructions
    return session


def _speech_ends_ms(sound: bytes) -> int:
    """Where the last of *sound* that may be speech ends: no pause before it is the end of the question."""
    loud = [place for place, piece in enumerate(pcm.chunks(sound, PIECE_MS), 1) if pcm.level(piece) > SPEECH_LEVEL]
    return min(loud[-1] * PIECE_MS, round(pcm.duration(sound) * 1000)) if loud else 0


class _Dialogue:
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
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
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
