"""What the service refuses, and in which words: the checks behind its `error` events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from ..events import FunctionCallOutput, Item, ItemReference, Message
from ..events.wire import check_voice_live_event
from .answer import Fields, event


class Refused(Exception):
    """An event that the service answers with an `error`."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        self.code, self.message, self.param = code, message, param
        super().__init__(message)


def error_event(refusal: Refused, message: bytes) -> Fields:
    """The `error` event for *refusal*, with the id of the client event in *message* if it can be read."""
    return event(
        "error",
        error={
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": _event_id(message),
        },
    )


def _event_id(message: bytes) -> str | None:
    try:
        event_id = from_json(message)["event_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return event_id if isinstance(event_id, str) else None


_NULLABLE = frozenset(
    "transcription noise_reduction turn_detection idle_timeout_ms language prompt tracing include reasoning "
    "animation avatar input_audio_echo_cancellation output_audio_timestamp_types interim_response temperature "
    "metadata speech_duration_ms end_of_utterance_detection appended_text_after_truncation languages".split()
)
VALUES: Mapping[str, tuple[Any, ...]] = {
    "session.output_modalities": (["audio"], ["text"]),
    "response.output_modalities": (["audio"], ["text"]),
    "response.conversation": ("auto", "none"),
    "format.type": ("audio/pcm", "audio/pcmu", "audio/pcma"),
    "format.rate": (24000,),
    "turn_detection.type": ("server_vad", "semantic_vad"),
}
_RANGES = {
    "threshold": (0, 1),
    "prefix_padding_ms": (0, 60_000),
    "silence_duration_ms": (0, 60_000),
    "max_output_tokens": (1, 4096),
    "speed": (0.25, 1.5),
}


_AZURE_VADS = ("azure_semantic_vad", "azure_semantic_vad_en", "azure_semantic_vad_multilingual")
VOICE_LIVE_VALUES: Mapping[str, tuple[Any, ...]] = {
    **{name: known for name, known in VALUES.items() if not name.endswith("output_modalities")},  # it has avatars, too
    "format.rate": (8000, 16000, 24000),
    "session.input_audio_sampling_rate": (8000, 16000, 24000),
    "turn_detection.type": ("server_vad", "semantic_vad", *_AZURE_VADS),
}


def check_voice_live(message: bytes) -> None:
    """Raises `Refused` for settings in *message*, in Voice Live's own words, that Voice Live does not have."""
    try:
        check_voice_live_event(message)
    except ValidationError as exc:
        raise refusal_of(exc, message) from exc


def check(settings: Fields, where: str, values: Mapping[str, tuple[Any, ...]] = VALUES) -> None:
    """Raises `Refused` for a setting that has the right type, and a value that the service does not have."""
    for name, value in settings.items():
        path, key = f"{where}.{name}", f"{where.rpartition('.')[2]}.{name}"
        if value is None and name not in _NULLABLE and key != "transcription.model":
            raise Refused("invalid_type", f"Invalid type for '{path}': expected a value, but got null.", path)
        if isinstance(value, dict) and name in ("audio", "input", "output", "format", "turn_detection"):
            check(value, path, values)
        if key in values and value not in values[key]:
            supported = ", ".join(str(known) for known in values[key])
            raise Refused("invalid_value", f"Invalid value for '{path}'. Supported values are: {supported}.", path)
        if name in _RANGES and isinstance(value, int | float):
            low, high = _RANGES[name]
            if not low <= value <= high:
                raise Refused("invalid_value", f"Invalid value for '{path}': it must be from {low} to {high}.", path)


def check_item(item: Item) -> None:
    """Raises `Refused` for an *item* that lacks something, or is none that a client may bring."""
    match item:
        case Message():
            _check_message(item)
        case FunctionCallOutput(call_id=call_id, output=output):
            for name, value in (("call_id", call_id), ("output", output)):
                if value is None:
                    param = f"item.{name}"
                    raise Refused("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
        case ItemReference():
            raise Refused(
                "invalid_value", "Invalid value: 'item_reference' is for the input of a response.", "item.type"
            )
        case _:
            pass


def _check_message(message: Message) -> None:
    if message.role not in ("user", "assistant", "system"):
        raise Refused("invalid_value", "Supported values for 'item.role' are: user, assistant, system.", "item.role")
    if message.content is None:
        raise Refused("missing_required_parameter", "Missing required parameter: 'item.content'.", "item.content")
    for at, part in enumerate(message.content):
        for kind, name in (("input_text", "text"), ("output_text", "text"), ("input_audio", "audio")):
            if part.type == kind and getattr(part, name) is None:
                param = f"item.content[{at}].{name}"
                raise Refused("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def _param(loc: tuple[int | str, ...], message: bytes, missing: bool) -> str:
    """*loc* as the service writes it (`item.content[0].text`), without the names of unions that pydantic puts in."""
    said, here = "", from_json(message)
    for at, step in enumerate(loc):
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            if not (missing and at == len(loc) - 1):
                continue
        said += f"[{step}]" if isinstance(step, int) else f".{step}"
    # A GA setting on a dated connection comes as `name (GA)`, which is not what it was called.
    return said.lstrip(".").removesuffix(" (GA)") or "type"


def refusal_of(error: ValidationError, message: bytes) -> Refused:
    """The service's words for the first thing wrong with an event."""
    problem = error.errors(include_url=False, include_input=False)[0]
    if problem["type"] == "json_invalid":
        return Refused("invalid_json", "The event is not a JSON object.")
    param = _param(problem["loc"][1:], message, problem["type"] == "missing")
    context = problem.get("ctx", {})
    match problem["type"]:
        case "union_tag_invalid":
            said = f"Invalid value: '{context['tag']}'. Supported values are: {context['expected_tags']}."
            return Refused("invalid_value", said, "type")
        case "union_tag_not_found" | "missing":
            return Refused("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
        case "extra_forbidden":
            return Refused("unknown_parameter", f"Unknown parameter: '{param}'.", param)
        case _:
            return Refused("invalid_type", f"Invalid type for '{param}': {problem['msg']}.", param)
