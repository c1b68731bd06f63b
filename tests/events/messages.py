"""What the service says: a realistic message of every type, in every dialect that has it."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

from realtime_azure.events import ClientEvent, KnownServerEvent, ServerEvent
from realtime_azure.events._base import Part
from realtime_azure.events.preview import SERVER_NAMES
from realtime_azure.events.voice_live import VoiceLiveClientEvent, VoiceLiveServerEvent

SERVER_CLASSES: tuple[type[Any], ...] = get_args(KnownServerEvent)
CLIENT_CLASSES: tuple[type[Any], ...] = get_args(ClientEvent)
VOICE_LIVE_SERVER_CLASSES: tuple[type[Any], ...] = get_args(VoiceLiveServerEvent)
VOICE_LIVE_CLIENT_CLASSES: tuple[type[Any], ...] = get_args(VoiceLiveClientEvent)
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

# Azure Voice Live: what only it says, and what it says otherwise than the others.

VOICE_LIVE_SESSION: dict[str, Any] = {
    "id": "sess_V1",
    "object": "realtime.session",
    "model": "gpt-realtime",
    "expires_at": 1784668572,
    "modalities": ["text", "audio", "animation", "avatar"],
    "instructions": "Antworte k\u00fcrzer, bitte.",
    "voice": {
        "type": "azure-personal",
        "name": "en-US-Ava:DragonHDLatestNeural",
        "endpoint_id": "0f6c",
        "model": "DragonLatestNeural",
        "temperature": 0.8,
        "custom_lexicon_url": "https://example.com/lexicon.xml",
        "custom_text_normalization_url": "https://example.com/normal.xml",
        "prefer_locales": ["en-GB"],
        "locale": "en-US",
        "style": "cheerful",
        "pitch": "+10%",
        "rate": "0.9",
        "volume": "-6dB",
    },
    "animation": {"model_name": "default", "outputs": ["blendshapes", "viseme_id"]},
    "input_audio_format": "pcm16",
    "input_audio_sampling_rate": 16000,
    "output_audio_format": "pcm16_16000hz",
    "turn_detection": {
        "type": "azure_semantic_vad_multilingual",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "speech_duration_ms": 80,
        "idle_timeout_ms": None,
        "end_of_utterance_detection": {
            "model": "semantic_detection_v1_multilingual",
            "threshold_level": "low",
            "timeout_ms": 1000,
        },
        "eagerness": "auto",
        "remove_filler_words": True,
        "languages": ["en", "de-DE"],
        "auto_truncate": True,
        "appended_text_after_truncation": "\u2026",
        "create_response": True,
        "interrupt_response": True,
    },
    "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
    "input_audio_echo_cancellation": {
        "type": "server_echo_cancellation",
        "reference_source": "client",
        "channels": 2,
    },
    "avatar": {
        "type": "photo-avatar",
        "ice_servers": [{"urls": ["turn:relay.example.com:3478"], "username": "u", "credential": "c"}],
        "character": "lisa",
        "style": "casual-sitting",
        "model": "vasa-1",
        "customized": False,
        "video": {
            "bitrate": 2000000,
            "codec": "h264",
            "crop": {"top_left": [560, 0], "bottom_right": [1360, 1080]},
            "resolution": {"width": 1920, "height": 1080},
            "background": {"color": "#00FF00FF", "image_url": None},
            "gop_size": 10,
        },
        "scene": {
            "zoom": 1.0,
            "position_x": 0.25,
            "position_y": -0.5,
            "rotation_x": 0.0,
            "rotation_y": 0.1,
            "rotation_z": -0.1,
            "amplitude": 0.9,
        },
        "output_protocol": "websocket",
        "output_audit_audio": True,
    },
    "input_audio_transcription": {
        "model": "azure-speech",
        "language": "en,de",
        "languages": None,
        "prompt": None,
        "keywords": None,
        "delay": None,
        "custom_speech": {"en-US": "0f6c"},
        "phrase_list": ["Kubernetes"],
    },
    "output_audio_timestamp_types": ["word"],
    "tools": [
        FUNCTION,
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://learn.microsoft.com/api/mcp",
            "allowed_tools": ["search"],
            "require_approval": "never",
        },
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "temperature": 0.7,
    "max_response_output_tokens": "inf",
    "reasoning_effort": "low",
    "interim_response": {
        "type": "llm_interim_response",
        "triggers": ["latency", "tool"],
        "latency_threshold_ms": 2000,
        "texts": None,
        "model": "gpt-4.1-mini",
        "instructions": "Say that you are looking.",
        "max_completion_tokens": 20,
    },
    "include": ["item.input_audio_transcription.phrases"],
    "metadata": {"caller": "17"},
    "agent": {
        "type": "agent",
        "name": "concierge",
        "description": None,
        "agent_id": "asst_1",
        "thread_id": "thread_1",
    },
    "truncation_strategy": None,
}
"""A session with every field that there is."""

# As the service was recorded: a voice of OpenAI's as an object, and most of what is its own as null.
QUIET_VOICE_LIVE_SESSION: dict[str, Any] = {
    "id": "sess_V2",
    "model": "gpt-realtime",
    "modalities": ["audio"],
    "instructions": "Be brief.",
    "voice": {"name": "alloy", "type": "openai"},
    "input_audio_format": "pcm16",
    "output_audio_format": None,
    "input_audio_transcription": None,
    "input_audio_noise_reduction": None,
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "create_response": True,
        "interrupt_response": True,
        "idle_timeout_ms": None,
        "speech_duration_ms": None,
        "end_of_utterance_detection": None,
        "auto_truncate": False,
        "appended_text_after_truncation": None,
    },
    "tools": [],
    "tool_choice": "auto",
    "max_response_output_tokens": "inf",
    "expires_at": 1784668572,
    "object": "realtime.session",
    "input_audio_sampling_rate": 24000,
    "animation": None,
    "input_audio_echo_cancellation": None,
    "avatar": None,
    "output_audio_timestamp_types": None,
    "truncation_strategy": None,
    "include": None,
}
VOICE_LIVE_ITEM: dict[str, Any] = {
    "id": "item_2",
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "audio", "transcript": "Hola, \u00bfqu\u00e9 tal?"}],
}
WEB_SEARCH_ITEM = {"id": "ws_1", "object": "realtime.item", "type": "web_search_call", "status": "searching"}
FILE_SEARCH_ITEM: dict[str, Any] = {
    "id": "fs_1",
    "object": "realtime.item",
    "type": "file_search_call",
    "status": "completed",
    "queries": ["opening hours"],
    "results": [{"file_id": "file_1", "filename": "hours.md", "score": 0.75, "text": "9 to 5", "attributes": {}}],
}
VOICE_LIVE_RESPONSE: dict[str, Any] = {
    "object": "realtime.response",
    "id": "resp_1",
    "status": "completed",
    "status_details": None,
    "output": [VOICE_LIVE_ITEM, WEB_SEARCH_ITEM, FILE_SEARCH_ITEM],
    "usage": {
        "total_tokens": 61,
        "input_tokens": 16,
        "output_tokens": 45,
        "input_token_details": {
            "cached_tokens": 0,
            "text_tokens": 16,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 14, "audio_tokens": 31, "reasoning_tokens": 0},
    },
    "conversation_id": "conv_1",
    "modalities": ["text", "audio"],
    "voice": {"name": "alloy", "type": "openai"},
    "output_audio_format": "pcm16",
    "temperature": None,
    "max_output_tokens": "inf",
    "metadata": None,
}
OF_ITEM = {**OF_RESPONSE, "item_id": "item_2"}
OF_SEARCH = {"response_id": "resp_1", "output_index": 1, "item_id": "ws_1"}

VOICE_LIVE_SAID: list[tuple[str, dict[str, Any]]] = [
    ("warning", {"warning": {"message": "The locale is not supported.", "code": "bad_locale", "param": "locale"}}),
    ("session.avatar.connecting", {"server_sdp": "eyJ0eXBlIjoiYW5zd2VyIn0="}),
    ("session.avatar.switch_to_speaking", {"turn_id": "turn_1"}),
    ("session.avatar.switch_to_idle", {"turn_id": None}),
    (
        "response.audio_timestamp.delta",
        {**OF_CONTENT, "audio_offset_ms": 50, "audio_duration_ms": 300, "text": "Hola", "timestamp_type": "word"},
    ),
    ("response.audio_timestamp.done", OF_CONTENT),
    ("response.animation_blendshapes.delta", {**OF_CONTENT, "frames": [[0.0, 0.5, 1.0], [0.25]], "frame_index": 0}),
    ("response.animation_blendshapes.delta", {**OF_CONTENT, "frames": "AAAA", "frame_index": 2}),
    ("response.animation_blendshapes.done", OF_ITEM),
    ("response.animation_viseme.delta", {**OF_CONTENT, "audio_offset_ms": 455, "viseme_id": 20}),
    ("response.animation_viseme.done", OF_CONTENT),
    ("response.video.delta", {"output_index": 0, "codec": "h264", "delta": WIRE_SOUND}),
    (
        "response.audio_transcript.annotation.added",
        {**OF_CONTENT, "annotation_index": 0, "annotation": {"type": "url_citation", "url": "https://example.com"}},
    ),
    ("response.web_search_call.in_progress", {**OF_SEARCH, "sequence_number": 0}),
    ("response.web_search_call.searching", {**OF_SEARCH, "sequence_number": 1}),
    ("response.web_search_call.completed", {**OF_SEARCH, "sequence_number": 2}),
    ("response.file_search_call.in_progress", {**OF_SEARCH, "sequence_number": 0}),
    ("response.file_search_call.searching", {**OF_SEARCH, "sequence_number": 1}),
    ("response.file_search_call.completed", {**OF_SEARCH, "sequence_number": 2}),
    ("response.invocation.delta", {"delta": {"event": "step", "data": {"n": [1, None]}}}),
]
VOICE_LIVE_OTHERWISE: list[tuple[str, dict[str, Any]]] = [
    ("session.created", {"session": QUIET_VOICE_LIVE_SESSION}),
    ("session.updated", {"session": VOICE_LIVE_SESSION}),
    ("conversation.item.created", {"previous_item_id": None, "item": VOICE_LIVE_ITEM}),
    ("conversation.item.created", {"previous_item_id": "item_2", "item": FILE_SEARCH_ITEM}),
    ("conversation.item.created", {"previous_item_id": None}),
    ("conversation.item.retrieved", {"item": VOICE_LIVE_ITEM}),
    (f"{TRANSCRIBED}.delta", {"item_id": "item_1", "delta": "Wie"}),
    (f"{TRANSCRIBED}.completed", {"item_id": "item_1", "content_index": 0, "transcript": "Wie geht es?"}),
    (
        f"{TRANSCRIBED}.completed",
        {
            "item_id": "item_1",
            "content_index": 0,
            "transcript": "Wie?",
            "phrases": [
                {
                    "offset_milliseconds": 40,
                    "duration_milliseconds": 400,
                    "text": "Wie?",
                    "words": [{"text": "wie", "offset_milliseconds": 40, "duration_milliseconds": 400}],
                    "locale": "de-DE",
                    "confidence": 0.5,
                }
            ],
        },
    ),
    (
        f"{TRANSCRIBED}.failed",
        {"item_id": "item_1", "content_index": 0, "error": {"message": NO_DEPLOYMENT, "event_id": "event_of_mine"}},
    ),
    ("output_audio_buffer.cleared", {}),
    (
        "response.created",
        {"response": {**VOICE_LIVE_RESPONSE, "status": "in_progress", "output": [], "usage": None}},
    ),
    ("response.done", {"response": VOICE_LIVE_RESPONSE}),
    (
        "response.done",
        {
            "response": {
                **VOICE_LIVE_RESPONSE,
                "status": "cancelled",
                "status_details": {"type": "cancelled", "reason": "turn_detected"},
            }
        },
    ),
    ("response.output_item.added", {**OF_RESPONSE, "item": {**VOICE_LIVE_ITEM, "status": "in_progress"}}),
    ("response.output_item.done", {**OF_RESPONSE, "item": WEB_SEARCH_ITEM}),
    ("response.content_part.added", {**OF_CONTENT, "part": {"type": "audio", "transcript": ""}}),
    ("response.content_part.done", {**OF_CONTENT, "part": {"type": "text", "text": "Hola"}}),
    ("response.text.delta", {**OF_CONTENT, "delta": "Hola"}),
    ("response.text.done", {**OF_CONTENT, "text": "Hola"}),
    ("response.audio.delta", {**OF_CONTENT, "delta": WIRE_SOUND}),
    ("response.audio.done", OF_CONTENT),
    ("response.audio_transcript.delta", {**OF_CONTENT, "delta": "Hola"}),
    ("response.audio_transcript.done", {**OF_CONTENT, "transcript": "Hola"}),
    ("response.mcp_call_arguments.done", OF_MCP_CALL),
]
VOICE_LIVE_MESSAGES: list[dict[str, Any]] = [
    {"type": kind, "event_id": "event_V1", **fields} for kind, fields in (*VOICE_LIVE_SAID, *VOICE_LIVE_OTHERWISE)
]
VOICE_LIVE_CLASS_OF: dict[str, type[Any]] = CLASS_OF | {
    name: made for made in VOICE_LIVE_SERVER_CLASSES for name in types_of(made)
}


def named(message: dict[str, Any]) -> str:
    return str(message["type"])
