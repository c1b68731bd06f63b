"""REST calls in CPU time, beside openai and bare httpx2: `python -m tests.benchmarks.rest_cpu [--check]`.

A raw server in another process says chats whose answer is so many chunks, and answers small requests. The first
number is how many chunks of a chat a second of CPU takes; the second what a request costs of which a thousand are
under way at a time. CPU time of the client's process, in alternating rounds, medians. With `--check`, the exit code
says whether both targets are reached (on the second try at the latest: a machine may be busy).
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import anyio
import httpx2
from openai import AsyncAzureOpenAI

from realtime_azure.rest import RestClient

ROUNDS = 5
REQUESTS = 1000
DATED = "2025-04-01-preview"
STREAM_TARGET = 5.0
REQUEST_TARGET = 1.15
MESSAGES: list[Any] = [{"role": "user", "content": "Have you got Ulysses?"}]
_ABOUT = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o", "system_fingerprint": "fp_1"}
_FILTERS = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
CHUNK = {
    **_ABOUT,
    "object": "chat.completion.chunk",
    "choices": [
        {
            "index": 0,
            "delta": {"content": " hello"},
            "finish_reason": None,
            "logprobs": None,
            "content_filter_results": _FILTERS,
        }
    ],
}
ANSWER = {
    **_ABOUT,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Yes, we have.", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
            "content_filter_results": _FILTERS,
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
}

Work = Callable[[str, int], Awaitable[None]]


# The server


def _serve(listener: socket.socket) -> None:
    """A thread for each connection; requests come whole, and one after the other."""
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(peer,), daemon=True).start()


def _answer(peer: socket.socket) -> None:
    body = json.dumps(ANSWER).encode()
    plain = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    began = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    said = _chunk(b"data: %s\n\n" % json.dumps(CHUNK).encode())
    ended = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting or len(waiting) < _length(waiting):
            data = peer.recv(65536)
            if not data:
                return
            waiting += data
        asked, waiting = waiting[: _length(waiting)], waiting[_length(waiting) :]
        tokens = int(json.loads(asked.partition(b"\r\n\r\n")[2]).get("max_tokens", 0))
        if not tokens:
            peer.sendall(plain)
            continue
        peer.sendall(began)
        for _ in range(tokens):
            peer.sendall(said)
        peer.sendall(ended)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def _length(request: bytes) -> int:
    head = request.partition(b"\r\n\r\n")[0]
    _, _, rest = head.lower().partition(b"content-length:")
    return len(head) + 4 + int(rest.partition(b"\r\n")[0])


@contextmanager
def serving() -> Generator[str]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2000)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        process.terminate()
        process.join()
        listener.close()


# The clients


async def stream_ours(url: str, tokens: int) -> None:
    async with RestClient(url, deployment="gpt-4o", api_version=DATED, api_key="k") as client:
        stream = await client.chat.completions.create(messages=MESSAGES, max_tokens=tokens, stream=True)
        assert [chunk.text async for chunk in stream] == [" hello"] * tokens


async def stream_openai(url: str, tokens: int) -> None:
    async with AsyncAzureOpenAI(azure_endpoint=url, api_version=DATED, api_key="k") as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=tokens, stream=True)
        assert [chunk.choices[0].delta.content async for chunk in stream] == [" hello"] * tokens


async def _at_a_time(number: int, ask: Callable[[], Awaitable[str | None]]) -> None:
    async def one() -> None:
        assert await ask() == "Yes, we have."

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(one)


async def requests_ours(url: str, number: int) -> None:
    async with RestClient(url, deployment="gpt-4o", api_version=DATED, api_key="k") as client:

        async def ask() -> str | None:
            return (await client.chat.completions.create(messages=MESSAGES)).text

        await _at_a_time(number, ask)


async def requests_openai(url: str, number: int) -> None:
    limits = httpx2.Limits(max_connections=100)
    http = httpx2.AsyncClient(limits=limits, timeout=600, trust_env=False)
    async with AsyncAzureOpenAI(azure_endpoint=url, api_version=DATED, api_key="k", http_client=http) as client:

        async def ask() -> str | None:
            answer = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            return answer.choices[0].message.content

        await _at_a_time(number, ask)


async def requests_bare(url: str, number: int) -> None:
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    where = f"{url}/openai/deployments/gpt-4o/chat/completions"
    async with httpx2.AsyncClient(limits=limits, timeout=600, trust_env=False, headers={"api-key": "k"}) as client:

        async def ask() -> str | None:
            body = {"messages": MESSAGES, "model": "gpt-4o"}
            answer = (await client.post(where, params={"api-version": DATED}, json=body)).json()
            said: str = answer["choices"][0]["message"]["content"]
            return said

        await _at_a_time(number, ask)


Table = dict[str, tuple[Work, str]]
STREAMS: Table = {
    "ours, asyncio": (stream_ours, "asyncio"),
    "ours, trio": (stream_ours, "trio"),
    "openai": (stream_openai, "asyncio"),
}
CALLS: Table = {
    "ours, asyncio": (requests_ours, "asyncio"),
    "bare httpx2, asyncio": (requests_bare, "asyncio"),
    "ours, trio": (requests_ours, "trio"),
    "bare httpx2, trio": (requests_bare, "trio"),
    "openai": (requests_openai, "asyncio"),
}


def measure(table: Table, url: str, number: int, rounds: int) -> dict[str, float]:
    """Seconds of CPU for each of *number*: the medians of *rounds*, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in table}
    for round_number in range(rounds + 1):
        for name, (work, backend) in table.items():
            gc.collect()
            before = time.process_time()
            anyio.run(work, url, number, backend=backend)
            if round_number:
                taken[name].append((time.process_time() - before) / number)
    return {name: statistics.median(times) for name, times in taken.items()}


def compare(url: str, tokens: int, requests: int, rounds: int) -> tuple[float, float]:
    """Prints both tables; how much less a chunk costs than openai's, and how much more a call than bare httpx2's."""
    streams = measure(STREAMS, url, tokens, rounds)
    print(f"\n{'chunks of a chat':<24}{'each':>10}{'a CPU second':>16}{'openai /':>10}")
    for name, took in streams.items():
        print(f"{name:<24}{took * 1e6:7.1f} µs{1 / took:16,.0f}{streams['openai'] / took:9.1f}x")
    calls = measure(CALLS, url, requests, rounds)
    print(f"\n{f'{requests:,} calls at a time':<24}{'each':>10}{'/ bare':>16}{'openai /':>10}")
    for name, took in calls.items():
        bare = calls.get(f"bare httpx2, {name.rpartition(', ')[2]}", calls["bare httpx2, asyncio"])
        print(f"{name:<24}{took * 1e6:7.0f} µs{took / bare:16.2f}{calls['openai'] / took:9.1f}x")
    worst = max(calls[f"ours, {loop}"] / calls[f"bare httpx2, {loop}"] for loop in ("asyncio", "trio"))
    return min(streams["openai"] / streams[f"ours, {loop}"] for loop in ("asyncio", "trio")), worst


def main() -> None:
    parser = argparse.ArgumentParser(description="REST calls in CPU time, beside openai and bare httpx2.")
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--calls", type=int, default=REQUESTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, openai {version('openai')}, httpx2 {version('httpx2')}")
    for _ in range(2 if chosen.check else 1):
        with serving() as url:
            faster, dearer = compare(url, chosen.tokens, chosen.calls, chosen.rounds)
        if faster >= STREAM_TARGET and dearer <= REQUEST_TARGET:
            return
    if chosen.check:
        sys.exit(f"wanted {STREAM_TARGET}x on the stream and {REQUEST_TARGET} of bare httpx2 for a call")


if __name__ == "__main__":
    main()
