"""The verbs of a connection, in openai-python's words: `session.update`, `response.create`, …

Each sends one client event. What a verb takes first may be given by position or by name, as a model or as a dict of the
same shape; *event_id* is made if it is not given. With *extra*, fields and values that are newer than this version are
sent, not refused. Raises `InvalidEvent` before anything is sent, `ConnectionClosed` after the end. A cancelled verb has
sent its event wholly or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .events import ClientEvent, Item, ResponseConfig, SessionConfig, TranscriptionConfig
from .events.wire import Bytes

if TYPE_CHECKING:
    from .events.dicts import ItemDict, ResponseConfigDict, SessionConfigDict, TranscriptionConfigDict
    from .events.voice_live import VoiceLiveConfig, VoiceLiveResponseConfig
    from .events.voice_live_dicts import VoiceLiveConfigDict, VoiceLiveResponseConfigDict

    AnySessionConfig = SessionConfig | SessionConfigDict | VoiceLiveConfig | VoiceLiveConfigDict
    AnyResponseConfig = ResponseConfig | ResponseConfigDict | VoiceLiveResponseConfig | VoiceLiveResponseConfigDict


class Send(Protocol):
    """`Connection.send`"""

    async def __call__(self, event: ClientEvent | Mapping[str, Any], *, extra: bool = False) -> None: ...


Append = Callable[[Bytes, str | None], Awaitable[None]]


def new_event_id() -> str:
    """An id for a client event, so that an `error` can say which one it is about."""
    return f"event_{secrets.token_hex(10)}"


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if hasattr(value, "model_dump") else value


def _event(type: str, event_id: str | None, **fields: Any) -> dict[str, Any]:  # noqa: A002 - the wire's word
    """A client event of what was given; what was not given is not on the wire."""
    given = {"event_id": event_id, **fields}
    return {"type": type} | {name: _plain(value) for name, value in given.items() if value is not None}


class SessionVerbs:
    """`connection.session`"""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.input_audio_buffer = SessionInputAudioBuffer(send)

    async def update(self, session: AnySessionConfig, *, event_id: str | None = None, extra: bool = False) -> None:
        """Changes what *session* names; the service answers with `SessionUpdated`.

        A setting given as None is sent as null (`turn_detection: None` turns it off). With Voice Live, *session* may
        also be in its own words (`realtime_azure.events.voice_live`).
        """
        await self._send(_event("session.update", event_id, session=session), extra=extra)

    async def close(self, *, event_id: str | None = None) -> None:
        """Ends the session in good order: what is under way comes first, then `SessionClosed`."""
        await self._send(_event("session.close", event_id))


class SessionInputAudioBuffer:
    """`connection.session.input_audio_buffer`, of translations."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def append(self, audio: Bytes, *, event_id: str | None = None) -> None:
        """Adds sound to be translated: PCM16 mono little-endian at 24 kHz. Bytes, not base64."""
        await self._send(_event("session.input_audio_buffer.append", event_id, audio=audio))


class TranscriptionSession:
    """`connection.transcription_session`, of the preview protocol."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def update(
        self,
        session: TranscriptionConfig | TranscriptionConfigDict,
        *,
        event_id: str | None = None,
        extra: bool = False,
    ) -> None:
        """Changes what *session* names; the service answers with `TranscriptionSessionUpdated`."""
        await self._send(_event("transcription_session.update", event_id, session=session), extra=extra)


class InputAudioBuffer:
    """`connection.input_audio_buffer`: where the user's sound goes."""

    def __init__(self, send: Send, append: Append) -> None:
        self._send = send
        self._append = append

    async def append(self, audio: Bytes, *, event_id: str | None = None) -> None:
        """Adds *audio*: PCM16 mono little-endian at 24 kHz (or as the session says), at most 15 MiB.

        Bytes, not base64: that is done here. The service does not answer.
        """
        await self._append(audio, event_id)

    async def commit(self, *, event_id: str | None = None) -> None:
        """Ends the user's turn by hand; at least 100 ms must have been appended since the last one."""
        await self._send(_event("input_audio_buffer.commit", event_id))

    async def clear(self, *, event_id: str | None = None) -> None:
        """Forgets what was appended and not committed."""
        await self._send(_event("input_audio_buffer.clear", event_id))


class OutputAudioBuffer:
    """`connection.output_audio_buffer` (WebRTC and SIP calls only)."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def clear(self, *, event_id: str | None = None) -> None:
        """Stops what the service is playing into the call."""
        await self._send(_event("output_audio_buffer.clear", event_id))


class ConversationItems:
    """`connection.conversation.item`"""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def create(
        self,
        item: Item | ItemDict,
        *,
        previous_item_id: str | None = None,
        event_id: str | None = None,
        extra: bool = False,
    ) -> None:
        """Adds *item* after *previous_item_id* (`"root"`: as the first; None: as the last).

        An `input_audio` part takes its `audio` as bytes of PCM.
        """
        event = _event("conversation.item.create", event_id, item=item, previous_item_id=previous_item_id)
        await self._send(event, extra=extra)

    async def delete(self, item_id: str, *, event_id: str | None = None) -> None:
        """Removes an item; the service answers with `ConversationItemDeleted`."""
        await self._send(_event("conversation.item.delete", event_id, item_id=item_id))

    async def retrieve(self, item_id: str, *, event_id: str | None = None) -> None:
        """Asks for an item as the service has it, sound included: `ConversationItemRetrieved`."""
        await self._send(_event("conversation.item.retrieve", event_id, item_id=item_id))

    async def truncate(
        self, item_id: str, *, audio_end_ms: int, content_index: int = 0, event_id: str | None = None
    ) -> None:
        """Cuts what the assistant said to its first *audio_end_ms* milliseconds: what was heard of it."""
        await self._send(
            _event(
                "conversation.item.truncate",
                event_id,
                item_id=item_id,
                content_index=content_index,
                audio_end_ms=audio_end_ms,
            )
        )


class Conversation:
    """`connection.conversation`"""

    def __init__(self, send: Send) -> None:
        self.item = ConversationItems(send)


class Responses:
    """`connection.response`"""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def create(
        self,
        response: AnyResponseConfig | None = None,
        *,
        event_id: str | None = None,
        extra: bool = False,
    ) -> None:
        """Asks for a response, with the settings of *response* for this one."""
        await self._send(_event("response.create", event_id, response=response), extra=extra)

    async def cancel(self, response_id: str | None = None, *, event_id: str | None = None) -> None:
        """Stops the response *response_id*, or the one under way; it ends with `ResponseDone`, `cancelled`."""
        await self._send(_event("response.cancel", event_id, response_id=response_id))
