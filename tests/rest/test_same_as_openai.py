"""openai-python's `AsyncAzureOpenAI` and `RestClient` ask the same service the same thing, on the dated form.

Both talk to one server, which keeps what it was asked and answers nothing of interest; what may differ is listed, with
the reason.
"""

from __future__ import annotations

import email
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11
import pytest
from anyio import EndOfStream, create_task_group, create_tcp_listener, fail_after
from anyio.abc import SocketAttribute, SocketStream
from openai import AsyncAzureOpenAI

from realtime_azure.rest import RestClient

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),  # of openai-python, for translations
]

VERSION = "2025-04-01-preview"
MESSAGES: Any = [{"role": "user", "content": "Hello, ø ✓"}]
TOOLS: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
SOUND = ("said.wav", b"RIFF....WAVE", "audio/wav")
PICTURE = ("cat.png", b"\x89PNG....", "image/png")


@dataclass(frozen=True)
class Asked:
    """A request, without how it was written down."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any
    headers: Mapping[str, str]


def read(request: h11.Request, content: bytes) -> Asked:
    headers = {name.decode().lower(): value.decode() for name, value in request.headers}
    url = urlsplit(request.target.decode())
    kind = headers.get("content-type", "")
    body: Any = content
    if kind.startswith("application/json") and content:
        body = json.loads(content)
    elif kind.startswith("multipart/form-data"):
        form = email.message_from_bytes(f"content-type: {kind}\r\n\r\n".encode() + content)
        parts: Any = form.get_payload()
        body = sorted(
            (part["content-disposition"], part["content-type"] if part.get_filename() else None, part.get_payload())
            for part in parts
        )
    return Asked(request.method.decode(), url.path, sorted(parse_qsl(url.query)), body, headers)


ANSWER = json.dumps(
    {
        "id": "x",
        "object": "x",
        "created": 1,
        "model": "m",
        "choices": [],
        "output": [],
        "text": "x",
        "data": [{"index": 0, "object": "embedding", "embedding": "AACAPw=="}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
).encode()


async def serve_one(kept: list[Asked], stream: SocketStream) -> None:
    async with stream:
        protocol, body = h11.Connection(h11.SERVER), b""
        request: h11.Request | None = None
        while True:
            match protocol.next_event():
                case h11.Request() as asked:
                    request = asked
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    break
                case h11.NEED_DATA:
                    try:
                        protocol.receive_data(await stream.receive())
                    except EndOfStream:
                        return
                case _:
                    return
        assert request is not None
        kept.append(read(request, body))
        said = b"data: [DONE]\n\n" if b'"stream":true' in body.replace(b" ", b"") else ANSWER
        kind = "text/event-stream" if said is not ANSWER else "application/json"
        head = [("content-type", kind), ("content-length", str(len(said))), ("connection", "close")]
        sent = (h11.Response(status_code=200, headers=head), h11.Data(data=said), h11.EndOfMessage())
        await stream.send(b"".join(protocol.send(event) or b"" for event in sent))


Ask = Callable[[Any], Awaitable[Any]]
CALLS: dict[str, tuple[Ask, Ask]] = {}
"""The same call of either: openai's, ours. Most are written in the same words."""


def same(name: str, path: str, **arguments: Any) -> None:
    async def ask(client: Any) -> Any:
        verb = client
        for step in path.split("."):
            verb = getattr(verb, step)
        return await verb(**arguments)

    CALLS[name] = (ask, ask)


same("chat", "chat.completions.create", model="my gpt/4o", messages=MESSAGES)
same(
    "chat with much",
    "chat.completions.create",
    model="m",
    messages=MESSAGES,
    temperature=0.5,
    max_tokens=5,
    stop=["a", "b"],
    tools=TOOLS,
    tool_choice="auto",
    response_format={"type": "json_object"},
    seed=1,
    logprobs=True,
    user="u",
    stream=False,
    n=None,
    extra_body={"data_sources": [{"type": "x"}]},
    extra_query={"a b": "c/d"},
)
same("chat, streamed", "chat.completions.create", model="m", messages=MESSAGES, stream=True)
same("completion", "completions.create", model="m", prompt="Once", max_tokens=3, echo=True)
same("completion, streamed", "completions.create", model="m", prompt=["a", "b"], stream=True)
same("embeddings", "embeddings.create", model="m", input=["a", "b"], dimensions=3)
same("embeddings as a list", "embeddings.create", model="m", input="a", encoding_format="float")
same("embeddings of tokens", "embeddings.create", model="m", input=[1, 2, 3])
same("speech", "audio.speech.create", model="m", input="Hi", voice="alloy", response_format="wav", speed=1.5)
same("transcription", "audio.transcriptions.create", model="m", file=SOUND)
same(
    "transcription with much",
    "audio.transcriptions.create",
    model="m",
    file=SOUND,
    language="en",
    prompt="Names: Ulysses",
    response_format="verbose_json",
    temperature=0.2,
    timestamp_granularities=["word", "segment"],
    include=["logprobs"],
    chunking_strategy={"type": "server_vad", "threshold": 0.5},
)
same("translation", "audio.translations.create", model="m", file=SOUND, response_format="json", temperature=0)
same("picture", "images.generate", model="m", prompt="A cat", n=2, size="1024x1024", quality="high")
same("picture of a picture", "images.edit", model="m", prompt="A dog", image=PICTURE, mask=PICTURE, n=1)
same("picture of pictures", "images.edit", model="m", prompt="A dog", image=[PICTURE, PICTURE])
same("response", "responses.create", model="m", input="Hi", instructions="Be brief.", max_output_tokens=5)
same("response of items", "responses.create", model="m", input=MESSAGES, tools=[], metadata={"a": "b"}, store=False)
same("response that was kept", "responses.retrieve", response_id="resp_1")
same("response deleted", "responses.delete", response_id="resp/1")
same("model", "models.retrieve", model="gpt-4o")
same("file", "files.create", file=("a.jsonl", b"{}", "application/jsonl"), purpose="batch")
same(
    "file with an end",
    "files.create",
    file=SOUND,
    purpose="batch",
    expires_after={"anchor": "created_at", "seconds": 9},
)
same("files", "files.list", purpose="batch", limit=3, after="file_1", order="asc")
same("one file", "files.retrieve", file_id="file_1")
same("file deleted", "files.delete", file_id="file_1")
same("what is in a file", "files.content", file_id="file_1")


async def listed(client: Any) -> None:
    await client.models.list()


CALLS["models"] = (listed, listed)

DIFFERENT: dict[str, tuple[tuple[Ask, Ask], str, Any, Any]] = {
    "a session of the preview": (
        (
            lambda client: client.beta.realtime.sessions.create(model="m", voice="alloy"),
            lambda client: client.realtime.sessions.create(model="m", session={"voice": "alloy"}),
        ),
        "path",  # Azure's how-to for WebRTC names the one that is there
        "/openai/realtime/sessions",
        "/openai/realtimeapi/sessions",
    ),
}
"""What is not the same: the calls, in which respect, openai's, ours."""


async def told(calls: tuple[Ask, Ask]) -> tuple[Asked, Asked]:
    """What openai-python asks, and what we ask."""
    kept: list[Asked] = []
    with fail_after(10):
        async with await create_tcp_listener(local_host="127.0.0.1") as listener, create_task_group() as tasks:
            tasks.start_soon(listener.serve, partial(serve_one, kept))
            url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            async with AsyncAzureOpenAI(azure_endpoint=url, api_version=VERSION, api_key="k", max_retries=0) as client:
                await calls[0](client)
            async with RestClient(url, api_version=VERSION, api_key="k", max_retries=0) as ours:
                await calls[1](ours)
            tasks.cancel_scope.cancel()
    assert len(kept) == 2
    return kept[0], kept[1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # openai-python's
@pytest.mark.parametrize("name", CALLS)
async def test_the_same_is_asked(name: str) -> None:
    theirs, ours = await told(CALLS[name])
    assert (ours.method, ours.path, ours.query) == (theirs.method, theirs.path, theirs.query)
    assert ours.body == theirs.body
    assert ours.headers["api-key"] == theirs.headers["api-key"] == "k"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", DIFFERENT)
async def test_what_is_not_the_same_is_listed(name: str) -> None:
    calls, respect, wanted, our_own = DIFFERENT[name]
    theirs, ours = await told(calls)
    assert (getattr(theirs, respect), getattr(ours, respect)) == (wanted, our_own)
    for other in {"method", "path", "query", "body"} - {respect}:
        assert getattr(ours, other) == getattr(theirs, other)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nothing_is_told_of_the_machine() -> None:
    """openai-python's headers say what runs where; ours, who asks, and by which id."""
    theirs, ours = await told(CALLS["chat"])
    assert [name for name in theirs.headers if name.startswith("x-stainless")]
    assert set(ours.headers) - set(theirs.headers) == {"x-ms-client-request-id"}
    assert not [name for name in ours.headers if name.startswith(("x-stainless", "openai-"))]
    assert ours.headers["user-agent"].startswith("realtime-azure/")
