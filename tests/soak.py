"""Thousands of connections and an hour of events: `python -m tests.soak [CYCLES]`. Memory and descriptors stay flat.

On each loop it opens and closes CYCLES (10,000) connections, ten at a time, to a raw server in another process; then,
on one connection, an hour's worth of a session's events (ten deltas of sound and ten of text a second: 72,000), as fast
as they go, and as many appends. Every tenth of the way it collects garbage and looks at how much memory (RSS) and how
many descriptors this process holds. The first tenths warm up: allocators keep what they once had, and the largest of
the second half may be no more than `TOLERANCE` above the largest of the first.
"""

from __future__ import annotations

import argparse
import base64
import gc
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import anyio
from anyio import create_task_group, wait_all_tasks_blocked
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime_azure import Connection, connect

CYCLES = 10_000
EVENTS = 72_000
AT_ONCE = 10
TENTHS = 10
TOLERANCE = 2 << 20
"""Bytes of RSS: half a kilobyte that each connection left behind would be more, and so would 64 bytes of each event."""

PCM = bytes(range(256)) * 19
"""100 ms of sound: 4.8 kB."""


def frame(kind: str, fields: str) -> bytes:
    return Frame(Opcode.TEXT, f'{{"type":"{kind}","event_id":"event_1",{fields}}}'.encode()).serialize(mask=False)


WHERE = '"response_id":"resp_1","item_id":"item_1","output_index":0,"content_index":0'
PAIR = frame("response.output_audio.delta", f'{WHERE},"delta":"{base64.b64encode(PCM).decode()}"') + frame(
    "response.output_text.delta", f'{WHERE},"delta":" hello"'
)
CREATED = frame("session.created", '"session":{"type":"realtime","id":"sess_1"}')
BEGUN = frame("response.created", '"response":{"id":"resp_1","status":"in_progress"}')
DONE = frame("response.done", '"response":{"id":"resp_1","status":"completed"}')
ROUND = 100
"""Events of one response."""

RESPONSE = BEGUN + PAIR * (ROUND // 2 - 1) + DONE


class RawServer:
    """A server that knows nothing of this package: a greeting, and a response to each `response.create`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        """Takes no more, and returns when all have gone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def wait(self) -> None:
        self._threads[0].join()

    def _accept(self) -> None:
        with suppress(OSError):  # stopped
            while True:
                peer, _ = self._listener.accept()
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                self._threads.append(threading.Thread(target=self._serve, args=(peer,), daemon=True))
                self._threads[-1].start()

    def _serve(self, peer: socket.socket) -> None:
        protocol = ServerProtocol(max_size=None)
        with peer:
            while data := peer.recv(1 << 16):
                protocol.receive_data(data)
                for event in protocol.events_received():
                    if isinstance(event, Request):
                        protocol.send_response(protocol.accept(event))
                        peer.sendall(b"".join(protocol.data_to_send()) + CREATED)
                    elif isinstance(event, Frame) and b"response.create" in bytes(event.data[:100]):
                        peer.sendall(RESPONSE)
                peer.sendall(b"".join(protocol.data_to_send()))


def serve(port: Pipe) -> None:
    """For a process of its own."""
    server = RawServer()
    port.send(server.port)
    server.wait()


@dataclass
class Sample:
    """What this process holds once all garbage is collected."""

    memory: int
    descriptors: int


Look = Callable[[int], None]
"""Called with how many are done."""


def open_to(port: int) -> AbstractAsyncContextManager[Connection]:
    return connect(f"http://127.0.0.1:{port}", deployment="d", api_version="v1", api_key="k", proxy=False)


async def cycles(port: int, count: int, look: Look) -> None:
    """Opens *count* connections, hears each one's greeting, and closes them; *look*s each tenth of the way."""
    for tenth in range(1, TENTHS + 1):
        async with create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(_some_cycles, port, count // TENTHS // AT_ONCE)
        await wait_all_tasks_blocked()  # asyncio closes sockets in a later turn
        look(count // TENTHS * tenth)


async def _some_cycles(port: int, count: int) -> None:
    for _ in range(count):
        async with open_to(port) as connection:
            await connection.receive()


async def session(port: int, events: int, look: Look) -> None:
    """Receives *events* on one connection, and appends as often; *look*s each tenth of the way."""
    async with open_to(port) as connection:
        await connection.receive()
        rounds = max(events // ROUND, TENTHS)
        for number in range(1, rounds + 1):
            await connection.response.create()
            for _ in range(ROUND):
                await connection.input_audio_buffer.append(PCM)
            for _ in range(ROUND):
                await connection.receive()
            if number % (rounds // TENTHS) == 0:
                look(number * ROUND)


def rss() -> int:
    """How much memory this process holds, in bytes."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


def descriptors() -> int:
    """How many files and sockets this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def sample() -> Sample:
    gc.collect()
    return Sample(rss(), descriptors())


def complaints(samples: list[Sample]) -> list[str]:
    """What in *samples* is not flat."""
    half = len(samples) // 2
    early, late = (max(each.memory for each in part) for part in (samples[:half], samples[half:]))
    held = {each.descriptors for each in samples}
    found = [f"memory grew by {(late - early) / 1e6:.1f} MB"] if late - early > TOLERANCE else []
    return found + ([f"descriptors went from {min(held)} to {max(held)}"] if len(held) > 1 else [])


Walk = Callable[[int, int, Look], Awaitable[None]]


def soak(name: str, walk: Walk, port: int, count: int, backend: str) -> list[str]:
    """Runs *walk* on *backend*, tells how it went, and returns what was not flat."""
    samples: list[Sample] = []
    shown = sys.stderr.isatty()

    def look(done: int) -> None:
        samples.append(sample())
        if shown:
            print(f"\r{name}, {backend}: {done:,} of {count:,}", end="", file=sys.stderr)

    start = time.monotonic()
    anyio.run(walk, port, count, look, backend=backend)
    took = time.monotonic() - start
    if shown:
        print("\r", end="", file=sys.stderr)
    memory = " ".join(f"{each.memory / 1e6:.1f}" for each in samples)
    found = complaints(samples)
    print(f"{name}, {backend}: {count:,} in {took:.0f} s; {samples[-1].descriptors} descriptors; MB: {memory}")
    for complaint in found:
        print(f"  {complaint}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and descriptors over thousands of connections and events.")
    parser.add_argument("cycles", nargs="?", type=int, default=CYCLES, help=f"how many connections ({CYCLES:,})")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"how many events ({EVENTS:,}: an hour of them)")
    chosen = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    port = here.recv()
    found: list[str] = []
    for backend in ("asyncio", "trio"):
        found += soak("connections", cycles, port, chosen.cycles, backend)
        found += soak("events", session, port, chosen.events, backend)
    server.terminate()
    server.join()
    print("not flat" if found else "flat")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
