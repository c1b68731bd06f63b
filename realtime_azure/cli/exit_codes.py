"""What the command's exit codes mean, and the two endings that only a command has.

0    it did what was asked (an answer that the service cut short is said to be incomplete)
2    wrong usage or configuration; nothing was sent
3    the service refused
4    the connection was lost, or never came about
130  interrupted
"""

from __future__ import annotations

from ..errors import (
    AudioFileError,
    ConfigurationError,
    ConnectError,
    ConnectionClosed,
    InvalidEvent,
    RealtimeError,
    StatusError,
)


class Refused(RealtimeError):
    """The service answered with an error, or ended the response as failed."""


class NoAnswer(RealtimeError):
    """The service went quiet."""


_EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (ConfigurationError, 2),
    (AudioFileError, 2),
    (InvalidEvent, 2),
    (StatusError, 3),
    (Refused, 3),
    (ConnectError, 4),
    (ConnectionClosed, 4),
    (NoAnswer, 4),
    (KeyboardInterrupt, 130),
)


def exit_code(error: BaseException) -> int:
    """The exit code that *error* leads to."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)
