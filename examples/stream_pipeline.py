"""A pipeline: an async iterator of sound in, an async iterator of sound out.

    python examples/stream_pipeline.py [ANSWER.wav]

`speak` and `Spoken` are the stage to put between a telephone line, a browser or a microphone and whatever plays.
It asks the emulator here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import anyio

from realtime_azure import Connection, EventStream, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import serve
from realtime_azure.events import ResponseDone, ResponseOutputAudioDelta

SAMPLE = Path(__file__).parent.parent / "audio_samples" / "question_weather.wav"


async def speak(connection: Connection, heard: AsyncIterator[bytes]) -> None:
    """Sends what is *heard*, for as long as there is something."""
    async for piece in heard:
        await connection.input_audio_buffer.append(piece)


class Spoken:
    """The sound of one answer, as it comes: PCM16 mono at 24 kHz."""

    def __init__(self, events: EventStream[ResponseOutputAudioDelta | ResponseDone]) -> None:
        self._events = events

    def __aiter__(self) -> Spoken:
        return self

    async def __anext__(self) -> bytes:
        event = await anext(self._events)
        if isinstance(event, ResponseDone):
            raise StopAsyncIteration
        return event.delta


async def microphone(recording: Path) -> AsyncGenerator[bytes]:
    """PCM16 mono at 24 kHz, 20 ms at a time: first the recording, then silence for ever."""
    for piece in pcm.chunks(wav.read(recording).pcm, 20):
        yield piece
        await anyio.sleep(0.002)  # ten times faster than a microphone
    while True:
        yield pcm.silence(0.02)
        await anyio.sleep(0.002)


async def main(answer: Path | None) -> None:
    played = bytearray()
    async with (
        serve() as emulator,
        connect(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key) as connection,
        connection.subscribe(ResponseOutputAudioDelta, ResponseDone) as events,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(speak, connection, microphone(SAMPLE))
        async for sound in Spoken(events):
            played += sound
        tasks.cancel_scope.cancel()
    print(f"played {pcm.duration(played):.1f} s")
    if answer is not None:
        wav.write(answer, bytes(played))


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
