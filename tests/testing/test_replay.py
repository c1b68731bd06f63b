"""Cassettes played again: as the service, to clients of any kind, and as a client, to a service."""

from __future__ import annotations

import base64
import itertools
import json
import math
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anyio import Event, connect_tcp, create_task_group, fail_after
from anyio.abc import TaskStatus
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncAzureOpenAI, AsyncOpenAI

from realtime_azure import ConfigurationError, Connection, ConnectionLost, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import Emulator, FunctionCall, Said, Turn, serve
from realtime_azure.events import (
    ConversationItemAdded,
    ErrorEvent,
    InputAudioBufferCommitted,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
)
from realtime_azure.testing import (
    Cassette,
    CassetteError,
    CassetteMismatch,
    Comparison,
    Recorded,
    Replay,
    assert_events,
    connected,
    recording,
    replay,
    replayed,
)
from realtime_azure.testing.cassettes import SCRUBBED, SHORT, Direction
from realtime_azure.testing.replay import Playback

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
SAMPLES = Path(__file__).resolve().parents[2] / "audio_samples"
QUESTION = wav.read(SAMPLES / "question_capital.wav").pcm + pcm.silence(0.5)
TEXT_IN = RECORDINGS / "azure_ga_text_in_audio_out.jsonl"
TOOL_CALL = RECORDINGS / "azure_ga_tool_call_round.jsonl"
VERSIONS = {"ga": "v1", "preview": "2025-04-01-preview", "voice-live": "2026-07-15"}
DIALECTS = list(VERSIONS)
CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_1", "output_modalities": ["text"]}}
UPDATE: dict[str, Any] = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
UPDATED = {"type": "session.updated", "session": {"type": "realtime", "instructions": "Be brief."}}


def tape(*said: tuple[Direction, dict[str, Any]], close_code: int | None = None, reason: str = "") -> Cassette:
    return Cassette(tuple(Recorded(direction, data) for direction, data in said), close_code, reason)


def pairs(*said: tuple[Direction, dict[str, Any]]) -> list[tuple[Direction, dict[str, Any]]]:
    return list(said)


def message(item: str | None, text: str = "Hello.") -> Any:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content, **({"id": item} if item else {})}


def appended(sound: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()}


BRIEF = tape(("received", CREATED), ("sent", UPDATE), ("received", UPDATED))


def opened(url: str, dialect: str = "ga", api_key: str = "any") -> AbstractAsyncContextManager[Connection]:
    path = "/voice-live" if dialect == "voice-live" else ""
    return connect(url + path, deployment="any", api_version=VERSIONS[dialect], api_key=api_key, max_retries=0)


@asynccontextmanager
async def playing(cassette: Cassette | Path, **options: Any) -> AsyncGenerator[tuple[Replay, Connection]]:
    with fail_after(10):
        async with replayed(cassette, **options) as it, opened(it.url) as connection:
            yield it, connection


# What a client has to say: pure


def heard(cassette: Cassette, *messages: dict[str, Any] | bytes, strict: bool = False) -> list[dict[str, Any]]:
    """What is said to a client that says *messages*."""
    playback = Playback(cassette, strict=strict)
    said = [each.fields for each in playback.due()]
    for each in messages:
        playback.heard(each if isinstance(each, bytes) else json.dumps(each).encode())
        said += [due.fields for due in playback.due()]
    return [dict(each) for each in said]


def test_the_service_waits_for_what_it_waited_for() -> None:
    playback = Playback(BRIEF)
    assert [each.type for each in playback.due()] == ["session.created"]
    assert list(playback.due()) == []
    assert not playback.done
    playback.heard(json.dumps(UPDATE).encode())
    assert [each.type for each in playback.due()] == ["session.updated"]
    assert playback.done


@pytest.mark.parametrize("strict", [False, True])
def test_null_is_what_was_not_said(strict: bool) -> None:
    said = {**UPDATE, "session": {**UPDATE["session"], "tools": None}}
    assert len(heard(BRIEF, said, strict=strict)) == 2


@pytest.mark.parametrize("event_id", [None, "event_mine", "event_2"])
def test_an_event_goes_by_any_id_and_strictly_by_its_own(event_id: str | None) -> None:
    cassette = tape(("received", CREATED), ("sent", {**UPDATE, "event_id": "event_2"}), ("received", UPDATED))
    said = {**UPDATE, "event_id": event_id}
    assert len(heard(cassette, said)) == 2
    if event_id == "event_2":
        assert len(heard(cassette, said, strict=True)) == 2
    else:
        with pytest.raises(CassetteMismatch):
            heard(cassette, said, strict=True)


def test_the_service_uses_the_clients_ids() -> None:
    added = {"type": "conversation.item.added", "previous_item_id": None, "item": message("item_recorded")}
    answer = {"type": "response.created", "response": {"id": "resp_1"}, "after": ["item_recorded"]}
    cassette = tape(
        ("sent", {"type": "conversation.item.create", "item": message("item_recorded")}),
        ("received", added),
        ("sent", {"type": "conversation.item.delete", "item_id": "item_recorded"}),
        ("received", answer),
    )
    create = {"type": "conversation.item.create", "item": message("item_mine")}
    delete = {"type": "conversation.item.delete", "item_id": "item_mine"}
    assert heard(cassette, create, delete) == [
        {**added, "item": message("item_mine")},
        {**answer, "after": ["item_mine"]},
    ]
    with pytest.raises(CassetteMismatch):
        heard(cassette, create, strict=True)


@pytest.mark.parametrize(("wanted", "said"), [("item_1", None), (None, "item_1")])
def test_a_client_may_leave_an_id_to_the_service(wanted: str | None, said: str | None) -> None:
    cassette = tape(("sent", {"type": "conversation.item.create", "item": message(wanted)}))
    assert heard(cassette, {"type": "conversation.item.create", "item": message(said)}) == []


@given(st.binary(min_size=1, max_size=400), st.data())
def test_sound_may_come_in_any_pieces(sound: bytes, data: st.DataObject) -> None:
    def cut() -> list[bytes]:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(sound) // 3), max_size=5)))
        places = [0, *(3 * each for each in cuts), len(sound)]  # by threes: else base64 is longer
        return [sound[start:stop] for start, stop in itertools.pairwise(places)]

    recorded: list[tuple[Direction, dict[str, Any]]] = [("received", CREATED)]
    for number, piece in enumerate(cut()):
        recorded += pairs(("sent", appended(piece)), ("received", {"type": f"heard.{number}"}))
    said = heard(tape(*recorded), *(appended(piece) for piece in cut()))
    assert said == [data for direction, data in recorded if direction == "received"]


def test_sound_is_waited_for() -> None:
    cassette = tape(("sent", appended(bytes(300))), ("received", {"type": "heard"}))
    assert heard(cassette, appended(bytes(200))) == []
    assert heard(cassette, appended(bytes(200)), appended(bytes(100))) == [{"type": "heard"}]
    assert heard(cassette, *[appended(bytes(30))] * 10) == [{"type": "heard"}]


def test_a_client_that_says_less_is_not_waited_for_when_it_goes_on() -> None:
    cassette = tape(
        ("sent", appended(bytes(300))),
        ("sent", appended(bytes(300))),
        ("sent", {"type": "input_audio_buffer.commit"}),
        ("received", {"type": "done"}),
    )
    assert heard(cassette, appended(bytes(30)), {"type": "input_audio_buffer.commit"}) == [{"type": "done"}]


def test_sound_after_the_end_is_nothing() -> None:
    """A microphone goes on."""
    assert len(heard(BRIEF, UPDATE, *[appended(bytes(30))] * 5)) == 2


def test_strictly_sound_comes_in_the_same_pieces() -> None:
    cassette = tape(("sent", appended(bytes(300))), ("received", {"type": "heard"}))
    assert heard(cassette, appended(bytes(300)), strict=True) == [{"type": "heard"}]
    for other in (bytes(297), b"\1" * 300):
        with pytest.raises(CassetteMismatch):
            heard(cassette, appended(other), strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_sound_that_was_shortened_is_known_by_its_beginning(strict: bool) -> None:
    whole = base64.b64encode(bytes(4800)).decode()
    other = base64.b64encode(b"\1" * 4800).decode()

    def create(audio: str) -> dict[str, Any]:
        item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
        return {"type": "conversation.item.create", "item": item}

    cassette = tape(("sent", create(whole[:SHORT])), ("received", {"type": "heard"}))
    assert heard(cassette, create(whole), strict=strict) == [{"type": "heard"}]
    with pytest.raises(CassetteMismatch):
        heard(cassette, create(other), strict=strict)


@pytest.mark.parametrize("strict", [False, True])
def test_what_was_left_out_may_be_any(strict: bool) -> None:
    tool = {"type": "mcp", "server_url": f"https://h/?{SCRUBBED}", "authorization": SCRUBBED, "headers": SCRUBBED}
    said = {"type": "mcp", "server_url": "https://h/?key=1", "authorization": "Bearer x", "headers": {"a": "b"}}
    cassette = tape(("sent", {"type": "session.update", "session": {"tools": [tool]}}), ("received", UPDATED))
    assert heard(cassette, {"type": "session.update", "session": {"tools": [said]}}, strict=strict) == [UPDATED]
    other = {**said, "server_url": "https://other/?key=1"}
    with pytest.raises(CassetteMismatch):
        heard(cassette, {"type": "session.update", "session": {"tools": [other]}}, strict=strict)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"hello",
        b"[1]",
        b"5",
        b"\xff",
        b"[" * 100_000,
        {},
        {"type": None},
        {"type": 5},
        {"type": "response.create"},
        {**UPDATE, "extra": 1},
        {"type": "session.update", "session": []},
        {"type": "session.update", "session": {**UPDATE["session"], "instructions": None}},
        {"type": "session.update", "session": {"type": "realtime", "instructions": ["Be brief."]}},
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_anything_else_is_a_mismatch(said: Any, strict: bool) -> None:
    with pytest.raises(CassetteMismatch):
        heard(BRIEF, said, strict=strict)


@pytest.mark.parametrize("audio", [5, None, [], {}, ""])
def test_sound_that_is_none_is_no_sound(audio: Any) -> None:
    cassette = tape(("sent", appended(bytes(300))), ("received", {"type": "heard"}))
    assert heard(cassette, {"type": "input_audio_buffer.append", "audio": audio}) == []


def test_what_could_not_be_read_then_cannot_be_read_now(tmp_path: Path) -> None:
    with recording(tmp_path / "x.jsonl") as recorder:
        recorder("sent", b'{"type":')
        recorder("received", b'{"type":"error"}')
    assert heard(Cassette.read(tmp_path / "x.jsonl"), b'{"type":') == [{"type": "error"}]


def test_more_than_is_on_the_cassette_is_a_mismatch() -> None:
    with pytest.raises(CassetteMismatch, match=r"nothing more from the client, which sent response\.create"):
        heard(BRIEF, UPDATE, {"type": "response.create"})


def test_a_mismatch_shows_both_without_ids_and_sound() -> None:
    content = [{"type": "input_audio", "audio": "AAAA" * 300}]
    item = {"type": "message", "role": "user", "content": content}
    wanted = {"type": "conversation.item.create", "event_id": "event_1", "item": item}
    said = {**wanted, "event_id": "event_2", "item": {**item, "role": "system"}}
    with pytest.raises(CassetteMismatch) as caught:
        heard(tape(("sent", wanted)), said)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the client did not say what is on the cassette (- cassette, + client):"
    assert [line for line in lines[1:] if line[0] in "+-"] == ['-     "role": "user",', '+     "role": "system",']
    assert "(1200 characters)" in str(caught.value)
    assert "AAAA" not in str(caught.value)
    assert "event_" not in str(caught.value)


# As the service


@pytest.mark.anyio
async def test_a_client_hears_what_was_recorded() -> None:
    cassette = Cassette.read(TEXT_IN)
    async with playing(TEXT_IN) as (it, connection):
        for each in cassette.messages:
            if each.direction == "sent":
                await connection.send({name: field for name, field in each.fields.items() if name != "event_id"})
        raw = [json.loads((await connection.receive()).raw) for _ in range(38)]
    assert raw[0] == cassette.messages[0].fields
    recorded = [each.fields for each in cassette.messages if each.direction == "received"]
    assert [each["type"] for each in raw] == [each["type"] for each in recorded]
    assert raw[-1] == recorded[-1]
    assert (it.played, it.mismatches) == (1, [])
    assert it.cassette == cassette


@pytest.mark.anyio
@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
async def test_each_recording_is_heard_by_one_who_says_what_is_on_it(path: Path) -> None:
    cassette = Cassette.read(path)
    with fail_after(10):
        async with replayed(path) as it, opened(it.url, cassette.dialect) as connection:
            comparison = await replay(cassette, connection)
    assert comparison.same, str(comparison)
    assert it.played == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_openai_python_hears_what_was_recorded(anyio_backend: str) -> None:
    cassette = Cassette.read(TOOL_CALL)
    types: list[str] = []
    with fail_after(10):
        async with (
            replayed(cassette) as it,
            AsyncOpenAI(base_url=f"{it.url}/openai/v1", api_key="any") as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            for each in cassette.messages:
                if each.direction == "sent":
                    await connection.send({**each.fields})  # type: ignore[arg-type]
                else:
                    types.append((await connection.recv()).type)
    assert types == [each.type for each in cassette.messages if each.direction == "received"]
    assert it.played == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_openai_pythons_azure_client_is_told_what_it_did_not_say(anyio_backend: str) -> None:
    said: list[Any] = []

    async def client() -> None:
        async with replayed(BRIEF) as it:
            base = f"{it.url.replace('http:', 'ws:')}/openai"
            azure = AsyncAzureOpenAI(
                azure_endpoint=it.url, websocket_base_url=base, api_key="any", api_version=VERSIONS["preview"]
            )
            async with azure, azure.realtime.connect(model="gpt-realtime") as connection:
                await connection.response.create()
                said.extend([await connection.recv() for _ in range(2)])

    with fail_after(10), pytest.raises(CassetteMismatch, match="Be brief"):
        await client()
    assert said[1].type == "error"
    assert said[1].error.code == "cassette_mismatch"


@pytest.mark.anyio
async def test_a_client_that_says_something_else_is_told_and_the_test_fails() -> None:
    its: list[Replay] = []
    errors: list[ErrorEvent] = []

    async def client() -> None:
        async with playing(BRIEF) as (it, connection):
            its.append(it)
            await connection.session.update({"type": "realtime", "instructions": "Be long."})
            errors.append(await connection.wait_for(ErrorEvent))
            with pytest.raises(ConnectionLost) as lost:
                async for _ in connection:
                    pass
            assert (lost.value.code, lost.value.reason) == (1008, "not what is on the cassette")

    with pytest.raises(CassetteMismatch) as caught:
        await client()
    assert errors[0].error.code == "cassette_mismatch"
    assert errors[0].error.message == str(caught.value)
    assert '-     "instructions": "Be brief.",' in str(caught.value)
    assert '+     "instructions": "Be long.",' in str(caught.value)
    assert isinstance(caught.value, AssertionError)
    assert (its[0].mismatches, its[0].played) == ([caught.value], 0)


@pytest.mark.anyio
async def test_what_the_body_raises_comes_first() -> None:
    async def client() -> None:
        async with playing(BRIEF) as (it, connection):
            await connection.response.create()
            await connection.wait_for(ErrorEvent)
            assert len(it.mismatches) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await client()


@pytest.mark.anyio
async def test_each_connection_hears_it_from_the_beginning() -> None:
    async def client(url: str) -> None:
        async with opened(url) as connection:
            assert isinstance(await connection.receive(), SessionCreated)
            await connection.session.update({"type": "realtime", "instructions": "Be brief."})
            assert isinstance(await connection.receive(), SessionUpdated)

    with fail_after(10):
        async with replayed(BRIEF) as it:
            await client(it.url)
            assert it.played == 1
            async with create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(client, it.url)
            assert it.played == 4


@pytest.mark.anyio
async def test_one_that_went_wrong_is_no_matter_of_the_others() -> None:
    async def clients() -> None:
        async with replayed(BRIEF) as it:
            async with opened(it.url) as wrong, opened(it.url) as right:
                await wrong.response.create()
                await wrong.wait_for(ErrorEvent)
                await right.session.update({"type": "realtime", "instructions": "Be brief."})
                await right.wait_for(SessionUpdated)
            assert (it.played, len(it.mismatches)) == (1, 1)

    with fail_after(10), pytest.raises(CassetteMismatch):
        await clients()


@pytest.mark.anyio
async def test_a_microphone_that_goes_on_is_one_that_heard_it_once() -> None:
    cassette = tape(("received", CREATED), ("sent", appended(bytes(300))), ("received", UPDATED))
    async with playing(cassette) as (it, connection):
        for _ in range(5):
            await connection.input_audio_buffer.append(bytes(300))
        await connection.wait_for(SessionUpdated)
    assert it.played == 1


@pytest.mark.anyio
async def test_sound_in_one_piece_is_heard_to_its_end() -> None:
    recorded: list[tuple[Direction, dict[str, Any]]] = [("received", CREATED)]
    for _ in range(5):
        recorded += pairs(("sent", appended(bytes(300))), ("received", UPDATED))
    async with playing(tape(*recorded)) as (it, connection):
        await connection.input_audio_buffer.append(bytes(1500))
        for _ in range(6):
            await connection.receive()
    assert it.played == 1


@pytest.mark.anyio
@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_it_ends_as_it_ended(code: int) -> None:
    async with playing(tape(("received", CREATED), close_code=code, reason="bye")) as (it, connection):
        if code == 1000:
            assert [event.type async for event in connection] == ["session.created"]
        else:
            await connection.receive()
            with pytest.raises(ConnectionLost) as caught:
                await connection.receive()
            assert (caught.value.code, caught.value.reason) == (code, "bye")
    assert it.played == 1


@pytest.mark.anyio
@pytest.mark.parametrize("code", [None, 1006])
async def test_it_waits_for_the_client_where_the_service_did_not_close(code: int | None) -> None:
    async with playing(tape(("received", CREATED), ("received", UPDATED), close_code=code)) as (_, connection):
        await connection.wait_for(SessionUpdated)
        await connection.aclose()
        assert [event.type async for event in connection] == ["session.created", "session.updated"]


@pytest.mark.anyio
@pytest.mark.parametrize("pace", [math.inf, 1e-6], ids=["said", "still speaking"])
async def test_a_replay_that_ends_says_good_bye(pace: float) -> None:
    stop = Event()
    cassette = Cassette((*BRIEF.messages[:1], Recorded("received", UPDATED, 1.0), *BRIEF.messages[1:]))

    async def play(*, task_status: TaskStatus[Replay]) -> None:
        async with replayed(cassette, pace=pace) as it:
            task_status.started(it)
            await stop.wait()

    with fail_after(10):
        async with create_task_group() as tasks:
            it: Replay = await tasks.start(play)
            async with opened(it.url) as connection:
                await connection.receive()
                stop.set()
                with pytest.raises(ConnectionLost) as caught:
                    async for _ in connection:
                        pass
            # One that was speaking had not listened yet, and may not have had its close frame answered.
            assert caught.value.code in ((1001,) if math.isinf(pace) else (1001, 1006))


@pytest.mark.anyio
async def test_who_leaves_early_or_is_no_client_is_no_mismatch() -> None:
    with fail_after(10):
        async with replayed(BRIEF) as it:
            async with opened(it.url) as connection:
                await connection.receive()
            port = int(it.url.rpartition(":")[2])
            for words in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b""):
                async with await connect_tcp("127.0.0.1", port) as stream:
                    await stream.send(words)
            async with opened(it.url) as connection:
                await connection.receive()
    assert (it.played, it.mismatches) == (0, [])


@pytest.mark.anyio
@pytest.mark.parametrize(("pace", "waits"), [(1, [0.0, 0.5, 2.0]), (2, [0.0, 0.25, 1.0]), (math.inf, [])])
async def test_it_takes_its_time(monkeypatch: pytest.MonkeyPatch, pace: float, waits: list[float]) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(sys.modules[Playback.__module__], "sleep", wait)
    at = [(CREATED, 0.0), (UPDATED, 0.5), (UPDATED, 2.5)]
    cassette = Cassette(tuple(Recorded("received", data, when) for data, when in at))
    async with playing(cassette, pace=pace) as (_, connection):
        types = [(await connection.receive()).type for _ in range(3)]
    assert types == ["session.created", "session.updated", "session.updated"]
    assert waited == waits


@pytest.mark.anyio
async def test_time_that_goes_backwards_is_no_time() -> None:
    cassette = Cassette((Recorded("received", CREATED, 100.0), Recorded("received", UPDATED, 0.0)))
    async with playing(cassette, pace=1e6) as (it, connection):
        await connection.wait_for(SessionUpdated)
    assert it.played == 1


@pytest.mark.anyio
@pytest.mark.parametrize("pace", [0, -1, math.nan])
async def test_a_pace_is_a_positive_number(pace: float) -> None:
    with pytest.raises(ConfigurationError, match=r"pace: .* is not a positive number"):
        async with replayed(BRIEF, pace=pace):
            pass


@pytest.mark.anyio
async def test_what_cannot_be_read_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with replayed(tmp_path / "nothing.jsonl"):
            pass
    (tmp_path / "film.jsonl").write_text("{}")
    with pytest.raises(CassetteError):
        async with replayed(str(tmp_path / "film.jsonl")):
            pass


# As a client


async def say(turn: Turn) -> Said:
    if turn.results:
        return f"It says: {' '.join(turn.results.values())}"
    if turn.tools and turn.text:
        return FunctionCall("get_weather", {"city": "Paris"})
    return "All is well."


@pytest.mark.anyio
async def test_what_was_said_is_said_again() -> None:
    with fail_after(10):
        async with connected(say) as connection:
            comparison = await replay(TEXT_IN, connection)
            await connection.conversation.item.create(message(None, "More?"), wait=True)  # it is still open
    assert comparison.recorded[:3] == ("session.created", "session.updated", "conversation.item.added")
    assert comparison.came[-1] == "response.done"


@pytest.mark.anyio
async def test_the_call_that_is_answered_is_the_one_that_was_made() -> None:
    """The cassette's call has an id that this service has never heard of."""
    results: list[str] = []

    async def note(turn: Turn) -> Said:
        results.extend(turn.results.values())
        return await say(turn)

    (output,) = [
        each.fields["item"]["output"]
        for each in Cassette.read(TOOL_CALL).messages
        if each.type == "conversation.item.create" and each.fields["item"]["type"] == "function_call_output"
    ]
    with fail_after(10):
        async with connected(note) as connection:
            comparison = await replay(TOOL_CALL, connection)
    assert comparison.same, str(comparison)
    assert results == [output]


@pytest.mark.anyio
async def test_items_are_those_of_this_service_whatever_else_is_different() -> None:
    """An id is learnt though all around it is other."""
    recorded = {**message("item_theirs"), "object": "realtime.item", "status": "in_progress", "odd": {"a": [1]}}
    cassette = tape(
        ("received", CREATED),
        ("sent", {"type": "conversation.item.create", "item": message(None)}),
        ("received", {"type": "conversation.item.added", "odd": 1, "previous_item_id": None, "item": recorded}),
        ("sent", {"type": "conversation.item.retrieve", "item_id": "item_theirs"}),
        ("received", {"type": "conversation.item.retrieved", "item": recorded}),
        ("sent", {"type": "conversation.item.delete", "item_id": "item_theirs"}),
        ("received", {"type": "conversation.item.deleted", "item_id": "item_theirs"}),
    )
    with fail_after(10):
        async with connected(say) as connection, connection.subscribe(ConversationItemAdded) as items:
            comparison = await replay(cassette, connection)
            item = (await anext(aiter(items))).item
    assert comparison.came[-1] == "conversation.item.deleted"
    assert item is not None
    assert item.id not in (None, "item_theirs")


@pytest.mark.anyio
async def test_differences_are_shown() -> None:
    late = tape(("received", {"type": "unheard_of"}), ("received", CREATED), ("sent", UPDATE), ("received", UPDATED))
    with fail_after(10):
        async with connected(say) as connection:
            comparison = await replay(late, connection)
    assert not comparison.same
    assert comparison == Comparison(
        ("unheard_of", "session.created", "session.updated"), ("session.created", "session.updated")
    )
    assert str(comparison).splitlines() == [
        "(- cassette, + now)",
        "- unheard_of",
        "  session.created",
        "  session.updated",
    ]


@pytest.mark.anyio
async def test_what_does_not_come_is_not_waited_for_for_ever() -> None:
    cassette = tape(("received", CREATED), ("received", {"type": "session.expected"}))
    with fail_after(10):
        async with connected(say) as connection:
            with pytest.raises(
                TimeoutError, match=r"session\.expected did not come within 0\.05 s; \['session\.created'"
            ):
                await replay(cassette, connection, timeout=0.05)


@pytest.mark.anyio
async def test_a_connection_that_is_lost_is_lost() -> None:
    with fail_after(10):
        async with connected(say, faults=["drop@2"]) as connection:
            with pytest.raises(ConnectionLost):
                await replay(BRIEF, connection)


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
async def test_one_dialect_is_not_played_in_another(version: str) -> None:
    cassette = RECORDINGS / "voice_live_text_in_audio_out.jsonl"
    with fail_after(10):
        async with connected(say, api_version=version) as connection:
            spoken = connection.endpoint.dialect
            with pytest.raises(ConfigurationError, match=f"in the dialect 'voice-live', the connection in '{spoken}'"):
                await replay(cassette, connection)
            assert connection.statistics().events_sent == 0


# There and back


async def talk(connection: Connection, piece: float) -> list[str]:
    """A written turn and a spoken one, with an item of the client's own; sound in pieces of so many seconds."""
    types: list[str] = []

    async def until_done() -> None:
        while not types or types[-1] != "response.done":
            types.append((await connection.receive()).type)
        types.append("(done)")

    await connection.session.update({"type": "realtime", "instructions": "See https://h/?key=1 for all."}, wait=True)
    await connection.conversation.item.create(message(None))
    await connection.response.create()
    await until_done()
    size = int(piece * 48000)
    for start in range(0, len(QUESTION), size):
        await connection.input_audio_buffer.append(QUESTION[start : start + size])
    await until_done()
    return [each for each in types if not each.endswith(".delta")]


@asynccontextmanager
async def emulated() -> AsyncGenerator[Emulator]:
    async with serve(responder=say, pace=math.inf) as emulator:
        yield emulator


@asynccontextmanager
async def recorded(
    emulator: Emulator, path: Path, dialect: str = "ga", sound: Any = "shortened"
) -> AsyncGenerator[Connection]:
    """A connection to *emulator* of which a cassette is kept."""
    url = emulator.url + ("/voice-live" if dialect == "voice-live" else "")
    with recording(path, sound=sound) as recorder:
        async with connect(
            url, deployment="any", api_version=VERSIONS[dialect], api_key=emulator.api_key, watch=recorder
        ) as connection:
            yield connection


@pytest.mark.anyio
@pytest.mark.parametrize("sound", ["kept", "shortened"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_was_recorded_is_played_to_the_same_client(tmp_path: Path, dialect: str, sound: Any) -> None:
    path = tmp_path / "session.jsonl"
    with fail_after(20):
        async with emulated() as emulator, recorded(emulator, path, dialect, sound) as connection:
            first = await talk(connection, 0.1)
        assert Cassette.read(path).dialect == dialect
        assert emulator.api_key not in path.read_text("utf-8")
        async with replayed(path) as it, opened(it.url, dialect) as connection:
            again = await talk(connection, 0.05 if sound == "kept" else 0.1)
    assert again == first
    assert it.mismatches == []


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_was_recorded_is_said_again_to_the_same_service(tmp_path: Path, dialect: str) -> None:
    path = tmp_path / "session.jsonl"
    with fail_after(20):
        async with emulated() as emulator:
            async with recorded(emulator, path, dialect, "kept") as connection:
                await talk(connection, 0.1)
            async with opened(emulator.url, dialect, emulator.api_key) as connection:
                comparison = await replay(path, connection)
    assert comparison.same, str(comparison)


@pytest.mark.anyio
async def test_a_strict_cassette_of_this_client_is_played_to_it(tmp_path: Path) -> None:
    """Where it chooses its own ids."""

    async def otherwise(path: Path) -> None:
        async with playing(path, strict=True) as (_, connection):
            await connection.conversation.item.create(message("item_2"))
            await connection.wait_for(ErrorEvent)

    async def strictly(connection: Connection) -> None:
        await connection.send({"type": "conversation.item.create", "event_id": "event_1", "item": message("item_1")})
        await connection.send({"type": "response.create", "event_id": "event_2"})
        await connection.wait_for(ResponseDone)
        await connection.send({"type": "input_audio_buffer.append", "audio": bytes(9600)})
        await connection.send({"type": "input_audio_buffer.commit", "event_id": "event_3"})
        await connection.wait_for(InputAudioBufferCommitted)

    path = tmp_path / "session.jsonl"
    with fail_after(10):
        async with emulated() as emulator, recorded(emulator, path) as connection:
            await strictly(connection)
        async with playing(path, strict=True) as (it, connection):
            await strictly(connection)
        assert it.played == 1
        with pytest.raises(CassetteMismatch):
            await otherwise(path)


@pytest.mark.anyio
async def test_events_of_a_replay_are_events() -> None:
    async with playing(BRIEF) as (_, connection):
        await connection.session.update({"type": "realtime", "instructions": "Be brief."})
        assert_events([await connection.receive() for _ in range(2)], [SessionCreated, SessionUpdated])


@pytest.mark.anyio
async def test_a_strict_replay_compares_whole_events() -> None:
    """Against the same cassette all is the same, ids included; what is different is shown whole."""
    tape = Cassette.read(TEXT_IN)
    first = tape.messages[0]
    other = Cassette((replace(first, fields={**first.fields, "event_id": "event_other"}), *tape.messages[1:]))
    with fail_after(10):
        async with replayed(tape, strict=True) as served, opened(served.url) as connection:
            assert (await replay(tape, connection, strict=True)).same
        async with replayed(tape) as served, opened(served.url) as connection:
            comparison = await replay(other, connection, strict=True)
    assert not comparison.same
    assert '"event_id": "event_other"' in str(comparison)
