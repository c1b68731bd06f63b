"""Events that are received: one class per wire type, named by it in CamelCase.

A dated (preview) connection uses other names for some of them; `type` keeps the wire's word, the class is the
same. Times in `_ms` count from the first byte of audio that was appended on the connection.
"""

from typing import Annotated, Literal

from pydantic import Field

from ._base import Audio, Event
from .parts import ContentPart, Item, RateLimit, Response, ServiceError, Session, Usage


class _ServerEvent(Event):
    event_id: str | None = None


class ErrorEvent(_ServerEvent):
    """The service could not do something. Most errors leave the session as it was."""

    type: Literal["error"]
    error: ServiceError = Field(default_factory=ServiceError)


class SessionCreated(_ServerEvent):
    """The first event of a connection."""

    type: Literal["session.created"]
    session: Session = Field(default_factory=Session)


class SessionUpdated(_ServerEvent):
    type: Literal["session.updated"]
    session: Session = Field(default_factory=Session)


class ConversationCreated(_ServerEvent):
    type: Literal["conversation.created"]
    conversation: dict[str, object] | None = None


class _ItemEvent(_ServerEvent):
    previous_item_id: str | None = None
    item: Item | None = None


class ConversationItemAdded(_ItemEvent):
    """An item is in the conversation; a message of the assistant is still empty."""

    type: Literal["conversation.item.added"]


class ConversationItemCreated(_ItemEvent):
    """What a dated connection says instead of `ConversationItemAdded`."""

    type: Literal["conversation.item.created"]


class ConversationItemDone(_ItemEvent):
    """An item is complete."""

    type: Literal["conversation.item.done"]


class ConversationItemRetrieved(_ItemEvent):
    type: Literal["conversation.item.retrieved"]


class ConversationItemDeleted(_ServerEvent):
    type: Literal["conversation.item.deleted"]
    item_id: str = ""


class ConversationItemTruncated(_ServerEvent):
    type: Literal["conversation.item.truncated"]
    item_id: str = ""
    content_index: int = 0
    audio_end_ms: int | None = None


class _InputTranscription(_ServerEvent):
    item_id: str = ""
    content_index: int = 0


class ConversationItemInputAudioTranscriptionDelta(_InputTranscription):
    type: Literal["conversation.item.input_audio_transcription.delta"]
    delta: str


class ConversationItemInputAudioTranscriptionCompleted(_InputTranscription):
    """What the user said, in writing; it may come during or after the response."""

    type: Literal["conversation.item.input_audio_transcription.completed"]
    transcript: str = ""
    usage: Usage | None = None


class ConversationItemInputAudioTranscriptionFailed(_InputTranscription):
    type: Literal["conversation.item.input_audio_transcription.failed"]
    error: ServiceError = Field(default_factory=ServiceError)


class InputAudioBufferCommitted(_ServerEvent):
    """The input buffer became the user message *item_id*."""

    type: Literal["input_audio_buffer.committed"]
    previous_item_id: str | None = None
    item_id: str = ""


class InputAudioBufferCleared(_ServerEvent):
    type: Literal["input_audio_buffer.cleared"]


class InputAudioBufferSpeechStarted(_ServerEvent):
    type: Literal["input_audio_buffer.speech_started"]
    audio_start_ms: int | None = None
    item_id: str = ""


class InputAudioBufferSpeechStopped(_ServerEvent):
    """The user has stopped speaking; *audio_end_ms* includes the silence that was waited for."""

    type: Literal["input_audio_buffer.speech_stopped"]
    audio_end_ms: int | None = None
    item_id: str = ""


class ResponseCreated(_ServerEvent):
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
    type: Literal["response.output_item.added"]
    item: Item | None = None


class ResponseOutputItemDone(_OfResponse):
    type: Literal["response.output_item.done"]
    item: Item | None = None


class _OfContent(_OfResponse):
    item_id: str = ""
    content_index: int = 0


class ResponseContentPartAdded(_OfContent):
    type: Literal["response.content_part.added"]
    part: ContentPart | None = None


class ResponseContentPartDone(_OfContent):
    type: Literal["response.content_part.done"]
    part: ContentPart | None = None


class ResponseOutputTextDelta(_OfContent):
    type: Literal["response.output_text.delta", "response.text.delta"]
    delta: str


class ResponseOutputTextDone(_OfContent):
    type: Literal["response.output_text.done", "response.text.done"]
    text: str = ""


class ResponseOutputAudioDelta(_OfContent):
    """A piece of the answer's sound, in the session's output format (24 kHz PCM16 mono unless set otherwise)."""

    type: Literal["response.output_audio.delta", "response.audio.delta"]
    delta: Audio


class ResponseOutputAudioDone(_OfContent):
    type: Literal["response.output_audio.done", "response.audio.done"]


class ResponseOutputAudioTranscriptDelta(_OfContent):
    """A piece of what the answer's sound says; not in step with it."""

    type: Literal["response.output_audio_transcript.delta", "response.audio_transcript.delta"]
    delta: str


class ResponseOutputAudioTranscriptDone(_OfContent):
    type: Literal["response.output_audio_transcript.done", "response.audio_transcript.done"]
    transcript: str = ""


class ResponseFunctionCallArgumentsDelta(_OfResponse):
    type: Literal["response.function_call_arguments.delta"]
    item_id: str = ""
    call_id: str = ""
    delta: str


class ResponseFunctionCallArgumentsDone(_OfResponse):
    """The arguments of a call, as JSON text; *name* is missing on dated connections."""

    type: Literal["response.function_call_arguments.done"]
    item_id: str = ""
    call_id: str = ""
    name: str | None = None
    arguments: str = ""


class RateLimitsUpdated(_ServerEvent):
    type: Literal["rate_limits.updated"]
    rate_limits: list[RateLimit] = Field(default=[])


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
    | ConversationItemCreated
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemDeleted
    | ConversationItemTruncated
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionFailed
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
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
    | RateLimitsUpdated
)
ServerEvent = KnownServerEvent | UnknownEvent
TaggedServerEvent = Annotated[KnownServerEvent, Field(discriminator="type")]
