"""From `connect()` to an open connection or the error that explains itself, over real sockets."""

from __future__ import annotations

import gc
import json
import math
import os
import socket
import ssl
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from anyio import (
    CancelScope,
    Event,
    create_task_group,
    create_tcp_listener,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.abc import SocketAttribute
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSStream
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime_azure import (
    AuthenticationError,
    BadRequest,
    BrokenOff,
    ConfigurationError,
    ConnectError,
    Connection,
    ConnectTimeout,
    CredentialError,
    HostNotFound,
    NotFound,
    OperationNotSupported,
    PermissionDenied,
    RateLimited,
    Redirected,
    ServerError,
    StatusError,
    TlsError,
    Unreachable,
    __version__,
    connect,
    emulator,
)
from realtime_azure._handshake import Opened, Opening, fit_headers, refusal
from realtime_azure.auth import ApiKey, BearerToken
from realtime_azure.backoff import Backoff

from .serving import QUIET, SESSION_CREATED, Certificates, Peer, Script, Server, serve

pytestmark = pytest.mark.anyio

KEY = "a-key-of-a-test"
CODE = "a-gateways-key"
ID = "x-ms-client-request-id"
FAST = Backoff(first=0.001)


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


# A service that receives its visitors one by one


@dataclass
class Desk:
    """Receives one visitor after the other as *steps* say, and lets in whoever comes after those."""

    steps: tuple[Script, ...]
    peers: list[Peer] = field(default_factory=list[Peer])

    async def __call__(self, peer: Peer) -> None:
        self.peers.append(peer)
        step = self.steps[len(self.peers) - 1] if len(self.peers) <= len(self.steps) else let_in
        await step(peer)

    @property
    def visits(self) -> int:
        return len(self.peers)

    @property
    def requests(self) -> list[Request]:
        return [peer.request for peer in self.peers if hasattr(peer, "request")]

    @property
    def ids(self) -> list[str]:
        return [request.headers[ID] for request in self.requests]


async def let_in(peer: Peer) -> None:
    await peer.accept(SESSION_CREATED)
    await peer.farewell()
    await peer.gone()


async def hang_up(_peer: Peer) -> None:
    pass


async def hang_up_after_the_request(peer: Peer) -> None:
    await peer.read_request()


async def hang_up_midway(peer: Peer) -> None:
    await peer.answer(b"HTTP/1.1 101 Switch")


async def reset(peer: Peer) -> None:
    await peer.reset()


async def reset_after_the_request(peer: Peer) -> None:
    await peer.read_request()
    await peer.reset()


async def be_silent(peer: Peer) -> None:
    await peer.read_request()
    await peer.gone()


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def saying(status: int | str, *headers: str, body: bytes = b"") -> Script:
    """Refuses with *status*, and waits for the client to go."""

    async def step(peer: Peer) -> None:
        await peer.answer(http(f"{status} So" if isinstance(status, int) else status, *headers, body=body))
        await peer.gone()

    return step


@asynccontextmanager
async def receiving(*steps: Script) -> AsyncGenerator[tuple[Desk, Server]]:
    """A desk at a port; what is left behind there, or takes longer than it may, fails the test."""
    desk = Desk(steps)
    with fail_after(10):
        async with serve(desk) as server:
            yield desk, server
            if server.clients:
                await server.idle.wait()


def open_to(server: Server, **options: Any) -> Any:
    chosen: dict[str, Any] = {"deployment": "my-realtime", "api_version": "v1", "api_key": KEY}
    return connect(server.url, **{**chosen, **options})


async def refused(server: Server, **options: Any) -> ConnectError:
    """What `connect` raises."""
    with pytest.raises(ConnectError) as caught:
        async with open_to(server, **options):
            pytest.fail("it connected")
    return caught.value


def opening(url: str, **options: Any) -> Opening:
    """What `connect` opens, with waits that are short where the service asks for none."""
    chosen: dict[str, Any] = {
        "signer": ApiKey(KEY),
        "headers": {},
        "ssl_context": None,
        "proxy": None,
        "max_message_size": 1 << 20,
        "open_timeout": 5.0,
        "attempt_timeout": 5.0,
        "max_retries": 2,
        "backoff": FAST,
    }
    return Opening(url, **{**chosen, **options})


def url_of(server: Server) -> str:
    return f"ws://127.0.0.1:{server.port}/openai/v1/realtime?model=m&code={CODE}"


async def opened(server: Server, **options: Any) -> Opened:
    """A websocket that was opened with short waits, and is closed again."""
    made = await opening(url_of(server), **options).open()
    await made.stream.aclose()
    return made


async def not_opened(url: str, **options: Any) -> ConnectError:
    """What opening *url*, with short waits, raises."""
    with pytest.raises(ConnectError) as caught:
        await opening(url, **options).open()
    return caught.value


# What Azure says, and what becomes of it


@dataclass(frozen=True)
class Row:
    """A refusal of the service as it was recorded, or as its own pages show it; and what a caller gets."""

    name: str
    status: int
    kind: type[StatusError]
    hint: str
    code: str | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def body(self) -> bytes:
        said = {"error": {"code": self.code, "message": self.message}}
        return json.dumps(said).encode() if self.message else b""


ROWS = [
    Row(
        "bad_key",
        401,
        AuthenticationError,
        "Check that the key is one of this resource's own",
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource.",
    ),
    Row(
        "role_missing",
        401,
        AuthenticationError,
        "'Cognitive Services OpenAI User'",
        "PermissionDenied",
        "The principal `00000000-0000-0000-0000-000000000000` lacks the required data action "
        "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/realtime/action` to perform `POST /openai/realtime` "
        "operation.",
    ),
    Row(
        "bad_token",
        401,
        AuthenticationError,
        "ask for the scope https://cognitiveservices.azure.com/.default",
        "401",
        "Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired.",
    ),
    Row(
        "network_rule",
        403,
        PermissionDenied,
        "does not let in this network",
        "403",
        "Access denied due to Virtual Network/Firewall rules.",
    ),
    Row("blocked", 403, PermissionDenied, "has blocked", "403", "The resource has been temporarily blocked."),
    Row(
        "network_closed",
        403,
        PermissionDenied,
        "closed to public networks: connect through its private endpoint",
        "PublicNetworkAccessDisabled",
        headers={"x-ms-error-code": "PublicNetworkAccessDisabled"},
    ),
    Row(
        "",
        403,
        PermissionDenied,
        "does not let in this network",
        "AuthorizationFailed",
        headers={"x-ms-error-code": "AuthorizationFailed"},
    ),
    Row(
        "keys_disabled",
        403,
        PermissionDenied,
        "takes no keys: sign in with Microsoft Entra ID",
        "AuthenticationTypeDisabled",
        "Key based authentication is disabled for this resource.",
    ),
    Row(
        "no_such_deployment",
        404,
        NotFound,
        "deployment= is the name that was given to the deployment, not the model's",
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
        "please wait a moment and try again.",
    ),
    Row("no_such_path", 404, NotFound, "Check the endpoint and api_version", "404", "Resource not found"),
    Row(
        "not_realtime",
        400,
        OperationNotSupported,
        "Name a deployment of a realtime model",
        "OpperationNotSupported",
        "The realtime operation does not work with the specified model. Please choose different model and try again.",
    ),
    Row(
        "",
        400,
        OperationNotSupported,
        "Name a deployment of a realtime model",
        "OperationNotSupported",
        "The realtime operation does not work with the specified model. Please choose different model and try again.",
    ),
    Row(
        "no_deployment",
        400,
        OperationNotSupported,
        "Say which deployment: pass deployment=",
        "OperationNotSupported",
        "This operation requires either deployment=<deployment-id> or intent=transcription present on the querystring.",
    ),
    Row("bad_version", 400, BadRequest, "Use api_version='v1'", "BadRequest", "API version not supported"),
    Row(
        "too_many",
        429,
        RateLimited,
        "The service asks to wait 0.1 s",
        "429",
        "Requests have exceeded the call rate limit of your current pricing tier. Please retry later.",
        {"retry-after-ms": "100", "retry-after": "1"},
    ),
    Row("", 429, RateLimited, "open fewer connections at a time", "429", "Too many requests."),
    Row("too_many_headers", 431, StatusError, "at most 10 headers", "431", "Request Header Fields Too Large"),
    Row(
        "failed",
        500,
        ServerError,
        "The service is in trouble: try again",
        "InternalServerError",
        "The server had an error while processing your request. Sorry about that!",
    ),
    Row(
        "unavailable",
        503,
        ServerError,
        "The service is in trouble: try again",
        "ServiceUnavailable",
        "The service is temporarily unable to process your request.",
    ),
    Row("", 408, StatusError, "Try again.", "408", "Request timeout"),
]
EMULATED = [row for row in ROWS if row.name]


def is_uuid(text: str | None) -> bool:
    return text is not None and str(uuid.UUID(text)) == text


def check_said(error: ConnectError, row: Row) -> None:
    assert isinstance(error, StatusError)
    assert type(error) is row.kind
    assert (error.status, error.code, error.message) == (row.status, row.code, row.message)
    assert row.hint in error.hint
    assert error.hint.endswith(".")
    assert "\n" not in error.hint
    assert error.attempts == 1
    for part in (f"HTTP {row.status}", row.message, error.hint, error.request_id):
        assert part is not None
        assert part in str(error)
    assert KEY not in str(error) + repr(error)
    assert CODE not in str(error) + repr(error)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status}-{row.name or row.code}")
async def test_what_the_service_says_is_on_the_error(row: Row) -> None:
    sent = {"APIM-Request-Id": "req_1", "x-request-id": "req_2", "X-Ms-Region": "East US 2", **row.headers}
    lines = [f"{name}: {value}" for name, value in sent.items()]
    async with receiving(saying(row.status, *lines, body=row.body)) as (desk, server):
        error = await refused(server, query={"code": CODE}, max_retries=0)
    check_said(error, row)
    assert isinstance(error, StatusError)
    (request,) = desk.requests
    assert CODE in request.path
    assert error.url == f"ws://127.0.0.1:{server.port}/openai/v1/realtime"
    assert error.url in str(error)
    assert (error.request_id, error.region) == ("req_1", "East US 2")
    assert error.client_request_id == request.headers[ID]
    assert is_uuid(error.client_request_id)
    assert error.headers == {
        **{name.lower(): value for name, value in sent.items()},
        "content-length": str(len(row.body)),
    }
    assert error.body == row.body
    assert error.retry_after == (0.1 if "retry-after-ms" in row.headers else None)


@pytest.mark.parametrize("row", EMULATED, ids=lambda row: row.name)
async def test_what_the_emulator_says_is_the_same(row: Row) -> None:
    with fail_after(5):
        async with emulator.serve(refuse=[emulator.REFUSALS[row.name]]) as emulated:
            with pytest.raises(ConnectError) as caught:
                async with connect(
                    emulated.url, deployment="m", api_version="v1", api_key=KEY, query={"code": CODE}, max_retries=0
                ):
                    pytest.fail("it connected")
    check_said(caught.value, row)
    assert is_uuid(caught.value.request_id)
    assert is_uuid(caught.value.client_request_id)
    assert caught.value.region == "emulator"
    assert caught.value.body == row.body.replace(b'": ', b'":').replace(b', "', b',"')
    assert {**caught.value.headers, **row.headers} == caught.value.headers


def test_every_refusal_of_the_emulator_is_in_the_table() -> None:
    assert {row.name for row in EMULATED} == set(emulator.REFUSALS)


def row_of(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


class Signer:
    """Signs in with whatever headers it was given."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers

    async def headers(self) -> Mapping[str, str]:
        return self._headers


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"api_key": "wrong"}, "bad_key"),
        ({"credential": Signer()}, "bad_key"),
        ({"credential": "wrong"}, "bad_token"),
        ({"deployment": "theirs"}, "no_such_deployment"),
        ({"api_version": "2025-04-01-preview", "deployment": "theirs"}, "no_such_deployment"),
        ({"path": "/gateway/openai/v1"}, "no_such_path"),
        ({"headers": {f"x-{n}": "1" for n in range(8)}, "credential": Signer(a="1", b="2", c="3")}, "too_many_headers"),
    ],
    ids=["a key", "nothing", "a token", "a deployment", "a dated one", "a path", "headers"],
)
async def test_what_the_emulator_refuses_by_itself(options: dict[str, Any], name: str) -> None:
    with fail_after(5):
        async with emulator.serve(deployments=["mine"]) as emulated:
            chosen: dict[str, Any] = {"deployment": "mine", "api_version": "v1"} | options
            if "credential" not in chosen:
                chosen = {"api_key": emulated.api_key} | chosen
            path = chosen.pop("path", "")
            with pytest.raises(ConnectError) as caught:
                async with connect(emulated.url + path, **chosen):
                    pytest.fail("it connected")
    check_said(caught.value, row_of(name))


async def test_an_open_connection_knows_its_ids_and_its_region() -> None:
    with fail_after(5):
        async with (
            emulator.serve() as emulated,
            connect(emulated.url, deployment="m", api_version="v1", api_key=emulated.api_key) as connection,
        ):
            assert is_uuid(connection.request_id)
            assert is_uuid(connection.client_request_id)
            assert connection.region == "emulator"
            assert connection.request_id != connection.client_request_id


async def test_an_open_connection_whose_server_says_no_ids() -> None:
    async with receiving() as (desk, server):
        connection: Connection
        async with open_to(server) as connection:
            assert (connection.request_id, connection.region) == (None, None)
            assert [connection.client_request_id] == desk.ids


async def test_the_other_request_id_counts_where_there_is_no_apims() -> None:
    async with receiving(saying(404, "X-Request-ID: req_2")) as (_, server):
        assert (await refused(server)).request_id == "req_2"


# Bodies that are not Azure's


MANY = b"<p>The proxy\r\n  could not</p>\n" * 200


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", None, ""),
        (b'{"statusCode": 401, "message": "Missing key."}', "401", "Missing key."),
        (b'{"error": {"code": 7, "message": null}}', "7", ""),
        (b'{"error": {}}', None, ""),
        (b"{}", None, ""),
        (b'{"error": "words"}', None, '{"error": "words"}'),
        (b'["a", 1]', None, '["a", 1]'),
        (b"3", None, "3"),
        (b"null", None, "null"),
        (b"upstream\r\n\t  request  timeout\n", None, "upstream request timeout"),
        (b"\xff\xfe<\x00", None, "\ufffd\ufffd<\x00"),
        (b'{"error', None, '{"error'),
        (MANY, None, " ".join(MANY[:200].decode().split())),
    ],
)
async def test_a_body_that_is_not_azures(body: bytes, code: str | None, message: str) -> None:
    async with receiving(saying(403, body=body)) as (_, server):
        error = await refused(server)
    assert isinstance(error, PermissionDenied)
    assert (error.code, error.message, error.body) == (code, message, body)
    assert message in str(error)
    assert "HTTP 403" in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 700


async def test_a_body_of_a_mebibyte_is_kept_and_not_shown() -> None:
    body = b"<html>" + b"x" * ((1 << 20) - 6)
    async with receiving(saying(403, body=body)) as (_, server):
        error = await refused(server)
    assert isinstance(error, PermissionDenied)
    assert error.body == body
    assert len(str(error)) < 700


async def test_a_body_that_never_ends_is_not_read_to_its_end() -> None:
    async def step(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        while True:
            await peer.stream.send(b"x" * 65536)

    async with receiving(step) as (desk, server):
        error = await refused(server)
        assert desk.visits == 1
    assert isinstance(error, PermissionDenied)
    assert len(str(error)) < 700


HEAD = b"HTTP/1.1 403 Forbidden\r\nx-ms-region: East US 2\r\nContent-Length: 500\r\n\r\n"
SAID = b'{"error":{"code":"403","message":"Access denied."}}'


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        pytest.param(HEAD + SAID, "stay", id="stays open in the middle of its body"),
        pytest.param(HEAD + SAID, "hang up", id="hangs up in the middle of its body"),
        pytest.param(HEAD + SAID, "reset", id="breaks off in the middle of its body"),
        pytest.param(HEAD.replace(b"/1.1", b"/1.0") + SAID, "stay", id="speaks HTTP/1.0"),
        pytest.param(HEAD.replace(b"Content-Length: 500", b"x: y") + SAID, "stay", id="does not say how long it is"),
    ],
)
async def test_a_refusal_counts_whatever_becomes_of_its_body(
    answer: bytes, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its status says more than that the rest did not come."""
    monkeypatch.setattr("realtime_azure._websocket.BODY_TIMEOUT", 0.05)

    async def step(peer: Peer) -> None:
        await peer.answer(answer)
        match then:
            case "stay":
                await peer.gone()
            case "reset":
                await peer.reset()
            case _:
                pass

    async with receiving(step) as (_, server):
        error = await refused(server)
    assert (error.status, error.code, error.message, error.region) == (403, "403", "Access denied.", "East US 2")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "statusCode"]) | st.text(max_size=3), inner)
    ),
    max_leaves=10,
)


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=400) | JSON.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "location", "x-ms-error-code", "apim-request-id"]), st.text()
    ),
)
def test_whatever_a_server_says_can_be_told(status: int, body: bytes, headers: dict[str, str]) -> None:
    said = refusal(status, headers, body, "wss://host/openai/v1/realtime?code=x")
    error = StatusError.of(said)
    assert str(status) in str(error)
    assert (error.status, error.body, error.headers) == (status, body, headers)
    assert isinstance(error.message, str)
    assert error.code != ""
    assert error.retry_after is None or (math.isfinite(error.retry_after) and error.retry_after >= 0)
    assert error.url == "wss://host/openai/v1/realtime"


# What may be tried again


@pytest.mark.parametrize(
    "step",
    [
        saying(429, "retry-after-ms: 5"),
        saying(503, "retry-after-ms: 5"),
        saying(503, "Retry-After: 0"),
    ],
    ids=["429", "503", "503 at once"],
)
async def test_it_waits_as_asked_and_comes_again(step: Script) -> None:
    async with receiving(step, step) as (desk, server):
        async with open_to(server) as connection:
            await connection.receive()
        assert desk.visits == 3


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_a_refusal_that_may_pass_is_tried_again(status: int) -> None:
    async with receiving(saying(status), saying(status)) as (desk, server):
        await opened(server)
        assert desk.visits == 3


@pytest.mark.parametrize(
    "step",
    [hang_up, hang_up_after_the_request, hang_up_midway, reset, reset_after_the_request],
    ids=["at once", "after the request", "midway", "reset at once", "reset after the request"],
)
async def test_a_server_that_hangs_up_is_tried_again(step: Script) -> None:
    async with receiving(step, step) as (desk, server):
        await opened(server)
        assert desk.visits == 3


@pytest.mark.parametrize("step", [hang_up_after_the_request, reset_after_the_request], ids=["eof", "reset"])
async def test_a_server_that_always_hangs_up(step: Script) -> None:
    async with receiving(*[step] * 3) as (desk, server):
        error = await not_opened(url_of(server))
        assert desk.visits == 3
    assert type(error) is BrokenOff
    assert error.attempts == 3
    assert "hung up" in str(error)
    assert "after 3 attempts" in str(error)
    assert error.status is None
    assert error.client_request_id == desk.ids[-1]


async def test_a_server_that_hangs_up_in_the_tls_handshake_is_tried_again(certificates: Certificates) -> None:
    async def secured(peer: Peer) -> None:
        peer.stream = await TLSStream.wrap(
            peer.stream,
            server_side=True,
            ssl_context=certificates.server("localhost"),
            standard_compatible=False,
        )
        await let_in(peer)

    async def hang_up_on_hello(peer: Peer) -> None:
        await peer.stream.receive(1)

    async with receiving(hang_up_on_hello, secured) as (desk, server):
        url = f"wss://localhost:{server.port}/openai/v1/realtime?model=m"
        made = await opening(url, ssl_context=certificates.client()).open()
        await made.stream.aclose()
        assert desk.visits == 2


async def test_a_server_that_does_not_answer_is_tried_again() -> None:
    async with receiving(be_silent) as (desk, server):
        async with open_to(server, attempt_timeout=0.1) as connection:
            await connection.receive()
        assert desk.visits == 2


async def test_the_last_refusal_is_the_one_that_is_told() -> None:
    async with receiving(saying(503), saying(502), saying(404, body=row_of("no_such_path").body)) as (desk, server):
        error = await not_opened(url_of(server), max_retries=5)
        assert desk.visits == 3
    assert type(error) is NotFound
    assert error.attempts == 3
    assert "after 3 attempts. Check the endpoint" in str(error)


async def test_it_does_not_come_more_often_than_it_may() -> None:
    async with receiving(*[saying(503, "retry-after-ms: 1")] * 9) as (desk, server):
        error = await refused(server)
        assert desk.visits == 3
    assert isinstance(error, ServerError)
    assert error.attempts == 3
    assert "after 3 attempts" in str(error)


@pytest.mark.parametrize("step", [saying(503), saying(429, "retry-after-ms: 1"), hang_up, be_silent])
async def test_without_retries_it_comes_once(step: Script) -> None:
    async with receiving(step) as (desk, server):
        error = await refused(server, max_retries=0, attempt_timeout=0.1)
        assert desk.visits == 1
    assert error.attempts == 1
    assert "attempts" not in str(error)


@pytest.mark.parametrize("status", [200, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 422, 431])
async def test_a_refusal_that_stays_is_final(status: int) -> None:
    async with receiving(saying(status, "retry-after-ms: 1")) as (desk, server):
        error = await not_opened(url_of(server), max_retries=5)
        assert desk.visits == 1
    assert (error.status, error.attempts) == (status, 1)
    assert "attempts" not in str(error)


async def test_an_answer_that_is_no_http_is_final() -> None:
    async def step(peer: Peer) -> None:
        await peer.answer(b"SSH-2.0-OpenSSH_9.6\r\n")
        await peer.gone()

    async with receiving(step) as (desk, server):
        error = await not_opened(url_of(server), max_retries=5)
        assert desk.visits == 1
    assert type(error) is ConnectError
    assert error.attempts == 1


async def test_a_name_that_does_not_exist_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def getaddrinfo(*args: object, **_more: object) -> object:
        asked.append(args)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fail_after(5):
        error = await not_opened("wss://typo.openai.azure.com/openai/v1/realtime", max_retries=5)
    assert type(error) is HostNotFound
    assert error.attempts == 1
    assert len(asked) == len(set(asked))  # trio asks whether it is an address, then whether it is a name


async def test_a_port_where_nobody_listens_is_final() -> None:
    async with await create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(SocketAttribute.local_port)
    with fail_after(5):
        error = await not_opened(f"ws://127.0.0.1:{port}/openai/v1/realtime", max_retries=5)
    assert type(error) is Unreachable
    assert error.attempts == 1


async def test_a_certificate_that_is_not_trusted_is_final_and_nothing_is_said(certificates: Certificates) -> None:
    async def step(peer: Peer) -> None:
        try:
            await TLSStream.wrap(peer.stream, server_side=True, ssl_context=certificates.server("localhost"))
        except ssl.SSLError:
            await peer.gone()

    async with receiving(*[step] * 6) as (desk, server):
        error = await not_opened(f"wss://localhost:{server.port}/openai/v1/realtime", max_retries=5)
        assert desk.visits == 1
    assert type(error) is TlsError
    assert error.attempts == 1
    assert "SSL_CERT_FILE" in error.hint


async def test_a_credential_that_gives_nothing_is_final() -> None:
    asked: list[None] = []

    async def token() -> str:
        asked.append(None)
        raise OSError("no identity service here")

    async with receiving() as (desk, server):
        error = await not_opened(url_of(server), signer=BearerToken(token), max_retries=5)
        assert desk.visits == 0
    assert type(error) is CredentialError
    assert (error.attempts, error.client_request_id) == (1, None)
    assert len(asked) == 1


async def test_an_attempt_that_came_to_nothing_has_no_id() -> None:
    """A 503, and then the credential has nothing to send another with."""
    numbers = count(1)

    async def token() -> str:
        if next(numbers) > 1:
            raise OSError("no identity service here")
        return "a.token"

    async with receiving(saying(503)) as (_, server):
        error = await not_opened(url_of(server), signer=BearerToken(token))
    assert type(error) is CredentialError
    assert error.attempts == 2
    assert error.client_request_id is None


# A key and a token that are refused


async def test_a_refused_key_is_not_tried_again() -> None:
    async with receiving(*[saying(401)] * 3) as (desk, server):
        error = await refused(server)
        assert desk.visits == 1
    assert isinstance(error, AuthenticationError)


async def test_a_refused_token_is_not_tried_again_where_there_is_no_other() -> None:
    async with receiving(*[saying(401)] * 3) as (desk, server):
        error = await refused(server, api_key=None, credential="a.token")
        assert desk.visits == 1
    assert isinstance(error, AuthenticationError)


async def test_a_refused_token_is_renewed_once() -> None:
    numbers = count(1)

    async def token() -> str:
        return f"token-{next(numbers)}"

    async with receiving(saying(401)) as (desk, server):
        async with open_to(server, api_key=None, credential=token) as connection:
            await connection.receive()
            assert connection.client_request_id == desk.ids[-1]
        assert [request.headers["Authorization"] for request in desk.requests] == ["Bearer token-1", "Bearer token-2"]
        assert len(set(desk.ids)) == 2


async def test_a_renewed_token_that_is_refused_too_is_final() -> None:
    numbers = count(1)

    async def token() -> str:
        return f"token-{next(numbers)}"

    async with receiving(*[saying(401)] * 5) as (desk, server):
        error = await refused(server, api_key=None, credential=token)
        assert desk.visits == 2
    assert isinstance(error, AuthenticationError)
    assert error.client_request_id == desk.ids[-1]
    assert "token-" not in str(error)


async def test_a_token_is_asked_for_anew_for_each_attempt() -> None:
    numbers = count(1)

    def token() -> str:
        return f"token-{next(numbers)}"

    async with receiving(saying(503), hang_up_after_the_request) as (desk, server):
        await opened(server, signer=BearerToken(token))
        said = [request.headers["Authorization"] for request in desk.requests]
    assert said == ["Bearer token-1", "Bearer token-2", "Bearer token-3"]


# Ids


async def test_each_attempt_has_an_id_of_its_own() -> None:
    async with receiving(saying(503, "retry-after-ms: 1"), saying(503, "retry-after-ms: 1")) as (desk, server):
        async with open_to(server) as connection:
            await connection.receive()
            assert connection.client_request_id == desk.ids[-1]
        assert len({uuid.UUID(sent) for sent in desk.ids}) == 3


async def test_the_error_has_the_id_of_the_last_attempt() -> None:
    async with receiving(*[saying(503)] * 3) as (desk, server):
        error = await not_opened(url_of(server))
        assert error.client_request_id == desk.ids[-1]
        assert len(set(desk.ids)) == 3


@pytest.mark.parametrize("name", [ID, "X-MS-Client-Request-ID"])
async def test_an_id_of_the_callers_own_is_kept(name: str) -> None:
    steps = [saying(503, "retry-after-ms: 1"), saying(404)]
    async with receiving(*steps) as (desk, server):
        error = await refused(server, headers={name: "mine"})
        assert [request.headers.get_all(ID) for request in desk.requests] == [["mine"], ["mine"]]
        assert error.client_request_id == "mine"
        async with open_to(server, headers={name: "mine"}) as connection:
            assert connection.client_request_id == "mine"


# Time


@pytest.mark.parametrize("header", ["Retry-After: 3600", "retry-after-ms: 3600000"])
@pytest.mark.parametrize("status", [429, 503])
async def test_it_does_not_wait_for_longer_than_the_opening_may_take(status: int, header: str) -> None:
    async with receiving(saying(status, header)) as (desk, server):
        error = await refused(server)
        assert desk.visits == 1
    assert (error.status, error.retry_after, error.attempts) == (status, 3600, 1)
    assert "The service asks to wait 3600 s." in str(error)


async def test_all_attempts_together_take_no_longer_than_the_opening_may() -> None:
    async with receiving(*[be_silent] * 100) as (desk, server):
        error = await not_opened(url_of(server), open_timeout=0.5, attempt_timeout=0.1, max_retries=10**6)
        assert desk.visits in {error.attempts, error.attempts - 1}  # the last may have had no time to get there
    assert type(error) is ConnectTimeout
    assert isinstance(error, TimeoutError)
    assert error.attempts >= 2
    assert f"127.0.0.1:{server.port} did not answer within" in str(error)
    assert f"after {error.attempts} attempts" in str(error)


async def test_refusals_without_end_take_no_longer_than_the_opening_may() -> None:
    with fail_after(10):
        async with emulator.serve(refuse=[emulator.REFUSALS["failed"]] * 10_000) as emulated:
            url = emulated.url.replace("http", "ws") + "/openai/v1/realtime?model=m"
            backoff = Backoff(first=0.02, longest=0.02)
            error = await not_opened(url, open_timeout=0.3, max_retries=10**6, backoff=backoff)
    assert isinstance(error, ServerError | ConnectTimeout)
    assert error.attempts >= 2


async def test_one_attempt_takes_no_longer_than_the_opening_may() -> None:
    async with receiving(be_silent) as (desk, server):
        error = await refused(server, open_timeout=0.1)
        assert desk.visits == 1
    assert type(error) is ConnectTimeout
    assert error.said == f"127.0.0.1:{server.port} did not answer within 0.1 s"
    assert error.client_request_id == desk.ids[-1]


async def test_a_credential_takes_no_longer_than_the_opening_may() -> None:
    async def token() -> str:
        await sleep_forever()
        return ""

    async with receiving() as (desk, server):
        error = await refused(server, api_key=None, credential=token, open_timeout=0.1)
        assert desk.visits == 0
    assert type(error) is CredentialError  # not tried again: a person may be typing a password
    assert error.said == "the credential did not answer within 0.1 s"
    assert "open_timeout=" in error.hint
    assert error.client_request_id is None


async def test_a_refused_token_whose_successor_does_not_come() -> None:
    numbers = count(1)

    async def token() -> str:
        if next(numbers) > 1:
            await sleep_forever()
        return "a.token"

    async with receiving(saying(401)) as (desk, server):
        error = await refused(server, api_key=None, credential=token, open_timeout=0.2)
        assert desk.visits == 1
    assert type(error) is CredentialError
    assert "the credential, asked for another token, did not answer within" in str(error)


# Headers


async def request_of(**options: Any) -> Request:
    async with receiving() as (desk, server), open_to(server, **options):
        (request,) = desk.requests
    return request


async def test_what_is_sent_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what openai's own client adds from its variables, either."""
    for name in ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "leaked")
    headers = (await request_of()).headers
    assert sorted(name.lower() for name, _ in headers.raw_items()) == [
        "api-key",
        "connection",
        "host",
        "sec-websocket-key",
        "sec-websocket-version",
        "upgrade",
        "user-agent",
        ID,
    ]
    assert headers["User-Agent"] == f"realtime-azure/{__version__}"
    assert "leaked" not in str(headers)


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT"])
async def test_a_header_of_the_callers_own_wins_in_any_case(name: str) -> None:
    headers = (await request_of(headers={name: "mine/1", "X-Trace": "a b"})).headers
    assert headers.get_all("User-Agent") == ["mine/1"]
    assert headers["x-trace"] == "a b"
    assert headers["api-key"] == KEY


async def test_as_many_headers_as_azure_takes() -> None:
    """The emulator counts them as Azure does."""
    mine = {f"x-{n}": "1" for n in range(8)}
    with fail_after(5):
        async with emulator.serve() as emulated:
            for headers in (mine, {**mine, "X-Ms-Client-Request-Id": "mine"}):
                async with connect(
                    emulated.url, deployment="m", api_version="v1", api_key=emulated.api_key, headers=headers
                ) as connection:
                    await connection.receive()


async def not_sent(headers: Mapping[str, str]) -> ConfigurationError:
    async with receiving() as (desk, server):
        with pytest.raises(ConfigurationError) as caught:
            async with open_to(server, headers=headers):
                pytest.fail("it connected")
        assert desk.visits == 0
    return caught.value


async def test_more_headers_than_azure_takes() -> None:
    error = await not_sent({f"x-{n}": "hush" for n in range(9)})
    assert "9 are too many; Azure takes 10 in a request, of which 2 are taken" in str(error)
    error = await not_sent({ID: "hush", **{f"x-{n}": "hush" for n in range(9)}})
    assert "10 are too many; Azure takes 10 in a request, of which 1 are taken" in str(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("api-key", "pass api_key= or credential="),
        ("API-Key", "pass api_key= or credential="),
        ("Authorization", "pass api_key= or credential="),
        ("authorization", "pass api_key= or credential="),
        ("Host", "belongs to the websocket's handshake"),
        ("Upgrade", "belongs to the websocket's handshake"),
        ("CONNECTION", "belongs to the websocket's handshake"),
        ("Content-Length", "belongs to the websocket's handshake"),
        ("Transfer-Encoding", "belongs to the websocket's handshake"),
        ("Sec-WebSocket-Key", "belongs to the websocket's handshake"),
        ("Sec-WebSocket-Protocol", "belongs to the websocket's handshake"),
        ("sec-websocket-extensions", "belongs to the websocket's handshake"),
        ("x mine", "is not the name of a header"),
        ("x-mine:", "is not the name of a header"),
        ("", "is not the name of a header"),
        ("x-mine\r\nx-yours", "has a line break or a character outside ASCII"),
        ("x-übrig", "has a line break or a character outside ASCII"),
    ],
)
async def test_a_header_that_cannot_go_along(name: str, said: str) -> None:
    error = await not_sent({name: "hush"})
    assert said in str(error)
    assert "hush" not in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("value", ["hush\r\napi-key: mine", "hush\n", "hush\0", "hush\x7f", "hüsh hush"])
async def test_a_value_that_cannot_go_along(value: str) -> None:
    error = await not_sent({"x-mine": value})
    assert "'x-mine' has a line break or a character outside ASCII" in str(error)
    assert "hush" not in str(error)


@given(name=st.text(max_size=10) | st.sampled_from(["api-key", "host", "x-mine"]), value=st.text())
def test_headers_go_along_as_they_are_or_not_at_all(name: str, value: str) -> None:
    given = {name: f"hush{value}"}
    said = ""
    try:
        assert fit_headers(given) == given
    except ConfigurationError as exc:
        said = str(exc)
    line = f"{name}: hush{value}"
    assert said or (line.isascii() and not set(line) & set("\r\n\0"))
    assert "hush" not in said


@pytest.mark.parametrize("value", ["hush\n", "hush\r\nx-more: 1", "h\u00fcsh hush", "hush\0"])
async def test_a_credential_whose_headers_cannot_go_along(value: str) -> None:
    async with receiving() as (desk, server):
        with pytest.raises((ConfigurationError, CredentialError)) as caught:
            async with open_to(server, api_key=None, credential=Signer(authorization=value)):
                pytest.fail("it connected")
        assert desk.visits == 0
    assert "authorization" in str(caught.value)
    assert "hush" not in str(caught.value)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with receiving() as (elsewhere, other):
        location = f"{other.url}/openai/v1/realtime"
        async with receiving(saying(status, f"Location: {location}?model=m&sig=hush#part")) as (desk, server):
            error = await refused(server)
            assert desk.visits == 1
        assert elsewhere.visits == 0
    assert isinstance(error, Redirected)
    assert error.location == location
    assert error.status == status
    assert f"It redirects to {location}, which is not followed" in error.hint
    assert error.hint in str(error)
    assert "hush" not in str(error) + repr(error)
    assert error.headers["location"].endswith("hush#part")


async def test_a_redirect_to_nowhere() -> None:
    async with receiving(saying(302)) as (_, server):
        error = await refused(server)
    assert isinstance(error, Redirected)
    assert error.location == ""
    assert "It redirects, which is not followed" in error.hint


# Cancellation


def sockets() -> set[str]:
    """The sockets that this process has open; where /proc is."""
    found: set[str] = set()
    for entry in os.scandir("/proc/self/fd"):
        try:
            target = os.readlink(entry.path)  # noqa: PTH115 - not a path: socket:[123]
        except OSError:  # the folder's own descriptor is closed again
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@contextmanager
def nobody_takes_calls() -> Generator[int]:
    """A port where a connection neither succeeds nor fails: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def cancelled_when(ready: Callable[[], Awaitable[object]], url: str, **options: Any) -> None:
    """Opens *url*, and cancels that when it is *ready* and waits."""
    reached: list[str] = []

    async def run() -> None:
        try:
            await opening(url, **options).open()
        finally:
            reached.append("the end")

    async with create_task_group() as tasks:
        tasks.start_soon(run)
        await ready()
        await wait_all_tasks_blocked()
        assert not reached  # it is still at it
        tasks.cancel_scope.cancel()
    assert reached


@pytest.mark.parametrize("sync", [False, True], ids=["coroutine", "thread"])
async def test_cancelled_while_the_credential_is_asked(sync: bool) -> None:
    import threading  # noqa: PLC0415 - only here

    asked = Event()
    done = threading.Event()

    async def token() -> str:
        asked.set()
        await sleep_forever()
        return ""

    def token_in_a_thread() -> str:
        from anyio.from_thread import run_sync  # noqa: PLC0415 - only here

        run_sync(asked.set)
        done.wait(5)
        return ""

    try:
        async with receiving() as (desk, server):
            signer = BearerToken(token_in_a_thread if sync else token)
            await cancelled_when(asked.wait, url_of(server), signer=signer)
            assert desk.visits == 0
    finally:
        done.set()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and at what a full queue does there")
async def test_cancelled_while_it_dials() -> None:
    with fail_after(5), nobody_takes_calls() as port:
        before = sockets()
        dialling = Event()

        async def ready() -> None:
            while sockets() == before:
                await checkpoint()
            dialling.set()

        await cancelled_when(ready, f"ws://127.0.0.1:{port}/openai/v1/realtime")
        assert dialling.is_set()
        gc.collect()
        assert sockets() <= before


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_cancelled_while_a_proxy_is_asked(scheme: str) -> None:
    from realtime_azure._proxy import Proxy  # noqa: PLC0415 - only here

    asked = Event()

    async def step(peer: Peer) -> None:
        await peer.stream.receive()
        asked.set()
        await peer.gone()

    async with receiving(step) as (desk, server):
        proxy = Proxy(scheme, "127.0.0.1", server.port)
        await cancelled_when(asked.wait, "wss://resource.example/openai/v1/realtime", proxy=proxy)
        await server.idle.wait()
        assert desk.visits == 1


async def test_cancelled_in_the_tls_handshake(certificates: Certificates) -> None:
    greeted = Event()

    async def step(peer: Peer) -> None:
        await peer.stream.receive()
        greeted.set()
        await peer.gone()

    async with receiving(step) as (desk, server):
        url = f"wss://localhost:{server.port}/openai/v1/realtime"
        await cancelled_when(greeted.wait, url, ssl_context=certificates.client())
        await server.idle.wait()
        assert desk.visits == 1


async def test_cancelled_in_the_handshake() -> None:
    asked = Event()

    async def step(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.send(b"HTTP/1.1 101 Switching")
        asked.set()
        await peer.gone()

    async with receiving(step) as (desk, server):
        await cancelled_when(asked.wait, url_of(server))
        await server.idle.wait()
        assert desk.visits == 1


async def test_cancelled_while_a_refused_token_is_renewed() -> None:
    numbers = count(1)
    asked_again = Event()

    async def token() -> str:
        if next(numbers) > 1:
            asked_again.set()
            await sleep_forever()
        return "a.token"

    async with receiving(saying(401)) as (desk, server):
        await cancelled_when(asked_again.wait, url_of(server), signer=BearerToken(token))
        await server.idle.wait()
        assert desk.visits == 1


async def test_cancelled_between_two_attempts() -> None:
    async with receiving(saying(503, "Retry-After: 60")) as (desk, server):

        async def ready() -> None:
            await server.arrived.wait()
            await server.idle.wait()  # the client has left, and waits

        await cancelled_when(ready, url_of(server), open_timeout=600.0)
        assert desk.visits == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_cancelled_anywhere_it_leaves_nothing_open(certificates: Certificates, tls: bool) -> None:
    """A token that is refused, another that is let in after a 503: at each step that this takes, it is cancelled."""
    answers = {"Bearer token-1": http("401 Unauthorized"), "Bearer token-2": http("503 Busy", "Retry-After: 0")}

    async def receive(peer: Peer) -> None:
        request = await peer.read_request()
        accepted = ServerProtocol(logger=QUIET).accept(request).serialize()
        await peer.stream.send(answers.get(request.headers["Authorization"], accepted))
        await peer.gone()

    context = certificates.client() if tls else None
    finished = False
    steps = 0
    with fail_after(60):
        async with serve(receive, tls=certificates.server("localhost") if tls else None) as server:
            url = f"{'wss' if tls else 'ws'}://localhost:{server.port}/openai/v1/realtime?model=m"

            async def run(scope: CancelScope) -> None:
                nonlocal finished
                numbers = count(1)

                async def token() -> str:
                    await checkpoint()
                    return f"token-{next(numbers)}"

                with scope:
                    made = await opening(
                        url,
                        signer=BearerToken(token),
                        ssl_context=context,
                        backoff=Backoff(first=0.0),
                    ).open()
                    await made.stream.aclose()
                    finished = True

            while not finished:
                async with create_task_group() as tasks:
                    scope = CancelScope()
                    tasks.start_soon(run, scope)
                    for _ in range(steps):
                        await checkpoint()
                    scope.cancel()
                if server.clients:
                    await server.idle.wait()  # the server sees that each of them has gone
                steps += 1
            gc.collect()
    assert steps > 10
