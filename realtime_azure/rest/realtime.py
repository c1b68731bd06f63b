"""What a realtime session wants over HTTP: ephemeral tokens for a browser, and calls, by WebRTC or telephone.

Sources: Azure's realtime WebRTC and SIP how-tos; what `calls` wants of a token was seen of the service.
"""

from collections.abc import Mapping
from typing import Any, Unpack

from pydantic import Field

from ..auth import BearerToken
from ..errors import AnswerError, ConfigurationError, request_id_of
from ..events._base import Part
from .call import Caller, CallOptions, Verb, as_json, given
from .result import Result, came_with
from .upload import Field as FormField


class ClientSecret(Result):
    """An ephemeral token: *value* signs in until *expires_at* (seconds since 1970), for *session* alone."""

    value: str | None = Field(None, repr=False)
    expires_at: int | None = None
    session: dict[str, Any] | None = None


class EphemeralToken(Part):
    """What signs in until *expires_at*, in seconds since 1970."""

    value: str | None = Field(None, repr=False)
    expires_at: int | None = None


class EphemeralSession(Result):
    """A session of the preview, in its flat words, and the *client_secret* that opens it."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    client_secret: EphemeralToken | None = None


class RealtimeCall(Result):
    """A call that was taken: `connect(call_id=…)` listens in and takes part; *sdp* goes back to who offered."""

    call_id: str
    sdp: str


class SecretOptions(CallOptions, total=False):
    """*expires_after* is `{"anchor": "created_at", "seconds": 10 … 7200}`."""

    expires_after: Mapping[str, Any]


_SECRET = Verb("realtime/client_secrets", SecretOptions)
_SESSION = Verb("realtime/sessions", has_model=True)
_DATED_SESSION = Verb("realtimeapi/sessions", has_model=True)  # so it is called there, in no SDK but in Azure's how-to
_TRANSCRIPTION = Verb("realtime/transcription_sessions")
_CALLS = Verb("realtime/calls")
_ACCEPT = Verb("realtime/calls/{call_id}/accept")
_REJECT = Verb("realtime/calls/{call_id}/reject")
_REFER = Verb("realtime/calls/{call_id}/refer")
_HANGUP = Verb("realtime/calls/{call_id}/hangup")


def _v1(caller: Caller) -> Caller:
    if caller.endpoint.dated:
        raise ConfigurationError("client_secrets and calls exist only in v1; use api_version='v1'")
    return caller


class ClientSecrets:
    """`client.realtime.client_secrets`; in v1 only."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        *,
        session: Mapping[str, Any] | None = None,
        model: str | None = None,
        **options: Unpack[SecretOptions],
    ) -> ClientSecret:
        """A token that a browser may have: it signs in for a session with the settings of *session*, and no other.

        *session* is that of `session.update`. It is for the deployment *model*, else its own `model`, else the client's
        deployment. Raises `ConnectError`, of which `StatusError` is what the service refuses with.
        """
        caller = _v1(self._caller)
        made = {"type": "realtime", **(session or {})}
        if made["type"] == "realtime":
            made["model"] = caller.deployment(made.get("model") if model is None else model)
        return await caller.result(_SECRET, ClientSecret, options, body={"session": made})


class Sessions:
    """`client.realtime.sessions`; of the preview, now `client_secrets`."""

    def __init__(self, caller: Caller, verb: Verb) -> None:
        self._caller = caller
        self._verb = verb

    async def create(
        self,
        *,
        session: Mapping[str, Any] | None = None,
        model: str | None = None,
        **options: Unpack[CallOptions],
    ) -> EphemeralSession:
        """A session with the settings of *session*, in the preview's flat words, and the token that opens it."""
        body = {**(session or {}), **given(model=model)}
        return await self._caller.result(self._verb, EphemeralSession, options, body=body)


class Calls:
    """`client.realtime.calls`; in v1 only."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        *,
        sdp: str,
        client_secret: ClientSecret | str,
        session: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> RealtimeCall:
        """Offers a WebRTC call: *sdp* is the browser's offer (RFC 8866), the result has the answer and the call's id.

        Azure takes an ephemeral token for it, and neither a key nor a person's: *client_secret* is one of
        `client_secrets.create`. *session* adds to its settings. Raises `ConnectError`.
        """
        token = client_secret.value if isinstance(client_secret, ClientSecret) else client_secret
        signs = BearerToken(token or "", source="client_secret")
        headers = {"accept": "application/sdp"}
        what: dict[str, Any] = {"content": sdp.encode()}
        if session is None:
            headers["content-type"] = "application/sdp"
        else:
            what = {
                "form": {},
                "files": [
                    ("sdp", FormField(sdp.encode(), "application/sdp")),
                    ("session", FormField(as_json(session), "application/json")),
                ],
            }
        response = await _v1(self._caller).call(_CALLS, options, headers=headers, credential=signs, **what)
        # The path has not the beginning that others have: /v1/realtime/calls/rtc_….
        call_id = response.headers.get("location", "").partition("?")[0].rstrip("/").rpartition("/")[2]
        if not call_id:
            said = "the answer does not say the call's id (location)"
            raise AnswerError(said, request_id=request_id_of(response.headers), body=response.content)
        return came_with(RealtimeCall(call_id=call_id, sdp=response.text), response.content, response.headers)

    async def accept(
        self,
        call_id: str,
        *,
        session: Mapping[str, Any] | None = None,
        model: str | None = None,
        **options: Unpack[CallOptions],
    ) -> None:
        """Takes the telephone call that a webhook announced (`realtime.call.incoming`), with *session*'s settings.

        It is for the deployment *model*, else the session's own `model`, else the client's. Raises `ConnectError`.
        """
        caller = _v1(self._caller)
        made = {"type": "realtime", **(session or {})}
        made["model"] = caller.deployment(made.get("model") if model is None else model)
        await caller.call(_ACCEPT.of(call_id=call_id), options, body=made)

    async def reject(self, call_id: str, *, status_code: int | None = None, **options: Unpack[CallOptions]) -> None:
        """Does not take it; *status_code* is SIP's, 603 (declined) unless said. Raises `ConnectError`."""
        await _v1(self._caller).call(_REJECT.of(call_id=call_id), options, body=given(status_code=status_code))

    async def refer(self, call_id: str, *, target_uri: str, **options: Unpack[CallOptions]) -> None:
        """Puts it through to *target_uri*, `tel:+1…` or `sip:…` (SIP's REFER). Raises `ConnectError`."""
        await _v1(self._caller).call(_REFER.of(call_id=call_id), options, body={"target_uri": target_uri})

    async def hangup(self, call_id: str, **options: Unpack[CallOptions]) -> None:
        """Ends it. Raises `ConnectError`."""
        await _v1(self._caller).call(_HANGUP.of(call_id=call_id), options)


class Realtime:
    """`client.realtime`."""

    def __init__(self, caller: Caller) -> None:
        self.client_secrets = ClientSecrets(caller)
        self.sessions = Sessions(caller, _DATED_SESSION if caller.endpoint.dated else _SESSION)
        self.transcription_sessions = Sessions(caller, _TRANSCRIPTION)
        self.calls = Calls(caller)
