"""The flat dialects, dated (preview) and Voice Live: what they call things, in both directions.

The code of this package and of its users speaks GA. Here, and nowhere else, that is translated: `to_dated` and
`to_voice_live` for what a client sends, `from_dated` and `server_to_dated` for the emulator, which is at the other end.

Sources: Azure's preview-to-GA migration guide, the preview reference (realtime-audio-reference, 2025-04-01), and for
Voice Live its reference and the types of Microsoft's own client (azure-ai-voicelive 1.3, service 2026-07-15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ..errors import InvalidEvent

Fields = dict[str, Any]
SessionDialect = Literal["preview", "voice-live"]

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
_ONLY_IN_GA = frozenset({"type", "audio", "output_modalities"})
_CONTENT_TYPES = {"output_text": "text", "output_audio": "audio"}
_GA_CONTENT_TYPES = {dated: ga for ga, dated in _CONTENT_TYPES.items()}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_SLOW_PCM = {8000: "pcm16_8000hz", 16000: "pcm16_16000hz"}
_GA_FORMATS: dict[str, Fields] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "pcm16_8000hz": {"type": "audio/pcm", "rate": 8000},
    "pcm16_16000hz": {"type": "audio/pcm", "rate": 16000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


def _unsayable(value: Any) -> Any:
    raise _Unsayable


def _as_is(value: Any) -> Any:
    return value


_NOT_SAID = object()


class _Unsayable(ValueError):
    """A value that a dated connection has no word for; *field* is what it is in the value, where not all of it."""

    def __init__(self, field: str = "") -> None:
        self.field = field
        super().__init__(field)


def _format(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    name = _FORMATS.get(str(value.get("type")))
    if name is None:
        raise _Unsayable("type")
    if value.get("rate") not in (None, 24000 if name == "pcm16" else 8000):
        raise _Unsayable("rate")
    return name


def _voice_live_output(value: Any) -> Any:
    match value:
        case {"type": "audio/pcm", "rate": 8000 | 16000 as rate}:
            return _SLOW_PCM[rate]
        case _:
            return _format(value)


def _voice_live_input(value: Any) -> Any:
    # Its rate, if it is another, goes beside it: `_with_rate`.
    return "pcm16" if _voice_live_output(value) in _SLOW_PCM.values() else _format(value)


def _ga_format(value: Any) -> Any:
    return _GA_FORMATS.get(value, {"type": value}) if isinstance(value, str) else value


def _modalities(value: Any) -> Any:
    # The dated service refuses audio alone; GA means by it audio with its transcript.
    return ["text", "audio"] if value == ["audio"] else value


def _ga_modalities(value: Any) -> Any:
    spoken = isinstance(value, list) and "audio" in value and all(each in ("text", "audio") for each in value)
    return ["audio"] if spoken else value


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
        for name, each in value.items():
            if each is not None and name not in known:
                raise _Unsayable(name)
        return {name: each for name, each in value.items() if name in known}

    return there


def _ga_word(value: Any) -> Any:
    # Voice Live reports a voice of OpenAI's as an object; GA has its name.
    openai = isinstance(value, Mapping) and value.get("type") == "openai" and set(value) == {"type", "name"}
    return value["name"] if openai else value


def _committed(value: Any) -> Any:
    return {"auto": True, "none": False}.get(value, value) if isinstance(value, str) else value


def _ga_conversation(value: Any) -> Any:
    return {True: "auto", False: "none"}.get(value, value) if isinstance(value, bool) else value


_transcription = _only("model", "language", "prompt")
_voice_live_transcription = _only("model", "language", "prompt", "custom_speech", "phrase_list")
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
_OTHERWISE_IN_VOICE_LIVE = (
    *("voice", "tools", "tool_choice", "speed", "tracing", "turn_detection"),
    *("input_audio_format", "output_audio_format", "input_audio_transcription"),
)
_VOICE_LIVE: tuple[_Rule, ...] = (
    ("audio.output.format", "output_audio_format", _voice_live_output, _ga_format),
    ("audio.output.voice", "voice", _word, _ga_word),
    ("tools", "tools", _as_is, _as_is),
    ("tool_choice", "tool_choice", _as_is, _as_is),
    ("reasoning.effort", "reasoning_effort", _as_is, _as_is),
)
_VOICE_LIVE_SESSION: tuple[_Rule, ...] = (
    *(rule for rule in _SESSION if rule[1] not in _OTHERWISE_IN_VOICE_LIVE),
    *_VOICE_LIVE,
    ("audio.input.format", "input_audio_format", _voice_live_input, _ga_format),
    ("audio.input.transcription", "input_audio_transcription", _voice_live_transcription, _as_is),
    ("audio.input.turn_detection", "turn_detection", _as_is, _as_is),
    ("parallel_tool_calls", "parallel_tool_calls", _as_is, _as_is),
    ("include", "include", _as_is, _as_is),
)
_VOICE_LIVE_CONFIG: tuple[_Rule, ...] = (
    *(rule for rule in _SHARED if rule[1] not in _OTHERWISE_IN_VOICE_LIVE),
    *_VOICE_LIVE,
    ("conversation", "commit", _committed, _ga_conversation),
    ("input", "input_items", _as_is, _as_is),
    ("metadata", "metadata", _as_is, _as_is),
    ("max_output_tokens", "max_output_tokens", _as_is, _as_is),
)
_VOICE_LIVE_RESPONSE: tuple[_Rule, ...] = (
    *(rule for rule in _RESPONSE if rule[1] != "output_audio_format"),
    ("audio.output.format", "output_audio_format", _voice_live_output, _ga_format),
)


class _Dialect(NamedTuple):
    """One of the two: what it is called, and what it can say."""

    name: str
    instead: str
    session: tuple[_Rule, ...]
    config: tuple[_Rule, ...]
    response: tuple[_Rule, ...]
    items: tuple[str, ...]
    input_items: tuple[str, ...]
    content: tuple[str, ...]
    refused: tuple[str, ...]

    def refusal(self, path: str, said: str = "cannot say this") -> InvalidEvent:
        can = "can" if "cannot" in said else "has"
        # PCM of another rate is not for anybody: GA's is 24 kHz.
        instead = "" if path.endswith(".format.rate") else f"; {self.instead} {can}"
        return InvalidEvent(f"{path}: a {self.name} connection {said}{instead}")


_ONLY_IN_VOICE_LIVE_SESSIONS = frozenset(
    "modalities animation voice input_audio_sampling_rate input_audio_format output_audio_format turn_detection "
    "input_audio_noise_reduction input_audio_echo_cancellation avatar input_audio_transcription temperature "
    "output_audio_timestamp_types max_response_output_tokens reasoning_effort interim_response metadata".split()
)
_ONLY_IN_VOICE_LIVE_RESPONSES = frozenset(
    "commit cancel_previous append_input_items input_items modalities voice output_audio_format temperature "
    "pre_generated_assistant_message reasoning_effort interim_response invoke_input".split()
)
_VOICE_LIVE_UNSET: Fields = {
    "input_audio_sampling_rate": 24000,
    "animation": None,
    "input_audio_echo_cancellation": None,
    "avatar": None,
    "output_audio_timestamp_types": None,
    "truncation_strategy": None,
}
"""What Voice Live's sessions have that GA's have not, until it is set."""
_TEXT_AND_SOUND = ("input_text", "input_audio", "output_text", "output_audio", "text", "audio")
_DATED = _Dialect(
    "dated (preview)",
    "api_version='v1'",
    _SESSION,
    _RESPONSE_CONFIG,
    _RESPONSE,
    _ITEMS,
    (*_ITEMS, "item_reference"),
    _TEXT_AND_SOUND,
    ("session.close", "session.input_audio_buffer.append"),
)
VOICE_LIVE_SERVER_TYPES = frozenset(
    "warning session.avatar.connecting session.avatar.switch_to_speaking session.avatar.switch_to_idle "
    "response.audio_timestamp.delta response.audio_timestamp.done response.animation_blendshapes.delta "
    "response.animation_blendshapes.done response.animation_viseme.delta response.animation_viseme.done "
    "response.video.delta response.audio_transcript.annotation.added response.web_search_call.in_progress "
    "response.web_search_call.searching response.web_search_call.completed response.file_search_call.in_progress "
    "response.file_search_call.searching response.file_search_call.completed response.invocation.delta".split()
)
VOICE_LIVE_CLIENT_TYPES = frozenset(
    "input_text.delta input_text.done input_audio.turn.start input_audio.turn.append input_audio.turn.end "
    "input_audio.turn.cancel input_audio.clear session.avatar.connect".split()
)
"""What only Voice Live has: the classes are in `voice_live`."""

_LIVE = _Dialect(
    "Voice Live",
    "an endpoint of /openai/v1",
    _VOICE_LIVE_SESSION,
    _VOICE_LIVE_CONFIG,
    _VOICE_LIVE_RESPONSE,
    (*_ITEMS, "mcp_approval_response"),
    (*_ITEMS, "mcp_approval_response"),
    (*_TEXT_AND_SOUND, "input_image"),
    ("session.close", "session.input_audio_buffer.append", "transcription_session.update"),
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


def _content_in(dialect: _Dialect, item: Any, where: str, kinds: tuple[str, ...]) -> Any:
    """The GA *item* in the words of *dialect*; of those *kinds*, and with content that is there."""
    if not isinstance(item, Mapping):
        return item
    if item.get("type") not in kinds:
        raise dialect.refusal(f"{where}.type", f"has no {item.get('type')}")
    if item.get("phase") is not None:
        raise dialect.refusal(f"{where}.phase")
    content = item.get("content")
    for at, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, Mapping) and part.get("type") not in dialect.content:
            raise dialect.refusal(f"{where}.content.{at}.type")
    return _with_content_types(item, _CONTENT_TYPES)


def _checked_transcription(session: Mapping[str, Any]) -> Fields:
    """The settings of a transcription *session*, which are flat already; the words are those of any dated session."""
    there_by_name = {name: there for _, name, there, _ in _SESSION}
    made: Fields = {}
    for name, value in session.items():
        try:
            made[name] = there_by_name.get(name, _as_is)(value)
        except _Unsayable:
            raise _DATED.refusal(f"session.{name}") from None
    return made


def _flatten(
    fields: Mapping[str, Any], rules: tuple[_Rule, ...], where: str, *, extra: bool = False, dialect: _Dialect
) -> Fields:
    flat: Fields = {}
    for path, name, value in _flat(fields, rules, extra=extra):
        if value is _NOT_SAID:
            raise dialect.refusal(f"{where}.{path}")
        flat[name] = value
    return flat


def _reported(fields: Mapping[str, Any], rules: tuple[_Rule, ...]) -> Fields:
    """*fields* without what cannot be said."""
    return {name: value for _, name, value in _flat(fields, rules) if value is not _NOT_SAID}


def _flat(
    fields: Mapping[str, Any], rules: tuple[_Rule, ...], *, extra: bool = False
) -> Iterator[tuple[str, str, Any]]:
    """Each setting: its path in GA, its name, and its value, which is `_NOT_SAID` where there is no word for it."""
    by_path = {path: (name, there) for path, name, there, _ in rules}
    for path, value in _leaves(fields, rules).items():
        name, there = by_path.get(path, (path, _as_is if extra and "." not in path else _unsayable))
        try:
            yield path, name, there(value)
        except _Unsayable as exc:
            yield f"{path}.{exc.field}".rstrip("."), name, _NOT_SAID


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
        else:
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
        case {"type": "transcription_session.update", "session": Mapping() as session}:
            return {**event, "session": _checked_transcription(session)}
        case _:
            return _to(_DATED, event, extra=extra)


def to_voice_live(event: Mapping[str, Any], *, extra: bool = False) -> Fields:
    """The client event *event* (GA, JSON values) as Voice Live says it. Raises as `to_dated` does.

    What is said in Voice Live's own words (`in_ga` is false of it) stays as it is.
    """
    return dict(event) if not in_ga(event) else _to(_LIVE, event, extra=extra)


def in_ga(event: Mapping[str, Any]) -> bool:
    """Whether the settings of *event* are in GA's words, and not in those that only Voice Live has."""
    match event:
        case {"type": "session.update", "session": Mapping() as said}:
            own = _ONLY_IN_VOICE_LIVE_SESSIONS
        case {"type": "response.create", "additional_instructions": _}:
            return False
        case {"type": "response.create", "response": Mapping() as said}:
            own = _ONLY_IN_VOICE_LIVE_RESPONSES
        case _:
            return True
    return not _ONLY_IN_GA.isdisjoint(said) or own.isdisjoint(said)


def _with_rate(flat: Fields, session: Mapping[str, Any]) -> Fields:
    """*flat*, with the rate of PCM that comes in, where *session* says one; the service's own is 24000."""
    match session:
        case {"audio": {"input": {"format": {"type": "audio/pcm", "rate": int() as rate}}}}:
            return {**flat, "input_audio_sampling_rate": rate}
        case _:
            return flat


def _with_input(dialect: _Dialect, response: Fields) -> Fields:
    name = "input" if dialect is _DATED else "input_items"
    items = response.get(name)
    if not isinstance(items, list):
        return response
    kinds = dialect.input_items
    return {
        **response,
        name: [_content_in(dialect, each, f"response.input.{at}", kinds) for at, each in enumerate(items)],
    }


def _to(dialect: _Dialect, event: Mapping[str, Any], *, extra: bool) -> Fields:
    match event:
        case {"type": "session.update", "session": Mapping() as session}:
            if session.get("type") == "transcription":
                raise dialect.refusal("session.type")
            settings = {name: value for name, value in session.items() if name != "type"}
            flat = _flatten(settings, dialect.session, "session", extra=extra, dialect=dialect)
            return {**event, "session": _with_rate(flat, session) if dialect is _LIVE else flat}
        case {"type": "response.create", "response": Mapping() as response}:
            flat = _flatten(response, dialect.config, "response", extra=extra, dialect=dialect)
            return {**event, "response": _with_input(dialect, flat)}
        case {"type": "conversation.item.create", "item": item}:
            return {**event, "item": _content_in(dialect, item, "item", dialect.items)}
        case {"type": kind} if kind in dialect.refused:
            raise dialect.refusal(kind, "has no such event")
        case _:
            return dict(event)


def from_dated(event: Mapping[str, Any]) -> Fields:
    """A dated client event in GA vocabulary, as the emulator reads it."""
    return _from(_DATED, event)


def from_voice_live(event: Mapping[str, Any]) -> Fields:
    """A client event of Voice Live in GA vocabulary, as the emulator reads it."""
    return _from(_LIVE, event)


def _from(dialect: _Dialect, event: Mapping[str, Any]) -> Fields:
    match event:
        case {"type": "session.update", "session": Mapping() as session}:
            return {**event, "session": {**_nest(_kept(dialect, session), dialect.session), "type": "realtime"}}
        case {"type": "response.create", "response": Mapping() as response}:
            nested = _nest(_kept(dialect, response), dialect.config)
            if isinstance(nested.get("input"), list):
                nested["input"] = [_with_content_types(item, _GA_CONTENT_TYPES) for item in nested["input"]]
            return {**event, "response": nested}
        case {"type": "conversation.item.create", "item": item}:
            return {**event, "item": _with_content_types(item, _GA_CONTENT_TYPES)}
        case _:
            return dict(event)


def _kept(dialect: _Dialect, settings: Mapping[str, Any]) -> Fields:
    """*settings* without the one that GA has given up; of Voice Live's the emulator keeps all."""
    return {name: value for name, value in settings.items() if dialect is _LIVE or name != "temperature"}


def session_in_ga(session: Mapping[str, Any], dialect: SessionDialect = "preview") -> Fields:
    """A flat *session*, as the service reports it, in GA vocabulary; what GA has no word for is left out."""
    rules = _SESSION if dialect == "preview" else _VOICE_LIVE_SESSION
    known = {name for _, name, *_ in rules}
    said = {name: value for name, value in session.items() if name in known}
    nested: Fields = {**_nest(said, rules), "type": "realtime"}
    if "audio" in (nested.get("output_modalities") or ()):  # what else there is, an avatar, GA has no word for
        nested["output_modalities"] = ["audio"]
    match session:
        case {"input_audio_format": "pcm16", "input_audio_sampling_rate": int() as rate}:
            nested["audio"]["input"]["format"] = {"type": "audio/pcm", "rate": rate}
        case _:
            pass
    return nested


def server_to_dated(event: Mapping[str, Any]) -> Fields | None:
    """A GA server event as a dated connection says it; None where it has no such event."""
    return _server_to(_DATED, event)


def server_to_voice_live(event: Mapping[str, Any]) -> Fields | None:
    """A GA server event as Voice Live says it; None where it has no such event."""
    said = _server_to(_LIVE, event)
    if said is None:
        return None
    for name in ("session", "response"):
        if name in said:
            voice = event[name]["audio"]["output"]["voice"]
            said[name]["voice"] = {"name": voice, "type": "openai"} if isinstance(voice, str) else voice
    if "session" in said:
        own = {name: value for name, value in event["session"].items() if name in _ONLY_IN_VOICE_LIVE_SESSIONS}
        said["session"] = {**_VOICE_LIVE_UNSET, **said["session"], **own}
    if "response" in said:
        said["response"] = {"temperature": None, **said["response"]}
        if usage := said["response"].get("usage"):
            thought = {"reasoning_tokens": 0, **usage["output_token_details"]}
            said["response"]["usage"] = {**usage, "output_token_details": thought}
    said.pop("obfuscation", None)
    return said


def _server_to(dialect: _Dialect, event: Mapping[str, Any]) -> Fields | None:
    if event["type"] == "conversation.item.done":
        return None
    said: Fields = {**event, "type": SERVER_NAMES.get(event["type"], event["type"])}
    if "session" in said:
        known = {path.split(".")[0] for path, *_ in dialect.session}
        settings = {name: value for name, value in said["session"].items() if name in known}
        said["session"] = {"turn_detection": None, **_reported(settings, dialect.session)}
        # No dialect has this: an emulator says with it that it is one, whatever its session was told to be.
        said["session"] |= {name: value for name, value in event["session"].items() if name == "emulator"}
    if "item" in said:
        said["item"] = _dated_item(said["item"])
    if "response" in said:
        response = _reported(said["response"], dialect.response)
        said["response"] = {**response, "output": [_dated_item(item) for item in response["output"]]}
    if event["type"].startswith("response.content_part."):
        said.pop("content", None)
    if isinstance(error := said.get("error"), Mapping) and "param" in error:
        said["error"] = _error_in(dialect, error)
    return said


def _error_in(dialect: _Dialect, error: Mapping[str, Any]) -> Fields:
    """*error* about a setting, by the name that *dialect* has for it."""
    param = str(error["param"])
    where, _, path = param.partition(".")
    for ga, name, *_ in {"session": dialect.session, "response": dialect.config}.get(where, ()):
        if path == ga or path.startswith(f"{ga}."):
            inside = "" if name.endswith("_format") else path.removeprefix(ga)  # a flat format is a word
            own = f"{where}.{name}{inside}"
            return {**error, "param": own, "message": error["message"].replace(f"'{param}'", f"'{own}'")}
    return dict(error)


def _dated_item(item: Mapping[str, Any]) -> Fields:
    return {"object": "realtime.item", **_with_content_types(item, _CONTENT_TYPES)}
