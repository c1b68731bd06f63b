"""Which answer, and which error, belongs to which call: events that were sent, until the service has said something.

An `error` names the event that caused it. An answer does not: it is told by the item it is about, or, where there is
none, by the order, for the service takes events one after another. So events that nobody waits for are counted, too.

What is decided here does not wait: `connection` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from anyio import Event

from .errors import EventRejected
from .events import (
    ClientEvent,
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ErrorEvent,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    OutputAudioBufferCleared,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionClosed,
    SessionUpdated,
    TranscriptionSessionUpdated,
)

UNANSWERED = 64
"""How many events of one kind may be without an answer; older ones that nobody awaits are forgotten: none will come."""

Key = Callable[[Any], str | None]


class _Answer(NamedTuple):
    """What answers an event: the class, and what both have to be about (nothing: the order tells)."""

    kind: type[ServerEvent]
    asked: Key
    said: Key


def _item_id(event: Any) -> str | None:
    found: str | None = event.item_id
    return found


def _id_of_item(event: Any) -> str | None:
    return event.item.id if event.item is not None else None


def _response_id(event: Any) -> str | None:
    found: str | None = event.response_id
    return found


def _id_of_response(event: Any) -> str | None:
    return event.response.id if event.response is not None else None


def _by_order(_: Any) -> None:
    return None


_ANSWERS: dict[str, _Answer] = {
    "session.update": _Answer(SessionUpdated, _by_order, _by_order),
    "session.close": _Answer(SessionClosed, _by_order, _by_order),
    "transcription_session.update": _Answer(TranscriptionSessionUpdated, _by_order, _by_order),
    "input_audio_buffer.commit": _Answer(InputAudioBufferCommitted, _by_order, _by_order),
    "input_audio_buffer.clear": _Answer(InputAudioBufferCleared, _by_order, _by_order),
    "output_audio_buffer.clear": _Answer(OutputAudioBufferCleared, _by_order, _by_order),
    "conversation.item.create": _Answer(ConversationItemAdded, _id_of_item, _id_of_item),
    "conversation.item.delete": _Answer(ConversationItemDeleted, _item_id, _item_id),
    "conversation.item.retrieve": _Answer(ConversationItemRetrieved, _item_id, _id_of_item),
    "conversation.item.truncate": _Answer(ConversationItemTruncated, _item_id, _item_id),
    "response.create": _Answer(ResponseCreated, _by_order, _by_order),
    "response.cancel": _Answer(ResponseDone, _response_id, _id_of_response),
}
ANSWERS = frozenset(answer.kind for answer in _ANSWERS.values()) | {ErrorEvent}
"""The classes of events that `Calls.settle` wants to see."""


def is_answered(kind: str) -> bool:
    """Whether the service answers events of the type *kind*."""
    return kind in _ANSWERS


class Call:
    """An event that was sent. `settled` is set when there is an `answer` or an `error`, or when none will come."""

    def __init__(self, event: ClientEvent, *, awaited: bool) -> None:
        self.awaited = awaited
        self.kind = event.type
        self.event_id = event.event_id
        self.answer: ServerEvent | None = None
        self.error: ErrorEvent | None = None
        self.settled = Event()
        self._expected = _ANSWERS[event.type]
        self._about = self._expected.asked(event)

    def is_answered_by(self, event: ServerEvent) -> bool:
        """Whether *event* can be its answer."""
        if not isinstance(event, self._expected.kind):
            return False
        return self._about is None or self._about == self._expected.said(event)

    def settle(self, event: ServerEvent) -> None:
        """*event* is what the service says to it."""
        if isinstance(event, ErrorEvent):
            self.error = event
        else:
            self.answer = event
        self.settled.set()

    def rejection(self) -> EventRejected | None:
        """The exception that says that it was refused, if it was."""
        if self.error is None:
            return None
        said = self.error.error
        return EventRejected(
            f"{self.kind} was refused: {said.message or 'the service gives no reason'}",
            code=said.code,
            kind=said.type,
            param=said.param,
            event_id=self.event_id,
        )


class Calls:
    """The events of one connection that were sent and not answered yet, in their order."""

    def __init__(self) -> None:
        self._open: list[Call] = []  # a deque would take ten times as much while it is empty

    def begin(self, event: ClientEvent, *, awaited: bool = False) -> Call | None:
        """The call that sending *event* is; None if the service does not answer such events. Before it is sent."""
        if event.type not in _ANSWERS:
            return None
        call = Call(event, awaited=awaited)
        self._open.append(call)
        if len(self._open) > UNANSWERED:  # of one kind: else many of another would push out one that is answered yet
            unheeded = [each for each in self._open if each.kind == call.kind and not each.awaited]
            if len(unheeded) > UNANSWERED:
                self._open.remove(unheeded[0])
        return call

    def forget(self, call: Call) -> None:
        """It was not sent after all."""
        if call in self._open:
            self._open.remove(call)

    def settle(self, event: ServerEvent) -> None:
        """*event* has come: it may be what a call waits for, and is that of the oldest that it fits."""
        if isinstance(event, ErrorEvent):
            about = event.error.event_id
            if about is None:  # whose it is nobody knows: an answer that is still to come is rather that of who waits
                self._open = [call for call in self._open if call.awaited]
                return
            found = next((call for call in self._open if call.event_id == about), None)
        else:
            found = next((call for call in self._open if call.is_answered_by(event)), None)
        if found is not None:
            self._open.remove(found)
            found.settle(event)

    def end(self) -> None:
        """The connection has ended: nobody waits any more."""
        while self._open:
            self._open.pop(0).settled.set()
