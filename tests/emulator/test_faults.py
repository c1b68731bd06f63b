"""Faults on demand: how they are said, when they strike, and what this package's client makes of each."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
from anyio import create_task_group, fail_after, move_on_after
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from realtime_azure import (
    AuthenticationError,
    BrokenOff,
    ConfigurationError,
    Connection,
    ConnectionLost,
    ConnectTimeout,
    EventRejected,
    RateLimited,
    StatusError,
    connect,
)
from realtime_azure.emulator import REFUSALS, Emulator, Fault, Turn, serve
from realtime_azure.emulator.faults import KINDS, Faults, Trouble
from realtime_azure.emulator.faulty import FaultyStream
from realtime_azure.emulator.memory import line
from realtime_azure.errors import Refusal
from realtime_azure.events import (
    ErrorEvent,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    UnknownEvent,
)


async def say(turn: Turn) -> str:
    return "All is well."


@asynccontextmanager
async def met(*faults: str, **options: Any) -> AsyncGenerator[Connection]:
    """A connection to an emulator with *faults*."""
    with fail_after(20):
        async with serve(faults=faults, seed=1, responder=say) as emulator, opened(emulator, **options) as connection:
            yield connection


def opened(emulator: Emulator, **options: Any) -> Any:
    options = {"api_key": emulator.api_key, "deployment": "any", "api_version": "v1", **options}
    return connect(emulator.url, **options)


async def until(connection: Connection, last: type[ServerEvent]) -> list[ServerEvent]:
    """What comes until an event of *last*, which is among it."""
    events: list[ServerEvent] = []
    async for event in connection:
        events.append(event)
        if isinstance(event, last):
            break
    return events


async def written_turn(connection: Connection) -> list[ServerEvent]:
    await connection.response.create({"output_modalities": ["text"]})
    return await until(connection, ResponseDone)


# What is said of a fault


@pytest.mark.parametrize(
    "text",
    [
        "drop@5",
        "drop@0",
        "black_hole@0",
        "cut",
        "malformed@10%",
        "refuse=too_many*2",
        "refuse=429",
        "close@1=1000",
        "close",
        "giant@3=20000000",
        "error@2=rate_limit_exceeded",
        "expire=0.5",
        "clock_skew=-300",
        "slow_writer*1",
    ],
)
def test_a_fault_is_said_as_it_was_read(text: str) -> None:
    assert str(Fault.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a fault: KIND"),
        ("drop @5", "is not a fault: KIND"),
        ("dorp@5", "'dorp' is not a fault; there are refuse, close, drop"),
        ("duplicate@0", "the first message is 1"),
        ("drop@101%", "from 0 % to 100 %"),
        ("drop=5", "drop=5: it has no value"),
        ("expire", "its value is seconds"),
        ("expire=soon", "its value is seconds"),
        ("expire=nan", "its value is seconds"),
        ("expire@3=2", "leave out the part from @"),
        ("close@1=99", "a close code from 1000 to 4999"),
        ("refuse", "a status, or one of bad_key"),
        ("refuse=200", "a status, or one of bad_key"),
        ("refuse=badkey", "a status, or one of bad_key"),
        ("drop@5*0", "no connection would have it"),
        ("giant=0", "1 GiB"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Fault.parse(text)
    assert says in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_a_fault_or_a_clear_error(text: str) -> None:
    try:
        fault = Fault.parse(text)
    except ConfigurationError:
        return
    assert Fault.parse(str(fault)) == fault


# When they strike


def said_by(trouble: Trouble, count: int = 40) -> list[list[bytes]]:
    return [trouble.said(json.dumps({"type": "test", "n": n}).encode()) for n in range(1, count + 1)]


@given(st.integers(0, 1000), st.integers(1, 50), st.sampled_from(["duplicate", "malformed@20%", "unknown_event@50%"]))
def test_the_same_seed_has_the_same_troubles(seed: int, number: int, text: str) -> None:
    def outcome() -> list[int]:
        return [len(b"".join(messages)) for messages in said_by(Trouble([Fault.parse(text)], seed, number))]

    assert outcome() == outcome()


def test_other_seeds_have_other_troubles() -> None:
    struck = {
        next(n for n, said in enumerate(said_by(Trouble([Fault("duplicate")], seed)), 1) if len(said) == 2)
        for seed in range(50)
    }
    assert len(struck) > 10
    assert struck <= set(range(1, 21))


def test_one_fault_more_changes_none_before_it() -> None:
    alone = said_by(Trouble([Fault("duplicate")], 7))
    with_another = said_by(Trouble([Fault("duplicate"), Fault("error")], 7))
    assert alone == with_another


def test_a_chance_is_about_as_often_as_it_says() -> None:
    struck = sum(len(said) == 2 for said in said_by(Trouble([Fault("duplicate", chance=0.25)], 3), 1000))
    assert 180 < struck < 320


def test_faults_of_some_connections_are_not_those_of_all() -> None:
    faults = Faults(["duplicate@1*2", "refuse=too_many*1"])
    assert isinstance(faults.strike(), Refusal)
    doubled = [len(said_by(met, 1)[0]) for met in (faults.strike() for _ in range(3)) if isinstance(met, Trouble)]
    assert doubled == [2, 2, 1]


def test_faults_of_a_block_end_with_it() -> None:
    faults = Faults()
    with faults.during("refuse=401*5"):
        assert isinstance(faults.strike(), Refusal)
    assert isinstance(faults.strike(), Trouble)


def test_a_strike_is_in_the_log_with_its_seed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "realtime_azure.emulator")
    said_by(Trouble([Fault("duplicate", at=3)], seed=99, number=4), 5)
    assert caplog.messages == ["connection 4: duplicate@3 at message 3 (seed 99)"]


# What the client makes of them


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("refuse=401", AuthenticationError, 401),
        ("refuse=403", StatusError, 403),
        ("refuse=404", StatusError, 404),
        ("refuse=418", StatusError, 418),
    ],
)
async def test_a_refusal_is_what_it_is(fault: str, error: type[StatusError], status: int) -> None:
    with pytest.raises(error) as caught:
        async with met(fault, max_retries=0):
            pass
    assert caught.value.status == status


@pytest.mark.anyio
async def test_too_many_requests_are_tried_again() -> None:
    async with met("refuse=too_many*2") as connection:
        assert isinstance(await connection.receive(), SessionCreated)
    with pytest.raises(RateLimited) as caught:
        async with met("refuse=too_many*2", max_retries=1):
            pass
    assert caught.value.retry_after == 0.1


@pytest.mark.anyio
@pytest.mark.parametrize(("fault", "code"), [("close@1", 1011), ("close@1=1008", 1008)])
async def test_accepted_and_closed_is_a_loss_with_its_code(fault: str, code: int) -> None:
    async with met(fault) as connection:
        with pytest.raises(ConnectionLost) as caught:
            await connection.receive()
    assert caught.value.code == code


@pytest.mark.anyio
async def test_a_good_bye_in_the_middle_of_an_answer_is_a_loss() -> None:
    async with met("close@4=1000") as connection:
        with pytest.raises(ConnectionLost, match="response") as caught:
            await written_turn(connection)
    assert caught.value.code == 1000


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["drop@4", "cut@4"])
async def test_a_line_that_breaks_is_a_loss_and_what_came_before_is_read(fault: str) -> None:
    async with met(fault) as connection:
        await connection.response.create({"output_modalities": ["text"]})
        types = [(await connection.receive()).type for _ in range(3)]
        with pytest.raises(ConnectionLost) as caught:
            await connection.receive()
    assert caught.value.code == 1006
    assert types == ["session.created", "response.created", "response.output_item.added"]


@pytest.mark.anyio
async def test_a_line_that_falls_silent_is_found_out_by_pings() -> None:
    async with met("black_hole@2", ping_interval=0.05, ping_timeout=0.1) as connection:
        assert isinstance(await connection.receive(), SessionCreated)
        await connection.response.create()
        with pytest.raises(ConnectionLost, match="ping"):
            await connection.receive()


@pytest.mark.anyio
async def test_a_handshake_without_an_answer_has_a_time_limit() -> None:
    with pytest.raises(ConnectTimeout):
        async with met("black_hole@0", attempt_timeout=0.1, max_retries=0):
            pass


@pytest.mark.anyio
async def test_a_handshake_that_breaks_off_is_tried_again() -> None:
    async with met("drop@0*1") as connection:
        assert isinstance(await connection.receive(), SessionCreated)
    with pytest.raises(BrokenOff):
        async with met("drop@0", max_retries=0):
            pass


@pytest.mark.anyio
async def test_a_slow_reader_makes_the_sender_wait() -> None:
    async with met("slow_reader=2000") as connection:
        await connection.receive()
        with move_on_after(0.3) as patience:
            while True:
                await connection.input_audio_buffer.append(bytes(1 << 16))
        assert patience.cancelled_caught
        assert connection.statistics().outbox_bytes > 0


@pytest.mark.anyio
async def test_a_slow_writer_is_only_slow() -> None:
    async with met("slow_writer=20000") as connection:
        events = await written_turn(connection)
    assert isinstance(events[-1], ResponseDone)
    assert events[-1].response.status == "completed"


@pytest.mark.anyio
async def test_a_slow_writer_writes_a_little_at_a_time() -> None:
    """Twenty times a second: of 20000 bytes a second a thousand at once, and nothing is lost."""
    near, far = line()
    message = b"\x81\x7e" + (3000).to_bytes(2) + bytes(3000)
    pieces: list[bytes] = []
    with fail_after(5):
        async with near, far, create_task_group() as tasks:
            tasks.start_soon(FaultyStream(far, Trouble([Fault.parse("slow_writer=20000")])).send, message)
            while sum(map(len, pieces)) < len(message):
                pieces.append(await near.receive())
    assert [len(piece) for piece in pieces] == [1000, 1000, 1000, 4]
    assert b"".join(pieces) == message


@pytest.mark.anyio
async def test_what_comes_twice_is_two_events() -> None:
    async with met("duplicate@2") as connection:
        await connection.session.update({"type": "realtime", "instructions": "Be brief."})
        first, *updates = [await connection.receive() for _ in range(3)]
    assert isinstance(first, SessionCreated)
    assert [type(update) for update in updates] == [SessionUpdated, SessionUpdated]
    assert updates[0] == updates[1]


@pytest.mark.anyio
async def test_what_comes_in_the_wrong_order_is_read_in_that_order() -> None:
    async with met("reorder@2") as connection:
        events = await written_turn(connection)
    assert [event.type for event in events[:3]] == [
        "session.created",
        "response.output_item.added",
        "response.created",
    ]


@pytest.mark.anyio
async def test_what_nobody_has_heard_of_is_an_event() -> None:
    async with met("unknown_event@2") as connection:
        events = await written_turn(connection)
    assert isinstance(events[1], UnknownEvent)
    assert events[1].type == "emulator.unheard_of"
    assert isinstance(events[2], ResponseCreated)


@pytest.mark.anyio
async def test_a_value_that_nobody_has_heard_of_is_a_value() -> None:
    async with met("unknown_value@2") as connection:
        created = (await written_turn(connection))[1]
    assert isinstance(created, ResponseCreated)
    assert b"emulator_unheard_of" in created.raw
    assert created.problems == ()


@pytest.mark.anyio
async def test_what_is_not_json_is_an_event_in_its_place() -> None:
    async with met("malformed@3") as connection:
        events = await written_turn(connection)
    assert [type(event) is UnknownEvent for event in events[:4]] == [False, False, True, False]
    assert isinstance(events[-1], ResponseDone)


@pytest.mark.anyio
async def test_what_is_too_big_is_refused_with_1009() -> None:
    async with met("giant@2=100000", max_message_size=50_000) as connection:
        with pytest.raises(ConnectionLost) as caught:
            await written_turn(connection)
    assert caught.value.code == 1009


@pytest.mark.anyio
async def test_what_is_big_and_not_too_big_is_read() -> None:
    async with met("giant@2") as connection:
        with pytest.raises(ConnectionLost):
            await written_turn(connection)
    async with met("giant@2", max_message_size=32 << 20) as connection:
        assert isinstance((await written_turn(connection))[-1], ResponseDone)


@pytest.mark.anyio
async def test_the_error_that_is_asked_for_answers_the_event() -> None:
    async with met("error@2=rate_limit_exceeded") as connection:
        await connection.session.update({"type": "realtime", "instructions": "Be brief."}, wait=True)
        await connection.response.create()
        error = await connection.wait_for(ErrorEvent)
        assert error.error.code == "rate_limit_exceeded"
        assert isinstance((await written_turn(connection))[-1], ResponseDone)


@pytest.mark.anyio
async def test_the_error_that_is_asked_for_lands_on_its_call() -> None:
    async with met("error@1=server_error") as connection:
        with pytest.raises(EventRejected):
            await connection.session.update({"type": "realtime", "instructions": "Be brief."}, wait=True)


@pytest.mark.anyio
async def test_a_session_that_expires_says_so() -> None:
    async with met("expire=0.05") as connection:
        with pytest.raises(ConnectionLost) as caught:
            await until(connection, ResponseDone)
    assert caught.value.code == 1001
    assert caught.value.last_error is not None
    assert caught.value.last_error.error.code == "session_expired"


@pytest.mark.anyio
@pytest.mark.parametrize("ahead", [-3600, 3600])
async def test_a_clock_that_is_wrong_is_wrong_everywhere(ahead: int) -> None:
    async with met(f"clock_skew={ahead}") as connection:
        created = await connection.receive()
        assert isinstance(created, SessionCreated)
        expires = created.session.ga.expires_at
    with pytest.raises(AuthenticationError) as caught:
        async with met(f"clock_skew={ahead}", api_key="wrong"):
            pass
    told = parsedate_to_datetime(caught.value.headers["date"]).timestamp()
    assert expires is not None
    assert abs(expires - 3600 - ahead - time()) < 60
    assert abs(told - ahead - time()) < 60


# Where they come from


@pytest.mark.anyio
async def test_a_url_may_ask_for_its_own() -> None:
    with fail_after(20):
        async with serve(responder=say) as emulator:
            async with opened(emulator, query={"fault": "close@1=1008"}) as connection:
                with pytest.raises(ConnectionLost) as caught:
                    await connection.receive()
            assert caught.value.code == 1008
            async with opened(emulator) as connection:
                await connection.receive()


@pytest.mark.anyio
async def test_a_url_that_asks_for_no_fault_is_told() -> None:
    with fail_after(20):
        async with serve(responder=say) as emulator:
            with pytest.raises(StatusError, match="'dorp' is not a fault"):
                async with opened(emulator, query={"fault": "dorp"}):
                    pass


@pytest.mark.anyio
async def test_a_url_that_asks_for_refusals_is_let_in_after_them() -> None:
    with fail_after(20):
        async with (
            serve(responder=say) as emulator,
            opened(emulator, query={"fault": "refuse=too_many*2"}) as connection,
        ):
            assert isinstance(await connection.receive(), SessionCreated)


@pytest.mark.anyio
async def test_a_block_has_its_own() -> None:
    with fail_after(20):
        async with serve(responder=say) as emulator:
            with emulator.faults("drop@1"):
                async with opened(emulator) as connection:
                    with pytest.raises(ConnectionLost):
                        await connection.receive()
            async with opened(emulator) as connection:
                await connection.receive()


@pytest.mark.anyio
async def test_drawn_faults_strike_again_with_the_seed() -> None:
    async def types(seed: int) -> list[str]:
        async with (
            serve(faults=["duplicate", "unknown_event"], seed=seed, responder=say) as emulator,
            opened(emulator) as connection,
        ):
            assert emulator.seed == seed
            return [event.type for event in await written_turn(connection)]

    with fail_after(20):
        assert await types(5) == await types(5)


def test_every_kind_there_is_was_tried() -> None:
    source = Path(__file__).read_text("utf-8").partition("# What the client makes of them")[2]
    assert [kind for kind in KINDS if f'"{kind}' not in source and kind != "refuse"] == []


# Together


SPOILING = [kind for kind in KINDS if kind not in ("refuse", "expire", "clock_skew", "slow_reader", "slow_writer")]
SAID = to_json({"type": "response.created", "event_id": "event_1", "response": {"status": "in_progress"}})


@given(st.lists(st.sampled_from(SPOILING), min_size=2, max_size=4), st.integers(0, 1000))
def test_faults_may_strike_the_same_message(kinds: list[Any], seed: int) -> None:
    """Whatever one of them made of it, the next finds bytes, and the emulator lives."""
    trouble = Trouble([Fault.parse(f"{kind}@1{VALUES.get(kind, '')}") for kind in kinds], seed)
    for _ in range(3):
        assert all(isinstance(message, bytes) for message in trouble.said(SAID))
        trouble.heard(SAID)
        trouble.sent()


VALUES = {"close": "=1011", "giant": "=1000", "error": "=server_error"}


@pytest.mark.anyio
async def test_who_is_refused_uses_up_no_fault() -> None:
    """One connection was to break: it does, however many handshakes were refused before it."""
    with fail_after(10):
        async with serve(responder=say, refuse=[REFUSALS["too_many"]], faults=["close@1=1011*1"]) as emulator:
            for kind in (RateLimited, AuthenticationError):
                with pytest.raises(kind):
                    async with connect(
                        emulator.url, deployment="any", api_version="v1", api_key="wrong", max_retries=0
                    ):
                        pass
            async with opened(emulator) as connection:
                with pytest.raises(ConnectionLost) as caught:
                    await connection.receive()
                assert caught.value.code == 1011
            async with opened(emulator) as connection:
                assert isinstance(await connection.receive(), SessionCreated)


def test_connections_are_counted_where_they_begin() -> None:
    """A request more, or a refusal, changes nothing of what is drawn from the seed."""
    faults = Faults(["duplicate@50%"], seed=7)
    for _ in range(3):
        faults.refusal()
    assert faults.trouble().number == 1
    assert faults.trouble().number == 2
