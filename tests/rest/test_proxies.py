"""Requests through proxies that others wrote: the same that sockets go through."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from realtime_azure import ConfigurationError, ProxyError, TlsError
from realtime_azure.emulator import serve
from realtime_azure.rest import RestClient

from ..proxies import SOCKS_USERINFO, USERINFO, RunningProxies, running_proxies
from ..serving import Certificates

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module")
def proxies(certificates: Certificates) -> Generator[RunningProxies]:
    with running_proxies(certificates.authority) as running:
        yield running


@pytest.fixture
def trusted(certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SSL_CERT_FILE` names the authority of the tests: by it a proxy is trusted, as for a socket."""
    authority = tmp_path / "authority.pem"
    certificates.authority.cert_pem.write_to_path(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


@asynccontextmanager
async def client_of(certificates: Certificates | None, **options: Any) -> AsyncGenerator[RestClient]:
    """A client of an emulator; with *certificates*, over TLS."""
    server = None if certificates is None else certificates.server("127.0.0.1")
    if certificates is not None:
        options["ssl_context"] = certificates.client()
    with fail_after(20):
        async with (
            serve(ssl_context=server, deployments=["here"]) as emulator,
            RestClient(emulator.url, api_version="v1", api_key=emulator.api_key, max_retries=0, **options) as client,
        ):
            yield client


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("kind", ["http", "signed", "https", "socks5", "signed_socks5"])
@pytest.mark.usefixtures("trusted")
async def test_a_request_goes_through(
    kind: str, tls: bool, proxies: RunningProxies, certificates: Certificates
) -> None:
    proxy = getattr(proxies, kind)
    userinfo = {"signed": USERINFO, "signed_socks5": SOCKS_USERINFO}.get(kind)
    url = proxy.url if userinfo is None else proxy.url_with(userinfo)
    async with client_of(certificates if tls else None, proxy=url) as client:
        assert [model.id for model in (await client.models.list()).data] == ["here"]
        port = str(client.endpoint.host).rpartition(":")[2]
    assert await proxy.wrote(port)


# httpcore2 leaves the socket to a SOCKS proxy that says no to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*unclosed.*socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["signed", "signed_socks5"])
async def test_a_proxy_that_wants_a_password(kind: str, proxies: RunningProxies, certificates: Certificates) -> None:
    async with client_of(certificates, proxy=getattr(proxies, kind).url) as client:
        with pytest.raises(ProxyError, match="Check the proxy"):
            await client.models.list()


async def test_what_the_environment_says(
    proxies: RunningProxies, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`HTTPS_PROXY`, but never for this machine, nor for what `NO_PROXY` names."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody is there
    async with client_of(certificates) as client:
        assert (await client.models.list()).data


async def test_socks_4_is_not_spoken_over_http() -> None:
    with pytest.raises(ConfigurationError, match="only version 5"):
        RestClient("https://x.openai.azure.com", api_version="v1", api_key="k", proxy="socks4://127.0.0.1:9")


async def test_who_is_behind_the_proxy_has_to_prove_it(proxies: RunningProxies, certificates: Certificates) -> None:
    async with client_of(None) as plain:
        assert (await plain.models.list()).data
    with fail_after(20):
        async with (
            serve(ssl_context=certificates.server("127.0.0.1")) as emulator,
            RestClient(emulator.url, api_version="v1", api_key="k", max_retries=0, proxy=proxies.http.url) as client,
        ):
            with pytest.raises(TlsError):
                await client.models.list()
