"""`realtime-azure ask`: a question in a WAV file or in writing, and the spoken answer to it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio import current_time

from .._tasks import service_group
from ..audio import pcm, wav
from ..connection import Connection, connect
from ..emulator import serve
from ..errors import AudioFileError, ConfigurationError, RealtimeError
from ..events.dicts import AudioInputDict, SessionAudioDict, SessionConfigDict
from . import configuration
from .dialogue import Asked, Dialogue
from .exit_codes import exit_code
from .player import play
from .screen import Screen


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
    parser.add_argument(
        "--timeout",
        type=configuration.seconds,
        default=30.0,
        metavar="S",
        help="how long the service may be quiet (%(default)g s)",
    )
    configuration.add_to(parser)
    parser.set_defaults(run=run)


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
        target = configuration.endpoint_of(options)
        asked.endpoint = target.origin
        with configuration.arguments_of(options) as how:
            async with connect(target, **how) as connection:
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
        dialogue = Dialogue(connection, asked, screen, fast=options.fast, patience=options.timeout)
        async with service_group() as tasks:
            tasks.start_soon(dialogue.send)
            await dialogue.listen()


def _session(options: argparse.Namespace, asked: Asked) -> SessionConfigDict:
    # A short pause inside a sentence should not end the question.
    listening: AudioInputDict = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}
    transcriber = options.transcribe_with or ("emulator" if asked.emulator else None)
    if transcriber is not None:
        asked.transcribing = True
        listening["transcription"] = {"model": transcriber}
    audio: SessionAudioDict = {"input": listening}
    if options.voice:
        audio["output"] = {"voice": options.voice}
    session: SessionConfigDict = {"type": "realtime", "output_modalities": ["audio"], "audio": audio}
    if options.instructions:
        session["instructions"] = options.instructions
    return session
