"""Events → bytes: whatever is sent was checked, and what is wrong is named before anything is sent."""

from __future__ import annotations

import base64
import copy
import json
import traceback
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_azure import InvalidEvent, events
from realtime_azure.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ClientEvent,
    ClientSecret,
    ContentPart,
    ConversationItemCreate,
    ConversationItemTruncate,
    CustomVoice,
    FunctionCallOutput,
    FunctionTool,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ItemReference,
    McpApprovalResponse,
    McpTool,
    McpToolApproval,
    McpToolFilter,
    Message,
    NoiseReduction,
    Prompt,
    Reasoning,
    ResponseAudio,
    ResponseCancel,
    ResponseConfig,
    ResponseCreate,
    RetentionRatio,
    Session,
    SessionAudio,
    SessionClose,
    SessionConfig,
    SessionInputAudioBufferAppend,
    SessionUpdate,
    TokenLimits,
    ToolChoice,
    Tracing,
    Transcription,
    TranscriptionConfig,
    TranscriptionSessionUpdate,
    TurnDetection,
    decode,
    encode,
)
from realtime_azure.events._base import Part
from realtime_azure.events.parts import ITEM_KINDS
from realtime_azure.events.wire import encode_append, read_client_event

from .messages import (
    CALL_ITEM,
    CLIENT_CLASSES,
    FUNCTION,
    MCP_CALL_ITEM,
    MCP_ITEM,
    MCP_REQUEST_ITEM,
    MCP_RESPONSE_ITEM,
    OUTPUT_ITEM,
    SOUND,
    USER_ITEM,
    WIRE_SOUND,
    parts_below,
    types_of,
    wire,
    written,
)

# All that a session can be told.

EVERYTHING = SessionConfig(
    type="realtime",
    model="my-deployment",
    instructions="Be brief.",
    output_modalities=["audio"],
    audio=SessionAudio(
        input=AudioInput(
            format=AudioFormat(type="audio/pcm", rate=24000),
            noise_reduction=NoiseReduction(type="far_field", strength=0.5),
            transcription=Transcription(
                model="my-transcriber", languages=["en", "de"], prompt="p", keywords=["k"], delay="xhigh"
            ),
            turn_detection=TurnDetection(
                type="server_vad",
                threshold=0.5,
                prefix_padding_ms=300,
                silence_duration_ms=200,
                idle_timeout_ms=None,
                create_response=True,
                interrupt_response=False,
            ),
        ),
        output=AudioOutput(format=AudioFormat(type="audio/pcmu"), voice="a-voice-of-tomorrow", speed=1.25),
    ),
    tools=[
        FunctionTool(type="function", name="f", description="d", parameters={"type": "object", "properties": {}}),
        McpTool(
            type="mcp",
            server_label="docs",
            server_url="https://example.com/mcp",
            authorization="a-token",
            headers={"x-key": "a-key"},
            allowed_tools=McpToolFilter(tool_names=["search"], read_only=True),
            require_approval=McpToolApproval(always=McpToolFilter(tool_names=["delete"])),
            allowed_callers=["direct"],
            defer_loading=True,
        ),
        McpTool(type="mcp", connector_id="connector_1", allowed_tools=["a", "b"], require_approval="never"),
        McpTool(type="mcp", tunnel_id="tunnel_1", server_description="Ours."),
    ],
    tool_choice=ToolChoice(type="function", name="f"),
    parallel_tool_calls=False,
    max_output_tokens=4096,
    include=["item.input_audio_transcription.logprobs"],
    prompt=Prompt(id="pmpt_1", version="2", variables={"city": "Berlin"}),
    reasoning=Reasoning(effort="minimal"),
    tracing=Tracing(workflow_name="w", group_id="g", metadata={"k": 1}),
    truncation=RetentionRatio(
        type="retention_ratio", retention_ratio=0.75, token_limits=TokenLimits(post_instructions=1000)
    ),
)
EVERYTHING_ON_THE_WIRE = {
    "type": "realtime",
    "model": "my-deployment",
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": {"type": "far_field", "strength": 0.5},
            "transcription": {
                "model": "my-transcriber",
                "languages": ["en", "de"],
                "prompt": "p",
                "keywords": ["k"],
                "delay": "xhigh",
            },
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": False,
            },
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "a-voice-of-tomorrow", "speed": 1.25},
    },
    "tools": [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {}},
        },
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://example.com/mcp",
            "authorization": "a-token",
            "headers": {"x-key": "a-key"},
            "allowed_tools": {"tool_names": ["search"], "read_only": True},
            "require_approval": {"always": {"tool_names": ["delete"]}},
            "allowed_callers": ["direct"],
            "defer_loading": True,
        },
        {"type": "mcp", "connector_id": "connector_1", "allowed_tools": ["a", "b"], "require_approval": "never"},
        {"type": "mcp", "tunnel_id": "tunnel_1", "server_description": "Ours."},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": False,
    "max_output_tokens": 4096,
    "include": ["item.input_audio_transcription.logprobs"],
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Berlin"}},
    "reasoning": {"effort": "minimal"},
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"k": 1}},
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.75,
        "token_limits": {"post_instructions": 1000},
    },
}
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
    (ResponseCancel(), {"type": "response.cancel"}),
    (
        TranscriptionSessionUpdate(session=TranscriptionConfig(input_audio_format="pcm16", turn_detection=None)),
        {
            "type": "transcription_session.update",
            "session": {"input_audio_format": "pcm16", "turn_detection": None},
        },
    ),
    (
        SessionInputAudioBufferAppend(event_id="e1", audio=SOUND),
        {"type": "session.input_audio_buffer.append", "event_id": "e1", "audio": WIRE_SOUND},
    ),
    (SessionClose(), {"type": "session.close"}),
    (SessionUpdate(session=EVERYTHING), {"type": "session.update", "session": EVERYTHING_ON_THE_WIRE}),
    (
        ResponseCreate(
            response=ResponseConfig(
                input=[
                    ItemReference(type="item_reference", id="item_1"),
                    McpApprovalResponse(type="mcp_approval_response", approval_request_id="mcpr_1", approve=True),
                ],
                audio=ResponseAudio(output=AudioOutput(voice=CustomVoice(id="voice_1"))),
                tool_choice=ToolChoice(type="mcp", server_label="docs"),
            )
        ),
        {
            "type": "response.create",
            "response": {
                "input": [
                    {"type": "item_reference", "id": "item_1"},
                    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
                ],
                "audio": {"output": {"voice": {"id": "voice_1"}}},
                "tool_choice": {"type": "mcp", "server_label": "docs"},
            },
        },
    ),
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
ENDLESS = 10**5000


@pytest.mark.parametrize(
    "event",
    [
        {"type": SESSION_OF, "session": {"instructions": "half an emoji: \ud83d"}},
        {"type": SESSION_OF, "session": {"tools": [{"type": "function", "name": "f", "parameters": {"x": object()}}]}},
        {"type": SESSION_OF, "session": {"prompt": {"variables": b"\xff"}}},
        {"type": SESSION_OF, "session": {"prompt": CIRCLE}},
        {"type": SESSION_OF, "session": {"max_output_tokens": ENDLESS}},
        {"type": SESSION_OF, "session": {ENDLESS: 1}},
        {"type": SESSION_OF, ENDLESS: 1},
        {"type": []},
        {"type": {}},
    ],
    ids=[
        "half an emoji",
        "an object",
        "bytes",
        "a circle",
        "an endless number",
        "a field named by one",
        "at the top",
        "a type that is a list",
        "a type that is an object",
    ],
)
def test_what_json_cannot_say_is_an_invalid_event(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        encode(event)


@pytest.mark.parametrize("speed", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_an_invalid_event(speed: float) -> None:
    with pytest.raises(InvalidEvent, match=r"session\.audio\.output\.speed"):
        encode({"type": SESSION_OF, "session": {"audio": {"output": {"speed": speed}}}})


# Where the values are listed, others are refused, in models and dicts alike.

AUTO = "auto, none, required"
EFFORTS = "none, minimal, low, medium, high, xhigh"
ITEM_STATUS = "in_progress, completed, incomplete"
CONTENT_TYPES = "input_text, input_audio, input_image, output_text, output_audio, text, audio"

CLOSED: list[tuple[type[Part], str, Any, str, str]] = [
    # class, field, wrong value, where in the class, what is listed
    (SessionConfig, "type", "Realtime", "type", "realtime, transcription"),
    (SessionConfig, "output_modalities", ["audio", "video"], "output_modalities", "text, audio"),
    (SessionConfig, "tool_choice", "maybe", "tool_choice", AUTO),
    (SessionConfig, "tool_choice", {"type": "web"}, "tool_choice.type", "function, mcp"),
    (SessionConfig, "tracing", "on", "tracing", "auto"),
    (SessionConfig, "truncation", "enabled", "truncation", "auto, disabled"),
    (SessionConfig, "truncation", {"type": "ratio"}, "truncation.type", "retention_ratio"),
    (SessionConfig, "reasoning", {"effort": "maximal"}, "reasoning.effort", EFFORTS),
    (ResponseConfig, "conversation", "default", "conversation", "auto, none"),
    (ResponseConfig, "output_modalities", ["speech"], "output_modalities", "text, audio"),
    (ResponseConfig, "tool_choice", "", "tool_choice", AUTO),
    (ResponseConfig, "reasoning", {"effort": ""}, "reasoning.effort", EFFORTS),
    (AudioFormat, "type", "pcm16", "type", "audio/pcm, audio/pcmu, audio/pcma"),
    (NoiseReduction, "type", "nearfield", "type", "near_field, far_field"),
    (Transcription, "delay", "max", "delay", "minimal, low, medium, high, xhigh"),
    (TurnDetection, "type", "none", "type", "server_vad, semantic_vad"),
    (TurnDetection, "eagerness", "eager", "eagerness", "low, medium, high, auto"),
    (McpTool, "require_approval", "sometimes", "require_approval", "always, never"),
    (Message, "role", "boss", "role", "user, assistant, system"),
    (Message, "status", "done", "status", ITEM_STATUS),
    (FunctionCallOutput, "status", "cancelled", "status", ITEM_STATUS),
    (Message, "content", [{"type": "input_text"}, {"type": "output"}], "content.1.type", CONTENT_TYPES),
    (Message, "content", [{"type": "input_image", "detail": "big"}], "content.0.detail", "auto, low, high"),
    (TranscriptionConfig, "input_audio_format", "audio/pcm", "input_audio_format", "pcm16, g711_ulaw, g711_alaw"),
]
TYPE_OF: dict[type[Part], dict[str, str]] = {
    AudioFormat: {"type": "audio/pcm"},
    NoiseReduction: {"type": "near_field"},
    TurnDetection: {"type": "server_vad"},
    McpTool: {"type": "mcp"},
    Message: {"type": "message"},
    FunctionCallOutput: {"type": "function_call_output"},
}


def event_with(part: Any, made_of: type[Part]) -> tuple[dict[str, Any], str]:
    """An event that has *part*, a model or a dict, and the path to it."""
    if made_of is TranscriptionConfig:
        return {"type": "transcription_session.update", "session": part}, "session"
    if made_of is ResponseConfig:
        return {"type": "response.create", "response": part}, "response"
    if made_of in {Message, FunctionCallOutput}:
        return {"type": ITEM_OF, "item": part}, "item"
    in_session: dict[type[Part], tuple[Any, str]] = {
        SessionConfig: (part, "session"),
        AudioFormat: ({"audio": {"output": {"format": part}}}, "session.audio.output.format"),
        NoiseReduction: ({"audio": {"input": {"noise_reduction": part}}}, "session.audio.input.noise_reduction"),
        Transcription: ({"audio": {"input": {"transcription": part}}}, "session.audio.input.transcription"),
        TurnDetection: ({"audio": {"input": {"turn_detection": part}}}, "session.audio.input.turn_detection"),
        McpTool: ({"tools": [FUNCTION, part]}, "session.tools.1"),
    }
    session, path = in_session[made_of]
    return {"type": SESSION_OF, "session": session}, path


@pytest.mark.parametrize("as_model", [False, True], ids=["dict", "model"])
@pytest.mark.parametrize("case", CLOSED, ids=str)
def test_a_value_that_is_not_listed_is_refused_with_those_that_are(
    case: tuple[type[Part], str, Any, str, str], as_model: bool
) -> None:
    made_of, field, wrong, where, listed = case
    fields = {**TYPE_OF.get(made_of, {}), field: wrong}
    event, path = event_with(made_of.model_validate(fields) if as_model else fields, made_of)
    with pytest.raises(InvalidEvent) as caught:
        encode(event)
    assert str(caught.value) == f"{event['type']}: {path}.{where}: this is one of {listed}"
    carrier, _ = event_with(fields, made_of)
    assert json.loads(encode(event, extra=True)) == carrier  # the caller knows better


SENT_PARTS = {part for event_class in CLIENT_CLASSES for part in parts_below(event_class)}
ITEM_CLASSES = {part for part in SENT_PARTS if "status" in part.model_fields}


def test_every_list_of_values_there_is_was_tried() -> None:
    """A field that is closed here and in no test above would go unnoticed when it opens."""
    tried = {(made_of, field) for made_of, field, *_ in CLOSED} | {(made_of, "status") for made_of in ITEM_CLASSES}
    tried |= {(ToolChoice, "type"), (RetentionRatio, "type"), (Reasoning, "effort")}
    tried |= {(ContentPart, "type"), (ContentPart, "detail")}
    closed = {(made_of, field) for made_of in SENT_PARTS for field in closed_fields(made_of)}
    assert closed <= tried


def closed_fields(made_of: type[Part]) -> set[str]:
    """The fields of *made_of* that a reader takes as one of some names, or any other."""
    found: set[str] = set()
    for name, field in made_of.model_fields.items():
        annotation: Any = field.annotation
        while list in {get_origin(each) for each in (annotation, *get_args(annotation))}:
            annotation = next(
                get_args(each)[0] for each in (annotation, *get_args(annotation)) if get_origin(each) is list
            )
        members = get_args(annotation)
        if str in members and any(get_origin(each) is Literal for each in members):
            found.add(name)
    return found


def test_all_that_is_not_listed_is_said_at_once() -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode({"type": SESSION_OF, "session": {"tool_choice": "maybe", "audio": {"output": {"format": ULAWW}}}})
    said = str(caught.value)
    assert "session.tool_choice: this is one of auto, none, required" in said
    assert "session.audio.output.format.type: this is one of audio/pcm, audio/pcmu, audio/pcma" in said


ULAWW = {"type": "audio/ulaw"}


@pytest.mark.parametrize(
    "session",
    [
        {"model": "a-deployment-of-mine"},
        {"audio": {"output": {"voice": "a-voice-of-tomorrow"}}},
        {"audio": {"output": {"voice": {"id": "voice_1"}}}},
        {"audio": {"output": {"language": "tlh"}}},
        {"audio": {"input": {"transcription": {"model": "my-whisper", "language": "tlh"}}}},
        {"include": ["item.of.tomorrow"]},
        {"tools": [{"type": "mcp", "connector_id": "connector_of_tomorrow", "allowed_callers": ["me"]}]},
        {"prompt": {"id": "p", "version": "next"}},
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "no-such-type", "x": None}}]},
    ],
    ids=str,
)
def test_a_set_that_is_open_is_open(session: dict[str, Any]) -> None:
    assert json.loads(encode({"type": SESSION_OF, "session": session}))["session"] == session
    model = SessionUpdate(session=SessionConfig.model_validate(session))
    assert json.loads(encode(model))["session"] == session


# What is newer than this version.

NEWER: list[tuple[dict[str, Any], str]] = [
    ({"type": SESSION_OF, "session": {"mood": "good"}}, "session.mood: there is no such field"),
    (
        {"type": SESSION_OF, "session": {"audio": {"input": {"echo": {"type": "x"}}}}},
        "session.audio.input.echo: there is no such field",
    ),
    ({"type": SESSION_OF, "session": {"output_modalities": ["video"]}}, "session.output_modalities: this is one of"),
    (
        {"type": SESSION_OF, "session": {"tools": [{"type": "web"}]}},
        "session.tools.0.type: this is one of function, mcp",
    ),
    (
        {"type": ITEM_OF, "item": {"type": "hologram"}},
        f"item.type: this is one of {', '.join(ITEM_KINDS)}",
    ),
    (
        {"type": "response.create", "response": {"input": [{"type": "hologram", "id": "i"}]}},
        "response.input.0.type: this is one of message, ",
    ),
    (
        {"type": ITEM_OF, "item": {"type": "message", "role": "user", "content": [{"type": "smell", "text": "x"}]}},
        "item.content.0.type: this is one of",
    ),
    ({"type": "response.cancel", "why": "x"}, "why: there is no such field"),
    ({"type": "conversation.item.delete", "item_id": "i", "why": "x"}, "why: there is no such field"),
    ({"type": "session.close", "why": "x"}, "why: there is no such field"),
]


@pytest.mark.parametrize(("event", "says"), NEWER, ids=str)
def test_what_is_newer_is_sent_if_the_caller_says_so(event: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode(event)
    assert says in str(caught.value)
    assert json.loads(encode(event, extra=True)) == event


@pytest.mark.parametrize(("event", "says"), NEWER, ids=str)
def test_a_model_of_what_is_newer_needs_the_callers_word_too(event: dict[str, Any], says: str) -> None:
    model = next(made for made in CLIENT_CLASSES if types_of(made) == (event["type"],)).model_validate(event)
    with pytest.raises(InvalidEvent) as caught:
        encode(model)
    assert says in str(caught.value)
    assert json.loads(encode(model, extra=True)) == event


def test_an_append_with_a_field_that_is_newer_is_sent_if_the_caller_says_so() -> None:
    for kind in ("input_audio_buffer.append", "session.input_audio_buffer.append"):
        event = {"type": kind, "audio": SOUND, "channel": 1}
        with pytest.raises(InvalidEvent, match="channel: there is no such field"):
            encode(event)
        assert json.loads(encode(event, extra=True)) == {"type": kind, "audio": WIRE_SOUND, "channel": 1}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"type": "event.of.tomorrow"}, "'event.of.tomorrow' is not an event that can be sent"),
        ({"type": SESSION_OF}, "session: this is needed"),
        ({"type": SESSION_OF, "session": {"instructions": 5}}, "session.instructions: "),
        ({"type": ITEM_OF, "item": {}}, "item.type: this is needed"),
        ({"type": "input_audio_buffer.append", "audio": WIRE_SOUND}, "audio: give bytes of PCM"),
        ({"type": SESSION_OF, "session": {"new": float("nan")}}, "session.new: "),
    ],
    ids=str,
)
def test_what_could_never_be_right_is_refused_all_the_same(event: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode(event, extra=True)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (
            {"type": SESSION_OF, "session": {"tools": [{"type": "fucntion", "name": "f", "parameters": {}}]}},
            "session.tools.0.type: this is one of function, mcp",
        ),
        (
            {"type": ITEM_OF, "item": {"type": "mesage", "role": "user", "content": []}},
            "item.type: this is one of message, ",
        ),
    ],
)
def test_a_misspelt_kind_is_named_and_not_its_fields(event: dict[str, Any], says: str) -> None:
    """`name` is a field; it is `fucntion` that is none of the kinds."""
    with pytest.raises(InvalidEvent) as caught:
        encode(event)
    assert says in str(caught.value)
    assert "there is no such field" not in str(caught.value)


def test_sound_in_a_field_that_is_newer_is_base64_too() -> None:
    item = {"type": "hologram", "content": [{"type": "input_audio", "audio": b"abc"}]}
    event = json.loads(encode({"type": ITEM_OF, "item": item}, extra=True))
    assert event["item"]["content"] == [{"type": "input_audio", "audio": "YWJj"}]


# Models inside dicts, and dicts of all kinds.


def test_models_and_dicts_may_be_mixed() -> None:
    mixed = {
        "type": SESSION_OF,
        "session": {
            "audio": SessionAudio(output=AudioOutput(voice="ash")),
            "tools": (FunctionTool(type="function", name="f"), {"type": "mcp", "allowed_tools": McpToolFilter()}),
            "tool_choice": ToolChoice(type="function", name="f"),
            "truncation": {"type": "retention_ratio", "token_limits": TokenLimits(post_instructions=5)},
        },
    }
    assert json.loads(encode(mixed))["session"] == {
        "audio": {"output": {"voice": "ash"}},
        "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "allowed_tools": {}}],
        "tool_choice": {"type": "function", "name": "f"},
        "truncation": {"type": "retention_ratio", "token_limits": {"post_instructions": 5}},
    }


def test_a_mapping_of_any_kind_will_do() -> None:
    session = MappingProxyType({"prompt": MappingProxyType({"variables": MappingProxyType({"k": ("a", "b")})})})
    event = encode(MappingProxyType({"type": SESSION_OF, "session": session}))
    assert json.loads(event)["session"] == {"prompt": {"variables": {"k": ["a", "b"]}}}


def test_what_the_service_said_can_be_said_back() -> None:
    """An item that was received is an item that can be sent."""
    for item in (CALL_ITEM, OUTPUT_ITEM, USER_ITEM, MCP_ITEM, MCP_CALL_ITEM, MCP_REQUEST_ITEM, MCP_RESPONSE_ITEM):
        received = decode(wire({"type": "conversation.item.added", "item": item}))
        assert isinstance(received, events.ConversationItemAdded)
        assert json.loads(encode({"type": ITEM_OF, "item": received.item}))["item"] == item
        assert received.item is not None
        assert json.loads(encode(ConversationItemCreate(item=received.item)))["item"] == item


def test_a_session_as_it_is_is_not_a_session_as_it_should_be() -> None:
    """It has an id, which cannot be set."""
    session = Session(id="sess_1", instructions="Be brief.")
    with pytest.raises(InvalidEvent, match=r"session\.id: there is no such field"):
        encode({"type": SESSION_OF, "session": session})


def test_checking_does_not_change_what_was_given() -> None:
    session: dict[str, Any] = {"tools": ({"type": "function", "name": "f"},), "prompt": {"variables": {"k": b"x"}}}
    event = {"type": SESSION_OF, "session": session}
    before = copy.deepcopy(event)
    encode(event)
    assert event == before


# Secrets.

SECRET = "hunter2-hunter2"
KEPT_SECRET: list[dict[str, Any]] = [
    {"type": "mcp", "server_label": "docs", "authorization": SECRET},
    {"type": "mcp", "server_label": "docs", "headers": {"authorization": f"Bearer {SECRET}"}},
]


@pytest.mark.parametrize("tool", KEPT_SECRET, ids=["authorization", "headers"])
def test_the_secrets_of_a_tool_are_in_no_repr(tool: dict[str, Any]) -> None:
    sent = SessionUpdate(session=SessionConfig(tools=[McpTool.model_validate(tool)]))
    answer = decode(wire({"type": "session.updated", "session": {"type": "realtime", "tools": [tool]}}))
    created = decode(wire({"type": "session.updated", "session": {"voice": "ash", "tools": [tool]}}))
    for event in (sent, answer, created):
        assert "docs" in repr(event)
        assert SECRET not in f"{event!r} {event}"
    assert SECRET in encode(sent).decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"authorization": [SECRET]},
        {"authorization": {SECRET: SECRET}},
        {"authorization": SECRET.encode()},
        {"authorization": SECRET + "\ud800"},
        {"authorization": SECRET, "autorization": SECRET},
        {"authorization": SECRET, "require_approval": "sometimes"},
        {"authorization": SECRET, "allowed_tools": 5},
        {"headers": SECRET},
        {"headers": [SECRET]},
        {"headers": {"authorization": [SECRET]}},
        {"headers": {"authorization": SECRET.encode()}},
    ],
    ids=str,
)
@pytest.mark.parametrize("extra", [False, True])
def test_the_secrets_of_a_tool_are_in_no_error(wrong: dict[str, Any], extra: bool) -> None:
    tool = {"type": "mcp", "server_label": "docs", **wrong}
    try:
        encode({"type": SESSION_OF, "session": {"tools": [tool]}}, extra=extra)
    except InvalidEvent as exc:
        shown = f"{exc!r} {exc} {''.join(traceback.format_exception(exc))} {exc.__context__!r} {exc.__cause__!r}"
        assert SECRET not in shown
    else:
        assert extra


def test_a_clients_secret_is_in_no_repr_and_in_no_problem() -> None:
    told = {"voice": "ash", "client_secret": {"value": SECRET, "expires_at": 1784688021}}
    event = decode(wire({"type": "session.created", "session": told}))
    assert isinstance(event, events.SessionCreated)
    assert isinstance(event.session, events.PreviewSession)
    assert event.session.client_secret == ClientSecret(value=SECRET, expires_at=1784688021)
    assert SECRET not in f"{event!r} {event.session} {event.session.client_secret!r}"
    broken = {"voice": "ash", "client_secret": {"value": [SECRET]}, "tools": [{"type": "mcp", "headers": SECRET}]}
    event = decode(wire({"type": "session.created", "session": broken}))
    assert len(event.problems) == 2
    assert SECRET not in f"{event.problems} {event!r}"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "session.created", "session": {"type": "realtime", "client_secret": {"value": "ek_SECRET"}}},
        {"type": "session.created", "session": {"modalities": ["text"], "client_secret": {"value": "ek_SECRET"}}},
        {"type": "session.created", "session": {"tools": [{"type": "x", "headers": {"k": "SECRET"}}]}},
        {"type": "newer.event", "authorization": "SECRET"},
        {"type": "newer.event", "part": {"audio": "SECRET" * 1000}},
        {"type": "newer.event", "parts": [{"delta": ["SECRET" * 1000]}]},
    ],
    ids=["GA", "flat", "a tool", "at the top", "sound inside", "sound in a list"],
)
def test_a_secret_that_no_class_names_is_in_no_repr(message: dict[str, Any]) -> None:
    assert "SECRET" not in repr(decode(json.dumps(message)))


def test_the_secret_of_a_transcription_session_is_in_no_repr() -> None:
    told = {"input_audio_format": "pcm16", "client_secret": {"value": SECRET, "expires_at": 1784688021}}
    event = decode(wire({"type": "transcription_session.updated", "session": told}))
    assert SECRET not in repr(event)
    assert written(event)["session"] == told


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
