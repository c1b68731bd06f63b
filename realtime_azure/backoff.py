"""How long to wait before trying again, and whether that can help. Pure: what waits is elsewhere."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .errors import BrokenOff, ConnectError, ConnectTimeout, RateLimited, Refusal, ServerError, StatusError


@dataclass(frozen=True)
class Backoff:
    """Waits that double from *first* to *longest* seconds, each shortened by up to *jitter* of itself.

    The shortening is random, so that many clients who lost the same server do not come back in one moment.
    """

    first: float = 0.5
    longest: float = 8.0
    jitter: float = 0.25

    def wait(self, tries: int, asked: float | None = None) -> float:
        """Seconds to wait after *tries* attempts that failed; at least *asked*, if the service asked for a time."""
        if asked is not None:
            return asked + self.first * self.jitter * random.random()  # noqa: S311 - not a secret
        exponent = min(max(tries, 1) - 1, 32)  # beyond it the longest has won; a float would overflow later
        return min(self.first * 2.0**exponent, self.longest) * (1 - self.jitter * random.random())  # noqa: S311 - not a secret


def may_help(error: ConnectError) -> bool:
    """Whether the same attempt may do better a little later.

    Yes: 408, 429, 5xx, 409 to a request, no answer in time, a connection that broke off. No: what another
    configuration would have to mend (400, 401, 403, 404, a name that is unknown, a port where nobody listens, a
    certificate).
    """
    if isinstance(error, StatusError):
        of_request = isinstance(error.said, Refusal) and bool(error.said.method)
        return (
            isinstance(error, RateLimited | ServerError) or error.status == 408 or (error.status == 409 and of_request)
        )
    return isinstance(error, BrokenOff | ConnectTimeout)
