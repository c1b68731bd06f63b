"""What is said on a dated (preview) connection, in its words: GA → dated, and back again."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import InvalidEvent
from realtime_azure.events import (
    ConversationItemAdded,
    FunctionTool,
    KnownServerEvent,
    Message,
    PreviewSession,
    ResponseContentPartDone,
    ResponseDone,
    Session,
    SessionCreated,
    SessionUpdated,
    UnknownEvent,
    decode,
    encode,
)
from realtime_azure.events.preview import SERVER_NAMES, from_dated, server_to_dated, to_dated


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "event_id": "event_1", "session": session}


def create(**response: Any) -> dict[str, Any]:
    return {"type": "response.create", "event_id": "event_1", "response": response}


def add(item: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "event_id": "event_1", "previous_item_id": "root", "item": item}


PCM = {"type": "audio/pcm", "rate": 24000}
ULAW = {"type": "audio/pcmu"}
ALAW = {"type": "audio/pcma"}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
VOICE = {"voice": "ash"}
TEXT = {"type": "input_text", "text": "What is it?"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"audio": {"type": "text"}}}}

# GA session, dated session.
SESSIONS = [
    ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
    ({"output_modalities": ["text"]}, {"modalities": ["text"]}),
    # The dated service refuses audio alone; GA means by it audio with its transcript.
    ({"output_modalities": ["audio"]}, {"modalities": ["text", "audio"]}),
    ({"audio": {"input": {"format": PCM}}}, {"input_audio_format": "pcm16"}),
    ({"audio": {"input": {"format": ULAW}}}, {"input_audio_format": "g711_ulaw"}),
    ({"audio": {"output": {"format": ALAW}}}, {"output_audio_format": "g711_alaw"}),
    ({"audio": {"output": {"format": PCM}}}, {"output_audio_format": "pcm16"}),
    ({"audio": {"output": {"voice": "ash", "speed": 1.25}}}, {"voice": "ash", "speed": 1.25}),
    ({"audio": {"input": {"turn_detection": VAD}}}, {"turn_detection": VAD}),
    ({"audio": {"input": {"turn_detection": None}}}, {"turn_detection": None}),
    (
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
        {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
    ),
    (
        {"audio": {"input": {"transcription": {"model": "whisper-1", "language": "de"}}}},
        {"input_audio_transcription": {"model": "whisper-1", "language": "de"}},
    ),
    ({"audio": {"input": {"transcription": None}}}, {"input_audio_transcription": None}),
    (
        {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        {"input_audio_noise_reduction": {"type": "far_field"}},
    ),
    ({"max_output_tokens": "inf"}, {"max_response_output_tokens": "inf"}),
    ({"max_output_tokens": 4096}, {"max_response_output_tokens": 4096}),
    ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL], "tool_choice": "required"}),
    ({"tracing": "auto", "model": "gpt-realtime"}, {"tracing": "auto", "model": "gpt-realtime"}),
    ({}, {}),
]


@pytest.mark.parametrize(("ga", "dated"), SESSIONS)
def test_a_session_becomes_flat(ga: dict[str, Any], dated: dict[str, Any]) -> None:
    """And says nothing of its type, which the dated service refuses as an unknown parameter."""
    assert to_dated(update(type="realtime", **ga)) == update(**dated)
    assert to_dated(update(**ga)) == update(**dated)


@pytest.mark.parametrize(("ga", "dated"), SESSIONS)
def test_a_flat_session_becomes_nested(ga: dict[str, Any], dated: dict[str, Any]) -> None:
    assert from_dated(update(**dated)) == update(type="realtime", **ga)


def test_a_whole_session_becomes_flat() -> None:
    audio = {
        "input": {"format": ULAW, "turn_detection": None, "transcription": {"model": "w"}},
        "output": {"format": PCM, "voice": "alloy"},
    }
    assert to_dated(update(type="realtime", output_modalities=["audio"], audio=audio, tools=[])) == update(
        modalities=["text", "audio"],
        input_audio_format="g711_ulaw",
        turn_detection=None,
        input_audio_transcription={"model": "w"},
        output_audio_format="pcm16",
        voice="alloy",
        tools=[],
    )


def test_nothing_of_audio_is_nothing() -> None:
    assert to_dated(update(audio=None)) == update()
    assert to_dated(update(audio={"input": None, "output": {}})) == update()


def test_both_modalities_are_audio_with_its_transcript() -> None:
    for modalities in (["text", "audio"], ["audio", "text"]):
        session = from_dated(update(modalities=modalities))["session"]
        assert session == {"type": "realtime", "output_modalities": ["audio"]}


RESPONSES = [
    (
        {"output_modalities": ["audio"], "audio": {"output": {"voice": "ash", "format": ULAW}}, "max_output_tokens": 9},
        {
            "modalities": ["text", "audio"],
            "voice": "ash",
            "output_audio_format": "g711_ulaw",
            "max_response_output_tokens": 9,
        },
    ),
    (
        {"conversation": "none", "metadata": {"k": "v"}, "instructions": "Be brief.", "tool_choice": "none"},
        {"conversation": "none", "metadata": {"k": "v"}, "instructions": "Be brief.", "tool_choice": "none"},
    ),
    (
        {"input": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}]},
        {"input": [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]}]},
    ),
    ({"input": [{"type": "item_reference", "id": "item_1"}]}, {"input": [{"type": "item_reference", "id": "item_1"}]}),
    ({}, {}),
]


@pytest.mark.parametrize(("ga", "dated"), RESPONSES)
def test_a_response_asked_for_goes_both_ways(ga: dict[str, Any], dated: dict[str, Any]) -> None:
    assert to_dated(create(**ga)) == create(**dated)
    assert from_dated(create(**dated)) == create(**ga)


ITEMS = [
    (
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "output_text"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "output_text"}]},
    ),
    (
        {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "x"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "audio", "transcript": "x"}]},
    ),
    *(
        (item, item)
        for item in (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAA="}]},
            {"type": "function_call_output", "call_id": "c", "output": "output_text"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        )
    ),
]


@pytest.mark.parametrize(("ga", "dated"), ITEMS)
def test_an_item_goes_both_ways(ga: dict[str, Any], dated: dict[str, Any]) -> None:
    assert to_dated(add(ga)) == add(dated)
    assert from_dated(add(dated)) == add(ga)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": "AAA="},
        {"type": "input_audio_buffer.commit", "event_id": "e"},
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 5},
        {"type": "response.create"},
        {"type": "response.create", "response": None},
        {"type": "response.cancel"},
        {"type": "output_audio_buffer.clear"},
        {"type": "conversation.item.retrieve", "item_id": "i"},
        {
            "type": "transcription_session.update",
            "session": {
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "m", "language": "de", "prompt": "p"},
                "input_audio_noise_reduction": {"type": "near_field"},
                "turn_detection": VAD,
                "include": ["item.input_audio_transcription.logprobs"],
            },
        },
        {"type": "something.new", "session": {"output_modalities": ["audio"]}},
    ],
)
def test_what_is_the_same_in_both_stays(event: dict[str, Any]) -> None:
    assert to_dated(event) == event
    assert from_dated(event) == event


# What cannot be said.


INPUT_AT = "session.audio.input"


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (update(truncation="auto"), "session.truncation"),
        (update(parallel_tool_calls=True), "session.parallel_tool_calls"),
        (update(include=["item.input_audio_transcription.logprobs"]), "session.include"),
        (update(prompt={"id": "p"}), "session.prompt"),
        (update(reasoning={"effort": "low"}), "session.reasoning"),
        (update(audio={"output": {"echo": 1}}), "session.audio.output.echo"),
        (update(audio={"input": {"echo": 1}}), "session.audio.input.echo"),
        (update(audio={"echo": 1}), "session.audio.echo"),
        (create(audio={"output": {"speed": 1.0}}), "response.audio.output.speed"),
        (create(parallel_tool_calls=False), "response.parallel_tool_calls"),
        (create(prompt={"id": "p"}), "response.prompt"),
        (create(reasoning={"effort": "low"}), "response.reasoning"),
        (update(type="transcription"), "session.type"),
        (update(audio={"output": {"language": "es"}}), "session.audio.output.language"),
        (update(tools=[TOOL, {"type": "mcp", "server_label": "docs"}]), "session.tools"),
        (create(tools=[{"type": "mcp", "server_label": "docs"}]), "response.tools"),
        (update(tool_choice={"type": "function", "name": "f"}), "session.tool_choice"),
        (create(tool_choice={"type": "mcp", "server_label": "docs"}), "response.tool_choice"),
        (
            update(audio={"input": {"turn_detection": {**VAD, "idle_timeout_ms": 5000}}}),
            f"{INPUT_AT}.turn_detection.idle_timeout_ms",
        ),
        (
            update(audio={"input": {"noise_reduction": {"type": "near_field", "strength": 0.5}}}),
            f"{INPUT_AT}.noise_reduction.strength",
        ),
        (update(audio={"input": {"transcription": {"languages": ["de"]}}}), f"{INPUT_AT}.transcription.languages"),
        (update(audio={"input": {"transcription": {"keywords": ["k"]}}}), f"{INPUT_AT}.transcription.keywords"),
        (update(audio={"input": {"transcription": {"delay": "low"}}}), f"{INPUT_AT}.transcription.delay"),
        (update(brand_new=1), "session.brand_new"),
        (update(audio={"input": {"format": {"type": "audio/opus"}}}), "session.audio.input.format.type"),
        (create(audio={"output": {"format": {"type": "audio/opus"}}}), "response.audio.output.format.type"),
        (
            update(audio={"output": {"format": {"type": "audio/pcm", "rate": 16000}}}),
            "session.audio.output.format.rate",
        ),
        (
            update(audio={"output": {"format": {"type": "audio/pcmu", "rate": 24000}}}),
            "session.audio.output.format.rate",
        ),
    ],
    ids=str,
)
def test_what_a_dated_connection_cannot_say_is_refused_by_its_path(event: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        to_dated(event)
    said = str(caught.value)
    assert said.startswith(f"{path}: a dated (preview) connection ")
    assert ("api_version='v1'" in said) is not path.endswith(".rate")  # which no other has either


@pytest.mark.parametrize(
    "item",
    [
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "mcp_approval_request", "name": "f"},
        {"type": "mcp_list_tools", "tools": []},
        {"type": "mcp_call", "name": "f"},
        {"type": "hologram"},
    ],
    ids=str,
)
def test_an_item_of_another_kind_is_refused_by_it(item: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        to_dated(add(item))
    said = str(caught.value)
    assert said.startswith("item.type: a dated (preview) connection ")
    assert item["type"] in said
    assert "api_version='v1'" in said


@pytest.mark.parametrize(
    "event",
    [{"type": "session.close"}, {"type": "session.input_audio_buffer.append", "audio": "AAA="}],
    ids=str,
)
def test_an_event_that_is_not_there_is_refused_by_its_type(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        to_dated(event)
    said = str(caught.value)
    assert said.startswith(f"{event['type']}: a dated (preview) connection ")
    assert "api_version='v1'" in said


def test_nothing_of_what_only_ga_has_is_nothing_to_refuse() -> None:
    """None is how a caller says that it is not set."""
    detection = {"type": "server_vad", "idle_timeout_ms": None}
    transcription = {"model": "m", "languages": None, "keywords": None, "delay": None}
    noise = {"type": "near_field", "strength": None}
    audio = {"turn_detection": detection, "transcription": transcription, "noise_reduction": noise}
    assert to_dated(update(audio={"input": audio})) == update(
        turn_detection={"type": "server_vad"},
        input_audio_transcription={"model": "m"},
        input_audio_noise_reduction={"type": "near_field"},
    )


SECRET_TOOL = {"type": "mcp", "server_label": "docs", "authorization": "hunter2", "headers": {"k": "hunter2"}}


@pytest.mark.parametrize("event", [update(tools=[SECRET_TOOL]), create(tools=[SECRET_TOOL])])
def test_what_is_refused_is_not_shown(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        to_dated(event)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__context__!r}"


PICTURE = {"type": "message", "role": "user", "content": [TEXT, {"type": "input_image", "image_url": "data:,"}]}
TRANSCRIPTION_UPDATE = "transcription_session.update"


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (update(audio={"output": {"voice": {"id": "voice_1"}}}), "session.audio.output.voice"),
        (create(audio={"output": {"voice": {"id": "voice_1"}}}), "response.audio.output.voice"),
        (add(PICTURE), "item.content.1.type"),
        (create(input=[PICTURE]), "response.input.0.content.1.type"),
        (create(input=[{"type": "mcp_call", "name": "f"}]), "response.input.0.type"),
        (
            {
                "type": TRANSCRIPTION_UPDATE,
                "session": {"input_audio_transcription": {"model": "m", "keywords": ["k"]}},
            },
            "session.input_audio_transcription",
        ),
        (
            {"type": TRANSCRIPTION_UPDATE, "session": {"turn_detection": {**VAD, "idle_timeout_ms": 5000}}},
            "session.turn_detection",
        ),
        (
            {
                "type": TRANSCRIPTION_UPDATE,
                "session": {"input_audio_noise_reduction": {"type": "near_field", "strength": 1}},
            },
            "session.input_audio_noise_reduction",
        ),
    ],
    ids=str,
)
def test_what_a_dated_connection_has_no_word_for_inside_is_refused_too(event: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        to_dated(event)
    assert str(caught.value).startswith(f"{path}: a dated (preview) connection ")


# Both ways, for every session.

FORMATS = st.sampled_from([PCM, ULAW, ALAW])
TEXTS = st.text(max_size=10)
JSON = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=2)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of *fields*, and at least one: an empty object has no flat form."""
    return st.fixed_dictionaries({}, optional=fields).filter(bool)


OUTPUT = {"format": FORMATS, "voice": TEXTS}
INPUT = {
    "format": FORMATS,
    "noise_reduction": st.none() | st.fixed_dictionaries({"type": TEXTS}),
    "transcription": st.none() | some(model=TEXTS, language=TEXTS),
    "turn_detection": st.none() | some(type=TEXTS, threshold=st.floats(0, 1), create_response=st.booleans()),
}
SHARED = {
    "instructions": st.none() | TEXTS,
    "output_modalities": st.sampled_from([["text"], ["audio"]]),
    "tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "name": TEXTS, "parameters": JSON})),
    "tool_choice": TEXTS,
    "max_output_tokens": st.just("inf") | st.integers(1, 4096),
}
GA_SESSIONS = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        **SHARED,
        "audio": some(input=some(**INPUT), output=some(**OUTPUT, speed=st.floats(0.25, 1.5))),
        "tracing": st.none() | TEXTS,
        "model": TEXTS,
    },
)
CONTENT = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "input_audio", "output_text", "output_audio"])},
    optional={"text": TEXTS, "transcript": st.none() | TEXTS},
)
GA_ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output"])},
    optional={"role": TEXTS, "content": st.lists(CONTENT, max_size=3), "output": TEXTS},
)
GA_RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        **SHARED,
        "audio": some(output=some(**OUTPUT)),
        "conversation": st.sampled_from(["auto", "none"]),
        "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "input": st.lists(GA_ITEMS, max_size=2),
    },
)
GA_EVENTS = (
    GA_SESSIONS.map(lambda session: update(**session))
    | GA_RESPONSES.map(lambda response: create(**response))
    | GA_ITEMS.map(add)
)
FLAT = {
    "instructions", "modalities", "voice", "input_audio_format", "output_audio_format", "input_audio_transcription",
    "input_audio_noise_reduction", "turn_detection", "tools", "tool_choice", "max_response_output_tokens", "speed",
    "tracing", "model", "conversation", "input", "metadata",
}  # fmt: skip


@given(GA_EVENTS)
def test_what_goes_to_dated_comes_back_the_same(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    dated = to_dated(event)
    again = from_dated(copy.deepcopy(dated))
    assert again == event == before  # and the caller's event is not touched


@given(GA_EVENTS)
def test_what_goes_to_dated_has_only_its_fields_and_names(event: dict[str, Any]) -> None:
    dated = to_dated(event)
    assert set(dated.get("session") or dated.get("response") or {}) <= FLAT
    for item in [dated.get("item", {}), *dated.get("response", {}).get("input", [])]:
        assert {part["type"] for part in item.get("content", [])} <= {"input_text", "input_audio", "text", "audio"}


# What comes from a client of the other kind, or from none: the emulator reads it.


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": 5},
        {"type": "session.update"},
        {"type": "session.update", "session": 5},
        update(temperature=0.8),
        update(modalities="audio", input_audio_format={"type": "audio/pcm"}, output_audio_format=5),
        add(None),
        add({"type": "message", "content": "x"}),
        add({"type": "message", "content": [None, 5, "x"]}),
        create(input=5),
        create(input=[None, 5]),
        add({"type": "message", "content": [{"text": "x"}]}),
        create(input=[{"type": "message", "content": [{"text": "x"}]}]),
        add({"type": "message", "content": [{"type": ["text"]}]}),
        update(audio=None, voice="ash"),
        update(audio={"output": 5}, voice="ash"),
    ],
    ids=str,
)
def test_whatever_a_dated_client_sends_is_translated_and_judged_by_the_reader(event: dict[str, Any]) -> None:
    """The emulator refuses it in the service's words afterwards; here nothing may raise."""
    before = copy.deepcopy(event)
    from_dated(event)
    assert event == before


def test_translating_leaves_what_it_was_given_alone() -> None:
    event = update(audio={"output": {}}, voice="ash")
    before = copy.deepcopy(event)
    from_dated(event)
    assert event == before


def test_what_neither_has_stays_for_the_reader_to_refuse() -> None:
    made = from_dated(update(volume=11))
    assert made["session"] == {"volume": 11, "type": "realtime"}
    with pytest.raises(InvalidEvent, match=r"session\.volume: there is no such field"):
        encode(made)


def test_a_temperature_is_taken_and_makes_no_difference() -> None:
    """GA has given it up; a dated client may still send it."""
    assert from_dated(update(temperature=0.8, voice="ash")) == update(
        type="realtime", audio={"output": {"voice": "ash"}}
    )


def test_a_ga_session_is_no_dated_session() -> None:
    for session in ({"audio": {"output": {"voice": "ash"}}}, {"output_modalities": ["text"]}, {"type": "realtime"}):
        with pytest.raises(InvalidEvent, match="there is no such field"):
            encode(from_dated(update(**session)))


# What the service says.


def test_every_second_name_of_an_event_class_is_its_dated_name() -> None:
    for event_class in get_args(KnownServerEvent):
        ga, *others = get_args(event_class.model_fields["type"].annotation)
        assert others == ([SERVER_NAMES[ga]] if ga in SERVER_NAMES else [])


@pytest.mark.parametrize(("ga", "dated"), SERVER_NAMES.items())
def test_a_renamed_event_is_read_under_either_name(ga: str, dated: str) -> None:
    classes = [type(decode(json.dumps({"type": name, "delta": "AAAA"}))) for name in (ga, dated)]
    assert UnknownEvent not in classes
    assert classes[0] is classes[1]


@pytest.mark.parametrize(("ga", "dated"), SERVER_NAMES.items())
def test_an_event_is_renamed_and_the_rest_stays(ga: str, dated: str) -> None:
    assert server_to_dated({"type": ga, "event_id": "e", "delta": "x"}) == {
        "type": dated,
        "event_id": "e",
        "delta": "x",
    }


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 5, "item_id": "i"},
        {"type": "response.function_call_arguments.delta", "delta": "{", "call_id": "c"},
        {"type": "error", "error": {"code": "c"}},
        {"type": "rate_limits.updated", "rate_limits": []},
    ],
)
def test_an_event_of_both_stays(event: dict[str, Any]) -> None:
    assert server_to_dated(event) == event


def test_a_dated_connection_does_not_hear_of_finished_items() -> None:
    assert server_to_dated({"type": "conversation.item.done", "item": {"id": "i", "type": "message"}}) is None


def test_a_session_is_told_flat() -> None:
    session = {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime",
        "expires_at": 1784688021,
        "output_modalities": ["audio"],
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "tools": [],
        "audio": {
            "input": {"format": PCM, "transcription": None, "noise_reduction": None, "turn_detection": VAD},
            "output": {"format": ULAW, "voice": "alloy", "speed": 1.0},
        },
    }
    told = server_to_dated({"type": "session.updated", "event_id": "e", "session": session})
    assert told is not None
    assert told["session"] == {
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime",
        "expires_at": 1784688021,
        "modalities": ["text", "audio"],
        "tools": [],
        "input_audio_format": "pcm16",
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": VAD,
        "output_audio_format": "g711_ulaw",
        "voice": "alloy",
        "speed": 1.0,
    }
    event = decode(json.dumps(told))
    assert isinstance(event, SessionUpdated)
    assert (event.problems, event.session.id) == ((), "sess_1")


def test_a_session_without_turn_detection_says_so() -> None:
    told = server_to_dated({"type": "session.created", "session": {"type": "realtime", "id": "s"}})
    assert told == {"type": "session.created", "session": {"id": "s", "turn_detection": None}}


ANSWER = {
    "id": "item_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_audio", "transcript": "x"}],
}
DATED_ANSWER = {**ANSWER, "object": "realtime.item", "content": [{"type": "audio", "transcript": "x"}]}


def test_items_are_told_in_dated_words() -> None:
    told = server_to_dated({"type": "conversation.item.added", "previous_item_id": None, "item": ANSWER})
    assert told == {"type": "conversation.item.created", "previous_item_id": None, "item": DATED_ANSWER}
    event = decode(json.dumps(told))
    assert isinstance(event, ConversationItemAdded)
    assert isinstance(event.item, Message)
    told = server_to_dated({"type": "response.output_item.done", "output_index": 0, "item": ANSWER})
    assert told == {"type": "response.output_item.done", "output_index": 0, "item": DATED_ANSWER}


def test_a_response_is_told_flat_and_its_items_in_dated_words() -> None:
    response = {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "completed",
        "status_details": None,
        "output": [ANSWER],
        "conversation_id": "conv_1",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": PCM, "voice": "alloy"}},
        "usage": {"total_tokens": 5},
        "metadata": None,
    }
    told = server_to_dated({"type": "response.done", "response": response})
    assert told is not None
    assert told["response"] == {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "completed",
        "status_details": None,
        "output": [DATED_ANSWER],
        "conversation_id": "conv_1",
        "modalities": ["text", "audio"],
        "max_output_tokens": "inf",
        "output_audio_format": "pcm16",
        "voice": "alloy",
        "usage": {"total_tokens": 5},
        "metadata": None,
    }
    event = decode(json.dumps(told))
    assert isinstance(event, ResponseDone)
    assert (event.problems, event.response.status) == ((), "completed")


def test_a_content_part_is_told_once() -> None:
    """GA says it twice, as `part` and as `content`."""
    part = {"type": "audio", "transcript": "x"}
    told = server_to_dated({"type": "response.content_part.done", "item_id": "i", "part": part, "content": part})
    assert told == {"type": "response.content_part.done", "item_id": "i", "part": part}
    assert isinstance(decode(json.dumps(told)), ResponseContentPartDone)


# What the service says of the session, in GA's words.


def session_said(session: dict[str, Any]) -> Any:
    created = decode(json.dumps({"type": "session.created", "event_id": "e", "session": session}))
    updated = decode(json.dumps({"type": "session.updated", "event_id": "e", "session": session}))
    assert isinstance(created, SessionCreated)
    assert isinstance(updated, SessionUpdated)
    assert created.session == updated.session
    assert created.problems == updated.problems == ()
    assert json.loads(created.model_dump_json(exclude_unset=True))["session"] == session
    return created.session


SAID_SESSION = {
    "id": "sess_9",
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview-2024-12-17",
    "expires_at": 1784688021,
    "modalities": ["audio", "text"],
    "instructions": "Your knowledge cutoff is 2023-10.",
    "voice": "alloy",
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "create_response": True,
        "interrupt_response": True,
    },
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "whisper-1", "language": None, "prompt": None},
    "input_audio_noise_reduction": None,
    "tools": [TOOL],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
    "speed": 1.0,
    "tracing": None,
    "client_secret": None,
}


def test_a_session_of_a_dated_connection_can_be_read_in_gas_words() -> None:
    session = session_said(SAID_SESSION)
    assert type(session) is PreviewSession
    assert session.voice == "alloy"
    ga = session.ga
    assert type(ga) is Session
    assert json.loads(ga.model_dump_json(exclude_unset=True)) == {
        "type": "realtime",
        "id": "sess_9",
        "object": "realtime.session",
        "model": "gpt-4o-realtime-preview-2024-12-17",
        "expires_at": 1784688021,
        "output_modalities": ["audio"],
        "instructions": "Your knowledge cutoff is 2023-10.",
        "audio": {
            "input": {
                "format": PCM,
                "transcription": {"model": "whisper-1", "language": None, "prompt": None},
                "noise_reduction": None,
                "turn_detection": SAID_SESSION["turn_detection"],
            },
            "output": {"format": ULAW, "voice": "alloy", "speed": 1.0},
        },
        "tools": [TOOL],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
    }


def test_the_view_of_a_session_is_of_parts_with_classes() -> None:
    ga = session_said(SAID_SESSION).ga
    assert ga.audio.input.turn_detection.silence_duration_ms == 200
    assert ga.audio.input.noise_reduction is None
    assert (ga.audio.output.format.type, ga.audio.output.voice) == ("audio/pcmu", "alloy")
    assert type(ga.tools[0]) is FunctionTool


@pytest.mark.parametrize(
    ("dated", "wanted"),
    [
        ({"voice": None}, {"audio": {"output": {"voice": None}}}),
        ({"turn_detection": None, "voice": "ash"}, {"audio": {"input": {"turn_detection": None}, "output": VOICE}}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"input_audio_format": "pcm24"}, {"audio": {"input": {"format": {"type": "pcm24"}}}}),
        ({"voice": "ash", "brand_new": 1, "temperature": 0.6}, {"audio": {"output": VOICE}}),
        ({"voice": "ash", "tracing": 5}, {"audio": {"output": VOICE}}),
        ({"voice": "ash", "tracing": {"group_id": "g"}}, {"audio": {"output": VOICE}, "tracing": {"group_id": "g"}}),
        ({"max_response_output_tokens": 4096}, {"max_output_tokens": 4096}),
    ],
    ids=str,
)
def test_a_piece_of_a_session_is_seen_as_that_piece(dated: dict[str, Any], wanted: dict[str, Any]) -> None:
    """What was not said is not made up, and what GA has no word for is left out."""
    session = session_said(dated)
    assert type(session) is PreviewSession
    assert json.loads(session.ga.model_dump_json(exclude_unset=True)) == {"type": "realtime", **wanted}


def test_a_session_of_ga_is_its_own_view() -> None:
    session = session_said({"type": "realtime", "audio": {"output": VOICE}})
    assert session.ga is session
    session = session_said({"id": "sess_1", "model": "m", "tools": []})  # words of both
    assert session.ga is session


def test_an_emulated_session_goes_both_ways() -> None:
    """What the emulator says on a dated connection is, in GA's words, what it meant."""
    session = {
        "type": "realtime",
        "id": "sess_1",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": PCM, "turn_detection": VAD, "transcription": None, "noise_reduction": None},
            "output": {"format": PCM, "voice": "alloy", "speed": 1.0},
        },
        "tools": [TOOL],
        "max_output_tokens": 4096,
    }
    told = server_to_dated({"type": "session.updated", "session": session})
    assert told is not None
    assert json.loads(session_said(told["session"]).ga.model_dump_json(exclude_unset=True)) == session


def test_a_voice_that_cannot_be_read_costs_only_itself() -> None:
    ga = session_said({"voice": 5, "turn_detection": None, "input_audio_format": "pcm16"}).ga
    assert json.loads(ga.model_dump_json(exclude_unset=True))["audio"]["input"] == {
        "turn_detection": None,
        "format": PCM,
    }


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["pcm16", "inf"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "model", "voice", "name"]) | st.text(max_size=3), inner)
    ),
    max_leaves=8,
)
SESSION_FIELDS = st.sampled_from(sorted({*PreviewSession.model_fields, *Session.model_fields, "brand_new"}))


@given(st.dictionaries(SESSION_FIELDS, ANY_JSON, max_size=6))
def test_any_session_can_be_seen_in_gas_words(session: dict[str, Any]) -> None:
    for kind in ("session.created", "session.updated"):
        event = decode(json.dumps({"type": kind, "session": session}))
        assert isinstance(event, SessionCreated | SessionUpdated)
        assert type(event.session.ga) is Session
        assert event.session.ga.ga == event.session.ga


READABLE = {
    "modalities": st.lists(st.sampled_from(["text", "audio"]), max_size=2),
    "voice": TEXTS,
    "input_audio_format": st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw", "new"]),
    "output_audio_format": st.none() | TEXTS,
    "turn_detection": st.none() | st.just(VAD),
    "input_audio_transcription": st.none() | st.fixed_dictionaries({"model": TEXTS}),
    "max_response_output_tokens": st.just("inf") | st.integers(1, 4096),
    "temperature": st.floats(0.6, 1.2),
    "tool_choice": TEXTS,
    "instructions": TEXTS,
    "tracing": st.none() | st.just("auto"),
}


@given(st.fixed_dictionaries({}, optional=READABLE))
def test_what_is_seen_of_a_session_is_what_was_said(session: dict[str, Any]) -> None:
    ga = session_said(session).ga
    for name in {"instructions", "tool_choice", "tracing"} & set(session):
        assert getattr(ga, name) == session[name]
    if "voice" in session:
        assert ga.audio.output.voice == session["voice"]
    if "turn_detection" in session:
        assert (ga.audio.input.turn_detection is None) is (session["turn_detection"] is None)
    if "max_response_output_tokens" in session:
        assert ga.max_output_tokens == session["max_response_output_tokens"]


def test_what_only_a_dated_connection_has_is_sent_when_asked_for() -> None:
    """`temperature`, which GA has given up."""
    update = {"type": "session.update", "session": {"type": "realtime", "temperature": 0.7}}
    assert to_dated(update, extra=True)["session"] == {"temperature": 0.7}
    with pytest.raises(InvalidEvent, match=r"^session\.temperature: "):
        to_dated(update)
