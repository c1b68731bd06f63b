"""The emulator as Voice Live: every setting of its sessions is taken; some change what it does, the rest is kept."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from realtime_azure import Connection, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.audio.resample import resample
from realtime_azure.emulator import Reply, Turn, serve
from realtime_azure.events import (
    ErrorEvent,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    SessionUpdated,
)
from realtime_azure.events.voice_live import VoiceLiveConfig, VoiceLiveSession

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).resolve().parents[2] / "audio_samples"
QUESTION = wav.read(SAMPLES / "question_capital.wav").pcm + pcm.silence(0.8)
SOUND = pcm.silence(1.0)
EVERYTHING: dict[str, Any] = {
    "instructions": "Be brief.",
    "modalities": ["text", "audio", "animation"],
    "animation": {"model_name": "default", "outputs": ["viseme_id"]},
    "voice": {"type": "azure-standard", "name": "en-US-AvaNeural", "rate": "+10%", "prefer_locales": ["en-US"]},
    "input_audio_sampling_rate": 16000,
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16_16000hz",
    "turn_detection": {
        "type": "azure_semantic_vad",
        "silence_duration_ms": 300,
        "speech_duration_ms": 80,
        "remove_filler_words": True,
        "languages": ["en"],
        "end_of_utterance_detection": {"model": "semantic_detection_v1", "timeout_ms": 1000},
    },
    "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
    "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
    "avatar": {"character": "lisa", "style": "casual-sitting", "customized": False},
    "input_audio_transcription": {"model": "azure-speech", "language": "en", "phrase_list": ["Neo QLED"]},
    "output_audio_timestamp_types": ["word"],
    "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "temperature": 0.7,
    "max_response_output_tokens": 1000,
    "reasoning_effort": "low",
    "interim_response": {"type": "static_interim_response", "texts": ["One moment."]},
    "include": ["item.input_audio_transcription.phrases"],
    "metadata": {"customer": "seven"},
}


@asynccontextmanager
async def connected(turns: list[Turn] | None = None, pace: float = math.inf) -> AsyncGenerator[Connection]:
    async def responder(turn: Turn) -> Reply:
        if turns is not None:
            turns.append(turn)
        return Reply("Paris.", audio=SOUND)

    async with (
        serve(responder=responder, pace=pace) as emulator,
        connect(
            f"{emulator.url}/voice-live", deployment="any", api_version="2026-07-15", api_key=emulator.api_key
        ) as connection,
    ):
        yield connection


async def until(connection: Connection, *kinds: type[ServerEvent]) -> list[ServerEvent]:
    events: list[ServerEvent] = []
    with fail_after(5):
        while not events or not isinstance(events[-1], kinds):
            events.append(await connection.receive())
    return events


async def updated(connection: Connection, session: Mapping[str, Any]) -> dict[str, Any]:
    """The session as it is reported after this update."""
    await connection.session.update(VoiceLiveConfig(**session), extra=True)
    told = (await until(connection, SessionUpdated, ErrorEvent))[-1]
    assert isinstance(told, SessionUpdated), told.raw
    assert isinstance(told.session, VoiceLiveSession)
    return told.session.model_dump(mode="json", exclude_unset=True)


def without_unset(value: Any, like: Any) -> Any:
    """*value*, as far as *like* says something of it."""
    return {name: without_unset(value[name], like[name]) for name in like} if isinstance(like, dict) else value


async def test_every_setting_is_taken_and_reported() -> None:
    assert EVERYTHING.keys() == VoiceLiveConfig.model_fields.keys() - {"model"}
    async with connected() as connection:
        session = await updated(connection, EVERYTHING)
    assert without_unset(session, EVERYTHING) == EVERYTHING


async def test_what_one_update_does_not_name_stays_as_another_said_it() -> None:
    async with connected() as connection:
        await updated(connection, EVERYTHING)
        session = await updated(connection, {"temperature": 0.2})
    assert without_unset(session, EVERYTHING) == EVERYTHING | {"temperature": 0.2}


async def test_an_update_that_is_refused_changes_nothing() -> None:
    async with connected() as connection:
        await connection.session.update(VoiceLiveConfig(temperature=0.2, input_audio_sampling_rate=11025))
        refused = (await until(connection, SessionUpdated, ErrorEvent))[-1]
        session = await updated(connection, {"instructions": "Be brief."})
    assert isinstance(refused, ErrorEvent)
    assert (refused.error.code, refused.error.param) == ("invalid_value", "session.input_audio_sampling_rate")
    assert "temperature" not in session
    assert session["input_audio_sampling_rate"] == 24000


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"voyce": "alloy"}, "unknown_parameter", "session.voyce"),
        (
            {"turn_detection": {"type": "server_vad", "patience": 1}},
            "unknown_parameter",
            "session.turn_detection.patience",
        ),
        ({"avatar": {"character": "lisa", "hat": "red"}}, "unknown_parameter", "session.avatar.hat"),
    ],
)
async def test_a_setting_that_there_is_not_is_refused_in_voice_lives_words(
    session: dict[str, Any], code: str, param: str
) -> None:
    async with connected() as connection:
        await connection.send({"type": "session.update", "session": session}, extra=True)
        (*_, refused) = await until(connection, SessionUpdated, ErrorEvent)
    assert isinstance(refused, ErrorEvent)
    assert (refused.error.code, refused.error.param) == (code, param)


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"turn_detection": {"type": "psychic"}}, "session.turn_detection.type"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"output_audio_format": "mp3"}, "session.output_audio_format"),
    ],
)
async def test_a_value_that_there_is_not_is_refused_in_voice_lives_words(session: dict[str, Any], param: str) -> None:
    async with connected() as connection:
        await connection.send({"type": "session.update", "session": session}, extra=True)
        (*_, refused) = await until(connection, SessionUpdated, ErrorEvent)
    assert isinstance(refused, ErrorEvent)
    assert (refused.error.code, refused.error.param) == ("invalid_value", param)
    assert f"'{param}'" in (refused.error.message or "")


@pytest.mark.parametrize("detection", ["server_vad", "azure_semantic_vad", "azure_semantic_vad_multilingual"])
async def test_speech_at_16_khz_is_a_turn_of_its_length(detection: str) -> None:
    turns: list[Turn] = []
    async with connected(turns) as connection:
        await updated(connection, {"turn_detection": {"type": detection}})
        await updated(connection, {"input_audio_sampling_rate": 16000})
        for piece in pcm.chunks(resample(QUESTION, 24000, 16000), 100, 16000):
            await connection.input_audio_buffer.append(piece)
        await until(connection, ResponseDone, ErrorEvent)
    (turn,) = turns
    assert 1.5 < turn.speech_seconds < 2.5
    assert turn.speech_seconds < pcm.duration(turn.audio) < pcm.duration(QUESTION)


async def test_an_answer_comes_in_the_rate_that_was_asked_for() -> None:
    async with connected() as connection:
        await updated(connection, {"output_audio_format": "pcm16_16000hz"})
        await connection.response.create()
        events = await until(connection, ResponseDone, ErrorEvent)
    sound = b"".join(event.delta for event in events if isinstance(event, ResponseOutputAudioDelta))
    assert len(sound) == 16000 * 2


async def test_an_answer_says_whose_voice_it_has() -> None:
    async with connected() as connection:
        await updated(connection, {"voice": EVERYTHING["voice"]})
        await connection.response.create()
        (*_, done) = await until(connection, ResponseDone, ErrorEvent)
    assert isinstance(done, ResponseDone)
    assert done.response.voice == EVERYTHING["voice"]


async def test_a_response_may_cancel_the_one_before_it() -> None:
    async with connected(pace=0.01) as connection:
        await connection.response.create()
        await until(connection, ResponseOutputAudioDelta, ErrorEvent)
        await connection.send({"type": "response.create", "response": {"cancel_previous": True}})
        events = await until(connection, ResponseCreated, ErrorEvent)
    (done,) = [event for event in events if isinstance(event, ResponseDone)]
    assert done.response.status == "cancelled"
    assert isinstance(events[-1], ResponseCreated)


async def test_settings_of_one_response_are_taken() -> None:
    turns: list[Turn] = []
    async with connected(turns) as connection:
        await updated(connection, {"instructions": "Be brief."})
        await connection.send(
            {
                "type": "response.create",
                "additional_instructions": "In French.",
                "response": {"commit": False, "temperature": 0.7, "modalities": ["text"], "reasoning_effort": "low"},
            }
        )
        (*_, done) = await until(connection, ResponseDone, ErrorEvent)
    assert isinstance(done, ResponseDone)
    assert done.response.conversation_id is None
    assert done.response.modalities == ["text"]
    assert [turn.instructions for turn in turns] == ["Be brief.\n\nIn French."]
