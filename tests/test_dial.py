"""From a URL to a byte stream: what goes wrong on the way says what, and to which host."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from anyio import CancelScope, create_task_group, create_tcp_listener, fail_after
from anyio.abc import SocketAttribute
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSAttribute
from cryptography import x509

from realtime_azure import (
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    HostNotFound,
    TlsError,
    Unreachable,
    connect,
    emulator,
)
from realtime_azure._dial import default_ssl_context, dial
from realtime_azure.events import SessionCreated

from .serving import Certificates, Peer, Script, Server, serve

pytestmark = pytest.mark.anyio

TRUST_HINT = (
    "If a company's own authority or a proxy that looks into TLS signs here, name its certificate: "
    "SSL_CERT_FILE=ca.pem, or ssl_context=."
)
CLOCK_HINT = "Check this machine's clock; else the certificate has to be renewed."
NAME_HINT = "Use the name that the certificate is for: the endpoint as the portal shows it."
NO_TLS_HINT = "Check that the port speaks TLS; http:// is for this machine."
DNS_HINT = "Check the endpoint's name, and that this machine has a network."
WAY_HINT = "Check the endpoint's host and port, and what a firewall or a VPN lets through."


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be searched for each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Generator[None]:
    """A socket that is left to the garbage collector is a ResourceWarning, and so an error."""
    yield
    gc.collect()


async def say_hello(peer: Peer) -> None:
    await peer.stream.send(b"hello")
    await peer.gone()


async def say_http(peer: Peer) -> None:
    await peer.stream.receive()
    await peer.stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.gone()


async def hang_up(peer: Peer) -> None:
    await peer.stream.receive()


async def vanish(peer: Peer) -> None:
    await peer.stream.receive()
    await peer.reset()


async def be_silent(peer: Peer) -> None:
    await peer.gone()


def secure(server: Server, host: str = "localhost") -> str:
    return f"wss://{host}:{server.port}/openai/v1/realtime?model=m"


async def failed(url: str, kind: type[ConnectError], **options: Any) -> ConnectError:
    """What `dial` raises, which is of that *kind* and no other."""
    with pytest.raises(ConnectError) as caught:
        await dial(url, **options)
    assert type(caught.value) is kind
    assert str(caught.value) == f"{caught.value.said}{f'. {caught.value.hint}' if caught.value.hint else ''}"
    return caught.value


async def test_a_plain_stream() -> None:
    with fail_after(5):
        async with serve(say_hello) as server, await dial(f"ws://127.0.0.1:{server.port}/") as stream:
            assert await stream.receive() == b"hello"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST"])
async def test_tls_with_an_authority_of_ones_own(certificates: Certificates, host: str) -> None:
    tls = certificates.server("localhost", "127.0.0.1")
    with fail_after(5):
        async with (
            serve(say_hello, tls=tls) as server,
            await dial(secure(server, host), ssl_context=certificates.client()) as stream,
        ):
            assert await stream.receive() == b"hello"
            assert stream.extra(TLSAttribute.tls_version) in ("TLSv1.2", "TLSv1.3")


# Certificates


async def test_an_untrusted_certificate(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(say_hello, tls=certificates.server("localhost")) as server:
            error = await failed(secure(server), TlsError)
            assert server.clients == 0  # nothing was said to it
    assert error.said == f"no secure connection to localhost:{server.port}: unable to get local issuer certificate"
    assert error.hint == TRUST_HINT
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


async def test_a_certificate_that_signs_itself(tmp_path: Path) -> None:
    itself = trustme.CA()
    itself.private_key_pem.write_to_path(tmp_path / "key.pem")
    itself.cert_pem.write_to_path(tmp_path / "certificate.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with fail_after(5):
        async with serve(say_hello, tls=context) as server:
            error = await failed(secure(server), TlsError)
    assert "self-signed certificate" in str(error.said) or "self signed certificate" in str(error.said)
    assert error.hint == TRUST_HINT


async def test_a_certificate_without_the_one_that_signed_it(certificates: Certificates, tmp_path: Path) -> None:
    """The server sends its own only; nobody here knows its signer, whom the authority has signed."""
    certificate = certificates.authority.create_child_ca().issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with fail_after(5):
        async with serve(say_hello, tls=context) as server:
            error = await failed(secure(server), TlsError, ssl_context=certificates.client())
    assert error.hint == TRUST_HINT


@pytest.mark.parametrize(("host", "said"), [("localhost", "Hostname mismatch"), ("127.0.0.1", "IP address mismatch")])
async def test_a_certificate_for_another_host(certificates: Certificates, host: str, said: str) -> None:
    with fail_after(5):
        async with serve(say_hello, tls=certificates.server("elsewhere.example", "10.0.0.1")) as server:
            error = await failed(secure(server, host), TlsError, ssl_context=certificates.client())
    assert str(error.said).startswith(f"no secure connection to {host}:{server.port}: {said}")
    assert host in str(error.said).rpartition(":")[2]
    assert error.hint == NAME_HINT


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [(2020, 2021, "certificate has expired"), (2200, 2201, "certificate is not yet valid")],
    ids=["over", "to come"],
)
async def test_a_certificate_of_another_time(certificates: Certificates, first: int, last: int, said: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.authority.issue_cert(
        "localhost", not_before=datetime(first, 1, 1, tzinfo=UTC), not_after=datetime(last, 1, 1, tzinfo=UTC)
    ).configure_cert(context)
    with fail_after(5):
        async with serve(say_hello, tls=context) as server:
            error = await failed(secure(server), TlsError, ssl_context=certificates.client())
    assert error.said == f"no secure connection to localhost:{server.port}: {said}"
    assert error.hint == CLOCK_HINT


# What is trusted


def authority_file(certificates: Certificates, folder: Path) -> Path:
    file = folder / "authority.pem"
    certificates.authority.cert_pem.write_to_path(file)
    return file


async def test_the_authority_in_ssl_cert_file(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(certificates, tmp_path)))
    with fail_after(5):
        async with (
            serve(say_hello, tls=certificates.server("localhost")) as server,
            await dial(secure(server)) as stream,
        ):
            assert await stream.receive() == b"hello"


async def test_the_authority_in_ssl_cert_dir(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = authority_file(certificates, tmp_path)
    file.rename(tmp_path / f"{hash_of_the_subject(file)}.0")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with fail_after(5):
        async with (
            serve(say_hello, tls=certificates.server("localhost")) as server,
            await dial(secure(server)) as stream,
        ):
            assert await stream.receive() == b"hello"


def test_ssl_cert_dir_stands_for_all_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system trusts is not added."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert default_ssl_context().cert_store_stats()["x509_ca"] == 0


def hash_of_the_subject(file: Path) -> str:
    """What OpenSSL looks for in a folder: a hash of the name, in lower case, without the header around it."""
    subject = x509.load_pem_x509_certificate(file.read_bytes()).subject
    lower = [x509.NameAttribute(part.oid, " ".join(str(part.value).lower().split())) for part in subject]
    named = x509.Name(lower).public_bytes()
    assert named[1] < 128  # else the header is longer
    return f"{int.from_bytes(hashlib.sha1(named[2:]).digest()[:4], 'little'):08x}"  # noqa: S324 - OpenSSL's choice


async def test_another_authority_in_ssl_cert_file(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(Certificates(), tmp_path)))
    with fail_after(5):
        async with serve(say_hello, tls=certificates.server("localhost")) as server:
            error = await failed(secure(server), TlsError)
    assert error.hint == TRUST_HINT


async def test_ssl_context_wins_over_ssl_cert_file(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(certificates, tmp_path)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody; ssl.create_default_context() looks there too
    with fail_after(5):
        async with serve(say_hello, tls=certificates.server("localhost")) as server:
            await failed(secure(server), TlsError, ssl_context=context)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, os.strerror(2)),
        (b"", "it holds no certificates in PEM form"),
        (b"not a certificate\n", "it holds no certificates in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "it holds no certificates in PEM form"),
    ],
    ids=["missing", "empty", "text", "broken"],
)
async def test_an_ssl_cert_file_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes | None, said: str
) -> None:
    """It is found out before anything is sent."""
    file = tmp_path / "ca.pem"
    if written is not None:
        file.write_bytes(written)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with fail_after(5):
        async with serve(be_silent) as server:
            with pytest.raises(ConfigurationError) as caught:
                async with connect(
                    f"https://localhost:{server.port}", deployment="m", api_version="v1", api_key="a-key"
                ):
                    pytest.fail("it connected")
            assert server.clients == 0
    assert str(caught.value) == f"SSL_CERT_FILE: {file}: {said}"


async def test_an_ssl_cert_file_that_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with fail_after(5):
        async with serve(say_hello) as server, await dial(f"ws://127.0.0.1:{server.port}/") as stream:
            assert await stream.receive() == b"hello"


# Certificates of this side

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


def strict_server(certificates: Certificates, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that wants a certificate of its clients."""
    context = certificates.server("localhost")
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    certificates.authority.configure_trust(context)
    return context


@VERSIONS
async def test_a_certificate_of_this_side(certificates: Certificates, version: ssl.TLSVersion) -> None:
    context = certificates.client()
    certificates.authority.issue_cert("client.example").configure_cert(context)
    with fail_after(5):
        async with emulator.serve(host="127.0.0.1", ssl_context=strict_server(certificates, version)) as service:
            url = service.url.replace("127.0.0.1", "localhost")
            async with connect(
                url, deployment="m", api_version="v1", api_key=service.api_key, ssl_context=context
            ) as connection:
                await connection.wait_for(SessionCreated)


@contextmanager
def openssl_server(context: ssl.SSLContext) -> Generator[int]:
    """A server that says why a TLS handshake failed, which anyio's keeps to itself."""
    stopped = threading.Event()

    def run() -> None:
        while True:
            client, _ = listener.accept()
            with context.wrap_socket(client, server_side=True, do_handshake_on_connect=False) as secured:
                if stopped.is_set():
                    return
                with suppress(OSError):
                    secured.do_handshake()
                with suppress(OSError):
                    secured.shutdown(socket.SHUT_WR)
                    while secured.recv(4096):  # closing at once would be a reset, which may overtake what was said
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield port
        finally:
            stopped.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


@pytest.mark.parametrize(
    ("version", "other"),
    [
        (ssl.TLSVersion.TLSv1_2, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, False),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
    ids=["1.2, none", "1.2, another authority's", "1.3, none", "1.3, another authority's"],
)
async def test_without_the_certificate_that_the_server_wants(
    certificates: Certificates, version: ssl.TLSVersion, other: bool
) -> None:
    """With TLS 1.3 the server says so after the handshake."""
    context = certificates.client()
    if other:
        trustme.CA().issue_cert("client.example").configure_cert(context)
    with fail_after(5), openssl_server(strict_server(certificates, version)) as port, pytest.raises(TlsError) as caught:
        async with connect(
            f"https://localhost:{port}", deployment="m", api_version="v1", api_key="a-key", ssl_context=context
        ):
            pytest.fail("it connected")
    error = caught.value
    assert str(error.said).startswith(f"no secure connection to localhost:{port}: ")
    assert "load_cert_chain" in error.hint
    assert error.attempts == 1


# No TLS, and nobody there


async def test_a_server_that_speaks_no_tls(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(say_http) as server:
            error = await failed(secure(server), TlsError, ssl_context=certificates.client())
    assert str(error.said).startswith(f"no secure connection to localhost:{server.port}: ")
    assert "wrong version number" in str(error.said)
    assert error.hint == NO_TLS_HINT


async def test_what_tls_has_to_say_is_words(certificates: Certificates) -> None:
    """Not a file of Python's source and its line."""
    with fail_after(5):
        async with serve(say_http) as server:
            error = await failed(secure(server), TlsError, ssl_context=certificates.client())
    assert error.said == f"no secure connection to localhost:{server.port}: wrong version number"


async def test_an_emulator_without_tls(certificates: Certificates) -> None:
    with fail_after(5):
        async with emulator.serve() as service:
            with pytest.raises(TlsError) as caught:
                async with connect(
                    service.url.replace("http:", "https:"),
                    deployment="m",
                    api_version="v1",
                    api_key=service.api_key,
                    ssl_context=certificates.client(),
                ):
                    pytest.fail("it connected")
    assert caught.value.hint == NO_TLS_HINT
    assert caught.value.attempts == 1


@pytest.mark.parametrize("script", [hang_up, vanish])
async def test_a_server_that_goes_in_the_tls_handshake(certificates: Certificates, script: Script) -> None:
    with fail_after(5):
        async with serve(script) as server:
            error = await failed(secure(server), BrokenOff, ssl_context=certificates.client())
    assert str(error.said).startswith(f"localhost:{server.port} hung up during the TLS handshake: ")
    assert not str(error.said).endswith(": ")
    assert "(" not in str(error.said)


async def test_a_port_where_nobody_listens() -> None:
    async with await create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(SocketAttribute.local_port)
    with fail_after(5):
        error = await failed(f"ws://localhost:{port}/", Unreachable)
    assert error.said == f"could not reach localhost:{port}: Connection refused"
    assert error.hint == WAY_HINT


def let_connecting_fail(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """The network's own answers, which no port of this machine gives."""

    async def connect_tcp(*_args: object, **_kwargs: object) -> Any:
        raise OSError("All connection attempts failed") from error

    monkeypatch.setattr("realtime_azure._dial.connect_tcp", connect_tcp)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("ETIMEDOUT", ConnectTimeout),
        ("EHOSTUNREACH", Unreachable),
        ("ENETUNREACH", Unreachable),
        ("ECONNRESET", Unreachable),
    ],
)
async def test_a_host_without_a_way_to_it(
    monkeypatch: pytest.MonkeyPatch, number: str, kind: type[ConnectError]
) -> None:
    code = getattr(errno, number)
    let_connecting_fail(monkeypatch, OSError(code, os.strerror(code)))
    with fail_after(5):
        error = await failed("wss://resource.example/", kind)
    assert error.said == f"could not reach resource.example: {os.strerror(code)}"
    assert error.hint == WAY_HINT


async def test_a_host_with_several_addresses_none_of_which_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """anyio gathers the attempts in a group; the first is what is told."""
    port = 0
    async with await create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(SocketAttribute.local_port)

    def getaddrinfo(*_args: object, **_kwargs: object) -> object:
        kinds = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kinds, ("127.0.0.1", port)), (*kinds, ("127.0.0.2", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fail_after(5):
        error = await failed(f"wss://resource.example:{port}/", Unreachable)
    assert error.said == f"could not reach resource.example:{port}: Connection refused"


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: object, **_kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fail_after(5):
        error = await failed("wss://typo.openai.azure.com/openai/v1/realtime", HostNotFound)
    assert error.said == "could not reach typo.openai.azure.com: Name or service not known"
    assert error.hint == DNS_HINT


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"], ids=["empty label", "long label"])
async def test_a_name_that_cannot_exist(host: str) -> None:
    with fail_after(5):
        error = await failed(f"wss://{host}/", HostNotFound)
    assert str(error.said).startswith(f"could not reach {host}: ")
    assert error.hint == DNS_HINT


# Cancelled


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_dial_that_is_cancelled_anywhere_leaves_nothing_open(certificates: Certificates, tls: bool) -> None:
    context = certificates.client()
    finished = False
    steps = 0
    with fail_after(20):
        async with serve(be_silent, tls=certificates.server("localhost") if tls else None) as server:
            url = f"{'wss' if tls else 'ws'}://localhost:{server.port}/"

            async def run(scope: CancelScope) -> None:
                nonlocal finished
                with scope:
                    stream = await dial(url, ssl_context=context)
                    finished = True
                    await stream.aclose()

            for steps in range(200):
                async with create_task_group() as tasks:
                    scope = CancelScope()
                    tasks.start_soon(run, scope)
                    for _ in range(steps):
                        await checkpoint()
                    scope.cancel()
                if server.clients:
                    await server.idle.wait()  # the server sees that each of them has gone
                if finished:
                    break
    assert finished
    assert steps > 3


async def test_a_silent_tls_server_is_left_when_cancelled(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(be_silent) as server:
            async with create_task_group() as tasks:

                async def run() -> None:
                    await dial(secure(server), ssl_context=certificates.client())

                tasks.start_soon(run)
                await server.arrived.wait()
                tasks.cancel_scope.cancel()
            await server.idle.wait()
