"""Chat completions: messages in, a message out, whole or as it is said.

Source: the specification of Azure OpenAI's inference (2024-10-21, 2025-04-01-preview, v1).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack, overload

from pydantic import Field

from ..events._base import Part
from .call import Caller, CallOptions, Verb, given
from .result import CompletionUsage, ContentFilterResults, PromptFilterResult, Result
from .stream import Stream

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | str


class FunctionCalled(Part):
    """A function that the model wants called, with its *arguments* as JSON text."""

    name: str | None = None
    arguments: str | None = None


class CustomCalled(Part):
    """A tool with free text that the model wants called."""

    name: str | None = None
    input: str | None = None


class ToolCall(Part):
    """A call of a tool; in a stream, a piece of the call number *index*."""

    index: int | None = None
    id: str | None = None
    type: Literal["function", "custom"] | str | None = None
    function: FunctionCalled | None = None
    custom: CustomCalled | None = None


class ChatAudio(Part):
    """What a model that speaks said: *data* is base64, of the format that was asked for."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class ChatCompletionMessage(Part):
    """What the model said. May go back into `messages` as it is."""

    role: Literal["assistant"] | str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCalled | None = None
    audio: ChatAudio | None = None
    annotations: list[dict[str, Any]] | None = None
    context: dict[str, Any] | None = None
    """What Azure's `data_sources` found."""


class TokenLogprob(Part):
    """How likely a token was: the logarithm of its probability."""

    token: str | None = None
    bytes: list[int] | None = None
    logprob: float | None = None
    top_logprobs: list["TokenLogprob"] | None = None


class ChoiceLogprobs(Part):
    """How likely each token was, of the text or of what was said instead of one."""

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class Choice(Part):
    """One answer: *finish_reason* says why it ended."""

    index: int | None = None
    finish_reason: FinishReason | None = None
    message: ChatCompletionMessage | None = None
    logprobs: ChoiceLogprobs | None = None
    content_filter_results: ContentFilterResults | None = None


class ChatCompletion(Result):
    """The answer of a chat; *created* is in seconds since 1970."""

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    choices: list[Choice] = Field(default_factory=list[Choice])
    usage: CompletionUsage | None = None
    prompt_filter_results: list[PromptFilterResult] | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None

    @property
    def text(self) -> str:
        """What the first choice says, or an empty text."""
        message = self.choices[0].message if self.choices else None
        return (message.content if message else None) or ""


class ChoiceDelta(Part):
    """What a chunk adds to the message."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCalled | None = None
    audio: ChatAudio | None = None


class FilterOffsets(Part):
    """Which part of the text Azure's asynchronous filter has looked at, in characters."""

    check_offset: int | None = None
    start_offset: int | None = None
    end_offset: int | None = None


class ChunkChoice(Part):
    """A piece of one answer; of Azure's asynchronous filter, one with nothing but what the filter says."""

    index: int | None = None
    delta: ChoiceDelta | None = None
    finish_reason: FinishReason | None = None
    logprobs: ChoiceLogprobs | None = None
    content_filter_results: ContentFilterResults | None = None
    content_filter_offsets: FilterOffsets | None = None


class ChatCompletionChunk(Part):
    """A piece of an answer. Azure's first has no choices: it says what the filter made of the prompt."""

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    choices: list[ChunkChoice] = Field(default_factory=list[ChunkChoice])
    usage: CompletionUsage | None = None
    prompt_filter_results: list[PromptFilterResult] | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None

    @property
    def text(self) -> str:
        """What it adds to the first answer's text, or an empty text."""
        for choice in self.choices:
            if not choice.index:
                return (choice.delta.content if choice.delta else None) or ""
        return ""


class ChatOptions(CallOptions, total=False):
    """What a chat's answer may be told; the words are the service's."""

    audio: Mapping[str, Any]
    data_sources: Iterable[Mapping[str, Any]]
    frequency_penalty: float | None
    function_call: str | Mapping[str, Any]
    functions: Iterable[Mapping[str, Any]]
    logit_bias: Mapping[str, int] | None
    logprobs: bool | None
    max_completion_tokens: int | None
    max_tokens: int | None
    metadata: Mapping[str, str] | None
    modalities: list[str] | None
    moderation: Mapping[str, Any] | None
    n: int | None
    parallel_tool_calls: bool
    prediction: Mapping[str, Any] | None
    presence_penalty: float | None
    prompt_cache_key: str
    prompt_cache_options: Mapping[str, Any]
    prompt_cache_retention: str | None
    reasoning_effort: str | None
    response_format: Mapping[str, Any]
    safety_identifier: str
    seed: int | None
    service_tier: str | None
    stop: str | list[str] | None
    store: bool | None
    stream_options: Mapping[str, Any] | None
    temperature: float | None
    tool_choice: str | Mapping[str, Any]
    tools: Iterable[Mapping[str, Any]]
    top_logprobs: int | None
    top_p: float | None
    user: str
    user_security_context: Mapping[str, Any]
    verbosity: str | None
    web_search_options: Mapping[str, Any]


_CREATE = Verb("chat/completions", ChatOptions, deployed=True, has_model=True)
Messages = Iterable[Mapping[str, Any] | ChatCompletionMessage]


class ChatCompletions:
    """`client.chat.completions`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        messages: Messages,
        model: str | None = None,
        stream: Literal[False] | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion: ...
    @overload
    async def create(
        self,
        *,
        messages: Messages,
        model: str | None = None,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> Stream[ChatCompletionChunk]: ...
    async def create(
        self,
        *,
        messages: Messages,
        model: str | None = None,
        stream: bool | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """What the deployment *model* answers to *messages*: whole, or, with *stream*, in chunks as it is said.

        Raises `StatusError` where the service refuses (`ContentFiltered` for a prompt against its policy), and other
        `ConnectError`s where it cannot be reached. Cancelled, the request is given up, and its connection closed.
        """
        body = given(messages=list(messages), model=model, stream=stream)
        if stream:
            return await self._caller.events(_CREATE, ChatCompletionChunk, options, body=body, says_done=True)
        return await self._caller.result(_CREATE, ChatCompletion, options, body=body)


class Chat:
    """`client.chat`."""

    def __init__(self, caller: Caller) -> None:
        self.completions = ChatCompletions(caller)
