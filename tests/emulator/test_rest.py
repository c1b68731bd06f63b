"""The other endpoints, as openai-python sees them, which knows the service and nothing of this package; and as they
are on the wire where it hides something."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import math
import struct
import uuid
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio import fail_after, to_thread
from openai import (
    APIError,
    APIStatusError,
    AsyncAzureOpenAI,
    AsyncOpenAI,
    AuthenticationError,
    AzureOpenAI,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    RateLimitError,
)
from websockets.datastructures import Headers

from realtime_azure import ConnectionClosed, StatusError, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import (
    REFUSALS,
    Emulator,
    FunctionCall,
    Reply,
    ScriptedResponder,
    Turn,
    serve,
    voice,
)
from realtime_azure.emulator.rest import Asked
from realtime_azure.events import SessionCreated

pytestmark = [
    pytest.mark.anyio,
    # openai-python leaves its generators where they are at `[DONE]`, which trio minds.
    pytest.mark.filterwarnings("ignore:Async generator '(openai|httpx2|httpcore2):ResourceWarning"),
    # Translations are deprecated at OpenAI.
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
]

QUESTION = Path(__file__).resolve().parents[2] / "audio_samples" / "question_capital.wav"
DATED = "2025-04-01-preview"
FORMS = ["dated", "v1"]
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": {}}}
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
)


@pytest.fixture(autouse=True)
def without_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers here as where the extra `emulator-voice` is installed."""
    monkeypatch.setattr(voice, "available", lambda: False)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve(pace=math.inf, deployments=["mine", "yours"]) as running:
        yield running


def azure(emulator: Emulator, **options: Any) -> AsyncAzureOpenAI:
    chosen: dict[str, Any] = {"api_key": emulator.api_key, "max_retries": 0, "timeout": 5.0, **options}
    return AsyncAzureOpenAI(azure_endpoint=emulator.url, api_version=DATED, **chosen)


def v1(emulator: Emulator, **options: Any) -> AsyncOpenAI:
    chosen: dict[str, Any] = {"api_key": emulator.api_key, "max_retries": 0, "timeout": 5.0, **options}
    return AsyncOpenAI(base_url=f"{emulator.url}/openai/v1", **chosen)


def client_of(form: str, emulator: Emulator, **options: Any) -> AsyncOpenAI:
    return (azure if form == "dated" else v1)(emulator, **options)


@pytest.fixture(params=FORMS)
async def client(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(request.param, emulator) as made:
        yield made


@asynccontextmanager
async def asking(form: str, responder: Any, **options: Any) -> AsyncGenerator[AsyncOpenAI]:
    """A client of an emulator that answers with *responder*."""
    async with serve(pace=math.inf, responder=responder, **options) as emulator, client_of(form, emulator) as made:
        yield made


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def check(made: Any) -> None:
    """It has all that openai-python's own class asks for."""
    type(made).model_validate(made.to_dict())


async def everything(stream: Any) -> list[Any]:
    return [each async for each in stream]


# Chat


async def test_a_chat(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="mine", messages=[{"role": "system", "content": "Be brief."}, user("What is the capital of France?")]
    )
    made = raw.parse()
    check(made)
    (choice,) = made.choices
    assert choice.message.content == "This is the emulator. I read your message of six words."
    assert (choice.finish_reason, choice.message.tool_calls, made.model) == ("stop", None, "mine")
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (8, 11, 19)
    fields: Any = made.to_dict()
    assert fields["prompt_filter_results"] == [{"prompt_index": 0, "content_filter_results": SAFE}]
    assert fields["choices"][0]["content_filter_results"] == SAFE
    assert uuid.UUID(raw.headers["apim-request-id"]).version == 4
    assert raw.headers["x-ms-region"] == "emulator"


SAFE = {kind: {"filtered": False, "severity": "safe"} for kind in ("hate", "self_harm", "sexual", "violence")}


async def test_a_chat_word_by_word(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="mine", messages=[user("Hello you")], stream=True, stream_options={"include_usage": True}
    )
    first, *chunks, last = await everything(stream)
    assert (first.choices, first.id) == ([], "")
    assert first.prompt_filter_results == [{"prompt_index": 0, "content_filter_results": SAFE}]
    for chunk in chunks:
        check(chunk)
    deltas = [chunk.choices[0] for chunk in chunks]
    assert deltas[0].delta.role == "assistant"
    assert "".join(each.delta.content or "" for each in deltas) == (
        "This is the emulator. I read your message of two words."
    )
    assert len(deltas) == 13
    assert deltas[1].content_filter_results == SAFE
    assert [each.finish_reason for each in deltas] == [None] * 12 + ["stop"]
    assert {chunk.usage for chunk in chunks} == {None}
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens == 13


async def test_without_asking_for_usage_none_is_told(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="mine", messages=[user("Hello")], stream=True)
    chunks = await everything(stream)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


@pytest.mark.parametrize("form", FORMS)
async def test_what_the_responder_is_told(form: str) -> None:
    turns: list[Turn] = []

    async def responder(turn: Turn) -> str:
        turns.append(turn)
        return "Well."

    sound = {"data": base64.b64encode(QUESTION.read_bytes()).decode(), "format": "wav"}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        user("Before."),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "And now?"}, {"type": "input_audio", "input_audio": sound}],
        },
    ]
    async with asking(form, responder) as client:
        await client.chat.completions.create(model="any", messages=messages, tools=[TOOL])
        await client.chat.completions.create(model="any", messages=messages, tools=[TOOL], tool_choice="none")
    (turn, toolless) = turns
    assert (turn.text, turn.instructions, turn.deployment) == ("And now?", "Be brief.\nBe kind.", "any")
    assert turn.results == {"call_1": "Rain."}
    assert turn.tools == ({"type": "function", "name": "weather", "description": "Says it.", "parameters": {}},)
    assert turn.audio == wav.read(QUESTION).pcm
    assert turn.speech_seconds == pytest.approx(pcm.duration(turn.audio))
    assert toolless.tools == ()


async def calling(turn: Turn) -> AsyncIterator[str | FunctionCall]:
    yield "One moment."
    yield FunctionCall("weather", {"place": "Paris"})
    yield FunctionCall("clock", "{}")


@pytest.mark.parametrize("form", FORMS)
async def test_functions_that_are_called(form: str) -> None:
    async with asking(form, calling) as client:
        made = await client.chat.completions.create(model="any", messages=[user("Hello")], tools=[TOOL])
        stream = await client.chat.completions.create(model="any", messages=[user("Hello")], tools=[TOOL], stream=True)
        chunks = await everything(stream)
    check(made)
    (choice,) = made.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "One moment.")
    calls: Any = choice.message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("weather", {"place": "Paris"}),
        ("clock", {}),
    ]
    assert len({call.id for call in calls}) == 2
    deltas = [call for chunk in chunks for each in chunk.choices for call in each.delta.tool_calls or ()]
    heads = [(call.index, call.function.name, call.type) for call in deltas if call.id]
    assert heads == [(0, "weather", "function"), (1, "clock", "function")]
    assert "".join(call.function.arguments for call in deltas if call.index == 0) == '{"place":"Paris"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("form", FORMS)
async def test_a_chat_that_is_cut_at_its_limit(form: str) -> None:
    async with asking(form, calling) as client:
        made = await client.chat.completions.create(model="any", messages=[user("Hello")], max_completion_tokens=1)
    assert (made.choices[0].message.content, made.choices[0].finish_reason) == ("One", "length")
    assert made.usage is not None
    assert made.usage.completion_tokens == 1


async def test_what_the_filter_stops() -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply("So far." if turn.text == "Hello" else "", reason="content_filter")

    async with asking("dated", responder) as client:
        made = await client.chat.completions.create(model="any", messages=[user("Hello")])
        with pytest.raises(BadRequestError) as caught:
            await client.chat.completions.create(model="any", messages=[user("Attack!")], stream=True)
    assert (made.choices[0].message.content, made.choices[0].finish_reason) == ("So far.", "content_filter")
    assert caught.value.code == "content_filter"
    inner = json.loads(caught.value.response.text)["error"]["innererror"]
    assert inner["code"] == "ResponsibleAIPolicyViolation"
    assert inner["content_filter_result"]["jailbreak"] == {"filtered": True, "detected": True}


async def test_a_responder_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def responder(turn: Turn) -> AsyncIterator[str]:
        if turn.text == "late":
            yield "Well, "
        raise LookupError

    async with asking("v1", responder) as client:
        for stream in (False, True):
            with pytest.raises(InternalServerError, match="responder failed: LookupError"):
                await client.chat.completions.create(model="any", messages=[user("now")], stream=stream)
        chunks = await client.chat.completions.create(model="any", messages=[user("late")], stream=True)
        with pytest.raises(APIError, match="responder failed: LookupError"):
            await everything(chunks)
        # The connection is as good as before.
        with pytest.raises(InternalServerError):
            await client.chat.completions.create(model="any", messages=[user("now")])
    assert [record.exc_info[0] for record in caplog.records if record.levelno >= logging.ERROR and record.exc_info] == [
        LookupError
    ] * 4


@pytest.mark.parametrize(("reason", "error"), [("rate_limit_exceeded", RateLimitError), ("odd", InternalServerError)])
async def test_an_answer_that_fails_for_a_reason(reason: str, error: type[APIStatusError]) -> None:
    async def responder(turn: Turn) -> Reply:
        return Reply(reason=reason)

    async with asking("v1", responder) as client:
        with pytest.raises(error) as caught:
            await client.chat.completions.create(model="any", messages=[user("Hello")])
    assert caught.value.code == reason


# Completions and embeddings


async def test_completions(client: AsyncOpenAI) -> None:
    made = await client.completions.create(model="mine", prompt=["Hello you", "Hello"], max_tokens=100)
    check(made)
    assert [(choice.index, choice.text.rpartition("of ")[2]) for choice in made.choices] == [
        (0, "two words."),
        (1, "one word."),
    ]
    assert {choice.finish_reason for choice in made.choices} == {"stop"}
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens == 25
    stream = await client.completions.create(model="mine", prompt="Hello", stream=True, max_tokens=3)
    first, *chunks = await everything(stream)
    assert first.choices == []
    assert "".join(chunk.choices[0].text for chunk in chunks) == "This is the"
    assert chunks[-1].choices[0].finish_reason == "length"


async def test_embeddings(client: AsyncOpenAI) -> None:
    """openai-python asks for base64 by itself."""
    packed = await client.embeddings.create(model="mine", input=["Hello you", "Hello"])
    plain = await client.embeddings.create(model="mine", input=["Hello you", "Hello"], encoding_format="float")
    check(plain)
    assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]
    one, other = (each.embedding for each in plain.data)
    assert len(one) == len(other) == 1536
    assert math.hypot(*one) == pytest.approx(1)
    assert abs(sum(map(float.__mul__, one, other))) < 0.2
    assert (plain.usage.prompt_tokens, plain.usage.total_tokens) == (3, 3)
    short = await client.embeddings.create(model="mine", input="Hello", dimensions=4)
    (known,) = [each.embedding for each in short.data]
    assert math.hypot(*known) == pytest.approx(1)
    assert [number / known[0] for number in known] == pytest.approx(
        [number / other[0] for number in other[:4]], rel=1e-4
    )
    tokens = await client.embeddings.create(model="mine", input=[[1, 2, 3], [4]])
    assert (len(tokens.data), tokens.usage.prompt_tokens) == (2, 4)


# Sound


async def test_speech(client: AsyncOpenAI) -> None:
    spoken = await client.audio.speech.create(model="mine", voice="alloy", input="Hello you", response_format="wav")
    plain = await client.audio.speech.create(model="mine", voice="alloy", input="Hello you", response_format="pcm")
    assert spoken.response.headers["content-type"] == "audio/wav"
    assert wav.decode(spoken.content).pcm == plain.content
    assert pcm.duration(plain.content) == pytest.approx(0.54)
    fast = await client.audio.speech.create(
        model="mine", voice="alloy", input="Hello you", response_format="pcm", speed=2.0
    )
    assert pcm.duration(fast.content) == pytest.approx(0.27, abs=0.01)
    async with client.audio.speech.with_streaming_response.create(
        model="mine", voice="alloy", input="Hello you", response_format="pcm"
    ) as stream:
        assert b"".join([piece async for piece in stream.iter_bytes()]) == plain.content


async def test_speech_as_events(client: AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="mine", voice="alloy", input="Hello you", response_format="pcm", stream_format="sse"
    ) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        events = [json.loads(line[6:]) async for line in stream.iter_lines() if line]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * 2 + ["speech.audio.done"]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert pcm.duration(sound) == pytest.approx(0.54)
    assert events[-1]["usage"] == {"input_tokens": 2, "output_tokens": 11, "total_tokens": 13}


async def test_a_format_it_cannot_speak_is_refused(client: AsyncOpenAI) -> None:
    """Without one, too: the service's default is MP3."""
    options: list[Any] = [{}, {"response_format": "opus"}]
    for chosen in options:
        with pytest.raises(BadRequestError, match="it speaks wav and pcm") as caught:
            await client.audio.speech.create(model="mine", voice="alloy", input="Hello", **chosen)
        assert caught.value.param == "response_format"


HEARD = "This is the emulator. I heard you speak for about two seconds."


@pytest.mark.parametrize("task", ["transcriptions", "translations"])
async def test_a_recording_is_written_down(client: AsyncOpenAI, task: str) -> None:
    """Where nobody can tell the words, what can truly be said of it."""
    create = getattr(client.audio, task).create
    length = wav.read(QUESTION).duration
    plain = await create(model="mine", file=QUESTION)
    check(plain)
    assert plain.text == HEARD
    verbose = await create(model="mine", file=QUESTION, response_format="verbose_json")
    check(verbose)
    assert verbose.text == HEARD == verbose.segments[0].text
    assert verbose.duration == verbose.segments[0].end == pytest.approx(length, abs=0.01)
    assert await create(model="mine", file=QUESTION, response_format="text") == f"{HEARD}\n"
    seconds, ms = divmod(round(length * 1000), 1000)
    srt = await create(model="mine", file=QUESTION, response_format="srt")
    assert srt == f"1\n00:00:00,000 --> 00:00:{seconds:02},{ms:03}\n{HEARD}\n\n"
    vtt = await create(model="mine", file=QUESTION, response_format="vtt")
    assert vtt == f"WEBVTT\n\n00:00:00.000 --> 00:00:{seconds:02}.{ms:03}\n{HEARD}\n\n"


async def test_a_recording_is_written_down_word_by_word(client: AsyncOpenAI) -> None:
    stream = await client.audio.transcriptions.create(model="mine", file=QUESTION, stream=True)
    *deltas, done = await everything(stream)
    for event in (*deltas, done):
        check(event)
    assert "".join(event.delta for event in deltas) == done.text == HEARD
    assert len(deltas) == 12
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


@pytest.mark.parametrize("form", FORMS)
async def test_a_transcriber_of_ones_own(form: str, caplog: pytest.LogCaptureFixture) -> None:
    async def transcriber(sound: bytes) -> str:
        if pcm.level(sound) == 0:
            raise LookupError
        assert sound == wav.read(QUESTION).pcm
        return "What is the capital of France?"

    async with serve(transcriber=transcriber) as emulator, client_of(form, emulator) as client:
        made = await client.audio.transcriptions.create(model="any", file=("q.wav", QUESTION.read_bytes()))
        assert made.text == "What is the capital of France?"
        with pytest.raises(InternalServerError, match="transcriber failed: LookupError"):
            await client.audio.transcriptions.create(model="any", file=("q.wav", wav.encode(pcm.silence(1))))
    assert caplog.records


@pytest.mark.parametrize(
    ("options", "param", "said"),
    [
        ({"file": ("a.mp3", b"ID3 and so on")}, "file", "looks like an MP3"),
        ({"file": ("a.wav", b"")}, "file", "is empty"),
        ({"file": QUESTION, "response_format": "diarized_json"}, "response_format", "one speaker from another"),
        (
            {"file": QUESTION, "response_format": "verbose_json", "timestamp_granularities": ["word"]},
            "timestamp_granularities",
            "when each word was said",
        ),
    ],
)
async def test_what_cannot_be_written_down(client: AsyncOpenAI, options: Any, param: str, said: str) -> None:
    with pytest.raises(BadRequestError, match=said) as caught:
        await client.audio.transcriptions.create(model="mine", **options)
    assert caught.value.param == param


# Images


def pixels(encoded: str | None) -> tuple[int, int, bytes]:
    """Width, height and palette of a PNG; whatever is wrong with the file is an error."""
    png = base64.b64decode(encoded or "")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        size, name = struct.unpack_from(">I4s", png, at)
        content = png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(name + content)
        chunks[name] = content
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, depth, colours = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, colours) == (1, 3)
    assert zlib.decompress(chunks[b"IDAT"]) == bytes(1 + (width + 7) // 8) * height
    return width, height, chunks[b"PLTE"]


async def test_images(client: AsyncOpenAI) -> None:
    made = await client.images.generate(model="mine", prompt="A cat", n=2, size="512x256")
    check(made)
    assert made.data is not None
    assert made.usage is not None
    one, other = (pixels(image.b64_json) for image in made.data)
    assert one[:2] == other[:2] == (512, 256)
    assert one[2] != other[2]
    assert (made.size, made.output_format) == ("512x256", "png")
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens == 4
    again = await client.images.generate(model="mine", prompt="A cat")
    assert again.data is not None
    assert pixels(again.data[0].b64_json)[:2] == (1024, 1024)
    edited = await client.images.edit(
        model="mine",
        prompt="A dog",
        image=[("a.png", base64.b64decode(again.data[0].b64_json or "")), ("b.png", b"\x89PNG")],
    )
    assert edited.data is not None
    assert pixels(edited.data[0].b64_json)[:2] == (1024, 1024)


async def test_images_part_by_part(client: AsyncOpenAI) -> None:
    drawn = await client.images.generate(model="mine", prompt="A cat", stream=True, partial_images=2)
    edited = await client.images.edit(
        model="mine", prompt="A cat", image=("a.png", b"\x89PNG"), stream=True, partial_images=1
    )
    for kind, parts, stream in (("image_generation", 2, drawn), ("image_edit", 1, edited)):
        events = await everything(stream)
        for event in events:
            check(event)
        assert [event.type for event in events] == [f"{kind}.partial_image"] * parts + [f"{kind}.completed"]
        assert [event.partial_image_index for event in events[:-1]] == list(range(parts))
        brightness = [sum(pixels(event.b64_json)[2]) for event in events]
        assert brightness == sorted(brightness, reverse=True)
        assert len(set(brightness)) == parts + 1


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"size": "big"}, "size"),
        ({"size": "9999x1"}, "size"),
        ({"output_format": "jpeg"}, "output_format"),
        ({"response_format": "url"}, "response_format"),
        ({"background": "transparent"}, "background"),
        ({"n": 11}, "n"),
    ],
)
async def test_images_that_cannot_be(client: AsyncOpenAI, options: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.images.generate(model="mine", prompt="A cat", **options)
    assert caught.value.param == param


async def test_what_is_no_image_cannot_be_edited(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.images.edit(model="mine", prompt="A cat", image=("a.txt", b"A dog"))
    assert caught.value.code == "invalid_image_file"


# Responses


async def test_a_response(client: AsyncOpenAI) -> None:
    made = await client.responses.create(
        model="mine", input="Hello you", instructions="Be brief.", metadata={"for": "a test"}
    )
    check(made)
    assert made.output_text == "This is the emulator. I read your message of two words."
    assert (made.status, made.model, made.instructions) == ("completed", "mine", "Be brief.")
    assert made.metadata == {"for": "a test"}
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens == 15
    assert (await client.responses.retrieve(made.id)).output_text == made.output_text
    after = await client.responses.create(model="mine", input="And?", previous_response_id=made.id, store=False)
    assert after.previous_response_id == made.id
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(after.id)
    await client.responses.delete(made.id)
    with pytest.raises(BadRequestError) as caught:
        await client.responses.create(model="mine", input="And?", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"


MESSAGE = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
CALL = [
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]


@pytest.mark.parametrize("form", FORMS)
async def test_a_response_told_in_events(form: str) -> None:
    tool: Any = {"type": "function", **TOOL["function"], "strict": False}
    async with asking(form, calling) as client:
        stream = await client.responses.create(model="any", input="Hello", tools=[tool], stream=True)
        events = await everything(stream)
        # openai-python puts the events together by itself, and is strict about their order.
        async with client.responses.stream(model="any", input="Hello", tools=[tool]) as helper:
            final = await helper.get_final_response()
        whole = await client.responses.create(model="any", input="Hello", tools=[tool])
    for event in events:
        check(event)
    kinds = [kind for kind, _ in itertools.groupby(event.type for event in events)]
    assert kinds == ["response.created", "response.in_progress", *MESSAGE, *CALL, *CALL, "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    told: list[Any] = [events[-1].response, final, whole]
    for response in told:
        assert [item.type for item in response.output] == ["message", "function_call", "function_call"]
        assert response.output_text == "One moment."
        assert [item.arguments for item in response.output[1:]] == ['{"place":"Paris"}', "{}"]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "One moment."


async def test_what_a_responder_is_told_by_a_response() -> None:
    turns: list[Turn] = []

    async def responder(turn: Turn) -> str:
        turns.append(turn)
        return "Well."

    tool: Any = {"type": "function", "name": "weather", "parameters": {}, "strict": False}
    items: Any = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Before."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
        {"role": "user", "content": [{"type": "input_text", "text": "And now?"}]},
    ]
    async with asking("v1", responder) as client:
        await client.responses.create(model="any", input=items, instructions="Be brief.", tools=[tool])
    (turn,) = turns
    assert (turn.text, turn.instructions, turn.deployment) == ("And now?", "Be brief.\nBe kind.", "any")
    assert (turn.results, turn.tools) == ({"call_1": "Rain."}, (tool,))


async def test_a_response_that_does_not_come_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async def responder(turn: Turn) -> AsyncIterator[str]:
        yield "Well, then: no."
        raise LookupError

    async with asking("v1", responder) as client:
        for limit, status in ((2, "incomplete"), (100, "failed")):
            events = await everything(
                await client.responses.create(model="any", input="Hello", stream=True, max_output_tokens=limit)
            )
            check(events[-1])
            assert events[-1].type == f"response.{status}"
            assert events[-1].response.status == status
    assert caplog.records


# Files and models


async def test_files(client: AsyncOpenAI) -> None:
    content = b"--boundary?\r\n\r\n--\r\n" + bytes(range(256))
    one = await client.files.create(file=("a.jsonl", content), purpose="assistants")
    other = await client.files.create(file=("\N{BLACK HEART SUIT}.txt", b""), purpose="batch")
    check(one)
    assert (one.filename, one.bytes, one.purpose) == ("a.jsonl", len(content), "assistants")
    assert [file.id async for file in client.files.list()] == [other.id, one.id]
    assert [file.id async for file in client.files.list(limit=1, order="asc")] == [one.id, other.id]
    assert [file.id async for file in client.files.list(purpose="batch")] == [other.id]
    assert (await client.files.retrieve(one.id)) == one
    assert (await client.files.content(one.id)).content == content
    assert (await client.files.delete(one.id)).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError):
            await gone(one.id)
    with pytest.raises(BadRequestError):
        await client.files.create(file=("a", b""), purpose="fun")  # type: ignore[arg-type]  # that is the point


async def test_models(client: AsyncOpenAI) -> None:
    made = await client.models.list()
    for model in made.data:
        check(model)
    assert [model.id for model in made.data] == ["mine", "yours"]
    assert (await client.models.retrieve("mine")).id == "mine"
    with pytest.raises(NotFoundError) as caught:
        await client.models.retrieve("theirs")
    assert caught.value.code == "model_not_found"


# Around realtime sessions


async def test_a_secret_for_a_browser(emulator: Emulator) -> None:
    odd_one: Any = {"type": "odd", "model": "mine"}
    wrong_one: Any = {"type": "realtime", "model": "mine", "output_modalities": ["smell"]}
    async with v1(emulator) as client:
        made = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "mine", "instructions": "Be brief."}
        )
        brief = await client.realtime.client_secrets.create(
            session={"type": "transcription"}, expires_after={"anchor": "created_at", "seconds": 10}
        )
        with pytest.raises(BadRequestError) as odd:
            await client.realtime.client_secrets.create(session=odd_one)
        with pytest.raises(BadRequestError) as wrong:
            await client.realtime.client_secrets.create(session=wrong_one)
        with pytest.raises(NotFoundError):
            await client.realtime.client_secrets.create(session={"type": "realtime", "model": "theirs"})
        with pytest.raises(BadRequestError) as nameless:
            await client.realtime.client_secrets.create(session={"type": "realtime"})
    assert made.value.startswith("ek_")
    assert made.expires_at - brief.expires_at in range(7185, 7191)
    session: Any = made.session
    assert (session.type, session.model, session.instructions) == ("realtime", "mine", "Be brief.")
    assert brief.session.type == "transcription"
    assert odd.value.code == "InvalidSessionType"
    assert wrong.value.param == "session.output_modalities"
    assert nameless.value.param == "session.model"


async def test_a_session_of_the_preview(emulator: Emulator) -> None:
    for client in (azure(emulator), v1(emulator)):
        async with client:
            made = await client.beta.realtime.sessions.create(
                model="mine",  # type: ignore[arg-type]  # it knows OpenAI's names
                modalities=["text"],
                instructions="Be brief.",
            )
            check(made)
            assert made.client_secret.value.startswith("ek_")
            assert (made.modalities, made.instructions, made.input_audio_format) == (["text"], "Be brief.", "pcm16")
            written = await client.beta.realtime.transcription_sessions.create(
                input_audio_format="g711_ulaw", input_audio_transcription={"model": "whisper-1"}
            )
            check(written)
            assert written.input_audio_format == "g711_ulaw"
            assert written.input_audio_transcription is not None
            assert written.input_audio_transcription.model == "whisper-1"


async def test_a_call_of_a_browser(emulator: Emulator) -> None:
    async with v1(emulator) as client:
        secret = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "mine", "instructions": "Be brief."}
        )
        # The key will not do, as it was recorded of the service.
        with pytest.raises(AuthenticationError, match="ephemeral token is required"):
            await client.realtime.calls.create(sdp=OFFER)
        async with v1(emulator, api_key=secret.value) as browser:
            made = await browser.realtime.calls.create(sdp=OFFER)
            other = await browser.realtime.calls.create(
                sdp=OFFER, session={"type": "realtime", "instructions": "Be kind."}
            )
            with pytest.raises(BadRequestError):
                await browser.realtime.calls.create(sdp="Hello?")
            with pytest.raises(AuthenticationError):
                await browser.models.list()
        assert made.response.status_code == 201
        assert made.response.headers["content-type"] == "application/sdp"
        answer = made.content.decode().split("\r\n")
        assert [line for line in answer if line.startswith("m=")] == [
            "m=audio 0 UDP/TLS/RTP/SAVPF 111 0",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        ]
        assert [line for line in answer if line.startswith("a=mid")] == ["a=mid:0", "a=mid:1"]
        for call, instructions in ((made, "Be brief."), (other, "Be kind.")):
            prefix, _, call_id = call.response.headers["location"].rpartition("/")
            assert prefix == "/v1/realtime/calls"
            assert await instructions_of(emulator, call_id) == ("mine", instructions)
            await client.realtime.calls.hangup(call_id)
            await check_ended(emulator, client, call_id)


async def instructions_of(emulator: Emulator, call_id: str) -> tuple[Any, Any]:
    """Of the session that a websocket to a call has: its deployment and its instructions."""
    async with connect(emulator.url, call_id=call_id, api_version="v1", api_key=emulator.api_key) as connection:
        created = await connection.receive()
    assert isinstance(created, SessionCreated)
    return created.session.model, created.session.instructions


async def check_ended(emulator: Emulator, client: AsyncOpenAI, call_id: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.realtime.calls.hangup(call_id)
    assert caught.value.code == "call_id_not_found"
    with pytest.raises(StatusError) as refused:
        await instructions_of(emulator, call_id)
    assert (refused.value.status, refused.value.code) == (404, "call_id_not_found")


async def test_a_call_by_telephone(emulator: Emulator) -> None:
    async with v1(emulator) as client:
        await client.realtime.calls.accept("rtc_1", type="realtime", model="mine", instructions="Be brief.")
        assert await instructions_of(emulator, "rtc_1") == ("mine", "Be brief.")
        with pytest.raises(BadRequestError) as caught:
            await client.realtime.calls.refer("rtc_1", target_uri=None)  # type: ignore[arg-type]  # that is the point
        assert caught.value.param == "target_uri"
        await client.realtime.calls.refer("rtc_1", target_uri="tel:+123")
        await check_ended(emulator, client, "rtc_1")
        await client.realtime.calls.accept("rtc_2", type="realtime", model="mine")
        await client.realtime.calls.reject("rtc_2", status_code=486)
        await check_ended(emulator, client, "rtc_2")
        with pytest.raises(NotFoundError):
            await client.realtime.calls.accept("rtc_3", type="realtime", model="theirs")
        with pytest.raises(BadRequestError) as nameless:
            await client.realtime.calls.accept("rtc_3", type="realtime")
        assert nameless.value.code == "missing_required_parameter"


# The synchronous clients


def synchronous(form: str, emulator: Emulator) -> OpenAI:
    key: Any = {"api_key": emulator.api_key, "max_retries": 0, "timeout": 5.0}
    if form == "v1":
        return OpenAI(base_url=f"{emulator.url}/openai/v1", **key)
    return AzureOpenAI(azure_endpoint=emulator.url, api_version=DATED, azure_deployment="mine", **key)


CALLS: list[Callable[[OpenAI], Any]] = [
    lambda client: client.chat.completions.create(model="mine", messages=[user("Hi")]).choices[0].message.content,
    lambda client: "".join(
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(model="mine", messages=[user("Hi")], stream=True)
        if chunk.choices
    ),
    lambda client: client.completions.create(model="mine", prompt="Hi").choices[0].text,
    lambda client: client.embeddings.create(model="mine", input="Hi", dimensions=2).data[0].embedding,
    lambda client: client.audio.speech.create(model="mine", voice="a", input="Hi", response_format="wav").content,
    lambda client: client.audio.transcriptions.create(model="mine", file=QUESTION).text,
    lambda client: getattr(client.audio.translations, "create")(model="mine", file=QUESTION).text,  # noqa: B009 - it is deprecated
    lambda client: client.images.generate(model="mine", prompt="A cat").data,
    lambda client: client.responses.create(model="mine", input="Hi").output_text,
    lambda client: [event.type for event in client.responses.create(model="mine", input="Hi", stream=True)],
    lambda client: client.models.list().data,
    lambda client: client.files.delete(client.files.create(file=("a", b"b"), purpose="batch").id).deleted,
]


@pytest.mark.parametrize("form", FORMS)
async def test_the_synchronous_clients(emulator: Emulator, form: str) -> None:
    """In a thread, and the Azure one with a deployment of its own in its address."""

    def work() -> list[Any]:
        with synchronous(form, emulator) as client:
            return [call(client) for call in CALLS]

    made = await to_thread.run_sync(work)
    assert made[0] == made[1] == made[2] == made[8] == "This is the emulator. I read your message of one word."
    assert math.hypot(*made[3]) == pytest.approx(1)
    assert wav.decode(made[4]).pcm
    assert made[5] == made[6] == HEARD
    assert made[9][-1] == "response.completed"
    assert [model.id for model in made[10]] == ["mine", "yours"]
    assert made[11]


# Who is let in, and what is wrong


@pytest.mark.parametrize("form", FORMS)
async def test_the_key_is_asked_for(emulator: Emulator, form: str) -> None:
    async with client_of(form, emulator, api_key="wrong") as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.chat.completions.create(model="mine", messages=[user("Hello")])
    assert caught.value.code == "401"
    async with azure(emulator, api_key=None, azure_ad_token=emulator.api_key) as client:
        await client.chat.completions.create(model="mine", messages=[user("Hello")])


async def test_a_deployment_that_does_not_exist(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.embeddings.create(model="theirs", input="Hello")
    assert caught.value.code == "DeploymentNotFound"
    with pytest.raises(NotFoundError):
        await client.responses.create(model="theirs", input="Hello")


async def test_a_refusal_is_for_the_next_request(emulator: Emulator) -> None:
    for form in FORMS:
        emulator.refuse(REFUSALS["too_many"], REFUSALS["unavailable"])
        async with client_of(form, emulator) as client:
            with pytest.raises(RateLimitError) as caught:
                await client.models.list()
            assert caught.value.response.headers["retry-after-ms"] == "100"
            with pytest.raises(InternalServerError):
                await client.models.list()
            await client.models.list()
    emulator.refuse(REFUSALS["too_many"])
    async with azure(emulator, max_retries=1) as client:
        await client.models.list()


async def test_the_rate_limits_are_told_and_count(client: AsyncOpenAI) -> None:
    left = []
    for _ in range(2):
        raw = await client.embeddings.with_raw_response.create(model="mine", input="Hello")
        left.append(int(raw.headers["x-ratelimit-remaining-requests"]))
        assert int(raw.headers["x-ratelimit-limit-requests"]) > left[-1]
        assert int(raw.headers["x-ratelimit-remaining-tokens"]) < int(raw.headers["x-ratelimit-limit-tokens"])
        assert 0 < int(raw.headers["x-ratelimit-reset-requests"]) <= 60
    # A new minute may have begun in between.
    assert left[1] in (left[0] - 1, left[0])


CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
MINE = f"/openai/deployments/mine/chat/completions?api-version={DATED}"
V1 = "/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/openai/deployments/mine/chat/completions", CHAT, (404, "404", None)),
        ("POST", f"/openai/deployments/mine/chat?api-version={DATED}", CHAT, (404, "404", None)),
        ("POST", f"/openai/chat/completions?api-version={DATED}", CHAT, (404, "404", None)),
        ("POST", "/openai/v1/chat", CHAT, (404, "404", None)),
        ("POST", f"/openai/realtime/client_secrets?api-version={DATED}", {}, (404, "404", None)),
        ("POST", f"{V1}?api-version={DATED}", CHAT, (400, "BadRequest", None)),
        ("POST", f"/openai/deployments/theirs/embeddings?api-version={DATED}", {}, (404, "DeploymentNotFound", None)),
        ("GET", MINE, None, (405, "405", None)),
        ("DELETE", "/openai/v1/models", None, (405, "405", None)),
        ("POST", MINE, b"{", (400, None, None)),
        ("POST", MINE, [], (400, "invalid_type", None)),
        ("POST", MINE, {}, (400, "missing_required_parameter", "messages")),
        ("POST", MINE, {"messages": []}, (400, "invalid_value", "messages")),
        ("POST", MINE, {"messages": "Hello"}, (400, "invalid_type", "messages")),
        ("POST", MINE, {"messages": [{"role": "user", "content": 5}]}, (400, "invalid_type", "messages[0].content")),
        ("POST", MINE, {"messages": [{"content": ""}]}, (400, "missing_required_parameter", "messages[0].role")),
        ("POST", MINE, {**CHAT, "stream": "yes"}, (400, "invalid_type", "stream")),
        ("POST", MINE, {**CHAT, "max_tokens": 0}, (400, "invalid_value", "max_tokens")),
        ("POST", MINE, {**CHAT, "n": 2}, (400, "emulator_cannot", "n")),
        ("POST", MINE, {**CHAT, "modalities": ["audio"]}, (400, "emulator_cannot", "modalities")),
        ("POST", V1, CHAT, (400, "missing_required_parameter", "model")),
        ("POST", "/openai/v1/responses", {"model": "mine"}, (400, "missing_required_parameter", "input")),
        ("POST", "/openai/v1/embeddings", {"model": "mine", "input": 5}, (400, "invalid_type", "input")),
        (
            "POST",
            "/openai/v1/embeddings",
            {"model": "mine", "input": "a", "dimensions": 0},
            (400, "invalid_value", "dimensions"),
        ),
        ("POST", "/openai/v1/audio/transcriptions", {"model": "mine"}, (400, "missing_required_parameter", "file")),
        (
            "POST",
            "/openai/v1/images/edits",
            {"model": "mine", "prompt": "x"},
            (400, "missing_required_parameter", "image"),
        ),
        ("POST", "/openai/v1/files", {"purpose": "batch"}, (400, "missing_required_parameter", "file")),
        ("GET", "/openai/v1/realtime?model=mine", None, (426, "BadRequest", None)),
        ("GET", "/openai/v1/realtime", None, (400, "OperationNotSupported", None)),
    ],
)
async def test_what_is_wrong_is_said_in_azures_envelope(
    emulator: Emulator, method: str, path: str, body: Any, said: tuple[int, str | None, str | None]
) -> None:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"api-key": emulator.api_key, "content-type": "application/json"}
    async with httpx2.AsyncClient() as client:
        answer = await client.request(method, f"{emulator.url}{path}", content=content, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("param")) == said
    assert error["message"]
    assert uuid.UUID(answer.headers["apim-request-id"]).version == 4
    if answer.status_code == 405:
        assert answer.headers["allow"] in ("POST", "GET")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=\xff", b"--x--"),
    ],
)
async def test_a_form_that_is_none(emulator: Emulator, content_type: str, body: bytes) -> None:
    headers = {b"api-key": emulator.api_key.encode(), b"content-type": content_type.encode("latin-1")}
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{emulator.url}/openai/v1/files", content=body, headers=headers)
    assert answer.status_code == 400


async def test_a_stream_ends_with_done_on_the_wire(emulator: Emulator) -> None:
    headers = {"api-key": emulator.api_key}
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{emulator.url}{MINE}", json={**CHAT, "stream": True}, headers=headers)
        typed = await client.post(
            f"{emulator.url}/openai/v1/responses",
            json={"model": "mine", "input": "Hi", "stream": True},
            headers=headers,
        )
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: {") for event in events[:-2])
    assert typed.text.startswith('event: response.created\ndata: {"type":"response.created"')
    assert "[DONE]" not in typed.text


async def test_a_request_may_ask_to_be_refused_as_a_handshake_may() -> None:
    with fail_after(10):
        async with serve(faults=["refuse=403"]) as emulator, httpx2.AsyncClient() as client:

            async def models(query: str) -> int:
                url = f"{emulator.url}/openai/v1/models{query}"
                return (await client.get(url, headers={"api-key": emulator.api_key})).status_code

            assert [await models("") for _ in range(2)] == [403, 200]
            assert [await models("?fault=refuse=429*2") for _ in range(3)] == [429, 429, 200]
            assert await models("?fault=dorp") == 400


async def test_who_is_beside_a_call_leaves_with_it() -> None:
    """A websocket that joined it is closed when the call is hung up."""
    async with serve() as emulator, v1(emulator) as client:
        await client.realtime.calls.accept("rtc_1", type="realtime", model="any")
        with fail_after(5):
            async with connect(emulator.url, call_id="rtc_1", api_version="v1", api_key=emulator.api_key) as beside:
                assert isinstance(await beside.receive(), SessionCreated)
                await client.realtime.calls.hangup("rtc_1")
                with pytest.raises(ConnectionClosed) as caught:
                    await beside.receive()
                assert (caught.value.code, caught.value.reason) == (1000, "the call has ended")


@pytest.mark.parametrize("tool", ["x", {"type": "function", "function": "x"}, {"type": 5}, None])
async def test_what_is_no_tool_is_refused(tool: Any) -> None:
    async with serve() as emulator, v1(emulator) as client:
        with pytest.raises(BadRequestError) as caught:
            await client.chat.completions.create(model="any", messages=[user("Hello")], tools=[tool])
    assert (caught.value.param or "").startswith("tools[0]")


async def test_a_script_that_expected_something_else_says_so_over_http() -> None:
    script = ScriptedResponder().expect("Hello").say("Hello.")
    async with serve(responder=script) as emulator, v1(emulator, max_retries=0) as client:
        with pytest.raises(InternalServerError, match="Good bye"):
            await client.chat.completions.create(model="any", messages=[user("Good bye")])


def test_what_is_asked_does_not_show_who_asks() -> None:
    asked = Asked("GET", "/openai/v1/models?api-key=hunter2", Headers({"api-key": "hunter2"}), b"hunter2")
    assert repr(asked) == "<GET /openai/v1/models>"
