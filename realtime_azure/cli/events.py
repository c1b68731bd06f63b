"""`realtime-azure events`: the typed stream of what the service says, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Protocol, get_args

import anyio
import pybase64
from anyio import CancelScope, Event, current_time
from pydantic_core import from_json

from .._tasks import service_group
from ..calls import Call, Calls
from ..connection import Connection, connect
from ..emulator import serve
from ..endpoint import Dialect, Endpoint
from ..errors import ConfigurationError, ConnectionClosed, InvalidEvent
from ..events import ClientEvent, ErrorEvent, KnownServerEvent, ResponseCreated, ResponseDone, ServerEvent
from ..events.preview import VOICE_LIVE_SERVER_TYPES, to_dated, to_voice_live
from ..events.wire import checked, dump
from ..verbs import new_event_id
from . import configuration
from .exit_codes import Refused
from .screen import Screen, printable
from .table import ERROR, PLAIN, PROBLEM, Row, Table, fit

DESCRIPTION = """\
Connects and prints every event of the service as it comes: the seconds since the opening, the type, and what it says.
Deltas that come together are one row for each item, with their number, the bytes and seconds of sound, or the text.
A row marked ! reports a failure; one marked ? has something that this version does not know or could not read.

It ends
  with --until        after the first event of that type (exit code 0)
  with --say          when the last response is done
  with --send         when each event that the service answers was answered, and each response.create by its
                      response.done; what is appended to a buffer is not answered: use --until
  with neither        when the service ends the connection, or with Ctrl-C

With --json, each line is an event as the service sent it; a message that is not JSON is {"not_json": BASE64}. With
--no-audio, too, sound is {"bytes": N} instead of base64: the delta of an audio or video delta, the audio of an item."""

EPILOG = """\
examples:
  realtime-azure events --emulator --say 'Hello!' --say 'And in French?'
  realtime-azure events --say 'Hello!' --types 'response.*,error' --until response.done
  realtime-azure events --json --no-audio --say 'Hello!' | jq -r .type
  echo '{"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}' |
    realtime-azure events --send - --say 'Hello!' --types 'session.*'

exit codes: 0 done, 2 wrong usage, configuration or event to send, 3 the service refused the connection or something
that was sent, or a response failed, 4 the connection ended too early, 130 interrupted"""


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "events",
        help="print the stream of events, as a table or as JSON lines",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--emulator", action="store_true", help="connect to an emulator in this process, not to Azure")
    parser.add_argument(
        "--say", metavar="TEXT", action="append", default=[], help="say this in writing; again, after the answer"
    )
    parser.add_argument(
        "--send", metavar="FILE", help="first send these client events, one JSON object a line; - is stdin"
    )
    parser.add_argument("--until", metavar="TYPE", help="end after the first event of this type; * stands for anything")
    parser.add_argument("--types", metavar="A,B*", help="print these only; * stands for anything")
    parser.add_argument("--json", action="store_true", help="print the events as they are, one a line")
    parser.add_argument("--no-audio", action="store_true", help="in JSON, leave out sound: only how many bytes it is")
    configuration.add_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    options.types = [name.strip() for name in (options.types or "*").split(",") if name.strip()]
    if not all(text.strip() for text in options.say):
        raise ConfigurationError("--say: there is nothing to say")
    for option, names in (("--until", [options.until or "*"]), ("--types", options.types)):
        for name in names:
            _hint(option, name)
    anyio.run(_follow, options)
    return 0


def _hint(option: str, name: str) -> None:
    """Says so if *name* looks misspelt; it may as well be newer than this version."""
    if "*" in name or name in known_types():
        return
    close = difflib.get_close_matches(name, sorted(known_types()), n=3)
    advice = f"; did you mean {' or '.join(close)}?" if close else ""
    said = f"{option}: no event that is known here is of the type {name!r}{advice}"
    print(f"realtime-azure events: {printable(said)}", file=sys.stderr)


async def _follow(options: argparse.Namespace) -> None:
    show: Show = JsonLines(no_audio=options.no_audio) if options.json else Roll()
    async with AsyncExitStack() as stack:
        target, how = await _service(options, stack)
        outgoing = _outgoing(options.send, target.dialect)
        connection = await stack.enter_async_context(connect(target, **how))
        follower = Follower(connection, show, options.types, options.until)
        try:
            await follower.run(outgoing, options.say, asks=bool(options.say or options.send))
        finally:
            show.end()


async def _service(options: argparse.Namespace, stack: AsyncExitStack) -> tuple[Endpoint, dict[str, Any]]:
    """Where to connect, and how."""
    if not options.emulator:
        return configuration.endpoint_of(options), stack.enter_context(configuration.arguments_of(options))
    if options.endpoint or options.entra:
        raise ConfigurationError("--emulator has an endpoint and a key of its own: leave out --endpoint and --entra")
    emulator = await stack.enter_async_context(serve())
    version, deployment = options.api_version or "v1", options.deployment or "emulator"
    target = Endpoint.resolve(emulator.url, deployment=deployment, api_version=version)
    return target, {"api_key": emulator.api_key, "proxy": False}


# What is sent


def _outgoing(send: str | None, dialect: Dialect) -> AsyncIterator[ClientEvent]:
    """The events to send. A file is read and checked as a whole, now; stdin line by line, as it comes."""
    if send == "-":
        return _stdin(dialect)
    return _each(list(_checked(_lines(send), send, dialect)) if send is not None else [])


def _lines(file: str) -> list[bytes]:
    try:
        return Path(file).read_bytes().splitlines()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ConfigurationError(f"--send: {file} cannot be read: {reason}") from exc


def _checked(lines: Iterable[bytes], where: str, dialect: Dialect, first: int = 1) -> Iterator[ClientEvent]:
    """The events in *lines*; raises `InvalidEvent`, which names the line, counted from *first*."""
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            yield client_event(line, dialect)
        except InvalidEvent as exc:
            raise InvalidEvent(f"{where}, line {number}: {exc}") from None


async def _each(events: Iterable[ClientEvent]) -> AsyncGenerator[ClientEvent]:
    for event in events:
        yield event


async def _stdin(dialect: Dialect) -> AsyncGenerator[ClientEvent]:
    # Not in a thread: one that waits for a line would keep the process from ending.
    stdin, rest, number = sys.stdin.fileno(), b"", 1
    while True:
        with suppress(OSError):  # a file, for which there is no waiting
            await anyio.wait_readable(stdin)
        piece = os.read(stdin, 65536)
        *lines, rest = (rest + piece).split(b"\n") if piece else (rest, b"")
        for event in _checked(lines, "stdin", dialect, number):
            yield event
        number += len(lines)
        if not piece:
            return


def client_event(line: bytes, dialect: Dialect) -> ClientEvent:
    """The event in *line*, with an id, checked as `Connection.send` does it. Raises `InvalidEvent`."""
    try:
        fields = json.loads(line.decode("utf-8-sig"), object_hook=_unpack)
    except json.JSONDecodeError as exc:
        raise InvalidEvent(f"this is not JSON: {exc.msg}, column {exc.colno}") from None
    except (ValueError, RecursionError) as exc:
        raise InvalidEvent(f"this cannot be read: {exc}") from None
    if not isinstance(fields, dict):
        raise InvalidEvent("this is not a JSON object")
    event = checked(fields, voice_live=dialect == "voice-live")
    if dialect != "ga":
        (to_dated if dialect == "preview" else to_voice_live)(from_json(dump(event)))
    return event if event.event_id else event.model_copy(update={"event_id": new_event_id()})


def _unpack(fields: dict[str, Any]) -> dict[str, Any]:
    """*fields* with their sound as bytes, as everybody here takes it."""
    sound = fields.get("audio")
    if not isinstance(sound, str):
        return fields
    try:
        return fields | {"audio": pybase64.b64decode(sound, validate=True)}
    except ValueError:
        raise InvalidEvent("audio: this is not base64") from None


class Errand:
    """What was asked of the service, and what of it is still owed: an answer to each event, an end to each response."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self._complete = False
        self._greeted = False
        self._calls = Calls()
        self._open: list[Call] = []
        self._responses: set[str | None] = set()

    @property
    def settled(self) -> bool:
        """Whether nothing is owed."""
        return not self._open and not self._responses

    @property
    def over(self) -> bool:
        """Whether nothing is owed, and nothing more will be asked."""
        return self._complete and self._greeted and self.settled

    def ask(self, event: ClientEvent) -> None:
        """*event* is about to be sent."""
        if (call := self._calls.begin(event, awaited=True)) is not None:
            self._open.append(call)

    def complete(self) -> None:
        """All is sent."""
        self._complete = True

    def hear(self, event: ServerEvent) -> None:
        """*event* has come."""
        self._greeted = True
        self._calls.settle(event)
        if isinstance(event, ErrorEvent) and event.error.event_id is None and self._open:
            self._calls.forget(self._open[0])
            self._open[0].settle(event)  # it names nobody, and may be all that is said to the oldest
        for call in [call for call in self._open if call.settled.is_set()]:
            self._open.remove(call)
            self._settle(call)
        if isinstance(event, ResponseDone):
            self._end(event)

    def _settle(self, call: Call) -> None:
        if (rejection := call.rejection()) is not None:
            self.refusals.append(str(rejection))
        elif isinstance(call.answer, ResponseCreated):
            self._responses.add(call.answer.response.id)

    def _end(self, event: ResponseDone) -> None:
        response = event.response
        if response.id is not None and response.id not in self._responses:
            return
        self._responses = self._responses - {response.id} if response.id is not None else set()
        if response.status == "failed":
            error = response.status_details.error if response.status_details else None
            self.refusals.append(f"the response failed: {(error and error.message) or 'no reason given'}")


class Follower:
    """Shows what comes on a connection, and sends what is to be sent, in its time."""

    def __init__(self, connection: Connection, show: Show, types: list[str], until: str | None) -> None:
        self._connection = connection
        self._show = show
        self._types = types
        self._until = until
        self._errand = Errand()
        self._changed = Event()
        self._listening = CancelScope()

    async def run(self, outgoing: AsyncIterator[ClientEvent], say: list[str], *, asks: bool) -> None:
        """Returns when it is time to end; *asks*: whether there is anything to send."""
        async with service_group() as tasks:
            if asks:
                tasks.start_soon(self._ask, outgoing, say)
            with self._listening:
                await self._listen(asks=asks)
        if self._errand.refusals and self._until is None:
            first, *others = self._errand.refusals
            raise Refused(f"{first}{f' (and {len(others)} more)' if others else ''}")

    async def _ask(self, outgoing: AsyncIterator[ClientEvent], say: list[str]) -> None:
        with suppress(ConnectionClosed):  # who listens says how it ended
            async for event in outgoing:
                await self._send(event)
            for text in say:
                await self._settled()
                for event in _turn(text):
                    await self._send(event)
        self._errand.complete()
        if self._is_over():
            self._listening.cancel()

    async def _send(self, event: ClientEvent) -> None:
        self._errand.ask(event)
        await self._connection.send(event)

    async def _settled(self) -> None:
        while not self._errand.settled:
            self._changed = Event()
            await self._changed.wait()

    async def _listen(self, *, asks: bool) -> None:
        start = current_time()
        async for event in self._connection:
            if is_of(event, self._types):
                self._show.show(current_time() - start, event)
            else:
                self._show.skip(event)
            self._errand.hear(event)
            self._changed.set()
            if self._is_over() or (self._until is not None and is_of(event, [self._until])):
                return
        if asks or self._until is not None:
            await self._too_early()

    def _is_over(self) -> bool:
        return self._until is None and self._errand.over

    async def _too_early(self) -> None:
        try:
            await self._connection.receive()
        except ConnectionClosed as exc:
            awaited = f"{self._until} came" if self._until is not None else "all was answered"
            raise ConnectionClosed(f"{exc}, before {awaited}", code=exc.code, reason=exc.reason) from exc


def _turn(text: str) -> Iterator[ClientEvent]:
    content = [{"type": "input_text", "text": text}]
    yield checked(
        {
            "type": "conversation.item.create",
            "event_id": new_event_id(),
            "item": {"type": "message", "role": "user", "content": content},
        }
    )
    yield checked({"type": "response.create", "event_id": new_event_id()})


# What is shown


@cache
def known_types() -> frozenset[str]:
    """The types of events that have a class, in every dialect."""
    return frozenset(name for kind in get_args(KnownServerEvent) for name in _names(kind)) | VOICE_LIVE_SERVER_TYPES


@cache
def _names(kind: type[ServerEvent]) -> tuple[str, ...]:
    names: tuple[str, ...] = get_args(kind.model_fields["type"].annotation)
    return names


def is_of(event: ServerEvent, patterns: list[str]) -> bool:
    """Whether *event* is of one of these types, by its name in this dialect or in another."""
    names = {event.type, *_names(type(event))}
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


class Show(Protocol):
    """Where events are shown."""

    def show(self, at: float, event: ServerEvent) -> None:
        """Shows *event*, which came *at* so many seconds."""

    def skip(self, event: ServerEvent) -> None:
        """*event* has come, too."""

    def end(self) -> None:
        """Shows what was held back."""


class JsonLines:
    """Each event as it came, in a line of its own that is written at once."""

    def __init__(self, *, no_audio: bool) -> None:
        self._no_audio = no_audio

    def show(self, at: float, event: ServerEvent) -> None:
        print(json_line(event, no_audio=self._no_audio), flush=True)

    def skip(self, event: ServerEvent) -> None:
        pass

    def end(self) -> None:
        pass


_COLOURS = {ERROR: "\x1b[31m", PROBLEM: "\x1b[33m"}
_NOT_PLAIN = re.compile(r"[^ -~]")


def json_line(event: ServerEvent, *, no_audio: bool = False) -> str:
    """*event* as it came, in one line of ASCII: for a reader of any encoding, and safe on a terminal."""
    try:
        text = event.raw.decode(json.detect_encoding(event.raw), "surrogatepass")
        if no_audio:
            text = _without_audio(event, text)
        else:
            json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps({"not_json": pybase64.b64encode(event.raw).decode("ascii")})
    return _NOT_PLAIN.sub(_escaped, text)


def _escaped(char: re.Match[str]) -> str:
    if char[0] in "\t\r\n":  # in JSON they are between the words only
        return " "
    units = char[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _without_audio(event: ServerEvent, text: str) -> str:
    fields = json.loads(text, object_hook=_weighed)
    delta = getattr(event, "delta", None)
    if isinstance(fields, dict) and isinstance(delta, bytes):
        fields["delta"] = {"bytes": len(delta)}
    return json.dumps(fields)


def _weighed(fields: dict[str, Any]) -> dict[str, Any]:
    sound = fields.get("audio")
    return fields | {"audio": {"bytes": len(sound.rstrip("=")) * 3 // 4}} if isinstance(sound, str) else fields


class Roll(Screen):
    """Rows, one below the other; on a terminal, those that still grow are written over, and trouble has a colour."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.live and os.environ.get("TERM") != "dumb"
        self._coloured = self.live and not os.environ.get("NO_COLOR")
        self._table = Table()
        self._growing = 0  # rows on the terminal that may change

    def show(self, at: float, event: ServerEvent) -> None:
        self._draw(self._table.add(at, event))

    def skip(self, event: ServerEvent) -> None:
        self._table.note(event)

    def end(self) -> None:
        self._draw(self._table.close())

    def _draw(self, complete: list[Row]) -> None:
        if not self.live:
            self._write("".join(f"{self._plain(row.line())}\n" for row in complete))
            return
        up = f"\x1b[{self._growing}A" if self._growing else ""
        growing = self._table.open
        width = shutil.get_terminal_size().columns - 1  # in the last column, terminals differ
        self._write(up + "".join(f"\r\x1b[K{self._painted(row, width)}\n" for row in (*complete, *growing)))
        self._growing = len(growing)

    def _painted(self, row: Row, width: int) -> str:
        line = self._plain(row.line(width))
        if row.folds or row.mark == PLAIN:  # trouble is shown whole
            line = fit(line, width, self._plain("…"))
        colour = _COLOURS.get(row.mark) if self._coloured else None
        return f"{colour}{line}\x1b[0m" if colour else line

    def _write(self, text: str) -> None:
        # Whoever read this has gone (`| head`): there is nothing else to be done here, so that ends the command.
        if text:
            self._out.write(text)
            self._out.flush()
