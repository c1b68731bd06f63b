"""openai-python, unmodified, through whole conversations with the emulator: async and sync, GA and Azure's classes.

It knows the service's protocol and nothing of this package. Types are compared as the strings they are: what its GA
connection has no class for (the dated names) becomes an instance of the first class of its union, of the right `type`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from anyio import fail_after, to_thread
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from websockets.exceptions import InvalidStatus

from realtime_azure.audio import pcm
from realtime_azure.emulator import Emulator, serve
from realtime_azure.emulator.handshake import BAD_KEY, BAD_TOKEN

from .sdk_scenarios import ARGUMENTS, SPEECH, SPOKEN, STORY, STORY_SECONDS, WEATHER, answer, pieces

pytestmark = [
    pytest.mark.anyio,
    # openai-python 3.54 asks websockets for a connection in a way that websockets 17.1 deprecates.
    pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"),
]

DATED = "2025-04-01-preview"


@pytest.fixture
async def emulator() -> AsyncGenerator[Emulator]:
    """At the pace of the service, so that an answer can be interrupted."""
    async with serve(responder=answer) as running:
        yield running


# The SDK's connections, and the two dialects that they speak


class InThread:
    """An object of the sync SDK, whose methods are awaited: each runs in a thread."""

    def __init__(self, sync: Any) -> None:
        self._sync = sync

    def __getattr__(self, name: str) -> InThread:
        return InThread(getattr(self._sync, name))

    async def __call__(self, **arguments: Any) -> Any:
        return await to_thread.run_sync(partial(self._sync, **arguments), abandon_on_cancel=True)


@asynccontextmanager
async def in_thread(manager: Any) -> AsyncGenerator[InThread]:
    connection = await to_thread.run_sync(manager.__enter__)
    try:
        yield InThread(connection)
    finally:
        await to_thread.run_sync(manager.__exit__, None, None, None)


@dataclass(frozen=True)
class Client:
    """A client class of the SDK's, and which of its connections is meant."""

    connect: Callable[[str, str], AbstractAsyncContextManager[Any]]
    ga: bool = False

    def session(self, *, aloud: bool = True, tools: bool = False) -> dict[str, Any]:
        """The settings of a session, in the words of the dialect."""
        settings: dict[str, Any] = {"tools": [WEATHER]} if tools else {}
        if self.ga:
            return {**settings, "type": "realtime", "output_modalities": ["audio"] if aloud else ["text"]}
        return {**settings, "modalities": ["text", "audio"] if aloud else ["text"]}

    def kind(self, ga: str) -> str:
        """The type of an event that is called *ga* in GA."""
        if self.ga:
            return ga
        return ga.replace("output_text", "text").replace("output_audio", "audio").replace("item.added", "item.created")


def of_azure(url: str, key: str) -> dict[str, Any]:
    base = f"{url.replace('http:', 'ws:')}/openai"
    return {"azure_endpoint": url, "websocket_base_url": base, "api_key": key, "api_version": DATED}


def with_ga(url: str, key: str) -> AbstractAsyncContextManager[Any]:
    """As Azure's documents say since 2025: the general client, which sends the key as a bearer token."""
    return AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=key).realtime.connect(model="any")


def with_azure(url: str, key: str) -> AbstractAsyncContextManager[Any]:
    return AsyncAzureOpenAI(**of_azure(url, key)).realtime.connect(model="any")


def with_azure_beta(url: str, key: str) -> AbstractAsyncContextManager[Any]:
    return AsyncAzureOpenAI(**of_azure(url, key)).beta.realtime.connect(model="any")


def with_sync_ga(url: str, key: str) -> AbstractAsyncContextManager[Any]:
    return in_thread(OpenAI(base_url=f"{url}/openai/v1", api_key=key).realtime.connect(model="any"))


def with_sync_azure(url: str, key: str) -> AbstractAsyncContextManager[Any]:
    return in_thread(AzureOpenAI(**of_azure(url, key)).realtime.connect(model="any"))


CLIENTS = {
    "AsyncOpenAI": Client(with_ga, ga=True),
    "AsyncAzureOpenAI": Client(with_azure),
    "AsyncAzureOpenAI-beta": Client(with_azure_beta),
    "OpenAI": Client(with_sync_ga, ga=True),
    "AzureOpenAI": Client(with_sync_azure),
}


@pytest.fixture(params=[f"{name}-asyncio" for name in CLIENTS] + ["OpenAI-trio", "AzureOpenAI-trio"])
def where(request: pytest.FixtureRequest) -> str:
    """The client, and the loop that the emulator is on: the async SDK is on asyncio only."""
    return str(request.param)


@pytest.fixture
def anyio_backend(where: str) -> str:
    return where.rpartition("-")[2]


@pytest.fixture
def client(where: str) -> Client:
    return CLIENTS[where.rpartition("-")[0]]


# What they do


async def until(connection: Any, *kinds: str) -> list[Any]:
    """What comes, up to an event of one of *kinds*."""
    events: list[Any] = []
    with fail_after(5):
        while not events or events[-1].type not in (*kinds, "error"):
            events.append(await connection.recv())
    assert "error" in kinds or events[-1].type != "error", events[-1]
    return events


async def write(connection: Any, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()


async def speak(connection: Any, sound: bytes) -> None:
    for piece in pieces(sound):
        await connection.input_audio_buffer.append(audio=piece)


def joined(events: list[Any], kind: str) -> str:
    return "".join(event.delta for event in events if event.type == kind)


def seconds_of(events: list[Any], kind: str) -> float:
    return pcm.duration(b"".join(base64.b64decode(event.delta) for event in events if event.type == kind))


def of(events: list[Any], kind: str) -> Any:
    (found,) = [event for event in events if event.type == kind]
    return found


async def test_a_question_in_writing_is_answered_in_writing(emulator: Emulator, client: Client) -> None:
    async with client.connect(emulator.url, emulator.api_key) as connection:
        await connection.session.update(session=client.session(aloud=False))
        await write(connection, "Where is Paris?")
        events = await until(connection, "response.done")
    text = joined(events, client.kind("response.output_text.delta"))
    assert text == of(events, client.kind("response.output_text.done")).text == "You wrote: Where is Paris?"
    assert events[-1].response.output[0].content[0].text == text
    assert not [event for event in events if "audio" in event.type]


async def test_a_spoken_question_is_heard_and_answered_aloud(emulator: Emulator, client: Client) -> None:
    async with client.connect(emulator.url, emulator.api_key) as connection:
        await connection.session.update(session=client.session())
        await until(connection, "session.updated")
        await speak(connection, SPOKEN)
        events = await until(connection, "response.done")
    heard = [event.type for event in events if event.type.startswith("input_audio_buffer")]
    assert heard == [f"input_audio_buffer.{what}" for what in ("speech_started", "speech_stopped", "committed")]
    said = joined(events, client.kind("response.output_audio_transcript.delta"))
    assert said == of(events, client.kind("response.output_audio_transcript.done")).transcript
    assert said == events[-1].response.output[0].content[0].transcript == "You spoke for 2 seconds."
    assert seconds_of(events, client.kind("response.output_audio.delta")) == 0.5
    assert events[-1].response.status == "completed"


async def test_a_function_is_called_and_its_result_answered(emulator: Emulator, client: Client) -> None:
    async with client.connect(emulator.url, emulator.api_key) as connection:
        await connection.session.update(session=client.session(aloud=False, tools=True))
        await write(connection, "How is the weather?")
        events = await until(connection, "response.done")
        (call,) = events[-1].response.output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        await connection.conversation.item.create(item=result)
        await connection.response.create()
        answered = await until(connection, "response.done")
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == call.arguments == ARGUMENTS
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert {event.call_id for event in deltas} == {call.call_id}
    assert joined(answered, client.kind("response.output_text.delta")) == "It is sunny in Paris."


async def test_speech_interrupts_an_answer_which_is_then_cut(emulator: Emulator, client: Client) -> None:
    async with client.connect(emulator.url, emulator.api_key) as connection:
        await connection.session.update(session=client.session())
        await write(connection, "Tell me a story.")
        (*_, sound) = await until(connection, client.kind("response.output_audio.delta"))
        await speak(connection, SPEECH)
        events = await until(connection, "response.done")
        await connection.conversation.item.truncate(item_id=sound.item_id, content_index=0, audio_end_ms=50)
        (*_, cut) = await until(connection, "conversation.item.truncated")
        await connection.conversation.item.retrieve(item_id=sound.item_id)
        (*_, kept) = await until(connection, "conversation.item.retrieved")
    done = events[-1].response
    assert [event.type for event in events].index("input_audio_buffer.speech_started") < len(events) - 1
    assert (done.status, done.status_details.reason) == ("cancelled", "turn_detected")
    assert done.output[0].status == "incomplete"
    assert seconds_of(events, client.kind("response.output_audio.delta")) < STORY_SECONDS / 2
    assert STORY.text.startswith(done.output[0].content[0].transcript)
    assert (cut.item_id, cut.audio_end_ms) == (sound.item_id, 50)
    assert kept.item.content[0].transcript is None


async def test_a_field_that_there_is_not_is_an_error_and_the_session_goes_on(
    emulator: Emulator, client: Client
) -> None:
    async with client.connect(emulator.url, emulator.api_key) as connection:
        await connection.session.update(session={**client.session(), "voyce": "alloy"}, event_id="mine")
        (*_, refused) = await until(connection, "error")
        await connection.session.update(session=client.session(aloud=False))
        await until(connection, "session.updated")
    assert (refused.error.code, refused.error.param) == ("unknown_parameter", "session.voyce")
    assert refused.error.event_id == "mine"


async def test_a_wrong_key_is_refused_with_a_status(emulator: Emulator, client: Client) -> None:
    """openai-python has no error of its own for this: it lets that of websockets through."""
    with pytest.raises(InvalidStatus) as caught:
        async with client.connect(emulator.url, "wrong"):
            pass
    assert caught.value.response.status_code == 401
    said = json.loads(caught.value.response.body)
    assert said["error"]["message"] == (BAD_TOKEN if client.ga else BAD_KEY).message
