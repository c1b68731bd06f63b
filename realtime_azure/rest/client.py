"""`RestClient`: what an assistant needs beside the socket, with the same configuration."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import httpx2

from .._dial import default_ssl_context
from .._handshake import fit_headers
from .._proxy import Proxy, proxy_for
from ..auth import AnyCredential, default_scope, resolve_credential
from ..endpoint import DEPLOYMENT_VARIABLES, Endpoint
from ..errors import ConfigurationError
from .audio import Audio
from .call import Caller, CallOptions, NamedFiles, Verb
from .chat import Chat
from .completions import Completions
from .embeddings import EmbeddingsVerbs
from .exchange import Exchange, Timeouts
from .files import Files
from .images import ImagesVerbs
from .models import ModelsVerbs
from .realtime import Realtime
from .responses import Responses
from .stream import Stream

T = TypeVar("T")
N = TypeVar("N", int, float)


class RestClient:
    """The calls of one resource over HTTP, on asyncio or trio; for one event loop, and as many tasks as there are.

    The verbs are openai-python's: `client.chat.completions.create(…)`. `model=` of a call names the deployment; where
    it is left out, that is *deployment*. Close it: `async with RestClient(…) as client`, or `aclose()`.

    *endpoint*, *deployment*, *api_version*, *api_key*, *credential*, *scope*, *query*, *headers*, *allow_insecure*,
    *ssl_context* and *proxy* are those of `realtime_azure.connect`, and come from the same variables; of the
    deployment's, `AZURE_OPENAI_REALTIME_DEPLOYMENT` is not looked at. *timeout* is in seconds for a whole call, or
    `Timeouts`. After the first attempt *max_retries* may follow, where that can help: no answer, hung up, 408, 409,
    429, 5xx, or what `x-should-retry` says; after the time that `retry-after-ms` or `retry-after` asks for, else a
    jittered half second, one, two. A wait longer than *max_retry_wait* seconds is an error instead, which says how
    long the service asked for (`retry_after`). A body that cannot be read twice is sent once. At most
    *max_connections* calls are under way at a time; more wait (`Timeouts.pool`).

    *http_client* is an `httpx2.AsyncClient` of your own, which brings its own TLS, proxies and pool, and is left open.

    Raises `ConfigurationError` before anything is sent.
    """

    def __init__(
        self,
        endpoint: str | Endpoint | None = None,
        *,
        deployment: str | None = None,
        api_version: str | None = None,
        api_key: str | None = None,
        credential: AnyCredential | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        scope: str | None = None,
        allow_insecure: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | bool | None = True,
        timeout: float | Timeouts | None = None,
        max_retries: int = 2,
        max_retry_wait: float = 60.0,
        max_connections: int = 100,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        environ = {name: value for name, value in os.environ.items() if name != DEPLOYMENT_VARIABLES[0]}
        self.endpoint = Endpoint.resolve(
            endpoint, deployment=deployment, api_version=api_version, allow_insecure=allow_insecure, environ=environ
        )
        url = self.endpoint.resource_url("models", query=query)
        if http_client is not None and (ssl_context is not None or proxy is not True):
            raise ConfigurationError("http_client: it brings its own TLS and proxies; leave out ssl_context and proxy")
        signer = resolve_credential(api_key, credential, scope=scope or default_scope(self.endpoint.host))
        self._owned = None
        if http_client is None:
            most = _number("max_connections", max_connections, 1)
            self._owned = http_client = _http(url, ssl_context, proxy, most)
        exchange = Exchange(
            http_client,
            signer,
            Timeouts.of(timeout, Timeouts()),
            _number("max_retries", max_retries, 0),
            _number("max_retry_wait", max_retry_wait, 0),
        )
        self._caller = caller = Caller(self.endpoint, exchange, query or {}, fit_headers(headers or {}))
        self.chat = Chat(caller)
        self.completions = Completions(caller)
        self.embeddings = EmbeddingsVerbs(caller)
        self.audio = Audio(caller)
        self.images = ImagesVerbs(caller)
        self.models = ModelsVerbs(caller)
        self.responses = Responses(caller)
        self.files = Files(caller)
        self.realtime = Realtime(caller)

    def __repr__(self) -> str:
        return f"RestClient({self.endpoint!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes its connections; a client of your own stays open."""
        if self._owned is not None:
            await self._owned.aclose()

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        deployment: str | None = None,
        json: Any = None,
        fields: Mapping[str, Any] | None = None,
        files: NamedFiles = (),
        content: bytes | AsyncIterable[bytes] | None = None,
        result: type[T],
        stream: Literal[False] = False,
        **options: Unpack[CallOptions],
    ) -> T: ...
    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        deployment: str | None = None,
        json: Any = None,
        fields: Mapping[str, Any] | None = None,
        files: NamedFiles = (),
        content: bytes | AsyncIterable[bytes] | None = None,
        result: type[T],
        stream: Literal[True],
        **options: Unpack[CallOptions],
    ) -> Stream[T]: ...
    async def request(
        self,
        method: str,
        path: str,
        *,
        deployment: str | None = None,
        json: Any = None,
        fields: Mapping[str, Any] | None = None,
        files: NamedFiles = (),
        content: bytes | AsyncIterable[bytes] | None = None,
        result: type[T],
        stream: bool = False,
        **options: Unpack[CallOptions],
    ) -> T | Stream[T]:
        """Any other call: *path* under the *deployment* if one is named, else under the resource.

        The body is *json*, or a form of *fields* and *files* (names and files, as `audio.transcriptions.create` takes
        one), or *content*. *result* is what to read the answer as: a pydantic model, `dict[str, Any]`, `bytes`, `str`;
        with *stream*, each of its server-sent events. URL, sign-in, attempts and errors are those of every call.
        """
        form = None if fields is None and not files else (fields or {})
        if sum(each is not None for each in (json, form, content)) > 1:
            raise ConfigurationError("json, fields with files, and content exclude each other")
        if "://" in path or not path.strip("/") or any(mark in path for mark in "?# "):
            raise ConfigurationError(
                f"path: {path!r} is none; give what is behind /openai or /openai/v1, and the query as extra_query="
            )
        verb = Verb(path.strip("/"), method=method.upper())
        what: dict[str, Any] = {"body": json, "form": form, "files": files, "content": content}
        if stream:
            return await self._caller.events(verb, result, options, deployment=deployment, **what)
        return await self._caller.result(verb, result, options, deployment=deployment, **what)


def _number(name: str, number: N, least: int) -> N:
    """*number*, if it is one of *least* or more, and whole if that has to be."""
    kinds = int | float if name == "max_retry_wait" else int
    if not isinstance(number, kinds) or isinstance(number, bool) or not number >= least:
        raise ConfigurationError(f"{name}: {number!r} is not a number of {least} or more")
    return number


def _http(
    url: str, ssl_context: ssl.SSLContext | None, proxy: str | bool | None, max_connections: int
) -> httpx2.AsyncClient:
    """httpx2's client, with the TLS and the proxy that the socket has."""
    limits = httpx2.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
    through = _proxy(proxy_for(url.replace("http", "ws", 1), proxy))
    try:
        return httpx2.AsyncClient(
            verify=ssl_context or default_ssl_context(), proxy=through, limits=limits, trust_env=False
        )
    except ImportError as exc:
        raise ConfigurationError("proxy: for SOCKS install realtime-azure[socks]") from exc


def _proxy(proxy: Proxy | None) -> httpx2.Proxy | None:
    if proxy is None:
        return None
    scheme = proxy.scheme.replace("socks4a", "socks4")
    if proxy.is_socks and not scheme.startswith("socks5"):
        raise ConfigurationError("proxy: over HTTP, of SOCKS there is only version 5: socks5://")
    auth = None if proxy.user is None else (proxy.user, proxy.password or "")
    # As for a socket: a proxy that is spoken to with TLS is trusted by the default context.
    return httpx2.Proxy(proxy.shown, auth=auth, ssl_context=default_ssl_context() if scheme == "https" else None)
