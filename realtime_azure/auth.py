"""Credentials: what a caller has, made into the headers of one handshake.

Headers are made anew for every handshake, so that a token is never older than the credential lets it be.
`azure.identity` is not imported: anything with its `get_token` will do.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol, runtime_checkable

from anyio import to_thread

from .errors import ConfigurationError

DEFAULT_SCOPE = "https://cognitiveservices.azure.com/.default"


@runtime_checkable
class Credential(Protocol):
    """What a caller may bring to sign in some other way: the headers of a handshake."""

    async def headers(self) -> Mapping[str, str]:
        """Made anew for each handshake; `{"api-key": …}` or `{"Authorization": "Bearer …"}`."""
        ...


class _HasGetToken(Protocol):
    def get_token(self, *scopes: str) -> Any: ...


TokenProvider = Callable[[], str | Awaitable[str]]
AnyCredential = Credential | _HasGetToken | TokenProvider | str


class ApiKey:
    """A resource's key, in the `api-key` header."""

    def __init__(self, key: str, *, source: str = "api_key") -> None:
        self._key = _fit_for_a_header(key, source)

    async def headers(self) -> Mapping[str, str]:
        return {"api-key": self._key}


class BearerToken:
    """A token in the `Authorization` header, asked for at each handshake.

    *token* is the token itself, or a function that gives one. A plain function runs in a thread, so that one
    which asks the network does not stop the event loop; what it returns is awaited if it can be.
    """

    def __init__(self, token: str | TokenProvider, *, source: str = "credential") -> None:
        self._source = source
        self._token = token if callable(token) else _fit_for_a_header(token, source)

    async def headers(self) -> Mapping[str, str]:
        token: Any = self._token
        if callable(token):
            if iscoroutinefunction(token):
                token = token()
            else:
                (token,) = await to_thread.run_sync(_called, token, abandon_on_cancel=True)
            if isawaitable(token):
                token = await token
            token = _fit_for_a_header(token, self._source)
        return {"Authorization": f"Bearer {token}"}


def _called(function: Callable[[], Any]) -> tuple[Any]:
    """What *function* returns, in a tuple: trio takes a bare coroutine from a thread for a mistake."""
    return (function(),)


def resolve_credential(
    api_key: str | None = None,
    credential: AnyCredential | None = None,
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
        return _made_of(credential)
    if token := environ.get("AZURE_OPENAI_AD_TOKEN"):
        return BearerToken(token, source="AZURE_OPENAI_AD_TOKEN")
    if key := environ.get("AZURE_OPENAI_API_KEY"):
        return ApiKey(key, source="AZURE_OPENAI_API_KEY")
    raise ConfigurationError(
        "no credential: pass api_key= or set AZURE_OPENAI_API_KEY; or pass credential=, for instance "
        "azure.identity's DefaultAzureCredential(), or set AZURE_OPENAI_AD_TOKEN"
    )


def _made_of(credential: AnyCredential) -> Credential:
    if isinstance(credential, str):
        return BearerToken(credential.removeprefix("Bearer "))
    # First: azure-identity's credentials may have an attribute called headers, and a class has every method.
    get_token = None if isinstance(credential, type) else getattr(credential, "get_token", None)
    if callable(get_token):
        return BearerToken(_azure_token(get_token))
    if isinstance(credential, Credential) and not isinstance(credential, type):
        return credential
    if callable(credential) and not isinstance(credential, type):
        return BearerToken(credential)
    made = f"the class {credential.__name__}" if isinstance(credential, type) else f"a {type(credential).__name__}"
    raise ConfigurationError(
        f"credential: {made} is neither a token, a function that gives one, an object with "
        "get_token, nor a realtime_azure.auth.Credential"
    )


def _azure_token(get_token: Callable[[str], Any]) -> TokenProvider:
    """What azure-identity's *get_token* gives, as a function that gives a token; plain and async alike."""

    async def awaited(answer: Awaitable[Any] | None = None) -> str:
        return str((await (answer or get_token(DEFAULT_SCOPE))).token)

    def called() -> str | Awaitable[str]:
        answer = get_token(DEFAULT_SCOPE)
        return awaited(answer) if isawaitable(answer) else str(answer.token)

    return awaited if iscoroutinefunction(get_token) else called


def _fit_for_a_header(secret: object, name: str) -> str:
    # The value is never shown, not even in part.
    if not isinstance(secret, str) or not secret:
        raise ConfigurationError(f"{name}: an empty one, or not a string")
    if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise ConfigurationError(f"{name}: it has a space around it, a line break or a character outside ASCII")
    return secret
