"""`append(max_age=)`: sound that the network was too slow for is left out and told to the millisecond; nothing else is.

The peer reads nothing for a while. What arrives afterwards and what was left out have to be all that was sent.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pybase64
import pytest
from anyio import Event, create_task_group, fail_after, move_on_after, wait_all_tasks_blocked
from websockets.frames import Opcode

from realtime_azure import ConfigurationError, Connection, ConnectionClosed, ConnectionLost, connect
from realtime_azure._websocket import OUTBOX_LIMIT
from realtime_azure.events import ConversationItemCreate, SessionUpdated

from .serving import SESSION_CREATED, Certificates, Peer, Script, serve

pytestmark = pytest.mark.anyio

SHORT = 0.005
"""Seconds: too few for a peer that does not read."""

Said = tuple[str, int]
"""A sound or an event, and its number."""


def session(**fields: Any) -> dict[str, Any]:
    return {**SESSION_CREATED, "session": {"type": "realtime", "id": "sess_1", **fields}}


def sound_of(number: int, size: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(size - 4)


@dataclass
class Ear:
    """A service that reads only once it may, and keeps what it hears, in its order."""

    greeting: Mapping[str, Any] = field(default_factory=session)
    may_read: Event = field(default_factory=Event)
    heard: list[Said] = field(default_factory=list[Said])
    sizes: list[int] = field(default_factory=list[int])
    """Bytes of the sounds among it."""

    async def listen(self, peer: Peer) -> None:
        await peer.accept(self.greeting)
        await self.may_read.wait()
        while (frame := await peer.frame()).opcode is Opcode.TEXT:
            self._hear(json.loads(bytes(frame.data)))
        await peer.send(frame)

    def _hear(self, event: dict[str, Any]) -> None:
        if "audio" in event:
            sound = pybase64.b64decode(event["audio"])
            self.heard.append(("sound", int.from_bytes(sound[:4], "big")))
            self.sizes.append(len(sound))
        else:
            self.heard.append(("event", int(event["event_id"])))


@asynccontextmanager
async def connected(script: Script, *, secure: bool = False, **options: Any) -> AsyncGenerator[Connection]:
    certificates = Certificates() if secure else None
    if certificates is not None:
        options["ssl_context"] = certificates.client()
    chosen: dict[str, Any] = {"deployment": "d", "api_version": "v1", "api_key": "k", **options}
    with fail_after(20):
        async with serve(script, tls=certificates.server("127.0.0.1") if certificates else None) as server:
            async with connect(server.url, **chosen) as connection:
                await connection.receive()
                yield connection
            await server.idle.wait()


class Mouth:
    """Sends sounds and events in turn, each with its number, and keeps what was told of them."""

    def __init__(self, connection: Connection) -> None:
        self.said: list[Said] = []
        self.sizes: dict[int, int] = {}
        self.told: list[float] = []
        self._connection = connection

    async def sound(self, max_age: float | None = SHORT, *, size: int = 0) -> None:
        number = len(self.said)
        size = size or 60_000 + 2400 * (number % 7)
        self.said.append(("sound", number))
        self.sizes[number] = size
        self.told.append(await self._connection.input_audio_buffer.append(sound_of(number, size), max_age=max_age))

    async def event(self) -> None:
        number = len(self.said)
        self.said.append(("event", number))
        events: list[Callable[[str], Awaitable[Any]]] = [
            lambda name: self._connection.input_audio_buffer.commit(event_id=name),
            lambda name: self._connection.session.update({"type": "realtime"}, event_id=name),
            lambda name: self._connection.send(
                ConversationItemCreate.model_validate(
                    {"event_id": name, "item": {"type": "message", "role": "user", "content": []}}
                )
            ),
        ]
        await events[number % 3](str(number))

    async def until_some_was_left_out(self) -> None:
        """Sound and events in turn, until the network has been too slow for many a sound."""
        while sum(dropped > 0 for dropped in self.told) < 5:
            await self.sound()
            if self._connection.statistics().outbox_bytes <= OUTBOX_LIMIT:  # else it would wait until the peer reads
                await self.event()
                await self.event()

    def left_out(self, ear: Ear) -> list[int]:
        """The sounds that did not arrive. All else did, as it was sent, and in its order."""
        left_out = {number for kind, number in self.said if kind == "sound" and ("sound", number) not in ear.heard}
        assert ear.heard == [each for each in self.said if each[0] == "event" or each[1] not in left_out]
        assert ear.sizes == [self.sizes[number] for kind, number in ear.heard if kind == "sound"]
        return sorted(left_out)


FORMATS = [
    pytest.param({}, 48.0, id="not said"),
    pytest.param({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}, 48.0, id="24 kHz"),
    pytest.param({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}, 32.0, id="16 kHz"),
    pytest.param({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 44100}}}}, 88.2, id="44.1 kHz"),
    pytest.param({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, 8.0, id="mu-law"),
    pytest.param({"audio": {"input": {"format": {"type": "audio/pcma"}}}}, 8.0, id="A-law"),
]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(("fields", "bytes_per_ms"), FORMATS)
async def test_what_arrives_and_what_was_told_is_all_there_was(
    fields: dict[str, Any], bytes_per_ms: float, secure: bool
) -> None:
    ear = Ear(session(**fields))
    async with connected(ear.listen, secure=secure) as connection:
        mouth = Mouth(connection)
        await mouth.until_some_was_left_out()
        ear.may_read.set()
        await mouth.event()
        await mouth.sound(max_age=60)
        await connection.aclose()
        await it_says_no_more(connection)
    left_out = mouth.left_out(ear)
    told = connection.statistics().audio_dropped_ms
    assert len(left_out) >= 5
    assert told == pytest.approx(sum(mouth.sizes[number] for number in left_out) / bytes_per_ms)
    assert told + sum(ear.sizes) / bytes_per_ms == pytest.approx(sum(mouth.sizes.values()) / bytes_per_ms)
    assert sum(mouth.told) <= told + 1e-6
    assert ear.heard[-2:] == mouth.said[-2:]


async def all_sent(connection: Connection) -> None:
    """Returns when nothing waits for the network."""
    while connection.statistics().outbox_bytes:
        await wait_all_tasks_blocked()


async def it_says_no_more(connection: Connection) -> None:
    with pytest.raises(ConnectionClosed):
        await connection.input_audio_buffer.append(b"\0\0", max_age=SHORT)


@pytest.mark.parametrize(("form", "bytes_per_ms"), [("pcm16", 48.0), ("g711_ulaw", 8.0), ("g711_alaw", 8.0)], ids=str)
@pytest.mark.parametrize("kind", ["session.created", "transcription_session.updated"])
async def test_a_dated_session_says_its_format_in_its_own_words(kind: str, form: str, bytes_per_ms: float) -> None:
    ear = Ear({"type": kind, "session": {"id": "sess_1", "input_audio_format": form}})
    async with connected(ear.listen, api_version="2025-04-01-preview") as connection:
        mouth = Mouth(connection)
        while len(mouth.told) < 5 or not mouth.told[-1]:
            await mouth.sound()
        ear.may_read.set()
    left_out = mouth.left_out(ear)
    assert connection.statistics().audio_dropped_ms == sum(mouth.sizes[number] for number in left_out) / bytes_per_ms


async def test_each_sound_is_worth_what_it_was_when_it_was_sent() -> None:
    """The session changes to telephone sound while the peer does not read: a byte is six times as long from then on."""
    ear, change = Ear(), Event()

    async def script(peer: Peer) -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(ear.listen, peer)
            await change.wait()
            telephone = session(audio={"input": {"format": {"type": "audio/pcmu"}}})
            await peer.say({**telephone, "type": "session.updated"})

    async with connected(script) as connection:
        mouth = Mouth(connection)
        await mouth.until_some_was_left_out()
        changed_at = len(mouth.said)
        change.set()
        await connection.wait_for(SessionUpdated)
        mouth.told.clear()
        await mouth.until_some_was_left_out()
        ear.may_read.set()
    left_out = mouth.left_out(ear)
    worth = [mouth.sizes[number] / (48 if number < changed_at else 8) for number in left_out]
    assert left_out[0] < changed_at < left_out[-1]
    assert connection.statistics().audio_dropped_ms == pytest.approx(sum(worth))


async def test_the_call_tells_what_was_left_out_since_the_one_before() -> None:
    """One task that appends learns of every millisecond, for the first that arrives tells of all before it."""
    ear = Ear()
    async with connected(ear.listen) as connection:
        mouth = Mouth(connection)
        await mouth.until_some_was_left_out()
        ear.may_read.set()
        await all_sent(connection)
        await mouth.sound(max_age=60)
        assert sum(mouth.told) == connection.statistics().audio_dropped_ms > 0
        await mouth.sound(max_age=60)
        assert mouth.told[-1] == 0
    assert sum(mouth.told) == sum(mouth.sizes[number] for number in mouth.left_out(ear)) / 48


async def test_several_tasks_that_append_are_told_once_of_each_sound() -> None:
    ear = Ear()
    async with connected(ear.listen) as connection:
        mouth = Mouth(connection)

        async def speak() -> None:
            for _ in range(25):
                await mouth.sound()

        async with create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(speak)
        ear.may_read.set()
        await all_sent(connection)
        await mouth.sound(max_age=60)
        assert sum(mouth.told) == connection.statistics().audio_dropped_ms
    arrived = [number for kind, number in ear.heard if kind == "sound"]
    left_out = set(mouth.sizes) - set(arrived)
    assert len(arrived) == len(set(arrived))
    assert sum(mouth.told) == sum(mouth.sizes[number] for number in left_out) / 48 > 0


async def test_sound_without_a_max_age_is_never_left_out() -> None:
    ear = Ear()
    async with connected(ear.listen) as connection:
        mouth = Mouth(connection)
        kept: list[int] = []
        while sum(dropped > 0 for dropped in mouth.told) < 5:
            await mouth.sound()
            if connection.statistics().outbox_bytes <= OUTBOX_LIMIT:
                kept.append(len(mouth.said))
                await mouth.sound(max_age=None, size=480)
        ear.may_read.set()
    assert not set(kept) & set(mouth.left_out(ear))
    assert mouth.left_out(ear)


async def test_where_the_network_is_fast_enough_nothing_is_left_out() -> None:
    ear = Ear()
    ear.may_read.set()
    async with connected(ear.listen) as connection:
        mouth = Mouth(connection)
        for _ in range(100):
            await mouth.sound(max_age=60)
            await mouth.event()
    assert mouth.left_out(ear) == []
    assert mouth.told == [0.0] * 100
    assert connection.statistics().audio_dropped_ms == 0


async def test_what_is_too_old_makes_room_for_what_is_not() -> None:
    """An outbox that is full of old sound does not hold up new sound: it comes through though the peer reads late."""
    ear = Ear()
    async with connected(ear.listen) as connection:
        mouth = Mouth(connection)
        while not any(mouth.told):
            await mouth.sound()
        before = len(mouth.said)
        for _ in range(5):
            await mouth.sound(max_age=60)
        ear.may_read.set()
    assert ear.heard[before - len(mouth.said) :] == mouth.said[before:]


async def test_a_cancelled_append_is_neither_sent_nor_told_of() -> None:
    ear = Ear()
    async with connected(ear.listen) as connection:
        mouth = Mouth(connection)
        while connection.statistics().outbox_bytes <= OUTBOX_LIMIT:
            await mouth.sound(max_age=60)
            await wait_all_tasks_blocked()
        with move_on_after(0.01):
            await connection.input_audio_buffer.append(sound_of(9999, 4800), max_age=60)
            raise AssertionError("there was room")
        ear.may_read.set()
        await mouth.sound(max_age=60)
    assert mouth.left_out(ear) == []
    assert connection.statistics().audio_dropped_ms == 0


async def test_a_loss_is_told_to_who_waits_for_room() -> None:
    leave = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await leave.wait()
        await peer.reset()

    async with connected(script) as connection, create_task_group() as tasks:
        mouth = Mouth(connection)

        async def speak() -> None:
            while True:
                await mouth.sound(max_age=600)

        async def speak_to_the_end() -> None:
            with pytest.raises(ConnectionLost):
                await speak()

        tasks.start_soon(speak_to_the_end)
        while connection.statistics().outbox_bytes <= OUTBOX_LIMIT:
            await wait_all_tasks_blocked()
        leave.set()


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), True, "1"], ids=str)
async def test_what_is_no_time_is_refused_and_nothing_sent(wrong: Any) -> None:
    ear = Ear()
    ear.may_read.set()
    async with connected(ear.listen) as connection:
        with pytest.raises(ConfigurationError, match="max_age"):
            await connection.input_audio_buffer.append(b"\0\0", max_age=wrong)
    assert ear.heard == []
