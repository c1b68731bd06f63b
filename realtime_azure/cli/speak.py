"""`realtime-azure speak`: a text spoken, into a file, a pipe or a player."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import anyio

from ..audio import pcm, wav
from ..errors import AnswerCut, AudioFileError, ConfigurationError, RealtimeError
from ..rest import Sound
from ..rest.audio import SpeechOptions
from . import resource
from .exit_codes import NoAnswer
from .player import PLAYERS, play
from .resource import told
from .screen import Screen

DESCRIPTION = """\
Has a text spoken by a speech model (tts, gpt-4o-mini-tts), and writes the sound to a file as it comes. Without -o it is
played, if there is a player on this machine. pcm is 16 bits, mono, 24 kHz, without a header."""

EPILOG = f"""\
examples:
  realtime-azure speak --emulator 'Hello!' -o hello.wav
  realtime-azure speak --deployment gpt-4o-mini-tts --voice coral --instructions 'Whisper.' 'Good night.'
  realtime-azure speak - -o story.mp3 < story.txt
  realtime-azure speak 'Hello!' --format pcm -o - | aplay -f S16_LE -r 24000

{resource.EXIT_CODES}"""

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
ENDINGS = {f".{name}": name for name in FORMATS} | {".ogg": "opus"}
LONGEST = 600.0
"""Seconds that a sound may play whose length is not known here."""


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "speak",
        help="have a text spoken",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to say; - is stdin, and so is nothing in a pipe")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the sound; - is stdout")
    parser.add_argument("--play", action="store_true", help="play it, too, if it is written to a file")
    parser.add_argument("--voice", default="alloy", help="who speaks (%(default)s)")
    parser.add_argument("--instructions", help="how to speak, for the models that can be told")
    parser.add_argument("--format", choices=FORMATS, help="what FILE's name ends with, else wav")
    resource.add_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.text is None and sys.stdin.isatty():
        raise ConfigurationError("give a text to speak, or - for stdin")
    options.text = resource.text_in(options.text, "the text")
    _check(options)
    if options.format is None:
        options.format = ENDINGS.get(Path(options.output or "").suffix.lower(), "wav")
    screen = Screen(sys.stderr if options.output == "-" else None)
    if options.output is None:
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(_speak, options, Path(folder) / f"speech.{options.format}", screen)
    else:
        anyio.run(_speak, options, None if options.output == "-" else Path(options.output), screen)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuses what cannot work, before anything is sent."""
    if options.output == "-":
        if sys.stdout.isatty():
            raise ConfigurationError("--output: stdout is a terminal, which cannot show sound; name a file, or pipe it")
        if options.play:
            raise ConfigurationError("--play: what goes to stdout is for the next in the pipe to play")
    elif options.output is not None:
        path = Path(options.output)
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise ConfigurationError(f"--output: {path} cannot be a file: choose a name in a folder that exists")
    elif not any(shutil.which(command) for command, *_ in PLAYERS):
        raise ConfigurationError("there is no player on this machine; -o FILE writes the sound to a file")


async def _speak(options: argparse.Namespace, path: Path | None, screen: Screen) -> None:
    """Writes the sound to *path*, or to stdout; then plays it, if that is wanted."""
    wish: SpeechOptions = {"instructions": options.instructions} if options.instructions else {}
    async with resource.opened(options) as client:
        try:
            with told():
                screen.status("asking …")
                sound = await client.audio.speech.create(
                    input=options.text, voice=options.voice, response_format=options.format, stream=True, **wish
                )
                async with sound:
                    with _file(path) as file:
                        written = await _write(sound, file, options, screen)
        finally:
            screen.clear()
    if not written:
        raise NoAnswer("no sound came")
    if path is None:
        return
    seconds = await _finish(path, options.format)
    length = f" ({seconds:.1f} s)" if seconds is not None else f" ({written} bytes)"
    if options.output is not None:
        screen.line("sound", f"{path}{length}")
    if options.output is None or options.play:
        await _play(path, options, seconds, screen)


@contextmanager
def _file(path: Path | None) -> Generator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with path.open("wb") as file:
            yield file
    except OSError as exc:
        if isinstance(exc, RealtimeError):  # AnswerCut is a ConnectionError, and so an OSError
            raise
        raise ConfigurationError(f"--output: {path} cannot be written: {exc.strerror or exc}") from exc


async def _write(sound: Sound, file: IO[bytes], options: argparse.Namespace, screen: Screen) -> int:
    """Writes *sound* to *file* as it comes; how many bytes that were."""
    written = 0
    try:
        async for piece in sound:
            file.write(piece)
            file.flush()
            written += len(piece)
            length = f"{written / 2 / pcm.RATE:.1f} s" if options.format in ("wav", "pcm") else f"{written >> 10} KiB"
            screen.status(f"{length} of sound …")
    except AnswerCut:
        if options.output not in (None, "-"):
            screen.line("sound", f"{options.output} (incomplete: this is what was received)")
        raise
    return written


async def _finish(path: Path, kind: str) -> float | None:
    """How long the sound in *path* is, where that can be told. Of a WAV, the header is made to say so.

    The service does not know it when it begins, and what it claims makes other programs stumble.
    """
    content = path.read_bytes()  # noqa: ASYNC240 - one file, and nothing else goes on
    if kind == "pcm":
        return pcm.duration(content)
    if kind != "wav":
        return None
    try:
        seconds = wav.decode(content, str(path)).duration
    except AudioFileError:
        return None
    if (at := content.find(b"data", 12)) > 0 and content[at + 4 : at + 8] in (b"\xff\xff\xff\xff", bytes(4)):
        sizes = [(len(content) - 8).to_bytes(4, "little"), (len(content) - at - 8).to_bytes(4, "little")]
        made = content[:4] + sizes[0] + content[8 : at + 4] + sizes[1] + content[at + 8 :]
        path.write_bytes(made)  # noqa: ASYNC240
    return seconds


async def _play(path: Path, options: argparse.Namespace, seconds: float | None, screen: Screen) -> None:
    with tempfile.TemporaryDirectory() as folder:
        heard = path
        if options.format == "pcm":  # no player knows what that is
            heard = Path(folder) / "speech.wav"
            wav.write(heard, path.read_bytes())  # noqa: ASYNC240
        player = await play(heard, LONGEST if seconds is None else seconds)
    if player is None:
        where = f"the sound is in {path}" if options.output else "-o FILE writes the sound to a file"
        screen.note(f"(not played: no player on this machine works; {where})")
    else:
        screen.note(f"(played with {player})")
