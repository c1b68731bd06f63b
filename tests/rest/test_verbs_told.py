"""What a call may be told, and what then goes out: to the emulator, or to a server that keeps what it heard."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import pytest
from anyio import fail_after
from openai import AsyncOpenAI

from realtime_azure.emulator import serve as emulate
from realtime_azure.errors import ConfigurationError
from realtime_azure.rest import RestClient
from realtime_azure.rest.call import form_fields

from .serving import Server, answer, in_turn, serve

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "Hello"}


@asynccontextmanager
async def service(**options: Any) -> AsyncGenerator[tuple[Server, RestClient]]:
    with fail_after(10):
        async with (
            serve(in_turn([answer()])) as server,
            RestClient(server.url, api_version="v1", api_key="k", max_retries=0, **options) as client,
        ):
            yield server, client


@asynccontextmanager
async def emulated() -> AsyncGenerator[RestClient]:
    with fail_after(10):
        async with (
            emulate(api_key="k", pace=math.inf) as emulator,
            RestClient(emulator.url, deployment="mine", api_version="v1", api_key="k") as client,
        ):
            yield client


# Whose deployment


@pytest.mark.parametrize("own", [None, "mine"], ids=["no deployment", "a deployment"])
@pytest.mark.parametrize(
    ("argument", "session", "asked"),
    [(None, {"model": "theirs"}, "theirs"), ("yours", {"model": "theirs"}, "yours"), ("yours", {}, "yours")],
)
async def test_a_session_is_for_the_deployment_that_the_call_names(
    own: str | None, argument: str | None, session: dict[str, Any], asked: str
) -> None:
    """The argument, else the session itself; the client's own is not needed then."""
    async with service(deployment=own) as (server, client):
        await client.realtime.client_secrets.create(session=session, model=argument)
        await client.realtime.calls.accept("rtc_1", session=session, model=argument)
        await client.realtime.sessions.create(session=session, model=argument)
    said = [json.loads(heard.body) for heard in server.heard]
    assert [each.get("session", each)["model"] for each in said] == [asked] * 3


async def test_a_session_without_a_deployment_is_not_asked_for() -> None:
    async with service() as (server, client):
        for ask in (client.realtime.client_secrets.create(), client.realtime.calls.accept("rtc_1")):
            with pytest.raises(ConfigurationError, match="no deployment"):
                await ask
        await client.realtime.client_secrets.create(session={"type": "transcription"})
    assert [json.loads(heard.body) for heard in server.heard] == [{"session": {"type": "transcription"}}]


async def test_what_the_dated_form_does_not_have_is_said_first() -> None:
    async with RestClient("http://127.0.0.1:1", api_version="2025-04-01-preview", api_key="k") as client:
        for ask in (client.realtime.client_secrets.create(), client.realtime.calls.accept("rtc_1")):
            with pytest.raises(ConfigurationError, match="only in v1"):
                await ask


# extra_body


async def test_fields_that_are_newer_are_sent_where_there_were_none() -> None:
    more = {"novelty": 1}
    async with service() as (server, client):
        await client.realtime.calls.hangup("rtc_1", extra_body=more)
        await client.files.create(file=b"x", purpose="batch", extra_body=more)
        await client.request("POST", "things", fields={"a": 1}, extra_body=more, result=bytes)
    bare, form, plain = server.heard
    assert (json.loads(bare.body), bare.headers["content-type"]) == (more, "application/json")
    assert b'name="novelty"\r\n\r\n1\r\n' in form.body
    assert plain.body == b"a=1&novelty=1"


@pytest.mark.parametrize("body", [{"json": [1]}, {"content": b"x"}])
async def test_fields_that_have_no_place_are_refused(body: dict[str, Any]) -> None:
    async with service() as (server, client):
        with pytest.raises(ConfigurationError, match="extra_body"):
            await client.request("POST", "things", **body, extra_body={"a": 1}, result=bytes)
        with pytest.raises(ConfigurationError, match="extra_body"):
            await client.realtime.calls.create(sdp="v=0", client_secret="ek_1", extra_body={"a": 1})
    assert server.clients == 0


# What is JSON, and what a form can hold


async def test_whatever_can_be_gone_through_is_a_list() -> None:
    tools = {"f": {"type": "function"}}
    async with service(deployment="mine") as (server, client):
        await client.chat.completions.create(messages=iter([USER]), tools=tools.values())
        await client.chat.completions.create(messages=(USER,), tools=(each for each in tools.values()))
    for heard in server.heard:
        assert json.loads(heard.body) == {"model": "mine", "messages": [USER], "tools": [{"type": "function"}]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
async def test_what_is_no_number_in_json_is_not_sent(number: float) -> None:
    async with service(deployment="mine") as (server, client):
        with pytest.raises(ConfigurationError, match="no JSON"):
            await client.chat.completions.create(messages=[USER], temperature=number)
    assert server.clients == 0


class Purpose(Enum):
    BATCH = "batch"


def test_what_a_form_holds_is_text() -> None:
    fields = {"a": [True, None, 0.5, "x"], "b": Purpose.BATCH, "c": [Purpose.BATCH]}
    assert dict(form_fields(fields)) == {"a[]": ["true", "0.5", "x"], "b": "batch", "c[]": ["batch"]}


@pytest.mark.parametrize("value", [b"x", [b"x"], [{"a": 1}], [[1]]])
def test_what_has_no_place_in_a_form_is_not_sent(value: Any) -> None:
    """Its Python repr would be."""
    with pytest.raises(ConfigurationError, match="a: a form has no place"):
        dict(form_fields({"a": value}))


# What comes back


@pytest.mark.parametrize("kind", [str, bytes])
async def test_events_may_be_had_as_they_come(kind: type[Any]) -> None:
    async with emulated() as client:
        body = {"model": "mine", "messages": [USER]}
        stream = await client.request("POST", "chat/completions", json=body, stream=True, result=kind)
        events = [event async for event in stream]
    assert {type(event) for event in events} == {kind}
    assert all(json.loads(event)["model"] in ("", "mine") for event in events)


async def test_what_came_with_a_call_is_at_hand() -> None:
    async with emulated() as client:
        secret = await client.realtime.client_secrets.create()
        call = await client.realtime.calls.create(sdp="v=0\r\n", client_secret=secret)
    assert call.request_id == call.headers["apim-request-id"]
    assert call.raw.decode() == call.sdp
    assert call.request_id != secret.request_id


# As openai-python asks, in v1; the dated form is compared in test_same_as_openai


Ask = Callable[[Any], Awaitable[Any]]
SESSION: Any = {"type": "realtime", "model": "m", "instructions": "Be brief."}
V1: dict[str, tuple[Ask, Ask]] = {
    "a chat": (
        lambda client: client.chat.completions.create(model="m", messages=[USER], temperature=0.5),
        lambda client: client.chat.completions.create(model="m", messages=[USER], temperature=0.5),
    ),
    "numbers": (
        lambda client: client.embeddings.create(model="m", input="x"),
        lambda client: client.embeddings.create(model="m", input="x"),
    ),
    "a response": (
        lambda client: client.responses.create(model="m", input="x"),
        lambda client: client.responses.create(model="m", input="x"),
    ),
    "a secret": (
        lambda client: client.realtime.client_secrets.create(session=SESSION),
        lambda client: client.realtime.client_secrets.create(session=SESSION),
    ),
    "a secret with an end": (
        lambda client: client.realtime.client_secrets.create(
            session=SESSION, expires_after={"anchor": "created_at", "seconds": 60}
        ),
        lambda client: client.realtime.client_secrets.create(
            session=SESSION, expires_after={"anchor": "created_at", "seconds": 60}
        ),
    ),
    "a call that is taken": (
        lambda client: client.realtime.calls.accept("rtc/1", **SESSION),
        lambda client: client.realtime.calls.accept("rtc/1", session=SESSION),
    ),
    "a call that is not": (
        lambda client: client.realtime.calls.reject("rtc_1", status_code=486),
        lambda client: client.realtime.calls.reject("rtc_1", status_code=486),
    ),
    "a call that is put through": (
        lambda client: client.realtime.calls.refer("rtc_1", target_uri="tel:1"),
        lambda client: client.realtime.calls.refer("rtc_1", target_uri="tel:1"),
    ),
    "a call that ends": (
        lambda client: client.realtime.calls.hangup("rtc_1"),
        lambda client: client.realtime.calls.hangup("rtc_1"),
    ),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # openai-python's
@pytest.mark.parametrize("name", V1)
async def test_the_same_is_asked_in_v1(name: str) -> None:
    theirs, ours = V1[name]
    empty = answer(body={"data": [{"embedding": "AACAPw==", "index": 0, "object": "embedding"}]})
    with fail_after(10):
        async with serve(in_turn([empty])) as server:
            async with AsyncOpenAI(base_url=f"{server.url}/openai/v1", api_key="k", max_retries=0) as client:
                await theirs(client)
            async with RestClient(server.url, api_version="v1", api_key="k", max_retries=0) as client_of_ours:
                await ours(client_of_ours)
    one, other = server.heard
    assert (other.method, other.target) == (one.method, one.target)
    assert (json.loads(other.body) if other.body else None) == (json.loads(one.body) if one.body else None)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("session", [None, SESSION], ids=["as the token says", "with a session"])
async def test_a_call_is_offered_as_openai_offers_it(session: Any) -> None:
    """The parts of its form are no files, and have no names."""
    more = {} if session is None else {"session": session}
    with fail_after(10):
        async with serve(in_turn([answer(201, b"v=0", location="/v1/realtime/calls/rtc_1")])) as server:
            async with AsyncOpenAI(base_url=f"{server.url}/openai/v1", api_key="k", max_retries=0) as client:
                await client.realtime.calls.create(sdp="v=0", **more)
            async with RestClient(server.url, api_version="v1", api_key="k", max_retries=0) as client_of_ours:
                await client_of_ours.realtime.calls.create(sdp="v=0", client_secret="ek_1", **more)
    said: list[Any] = []
    for heard in server.heard:
        kind, _, boundary = heard.headers["content-type"].partition("; boundary=")
        body = heard.body.replace(boundary.encode(), b"-") if boundary else heard.body
        said.append((heard.method, heard.target, kind, heard.headers["accept"], body))
    assert said[0] == said[1]
    assert server.heard[1].headers["authorization"] == "Bearer ek_1"
