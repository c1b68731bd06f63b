"""The settings and items that are sent, as plain dicts: for editors to complete, and type checkers to check.

Each is the model of the same name without `Dict`, field by field; a test sees to it. A wrong field or value is refused
at run time in any case, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from .parts import (
    ContentPart,
    FunctionCall,
    FunctionCallOutput,
    ItemReference,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    McpToolDescription,
    Message,
)
from .settings import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    FunctionTool,
    McpTool,
    McpToolApproval,
    McpToolFilter,
    NoiseReduction,
    Prompt,
    Reasoning,
    ResponseAudio,
    RetentionRatio,
    SessionAudio,
    TokenLimits,
    ToolChoice,
    Tracing,
    Transcription,
    TurnDetection,
)

Bytes = bytes | bytearray | memoryview


class AudioFormatDict(TypedDict, total=False):
    """A `AudioFormat`."""

    type: Required[Literal["audio/pcm", "audio/pcmu", "audio/pcma"]]
    rate: int | None


class NoiseReductionDict(TypedDict, total=False):
    """A `NoiseReduction`."""

    type: Required[Literal["near_field", "far_field"]]
    strength: float | None


class TranscriptionDict(TypedDict, total=False):
    """A `Transcription`."""

    model: str | None
    language: str | None
    languages: Sequence[str] | None
    prompt: str | None
    keywords: Sequence[str] | None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None


class TurnDetectionDict(TypedDict, total=False):
    """A `TurnDetection`."""

    type: Required[Literal["server_vad", "semantic_vad"]]
    threshold: float | None
    prefix_padding_ms: int | None
    silence_duration_ms: int | None
    idle_timeout_ms: int | None
    eagerness: Literal["low", "medium", "high", "auto"] | None
    create_response: bool | None
    interrupt_response: bool | None


class AudioInputDict(TypedDict, total=False):
    """A `AudioInput`."""

    format: AudioFormat | AudioFormatDict | None
    noise_reduction: NoiseReduction | NoiseReductionDict | None
    transcription: Transcription | TranscriptionDict | None
    turn_detection: TurnDetection | TurnDetectionDict | None


class CustomVoiceDict(TypedDict, total=False):
    """A `CustomVoice`."""

    id: str | None


class AudioOutputDict(TypedDict, total=False):
    """A `AudioOutput`."""

    format: AudioFormat | AudioFormatDict | None
    voice: str | CustomVoice | CustomVoiceDict | None
    speed: float | None
    language: str | None


class SessionAudioDict(TypedDict, total=False):
    """A `SessionAudio`."""

    input: AudioInput | AudioInputDict | None
    output: AudioOutput | AudioOutputDict | None


class FunctionToolDict(TypedDict, total=False):
    """A `FunctionTool`."""

    type: Required[Literal["function"]]
    name: str | None
    description: str | None
    parameters: Mapping[str, Any] | None


class McpToolFilterDict(TypedDict, total=False):
    """A `McpToolFilter`."""

    tool_names: Sequence[str] | None
    read_only: bool | None


class McpToolApprovalDict(TypedDict, total=False):
    """A `McpToolApproval`."""

    always: McpToolFilter | McpToolFilterDict | None
    never: McpToolFilter | McpToolFilterDict | None


class McpToolDict(TypedDict, total=False):
    """A `McpTool`."""

    type: Required[Literal["mcp"]]
    server_label: str | None
    server_url: str | None
    connector_id: str | None
    tunnel_id: str | None
    server_description: str | None
    authorization: str | None
    headers: Mapping[str, str] | None
    allowed_tools: Sequence[str] | McpToolFilter | McpToolFilterDict | None
    require_approval: Literal["always", "never"] | McpToolApproval | McpToolApprovalDict | None
    allowed_callers: Sequence[str] | None
    defer_loading: bool | None


class ToolChoiceDict(TypedDict, total=False):
    """A `ToolChoice`."""

    type: Required[Literal["function", "mcp"]]
    name: str | None
    server_label: str | None


class TokenLimitsDict(TypedDict, total=False):
    """A `TokenLimits`."""

    post_instructions: int | None


class RetentionRatioDict(TypedDict, total=False):
    """A `RetentionRatio`."""

    type: Required[Literal["retention_ratio"]]
    retention_ratio: float | None
    token_limits: TokenLimits | TokenLimitsDict | None


class TracingDict(TypedDict, total=False):
    """A `Tracing`."""

    workflow_name: str | None
    group_id: str | None
    metadata: Mapping[str, Any] | None


class PromptDict(TypedDict, total=False):
    """A `Prompt`."""

    id: str | None
    version: str | None
    variables: Mapping[str, Any] | None


class ReasoningDict(TypedDict, total=False):
    """A `Reasoning`."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None


class SessionConfigDict(TypedDict, total=False):
    """A `SessionConfig`."""

    type: Literal["realtime", "transcription"] | None
    model: str | None
    instructions: str | None
    output_modalities: Sequence[Literal["text", "audio"]] | None
    audio: SessionAudio | SessionAudioDict | None
    tools: Sequence[FunctionTool | FunctionToolDict | McpTool | McpToolDict] | None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | ToolChoiceDict | None
    parallel_tool_calls: bool | None
    max_output_tokens: int | Literal["inf"] | None
    include: Sequence[str] | None
    prompt: Prompt | PromptDict | None
    reasoning: Reasoning | ReasoningDict | None
    tracing: Literal["auto"] | Tracing | TracingDict | None
    truncation: Literal["auto", "disabled"] | RetentionRatio | RetentionRatioDict | None


class TranscriptionConfigDict(TypedDict, total=False):
    """A `TranscriptionConfig`."""

    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None
    input_audio_transcription: Transcription | TranscriptionDict | None
    input_audio_noise_reduction: NoiseReduction | NoiseReductionDict | None
    turn_detection: TurnDetection | TurnDetectionDict | None
    include: Sequence[str] | None


class ResponseAudioDict(TypedDict, total=False):
    """A `ResponseAudio`."""

    output: AudioOutput | AudioOutputDict | None


class ContentPartDict(TypedDict, total=False):
    """A `ContentPart`."""

    type: Required[Literal["input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"]]
    text: str | None
    audio: Bytes | None
    transcript: str | None
    image_url: str | None
    detail: Literal["auto", "low", "high"] | None


class MessageDict(TypedDict, total=False):
    """A `Message`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["message"]]
    role: Literal["user", "assistant", "system"] | None
    content: Sequence[ContentPart | ContentPartDict] | None
    phase: str | None


class FunctionCallDict(TypedDict, total=False):
    """A `FunctionCall`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["function_call"]]
    name: str | None
    call_id: str | None
    arguments: str | None


class FunctionCallOutputDict(TypedDict, total=False):
    """A `FunctionCallOutput`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["function_call_output"]]
    call_id: str | None
    output: str | None


class McpApprovalRequestDict(TypedDict, total=False):
    """A `McpApprovalRequest`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["mcp_approval_request"]]
    server_label: str | None
    name: str | None
    arguments: str | None


class McpApprovalResponseDict(TypedDict, total=False):
    """A `McpApprovalResponse`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["mcp_approval_response"]]
    approval_request_id: str | None
    approve: bool | None
    reason: str | None


class McpToolDescriptionDict(TypedDict, total=False):
    """A `McpToolDescription`."""

    name: str | None
    description: str | None
    input_schema: Mapping[str, Any] | None
    annotations: Mapping[str, Any] | None


class McpListToolsDict(TypedDict, total=False):
    """A `McpListTools`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["mcp_list_tools"]]
    server_label: str | None
    tools: Sequence[McpToolDescription | McpToolDescriptionDict] | None
    error: Any


class McpCallDict(TypedDict, total=False):
    """A `McpCall`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["mcp_call"]]
    server_label: str | None
    name: str | None
    arguments: str | None
    approval_request_id: str | None
    output: str | None
    error: Any


class ItemReferenceDict(TypedDict, total=False):
    """A `ItemReference`."""

    id: str | None
    object: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None
    type: Required[Literal["item_reference"]]


class ResponseConfigDict(TypedDict, total=False):
    """A `ResponseConfig`."""

    conversation: Literal["auto", "none"] | None
    input: (
        Sequence[
            Message
            | MessageDict
            | FunctionCall
            | FunctionCallDict
            | FunctionCallOutput
            | FunctionCallOutputDict
            | McpApprovalRequest
            | McpApprovalRequestDict
            | McpApprovalResponse
            | McpApprovalResponseDict
            | McpListTools
            | McpListToolsDict
            | McpCall
            | McpCallDict
            | ItemReference
            | ItemReferenceDict
        ]
        | None
    )
    instructions: str | None
    output_modalities: Sequence[Literal["text", "audio"]] | None
    audio: ResponseAudio | ResponseAudioDict | None
    tools: Sequence[FunctionTool | FunctionToolDict | McpTool | McpToolDict] | None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | ToolChoiceDict | None
    parallel_tool_calls: bool | None
    max_output_tokens: int | Literal["inf"] | None
    metadata: Mapping[str, str] | None
    prompt: Prompt | PromptDict | None
    reasoning: Reasoning | ReasoningDict | None


ItemDict = (
    MessageDict
    | FunctionCallDict
    | FunctionCallOutputDict
    | McpApprovalRequestDict
    | McpApprovalResponseDict
    | McpListToolsDict
    | McpCallDict
    | ItemReferenceDict
)

__all__ = [
    "ItemDict",
    "AudioFormatDict",
    "NoiseReductionDict",
    "TranscriptionDict",
    "TurnDetectionDict",
    "AudioInputDict",
    "CustomVoiceDict",
    "AudioOutputDict",
    "SessionAudioDict",
    "FunctionToolDict",
    "McpToolFilterDict",
    "McpToolApprovalDict",
    "McpToolDict",
    "ToolChoiceDict",
    "TokenLimitsDict",
    "RetentionRatioDict",
    "TracingDict",
    "PromptDict",
    "ReasoningDict",
    "SessionConfigDict",
    "TranscriptionConfigDict",
    "ResponseAudioDict",
    "ContentPartDict",
    "MessageDict",
    "FunctionCallDict",
    "FunctionCallOutputDict",
    "McpApprovalRequestDict",
    "McpApprovalResponseDict",
    "McpToolDescriptionDict",
    "McpListToolsDict",
    "McpCallDict",
    "ItemReferenceDict",
    "ResponseConfigDict",
]
