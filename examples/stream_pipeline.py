"""A pipeline: an async iterator of sound in, an async iterator of sound out.

    python examples/stream_pipeline.py [ANSWER.wav]

`converse` is the stage to put between a telephone line, a browser or a microphone and whatever plays.
It asks the emulator here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from realtime_azure import Connection, EventStream, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import serve
from realtime_azure.events import ResponseDone, ResponseOutputAudioDelta

SAMPLE = Path(__file__).parent.parent / "audio_samples" / "question_weather.wav"


@asynccontextmanager
async def converse(
    connection: Connection, heard: AsyncIterator[bytes]
) -> AsyncGenerator[EventStream[ResponseOutputAudioDelta | ResponseDone]]:
    """Sends what is *heard* while the block runs; gives what is to be played, as it comes."""

    async def send() -> None:
        async for piece in heard:
            await connection.input_audio_buffer.append(piece)

    async with (
        connection.subscribe(ResponseOutputAudioDelta, ResponseDone) as spoken,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(send)
        yield spoken
        tasks.cancel_scope.cancel()


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
        converse(connection, microphone(SAMPLE)) as spoken,
    ):
        async for event in spoken:
            if isinstance(event, ResponseDone):
                break
            played += event.delta
    print(f"played {pcm.duration(played):.1f} s")
    if answer is not None:
        wav.write(answer, bytes(played))


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
