"""From a URL and a credential to an open websocket: the attempts, what is sent with each, and what a refusal says."""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from anyio import BrokenResourceError, current_time, move_on_after, sleep
from anyio.abc import ByteStream
from pydantic_core import from_json
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Response

from ._dial import dial, tls_error
from ._proxy import Proxy
from ._reason import reason_of
from ._version import __version__
from ._websocket import WebSocket, abandon, open_client
from .auth import Credential, renew, sign
from .backoff import Backoff, may_help
from .errors import (
    AuthenticationError,
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    CredentialError,
    Refusal,
    StatusError,
    Unreachable,
    request_id_of,
)

MAX_HEADERS = 10
"""How many headers of its callers' own Azure takes in one request (its quotas and limits); more are a 431."""

_CLIENT_REQUEST_ID = "x-ms-client-request-id"
_AUTH = ("api-key", "authorization")
_TRANSPORT = ("host", "upgrade", "connection", "content-length", "transfer-encoding")


Dial = Callable[[str], Awaitable[ByteStream]]
"""Makes a line to the host of a URL (`ws://` or `wss://`)."""


@dataclass(frozen=True)
class Opened:
    """A websocket that is open on *stream*, and by which ids the service and this side know its handshake."""

    websocket: WebSocket
    stream: ByteStream
    request_id: str | None
    client_request_id: str
    region: str | None


@dataclass
class Opening:
    """A websocket to be opened, in as many attempts as may help and the time allows.

    *headers* are the caller's own (see `fit_headers`). Times are in seconds: *open_timeout* for everything,
    *attempt_timeout* for one attempt.
    """

    url: str = field(repr=False)  # a gateway's key may be in it, and in the headers
    signer: Credential
    headers: Mapping[str, str] = field(repr=False)
    ssl_context: ssl.SSLContext | None
    proxy: Proxy | None
    max_message_size: int
    open_timeout: float
    attempt_timeout: float
    max_retries: int
    backoff: Backoff = field(default_factory=Backoff)
    compression: bool = False
    subprotocols: Sequence[str] = ()
    dial: Dial | None = None

    def __post_init__(self) -> None:
        self._host = urlsplit(self.url).netloc
        self._waiting_for, self._signed = "", False
        self._client_request_id: str | None = None

    async def open(self) -> Opened:
        """The caller closes the stream. Raises the last attempt's `ConnectError`; then, and cancelled, none is open."""
        deadline = current_time() + self.open_timeout
        tries, before = 0, None
        while True:
            tries += 1
            limit = min(self.attempt_timeout, deadline - current_time())
            try:
                return await self._attempt(limit)
            except ConnectError as exc:
                exc.attempts, exc.client_request_id = tries, self._client_request_id
                if before is not None and isinstance(exc, ConnectTimeout) and limit < self.attempt_timeout:
                    before.attempts = tries
                    raise before  # noqa: B904 - there was no time for another attempt: the one before says why
                before = exc
                wait = self.backoff.wait(tries, exc.retry_after)
                if tries > self.max_retries or not may_help(exc) or current_time() + wait >= deadline:
                    raise
            await sleep(wait)

    async def _attempt(self, limit: float) -> Opened:
        self._client_request_id = None
        with move_on_after(limit):
            self._waiting_for, self._signed = "the credential", False
            signed = await sign(self.signer)
            try:
                return await self._handshake(signed)
            except AuthenticationError as exc:
                renewed = await self._renewed(signed, exc)
                if renewed is None:
                    raise
            return await self._handshake(renewed)
        said = f"{self._waiting_for} did not answer within {limit:.3g} s"
        if self._signed:
            raise ConnectTimeout(said, hint="Check the network, and a proxy on the way; or raise attempt_timeout=.")
        # Not tried again: a person may be typing a password, or a command still running.
        raise CredentialError(said, hint="If it takes its time, raise attempt_timeout= and open_timeout=.")

    async def _renewed(self, signed: Mapping[str, str], refused: AuthenticationError) -> Mapping[str, str] | None:
        """Other headers to sign in with, after a 401; None if the credential has no others."""
        self._waiting_for, self._signed = "the credential, asked for another token,", False
        try:
            return await renew(self.signer, signed, refused.headers.get("www-authenticate"))
        except CredentialError as exc:
            raise refused from exc

    async def _handshake(self, signed: Mapping[str, str]) -> Opened:
        client_request_id = str(uuid.uuid4())
        headers = {"User-Agent": f"realtime-azure/{__version__}", _CLIENT_REQUEST_ID: client_request_id}
        for given in (self.headers, signed):  # names are the same in any case, and the later one wins
            for name, value in given.items():
                headers = {known: held for known, held in headers.items() if known.lower() != name.lower()}
                headers[name] = value
                if name.lower() == _CLIENT_REQUEST_ID:
                    client_request_id = value
        self._client_request_id = client_request_id
        self._waiting_for, self._signed = self.proxy.shown if self.proxy else self._host, True
        stream = await self._dial()
        self._waiting_for = self._host
        try:
            response, websocket = await self._asked(stream, headers)
            fields = _lower(response)
            return Opened(websocket, stream, request_id_of(fields), client_request_id, fields.get("x-ms-region"))
        except BaseException:
            await abandon(stream)
            raise

    async def _dial(self) -> ByteStream:
        if self.dial is None:
            return await dial(self.url, ssl_context=self.ssl_context, proxy=self.proxy)
        try:
            return await self.dial(self.url)
        except (OSError, BrokenResourceError) as exc:
            raise Unreachable(f"dial: {reason_of(exc)}", hint="The line to it is your own: see what it says.") from exc

    async def _asked(self, stream: ByteStream, headers: Mapping[str, str]) -> tuple[Response, WebSocket]:
        try:
            response, websocket = await open_client(
                stream,
                self.url,
                headers,
                max_message_size=self.max_message_size,
                compression=self.compression,
                subprotocols=self.subprotocols,
            )
        except (InvalidHandshake, EOFError, OSError, BrokenResourceError) as exc:
            cause = exc.__cause__ or exc
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
                raise tls_error(self._host, cause) from exc
            # websockets takes a line that ends with LF alone for the end of the stream.
            if isinstance(cause, EOFError | OSError | BrokenResourceError) and "CRLF" not in reason_of(cause):
                raise BrokenOff(
                    f"{self._host} hung up during the handshake: {reason_of(cause)}",
                    hint="A firewall or a proxy may not let websockets through; or try again.",
                ) from exc
            raise ConnectError(
                f"{self._host} did not answer as a websocket server does: {reason_of(cause)}",
                hint="Check the endpoint's host and port, and what answers there.",
            ) from exc
        if websocket is None:
            raise StatusError.of(refusal(response.status_code, _lower(response), response.body or b"", self.url))
        return response, websocket


def refusal(status: int, headers: Mapping[str, str], body: bytes | bytearray, url: str) -> Refusal:
    """What a refusal says: in Azure's envelope `{"error": {"code", "message"}}`, a flat one, or its first words.

    *headers* have lower-case names; of *url* the query is left out.
    """
    try:
        fields = from_json(body)
        said = fields.get("error") or fields
        code, message = said.get("code", said.get("statusCode")), said.get("message")
    except (ValueError, AttributeError):
        code, message = None, " ".join(body[:200].decode("utf-8", "replace").split())
    parts = urlsplit(url)
    if parts.query:  # a page that repeats the URL would show a gateway's key
        message = re.sub(r"\?[^\s\"'<>=?]*=[^\s\"'<>]*", "?…", str(message or ""))
    return Refusal(
        status,
        headers,
        bytes(body),
        str(code or headers.get("x-ms-error-code") or "") or None,
        str(message or ""),
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
    )


def _lower(response: Response) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in response.headers.raw_items():  # several of one name are a list (RFC 9110 §5.3)
        known = fields.get(name.lower())
        fields[name.lower()] = value if known is None else f"{known}, {value}"
    return fields


def fit_subprotocols(names: Sequence[Any]) -> tuple[str, ...]:
    """*names* of subprotocols (RFC 6455 §1.9). Raises `ConfigurationError`."""
    if isinstance(names, str) or not all(isinstance(name, str) and name and set(name) <= _TOKEN for name in names):
        raise ConfigurationError("subprotocols: give a list of names, of letters, digits and hyphens")
    return tuple(names)


def fit_headers(headers: Mapping[Any, Any]) -> Mapping[str, str]:
    """*headers*, if they can go with a handshake. Raises `ConfigurationError`, which never shows a value."""
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers: give a mapping of names to values, not {type(headers).__name__}")
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise ConfigurationError(f"headers: {name!r} is not text")
        if not all(text.isascii() and text.isprintable() for text in (name, value)):
            raise ConfigurationError(f"headers: {name!r} has a line break or a character outside ASCII")
        if not name or not set(name) <= _TOKEN:
            raise ConfigurationError(f"headers: {name!r} is not the name of a header")
        if name.lower() in _AUTH:
            raise ConfigurationError(
                f"headers: {name} is how to sign in; pass api_key= or credential= (an object of your own with "
                "headers() may give any: see realtime_azure.Credential)"
            )
        if name.lower() in _TRANSPORT or name.lower().startswith("sec-websocket-"):
            raise ConfigurationError(f"headers: {name} belongs to the websocket's handshake; leave it out")
    ours = 2 - any(name.lower() == _CLIENT_REQUEST_ID for name in headers)  # that one, and the one that signs in
    if len(headers) + ours > MAX_HEADERS:
        raise ConfigurationError(
            f"headers: {len(headers)} are too many; Azure takes {MAX_HEADERS} in a request, of which {ours} are taken"
        )
    return headers


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
