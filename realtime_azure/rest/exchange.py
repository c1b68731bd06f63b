"""One request and its answer: signed, sent again where that can help, bounded in time and in number.

What `connect` does for a handshake is done here for a request, with the same credentials, waits and errors; the HTTP
is httpx2's.
"""

from __future__ import annotations

import socket
import ssl
import uuid
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from anyio import BrokenResourceError, ClosedResourceError, EndOfStream, current_time, move_on_after, sleep
from pydantic_core import from_json

from .._dial import tls_error
from .._handshake import refusal
from .._proxy import CHECK_THE_PROXY
from .._reason import reason_of
from .._version import __version__
from ..auth import Credential, renew, sign
from ..backoff import Backoff, may_help
from ..endpoint import is_loopback
from ..errors import (
    AuthenticationError,
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    ContentFiltered,
    CredentialError,
    HostNotFound,
    ProxyError,
    StatusError,
    TlsError,
    Unreachable,
)
from .result import ContentFilterResults, adapter

MAX_REDIRECTS = 5
CLIENT_REQUEST_ID = "x-ms-client-request-id"
LOST = (httpx2.RequestError, ssl.SSLError, EndOfStream, BrokenResourceError, ClosedResourceError)
"""What httpx2 raises where the network fails, and what of the layers below is known to come through it."""

_KEPT_ELSEWHERE = frozenset(("accept", "accept-encoding", "content-length", "content-type", "host", "user-agent"))
"""The headers that go along where a redirect leaves the origin: none that signs in."""


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds.

    *connect* for a connection, *read* for the next piece of an answer, *write* for a piece of a request to leave,
    *pool* for a connection to be free (there are `max_connections`), *total* for the whole of a call, with all its
    attempts and waits; of an answer that is a stream, for its beginning.
    """

    connect: float = 10.0
    read: float = 300.0
    write: float = 60.0
    pool: float = 600.0
    total: float = 600.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigurationError(f"timeout: {name}: {value!r} is not a number of seconds above 0")

    @classmethod
    def of(cls, given: float | Timeouts | None, otherwise: Timeouts) -> Timeouts:
        """*given*, where a number is the total, and None *otherwise*."""
        if given is None:
            return otherwise
        return given if isinstance(given, Timeouts) else replace(otherwise, total=given)


@dataclass(frozen=True)
class Ask:
    """A request, before it is signed. *body* is JSON; or there is a form of *fields* and *files*, or *content*."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)
    fields: Mapping[str, Any] | None = field(default=None, repr=False)
    files: Any = field(default=None, repr=False)
    content: bytes | AsyncIterable[bytes] | None = field(default=None, repr=False)
    replayable: bool = True
    """Whether the body can be sent once more."""
    credential: Credential | None = None
    """What signs instead of the client's own."""

    @property
    def shown(self) -> str:
        """Method and URL without its query."""
        return f"{self.method} {self.url.copy_with(query=None)}"


@dataclass
class Exchange:
    """What all requests of one client have in common."""

    http: httpx2.AsyncClient
    signer: Credential
    timeouts: Timeouts
    max_retries: int
    max_retry_wait: float
    backoff: Backoff = field(default_factory=Backoff)

    async def ask(self, ask: Ask, *, timeouts: Timeouts, max_retries: int, stream: bool = False) -> httpx2.Response:
        """The service's answer, 2xx, read whole unless it is a *stream*, which is then the caller's to close.

        Raises `ConnectError`; then, and cancelled, nothing is left open.
        """
        _check_max_retries(max_retries)
        deadline = current_time() + timeouts.total
        tries = 0
        while True:
            tries += 1
            attempt = _Attempt(self, ask, timeouts, stream=stream)
            left = deadline - current_time()
            try:
                with move_on_after(left):
                    return await attempt.answer()
                raise attempt.late(timeouts.total)
            except ConnectError as exc:
                exc.attempts, exc.client_request_id = tries, attempt.client_request_id
                wait = self.backoff.wait(tries, exc.retry_after)
                if tries > max_retries or not ask.replayable or not _again_may_help(exc):
                    raise
                if wait > self.max_retry_wait:
                    exc.hint = f"{exc.hint} That is longer than max_retry_wait={self.max_retry_wait:g}.".lstrip()
                    raise
                if current_time() + wait >= deadline:
                    raise
            await sleep(wait)


def _check_max_retries(number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ConfigurationError(f"max_retries: {number!r} is not a number of 0 or more")


def _again_may_help(error: ConnectError) -> bool:
    """As for a handshake, unless the service itself says (`x-should-retry`)."""
    match error.headers.get("x-should-retry"):
        case "true":
            return True
        case "false":
            return False
        case _:
            return may_help(error)


class _Attempt:
    """One attempt: with another token where the first was refused, and after redirects."""

    def __init__(self, exchange: Exchange, ask: Ask, timeouts: Timeouts, *, stream: bool) -> None:
        self.client_request_id = str(uuid.uuid4())
        self._http = exchange.http
        self._ask = ask
        self._signer = ask.credential or exchange.signer
        self._stream = stream
        self._limits = httpx2.Timeout(
            connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
        )
        self._waiting_for = "the credential"

    def late(self, total: float) -> ConnectError:
        said = f"{self._ask.shown}: {self._waiting_for} did not answer within {total:.3g} s"
        kind = CredentialError if self._waiting_for.startswith("the credential") else ConnectTimeout
        return kind(said, hint="Raise timeout=, if it takes its time.")

    async def answer(self) -> httpx2.Response:
        """2xx, or an error."""
        signed = await sign(self._signer)
        try:
            return await self._asked(signed)
        except AuthenticationError as exc:
            self._waiting_for = "the credential, asked for another token,"
            try:
                renewed = await renew(self._signer, signed, exc.headers.get("www-authenticate"))
            except CredentialError as why:
                raise exc from why
            if renewed is None:
                raise
        return await self._asked(renewed)

    async def _asked(self, signed: Mapping[str, str]) -> httpx2.Response:
        self._waiting_for = self._ask.url.netloc.decode("ascii", "replace")
        try:
            response = await self._followed(await self._sent(self._request(signed)))
            if not self._stream or response.status_code >= 300:
                try:
                    await response.aread()
                finally:
                    await response.aclose()
        except LOST as exc:
            raise _translated(exc, self._ask) from exc
        except Exception as exc:
            if not type(exc).__module__.startswith("socksio"):
                raise
            said = f"{self._ask.shown}: no way through the proxy: {reason_of(exc)}"
            raise ProxyError(said, hint=CHECK_THE_PROXY) from exc  # httpx2 lets them through
        if response.status_code >= 300:
            raise _refused(response, self._ask)
        return response

    def _request(self, signed: Mapping[str, str]) -> httpx2.Request:
        ask = self._ask
        headers = {
            "accept": "application/json",
            "user-agent": f"realtime-azure/{__version__}",
            CLIENT_REQUEST_ID: self.client_request_id,
        }
        if self._stream:
            headers["accept-encoding"] = "identity"  # what is packed comes late
        if ask.body is not None:
            headers["content-type"] = "application/json"
        for given in (ask.headers, signed):
            headers |= {name.lower(): value for name, value in given.items()}
        self.client_request_id = headers[CLIENT_REQUEST_ID]
        if ask.files is None and ask.fields is None:
            content = ask.content if ask.body is None else ask.body
            return self._http.build_request(ask.method, ask.url, headers=headers, content=content, timeout=self._limits)
        return self._http.build_request(
            ask.method, ask.url, headers=headers, data=ask.fields, files=ask.files, timeout=self._limits
        )

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        return await self._http.send(request, stream=True, follow_redirects=False)

    async def _followed(self, response: httpx2.Response) -> httpx2.Response:
        """*response*, or where it leads; a redirect that would make another request of this one is not followed."""
        for _ in range(MAX_REDIRECTS):
            onward = response.next_request
            if onward is None or onward.method != self._ask.method or not self._ask.replayable:
                break
            if onward.url.scheme != "https" and self._ask.url.scheme == "https":
                break
            if onward.url.scheme == "http" and not is_loopback(onward.url.netloc.decode()):
                break
            await response.aclose()
            if onward.url.origin != self._ask.url.origin:
                kept = {name: value for name, value in onward.headers.items() if name in _KEPT_ELSEWHERE}
                onward.headers = httpx2.Headers(kept)
            response = await self._sent(onward)
        return response


def _refused(response: httpx2.Response, ask: Ask) -> StatusError:
    """The error for an answer that is not 2xx."""
    said = refusal(response.status_code, dict(response.headers), response.content, str(response.request.url))
    error = StatusError.of(replace(said, method=ask.method))
    if isinstance(error, ContentFiltered):
        error.filtered = _filtered(response.content)
    return error


def _filtered(body: bytes) -> ContentFilterResults | None:
    """What the filters found, in the `innererror` of an error, which the specification spells otherwise."""
    try:
        error = from_json(body)["error"]
        inner = error.get("innererror") or error.get("inner_error") or error
        found = inner.get("content_filter_result") or inner.get("content_filter_results")
        return None if found is None else adapter(ContentFilterResults).validate_python(found)
    except (ValueError, KeyError, TypeError, AttributeError):  # pydantic's is a ValueError
        return None


def _translated(error: Exception, ask: Ask) -> ConnectError:
    """A `ConnectError` for what httpx2, or what is below it, raised."""
    root, host = root_of(error), ask.url.netloc.decode("ascii", "replace")
    if isinstance(root, ssl.SSLError) and not isinstance(root, ssl.SSLEOFError):
        return tls_error(host, root)
    if isinstance(root, socket.gaierror):
        return HostNotFound(
            f"could not reach {host}: {reason_of(root)}", hint="Check the endpoint's name, and the network."
        )
    for known, kind, said, hint in _TROUBLES:
        if isinstance(error, known):
            return kind(f"{ask.shown}: {said}{'' if kind is ConnectTimeout else f': {reason_of(root)}'}", hint=hint)
    return BrokenOff(f"{ask.shown}: {host} hung up before it had answered: {reason_of(root)}", hint="Try again.")


_TROUBLES: tuple[tuple[type[Exception], type[ConnectError], str, str], ...] = (
    (httpx2.PoolTimeout, ConnectTimeout, "no connection was free in time", "Raise max_connections=, or ask for less."),
    (
        httpx2.ConnectTimeout,
        ConnectTimeout,
        "no connection came about in time",
        "Check the network, and a proxy on the way.",
    ),
    (httpx2.WriteTimeout, ConnectTimeout, "the request was not taken in time", "Raise timeout=."),
    (httpx2.TimeoutException, ConnectTimeout, "no answer came in time", "Raise timeout=."),
    (httpx2.ProxyError, ProxyError, "no way through the proxy", CHECK_THE_PROXY),
    (
        httpx2.ConnectError,
        Unreachable,
        "could not be reached",
        "Check the endpoint's host and port, and what a firewall or a VPN lets through.",
    ),
    (httpx2.LocalProtocolError, ConnectError, "this cannot be sent", ""),
    (httpx2.UnsupportedProtocol, ConnectError, "this cannot be sent", ""),
    (httpx2.DecodingError, ConnectError, "the answer cannot be unpacked", ""),
)
"""What httpx2 raises, what it is here, and what to say: the first that fits."""


def root_of(error: BaseException) -> BaseException:
    """What *error* began with: below httpx2's error is httpcore2's, and below that one the network's."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        below = error.__cause__ or error.__context__
        if isinstance(error, socket.gaierror | TlsError | ssl.SSLError) or not isinstance(below, Exception):
            break
        if isinstance(below, BaseExceptionGroup):
            below = below.exceptions[0]
        error = below
    return error
