"""Which answer, and which error, belongs to which call. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.calls import UNANSWERED, Call, Calls, is_answered
from realtime_azure.events import ClientEvent, ServerEvent, decode
from realtime_azure.events.wire import checked

pytestmark = pytest.mark.anyio
"""A call's `settled` is an anyio event, which needs a loop."""

PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "session.update": ({"session": {"type": "realtime"}}, {"type": "session.updated", "session": {}}),
    "session.close": ({}, {"type": "session.closed"}),
    "transcription_session.update": ({"session": {}}, {"type": "transcription_session.updated", "session": {}}),
    "input_audio_buffer.commit": ({}, {"type": "input_audio_buffer.committed", "item_id": "i"}),
    "input_audio_buffer.clear": ({}, {"type": "input_audio_buffer.cleared"}),
    "output_audio_buffer.clear": ({}, {"type": "output_audio_buffer.cleared"}),
    "conversation.item.create": (
        {"item": {"type": "message", "role": "user", "id": "i", "content": []}},
        {"type": "conversation.item.added", "item": {"type": "message", "id": "i"}},
    ),
    "conversation.item.delete": ({"item_id": "i"}, {"type": "conversation.item.deleted", "item_id": "i"}),
    "conversation.item.retrieve": (
        {"item_id": "i"},
        {"type": "conversation.item.retrieved", "item": {"type": "message", "id": "i"}},
    ),
    "conversation.item.truncate": (
        {"item_id": "i", "content_index": 0, "audio_end_ms": 5},
        {"type": "conversation.item.truncated", "item_id": "i"},
    ),
    "response.create": ({}, {"type": "response.created", "response": {"id": "r"}}),
    "response.cancel": ({"response_id": "r"}, {"type": "response.done", "response": {"id": "r"}}),
}


def sent(kind: str, event_id: str = "mine", **more: Any) -> ClientEvent:
    return checked({"type": kind, "event_id": event_id, **PAIRS[kind][0], **more})


def said(kind: str) -> ServerEvent:
    return heard(PAIRS[kind][1])


def heard(fields: dict[str, Any]) -> ServerEvent:
    from pydantic_core import to_json  # noqa: PLC0415 - here alone

    return decode(to_json(fields))


def error(event_id: str | None) -> ServerEvent:
    return heard({"type": "error", "error": {"type": "invalid_request_error", "message": "No.", "event_id": event_id}})


def begun(calls: Calls, kind: str, event_id: str = "mine", *, awaited: bool = True, **more: Any) -> Call:
    call = calls.begin(sent(kind, event_id, **more), awaited=awaited)
    assert call is not None
    return call


@pytest.mark.parametrize("kind", PAIRS)
async def test_each_answer_finds_its_call(kind: str) -> None:
    calls = Calls()
    call = begun(calls, kind)
    for other in PAIRS:
        if other != kind:
            calls.settle(said(other))
    assert not call.settled.is_set()
    calls.settle(said(kind))
    assert call.settled.is_set()
    assert call.answer is not None
    assert call.rejection() is None


@pytest.mark.parametrize("kind", PAIRS)
async def test_an_error_lands_on_the_call_that_it_names(kind: str) -> None:
    calls = Calls()
    mine, other = begun(calls, kind, "mine"), begun(calls, kind, "other")
    calls.settle(error("mine"))
    rejection = mine.rejection()
    assert rejection is not None
    assert str(rejection) == f"{kind} was refused: No."
    assert rejection.event_id == "mine"
    assert not other.settled.is_set()


def test_what_is_not_answered_is_no_call() -> None:
    assert Calls().begin(checked({"type": "input_audio_buffer.append", "audio": b"\0\0"})) is None
    assert {kind for kind in PAIRS if not is_answered(kind)} == set()


@pytest.mark.parametrize("kind", ["conversation.item.delete", "conversation.item.truncate"])
async def test_answers_about_items_may_come_in_any_order(kind: str) -> None:
    calls = Calls()
    first, second = begun(calls, kind, "1", item_id="a"), begun(calls, kind, "2", item_id="b")
    answer = PAIRS[kind][1]
    calls.settle(heard({**answer, "item_id": "b"}))
    assert (first.settled.is_set(), second.settled.is_set()) == (False, True)
    calls.settle(heard({**answer, "item_id": "a"}))
    assert first.settled.is_set()


async def test_an_error_that_names_nobody_is_not_that_of_who_waits() -> None:
    calls = Calls()
    begun(calls, "response.create", "unheeded", awaited=False)
    waiting = begun(calls, "response.create")
    calls.settle(error(None))
    assert not waiting.settled.is_set()
    calls.settle(said("response.create"))
    assert waiting.answer is not None


async def test_calls_that_nobody_waits_for_are_forgotten_in_time_and_the_others_never() -> None:
    calls = Calls()
    waiting = begun(calls, "response.create", "first")
    unheeded = [begun(calls, "response.create", str(n), awaited=False) for n in range(2 * UNANSWERED)]
    calls.settle(error("0"))
    assert unheeded[0].error is None  # forgotten
    calls.settle(error("first"))
    assert waiting.error is not None


async def test_a_call_that_was_not_sent_after_all_takes_no_answer() -> None:
    calls = Calls()
    first, second = begun(calls, "response.create", "1"), begun(calls, "response.create", "2")
    calls.forget(first)
    calls.settle(said("response.create"))
    assert (first.answer, second.answer is None) == (None, False)


async def test_the_end_settles_all_without_an_answer() -> None:
    calls = Calls()
    waiting = [begun(calls, kind, kind) for kind in PAIRS]
    calls.end()
    assert all(call.settled.is_set() and call.answer is None and call.error is None for call in waiting)


ORDERED = ["session.update", "input_audio_buffer.commit", "input_audio_buffer.clear", "response.create"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_whatever_is_sent_each_gets_its_own(anyio_backend: str) -> None:
    """The service takes events one after another, and refuses some of them."""

    @given(st.lists(st.tuples(st.sampled_from(ORDERED), st.booleans(), st.booleans()), max_size=UNANSWERED))
    def check(events: list[tuple[str, bool, bool]]) -> None:
        calls = Calls()
        made = [
            (begun(calls, kind, str(n), awaited=awaited), kind, refused)
            for n, (kind, refused, awaited) in enumerate(events)
        ]
        for n, (_, kind, refused) in enumerate(made):
            calls.settle(error(str(n)) if refused else said(kind))
        for call, _, refused in made:
            assert call.settled.is_set()
            assert (call.error is not None, call.answer is None) == (refused, refused)

    check()
