"""Events that are received: one class per wire type, named by it in CamelCase.

A dated (preview) connection uses other names for some of them; `type` keeps the wire's word, the class is the
same. Times in `_ms` count from the first byte of audio that was appended on the connection.

Fields that several classes have. *response_id* is the response that the event is of, *output_index* which of its
outputs (from 0), *item_id* the item that is made or meant, *content_index* which of its parts (from 0);
*previous_item_id* is the item before it in the conversation, null for the first. *call_id* is a function call's.
*delta* is what is new: text, or sound as bytes in the session's output format; *obfuscation* is filler, so that the
length of a message does not give away what is said. *text* and *transcript* are all of it in the end, *logprobs* how
sure the model was of each token, where `include` asks for them. *item*, *session*, *usage* and *error* are as in
`parts`. Source: the realtime reference of OpenAI (server events), Azure's, and recordings of Azure's service.
"""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from ._base import Audio, Event
from .parts import (
    AnySession,
    ContentPart,
    Conversation,
    Item,
    LogProb,
    RateLimit,
    Response,
    ServiceError,
    Session,
    TranscriptionSession,
    TranscriptionUsage,
)


class _ServerEvent(Event):
    event_id: str | None = None


class ErrorEvent(_ServerEvent):
    """The service could not do something. Most errors leave the session as it was."""

    type: Literal["error"]
    error: ServiceError = Field(default_factory=ServiceError)


class SessionCreated(_ServerEvent):
    """The first event of a connection."""

    type: Literal["session.created"]
    session: AnySession = Field(default_factory=Session)


class SessionUpdated(_ServerEvent):
    """The session as it is now, after a `SessionUpdate`."""

    type: Literal["session.updated"]
    session: AnySession = Field(default_factory=Session)


class ConversationCreated(_ServerEvent):
    """There is a conversation; Azure does not say so on v1."""

    type: Literal["conversation.created"]
    conversation: Conversation | None = None


class _ItemEvent(_ServerEvent):
    previous_item_id: str | None = None
    item: Item | None = None


class ConversationItemAdded(_ItemEvent):
    """An item is in the conversation; a message of the assistant is still empty."""

    type: Literal["conversation.item.added", "conversation.item.created"]


class ConversationItemDone(_ItemEvent):
    """An item is complete."""

    type: Literal["conversation.item.done"]


class ConversationItemRetrieved(_ItemEvent):
    """The item that was asked for, with its sound."""

    type: Literal["conversation.item.retrieved"]


class ConversationItemDeleted(_ServerEvent):
    """The item is no longer in the conversation."""

    type: Literal["conversation.item.deleted"]
    item_id: str = ""


class ConversationItemTruncated(_ServerEvent):
    """The item ends after *audio_end_ms* milliseconds, and has no transcript any more."""

    type: Literal["conversation.item.truncated"]
    item_id: str = ""
    content_index: int = 0
    audio_end_ms: int | None = None


class _InputTranscription(_ServerEvent):
    item_id: str = ""
    content_index: int = 0


class ConversationItemInputAudioTranscriptionDelta(_InputTranscription):
    """A piece of what the user said, in writing."""

    type: Literal["conversation.item.input_audio_transcription.delta"]
    delta: str
    logprobs: list[LogProb] | None = None
    obfuscation: str | None = None


class ConversationItemInputAudioTranscriptionCompleted(_InputTranscription):
    """What the user said, in writing; it may come during or after the response.

    *languages* are those that were heard.
    """

    type: Literal["conversation.item.input_audio_transcription.completed"]
    transcript: str = ""
    usage: TranscriptionUsage | None = None
    logprobs: list[LogProb] | None = None
    languages: list[str] | None = None


class ConversationItemInputAudioTranscriptionSegment(_InputTranscription):
    """A stretch of what was said, by whom, from *start* to *end* (seconds), where the model tells speakers apart.

    *speaker* is who spoke, where speakers are told apart.
    """

    type: Literal["conversation.item.input_audio_transcription.segment"]
    id: str = ""
    text: str = ""
    speaker: str = ""
    start: float | None = None
    end: float | None = None


class ConversationItemInputAudioTranscriptionFailed(_InputTranscription):
    """What the user said could not be written down; the conversation goes on, for the model hears, it does not read."""

    type: Literal["conversation.item.input_audio_transcription.failed"]
    error: ServiceError = Field(default_factory=ServiceError)


class InputAudioBufferCommitted(_ServerEvent):
    """The input buffer became the user message *item_id*."""

    type: Literal["input_audio_buffer.committed"]
    previous_item_id: str | None = None
    item_id: str = ""


class InputAudioBufferCleared(_ServerEvent):
    """The input buffer is empty."""

    type: Literal["input_audio_buffer.cleared"]


class InputAudioBufferSpeechStarted(_ServerEvent):
    """The user speaks, from *audio_start_ms* on; what is being played should stop."""

    type: Literal["input_audio_buffer.speech_started"]
    audio_start_ms: int | None = None
    item_id: str = ""


class InputAudioBufferSpeechStopped(_ServerEvent):
    """The user has stopped speaking; *audio_end_ms* includes the silence that was waited for."""

    type: Literal["input_audio_buffer.speech_stopped"]
    audio_end_ms: int | None = None
    item_id: str = ""


class InputAudioBufferTimeoutTriggered(_ServerEvent):
    """Nobody spoke for `idle_timeout_ms`: the silence from *audio_start_ms* to *audio_end_ms* became a turn."""

    type: Literal["input_audio_buffer.timeout_triggered"]
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None
    item_id: str = ""


class InputAudioBufferDtmfEventReceived(_ServerEvent):
    """A key of the telephone (0-9, *, #, A-D) at *received_at*, in seconds since 1970 (SIP calls only)."""

    type: Literal["input_audio_buffer.dtmf_event_received"]
    event: str = ""
    received_at: int | None = None


class _OutputAudioBuffer(_ServerEvent):
    response_id: str = ""


class OutputAudioBufferStarted(_OutputAudioBuffer):
    """The caller begins to hear the response (WebRTC and SIP calls only)."""

    type: Literal["output_audio_buffer.started"]


class OutputAudioBufferStopped(_OutputAudioBuffer):
    """The caller has heard all of it."""

    type: Literal["output_audio_buffer.stopped"]


class OutputAudioBufferCleared(_OutputAudioBuffer):
    """What was left of it was thrown away: the caller spoke, or `OutputAudioBufferClear` was sent."""

    type: Literal["output_audio_buffer.cleared"]


class ResponseCreated(_ServerEvent):
    """A response has begun."""

    type: Literal["response.created"]
    response: Response = Field(default_factory=Response)


class ResponseDone(_ServerEvent):
    """The response is over, however it ended: `response.status` says how."""

    type: Literal["response.done"]
    response: Response = Field(default_factory=Response)


class _OfResponse(_ServerEvent):
    response_id: str = ""
    output_index: int = 0


class ResponseOutputItemAdded(_OfResponse):
    """The response has a new item, still empty."""

    type: Literal["response.output_item.added"]
    item: Item | None = None


class ResponseOutputItemDone(_OfResponse):
    """An item of the response is complete, or was cut."""

    type: Literal["response.output_item.done"]
    item: Item | None = None


class _OfContent(_OfResponse):
    item_id: str = ""
    content_index: int = 0


class ResponseContentPartAdded(_OfContent):
    """An item has a new part, still empty."""

    type: Literal["response.content_part.added"]
    part: ContentPart | None = None


class ResponseContentPartDone(_OfContent):
    """A part is complete, or was cut."""

    type: Literal["response.content_part.done"]
    part: ContentPart | None = None


class ResponseOutputTextDelta(_OfContent):
    """A piece of a written answer."""

    type: Literal["response.output_text.delta", "response.text.delta"]
    delta: str
    obfuscation: str | None = None


class ResponseOutputTextDone(_OfContent):
    """A written answer, whole, or as far as it came."""

    type: Literal["response.output_text.done", "response.text.done"]
    text: str = ""


class ResponseOutputAudioDelta(_OfContent):
    """A piece of the answer's sound, in the session's output format (24 kHz PCM16 mono unless set otherwise)."""

    type: Literal["response.output_audio.delta", "response.audio.delta"]
    delta: Audio
    obfuscation: str | None = None


class ResponseOutputAudioDone(_OfContent):
    """All of the answer's sound was sent."""

    type: Literal["response.output_audio.done", "response.audio.done"]


class ResponseOutputAudioTranscriptDelta(_OfContent):
    """A piece of what the answer's sound says; not in step with it."""

    type: Literal["response.output_audio_transcript.delta", "response.audio_transcript.delta"]
    delta: str
    obfuscation: str | None = None


class ResponseOutputAudioTranscriptDone(_OfContent):
    """What the answer's sound says, whole, or as far as it came."""

    type: Literal["response.output_audio_transcript.done", "response.audio_transcript.done"]
    transcript: str = ""


class ResponseFunctionCallArgumentsDelta(_OfResponse):
    """A piece of the arguments of a call: of JSON text."""

    type: Literal["response.function_call_arguments.delta"]
    item_id: str = ""
    call_id: str = ""
    delta: str
    obfuscation: str | None = None


class ResponseFunctionCallArgumentsDone(_OfResponse):
    """The arguments of a call, as JSON text; *name* is missing on dated connections."""

    type: Literal["response.function_call_arguments.done"]
    item_id: str = ""
    call_id: str = ""
    name: str | None = None
    arguments: str = ""


class ResponseMcpCallArgumentsDelta(_OfResponse):
    """A piece of the arguments of a call to an MCP server: of JSON text."""

    type: Literal["response.mcp_call_arguments.delta"]
    item_id: str = ""
    delta: str
    obfuscation: str | None = None


class ResponseMcpCallArgumentsDone(_OfResponse):
    """The arguments of a call to an MCP server, as JSON text."""

    type: Literal["response.mcp_call_arguments.done"]
    item_id: str = ""
    arguments: str = ""


class _McpCallEvent(_ServerEvent):
    output_index: int = 0
    item_id: str = ""


class ResponseMcpCallInProgress(_McpCallEvent):
    """The service is calling the MCP server."""

    type: Literal["response.mcp_call.in_progress"]


class ResponseMcpCallCompleted(_McpCallEvent):
    """The MCP server has answered; the item has what it said."""

    type: Literal["response.mcp_call.completed"]


class ResponseMcpCallFailed(_McpCallEvent):
    """The MCP server could not be called; the item says why."""

    type: Literal["response.mcp_call.failed"]


class _McpListToolsEvent(_ServerEvent):
    item_id: str = ""


class McpListToolsInProgress(_McpListToolsEvent):
    """The service asks an MCP server what it has."""

    type: Literal["mcp_list_tools.in_progress"]


class McpListToolsCompleted(_McpListToolsEvent):
    """The item *item_id* has the server's tools."""

    type: Literal["mcp_list_tools.completed"]


class McpListToolsFailed(_McpListToolsEvent):
    """The server did not say what it has."""

    type: Literal["mcp_list_tools.failed"]


class RateLimitsUpdated(_ServerEvent):
    """What is left of the quota; Azure does not send it on v1.

    *rate_limits* has one for requests and one for tokens.
    """

    type: Literal["rate_limits.updated"]
    rate_limits: list[RateLimit] = Field(default=[])


class TranscriptionSessionUpdated(_ServerEvent):
    """A dated transcription session as it is now, in its flat words."""

    type: Literal["transcription_session.updated"]
    session: TranscriptionSession = Field(default_factory=TranscriptionSession)


class SessionClosed(_ServerEvent):
    """The session has ended in good order, after a `SessionClose`; nothing follows."""

    type: Literal["session.closed"]


class _TranslationDelta(_ServerEvent):
    """*elapsed_ms* is where in the sound it belongs, in milliseconds; from which moment is not documented."""

    elapsed_ms: int | None = None


class SessionInputTranscriptDelta(_TranslationDelta):
    """A piece of what was said, in its own language (translations only)."""

    type: Literal["session.input_transcript.delta"]
    delta: str


class SessionOutputTranscriptDelta(_TranslationDelta):
    """A piece of what the translation says."""

    type: Literal["session.output_transcript.delta"]
    delta: str


class SessionOutputAudioDelta(_TranslationDelta):
    """A piece of the translation's sound: *format* `pcm16`, at *sample_rate* Hz, with *channels* interleaved."""

    type: Literal["session.output_audio.delta"]
    delta: Audio
    format: str | None = None
    sample_rate: int | None = None
    channels: int | None = None


class UnknownEvent(_ServerEvent):
    """A message that this version has no class for, or that could not be read: `reason` says which.

    Its fields, where it has any, are readable as attributes; `raw` is the message.
    """

    type: str = ""

    @property
    def reason(self) -> str:
        """Why this is not an event of a class of its own."""
        return self.problems[-1] if self.problems else "unknown type"


KnownServerEvent = (
    ErrorEvent
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemDeleted
    | ConversationItemTruncated
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionSegment
    | ConversationItemInputAudioTranscriptionFailed
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | RateLimitsUpdated
    | TranscriptionSessionUpdated
    | SessionClosed
    | SessionInputTranscriptDelta
    | SessionOutputTranscriptDelta
    | SessionOutputAudioDelta
)
if TYPE_CHECKING:
    from .voice_live import VoiceLiveServerEvent

    ServerEvent: TypeAlias = "KnownServerEvent | VoiceLiveServerEvent | UnknownEvent"
else:  # what only Voice Live has is imported when it is met
    ServerEvent = KnownServerEvent | UnknownEvent
TaggedServerEvent = Annotated[KnownServerEvent, Field(discriminator="type")]
