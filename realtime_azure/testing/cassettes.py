"""Cassettes: a session on file, a JSON line for each message, to be looked at, and to be played again.

    {"kind": "cassette", "version": 1, "made_by": "realtime_azure 0.1.0", "sound": "shortened"}
    {"kind": "message", "direction": "received", "at": 0.012, "data": {"type": "session.created", ...}}
    {"kind": "message", "direction": "sent", "at": 0.013, "data": {"type": "session.update", ...}}
    {"kind": "close", "at": 3.2, "code": 1000, "reason": ""}

*at* is seconds from the beginning. What signs in is not in it: headers are not written, and fields of messages that
are named as secrets are (a tool's `authorization` and `headers`, tokens, keys, passwords, a client secret's `value`)
say so instead, in the JSON text of a function's arguments and results, too; so does what looks like a token in any
text, and of URLs who signs in and what follows `?`. Of what is no JSON object, only the beginning is there, as far as
it names none of them. What a model says word by word is kept as it is. Nor is what a person said in it: of each piece
of sound the first hundredth of a second is left, unless it is asked to be kept. (Pictures are kept.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Self, TextIO

from .._version import __version__
from ..errors import RealtimeError

Direction = Literal["sent", "received"]
VERSION = 1
SCRUBBED = "(left out)"
SHORT = 640
"""Characters of base64 that are left of shortened sound: a hundredth of a second of PCM16 at 24 kHz."""

_NAMES = (
    "authorization|headers|cookie|(api|subscription|private|access|account)[_-]?key|sig|signature|pass(word|wd|phrase)|"
    "((access|refresh|id|auth|bearer|session|sas)[_-]?)?token|(client[_-]?)?secret|(client|server)[_-]?sdp|credentials?"
)
_SECRET_NAME = re.compile(rf"(?i)(?:^|[_-])(?:{_NAMES})$")
_NAMED = re.compile(rf"(?i)(?<![a-z])({_NAMES}|value|bearer)(?![a-z])")
_BEARER = re.compile(r"(?i)(?<![a-z0-9])(bearer )[\w.~+/=-]{8,}")
_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?:ek_\w{6,}|sk-[\w-]{16,}|eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]+)")
_URL = re.compile(r"(?i)((?:https?|wss?)://)([^\s/?#\"<>]*@)?([^\s?#\"<>]*)([?#](?:\(left out\)|[^\s\"<>])+)?")
_SOUND = frozenset(("response.output_audio.delta", "response.audio.delta", "session.output_audio.delta"))


class CassetteError(RealtimeError):
    """A file that is no cassette, or that is broken: the message says in which line."""


@dataclass(frozen=True)
class Recorded:
    """A message of a cassette: who said it, when (seconds from the beginning), and what."""

    direction: Direction
    fields: Mapping[str, Any] = field(repr=False)
    at: float = 0.0

    @property
    def type(self) -> str:
        return str(self.fields.get("type"))


@dataclass(frozen=True)
class Cassette:
    """A session that was recorded, and how it was closed, if that is known."""

    messages: tuple[Recorded, ...]
    close_code: int | None = None
    close_reason: str = ""

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The cassette in the file *path*. Raises `OSError`, and `CassetteError`."""
        lines: list[Recorded | tuple[int, str] | None] = []
        # Bytes: a text has more ends of lines (U+2028), and may end in the middle of a character.
        for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
            try:
                lines.append(_line(json.loads(line)))
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
                raise CassetteError(f"{path}, line {number}: this is no line of a cassette") from exc
        closed = [line for line in lines if isinstance(line, tuple)]
        code, reason = closed[-1] if closed else (None, "")
        return cls(tuple(line for line in lines if isinstance(line, Recorded)), code, reason)

    @property
    def dialect(self) -> Literal["ga", "preview", "voice-live"]:
        """What is spoken in it, by the first session there is."""
        for message in self.messages:
            session = message.fields.get("session")
            if isinstance(session, dict) and message.direction == "received":
                if isinstance(session.get("audio"), dict) or "output_modalities" in session:
                    return "ga"
                return "voice-live" if "input_audio_sampling_rate" in session else "preview"
        return "ga"


def _line(fields: dict[str, Any]) -> Recorded | tuple[int, str] | None:
    """A message, how it was closed, or the head of the file."""
    match fields["kind"]:
        case "message" if fields["direction"] in ("sent", "received") and isinstance(fields["data"], dict):
            return Recorded(fields["direction"], fields["data"], float(fields.get("at", 0.0)))
        case "close":
            return int(fields["code"]), str(fields.get("reason", ""))
        case "cassette" if fields["version"] == VERSION:
            return None
        case _:
            raise ValueError(fields["kind"])


class Recorder:
    """Writes a cassette to *file*, a text in UTF-8, line by line as things happen: `connect(watch=recorder)` tells it.

    With *sound* `"kept"` it has all that was said, aloud; else of each piece only the beginning. Whoever opened the
    file closes it.
    """

    def __init__(self, file: TextIO, *, sound: Literal["kept", "shortened"] = "shortened") -> None:
        self._file = file
        self._sound: Literal["kept", "shortened"] = sound
        self._began = monotonic()
        self._write(
            {"kind": "cassette", "version": VERSION, "made_by": f"realtime_azure {__version__}", "sound": sound}
        )

    def __call__(self, direction: Direction, message: bytes) -> None:
        """Writes *message*; what is no JSON object is written as text, with type `unreadable`."""
        data = fit_to_keep(message, sound=self._sound)
        self._write({"kind": "message", "direction": direction, "at": self._now(), "data": data})

    def closed(self, code: int, reason: str = "") -> None:
        """Writes how it ended; what only watches a connection does not know, and the cassette then does not say."""
        self._write({"kind": "close", "at": self._now(), "code": code, "reason": reason})

    def _now(self) -> float:
        return round(monotonic() - self._began, 4)

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        # Half a character (a lone surrogate) is no UTF-8; as an escape it is JSON.
        self._file.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
        self._file.flush()


@contextmanager
def recording(
    path: str | Path, *, sound: Literal["kept", "shortened"] = "shortened", overwrite: bool = False
) -> Generator[Recorder]:
    """A recorder that writes to the new file *path* for the length of the `with`.

        with recording("session.jsonl") as recorder:
            async with connect(..., watch=recorder) as connection:
                ...

    A recording of a service cannot be had again: one that is there stays, and `FileExistsError` is raised, unless
    *overwrite* says so. Raises `OSError` if the file cannot be written.
    """
    with Path(path).open("w" if overwrite else "x", encoding="utf-8") as file:
        yield Recorder(file, sound=sound)


def fit_to_keep(message: bytes, *, sound: Literal["kept", "shortened"] = "kept") -> dict[str, Any]:
    """*message* as it may be written down; one that is no JSON object, or is nested too deep, as text."""
    try:
        data = json.loads(message)
        if isinstance(data, dict):
            fit: dict[str, Any] = scrubbed(_shortened(data) if sound == "shortened" else data)
            return fit
    except (ValueError, RecursionError):
        pass
    text = message.decode("utf-8", "replace")
    if (secret := _NAMED.search(text)) is not None:
        text = text[: secret.start()] + SCRUBBED
    return {"type": "unreadable", "text": scrubbed(text[:SHORT])}


def scrubbed(value: Any) -> Any:
    """*value* without what nobody else should see."""
    match value:
        case dict():
            return {name: SCRUBBED if _is_secret(value, name) else scrubbed(each) for name, each in value.items()}
        case list():
            return [scrubbed(each) for each in value]
        case str():
            return _scrubbed_text(value)
        case _:
            return value


def _scrubbed_text(text: str) -> str:
    if text[:1] in ("{", "["):  # what a function is called with, and gives back
        try:
            inner = json.loads(text)
            fit = scrubbed(inner)
        except (ValueError, RecursionError):
            pass
        else:
            return text if fit == inner else json.dumps(fit, ensure_ascii=False, separators=(",", ":"))
    bare = _URL.sub(_bare, text) if "://" in text else text
    return _TOKEN.sub(SCRUBBED, _BEARER.sub(rf"\1{SCRUBBED}", bare))


def _bare(url: re.Match[str]) -> str:
    """A *url* without who signs in, and what is asked."""
    scheme, user, place, rest = url.groups()
    return f"{scheme}{f'{SCRUBBED}@' if user else ''}{place}{f'{rest[0]}{SCRUBBED}' if rest else ''}"


def _is_secret(fields: Mapping[str, Any], name: str) -> bool:
    if fields[name] is None or (name == "token" and "logprob" in fields):  # a token of another kind
        return False
    # {"client_secret": {"value": "ek_…", "expires_at": …}} is left out whole; so is one that stands alone.
    return _SECRET_NAME.search(name) is not None or (name == "value" and "expires_at" in fields)


def _shortened(value: Any) -> Any:
    """*value* with the beginning of each piece of sound."""
    match value:
        case dict():
            names = ("audio", "delta") if value.get("type") in _SOUND else ("audio",)
            return {
                name: each[:SHORT] if name in names and isinstance(each, str) else _shortened(each)
                for name, each in value.items()
            }
        case list():
            return [_shortened(each) for each in value]
        case _:
            return value
