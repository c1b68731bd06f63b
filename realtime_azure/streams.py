"""Streams of events: the main one of a connection, and any number of subscriptions beside it.

Each is bounded in bytes. The main stream holds every event from the opening. When it is full, reading from the
network stops, and TCP makes the service wait (or the connection is given up, if that was chosen); but where somebody
waits beside it (a subscription, a `wait_for`, a call with `wait=True`) and nobody reads it, it lapses instead, so that
nothing deadlocks. A subscription that is full lapses: it never holds up another stream. A lapsed stream says so, and
how many events it dropped, to whoever reads it next.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any, Generic, Literal, TypeVar, cast, get_args

from anyio import Event, move_on_after
from anyio.lowlevel import checkpoint

from .errors import ConnectionClosed, ConnectionLost, StreamBusy, StreamLapsed
from .events import Event as AnyEvent
from .events import KnownClientEvent, ServerEvent

E = TypeVar("E", bound=ServerEvent)
_SENT = get_args(KnownClientEvent)

EVENTS_PER_TURN = 64
SECONDS_PER_TURN = 0.005
"""A reader with events waiting lets the other tasks run after so many of them, or so long."""

LAPSE_AFTER = 2.0
"""Seconds without a read after which a full main stream counts as one that nobody reads, if others wait."""

SMALL = 256
"""A full stream holds no more events than if each were so long: an empty one takes three times as much memory."""

FEW = 4096
"""So many events always fit, if their bytes do."""

Ended = Callable[[], ConnectionClosed]
"""Makes the error that says how the connection ended: a new one for each caller, for each has its own traceback."""


class EventStream(Generic[E]):
    """Events in the order in which they came. Iterate it, or call `receive`; one task at a time.

    Iteration ends when the connection has ended in good order and all was read; any other ending raises
    `ConnectionLost`. Cancelled while waiting, nothing is lost. `dropped` counts events lost to a lapse.
    """

    def __init__(self, types: tuple[type[E], ...], limit: int) -> None:
        self.dropped = 0
        self._types = types
        self._limit = limit
        self._events: deque[E] = deque()
        self._size = 0
        self._lapsed = False
        self._ended: Ended | None = None
        self._arrival: Event | None = None
        self._held: Event | None = None
        self._reads = 0
        self._turn_events = 0
        self._turn_ends = 0.0

    def __aiter__(self) -> EventStream[E]:
        return self

    async def __anext__(self) -> E:
        # A waiting event is handed over without a switch to another task, which would cost more than the event.
        self._turn_events += 1
        if not self._events or self._turn_events > EVENTS_PER_TURN or monotonic() > self._turn_ends:
            await self._ready()
        event = self._events.popleft()
        self._reads += 1
        self._size -= len(event.raw)
        if self._held is not None and self._size <= self._limit // 2:  # `deliver` looks again whether it is full
            self._held.set()
        return event

    async def receive(self) -> E:
        """The next event. Raises `ConnectionClosed` after the last, `ConnectionLost` if it ended badly."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise self._ending() from None

    async def _ready(self) -> None:
        """Lets other tasks run, and returns when there is an event; raises what says that there will be none."""
        if self._events:
            await checkpoint()
            self._new_turn()
        while not self._events:
            if self._lapsed:
                raise StreamLapsed(self.dropped)
            if self._ended is not None:
                ending = self._ending()
                if isinstance(ending, ConnectionLost):
                    raise ending
                raise StopAsyncIteration
            await self._wait()

    def _ending(self) -> ConnectionClosed:
        return self._ended() if self._ended is not None else ConnectionClosed("this connection was closed")

    async def _wait(self) -> None:
        if self._arrival is not None:
            raise StreamBusy
        self._arrival = Event()
        try:
            await self._arrival.wait()
        finally:
            self._arrival = None
        self._new_turn()

    def _new_turn(self) -> None:
        self._turn_events = 0
        self._turn_ends = monotonic() + SECONDS_PER_TURN


class Feed(EventStream[E]):
    """A stream as the side that fills it sees it."""

    @property
    def reads(self) -> int:
        """How many events have been handed out."""
        return self._reads

    @property
    def size(self) -> int:
        """How many bytes wait here."""
        return self._size

    @property
    def count(self) -> int:
        """How many events wait here."""
        return len(self._events)

    @property
    def full(self) -> bool:
        """Whether it holds as many bytes as it may; one delivery may go beyond."""
        return self._size >= self._limit or len(self._events) >= max(FEW, self._limit // SMALL)

    def how_full(self) -> str:
        """What waits here, and what may: in bytes, or in events where those are too many."""
        if self._size >= self._limit:
            return f"{self._size} bytes wait to be read, of {self._limit} that may"
        return f"{self.count} events wait to be read, of {max(FEW, self._limit // SMALL)} that may"

    @property
    def attended(self) -> bool:
        """Whether somebody waits for its next event, or has been woken for it and has not run yet."""
        return self._arrival is not None

    def put(self, events: Iterable[E]) -> None:
        """Adds *events*; wakes whoever waits for them."""
        if self._lapsed:
            self.dropped += sum(1 for _ in events)
            return
        for event in events:
            self._events.append(event)
            self._size += len(event.raw)
        if self._arrival is not None:
            self._arrival.set()

    def put_own(self, events: Iterable[ServerEvent]) -> None:
        """Adds those of *events* that this stream is for; lapses when that is too much."""
        own = [event for event in events if isinstance(event, self._types)]
        if own and self.full and not self.attended:
            self.lapse()
        self.put(own)

    def lapse(self) -> None:
        """Gives up: what waits here is dropped, and so is what would come."""
        self._lapsed = True
        self.dropped += len(self._events)
        self._events.clear()
        self._size = 0
        self.wake()

    def end(self, ended: Ended) -> None:
        """Nothing more will come; *ended* says why to whoever has read the rest."""
        self._ended = ended
        self.wake()

    def wake(self) -> None:
        """Lets whoever waits, for an event or for room, look again."""
        if self._held is not None:
            self._held.set()
        if self._arrival is not None:
            self._arrival.set()

    def waiting(self) -> tuple[E, ...]:
        """What has come and was not handed out yet."""
        return tuple(self._events)

    def hold(self) -> Event:
        """An event that is set when half of the stream is free, when it ends, and by `wake`."""
        self._held = Event()
        return self._held


class _Wait:
    """Somebody who waits for one event."""

    def __init__(self, types: tuple[type[Any], ...], where: Callable[[Any], bool] | None) -> None:
        self.event: Any = None
        self.error: Exception | None = None
        self.arrived = Event()
        self._types = types
        self._where = where

    def offer(self, event: ServerEvent) -> None:
        if self.arrived.is_set() or not isinstance(event, self._types):
            return
        try:
            if self._where is not None and not self._where(event):
                return
        except Exception as exc:  # noqa: BLE001 - the caller's own function: the error is theirs, not the reader's
            self.error = exc
        self.event = event
        self.arrived.set()


class InboxFull(Exception):
    """Nobody reads, and waiting for it was not chosen."""


def check_types(types: tuple[type[E], ...]) -> tuple[type[E], ...]:
    """*types*; raises `TypeError` here, at the caller's, not in the task that reads, where it would end everything."""
    given: tuple[Any, ...] = types
    for each in given:
        if not (isinstance(each, type) and issubclass(each, AnyEvent)) or issubclass(each, _SENT):
            raise TypeError(f"give classes of events that the service sends, such as ResponseDone, not {each!r}")
    return types


class Inbox:
    """What a connection has received: the main stream, the subscriptions, and those who wait for one event."""

    def __init__(self, limit: int, *, when_full: Literal["wait", "fail"] = "wait") -> None:
        self.main: Feed[ServerEvent] = Feed((), limit)
        self._limit = limit
        self._fails = when_full == "fail"
        self._guests = 0
        self._subscriptions: list[Feed[Any]] = []
        self._waits: list[_Wait] = []
        self._ended: Ended | None = None
        self._dropped_before = 0

    async def deliver(self, events: list[ServerEvent]) -> None:
        """Hands *events* to every stream; returns when there is room for more. After `end`, it drops them.

        Raises `InboxFull` where that was chosen over waiting for a reader.
        """
        if self._ended is not None:
            return
        self.main.put(events)
        for stream in self._subscriptions:
            stream.put_own(events)
        for wait in self._waits:
            for event in events:
                wait.offer(event)
        while self.main.full and self._ended is None:
            await self._make_room()

    async def _make_room(self) -> None:
        room, reads = self.main.hold(), self.main.reads
        if not self._has_company():
            with move_on_after(LAPSE_AFTER if self._fails else math.inf):
                if not self._fails or self.main.attended:  # woken, it may still come to read
                    await room.wait()
            if self._fails and self.main.full and self.main.reads == reads:
                raise InboxFull(self.main.how_full())
        elif not reads and not self.main.attended:
            self.main.lapse()
        else:
            with move_on_after(LAPSE_AFTER):
                await room.wait()
            if self.main.full and self.main.reads == reads and self._has_company():
                self.main.lapse()

    def _has_company(self) -> bool:
        """Whether somebody waits beside the main stream."""
        return bool(self._subscriptions or self._guests) or any(not wait.arrived.is_set() for wait in self._waits)

    @contextmanager
    def accompanied(self) -> Generator[None]:
        """Somebody waits beside the main stream, for as long as the `with`."""
        self._guests += 1
        self.main.wake()
        try:
            yield
        finally:
            self._guests -= 1

    @property
    def dropped(self) -> int:
        """Events that lapsed streams have dropped, in all."""
        return self._dropped_before + sum(stream.dropped for stream in (self.main, *self._subscriptions))

    def end(self, ended: Ended) -> None:
        """The connection has ended: streams end once they are read, and nobody waits any more."""
        self._ended = ended
        for stream in (self.main, *self._subscriptions):
            stream.end(ended)
        for wait in self._waits:
            wait.arrived.set()

    def add(self, types: tuple[type[E], ...], limit: int | None) -> Feed[E]:
        """A stream of the events of *types* from now on; `remove` it when it is no longer read."""
        stream = Feed(types, self._limit if limit is None else limit)
        if self._ended is not None:
            stream.end(self._ended)
        self._subscriptions.append(stream)
        self.main.wake()  # somebody waits beside it now
        return stream

    def remove(self, stream: Feed[Any]) -> None:
        """Ends *stream*: what came can still be read."""
        self._subscriptions.remove(stream)
        self._dropped_before += stream.dropped
        stream.end(lambda: ConnectionClosed("this subscription was left"))

    async def wait_for(self, types: tuple[type[E], ...], where: Callable[[E], bool] | None) -> E:
        """The first event of *types*, of those not handed out yet and those to come; takes it from nobody."""
        wait = _Wait(types, where)
        for event in self.main.waiting():
            wait.offer(event)
        self._waits.append(wait)
        self.main.wake()  # somebody waits beside it now
        try:
            if self._ended is None:
                await wait.arrived.wait()
        finally:
            self._waits.remove(wait)
        if wait.error is not None:
            raise wait.error
        if wait.event is None and self._ended is not None:
            raise self._ended()
        return cast("E", wait.event)  # `offer` looked at its type


class Subscription(Generic[E]):
    """`async with` it, once at a time, for a stream of its own, which lives as long as the block."""

    def __init__(self, inbox: Inbox, types: tuple[type[E], ...], limit: int | None) -> None:
        self._open = partial(inbox.add, types, limit)
        self._close = inbox.remove
        self._stream: Feed[E] | None = None

    async def __aenter__(self) -> EventStream[E]:
        if self._stream is not None:
            raise StreamBusy
        self._stream = self._open()
        return self._stream

    async def __aexit__(self, *_: object) -> None:
        if self._stream is not None:
            self._close(self._stream)
            self._stream = None
