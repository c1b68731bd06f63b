"""A connection over a bad network: what is read is what was sent, as far as it came, and what broke is said.

A relay between the client and a scripted server cuts, delays, corrupts, stalls and resets by a plan that hypothesis
draws. A plan that fails is printed as the Python that makes it: give it to `check` to run it again.
What the client should have read is worked out anew, by websockets' own protocol from the bytes that reached it.
"""

from __future__ import annotations

import base64
import gc
import json
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import (
    BrokenResourceError,
    CancelScope,
    EndOfStream,
    Event,
    Lock,
    connect_tcp,
    create_task_group,
    fail_after,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSStream
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from realtime_azure import (
    BrokenOff,
    ConnectError,
    Connection,
    ConnectionClosed,
    ConnectionLost,
    ConnectTimeout,
    connect,
    emulator,
)
from realtime_azure.events import ResponseDone, UnknownEvent, decode

from .relay import (
    ENDINGS,
    BlackHole,
    Corrupt,
    Delay,
    Fault,
    HalfClose,
    Plan,
    Relay,
    Reset,
    Stall,
    Way,
    relay_to,
)
from .serving import (
    QUIET,
    SESSION_CREATED,
    Certificates,
    Peer,
    close_frame,
    serve,
    text,
    text_delta,
    to_bytes,
)

pytestmark = pytest.mark.anyio

KEY = "a-key-of-a-test"
CERTIFICATES = Certificates()
SERVER_TLS = CERTIFICATES.server("127.0.0.1")
CLIENT_TLS = CERTIFICATES.client()


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be searched for each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Generator[None]:
    """A socket or a task that is left to the garbage collector is a warning, and so an error."""
    yield
    gc.collect()


# What the two say to each other

WORDS = [b" ", b"hello", "schön ✓".encode(), b"x" * 130, b"y" * 3000]
SAID = [to_bytes(text_delta(f"{number} {WORDS[number % 5].decode()}")) for number in range(25)]
"""What the server says, one message each."""

SOUNDS = [bytes([number]) * 150 for number in range(12)]
"""What the client says: an append each."""


GONE = (EndOfStream, BrokenResourceError, OSError)
"""How a peer that has gone shows."""


def frames_of(number: int, message: bytes) -> list[Frame]:
    """*message* whole, in fragments with a ping in between, or as a binary message."""
    if number % 7 == 3:
        third = len(message) // 3
        return [
            text(message[:third], fin=False),
            Frame(Opcode.CONT, message[third : 2 * third], fin=False),
            Frame(Opcode.PING, b"?"),
            Frame(Opcode.CONT, message[2 * third :]),
        ]
    if number % 7 == 6:
        return [Frame(Opcode.BINARY, message)]
    return [text(message)]


@dataclass
class Service:
    """A server that says everything it has, hears what it can, answers pings, and says goodbye when all is done."""

    heard: list[bytes] = field(default_factory=list[bytes])
    """The messages that came, whole ones."""
    spoke_all: Event = field(default_factory=Event)
    heard_all: Event = field(default_factory=Event)

    _writing: Lock = field(default_factory=Lock)

    async def script(self, peer: Peer) -> None:
        try:
            await peer.accept(SESSION_CREATED)
        except (WebSocketException, EOFError, OSError):
            return  # what came is not the protocol: it hangs up
        async with create_task_group() as tasks:
            tasks.start_soon(self._speak, peer)
            with suppress(WebSocketException, EOFError, *GONE):
                await self._listen(peer)
            tasks.cancel_scope.cancel()

    async def _send(self, peer: Peer, *frames: Frame) -> None:
        async with self._writing:
            await peer.send(*frames)

    async def _speak(self, peer: Peer) -> None:
        with suppress(*GONE):  # who listens will notice
            for number, message in enumerate(SAID):
                await self._send(peer, *frames_of(number, message))
            self.spoke_all.set()
            await self.heard_all.wait()
            await self._send(peer, close_frame(1000, "that was all"))

    async def _listen(self, peer: Peer) -> None:
        while (frame := await peer.frame()).opcode is not Opcode.CLOSE:
            if frame.opcode is Opcode.TEXT:
                self.heard.append(bytes(frame.data))
            elif frame.opcode is Opcode.PING:
                await self._send(peer, Frame(Opcode.PONG, bytes(frame.data)))
            if len(self.heard) == len(SOUNDS):
                self.heard_all.set()
        if not (self.spoke_all.is_set() and self.heard_all.is_set()):  # the client closes first
            await self._send(peer, close_frame())


def sound_in(message: bytes) -> bytes:
    sound = json.loads(message)["audio"]
    return base64.b64decode(sound)


class Mine(Exception):
    """What the caller's own code raises."""


@dataclass
class Outcome:
    """What the client saw."""

    events: list[bytes] = field(default_factory=list[bytes])
    beside: list[bytes] = field(default_factory=list[bytes])
    """What a subscription saw."""
    queued: int = 0
    """How many appends were taken."""
    ending: BaseException | None = None
    """What the main stream raised; None where it ended well."""
    opened: bool = True
    left: bool = False
    """Whether it left by its own exception or cancellation, and that came out as it was."""
    sender: BaseException | None = None
    """What the last append raised."""


@dataclass(frozen=True)
class Leave:
    """After *events* events, the client's own code raises, or is cancelled."""

    events: int
    cancelled: bool


async def say_all(connection: Connection, outcome: Outcome) -> None:
    try:
        for sound in SOUNDS:
            await connection.input_audio_buffer.append(sound)
            outcome.queued += 1
            await checkpoint()
    except ConnectionClosed as exc:
        outcome.sender = exc


async def read_beside(connection: Connection, outcome: Outcome) -> None:
    with suppress(ConnectionClosed):
        async with connection.subscribe() as stream:
            async for event in stream:
                outcome.beside.append(event.raw)


async def talk(connection: Connection, outcome: Outcome, leave: Leave | None) -> bool:
    """Sends all sounds, reads all events, unless it is to *leave* earlier: whether it did. Notes what ends it."""
    async with create_task_group() as tasks:
        tasks.start_soon(say_all, connection, outcome)
        tasks.start_soon(read_beside, connection, outcome)
        try:
            async for event in connection:
                outcome.events.append(event.raw)
                if leave is not None and len(outcome.events) > leave.events:
                    tasks.cancel_scope.cancel()
                    return True
        except ConnectionClosed as exc:
            outcome.ending = exc
    return False


async def converse(url: str, options: dict[str, Any], outcome: Outcome, leave: Leave | None) -> None:
    """All that the client does. It leaves by an exception of its own, or cancelled, if it is to."""
    mine = Mine()
    scope = CancelScope()
    try:
        with scope:
            async with connect(url, **options) as connection:
                if await talk(connection, outcome, leave):
                    assert leave is not None
                    if not leave.cancelled:
                        raise mine
                    scope.cancel()
                    await checkpoint()
    except ConnectError as exc:
        outcome.ending = exc
        outcome.opened = False
    except Mine as exc:
        outcome.left = exc is mine
    else:
        outcome.left = scope.cancelled_caught


# Plans

PATIENT = {"ping_interval": 0.05, "ping_timeout": 5.0}
HANDSHAKE, TLS_HANDSHAKE = 600, 3000
"""In so many bytes of a direction it is over, at the latest."""

IMPATIENT = {"ping_interval": 0.03, "ping_timeout": 0.1}


def falls_silent(plan: Plan, before: int | None = None) -> bool:
    """Whether something in *plan*, *before* a place, may be noticed by nothing but silence."""
    return any(
        isinstance(fault, (BlackHole, Stall, Corrupt)) and (before is None or fault.at < before)
        for fault in plan.faults()
    )


def client_options(plan: Plan, *, tls: bool = False) -> dict[str, Any]:
    """Times for *plan*: where something vanishes, it should not be waited for long; elsewhere nothing may be lost."""
    hurts = any(isinstance(fault, (*ENDINGS, Corrupt)) for fault in plan.faults())
    return {
        "deployment": "d",
        "api_version": "v1",
        "api_key": KEY,
        "max_retries": 0,
        "open_timeout": 0.2 if falls_silent(plan, TLS_HANDSHAKE if tls else HANDSHAKE) else 5.0,
        "close_timeout": 0.05 if hurts else 3.0,
        **(IMPATIENT if falls_silent(plan) else PATIENT),
        **({"ssl_context": CLIENT_TLS} if tls else {}),
    }


def offsets(limit: int) -> st.SearchStrategy[int]:
    """Places in one direction: in the handshake (some 300 bytes), around its end, and anywhere after it."""
    return st.integers(0, 400) | st.integers(0, limit)


def faults(limit: int) -> st.SearchStrategy[Fault]:
    at = offsets(limit)
    return st.one_of(
        st.builds(Delay, at, st.sampled_from([0.001, 0.004])),
        st.builds(Corrupt, at, st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 255])),
        *(st.builds(kind, at) for kind in (HalfClose, Reset, BlackHole, Stall)),
    )


def ways(limit: int, what: st.SearchStrategy[Fault]) -> st.SearchStrategy[Way]:
    shaped = st.sampled_from([(), (), (1, 900), (2, 3, 70), (500,), (1, 1, 1, 1, 1, 4000)])
    return st.builds(
        Way,
        faults=st.lists(what, max_size=2).map(tuple),
        pieces=shaped,
        gather=st.sampled_from([0, 0, 0, 1000, 6000]),
    )


TO_SERVER, TO_CLIENT = 4000, 20_000
"""About as many bytes as there are in each direction."""

plans = st.builds(Plan, ways(TO_SERVER, faults(TO_SERVER)), ways(TO_CLIENT, faults(TO_CLIENT)))
leaves = st.none() | st.builds(Leave, st.integers(0, len(SAID)), st.booleans())
delays = st.builds(Delay, st.integers(0, 4000), st.sampled_from([0.001, 0.004]))
throttled = st.builds(Way, pieces=st.just((700,)), pause=st.sampled_from([0.001, 0.003]))
gentle_ways = ways(TO_SERVER, delays) | throttled
gentle_plans = st.builds(Plan, gentle_ways, gentle_ways)


# The check


def messages_in(received: bytes) -> list[bytes]:
    """The messages in what a client *received*, by websockets' own protocol."""
    _, found, frames = received.partition(b"\r\n\r\n")
    if not found:
        return []
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), state=OPEN, max_size=None, logger=QUIET)
    protocol.receive_data(frames)
    messages: list[bytes] = []
    fragments: list[bytes] = []
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            fragments.append(bytes(frame.data))
            if frame.fin:
                messages.append(b"".join(fragments))
                fragments.clear()
        elif frame.opcode is Opcode.CLOSE:
            break
    return messages


def begins(whole: Sequence[bytes], part: Sequence[bytes]) -> bool:
    """Whether *part* is how *whole* begins."""
    return list(whole[: len(part)]) == list(part)


def occurs(whole: Sequence[bytes], part: Sequence[bytes]) -> bool:
    """Whether *part* is in *whole*, in one piece."""
    return any(list(whole[start : start + len(part)]) == list(part) for start in range(len(whole) + 1))


def descriptors() -> int:
    """How many files and sockets this process holds; 0 where the system does not say."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@asynccontextmanager
async def nothing_left() -> AsyncGenerator[None]:
    """What runs and what is open is the same after the block as before."""
    await wait_all_tasks_blocked()
    tasks, open_files = {task.id for task in anyio.get_running_tasks()}, descriptors()
    yield
    with fail_after(2):
        while {task.id for task in anyio.get_running_tasks()} != tasks or descriptors() > open_files:
            await checkpoint()  # asyncio closes sockets in a later turn


@dataclass
class Scene:
    """One conversation over a relay, and all that there is to know of it."""

    outcome: Outcome
    service: Service
    relay: Relay


async def play(plan: Plan, leave: Leave | None, *, tls: bool) -> Scene:
    """A conversation by *plan*. Raises only what nobody may raise."""
    service, outcome = Service(), Outcome()
    options = client_options(plan, tls=tls)
    with fail_after(8):
        async with (
            serve(service.script, tls=SERVER_TLS if tls else None) as server,
            relay_to(server.port, plan) as relay,
        ):
            await converse(f"http{'s' if tls else ''}://127.0.0.1:{relay.port}", options, outcome, leave)
            relay.hang_up()
            if server.clients:
                await server.idle.wait()
    return Scene(outcome, service, relay)


def check_what_was_read(scene: Scene, plan: Plan, *, tls: bool) -> None:
    everything = [to_bytes(SESSION_CREATED), *SAID]
    arrived = everything if tls else messages_in(bytes(scene.relay.to_client))
    if tls or not any(isinstance(fault, Corrupt) for fault in plan.faults()):
        assert begins(everything, arrived)
        if scene.outcome.ending is None and not scene.outcome.left:
            assert scene.outcome.events == everything  # an end that is called good is the end of all
    assert begins(arrived, scene.outcome.events)
    assert occurs(arrived, scene.outcome.beside)


def check_what_was_heard(scene: Scene, plan: Plan, *, tls: bool) -> None:
    if tls or not any(isinstance(fault, Corrupt) for fault in plan.to_server.faults):
        sounds = [sound_in(message) for message in scene.service.heard]
        assert begins(SOUNDS[: scene.outcome.queued + 1], sounds)  # an append that was cancelled may be queued


def check_how_it_ended(scene: Scene, plan: Plan, leave: Leave | None) -> None:
    outcome, ending = scene.outcome, scene.outcome.ending
    # Where time is short, a busy machine may be taken for a bad network.
    unhurt = not falls_silent(plan) and not any(isinstance(fault, ENDINGS) for fault in scene.relay.happened)
    if ending is not None:
        assert isinstance(ending, ConnectionLost if outcome.opened else ConnectError), ending
        assert not unhurt, ending
    if leave is not None and len(outcome.events) > leave.events:
        assert outcome.left
    if unhurt and not outcome.left:
        assert outcome.sender is None
        assert (len(outcome.events), len(scene.service.heard)) == (len(SAID) + 1, len(SOUNDS))


async def check(plan: Plan, leave: Leave | None = None, *, tls: bool = False) -> Scene:
    """Plays *plan*, and looks at all that came of it."""
    async with nothing_left():
        scene = await play(plan, leave, tls=tls)
    check_what_was_read(scene, plan, tls=tls)
    check_what_was_heard(scene, plan, tls=tls)
    check_how_it_ended(scene, plan, leave)
    return scene


CHAOS: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    # No shrinking: a plan is short enough to read, and this way a failure takes seconds, not minutes.
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@given(plan=plans, leave=leaves)
@settings(max_examples=40, **CHAOS)
async def test_whatever_the_network_does(plan: Plan, leave: Leave | None) -> None:
    await check(plan, leave)


@given(plan=plans, leave=leaves)
@settings(max_examples=20, **CHAOS)
async def test_whatever_the_network_does_to_tls(plan: Plan, leave: Leave | None) -> None:
    await check(plan, leave, tls=True)


@given(plan=gentle_plans, leave=leaves)
@settings(max_examples=20, **CHAOS)
async def test_a_network_that_only_cuts_joins_and_dawdles_is_not_noticed(plan: Plan, leave: Leave | None) -> None:
    scene = await check(plan, leave)
    assert scene.outcome.ending is None


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_byte_by_byte_in_both_directions(tls: bool) -> None:
    """The handshake, of TLS too, and every frame."""
    bytewise = Way(pieces=(1,))
    scene = await check(Plan(bytewise, bytewise), tls=tls)
    assert scene.outcome.ending is None


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("fault", [Stall(3200), BlackHole(3200)], ids=repr)
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
async def test_a_peer_that_vanishes_is_found_by_its_silence(fault: Fault, direction: str, tls: bool) -> None:
    plan = Plan(**{direction: Way((fault,))})
    scene = await check(plan, tls=tls)
    assert isinstance(scene.outcome.ending, ConnectionLost)
    assert "no answer to a ping" in str(scene.outcome.ending)


@pytest.mark.parametrize("fault", [Stall(0), BlackHole(0), Stall(100), BlackHole(100)], ids=repr)
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
async def test_a_peer_that_vanishes_while_opening_is_a_timeout(fault: Fault, direction: str) -> None:
    scene = await check(Plan(**{direction: Way((fault,))}))
    assert isinstance(scene.outcome.ending, ConnectTimeout)


@pytest.mark.parametrize("fault", [Reset(0), Reset(100), HalfClose(0), HalfClose(100)], ids=repr)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_peer_that_breaks_off_while_opening_is_told_from_others(fault: Fault, tls: bool) -> None:
    scene = await check(Plan(to_client=Way((fault,))), tls=tls)
    assert isinstance(scene.outcome.ending, BrokenOff)


async def test_a_sender_is_woken_when_a_network_takes_no_more() -> None:
    """Both buffers are full: its own, and the kernel's."""
    service, errors = Service(), list[ConnectionClosed]()
    plan = Plan(to_server=Way((Stall(1000),)))
    with fail_after(8):
        async with nothing_left(), serve(service.script) as server, relay_to(server.port, plan) as relay:
            async with connect(f"http://127.0.0.1:{relay.port}", **client_options(plan)) as connection:
                try:
                    while True:
                        await connection.input_audio_buffer.append(bytes(500_000))
                except ConnectionLost as exc:
                    errors.append(exc)
            relay.hang_up()
            await server.idle.wait()
    assert "no answer to a ping" in str(errors[0])


async def test_a_byte_that_was_changed_in_a_text_is_the_events_own_problem() -> None:
    """A websocket has no checksum: what is no JSON any more is an event that says so, and the rest comes as it is."""
    whole = await check(Plan())
    place = bytes(whole.relay.to_client).index(b'"type": "response.output_text.delta"')
    scene = await check(Plan(to_client=Way((Corrupt(place, 0x20),))))
    (changed,) = [raw for raw in scene.outcome.events if raw not in {to_bytes(SESSION_CREATED), *SAID}]
    event = decode(changed)
    assert isinstance(event, UnknownEvent)
    assert event.problems
    assert scene.outcome.ending is None
    assert len(scene.outcome.events) == len(SAID) + 1


async def test_tls_that_is_spoilt_while_this_side_speaks_is_a_loss() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.hear()
        assert isinstance(peer.stream, TLSStream)
        await peer.stream.transport_stream.send(b"no TLS" * 10)
        await peer.stream.transport_stream.aclose()

    options = client_options(Plan(), tls=True)
    with fail_after(8):
        async with nothing_left(), serve(script, tls=SERVER_TLS) as server:
            for _ in range(10):  # what comes first, the garbage or the next append, is chance
                async with connect(server.url, **options) as connection:
                    with suppress(ConnectionLost):
                        while True:
                            await connection.input_audio_buffer.append(SOUNDS[0])
                            await checkpoint()
            await server.idle.wait()


async def test_a_byte_that_was_changed_in_tls_ends_it() -> None:
    scene = await check(Plan(to_client=Way((Corrupt(6000, 1),))), tls=True)
    assert isinstance(scene.outcome.ending, ConnectionLost)


async def one_turn(emulated: emulator.Emulator, port: int) -> list[str]:
    """The types of all events of one answer of the emulator."""
    kinds: list[str] = []
    async with connect(
        f"http://127.0.0.1:{port}", deployment="d", api_version="v1", api_key=emulated.api_key
    ) as connection:
        await connection.response.create()
        async for event in connection:
            kinds.append(event.type)
            if isinstance(event, ResponseDone):
                break
    return kinds


async def test_the_emulator_over_a_network_that_cuts_and_joins() -> None:
    shaped = Plan(Way(pieces=(1, 2, 40)), Way(pieces=(1, 3, 1000), gather=5000))
    with fail_after(10):
        async with emulator.serve(pace=1000, responder=emulator.recorded_answer) as emulated:
            port = int(emulated.url.rpartition(":")[2])
            async with relay_to(port, shaped) as relay:
                assert await one_turn(emulated, relay.port) == await one_turn(emulated, port)


# The relay itself


async def received_through(plan: Plan, sent: bytes) -> tuple[bytes, bool, Relay]:
    """What a client receives of *sent*, and whether the end of it was an orderly one."""

    async def script(peer: Peer) -> None:
        await peer.stream.send(sent)
        await peer.gone()

    received = b""
    orderly = True
    async with serve(script) as server, relay_to(server.port, plan) as relay:
        async with await connect_tcp("127.0.0.1", relay.port) as stream:
            try:
                while len(received) < len(sent):
                    received += await stream.receive()
            except EndOfStream:
                pass
            except BrokenResourceError:
                orderly = False
        relay.hang_up()
        await server.idle.wait()
    return received, orderly, relay


@pytest.mark.parametrize(
    ("way", "expected", "orderly"),
    [
        (Way(), b"0123456789", True),
        (Way((Corrupt(3, 1),), pieces=(2,)), b"0122456789", True),
        (Way((Corrupt(3, 1), Corrupt(3, 1), Delay(5, 0.001))), b"0123456789", True),
        (Way((HalfClose(4),), pieces=(3,)), b"0123", True),
        (Way(gather=10, pieces=(1, 2)), b"0123456789", True),
    ],
    ids=repr,
)
async def test_the_relay_does_what_the_plan_says(way: Way, expected: bytes, orderly: bool) -> None:
    with fail_after(5):
        received, in_order, relay = await received_through(Plan(to_client=way), b"0123456789")
    assert (received, in_order) == (expected, orderly)
    assert bytes(relay.to_client) == expected
    assert relay.happened == list(way.faults)


async def test_the_relay_resets() -> None:
    with fail_after(5):
        received, orderly, _ = await received_through(Plan(to_client=Way((Reset(4),))), b"0123456789")
    assert b"0123".startswith(received)
    assert not orderly
