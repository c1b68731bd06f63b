"""A connection without a port: the line in memory, the session on it, and everything that goes wrong on it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    move_on_after,
    wait_all_tasks_blocked,
)
from anyio.abc import TaskStatus
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import AuthenticationError, BrokenOff, ConnectionLost, ConnectTimeout, StatusError, connect
from realtime_azure.emulator import Emulator, Turn, serve
from realtime_azure.emulator.faults import KINDS
from realtime_azure.emulator.memory import PIECES, MemoryStream, line
from realtime_azure.events import ErrorEvent, ResponseDone, SessionCreated
from realtime_azure.testing import assert_events, connected

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Any:
    """A stream that is left to the garbage collector is a ResourceWarning, and so an error."""
    yield
    gc.collect()


async def say(turn: Turn) -> str:
    return f"You said: {turn.text}" if turn.text else "All is well."


async def written_turn(connection: Any) -> list[Any]:
    await connection.response.create({"output_modalities": ["text"]})
    events: list[Any] = []
    async for event in connection:
        events.append(event)
        if isinstance(event, ResponseDone):
            break
    return events


# The session


@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
async def test_a_whole_turn_is_heard(version: str) -> None:
    with fail_after(5):
        async with connected(say, api_version=version) as connection:
            assert connection.endpoint.api_version == version
            await connection.conversation.item.create(
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
            )
            events = await written_turn(connection)
    assert_events(events, [SessionCreated, ..., {"response": {"status": "completed"}}])
    (item,) = events[-1].response.output
    assert item.content[0].text == "You said: Hello."


async def test_the_deployment_is_the_one_that_was_asked_for() -> None:
    asked: list[str] = []

    async def note(turn: Turn) -> str:
        asked.append(turn.deployment)
        return "Yes."

    with fail_after(5):
        async with connected(note, deployment="mini", deployments=["mini"]) as connection:
            await written_turn(connection)
        with pytest.raises(StatusError) as caught:
            async with connected(note, deployment="maxi", deployments=["mini"]):
                pass
    assert asked == ["mini"]
    assert caught.value.code == "DeploymentNotFound"


async def test_two_at_once_know_nothing_of_each_other() -> None:
    with fail_after(5):
        async with connected(say) as one, connected(say) as other:
            created = [await each.receive() for each in (one, other)]
    assert all(isinstance(each, SessionCreated) for each in created)
    assert one.session_id != other.session_id


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with connected(say):
            raise ZeroDivisionError


async def test_an_emulator_that_ends_says_good_bye() -> None:
    stop = Event()

    async def emulate(*, task_status: TaskStatus[Emulator]) -> None:
        async with serve(port=None, responder=say) as emulator:
            task_status.started(emulator)
            await stop.wait()

    with fail_after(5):
        async with create_task_group() as tasks:
            emulator: Emulator = await tasks.start(emulate)
            async with connect(
                emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key, dial=emulator.dial
            ) as connection:
                await connection.receive()
                stop.set()
                with pytest.raises(ConnectionLost) as caught:
                    await connection.receive()
            assert (caught.value.code, caught.value.reason) == (1001, "the emulator is shutting down")


async def test_a_wrong_key_is_a_wrong_key_here_too() -> None:
    with fail_after(5):
        async with serve(port=None) as emulator:
            with pytest.raises(AuthenticationError):
                async with connect(
                    emulator.url, deployment="any", api_version="v1", api_key="wrong", dial=emulator.dial
                ):
                    pass


# Everything that goes wrong


async def outcome(fault: str, **options: Any) -> str:
    """What a written turn comes to with *fault*."""
    try:
        async with serve(port=None, faults=[fault], seed=1, responder=say) as emulator:
            arguments: dict[str, Any] = {
                "api_key": emulator.api_key,
                "deployment": "any",
                "api_version": "v1",
                "max_retries": 0,
            }
            async with connect(emulator.url, dial=emulator.dial, **arguments, **options) as connection:
                events = await written_turn(connection)
    except ConnectionLost as lost:
        code = f" after {lost.last_error.error.code}" if lost.last_error else ""
        return f"lost {lost.code}{code}"
    except (StatusError, BrokenOff, ConnectTimeout) as exc:
        return type(exc).__name__
    if any(isinstance(event, ErrorEvent) for event in events):
        return "error"
    return f"{len(events)} events"


PLAIN = "13 events"
OUTCOMES = {
    "refuse=401": "AuthenticationError",
    "close@1=1008": "lost 1008",
    "drop@0": "BrokenOff",
    "drop@4": "lost 1006",
    "cut@4": "lost 1006",
    "black_hole@0": "ConnectTimeout",
    "black_hole@4": "lost 1006",
    "slow_reader=100000": PLAIN,
    "slow_writer=100000": PLAIN,
    "duplicate@2": "14 events",
    "reorder@2": PLAIN,
    "unknown_event@2": "14 events",
    "unknown_value@2": PLAIN,
    "malformed@3": PLAIN,
    "giant@2": "lost 1009",
    "giant@2=100000": PLAIN,
    "clock_skew=-300": PLAIN,
    "expire=0.001": "lost 1001 after session_expired",
}


@pytest.mark.parametrize("fault", OUTCOMES)
async def test_a_fault_is_the_same_without_a_port(fault: str) -> None:
    impatient: dict[str, Any] = {}
    match fault:
        case "black_hole@0":
            impatient = {"attempt_timeout": 0.1}
        case "black_hole@4":
            impatient = {"ping_interval": 0.05, "ping_timeout": 0.1, "close_timeout": 0.05}
        case _:
            pass
    with fail_after(10):
        if fault.startswith("expire"):
            assert await outcome_of_waiting(fault) == OUTCOMES[fault]
        else:
            assert await outcome(fault, **impatient) == OUTCOMES[fault]


async def outcome_of_waiting(fault: str) -> str:
    async with connected(say, faults=[fault]) as connection:
        with pytest.raises(ConnectionLost) as caught:
            async for _ in connection:
                pass
        error = caught.value.last_error
        return f"lost {caught.value.code} after {error and error.error.code}"


async def test_an_error_that_is_asked_for_comes() -> None:
    with fail_after(5):
        async with connected(say, faults=["error@1=server_error"]) as connection:
            await connection.response.create()
            assert (await connection.wait_for(ErrorEvent)).error.code == "server_error"


def test_every_kind_there_is_was_tried() -> None:
    tried = {fault.partition("@")[0].partition("=")[0] for fault in OUTCOMES}
    assert set(KINDS) - tried == {"error"}


# The line


async def read_on(stream: MemoryStream, size: int = 65536) -> bytes:
    """All that comes until the end."""
    came = b""
    while True:
        try:
            came += await stream.receive(size)
        except EndOfStream:
            return came


async def test_both_ends_hear_what_the_other_says() -> None:
    left, right = line()
    async with left, right:
        with fail_after(5):
            await left.send(b"hello")
            await right.send(b"well met")
            assert await right.receive() == b"hello"
            assert await left.receive() == b"well met"


async def test_a_read_is_no_longer_than_it_may_be_and_the_rest_is_kept() -> None:
    left, right = line()
    async with left, right:
        with fail_after(5):
            await left.send(b"hello")
            await left.send(b"!")
            assert [await right.receive(2) for _ in range(4)] == [b"he", b"ll", b"o", b"!"]


async def test_nothing_is_not_sent() -> None:
    left, right = line()
    async with left, right:
        with fail_after(5):
            await left.send(b"")
            await left.send(b"a")
            assert await right.receive() == b"a"


@given(
    st.lists(st.binary(max_size=20), max_size=40),
    st.lists(st.integers(1, 30), min_size=1, max_size=10),
    st.integers(1, 30),
)
async def test_whatever_is_sent_comes_however_it_is_cut(pieces: list[bytes], sizes: list[int], last: int) -> None:
    left, right = line()
    async with left, right:
        with fail_after(5):
            for piece in pieces:
                await left.send(piece)
            await left.send_eof()
            came = b""
            for size in sizes:
                try:
                    part = await right.receive(size)
                except EndOfStream:
                    break
                assert 0 < len(part) <= size
                came += part
            assert came + await read_on(right, last) == b"".join(pieces)


async def test_half_a_line_can_end() -> None:
    left, right = line()
    async with left, right:
        with fail_after(5):
            await left.send(b"last words")
            await left.send_eof()
            assert await read_on(right) == b"last words"
            await right.send(b"thanks")
            assert await left.receive() == b"thanks"
            with pytest.raises(ClosedResourceError):
                await left.send(b"one more")


async def test_what_was_said_before_an_end_was_closed_is_heard() -> None:
    left, right = line()
    async with right:
        await left.send(b"last words")
        await left.aclose()
        with fail_after(5):
            assert await read_on(right) == b"last words"
            with pytest.raises(BrokenResourceError):
                await right.send(b"are you there?")


async def test_a_closed_end_is_closed() -> None:
    left, right = line()
    async with right:
        with fail_after(5):
            await right.send(b"hello")
            assert await left.receive(2) == b"he"
            await left.aclose()
            await left.aclose()
            with pytest.raises(ClosedResourceError):
                await left.send(b"a")
            with pytest.raises(ClosedResourceError):
                await left.receive()


async def test_a_reader_who_waits_hears_that_the_other_end_was_closed() -> None:
    left, right = line()
    ended = Event()

    async def read() -> None:
        assert await read_on(right) == b""
        ended.set()

    async with left, right, create_task_group() as tasks:
        tasks.start_soon(read)
        await wait_all_tasks_blocked()
        await left.aclose()
        with fail_after(5):
            await ended.wait()


async def test_a_full_line_makes_its_writer_wait() -> None:
    left, right = line()
    async with left, right:
        with fail_after(5):
            for _ in range(PIECES):
                await left.send(b"a")
            with move_on_after(0) as patience:
                await left.send(b"b")
            assert patience.cancelled_caught
            assert await right.receive() == b"a"
            await left.send(b"c")
            await left.aclose()
            assert await read_on(right) == b"a" * (PIECES - 1) + b"c"


async def for_ever(stream: MemoryStream) -> None:
    while True:
        await stream.send(b"a")


async def test_a_writer_who_waits_hears_that_nobody_reads_any_more() -> None:
    left, right = line()
    gone = Event()

    async def write() -> None:
        with pytest.raises(BrokenResourceError):
            await for_ever(left)
        gone.set()

    async with left, right, create_task_group() as tasks:
        tasks.start_soon(write)
        await wait_all_tasks_blocked()
        await right.aclose()
        with fail_after(5):
            await gone.wait()


async def test_a_reader_lets_others_have_their_turn() -> None:
    left, right = line()
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    async with left, right, create_task_group() as tasks:
        await left.send(bytes(1000))
        tasks.start_soon(other)
        with fail_after(5):
            for _ in range(1000):
                await right.receive(1)
    assert turns == ["other"]
    assert not left.extra_attributes


async def test_a_client_that_does_not_read_holds_up_the_emulator_and_nobody_else() -> None:
    """What a socket's buffers do: the emulator waits with an answer that nobody takes."""

    async def talkative(turn: Turn) -> str:
        return "word " * 20_000

    with fail_after(20):
        async with serve(port=None, responder=talkative) as emulator:
            arguments: dict[str, Any] = {"api_key": emulator.api_key, "deployment": "any", "api_version": "v1"}
            async with connect(emulator.url, dial=emulator.dial, inbox_limit=1000, **arguments) as slow:
                await slow.response.create({"output_modalities": ["text"]})
                async with connect(emulator.url, dial=emulator.dial, **arguments) as quick:
                    await quick.session.update({"type": "realtime", "instructions": "x"}, wait=True)
                assert slow.statistics().inbox_events < 20_000
                events = await written_turn_of(slow)
    assert events > 20_000


async def written_turn_of(connection: Any) -> int:
    count = 0
    async for event in connection:
        count += 1
        if isinstance(event, ResponseDone):
            break
    return count
