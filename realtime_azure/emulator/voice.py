"""A voice for the emulator: it makes out what was said, and speaks its own answers, offline.

With the extra `emulator-voice`, pocketsphinx listens (English, rather badly) and espeak-ng speaks. Both are C
libraries that hold the interpreter while they compute, so they live in a worker process: it is started by the first
call, keeps its model (half a second to load) for the next ones, and ends with this process. What is answered comes from
a few rules: this is no model, and says so.

The worker is our own rather than `anyio.to_process`, which runs the caller's main file again in its worker: a script
that ends in `anyio.run(main)` would run twice, and `python -m` a package with relative imports fails (both tried).
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import importlib.util
import io
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from ..audio.pcm import RATE, chunks, level
from ..audio.resample import resample
from ..errors import ConfigurationError, RealtimeError
from .responder import Reply, Turn

__all__ = ["available", "transcribe", "speak", "spoken_answer", "warm_up"]

WORKERS = 2
"""How many processes listen and speak at a time, for one event loop; further calls wait in line."""

_HEARING_RATE = 16_000
_SILENCE = 0.003  # the level of the loudest 20 ms, about -50 dBFS: the recogniser hears words in silence too
_QUOTED_WORDS = 30


def available() -> bool:
    """Whether the extra `emulator-voice` is installed. Looks for it without importing it."""
    return all(importlib.util.find_spec(name) for name in ("pocketsphinx", "espeakng_loader"))


async def warm_up() -> None:
    """Start a worker and load its models, so that the first answer need not wait for that."""
    await _ask(b"w", b"")


async def transcribe(pcm: bytes) -> str:
    """What somebody says in *pcm*, in lower case and without punctuation; "" when it is silent.

    Obscenities, which the recogniser also makes of harmless words, are starred.
    """
    return starred((await _ask(b"t", pcm)).decode())


async def speak(text: str) -> bytes:
    """*text*, spoken."""
    return await _ask(b"s", text.encode(errors="replace"))


async def spoken_answer(turn: Turn) -> Reply:
    """Answers what it makes out of *turn*, where a few rules know how, and says that it is the emulator.

    The reply has no sound: `speak` makes it, where sound is wanted.
    """
    heard = turn.transcript
    if heard is None and turn.audio and turn.speech_seconds:
        heard = await transcribe(turn.audio)
    return Reply(f"This is the emulator. {said(turn, heard or '', datetime.now().astimezone())}")


# What it answers


def said(turn: Turn, heard: str, now: datetime) -> str:
    """The answer to *turn*, in which *heard* was made out, at *now*."""
    if turn.text:
        return f"You wrote: {_quoted(turn.text)} {answer(' '.join([turn.text, heard]), now)}"
    if heard:
        return f"I think you said: {_quoted(heard)} {answer(heard, now)}"
    if turn.audio and turn.speech_seconds:
        return "I heard you speak, but I made out no words."
    return "I heard no speech." if turn.audio else "You have not said anything yet."


def answer(question: str, now: datetime) -> str:
    """What little can truly be said to *question*."""
    asked = " ".join(question.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    if re.search(r"\bhow many words\b", asked):
        count = len(asked.split())
        return f"I count {count} {'word' if count == 1 else 'words'}."
    if re.search(r"\btime is it\b|\b(what's|whats|what is|tell me) the time\b(?! \w)", asked):
        return f"It is {now:%H:%M} here."
    if re.search(r"\b(what|which) day\b|\bday is (it|today)\b|\b(the|today's|todays) date\b", asked):
        return f"Today is {now:%A}, {now:%B} {now.day}, {now.year}."
    if re.search(r"\b(who|what) are you\b|\bwho is this\b", asked):
        return "I stand in for the service on this computer. There is no model behind me."
    return arithmetic(asked) or "I cannot answer that: there is no model here, only the time, the date and small sums."


def arithmetic(asked: str) -> str | None:
    """The answer when *asked* has one sum of two whole numbers in it, in digits or in words."""
    sums = list(_SUM.finditer(asked))
    if len(sums) != 1 or len(_OPERATOR.findall(asked)) != 1:
        return None
    left, right = number(sums[0]["left"]), number(sums[0]["right"])
    word, result = _computed(left, _OPERATORS[sums[0]["operator"].strip()], right)
    return f"{left} {word} {right} is {result}."


def number(words: str) -> int:
    """The number below a thousand that *words* say, or the one written in digits."""
    if words.isdecimal():
        return int(words)
    total = 0
    for word in re.split(r"[ -]", words):
        total = max(total, 1) * 100 if word == "hundred" else total + _NUMBERS.get(word, 0)
    return total


def starred(transcript: str) -> str:
    """*transcript* with its obscenities starred."""
    return _OBSCENE.sub("***", transcript)


def _computed(left: int, operator: str, right: int) -> tuple[str, str]:
    match operator:
        case "+":
            return "plus", str(left + right)
        case "-":
            return "minus", str(left - right)
        case "*":
            return "times", str(left * right)
        case _ if right == 0:
            return "divided by", "not defined"
        case _:
            whole, rest = divmod(left, right)
            return "divided by", f"{whole}, remainder {rest}" if rest else str(whole)


def _quoted(words: str) -> str:
    """The beginning of *words*, as a sentence."""
    first = words.split()
    shown = " ".join(first[:_QUOTED_WORDS])
    if len(first) > _QUOTED_WORDS:
        return f"{shown} and so on."
    return shown if shown.endswith((".", "!", "?")) else f"{shown}."


_ONES = dict(zip("one two three four five six seven eight nine".split(), range(1, 10), strict=True))
_TEENS = dict(
    zip(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(),
        range(10, 20),
        strict=True,
    )
)
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_NUMBERS = {"zero": 0} | _ONES | _TEENS | _TENS
_OPERATORS = {
    "plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/", "over": "/",
    "+": "+", "-": "-", "\N{MINUS SIGN}": "-", "*": "*", "x": "*", "\N{MULTIPLICATION SIGN}": "*", "/": "/",
    "\N{DIVISION SIGN}": "/",
}  # fmt: skip

_ONE = rf"(?:{'|'.join(_ONES)})"
_BELOW_HUNDRED = rf"(?:(?:{'|'.join(_TENS)})(?:[ -]{_ONE})?|{'|'.join(_TEENS)}|{_ONE}|zero)"
_NUMBER = rf"(?:\d{{1,4}}|(?:{_ONE}|a) hundred(?: (?:and )?{_BELOW_HUNDRED})?|{_BELOW_HUNDRED})"
# What stands between digits without spaces may be a date, a fraction or the size of a picture.
_OPERATOR = re.compile(
    " (?:plus|minus|times|multiplied by|divided by|over|[-\N{MINUS SIGN}x/]) "
    "| ?[+*\N{MULTIPLICATION SIGN}\N{DIVISION SIGN}] ?"
)
_SUM = re.compile(
    rf"(?<![\w.,:/-])(?<!- )(?P<left>{_NUMBER})(?P<operator>{_OPERATOR.pattern})(?P<right>{_NUMBER})(?![\w%]|[.,:/-]\w)"
)

_OBSCENE = re.compile(
    r"\b(?:(?:mother)?fuck\w*|(?:bull|horse|dip)?shit\w*|cunts?|(?:ass|dick)holes?|dick(?:head)?s?|cock(?:sucker)?s?"
    r"|bitch\w*|bastards?|sluts?|slutty|whores?|pussy|twats?|wank(?:ers?)?|piss\w*|faggots?|nigg(?:er)?s?)\b",
    re.IGNORECASE,
)


# The worker, from outside


class Worker:
    """A process that listens and speaks, for one caller at a time."""

    def __init__(self) -> None:
        # The path is handed over because it may have been changed in this process.
        program = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import work; work()"
        self._process = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
            [sys.executable, "-Wignore", "-c", program, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # A pipe each, which the types cannot know.
        self._requests: IO[bytes] = self._process.stdin or io.BytesIO()
        self._replies: IO[bytes] = self._process.stdout or io.BytesIO()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, verb: bytes, payload: bytes) -> tuple[bytes, bytes]:
        """Blocks until the answer is there. Raises `EOFError` or `OSError` when the process has ended."""
        _put(self._requests, verb, payload)
        reply = _get(self._replies)
        if reply is None:
            raise EOFError(f"the worker process ended with {self._process.wait()}")
        return reply

    def kill(self) -> None:
        """End it at once, whatever it does; `ask` in another thread raises."""
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def dismiss(self) -> None:
        """Let it end by itself, which an idle one does at once."""
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._requests, self._replies):
            with contextlib.suppress(OSError):  # what was not flushed has nobody to go to
                pipe.close()


idle: list[Worker] = []
"""The workers that wait for work, the one used last at the end."""

_line: RunVar[CapacityLimiter] = RunVar("realtime_azure.emulator.voice")


async def _ask(verb: bytes, payload: bytes) -> bytes:
    if not available():
        raise ConfigurationError(
            "the emulator has no voice here: install the extra realtime-azure[emulator-voice] "
            "(pocketsphinx and espeak-ng; there is none for Python 3.14 and later)"
        )
    async with _limiter():
        worker = _idle_worker()
        try:
            # With a limiter of its own: it must not wait behind other people's threads, nor they behind it.
            status, reply = await to_thread.run_sync(
                worker.ask, verb, payload, abandon_on_cancel=True, limiter=CapacityLimiter(1)
            )
        except (OSError, EOFError) as exc:
            worker.kill()
            raise RealtimeError(f"the emulator's voice was lost: {exc}") from exc
        except BaseException:
            # Cancelled: what the worker is computing, nobody waits for, and the next caller must not get.
            worker.kill()
            raise
        idle.append(worker)
    if status != b"+":
        raise RealtimeError(f"the emulator's voice failed: {reply.decode()}")
    return reply


def _limiter() -> CapacityLimiter:
    try:
        return _line.get()
    except LookupError:
        limiter = CapacityLimiter(WORKERS)
        _line.set(limiter)
        return limiter


def _idle_worker() -> Worker:
    while idle:
        worker = idle.pop()
        if worker.alive:
            return worker
        worker.kill()
    return Worker()


@atexit.register
def _dismiss() -> None:
    while idle:
        idle.pop().dismiss()


_HEADER = struct.Struct("<cI")


def _put(pipe: IO[bytes], kind: bytes, payload: bytes) -> None:
    pipe.write(_HEADER.pack(kind, len(payload)) + payload)
    pipe.flush()


def _get(pipe: IO[bytes]) -> tuple[bytes, bytes] | None:
    """The next message, or None where the other side has gone."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    kind, size = _HEADER.unpack(header)
    payload = pipe.read(size)
    return (kind, payload) if len(payload) == size else None


# The worker, from inside


def work() -> None:
    """What the worker process does, until the pipe of requests ends.

    It also ends when the parent was killed; what it is at work on, it finishes first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a C library that prints must not garble the replies
    verbs: dict[bytes, Callable[[bytes], bytes]] = {b"t": _transcribed, b"s": _spoken, b"w": _warmed_up}
    while request := _get(sys.stdin.buffer):
        verb, payload = request
        try:
            status, reply = b"+", verbs[verb](payload)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is told to the caller, and the next one is served
            status, reply = b"-", f"{type(exc).__name__}: {exc}".encode()
        _put(replies, status, reply)


class _Hypothesis(Protocol):
    hypstr: str


class _Recogniser(Protocol):
    """What is used of pocketsphinx's Decoder, which has no types."""

    def reinit_feat(self) -> None: ...
    def start_utt(self) -> None: ...
    def process_raw(self, data: bytes, /, *, full_utt: bool) -> None: ...
    def end_utt(self) -> None: ...
    def hyp(self) -> _Hypothesis | None: ...


def _transcribed(pcm: bytes) -> bytes:
    if max(map(level, chunks(pcm, 20)), default=0.0) < _SILENCE:
        return b""
    recogniser = _recogniser()
    # Without this, what was heard before would have a say in what is heard now.
    recogniser.reinit_feat()
    recogniser.start_utt()
    try:
        # All in one: piece by piece, the first second would be heard through a guess of the line's sound.
        recogniser.process_raw(resample(pcm, RATE, _HEARING_RATE), full_utt=True)
    finally:
        recogniser.end_utt()
    hypothesis = recogniser.hyp()
    return hypothesis.hypstr.lower().encode() if hypothesis else b""


@cache
def _recogniser() -> _Recogniser:
    recogniser: _Recogniser = importlib.import_module("pocketsphinx").Decoder(
        samprate=_HEARING_RATE, loglevel="FATAL", maxhmmpf=_BREADTH
    )
    return recogniser


_BREADTH = 3000  # of the search: two fifths less time than with the default 30000, for the same words

_SYNCHRONOUS, _NO_EXIT, _UTF8 = 2, 0x8000, 1  # espeak-ng/speak_lib.h


class _Synthesiser:
    """espeak-ng, of which there is one in a process."""

    def __init__(self) -> None:
        loader: Any = importlib.import_module("espeakng_loader")
        self._espeak = ctypes.CDLL(loader.get_library_path())
        folder = os.fsencode(Path(loader.get_data_path()).parent)
        self.rate = int(self._espeak.espeak_Initialize(_SYNCHRONOUS, 0, folder, _NO_EXIT))
        if self.rate <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data in {os.fsdecode(folder)}")
        if self._espeak.espeak_SetVoiceByName(b"en-us"):
            raise RuntimeError("espeak-ng has no voice en-us")
        self._pieces: list[bytes] = []
        # Kept here, or it would be gone when espeak-ng calls it.
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(self._take)
        self._espeak.espeak_SetSynthCallback(self._callback)

    def __call__(self, text: bytes) -> bytes:
        """*text* as PCM16 mono at `rate`."""
        self._pieces.clear()
        size = ctypes.c_size_t(len(text) + 1)
        if error := self._espeak.espeak_Synth(text, size, 0, 0, 0, _UTF8, None, None):
            raise RuntimeError(f"espeak-ng returned {error}")
        return b"".join(self._pieces)

    def _take(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0  # go on


_synthesiser = cache(_Synthesiser)


def _spoken(text: bytes) -> bytes:
    synthesiser = _synthesiser()
    return resample(synthesiser(text.replace(b"\0", b" ")), synthesiser.rate, RATE)


def _warmed_up(_: bytes) -> bytes:
    _recogniser()
    _synthesiser()
    return b""
