"""Ask a recorded question and print what is said: the shortest whole program.

    python examples/ask.py [QUESTION.wav]

Without `AZURE_OPENAI_ENDPOINT` it asks the emulator.
"""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from realtime_azure import connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import serve
from realtime_azure.events import ResponseDone, ResponseOutputAudioDelta, ResponseOutputAudioTranscriptDelta

SAMPLE = Path(__file__).parent.parent / "audio_samples" / "question_capital.wav"


async def main(question: Path) -> None:
    async with AsyncExitStack() as stack:
        if "AZURE_OPENAI_ENDPOINT" not in os.environ:
            emulator = await stack.enter_async_context(serve())
            service = connect(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key)
        else:
            service = connect()
        connection = await stack.enter_async_context(service)

        await connection.session.update({"type": "realtime", "instructions": "Be brief."})
        # The silence behind the question tells the service that it is over.
        await connection.input_audio_buffer.append(wav.read(question).pcm + pcm.silence(1.0))

        answer = bytearray()
        async for event in connection:
            match event:
                case ResponseOutputAudioDelta(delta=sound):
                    answer += sound
                case ResponseOutputAudioTranscriptDelta(delta=text):
                    print(text, end="", flush=True)
                case ResponseDone(response=response) if response.status != "cancelled":
                    break  # one that was cancelled: the question went on after a pause
                case _:
                    pass
        print(f"\n({pcm.duration(answer):.1f} s of sound)")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
