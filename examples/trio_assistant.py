"""The same on trio: a nursery with one task that speaks and one that listens.

    python examples/trio_assistant.py

Needs the extra `trio`. It asks the emulator, one question after the other.
"""

from __future__ import annotations

from pathlib import Path

import trio

from realtime_azure import Connection, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import serve
from realtime_azure.events import InputAudioBufferSpeechStopped, ResponseDone, ResponseOutputAudioTranscriptDone

SAMPLES = Path(__file__).parent.parent / "audio_samples"
QUESTIONS = ("question_capital", "question_weather", "command_timer")


async def speak(connection: Connection, name: str) -> None:
    """Sends a recording in 40 ms pieces, ten times faster than a microphone would."""
    sound = wav.read(SAMPLES / f"{name}.wav").pcm + pcm.silence(0.5)
    for piece in pcm.chunks(sound, 40):
        await connection.input_audio_buffer.append(piece)
        await trio.sleep(0.004)


async def listen(connection: Connection) -> None:
    async for event in connection:
        match event:
            case InputAudioBufferSpeechStopped(audio_end_ms=end):
                print(f"you stopped speaking at {end} ms")
            case ResponseOutputAudioTranscriptDone(transcript=text):
                print(f"assistant: {text}")
            case ResponseDone():
                return
            case _:
                pass


async def main() -> None:
    async with (
        serve() as emulator,
        connect(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key) as connection,
    ):
        for name in QUESTIONS:
            print(f"you: {name}.wav")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak, connection, name)
                nursery.start_soon(listen, connection)


if __name__ == "__main__":
    trio.run(main)
