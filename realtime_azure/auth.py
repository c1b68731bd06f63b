"""Credentials: what a caller has, made into the headers of one handshake.

Headers are made anew for every handshake, so that a token is never older than the credential lets it be.
`azure.identity` is not imported: anything with its `get_token` will do.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
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

    def __init__(self, key: str) -> None:
        self._key = _fit_for_a_header(key, "api_key")

    async def headers(self) -> Mapping[str, str]:
        return {"api-key": self._key}


class BearerToken:
    """A token in the `Authorization` header, asked for at each handshake.

    *token* is the token itself, or a function that gives one. A plain function runs in a thread, so that one
    which asks the network does not stop the event loop; what it returns is awaited if it can be.
    """

    def __init__(self, token: str | TokenProvider) -> None:
        self._token = token if callable(token) else _fit_for_a_header(token, "credential")

    async def headers(self) -> Mapping[str, str]:
        token: Any = self._token
        if callable(token):
            token = await to_thread.run_sync(token)
            if isawaitable(token):
                token = await token
            token = _fit_for_a_header(token, "credential")
        return {"Authorization": f"Bearer {token}"}


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
        return BearerToken(token)
    if key := environ.get("AZURE_OPENAI_API_KEY"):
        return ApiKey(key)
    raise ConfigurationError(
        "no credential: pass api_key= or set AZURE_OPENAI_API_KEY; or pass credential=, for instance "
        "azure.identity's DefaultAzureCredential(), or set AZURE_OPENAI_AD_TOKEN"
    )


def _made_of(credential: AnyCredential) -> Credential:
    if isinstance(credential, str):
        return BearerToken(credential)
    if isinstance(credential, Credential):
        return credential
    get_token = getattr(credential, "get_token", None)
    if callable(get_token):
        return BearerToken(lambda: _token_of(get_token(DEFAULT_SCOPE)))
    if callable(credential):
        return BearerToken(credential)
    raise ConfigurationError(
        f"credential: a {type(credential).__name__} is neither a token, a function that gives one, an object with "
        "get_token, nor a realtime_azure.auth.Credential"
    )


def _token_of(answer: Any) -> Any:
    if isawaitable(answer):
        return _awaited(answer)
    return answer.token


async def _awaited(answer: Awaitable[Any]) -> Any:
    return (await answer).token


def _fit_for_a_header(secret: object, name: str) -> str:
    # The value is never shown, not even in part.
    if not isinstance(secret, str) or not secret:
        raise ConfigurationError(f"{name}: an empty one, or not a string")
    if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise ConfigurationError(f"{name}: it has a space around it, a line break or a character outside ASCII")
    return secret
