"""What the service was recorded to say, against what the emulator says to the same client: every recording is replayed.

The kinds of events and their order are the same. So are the fields of each event, but for those in `DIFFERENCES`.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from anyio import Event, fail_after

from realtime_azure import connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import FunctionCall, Reply, Seen, Turn, serve
from realtime_azure.testing import Cassette, Comparison, replay

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = sorted((ROOT / "tests" / "recordings").glob("*.jsonl"))
QUESTION = wav.read(ROOT / "audio_samples" / "question_capital.wav").pcm + pcm.silence(0.5)
APPEND = "input_audio_buffer.append"
FAILED = "conversation.item.input_audio_transcription.failed"

DIFFERENCES = {
    # An emulator must not be taken for the service, by whoever reads a log of it.
    ("session.created", "session.emulator"),
    ("session.updated", "session.emulator"),
}
"""Fields that the emulator has and the service has not, or the other way round, in any recording."""


def with_sound(tape: Cassette, sound: bytes) -> Cassette:
    """*tape* with *sound* in its appends: what was said there was cut short, and is no speech any more."""
    count = sum(message.type == APPEND for message in tape.messages)
    pieces = chain(pcm.chunks(sound, math.ceil(pcm.duration(sound) * 1000 / max(count, 1))), repeat(b""))
    return replace(
        tape,
        messages=tuple(
            replace(message, fields={**message.fields, "audio": base64.b64encode(next(pieces)).decode()})
            if message.type == APPEND
            else message
            for message in tape.messages
        ),
    )


async def replayed(path: Path) -> tuple[Comparison, list[dict[str, Any]]]:
    """How the recording *path* compares with the emulator, and what that said in full."""
    tape = with_sound(Cassette.read(path), QUESTION)
    said: list[dict[str, Any]] = []
    failed = Event()
    if all(message.type != FAILED for message in tape.messages):
        failed.set()

    def watch(seen: Seen) -> None:
        if not seen.by_client:
            said.append(json.loads(seen.message))
            if said[-1]["type"] == FAILED:
                failed.set()

    async def responder(turn: Turn) -> Reply | FunctionCall:
        with fail_after(5):  # the service's was slower to answer than to see that it has no such transcriber
            await failed.wait()
        if turn.tools and not turn.results:
            return FunctionCall("get_weather", {"city": "London"})
        return Reply("Hello, it is foggy in London.")

    async def transcriber(sound: bytes) -> str:
        raise LookupError("there is no such deployment")

    live = tape.dialect == "voice-live"
    async with serve(pace=math.inf, responder=responder, transcriber=transcriber, watch=watch) as emulator:
        url, version = (f"{emulator.url}/voice-live", "2025-10-01") if live else (emulator.url, "v1")
        async with connect(url, deployment="any", api_version=version, api_key=emulator.api_key) as connection:
            return await replay(tape, connection, timeout=5), said


def fields_of(event: Any, path: str = "") -> Iterator[str]:
    """Where *event* has a field, whatever its value."""
    for name, value in event.items() if isinstance(event, dict) else ():
        yield f"{path}{name}"
        yield from fields_of(value, f"{path}{name}.")
    for each in event if isinstance(event, list) else ():
        yield from fields_of(each, path)


def fields_by_kind(events: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for event in events:
        found.setdefault(event["type"], set()).update(fields_of(event))
    return found


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """The transcriber fails here as it should, and the emulator's log says so."""
    caplog.set_level(logging.CRITICAL, "realtime_azure")


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
async def test_the_same_kinds_of_events_come_in_the_same_order(path: Path) -> None:
    comparison, _ = await replayed(path)
    assert comparison.same, str(comparison)


async def test_their_fields_are_the_same_but_for_those_that_are_listed() -> None:
    """And no difference is listed that is not there."""
    differences: set[tuple[str, str]] = set()
    for path in RECORDINGS:
        _, said = await replayed(path)
        recorded = [dict(each.fields) for each in Cassette.read(path).messages if each.direction == "received"]
        theirs, ours = fields_by_kind(recorded), fields_by_kind(said)
        assert theirs.keys() == ours.keys()
        differences |= {(kind, name) for kind in theirs for name in theirs[kind] ^ ours[kind]}
    assert differences == DIFFERENCES


async def test_no_recording_is_missing() -> None:
    assert len(RECORDINGS) == 4
