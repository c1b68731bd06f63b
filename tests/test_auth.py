"""What callers sign in with, and the headers it becomes, on both event loops."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from anyio import lowlevel

from realtime_azure import ConfigurationError
from realtime_azure.auth import ApiKey, BearerToken, Credential, resolve_credential

SCOPE = "https://cognitiveservices.azure.com/.default"
BOTH = {"AZURE_OPENAI_AD_TOKEN": "token-of-environment", "AZURE_OPENAI_API_KEY": "key-of-environment"}
NEITHER: Mapping[str, str] = {}


@dataclass
class AccessToken:
    """As azure-core's."""

    token: str
    expires_on: int = 4102444800


@dataclass
class Azure:
    """A credential of azure-identity's sync kind, which notes who asked it for what, and in which thread."""

    scopes: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    threads: list[int] = field(default_factory=list[int])

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes.append(scopes)
        self.threads.append(threading.get_ident())
        return AccessToken(f"token-{len(self.scopes)}")


@dataclass
class AzureAio:
    """The same of azure-identity's async kind."""

    scopes: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    threads: list[int] = field(default_factory=list[int])

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        await lowlevel.checkpoint()
        self.scopes.append(scopes)
        self.threads.append(threading.get_ident())
        return AccessToken(f"token-{len(self.scopes)}")


class OwnSigning:
    """What a caller may write: headers of any kind."""

    async def headers(self) -> Mapping[str, str]:
        await lowlevel.checkpoint()
        return {"Authorization": "Own 1", "x-tenant": "contoso"}


# What each kind becomes.


@pytest.mark.anyio
async def test_a_key_goes_into_the_api_key_header_and_nowhere_else() -> None:
    assert await resolve_credential(api_key="abc123", environ=BOTH).headers() == {"api-key": "abc123"}


@pytest.mark.anyio
async def test_a_string_is_a_bearer_token() -> None:
    made = resolve_credential(credential="eyJ0.eyJh.c2ln", environ=BOTH)
    assert await made.headers() == {"Authorization": "Bearer eyJ0.eyJh.c2ln"}


@pytest.mark.anyio
async def test_a_function_is_asked_for_each_handshake() -> None:
    tokens = iter(["first", "second"])
    made = resolve_credential(credential=lambda: next(tokens), environ=BOTH)
    assert await made.headers() == {"Authorization": "Bearer first"}
    assert await made.headers() == {"Authorization": "Bearer second"}


@pytest.mark.anyio
async def test_an_async_function_is_asked_for_each_handshake() -> None:
    tokens = iter(["first", "second"])

    async def provider() -> str:
        await lowlevel.checkpoint()
        return next(tokens)

    made = resolve_credential(credential=provider, environ=BOTH)
    assert await made.headers() == {"Authorization": "Bearer first"}
    assert await made.headers() == {"Authorization": "Bearer second"}


@pytest.mark.anyio
async def test_an_async_function_need_not_look_like_one() -> None:
    """A partial, a bound method or a lambda around an async function gives an awaitable all the same."""

    class Vault:
        async def token(self, suffix: str = "") -> str:
            await lowlevel.checkpoint()
            return f"vault{suffix}"

    vault = Vault()
    providers: list[Callable[[], Awaitable[str]]] = [vault.token, partial(vault.token, ""), lambda: vault.token("")]
    for provider in providers:
        assert await resolve_credential(credential=provider).headers() == {"Authorization": "Bearer vault"}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Azure, AzureAio])
async def test_an_azure_credential_is_asked_for_each_handshake(kind: type[Azure | AzureAio]) -> None:
    credential = kind()
    made = resolve_credential(credential=credential, environ=BOTH)
    assert credential.scopes == []
    assert await made.headers() == {"Authorization": "Bearer token-1"}
    assert await made.headers() == {"Authorization": "Bearer token-2"}
    assert credential.scopes == [(SCOPE,), (SCOPE,)]


@pytest.mark.anyio
async def test_an_object_of_the_callers_own_kind_gives_its_headers() -> None:
    own = OwnSigning()
    assert isinstance(own, Credential)
    assert await resolve_credential(credential=own, environ=BOTH).headers() == {
        "Authorization": "Own 1",
        "x-tenant": "contoso",
    }


@pytest.mark.anyio
async def test_an_azure_credential_may_have_headers_of_its_own() -> None:
    class Proxied(Azure):
        headers = {"x-proxy": "1"}  # noqa: RUF012 - as a session object has them

    assert await resolve_credential(credential=Proxied()).headers() == {"Authorization": "Bearer token-1"}


# Where it runs.


@pytest.mark.anyio
async def test_a_plain_function_runs_off_the_event_loop() -> None:
    """It may ask the network, and the loop goes on meanwhile."""
    threads: list[int] = []

    def provider() -> str:
        threads.append(threading.get_ident())
        return "token"

    await resolve_credential(credential=provider).headers()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


@pytest.mark.anyio
async def test_a_sync_azure_credential_runs_off_the_event_loop() -> None:
    credential = Azure()
    await resolve_credential(credential=credential).headers()
    assert len(credential.threads) == 1
    assert credential.threads[0] != threading.get_ident()


@pytest.mark.anyio
async def test_an_async_azure_credential_runs_on_the_event_loop() -> None:
    credential = AzureAio()
    await resolve_credential(credential=credential).headers()
    assert credential.threads == [threading.get_ident()]


@pytest.mark.anyio
async def test_what_a_provider_raises_comes_out_as_it_is() -> None:
    error = LookupError("no such vault")

    def sync() -> str:
        raise error

    async def waiting() -> str:
        await lowlevel.checkpoint()
        raise error

    for provider in (sync, waiting):
        with pytest.raises(LookupError) as caught:
            await resolve_credential(credential=provider).headers()
        assert caught.value is error


# Which one it is.


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        (BOTH, {"Authorization": "Bearer token-of-environment"}),
        ({"AZURE_OPENAI_API_KEY": "key"}, {"api-key": "key"}),
        ({"AZURE_OPENAI_AD_TOKEN": "token"}, {"Authorization": "Bearer token"}),
        ({"AZURE_OPENAI_AD_TOKEN": "", "AZURE_OPENAI_API_KEY": "key"}, {"api-key": "key"}),
    ],
)
async def test_the_environment_is_asked_last_and_a_token_beats_a_key(
    environ: dict[str, str], wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await resolve_credential(environ=environ).headers() == wanted
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert await resolve_credential().headers() == wanted


def test_two_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match="api_key and credential exclude each other"):
        resolve_credential(api_key="key", credential="token", environ=NEITHER)


@pytest.mark.parametrize("environ", [{}, {"AZURE_OPENAI_AD_TOKEN": "", "AZURE_OPENAI_API_KEY": ""}])
def test_none_at_all_names_the_arguments_and_the_variables(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_credential(environ=environ)
    for word in ("api_key=", "AZURE_OPENAI_API_KEY", "credential=", "AZURE_OPENAI_AD_TOKEN", "DefaultAzureCredential"):
        assert word in str(caught.value)


@pytest.mark.parametrize("argument", ["api_key", "credential"])
def test_an_empty_argument_is_a_mistake_and_not_a_request_for_the_environment(argument: str) -> None:
    """A secret that a program failed to load must not become somebody else's."""
    arguments: dict[str, Any] = {argument: ""}
    with pytest.raises(ConfigurationError, match=f"^{argument}: "):
        resolve_credential(**arguments, environ=BOTH)


@pytest.mark.parametrize("wrong", [5, b"token", object(), ["token"]])
def test_what_is_no_credential_is_refused_by_its_type(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^credential: an? {type(wrong).__name__} is neither a token"):
        resolve_credential(credential=wrong, environ=BOTH)


def test_a_credential_class_without_its_parentheses_is_refused() -> None:
    wrong: Any = Azure
    with pytest.raises(ConfigurationError, match="Azure"):
        resolve_credential(credential=wrong, environ=NEITHER)


# Secrets.

UNFIT = [
    pytest.param("", id="empty"),
    pytest.param("hunter2\n", id="newline at the end"),
    pytest.param("hunter2\r\nx-evil: 1", id="another header"),
    pytest.param("hunter2\x00", id="NUL"),
    pytest.param("hunter2\x7f", id="DEL"),
    pytest.param("hunter2\t", id="tab"),
    pytest.param(" hunter2", id="space before"),
    pytest.param("hunter2 ", id="space after"),
    pytest.param("hunter2é", id="Latin-1"),
    pytest.param("hunter2\u200b", id="zero-width space"),
    pytest.param("hunter2…", id="ellipsis"),
    pytest.param("   ", id="only spaces"),
]


def everything_said(error: BaseException) -> str:
    return "".join([str(error), repr(error), repr(error.args), *traceback.format_exception(error)])


@pytest.mark.parametrize("secret", [*UNFIT, pytest.param(5, id="a number"), pytest.param(b"hunter2", id="bytes")])
def test_a_key_that_fits_in_no_header_is_refused_and_not_shown(secret: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^api_key: ") as caught:
        resolve_credential(api_key=secret, environ=NEITHER)
    assert "hunter2" not in everything_said(caught.value)


@pytest.mark.parametrize("secret", UNFIT)
def test_a_token_that_fits_in_no_header_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^credential: ") as caught:
        resolve_credential(credential=secret, environ=NEITHER)
    assert "hunter2" not in everything_said(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("secret", [*UNFIT, pytest.param(None, id="None"), pytest.param(b"hunter2", id="bytes")])
async def test_a_token_of_a_provider_that_fits_in_no_header_is_refused_and_not_shown(secret: Any) -> None:
    async def waiting() -> Any:
        await lowlevel.checkpoint()
        return secret

    for provider in (lambda: secret, waiting):
        with pytest.raises(ConfigurationError, match=r"^credential: ") as caught:
            await resolve_credential(credential=provider).headers()
        assert "hunter2" not in everything_said(caught.value)


@pytest.mark.parametrize("variable", ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"])
def test_an_unfit_secret_of_the_environment_is_refused_by_its_variable(variable: str) -> None:
    environ = {variable: "hunter2\n"}
    with pytest.raises(ConfigurationError) as caught:
        resolve_credential(environ=environ)
    assert "hunter2" not in everything_said(caught.value)
    assert variable in str(caught.value)


@pytest.mark.parametrize("made", [ApiKey("hunter2"), BearerToken("hunter2")])
def test_a_credential_does_not_show_its_secret(made: object) -> None:
    assert "hunter2" not in f"{made!r} {made}"
