"""The independent check: openai-python's own client against the emulator, over a real socket.

It knows the service's protocol and nothing of this package. It runs on asyncio only. Types are compared as the
strings they are: what openai-python has no class for (in its GA client, the dated names) becomes an instance of the
first class of its union, with the right `type`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from anyio import fail_after
from openai import AsyncAzureOpenAI, AsyncOpenAI

from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import Emulator, ScriptedResponder, serve, voice

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).resolve().parents[2] / "audio_samples"
QUESTION = wav.read(SAMPLES / "question_capital.wav").pcm + pcm.silence(0.5)
DATED = "2025-04-01-preview"

GA_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
GA_WRITTEN_TURN = [
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.done",
    *GA_ANSWER,
]
GA_SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    *GA_ANSWER,
]
DATED_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.audio.done",
    "response.audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
DATED_WRITTEN_TURN = ["session.created", "session.updated", "conversation.item.created", *DATED_ANSWER]
DATED_SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.created",
    *DATED_ANSWER,
]
HEARD = "This is the emulator. I heard you speak for about two seconds."
READ = "This is the emulator. I read your message of six words."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def without_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers here as where the extra `emulator-voice` is installed."""
    monkeypatch.setattr(voice, "available", lambda: False)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve(pace=math.inf) as running:
        yield running


class Realtime(Protocol):
    """What is used of openai-python's two connections, which have different classes."""

    session: Any
    conversation: Any
    input_audio_buffer: Any
    response: Any

    async def recv(self) -> Any: ...


@asynccontextmanager
async def ga(emulator: Emulator) -> AsyncGenerator[Realtime]:
    """As Azure's documents say since 2025: the general client, which sends the key as a bearer token."""
    client = AsyncOpenAI(base_url=f"{emulator.url}/openai/v1", api_key=emulator.api_key)
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        yield connection


def azure(emulator: Emulator) -> AsyncAzureOpenAI:
    return AsyncAzureOpenAI(
        azure_endpoint=emulator.url,
        websocket_base_url=f"{emulator.url.replace('http:', 'ws:')}/openai",
        api_key=emulator.api_key,
        api_version=DATED,
    )


@asynccontextmanager
async def dated(emulator: Emulator) -> AsyncGenerator[Realtime]:
    """The Azure client, which sends the key as `api-key`."""
    async with azure(emulator) as client, client.realtime.connect(model="gpt-realtime") as connection:
        yield connection


@asynccontextmanager
async def beta(emulator: Emulator) -> AsyncGenerator[Realtime]:
    """The same with the classes of the preview, and its header."""
    async with azure(emulator) as client, client.beta.realtime.connect(model="gpt-realtime") as connection:
        yield connection


async def until_done(connection: Realtime) -> list[Any]:
    events: list[Any] = []
    with fail_after(5):
        while not events or events[-1].type not in ("response.done", "error"):
            events.append(await connection.recv())
    return events


async def write(connection: Realtime) -> list[Any]:
    content = [{"type": "input_text", "text": "What is the capital of France?"}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()
    return await until_done(connection)


async def speak(connection: Realtime) -> list[Any]:
    """As a microphone does, base64 and all; the end is found by the other side."""
    for piece in pcm.chunks(QUESTION, 50):
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
    return await until_done(connection)


def shape(events: list[Any]) -> list[str]:
    """The types; the deltas, which come in turns, once each."""
    types = [str(event.type) for event in events]
    return [name for at, name in enumerate(types) if not name.endswith(".delta") or name not in types[:at]]


def check_answer(events: list[Any], text: str) -> None:
    """The transcript says *text* wherever it stands, and there is sound."""
    said = "".join(event.delta for event in events if event.type.endswith("audio_transcript.delta"))
    (done,) = [event.transcript for event in events if event.type.endswith("audio_transcript.done")]
    response = events[-1].response
    assert said == done == response.output[0].content[0].transcript == text
    sound = b"".join(base64.b64decode(event.delta) for event in events if event.type.endswith("audio.delta"))
    assert pcm.duration(sound) > 0.5
    assert pcm.level(sound) > 0.01
    assert response.status == "completed"
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.output_tokens == usage.output_token_details.text_tokens + usage.output_token_details.audio_tokens


async def test_the_general_client_has_a_written_and_a_spoken_turn(emulator: Emulator) -> None:
    async with ga(emulator) as connection:
        await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        written = await write(connection)
        spoken = await speak(connection)
    assert shape(written) == GA_WRITTEN_TURN
    assert shape(spoken) == GA_SPOKEN_TURN
    check_answer(written, READ)
    check_answer(spoken, HEARD)
    assert written[1].session.instructions == "Be brief."


async def test_the_general_client_finds_its_own_classes(emulator: Emulator) -> None:
    """Each event is what openai-python calls an event of that type, and has what it asks of it."""
    async with ga(emulator) as connection:
        await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        events = [*await write(connection), *await speak(connection)]
    for event in events:
        type(event).model_validate(event.model_dump(), strict=False)
        assert type(event).model_fields["type"].annotation.__args__ == (event.type,)


async def test_the_azure_client_has_a_written_and_a_spoken_turn(emulator: Emulator) -> None:
    """On the dated URL, whose names its classes do not know."""
    async with dated(emulator) as connection:
        await connection.session.update(session={"instructions": "Be brief."})
        written = await write(connection)
        spoken = await speak(connection)
    assert shape(written) == DATED_WRITTEN_TURN
    assert shape(spoken) == DATED_SPOKEN_TURN
    check_answer(written, READ)
    check_answer(spoken, HEARD)


async def test_the_beta_client_has_a_written_and_a_spoken_turn(emulator: Emulator) -> None:
    async with beta(emulator) as connection:
        await connection.session.update(
            session={
                "instructions": "Be brief.",
                "modalities": ["text", "audio"],
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                "temperature": 0.8,
                "max_response_output_tokens": "inf",
            }
        )
        written = await write(connection)
        spoken = await speak(connection)
    assert shape(written) == DATED_WRITTEN_TURN
    assert shape(spoken) == DATED_SPOKEN_TURN
    check_answer(written, READ)
    check_answer(spoken, HEARD)
    session = written[1].session
    assert (session.instructions, session.modalities, session.input_audio_format) == (
        "Be brief.",
        ["text", "audio"],
        "pcm16",
    )
    assert session.turn_detection.silence_duration_ms == 300


async def test_the_beta_client_finds_its_own_classes(emulator: Emulator) -> None:
    async with beta(emulator) as connection:
        await connection.session.update(session={"instructions": "Be brief."})
        events = [*await write(connection), *await speak(connection)]
    for event in events:
        type(event).model_validate(event.model_dump(), strict=False)
        assert type(event).model_fields["type"].annotation.__args__ == (event.type,)


@pytest.mark.parametrize("client", [ga, dated, beta])
async def test_a_function_is_called_and_answered(
    client: Callable[[Emulator], AbstractAsyncContextManager[Any]],
) -> None:
    """Words and two calls in one response; each event of it is what openai-python calls one of that type."""
    script = ScriptedResponder()
    script.expect("weather").say("Let me look.").call("get_weather", {"city": "Oslo"}).call("get_time", {})
    script.expect_result("rain").say("It rains at noon.")
    async with serve(pace=math.inf, responder=script) as emulator, client(emulator) as connection:
        content = [{"type": "input_text", "text": "How is the weather?"}]
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await connection.response.create()
        events = await until_done(connection)
        calls = [event for event in events if event.type == "response.function_call_arguments.done"]
        for call, output in zip(calls, ("rain", "noon"), strict=True):
            item = {"type": "function_call_output", "call_id": call.call_id, "output": output}
            await connection.conversation.item.create(item=item)
        await connection.response.create()
        check_answer(await until_done(connection), "It rains at noon.")
    script.assert_done()
    assert [call.arguments for call in calls] == ['{"city":"Oslo"}', "{}"]
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(event.delta for event in deltas if event.call_id == calls[0].call_id) == '{"city":"Oslo"}'
    output = events[-1].response.output
    assert [item.type for item in output] == ["message", "function_call", "function_call"]
    assert [item.call_id for item in output[1:]] == [call.call_id for call in calls]
    for event in events if client is not dated else ():  # whose classes are the GA client's
        type(event).model_validate(event.model_dump(), strict=False)
        assert type(event).model_fields["type"].annotation.__args__ == (event.type,)


async def test_an_answer_that_is_not_completed_is_read() -> None:
    script = ScriptedResponder().say("How to").end("content_filter").expect().end("inference_rate_limit_exceeded")
    async with serve(pace=math.inf, responder=script) as emulator, ga(emulator) as connection:
        filtered = (await write(connection))[-1].response
        limited = (await write(connection))[-1].response
    assert (filtered.status, filtered.status_details.reason) == ("incomplete", "content_filter")
    assert (limited.status, limited.status_details.error.code) == ("failed", "inference_rate_limit_exceeded")


async def test_text_alone(emulator: Emulator) -> None:
    async with ga(emulator) as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        events = await write(connection)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == READ
    assert not [event for event in events if "audio" in event.type]


async def test_an_error_of_the_service_is_read(emulator: Emulator) -> None:
    async with ga(emulator) as connection:
        await connection.input_audio_buffer.commit(event_id="mine")
        events = await until_done(connection)
    assert events[-1].type == "error"
    assert events[-1].error.code == "input_audio_buffer_commit_empty"
    assert events[-1].error.event_id == "mine"
