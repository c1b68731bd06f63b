"""What the service says: a realistic message of every type, in every dialect that has it."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

from realtime_azure.events import ClientEvent, KnownServerEvent, ServerEvent
from realtime_azure.events._base import Part
from realtime_azure.events.preview import SERVER_NAMES

SERVER_CLASSES: tuple[type[Any], ...] = get_args(KnownServerEvent)
CLIENT_CLASSES: tuple[type[Any], ...] = get_args(ClientEvent)
SOUND = bytes(range(240, 256)) + b"\x00\x01"
WIRE_SOUND = base64.b64encode(SOUND).decode()
assert set("+/") & set(WIRE_SOUND)  # else the alphabets would not be told apart


def types_of(event_class: type[Any]) -> tuple[str, ...]:
    types: tuple[str, ...] = get_args(event_class.model_fields["type"].annotation)
    return types


CLASS_OF: dict[str, type[Any]] = {name: made for made in SERVER_CLASSES for name in types_of(made)}


def parts_below(model: type[Any]) -> set[type[Part]]:
    """Every class of a part that an event of this class can have, however deep."""
    found: set[type[Part]] = set()
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        each = waiting.pop()
        waiting += get_args(each)
        if isinstance(each, type) and issubclass(each, Part) and each not in found:
            found.add(each)
            waiting += [field.annotation for field in each.model_fields.values()]
    return found


def wire(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def written(event: ServerEvent) -> Any:
    return json.loads(event.model_dump_json(exclude_unset=True))


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
MCP_TOOL = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://learn.microsoft.com/api/mcp",
    "connector_id": None,
    "server_description": None,
    "allowed_tools": {"tool_names": ["search"], "read_only": True},
    "require_approval": {"always": {"tool_names": ["delete"]}, "never": {"read_only": True}},
    "headers": None,
}
MCP_ITEM = {
    "id": "mcpl_1",
    "type": "mcp_list_tools",
    "server_label": "docs",
    "tools": [
        {
            "name": "search",
            "description": "Search the documentation.",
            "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}},
            "annotations": {"readOnlyHint": True},
        }
    ],
}
MCP_CALL_ITEM = {
    "id": "mcp_1",
    "type": "mcp_call",
    "status": "completed",
    "server_label": "docs",
    "name": "search",
    "arguments": '{"query":"realtime"}',
    "approval_request_id": "mcpr_1",
    "output": None,
    "error": {"type": "http_error", "code": 502, "message": "Bad Gateway"},
}
MCP_REQUEST_ITEM = {
    "id": "mcpr_1",
    "type": "mcp_approval_request",
    "server_label": "docs",
    "name": "search",
    "arguments": '{"query":"realtime"}',
}
MCP_RESPONSE_ITEM = {
    "id": "mcpa_1",
    "type": "mcp_approval_response",
    "approval_request_id": "mcpr_1",
    "approve": False,
    "reason": "Not today.",
}
TRANSCRIBING_SESSION = {
    "type": "transcription",
    "object": "realtime.transcription_session",
    "id": "sess_T1",
    "expires_at": 1784688021,
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {
                "model": "gpt-realtime-whisper",
                "languages": ["en", "de"],
                "keywords": ["Kubernetes"],
                "delay": "low",
            },
            "noise_reduction": {"type": "near_field", "strength": 0.5},
            "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
        }
    },
    "include": ["item.input_audio_transcription.logprobs"],
}
DATED_TRANSCRIBING_SESSION = {
    "id": "sess_T2",
    "object": "realtime.transcription_session",
    "expires_at": 1784688021,
    "input_audio_format": "pcm16",
    "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en", "prompt": ""},
    "input_audio_noise_reduction": {"type": "far_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
    "include": ["item.input_audio_transcription.logprobs"],
}
TRANSLATING_SESSION = {
    "id": "sess_T3",
    "type": "translation",
    "model": "gpt-realtime-translate",
    "expires_at": 1784688021,
    "audio": {
        "input": {"transcription": {"model": "gpt-realtime-whisper"}, "noise_reduction": None},
        "output": {"language": "es"},
    },
}
RETRIEVED_ITEM = {
    "id": "item_1",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_audio", "audio": WIRE_SOUND, "transcript": "hello", "format": "pcm16"}],
}
PICTURE_ITEM = {
    "id": "item_5",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}],
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
DATED_RESPONSE = {
    "object": "realtime.response",
    "id": "resp_2",
    "status": "in_progress",
    "status_details": None,
    "output": [],
    "conversation_id": "conv_1",
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "output_audio_format": "pcm16",
    "temperature": 0.8,
    "max_output_tokens": "inf",
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
OF_MCP_CALL = {"response_id": "resp_1", "output_index": 1, "item_id": "mcp_1"}
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
    ("session.created", {"session": TRANSLATING_SESSION}),
    ("session.updated", {"session": SESSION}),
    ("session.updated", {"session": TRANSCRIBING_SESSION}),
    ("session.updated", {"session": DATED_SESSION}),
    (
        "session.updated",
        {
            "session": {
                **SESSION,
                "output_modalities": ["text"],
                "tools": [
                    FUNCTION,
                    MCP_TOOL,
                    {"type": "mcp", "require_approval": "never", "allowed_tools": ["search"]},
                ],
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
    ("conversation.item.added", {"previous_item_id": None, "item": MCP_CALL_ITEM}),
    ("conversation.item.added", {"previous_item_id": None, "item": MCP_REQUEST_ITEM}),
    ("conversation.item.added", {"previous_item_id": None, "item": MCP_RESPONSE_ITEM}),
    ("conversation.item.added", {"previous_item_id": None, "item": PICTURE_ITEM}),
    ("conversation.item.created", {"previous_item_id": None, "item": USER_ITEM}),
    ("conversation.item.done", {"previous_item_id": "item_1", "item": ASSISTANT_ITEM}),
    ("conversation.item.retrieved", {"item": RETRIEVED_ITEM}),
    ("conversation.item.deleted", {"item_id": "item_1"}),
    ("conversation.item.truncated", {"item_id": "item_2", "content_index": 0, "audio_end_ms": 1480}),
    (f"{TRANSCRIBED}.delta", {"item_id": "item_1", "content_index": 0, "delta": "Wie", "obfuscation": "X2V"}),
    (
        f"{TRANSCRIBED}.delta",
        {
            "item_id": "item_1",
            "content_index": 0,
            "delta": " ist",
            "logprobs": [{"token": " ist", "logprob": -1.5e-05, "bytes": [32, 105, 115, 116]}],
        },
    ),
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
        f"{TRANSCRIBED}.completed",
        {
            "item_id": "item_1",
            "content_index": 0,
            "transcript": "Hi",
            "logprobs": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105]}],
            "languages": ["en"],
            "usage": {
                "type": "tokens",
                "total_tokens": 30,
                "input_tokens": 25,
                "output_tokens": 5,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 25},
            },
        },
    ),
    (
        f"{TRANSCRIBED}.segment",
        {
            "item_id": "item_1",
            "content_index": 0,
            "id": "seg_1",
            "text": "Wie ist das Wetter?",
            "speaker": "A",
            "start": 0.25,
            "end": 2.5,
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
    (
        "input_audio_buffer.timeout_triggered",
        {"audio_start_ms": 4224, "audio_end_ms": 10224, "item_id": "item_6"},
    ),
    ("input_audio_buffer.dtmf_event_received", {"event": "#", "received_at": 1784688021}),
    ("output_audio_buffer.started", {"response_id": "resp_1"}),
    ("output_audio_buffer.stopped", {"response_id": "resp_1"}),
    ("output_audio_buffer.cleared", {"response_id": "resp_1"}),
    ("response.created", {"response": RESPONSE}),
    ("response.created", {"response": DATED_RESPONSE}),
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
    ("response.mcp_call_arguments.delta", {**OF_MCP_CALL, "delta": '{"query":', "obfuscation": "x"}),
    ("response.mcp_call_arguments.done", {**OF_MCP_CALL, "arguments": '{"query":"realtime"}'}),
    ("response.mcp_call.in_progress", {"output_index": 1, "item_id": "mcp_1"}),
    ("response.mcp_call.completed", {"output_index": 1, "item_id": "mcp_1"}),
    ("response.mcp_call.failed", {"output_index": 1, "item_id": "mcp_1"}),
    ("mcp_list_tools.in_progress", {"item_id": "mcpl_1"}),
    ("mcp_list_tools.completed", {"item_id": "mcpl_1"}),
    ("mcp_list_tools.failed", {"item_id": "mcpl_1"}),
    ("transcription_session.updated", {"session": DATED_TRANSCRIBING_SESSION}),
    ("session.closed", {}),
    ("session.input_transcript.delta", {"delta": "hello", "elapsed_ms": 1200}),
    ("session.output_transcript.delta", {"delta": " hola", "elapsed_ms": 1400}),
    (
        "session.output_audio.delta",
        {"delta": WIRE_SOUND, "elapsed_ms": 200, "format": "pcm16", "sample_rate": 24000, "channels": 1},
    ),
    (
        "rate_limits.updated",
        {"rate_limits": [{"name": "tokens", "limit": 100000, "remaining": 99950, "reset_seconds": 0.03}]},
    ),
]
MESSAGES: list[dict[str, Any]] = [{"type": kind, "event_id": "event_E4", **fields} for kind, fields in SAID]
DATED_MESSAGES = [
    # An item of MCP is no item of a dated connection.
    {**message, "type": SERVER_NAMES[message["type"]]}
    for message in MESSAGES
    if message["type"] in SERVER_NAMES and "mcp" not in str(message.get("item", {}).get("type"))
]
EVERY_MESSAGE = [*MESSAGES, *DATED_MESSAGES]


def named(message: dict[str, Any]) -> str:
    return str(message["type"])
