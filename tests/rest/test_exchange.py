"""What is tried again, when, how often; what is not; and how long anything may take."""

from __future__ import annotations

import base64
import email.utils
import io
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import Event, fail_after

from realtime_azure import (
    AuthenticationError,
    BadRequest,
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    CredentialError,
    HostNotFound,
    NotFound,
    PermissionDenied,
    RateLimited,
    Redirected,
    ServerError,
    StatusError,
    TlsError,
    Unreachable,
)
from realtime_azure.rest import RestClient, Timeouts
from tests.rest.serving import CHUNKED, HANG_UP, Peer, Server, answer, chunk, in_turn, serve
from tests.serving import Certificates

pytestmark = pytest.mark.anyio
OK = answer(200, {"ok": True})
ANY = dict[str, Any]
KEY = "k3y-that-is-secret"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which take no time here."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr("realtime_azure.rest.exchange.sleep", sleep)
    return waited


@asynccontextmanager
async def client_of(server: Server, **options: Any) -> AsyncGenerator[RestClient]:
    signing = {"api_key": KEY} if "credential" not in options else {}
    given: dict[str, Any] = {"api_version": "v1", "proxy": False, **signing, **options}
    async with RestClient(server.url, **given) as client:
        with fail_after(5):
            yield client


async def ask(client: RestClient, **options: Any) -> ANY:
    """One call, with a body that can be sent again."""
    given: dict[str, Any] = {"json": {"a": 1}, **options}
    said: ANY = await client.request("POST", "x", result=ANY, **given)
    return said


# What is tried again.


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 599])
async def test_an_answer_that_may_be_another_next_time_is_asked_for_again(status: int, waits: list[float]) -> None:
    async with serve(in_turn([answer(status), OK])) as server, client_of(server) as client:
        assert await ask(client) == {"ok": True}
    assert [heard.body for heard in server.heard] == [b'{"a":1}'] * 2
    assert len(waits) == 1
    assert 0.375 <= waits[0] <= 0.5


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequest), (401, AuthenticationError), (403, PermissionDenied), (404, NotFound), (418, StatusError)],
)
async def test_an_answer_that_will_be_the_same_is_final(status: int, kind: type[Exception], waits: list[float]) -> None:
    async with serve(in_turn([answer(status), OK])) as server, client_of(server) as client:
        with pytest.raises(kind) as caught:
            await ask(client)
    assert type(caught.value) is kind
    assert (len(server.heard), waits) == (1, [])


@pytest.mark.parametrize(
    "cut",
    [HANG_UP, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{}"],
    ids=["before the answer", "in the middle of it"],
)
async def test_who_hangs_up_is_asked_again(cut: bytes, waits: list[float]) -> None:
    async with serve(in_turn([cut, OK])) as server, client_of(server) as client:
        assert await ask(client) == {"ok": True}
    assert (server.clients, len(server.heard), len(waits)) == (2, 2, 1)


@pytest.mark.parametrize("number", [0, 1, 4])
async def test_there_are_as_many_attempts_as_were_allowed(number: int, waits: list[float]) -> None:
    async with serve(in_turn([HANG_UP])) as server, client_of(server, max_retries=number) as client:
        with pytest.raises(BrokenOff) as caught:
            await ask(client)
    assert caught.value.attempts == number + 1 == len(server.heard)
    assert len(waits) == number


async def test_a_call_may_say_how_often_itself(waits: list[float]) -> None:
    async with serve(in_turn([answer(500)])) as server, client_of(server, max_retries=5) as client:
        with pytest.raises(ServerError) as caught:
            await ask(client, max_retries=1)
    assert (caught.value.attempts, len(server.heard), len(waits)) == (2, 2, 1)


async def test_waits_double_without_a_word_from_the_service(waits: list[float]) -> None:
    async with serve(in_turn([answer(503)])) as server, client_of(server, max_retries=3) as client:
        with pytest.raises(ServerError):
            await ask(client)
    for waited, longest in zip(waits, [0.5, 1.0, 2.0], strict=True):
        assert longest * 0.75 <= waited <= longest


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "soon"}, None),
    ],
)
async def test_the_service_says_how_long_to_wait(
    headers: dict[str, str], seconds: float | None, waits: list[float]
) -> None:
    async with serve(in_turn([answer(429, **headers), OK])) as server, client_of(server) as client:
        await ask(client)
    least, most = (0.375, 0.5) if seconds is None else (seconds, seconds + 0.125)
    assert least <= waits[0] <= most


async def test_the_service_says_until_when_to_wait(waits: list[float]) -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    async with serve(in_turn([answer(429, retry_after=date), OK])) as server, client_of(server) as client:
        await ask(client)
    assert 20 < waits[0] <= 31


@pytest.mark.parametrize(("status", "says", "attempts"), [(400, "true", 2), (503, "false", 1), (429, "perhaps", 2)])
async def test_the_service_may_say_itself_whether_to_ask_again(
    status: int, says: str, attempts: int, waits: list[float]
) -> None:
    said = answer(status, x_should_retry=says)
    async with serve(in_turn([said])) as server, client_of(server, max_retries=1) as client:
        with pytest.raises(StatusError) as caught:
            await ask(client)
    assert caught.value.attempts == attempts == len(server.heard)
    assert len(waits) == attempts - 1


async def test_a_wait_that_is_too_long_is_an_error_which_says_how_long(waits: list[float]) -> None:
    said = answer(429, retry_after="3600")
    async with serve(in_turn([said, OK])) as server, client_of(server, max_retry_wait=30) as client:
        with pytest.raises(RateLimited, match=r"wait 3600 s.*max_retry_wait=30") as caught:
            await ask(client)
    assert (caught.value.retry_after, caught.value.attempts, waits) == (3600.0, 1, [])


async def test_nobody_waits_beyond_the_total(waits: list[float]) -> None:
    said = answer(429, retry_after="20")
    async with serve(in_turn([said, OK])) as server, client_of(server, timeout=10) as client:
        with pytest.raises(RateLimited) as caught:
            await ask(client)
    assert (caught.value.attempts, waits) == (1, [])


async def test_an_error_names_its_last_attempt(waits: list[float]) -> None:
    said = answer(500, {"error": {"code": "c", "message": "m"}}, apim_request_id="r7")
    async with serve(in_turn([said])) as server, client_of(server) as client:
        with pytest.raises(ServerError) as caught:
            await ask(client)
    ids = [heard.headers["x-ms-client-request-id"] for heard in server.heard]
    assert len(set(ids)) == 3
    assert (caught.value.client_request_id, caught.value.request_id) == (ids[-1], "r7")
    assert (caught.value.code, caught.value.message, caught.value.attempts) == ("c", "m", 3)


async def test_a_body_that_can_be_read_once_is_sent_once(waits: list[float]) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    async with serve(in_turn([answer(503), OK])) as server, client_of(server) as client:
        with pytest.raises(ServerError):
            await client.request("POST", "x", content=body(), result=ANY)
    assert ([heard.body for heard in server.heard], waits) == ([b"once"], [])


# What cannot be reached.


async def test_a_port_where_nobody_listens_is_final(waits: list[float]) -> None:
    async with serve(in_turn([OK])) as server:
        pass
    async with client_of(server) as client:
        with pytest.raises(Unreachable) as caught:
            await ask(client)
    assert (caught.value.attempts, waits) == (1, [])


async def test_a_name_that_does_not_exist_is_final(waits: list[float]) -> None:
    async with RestClient("https://nobody.invalid/openai/v1", api_key=KEY, proxy=False) as client:
        with pytest.raises(HostNotFound, match=r"nobody\.invalid") as caught:
            await ask(client)
    assert (caught.value.attempts, waits) == (1, [])


async def test_a_certificate_that_nobody_knows_is_final(waits: list[float]) -> None:
    certificates = Certificates()
    async with serve(in_turn([OK]), tls=certificates.server("127.0.0.1")) as server:
        async with client_of(server) as client:
            with pytest.raises(TlsError) as caught:
                await ask(client)
        assert (caught.value.attempts, waits) == (1, [])
        async with client_of(server, ssl_context=certificates.client()) as client:
            assert await ask(client) == {"ok": True}


# How long it may take.


async def silent(peer: Peer) -> None:
    await peer.hear()
    await peer.until_gone()


@pytest.mark.parametrize(
    ("timeout", "said"),
    [(0.05, "did not answer within 0.05 s"), (Timeouts(read=0.05), "no answer came in time")],
    ids=["total", "read"],
)
@pytest.mark.parametrize("of_call", [True, False])
async def test_a_service_that_does_not_answer_is_given_up(timeout: Any, said: str, of_call: bool) -> None:
    options = {} if of_call else {"timeout": timeout}
    async with serve(silent) as server, client_of(server, max_retries=0, **options) as client:
        with pytest.raises(ConnectTimeout, match=said) as caught:
            await ask(client, **({"timeout": timeout} if of_call else {}))
        assert isinstance(caught.value, TimeoutError)
        await server.idle.wait()  # no socket is left


async def test_who_waits_for_a_free_connection_too_long_is_told() -> None:
    async with (
        serve(silent) as server,
        client_of(server, max_connections=1, timeout=Timeouts(pool=0.05)) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(ask, client)
        while not server.heard:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(ConnectTimeout, match=r"no connection was free.*max_connections"):
            await ask(client)
        tasks.cancel_scope.cancel()
    assert len(server.heard) == 1


@pytest.mark.parametrize("bad", [0, -1, True, "5", float("nan")])
async def test_a_timeout_that_is_none_is_refused(bad: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        RestClient("http://127.0.0.1:1/openai/v1", api_key=KEY, timeout=bad)
    with pytest.raises(ConfigurationError, match="timeout"):
        Timeouts(read=bad)


# Who is signed in.


class Tokens:
    """A credential of one's own, with a token for each time that it is asked for one."""

    def __init__(self) -> None:
        self.asked = 0

    async def headers(self) -> dict[str, str]:
        self.asked += 1
        return {"Authorization": f"Bearer t{self.asked}"}


async def test_a_401_is_answered_with_another_token_once(waits: list[float]) -> None:
    async with serve(in_turn([answer(401), OK])) as server, client_of(server, credential=Tokens()) as client:
        assert await ask(client) == {"ok": True}
    assert [heard.headers["authorization"] for heard in server.heard] == ["Bearer t1", "Bearer t2"]
    assert waits == []


async def test_a_second_401_is_final(waits: list[float]) -> None:
    async with serve(in_turn([answer(401)])) as server, client_of(server, credential=Tokens()) as client:
        with pytest.raises(AuthenticationError) as caught:
            await ask(client)
    assert (len(server.heard), caught.value.attempts, waits) == (2, 1, [])


async def test_a_key_is_not_tried_twice() -> None:
    async with serve(in_turn([answer(401)])) as server, client_of(server) as client:
        with pytest.raises(AuthenticationError):
            await ask(client)
    assert len(server.heard) == 1


async def test_a_token_is_asked_for_once_by_many() -> None:
    asked: list[int] = []

    async def token() -> str:
        asked.append(1)
        await anyio.lowlevel.checkpoint()
        return "t"

    async with (
        serve(in_turn([OK])) as server,
        client_of(server, credential=token) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(20):
            tasks.start_soon(ask, client)
    assert {heard.headers["authorization"] for heard in server.heard} == {"Bearer t"}
    assert (len(server.heard), len(asked)) == (20, 1)


async def test_a_credential_that_hangs_is_given_up_within_the_total() -> None:
    async def token() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async with serve(in_turn([OK])) as server, client_of(server, credential=token, timeout=0.05) as client:
        with pytest.raises(CredentialError, match=r"within 0\.05 s"):
            await ask(client)
    assert server.heard == []


async def test_a_credential_that_fails_is_final(waits: list[float]) -> None:
    async def token() -> str:
        raise ValueError("no")

    async with serve(in_turn([OK])) as server, client_of(server, credential=token) as client:
        with pytest.raises(CredentialError) as caught:
            await ask(client)
    assert (caught.value.attempts, server.heard, waits) == (1, [], [])


# Redirects.


async def test_a_redirect_within_the_origin_is_followed_with_the_sign_in() -> None:
    async with serve(in_turn([answer(307, location="/there"), OK])) as server, client_of(server) as client:
        assert await ask(client) == {"ok": True}
    assert [heard.headers["api-key"] for heard in server.heard] == [KEY, KEY]
    assert (server.heard[1].method, server.heard[1].target, server.heard[1].body) == ("POST", "/there", b'{"a":1}')


@pytest.mark.parametrize("credential", [None, "a-t0ken"])
async def test_another_origin_does_not_get_the_sign_in(credential: str | None) -> None:
    options: dict[str, Any] = {"credential": credential} if credential else {}
    async with serve(in_turn([OK])) as other:
        said = answer(308, location=f"{other.url}/there")
        async with serve(in_turn([said])) as server, client_of(server, headers={"X-Mine": "s"}, **options) as client:
            assert await ask(client) == {"ok": True}
    assert server.heard[0].headers["x-mine"] == "s"
    (heard,) = other.heard
    assert not {"api-key", "authorization", "x-mine", "cookie", "x-ms-client-request-id"} & set(heard.headers)
    assert (heard.body, heard.headers["host"]) == (b'{"a":1}', f"127.0.0.1:{other.port}")


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_makes_a_get_of_a_post_is_not_followed(status: int, waits: list[float]) -> None:
    said = answer(status, location="/there?code=secret")
    async with serve(in_turn([said])) as server, client_of(server) as client:
        with pytest.raises(Redirected) as caught:
            await ask(client)
    assert (len(server.heard), waits) == (1, [])
    assert caught.value.location == "/there"
    assert "secret" not in str(caught.value)


async def test_a_redirect_out_of_tls_is_not_followed() -> None:
    certificates = Certificates()
    async with serve(in_turn([OK])) as plain:
        said = answer(307, location=f"{plain.url}/there")
        async with (
            serve(in_turn([said]), tls=certificates.server("127.0.0.1")) as server,
            client_of(server, ssl_context=certificates.client()) as client,
        ):
            with pytest.raises(Redirected):
                await ask(client)
    assert plain.heard == []


async def test_redirects_in_a_circle_end() -> None:
    async with serve(in_turn([answer(307, location="/again")])) as server, client_of(server) as client:
        with pytest.raises(Redirected):
            await ask(client)
    assert len(server.heard) == 6


async def test_no_key_and_no_query_is_shown(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    said = answer(500, {"error": {"message": "no"}})
    async with serve(in_turn([said])) as server, client_of(server, query={"code": "s3cret"}) as client:
        with pytest.raises(ConnectError) as caught:
            await ask(client)
        shown = f"{client!r} {caught.value} {caught.value!r} {caught.value.args!r}"
    assert "s3cret" in server.heard[0].target
    assert not [secret for secret in (KEY, "s3cret") if secret in shown]
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("realtime_azure")]
    assert not [line for line in logged if KEY in line or "s3cret" in line]
    assert not [record for record in caplog.records if KEY in record.getMessage()]
    assert json.loads(caught.value.body) == {"error": {"message": "no"}}


# azure-identity's own


class FromAzure:
    """What is shaped like a credential of azure-identity: each token is another, and says what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def get_token(self, *scopes: str, claims: str | None = None) -> Any:
        assert scopes == ("https://cognitiveservices.azure.com/.default",)
        self.asked.append(claims)
        return SimpleNamespace(token=f"t{len(self.asked)}", expires_on=time.time() + 3600)


class FromAzureAsync(FromAzure):
    async def get_token(self, *scopes: str, claims: str | None = None) -> Any:
        return super().get_token(*scopes, claims=claims)


CLAIMS = '{"access_token":{"nbf":{"essential":true}}}'


@pytest.mark.parametrize("kind", [FromAzure, FromAzureAsync])
async def test_what_a_401_asks_for_is_asked_of_the_credential(kind: type[FromAzure], waits: list[float]) -> None:
    """Continuous access evaluation: the challenge's claims go along; the next call has the new token already."""
    credential = kind()
    challenge = f'Bearer error="insufficient_claims", claims="{base64.urlsafe_b64encode(CLAIMS.encode()).decode()}"'
    refusal = answer(401, www_authenticate=challenge)
    async with serve(in_turn([refusal, OK])) as server, client_of(server, credential=credential) as client:
        await ask(client)
        await ask(client)
    assert credential.asked == [None, CLAIMS]
    assert [heard.headers["authorization"] for heard in server.heard] == ["Bearer t1", "Bearer t2", "Bearer t2"]
    assert waits == []


# Uploads


async def upload(client: RestClient, file: Any) -> None:
    await client.files.create(file=file, purpose="batch")


class Pipe(io.RawIOBase):
    """What can be read once."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


async def test_a_file_is_sent_again_whole(tmp_path: Path, waits: list[float]) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"0123456789" * 20_000)
    for file in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        async with serve(in_turn([answer(503), OK])) as server, client_of(server) as client:
            await upload(client, file)
        assert [heard.body.count(b"0123456789") for heard in server.heard] == [20_000, 20_000]


async def test_a_file_that_can_be_read_once_is_sent_once(waits: list[float]) -> None:
    async with serve(in_turn([answer(503), OK])) as server, client_of(server) as client:
        with pytest.raises(ServerError) as caught:
            await upload(client, ("lines.jsonl", Pipe(b"0123456789" * 100)))
    assert [heard.body.count(b"0123456789") for heard in server.heard] == [100]
    assert (caught.value.attempts, waits) == (1, [])


# Ctrl-C


PROGRAM = textwrap.dedent("""
    import sys

    import anyio

    from realtime_azure.rest import RestClient


    async def main(backend, url, stream):
        async with RestClient(url, deployment="d", api_version="v1", api_key="k") as client:
            print("ready", flush=True)
            made = await client.chat.completions.create(messages=[{"role": "user"}], stream=stream == "stream")
            async for _ in made:
                print("reading", flush=True)


    anyio.run(main, *sys.argv[1:], backend=sys.argv[1])
""")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("place", ["answer", "stream"])
async def test_ctrl_c_ends_a_program_that_waits(place: str, backend: str) -> None:
    there = Event()

    async def quiet(peer: Peer) -> None:
        await peer.hear()
        if place == "stream":
            await peer.say(CHUNKED, chunk(b'data: {"id": "x"}\n\n'))
        there.set()
        await peer.until_gone()

    with fail_after(20):
        async with serve(quiet) as server:
            command = [sys.executable, "-W", "error", "-c", PROGRAM, backend, server.url, place]
            async with await anyio.open_process(command, stdin=subprocess.DEVNULL) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                while b"reading" not in (said := await process.stdout.receive()) and place == "stream":
                    pass
                assert said
                await there.wait()
                process.send_signal(signal.SIGINT)
                words = b"".join([chunk async for chunk in process.stderr])
                code = await process.wait()
    assert code == -signal.SIGINT
    assert words.rstrip().endswith(b"KeyboardInterrupt")
    assert not [word for word in (b"ExceptionGroup", b"never", b"Warning", b"destroyed") if word in words]
