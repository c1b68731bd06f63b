"""Completions, older than the chat: a prompt in, a text out, whole or as it is said.

Source: the specification of Azure OpenAI's inference (2024-10-21).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack, overload

from pydantic import Field

from ..events._base import Part
from .call import Caller, CallOptions, Verb, given
from .result import CompletionUsage, ContentFilterResults, PromptFilterResult, Result
from .stream import Stream


class CompletionLogprobs(Part):
    """How likely each token was; *text_offset* is where in the text it begins, in characters."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None


class CompletionChoice(Part):
    """One text, or a piece of it."""

    index: int | None = None
    text: str | None = None
    finish_reason: Literal["stop", "length", "content_filter"] | str | None = None
    logprobs: CompletionLogprobs | None = None
    content_filter_results: ContentFilterResults | None = None


class Completion(Result):
    """The text, or, of a stream, a piece of it."""

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    choices: list[CompletionChoice] = Field(default_factory=list[CompletionChoice])
    usage: CompletionUsage | None = None
    prompt_filter_results: list[PromptFilterResult] | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """What the first choice says, or an empty text."""
        return (self.choices[0].text if self.choices else None) or ""


class CompletionOptions(CallOptions, total=False):
    """What a completion may be told; the words are the service's."""

    best_of: int | None
    echo: bool | None
    frequency_penalty: float | None
    logit_bias: Mapping[str, int] | None
    logprobs: int | None
    max_tokens: int | None
    n: int | None
    presence_penalty: float | None
    seed: int | None
    stop: str | list[str] | None
    stream_options: Mapping[str, Any] | None
    suffix: str | None
    temperature: float | None
    top_p: float | None
    user: str


_CREATE = Verb("completions", CompletionOptions, deployed=True, has_model=True)
Prompt = str | Iterable[str] | Iterable[int] | Iterable[Iterable[int]]


class Completions:
    """`client.completions`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        prompt: Prompt,
        model: str | None = None,
        stream: Literal[False] | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Completion: ...
    @overload
    async def create(
        self,
        *,
        prompt: Prompt,
        model: str | None = None,
        stream: Literal[True],
        **options: Unpack[CompletionOptions],
    ) -> Stream[Completion]: ...
    async def create(
        self,
        *,
        prompt: Prompt,
        model: str | None = None,
        stream: bool | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Completion | Stream[Completion]:
        """How the deployment *model* goes on from *prompt*, a text, texts, or tokens; with *stream*, in pieces.

        Raises `ConnectError`, of which `StatusError` is what the service refuses with.
        """
        body = given(prompt=prompt if isinstance(prompt, str) else list(prompt), model=model, stream=stream)
        if stream:
            return await self._caller.events(_CREATE, Completion, options, body=body, says_done=True)
        return await self._caller.result(_CREATE, Completion, options, body=body)
