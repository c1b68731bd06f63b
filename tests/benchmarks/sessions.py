"""How many sessions one process holds below one core: `python -m tests.benchmarks.sessions [--quick] [CLIENT ...]`.

Each session sends 100 ms of sound (4.8 kB of PCM) every 100 ms and receives as much, over a real socket from a raw
server in another process. A number holds when the client's process takes less than one core, sends in time, and 99 % of
the events are in the reader's hands within 50 ms of the moment at which the server sent them. Says the share of a core
and the delay of each number tried, and the largest that holds; `--quick` tries one number. Needs two idle cores.
"""

from __future__ import annotations

import argparse
import base64
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

import anyio
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from realtime_azure import Connection, connect
from realtime_azure.events import ResponseOutputAudioDelta

from .clients import LOOPS, Target, loops
from .raw_server import CHUNK, PCM, raise_descriptor_limit, running, serve_paced

STEPS = (100, 150, 200, 250, 300, 350, 400, 500, 600, 700, 800, 1000, 1200, 1400)
OPENING = 30
"""How many sessions open at the same time."""

SETTLE = 1.0
DELAY_LIMIT = 0.05
SHARE_LIMIT = 0.97
"""A process that is behind takes a little less than all of a core."""

TRIES = 3
"""How often a number may fail that does not take all of a core: something else on the machine may be why."""

Append = Callable[[bytes], Awaitable[Any]]


@dataclass
class Result:
    """What one process with *sessions* sessions took, on average in each second."""

    sessions: int
    share: float
    """CPU seconds."""
    p99: float
    """Seconds from the server's sending an event to its reader's having it: the 99th percentile."""
    received: float
    sent: float
    """Events, of those that were due."""
    server_late: float

    @property
    def holds(self) -> bool:
        return self.share < SHARE_LIMIT and self.p99 < DELAY_LIMIT and min(self.received, self.sent) > 0.97


@dataclass
class Crowd:
    """The sessions of one process, and what they count."""

    target: Target
    sessions: int
    pipe: Pipe
    delays: list[float] = field(default_factory=list)
    sent: int = 0
    opened: int = 0
    all_open: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)

    async def speak(self, append: Append, number: int) -> None:
        """Sends `PCM` every `CHUNK` seconds; sessions have their turns one after the other."""
        due = time.monotonic() + CHUNK * number / self.sessions
        while True:
            await anyio.sleep(max(0.0, due - time.monotonic()))
            await append(PCM)
            self.sent += 1
            due += CHUNK

    async def ready(self) -> None:
        self.opened += 1
        if self.opened == self.sessions:
            self.all_open.set()
        await self.go.wait()

    async def ours(self, number: int, opening: anyio.CapacityLimiter) -> None:
        async with AsyncExitStack() as stack:
            async with opening:
                connection: Connection = await stack.enter_async_context(
                    connect(
                        self.target.http, deployment="d", api_version="v1", api_key="k", ssl_context=self.target.tls
                    )
                )
                await connection.receive()
            await self.ready()
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.speak, connection.input_audio_buffer.append, number)
            async for event in connection:
                if isinstance(event, ResponseOutputAudioDelta):
                    self.delays.append(time.monotonic() - float(event.event_id or 0))

    async def openai(self, number: int, opening: anyio.CapacityLimiter) -> None:
        client = self.openai_client
        async with AsyncExitStack() as stack:
            async with opening:
                connection: AsyncRealtimeConnection = await stack.enter_async_context(
                    client.realtime.connect(model="d")
                )
                await connection.recv()
            await self.ready()

            async def append(sound: bytes) -> None:
                await connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())

            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.speak, append, number)
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    base64.b64decode(event.delta)
                    self.delays.append(time.monotonic() - float(event.event_id))

    async def measure(self, name: str, seconds: float) -> None:
        """Opens the sessions, lets them settle, and tells the pipe what *seconds* of them took."""
        self.openai_client = AsyncOpenAI(
            base_url=f"{self.target.http}/v1",
            websocket_base_url=f"{self.target.http}/v1".replace("http", "ws"),
            api_key="k",
        )
        opening = anyio.CapacityLimiter(OPENING)
        async with anyio.create_task_group() as tasks:
            for number in range(self.sessions):
                tasks.start_soon(self.openai if name == "openai" else self.ours, number, opening)
            await self.all_open.wait()
            self.pipe.send("start")  # the parent starts the server
            self.go.set()
            await anyio.sleep(SETTLE)
            self.delays.clear()
            self.sent, cpu, wall = 0, time.process_time(), time.monotonic()
            await anyio.sleep(seconds)
            cpu, wall = time.process_time() - cpu, time.monotonic() - wall
            delays, due = sorted(self.delays), self.sessions * wall / CHUNK
            p99 = delays[len(delays) * 99 // 100] if delays else float("inf")
            self.pipe.send((cpu / wall, p99, len(delays) / due, self.sent / due))
            self.pipe.recv()  # killed here: closing so many takes time that nobody measures


def run_crowd(crowd: tuple[Pipe, int, int], name: str, loop: str, seconds: float) -> None:
    pipe, port, sessions = crowd
    raise_descriptor_limit()

    async def run() -> None:
        await Crowd(Target(port), sessions, pipe).measure(name, seconds)

    anyio.run(run, **LOOPS[loop])


def attempt(sessions: int, name: str, loop: str, seconds: float) -> Result:
    """*sessions* sessions in a new process, against a new server."""
    with running(serve_paced, None, sessions) as (port, server):
        here, there = multiprocessing.Pipe()
        crowd = multiprocessing.get_context("spawn").Process(
            target=run_crowd, args=((there, port, sessions), name, loop, seconds), daemon=True
        )
        crowd.start()
        there.close()  # if the process dies, `recv` says so
        try:
            server.send(here.recv())
            share, p99, received, sent = here.recv()
            server.send("stop")
            return Result(sessions, share, p99, received, sent, server.recv())
        finally:
            crowd.kill()
            crowd.join()


def report(name: str, result: Result) -> None:
    late = f", server late by {result.server_late * 1000:.0f} ms" if result.server_late > DELAY_LIMIT / 5 else ""
    print(
        f"{name:<24}{result.sessions:5} sessions{result.share:8.0%} of a core  p99 {result.p99 * 1000:6.1f} ms  "
        f"received {result.received:.0%}  sent {result.sent:.0%}  {'holds' if result.holds else 'too many'}{late}",
        flush=True,
    )


def largest(name: str, loop: str, seconds: float) -> int:
    """The largest number of `STEPS` that holds, by bisection; 0 if none does."""
    low, high = 0, len(STEPS)
    while low < high:
        middle = (low + high) // 2
        result = attempt(STEPS[middle], name, loop, seconds)
        report(f"{name}, {loop}", result)
        for _ in range(TRIES - 1):
            if result.holds or result.share >= SHARE_LIMIT:
                break
            result = attempt(STEPS[middle], name, loop, seconds)
            report(f"{name}, {loop}", result)
        low, high = (middle + 1, high) if result.holds else (low, middle)
    return STEPS[low - 1] if low else 0


RUNS = {
    "asyncio": ("ours", "asyncio"),
    "uvloop": ("ours", "uvloop"),
    "trio": ("ours", "trio"),
    "openai": ("openai", "asyncio"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clients", nargs="*", default=list(RUNS), help=", ".join(RUNS))
    parser.add_argument("--quick", action="store_true", help="one number of sessions, two seconds")
    parser.add_argument("--sessions", type=int, default=400, help="the number that --quick tries (default 400)")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    raise_descriptor_limit()
    for client in options.clients:
        name, loop = RUNS[client]
        if loop not in loops():
            print(f"no {loop}")
        elif options.quick:
            report(f"{name}, {loop}", attempt(options.sessions, name, loop, 2.0))
        else:
            print(f"{name}, {loop}: {largest(name, loop, options.seconds)} sessions hold")


if __name__ == "__main__":
    main()
