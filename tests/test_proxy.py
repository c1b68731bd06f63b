"""Through a proxy, or past it: real proxies in processes of their own, and scripted ones that do what none should."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from anyio import (
    BrokenResourceError,
    CancelScope,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
)
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSAttribute
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import (
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    ProxyError,
    TlsError,
    __version__,
    connect,
    emulator,
)
from realtime_azure._dial import dial
from realtime_azure._handshake import Opening
from realtime_azure._proxy import Proxy, proxy_for
from realtime_azure.auth import ApiKey
from realtime_azure.backoff import Backoff
from realtime_azure.events import SessionCreated, SessionUpdated

from .proxies import SOCKS_USERINFO, USERINFO, RunningProxies, RunningProxy, running_proxies
from .serving import Certificates, Peer, Script, serve

pytestmark = pytest.mark.anyio

KEY = "a-key-of-a-test"
SECRET = "hunter2"
NAME = "resource.example"
"""A host that no name server knows."""
FAR = "http://proxy.example:3128"
OTHER = "http://other.example:8080"
PROXY_HINT = "Check the proxy (proxy=, or HTTPS_PROXY and NO_PROXY)."
BOTH = pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be searched for each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Generator[None]:
    """A socket that is left to the garbage collector is a warning, and so an error."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module")
def proxies(certificates: Certificates) -> Generator[RunningProxies]:
    with running_proxies(certificates.authority) as running:
        yield running


@pytest.fixture
def trusted(certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SSL_CERT_FILE` names the authority of the tests."""
    file = tmp_path / "authority.pem"
    certificates.authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


# A service, and the way to it


@dataclass(frozen=True)
class Service:
    """An emulator, which listens on 127.0.0.1 and may have a certificate for other names."""

    port: int
    secure: bool
    options: Mapping[str, Any]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, host: str | None = None) -> str:
        return f"http{'s' if self.secure else ''}://{host or self.address}"

    async def converse(self, host: str | None = None, **options: Any) -> None:
        """Opens a connection, says something there, and hears what is said to it."""
        async with connect(self.url(host), **{**self.options, **options}) as connection:
            await connection.wait_for(SessionCreated)
            await connection.session.update({"type": "realtime", "instructions": "Be brief." * 10_000})
            await connection.wait_for(SessionUpdated)

    async def refused(self, host: str | None = None, **options: Any) -> ConnectError:
        """What `connect` raises, though it may try more than once."""
        return await not_connected(self.url(host), **{**self.options, **options})


async def not_connected(url: str, **options: Any) -> ConnectError:
    chosen: dict[str, Any] = {"deployment": "m", "api_version": "v1", "api_key": KEY, "open_timeout": 5.0}
    with pytest.raises(ConnectError) as caught:
        async with connect(url, **{**chosen, **options}):
            pytest.fail("it connected")
    return caught.value


@asynccontextmanager
async def service(certificates: Certificates, *, tls: bool, names: Sequence[str] = ()) -> AsyncGenerator[Service]:
    context = certificates.server("127.0.0.1", *names) if tls else None
    with fail_after(10):
        async with emulator.serve(ssl_context=context) as running:
            options = {
                "deployment": "m",
                "api_version": "v1",
                "api_key": running.api_key,
                "ssl_context": certificates.client() if tls else None,
                "open_timeout": 5.0,
                "allow_insecure": True,
            }
            yield Service(int(running.url.rpartition(":")[2]), tls, options)


async def nobodys_port() -> int:
    """A port where nobody listens."""
    async with await create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port: int = listener.extra(SocketAttribute.local_port)
    return port


# Scripted proxies


async def until_blank_line(stream: ByteStream) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive(1)
    return head


async def exactly(stream: ByteStream, count: int) -> bytes:
    said = b""
    while len(said) < count:
        said += await stream.receive(count - len(said))
    return said


async def between(one: ByteStream, other: ByteStream) -> None:
    """Brings each what the other says, until one of them leaves."""
    async with create_task_group() as tasks:

        async def bring(source: ByteStream, sink: ByteStream) -> None:
            try:
                while True:
                    await sink.send(await source.receive())
            except (EndOfStream, BrokenResourceError):
                tasks.cancel_scope.cancel()

        tasks.start_soon(bring, one, other)
        tasks.start_soon(bring, other, one)


@dataclass
class Tunnel:
    """An HTTP proxy that leads to *port*, wherever one wants to go."""

    port: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[bytes] = field(default_factory=list[bytes])

    async def __call__(self, peer: Peer) -> None:
        self.heads.append(await until_blank_line(peer.stream))
        await peer.stream.send(self.answer)
        async with await connect_tcp("127.0.0.1", self.port) as onward:
            await between(peer.stream, onward)

    @property
    def targets(self) -> list[str]:
        return [head.split()[1].decode() for head in self.heads]


@dataclass
class SocksTunnel:
    """A SOCKS5 proxy that leads to *port*, wherever one wants to go (RFC 1928)."""

    port: int
    asked: list[bytes] = field(default_factory=list[bytes])

    async def __call__(self, peer: Peer) -> None:
        _, methods = await exactly(peer.stream, 2)
        await exactly(peer.stream, methods)
        await peer.stream.send(b"\x05\x00")
        head = await exactly(peer.stream, 4)
        match head[3]:
            case 1:
                address = await exactly(peer.stream, 4)
            case 4:
                address = await exactly(peer.stream, 16)
            case _:
                (count,) = await exactly(peer.stream, 1)
                address = await exactly(peer.stream, count)
        self.asked.append(head + address + await exactly(peer.stream, 2))
        await peer.stream.send(b"\x05\x00\x00\x01" + bytes(6))
        async with await connect_tcp("127.0.0.1", self.port) as onward:
            await between(peer.stream, onward)


def saying(*answers: bytes, stays: bool = False) -> Script:
    """Answers whatever it hears with the next of *answers*; then it hangs up, or waits until the client does."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.stream.receive()
            await peer.stream.send(answer)
        if not stays:
            await peer.stream.send_eof()  # closing would be a reset, if anything comes after
        await peer.gone()

    return script


async def hang_up(peer: Peer) -> None:
    await peer.stream.receive()


async def vanish(peer: Peer) -> None:
    await peer.stream.receive()
    await peer.reset()


async def be_silent(peer: Peer) -> None:
    await peer.gone()


async def proxy_error(script: Script, scheme: str = "http", userinfo: str = "", **options: Any) -> ProxyError:
    """What `connect` raises at a proxy that follows *script*; it comes once, and leaves nothing open."""
    with fail_after(10):
        async with serve(script) as server:
            proxy = f"{scheme}://{userinfo}127.0.0.1:{server.port}"
            error = await not_connected(f"https://{NAME}", proxy=proxy, **options)
            await server.idle.wait()
            assert server.clients == 1
    assert type(error) is ProxyError
    assert error.attempts == 1
    assert f"{scheme}://127.0.0.1:{server.port}" in str(error)
    return error


# HTTP proxies


@BOTH
async def test_an_http_proxy(certificates: Certificates, proxies: RunningProxies, tls: bool) -> None:
    async with service(certificates, tls=tls) as there:
        await there.converse(proxy=proxies.http.url)
        await proxies.http.wrote(f"CONNECT {there.address} ")


@BOTH
async def test_an_http_proxy_with_a_name_and_a_password(
    certificates: Certificates, proxies: RunningProxies, tls: bool
) -> None:
    async with service(certificates, tls=tls) as there:
        await there.converse(proxy=proxies.signed.url_with(USERINFO))
        await proxies.signed.wrote(f"CONNECT {there.address} ")


@pytest.mark.parametrize(
    ("userinfo", "hint"),
    [
        (f"user:{SECRET}", "Check the name and the password in its URL: http://USER:PASSWORD@HOST:PORT."),
        ("user", "Check the name and the password in its URL: http://USER:PASSWORD@HOST:PORT."),
        ("", "Put a name and a password into its URL: http://USER:PASSWORD@HOST:PORT."),
    ],
    ids=["wrong", "half", "none"],
)
async def test_an_http_proxy_that_wants_another_password(
    certificates: Certificates, proxies: RunningProxies, userinfo: str, hint: str
) -> None:
    url = proxies.signed.url_with(userinfo) if userinfo else proxies.signed.url
    async with service(certificates, tls=True) as there:
        error = await there.refused(proxy=url)
    assert type(error) is ProxyError
    assert (error.status, error.message, error.hint) == (407, "Proxy Authentication Required", hint)
    assert str(error) == (
        f"the proxy {proxies.signed.url} refused CONNECT {there.address}: HTTP 407 Proxy Authentication Required. "
        f"{hint}"
    )
    assert error.attempts == 1


async def test_an_http_proxy_that_finds_nobody(proxies: RunningProxies) -> None:
    with fail_after(10):
        port = await nobodys_port()
        error = await not_connected(f"https://127.0.0.1:{port}", proxy=proxies.http.url)
        await proxies.http.wrote(f"CONNECT 127.0.0.1:{port} ")
    assert type(error) is ProxyError
    assert (error.status, error.message) == (502, "Bad Gateway")
    assert str(error) == f"the proxy {proxies.http.url} refused CONNECT 127.0.0.1:{port}: HTTP 502 Bad Gateway"
    assert error.attempts == 1


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        (b"HTTP/1.1 403 Forbidden by a rule\r\nContent-Length: 2\r\n\r\nno", 403, "Forbidden by a rule"),
        (b"HTTP/1.0 503 \r\n\r\n", 503, ""),
        (b"HTTP/1.1 504\r\n\r\n", 504, ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", 302, "Found"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, "Switching Protocols"),
    ],
    ids=["403", "503", "no reason", "302", "101"],
)
async def test_an_http_proxy_that_refuses(said: bytes, status: int, message: str) -> None:
    error = await proxy_error(saying(said, stays=True))
    assert (error.status, error.message) == (status, message)
    assert str(error).endswith(f" refused CONNECT {NAME}:443: HTTP {status} {message}".rstrip())


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK 200\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    ],
    ids=["ssh", "http/2", "words", "no status", "superscript", "blank", "binary"],
)
async def test_a_proxy_that_is_none(said: bytes) -> None:
    error = await proxy_error(saying(said, stays=True))
    assert str(error.said).endswith(" does not answer as an HTTP proxy does")
    assert error.status is None


@pytest.mark.parametrize("line", [b"X-More: and more\r\n", b"never a line's end"], ids=["headers", "one line"])
async def test_an_http_proxy_whose_answer_has_no_end(line: bytes) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await until_blank_line(peer.stream)
        await peer.stream.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.stream.send(line * 1000)
            sent += len(line) * 1000

    error = await proxy_error(script)
    assert "does not answer as an HTTP proxy does" in str(error)
    assert sent > 0


@pytest.mark.parametrize(
    "more",
    [
        b"\x15\x03\x03\x00\x02\x02\x46",
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ),
    ],
    ids=["bytes", "another head"],
)
async def test_an_http_proxy_that_speaks_first(more: bytes) -> None:
    error = await proxy_error(saying(b"HTTP/1.1 200 OK\r\n\r\n" + more, stays=True), max_retries=0, attempt_timeout=0.5)
    assert str(error).endswith(f" spoke first on the connection to {NAME}:443")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nVia: x\r\n"], ids=["", "line", "headers"])
async def test_an_http_proxy_that_hangs_up(said: bytes) -> None:
    error = await proxy_error(saying(said))
    assert "hung up" in str(error)


async def test_an_http_proxy_that_vanishes() -> None:
    error = await proxy_error(vanish)
    assert str(error.said).endswith(": Connection reset by peer")


@BOTH
async def test_an_http_proxy_that_hangs_up_after_its_answer(tls: bool) -> None:
    """Then it may be the service that did; so it is tried again."""
    url = f"ws{'s' if tls else ''}://{NAME}/openai/v1/realtime?model=m"
    with fail_after(10):
        async with serve(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
            proxy = Proxy("http", "127.0.0.1", server.port)
            opening = Opening(
                url,
                ApiKey(KEY),
                {},
                ssl_context=None,
                proxy=proxy,
                max_message_size=1 << 20,
                open_timeout=5.0,
                attempt_timeout=5.0,
                max_retries=2,
                backoff=Backoff(first=0.001),
            )
            with pytest.raises(BrokenOff) as caught:
                await opening.open()
            await server.idle.wait()
            assert server.clients == caught.value.attempts == 3
    assert NAME in str(caught.value)


async def test_an_http_proxy_that_says_nothing() -> None:
    with fail_after(10):
        async with serve(be_silent) as server:
            proxy = f"http://user:{SECRET}@127.0.0.1:{server.port}"
            error = await not_connected(f"https://{NAME}", proxy=proxy, max_retries=0, attempt_timeout=0.05)
            if server.clients:
                await server.idle.wait()
    assert type(error) is ConnectTimeout
    assert error.said == f"http://127.0.0.1:{server.port} did not answer within 0.05 s"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_http_proxy_that_is_not_there(scheme: str) -> None:
    with fail_after(5):
        url = f"{scheme}://127.0.0.1:{await nobodys_port()}"
        error = await not_connected(f"https://{NAME}", proxy=url)
    assert type(error) is ProxyError
    assert str(error.said) == f"no way through the proxy: could not reach {url}: Connection refused"
    assert error.hint == PROXY_HINT
    assert error.attempts == 1


async def test_a_proxy_whose_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: object, **_kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fail_after(5):
        error = await not_connected(f"https://{NAME}", proxy=FAR)
    assert type(error) is ProxyError
    assert str(error.said) == f"no way through the proxy: could not reach {FAR}: Name or service not known"


async def test_what_an_http_proxy_is_told(certificates: Certificates) -> None:
    """Nothing that is meant for the service."""
    async with service(certificates, tls=True, names=[NAME]) as there:
        tunnel = Tunnel(there.port)
        async with serve(tunnel) as server:
            await there.converse(NAME, proxy=f"http://u%20ser:p%3Aw@127.0.0.1:{server.port}")
    assert tunnel.heads == [
        f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\nUser-Agent: realtime-azure/{__version__}\r\n"
        "Proxy-Authorization: Basic dSBzZXI6cDp3\r\n\r\n".encode()
    ]


@pytest.mark.parametrize(
    ("host", "target"),
    [
        (NAME, f"{NAME}:443"),
        (f"{NAME}:8443", f"{NAME}:8443"),
        ("[2001:db8::1]", "[2001:db8::1]:443"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
    ],
)
async def test_where_an_http_proxy_is_sent(certificates: Certificates, host: str, target: str) -> None:
    async with service(certificates, tls=True, names=[NAME, "2001:db8::1"]) as there:
        tunnel = Tunnel(there.port)
        async with serve(tunnel) as server:
            await there.converse(host, proxy=f"http://127.0.0.1:{server.port}")
    assert tunnel.targets == [target]


async def test_without_tls_an_http_proxy_is_sent_to_port_80(certificates: Certificates) -> None:
    async with service(certificates, tls=False) as there:
        tunnel = Tunnel(there.port)
        async with serve(tunnel) as server:
            await there.converse(NAME, proxy=f"http://127.0.0.1:{server.port}")
    assert tunnel.targets == [f"{NAME}:80"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\nProxy-Agent: x\r\n\r\n",
        b"HTTP/1.1 299 As you like\r\n\r\n",
    ],
    ids=["short", "headers", "299"],
)
async def test_an_http_proxy_may_say_yes_in_its_own_way(certificates: Certificates, answer: bytes) -> None:
    async with service(certificates, tls=True, names=[NAME]) as there, serve(Tunnel(there.port, answer)) as server:
        await there.converse(NAME, proxy=f"http://127.0.0.1:{server.port}")


async def test_an_http_proxy_may_say_yes_byte_by_byte(certificates: Certificates) -> None:
    async with service(certificates, tls=True, names=[NAME]) as there:

        async def script(peer: Peer) -> None:
            await until_blank_line(peer.stream)
            peer.stream.extra(SocketAttribute.raw_socket).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n":
                await peer.stream.send(bytes([byte]))
                await checkpoint()
            async with await connect_tcp("127.0.0.1", there.port) as onward:
                await between(peer.stream, onward)

        async with serve(script) as server:
            await there.converse(NAME, proxy=f"http://127.0.0.1:{server.port}")


# HTTP proxies behind TLS


@BOTH
@pytest.mark.usefixtures("trusted")
async def test_an_https_proxy(certificates: Certificates, proxies: RunningProxies, tls: bool) -> None:
    async with service(certificates, tls=tls) as there:
        await there.converse(proxy=proxies.https.url)
        await proxies.https.wrote(f"CONNECT {there.address} ")


@pytest.mark.usefixtures("trusted")
async def test_an_https_proxy_is_told_the_password_in_secret(certificates: Certificates) -> None:
    async with service(certificates, tls=True, names=[NAME]) as there:
        tunnel = Tunnel(there.port)
        versions: list[str] = []

        async def script(peer: Peer) -> None:
            versions.append(peer.stream.extra(TLSAttribute.tls_version))
            await tunnel(peer)

        async with serve(script, tls=certificates.server("localhost")) as server:
            await there.converse(NAME, proxy=f"https://user:{SECRET}@localhost:{server.port}")
    assert tunnel.targets == [f"{NAME}:443"]
    assert b"Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n" in tunnel.heads[0]
    assert versions


async def test_an_https_proxy_that_nobody_trusts(certificates: Certificates, proxies: RunningProxies) -> None:
    """*ssl_context* is for the service, not for the proxy."""
    async with service(certificates, tls=True) as there:
        error = await there.refused(proxy=proxies.https.url_with(f"user:{SECRET}"))
    assert type(error) is ProxyError
    assert str(error.said) == (
        f"no way through the proxy: no secure connection to {proxies.https.url}: unable to get local issuer certificate"
    )
    assert error.hint == PROXY_HINT
    assert isinstance(error.__cause__, TlsError)


@pytest.mark.usefixtures("trusted")
async def test_an_https_proxy_with_anothers_certificate(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(be_silent, tls=certificates.server("elsewhere.example")) as server:
            error = await not_connected(f"https://{NAME}", proxy=f"https://localhost:{server.port}")
            assert not server.clients  # the server's handshake failed too
    assert type(error) is ProxyError
    assert "Hostname mismatch" in str(error)


@pytest.mark.usefixtures("trusted")
async def test_an_https_proxy_without_tls() -> None:
    error = await proxy_error(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", stays=True), "https")
    assert "no secure connection to https://127.0.0.1" in str(error)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("script", [hang_up, vanish], ids=["hangs up", "vanishes"])
async def test_an_https_proxy_that_goes_in_the_tls_handshake(script: Script) -> None:
    error = await proxy_error(script, "https")
    assert "hung up during the TLS handshake" in str(error)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("script", [hang_up, vanish], ids=["hangs up", "vanishes"])
async def test_an_https_proxy_that_goes_when_it_is_asked(certificates: Certificates, script: Script) -> None:
    with fail_after(5):
        async with serve(script, tls=certificates.server("localhost")) as server:
            error = await not_connected(f"https://{NAME}", proxy=f"https://localhost:{server.port}")
            await server.idle.wait()
            assert server.clients == 1
    assert type(error) is ProxyError
    assert "hung up" in str(error)


async def test_an_https_proxy_without_anything_to_trust(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """*ssl_context* is there for the service, but `SSL_CERT_FILE` for the proxy is not: nothing is dialled."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with fail_after(5):
        async with serve(be_silent) as server:
            with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE: /nowhere/ca\.pem: No such file"):
                async with connect(
                    f"https://{NAME}",
                    deployment="m",
                    api_version="v1",
                    api_key=KEY,
                    proxy=f"https://127.0.0.1:{server.port}",
                    ssl_context=certificates.client(),
                ):
                    pytest.fail("it connected")
            gc.collect()
            assert server.clients == 0


# SOCKS


def socks_of(proxies: RunningProxies, kind: str) -> tuple[RunningProxy, str, str]:
    """A proxy, its URL, and what it calls itself in its log."""
    match kind:
        case "socks5":
            return proxies.socks5, proxies.socks5.url, "socks5"
        case "socks5h":
            return proxies.socks5, proxies.socks5.url.replace("socks5", "socks5h"), "socks5"
        case "signed socks5":
            return proxies.signed_socks5, proxies.signed_socks5.url_with(SOCKS_USERINFO), "socks5"
        case "socks4":
            return proxies.socks4, proxies.socks4.url, "socks4"
        case _:
            return proxies.socks4, proxies.socks4.url_with("user").replace("socks4", "socks4a"), "socks4"


@BOTH
@pytest.mark.parametrize("kind", ["socks5", "socks5h", "signed socks5", "socks4", "socks4a"])
async def test_a_socks_proxy(certificates: Certificates, proxies: RunningProxies, kind: str, tls: bool) -> None:
    proxy, url, name = socks_of(proxies, kind)
    async with service(certificates, tls=tls) as there:
        await there.converse(proxy=url)
        await proxy.wrote(name, f" -> {there.address}")


@pytest.mark.parametrize(
    ("userinfo", "logged"),
    [(f"user:{SECRET}", f"Unauthorized SOCKS b'user':b'{SECRET}'"), ("", "Unauthorized SOCKS")],
    ids=["wrong", "none"],
)
async def test_a_socks_proxy_that_wants_another_password(
    certificates: Certificates, proxies: RunningProxies, userinfo: str, logged: str
) -> None:
    """This one hangs up without a word."""
    proxy = proxies.signed_socks5
    async with service(certificates, tls=True) as there:
        error = await there.refused(proxy=proxy.url_with(userinfo) if userinfo else proxy.url)
        await proxy.wrote(logged)
    assert type(error) is ProxyError
    assert f"the proxy {proxy.url} " in str(error)
    assert error.attempts == 1
    assert SECRET not in str(error)


YES5 = b"\x05\x00"
SIGN5 = b"\x05\x02"


@pytest.mark.parametrize(
    ("scheme", "answers", "said"),
    [
        ("socks5", (YES5, b"\x05\x05\x00\x01" + bytes(6)), "Connection refused by destination host"),
        ("socks5h", (YES5, b"\x05\x02\x00\x01" + bytes(6)), "Connection not allowed by ruleset"),
        ("socks5", (YES5, b"\x05\x04\x00\x03\x00\x00\x00"), "Host unreachable"),
        ("socks5", (YES5, b"\x05\x99\x00\x01" + bytes(6)), "0X99"),
        ("socks5", (b"\x05\xff",), "No acceptable authentication methods were offered"),
        ("socks5", (SIGN5, b"\x01\x01"), "Username and password authentication failure"),
        ("socks5", (b"HTTP/1.1 400 Bad Request\r\n\r\n",), ""),
        ("socks5", (b"\x04\x5a" + bytes(6),), ""),
        ("socks4", (b"\x00\x5b" + bytes(6),), "rejected or failed"),
        ("socks4a", (b"\x00\x5d" + bytes(6),), "different user-ids"),
        ("socks4", (b"HTTP/1.1 400 Bad Request\r\n\r\n",), ""),
    ],
)
async def test_a_socks_proxy_that_refuses(scheme: str, answers: Sequence[bytes], said: str) -> None:
    error = await proxy_error(saying(*answers, stays=True), scheme, f"user:{SECRET}@")
    assert f" did not connect to {NAME}:443: " in str(error)
    assert said in str(error)


@pytest.mark.parametrize(
    ("scheme", "answers"),
    [
        ("socks5", ()),
        ("socks5", (b"\x05",)),
        ("socks5", (YES5,)),
        ("socks5", (YES5, b"\x05\x00\x00")),
        ("socks5", (YES5, b"\x05\x00\x00\x01\x00")),
        ("socks5", (SIGN5,)),
        ("socks5", (SIGN5, b"\x01")),
        ("socks4", ()),
        ("socks4", (b"\x00\x5a",)),
    ],
)
async def test_a_socks_proxy_that_hangs_up(scheme: str, answers: Sequence[bytes]) -> None:
    error = await proxy_error(saying(*answers), scheme, f"user:{SECRET}@")
    assert f" did not connect to {NAME}:443: " in str(error)


async def test_a_socks_proxy_that_gives_a_name_that_is_none() -> None:
    error = await proxy_error(saying(YES5, b"\x05\x00\x00\x03\x02\xff\xff\x01\xbb", stays=True), "socks5")
    assert f" did not connect to {NAME}:443: " in str(error)


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_a_socks_proxy_that_vanishes(scheme: str) -> None:
    error = await proxy_error(vanish, scheme)
    assert f" did not connect to {NAME}:443: " in str(error)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks4a"])
async def test_a_socks_proxy_that_is_not_there(scheme: str) -> None:
    with fail_after(5):
        url = f"{scheme}://127.0.0.1:{await nobodys_port()}"
        error = await not_connected(f"https://{NAME}", proxy=url)
    assert type(error) is ProxyError
    assert url in str(error)
    assert "Connection refused" in str(error)
    assert error.hint == PROXY_HINT
    assert error.attempts == 1


@pytest.mark.parametrize(
    ("scheme", "userinfo"),
    [
        ("socks5", "us%C3%A9r:hunter2"),
        ("socks5", "user:hunter2%C3%A9"),
        ("socks5", f"{'u' * 256}:hunter2"),
        ("socks5", f"user:{'hunter2' * 40}"),
        ("socks4", "us%C3%A9r"),
    ],
    ids=["user", "password", "long user", "long password", "socks4"],
)
async def test_a_password_that_socks_cannot_carry(scheme: str, userinfo: str) -> None:
    with fail_after(5):
        async with serve(saying(SIGN5, stays=True)) as server:
            with pytest.raises(ConfigurationError, match=r"^proxy: .*255.*ASCII") as caught:
                async with connect(
                    f"https://{NAME}",
                    deployment="m",
                    api_version="v1",
                    api_key=KEY,
                    proxy=f"{scheme}://{userinfo}@127.0.0.1:{server.port}",
                ):
                    pytest.fail("it connected")
            assert server.clients == 0
    assert caught.value.__cause__ is None  # a UnicodeError would hold the password
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_a_socks_proxy_that_says_nothing(scheme: str) -> None:
    with fail_after(10):
        async with serve(be_silent) as server:
            proxy = f"{scheme}://user:{SECRET}@127.0.0.1:{server.port}"
            error = await not_connected(f"https://{NAME}", proxy=proxy, max_retries=0, attempt_timeout=0.05)
            if server.clients:
                await server.idle.wait()
    assert type(error) is ConnectTimeout
    assert error.said == f"{scheme}://127.0.0.1:{server.port} did not answer within 0.05 s"


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        (NAME, b"\x05\x01\x00\x03resource.example\x01\xbb"),
        (f"{NAME}:8443", b"\x05\x01\x00\x03resource.example\x20\xfb"),
        ("10.0.0.1", b"\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb"),
        ("[2001:db8::1]", b"\x05\x01\x00\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01\x01\xbb"),
    ],
)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_looks_the_name_up(
    certificates: Certificates, scheme: str, host: str, asked: bytes
) -> None:
    async with service(certificates, tls=True, names=[NAME, "10.0.0.1", "2001:db8::1"]) as there:
        tunnel = SocksTunnel(there.port)
        async with serve(tunnel) as server:
            await there.converse(host, proxy=f"{scheme}://127.0.0.1:{server.port}")
    assert tunnel.asked == [asked]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks4a"])
@pytest.mark.parametrize("missing", ["python_socks", "python_socks.async_.anyio"])
async def test_socks_without_the_extra(monkeypatch: pytest.MonkeyPatch, scheme: str, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with fail_after(5):
        async with serve(be_silent) as server:
            with pytest.raises(ConfigurationError) as caught:
                async with connect(
                    f"https://{NAME}",
                    deployment="m",
                    api_version="v1",
                    api_key=KEY,
                    proxy=f"{scheme}://user:{SECRET}@127.0.0.1:{server.port}",
                ):
                    pytest.fail("it connected")
            assert server.clients == 0
    assert str(caught.value) == (f"proxy: {scheme}:// needs the extra socks: pip install 'realtime-azure[socks]'")


# Cancelled on the way


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.usefixtures("trusted")
async def test_a_dial_that_is_cancelled_anywhere_leaves_nothing_open(certificates: Certificates, scheme: str) -> None:
    finished = False
    steps = 0
    with fail_after(20):
        async with serve(be_silent, tls=certificates.server(NAME)) as there:
            script: Script = SocksTunnel(there.port) if scheme == "socks5" else Tunnel(there.port)
            tls = certificates.server("127.0.0.1") if scheme == "https" else None
            async with serve(script, tls=tls) as server:
                proxy = Proxy(scheme, "127.0.0.1", server.port)

                async def run(scope: CancelScope) -> None:
                    nonlocal finished
                    with scope:
                        stream = await dial(f"wss://{NAME}/", proxy=proxy)
                        finished = True
                        await stream.aclose()

                for steps in range(400):
                    async with create_task_group() as tasks:
                        scope = CancelScope()
                        tasks.start_soon(run, scope)
                        for _ in range(steps):
                            await checkpoint()
                        scope.cancel()
                    if server.clients:
                        await server.idle.wait()  # the proxy sees that each of them has gone
                    if finished:
                        break
    assert finished
    assert steps > 10


# Which proxy


def given_names(monkeypatch: pytest.MonkeyPatch, **addresses: str) -> list[str]:
    """Answers for name servers: *addresses* of names. Returns what is asked for, as it is asked for."""
    real = socket.getaddrinfo
    asked: list[str] = []

    def getaddrinfo(host: bytes | str | None, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host or ""
        asked.append(name)
        return real(addresses.get(name.replace(".", "_"), name), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    ("tls", "variable"),
    [
        (True, "HTTPS_PROXY"),
        (True, "https_proxy"),
        (True, "ALL_PROXY"),
        (True, "all_proxy"),
        (False, "HTTP_PROXY"),
        (False, "http_proxy"),
        (False, "ALL_PROXY"),
    ],
)
async def test_the_proxy_of_the_environment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tls: bool, variable: str
) -> None:
    asked = given_names(monkeypatch)
    async with service(certificates, tls=tls, names=[NAME]) as there:
        tunnel = Tunnel(there.port)
        async with serve(tunnel) as server:
            monkeypatch.setenv(variable, f"http://{USERINFO}@127.0.0.1:{server.port}")
            await there.converse(NAME)
    assert tunnel.targets == [f"{NAME}:{443 if tls else 80}"]
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwQHNzOncvw7ZyZD8=\r\n" in tunnel.heads[0]
    assert NAME not in asked  # its name is the proxy's business


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_of_the_environment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    asked = given_names(monkeypatch)
    async with service(certificates, tls=True, names=[NAME]) as there:
        tunnel = SocksTunnel(there.port)
        async with serve(tunnel) as server:
            monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{server.port}")
            await there.converse(NAME)
    assert len(tunnel.asked) == 1
    assert NAME not in asked


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_PROXY": NAME},
        {"no_proxy": ".example"},
        {"NO_PROXY": "*"},
        {"HTTPS_PROXY": ""},
        {"REMOVED": "HTTPS_PROXY"},
    ],
    ids=["name", "suffix", "all", "empty", "none"],
)
async def test_past_the_proxy_of_the_environment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
) -> None:
    asked = given_names(monkeypatch, resource_example="127.0.0.1")
    async with service(certificates, tls=True, names=[NAME]) as there, serve(Tunnel(there.port)) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if "REMOVED" in environment:
            monkeypatch.delenv("HTTPS_PROXY")
        await there.converse(f"{NAME}:{there.port}")
        assert server.clients == 0
    assert NAME in asked


@pytest.mark.parametrize("proxy", [False, None])
async def test_no_proxy_by_argument(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, proxy: bool | None
) -> None:
    given_names(monkeypatch, resource_example="127.0.0.1")
    async with service(certificates, tls=True, names=[NAME]) as there, serve(Tunnel(there.port)) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{server.port}")
        await there.converse(f"{NAME}:{there.port}", proxy=proxy)
        assert server.clients == 0


@BOTH
async def test_this_machine_is_reached_past_the_proxy_of_the_environment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    async with service(certificates, tls=tls) as there, serve(Tunnel(there.port)) as server:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
        await there.converse()
        assert server.clients == 0


async def test_the_argument_wins_over_the_environment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(certificates, tls=True, names=[NAME]) as there:
        tunnel = Tunnel(there.port)
        async with serve(tunnel) as server, serve(be_silent) as other:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{other.port}")
            monkeypatch.setenv("NO_PROXY", "*")
            await there.converse(NAME, proxy=f"http://127.0.0.1:{server.port}")
            assert other.clients == 0
    assert tunnel.targets == [f"{NAME}:443"]


def chosen(url: str, proxy: str | bool | None = True) -> str | None:
    found = proxy_for(url, proxy)
    return None if found is None else found.shown


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        (f"wss://{NAME}/", {}, None),
        (f"wss://{NAME}/", {"HTTPS_PROXY": FAR}, FAR),
        (f"wss://{NAME}/", {"HTTP_PROXY": FAR}, None),
        (f"ws://{NAME}/", {"HTTP_PROXY": FAR}, FAR),
        (f"ws://{NAME}/", {"HTTPS_PROXY": FAR}, None),
        (f"wss://{NAME}/", {"ALL_PROXY": FAR}, FAR),
        (f"ws://{NAME}/", {"ALL_PROXY": FAR}, FAR),
        (f"wss://{NAME}/", {"HTTPS_PROXY": FAR, "ALL_PROXY": OTHER}, FAR),
        (f"wss://{NAME}/", {"HTTPS_PROXY": OTHER, "https_proxy": FAR}, FAR),
        (f"wss://{NAME}/", {"HTTPS_PROXY": "proxy.example:3128"}, FAR),
        (f"wss://{NAME}/", {"HTTPS_PROXY": "", "ALL_PROXY": FAR}, FAR),
        (f"wss://{NAME}/", {"HTTPS_PROXY": "https://proxy.example"}, "https://proxy.example:443"),
        (f"wss://{NAME}/", {"ALL_PROXY": "socks5://proxy.example"}, "socks5://proxy.example:1080"),
        ("ws://127.0.0.1:80/", {"ALL_PROXY": FAR}, None),
        ("ws://127.9.9.9/", {"ALL_PROXY": FAR}, None),
        ("ws://localhost:80/", {"ALL_PROXY": FAR}, None),
        ("ws://a.localhost/", {"ALL_PROXY": FAR}, None),
        ("wss://[::1]:80/", {"ALL_PROXY": FAR}, None),
        ("wss://[::1]/", {"ALL_PROXY": FAR}, None),
        ("wss://localhost.example/", {"ALL_PROXY": FAR}, FAR),
        ("wss://[2001:db8::1]/", {"ALL_PROXY": FAR}, FAR),
        ("wss://10.0.0.1/", {"ALL_PROXY": FAR}, FAR),
    ],
)
def test_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: Mapping[str, str], expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert chosen(url) == expected
    assert chosen(url, False) is None
    assert chosen(url, None) is None
    assert chosen(url, "http://third.example") == "http://third.example:80"


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("resource.example", "resource.example", True),
        ("RESOURCE.example", "resource.example", True),
        ("resource.example", "resource.example:8443", True),
        ("resource.example", "sub.resource.example", True),
        ("resource.example", "other.example", False),
        ("source.example", "resource.example", False),
        ("example", "resource.example", True),
        (".example", "resource.example", True),
        (".other.example", "resource.example", False),
        ("a.example, resource.example ,b.example", "resource.example", True),
        ("a.example,b.example", "resource.example", False),
        ("", "resource.example", False),
        (",", "resource.example", False),
        ("*", "resource.example", True),
        ("*", "10.1.2.3", True),
        ("resource.example:8443", "resource.example:8443", True),
        ("resource.example:8443", "resource.example:9443", False),
        ("resource.example:8443", "resource.example", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:8443", True),
        ("10.1.2.3", "10.1.2.30", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "10.1.2.3:8443", True),
        ("a.example, 10.1.2.3/8", "10.9.9.9", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example", False),
        ("10.0.0.0/99", "10.1.2.3", False),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("2001:db8::1", "[2001:db8::1]:8443", True),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("2001:db8::/32", "[2001:db8::1]:8443", True),
        ("2001:db8::/32", "[2001:db9::1]", False),
        ("2001:db8::/32", "10.1.2.3", False),
        ("10.0.0.0/8", "[2001:db8::1]", False),
        pytest.param(
            "resource.example:443",
            "resource.example",
            True,
        ),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_whom_no_proxy_spares(
    monkeypatch: pytest.MonkeyPatch, variable: str, no_proxy: str, host: str, direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", FAR)
    monkeypatch.setenv(variable, no_proxy)
    assert chosen(f"wss://{host}/openai/v1/realtime?model=m") == (None if direct else FAR)


# What a proxy's URL says


@pytest.mark.parametrize(
    ("url", "proxy", "shown"),
    [
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128), FAR),
        ("http://proxy.example:3128/", Proxy("http", "proxy.example", 3128), FAR),
        ("proxy.example:3128", Proxy("http", "proxy.example", 3128), FAR),
        ("proxy.example", Proxy("http", "proxy.example", 80), "http://proxy.example:80"),
        ("HTTPS://Proxy.Example", Proxy("https", "proxy.example", 443), "https://proxy.example:443"),
        ("socks5://10.0.0.1", Proxy("socks5", "10.0.0.1", 1080), "socks5://10.0.0.1:1080"),
        ("socks5h://p", Proxy("socks5h", "p", 1080), "socks5h://p:1080"),
        ("socks4://p:9", Proxy("socks4", "p", 9), "socks4://p:9"),
        ("socks4a://p", Proxy("socks4a", "p", 1080), "socks4a://p:1080"),
        ("http://[2001:db8::1]:3128", Proxy("http", "2001:db8::1", 3128), "http://[2001:db8::1]:3128"),
        ("http://u:hunter2@p", Proxy("http", "p", 80, "u", SECRET), "http://p:80"),
        ("u:hunter2@p:8", Proxy("http", "p", 8, "u", SECRET), "http://p:8"),
        ("http://u%40x:%3Ahunter2%2F%C3%A9@p", Proxy("http", "p", 80, "u@x", ":hunter2/é"), "http://p:80"),
        ("http://u:hun@ter2@p", Proxy("http", "p", 80, "u", "hun@ter2"), "http://p:80"),
        ("http://u:hun:ter2@p", Proxy("http", "p", 80, "u", "hun:ter2"), "http://p:80"),
        ("http://u@p", Proxy("http", "p", 80, "u"), "http://p:80"),
        ("http://u:@p", Proxy("http", "p", 80, "u", ""), "http://p:80"),
    ],
)
def test_what_a_proxys_url_says(url: str, proxy: Proxy, shown: str) -> None:
    assert Proxy.parse(url) == proxy
    assert Proxy.parse(url).shown == shown


BAD = [
    "",
    "http://",
    "http:proxy.example",
    "//proxy.example",
    "ftp://u:hunter2@proxy.example",
    "ws://u:hunter2@proxy.example",
    "socks://u:hunter2@proxy.example",
    "http://u:hunter2@",
    "http://u:hunter2@:3128",
    "http://u:hunter2@proxy.example:port",
    "http://u:hunter2@proxy.example:-1",
    "http://u:hunter2@proxy.example:65536",
    "http://u:hunter2@[2001:db8::1",
    "http://u:hunter2@2001:db8::1]",
    "http://u:hunter2\u2100@proxy.example",
    "http://u:hunter2/@proxy.example",
    "http://u:hunter2?@proxy.example",
    "http://u:hunter2#@proxy.example",
]


@pytest.mark.parametrize("url", BAD)
async def test_a_url_that_is_no_proxys(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    async def wrong(source: str, **options: Any) -> None:
        with pytest.raises(ConfigurationError) as caught:
            async with connect(f"https://{NAME}", deployment="m", api_version="v1", api_key=KEY, **options):
                pytest.fail("it connected")
        assert str(caught.value) == f"{source}: give a URL such as http://HOST:PORT, https://… or socks5://…"
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    with fail_after(5):
        await wrong("proxy", proxy=url)
        for name in ("HTTPS_PROXY", "ALL_PROXY"):
            if url:
                with monkeypatch.context() as there:
                    there.setenv(name, url)
                    await wrong(name)


ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ASCII = st.text(st.characters(max_codepoint=127), max_size=20)


@given(
    st.tuples(st.sampled_from(["http", "https"]), ANYTHING, ANYTHING)
    | st.tuples(st.sampled_from(["socks5", "socks5h", "socks4", "socks4a"]), ASCII, ASCII),
    st.sampled_from(["proxy.example", "10.0.0.1", "2001:db8::1"]),
    st.integers(1, 65535),
)
def test_a_name_and_a_password_come_out_as_they_went_in(what: tuple[str, str, str], host: str, port: int) -> None:
    scheme, user, password = what
    where = f"[{host}]" if ":" in host else host
    proxy = Proxy.parse(f"{scheme}://{quote(user, safe='')}:{quote(SECRET + password, safe='')}@{where}:{port}")
    assert proxy == Proxy(scheme, host, port, user, SECRET + password)
    assert proxy.shown == f"{scheme}://{where}:{port}"
    assert Proxy.parse(proxy.shown) == Proxy(scheme, host, port)
    assert SECRET not in repr(proxy) + str(proxy) + proxy.shown


@given(before=st.text(max_size=10), after=st.text(max_size=10))
def test_whatever_is_in_a_password_it_is_not_shown(before: str, after: str) -> None:
    for url in (f"{scheme}user:{before}{SECRET}{after}@proxy.example:3128" for scheme in ("", "http://", "https://")):
        try:
            proxy = Proxy.parse(url)
        except ConfigurationError as exc:
            shown = str(exc) + repr(exc)
        else:
            shown = repr(proxy) + str(proxy) + proxy.shown
        assert SECRET not in shown


@given(url=st.text() | st.text().map("http://{}".format) | st.text("[]@:/?#%.0123456789ab").map("socks5://{}".format))
def test_a_proxys_url_is_one_or_a_configuration_error(url: str) -> None:
    try:
        proxy = Proxy.parse(url)
    except ConfigurationError:
        return
    assert proxy.host
    assert 0 < proxy.port < 65536


@pytest.mark.parametrize("userinfo", ["user:12/34567", "user:12?34567", "user:12#34567", "user:@hunter2/34567"])
def test_a_password_is_not_taken_for_a_host_or_a_port(userinfo: str) -> None:
    """With a / or the like in it, which would have to be percent-encoded."""
    with pytest.raises(ConfigurationError):
        Proxy.parse(f"http://{userinfo}@proxy.example:3128")
