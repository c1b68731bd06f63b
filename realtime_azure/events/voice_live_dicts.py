"""The settings of Voice Live that are sent, as plain dicts: for editors to complete, and type checkers to check.

Each is the model of the same name without `Dict`, field by field; a test sees to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from .dicts import FunctionToolDict, ItemDict, McpToolDict, MessageDict, ToolChoiceDict
from .parts import (
    FunctionCall,
    FunctionCallOutput,
    ItemReference,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    Message,
)
from .settings import FunctionTool, McpTool, ToolChoice
from .voice_live import (
    Animation,
    Avatar,
    AvatarScene,
    AvatarVideo,
    EchoCancellation,
    EndOfUtterance,
    IceServer,
    InterimResponse,
    VideoBackground,
    VideoCrop,
    VideoResolution,
    Voice,
    VoiceLiveNoiseReduction,
    VoiceLiveTranscription,
    VoiceLiveTurnDetection,
)

AnyItem = (
    Message
    | FunctionCall
    | FunctionCallOutput
    | McpApprovalRequest
    | McpApprovalResponse
    | McpListTools
    | McpCall
    | ItemReference
)


class VoiceDict(TypedDict, total=False):
    """A `Voice`."""

    type: Required[
        Literal[
            "openai", "azure-standard", "azure-custom", "azure-personal", "avatar-voice-sync", "azure-realtime-native"
        ]
    ]
    name: str | None
    endpoint_id: str | None
    model: str | None
    temperature: float | None
    custom_lexicon_url: str | None
    custom_text_normalization_url: str | None
    prefer_locales: Sequence[str] | None
    locale: str | None
    style: str | None
    pitch: str | None
    rate: str | None
    volume: str | None


class EndOfUtteranceDict(TypedDict, total=False):
    """A `EndOfUtterance`."""

    model: Literal["semantic_detection_v1", "semantic_detection_v1_en", "semantic_detection_v1_multilingual"] | None
    threshold_level: Literal["low", "medium", "high", "default"] | None
    timeout_ms: int | None


class VoiceLiveTurnDetectionDict(TypedDict, total=False):
    """A `VoiceLiveTurnDetection`."""

    type: Required[
        Literal[
            "server_vad",
            "semantic_vad",
            "azure_semantic_vad",
            "azure_semantic_vad_en",
            "azure_semantic_vad_multilingual",
        ]
    ]
    threshold: float | None
    prefix_padding_ms: int | None
    silence_duration_ms: int | None
    speech_duration_ms: int | None
    idle_timeout_ms: int | None
    end_of_utterance_detection: EndOfUtterance | EndOfUtteranceDict | None
    eagerness: Literal["low", "medium", "high", "auto"] | None
    remove_filler_words: bool | None
    languages: Sequence[str] | None
    auto_truncate: bool | None
    appended_text_after_truncation: str | None
    create_response: bool | None
    interrupt_response: bool | None


class VoiceLiveNoiseReductionDict(TypedDict, total=False):
    """A `VoiceLiveNoiseReduction`."""

    type: Required[Literal["azure_deep_noise_suppression", "near_field", "far_field"]]


class EchoCancellationDict(TypedDict, total=False):
    """A `EchoCancellation`."""

    type: Required[Literal["server_echo_cancellation"]]
    reference_source: Literal["server", "client"] | None
    channels: int | None


class VoiceLiveTranscriptionDict(TypedDict, total=False):
    """A `VoiceLiveTranscription`."""

    model: str | None
    language: str | None
    languages: Sequence[str] | None
    prompt: str | None
    keywords: Sequence[str] | None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None
    custom_speech: Mapping[str, str] | None
    phrase_list: Sequence[str] | None


class AnimationDict(TypedDict, total=False):
    """A `Animation`."""

    model_name: str | None
    outputs: Sequence[Literal["blendshapes", "viseme_id"]] | None


class IceServerDict(TypedDict, total=False):
    """A `IceServer`."""

    urls: Sequence[str] | None
    username: str | None
    credential: str | None


class VideoCropDict(TypedDict, total=False):
    """A `VideoCrop`."""

    top_left: Sequence[int] | None
    bottom_right: Sequence[int] | None


class VideoResolutionDict(TypedDict, total=False):
    """A `VideoResolution`."""

    width: int | None
    height: int | None


class VideoBackgroundDict(TypedDict, total=False):
    """A `VideoBackground`."""

    color: str | None
    image_url: str | None


class AvatarVideoDict(TypedDict, total=False):
    """A `AvatarVideo`."""

    bitrate: int | None
    codec: Literal["h264"] | None
    crop: VideoCrop | VideoCropDict | None
    resolution: VideoResolution | VideoResolutionDict | None
    background: VideoBackground | VideoBackgroundDict | None
    gop_size: int | None


class AvatarSceneDict(TypedDict, total=False):
    """A `AvatarScene`."""

    zoom: float | None
    position_x: float | None
    position_y: float | None
    rotation_x: float | None
    rotation_y: float | None
    rotation_z: float | None
    amplitude: float | None


class AvatarDict(TypedDict, total=False):
    """A `Avatar`."""

    type: Literal["video-avatar", "photo-avatar"] | None
    ice_servers: Sequence[IceServer | IceServerDict] | None
    character: str | None
    style: str | None
    model: str | None
    customized: bool | None
    video: AvatarVideo | AvatarVideoDict | None
    scene: AvatarScene | AvatarSceneDict | None
    output_protocol: Literal["webrtc", "websocket"] | None
    output_audit_audio: bool | None


class InterimResponseDict(TypedDict, total=False):
    """A `InterimResponse`."""

    type: Required[Literal["static_interim_response", "llm_interim_response"]]
    triggers: Sequence[Literal["latency", "tool"]] | None
    latency_threshold_ms: int | None
    texts: Sequence[str] | None
    model: str | None
    instructions: str | None
    max_completion_tokens: int | None


class VoiceLiveConfigDict(TypedDict, total=False):
    """A `VoiceLiveConfig`."""

    model: str | None
    modalities: Sequence[Literal["text", "audio", "animation", "avatar"]] | None
    animation: Animation | AnimationDict | None
    voice: str | Voice | VoiceDict | None
    instructions: str | None
    input_audio_sampling_rate: int | None
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None
    output_audio_format: Literal["pcm16", "pcm16_8000hz", "pcm16_16000hz", "g711_ulaw", "g711_alaw"] | None
    turn_detection: VoiceLiveTurnDetection | VoiceLiveTurnDetectionDict | None
    input_audio_noise_reduction: VoiceLiveNoiseReduction | VoiceLiveNoiseReductionDict | None
    input_audio_echo_cancellation: EchoCancellation | EchoCancellationDict | None
    avatar: Avatar | AvatarDict | None
    input_audio_transcription: VoiceLiveTranscription | VoiceLiveTranscriptionDict | None
    output_audio_timestamp_types: Sequence[Literal["word"]] | None
    tools: Sequence[FunctionTool | FunctionToolDict | McpTool | McpToolDict] | None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | ToolChoiceDict | None
    parallel_tool_calls: bool | None
    temperature: float | None
    max_response_output_tokens: int | Literal["inf"] | None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    interim_response: InterimResponse | InterimResponseDict | None
    include: Sequence[str] | None
    metadata: Mapping[str, str] | None


class VoiceLiveResponseConfigDict(TypedDict, total=False):
    """A `VoiceLiveResponseConfig`."""

    commit: bool | None
    cancel_previous: bool | None
    append_input_items: Sequence[AnyItem | ItemDict] | None
    input_items: Sequence[AnyItem | ItemDict] | None
    modalities: Sequence[Literal["text", "audio", "animation", "avatar"]] | None
    instructions: str | None
    voice: str | Voice | VoiceDict | None
    output_audio_format: Literal["pcm16", "pcm16_8000hz", "pcm16_16000hz", "g711_ulaw", "g711_alaw"] | None
    tools: Sequence[FunctionTool | FunctionToolDict | McpTool | McpToolDict] | None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | ToolChoiceDict | None
    temperature: float | None
    max_output_tokens: int | Literal["inf"] | None
    pre_generated_assistant_message: Message | MessageDict | None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    metadata: Mapping[str, str] | None
    interim_response: InterimResponse | InterimResponseDict | None
    invoke_input: Mapping[str, Any] | None
