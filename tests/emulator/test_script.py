"""A responder that follows a script, over the emulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from anyio import fail_after

from realtime_azure import Connection
from realtime_azure.audio import wav
from realtime_azure.emulator import ScriptedResponder, UnexpectedTurn
from realtime_azure.events import (
    FunctionCall,
    Message,
    ResponseDone,
    SessionUpdated,
)
from realtime_azure.testing import assert_events, connected

from .test_listener import SAMPLES

pytestmark = pytest.mark.anyio


async def ask(connection: Connection, text: str = "How is the weather?") -> ResponseDone:
    await connection.conversation.item.create(
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    )
    return await answered(connection)


async def answered(connection: Connection) -> ResponseDone:
    await connection.response.create({"output_modalities": ["text"]})
    async for event in connection:
        if isinstance(event, ResponseDone):
            return event
    raise AssertionError("no answer")


def said(done: ResponseDone) -> list[Any]:
    found: list[Any] = []
    for item in done.response.output or ():
        match item:
            case FunctionCall(name=name, arguments=arguments):
                found.append((name, arguments))
            case Message(content=content):
                found += [part.text for part in content or ()]
            case _:
                found.append(item.type)
    return found


async def test_a_conversation_as_it_was_written() -> None:
    script = ScriptedResponder()
    script.expect("WEATHER").say("Let me see.").call("get_weather", {"city": "Oslo"}).call("get_time")
    script.expect_result({"sky": "rain"}).say("It rains.")
    script.expect(re.compile(r"^Bye[.!]$")).say("Good bye.")
    with fail_after(10):
        async with connected(script) as connection:
            first = await ask(connection)
            assert said(first) == ["Let me see.", ("get_weather", '{"city":"Oslo"}'), ("get_time", "{}")]
            for item in first.response.output or ():
                if isinstance(item, FunctionCall):
                    await connection.conversation.item.create(
                        {"type": "function_call_output", "call_id": item.call_id or "", "output": '{"sky": "rain"}'}
                    )
            assert said(await answered(connection)) == ["It rains."]
            with pytest.raises(UnexpectedTurn, match="1 of 3 turns of the script have not come"):
                script.assert_done()
            assert said(await ask(connection, "Bye!")) == ["Good bye."]
    script.assert_done()


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: ScriptedResponder().expect("time").say("Noon."), "turn 1: expected 'time' in what the user says"),
        (lambda: ScriptedResponder().expect(speech=True).say("Hm."), "turn 1: expected speech, and there was 0.0 s"),
        (
            lambda: ScriptedResponder().expect_result("rain").say("Hm."),
            "turn 1: expected the result 'rain' of a function",
        ),
        (lambda: ScriptedResponder().expect_result(None).say("Hm."), "turn 1: expected the result None of a function"),
        (ScriptedResponder, "turn 1: the script has no more, and the user says 'How is the weather?'"),
    ],
    ids=["words", "speech", "a result", "null", "one too many"],
)
async def test_a_turn_that_was_not_expected_fails_loudly(write: Callable[[], ScriptedResponder], says: str) -> None:
    script = write()
    with fail_after(10):
        async with connected(script) as connection:
            done = await ask(connection)
    assert done.response.status == "failed"
    assert done.response.status_details is not None
    assert done.response.status_details.error is not None
    assert says in (done.response.status_details.error.message or "")
    with pytest.raises(UnexpectedTurn, match=re.escape(says)):
        script.assert_done()


async def test_speech_is_expected_as_such() -> None:
    script = ScriptedResponder().expect(speech=True).say("I hear you.")
    question = wav.read(SAMPLES / "question_capital.wav").pcm
    with fail_after(10):
        async with connected(script) as connection:
            await connection.input_audio_buffer.append(question + bytes(48000))
            done = await connection.wait_for(ResponseDone)
    assert done.response.status == "completed"
    script.assert_done()


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("max_output_tokens", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("inference_rate_limit_exceeded", "failed", None),
    ],
)
async def test_an_answer_may_end_before_its_time(reason: str, status: str, why: str | None) -> None:
    script = ScriptedResponder().say("Once upon").end(reason)
    with fail_after(10):
        async with connected(script) as connection:
            done = await ask(connection)
    assert (done.response.status, said(done)) == (status, ["Once upon"])
    details = done.response.status_details
    assert details is not None
    assert details.reason == why
    assert (details.error and details.error.code) == (None if why else reason)


async def test_pieces_of_one_answer_are_one_message() -> None:
    with fail_after(10):
        async with connected(ScriptedResponder().say("It ").say("rains.")) as connection:
            await connection.session.update({"type": "realtime", "output_modalities": ["text"]})
            await connection.response.create()
            events = []
            async for event in connection:
                events.append(event)
                if isinstance(event, ResponseDone):
                    break
    assert_events(
        events,
        [
            "session.created",
            SessionUpdated,
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            {"type": "response.output_text.done", "text": "It rains."},
            ...,
            {"type": "response.done", "response": {"status": "completed"}},
        ],
    )
