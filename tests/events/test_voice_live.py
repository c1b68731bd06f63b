"""Azure Voice Live, the third dialect: what it says is typed, and what is said to it is in its words or in GA's."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal, Required, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import InvalidEvent
from realtime_azure.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    CustomVoice,
    McpTool,
    OtherItem,
    OtherTool,
    PreviewSession,
    ResponseDone,
    ServerEvent,
    Session,
    SessionCreated,
    SessionUpdated,
    UnknownEvent,
    decode,
    dicts,
    encode,
    voice_live_dicts,
)
from realtime_azure.events._base import Part
from realtime_azure.events.preview import from_voice_live, server_to_voice_live, session_in_ga, to_voice_live
from realtime_azure.events.voice_live import (
    Animation,
    Avatar,
    AvatarVideo,
    EndOfUtterance,
    IceServer,
    InputAudioClear,
    InputAudioTurnAppend,
    InputAudioTurnCancel,
    InputAudioTurnEnd,
    InputAudioTurnStart,
    InputTextDelta,
    InputTextDone,
    InterimResponse,
    ResponseAnimationBlendshapesDelta,
    ResponseAudioTimestampDelta,
    ResponseInvocationDelta,
    ResponseVideoDelta,
    SessionAvatarConnect,
    Voice,
    VoiceLiveClientEvent,
    VoiceLiveConfig,
    VoiceLiveResponseConfig,
    VoiceLiveResponseCreate,
    VoiceLiveSession,
    VoiceLiveSessionUpdate,
    VoiceLiveTurnDetection,
    WarningEvent,
)

from .messages import (
    FILE_SEARCH_ITEM,
    FUNCTION,
    QUIET_VOICE_LIVE_SESSION,
    SERVER_CLASSES,
    SOUND,
    VOICE_LIVE_CLASS_OF,
    VOICE_LIVE_CLIENT_CLASSES,
    VOICE_LIVE_MESSAGES,
    VOICE_LIVE_SAID,
    VOICE_LIVE_SERVER_CLASSES,
    VOICE_LIVE_SESSION,
    WIRE_SOUND,
    named,
    parts_below,
    wire,
    written,
)
from .test_dicts import examples, filled, members, said
from .test_wire import SCALARS, places_in

ONLY_HERE = [message for message in VOICE_LIVE_MESSAGES if message["type"] in dict(VOICE_LIVE_SAID)]

# What the service says.


def test_there_is_a_message_of_every_type_that_only_voice_live_has() -> None:
    types = {message["type"] for message in ONLY_HERE}
    assert {VOICE_LIVE_CLASS_OF[kind] for kind in types} == set(VOICE_LIVE_SERVER_CLASSES)


def test_the_messages_set_every_field_that_only_voice_live_has() -> None:
    """So that none is misspelt here, where the service would spell it right."""
    for event_class in VOICE_LIVE_SERVER_CLASSES:
        told = {
            name for message in ONLY_HERE if VOICE_LIVE_CLASS_OF[message["type"]] is event_class for name in message
        }
        assert told == set(event_class.model_fields), event_class


def fields_not_set(part: Part) -> list[str]:
    """The fields that nobody set in *part* or in a part of it, and those that no class has."""
    missing = [f"{type(part).__name__}.{name}" for name in set(type(part).model_fields) - part.model_fields_set]
    unknown = [f"{type(part).__name__}.{name}" for name in part.model_extra or {}]
    inside = [getattr(part, name) for name in type(part).model_fields]
    below = [each for value in inside for each in (value if isinstance(value, list) else [value])]
    return missing + unknown + [name for each in below if isinstance(each, Part) for name in fields_not_set(each)]


def test_a_session_that_has_every_field_has_no_other() -> None:
    session = VoiceLiveSession.model_validate({**VOICE_LIVE_SESSION, "tools": []})
    assert fields_not_set(session) == []


@pytest.mark.parametrize("message", VOICE_LIVE_MESSAGES, ids=named)
def test_a_message_of_voice_live_is_an_event_of_its_class(message: dict[str, Any]) -> None:
    event = decode(wire(message))
    assert type(event) is VOICE_LIVE_CLASS_OF[message["type"]]
    assert event.problems == ()
    assert (event.type, event.event_id) == (message["type"], message["event_id"])
    assert event.raw == wire(message)


@pytest.mark.parametrize("message", VOICE_LIVE_MESSAGES, ids=named)
def test_nothing_of_a_message_is_lost(message: dict[str, Any]) -> None:
    assert written(decode(wire(message))) == message


@pytest.mark.parametrize("message", ONLY_HERE, ids=named)
def test_the_fields_of_a_message_are_attributes_of_the_event(message: dict[str, Any]) -> None:
    event = decode(wire(message))
    assert event.model_fields_set == set(message)
    for name, value in message.items():
        if isinstance(value, str | int | float | None):
            assert getattr(event, name) == (SOUND if type(getattr(event, name)) is bytes else value)


@pytest.mark.parametrize("message", VOICE_LIVE_MESSAGES, ids=named)
def test_what_this_version_does_not_know_is_kept_and_readable(message: dict[str, Any]) -> None:
    newer = {**message, "brand_new": {"nested": [1, None]}}
    event = decode(wire(newer))
    assert (type(event), event.problems) == (VOICE_LIVE_CLASS_OF[message["type"]], ())
    assert getattr(event, "brand_new") == {"nested": [1, None]}  # noqa: B009 - not in the type, that is the point
    assert written(event) == newer


def pickled(event: ServerEvent) -> ServerEvent:
    twin: ServerEvent = pickle.loads(pickle.dumps(event))  # noqa: S301 - our own bytes
    return twin


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("message", VOICE_LIVE_MESSAGES, ids=named)
def test_a_copy_is_equal(message: dict[str, Any], copied: Callable[[Any], Any]) -> None:
    event = decode(wire(message))
    twin = copied(event)
    assert (type(twin), twin) == (type(event), event)
    assert written(twin) == message


@pytest.mark.parametrize(
    "message", [message for message in ONLY_HERE if "delta" not in message], ids=lambda message: str(message["type"])
)
def test_a_type_alone_is_an_event_already(message: dict[str, Any]) -> None:
    """Whatever else the service leaves out, who waits for this type is woken."""
    for short in ({"type": message["type"]}, {"type": message["type"], "event_id": None}):
        event = decode(wire(short))
        assert (type(event), event.problems) == (VOICE_LIVE_CLASS_OF[message["type"]], ())
        assert written(event) == short


@pytest.mark.parametrize("kind", ["response.video.delta", "response.invocation.delta"])
@pytest.mark.parametrize("rest", [{}, {"delta": None}, {"delta": 5}, {"delta": ["x"]}])
def test_a_delta_without_its_payload_is_unknown_and_says_so(kind: str, rest: dict[str, Any]) -> None:
    event = decode(wire({"type": kind, "output_index": 1, **rest}))
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.model_extra) == (kind, {"output_index": 1})
    assert event.reason.startswith("delta: ")


@pytest.mark.parametrize(
    ("message", "problem", "rest"),
    [
        ({"type": "response.animation_viseme.delta", "viseme_id": "x"}, "viseme_id", {}),
        ({"type": "warning", "warning": {"message": 5, "code": "c"}}, "warning.message", {"warning": {"code": "c"}}),
        ({"type": "response.audio_timestamp.delta", "item_id": 5, "text": "a"}, "item_id", {"text": "a"}),
        (
            {"type": "session.created", "session": {"avatar": {"scene": 5, "character": "lisa"}}},
            "session.avatar.scene",
            {"session": {"avatar": {"character": "lisa"}}},
        ),
        (
            {"type": "session.updated", "session": {"voice": {"type": "openai", "name": 5}, "agent": None}},
            "session.voice",
            {"session": {"agent": None}},
        ),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_named_and_the_rest_is_there(
    message: dict[str, Any], problem: str, rest: dict[str, Any]
) -> None:
    event = decode(wire(message))
    assert type(event) is VOICE_LIVE_CLASS_OF[message["type"]]
    assert [said.split(":")[0] for said in event.problems] == [problem]
    assert written(event) == {"type": message["type"], **rest}


def of(kind: str) -> list[Any]:
    """The events of the messages of *kind*."""
    return [decode(wire(message)) for message in VOICE_LIVE_MESSAGES if message["type"] == kind]


def test_values_are_what_they_are_meant_for() -> None:
    (video,) = of("response.video.delta")
    assert isinstance(video, ResponseVideoDelta)
    assert (video.codec, video.delta) == ("h264", SOUND)
    frames, text = of("response.animation_blendshapes.delta")
    assert isinstance(frames, ResponseAnimationBlendshapesDelta)
    assert (frames.frames, text.frames) == ([[0.0, 0.5, 1.0], [0.25]], "AAAA")
    (word,) = of("response.audio_timestamp.delta")
    assert isinstance(word, ResponseAudioTimestampDelta)
    assert (word.text, word.audio_offset_ms, word.audio_duration_ms) == ("Hola", 50, 300)
    (piece,) = of("response.invocation.delta")
    assert isinstance(piece, ResponseInvocationDelta)
    assert piece.delta["data"] == {"n": [1, None]}
    (warning,) = of("warning")
    assert isinstance(warning, WarningEvent)
    assert warning.warning is not None
    assert (warning.warning.code, warning.warning.param) == ("bad_locale", "locale")


def test_what_a_search_found_is_readable_in_the_item() -> None:
    done = of("response.done")[0]
    assert isinstance(done, ResponseDone)
    message, web, files = done.response.output
    assert (type(web), type(files)) == (OtherItem, OtherItem)
    assert (web.status, files.model_extra) == (
        "searching",
        {"queries": FILE_SEARCH_ITEM["queries"], "results": FILE_SEARCH_ITEM["results"]},
    )
    assert message.id == "item_2"
    assert done.response.voice == {"name": "alloy", "type": "openai"}


def test_the_phrases_of_a_transcript_are_readable() -> None:
    event = of("conversation.item.input_audio_transcription.completed")[1]
    assert isinstance(event, ConversationItemInputAudioTranscriptionCompleted)
    phrases: Any = getattr(event, "phrases")  # noqa: B009 - no class names it yet
    assert (phrases[0]["text"], phrases[0]["words"][0]["offset_milliseconds"]) == ("Wie?", 40)


# The session.


def session_said(session: dict[str, Any]) -> Any:
    created = decode(wire({"type": "session.created", "session": session}))
    updated = decode(wire({"type": "session.updated", "session": session}))
    assert isinstance(created, SessionCreated)
    assert isinstance(updated, SessionUpdated)
    assert created.session == updated.session
    assert created.problems == updated.problems == ()
    assert written(created)["session"] == session
    return created.session


def in_ga(session: dict[str, Any]) -> dict[str, Any]:
    """The GA view of what the service says of *session*."""
    view = session_said(session).ga
    assert type(view) is Session
    seen: dict[str, Any] = json.loads(view.model_dump_json(exclude_unset=True))
    return seen


@pytest.mark.parametrize("session", [QUIET_VOICE_LIVE_SESSION, VOICE_LIVE_SESSION])
def test_a_session_is_typed_in_voice_lives_words(session: dict[str, Any]) -> None:
    assert type(session_said(session)) is VoiceLiveSession


def test_the_parts_of_a_session_have_classes() -> None:
    session = session_said(VOICE_LIVE_SESSION)
    voice, avatar, turns = session.voice, session.avatar, session.turn_detection
    assert (type(voice), voice.type, voice.locale) == (Voice, "azure-personal", "en-US")
    assert (type(turns), turns.languages) == (VoiceLiveTurnDetection, ["en", "de-DE"])
    assert turns.end_of_utterance_detection == EndOfUtterance(
        model="semantic_detection_v1_multilingual", threshold_level="low", timeout_ms=1000
    )
    assert (type(avatar), type(avatar.video), avatar.video.crop.top_left) == (Avatar, AvatarVideo, [560, 0])
    assert avatar.scene.rotation_z == -0.1
    assert session.animation == Animation(model_name="default", outputs=["blendshapes", "viseme_id"])
    assert session.interim_response.triggers == ["latency", "tool"]
    assert session.input_audio_echo_cancellation.channels == 2
    assert session.input_audio_transcription.phrase_list == ["Kubernetes"]
    assert session.agent.agent_id == "asst_1"
    assert type(session.tools[1]) is McpTool


def test_a_voice_may_be_a_name_alone() -> None:
    assert session_said({"input_audio_sampling_rate": 24000, "voice": "alloy"}).voice == "alloy"


@pytest.mark.parametrize(
    "mark",
    [
        {"input_audio_sampling_rate": 24000},
        {"input_audio_echo_cancellation": None},
        {"output_audio_timestamp_types": None},
        {"animation": None},
        {"avatar": None},
        {"agent": None},
        {"interim_response": None},
        {"voice": {"type": "openai", "name": "alloy"}},
    ],
    ids=lambda mark: str(next(iter(mark))),
)
def test_one_word_that_only_voice_live_has_is_enough(mark: dict[str, Any]) -> None:
    assert type(session_said({"modalities": ["text"], "input_audio_format": "pcm16", **mark})) is VoiceLiveSession


def test_the_sessions_of_the_others_are_theirs() -> None:
    assert type(session_said({"modalities": ["text"], "voice": "alloy"})) is PreviewSession
    assert type(session_said({"type": "realtime", "audio": {"output": {"voice": {"id": "v"}}}})) is Session


def test_a_session_can_be_read_in_gas_words() -> None:
    assert in_ga(QUIET_VOICE_LIVE_SESSION) == {
        "type": "realtime",
        "id": "sess_V2",
        "object": "realtime.session",
        "model": "gpt-realtime",
        "expires_at": 1784668572,
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": QUIET_VOICE_LIVE_SESSION["turn_detection"],
            },
            "output": {"format": None, "voice": "alloy"},
        },
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "include": None,
    }


def test_all_of_a_session_that_ga_has_a_word_for_is_in_its_view() -> None:
    ga = session_said(VOICE_LIVE_SESSION).ga
    assert ga.audio.input.format.rate == ga.audio.output.format.rate == 16000
    assert ga.audio.input.noise_reduction.type == "azure_deep_noise_suppression"
    assert ga.audio.input.transcription.model == "azure-speech"
    assert ga.audio.input.turn_detection.type == "azure_semantic_vad_multilingual"
    assert ga.audio.input.turn_detection.silence_duration_ms == 200
    assert ga.output_modalities == ["audio"]
    assert ga.reasoning.effort == "low"
    assert ga.parallel_tool_calls is True
    assert ga.include == ["item.input_audio_transcription.phrases"]
    assert type(ga.tools[1]) is McpTool
    for name in ("avatar", "animation", "temperature", "metadata", "agent", "voice", "interim_response"):
        assert not hasattr(ga, name)


@pytest.mark.parametrize(
    ("session", "wanted"),
    [
        ({"voice": {"type": "openai", "name": "ash"}}, {"output": {"voice": "ash"}}),
        ({"voice": "ash", "avatar": None}, {"output": {"voice": "ash"}}),
        (
            {"voice": {"type": "azure-standard", "name": "en-US-AvaNeural"}},
            {"output": {"voice": {"type": "azure-standard", "name": "en-US-AvaNeural"}}},
        ),
        ({"turn_detection": None, "avatar": None}, {"input": {"turn_detection": None}}),
        (
            {"output_audio_format": "pcm16", "avatar": None},
            {"output": {"format": {"type": "audio/pcm", "rate": 24000}}},
        ),
        (
            {"output_audio_format": "pcm16_8000hz", "avatar": None},
            {"output": {"format": {"type": "audio/pcm", "rate": 8000}}},
        ),
        (
            {"output_audio_format": "pcm16_16000hz", "avatar": None},
            {"output": {"format": {"type": "audio/pcm", "rate": 16000}}},
        ),
        ({"output_audio_format": "g711_alaw", "avatar": None}, {"output": {"format": {"type": "audio/pcma"}}}),
        ({"output_audio_format": "opus", "avatar": None}, {"output": {"format": {"type": "opus"}}}),
        (
            {"input_audio_format": "pcm16", "input_audio_sampling_rate": 8000},
            {"input": {"format": {"type": "audio/pcm", "rate": 8000}}},
        ),
        ({"input_audio_format": "pcm16", "avatar": None}, {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}),
        (
            {"input_audio_format": "g711_ulaw", "input_audio_sampling_rate": 8000},
            {"input": {"format": {"type": "audio/pcmu"}}},
        ),
    ],
    ids=str,
)
def test_a_piece_of_a_session_is_seen_as_that_piece(session: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert in_ga(session) == {"type": "realtime", "audio": wanted}


def test_a_voice_of_azures_is_a_voice_that_can_be_read() -> None:
    voice = session_said(VOICE_LIVE_SESSION).ga.audio.output.voice
    assert isinstance(voice, CustomVoice)
    assert (voice.model_extra or {})["name"] == "en-US-Ava:DragonHDLatestNeural"


ICE_SECRET = "hunter2-hunter2"


def test_what_helps_an_avatar_through_a_firewall_is_in_no_repr() -> None:
    server = {"urls": ["turn:relay.example.com"], "username": "u", "credential": ICE_SECRET}
    event = decode(wire({"type": "session.updated", "session": {"avatar": {"ice_servers": [server]}}}))
    assert "turn:relay.example.com" in repr(event)
    assert ICE_SECRET not in f"{event!r} {event} {IceServer(credential=ICE_SECRET)!r}"
    handshake = decode(wire({"type": "session.avatar.connecting", "server_sdp": ICE_SECRET}))
    sent = SessionAvatarConnect(client_sdp=ICE_SECRET)
    assert ICE_SECRET not in f"{handshake!r} {sent!r}"


# What is sent.


def on_the_wire(event: Any, *, extra: bool = False) -> Any:
    """*event* as a connection to Voice Live sends it."""
    return to_voice_live(json.loads(encode(event, extra=extra, voice_live=True)), extra=extra)


def refusal(event: Any, *, extra: bool = False) -> str:
    with pytest.raises(InvalidEvent) as caught:
        on_the_wire(event, extra=extra)
    return str(caught.value)


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": session}


def create(**response: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": response}


def add(item: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item}


SENT: list[tuple[VoiceLiveClientEvent, dict[str, Any]]] = [
    (InputTextDelta(id="item_1", delta="Wie"), {"type": "input_text.delta", "id": "item_1", "delta": "Wie"}),
    (
        InputTextDelta(event_id="e1", id="item_1", delta="", content_index=0),
        {"type": "input_text.delta", "event_id": "e1", "id": "item_1", "delta": "", "content_index": 0},
    ),
    (InputTextDone(id="item_1"), {"type": "input_text.done", "id": "item_1"}),
    (InputAudioTurnStart(turn_id="t1"), {"type": "input_audio.turn.start", "turn_id": "t1"}),
    (
        InputAudioTurnAppend(turn_id="t1", audio=SOUND),
        {"type": "input_audio.turn.append", "turn_id": "t1", "audio": WIRE_SOUND},
    ),
    (InputAudioTurnEnd(turn_id="t1"), {"type": "input_audio.turn.end", "turn_id": "t1"}),
    (InputAudioTurnCancel(turn_id="t1"), {"type": "input_audio.turn.cancel", "turn_id": "t1"}),
    (InputAudioClear(event_id="e1"), {"type": "input_audio.clear", "event_id": "e1"}),
    (SessionAvatarConnect(client_sdp="v=0"), {"type": "session.avatar.connect", "client_sdp": "v=0"}),
    (
        VoiceLiveSessionUpdate(session=VoiceLiveConfig(voice=Voice(type="openai", name="ash"), turn_detection=None)),
        update(voice={"type": "openai", "name": "ash"}, turn_detection=None),
    ),
    (
        VoiceLiveResponseCreate(
            response=VoiceLiveResponseConfig(
                commit=False,
                invoke_input={"k": [1]},
                interim_response=InterimResponse(type="static_interim_response", texts=["One moment."]),
            ),
            additional_instructions="Be kind.",
        ),
        {
            **create(
                commit=False,
                invoke_input={"k": [1]},
                interim_response={"type": "static_interim_response", "texts": ["One moment."]},
            ),
            "additional_instructions": "Be kind.",
        },
    ),
]


def test_every_event_of_voice_live_is_sent_here() -> None:
    assert {type(event) for event, _ in SENT} == set(VOICE_LIVE_CLIENT_CLASSES)


@pytest.mark.parametrize(("event", "wanted"), SENT, ids=lambda value: type(value).__name__)
def test_an_event_is_written_as_voice_live_takes_it(event: VoiceLiveClientEvent, wanted: dict[str, Any]) -> None:
    assert on_the_wire(event) == wanted


@pytest.mark.parametrize("wanted", [wanted for _, wanted in SENT], ids=named)
def test_a_mapping_is_as_good_as_a_model(wanted: dict[str, Any]) -> None:
    given_here = {**wanted, "audio": SOUND} if "audio" in wanted else wanted
    assert on_the_wire(given_here) == wanted


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("event", [event for event, _ in SENT], ids=lambda event: type(event).__name__)
def test_a_copy_of_what_is_sent_is_equal(event: VoiceLiveClientEvent, copied: Callable[[Any], Any]) -> None:
    assert copied(event) == event
    assert on_the_wire(copied(event)) == on_the_wire(event)


ONLY_SENT_HERE = [
    (event, wanted) for event, wanted in SENT if wanted["type"] not in {"session.update", "response.create"}
]


@pytest.mark.parametrize(("event", "wanted"), ONLY_SENT_HERE, ids=lambda value: type(value).__name__)
def test_what_only_voice_live_takes_is_sent_to_nobody_else(event: VoiceLiveClientEvent, wanted: dict[str, Any]) -> None:
    for given_here in (event, wanted):
        with pytest.raises(InvalidEvent, match=r" is not an event that can be sent: only Voice Live has it$"):
            encode(given_here)


def test_the_settings_that_only_voice_live_has_are_sent_to_nobody_else() -> None:
    for event, path in (
        (VoiceLiveSessionUpdate(session=VoiceLiveConfig(voice="ash")), "session.voice"),
        (update(voice="ash"), "session.voice"),
        (create(commit=False), "response.commit"),
        (VoiceLiveResponseCreate(additional_instructions="Be kind."), "additional_instructions"),
    ):
        with pytest.raises(InvalidEvent, match=rf"{path}: there is no such field"):
            encode(event)


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"type": "input_text.delta", "id": "i"}, "delta: this is needed"),
        ({"type": "input_text.done"}, "id: this is needed"),
        ({"type": "input_audio.turn.start"}, "turn_id: this is needed"),
        ({"type": "input_audio.turn.start", "turn_id": 5}, "turn_id: "),
        ({"type": "input_audio.turn.start", "turn_id": "t", "audio": b""}, "audio: there is no such field"),
        ({"type": "input_audio.turn.append", "turn_id": "t", "audio": "AAAA"}, "audio: give bytes of PCM"),
        ({"type": "session.avatar.connect"}, "client_sdp: this is needed"),
        (update(voice={"name": "ash"}), "session.voice.type: this is needed"),
        (update(voice={"type": "azure", "name": "x"}), "session.voice.type: this is one of openai, azure-standard"),
        (update(voice="ash", temprature=0.5), "session.temprature: there is no such field"),
        (update(avatar={"video": {"codec": "h265"}}), "session.avatar.video.codec: this is one of h264"),
        (update(input_audio_format="mp3"), "session.input_audio_format: this is one of pcm16, g711_ulaw, g711_alaw"),
        (
            update(output_audio_format="pcm16_44100hz"),
            "session.output_audio_format: this is one of pcm16, pcm16_8000hz, pcm16_16000hz, g711_ulaw, g711_alaw",
        ),
        (
            update(turn_detection={"type": "azure_vad"}, voice="ash"),
            "session.turn_detection.type: this is one of server_vad, semantic_vad, azure_semantic_vad,",
        ),
        (
            update(turn_detection={"type": "azure_semantic_vad", "end_of_utterance_detection": {"timeout": 1}}),
            "session.turn_detection.end_of_utterance_detection.timeout: there is no such field",
        ),
        (update(tools=[{"type": "hologram"}], voice="ash"), "session.tools.0.type: this is one of function, mcp"),
        (create(commit="yes"), "response.commit: "),
        (create(cancel_previous=True, comit=False), "response.comit: there is no such field"),
        (create(input_items=[{"type": "hologram"}]), "response.input_items.0.type: this is one of message,"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_before_anything_is_sent(event: dict[str, Any], path: str) -> None:
    said_of_it = refusal(event)
    assert said_of_it.startswith(f"{event['type']}: ")
    assert f" {path}" in said_of_it


def test_what_is_newer_than_this_version_is_sent_when_asked_for() -> None:
    event = update(voice={"type": "azure-quantum", "spin": 1}, hologram={"on": True})
    assert "session.hologram: there is no such field" in refusal(event)
    assert on_the_wire(event, extra=True) == event


# The session, in Voice Live's words and in GA's.

PCM = {"type": "audio/pcm", "rate": 24000}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com/mcp", "require_approval": "never"}
TOLD: dict[str, Any] = {
    name: value
    for name, value in VOICE_LIVE_SESSION.items()
    if name not in {"id", "object", "expires_at", "agent", "truncation_strategy"}
}
"""All that a session can be told."""


def test_all_that_a_session_can_be_told_is_sent_as_it_is_given() -> None:
    assert set(TOLD) == set(VoiceLiveConfig.model_fields)
    assert on_the_wire(update(**TOLD)) == update(**TOLD)
    assert on_the_wire(VoiceLiveSessionUpdate(session=VoiceLiveConfig.model_validate(TOLD))) == update(**TOLD)


# GA session, Voice Live session.
SESSIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
    ({"output_modalities": ["text"]}, {"modalities": ["text"]}),
    ({"output_modalities": ["audio"]}, {"modalities": ["text", "audio"]}),
    ({"audio": {"input": {"format": {"type": "audio/pcm"}}}}, {"input_audio_format": "pcm16"}),
    (
        {"audio": {"input": {"format": PCM}}},
        {"input_audio_format": "pcm16", "input_audio_sampling_rate": 24000},
    ),
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
        {"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000},
    ),
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}},
        {"input_audio_format": "pcm16", "input_audio_sampling_rate": 8000},
    ),
    ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, {"input_audio_format": "g711_ulaw"}),
    ({"audio": {"input": {"format": {"type": "audio/pcma", "rate": 8000}}}}, {"input_audio_format": "g711_alaw"}),
    ({"audio": {"output": {"format": PCM}}}, {"output_audio_format": "pcm16"}),
    ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 16000}}}}, {"output_audio_format": "pcm16_16000hz"}),
    ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 8000}}}}, {"output_audio_format": "pcm16_8000hz"}),
    ({"audio": {"output": {"format": {"type": "audio/pcmu"}}}}, {"output_audio_format": "g711_ulaw"}),
    ({"audio": {"output": {"voice": "ash"}}}, {"voice": "ash"}),
    ({"audio": {"input": {"turn_detection": VAD}}}, {"turn_detection": VAD}),
    ({"audio": {"input": {"turn_detection": None}}}, {"turn_detection": None}),
    (
        {"audio": {"input": {"transcription": {"model": "azure-speech", "language": "de"}}}},
        {"input_audio_transcription": {"model": "azure-speech", "language": "de"}},
    ),
    (
        {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        {"input_audio_noise_reduction": {"type": "far_field"}},
    ),
    ({"max_output_tokens": 4096}, {"max_response_output_tokens": 4096}),
    ({"tools": [FUNCTION, MCP], "tool_choice": "required"}, {"tools": [FUNCTION, MCP], "tool_choice": "required"}),
    ({"tool_choice": {"type": "function", "name": "f"}}, {"tool_choice": {"type": "function", "name": "f"}}),
    ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    (
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"include": ["item.input_audio_transcription.logprobs"]},
    ),
    ({"model": "gpt-realtime"}, {"model": "gpt-realtime"}),
    ({}, {}),
]


@pytest.mark.parametrize(("ga", "own"), SESSIONS, ids=str)
def test_a_session_in_either_words_is_the_same_session(ga: dict[str, Any], own: dict[str, Any]) -> None:
    assert on_the_wire(update(type="realtime", **ga)) == update(**own)
    assert on_the_wire(update(**ga)) == update(**own)
    assert on_the_wire(update(**own)) == update(**own)


@pytest.mark.parametrize(
    ("ga", "own"), [(ga, own) for ga, own in SESSIONS if own.get("input_audio_format") != "pcm16"], ids=str
)
def test_a_session_is_told_back_in_gas_words(ga: dict[str, Any], own: dict[str, Any]) -> None:
    """As the emulator reads it."""
    before = copy.deepcopy(own)
    back = from_voice_live(update(**own))
    assert on_the_wire(back) == on_the_wire(update(type="realtime", **ga))
    assert back["session"]["type"] == "realtime"
    assert own == before


RESPONSES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
    ({"output_modalities": ["text"]}, {"modalities": ["text"]}),
    (
        {"audio": {"output": {"voice": "ash", "format": {"type": "audio/pcm", "rate": 16000}}}},
        {"voice": "ash", "output_audio_format": "pcm16_16000hz"},
    ),
    ({"conversation": "none"}, {"commit": False}),
    ({"conversation": "auto"}, {"commit": True}),
    ({"max_output_tokens": "inf"}, {"max_output_tokens": "inf"}),
    ({"metadata": {"k": "v"}}, {"metadata": {"k": "v"}}),
    ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"}),
    ({"tools": [MCP], "tool_choice": "none"}, {"tools": [MCP], "tool_choice": "none"}),
    (
        {"input": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}]},
        {"input_items": [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]}]},
    ),
    ({}, {}),
]


@pytest.mark.parametrize(("ga", "own"), RESPONSES, ids=str)
def test_a_response_asked_for_in_either_words_is_the_same(ga: dict[str, Any], own: dict[str, Any]) -> None:
    assert on_the_wire(create(**ga)) == create(**own)
    assert on_the_wire(create(**own)) == create(**own)
    assert on_the_wire(from_voice_live(create(**own))) == create(**own)


@pytest.mark.parametrize("response", [None, {}, {"instructions": "Be brief."}], ids=str)
def test_more_instructions_may_be_given_for_one_response(response: dict[str, Any] | None) -> None:
    event: dict[str, Any] = {"type": "response.create", "additional_instructions": "Be kind."}
    event |= {} if response is None else {"response": response}
    assert on_the_wire(event) == event
    assert on_the_wire(VoiceLiveResponseCreate.model_validate(event)) == event


ITEMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
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
            {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]},
            {"type": "function_call_output", "call_id": "c", "output": "output_text"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        )
    ),
]


@pytest.mark.parametrize(("ga", "own"), ITEMS, ids=str)
def test_an_item_is_said_in_voice_lives_words(ga: dict[str, Any], own: dict[str, Any]) -> None:
    assert on_the_wire(add(ga)) == add(own)


# What cannot be said.


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (update(truncation="auto"), "session.truncation"),
        (update(tracing="auto"), "session.tracing"),
        (update(prompt={"id": "p"}), "session.prompt"),
        (update(type="transcription"), "session.type"),
        (update(audio={"output": {"speed": 1.25}}), "session.audio.output.speed"),
        (update(audio={"output": {"language": "es"}}), "session.audio.output.language"),
        (update(audio={"output": {"voice": {"id": "voice_1"}}}), "session.audio.output.voice"),
        (
            update(audio={"output": {"format": {"type": "audio/pcm", "rate": 48000}}}),
            "session.audio.output.format.rate",
        ),
        (update(audio={"input": {"format": {"type": "audio/pcm", "rate": 48000}}}), "session.audio.input.format.rate"),
        (update(audio={"input": {"format": {"type": "audio/pcmu", "rate": 24000}}}), "session.audio.input.format.rate"),
        (
            update(audio={"input": {"noise_reduction": {"type": "near_field", "strength": 0.5}}}),
            "session.audio.input.noise_reduction.strength",
        ),
        (update(audio={"input": {"transcription": {"keywords": ["k"]}}}), "session.audio.input.transcription.keywords"),
        (create(prompt={"id": "p"}), "response.prompt"),
        (create(parallel_tool_calls=False), "response.parallel_tool_calls"),
        (create(audio={"output": {"speed": 1.0}}), "response.audio.output.speed"),
        (create(input=[{"type": "item_reference", "id": "item_1"}]), "response.input.0.type"),
        (add({"type": "item_reference", "id": "item_1"}), "item.type"),
        (add({"type": "mcp_call", "name": "f"}), "item.type"),
        (add({"type": "message", "role": "assistant", "content": [], "phase": "final_answer"}), "item.phase"),
        ({"type": "session.close"}, "session.close"),
        ({"type": "session.input_audio_buffer.append", "audio": b""}, "session.input_audio_buffer.append"),
        (
            {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}},
            "transcription_session.update",
        ),
    ],
    ids=str,
)
def test_what_voice_live_cannot_say_is_refused_by_its_path(event: dict[str, Any], path: str) -> None:
    """With who can, so that a caller knows where to go."""
    said_of_it = refusal(event)
    assert said_of_it.startswith(f"{path}: a Voice Live connection ")
    assert ("an endpoint of /openai/v1 " in said_of_it) is not path.endswith(".rate")  # which no other has either


def test_the_words_of_both_cannot_be_mixed() -> None:
    for mixed in (
        update(output_modalities=["audio"], avatar={"character": "lisa"}),
        update(type="realtime", voice="ash"),
        create(audio={"output": {"voice": "ash"}}, commit=False),
    ):
        assert ": there is no such field" in refusal(mixed)


# As plain dicts.

DICTS: dict[str, Any] = {
    name: made for module in (dicts, voice_live_dicts) for name, made in vars(module).items() if is_typeddict(made)
}
OWN_DICTS = {name for name, made in DICTS.items() if made.__module__ == voice_live_dicts.__name__}
CONFIGURED: tuple[type[Part], ...] = (VoiceLiveConfig, VoiceLiveResponseConfig)
SENT_PARTS: list[type[Part]] = sorted(
    {*CONFIGURED, *(part for config in CONFIGURED for part in parts_below(config))} - {OtherItem, OtherTool},
    key=lambda part: part.__name__,
)
OWN_PARTS = [part for part in SENT_PARTS if part.__module__.endswith(".voice_live")]


def taken(annotation: Any) -> frozenset[Any]:
    """What may be given for a field of a model: a set of names is closed, a part may be a dict."""
    found: set[Any] = set()
    names = [member for member in members(annotation) if get_origin(member) is Literal]
    for member in members(annotation):
        if member is str and names:
            continue
        if isinstance(member, type) and issubclass(member, Part):
            found |= set() if member in {OtherItem, OtherTool} else {member, DICTS[f"{member.__name__}Dict"]}
        elif get_origin(member) in {list, dict}:
            name = "Sequence" if get_origin(member) is list else "Mapping"
            found.add((name, *map(taken, get_args(member))))
        else:
            found |= said(member)
    return frozenset(found)


def test_there_is_a_dict_for_every_part_and_no_other() -> None:
    assert {f"{part.__name__}Dict" for part in SENT_PARTS} <= set(DICTS)
    assert {f"{part.__name__}Dict" for part in OWN_PARTS} == OWN_DICTS


@pytest.mark.parametrize("part", OWN_PARTS)
def test_a_dict_has_the_fields_of_its_model_and_needs_what_it_needs(part: type[Part]) -> None:
    hints = get_type_hints(DICTS[f"{part.__name__}Dict"], include_extras=True)
    assert list(hints) == list(part.model_fields)
    needed = {name for name, hint in hints.items() if get_origin(hint) is Required}
    assert needed == {name for name, field in part.model_fields.items() if field.is_required()}


@pytest.mark.parametrize(
    ("part", "name"),
    [pytest.param(part, name, id=f"{part.__name__}-{name}") for part in OWN_PARTS for name in part.model_fields],
)
def test_a_field_of_a_dict_takes_what_the_field_of_its_model_takes(part: type[Part], name: str) -> None:
    """But for names that are newer than this version: reading takes them, writing does not."""
    hint = get_type_hints(DICTS[f"{part.__name__}Dict"])[name]
    assert said(hint) == taken(get_type_hints(part, include_extras=True)[name])


CARRIERS: list[tuple[str, str, Any]] = [
    ("session.update", "session", voice_live_dicts.VoiceLiveConfigDict),
    ("response.create", "response", voice_live_dicts.VoiceLiveResponseConfigDict),
]


@pytest.mark.parametrize(
    ("kind", "field", "whole", "one"),
    [
        pytest.param(kind, field, filled(made), {name: value}, id=f"{made.__name__}-{name}-{value!r:.40}")
        for kind, field, made in CARRIERS
        for name, annotation in get_type_hints(made).items()
        for value in examples(annotation)
    ],
)
def test_what_a_dict_allows_is_not_refused(kind: str, field: str, whole: dict[str, Any], one: dict[str, Any]) -> None:
    assert on_the_wire({"type": kind, field: whole | one})


# What the service says, in its words: the emulator's.


def test_a_session_is_told_flat_with_its_voice_as_an_object() -> None:
    session = {
        "type": "realtime",
        "id": "sess_1",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": PCM, "transcription": None, "noise_reduction": None, "turn_detection": VAD},
            "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.0},
        },
        "tools": [FUNCTION],
        "truncation": "auto",
        "max_output_tokens": "inf",
    }
    told = server_to_voice_live({"type": "session.updated", "event_id": "e", "session": session})
    assert told is not None
    assert told["session"] == {
        "id": "sess_1",
        "modalities": ["text", "audio"],
        "input_audio_format": "pcm16",
        "input_audio_sampling_rate": 24000,
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": VAD,
        "output_audio_format": "g711_ulaw",
        "voice": {"name": "alloy", "type": "openai"},
        "tools": [FUNCTION],
        "max_response_output_tokens": "inf",
        "animation": None,
        "avatar": None,
        "input_audio_echo_cancellation": None,
        "output_audio_timestamp_types": None,
        "truncation_strategy": None,
    }
    heard = session_said(told["session"])
    assert type(heard) is VoiceLiveSession
    audio: Any = session["audio"]
    view = json.loads(heard.ga.model_dump_json(exclude_unset=True))
    assert view["audio"]["input"] == audio["input"]
    assert view["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "alloy"}


def test_a_response_is_told_flat_and_its_items_in_older_words() -> None:
    answer = {
        "id": "i",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_audio", "transcript": ""}],
    }
    response = {"id": "r", "output": [answer], "output_modalities": ["audio"], "audio": {"output": {"voice": "alloy"}}}
    told = server_to_voice_live({"type": "response.done", "response": response})
    assert told == {
        "type": "response.done",
        "response": {
            "id": "r",
            "temperature": None,
            "modalities": ["text", "audio"],
            "voice": {"name": "alloy", "type": "openai"},
            "output": [{**answer, "object": "realtime.item", "content": [{"type": "audio", "transcript": ""}]}],
        },
    }


def test_voice_live_does_not_hear_of_finished_items() -> None:
    assert server_to_voice_live({"type": "conversation.item.done", "item": {"id": "i", "type": "message"}}) is None


# For who never meets it.

LOADED = "sorted(name for name in sys.modules if 'voice_live' in name)"


def run(*steps: str) -> list[str]:
    """Which modules of Voice Live are imported after each of *steps*, in a Python of its own."""
    program = ["import sys", "from realtime_azure.events import decode, encode, wire"]
    for step in steps:
        program += [step, f"print({LOADED})"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.splitlines()


def test_its_classes_are_not_imported_by_who_does_not_meet_them() -> None:
    """They are a twentieth of what importing the package costs."""
    steps = [
        "import realtime_azure",
        "import realtime_azure.events.dicts, realtime_azure.emulator, realtime_azure.cli",
        "wire.prepare()",
        """decode('{"type":"response.done"}')""",
        """decode('{"type":"no.such.event"}')""",
        """decode('{"type":"session.created","session":{"voice":"alloy"}}').session.ga""",
        """encode({"type": "session.update", "session": {"type": "realtime"}}, voice_live=True)""",
    ]
    assert run(*steps) == ["[]"] * len(steps)


@pytest.mark.parametrize(
    "first",
    [
        "wire.prepare(voice_live=True)",
        """decode('{"type":"warning"}')""",
        """decode('{"type":"session.created","session":{"avatar":null}}')""",
        """encode({"type": "session.update", "session": {"voice": "ash"}}, voice_live=True)""",
    ],
)
def test_its_classes_are_imported_when_they_are_met(first: str) -> None:
    assert run(first) == ["['realtime_azure.events.voice_live']"]


# For every message.

OWN_CLASSES: set[type[Part]] = {part for event_class in VOICE_LIVE_SERVER_CLASSES for part in parts_below(event_class)}
READ: set[type[Any]] = {*VOICE_LIVE_SERVER_CLASSES, *SERVER_CLASSES, *OWN_CLASSES, *OWN_PARTS, VoiceLiveSession}
NAMES = st.sampled_from(sorted({name for made in READ for name in made.model_fields} | {"other"})) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@given(kind=st.sampled_from(sorted(dict(VOICE_LIVE_SAID))), rest=st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_object_of_a_known_type_is_read_and_keeps_its_class(kind: str, rest: dict[str, Any]) -> None:
    message = {**rest, "type": kind}
    encoded = wire(message)
    event = decode(encoded)
    assert event.raw == encoded
    assert repr(event)
    if isinstance(event, UnknownEvent):
        assert kind in {"response.video.delta", "response.invocation.delta"}
        assert event.reason.startswith("delta: ")
        return
    assert type(event) is VOICE_LIVE_CLASS_OF[kind]
    if not event.problems:
        assert written(event) == message
    for problem in event.problems:
        assert problem.split(":")[0].split(".")[0] in message


@given(st.data())
def test_a_message_with_anything_in_one_place_is_read(data: st.DataObject) -> None:
    """However deep the place: the rest of the message is there, and the trouble is named by its path."""
    message = copy.deepcopy(data.draw(st.sampled_from(VOICE_LIVE_MESSAGES)))
    *outer, last = data.draw(st.sampled_from([path for path in places_in(message) if path != ("type",)]))
    here: Any = message
    for step in outer:
        here = here[step]
    here[last] = data.draw(VALUES)
    encoded = wire(message)
    event = decode(encoded)
    assert event.raw == encoded
    assert repr(event)
    if isinstance(event, UnknownEvent):
        assert (outer, last) == ([], "delta")
        return
    assert type(event) is VOICE_LIVE_CLASS_OF[message["type"]]
    if not event.problems:
        assert written(event) == message
    for problem in event.problems:
        assert problem.split(":")[0].split(".")[0] == str([*outer, last][0])
    for name in set(message) - {str([*outer, last][0])}:
        assert written(event)[name] == message[name]


@given(st.dictionaries(st.sampled_from(sorted(VoiceLiveSession.model_fields)), VALUES, max_size=6))
def test_any_session_can_be_seen_in_gas_words(session: dict[str, Any]) -> None:
    event = decode(wire({"type": "session.updated", "session": {"avatar": None, **session}}))
    assert isinstance(event, SessionUpdated)
    assert type(event.session.ga) is Session
    assert event.session.ga.ga == event.session.ga


TEXTS = st.text(max_size=10)
GA_FORMATS = st.sampled_from([None, 8000, 16000, 24000]).map(
    lambda rate: {"type": "audio/pcm"} if rate is None else {"type": "audio/pcm", "rate": rate}
) | st.sampled_from(["audio/pcmu", "audio/pcma"]).map(lambda kind: {"type": kind})


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields).filter(bool)


GA_SESSIONS = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "instructions": TEXTS,
        "output_modalities": st.sampled_from([["text"], ["audio"]]),
        "audio": some(
            input=some(
                format=GA_FORMATS,
                transcription=st.none() | some(model=TEXTS, language=TEXTS),
                noise_reduction=st.none() | st.just({"type": "near_field"}),
                turn_detection=st.none() | st.just(VAD),
            ),
            output=some(format=GA_FORMATS, voice=TEXTS),
        ),
        "tools": st.lists(st.sampled_from([FUNCTION, MCP]), max_size=2),
        "max_output_tokens": st.just("inf") | st.integers(1, 4096),
        "reasoning": st.sampled_from(["low", "xhigh"]).map(lambda effort: {"effort": effort}),
        "parallel_tool_calls": st.booleans(),
    },
)


@given(GA_SESSIONS)
def test_what_goes_to_voice_live_in_gas_words_has_only_its_fields_and_comes_back(session: dict[str, Any]) -> None:
    before = copy.deepcopy(session)
    sent = to_voice_live(update(**session))["session"]
    assert session == before
    assert set(sent) <= set(VoiceLiveConfig.model_fields)
    assert on_the_wire(update(**sent)) == update(**sent)
    # The service tells a format with its rate.
    for direction in session.get("audio", {}).values():
        if direction.get("format") == {"type": "audio/pcm"}:
            direction["format"] = PCM
    assert session_in_ga(sent, "voice-live") == session


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": 5},
        {"type": "session.update", "session": 5},
        update(modalities="audio", input_audio_format={"type": "audio/pcm"}, voice=[]),
        update(voice={"type": "openai", "name": 5}),
        add({"type": "message", "content": [None, {"type": ["text"]}]}),
        create(input_items=5, commit="x"),
        create(input_items=[None, 5]),
    ],
    ids=str,
)
def test_whatever_a_client_sends_is_translated_and_judged_by_the_reader(event: dict[str, Any]) -> None:
    """The emulator refuses it in the service's words afterwards; here nothing may raise."""
    before = copy.deepcopy(event)
    from_voice_live(event)
    assert event == before
