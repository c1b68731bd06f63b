"""The parts that events are made of: session configuration, items and their content, responses, usage.

One class serves both directions. Reading is tolerant: sets of names are open, and what the service has been
seen to leave out is optional. Writing is checked by `wire.encode`, which refuses a field that is not here.
Field names and values are the service's own (GA vocabulary); a dated connection is translated in `preview`.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ._base import OTHER, Audio, Part, item_tag, tag_by_type

Modality = Literal["text", "audio"] | str


class AudioFormat(Part):
    """`audio/pcm` is PCM16 mono little-endian at *rate* 24000 Hz; `audio/pcmu` and `audio/pcma` are G.711 at 8 kHz."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] | str
    rate: int | None = None


class NoiseReduction(Part):
    """`near_field` for a headset, `far_field` for a laptop or a room."""

    type: Literal["near_field", "far_field"] | str


class Transcription(Part):
    """How what the user says is written down, beside the conversation. On Azure *model* is a deployment."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class TurnDetection(Part):
    """How the end of the user's turn is found.

    `server_vad` listens for silence: *threshold* (0 to 1) is how loud speech is, *prefix_padding_ms* how much is
    kept before it, *silence_duration_ms* how long a pause ends it, *idle_timeout_ms* when to speak unasked.
    `semantic_vad` listens to the words, with an *eagerness*. Either answers by itself (*create_response*)
    and stops speaking when the user speaks (*interrupt_response*) unless told not to.
    """

    type: Literal["server_vad", "semantic_vad"] | str
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class AudioInput(Part):
    format: AudioFormat | None = None
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


class AudioOutput(Part):
    """*voice* is an open set of names; *speed* is 0.25 to 1.5."""

    format: AudioFormat | None = None
    voice: str | dict[str, Any] | None = None
    speed: float | None = None


class SessionAudio(Part):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class FunctionTool(Part):
    """A function that the model may call; *parameters* is a JSON schema of its arguments."""

    type: Literal["function"] | str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class SessionConfig(Part):
    """What `session.update` may set. *output_modalities* is `["audio"]` (with its transcript) or `["text"]`."""

    type: Literal["realtime", "transcription"] | str | None = None
    model: str | None = None
    instructions: str | None = None
    output_modalities: list[Modality] | None = None
    audio: SessionAudio | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    include: list[str] | None = None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tracing: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] | None = None


class Session(SessionConfig):
    """A session as the service reports it. *expires_at* is in seconds since 1970."""

    id: str | None = None
    object: str | None = None
    expires_at: int | None = None


class ContentPart(Part):
    """A piece of a message.

    `input_text`, `input_audio` and `input_image` are the user's, `output_text` and `output_audio` the model's
    (`text` and `audio` in `response.content_part.*`, and on dated connections everywhere).
    """

    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"] | str
    text: str | None = None
    audio: Audio | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: Literal["auto", "low", "high"] | str | None = None


class _Item(Part):
    id: str | None = None
    object: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | str | None = None


class Message(_Item):
    """Something said or written by the *role* `user`, `assistant` or `system`."""

    type: Literal["message"]
    role: Literal["user", "assistant", "system"] | str | None = None
    content: list[ContentPart] | None = None
    phase: str | None = None


class FunctionCall(_Item):
    """The model calls a function; *arguments* is JSON text, as the model wrote it."""

    type: Literal["function_call"]
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None


class FunctionCallOutput(_Item):
    """What a function gave back, as text; *call_id* says to which call."""

    type: Literal["function_call_output"]
    call_id: str | None = None
    output: str | None = None


class OtherItem(_Item):
    """An item of a kind that this version has no class for; its fields are readable as attributes."""

    type: str


Item = Annotated[
    Annotated[Message, Tag(item_tag("message"))]
    | Annotated[FunctionCall, Tag(item_tag("function_call"))]
    | Annotated[FunctionCallOutput, Tag(item_tag("function_call_output"))]
    | Annotated[OtherItem, Tag(OTHER)],
    Discriminator(tag_by_type("message", "function_call", "function_call_output")),
]


class CachedTokenDetails(Part):
    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class InputTokenDetails(CachedTokenDetails):
    cached_tokens: int | None = None
    cached_tokens_details: CachedTokenDetails | None = None


class OutputTokenDetails(Part):
    text_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


class Usage(Part):
    """What a response cost, in tokens."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokenDetails | None = None
    output_token_details: OutputTokenDetails | None = None


class ServiceError(Part):
    """An error in the service's words. *event_id* is that of the client event that caused it, where one did."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class StatusDetails(Part):
    """Why a response is not `completed`: the user spoke (`turn_detected`), it was cancelled, cut or refused."""

    type: str | None = None
    reason: Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"] | str | None = None
    error: ServiceError | None = None


class ResponseAudio(Part):
    output: AudioOutput | None = None


class Response(Part):
    id: str | None = None
    object: str | None = None
    status: Literal["in_progress", "completed", "cancelled", "failed", "incomplete"] | str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] = Field(default=[])
    conversation_id: str | None = None
    output_modalities: list[Modality] | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    audio: ResponseAudio | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None


class ResponseConfig(Part):
    """What `response.create` may set for one response, over the session's own settings.

    *conversation* `"none"` answers outside the conversation; *input* replaces its items for this response.
    """

    conversation: Literal["auto", "none"] | str | None = None
    input: list[Item] | None = None
    instructions: str | None = None
    output_modalities: list[Modality] | None = None
    audio: ResponseAudio | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    metadata: dict[str, str] | None = None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None


class RateLimit(Part):
    name: Literal["requests", "tokens"] | str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None
