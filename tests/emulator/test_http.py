"""The emulator's HTTP, on the wire: many requests on one connection, long ones, broken ones, clients that leave."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import httpx2
import pytest
from anyio import BrokenResourceError, EndOfStream, Event, connect_tcp, create_task_group, fail_after, sleep_forever
from anyio.abc import ByteStream

from realtime_azure import connect
from realtime_azure.emulator import Emulator, Turn, http, serve, voice
from realtime_azure.events import SessionCreated

from ..serving import Certificates

pytestmark = pytest.mark.anyio

CHAT = "/openai/v1/chat/completions"
MODELS = "/openai/v1/models"


@pytest.fixture(autouse=True)
def without_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers here as where the extra `emulator-voice` is installed."""
    monkeypatch.setattr(voice, "available", lambda: False)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve(pace=math.inf, api_key="KEY", deployments=["mine"]) as running:
        yield running


def asked(text: str = "Hello", **options: Any) -> bytes:
    return json.dumps({"model": "mine", "messages": [{"role": "user", "content": text}], **options}).encode()


def request(path: str = MODELS, body: bytes = b"", *more: str, method: str = "") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", "Host: here", "api-key: KEY", *length, *more]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass
class Browser:
    """A client that keeps to the protocol as h11 knows it, and says what bytes it is told to."""

    stream: ByteStream
    came: bytes = field(default=b"")
    _h11: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))

    async def send(self, said: bytes) -> None:
        await self.stream.send(said)

    async def answer(self, method: bytes = b"GET") -> tuple[int, dict[str, str], list[bytes]]:
        """The next answer: its status, headers and pieces."""
        self._h11.send(h11.Request(method=method, target="/", headers=[("host", "here")]))
        self._h11.send(h11.EndOfMessage())
        status, headers, pieces = 0, dict[str, str](), list[bytes]()
        while True:
            match await self._event():
                case h11.Response(status_code=code, headers=fields):
                    status, headers = code, {name.decode(): value.decode() for name, value in fields}
                case h11.Data(data=data):
                    pieces.append(bytes(data))
                case h11.EndOfMessage():
                    break
                case other:
                    raise AssertionError(other)
        if self._h11.our_state is self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        return status, headers, pieces

    async def _event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            try:
                received = await self.stream.receive()
            except EndOfStream:
                received = b""
            self.came += received
            self._h11.receive_data(received)
        return event

    async def gone(self) -> bytes:
        """What else comes, up to the emulator's hanging up."""
        came = b""
        try:
            while True:
                came += await self.stream.receive()
        except (EndOfStream, BrokenResourceError):
            return came


@asynccontextmanager
async def dialled(emulator: Emulator) -> AsyncGenerator[Browser]:
    with fail_after(5):
        async with await connect_tcp("127.0.0.1", int(emulator.url.rpartition(":")[2])) as stream:
            yield Browser(stream)


def ids(pieces: list[bytes]) -> list[str]:
    return [model["id"] for model in json.loads(b"".join(pieces))["data"]]


# One connection


async def test_a_connection_is_kept(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        for _ in range(3):
            await browser.send(request())
            status, headers, pieces = await browser.answer()
            assert (status, ids(pieces)) == (200, ["mine"])
            assert "connection" not in headers
        await browser.send(request(MODELS, b"", "Connection: close"))
        assert (await browser.answer())[0] == 200
        assert await browser.gone() == b""


async def test_what_is_wrong_ends_no_connection(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        for said, status in ((request(CHAT, b"{"), 400), (request(CHAT), 405), (request(), 200)):
            await browser.send(said)
            assert (await browser.answer())[0] == status


async def test_requests_one_behind_the_other_are_answered_in_order(emulator: Emulator) -> None:
    texts = ["one", "one two", "one two three"]
    async with dialled(emulator) as browser:
        await browser.send(b"".join(request(CHAT, asked(text)) for text in texts) + request())
        for count in ("one word", "two words", "three words"):
            _, _, pieces = await browser.answer()
            assert count in b"".join(pieces).decode()
        assert ids((await browser.answer())[2]) == ["mine"]


async def test_a_request_that_comes_byte_by_byte(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        for _ in range(2):
            for byte in request(CHAT, asked()):
                await browser.send(bytes([byte]))
            assert (await browser.answer())[0] == 200


async def test_a_connection_on_which_nothing_is_asked_is_closed(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "KEEP_ALIVE", 0.01)
    async with dialled(emulator) as browser:
        await browser.send(request())
        assert (await browser.answer())[0] == 200
        assert await browser.gone() == b""
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, asked())[:-1])
        assert await browser.gone() == b""


async def test_many_at_once(emulator: Emulator) -> None:
    statuses: list[int] = []
    async with httpx2.AsyncClient(headers={"api-key": "KEY"}) as client, create_task_group() as tasks:

        async def ask() -> None:
            answer = await client.post(f"{emulator.url}{CHAT}", content=asked())
            statuses.append(answer.status_code)

        for _ in range(50):
            tasks.start_soon(ask)
    assert statuses == [200] * 50


async def test_a_websocket_on_the_same_port(emulator: Emulator) -> None:
    with fail_after(5):
        async with (
            connect(emulator.url, deployment="mine", api_version="v1", api_key="KEY") as connection,
            httpx2.AsyncClient(headers={"api-key": "KEY"}) as client,
        ):
            assert (await client.get(f"{emulator.url}{MODELS}")).status_code == 200
            assert isinstance(await connection.receive(), SessionCreated)


async def test_other_upgrades_are_passed_over(emulator: Emulator) -> None:
    """As curl asks with --http2."""
    async with dialled(emulator) as browser:
        for _ in range(2):
            await browser.send(request(MODELS, b"", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"))
            assert (await browser.answer())[0] == 200


async def test_over_tls() -> None:
    certificates = Certificates()
    async with (
        serve(ssl_context=certificates.server("127.0.0.1"), pace=math.inf) as emulator,
        httpx2.AsyncClient(verify=certificates.client(), headers={"api-key": emulator.api_key}) as client,
    ):
        for _ in range(2):
            answer = await client.post(f"{emulator.url}{CHAT}", content=asked(stream=True))
            assert answer.status_code == 200
            assert answer.text.endswith("data: [DONE]\n\n")


# What is long


async def test_a_stream_is_sent_piece_by_piece() -> None:
    """Each word when it is there, and the connection is as good as before."""
    further = Event()

    async def responder(turn: Turn) -> AsyncIterator[str]:
        yield "One."
        await further.wait()
        yield " Two."

    async with serve(responder=responder, api_key="KEY") as emulator, dialled(emulator) as browser:
        await browser.send(request(CHAT, asked(stream=True)))
        while b'"One."' not in browser.came:
            browser.came += await browser.stream.receive()
        assert browser.came.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"transfer-encoding: chunked\r\n" in browser.came.lower()
        assert b" Two." not in browser.came
        further.set()
        while not browser.came.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            browser.came += await browser.stream.receive()
        await browser.send(request())
        assert (await browser.answer())[0] == 200


async def test_a_stream_for_a_client_of_http_1_0_ends_with_the_connection(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, asked(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        head, _, body = (await browser.gone()).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_body_in_chunks(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, b"", "Transfer-Encoding: chunked", method="POST"))
        for byte in asked():
            await browser.send(b"1\r\n" + bytes([byte]) + b"\r\n")
        await browser.send(b"0\r\n\r\n")
        assert (await browser.answer())[0] == 200
        await browser.send(request())
        assert (await browser.answer())[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_long(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, chunked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1000)
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, asked("x" * 900)))
        assert (await browser.answer())[0] == 200
        if chunked:
            await browser.send(request(CHAT, b"", "Transfer-Encoding: chunked", method="POST"))
            await browser.send(b"3e9\r\n" + bytes(1001) + b"\r\n")
        else:
            await browser.send(request(CHAT, b"", "Content-Length: 1001", method="POST"))
        status, headers, pieces = await browser.answer()
        assert status == 413
        assert headers["connection"] == "close"
        assert json.loads(b"".join(pieces))["error"]["code"] == "413"
        await browser.send(bytes(500))
        assert await browser.gone() == b""
    assert not caplog.records


async def test_a_client_that_waits_until_it_may_send(emulator: Emulator) -> None:
    body = asked()
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, body, "Expect: 100-continue")[: -len(body)])
        go = b""
        while not go.endswith(b"\r\n\r\n"):
            go += await browser.stream.receive()
        assert go.startswith(b"HTTP/1.1 100 ")
        await browser.send(body)
        assert (await browser.answer())[0] == 200


async def test_a_client_that_waits_with_too_much_is_not_told_to_send_it(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 10)
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, asked(), "Expect: 100-continue")[: -len(asked())])
        assert (await browser.answer())[0] == 413
        assert b" 100 " not in browser.came


# What is broken


@pytest.mark.parametrize(
    "said",
    [
        b"how do you do\r\n\r\n",
        request(MODELS, b"", "Content-Length: x"),
        request(MODELS, b"", "Content-Length: 1", "Content-Length: 2"),
        request(MODELS, b"", "Transfer-Encoding: gzip"),
        request(MODELS, b"", "no colon"),
        request(MODELS, b"", *(f"x-{n}: {'x' * 1000}" for n in range(80))),
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_what_is_no_request(
    emulator: Emulator, said: bytes, first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also behind one that was."""
    async with dialled(emulator) as browser:
        if not first:
            await browser.send(request())
            assert (await browser.answer())[0] == 200
        await browser.send(said)
        answer = await browser.gone()
    status = int(answer.split()[1])
    assert 400 <= status < 505
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert not caplog.records


async def test_a_body_in_broken_chunks(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        await browser.send(request(CHAT, b"", "Transfer-Encoding: chunked", method="POST") + b"many\r\n")
        assert (await browser.gone()).startswith(b"HTTP/1.1 400 ")


async def test_a_head_is_not_answered_with_a_body(emulator: Emulator) -> None:
    async with dialled(emulator) as browser:
        await browser.send(request(method="HEAD"))
        status, headers, pieces = await browser.answer(b"HEAD")
        assert (status, pieces) == (405, [])
        assert int(headers["content-length"]) > 0


# Clients that leave


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_goes_on_answering_a_client_that_is_gone(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    began, stopped = Event(), Event()

    async def responder(turn: Turn) -> AsyncIterator[str]:
        try:
            yield "Well,"
            began.set()
            await sleep_forever()
        finally:
            stopped.set()

    async with serve(responder=responder, api_key="KEY") as emulator:
        async with dialled(emulator) as browser:
            await browser.send(request(CHAT, asked(stream=stream)))
            await began.wait()
        with fail_after(5):
            await stopped.wait()
    assert not caplog.records


async def test_a_client_that_leaves_in_the_middle_of_its_request(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    for said in (request(CHAT, asked())[:-1], request()[:-1], request() + request()[:5]):
        async with dialled(emulator) as browser:
            await browser.send(said)
    async with dialled(emulator) as browser:
        await browser.send(request())
        assert (await browser.answer())[0] == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_leaving_the_emulator_ends_what_is_being_answered() -> None:
    began, stopped = Event(), Event()

    async def responder(turn: Turn) -> str:
        began.set()
        try:
            await sleep_forever()
        finally:
            stopped.set()
        raise AssertionError

    with fail_after(5):
        async with serve(responder=responder, api_key="KEY") as emulator:
            stream = await connect_tcp("127.0.0.1", int(emulator.url.rpartition(":")[2]))
            await stream.send(request(CHAT, asked()))
            await began.wait()
        assert stopped.is_set()
        await stream.aclose()


async def test_a_client_that_does_not_read_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer stops where nothing more fits; then the client goes, and it is over."""
    stopped, filled = Event(), Event()

    async def responder(turn: Turn) -> AsyncIterator[str]:
        if turn.text != "much":
            yield "Little."
            return
        try:
            while True:
                yield "x" * 100_000
                filled.set()
        finally:
            stopped.set()

    async with serve(responder=responder, api_key="KEY") as emulator:
        async with dialled(emulator) as slow:
            await slow.send(request(CHAT, asked("much", stream=True)))
            await filled.wait()
            async with dialled(emulator) as other:
                await other.send(request(CHAT, asked("little")))
                assert (await other.answer())[0] == 200
        with fail_after(5):
            await stopped.wait()
