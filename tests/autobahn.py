"""Autobahn's fuzzing server against the websocket of this package: `python -m tests.autobahn ws://127.0.0.1:9001`.

The server is any copy of Autobahn's test suite: `docker run --rm -p 9001:9001 crossbario/autobahn-testsuite`, or, where
there is a Python 2.7, `pip install autobahntestsuite` and `wstest -m fuzzingserver`. Every case it has is run, and what
it made of each is told. `--peer websockets` runs the same cases with websockets' own client, `--peer both` tells where
ours is worse (and then the command fails); `--loop trio` is for ours, `--deflate` for both. The server writes reports
of its own.

The package hands text and binary messages on as bytes alike, sends text alone, and does not look whether a text is
UTF-8: that a message cannot be read is for the event to say, it is no reason to end a call. The suite wants to have
both. So the loop here, beside what the package does, looks at the frames as they pass; nothing else is its own.
"""

from __future__ import annotations

import argparse
import codecs
import json
import sys
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
from anyio import BrokenResourceError, create_task_group, fail_after
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN

from realtime_azure._dial import dial
from realtime_azure._websocket import WebSocket, abandon, open_client

MESSAGE_LIMIT = 32 << 20
"""The largest messages of the suite have 16 MiB."""

CASE_TIMEOUT = 120.0
TRIES = 3
"""A case that seems worse is run again so often: where a message and nonsense come in one read, chance decides."""

ORDER = ("OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED")
"""What the suite calls a behaviour, from best to worst; every other word is worse still."""


class EchoSocket(WebSocket):
    """A websocket that remembers which messages were text, and refuses text that is not UTF-8 (RFC 6455 §8.1)."""

    def __init__(self, websocket: WebSocket) -> None:
        early = websocket._early  # pyright: ignore[reportPrivateUsage]  # it takes the place of *websocket*
        super().__init__(websocket._stream, websocket.protocol, early)  # pyright: ignore[reportPrivateUsage]
        self._kinds: deque[Opcode] = deque()
        self._kind = Opcode.TEXT
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._good = True

    def _messages(self, frames: list[Frame]) -> list[bytes]:
        seen = 0
        while self._good and seen < len(frames):
            self._good = self._look(frames[seen])
            seen += self._good
        if not self._good:
            self.protocol.fail(CloseCode.INVALID_DATA, "not UTF-8")
            self._work.set()
        return super()._messages(frames[:seen])

    def _look(self, frame: Frame) -> bool:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._kind = frame.opcode
        elif frame.opcode is not Opcode.CONT:
            return True
        if frame.fin:
            self._kinds.append(self._kind)
        try:
            if self._kind is Opcode.TEXT:
                self._decoder.decode(bytes(frame.data), final=frame.fin)
        except UnicodeDecodeError:
            return False
        return True

    async def echo(self, messages: list[bytes]) -> None:
        """Sends each of *messages* back as what it came as."""
        for message in messages:
            if self._kinds.popleft() is Opcode.TEXT:
                await self.send(message)
            elif self.protocol.state is OPEN:  # past the outbox, which is for text; no case has both
                self.protocol.send_binary(message)
                self._work.set()


@asynccontextmanager
async def running(url: str, *, deflate: bool = False) -> AsyncGenerator[EchoSocket]:
    """An open websocket to *url*, whose writer runs."""
    stream = await dial(url)
    try:
        _, opened = await open_client(stream, url, {}, max_message_size=MESSAGE_LIMIT, compression=deflate)
        if opened is None:
            raise ConnectionError(f"{url} refused")
        websocket = EchoSocket(opened)
        async with create_task_group() as tasks:
            tasks.start_soon(websocket.drain)
            yield websocket
            await websocket.aclose()
    finally:
        await abandon(stream)


async def echo(url: str, *, deflate: bool = False) -> None:
    """Sends back whatever *url* says, until it ends; over the websocket of this package."""
    async with running(url, deflate=deflate) as websocket:

        async def deliver(messages: list[bytes]) -> None:
            with suppress(BrokenResourceError):  # the peer closes, and did not wait for the answer
                await websocket.echo(messages)

        await websocket.pump(deliver)


async def websockets_echo(url: str, *, deflate: bool = False) -> None:
    """The same with websockets' own client."""
    async with websockets_connect(
        url,
        max_size=MESSAGE_LIMIT,
        compression="deflate" if deflate else None,
        ping_interval=None,
        proxy=None,
        close_timeout=3,
    ) as websocket:
        with suppress(ConnectionClosed):
            async for message in websocket:
                await websocket.send(message)


async def ask(url: str) -> object:
    """What *url* answers, one JSON text."""
    said: list[bytes] = []

    async def keep(messages: list[bytes]) -> None:
        said.extend(messages)

    async with running(url) as websocket:
        await websocket.pump(keep)
    return json.loads(said[0]) if said else None


Peer = Callable[[str], Awaitable[None]]
PEERS: dict[str, Callable[..., Awaitable[None]]] = {"realtime_azure": echo, "websockets": websockets_echo}


Wanted = Callable[[str], bool]


async def run(peer: Peer, server: str, agent: str, wanted: Wanted) -> dict[str, str]:
    """Runs the cases of *server* whose names are *wanted*: what it says of each."""
    count = await ask(f"{server}/getCaseCount")
    assert isinstance(count, int)
    results: dict[str, str] = {}
    for number in range(1, count + 1):
        information = await ask(f"{server}/getCaseInfo?case={number}")
        assert isinstance(information, dict)
        name = str(information["id"])
        if not wanted(name):
            continue
        with fail_after(CASE_TIMEOUT):
            await peer(f"{server}/runCase?case={number}&agent={agent}")
            status = await ask(f"{server}/getCaseStatus?case={number}&agent={agent}")
        assert isinstance(status, dict)
        results[name] = str(status["behavior"])
        if sys.stderr.isatty():
            print(f"\r{agent} {number}/{count} {name} {results[name]:<20}", end="", file=sys.stderr)
    await ask(f"{server}/updateReports?agent={agent}")
    return results


def worth(behaviour: str) -> int:
    """The lower the better."""
    return ORDER.index(behaviour) if behaviour in ORDER else len(ORDER)


def tell(agent: str, results: dict[str, str]) -> None:
    """How many did what, and which were not well."""
    counts = Counter(results.values())
    print(f"{agent}: {', '.join(f'{count} {behaviour}' for behaviour, count in counts.most_common())}")
    for name, behaviour in results.items():
        if behaviour not in {"OK", "INFORMATIONAL", "UNIMPLEMENTED"}:
            print(f"  {name:<10}{behaviour}")


def worse(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    return [name for name, behaviour in ours.items() if worth(behaviour) > worth(theirs[name])]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Autobahn's cases against the websocket of this package.")
    parser.add_argument("server", help="the fuzzing server, ws://127.0.0.1:9001")
    parser.add_argument("--peer", choices=[*PEERS, "both"], default="realtime_azure")
    parser.add_argument("--loop", choices=["asyncio", "trio"], default="asyncio", help="for realtime_azure")
    parser.add_argument("--cases", default="", metavar="PREFIX", help="those alone whose number begins so: 5. or 6.2.1")
    parser.add_argument("--deflate", action="store_true", help="with permessage-deflate: the cases 12 and 13, too")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    server = chosen.server.rstrip("/")

    def results_of(name: str, wanted: Wanted) -> dict[str, str]:
        backend = chosen.loop if name == "realtime_azure" else "asyncio"
        return anyio.run(
            run, partial(PEERS[name], deflate=chosen.deflate), server, f"{name}_{backend}", wanted, backend=backend
        )

    results: dict[str, dict[str, str]] = {}
    for name in PEERS if chosen.peer == "both" else [chosen.peer]:
        results[name] = results_of(name, lambda case: case.startswith(chosen.cases))
        tell(name, results[name])
    if chosen.peer != "both":
        return 0
    ours, theirs = results["realtime_azure"], results["websockets"]
    for _ in range(TRIES):
        doubtful = worse(ours, theirs)
        if doubtful:
            again = results_of("realtime_azure", doubtful.__contains__)
            ours |= {name: min(ours[name], behaviour, key=worth) for name, behaviour in again.items()}
    print(f"worse than websockets' own: {', '.join(worse(ours, theirs)) or 'none'}")
    return 1 if worse(ours, theirs) else 0


if __name__ == "__main__":
    sys.exit(main())
