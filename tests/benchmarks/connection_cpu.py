"""CPU per event, beside openai and others: `python -m tests.benchmarks.connection_cpu [--events 2000] [--rounds 5]`.

A raw server in another process floods its clients with audio deltas (4.8 kB of PCM) and text deltas, one to one,
then swallows as many `input_audio_buffer.append`s and says when it has the last. CPU time of the client's process, in
alternating rounds, medians; plain and with TLS. Where uvloop, aiohttp or picows are not installed, they are left out.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from importlib.metadata import version

import anyio
from anyio.abc import ByteStream

from realtime_azure._dial import dial
from realtime_azure._websocket import open_client
from realtime_azure.events.wire import encode_append

from .clients import CLIENTS, COMMIT, LOOPS, Target, certificates, installed, loops, run
from .raw_server import PCM, running, serve_floods

Times = dict[tuple[str, str], tuple[float, float]]


def measure(target: Target, events: int, rounds: int, only: str) -> Times:
    """The medians, in seconds per event: to receive one, to send one."""
    there = loops()
    chosen = [
        (name, client, loop)
        for name, (client, run_on, module) in CLIENTS.items()
        if installed(module) and (only in name or name == "openai")
        for loop in run_on
        if loop in there and (name != "openai" or loop == "asyncio" or not only)
    ]
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {(name, loop): [] for name, _, loop in chosen}
    for _ in range(rounds):
        for name, client, loop in chosen:
            gc.collect()
            taken[name, loop].append(run(client, loop, target, events))
    return {
        key: (
            statistics.median(each[0] for each in all_) / events,
            statistics.median(each[1] for each in all_) / events,
        )
        for key, all_ in taken.items()
    }


def show(heading: str, times: Times) -> None:
    receive, send = times["openai", "asyncio"]
    print(f"\n{heading:<30}{'receive':>10}{'openai /':>10}{'/ bare':>8}{'append':>10}{'openai /':>10}{'/ bare':>8}")
    for (name, loop), (received, sent) in times.items():
        least = times.get(("bare Sans-I/O loop", loop), (0, 0))
        above = [f"{took / low:.2f}" if low else "" for took, low in zip((received, sent), least, strict=True)]
        print(
            f"{name + ', ' + loop:<30}{received * 1e6:7.1f} µs{receive / received:9.1f}x{above[0]:>8}"
            f"{sent * 1e6:7.1f} µs{send / sent:9.1f}x{above[1]:>8}"
        )


class Counted(ByteStream):
    """A byte stream that counts what is written to it."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.writes = 0

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        self.writes += 1
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def appends_per_write(target: Target, events: int) -> float:
    """How many appends leave in one write when a task sends as fast as it can."""
    committed = anyio.Event()

    async def deliver(messages: list[bytes]) -> None:
        if any(b"input_audio_buffer.committed" in message for message in messages):
            committed.set()

    async with Counted(await dial(target.url, ssl_context=target.tls)) as stream:
        _, websocket = await open_client(stream, target.url, {}, max_message_size=1 << 20)
        assert websocket is not None
        stream.writes = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(websocket.pump, deliver)
            tasks.start_soon(websocket.drain)
            for _ in range(events):
                await websocket.send(encode_append(PCM))
            await websocket.send(COMMIT)
            await committed.wait()
            await websocket.aclose()
    return events / stream.writes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="clients of this name, beside openai")
    options = parser.parse_args()
    absent = [name for name, (_, _, module) in CLIENTS.items() if not installed(module)]
    absent += [name for name in ("uvloop", "trio") if not installed(name)]
    print(f"websockets {version('websockets')}, openai {version('openai')}", *(f"; no {name}" for name in absent))
    with running(serve_floods, None, options.events) as (port, _):
        show("plain", measure(Target(port), options.events, options.rounds, options.only))
        counts = [anyio.run(appends_per_write, Target(port), options.events, **LOOPS[loop]) for loop in loops()]
        print("appends in one write:", ", ".join(f"{n:.1f} ({loop})" for n, loop in zip(counts, loops(), strict=True)))
    certificate, context = certificates()
    with running(serve_floods, certificate, options.events) as (port, _):
        show("TLS", measure(Target(port, context), options.events, options.rounds, options.only))


if __name__ == "__main__":
    main()
