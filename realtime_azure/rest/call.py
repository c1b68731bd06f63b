"""From a verb's arguments to a request, and from its answer to a result: what all verbs have in common."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Any, TypedDict, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from .._handshake import fit_headers
from ..auth import Credential
from ..endpoint import Endpoint
from ..errors import ConfigurationError
from .exchange import Ask, Exchange, Timeouts
from .result import adapter, is_tolerant, read, salvage
from .stream import Sound, Stream
from .upload import File, opened

T = TypeVar("T")
Fields = dict[str, Any]
NamedFiles = Sequence[tuple[str, File]]


class CallOptions(TypedDict, total=False):
    """What any call may be told besides.

    *extra_body* are fields that are newer than this version, and win; *extra_query* and *extra_headers* are added to
    the URL and the headers. *timeout* is in seconds, for all of the call, or `Timeouts`; *max_retries* is how many
    attempts may follow the first. Both replace the client's own.
    """

    extra_body: Mapping[str, Any]
    extra_query: Mapping[str, str]
    extra_headers: Mapping[str, str]
    timeout: float | Timeouts
    max_retries: int


_OF_CALLS = frozenset(CallOptions.__annotations__)


@dataclass(frozen=True)
class Verb:
    """One call of the service: a *method* and a *path*, under a deployment or not; what it takes is in *options*."""

    path: str
    options: type[Any] = CallOptions
    method: str = "POST"
    deployed: bool = False
    """Whether the dated form has the deployment in its path."""
    has_model: bool = False
    """Whether the body says which deployment."""

    def split(self, options: Mapping[str, Any]) -> tuple[Fields, Fields]:
        """*options* as fields of the body, and as what the call is told besides. Raises `TypeError` for others."""
        for name in options:
            if name not in self.options.__annotations__:
                raise TypeError(f"{self.path}: there is no argument {name!r}; a newer field goes into extra_body=")
        fields = {name: value for name, value in options.items() if name not in _OF_CALLS}
        rest = {name: value for name, value in options.items() if name in _OF_CALLS}
        return fields, rest

    def of(self, **names: str) -> Verb:
        """This verb with *names* in its path, which are ids."""
        filled: dict[str, str] = {}
        for name, value in names.items():
            if value in ("", ".", ".."):
                raise ConfigurationError(f"{name}: {value!r} is none")
            filled[name] = quote(value, safe="", errors="surrogateescape")
        return Verb(self.path.format(**filled), self.options, self.method, self.deployed, self.has_model)


class Caller:
    """Where the verbs of a client meet its exchange."""

    def __init__(
        self, endpoint: Endpoint, exchange: Exchange, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> None:
        self.endpoint = endpoint
        self._exchange = exchange
        self._query = dict(query)
        self._headers = dict(headers)
        self._urls: dict[tuple[str, str | None], httpx2.URL] = {}

    async def call(
        self,
        verb: Verb,
        options: Mapping[str, Any],
        *,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        files: NamedFiles = (),
        content: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        credential: Credential | None = None,
        deployment: str | None = None,
        stream: bool = False,
    ) -> httpx2.Response:
        """The answer to *verb*, with *body* (an object, where more belongs into it) as JSON, or a *form* with *files*.

        Read whole, unless it is a *stream*, which is then the caller's to close.
        """
        fields, rest = verb.split(options)
        said: Any = form if body is None else body
        if isinstance(said, Mapping):
            said = {**said, **fields}
            if verb.has_model:
                said["model"] = self.deployment(said.get("model"))
            if verb.deployed:
                deployment = said["model"]
        said = _with_more(said, rest.get("extra_body"), content)
        async with AsyncExitStack() as stack:
            parts = [
                (name, await stack.enter_async_context(opened(each, name.removesuffix("[]")))) for name, each in files
            ]
            replayable = not isinstance(content, AsyncIterable) and all(part.replayable for _, part in parts)
            ask = Ask(
                verb.method,
                self._url(verb.path, deployment, rest.get("extra_query")),
                {**self._headers, **(headers or {}), **fit_headers(rest.get("extra_headers", {}))},
                body=None if said is None or form is not None else as_json(said),
                fields=None if said is None or form is None else dict(form_fields(said)),
                files=[(name, part.part) for name, part in parts] or None,
                content=content,
                replayable=replayable,
                credential=credential,
            )
            return await self._exchange.ask(
                ask,
                timeouts=Timeouts.of(rest.get("timeout"), self._exchange.timeouts),
                max_retries=rest.get("max_retries", self._exchange.max_retries),
                stream=stream,
            )

    async def result(self, verb: Verb, result: type[T], options: Mapping[str, Any], **what: Any) -> T:
        """The answer to *verb* as a *result*: a model, `bytes`, `str`, or what else pydantic reads."""
        return read_answer(result, await self.call(verb, options, **what))

    async def events(
        self,
        verb: Verb,
        event: type[T],
        options: Mapping[str, Any],
        *,
        is_last: Callable[[T], bool] | None = None,
        says_done: bool = False,
        whole: str | None = None,
        **what: Any,
    ) -> Stream[T]:
        """The events of the answer to *verb*; of one that comes whole all the same, a single one, of type *whole*."""
        for name in ("body", "form"):
            if isinstance(what.get(name), Mapping):
                what[name] = {**what[name], "stream": True}
        response = await self.call(verb, options, stream=True, **what)
        made = Stream(response, reader_of(event, response), done=says_done, is_last=is_last)
        if whole is not None and "json" in response.headers.get("content-type", ""):
            await made.take_whole(whole)
        return made

    async def sound(self, verb: Verb, options: Mapping[str, Any], **what: Any) -> Sound:
        """The answer to *verb* as it comes."""
        return Sound(await self.call(verb, options, stream=True, **what))

    def deployment(self, model: str | None) -> str:
        """The deployment that *model* names, else the client's own."""
        name = self.endpoint.deployment if model is None else model
        if not isinstance(name, str) or not name:
            raise ConfigurationError(
                "no deployment: pass model='NAME', or deployment= to RestClient, or set AZURE_OPENAI_DEPLOYMENT_NAME "
                "(or AZURE_OPENAI_DEPLOYMENT)"
            )
        return name

    def _url(self, path: str, deployment: str | None, query: Mapping[str, str] | None) -> httpx2.URL:
        known = None if query else self._urls.get((path, deployment))
        if known is not None:
            return known
        more = {**self._query, **(query or {})}
        if deployment is None:
            url = httpx2.URL(self.endpoint.resource_url(path, query=more))
        else:
            url = httpx2.URL(self.endpoint.deployment_url(path, deployment=deployment, query=more))
        if not query and len(self._urls) < 1000:  # there are ids in some
            self._urls[path, deployment] = url
        return url


def _with_more(said: Any, more: Mapping[str, Any] | None, content: object) -> Any:
    """The body *said*, and *more*; where there is none, that alone. Raises where that has no place in it."""
    if not more:
        return said
    if content is not None or not isinstance(said, Mapping | None):
        raise ConfigurationError("extra_body: there is no JSON object and no form to add it to")
    return {**(said or {}), **more}


def given(**fields: Any) -> Fields:
    """The *fields* that are not None: what was not said is not sent."""
    return {name: value for name, value in fields.items() if value is not None}


def read_answer(result: type[T], response: httpx2.Response) -> T:
    """*response* as a *result*."""
    made: Any
    if result is bytes:
        made = response.content
    elif result is str:
        made = response.text
    else:
        made = read(result, response.content, response.headers)
    return made  # type: ignore[no-any-return]  # of the type that was asked for


def reader_of(event: type[T], response: httpx2.Response) -> Callable[[bytes], T]:
    """What makes an *event* of its data, whatever is in it."""
    kind: Any = event
    if kind is bytes or kind is str:
        return lambda said: said if kind is bytes else said.decode("utf-8", "replace")  # type: ignore[return-value]  # T
    reader = adapter(kind)
    validate = reader.validator.validate_json

    def read_event(said: bytes) -> T:
        try:
            made: T = validate(said)
        except ValueError:
            if not is_tolerant(kind):
                return read(event, said, response.headers)  # which says what is wrong
            made, _ = salvage(reader, said, response.headers)
        return made

    return read_event


_NO_JSON = "this is no JSON"


def as_json(value: Any) -> bytes:
    """*value*, in which there may be results and other models, as JSON; of those, what is set."""
    try:
        return to_json(_plain(value))
    except (PydanticSerializationError, RecursionError) as exc:
        raise ConfigurationError(f"{_NO_JSON}: {exc}") from None


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case str() | int() | None:
            return value
        case BaseModel():
            return value.model_dump(mode="json", exclude_unset=True)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case bytes() | bytearray() | memoryview():
            raise ConfigurationError(f"{_NO_JSON}: there are bytes in it; write them in base64")
        case float() if not isfinite(value):
            raise ConfigurationError(f"{_NO_JSON}: {value} is no number there")
        case Iterable():
            return [_plain(each) for each in value]
        case _:
            return value


def form_fields(fields: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """*fields* as those of a form, as OpenAI's SDKs write them: `name[]` for a list, `name[key]` for an object."""
    for key, value in fields.items():
        name = f"{within}[{key}]" if within else key
        match value:
            case None:
                pass
            case Mapping():
                yield from form_fields(value, name)
            case list() | tuple():
                yield f"{name}[]", [_text(name, each) for each in value if each is not None]
            case _:
                yield name, _text(name, value)


def _text(name: str, value: Any) -> str:
    """*value* of the field *name*, as a form has it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case bytes() | bytearray() | memoryview() | Mapping() | list() | tuple() | BaseModel():
            raise ConfigurationError(f"{name}: a form has no place here for {type(value).__name__}")
        case _:
            return str(value)
