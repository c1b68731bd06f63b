"""Bytes ↔ events. Reading never fails; writing is checked before anything is sent."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pybase64
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from ..errors import InvalidEvent
from ._base import OTHER, Event
from ._salvage import Path, path_in, take_out, unreadable
from .client import ClientEvent, InputAudioBufferAppend, KnownClientEvent, TaggedClientEvent
from .parts import ITEM_KINDS, OtherItem, PreviewSession, Session
from .preview import VOICE_LIVE_CLIENT_TYPES, VOICE_LIVE_SERVER_TYPES, in_ga
from .server import ServerEvent, TaggedServerEvent, UnknownEvent
from .settings import TOOL_KINDS, OtherTool

# The first event of a call is no time to compile a schema, and neither is the import, which it would make a tenth
# dearer: `prepare` builds these while connecting.
_SERVER: TypeAdapter[ServerEvent] = TypeAdapter(TaggedServerEvent, config=ConfigDict(defer_build=True))
_CLIENT: TypeAdapter[Any] = TypeAdapter(TaggedClientEvent, config=ConfigDict(defer_build=True))
_CLIENT_CLASSES = frozenset(get_args(ClientEvent))
_HALF_A_PAIR = "half of a surrogate pair was replaced"
_TAG_ERRORS = {"union_tag_invalid", "union_tag_not_found"}
_IN_OUR_WORDS = {
    "extra_forbidden": "there is no such field",
    "missing": "this is needed",
    "bytes_type": "give bytes of PCM; base64 is done here",
}
_set = object.__setattr__  # events are frozen for everybody else

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Bytes = bytes | bytearray | memoryview
"""What is taken where PCM is asked for."""

MOST_SOUND = 15 << 20
"""Bytes of sound that one append may have (Azure's reference of the realtime API)."""

LONGEST = 14_000
"""Bits of the longest integer that Python, pydantic and most others read or write: some 4200 digits."""


class _VoiceLive(NamedTuple):
    """What reads and writes the events that only Voice Live has."""

    server: TypeAdapter[Any]
    client: TypeAdapter[Any]


@cache
def _voice_live() -> _VoiceLive:
    from . import voice_live  # noqa: PLC0415 - importing it is dear, and most programs never meet one of its events

    voice_live.VoiceLiveSession.model_rebuild()
    return _VoiceLive(
        TypeAdapter(voice_live.TaggedVoiceLiveServerEvent), TypeAdapter(voice_live.TaggedVoiceLiveClientEvent)
    )


def prepare(*, voice_live: bool = False) -> None:
    """Builds what reads and writes events, if it is not built yet (about 20 ms): `connect` and the emulator call it.

    Who decodes without a connection may call it first; else the first event does it. With *voice_live*, what only
    Voice Live has, too.
    """
    _SERVER.rebuild()
    _CLIENT.rebuild()
    UnknownEvent.model_rebuild()
    for session in (PreviewSession, Session):  # the first event of a dated connection is asked for its GA view
        session.model_rebuild()
    if voice_live:
        _voice_live()


def _read(message: bytes) -> ServerEvent:
    event: ServerEvent = _SERVER.validator.validate_json(message)
    return event


def _read_voice_live(message: bytes) -> ServerEvent:
    event: ServerEvent = _voice_live().server.validate_json(message)
    return event


def decode(message: Bytes | str) -> ServerEvent:
    """The event in *message*, one JSON text. Never raises.

    A message of an unknown type, or one that is not JSON, is an `UnknownEvent`. A known type keeps its class:
    what in it could not be read is left unset and named in `event.problems`. `event.raw` is the message.
    """
    if not isinstance(message, bytes):
        message = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else bytes(message)
    try:
        event: ServerEvent = _read(message)
    except ValidationError:
        event = _salvage(message)
    _set(event, "_raw", message)
    return event


def _salvage(message: bytes) -> ServerEvent:
    """What can be read of *message*: what cannot is taken out, until the rest is an event."""
    try:
        fields, repaired = _parse(message)
    except (ValueError, RecursionError) as exc:
        return _unknown({}, f"not JSON: {exc}")
    if not isinstance(fields, dict):
        return _unknown({}, "not a JSON object")
    kind = fields.get("type")
    read = _read_voice_live if isinstance(kind, str) and kind in VOICE_LIVE_SERVER_TYPES else _read
    problems: dict[Path, str] = {(): _HALF_A_PAIR} if repaired else {}
    while True:
        try:
            event = read(to_json(fields, inf_nan_mode="constants"))
        except ValidationError as exc:
            found = _unreadable(fields, exc)
        else:
            _set(event, "_problems", tuple(problems.values()))
            return event
        if found is None:
            return _unknown(fields, *problems.values(), *(["unknown type"] if problems else ()))
        if () in found:  # what the class cannot do without, as a delta its payload, is not there
            needed = found[()]
            lost = problems.pop((needed.partition(":")[0],), needed)
            return _unknown(fields, *problems.values(), lost)
        problems = found | problems  # the first word about a place stays: later ones may be of a list that has shrunk
        take_out(fields, found)


def _parse(message: bytes) -> tuple[Any, bool]:
    """JSON, and whether it had half of a surrogate pair, which its grammar lets stand alone, and which is replaced."""
    try:
        return from_json(message), False
    except ValueError:
        if not _SURROGATE.search(message):
            raise
    text = json.dumps(json.loads(message), ensure_ascii=False)
    return from_json(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")), True


def _unreadable(fields: dict[str, Any], error: ValidationError) -> dict[Path, str] | None:
    """Where *fields* cannot be read, and why; None if there is no such event at all."""
    kinds = {problem["type"] for problem in error.errors(include_url=False, include_context=False, include_input=False)}
    # The first step of each place is the event's own type.
    return None if kinds & _TAG_ERRORS else unreadable(fields, error, tagged=True)


def _unknown(fields: dict[str, Any], *problems: str) -> UnknownEvent:
    readable = dict(fields)
    for name in ("type", "event_id"):
        if not isinstance(readable.get(name), str | None) or (name == "type" and readable.get(name) is None):
            readable.pop(name, None)
    event = UnknownEvent.model_validate(readable)
    _set(event, "_problems", problems)
    return event


def encode(event: ClientEvent | Mapping[str, Any], *, extra: bool = False, voice_live: bool = False) -> bytes:
    """*event* as it goes on the wire, in GA vocabulary, or, with *voice_live*, in that of Voice Live.

    A plain mapping is checked like a model: a field that does not exist, a value of the wrong kind or one that is not
    among those listed, or a type that is not a client event raises `InvalidEvent`, which names the path
    (`session.audio.output.speed`). With *extra*, fields and values that are newer than this version are let through.
    """
    if isinstance(event, InputAudioBufferAppend) and not event.model_extra:
        return encode_append(event.audio, event.event_id)
    return dump(checked(event, extra=extra, voice_live=voice_live))


def dump(event: ClientEvent) -> bytes:
    """*event* as JSON, without checking it again."""
    adapter = _CLIENT if type(event) in _CLIENT_CLASSES else _voice_live().client
    try:
        return adapter.dump_json(event, exclude_unset=True)
    except PydanticSerializationError as exc:
        problem = f"{event.type}: {exc}"
    raise InvalidEvent(problem)


def read_client_event(message: bytes, *, extra: bool = False) -> KnownClientEvent:
    """The client event in *message*, one JSON text, checked as the service does: for who emulates it.

    With *extra*, fields that GA does not have are kept. Raises pydantic's `ValidationError`.
    """
    event: KnownClientEvent = _CLIENT.validate_json(message, extra="allow" if extra else "forbid")
    return event


def check_voice_live_event(message: bytes) -> None:
    """Raises pydantic's `ValidationError` if *message*, in Voice Live's own words, is not what Voice Live takes."""
    _voice_live().client.validate_json(message, extra="forbid")


def checked(event: ClientEvent | Mapping[str, Any], *, extra: bool = False, voice_live: bool = False) -> ClientEvent:
    """*event* as a model, with its fields checked as `encode` does."""
    if not isinstance(event, Event | Mapping):
        raise InvalidEvent(f"an event is a model of realtime_azure.events or a mapping, not {type(event).__name__}")
    plain: dict[str, Any] = {}
    try:
        plain = _plain(event, "")
        if isinstance(event, Event):
            plain["type"] = event.type
        own = voice_live and (_is_voice_lives(plain.get("type")) or not in_ga(plain))
        adapter = _voice_live().client if own else _CLIENT
        made: ClientEvent = adapter.validate_python(plain, extra="allow" if extra else "forbid")
    except ValidationError as exc:
        problem = _explain(plain, exc)
    except RecursionError:
        problem = "an event cannot be nested so deep, nor contain itself"
    else:
        wrong = () if extra else tuple(_not_listed(made, ""))
        if not wrong:
            if extra:
                _spell_sound(made)
            return made
        problem = f"{made.type}: {'; '.join(wrong)}"
    # Not in the except: pydantic's error holds the values, somebody's voice perhaps, and would go along as the context.
    raise InvalidEvent(problem)


def _is_voice_lives(kind: Any) -> bool:
    """Whether *kind*, which may be anything, is the type of an event that only Voice Live takes."""
    return isinstance(kind, str) and kind in VOICE_LIVE_CLIENT_TYPES


def _not_listed(value: Any, path: str) -> Iterator[str]:
    """Where in *value* something is that its class does not list, and what is listed."""
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from _not_listed(each, f"{path}.{at}")
    if not isinstance(value, BaseModel):
        return
    for name in type(value).model_fields:  # in their order: that of a set is another in each run
        if name not in value.model_fields_set:
            continue
        here, given = f"{path}.{name}".lstrip("."), getattr(value, name)
        listed = _listed(type(value)).get(name)
        if listed and any(isinstance(each, str) and each not in listed for each in _each(given)):
            yield f"{here}: this is one of {', '.join(listed)}"
        yield from _not_listed(given, here)


def _spell_sound(value: Any) -> None:
    """Writes bytes as base64 where no class does it: in fields that are newer than this version."""
    if isinstance(value, list):
        for each in value:
            _spell_sound(each)
    if not isinstance(value, BaseModel):
        return
    for name in type(value).model_fields.keys() & value.model_fields_set:
        _spell_sound(getattr(value, name))
    newer = value.model_extra or {}
    newer |= {name: _spelt(each) for name, each in newer.items()}


def _spelt(value: Any) -> Any:
    match value:
        case bytes():
            return pybase64.b64encode(value).decode("ascii")
        case dict():
            return {name: _spelt(each) for name, each in value.items()}
        case list():
            return [_spelt(each) for each in value]
        case _:
            return value


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache
def _listed(model: type[BaseModel]) -> Mapping[str, tuple[str, ...]]:
    """The fields of *model* whose values are listed: those that a reader takes as `Literal[…] | str`."""
    found = {name: tuple(_literals(field.annotation)) for name, field in model.model_fields.items()}
    return {name: values for name, values in found.items() if values} | _KINDS.get(model, {})


def _literals(annotation: Any) -> Iterator[str]:
    for part in get_args(annotation):
        yield from (part,) if get_origin(annotation) is Literal else _literals(part)


_KINDS: dict[type[BaseModel], dict[str, tuple[str, ...]]] = {
    OtherItem: {"type": ITEM_KINDS},
    OtherTool: {"type": TOOL_KINDS},
}


def _plain(value: Any, path: str) -> Any:
    """*value* without models and views, so that all of it is checked."""
    match value:
        case BaseModel():
            given = {name: getattr(value, name) for name in value.model_fields_set} | (value.model_extra or {})
            return _plain(given, path)
        case Mapping():
            return {name: _plain(each, _below(path, name)) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each, f"{path}.{at}") for at, each in enumerate(value)]
        case bytearray() | memoryview():
            return bytes(value)
        case float() if not math.isfinite(value):
            raise InvalidEvent(f"{path}: {value} is not a number that JSON can say")
        case int() if value.bit_length() > LONGEST:
            raise InvalidEvent(f"{path}: this number is longer than any reader takes")
        case _:
            return value


def _below(path: str, name: Any) -> str:
    if isinstance(name, int) and name.bit_length() > LONGEST:
        raise InvalidEvent(f"{path or 'the event'}: a field is named by text, not by a number")
    return f"{path}.{name}" if path else str(name)


def _explain(event: dict[str, Any], error: ValidationError) -> str:
    """One line for a person. Values are left out: they may be somebody's voice."""
    said: list[str] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        kind, loc = problem["type"], problem["loc"]
        if kind in _TAG_ERRORS:
            name = event.get("type", "an event without a type")
            reason = ": only Voice Live has it" if _is_voice_lives(name) else ""
            return f"{name!r} is not an event that can be sent{reason}"
        if kind == "extra_forbidden" and OTHER in loc:  # not the field is wrong, the kind is
            where = path_in(event, loc[1 : loc.index(OTHER)])
            kinds = TOOL_KINDS if "tools" in where else ITEM_KINDS
            said.append(f"{'.'.join(map(str, where))}.type: this is one of {', '.join(kinds)}")
            continue
        path = [*path_in(event, loc[1:]), *(loc[-1:] if kind == "missing" else ())]
        said.append(f"{'.'.join(map(str, path))}: {_IN_OUR_WORDS.get(kind, problem['msg'])}")
    return f"{event['type']}: {'; '.join(dict.fromkeys(said))}"


def encode_append(audio: Bytes, event_id: str | None = None) -> bytes:
    """`input_audio_buffer.append`, built by hand: it is sent many times a second."""
    if not isinstance(audio, bytes | bytearray | memoryview):
        kind = type(audio).__name__
        raise InvalidEvent(f"input_audio_buffer.append: audio must be bytes of PCM, not {kind}; base64 is done here")
    if (audio.nbytes if isinstance(audio, memoryview) else len(audio)) > MOST_SOUND:
        raise InvalidEvent(
            f"input_audio_buffer.append: audio is of more than {MOST_SOUND >> 20} MiB; send it in pieces"
        )
    head = b'{"type":"input_audio_buffer.append",'
    if event_id is not None:
        if not isinstance(event_id, str):
            raise InvalidEvent(f"input_audio_buffer.append: event_id is text, not {type(event_id).__name__}")
        head += b'"event_id":' + json.dumps(event_id).encode() + b","
    if isinstance(audio, memoryview) and not audio.c_contiguous:
        audio = audio.tobytes()
    return head + b'"audio":"' + pybase64.b64encode(audio) + b'"}'
