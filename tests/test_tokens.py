"""Who is asked for a token when someone connects, how often, and what of it gets to the service; over real sockets."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import stat
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from anyio import CancelScope, create_task_group, fail_after, move_on_after, to_thread, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from azure.core.credentials import AccessToken, AccessTokenInfo, AzureKeyCredential
from azure.core.pipeline.transport import TrioRequestsTransport
from azure.identity import AzureCliCredential, ManagedIdentityCredential, get_bearer_token_provider
from azure.identity import aio as azure_aio
from websockets.http11 import Request

from realtime_azure import AuthenticationError, ConfigurationError, CredentialError, connect, emulator
from realtime_azure.auth import BearerToken
from realtime_azure.emulator import REFUSALS

from .serving import SESSION_CREATED, Peer, Server, serve

pytestmark = pytest.mark.anyio

TOKEN = "eyJ0.token.of-the-emulator"
COGNITIVE = "https://cognitiveservices.azure.com/.default"
AI = "https://ai.azure.com/.default"


# Credentials that note who asked them


Answer: TypeAlias = AccessTokenInfo | Exception


def token(text: str = TOKEN, *, lasts: float = 3600, renew_in: float | None = None) -> AccessTokenInfo:
    now = time.time()
    return AccessTokenInfo(text, int(now + lasts), refresh_on=None if renew_in is None else int(now + renew_in))


@dataclass
class Asked:
    scopes: tuple[str, ...] = ()
    claims: str | None = None
    thread: int = field(default_factory=threading.get_ident)


class Recorder:
    """Gives *answers*, one after the other, and the last one from then on; an error among them is raised.

    It gives nothing while its *gate* is shut.
    """

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[Asked] = []
        self.gate = threading.Event()
        self.gate.set()
        self._answers = answers

    def noted(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]

    def give(self, asked: Asked) -> AccessTokenInfo:
        answer = self.noted(asked)
        assert self.gate.wait(8), "nobody opened the gate"
        return given(answer)

    async def give_later(self, asked: Asked) -> AccessTokenInfo:
        answer = self.noted(asked)
        await checkpoint()
        if not self.gate.is_set():
            assert await to_thread.run_sync(self.gate.wait, 8, abandon_on_cancel=True), "nobody opened the gate"
        return given(answer)

    async def until_asked(self, times: int) -> None:
        while len(self.asked) < times:
            await checkpoint()


def given(answer: Answer) -> AccessTokenInfo:
    if isinstance(answer, Exception):
        raise answer
    return answer


def older(answer: AccessTokenInfo) -> AccessToken:
    return AccessToken(answer.token, answer.expires_on)


Options: TypeAlias = Mapping[str, Any] | None


class Sync(Recorder):
    def get_token(self, *scopes: str, claims: str | None = None, **_: Any) -> AccessToken:
        return older(self.give(Asked(scopes, claims)))


class Async(Recorder):
    async def get_token(self, *scopes: str, claims: str | None = None, **_: Any) -> AccessToken:
        return older(await self.give_later(Asked(scopes, claims)))


class SyncBoth(Recorder):
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError("get_token_info is the better one")

    def get_token_info(self, *scopes: str, options: Options = None) -> AccessTokenInfo:
        return self.give(Asked(scopes, (options or {}).get("claims")))


class AsyncBoth(Recorder):
    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError("get_token_info is the better one")

    async def get_token_info(self, *scopes: str, options: Options = None) -> AccessTokenInfo:
        return await self.give_later(Asked(scopes, (options or {}).get("claims")))


class SyncCallable(Recorder):
    def __call__(self) -> str:
        return self.give(Asked()).token


class AsyncCallable(Recorder):
    async def __call__(self) -> str:
        return (await self.give_later(Asked())).token


Pair: TypeAlias = tuple[Recorder, Any]
"""What notes who asked, and what is passed as the credential."""


def itself(kind: type[Recorder], *answers: Answer) -> Pair:
    recorder = kind(*answers)
    return recorder, recorder


def sync_function(*answers: Answer) -> Pair:
    recorder = SyncCallable(*answers)

    def provider() -> str:
        return recorder()

    return recorder, provider


def async_function(*answers: Answer) -> Pair:
    recorder = AsyncCallable(*answers)

    async def provider() -> str:
        return await recorder()

    return recorder, provider


def azures_provider(*answers: Answer) -> Pair:
    recorder = Sync(*answers)
    return recorder, get_bearer_token_provider(recorder, COGNITIVE)


def azures_async_provider(*answers: Answer) -> Pair:
    recorder = Async(*answers)
    credential: Any = recorder  # a whole AsyncTokenCredential can be closed, too
    return recorder, azure_aio.get_bearer_token_provider(credential, COGNITIVE)


Kind: TypeAlias = Callable[..., Pair]
WITH_DATES: dict[str, Kind] = {
    "get_token": partial(itself, Sync),
    "async get_token": partial(itself, Async),
    "get_token_info": partial(itself, SyncBoth),
    "async get_token_info": partial(itself, AsyncBoth),
}
CALLABLES: dict[str, Kind] = {
    "object": partial(itself, SyncCallable),
    "async object": partial(itself, AsyncCallable),
    "function": sync_function,
    "async function": async_function,
}
PROVIDERS: dict[str, Kind] = {
    "azure-identity's provider": azures_provider,
    "azure-identity's async provider": azures_async_provider,
}


def each(*kinds: Mapping[str, Kind]) -> pytest.MarkDecorator:
    params = [pytest.param(kind, id=name) for known in kinds for name, kind in known.items()]
    return pytest.mark.parametrize("kind", params)


# Places to connect to


@dataclass
class Desk:
    """Lets everyone in, and notes what they said."""

    requests: list[Request] = field(default_factory=list[Request])

    async def __call__(self, peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        self.requests.append(peer.request)
        await peer.farewell()
        await peer.gone()

    @property
    def said(self) -> list[str | None]:
        return [request.headers.get("Authorization") for request in self.requests]


@asynccontextmanager
async def desk() -> AsyncGenerator[tuple[Desk, Server]]:
    made = Desk()
    with fail_after(10):
        async with serve(made) as server:
            yield made, server
            if server.clients:
                await server.idle.wait()


@asynccontextmanager
async def emulated(**options: Any) -> AsyncGenerator[emulator.Emulator]:
    """An emulator that takes one token (or key)."""
    with fail_after(10):
        async with emulator.serve(api_key=TOKEN, **options) as running:
            yield running


def to(url: str, **options: Any) -> Any:
    chosen: dict[str, Any] = {"deployment": "d", "api_version": "v1", "max_retries": 0}
    return connect(url, **{**chosen, **options})


async def visit(url: str, **options: Any) -> None:
    """Connects, hears the service, and leaves."""
    async with to(url, **options) as connection:
        await connection.receive()


async def failed(url: str, kind: type[Exception] = CredentialError, **options: Any) -> Any:
    """The error of a connection that does not come about."""
    with pytest.raises(kind) as caught:
        await visit(url, **options)
    assert type(caught.value) is kind
    return caught.value


# Every kind of credential


async def test_a_key_is_all_that_is_said() -> None:
    async with desk() as (made, server):
        await visit(server.url, api_key="a-key")
        (request,) = made.requests
        assert request.headers.get_all("api-key") == ["a-key"]
        assert request.headers.get_all("Authorization") == []


@pytest.mark.parametrize("given_as", [TOKEN, f"Bearer {TOKEN}"], ids=["a token", "with its scheme"])
async def test_a_string_is_a_bearer_token(given_as: str) -> None:
    async with desk() as (made, server):
        await visit(server.url, credential=given_as)
        (request,) = made.requests
        assert request.headers.get_all("Authorization") == [f"Bearer {TOKEN}"]
        assert request.headers.get_all("api-key") == []


@each(WITH_DATES, CALLABLES, PROVIDERS)
async def test_whatever_gives_a_token_signs_in(kind: Kind) -> None:
    recorder, credential = kind(token())
    async with emulated() as running:
        await visit(running.url, credential=credential)
    assert len(recorder.asked) == 1


@each(WITH_DATES, CALLABLES, PROVIDERS)
async def test_whatever_gives_a_token_sends_nothing_else(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the environment is somebody else's."""
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-environment")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-environment")
    _, credential = kind(token())
    async with desk() as (made, server):
        await visit(server.url, credential=credential)
        (request,) = made.requests
        assert request.headers.get_all("Authorization") == [f"Bearer {TOKEN}"]
        assert not any("environment" in value for _, value in request.headers.raw_items())
        assert request.headers.get_all("api-key") == []


async def test_an_object_of_the_callers_own_kind_says_what_it_likes() -> None:
    class Own:
        async def headers(self) -> Mapping[str, str]:
            await checkpoint()
            return {"Authorization": "Own 1", "x-tenant": "contoso"}

    async with desk() as (made, server):
        await visit(server.url, credential=Own())
        (request,) = made.requests
        assert (request.headers["Authorization"], request.headers["x-tenant"]) == ("Own 1", "contoso")


ENVIRONMENT = {"AZURE_OPENAI_AD_TOKEN": "token-of-environment", "AZURE_OPENAI_API_KEY": "key-of-environment"}


@pytest.mark.parametrize(
    ("names", "options", "authorization", "key"),
    [
        (["AZURE_OPENAI_AD_TOKEN"], {}, "Bearer token-of-environment", None),
        (["AZURE_OPENAI_API_KEY"], {}, None, "key-of-environment"),
        ([*ENVIRONMENT], {}, "Bearer token-of-environment", None),
        ([*ENVIRONMENT], {"api_key": "mine"}, None, "mine"),
        (["AZURE_OPENAI_AD_TOKEN"], {"api_key": "mine"}, None, "mine"),
        (["AZURE_OPENAI_API_KEY"], {"credential": "mine"}, "Bearer mine", None),
        ([*ENVIRONMENT], {"credential": "mine"}, "Bearer mine", None),
    ],
)
async def test_the_environment_is_heard_when_nothing_is_passed(
    names: list[str],
    options: dict[str, str],
    authorization: str | None,
    key: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in names:
        monkeypatch.setenv(name, ENVIRONMENT[name])
    async with desk() as (made, server):
        await visit(server.url, **options)
        (request,) = made.requests
        assert request.headers.get("Authorization") == authorization
        assert request.headers.get("api-key") == key


@pytest.mark.parametrize("wrong", [Sync, Async, ManagedIdentityCredential, azure_aio.ManagedIdentityCredential])
async def test_a_class_is_no_credential(wrong: type) -> None:
    async with desk() as (_, server):
        error = await failed(server.url, ConfigurationError, credential=wrong)
        assert f"the class {wrong.__name__}, not one of its objects: call it" in str(error)
        assert server.clients == 0


async def test_another_kind_of_credential_is_refused_and_not_shown() -> None:
    async with desk() as (_, server):
        error = await failed(server.url, ConfigurationError, credential=AzureKeyCredential("hunter2"))
        assert "AzureKeyCredential" in str(error)
        assert "hunter2" not in f"{error!s}{error!r}"
        assert server.clients == 0


UNFIT = {
    "newline": "hunter2\n",
    "another header": "hunter2\r\nx-more: 1",
    "outside ASCII": "hunter2\u00e9",
    "zero-width space": "hunter2\u200b",
    "space before": " hunter2",
    "space after": "hunter2 ",
    "no-break space after": "hunter2\u00a0",
    "tab within": "hunter\t2",
    "empty": "",
}


@pytest.mark.parametrize("secret", ["hunter2\n", "hunter2\u00e9", ""], ids=["newline", "outside ASCII", "empty"])
@each(WITH_DATES, CALLABLES)
async def test_a_token_that_fits_in_no_header_is_not_sent(kind: Kind, secret: str) -> None:
    _, credential = kind(token(secret))
    async with desk() as (_, server):
        error = await failed(server.url, ConfigurationError, credential=credential)
        assert server.clients == 0
    assert str(error).startswith("credential: ")
    assert "hunter2" not in f"{error!s}{error!r}"


@pytest.mark.parametrize("secret", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("name", ["api_key", "credential"])
async def test_a_secret_that_fits_in_no_header_is_not_sent(name: str, secret: str) -> None:
    async with desk() as (_, server):
        error = await failed(server.url, ConfigurationError, **{name: secret})
        assert server.clients == 0
    assert str(error).startswith(f"{name}: ")
    assert "hunter2" not in f"{error!s}{error!r}"


@pytest.mark.parametrize("name", ENVIRONMENT)
async def test_a_secret_of_the_environment_that_fits_in_no_header_is_not_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "hunter2\n")
    async with desk() as (_, server):
        error = await failed(server.url, ConfigurationError)
        assert server.clients == 0
    assert str(error).startswith(f"{name}: ")
    assert "hunter2" not in f"{error!s}{error!r}"


# What a token is asked for


@pytest.mark.parametrize(
    ("endpoint", "options", "scope"),
    [
        ("https://name.openai.azure.com", {}, COGNITIVE),
        ("https://name.services.ai.azure.com/openai/v1", {}, COGNITIVE),
        ("wss://NAME.CognitiveServices.Azure.com/", {}, COGNITIVE),
        ("https://gateway.contoso.com/team/openai", {}, COGNITIVE),
        ("https://name.openai.azure.us", {}, "https://cognitiveservices.azure.us/.default"),
        ("https://NAME.openai.AZURE.US:443/openai/v1", {}, "https://cognitiveservices.azure.us/.default"),
        ("https://name.openai.azure.cn", {}, "https://cognitiveservices.azure.cn/.default"),
        ("https://name.openai.azure.com", {"scope": AI}, AI),
        ("https://name.openai.azure.us", {"scope": AI}, AI),
        ("https://gateway.contoso.com", {"scope": "api://gateway/.default"}, "api://gateway/.default"),
    ],
)
@each({name: WITH_DATES[name] for name in ("get_token", "async get_token_info")})
async def test_the_scope_is_that_of_the_endpoints_cloud_or_the_callers(
    kind: Kind, endpoint: str, options: dict[str, Any], scope: str
) -> None:
    """It gives no token, so nobody calls there."""
    recorder, credential = kind(LookupError("not here"))
    await failed(endpoint, credential=credential, **options)
    assert [asked.scopes for asked in recorder.asked] == [(scope,)]


# How often it is asked


@each(WITH_DATES, CALLABLES, PROVIDERS)
async def test_fifty_who_connect_at_once_cost_one_token(kind: Kind) -> None:
    recorder, credential = kind(token())
    recorder.gate.clear()
    visits = 0

    async def one(url: str) -> None:
        nonlocal visits
        await visit(url, credential=credential)
        visits += 1

    async with emulated() as running, create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(one, running.url)
        await recorder.until_asked(1)
        await wait_all_tasks_blocked()
        recorder.gate.set()
    assert visits == 50
    assert len(recorder.asked) == 1


@each(WITH_DATES)
async def test_who_comes_while_one_is_connected_takes_the_same_token(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token("second"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential):
            for _ in range(3):
                await visit(server.url, credential=credential)
        assert made.said == ["Bearer first"] * 4
    assert len(recorder.asked) == 1


@each(CALLABLES)
async def test_a_function_is_asked_by_everyone_who_comes(kind: Kind) -> None:
    """Nobody knows how long its token is good for."""
    _, credential = kind(token("first"), token("second"), token("third"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential):
            await visit(server.url, credential=credential)
            await visit(server.url, credential=credential)
        assert made.said == ["Bearer first", "Bearer second", "Bearer third"]


@each(WITH_DATES, CALLABLES)
async def test_who_comes_when_all_have_left_asks_again(kind: Kind) -> None:
    """The credential may have kept the token; it knows better whether it is still good."""
    _, credential = kind(token("first"), token("second"))
    async with desk() as (made, server):
        for _ in range(2):
            await visit(server.url, credential=credential)
            gc.collect()
        assert made.said == ["Bearer first", "Bearer second"]


@each(PROVIDERS)
async def test_what_azure_identity_keeps_is_its_own_affair(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token("second"))
    async with desk() as (made, server):
        for _ in range(2):
            await visit(server.url, credential=credential)
        assert made.said == ["Bearer first"] * 2
    assert len(recorder.asked) == 1


@each(WITH_DATES)
async def test_nothing_keeps_a_credential_whom_nobody_uses(kind: Kind) -> None:
    """A program may make one for each of its users."""
    recorder, credential = kind(token("first"), token("second"))
    used = weakref.ref(recorder)
    async with desk() as (_, server):
        async with to(server.url, credential=credential):
            await visit(server.url, credential=credential)
        del recorder, credential
        gc.collect()
        assert used() is None


# How long a token is good for


@pytest.mark.parametrize("lasts", [-10, 0, 100, 290])
@each(WITH_DATES)
async def test_a_token_with_less_than_five_minutes_left_is_renewed(kind: Kind, lasts: float) -> None:
    recorder, credential = kind(token("first", lasts=lasts), token("second"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential):
            await visit(server.url, credential=credential)
            await visit(server.url, credential=credential)
        assert made.said == ["Bearer first", "Bearer second", "Bearer second"]
    assert len(recorder.asked) == 2


@each({name: WITH_DATES[name] for name in ("get_token_info", "async get_token_info")})
async def test_a_token_whose_renewal_is_due_is_renewed(kind: Kind) -> None:
    recorder, credential = kind(token("first", renew_in=-1), token("second", renew_in=1800))
    async with desk() as (made, server):
        async with to(server.url, credential=credential):
            await visit(server.url, credential=credential)
            await visit(server.url, credential=credential)
        assert made.said == ["Bearer first", "Bearer second", "Bearer second"]
    assert len(recorder.asked) == 2


@each(WITH_DATES)
async def test_fifty_who_find_a_token_that_is_to_be_renewed_renew_it_once(kind: Kind) -> None:
    recorder, credential = kind(token("first", lasts=100), token("second"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential) as connection:
            await connection.receive()
            recorder.gate.clear()
            async with create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(partial(visit, server.url, credential=credential))
                await recorder.until_asked(2)
                await wait_all_tasks_blocked()
                recorder.gate.set()
        assert made.said == ["Bearer first"] + ["Bearer second"] * 50
    assert len(recorder.asked) == 2


@each(WITH_DATES)
async def test_a_renewal_that_fails_does_no_harm_while_the_token_lasts(kind: Kind) -> None:
    _, credential = kind(token("first", lasts=100), OSError("no network"), token("second"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential):
            await visit(server.url, credential=credential)
            await visit(server.url, credential=credential)
        assert made.said == ["Bearer first", "Bearer first", "Bearer second"]


@each(WITH_DATES)
async def test_a_renewal_that_fails_is_an_error_when_the_token_has_ended(kind: Kind) -> None:
    cause = OSError("no network")
    _, credential = kind(token("first", lasts=-1), cause, token("second"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential):
            error = await failed(server.url, credential=credential)
            await visit(server.url, credential=credential)
        assert made.said == ["Bearer first", "Bearer second"]
    assert error.__cause__ is cause
    assert error.said == "the credential gave no token: OSError: no network"


@each(WITH_DATES)
async def test_a_renewal_that_fails_fails_once_for_all_who_wait_for_it(kind: Kind) -> None:
    recorder, credential = kind(token("first", lasts=100), OSError("no network"))
    async with desk() as (made, server):
        async with to(server.url, credential=credential) as connection:
            await connection.receive()
            recorder.gate.clear()
            async with create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(partial(visit, server.url, credential=credential))
                await recorder.until_asked(2)
                await wait_all_tasks_blocked()
                recorder.gate.set()
        assert made.said == ["Bearer first"] * 11
    assert len(recorder.asked) == 2


@each(WITH_DATES, CALLABLES)
async def test_a_token_that_does_not_come_fails_once_for_all_who_wait_for_it(kind: Kind) -> None:
    """A sign-in that takes ten seconds to fail would take a hundred for the last of ten."""
    cause = OSError("no network")
    recorder, credential = kind(cause)
    recorder.gate.clear()
    errors: list[Exception] = []

    async def one(url: str) -> None:
        errors.append(await failed(url, credential=credential))

    async with desk() as (_, server), create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(one, server.url)
        await recorder.until_asked(1)
        await wait_all_tasks_blocked()
        recorder.gate.set()
    assert [error.__cause__ for error in errors] == [cause] * 10
    assert len(recorder.asked) == 1


# Who waits for whom


@each({name: kind for kinds in (WITH_DATES, CALLABLES) for name, kind in kinds.items() if "async" not in name})
async def test_a_credential_that_blocks_stops_nobody_else(kind: Kind) -> None:
    """It gets on only when another task of the same loop, which talks to the service meanwhile, says so."""
    recorder, credential = kind(token())
    recorder.gate.clear()

    async def other(url: str) -> None:
        await recorder.until_asked(1)
        await visit(url, api_key=TOKEN)
        recorder.gate.set()

    async with emulated() as running, create_task_group() as tasks:
        tasks.start_soon(other, running.url)
        await visit(running.url, credential=credential)
    assert recorder.asked[0].thread != threading.get_ident()


@each(WITH_DATES, CALLABLES)
async def test_who_is_cancelled_while_asking_leaves_it_to_the_next(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token("second"))
    recorder.gate.clear()
    asking = CancelScope()

    async def one(url: str) -> None:
        with asking:
            await visit(url, credential=credential)

    async with desk() as (made, server):
        async with create_task_group() as tasks:
            tasks.start_soon(one, server.url)
            await recorder.until_asked(1)
            for _ in range(3):
                tasks.start_soon(partial(visit, server.url, credential=credential))
            await wait_all_tasks_blocked()
            asking.cancel()
            await recorder.until_asked(2)
            await wait_all_tasks_blocked()
            recorder.gate.set()
        assert made.said == ["Bearer second"] * 3
    assert asking.cancelled_caught
    assert len(recorder.asked) == 2


@each(WITH_DATES, CALLABLES)
async def test_who_is_cancelled_while_waiting_takes_nothing_from_the_others(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token("second"))
    recorder.gate.clear()
    waiting = CancelScope()

    async def one(url: str) -> None:
        with waiting:
            await visit(url, credential=credential)

    async with desk() as (made, server):
        async with create_task_group() as tasks:
            tasks.start_soon(partial(visit, server.url, credential=credential))
            await recorder.until_asked(1)
            tasks.start_soon(one, server.url)
            await wait_all_tasks_blocked()
            tasks.start_soon(partial(visit, server.url, credential=credential))
            await wait_all_tasks_blocked()
            waiting.cancel()
            recorder.gate.set()
        assert made.said == ["Bearer first"] * 2
    assert waiting.cancelled_caught
    assert len(recorder.asked) == 1


@pytest.mark.parametrize("loops", [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "trio")], ids="-".join)
@each(WITH_DATES, CALLABLES)
def test_two_event_loops_may_share_a_credential(kind: Kind, loops: tuple[str, str]) -> None:
    """Each in a thread of its own, asking at the same time."""
    recorder, credential = kind(token())
    recorder.gate.clear()
    meeting = threading.Barrier(2, timeout=8)
    met: list[int] = []

    async def when_both_have_asked() -> None:
        await recorder.until_asked(2)
        met.append(await to_thread.run_sync(meeting.wait))
        recorder.gate.set()

    async def main() -> None:
        async with emulated() as running, create_task_group() as tasks:
            tasks.start_soon(when_both_have_asked)
            for _ in range(5):
                tasks.start_soon(partial(visit, running.url, credential=credential))

    with ThreadPoolExecutor(2) as threads:
        for run in [threads.submit(partial(anyio.run, main, backend=loop)) for loop in loops]:
            run.result()
    assert sorted(met) == [0, 1]
    assert len(recorder.asked) == 2  # one for each loop


@each(WITH_DATES, CALLABLES, PROVIDERS)
def test_a_credential_may_outlive_its_event_loop(kind: Kind) -> None:
    _, credential = kind(token())

    async def main() -> None:
        async with emulated() as running:
            await visit(running.url, credential=credential)

    for _ in range(2):
        anyio.run(main)


# After a refusal


BAD_TOKEN = REFUSALS["bad_token"]


@each(WITH_DATES, CALLABLES)
async def test_a_token_that_is_refused_is_renewed(kind: Kind) -> None:
    """However long it was to be good for."""
    recorder, credential = kind(token("first"), token())
    async with emulated(refuse=[BAD_TOKEN]) as running, to(running.url, credential=credential) as connection:
        await connection.receive()
        assert len(recorder.asked) == 2


@each(WITH_DATES)
async def test_who_comes_after_a_renewal_takes_the_renewed_token(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token(), token("third"))
    async with emulated() as running, to(running.url, credential=credential):
        await visit(running.url, credential=credential)
    assert len(recorder.asked) == 2


@each(WITH_DATES)
async def test_fifty_whose_token_is_refused_renew_it_once(kind: Kind) -> None:
    recorder, credential = kind(token("revoked"), token())
    async with emulated() as running, create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(partial(visit, running.url, credential=credential))
    assert len(recorder.asked) == 2


@each(WITH_DATES, CALLABLES)
async def test_a_renewed_token_that_is_refused_too_is_final(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token("second"), token())
    async with emulated() as running:
        error = await failed(running.url, AuthenticationError, credential=credential, max_retries=5)
    assert (error.status, error.message, error.attempts) == (401, BAD_TOKEN.message, 1)
    assert len(recorder.asked) == 2


@each(WITH_DATES, CALLABLES, PROVIDERS)
async def test_the_same_token_is_not_shown_twice(kind: Kind) -> None:
    """It would be let in the second time."""
    _, credential = kind(token())
    async with emulated(refuse=[BAD_TOKEN]) as running:
        error = await failed(running.url, AuthenticationError, credential=credential, max_retries=5)
        assert error.attempts == 1
        await visit(running.url, credential=credential)


@pytest.mark.parametrize("options", [{"api_key": TOKEN}, {"credential": TOKEN}], ids=["a key", "a token"])
async def test_what_cannot_be_renewed_is_not_shown_twice(options: dict[str, str]) -> None:
    async with emulated(refuse=[BAD_TOKEN]) as running:
        error = await failed(running.url, AuthenticationError, max_retries=5, **options)
        assert error.attempts == 1
        await visit(running.url, **options)


@each(WITH_DATES, CALLABLES)
async def test_a_refusal_stands_when_there_is_no_other_token(kind: Kind) -> None:
    """The refusal is what is wrong; why there is no other token is its cause."""
    cause = OSError("no network")
    _, credential = kind(token(), cause)
    async with emulated(refuse=[BAD_TOKEN]) as running:
        error = await failed(running.url, AuthenticationError, credential=credential)
    assert error.status == 401
    assert isinstance(error.__cause__, CredentialError)
    assert error.__cause__.__cause__ is cause


async def test_an_object_of_the_callers_own_kind_is_asked_again() -> None:
    class Own:
        tokens: Iterator[str] = iter(["first", TOKEN, "third"])

        async def headers(self) -> Mapping[str, str]:
            await checkpoint()
            return {"Authorization": f"Bearer {next(self.tokens)}"}

    async with emulated() as running:
        await visit(running.url, credential=Own())


CLAIMS = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1604106651"}}})
CHALLENGE = f'Bearer error="insufficient_claims", claims="{base64.b64encode(CLAIMS.encode()).decode()}"'


@each(WITH_DATES)
async def test_the_claims_of_a_challenge_are_asked_for(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token(lasts=100), token())
    challenge = replace(BAD_TOKEN, headers={"WWW-Authenticate": CHALLENGE})
    async with emulated(refuse=[challenge]) as running, to(running.url, credential=credential):
        await visit(running.url, credential=credential)
    assert [asked.claims for asked in recorder.asked] == [None, CLAIMS, None]


@each(WITH_DATES)
async def test_a_refusal_without_a_challenge_asks_for_no_claims(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token())
    async with emulated(refuse=[replace(BAD_TOKEN, headers={"WWW-Authenticate": "Bearer"})]) as running:
        await visit(running.url, credential=credential)
    assert [asked.claims for asked in recorder.asked] == [None, None]


@each(CALLABLES)
async def test_a_function_is_asked_again_whatever_the_challenge(kind: Kind) -> None:
    recorder, credential = kind(token("first"), token())
    async with emulated(refuse=[replace(BAD_TOKEN, headers={"WWW-Authenticate": CHALLENGE})]) as running:
        await visit(running.url, credential=credential)
    assert len(recorder.asked) == 2


async def test_the_claims_may_be_in_the_first_of_two_challenges() -> None:
    """A server that takes several ways to sign in sends a header for each."""
    recorder = AsyncBoth(token("first"), token())

    async def script(peer: Peer) -> None:
        if len(recorder.asked) == 1:
            headers = f'WWW-Authenticate: {CHALLENGE}\r\nWWW-Authenticate: Basic realm="x"\r\n'
            await peer.answer(f"HTTP/1.1 401 No\r\n{headers}Content-Length: 0\r\n\r\n".encode())
            await peer.gone()
        else:
            await peer.accept(SESSION_CREATED)
            await peer.farewell()

    with fail_after(10):
        async with serve(script) as server:
            await visit(server.url, credential=recorder)
    assert [asked.claims for asked in recorder.asked] == [None, CLAIMS]


# azure-identity's own credentials, on both event loops


@dataclass
class Identities:
    """What answers on a machine in Azure when a program asks who it is."""

    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, peer: Peer) -> None:
        request = await peer.stream.receive()
        while b"\r\n\r\n" not in request:
            request += await peer.stream.receive()
        self.asked.append(request.partition(b"\r\n")[0].decode())
        said = {
            "access_token": TOKEN,
            "expires_in": "3600",
            "expires_on": str(int(time.time()) + 3600),
            "resource": "https://cognitiveservices.azure.com",
            "token_type": "Bearer",
        }
        body = json.dumps(said)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}"
        await peer.stream.send(f"{head}\r\n\r\n{body}".encode())


@asynccontextmanager
async def identities(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Identities]:
    for elsewhere in ("IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(elsewhere, raising=False)
    made = Identities()
    async with serve(made) as server:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url)
        yield made


ON_TRIO = pytest.mark.parametrize("anyio_backend", ["trio"])
ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def check_ways_out(error: CredentialError) -> None:
    for words in ("n trio", "in azure.identity", "TrioRequestsTransport()"):
        assert words in str(error)
    assert error.__cause__ is not None


async def test_a_managed_identity_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """On both event loops: it runs in a thread."""
    async with emulated() as running, identities(monkeypatch) as asked:
        with ManagedIdentityCredential() as credential:
            await visit(running.url, credential=credential)
    (line,) = asked.asked
    assert line.startswith("GET /metadata/identity/oauth2/token?")
    assert "cognitiveservices.azure.com" in line


@ON_ASYNCIO
async def test_an_async_managed_identity_signs_in_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    async with emulated() as running, identities(monkeypatch) as asked:
        credential = azure_aio.ManagedIdentityCredential()
        async with credential:
            await visit(running.url, credential=credential)
    assert len(asked.asked) == 1


@ON_TRIO
async def test_an_async_managed_identity_signs_in_on_trio_with_trios_transport(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with emulated() as running, identities(monkeypatch) as asked:
        credential = azure_aio.ManagedIdentityCredential(transport=TrioRequestsTransport())
        async with credential:
            await visit(running.url, credential=credential)
    assert len(asked.asked) == 1


@ON_TRIO
@pytest.mark.parametrize("wrapped", [False, True], ids=["itself", "its provider"])
async def test_an_async_managed_identity_says_what_to_do_on_trio(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as (_, server), identities(monkeypatch) as asked:
        credential = azure_aio.ManagedIdentityCredential(retry_total=0)
        provider = azure_aio.get_bearer_token_provider(credential, COGNITIVE)
        error = await failed(server.url, credential=provider if wrapped else credential)
        assert server.clients == 0
    assert asked.asked == []
    check_ways_out(error)


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command-line interface of Azure where someone has signed in."""
    if sys.platform == "win32":
        pytest.skip("there, it is not a script of a shell")
    said = {"accessToken": TOKEN, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}
    command = tmp_path / "az"
    command.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.usefixtures("az")
async def test_the_sign_in_of_azures_command_line_signs_in() -> None:
    async with emulated() as running:
        await visit(running.url, credential=AzureCliCredential())


@ON_ASYNCIO
@pytest.mark.usefixtures("az")
async def test_the_async_sign_in_of_azures_command_line_signs_in_on_asyncio() -> None:
    async with emulated() as running:
        await visit(running.url, credential=azure_aio.AzureCliCredential())


@ON_TRIO
@pytest.mark.usefixtures("az")
async def test_the_async_sign_in_of_azures_command_line_says_what_to_do_on_trio() -> None:
    async with desk() as (_, server):
        error = await failed(server.url, credential=azure_aio.AzureCliCredential())
        assert server.clients == 0
    check_ways_out(error)
    assert isinstance(error.__cause__, RuntimeError)


@ON_TRIO
async def test_the_async_default_credential_says_what_to_do_on_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is in production, without a developer's tools: a managed identity is the only one that could."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
    async with desk() as (_, server), identities(monkeypatch) as asked:
        error = await failed(server.url, credential=azure_aio.DefaultAzureCredential())
        assert server.clients == 0
    assert asked.asked == []
    check_ways_out(error)


@ON_ASYNCIO
async def test_a_function_that_misses_its_event_loop_on_asyncio_is_told_nothing_of_trio() -> None:
    """It runs in a thread; the way out is an async function."""

    def provider() -> str:
        asyncio.get_running_loop()
        return TOKEN

    async with desk() as (_, server):
        error = await failed(server.url, credential=provider)
    assert isinstance(error.__cause__, RuntimeError)
    assert error.said == "the credential gave no token: RuntimeError: no running event loop"
    assert "trio" not in error.hint


async def test_credentials_that_hang_take_no_thread_from_anybody() -> None:
    """More of them than a loop has threads for; each was left, and hangs on."""
    released = threading.Event()

    class Hanging:
        def get_token(self, *_scopes: str) -> Any:
            released.wait(10)
            raise RuntimeError("too late")

    try:
        with fail_after(5):
            for _ in range(45):
                with move_on_after(0.005):
                    await BearerToken(Hanging()).headers()
            assert await to_thread.run_sync(lambda: "a thread") == "a thread"
    finally:
        released.set()
