"""Which answer, and which error, belongs to which call. Pure."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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


def test_no_more_are_kept_than_can_be_without_an_answer() -> None:
    """A program that never waits, and a service that never answers: nothing grows."""
    calls = Calls()
    begun_so_far = [weakref.ref(begun(calls, "response.create", str(n), awaited=False)) for n in range(300)]
    gc.collect()
    assert sum(call() is not None for call in begun_so_far) == UNANSWERED


def test_many_events_of_another_kind_do_not_give_a_call_the_answer_of_an_earlier_one() -> None:
    """A session is set up, its history is sent, and it is changed again, in one breath."""
    calls = Calls()
    begun(calls, "session.update", "first", awaited=False)
    for n in range(2 * UNANSWERED):
        begun(calls, "conversation.item.create", str(n), awaited=False)
    waiting = begun(calls, "session.update", "second")
    calls.settle(said("session.update"))  # to the first
    assert not waiting.settled.is_set()


def test_what_was_settled_is_not_kept() -> None:
    calls = Calls()
    made: list[weakref.ref[Call]] = []

    def go_through(kind: str) -> None:
        not_sent = begun(calls, kind, "not sent")
        made.append(weakref.ref(not_sent))
        made.extend(weakref.ref(begun(calls, kind, name)) for name in ("answered", "refused"))
        calls.forget(not_sent)
        calls.settle(said(kind))
        calls.settle(error("refused"))

    for kind in PAIRS:
        go_through(kind)
    gc.collect()
    assert [call() for call in made] == [None] * 3 * len(PAIRS)


async def test_many_that_are_waited_for_are_all_kept() -> None:
    calls = Calls()
    waiting = [begun(calls, "response.create", str(n)) for n in range(3 * UNANSWERED)]
    for n in range(3 * UNANSWERED):
        calls.settle(heard({"type": "response.created", "response": {"id": f"resp_{n}"}}))
    assert [call.answer and call.answer.model_dump()["response"]["id"] for call in waiting] == [
        f"resp_{n}" for n in range(3 * UNANSWERED)
    ]


def test_an_item_without_an_id_takes_no_answer_of_one_that_has_one() -> None:
    """Those with an id are told by it, though others were refused, or are not answered at all."""
    calls = Calls()
    mine = begun(calls, "conversation.item.create", "mine")
    other = {"type": "message", "role": "user", "id": "other", "content": []}
    theirs = begun(calls, "conversation.item.create", "theirs", item=other)
    calls.settle(heard({"type": "conversation.item.added", "item": {"type": "message", "id": "of the service"}}))
    assert not mine.settled.is_set()
    calls.settle(heard({"type": "conversation.item.added", "item": {"type": "message", "id": "other"}}))
    assert (mine.settled.is_set(), theirs.settled.is_set()) == (False, True)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "conversation.item.added"},
        {"type": "conversation.item.added", "item": None},
        {"type": "conversation.item.retrieved", "item": None},
        {"type": "conversation.item.deleted"},
        {"type": "response.done", "response": None},
        {"type": "response.done"},
        {"type": "error"},
        {"type": "error", "error": None},
        {"type": "something.new", "event_id": "mine"},
    ],
    ids=str,
)
def test_an_answer_that_does_not_say_what_it_is_about_is_nobodys(event: dict[str, Any]) -> None:
    calls = Calls()
    waiting = [begun(calls, kind, kind) for kind in PAIRS]
    calls.settle(heard(event))
    assert not any(call.settled.is_set() for call in waiting)


class ServiceAndCalls(RuleBasedStateMachine):
    """A service takes events one after another, answers some, refuses others; each call hears its own, once."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls()
        self.sent: list[tuple[str, str | None, Call]] = []
        """What the service has still to say something to: the kind, the item or response it is about, the call."""
        self.expected: dict[int, tuple[Call, ServerEvent | None]] = {}
        """What each call has heard; None: nothing."""
        self.number = 0

    @precondition(lambda self: len(self.sent) < UNANSWERED)
    @rule(kind=st.sampled_from(sorted(PAIRS)), about=st.sampled_from([None, "a", "b"]), awaited=st.booleans())
    def send(self, kind: str, about: str | None, awaited: bool) -> None:
        self.number += 1
        fields = PAIRS[kind][0]
        more: dict[str, Any] = {}
        if "item_id" in fields:
            about = about or "a"
            more = {"item_id": about}
        elif kind == "response.cancel":
            more = {"response_id": about}
        elif kind == "conversation.item.create":
            about = f"own_{self.number}" if awaited or about else None  # as `Connection` does
            more = {"item": {"type": "message", "role": "user", "content": [], **({"id": about} if about else {})}}
        else:
            about = None
        call = begun(self.calls, kind, str(self.number), awaited=awaited, **more)
        self.sent.append((kind, about, call))
        self.expected[self.number] = (call, None)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Of each kind the first; of those about items the first for each item."""
        ready: dict[Any, tuple[str, str | None, Call]] = {}
        for each in self.sent:
            by_item = "item_id" in PAIRS[each[0]][0]
            ready.setdefault(each[:2] if by_item else each[0], each)
        chosen = data.draw(st.sampled_from(list(ready.values())))
        kind, about = chosen[0], chosen[1] or f"of_the_service_{self.number}"
        fields = dict(PAIRS[kind][1])
        if "item_id" in fields:
            fields["item_id"] = about
        for name in ("item", "response"):
            if name in fields:
                fields[name] = {**fields[name], "id": about}
        self._says(heard(fields), chosen)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.sent))
        self._says(error(chosen[2].event_id), chosen)

    def _says(self, event: ServerEvent, to: tuple[str, str | None, Call]) -> None:
        self.sent.remove(to)
        self.expected[int(to[2].event_id or 0)] = (to[2], event)
        self.calls.settle(event)

    @rule(event_id=st.sampled_from(["somebody_elses", ""]))
    def refuse_what_is_not_ours(self, event_id: str) -> None:
        self.calls.settle(error(event_id))

    @rule()
    def say_that_something_went_wrong(self) -> None:
        """Of those that nobody waits for, one may have been meant: no answer is taken for theirs any more."""
        self.calls.settle(error(None))
        self.sent = [each for each in self.sent if each[2].awaited]

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def stop_waiting(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.sent))[2].awaited = False

    @precondition(lambda self: self.sent)
    @rule()
    def could_not_send_the_last(self) -> None:
        self.calls.forget(self.sent.pop()[2])

    @invariant()
    def each_has_heard_its_own(self) -> None:
        for call, event in self.expected.values():
            assert call.settled.is_set() == (event is not None)
            assert (call.error or call.answer) is event

    def teardown(self) -> None:
        self.calls.end()
        assert all(call.settled.is_set() for _, _, call in self.sent)
        assert all((call.error or call.answer) is event for call, event in self.expected.values())


TestServiceAndCalls = ServiceAndCalls.TestCase
TestServiceAndCalls.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
