"""The virtual clock: time that a test moves on, and an emulator that goes by it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from anyio import CancelScope, create_task_group, fail_after
from anyio.lowlevel import checkpoint

from realtime_azure import ConfigurationError, ConnectionLost, connect
from realtime_azure.audio import pcm
from realtime_azure.emulator import Clock, Reply, Turn, serve
from realtime_azure.events import (
    ErrorEvent,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    SessionCreated,
)
from realtime_azure.testing import VirtualClock, connected

pytestmark = pytest.mark.anyio


async def say(turn: Turn) -> Reply:
    return Reply("All is well.", pcm.silence(2.0))


# By itself


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock(1000.0)
    assert (clock.now(), clock.ticks()) == (1000.0, 1000.0)
    await clock.advance(90.5)
    assert (clock.now(), clock.ticks()) == (1090.5, 1090.5)


async def test_who_sleeps_wakes_in_order_and_at_the_right_time() -> None:
    clock = VirtualClock(0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async with create_task_group() as tasks:
        for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("a too", 1.0), ("d", 4.0)):
            tasks.start_soon(sleeper, name, seconds)
        with fail_after(5):
            await clock.advance(3.0)
            assert [name for name, _ in woken][2:] == ["b", "c"]
            assert sorted(woken[:2]) == [("a", 1.0), ("a too", 1.0)]
            assert woken[2:] == [("b", 2.0), ("c", 3.0)]
            await clock.advance(1.0)
            assert woken[-1] == ("d", 4.0)


async def test_who_wakes_and_sleeps_again_wakes_before_those_that_come_later() -> None:
    clock = VirtualClock(0.0)
    woken: list[tuple[str, float]] = []

    async def ticking() -> None:
        for _ in range(4):
            await clock.sleep(1.0)
            woken.append(("tick", clock.now()))

    async def once() -> None:
        await clock.sleep(2.5)
        woken.append(("once", clock.now()))

    async with create_task_group() as tasks:
        tasks.start_soon(once)
        tasks.start_soon(ticking)
        with fail_after(5):
            await clock.advance(3.25)
        assert woken == [("tick", 1.0), ("tick", 2.0), ("once", 2.5), ("tick", 3.0)]
        assert clock.now() == 3.25
        tasks.cancel_scope.cancel()


async def test_who_is_cancelled_is_not_waited_for() -> None:
    clock = VirtualClock(0.0)
    woken: list[float] = []
    scopes: dict[float, CancelScope] = {}

    async def sleeper(seconds: float) -> None:
        with CancelScope() as scopes[seconds]:
            await clock.sleep(seconds)
            woken.append(seconds)

    with fail_after(5):
        async with create_task_group() as tasks:
            for seconds in (2.0, 3.0, 1.0, 4.0):
                tasks.start_soon(sleeper, seconds)
            await clock.advance(0.5)
            scopes[1.0].cancel()
            scopes[3.0].cancel()
            await clock.advance(5.0)
    assert woken == [2.0, 4.0]
    assert clock.now() == 5.5


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_no_sleep_is_a_checkpoint(seconds: float) -> None:
    clock = VirtualClock()
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(other)
            while not turns:
                await clock.sleep(seconds)
    with CancelScope() as scope:
        scope.cancel()
        await clock.sleep(seconds)
        pytest.fail("it is no place to be cancelled at")
    assert scope.cancelled_caught


async def test_the_machines_clock_is_the_machines() -> None:
    clock = Clock()
    assert clock.now() > 1_700_000_000
    before = clock.ticks()
    await clock.sleep(0)
    assert clock.ticks() >= before


# An emulator that goes by it


async def test_an_hour_is_a_moment() -> None:
    clock = VirtualClock()
    with fail_after(10):
        async with connected(say, clock=clock) as connection:
            created = await connection.receive()
            assert isinstance(created, SessionCreated)
            assert created.session.ga.expires_at == int(clock.now() + 3600)
            await clock.advance(3599)
            await connection.session.update({"type": "realtime", "instructions": "Be brief."}, wait=True)
            await clock.advance(1)
            error = await connection.wait_for(ErrorEvent)
            assert error.error.code == "session_expired"
            with pytest.raises(ConnectionLost) as caught:
                async for _ in connection:
                    pass
            assert (caught.value.code, caught.value.reason) == (1001, error.error.message)


async def test_over_a_socket_as_well() -> None:
    clock = VirtualClock()
    with fail_after(10):
        async with (
            serve(clock=clock, responder=say, session_lifetime=60) as emulator,
            connect(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key) as connection,
        ):
            await connection.receive()
            await clock.advance(60)
            assert (await connection.wait_for(ErrorEvent)).error.code == "session_expired"


async def test_an_answer_is_as_long_as_it_takes_to_say() -> None:
    clock = VirtualClock(0.0)
    with fail_after(10):
        async with connected(say, clock=clock, pace=1) as connection:
            await connection.response.create()
            await connection.wait_for(ResponseCreated)
            await clock.advance(1.0)
            heard = await sound_so_far(connection)
            assert 0.9 <= pcm.duration(heard) <= 1.3
            async with connection.subscribe(ResponseDone) as done:
                await clock.advance(0.5)
                assert pcm.duration(await sound_so_far(connection)) < 1.0
                await clock.advance(0.6)
                assert (await anext(aiter(done))).response.status == "completed"


async def sound_so_far(connection: Any) -> bytes:
    """The sound that has come by now."""
    for _ in range(50):  # for what is on its way
        await checkpoint()
    sound = b""
    while connection.statistics().inbox_events:
        event = await connection.receive()
        sound += event.delta if isinstance(event, ResponseOutputAudioDelta) else b""
    return sound


async def test_two_answers_that_are_paced_come_each_in_order() -> None:
    clock = VirtualClock()

    async def hear(connection: Any) -> list[str]:
        await connection.response.create()
        await connection.wait_for(ResponseCreated)
        types: list[str] = []
        while "response.done" not in types:
            types.append((await connection.receive()).type)
        return types

    heard: list[list[str]] = []

    begun = clock.now()

    async def client(emulator: Any) -> None:
        async with connect(
            emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key, dial=emulator.dial
        ) as connection:
            heard.append(await hear(connection))

    with fail_after(10):
        async with serve(port=None, clock=clock, responder=say, pace=2) as emulator, create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(client, emulator)
            while len(heard) < 2:
                await clock.advance(0.5)
    assert heard[0] == heard[1]
    assert heard[0].count("response.output_audio.delta") > 5
    assert heard[0][-1] == "response.done"
    assert clock.now() - begun >= 1.0


async def test_a_clock_that_is_skewed_is_so_from_there() -> None:
    with fail_after(10):
        async with connected(clock=VirtualClock(5000.0), faults=["clock_skew=-300"]) as connection:
            created = await connection.receive()
    assert isinstance(created, SessionCreated)
    assert created.session.ga.expires_at == 5000 - 300 + 3600


async def test_a_lifetime_is_a_positive_number() -> None:
    with pytest.raises(ConfigurationError, match="session_lifetime: 0 is not a positive number"):
        async with serve(port=None, session_lifetime=0, clock=VirtualClock()):
            pass


async def test_it_begins_now_and_goes_on_only() -> None:
    """A session that expires in virtual time has not expired three years ago for who looks at the machine's clock."""
    clock = VirtualClock()
    assert abs(clock.now() - time.time()) < 60
    for seconds in (-1, float("nan")):
        with pytest.raises(ConfigurationError, match="seconds"):
            await clock.advance(seconds)
