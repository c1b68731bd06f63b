"""`realtime-azure transcribe`: what is said in recordings, several at a time, as text, subtitles or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import CapacityLimiter, Event

from .._tasks import service_group
from ..errors import AudioFileError, ConfigurationError, RealtimeError
from ..rest import RestClient
from ..rest.audio import TranscriptionOptions
from . import resource
from .exit_codes import exit_code
from .resource import complain, shown, told
from .screen import Screen

DESCRIPTION = """\
Writes down what is said in recordings (wav, mp3, m4a, ogg, flac, webm, …; 25 MB at most), several at a time. The texts
come in the order of the files: on stdout, under a heading each if there are several (JSON: one line each, with the
file's name), or in files of --output-dir, whose names are then printed. On a terminal, the text of a single file is
shown as it comes. A file that fails is named on stderr and does not stop the others; the exit code is then the highest
of theirs."""

EPILOG = f"""\
examples:
  realtime-azure transcribe --emulator audio_samples/story.wav
  realtime-azure transcribe --deployment gpt-4o-transcribe --language en call.mp3 > call.txt
  realtime-azure transcribe --deployment whisper --format srt --output-dir subtitles --jobs 8 talks/*.mp4
  realtime-azure transcribe --format json *.wav | jq -r '[.file, .text] | @tsv'

srt and vtt are whisper's; the other models give text and JSON.
{resource.EXIT_CODES}"""

FORMATS = ("txt", "srt", "vtt", "json")


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "transcribe",
        help="write down what is said in recordings",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--format", choices=FORMATS, default="txt", help="what to write (%(default)s)")
    parser.add_argument("--output-dir", type=Path, metavar="FOLDER", help="write FILE's text to FOLDER/FILE.txt")
    parser.add_argument("--jobs", type=_jobs, default=4, metavar="N", help="how many at a time (%(default)s)")
    parser.add_argument("--language", metavar="CODE", help="what is spoken (ISO 639-1: en, de), if you know it")
    parser.add_argument("--prompt", metavar="TEXT", help="names and words that may be said")
    resource.add_to(parser)
    parser.set_defaults(run=run)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return int(text)


def run(options: argparse.Namespace) -> int:
    jobs = [Job(file, _place(file, options)) for file in options.files]
    _check(jobs, options.output_dir)
    return anyio.run(_transcribe, options, jobs)


@dataclass
class Job:
    """One recording, and what came of it: a *text*, or an *error*."""

    file: Path
    place: Path | None
    text: str = ""
    error: RealtimeError | None = None
    over: Event = field(default_factory=Event)


def _place(file: Path, options: argparse.Namespace) -> Path | None:
    """Where the text of *file* is written, unless that is stdout."""
    if options.output_dir is None:
        return None
    folder: Path = options.output_dir
    return folder / f"{file.stem}.{options.format}"


def _check(jobs: list[Job], folder: Path | None) -> None:
    """Makes the *folder*, and refuses files whose texts would be the same file."""
    if folder is None:
        return
    places: dict[Path | None, Path] = {}
    for job in jobs:
        other = places.setdefault(job.place, job.file)
        if other is not job.file:
            raise ConfigurationError(f"--output-dir: {other} and {job.file} would both be written to {job.place}")
        if job.place is not None and job.place.absolute() == job.file.absolute():
            raise ConfigurationError(f"--output-dir: {job.place} is the recording; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigurationError(f"--output-dir: {folder} cannot be made: {exc.strerror or exc}") from exc


async def _transcribe(options: argparse.Namespace, jobs: list[Job]) -> int:
    async with resource.opened(options) as client:
        desk = Desk(client, options, jobs)
        if len(jobs) == 1 and options.format == "txt" and options.output_dir is None and sys.stdout.isatty():
            await desk.live(jobs[0])
        else:
            await desk.work()
    return max(exit_code(job.error) if job.error is not None else 0 for job in jobs)


class Desk:
    """Where recordings become texts: so many at a time, and handed out in the order that they came in."""

    def __init__(self, client: RestClient, options: argparse.Namespace, jobs: list[Job]) -> None:
        self._client = client
        self._jobs = jobs
        self._limit = CapacityLimiter(options.jobs)
        self._format: str = options.format
        self._wish: TranscriptionOptions = {}
        if options.language:
            self._wish["language"] = options.language
        if options.prompt:
            self._wish["prompt"] = options.prompt
        self._screen = Screen(sys.stderr)
        self._ready = 0

    async def work(self) -> None:
        try:
            async with service_group() as tasks:
                self._tell()
                for job in self._jobs:
                    tasks.start_soon(self._write_down, job)
                for job in self._jobs:
                    await job.over.wait()
                    self._screen.clear()
                    self._hand_out(job)
                    self._tell()
        finally:
            self._screen.clear()

    async def live(self, job: Job) -> None:
        """Shows the text as it comes."""
        try:
            with told():
                await self._stream(job)
        except (RealtimeError, OSError) as exc:
            self._fail(job, exc)
        self._screen.clear()
        self._hand_out(job, shown_already=bool(job.text) and job.error is None)

    async def _stream(self, job: Job) -> None:
        self._screen.status(f"{job.file} …")
        stream = await self._client.audio.transcriptions.create(file=job.file, stream=True, **self._wish)
        async with stream:
            try:
                async for event in stream:
                    self._screen.clear()
                    new = event.delta if event.type == "transcript.text.delta" else None
                    if event.type == "transcript.text.done" and not job.text:
                        new = event.text  # it was too short for pieces, or the model, as whisper, has none
                    if new:
                        job.text += new
                        print(shown(new, sys.stdout), end="", flush=True)
            finally:
                if job.text:
                    print(flush=True)

    async def _write_down(self, job: Job) -> None:
        async with self._limit:
            try:
                with told():
                    job.text = await self._text(job)
                if job.place is not None:
                    await anyio.Path(job.place).write_text(job.text, encoding="utf-8")
            except (RealtimeError, OSError) as exc:
                self._fail(job, exc)
        self._ready += 1
        self._tell()
        job.over.set()

    async def _text(self, job: Job) -> str:
        verb = self._client.audio.transcriptions.create
        if self._format == "srt":
            return await verb(file=job.file, response_format="srt", **self._wish)
        if self._format == "vtt":
            return await verb(file=job.file, response_format="vtt", **self._wish)
        # All models have JSON, and not all have anything else.
        said = await verb(file=job.file, response_format="json", **self._wish)
        if self._format == "txt":
            return f"{said.text.rstrip()}\n"
        fields = {"file": str(job.file), **said.model_dump(mode="json", exclude_unset=True)}
        return f"{json.dumps(fields)}\n"

    def _fail(self, job: Job, error: RealtimeError | OSError) -> None:
        if isinstance(error, RealtimeError):
            job.error = error
            return
        where = "" if error.filename in (None, str(job.file)) else f"{error.filename}: "
        job.error = AudioFileError(f"{where}{error.strerror or error}")

    def _hand_out(self, job: Job, *, shown_already: bool = False) -> None:
        if job.error is not None:
            complain("transcribe", f"{job.file}: {job.error}")
        elif job.place is not None:
            print(shown(str(job.place), sys.stdout), flush=True)
        elif not shown_already:
            heading = f"==> {job.file} <==\n" if len(self._jobs) > 1 and self._format != "json" else ""
            print(shown(f"{heading}{job.text}", sys.stdout), end="", flush=True)

    def _tell(self) -> None:
        """On a terminal: how far it is."""
        if self._ready < len(self._jobs):
            self._screen.status(f"{self._ready} of {len(self._jobs)} done …")
