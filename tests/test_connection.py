"""`connect()` and `Connection`, against servers that know nothing of this package."""

from __future__ import annotations

import base64
import gc
import json
import queue
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import anyio
import pytest
import trio
import trio.testing
from anyio import CancelScope, Event, create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from websockets.frames import Frame, Opcode
from websockets.sync.server import ServerConnection

from realtime_azure import (
    ConfigurationError,
    ConnectError,
    Connection,
    ConnectionClosed,
    ConnectionLost,
    CredentialError,
    Endpoint,
    InvalidEvent,
    StatusError,
    StreamLapsed,
    __version__,
    connect,
)
from realtime_azure.events import (
    ErrorEvent,
    ResponseCreated,
    ResponseDone,
    ResponseOutputTextDelta,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    TranscriptionSessionUpdated,
    UnknownEvent,
)
from realtime_azure.events.dicts import MessageDict

from .serving import (
    RESPONSE_CREATED,
    RESPONSE_DONE,
    SESSION_CREATED,
    Certificates,
    Peer,
    Script,
    Server,
    close_frame,
    serve,
    serve_in_thread,
    text,
    text_delta,
    to_bytes,
)

pytestmark = pytest.mark.anyio

KEY = "a-key-of-a-test"
VOICE = bytes(range(256)) * 4


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be searched for each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Generator[None]:
    """A socket or a task that is left to the garbage collector is a warning, and so an error."""
    yield
    gc.collect()


def open_to(server: Server, **options: Any) -> Any:
    """`connect` to *server* in the v1 form, with what the test wants otherwise."""
    chosen: dict[str, Any] = {"deployment": "my-realtime", "api_version": "v1", "api_key": KEY}
    return connect(server.url, **{**chosen, **options})


@asynccontextmanager
async def connected(script: Script, **options: Any) -> AsyncGenerator[Connection]:
    """A connection to *script*. When it is left, the server has seen the client go."""
    with fail_after(10):
        async with serve(script) as server:
            connection: Connection
            async with open_to(server, **options) as connection:
                yield connection
            await server.idle.wait()


async def greet(peer: Peer) -> None:
    """A service that says its first word and then only goodbye."""
    await peer.accept(SESSION_CREATED)
    await peer.farewell()
    await peer.gone()


# The handshake, as the server sees it


async def request_of(**options: Any) -> Any:
    """The request that `connect` makes."""
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await greet(peer)

    with fail_after(10):
        async with serve(script) as server:
            options = {"endpoint": server.url, "api_key": KEY, **options}
            async with connect(options.pop("endpoint"), **options) as connection:
                await connection.receive()
    return peers[0].request


async def test_the_v1_form() -> None:
    request = await request_of(deployment="my-realtime", api_version="v1")
    assert request.path == "/openai/v1/realtime?model=my-realtime"


async def test_the_dated_form() -> None:
    request = await request_of(deployment="my realtime", api_version="2025-04-01-preview")
    assert request.path == "/openai/realtime?api-version=2025-04-01-preview&deployment=my%20realtime"


async def test_a_query_of_ones_own_and_an_intent() -> None:
    request = await request_of(api_version="v1", intent="transcription", query={"trace": "a b"})
    assert request.path == "/openai/v1/realtime?trace=a%20b&intent=transcription"


async def test_a_key_goes_in_its_header() -> None:
    headers = (await request_of(deployment="m", api_version="v1")).headers
    assert headers["api-key"] == KEY
    assert "Authorization" not in headers
    assert headers["User-Agent"] == f"realtime-azure/{__version__}"
    assert headers["Host"].startswith("127.0.0.1:")
    # None of those that openai's own client sends, nor an offer that was not asked for.
    for name in ("OpenAI-Beta", "OpenAI-Organization", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Origin"):
        assert name not in headers
    assert not [name for name in headers if name.lower().startswith("x-stainless")]


async def test_a_token_goes_in_its_header() -> None:
    headers = (await request_of(deployment="m", api_version="v1", api_key=None, credential="a.token")).headers
    assert headers["Authorization"] == "Bearer a.token"
    assert "api-key" not in headers


async def test_headers_of_ones_own_are_added() -> None:
    headers = (await request_of(deployment="m", api_version="v1", headers={"x-ms-client-request-id": "1"})).headers
    assert headers["x-ms-client-request-id"] == "1"
    assert headers["api-key"] == KEY


@pytest.mark.parametrize("name", ["User-Agent", "user-agent"])
async def test_a_header_of_ones_own_replaces_ours_in_any_case(name: str) -> None:
    headers = (await request_of(deployment="m", api_version="v1", headers={name: "mine"})).headers
    assert headers.get_all("User-Agent") == ["mine"]


@pytest.mark.parametrize("name", ["api-key", "API-Key"])
async def test_a_key_among_the_headers_is_refused_before_anything_is_sent(name: str) -> None:
    with pytest.raises(ConfigurationError, match="pass api_key= or credential=") as caught:
        async with connect(
            "http://127.0.0.1:9", deployment="m", api_version="v1", api_key=KEY, headers={name: "another"}
        ):
            pass
    assert "another" not in str(caught.value)


async def test_a_header_with_a_line_break_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="x-mine"):
        async with connect(
            "http://127.0.0.1:9", deployment="m", api_version="v1", api_key=KEY, headers={"x-mine": "\n"}
        ):
            pass


@pytest.mark.parametrize(
    "variable", ["AZURE_OPENAI_REALTIME_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME", "AZURE_OPENAI_DEPLOYMENT"]
)
async def test_all_of_it_from_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await greet(peer)

    with fail_after(10):
        async with serve(script) as server:
            monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
            monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
            monkeypatch.setenv("OPENAI_API_VERSION", "2025-04-01-preview")
            monkeypatch.setenv(variable, "from-the-environment")
            async with connect() as connection:
                await connection.receive()
    (peer,) = peers
    assert peer.request.path == ("/openai/realtime?api-version=2025-04-01-preview&deployment=from-the-environment")
    assert peer.request.headers["api-key"] == KEY


async def test_an_endpoint_object() -> None:
    async def script(peer: Peer) -> None:
        await greet(peer)
        assert peer.request.path == "/gateway/openai/v1/realtime?model=m"

    with fail_after(10):
        async with serve(script) as server:
            endpoint = Endpoint(f"127.0.0.1:{server.port}", "v1", "m", secure=False, prefix="/gateway")
            async with connect(endpoint, api_key=KEY) as connection:
                assert connection.endpoint == endpoint


async def test_an_open_connection_knows_its_ids() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        from websockets.server import ServerProtocol  # noqa: PLC0415 - only here

        response = ServerProtocol().accept(peer.request)
        response.headers["apim-request-id"] = "req_1"
        await peer.stream.send(response.serialize())
        await peer.say(SESSION_CREATED)
        await peer.farewell()

    async with connected(script) as connection:
        assert connection.request_id == "req_1"
        await connection.receive()
        assert connection.session_id == "sess_1"
        assert KEY not in repr(connection)
        assert "open" in repr(connection)


# websockets' own server


async def test_a_turn_with_websockets_own_server() -> None:
    heard: queue.Queue[dict[str, Any]] = queue.Queue()

    def handler(connection: ServerConnection) -> None:
        connection.send(json.dumps(SESSION_CREATED))
        for message in connection:
            event = json.loads(message)
            heard.put(event)
            if event["type"] == "response.create":
                connection.send(json.dumps(RESPONSE_CREATED))
                connection.send(piece for piece in json.dumps(text_delta("Hel")).partition("delta"))
                connection.ping()
                connection.send(json.dumps(text_delta("lo")).encode())
                connection.send(json.dumps(RESPONSE_DONE))

    said = ""
    with fail_after(10), serve_in_thread(handler) as server:
        async with open_to(server) as connection:
            await connection.input_audio_buffer.append(VOICE)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            async for event in connection:
                match event:
                    case ResponseOutputTextDelta(delta=delta):
                        said += delta
                    case ResponseDone():
                        break
                    case _:
                        pass
    assert said == "Hello"
    assert [heard.get_nowait()["type"] for _ in range(heard.qsize())] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]


async def test_a_secure_turn_with_websockets_own_server() -> None:
    certificates = Certificates()

    def handler(connection: ServerConnection) -> None:
        connection.send(json.dumps(SESSION_CREATED))
        assert len(connection.recv()) > 100_000
        connection.send(json.dumps(text_delta("x" * 100_000)))
        for _ in connection:
            pass

    with fail_after(10), serve_in_thread(handler, tls=certificates.server("127.0.0.1")) as server:
        async with open_to(server, ssl_context=certificates.client()) as connection:
            assert isinstance(await connection.receive(), SessionCreated)
            await connection.input_audio_buffer.append(bytes(100_000))
            delta = await connection.wait_for(ResponseOutputTextDelta)
            assert len(delta.delta) == 100_000


@pytest.mark.parametrize("rate", [-8000, 0, 10**300])
async def test_a_session_whose_rate_is_impossible_is_a_session(rate: int) -> None:
    sound = {"input": {"format": {"type": "audio/pcm", "rate": rate}}}

    async def script(peer: Peer) -> None:
        await peer.accept({**SESSION_CREATED, "session": {"type": "realtime", "id": "sess_1", "audio": sound}})
        while (frame := await peer.frame()).opcode is Opcode.TEXT:
            pass
        await peer.send(frame)

    async with connected(script) as connection:
        assert isinstance(await connection.receive(), SessionCreated)
        assert await connection.input_audio_buffer.append(VOICE, max_age=1.0) == 0


async def test_an_error_that_names_nobody_keeps_nobody_waiting() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.frame()
        await peer.say({"type": "error", "error": {"type": "server_error", "message": "Oh.", "event_id": None}})
        await peer.frame()
        await peer.say({"type": "response.created", "response": {"id": "resp_2"}})
        await peer.say({"type": "response.done", "response": {"id": "resp_2", "status": "completed"}})
        await peer.farewell()

    async with connected(script) as connection:
        await connection.response.create()
        await connection.wait_for(ErrorEvent)
        assert (await connection.response.create(wait=True)).response.id == "resp_2"


async def test_sound_of_a_dated_transcription_session_is_counted_in_its_format() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.say({"type": "transcription_session.updated", "session": {"input_audio_format": "g711_ulaw"}})
        assert b"input_audio_buffer.clear" in (await peer.frame()).data  # the sound was too old
        await peer.say({"type": "input_audio_buffer.cleared"})
        await peer.farewell()

    async with connected(script) as connection:
        await connection.wait_for(TranscriptionSessionUpdated)
        await connection.input_audio_buffer.append(bytes(8000), max_age=1e-9)
        await connection.input_audio_buffer.clear(wait=True)
        assert connection.statistics().audio_dropped_ms == 1000


@pytest.mark.parametrize("wrong", ["response.done", [ResponseDone], SessionUpdate, None, int])
async def test_what_the_service_never_sends_cannot_be_waited_for(wrong: Any) -> None:
    async with connected(greet) as connection:
        with pytest.raises(TypeError, match="classes of events that the service sends"):
            await connection.wait_for(wrong)
        with pytest.raises(TypeError, match="classes of events that the service sends"):
            connection.subscribe(wrong)
        assert isinstance(await connection.receive(), SessionCreated)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"headers": [("a", "b")]}, "headers: give a mapping of names to values, not list"),
        ({"query": "a=b"}, "query: give a mapping of names to values, not str"),
    ],
)
async def test_pairs_are_no_mapping(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        async with connect("https://name.openai.azure.com", deployment="d", api_version="v1", api_key=KEY, **options):
            pass


async def test_more_sound_than_the_service_takes_is_not_sent() -> None:
    async with connected(greet) as connection:
        with pytest.raises(InvalidEvent, match="more than 15 MiB"):
            await connection.input_audio_buffer.append(bytes((15 << 20) + 1))
        with pytest.raises(InvalidEvent, match="more than 15 MiB"):
            await connection.input_audio_buffer.append(memoryview(bytes((15 << 20) + 2)).cast("h"))


async def test_an_untrusted_server_gets_no_key() -> None:
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)

    with fail_after(10):
        async with serve(script, tls=Certificates().server("127.0.0.1")) as server:
            with pytest.raises(ConnectError, match=r"127\.0\.0\.1"):
                async with open_to(server):
                    pass
    assert peers == []


# What is said


ITEM: MessageDict = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
SPOKEN: MessageDict = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": VOICE}]}
SPOKEN_ON_THE_WIRE = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_audio", "audio": base64.b64encode(VOICE).decode()}],
}

Verb = Callable[[Connection], Awaitable[None]]

VERBS: list[tuple[Verb, dict[str, Any]]] = [
    (
        lambda c: c.session.update({"type": "realtime", "instructions": "Be brief."}),
        {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}},
    ),
    (
        lambda c: c.session.update(session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}),
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    ),
    (lambda c: c.input_audio_buffer.commit(), {"type": "input_audio_buffer.commit"}),
    (lambda c: c.input_audio_buffer.clear(), {"type": "input_audio_buffer.clear"}),
    (lambda c: c.output_audio_buffer.clear(), {"type": "output_audio_buffer.clear"}),
    (lambda c: c.conversation.item.create(ITEM), {"type": "conversation.item.create", "item": ITEM}),
    (
        lambda c: c.conversation.item.create(item=SPOKEN, previous_item_id="root"),
        {"type": "conversation.item.create", "previous_item_id": "root", "item": SPOKEN_ON_THE_WIRE},
    ),
    (lambda c: c.conversation.item.delete("item_1"), {"type": "conversation.item.delete", "item_id": "item_1"}),
    (
        lambda c: c.conversation.item.retrieve(item_id="item_1"),
        {"type": "conversation.item.retrieve", "item_id": "item_1"},
    ),
    (
        lambda c: c.conversation.item.truncate("item_1", audio_end_ms=1500),
        {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 1500},
    ),
    (lambda c: c.response.create(), {"type": "response.create"}),
    (
        lambda c: c.response.create(response={"instructions": "Sing.", "output_modalities": ["text"]}),
        {"type": "response.create", "response": {"instructions": "Sing.", "output_modalities": ["text"]}},
    ),
    (lambda c: c.response.cancel(), {"type": "response.cancel"}),
    (lambda c: c.response.cancel(response_id="resp_1"), {"type": "response.cancel", "response_id": "resp_1"}),
    (lambda c: c.send({"type": "response.create"}), {"type": "response.create"}),
]


async def heard_of(do: Verb, **options: Any) -> list[dict[str, Any]]:
    """What the server hears when a connection does *do*."""
    events: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        while (frame := await peer.frame()).opcode is Opcode.TEXT:
            events.append(json.loads(bytes(frame.data)))
        await peer.send(frame)

    async with connected(script, **options) as connection:
        await do(connection)
    return events


@pytest.mark.parametrize(("verb", "expected"), VERBS, ids=[f"{n}-{e['type']}" for n, (_, e) in enumerate(VERBS)])
async def test_a_verb_on_the_wire(verb: Verb, expected: dict[str, Any]) -> None:
    (event,) = await heard_of(verb)
    assert event.pop("event_id").startswith("event_")
    assert event == expected  # what was not given is not there, not even as null


@pytest.mark.parametrize("audio", [VOICE, bytearray(VOICE), memoryview(VOICE)], ids=lambda audio: type(audio).__name__)
async def test_append_takes_bytes_and_has_no_id(audio: bytes) -> None:
    async def do(connection: Connection) -> None:
        await connection.input_audio_buffer.append(audio)
        await connection.input_audio_buffer.append(audio=audio, event_id="mine")
        await connection.send({"type": "input_audio_buffer.append", "audio": bytes(audio)})

    first, second, third = await heard_of(do)
    assert first == third == {"type": "input_audio_buffer.append", "audio": base64.b64encode(VOICE).decode()}
    assert second == {**first, "event_id": "mine"}


async def test_an_event_id_is_kept_and_those_made_differ() -> None:
    async def do(connection: Connection) -> None:
        await connection.response.create(event_id="mine")
        await connection.response.cancel(event_id="mine too")
        await connection.send({"type": "response.create", "event_id": "also mine"})
        await connection.response.create()
        await connection.response.create()

    ids = [event["event_id"] for event in await heard_of(do)]
    assert ids[:3] == ["mine", "mine too", "also mine"]
    assert len(set(ids)) == 5


async def test_a_dated_connection_sends_flat_sessions() -> None:
    async def do(connection: Connection) -> None:
        await connection.session.update(
            {
                "type": "realtime",
                "output_modalities": ["audio"],
                "audio": {"input": {"turn_detection": None}, "output": {"voice": "marin"}},
            },
            event_id="1",
        )
        await connection.response.create({"output_modalities": ["text"]}, event_id="2")
        await connection.input_audio_buffer.append(b"ab")

    update, create, append = await heard_of(do, api_version="2025-04-01-preview")
    session = update.pop("session")
    assert update == {"type": "session.update", "event_id": "1"}
    assert session.items() >= {"modalities": ["text", "audio"], "turn_detection": None, "voice": "marin"}.items()
    assert "audio" not in session
    assert create["response"]["modalities"] == ["text"]
    assert append == {"type": "input_audio_buffer.append", "audio": "YWI="}


AnyVerb = Callable[[Any], Awaitable[None]]

WRONG: list[tuple[AnyVerb, str]] = [
    (lambda c: c.input_audio_buffer.append("c291bmQ="), "base64 is done here"),
    (lambda c: c.session.update({"type": "realtime", "instruction": "typo"}), r"session\.instruction"),
    (lambda c: c.send({"type": "session.created"}), r"session\.created"),
    (lambda c: c.send("response.create"), "mapping"),
]


@pytest.mark.parametrize(("verb", "said"), WRONG)
async def test_what_cannot_be_sent_is_not(verb: AnyVerb, said: str) -> None:
    async def do(connection: Connection) -> None:
        with pytest.raises(InvalidEvent, match=said):
            await verb(connection)

    assert await heard_of(do) == []


async def test_many_tasks_may_send_at_once() -> None:
    async def do(connection: Connection) -> None:
        async def send(name: int) -> None:
            for number in range(50):
                await connection.conversation.item.delete(f"{name}.{number}")

        async with create_task_group() as tasks:
            for name in range(5):
                tasks.start_soon(send, name)

    events = [event["item_id"].split(".") for event in await heard_of(do)]
    for name in range(5):
        assert [int(number) for who, number in events if int(who) == name] == list(range(50))
    assert len(events) == 250


# What is heard


async def test_every_event_from_the_opening_on_is_there() -> None:
    """Those that came in one piece with the handshake too."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, text_delta("1"))
        await peer.say(text_delta("2"), {"type": "something.new", "x": 1})
        await peer.farewell()

    async with connected(script) as connection:
        assert isinstance(await connection.receive(), SessionCreated)
        found = await connection.wait_for(ResponseOutputTextDelta, where=lambda event: event.delta == "2")
        assert found.delta == "2"
        kinds = [(await connection.receive()).type for _ in range(2)]
        assert kinds == ["response.output_text.delta"] * 2
        unknown = await connection.receive()
        assert isinstance(unknown, UnknownEvent)
        assert json.loads(unknown.raw) == {"type": "something.new", "x": 1}


async def test_leaving_an_iteration_and_going_on_loses_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(*(text_delta(str(number)) for number in range(5)))
        await peer.say(*(text_delta(str(number)) for number in range(5, 300)), RESPONSE_DONE)
        await peer.farewell()

    got: list[str] = []
    async with connected(script) as connection:
        done = False
        while not done:
            async for event in connection:
                done = isinstance(event, ResponseDone)
                got.append(getattr(event, "delta", ""))
                break
            if len(got) == 150:
                got.append(getattr(await connection.receive(), "delta", ""))
    assert got == [*map(str, range(300)), ""]


async def test_subscriptions_are_typed_and_beside_the_main_stream() -> None:
    ready = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await ready.wait()
        await peer.say(RESPONSE_CREATED, text_delta("1"), RESPONSE_DONE)
        await peer.send(close_frame())
        await peer.gone()

    async with connected(script) as connection:
        await connection.wait_for(SessionCreated)
        async with (
            connection.subscribe(ResponseOutputTextDelta) as deltas,
            connection.subscribe(ResponseCreated, ResponseDone, limit=1000) as frame,
            connection.subscribe() as everything,
        ):
            ready.set()
            assert [event.delta async for event in deltas] == ["1"]
            assert [event.response.id async for event in frame] == ["resp_1", "resp_1"]
            assert len([event async for event in everything]) == 3
        assert len([event async for event in connection]) == 4


async def test_a_reader_that_is_behind_makes_the_service_wait() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.accept()
        for number in range(400):
            await peer.say(text_delta(f"{number} " + "x" * 100_000))
            sent += 1
        await peer.send(close_frame())
        await peer.gone()

    with fail_after(20):
        async with connected(script, inbox_limit=100_000) as connection:
            first = await connection.wait_for(ResponseOutputTextDelta)
            assert first.delta.startswith("0 ")
            for _ in range(200):
                await checkpoint()
            assert sent < 400  # 40 MB are in no socket's buffer
            count = 0
            async for event in connection:
                assert isinstance(event, ResponseOutputTextDelta)
                assert event.delta.startswith(f"{count} ")
                count += 1
    assert count == 400


async def test_a_subscriber_is_not_held_up_by_a_main_stream_that_nobody_reads() -> None:
    ready = Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        await ready.wait()
        for number in range(100):
            await peer.say(text_delta(f"{number} " + "x" * 1000))
        await peer.send(close_frame())
        await peer.gone()

    async with connected(script, inbox_limit=10_000) as connection:
        async with connection.subscribe(ResponseOutputTextDelta, limit=1 << 20) as stream:
            ready.set()
            assert len([event async for event in stream]) == 100
        with pytest.raises(StreamLapsed, match="100 events"):
            await connection.receive()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.created"},
        {"type": "session.created", "session": 5},
        {"type": "session.created", "session": {"id": 5}},
        {"type": "response.created"},
        {"type": "response.created", "response": None},
        {"type": "response.done", "response": "?"},
        {"type": "error"},
        {"type": "error", "error": "words"},
        {"type": "error", "error": {"message": None}},
        {"no": "type"},
        [],
    ],
    ids=json.dumps,
)
async def test_an_event_that_is_not_as_documented_does_not_end_the_connection(event: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(event, RESPONSE_DONE)
        await peer.send(close_frame())
        await peer.gone()

    async with connected(script) as connection:
        got = [each async for each in connection]
        assert json.loads(got[0].raw) == event
        assert isinstance(got[1], ResponseDone)


# Refusals


def http(status: str, *headers: str, body: bytes = b"", length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def refused(answer: bytes, *, then: Callable[[Peer], Awaitable[None]] = Peer.gone) -> ConnectError:
    """What `connect` raises at *answer*."""

    async def script(peer: Peer) -> None:
        await peer.answer(answer)
        await then(peer)

    with fail_after(10):
        async with serve(script) as server:
            with pytest.raises(ConnectError) as caught:
                async with open_to(server, max_retries=0):
                    pytest.fail("it connected")
            await server.idle.wait()
            assert server.clients == 1  # and it did not try anything else
    return caught.value


async def hang_up(_peer: Peer) -> None:
    pass


DENIED = {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}


async def test_a_rejected_key() -> None:
    error = await refused(http("401 Unauthorized", "apim-request-id: req_1", body=to_bytes(DENIED)))
    assert isinstance(error, StatusError)
    assert (error.status, error.code, error.request_id) == (401, "401", "req_1")
    assert error.message == "Access denied due to invalid subscription key."
    assert error.headers["apim-request-id"] == "req_1"
    assert json.loads(error.body) == DENIED
    assert error.retry_after is None
    assert "key" in error.hint
    for part in ("401", error.message, "req_1", error.hint):
        assert part in str(error)
    assert KEY not in str(error)


async def test_a_deployment_that_does_not_exist() -> None:
    body = to_bytes({"error": {"code": "DeploymentNotFound", "message": "It does not exist."}})
    error = await refused(http("404 Not Found", "X-Request-ID: req_2", body=body))
    assert isinstance(error, StatusError)
    assert (error.status, error.code, error.message, error.request_id) == (
        404,
        "DeploymentNotFound",
        "It does not exist.",
        "req_2",
    )
    assert "DeploymentNotFound" in str(error)
    assert "deployment" in error.hint


@pytest.mark.parametrize(
    ("header", "seconds"), [("Retry-After: 7", 7.0), ("retry-after-ms: 1500", 1.5), ("Retry-After: soon", None)]
)
async def test_too_many_requests(header: str, seconds: float | None) -> None:
    body = to_bytes({"error": {"code": "429", "message": "Slow down."}})
    error = await refused(http("429 Too Many Requests", header, body=body))
    assert isinstance(error, StatusError)
    assert (error.status, error.retry_after) == (429, seconds)


async def test_the_gateways_own_envelope() -> None:
    """What API Management says when it does not ask the service."""
    body = to_bytes({"statusCode": 404, "message": "Resource not found"})
    error = await refused(http("404 Resource Not Found", body=body))
    assert isinstance(error, StatusError)
    assert "Resource not found" in error.message
    assert "Resource not found" in str(error)


@pytest.mark.parametrize("body", [b"", b"null", b'{"error": null}', b'{"error": "words"}', b"\xff\xfe", b'{"error'])
async def test_a_refusal_with_an_unusual_body(body: bytes) -> None:
    error = await refused(http("500 Internal Server Error", body=body))
    assert isinstance(error, StatusError)
    assert (error.status, error.code, error.body) == (500, None, body)
    assert str(error)


async def test_a_refusal_in_html_is_one_line() -> None:
    body = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>" + b"x" * 5000 + b"</body></html>"
    error = await refused(http("502 Bad Gateway", "Content-Type: text/html", body=body))
    assert isinstance(error, StatusError)
    assert (error.status, error.code, error.body) == (502, None, body)
    assert len(str(error)) < 500
    assert "\n" not in str(error)


async def test_a_refusal_that_ends_with_the_connection() -> None:
    answer = http("403 Forbidden", "Connection: close", body=to_bytes(DENIED), length=False)
    error = await refused(answer, then=hang_up)
    assert isinstance(error, StatusError)
    assert (error.status, error.message) == (403, DENIED["error"]["message"])


async def test_a_refusal_in_chunks() -> None:
    body = to_bytes(DENIED)
    chunks = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    error = await refused(http("401 Unauthorized", "Transfer-Encoding: chunked", body=chunks, length=False))
    assert isinstance(error, StatusError)
    assert (error.status, error.message) == (401, DENIED["error"]["message"])


async def test_a_redirect_is_not_followed() -> None:
    error = await refused(http("302 Found", "Location: http://127.0.0.1:9/elsewhere"))
    assert isinstance(error, StatusError)
    assert error.status == 302
    assert error.headers["location"] == "http://127.0.0.1:9/elsewhere"


async def test_a_plain_page_is_no_websocket() -> None:
    error = await refused(http("200 OK", body=b"hello"))
    assert isinstance(error, StatusError)
    assert error.status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        pytest.param(
            b"\x00\x01\x02\x03" * 10 + b"\n",
        ),
        http("101 Switching Protocols", length=False),
    ],
    ids=["ssh", "bytes", "101 without the key"],
)
async def test_an_answer_that_is_not_a_websocket_servers(answer: bytes) -> None:
    error = await refused(answer)
    assert not isinstance(error, StatusError)
    assert "websocket" in str(error)
    assert error.__cause__ is not None


@pytest.mark.parametrize("then", [hang_up, Peer.reset], ids=["eof", "reset"])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Switch"], ids=["at once", "midway"])
async def test_a_server_that_hangs_up(answer: bytes, then: Callable[[Peer], Awaitable[None]]) -> None:
    error = await refused(answer, then=then)
    assert not isinstance(error, StatusError)
    assert not str(error).rstrip().endswith(":")  # it says what happened
    assert "127.0.0.1" in str(error)


async def test_a_server_that_never_answers() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.gone()

    with fail_after(10):
        async with serve(script) as server:
            with pytest.raises(ConnectError, match=r"127\.0\.0\.1:\d+ did not answer within 0\.05 s"):
                async with open_to(server, open_timeout=0.05):
                    pytest.fail("it connected")
            await server.idle.wait()


async def test_what_a_credential_raises_is_not_taken_for_the_servers_silence() -> None:
    async def token() -> str:
        raise TimeoutError("the identity service did not answer")

    with fail_after(10), pytest.raises(CredentialError, match="identity service") as caught:
        async with connect("http://127.0.0.1:9", deployment="m", api_version="v1", credential=token):
            pass
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert not isinstance(caught.value, TimeoutError)


# Endings


async def lost(*frames: Frame, how: Callable[[Peer], Awaitable[None]] = hang_up) -> ConnectionLost:
    """How a connection ends whose server says *frames* and then does *how*."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*frames)
        await how(peer)

    async with connected(script) as connection:
        with pytest.raises(ConnectionLost) as caught:
            async for _ in connection:
                pass
        again: list[str] = []
        for call in (connection.receive, connection.response.create, lambda: connection.wait_for(SessionUpdated)):
            with pytest.raises(ConnectionLost) as other:
                await call()
            again.append(str(other.value))
        assert set(again) == {str(caught.value)}
        assert "ended" in repr(connection)
    return caught.value


def events(*said: Mapping[str, Any]) -> list[Frame]:
    return [text(to_bytes(event)) for event in said]


async def test_lost_in_the_middle_of_a_response() -> None:
    failed = {"type": "error", "error": {"type": "server_error", "message": "It broke."}}
    error = await lost(*events(SESSION_CREATED, RESPONSE_CREATED, text_delta("Hel"), failed))
    assert (error.code, error.reason) == (1006, "")
    assert (error.response_cut, error.session_id, error.last_error.error.message) == ("resp_1", "sess_1", "It broke.")
    assert "resp_1" in str(error)
    assert "no close frame" in str(error)


async def test_lost_by_a_reset() -> None:
    async def how(peer: Peer) -> None:
        await peer.reset()

    error = await lost(how=how)
    assert error.code == 1006
    assert not str(error).rstrip().endswith(":")


async def test_closed_with_1000_in_the_middle_of_a_response_is_lost() -> None:
    error = await lost(*events(SESSION_CREATED, RESPONSE_CREATED), close_frame(1000, "bye"))
    assert (error.code, error.reason, error.response_cut) == (1000, "bye", "resp_1")
    assert "bye" in str(error)


async def test_closed_with_1000_after_a_response_is_a_good_end() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, RESPONSE_CREATED, RESPONSE_DONE)
        await peer.send(close_frame(1000, "that was all"))
        await peer.gone()

    async with connected(script) as connection:
        assert len([event async for event in connection]) == 3
        for call in (connection.receive, connection.response.create):
            with pytest.raises(ConnectionClosed, match=r"the service closed this connection.*that was all") as caught:
                await call()
            assert not isinstance(caught.value, ConnectionLost)
            assert (caught.value.code, caught.value.reason) == (1000, "that was all")


@pytest.mark.parametrize(("code", "reason"), [(1001, "restart"), (1011, "internal error"), (4000, "session expired")])
async def test_closed_with_another_code_is_lost(code: int, reason: str) -> None:
    error = await lost(*events(SESSION_CREATED), close_frame(code, reason))
    assert (error.code, error.reason, error.response_cut) == (code, reason, None)
    assert str(code) in str(error)
    assert reason in str(error)


async def test_a_message_that_is_too_large_is_said_to_be() -> None:
    codes: list[int] = []
    told = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.say(text_delta("x" * 2000))
        codes.append(await peer.close_code())
        told.set()
        await peer.gone()

    async with connected(script, max_message_size=1000) as connection:
        with pytest.raises(ConnectionLost, match="1009") as caught:
            async for _ in connection:
                pass
        assert caught.value.code == 1009
        said = str(caught.value)
        assert "1000" in said
        assert said.count(caught.value.reason) == 1  # once is enough
        await told.wait()  # the server hears of it while the block is still running
    assert codes == [1009]


async def test_a_peer_that_does_not_answer_pings_is_lost() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.gone()

    async with connected(script, ping_interval=0.01, ping_timeout=0.03) as connection:
        with pytest.raises(ConnectionLost, match="no answer to a ping") as caught:
            async for _ in connection:
                pass
        assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_send_while_the_close_frame_is_waiting_to_be_read_says_who_closed() -> None:
    """The reader is behind, so the end has not been reached; but nothing more can be sent."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*events(SESSION_CREATED, text_delta("x" * 1000)), close_frame(4001, "session expired"))
        await peer.gone()

    async with connected(script, inbox_limit=100) as connection:
        await connection.receive()
        with pytest.raises(ConnectionLost, match="session expired"):  # noqa: PT012 - the block is what is tested
            while True:
                await connection.response.create()
                await checkpoint()


async def test_after_closing_what_was_received_can_be_read_and_nothing_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, RESPONSE_CREATED)
        await peer.farewell()

    async with connected(script) as connection:
        await connection.wait_for(ResponseCreated)
        await connection.aclose()
        assert len([event async for event in connection]) == 2  # we asked for it: no loss, though a response was open
        for call in (
            connection.receive,
            connection.response.create,
            lambda: connection.input_audio_buffer.append(b"ab"),
            lambda: connection.wait_for(SessionUpdated),
        ):
            with pytest.raises(ConnectionClosed, match="this connection was closed") as caught:
                await call()
            assert not isinstance(caught.value, ConnectionLost)
        await connection.aclose()


async def test_closing_ends_another_tasks_iteration() -> None:
    """Well, even if the server only hangs up."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, RESPONSE_CREATED)
        await peer.close_code()

    got: list[str] = []

    async with connected(script) as connection:

        async def iterate() -> None:
            got.extend([event.type async for event in connection])

        async with create_task_group() as tasks:
            tasks.start_soon(iterate)
            await connection.wait_for(ResponseCreated)
            await wait_all_tasks_blocked()
            await connection.aclose()
    assert got == ["session.created", "response.created"]


async def test_everything_that_was_sent_arrives_before_the_goodbye() -> None:
    async def do(connection: Connection) -> None:
        for _ in range(100):
            await connection.input_audio_buffer.append(bytes(48_000))

    assert len(await heard_of(do)) == 100


async def test_a_server_that_never_says_goodbye_is_left_in_close_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.gone()

    with fail_after(2):  # close_timeout is 3 s, if it is not passed on
        async with connected(script, close_timeout=0.05) as connection:
            await connection.receive()
            await connection.aclose()
        async with connected(script, close_timeout=0.05) as connection:
            await connection.receive()


async def test_a_server_that_reads_nothing_is_left_in_close_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await sleep_forever()

    with fail_after(5):
        async with serve(script) as server, open_to(server, close_timeout=0.05) as connection:
            with CancelScope() as scope, fail_after(5):
                async with create_task_group() as tasks:

                    async def send() -> None:
                        while True:
                            await connection.input_audio_buffer.append(bytes(500_000))

                    tasks.start_soon(send)
                    for _ in range(200):
                        await checkpoint()
                    scope.cancel()


async def test_leaving_with_a_full_inbox_takes_no_longer() -> None:
    """The goodbye is behind what nobody will read any more."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, *(text_delta("x" * 100) for _ in range(100)))
        await peer.farewell()
        await peer.gone()

    with fail_after(2):  # close_timeout is 3 s
        async with connected(script, inbox_limit=1000) as connection:
            await connection.receive()


# What the block raises, and cancellation


class Stop(BaseException):
    """Something like a KeyboardInterrupt."""


@pytest.mark.parametrize(
    "error",
    [ValueError("mine"), Stop(), StopAsyncIteration(), TimeoutError("mine"), ExceptionGroup("mine", [ValueError()])],
    ids=lambda error: type(error).__name__,
)
async def test_what_the_block_raises_comes_out_as_it_is(error: BaseException) -> None:
    with fail_after(10):
        async with serve(greet) as server:
            with pytest.raises(type(error)) as caught:  # noqa: PT012 - the block is what is tested
                async with open_to(server) as connection:
                    await connection.receive()
                    raise error
            await server.idle.wait()
    assert caught.value is error


async def test_a_loss_that_the_block_does_not_catch_comes_out_bare() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)

    with fail_after(10):
        async with serve(script) as server:
            with pytest.raises(ConnectionLost):  # noqa: PT012 - the block is what is tested
                async with open_to(server) as connection:
                    async for _ in connection:
                        pass


async def test_a_crashing_neighbour_takes_the_connection_along_and_nothing_else() -> None:
    async def crash(ready: Event) -> None:
        await ready.wait()
        raise ValueError("mine")

    async def talk(server: Server, ready: Event) -> None:
        async with open_to(server) as connection:
            await connection.receive()
            ready.set()
            await connection.receive()

    with fail_after(10):
        async with serve(greet) as server:
            ready = Event()
            with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the block is what is tested
                async with create_task_group() as tasks:
                    tasks.start_soon(crash, ready)
                    tasks.start_soon(talk, server, ready)
            await server.idle.wait()
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)


async def converse(server: Server, finished: Event) -> None:
    """A short conversation, in which everything is waited for somewhere."""
    async with open_to(server) as connection:
        await connection.response.create()
        await connection.wait_for(ResponseDone)
        async with connection.subscribe(ResponseOutputTextDelta) as deltas:
            await connection.input_audio_buffer.append(VOICE * 100)
            await deltas.receive()
        async for event in connection:
            if isinstance(event, ErrorEvent):
                break
    finished.set()


async def answer(peer: Peer) -> None:
    await peer.accept(SESSION_CREATED)
    assert (await peer.hear())["type"] == "response.create"
    await peer.say(RESPONSE_CREATED, RESPONSE_DONE)
    assert (await peer.hear())["type"] == "input_audio_buffer.append"
    await peer.say(text_delta("1"), {"type": "error", "error": {"message": "enough"}})
    await peer.farewell()
    await peer.gone()


async def answer_till_the_end(peer: Peer) -> None:
    """Like `answer`; a client that leaves early gets its goodbye."""
    try:
        await answer(peer)
    except AssertionError:
        await peer.send(close_frame())
        await peer.gone()


async def test_cancelled_anywhere_it_leaves_nothing_behind() -> None:
    with fail_after(30):
        async with serve(answer_till_the_end) as server:
            finished = Event()
            steps = 0
            while not finished.is_set():
                async with create_task_group() as tasks:
                    tasks.start_soon(converse, server, finished)
                    for _ in range(steps):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
                if server.clients:
                    await server.idle.wait()
                steps += 1
            gc.collect()
    assert steps > 10


async def test_a_cancelled_block_still_says_goodbye_and_what_was_queued() -> None:
    heard: list[str] = []
    codes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        heard.append((await peer.hear())["type"])
        codes.append(await peer.farewell())
        await peer.gone()

    with fail_after(10):
        async with serve(script) as server:
            with CancelScope() as scope:
                async with open_to(server) as connection:
                    await connection.receive()
                    await connection.response.create()
                    scope.cancel()
                    await connection.receive()
            await server.idle.wait()
    assert heard == ["response.create"]
    assert codes == [1000]


async def test_a_cancelled_receive_loses_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        for number in range(100):
            await peer.say(text_delta(str(number)))
            await checkpoint()
        await peer.send(close_frame())
        await peer.gone()

    got: list[str] = []

    async with connected(script) as connection:

        async def read(scope: CancelScope) -> None:
            with scope:
                async for event in connection:
                    assert isinstance(event, ResponseOutputTextDelta)
                    got.append(event.delta)

        for steps in range(50):
            async with create_task_group() as tasks:
                scope = CancelScope()
                tasks.start_soon(read, scope)
                for _ in range(steps % 4):
                    await checkpoint()
                scope.cancel()
        async for event in connection:
            assert isinstance(event, ResponseOutputTextDelta)
            got.append(event.delta)
    assert got == [str(number) for number in range(100)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_cancellation_goes_through() -> None:
    import asyncio  # noqa: PLC0415 - only here

    with fail_after(10):
        async with serve(greet) as server:
            with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what is tested
                async with asyncio.timeout(0.05), open_to(server) as connection:
                    await connection.receive()
                    await connection.receive()
            await server.idle.wait()
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_second_cancellation_by_asyncio_ends_the_goodbye() -> None:
    """An impatient framework: asyncio's own cancellation knows no shields."""
    import asyncio  # noqa: PLC0415 - only here

    reading = Event()
    closing = Event()
    let_go = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.close_code()
        closing.set()
        await let_go.wait()

    async def body(server: Server) -> None:
        async with open_to(server, close_timeout=60) as connection:
            await connection.receive()
            reading.set()
            await connection.receive()

    with fail_after(10):
        async with serve(script) as server:
            task = asyncio.create_task(body(server))
            await reading.wait()
            task.cancel()
            await closing.wait()
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=1)
            let_go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert done


class MuteServer:
    """A server in a thread that accepts, says a word, and never says goodbye."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(f"http://127.0.0.1:{self._listener.getsockname()[1]}", 0)
        self.gave_up = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        from websockets.server import ServerProtocol  # noqa: PLC0415 - only here

        protocol = ServerProtocol()
        self._listener.settimeout(10)
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(5)
            protocol.receive_data(connection.recv(65536))
            (request,) = protocol.events_received()
            protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]  # the first is a request
            protocol.send_text(to_bytes(SESSION_CREATED))
            connection.sendall(b"".join(protocol.data_to_send()))
            try:
                while connection.recv(65536):
                    pass
            except TimeoutError:
                self.gave_up = True
            except ConnectionError:
                pass


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ctrl_c_in_the_block(backend: str) -> None:
    async def main() -> None:
        async with open_to(mute.server, close_timeout=0.05) as connection:
            await connection.receive()
            signal.raise_signal(signal.SIGINT)
            await connection.receive()

    with MuteServer() as mute, pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=backend)
    assert not mute.gave_up


def test_ctrl_c_during_the_goodbye() -> None:
    """Trio raises it in the task that waits for the server's goodbye; that must not be for ever."""

    async def press() -> None:
        await trio.testing.wait_all_tasks_blocked(0.05)
        trio.lowlevel.current_trio_token().run_sync_soon(signal.raise_signal, signal.SIGINT)

    async def main() -> None:
        async with open_to(mute.server, close_timeout=60) as connection:
            await connection.receive()
            trio.lowlevel.spawn_system_task(press)

    with MuteServer() as mute, pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert not mute.gave_up


async def test_two_hundred_connections_leave_no_descriptor_behind() -> None:
    async def talk(server: Server) -> None:
        for _ in range(10):
            async with open_to(server) as connection:
                await connection.receive()

    with fail_after(20):
        async with serve(greet) as server:
            async with create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(talk, server)
            await server.idle.wait()
            assert server.clients == server.left == 200


async def test_nothing_of_ours_runs_after_the_block() -> None:
    with fail_after(10):
        async with serve(greet) as server:
            await wait_all_tasks_blocked()
            before = {task.id for task in anyio.get_running_tasks()}
            async with open_to(server, ping_interval=0.01) as connection:
                await connection.receive()
                assert {task.id for task in anyio.get_running_tasks()} > before
            await server.idle.wait()
            await wait_all_tasks_blocked()
            assert {task.id for task in anyio.get_running_tasks()} == before
