"""The checks of `realtime-azure doctor`, in the order of the way to the service. Each ends in a `Finding`."""

from __future__ import annotations

import argparse
import base64
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from anyio import current_time, fail_after, getaddrinfo
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute

from .._dial import default_ssl_context, dial
from .._handshake import refusal
from .._proxy import Proxy, proxy_for
from .._websocket import abandon
from ..auth import ApiKey, BearerToken, Credential, default_scope, resolve_credential
from ..connection import Connection, connect
from ..endpoint import Endpoint
from ..errors import ConfigurationError, ConnectError, OperationNotSupported, RealtimeError, StatusError
from ..events import ErrorEvent, ResponseDone, ResponseOutputTextDelta, SessionCreated
from ..events.dicts import MessageDict
from . import configuration
from .exit_codes import NoAnswer, Refused, exit_code

DATED_VERSION = "2025-04-01-preview"
"""The last dated version that Azure documents for realtime."""

AUDIENCES = ("https://cognitiveservices.azure.", "https://ai.azure.")
_OF_THE_DEPLOYMENT = (*OperationNotSupported.CODES, "DeploymentNotFound")
OPTIONS = "Here: --endpoint, --deployment, --api-version, --entra, --scope, --proxy; or the variables (see --help)."
QUESTION = "Reply with one word: ready"


@dataclass(frozen=True)
class Finding:
    """What one check found. *ok* is None for what is neither well nor wrong; *ms* is how long it took."""

    name: str
    ok: bool | None
    said: str
    advice: str = ""
    ms: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Checkup:
    """Checks what *options* and the environment configure; each finding goes to *report* as soon as it is there."""

    def __init__(
        self,
        options: argparse.Namespace,
        report: Callable[[Finding], None],
        *,
        begin: Callable[[str], None],
        api_key: str | None = None,
    ) -> None:
        self._options = options
        self._report = report
        self._begin = begin
        self._api_key = api_key
        self._exit_code = 0

    async def run(self) -> int:
        """The exit code: that of the first thing that is wrong."""
        with ExitStack() as stack:
            how = stack.enter_context(configuration.arguments_of(self._options))
            if self._api_key is not None:
                how["api_key"] = self._api_key
            endpoint = await self._check("configuration", self._configuration)
            signer = await self._check("credential", lambda: self._credential(endpoint, how))
            if endpoint is None or signer is None:
                return self._exit_code
            url = endpoint.realtime_url()
            proxy = await self._check("proxy", lambda: self._proxy(url, how["proxy"]))
            if self._exit_code == 0 and await self._reached(endpoint, url, proxy):
                headers = await self._check(
                    "token", lambda: self._token(signer, how["scope"] or default_scope(endpoint.host))
                )
                if headers is not None:
                    await self._check("rest", lambda: self._rest(endpoint, proxy, headers), counts=False)
                    await self._sessions(endpoint, how)
        return self._exit_code

    async def _check(
        self, name: str, check: Callable[[], Awaitable[tuple[Finding | None, Any]]], *, counts: bool = True
    ) -> Any:
        """Runs one *check*, and reports what it finds; its result, or None if it failed.

        One that does not count only informs: its failure is nothing that is wrong.
        """
        self._begin(f"{name} …")
        started = current_time()
        try:
            with fail_after(self._options.timeout):
                finding, result = await check()
        except TimeoutError as exc:
            error: RealtimeError = exc if isinstance(exc, RealtimeError) else NoAnswer("no answer in time")
            finding, result = self._failed(name, error, counts=counts), None
        except RealtimeError as exc:
            finding, result = self._failed(name, exc, counts=counts), None
        if finding is not None:
            ms = round((current_time() - started) * 1000, 1) if finding.ms is None else finding.ms
            self._report(replace(finding, ms=ms))
        return result

    def _failed(self, name: str, error: RealtimeError, *, counts: bool = True) -> Finding:
        if counts:
            self._exit_code = self._exit_code or exit_code(error)
        ok = False if counts else None
        if not isinstance(error, ConnectError):
            return Finding(name, ok, str(error), OPTIONS if isinstance(error, ConfigurationError) else "")
        facts = {fact: getattr(error, fact) for fact in ("status", "code", "request_id", "client_request_id", "region")}
        said = str(error).removesuffix(error.hint).rstrip(". ")
        return Finding(name, ok, said, error.hint, facts={key: value for key, value in facts.items() if value})

    # What is configured

    async def _configuration(self) -> tuple[Finding, Endpoint]:
        endpoint = configuration.endpoint_of(self._options)
        source = configuration.sources(self._options)
        shown = {
            "endpoint": endpoint.origin + endpoint.prefix,
            "deployment": endpoint.deployment,
            "api_version": endpoint.api_version,
        }
        endpoint.realtime_url()  # says so if the deployment is missing
        said = " · ".join(f"{name} {value} ({source[name]})" for name, value in shown.items())
        if endpoint.query:
            said += " · with a query"  # a gateway's key may be in it, even as a name
        return Finding("configuration", True, said, facts={**shown, "sources": source}), endpoint

    async def _credential(self, endpoint: Endpoint | None, how: Mapping[str, Any]) -> tuple[Finding, Credential]:
        scope = how["scope"] or default_scope(endpoint.host if endpoint else "")
        signer = resolve_credential(how.get("api_key"), how.get("credential"), scope=scope)
        match signer:
            case ApiKey():
                key = (await signer.headers())["api-key"]
                return Finding("credential", True, f"a key of {len(key)} characters ({signer.source})"), signer
            case BearerToken(source="credential"):
                return Finding("credential", True, f"Microsoft Entra ID, for {scope}", facts={"scope": scope}), signer
            case _:
                return Finding("credential", True, f"a token ({getattr(signer, 'source', '')})"), signer

    async def _proxy(self, url: str, given: str | bool) -> tuple[Finding, Proxy | None]:
        proxy = proxy_for(url, given)
        return Finding("proxy", True if proxy else None, proxy.shown if proxy else "none"), proxy

    # The way there

    async def _reached(self, endpoint: Endpoint, url: str, proxy: Proxy | None) -> bool:
        where = proxy.host if proxy else urlsplit(endpoint.origin).hostname or ""
        return (
            await self._check("dns", lambda: self._dns(where)) is not None
            and await self._check("tcp", lambda: self._tcp(endpoint, proxy)) is not None
            and (not endpoint.secure or await self._check("tls", lambda: self._tls(url, proxy)) is not None)
        )

    async def _dns(self, name: str) -> tuple[Finding, list[str]]:
        try:
            found = await getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            said = getattr(exc, "strerror", None) or str(exc)
            raise ConnectError(f"{name}: {said}", hint="Check the name, and that this machine has a network.") from exc
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        said = f"{name} is {', '.join(addresses)}"
        return Finding("dns", True, said, facts={"addresses": addresses}), addresses

    async def _tcp(self, endpoint: Endpoint, proxy: Proxy | None) -> tuple[Finding, bool]:
        port = "" if ":" in endpoint.host.rpartition("]")[2] else ":443" if endpoint.secure else ":80"
        stream = await dial(f"ws://{endpoint.host}{port}", proxy=proxy)
        await abandon(stream)
        through = f" through {proxy.shown}" if proxy else ""
        return Finding("tcp", True, f"connected to {endpoint.host}{port}{through}"), True

    async def _tls(self, url: str, proxy: Proxy | None) -> tuple[Finding, bool]:
        stream = await dial(url, proxy=proxy)
        try:
            facts = _certificate(stream)
        finally:
            await abandon(stream)
        said = f"{facts['version']}, issued by {facts['issuer']}, until {facts['expires']:%Y-%m-%d}"
        left = (facts["expires"] - datetime.now(UTC)).days
        advice = f"It ends in {left} days." if left < 14 else ""
        return Finding("tls", True, said, advice, facts={**facts, "expires": facts["expires"].isoformat()}), True

    # The service

    async def _token(self, signer: Credential, scope: str) -> tuple[Finding | None, Mapping[str, str]]:
        headers = await signer.headers()
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return None, headers
        claims = claims_of(token)
        if claims is None:
            return Finding("token", None, f"not a JWT ({len(token)} characters): nothing can be read of it"), headers
        finding = _read_token(claims, scope)
        if finding.ok is False:
            self._exit_code = self._exit_code or 3
        return finding, headers

    async def _rest(self, endpoint: Endpoint, proxy: Proxy | None, headers: Mapping[str, str]) -> tuple[Finding, bool]:
        import httpx2  # noqa: PLC0415 - a tenth of a second, for this command only

        if proxy is not None and proxy.is_socks:
            return Finding("rest", None, "not checked through a SOCKS proxy"), True
        if endpoint.protocol == "voice-live":
            return Finding("rest", None, "not checked: Voice Live has none"), True
        url = endpoint.resource_url("models")
        through = httpx2.Proxy(proxy.shown, auth=(proxy.user, proxy.password or "")) if proxy and proxy.user else None
        async with httpx2.AsyncClient(
            proxy=through or (proxy.shown if proxy else None),
            trust_env=False,
            verify=default_ssl_context(),
            timeout=None,
        ) as client:
            started = current_time()
            try:
                answer = await client.get(url, headers=dict(headers))
            except httpx2.HTTPError as exc:
                return Finding("rest", None, f"GET {url.partition('?')[0]}: {str(exc) or type(exc).__name__}"), True
        shown = f"GET {url.partition('?')[0]}: HTTP {answer.status_code}"
        ms = round((current_time() - started) * 1000, 1)
        if answer.is_success:
            return Finding("rest", True, shown, ms=ms), True
        said = refusal(answer.status_code, dict(answer.headers), answer.content, url)
        facts = {"status": said.status, "code": said.code}
        # Not wrong in itself: a gateway, or a role, may let in nothing but realtime.
        return Finding("rest", None, f"{shown} {said.message}".rstrip(), ms=ms, facts=facts), True

    async def _sessions(self, endpoint: Endpoint, how: Mapping[str, Any]) -> None:
        """The handshake, and with it the deployment; then what only an open connection shows."""
        self._begin("handshake …")
        started = current_time()
        try:
            async with connect(
                endpoint, open_timeout=self._options.timeout, attempt_timeout=self._options.timeout, **how
            ) as connection:
                facts = {"request_id": connection.request_id, "region": connection.region}
                region = f", {connection.region}" if connection.region else ""
                ms = round((current_time() - started) * 1000, 1)
                self._report(Finding("handshake", True, f"{_form(endpoint)}{region}", ms=ms, facts=facts))
                if await self._check("session", lambda: self._session(connection)):
                    await self._check("turn", lambda: self._turn(connection))
        except RealtimeError as exc:
            finding = self._failed("handshake", exc)
            if isinstance(exc, StatusError) and exc.code in _OF_THE_DEPLOYMENT:
                self._report(replace(finding, said=f"{_form(endpoint)}: {_short(exc)}", advice=""))
                finding = Finding("deployment", False, f"{endpoint.deployment}: {exc.message}", exc.hint)
            self._report(finding)
        if endpoint.protocol != "voice-live":
            other = replace(endpoint, api_version="v1" if endpoint.dated else DATED_VERSION)
            await self._check("other form", lambda: self._other_form(other, how), counts=False)

    async def _other_form(self, endpoint: Endpoint, how: Mapping[str, Any]) -> tuple[Finding, bool]:
        form = _form(endpoint)
        try:
            async with connect(endpoint, max_retries=0, attempt_timeout=self._options.timeout, **how):
                return Finding("other form", None, f"{form} works, too", facts={"works": True}), True
        except RealtimeError as exc:
            found = self._failed("other form", exc, counts=False)
            facts = {**found.facts, "works": False}
            return replace(found, said=f"{form} does not work: {_short(exc)}", advice="", facts=facts), True

    async def _session(self, connection: Connection) -> tuple[Finding, bool]:
        created = await connection.wait_for(SessionCreated)
        model = getattr(created.session, "model", None)
        facts = {"session_id": created.session.id, "model": model}
        self._report(Finding("deployment", True, f"{connection.endpoint.deployment} is {model or 'there'}", ms=0.0))
        return Finding("session", True, f"session.created, {created.session.id}", facts=facts), True

    async def _turn(self, connection: Connection) -> tuple[Finding, bool]:
        question: MessageDict = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": QUESTION}],
        }
        started, first = current_time(), None
        await connection.conversation.item.create(question)
        await connection.response.create({"output_modalities": ["text"]})
        words = ""
        async for event in connection:
            match event:
                case ResponseOutputTextDelta(delta=delta):
                    first = first or current_time()
                    words += delta
                case ErrorEvent(error=error):
                    raise Refused(f"the service answered with an error: {error.message}")
                case ResponseDone(response=response) if response.status != "completed":
                    raise Refused(f"the response ended as {response.status}")
                case ResponseDone():
                    break
                case _:
                    pass
        else:
            raise NoAnswer("the service closed the connection before it answered")
        until_first = round((first - started) * 1000, 1) if first else None
        shown = words if len(words) <= 40 else f"{words[:39]}…"
        said = f"“{shown}”, first text after {until_first} ms" if first else "an answer without text"
        return Finding("turn", True, said, facts={"text": words, "first_text_ms": until_first}), True


def _short(error: RealtimeError) -> str:
    """A refusal by its status and code, another error in its own words."""
    if not isinstance(error, StatusError):
        return str(error)
    return f"HTTP {error.status}{f' {error.code}' if error.code and error.code != str(error.status) else ''}"


def _form(endpoint: Endpoint) -> str:
    paths = {"ga": "/openai/v1/realtime", "preview": "/openai/realtime", "voice-live": "/voice-live/realtime"}
    return f"{endpoint.prefix}{paths[endpoint.dialect]} ({endpoint.api_version})"


def _certificate(stream: ByteStream) -> dict[str, Any]:
    said: Any = stream.extra(TLSAttribute.peer_certificate)
    names = {who: {key: value for part in said.get(who, ()) for key, value in part} for who in ("subject", "issuer")}
    expires = ssl.cert_time_to_seconds(str(said["notAfter"]))
    return {
        "version": stream.extra(TLSAttribute.tls_version),
        "subject": names["subject"].get("commonName") or next((name for _, name in said.get("subjectAltName", ())), ""),
        "issuer": names["issuer"].get("organizationName") or names["issuer"].get("commonName") or "nobody named",
        "expires": datetime.fromtimestamp(expires, UTC),
    }


def claims_of(token: str) -> dict[str, Any] | None:
    """What a JWT says of itself (RFC 7519), unverified; None if it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _read_token(claims: Mapping[str, Any], scope: str) -> Finding:
    """Whose token it is, for what, and until when, with what is wrong about it."""
    given = claims.get("aud", "nobody")
    audiences = [str(one) for one in given] if isinstance(given, list) else [str(given)]
    audience = ", ".join(audiences)
    principal = next(
        (claims[name] for name in ("upn", "preferred_username", "appid", "azp", "oid") if name in claims), "?"
    )
    facts = {"audience": audience, "principal": principal, "tenant": claims.get("tid")}
    said = f"for {audience}, of {principal}"
    if not any(one.startswith(AUDIENCES) for one in audiences):  # right, perhaps, for a gateway
        return Finding("token", None, said, f"For Azure itself, ask for the scope {scope}.", facts=facts)
    if (until := _end_of(claims)) is None:
        return Finding("token", None, f"{said}, without an end", facts=facts)
    facts["expires"] = until.isoformat()
    if until <= datetime.now(UTC):
        return Finding(
            "token", False, f"{said}, ended at {until:%Y-%m-%d %H:%M} UTC", "Ask for a new one.", facts=facts
        )
    return Finding("token", True, f"{said}, until {until:%Y-%m-%d %H:%M} UTC", facts=facts)


def _end_of(claims: Mapping[str, Any]) -> datetime | None:
    """When a token ends; None if it does not say, or names a date that no calendar has."""
    try:
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
