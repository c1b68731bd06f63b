"""What surrounds a realtime session: ephemeral tokens for browsers, and calls by WebRTC and telephone.

There is no media here: the SDP answer turns down every stream of the offer. A websocket can be opened to a call that
was created or accepted (`call_id=`), and has the session that was asked for.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json, to_json

from ...errors import Refusal
from ...events.preview import from_dated, server_to_dated
from ..answer import Fields
from ..handshake import Call
from ..service import Service
from .exchange import Answered, Body, Denied, Question, Wrong, answered, form_of, missing

SECRET_LIFETIME = 7200
DATED_SECRET_LIFETIME = 60
_NEEDS_TOKEN = Refusal(401, code="401", message="Realtime session ephemeral token is required.")


def configure(service: Service, settings: Fields) -> Service:
    """*service* with *settings*, as a `session.update` would set them. Raises `Wrong` for what it would refuse."""
    if settings:
        for outcome in service.receive(to_json({"type": "session.update", "session": settings})):
            if isinstance(outcome, dict) and outcome["type"] == "error":
                error = outcome["error"]
                raise Wrong(400, error["code"], error["message"], error["param"])
    return service


def _session(question: Question, settings: Fields) -> Service:
    """The session that *settings* make, with a deployment that exists."""
    transcription = settings.get("type") == "transcription"
    deployment = settings.get("model")
    if not transcription:
        if not isinstance(deployment, str) or not deployment:
            raise missing("session.model")
        question.meet(deployment)
    service = Service(str(deployment or ""), transcription=transcription, lifetime=question.house.session_lifetime)
    return configure(service, settings)


def _secret(question: Question, settings: Fields, seconds: int) -> Fields:
    """An ephemeral token for a session of *settings*."""
    now, kept = question.house.clock.now(), question.memory.secrets
    for old in [token for token, (until, _) in kept.items() if until <= now]:
        del kept[old]
    value = f"ek_{secrets.token_hex(16)}"
    kept[value] = (now + seconds, settings)
    return {"value": value, "expires_at": int(now) + seconds}


class _Expiry(BaseModel):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7200)] = SECRET_LIFETIME


class _ClientSecret(Body):
    expires_after: _Expiry = _Expiry()
    session: Fields = Field(default_factory=dict[str, object])


async def client_secrets(question: Question) -> Answered:
    body = _ClientSecret.of(question.asked)
    settings = {"type": "realtime", **body.session}
    if settings["type"] not in ("realtime", "transcription"):
        said = f"The session type '{settings['type']}' is not supported: use realtime or transcription."
        raise Wrong(400, "InvalidSessionType", said, "session.type")
    session = _session(question, settings).session
    return answered({**_secret(question, settings, body.expires_after.seconds), "session": session})


class _Flat(Body):
    model_config = ConfigDict(extra="allow")


async def sessions(question: Question) -> Answered:
    return _dated(question, "realtime")


async def transcription_sessions(question: Question) -> Answered:
    return _dated(question, "transcription")


def _dated(question: Question, kind: str) -> Answered:
    """A session of the preview, in its flat words."""
    flat = _Flat.of(question.asked).model_dump()
    flat.pop("client_secret", None)
    settings = {**from_dated({"type": "session.update", "session": flat})["session"], "type": kind}
    made = server_to_dated(_session(question, settings).created()) or {}
    return answered({**made["session"], "client_secret": _secret(question, settings, DATED_SECRET_LIFETIME)})


async def calls(question: Question) -> Answered:
    """An offer in SDP, for the session of the ephemeral token or of the form; the answer turns its streams down."""
    until, settings = question.memory.secrets.get(question.asked.bearer, (0.0, {}))
    if until <= question.house.clock.now():
        raise Denied(_NEEDS_TOKEN)
    offer = question.asked.body
    if question.asked.content_type.lower().startswith("multipart/form-data"):
        form = form_of(question.asked)
        offer = _bytes(form.get("sdp"))
        settings = {**settings, **_parsed(form.get("session"))}
    if not offer.startswith(b"v=0"):
        raise Wrong(400, "invalid_offer", "The body is no SDP offer: it does not begin with 'v=0'.", "sdp")
    _session(question, settings)
    call_id = f"rtc_{secrets.token_hex(12)}"
    question.house.door.calls[call_id] = Call(settings)
    # Without the beginning that other paths have: so it was recorded.
    headers = {"content-type": "application/sdp", "location": f"/v1/realtime/calls/{call_id}"}
    return Answered(201, declined(offer), headers)


def _bytes(value: object) -> bytes:
    content = getattr(value, "content", value)
    return content.encode() if isinstance(content, str) else content if isinstance(content, bytes) else b""


def _parsed(value: object) -> Fields:
    try:
        fields = from_json(_bytes(value) or b"{}")
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Wrong(400, "invalid_type", "Invalid type for 'session': it is not a JSON object.", "session")
    return fields


def declined(offer: bytes) -> bytes:
    """The answer to *offer* that takes none of its streams: each has port 0 (RFC 3264 §6)."""
    said = ["v=0", f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1", "s=emulator of realtime_azure", "t=0 0"]
    for line in offer.decode("utf-8", "replace").splitlines():
        if line.startswith("m="):
            kind, _, formats = line.partition(" ")[0], *line.partition(" ")[2].partition(" ")[1:]
            said += [f"{kind} 0 {formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
        elif line.startswith("a=mid:"):
            said.append(line)
    return "\r\n".join([*said, ""]).encode()


class _Accept(_Flat):
    type: str = "realtime"


async def accept(question: Question) -> Answered:
    """Any call that is not known is one that comes in: the emulator's telephone rings for whoever picks it up."""
    (call_id,) = question.names
    settings = _Accept.of(question.asked).model_dump()
    _session(question, settings)
    question.house.door.calls[call_id] = Call(settings)
    return Answered()


async def reject(question: Question) -> Answered:
    _over(question, question.names[0])
    return Answered()


class _Refer(Body):
    target_uri: str


async def refer(question: Question) -> Answered:
    _Refer.of(question.asked)
    return _left(question)


async def hangup(question: Question) -> Answered:
    return _left(question)


def _over(question: Question, call_id: str) -> bool:
    """Ends the call, for whoever is beside it, too; False if there is none."""
    call = question.house.door.calls.pop(call_id, None)
    if call is not None:
        call.hung_up.set()
    return call is not None


def _left(question: Question) -> Answered:
    """Ends a call that goes on."""
    (call_id,) = question.names
    if not _over(question, call_id):
        raise Wrong(404, "call_id_not_found", f"No call with the id '{call_id}'.", "call_id")
    return Answered()
