"""How many paced sessions an emulator holds on one core: `python -m tests.benchmarks.emulator_sessions [COUNT ...]`.

The emulator is in a process of its own. Each session, of a client in this one, sends a tenth of a second of sound every
tenth of a second, with turn detection, and is spoken to all the time. What is printed is the CPU time that the emulator
takes of a second, and how much later than every tenth of a second its sound comes (median, and all but a hundredth).
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from statistics import median, quantiles

import anyio

from realtime_azure import Connection, connect
from realtime_azure.audio import pcm
from realtime_azure.emulator import Reply, Turn, serve
from realtime_azure.events import ResponseDone, ResponseOutputAudioDelta
from realtime_azure.events.dicts import SessionConfigDict

PERIOD = 0.1
SECONDS = 8.0
WARM = 3.0
"""Seconds before anything is counted, or as long as is measured, if that is less."""

LISTENING: SessionConfigDict = {
    "type": "realtime",
    "audio": {
        "input": {"turn_detection": {"type": "server_vad", "interrupt_response": False, "create_response": False}}
    },
}
SPEECH = pcm.pack([round(3000 * math.sin(step / 8)) for step in range(pcm.RATE * 60)])


async def long_answer(turn: Turn) -> Reply:
    return Reply("This takes a minute.", audio=SPEECH)


async def emulate() -> None:
    """The other process: says where it is, and how much CPU time it has taken whenever it is asked."""
    async with serve(responder=long_answer, pace=1.0) as emulator:
        print(emulator.url, emulator.api_key, flush=True)
        while await anyio.to_thread.run_sync(sys.stdin.readline):
            print(time.process_time(), flush=True)


async def session(url: str, key: str, lates: list[float], began: float, seconds: float) -> None:
    async with connect(url, deployment="any", api_version="v1", api_key=key) as connection:
        await connection.session.update(LISTENING, wait=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak, connection)
            await connection.response.create()
            due = 0.0
            async for event in connection:
                now = time.monotonic()
                if isinstance(event, ResponseDone):
                    await connection.response.create()
                    due = 0.0
                elif isinstance(event, ResponseOutputAudioDelta):
                    if due and now - began > min(WARM, seconds):
                        lates.append(now - due)
                    due = (due or now) + PERIOD
                if now - began > min(WARM, seconds) + seconds:
                    break
            tasks.cancel_scope.cancel()


async def speak(connection: Connection) -> None:
    due, piece = time.monotonic(), SPEECH[: int(PERIOD * pcm.RATE) * 2]
    while True:
        await connection.input_audio_buffer.append(piece)
        due += PERIOD
        await anyio.sleep(max(0.0, due - time.monotonic()))


async def measure(count: int, seconds: float) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.emulator_sessions", "--emulate"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - once
        assert process.stdin is not None
        assert process.stdout is not None
        url, key = process.stdout.readline().split()

        def taken() -> float:
            print(file=process.stdin, flush=True)
            return float(process.stdout.readline()) if process.stdout else math.nan

        lates: list[float] = []
        used = math.nan
        began = time.monotonic() + count * 0.005
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(session, url, key, lates, began, seconds)
                await anyio.sleep(0.005)
            await anyio.sleep(began + min(WARM, seconds) - time.monotonic())
            before = taken()
            await anyio.sleep(seconds)
            used = (taken() - before) / seconds
        process.stdin.close()
    p50, p99 = median(lates) * 1000, quantiles(lates, n=100)[98] * 1000
    print(f"{count:5} sessions: {used:5.0%} of a core, late by {p50:.0f} ms (p99 {p99:.0f} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description="How many paced sessions an emulator holds on one core.")
    parser.add_argument("counts", metavar="COUNT", type=int, nargs="*", help="how many at a time (50 100 200)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long to measure each (%(default)g)")
    parser.add_argument("--emulate", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.emulate:
        anyio.run(emulate)
        return
    for count in chosen.counts or [50, 100, 200]:
        anyio.run(measure, count, chosen.seconds)


if __name__ == "__main__":
    main()
