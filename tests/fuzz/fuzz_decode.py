"""Coverage-guided fuzzing of events, both ways: `python -m tests.fuzz.fuzz_decode -max_total_time=600`.

Not part of the test suite. `pip install atheris` first (Python 3.11 to 3.13). The options are libFuzzer's. A folder is
where it keeps what it has learnt (else a temporary one is made, and stays), a file is one message to be tried: that
which broke a promise is `crash-…` in the working directory.

The bytes are a message to be read, and if they are JSON, also an event to be sent and one to be translated.
"""

from __future__ import annotations

import base64
import json
import math
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

try:
    atheris: Any = import_module("atheris")
except ModuleNotFoundError:
    sys.exit("this needs atheris: pip install atheris")

with atheris.instrument_imports(include=["realtime_azure.events"]):
    from pydantic import ValidationError

    from realtime_azure import InvalidEvent
    from realtime_azure.events import (
        Event,
        ServerEvent,
        SessionConfig,
        SessionCreated,
        SessionUpdated,
        UnknownEvent,
        decode,
        encode,
        preview,
        voice_live,
        wire,
    )
    from tests.events.messages import CLIENT_CLASSES, EVERY_MESSAGE, SERVER_CLASSES, parts_below
    from tests.events.test_writing import SENT

EXACT = 2**53
"""Integers up to this are the same as floats."""

CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE
STRANGE: dict[str, Any] = {
    "@bytes": b"\x00\xff",
    "@bytearray": bytearray(b"sound"),
    "@view": memoryview(b"sound")[::2],
    "@nan": math.nan,
    "@inf": -math.inf,
    "@huge": 10**5000,
    "@half": "\ud83d",
    "@tuple": (1, "x"),
    "@set": {1},
    "@none": None,
    "@object": object(),
    "@circle": CIRCLE,
    "@model": SessionConfig(instructions="x"),
}
"""What JSON cannot say and a caller's mapping can, by the word that stands for it, as a value or as a key."""


class Broken(AssertionError):
    """A promise that does not hold."""


def hold(promise: bool, said: str) -> None:
    # No `assert`: it would be gone with -O.
    if not promise:
        raise Broken(said)


# Reading.


def read(message: bytes) -> None:
    event = decode(message)
    hold(isinstance(event, Event), "not an event")
    hold(event.raw == message, "raw is not what was received")
    repr(event)
    if isinstance(event, SessionCreated | SessionUpdated):
        repr(event.session.ga)  # a connection asks for it
    if is_whole(event):
        given = json.loads(message.decode())
        written = json.loads(event.model_dump_json(exclude_unset=True))
        hold(same(given, written), f"not given back: {written!r}")
    with suppress(ValidationError):
        wire.read_client_event(message)


def is_whole(event: ServerEvent) -> bool:
    """Whether all of the message is in *event*."""
    if isinstance(event, UnknownEvent) and not {"type", "event_id"} <= event.model_fields_set:
        return False  # what has the wrong shape is dropped: only `raw` has it
    return not event.problems


def same(given: Any, written: Any) -> bool:
    """Whether *written* says what was *given*, but for what no reader can keep (`raw` is the record of that)."""
    match given, written:
        case dict(), dict():
            return given.keys() == written.keys() and all(same(given[name], written[name]) for name in given)
        case list(), list():
            return len(given) == len(written) and all(map(same, given, written))
        case _:
            equal = given == written and isinstance(given, bool) == isinstance(written, bool)
            return equal or is_exempt(given, written)


def is_exempt(given: Any, written: Any) -> bool:
    match given, written:
        case float(), _:
            return not math.isfinite(given)
        case int(), float():
            return abs(given) > EXACT
        case str(), str():
            return canonical(given) == written
        case _:
            return False


def canonical(text: str) -> str | None:
    """*text* as base64 should be, if it is one of the other alphabet, or with bits or padding too many or too few."""
    bare = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64encode(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)).decode()
    except ValueError:
        return None


# Writing.


def write(fields: dict[str, Any]) -> None:
    event = strange(fields)
    for extra in (False, True):
        for live in (False, True):
            try:
                message = encode(event, extra=extra, voice_live=live)
            except InvalidEvent:
                continue
            translate(json.loads(message))


def strange(value: Any, name: str = "") -> Any:
    """*value* as a caller may give it: sound as bytes, and whatever else a mapping can hold."""
    match value:
        case dict():
            return {hashable(key): strange(each, key) for key, each in value.items()}
        case list():
            return [strange(each) for each in value]
        case str() if value in STRANGE:
            return STRANGE[value]
        case str() if name == "audio":
            return value.encode("utf-8", "surrogatepass")
        case _:
            return value


def hashable(key: str) -> Any:
    made = STRANGE.get(key, key)
    return key if isinstance(made, bytearray | dict | set | Event | SessionConfig) else made


def translate(event: Any) -> None:
    for extra in (False, True):
        for there, back in (
            (preview.to_dated, preview.from_dated),
            (preview.to_voice_live, preview.from_voice_live),
        ):
            with suppress(InvalidEvent):
                back(there(event, extra=extra))


def try_one(data: bytes) -> None:
    message = bytes(data)
    read(message)
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError):
        return
    if isinstance(fields, dict):
        write(fields)
        translate(fields)
        preview.from_dated(fields)
        preview.from_voice_live(fields)


# Where it starts, and how it goes on.


def seeds() -> Iterator[Any]:
    yield from EVERY_MESSAGE
    yield from (fields for _, fields in SENT)
    for kind in sorted(preview.VOICE_LIVE_SERVER_TYPES | preview.VOICE_LIVE_CLIENT_TYPES):
        yield {"type": kind, "delta": "AAEC", "audio": "AAEC", "item_id": "i", "session": {"id": "s"}}
    for flat in (voice_live.VoiceLiveSession, voice_live.VoiceLiveResponseConfig):
        for name in flat.model_fields:
            yield {"type": "session.updated", "session": {name: None, "input_audio_sampling_rate": 16000}}
            yield {"type": "session.update", "session": {name: "x"}}
            yield {"type": "response.create", "response": {name: "x"}}


def all_within(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from all_within(each)


def deep(levels: int) -> Any:
    inside: Any = 1
    for _ in range(levels):
        inside = {"a": [inside]}
    return inside


SEEDS = list(seeds())
FOUND = [each for seed in SEEDS for each in all_within(seed)]
CLASSES = (*SERVER_CLASSES, *CLIENT_CLASSES)
NAMES = sorted({name for made in (*CLASSES, *set().union(*map(parts_below, CLASSES))) for name in made.model_fields})
VALUES = [
    *FOUND,
    *STRANGE,
    *(0, -1, 1.5, 2**53 + 1, -(2**63), 2**64, 10**400, 1e308, math.nan, math.inf, True, False, None),
    *("", "\x00", "\ud83d", "\N{FOGGY}", "AA-_", "AAB=", "auto", [], {}, [[]], [{}], {"type": None}, {"": 5}),
]


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """JSON changed as JSON, or any bytes as bytes."""
    chance = random.Random(seed)  # noqa: S311 - libFuzzer's own chance, so that a run can be had again
    try:
        fields = json.loads(data) if chance.random() < 0.75 else None
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        for _ in range(chance.randint(1, 3)):
            change(chance.choice([each for each in all_within(fields) if isinstance(each, dict | list)]), chance)
        # With half of a pair, it is not UTF-8, or an escape: either is a message to be read.
        text = json.dumps(fields, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        if len(text) <= max_size:
            return text
    mutated: bytes = atheris.Mutate(data, max_size)
    return mutated


def change(here: Any, chance: random.Random) -> None:
    """Adds to *here*, a dict or a list, or takes something away, or puts another thing in its place."""
    places: list[Any] = list(here) if isinstance(here, dict) else list(range(len(here)))
    value = json.loads(json.dumps(chance.choice(VALUES)))
    what = chance.randrange(4)
    if places and what == 0:
        del here[chance.choice(places)]
    elif places and what == 1:
        here[chance.choice(places)] = value
    elif isinstance(here, dict):
        here[chance.choice([*NAMES, *STRANGE])] = value
    else:
        here.insert(chance.randint(0, len(here)), value)


def as_dictionary() -> str:
    """The words of the protocol, for libFuzzer, which puts them in where it likes."""
    words = {json.dumps(each) for each in (*NAMES, *STRANGE, *(each for each in FOUND if isinstance(each, str)))}
    quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in sorted(words) if len(word) < 60)
    return "".join(f'"{word}"\n' for word in quoted)


def main(one: Callable[[bytes], None] = try_one) -> None:
    wire.prepare(voice_live=True)
    folder = Path(tempfile.mkdtemp(prefix="fuzz_decode_"))
    (folder / "words").write_text(as_dictionary())
    corpus, start = folder / "corpus", folder / "seeds"
    for each in (corpus, start):
        each.mkdir()
    depths = [{"type": kind, "session": {"prompt": deep(n)}} for kind in ("session.update", "error") for n in (90, 200)]
    for at, seed in enumerate([*SEEDS, *depths]):
        (start / str(at)).write_bytes(json.dumps(seed).encode())
    given = sys.argv[1:]
    folders = [] if any(not each.startswith("-") for each in given) else [str(corpus)]
    if not any(Path(each).is_file() for each in given):
        folders.append(str(start))
    options = [sys.argv[0], f"-dict={folder / 'words'}", "-timeout=10", *given, *folders]
    atheris.Setup(options, one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
