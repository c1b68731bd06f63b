"""CPU per event, beside openai's client: `python tests/benchmarks/connection_cpu.py [EVENTS]`.

One raw server in another process floods its clients with audio deltas (4.8 kB of PCM) and text deltas, one to one,
then swallows as many `input_audio_buffer.append`s. CPU time of the client's process, alternating rounds, medians.
`bare` is the least that the same protocol object, byte stream and decoder can cost: no connection, no streams.
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe

import anyio
from openai import AsyncOpenAI
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime_azure import connect
from realtime_azure._dial import dial
from realtime_azure._websocket import READ_SIZE, open_client
from realtime_azure.events import ResponseDone, decode

ROUNDS = 7
PCM = bytes(range(256)) * 19  # 4.8 kB
WHERE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}


def flood(events: int) -> bytes:
    """The frames of *events* deltas and a `response.done`."""
    sound = base64.b64encode(PCM).decode()
    audio = {"type": "response.output_audio.delta", "event_id": "event_1", **WHERE, "delta": sound}
    text = {"type": "response.output_text.delta", "event_id": "event_2", **WHERE, "delta": " hello"}
    pair = b"".join(Frame(Opcode.TEXT, json.dumps(each).encode()).serialize(mask=False) for each in (audio, text))
    done = json.dumps({"type": "response.done", "response": {"id": "resp_1", "status": "completed"}}).encode()
    return pair * (events // 2) + Frame(Opcode.TEXT, done).serialize(mask=False)


def serve(events: int, port: Pipe) -> None:
    frames = flood(events)

    def answer(peer: socket.socket) -> None:
        protocol = ServerProtocol(max_size=None)
        with peer:
            while data := peer.recv(1 << 16):
                protocol.receive_data(data)
                for event in protocol.events_received():
                    if isinstance(event, Request):
                        protocol.send_response(protocol.accept(event))
                    elif isinstance(event, Frame) and b"response.create" in bytes(event.data)[:200]:
                        peer.sendall(frames)
                peer.sendall(b"".join(protocol.data_to_send()))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.send(listener.getsockname()[1])
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=answer, args=(peer,), daemon=True).start()


async def ours(port: int, events: int) -> tuple[float, float]:
    async with connect(f"http://127.0.0.1:{port}", deployment="d", api_version="v1", api_key="k") as connection:
        await connection.response.create()
        start = time.process_time()
        async for event in connection:
            if isinstance(event, ResponseDone):
                break
        received = time.process_time() - start
        start = time.process_time()
        for _ in range(events):
            await connection.input_audio_buffer.append(PCM)
        sent = time.process_time() - start
    return received, sent


async def bare(port: int, events: int) -> tuple[float, float]:
    url = f"ws://127.0.0.1:{port}/openai/v1/realtime?model=d"
    async with await dial(url) as stream:
        _, websocket = await open_client(stream, url, {}, max_message_size=1 << 24)
        assert websocket is not None
        protocol = websocket.protocol
        protocol.send_text(b'{"type":"response.create"}')
        await stream.send(b"".join(protocol.data_to_send()))
        start = time.process_time()
        more = True
        while more:
            protocol.receive_data(await stream.receive(READ_SIZE))
            for frame in protocol.events_received():
                assert isinstance(frame, Frame)
                more = not isinstance(decode(bytes(frame.data)), ResponseDone)
        received = time.process_time() - start
        start = time.process_time()
        for _ in range(events):
            protocol.send_text(
                json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(PCM).decode()}).encode()
            )
            await stream.send(b"".join(protocol.data_to_send()))
        return received, time.process_time() - start


async def openai(port: int, events: int) -> tuple[float, float]:
    async with (
        AsyncOpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", websocket_base_url=f"ws://127.0.0.1:{port}/v1", api_key="k"
        ) as client,
        client.realtime.connect(model="d") as connection,
    ):
        await connection.response.create()
        start = time.process_time()
        async for event in connection:
            if event.type == "response.output_audio.delta":
                base64.b64decode(event.delta)
            if event.type == "response.done":
                break
        received = time.process_time() - start
        start = time.process_time()
        for _ in range(events):
            await connection.input_audio_buffer.append(audio=base64.b64encode(PCM).decode())
        return received, time.process_time() - start


Run = Callable[[int, int], Awaitable[tuple[float, float]]]
CLIENTS: dict[str, tuple[Run, str]] = {
    "realtime_azure, asyncio": (ours, "asyncio"),
    "realtime_azure, trio": (ours, "trio"),
    "bare, asyncio": (bare, "asyncio"),
    "bare, trio": (bare, "trio"),
    "openai": (openai, "asyncio"),
}


def main(events: int) -> None:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(events, there), daemon=True)
    server.start()
    port = here.recv()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CLIENTS}
    for _ in range(ROUNDS):
        for name, (run, backend) in CLIENTS.items():
            times[name].append(anyio.run(run, port, events, backend=backend))
    server.terminate()
    medians = {
        name: [statistics.median(each[way] for each in rounds) / events * 1e6 for way in (0, 1)]
        for name, rounds in times.items()
    }
    print(f"{'CPU per event':<26}{'receive':>10}{'openai /':>10}{'append':>10}{'openai /':>10}")
    for name, (receive, send) in medians.items():
        ratios = [medians["openai"][0] / receive, medians["openai"][1] / send]
        print(f"{name:<26}{receive:7.1f} µs{ratios[0]:9.1f}x{send:7.1f} µs{ratios[1]:9.1f}x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
