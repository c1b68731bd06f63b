"""Bytes → events: whatever comes is read, and nothing of it is lost on the way."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_azure import events
from realtime_azure.events import (
    ContentPart,
    ConversationItemAdded,
    ErrorEvent,
    Event,
    InputAudioBufferAppend,
    Message,
    OtherItem,
    RateLimitsUpdated,
    Response,
    ResponseCreate,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    ServerEvent,
    ServiceError,
    Session,
    SessionCreated,
    UnknownEvent,
    decode,
)
from realtime_azure.events.parts import ITEM_KINDS
from realtime_azure.events.preview import SERVER_NAMES
from realtime_azure.events.settings import TOOL_KINDS

from .messages import (
    CALL_ITEM,
    CLASS_OF,
    EVERY_MESSAGE,
    MESSAGES,
    RETRIEVED_ITEM,
    SERVER_CLASSES,
    SOUND,
    WIRE_SOUND,
    named,
    parts_below,
    wire,
    written,
)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"type":"error"', "not JSON"),
        (b'{"type":"error"} trailing', "not JSON"),
        (b"{'type':'error'}", "not JSON"),
        (b"\x00\x01\x02\x03", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"type":"error","x":"\xff"}', "not JSON"),
        (b'{"type":"error\xc3"}', "not JSON"),
        (b'{"type":"error","x":' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'["error"]', "not a JSON object"),
        (b'"error"', "not a JSON object"),
        (b"5", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"true", "not a JSON object"),
        (b"[" * 10_000 + b"]" * 10_000, "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not JSON"),
        (b'{"type":"error","x":"\\ud83d","y":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not JSON"),
        (b'{"type":"error","x":"\\ud83d","y":"\xff"}', "not JSON"),
        (b'{"type":"error","x":"\\ud83d"', "not JSON"),
        (b'{"type":"response.done","response":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, "not JSON"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_message_that_cannot_be_read_is_an_unknown_event_with_the_reason(message: bytes, reason: str) -> None:
    event = decode(message)
    assert isinstance(event, UnknownEvent)
    assert event.reason.startswith(reason)
    assert event.problems == (event.reason,)
    assert event.raw == message
    assert written(event) == {}


@pytest.mark.parametrize("kind", ["some.future.event", "Error", "error ", "", "response.create"])
def test_an_unknown_type_is_an_unknown_event_with_its_fields(kind: str) -> None:
    message = {"type": kind, "event_id": "event_1", "answer": 42, "deep": {"er": [1, 2.5, None, "x"]}}
    event = decode(wire(message))
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.event_id, event.reason) == (kind, "event_1", "unknown type")
    assert event.model_extra == {"answer": 42, "deep": {"er": [1, 2.5, None, "x"]}}
    assert event.raw == wire(message)
    assert written(event) == message


@pytest.mark.parametrize("kind", ["5", "null", "true", '["error"]', '{"error":1}', '{"type":"error"}'])
def test_a_type_that_is_no_string_is_an_unknown_event(kind: str) -> None:
    event = decode(f'{{"type":{kind},"event_id":"event_1"}}')
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.event_id) == ("", "event_1")


def test_a_message_without_a_type_is_an_unknown_event() -> None:
    event = decode('{"event_id":"event_1"}')
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.event_id) == ("", "event_1")


def test_an_unknown_event_keeps_a_null_event_id() -> None:
    message = {"type": "some.future.event", "event_id": None}
    assert written(decode(wire(message))) == message


def test_text_and_bytes_are_read_alike() -> None:
    message = wire(MESSAGES[0])
    assert decode(message.decode()) == decode(message)
    assert decode(message.decode()).raw == message


def test_text_that_is_no_unicode_is_read_too() -> None:
    event = decode('{"type":"error","x":"\ud800"}')
    assert event.raw == b'{"type":"error","x":"\xed\xa0\x80"}'


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_bytes_will_do(kind: Callable[[bytes], Any]) -> None:
    assert type(decode(kind(b'{"type":"error"}'))) is ErrorEvent


def test_a_new_value_in_a_set_of_names_is_read_as_it_is() -> None:
    event = decode(wire({"type": "response.done", "response": {"status": "paused", "output_modalities": ["video"]}}))
    assert isinstance(event, ResponseDone)
    assert (event.response.status, event.response.output_modalities) == ("paused", ["video"])
    assert event.problems == ()


def test_an_item_of_a_new_kind_is_kept_and_readable() -> None:
    event = decode(wire({"type": "conversation.item.added", "item": {"id": "i", "type": "hologram", "depth": 3}}))
    assert isinstance(event, ConversationItemAdded)
    assert isinstance(event.item, OtherItem)
    assert (event.item.id, event.item.type, event.item.model_extra) == ("i", "hologram", {"depth": 3})


def test_of_a_duplicated_key_the_last_counts() -> None:
    event = decode('{"type":"response.output_text.delta","delta":"a","delta":"b"}')
    assert isinstance(event, ResponseOutputTextDelta)
    assert (event.delta, event.problems) == ("b", ())
    assert type(decode('{"type":"error","type":"input_audio_buffer.cleared"}')) is events.InputAudioBufferCleared
    bad_then_good = decode('{"type":"error","error":5,"error":{"message":"m"}}')
    assert isinstance(bad_then_good, ErrorEvent)
    assert (bad_then_good.error.message, bad_then_good.problems) == ("m", ())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 4000, "-0.0", "1E-400"])
@pytest.mark.parametrize("where", ['"error":5,"x":', '"x":'])
def test_strange_numbers_do_not_matter(number: str, where: str) -> None:
    event = decode(f'{{"type":"error",{where}{number}}}')
    assert isinstance(event, ErrorEvent)
    assert repr((event.model_extra or {})["x"]) == repr(json.loads(number))


@pytest.mark.parametrize(
    ("kind", "rest", "problems", "left"),
    [
        ("error", {"error": None}, ["error"], {}),
        ("error", {"error": "x"}, ["error"], {}),
        ("error", {"error": {"code": 7, "message": "m"}}, ["error.code"], {"error": {"message": "m"}}),
        ("response.done", {"response": None}, ["response"], {}),
        ("response.done", {"response": {"id": "r", "output": None}}, ["response.output"], {"response": {"id": "r"}}),
        (
            "response.done",
            {"response": {"id": "r", "usage": {"total_tokens": "85", "input_tokens": 1.5, "output_tokens": 22}}},
            ["response.usage.total_tokens", "response.usage.input_tokens"],
            {"response": {"id": "r", "usage": {"output_tokens": 22}}},
        ),
        (
            "response.done",
            {"response": {"output": [{**CALL_ITEM, "arguments": {"city": "London"}}]}},
            ["response.output.0.arguments"],
            {"response": {"output": [{k: v for k, v in CALL_ITEM.items() if k != "arguments"}]}},
        ),
        (
            "response.done",
            {"response": {"status": ["completed"], "max_output_tokens": "many"}},
            ["response.status", "response.max_output_tokens"],
            {"response": {}},
        ),
        (
            "session.created",
            {"session": {"id": "s", "audio": {"output": {"speed": "fast", "voice": 3}, "input": []}}},
            ["session.audio.input", "session.audio.output.voice", "session.audio.output.speed"],
            {"session": {"id": "s", "audio": {"output": {}}}},
        ),
        (
            "conversation.item.added",
            {"item": {"type": "message", "content": [{"type": "input_audio", "audio": "!", "transcript": "t"}]}},
            ["item.content.0.audio"],
            {"item": {"type": "message", "content": [{"type": "input_audio", "transcript": "t"}]}},
        ),
        (
            "response.output_audio.delta",
            {"delta": WIRE_SOUND, "output_index": "0"},
            ["output_index"],
            {"delta": WIRE_SOUND},
        ),
        ("input_audio_buffer.speech_started", {"audio_start_ms": 1.5}, ["audio_start_ms"], {}),
        ("input_audio_buffer.speech_started", {"audio_start_ms": True}, ["audio_start_ms"], {}),
        ("conversation.created", {"conversation": []}, ["conversation"], {}),
    ],
)
def test_a_part_that_cannot_be_read_is_left_unset_and_named(
    kind: str, rest: dict[str, Any], problems: list[str], left: dict[str, Any]
) -> None:
    message = wire({"type": kind, **rest})
    event = decode(message)
    assert type(event) is CLASS_OF[kind]
    assert sorted(problem.split(": ")[0] for problem in event.problems) == sorted(problems)
    assert all(re.fullmatch(r"[\w.]+: .+", problem) for problem in event.problems)
    assert event.raw == message
    assert written(event) == {"type": kind, **left}


ONE_WRONG = [
    pytest.param(message, name, id=f"{message['type']}-{name}")
    for message in EVERY_MESSAGE
    for name in message
    if name not in {"type", "delta", "obfuscation", "content"}
]


@pytest.mark.parametrize(("message", "name"), ONE_WRONG)
def test_one_field_of_the_wrong_kind_costs_only_itself(message: dict[str, Any], name: str) -> None:
    event = decode(wire({**message, name: True}))
    assert type(event) is CLASS_OF[message["type"]]
    assert [problem.split(": ")[0] for problem in event.problems] == [name]
    assert written(event) == {key: value for key, value in message.items() if key != name}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "error": {"code": 7, "error": {"why": "nested"}}},
        {"type": "conversation.item.added", "item": {"type": "message", "id": 5, "message": {"id": "other"}}},
    ],
    ids=named,
)
def test_a_field_named_like_its_event_or_item_is_not_taken_for_it(message: dict[str, Any]) -> None:
    event = decode(wire(message))
    assert len(event.problems) == 1
    kept = written(event)
    assert (kept.get("error", {}).get("error") or kept.get("item", {}).get("message")) is not None


def test_unreadable_parts_are_named_by_their_place_in_the_message() -> None:
    event = decode(wire({"type": "rate_limits.updated", "rate_limits": [{"name": "tokens"}, 5, {"name": "x"}, 6]}))
    assert isinstance(event, RateLimitsUpdated)
    assert [limit.name for limit in event.rate_limits] == ["tokens", "x"]
    assert [problem.split(": ")[0] for problem in event.problems] == ["rate_limits.1", "rate_limits.3"]


def test_a_part_that_is_given_up_in_the_end_keeps_its_own_place_and_leaves_the_others_theirs() -> None:
    """An item whose type cannot be read is given up only when it is read again, without the type."""
    event = decode(wire({"type": "response.done", "response": {"output": [5, {"type": 5}, {"type": "new"}]}}))
    assert isinstance(event, ResponseDone)
    assert [item.type for item in event.response.output] == ["new"]
    reasons = dict(problem.split(": ", 1) for problem in event.problems)
    assert reasons["response.output.0"].startswith("Input should be")
    assert reasons.keys() <= {"response.output.0", "response.output.1", "response.output.1.type"}


def test_many_unreadable_parts_do_not_stop_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the message, not with its square: all that one reading finds is taken out at once."""
    readings = 0
    read: Callable[[bytes], ServerEvent] = vars(events.wire)["_read"]

    def counted(message: bytes) -> ServerEvent:
        nonlocal readings
        readings += 1
        return read(message)

    monkeypatch.setattr(events.wire, "_read", counted)
    parts = 1000
    event = decode(wire({"type": "response.done", "response": {"output": [{"type": "message", "id": 5}] * parts}}))
    assert isinstance(event, ResponseDone)
    assert len(event.response.output) == parts
    assert readings <= 3


@pytest.mark.parametrize("text", ["\\ud83d", "\\ude00 tail", "\\ud83d\\ud83d\\ude00"])
def test_half_an_emoji_does_not_hide_the_event(text: str) -> None:
    """JSON's grammar lets `\\ud83d` stand alone, and a text that is cut in pieces can be cut there."""
    event = decode(f'{{"type":"response.done","response":{{"id":"resp_1","metadata":{{"note":"{text}"}}}}}}')
    assert isinstance(event, ResponseDone)
    assert event.response.id == "resp_1"
    assert event.response.metadata
    assert "\N{REPLACEMENT CHARACTER}" in event.response.metadata["note"]
    assert any("surrogate" in problem for problem in event.problems)


def test_half_an_emoji_in_what_is_newer_is_named_beside_the_type() -> None:
    event = decode(b'{"type":"response.newer","note":"\\ud83d"}')
    assert isinstance(event, UnknownEvent)
    assert event.type == "response.newer"
    assert any("surrogate" in problem for problem in event.problems)
    assert "unknown type" in event.problems


# Sound.


def test_sound_is_bytes_and_goes_back_in_the_standard_alphabet() -> None:
    event = decode(wire({"type": "response.output_audio.delta", "delta": WIRE_SOUND}))
    assert isinstance(event, ResponseOutputAudioDelta)
    assert event.delta == SOUND
    assert json.loads(event.model_dump_json())["delta"] == WIRE_SOUND
    assert event.model_dump()["delta"] == SOUND


@given(st.binary(max_size=100))
def test_any_sound_comes_and_goes_unchanged(sound: bytes) -> None:
    message = {"type": "response.audio.delta", "delta": base64.b64encode(sound).decode()}
    event = decode(wire(message))
    assert isinstance(event, ResponseOutputAudioDelta)
    assert event.delta == sound
    assert written(event) == message


@pytest.mark.parametrize("text", ["!", "A", "AAA*", "AA=A", "AAAA AAAA", "\N{LATIN SMALL LETTER E WITH ACUTE}==="])
def test_a_delta_that_is_not_base64_is_an_unknown_event_and_says_so(text: str) -> None:
    message = wire({"type": "response.output_audio.delta", "item_id": "item_2", "delta": text})
    event = decode(message)
    assert isinstance(event, UnknownEvent)
    assert event.type == "response.output_audio.delta"
    assert event.raw == message
    assert any("base64" in problem for problem in event.problems)


def test_the_reason_of_a_delta_that_is_not_base64_is_base64() -> None:
    event = decode('{"type":"response.output_audio.delta","delta":"!"}')
    assert isinstance(event, UnknownEvent)
    assert "base64" in event.reason
    assert len(event.problems) == 1


def test_sound_is_never_in_a_repr() -> None:
    sound = decode(wire({"type": "response.output_audio.delta", "delta": WIRE_SOUND}))
    heard = decode(wire({"type": "conversation.item.retrieved", "item": RETRIEVED_ITEM}))
    sent = InputAudioBufferAppend(audio=SOUND)
    for event in (sound, heard, sent):
        shown = f"{event!r} {event} {[event]}"
        assert f"<{len(SOUND)} bytes>" in shown
        assert repr(SOUND)[2:-1] not in shown
        assert WIRE_SOUND not in shown


# Events as values.


def test_events_are_matched_by_class_and_field() -> None:
    def what(event: ServerEvent) -> object:  # noqa: PLR0911 - one for each kind
        match event:
            case ResponseOutputAudioDelta(delta=pcm):
                return pcm
            case ResponseOutputAudioTranscriptDelta(delta=text) | ResponseOutputTextDelta(delta=text):
                return text
            case ResponseFunctionCallArgumentsDelta(call_id=call_id, delta=text):
                return call_id, text
            case ResponseDone(
                response=Response(status="completed", output=[Message(content=[ContentPart(text=text)])])
            ):
                return text
            case ErrorEvent(error=ServiceError(code=code)):
                return code
            case UnknownEvent(type=kind):
                return kind
            case _:
                return None

    done = {"status": "completed", "output": [{"type": "message", "content": [{"type": "text", "text": "yes"}]}]}
    assert what(decode(wire({"type": "response.audio.delta", "delta": WIRE_SOUND}))) == SOUND
    assert what(decode(wire({"type": "response.output_audio_transcript.delta", "delta": "Hi"}))) == "Hi"
    assert what(decode(wire({"type": "response.text.delta", "delta": "Ho"}))) == "Ho"
    assert what(decode(wire({"type": "response.function_call_arguments.delta", "delta": "{", "call_id": "c"}))) == (
        "c",
        "{",
    )
    assert what(decode(wire({"type": "response.done", "response": done}))) == "yes"
    assert what(decode(wire({"type": "error", "error": {"code": "c"}}))) == "c"
    assert what(decode(wire({"type": "new"}))) == "new"
    assert what(decode(wire({"type": "session.created"}))) is None


def test_what_was_left_out_reads_as_nothing() -> None:
    """So that a `match` or an attribute needs no guard."""
    created = decode('{"type":"session.created"}')
    assert isinstance(created, SessionCreated)
    assert created.session == Session()
    assert created.session.ga.audio is None
    done = decode('{"type":"response.done","response":{}}')
    assert isinstance(done, ResponseDone)
    assert done.response.output == []


def test_an_event_cannot_be_changed() -> None:
    event = decode(wire({"type": "response.output_text.delta", "delta": "a"}))
    with pytest.raises(ValueError, match="frozen"):
        setattr(event, "delta", "b")  # noqa: B010 - a plain assignment is refused by the type checker already


def pickled(event: ServerEvent) -> ServerEvent:
    twin: ServerEvent = pickle.loads(pickle.dumps(event))  # noqa: S301 - our own bytes
    return twin


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("message", [MESSAGES[0], {"type": "new", "x": 1}], ids=named)
def test_a_copy_is_equal(message: dict[str, Any], copied: Callable[[Any], Any]) -> None:
    event = decode(wire(message))
    twin = copied(event)
    assert twin == event
    assert written(twin) == message


def test_an_event_made_by_hand_has_no_raw_and_no_problems() -> None:
    for event in (ResponseCreate(), ErrorEvent(type="error"), UnknownEvent(type="x")):
        assert (event.raw, event.problems) == (b"", ())


def test_fields_of_a_message_do_not_pose_as_ours() -> None:
    event = decode('{"type":"error","_problems":"forged","_raw":"forged"}')
    assert event.problems == ()
    assert event.model_copy().raw in {b"", event.raw}


# For every message.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Text that could not be taken for base64: what is not canonical there is not given back as it came.
    | st.text(max_size=10).map("!{}".format)
    | st.sampled_from(["server_vad", "audio/pcm", "inf", "completed", *ITEM_KINDS, *TOOL_KINDS, *SERVER_NAMES])
    | st.binary(max_size=9).map(lambda sound: base64.b64encode(sound).decode())
)
PARTS = {part for event_class in SERVER_CLASSES for part in parts_below(event_class)}
NAMES = st.sampled_from(
    sorted({name for made in (*SERVER_CLASSES, *PARTS) for name in made.model_fields} | {"other"})
) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
TYPES = st.sampled_from(sorted(CLASS_OF))


@given(kind=TYPES, rest=st.dictionaries(NAMES, VALUES, max_size=5))
@example(kind="error", rest={"error": {"type": "x", "error": 1}})
def test_any_object_of_a_known_type_is_read_and_keeps_its_class(kind: str, rest: dict[str, Any]) -> None:
    message = {**rest, "type": kind}
    encoded = wire(message)
    event = decode(encoded)
    assert event.raw == encoded
    if isinstance(event, UnknownEvent):
        assert kind.endswith(".delta")
        assert event.reason.startswith("delta: ")
        return
    assert type(event) is CLASS_OF[kind]
    if not event.problems:
        assert written(event) == message
    for problem in event.problems:
        assert problem.split(":")[0].split(".")[0] in message


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything that is in *value*."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inside for found in ((*path, key), *places_in(each, (*path, key)))]


@given(st.data())
def test_a_message_with_anything_in_one_place_is_read(data: st.DataObject) -> None:
    """However deep the place: the rest of the message is there, and the trouble is named by its path."""
    message = copy.deepcopy(data.draw(st.sampled_from(EVERY_MESSAGE)))
    *outer, last = data.draw(st.sampled_from([path for path in places_in(message) if path != ("type",)]))
    here: Any = message
    for step in outer:
        here = here[step]
    here[last] = data.draw(VALUES)
    encoded = wire(message)
    event = decode(encoded)
    assert event.raw == encoded
    assert repr(event)
    if isinstance(event, UnknownEvent):
        assert last == "delta"
        return
    assert type(event) is CLASS_OF[message["type"]]
    if not event.problems:
        assert written(event) == message
    for problem in event.problems:
        assert problem.split(":")[0].split(".")[0] == str([*outer, last][0])
    for name in set(message) - {str([*outer, last][0])}:
        assert written(event)[name] == message[name]


@given(TYPES, st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_object_of_an_unknown_type_is_kept_whole(kind: str, rest: dict[str, Any]) -> None:
    message = {**rest, "type": f"x.{kind}"}
    message.pop("event_id", None)
    event = decode(wire(message))
    assert isinstance(event, UnknownEvent)
    assert written(event) == message


def typed(kind: str, rest: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'",' + rest + b"}"


REST = st.binary(max_size=30) | st.from_regex(rb'"(delta|item|session|response|error)":[^\x00-\x1f]*', fullmatch=True)
TYPED_BYTES = st.builds(typed, TYPES, REST)


@given(st.binary(max_size=60) | TYPED_BYTES)
@example(b'{"type":"error","x":"\\ud800"}')
@example(b'\xef\xbb\xbf{"type":"error"}')
@example(b' {"type":"error"}\r\n')
@example(b'{"type":"error","error":5,"x":{"":{"":[]}}}')
@example(b'{"type":"error","__class__":1,"__dict__":{},"model_fields_set":2,"model_extra":3,"self":4}')
@example(b'{"type":"x","__class__":1,"__dict__":{},"model_fields_set":2,"model_extra":3,"self":4}')
def test_any_bytes_are_read(message: bytes) -> None:
    event = decode(message)
    assert isinstance(event, Event)
    assert event.raw == message
    assert repr(event)


@given(st.data())
def test_a_message_with_a_damaged_byte_is_read(data: st.DataObject) -> None:
    message = bytearray(wire(data.draw(st.sampled_from(EVERY_MESSAGE))))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    event = decode(bytes(message))
    assert event.raw == bytes(message)
    assert repr(event)
