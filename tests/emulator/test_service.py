"""What the emulator's service decides, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pybase64
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from realtime_azure.audio import g711, pcm, wav
from realtime_azure.audio.resample import resample
from realtime_azure.emulator.answer import Answer, Called
from realtime_azure.emulator.responder import Turn
from realtime_azure.emulator.service import Cancel, Outcome, Respond, Service, Transcribe, encoded
from realtime_azure.events import UnknownEvent, decode

Fields = dict[str, Any]

SAMPLES = Path(__file__).resolve().parents[2] / "audio_samples"
QUESTION = wav.read(SAMPLES / "question_weather.wav").pcm
PCM: Fields = {"type": "audio/pcm", "rate": 24000}
# What a new session of Azure's GA service had in July 2026, but for the voice and the instructions.
RECORDED_SESSION: Fields = {
    "type": "realtime",
    "object": "realtime.session",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "include": None,
}
SERVER_VAD: Fields = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: Fields = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def ask(service: Service, event: Fields | bytes, *, flat: bool = False) -> list[Outcome]:
    message = event if isinstance(event, bytes) else json.dumps(event).encode()
    return list(service.receive(message, flat=flat))


def told(service: Service, event: Fields | bytes, *, flat: bool = False) -> list[Fields]:
    """The events that *event* is answered with, when nothing else comes of it."""
    outcomes = ask(service, event, flat=flat)
    assert all(isinstance(outcome, dict) for outcome in outcomes)
    return [outcome for outcome in outcomes if isinstance(outcome, dict)]


def refused(service: Service, event: Fields | bytes, *, flat: bool = False) -> Fields:
    (answer,) = told(service, event, flat=flat)
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    error: Fields = answer["error"]
    return error


def update(service: Service, **session: Any) -> Fields:
    (answer,) = told(service, {"type": "session.update", "session": {"type": "realtime", **session}})
    assert answer["type"] == "session.updated"
    updated: Fields = answer["session"]
    return updated


def append(service: Service, sound: bytes, ms: int = 50) -> list[Outcome]:
    return [outcome for piece in pcm.chunks(sound, ms) for outcome in ask(service, appended(piece))]


def appended(sound: bytes) -> Fields:
    return {"type": "input_audio_buffer.append", "audio": pybase64.b64encode(sound).decode()}


def kinds(outcomes: list[Outcome]) -> list[str]:
    return [outcome["type"] if isinstance(outcome, dict) else type(outcome).__name__ for outcome in outcomes]


def typed(text: str, role: str = "user", **item: Any) -> Fields:
    content = [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]
    return {"type": "message", "role": role, "content": content, **item}


def create(item: Fields, **more: Any) -> Fields:
    return {"type": "conversation.item.create", "item": item, **more}


def turn_of(outcomes: list[Outcome]) -> Turn:
    (turn,) = [outcome.turn for outcome in outcomes if isinstance(outcome, Respond)]
    return turn


def respond(service: Service, **response: Any) -> Turn:
    event: Fields = {"type": "response.create"}
    return turn_of(ask(service, event | ({"response": response} if response else {})))


def finish(service: Service, status: str = "completed", details: Fields | None = None) -> list[Fields]:
    """Ends the response under way, if there is one."""
    return [] if service.answer is None else [*service.finish(service.answer, status, details)]


def answer_it(service: Service, text: str = "Yes.") -> list[Fields]:
    """Lets the response that began last say *text*, and end."""
    (*_, answer) = service.answers.values()
    return [*(event for event, _ in answer.say(text, b"")), *service.finish(answer)]


def texts(service: Service) -> list[str]:
    return [part.get("text", part.get("transcript")) for item in service.items for part in item["content"]]


@pytest.fixture
def service() -> Service:
    return Service("gpt-realtime", now=lambda: 1_800_000_000.5)


# The session


def test_a_new_session_is_the_service_s(service: Service) -> None:
    created = service.created()
    assert set(created) == {"type", "event_id", "session"}
    session = created["session"]
    assert set(session) == {*RECORDED_SESSION, "id", "instructions", "expires_at", "audio", "emulator"}
    assert {name: session[name] for name in RECORDED_SESSION} == RECORDED_SESSION
    assert session["id"].startswith("sess_")
    assert session["expires_at"] == 1_800_003_600
    assert session["audio"]["input"] == {
        "format": PCM,
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": SERVER_VAD,
    }
    assert session["audio"]["output"]["format"] == PCM
    assert session["audio"]["output"]["speed"] == 1.0


def test_a_session_says_that_it_is_the_emulator_s(service: Service) -> None:
    session = service.created()["session"]
    assert session["emulator"].startswith("realtime_azure ")
    assert "emulator" in session["instructions"]
    assert session["audio"]["output"]["voice"] == "emulator"


def test_an_update_changes_what_it_names(service: Service) -> None:
    before = service.created()["session"]
    after = update(service, instructions="Be brief.", audio={"output": {"speed": 1.25}})
    output = {**before["audio"]["output"], "speed": 1.25}
    assert after == {**before, "instructions": "Be brief.", "audio": {**before["audio"], "output": output}}
    assert before["instructions"] != "Be brief."  # what was sent is not changed behind


def test_the_recorded_update_has_the_recorded_answer(service: Service) -> None:
    """Turn detection and transcription, half said: the rest is filled in."""
    session = update(
        service,
        instructions="Reply in a few words.",
        output_modalities=["audio"],
        audio={
            "input": {
                "format": PCM,
                "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
                "transcription": {"model": "gpt-realtime-whisper"},
            },
            "output": {"format": PCM},
        },
    )
    assert session["audio"]["input"] == {
        "format": PCM,
        "transcription": {"model": "gpt-realtime-whisper", "language": None, "prompt": None},
        "noise_reduction": None,
        "turn_detection": SERVER_VAD,
    }


@pytest.mark.parametrize(
    ("said", "filled"),
    [
        ({"type": "server_vad", "silence_duration_ms": 700}, {**SERVER_VAD, "silence_duration_ms": 700}),
        ({"type": "semantic_vad", "eagerness": "low"}, {**SEMANTIC_VAD, "eagerness": "low"}),
        (None, None),
    ],
)
def test_turn_detection_is_replaced_and_filled(service: Service, said: Fields | None, filled: Fields | None) -> None:
    update(service, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}})
    assert update(service, audio={"input": {"turn_detection": said}})["audio"]["input"]["turn_detection"] == filled


def test_turn_detection_comes_back_after_it_was_off(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": None}})
    session = update(service, audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert session["audio"]["input"]["turn_detection"] == SERVER_VAD


def test_transcription_is_turned_off_with_null(service: Service) -> None:
    update(service, audio={"input": {"transcription": {"model": "whisper"}}})
    assert update(service, audio={"input": {"transcription": None}})["audio"]["input"]["transcription"] is None


def test_a_dated_update_needs_no_type(service: Service) -> None:
    (answer,) = told(service, {"type": "session.update", "session": {"instructions": "x"}}, flat=True)
    assert answer["type"] == "session.updated"


def test_an_update_of_something_else_does_not_deafen(service: Service) -> None:
    """What was heard stays, and so does the beginning of the time that is counted."""
    half = len(QUESTION) // 4 * 2
    started = append(service, pcm.silence(1) + QUESTION[:half])
    update(service, audio={"input": {"transcription": {"model": "whisper"}}, "output": {"voice": "alloy"}})
    outcomes = append(service, QUESTION[half:] + pcm.silence(0.5))
    assert kinds(started) == ["input_audio_buffer.speech_started"]
    assert kinds(outcomes)[0] == "input_audio_buffer.speech_stopped"
    assert pcm.duration(turn_of(outcomes).audio) > 2.8


# What is refused

SUPPORTED = (
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
    "conversation.item.create", "conversation.item.delete", "conversation.item.retrieve", "conversation.item.truncate",
    "response.create", "response.cancel",
)  # fmt: skip


def session_update(**session: Any) -> Fields:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def detection(**more: Any) -> Fields:
    return session_update(audio={"input": {"turn_detection": {"type": "server_vad", **more}}})


REFUSALS: dict[str, tuple[Fields, str, str | None]] = {
    "no type": ({}, "missing_required_parameter", "type"),
    "unknown type": ({"type": "session.upgrade"}, "invalid_value", "type"),
    "a type that is a number": ({"type": 5}, "invalid_value", "type"),
    "no session": ({"type": "session.update"}, "missing_required_parameter", "session"),
    "no session.type": (
        {"type": "session.update", "session": {"instructions": "x"}},
        "missing_required_parameter",
        "session.type",
    ),
    "unknown setting": (session_update(voice="alloy"), "unknown_parameter", "session.voice"),
    "unknown setting, deeper": (
        session_update(audio={"output": {"volume": 3}}),
        "unknown_parameter",
        "session.audio.output.volume",
    ),
    "what only the service says": (session_update(expires_at=0), "unknown_parameter", "session.expires_at"),
    "unknown field": ({"type": "response.cancel", "reason": "x"}, "unknown_parameter", "reason"),
    "unknown field in a list": (
        session_update(tools=[{"type": "function", "name": "a"}, {"type": "function", "function": {}}]),
        "unknown_parameter",
        "session.tools[1].function",
    ),
    "unknown field in an item": (
        create({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a", "txt": "b"}]}),
        "unknown_parameter",
        "item.content[0].txt",
    ),
    "an item without a type": (create({"role": "user", "content": []}), "missing_required_parameter", "item.type"),
    "none of two kinds": (session_update(max_output_tokens=[]), "invalid_type", "session.max_output_tokens"),
    "wrong kind": (session_update(instructions=5), "invalid_type", "session.instructions"),
    "another kind of session": (
        {"type": "session.update", "session": {"type": "transcription"}},
        "invalid_value",
        "session.type",
    ),
    "audio that is not base64": ({"type": "input_audio_buffer.append", "audio": "***"}, "invalid_type", "audio"),
    "no audio": ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    "nothing to cancel": ({"type": "response.cancel"}, "response_cancel_not_active", None),
    "no such item to retrieve": ({"type": "conversation.item.retrieve", "item_id": "x"}, "invalid_value", "item_id"),
    "no such item to delete": ({"type": "conversation.item.delete", "item_id": "x"}, "invalid_value", "item_id"),
    "no such item to cut": (
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 0},
        "invalid_value",
        "item_id",
    ),
    "for calls only": ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
    "another conversation": (
        {"type": "response.create", "response": {"conversation": "other"}},
        "invalid_value",
        "response.conversation",
    ),
    "a function's result of no call": (
        create({"type": "function_call_output", "output": "x"}),
        "missing_required_parameter",
        "item.call_id",
    ),
    "no result of a function": (
        create({"type": "function_call_output", "call_id": "x"}),
        "missing_required_parameter",
        "item.output",
    ),
    "a reference as an item": (create({"type": "item_reference", "id": "x"}), "invalid_value", "item.type"),
    "no tokens": (session_update(max_output_tokens=0), "invalid_value", "session.max_output_tokens"),
    "too many tokens": (
        {"type": "response.create", "response": {"max_output_tokens": 4097}},
        "invalid_value",
        "response.max_output_tokens",
    ),
    "a reference to nothing": (
        {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}]}},
        "invalid_value",
        "item_id",
    ),
}


@pytest.mark.parametrize(("event", "code", "param"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_wrong_is_refused_in_the_service_s_words(
    service: Service, event: Fields, code: str, param: str | None
) -> None:
    before = service.created()["session"]
    error = refused(service, {**event, "event_id": "mine"})
    assert (error["code"], error["param"]) == (code, param)
    assert error["event_id"] == "mine"
    assert set(error) == {"type", "code", "message", "param", "event_id"}
    assert service.created()["session"] == before


def test_the_service_names_the_types_that_it_takes(service: Service) -> None:
    message = refused(service, {"type": "session.upgrade"})["message"]
    assert message.startswith("Invalid value: 'session.upgrade'. Supported values are: ")
    assert all(f"'{name}'" in message for name in SUPPORTED)


def test_the_service_s_words_for_a_missing_and_an_unknown_parameter(service: Service) -> None:
    missing = refused(service, {"type": "session.update", "session": {}})
    assert missing["message"] == "Missing required parameter: 'session.type'."
    assert refused(service, session_update(voice="a"))["message"] == "Unknown parameter: 'session.voice'."


@pytest.mark.parametrize(
    ("message", "event_id"),
    [
        (b"not JSON", None),
        (b"\xff\xfe", None),
        (b'{"event_id": "cut off', None),
        (b'["event_id"]', None),
        (b"5", None),
        (b'{"event_id": "mine"}', "mine"),
        (b'{"type": "session.upgrade", "event_id": "mine"}', "mine"),
        (b'{"type": "session.update", "session": 5, "event_id": "mine"}', "mine"),
        (b'{"type": "response.cancel", "event_id": 5}', None),
    ],
)
def test_an_error_names_the_event_it_is_about_where_it_can(
    service: Service, message: bytes, event_id: str | None
) -> None:
    assert refused(service, message)["event_id"] == event_id


@pytest.mark.parametrize("ms", [0, 50, 99])
def test_too_little_sound_cannot_be_committed(service: Service, ms: int) -> None:
    ask(service, appended(pcm.silence(ms / 1000)))
    error = refused(service, {"type": "input_audio_buffer.commit"})
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["message"] == (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only "
        f"has {ms}.00ms of audio."
    )


def test_one_response_at_a_time(service: Service) -> None:
    respond(service)
    assert service.answer is not None
    error = refused(service, {"type": "response.create"})
    assert error["code"] == "conversation_already_has_active_response"
    assert service.answer.id in error["message"]


NULLS: dict[str, Fields] = {
    "audio": session_update(audio=None),
    "audio.input": session_update(audio={"input": None}),
    "audio.output": session_update(audio={"output": None}),
    "audio.input.format": session_update(audio={"input": {"format": None}}),
    "audio.output.format": session_update(audio={"output": {"format": None}}),
    "output_modalities": session_update(output_modalities=None),
    "threshold": detection(threshold=None),
    "prefix_padding_ms": detection(prefix_padding_ms=None),
    "silence_duration_ms": detection(silence_duration_ms=None),
    "create_response": detection(create_response=None),
    "response's format": {"type": "response.create", "response": {"audio": {"output": {"format": None}}}},
    "content": create({"type": "message", "role": "user", "content": None}),
    "text": create({"type": "message", "role": "user", "content": [{"type": "input_text", "text": None}]}),
    "no text": create({"type": "message", "role": "user", "content": [{"type": "input_text"}]}),
}


@pytest.mark.parametrize("event", NULLS.values(), ids=NULLS)
def test_null_is_survived_where_it_means_nothing(service: Service, event: Fields) -> None:
    """Refused or read as the default; the session goes on either way."""
    outcomes = ask(service, event)
    assert "error" in kinds(outcomes) or "session.updated" in kinds(outcomes) or outcomes
    append(service, pcm.silence(0.2))
    if service.answer is None:
        respond(service)
    answer_it(service)


BAD_VALUES: dict[str, Fields] = {
    "threshold too high": detection(threshold=1.5),
    "threshold below zero": detection(threshold=-0.1),
    "threshold beyond numbers": detection(threshold=1e300),
    "negative padding": detection(prefix_padding_ms=-1),
    "negative silence": detection(silence_duration_ms=-1),
    "silence for ever": detection(silence_duration_ms=10**400),
    "turn detection of an unknown type": session_update(audio={"input": {"turn_detection": {"type": "psychic_vad"}}}),
    "input of an unknown format": session_update(audio={"input": {"format": {"type": "audio/opus"}}}),
    "output of an unknown format": session_update(audio={"output": {"format": {"type": "audio/opus"}}}),
    "a rate that there is not": session_update(audio={"input": {"format": {"type": "audio/pcm", "rate": 16000}}}),
    "an unknown modality": session_update(output_modalities=["smell"]),
    "two modalities": session_update(output_modalities=["audio", "text"]),
    "a response of an unknown modality": {"type": "response.create", "response": {"output_modalities": ["smell"]}},
    "a response in an unknown format": {
        "type": "response.create",
        "response": {"audio": {"output": {"format": {"type": "audio/opus"}}}},
    },
}


@pytest.mark.parametrize("event", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_the_service_does_not_have_is_refused(service: Service, event: Fields) -> None:
    """Or a client would find out on Azure only."""
    before = service.created()["session"]
    assert refused(service, event)["code"] in ("invalid_value", "invalid_type")
    assert service.created()["session"] == before
    assert service.answer is None


# The conversation


def test_an_item_is_added_and_done(service: Service) -> None:
    item = typed("Hello.")
    added, done = told(service, create(item))
    assert (added["type"], done["type"]) == ("conversation.item.added", "conversation.item.done")
    assert added["previous_item_id"] is None
    assert added["item"] == done["item"] == {**item, "id": added["item"]["id"], "status": "completed"}
    assert added["item"]["id"].startswith("item_")


def test_items_are_put_where_they_are_asked_for(service: Service) -> None:
    previous = [
        told(service, create(typed(text, id=text), **where))[0]["previous_item_id"]
        for text, where in (
            ("b", {}),
            ("d", {}),
            ("c", {"previous_item_id": "b"}),
            ("a", {"previous_item_id": "root"}),
            ("e", {"previous_item_id": "d"}),
        )
    ]
    assert previous == [None, "b", "b", None, "d"]
    assert texts(service) == ["a", "b", "c", "d", "e"]
    error = refused(service, create(typed("x"), previous_item_id="nowhere"))
    assert error["code"] == "invalid_value"
    assert texts(service) == ["a", "b", "c", "d", "e"]


def test_an_item_s_id_is_taken_once(service: Service) -> None:
    told(service, create(typed("a", id="mine")))
    assert refused(service, create(typed("b", id="mine")))["param"] == "item.id"


def test_an_item_without_an_id_gets_one(service: Service) -> None:
    added, _ = told(service, create(typed("a", id=None)))
    assert added["item"]["id"].startswith("item_")


def test_an_item_is_retrieved_and_deleted(service: Service) -> None:
    told(service, create(typed("a", id="mine")))
    (retrieved,) = told(service, {"type": "conversation.item.retrieve", "item_id": "mine"})
    assert retrieved["type"] == "conversation.item.retrieved"
    assert retrieved["item"]["content"] == [{"type": "input_text", "text": "a"}]
    (deleted,) = told(service, {"type": "conversation.item.delete", "item_id": "mine"})
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "mine")
    assert service.items == []
    assert refused(service, {"type": "conversation.item.retrieve", "item_id": "mine"})["param"] == "item_id"


def truncate(item_id: str, end: int = 100) -> Fields:
    return {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": end}


def test_a_truncated_answer_has_no_transcript(service: Service) -> None:
    """The service forgets all of it, for it does not know which words were heard."""
    respond(service)
    assert service.answer is not None
    assert [*service.answer.say("Once upon a time", pcm.silence(1))]
    item_id = service.answer.outputs[0].id
    assert [*finish(service)]
    assert service.items[-1]["content"][0]["transcript"] == "Once upon a time"
    (cut,) = told(service, truncate(item_id))
    assert cut == {
        "type": "conversation.item.truncated",
        "event_id": cut["event_id"],
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": 100,
    }
    (retrieved,) = told(service, {"type": "conversation.item.retrieve", "item_id": item_id})
    assert not retrieved["item"]["content"][0].get("transcript")


def spoken_answer(service: Service, seconds: float = 1) -> str:
    """The id of an answer of so many seconds, which is over."""
    respond(service)
    assert service.answer is not None
    assert [*service.answer.say("Once upon a time", pcm.silence(seconds)), *finish(service)]
    item_id: str = service.items[-1]["id"]
    return item_id


def the_call(item_id: str) -> Fields:
    return {"id": item_id, "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    "item",
    [
        typed("a", id="mine"),
        typed("a", id="mine", role="system"),
        typed("a", id="mine", role="assistant"),
        {"type": "message", "role": "user", "id": "mine", "content": [{"type": "input_audio", "audio": "AAAA"}]},
        the_call("mine"),
    ],
    ids=["typed", "system", "written by the assistant", "spoken by the user", "a call"],
)
def test_only_a_spoken_answer_can_be_truncated(service: Service, item: Fields) -> None:
    told(service, create(item))
    before = [*service.items]
    error = refused(service, truncate("mine", 0))
    assert (error["code"], error["param"]) == ("invalid_value", "item_id")
    assert error["message"] == "Only model output audio messages can be truncated"
    assert service.items == before


def test_a_written_answer_cannot_be_truncated(service: Service) -> None:
    respond(service, output_modalities=["text"])
    answer_it(service)
    assert refused(service, truncate(service.items[-1]["id"], 0))["param"] == "item_id"


@pytest.mark.parametrize("index", [1, -1])
def test_only_content_that_there_is_can_be_truncated(service: Service, index: int) -> None:
    item_id = spoken_answer(service)
    assert refused(service, {**truncate(item_id), "content_index": index})["code"] == "invalid_value"
    assert service.items[-1]["content"][0]["transcript"]


@pytest.mark.parametrize("end", [0, 999, 1000])
def test_an_answer_is_truncated_within_its_length(service: Service, end: int) -> None:
    (cut,) = told(service, truncate(spoken_answer(service), end))
    assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncated", end)


@pytest.mark.parametrize("end", [1001, 60_000, -1])
def test_an_answer_is_not_truncated_beyond_its_length(service: Service, end: int) -> None:
    error = refused(service, truncate(spoken_answer(service), end))
    assert (error["code"], error["param"]) == ("invalid_value", "audio_end_ms")
    if end > 0:
        assert error["message"] == f"Audio content of 1000ms is already shorter than {end}ms"
    assert service.items[-1]["content"][0]["transcript"] == "Once upon a time"


def test_what_was_cut_off_does_not_come_back(service: Service) -> None:
    item_id = spoken_answer(service)
    told(service, truncate(item_id, 300))
    assert "300ms is already shorter than 301ms" in refused(service, truncate(item_id, 301))["message"]
    assert [event["audio_end_ms"] for event in told(service, truncate(item_id, 300))] == [300]


def voice(name: str) -> Fields:
    return {"output": {"voice": name}}


def test_the_voice_stays_once_it_was_heard(service: Service) -> None:
    """The whole update is refused; the voice that it has may be said again."""
    assert update(service, audio=voice("echo"))["audio"]["output"]["voice"] == "echo"
    respond(service, output_modalities=["text"])
    answer_it(service)
    assert update(service, audio=voice("ash"))["audio"]["output"]["voice"] == "ash"
    told(service, truncate(spoken_answer(service), 0))  # so that the user heard nothing of it
    change = {"type": "realtime", "instructions": "Be another.", "audio": voice("echo")}
    error = refused(service, {"type": "session.update", "session": change})
    assert error["code"] == "cannot_update_voice"
    assert update(service, audio=voice("ash"), instructions="Be brief.")["audio"]["output"]["voice"] == "ash"
    assert service.session["instructions"] == "Be brief."


def test_the_voice_stays_while_it_is_heard(service: Service) -> None:
    respond(service)
    assert service.answer is not None
    said = service.answer.say("Once", pcm.silence(1))
    while not service.answer.has_sound:
        assert update(service, audio=voice("ash"))["audio"]["output"]["voice"] == "ash"
        next(said)
    change = {"type": "realtime", "audio": voice("echo")}
    assert refused(service, {"type": "session.update", "session": change})["code"] == "cannot_update_voice"


def test_what_is_said_outside_the_conversation_binds_no_voice(service: Service) -> None:
    respond(service, conversation="none")
    (answer,) = service.answers.values()
    assert [*answer.say("Once", pcm.silence(0.1)), *service.finish(answer)]
    assert update(service, audio=voice("ash"))["audio"]["output"]["voice"] == "ash"


def test_telephone_sound_is_truncated_by_the_time_it_takes(service: Service) -> None:
    """8000 bytes are a second there."""
    respond(service, audio={"output": {"format": {"type": "audio/pcmu"}}})
    assert service.answer is not None
    assert [*service.answer.say("Yes.", bytes(8000)), *finish(service)]
    item_id = service.items[-1]["id"]
    assert "1000ms is already" in refused(service, truncate(item_id, 1001))["message"]
    assert told(service, truncate(item_id, 1000))


def test_a_cancelled_answer_is_as_long_as_what_was_sent_of_it(service: Service) -> None:
    respond(service)
    assert service.answer is not None
    said = service.answer.say("Once", pcm.silence(60))
    while service.answer.spoken_items == [] or service.answer.spoken_items[0].sent_bytes < len(pcm.silence(0.2)):
        next(said)
    assert [*finish(service, "cancelled", {"type": "cancelled", "reason": "turn_detected"})]
    item_id = service.items[-1]["id"]
    assert "200ms is already shorter than 201ms" in refused(service, truncate(item_id, 201))["message"]


# Appending


def test_fifteen_mebibytes_are_the_most_that_is_appended_at_once(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": None}})
    most = bytes(15 * 1024 * 1024)
    error = refused(service, appended(most + b"\0"))
    assert (error["code"], error["param"]) == ("invalid_value", "audio")
    assert str(len(most)) in error["message"]
    assert "0.00ms" in refused(service, {"type": "input_audio_buffer.commit"})["message"]
    assert ask(service, appended(most)) == []
    assert kinds(ask(service, {"type": "input_audio_buffer.commit"}))[0] == "input_audio_buffer.committed"


# Turns


def test_a_spoken_turn_has_the_order_of_the_service(service: Service) -> None:
    outcomes = append(service, pcm.silence(0.5) + QUESTION + pcm.silence(0.5))
    assert kinds(outcomes) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "Respond",
    ]
    started, stopped, committed, added, *_ = (outcome for outcome in outcomes if isinstance(outcome, dict))
    assert set(started) == {"type", "event_id", "audio_start_ms", "item_id"}
    assert set(stopped) == {"type", "event_id", "audio_end_ms", "item_id"}
    assert set(committed) == {"type", "event_id", "previous_item_id", "item_id"}
    assert {started["item_id"], stopped["item_id"], committed["item_id"], added["item"]["id"]} == {started["item_id"]}
    assert added["item"] == {
        "id": started["item_id"],
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    assert service.answer is not None
    assert service.answer.previous_item_id == started["item_id"]


def test_the_turn_is_the_sound_between_its_bounds(service: Service) -> None:
    outcomes = append(service, pcm.silence(1) + QUESTION + pcm.silence(0.5))
    started, stopped, *_ = (outcome for outcome in outcomes if isinstance(outcome, dict))
    turn = turn_of(outcomes)
    assert pcm.duration(turn.audio) * 1000 == pytest.approx(stopped["audio_end_ms"] - started["audio_start_ms"])
    assert pcm.level(turn.audio[: len(pcm.silence(0.3))]) < 0.01
    assert 2.2 < turn.speech_seconds < 2.8
    assert turn.text == ""
    assert turn.deployment == "gpt-realtime"


@pytest.mark.parametrize("ms", [20, 33.3, 100, 10_000])
def test_the_size_of_the_pieces_does_not_matter(service: Service, ms: float) -> None:
    sound = QUESTION + pcm.silence(0.5)
    outcomes = [outcome for piece in pcm.chunks(sound, ms) for outcome in ask(service, appended(piece))]
    whole = Service("other")
    assert turn_of(outcomes).audio == turn_of(ask(whole, appended(sound))).audio


def test_half_samples_are_put_together(service: Service) -> None:
    """A client may cut its sound anywhere, between the bytes of a sample too."""
    sound = QUESTION + pcm.silence(0.5)
    pieces = [sound[start : start + 4801] for start in range(0, len(sound), 4801)]
    outcomes = [outcome for piece in pieces for outcome in ask(service, appended(piece))]
    whole = Service("other")
    assert turn_of(outcomes).audio == turn_of(ask(whole, appended(sound))).audio


def test_two_turns_in_one_piece_are_two_turns(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    outcomes = ask(service, appended(wav.read(SAMPLES / "long_pause.wav").pcm + pcm.silence(0.5)))
    assert (
        kinds(outcomes)
        == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]
        * 2
    )
    first, second = service.items
    assert outcomes[-1] == {**outcomes[-1], "previous_item_id": first["id"], "item": second}  # type: ignore[dict-item]
    turn = respond(service)
    assert 3.5 < pcm.duration(turn.audio) < 4
    assert 2.5 < turn.speech_seconds < 4


def test_without_create_response_nobody_answers_by_itself(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    assert kinds(append(service, QUESTION + pcm.silence(0.5)))[-1] == "conversation.item.done"
    assert service.answer is None
    assert respond(service).speech_seconds > 2


def test_without_turn_detection_the_client_ends_its_turns(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": None}})
    assert append(service, QUESTION + pcm.silence(0.5)) == []
    assert kinds(ask(service, {"type": "input_audio_buffer.commit"})) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    turn = respond(service)
    assert turn.audio == QUESTION + pcm.silence(0.5)
    assert 2 < turn.speech_seconds < 2.8


def test_silence_committed_by_hand_has_no_speech(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": None}})
    append(service, pcm.silence(0.5))
    ask(service, {"type": "input_audio_buffer.commit"})
    turn = respond(service)
    assert (turn.audio, turn.speech_seconds) == (pcm.silence(0.5), 0)


def test_nothing_is_left_to_commit_after_a_turn(service: Service) -> None:
    """A client that commits what the turn detection has committed already is told so."""
    for piece in pcm.chunks(QUESTION + pcm.silence(0.5), 20):
        if any(isinstance(outcome, Respond) for outcome in ask(service, appended(piece))):
            break
    assert "0.00ms" in refused(service, {"type": "input_audio_buffer.commit"})["message"]


def test_a_cleared_buffer_is_empty(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": None}})
    append(service, QUESTION)
    (cleared,) = told(service, {"type": "input_audio_buffer.clear"})
    assert cleared["type"] == "input_audio_buffer.cleared"
    assert "0.00ms" in refused(service, {"type": "input_audio_buffer.commit"})["message"]


def test_what_was_cleared_is_no_part_of_the_next_turn(service: Service) -> None:
    append(service, QUESTION[: len(QUESTION) // 2])
    ask(service, {"type": "input_audio_buffer.clear"})
    assert append(service, pcm.silence(1)) == []
    turn = turn_of(append(service, QUESTION + pcm.silence(0.5)))
    assert pcm.duration(turn.audio) < pcm.duration(QUESTION) + 0.5


@pytest.mark.parametrize(
    ("audio_format", "encode"), [("audio/pcmu", g711.encode_ulaw), ("audio/pcma", g711.encode_alaw)]
)
def test_telephone_sound_is_heard(service: Service, audio_format: str, encode: Any) -> None:
    """8000 bytes a second; a turn is handed on as PCM at 24 kHz all the same."""
    session = update(service, audio={"input": {"format": {"type": audio_format}}})
    assert session["audio"]["input"]["format"] == {"type": audio_format}
    sound = encode(resample(QUESTION + pcm.silence(0.5), 24000, 8000))
    pieces = [sound[start : start + 160] for start in range(0, len(sound), 160)]
    outcomes = [outcome for piece in pieces for outcome in ask(service, appended(piece))]
    turn = turn_of(outcomes)
    started, stopped, *_ = (outcome for outcome in outcomes if isinstance(outcome, dict))
    assert pcm.duration(turn.audio) * 1000 == pytest.approx(stopped["audio_end_ms"] - started["audio_start_ms"], abs=5)
    assert pcm.level(turn.audio) == pytest.approx(pcm.level(QUESTION), rel=0.2)
    assert 2.2 < turn.speech_seconds < 2.8


@pytest.mark.parametrize(
    ("audio_format", "decode_it", "rate"),
    [("audio/pcmu", g711.decode_ulaw, 8000), ("audio/pcma", g711.decode_alaw, 8000), ("audio/pcm", bytes, 24000)],
)
def test_an_answer_is_encoded_in_the_format_of_the_session(audio_format: str, decode_it: Any, rate: int) -> None:
    heard = decode_it(encoded(QUESTION, audio_format))
    assert pcm.duration(heard, rate) == pytest.approx(pcm.duration(QUESTION), abs=0.001)
    assert pcm.level(heard) == pytest.approx(pcm.level(QUESTION), rel=0.2)


def test_transcription_is_asked_for_when_the_session_has_it(service: Service) -> None:
    update(service, audio={"input": {"transcription": {"model": "whisper"}}})
    outcomes = append(service, QUESTION + pcm.silence(0.5))
    assert kinds(outcomes)[3:] == [
        "conversation.item.added",
        "conversation.item.done",
        "Transcribe",
        "response.created",
        "Respond",
    ]
    (due,) = [outcome for outcome in outcomes if isinstance(outcome, Transcribe)]
    assert due == Transcribe(service.items[0]["id"], turn_of(outcomes).audio)


def test_a_turn_gathers_what_was_said_and_written_since_the_last_answer(service: Service) -> None:
    told(service, create(typed("First.")))
    assert respond(service).text == "First."
    answer_it(service)
    update(service, audio={"input": {"turn_detection": None}})
    told(service, create(typed("Second.")))
    append(service, pcm.silence(0.2))
    ask(service, {"type": "input_audio_buffer.commit"})
    told(service, create(typed("Third.")))
    append(service, QUESTION)
    ask(service, {"type": "input_audio_buffer.commit"})
    turn = respond(service)
    assert turn.text == "Second. Third."
    assert turn.audio == pcm.silence(0.2) + QUESTION
    answer_it(service)
    assert respond(service) == Turn(instructions=turn.instructions, deployment="gpt-realtime")


def test_instructions_for_the_model_are_not_what_the_user_wrote(service: Service) -> None:
    told(service, create(typed("You are a pirate.", role="system")))
    told(service, create(typed("Hello.")))
    assert respond(service).text == "Hello."


def test_sound_in_a_message_is_heard(service: Service) -> None:
    part = {"type": "input_audio", "audio": pybase64.b64encode(QUESTION).decode()}
    added, _ = told(service, create({"type": "message", "role": "user", "content": [part]}))
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    turn = respond(service)
    assert turn.audio == QUESTION
    assert turn.speech_seconds > 2


def test_a_deleted_message_is_not_answered(service: Service) -> None:
    told(service, create(typed("Never mind.", id="mine")))
    told(service, create(typed("Hello.")))
    told(service, {"type": "conversation.item.delete", "item_id": "mine"})
    assert respond(service).text == "Hello."


def test_what_comes_during_an_answer_waits_for_the_next(service: Service) -> None:
    """It stands behind the answer in the conversation, and is not lost."""
    told(service, create(typed("First.")))
    respond(service)
    told(service, create(typed("Second.")))
    answer_it(service)
    assert texts(service) == ["First.", "Yes.", "Second."]
    assert respond(service).text == "Second."


def test_what_is_said_during_an_answer_that_goes_on_waits_for_the_next(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    told(service, create(typed("First.")))
    respond(service)
    outcomes = append(service, QUESTION + pcm.silence(0.5))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Cancel)]
    answer_it(service)
    turn = respond(service)
    assert turn.text == ""
    assert turn.speech_seconds > 2


def test_a_turn_whose_answer_never_began_is_answered_with_the_next(service: Service) -> None:
    """The user went on before the first word: what was said before is not forgotten."""
    told(service, create(typed("First.")))
    append(service, QUESTION + pcm.silence(0.5))
    assert [*finish(service, "cancelled", {"type": "cancelled", "reason": "turn_detected"})]
    told(service, create(typed("Second.")))
    turn = turn_of(append(service, QUESTION + pcm.silence(0.5)))
    assert turn.text == "First. Second."
    assert turn.speech_seconds > 4
    assert pcm.duration(turn.audio) > 5


# Answering


def test_a_response_has_its_own_settings(service: Service) -> None:
    turn = respond(
        service,
        instructions="In French.",
        output_modalities=["text"],
        metadata={"topic": "a"},
        audio={"output": {"format": {"type": "audio/pcmu"}}},
    )
    assert turn.instructions == "In French."
    assert service.answer is not None
    assert not service.answer.spoken
    assert service.answer.bytes_per_second == 8000
    response = answer_it(service)[-1]["response"]
    assert response["output_modalities"] == ["text"]
    assert response["metadata"] == {"topic": "a"}
    assert response["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert service.session["output_modalities"] == ["audio"]
    assert service.session["audio"]["output"]["format"] == PCM


def test_a_response_takes_the_settings_of_the_session(service: Service) -> None:
    update(service, instructions="Be brief.", output_modalities=["text"])
    assert respond(service).instructions == "Be brief."
    assert service.answer is not None
    assert not service.answer.spoken


def test_an_answer_is_in_the_conversation_when_it_is_done(service: Service) -> None:
    told(service, create(typed("Hello.")))
    respond(service)
    events = answer_it(service, "Good day.")
    assert service.answer is None
    assert service.items[-1] == events[-1]["response"]["output"][0]
    assert texts(service) == ["Hello.", "Good day."]
    added = next(event for event in events if event["type"] == "conversation.item.added")
    assert added["previous_item_id"] == service.items[0]["id"]


def test_what_was_heard_is_counted(service: Service) -> None:
    """Ten tokens a second, and one a word."""
    update(service, audio={"input": {"turn_detection": None}})
    told(service, create(typed("What is this?")))
    append(service, pcm.silence(2))
    ask(service, {"type": "input_audio_buffer.commit"})
    respond(service)
    usage = answer_it(service)[-1]["response"]["usage"]
    assert usage["input_token_details"]["text_tokens"] == 3
    assert usage["input_token_details"]["audio_tokens"] == 20
    assert usage["input_tokens"] == 23


def test_speech_cuts_the_answer_short(service: Service) -> None:
    """Barge-in: first the service says that it hears the user, then it stops."""
    respond(service)
    outcomes = append(service, QUESTION[: len(QUESTION) // 2])
    assert kinds(outcomes) == ["input_audio_buffer.speech_started", "Cancel"]
    assert outcomes[-1] == Cancel(answer_of(service), "turn_detected")


def test_speech_does_not_cut_the_answer_short_when_it_may_not(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    respond(service)
    assert kinds(append(service, QUESTION[: len(QUESTION) // 2])) == ["input_audio_buffer.speech_started"]


def test_a_response_is_cancelled(service: Service) -> None:
    respond(service)
    assert ask(service, {"type": "response.cancel"}) == [Cancel(answer_of(service), "client_cancelled")]
    (done,) = finish(service, "cancelled", {"type": "cancelled", "reason": "client_cancelled"})
    assert done["response"]["status"] == "cancelled"
    assert finish(service) == []
    assert refused(service, {"type": "response.cancel"})["code"] == "response_cancel_not_active"


def test_only_the_response_that_is_named_is_cancelled(service: Service) -> None:
    """A cancel that comes too late for one response does not stop the next."""
    respond(service)
    late = {"type": "response.cancel", "response_id": "resp_before"}
    assert refused(service, late)["code"] == "response_cancel_not_active"
    answer = answer_of(service)
    assert ask(service, {**late, "response_id": answer.id}) == [Cancel(answer, "client_cancelled")]


def test_responses_outside_the_conversation_run_beside_the_one_in_it(service: Service) -> None:
    told(service, create(typed("Hello.")))
    respond(service)
    inside = answer_of(service)
    respond(service, conversation="none")
    respond(service, conversation="none")
    one, other = [answer for answer in service.answers.values() if answer is not inside]
    assert service.answer is inside
    assert refused(service, {"type": "response.create"})["code"] == "conversation_already_has_active_response"
    assert ask(service, {"type": "response.cancel", "response_id": one.id}) == [Cancel(one, "client_cancelled")]
    assert [*service.finish(one, "cancelled")][-1]["response"]["id"] == one.id
    assert [*other.say("Beside it.", b"")]
    assert [*service.finish(other)][-1]["response"]["output"][0]["content"][0]["transcript"] == "Beside it."
    answer_it(service, "Good day.")
    assert texts(service) == ["Hello.", "Good day."]
    assert not service.answers


def saying(service: Service) -> str:
    """A spoken answer is under way; the id of its item, of which a second was sent."""
    respond(service)
    answer = answer_of(service)
    assert [*answer.say("Once upon a time", pcm.silence(1))]
    return answer.outputs[0].id


def test_an_item_that_is_being_said_can_be_retrieved(service: Service) -> None:
    (retrieved,) = told(service, {"type": "conversation.item.retrieve", "item_id": saying(service)})
    assert retrieved["item"]["status"] == "in_progress"
    assert retrieved["item"]["content"][0]["transcript"] == "Once upon a time"


def test_an_item_that_is_being_said_can_be_truncated(service: Service) -> None:
    """Players truncate before they cancel; what was not heard stays unheard when the answer ends."""
    item_id = saying(service)
    cut = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0}
    assert "already shorter" in refused(service, {**cut, "audio_end_ms": 1100})["message"]
    told(service, {**cut, "audio_end_ms": 400})
    finish(service, "cancelled")
    (item,) = service.items
    assert "transcript" not in item["content"][0]
    assert "of 400ms" in refused(service, {**cut, "audio_end_ms": 500})["message"]


def test_an_item_that_is_being_said_can_be_deleted(service: Service) -> None:
    item_id = saying(service)
    told(service, {"type": "conversation.item.delete", "item_id": item_id})
    assert "not found" in refused(service, {"type": "conversation.item.retrieve", "item_id": item_id})["message"]
    assert finish(service)[-1]["response"]["output"][0]["id"] == item_id
    assert service.items == []


@pytest.mark.parametrize("behind", [None, "root", "first", "said"])
def test_items_that_come_during_an_answer_are_where_they_were_told(service: Service, behind: str | None) -> None:
    """Whoever folds the events by `previous_item_id` has the service's own order."""
    told(service, create({**typed("One."), "id": "first"}))
    item_id = saying(service)
    order: list[str] = ["first", item_id]
    for number in ("a", "b"):
        previous = {} if behind is None else {"previous_item_id": item_id if behind == "said" else behind}
        (added, _) = told(service, {**create({**typed("Meanwhile."), "id": number}), **previous})
        before = added["previous_item_id"]
        order.insert(order.index(before) + 1 if before else 0, number)
    finish(service)
    assert [item["id"] for item in service.items] == order


@pytest.mark.parametrize("end_ms", [-1, -1000])
def test_nothing_is_truncated_before_its_beginning(service: Service, end_ms: int) -> None:
    item_id = saying(service)
    finish(service)
    cut = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
    assert refused(service, cut)["param"] == "audio_end_ms"


def answer_of(service: Service) -> Answer:
    assert service.answer is not None
    return service.answer


def test_a_cancelled_answer_stays_as_far_as_it_came(service: Service) -> None:
    told(service, create(typed("Hello.")))
    respond(service)
    assert service.answer is not None
    deltas = service.answer.say("Good day to you.", b"")
    for _ in range(5):
        next(deltas)
    assert [*finish(service, "cancelled", {"type": "cancelled", "reason": "client_cancelled"})]
    assert texts(service) == ["Hello.", "Good day"]
    assert service.items[-1]["status"] == "incomplete"


# Functions

WEATHER: Fields = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
TIME: Fields = {"type": "function", "name": "get_time"}


def result(call_id: str, output: str) -> Fields:
    return create({"type": "function_call_output", "call_id": call_id, "output": output})


def call_it(service: Service, *names: str) -> list[str]:
    """Lets the response under way call the functions *names*, and end; the ids of the calls."""
    answer = service.answer
    assert answer is not None
    for name in names:
        assert [*answer.call(name, "{}")]
    assert [*finish(service)]
    return [item["call_id"] for item in service.items if item["type"] == "function_call"]


def test_a_turn_knows_the_functions_of_the_session(service: Service) -> None:
    update(service, tools=[WEATHER, TIME])
    assert respond(service).tools == (WEATHER, TIME)


def test_a_response_has_functions_of_its_own(service: Service) -> None:
    update(service, tools=[WEATHER])
    assert respond(service, tools=[TIME]).tools == (TIME,)
    answer_it(service)
    assert respond(service, tools=[]).tools == ()


def test_a_turn_has_what_the_functions_gave_back_in_order(service: Service) -> None:
    told(service, create(typed("How is it in Oslo?")))
    respond(service)
    first, second = call_it(service, "get_weather", "get_time")
    told(service, result(second, "12 o'clock"))
    told(service, result(first, "rain"))
    turn = respond(service)
    assert turn.text == ""
    assert list(turn.results.items()) == [(second, "12 o'clock"), (first, "rain")]
    answer_it(service)
    assert respond(service).results == {}


def test_what_a_function_gave_back_comes_with_what_was_written_meanwhile(service: Service) -> None:
    respond(service)
    (call_id,) = call_it(service, "get_weather")
    told(service, result(call_id, "rain"))
    told(service, create(typed("Hurry up.")))
    turn = respond(service)
    assert (turn.text, turn.results) == ("Hurry up.", {call_id: "rain"})


def test_a_call_is_in_the_conversation_when_it_is_done(service: Service) -> None:
    told(service, create(typed("Hello.", id="mine")))
    respond(service)
    call_it(service, "get_weather")
    assert [item["type"] for item in service.items] == ["message", "function_call"]
    (retrieved,) = told(service, {"type": "conversation.item.retrieve", "item_id": service.items[-1]["id"]})
    assert retrieved["item"]["name"] == "get_weather"


def test_a_result_that_comes_before_the_end_of_the_response_stands_behind_its_call(service: Service) -> None:
    """As recorded: the client was faster than `response.done`."""
    told(service, create(typed("Hello.", id="mine")))
    respond(service)
    assert service.answer is not None
    assert [*service.answer.call("get_weather", "{}")]
    (call,) = service.answer.outputs
    assert isinstance(call, Called)
    added, done = told(service, result(call.call_id, "rain"))
    assert added["previous_item_id"] == done["previous_item_id"] == call.id
    assert [*finish(service)]
    assert [item["type"] for item in service.items] == ["message", "function_call", "function_call_output"]
    assert respond(service).results == {call.call_id: "rain"}


def test_what_is_written_before_an_answer_begins_stands_where_it_was_announced(service: Service) -> None:
    """The answer goes in front of it, behind what it answers; each event says so."""
    told(service, create(typed("First.", id="first")))
    respond(service)
    added, _ = told(service, create(typed("Second.", id="second")))
    assert added["previous_item_id"] == "first"
    events = answer_it(service)
    (said,) = [event for event in events if event["type"] == "conversation.item.added"]
    assert said["previous_item_id"] == "first"
    assert texts(service) == ["First.", "Yes.", "Second."]


# Outside the conversation


def test_a_response_outside_the_conversation_leaves_it_alone(service: Service) -> None:
    told(service, create(typed("Hello.", id="mine")))
    turn = respond(service, conversation="none", metadata={"topic": "classification"})
    assert turn.text == "Hello."  # what it is about, unless it brings something of its own
    events = answer_it(service)
    assert not [event for event in events if event["type"].startswith("conversation.")]
    response = events[-1]["response"]
    assert (response["conversation_id"], response["metadata"]) == (None, {"topic": "classification"})
    assert response["output"][0]["content"][0]["transcript"] == "Yes."
    assert [item["id"] for item in service.items] == ["mine"]
    assert respond(service).text == "Hello."  # still not answered


def test_a_response_has_an_input_of_its_own(service: Service) -> None:
    """Instead of the conversation: items that nobody sees, and references to those that are there."""
    told(service, create(typed("Far away.", id="far")))
    told(service, create(typed("Near.", id="near")))
    turn = respond(
        service,
        conversation="none",
        input=[{"type": "item_reference", "id": "near"}, typed("Is this far?")],
    )
    assert turn.text == "Near. Is this far?"
    answer_it(service)
    assert [item["id"] for item in service.items] == ["far", "near"]


def test_an_empty_input_is_nothing_at_all(service: Service) -> None:
    told(service, create(typed("Hello.")))
    assert respond(service, input=[]).text == ""


def test_an_input_in_the_conversation_is_answered_there(service: Service) -> None:
    told(service, create(typed("Hello.", id="mine")))
    assert respond(service, input=[typed("What?")]).text == "What?"
    answer_it(service)
    assert texts(service) == ["Hello.", "Yes."]


def test_an_input_may_be_sound_and_what_functions_gave_back(service: Service) -> None:
    part = {"type": "input_audio", "audio": pybase64.b64encode(QUESTION).decode()}
    turn = respond(
        service,
        conversation="none",
        input=[
            {"type": "message", "role": "user", "content": [part]},
            {"type": "function_call_output", "call_id": "c", "output": "rain"},
        ],
    )
    assert turn.audio == QUESTION
    assert turn.results == {"c": "rain"}


def test_a_refused_input_leaves_no_response_behind(service: Service) -> None:
    bad = {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}]}}
    assert refused(service, bad)["code"] == "invalid_value"
    assert service.answer is None
    assert respond(service).text == ""


def test_speech_that_ends_during_an_answer_does_not_begin_another(service: Service) -> None:
    update(service, audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    respond(service)
    assert "response.created" not in kinds(append(service, QUESTION + pcm.silence(0.5)))


@pytest.mark.parametrize("most", [1, 4096, "inf"])
def test_a_response_says_how_many_tokens_it_may_have(service: Service, most: int | str) -> None:
    assert update(service, max_output_tokens=most)["max_output_tokens"] == most
    respond(service)
    assert service.answer is not None
    assert service.answer.max_output_tokens == most
    assert answer_it(service)[-1]["response"]["max_output_tokens"] == most
    respond(service, max_output_tokens=7)
    assert answer_it(service)[-1]["response"]["max_output_tokens"] == 7


# Transcription sessions


@pytest.fixture
def scribe() -> Service:
    return Service("", transcription=True, now=lambda: 1_800_000_000.5)


def transcription_update(**session: Any) -> Fields:
    return {"type": "session.update", "session": {"type": "transcription", **session}}


def test_a_transcription_session_has_what_it_needs(scribe: Service) -> None:
    created = scribe.created()
    session = created["session"]
    assert created["type"] == "session.created"
    assert set(session) == {"id", "type", "object", "expires_at", "include", "audio", "emulator"}
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert set(session["audio"]) == {"input"}
    assert session["audio"]["input"]["turn_detection"] == SERVER_VAD
    assert session["audio"]["input"]["transcription"] is not None


def test_a_transcription_session_is_updated(scribe: Service) -> None:
    settings = {"transcription": {"model": "whisper-1", "language": "en"}, "format": {"type": "audio/pcmu"}}
    (updated,) = told(scribe, transcription_update(audio={"input": settings}, include=["logprobs"]))
    assert updated["type"] == "session.updated"
    heard = updated["session"]["audio"]["input"]
    assert heard["transcription"] == {"model": "whisper-1", "language": "en", "prompt": None}
    assert heard["format"] == {"type": "audio/pcmu"}
    assert updated["session"]["include"] == ["logprobs"]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        (session_update(instructions="x"), "invalid_value", "session.type"),
        (transcription_update(instructions="x"), "unknown_parameter", "session.instructions"),
        (transcription_update(tools=[]), "unknown_parameter", "session.tools"),
        (transcription_update(audio={"output": {"voice": "x"}}), "unknown_parameter", "session.audio.output"),
        (transcription_update(audio={"input": {"format": {"type": "mp3"}}}), "invalid_value", None),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
    ],
)
def test_a_transcription_session_does_nothing_else(
    scribe: Service, event: Fields, code: str, param: str | None
) -> None:
    before = scribe.created()["session"]
    error = refused(scribe, event)
    assert error["code"] == code
    assert param is None or error["param"] == param
    assert scribe.created()["session"] == before


def test_a_transcription_session_writes_down_and_does_not_answer(scribe: Service) -> None:
    outcomes = append(scribe, pcm.silence(0.5) + QUESTION + pcm.silence(0.5))
    assert kinds(outcomes) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "Transcribe",
    ]
    assert outcomes[-1] == Transcribe(scribe.items[0]["id"], outcomes[-1].audio)  # type: ignore[union-attr]
    assert scribe.answer is None


def test_a_transcription_session_takes_turns_by_hand(scribe: Service) -> None:
    told(scribe, transcription_update(audio={"input": {"turn_detection": None}}))
    assert append(scribe, QUESTION) == []
    assert kinds(ask(scribe, {"type": "input_audio_buffer.commit"}))[-1] == "Transcribe"


@pytest.mark.parametrize("transcription", [False, True])
def test_a_session_says_when_it_expires(transcription: bool) -> None:
    short = Service("any", transcription=transcription, lifetime=90, now=lambda: 1_800_000_000.5)
    assert short.created()["session"]["expires_at"] == 1_800_000_090


# Garbage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
GOOD: list[Fields] = [
    session_update(
        model="m",
        instructions="x",
        output_modalities=["text"],
        audio={
            "input": {
                "format": PCM,
                "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "m"},
                "turn_detection": SERVER_VAD,
            },
            "output": {"format": {"type": "audio/pcmu"}, "voice": "v", "speed": 1.0},
        },
        tools=[],
        tool_choice="auto",
        max_output_tokens=5,
    ),
    appended(pcm.silence(0.1)),
    {"type": "input_audio_buffer.commit", "event_id": "e"},
    create(
        {
            "id": "i",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_text", "text": "x"}, {"type": "input_audio", "audio": "AAAA"}],
        },
        previous_item_id="root",
    ),
    create({"type": "function_call_output", "call_id": "c", "output": "o"}),
    truncate("i"),
    {"type": "conversation.item.delete", "item_id": "i"},
    {"type": "response.cancel", "response_id": "r"},
    {
        "type": "response.create",
        "response": {
            "instructions": "x",
            "output_modalities": ["audio"],
            "audio": {"output": {"format": PCM, "voice": "v"}},
            "metadata": {"a": "b"},
            "conversation": "auto",
        },
    },
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "max_output_tokens": 5,
            "tools": [{"type": "function", "name": "f"}],
            "input": [
                {"type": "item_reference", "id": "i"},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "o"},
            ],
        },
    },
    create({"type": "function_call", "id": "c", "call_id": "c", "name": "f", "arguments": "{}"}),
    {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": {"transcription": {"model": "m"}}}, "include": ["x"]},
    },
]


def paths(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for step, part in inside for path in paths(part, (*here, step)))]


def replaced(value: Any, path: tuple[str | int, ...], by: Any) -> Any:
    if not path:
        return by
    step, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[step] = replaced(value[step], tuple(rest), by)
    return copy


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good event with something else in one place."""
    good = draw(st.sampled_from(GOOD))
    path = draw(st.sampled_from(paths(good)))
    return json.dumps(replaced(good, path, draw(JSON))).encode()


def without_one(value: Any, path: tuple[str | int, ...]) -> Any:
    """*value* without what is at *path*."""
    *above, last = path
    if above:
        inside: Any = value
        for step in above:
            inside = inside[step]
        return replaced(value, tuple(above), without_one(inside, (last,)))
    kept = value.items() if isinstance(value, dict) else enumerate(value)
    left = {step: part for step, part in kept if step != last}
    return left if isinstance(value, dict) else list(left.values())


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good["type"])
def test_an_event_that_lacks_something_is_survived(good: Fields) -> None:
    for path in paths(good)[1:]:
        survives(json.dumps(without_one(good, path)).encode())


def survives(message: bytes) -> None:
    """*message* is answered with events that can be read, and the session goes on."""
    for transcription in (False, True):
        survives_in(Service("gpt-realtime", transcription=transcription), message)


def survives_in(service: Service, message: bytes) -> None:
    for event in (message, appended(pcm.silence(0.2)), {"type": "response.create"}, message):
        for outcome in ask(service, event):
            if isinstance(outcome, dict):
                read = decode(to_json(outcome))
                assert not isinstance(read, UnknownEvent)
                assert read.problems == ()
                assert from_json(to_json(outcome)) == outcome
    if service.answer is not None:
        answer_it(service)
    kind = service.session["type"]
    (updated,) = told(service, {"type": "session.update", "session": {"type": kind, "include": ["the end"]}})
    assert updated["session"]["include"] == ["the end"]


@given(message=st.binary(max_size=60))
def test_any_bytes_are_survived(message: bytes) -> None:
    survives(message)


@given(value=JSON)
def test_any_json_is_survived(value: Any) -> None:
    survives(json.dumps(value).encode())


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(message=spoilt())
def test_any_event_with_something_wrong_in_it_is_survived(message: bytes) -> None:
    survives(message)


@pytest.mark.parametrize("message", [b"[" * 100_000, b'{"type":NaN}', b'{"type":"\\ud800"}', b'{"a":' * 5000, b""])
def test_what_readers_of_json_stumble_over_is_survived(message: bytes) -> None:
    survives(message)
