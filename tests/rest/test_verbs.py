"""Every verb of `RestClient`, in both forms of the URL, over a socket to the emulator."""

from __future__ import annotations

import io
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio import Event, fail_after
from pydantic import BaseModel

from realtime_azure import ConfigurationError, connect
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import Emulator, FunctionCall, Reply, Said, Turn, serve
from realtime_azure.errors import AnswerCut, BadRequest, ContentFiltered, NotFound, RateLimited, StreamFailed
from realtime_azure.events import SessionCreated
from realtime_azure.rest import (
    ChatCompletion,
    Completion,
    Embeddings,
    Images,
    Models,
    Response,
    RestClient,
    Transcription,
    Translation,
)

pytestmark = pytest.mark.anyio

DATED = "2025-04-01-preview"
KEY = "k3y"
FORMS = pytest.mark.parametrize("api_version", ["v1", DATED])
SPEECH = Path(__file__).resolve().parents[2] / "audio_samples" / "question_capital.wav"
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def echo(turn: Turn) -> str:
    return f"You said: {turn.words}"


async def writes_down(sound: bytes) -> str:
    return f"{pcm.duration(sound):.0f} seconds"


@asynccontextmanager
async def client_of(api_version: str, responder: Any = echo, **options: Any) -> AsyncGenerator[RestClient]:
    with fail_after(20):
        async with (
            serve(api_key=KEY, responder=responder, transcriber=writes_down, pace=math.inf, **options) as emulator,
            RestClient(emulator.url, deployment="mine", api_version=api_version, api_key=emulator.api_key) as client,
        ):
            yield client


# What is said


@FORMS
async def test_a_chat_is_answered(api_version: str) -> None:
    async with client_of(api_version) as client:
        answer = await client.chat.completions.create(messages=[user("Hello")], temperature=0.2)
    assert type(answer) is ChatCompletion
    assert (answer.text, answer.model, answer.choices[0].finish_reason) == ("You said: Hello", "mine", "stop")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4
    assert answer.prompt_filter_results is not None
    assert answer.prompt_filter_results[0].content_filter_results is not None
    assert not answer.prompt_filter_results[0].content_filter_results.filtered
    assert answer.request_id
    assert answer.rate_limits.limit_requests
    assert answer.raw.startswith(b"{")
    assert answer.headers["X-MS-Region"] == "emulator"
    assert answer.problems == ()


@FORMS
async def test_a_chat_is_told_as_it_is_said(api_version: str) -> None:
    """Azure's first chunk has no choices, but what the filter says of the prompt."""
    async with client_of(api_version) as client:
        options = {"include_usage": True}
        stream = await client.chat.completions.create(messages=[user("Hello")], stream=True, stream_options=options)
        async with stream:
            chunks = [chunk async for chunk in stream]
        assert stream.request_id
        assert stream.rate_limits.remaining_requests is not None
    assert "".join(chunk.text for chunk in chunks) == "You said: Hello"
    assert (chunks[0].choices, chunks[0].text) == ([], "")
    assert chunks[0].prompt_filter_results
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert chunks[-2].choices[0].finish_reason == "stop"


@FORMS
async def test_a_function_is_called_and_what_it_gave_back_answered(api_version: str) -> None:
    async def responder(turn: Turn) -> Said:
        return f"It is {turn.results['call_1']}." if turn.results else FunctionCall("weather", {"city": "Oslo"})

    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    async with client_of(api_version, responder) as client:
        asked = await client.chat.completions.create(messages=[user("And in Oslo?")], tools=tools)
        message = asked.choices[0].message
        assert message is not None
        assert message.tool_calls
        call = message.tool_calls[0]
        assert call.function is not None
        assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Oslo"}')
        result = {"role": "tool", "tool_call_id": "call_1", "content": "raining"}
        answer = await client.chat.completions.create(messages=[user("And in Oslo?"), message, result], tools=tools)
        stream = await client.chat.completions.create(messages=[user("And in Oslo?")], tools=tools, stream=True)
        pieces = [
            (call.function.name or "", call.function.arguments or "")
            async for chunk in stream
            for choice in chunk.choices
            if choice.delta is not None
            for call in choice.delta.tool_calls or ()
            if call.function is not None
        ]
    assert answer.text == "It is raining."
    assert ["".join(parts) for parts in zip(*pieces, strict=True)] == ["weather", '{"city":"Oslo"}']


@FORMS
async def test_a_prompt_is_completed(api_version: str) -> None:
    async with client_of(api_version) as client:
        whole = await client.completions.create(prompt="Once upon", max_tokens=50)
        pieces = [piece.text async for piece in await client.completions.create(prompt="Once upon", stream=True)]
        both = await client.completions.create(prompt=["a", "b"])
    assert type(whole) is Completion
    assert whole.text == "".join(pieces) == "You said: Once upon"
    assert [choice.text for choice in both.choices] == ["You said: a", "You said: b"]


@FORMS
async def test_a_response_is_made(api_version: str) -> None:
    async with client_of(api_version) as client:
        made = await client.responses.create(input="Hello", instructions="Be brief.")
        assert type(made) is Response
        assert (made.status, made.output_text) == ("completed", "You said: Hello")
        again = await client.responses.create(input=[*made.output, {"role": "user", "content": "Again"}])
        assert again.output_text == "You said: Again"
        events = [event async for event in await client.responses.create(input="Hello", stream=True)]
        kept = await client.responses.retrieve(made.id or "")
        deleted = await client.responses.delete(made.id or "")
        with pytest.raises(NotFound):
            await client.responses.retrieve(made.id or "")
    assert "".join(event.delta or "" for event in events) == "You said: Hello"
    assert events[0].type == "response.created"
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response is not None
    assert last.response.output_text == "You said: Hello"
    assert kept.output_text == made.output_text
    assert deleted.deleted


# Sound, pictures, numbers


@FORMS
async def test_a_text_is_spoken(api_version: str, tmp_path: Path) -> None:
    async with client_of(api_version) as client:
        whole = await client.audio.speech.create(input="Good day.", voice="alloy", response_format="wav", speed=1.0)
        async with await client.audio.speech.create(
            input="Good day.", voice="alloy", response_format="wav", stream=True
        ) as sound:
            pieces = [piece async for piece in sound]
        again = await client.audio.speech.create(input="Good day.", voice="alloy", response_format="wav", stream=True)
        written = await again.write_to(tmp_path / "said.wav")
    assert len(wav.decode(whole, "answer").pcm) > 4000
    assert b"".join(pieces) == whole == (tmp_path / "said.wav").read_bytes()
    assert written == len(whole)


def opened_file() -> io.BufferedReader:
    return SPEECH.open("rb")


FILES: dict[str, Callable[[], Any]] = {
    "a path": lambda: SPEECH,
    "a path as text": lambda: str(SPEECH),
    "bytes": SPEECH.read_bytes,
    "a bytearray": lambda: bytearray(SPEECH.read_bytes()),
    "an open file": opened_file,
    "in memory": lambda: io.BytesIO(SPEECH.read_bytes()),
    "named bytes": lambda: ("said.wav", SPEECH.read_bytes()),
    "named, with its type": lambda: ("said.wav", io.BytesIO(SPEECH.read_bytes()), "audio/wav"),
    "a named path": lambda: ("other.wav", SPEECH),
}


@FORMS
@pytest.mark.parametrize("kind", FILES)
async def test_a_recording_is_written_down(api_version: str, kind: str) -> None:
    file = FILES[kind]()
    async with client_of(api_version) as client:
        written = await client.audio.transcriptions.create(file=file, language="en")
        translated = await client.audio.translations.create(file=file)
    if isinstance(file, io.BufferedReader):
        file.close()
    assert (type(written), written.text) == (Transcription, "2 seconds")
    assert (type(translated), translated.text) == (Translation, "2 seconds")


@FORMS
async def test_a_recording_is_written_down_in_other_forms(api_version: str) -> None:
    async with client_of(api_version) as client:
        create = client.audio.transcriptions.create
        text = await create(file=SPEECH, response_format="text")
        subtitles = await create(file=SPEECH, response_format="srt")
        captions = await client.audio.translations.create(file=SPEECH, response_format="vtt")
        timed = await create(file=SPEECH, response_format="verbose_json", timestamp_granularities=["segment"])
        events = [event async for event in await create(file=SPEECH, stream=True)]
    assert text.strip() == "2 seconds"
    assert "-->" in subtitles
    assert captions.startswith("WEBVTT")
    assert timed.duration is not None
    assert timed.segments
    assert "".join(event.delta or "" for event in events) == events[-1].text == "2 seconds"


@FORMS
async def test_a_file_that_cannot_be_read_is_not_asked_about(api_version: str, tmp_path: Path) -> None:
    async with client_of(api_version) as client:
        with pytest.raises(FileNotFoundError):
            await client.audio.transcriptions.create(file=tmp_path / "nowhere.wav")
        for wrong in (5, ("a", "b", "c", "d"), None):
            with pytest.raises(ConfigurationError, match="file"):
                await client.audio.transcriptions.create(file=wrong)  # type: ignore[arg-type]  # a user's mistake


@FORMS
async def test_pictures_are_made_and_changed(api_version: str) -> None:
    async with client_of(api_version) as client:
        made = await client.images.generate(prompt="A cat", n=2, size="1024x1024")
        assert type(made) is Images
        (one, other) = [image.content for image in made.data or ()]
        assert one.startswith(b"\x89PNG")
        edited = await client.images.edit(image=[one, other], prompt="A dog", mask=("mask.png", one))
        assert (edited.data or [])[0].content.startswith(b"\x89PNG")
        generating = await client.images.generate(prompt="A cat", stream=True, partial_images=2)
        steps = [event async for event in generating]
        editing = [event.type async for event in await client.images.edit(image=one, prompt="A dog", stream=True)]
    assert [event.type for event in steps] == [*["image_generation.partial_image"] * 2, "image_generation.completed"]
    assert [event.partial_image_index for event in steps] == [0, 1, None]
    assert steps[-1].content.startswith(b"\x89PNG")
    assert editing[-1] == "image_edit.completed"


@FORMS
async def test_texts_become_numbers(api_version: str) -> None:
    """They come in base64, and are the same as those that come as a list."""
    async with client_of(api_version) as client:
        made = await client.embeddings.create(input=["one", "other"], dimensions=5)
        listed = await client.embeddings.create(input=["one", "other"], dimensions=5, encoding_format="float")
        (tokens,) = (await client.embeddings.create(input=[1, 2, 3], dimensions=2)).vectors
    assert type(made) is Embeddings
    assert made.vectors == listed.vectors
    assert b"[" in listed.raw.partition(b'"embedding":')[2][:1]
    assert [len(vector) for vector in made.vectors] == [5, 5]
    assert math.hypot(*made.vectors[0]) == pytest.approx(1.0, abs=1e-6)
    assert len(tokens) == 2


# What the resource has


@FORMS
async def test_models_and_files(api_version: str) -> None:
    async with client_of(api_version, deployments=["mine", "other"]) as client:
        models = await client.models.list()
        one = await client.models.retrieve("other")
        kept = await client.files.create(file=("lines.jsonl", b"{}\n"), purpose="batch")
        found = await client.files.list(purpose="batch", limit=10)
        again = await client.files.retrieve(kept.id or "")
        content = await client.files.content(kept.id or "")
        gone = await client.files.delete(kept.id or "")
        with pytest.raises(NotFound) as caught:
            await client.files.retrieve(kept.id or "")
    assert type(models) is Models
    assert [model.id for model in models.data] == ["mine", "other"]
    assert one.id == "other"
    assert [file.id for file in found.data] == [again.id] == [kept.id] == [gone.id]
    assert (content, gone.deleted, caught.value.status) == (b"{}\n", True, 404)


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_an_id_that_is_no_id_is_not_asked_about(name: str) -> None:
    async with client_of("v1") as client:
        with pytest.raises(ConfigurationError, match="file_id"):
            await client.files.delete(name)


# Realtime


@FORMS
async def test_a_session_of_the_preview(api_version: str) -> None:
    async with client_of(api_version) as client:
        session = await client.realtime.sessions.create(session={"voice": "alloy", "instructions": "Be brief."})
        listening = await client.realtime.transcription_sessions.create()
    for made in (session, listening):
        assert made.client_secret is not None
        assert (made.client_secret.value or "").startswith("ek_")
        assert (made.client_secret.value or "?") not in repr(made)
    assert session.model == "mine"


async def test_a_call_from_a_browser_and_who_joins_it() -> None:
    async with client_of("v1") as client:
        settings = {"instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}
        secret = await client.realtime.client_secrets.create(
            session=settings, expires_after={"anchor": "created_at", "seconds": 60}
        )
        assert (secret.value or "?") not in repr(secret)
        call = await client.realtime.calls.create(sdp=OFFER, client_secret=secret)
        other = await client.realtime.calls.create(
            sdp=OFFER, client_secret=secret.value or "", session={"type": "realtime", "instructions": "Be kind."}
        )
        for made, instructions in ((call, "Be brief."), (other, "Be kind.")):
            assert made.call_id.startswith("rtc_")
            assert made.sdp.startswith("v=0")
            async with connect(client.endpoint, call_id=made.call_id, api_key=KEY) as connection:
                created = await connection.receive()
                assert isinstance(created, SessionCreated)
                assert created.session.ga.instructions == instructions
            await client.realtime.calls.hangup(made.call_id)


async def test_a_call_from_a_telephone() -> None:
    async with client_of("v1") as client:
        calls = client.realtime.calls
        await calls.accept("rtc_1", session={"instructions": "Be brief."})
        async with connect(client.endpoint, call_id="rtc_1", api_key=KEY) as connection:
            created = await connection.receive()
            assert isinstance(created, SessionCreated)
            assert (created.session.ga.model, created.session.ga.instructions) == ("mine", "Be brief.")
        await calls.refer("rtc_1", target_uri="tel:+14155550123")
        with pytest.raises(NotFound) as caught:
            await calls.hangup("rtc_1")
        assert caught.value.code == "call_id_not_found"
        await calls.reject("rtc_2", status_code=486)
        await calls.reject("rtc_3")


async def test_calls_are_of_v1_alone() -> None:
    async with client_of(DATED) as client:
        for ask in (
            client.realtime.client_secrets.create(),
            client.realtime.calls.create(sdp=OFFER, client_secret="ek_1"),
            client.realtime.calls.accept("rtc_1"),
            client.realtime.calls.reject("rtc_1"),
            client.realtime.calls.hangup("rtc_1"),
            client.realtime.calls.refer("rtc_1", target_uri="tel:1"),
        ):
            with pytest.raises(ConfigurationError, match="only in v1"):
                await ask


# Anything else


class Thing(BaseModel):
    """A model of the caller's own."""

    id: str
    data: list[dict[str, Any]] = []


@FORMS
async def test_anything_else_is_asked_in_the_same_way(api_version: str) -> None:
    body = {"messages": [user("Hello")], "model": "mine"}
    async with client_of(api_version) as client:
        typed = await client.request("POST", "chat/completions", deployment="mine", json=body, result=ChatCompletion)
        plain = await client.request("post", "chat/completions", deployment="mine", json=body, result=dict[str, Any])
        text = await client.request("POST", "chat/completions", deployment="mine", json=body, result=str)
        raw = await client.request("POST", "chat/completions", deployment="mine", json=body, result=bytes)
        own = await client.request("GET", "models/mine", result=Thing)
        form = await client.request(
            "POST",
            "audio/transcriptions",
            deployment="mine",
            fields={"model": "mine"},
            files=[("file", SPEECH)],
            result=Transcription,
        )
        content = await client.request(
            "POST",
            "chat/completions",
            deployment="mine",
            content=pieces(ChatCompletion.__name__),
            result=str,
            extra_headers={"content-type": "application/json"},
        )
        stream = await client.request(
            "POST",
            "completions",
            deployment="mine",
            json={"prompt": "Hi", "model": "mine"},
            result=Completion,
            stream=True,
        )
        said = "".join([piece.text async for piece in stream])
        with pytest.raises(ConfigurationError, match="exclude each other"):
            await client.request("POST", "x", json={}, content=b"", result=bytes)
        for path in ("", "/", "models?x=1", "https://elsewhere/models", "models#x"):
            with pytest.raises(ConfigurationError, match="path"):
                await client.request("GET", path, result=bytes)
        with pytest.raises(BadRequest, match="dictionary"):  # a list is JSON, but nothing that this verb takes
            await client.request("POST", "/chat/completions", deployment="mine", json=[1], result=bytes)
    assert typed.text == "You said: Hello"
    assert plain["choices"][0]["message"]["content"] == "You said: Hello"
    assert "You said: Hello" in text
    assert b"You said: Hello" in raw
    assert own.id == "mine"
    assert form.text == "2 seconds"
    assert "You said: Hello" in content
    assert said == "You said: Hi"


async def pieces(_: str) -> AsyncIterator[bytes]:
    yield b'{"model": "mine", "messages": '
    yield b'[{"role": "user", "content": "Hello"}]}'


@FORMS
async def test_what_a_call_is_told_besides(api_version: str) -> None:
    async with client_of(api_version, deployments=["mine", "other"]) as client:
        create = client.chat.completions.create
        other = await create(messages=[user("Hello")], model="other", extra_headers={"x-gateway": "yes"}, timeout=5)
        with pytest.raises(NotFound) as caught:
            await create(messages=[user("Hello")], model="none")
        assert caught.value.code == "DeploymentNotFound"
        with pytest.raises(BadRequest, match="n is 1"):
            await create(messages=[user("Hello")], extra_body={"n": 2})
        with pytest.raises(TypeError, match=r"no argument 'temprature'.*extra_body"):
            await create(messages=[user("Hello")], temprature=0.2)  # type: ignore[call-overload]  # a user's mistake
        with pytest.raises(RateLimited):
            await client.models.list(extra_query={"fault": "refuse=429"}, max_retries=0)
    assert other.model == "other"


@FORMS
async def test_without_a_deployment_nothing_is_asked(api_version: str) -> None:
    async with serve() as emulator, RestClient(emulator.url, api_version=api_version, api_key="k") as client:
        with pytest.raises(ConfigurationError, match=r"model='NAME'.*AZURE_OPENAI_DEPLOYMENT_NAME"):
            await client.chat.completions.create(messages=[user("Hello")])


async def test_the_realtime_deployment_is_for_connections_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_REALTIME_DEPLOYMENT", "voice")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT_NAME", "text")
    async with RestClient("https://x.openai.azure.com", api_version="v1", api_key="k") as client:
        assert client.endpoint.deployment == "text"
        assert "text" in repr(client)
    monkeypatch.delenv("AZURE_OPENAI_DEPLOYMENT_NAME")
    async with RestClient("https://x.openai.azure.com", api_version="v1", api_key="k") as client:
        assert client.endpoint.deployment is None


# What goes wrong


@FORMS
async def test_a_prompt_against_the_policy(api_version: str) -> None:
    async def filtered(turn: Turn) -> Reply:
        return Reply(reason="content_filter")

    async with client_of(api_version, filtered) as client:
        with pytest.raises(ContentFiltered) as caught:
            await client.chat.completions.create(messages=[user("Hello")])
    assert caught.value.filtered.filtered
    assert caught.value.filtered.jailbreak.detected
    assert (caught.value.status, caught.value.code) == (400, "content_filter")
    assert "POST" in str(caught.value)


@FORMS
async def test_an_answer_that_is_cut_by_the_policy(api_version: str) -> None:
    async def cut(turn: Turn) -> Reply:
        return Reply("How to", reason="content_filter")

    async with client_of(api_version, cut) as client:
        answer = await client.chat.completions.create(messages=[user("Hello")])
    (choice,) = answer.choices
    assert choice.finish_reason == "content_filter"
    assert choice.content_filter_results is not None
    assert choice.content_filter_results.filtered
    assert choice.content_filter_results.violence is not None
    assert choice.content_filter_results.violence.severity == "medium"


@FORMS
async def test_a_stream_that_the_service_gives_up(api_version: str) -> None:
    async def fails(turn: Turn) -> AsyncIterator[str]:
        yield "How "
        raise LookupError

    async with client_of(api_version, fails) as client:
        stream = await client.chat.completions.create(messages=[user("Hello")], stream=True)
        while (await anext(stream)).text != "How ":
            pass
        with pytest.raises(StreamFailed) as caught:
            await anext(stream)
        with pytest.raises(StreamFailed):
            await anext(stream)
    assert caught.value.kind == "server_error"
    assert caught.value.request_id == stream.request_id


@FORMS
async def test_a_stream_that_breaks_off_is_no_quiet_end(api_version: str) -> None:
    stopped = Event()

    async def goes_on(turn: Turn) -> AsyncIterator[str]:
        yield "How "
        await stopped.wait()

    with fail_after(20):
        async with AsyncExitStack() as stack:
            emulator: Emulator = await stack.enter_async_context(serve(responder=goes_on, pace=math.inf))
            client = RestClient(emulator.url, deployment="mine", api_version=api_version, api_key=emulator.api_key)
            async with client, await client.chat.completions.create(messages=[user("Hello")], stream=True) as stream:
                while (await anext(stream)).text != "How ":
                    pass
                await stack.aclose()  # the service is gone
                for _ in range(2):
                    with pytest.raises(AnswerCut):
                        await anext(stream)
