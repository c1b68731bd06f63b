"""From a URL to a byte stream: TCP, and TLS with the certificate checked."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from anyio import BrokenResourceError, EndOfStream, aclose_forcefully, connect_tcp
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from .errors import ConnectError


async def dial(url: str, *, ssl_context: ssl.SSLContext | None = None) -> ByteStream:
    """A stream to the host of *url* (`ws://` or `wss://`); the caller closes it.

    *ssl_context* replaces the default one, which checks certificate and host name against the system's trust
    store. Raises `ConnectError`. A cancelled dial leaves nothing open.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "wss"
    try:
        stream: ByteStream = await connect_tcp(host, parts.port or (443 if secure else 80))
    except OSError as exc:
        raise ConnectError(f"could not reach {parts.netloc}: {_reason(exc)}") from exc
    if not secure:
        return stream
    try:
        return await TLSStream.wrap(
            stream,
            hostname=host,
            ssl_context=ssl_context or ssl.create_default_context(),
            # A websocket ends with a close frame; waiting for TLS's own goodbye as well would only take time.
            standard_compatible=False,
        )
    except BaseException as exc:
        await aclose_forcefully(stream)
        if isinstance(exc, (OSError, EndOfStream, BrokenResourceError)):  # an SSLError is an OSError
            raise ConnectError(f"no secure connection to {parts.netloc}: {_reason(exc)}") from exc
        raise


def _reason(error: BaseException) -> str:
    """The first thing that went wrong: anyio gathers the attempts at several addresses in a group."""
    cause = error.__cause__ or error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio's own text is about its call, not about what happened
    return str(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)
