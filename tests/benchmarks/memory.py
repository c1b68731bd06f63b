"""Memory of an idle connection, and the time to the first event: `python -m tests.benchmarks.memory [CONNECTIONS]`.

Each client opens so many connections (300) in a process of its own, one task waiting for the next event on each, and
divides what the process has grown by since the first 20. Then it opens connections one after the other: from the call
to the first event, the median. Plain and with TLS, beside websockets' own client. Linux only: it reads `/proc/self`.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import ssl
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import anyio
import trustme
from websockets.asyncio.client import connect as websockets_connect

from realtime_azure import connect

from .clients import LOOPS, Target, loops
from .raw_server import raise_descriptor_limit, running, serve_floods

FIRST = 20
OPENINGS = 60

Receive = Callable[[], Awaitable[Any]]


def resident() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


@asynccontextmanager
async def ours(target: Target) -> AsyncGenerator[Receive]:
    async with connect(
        target.http, deployment="d", api_version="v1", api_key="k", ssl_context=target.tls
    ) as connection:
        yield connection.receive


@asynccontextmanager
async def websockets(target: Target) -> AsyncGenerator[Receive]:
    async with websockets_connect(target.url, ssl=target.tls, max_size=None) as connection:
        yield connection.recv


Client = Callable[[Target], AbstractAsyncContextManager[Receive]]
CLIENTS: dict[str, tuple[Client, str]] = {
    "realtime_azure, asyncio": (ours, "asyncio"),
    "realtime_azure, uvloop": (ours, "uvloop"),
    "realtime_azure, trio": (ours, "trio"),
    "websockets.asyncio": (websockets, "asyncio"),
    "websockets.asyncio, uvloop": (websockets, "uvloop"),
}


async def measure(client: Client, target: Target, connections: int, pipe: Pipe) -> None:
    """Sends bytes of each connection and seconds to a first event, and waits to be killed."""
    opening, waiting = anyio.CapacityLimiter(10), 0

    async def idle() -> None:
        nonlocal waiting
        async with AsyncExitStack() as stack:
            async with opening:
                receive = await stack.enter_async_context(client(target))
                await receive()
            waiting += 1
            await receive()

    async with anyio.create_task_group() as tasks:
        sizes: list[int] = []
        for number in (FIRST, FIRST + connections):
            for _ in range(number - waiting):
                tasks.start_soon(idle)
            while waiting < number:  # noqa: ASYNC110 - a benchmark may look now and then
                await anyio.sleep(0.02)
            await anyio.sleep(0.1)
            sizes.append(resident())
        times: list[float] = []
        for _ in range(OPENINGS):
            start = time.perf_counter()
            async with client(target) as receive:
                await receive()
                times.append(time.perf_counter() - start)
        pipe.send(((sizes[1] - sizes[0]) / connections, statistics.median(times)))
        pipe.recv()


def run(pipe: Pipe, name: str, port: int, authority: bytes | None, connections: int) -> None:
    raise_descriptor_limit()
    context = None
    if authority is not None:
        context = ssl.create_default_context(cadata=authority.decode())
    client, loop = CLIENTS[name]
    anyio.run(measure, client, Target(port, context), connections, pipe, **LOOPS[loop])


def show(heading: str, connections: int, authority: trustme.CA | None) -> None:
    certificate = trusted = None
    if authority is not None:
        certificate = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()
        trusted = authority.cert_pem.bytes()
    print(f"{heading:<30}{'idle connection':>18}{'to the first event':>22}")
    with running(serve_floods, certificate, 0) as (port, _):
        for name, (_, loop) in CLIENTS.items():
            if loop not in loops():
                continue
            here, there = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=run, args=(there, name, port, trusted, connections), daemon=True
            )
            process.start()
            there.close()  # if the process dies, `recv` says so
            size, first = here.recv()
            process.kill()
            process.join()
            print(f"{name:<30}{size / 1024:15.1f} kB{first * 1000:19.2f} ms", flush=True)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    show("plain", number, None)
    show("TLS", number, trustme.CA())
