"""Chat completions: messages in, a message out, in one or word by word."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

import pybase64
from pydantic import BaseModel, ConfigDict, Field

from ...audio import wav
from ...audio.pcm import duration
from ...errors import AudioFileError
from ..answer import Fields, new_id
from ..responder import FunctionCall, Turn
from .completions import SaidBody, prompts_filtered, usage_of
from .exchange import FILTERS, Answered, Question, Wrong, answered, cannot, event_stream
from .words import End, answer_to, count, pieces_of


class _Sound(BaseModel):
    data: str
    format: str = "wav"


class _Part(BaseModel):
    type: str
    text: str = ""
    input_audio: _Sound | None = None


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content if part.text)
        return self.content or ""

    @property
    def sound(self) -> bytes:
        parts = self.content if isinstance(self.content, list) else ()
        return b"".join(_heard(part.input_audio) for part in parts if part.input_audio)


def _heard(sound: _Sound) -> bytes:
    if sound.format != "wav":
        raise cannot(f"it hears wav, not {sound.format}", "messages")
    try:
        return wav.decode(pybase64.b64decode(sound.data, validate=True), "input_audio").pcm
    except (ValueError, AudioFileError) as exc:
        raise Wrong(400, "invalid_value", f"The audio cannot be read: {exc}", "messages") from exc


class _Tool(BaseModel):
    model_config = ConfigDict(extra="allow")
    type: str = "function"
    function: Fields | None = None

    def flat(self) -> Fields:
        """As a realtime session has it, so that a responder need not know where it is asked."""
        inside = self.model_extra if self.function is None else self.function
        return {"type": self.type, **(inside or {})}


class _Chat(SaidBody):
    messages: list[_Message] = Field(min_length=1)
    modalities: list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Any = None
    max_tokens: int | None = Field(None, gt=0)
    max_completion_tokens: int | None = Field(None, gt=0)

    def turn(self) -> Turn:
        """What is to be answered: what was said since the assistant last spoke."""
        new: list[_Message] = []
        for message in reversed(self.messages):
            if message.role == "assistant":
                break
            new.insert(0, message)
        users = [message for message in new if message.role == "user"]
        audio = b"".join(message.sound for message in users)
        tools = () if self.tool_choice == "none" else self.tools or ()
        return Turn(
            text=" ".join(message.text for message in users if message.text),
            audio=audio,
            speech_seconds=duration(audio),
            instructions="\n".join(message.text for message in self.messages if message.role in _INSTRUCTING),
            deployment=self.model,
            tools=tuple(tool.flat() for tool in tools),
            results={message.tool_call_id: message.text for message in new if message.role == "tool"},
        )


_INSTRUCTING = ("system", "developer")


async def create(question: Question) -> Answered:
    body = question.read(_Chat)
    if body.n not in (None, 1):
        raise cannot("it has one answer to a question, so n is 1", "n")
    if body.modalities not in (None, ["text"]):
        raise cannot("here it answers in text; audio/speech and realtime sessions speak", "modalities")
    turn, limit = body.turn(), body.max_completion_tokens or body.max_tokens
    heard = sum(count(message.text) for message in body.messages) + round(duration(turn.audio) * 10)
    saying = answer_to(question.house, turn, limit)
    about = {"id": f"chatcmpl-{new_id('')[1:]}", "created": int(time.time()), "model": body.model}
    about["system_fingerprint"] = "fp_emulator"
    if body.stream:
        told = _chunks(saying, about, heard, tells_usage=body.tells_usage)
        return await event_stream(told, done=True)
    text, calls, end = "", list[Fields](), End("stop", 0)
    async with aclosing(saying):
        async for said in saying:
            match said:
                case str():
                    text += said
                case FunctionCall():
                    calls.append(_call(said))
                case End():
                    end = said
    message: Fields = {"role": "assistant", "refusal": None, "annotations": []}
    message |= {"content": text or None, "tool_calls": calls} if calls else {"content": text}
    choice = {"index": 0, "finish_reason": end.reason, "logprobs": None, "message": message}
    return answered(
        {
            "object": "chat.completion",
            **about,
            "choices": [{**choice, "content_filter_results": _filtered(end)}],
            "prompt_filter_results": prompts_filtered(1),
            "usage": usage_of(heard, end.tokens),
        }
    )


async def _chunks(
    saying: AsyncGenerator[str | FunctionCall | End], about: Fields, heard: int, *, tells_usage: bool
) -> AsyncGenerator[Fields]:
    usage = {"usage": None} if tells_usage else dict[str, None]()

    def chunk(delta: Fields, filters: Fields | None = None, finish: str | None = None) -> Fields:
        choice: Fields = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        choice["content_filter_results"] = filters or {}
        return {"object": "chat.completion.chunk", **about, "choices": [choice], **usage}

    begun, calls, end = False, 0, End("stop", 0)
    async with aclosing(saying):
        async for said in saying:
            if not begun:
                begun = True
                # So does Azure begin: a chunk of nothing but what the filter says of the prompt.
                unnamed = {"id": "", "object": "", "created": 0, "model": ""}
                yield {**unnamed, "choices": [], "prompt_filter_results": prompts_filtered(1)}
                content = None if isinstance(said, FunctionCall) else ""
                yield chunk({"role": "assistant", "content": content, "refusal": None})
            match said:
                case str():
                    yield chunk({"content": said}, FILTERS)
                case FunctionCall():
                    call = _call(said)
                    named = {"name": said.name, "arguments": ""}
                    yield chunk({"tool_calls": [{"index": calls, **call, "function": named}]})
                    for piece in pieces_of(call["function"]["arguments"]):
                        yield chunk({"tool_calls": [{"index": calls, "function": {"arguments": piece}}]})
                    calls += 1
                case End():
                    end = said
    yield chunk({}, _filtered(end) if end.reason == "content_filter" else None, end.reason)
    if tells_usage:
        yield {"object": "chat.completion.chunk", **about, "choices": [], "usage": usage_of(heard, end.tokens)}


def _call(said: FunctionCall) -> Fields:
    return {
        "id": f"call_{new_id('')[1:]}",
        "type": "function",
        "function": {"name": said.name, "arguments": said.arguments},
    }


def _filtered(end: End) -> Fields:
    if end.reason != "content_filter":
        return FILTERS
    return {**FILTERS, "violence": {"filtered": True, "severity": "medium"}}
