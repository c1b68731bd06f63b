"""What happens in a session of the emulator, over a real socket, in the words of each dialect."""

from __future__ import annotations

import json
import logging
import math
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pybase64
import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever
from anyio.lowlevel import checkpoint

from realtime_azure import Connection, ConnectionLost, EventRejected, StatusError, connect
from realtime_azure.audio import pcm
from realtime_azure.emulator import Emulator, FunctionCall, Reply, Responder, Said, Turn, line, serve, voice
from realtime_azure.emulator import responder as responder_module
from realtime_azure.emulator.service import LIFETIME
from realtime_azure.errors import ConfigurationError
from realtime_azure.events import (
    ConversationItemAdded,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ErrorEvent,
    FunctionCallOutput,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    Message,
    ResponseConfig,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputTextDelta,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    UnknownEvent,
)
from realtime_azure.events.dicts import ContentPartDict

from .test_listener import QUESTION, asked, on_the_wire, outcome, shape, sound_of, speak, until_done, words_of, write

pytestmark = pytest.mark.anyio

DIALECTS = {
    "ga": ("", "v1"),
    "preview": ("", "2025-04-01-preview"),
    "voice-live": ("/voice-live", "2025-10-01"),
}
MESSAGE: ContentPartDict = {"type": "input_text", "text": "What is this?"}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def without_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers here as where the extra `emulator-voice` is installed."""
    monkeypatch.setattr(voice, "available", lambda: False)


def connecting(emulator: Emulator, dialect: str) -> Any:
    path, api_version = DIALECTS[dialect]
    return connect(emulator.url + path, deployment="any", api_version=api_version, api_key=emulator.api_key)


@asynccontextmanager
async def answering(responder: Responder, dialect: str = "ga", *, text: bool = False) -> AsyncGenerator[Connection]:
    """A connection to an emulator that answers with *responder*, in *text* if it says so."""
    async with serve(pace=math.inf, responder=responder) as emulator, connecting(emulator, dialect) as connection:
        if text:
            await connection.session.update({"type": "realtime", "output_modalities": ["text"]})
            with fail_after(5):
                async for event in connection:
                    if isinstance(event, SessionUpdated):
                        break
        yield connection


def said_by(dialect: str, *names: str) -> list[str]:
    """GA's *names* as they are in *dialect*."""
    if dialect == "ga":
        return [*names]
    dated = [name.replace("output_text", "text").replace("output_audio", "audio") for name in names]
    renamed = [name.replace("conversation.item.added", "conversation.item.created") for name in dated]
    return [name for name in renamed if name != "conversation.item.done"]


def response_of(events: list[ServerEvent]) -> dict[str, Any]:
    """The response as it was told at its end."""
    response: dict[str, Any] = on_the_wire(events)[-1]["response"]
    return response


def first_item(events: list[ServerEvent]) -> str:
    """The id of the first item that was added."""
    added = next(event.item for event in events if isinstance(event, ConversationItemAdded))
    assert isinstance(added, Message)
    return added.id or ""


def nothing_odd(events: list[ServerEvent]) -> bool:
    return not [event for event in events if isinstance(event, UnknownEvent) or event.problems]


CALL = (
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
)


# Functions


@pytest.mark.parametrize("spoken", [True, False], ids=["spoken", "written"])
async def test_a_call_has_the_order_of_the_service(dialect: str, spoken: bool) -> None:
    """As recorded: no sound and no content part belong to it."""

    async def responder(turn: Turn) -> FunctionCall:
        return FunctionCall("get_weather", {"city": "Zürich"})

    async with answering(responder, dialect, text=not spoken) as connection:
        await connection.response.create()
        events = await until_done(connection)
    names = said_by(dialect, "response.created", *CALL, "response.done")
    assert shape(events)[-len(names) :] == names
    assert nothing_odd(events)
    (done,) = [event for event in events if isinstance(event, ResponseFunctionCallArgumentsDone)]
    (item,) = response_of(events)["output"]
    assert (item["type"], item["name"], item["status"]) == ("function_call", "get_weather", "completed")
    assert (item["call_id"], item["id"], item["arguments"]) == (done.call_id, done.item_id, done.arguments)
    assert json.loads(item["arguments"]) == {"city": "Zürich"}
    assert sound_of(events) == b""


async def test_several_calls_and_words_in_one_response(dialect: str) -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply("Let me look.", calls=(FunctionCall("get_weather", '{"a": 1}\n'), FunctionCall("get_time")))

    async with answering(responder, dialect, text=True) as connection:
        await connection.response.create()
        events = await until_done(connection)
    types = [message["type"] for message in on_the_wire(events)]
    done = "response.output_item.done"
    assert [name for name in types if name in ("response.output_item.added", done)] == [
        "response.output_item.added",
        done,
    ] * 3
    message, weather, clock = response_of(events)["output"]
    assert message["content"][0]["text"] == "Let me look."
    assert (weather["name"], weather["arguments"]) == ("get_weather", '{"a": 1}\n')  # as it was written
    assert (clock["name"], clock["arguments"]) == ("get_time", "{}")
    assert weather["call_id"] != clock["call_id"]
    added = [event for event in events if isinstance(event, ConversationItemAdded)]
    assert [event.previous_item_id for event in added] == [None, message["id"], weather["id"]]
    assert nothing_odd(events)


async def test_what_the_functions_gave_back_is_answered(dialect: str) -> None:
    turns: list[Turn] = []

    async def responder(turn: Turn) -> Said:
        turns.append(turn)
        return "It rains." if turn.results else FunctionCall("get_weather", {"city": "Oslo"})

    async with answering(responder, dialect) as connection:
        tool: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
        await connection.session.update({"type": "realtime", "tools": [tool]})
        events = await asked(connection, "How is it in Oslo?")
        call_id = response_of(events)["output"][0]["call_id"]
        await connection.conversation.item.create(
            {"type": "function_call_output", "call_id": call_id, "output": "rain"}
        )
        await connection.response.create()
        answer = await until_done(connection)
    assert words_of(answer) == "It rains."
    assert [dict(named)["name"] for turn in turns for named in turn.tools] == ["get_weather"] * 2
    assert [turn.results for turn in turns] == [{}, {call_id: "rain"}]
    assert [turn.text for turn in turns] == ["How is it in Oslo?", ""]


async def test_a_function_may_be_run_before_the_response_is_over(dialect: str) -> None:
    """As recorded: what it gave back comes before `response.done`, and stands behind its call."""
    ready = Event()

    async def responder(turn: Turn) -> AsyncIterator[Said]:
        if turn.results:
            yield "It rains."
            return
        yield FunctionCall("get_weather")
        await ready.wait()

    async with answering(responder, dialect) as connection:
        with fail_after(5):
            await connection.response.create()
            call = await connection.wait_for(ResponseFunctionCallArgumentsDone)
            await connection.conversation.item.create(
                {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
            )
            added = await connection.wait_for(
                ConversationItemAdded, where=lambda event: isinstance(event.item, FunctionCallOutput)
            )
            ready.set()
            assert outcome(await until_done(connection)) == ("completed", None)
            assert added.previous_item_id == call.item_id
            await connection.response.create()
            assert words_of(await until_done(connection)) == "It rains."


# Answers in pieces


async def test_an_answer_is_said_as_it_is_made(dialect: str) -> None:
    """The next piece is made when the one before has been heard; together they are one message."""
    heard = Event()

    async def responder(turn: Turn) -> AsyncIterator[Said]:
        yield "Once "
        await heard.wait()
        yield Reply("upon ")
        yield "a time."

    async with answering(responder, dialect, text=True) as connection:
        with fail_after(5):
            await connection.response.create()
            await connection.wait_for(ResponseOutputTextDelta)
            heard.set()
            events = await until_done(connection)
    assert words_of(events) == "Once upon a time."
    (item,) = response_of(events)["output"]
    assert item["content"][0]["text"] == "Once upon a time."


async def test_sound_in_pieces_is_one_sound() -> None:
    async def responder(turn: Turn) -> AsyncIterator[Said]:
        yield Reply("Once", QUESTION[:4800])
        yield Reply(" upon", QUESTION[4800:48000])

    async with answering(responder) as connection:
        await connection.response.create()
        events = await until_done(connection)
    assert sound_of(events) == QUESTION[:48000]
    (item,) = response_of(events)["output"]
    assert item["content"][0]["transcript"] == "Once upon"


async def test_an_answer_in_pieces_that_fails_keeps_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    async def responder(turn: Turn) -> AsyncIterator[Said]:
        yield "Once"
        raise LookupError("a private matter")

    async with answering(responder, text=True) as connection:
        with caplog.at_level(logging.CRITICAL, "realtime_azure"):
            await connection.response.create()
            events = await until_done(connection)
    response = response_of(events)
    assert response["status"] == "failed"
    assert "LookupError" in response["status_details"]["error"]["message"]
    assert b"a private matter" not in events[-1].raw
    assert [(item["status"], item["content"][0]["text"]) for item in response["output"]] == [("incomplete", "Once")]


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "saying"])
async def test_an_answer_in_pieces_cleans_up_when_it_is_cancelled(waiting: bool) -> None:
    """Wherever it was: where it waits for something, or while a piece of it is said."""
    cleaned = Event()

    async def responder(turn: Turn) -> AsyncIterator[Said]:
        try:
            yield "Once"
            if waiting:
                await sleep_forever()
            while True:
                yield " and again"
        finally:
            cleaned.set()

    async with answering(responder, text=True) as connection:
        with fail_after(5):
            await connection.response.create()
            await connection.wait_for(ResponseOutputTextDelta)
            await connection.response.cancel()
            assert outcome(await until_done(connection)) == ("cancelled", "client_cancelled")
            await cleaned.wait()


async def test_nothing_comes_after_the_end_of_a_cancelled_answer() -> None:
    """Not even a piece that was about to be said: its responder is woken up again and again, at any moment."""
    ticks = [Event()]

    async def responder(turn: Turn) -> AsyncIterator[Said]:
        while True:
            yield "tick "
            ticks.append(Event())
            await ticks[-1].wait()

    async def tick() -> None:
        while True:
            ticks[-1].set()
            await checkpoint()

    async with answering(responder, text=True) as connection, create_task_group() as tasks:
        tasks.start_soon(tick)
        with fail_after(10):
            for _ in range(20):
                await connection.response.create()
                await connection.wait_for(ResponseOutputTextDelta)
                await connection.response.cancel()
                assert outcome(await until_done(connection)) == ("cancelled", "client_cancelled")
                await connection.input_audio_buffer.clear()
                assert isinstance(await connection.receive(), InputAudioBufferCleared)
        tasks.cancel_scope.cancel()


async def test_a_response_outside_the_conversation_does_not_wait_for_the_one_in_it(dialect: str) -> None:
    """Who classifies what is said, or looks it over, asks beside the voice that answers."""
    ready = Event()

    async def responder(turn: Turn) -> str:
        if turn.text != "Beside it.":
            await ready.wait()
        return f"{turn.text} Yes."

    async with answering(responder, dialect, text=True) as connection:
        with fail_after(5):
            await connection.response.create()
            created = await connection.wait_for(ResponseCreated)
            await connection.response.create(
                outside(input=[{**WRITTEN, "content": [{"type": "input_text", "text": "Beside it."}]}])
            )
            beside = await until_done(connection)
            assert words_of(beside) == "Beside it. Yes."
            assert ended(beside) != created.response.id
            assert not [event for event in beside if event.type.startswith("conversation.")]
            ready.set()
            inside = await until_done(connection)
            assert ended(inside) == created.response.id


def ended(events: list[ServerEvent]) -> str | None:
    """Which response the last of *events* ended."""
    assert isinstance(events[-1], ResponseDone)
    return events[-1].response.id


async def test_a_cancel_stops_the_response_that_it_names() -> None:
    async def responder(turn: Turn) -> str:
        await sleep_forever()
        return ""

    async with answering(responder, text=True) as connection:
        with fail_after(5):
            inside = await connection.response.create(wait=True)
            beside = await connection.response.create(outside(), wait=True)
            with pytest.raises(EventRejected) as caught:
                await connection.response.cancel("resp_of_before", wait=True)
            assert caught.value.code == "response_cancel_not_active"
            for created in (beside, inside):
                done = await connection.response.cancel(created.response.id, wait=True)
                assert (done.response.id, done.response.status) == (created.response.id, "cancelled")


async def test_cleaning_up_does_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A responder that hangs while it is closed holds up neither the next answer nor the end."""
    monkeypatch.setattr(responder_module, "CLEANUP_TIMEOUT", 0.01)

    async def responder(turn: Turn) -> AsyncIterator[Said]:
        if turn.text:
            yield "Yes."
            return
        try:
            while True:
                yield "again and "
        finally:
            await sleep_forever()

    with fail_after(5):
        async with answering(responder, text=True) as connection:
            await connection.response.create()
            await connection.wait_for(ResponseOutputTextDelta)
            await connection.response.cancel()
            assert outcome(await until_done(connection)) == ("cancelled", "client_cancelled")
            assert words_of(await asked(connection)) == "Yes."


async def test_a_responder_that_is_none_fails_its_response_only(caplog: pytest.LogCaptureFixture) -> None:
    def responder(turn: Turn) -> Any:
        return "not awaited"

    async with answering(responder) as connection:
        with caplog.at_level(logging.CRITICAL, "realtime_azure"):
            for _ in range(2):
                await connection.response.create()
                assert outcome(await until_done(connection)) == ("failed", None)


async def test_nothing_is_said_by_an_answer_without_pieces() -> None:
    async def responder(turn: Turn) -> AsyncIterator[Said]:
        if turn.text:
            yield turn.text

    async with answering(responder) as connection:
        await connection.response.create()
        events = await until_done(connection)
    assert response_of(events)["output"] == []
    assert outcome(events) == ("completed", None)


# Outside the conversation


WRITTEN = {"type": "message", "role": "user"}


def outside(**more: Any) -> ResponseConfig:
    return ResponseConfig.model_validate({"conversation": "none", **more})


async def echo(turn: Turn) -> str:
    return turn.text or "Nothing."


async def test_an_answer_outside_the_conversation(dialect: str) -> None:
    """With an input and metadata of its own; afterwards the conversation is as it was."""
    async with answering(echo, dialect, text=True) as connection:
        await connection.conversation.item.create({"type": "message", "role": "user", "content": [MESSAGE]})
        aside = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Is this rude?"}]}
        await connection.response.create(outside(input=[aside], metadata={"topic": "manners"}))
        events = await until_done(connection)
        await connection.response.create()
        inside = await until_done(connection)
    assert words_of(events) == "Is this rude?"
    names = said_by(
        dialect,
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    )
    assert shape(events)[-len(names) :] == names
    response = response_of(events)
    assert (response["conversation_id"], response["metadata"]) == (None, {"topic": "manners"})
    assert words_of(inside) == "What is this?"
    added = [event for event in inside if isinstance(event, ConversationItemAdded)]
    assert [event.previous_item_id for event in added] == [first_item(events)]
    assert response_of(inside)["conversation_id"]
    assert nothing_odd([*events, *inside])


@pytest.mark.parametrize("dialect", ["ga", "preview"])
async def test_an_input_refers_to_what_is_in_the_conversation(dialect: str) -> None:
    """Voice Live knows no references."""
    async with answering(echo, dialect, text=True) as connection:
        for item_id, text in (("near", "Near."), ("far", "Far away.")):
            content: list[ContentPartDict] = [{"type": "input_text", "text": text}]
            await connection.conversation.item.create(
                {"type": "message", "role": "user", "id": item_id, "content": content}
            )
        reference = {"type": "item_reference", "id": "near"}
        await connection.response.create(outside(input=[reference]))
        assert words_of(await until_done(connection)) == "Near."


# One at a time


async def test_one_response_at_a_time(dialect: str) -> None:
    """The second is refused, by name of its event, and the first goes on."""
    ready = Event()

    async def responder(turn: Turn) -> str:
        await ready.wait()
        return "As I was saying."

    async with answering(responder, dialect, text=True) as connection:
        with fail_after(5):
            await connection.response.create()
            created = await connection.wait_for(ResponseCreated)
            await connection.response.create(event_id="mine")
            error = await connection.wait_for(ErrorEvent)
            assert error.error.code == "conversation_already_has_active_response"
            assert (created.response.id or "?") in (error.error.message or "")
            assert error.error.event_id == "mine"
            ready.set()
            first = await until_done(connection)
            assert words_of(first) == "As I was saying."
            await connection.response.create()
            assert outcome(await until_done(connection)) == ("completed", None)


# Answers that are not completed


async def lengthy(turn: Turn) -> str:
    return "one two three four five six seven"


@pytest.mark.parametrize("of_the_session", [True, False], ids=["the session's", "the response's"])
async def test_an_answer_ends_at_its_most_tokens(dialect: str, of_the_session: bool) -> None:
    async with answering(lengthy, dialect, text=True) as connection:
        if of_the_session:
            await connection.session.update({"type": "realtime", "max_output_tokens": 3})
            await connection.response.create()
        else:
            await connection.response.create({"max_output_tokens": 3})
        events = await until_done(connection)
        await connection.response.create({"max_output_tokens": "inf"})
        whole = await until_done(connection)
    assert outcome(events) == ("incomplete", "max_output_tokens")
    response = response_of(events)
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert words_of(events) == "one two three"
    (item,) = response["output"]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "one two three")
    assert response["usage"]["output_tokens"] == 3
    assert outcome(whole) == ("completed", None)


async def test_sound_counts_for_the_most_tokens() -> None:
    """Twenty for a second."""

    async def responder(turn: Turn) -> Reply:
        return Reply("Mmm", pcm.silence(60))

    async with answering(responder) as connection:
        await connection.response.create({"max_output_tokens": 21})
        events = await until_done(connection)
    assert outcome(events) == ("incomplete", "max_output_tokens")
    assert pcm.duration(sound_of(events)) == pytest.approx(1)


async def test_a_call_may_be_cut_by_the_most_tokens() -> None:
    async def responder(turn: Turn) -> FunctionCall:
        return FunctionCall("f", '{"a": 1, "b": 2, "c": 3}')

    async with answering(responder) as connection:
        await connection.response.create({"max_output_tokens": 2})
        events = await until_done(connection)
    assert outcome(events) == ("incomplete", "max_output_tokens")
    (item,) = response_of(events)["output"]
    assert item["status"] == "incomplete"
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(item["arguments"])


async def test_an_answer_that_the_content_filter_stops(dialect: str) -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply("How to make a", reason="content_filter")

    async with answering(responder, dialect, text=True) as connection:
        await connection.response.create()
        events = await until_done(connection)
    assert outcome(events) == ("incomplete", "content_filter")
    response = response_of(events)
    assert response["status_details"] == {"type": "incomplete", "reason": "content_filter"}
    assert [item["status"] for item in response["output"]] == ["incomplete"]
    assert words_of(events) == "How to make a"


async def test_a_response_that_fails_at_the_rate_limit(dialect: str) -> None:
    """It has no output at all, and asking again may help."""
    turns: list[Turn] = []

    async def responder(turn: Turn) -> Reply:
        turns.append(turn)
        return Reply(reason="inference_rate_limit_exceeded") if len(turns) == 1 else Reply("Yes.")

    async with answering(responder, dialect) as connection:
        events = await asked(connection, "Hello.")
        await connection.response.create()
        again = await until_done(connection)
    names = ["response.created", "response.done"]
    assert shape(events)[-2:] == names
    response = response_of(events)
    assert (response["status"], response["output"]) == ("failed", [])
    details = response["status_details"]
    assert details["type"] == "failed"
    assert (details["error"]["type"], details["error"]["code"]) == (
        "rate_limit_exceeded",
        "inference_rate_limit_exceeded",
    )
    assert words_of(again) == "Yes."
    assert [turn.text for turn in turns] == ["Hello.", "Hello."]


# Truncating


async def test_an_answer_is_truncated_to_what_was_heard(dialect: str) -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply("Once upon a time.", pcm.silence(2))

    async with answering(responder, dialect) as connection:
        events = await asked(connection)
        (item,) = response_of(events)["output"]
        item_id, end = item["id"], 750
        with fail_after(5):
            await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=end)
            cut = await connection.wait_for(ConversationItemTruncated)
            await connection.conversation.item.retrieve(item_id=item_id)
            retrieved = await connection.wait_for(ConversationItemRetrieved)
    assert (cut.item_id, cut.content_index, cut.audio_end_ms) == (item_id, 0, end)
    assert item["content"][0]["transcript"] == "Once upon a time."
    assert b"Once upon" not in retrieved.raw


async def test_nothing_is_truncated_beyond_its_end_or_that_was_not_spoken(dialect: str) -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply("Once upon a time.", pcm.silence(2))

    async with answering(responder, dialect) as connection:
        events = await asked(connection)
        own = first_item(events)
        spoken = response_of(events)["output"][0]["id"]
        for item_id, end, said, param in (
            (own, 0, "Only model output audio messages can be truncated", "item_id"),
            (spoken, 2001, "Audio content of 2000ms is already shorter than 2001ms", "audio_end_ms"),
        ):
            with fail_after(5):
                await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=end)
                async for event in connection:
                    assert isinstance(event, ErrorEvent)
                    assert (event.error.code, event.error.message, event.error.param) == ("invalid_value", said, param)
                    break


# Appending


async def test_more_than_fifteen_mebibytes_are_not_appended_at_once() -> None:
    """Past the client's own checks. The session goes on, and hears what it was sent in smaller pieces."""
    async with answering(echo) as connection:
        with fail_after(10):
            await connection.session.update({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
            audio = pybase64.b64encode(bytes(15 * 1024 * 1024 + 2)).decode()
            message = json.dumps({"type": "input_audio_buffer.append", "event_id": "mine", "audio": audio}).encode()
            await connection._websocket.send(message)  # pyright: ignore[reportPrivateUsage]
            error = await connection.wait_for(ErrorEvent)
            assert (error.error.code, error.error.param, error.error.event_id) == ("invalid_value", "audio", "mine")
            await connection.input_audio_buffer.append(pcm.silence(0.2))
            await connection.input_audio_buffer.commit()
            await connection.wait_for(InputAudioBufferCommitted)


# Transcription sessions


@asynccontextmanager
async def transcribing(emulator: Emulator, **more: Any) -> AsyncGenerator[Connection]:
    settings: dict[str, Any] = {"api_version": "v1", "api_key": emulator.api_key, "intent": "transcription", **more}
    async with connect(emulator.url, **settings) as connection:
        yield connection


async def said_paris(sound: bytes) -> str:
    return "what is the capital of france"


async def test_a_transcription_session_writes_down_what_is_said() -> None:
    async def responder(turn: Turn) -> str:
        raise AssertionError

    async with (
        serve(pace=math.inf, responder=responder, transcriber=said_paris) as emulator,
        transcribing(emulator) as connection,
    ):
        settings: Any = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
        await connection.session.update(settings)
        events: list[ServerEvent] = []
        for _ in range(2):
            await speak(connection, QUESTION)
        with fail_after(5):
            async for event in connection:
                events.append(event)
                if [one.type for one in events].count("conversation.item.input_audio_transcription.completed") == 2:
                    break
    types = [event.type for event in events]
    assert types[:2] == ["session.created", "session.updated"]
    for item in [event for event in events if isinstance(event, InputAudioBufferCommitted)]:
        of_it = [
            message["type"]
            for message in on_the_wire(events)
            if (message.get("item_id") or message.get("item", {}).get("id")) == item.item_id
        ]
        assert of_it == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.completed",
        ]
    assert types.count("input_audio_buffer.committed") == 2
    written = [message["transcript"] for message in on_the_wire(events) if "transcript" in message]
    assert written == ["what is the capital of france"] * 2
    created = events[0]
    assert isinstance(created, SessionCreated)
    assert b'"transcription"' in created.raw


async def test_a_transcription_session_has_no_responses() -> None:
    async with serve(transcriber=said_paris) as emulator, transcribing(emulator) as connection:
        with fail_after(5):
            await connection.response.create(event_id="mine")
            error = await connection.wait_for(ErrorEvent)
        assert (error.error.code, error.error.param, error.error.event_id) == ("invalid_value", "type", "mine")
        assert "response.create" in (error.error.message or "")


async def test_a_transcription_session_wants_a_key_too() -> None:
    async with serve() as emulator:
        with pytest.raises(StatusError, match="401"):
            async with transcribing(emulator, api_key="wrong"):
                pass


# The end of a session


async def until_expired(connection: Connection) -> tuple[list[ServerEvent], ConnectionLost]:
    events: list[ServerEvent] = []
    with fail_after(5):
        try:
            while True:
                events.append(await connection.receive())
        except ConnectionLost as lost:
            return events, lost


async def test_a_session_expires(dialect: str) -> None:
    """First the error says so, then close code 1001; the next session is a new one."""
    async with serve(session_lifetime=0.05) as emulator:
        before = time.time()
        for _ in range(2):
            async with connecting(emulator, dialect) as connection:
                events, lost = await until_expired(connection)
            created, error = events
            assert isinstance(created, SessionCreated)
            assert isinstance(error, ErrorEvent)
            assert (error.error.type, error.error.code) == ("invalid_request_error", "session_expired")
            assert (error.error.message or "").startswith("Your session hit the maximum duration of ")
            assert lost.code == 1001
            assert lost.reason == error.error.message
            if dialect == "ga":  # it has to be a whole number of seconds
                assert created.session.expires_at is not None
                assert before - 1 <= created.session.expires_at <= time.time() + 1


async def test_a_transcription_session_expires_too() -> None:
    async with serve(session_lifetime=0.05) as emulator, transcribing(emulator) as connection:
        events, lost = await until_expired(connection)
    assert isinstance(events[-1], ErrorEvent)
    assert lost.code == 1001


async def test_an_answer_does_not_outlive_its_session() -> None:
    stopped = Event()

    async def responder(turn: Turn) -> AsyncIterator[Said]:
        try:
            yield Reply("Once upon a time.", pcm.silence(60))
        finally:
            stopped.set()

    async with serve(pace=1, session_lifetime=0.3, responder=responder) as emulator:
        async with connecting(emulator, "ga") as connection:
            await connection.response.create()
            events, lost = await until_expired(connection)
        assert isinstance(events[-1], ErrorEvent)
        assert lost.code == 1001
        assert [event for event in events if isinstance(event, ResponseOutputAudioDelta)]
        assert not [event for event in events if isinstance(event, ResponseDone)]
        with fail_after(5):
            await stopped.wait()


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
async def test_a_session_lasts_for_some_time(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="session_lifetime"):
        async with serve(session_lifetime=seconds):
            pass


async def test_a_line_in_memory_has_no_tls() -> None:
    with pytest.raises(ConfigurationError, match="ssl_context: a line in memory has no TLS"):
        async with serve(port=None, ssl_context=ssl.create_default_context()):
            pass


@pytest.mark.parametrize(
    ("lifetime", "said"),
    [(LIFETIME, "60 minutes"), (60, "1 minute"), (59.6, "60 seconds"), (2.5, "2 seconds"), (1, "1 second")],
)
def test_the_words_of_the_last_event_say_how_long_it_was(lifetime: float, said: str) -> None:
    """Sixty minutes, as the service says, where nothing else was asked for."""
    assert line.expired(lifetime) == f"Your session hit the maximum duration of {said}."


async def test_what_is_written_is_answered_in_every_dialect(dialect: str) -> None:
    async with answering(echo, dialect) as connection:
        await write(connection, "Hello there.")
        events = await until_done(connection)
    assert words_of(events) == "Hello there."
    assert nothing_odd(events)
    assert pcm.duration(sound_of(events)) > 0.2
