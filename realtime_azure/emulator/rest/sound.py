"""Audio over HTTP: a text spoken, and a recording written down.

It speaks and reads WAV and PCM, for the standard library has no more; asked for another format, it says so.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Literal

import pybase64
from anyio import to_thread
from pydantic import Field

from ...audio import wav
from ...audio.pcm import RATE, duration
from ...audio.resample import resample
from ...errors import AudioFileError
from ..answer import Fields
from ..responder import Turn, recorded_answer
from .exchange import Answered, ModelBody, Question, Upload, Wrong, answered, cannot, event_stream, going_on, missing
from .words import count, speech_in, words_of

logger = logging.getLogger("realtime_azure.emulator")

PIECE = 24_000
"""Bytes of sound sent at once: half a second."""


class _Speech(ModelBody):
    input: str = Field(max_length=4096)
    voice: str | Fields
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


async def speech(question: Question) -> Answered:
    body = question.read(_Speech)
    if body.response_format not in ("wav", "pcm"):
        said = f"it speaks wav and pcm, not {body.response_format}; pass response_format"
        raise cannot(said, "response_format")
    pcm = await question.house.speaker(body.input)
    if body.speed != 1.0:
        pcm = await to_thread.run_sync(resample, pcm, round(RATE * body.speed), RATE)
    sound = wav.encode(pcm) if body.response_format == "wav" else pcm
    if body.stream_format == "sse":
        return await event_stream(_spoken(sound, body.input, duration(pcm)))
    return await going_on(_pieces(sound), f"audio/{body.response_format}")


async def _pieces(sound: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(sound), PIECE):
        yield sound[start : start + PIECE]


async def _spoken(sound: bytes, text: str, seconds: float) -> AsyncGenerator[Fields]:
    async for piece in _pieces(sound):
        yield {"type": "speech.audio.delta", "audio": pybase64.b64encode(piece).decode()}
    heard, said = count(text), round(20 * seconds)
    yield {
        "type": "speech.audio.done",
        "usage": {"input_tokens": heard, "output_tokens": said, "total_tokens": heard + said},
    }


class _Transcription(ModelBody):
    file: Upload | None = None
    language: str = "english"
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] = "json"
    timestamp_granularities: list[str] | str = Field(default_factory=list[str])
    stream: bool | None = None


async def transcriptions(question: Question) -> Answered:
    return await _written(question, "transcribe")


async def translations(question: Question) -> Answered:
    """As `transcriptions`, for the emulator hears English only."""
    return await _written(question, "translate")


async def _written(question: Question, task: str) -> Answered:
    body = question.read(_Transcription)
    if body.file is None:
        raise missing("file")
    if body.response_format == "diarized_json":
        raise cannot("it does not know one speaker from another", "response_format")
    if "word" in body.timestamp_granularities:
        raise cannot("it does not know when each word was said", "timestamp_granularities")
    try:
        pcm = (await to_thread.run_sync(wav.decode, body.file.content, body.file.name or "file")).pcm
    except AudioFileError as exc:
        raise Wrong(400, "invalid_value", f"Invalid file format: {exc}", "file") from exc
    text = await _text(question, pcm)
    if body.stream:
        return await event_stream(_deltas(text, duration(pcm)))
    return _formatted(body, text, duration(pcm), task)


async def _text(question: Question, pcm: bytes) -> str:
    """What is said in *pcm*; or, where nobody can tell, what can truly be said of it."""
    if question.house.transcriber is None:
        spoken = await to_thread.run_sync(speech_in, pcm)
        return (await recorded_answer(Turn(audio=pcm, speech_seconds=spoken))).text
    try:
        return await question.house.transcriber(pcm)
    except Exception as exc:
        logger.exception("the transcriber failed")
        said = f"The emulator's transcriber failed: {type(exc).__name__}"
        raise Wrong(500, None, said, kind="server_error") from exc


def _formatted(body: _Transcription, text: str, seconds: float, task: str) -> Answered:
    usage = {"type": "duration", "seconds": round(seconds, 2)}
    match body.response_format:
        case "text":
            return Answered(200, f"{text}\n".encode(), _PLAIN)
        case "srt":
            return Answered(200, f"1\n{_time(0, ',')} --> {_time(seconds, ',')}\n{text}\n\n".encode(), _PLAIN)
        case "vtt":
            said = f"WEBVTT\n\n{_time(0, '.')} --> {_time(seconds, '.')}\n{text}\n\n"
            return Answered(200, said.encode(), _PLAIN)
        case "verbose_json":
            heard = {"task": task, "language": body.language, "duration": round(seconds, 2), "text": text}
            return answered({**heard, "segments": [_segment(text, seconds)], "usage": usage})
        case _:
            return answered({"text": text, "usage": usage} if task == "transcribe" else {"text": text})


_PLAIN = {"content-type": "text/plain; charset=utf-8"}


def _segment(text: str, seconds: float) -> Fields:
    """All of it: where a sentence begins, the emulator does not know."""
    place = {"id": 0, "seek": 0, "start": 0.0, "end": round(seconds, 2), "text": text, "tokens": []}
    return {**place, "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 1.0, "no_speech_prob": 0.0}


def _time(seconds: float, point: str) -> str:
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{point}{ms % 1000:03}"


async def _deltas(text: str, seconds: float) -> AsyncGenerator[Fields]:
    for word in words_of(text):
        yield {"type": "transcript.text.delta", "delta": word}
    heard, said = round(10 * seconds), count(text)
    usage = {"type": "tokens", "input_tokens": heard, "output_tokens": said, "total_tokens": heard + said}
    details = {"input_token_details": {"audio_tokens": heard, "text_tokens": 0}}
    yield {"type": "transcript.text.done", "text": text, "usage": {**usage, **details}}
