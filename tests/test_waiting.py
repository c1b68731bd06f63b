"""`wait=True`: the answer comes back from the call, or the error is raised by it; both are in the stream as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from anyio import create_task_group, fail_after, move_on_after
from anyio.lowlevel import checkpoint

from realtime_azure import Connection, ConnectionLost, EventRejected, InvalidEvent, connect
from realtime_azure.calls import UNANSWERED
from realtime_azure.emulator import Emulator, Turn, serve
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
    SessionClosed,
    SessionUpdated,
    TranscriptionSessionUpdated,
)

from .serving import SESSION_CREATED, Peer
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
    return connect(url, deployment="d", api_version="v1", api_key=key, **options)


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


def opened(emulator: Emulator) -> Any:
    return open_to(emulator.url, emulator.api_key)


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
