"""How the emulator lets in and refuses, as clients see it that know nothing of this package."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from anyio import BrokenResourceError, EndOfStream, connect_tcp, fail_after
from hypothesis import example, given
from hypothesis import strategies as st
from openai import AsyncAzureOpenAI, AsyncOpenAI
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

from realtime_azure import AuthenticationError, ConnectError, NotFound, RateLimited, StatusError, TlsError, connect
from realtime_azure.emulator import REFUSALS, Emulator, serve
from realtime_azure.emulator.handshake import Admitted, Door
from realtime_azure.errors import Refusal
from realtime_azure.events import SessionCreated
from realtime_azure.events.voice_live import VoiceLiveSession

from ..serving import Certificates

pytestmark = pytest.mark.anyio

DATED = "2025-04-01-preview"
HANDSHAKE = (
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)

# Status, code, what the message begins with, and headers beside the usual ones.
SAID: dict[str, tuple[int, str | None, str, dict[str, str]]] = {
    "bad_key": (401, "401", "Access denied due to invalid subscription key or wrong API endpoint.", {}),
    "bad_token": (401, "401", "Unauthorized. Access token is missing, invalid, audience is incorrect, or have", {}),
    "role_missing": (401, "PermissionDenied", "The principal `", {}),
    "network_rule": (403, "403", "Access denied due to Virtual Network/Firewall rules.", {}),
    "network_closed": (403, None, "", {"x-ms-error-code": "PublicNetworkAccessDisabled"}),
    "keys_disabled": (403, "AuthenticationTypeDisabled", "Key based authentication is disabled", {}),
    "blocked": (403, "403", "The resource has been temporarily blocked.", {}),
    "no_such_deployment": (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", {}),
    "no_such_path": (404, "404", "Resource not found", {}),
    "not_realtime": (400, "OpperationNotSupported", "The realtime operation does not work with the specified", {}),
    "no_deployment": (400, "OperationNotSupported", "This operation requires either deployment=<deployment-id> or", {}),
    "bad_version": (400, "BadRequest", "API version not supported", {}),
    "too_many": (
        429,
        "429",
        "Requests have exceeded the call rate limit",
        {"retry-after-ms": "100", "retry-after": "1"},
    ),
    "too_many_headers": (431, "431", "Request Header Fields Too Large", {}),
    "failed": (500, "InternalServerError", "The server had an error while processing your request.", {}),
    "unavailable": (503, "ServiceUnavailable", "The service is temporarily unable to process your request.", {}),
}


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


async def answered(emulator: Emulator, sign_in: str = "") -> tuple[str, dict[str, str], bytes]:
    """The status line, the headers and the body that a handshake is answered with, up to the emulator's hanging up."""
    answer = b""
    with fail_after(5):
        async with await connect_tcp("127.0.0.1", int(emulator.url.rpartition(":")[2])) as stream:
            request = f"GET /openai/v1/realtime?model=any HTTP/1.1\r\n{HANDSHAKE}{sign_in}\r\n"
            await stream.send(request.encode())
            try:
                while True:
                    answer += await stream.receive()
            except (EndOfStream, BrokenResourceError):
                pass
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body


def open_to(emulator: Emulator, **options: Any) -> Any:
    chosen: dict[str, Any] = {"deployment": "any", "api_version": "v1", "api_key": emulator.api_key, "max_retries": 0}
    return connect(emulator.url, **{**chosen, **options})


async def refused(emulator: Emulator, **options: Any) -> ConnectError:
    with fail_after(5), pytest.raises(ConnectError) as caught:
        async with open_to(emulator, **options):
            pytest.fail("it connected")
    return caught.value


async def check_let_in(emulator: Emulator, **options: Any) -> None:
    with fail_after(5):
        async with open_to(emulator, **options) as connection:
            assert isinstance(await connection.receive(), SessionCreated)


# Refusals


def test_the_refusals_are_those_that_are_known() -> None:
    assert set(REFUSALS) == set(SAID)


@pytest.mark.parametrize("name", SAID)
async def test_a_refusal_is_an_answer_in_http(name: str) -> None:
    status, code, message, more = SAID[name]
    async with serve(refuse=[REFUSALS[name]]) as emulator:
        # A good key does not help.
        line, headers, body = await answered(emulator, f"api-key: {emulator.api_key}\r\n")
        await check_let_in(emulator)
    version, said, phrase = line.split(" ", 2)
    assert (version, int(said)) == ("HTTP/1.1", status)
    assert phrase
    assert uuid.UUID(headers["apim-request-id"]).version == 4
    assert headers["x-ms-region"] == "emulator"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    for header, value in more.items():
        assert headers[header] == value
    if not message:
        assert body == b""
        return
    assert headers["content-type"] == "application/json"
    fields = json.loads(body)
    assert set(fields) == {"error"}
    assert set(fields["error"]) == {"code", "message"}
    assert fields["error"]["code"] == code
    assert fields["error"]["message"].startswith(message)


async def test_the_first_are_refused_one_each_and_then_it_lets_in() -> None:
    async with serve(refuse=(REFUSALS[name] for name in ("too_many", "no_such_path"))) as emulator:
        assert isinstance(await refused(emulator), RateLimited)
        assert isinstance(await refused(emulator), NotFound)
        await check_let_in(emulator)


async def test_it_refuses_when_it_is_told_to() -> None:
    async with serve(refuse=[REFUSALS["failed"]]) as emulator:
        emulator.refuse(REFUSALS["blocked"], REFUSALS["unavailable"])
        assert [(await refused(emulator)).status for _ in range(3)] == [500, 403, 503]
        await check_let_in(emulator)
        emulator.refuse(REFUSALS["not_realtime"])
        assert (await refused(emulator)).code == "OpperationNotSupported"
        await check_let_in(emulator)


async def test_a_session_that_is_open_is_not_refused() -> None:
    async with serve() as emulator:
        with fail_after(5):
            async with open_to(emulator) as connection:
                emulator.refuse(REFUSALS["failed"])
                assert isinstance(await connection.receive(), SessionCreated)
                assert (await refused(emulator)).status == 500
                await connection.session.update({"type": "realtime"})
                assert (await connection.receive()).type == "session.updated"


async def test_a_refusal_of_ones_own() -> None:
    own = Refusal(409, headers={"x-ms-region": "Mars"}, code="Conflict", message="Not now.")
    async with serve(refuse=[own]) as emulator:
        error = await refused(emulator)
    assert (error.status, error.code, error.message) == (409, "Conflict", "Not now.")


async def test_two_emulators_refuse_for_themselves() -> None:
    async with serve() as one, serve() as other:
        one.refuse(REFUSALS["failed"])
        await check_let_in(other)
        assert (await refused(one)).status == 500


# TLS


async def test_it_speaks_tls(certificates: Certificates) -> None:
    tls, trust = certificates.server("localhost", "127.0.0.1"), certificates.client()
    async with serve(ssl_context=tls) as emulator:
        assert emulator.url.startswith("https://127.0.0.1:")
        await check_let_in(emulator, ssl_context=trust)
        emulator.refuse(REFUSALS["failed"])
        assert (await refused(emulator, ssl_context=trust)).status == 500
        await check_let_in(emulator, ssl_context=trust, api_version=DATED)


async def test_a_client_that_does_not_trust_it_or_speaks_no_tls_ends_nobody_elses(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    tls, trust = certificates.server("127.0.0.1"), certificates.client()
    async with serve(ssl_context=tls) as emulator:
        assert isinstance(await refused(emulator), TlsError)
        line, headers, _ = await answered(emulator)
        assert not headers
        assert "101" not in line
        with fail_after(5):
            async with await connect_tcp("127.0.0.1", int(emulator.url.rpartition(":")[2])):
                pass  # says nothing at all
        await check_let_in(emulator, ssl_context=trust)
    assert not [record for record in caplog.records if record.levelno > 10 and "emulator" in record.name]


# What is asked over HTTP


async def asked(
    emulator: Emulator, path: str, headers: Mapping[str, str], *, verify: Any = True
) -> tuple[int, dict[str, Any]]:
    with fail_after(5):
        async with httpx2.AsyncClient(verify=verify) as client:
            answer = await client.get(f"{emulator.url}{path}", headers=headers)
    assert uuid.UUID(answer.headers["apim-request-id"]).version == 4
    assert answer.headers["content-type"] == "application/json"
    fields: dict[str, Any] = answer.json()
    return answer.status_code, fields


MODELS = ["/openai/v1/models", f"/openai/models?api-version={DATED}"]


@pytest.mark.parametrize("path", MODELS)
async def test_the_models_are_the_deployments(path: str) -> None:
    async with serve(deployments=["mine", "yours"], api_key="a-key") as emulator:
        for headers in ({"api-key": "a-key"}, {"Authorization": "Bearer a-key"}):
            status, fields = await asked(emulator, path, headers)
            assert status == 200
            assert fields["object"] == "list"
            assert [model["id"] for model in fields["data"]] == ["mine", "yours"]
            assert {model["object"] for model in fields["data"]} == {"model"}


@pytest.mark.parametrize("path", MODELS)
async def test_where_any_deployment_will_do_no_model_is_listed(path: str) -> None:
    async with serve() as emulator:
        status, fields = await asked(emulator, path, {"api-key": emulator.api_key})
    assert (status, fields["data"]) == (200, [])


async def test_the_models_over_tls(certificates: Certificates) -> None:
    async with serve(deployments=["mine"], ssl_context=certificates.server("127.0.0.1")) as emulator:
        status, fields = await asked(emulator, MODELS[0], {"api-key": emulator.api_key}, verify=certificates.client())
    assert (status, [model["id"] for model in fields["data"]]) == (200, ["mine"])


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        (MODELS[0], {}, "bad_key"),
        (MODELS[1], {}, "bad_key"),
        (MODELS[0], {"api-key": "wrong"}, "bad_key"),
        (MODELS[1], {"Authorization": "Bearer wrong"}, "bad_token"),
        ("/openai/models", {"api-key": "a-key"}, "no_such_path"),
        ("/openai/v1/elsewhere", {"api-key": "a-key"}, "no_such_path"),
        ("/", {}, "no_such_path"),
        (MODELS[0], {"api-key": "a-key", **{f"x-{n}": "1" for n in range(10)}}, "too_many_headers"),
    ],
)
async def test_what_is_refused_over_http(path: str, headers: Mapping[str, str], name: str) -> None:
    async with serve(api_key="a-key") as emulator:
        status, fields = await asked(emulator, path, headers)
    assert (status, fields["error"]["code"]) == SAID[name][:2]
    assert fields["error"]["message"].startswith(SAID[name][2])


async def test_as_many_headers_as_azure_takes() -> None:
    async with serve(api_key="a-key") as emulator:
        headers = {"api-key": "a-key", **{f"x-{n}": "1" for n in range(9)}}
        assert (await asked(emulator, MODELS[0], headers))[0] == 200


async def test_a_refusal_is_for_whoever_comes() -> None:
    async with serve(refuse=[REFUSALS["unavailable"]]) as emulator:
        assert (await asked(emulator, MODELS[0], {"api-key": emulator.api_key}))[0] == 503
        assert (await asked(emulator, MODELS[0], {"api-key": emulator.api_key}))[0] == 200


# What is decided, without a socket

LIVE = "/voice-live/realtime"
LIVE_VERSION = "2026-07-15"
PATHS = st.sampled_from(["/openai/realtime", "/openai/v1/realtime", LIVE, *MODELS, "/", "//["]) | st.text()
QUERIES = (
    st.sampled_from(
        [
            "",
            "?model=mine",
            "?deployment=mine&api-version=2025-04-01-preview",
            f"?model=mine&api-version={LIVE_VERSION}",
            "?model=",
        ]
    )
    | st.text()
)
SIGN_INS = st.sampled_from(["a-key", "Bearer a-key", "bearer a-key", "Bearer", ""]) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126)
)


@given(
    target=st.tuples(PATHS, QUERIES).map("".join),
    headers=st.lists(st.tuples(st.sampled_from(["api-key", "authorization", "x-a", "x-b"]), SIGN_INS), max_size=12),
)
@example(target="/openai/v1/realtime?model=mine", headers=[("api-key", "a-key"), ("api-key", "another")])
@example(target="/openai/v1/realtime?model=mine", headers=[("api-key", "a-key")])
def test_only_a_key_that_is_right_opens_the_door(target: str, headers: list[tuple[str, str]]) -> None:
    sent = Headers()
    for name, value in headers:
        sent[name] = value
    said = Door("a-key", ["mine"]).examine(Request(target, sent))
    if isinstance(said, Refusal):
        assert said in REFUSALS.values()
        return
    assert isinstance(said, Admitted | Response)
    keys = [value for name, value in headers if name == "api-key"]
    tokens = [value.partition(" ") for name, value in headers if name == "authorization"]
    bearers = [token for scheme, _, token in tokens if scheme.lower() == "bearer"]
    assert (keys or bearers) == ["a-key"]
    assert isinstance(said, Response) or said.deployment == "mine"
    assert isinstance(said, Response) or said.dialect == dialect_of(target)


def dialect_of(target: str) -> str | None:
    paths = {"/openai/realtime": "preview", "/openai/v1/realtime": "ga", LIVE: "voice-live"}
    return paths.get(target.partition("?")[0].partition("#")[0])


def signed_in(target: str) -> Any:
    headers = Headers()
    headers["api-key"] = "a-key"
    return Door("a-key", ["mine"]).examine(Request(target, headers))


@pytest.mark.parametrize(
    ("target", "dialect"),
    [
        ("/openai/v1/realtime?model=mine", "ga"),
        (f"/openai/realtime?api-version={DATED}&deployment=mine", "preview"),
        (f"{LIVE}?api-version={LIVE_VERSION}&model=mine", "voice-live"),
    ],
)
def test_the_path_says_which_dialect_is_spoken(target: str, dialect: Any) -> None:
    assert signed_in(target) == Admitted("mine", dialect)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (f"{LIVE}?model=mine", "no_such_path"),  # as of a dated path without its version
        (f"{LIVE}?api-version={LIVE_VERSION}", "no_deployment"),
        (f"{LIVE}?api-version={LIVE_VERSION}&model=", "no_deployment"),
        (f"{LIVE}?api-version={LIVE_VERSION}&model=yours", "no_such_deployment"),
        (f"/voice-live?api-version={LIVE_VERSION}&model=mine", "no_such_path"),
        (f"/voice-live/models?api-version={LIVE_VERSION}", "no_such_path"),
    ],
)
def test_what_is_not_let_in_to_voice_live(target: str, name: str) -> None:
    assert signed_in(target) == REFUSALS[name]


async def test_voice_live_is_let_in_with_a_key_or_a_token_and_refused_like_the_others() -> None:
    async with serve(deployments=["mine"], api_key="a-key") as emulator:

        def open_live(**options: Any) -> Any:
            chosen: dict[str, Any] = {"deployment": "mine", "api_version": LIVE_VERSION, "max_retries": 0, **options}
            return connect(f"{emulator.url}/voice-live", **chosen)

        with fail_after(5):
            for signing_in in ({"api_key": "a-key"}, {"credential": "a-key"}):
                async with open_live(**signing_in) as connection:
                    created = await connection.receive()
                    assert isinstance(created, SessionCreated)
                    assert isinstance(created.session, VoiceLiveSession)
            with pytest.raises(AuthenticationError):
                async with open_live(api_key="wrong"):
                    pytest.fail("it connected")
            with pytest.raises(NotFound) as caught:
                async with open_live(api_key="a-key", deployment="yours"):
                    pytest.fail("it connected")
            assert caught.value.code == "DeploymentNotFound"
            emulator.refuse(REFUSALS["too_many"])
            with pytest.raises(RateLimited):
                async with open_live(api_key="a-key"):
                    pytest.fail("it connected")


# openai's own client


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", SAID)
async def test_openais_client_sees_the_same(name: str) -> None:
    """Of the dated form and of v1, in turn; and then it is let in."""
    refusal = REFUSALS[name]
    async with serve(api_key="a-key") as emulator:
        address = f"{emulator.url.replace('http:', 'ws:')}/openai"
        clients: list[AsyncOpenAI] = [
            AsyncAzureOpenAI(
                azure_endpoint=emulator.url, websocket_base_url=address, api_key="a-key", api_version=DATED
            ),
            AsyncOpenAI(base_url=f"{emulator.url}/openai/v1", websocket_base_url=f"{address}/v1", api_key="a-key"),
        ]
        for client in clients:
            emulator.refuse(refusal, refusal)
            with fail_after(5):
                async with client:
                    with pytest.raises(InvalidStatus) as caught:
                        async with client.realtime.connect(model="any"):
                            pytest.fail("it connected")
                    check_same(caught.value.response, await refused(emulator))
                    async with client.realtime.connect(model="any") as connection:
                        assert (await connection.recv()).type == "session.created"


def check_same(theirs: Response, ours: ConnectError) -> None:
    """What openai's client got is what this package's client tells."""
    assert isinstance(ours, StatusError)
    assert (theirs.status_code, bytes(theirs.body or b"")) == (ours.status, ours.body)
    headers = {name.lower(): value for name, value in theirs.headers.raw_items()}
    assert headers.pop("apim-request-id") != ours.request_id
    assert headers == {name: value for name, value in ours.headers.items() if name != "apim-request-id"}
