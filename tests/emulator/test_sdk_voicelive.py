"""Microsoft's own client of Voice Live, unmodified, through whole conversations with the emulator.

It knows the service's protocol and nothing of this package. It is on asyncio only, and so is the emulator here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import fail_after
from azure.core.credentials import AzureKeyCredential

from realtime_azure.audio import pcm
from realtime_azure.audio.resample import resample
from realtime_azure.emulator import Emulator, serve

from .sdk_scenarios import ARGUMENTS, SPEECH, SPOKEN, STORY, STORY_SECONDS, WEATHER, answer, pieces

aio = pytest.importorskip("azure.ai.voicelive.aio", reason="azure-ai-voicelive is in the extra `test`")
models = pytest.importorskip("azure.ai.voicelive.models")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def emulator() -> AsyncGenerator[Emulator]:
    """At the pace of the service, so that an answer can be interrupted."""
    async with serve(responder=answer) as running:
        yield running


@asynccontextmanager
async def connected(emulator: Emulator, key: str | None = None) -> AsyncGenerator[Any]:
    credential = AzureKeyCredential(key or emulator.api_key)
    async with aio.connect(credential=credential, endpoint=emulator.url, model="any") as connection:
        yield connection


async def until(connection: Any, *kinds: str) -> list[Any]:
    """What comes, up to an event of one of *kinds*; each is of a class of the SDK's for its type."""
    events: list[Any] = []
    with fail_after(5):
        while not events or events[-1].type not in (*kinds, "error"):
            events.append(await connection.recv())
            assert type(events[-1]) is not models.ServerEvent
    assert "error" in kinds or events[-1].type != "error", events[-1]
    return events


async def write(connection: Any, text: str) -> None:
    content = [models.InputTextContentPart(text=text)]
    await connection.conversation.item.create(item=models.UserMessageItem(content=content))
    await connection.response.create()


async def speak(connection: Any, sound: bytes) -> None:
    for piece in pieces(sound):
        await connection.input_audio_buffer.append(audio=piece)


def joined(events: list[Any], kind: str) -> str:
    return "".join(event.delta for event in events if event.type == kind)


def of(events: list[Any], kind: str) -> Any:
    (found,) = [event for event in events if event.type == kind]
    return found


def sound_of(events: list[Any]) -> bytes:
    """What is heard; the SDK has decoded it."""
    return b"".join(event.delta for event in events if event.type == "response.audio.delta")


VOICE = {"type": "azure-standard", "name": "en-US-AvaNeural"}
SPOKEN_TO = models.RequestSession(
    modalities=[models.Modality.TEXT, models.Modality.AUDIO],
    voice=models.AzureStandardVoice(name=VOICE["name"]),
    turn_detection=models.ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=300),
)
WRITTEN_TO = models.RequestSession(modalities=[models.Modality.TEXT])


async def test_a_question_in_writing_is_answered_in_writing(emulator: Emulator) -> None:
    async with connected(emulator) as connection:
        await connection.session.update(session=WRITTEN_TO)
        await write(connection, "Where is Paris?")
        events = await until(connection, "response.done")
    text = joined(events, "response.text.delta")
    assert text == of(events, "response.text.done").text == "You wrote: Where is Paris?"
    assert events[-1].response.output[0].content[0].text == text
    assert not [event for event in events if "audio" in event.type]


async def test_a_spoken_question_is_heard_and_answered_aloud(emulator: Emulator) -> None:
    async with connected(emulator) as connection:
        await connection.session.update(session=SPOKEN_TO)
        (*_, updated) = await until(connection, "session.updated")
        await speak(connection, SPOKEN)
        events = await until(connection, "response.done")
    assert updated.session.voice == VOICE
    assert isinstance(updated.session.turn_detection, models.ServerVad)
    heard = [event.type for event in events if event.type.startswith("input_audio_buffer")]
    assert heard == [f"input_audio_buffer.{what}" for what in ("speech_started", "speech_stopped", "committed")]
    said = joined(events, "response.audio_transcript.delta")
    assert said == of(events, "response.audio_transcript.done").transcript == "You spoke for 2 seconds."
    assert pcm.duration(sound_of(events)) == 0.5
    assert events[-1].response.status == "completed"
    assert events[-1].response.voice == VOICE


async def test_speech_at_16_khz_with_azures_own_turn_detection(emulator: Emulator) -> None:
    """As Microsoft's samples have it: clean-up, a semantic end of turn, a lower rate."""
    async with connected(emulator) as connection:
        await connection.session.update(
            session=models.RequestSession(
                modalities=[models.Modality.TEXT, models.Modality.AUDIO],
                input_audio_sampling_rate=16000,
                input_audio_format=models.InputAudioFormat.PCM16,
                output_audio_format=models.OutputAudioFormat.PCM16_16000_HZ,
                turn_detection=models.AzureSemanticVad(silence_duration_ms=400, remove_filler_words=True),
                input_audio_noise_reduction=models.AudioNoiseReduction(type="azure_deep_noise_suppression"),
                input_audio_echo_cancellation=models.AudioEchoCancellation(),
            )
        )
        (*_, updated) = await until(connection, "session.updated")
        await speak(connection, resample(SPOKEN, 24000, 16000))
        events = await until(connection, "response.done")
    assert updated.session.input_audio_sampling_rate == 16000
    assert isinstance(updated.session.turn_detection, models.AzureSemanticVad)
    assert updated.session.turn_detection.remove_filler_words
    assert of(events, "response.audio_transcript.done").transcript == "You spoke for 2 seconds."
    assert len(sound_of(events)) == 16000  # half a second


async def test_a_function_is_called_and_its_result_answered(emulator: Emulator) -> None:
    tool = models.FunctionTool(name=WEATHER["name"], parameters=WEATHER["parameters"])
    async with connected(emulator) as connection:
        session = models.RequestSession(modalities=[models.Modality.TEXT], tools=[tool])
        await connection.session.update(session=session)
        await write(connection, "How is the weather?")
        events = await until(connection, "response.done")
        (call,) = events[-1].response.output
        result = models.FunctionCallOutputItem(call_id=call.call_id, output="sunny")
        await connection.conversation.item.create(item=result)
        await connection.response.create()
        answered = await until(connection, "response.done")
    assert sum(event.type == "response.function_call_arguments.delta" for event in events) > 1
    assert joined(events, "response.function_call_arguments.delta") == call.arguments == ARGUMENTS
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert joined(answered, "response.text.delta") == "It is sunny in Paris."


async def test_speech_interrupts_an_answer_which_is_then_cut(emulator: Emulator) -> None:
    async with connected(emulator) as connection:
        await connection.session.update(session=SPOKEN_TO)
        await write(connection, "Tell me a story.")
        (*_, sound) = await until(connection, "response.audio.delta")
        await speak(connection, SPEECH)
        events = await until(connection, "response.done")
        await connection.conversation.item.truncate(item_id=sound.item_id, content_index=0, audio_end_ms=50)
        (*_, cut) = await until(connection, "conversation.item.truncated")
    done = events[-1].response
    assert "input_audio_buffer.speech_started" in [event.type for event in events]
    assert (done.status, done.status_details.reason) == ("cancelled", "turn_detected")
    assert pcm.duration(sound_of(events)) < STORY_SECONDS / 2
    assert STORY.text.startswith(done.output[0].content[0].transcript)
    assert (cut.item_id, cut.audio_end_ms) == (sound.item_id, 50)


async def test_a_field_that_there_is_not_is_an_error_and_the_session_goes_on(emulator: Emulator) -> None:
    async with connected(emulator) as connection:
        await connection.session.update(session={"voyce": "alloy"}, event_id="mine")
        (*_, refused) = await until(connection, "error")
        await connection.session.update(session=WRITTEN_TO)
        await until(connection, "session.updated")
    assert (refused.error.code, refused.error.param) == ("unknown_parameter", "session.voyce")
    assert refused.error.event_id == "mine"


async def test_a_wrong_key_is_the_sdks_own_error(emulator: Emulator) -> None:
    with pytest.raises(aio.ConnectionError, match="401"):
        async with connected(emulator, "wrong"):
            pass
