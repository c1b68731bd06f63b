"""One conversation, said in each of the three dialects: who uses this package sees no difference.

And what only Azure Voice Live has, over a connection.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from realtime_azure import Connection, EventRejected, InvalidEvent, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import Emulator, Reply, Turn, serve
from realtime_azure.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ConversationItemAdded,
    ConversationItemDone,
    ErrorEvent,
    Event,
    FunctionTool,
    InputAudioBufferCommitted,
    Message,
    PreviewSession,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ServerEvent,
    Session,
    SessionCreated,
    UnknownEvent,
)
from realtime_azure.events.dicts import FunctionToolDict, MessageDict, SessionConfigDict, TurnDetectionDict
from realtime_azure.events.voice_live import (
    InputAudioTurnAppend,
    ResponseAnimationVisemeDelta,
    Voice,
    VoiceLiveConfig,
    VoiceLiveResponseConfig,
    VoiceLiveSession,
    WarningEvent,
)

from . import serving
from .serving import Peer

pytestmark = pytest.mark.anyio

VERSIONS = {"ga": "v1", "preview": "2025-04-01-preview", "voice-live": "2026-07-15"}
PATHS = {"ga": "", "preview": "", "voice-live": "/voice-live"}
DIALECTS = list(VERSIONS)
SPEECH = wav.read(Path(__file__).parents[1] / "audio_samples" / "question_capital.wav").pcm
ANSWER = "The capital of France is Paris."
SOUND = bytes(range(256)) * 75  # 400 ms
WEATHER: FunctionToolDict = {
    "type": "function",
    "name": "get_weather",
    "description": "Look up the weather for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
LISTENING: TurnDetectionDict = {
    "type": "server_vad",
    "threshold": 0.75,
    "prefix_padding_ms": 200,
    "silence_duration_ms": 400,
    "create_response": False,
    "interrupt_response": False,
}
INTRODUCED: SessionConfigDict = {
    "type": "realtime",
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "audio": {"input": {"turn_detection": LISTENING}, "output": {"voice": "marin"}},
}
QUESTION: MessageDict = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "What is the capital of France?"}],
}


class Answers:
    """A responder that says one thing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    async def __call__(self, turn: Turn) -> Reply:
        self.turns.append(turn)
        return Reply(ANSWER, SOUND)


@asynccontextmanager
async def open_in(dialect: str, emulator: Emulator) -> AsyncGenerator[Connection]:
    """A connection that speaks *dialect*."""
    with fail_after(10):
        async with connect(
            f"{emulator.url}{PATHS[dialect]}",
            deployment="gpt-realtime",
            api_version=VERSIONS[dialect],
            api_key=emulator.api_key,
        ) as connection:
            assert connection.endpoint.dialect == dialect
            yield connection


async def answer_on(connection: Connection) -> list[ServerEvent]:
    """The events of the main stream up to the end of a response; GA alone also says that an item is done."""
    events: list[ServerEvent] = []
    async for event in connection:
        if not isinstance(event, ConversationItemDone):
            events.append(event)
        if isinstance(event, ResponseDone):
            break
    return events


def of(kind: type[Any], events: list[ServerEvent]) -> list[Any]:
    return [event for event in events if type(event) is kind]


def in_short(events: list[ServerEvent]) -> list[type[Event]]:
    """The classes of *events*, with those that come often only where the first is."""
    kinds = [type(event) for event in events]
    return list(dict.fromkeys(kinds))


def both_ways(session: Session) -> tuple[AudioInput, AudioOutput]:
    """What *session* says of the sound that comes in and goes out."""
    assert session.audio is not None
    assert session.audio.input is not None
    assert session.audio.output is not None
    return session.audio.input, session.audio.output


async def check_opening(connection: Connection) -> None:
    """The session as it is."""
    created = await connection.receive()
    assert isinstance(created, SessionCreated)
    assert connection.session_id == created.session.id
    session = created.session.ga
    assert type(session) is Session
    assert (session.model, session.tools, session.max_output_tokens) == ("gpt-realtime", [], "inf")
    for direction in both_ways(session):
        assert direction.format == AudioFormat(type="audio/pcm", rate=24000)


async def check_settings(connection: Connection) -> None:
    """The session as it should be."""
    updated = await connection.session.update(INTRODUCED, wait=True)
    assert await connection.receive() is updated
    session = updated.session.ga
    assert (session.instructions, session.output_modalities) == ("Be brief.", ["audio"])
    hearing, speaking = both_ways(session)
    assert hearing.turn_detection is not None
    detection = hearing.turn_detection.model_dump(exclude_none=True)
    assert {name: detection[name] for name in LISTENING} == LISTENING  # Voice Live has some of its own beside them
    assert speaking.voice == "marin"


async def check_spoken_answer(connection: Connection, answers: Answers) -> list[ServerEvent]:
    """A question in writing, an answer in sound; the events of it."""
    added = await connection.conversation.item.create(QUESTION, wait=True)
    assert isinstance(added.item, Message)
    assert [part.text for part in added.item.content or ()] == ["What is the capital of France?"]
    asked = await connection.response.create(wait=True)
    assert (asked.response.status, asked.response.output) == ("in_progress", [])
    events = await answer_on(connection)
    assert in_short(events) == [
        ConversationItemAdded,
        ResponseCreated,
        ResponseOutputItemAdded,
        ResponseContentPartAdded,
        ResponseOutputAudioTranscriptDelta,
        ResponseOutputAudioDelta,
        ResponseOutputAudioDone,
        ResponseOutputAudioTranscriptDone,
        ResponseContentPartDone,
        ResponseOutputItemDone,
        ResponseDone,
    ]
    assert b"".join(event.delta for event in of(ResponseOutputAudioDelta, events)) == SOUND
    assert "".join(event.delta for event in of(ResponseOutputAudioTranscriptDelta, events)) == ANSWER
    assert [event.transcript for event in of(ResponseOutputAudioTranscriptDone, events)] == [ANSWER]
    assert [event.part.transcript for event in of(ResponseContentPartDone, events)] == [ANSWER]
    (done,) = of(ResponseDone, events)
    assert (done.response.id, done.response.status) == (asked.response.id, "completed")
    assert done.response.usage.output_token_details.audio_tokens > 0
    (item,) = done.response.output
    assert (type(item), item.role, item.status) == (Message, "assistant", "completed")
    assert [part.transcript for part in item.content] == [ANSWER]
    assert {event.item_id for event in of(ResponseOutputAudioDelta, events)} == {item.id}
    assert [event.item.id for event in of(ConversationItemAdded, events)] == [added.item.id, item.id]
    (turn,) = answers.turns
    assert (turn.text, turn.audio, turn.instructions) == ("What is the capital of France?", b"", "Be brief.")
    return events


async def check_tool(connection: Connection) -> None:
    """A tool, which is taken and told; and nobody listens for the end of a turn any more."""
    by_hand: SessionConfigDict = {
        "type": "realtime",
        "tools": [WEATHER],
        "audio": {"input": {"turn_detection": None}},
    }
    updated = await connection.session.update(by_hand, wait=True)
    assert await connection.receive() is updated
    assert updated.session.ga.tools == [FunctionTool.model_validate(WEATHER)]
    assert both_ways(updated.session.ga)[0].turn_detection is None


async def check_spoken_turn(connection: Connection, answers: Answers) -> list[ServerEvent]:
    """A turn in sound, ended by hand, and an answer in writing; the events of it."""
    for start in range(0, len(SPEECH), 4800):
        await connection.input_audio_buffer.append(SPEECH[start : start + 4800])
    committed = await connection.input_audio_buffer.commit(wait=True)
    await connection.response.create({"output_modalities": ["text"]}, wait=True)
    events = await answer_on(connection)
    assert in_short(events) == [
        InputAudioBufferCommitted,
        ConversationItemAdded,
        ResponseCreated,
        ResponseOutputItemAdded,
        ResponseContentPartAdded,
        ResponseOutputTextDelta,
        ResponseOutputTextDone,
        ResponseContentPartDone,
        ResponseOutputItemDone,
        ResponseDone,
    ]
    assert events[0] is committed
    spoken = of(ConversationItemAdded, events)[0].item
    assert (spoken.id, spoken.role) == (committed.item_id, "user")
    assert [part.type for part in spoken.content] == ["input_audio"]
    assert "".join(event.delta for event in of(ResponseOutputTextDelta, events)) == ANSWER
    assert [event.text for event in of(ResponseOutputTextDone, events)] == [ANSWER]
    (done,) = of(ResponseDone, events)
    assert [[part.text for part in each.content] for each in done.response.output] == [[ANSWER]]
    assert answers.turns[-1].audio == SPEECH
    return events


async def check_error(connection: Connection) -> None:
    """An error, where its cause is; the session goes on."""
    with pytest.raises(EventRejected) as caught:
        await connection.conversation.item.delete("item_of_nobody", event_id="event_of_mine", wait=True)
    refused = caught.value
    assert (refused.code, refused.param, refused.event_id) == ("invalid_value", "item_id", "event_of_mine")
    error = await connection.receive()
    assert isinstance(error, ErrorEvent)
    assert (error.error.code, error.error.event_id) == ("invalid_value", "event_of_mine")
    cleared = await connection.input_audio_buffer.clear(wait=True)
    assert await connection.receive() is cleared


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_conversation_is_the_same_in_every_dialect(dialect: str) -> None:
    answers = Answers()
    async with serve(responder=answers, pace=math.inf) as emulator, open_in(dialect, emulator) as connection:
        await check_opening(connection)
        await check_settings(connection)
        events = await check_spoken_answer(connection, answers)
        await check_tool(connection)
        events += await check_spoken_turn(connection, answers)
        await check_error(connection)
        await connection.aclose()
        assert [event async for event in connection] == []
    for event in events:
        assert not isinstance(event, UnknownEvent)
        assert event.problems == ()
        assert event.raw


@pytest.mark.parametrize(
    ("dialect", "told", "sound"),
    [
        ("ga", Session, "response.output_audio.delta"),
        ("preview", PreviewSession, "response.audio.delta"),
        ("voice-live", VoiceLiveSession, "response.audio.delta"),
    ],
)
async def test_the_words_on_the_wire_are_those_of_the_dialect(dialect: str, told: type[Any], sound: str) -> None:
    """Else the tests above would compare one dialect with itself."""
    async with serve(responder=Answers(), pace=math.inf) as emulator, open_in(dialect, emulator) as connection:
        created = await connection.receive()
        assert isinstance(created, SessionCreated)
        assert type(created.session) is told
        await connection.conversation.item.create(QUESTION)
        await connection.response.create()
        assert {event.type for event in of(ResponseOutputAudioDelta, await answer_on(connection))} == {sound}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_turn_ends_by_itself_in_every_dialect(dialect: str) -> None:
    answers = Answers()
    async with serve(responder=answers, pace=math.inf) as emulator, open_in(dialect, emulator) as connection:
        await connection.input_audio_buffer.append(SPEECH + pcm.silence(0.5))
        events = await answer_on(connection)
        assert b"".join(event.delta for event in of(ResponseOutputAudioDelta, events)) == SOUND
    assert answers.turns[0].speech_seconds > 1


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_sound_of_telephones_is_the_same_in_every_dialect(dialect: str, kind: Any) -> None:
    async with serve(responder=Answers(), pace=math.inf) as emulator, open_in(dialect, emulator) as connection:
        telephone: SessionConfigDict = {
            "type": "realtime",
            "audio": {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}},
        }
        updated = await connection.session.update(telephone, wait=True)
        for direction in both_ways(updated.session.ga):
            assert direction.format == AudioFormat(type=kind)
        await connection.conversation.item.create(QUESTION)
        await connection.response.create()
        events = await answer_on(connection)
    sound = b"".join(event.delta for event in of(ResponseOutputAudioDelta, events))
    assert len(sound) == len(SOUND) // 6  # 8000 bytes a second, not 48000


@pytest.mark.parametrize("dialect", ["ga", "preview", "voice-live"])
async def test_the_rate_of_sound_may_be_said_in_every_dialect(dialect: str) -> None:
    async with serve() as emulator, open_in(dialect, emulator) as connection:
        said: SessionConfigDict = {
            "type": "realtime",
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}},
        }
        updated = await connection.session.update(said, wait=True)
        assert both_ways(updated.session.ga)[0].format == AudioFormat(type="audio/pcm", rate=24000)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_answer_is_cancelled_in_every_dialect(dialect: str) -> None:
    async def go_on(turn: Turn) -> Reply:
        return Reply(ANSWER, SOUND * 100)  # 40 s

    async with serve(responder=go_on, pace=1.0) as emulator, open_in(dialect, emulator) as connection:
        await connection.conversation.item.create(QUESTION)
        await connection.response.create()
        await connection.wait_for(ResponseOutputAudioDelta)
        done = await connection.response.cancel(wait=True)
    assert (done.response.status, done.response.status_details and done.response.status_details.reason) == (
        "cancelled",
        "client_cancelled",
    )


# What only Voice Live has.

QUIET = {"id": "sess_1", "voice": {"type": "openai", "name": "alloy"}, "input_audio_sampling_rate": 24000}


async def test_voice_lives_own_words_go_and_come_as_they_are() -> None:
    """The client's events as a peer hears them that knows nothing of this package."""
    heard: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await peer.accept({"type": "session.created", "session": QUIET})
        heard.extend([await peer.hear() for _ in range(4)])
        await peer.say(
            {"type": "warning", "warning": {"message": "Slow."}},
            {"type": "response.animation_viseme.delta", "audio_offset_ms": 5, "viseme_id": 20},
        )
        await peer.farewell()

    with fail_after(10):
        async with serving.serve(script) as server:
            url = f"{server.url}/voice-live/realtime?api-version=2026-07-15&model=gpt-realtime"
            async with connect(url, api_key="a-key-of-a-test") as connection:
                created = await connection.receive()
                assert isinstance(created, SessionCreated)
                assert isinstance(created.session, VoiceLiveSession)
                await connection.session.update(VoiceLiveConfig(voice=Voice(type="azure-standard", name="Ava")))
                await connection.session.update({"turn_detection": {"type": "azure_semantic_vad"}, "temperature": 0.5})
                await connection.response.create(VoiceLiveResponseConfig(commit=False))
                await connection.send(InputAudioTurnAppend(turn_id="t", audio=b"\xff\xfe"))
                warning = await connection.wait_for(WarningEvent)
                assert warning.warning is not None
                assert warning.warning.message == "Slow."
                viseme = await connection.wait_for(ResponseAnimationVisemeDelta)
                assert viseme.viseme_id == 20
    said = [{name: value for name, value in event.items() if name != "event_id"} for event in heard]
    assert said == [
        {"type": "session.update", "session": {"voice": {"type": "azure-standard", "name": "Ava"}}},
        {
            "type": "session.update",
            "session": {"turn_detection": {"type": "azure_semantic_vad"}, "temperature": 0.5},
        },
        {"type": "response.create", "response": {"commit": False}},
        {"type": "input_audio.turn.append", "turn_id": "t", "audio": "//4="},
    ]
    assert all(event["event_id"] for event in heard)


async def test_a_session_in_voice_lives_own_words_is_a_session() -> None:
    async with serve() as emulator, open_in("voice-live", emulator) as connection:
        updated = await connection.session.update(
            {
                "voice": {"type": "openai", "name": "ash"},
                "modalities": ["text"],
                "input_audio_format": "g711_ulaw",
                "output_audio_format": "g711_alaw",
                "turn_detection": None,
                "max_response_output_tokens": 50,
            },
            wait=True,
        )
        assert isinstance(updated.session, VoiceLiveSession)
        assert updated.session.voice == Voice(type="openai", name="ash")
        assert (updated.session.input_audio_format, updated.session.output_audio_format) == ("g711_ulaw", "g711_alaw")
        assert (updated.session.modalities, updated.session.max_response_output_tokens) == (["text"], 50)
        assert both_ways(updated.session.ga)[1].voice == "ash"


@pytest.mark.parametrize("dialect", ["ga", "preview"])
async def test_what_only_voice_live_takes_is_refused_before_it_is_sent(dialect: str) -> None:
    async with serve() as emulator, open_in(dialect, emulator) as connection:
        for event in ({"type": "input_audio.clear"}, InputAudioTurnAppend(turn_id="t", audio=b"")):
            with pytest.raises(InvalidEvent, match="only Voice Live has it"):
                await connection.send(event)
        with pytest.raises(InvalidEvent, match=r"session\.voice: there is no such field"):
            await connection.session.update(VoiceLiveConfig(voice="ash"))
        assert connection.statistics().events_sent == 0


async def test_what_voice_live_cannot_say_is_refused_before_it_is_sent() -> None:
    async with serve() as emulator, open_in("voice-live", emulator) as connection:
        with pytest.raises(
            InvalidEvent, match=r"^session\.audio\.output\.speed: a Voice Live connection cannot say this"
        ):
            await connection.session.update({"type": "realtime", "audio": {"output": {"speed": 1.5}}})
        with pytest.raises(InvalidEvent, match=r"^session\.close: a Voice Live connection has no such event"):
            await connection.session.close()
        assert connection.statistics().events_sent == 0
