"""Sequences of events compared, so that a person sees at a glance where they part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    lines = _Difference(came, expected).lines()
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
            return expected.__name__
        case Mapping():
            more = {name: each for name, each in expected.items() if name != "type"}
            return f"{expected.get('type', 'any event')} with {more}" if more else str(expected.get("type"))
        case _:
            return "..."


def _label(event: ServerEvent) -> str:
    return f"{event.type}: {event.error.message}" if isinstance(event, ErrorEvent) else event.type


def _other_fields(event: ServerEvent, expected: Expected) -> str | None:
    """What *event*, of the type that was *expected*, has in the fields that are not; None for one of another type."""
    if not isinstance(expected, Mapping) or expected.get("type") != event.type:
        return None
    there = _said({"type": event.type, **_picked(expected, event.model_dump(exclude_unset=True))})
    return there if there == event.type else there + _label(event).removeprefix(event.type)


def _picked(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, Any]:
    """Of *got*, the fields that *wanted* names; those that it has not are left out."""
    picked: dict[str, Any] = {}
    for name in wanted.keys() & got.keys():
        each, there = wanted[name], got[name]
        inside = isinstance(each, Mapping) and isinstance(there, Mapping)
        picked[name] = (
            _picked(each, there) if inside else f"<{len(there)} bytes>" if isinstance(there, bytes) else there
        )
    return {name: picked[name] for name in wanted if name in picked}


class _Difference:
    """The fewest lines in which what came and what was expected differ: by what fits, not by how it is written."""

    def __init__(self, came: Sequence[ServerEvent], expected: Sequence[Expected]) -> None:
        self._came, self._expected = came, expected
        self._costs: dict[tuple[int, int], int] = {}
        for at in reversed(range(len(expected) + 1)):
            for where in reversed(range(len(came) + 1)):
                self._costs[at, where] = min((cost for cost, _, _ in self._steps(at, where)), default=0)

    def lines(self) -> Iterator[str]:
        place = (0, 0)
        while place != (len(self._expected), len(self._came)):
            _, said, place = min(self._steps(*place), key=lambda step: step[0])
            if said:
                yield said

    def _steps(self, at: int, where: int) -> Iterator[tuple[int, str, tuple[int, int]]]:
        """What can be the next line, where it leads, and how many differ from here on."""
        expected, came = self._expected[at : at + 1], self._came[where : where + 1]
        free = expected and isinstance(expected[0], EllipsisType)
        if free:
            yield self._costs[at + 1, where], "  ...", (at + 1, where)
        elif expected and came and _is(came[0], expected[0]):
            yield self._costs[at + 1, where + 1], f"  {_label(came[0])}", (at + 1, where + 1)
        elif expected:
            if came and (other := _other_fields(came[0], expected[0])):
                both = f"- {_said(expected[0])}\n+ {other}"
                yield self._costs[at + 1, where + 1] + 1, both, (at + 1, where + 1)
            yield self._costs[at + 1, where] + 1, f"- {_said(expected[0])}", (at + 1, where)
        if came and free:
            yield self._costs[at, where + 1], "", (at, where + 1)
        elif came:
            yield self._costs[at, where + 1] + 1, f"+ {_label(came[0])}", (at, where + 1)


def in_outline(types: Iterable[str]) -> list[str]:
    """*types* in the order they came; deltas among one another are one line, for their mixture is a matter of time."""
    outline: list[str] = []
    for are_deltas, group in groupby(types, lambda kind: kind.endswith(".delta")):
        run = list(group)
        outline += [" + ".join(sorted(set(run)))] if are_deltas else run
    return outline
