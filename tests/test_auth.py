"""What callers sign in with, and the headers it becomes, on both event loops."""

from __future__ import annotations

import base64
import json
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import lowlevel
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_azure import ConfigurationError, CredentialError
from realtime_azure.auth import ApiKey, BearerToken, Credential, Token, default_scope, resolve_credential

SCOPE = "https://cognitiveservices.azure.com/.default"
BOTH = {"AZURE_OPENAI_AD_TOKEN": "token-of-environment", "AZURE_OPENAI_API_KEY": "key-of-environment"}
NEITHER: Mapping[str, str] = {}


@dataclass
class AccessToken:
    """As azure-core's."""

    token: str
    expires_on: float = 4102444800
    refresh_on: float | None = None


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
async def test_an_azure_credential_is_asked_when_a_token_is_needed(kind: type[Azure | AzureAio]) -> None:
    credential = kind()
    made = resolve_credential(credential=credential, environ=BOTH)
    assert credential.scopes == []
    assert await made.headers() == {"Authorization": "Bearer token-1"}
    assert credential.scopes == [(SCOPE,)]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Azure, AzureAio])
async def test_a_token_that_is_good_for_long_is_used_again(kind: type[Azure | AzureAio]) -> None:
    credential = kind()
    made = resolve_credential(credential=credential)
    assert await made.headers() == await made.headers() == {"Authorization": "Bearer token-1"}


@pytest.mark.anyio
async def test_who_asks_the_same_credential_shares_its_token() -> None:
    credential = Azure()
    first, second = resolve_credential(credential=credential), resolve_credential(credential=credential)
    assert await first.headers() == await second.headers()
    assert len(credential.scopes) == 1


@pytest.mark.anyio
async def test_a_token_for_another_scope_is_another_token() -> None:
    credential = Azure()
    first = resolve_credential(credential=credential)
    second = resolve_credential(credential=credential, scope="https://ai.azure.com/.default")
    assert await first.headers() == {"Authorization": "Bearer token-1"}
    assert await second.headers() == {"Authorization": "Bearer token-2"}
    assert credential.scopes == [(SCOPE,), ("https://ai.azure.com/.default",)]


@pytest.mark.anyio
async def test_a_token_that_is_good_for_long_is_not_another_credentials() -> None:
    """Two credentials of the same kind are two identities."""
    made = [resolve_credential(credential=Azure()) for _ in range(2)]
    for one in made:
        assert await one.headers() == {"Authorization": "Bearer token-1"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "prefixed", ["Bearer eyJ0.eyJh.c2ln", "eyJ0.eyJh.c2ln"], ids=["copied with the scheme", "the token alone"]
)
async def test_a_string_may_have_its_scheme(prefixed: str) -> None:
    made = resolve_credential(credential=prefixed, environ=BOTH)
    assert await made.headers() == {"Authorization": "Bearer eyJ0.eyJh.c2ln"}


@pytest.mark.anyio
async def test_an_object_that_can_be_called_is_a_function() -> None:
    class Now:
        def __call__(self) -> str:
            return "now"

    class Later:
        async def __call__(self) -> str:
            await lowlevel.checkpoint()
            return "later"

    assert await resolve_credential(credential=Now()).headers() == {"Authorization": "Bearer now"}
    assert await resolve_credential(credential=Later()).headers() == {"Authorization": "Bearer later"}


@dataclass
class WithInfo:
    """What azure-core calls `SupportsTokenInfo`, and the older way beside it."""

    asked: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError("it has the newer way, too")

    def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> AccessToken:
        assert scopes == (SCOPE,)
        self.asked.append(options or {})
        return AccessToken(f"token-{len(self.asked)}")


@dataclass
class WithInfoAio:
    asked: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError("it has the newer way, too")

    async def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> AccessToken:
        await lowlevel.checkpoint()
        assert scopes == (SCOPE,)
        self.asked.append(options or {})
        return AccessToken(f"token-{len(self.asked)}")


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [WithInfo, WithInfoAio])
async def test_the_newer_way_to_ask_is_preferred(kind: type[WithInfo | WithInfoAio]) -> None:
    """It says when to refresh."""
    credential = kind()
    assert await resolve_credential(credential=credential).headers() == {"Authorization": "Bearer token-1"}
    assert credential.asked == [{}]


@pytest.mark.anyio
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_newer_way_to_ask_is_enough(is_async: bool) -> None:
    """azure-core's `TokenProvider` is a `TokenCredential` or a `SupportsTokenInfo`."""

    class Newer:
        def get_token_info(self, *_: str, options: Any = None) -> AccessToken:
            return AccessToken(f"newer{options or ''}")

    class NewerAio:
        async def get_token_info(self, *_: str, options: Any = None) -> AccessToken:
            await lowlevel.checkpoint()
            return AccessToken(f"newer{options or ''}")

    credential: Any = NewerAio() if is_async else Newer()
    assert await resolve_credential(credential=credential).headers() == {"Authorization": "Bearer newer"}


# How long a token is good for.


class Dated:
    """Gives *tokens*, one after the other; an error among them is raised."""

    def __init__(self, *tokens: AccessToken | Exception) -> None:
        self.tokens = iter(tokens)

    async def get_token(self, *_: str, **__: Any) -> Any:
        raise AssertionError("it has the newer way, too")

    async def get_token_info(self, *_: str, options: Any = None) -> AccessToken:
        await lowlevel.checkpoint()
        assert not options
        token = next(self.tokens)
        if isinstance(token, Exception):
            raise token
        return token


def in_(seconds: float) -> float:
    return time.time() + seconds


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("expires", "refresh", "again"),
    [
        pytest.param(3600, None, True, id="an hour is left"),
        pytest.param(330, None, True, id="more than five minutes are left"),
        pytest.param(290, None, False, id="less than five minutes are left"),
        pytest.param(0, None, False, id="it ends now"),
        pytest.param(-3600, None, False, id="it has ended"),
        pytest.param(3600, 30, True, id="its renewal is to come"),
        pytest.param(3600, -30, False, id="its renewal is due"),
        pytest.param(290, 30, False, id="its renewal is to come, and it ends before"),
        pytest.param(3600, 7200, True, id="its renewal is to come after its end"),
    ],
)
async def test_a_token_is_used_until_it_is_to_be_renewed(expires: float, refresh: float | None, again: bool) -> None:
    first = AccessToken("first", in_(expires), None if refresh is None else in_(refresh))
    made = resolve_credential(credential=Dated(first, AccessToken("second")))
    assert await made.headers() == {"Authorization": "Bearer first"}
    assert await made.headers() == {"Authorization": f"Bearer {'first' if again else 'second'}"}


@pytest.mark.anyio
async def test_a_renewal_that_fails_does_no_harm_while_the_token_lasts() -> None:
    tokens = (AccessToken("first", in_(100)), OSError("no network"), OSError("no network"), AccessToken("second"))
    made = resolve_credential(credential=Dated(*tokens))
    said = [(await made.headers())["Authorization"] for _ in range(5)]
    assert said == ["Bearer first", "Bearer first", "Bearer first", "Bearer second", "Bearer second"]


@pytest.mark.anyio
async def test_a_renewal_that_fails_is_an_error_when_the_token_has_ended() -> None:
    error = OSError("no network")
    made = resolve_credential(
        credential=Dated(AccessToken("first", in_(-1)), error, AccessToken("second")),
    )
    assert await made.headers() == {"Authorization": "Bearer first"}  # what the credential gives is its own affair
    with pytest.raises(CredentialError, match=r"the credential gave no token: OSError: no network") as caught:
        await made.headers()
    assert caught.value.__cause__ is error
    assert await made.headers() == {"Authorization": "Bearer second"}


@pytest.mark.anyio
async def test_an_object_that_is_no_token_is_an_error() -> None:
    class Odd:
        async def get_token(self, *_: str) -> str:
            return "hunter2"

    odd: Any = Odd()
    with pytest.raises(CredentialError, match="AttributeError") as caught:
        await resolve_credential(credential=odd).headers()
    assert "hunter2" not in everything_said(caught.value)


# After a refusal.


@dataclass
class Challenged:
    """Notes the claims that it was asked for, in the older way."""

    claims: list[str | None] = field(default_factory=list[str | None])

    async def get_token(self, *_: str, claims: str | None = None) -> AccessToken:
        await lowlevel.checkpoint()
        self.claims.append(claims)
        return AccessToken(f"token-{len(self.claims)}")


async def claims_after(challenge: str | None) -> str | None:
    """The claims that a credential is asked for after a refusal with *challenge*."""
    credential = Challenged()
    made = resolve_credential(credential=credential)
    assert isinstance(made, BearerToken)
    assert await made.renewed(await made.headers(), challenge) == {"Authorization": "Bearer token-2"}
    first, second = credential.claims
    assert first is None
    return second


CLAIMS = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1604106651"}}})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("challenge", "claims"),
    [
        pytest.param(None, None, id="no challenge"),
        pytest.param("", None, id="an empty one"),
        pytest.param("Bearer", None, id="without claims"),
        pytest.param('Bearer error="invalid_token", error_description="gone"', None, id="another error"),
        pytest.param('Bearer error="insufficient_claims", claims="é"', None, id="not base64"),
        pytest.param('Bearer error="insufficient_claims", claims="gA=="', None, id="not UTF-8"),
        pytest.param(
            'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
            f'error="insufficient_claims", claims="{base64.b64encode(CLAIMS.encode()).decode()}"',
            CLAIMS,
            id="as Azure's gateways say it",
        ),
        pytest.param(
            f'Bearer error="insufficient_claims",claims="{base64.b64encode(CLAIMS.encode()).decode().rstrip("=")}"',
            CLAIMS,
            id="without padding",
        ),
    ],
)
async def test_a_challenges_claims_are_asked_for(challenge: str | None, claims: str | None) -> None:
    assert await claims_after(challenge) == claims


@given(claims=st.text(min_size=1), padded=st.booleans())
def test_claims_arrive_as_they_were_meant(claims: str, padded: bool) -> None:
    check_claims(claims, urlsafe=False, padded=padded)


@given(claims=st.text(min_size=1), padded=st.booleans())
@example(claims='{"a":"\u00ff\u00fe??>>"}', padded=True)
def test_claims_may_be_in_the_url_safe_alphabet(claims: str, padded: bool) -> None:
    check_claims(claims, urlsafe=True, padded=padded)


def check_claims(claims: str, *, urlsafe: bool, padded: bool) -> None:
    encoded = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(claims.encode()).decode()
    challenge = f'Bearer error="insufficient_claims", claims="{encoded if padded else encoded.rstrip("=")}"'
    assert anyio.run(claims_after, challenge) == claims


@pytest.mark.anyio
async def test_a_string_has_no_other_token() -> None:
    made = BearerToken("token")
    assert await made.renewed(await made.headers()) is None


@pytest.mark.anyio
async def test_a_function_that_gives_the_same_token_has_no_other() -> None:
    made = BearerToken(lambda: "token")
    assert await made.renewed(await made.headers()) is None


@pytest.mark.anyio
async def test_a_token_that_somebody_else_renewed_is_another() -> None:
    """Two were refused with one token; the second to hear of it takes what the first was given."""
    credential = Azure()
    first, second = BearerToken(credential), BearerToken(credential)
    refused = await first.headers()
    assert await second.headers() == refused
    assert await first.renewed(refused) == await second.renewed(refused) == {"Authorization": "Bearer token-2"}
    assert len(credential.scopes) == 2


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
async def test_what_a_provider_raises_is_the_cause_of_ours() -> None:
    error = LookupError("no such vault\nin the second line: hunter2")

    def sync() -> str:
        raise error

    async def waiting() -> str:
        await lowlevel.checkpoint()
        raise error

    for provider in (sync, waiting):
        with pytest.raises(CredentialError) as caught:
            await resolve_credential(credential=provider).headers()
        assert caught.value.__cause__ is error
        assert caught.value.said == "the credential gave no token: LookupError: no such vault"


@pytest.mark.anyio
async def test_a_provider_that_raises_without_a_word_is_named_by_its_error() -> None:
    def provider() -> str:
        raise PermissionError

    with pytest.raises(CredentialError, match=r"^the credential gave no token: PermissionError\. "):
        await resolve_credential(credential=provider).headers()


@pytest.mark.anyio
async def test_a_provider_that_has_no_more_says_so() -> None:
    """`StopIteration` is what neither event loop can carry."""
    tokens = iter(["only-one"])
    made = resolve_credential(credential=lambda: next(tokens))
    assert await made.headers() == {"Authorization": "Bearer only-one"}
    with pytest.raises(CredentialError, match="StopIteration"):
        await made.headers()


# Whom a token is for.


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("name.openai.azure.com", SCOPE),
        ("name.cognitiveservices.azure.com", SCOPE),
        ("name.services.ai.azure.com", SCOPE),
        ("eastus2.api.cognitive.microsoft.com", SCOPE),
        ("name.openai.azure.us", "https://cognitiveservices.azure.us/.default"),
        ("name.cognitiveservices.azure.us", "https://cognitiveservices.azure.us/.default"),
        ("name.openai.azure.us:443", "https://cognitiveservices.azure.us/.default"),
        ("name.openai.azure.cn", "https://cognitiveservices.azure.cn/.default"),
        ("name.openai.azure.cn:8443", "https://cognitiveservices.azure.cn/.default"),
        ("gateway.contoso.com", SCOPE),
        ("notazure.us", SCOPE),
        ("name.openai.azure.us.contoso.com", SCOPE),
        ("127.0.0.1:8080", SCOPE),
        ("[::1]:8080", SCOPE),
        ("localhost", SCOPE),
    ],
)
def test_the_scope_is_that_of_the_hosts_cloud(host: str, scope: str) -> None:
    assert default_scope(host) == scope


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


@pytest.mark.parametrize(
    "made",
    [
        ApiKey("hunter2"),
        BearerToken("hunter2"),
        BearerToken(partial(str, "hunter2")),
        Token("hunter2", 1.0, 2.0),
        resolve_credential(api_key="hunter2"),
        resolve_credential(credential="Bearer hunter2"),
        resolve_credential(environ={"AZURE_OPENAI_AD_TOKEN": "hunter2"}),
        resolve_credential(environ={"AZURE_OPENAI_API_KEY": "hunter2"}),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_credential_does_not_show_its_secret(made: object) -> None:
    assert "hunter2" not in f"{made!r} {made} {[made]}"


@pytest.mark.anyio
async def test_a_credential_that_holds_a_token_does_not_show_it() -> None:
    @dataclass(repr=False)
    class Safe(Azure):
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            return AccessToken(f"hunter2-{super().get_token(*scopes).token}")

    made = BearerToken(Safe())
    assert await made.headers() == {"Authorization": "Bearer hunter2-token-1"}
    # Whatever it holds: what a debugger or an error report shows of it.
    assert "hunter2" not in f"{made!r} {made} {vars(made)!r}"


@pytest.mark.anyio
async def test_an_error_of_a_renewal_does_not_show_the_token_before() -> None:
    made = resolve_credential(credential=Dated(AccessToken("hunter2", in_(-1)), OSError("no network")))
    await made.headers()
    with pytest.raises(CredentialError) as caught:
        await made.headers()
    assert "hunter2" not in everything_said(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("secret", UNFIT)
async def test_a_token_of_a_credential_that_fits_in_no_header_is_refused_and_not_shown(secret: str) -> None:
    credential = Dated(AccessToken(secret))
    with pytest.raises(ConfigurationError, match=r"^credential: ") as caught:
        await resolve_credential(credential=credential).headers()
    assert "hunter2" not in everything_said(caught.value)


@given(st.text())
def test_a_key_is_sent_as_it_is_or_refused(key: str) -> None:
    """What is not visible ASCII never gets into a header."""
    fits = bool(key) and all("!" <= letter <= "~" for letter in key)
    try:
        made = resolve_credential(api_key=key)
    except ConfigurationError as exc:
        assert not fits
        assert len(key) < 8 or key not in everything_said(exc)  # noqa: PT017 - it need not be raised
    else:
        assert fits
        assert anyio.run(made.headers) == {"api-key": key}
