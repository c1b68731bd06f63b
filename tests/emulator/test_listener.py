"""The emulator over a real socket, with this package's own client."""

from __future__ import annotations

import json
import logging
import math
import socket
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    connect_tcp,
    create_task_group,
    fail_after,
    get_cancelled_exc_class,
    sleep_forever,
)
from anyio.abc import SocketAttribute, SocketStream

from realtime_azure import Connection, ConnectionLost, StatusError, connect
from realtime_azure.audio import g711, pcm, wav
from realtime_azure.emulator import Emulator, Reply, Turn, serve, voice
from realtime_azure.errors import ConfigurationError
from realtime_azure.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionFailed,
    ErrorEvent,
    InputAudioBufferSpeechStarted,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    UnknownEvent,
)
from realtime_azure.events.dicts import ContentPartDict, SessionAudioDict, SessionConfigDict, TurnDetectionDict

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).resolve().parents[2] / "audio_samples"
QUESTION = wav.read(SAMPLES / "question_capital.wav").pcm + pcm.silence(0.4)
DATED = "2025-04-01-preview"
LONG = 30_000  # words: more than any buffer on the way holds

V1_SPOKEN_TURN = [
    "session.created",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
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
DATED_SPOKEN_TURN = [
    "session.created",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.created",
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
V1_WRITTEN_TURN = [
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
DATED_WRITTEN_TURN = [
    "session.created",
    "session.updated",
    "conversation.item.created",
    "response.created",
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
    "response.text.delta",
    "response.text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]


@pytest.fixture(autouse=True)
def without_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers here as where the extra `emulator-voice` is installed."""
    monkeypatch.setattr(voice, "available", lambda: False)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve(pace=math.inf) as running:
        yield running


@asynccontextmanager
async def connected(emulator: Emulator, api_version: str = "v1") -> AsyncGenerator[Connection]:
    async with connect(emulator.url, deployment="any", api_version=api_version, api_key=emulator.api_key) as connection:
        yield connection


async def until_done(connection: Connection) -> list[ServerEvent]:
    """Everything up to the end of the response."""
    events: list[ServerEvent] = []
    with fail_after(5):
        async for event in connection:
            events.append(event)
            if isinstance(event, ResponseDone):
                break
    return events


async def speak(connection: Connection, sound: bytes, ms: int = 100) -> None:
    for piece in pcm.chunks(sound, ms):
        await connection.input_audio_buffer.append(piece)


async def write(connection: Connection, text: str) -> None:
    content: list[ContentPartDict] = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create({"type": "message", "role": "user", "content": content})
    await connection.response.create()


async def asked(connection: Connection, text: str = "Hello.") -> list[ServerEvent]:
    await write(connection, text)
    return await until_done(connection)


def on_the_wire(events: list[ServerEvent]) -> list[dict[str, Any]]:
    return [json.loads(event.raw) for event in events]


def shape(events: list[ServerEvent]) -> list[str]:
    """The types as they were on the wire; the deltas, which come in turns, once each."""
    types = [message["type"] for message in on_the_wire(events)]
    return [name for at, name in enumerate(types) if not name.endswith(".delta") or name not in types[:at]]


def sound_of(events: list[ServerEvent]) -> bytes:
    return b"".join(event.delta for event in events if isinstance(event, ResponseOutputAudioDelta))


def words_of(events: list[ServerEvent]) -> str:
    kinds = (ResponseOutputAudioTranscriptDelta, ResponseOutputTextDelta)
    return "".join(event.delta for event in events if isinstance(event, kinds))


def written_in_the_end(events: list[ServerEvent]) -> str | None:
    for event in events:
        match event:
            case ResponseOutputAudioTranscriptDone(transcript=text) | ResponseOutputTextDone(text=text):
                return text
            case _:
                pass
    return None


def outcome(events: list[ServerEvent]) -> tuple[str | None, str | None]:
    """The status of the response, and the reason for it."""
    done = events[-1]
    assert isinstance(done, ResponseDone)
    details = done.response.status_details
    return done.response.status, details.reason if details else None


# Turns


@pytest.mark.parametrize(("api_version", "expected"), [("v1", V1_SPOKEN_TURN), (DATED, DATED_SPOKEN_TURN)])
async def test_a_spoken_turn(emulator: Emulator, api_version: str, expected: list[str]) -> None:
    async with connected(emulator, api_version) as connection:
        await speak(connection, QUESTION)
        events = await until_done(connection)
    assert shape(events) == expected
    assert not [event for event in events if isinstance(event, UnknownEvent) or event.problems]
    assert written_in_the_end(events) == words_of(events)
    assert words_of(events).startswith("This is the emulator.")
    assert pcm.duration(sound_of(events)) > 0.5
    assert pcm.level(sound_of(events)) > 0.01
    assert outcome(events) == ("completed", None)


@pytest.mark.parametrize(("api_version", "expected"), [("v1", V1_WRITTEN_TURN), (DATED, DATED_WRITTEN_TURN)])
async def test_a_written_turn(emulator: Emulator, api_version: str, expected: list[str]) -> None:
    async with connected(emulator, api_version) as connection:
        await connection.session.update({"type": "realtime", "output_modalities": ["text"]})
        events = await asked(connection, "One two three.")
    assert shape(events) == expected
    assert not [event for event in events if isinstance(event, UnknownEvent) or event.problems]
    assert written_in_the_end(events) == words_of(events)
    assert sound_of(events) == b""
    assert outcome(events) == ("completed", None)


async def test_a_dated_connection_speaks_flat_sessions_and_its_own_content_types(emulator: Emulator) -> None:
    async with connected(emulator, DATED) as connection:
        settings: SessionConfigDict = {
            "type": "realtime",
            "instructions": "Be brief.",
            "audio": {"input": {"turn_detection": None}},
        }
        await connection.session.update(settings)
        messages = on_the_wire(await asked(connection))
    created, updated = messages[0]["session"], messages[1]["session"]
    assert {"type", "audio", "output_modalities"}.isdisjoint(created)
    assert created["modalities"] == ["text", "audio"]
    assert created["input_audio_format"] == created["output_audio_format"] == "pcm16"
    assert created["turn_detection"]["type"] == "server_vad"
    assert created["max_response_output_tokens"] == "inf"
    assert updated == {**created, "instructions": "Be brief.", "turn_detection": None}
    response = messages[-1]["response"]
    assert response["modalities"] == ["text", "audio"]
    assert response["output"][0]["content"][0]["type"] == "audio"


async def test_a_conversation_of_several_turns(emulator: Emulator) -> None:
    """Each answer is about its own turn."""
    async with connected(emulator) as connection:
        first = await asked(connection, "One two three.")
        await speak(connection, QUESTION)
        second = await until_done(connection)
        third = await asked(connection, "One two.")
    assert [words_of(events).split(". ")[1] for events in (first, second, third)] == [
        "I read your message of three words.",
        "I heard you speak for about two seconds.",
        "I read your message of two words.",
    ]


async def test_a_session_says_that_it_is_the_emulator_s(emulator: Emulator) -> None:
    for api_version in ("v1", DATED):
        async with connected(emulator, api_version) as connection:
            with fail_after(5):
                created = await connection.receive()
        assert isinstance(created, SessionCreated)
        assert "emulator" in created.raw.decode()
        assert "This is the emulator" in (created.session.instructions or "")
        assert created.session.model == "any"


@pytest.mark.parametrize(
    ("audio_format", "decode", "rate"),
    [("audio/pcmu", g711.decode_ulaw, 8000), ("audio/pcma", g711.decode_alaw, 8000)],
)
async def test_an_answer_in_the_format_of_the_telephone(
    emulator: Emulator, audio_format: Literal["audio/pcmu", "audio/pcma"], decode: Any, rate: int
) -> None:
    async with connected(emulator) as connection:
        whole = sound_of(await asked(connection))
        await connection.session.update({"type": "realtime", "audio": {"output": {"format": {"type": audio_format}}}})
        narrow = decode(sound_of(await asked(connection)))
    assert pcm.duration(narrow, rate) == pytest.approx(pcm.duration(whole), abs=0.01)
    assert pcm.level(narrow) == pytest.approx(pcm.level(whole), rel=0.2)


async def test_an_error_lands_on_its_event_and_the_session_goes_on(emulator: Emulator) -> None:
    async with connected(emulator) as connection:
        with fail_after(5):
            await connection.input_audio_buffer.commit(event_id="mine")
            error = await connection.wait_for(ErrorEvent)
        assert error.error.code == "input_audio_buffer_commit_empty"
        assert error.error.event_id == "mine"
        assert outcome(await asked(connection)) == ("completed", None)


async def test_several_connections_at_once_do_not_hear_each_other(emulator: Emulator) -> None:
    texts: dict[int, str] = {}

    async def converse(count: int) -> None:
        async with connected(emulator, "v1" if count % 2 else DATED) as connection:
            texts[count] = words_of(await asked(connection, "word " * count))

    async with create_task_group() as tasks:
        for count in range(1, 7):
            tasks.start_soon(converse, count)
    numbers = ["", "one word", "two words", "three words", "four words", "five words", "six words"]
    assert texts == {n: f"This is the emulator. I read your message of {numbers[n]}." for n in range(1, 7)}


# Responders and transcribers


async def test_a_responder_of_one_s_own_answers_with_text() -> None:
    turns: list[Turn] = []

    async def responder(turn: Turn) -> str:
        turns.append(turn)
        return "Paris, of course."

    async with serve(pace=math.inf, responder=responder) as emulator, connected(emulator) as connection:
        await connection.session.update({"type": "realtime", "instructions": "Be brief."})
        events = await asked(connection, "What is the capital of France?")
    assert words_of(events) == "Paris, of course."
    assert pcm.duration(sound_of(events)) > 0.5  # for lack of a voice, a tone
    assert turns == [Turn("What is the capital of France?", instructions="Be brief.", deployment="any")]


async def test_a_responder_of_one_s_own_answers_with_sound() -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply("You said this.", turn.audio)

    async with serve(pace=math.inf, responder=responder) as emulator, connected(emulator) as connection:
        await connection.session.update({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
        await speak(connection, QUESTION)
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        events = await until_done(connection)
    assert sound_of(events) == QUESTION


async def test_a_responder_that_raises_fails_its_response_only(caplog: pytest.LogCaptureFixture) -> None:
    """What it raised is in the log of the emulator; the client learns its kind."""

    async def responder(turn: Turn) -> str:
        if turn.text == "No.":
            raise LookupError("a private matter")
        return "Yes."

    async with serve(pace=math.inf, responder=responder) as emulator, connected(emulator) as connection:
        with caplog.at_level(logging.CRITICAL, "realtime_azure"):
            events = await asked(connection, "No.")
        assert outcome(events) == ("failed", None)
        assert b"LookupError" in events[-1].raw
        assert b"a private matter" not in events[-1].raw
        assert words_of(await asked(connection, "Go on.")) == "Yes."


async def test_a_responder_may_take_its_time() -> None:
    """The session listens meanwhile."""
    asked_for, ready = Event(), Event()

    async def responder(turn: Turn) -> str:
        asked_for.set()
        await ready.wait()
        return turn.text

    async with serve(pace=math.inf, responder=responder) as emulator, connected(emulator) as connection:
        with fail_after(5):
            await write(connection, "Hello.")
            await asked_for.wait()
            await connection.session.update({"type": "realtime", "instructions": "Be brief."})
            await connection.wait_for(SessionUpdated)
            ready.set()
        assert words_of(await until_done(connection)) == "Hello."


async def test_a_transcriber_writes_down_what_was_said_once() -> None:
    """Both the responder and, where the session asks for it, the client get to read it."""
    heard: list[bytes] = []
    turns: list[Turn] = []

    async def transcriber(sound: bytes) -> str:
        heard.append(sound)
        return "what is the capital of france"

    async def responder(turn: Turn) -> str:
        turns.append(turn)
        return "Paris."

    serving = serve(pace=math.inf, responder=responder, transcriber=transcriber)
    async with serving as emulator, connected(emulator) as connection:
        await connection.session.update({"type": "realtime", "audio": {"input": {"transcription": {"model": "any"}}}})
        await speak(connection, QUESTION)
        with fail_after(5):
            told = await connection.wait_for(ConversationItemInputAudioTranscriptionCompleted)
        await until_done(connection)
    assert told.transcript == "what is the capital of france"
    assert [turn.transcript for turn in turns] == ["what is the capital of france"]
    assert heard == [turns[0].audio]


async def test_a_transcriber_that_raises_fails_the_transcription_only(caplog: pytest.LogCaptureFixture) -> None:
    async def transcriber(sound: bytes) -> str:
        raise LookupError("a private matter")

    async def responder(turn: Turn) -> str:
        return "Yes."

    serving = serve(pace=math.inf, responder=responder, transcriber=transcriber)
    async with serving as emulator, connected(emulator) as connection:
        with caplog.at_level(logging.CRITICAL, "realtime_azure"):
            settings: SessionAudioDict = {"input": {"transcription": {"model": "any"}}}
            await connection.session.update({"type": "realtime", "audio": settings})
            await speak(connection, QUESTION)
            with fail_after(5):
                told = await connection.wait_for(ConversationItemInputAudioTranscriptionFailed)
            assert await until_done(connection)
    assert b"LookupError" in told.raw
    assert b"a private matter" not in told.raw


async def test_without_a_transcriber_the_transcription_fails_and_says_so() -> None:
    async def responder(turn: Turn) -> str:
        return "Yes."

    async with serve(pace=math.inf, responder=responder) as emulator, connected(emulator) as connection:
        assert not emulator.voice
        await connection.session.update({"type": "realtime", "audio": {"input": {"transcription": {"model": "any"}}}})
        await speak(connection, QUESTION)
        with fail_after(5):
            failed = await connection.wait_for(ConversationItemInputAudioTranscriptionFailed)
        events = await until_done(connection)
    assert failed.error is not None
    assert failed.error.code == "emulator_cannot_transcribe"
    assert outcome(events) == ("completed", None)


# Cutting an answer short


@dataclass
class Endless:
    """A responder that is never done, and tells when it began and when it was stopped."""

    began: Event
    stopped: Event

    async def __call__(self, turn: Turn) -> str:
        self.began.set()
        try:
            await sleep_forever()
        except get_cancelled_exc_class():
            self.stopped.set()
            raise
        raise AssertionError


async def test_an_answer_is_cancelled_before_it_began() -> None:
    endless = Endless(Event(), Event())
    async with serve(pace=math.inf, responder=endless) as emulator, connected(emulator) as connection:
        with fail_after(5):
            await write(connection, "Hello.")
            await endless.began.wait()
            await connection.response.cancel()
            events = await until_done(connection)
            await endless.stopped.wait()
    assert outcome(events) == ("cancelled", "client_cancelled")
    assert shape(events)[-2:] == ["response.created", "response.done"]


async def wordy(turn: Turn) -> str:
    return " ".join(["word"] * LONG)


@pytest.mark.parametrize("api_version", ["v1", DATED])
async def test_a_cancelled_answer_ends_with_what_was_sent_of_it(api_version: str) -> None:
    """To the word: what is said at the end is what a reader of the deltas has read."""
    async with serve(pace=math.inf, responder=wordy) as emulator, connected(emulator, api_version) as connection:
        await connection.session.update({"type": "realtime", "output_modalities": ["text"]})
        with fail_after(5):
            await write(connection, "Hello.")
            await connection.wait_for(ResponseOutputTextDelta)
            await connection.response.cancel()
        events = await until_done(connection)
    assert outcome(events) == ("cancelled", "client_cancelled")
    said = words_of(events)
    assert 0 < len(said.split()) < LONG
    assert written_in_the_end(events) == said
    done = events[-1]
    assert isinstance(done, ResponseDone)
    assert done.response.usage is not None
    assert done.response.usage.output_tokens == len(said.split())
    assert json.loads(done.raw)["response"]["output"][0]["content"][0]["text"] == said


@pytest.mark.parametrize("ms", [100, 10_000])
async def test_speech_stops_the_answer_and_is_answered(ms: int) -> None:
    """Barge-in: nothing of the old answer comes after its end. In one piece, beginning and end are heard at once."""

    async def responder(turn: Turn) -> Reply:
        return Reply("Once upon a time.", pcm.silence(60)) if turn.text else Reply("Yes?", pcm.silence(0.1))

    async with serve(pace=1, responder=responder) as emulator, connected(emulator) as connection:
        with fail_after(5):
            await write(connection, "Tell me a story.")
            await connection.wait_for(ResponseOutputAudioDelta)
            await speak(connection, QUESTION, ms)
            cut = await until_done(connection)
            answered = await until_done(connection)
    assert outcome(cut) == ("cancelled", "turn_detected")
    assert shape(cut)[-6:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert shape(cut).index("input_audio_buffer.speech_started") < shape(cut).index("response.output_audio.done")
    created = next(event for event in answered if isinstance(event, ResponseCreated))
    assert not [
        event for event in answered if getattr(event, "response_id", created.response.id) != created.response.id
    ]
    assert words_of(answered) == "Yes?"
    assert outcome(answered) == ("completed", None)


async def test_speech_does_not_stop_the_answer_when_it_may_not() -> None:
    ready = Event()

    async def responder(turn: Turn) -> str:
        await ready.wait()
        return "As I was saying."

    async with serve(pace=math.inf, responder=responder) as emulator, connected(emulator) as connection:
        detection: TurnDetectionDict = {"type": "server_vad", "interrupt_response": False}
        await connection.session.update({"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
        with fail_after(5):
            await write(connection, "Go on.")
            await speak(connection, QUESTION[: len(QUESTION) // 2])
            await connection.wait_for(InputAudioBufferSpeechStarted)
            ready.set()
        events = await until_done(connection)
    assert words_of(events) == "As I was saying."
    assert outcome(events) == ("completed", None)


async def test_sound_is_sent_at_the_pace_that_was_asked_for() -> None:
    """Ten times as fast as it plays: 2 s take 0.2 s, and no less."""

    async def responder(turn: Turn) -> Reply:
        return Reply("Yes.", pcm.silence(2))

    async with serve(pace=10, responder=responder) as emulator, connected(emulator) as connection:
        began = time.monotonic()
        events = await asked(connection)
    assert pcm.duration(sound_of(events)) == 2
    assert 0.18 < time.monotonic() - began < 2


# Refusals


async def refusal(emulator: Emulator, **arguments: Any) -> StatusError:
    settings: dict[str, Any] = {"deployment": "any", "api_version": "v1", "api_key": emulator.api_key} | arguments
    with fail_after(5), pytest.raises(StatusError) as caught:
        async with connect(emulator.url, **settings):
            pass
    assert caught.value.request_id
    assert json.loads(caught.value.body) == {"error": {"code": caught.value.code, "message": caught.value.message}}
    return caught.value


@pytest.mark.parametrize("api_version", ["v1", DATED])
@pytest.mark.parametrize(
    ("sign_in", "said"),
    [
        ({"api_key": "wrong"}, "Access denied due to invalid subscription key or wrong API endpoint."),
        ({"api_key": None, "credential": "wrong"}, "Unauthorized. Access token is missing, invalid,"),
    ],
    ids=["a key", "a token"],
)
async def test_a_wrong_key_is_refused(emulator: Emulator, api_version: str, sign_in: dict[str, Any], said: str) -> None:
    error = await refusal(emulator, api_version=api_version, **sign_in)
    assert (error.status, error.code) == (401, "401")
    assert error.message.startswith(said)


@pytest.mark.parametrize("api_version", ["v1", DATED])
async def test_the_key_is_taken_as_a_bearer_token_too(emulator: Emulator, api_version: str) -> None:
    settings: dict[str, Any] = {"deployment": "any", "api_version": api_version, "credential": emulator.api_key}
    async with connect(emulator.url, **settings) as connection:
        assert connection.request_id
        assert outcome(await asked(connection)) == ("completed", None)


@pytest.mark.parametrize("api_version", ["v1", DATED])
async def test_only_deployments_that_there_are_are_served(api_version: str) -> None:
    async with serve(pace=math.inf, deployments=["mine", "yours"]) as emulator:
        assert emulator.deployments == ("mine", "yours")
        error = await refusal(emulator, deployment="theirs", api_version=api_version)
        assert (error.status, error.code) == (404, "DeploymentNotFound")
        assert error.message.startswith("The API deployment for this resource does not exist.")
        settings: dict[str, Any] = {"deployment": "yours", "api_version": api_version, "api_key": emulator.api_key}
        async with connect(emulator.url, **settings) as connection:
            created = await connection.receive()
        assert isinstance(created, SessionCreated)
        assert created.session.model == "yours"


async def test_a_key_of_one_s_own_is_the_one_that_counts() -> None:
    async with serve(api_key="mine") as emulator:
        assert emulator.api_key == "mine"
        async with connected(emulator) as connection:
            assert isinstance(await connection.receive(), SessionCreated)
        assert (await refusal(emulator, api_key="yours")).status == 401


HANDSHAKE = (
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


async def dialled(emulator: Emulator) -> SocketStream:
    return await connect_tcp("127.0.0.1", int(emulator.url.rpartition(":")[2]))


async def shaken(emulator: Emulator, sign_in: str) -> SocketStream:
    """A connection after the handshake, with nobody behind it who knows websockets."""
    stream = await dialled(emulator)
    await stream.send(f"GET /openai/v1/realtime?model=any HTTP/1.1\r\n{HANDSHAKE}{sign_in}\r\n\r\n".encode())
    assert (await stream.receive()).startswith(b"HTTP/1.1 101 ")
    return stream


async def exchanged(emulator: Emulator, request: str | bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The status, the headers and the JSON that *request* is answered with, after which the emulator hangs up."""
    answer = b""
    with fail_after(5):
        async with await dialled(emulator) as stream:
            await stream.send(request.encode() if isinstance(request, str) else request)
            try:
                while True:
                    answer += await stream.receive()
            except (EndOfStream, BrokenResourceError):
                pass
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert status.startswith("HTTP/1.1 ")
    assert headers["content-type"] == "application/json"
    assert len(body) == int(headers["content-length"])
    return int(status.split()[1]), headers, json.loads(body)["error"]


@pytest.mark.parametrize(
    ("path", "sign_in", "said"),
    [
        ("/openai/v1/realtime", "api-key: KEY\r\n", (400, "OperationNotSupported")),
        ("/openai/realtime?api-version=2025-04-01-preview", "api-key: KEY\r\n", (400, "OperationNotSupported")),
        ("/openai/realtime?deployment=any", "api-key: KEY\r\n", (404, "404")),
        ("/", "api-key: KEY\r\n", (404, "404")),
        ("/v1/realtime?model=any", "api-key: KEY\r\n", (404, "404")),
        ("/openai/v1/realtime/x?model=any", "api-key: KEY\r\n", (404, "404")),
        ("//[", "api-key: KEY\r\n", (404, "404")),
        ("/openai/v1/realtime?model=any", "", (401, "401")),
        ("/openai/v1/realtime?model=any", "api-key:\r\n", (401, "401")),
        ("/openai/v1/realtime?model=any", "api-key: KEYKEY\r\n", (401, "401")),
        ("/openai/v1/realtime?model=any", "api-key: \xff\r\n", (401, "401")),
        ("/openai/v1/realtime?model=any", "api-key: x\r\napi-key: KEY\r\n", (401, "401")),
        ("/openai/v1/realtime?model=any", "Authorization: KEY\r\n", (401, "401")),
        ("/openai/v1/realtime?model=any", "Authorization: Basic KEY\r\n", (401, "401")),
    ],
)
async def test_a_handshake_that_is_refused(
    emulator: Emulator, path: str, sign_in: str, said: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    """In Azure's envelope, with the id that its support asks for."""
    request = f"GET {path} HTTP/1.1\r\n{HANDSHAKE}{sign_in.replace('KEY', emulator.api_key)}\r\n"
    status, headers, error = await exchanged(emulator, request)
    assert (status, error["code"]) == said
    assert len(headers["apim-request-id"]) == 36
    assert headers["x-ms-region"] == "emulator"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "request_",
    [
        "GET /openai/v1/realtime?model=any HTTP/1.1\r\nHost: localhost\r\napi-key: KEY\r\n\r\n",
        "POST /openai/v1/realtime?model=any HTTP/1.1\r\nHost: x\r\napi-key: KEY\r\nContent-Length: 2\r\n\r\n{}",
        "GET /openai/v1/realtime?model=\xff HTTP/1.1\r\nHost: localhost\r\napi-key: KEY\r\n\r\n",
        "how do you do\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
    ],
    ids=["a plain GET", "a POST", "not ASCII", "not HTTP", "not text"],
)
async def test_what_is_no_websocket_s_handshake_is_told_so(
    emulator: Emulator, request_: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = request_.replace("KEY", emulator.api_key).encode("latin-1")
    status, headers, error = await exchanged(emulator, request)
    assert 400 <= status < 500
    assert error["code"]
    assert error["message"]
    assert headers["apim-request-id"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    async with connected(emulator) as connection:
        assert isinstance(await connection.receive(), SessionCreated)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_an_authorization_scheme_has_no_case(emulator: Emulator, scheme: str) -> None:
    with fail_after(5):
        async with await shaken(emulator, f"Authorization: {scheme} {emulator.api_key}"):
            pass


@pytest.mark.parametrize("pace", [0, -1, math.nan])
async def test_a_pace_is_positive(pace: float) -> None:
    with pytest.raises(ConfigurationError, match="pace"):
        async with serve(pace=pace):
            pass


async def test_a_port_that_is_taken_is_an_oserror(emulator: Emulator) -> None:
    with pytest.raises(OSError, match="in use"):
        async with serve(port=int(emulator.url.rpartition(":")[2])):
            pass


# Robustness


@pytest.mark.parametrize("api_version", ["v1", DATED])
async def test_no_event_however_odd_ends_the_session(
    emulator: Emulator, api_version: str, caplog: pytest.LogCaptureFixture
) -> None:
    odd: list[Any] = [
        {},
        [],
        None,
        {"type": "session.update"},
        {"type": "session.update", "session": None},
        {"type": "session.update", "session": {"type": "realtime", "audio": None, "voice": "a"}},
        {"type": "session.update", "session": {"type": "realtime", "audio": "loud", "voice": "a"}},
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": None}}}},
        {"type": "session.update", "session": {"turn_detection": {"type": "server_vad", "threshold": None}}},
        {"type": "session.update", "session": {"input_audio_format": None, "modalities": None}},
        {"type": "session.update", "session": {"input_audio_format": "mp3"}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{}]}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": []}]}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": None}},
        {"type": "response.create", "response": {"input": [{"content": [{}]}]}},
        {"type": "response.create", "response": {"modalities": None, "output_audio_format": None}},
    ]
    async with connected(emulator, api_version) as connection:
        for message in odd:
            # Past our own checks, which would not let it out.
            await connection._websocket.send(json.dumps(message).encode())  # pyright: ignore[reportPrivateUsage]
        await connection._websocket.send(b"\xff no JSON")  # pyright: ignore[reportPrivateUsage]
        with fail_after(5):
            await connection.session.update({"type": "realtime", "instructions": "the last"})
            await connection.wait_for(SessionUpdated, where=lambda event: event.session.instructions == "the last")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_client_that_vanishes_in_mid_answer_leaves_the_emulator_alive(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No close frame, nobody reads: the answer is given up, and others are served."""
    began, stopped = Event(), Event()

    async def responder(turn: Turn) -> str:
        if turn.text == "Hello.":
            began.set()
            try:
                await sleep_forever()
            finally:
                stopped.set()
        return "Yes."

    async with serve(pace=math.inf, responder=responder) as emulator:
        with fail_after(5):
            async with await shaken(emulator, f"api-key: {emulator.api_key}") as stream:
                item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
                for event in ({"type": "conversation.item.create", "item": item}, {"type": "response.create"}):
                    await stream.send(frame(json.dumps(event).encode()))
                await began.wait()
            await stopped.wait()
        async with connected(emulator) as connection:
            assert words_of(await asked(connection, "Anybody?")) == "Yes."
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def frame(payload: bytes) -> bytes:
    """One text message of a client: masked, with a mask that changes nothing."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0x80 | 126]) + len(payload).to_bytes(2)
    return b"\x81" + length + bytes(4) + payload


@pytest.mark.parametrize("beginning", [b"", b"GET /openai", f"GET / HTTP/1.1\r\n{HANDSHAKE}".encode()])
async def test_a_client_that_hangs_up_in_the_handshake_leaves_no_trace(
    beginning: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """As those do who only look whether a port is open; some say goodbye, some reset the connection."""
    async with serve(pace=math.inf) as emulator:
        with fail_after(5):
            for linger in ((0, 0), (1, 0), (0, 0), (1, 0)):
                async with await dialled(emulator) as stream:
                    raw: socket.socket = stream.extra(SocketAttribute.raw_socket)
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *linger))
                    if beginning:
                        await stream.send(beginning)
        async with connected(emulator) as connection:
            assert isinstance(await connection.receive(), SessionCreated)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_client_that_sends_no_websocket_frames_leaves_the_emulator_alive(emulator: Emulator) -> None:
    with fail_after(5):
        async with await shaken(emulator, f"api-key: {emulator.api_key}") as stream:
            await stream.send(b"how do you do")
            try:
                while await stream.receive():
                    pass
            except (EndOfStream, BrokenResourceError):
                pass
    async with connected(emulator) as connection:
        assert isinstance(await connection.receive(), SessionCreated)


async def test_leaving_closes_what_is_connected_at_once() -> None:
    """With 1001, "going away": clients are told, and nobody waits for them."""
    endless = Endless(Event(), Event())
    lost: list[ConnectionLost] = []
    ready = [Event() for _ in range(5)]

    async def stay(at: int, emulator: Emulator) -> None:
        try:
            async with connected(emulator) as connection:
                if at == 0:
                    await connection.response.create()
                async for event in connection:
                    if at or isinstance(event, ResponseCreated):
                        ready[at].set()
        except ConnectionLost as exc:
            lost.append(exc)

    async with create_task_group() as tasks:
        with fail_after(5):
            async with serve(pace=math.inf, responder=endless) as emulator:
                for at in range(5):
                    tasks.start_soon(stay, at, emulator)
                for event in [*ready, endless.began]:
                    await event.wait()
                began = time.monotonic()
            assert time.monotonic() - began < 0.5
    assert [error.code for error in lost] == [1001] * 5
    assert all("shutting down" in error.reason for error in lost)
    assert sum(error.response_cut is not None for error in lost) == 1
    assert endless.stopped.is_set()


async def test_leaving_does_not_wait_for_a_client_that_does_not_answer() -> None:
    with fail_after(5):
        async with serve(pace=math.inf) as emulator:
            mute = await shaken(emulator, f"api-key: {emulator.api_key}")
            half = await dialled(emulator)
            await half.send(b"GET /openai")
            began = time.monotonic()
        assert time.monotonic() - began < 2
        await mute.aclose()
        await half.aclose()


async def test_what_the_block_raises_comes_out_bare() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with serve() as emulator, connected(emulator):
            raise KeyError("mine")


async def test_the_port_is_free_again_afterwards() -> None:
    async with serve() as emulator, connected(emulator):
        port = int(emulator.url.rpartition(":")[2])
    async with serve(port=port) as again:
        assert again.url == emulator.url


async def test_the_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    async def responder(turn: Turn) -> str:
        raise LookupError

    caplog.set_level(logging.DEBUG)
    async with serve(api_key="hush-hush", responder=responder) as emulator:
        assert "hush-hush" not in repr(emulator)
        for name in ("api_key", "credential"):
            settings: dict[str, Any] = {"deployment": "any", "api_version": "v1", name: "hush-hush"}
            async with connect(emulator.url, **settings) as connection:
                assert outcome(await asked(connection)) == ("failed", None)
        await exchanged(emulator, f"GET / HTTP/1.1\r\n{HANDSHAKE}api-key: hush-hush\r\n\r\n")
    assert caplog.records
    assert "hush-hush" not in caplog.text
