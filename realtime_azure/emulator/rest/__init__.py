"""What the service answers over HTTP, beside its websockets: a request in, an answer out, and no socket.

Both forms of the URL: `/openai/deployments/{deployment}/…?api-version=` (and `/openai/…` for what belongs to no
deployment), and `/openai/v1/…` with the deployment as `model`. What is said comes from the same responder, transcriber
and speaker as in a realtime session.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Literal
from urllib.parse import unquote

from websockets.http11 import Request

from ...errors import ConfigurationError, Refusal
from ..handshake import BAD_VERSION, NO_HANDSHAKE, asked_for
from . import chat, completions, embeddings, files, images, models, realtime, responses, sound
from .exchange import Answered, Asked, Denied, House, Memory, Question, Wrong, refusing

__all__ = ["Answered", "Asked", "House", "Rest"]

logger = logging.getLogger("realtime_azure.emulator")

_Place = Literal["deployment", "resource", "v1"]
_Verb = Callable[[Question], Awaitable[Answered]]

_ROUTES: dict[str, tuple[_Place, dict[str, _Verb]]] = {
    "chat/completions": ("deployment", {"POST": chat.create}),
    "completions": ("deployment", {"POST": completions.create}),
    "embeddings": ("deployment", {"POST": embeddings.create}),
    "audio/speech": ("deployment", {"POST": sound.speech}),
    "audio/transcriptions": ("deployment", {"POST": sound.transcriptions}),
    "audio/translations": ("deployment", {"POST": sound.translations}),
    "images/generations": ("deployment", {"POST": images.generations}),
    "images/edits": ("deployment", {"POST": images.edits}),
    "responses": ("resource", {"POST": responses.create}),
    "responses/{}": ("resource", {"GET": responses.retrieve, "DELETE": responses.delete}),
    "models": ("resource", {"GET": models.listing}),
    "models/{}": ("resource", {"GET": models.retrieve}),
    "files": ("resource", {"GET": files.listing, "POST": files.upload}),
    "files/{}": ("resource", {"GET": files.retrieve, "DELETE": files.delete}),
    "files/{}/content": ("resource", {"GET": files.content}),
    "realtime/sessions": ("resource", {"POST": realtime.sessions}),
    "realtimeapi/sessions": ("resource", {"POST": realtime.sessions}),
    "realtime/transcription_sessions": ("resource", {"POST": realtime.transcription_sessions}),
    "realtime/client_secrets": ("v1", {"POST": realtime.client_secrets}),
    "realtime/calls": ("v1", {"POST": realtime.calls}),
    "realtime/calls/{}/accept": ("v1", {"POST": realtime.accept}),
    "realtime/calls/{}/reject": ("v1", {"POST": realtime.reject}),
    "realtime/calls/{}/refer": ("v1", {"POST": realtime.refer}),
    "realtime/calls/{}/hangup": ("v1", {"POST": realtime.hangup}),
}
"""What is asked → where it is in the dated form (`v1`: nowhere), and who answers."""

_PATTERNS = [(re.compile(path.replace("{}", "([^/]+)")), path) for path in _ROUTES]
_PLACES: tuple[tuple[_Place, re.Pattern[str]], ...] = (
    ("v1", re.compile("/openai/v1/()(.+)")),
    ("deployment", re.compile("/openai/deployments/([^/]+)/(.+)")),
    ("resource", re.compile("/openai/()(.+)")),
)


@dataclass(frozen=True)
class _Found:
    """Where a request leads: in which form, to which *deployment* (of its path), with which *names* in it."""

    place: _Place
    path: str
    deployment: str
    names: tuple[str, ...]


def _find(path: str) -> _Found | None:
    for place, form in _PLACES:
        if (placed := form.fullmatch(path)) is None:
            continue
        for pattern, route in _PATTERNS:
            names = pattern.fullmatch(placed[2])
            if names is not None and place in ("v1", _ROUTES[route][0]):
                return _Found(place, route, unquote(placed[1]), tuple(map(unquote, names.groups())))
    return None


class Rest:
    """The endpoints of one emulator, which is the *house*."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._memory = Memory()

    async def answer(self, asked: Asked) -> Answered:
        """What the service answers to *asked*, whatever that is."""
        question = Question(asked, self._house, self._memory)
        try:
            made = await self._answer(question)
        except Denied as denied:
            made = refusing(denied.refusal)
        except Wrong as wrong:
            made = wrong.answered()
        except Exception:
            logger.exception("a request could not be answered")
            said = "The emulator had an error while processing your request; its log says which."
            made = Wrong(500, "InternalServerError", said, kind="server_error").answered()
        logger.info("%s %s: %d", asked.method, asked.path, made.status)
        signature = {"date": formatdate(self._house.clock.now(), usegmt=True), "x-ms-region": "emulator"}
        signature |= {name: str(uuid.uuid4()) for name in ("apim-request-id", "x-request-id")}
        return replace(made, headers={**signature, **question.headers, **made.headers})

    async def _answer(self, question: Question) -> Answered:
        asked, door = question.asked, self._house.door
        if self._house.refusals:
            raise Denied(self._house.refusals.popleft())
        try:
            refused = self._house.faults.refusal(asked_for(asked.target))
        except ConfigurationError as exc:
            raise Wrong(400, "BadRequest", str(exc)) from exc
        if refused is not None:
            raise Denied(refused)
        found = _find(asked.path)
        if found is None or (found.place != "v1" and not asked.query.get("api-version")):
            said = door.examine(Request(asked.target, asked.headers))
            raise Denied(said if isinstance(said, Refusal) else replace(NO_HANDSHAKE, status=426))
        if found.path != "realtime/calls" and (refusal := door.refusal_of(asked.headers)) is not None:
            raise Denied(refusal)
        if found.place == "v1" and asked.query.get("api-version", "v1") not in ("v1", "preview"):
            raise Denied(BAD_VERSION)
        question.names, question.deployment = found.names, found.deployment
        if found.deployment:
            question.meet(found.deployment)
        verbs = _ROUTES[found.path][1]
        if asked.method not in verbs:
            allowed = {"allow": ", ".join(verbs)}
            raise Wrong(405, "405", f"The method {asked.method} is not allowed here.", headers=allowed)
        return await verbs[asked.method](question)
