"""A network that misbehaves on demand: a TCP relay that cuts, delays, corrupts, stalls and resets by a plan.

It runs in the test's own event loop, on either loop. Where something happens is said in bytes of one direction, not in
seconds, so that a plan does the same each time; a plan's `repr` is the Python that makes it, so that one which failed
can be run again.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    aclose_forcefully,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    move_on_after,
    sleep,
    sleep_forever,
)
from anyio.abc import SocketAttribute, SocketStream
from anyio.lowlevel import checkpoint

GATHERING = 0.003
"""Seconds for which a relay that coalesces waits for more."""


@dataclass(frozen=True)
class Fault:
    """Something that happens when the byte *at* of one direction, counted from 0, is to go on."""

    at: int


@dataclass(frozen=True)
class Delay(Fault):
    """It takes its time; everything behind it, too."""

    seconds: float


@dataclass(frozen=True)
class Corrupt(Fault):
    """The byte is another one: *mask* says which of its bits change."""

    mask: int


@dataclass(frozen=True)
class HalfClose(Fault):
    """The receiver is told that nothing more comes; the other direction goes on."""


@dataclass(frozen=True)
class Reset(Fault):
    """Both ends get an RST."""


@dataclass(frozen=True)
class BlackHole(Fault):
    """From here on everything vanishes, and nobody is told."""


@dataclass(frozen=True)
class Stall(Fault):
    """From here on nothing is taken any more: the sender's buffers fill."""


ENDINGS = (HalfClose, Reset, BlackHole, Stall)
"""What no connection survives, if it happens before the end."""


@dataclass(frozen=True)
class Way:
    """What happens to the bytes of one direction.

    They go on in *pieces* of so many bytes, over and over (none: as they came), with a *pause* of seconds after each;
    with *gather*, not before so many have come, or no more do.
    """

    faults: tuple[Fault, ...] = ()
    pieces: tuple[int, ...] = ()
    pause: float = 0.0
    gather: int = 0


@dataclass(frozen=True)
class Plan:
    """What happens to one connection, in both directions."""

    to_server: Way = Way()
    to_client: Way = Way()

    def faults(self) -> tuple[Fault, ...]:
        return self.to_server.faults + self.to_client.faults


class Relay:
    """A relay that runs: what it did, and what it let through."""

    def __init__(self, port: int, target: int, plan: Plan) -> None:
        self.port = port
        self.happened: list[Fault] = []
        self.to_server = bytearray()
        self.to_client = bytearray()
        """What reached the client, as it reached it."""
        self._target = target
        self._plan = plan
        self._lines: set[CancelScope] = set()

    def hang_up(self) -> None:
        """Lets go of what is still held, by a black hole perhaps: the server sees its clients gone."""
        for line in self._lines:
            line.cancel()

    async def serve_client(self, client: SocketStream) -> None:
        server: SocketStream | None = None
        line = CancelScope()
        self._lines.add(line)
        try:
            with line:
                server = await connect_tcp("127.0.0.1", self._target)
                async with create_task_group() as ways:
                    for way in (
                        _Carrier(client, server, self._plan.to_server, self.to_server, self.happened, line.cancel),
                        _Carrier(server, client, self._plan.to_client, self.to_client, self.happened, line.cancel),
                    ):
                        ways.start_soon(way.carry)
        finally:
            self._lines.discard(line)
            with CancelScope(shield=True):
                for stream in (client, server):
                    if stream is not None:
                        await aclose_forcefully(stream)


@dataclass
class _Carrier:
    """One direction of one connection."""

    source: SocketStream
    target: SocketStream
    way: Way
    passed: bytearray
    happened: list[Fault]
    end: Callable[[], None]
    _buffer: bytearray = field(default_factory=bytearray)
    _faults: deque[Fault] = field(default_factory=deque[Fault])
    _swallows: bool = False

    async def carry(self) -> None:
        """Carries bytes until the source has no more, then says so to the target; what breaks ends both directions."""
        self._faults.extend(sorted(self.way.faults, key=lambda fault: fault.at))
        sizes = cycle(self.way.pieces or (1 << 16,))
        try:
            while True:
                if not self._buffer:
                    await self._read()
                if self._swallows:
                    self._buffer.clear()
                elif self._faults and self._faults[0].at <= len(self.passed):
                    await self._apply(self._faults.popleft())
                else:
                    await self._pass_on(next(sizes))
        except EndOfStream:
            if self._swallows:
                self.end()  # nobody would ever be told
            else:
                with suppress(BrokenResourceError, ClosedResourceError, OSError):
                    await self.target.send_eof()
        except (BrokenResourceError, ClosedResourceError, OSError):
            self.end()

    async def _read(self) -> None:
        self._buffer += await self.source.receive()
        with suppress(EndOfStream):  # the next read will meet it again
            while len(self._buffer) < self.way.gather:
                with move_on_after(GATHERING) as waiting:
                    self._buffer += await self.source.receive()
                if waiting.cancelled_caught:
                    return

    async def _pass_on(self, size: int) -> None:
        if self._faults:
            size = min(size, self._faults[0].at - len(self.passed))
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        self.passed += piece  # first: once it is under way, the other end may look
        await self.target.send(piece)
        if self.way.pause:
            await sleep(self.way.pause)
        else:
            await checkpoint()

    async def _apply(self, fault: Fault) -> None:
        self.happened.append(fault)
        match fault:
            case Delay(seconds=seconds):
                await sleep(seconds)
            case Corrupt(mask=mask):
                self._buffer[0] ^= mask
            case HalfClose():
                await self.target.send_eof()
                self._swallows = True
            case Reset():
                _reset(self.source)
                _reset(self.target)
                self.end()
                await sleep_forever()
            case BlackHole():
                self._swallows = True
            case Stall():
                await sleep_forever()
            case _:
                raise AssertionError(fault)


def _reset(stream: SocketStream) -> None:
    """Closing *stream* will send an RST."""
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def relay_to(port: int, plan: Plan) -> AsyncGenerator[Relay]:
    """A relay to *port* of this machine, for the length of the block; each connection through it follows *plan*."""
    listener = await create_tcp_listener(local_host="127.0.0.1", local_port=0)
    own: int = listener.extra(SocketAttribute.local_port)
    relay = Relay(own, port, plan)
    async with listener, create_task_group() as tasks:
        tasks.start_soon(listener.serve, relay.serve_client)
        yield relay
        tasks.cancel_scope.cancel()
