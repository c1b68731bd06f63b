"""The proxy on the way, if there is one: which, by argument or environment, and how to get through it.

HTTP proxies are asked to `CONNECT` (RFC 9110 §9.3.6); SOCKS ones are the business of python-socks, the extra `socks`.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from anyio import EndOfStream
from anyio.abc import ByteStream

from ._reason import reason_of
from ._version import __version__
from .endpoint import is_loopback
from .errors import ConfigurationError, ProxyError

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
_ANSWER_LIMIT = 65536
CHECK_THE_PROXY = "Check the proxy (proxy=, or HTTPS_PROXY and NO_PROXY)."


@dataclass(frozen=True)
class Proxy:
    """A proxy. *scheme* is `http`, `https` (TLS to the proxy itself), `socks5`, `socks5h`, `socks4` or `socks4a`."""

    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, *, source: str = "proxy") -> Proxy:
        """The proxy of `http://[USER:PASSWORD@]HOST[:PORT]`. Raises `ConfigurationError`, which does not show it."""
        wrong = ConfigurationError(f"{source}: give a URL such as http://HOST:PORT, https://… or socks5://…")
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        # A path or a query: somebody's password has a / or a ? in it, and what is before that is not the host.
        if not host or parts.scheme not in _PORTS or parts.path.strip("/") or parts.query or parts.fragment:
            raise wrong
        user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
        proxy = cls(parts.scheme, host, port or _PORTS[parts.scheme], user, password)
        if proxy.is_socks and not all(part.isascii() and len(part) <= 255 for part in (user or "", password or "")):
            raise ConfigurationError(
                f"{source}: a SOCKS proxy takes a name and a password of at most 255 ASCII characters"
            )
        return proxy

    @property
    def shown(self) -> str:
        """The proxy's URL without name and password."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks")


def proxy_for(url: str, proxy: str | bool | None = True) -> Proxy | None:
    """The proxy on the way to *url* (`ws://` or `wss://`).

    *proxy* is its URL; True looks at the environment (`HTTPS_PROXY` for `wss://`, `HTTP_PROXY` for `ws://`,
    `ALL_PROXY`, `NO_PROXY`, or the system's settings on Windows and macOS), except for this machine itself; False and
    None go straight.
    """
    if isinstance(proxy, str):
        return Proxy.parse(proxy)
    if not isinstance(proxy, bool | None):
        raise ConfigurationError(f"proxy: give its URL, True or False, not {type(proxy).__name__}")
    parts = urlsplit(url)
    if not proxy or is_loopback(parts.netloc):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - it costs 30 ms, which only this needs

    known = getproxies()
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    if proxy_bypass(f"{parts.netloc.removesuffix(f':{port}')}:{port}") or _in_no_proxy(parts.hostname or "", known):
        return None
    for name in ("https" if parts.scheme == "wss" else "http", "all", "socks"):
        if given := known.get(name):
            return Proxy.parse(given, source=f"{name.upper()}_PROXY")
    return None


def _in_no_proxy(host: str, known: Mapping[str, str]) -> bool:
    """Whether `NO_PROXY` has *host* in a network (`10.0.0.0/8`), which `urllib` does not look for."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for name in known.get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(name.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


async def connect_through(proxy: Proxy, stream: ByteStream, host: str, port: int) -> None:
    """Asks the HTTP *proxy* behind *stream* for *host*. Raises `ProxyError`; then *stream* is of no more use."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = {"Host": target, "User-Agent": f"realtime-azure/{__version__}"}
    if proxy.user is not None:
        signed = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
        headers["Proxy-Authorization"] = f"Basic {signed}"
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    await stream.send("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        try:
            answer += await stream.receive()
        except EndOfStream:
            raise ProxyError(f"the proxy {proxy.shown} hung up on CONNECT {target}", hint=CHECK_THE_PROXY) from None
        if len(answer) > _ANSWER_LIMIT:
            raise ProxyError(f"{proxy.shown} does not answer as an HTTP proxy does", hint=CHECK_THE_PROXY)
    _check(proxy, target, answer)


def _check(proxy: Proxy, target: str, answer: bytes) -> None:
    version, _, rest = answer.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    code, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not code.isdecimal():
        raise ProxyError(f"{proxy.shown} does not answer as an HTTP proxy does", hint=CHECK_THE_PROXY)
    status = int(code)
    if not 200 <= status < 300:
        hint = ""
        if status == 407:
            wrong = "Check the name and the password in" if proxy.user is not None else "Put a name and a password into"
            hint = f"{wrong} its URL: http://USER:PASSWORD@HOST:PORT."
        error = ProxyError(
            f"the proxy {proxy.shown} refused CONNECT {target}: HTTP {status} {reason}".rstrip(), hint=hint
        )
        error.status, error.message = status, reason
        raise error
    if answer.partition(b"\r\n\r\n")[2]:
        raise ProxyError(f"the proxy {proxy.shown} spoke first on the connection to {target}")


async def socks_stream(proxy: Proxy, host: str, port: int) -> ByteStream:
    """A stream to *host* through a SOCKS *proxy*, which looks its name up. Raises `ProxyError`."""
    try:
        import python_socks  # noqa: PLC0415 - the extra `socks`
        from python_socks.async_.anyio import Proxy as SocksProxy  # noqa: PLC0415 - the extra `socks`
    except ImportError:
        raise ConfigurationError(
            f"proxy: {proxy.scheme}:// needs the extra socks: pip install 'realtime-azure[socks]'"
        ) from None
    kind = python_socks.ProxyType.SOCKS5 if proxy.scheme.startswith("socks5") else python_socks.ProxyType.SOCKS4
    way = SocksProxy(kind, proxy.host, proxy.port, proxy.user, proxy.password, rdns=True)
    try:
        stream: ByteStream = await way.connect(host, port, timeout=_NO_LIMIT)
    except python_socks.ProxyConnectionError as exc:
        why = reason_of(exc.__cause__ or exc)
        raise ProxyError(
            f"no way through the proxy: could not reach {proxy.shown}: {why}", hint=CHECK_THE_PROXY
        ) from exc
    except Exception as exc:  # its own for a proxy that hangs up is not exported; a reset is anyio's
        said = str(exc) or "it hung up"
        raise ProxyError(
            f"the proxy {proxy.shown} did not connect to {host}:{port}: {said}", hint=CHECK_THE_PROXY
        ) from exc
    return stream


_NO_LIMIT = 1e6  # seconds: whoever dials has a limit of their own
