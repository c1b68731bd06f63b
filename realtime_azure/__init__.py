"""A realtime websocket client for Azure OpenAI, on asyncio and trio.

    async with connect(deployment="gpt-realtime") as connection:
        await connection.response.create()
        async for event in connection: ...

The house, from the ground up (a module imports from its own floor or below):

    0  errors      every exception that is raised here          hints     what to try after a refusal
    1  endpoint    resource, deployment and dialect → URLs      auth      credentials → headers
       events      the protocol, typed                          audio     arithmetic on samples
    2  backoff     whether to try again, and when               calls     which answer belongs to which call
    3  streams     bounded streams of events                rest      the other endpoints, over HTTP
    4  connection  connect() and Connection                     verbs     what can be said on it
    6  emulator    the service, on your desk
    7  testing     cassettes, a pytest plugin, a pair without a port
    8  cli         the command `realtime-azure`

`events`, `audio`, `rest`, `emulator` and `testing` are imported by name; the front door opens none of the last three.
"""

from ._version import __version__
from .auth import Credential
from .connection import Connection, Statistics, connect
from .endpoint import Endpoint
from .errors import (
    AnswerCut,
    AnswerError,
    AudioFileError,
    AuthenticationError,
    BadRequest,
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectionClosed,
    ConnectionLost,
    ConnectTimeout,
    ContentFiltered,
    CredentialError,
    EventRejected,
    HostNotFound,
    InvalidEvent,
    NotFound,
    OperationNotSupported,
    PermissionDenied,
    ProxyError,
    RateLimited,
    RealtimeError,
    Redirected,
    ServerError,
    StatusError,
    StreamBusy,
    StreamFailed,
    StreamLapsed,
    TlsError,
    Unreachable,
)
from .streams import EventStream

__all__ = [
    # the connection
    "connect",
    "Connection",
    "Statistics",
    "Endpoint",
    "Credential",
    "EventStream",
    # what can go wrong
    "RealtimeError",
    "ConfigurationError",
    "InvalidEvent",
    "AudioFileError",
    "ConnectError",
    "CredentialError",
    "HostNotFound",
    "Unreachable",
    "BrokenOff",
    "TlsError",
    "ConnectTimeout",
    "ProxyError",
    "StatusError",
    "Redirected",
    "BadRequest",
    "OperationNotSupported",
    "ContentFiltered",
    "AuthenticationError",
    "PermissionDenied",
    "NotFound",
    "RateLimited",
    "ServerError",
    "AnswerError",
    "AnswerCut",
    "StreamFailed",
    "EventRejected",
    "ConnectionClosed",
    "ConnectionLost",
    "StreamBusy",
    "StreamLapsed",
    # the package
    "__version__",
]
