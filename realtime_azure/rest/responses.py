"""The Responses API: what the chat does, in items, whole or told in typed events.

Source: the specification of Azure OpenAI v1, and OpenAI's SDK for the events.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack, overload

from pydantic import Field

from ..events._base import Part
from .call import Caller, CallOptions, Verb, given
from .result import ContentFilterResults, Result, Usage
from .stream import Stream


class ResponseError(Part):
    """Why a response failed, in the service's words."""

    code: str | None = None
    message: str | None = None


class IncompleteDetails(Part):
    """Why a response is not all that it could have been."""

    reason: Literal["max_output_tokens", "content_filter"] | str | None = None


class OutputContent(Part):
    """A part of a message: `output_text` or `refusal`."""

    type: Literal["output_text", "refusal"] | str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None


class OutputItem(Part):
    """A piece of the output: a `message`, a `function_call`, `reasoning`, or what else *type* says.

    May go back into `input` as it is.
    """

    type: Literal["message", "function_call", "reasoning"] | str | None = None
    id: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[OutputContent] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    summary: list[dict[str, Any]] | None = None


class ContentFilter(Part):
    """What Azure's content filters say of the prompt, or of what was said."""

    source_type: Literal["prompt", "completion"] | str | None = None
    blocked: bool | None = None
    content_filter_results: ContentFilterResults | None = None


class Response(Result):
    """A response; times are seconds since 1970."""

    id: str | None = None
    object: str | None = None
    created_at: float | None = None
    status: Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"] | str | None = None
    model: str | None = None
    output: list[OutputItem] = Field(default_factory=list[OutputItem])
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: Any = None
    metadata: dict[str, str] | None = None
    previous_response_id: str | None = None
    usage: Usage | None = None
    content_filters: list[ContentFilter] | None = None

    @property
    def output_text(self) -> str:
        """All the text that it says."""
        messages = [item.content or [] for item in self.output if item.type == "message"]
        return "".join(part.text or "" for parts in messages for part in parts if part.type == "output_text")


class ResponseEvent(Part):
    """A piece of news of a response: *type* says which, and the fields that it has are set.

    `response.output_text.delta` adds *delta* to the part *content_index* of the item *output_index*;
    `response.completed`, `.failed` and `.incomplete`, the last ones, have the whole *response*.
    """

    type: (
        Literal[
            "response.created",
            "response.in_progress",
            "response.completed",
            "response.failed",
            "response.incomplete",
            "response.output_item.added",
            "response.output_item.done",
            "response.content_part.added",
            "response.content_part.done",
            "response.output_text.delta",
            "response.output_text.done",
            "response.refusal.delta",
            "response.refusal.done",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
        ]
        | str
        | None
    ) = None
    sequence_number: int | None = None
    response: Response | None = None
    item: OutputItem | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    part: OutputContent | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None
    arguments: str | None = None


class ResponseDeleted(Result):
    """Whether the response *id* is gone."""

    id: str | None = None
    object: str | None = None
    deleted: bool | None = None


class ResponseOptions(CallOptions, total=False):
    """What a response may be told; the words are the service's."""

    background: bool | None
    context_management: Iterable[Mapping[str, Any]] | None
    conversation: str | Mapping[str, Any] | None
    include: list[str] | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: Mapping[str, str] | None
    moderation: Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    previous_response_id: str | None
    prompt: Mapping[str, Any] | None
    prompt_cache_key: str
    prompt_cache_options: Mapping[str, Any]
    prompt_cache_retention: str | None
    reasoning: Mapping[str, Any] | None
    safety_identifier: str
    service_tier: str | None
    store: bool | None
    stream_options: Mapping[str, Any] | None
    temperature: float | None
    text: Mapping[str, Any]
    tool_choice: str | Mapping[str, Any]
    tools: Iterable[Mapping[str, Any]]
    top_logprobs: int | None
    top_p: float | None
    truncation: str | None
    user: str


_CREATE = Verb("responses", ResponseOptions, has_model=True)
_ONE = Verb("responses/{response_id}", method="GET")
_DELETE = Verb("responses/{response_id}", method="DELETE")
Input = str | Iterable[Mapping[str, Any] | OutputItem]


class Responses:
    """`client.responses`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        input: Input | None = None,
        model: str | None = None,
        stream: Literal[False] | None = None,
        **options: Unpack[ResponseOptions],
    ) -> Response: ...
    @overload
    async def create(
        self,
        *,
        input: Input | None = None,
        model: str | None = None,
        stream: Literal[True],
        **options: Unpack[ResponseOptions],
    ) -> Stream[ResponseEvent]: ...
    async def create(
        self,
        *,
        input: Input | None = None,  # noqa: A002 - the service's word
        model: str | None = None,
        stream: bool | None = None,
        **options: Unpack[ResponseOptions],
    ) -> Response | Stream[ResponseEvent]:
        """What the deployment *model* answers to *input*, a text or items: whole, or, with *stream*, in events.

        Raises `ConnectError`, of which `StatusError` is what the service refuses with.
        """
        said = input if input is None or isinstance(input, str) else list(input)
        body = given(input=said, model=model, stream=stream)
        if stream:
            return await self._caller.events(_CREATE, ResponseEvent, options, is_last=_is_last, body=body)
        return await self._caller.result(_CREATE, Response, options, body=body)

    async def retrieve(self, response_id: str, **options: Unpack[CallOptions]) -> Response:
        """The response that was kept under *response_id*. Raises `ConnectError`, of which `NotFound` is one."""
        return await self._caller.result(_ONE.of(response_id=response_id), Response, options)

    async def delete(self, response_id: str, **options: Unpack[CallOptions]) -> ResponseDeleted:
        """Deletes it. Raises `ConnectError`."""
        return await self._caller.result(_DELETE.of(response_id=response_id), ResponseDeleted, options)


def _is_last(event: ResponseEvent) -> bool:
    return event.type in ("response.completed", "response.failed", "response.incomplete")
