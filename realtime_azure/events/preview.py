"""The dated (preview) dialect: what it calls things, in both directions.

The code of this package and of its users speaks GA. Here, and nowhere else, that is translated: `to_dated` for
what a client sends, `from_dated` and `server_to_dated` for the emulator, which is at the other end.

Source: Azure's preview-to-GA migration guide and the preview reference (realtime-audio-reference, 2025-04-01).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidEvent

Fields = dict[str, Any]

SERVER_NAMES = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}
"""GA name → dated name, where they differ. `conversation.item.done` does not exist there."""

_ITEMS = ("message", "function_call", "function_call_output")
_CONTENT_TYPES = {"output_text": "text", "output_audio": "audio"}
_GA_CONTENT_TYPES = {dated: ga for ga, dated in _CONTENT_TYPES.items()}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_GA_FORMATS: dict[str, Fields] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


def _unsayable(value: Any) -> Any:
    raise _Unsayable


def _as_is(value: Any) -> Any:
    return value


class _Unsayable(ValueError):
    """A value that a dated connection has no word for."""


def _format(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    name = _FORMATS.get(str(value.get("type")))
    if name is None or value.get("rate") not in (None, 24000 if name == "pcm16" else 8000):
        raise _Unsayable
    return name


def _ga_format(value: Any) -> Any:
    return _GA_FORMATS.get(value, {"type": value}) if isinstance(value, str) else value


def _modalities(value: Any) -> Any:
    # The dated service refuses audio alone; GA means by it audio with its transcript.
    return ["text", "audio"] if value == ["audio"] else value


def _ga_modalities(value: Any) -> Any:
    return ["audio"] if isinstance(value, list) and "audio" in value else value


def _tools(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(tool, Mapping) and tool.get("type") != "function" for tool in value):
        raise _Unsayable
    return value


def _word(value: Any) -> Any:
    if isinstance(value, Mapping):
        raise _Unsayable
    return value


def _only(*known: str) -> Callable[[Any], Any]:
    """A setting with these fields, and no others: GA has more."""

    def there(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        if any(each is not None for name, each in value.items() if name not in known):
            raise _Unsayable
        return {name: each for name, each in value.items() if name in known}

    return there


_transcription = _only("model", "language", "prompt")
_noise_reduction = _only("type")
_turn_detection = _only(
    *("type", "threshold", "prefix_padding_ms", "silence_duration_ms"),
    *("eagerness", "create_response", "interrupt_response"),
)

# GA path → dated field, and how the value changes one way and the other.
_Rule = tuple[str, str, Callable[[Any], Any], Callable[[Any], Any]]
_SHARED: tuple[_Rule, ...] = (
    ("instructions", "instructions", _as_is, _as_is),
    ("output_modalities", "modalities", _modalities, _ga_modalities),
    ("audio.output.format", "output_audio_format", _format, _ga_format),
    ("audio.output.voice", "voice", _word, _as_is),
    ("tools", "tools", _tools, _as_is),
    ("tool_choice", "tool_choice", _word, _as_is),
)
_SESSION: tuple[_Rule, ...] = (
    *_SHARED,
    ("id", "id", _as_is, _as_is),
    ("object", "object", _as_is, _as_is),
    ("model", "model", _as_is, _as_is),
    ("expires_at", "expires_at", _as_is, _as_is),
    ("audio.input.format", "input_audio_format", _format, _ga_format),
    ("audio.input.transcription", "input_audio_transcription", _transcription, _as_is),
    ("audio.input.noise_reduction", "input_audio_noise_reduction", _noise_reduction, _as_is),
    ("audio.input.turn_detection", "turn_detection", _turn_detection, _as_is),
    ("audio.output.speed", "speed", _as_is, _as_is),
    ("max_output_tokens", "max_response_output_tokens", _as_is, _as_is),
    ("tracing", "tracing", _as_is, _as_is),
)
_RESPONSE_CONFIG: tuple[_Rule, ...] = (
    *_SHARED,
    ("conversation", "conversation", _as_is, _as_is),
    ("input", "input", _as_is, _as_is),
    ("metadata", "metadata", _as_is, _as_is),
    ("max_output_tokens", "max_response_output_tokens", _as_is, _as_is),
)
_RESPONSE: tuple[_Rule, ...] = (
    *_SHARED,
    *((name, name, _as_is, _as_is) for name in ("id", "object", "status", "status_details", "output")),
    *((name, name, _as_is, _as_is) for name in ("usage", "metadata", "conversation_id", "max_output_tokens")),
)


def _leaves(fields: Mapping[str, Any], rules: tuple[_Rule, ...], prefix: str = "") -> Fields:
    """*fields* by dotted path, as deep as *rules* look into them."""
    paths = {rule[0] for rule in rules}
    found: Fields = {}
    for name, value in fields.items():
        path = prefix + name
        inside = any(known.startswith(path + ".") for known in paths)
        if inside and isinstance(value, Mapping):
            found |= _leaves(value, rules, path + ".")
        elif not (inside and value is None):
            found[path] = value
    return found


def _refuse(path: str) -> InvalidEvent:
    return InvalidEvent(f"{path}: a dated (preview) connection cannot say this; api_version='v1' can")


def _dated_content(item: Any, where: str, kinds: tuple[str, ...]) -> Any:
    """The GA *item* in dated words; of those *kinds*, and with content that is there."""
    if not isinstance(item, Mapping):
        return item
    if item.get("type") not in kinds:
        said = f"{where}.type: a dated (preview) connection has no {item.get('type')}; api_version='v1' has"
        raise InvalidEvent(said)
    content = item.get("content")
    for at, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, Mapping) and part.get("type") == "input_image":
            raise _refuse(f"{where}.content.{at}.type")
    return _with_content_types(item, _CONTENT_TYPES)


def _checked_transcription(session: Mapping[str, Any]) -> Fields:
    """The settings of a transcription *session*, which are flat already; the words are those of any dated session."""
    there_by_name = {name: there for _, name, there, _ in _SESSION}
    made: Fields = {}
    for name, value in session.items():
        try:
            made[name] = there_by_name.get(name, _as_is)(value)
        except _Unsayable:
            raise _refuse(f"session.{name}") from None
    return made


def _flatten(fields: Mapping[str, Any], rules: tuple[_Rule, ...], where: str, *, extra: bool = False) -> Fields:
    by_path = {path: (name, there) for path, name, there, _ in rules}
    flat: Fields = {}
    for path, value in _leaves(fields, rules).items():
        name, there = by_path.get(path, (path, _as_is) if extra and "." not in path else ("", _unsayable))
        try:
            flat[name] = there(value)
        except _Unsayable:
            raise _refuse(f"{where}.{path}") from None
    return flat


def _nest(flat: Mapping[str, Any], rules: tuple[_Rule, ...]) -> Fields:
    """The GA form of *flat*. What a dated connection does not know stays, under a name that GA refuses too."""
    by_name = {name: (path, back) for path, name, _, back in rules}
    in_ga = {path.split(".")[0] for path, *_ in rules} | {"type"}
    nested: Fields = {}
    for name, value in flat.items():
        if name in by_name:
            path, back = by_name[name]
            here = nested
            *outer, last = path.split(".")
            for step in outer:
                here = here.setdefault(step, {})
            here[last] = back(value)
        elif name != "temperature":  # a dated setting that GA has given up; there is nothing to translate it to
            nested[f"{name} (GA)" if name in in_ga else name] = value
    return nested


def _with_content_types(item: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(item, Mapping) or not isinstance(item.get("content"), list):
        return item
    return {**item, "content": [_renamed(part, names) for part in item["content"]]}


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    kind = part.get("type") if isinstance(part, Mapping) else None
    return {**part, "type": names[kind]} if isinstance(kind, str) and kind in names else part


def to_dated(event: Mapping[str, Any], *, extra: bool = False) -> Fields:
    """The client event *event* (GA, JSON values) as a dated connection says it.

    With *extra*, what is not GA's (`temperature`) is left as it is. Raises `InvalidEvent` for a setting that cannot be
    said there, by its path.
    """
    match event:
        case {"type": "session.update", "session": Mapping() as session}:
            if session.get("type") == "transcription":
                raise _refuse("session.type")
            settings = {name: value for name, value in session.items() if name != "type"}
            return {**event, "session": _flatten(settings, _SESSION, "session", extra=extra)}
        case {"type": "response.create", "response": Mapping() as response}:
            flat = _flatten(response, _RESPONSE_CONFIG, "response", extra=extra)
            if isinstance(flat.get("input"), list):
                flat["input"] = [
                    _dated_content(item, f"response.input.{at}", (*_ITEMS, "item_reference"))
                    for at, item in enumerate(flat["input"])
                ]
            return {**event, "response": flat}
        case {"type": "conversation.item.create", "item": item}:
            return {**event, "item": _dated_content(item, "item", _ITEMS)}
        case {"type": "transcription_session.update", "session": Mapping() as session}:
            return {**event, "session": _checked_transcription(session)}
        case {"type": "session.close" | "session.input_audio_buffer.append" as kind}:
            raise InvalidEvent(f"{kind}: a dated (preview) connection has no such event; api_version='v1' has")
        case _:
            return dict(event)


def from_dated(event: Mapping[str, Any]) -> Fields:
    """A dated client event in GA vocabulary, as the emulator reads it."""
    match event:
        case {"type": "session.update", "session": Mapping() as session}:
            return {**event, "session": {**_nest(session, _SESSION), "type": "realtime"}}
        case {"type": "response.create", "response": Mapping() as response}:
            nested = _nest(response, _RESPONSE_CONFIG)
            if isinstance(nested.get("input"), list):
                nested["input"] = [_with_content_types(item, _GA_CONTENT_TYPES) for item in nested["input"]]
            return {**event, "response": nested}
        case {"type": "conversation.item.create", "item": item}:
            return {**event, "item": _with_content_types(item, _GA_CONTENT_TYPES)}
        case _:
            return dict(event)


def session_in_ga(session: Mapping[str, Any]) -> Fields:
    """A dated *session*, as the service reports it, in GA vocabulary; what GA has no word for is left out."""
    known = {name for _, name, *_ in _SESSION}
    return {**_nest({name: value for name, value in session.items() if name in known}, _SESSION), "type": "realtime"}


def server_to_dated(event: Mapping[str, Any]) -> Fields | None:
    """A GA server event as a dated connection says it; None where it has no such event."""
    if event["type"] == "conversation.item.done":
        return None
    dated: Fields = {**event, "type": SERVER_NAMES.get(event["type"], event["type"])}
    if "session" in dated:
        known = {path.split(".")[0] for path, *_ in _SESSION}
        session = {name: value for name, value in dated["session"].items() if name in known}
        dated["session"] = {"turn_detection": None, **_flatten(session, _SESSION, "session")}
        # No dialect has this: an emulator says with it that it is one, whatever its session was told to be.
        dated["session"] |= {name: value for name, value in event["session"].items() if name == "emulator"}
    if "item" in dated:
        dated["item"] = _dated_item(dated["item"])
    if "response" in dated:
        response = _flatten(dated["response"], _RESPONSE, "response")
        dated["response"] = {**response, "output": [_dated_item(item) for item in response["output"]]}
    if event["type"].startswith("response.content_part."):
        dated.pop("content", None)
    return dated


def _dated_item(item: Mapping[str, Any]) -> Fields:
    return {"object": "realtime.item", **_with_content_types(item, _CONTENT_TYPES)}
