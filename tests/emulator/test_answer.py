"""One response, event by event. The tables are what Azure's GA service sent in recorded sessions of July 2026."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from realtime_azure.audio import pcm
from realtime_azure.emulator.answer import Answer, new_id
from realtime_azure.events import UnknownEvent, decode

from ..audio.tones import tone

Fields = dict[str, Any]

PCM: Fields = {"type": "audio/pcm", "rate": 24000}
WORDS = "Hello there! Great to meet you, whoever you are."

OPENING = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
SPOKEN = "response.output_audio_transcript.delta"
SOUND = "response.output_audio.delta"
TYPED = "response.output_text.delta"
ENDING = [
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
SPOKEN_ENDING = ["response.output_audio.done", "response.output_audio_transcript.done", *ENDING]
TYPED_ENDING = ["response.output_text.done", *ENDING]

WHERE = "response_id item_id output_index content_index"
KEYS = {
    name: {"type", "event_id", *fields.split()}
    for name, fields in {
        "response.created": "response",
        "response.output_item.added": "response_id output_index item",
        "conversation.item.added": "previous_item_id item",
        "response.content_part.added": f"{WHERE} part content",
        SPOKEN: f"{WHERE} delta obfuscation",
        SOUND: f"{WHERE} delta",
        TYPED: f"{WHERE} delta obfuscation",
        "response.output_audio.done": WHERE,
        "response.output_audio_transcript.done": f"{WHERE} transcript",
        "response.output_text.done": f"{WHERE} text",
        "response.content_part.done": f"{WHERE} part content",
        "conversation.item.done": "previous_item_id item",
        "response.output_item.done": "response_id output_index item",
        "response.done": "response",
    }.items()
}
RESPONSE_KEYS = set(
    "object id status status_details output conversation_id output_modalities max_output_tokens audio usage "
    "metadata".split()
)
ITEM_KEYS = {"id", "type", "status", "role", "content"}


def answer(*, spoken: bool, **more: Any) -> Answer:
    settings: Fields = {
        "audio_output": {"format": PCM, "voice": "emulator"},
        "conversation_id": "conv_1",
        "input_tokens": {"text_tokens": 14, "audio_tokens": 26},
        "previous_item_id": "item_before",
    }
    return Answer(spoken=spoken, **(settings | more))


def told(made: Answer, text: str = WORDS, sound: bytes = b"") -> list[Fields]:
    """A whole response."""
    return [made.created(), *(event for event, _ in made.say(text, sound)), *made.done()]


def types(events: list[Fields]) -> list[str]:
    return [event["type"] for event in events]


def joined(events: list[Fields], name: str) -> str:
    return "".join(event["delta"] for event in events if event["type"] == name)


def sound_in(events: list[Fields]) -> bytes:
    return b"".join(pybase64.b64decode(event["delta"], validate=True) for event in events if event["type"] == SOUND)


def test_a_spoken_answer_has_the_order_of_the_service() -> None:
    """The transcript runs ahead of the sound."""
    events = told(answer(spoken=True), "One two three four five six seven.", tone(300, 24000, 0.55))
    assert types(events) == [
        *OPENING,
        *[SPOKEN, SPOKEN, SPOKEN],
        *[SOUND, SPOKEN, SPOKEN],
        *[SOUND, SPOKEN, SPOKEN],
        *[SOUND, SOUND, SOUND, SOUND],
        *SPOKEN_ENDING,
    ]


def test_a_written_answer_has_the_order_of_the_service() -> None:
    events = told(answer(spoken=False), "It is foggy.")
    assert types(events) == [*OPENING, TYPED, TYPED, TYPED, *TYPED_ENDING]


@pytest.mark.parametrize("spoken", [True, False])
def test_each_event_has_the_fields_that_the_service_sends(spoken: bool) -> None:
    events = told(answer(spoken=spoken), WORDS, pcm.silence(1) if spoken else b"")
    for event in events:
        assert set(event) == KEYS[event["type"]]
        assert set(event.get("item", ITEM_KEYS)) == ITEM_KEYS
        assert set(event.get("response", RESPONSE_KEYS)) == RESPONSE_KEYS
        assert event.get("part") == event.get("content")


@pytest.mark.parametrize(
    ("spoken", "part", "content"),
    [
        (True, {"type": "audio", "transcript": WORDS}, {"type": "output_audio", "transcript": WORDS}),
        (False, {"type": "text", "text": WORDS}, {"type": "output_text", "text": WORDS}),
    ],
)
def test_parts_and_items_name_their_content_as_the_service_does(spoken: bool, part: Fields, content: Fields) -> None:
    """In `content_part` events it says `audio`, in items `output_audio`."""
    events = {event["type"]: event for event in told(answer(spoken=spoken), WORDS, pcm.silence(1) if spoken else b"")}
    assert events["response.content_part.done"]["part"] == part
    for item in (
        events["conversation.item.done"]["item"],
        events["response.output_item.done"]["item"],
        events["response.done"]["response"]["output"][0],
    ):
        assert (item["type"], item["role"], item["status"], item["content"]) == (
            "message",
            "assistant",
            "completed",
            [content],
        )


def test_the_item_begins_empty() -> None:
    events = {event["type"]: event for event in told(answer(spoken=True), WORDS, pcm.silence(1))}
    for name in ("response.output_item.added", "conversation.item.added"):
        assert events[name]["item"]["content"] == []
        assert events[name]["item"]["status"] == "in_progress"
    assert events["response.content_part.added"]["part"] == {"type": "audio", "transcript": ""}
    assert events["conversation.item.added"]["previous_item_id"] == "item_before"


def test_the_response_begins_without_output_or_usage() -> None:
    response = answer(spoken=True, metadata={"topic": "weather"}).created()["response"]
    assert response["status"] == "in_progress"
    assert response["output"] == []
    assert response["usage"] is None
    assert response["output_modalities"] == ["audio"]
    assert response["audio"] == {"output": {"format": PCM, "voice": "emulator"}}
    assert response["metadata"] == {"topic": "weather"}
    assert response["conversation_id"] == "conv_1"


@pytest.mark.parametrize("spoken", [True, False])
def test_one_answer_has_one_id_of_its_own_throughout(spoken: bool) -> None:
    events = told(answer(spoken=spoken), WORDS, pcm.silence(1) if spoken else b"")
    assert len({event["event_id"] for event in events}) == len(events)
    assert len({event["response_id"] for event in events if "response_id" in event}) == 1
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1
    assert {event["response"]["id"] for event in events if "response" in event} == {events[1]["response_id"]}


@pytest.mark.parametrize("kind", ["item", "resp", "event", "sess", "conv"])
def test_an_id_looks_like_one_of_the_service(kind: str) -> None:
    assert len(new_id(kind)) == len(f"{kind}_E4GEZUXbZh0dvbymudD3g")
    assert new_id(kind) != new_id(kind)


@given(
    words=st.lists(st.text(max_size=8), max_size=12),
    sound=st.integers(0, 5000).map(bytes),
    spoken=st.booleans(),
)
def test_deltas_add_up_to_what_is_said_in_the_end(words: list[str], sound: bytes, spoken: bool) -> None:
    """Whatever the words: spaces, line breaks, nothing at all."""
    text = " ".join(words)
    sound = sound if spoken else b""
    made = answer(spoken=spoken, bytes_per_second=8000)
    events = told(made, text, sound)
    assert joined(events, SPOKEN if spoken else TYPED) == text
    assert sound_in(events) == sound
    done = next(event for event in events if event["type"].endswith(("transcript.done", "text.done")))
    assert done["transcript" if spoken else "text"] == text


@pytest.mark.parametrize(("rate", "seconds"), [(48000, 1.25), (8000, 1.25)])
def test_sound_comes_in_pieces_of_a_tenth_of_a_second(rate: int, seconds: float) -> None:
    """Each with how long it plays, for who paces them; the last piece is what is left."""
    made = answer(spoken=True, bytes_per_second=rate)
    pieces = list(made.say("a b c d", bytes(range(250)) * int(rate * seconds / 250)))
    lasting = [lasts for event, lasts in pieces if event["type"] == SOUND]
    assert lasting == pytest.approx([0.1] * 12 + [0.05])
    assert all(lasts == 0 for event, lasts in pieces if event["type"] != SOUND)


def test_usage_adds_up() -> None:
    """As the service counts sound: 20 tokens for a second that is spoken. A word counts as one."""
    usage = told(answer(spoken=True), "one two three", pcm.silence(2.5))[-1]["response"]["usage"]
    assert usage["output_token_details"] == {"text_tokens": 3, "audio_tokens": 50}
    assert usage["output_tokens"] == 53
    assert usage["input_tokens"] == 14 + 26
    assert usage["total_tokens"] == 40 + 53
    heard = usage["input_token_details"]
    assert (heard["text_tokens"], heard["audio_tokens"], heard["image_tokens"], heard["cached_tokens"]) == (
        14,
        26,
        0,
        0,
    )
    assert heard["cached_tokens_details"] == {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}


def test_no_text_has_no_audio_tokens() -> None:
    usage = told(answer(spoken=False), "one two three")[-1]["response"]["usage"]
    assert usage["output_token_details"] == {"text_tokens": 3, "audio_tokens": 0}


def test_an_answer_that_failed_before_it_began_ends_with_no_output() -> None:
    details = {"type": "failed", "error": {"type": "server_error", "code": None, "message": "no"}}
    made = answer(spoken=True)
    (event,) = made.done("failed", details)
    assert event["type"] == "response.done"
    assert event["response"]["status"] == "failed"
    assert event["response"]["status_details"] == details
    assert event["response"]["output"] == []
    assert event["response"]["usage"]["output_tokens"] == 0


OPENED_AND_CLOSED = [
    ("response.output_item.added", "response.output_item.done"),
    ("conversation.item.added", "conversation.item.done"),
    ("response.content_part.added", "response.content_part.done"),
]


@pytest.mark.parametrize("spoken", [True, False])
def test_cut_at_any_point_it_ends_well(spoken: bool) -> None:
    """What was opened is closed, what was not is not, and what is said in the end is what was sent."""
    sound = pcm.silence(0.7) if spoken else b""
    count = len(list(answer(spoken=spoken).say(WORDS, sound)))
    for cut in range(count + 1):
        made = answer(spoken=spoken)
        before = [event for event, _ in islice(made.say(WORDS, sound), cut)]
        after = list(made.done("cancelled", {"type": "cancelled", "reason": "turn_detected"}))
        for opened, closed in OPENED_AND_CLOSED:
            assert types(before).count(opened) == types(after).count(closed), f"{closed} after {cut} events"
        names = [name for name in (SPOKEN_ENDING if spoken else TYPED_ENDING) if name in types(after)]
        assert types(after) == names

        said = joined(before, SPOKEN if spoken else TYPED)
        response = after[-1]["response"]
        assert response["status"] == "cancelled"
        assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert response["usage"]["output_token_details"] == {
            "text_tokens": len(said.split()),
            "audio_tokens": round(20 * pcm.duration(sound_in(before))),
        }
        assert len(response["output"]) == types(before).count("response.output_item.added")
        for item in response["output"]:
            assert item["status"] == "incomplete"
        if "response.content_part.added" in types(before):
            assert response["output"][0]["content"][0]["transcript" if spoken else "text"] == said
            done = after[1 if spoken else 0]
            assert done["transcript" if spoken else "text"] == said


@pytest.mark.parametrize("spoken", [True, False])
def test_our_own_reader_finds_nothing_wrong(spoken: bool) -> None:
    for event in told(answer(spoken=spoken), WORDS, pcm.silence(1) if spoken else b""):
        read = decode(to_json(event))
        assert not isinstance(read, UnknownEvent)
        assert read.problems == ()
        assert read.type == event["type"]
