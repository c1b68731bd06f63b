"""The servers of the benchmarks, in processes of their own: sockets and ready-made bytes, no websocket library.

They do as little as they can, so that what is measured is the client. Commands are the messages shorter than 126
bytes; an append is longer, and its bytes are only counted off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import resource
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

PCM = bytes(range(256)) * 19
"""4.8 kB: 100 ms of sound."""

CHUNK = 0.1
"""Seconds of sound in `PCM`."""

STAMP = b"00000000.000000"
"""Where a paced event says when it was sent, on the clock that processes of one machine share."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_WHERE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
_SOUND = {"type": "response.output_audio.delta", "event_id": STAMP.decode(), **_WHERE}


def frame(event: dict[str, Any]) -> bytes:
    """*event* as the server's websocket frame."""
    message = json.dumps(event).encode()
    if len(message) < 126:
        return bytes((0x81, len(message))) + message
    return b"\x81\x7e" + struct.pack("!H", len(message)) + message


AUDIO = frame({**_SOUND, "delta": base64.b64encode(PCM).decode()})
TEXT = frame({"type": "response.output_text.delta", "event_id": "event_2", **_WHERE, "delta": " hello"})
CREATED = frame({"type": "session.created", "event_id": "event_0", "session": {"type": "realtime", "id": "sess_1"}})
DONE = frame({"type": "response.done", "response": {"id": "resp_1", "status": "completed"}})
COMMITTED = frame({"type": "input_audio_buffer.committed", "event_id": "event_9", "item_id": "item_9"})
CLOSE = b"\x88\x02\x03\xe8"


def raise_descriptor_limit() -> None:
    """Lets this process have as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _greet(peer: socket.socket) -> None:
    """The server's half of the handshake, and the first event."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        if not (read := peer.recv(4096)):
            raise ConnectionError
        request += read
    fields = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:-2])
    key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - RFC 6455 says so
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    peer.sendall(head + accept + b"\r\n\r\n" + CREATED)


def _commands(peer: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The opcode and the payload of each short message, until the peer hangs up."""
    waiting = bytearray()
    while read := peer.recv(1 << 18):
        waiting += read
        start = 0
        while len(waiting) - start >= 14:
            size = waiting[start + 1] & 0x7F
            begin = start + 6
            if size == 126:
                (size,) = struct.unpack_from("!H", waiting, start + 2)
                begin += 2
            if len(waiting) < begin + size:
                break
            if size < 126:
                mask = waiting[begin - 4 : begin]
                payload = bytes(byte ^ mask[at & 3] for at, byte in enumerate(waiting[begin : begin + size]))
                yield waiting[start] & 15, payload
            start = begin + size
        if len(waiting) - start == 8 and waiting[start] & 15 == 8:  # a close frame with a code and nothing else
            yield 8, b""
        del waiting[:start]


def _answer(peer: socket.socket, flood: bytes) -> None:
    for opcode, message in _commands(peer):
        if opcode == 8:
            peer.sendall(CLOSE)
            return
        if opcode == 9:
            peer.sendall(bytes((0x8A, len(message))) + message)
        elif b"response.create" in message:
            peer.sendall(flood)
        elif b"input_audio_buffer.commit" in message:
            peer.sendall(COMMITTED)


def serve_floods(pipe: Pipe, certificate: bytes | None, events: int) -> None:
    """Answers a `response.create` with *events* deltas, sound and text in turn, a commit when it has read so far."""
    raise_descriptor_limit()
    flood = (AUDIO + TEXT) * (events // 2) + DONE
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "server.pem"
            path.write_bytes(certificate)
            context.load_cert_chain(path)

    def attend(accepted: socket.socket) -> None:
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = accepted if context is None else context.wrap_socket(accepted, server_side=True)
            with peer:
                _greet(peer)
                _answer(peer, flood)
        except OSError:
            pass  # the client is gone

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            accepted, _ = listener.accept()
            threading.Thread(target=attend, args=(accepted,), daemon=True).start()


def serve_paced(pipe: Pipe, _: None, sessions: int) -> None:
    """Takes *sessions* clients; told to start, sends each its sound every `CHUNK` seconds and takes what they send.

    The clients' turns are spread evenly. Told to stop, it says how late it was itself: the 99th percentile.
    """
    raise_descriptor_limit()
    peers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        pipe.send(listener.getsockname()[1])
        while len(peers) < sessions:
            peer, _address = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _greet(peer)
            peer.setblocking(False)
            peers.append(peer)
    pipe.recv()
    pipe.send(_pace(peers, pipe))


def _pace(peers: list[socket.socket], pipe: Pipe) -> float:
    event, at = bytearray(AUDIO), AUDIO.index(STAMP)
    waste = bytearray(1 << 18)
    late: list[float] = []
    start, turn, step = time.monotonic(), 0, CHUNK / len(peers)
    while turn % 64 or not pipe.poll():
        peer, due = peers[turn % len(peers)], start + turn * step
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
            now = time.monotonic()
        late.append(now - due)
        event[at : at + len(STAMP)] = b"%015.6f" % now
        try:
            peer.setblocking(False)
            sent = peer.send(event)
            if sent < len(event):  # the client is far behind; a torn frame would end it
                peer.setblocking(True)
                peer.sendall(event[sent:])
            peer.recv_into(waste)
        except BlockingIOError:
            pass
        turn += 1
    return sorted(late)[len(late) * 99 // 100]


@contextmanager
def running(serve: Any, certificate: bytes | None, number: int) -> Generator[tuple[int, Pipe]]:
    """*serve* in another process: its port, and the pipe to it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, certificate, number), daemon=True)
    process.start()
    there.close()  # if the process dies, `recv` says so
    try:
        yield here.recv(), here
    finally:
        process.terminate()
        process.join()
