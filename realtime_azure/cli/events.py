"""`realtime-azure events`: the typed stream of what the service says, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, get_args

import anyio
from anyio import CancelScope, Event, current_time

from .._tasks import service_group
from ..connection import Connection, connect
from ..emulator import serve
from ..endpoint import Endpoint
from ..errors import ConfigurationError, ConnectionClosed
from ..events import ClientEvent, KnownServerEvent, ServerEvent
from ..events.preview import VOICE_LIVE_SERVER_TYPES
from . import configuration
from .errand import Errand
from .exit_codes import Refused
from .outgoing import outgoing, turn
from .screen import printable
from .showing import JsonLines, Roll, Show

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
        to_send = outgoing(options.send, target.dialect)
        connection = await stack.enter_async_context(connect(target, **how))
        follower = Follower(connection, show, options.types, options.until)
        try:
            await follower.run(to_send, options.say, asks=bool(options.say or options.send))
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
                for event in turn(text):
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
