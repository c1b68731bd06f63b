"""What events cost in CPU time, beside openai and plain JSON: `python -m tests.benchmarks.events_cpu [1000] [--check]`.

Reading: bytes to a typed event, sound to `bytes`, against openai's `parse_event` and against `json.loads` (with
`base64` where there is sound). Writing: what a user has, PCM or a dict, to the text of a client event, through the
verbs of either library as far as the socket, and against `json.dumps`. CPU time, alternating rounds, medians; the
number is how often each is done in a round. Then, in new processes, what importing `realtime_azure.events` and
`prepare()` cost beyond `import pydantic`, and whether anything is left for the first event to build. With `--check`,
the exit code says whether every target is reached (on the second try at the latest: a machine may be busy).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

from openai.resources.realtime.realtime import AsyncRealtimeConnection

from realtime_azure.events import InputAudioBufferAppend, SessionUpdate, decode, encode
from realtime_azure.events.dicts import MessageDict, ResponseConfigDict, SessionConfigDict
from realtime_azure.events.wire import Bytes, checked, dump, encode_append, prepare
from realtime_azure.verbs import ConversationItems, InputAudioBuffer, Responses, SessionVerbs, new_event_id

CLOCK = time.process_time
ROUNDS = 7
PROCESSES = 7
START_LIMIT = 0.35
"""Seconds of CPU from `import pydantic` until all is built."""

FIRST_LIMIT = 0.002
"""Seconds of CPU of a first event: nothing was built for it. Schemas take ten times as long."""

PCM = bytes(range(256)) * 19
"""4.8 kB: 100 ms of sound."""

_OF_CONTENT = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
SOUND = base64.b64encode(PCM).decode()
AUDIO_DELTA = {"type": "response.output_audio.delta", "event_id": "event_1", **_OF_CONTENT, "delta": SOUND}
TEXT_DELTA = {"type": "response.output_text.delta", "event_id": "event_2", **_OF_CONTENT, "delta": " hello"}
RESPONSE_DONE = {
    "type": "response.done",
    "event_id": "event_3",
    "response": {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "completed",
        "status_details": None,
        "output": [
            {
                "id": "item_1",
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_audio", "transcript": "Let me look up the weather in London for you."}],
            },
            {
                "id": "item_2",
                "object": "realtime.item",
                "type": "function_call",
                "status": "completed",
                "name": "get_weather",
                "call_id": "call_1",
                "arguments": '{"city":"London"}',
            },
        ],
        "conversation_id": "conv_1",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}},
        "usage": {
            "total_tokens": 285,
            "input_tokens": 163,
            "output_tokens": 122,
            "input_token_details": {
                "text_tokens": 63,
                "audio_tokens": 100,
                "image_tokens": 0,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": 22, "audio_tokens": 100},
        },
        "metadata": None,
    },
}
DATED_SESSION_CREATED = {
    "type": "session.created",
    "session": {"id": "sess_1", "modalities": ["text", "audio"], "voice": "alloy", "input_audio_format": "pcm16"},
}
SESSION: SessionConfigDict = {
    "type": "realtime",
    "instructions": "You are the assistant of a bookshop. Be brief, be kind, and never quote a price from memory.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": {"type": "near_field"},
            "transcription": {"model": "whisper-1", "language": "en"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
    },
    "tools": [
        {
            "type": "function",
            "name": "find_book",
            "description": "Looks a book up by its title.",
            "parameters": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
        }
    ],
    "tool_choice": "auto",
    "max_output_tokens": 4096,
}
ITEM: MessageDict = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Have you got Ulysses?"}],
}
CONFIG: ResponseConfigDict = {
    "instructions": "Say hello.",
    "output_modalities": ["audio"],
    "metadata": {"topic": "greeting"},
}


class OpenAiConnection(AsyncRealtimeConnection):
    """openai's connection, whose texts stay here."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None))

    async def _send(self, data: bytes | str) -> None:
        self.last = data


class OurConnection:
    """Our verbs, whose messages stay here; what they go through is what `Connection.send` does."""

    def __init__(self) -> None:
        self.session = SessionVerbs(self._ask)
        self.item = ConversationItems(self._ask)
        self.response = Responses(self._ask)
        self.input_audio_buffer = InputAudioBuffer(self._ask, self._append)

    async def _ask(self, event: Mapping[str, Any], answer: type[Any], *, wait: bool, extra: bool = False) -> None:
        made = checked(event, extra=extra)
        self.last = dump(made.model_copy(update={"event_id": new_event_id()}))

    async def _append(self, audio: Bytes, event_id: str | None, max_age: float | None) -> float:
        self.last = encode_append(audio, event_id)
        return 0.0


Once = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One thing to do, by us, by openai and by the standard library; *target* is how many times openai's cost it is."""

    name: str
    ours: Once
    openai: Once
    plain: Once
    target: float | None = None
    verbs: bool = False  # ours and openai's are coroutine functions


OURS = OurConnection()
THEIRS = OpenAiConnection()


def reading(name: str, message: dict[str, Any], target: float) -> Case:
    received = json.dumps(message).encode()
    if name == "audio delta":
        return Case(
            name,
            lambda: cast(Any, decode(received)).delta,
            lambda: base64.b64decode(cast(Any, THEIRS.parse_event(received)).delta),
            lambda: base64.b64decode(json.loads(received)["delta"]),
            target,
        )
    return Case(
        name, lambda: decode(received), lambda: THEIRS.parse_event(received), lambda: json.loads(received), target
    )


def append_of_openai() -> Awaitable[None]:
    return THEIRS.input_audio_buffer.append(audio=base64.b64encode(PCM).decode())


def plain_append() -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(PCM).decode()})


def verb(name: str, ours: Once, openai: Once, wire: dict[str, Any], target: float) -> Case:
    return Case(name, ours, openai, lambda: json.dumps(wire), target, verbs=True)


def cases() -> dict[str, list[Case]]:
    update = {"type": "session.update", "session": SESSION}
    create = {"type": "conversation.item.create", "item": ITEM}
    respond = {"type": "response.create", "response": CONFIG}
    theirs: Any = THEIRS  # its dicts are typed to the last key
    updated = SessionUpdate.model_validate(update)
    append = InputAudioBufferAppend(audio=PCM)
    return {
        "read": [
            reading("audio delta", AUDIO_DELTA, 12),
            reading("text delta", TEXT_DELTA, 18),
            reading("response.done", RESPONSE_DONE, 3),
        ],
        "write, by verbs": [
            Case(
                "input_audio_buffer.append",
                lambda: OURS.input_audio_buffer.append(PCM),
                append_of_openai,
                plain_append,
                40,
                verbs=True,
            ),
            verb(
                "session.update",
                lambda: OURS.session.update(SESSION),
                lambda: theirs.session.update(session=SESSION),
                update,
                3,
            ),
            verb(
                "conversation.item.create",
                lambda: OURS.item.create(ITEM),
                lambda: theirs.conversation.item.create(item=ITEM),
                create,
                3,
            ),
            verb(
                "response.create",
                lambda: OURS.response.create(CONFIG),
                lambda: theirs.response.create(response=CONFIG),
                respond,
                3,
            ),
        ],
        "write, by encode": [
            Case("append, a model", lambda: encode(append), lambda: None, plain_append),
            Case("session.update, a dict", lambda: encode(update), lambda: None, lambda: json.dumps(update)),
            Case("session.update, a model", lambda: encode(updated), lambda: None, lambda: json.dumps(update)),
        ],
    }


async def many(once: Callable[[], Awaitable[Any]], times: int) -> float:
    start = CLOCK()
    for _ in range(times):
        await once()
    return CLOCK() - start


def seconds(once: Once, times: int, *, verbs: bool) -> float:
    """CPU time of one, of so many."""
    gc.collect()
    if verbs:
        return asyncio.run(many(once, times)) / times
    start = CLOCK()
    for _ in range(times):
        once()
    return (CLOCK() - start) / times


def measure(case: Case, times: int) -> tuple[float, float, float]:
    """The medians of ours, openai's and plain JSON's."""
    taken: tuple[list[float], list[float], list[float]] = ([], [], [])
    for turn in range(ROUNDS + 1):
        for kept, once, verbs in zip(
            taken, (case.ours, case.openai, case.plain), (case.verbs, case.verbs, False), strict=True
        ):
            took = seconds(once, times if turn else min(times, 20), verbs=verbs)
            if turn:  # the first warms up
                kept.append(took)
    return statistics.median(taken[0]), statistics.median(taken[1]), statistics.median(taken[2])


def show(heading: str, some: list[Case], times: int) -> list[str]:
    """Prints the table; returns what was missed."""
    compared = any(case.target for case in some)
    beside = f"{'openai':>13}{'openai /':>10}{'target':>8}" if compared else " " * 31
    print(f"\n{heading:<28}{'ours':>10}{beside}{'JSON':>13}{'JSON /':>8}")
    missed: list[str] = []
    for case in some:
        ours, openai, plain = measure(case, times)
        if (
            case.target
            and openai / ours < case.target
            and (again := measure(case, times))[1] / again[0] > openai / ours
        ):
            ours, openai, plain = again
        reached = f"{openai * 1e6:10.1f} µs{openai / ours:9.1f}x{case.target:7.0f}x" if case.target else " " * 31
        print(f"{case.name:<28}{ours * 1e6:7.1f} µs{reached}{plain * 1e6:10.1f} µs{plain / ours:7.2f}x")
        if case.target and openai / ours < case.target:
            missed.append(f"{case.name}: {openai / ours:.1f}x of {case.target:.0f}x")
    return missed


# In a process of its own, after `import pydantic`; the messages come as its argument.
START = """
import json, sys, time
import pydantic
times = []
def lap(start=[time.process_time()]):
    now = time.process_time()
    times.append(now - start[0])
    start[0] = time.process_time()
messages = [json.dumps(each).encode() for each in json.loads(sys.argv[1])]
lap(); times.clear()
from realtime_azure.events import decode, wire
lap()
wire.prepare()
lap()
for message in messages:
    for _ in range(2):
        event = decode(message)
        if "session" in type(event).model_fields:
            event.session.ga
        lap()
print(json.dumps(times))
"""


def start_times(bytecode: str) -> list[float]:
    """CPU seconds of the import, of `prepare()`, and of the first and the second event of each kind."""
    # What is installed has been compiled; where nothing writes bytecode, it would be compiled each time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    messages = json.dumps([RESPONSE_DONE, DATED_SESSION_CREATED, AUDIO_DELTA, TEXT_DELTA])
    run = subprocess.run(
        [sys.executable, "-c", START, messages], check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    times: list[float] = json.loads(run.stdout)
    return times


def show_start() -> list[str]:
    with tempfile.TemporaryDirectory() as bytecode:
        start_times(bytecode)  # writes the bytecode
        runs = [start_times(bytecode) for _ in range(PROCESSES)]
    imported, prepared, *events = (statistics.median(each) for each in zip(*runs, strict=True))
    total = imported + prepared
    print(f"\nbeyond `import pydantic`: import {imported * 1000:.0f} ms, prepare() {prepared * 1000:.0f} ms of CPU")
    print(f"{'after prepare()':<28}{'first':>10}{'second':>13}")
    missed = [] if total <= START_LIMIT else [f"import and prepare(): {total:.2f} s of {START_LIMIT} s"]
    names = ("response.done", "dated session, in GA", "audio delta", "text delta")
    for name, first, second in zip(names, events[::2], events[1::2], strict=True):
        print(f"{name:<28}{first * 1e6:7.0f} µs{second * 1e6:10.0f} µs")
        if first > FIRST_LIMIT:
            missed.append(f"{name}: {first * 1000:.1f} ms for the first, of {FIRST_LIMIT * 1000:.0f} ms")
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", nargs="?", type=int, default=1000)
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    options = parser.parse_args()
    print(f"pydantic {version('pydantic')}, openai {version('openai')}")
    prepare()
    missed = [each for heading, some in cases().items() for each in show(heading, some, options.times)]
    missed += show_start() and show_start()
    for each in missed:
        print(f"missed: {each}")
    sys.exit(1 if missed and options.check else 0)


if __name__ == "__main__":
    main()
