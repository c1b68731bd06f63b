"""What went wrong below, in the network's own words: anyio, asyncio and OpenSSL put others around them."""

from __future__ import annotations

import os
import ssl


def first_cause(error: BaseException) -> BaseException:
    """The first thing that went wrong: anyio gathers the attempts at several addresses in a group."""
    cause = error.__cause__ or error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause


def reason_of(error: BaseException) -> str:
    """The words for a person."""
    cause = first_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()  # not OpenSSL's source and its line
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio's own text is about its call, not about what happened
    return str(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)
