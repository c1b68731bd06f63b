"""One response, event by event. The tables are what Azure's GA service sent in recorded sessions of July 2026."""

from __future__ import annotations

from collections.abc import Iterator
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

ARGUMENTS = "response.function_call_arguments.delta"
CALL_OPENING = ["response.output_item.added", "conversation.item.added"]
CALL_ENDING = ["response.function_call_arguments.done", "conversation.item.done", "response.output_item.done"]

WHERE = "response_id item_id output_index content_index"
CALLED = "response_id item_id output_index call_id"
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
        ARGUMENTS: f"{CALLED} delta obfuscation",
        "response.function_call_arguments.done": f"{CALLED} name arguments",
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
CALL_ITEM_KEYS = {"id", "type", "status", "name", "call_id", "arguments"}


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


def mixed(made: Answer) -> Iterator[Fields]:
    """What an answer may be: words, two calls, and words again, in one response."""
    sound = tone(300, 24000, 0.25) if made.spoken else b""
    for piece in (
        made.say("Let me look. ", sound),
        made.say("One moment.", b""),
        made.call("get_weather", '{"city":"Oslo"}'),
        made.call("get_time", "{}"),
        made.say("Both are on their way.", sound),
    ):
        for event, _ in piece:
            yield event


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


# Functions


def test_a_call_has_the_order_of_the_service() -> None:
    """As recorded: no content part, and the conversation's item is done before the response's."""
    made = answer(spoken=False)
    events = [made.created(), *(event for event, _ in made.call("get_weather", '{"city": "London"}')), *made.done()]
    assert types(events) == [
        "response.created",
        *CALL_OPENING,
        *[ARGUMENTS] * types(events).count(ARGUMENTS),
        *CALL_ENDING,
        "response.done",
    ]
    assert types(events).count(ARGUMENTS) > 3
    assert joined(events, ARGUMENTS) == '{"city": "London"}'


def test_each_event_of_a_call_has_the_fields_that_the_service_sends() -> None:
    made = answer(spoken=True)
    events = [*(event for event, _ in made.call("get_weather", '{"city":"Oslo"}')), *made.done()]
    for event in events:
        assert set(event) == KEYS[event["type"]]
        assert set(event.get("item", CALL_ITEM_KEYS)) == CALL_ITEM_KEYS
    by_type = {event["type"]: event for event in events}
    begun, ended = by_type["response.output_item.added"]["item"], by_type["response.output_item.done"]["item"]
    assert (begun["type"], begun["status"], begun["arguments"]) == ("function_call", "in_progress", "")
    assert ended == {**begun, "status": "completed", "arguments": '{"city":"Oslo"}'}
    assert begun["call_id"].startswith("call_")
    done = by_type["response.function_call_arguments.done"]
    assert (done["name"], done["call_id"], done["item_id"]) == ("get_weather", begun["call_id"], begun["id"])
    assert by_type["response.done"]["response"]["output"] == [ended]


def test_several_outputs_of_one_answer_come_one_after_the_other() -> None:
    """Words that follow words are one message; each call is an item of its own, done as soon as it is said."""
    made = answer(spoken=False)
    events = [*mixed(made), *made.done()]
    assert types(events) == [
        *OPENING[1:],
        *[TYPED] * 5,
        *TYPED_ENDING[:-1],
        *CALL_OPENING,
        *[ARGUMENTS] * 5,
        *CALL_ENDING,
        *CALL_OPENING,
        *[ARGUMENTS] * 1,
        *CALL_ENDING,
        *OPENING[1:],
        *[TYPED] * 5,
        *TYPED_ENDING,
    ]
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call", "message"]
    assert output[0]["content"] == [{"type": "output_text", "text": "Let me look. One moment."}]
    assert output[1]["call_id"] != output[2]["call_id"]


@pytest.mark.parametrize("spoken", [True, False])
def test_outputs_are_numbered_and_stand_behind_each_other(spoken: bool) -> None:
    made = answer(spoken=spoken)
    events = [*mixed(made), *made.done()]
    ids = [item["id"] for item in events[-1]["response"]["output"]]
    added = [event for event in events if event["type"] == "conversation.item.added"]
    assert [event["item"]["id"] for event in added] == ids
    assert [event["previous_item_id"] for event in added] == ["item_before", *ids[:-1]]
    for event in events:
        item_id = event.get("item_id") or event.get("item", {}).get("id")
        if "output_index" in event:
            assert ids[event["output_index"]] == item_id


def test_what_a_call_says_counts() -> None:
    made = answer(spoken=False)
    assert [*made.say("one two", b""), *made.call("f", '{"a": 1, "b": 2}')]
    assert made.tokens == 2 + 4
    assert [*made.done()][-1]["response"]["usage"]["output_tokens"] == 6


@pytest.mark.parametrize("conversation_id", ["conv_1", None])
@pytest.mark.parametrize("spoken", [True, False])
def test_cut_at_any_point_several_outputs_end_well(spoken: bool, conversation_id: str | None) -> None:
    """In the middle of closing one, too: each is opened once and closed once, and says in the end what was sent."""
    whole = answer(spoken=spoken, conversation_id=conversation_id)
    count = len(list(mixed(whole)))
    assert count > 25
    for cut in range(count + 1):
        made = answer(spoken=spoken, conversation_id=conversation_id)
        before = list(islice(mixed(made), cut))
        events = [*before, *made.done("cancelled", {"type": "cancelled", "reason": "turn_detected"})]
        opened = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
        closed = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert [item["id"] for item in closed] == opened, cut
        assert events[-1]["response"]["output"] == closed == made.items("cancelled")
        assert all(item["status"] == "completed" for item in closed[:-1])
        for item in closed:
            of_it = [event for event in events if event.get("item_id") == item["id"]]
            names = types(of_it)
            for begin, end in OPENED_AND_CLOSED[2:]:
                assert names.count(begin) == names.count(end) <= 1
            if item["type"] == "function_call":
                assert joined(of_it, ARGUMENTS) == item["arguments"]
            elif item["content"]:
                text = item["content"][0]["transcript" if spoken else "text"]
                assert joined(of_it, SPOKEN if spoken else TYPED) == text
        announced = types(events).count("conversation.item.added")
        assert announced == types(events).count("conversation.item.done")
        assert announced <= len(opened) if conversation_id else announced == 0


def test_a_call_that_was_said_stays_completed_when_the_answer_is_cut_short() -> None:
    """Somebody may be running the function already."""
    made = answer(spoken=False)
    assert [*made.call("f", "{}")]
    *_, done = made.done("cancelled", {"type": "cancelled", "reason": "client_cancelled"})
    assert done["response"]["status"] == "cancelled"
    assert [item["status"] for item in done["response"]["output"]] == ["completed"]


def test_a_call_that_was_cut_is_incomplete() -> None:
    made = answer(spoken=False)
    before = [event for event, _ in islice(made.call("f", '{"city": "Oslo"}'), 4)]
    *_, done = made.done("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})
    (item,) = done["response"]["output"]
    assert (item["status"], item["arguments"]) == ("incomplete", joined(before, ARGUMENTS))
    assert item["arguments"]


def test_an_answer_outside_the_conversation_says_nothing_of_one() -> None:
    made = answer(spoken=True, conversation_id=None, previous_item_id=None)
    events = [made.created(), *mixed(made), *made.done()]
    assert not [name for name in types(events) if name.startswith("conversation.")]
    assert {event["response"]["conversation_id"] for event in events if "response" in event} == {None}
    inside = answer(spoken=True)
    whole = types([inside.created(), *mixed(inside), *inside.done()])
    assert types(events) == [name for name in whole if not name.startswith("conversation.")]


@given(arguments=st.text(max_size=40))
def test_the_arguments_arrive_whatever_they_are(arguments: str) -> None:
    made = answer(spoken=False)
    events = [event for event, _ in made.call("f", arguments)]
    assert joined(events, ARGUMENTS) == arguments
    assert next(event for event in events if event["type"].endswith("arguments.done"))["arguments"] == arguments


def test_our_own_reader_finds_nothing_wrong_with_calls() -> None:
    made = answer(spoken=True)
    for event in [made.created(), *mixed(made), *made.done()]:
        read = decode(to_json(event))
        assert not isinstance(read, UnknownEvent)
        assert read.problems == ()
