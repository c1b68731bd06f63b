"""What every result has in common: tolerant reading, what came with it, and what Azure's content filter says.

As in `realtime_azure.events`, there is no `from __future__ import annotations` where models are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ..errors import AnswerError, request_id_of
from ..events._base import Part
from ..events._salvage import Path, take_out, unreadable

T = TypeVar("T")
_set = object.__setattr__  # results are frozen for everybody else
_NONE: Mapping[str, str] = MappingProxyType({})
_JSON = frozenset('{["')
_NUMBER = re.compile(r"([0-9.]+)\s*(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class RateLimits:
    """What the headers of an answer say of the deployment's quota; None where they do not.

    Azure's quota page: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`. *reset* is in seconds.
    """

    limit_requests: int | None = None
    limit_tokens: int | None = None
    remaining_requests: int | None = None
    remaining_tokens: int | None = None
    reset_requests: float | None = None
    reset_tokens: float | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "RateLimits":
        """What *headers*, whose names may be in any case if they are httpx2's, say."""
        said = {
            f"{name}_{what}": headers.get(f"x-ratelimit-{name}-{what}", "")
            for name in ("limit", "remaining", "reset")
            for what in ("requests", "tokens")
        }
        numbers: dict[str, Any] = {
            name: _seconds(value) if name.startswith("reset") else _count(value) for name, value in said.items()
        }
        return cls(**numbers)


def _count(said: str) -> int | None:
    return int(said) if said.isdecimal() and len(said) < 20 else None


def _seconds(said: str) -> float | None:
    """The seconds of `6m0s`, `20ms`, `1.5`."""
    found = _NUMBER.findall(said)
    if not found or _NUMBER.sub("", said).strip():
        return None
    try:
        return sum(float(number) * _UNITS[unit] for number, unit in found)
    except ValueError:
        return None


class Filter(Part):
    """What one of Azure's content filters found."""

    filtered: bool | None = None
    """Whether it kept the text back."""
    severity: Literal["safe", "low", "medium", "high"] | str | None = None
    detected: bool | None = None


class ContentFilterResults(Part):
    """What Azure's content filters say of a prompt, or of an answer, a filter each (Azure's content filtering page).

    A filter that is newer than this version is an attribute as well: a plain mapping.
    """

    hate: Filter | None = None
    self_harm: Filter | None = None
    sexual: Filter | None = None
    violence: Filter | None = None
    profanity: Filter | None = None
    jailbreak: Filter | None = None
    indirect_attack: Filter | None = None
    protected_material_text: Filter | None = None
    protected_material_code: Filter | None = None
    error: dict[str, Any] | None = None
    """Why they did not run: the answer went out without."""

    @property
    def filtered(self) -> bool:
        """Whether any of them kept the text back, newer ones and lists of them (`custom_blocklists`) among them."""
        newer = self.model_extra or {}
        return any(map(_kept_back, (*self.__dict__.values(), *newer.values())))


def _kept_back(found: Any) -> bool:
    match found:
        case Filter():
            return bool(found.filtered)
        case dict():
            return found.get("filtered") is True
        case list():
            return any(map(_kept_back, found))
        case _:
            return False


class PromptFilterResult(Part):
    """What the content filters say of the prompt number *prompt_index* (from 0)."""

    prompt_index: int | None = None
    content_filter_results: ContentFilterResults | None = None


class TokensDetails(Part):
    """Of which tokens there were how many."""

    audio_tokens: int | None = None
    cached_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    reasoning_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class CompletionUsage(Part):
    """Tokens that a completion, a chat's answer or embeddings took."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: TokensDetails | None = None
    completion_tokens_details: TokensDetails | None = None


class Usage(Part):
    """Tokens, or seconds, that a response, a transcription or an image took."""

    type: Literal["tokens", "duration"] | str | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: TokensDetails | None = None
    input_token_details: TokensDetails | None = None
    output_tokens_details: TokensDetails | None = None


class Result(Part):
    """One answer of the service. What this version does not know is kept, and readable as an attribute.

    `raw` is the body as it came, `headers` and what is made of them came with it; a copy or a pickle loses them.
    `problems` says what in the body could not be read and was left unset.
    """

    __slots__ = ("_headers", "_problems", "_raw")

    @property
    def raw(self) -> bytes:
        """The body as it was received, or `b""`."""
        return _slot(self, "_raw", b"")

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers; names in any case."""
        return _slot(self, "_headers", _NONE)

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read and was left unset, one path and reason each."""
        return _slot(self, "_problems", ())

    @property
    def request_id(self) -> str | None:
        """What Azure's support asks for: `apim-request-id`, else `x-request-id`."""
        return request_id_of(self.headers)

    @property
    def rate_limits(self) -> RateLimits:
        """What is left of the deployment's quota."""
        return RateLimits.of(self.headers)


def _slot(result: Result, name: str, otherwise: T) -> T:
    # object.__getattribute__: pydantic's own lookup would find a field of the answer that has the slot's name.
    try:
        value: T = object.__getattribute__(result, name)
    except AttributeError:
        return otherwise
    return value


@lru_cache(maxsize=256)
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What reads *kind*, made once."""
    reader: TypeAdapter[Any] = TypeAdapter(kind)
    reader.rebuild()
    return reader


def read(kind: type[T], body: bytes, headers: Mapping[str, str]) -> T:
    """The *kind* (a model, or any type that pydantic reads) in *body*, one JSON text.

    What a `Result` cannot read of it is left unset, and named in its `problems`; a model of the caller's own is read
    as it says itself. Raises `AnswerError` where nothing can be read: a page of a gateway's, say.
    """
    asked: Any = kind
    reader = adapter(asked)
    problems: tuple[str, ...] = ()
    try:
        made: T = reader.validate_json(body)
    except ValidationError as exc:
        if not is_tolerant(asked):
            said = f"the answer is no {asked}: {_explained(exc)}"
            raise AnswerError(said, request_id=request_id_of(headers), body=body) from None
        made, problems = salvage(reader, body, headers)
    return came_with(made, body, headers, problems) if isinstance(made, Result) else made


def is_tolerant(kind: Any) -> bool:
    """Whether a *kind* may lack any of its fields, as all of this package do."""
    return isinstance(kind, type) and issubclass(kind, Part)


R = TypeVar("R", bound=Result)


def came_with(made: R, body: bytes, headers: Mapping[str, str], problems: tuple[str, ...] = ()) -> R:
    """*made*, with what it was made of."""
    _set(made, "_raw", body)
    _set(made, "_headers", headers)
    _set(made, "_problems", problems)
    return made


def _explained(error: ValidationError) -> str:
    """Where it is wrong, without what is there."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'all of it'}: {each['msg']}" for each in wrong[:3])


def _no_object(body: bytes) -> str:
    """Why *body* is no JSON object. It shows a page's beginning, but nothing of JSON: a token may be in it."""
    shown = " ".join(body[:100].decode("utf-8", "replace").split())
    if not shown:
        return "the answer is empty"
    return f"the answer is not a JSON object{'' if shown[0] in _JSON else f': {shown!r}'}"


def salvage(reader: TypeAdapter[Any], body: bytes, headers: Mapping[str, str]) -> tuple[Any, tuple[str, ...]]:
    """What can be read of *body*, and what cannot: that is taken out until the rest can. Every field may be missing."""
    try:
        fields = from_json(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise AnswerError(_no_object(body), request_id=request_id_of(headers), body=body)
    problems: dict[Path, str] = {}
    while True:
        try:
            return reader.validate_json(to_json(fields, inf_nan_mode="constants")), tuple(problems.values())
        except ValidationError as exc:
            found = unreadable(fields, exc)
        if () in found:
            raise AnswerError(
                f"the answer is not what it should be: {found[()]}", request_id=request_id_of(headers), body=body
            )
        problems = found | problems  # the first word about a place stays: later ones may be of a list that has shrunk
        take_out(fields, found)
