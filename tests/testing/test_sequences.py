"""`assert_events`: what fits, what does not, and what is said about it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.events import (
    ErrorEvent,
    Event,
    ResponseDone,
    ResponseOutputTextDelta,
    ServerEvent,
    SessionCreated,
    UnknownEvent,
    decode,
)
from realtime_azure.testing import assert_events, in_outline
from realtime_azure.testing.sequences import Expected


def event(kind: str, **fields: Any) -> ServerEvent:
    return decode(json.dumps({"type": kind, **fields}).encode())


CREATED = event("session.created", session={"type": "realtime", "id": "sess_1", "output_modalities": ["text"]})
UPDATED = event("session.updated", session={"type": "realtime", "instructions": "Be brief."})
BEGUN = event("response.created", response={"id": "resp_1", "status": "in_progress"})
TEXT = event("response.output_text.delta", response_id="resp_1", item_id="item_1", delta="Pa")
MORE_TEXT = event("response.output_text.delta", response_id="resp_1", item_id="item_1", delta="ris")
SOUND = event("response.output_audio.delta", response_id="resp_1", item_id="item_1", delta="AAAA")
DONE = event("response.done", response={"id": "resp_1", "status": "completed", "output": []})
ERROR = event("error", error={"type": "invalid_request_error", "code": "bad", "message": "Not so.", "param": "item"})
UNHEARD = event("emulator.unheard_of", item_id="item_1")
ANSWER = [CREATED, BEGUN, TEXT, MORE_TEXT, DONE]


def refused(events: list[ServerEvent], expected: list[Expected], **options: Any) -> list[str]:
    """The lines that are said about it."""
    with pytest.raises(AssertionError) as caught:
        assert_events(events, expected, **options)
    return str(caught.value).splitlines()


# What fits


@pytest.mark.parametrize(
    "expected",
    [
        ["session.created", "response.created", "response.output_text.delta", "response.done"],
        ["session.*", "response.created", "*.delta", "response.done"],
        ["*", "*", "*", "*"],
        [SessionCreated, "response.created", ResponseOutputTextDelta, ResponseDone],
        [Event, Event, Event, Event],
        [..., ResponseDone],
        [SessionCreated, ...],
        [...],
        [..., ...],
        [..., "response.*", ..., "response.done", ...],
        ["session.created", "response.created", ..., "*.delta", ..., "response.done"],
        [{"type": "session.created"}, ..., {"type": "response.done", "response": {"status": "completed"}}],
        [{"session": {"id": "sess_1"}}, ..., {"delta": "Pa"}, {}],
        [{"session": {"output_modalities": ["text"]}}, ...],
    ],
)
def test_what_fits_passes(expected: list[Expected]) -> None:
    assert_events(ANSWER, expected)


@pytest.mark.parametrize(
    "expected",
    [
        [],
        ["session.created"],
        ["response.done", ...],
        [..., "session.created"],
        ["*", "*", "*"],
        ["*", "*", "*", "*", "*"],
        ["session", "response.created", "*.delta", "response.done"],
        ["Session.created", ...],
        [ErrorEvent, ...],
        [..., "session.created", ..., "session.created", ...],
        [..., ResponseDone, ResponseDone],
        [{"session": {"id": "sess_2"}}, ...],
        [{"session": {"nothing": None}}, ...],
        [{"session": {"output_modalities": ["text", "audio"]}}, ...],
        [{"type": "session.updated", "session": {"id": "sess_1"}}, ...],
        [{"session": "sess_1"}, ...],
    ],
)
def test_what_does_not_fit_fails(expected: list[Expected]) -> None:
    assert refused(ANSWER, expected)[0] == ("these are not the events that were expected (- expected, + came):")


def test_nothing_is_nothing() -> None:
    assert_events([], [])
    assert_events([], [...])
    refused([], ["*"])


def test_any_iterable_will_do() -> None:
    assert_events(iter(ANSWER), ["session.created", ...])


def test_what_nobody_has_heard_of_has_a_type_and_a_class() -> None:
    assert_events([UNHEARD], ["emulator.*"])
    assert_events([UNHEARD], [UnknownEvent])
    assert_events([UNHEARD], [{"type": "emulator.unheard_of"}])


# Folding


def test_deltas_of_a_type_in_a_row_are_one() -> None:
    assert_events([TEXT, MORE_TEXT, SOUND, TEXT], ["*_text.delta", "*_audio.delta", "*_text.delta"])
    assert_events([TEXT, MORE_TEXT], [{"delta": "Pa"}])
    refused([TEXT, MORE_TEXT], ["*.delta", "*.delta"])


def test_deltas_are_told_apart_if_that_is_wanted() -> None:
    assert_events([TEXT, MORE_TEXT], [{"delta": "Pa"}, {"delta": "ris"}], fold=False)
    refused([TEXT, MORE_TEXT], ["*.delta"], fold=False)


def test_what_is_no_delta_is_never_folded() -> None:
    assert_events([DONE, DONE], [ResponseDone, ResponseDone])
    refused([DONE, DONE], [ResponseDone])


# What is said about it


def test_the_diff_shows_what_is_missing_and_what_is_too_much() -> None:
    assert refused([CREATED, ERROR, DONE], ["session.created", "response.created", "response.done"]) == [
        "these are not the events that were expected (- expected, + came):",
        "  session.created",
        "- response.created",
        "+ error: Not so.",
        "  response.done",
    ]


def test_the_diff_goes_by_what_fits_not_by_how_it_is_written() -> None:
    assert refused(ANSWER, [SessionCreated, "response.*", {"delta": "Pa"}, ErrorEvent])[1:] == [
        "  session.created",
        "  response.created",
        "  response.output_text.delta",
        "- ErrorEvent",
        "+ response.done",
    ]


def test_the_diff_shows_the_fields_that_were_wanted() -> None:
    assert refused([ERROR, DONE], [{"type": "error", "error": {"code": "good"}}, ..., {"response": {"id": "2"}}])[
        1:
    ] == [
        "- error with {'error': {'code': 'good'}}",
        "+ error with {'error': {'code': 'bad'}}: Not so.",
        "  ...",
        "- any event with {'response': {'id': '2'}}",
    ]
    assert refused([ERROR], [{"type": "error", "error": {"code": "good"}}])[1:] == [
        "- error with {'error': {'code': 'good'}}",
        "+ error with {'error': {'code': 'bad'}}: Not so.",
    ]
    assert refused([DONE], [{"type": "response.done", "response": {"status": "cancelled"}}])[1:] == [
        "- response.done with {'response': {'status': 'cancelled'}}",
        "+ response.done with {'response': {'status': 'completed'}}",
    ]


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        ([..., "error"], ["  ...", "- error"]),
        (["error", ...], ["- error", "  ..."]),
        (
            [..., "response.created", ..., "error", ..., "response.done"],
            ["  ...", "  response.created", "  ...", "- error", "  ...", "  response.done"],
        ),
        (
            ["response.created", "response.done"],
            ["+ session.created", "  response.created", "+ response.output_text.delta", "  response.done"],
        ),
    ],
)
def test_the_diff_is_no_longer_than_it_has_to_be(expected: list[Expected], lines: list[str]) -> None:
    assert refused(ANSWER, expected)[1:] == lines


def test_the_diff_has_a_line_for_many_deltas() -> None:
    assert refused([TEXT] * 100, [])[1:] == ["+ response.output_text.delta"]


# Any events

EVENTS = st.lists(st.sampled_from([CREATED, UPDATED, BEGUN, TEXT, MORE_TEXT, SOUND, DONE, ERROR, UNHEARD]), max_size=8)


def one_by_one(events: list[ServerEvent]) -> list[Expected]:
    return [each.type for each in events]


@given(EVENTS)
def test_a_sequence_is_itself(events: list[ServerEvent]) -> None:
    assert_events(events, one_by_one(events), fold=False)
    assert_events(events, [type(each) for each in events], fold=False)
    assert_events(events, [each.model_dump(exclude_unset=True) for each in events], fold=False)


@given(EVENTS, st.data())
def test_any_run_may_be_any(events: list[ServerEvent], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(events)))
    stop = data.draw(st.integers(start, len(events)))
    types = one_by_one(events)
    assert_events(events, [*types[:start], ..., *types[stop:]], fold=False)
    assert_events(events, [..., *types[start:stop], ...], fold=False)


@given(EVENTS, EVENTS)
def test_two_sequences_are_the_same_or_not(one: list[ServerEvent], other: list[ServerEvent]) -> None:
    if one_by_one(one) == one_by_one(other):
        assert_events(one, one_by_one(other), fold=False)
    else:
        refused(one, one_by_one(other), fold=False)


@given(EVENTS, st.lists(st.sampled_from(["session.created", "*.delta", "response.*", ..., "error", "*"]), max_size=6))
def test_any_expectation_means_what_it_says(events: list[ServerEvent], expected: list[Any]) -> None:
    """Another reading of it: by a plain search."""

    def fits(came: list[str], wanted: list[Any]) -> bool:
        if not wanted:
            return not came
        if wanted[0] is ...:
            return any(fits(came[at:], wanted[1:]) for at in range(len(came) + 1))
        return bool(came) and matches(came[0], wanted[0]) and fits(came[1:], wanted[1:])

    def matches(came: str, wanted: str) -> bool:
        before, star, after = wanted.partition("*")
        return came.startswith(before) and came.endswith(after) if star else came == wanted

    if fits([each.type for each in events], expected):
        assert_events(events, expected, fold=False)
    else:
        refused(events, expected, fold=False)


# In outline


def test_an_outline_puts_deltas_among_one_another_in_one_line() -> None:
    text, sound = "response.output_text.delta", "response.output_audio.delta"
    assert in_outline(["a", sound, text, sound, "b", "b", text]) == ["a", f"{sound} + {text}", "b", "b", text]
    assert in_outline([]) == []


@given(st.permutations(["x.delta", "x.delta", "y.delta", "z.delta"]))
def test_their_order_is_a_matter_of_time(types: list[str]) -> None:
    assert in_outline(["a", *types, "b"]) == ["a", "x.delta + y.delta + z.delta", "b"]
