"""Every exception that this package raises, in one tree.

    RealtimeError
    ├── ConfigurationError      what was passed, or the environment, does not say enough, or contradicts itself
    ├── InvalidEvent            an event that the service could not accept; nothing was sent
    ├── AudioFileError          a file that is missing, or is not a WAV that can be read
    ├── ConnectError            no connection or answer came about: `hint`, `attempts`, and what is known of the rest
    │   ├── CredentialError     the credential gave no token, or not in time
    │   ├── HostNotFound        DNS does not know the host
    │   ├── Unreachable         nobody answers there: refused, no route
    │   ├── BrokenOff           it hung up before it had answered
    │   ├── TlsError            it could not prove who it is
    │   ├── ConnectTimeout      it took too long
    │   ├── ProxyError          the proxy on the way cannot be used, or refused
    │   └── StatusError         the service answered, and said no: `status`, `code`, `message`, `request_id`, …
    │       ├── Redirected             3xx: it wants another address, `location`
    │       ├── BadRequest             400: an api-version that Azure does not know, …
    │       │   ├── OperationNotSupported    the deployment's model does not do this
    │       │   └── ContentFiltered          what was asked is against the resource's content policy: `filtered`
    │       ├── AuthenticationError    401: the key or the token, or what it may do
    │       ├── PermissionDenied       403: this network, or this way of signing in
    │       ├── NotFound               404: the deployment, the path, or what an id names
    │       ├── RateLimited            429: `retry_after`
    │       └── ServerError            5xx
    ├── AnswerError             an answer over HTTP that cannot be used: it is not what was asked for
    │   ├── AnswerCut           it ended before its end: a stream of events, a body
    │   └── StreamFailed        the service ended a stream with an error: `code`, `kind`, `param`
    ├── EventRejected           the service did not take an event that was sent with wait=True: `code`, `param`, …
    ├── ConnectionClosed        this side closed the connection, and a call came after
    │   └── ConnectionLost      it ended without that: `code`, `reason`, `response_cut`, …
    ├── StreamBusy              two tasks read one stream of events
    └── StreamLapsed            a stream of events that nobody read was given up: `dropped`

What a caller's own mistake causes (`ConfigurationError`, `InvalidEvent`) is a `ValueError` too, and
`ConnectError` and `ConnectionLost` are `ConnectionError`s (so `OSError`s), as callers of other libraries expect.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

from anyio import BusyResourceError

from .hints import hint


class RealtimeError(Exception):
    """Whatever this package raises."""


class ConfigurationError(RealtimeError, ValueError):
    """The configuration does not say enough to connect, or contradicts itself. Nothing was sent."""


class InvalidEvent(RealtimeError, ValueError):
    """An event that the service could not accept. Nothing was sent."""


class AudioFileError(RealtimeError):
    """A file that is missing, or is not a WAV file that can be read; the message says which, and what to do."""


class ConnectError(RealtimeError, ConnectionError):
    """No connection came about, or no answer to a request.

    `hint` says what to try, `attempts` how often it was tried. `client_request_id` is the `x-ms-client-request-id`
    of the last attempt, if it came so far as to have one. The rest is what a server said, where one answered (see
    `StatusError`).
    """

    status: int | None = None
    code: str | None = None
    message: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    request_id: str | None = None
    region: str | None = None
    retry_after: float | None = None

    def __init__(self, said: object, *, hint: str = "") -> None:
        self.said = said
        self.message = said if isinstance(said, str) else ""
        self.hint = hint
        self.client_request_id: str | None = None
        self.attempts = 1
        super().__init__(said)

    def __str__(self) -> str:
        tried = f", after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.said}{tried}{f'. {self.hint}' if self.hint else ''}"


class CredentialError(ConnectError):
    """The credential gave no token, or not in time; its own error, if it had one, is the `__cause__`."""


class HostNotFound(ConnectError):
    """The name of the host, or of the proxy, could not be resolved."""


class Unreachable(ConnectError):
    """Nobody answers at the host's address: the connection was refused, or there is no way there."""


class BrokenOff(ConnectError):
    """The host, or something on the way to it, hung up before the handshake was complete, or a request answered."""


class TlsError(ConnectError):
    """The TLS handshake failed: the certificate is not trusted or not for this host, or it is no TLS server."""


class ConnectTimeout(ConnectError, TimeoutError):
    """The host did not answer in time. (A credential that does not is a `CredentialError`.)"""


class ProxyError(ConnectError):
    """The proxy cannot be used, or refused to connect to the host; `status` is what an HTTP proxy answered."""


@dataclass(frozen=True)
class Refusal:
    """What a server said when it refused a handshake, or a request: then *method* is its method.

    *url* is without its query, names of headers are in lower case.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    code: str | None = None
    message: str = ""
    url: str = ""
    method: str = ""


class StatusError(ConnectError):
    """The service answered, and said no: to the handshake of a websocket, or to a request.

    `status`, `code` and `message` are the server's; `request_id` is what Azure's support asks for
    (`apim-request-id`, else `x-request-id`), `region` who answered (`x-ms-region`); `headers` (lower-case names) and
    `body` are kept whole; `retry_after` is in seconds; `hint` says what to try; `url` is what was asked, without query.
    """

    status: int

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.status = refusal.status  # pyright: ignore[reportIncompatibleVariableOverride]  # narrower, and set once
        self.code = refusal.code
        self.message = refusal.message
        self.headers = refusal.headers
        self.body = refusal.body
        self.url = refusal.url
        self.request_id = request_id_of(refusal.headers)
        self.region = refusal.headers.get("x-ms-region")
        self.retry_after = retry_after_of(refusal.headers)
        self.location = _without_query(refusal.headers.get("location", ""))
        self.hint = hint(
            self.status,
            f"{self.code} {self.message}",
            location=self.location,
            retry_after=self.retry_after,
            request=bool(refusal.method),
        )

    @staticmethod
    def of(refusal: Refusal) -> StatusError:
        """The error for *refusal*, by its status."""
        kind = _BY_STATUS.get(refusal.status) or _BY_STATUS.get(refusal.status // 100, StatusError)
        if kind is BadRequest:
            kind = _BY_CODE.get(refusal.code, kind)
        return kind(refusal)

    def __str__(self) -> str:
        method = self.said.method if isinstance(self.said, Refusal) else ""
        asked = f"{method} {self.url}" if method else f"the connection{f' to {self.url}' if self.url else ''}"
        said = f"the service refused {asked} with HTTP {self.status}"
        if self.message:
            code = f"{self.code}: " if self.code and self.code != str(self.status) else ""
            said += f" ({' '.join(f'{code}{self.message}'.split())})"
        if self.request_id:
            said += f" [request id {self.request_id}]"
        if self.attempts > 1:
            said += f", after {self.attempts} attempts"
        return f"{said}. {self.hint}" if self.hint else said


class Redirected(StatusError):
    """3xx: the server wants the connection at `location` (shown without its query), to which nothing is sent."""


class BadRequest(StatusError):
    """400: Azure cannot read this request, or does not know its api-version."""


class OperationNotSupported(BadRequest):
    """400: the deployment's model does not do this, or no deployment was named. The service spells `code` both ways."""

    CODES = ("OperationNotSupported", "OpperationNotSupported")


class ContentFiltered(BadRequest):
    """400: what was asked is against the content policy of the resource.

    `filtered` says which filter found what: the `content_filter_result` of the error's `innererror`, as a
    `realtime_azure.rest.ContentFilterResults`; None where the service did not say.
    """

    CODES = ("content_filter", "ResponsibleAIPolicyViolation")
    filtered: Any = None  # the models of results are a floor above


class AuthenticationError(StatusError):
    """401: the key or the token is missing, wrong, expired or for something else, or its owner lacks the role."""


class PermissionDenied(StatusError):
    """403: the resource does not let this network, or this way of signing in, in."""


class NotFound(StatusError):
    """404: there is no such deployment (`code` is `DeploymentNotFound`), path or thing at this resource."""


class RateLimited(StatusError):
    """429: too many connections or requests; `retry_after` seconds, where the service says so."""


class ServerError(StatusError):
    """5xx: the service could not, this time."""


_BY_STATUS: Mapping[int, type[StatusError]] = {
    3: Redirected,
    400: BadRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
    5: ServerError,
}


_BY_CODE: Mapping[str | None, type[BadRequest]] = {
    **dict.fromkeys(OperationNotSupported.CODES, OperationNotSupported),
    **dict.fromkeys(ContentFiltered.CODES, ContentFiltered),
}


def _without_query(url: str) -> str:
    bare = url.partition("?")[0].partition("#")[0]
    scheme, slashes, rest = bare.partition("//")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}" if slashes else bare


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """What Azure's support asks for, in *headers* with lower-case names."""
    return headers.get("apim-request-id") or headers.get("x-request-id")


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, of `retry-after-ms`, else `retry-after` (seconds, or a date: RFC 9110 §10.2.3)."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        moment = parsedate_to_datetime(headers["retry-after"])
        # asctime's form names no zone, and means GMT (RFC 9110 §5.6.7).
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - time.time())
    except (KeyError, ValueError, OverflowError):
        return None


class AnswerError(RealtimeError):
    """The service's answer to a request cannot be used: it is not what was asked for.

    `body` is what came of it, `request_id` is what Azure's support asks for.
    """

    def __init__(self, message: str, *, request_id: str | None = None, body: bytes = b"") -> None:
        self.request_id = request_id
        self.body = body
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.args[0]}{f' [request id {self.request_id}]' if self.request_id else ''}"


class AnswerCut(AnswerError, ConnectionError):
    """The answer ended before its end: the connection broke, or the service stopped in the middle of a stream."""


class StreamFailed(AnswerError):
    """The service ended a stream with an error: its `code`, `kind` (its `type`) and `param`, in the service's words."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        kind: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        body: bytes = b"",
    ) -> None:
        self.code = code
        self.kind = kind
        self.param = param
        super().__init__(message, request_id=request_id, body=body)


class EventRejected(RealtimeError):
    """The service answered an event that was sent with `wait=True` with an error. The session goes on.

    `code`, `kind` (its `type`), `param` and `event_id` are the error's, in the service's words.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        kind: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        self.code = code
        self.kind = kind
        self.param = param
        self.event_id = event_id
        super().__init__(message)


class ConnectionClosed(RealtimeError):
    """A call on a connection that this side has closed, or that the service closed in good order.

    `code` and `reason` are those of the websocket's closing (RFC 6455 §7.4).
    """

    def __init__(self, message: str, *, code: int = 1000, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        super().__init__(message)


class ConnectionLost(ConnectionClosed, ConnectionError):
    """The connection ended without being asked to.

    `code` and `reason` are those of the close frame (1006 where none came); `response_cut` is the id of the
    response that was under way, if one was; `last_error` the last `ErrorEvent`. `session_id` and the handshake's
    `request_id` and `client_request_id` are what Azure's support asks for. The network's own error, where there was
    one, is the `__cause__`.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 1006,
        reason: str = "",
        response_cut: str | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        client_request_id: str | None = None,
        last_error: Any = None,  # an ErrorEvent; events are a floor above
    ) -> None:
        self.response_cut = response_cut
        self.session_id = session_id
        self.request_id = request_id
        self.client_request_id = client_request_id
        self.last_error = last_error
        super().__init__(message, code=code, reason=reason)


class StreamBusy(RealtimeError, BusyResourceError):
    """Two tasks read one stream; the one that read it first is not disturbed. An anyio `BusyResourceError`, too."""

    def __init__(self) -> None:
        # Not anyio's: that puts words of its own around a message.
        Exception.__init__(self, "another task is reading this stream; give each task a subscription of its own")

    def __reduce__(self) -> tuple[type[StreamBusy], tuple[()]]:
        return StreamBusy, ()


class StreamLapsed(RealtimeError):
    """A stream that was full and that nobody read was given up, so that others could go on.

    `dropped` is how many events it lost.
    """

    def __init__(self, dropped: int) -> None:
        self.dropped = dropped
        super().__init__(dropped)

    def __str__(self) -> str:
        return (
            f"this stream was full and nobody read it, so {self.dropped} events were dropped while others went on; "
            "read it all the time, or raise inbox_limit"
        )
