"""What type checkers make of the package. Nobody runs this: mypy and pyright read it, in strict mode.

A wrong line says so, and both complain of an exception that nothing needs: an error that goes away is found.
(pyright takes `type: ignore` for its own too, whatever the code in it.)
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Literal, assert_never, assert_type

from realtime_azure import Connection
from realtime_azure.events import (
    AnySession,
    ContentPart,
    ErrorEvent,
    FunctionCall,
    InputAudioBufferAppend,
    Item,
    Message,
    PreviewSession,
    Response,
    ResponseConfig,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ServerEvent,
    ServiceError,
    Session,
    SessionConfig,
    SessionCreated,
    SessionOutputAudioDelta,
    SessionUpdate,
    UnknownEvent,
    decode,
    encode,
)
from realtime_azure.events.dicts import (
    AudioFormatDict,
    ItemDict,
    MessageDict,
    ResponseConfigDict,
    SessionConfigDict,
    TranscriptionConfigDict,
    TurnDetectionDict,
)
from realtime_azure.events.voice_live import (
    InputTextDelta,
    ResponseAudioTimestampDelta,
    Voice,
    VoiceLiveConfig,
    VoiceLiveSession,
)
from realtime_azure.events.voice_live_dicts import VoiceDict

# Reading.


def a_match_narrows(event: ServerEvent) -> None:
    match event:
        case ResponseOutputAudioDelta(delta=pcm):
            assert_type(pcm, bytes)
            assert_type(event.delta, bytes)
        case SessionOutputAudioDelta():
            assert_type(event.delta, bytes)
            assert_type(event.sample_rate, int | None)
        case ResponseOutputTextDelta(delta=text) | ResponseOutputAudioTranscriptDelta(delta=text):
            assert_type(text, str)
        case ResponseFunctionCallArgumentsDelta(call_id=call_id):
            assert_type(call_id, str)
            assert_type(event.delta, str)
        case _:
            assert_type(event.raw, bytes)
            assert_type(event.problems, tuple[str, ...])
            assert_type(event.event_id, str | None)


def a_match_narrows_what_is_inside(event: ServerEvent) -> None:
    match event:
        case ResponseDone(response=response):
            assert_type(response, Response)
            assert_type(response.output, list[Item])
        case ResponseOutputItemDone(item=FunctionCall(name=name, arguments=arguments)):
            assert_type(name, str | None)
            assert_type(arguments, str | None)
        case ResponseOutputItemDone(item=Message(content=[ContentPart(text=str(said)), *_])):
            assert_type(said, str)
        case ErrorEvent(error=error):
            assert_type(error, ServiceError)
        case SessionCreated(session=session):
            assert_type(session, AnySession)
        case UnknownEvent(reason=reason):
            assert_type(reason, str)
        case _:
            pass


def a_match_can_be_complete(session: AnySession) -> str:
    match session:
        case Session():
            return "GA"
        case PreviewSession():
            return "dated"
        case VoiceLiveSession():
            return "Voice Live"
        case _:
            assert_never(session)


def either_session_has_a_view(session: AnySession) -> None:
    assert_type(session.ga, Session)
    _ = session.audio  # type: ignore[union-attr]


def what_is_decoded_is_any_event(message: bytes) -> None:
    event = decode(message)
    assert_type(event, ServerEvent)
    _ = event.delta  # type: ignore[union-attr]


def sound_is_no_text(event: ResponseOutputAudioDelta, text: ResponseOutputTextDelta) -> None:
    heard: str = event.delta  # type: ignore[assignment]
    read: bytes = text.delta  # type: ignore[assignment]
    _ = heard, read


# Writing: dicts.


async def a_dict_is_as_good_as_a_model(connection: Connection) -> None:
    await connection.session.update({"type": "realtime", "audio": {"output": {"voice": "any-voice", "speed": 1}}})
    await connection.session.update({"tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]})
    await connection.session.update(SessionConfig(type="realtime"))
    await connection.session.update({"audio": {"input": {"turn_detection": None}}})
    await connection.conversation.item.create({"type": "message", "role": "user", "content": []})
    await connection.conversation.item.create(
        {"type": "message", "content": ({"type": "input_audio", "audio": memoryview(b"")},)}
    )
    await connection.conversation.item.create({"type": "function_call_output", "call_id": "c", "output": "1"})
    await connection.response.create({"conversation": "none", "input": [{"type": "item_reference", "id": "i"}]})
    await connection.response.create(ResponseConfig())
    await connection.transcription_session.update({"input_audio_format": "pcm16"})
    await connection.input_audio_buffer.append(bytearray(2))


def a_variable_needs_its_type(eagerness: Literal["low", "high"]) -> ItemDict:
    detection: TurnDetectionDict = {"type": "semantic_vad", "eagerness": eagerness}
    session: SessionConfigDict = {"audio": {"input": {"turn_detection": detection}}}
    _ = session
    item: MessageDict = {"type": "message", "role": "user"}
    return item


async def a_misspelt_field_is_an_error(connection: Connection) -> None:
    await connection.session.update({"instruction": "x"})  # type: ignore[call-overload]
    await connection.session.update({"audio": {"output": {"voise": "ash"}}})  # type: ignore[call-overload]
    await connection.response.create({"modality": ["text"]})  # type: ignore[call-overload]


async def voice_live_has_words_of_its_own(connection: Connection) -> None:
    voice: VoiceDict = {"type": "azure-standard", "name": "en-US-Ava:DragonHDLatestNeural"}
    await connection.session.update({"voice": voice, "turn_detection": {"type": "azure_semantic_vad"}})
    await connection.session.update(VoiceLiveConfig(voice=Voice(type="openai", name="alloy")))
    await connection.session.update({"voice": {"type": "azure-standard", "nam": "x"}})  # type: ignore[call-overload]
    await connection.send(InputTextDelta(id="item_1", delta="Hel"))
    heard = await connection.wait_for(ResponseAudioTimestampDelta)
    assert_type(heard.audio_offset_ms, int | None)


def a_misspelt_field_of_a_variable_is_an_error() -> None:
    session: SessionConfigDict = {"instuctions": "x"}  # type: ignore[typeddict-unknown-key]
    response: ResponseConfigDict = {"max_tokens": 5}  # type: ignore[typeddict-unknown-key]
    transcription: TranscriptionConfigDict = {"audio": {}}  # type: ignore[typeddict-unknown-key]
    _ = session, response, transcription


def a_value_that_is_not_listed_is_an_error() -> None:
    session: SessionConfigDict = {"tool_choice": "maybe"}  # type: ignore[typeddict-item]
    modalities: SessionConfigDict = {"output_modalities": ["video"]}  # type: ignore[list-item]
    audio: AudioFormatDict = {"type": "pcm16"}  # type: ignore[typeddict-item]
    item: MessageDict = {"type": "message", "role": "boss"}  # type: ignore[typeddict-item]
    _ = session, modalities, audio, item


def a_type_that_is_missing_is_an_error() -> None:
    detection: TurnDetectionDict = {"threshold": 0.5}  # type: ignore[typeddict-item]
    _ = detection


async def base64_is_an_error(connection: Connection) -> None:
    await connection.input_audio_buffer.append("AAAA")  # type: ignore[arg-type]
    item: MessageDict = {"type": "message", "content": [{"type": "input_audio", "audio": "AAAA"}]}  # type: ignore[list-item]
    _ = item


# Writing: models.


def a_model_is_checked_too() -> None:
    _ = encode(SessionUpdate(session=SessionConfig(instructions="x", output_modalities=["text"])))
    _ = SessionConfig(instructions=5)  # type: ignore[arg-type]
    _ = SessionConfig(voise="ash")  # pyright: ignore[reportCallIssue]
    _ = SessionUpdate()  # type: ignore[call-arg]
    _ = InputAudioBufferAppend(audio="AAAA")  # type: ignore[arg-type]


def only_events_are_sent(event: ResponseDone) -> None:
    _ = encode(event)  # type: ignore[arg-type]
    _ = encode("response.create")  # type: ignore[arg-type]
