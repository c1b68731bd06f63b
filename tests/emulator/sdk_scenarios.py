"""What every SDK is put through, and who answers it: a tool call, a story that is long enough to be interrupted."""

from __future__ import annotations

import base64
import math
from pathlib import Path

from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import FunctionCall, Reply, Turn

SPEECH = wav.read(Path(__file__).resolve().parents[2] / "audio_samples" / "question_capital.wav").pcm
SPOKEN = SPEECH + pcm.silence(0.6)
TONE = pcm.pack([round(3000 * math.sin(step / 8)) for step in range(pcm.RATE // 2)])

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ARGUMENTS = '{"city": "Paris", "unit": "celsius"}'
STORY_SECONDS = 60
STORY = Reply("Once upon a time " + "and so on " * 200, audio=TONE * 2 * STORY_SECONDS)


async def answer(turn: Turn) -> Reply | FunctionCall | str:
    """What it says shows what reached it."""
    if turn.results:
        return f"It is {', '.join(turn.results.values())} in Paris."
    if turn.tools and "weather" in turn.text:
        return FunctionCall("get_weather", ARGUMENTS)
    if "story" in turn.text:
        return STORY
    if turn.speech_seconds:
        return Reply(f"You spoke for {turn.speech_seconds:.0f} seconds.", audio=TONE)
    return Reply(f"You wrote: {turn.text}", audio=TONE)


def pieces(sound: bytes) -> list[str]:
    """*sound* as a microphone brings it, in base64."""
    return [base64.b64encode(piece).decode() for piece in pcm.chunks(sound, 50)]
