"""The Responses API: what the chat does, told in typed events. The JSON answer is the response of the last of them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel, Field

from ..answer import Fields, new_id
from ..responder import FunctionCall, Turn
from .exchange import Answered, ModelBody, Question, Wrong, answered, event_stream, missing
from .words import End, answer_to, count, pieces_of


class _Part(BaseModel):
    type: str
    text: str = ""


class _Item(BaseModel):
    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    call_id: str = ""
    output: Any = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content if part.text)
        return self.content or ""


class _Response(ModelBody):
    input: str | list[_Item] | None = None
    instructions: str | None = None
    tools: list[Fields] = Field(default_factory=list[Fields])
    tool_choice: Any = "auto"
    max_output_tokens: int | None = Field(None, gt=0)
    metadata: dict[str, str] | None = None
    previous_response_id: str | None = None
    parallel_tool_calls: bool | None = True
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    store: bool | None = True
    stream: bool | None = None
    user: str | None = None

    def items(self) -> list[_Item]:
        return [_Item(role="user", content=self.input)] if isinstance(self.input, str) else self.input or []

    def turn(self) -> Turn:
        new: list[_Item] = []
        for item in reversed(self.items()):
            if item.role == "assistant" or item.type == "function_call":
                break
            new.insert(0, item)
        instructing = [item.text for item in self.items() if item.role in ("system", "developer")]
        return Turn(
            text=" ".join(item.text for item in new if item.role == "user" and item.text),
            instructions="\n".join([*([self.instructions] if self.instructions else []), *instructing]),
            deployment=self.model,
            tools=() if self.tool_choice == "none" else tuple(self.tools),
            results={item.call_id: str(item.output) for item in new if item.type == "function_call_output"},
        )


async def create(question: Question) -> Answered:
    body = question.read(_Response)
    if body.input is None:
        raise missing("input")
    before = body.previous_response_id
    if before is not None and before not in question.memory.responses:
        said = f"Previous response with id '{before}' not found."
        raise Wrong(400, "previous_response_not_found", said, "previous_response_id")
    told = _events(question, body)
    if body.stream:
        return await event_stream(told, named=True)
    last: Fields = {}
    async with aclosing(told):
        async for each in told:
            last = each
    return answered(last["response"])


async def retrieve(question: Question) -> Answered:
    return answered(_found(question))


async def delete(question: Question) -> Answered:
    response = _found(question)
    del question.memory.responses[response["id"]]
    return answered({"object": "response", "id": response["id"], "deleted": True})


def _found(question: Question) -> Fields:
    (response_id,) = question.names
    found = question.memory.responses.get(response_id)
    if found is None:
        raise Wrong(404, None, f"Response with id '{response_id}' not found.", "response_id")
    return found


async def _events(question: Question, body: _Response) -> AsyncGenerator[Fields]:
    heard = sum(count(item.text) for item in body.items()) + count(body.instructions or "")
    told = _Telling(_opening(body), heard)
    async with aclosing(answer_to(question.house, body.turn(), body.max_output_tokens)) as saying:
        try:
            async for said in saying:
                for event in told.tell(said):
                    yield event
        except Wrong as wrong:
            if not told.number:
                raise
            for event in told.fail(wrong):
                yield event
    if body.store is not False:
        question.memory.keep_response(told.response)


def _opening(body: _Response) -> Fields:
    echoed = body.model_dump(
        include={
            *("instructions", "tools", "tool_choice", "max_output_tokens", "metadata", "previous_response_id"),
            *("parallel_tool_calls", "temperature", "top_p", "store", "user"),
        }
    )
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "model": body.model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "usage": None,
        **echoed,
    }


class _Telling:
    """A *response* as it is told, in events that are counted."""

    def __init__(self, response: Fields, heard: int) -> None:
        self.response = response
        self.number = 0
        self._heard = heard
        self._output: list[Fields] = response["output"]

    def tell(self, said: str | FunctionCall | End) -> Iterator[Fields]:
        if not self.number:
            yield self._event("response.created", response=self.response)
            yield self._event("response.in_progress", response=self.response)
        match said:
            case str():
                yield from self._word(said)
            case FunctionCall():
                yield from self._call(said)
            case End():
                yield from self._end(said)

    def fail(self, wrong: Wrong) -> Iterator[Fields]:
        self.response |= {"status": "failed", "error": {"code": wrong.code or "server_error", "message": wrong.message}}
        yield self._event("response.failed", response=self.response)

    def _event(self, type: str, **fields: Any) -> Fields:  # noqa: A002 - the wire's word
        self.number += 1
        return {"type": type, "sequence_number": self.number - 1, **fields}

    def _about_item(self, kind: str, **fields: Any) -> Fields:
        return self._event(kind, item_id=self._output[-1]["id"], output_index=len(self._output) - 1, **fields)

    def _item(self, change: str, item: Fields) -> Fields:
        return self._event(f"response.output_item.{change}", output_index=len(self._output) - 1, item=item)

    def _word(self, word: str) -> Iterator[Fields]:
        if not self._output or self._output[-1]["status"] != "in_progress":
            item = {"type": "message", "id": new_id("msg"), "status": "in_progress", "role": "assistant"}
            part: Fields = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            self._output.append({**item, "content": [part]})
            yield self._item("added", {**item, "content": []})
            yield self._about_item("response.content_part.added", content_index=0, part=part)
        self._output[-1]["content"][0]["text"] += word
        yield self._about_item("response.output_text.delta", content_index=0, delta=word, logprobs=[])

    def _close(self, status: str) -> Iterator[Fields]:
        """Ends the message that is open, if one is."""
        if not self._output or self._output[-1]["status"] != "in_progress":
            return
        item = self._output[-1]
        item["status"] = status
        (part,) = item["content"]
        yield self._about_item("response.output_text.done", content_index=0, text=part["text"], logprobs=[])
        yield self._about_item("response.content_part.done", content_index=0, part=part)
        yield self._item("done", item)

    def _call(self, said: FunctionCall) -> Iterator[Fields]:
        yield from self._close("completed")
        item = {"type": "function_call", "id": new_id("fc"), "call_id": new_id("call"), "name": said.name}
        whole = {**item, "arguments": said.arguments, "status": "completed"}
        self._output.append(whole)
        yield self._item("added", {**item, "arguments": "", "status": "in_progress"})
        kind = "response.function_call_arguments"
        for piece in pieces_of(str(said.arguments)):
            yield self._about_item(f"{kind}.delta", delta=piece)
        yield self._about_item(f"{kind}.done", name=said.name, arguments=said.arguments)
        yield self._item("done", whole)

    def _end(self, end: End) -> Iterator[Fields]:
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(end.reason)
        status = "incomplete" if reason else "completed"
        yield from self._close(status)
        usage = {
            "input_tokens": self._heard,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": end.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._heard + end.tokens,
        }
        details = {"reason": reason} if reason else None
        self.response |= {"status": status, "incomplete_details": details, "usage": usage}
        yield self._event(f"response.{status}", response=self.response)
