"""What goes over HTTP: what was asked, what is answered, and how what is wrong is said. Pure.

An answer that is not there at once goes on in pieces. It has begun before it is sent: what fails before its first
piece is still an error with a status of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json, to_json
from websockets.datastructures import Headers

from ...errors import Refusal
from ..answer import Fields
from ..clock import Clock
from ..faults import Faults
from ..handshake import NO_SUCH_DEPLOYMENT, Door, refused, target_of
from ..responder import Responder, Speaker, Transcriber

FILTERS: Fields = {
    kind: {"filtered": False, "severity": "safe"} for kind in ("hate", "self_harm", "sexual", "violence")
}
"""What Azure's content filter says of what it lets through, which is everything here."""

LIMIT = 1_000_000_000
"""Requests, and tokens, a minute."""


class House(Protocol):
    """Who answers in this emulator, and who is let in."""

    @property
    def door(self) -> Door: ...
    @property
    def refusals(self) -> deque[Refusal]: ...
    @property
    def faults(self) -> Faults: ...
    @property
    def responder(self) -> Responder: ...
    @property
    def transcriber(self) -> Transcriber | None: ...
    @property
    def speaker(self) -> Speaker: ...
    @property
    def session_lifetime(self) -> float: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True)
class Answered:
    """A *body*, and what goes on after it, if it is not all of it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    rest: AsyncGenerator[bytes] | None = None


def answered(fields: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answered:
    """*fields* as JSON."""
    return Answered(status, to_json(fields), {"content-type": "application/json", **(headers or {})})


def refusing(refusal: Refusal) -> Answered:
    """*refusal* as it answers a handshake."""
    made = refused(refusal)
    # The length is what the body has, and for whoever sends it to say.
    headers = {name.lower(): value for name, value in made.headers.raw_items() if name.lower() != "content-length"}
    return Answered(made.status_code, bytes(made.body or b""), headers)


async def going_on(pieces: AsyncGenerator[bytes], content_type: str) -> Answered:
    """*pieces* as they come, the first of which is waited for."""
    return Answered(200, await anext(pieces, b""), {"content-type": content_type}, pieces)


async def event_stream(events: AsyncGenerator[Fields], *, named: bool = False, done: bool = False) -> Answered:
    """*events* as server-sent ones; with their types as names, and `[DONE]` behind the last, where that is so."""
    return await going_on(_sent(events, named, done), "text/event-stream")


async def _sent(events: AsyncGenerator[Fields], named: bool, done: bool) -> AsyncGenerator[bytes]:
    begun = False
    async with aclosing(events):
        try:
            async for fields in events:
                name = f"event: {fields['type']}\n".encode() if named else b""
                yield name + b"data: " + to_json(fields) + b"\n\n"
                begun = True
        except Wrong as wrong:
            if not begun:
                raise
            yield b"data: " + wrong.answered().body + b"\n\n"
            return
    if done:
        yield b"data: [DONE]\n\n"


class Wrong(Exception):
    """What is answered in Azure's envelope."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        param: str | None = None,
        *,
        kind: str = "invalid_request_error",
        inner: Fields | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.kind, self.inner, self.headers = kind, inner, headers

    def answered(self) -> Answered:
        error: Fields = {"code": self.code, "message": self.message, "param": self.param, "type": self.kind}
        if self.inner is not None:
            error |= {"innererror": self.inner, "status": self.status}
        return answered({"error": error}, self.status, self.headers)


class Denied(Exception):
    """What is answered as a handshake is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def cannot(what: str, param: str) -> Wrong:
    """For what the service can do and the emulator cannot: it says so, rather than do something else."""
    return Wrong(400, "emulator_cannot", f"This is the emulator of realtime_azure: {what}.", param)


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    def __repr__(self) -> str:
        return f"<{self.method} {self.path}>"  # a query may have a key

    @property
    def path(self) -> str:
        return target_of(self.target)[0]

    @property
    def query(self) -> dict[str, str]:
        return target_of(self.target)[1]

    @property
    def content_type(self) -> str:
        return ", ".join(self.headers.get_all("content-type"))

    @property
    def bearer(self) -> str:
        scheme, _, token = ", ".join(self.headers.get_all("authorization")).partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Upload:
    """A file in a form."""

    name: str
    content: bytes = field(repr=False)


class Body(BaseModel):
    """What a request says, as far as the emulator minds it."""

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    @classmethod
    def of(cls, asked: Asked) -> Self:
        """Raises `Wrong`."""
        form = asked.content_type.lower().startswith("multipart/form-data")
        try:
            fields: Any = form_of(asked) if form else from_json(asked.body)
        except ValueError:
            raise Wrong(400, None, "We could not parse the JSON body of your request.") from None
        try:
            # In a form everything is text.
            return cls.model_validate(fields, strict=not form)
        except ValidationError as exc:
            raise _wrong(exc) from exc


class ModelBody(Body):
    """A request to a deployment, which is named by the path or by this *model*."""

    model: str = ""


B = TypeVar("B", bound=ModelBody)


@dataclass
class Question:
    """A request that was let in, the *names* in its path, the *deployment* if the path has one, and who answers."""

    asked: Asked
    house: House
    memory: Memory
    names: tuple[str, ...] = ()
    deployment: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def read(self, kind: type[B]) -> B:
        """What is said to the deployment that the path or the body names. Raises `Wrong` or `Denied`."""
        body = kind.of(self.asked)
        if self.deployment:
            return body.model_copy(update={"model": self.deployment})
        if not body.model:
            raise missing("model")
        self.meet(body.model)
        return body

    def meet(self, deployment: str) -> None:
        """Raises `Denied` if there is no such *deployment*; else this request counts for its rate limits."""
        if not self.house.door.has(deployment):
            raise Denied(NO_SUCH_DEPLOYMENT)
        self.headers |= self.memory.counted(deployment, len(self.asked.body) // 4)


@dataclass
class Memory:
    """What an emulator keeps from one request to the next."""

    files: dict[str, tuple[Fields, bytes]] = field(default_factory=dict[str, tuple[Fields, bytes]])
    responses: dict[str, Fields] = field(default_factory=dict[str, Fields])
    secrets: dict[str, tuple[float, Fields]] = field(default_factory=dict[str, tuple[float, Fields]], repr=False)
    """Ephemeral token → when it expires, and the session it is for."""
    _spent: dict[str, tuple[int, int, int]] = field(default_factory=dict[str, tuple[int, int, int]])
    """Deployment → the minute, and the requests and tokens in it."""

    def counted(self, deployment: str, tokens: int) -> dict[str, str]:
        """A request of so many *tokens*, in the headers that say how many more there may be: so many that no limit
        is ever met."""
        now = int(time.time())
        minute, requests, spent = self._spent.get(deployment, (0, 0, 0))
        if minute != now // 60:
            minute, requests, spent = now // 60, 0, 0
        self._spent[deployment] = (minute, requests + 1, spent + tokens)
        left = {"requests": LIMIT - requests - 1, "tokens": LIMIT - spent - tokens}
        return {
            **{f"x-ratelimit-limit-{what}": str(LIMIT) for what in left},
            **{f"x-ratelimit-remaining-{what}": str(max(0, count)) for what, count in left.items()},
            **{f"x-ratelimit-reset-{what}": str(60 - now % 60) for what in left},
        }

    def keep_response(self, response: Fields) -> None:
        """Keeps the last thousand."""
        self.responses[response["id"]] = response
        if len(self.responses) > 1000:
            del self.responses[next(iter(self.responses))]


def missing(param: str) -> Wrong:
    return Wrong(400, "missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def _wrong(error: ValidationError) -> Wrong:
    problem = error.errors(include_url=False, include_input=False)[0]
    # Without the names of types that pydantic puts in for unions.
    steps = [step for step in problem["loc"] if isinstance(step, int) or (step.isidentifier() and step not in _TYPES)]
    param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    if problem["type"] == "missing":
        return missing(param)
    kind = problem["type"].endswith("_type") or problem["type"] == "is_instance_of"
    said = f"Invalid {'type' if kind else 'value'} for '{param or 'body'}': {problem['msg']}."
    return Wrong(400, "invalid_type" if kind else "invalid_value", said, param or None)


_TYPES = ("str", "int", "float", "bool", "dict", "Upload")


def form_of(asked: Asked) -> Fields:
    """The fields of a form (RFC 7578): texts and `Upload`s; several of one name, or a name with `[]`, are a list."""
    kind = Message()
    kind["content-type"] = asked.content_type
    boundary = kind.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise Wrong(400, None, "The multipart form has no boundary.")
    fields: Fields = {}
    for piece in (b"\r\n" + asked.body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))[1:]:
        if piece.startswith(b"--"):
            return fields
        head, _, content = piece.lstrip(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesHeaderParser().parsebytes(head + b"\r\n\r\n")
        name, file = headers.get_param("name", header="content-disposition"), headers.get_filename()
        value = content.decode("utf-8", "replace") if file is None else Upload(file, content)
        _put(fields, str(name), value)
    raise Wrong(400, None, "The multipart form breaks off.")


def _put(fields: Fields, name: str, value: object) -> None:
    plain = name.removesuffix("[]")
    if plain in fields or plain != name:
        before = fields.get(plain, [])
        fields[plain] = [*(before if isinstance(before, list) else [before]), value]
    else:
        fields[plain] = value
