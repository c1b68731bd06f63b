"""Every wait, cancelled at every one of its checkpoints, in every way, on both loops: what must hold afterwards.

No event is lost or doubled for the next reader, what was sent is whole or was not sent, nothing is left behind, and
the connection goes on. The service here is websockets' own parser behind a real socket, which numbers what it says
and keeps what it hears.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

import anyio
import pytest
from anyio import CancelScope, EndOfStream, Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSStream
from websockets.frames import Close, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from realtime_azure import Connection, ConnectionClosed, EventRejected, connect
from realtime_azure._websocket import OUTBOX_LIMIT
from realtime_azure.events import ErrorEvent, ResponseDone, ResponseOutputTextDelta, SessionCreated

from .checkpoints import (
    ASYNCIO_WAYS,
    Moment,
    Probe,
    Way,
    at_every_moment,
    each_checkpoint,
    in_every_way,
)
from .serving import (
    QUIET,
    SESSION_CREATED,
    Certificates,
    Peer,
    Script,
    Server,
    close_frame,
    serve,
    text_delta,
)

pytestmark = pytest.mark.anyio

KEY = "a-key-of-a-test"
CERTIFICATES = Certificates()
SERVER_TLS = CERTIFICATES.server("127.0.0.1")
CLIENT_TLS = CERTIFICATES.client()

AT_ONCE = 70
"""Deltas that the service says in one write: more than a reader gets in one turn."""
DELTAS = 75
ALL = [*range(DELTAS), "done"]
"""What there is to read of one response."""


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be searched for each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left_open(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """A socket or a task that is left to the garbage collector is a warning, and so an error; asyncio logs its own."""
    yield
    gc.collect()
    records = [*caplog.get_records("setup"), *caplog.get_records("call"), *caplog.records]
    assert not [record.getMessage() for record in records if record.name in ("asyncio", "trio", "realtime_azure")]


# The service


@dataclass
class Visit:
    """What one client sent."""

    heard: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    """That of its close frame."""
    torn: bool = False
    """Whether it went away in the middle of a frame."""

    @property
    def ids(self) -> list[str]:
        return [event["event_id"] for event in self.heard]

    @property
    def sounds(self) -> list[int]:
        """The numbers of the sounds that it sent."""
        sounds = [base64.b64decode(event["audio"], validate=True) for event in self.heard if "audio" in event]
        assert all(sound == sound_of(int.from_bytes(sound[:2], "big"), len(sound)) for sound in sounds)
        return [int.from_bytes(sound[:2], "big") for sound in sounds]


def sound_of(number: int, size: int) -> bytes:
    return number.to_bytes(2, "big") * (size // 2)


class Service:
    """Answers everything, and keeps what each client sent, as websockets' own parser reads it."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self._reads = Event()
        self._reads.set()

    def stop_reading(self) -> None:
        self._reads = Event()

    def read_on(self) -> None:
        self._reads.set()

    async def receive(self, peer: Peer) -> None:
        await peer.read_request()
        await self.converse(peer)

    async def converse(self, peer: Peer) -> None:
        """The request has been read."""
        await accept(peer)
        visit = Visit()
        self.visits.append(visit)
        await peer.say(SESSION_CREATED)
        protocol = ServerProtocol(state=OPEN, max_size=None, logger=QUIET)
        while visit.code is None:
            await self._reads.wait()
            try:
                protocol.receive_data(await peer.stream.receive())
            except EndOfStream:
                protocol.receive_eof()
            for frame in protocol.events_received():
                if frame.opcode is Opcode.TEXT:  # type: ignore[union-attr]  # the request was read before
                    event = json.loads(bytes(frame.data))  # type: ignore[union-attr]  # as above
                    visit.heard.append(event)
                    for said in answers(event):
                        await peer.say(*said)
                        await checkpoint()
                elif frame.opcode is Opcode.CLOSE:  # type: ignore[union-attr]  # as above
                    visit.code = Close.parse(bytes(frame.data)).code  # type: ignore[union-attr]  # as above
            if protocol.parser_exc is not None:
                visit.torn = str(protocol.parser_exc) != "unexpected end of stream"  # its word for one between frames
                return
            await peer.stream.send(b"".join(protocol.data_to_send()))
        await peer.gone()


async def accept(peer: Peer) -> None:
    """Lets a client in, and from then on only what is received is taken from it.

    An accepted socket of anyio's on asyncio takes whatever comes until a `receive` has waited once.
    """
    with CancelScope() as scope:
        scope.cancel()
        await peer.stream.receive()  # nothing comes before the answer
    await peer.stream.send(ServerProtocol(logger=QUIET).accept(peer.request).serialize())


def answers(event: dict[str, Any]) -> Sequence[Sequence[dict[str, Any]]]:
    """What the service says to *event*: so many writes of so many events each."""
    if event["type"] == "input_audio_buffer.append":
        return []
    said: dict[str, Any] = {"event_id": f"to_{event['event_id']}"}
    if event["event_id"].startswith("refuse"):
        return [[{**said, "type": "error", "error": {"message": "no", "event_id": event["event_id"]}}]]
    kind, more = ANSWERS[event["type"]]
    said = {**said, "type": kind, **more(event)}
    if event["type"] != "response.create":
        return [[said]]
    deltas = [text_delta(str(number)) for number in range(DELTAS)]
    done = {"type": "response.done", "response": {"id": said["response"]["id"], "status": "completed"}}
    return [[said, *deltas[:AT_ONCE]], *([delta] for delta in deltas[AT_ONCE:]), [done]]


def _session(_: dict[str, Any]) -> dict[str, Any]:
    return {"session": {"type": "realtime", "id": "sess_1"}}


def _item_id(event: dict[str, Any]) -> dict[str, Any]:
    return {"item_id": event.get("item_id", "item_1")}


def _item(event: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "message", "role": "user", "content": [], "id": event.get("item_id")}
    return {"item": {**item, **event.get("item", {})}}


def _response(event: dict[str, Any]) -> dict[str, Any]:
    return {"response": {"id": event.get("response_id", "resp_1"), "status": "cancelled"}}


ANSWERS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "session.update": ("session.updated", _session),
    "session.close": ("session.closed", lambda _: {}),
    "transcription_session.update": ("transcription_session.updated", _session),
    "input_audio_buffer.commit": ("input_audio_buffer.committed", _item_id),
    "input_audio_buffer.clear": ("input_audio_buffer.cleared", lambda _: {}),
    "output_audio_buffer.clear": ("output_audio_buffer.cleared", lambda _: {}),
    "conversation.item.create": ("conversation.item.added", _item),
    "conversation.item.delete": ("conversation.item.deleted", _item_id),
    "conversation.item.retrieve": ("conversation.item.retrieved", _item),
    "conversation.item.truncate": ("conversation.item.truncated", _item_id),
    "response.create": ("response.created", _response),
    "response.cancel": ("response.done", _response),
}


# The scene


async def turns(number: int) -> None:
    """Lets all others have so many turns: what can go on without the world outside has gone on then.

    anyio's `wait_all_tasks_blocked` takes a tenth of a second on asyncio.
    """
    for _ in range(number):
        await checkpoint()


def open_to(server: Server, **options: Any) -> Any:
    chosen: dict[str, Any] = {"deployment": "my-realtime", "api_version": "v1", "api_key": KEY, "max_retries": 0}
    return connect(server.url, **{**chosen, **options})


@dataclass
class Scene:
    """A service that runs, and what there was when it began."""

    server: Server
    service: Service

    def __post_init__(self) -> None:
        self._before = self._now()

    def connected(self, **options: Any) -> Any:
        return open_to(self.server, **options)

    @property
    def visit(self) -> Visit:
        """The last."""
        return self.service.visits[-1]

    def _now(self) -> tuple[list[int], int]:
        descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208 - quicker
        return sorted(task.id for task in anyio.get_running_tasks()), descriptors

    async def left(self) -> None:
        """Returns when all clients have gone, and nothing is left of them: no task, descriptor, or part of a frame."""
        for _ in range(2000):
            if self._now() == self._before and self.server.left == self.server.clients:
                break
            await checkpoint()
        assert self._now() == self._before
        assert not any(visit.torn for visit in self.service.visits)

    async def left_in_good_order(self) -> None:
        await self.left()
        assert self.visit.code == 1000


@asynccontextmanager
async def scene(script: Callable[[Service], Script] | None = None, *, tls: bool = False) -> AsyncGenerator[Scene]:
    service = Service()
    with fail_after(10):
        async with serve(script(service) if script else service.receive, tls=SERVER_TLS if tls else None) as server:
            await turns(5)
            yield Scene(server, service)


# Reading

Got = list[int | str]


def note(event: Any, got: Got) -> None:
    match event:
        case ResponseOutputTextDelta(delta=delta):
            got.append(int(delta))
        case ResponseDone():
            got.append("done")
        case _:
            pass


async def iterate(stream: Any, got: Got) -> None:
    """To the end of the response."""
    while "done" not in got:
        async for event in stream:
            note(event, got)
            if "done" in got:
                break


async def receive(stream: Any, got: Got) -> None:
    while "done" not in got:
        note(await stream.receive(), got)


@pytest.mark.parametrize(("read", "inbox_limit"), [(iterate, 1000), (receive, 16 << 20)], ids=["iterate", "receive"])
@at_every_moment
@in_every_way
async def test_a_cancelled_reader_loses_nothing_for_the_next(
    way: Way, moment: Moment, read: Callable[[Any, Got], Coroutine[Any, Any, None]], inbox_limit: int
) -> None:
    async with scene() as here:
        for probe in each_checkpoint(moment, least=4):
            got: Got = []
            async with here.connected(inbox_limit=inbox_limit) as connection:
                await connection.response.create()
                await way(partial(read, connection, got), probe)
                await read(connection, got)
                assert got == ALL
            await here.left_in_good_order()


@at_every_moment
@in_every_way
async def test_a_cancelled_subscriber_leaves_and_takes_nothing_from_the_main_stream(way: Way, moment: Moment) -> None:
    async with scene() as here:
        for probe in each_checkpoint(moment, least=4):
            got: Got = []
            main: Got = []
            async with here.connected() as connection:

                async def subscribe(connection: Connection = connection, got: Got = got) -> None:
                    async with connection.subscribe(ResponseOutputTextDelta, ResponseDone, limit=10_000) as stream:
                        await connection.response.create()
                        await iterate(stream, got)

                await way(subscribe, probe)
                assert got == ALL[: len(got)]
                # One that was left behind would be full soon, and lapse.
                for _ in range(3):
                    await connection.response.create()
                    main.clear()
                    await iterate(connection, main)
                    assert main == ALL
                assert connection.statistics().events_dropped == 0
            await here.left_in_good_order()


@at_every_moment
@in_every_way
async def test_a_cancelled_wait_for_takes_nothing_and_asks_no_more(way: Way, moment: Moment) -> None:
    async with scene() as here:
        for probe in each_checkpoint(moment, least=1):
            asked: list[str] = []
            got: Got = []
            found: list[ResponseDone] = []
            async with here.connected() as connection:

                def where(event: ResponseDone, asked: list[str] = asked) -> bool:
                    asked.append(event.type)
                    return True

                async def wait(connection: Connection = connection, found: list[ResponseDone] = found) -> None:
                    await connection.response.create()
                    found.append(await connection.wait_for(ResponseDone, where=where))

                await way(wait, probe)
                before = len(asked)
                await iterate(connection, got)
                assert got == ALL
                assert len(asked) == before <= 1
                assert len(found) == probe.finished <= before
                await connection.response.create()
                assert await connection.wait_for(ResponseDone)
            await here.left_in_good_order()


# Sending

SIZE = 96_000
"""Bytes of one sound where the network is to be filled with them."""


async def fill(connection: Connection, **options: Any) -> int:
    """Sends sounds until no more fit; says how many."""
    sent = 0
    while True:
        while connection.statistics().outbox_bytes <= OUTBOX_LIMIT:
            await connection.input_audio_buffer.append(sound_of(sent, SIZE), **options)
            sent += 1
        await turns(20)
        if connection.statistics().outbox_bytes > OUTBOX_LIMIT:
            return sent


async def let_it_read(service: Service) -> None:
    await turns(10)
    service.read_on()


@asynccontextmanager
async def soon(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> AsyncGenerator[None]:
    """*function* runs beside the block."""
    async with create_task_group() as tasks:
        tasks.start_soon(function, *args)
        yield


Send = Callable[[Connection, int], Coroutine[Any, Any, None]]


async def send(connection: Connection, number: int) -> None:
    await connection.send({"type": "input_audio_buffer.append", "audio": sound_of(number, SIZE)})


async def append(connection: Connection, number: int) -> None:
    await connection.input_audio_buffer.append(sound_of(number, SIZE))


async def append_what_may_grow_old(connection: Connection, number: int) -> None:
    await connection.input_audio_buffer.append(sound_of(number, SIZE), max_age=60)


@pytest.mark.parametrize("send", [send, append, append_what_may_grow_old])
@at_every_moment
@in_every_way
async def test_what_waits_for_the_network_and_is_cancelled_is_not_sent(way: Way, moment: Moment, send: Send) -> None:
    """What is sent after it is, and what is being sent at the time stays whole."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=1):
            here.service.stop_reading()
            async with here.connected() as connection:
                sent = await fill(connection)
                async with soon(let_it_read, here.service):
                    await way(partial(send, connection, sent), probe)
                await send(connection, sent + 1)
            assert here.visit.sounds == [*range(sent), *([sent] if probe.finished else []), sent + 1]
            await here.left_in_good_order()


@at_every_moment
@in_every_way
async def test_of_many_sends_those_before_the_cancellation_are_sent(way: Way, moment: Moment) -> None:
    """A sender lets others have their turn now and then."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=2):
            sent: list[int] = []
            async with here.connected() as connection:

                async def send(connection: Connection = connection, sent: list[int] = sent) -> None:
                    for number in range(70):
                        await connection.input_audio_buffer.append(sound_of(number, 100))
                        sent.append(number)

                await way(send, probe)
                await connection.input_audio_buffer.append(sound_of(99, 100))
            assert here.visit.sounds == [*sent, 99]
            await here.left_in_good_order()


@at_every_moment
@in_every_way
async def test_what_grows_too_old_is_told_exactly_whoever_is_cancelled(way: Way, moment: Moment) -> None:
    async with scene() as here:
        for probe in each_checkpoint(moment, least=2):
            here.service.stop_reading()
            told: list[float] = []
            appended: list[int] = []
            async with here.connected() as connection:
                buffer = connection.input_audio_buffer
                sent = await fill(connection)

                async def append(
                    buffer: Any = buffer, sent: int = sent, told: list[float] = told, appended: list[int] = appended
                ) -> None:
                    for number in (sent, sent + 1, sent + 2):
                        told.append(await buffer.append(sound_of(number, 4800), max_age=0.002))  # 100 ms
                        appended.append(number)

                await way(append, probe)
                here.service.read_on()
                told.append(await buffer.append(sound_of(999, 4800), max_age=60))
                assert sum(told) == connection.statistics().audio_dropped_ms == len(appended) * 100
            assert here.visit.sounds == [*range(sent), 999]
            await here.left_in_good_order()


# Calls

Verb = Callable[..., Awaitable[Any]]
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


def verb(name: str, *given: Any, **more: Any) -> Verb:
    """What calls the verb *name* of a connection."""

    def call(connection: Connection, **options: Any) -> Awaitable[Any]:
        found: Awaitable[Any] = attrgetter(name)(connection)(*given, **more, **options)
        return found

    return call


def send_update(connection: Connection, *, event_id: str, wait: bool) -> Awaitable[Any]:
    update = {"type": "session.update", "session": {}, "event_id": event_id}
    return connection.send(update, wait=True) if wait else connection.send(update)


UPDATE = verb("session.update", {"type": "realtime", "instructions": "Be brief."})
VERBS: list[Verb] = [
    UPDATE,
    verb("session.close"),
    verb("transcription_session.update", {"input_audio_format": "pcm16"}),
    verb("input_audio_buffer.commit"),
    verb("input_audio_buffer.clear"),
    verb("output_audio_buffer.clear"),
    verb("conversation.item.create", MESSAGE),
    verb("conversation.item.delete", "item_1"),
    verb("conversation.item.retrieve", "item_1"),
    verb("conversation.item.truncate", "item_1", audio_end_ms=1),
    verb("response.create"),
    verb("response.cancel", "resp_7"),
    send_update,
]


@at_every_moment
@in_every_way
async def test_after_a_cancelled_call_the_next_gets_its_own_answer(way: Way, moment: Moment) -> None:
    """It was sent, once, and what the service says to it is nobody else's."""
    calls = 0
    async with scene() as here:
        async with here.connected() as connection:
            for verb in VERBS:
                for probe in each_checkpoint(moment, least=1):
                    told: list[Any] = []
                    await way(partial(_call, verb, connection, "first", told), probe)
                    await _call(verb, connection, "second", told)
                    assert told == ["to_first", "to_second"][-1 - probe.finished :]
                    calls += 1
                    assert here.visit.ids == ["first", "second"] * calls
        await here.left_in_good_order()


@at_every_moment
@in_every_way
async def test_after_a_cancelled_call_its_error_is_nobody_elses(way: Way, moment: Moment) -> None:
    async with scene() as here:
        async with here.connected() as connection:
            for verb in VERBS:
                for probe in each_checkpoint(moment, least=1):
                    told: list[Any] = []
                    await way(partial(_call, verb, connection, "refuse_first", told), probe)
                    await _call(verb, connection, "second", told)
                    assert told == ["refuse_first refused", "to_second"][-1 - probe.finished :]
            errors = 0
            await connection.aclose()
            async for event in connection:
                errors += isinstance(event, ErrorEvent)
            assert errors == here.visit.ids.count("refuse_first") > 0
        await here.left_in_good_order()


async def _call(verb: Verb, connection: Connection, event_id: str, told: list[Any]) -> None:
    try:
        answer = await verb(connection, event_id=event_id, wait=True)
    except EventRejected as exc:
        told.append(f"{exc.event_id} refused")
    else:
        told.append(getattr(answer, "event_id", answer))


@at_every_moment
@in_every_way
async def test_a_call_that_is_cancelled_before_it_is_sent_is_no_call(way: Way, moment: Moment) -> None:
    """The network is full."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=2):
            told: list[Any] = []
            here.service.stop_reading()
            async with here.connected() as connection:
                await fill(connection)
                async with soon(let_it_read, here.service):
                    await way(partial(_call, UPDATE, connection, "first", told), probe)
                await _call(UPDATE, connection, "second", told)
                assert told == ["to_first", "to_second"][-1 - probe.finished :]
            sent = [event["event_id"] for event in here.visit.heard if "event_id" in event]
            assert sent in (["second"], ["first", "second"])
            if probe.at == 1 and moment is Moment.WAITING:
                assert sent == ["second"]
            await here.left_in_good_order()


# Leaving

ENDING = [{"event_id": f"last_{number}", "type": "input_audio_buffer.commit"} for number in range(3)]
LAST_IDS = [event["event_id"] for event in ENDING]


@at_every_moment
@in_every_way
async def test_a_cancelled_aclose_still_says_what_was_queued_and_goodbye(way: Way, moment: Moment) -> None:
    """asyncio's own cancellation, which knows no shield, may cut it short, but not in the middle of a frame."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=1):
            async with here.connected() as connection:
                await connection.wait_for(SessionCreated)
                for event in ENDING:
                    await connection.send(event)
                await way(connection.aclose, probe)
                with pytest.raises(ConnectionClosed):
                    await connection.send(ENDING[0])
                assert await _kinds(connection) == ["session.created"]
            await here.left()
            if way in ASYNCIO_WAYS:
                assert here.visit.ids == LAST_IDS[: len(here.visit.ids)]
                assert here.visit.code in (1000, None)
            else:
                assert here.visit.ids == LAST_IDS
                assert here.visit.code == 1000


async def _kinds(connection: Connection) -> list[str]:
    return [event.type async for event in connection]


def was_cancelled() -> bool:
    """Whether asyncio has cancelled this task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Mine(Exception):
    """The caller's own."""


@at_every_moment
@in_every_way
async def test_what_the_block_raises_comes_out_though_it_is_cancelled_on_the_way(way: Way, moment: Moment) -> None:
    """asyncio's own cancellation may come out in its place, and says then where it came from."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=1):
            probe.armed = False
            mine = Mine()
            out: list[BaseException] = []

            async def leave(probe: Probe = probe, mine: Mine = mine, out: list[BaseException] = out) -> None:
                try:
                    async with here.connected() as connection:
                        await connection.receive()
                        for event in ENDING:
                            await connection.send(event)
                        probe.armed = True
                        raise mine
                except Mine as exc:
                    out.append(exc)
                    if way in ASYNCIO_WAYS and was_cancelled():
                        raise asyncio.CancelledError from None  # it comes once: whoever goes on has to look
                except asyncio.CancelledError as exc:
                    out.append(exc)
                    raise

            await way(leave, probe)
            (error,) = out
            await here.left()
            if way in ASYNCIO_WAYS and error is not mine:
                assert isinstance(error, asyncio.CancelledError)
                assert error.__context__ is mine
            else:
                assert error is mine
                assert here.visit.ids == LAST_IDS
                assert here.visit.code == 1000


# The whole of it


@dataclass
class Progress:
    """How far a conversation came."""

    opened: bool = False
    sent: list[str] = field(default_factory=list)


async def converse(here: Scene, progress: Progress, **options: Any) -> None:
    """From the opening to the goodbye, with every kind of wait in between."""
    async with here.connected(**options) as connection:
        progress.opened = True
        assert isinstance(await connection.receive(), SessionCreated)
        for event_id, call in (
            ("session", partial(UPDATE, connection, wait=True)),
            ("commit", connection.input_audio_buffer.commit),
            ("response", connection.response.create),
        ):
            await call(event_id=event_id)
            progress.sent.append(event_id)
        await connection.wait_for(ResponseDone)
        got: Got = []
        async with connection.subscribe(ResponseOutputTextDelta, ResponseDone) as stream:
            await connection.response.create(event_id="again")
            progress.sent.append("again")
            await iterate(stream, got)
        assert got == ALL
        got.clear()
        await iterate(connection, got)
        assert got == ALL


IDS = ["session", "commit", "response", "again"]


@at_every_moment
@in_every_way
async def test_a_conversation_that_is_cancelled_anywhere_leaves_nothing_behind(way: Way, moment: Moment) -> None:
    """What was sent was heard, once and whole; one that was open says goodbye."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=20):
            progress = Progress()
            await way(partial(converse, here, progress), probe)
            await here.left()
            sent = here.visit.ids if here.service.visits else []
            assert sent == IDS[: len(sent)]
            if progress.opened and way not in ASYNCIO_WAYS:
                assert here.visit.code == 1000
                assert len(sent) >= len(progress.sent)
            here.service.visits.clear()


@at_every_moment
@in_every_way
async def test_a_neighbour_on_the_same_connection_does_not_notice(way: Way, moment: Moment) -> None:
    """One task iterates to the end, while another, which calls, waits and subscribes, is cancelled."""
    async with scene() as here:
        for probe in each_checkpoint(moment, least=4):
            got: Got = []
            async with here.connected() as connection:

                async def neighbour(connection: Connection = connection, got: Got = got) -> None:
                    async for event in connection:
                        note(event, got)

                async def disturb(connection: Connection = connection) -> None:
                    async with connection.subscribe(ResponseOutputTextDelta, limit=100_000) as stream:
                        await _call(UPDATE, connection, "first", [])
                        await connection.response.create()
                        await stream.receive()
                        await connection.response.create(wait=True)
                        await connection.wait_for(ResponseDone)

                async with create_task_group() as tasks:
                    tasks.start_soon(neighbour)
                    await way(disturb, probe)
                    told: list[str] = []
                    await _call(UPDATE, connection, "last", told)
                    assert told == ["to_last"]
                    await connection.aclose()
            responses = [event for event in here.visit.heard if event["type"] == "response.create"]
            assert got == ALL * len(responses)
            await here.left_in_good_order()


# Opening


class Tokens:
    """A credential whose first token is refused, and whose second is let in after a while."""

    def __init__(self) -> None:
        self._asked = 0

    async def give(self) -> str:
        await checkpoint()
        return self.give_at_once()

    def give_at_once(self) -> str:
        self._asked += 1
        return f"token-{self._asked}"


def doorkeeper(service: Service) -> Script:
    """Refuses a first token (401), asks a second to come again (503), and lets the third in."""
    answers = {
        "Bearer token-1": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        "Bearer token-2": b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    }

    async def receive(peer: Peer) -> None:
        request = await peer.read_request()
        refusal = answers.get(request.headers["Authorization"])
        if refusal is not None:
            await peer.stream.send(refusal)
            await peer.gone()
            return
        await service.converse(peer)

    return receive


def http_proxy(service: Service) -> Script:
    """An HTTP proxy, and behind it a service that speaks TLS."""

    async def receive(peer: Peer) -> None:
        assert b"\r\n\r\n" in await peer.stream.receive()
        await peer.stream.send(b"HTTP/1.1 200 Go on\r\n\r\n")
        stream = await TLSStream.wrap(peer.stream, server_side=True, ssl_context=SERVER_TLS, standard_compatible=False)
        await service.receive(Peer(stream))

    return receive


def socks_proxy(service: Service) -> Script:
    """A SOCKS 5 proxy (RFC 1928), and behind it the service."""

    async def receive(peer: Peer) -> None:
        assert (await peer.stream.receive())[:1] == b"\x05"
        await peer.stream.send(b"\x05\x00")
        assert (await peer.stream.receive())[:2] == b"\x05\x01"
        await peer.stream.send(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await service.receive(peer)

    return receive


def no_options(_: Server) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Route:
    """A way to the service, and how many checkpoints it has at least."""

    name: str
    least: int
    script: Callable[[Service], Script] | None = None
    tls: bool = False
    options: Callable[[Server], dict[str, Any]] = no_options


ROUTES = [
    Route("plain", 4),
    Route("tls", 6, tls=True, options=lambda _: {"ssl_context": CLIENT_TLS}),
    Route("refused", 15, doorkeeper, options=lambda _: {**_token(Tokens().give), "max_retries": 1}),
    Route("thread", 10, doorkeeper, options=lambda _: {**_token(Tokens().give_at_once), "max_retries": 1}),
    Route(
        "http_proxy",
        10,
        http_proxy,
        options=lambda server: {"ssl_context": CLIENT_TLS, "proxy": f"http://127.0.0.1:{server.port}"},
    ),
    Route("socks_proxy", 8, socks_proxy, options=lambda server: {"proxy": f"socks5://127.0.0.1:{server.port}"}),
]


def _token(credential: Callable[[], Any]) -> dict[str, Any]:
    return {"api_key": None, "credential": credential}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@at_every_moment
@in_every_way
async def test_an_opening_that_is_cancelled_anywhere_leaves_nothing_open(
    way: Way, moment: Moment, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)  # waits between attempts are as short as they may be
    async with scene(route.script, tls=route.tls) as here:
        secure = route.tls or route.script is http_proxy
        here.server.url = f"http{'s' if secure else ''}://127.0.0.1:{here.server.port}"
        for probe in each_checkpoint(moment, least=route.least):
            opened: list[Connection] = []

            async def enter(probe: Probe = probe, opened: list[Connection] = opened) -> None:
                async with here.connected(**route.options(here.server)) as connection:
                    probe.armed = False
                    opened.append(connection)

            await way(enter, probe)
            await here.left()
            assert probe.finished or probe.struck
            if opened and probe.passed < probe.at:
                assert here.visit.code == 1000
            assert all(visit.code in (1000, None) and not visit.heard for visit in here.service.visits)
            here.service.visits.clear()


# Ctrl-C


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@at_every_moment
def test_ctrl_c_anywhere_in_a_conversation_comes_out_bare(backend: str, moment: Moment, tls: bool) -> None:
    """As the loop delivers it: asyncio cancels the main task, trio raises it there."""
    options: dict[str, Any] = {"ssl_context": CLIENT_TLS} if tls else {}

    async def main(probe: Probe) -> None:
        async with scene(tls=tls) as here:
            probe.strike = partial(signal.raise_signal, signal.SIGINT)
            try:
                await probe.watch(partial(converse, here, Progress(), **options))
                await turns(5 if probe.struck else 0)
            except KeyboardInterrupt:  # a group of ours around it would not be caught here
                pressed.append(probe.at)
            except asyncio.CancelledError:
                await here.left()
                raise
            await here.left()

    pressed: list[int] = []
    for probe in each_checkpoint(moment, least=20):
        try:
            anyio.run(main, probe, backend=backend)
        except KeyboardInterrupt:
            pressed.append(probe.at)
        assert (probe.at in pressed) == probe.struck


PROGRAM = textwrap.dedent("""
    import sys

    import anyio

    from realtime_azure import connect


    async def main(backend, url, place):
        if place == "opening":
            print("ready", flush=True)
        patience = 60 if place == "leaving" else 0.2
        async with connect(url, deployment="d", api_version="v1", api_key="k", close_timeout=patience) as connection:
            await connection.receive()
            if place != "sending":
                print("ready", flush=True)
            if place == "reading":
                await connection.receive()
            if place == "calling":
                await connection.response.create(wait=True)
            while place == "sending":
                with anyio.move_on_after(0.1) as full:
                    await connection.input_audio_buffer.append(bytes(500_000))
                if full.cancelled_caught:  # the network is full now
                    print("ready", flush=True)
                    await connection.input_audio_buffer.append(bytes(500_000))


    anyio.run(main, *sys.argv[1:], backend=sys.argv[1])
""")


PLACES = ["opening", "reading", "calling", "sending", "leaving"]


def mute(place: str, there: Event) -> Script:
    """A service that does not do what the program waits for at *place*; *there* is set when it has come so far."""

    async def receive(peer: Peer) -> None:
        await peer.read_request()
        if place == "opening":
            there.set()
            await peer.gone()
            return
        await accept(peer)
        await peer.say(SESSION_CREATED)
        if place == "sending":
            await anyio.sleep_forever()
        code = await peer.close_code()
        there.set()
        if place != "leaving":
            await peer.send(close_frame(code))
        await peer.gone()

    return receive


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_ctrl_c_ends_a_program_wherever_it_waits(backend: str) -> None:
    """It ends by the signal, as any program does, and says KeyboardInterrupt and nothing else."""
    ended: dict[str, tuple[int, bytes]] = {}

    async def press(place: str) -> None:
        there = Event()
        async with serve(mute(place, there)) as server:
            command = [sys.executable, "-W", "error", "-c", PROGRAM, backend, server.url, place]
            async with await anyio.open_process(command, stdin=subprocess.DEVNULL) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                assert (await process.stdout.receive()).startswith(b"ready")
                if place in ("opening", "leaving"):
                    await there.wait()
                process.send_signal(signal.SIGINT)
                words = b"".join([chunk async for chunk in process.stderr])
                ended[place] = await process.wait(), words

    with fail_after(20):
        async with create_task_group() as tasks:
            for place in PLACES:
                tasks.start_soon(press, place)
    assert sorted(ended) == sorted(PLACES)
    for place, (code, words) in ended.items():
        print(place, words.decode())
        assert code == -signal.SIGINT
        assert words.rstrip().endswith(b"KeyboardInterrupt")
        assert not [word for word in (b"ExceptionGroup", b"never", b"Warning", b"destroyed") if word in words]
