"""A selection of Autobahn's cases, against the echo loop of `autobahn.py` and against websockets' own client.

Autobahn's server itself is not part of the suite (see `autobahn.py` for the command). The numbers are Autobahn's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from anyio import BrokenResourceError, EndOfStream, fail_after
from anyio.lowlevel import checkpoint
from websockets.frames import Frame, Opcode

from .autobahn import echo, websockets_echo
from .serving import Peer, close_frame, from_server, serve, text

pytestmark = pytest.mark.anyio

NO_CODE = 1005
"""What a close frame without a code stands for."""


@dataclass(frozen=True)
class Case:
    """What the server sends after a first message, and what a good client answers before both hang up."""

    number: str
    sends: bytes = field(repr=False)
    echoes: tuple[Frame, ...] = field(default=(), repr=False)
    closes: frozenset[int] = frozenset()
    """The codes that are right in the client's close frame; if there are none, the server closes when all has come."""

    def __str__(self) -> str:
        return self.number


def good(number: str, *frames: Frame, answers: tuple[Frame, ...] | None = None) -> Case:
    """*frames* come back as they are, or as *answers*; then the server closes."""
    return Case(number, from_server(*frames), frames if answers is None else answers)


def bad(number: str, sends: bytes, code: int = 1002) -> Case:
    """The client has to refuse what comes, with *code*."""
    return Case(number, sends, (), frozenset({code}))


def not_utf8(number: str, *frames: Frame) -> Case:
    return bad(number, from_server(*frames), 1007)


def closed(number: str, payload: bytes, *codes: int) -> Case:
    """The server closes with *payload*, the client answers with one of *codes*."""
    return Case(number, from_server(Frame(Opcode.CLOSE, payload)), (), frozenset(codes))


def binary(message: bytes, *, fin: bool = True) -> Frame:
    return Frame(Opcode.BINARY, message, fin)


def more(message: bytes, *, fin: bool = True) -> Frame:
    return Frame(Opcode.CONT, message, fin)


def ping(payload: bytes = b"") -> Frame:
    return Frame(Opcode.PING, payload)


def pong(payload: bytes = b"") -> Frame:
    return Frame(Opcode.PONG, payload)


def in_bytes(message: bytes) -> list[Frame]:
    """*message* in fragments of one byte."""
    first, *middle, last = (bytes([byte]) for byte in message)
    return [text(first, fin=False), *(more(byte, fin=False) for byte in middle), more(last)]


SIZES = (0, 125, 126, 127, 128, 65535, 65536)
GREEK = "κόσμε".encode()
NOT_UTF8 = GREEK + b"\xed\xa0\x80edited"

CASES = [
    *(good(f"1.1.{place}", text(b"*" * size)) for place, size in enumerate(SIZES, 1)),
    *(good(f"1.2.{place}", binary(b"\xfe" * size)) for place, size in enumerate(SIZES, 1)),
    good("2.1", ping(), answers=(pong(),)),
    good("2.2", ping(b"Hello, world!"), answers=(pong(b"Hello, world!"),)),
    good("2.3", ping(b"\x00\xff\xfe"), answers=(pong(b"\x00\xff\xfe"),)),
    good("2.4", ping(b"\xfe" * 125), answers=(pong(b"\xfe" * 125),)),
    bad("2.5", b"\x89\x7e\x00\x7e" + bytes(126)),
    good("2.7", pong(), answers=()),
    good("2.8", pong(b"unsolicited"), answers=()),
    good("2.9", pong(b"unsolicited"), ping(b"1"), answers=(pong(b"1"),)),
    good("2.10", *(ping(b"%d" % n) for n in range(10)), answers=tuple(pong(b"%d" % n) for n in range(10))),
    bad("3.1", b"\xc1\x01?"),
    bad("3.2", b"\xa1\x01?"),
    bad("3.3", b"\x91\x01?"),
    bad("3.5", b"\xd2\x01?"),
    bad("3.6", b"\xb9\x01?"),
    bad("3.7", b"\xf8\x00"),
    *(bad(f"4.{1 + (code > 7)}.{code}", bytes([0x80 | code, 0])) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    bad("5.1", b"\x09\x02fr\x80\x03agm"),
    bad("5.2", b"\x0a\x02fr\x80\x03agm"),
    good("5.3", text(b"frag", fin=False), more(b"ment"), answers=(text(b"fragment"),)),
    good("5.4", binary(b"\xff", fin=False), more(b"\xfe"), answers=(binary(b"\xff\xfe"),)),
    good("5.6", text(b"frag", fin=False), ping(b"?"), more(b"ment"), answers=(pong(b"?"), text(b"fragment"))),
    bad("5.9", from_server(more(b"of nothing", fin=False))),
    bad("5.10", from_server(more(b"of nothing"))),
    bad("5.18", from_server(text(b"one", fin=False), text(b"another"))),
    good(
        "5.19",
        *(text(b"0", fin=False), ping(b"a"), more(b"1", fin=False), more(b"", fin=False), ping(b"b"), more(b"2")),
        answers=(pong(b"a"), pong(b"b"), text(b"012")),
    ),
    good("6.1.2", text(b"", fin=False), more(b"", fin=False), more(b""), answers=(text(b""),)),
    good("6.2.1", text("Hello-µ@ßöäüàá-UTF-8!!".encode())),
    good("6.2.3", *in_bytes(GREEK), answers=(text(GREEK),)),
    not_utf8("6.3.1", text(NOT_UTF8)),
    not_utf8("6.3.2", *in_bytes(NOT_UTF8)),
    not_utf8("6.4.1", text(GREEK, fin=False), more(b"\xed\xa0", fin=False), more(b"\x80")),
    not_utf8("6.7.2", text(GREEK[:-1])),
    closed("7.3.1", b"", NO_CODE, 1000),
    closed("7.3.2", b"a", 1002),
    closed("7.3.3", b"\x03\xe8", 1000),
    closed("7.3.4", b"\x03\xe8Hello World!", 1000),
    closed("7.3.5", b"\x03\xe8" + b"*" * 123, 1000),
    bad("7.3.6", b"\x88\x7e\x00\x7e\x03\xe8" + b"*" * 124),
    closed("7.5.1", b"\x03\xe8" + NOT_UTF8, 1007, 1002),
    *(
        closed(f"7.7.{code}", code.to_bytes(2, "big"), code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    ),
    *(
        closed(f"7.9.{code}", code.to_bytes(2, "big"), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
]


@dataclass
class Heard:
    """What a client answered."""

    frames: list[tuple[Opcode, bytes]] = field(default_factory=list[tuple[Opcode, bytes]])
    close: int | None = None
    """The code of its close frame; None if there was none."""


@dataclass
class Script:
    """The server's side of *case*."""

    case: Case
    bytewise: bool
    heard: Heard = field(default_factory=Heard)

    async def __call__(self, peer: Peer) -> None:
        await peer.accept()
        await peer.send(text(b"before"))
        frame = await peer.frame()
        assert (frame.opcode, frame.data) == (Opcode.TEXT, b"before")
        with suppress(BrokenResourceError):  # a client that refuses need not hear it all
            for piece in self._pieces():
                await peer.stream.send(piece)
                await checkpoint()
        if not self.case.closes:
            for _ in self.case.echoes:
                frame = await peer.frame()
                self.heard.frames.append((frame.opcode, bytes(frame.data)))
            await peer.send(close_frame())
        with suppress(EndOfStream, BrokenResourceError):
            while (frame := await peer.frame()).opcode is not Opcode.CLOSE:
                self.heard.frames.append((frame.opcode, bytes(frame.data)))
            payload = bytes(frame.data)
            self.heard.close = int.from_bytes(payload[:2], "big") if payload else NO_CODE

    def _pieces(self) -> list[bytes]:
        whole = self.case.sends
        size = max(1, len(whole) // 300) if self.bytewise else len(whole)
        return [whole[at : at + size] for at in range(0, len(whole), size)]


async def played(case: Case, client: Callable[[str], Awaitable[None]], *, bytewise: bool) -> Heard:
    """What *client* answers in *case*."""
    script = Script(case, bytewise)
    with fail_after(5):
        async with serve(script) as server:
            await client(f"ws://127.0.0.1:{server.port}/runCase")
            await server.idle.wait()
    return script.heard


def check(heard: Heard, case: Case) -> None:
    assert heard.frames == [(frame.opcode, bytes(frame.data)) for frame in case.echoes]
    assert heard.close in (case.closes or {1000})


bytewise = pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
each_case = pytest.mark.parametrize("case", CASES, ids=str)


@bytewise
@each_case
async def test_a_case(case: Case, bytewise: bool) -> None:
    check(await played(case, echo, bytewise=bytewise), case)


@bytewise
@each_case
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_websockets_own_client_is_no_better(case: Case, bytewise: bool) -> None:
    """What is expected here is what others do, too."""
    check(await played(case, websockets_echo, bytewise=bytewise), case)
