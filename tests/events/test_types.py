"""Every type there is: its class, its name, and a realistic message that comes and goes unchanged."""

from __future__ import annotations

import re
from typing import Any

import pytest

from realtime_azure import events
from realtime_azure.events import (
    ContentPart,
    Event,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    ItemReference,
    LogProb,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    McpTool,
    McpToolApproval,
    McpToolFilter,
    Message,
    OtherItem,
    OtherTool,
    PreviewSession,
    RetentionRatio,
    Session,
    ToolChoice,
    Tracing,
    UnknownEvent,
    decode,
    voice_live,
)
from realtime_azure.events.parts import ITEM_KINDS
from realtime_azure.events.preview import SERVER_NAMES, VOICE_LIVE_CLIENT_TYPES, VOICE_LIVE_SERVER_TYPES
from realtime_azure.events.settings import TOOL_KINDS

from .messages import (
    CLASS_OF,
    CLIENT_CLASSES,
    DATED_SESSION,
    EVERY_MESSAGE,
    FUNCTION,
    MCP_CALL_ITEM,
    MCP_ITEM,
    MCP_REQUEST_ITEM,
    MCP_RESPONSE_ITEM,
    MCP_TOOL,
    MESSAGES,
    SERVER_CLASSES,
    SESSION,
    SOUND,
    TRANSCRIBING_SESSION,
    TRANSLATING_SESSION,
    VOICE_LIVE_CLIENT_CLASSES,
    VOICE_LIVE_SERVER_CLASSES,
    named,
    parts_below,
    types_of,
    wire,
    written,
)

# The maintained table: what the service's own documents list, and the class of each.

GA_CLIENT = {
    "conversation.item.create": "ConversationItemCreate",
    "conversation.item.delete": "ConversationItemDelete",
    "conversation.item.retrieve": "ConversationItemRetrieve",
    "conversation.item.truncate": "ConversationItemTruncate",
    "input_audio_buffer.append": "InputAudioBufferAppend",
    "input_audio_buffer.clear": "InputAudioBufferClear",
    "input_audio_buffer.commit": "InputAudioBufferCommit",
    "output_audio_buffer.clear": "OutputAudioBufferClear",
    "response.cancel": "ResponseCancel",
    "response.create": "ResponseCreate",
    "session.update": "SessionUpdate",
}
DATED_CLIENT = GA_CLIENT | {"transcription_session.update": "TranscriptionSessionUpdate"}
TRANSLATION_CLIENT = {
    "session.close": "SessionClose",
    "session.input_audio_buffer.append": "SessionInputAudioBufferAppend",
    "session.update": "SessionUpdate",
}
GA_SERVER = {
    "conversation.created": "ConversationCreated",
    "conversation.item.added": "ConversationItemAdded",
    "conversation.item.created": "ConversationItemAdded",
    "conversation.item.deleted": "ConversationItemDeleted",
    "conversation.item.done": "ConversationItemDone",
    "conversation.item.input_audio_transcription.completed": "ConversationItemInputAudioTranscriptionCompleted",
    "conversation.item.input_audio_transcription.delta": "ConversationItemInputAudioTranscriptionDelta",
    "conversation.item.input_audio_transcription.failed": "ConversationItemInputAudioTranscriptionFailed",
    "conversation.item.input_audio_transcription.segment": "ConversationItemInputAudioTranscriptionSegment",
    "conversation.item.retrieved": "ConversationItemRetrieved",
    "conversation.item.truncated": "ConversationItemTruncated",
    "error": "ErrorEvent",
    "input_audio_buffer.cleared": "InputAudioBufferCleared",
    "input_audio_buffer.committed": "InputAudioBufferCommitted",
    "input_audio_buffer.dtmf_event_received": "InputAudioBufferDtmfEventReceived",
    "input_audio_buffer.speech_started": "InputAudioBufferSpeechStarted",
    "input_audio_buffer.speech_stopped": "InputAudioBufferSpeechStopped",
    "input_audio_buffer.timeout_triggered": "InputAudioBufferTimeoutTriggered",
    "mcp_list_tools.completed": "McpListToolsCompleted",
    "mcp_list_tools.failed": "McpListToolsFailed",
    "mcp_list_tools.in_progress": "McpListToolsInProgress",
    "output_audio_buffer.cleared": "OutputAudioBufferCleared",
    "output_audio_buffer.started": "OutputAudioBufferStarted",
    "output_audio_buffer.stopped": "OutputAudioBufferStopped",
    "rate_limits.updated": "RateLimitsUpdated",
    "response.content_part.added": "ResponseContentPartAdded",
    "response.content_part.done": "ResponseContentPartDone",
    "response.created": "ResponseCreated",
    "response.done": "ResponseDone",
    "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDelta",
    "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDone",
    "response.mcp_call.completed": "ResponseMcpCallCompleted",
    "response.mcp_call.failed": "ResponseMcpCallFailed",
    "response.mcp_call.in_progress": "ResponseMcpCallInProgress",
    "response.mcp_call_arguments.delta": "ResponseMcpCallArgumentsDelta",
    "response.mcp_call_arguments.done": "ResponseMcpCallArgumentsDone",
    "response.output_audio.delta": "ResponseOutputAudioDelta",
    "response.output_audio.done": "ResponseOutputAudioDone",
    "response.output_audio_transcript.delta": "ResponseOutputAudioTranscriptDelta",
    "response.output_audio_transcript.done": "ResponseOutputAudioTranscriptDone",
    "response.output_item.added": "ResponseOutputItemAdded",
    "response.output_item.done": "ResponseOutputItemDone",
    "response.output_text.delta": "ResponseOutputTextDelta",
    "response.output_text.done": "ResponseOutputTextDone",
    "session.created": "SessionCreated",
    "session.updated": "SessionUpdated",
}
DATED_SERVER = {
    "conversation.created": "ConversationCreated",
    "conversation.item.created": "ConversationItemAdded",
    "conversation.item.deleted": "ConversationItemDeleted",
    "conversation.item.input_audio_transcription.completed": "ConversationItemInputAudioTranscriptionCompleted",
    "conversation.item.input_audio_transcription.delta": "ConversationItemInputAudioTranscriptionDelta",
    "conversation.item.input_audio_transcription.failed": "ConversationItemInputAudioTranscriptionFailed",
    "conversation.item.retrieved": "ConversationItemRetrieved",
    "conversation.item.truncated": "ConversationItemTruncated",
    "error": "ErrorEvent",
    "input_audio_buffer.cleared": "InputAudioBufferCleared",
    "input_audio_buffer.committed": "InputAudioBufferCommitted",
    "input_audio_buffer.speech_started": "InputAudioBufferSpeechStarted",
    "input_audio_buffer.speech_stopped": "InputAudioBufferSpeechStopped",
    "output_audio_buffer.cleared": "OutputAudioBufferCleared",
    "output_audio_buffer.started": "OutputAudioBufferStarted",
    "output_audio_buffer.stopped": "OutputAudioBufferStopped",
    "rate_limits.updated": "RateLimitsUpdated",
    "response.audio.delta": "ResponseOutputAudioDelta",
    "response.audio.done": "ResponseOutputAudioDone",
    "response.audio_transcript.delta": "ResponseOutputAudioTranscriptDelta",
    "response.audio_transcript.done": "ResponseOutputAudioTranscriptDone",
    "response.content_part.added": "ResponseContentPartAdded",
    "response.content_part.done": "ResponseContentPartDone",
    "response.created": "ResponseCreated",
    "response.done": "ResponseDone",
    "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDelta",
    "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDone",
    "response.output_item.added": "ResponseOutputItemAdded",
    "response.output_item.done": "ResponseOutputItemDone",
    "response.text.delta": "ResponseOutputTextDelta",
    "response.text.done": "ResponseOutputTextDone",
    "session.created": "SessionCreated",
    "session.updated": "SessionUpdated",
    "transcription_session.updated": "TranscriptionSessionUpdated",
}
TRANSLATION_SERVER = {
    "error": "ErrorEvent",
    "session.closed": "SessionClosed",
    "session.created": "SessionCreated",
    "session.input_transcript.delta": "SessionInputTranscriptDelta",
    "session.output_audio.delta": "SessionOutputAudioDelta",
    "session.output_transcript.delta": "SessionOutputTranscriptDelta",
    "session.updated": "SessionUpdated",
}
VOICE_LIVE_CLIENT = GA_CLIENT | {
    "input_audio.clear": "InputAudioClear",
    "input_audio.turn.append": "InputAudioTurnAppend",
    "input_audio.turn.cancel": "InputAudioTurnCancel",
    "input_audio.turn.end": "InputAudioTurnEnd",
    "input_audio.turn.start": "InputAudioTurnStart",
    "input_text.delta": "InputTextDelta",
    "input_text.done": "InputTextDone",
    "session.avatar.connect": "SessionAvatarConnect",
}
VOICE_LIVE_SERVER = {
    "conversation.item.created": "ConversationItemAdded",
    "conversation.item.deleted": "ConversationItemDeleted",
    "conversation.item.input_audio_transcription.completed": "ConversationItemInputAudioTranscriptionCompleted",
    "conversation.item.input_audio_transcription.delta": "ConversationItemInputAudioTranscriptionDelta",
    "conversation.item.input_audio_transcription.failed": "ConversationItemInputAudioTranscriptionFailed",
    "conversation.item.retrieved": "ConversationItemRetrieved",
    "conversation.item.truncated": "ConversationItemTruncated",
    "error": "ErrorEvent",
    "input_audio_buffer.cleared": "InputAudioBufferCleared",
    "input_audio_buffer.committed": "InputAudioBufferCommitted",
    "input_audio_buffer.speech_started": "InputAudioBufferSpeechStarted",
    "input_audio_buffer.speech_stopped": "InputAudioBufferSpeechStopped",
    "mcp_list_tools.completed": "McpListToolsCompleted",
    "mcp_list_tools.failed": "McpListToolsFailed",
    "mcp_list_tools.in_progress": "McpListToolsInProgress",
    "output_audio_buffer.cleared": "OutputAudioBufferCleared",
    "response.animation_blendshapes.delta": "ResponseAnimationBlendshapesDelta",
    "response.animation_blendshapes.done": "ResponseAnimationBlendshapesDone",
    "response.animation_viseme.delta": "ResponseAnimationVisemeDelta",
    "response.animation_viseme.done": "ResponseAnimationVisemeDone",
    "response.audio.delta": "ResponseOutputAudioDelta",
    "response.audio.done": "ResponseOutputAudioDone",
    "response.audio_timestamp.delta": "ResponseAudioTimestampDelta",
    "response.audio_timestamp.done": "ResponseAudioTimestampDone",
    "response.audio_transcript.annotation.added": "ResponseAudioTranscriptAnnotationAdded",
    "response.audio_transcript.delta": "ResponseOutputAudioTranscriptDelta",
    "response.audio_transcript.done": "ResponseOutputAudioTranscriptDone",
    "response.content_part.added": "ResponseContentPartAdded",
    "response.content_part.done": "ResponseContentPartDone",
    "response.created": "ResponseCreated",
    "response.done": "ResponseDone",
    "response.file_search_call.completed": "ResponseFileSearchCallCompleted",
    "response.file_search_call.in_progress": "ResponseFileSearchCallInProgress",
    "response.file_search_call.searching": "ResponseFileSearchCallSearching",
    "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDelta",
    "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDone",
    "response.invocation.delta": "ResponseInvocationDelta",
    "response.mcp_call.completed": "ResponseMcpCallCompleted",
    "response.mcp_call.failed": "ResponseMcpCallFailed",
    "response.mcp_call.in_progress": "ResponseMcpCallInProgress",
    "response.mcp_call_arguments.delta": "ResponseMcpCallArgumentsDelta",
    "response.mcp_call_arguments.done": "ResponseMcpCallArgumentsDone",
    "response.output_item.added": "ResponseOutputItemAdded",
    "response.output_item.done": "ResponseOutputItemDone",
    "response.text.delta": "ResponseOutputTextDelta",
    "response.text.done": "ResponseOutputTextDone",
    "response.video.delta": "ResponseVideoDelta",
    "response.web_search_call.completed": "ResponseWebSearchCallCompleted",
    "response.web_search_call.in_progress": "ResponseWebSearchCallInProgress",
    "response.web_search_call.searching": "ResponseWebSearchCallSearching",
    "session.avatar.connecting": "SessionAvatarConnecting",
    "session.avatar.switch_to_idle": "SessionAvatarSwitchToIdle",
    "session.avatar.switch_to_speaking": "SessionAvatarSwitchToSpeaking",
    "session.created": "SessionCreated",
    "session.updated": "SessionUpdated",
    "warning": "WarningEvent",
}
CLIENT = DATED_CLIENT | TRANSLATION_CLIENT
SERVER = GA_SERVER | DATED_SERVER | TRANSLATION_SERVER


def test_the_table_is_as_long_as_what_it_was_made_from() -> None:
    assert (len(GA_CLIENT), len(DATED_CLIENT), len(TRANSLATION_CLIENT)) == (11, 12, 3)
    assert (len(GA_SERVER), len(DATED_SERVER), len(TRANSLATION_SERVER)) == (46, 34, 7)
    # Of the 20 that Microsoft's own client names, `mcp_approval_response` is an item, and no event.
    assert (len(VOICE_LIVE_CLIENT), len(VOICE_LIVE_SERVER)) == (19, 56)


@pytest.mark.parametrize(
    ("table", "classes"),
    [
        (CLIENT, CLIENT_CLASSES),
        (SERVER, SERVER_CLASSES),
        # What only Voice Live has, beside what all have; of two events that all have, the settings in its own words.
        (
            CLIENT
            | VOICE_LIVE_CLIENT
            | {"session.update": "VoiceLiveSessionUpdate", "response.create": "VoiceLiveResponseCreate"},
            (*CLIENT_CLASSES, *VOICE_LIVE_CLIENT_CLASSES),
        ),
        (SERVER | VOICE_LIVE_SERVER, (*SERVER_CLASSES, *VOICE_LIVE_SERVER_CLASSES)),
    ],
)
def test_every_type_has_its_class_and_every_class_its_types(
    table: dict[str, str], classes: tuple[type[Any], ...]
) -> None:
    assert {name: made.__name__ for made in classes for name in types_of(made)} == table


@pytest.mark.parametrize("kind", SERVER)
def test_the_class_of_a_type_is_what_is_decoded(kind: str) -> None:
    event = decode(wire({"type": kind, "delta": "AAAA"}))
    assert (type(event).__name__, event.type) == (SERVER[kind], kind)


@pytest.mark.parametrize("kind", CLIENT)
def test_what_only_a_client_says_is_unknown_from_the_service(kind: str) -> None:
    assert type(decode(wire({"type": kind}))) is UnknownEvent


@pytest.mark.parametrize("kind", VOICE_LIVE_SERVER)
def test_the_class_of_a_type_of_voice_live_is_what_is_decoded(kind: str) -> None:
    event = decode(wire({"type": kind, "delta": {"k": 1} if "invocation" in kind else "AAAA"}))
    assert (type(event).__name__, event.type) == (VOICE_LIVE_SERVER[kind], kind)


def test_what_only_voice_live_has_is_listed_where_it_is_decided() -> None:
    """For who reads a message: whether the classes of Voice Live, which are dear to import, are wanted."""
    assert set(VOICE_LIVE_SERVER) - set(SERVER) == VOICE_LIVE_SERVER_TYPES
    assert set(VOICE_LIVE_CLIENT) - set(CLIENT) == VOICE_LIVE_CLIENT_TYPES


@pytest.mark.parametrize("kind", sorted(set(VOICE_LIVE_CLIENT) - set(CLIENT)))
def test_what_only_a_client_of_voice_live_says_is_unknown_from_the_service(kind: str) -> None:
    assert type(decode(wire({"type": kind}))) is UnknownEvent


def test_a_dated_name_is_a_second_name_of_a_class_of_ga() -> None:
    only_dated = set(DATED_SERVER) - set(GA_SERVER) - {"transcription_session.updated"}
    assert only_dated == set(SERVER_NAMES.values()) - {"conversation.item.created"}
    for ga, dated in SERVER_NAMES.items():
        assert DATED_SERVER[dated] == GA_SERVER[ga]


# Every class has the name of its type.


def camel(kind: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[._]", kind))


@pytest.mark.parametrize("event_class", [*SERVER_CLASSES, *CLIENT_CLASSES])
def test_a_class_is_named_by_its_type(event_class: type[Any]) -> None:
    kind = types_of(event_class)[0]
    assert event_class.__name__ == ("ErrorEvent" if kind == "error" else camel(kind))
    assert getattr(events, event_class.__name__) is event_class
    assert event_class.__name__ in events.__all__


OWN_WORDS = {voice_live.VoiceLiveSessionUpdate, voice_live.VoiceLiveResponseCreate}


@pytest.mark.parametrize("event_class", [*VOICE_LIVE_SERVER_CLASSES, *VOICE_LIVE_CLIENT_CLASSES])
def test_a_class_of_voice_live_is_named_by_its_type_too(event_class: type[Any]) -> None:
    """`Warning` is a name of Python's; and what says in its own words what all say has a name beside theirs."""
    prefix = "VoiceLive" if event_class in OWN_WORDS else ""
    kind = types_of(event_class)[0]
    assert event_class.__name__ == ("WarningEvent" if kind == "warning" else prefix + camel(kind))
    assert getattr(voice_live, event_class.__name__) is event_class


def test_no_two_classes_claim_a_type() -> None:
    for classes in (
        (*SERVER_CLASSES, *VOICE_LIVE_SERVER_CLASSES),
        (*CLIENT_CLASSES, *(made for made in VOICE_LIVE_CLIENT_CLASSES if made not in OWN_WORDS)),
    ):
        names = [name for event_class in classes for name in types_of(event_class)]
        assert len(names) == len(set(names))


def test_every_event_class_that_is_promised_can_be_read_or_sent() -> None:
    promised = {
        found
        for name in events.__all__
        if isinstance(found := getattr(events, name), type) and issubclass(found, Event)
    }
    assert promised == {*SERVER_CLASSES, *CLIENT_CLASSES, UnknownEvent, Event}


def test_every_part_of_an_event_is_promised_too() -> None:
    """Else a caller could not name, in an annotation or a `match`, what an attribute gives."""
    for event_class in (*SERVER_CLASSES, *CLIENT_CLASSES):
        for part in parts_below(event_class):
            assert getattr(events, part.__name__) is part
            assert part.__name__ in events.__all__


def test_all_that_is_promised_is_there_and_once() -> None:
    assert len(events.__all__) == len(set(events.__all__))
    for name in events.__all__:
        assert getattr(events, name) is not None


# A realistic message of each, in every dialect that has it.


def test_there_is_a_message_of_every_type() -> None:
    assert {message["type"] for message in EVERY_MESSAGE} == set(SERVER)


# Shared with siblings, or for a service that might; no document has them here.
UNHEARD: dict[type[Any], set[str]] = {
    events.ConversationItemRetrieved: {"previous_item_id"},
    events.ResponseOutputAudioDelta: {"obfuscation"},
}


def test_the_messages_set_every_field_of_every_event() -> None:
    """So that none is misspelt here, where the service would spell it right."""
    for event_class in SERVER_CLASSES:
        said = {name for message in EVERY_MESSAGE if CLASS_OF[message["type"]] is event_class for name in message}
        assert set(event_class.model_fields) - said == UNHEARD.get(event_class, set()), event_class


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=named)
def test_a_message_of_the_service_is_an_event_of_its_class(message: dict[str, Any]) -> None:
    event = decode(wire(message))
    assert type(event) is CLASS_OF[message["type"]]
    assert event.problems == ()
    assert event.type == message["type"]
    assert event.event_id == message["event_id"]
    assert event.raw == wire(message)


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=named)
def test_the_fields_of_a_message_are_attributes_of_the_event(message: dict[str, Any]) -> None:
    """Of the class, and not among what it does not know; GA says a content part twice, and one is enough."""
    event = decode(wire(message))
    assert set(event.model_extra or {}) <= {"content"}
    assert event.model_fields_set - set(event.model_extra or {}) == set(message) - {"content"}
    for name, value in message.items():
        if isinstance(value, str | int | float | None):
            assert getattr(event, name) == (SOUND if type(getattr(event, name)) is bytes else value)


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


@pytest.mark.parametrize("kind", [kind for kind in SERVER if not kind.endswith(".delta")])
def test_a_type_alone_is_an_event_already(kind: str) -> None:
    """Whatever else the service leaves out, who waits for this type is woken."""
    for message in ({"type": kind}, {"type": kind, "event_id": None}):
        event = decode(wire(message))
        assert (type(event), event.problems) == (CLASS_OF[kind], ())
        assert written(event) == message


@pytest.mark.parametrize("kind", [kind for kind in SERVER if kind.endswith(".delta")])
@pytest.mark.parametrize("rest", [{}, {"delta": None}, {"delta": 5}, {"delta": ["x"]}])
def test_a_delta_without_its_payload_is_unknown_and_says_so(kind: str, rest: dict[str, Any]) -> None:
    event = decode(wire({"type": kind, "item_id": "item_1", **rest}))
    assert isinstance(event, UnknownEvent)
    assert event.type == kind
    assert event.reason.startswith("delta: ")
    assert event.model_extra == {"item_id": "item_1"}


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [(kind, bytes if "audio.delta" in kind else str) for kind in SERVER if kind.endswith(".delta")],
)
def test_a_delta_is_bytes_if_it_is_sound_and_text_if_it_is_text(kind: str, wanted: type[Any]) -> None:
    event: Any = decode(wire({"type": kind, "delta": "AAAA"}))
    assert event.delta == ("AAAA" if wanted is str else b"\0\0\0")


# Parts: each kind has its class.


def added(item: dict[str, Any]) -> Any:
    event = decode(wire({"type": "conversation.item.added", "item": item}))
    assert isinstance(event, events.ConversationItemAdded)
    assert event.problems == ()
    assert written(event)["item"] == item
    return event.item


def session_of(session: dict[str, Any]) -> Any:
    event = decode(wire({"type": "session.updated", "session": session}))
    assert isinstance(event, events.SessionUpdated)
    assert event.problems == ()
    assert written(event)["session"] == session
    return event.session


KINDS: dict[str, type[Any]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "mcp_approval_request": McpApprovalRequest,
    "mcp_approval_response": McpApprovalResponse,
    "mcp_list_tools": McpListTools,
    "mcp_call": McpCall,
    "item_reference": ItemReference,
}


def test_every_kind_of_item_has_its_class() -> None:
    assert set(KINDS) == set(ITEM_KINDS)
    for kind, item_class in KINDS.items():
        assert type(added({"type": kind, "id": "item_1", "status": "completed"})) is item_class
    for kind in ("hologram", "Message", "", "<message>", "<other>"):
        assert type(added({"type": kind, "id": "item_1"})) is OtherItem


def test_the_items_of_mcp_have_their_fields() -> None:
    tools = added(MCP_ITEM)
    assert [(tool.name, tool.annotations) for tool in tools.tools] == [("search", {"readOnlyHint": True})]
    assert tools.tools[0].input_schema["properties"] == {"query": {"type": "string"}}
    call = added(MCP_CALL_ITEM)
    assert (call.server_label, call.approval_request_id, call.output) == ("docs", "mcpr_1", None)
    assert call.error["code"] == 502
    request, answer = added(MCP_REQUEST_ITEM), added(MCP_RESPONSE_ITEM)
    assert answer.approval_request_id == request.id
    assert (answer.approve, answer.reason) == (False, "Not today.")


def test_a_tool_is_of_its_class_and_a_new_kind_is_kept() -> None:
    assert TOOL_KINDS == ("function", "mcp")
    new = {"type": "hologram", "depth": 3}
    function, mcp, other = session_of({"type": "realtime", "tools": [FUNCTION, MCP_TOOL, new]}).tools
    assert (type(function), type(mcp), type(other)) == (FunctionTool, McpTool, OtherTool)
    assert function.parameters["required"] == ["city"]
    assert mcp.allowed_tools == McpToolFilter(tool_names=["search"], read_only=True)
    assert mcp.require_approval == McpToolApproval(
        always=McpToolFilter(tool_names=["delete"]), never=McpToolFilter(read_only=True)
    )
    assert other.depth == 3


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("tool_choice", "required", "required"),
        ("tool_choice", {"type": "function", "name": "f"}, ToolChoice(type="function", name="f")),
        ("tool_choice", {"type": "mcp", "server_label": "s"}, ToolChoice(type="mcp", server_label="s")),
        ("tool_choice", "sometimes", "sometimes"),
        ("tracing", "auto", "auto"),
        ("tracing", {"group_id": "g"}, Tracing(group_id="g")),
        ("truncation", "disabled", "disabled"),
        (
            "truncation",
            {"type": "retention_ratio", "retention_ratio": 0.5},
            RetentionRatio(type="retention_ratio", retention_ratio=0.5),
        ),
        ("max_output_tokens", "inf", "inf"),
        ("max_output_tokens", 4096, 4096),
    ],
)
def test_a_setting_that_is_a_word_or_more_is_read_as_either(field: str, value: Any, wanted: Any) -> None:
    assert getattr(session_of({"type": "realtime", field: value}), field) == wanted


def test_a_session_is_typed_in_the_words_it_is_told_in() -> None:
    assert type(session_of(SESSION)) is Session
    assert type(session_of(TRANSCRIBING_SESSION)) is Session
    assert type(session_of(TRANSLATING_SESSION)) is Session
    assert type(session_of(DATED_SESSION)) is PreviewSession
    assert type(session_of({})) is Session
    assert type(session_of({"voice": None})) is PreviewSession
    transcription = session_of(TRANSCRIBING_SESSION).audio.input.transcription
    assert (transcription.languages, transcription.keywords, transcription.delay) == (
        ["en", "de"],
        ["Kubernetes"],
        "low",
    )
    assert session_of(TRANSLATING_SESSION).audio.output.language == "es"


def test_a_detailed_transcript_has_its_details() -> None:
    completed = [
        decode(wire(message))
        for message in MESSAGES
        if message["type"] == "conversation.item.input_audio_transcription.completed"
    ]
    by_time, by_token = completed
    assert isinstance(by_time, events.ConversationItemInputAudioTranscriptionCompleted)
    assert isinstance(by_token, events.ConversationItemInputAudioTranscriptionCompleted)
    assert by_time.usage
    assert (by_time.usage.type, by_time.usage.seconds) == ("duration", 2.7)
    assert by_token.logprobs == [LogProb(token="Hi", logprob=-0.25, bytes=[72, 105])]
    assert by_token.usage
    assert by_token.usage.input_token_details
    assert by_token.usage.input_token_details.audio_tokens == 25


def test_a_content_part_of_any_kind_is_read() -> None:
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"},
        {"type": "hologram", "depth": 3},
    ]
    image, other = added({"type": "message", "role": "user", "content": content}).content
    assert (image.detail, image.image_url[:10]) == ("high", "data:image")
    assert (type(other), other.depth) == (ContentPart, 3)
