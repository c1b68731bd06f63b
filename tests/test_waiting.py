"""`wait=True`: the answer comes back from the call, or the error is raised by it; both are in the stream as well."""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from anyio import (
    CancelScope,
    Event,
    create_task_group,
    fail_after,
    move_on_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint

from realtime_azure import (
    Connection,
    ConnectionClosed,
    ConnectionLost,
    EventRejected,
    InvalidEvent,
    StreamLapsed,
    connect,
)
from realtime_azure.calls import UNANSWERED, Call
from realtime_azure.emulator import Emulator, Turn, recorded_answer, serve
from realtime_azure.events import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ErrorEvent,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    OutputAudioBufferCleared,
    ResponseCreated,
    ResponseDone,
    ResponseOutputTextDelta,
    SessionClosed,
    SessionUpdated,
    TranscriptionSessionUpdated,
)
from realtime_azure.events.wire import checked

from .serving import RESPONSE_DONE, SESSION_CREATED, Peer, close_frame, text, text_delta, to_bytes
from .serving import serve as serve_peer
from .test_calls import PAIRS

pytestmark = pytest.mark.anyio

ITEM: Any = {"type": "message", "id": "i", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}

Verb = Callable[..., Awaitable[Any]]
VERBS: dict[str, tuple[Callable[[Connection], Verb], tuple[Any, ...], dict[str, Any], type[Any]]] = {
    "session.update": (lambda c: c.session.update, ({"type": "realtime"},), {}, SessionUpdated),
    "session.close": (lambda c: c.session.close, (), {}, SessionClosed),
    "transcription_session.update": (
        lambda c: c.transcription_session.update,
        ({},),
        {},
        TranscriptionSessionUpdated,
    ),
    "input_audio_buffer.commit": (lambda c: c.input_audio_buffer.commit, (), {}, InputAudioBufferCommitted),
    "input_audio_buffer.clear": (lambda c: c.input_audio_buffer.clear, (), {}, InputAudioBufferCleared),
    "output_audio_buffer.clear": (lambda c: c.output_audio_buffer.clear, (), {}, OutputAudioBufferCleared),
    "conversation.item.create": (lambda c: c.conversation.item.create, (ITEM,), {}, ConversationItemAdded),
    "conversation.item.delete": (lambda c: c.conversation.item.delete, ("i",), {}, ConversationItemDeleted),
    "conversation.item.retrieve": (lambda c: c.conversation.item.retrieve, ("i",), {}, ConversationItemRetrieved),
    "conversation.item.truncate": (
        lambda c: c.conversation.item.truncate,
        ("i",),
        {"audio_end_ms": 5},
        ConversationItemTruncated,
    ),
    "response.create": (lambda c: c.response.create, (), {}, ResponseCreated),
    "response.cancel": (lambda c: c.response.cancel, ("r",), {}, ResponseDone),
}


def test_every_event_that_is_answered_has_its_verb() -> None:
    assert set(VERBS) == set(PAIRS)


def open_to(url: str, key: str = "k", **options: Any) -> Any:
    chosen: dict[str, Any] = {"deployment": "d", "api_version": "v1", **options}
    return connect(url, api_key=key, **chosen)


async def answering(peer: Peer, said: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """A service that answers each event with what is *said* to it."""
    import json  # noqa: PLC0415 - here alone

    from websockets.frames import Opcode  # noqa: PLC0415 - here alone

    await peer.accept(SESSION_CREATED)
    while (frame := await peer.frame()).opcode is Opcode.TEXT:
        if (answer := said(json.loads(bytes(frame.data)))) is not None:
            await peer.say(answer)
    await peer.send(frame)


@pytest.mark.parametrize("kind", VERBS)
async def test_a_verb_returns_what_answers_it(kind: str) -> None:
    verb, given, named, answer = VERBS[kind]

    async def script(peer: Peer) -> None:
        await answering(peer, lambda event: PAIRS[event["type"]][1])

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            returned = await verb(connection)(*given, wait=True, **named)
            assert type(returned) is answer
            await connection.receive()
            assert await connection.receive() is returned


@pytest.mark.parametrize("kind", VERBS)
async def test_a_verb_raises_what_refuses_it(kind: str) -> None:
    verb, given, named, _ = VERBS[kind]

    def refuse(event: dict[str, Any]) -> dict[str, Any]:
        said = {"type": "invalid_request_error", "code": "invalid_value", "message": "No.", "param": "x"}
        return {"type": "error", "error": {**said, "event_id": event["event_id"]}}

    async def script(peer: Peer) -> None:
        await answering(peer, refuse)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            with pytest.raises(EventRejected, match=f"^{kind} was refused: No.$") as caught:
                await verb(connection)(*given, wait=True, event_id="mine", **named)
            assert (caught.value.code, caught.value.param, caught.value.event_id) == ("invalid_value", "x", "mine")
            await connection.receive()
            assert isinstance(await connection.receive(), ErrorEvent)


async def say(turn: Turn) -> str:
    return "All is well."


async def test_one_callers_error_is_nobody_elses() -> None:
    outcomes: list[str] = []

    async def update(connection: Connection, speed: float) -> None:
        try:
            change: Any = {"type": "realtime", "audio": {"output": {"speed": speed}, "input": {"turn_detection": None}}}
            if speed > 1:
                change["output_modalities"] = ["audio", "text"]  # not both
            await connection.session.update(change, wait=True)
            outcomes.append("updated")
        except EventRejected as exc:
            outcomes.append(str(exc.param))

    with fail_after(10):
        async with serve(responder=say) as emulator, opened(emulator) as connection, create_task_group() as tasks:
            for speed in (1.0, 1.5, 1.0, 1.5, 1.0):
                tasks.start_soon(update, connection, speed)
    assert sorted(outcomes) == ["session.output_modalities"] * 2 + ["updated"] * 3


def opened(emulator: Emulator, **options: Any) -> Any:
    return open_to(emulator.url, emulator.api_key, **options)


async def test_a_loss_ends_every_wait_however_many() -> None:
    lost: list[ConnectionLost] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        for _ in range(UNANSWERED + 10):
            await peer.frame()

    async def ask(connection: Connection) -> None:
        with pytest.raises(ConnectionLost) as caught:
            await connection.response.create(wait=True)
        lost.append(caught.value)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection, create_task_group() as tasks:
            for _ in range(UNANSWERED + 10):
                tasks.start_soon(ask, connection)
    assert len(lost) == len(set(map(id, lost))) == UNANSWERED + 10


async def test_a_wait_that_is_cancelled_leaves_the_next_its_own() -> None:
    """The first call's answer comes when nobody waits for it any more."""
    created = iter(range(1, 10))
    second: list[str | None] = []

    async def script(peer: Peer) -> None:
        held: list[dict[str, Any]] = []

        def said(event: dict[str, Any]) -> dict[str, Any] | None:
            answer = {"type": "response.created", "response": {"id": f"resp_{next(created)}"}}
            if not held:
                held.append(answer)
                return None
            first, held[0] = held[0], answer
            return first

        await answering(peer, said)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            with move_on_after(0.01):
                await connection.response.create(wait=True)
            async with create_task_group() as tasks:

                async def ask() -> None:
                    second.append((await connection.response.create(wait=True)).response.id)

                tasks.start_soon(ask)
                await checkpoint()
                await connection.wait_for(ResponseCreated)
                await connection.response.create()  # brings out the answer to the second
    assert second == ["resp_2"]


@pytest.mark.parametrize("event", [{"type": "input_audio_buffer.append", "audio": b"\0\0"}], ids=["append"])
async def test_what_nobody_answers_cannot_be_waited_for(event: dict[str, Any]) -> None:
    with fail_after(10):
        async with serve(responder=say) as emulator, opened(emulator) as connection:
            with pytest.raises(InvalidEvent, match="does not answer it"):
                await connection.send(event, wait=True)
            assert connection.statistics().events_sent == 0


# With the emulator, in both vocabularies

QUIET_SESSION: Any = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
BOTH = pytest.mark.parametrize("api_version", ["v1", "2025-04-01-preview"])


async def never(turn: Turn) -> str:
    await sleep_forever()
    return turn.text


@BOTH
async def test_a_conversation_step_by_step(api_version: str) -> None:
    """Each step is taken when the one before was answered; each answer says what was done."""
    with fail_after(10):
        async with (
            serve(responder=never, pace=math.inf) as emulator,
            opened(emulator, api_version=api_version) as connection,
        ):
            item = connection.conversation.item
            updated = await connection.session.update({**QUIET_SESSION, "instructions": "Be brief."}, wait=True)
            assert (type(updated), updated.session.instructions) == (SessionUpdated, "Be brief.")

            await connection.input_audio_buffer.append(bytes(9600))
            assert type(await connection.input_audio_buffer.clear(wait=True)) is InputAudioBufferCleared
            await connection.input_audio_buffer.append(bytes(9600))
            committed = await connection.input_audio_buffer.commit(wait=True)
            assert type(committed) is InputAudioBufferCommitted

            added = await item.create(ITEM, wait=True)
            assert (type(added), added.item.id) == (ConversationItemAdded, "i")
            assert added.previous_item_id == committed.item_id
            unnamed = await item.create({name: ITEM[name] for name in ("type", "role", "content")}, wait=True)
            assert unnamed.item.id
            assert unnamed.item.id != "i"
            retrieved = await item.retrieve(unnamed.item.id, wait=True)
            assert (type(retrieved), retrieved.item.id) == (ConversationItemRetrieved, unnamed.item.id)
            emulator.responder = recorded_answer
            await connection.response.create(wait=True)
            spoken = await connection.wait_for(ResponseDone)
            assert spoken.response.output
            said = spoken.response.output[0].id or ""
            truncated = await item.truncate(said, audio_end_ms=500, wait=True)
            assert (type(truncated), truncated.item_id, truncated.audio_end_ms) == (
                ConversationItemTruncated,
                said,
                500,
            )
            emulator.responder = never
            deleted = await item.delete("i", wait=True)
            assert (type(deleted), deleted.item_id) == (ConversationItemDeleted, "i")

            created = await connection.response.create(wait=True)
            assert type(created) is ResponseCreated
            done = await connection.response.cancel(created.response.id, wait=True)
            assert (type(done), done.response.id) == (ResponseDone, created.response.id)
            assert done.response.status == "cancelled"
            await connection.response.create(wait=True)
            assert (await connection.response.cancel(wait=True)).response.status == "cancelled"  # the one under way

            await connection.aclose()
            told = [event async for event in connection]
    assert not [event for event in told if isinstance(event, ErrorEvent)]
    assert [type(event) for event in told].count(ResponseDone) == 3
    for answer in (updated, committed, added, unnamed, retrieved, truncated, deleted, created, done):
        assert any(event is answer for event in told)


TOO_LOUD: Any = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 5}}},
}
REFUSED: dict[str, tuple[Callable[[Connection], Awaitable[Any]], str | None]] = {
    "session.update": (
        lambda c: c.session.update(TOO_LOUD, wait=True),
        "session.audio.input.turn_detection.threshold",
    ),
    "session.close": (lambda c: c.session.close(wait=True), "type"),
    "output_audio_buffer.clear": (lambda c: c.output_audio_buffer.clear(wait=True), "type"),
    "input_audio_buffer.commit": (lambda c: c.input_audio_buffer.commit(wait=True), None),
    "conversation.item.create": (lambda c: c.conversation.item.create(ITEM, wait=True), "item.id"),
    "conversation.item.delete": (lambda c: c.conversation.item.delete("none", wait=True), "item_id"),
    "conversation.item.retrieve": (lambda c: c.conversation.item.retrieve("none", wait=True), "item_id"),
    "conversation.item.truncate": (
        lambda c: c.conversation.item.truncate("i", audio_end_ms=1, wait=True),
        "item_id",
    ),
    "response.create": (
        lambda c: c.response.create({"input": [{"type": "item_reference", "id": "none"}]}, wait=True),
        "item_id",
    ),
    "response.cancel": (lambda c: c.response.cancel(wait=True), None),
}


@BOTH
async def test_what_is_refused_is_raised_and_told_and_all_goes_on(api_version: str) -> None:
    with fail_after(10):
        async with serve(responder=say) as emulator, opened(emulator, api_version=api_version) as connection:
            await connection.session.update(QUIET_SESSION, wait=True)
            await connection.conversation.item.create(ITEM, wait=True)
            rejections: list[EventRejected] = []
            dated = api_version != "v1"
            refused = {kind: said for kind, said in REFUSED.items() if not (dated and kind == "session.close")}
            for kind, (verb, param) in refused.items():
                with pytest.raises(EventRejected, match=f"^{kind} was refused: .") as caught:
                    await verb(connection)
                rejections.append(caught.value)
                if param is not None and not dated:
                    assert caught.value.param == param
            assert await connection.session.update({"type": "realtime", "instructions": "Go on."}, wait=True)
            await connection.aclose()
            errors = [event.error async for event in connection if isinstance(event, ErrorEvent)]
    assert [(e.event_id, e.code, e.param) for e in errors] == [(r.event_id, r.code, r.param) for r in rejections]
    assert len(errors) == len({error.event_id for error in errors}) == len(refused)


# With a service that says what the test wants


@pytest.mark.parametrize("made", ["mapping", "model"])
@pytest.mark.parametrize("kind", PAIRS)
async def test_an_event_of_ones_own_is_answered_too(kind: str, made: str) -> None:
    async def script(peer: Peer) -> None:
        await answering(peer, lambda event: PAIRS[event["type"]][1])

    event: Any = {"type": kind, **PAIRS[kind][0]}
    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            answer = await connection.send(checked(event) if made == "model" else event, wait=True)
            assert type(answer) is VERBS[kind][3]
            assert await connection.send(event) is None


async def test_of_two_that_wait_one_is_refused_and_the_other_goes_on_waiting() -> None:
    told: dict[str, Any] = {}
    refused = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        assert [(await peer.hear())["event_id"] for _ in range(3)] == ["a", "b", "c"]
        await peer.say({"type": "error", "error": {"type": "server_error", "message": "No.", "event_id": "b"}})
        await refused.wait()
        assert set(told) == {"b"}
        for name in ("first", "second"):
            await peer.say({"type": "response.created", "response": {"id": name}})
        await peer.farewell()

    async def ask(connection: Connection, name: str) -> None:
        try:
            told[name] = (await connection.response.create(event_id=name, wait=True)).response.id
        except EventRejected as exc:
            told[name] = exc.event_id
            refused.set()

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection, create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(ask, connection, name)
                await wait_all_tasks_blocked()
    assert told == {"a": "first", "b": "b", "c": "second"}


async def test_an_item_without_an_id_gets_one_by_which_its_answer_is_told() -> None:
    """The service puts items into the conversation by itself, too: what was said."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        item = (await peer.hear())["item"]
        for name in ("what was said", item["id"]):
            await peer.say({"type": "conversation.item.added", "item": {"type": "message", "id": name}})
        await peer.farewell()

    unnamed = {name: ITEM[name] for name in ("type", "role", "content")}
    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            added = await connection.conversation.item.create(unnamed, wait=True)
            assert added.item.id != "what was said"


async def test_what_is_not_waited_for_takes_its_own_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        for number in range(3):
            await peer.hear()
            await peer.say({"type": "response.created", "response": {"id": str(number)}})
        await peer.farewell()

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            await connection.response.create()
            await connection.send({"type": "response.create"})
            assert (await connection.response.create(wait=True)).response.id == "2"


ENDINGS: dict[str, tuple[Callable[[Peer], Awaitable[Any]], type[ConnectionClosed], int]] = {
    "goodbye": (lambda peer: peer.send(close_frame(1000, "that was all")), ConnectionClosed, 1000),
    "error": (lambda peer: peer.send(close_frame(1011, "oh")), ConnectionLost, 1011),
    "reset": (lambda peer: peer.reset(), ConnectionLost, 1006),
    "end of file": (lambda peer: peer.stream.send_eof(), ConnectionLost, 1006),
    "half a frame": (lambda peer: peer.stream.send(b"\x81\x20half"), ConnectionLost, 1006),
    "nonsense": (lambda peer: peer.stream.send(b"\xff\xff"), ConnectionLost, 1002),
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_the_end_is_told_to_who_waits_for_an_answer(how: str) -> None:
    end, error, code = ENDINGS[how]
    told: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        for _ in VERBS:
            await peer.frame()
        await end(peer)
        if how in ("goodbye", "error", "nonsense"):
            await peer.close_code()

    async def ask(connection: Connection, kind: str) -> None:
        verb, given, named, _ = VERBS[kind]
        with pytest.raises(error) as caught:
            await verb(connection)(*given, wait=True, **named)
        assert (type(caught.value), caught.value.code) == (error, code)
        told.append(kind)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            async with create_task_group() as tasks:
                for kind in VERBS:
                    tasks.start_soon(ask, connection, kind)
            with pytest.raises(error):  # and to who asks afterwards
                await connection.response.create(wait=True)
    assert sorted(told) == sorted(VERBS)


async def test_closing_it_ends_the_waits_of_other_tasks_at_once() -> None:
    """Before the service has answered the goodbye, which may take its time."""
    told = Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.close_code()
        await told.wait()
        await peer.send(close_frame(1000))

    async def ask(connection: Connection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.response.create(wait=True)
        assert type(caught.value) is ConnectionClosed
        told.set()

    with fail_after(10):
        async with (
            serve_peer(script) as server,
            open_to(server.url, close_timeout=60) as connection,
            create_task_group() as tasks,
        ):
            tasks.start_soon(ask, connection)
            await wait_all_tasks_blocked()
            await connection.aclose()


async def test_a_dated_service_answers_in_its_own_words() -> None:
    async def script(peer: Peer) -> None:
        created = {"type": "conversation.item.created", "item": {"type": "message", "id": "i"}}
        await answering(peer, lambda _: created)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url, api_version="2025-04-01-preview") as connection:
            added = await connection.conversation.item.create(ITEM, wait=True)
            assert (type(added), added.item.id) == (ConversationItemAdded, "i")


@pytest.mark.parametrize("code", [1000, 1011])
async def test_an_answer_with_the_end_right_behind_it_is_the_answer(code: int) -> None:
    """Both come in one piece."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        asked = await peer.hear()
        refusal = {"type": "error", "error": {"type": "server_error", "message": "No.", "event_id": "refused"}}
        await peer.hear()
        await peer.send(text(to_bytes(PAIRS[asked["type"]][1])), text(to_bytes(refusal)), close_frame(code))
        await peer.gone()

    async def be_refused(connection: Connection) -> None:
        with pytest.raises(EventRejected):
            await connection.input_audio_buffer.clear(event_id="refused", wait=True)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection, create_task_group() as tasks:
            tasks.start_soon(be_refused, connection)
            assert type(await connection.session.update({"type": "realtime"}, wait=True)) is SessionUpdated


@pytest.mark.parametrize("refuses", [False, True])
async def test_an_answer_comes_through_though_nobody_reads_the_main_stream(refuses: bool) -> None:
    """A full stream would hold it up for ever; it lapses instead, and says so to who reads it then."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        asked = await peer.hear()
        for _ in range(300):
            await peer.say(text_delta("x" * 10_000))
        error = {"type": "error", "error": {"type": "server_error", "message": "No.", "event_id": asked["event_id"]}}
        await peer.say(error if refuses else PAIRS["response.create"][1])
        await peer.farewell()

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url, inbox_limit=100_000) as connection:
            if refuses:
                with pytest.raises(EventRejected):
                    await connection.response.create(wait=True)
            else:
                assert type(await connection.response.create(wait=True)) is ResponseCreated
            with pytest.raises(StreamLapsed) as caught:
                await connection.receive()
            assert caught.value.dropped == connection.statistics().events_dropped > 0


async def test_while_the_main_stream_is_read_a_wait_beside_it_drops_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.hear()
        for n in range(300):
            await peer.say(text_delta(f"{n}:" + "x" * 10_000))
        await peer.say(PAIRS["response.create"][1], RESPONSE_DONE)
        await peer.farewell()

    read: list[str] = []

    async def iterate(connection: Connection) -> None:
        async for event in connection:
            if isinstance(event, ResponseOutputTextDelta):
                read.append(event.delta.partition(":")[0])
            await checkpoint()

    with fail_after(10):
        async with (
            serve_peer(script) as server,
            create_task_group() as tasks,
            open_to(server.url, inbox_limit=100_000) as connection,
        ):
            tasks.start_soon(iterate, connection)
            assert await connection.response.create(wait=True)
            await connection.wait_for(ResponseDone)
    assert read == [str(n) for n in range(300)]


def open_calls() -> int:
    gc.collect()
    return sum(isinstance(each, Call) for each in gc.get_objects())


async def test_what_was_answered_refused_or_cancelled_leaves_nothing_behind() -> None:
    """Not even where the answer came when nobody waited for it any more."""
    ask = Event()

    def said(event: dict[str, Any]) -> dict[str, Any]:
        if event["event_id"] == "refused":
            return {"type": "error", "error": {"type": "server_error", "message": "No.", "event_id": "refused"}}
        return PAIRS[event["type"]][1]

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        asked = [await peer.hear() for _ in range(2 * len(VERBS))]
        await ask.wait()
        await peer.say(*map(said, asked), text_delta("all said"))
        await peer.farewell()

    before = open_calls()
    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            for verb, given, named, _ in VERBS.values():
                for name in ("answered", "refused"):
                    with CancelScope() as scope:
                        scope.cancel()
                        await verb(connection)(*given, wait=True, event_id=name, **named)
            assert open_calls() - before == 2 * len(VERBS)  # their answers are still to come
            ask.set()
            await connection.wait_for(ResponseOutputTextDelta)
            assert open_calls() == before


NOT_ANSWERED: list[dict[str, Any]] = [
    {"type": "input_audio_buffer.append", "audio": b"\0\0"},
    {"type": "session.input_audio_buffer.append", "audio": b"\0\0"},
]


@pytest.mark.parametrize("made", ["mapping", "model"])
@pytest.mark.parametrize("event", NOT_ANSWERED, ids=lambda event: event["type"])
async def test_what_is_not_answered_is_named_and_not_sent(event: dict[str, Any], made: str) -> None:
    heard: list[Any] = []

    async def script(peer: Peer) -> None:
        await answering(peer, heard.append)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            with pytest.raises(InvalidEvent, match=f"^{event['type']}: the service does not answer it"):
                await connection.send(checked(event) if made == "model" else event, wait=True)
            await connection.aclose()
            await server.idle.wait()
    assert heard == []


async def test_an_event_that_is_newer_than_this_version_cannot_be_waited_for() -> None:
    async def script(peer: Peer) -> None:
        await answering(peer, lambda _: None)

    with fail_after(10):
        async with serve_peer(script) as server, open_to(server.url) as connection:
            with pytest.raises(InvalidEvent, match="something"):
                await connection.send({"type": "something.new"}, wait=True, extra=True)
