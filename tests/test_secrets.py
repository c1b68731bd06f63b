"""Nothing secret is in a log, a repr or an exception: what is used is looked for in all that was said.

A secret is found as it is and in the forms that it takes on the way (base64, percent-encoded, as a repr), and in part,
for much is cut short where it is shown.
"""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from anyio import EndOfStream, create_tcp_listener, fail_after, to_thread
from anyio.abc import SocketAttribute
from azure.core.credentials import AccessToken
from websockets.sync.client import connect as websockets_connect

from realtime_azure import ConfigurationError, ConnectError, Connection, ConnectionLost, Endpoint, InvalidEvent, connect
from realtime_azure._proxy import Proxy
from realtime_azure.auth import ApiKey, BearerToken, Token, resolve_credential
from realtime_azure.emulator import REFUSALS
from realtime_azure.emulator import serve as emulate
from realtime_azure.errors import Redirected, Refusal, StatusError
from realtime_azure.events import ResponseDone, ResponseOutputAudioDelta, SessionCreated

from .serving import RESPONSE_CREATED, RESPONSE_DONE, SESSION_CREATED, Certificates, Peer, Script, Server, serve

pytestmark = pytest.mark.anyio

# Like nothing else that is said, not in part either.
KEY = "kQ7zXv2WpL9sTn4mRy8BcJ"
TOKEN = "eyJ0bKf3HdUwZqG6.eVxPoA1iCjSr5.lMnYtEgDh0"
CODE = "gWx9Qe3/uRt+7LkZv5Nb=="
SUBSCRIPTION = "sBc8Yw1PjHf6VdKo4TzX"
SIGNATURE = "zZs5GnVh2CqWm8RaUxJy"
PASSWORD = "pPw/6@Lr:Qk3Dx0Fv9Me"
CLIENT_SECRET = "cS~4Jt7NbYg2KuHw.Zo5Ri"
AUDIO = bytes(n * 7919 % 65521 % 251 for n in range(1200))
SECRETS: dict[str, bytes] = {
    "key": KEY.encode(),
    "token": TOKEN.encode(),
    "gateway's key": CODE.encode(),
    "gateway's header": SUBSCRIPTION.encode(),
    "redirect's signature": SIGNATURE.encode(),
    "proxy's password": PASSWORD.encode(),
    "client's secret": CLIENT_SECRET.encode(),
    "audio": AUDIO,
}
LONG_ENOUGH = 9
"""Characters of a secret that are no accident."""

LOGGERS = (
    "realtime_azure",
    "realtime_azure.websocket",
    "realtime_azure.emulator",
    "websockets",
    "websockets.client",
    "websockets.server",
    "asyncio",
    "trio",
    "anyio",
    "azure",
    "azure.core",
    "azure.identity",
    "msal",
    "urllib3",
    "httpx2",
    "httpcore2",
    "python_socks",
)


def windows(text: str) -> set[str]:
    return {text[at : at + LONG_ENOUGH] for at in range(len(text) - LONG_ENOUGH + 1)}


def forms(secret: bytes) -> Iterable[str]:
    """How *secret* may be written down."""
    yield secret.decode("latin-1")
    yield repr(secret)[2:-1]
    yield json.dumps(secret.decode("latin-1"))[1:-1]
    yield quote(secret, safe="")
    yield secret.hex()
    for lead in range(3):  # in base64 it depends on what is before it
        coded = base64.b64encode(b"x" * lead + secret)[4:-4].decode()
        yield coded
        yield coded.replace("+", "-").replace("/", "_")


TRACES = {name: {piece for form in forms(secret) for piece in windows(form)} for name, secret in SECRETS.items()}


class Ears(logging.Handler):
    """Hears what is logged at any level, and what it is shown."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._heard += [record.getMessage(), repr(record.__dict__)]
        if record.exc_info is not None and record.exc_info[1] is not None:
            self.show(record.exc_info[1])

    def show(self, *things: object) -> None:
        """What anyone may see of *things*; of an exception, all that led to it."""
        for thing in things:
            self._heard += [str(thing), repr(thing)]
            if isinstance(thing, BaseException):
                self._heard += traceback.format_exception(thing)
                for error in chain(thing, set()):
                    self._heard += [str(error), repr(error), repr(error.args)]
                    # What a StatusError keeps whole (headers, body) is the server's, and is asked for by name.
                    for name in ("said", "hint", "message", "code", "url", "location", "reason", "last_error"):
                        self._heard.append(repr(getattr(error, name, None)))

    def leaked(self) -> list[str]:
        """The secrets that were heard, in whole or in part."""
        heard = windows("\n".join(self._heard))
        return [name for name, traces in TRACES.items() if heard & traces]


def chain(error: BaseException, seen: set[int]) -> Generator[BaseException]:
    """*error* and all that it came from, as a traceback shows it."""
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = [error.__cause__, None if error.__suppress_context__ else error.__context__]
    if isinstance(error, BaseExceptionGroup):
        inner += error.exceptions
    for one in inner:
        if one is not None:
            yield from chain(one, seen)


@contextmanager
def listening() -> Generator[Ears]:
    """Ears at the root, where every logger says all that it can."""
    ears = Ears()
    known = [logging.getLogger(), *map(logging.getLogger, LOGGERS)]
    known += [logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    before = [(logger, logger.level, logger.propagate, logger.disabled) for logger in known]
    for logger in known:
        logger.setLevel(logging.DEBUG)
        logger.propagate, logger.disabled = True, False
    logging.getLogger().addHandler(ears)
    try:
        yield ears
    finally:
        logging.getLogger().removeHandler(ears)
        for logger, level, propagate, disabled in reversed(before):
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled


@pytest.fixture
def ears() -> Generator[Ears]:
    with listening() as heard:
        yield heard


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


# The scan itself


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("form", range(11))
def test_each_form_of_each_secret_would_be_found(ears: Ears, name: str, form: int) -> None:
    written = list(forms(SECRETS[name]))[form]
    ears.show("This is what went wrong: " + written[3:30] + "…")
    assert name in ears.leaked()


@pytest.mark.parametrize("logger", ["", *LOGGERS, "some.other"])
def test_whatever_is_logged_would_be_heard(ears: Ears, logger: str) -> None:
    logging.getLogger(logger).debug("the key is %s", KEY)
    assert ears.leaked() == ["key"]


def test_what_led_to_an_exception_would_be_seen(ears: Ears) -> None:
    def fail() -> None:
        raise KeyError(TOKEN)

    def fail_while_that_is_handled() -> None:
        try:
            fail()
        finally:
            raise ValueError(KEY)

    def fail_because_of_that() -> None:
        try:
            fail_while_that_is_handled()
        except ValueError as exc:
            raise ExceptionGroup("several", [OSError(PASSWORD)]) from exc

    with pytest.raises(ExceptionGroup) as caught:
        fail_because_of_that()
    ears.show(caught.value)
    assert ears.leaked() == ["key", "token", "proxy's password"]


def test_the_audio_would_be_seen_in_the_message_that_it_goes_in(ears: Ears) -> None:
    ears.show({"audio": base64.b64encode(AUDIO)[600:].decode()})
    assert ears.leaked() == ["audio"]


def test_what_is_not_secret_is_not_found(ears: Ears) -> None:
    ears.show(*map(str, REFUSALS.values()), traceback.format_stack(), *SECRETS)
    assert ears.leaked() == []


async def test_a_client_that_does_log_all_of_it_is_found_out(ears: Ears) -> None:
    """websockets' own client tells its log what it sends; ours is built on the same protocol objects."""
    done: list[bool] = []

    def talk(port: int) -> None:
        url = f"ws://127.0.0.1:{port}/openai/v1/realtime?code={quote(CODE, safe='')}"
        with websockets_connect(url, additional_headers={"api-key": KEY}, proxy=None) as websocket:
            websocket.recv()
            websocket.send(append())
        done.append(True)

    with fail_after(10):
        async with serve(Service().serve) as server:
            await to_thread.run_sync(talk, server.port)
    assert done
    assert ears.leaked() == ["key", "gateway's key", "audio"]


# A session


def append() -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(AUDIO).decode()})


class Service:
    """A service that speaks the test's audio, and remembers what it was sent."""

    def __init__(self, *, loses: bool = False) -> None:
        self.request = ""
        self.audio: list[str] = []
        self._loses = loses

    async def serve(self, peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        self.request = f"{peer.request.path}\n{peer.request.headers}"
        self.audio.append((await peer.hear())["audio"])
        sound = base64.b64encode(AUDIO).decode()
        await peer.say(
            RESPONSE_CREATED,
            {"type": "response.output_audio.delta", "response_id": "resp_1", "item_id": "item_1", "delta": sound},
            {"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "That was wrong."}},
            {"type": "what.is.this", "delta": sound},
        )
        if not self._loses:
            await peer.say(RESPONSE_DONE)
            await peer.farewell()


def through_a_gateway(server: Server) -> str:
    return f"{server.url}/team/openai/v1?code={quote(CODE, safe='')}"


def open_to(server: Server, **options: Any) -> Any:
    chosen: dict[str, Any] = {
        "deployment": "m",
        "api_key": KEY,
        "headers": {"Ocp-Apim-Subscription-Key": SUBSCRIPTION},
        "max_retries": 0,
    }
    return connect(through_a_gateway(server), **{**chosen, **options})


async def token() -> str:
    return TOKEN


@pytest.mark.parametrize(
    "sign_in",
    [{"api_key": KEY}, {"api_key": None, "credential": TOKEN}, {"api_key": None, "credential": token}],
    ids=["key", "token", "function"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_session_with_sound(ears: Ears, certificates: Certificates, tls: bool, sign_in: dict[str, Any]) -> None:
    service = Service()
    with fail_after(10):
        async with serve(service.serve, tls=certificates.server("127.0.0.1") if tls else None) as server:
            connection: Connection
            async with open_to(server, ssl_context=certificates.client() if tls else None, **sign_in) as connection:
                await connection.input_audio_buffer.append(AUDIO)
                delta = await connection.wait_for(ResponseOutputAudioDelta)
                await connection.wait_for(ResponseDone)
                ears.show(connection, connection.endpoint, vars(connection), connection.session)
            ears.show(connection)
            await server.idle.wait()
    assert delta.delta == AUDIO  # it was all there
    assert service.audio == [base64.b64encode(AUDIO).decode()]
    for sent in (quote(CODE, safe=""), SUBSCRIPTION, KEY if sign_in["api_key"] else TOKEN):
        assert sent in service.request
    assert ears.leaked() == []


async def test_a_session_that_is_lost(ears: Ears) -> None:
    service = Service(loses=True)
    with fail_after(10):
        async with serve(service.serve) as server:
            connection: Connection
            async with open_to(server) as connection:
                await connection.input_audio_buffer.append(AUDIO)
                with pytest.raises(ConnectionLost) as caught:
                    async for _ in connection:
                        pass
                with pytest.raises(ConnectionLost) as other:
                    await connection.input_audio_buffer.append(AUDIO)
                ears.show(caught.value, other.value, connection)
    assert caught.value.response_cut == "resp_1"
    assert ears.leaked() == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(AUDIO).decode()},
        {"type": "input_audio_buffer.append", "audio": AUDIO, "more": 1},
        {"type": "input_audio_buffer.append", "audio": [*AUDIO]},
        {"type": "input_audio_buffer.appendix", "audio": AUDIO},
    ],
    ids=["text", "more", "list", "type"],
)
async def test_audio_that_cannot_be_sent(ears: Ears, event: dict[str, Any]) -> None:
    async def service(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.farewell()
        await peer.gone()

    with fail_after(10):
        async with serve(service) as server, open_to(server) as connection:
            with pytest.raises(InvalidEvent) as caught:
                await connection.send(event)
            ears.show(caught.value)
    assert ears.leaked() == []


async def test_a_session_with_the_emulator(ears: Ears) -> None:
    with fail_after(10):
        async with emulate(api_key=KEY, deployments=["m"]) as emulator:
            ears.show(emulator, vars(emulator)["url"])
            async with connect(emulator.url, deployment="m", api_version="v1", api_key=KEY) as connection:
                assert isinstance(await connection.receive(), SessionCreated)
                await connection.send({"type": "input_audio_buffer.append", "audio": AUDIO})
                ears.show(connection)
            async with connect(emulator.url, deployment="m", api_version="v1", credential=KEY) as connection:
                await connection.receive()
    assert ears.leaked() == []


async def test_an_emulator_whose_responder_fails(ears: Ears) -> None:
    async def fail(_turn: object) -> Any:
        raise RuntimeError("nothing comes to mind")

    with fail_after(10):
        async with (
            emulate(api_key=KEY, responder=fail) as emulator,
            connect(emulator.url, deployment="m", api_version="v1", api_key=KEY) as connection,
        ):
            await connection.input_audio_buffer.append(AUDIO * 40)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            done = await connection.wait_for(ResponseDone)
    assert done.response.status == "failed"
    assert ears.leaked() == []


# Refusals


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body


def saying(answer: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(answer)
        sent = f"{peer.request.path}\n{peer.request.headers}"
        assert quote(CODE, safe="") in sent
        assert SUBSCRIPTION in sent
        assert KEY in sent or TOKEN in sent
        await peer.gone()

    return script


async def hang_up(peer: Peer) -> None:
    await peer.read_request()


async def be_silent(peer: Peer) -> None:
    await peer.gone()


@asynccontextmanager
async def failing(ears: Ears, script: Script, **options: Any) -> AsyncGenerator[ConnectError]:
    """The error that connecting to *script* ends with, which is shown."""
    with fail_after(10):
        async with serve(script) as server:
            with pytest.raises(ConnectError) as caught:
                async with open_to(server, **options):
                    pytest.fail("it connected")
            if server.clients:
                await server.idle.wait()
    ears.show(caught.value)
    yield caught.value


@pytest.mark.parametrize("sign_in", [{}, {"api_key": None, "credential": TOKEN}], ids=["key", "token"])
@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal(ears: Ears, name: str, sign_in: dict[str, Any]) -> None:
    said = REFUSALS[name]
    body = json.dumps({"error": {"code": said.code, "message": said.message}}).encode()
    async with failing(ears, saying(http(f"{said.status} No", body=body)), **sign_in) as error:
        assert error.status == said.status
    assert ears.leaked() == []


async def test_the_emulators_refusals(ears: Ears) -> None:
    said: list[int | None] = []
    with fail_after(10):
        async with emulate(api_key=KEY[::-1], refuse=REFUSALS.values()) as emulator:
            for _ in range(len(REFUSALS) + 1):  # at the end, because the key is wrong
                with pytest.raises(StatusError) as caught:
                    async with connect(
                        emulator.url,
                        deployment="m",
                        api_version="v1",
                        api_key=KEY,
                        query={"code": CODE},
                        max_retries=0,
                    ):
                        pytest.fail("it connected")
                ears.show(caught.value)
                said.append(caught.value.status)
            ears.show(emulator)
    assert said == [refusal.status for refusal in REFUSALS.values()] + [401]
    assert ears.leaked() == []


async def test_refusals_that_are_tried_again(ears: Ears) -> None:
    async with failing(ears, saying(http("503 Busy", "retry-after-ms: 1")), max_retries=2) as error:
        assert error.attempts == 3
    assert ears.leaked() == []


async def test_a_token_that_is_refused_twice(ears: Ears) -> None:
    more: list[str] = []

    async def renewed() -> str:
        more.append("x")
        return TOKEN + "".join(more)

    async with failing(ears, saying(http("401 No")), api_key=None, credential=renewed) as error:
        assert error.status == 401
    assert more == ["x", "x"]
    assert ears.leaked() == []


@pytest.mark.parametrize("target", ["https://elsewhere.example/openai", "/elsewhere", "//elsewhere.example", ""])
async def test_a_redirect_with_a_query(ears: Ears, target: str) -> None:
    location = f"Location: {target}?sig={SIGNATURE}&code={CODE}#{SIGNATURE}"
    async with failing(ears, saying(http("307 Temporary Redirect", location))) as error:
        assert isinstance(error, Redirected)
        assert error.location == target
    assert ears.leaked() == []


async def test_a_redirect_with_a_password(ears: Ears) -> None:
    location = f"Location: https://user:{quote(PASSWORD, safe='')}@elsewhere.example/openai"
    async with failing(ears, saying(http("307 Temporary Redirect", location))) as error:
        assert "elsewhere.example/openai" in str(error)
    assert ears.leaked() == []


@pytest.mark.parametrize("envelope", [False, True], ids=["page", "json"])
async def test_a_page_that_repeats_what_was_asked(ears: Ears, envelope: bool) -> None:
    async def repeat(peer: Peer) -> None:
        path = (await peer.read_request()).path
        said = f"Cannot GET {path}"
        body = json.dumps({"error": {"code": "404", "message": said}}) if envelope else f"<pre>{escape(said)}</pre>"
        await peer.stream.send(http("404 Not Found", body=body.encode()))
        await peer.gone()

    async with failing(ears, repeat) as error:
        assert "Cannot GET" in str(error)
    assert ears.leaked() == []


@pytest.mark.parametrize("script", [hang_up, be_silent], ids=["hangs up", "silent"])
async def test_a_service_that_does_not_answer(ears: Ears, script: Script) -> None:
    async with failing(ears, script, attempt_timeout=0.1) as error:
        assert error.status is None
    assert ears.leaked() == []


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n"],
    ids=["ssh", "101", "header"],
)
async def test_an_answer_that_is_no_websocket_servers(ears: Ears, answer: bytes) -> None:
    async with failing(ears, saying(answer)) as error:
        assert error.status is None
    assert ears.leaked() == []


async def test_a_certificate_that_is_not_trusted(ears: Ears, certificates: Certificates) -> None:
    with fail_after(10):
        async with serve(be_silent, tls=certificates.server("127.0.0.1")) as server:
            with pytest.raises(ConnectError) as caught:
                async with open_to(server):
                    pytest.fail("it connected")
    ears.show(caught.value)
    assert ears.leaked() == []


async def test_a_port_where_nobody_listens(ears: Ears) -> None:
    async with await create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(SocketAttribute.local_port)
    with fail_after(10), pytest.raises(ConnectError) as caught:
        async with open_to(Server(f"http://127.0.0.1:{port}", port)):
            pytest.fail("it connected")
    ears.show(caught.value)
    assert ears.leaked() == []


# Proxies


def proxy_url(scheme: str, port: int) -> str:
    return f"{scheme}://user:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"


async def until_blank_line(peer: Peer) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        head += await peer.stream.receive()
    return head


async def http_proxy(peer: Peer, answer: bytes) -> None:
    """A proxy that got the password, and says *answer*."""
    signed = base64.b64encode(f"user:{PASSWORD}".encode())
    assert b"Proxy-Authorization: Basic " + signed in await until_blank_line(peer)
    await peer.stream.send(answer)


async def wrong_password(peer: Peer) -> None:
    await http_proxy(peer, b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
    await peer.gone()


async def forbidden(peer: Peer) -> None:
    await http_proxy(peer, b"HTTP/1.1 403 Forbidden\r\n\r\n")
    await peer.gone()


async def hangs_up(peer: Peer) -> None:
    await http_proxy(peer, b"HTTP/1.1 200 ")


async def no_proxy_at_all(peer: Peer) -> None:
    await http_proxy(peer, b"SSH-2.0-OpenSSH\r\n\r\n")
    await peer.gone()


async def never_answers(peer: Peer) -> None:
    await http_proxy(peer, b"")
    await peer.gone()


async def wrong_password_for_socks(peer: Peer) -> None:
    """RFC 1928 and RFC 1929."""
    await peer.stream.receive()
    await peer.stream.send(b"\x05\x02")
    said = await peer.stream.receive()
    assert PASSWORD.encode() in said
    await peer.stream.send(b"\x01\x01")
    await peer.gone()


async def hangs_up_on_socks(peer: Peer) -> None:
    await peer.stream.receive()


@pytest.mark.parametrize("by", ["argument", "environment"])
@pytest.mark.parametrize(
    ("scheme", "script"),
    [
        ("http", wrong_password),
        ("http", forbidden),
        ("http", hangs_up),
        ("http", no_proxy_at_all),
        ("http", never_answers),
        ("https", be_silent),
        ("socks5", wrong_password_for_socks),
        pytest.param(
            "socks5",
            hangs_up_on_socks,
        ),
    ],
    ids=["407", "403", "hangs up", "no proxy", "silent", "https", "socks5", "socks5 hangs up"],
)
async def test_a_proxy_with_a_password(
    ears: Ears, monkeypatch: pytest.MonkeyPatch, scheme: str, script: Script, by: str
) -> None:
    with fail_after(10):
        async with serve(script) as proxy:
            url = proxy_url(scheme, proxy.port)
            monkeypatch.setenv("HTTPS_PROXY", url if by == "environment" else "")
            with pytest.raises(ConnectError) as caught:
                async with connect(
                    f"https://resource.example/openai/v1?code={quote(CODE, safe='')}",
                    deployment="m",
                    api_key=KEY,
                    proxy=url if by == "argument" else True,
                    max_retries=0,
                    attempt_timeout=0.5 if script in (never_answers, be_silent) else 5.0,
                ):
                    pytest.fail("it connected")
            assert proxy.clients == 1
    assert "127.0.0.1" in str(caught.value)
    ears.show(caught.value)
    assert ears.leaked() == []


# Tokens from azure-identity


async def http_request(peer: Peer) -> bytes:
    """A request with its body, if one is still to come."""
    head = await until_blank_line(peer)
    head, _, body = head.partition(b"\r\n\r\n")
    for line in head.lower().splitlines():
        name, _, value = line.partition(b":")
        if name == b"content-length":
            while len(body) < int(value):
                body += await peer.stream.receive()
    return head + b"\r\n\r\n" + body


class Authority:
    """A token service that knows one client; it gives the test's token, or none."""

    def __init__(self, *, gives: bool) -> None:
        self.gives = gives
        self.asked: list[bytes] = []
        self.origin = ""

    async def serve(self, peer: Peer) -> None:
        try:
            request = await http_request(peer)
        except EndOfStream:
            return
        if b"openid-configuration" in request.partition(b"\r\n")[0]:
            paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            said: dict[str, Any] = {name: f"{self.origin}/tenant/{path}" for name, path in paths.items()}
            said["issuer"] = f"{self.origin}/tenant/v2.0"
            status = "200 OK"
        else:
            self.asked.append(request)
            said = {"token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN}
            status = "200 OK"
            if not self.gives:
                said = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
                status = "401 Unauthorized"
        body = json.dumps(said).encode()
        await peer.stream.send(http(status, "Content-Type: application/json", "Connection: close", body=body))


@pytest.mark.parametrize("gives", [False, True], ids=["no token", "a token that is refused"])
async def test_a_client_secret_of_azure_identity(
    ears: Ears, certificates: Certificates, tmp_path: Path, gives: bool
) -> None:
    from azure.identity import ClientSecretCredential  # noqa: PLC0415 - it takes a third of a second

    ca = tmp_path / "ca.pem"
    certificates.authority.cert_pem.write_to_path(str(ca))
    authority = Authority(gives=gives)
    with fail_after(20):
        async with serve(authority.serve, tls=certificates.server("localhost")) as server:
            authority.origin = f"https://localhost:{server.port}"
            credential = ClientSecretCredential(
                "tenant",
                "client",
                CLIENT_SECRET,
                authority=authority.origin,
                disable_instance_discovery=True,
                connection_verify=str(ca),
                retry_total=0,
            )
            try:
                async with failing(ears, saying_if_asked, api_key=None, credential=credential) as error:
                    assert (error.status == 401) is gives
                    assert ("AADSTS7000215" in str(error)) is not gives
            finally:
                await to_thread.run_sync(credential.close)
    assert CLIENT_SECRET.encode() in b"".join(authority.asked) or quote(CLIENT_SECRET).encode() in b"".join(
        authority.asked
    )
    assert ears.leaked() == []


async def saying_if_asked(peer: Peer) -> None:
    await saying(http("401 No"))(peer)


@pytest.mark.parametrize("secret", [f"{KEY}\n", f" {KEY}", f"{KEY}\r\nx: y", f"{KEY}é", f"{KEY}\0"])
@pytest.mark.parametrize("kind", ["key", "token", "function"])
async def test_a_secret_that_cannot_be_sent(ears: Ears, secret: str, kind: str) -> None:
    async def function() -> str:
        return secret

    sign_in: dict[str, Any] = {"api_key": None, "credential": {"token": secret, "function": function}.get(kind)}
    if kind == "key":
        sign_in = {"api_key": secret}
    with fail_after(10):
        async with serve(be_silent) as server:
            with pytest.raises((ConfigurationError, ConnectError)) as caught:
                async with open_to(server, **sign_in):
                    pytest.fail("it connected")
            assert server.clients == 0
    ears.show(caught.value)
    assert ears.leaked() == []


async def test_two_ways_to_sign_in(ears: Ears) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_credential(KEY, TOKEN)
    ears.show(caught.value)
    assert ears.leaked() == []


# Configuration


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{quote(PASSWORD, safe='')}@resource.example/openai/v1",
        f"https://resource.example:{KEY}/openai/v1",
        f"https://resource.example:99999/openai/v1?code={CODE}",
        f"ftp://resource.example/?code={CODE}",
        f"http://resource.example/openai/v1?code={CODE}",
        f"https://resource.example/openai/v9/else?code={CODE}",
        f"https://resource.example/voice-live/realtime?code={CODE}",
        f"https://[resource.example/?code={CODE}",
        f"https://resource.example/openai?api-version=yesterday&code={CODE}",
        f"https://resource.example/openai/v1?call_id=rtc_1&code={CODE}",
        f"resource.example?code={CODE}",
        f"https://portal.azure.com/?code={CODE}",
        KEY,
    ],
)
async def test_an_endpoint_that_is_none(ears: Ears, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with connect(url, deployment="m", api_key=KEY):
            pytest.fail("it connected")
    ears.show(caught.value)
    assert ears.leaked() == []


@pytest.mark.parametrize("by", ["argument", "environment"])
@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{PASSWORD}@127.0.0.1:1",  # not percent-encoded: the port cannot be read
        f"ftp://user:{quote(PASSWORD, safe='')}@127.0.0.1:1",
        f"http://user:{quote(PASSWORD, safe='')}@:1",
        f"http://user:{quote(PASSWORD, safe='')}@[::1:1",
        f"http://user:{quote(PASSWORD, safe='')}",  # the host was forgotten
    ],
)
async def test_a_proxy_that_is_none(ears: Ears, monkeypatch: pytest.MonkeyPatch, url: str, by: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url if by == "environment" else "")
    with pytest.raises(ConfigurationError) as caught:
        async with connect(
            "https://resource.example/openai/v1",
            deployment="m",
            api_key=KEY,
            proxy=url if by == "argument" else True,
        ):
            pytest.fail("it connected")
    ears.show(caught.value)
    assert ears.leaked() == []


@pytest.mark.parametrize("value", [f"{SUBSCRIPTION}\n", f"{SUBSCRIPTION}é"])
async def test_a_header_that_cannot_be_sent(ears: Ears, value: str) -> None:
    headers = {"Ocp-Apim-Subscription-Key": value}
    with pytest.raises(ConfigurationError) as caught:
        async with connect("http://127.0.0.1:9/openai/v1", deployment="m", api_key=KEY, headers=headers):
            pytest.fail("it connected")
    ears.show(caught.value)
    assert ears.leaked() == []


# What there is to be shown


class Identity:
    def get_token(self, *_scopes: str) -> Any:
        return AccessToken(TOKEN, 1 << 40)


CREDENTIALS: list[object] = [
    ApiKey(KEY),
    BearerToken(TOKEN),
    BearerToken(token),
    BearerToken(lambda: TOKEN),
    BearerToken(Identity()),
    resolve_credential(environ={"AZURE_OPENAI_API_KEY": KEY}),
    resolve_credential(environ={"AZURE_OPENAI_AD_TOKEN": TOKEN}),
    Token(TOKEN, 1.0, 2.0),
]


@pytest.mark.parametrize("thing", CREDENTIALS, ids=lambda thing: type(thing).__name__)
async def test_a_credential_does_not_show_itself(ears: Ears, thing: object) -> None:
    if isinstance(thing, BearerToken):
        assert TOKEN in str(await thing.headers())  # and not after it was used either
    ears.show(thing, [thing], f"{thing}")
    assert ears.leaked() == []


def test_an_endpoint_does_not_show_its_gateways_key(ears: Ears) -> None:
    url = f"https://gateway.example/team/openai/v1?code={quote(CODE, safe='')}"
    endpoint = Endpoint.resolve(url, deployment="m")
    assert quote(CODE, safe="") in endpoint.realtime_url()
    ears.show(endpoint, replace(endpoint, deployment="n"))
    assert ears.leaked() == []


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_does_not_show_its_password(ears: Ears, scheme: str) -> None:
    proxy = Proxy.parse(proxy_url(scheme, 1))
    assert proxy.password == PASSWORD
    ears.show(proxy, proxy.shown)
    assert ears.leaked() == []


def test_a_refusal_does_not_show_what_came_with_it(ears: Ears) -> None:
    headers = {"location": f"/?sig={SIGNATURE}", "set-cookie": SUBSCRIPTION}
    said = Refusal(307, headers, f"<a href='/?sig={SIGNATURE}'>".encode())
    ears.show(said, StatusError.of(said))
    assert ears.leaked() == []
