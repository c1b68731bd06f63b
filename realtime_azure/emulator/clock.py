"""What time it is for the emulator: the machine's, or one that a test moves on by itself."""

from __future__ import annotations

import time
from heapq import heappop, heappush
from itertools import count

import anyio
from anyio import Event, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from ..errors import ConfigurationError

SETTLE = 10
"""How often the others have their turn before time moves on, for what is on its way over a socket."""


class Clock:
    """The machine's time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def ticks(self) -> float:
        """Seconds since some time, which nobody sets."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits so long."""
        await anyio.sleep(seconds)


class VirtualClock(Clock):
    """Time that stands still until `advance` moves it: an hour's session in a moment.

        clock = VirtualClock()
        async with serve(clock=clock) as emulator:
            ...
            await clock.advance(3600)  # and the session has expired

    It begins *start* seconds after 1970, or now, and is the emulator's alone: how fast it speaks, and when a session
    ends. Timeouts of the client, as those of its pings, go by the event loop.
    """

    def __init__(self, start: float | None = None) -> None:
        self._now = time.time() if start is None else start
        self._sleepers: list[tuple[float, int, Event]] = []
        self._order = count()

    def now(self) -> float:
        """Seconds since 1970, as far as it was moved."""
        return self._now

    def ticks(self) -> float:
        """The same."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Waits until time was moved so far. Cancelled, nobody waits any more."""
        if seconds <= 0:
            await checkpoint()
            return
        sleeper = (self._now + seconds, next(self._order), Event())
        heappush(self._sleepers, sleeper)
        try:
            await sleeper[2].wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                self._sleepers.sort()

    async def advance(self, seconds: float) -> None:
        """Moves time on by *seconds*: whoever sleeps wakes in turn, and acts before the next one wakes.

        What is on its way over a socket may still be so; a line in memory (`serve(port=None)`) has no way. Cancelled,
        time stands where it came to. Raises `ConfigurationError` for less than 0.
        """
        if not seconds >= 0:
            raise ConfigurationError(f"seconds: {seconds!r} is not a number of 0 or more; time goes on")
        until = self._now + seconds
        await _settled()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, woken = heappop(self._sleepers)
            woken.set()
            await _settled()
        self._now = until


async def _settled() -> None:
    for _ in range(SETTLE):
        await checkpoint()
    await wait_all_tasks_blocked()
