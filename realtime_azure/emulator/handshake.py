"""Who is let in, and how the others are refused: what the service answers to a handshake. Pure.

The bodies are those that were recorded of the service, or that its troubleshooting pages show. `serve(refuse=…)` and
`Emulator.refuse` take any of them; `REFUSALS` has them by name.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic_core import to_json
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .._handshake import MAX_HEADERS
from ..endpoint import Dialect
from ..errors import Refusal
from .answer import Fields

BAD_KEY = Refusal(
    401,
    code="401",
    message="Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
    "an active subscription and use a correct regional API endpoint for your resource.",
)
BAD_TOKEN = Refusal(
    401,
    code="401",
    message="Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired.",
)
ROLE_MISSING = Refusal(
    401,
    code="PermissionDenied",
    message="The principal `00000000-0000-0000-0000-000000000000` lacks the required data action "
    "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/realtime/action` to perform `POST /openai/realtime` "
    "operation.",
)
NETWORK_RULE = Refusal(403, code="403", message="Access denied due to Virtual Network/Firewall rules.")
NETWORK_CLOSED = Refusal(403, headers={"x-ms-error-code": "PublicNetworkAccessDisabled"})
KEYS_DISABLED = Refusal(
    403, code="AuthenticationTypeDisabled", message="Key based authentication is disabled for this resource."
)
BLOCKED = Refusal(403, code="403", message="The resource has been temporarily blocked.")
NO_SUCH_DEPLOYMENT = Refusal(
    404,
    code="DeploymentNotFound",
    message="The API deployment for this resource does not exist. If you created the deployment within the last 5 "
    "minutes, please wait a moment and try again.",
)
NO_SUCH_PATH = Refusal(404, code="404", message="Resource not found")
NOT_REALTIME = Refusal(
    400,
    code="OpperationNotSupported",
    message="The realtime operation does not work with the specified model. Please choose different model and try "
    "again.",
)
NO_DEPLOYMENT = Refusal(
    400,
    code="OperationNotSupported",
    message="This operation requires either deployment=<deployment-id> or intent=transcription present on the "
    "querystring.",
)
BAD_VERSION = Refusal(400, code="BadRequest", message="API version not supported")
NO_HANDSHAKE = Refusal(400, code="BadRequest", message="This is for websockets: the request is no handshake of one.")
NO_SUCH_CALL = Refusal(404, code="call_id_not_found", message="No call with this id (call_id=) goes on.")
TOO_MANY = Refusal(
    429,
    headers={"retry-after-ms": "100", "retry-after": "1"},
    code="429",
    message="Requests have exceeded the call rate limit of your current pricing tier. Please retry later.",
)
TOO_MANY_HEADERS = Refusal(431, code="431", message="Request Header Fields Too Large")
FAILED = Refusal(
    500, code="InternalServerError", message="The server had an error while processing your request. Sorry about that!"
)
UNAVAILABLE = Refusal(
    503, code="ServiceUnavailable", message="The service is temporarily unable to process your request."
)

REFUSALS = {
    "bad_key": BAD_KEY,
    "bad_token": BAD_TOKEN,
    "role_missing": ROLE_MISSING,
    "network_rule": NETWORK_RULE,
    "network_closed": NETWORK_CLOSED,
    "keys_disabled": KEYS_DISABLED,
    "blocked": BLOCKED,
    "no_such_deployment": NO_SUCH_DEPLOYMENT,
    "no_such_path": NO_SUCH_PATH,
    "not_realtime": NOT_REALTIME,
    "no_deployment": NO_DEPLOYMENT,
    "bad_version": BAD_VERSION,
    "too_many": TOO_MANY,
    "too_many_headers": TOO_MANY_HEADERS,
    "failed": FAILED,
    "unavailable": UNAVAILABLE,
}
"""What Azure refuses a handshake with, by name."""

_DIALECTS: dict[str, Dialect] = {
    "/openai/realtime": "preview",
    "/openai/v1/realtime": "ga",
    "/voice-live/realtime": "voice-live",
}
_COMMON = (
    "host",
    "user-agent",
    "authorization",
    "accept",
    "origin",
    "upgrade",
    "connection",
    "content-",
    "sec-websocket-",
    "x-stainless-",
    "openai-",
)


@dataclass(frozen=True)
class Admitted:
    """Who may come in: to a session with *deployment*, in the words of *dialect*; or one of *transcription*.

    *settings* are those of a call, which has a session already."""

    deployment: str
    dialect: Dialect
    transcription: bool = False
    settings: Fields = field(default_factory=dict[str, Any], repr=False)  # a secret may be in a tool


@dataclass(frozen=True)
class Door:
    """What is asked of whoever comes: *api_key*, and one of *deployments*, if any are named. *calls* go on: their
    sessions' settings by call id."""

    api_key: str = field(repr=False)
    deployments: Collection[str] = ()
    calls: dict[str, Fields] = field(default_factory=dict[str, Fields], repr=False)

    def has(self, deployment: str) -> bool:
        return not self.deployments or deployment in self.deployments

    def examine(self, request: Request) -> Admitted | Refusal:
        """The session that *request* is let in to, or a refusal of it."""
        path, query = target_of(request.path)
        dialect = _DIALECTS.get(path)
        if dialect is None or (dialect != "ga" and "api-version" not in query):
            return NO_SUCH_PATH
        if (refused := self.refusal_of(request.headers)) is not None:
            return refused
        deployment = query.get("deployment") or query.get("model")
        if query.get("intent") == "transcription" and dialect == "ga":
            return Admitted(deployment or "", dialect, transcription=True)
        if "call_id" in query and dialect == "ga":
            call = self.calls.get(query["call_id"])
            return NO_SUCH_CALL if call is None else _admitted_to(call)
        if not deployment:
            return NO_DEPLOYMENT
        return Admitted(deployment, dialect) if self.has(deployment) else NO_SUCH_DEPLOYMENT

    def refusal_of(self, headers: Headers) -> Refusal | None:
        """A refusal of whoever brings these *headers*, unless they have the key."""
        own = [name for name, _ in headers.raw_items() if not name.lower().startswith(_COMMON)]
        if len(own) > MAX_HEADERS:
            return TOO_MANY_HEADERS
        keys = headers.get_all("api-key")
        tokens: list[str] = []
        for authorization in () if keys else headers.get_all("Authorization"):
            scheme, _, token = authorization.partition(" ")
            tokens += [token] if scheme.lower() == "bearer" else []
        # What is no text comes as surrogates from websockets 15.
        given = [key.encode("utf-8", "surrogatepass") for key in keys + tokens]
        if len(given) == 1 and secrets.compare_digest(given[0], self.api_key.encode()):
            return None
        return BAD_TOKEN if tokens else BAD_KEY


def _admitted_to(call: Fields) -> Admitted:
    return Admitted(call.get("model") or "", "ga", call.get("type") == "transcription", call)


def target_of(target: str) -> tuple[str, dict[str, str]]:
    """The path and the query of a request's *target*; what is no URL has neither."""
    try:
        url = urlsplit(target)
    except ValueError:
        return "", {}
    return url.path, {name: values[0] for name, values in parse_qs(url.query).items()}


def refused(refusal: Refusal) -> Response:
    """*refusal* as an HTTP response, in Azure's envelope; without a message it has no body."""
    fields = {"error": {"code": refusal.code, "message": refusal.message}}
    made = response(refusal.status, fields if refusal.message else None)
    for name, value in refusal.headers.items():
        made.headers[name] = value
    return made


def response(status: int, fields: object) -> Response:
    """*fields* as JSON, if there are any."""
    body = b"" if fields is None else to_json(fields)
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
    phrases = {known.value: known.phrase for known in HTTPStatus}
    return Response(status, phrases.get(status, "Refused"), headers, body)


def asked_for(target: str) -> tuple[str, ...]:
    """The faults that a request to *target*, its path and query, asks for (`fault=`)."""
    return tuple(parse_qs(target.partition("?")[2]).get("fault", ()))


def signed(answer: Response, now: float) -> Response:
    """*answer* with the headers that Azure's support asks for; *now* is in seconds since 1970."""
    if "Date" in answer.headers:
        del answer.headers["Date"]
    answer.headers["Date"] = formatdate(now, usegmt=True)
    answer.headers["apim-request-id"] = str(uuid.uuid4())
    answer.headers["x-ms-region"] = "emulator"
    return answer
