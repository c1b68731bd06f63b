"""Silence after an answer: `idle_timeout_ms` makes it a turn."""

from __future__ import annotations

import math
from typing import Any

import pytest
from anyio import fail_after

from realtime_azure.audio import pcm
from realtime_azure.emulator import Turn
from realtime_azure.events import InputAudioBufferTimeoutTriggered, ResponseCreated, ResponseDone
from realtime_azure.testing import connected

pytestmark = pytest.mark.anyio


async def say(turn: Turn) -> str:
    return "Are you there?"


def settings(idle_timeout_ms: int | None) -> Any:
    detection = {"type": "server_vad", "idle_timeout_ms": idle_timeout_ms}
    return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}


async def test_silence_after_an_answer_is_answered() -> None:
    with fail_after(10):
        async with connected(say) as connection:
            await connection.session.update(settings(5000), wait=True)
            await connection.response.create()
            await connection.wait_for(ResponseDone)
            for _ in range(80):
                await connection.input_audio_buffer.append(pcm.silence(0.1))
            triggered = await connection.wait_for(InputAudioBufferTimeoutTriggered)
            assert triggered.audio_start_ms is not None
            assert triggered.audio_end_ms is not None
            assert triggered.audio_start_ms > 0  # the answer had to be heard first
            assert 5000 <= triggered.audio_end_ms - triggered.audio_start_ms < 5200
            assert isinstance(await connection.wait_for(ResponseCreated), ResponseCreated)


@pytest.mark.parametrize(
    ("timeout_ms", "answered"), [(None, True), (5000, False)], ids=["not asked for", "no answer yet"]
)
async def test_silence_is_silence_otherwise(timeout_ms: int | None, answered: bool) -> None:
    with fail_after(10):
        async with connected(say, pace=math.inf) as connection:
            await connection.session.update(settings(timeout_ms), wait=True)
            if answered:
                await connection.response.create()
                await connection.wait_for(ResponseDone)
            async with connection.subscribe(InputAudioBufferTimeoutTriggered) as triggered:
                for _ in range(100):
                    await connection.input_audio_buffer.append(pcm.silence(0.1))
                await connection.input_audio_buffer.clear(wait=True)  # all was heard before that is answered
                await connection.aclose()
                assert [event async for event in triggered] == []
