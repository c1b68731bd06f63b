"""What a conversation is made of: items and their content, responses, usage, errors, and the session as it is.

What a session can be told is in `settings`, which says how reading and writing differ. Sources: the realtime
reference of OpenAI, and recordings of Azure's service for what it leaves out.

Fields that several classes have. *status* is `completed`, `incomplete` or `in_progress`. *call_id* ties a function's
output to its call, *name* is the function's, *arguments* is its JSON text, *output* text, of any form. *server_label*
names an MCP server as its tool did. In sessions, *instructions*, *tools*, *tool_choice*, *parallel_tool_calls*,
*model*, *prompt*, *reasoning*, *tracing*, *metadata*, *turn_detection*, *include* and, flat, `input_audio_format`,
`output_audio_format`, `input_audio_transcription` and `input_audio_noise_reduction` are as in `settings`;
*client_secret* is what a browser signs in with, and is in no repr. *modalities* (GA: *output_modalities*) are `text`,
`audio`; *voice* is a voice's name; *speed* 0.25 to 1.5; *max_output_tokens* (flat: *max_response_output_tokens*) a
number or `inf`. Counts of tokens: *total_tokens* is *input_tokens* and *output_tokens*, of which *text_tokens*,
*audio_tokens*, *image_tokens* and *cached_tokens* (*cached_tokens_details*) are parts, in *input_token_details* and
*output_token_details*.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, Discriminator, Field, PlainValidator, Tag, ValidationError

from ._base import OTHER, Audio, Part, item_tag, tag_by_type
from .preview import SessionDialect, session_in_ga
from .settings import (
    AnyToolChoice,
    MaxOutputTokens,
    Modality,
    NoiseReduction,
    Prompt,
    Reasoning,
    ResponseAudio,
    SessionConfig,
    Tool,
    Transcription,
    TranscriptionConfig,
    TurnDetection,
)

if TYPE_CHECKING:
    from .voice_live import VoiceLiveSession

GA, PREVIEW, VOICE_LIVE = item_tag("ga"), item_tag("preview"), item_tag("voice-live")


class Session(SessionConfig):
    """A session as the service reports it. *expires_at* is in seconds since 1970; it ends then."""

    id: str | None = None
    object: str | None = None
    expires_at: int | None = None

    @property
    def ga(self) -> Self:
        """This session, which is in GA's words; for code that reads sessions of any dialect."""
        return self


class ClientSecret(Part):
    """A key for one session, for a browser: good until *expires_at* (seconds since 1970)."""

    value: str | None = Field(default=None, repr=False)
    expires_at: int | None = None


class PreviewSession(Part):
    """A session as a dated (preview) connection reports it, in its own flat words. `ga` is the same in GA's.

    The formats are `pcm16` (24 kHz mono), `g711_ulaw` and `g711_alaw`; *temperature* (0.6 to 1.2) is a setting that GA
    has given up. *expires_at* is in seconds since 1970.
    """

    id: str | None = None
    object: str | None = None
    expires_at: int | None = None
    model: str | None = None
    modalities: list[Modality] | None = None
    instructions: str | None = None
    voice: Any = None
    input_audio_format: str | None = None
    output_audio_format: str | None = None
    input_audio_transcription: Transcription | None = None
    input_audio_noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None
    tools: list[Tool] | None = None
    tool_choice: AnyToolChoice | None = None
    temperature: float | None = None
    max_response_output_tokens: MaxOutputTokens | None = None
    speed: float | None = None
    tracing: Any = None
    client_secret: ClientSecret | None = None

    @property
    def ga(self) -> Session:
        """This session in GA's words, without what GA has no word for."""
        return session_of(self, "preview")


def session_of(session: BaseModel, dialect: SessionDialect) -> Session:
    """*session*, which is in the words of *dialect*, in GA's."""
    fields = session_in_ga(session.model_dump(mode="json", exclude_unset=True), dialect)
    try:
        return Session.model_validate(fields)
    except ValidationError as exc:  # a value that GA has in another shape
        for problem in exc.errors(include_url=False, include_context=False, include_input=False):
            _forget(fields, problem["loc"])
        return Session.model_validate(fields)


def _forget(fields: dict[str, Any], place: tuple[int | str, ...]) -> None:
    """Takes out of *fields* the setting that *place* is in: of audio, one of a direction's."""
    here = fields
    for step in place[: 2 if place[0] == "audio" else 0]:
        here = here.get(str(step), {})
    here.pop(str(place[2 if place[0] == "audio" else 0]), None)


_FLAT = frozenset(PreviewSession.model_fields) - frozenset(Session.model_fields)
_VOICE_LIVE = frozenset(
    "input_audio_sampling_rate input_audio_echo_cancellation output_audio_timestamp_types animation avatar agent "
    "interim_response".split()
)


def _session_kind(value: Any) -> str:
    if isinstance(value, dict):
        if "audio" in value:
            return GA
        if not _VOICE_LIVE.isdisjoint(value) or isinstance(value.get("voice"), dict):
            return VOICE_LIVE
        return PREVIEW if not _FLAT.isdisjoint(value) else GA
    if isinstance(value, Session):
        return GA
    return PREVIEW if isinstance(value, PreviewSession) else VOICE_LIVE


def _voice_live_session(value: Any) -> Any:
    from .voice_live import VoiceLiveSession  # noqa: PLC0415 - importing it is dear, and most programs never meet one

    return VoiceLiveSession.model_validate(value)


if TYPE_CHECKING:
    AnySession: TypeAlias = "Session | PreviewSession | VoiceLiveSession"
else:
    AnySession = Annotated[
        Annotated[Session, Tag(GA)]
        | Annotated[PreviewSession, Tag(PREVIEW)]
        | Annotated[Any, PlainValidator(_voice_live_session), Tag(VOICE_LIVE)],
        Discriminator(_session_kind),
    ]
"""A session in the words of whichever dialect the connection speaks; `.ga` is a `Session` in any case."""


class TranscriptionSession(TranscriptionConfig):
    """A dated transcription session as the service reports it. *expires_at* is in seconds since 1970."""

    id: str | None = None
    object: str | None = None
    expires_at: int | None = None
    client_secret: ClientSecret | None = None


class Conversation(Part):
    """The conversation of a session."""

    id: str | None = None
    object: str | None = None


class ContentPart(Part):
    """A piece of a message.

    `input_text`, `input_audio` and `input_image` are the user's, `output_text` and `output_audio` the model's
    (`text` and `audio` in `response.content_part.*`, and on dated connections everywhere).

    *transcript* is what sound says, *image_url* a data URL or a link, *detail* how closely it is looked at (`auto`,
    `low`, `high`).
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
    """Something said or written by the *role* `user`, `assistant` or `system`.

    *content* is its parts; *phase* is `commentary` or `final_answer`, where the model says so.
    """

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


class McpApprovalRequest(_Item):
    """The model wants to call the tool *name* of the server *server_label*, and may not without being let."""

    type: Literal["mcp_approval_request"]
    server_label: str | None = None
    name: str | None = None
    arguments: str | None = None


class McpApprovalResponse(_Item):
    """Whether it may: the answer to *approval_request_id*.

    *approve* is the decision, *reason* why, if somebody says so.
    """

    type: Literal["mcp_approval_response"]
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None


class McpToolDescription(Part):
    """A tool of an MCP server; *input_schema* is a JSON schema of its arguments.

    *description* and *annotations* are the server's.
    """

    name: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


class McpListTools(_Item):
    """What the server *server_label* has.

    *tools* is what there is, *error* why there is nothing.
    """

    type: Literal["mcp_list_tools"]
    server_label: str | None = None
    tools: list[McpToolDescription] | None = None
    error: Any = None


class McpCall(_Item):
    """The service called the tool *name*; *output* is what it gave back, *error* why it did not.

    *approval_request_id* is the request that was approved, if it had to be.
    """

    type: Literal["mcp_call"]
    server_label: str | None = None
    name: str | None = None
    arguments: str | None = None
    approval_request_id: str | None = None
    output: str | None = None
    error: Any = None


class ItemReference(_Item):
    """An item of the conversation, by its *id*: for the input of one response."""

    type: Literal["item_reference"]


class OtherItem(_Item):
    """An item of a kind that this version has no class for; its fields are readable as attributes."""

    type: str


ITEM_KINDS = (
    "message",
    "function_call",
    "function_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_list_tools",
    "mcp_call",
    "item_reference",
)
Item = Annotated[
    Annotated[Message, Tag(item_tag("message"))]
    | Annotated[FunctionCall, Tag(item_tag("function_call"))]
    | Annotated[FunctionCallOutput, Tag(item_tag("function_call_output"))]
    | Annotated[McpApprovalRequest, Tag(item_tag("mcp_approval_request"))]
    | Annotated[McpApprovalResponse, Tag(item_tag("mcp_approval_response"))]
    | Annotated[McpListTools, Tag(item_tag("mcp_list_tools"))]
    | Annotated[McpCall, Tag(item_tag("mcp_call"))]
    | Annotated[ItemReference, Tag(item_tag("item_reference"))]
    | Annotated[OtherItem, Tag(OTHER)],
    Discriminator(tag_by_type(*ITEM_KINDS)),
]


class CachedTokenDetails(Part):
    """Tokens by kind, of those that were cached."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class InputTokenDetails(CachedTokenDetails):
    """Tokens by kind, and how many of them were cached, which costs less."""

    cached_tokens: int | None = None
    cached_tokens_details: CachedTokenDetails | None = None


class OutputTokenDetails(Part):
    """Tokens by kind; *reasoning_tokens* were thought, not said."""

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


class TranscriptionUsage(Usage):
    """What writing down cost: in *seconds* of sound (type `duration`), or in tokens."""

    type: Literal["tokens", "duration"] | str | None = None
    seconds: float | None = None


class LogProb(Part):
    """How sure a transcription is of one token: the natural logarithm of its probability; *bytes* is its UTF-8.

    *logprob* is the natural logarithm of the probability.
    """

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None


class ServiceError(Part):
    """An error in the service's words. *event_id* is that of the client event that caused it, where one did.

    *code* is short and stable, *message* for people, *param* the path of the field that is wrong.
    """

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class StatusDetails(Part):
    """Why a response is not `completed`: the user spoke (`turn_detected`), it was cancelled, cut or refused.

    *reason* is why it was cancelled (`turn_detected`, `client_cancelled`) or is incomplete (`max_output_tokens`,
    `content_filter`), *error* why it failed.
    """

    type: str | None = None
    reason: Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"] | str | None = None
    error: ServiceError | None = None


class Response(Part):
    """A response: what it was told, how far it is (*status*), what came of it (*output*), and what it cost.

    *modalities*, *voice*, *output_audio_format* and *temperature* are those of dated connections.

    *status_details* says why it is not completed. *conversation_id* is null for one outside the conversation.
    *audio* is its format and voice, *usage* what it cost, once it is done.
    """

    id: str | None = None
    object: str | None = None
    status: Literal["in_progress", "completed", "cancelled", "failed", "incomplete"] | str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] = Field(default=[])
    conversation_id: str | None = None
    output_modalities: list[Modality] | None = None
    max_output_tokens: MaxOutputTokens | None = None
    audio: ResponseAudio | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None
    modalities: list[Modality] | None = None
    voice: Any = None
    output_audio_format: str | None = None
    temperature: float | None = None


class ResponseConfig(Part):
    """What `response.create` may set for one response, over the session's own settings.

    *conversation* `"none"` answers outside the conversation; *input* replaces its items for this response.

    *audio* is the voice and the format for this one.
    """

    conversation: Literal["auto", "none"] | str | None = None
    input: list[Item] | None = None
    instructions: str | None = None
    output_modalities: list[Modality] | None = None
    audio: ResponseAudio | None = None
    tools: list[Tool] | None = None
    tool_choice: AnyToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: MaxOutputTokens | None = None
    metadata: dict[str, str] | None = None
    prompt: Prompt | None = None
    reasoning: Reasoning | None = None


class RateLimit(Part):
    """How many requests or tokens are left (*remaining* of *limit*), and in how many seconds all will be.

    *name* is `requests` or `tokens`, *reset_seconds* the time until all is there again.
    """

    name: Literal["requests", "tokens"] | str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None
