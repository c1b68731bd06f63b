"""What the emulator answers: a turn of the user in, a reply out.

A responder is an async function that you can replace. The one used by default, `recorded_answer`, needs nothing
but this package, and never pretends: it hears that somebody spoke and for how long, not what was said.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from anyio import move_on_after

from ..audio import pcm, wav

CLEANUP_TIMEOUT = 1.0
"""Seconds that a responder has to clean up after an answer that was cut."""

_SPEECH = Path(__file__).parent / "speech"
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
_TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty"}


@dataclass(frozen=True)
class Turn:
    """What the user said or wrote since the last answer.

    *text* is what was typed, *audio* what was said (PCM16 mono little-endian, resampled to 24 kHz), *speech_seconds*
    how much of it the turn detection took for speech, *transcript* what it says, where somebody can tell;
    *instructions* are those of the session or of this response, *deployment* the name that was connected to. *tools*
    are those that may be used, functions and MCP servers, as the session or the response has them, and *results* what
    was given back by those that the last answer called: by call id.
    """

    text: str = ""
    audio: bytes = field(default=b"", repr=False)
    speech_seconds: float = 0.0
    transcript: str | None = None
    instructions: str = ""
    deployment: str = ""
    tools: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)  # a secret may be in one
    results: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def words(self) -> str:
        """What was written and, where somebody can tell, said."""
        return " ".join(part for part in (self.text, self.transcript) if part)


@dataclass(frozen=True)
class FunctionCall:
    """The answer calls the function *name*, with *arguments*: JSON text, or what becomes it."""

    name: str
    arguments: str | Mapping[str, Any] = "{}"


@dataclass(frozen=True)
class Reply:
    """An answer: what it says, its sound (PCM16 mono little-endian, 24 kHz), and the functions that it *calls*.

    Without *audio*, a spoken answer is spoken by the emulator: with a voice where `emulator-voice` is installed,
    else as a quiet tone of a likely length. *reason* `max_output_tokens` or `content_filter` leaves it incomplete,
    anything else is the code of the error that it fails with (`inference_rate_limit_exceeded`).
    """

    text: str = ""
    audio: bytes | None = field(default=None, repr=False)
    calls: tuple[FunctionCall, ...] = ()
    reason: str | None = None


Said = str | Reply | FunctionCall
"""A piece of an answer; a `str` is a `Reply` without sound of its own."""

Responder = Callable[[Turn], Awaitable[Said] | AsyncIterator[Said]]
"""Answers a turn: an async function that returns the answer, or an async generator that yields it piece by piece.

It is cancelled when its response is (the user speaks, say): what it awaits in a `finally` needs a shield, and has
`CLEANUP_TIMEOUT` seconds. If it raises, the response fails, and the traceback is in the log of the emulator.
"""

Transcriber = Callable[[bytes], Awaitable[str]]
"""What PCM16 mono little-endian sound at 24 kHz says. If it raises, the transcription fails, and the turn has none."""

Speaker = Callable[[str], Awaitable[bytes]]
"""A text as PCM16 mono little-endian sound at 24 kHz. If it raises, the response fails."""


async def pieces(responder: Responder, turn: Turn) -> AsyncGenerator[Said]:
    """What *responder* answers to *turn*, piece by piece; close it (`aclosing`), and the responder cleans up."""
    saying = responder(turn)
    if not isinstance(saying, AsyncIterator):
        yield await saying
        return
    try:
        async for said in saying:
            yield said
    finally:
        if isinstance(saying, AsyncGenerator):
            with move_on_after(CLEANUP_TIMEOUT, shield=True):
                await saying.aclose()


async def recorded_answer(turn: Turn) -> Reply:
    """Says what the emulator can truly know of *turn*, in a recorded voice."""
    words, sounds = ["This is the emulator."], ["intro"]
    if turn.speech_seconds:
        counted, recorded = _counted(max(1, round(turn.speech_seconds)), "second")
        words += ["I heard you speak for about", *counted]
        sounds += ["heard", *recorded]
    elif turn.audio or not turn.text:
        words.append("I heard no speech.")
        sounds.append("no_speech")
    if turn.text:
        counted, recorded = _counted(len(turn.text.split()), "word")
        words += ["I read your message of", *counted]
        sounds += ["read", *recorded]
    return Reply(" ".join(words), b"".join(map(_recording, sounds)))


def _counted(count: int, unit: str) -> tuple[list[str], list[str]]:
    """*count* of *unit* in words, and in the names of recordings; above twenty by tens, above sixty no more."""
    if count in _TENS:
        return [_TENS[count], f"{unit}s."], [str(count), f"{unit}s"]
    noun = unit if count == 1 else f"{unit}s"
    if count < len(_NUMBERS):
        return [_NUMBERS[count], f"{noun}."], [str(count), noun]
    tens = min(count // 10 * 10, 60)
    return ["more than", _TENS[tens], f"{noun}."], ["more_than", str(tens), noun]


@cache
def _recording(name: str) -> bytes:
    return wav.read(_SPEECH / f"{name}.wav", rate=pcm.RATE).pcm


async def tone(text: str) -> bytes:
    """A quiet tone as long as *text* would take to say, for an emulator without a voice."""
    count = int(max(0.3, 0.06 * len(text)) * pcm.RATE)
    period = [round(2000 * math.sin(2 * math.pi * step / 60)) for step in range(60)]  # 400 Hz
    return pcm.pack((period * (count // 60 + 1))[:count])
