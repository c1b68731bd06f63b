"""The verbs of a connection, in openai-python's words: `session.update`, `response.create`, …

Each sends one client event. What a verb takes first may be given by position or by name, as a model or as a dict of the
same shape; *event_id* is made if it is not given. With *wait*, it returns the event that answers it, or raises
`EventRejected` if that is an error; either is in the streams, too. With *extra*, fields and values that are newer than
this version are sent, not refused. Raises `InvalidEvent` before anything is sent, `ConnectionClosed` after the end. A
cancelled verb has sent its event wholly or not at all; cancelled while it waits for the answer, it has.

An answer that is about no item is told by the order of events alone. So where the service acts by itself, with turn
detection on, what `commit(wait=True)` and `response.create(wait=True)` return may be of a turn of the service's own.
There is no time limit for an answer: `anyio.fail_after` is for that.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from .events import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    Event,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    Item,
    OutputAudioBufferCleared,
    ResponseConfig,
    ResponseCreated,
    ResponseDone,
    SessionClosed,
    SessionConfig,
    SessionUpdated,
    TranscriptionConfig,
    TranscriptionSessionUpdated,
)
from .events.wire import Bytes

if TYPE_CHECKING:
    from .events.dicts import ItemDict, ResponseConfigDict, SessionConfigDict, TranscriptionConfigDict
    from .events.voice_live import VoiceLiveConfig, VoiceLiveResponseConfig
    from .events.voice_live_dicts import VoiceLiveConfigDict, VoiceLiveResponseConfigDict

    AnySessionConfig = SessionConfig | SessionConfigDict | VoiceLiveConfig | VoiceLiveConfigDict
    AnyResponseConfig = ResponseConfig | ResponseConfigDict | VoiceLiveResponseConfig | VoiceLiveResponseConfigDict


class Ask(Protocol):
    """Sends an event; with *wait*, returns its *answer*."""

    async def __call__(
        self, event: Mapping[str, Any], answer: type[E], *, wait: bool, extra: bool = False
    ) -> E | None: ...


E = TypeVar("E", bound=Event)
Append = Callable[[Bytes, str | None, float | None], Awaitable[float]]


def new_item_id() -> str:
    """An id for an item of the client's, so that its answer can be told."""
    return f"item_{secrets.token_hex(10)}"


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
    """`connection.session`. What the verbs have in common (*wait*, *extra*, errors, cancellation): see this module."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.input_audio_buffer = SessionInputAudioBuffer(ask)

    @overload
    async def update(
        self, session: AnySessionConfig, *, wait: Literal[True], event_id: str | None = ..., extra: bool = ...
    ) -> SessionUpdated: ...
    @overload
    async def update(
        self, session: AnySessionConfig, *, wait: Literal[False] = ..., event_id: str | None = ..., extra: bool = ...
    ) -> None: ...
    async def update(
        self, session: AnySessionConfig, *, wait: bool = False, event_id: str | None = None, extra: bool = False
    ) -> SessionUpdated | None:
        """Changes what *session* names; the service answers with `SessionUpdated`.

        A setting given as None is sent as null (`turn_detection: None` turns it off). With Voice Live, *session* may
        also be in its own words (`realtime_azure.events.voice_live`).
        """
        event = _event("session.update", event_id, session=session)
        return await self._ask(event, SessionUpdated, wait=wait, extra=extra)

    @overload
    async def close(self, *, wait: Literal[True], event_id: str | None = ...) -> SessionClosed: ...
    @overload
    async def close(self, *, wait: Literal[False] = ..., event_id: str | None = ...) -> None: ...
    async def close(self, *, wait: bool = False, event_id: str | None = None) -> SessionClosed | None:
        """Ends the session in good order: what is under way comes first, then `SessionClosed`."""
        return await self._ask(_event("session.close", event_id), SessionClosed, wait=wait)


class SessionInputAudioBuffer:
    """`connection.session.input_audio_buffer`, of translations."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def append(self, audio: Bytes, *, event_id: str | None = None) -> None:
        """Adds sound to be translated: PCM16 mono little-endian at 24 kHz. Bytes, not base64."""
        await self._ask(_event("session.input_audio_buffer.append", event_id, audio=audio), Event, wait=False)


class TranscriptionSession:
    """`connection.transcription_session`, of the preview protocol."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @overload
    async def update(
        self,
        session: TranscriptionConfig | TranscriptionConfigDict,
        *,
        wait: Literal[True],
        event_id: str | None = ...,
        extra: bool = ...,
    ) -> TranscriptionSessionUpdated: ...
    @overload
    async def update(
        self,
        session: TranscriptionConfig | TranscriptionConfigDict,
        *,
        wait: Literal[False] = ...,
        event_id: str | None = ...,
        extra: bool = ...,
    ) -> None: ...
    async def update(
        self,
        session: TranscriptionConfig | TranscriptionConfigDict,
        *,
        wait: bool = False,
        event_id: str | None = None,
        extra: bool = False,
    ) -> TranscriptionSessionUpdated | None:
        """Changes what *session* names; the service answers with `TranscriptionSessionUpdated`."""
        event = _event("transcription_session.update", event_id, session=session)
        return await self._ask(event, TranscriptionSessionUpdated, wait=wait, extra=extra)


class InputAudioBuffer:
    """`connection.input_audio_buffer`: where the user's sound goes."""

    def __init__(self, ask: Ask, append: Append) -> None:
        self._ask = ask
        self._append = append

    async def append(self, audio: Bytes, *, max_age: float | None = None, event_id: str | None = None) -> float:
        """Adds *audio*: PCM16 mono little-endian at 24 kHz (or as the session says), at most 15 MiB.

        Bytes, not base64: that is done here. The service does not answer. Waits while the network is behind; with
        *max_age*, in seconds, what could not be sent in that time is left out instead, for speech that comes too late
        is worth nothing. Returns how many milliseconds of sound have been left out since the last call that said
        *max_age*. Only sound that was given one is ever left out.
        """
        return await self._append(audio, event_id, max_age)

    @overload
    async def commit(self, *, wait: Literal[True], event_id: str | None = ...) -> InputAudioBufferCommitted: ...
    @overload
    async def commit(self, *, wait: Literal[False] = ..., event_id: str | None = ...) -> None: ...
    async def commit(self, *, wait: bool = False, event_id: str | None = None) -> InputAudioBufferCommitted | None:
        """Ends the user's turn by hand; at least 100 ms must have been appended since the last one.

        With *wait*, returns the next `InputAudioBufferCommitted`, which may be turn detection's.
        """
        return await self._ask(_event("input_audio_buffer.commit", event_id), InputAudioBufferCommitted, wait=wait)

    @overload
    async def clear(self, *, wait: Literal[True], event_id: str | None = ...) -> InputAudioBufferCleared: ...
    @overload
    async def clear(self, *, wait: Literal[False] = ..., event_id: str | None = ...) -> None: ...
    async def clear(self, *, wait: bool = False, event_id: str | None = None) -> InputAudioBufferCleared | None:
        """Forgets what was appended and not committed."""
        return await self._ask(_event("input_audio_buffer.clear", event_id), InputAudioBufferCleared, wait=wait)


class OutputAudioBuffer:
    """`connection.output_audio_buffer` (WebRTC and SIP calls only)."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @overload
    async def clear(self, *, wait: Literal[True], event_id: str | None = ...) -> OutputAudioBufferCleared: ...
    @overload
    async def clear(self, *, wait: Literal[False] = ..., event_id: str | None = ...) -> None: ...
    async def clear(self, *, wait: bool = False, event_id: str | None = None) -> OutputAudioBufferCleared | None:
        """Stops what the service is playing into the call."""
        return await self._ask(_event("output_audio_buffer.clear", event_id), OutputAudioBufferCleared, wait=wait)


class ConversationItems:
    """`connection.conversation.item`"""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @overload
    async def create(
        self,
        item: Item | ItemDict,
        *,
        wait: Literal[True],
        previous_item_id: str | None = ...,
        event_id: str | None = ...,
        extra: bool = ...,
    ) -> ConversationItemAdded: ...
    @overload
    async def create(
        self,
        item: Item | ItemDict,
        *,
        wait: Literal[False] = ...,
        previous_item_id: str | None = ...,
        event_id: str | None = ...,
        extra: bool = ...,
    ) -> None: ...
    async def create(
        self,
        item: Item | ItemDict,
        *,
        wait: bool = False,
        previous_item_id: str | None = None,
        event_id: str | None = None,
        extra: bool = False,
    ) -> ConversationItemAdded | None:
        """Adds *item* after *previous_item_id* (`"root"`: as the first; None: as the last).

        An `input_audio` part takes its `audio` as bytes of PCM.
        """
        event = _event("conversation.item.create", event_id, item=item, previous_item_id=previous_item_id)
        return await self._ask(event, ConversationItemAdded, wait=wait, extra=extra)

    @overload
    async def delete(
        self, item_id: str, *, wait: Literal[True], event_id: str | None = ...
    ) -> ConversationItemDeleted: ...
    @overload
    async def delete(self, item_id: str, *, wait: Literal[False] = ..., event_id: str | None = ...) -> None: ...
    async def delete(
        self, item_id: str, *, wait: bool = False, event_id: str | None = None
    ) -> ConversationItemDeleted | None:
        """Removes an item; the service answers with `ConversationItemDeleted`."""
        event = _event("conversation.item.delete", event_id, item_id=item_id)
        return await self._ask(event, ConversationItemDeleted, wait=wait)

    @overload
    async def retrieve(
        self, item_id: str, *, wait: Literal[True], event_id: str | None = ...
    ) -> ConversationItemRetrieved: ...
    @overload
    async def retrieve(self, item_id: str, *, wait: Literal[False] = ..., event_id: str | None = ...) -> None: ...
    async def retrieve(
        self, item_id: str, *, wait: bool = False, event_id: str | None = None
    ) -> ConversationItemRetrieved | None:
        """Asks for an item as the service has it, sound included: `ConversationItemRetrieved`."""
        event = _event("conversation.item.retrieve", event_id, item_id=item_id)
        return await self._ask(event, ConversationItemRetrieved, wait=wait)

    @overload
    async def truncate(
        self,
        item_id: str,
        *,
        wait: Literal[True],
        audio_end_ms: int,
        content_index: int = ...,
        event_id: str | None = ...,
    ) -> ConversationItemTruncated: ...
    @overload
    async def truncate(
        self,
        item_id: str,
        *,
        wait: Literal[False] = ...,
        audio_end_ms: int,
        content_index: int = ...,
        event_id: str | None = ...,
    ) -> None: ...
    async def truncate(
        self,
        item_id: str,
        *,
        wait: bool = False,
        audio_end_ms: int,
        content_index: int = 0,
        event_id: str | None = None,
    ) -> ConversationItemTruncated | None:
        """Cuts what the assistant said to its first *audio_end_ms* milliseconds: what was heard of it."""
        place = {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}
        event = _event("conversation.item.truncate", event_id, **place)
        return await self._ask(event, ConversationItemTruncated, wait=wait)


class Conversation:
    """`connection.conversation`"""

    def __init__(self, ask: Ask) -> None:
        self.item = ConversationItems(ask)


class Responses:
    """`connection.response`"""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @overload
    async def create(
        self,
        response: AnyResponseConfig | None = ...,
        *,
        wait: Literal[True],
        event_id: str | None = ...,
        extra: bool = ...,
    ) -> ResponseCreated: ...
    @overload
    async def create(
        self,
        response: AnyResponseConfig | None = ...,
        *,
        wait: Literal[False] = ...,
        event_id: str | None = ...,
        extra: bool = ...,
    ) -> None: ...
    async def create(
        self,
        response: AnyResponseConfig | None = None,
        *,
        wait: bool = False,
        event_id: str | None = None,
        extra: bool = False,
    ) -> ResponseCreated | None:
        """Asks for a response, with the settings of *response* for this one.

        With *wait*, returns the next `ResponseCreated`, which may be of a turn that turn detection has ended meanwhile.
        """
        event = _event("response.create", event_id, response=response)
        return await self._ask(event, ResponseCreated, wait=wait, extra=extra)

    @overload
    async def cancel(
        self, response_id: str | None = ..., *, wait: Literal[True], event_id: str | None = ...
    ) -> ResponseDone: ...
    @overload
    async def cancel(
        self, response_id: str | None = ..., *, wait: Literal[False] = ..., event_id: str | None = ...
    ) -> None: ...
    async def cancel(
        self, response_id: str | None = None, *, wait: bool = False, event_id: str | None = None
    ) -> ResponseDone | None:
        """Stops the response *response_id*, or the one under way; it ends with `ResponseDone`, `cancelled`."""
        return await self._ask(_event("response.cancel", event_id, response_id=response_id), ResponseDone, wait=wait)
