"""A cassette played again: as the service, to a client under test, or as a client, to a service."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from difflib import ndiff
from pathlib import Path
from typing import Any

from anyio import BrokenResourceError, create_tcp_listener, fail_after, sleep
from anyio.abc import ByteStream, SocketAttribute, TaskGroup
from websockets.exceptions import InvalidHandshake

from .._tasks import service_group
from .._websocket import WebSocket, abandon, answer_request, receive_request
from ..connection import Connection
from ..emulator.answer import event
from ..emulator.listener import shown
from ..errors import ConfigurationError
from .cassettes import SCRUBBED, SHORT, Cassette, Recorded, fit_to_keep
from .sequences import in_outline

_IDS = frozenset(("event_id", "id", "item_id", "previous_item_id", "call_id", "response_id"))
_APPEND = "input_audio_buffer.append"


logger = logging.getLogger("realtime_azure.testing")


class CassetteMismatch(AssertionError):
    """The client did not say what is on the cassette: the message shows what it should have said, and what it did."""


class Playback:
    """Where a cassette stands that is played to a client. Pure.

    With *strict*, the client has to say just what is on it, sound and ids included. Otherwise its ids may be others,
    and its sound may come in other pieces.
    """

    def __init__(self, cassette: Cassette, *, strict: bool = False) -> None:
        self._messages = cassette.messages
        self._strict = strict
        self._at = 0
        self._ahead = 0
        self._ids: dict[str, str] = {}

    @property
    def done(self) -> bool:
        """Whether there is nothing more to be said by either."""
        return self._at == len(self._messages)

    def due(self) -> Iterator[Recorded]:
        """What the service says before it waits for the client again."""
        while not self.done and self._messages[self._at].direction == "received":
            message = self._messages[self._at]
            self._at += 1
            yield Recorded("received", _replaced(message.fields, self._ids), message.at)
            self._take_sound()  # all of it may have come in one piece

    def heard(self, message: bytes) -> None:
        """Takes what the client says. Raises `CassetteMismatch`."""
        said = fit_to_keep(message)
        if not self._strict and said.get("type") == _APPEND:
            self._ahead += len(str(said.get("audio", "")))
            self._take_sound()
            return
        self._skip_sound()
        wanted = self._messages[self._at] if not self.done else None
        if wanted is None or wanted.direction != "sent":
            raise CassetteMismatch(f"the cassette has nothing more from the client, which sent {said.get('type')}")
        learnt: dict[str, str] = {}
        if not _alike(wanted.fields, said, None if self._strict else learnt):
            raise CassetteMismatch(_shown(wanted.fields, said))
        self._ids |= learnt
        self._at += 1

    def _take_sound(self) -> None:
        """Any pieces of sound will do, once there is as much of it as there was."""
        while not self._strict and not self.done and self._messages[self._at].type == _APPEND:
            recorded = len(str(self._messages[self._at].fields.get("audio", "")))
            if self._ahead < recorded:
                return
            self._ahead -= recorded
            self._at += 1

    def _skip_sound(self) -> None:
        self._ahead = 0
        while not self._strict and not self.done and self._messages[self._at].type == _APPEND:
            self._at += 1


def _alike(wanted: Any, said: Any, ids: dict[str, str] | None, name: str = "") -> bool:
    """Whether *said* is what was *wanted*; with *ids*, these may be others, and are noted."""
    if wanted == SCRUBBED:
        return True
    if isinstance(wanted, dict) and isinstance(said, dict):
        names = (set(wanted) | set(said)) - ({"event_id"} if ids is not None else set())
        return all(_alike(wanted.get(each, None), said.get(each, None), ids, each) for each in names)
    if isinstance(wanted, list) and isinstance(said, list):
        return len(wanted) == len(said) and all(_alike(*pair, ids, name) for pair in zip(wanted, said, strict=True))
    both = isinstance(wanted, str) and isinstance(said, str)
    if ids is not None and name in _IDS and (both or None in (wanted, said)):
        if both:  # else one of them let the service find one
            ids[str(wanted)] = str(said)
        return True
    shortened = both and name in ("audio", "delta") and len(wanted) == SHORT
    return bool(str(said).startswith(str(wanted)) if shortened else wanted == said)


def _learn(recorded: Any, came: Any, ids: dict[str, str], name: str = "") -> None:
    """Notes which ids came for those that were *recorded*, whatever else is different."""
    if isinstance(recorded, dict) and isinstance(came, dict):
        for each in recorded.keys() & came.keys():
            _learn(recorded[each], came[each], ids, each)
    elif isinstance(recorded, list) and isinstance(came, list):
        for pair in zip(recorded, came, strict=False):
            _learn(*pair, ids, name)
    elif name in _IDS and isinstance(recorded, str) and isinstance(came, str):
        ids[recorded] = came


def _replaced(value: Any, ids: Mapping[str, str]) -> Any:
    if not ids:
        return value
    match value:
        case dict():
            return {name: _replaced(each, ids) for name, each in value.items()}
        case list():
            return [_replaced(each, ids) for each in value]
        case str():
            return ids.get(value, value)
        case _:
            return value


def _shown(wanted: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    on_cassette, by_client = (json.dumps(_briefly(each), indent=2, sort_keys=True) for each in (wanted, said))
    lines = (line for line in ndiff(on_cassette.splitlines(), by_client.splitlines()) if not line.startswith("?"))
    return "\n".join(["the client did not say what is on the cassette (- cassette, + client):", *lines])


def _briefly(value: Any, *, keep_ids: bool = False) -> Any:
    """*value* without its sound, which nobody reads and nobody else should hear, and without the name it goes by."""
    match value:
        case dict():
            sound = ("audio", "delta") if "audio.delta" in str(value.get("type")) else ("audio",)
            return {
                name: f"({len(each)} characters)"
                if name in sound and isinstance(each, str)
                else _briefly(each, keep_ids=keep_ids)
                for name, each in value.items()
                if keep_ids or name != "event_id"
            }
        case list():
            return [_briefly(each, keep_ids=keep_ids) for each in value]
        case _:
            return value


# As the service


@dataclass
class Replay:
    """A cassette that is served. *url* is the endpoint to connect to; any key will do."""

    url: str
    cassette: Cassette
    played: int = 0
    """How many connections have heard it to its end."""
    mismatches: list[CassetteMismatch] = field(default_factory=list[CassetteMismatch])


@asynccontextmanager
async def replayed(
    cassette: Cassette | str | Path,
    *,
    strict: bool = False,
    pace: float = math.inf,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncGenerator[Replay]:
    """Serves *cassette*, or the file of one, for the length of the `async with`: to each connection from its beginning.

    What the service said is said again, when the client has said what it had before. With *strict*, it has to say just
    that, ids and pieces of sound included. A client that says something else gets an `error`, close code 1008, and
    leaving the block raises `CassetteMismatch`, unless it raised something itself. *pace* 1 takes the time that it took
    (2: half of it), `math.inf` none.

    Raises `OSError`, and `CassetteError` for a file that is none.
    """
    if not pace > 0:
        raise ConfigurationError(f"pace: {pace} is not a positive number")
    tape = cassette if isinstance(cassette, Cassette) else Cassette.read(cassette)
    async with await create_tcp_listener(local_host=host, local_port=port) as listener, service_group() as tasks:
        replay = Replay(f"http://{shown(host)}:{listener.extra(SocketAttribute.local_port)}", tape)

        async def play(stream: ByteStream) -> None:
            await _serve(stream, replay, strict, pace)

        tasks.start_soon(listener.serve, play)
        yield replay
    if replay.mismatches:
        raise replay.mismatches[0]


async def _serve(stream: ByteStream, replay: Replay, strict: bool, pace: float) -> None:
    try:
        protocol, request = await receive_request(stream)
        websocket = await answer_request(stream, protocol, protocol.accept(request))
        if websocket is not None:
            await _Player(websocket, replay, Playback(replay.cassette, strict=strict), pace).play()
    except (InvalidHandshake, BrokenResourceError, OSError, EOFError):
        pass  # the client went away, or is none
    finally:
        await abandon(stream)


class _Player:
    """One connection to which a cassette is played."""

    def __init__(self, websocket: WebSocket, replay: Replay, playback: Playback, pace: float) -> None:
        self._websocket, self._replay, self._playback, self._pace = websocket, replay, playback, pace
        self._at = 0.0
        self._over = False

    async def play(self) -> None:
        async with service_group() as tasks:
            self._tasks: TaskGroup = tasks
            tasks.start_soon(self._websocket.drain)
            try:
                await self._say()
                tasks.start_soon(self._websocket.pump, self._hear)
                await self._websocket.wait_ended()
            finally:  # nothing else ends the two tasks of the websocket
                await self._websocket.aclose(1001, "the replay is over", timeout=1.0)

    async def _hear(self, messages: list[bytes]) -> None:
        for message in messages:
            try:
                self._playback.heard(message)
            except CassetteMismatch as mismatch:
                self._replay.mismatches.append(mismatch)
                logger.warning("%s", mismatch)
                error = {"type": "invalid_request_error", "code": "cassette_mismatch", "message": str(mismatch)}
                with suppress(BrokenResourceError):
                    await self._websocket.send(json.dumps(event("error", error=error)).encode())
                self._close(1008, "not what is on the cassette")
                return
            await self._say()

    async def _say(self) -> None:
        for message in self._playback.due():
            if not math.isinf(self._pace):
                await sleep(max(0.0, message.at - self._at) / self._pace)
            self._at = message.at
            with suppress(BrokenResourceError):
                await self._websocket.send(json.dumps(message.fields).encode())
        if self._playback.done and not self._over:  # sound may still come
            self._over = True
            self._replay.played += 1
            logger.info("played to the end")
            code = self._replay.cassette.close_code
            if code is not None and code != 1006:
                self._close(1000 if code == 1005 else code, self._replay.cassette.close_reason)  # 1005: it had none

    def _close(self, code: int, reason: str) -> None:
        self._tasks.start_soon(self._websocket.aclose, code, reason)  # it waits for what is read, here among others


# As a client


@dataclass(frozen=True)
class Comparison:
    """What a service said on a cassette, and what it says now.

    Kinds of events, in outline (see `in_outline`); compared strictly, whole events.
    """

    recorded: tuple[str, ...]
    came: tuple[str, ...]

    @property
    def same(self) -> bool:
        return self.recorded == self.came

    def __str__(self) -> str:
        lines = (line for line in ndiff(self.recorded, self.came) if not line.startswith("?"))
        return "\n".join(["(- cassette, + now)", *lines])


async def replay(
    cassette: Cassette | str | Path, connection: Connection, *, strict: bool = False, timeout: float = 10.0
) -> Comparison:
    """Says what the client said on *cassette*, each when the service has said what it had before, and compares.

    Ids of the service are put for those on the cassette. With *strict*, what is said is what is on it, ids included,
    and what comes has to be so, too, but for secrets and sound that are not on it. Raises `TimeoutError` when something
    on it does not come within *timeout* seconds, `ConfigurationError` if the connection speaks another dialect, and
    what the connection raises.
    """
    tape = cassette if isinstance(cassette, Cassette) else Cassette.read(cassette)
    if tape.dialect != connection.endpoint.dialect:
        raise ConfigurationError(
            f"the cassette is in the dialect {tape.dialect!r}, the connection in {connection.endpoint.dialect!r}"
        )
    actor = _Actor(connection, timeout, strict=strict)
    for message in tape.messages:
        if message.direction == "received":
            actor.expect(message)
        else:
            await actor.catch_up()
            await actor.say(message)
    await actor.catch_up()
    recorded = [message for message in tape.messages if message.direction == "received"]
    if strict:
        return _compared(recorded, actor.said)
    return Comparison(tuple(in_outline(message.type for message in recorded)), tuple(in_outline(actor.types)))


def _compared(recorded: list[Recorded], came: list[bytes]) -> Comparison:
    """Whole events; what came as it is recorded, as far as that goes, is the same line."""
    wanted = [json.dumps(_briefly(message.fields, keep_ids=True), sort_keys=True) for message in recorded]
    lines: list[str] = []
    for at, message in enumerate(came):
        said = fit_to_keep(message)
        same = at < len(recorded) and _alike(recorded[at].fields, said, None)
        lines.append(wanted[at] if same else json.dumps(_briefly(said, keep_ids=True), sort_keys=True))
    return Comparison(tuple(wanted), tuple(lines))


class _Actor:
    """Plays the client of a cassette on a connection."""

    def __init__(self, connection: Connection, timeout: float, *, strict: bool = False) -> None:
        self.types: list[str] = []
        self.said: list[bytes] = []
        self._strict = strict
        self._came: Counter[str] = Counter()
        self._connection, self._timeout = connection, timeout
        self._expected: Counter[str] = Counter()
        self._last: str | None = None
        self._recorded: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._ids: dict[str, str] = {}

    def expect(self, message: Recorded) -> None:
        if message.type.endswith(".delta"):
            return
        self._expected[message.type] += 1
        self._last = message.type
        self._recorded[message.type, self._expected[message.type]] = message.fields

    async def catch_up(self) -> None:
        """Reads until what the service said last, at this point of the cassette, has come."""
        last = self._last
        while last is not None and self._came[last] < self._expected[last]:
            try:
                with fail_after(self._timeout):
                    said = await self._connection.receive()
            except TimeoutError:
                raise TimeoutError(f"{last} did not come within {self._timeout:g} s; {self.types} did") from None
            self.types.append(said.type)
            self.said.append(said.raw)
            self._came[said.type] += 1
            recorded = self._recorded.get((said.type, self._came[said.type]))
            if recorded is not None and not self._strict:
                _learn(recorded, json.loads(said.raw), self._ids)

    async def say(self, message: Recorded) -> None:
        data = _replaced(_revealed(message.fields), self._ids)
        await self._connection._send(json.dumps(data).encode())  # pyright: ignore[reportPrivateUsage]  # as it was, in any dialect


def _revealed(value: Any) -> Any:
    """*value* without the fields that were left out of the cassette."""
    if isinstance(value, dict):
        return {name: _revealed(each) for name, each in value.items() if each != SCRUBBED}
    return [_revealed(each) for each in value] if isinstance(value, list) else value
