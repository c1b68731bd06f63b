"""A proxy that keeps cassettes: of what goes through it, by any client, to any service."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import Event, connect_tcp, create_task_group, fail_after
from anyio.abc import TaskStatus
from openai import AsyncAzureOpenAI, AsyncOpenAI

from realtime_azure import (
    AuthenticationError,
    ConfigurationError,
    Connection,
    ConnectionLost,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    Unreachable,
    connect,
)
from realtime_azure.emulator import REFUSALS, Emulator, Turn, serve
from realtime_azure.events import ResponseDone, SessionCreated
from realtime_azure.testing import Cassette, RecordingProxy, recording_proxy

pytestmark = pytest.mark.anyio

VERSIONS = {"ga": "v1", "preview": "2025-04-01-preview", "voice-live": "2026-07-15"}
KEY_OF_THE_CLIENT = "the-key-of-the-client"


async def say(turn: Turn) -> str:
    return "All is well."


@asynccontextmanager
async def way(path: Path, **options: Any) -> AsyncGenerator[tuple[RecordingProxy, Emulator]]:
    """A proxy to an emulator, for ten seconds."""
    with fail_after(10):
        async with (
            serve(responder=say, pace=math.inf, **options) as emulator,
            recording_proxy(path, emulator.url, api_key=emulator.api_key, max_retries=0) as proxy,
        ):
            yield proxy, emulator


def opened(proxy: RecordingProxy, dialect: str = "ga", **options: Any) -> AbstractAsyncContextManager[Connection]:
    path = "/voice-live" if dialect == "voice-live" else ""
    arguments: dict[str, Any] = {"deployment": "any", "api_key": KEY_OF_THE_CLIENT, "max_retries": 0, **options}
    return connect(proxy.url + path, api_version=VERSIONS[dialect], **arguments)


async def turn_of(connection: Connection) -> list[dict[str, Any]]:
    """What comes of a turn, as it came."""
    await connection.response.create()
    events: list[dict[str, Any]] = []
    async for event in connection:
        events.append(json.loads(event.raw))
        if isinstance(event, ResponseDone):
            break
    return events


def on(path: Path) -> list[tuple[str, str]]:
    return [(each.direction, each.type) for each in Cassette.read(path).messages]


@pytest.mark.parametrize("dialect", list(VERSIONS))
async def test_what_goes_through_it_is_on_the_cassette(tmp_path: Path, dialect: str) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path) as (proxy, emulator):
        assert proxy.service == emulator.url.removeprefix("http://")
        async with opened(proxy, dialect) as connection:
            events = await turn_of(connection)
        assert proxy.cassettes == [path]
        assert proxy.failures == []
    cassette = Cassette.read(path)
    assert cassette.dialect == dialect
    assert ("sent", "response.create") in on(path)
    received = [each.fields for each in cassette.messages if each.direction == "received"]
    assert [each["type"] for each in received] == [each["type"] for each in events]
    assert received[-1] == events[-1]
    text = path.read_text("utf-8")
    assert KEY_OF_THE_CLIENT not in text
    assert emulator.api_key not in text


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
async def test_openai_python_goes_through_it(tmp_path: Path, anyio_backend: str, version: str) -> None:
    path = tmp_path / "session.jsonl"
    types: list[str] = []
    async with way(path) as (proxy, emulator):
        if version == "v1":
            client = AsyncOpenAI(base_url=f"{proxy.url}/openai/v1", api_key=KEY_OF_THE_CLIENT)
        else:
            base = f"{proxy.url.replace('http:', 'ws:')}/openai"
            client = AsyncAzureOpenAI(
                azure_endpoint=proxy.url, websocket_base_url=base, api_key=KEY_OF_THE_CLIENT, api_version=version
            )
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            await connection.response.create()
            while "response.done" not in types:
                types.append((await connection.recv()).type)
    assert [kind for direction, kind in on(path) if direction == "received"] == types
    assert KEY_OF_THE_CLIENT not in path.read_text("utf-8")
    assert emulator.api_key not in path.read_text("utf-8")


async def test_each_connection_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path) as (proxy, _):
        async with opened(proxy) as one, opened(proxy) as other:
            ids = [json.loads((await each.receive()).raw)["session"]["id"] for each in (one, other)]
        async with opened(proxy) as third:
            await third.receive()
        files = [path, tmp_path / "session-2.jsonl", tmp_path / "session-3.jsonl"]
        assert proxy.cassettes == files
    found = [Cassette.read(each).messages[0].fields["session"]["id"] for each in files]
    assert sorted(found[:2]) == sorted(ids)
    assert len(set(found)) == 3


async def test_what_was_recorded_before_stays(tmp_path: Path) -> None:
    """A recording costs money, and cannot be had again: the next one has another name."""
    for name in ("session.jsonl", "session-3.jsonl"):
        (tmp_path / name).write_text("precious")
    async with way(tmp_path / "session.jsonl") as (proxy, _):
        for _ in range(2):
            async with opened(proxy) as connection:
                await connection.receive()
        assert [file.name for file in proxy.cassettes] == ["session-2.jsonl", "session-4.jsonl"]
    assert {(tmp_path / name).read_text() for name in ("session.jsonl", "session-3.jsonl")} == {"precious"}


@pytest.mark.parametrize(("sound", "longer"), [("kept", True), ("shortened", False)])
async def test_sound_is_kept_on_wish(tmp_path: Path, sound: Any, longer: bool) -> None:
    path = tmp_path / "session.jsonl"
    with fail_after(10):
        async with (
            serve(responder=say, pace=math.inf) as emulator,
            recording_proxy(path, emulator.url, api_key=emulator.api_key, sound=sound) as proxy,
            opened(proxy) as connection,
        ):
            await turn_of(connection)
    deltas = [
        each.fields["delta"] for each in Cassette.read(path).messages if each.type == "response.output_audio.delta"
    ]
    assert deltas
    assert any(len(delta) > 640 for delta in deltas) == longer


async def test_what_is_no_event_goes_through_as_well(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path) as (proxy, _), opened(proxy) as connection:
        await connection.send({"type": "session.update", "session": {"type": "realtime", "newer": 1}}, extra=True)
        error = [json.loads((await connection.receive()).raw) for _ in range(2)][1]
    assert error["error"]["code"] == "unknown_parameter"
    assert sorted(on(path)) == [("received", "error"), ("received", "session.created"), ("sent", "session.update")]


async def test_a_session_of_transcription_is_one_there_too(tmp_path: Path) -> None:
    """Its intent is no part of an endpoint."""
    async with way(tmp_path / "session.jsonl") as (proxy, _), opened(proxy, intent="transcription") as connection:
        created = await connection.receive()
    assert isinstance(created, SessionCreated)
    assert created.session.ga.type == "transcription"


async def test_what_a_gateway_wants_in_the_url_goes_through(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path) as (proxy, _), opened(proxy, query={"fault": "close@2=1008", "key": "s3cr3t"}) as connection:
        with pytest.raises(ConnectionLost) as caught:
            await turn_of(connection)
    assert caught.value.code == 1008
    assert "s3cr3t" not in path.read_text("utf-8")


# Refusals


@pytest.mark.parametrize(
    ("name", "error"),
    [("role_missing", AuthenticationError), ("too_many", RateLimited), ("unavailable", ServerError)],
)
async def test_a_refusal_is_passed_on(tmp_path: Path, name: str, error: type[StatusError]) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path, refuse=[REFUSALS[name]]) as (proxy, emulator):
        with pytest.raises(error) as caught:
            async with opened(proxy):
                pass
        assert caught.value.status == REFUSALS[name].status
        assert caught.value.code == REFUSALS[name].code
        assert REFUSALS[name].message in caught.value.message
        assert [type(each) for each in proxy.failures] == [error]
        assert proxy.cassettes == []
        assert not path.exists()
        async with opened(proxy) as connection:
            await connection.receive()
        assert proxy.cassettes == [path]
    assert on(path) == [("received", "session.created")]
    assert emulator.api_key not in str(caught.value)


async def test_a_deployment_that_there_is_not_is_not_there(tmp_path: Path) -> None:
    async with way(tmp_path / "session.jsonl", deployments=["mini"]) as (proxy, _):
        with pytest.raises(NotFound) as caught:
            async with opened(proxy, deployment="maxi"):
                pass
        assert caught.value.code == "DeploymentNotFound"
        async with opened(proxy, deployment="mini") as connection:
            await connection.receive()


async def test_a_service_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    with fail_after(10):
        async with await_closed_port() as port:
            pass
        async with recording_proxy(
            tmp_path / "x.jsonl", f"http://127.0.0.1:{port}", api_key="any", max_retries=0
        ) as proxy:
            with pytest.raises(ServerError) as caught:
                async with opened(proxy):
                    pass
            assert [type(each) for each in proxy.failures] == [Unreachable]
    assert caught.value.status == 502
    assert "could not reach 127.0.0.1" in caught.value.message


@asynccontextmanager
async def await_closed_port() -> AsyncGenerator[int]:
    """A port at which nobody listens afterwards."""
    async with serve() as emulator:
        yield int(emulator.url.rpartition(":")[2])


async def test_a_file_that_cannot_be_written_is_a_502_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "session.jsonl"
    async with way(path) as (proxy, _):
        with pytest.raises(ServerError, match=r"session\.jsonl: No such file or directory") as caught:
            async with opened(proxy):
                pass
        assert caught.value.status == 502
        assert [type(each) for each in proxy.failures] == [ConfigurationError]
        assert proxy.cassettes == []


async def test_who_is_no_client_is_no_matter(tmp_path: Path) -> None:
    async with way(tmp_path / "session.jsonl") as (proxy, _):
        port = int(proxy.url.rpartition(":")[2])
        for words in (b"hello\r\n\r\n", b"", b"GET"):
            async with await connect_tcp("127.0.0.1", port) as stream:
                await stream.send(words)
        async with opened(proxy) as connection:
            await connection.receive()
        assert proxy.failures == []


# Endings


@pytest.mark.parametrize(
    ("fault", "code", "came"),
    [("close@3=1000", 1000, 1000), ("close@3=1008", 1008, 1008), ("drop@3", 1006, 1011), ("cut@3", 1006, 1011)],
)
async def test_how_the_service_ended_is_written_and_passed_on(tmp_path: Path, fault: str, code: int, came: int) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path, faults=[fault]) as (proxy, _), opened(proxy) as connection:
        with pytest.raises(ConnectionLost) as caught:
            await turn_of(connection)
    assert caught.value.code == came
    cassette = Cassette.read(path)
    assert cassette.close_code == code
    assert [kind for direction, kind in on(path) if direction == "received"] == ["session.created", "response.created"]


async def test_a_client_that_says_good_bye_ends_both(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    seen: list[Any] = []
    async with way(path, watch=seen.append) as (proxy, _), opened(proxy) as connection:
        await connection.receive()
        await connection.session.update({"type": "realtime", "instructions": "Last words."})
    assert ("sent", "session.update") in on(path)
    assert b"Last words." in seen[1].message


async def test_a_client_that_vanishes_ends_its_own_connection_only(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with way(path) as (proxy, _):
        async with opened(proxy) as stays:
            await stays.receive()
            port = int(proxy.url.rpartition(":")[2])
            async with await connect_tcp("127.0.0.1", port) as stream:
                await stream.send(
                    b"GET /openai/v1/realtime?model=any HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    b"Sec-WebSocket-Version: 13\r\n\r\n"
                )
                assert b" 101 " in await stream.receive()
            await turn_of(stays)
        assert len(proxy.cassettes) == 2


async def test_a_proxy_that_ends_says_good_bye(tmp_path: Path) -> None:
    stop = Event()
    path = tmp_path / "session.jsonl"

    async def record(url: str, key: str, *, task_status: TaskStatus[RecordingProxy]) -> None:
        async with recording_proxy(path, url, api_key=key) as proxy:
            task_status.started(proxy)
            await stop.wait()

    with fail_after(10):
        async with serve(responder=say) as emulator, create_task_group() as tasks:
            proxy: RecordingProxy = await tasks.start(record, emulator.url, emulator.api_key)
            async with opened(proxy) as connection:
                await connection.receive()
                stop.set()
                with pytest.raises(ConnectionLost) as caught:
                    await connection.receive()
                assert (caught.value.code, caught.value.reason) == (1001, "the proxy is shutting down")
    assert on(path) == [("received", "session.created")]


# What it is told


async def test_it_needs_an_endpoint_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no endpoint"):
        async with recording_proxy(tmp_path / "x.jsonl"):
            pass


async def test_it_takes_what_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.jsonl"
    with fail_after(10):
        async with serve(responder=say) as emulator:
            monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", emulator.url)
            monkeypatch.setenv("AZURE_OPENAI_API_KEY", emulator.api_key)
            async with recording_proxy(path) as proxy, opened(proxy) as connection:
                await connection.receive()
    assert on(path) == [("received", "session.created")]


async def test_a_port_that_is_taken_is_an_os_error(tmp_path: Path) -> None:
    async with way(tmp_path / "x.jsonl") as (proxy, emulator):
        port = int(proxy.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with recording_proxy(tmp_path / "y.jsonl", emulator.url, port=port):
                pass
