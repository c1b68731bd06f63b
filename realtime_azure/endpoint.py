"""Where the service is: a resource, a deployment and a dialect, and the URLs that follow from them.

An `Endpoint` is made of whatever a person was given (a portal URL, `…/openai/v1`, a `wss://` address) and of the
environment, without any I/O. Sources: Azure's realtime how-to and its preview-to-GA migration guide.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from .errors import ConfigurationError

V1 = "v1"
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?")
_BOTH_VERSIONS = "'v1' (/openai/v1/realtime) or a dated version such as '2025-04-01-preview' (/openai/realtime)"
_SECURE = {"https": True, "wss": True, "http": False, "ws": False}
_PATH = re.compile(r"(?P<prefix>.*?)(?:/openai(?P<v1>/v1)?(?:/deployments/(?P<deployment>[^/]+))?(?:/realtime)?)?/*")
_OTHER_PROTOCOL = re.compile(r"/voice-live(/realtime)?/*$|/realtime/translations/*$|/openai/v1/live(/|$)")
_HOST = re.compile(r"[^\s/?#@\\]+")
_PATH_SAFE = "/%:!$&'()*+,;=~"
_NOT_A_URL = "endpoint: give a URL such as 'https://NAME.openai.azure.com'"
_OURS = ("api-version", "deployment", "model", "call_id", "intent")

DEPLOYMENT_VARIABLES = (
    "AZURE_OPENAI_REALTIME_DEPLOYMENT",
    "AZURE_OPENAI_DEPLOYMENT_NAME",
    "AZURE_OPENAI_DEPLOYMENT",
)


@dataclass(frozen=True)
class Endpoint:
    """An Azure OpenAI resource as one connection sees it.

    *host* is `name[:port]` (an IPv6 address in brackets), *prefix* what a gateway puts before `/openai`, *query*
    what it wants in every URL. *api_version* is `"v1"` or a dated version; *deployment* may be None for a call
    (`call_id`) or a transcription.
    """

    host: str
    api_version: str
    deployment: str | None = None
    secure: bool = True
    prefix: str = ""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # a gateway's key may be in it

    @classmethod
    def resolve(
        cls,
        endpoint: str | Endpoint | None = None,
        *,
        deployment: str | None = None,
        api_version: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Endpoint:
        """The endpoint that the arguments, the URL's own path and query, and then the environment say.

        Raises `ConfigurationError`, which names the argument and the variable, when something is missing, and
        when an argument contradicts the URL.
        """
        if isinstance(endpoint, Endpoint):
            return endpoint._with(deployment, api_version)
        url = endpoint or environ.get("AZURE_OPENAI_ENDPOINT")
        if not url:
            raise ConfigurationError(
                "no endpoint: pass endpoint='https://NAME.openai.azure.com' or set AZURE_OPENAI_ENDPOINT"
            )
        parts = _split(url)
        path = _path_of(parts)
        query = parse_qsl(parts.query, keep_blank_values=True)
        in_query = {name.lower(): value for name, value in query}
        for name in ("call_id", "intent"):
            if name in in_query:
                raise ConfigurationError(
                    f"endpoint: leave {name} out of the URL; pass {name}={in_query[name]!r} instead"
                )
        in_url = V1 if path["v1"] else in_query.get("api-version")
        return cls(
            host=parts.netloc.lower(),
            api_version=_version(api_version, in_url, environ),
            deployment=_one("deployment", deployment, unquote(path["deployment"] or "") or _named(in_query))
            or next((environ[name] for name in DEPLOYMENT_VARIABLES if environ.get(name)), None),
            secure=_SECURE[parts.scheme],
            prefix=quote(path["prefix"].rstrip("/"), safe=_PATH_SAFE),
            query=tuple((name, value) for name, value in query if name.lower() not in _OURS),
        )

    def _with(self, deployment: str | None, api_version: str | None) -> Endpoint:
        version = self.api_version if api_version is None else _version(api_version, None, {})
        return replace(self, deployment=deployment or self.deployment, api_version=version)

    @property
    def dated(self) -> bool:
        """Whether this is a dated (preview) endpoint, with the dated names on the wire."""
        return self.api_version != V1

    @property
    def origin(self) -> str:
        """`https://HOST`, or `http://HOST` on this machine."""
        return f"{'https' if self.secure else 'http'}://{self.host}"

    def realtime_url(
        self,
        *,
        call_id: str | None = None,
        intent: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """The websocket's URL: `wss://`, or `ws://` on this machine.

        *call_id* joins a call that is under way, *intent* `"transcription"` opens a session that only writes
        down; neither needs a deployment, and both exist only in `v1`. *query* is added, and may not set what
        the endpoint sets.
        """
        chosen = self._dated_query(call_id, intent) if self.dated else self._v1_query(call_id, intent)
        for name in query or {}:
            if name.lower() in _OURS:
                raise ConfigurationError(f"query: {name} is set by the endpoint; use the argument of connect()")
        gateway = [(name, value) for name, value in self.query if name not in (query or {})]
        pairs = [*gateway, *(query or {}).items(), *chosen]
        path = f"{self.prefix}/openai{'' if self.dated else '/v1'}/realtime"
        return f"{'wss' if self.secure else 'ws'}://{self.host}{path}?{urlencode(pairs, quote_via=quote)}"

    def _dated_query(self, call_id: str | None, intent: str | None) -> list[tuple[str, str]]:
        for name, value in (("call_id", call_id), ("intent", intent)):
            if value is not None:
                raise ConfigurationError(f"{name}: only the v1 URL has it; use api_version='v1'")
        return [("api-version", self.api_version), ("deployment", self._deployment())]

    def _v1_query(self, call_id: str | None, intent: str | None) -> list[tuple[str, str]]:
        if call_id is not None and intent is not None:
            raise ConfigurationError("call_id and intent exclude each other")
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
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        # The library's message would show the URL, and what somebody took for a password in it.
        raise ConfigurationError(f"{_NOT_A_URL}; of this one, the port or the IPv6 address cannot be read") from None
    if (
        parts.scheme not in _SECURE
        or not host
        or not _HOST.fullmatch(host)
        or (port is None and parts.netloc[-1] == ":")
    ):
        raise ConfigurationError(_NOT_A_URL)
    if "@" in parts.netloc:
        raise ConfigurationError("endpoint: a user name in the URL is not used; pass api_key= or credential=")
    if not _SECURE[parts.scheme] and not _is_loopback(host):
        raise ConfigurationError(f"endpoint: {parts.scheme}:// is for this machine only; use https://{parts.netloc}")
    return parts


def _path_of(parts: SplitResult) -> re.Match[str]:
    path = _PATH.fullmatch(parts.path)
    if path is None or _OTHER_PROTOCOL.search(parts.path):
        raise ConfigurationError(f"endpoint: {parts.path} is a protocol that is not spoken here yet")
    if "/openai/" in f"{path['prefix']}/":
        raise ConfigurationError(
            f"endpoint: {parts.path} is the path of another call; end it after /openai or /openai/v1"
        )
    return path


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _named(query: Mapping[str, str]) -> str | None:
    return query.get("deployment") or query.get("model")


def _one(what: str, argument: str | None, in_url: str | None) -> str | None:
    if argument and in_url and argument != in_url:
        raise ConfigurationError(f"{what}: {argument!r} was passed, but the endpoint's URL says {in_url!r}")
    return argument or in_url


def _version(argument: str | None, in_url: str | None, environ: Mapping[str, str]) -> str:
    version = _one("api_version", argument, in_url) or environ.get("OPENAI_API_VERSION")
    if not version:
        raise ConfigurationError(f"no api_version: pass api_version= or set OPENAI_API_VERSION to {_BOTH_VERSIONS}")
    if version != V1 and not _DATED.fullmatch(version):
        raise ConfigurationError(f"api_version: {version!r} is neither; give {_BOTH_VERSIONS}")
    return version
