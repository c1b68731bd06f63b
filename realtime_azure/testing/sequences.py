"""Sequences of events compared, so that a person sees at a glance where they part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import ndiff
from fnmatch import fnmatchcase
from itertools import groupby
from types import EllipsisType
from typing import Any

from ..events import ErrorEvent, ServerEvent

Expected = str | type[Any] | Mapping[str, Any] | EllipsisType
"""What an event has to be: of a type (`"response.done"`, `"response.*"`), of a class, with fields
(`{"type": "error", "error": {"code": "…"}}`), or `...`: any number of any."""


def assert_events(events: Iterable[ServerEvent], expected: Sequence[Expected], *, fold: bool = True) -> None:
    """Raises `AssertionError`, with a diff, unless *events* are those that are *expected*, one for one.

    With *fold*, several deltas of one type in a row count as one. Fields that an expectation does not name may be any.
    """
    came = list(_folded(events) if fold else events)
    if _fits(came, list(expected)):
        return
    lines = [line for line in ndiff([_said(each) for each in expected], _labels(came)) if not line.startswith("?")]
    raise AssertionError("\n".join(["these are not the events that were expected (- expected, + came):", *lines]))


def _folded(events: Iterable[ServerEvent]) -> Iterator[ServerEvent]:
    for kind, run in groupby(events, lambda event: event.type):
        same = list(run)
        yield from same[:1] if kind.endswith(".delta") else same


def _fits(events: list[ServerEvent], expected: list[Expected]) -> bool:
    """Whether they match; by the positions up to which the expectations so far can have come (`...` makes several)."""
    reached = {0}
    for each in expected:
        if isinstance(each, EllipsisType):
            reached = set(range(min(reached), len(events) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(events) and _is(events[at], each)}
        if not reached:
            return False
    return len(events) in reached


def _is(event: ServerEvent, expected: Expected) -> bool:
    match expected:
        case str():
            return fnmatchcase(event.type, expected)
        case type():
            return isinstance(event, expected)
        case Mapping():
            return _within(expected, event.model_dump(exclude_unset=True) | {"type": event.type})
        case _:
            return True


def _within(wanted: Any, got: Any) -> bool:
    """Whether *got* has all that *wanted* has."""
    if isinstance(wanted, Mapping):
        return isinstance(got, Mapping) and all(
            name in got and _within(each, got[name]) for name, each in wanted.items()
        )
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        return len(wanted) == len(got) and all(map(_within, wanted, got))
    return bool(wanted == got)


def _said(expected: Expected) -> str:
    match expected:
        case str():
            return expected
        case type():
            kinds = (
                getattr(expected.model_fields.get("type"), "default", None)
                if hasattr(expected, "model_fields")
                else None
            )
            return kinds if isinstance(kinds, str) else expected.__name__
        case Mapping():
            more = {name: each for name, each in expected.items() if name != "type"}
            return f"{expected.get('type', 'any event')} with {more}" if more else str(expected.get("type"))
        case _:
            return "..."


def _labels(events: Iterable[ServerEvent]) -> list[str]:
    return [f"{each.type}: {each.error.message}" if isinstance(each, ErrorEvent) else each.type for each in events]


def in_outline(types: Iterable[str]) -> list[str]:
    """*types* in the order they came; deltas among one another are one line, for their mixture is a matter of time."""
    outline: list[str] = []
    for are_deltas, group in groupby(types, lambda kind: kind.endswith(".delta")):
        run = list(group)
        outline += [" + ".join(sorted(set(run)))] if are_deltas else run
    return outline
