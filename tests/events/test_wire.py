"""Bytes ↔ events: whatever comes is read, whatever is sent was checked, and nothing is lost on the way."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
import traceback
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_azure import InvalidEvent, events
from realtime_azure.events import (
    AudioOutput,
    ClientEvent,
    ContentPart,
    ConversationItemAdded,
    ConversationItemCreate,
    ConversationItemTruncate,
    ErrorEvent,
    Event,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    KnownServerEvent,
    Message,
    OtherItem,
    RateLimitsUpdated,
    Response,
    ResponseCancel,
    ResponseConfig,
    ResponseCreate,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    ServerEvent,
    ServiceError,
    Session,
    SessionAudio,
    SessionConfig,
    SessionCreated,
    SessionUpdate,
    UnknownEvent,
    decode,
    encode,
)
from realtime_azure.events.preview import SERVER_NAMES
from realtime_azure.events.wire import encode_append, read_client_event

SERVER_CLASSES: tuple[type[Any], ...] = get_args(KnownServerEvent)
CLIENT_CLASSES: tuple[type[Any], ...] = get_args(ClientEvent)
SOUND = bytes(range(240, 256)) + b"\x00\x01"
WIRE_SOUND = base64.b64encode(SOUND).decode()
assert set("+/") & set(WIRE_SOUND)  # else the alphabets would not be told apart


def types_of(event_class: type[Any]) -> tuple[str, ...]:
    types: tuple[str, ...] = get_args(event_class.model_fields["type"].annotation)
    return types


CLASS_OF: dict[str, type[Any]] = {name: made for made in SERVER_CLASSES for name in types_of(made)}


def wire(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def written(event: ServerEvent) -> Any:
    return json.loads(event.model_dump_json(exclude_unset=True))


# What the service says: one realistic message for every type, GA and dated.

FUNCTION = {
    "type": "function",
    "name": "get_weather",
    "description": "Look up the weather for a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
PCM = {"type": "audio/pcm", "rate": 24000}
SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_E4",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "Antworte kürzer, bitte. 请简短。",
    "tools": [FUNCTION],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "expires_at": 1784688021,
    "audio": {
        "input": {
            "format": PCM,
            "transcription": {"model": "gpt-realtime-whisper", "language": None, "prompt": None},
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": PCM, "voice": "alloy", "speed": 1.0},
    },
    "include": None,
}
DATED_SESSION = {
    "id": "sess_9",
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "expires_at": 1784688021,
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "alloy",
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "create_response": True},
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": None,
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
}
USER_ITEM = {
    "id": "item_1",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": None}, {"type": "input_text", "text": "What is in it?"}],
}
ASSISTANT_ITEM = {
    "id": "item_2",
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_audio", "transcript": "Nebel, 12\N{DEGREE SIGN}."}],
}
CALL_ITEM = {
    "id": "item_3",
    "type": "function_call",
    "status": "completed",
    "name": "get_weather",
    "call_id": "call_I5",
    "arguments": '{ \n "city": "London" }',
}
OUTPUT_ITEM = {"id": "item_4", "type": "function_call_output", "call_id": "call_I5", "output": "foggy"}
MCP_ITEM = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "search"}]}
RETRIEVED_ITEM = {
    "id": "item_1",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_audio", "audio": WIRE_SOUND, "transcript": "hello", "format": "pcm16"}],
}
RESPONSE = {
    "object": "realtime.response",
    "id": "resp_1",
    "status": "in_progress",
    "status_details": None,
    "output": [],
    "conversation_id": "conv_1",
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "audio": {"output": {"format": PCM, "voice": "alloy"}},
    "usage": None,
    "metadata": None,
}
DONE_RESPONSE = {
    **RESPONSE,
    "status": "completed",
    "output": [ASSISTANT_ITEM, CALL_ITEM, MCP_ITEM],
    "metadata": {"topic": "weather"},
    "max_output_tokens": 4096,
    "usage": {
        "total_tokens": 85,
        "input_tokens": 63,
        "output_tokens": 22,
        "input_token_details": {
            "text_tokens": 63,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 22, "audio_tokens": 0},
    },
}
CANCELLED_RESPONSE = {
    **RESPONSE,
    "status": "cancelled",
    "status_details": {"type": "cancelled", "reason": "turn_detected"},
}
FAILED_RESPONSE = {
    **RESPONSE,
    "status": "failed",
    "status_details": {
        "type": "failed",
        "error": {"type": "invalid_request_error", "code": "inference_rate_limit_exceeded", "message": "Wait."},
    },
}
OF_RESPONSE = {"response_id": "resp_1", "output_index": 0}
OF_CONTENT = {**OF_RESPONSE, "item_id": "item_2", "content_index": 0}
OF_CALL = {**OF_RESPONSE, "item_id": "item_3", "call_id": "call_I5"}
TOO_SHORT = "Error committing input audio buffer: buffer too small."
NO_DEPLOYMENT = "Input transcription failed for item 'item_1'."
TRANSCRIBED = "conversation.item.input_audio_transcription"

SAID: list[tuple[str, dict[str, Any]]] = [
    (
        "error",
        {
            "error": {
                "type": "invalid_request_error",
                "code": "input_audio_buffer_commit_empty",
                "message": TOO_SHORT,
                "param": None,
                "event_id": "event_of_mine",
            }
        },
    ),
    ("error", {"error": {"type": "server_error", "code": None, "message": "Sorry."}, "event_id": None}),
    ("session.created", {"session": SESSION}),
    ("session.created", {"session": DATED_SESSION}),
    ("session.updated", {"session": SESSION}),
    (
        "session.updated",
        {
            "session": {
                **SESSION,
                "output_modalities": ["text"],
                "tools": [FUNCTION, {"type": "mcp", "server_label": "docs", "require_approval": {"never": {}}}],
                "tool_choice": {"type": "function", "name": "get_weather"},
                "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
                "reasoning": {"effort": "low"},
                "tracing": {"workflow_name": "w"},
            }
        },
    ),
    ("conversation.created", {"conversation": {"id": "conv_1", "object": "realtime.conversation"}}),
    ("conversation.item.added", {"previous_item_id": None, "item": USER_ITEM}),
    ("conversation.item.added", {"previous_item_id": "item_3", "item": OUTPUT_ITEM}),
    ("conversation.item.added", {"previous_item_id": None, "item": MCP_ITEM}),
    ("conversation.item.created", {"previous_item_id": None, "item": USER_ITEM}),
    ("conversation.item.done", {"previous_item_id": "item_1", "item": ASSISTANT_ITEM}),
    ("conversation.item.retrieved", {"item": RETRIEVED_ITEM}),
    ("conversation.item.deleted", {"item_id": "item_1"}),
    ("conversation.item.truncated", {"item_id": "item_2", "content_index": 0, "audio_end_ms": 1480}),
    (f"{TRANSCRIBED}.delta", {"item_id": "item_1", "content_index": 0, "delta": "Wie", "obfuscation": "X2V"}),
    (
        f"{TRANSCRIBED}.completed",
        {
            "item_id": "item_1",
            "content_index": 0,
            "transcript": "Wie ist das Wetter?",
            "usage": {"type": "duration", "seconds": 2.7},
        },
    ),
    (
        f"{TRANSCRIBED}.failed",
        {
            "item_id": "item_1",
            "content_index": 0,
            "error": {
                "type": "server_error",
                "code": "DeploymentNotFound",
                "message": NO_DEPLOYMENT,
                "param": None,
            },
        },
    ),
    ("input_audio_buffer.committed", {"previous_item_id": None, "item_id": "item_1"}),
    ("input_audio_buffer.cleared", {}),
    ("input_audio_buffer.speech_started", {"audio_start_ms": 1556, "item_id": "item_1"}),
    ("input_audio_buffer.speech_stopped", {"audio_end_ms": 4224, "item_id": "item_1"}),
    ("response.created", {"response": RESPONSE}),
    ("response.done", {"response": DONE_RESPONSE}),
    ("response.done", {"response": CANCELLED_RESPONSE}),
    ("response.done", {"response": FAILED_RESPONSE}),
    ("response.output_item.added", {**OF_RESPONSE, "item": {**CALL_ITEM, "status": "in_progress", "arguments": ""}}),
    ("response.output_item.done", {**OF_RESPONSE, "item": ASSISTANT_ITEM}),
    (
        "response.content_part.added",
        {**OF_CONTENT, "part": {"type": "audio", "transcript": ""}, "content": {"type": "audio", "transcript": ""}},
    ),
    ("response.content_part.done", {**OF_CONTENT, "part": {"type": "text", "text": "Nebel."}}),
    ("response.output_text.delta", {**OF_CONTENT, "delta": " fog", "obfuscation": "upAWilgkjbQI"}),
    ("response.output_text.done", {**OF_CONTENT, "text": "It is foggy. \N{FOGGY}"}),
    ("response.output_audio.delta", {**OF_CONTENT, "delta": WIRE_SOUND}),
    ("response.output_audio.done", OF_CONTENT),
    ("response.output_audio_transcript.delta", {**OF_CONTENT, "delta": "Hi", "obfuscation": "X2VX"}),
    ("response.output_audio_transcript.done", {**OF_CONTENT, "transcript": "Hi Marcelo."}),
    ("response.function_call_arguments.delta", {**OF_CALL, "delta": '":', "obfuscation": "jEi"}),
    ("response.function_call_arguments.done", {**OF_CALL, "name": "get_weather", "arguments": '{"city":"London"}'}),
    ("response.function_call_arguments.done", {**OF_CALL, "arguments": "{}"}),
    (
        "rate_limits.updated",
        {"rate_limits": [{"name": "tokens", "limit": 100000, "remaining": 99950, "reset_seconds": 0.03}]},
    ),
]
MESSAGES: list[dict[str, Any]] = [{"type": kind, "event_id": "event_E4", **fields} for kind, fields in SAID]
DATED_MESSAGES = [
    {**message, "type": SERVER_NAMES[message["type"]]} for message in MESSAGES if message["type"] in SERVER_NAMES
]
EVERY_MESSAGE = [*MESSAGES, *DATED_MESSAGES]


def named(message: dict[str, Any]) -> str:
    return str(message["type"])


def test_the_messages_above_are_of_every_type_there_is() -> None:
    assert {message["type"] for message in EVERY_MESSAGE} == set(CLASS_OF)


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=named)
def test_a_message_of_the_service_is_an_event_of_its_class(message: dict[str, Any]) -> None:
    event = decode(wire(message))
    assert type(event) is CLASS_OF[message["type"]]
    assert event.problems == ()
    assert event.type == message["type"]
    assert event.event_id == message["event_id"]
    assert event.raw == wire(message)


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=named)
def test_nothing_of_a_message_is_lost(message: dict[str, Any]) -> None:
    assert written(decode(wire(message))) == message


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=named)
def test_what_this_version_does_not_know_is_kept_and_readable(message: dict[str, Any]) -> None:
    """A newer service adds fields; the event is what it was, and has them."""
    newer = {**message, "brand_new": {"nested": [1, None]}}
    event = decode(wire(newer))
    assert (type(event), event.problems) == (CLASS_OF[message["type"]], ())
    assert getattr(event, "brand_new") == {"nested": [1, None]}  # noqa: B009 - not in the type, that is the point
    assert written(event) == newer


@pytest.mark.parametrize("kind", [kind for kind in CLASS_OF if not kind.endswith(".delta")])
def test_a_type_alone_is_an_event_already(kind: str) -> None:
    """Whatever else the service leaves out, who waits for this type is woken."""
    for message in ({"type": kind}, {"type": kind, "event_id": None}):
        event = decode(wire(message))
        assert (type(event), event.problems) == (CLASS_OF[kind], ())
        assert written(event) == message


@pytest.mark.parametrize("kind", [kind for kind in CLASS_OF if kind.endswith(".delta")])
@pytest.mark.parametrize("rest", [{}, {"delta": None}, {"delta": 5}, {"delta": ["x"]}])
def test_a_delta_without_its_payload_is_unknown_and_says_so(kind: str, rest: dict[str, Any]) -> None:
    event = decode(wire({"type": kind, "item_id": "item_1", **rest}))
    assert isinstance(event, UnknownEvent)
    assert event.type == kind
    assert event.reason.startswith("delta: ")
    assert event.model_extra == {"item_id": "item_1"}


# Every class has the name of its type.


def camel(kind: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[._]", kind))


@pytest.mark.parametrize("event_class", [*SERVER_CLASSES, *CLIENT_CLASSES])
def test_a_class_is_named_by_its_type(event_class: type[Any]) -> None:
    kind = types_of(event_class)[0]
    assert event_class.__name__ == ("ErrorEvent" if kind == "error" else camel(kind))
    assert getattr(events, event_class.__name__) is event_class
    assert event_class.__name__ in events.__all__


def test_no_two_classes_claim_a_type() -> None:
    for classes in (SERVER_CLASSES, CLIENT_CLASSES):
        names = [name for event_class in classes for name in types_of(event_class)]
        assert len(names) == len(set(names))


def test_every_event_class_that_is_promised_can_be_read_or_sent() -> None:
    promised = {
        found
        for name in events.__all__
        if isinstance(found := getattr(events, name), type) and issubclass(found, Event)
    }
    assert promised == {*SERVER_CLASSES, *CLIENT_CLASSES, UnknownEvent, Event}


# Reading what is not as it should be.


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
    event = decode(wire({**message, name: 12.5}))
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
    assert created.session.audio is None
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
    | st.sampled_from(["message", "function_call", "server_vad", "audio/pcm", "inf", "completed", *SERVER_NAMES])
    | st.binary(max_size=9).map(lambda sound: base64.b64encode(sound).decode())
)
NAMES = st.sampled_from(
    sorted(
        {name for made in SERVER_CLASSES for name in made.model_fields}
        | {name for made in (Session, SessionAudio, AudioOutput, Response, ServiceError) for name in made.model_fields}
        | {"content", "arguments", "role", "text", "transcript", "rate", "total_tokens", "message", "other"}
    )
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


@given(TYPES, st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_object_of_an_unknown_type_is_kept_whole(kind: str, rest: dict[str, Any]) -> None:
    message = {**rest, "type": f"x.{kind}"}
    message.pop("event_id", None)
    event = decode(wire(message))
    assert isinstance(event, UnknownEvent)
    assert written(event) == message


@given(st.binary(max_size=60) | st.from_regex(rb'\{"type":"(error|response\.done)",[^\x00-\x1f]*\}', fullmatch=True))
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


# Writing.

SENT: list[tuple[ClientEvent, dict[str, Any]]] = [
    (SessionUpdate(session=SessionConfig()), {"type": "session.update", "session": {}}),
    (
        SessionUpdate(session=SessionConfig(type="realtime", audio=SessionAudio(output=AudioOutput(voice="ash")))),
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "ash"}}}},
    ),
    (
        SessionUpdate(event_id="e\N{LATIN SMALL LETTER E WITH ACUTE}", session=SessionConfig(tracing=None)),
        {"type": "session.update", "event_id": "e\N{LATIN SMALL LETTER E WITH ACUTE}", "session": {"tracing": None}},
    ),
    (InputAudioBufferAppend(audio=SOUND), {"type": "input_audio_buffer.append", "audio": WIRE_SOUND}),
    (InputAudioBufferAppend(audio=b""), {"type": "input_audio_buffer.append", "audio": ""}),
    (InputAudioBufferCommit(), {"type": "input_audio_buffer.commit"}),
    (InputAudioBufferClear(event_id="e1"), {"type": "input_audio_buffer.clear", "event_id": "e1"}),
    (events.OutputAudioBufferClear(), {"type": "output_audio_buffer.clear"}),
    (
        ConversationItemCreate(
            previous_item_id="root",
            item=Message(type="message", role="user", content=[ContentPart(type="input_audio", audio=SOUND)]),
        ),
        {
            "type": "conversation.item.create",
            "previous_item_id": "root",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": WIRE_SOUND}]},
        },
    ),
    (
        ConversationItemCreate(item=events.FunctionCallOutput(type="function_call_output", call_id="c", output="1")),
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "1"}},
    ),
    (events.ConversationItemDelete(item_id="i"), {"type": "conversation.item.delete", "item_id": "i"}),
    (events.ConversationItemRetrieve(item_id="i"), {"type": "conversation.item.retrieve", "item_id": "i"}),
    (
        ConversationItemTruncate(item_id="i", content_index=0, audio_end_ms=1480),
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1480},
    ),
    (ResponseCreate(), {"type": "response.create"}),
    (
        ResponseCreate(response=ResponseConfig(conversation="none", metadata={"k": "v"}, max_output_tokens="inf")),
        {
            "type": "response.create",
            "response": {"conversation": "none", "metadata": {"k": "v"}, "max_output_tokens": "inf"},
        },
    ),
    (ResponseCancel(response_id="resp_1"), {"type": "response.cancel", "response_id": "resp_1"}),
]


def test_the_events_above_are_of_every_type_there_is() -> None:
    assert {type(event) for event, _ in SENT} == set(CLIENT_CLASSES)


def unwired(value: Any) -> Any:
    """*value* as a caller writes it: sound as bytes."""
    if isinstance(value, dict):
        return {name: SOUND if part == WIRE_SOUND else unwired(part) for name, part in value.items()}
    if isinstance(value, list):
        return [unwired(part) for part in value]
    return b"" if value == "" else value


@pytest.mark.parametrize(("event", "wanted"), SENT, ids=lambda value: getattr(value, "type", ""))
def test_a_model_and_a_mapping_are_written_alike(event: ClientEvent, wanted: dict[str, Any]) -> None:
    """With what was given, and nothing else."""
    assert json.loads(encode(event)) == wanted
    assert json.loads(encode(unwired(wanted))) == wanted


@pytest.mark.parametrize(("event", "wanted"), SENT, ids=lambda value: getattr(value, "type", ""))
def test_what_is_written_can_be_read_at_the_other_end(event: ClientEvent, wanted: dict[str, Any]) -> None:
    twin = read_client_event(encode(event))
    assert twin == event
    assert json.loads(encode(twin)) == wanted


SESSION_OF = "session.update"
ITEM_OF = "conversation.item.create"


@pytest.mark.parametrize(
    ("event", "says"),
    [
        # not an event that can be sent
        ({}, "'an event without a type' is not an event that can be sent"),
        ({"type": "session.updated"}, "'session.updated' is not an event that can be sent"),
        ({"type": "input_audio_buffer.apend", "audio": SOUND}, "'input_audio_buffer.apend' is not an event"),
        ({"type": None}, "None is not an event that can be sent"),
        ({"type": 5}, "5 is not an event that can be sent"),
        (decode('{"type":"error"}'), "'error' is not an event that can be sent"),
        (decode('{"type":"future.event"}'), "'future.event' is not an event that can be sent"),
        # a field that does not exist, by its path
        ({"type": "response.create", "respnse": {}}, "response.create: respnse: there is no such field"),
        (
            {"type": SESSION_OF, "session": {"audio": {"output": {"voise": "ash"}}}},
            "session.update: session.audio.output.voise: there is no such field",
        ),
        ({"type": SESSION_OF, "session": {"voice": "ash"}}, "session.voice: there is no such field"),
        (
            {"type": SESSION_OF, "session": {"tools": [{"type": "function"}, {"type": "function", "nam": 1}]}},
            "session.tools.1.nam: there is no such field",
        ),
        (
            {"type": ITEM_OF, "item": {"type": "message", "role": "user", "contents": []}},
            "item.contents: there is no such field",
        ),
        (
            {
                "type": "response.create",
                "response": {"input": [{"type": "message", "content": [{"type": "t", "t": ""}]}]},
            },
            "response.input.0.content.0.t: there is no such field",
        ),
        (SessionUpdate.model_validate({"session": {"voise": "ash"}}), "session.voise: there is no such field"),
        (ResponseCreate.model_validate({"bogus": 1}), "bogus: there is no such field"),
        (InputAudioBufferAppend.model_validate({"audio": SOUND, "bogus": 1}), "bogus: there is no such field"),
        # a field that is missing
        ({"type": SESSION_OF}, "session.update: session: this is needed"),
        ({"type": "input_audio_buffer.append"}, "audio: this is needed"),
        (
            {"type": "conversation.item.truncate", "item_id": "i"},
            "content_index: this is needed; audio_end_ms: this is needed",
        ),
        ({"type": ITEM_OF, "item": {"role": "user"}}, "item.type: this is needed"),
        (
            {"type": ITEM_OF, "item": {"type": "message", "content": [{"text": "x"}]}},
            "item.content.0.type: this is needed",
        ),
        # a value of the wrong kind
        ({"type": SESSION_OF, "session": {"instructions": 5}}, "session.instructions: "),
        ({"type": SESSION_OF, "session": {"audio": {"output": {"speed": "1.0"}}}}, "session.audio.output.speed: "),
        ({"type": SESSION_OF, "session": {"max_output_tokens": "infinite"}}, "session.max_output_tokens: "),
        ({"type": SESSION_OF, "session": None}, "session: "),
        ({"type": ITEM_OF, "item": "hello"}, "item: "),
        ({"type": ITEM_OF, "item": {"type": "message", "content": "hello"}}, "item.content: "),
        ({"type": "response.create", "response": {"metadata": {"k": 5}}}, "response.metadata.k: "),
        ({"type": "response.cancel", "event_id": 5}, "event_id: "),
        (
            {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1.5},
            "audio_end_ms: ",
        ),
        # base64 where bytes are wanted
        ({"type": "input_audio_buffer.append", "audio": WIRE_SOUND}, "audio: give bytes of PCM; base64 is done here"),
        (
            {"type": ITEM_OF, "item": {"type": "message", "content": [{"type": "input_audio", "audio": WIRE_SOUND}]}},
            "item.content.0.audio: give bytes of PCM; base64 is done here",
        ),
    ],
    ids=str,
)
def test_what_the_service_could_not_accept_is_refused_by_its_path(event: Any, says: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode(event)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode({"type": SESSION_OF, "session": {"instructions": 5, "voise": "ash"}})
    assert "session.instructions: " in str(caught.value)
    assert "session.voise: " in str(caught.value)


@pytest.mark.parametrize("wrong", [None, "response.create", b"{}", ["type"], 5])
def test_what_is_no_event_at_all_is_refused_by_its_type(wrong: Any) -> None:
    with pytest.raises(InvalidEvent, match=f"not {type(wrong).__name__}$"):
        encode(wrong)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": WIRE_SOUND},
        {"type": "input_audio_buffer.append", "audio": SOUND, "bogus": 1},
        {"type": ITEM_OF, "item": {"type": "message", "content": [{"type": "input_audio", "audio": WIRE_SOUND}]}},
        {"type": ITEM_OF, "item": {"type": "message", "content": [{"type": "x", "audio": SOUND, "bogus": SOUND}]}},
    ],
)
def test_sound_is_never_in_an_error(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode(event)
    for shown in (repr(caught.value), "".join(traceback.format_exception(caught.value))):
        assert repr(SOUND)[2:-1] not in shown
        assert WIRE_SOUND not in shown


def test_sound_is_not_in_what_an_error_came_of_either() -> None:
    """A traceback does not show it, but what collects errors follows `__context__` too."""
    with pytest.raises(InvalidEvent) as caught:
        encode({"type": "input_audio_buffer.append", "audio": WIRE_SOUND})
    assert WIRE_SOUND not in str(caught.value.__context__)


@pytest.mark.parametrize(
    "event",
    [
        {"type": SESSION_OF, "session": SessionConfig.model_validate({"voise": "ash"})},
        {"type": SESSION_OF, "session": {"audio": SessionAudio.model_validate({"outputs": 1})}},
        {"type": "response.create", "response": {"input": [Message.model_validate({"type": "message", "rol": "u"})]}},
    ],
    ids=str,
)
def test_a_model_inside_a_mapping_is_checked_too(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent, match="there is no such field"):
        encode(event)


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE


@pytest.mark.parametrize(
    "event",
    [
        {"type": SESSION_OF, "session": {"instructions": "half an emoji: \ud83d"}},
        {"type": SESSION_OF, "session": {"tools": [{"type": "function", "name": "f", "parameters": {"x": object()}}]}},
        {"type": SESSION_OF, "session": {"prompt": {"variables": b"\xff"}}},
        {"type": SESSION_OF, "session": {"prompt": CIRCLE}},
    ],
    ids=["half an emoji", "an object", "bytes", "a circle"],
)
def test_what_json_cannot_say_is_an_invalid_event(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        encode(event)


@pytest.mark.parametrize("speed", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_an_invalid_event(speed: float) -> None:
    with pytest.raises(InvalidEvent, match=r"session\.audio\.output\.speed"):
        encode({"type": SESSION_OF, "session": {"audio": {"output": {"speed": speed}}}})


# The fast way of append.


def slow(audio: Any, event_id: str | None) -> Any:
    """The checked, general way, which every other event takes."""
    fields = {"event_id": event_id} if event_id is not None else {}
    message = {"type": "input_audio_buffer.append", "audio": audio, **fields}
    return json.loads(events.wire.checked(message).model_dump_json(exclude_unset=True))


@given(st.binary(max_size=64), st.none() | st.text(max_size=12))
@example(b"", "")
@example(SOUND, 'quote " backslash \\ newline \n emoji \N{FOGGY}')
def test_append_is_written_the_fast_way_as_it_would_be_the_slow_way(audio: bytes, event_id: str | None) -> None:
    wanted = slow(audio, event_id)
    assert json.loads(encode_append(audio, event_id)) == wanted
    fields: dict[str, Any] = {"audio": audio} | ({} if event_id is None else {"event_id": event_id})
    assert json.loads(encode(InputAudioBufferAppend(**fields))) == wanted
    assert read_client_event(encode_append(audio, event_id)) == InputAudioBufferAppend(**fields)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_append_takes_bytes_of_any_kind(kind: Callable[[bytes], Any]) -> None:
    assert json.loads(encode_append(kind(SOUND))) == {"type": "input_audio_buffer.append", "audio": WIRE_SOUND}


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_mapping_takes_bytes_of_any_kind(kind: Callable[[bytes], Any]) -> None:
    message = encode({"type": "input_audio_buffer.append", "audio": kind(SOUND)})
    assert json.loads(message) == {"type": "input_audio_buffer.append", "audio": WIRE_SOUND}
    content = [{"type": "input_audio", "audio": kind(SOUND)}]
    message = encode({"type": ITEM_OF, "item": {"type": "message", "role": "user", "content": content}})
    assert json.loads(message)["item"]["content"] == [{"type": "input_audio", "audio": WIRE_SOUND}]


def test_append_takes_a_view_with_gaps() -> None:
    message = encode_append(memoryview(b"a-b-c-d-")[::2])
    assert json.loads(message)["audio"] == base64.b64encode(b"abcd").decode()


@pytest.mark.parametrize("wrong", [WIRE_SOUND, None, [1, 2], 5])
def test_append_refuses_what_is_not_bytes_and_says_that_base64_is_done_here(wrong: Any) -> None:
    with pytest.raises(InvalidEvent, match=f"must be bytes of PCM, not {type(wrong).__name__}; base64 is done here"):
        encode_append(wrong)
