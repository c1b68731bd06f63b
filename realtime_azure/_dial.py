"""From a URL to a byte stream: TCP, a proxy where there is one, and TLS with the certificate checked."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from anyio import BrokenResourceError, EndOfStream, Event, Lock, aclose_forcefully, connect_tcp
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from ._proxy import CHECK_THE_PROXY, Proxy, connect_through, socks_stream
from ._reason import first_cause, reason_of
from ._tasks import bare
from .errors import (
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    HostNotFound,
    ProxyError,
    TlsError,
    Unreachable,
)


async def dial(url: str, *, ssl_context: ssl.SSLContext | None = None, proxy: Proxy | None = None) -> ByteStream:
    """A stream to the host of *url* (`ws://` or `wss://`), through *proxy* if there is one; the caller closes it.

    *ssl_context* replaces the default one, which checks certificate and host name against the system's trust
    store, or `SSL_CERT_FILE`. Raises the `ConnectError` that says what failed. A cancelled dial leaves nothing open.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    context = (ssl_context or default_ssl_context()) if secure else None
    if proxy is None:
        stream: ByteStream = await _tcp(host, port, parts.netloc)
    elif proxy.is_socks:
        stream = await socks_stream(proxy, host, port)
    else:
        stream = await _through(proxy, host, port)
    return stream if context is None else await _secured(stream, host, context, parts.netloc)


async def _tcp(host: str, port: int, name: str) -> ByteStream:
    try:
        return await connect_tcp(host, port)
    except BaseExceptionGroup as group:  # a Ctrl-C that trio raises in anyio's own tasks
        raise bare(group) from None
    except OSError as exc:
        cause = first_cause(exc)
        kind: type[ConnectError] = Unreachable
        tried = "Check the endpoint's host and port, and what a firewall or a VPN lets through."
        if isinstance(cause, socket.gaierror):
            kind, tried = HostNotFound, "Check the endpoint's name, and that this machine has a network."
        elif getattr(cause, "errno", None) == errno.ETIMEDOUT:
            kind = ConnectTimeout
        raise kind(f"could not reach {name}: {reason_of(exc)}", hint=tried) from exc


async def _through(proxy: Proxy, host: str, port: int) -> ByteStream:
    context = default_ssl_context() if proxy.scheme == "https" else None
    try:
        stream = await _tcp(proxy.host, proxy.port, proxy.shown)
        if context is not None:
            stream = await _secured(stream, proxy.host, context, proxy.shown)
    except ConnectError as exc:
        raise ProxyError(f"no way through the proxy: {exc.said}", hint=CHECK_THE_PROXY) from exc
    try:
        await connect_through(proxy, stream, host, port)
    except BaseException as exc:
        await aclose_forcefully(stream)
        if isinstance(exc, OSError | BrokenResourceError) and not isinstance(exc, ConnectError):
            raise ProxyError(f"the proxy {proxy.shown} hung up: {reason_of(exc)}", hint=CHECK_THE_PROXY) from exc
        raise
    return stream


class OneAtATime(ByteStream):
    """*stream*, where two tasks may send: TLS sends for itself while it reads (RFC 8446 §4.6.3), whoever else sends."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._sending = Lock()
        self._receiving = False
        self._received: Event | None = None

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if self._receiving:  # a writer in the middle of a new TLS handshake: the reader gets what it waits for
            self._received = self._received or Event()
            await self._received.wait()
            return b""
        self._receiving = True
        try:
            return await self._stream.receive(max_bytes)
        finally:
            self._receiving = False
            if self._received is not None:
                self._received.set()
                self._received = None

    async def send(self, item: bytes) -> None:
        async with self._sending:
            await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes


async def _secured(stream: ByteStream, host: str, context: ssl.SSLContext, name: str) -> ByteStream:
    try:
        return await TLSStream.wrap(
            OneAtATime(stream),
            hostname=host,
            ssl_context=context,
            # A websocket ends with a close frame; waiting for TLS's own goodbye as well would only take time.
            standard_compatible=False,
        )
    except BaseException as exc:
        await aclose_forcefully(stream)
        if not isinstance(exc, (OSError, EndOfStream, BrokenResourceError)):  # an SSLError is an OSError
            raise
        cause = first_cause(exc)
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            raise tls_error(name, cause) from exc
        hint = "A firewall or a proxy may stand in between; or try again."
        raise BrokenOff(f"{name} hung up during the TLS handshake: {reason_of(exc)}", hint=hint) from exc


def tls_error(name: str, error: ssl.SSLError) -> TlsError:
    """The error for a TLS handshake with *name* that failed with *error*."""
    return TlsError(f"no secure connection to {name}: {reason_of(error)}", hint=_tls_hint(error))


def default_ssl_context() -> ssl.SSLContext:
    """Checks against the system's trust store, or what `SSL_CERT_FILE` or `SSL_CERT_DIR` name instead."""
    return _ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=4)  # reading all that the system trusts takes milliseconds
def _ssl_context(cafile: str | None, capath: str | None) -> ssl.SSLContext:
    if cafile or capath:
        try:
            return ssl.create_default_context(cafile=cafile or None, capath=capath or None)
        except OSError as exc:  # an SSLError is one
            said = "it holds no certificates in PEM form" if isinstance(exc, ssl.SSLError) else exc.strerror
            raise ConfigurationError(
                f"{'SSL_CERT_FILE' if cafile else 'SSL_CERT_DIR'}: {cafile or capath}: {said}"
            ) from exc
    if sys.platform in {"win32", "darwin"}:
        import truststore  # noqa: PLC0415 - only there

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context()


_WANTS_A_CERTIFICATE = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_HANDSHAKE_FAILURE")


def _tls_hint(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        if any(alert in (error.reason or "") for alert in _WANTS_A_CERTIFICATE):
            return "The server wants a certificate of this side: ssl_context.load_cert_chain(…)."
        return "Check that the port speaks TLS; http:// is for this machine."
    match error.verify_code:
        case 18 | 19 | 20 | 21:  # self-signed, or signed by someone whom nobody here knows
            return (
                "If a company's own authority or a proxy that looks into TLS signs here, name its certificate: "
                "SSL_CERT_FILE=ca.pem, or ssl_context=."
            )
        case 9 | 10:  # not yet valid, expired
            return "Check this machine's clock; else the certificate has to be renewed."
        case 62 | 64:  # another host name, another address
            return "Use the name that the certificate is for: the endpoint as the portal shows it."
        case _:
            return ""
