"""Every exception that this package raises, in one tree.

    RealtimeError
    ├── ConfigurationError      what was passed, or the environment, does not say enough, or contradicts itself
    ├── InvalidEvent            an event that the service could not accept; nothing was sent
    ├── AudioFileError          a file that is missing, or is not a WAV that can be read
    ├── ConnectError            no connection came about
    │   └── HandshakeError      the server answered, and said no: `status`, `code`, `request_id`, `hint`
    ├── ConnectionClosed        this side closed the connection, and a call came after
    │   └── ConnectionLost      it ended without that: `code`, `reason`, `response_cut`, …
    ├── StreamBusy              two tasks read one stream of events
    └── StreamLapsed            a stream of events that nobody read was given up: `dropped`

What a caller's own mistake causes (`ConfigurationError`, `InvalidEvent`) is a `ValueError` too, and
`ConnectError` and `ConnectionLost` are `ConnectionError`s (so `OSError`s), as callers of other libraries expect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from anyio import BusyResourceError


class RealtimeError(Exception):
    """Whatever this package raises."""


class ConfigurationError(RealtimeError, ValueError):
    """The configuration does not say enough to connect, or contradicts itself. Nothing was sent."""


class InvalidEvent(RealtimeError, ValueError):
    """An event that the service could not accept. Nothing was sent."""


class AudioFileError(RealtimeError):
    """A file that is missing, or is not a WAV file that can be read; the message says which, and what to do."""


class ConnectError(RealtimeError, ConnectionError):
    """No connection came about: the host was not found, did not answer, or could not prove who it is."""


@dataclass(frozen=True)
class Refusal:
    """What a server said when it refused a handshake."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    code: str | None = None
    message: str = ""


_HINTS = {
    400: "The deployment may not be a realtime model, or the URL form may be the other one: see api_version.",
    401: "Check the key and that it belongs to this endpoint; with a token, its audience and the role "
    "'Cognitive Services OpenAI User'.",
    403: "The resource refuses this network or this way of signing in: see its Networking and Keys pages.",
    404: "Check the deployment's name and the endpoint; a dated api_version and 'v1' have different paths.",
    429: "Too many requests: wait, or ask for more quota.",
}


class HandshakeError(ConnectError):
    """The server answered the handshake with something other than 101.

    `status`, `code` and `message` are the server's; `request_id` is what Azure's support asks for
    (`apim-request-id`, else `x-request-id`); `headers` (lower-case names) and `body` are kept whole;
    `retry_after` is in seconds; `hint` says what to try.
    """

    def __init__(self, refusal: Refusal) -> None:
        self.status = refusal.status
        self.code = refusal.code
        self.message = refusal.message
        self.headers = refusal.headers
        self.body = refusal.body
        self.request_id = request_id_of(refusal.headers)
        self.retry_after = _retry_after(refusal.headers)
        self.hint = _HINTS.get(refusal.status, "")
        super().__init__(refusal)

    def __str__(self) -> str:
        said = f"the service refused the connection with HTTP {self.status}"
        if self.message:
            code = f"{self.code}: " if self.code and self.code != str(self.status) else ""
            said += f" ({code}{self.message})"
        if self.request_id:
            said += f" [request id {self.request_id}]"
        return f"{said}. {self.hint}" if self.hint else said


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """What Azure's support asks for, in *headers* with lower-case names."""
    return headers.get("apim-request-id") or headers.get("x-request-id")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, of `retry-after-ms` or `retry-after`, as Azure sends them (a date is not read)."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


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
    response that was under way, if one was; `session_id` is what Azure's support asks for; `last_error` is
    the message of the last `error` event. The network's own error, where there was one, is the `__cause__`.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 1006,
        reason: str = "",
        response_cut: str | None = None,
        session_id: str | None = None,
        last_error: str | None = None,
    ) -> None:
        self.response_cut = response_cut
        self.session_id = session_id
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
