"""What the service really said: every message of every recording is read, typed and given back as it was."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from realtime_azure.events import UnknownEvent, decode
from realtime_azure.events.wire import encode

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"


def messages(direction: str) -> list[Any]:
    found: list[Any] = []
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            recorded = json.loads(line)
            if recorded["direction"] == direction:
                found.append(pytest.param(recorded["data"], id=f"{path.stem}:{number}-{recorded['data']['type']}"))
    return found


@pytest.mark.parametrize("message", messages("received"))
def test_what_the_service_said_is_typed_and_given_back(message: dict[str, Any]) -> None:
    wire = json.dumps(message).encode()
    event = decode(wire)
    assert not isinstance(event, UnknownEvent)
    assert event.problems == ()
    assert json.loads(event.model_dump_json(exclude_unset=True)) == message
    assert event.raw == wire


@pytest.mark.parametrize("message", messages("sent"))
def test_what_was_said_to_the_service_can_be_said_here(message: dict[str, Any], request: pytest.FixtureRequest) -> None:
    given = message
    if message["type"] == "input_audio_buffer.append":  # which takes bytes
        given = {**message, "audio": base64.b64decode(message["audio"])}
    assert json.loads(encode(given, voice_live="voice_live" in request.node.name)) == message


def test_no_recording_is_missing() -> None:
    assert len(list(RECORDINGS.glob("*.jsonl"))) == 4
    assert len(messages("received") + messages("sent")) == 224
