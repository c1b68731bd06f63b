"""Where the service is: a resource, a deployment and a dialect, and the URLs that follow from them.

An `Endpoint` is made of whatever a person was given (a portal URL, `…/openai/v1`, a `wss://` address) and of the
environment, without any I/O. Sources: Azure's realtime how-to, its preview-to-GA migration guide, and its REST
reference (2024-10-21) for the paths of the other calls.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from .errors import ConfigurationError

V1 = "v1"
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?")
_BOTH_VERSIONS = "'v1' (/openai/v1/realtime) or a dated version such as '2025-04-01-preview' (/openai/realtime)"
_SECURE = {"https": True, "wss": True, "http": False, "ws": False}
# What may follow `/openai` in a URL that the portal shows, or that an endpoint itself has made.
_CALLS = (
    "chat|completions|embeddings|models|responses|files|batches|images|audio|videos|realtime|realtimeapi|assistants|"
    "threads|vector_stores|containers|conversations|evals|fine_tuning"
)
_PATH = re.compile(
    rf"(?P<prefix>.*?)((?P<voice_live>/voice-live(/realtime)?)|"
    rf"(?i:/openai)+(?P<v1>(?i:/v1))?(/deployments/(?P<deployment>[^/]+))?"
    rf"(/((?P<translations>realtime/translations)|({_CALLS})(/.*)?))?)?/*"
)
_OTHER_PROTOCOL = re.compile(r"/openai/v1/live(/|$)")
_HOST = re.compile(r"[^\s/?#@\\<>]+")
_PATH_SAFE = "/%:!$&'()*+,;=~"
_NOT_A_URL = "endpoint: give a URL such as 'https://NAME.openai.azure.com'"
_NOT_A_RESOURCE = {
    "portal.azure.com": "a page of the Azure portal",
    "ai.azure.com": "a page of the Foundry portal",
    "oai.azure.com": "a page of the Azure OpenAI studio",
    "management.azure.com": "Azure's management API",
    "api.openai.com": "OpenAI's own service, which signs in otherwise",
}
_OURS = ("api-version", "deployment", "model", "call_id", "intent")
_AGENTS = ("agent-name", "agent_id")
Protocol = Literal["realtime", "translations", "voice-live"]
Dialect = Literal["ga", "preview", "voice-live"]

DEPLOYMENT_VARIABLES = (
    "AZURE_OPENAI_REALTIME_DEPLOYMENT",
    "AZURE_OPENAI_DEPLOYMENT_NAME",
    "AZURE_OPENAI_DEPLOYMENT",
)
VERSION_VARIABLES = ("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION")
VOICE_LIVE_VARIABLES = ("AZURE_VOICELIVE_API_VERSION",)


@dataclass(frozen=True)
class Endpoint:
    """An Azure OpenAI resource as one connection sees it.

    *host* is `name[:port]` (an IPv6 address in brackets), *prefix* what a gateway puts before `/openai`, *query*
    what it wants in every URL. *api_version* is `"v1"` or a dated version; *deployment* may be None for a call
    (`call_id`), a transcription, and whatever REST asks of the resource. *protocol* is what is spoken there:
    `"translations"` is that of `/openai/v1/realtime/translations`, `"voice-live"` that of `/voice-live/realtime`, whose
    versions are dates of their own and whose *deployment* is the name of a model.
    """

    host: str
    api_version: str
    deployment: str | None = None
    secure: bool = True
    prefix: str = ""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # a gateway's key may be in it
    protocol: Protocol = "realtime"

    def __post_init__(self) -> None:
        if not self.host or not _HOST.fullmatch(self.host) or "://" in self.host:
            raise ConfigurationError(
                "Endpoint: host is a name, such as 'NAME.openai.azure.com'; for a URL there is Endpoint.resolve(URL)"
            )
        if self.prefix and not self.prefix.startswith("/"):
            raise ConfigurationError("Endpoint: prefix begins with a /")
        _version(self.api_version, None, {}, self.protocol)

    @classmethod
    def from_env(
        cls,
        *,
        deployment: str | None = None,
        api_version: str | None = None,
        allow_insecure: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> Endpoint:
        """The endpoint that the environment says: `resolve` without a URL."""
        return cls.resolve(
            deployment=deployment, api_version=api_version, allow_insecure=allow_insecure, environ=environ
        )

    @classmethod
    def resolve(
        cls,
        endpoint: str | Endpoint | None = None,
        *,
        deployment: str | None = None,
        api_version: str | None = None,
        allow_insecure: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> Endpoint:
        """The endpoint that the arguments, the URL's own path and query, and then the environment say.

        *endpoint* may be what the portal shows: `https://` or `wss://`, with or without `/openai`, `/openai/v1`,
        `/openai/deployments/NAME` and the path of a call, with its query. What comes before `/openai`, and query
        arguments that are not Azure's, belong to a gateway and are kept; `call_id` and `intent` are not an endpoint's,
        but arguments of a connection. `http://` and `ws://` are for this machine, unless *allow_insecure* (for which
        `connect` asks once more).

        The variables are `AZURE_OPENAI_ENDPOINT`; `AZURE_OPENAI_REALTIME_DEPLOYMENT`, `AZURE_OPENAI_DEPLOYMENT_NAME`,
        `AZURE_OPENAI_DEPLOYMENT`; `OPENAI_API_VERSION`, `AZURE_OPENAI_API_VERSION`; the first that is set, of each.
        The path `/voice-live`, with or without `/realtime`, is Voice Live's, whose version comes from
        `AZURE_VOICELIVE_API_VERSION`.

        Raises `ConfigurationError`, which names the argument and the variable, when something is missing, and
        when an argument contradicts the URL.
        """
        if isinstance(endpoint, Endpoint):
            return endpoint._with(deployment, api_version, allow_insecure)
        url = endpoint or environ.get("AZURE_OPENAI_ENDPOINT")
        if not url:
            raise ConfigurationError(
                "no endpoint: pass endpoint='https://NAME.openai.azure.com' or set AZURE_OPENAI_ENDPOINT"
            )
        parts = _split(url)
        path = _path_of(parts)
        query = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
        in_query = {name.lower(): value for name, value in query}
        for name in ("call_id", "intent"):
            if name in in_query:
                raise ConfigurationError(
                    f"endpoint: leave {name} out of the URL; pass {name}={in_query[name]!r} instead"
                )
        in_url = V1 if path["v1"] else in_query.get("api-version")
        in_path = unquote(path["deployment"] or "", errors="surrogateescape")
        protocol = _protocol(path)
        made = cls(
            host=_host(parts),
            api_version=_version(api_version, in_url, environ, protocol),
            deployment=_one("deployment", deployment, in_path or _named(in_query))
            or _first(DEPLOYMENT_VARIABLES, environ),
            secure=_SECURE[parts.scheme],
            prefix=quote(path["prefix"].rstrip("/"), safe=_PATH_SAFE, errors="surrogateescape"),
            query=tuple((name, value) for name, value in query if name.lower() not in _OURS),
            protocol=protocol,
        )
        return made._with(None, None, allow_insecure)

    def _with(self, deployment: str | None, api_version: str | None, allow_insecure: bool) -> Endpoint:
        if not self.secure and not allow_insecure and not is_loopback(self.host):
            raise ConfigurationError(
                f"endpoint: http:// and ws:// are for this machine only; use https://{self.host}, or "
                "allow_insecure=True on a network that you trust"
            )
        version = self.api_version if api_version is None else _version(api_version, None, {}, self.protocol)
        return replace(self, deployment=deployment or self.deployment, api_version=version)

    @property
    def dialect(self) -> Dialect:
        """The words that are used on the wire: those of GA, of the dated (preview) protocol, or of Voice Live."""
        if self.protocol == "voice-live":
            return "voice-live"
        return "ga" if self.api_version == V1 else "preview"

    @property
    def dated(self) -> bool:
        """Whether this is a dated (preview) endpoint, with the dated names on the wire."""
        return self.dialect == "preview"

    @property
    def origin(self) -> str:
        """`https://HOST`, or `http://HOST`."""
        return f"{'https' if self.secure else 'http'}://{self.host}"

    def realtime_url(
        self,
        *,
        call_id: str | None = None,
        intent: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """The websocket's URL: `wss://`, or `ws://` without TLS.

        *call_id* joins a call that is under way, *intent* `"transcription"` opens a session that only writes
        down; neither needs a deployment, and both exist only in `v1`. *query* is added, and may not set what
        the endpoint sets; an agent of Voice Live is named in it (`agent-name`, `agent-project-name`), and needs no
        deployment.
        """
        scheme = "wss" if self.secure else "ws"
        match self.dialect:
            case "voice-live":
                return self._url(scheme, "/voice-live/realtime", self._voice_live_query(call_id, intent, query), query)
            case "preview":
                return self._url(scheme, "/openai/realtime", self._dated_query(call_id, intent), query)
            case _:
                path = "realtime/translations" if self.protocol == "translations" else "realtime"
                return self._url(scheme, f"/openai/v1/{path}", self._v1_query(call_id, intent), query)

    def deployment_url(
        self, call: str, *, deployment: str | None = None, query: Mapping[str, str] | None = None
    ) -> str:
        """The URL of a REST *call* of a deployment, such as `"chat/completions"`.

        Dated, the deployment is in the path; in `v1` it is not in the URL: it goes into the body, as `model`.
        """
        name = deployment or self._deployment()
        if name in {".", ".."}:
            raise ConfigurationError(f"deployment: {name!r} is not the name of one")
        encoded = quote(name, safe="", errors="surrogateescape")
        return self.resource_url(f"deployments/{encoded}/{call}" if self.dated else call, query=query)

    def resource_url(self, call: str, *, query: Mapping[str, str] | None = None) -> str:
        """The URL of a REST *call* of the resource, such as `"models"`."""
        if self.protocol == "voice-live":
            raise ConfigurationError("endpoint: Voice Live has no REST calls; end the endpoint before /voice-live")
        own = [("api-version", self.api_version)] if self.dated else []
        root = "/openai" if self.dated else "/openai/v1"
        return self._url("https" if self.secure else "http", f"{root}/{call.lstrip('/')}", own, query)

    def _url(self, scheme: str, path: str, own: list[tuple[str, str]], query: Mapping[str, str] | None) -> str:
        if not isinstance(query, Mapping | None):
            raise ConfigurationError(f"query: give a mapping of names to values, not {type(query).__name__}")
        for name in query or {}:
            if name.lower() in _OURS:
                raise ConfigurationError(f"query: {name} is set by the endpoint; use the argument of that name")
        gateway = [(name, value) for name, value in self.query if name not in (query or {})]
        pairs = urlencode([*gateway, *(query or {}).items(), *own], errors="surrogateescape", quote_via=quote)
        return f"{scheme}://{self.host}{self.prefix}{path}{f'?{pairs}' if pairs else ''}"

    def _dated_query(self, call_id: str | None, intent: str | None) -> list[tuple[str, str]]:
        for name, value in (("call_id", call_id), ("intent", intent)):
            if value is not None:
                raise ConfigurationError(f"{name}: only the v1 URL has it; use api_version='v1'")
        if self.protocol == "translations":
            raise ConfigurationError("endpoint: translations exist only in v1; use api_version='v1'")
        return [("api-version", self.api_version), ("deployment", self._deployment())]

    def _voice_live_query(
        self, call_id: str | None, intent: str | None, query: Mapping[str, str] | None
    ) -> list[tuple[str, str]]:
        for name, value in (("call_id", call_id), ("intent", intent)):
            if value is not None:
                raise ConfigurationError(f"{name}: Voice Live has none; end the endpoint after /openai/v1")
        version = [("api-version", self.api_version)]
        agent = any(name in _AGENTS for name in {**dict(self.query), **(query or {})})
        return version if agent and not self.deployment else [*version, ("model", self._deployment())]

    def _v1_query(self, call_id: str | None, intent: str | None) -> list[tuple[str, str]]:
        if call_id is not None and intent is not None:
            raise ConfigurationError("call_id and intent exclude each other")
        for name, value in (("call_id", call_id), ("intent", intent)):
            if value is not None and self.protocol == "translations":
                raise ConfigurationError(f"{name}: translations have none; end the endpoint after /openai/v1")
            if value == "":
                raise ConfigurationError(f"{name}: it is empty")
        if call_id is not None:
            return [("call_id", call_id)]
        if intent is not None:
            return [("intent", intent)]
        return [("model", self._deployment())]

    def _deployment(self) -> str:
        if not self.deployment:
            raise ConfigurationError(
                f"no deployment: pass deployment='NAME' or set {DEPLOYMENT_VARIABLES[0]} (or "
                f"{' or '.join(DEPLOYMENT_VARIABLES[1:])})"
            )
        return self.deployment


def _split(url: str) -> SplitResult:
    if not isinstance(url, str):
        raise ConfigurationError(f"{_NOT_A_URL} or an Endpoint, not {type(url).__name__}")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        # The library's message would show the URL, and what somebody took for a password in it.
        raise ConfigurationError(f"{_NOT_A_URL}; of this one, the port or the IPv6 address cannot be read") from None
    if "@" in parts.netloc:
        raise ConfigurationError("endpoint: a user name in the URL is not used; pass api_key= or credential=")
    if (
        parts.scheme not in _SECURE
        or not host
        or not _HOST.fullmatch(host)
        or (port is None and parts.netloc[-1] == ":")
    ):
        bare = re.fullmatch(r"[\w-]+(\.[\w-]+)+(:[0-9]+)?", url.strip())
        raise ConfigurationError(f"{_NOT_A_URL}{f'; this one lacks https:// ({bare[0]})' if bare else ''}")
    if host.rstrip(".") in _NOT_A_RESOURCE:
        raise ConfigurationError(
            f"endpoint: {host} is {_NOT_A_RESOURCE[host.rstrip('.')]}; copy the endpoint from the resource's page "
            "'Keys and Endpoint': https://NAME.openai.azure.com"
        )
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.netloc.lower()
    name, port = (host, "") if parts.port is None else host.rsplit(":", 1)
    try:
        return host if host.isascii() else f"{name.encode('idna').decode()}{port and f':{port}'}"
    except UnicodeError:
        raise ConfigurationError(f"{_NOT_A_URL}; of this one, the host's name cannot be read") from None


def _path_of(parts: SplitResult) -> re.Match[str]:
    path = _PATH.fullmatch(re.sub("/{2,}", "/", parts.path))
    if path is None or _OTHER_PROTOCOL.search(parts.path):
        raise ConfigurationError(f"endpoint: {parts.path} is a protocol that is not spoken here yet")
    if "/openai/" in f"{path['prefix']}/".lower():
        raise ConfigurationError(
            f"endpoint: {parts.path} is the path of another call; end it after /openai or /openai/v1"
        )
    return path


def _protocol(path: re.Match[str]) -> Protocol:
    if path["voice_live"]:
        return "voice-live"
    return "translations" if path["translations"] else "realtime"


def is_loopback(host: str) -> bool:
    """Whether *host*, `name[:port]`, is this machine by its name or address."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _named(query: Mapping[str, str]) -> str | None:
    return query.get("deployment") or query.get("model")


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _one(what: str, argument: str | None, in_url: str | None) -> str | None:
    if argument and in_url and argument != in_url:
        raise ConfigurationError(f"{what}: {argument!r} was passed, but the endpoint's URL says {in_url!r}")
    return argument or in_url


def _version(
    argument: str | None, in_url: str | None, environ: Mapping[str, str], protocol: Protocol = "realtime"
) -> str:
    if protocol == "voice-live":
        return _voice_live_version(_one("api_version", argument, in_url) or _first(VOICE_LIVE_VARIABLES, environ))
    version = _one("api_version", argument, in_url) or _first(VERSION_VARIABLES, environ)
    if not version:
        raise ConfigurationError(f"no api_version: pass api_version= or set OPENAI_API_VERSION to {_BOTH_VERSIONS}")
    if version != V1 and not _DATED.fullmatch(version):
        raise ConfigurationError(f"api_version: {version!r} is neither; give {_BOTH_VERSIONS}")
    return version


def _voice_live_version(version: str | None) -> str:
    if version and _DATED.fullmatch(version):
        return version
    problem = f"{version!r} is none of them" if version else f"pass it, or set {VOICE_LIVE_VARIABLES[0]}"
    raise ConfigurationError(f"api_version: Voice Live has dated versions, such as '2026-07-15'; {problem}")
