"""Bytes ↔ events. Reading never fails; writing is checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pybase64
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ..errors import InvalidEvent
from ._base import Event
from .client import ClientEvent, InputAudioBufferAppend, TaggedClientEvent
from .server import ServerEvent, TaggedServerEvent, UnknownEvent

# Both are built on import: the first event of a call is no time to compile a schema.
_SERVER: TypeAdapter[ServerEvent] = TypeAdapter(TaggedServerEvent)
_CLIENT: TypeAdapter[ClientEvent] = TypeAdapter(TaggedClientEvent)
UnknownEvent.model_rebuild()
_read: Callable[[bytes], ServerEvent] = _SERVER.validator.validate_json
_TAG_ERRORS = ("union_tag_invalid", "union_tag_not_found")
_IN_OUR_WORDS = {
    "extra_forbidden": "there is no such field",
    "missing": "this is needed",
    "bytes_type": "give bytes of PCM; base64 is done here",
}
_set = object.__setattr__  # events are frozen for everybody else

Bytes = bytes | bytearray | memoryview
"""What is taken where PCM is asked for."""


def decode(message: bytes | str) -> ServerEvent:
    """The event in *message*, one JSON text. Never raises.

    A message of an unknown type, or one that is not JSON, is an `UnknownEvent`. A known type keeps its class:
    what in it could not be read is left unset and named in `event.problems`. `event.raw` is the message.
    """
    if isinstance(message, str):
        message = message.encode("utf-8", "surrogatepass")
    try:
        event: ServerEvent = _read(message)
    except ValidationError as exc:
        event = _salvage(message, exc)
    _set(event, "_raw", message)
    return event


def _salvage(message: bytes, error: ValidationError) -> ServerEvent:
    """What can be read of *message*: each unreadable part is taken out, until the rest is an event."""
    try:
        fields = from_json(message)
    except ValueError as exc:
        return _unknown({}, f"not JSON: {exc}")
    if not isinstance(fields, dict):
        return _unknown({}, "not a JSON object")
    problems: list[str] = []
    while True:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] in _TAG_ERRORS:
            return _unknown(fields)
        path = _path_in(fields, first["loc"])
        if not path:  # what the class cannot do without, as a delta its payload, is not there
            return _unknown(fields, *problems, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")
        problems.append(f"{'.'.join(map(str, path))}: {first['msg']}")
        _remove(fields, path)
        try:
            event = _read(to_json(fields, inf_nan_mode="constants"))
        except ValidationError as exc:
            error = exc
        else:
            _set(event, "_problems", tuple(problems))
            return event


def _unknown(fields: dict[str, Any], *problems: str) -> UnknownEvent:
    readable = dict(fields)
    for name in ("type", "event_id"):
        if name in readable and not isinstance(readable[name], str):
            del readable[name]
    event = UnknownEvent.model_validate(readable)
    _set(event, "_problems", problems)
    return event


def _path_in(fields: dict[str, Any], loc: tuple[int | str, ...]) -> list[int | str]:
    """*loc* as far as it leads through *fields*; pydantic puts the names of union members in between."""
    path: list[int | str] = []
    here: Any = fields
    for step in loc:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(step)
    return path


def _remove(fields: dict[str, Any], path: list[int | str]) -> None:
    here: Any = fields
    for step in path[:-1]:
        here = here[step]
    del here[path[-1]]


def encode(event: ClientEvent | Mapping[str, Any]) -> bytes:
    """*event* as it goes on the wire, in GA vocabulary.

    A plain mapping is checked like a model: a field that does not exist, a value of the wrong kind or a type
    that is not a client event raises `InvalidEvent`, which names the path (`session.audio.output.speed`).
    """
    if isinstance(event, InputAudioBufferAppend) and not event.model_extra:
        return encode_append(event.audio, event.event_id)
    return dump(checked(event))


def dump(event: ClientEvent) -> bytes:
    """*event* as JSON, without checking it again."""
    return _CLIENT.dump_json(event, exclude_unset=True)


def read_client_event(message: bytes) -> ClientEvent:
    """The client event in *message*, one JSON text, checked as the service does: for who emulates it.

    Raises pydantic's `ValidationError`.
    """
    return _CLIENT.validate_json(message, extra="forbid")


def checked(event: ClientEvent | Mapping[str, Any]) -> ClientEvent:
    """*event* as a model, with its fields checked as `encode` does."""
    if isinstance(event, Event):
        event = event.model_dump(exclude_unset=True) | {"type": event.type}
    elif not isinstance(event, Mapping):
        raise InvalidEvent(f"an event is a model of realtime_azure.events or a mapping, not {type(event).__name__}")
    try:
        made = _CLIENT.validate_python(dict(event), extra="forbid")
    except ValidationError as exc:
        raise InvalidEvent(_explain(dict(event), exc)) from None
    # A default `type` counts as unset, and would not be written.
    made.model_fields_set.add("type")
    return made


def _explain(event: dict[str, Any], error: ValidationError) -> str:
    """One line for a person. Values are left out: they may be somebody's voice."""
    said: list[str] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        kind, loc = problem["type"], problem["loc"]
        if kind in _TAG_ERRORS:
            return f"{event.get('type', 'an event without a type')!r} is not an event that can be sent"
        path = _path_in(event, loc)
        if kind == "missing":
            path.append(loc[-1])
        said.append(f"{'.'.join(map(str, path))}: {_IN_OUR_WORDS.get(kind, problem['msg'])}")
    return f"{event['type']}: {'; '.join(dict.fromkeys(said))}"


def encode_append(audio: Bytes, event_id: str | None = None) -> bytes:
    """`input_audio_buffer.append`, built by hand: it is sent many times a second."""
    if not isinstance(audio, bytes | bytearray | memoryview):
        kind = type(audio).__name__
        raise InvalidEvent(f"input_audio_buffer.append: audio must be bytes of PCM, not {kind}; base64 is done here")
    head = b'{"type":"input_audio_buffer.append",'
    if event_id is not None:
        head += b'"event_id":' + json.dumps(event_id).encode() + b","
    return head + b'"audio":"' + pybase64.b64encode(audio) + b'"}'
