"""Streams: what each reader gets, who waits for whom, and what is said of what was dropped."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import (
    BusyResourceError,
    CancelScope,
    Event,
    create_task_group,
    fail_after,
    sleep,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import realtime_azure.events
import realtime_azure.streams
from realtime_azure import ConnectionClosed, ConnectionLost, StreamLapsed
from realtime_azure.events import (
    ErrorEvent,
    ResponseDone,
    ResponseOutputTextDelta,
    ServerEvent,
    SessionUpdated,
    decode,
)
from realtime_azure.streams import EVENTS_PER_TURN, EventStream, Feed, Inbox, Subscription

from .serving import RESPONSE_DONE, text_delta, to_bytes

pytestmark = pytest.mark.anyio

EVERYTHING: tuple[type[Any], ...] = (realtime_azure.events.Event,)


def delta(number: int, size: int = 0) -> ServerEvent:
    """The event *number*; *size* is that of its raw message, where it matters."""
    message = to_bytes(text_delta(f"{number} "))
    return decode(message[:-2] + b"x" * (size - len(message)) + message[-2:])


def deltas(*numbers: int, size: int = 0) -> list[ServerEvent]:
    return [delta(number, size) for number in numbers]


def number_of(event: ServerEvent) -> int:
    assert isinstance(event, ResponseOutputTextDelta)
    return int(event.delta.split()[0])


DONE = decode(to_bytes(RESPONSE_DONE))


def closed() -> ConnectionClosed:
    return ConnectionClosed("this connection was closed")


def lost() -> ConnectionClosed:
    return ConnectionLost("the connection was lost", code=1006)


async def read(stream: EventStream[Any], count: int) -> list[int]:
    return [number_of(await stream.receive()) for _ in range(count)]


async def rest(stream: EventStream[Any]) -> list[int]:
    return [number_of(event) async for event in stream]


class Pump:
    """Delivers in a task of its own, as a connection does, and can be seen to be held up."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.delivered = 0
        self._batches: list[list[ServerEvent]] = []
        self._work = Event()

    def push(self, *events: ServerEvent) -> None:
        self._batches.append(list(events))
        self._work.set()

    async def run(self) -> None:
        while True:
            await self._work.wait()
            self._work = Event()
            while self._batches:
                await self.inbox.deliver(self._batches.pop(0))
                self.delivered += 1


@asynccontextmanager
async def pumping(inbox: Inbox) -> AsyncGenerator[Pump]:
    pump = Pump(inbox)
    with fail_after(10):
        async with create_task_group() as tasks:
            tasks.start_soon(pump.run)
            yield pump
            tasks.cancel_scope.cancel()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a reader that has read before may take, before it counts as gone."""
    monkeypatch.setattr(realtime_azure.streams, "LAPSE_AFTER", 0.02)


# One reader


async def test_events_come_in_order() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver(deltas(1, 2))
        await inbox.deliver(deltas(3))
        assert await read(inbox.main, 3) == [1, 2, 3]


async def test_a_waiting_reader_gets_what_comes() -> None:
    inbox = Inbox(1 << 20)
    got: list[int] = []

    async def reader() -> None:
        got.extend(await read(inbox.main, 3))

    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(reader)
            for number in (1, 2, 3):
                await wait_all_tasks_blocked()
                await inbox.deliver([delta(number)])


async def test_iteration_can_be_left_and_taken_up_again() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver(deltas(*range(10)))
        inbox.end(closed)
        first: list[int] = []
        async for event in inbox.main:
            first.append(number_of(event))
            if len(first) == 3:
                break
        assert first + await rest(inbox.main) == list(range(10))


async def test_receive_and_iteration_share_the_stream() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver(deltas(1, 2, 3))
        assert number_of(await inbox.main.receive()) == 1
        assert number_of(await anext(inbox.main)) == 2
        assert number_of(await inbox.main.receive()) == 3


async def test_a_second_task_that_waits_is_told_to_subscribe() -> None:
    inbox = Inbox(1 << 20)
    got: list[int] = []

    async def reader() -> None:
        got.extend(await read(inbox.main, 1))

    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(reader)
            await wait_all_tasks_blocked()
            with pytest.raises(BusyResourceError, match="subscription") as caught:
                await inbox.main.receive()
            # anyio puts its own words around those it is given
            assert not str(caught.value).endswith("own this resource")
            await inbox.deliver(deltas(1))
    assert got == [1]  # the first is not disturbed


async def test_cancelled_while_waiting_nothing_is_lost() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        for number in range(5):
            async with create_task_group() as tasks:
                tasks.start_soon(inbox.main.receive)
                await wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            await inbox.deliver([delta(number)])
            assert await read(inbox.main, 1) == [number]


async def test_cancelled_in_the_moment_of_arrival_nothing_is_lost() -> None:
    inbox = Inbox(1 << 20)
    got: list[int] = []

    async def reader(scope: CancelScope) -> None:
        with scope:
            got.append(number_of(await inbox.main.receive()))

    with fail_after(5):
        for number in range(10):
            async with create_task_group() as tasks:
                scope = CancelScope()
                tasks.start_soon(reader, scope)
                await wait_all_tasks_blocked()
                inbox.main.put([delta(number)])
                if number % 2:
                    await checkpoint()
                scope.cancel()
        got += await read(inbox.main, 10 - len(got))
    assert got == list(range(10))


async def test_reading_in_a_cancelled_scope_loses_nothing() -> None:
    inbox = Inbox(1 << 20)
    got: list[int] = []
    with fail_after(5):
        await inbox.deliver(deltas(*range(EVENTS_PER_TURN * 3)))
        inbox.end(closed)
        with CancelScope() as scope:
            scope.cancel()
            async for event in inbox.main:
                got.append(number_of(event))  # noqa: PERF401 - what was got before the cancellation counts
        assert got + await rest(inbox.main) == list(range(EVENTS_PER_TURN * 3))


async def test_a_reader_with_much_to_read_lets_others_run() -> None:
    inbox = Inbox(1 << 20)
    turns = 0

    async def neighbour() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    with fail_after(5):
        await inbox.deliver(deltas(*range(EVENTS_PER_TURN * 10)))
        async with create_task_group() as tasks:
            tasks.start_soon(neighbour)
            await checkpoint()
            turns = 0
            await read(inbox.main, EVENTS_PER_TURN * 10)
            assert turns >= 9
            tasks.cancel_scope.cancel()


# The end


async def test_a_good_end_ends_the_iteration_once_all_is_read() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver(deltas(1, 2))
        inbox.end(closed)
        assert await rest(inbox.main) == [1, 2]
        assert await rest(inbox.main) == []
        with pytest.raises(ConnectionClosed, match="was closed"):
            await inbox.main.receive()


async def test_a_bad_end_raises_once_all_is_read_and_each_time() -> None:
    inbox = Inbox(1 << 20)
    errors: list[ConnectionLost] = []
    got: list[int] = []
    with fail_after(5):
        await inbox.deliver(deltas(1, 2))
        inbox.end(lost)
        for _ in range(2):
            with pytest.raises(ConnectionLost) as caught:  # noqa: PT012 - the block is what is tested
                async for event in inbox.main:
                    got.append(number_of(event))  # noqa: PERF401 - it raises
            errors.append(caught.value)
    assert got == [1, 2]
    assert errors[0] is not errors[1]  # each has its own traceback


@pytest.mark.parametrize("end", [closed, lost])
async def test_who_waits_is_told_of_the_end(end: Any) -> None:
    inbox = Inbox(1 << 20)
    told: list[str] = []

    async def iterate(name: str, stream: EventStream[Any]) -> None:
        try:
            async for _ in stream:
                pass
            told.append(f"{name} ended")
        except ConnectionLost:
            told.append(f"{name} lost")

    async def wait() -> None:
        with pytest.raises(type(end())):
            await inbox.wait_for((ResponseDone,), None)
        told.append("wait")

    with fail_after(5):
        async with Subscription(inbox, (ResponseDone,), None) as stream, create_task_group() as tasks:
            tasks.start_soon(iterate, "main", inbox.main)
            tasks.start_soon(iterate, "subscription", stream)
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
            inbox.end(end)
    how = "lost" if end is lost else "ended"
    assert sorted(told) == [f"main {how}", f"subscription {how}", "wait"]


async def test_a_subscription_after_the_end_is_over() -> None:
    inbox = Inbox(1 << 20)
    inbox.end(closed)
    with fail_after(5):
        async with Subscription(inbox, EVERYTHING, None) as stream:
            assert await rest(stream) == []


# Subscriptions


async def test_a_subscription_gets_its_types_from_then_on_and_takes_none_away() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver([delta(0), DONE])
        async with (
            Subscription(inbox, (ResponseOutputTextDelta,), None) as some,
            Subscription(inbox, (ResponseDone, ErrorEvent), None) as other,
            Subscription(inbox, EVERYTHING, None) as everything,
        ):
            await inbox.deliver([delta(1), DONE, delta(2)])
            inbox.end(closed)
            assert await rest(some) == [1, 2]
            assert [event.type async for event in other] == ["response.done"]
            assert [event.type async for event in everything][1] == "response.done"
        assert [event.type async for event in inbox.main].count("response.done") == 2


async def test_a_subscription_ends_with_its_block() -> None:
    """Another task that still iterates it must not wait for ever."""
    inbox = Inbox(1 << 20)
    got: list[int] = []

    async def reader(stream: EventStream[Any]) -> None:
        got.extend(await rest(stream))

    with fail_after(5):
        async with create_task_group() as tasks:
            async with Subscription(inbox, EVERYTHING, None) as stream:
                tasks.start_soon(reader, stream)
                await inbox.deliver(deltas(1))
                await wait_all_tasks_blocked()
            await inbox.deliver(deltas(2))
    assert got == [1]


async def test_a_full_subscription_lapses_and_holds_up_nobody() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        async with (
            Subscription(inbox, EVERYTHING, 1000) as small,
            Subscription(inbox, EVERYTHING, 100_000) as large,
        ):
            for number in range(20):
                await inbox.deliver([delta(number, 200)])
            inbox.end(closed)
            with pytest.raises(StreamLapsed, match="20 events") as caught:
                await anext(small)
            assert caught.value.dropped == small.dropped == 20
            assert await rest(large) == list(range(20))
    assert await rest(inbox.main) == list(range(20))


async def test_a_subscription_whose_reader_waits_does_not_lapse_of_one_large_delivery() -> None:
    inbox = Inbox(1 << 20)
    got: list[int] = []
    with fail_after(5):
        async with Subscription(inbox, EVERYTHING, 1000) as stream, create_task_group() as tasks:

            async def reader() -> None:
                got.extend(await read(stream, 10))

            tasks.start_soon(reader)
            await wait_all_tasks_blocked()
            await inbox.deliver(deltas(*range(10), size=200))
    assert got == list(range(10))


async def test_a_main_stream_whose_reader_waits_does_not_lapse_of_its_first_delivery() -> None:
    inbox = Inbox(1000)
    got: list[int] = []
    with fail_after(5):
        async with Subscription(inbox, (ResponseDone,), None), create_task_group() as tasks:

            async def reader() -> None:
                got.extend(await read(inbox.main, 10))

            tasks.start_soon(reader)
            await wait_all_tasks_blocked()
            await inbox.deliver(deltas(*range(10), size=200))
    assert got == list(range(10))


# wait_for


async def test_wait_for_looks_at_what_is_there_first_and_takes_nothing_away() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver(deltas(1, 2, 3))
        found = await inbox.wait_for((ResponseOutputTextDelta,), lambda event: number_of(event) == 2)
        assert number_of(found) == 2
        assert await read(inbox.main, 3) == [1, 2, 3]


async def test_wait_for_finds_what_waits_after_the_end() -> None:
    inbox = Inbox(1 << 20)
    await inbox.deliver(deltas(1))
    inbox.end(lost)
    with fail_after(5):
        assert number_of(await inbox.wait_for((ResponseOutputTextDelta,), None)) == 1
        with pytest.raises(ConnectionLost):
            await inbox.wait_for((ResponseDone,), None)


async def test_wait_for_waits_for_the_first_that_fits() -> None:
    inbox = Inbox(1 << 20)
    found: list[int] = []

    async def wait() -> None:
        event = await inbox.wait_for((ResponseOutputTextDelta,), lambda event: number_of(event) >= 2)
        found.append(number_of(event))

    with fail_after(5):
        await inbox.deliver(deltas(0))
        async with create_task_group() as tasks:
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
            await inbox.deliver([delta(1), DONE])
            await wait_all_tasks_blocked()
            assert found == []
            await inbox.deliver(deltas(2, 3))
    assert found == [2]


async def test_wait_for_does_not_look_at_what_was_read() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver(deltas(1))
        await read(inbox.main, 1)
        inbox.end(closed)
        with pytest.raises(ConnectionClosed):
            await inbox.wait_for((ResponseOutputTextDelta,), None)


@pytest.mark.parametrize("waiting", [True, False])
async def test_what_where_raises_goes_to_the_caller_only(waiting: bool) -> None:
    inbox = Inbox(1 << 20)
    error = LookupError("mine")

    def where(_event: ServerEvent) -> bool:
        raise error

    async def wait() -> None:
        with pytest.raises(LookupError) as caught:
            await inbox.wait_for((ResponseOutputTextDelta,), where)
        assert caught.value is error

    with fail_after(5):
        async with create_task_group() as tasks:
            if waiting:
                await inbox.deliver(deltas(1))
                await wait()
            else:
                tasks.start_soon(wait)
                await wait_all_tasks_blocked()
                await inbox.deliver(deltas(1))
    assert await read(inbox.main, 1) == [1]


async def test_many_may_wait_for_the_same_event_and_one_may_leave() -> None:
    inbox = Inbox(1 << 20)
    found: list[int] = []

    async def wait(number: int, scope: CancelScope) -> None:
        with scope:
            await inbox.wait_for((ResponseDone,), None)
            found.append(number)

    with fail_after(5):
        async with create_task_group() as tasks:
            scopes = [CancelScope() for _ in range(4)]
            for number, scope in enumerate(scopes):
                tasks.start_soon(wait, number, scope)
            await wait_all_tasks_blocked()
            scopes[2].cancel()
            await wait_all_tasks_blocked()
            await inbox.deliver([DONE])
    assert sorted(found) == [0, 1, 3]


# A full main stream


async def test_full_and_alone_the_service_waits_and_goes_on_when_half_is_read() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump:
        pump.push(*deltas(*range(5), size=200))
        pump.push(*deltas(5, 6, size=200))
        await wait_all_tasks_blocked()
        assert pump.delivered == 0
        assert await read(inbox.main, 2) == [0, 1]
        await wait_all_tasks_blocked()
        assert pump.delivered == 0
        assert await read(inbox.main, 1) == [2]
        await wait_all_tasks_blocked()
        assert pump.delivered == 2
        assert await read(inbox.main, 4) == [3, 4, 5, 6]


async def test_an_event_larger_than_the_stream_passes() -> None:
    inbox = Inbox(100)
    async with pumping(inbox) as pump:
        for number in range(3):
            pump.push(delta(number, 5000))
        assert await read(inbox.main, 3) == [0, 1, 2]


async def test_full_and_never_read_beside_a_subscription_it_lapses() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump, Subscription(inbox, EVERYTHING, 1 << 20) as stream:
        for number in range(20):
            pump.push(delta(number, 200))
        assert await read(stream, 20) == list(range(20))
        with pytest.raises(StreamLapsed, match="20 events were dropped") as caught:
            await inbox.main.receive()
        assert caught.value.dropped == 20


async def test_full_and_never_read_it_lapses_when_a_subscription_is_opened() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump:
        for number in range(20):
            pump.push(delta(number, 200))
        await wait_all_tasks_blocked()
        async with Subscription(inbox, EVERYTHING, 1 << 20) as stream:
            assert await read(stream, 15) == list(range(5, 20))
        with pytest.raises(StreamLapsed, match="20 events"):
            await anext(inbox.main)


async def test_full_and_never_read_it_lapses_for_a_wait_for() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump:
        for number in range(20):
            pump.push(delta(number, 200))
        pump.push(DONE)
        await wait_all_tasks_blocked()
        assert inbox.main.full
        await inbox.wait_for((ResponseDone,), None)
        with pytest.raises(StreamLapsed, match="21 events"):
            await inbox.main.receive()


async def test_a_wait_for_that_has_what_it_wants_is_no_reason_to_lapse() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump, create_task_group() as tasks:
        tasks.start_soon(inbox.wait_for, (ResponseDone,), None)
        await wait_all_tasks_blocked()
        pump.push(*deltas(*range(5), size=200), DONE)
        await wait_all_tasks_blocked()
        assert await read(inbox.main, 5) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("patience")
async def test_a_stream_that_was_read_once_and_no_more_lapses_too_in_the_end() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump, Subscription(inbox, EVERYTHING, 1 << 20) as stream:
        pump.push(delta(0))
        await read(inbox.main, 1)
        for number in range(1, 20):
            pump.push(delta(number, 200))
        assert await read(stream, 20) == list(range(20))
        with pytest.raises(StreamLapsed, match="19 events"):
            await inbox.main.receive()


async def test_a_stream_that_is_read_slowly_does_not_lapse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_azure.streams, "LAPSE_AFTER", 60)
    inbox = Inbox(1000)
    async with pumping(inbox) as pump, Subscription(inbox, (ResponseDone,), 1 << 20):
        for number in range(20):
            pump.push(delta(number, 200))
        await wait_all_tasks_blocked()  # never read: by now it has lapsed
        with pytest.raises(StreamLapsed):
            await read(inbox.main, 1)
    inbox = Inbox(1000)
    async with pumping(inbox) as pump, Subscription(inbox, (ResponseDone,), 1 << 20):
        got: list[int] = []
        pump.push(delta(0))
        got += await read(inbox.main, 1)
        for number in range(1, 20):
            pump.push(delta(number, 200))
        for _ in range(1, 20):
            await wait_all_tasks_blocked()
            got += await read(inbox.main, 1)
    assert got == list(range(20))


@pytest.mark.usefixtures("patience")
async def test_when_nobody_waits_beside_it_any_more_it_does_not_lapse() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump:
        pump.push(delta(0))
        await read(inbox.main, 1)
        async with Subscription(inbox, (ResponseDone,), None):
            pump.push(*deltas(*range(1, 6), size=200))
            await wait_all_tasks_blocked()
        await sleep(0.06)  # it must not lapse meanwhile; there is nothing else to wait for
        assert await read(inbox.main, 5) == [1, 2, 3, 4, 5]


async def test_the_end_frees_a_pump_that_is_held_up() -> None:
    inbox = Inbox(1000)
    async with pumping(inbox) as pump:
        pump.push(*deltas(*range(5), size=200))
        await wait_all_tasks_blocked()
        inbox.end(closed)
        await wait_all_tasks_blocked()
        assert pump.delivered == 1
        assert await rest(inbox.main) == [0, 1, 2, 3, 4]


# In any order

steps = st.one_of(
    st.tuples(st.just("deliver"), st.integers(1, 5), st.integers(0, 400)),
    st.tuples(st.just("open"), st.integers(300, 3000), st.just(0)),
    st.tuples(st.just("close"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("read"), st.integers(0, 9), st.integers(1, 8)),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.integers(0, 3)),
)


class Reader:
    """A stream, and what was read from it."""

    def __init__(self, stream: Feed[Any], since: int) -> None:
        self.stream = stream
        self.since = since
        self.got: list[int] = []

    async def read(self, most: int) -> None:
        for _ in range(min(most, len(self.stream.waiting()))):
            self.got.append(number_of(await self.stream.receive()))

    async def be_cancelled(self, steps: int) -> None:
        """Reads on to where it would wait, and is cancelled somewhere on the way."""

        async def read() -> None:
            while True:
                self.got.append(number_of(await self.stream.receive()))

        async with create_task_group() as tasks:
            tasks.start_soon(read)
            for _ in range(steps):
                await checkpoint()
            tasks.cancel_scope.cancel()

    def check(self, count: int) -> None:
        """Nothing is lost, doubled or out of order, and what was dropped is counted."""
        there = self.got + [number_of(event) for event in self.stream.waiting()]
        assert there == list(range(self.since, self.since + len(there)))
        assert len(there) + self.stream.dropped == count - self.since


@given(steps=st.lists(steps, max_size=40))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_order_nothing_is_lost_doubled_or_uncounted(steps: list[tuple[str, int, int]]) -> None:
    inbox = Inbox(1 << 20)
    readers = [Reader(inbox.main, 0)]
    count = 0
    with fail_after(10):
        for step, number, more in steps:
            reader = readers[number % len(readers)]
            if step == "deliver":
                await inbox.deliver(deltas(*range(count, count + number), size=more))
                count += number
            elif step == "open":
                readers.append(Reader(inbox.add((ResponseOutputTextDelta,), number), count))
            elif step == "close" and reader.stream is not inbox.main:
                inbox.remove(reader.stream)
                readers.remove(reader)
            elif step == "read":
                await reader.read(more)
            elif step == "cancel" and not reader.stream.dropped:
                await reader.be_cancelled(more)
            for each in readers:
                each.check(count)


async def test_a_raw_message_counts_as_much_as_it_is_long() -> None:
    """The bound is in bytes of the wire, whatever the event looks like."""
    inbox = Inbox(1000)
    event = decode(json.dumps({"type": "new.kind", "payload": "x" * 990}).encode())
    async with pumping(inbox) as pump:
        pump.push(event)
        await wait_all_tasks_blocked()
        assert inbox.main.full
        assert (await inbox.main.receive()) is event
        await wait_all_tasks_blocked()
        assert pump.delivered == 1


async def test_an_updated_session_can_be_waited_for_before_anything_is_read() -> None:
    inbox = Inbox(1 << 20)
    with fail_after(5):
        await inbox.deliver([delta(1), decode(b'{"type":"session.updated"}')])
        assert isinstance(await inbox.wait_for((SessionUpdated,), None), SessionUpdated)
