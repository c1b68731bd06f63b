"""From a URL to a byte stream: what goes wrong on the way says what, and to which host."""

from __future__ import annotations

import gc
import socket
import ssl
from collections.abc import Generator

import pytest
from anyio import CancelScope, create_task_group, create_tcp_listener, fail_after
from anyio.abc import SocketAttribute
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSAttribute

from realtime_azure import ConnectError
from realtime_azure._dial import dial

from .serving import Certificates, Peer, Server, serve

pytestmark = pytest.mark.anyio


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


async def be_silent(peer: Peer) -> None:
    await peer.gone()


def secure(server: Server, host: str = "localhost") -> str:
    return f"wss://{host}:{server.port}/openai/v1/realtime?model=m"


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


async def test_an_untrusted_certificate(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(say_hello, tls=certificates.server("localhost")) as server:
            with pytest.raises(ConnectError) as caught:
                await dial(secure(server))
    assert str(caught.value) == (
        f"no secure connection to localhost:{server.port}: unable to get local issuer certificate"
    )
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


async def test_a_certificate_for_another_host(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(say_hello, tls=certificates.server("elsewhere.example")) as server:
            with pytest.raises(ConnectError, match=f"localhost:{server.port}: Hostname mismatch.*'localhost'"):
                await dial(secure(server), ssl_context=certificates.client())


async def test_a_certificate_that_is_over(certificates: Certificates) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - only here

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    certificates.authority.issue_cert("localhost", not_before=past, not_after=past).configure_cert(context)
    with fail_after(5):
        async with serve(say_hello, tls=context) as server:
            with pytest.raises(ConnectError, match=r"localhost.*certificate has expired"):
                await dial(secure(server), ssl_context=certificates.client())


async def test_a_server_that_speaks_no_tls(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(say_http) as server:
            with pytest.raises(ConnectError, match=f"no secure connection to localhost:{server.port}: .*(?i:wrong)"):
                await dial(secure(server), ssl_context=certificates.client())


async def test_a_server_that_hangs_up_in_the_tls_handshake(certificates: Certificates) -> None:
    with fail_after(5):
        async with serve(hang_up) as server:
            with pytest.raises(ConnectError, match=f"no secure connection to localhost:{server.port}: .+") as caught:
                await dial(secure(server), ssl_context=certificates.client())
    assert "(" not in str(caught.value)  # words, not a C file and its line


async def test_a_port_where_nobody_listens() -> None:
    async with await create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(SocketAttribute.local_port)
    with fail_after(5), pytest.raises(ConnectError, match=f"could not reach localhost:{port}: Connection refused"):
        await dial(f"ws://localhost:{port}/")


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: object, **_kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fail_after(5), pytest.raises(ConnectError) as caught:
        await dial("wss://typo.openai.azure.com/openai/v1/realtime")
    assert str(caught.value) == "could not reach typo.openai.azure.com: Name or service not known"


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"], ids=["empty label", "long label"])
async def test_a_name_that_cannot_exist(host: str) -> None:
    with fail_after(5), pytest.raises(ConnectError, match=f"could not reach {host[:40]}"):
        await dial(f"wss://{host}/")


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
