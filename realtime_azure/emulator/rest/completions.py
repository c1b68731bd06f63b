"""Completions, older than the chat: prompts in, texts out, in one or word by word."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import BaseModel, Field

from ..answer import Fields, new_id
from ..responder import FunctionCall, Turn
from .exchange import FILTERS, Answered, ModelBody, Question, answered, cannot, event_stream
from .words import End, answer_to, count


class _Options(BaseModel):
    include_usage: bool = False


class SaidBody(ModelBody):
    """A question whose answer may come word by word."""

    stream: bool | None = None
    stream_options: _Options | None = None
    n: int | None = None

    @property
    def tells_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


def usage_of(heard: int, said: int) -> Fields:
    return {
        "prompt_tokens": heard,
        "completion_tokens": said,
        "total_tokens": heard + said,
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
        "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 0},
    }


def prompts_filtered(number: int) -> list[Fields]:
    """What Azure's filter says of so many prompts."""
    return [{"prompt_index": at, "content_filter_results": FILTERS} for at in range(number)]


class _Completion(SaidBody):
    prompt: str | list[str] = "<|endoftext|>"
    max_tokens: int | None = Field(None, gt=0)


async def create(question: Question) -> Answered:
    """One answer to each prompt."""
    body = question.read(_Completion)
    if body.n not in (None, 1):
        raise cannot("it has one answer to a prompt, so n is 1", "n")
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    about: Fields = {"id": f"cmpl-{new_id('')[1:]}", "object": "text_completion", "created": int(time.time())}
    about["model"] = body.model
    told = _completed(question, body, prompts, about)
    if body.stream:
        return await event_stream(told, done=True)
    choices, usage = [_choice(at, "", None) for at in range(len(prompts))], usage_of(0, 0)
    async with aclosing(told):
        async for fields in told:
            for choice in fields["choices"]:
                known = choices[choice["index"]]
                known["text"] += choice["text"]
                known["finish_reason"] = choice["finish_reason"]
                known["content_filter_results"] = known["content_filter_results"] | choice["content_filter_results"]
            usage = fields.get("usage") or usage
    filters = prompts_filtered(len(prompts))
    return answered({**about, "choices": choices, "prompt_filter_results": filters, "usage": usage})


async def _completed(
    question: Question, body: _Completion, prompts: list[str], about: Fields
) -> AsyncGenerator[Fields]:
    heard, spent, begun = sum(map(count, prompts)), 0, False
    for at, prompt in enumerate(prompts):
        turn = Turn(text=prompt, deployment=body.model)
        async with aclosing(answer_to(question.house, turn, body.max_tokens)) as saying:
            async for said in saying:
                if not begun:
                    begun = True
                    yield {**about, "choices": [], "prompt_filter_results": prompts_filtered(len(prompts))}
                match said:
                    case str():
                        yield {**about, "choices": [_choice(at, said, None, FILTERS)]}
                    case End():
                        spent += said.tokens
                        reason = "stop" if said.reason == "tool_calls" else said.reason
                        yield {**about, "choices": [_choice(at, "", reason)]}
                    case FunctionCall():
                        pass  # there were none yet
    if body.tells_usage or not body.stream:
        yield {**about, "choices": [], "usage": usage_of(heard, spent)}


def _choice(index: int, text: str, reason: str | None, filters: Fields | None = None) -> Fields:
    said: Fields = {"index": index, "text": text, "finish_reason": reason, "logprobs": None}
    return {**said, "content_filter_results": filters or {}}
