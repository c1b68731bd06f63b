"""A client and its connections: how many, whose they are, and how they end."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import httpx2
import pytest
from anyio import create_task_group, fail_after

from realtime_azure import ConfigurationError, ServerError
from realtime_azure.rest import RestClient
from tests.rest.serving import HANG_UP, Peer, answer, in_turn, serve
from tests.serving import Certificates

pytestmark = pytest.mark.anyio
OK = answer(200, {"ok": True})
ANY = dict[str, Any]


def client_of(url: str, **options: Any) -> RestClient:
    given: dict[str, Any] = {"api_version": "v1", "api_key": "k", "proxy": False, **options}
    return RestClient(url, **given)


async def ask(client: RestClient) -> ANY:
    return await client.request("GET", "x", result=ANY)


async def test_no_more_calls_are_under_way_than_were_allowed() -> None:
    now, most = 0, 0

    async def script(peer: Peer) -> None:
        nonlocal now, most
        while True:
            await peer.hear()
            now += 1
            most = max(most, now)
            await anyio.wait_all_tasks_blocked()
            now -= 1
            await peer.say(OK)

    async with serve(script) as server, client_of(server.url, max_connections=3) as client:
        with fail_after(10):
            async with create_task_group() as tasks:
                for _ in range(30):
                    tasks.start_soon(ask, client)
    assert len(server.heard) == 30
    assert most == 3
    assert server.clients <= 3


async def test_a_thousand_calls_at_once_are_all_answered() -> None:
    async with serve(in_turn([OK])) as server, client_of(server.url, max_connections=20) as client:
        with fail_after(30):
            async with create_task_group() as tasks:
                for _ in range(1000):
                    tasks.start_soon(ask, client)
    assert len(server.heard) == 1000
    assert server.clients <= 20


async def test_an_error_gives_its_place_back() -> None:
    said = [HANG_UP, answer(500), OK]
    async with serve(in_turn(said)) as server, client_of(server.url, max_connections=1, max_retries=0) as client:
        with fail_after(5):
            for kind in (ConnectionError, ServerError):
                with pytest.raises(kind):
                    await ask(client)
            assert await ask(client) == {"ok": True}


async def test_a_call_that_was_cancelled_gives_its_place_back() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        if len(server.heard) == 1:
            await peer.until_gone()
        await peer.say(OK)

    async with serve(script) as server, client_of(server.url, max_connections=1) as client:
        with fail_after(5):
            async with create_task_group() as tasks:
                tasks.start_soon(ask, client)
                while not server.heard:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            assert await ask(client) == {"ok": True}


async def test_a_client_of_ones_own_is_left_open() -> None:
    async with serve(in_turn([OK])) as server, httpx2.AsyncClient() as own:
        for _ in range(2):
            async with client_of(server.url, http_client=own, proxy=True) as client:
                assert await ask(client) == {"ok": True}
        assert not own.is_closed
        assert server.clients == 1


async def test_an_application_in_this_process_answers_without_a_socket() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"path": "%b"}' % scope["path"].encode()})

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as own:
        client = client_of("https://contoso.openai.azure.com", http_client=own, proxy=True)
        assert await ask(client) == {"path": "/openai/v1/x"}


@pytest.mark.parametrize("other", [{"ssl_context": Certificates().client()}, {"proxy": "http://127.0.0.1:1"}])
async def test_a_client_of_ones_own_has_its_own_tls_and_proxy(other: dict[str, Any]) -> None:
    async with httpx2.AsyncClient() as own:
        with pytest.raises(ConfigurationError, match="http_client"):
            client_of("http://127.0.0.1:1", **{"http_client": own, "proxy": True, **other})


@pytest.mark.parametrize("name", ["max_retries", "max_retry_wait", "max_connections"])
@pytest.mark.parametrize("bad", [-1, True, "2", None, float("nan")])
async def test_a_number_that_is_none_is_refused(name: str, bad: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        client_of("http://127.0.0.1:1", **{name: bad})


@pytest.mark.parametrize("bad", [-1, True, "2", 1.5])
async def test_a_number_of_a_call_that_is_none_is_refused(bad: Any) -> None:
    async with serve(in_turn([OK])) as server, client_of(server.url) as client:
        with pytest.raises(ConfigurationError, match="max_retries"):
            await client.request("GET", "x", result=ANY, max_retries=bad)
    assert server.heard == []


async def test_the_authority_that_the_environment_names_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    certificates = Certificates()
    file = tmp_path / "ca.pem"
    certificates.authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(in_turn([OK]), tls=certificates.server("127.0.0.1")) as server, client_of(server.url) as client:
        assert await ask(client) == {"ok": True}


async def test_socks_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigurationError, match=r"realtime-azure\[socks\]"):
        client_of("https://contoso.openai.azure.com", proxy="socks5://127.0.0.1:1")


async def test_a_key_is_not_in_what_a_client_looks_like() -> None:
    assert "k3y" not in repr(client_of("https://contoso.openai.azure.com", api_key="k3y"))
