"""Events that are sent: one class per wire type, named by it in CamelCase.

Fields that several classes have. *event_id* names the event, for an error to say which one it is about. *item_id* is
an item of the conversation, *content_index* one of its parts, from 0. *audio* is sound as bytes: PCM16 mono little-
endian at 24 kHz, or what the session says. Source: the realtime reference of OpenAI (client events) and Azure's.
"""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from ._base import Audio, Event
from .parts import Item, ResponseConfig
from .settings import SessionConfig, TranscriptionConfig


class _ClientEvent(Event):
    event_id: str | None = None


class SessionUpdate(_ClientEvent):
    """Changes what it names of the session; the rest stays. Answered by `SessionUpdated` or an error."""

    type: Literal["session.update"] = "session.update"
    session: SessionConfig


class InputAudioBufferAppend(_ClientEvent):
    """Sound for the input buffer, at most 15 MiB; not acknowledged."""

    type: Literal["input_audio_buffer.append"] = "input_audio_buffer.append"
    audio: Audio


class InputAudioBufferCommit(_ClientEvent):
    """Makes a user message of the input buffer (at least 100 ms); turn detection does so by itself."""

    type: Literal["input_audio_buffer.commit"] = "input_audio_buffer.commit"


class InputAudioBufferClear(_ClientEvent):
    """Forgets the input buffer."""

    type: Literal["input_audio_buffer.clear"] = "input_audio_buffer.clear"


class OutputAudioBufferClear(_ClientEvent):
    """Stops what is being played (WebRTC and SIP calls only; refused on a websocket of Azure's)."""

    type: Literal["output_audio_buffer.clear"] = "output_audio_buffer.clear"


class ConversationItemCreate(_ClientEvent):
    """Adds *item* after *previous_item_id* (`"root"`: first; unset: last)."""

    type: Literal["conversation.item.create"] = "conversation.item.create"
    previous_item_id: str | None = None
    item: Item


class ConversationItemDelete(_ClientEvent):
    """Takes an item out of the conversation."""

    type: Literal["conversation.item.delete"] = "conversation.item.delete"
    item_id: str


class ConversationItemRetrieve(_ClientEvent):
    """Asks for an item as the service has it."""

    type: Literal["conversation.item.retrieve"] = "conversation.item.retrieve"
    item_id: str


class ConversationItemTruncate(_ClientEvent):
    """Cuts an assistant's spoken item to the first *audio_end_ms* milliseconds, as far as it was heard."""

    type: Literal["conversation.item.truncate"] = "conversation.item.truncate"
    item_id: str
    content_index: int
    audio_end_ms: int


class ResponseCreate(_ClientEvent):
    """Asks for a response, with settings for this one if *response* is given."""

    type: Literal["response.create"] = "response.create"
    response: ResponseConfig | None = None


class ResponseCancel(_ClientEvent):
    """Stops the response *response_id*, or the one under way."""

    type: Literal["response.cancel"] = "response.cancel"
    response_id: str | None = None


class TranscriptionSessionUpdate(_ClientEvent):
    """Sets up a dated transcription session; in `v1` that is a `SessionUpdate` of the type `transcription`."""

    type: Literal["transcription_session.update"] = "transcription_session.update"
    session: TranscriptionConfig


class SessionInputAudioBufferAppend(_ClientEvent):
    """Sound to be translated."""

    type: Literal["session.input_audio_buffer.append"] = "session.input_audio_buffer.append"
    audio: Audio


class SessionClose(_ClientEvent):
    """Ends the session in good order: what is under way comes first, then `SessionClosed`."""

    type: Literal["session.close"] = "session.close"


KnownClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemDelete
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ResponseCreate
    | ResponseCancel
    | TranscriptionSessionUpdate
    | SessionInputAudioBufferAppend
    | SessionClose
)
if TYPE_CHECKING:
    from .voice_live import VoiceLiveClientEvent

    ClientEvent: TypeAlias = "KnownClientEvent | VoiceLiveClientEvent"
else:  # what only Voice Live has is imported when it is met
    ClientEvent = KnownClientEvent
TaggedClientEvent = Annotated[KnownClientEvent, Field(discriminator="type")]
