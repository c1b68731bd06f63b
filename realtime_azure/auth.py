"""Credentials: what a caller has, made into the headers of one request.

Headers are made anew for every handshake, so that a token is never older than the credential lets it be. A token
with a date is kept until shortly before it; whoever asks while another asks takes that answer.
`azure.identity` is not imported: anything with its `get_token` will do.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol, TypeAlias, runtime_checkable
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, Lock, to_thread
from anyio.lowlevel import RunVar, current_token

from .errors import ConfigurationError, CredentialError, RealtimeError

DEFAULT_SCOPE = "https://cognitiveservices.azure.com/.default"
"""What a token is asked for; `https://ai.azure.com/.default`, the newer name, does as well (pass it as `scope=`)."""

_SOVEREIGN_SCOPES = {
    ".azure.us": "https://cognitiveservices.azure.us/.default",
    ".azure.cn": "https://cognitiveservices.azure.cn/.default",
}
REFRESH_BEFORE = 300.0
"""Seconds before a token's end at which a new one is asked for, as azure-identity does it."""


@runtime_checkable
class Credential(Protocol):
    """What a caller may bring to sign in some other way: the headers of a request."""

    async def headers(self) -> Mapping[str, str]:
        """Made anew for each handshake; `{"api-key": …}` or `{"Authorization": "Bearer …"}`.

        What it raises comes out of `connect` as the cause of a `CredentialError`. After a 401 it is asked once more.
        """
        ...


class HasGetToken(Protocol):
    """An azure-identity credential, or what is shaped like one; sync or async."""

    def get_token(self, *scopes: str) -> Any: ...


TokenProvider: TypeAlias = Callable[[], str | Awaitable[str]]
AnyCredential: TypeAlias = Credential | HasGetToken | TokenProvider | str


class ApiKey:
    """A resource's key, in the `api-key` header."""

    def __init__(self, key: str, *, source: str = "api_key") -> None:
        self.source = source
        self._key = _fit_for_a_header(key, source)

    def __repr__(self) -> str:
        return f"ApiKey(source={self.source!r})"

    async def headers(self) -> Mapping[str, str]:
        return {"api-key": self._key}


@dataclass(frozen=True)
class Token:
    """A bearer token; *fresh_until* and *expires* are seconds since 1970, None where nobody said."""

    text: str = field(repr=False)
    fresh_until: float | None = None
    expires: float | None = None


class BearerToken:
    """A token in the `Authorization` header.

    *token* is the token itself, a function that gives one (a `TokenProvider`), or something with `get_token`, which is
    asked for *scope*. What is not a coroutine runs in a thread, so that one which asks the network does not stop the
    event loop; what it returns is awaited if it can be.
    """

    def __init__(
        self, token: str | TokenProvider | HasGetToken, *, scope: str = DEFAULT_SCOPE, source: str = "credential"
    ) -> None:
        self.source = source
        self.scope = scope
        self._given = _bare(token, source) if isinstance(token, str) else token
        self._supply: _Supply | None = None

    def __repr__(self) -> str:
        return f"BearerToken(source={self.source!r})"

    async def headers(self) -> Mapping[str, str]:
        """Asks for a token if there is none that is fresh. Raises `CredentialError` with the credential's own error."""
        if isinstance(self._given, str):
            return _bearer(self._given)
        supply = self._supply = _supply(self._given, self.scope, self.source)  # two event loops may be here
        return _bearer((await supply.fresh()).text)

    async def renewed(self, refused: Mapping[str, str], challenge: str | None = None) -> Mapping[str, str] | None:
        """Headers with another token than that of *refused*, which the service did not take; None if there is none.

        *challenge* is the service's `WWW-Authenticate`, whose claims (continuous access evaluation) are passed on.
        """
        if isinstance(self._given, str):
            return None
        supply = self._supply = _supply(self._given, self.scope, self.source)
        made = _bearer((await supply.another(refused, _claims(challenge))).text)
        return made if made != refused else None


class _Supply:
    """The tokens of one source in one event loop, for all who use it at the same time."""

    def __init__(self, source: TokenProvider | HasGetToken, scope: str, name: str) -> None:
        self._name = name
        self._source = source
        self._ask = _asking(source, scope)
        self._lock = Lock()
        self._token: Token | None = None
        self._answers = 0
        self._failure: Exception | None = None

    async def fresh(self, claims: str | None = None) -> Token:
        seen = self._answers
        async with self._lock:
            known = self._token
            if self._answers != seen and (known or self._failure):
                return self._answer()  # it was asked while this one waited: the answer is for both
            if known is not None and _is_fresh(known):
                return known
            try:
                made = await self._ask(claims)
            except Exception as exc:  # noqa: BLE001 - raised by _answer
                self._failure = exc
            else:
                self._token, self._failure = replace(made, text=_bare(made.text, self._name)), None
            self._answers += 1
            return self._answer()

    async def another(self, refused: Mapping[str, str], claims: str | None) -> Token:
        if self._token is not None and _bearer(self._token.text) == refused:
            self._token = None
        return await self.fresh(claims)

    def _answer(self) -> Token:
        known, failure = self._token, self._failure
        if known is not None and (failure is None or (known.expires is not None and time.time() < known.expires)):
            return known  # refreshing may fail as long as the token has not ended
        said, hint = _said_of(failure, self._source)
        raise CredentialError(said, hint=hint) from failure


_SUPPLIES: RunVar[WeakValueDictionary[tuple[int, str], _Supply]] = RunVar("realtime_azure.tokens")


def _supply(source: TokenProvider | HasGetToken, scope: str, name: str) -> _Supply:
    """The supply of *source* in this event loop. It is kept as long as anyone holds it, and holds *source* itself:
    hence the id is its own."""
    try:
        supplies = _SUPPLIES.get()
    except LookupError:
        supplies = WeakValueDictionary()
        _SUPPLIES.set(supplies)
    supply = supplies.get((id(source), scope))
    if supply is None:
        supply = supplies[id(source), scope] = _Supply(source, scope, name)
    return supply


def _is_fresh(token: Token) -> bool:
    return token.fresh_until is not None and time.time() < token.fresh_until


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _asking(source: TokenProvider | HasGetToken, scope: str) -> Callable[[str | None], Awaitable[Token]]:
    """How to ask *source* for a token, with claims or without."""
    if get_token_info := _method(source, "get_token_info"):

        async def ask_for_info(claims: str | None) -> Token:
            options = {"claims": claims, "enable_cae": True} if claims else {}
            return _dated(await _result(partial(get_token_info, scope, options=options), like=get_token_info))

        return ask_for_info
    if get_token := _method(source, "get_token"):

        async def ask_azure(claims: str | None) -> Token:
            more = {"claims": claims} if claims else {}
            return _dated(await _result(partial(get_token, scope, **more), like=get_token))

        return ask_azure

    async def ask(_claims: str | None) -> Token:
        function: Any = source
        return Token(await _result(function, like=function))

    return ask


def _method(source: object, name: str) -> Callable[..., Any] | None:
    method = getattr(source, name, None)
    return method if callable(method) else None


def _dated(token: Any) -> Token:
    """azure-identity's *token* (`AccessToken`, `AccessTokenInfo`) as ours."""
    expires = float(token.expires_on)
    refresh_on = getattr(token, "refresh_on", None)
    return Token(token.token, min(expires - REFRESH_BEFORE, float(refresh_on or expires)), expires)


async def _result(function: Callable[[], Any], *, like: Callable[..., Any]) -> Any:
    """What *function* gives: called here if what it calls (*like*) is a coroutine function, else in a thread."""
    if iscoroutinefunction(like):
        answer = function()
    else:
        # In a tuple: trio takes a bare coroutine from a thread for a mistake.
        # A limiter of its own: one that hangs, and is left, takes no thread away from anybody else.
        (answer,) = await to_thread.run_sync(lambda: (function(),), abandon_on_cancel=True, limiter=CapacityLimiter(1))
    return await answer if isawaitable(answer) else answer


def _claims(challenge: str | None) -> str | None:
    """The claims that a `WWW-Authenticate` asks for, decoded; they come as base64."""
    found = re.search(r'claims="([^"]+)"', challenge or "")
    if found is None:
        return None
    try:
        return base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except ValueError:
        return None


_NO_ASYNCIO = re.compile(r"no (running|current) event loop")


def _on_trio() -> bool:
    loop = current_token()
    return type(getattr(loop, "native_token", loop)).__module__.startswith("trio")


_ON_TRIO = (
    "On trio, use the credential of the same name in azure.identity (it runs in a thread), or give this one "
    "transport=azure.core.pipeline.transport.TrioRequestsTransport()"
)
_SIGN_IN = "Sign in first (az login), or see to the credential's own settings; its own error is the cause of this one."


def _said_of(error: BaseException | None, source: object) -> tuple[str, str]:
    """Message and hint for a credential's *error*; on trio, asyncio-only transports miss their loop."""
    first, *_ = str(error).splitlines() or [""]
    said = f"the credential gave no token: {type(error).__name__}{f': {first}' if first else ''}"
    if not _on_trio():
        return said, _SIGN_IN
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if _NO_ASYNCIO.search(str(cause)):
            return "this credential of azure.identity.aio works on asyncio only", _ON_TRIO
        cause = cause.__cause__ or cause.__context__
    # A chain of credentials does not say that it was trio on which one of them failed.
    return said, _ON_TRIO if str(getattr(source, "__module__", "")).startswith("azure.identity.aio") else _SIGN_IN


async def sign(credential: Credential) -> Mapping[str, str]:
    """The headers that *credential* signs in with; whatever it raises is a `CredentialError`."""
    try:
        given: Any = credential.headers()
        given = await given if isawaitable(given) else None
    except RealtimeError:
        raise
    except Exception as exc:
        raise CredentialError(f"the credential gave no headers: {type(exc).__name__}") from exc
    if not isinstance(given, Mapping):
        raise ConfigurationError("credential: its headers() has to be async, and to give a mapping")
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise ConfigurationError(f"credential: its header {name!r} is not text")
        # The errors that libraries have for this show the value.
        if not all(text.isascii() and text.isprintable() for text in (name, value)) or not name:
            raise ConfigurationError(f"credential: its header {name!r} has a line break or a character outside ASCII")
    return given


async def renew(credential: Credential, refused: Mapping[str, str], challenge: str | None) -> Mapping[str, str] | None:
    """Other headers than *refused*, which the service answered with a 401; None if *credential* has no others.

    *challenge* is the answer's `WWW-Authenticate`.
    """
    if isinstance(credential, BearerToken):
        return await credential.renewed(refused, challenge)
    again = await sign(credential)
    return again if again != refused else None


def default_scope(host: str) -> str:
    """The scope of a token for *host*: the cloud's own (`.us`, `.cn`), else `DEFAULT_SCOPE`."""
    name = host.partition(":")[0].rstrip(".")
    return next((scope for cloud, scope in _SOVEREIGN_SCOPES.items() if name.endswith(cloud)), DEFAULT_SCOPE)


def resolve_credential(
    api_key: str | None = None,
    credential: AnyCredential | None = None,
    *,
    scope: str = DEFAULT_SCOPE,
    environ: Mapping[str, str] = os.environ,
) -> Credential:
    """The credential that was passed, else that of the environment, where a token beats a key.

    Raises `ConfigurationError` when there is none, or two.
    """
    if api_key is not None and credential is not None:
        raise ConfigurationError("api_key and credential exclude each other: pass one")
    if api_key is not None:
        return ApiKey(api_key)
    if credential is not None:
        return _made_of(credential, scope)
    if token := environ.get("AZURE_OPENAI_AD_TOKEN"):
        return BearerToken(token, source="AZURE_OPENAI_AD_TOKEN")
    if key := environ.get("AZURE_OPENAI_API_KEY"):
        return ApiKey(key, source="AZURE_OPENAI_API_KEY")
    raise ConfigurationError(
        "no credential: pass api_key= or set AZURE_OPENAI_API_KEY; or sign in with Microsoft Entra ID: pass "
        "credential=DefaultAzureCredential() (from azure.identity), or set AZURE_OPENAI_AD_TOKEN"
    )


def _made_of(credential: AnyCredential, scope: str) -> Credential:
    if isinstance(credential, str):
        return BearerToken(credential)
    if isinstance(credential, type):
        raise ConfigurationError(f"credential: the class {credential.__name__}, not one of its objects: call it")
    # First: azure-identity's credentials may have an attribute called headers.
    token: Any = credential
    if _method(credential, "get_token") or _method(credential, "get_token_info"):
        return BearerToken(token, scope=scope)
    if isinstance(credential, Credential):
        return credential
    if callable(credential):
        return BearerToken(token, scope=scope)
    raise ConfigurationError(
        f"credential: a {type(credential).__name__} is neither a token, a function that gives one, an object with "
        "get_token, nor a realtime_azure.auth.Credential"
    )


def _bare(token: object, name: str) -> str:
    """*token* without the word `Bearer`, which people put before it."""
    return _fit_for_a_header(token.removeprefix("Bearer ") if isinstance(token, str) else token, name)


def _fit_for_a_header(secret: object, name: str) -> str:
    # The value is never shown, not even in part.
    if not isinstance(secret, str) or not secret:
        raise ConfigurationError(f"{name}: an empty one, or not a string")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ConfigurationError(f"{name}: it has a space, a line break or a character outside ASCII")
    return secret
