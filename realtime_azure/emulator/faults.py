"""What goes wrong on purpose: faults of the network and of the service, at a frame that is chosen or drawn.

A fault is a short text, the same in Python, on the command line and in a URL: `KIND[@WHEN][=VALUE][*TIMES]`.
*WHEN* counts the messages that the service sends, of which `session.created` is 1: `@5` is the fifth, `@10%` each with
that chance, and without it the seed picks one of the first twenty. `drop`, `cut` and `black_hole` count what is sent in
the end, copies and additions of other faults included. `*1` is for the first connection only; who is refused uses none
up. Requests over HTTP know `refuse` alone. The kinds are explained in `KINDS_EXPLAINED`.
"""

from __future__ import annotations

import logging
import random
import re
import secrets
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, get_args

from pydantic_core import from_json, to_json

from ..errors import ConfigurationError, Refusal
from .answer import event, new_id
from .handshake import FAILED, REFUSALS
from .refusals import Refused, error_event

Kind = Literal[
    "refuse",
    "close",
    "drop",
    "cut",
    "black_hole",
    "slow_reader",
    "slow_writer",
    "duplicate",
    "reorder",
    "unknown_event",
    "unknown_value",
    "malformed",
    "giant",
    "error",
    "expire",
    "clock_skew",
]
KINDS: tuple[str, ...] = get_args(Kind)
KINDS_EXPLAINED = """\
  refuse=too_many*2   the next two handshakes are refused: a name of `REFUSALS`, or a status (once, without `*`)
  close@1=1011        a close frame with that code (1011), instead of the message
  drop@5              the line breaks instead of the message; `@0` instead of an answer to the handshake
  cut@5               it breaks in the middle of the frame
  black_hole@5        from there on nothing comes, nothing is read, and nothing breaks; `@0` is possible too
  slow_reader=8000    the service reads so many bytes a second
  slow_writer=8000    it writes so many bytes a second
  duplicate@5         the message comes twice
  reorder@5           it comes after the next one; without a next one, never
  unknown_event@5     an event that nobody knows comes before it
  unknown_value@5     a value in it is one that nobody knows
  malformed@5         it is half of it, which is not JSON
  giant@5=20000000    it has so many bytes more (17 MiB: more than a client takes)
  error@3=CODE        the client's third event is answered by an error
  expire=2.5          the session ends after so many seconds
  clock_skew=-300     the service's clock is so many seconds ahead
"""
DRAWN_FROM = 20
"""The seed picks one of so many messages."""

_LASTING = ("refuse", "slow_reader", "slow_writer", "expire", "clock_skew")
_LINE: tuple[Kind, ...] = ("drop", "cut", "black_hole")
_TEXT = re.compile(r"(?P<kind>\w+)(@(?P<when>\d+)(?P<percent>%)?)?(=(?P<value>[\w.+-]+))?(\*(?P<times>\d+))?")
_CODED = ("status", "role", "reason", "object", "type", "voice")
"""Fields whose value a client may take for one of a list."""

logger = logging.getLogger("realtime_azure.emulator")


@dataclass(frozen=True)
class _Number:
    """What the value of a kind may be, and what it is if none is said."""

    says: str
    low: float
    high: float
    default: float | None = None


_NUMBERS = {
    "close": _Number("a close code from 1000 to 4999", 1000, 4999, 1011),
    "slow_reader": _Number("bytes a second, from 1", 1, 1e12, 8000),
    "slow_writer": _Number("bytes a second, from 1", 1, 1e12, 8000),
    "giant": _Number("bytes, from 1 to 1 GiB", 1, 1 << 30, 17 << 20),
    "expire": _Number("seconds, from 0.001", 0.001, 1e9),
    "clock_skew": _Number("seconds, before 0 for a clock that is behind", -1e9, 1e9),
}


@dataclass(frozen=True)
class Fault:
    """One fault, as `Fault.parse` reads it; see this module for what the kinds and *value* mean.

    *at* is the message it strikes at, *chance* (0 to 1) that of each message; with neither the seed decides.
    *times* is how many connections have it: all, if None, but only one handshake is refused.

    Raises `ConfigurationError` for what does not fit together.
    """

    kind: Kind
    at: int | None = None
    chance: float | None = None
    value: str | None = None
    times: int | None = None

    @classmethod
    def parse(cls, text: str) -> Fault:
        """The fault that *text* says: `KIND[@WHEN][=VALUE][*TIMES]`."""
        found = _TEXT.fullmatch(text)
        if found is None:
            shape = "KIND[@WHEN][=VALUE][*TIMES], as drop@5, malformed@10% or refuse=too_many*2"
            raise ConfigurationError(f"{text!r} is not a fault: {shape}")
        kind: Any = found["kind"]
        when, times = ((None if said is None else int(said)) for said in (found["when"], found["times"]))
        if found["percent"] and when is not None:
            return cls(kind, chance=when / 100, value=found["value"], times=times)
        return cls(kind, at=when, value=found["value"], times=times)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(f"{self.kind!r} is not a fault; there are {', '.join(KINDS)}")
        if wrong := self._wrong_moment() or self._wrong_value():
            raise ConfigurationError(f"{self}: {wrong}")

    def _wrong_moment(self) -> str | None:
        if (self.at is not None or self.chance is not None) and self.kind in _LASTING:
            return f"{self.kind} is from the beginning; leave out the part from @ on"
        if self.at is not None and self.at < (0 if self.kind in ("drop", "black_hole") else 1):
            return "the first message is 1; 0 is the handshake, where only drop and black_hole can strike"
        if self.chance is not None and not 0 <= self.chance <= 1:
            return "a chance is from 0 % to 100 %"
        if self.times is not None and self.times < 1:
            return "no connection would have it"
        return None

    def _wrong_value(self) -> str | None:
        if self.kind in _NUMBERS:
            known = _NUMBERS[self.kind]
            return None if known.low <= self.number <= known.high else f"its value is {known.says}"
        if self.kind == "refuse":
            return None if _refusal(self.value or "") else f"its value is a status, or one of {', '.join(REFUSALS)}"
        return "it has no value" if self.value is not None and self.kind != "error" else None

    @property
    def number(self) -> float:
        """Its value, or what it is where none was said; NaN if that is no number."""
        try:
            return float(self.value) if self.value is not None else float(_NUMBERS[self.kind].default or "nan")
        except (ValueError, KeyError):
            return float("nan")

    def __str__(self) -> str:
        when = f"@{self.chance * 100:g}%" if self.chance is not None else "" if self.at is None else f"@{self.at}"
        value = "" if self.value is None else f"={self.value}"
        return f"{self.kind}{when}{value}{'' if self.times is None else f'*{self.times}'}"


def _refusal(name: str) -> Refusal | None:
    """The refusal of that *name* or status."""
    if name in REFUSALS:
        return REFUSALS[name]
    if not re.fullmatch("[345][0-9][0-9]", name):
        return None
    of_status = [refusal for refusal in REFUSALS.values() if refusal.status == int(name)]
    phrases = {status.value: status.phrase for status in HTTPStatus}
    return of_status[0] if of_status else Refusal(int(name), code=name, message=phrases.get(int(name), name))


@dataclass(eq=False)
class _Counted:
    """A fault, and how many connections will still have it."""

    fault: Fault
    left: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.fault.times or (1 if self.fault.kind == "refuse" else None)

    def take(self) -> Fault | None:
        if self.left == 0:
            return None
        self.left = None if self.left is None else self.left - 1
        return self.fault


class Faults:
    """The faults of one emulator: those of all connections, and those that a URL asks for."""

    def __init__(self, faults: Iterable[Fault | str] = (), seed: int | None = None) -> None:
        self.seed = secrets.randbits(32) if seed is None else seed
        self._counted = _read(faults)
        self._asked: Counter[tuple[str, ...]] = Counter()
        self._connections = 0

    @contextmanager
    def during(self, *faults: Fault | str) -> Generator[None]:
        """Adds *faults* for the connections that are made inside the block."""
        own = _read(faults)
        self._counted += own
        try:
            yield
        finally:
            self._counted = [each for each in self._counted if each not in own]

    def strike(self, asked: tuple[str, ...] = ()) -> Refusal | Trouble:
        """What the next handshake meets: a refusal, or the trouble of its connection.

        *asked* is what its URL asks for; raises `ConfigurationError` for what is no fault.
        """
        return self.refusal(asked) or self.trouble(asked)

    def trouble(self, asked: tuple[str, ...] = ()) -> Trouble:
        """What the next connection has to go through, after `refusal` let it in; connections are counted here."""
        self._connections += 1
        wanted = [Fault.parse(text) for text in asked]
        taken = [each.take() for each in self._counted if each.fault.kind != "refuse"]
        wanted = [fault for fault in wanted if fault.times is None or self._asked[asked] <= fault.times]
        return Trouble([fault for fault in taken if fault] + wanted, self.seed, self._connections)

    def skew(self, asked: tuple[str, ...] = ()) -> float:
        """How many seconds the service's clock is ahead for who asks so; nobody's fault is used up by looking at it."""
        wanted = [Fault.parse(text) for text in asked]
        there = [*(each.fault for each in self._counted if each.left != 0), *wanted]
        return next((fault.number for fault in there if fault.kind == "clock_skew"), 0.0)

    def refusal(self, asked: tuple[str, ...] = ()) -> Refusal | None:
        """What the next request is refused with, if it is; raises as `strike` does."""
        wanted = [Fault.parse(text) for text in asked]
        self._asked[asked] += 1
        for each in self._counted:
            if each.fault.kind == "refuse" and (fault := each.take()) is not None:
                return self._refuse(fault)
        for fault in wanted:
            if fault.kind == "refuse" and self._asked[asked] <= (fault.times or 1):
                return self._refuse(fault)
        return None

    def _refuse(self, fault: Fault) -> Refusal:
        logger.info("refused: %s", fault)
        return _refusal(fault.value or "") or FAILED  # there is one: it was checked when the fault was made


def _read(faults: Iterable[Fault | str]) -> list[_Counted]:
    return [_Counted(Fault.parse(fault) if isinstance(fault, str) else fault) for fault in faults]


class Trouble:
    """The faults of one connection, and when each strikes: the same *seed* and *number*, the same troubles."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0, number: int = 1) -> None:
        draw = random.Random(f"{seed}:{number}")  # noqa: S311 - not a secret
        self.number, self._seed = number, seed
        self._faults = [(fault, _moment(fault, draw)) for fault in faults]
        # Each its own dice: how a message and how its frame fares must not depend on which is asked first.
        self._dice = {kind: random.Random(f"{seed}:{number}:{kind}") for kind in KINDS}  # noqa: S311
        self._said = self._heard = self._sent = 0
        self._held: list[bytes] = []
        self.close_code: int | None = None
        """Set once the connection is to be closed by the service."""

    def lasting(self, kind: Kind) -> float | None:
        """The value of a fault of *kind*, which is there from the beginning."""
        return next((fault.number for fault, _ in self._faults if fault.kind == kind), None)

    def said(self, message: bytes) -> list[bytes]:
        """What comes of a *message* of the service."""
        if self.close_code is not None:
            return []
        self._said += 1
        messages, held = [message], self._held
        self._held = []
        for fault in self._striking(self._said):
            if fault.kind == "reorder":
                self._held, messages = messages, []
            elif fault.kind == "close":
                self.close_code, messages = int(fault.number), []
            else:
                messages = list(_spoilt(fault, messages))
        return messages + held

    def heard(self, message: bytes) -> dict[str, Any] | None:
        """The error that answers the client's *message*, if one does."""
        self._heard += 1
        for fault in self._striking(self._heard, "error"):
            code = fault.value or "server_error"
            return error_event(Refused(code, f"The emulator was asked to fail here ({fault})."), message)
        return None

    def sent(self) -> Kind | None:
        """How the line fares at the next frame of a message: *drop*, *cut* or *black_hole*, or well."""
        self._sent += 1
        return next((fault.kind for fault in self._striking(self._sent, *_LINE)), None)

    @property
    def at_handshake(self) -> Kind | None:
        """How the line fares before there is an answer to the handshake."""
        return next((fault.kind for fault, at in self._faults if at == 0), None)

    def _striking(self, count: int, *kinds: Kind) -> Iterator[Fault]:
        """The faults of *kinds* (of messages, without) that strike at *count*."""
        for fault, at in self._faults:
            if fault.kind in _LASTING or (fault.kind not in kinds if kinds else fault.kind in (*_LINE, "error")):
                continue
            if at == count or (fault.chance and self._dice[fault.kind].random() < fault.chance):
                logger.info("connection %d: %s at message %d (seed %d)", self.number, fault, count, self._seed)
                yield fault


def _moment(fault: Fault, draw: random.Random) -> int | None:
    """The message that *fault* strikes at; None if each is a gamble, or it is there all the time."""
    drawn = draw.randint(1, DRAWN_FROM)  # for each fault, so that one more changes none before it
    return fault.at if fault.at is not None or fault.chance is not None or fault.kind in _LASTING else drawn


def _spoilt(fault: Fault, messages: list[bytes]) -> Iterator[bytes]:
    for message in messages:
        match fault.kind:
            case "duplicate":
                yield from (message, message)
            case "unknown_event":
                yield to_json(event("emulator.unheard_of", item_id=new_id("item"), said={"by": "the emulator"}))
                yield message
            case "unknown_value":
                yield _newer(message)
            case "malformed":
                yield message[: len(message) // 2]
            case _:  # giant
                yield b'{"padding":"%b",%b' % (b"x" * int(fault.number), message[1:])


def _newer(message: bytes) -> bytes:
    """*message* with a value in it that no client of today has heard of, and a field as well."""
    try:
        fields = from_json(message)
    except ValueError:
        return message  # another fault was at it
    for part in _parts(fields):
        for name in _CODED:
            if isinstance(part.get(name), str) and part is not fields:
                part[name] = "emulator_unheard_of"
                return to_json(fields)
    return to_json({**fields, "emulator_unheard_of": {"status": "newer"}})


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in *value*, from outside to inside."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _parts(each)
