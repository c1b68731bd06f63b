"""How long to wait before another attempt, and after which failures there is one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import (
    BrokenOff,
    ConnectError,
    ConnectTimeout,
    CredentialError,
    HostNotFound,
    ProxyError,
    StatusError,
    TlsError,
    Unreachable,
)
from realtime_azure.backoff import Backoff, may_help
from realtime_azure.errors import Refusal

SECONDS = st.floats(0, 1e6)
FIRST = st.just(0.0) | st.floats(1e-3, 1e6)
BACKOFFS = st.builds(Backoff, first=FIRST, longest=SECONDS, jitter=st.floats(0, 1))
TRIES = st.integers(1, 200)
STEADY = Backoff(first=0.5, longest=8.0, jitter=0.0)


def test_waits_double_until_the_longest() -> None:
    assert [STEADY.wait(tries) for tries in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


@given(backoff=BACKOFFS, tries=TRIES)
def test_a_wait_is_bounded_on_both_sides(backoff: Backoff, tries: int) -> None:
    whole = min(backoff.first * 2 ** (tries - 1), backoff.longest)
    wait = backoff.wait(tries)
    assert math.isfinite(wait)
    assert 0 <= whole * (1 - backoff.jitter) * (1 - 1e-9) <= wait <= whole


@given(backoff=BACKOFFS, tries=TRIES, asked=SECONDS)
def test_no_wait_ends_before_the_service_asked_or_much_after(backoff: Backoff, tries: int, asked: float) -> None:
    wait = backoff.wait(tries, asked)
    assert asked <= wait <= (asked + backoff.first * backoff.jitter) * (1 + 1e-9)


@given(first=FIRST, longest=SECONDS, tries=TRIES)
def test_without_jitter_a_wait_never_shrinks(first: float, longest: float, tries: int) -> None:
    backoff = Backoff(first=first, longest=longest, jitter=0.0)
    assert backoff.wait(tries) <= backoff.wait(tries + 1) <= longest


@pytest.mark.parametrize("tries", [10**3, 10**6, 10**400])
def test_the_number_of_attempts_does_not_overflow(tries: int) -> None:
    assert STEADY.wait(tries) == 8.0


@pytest.mark.parametrize("tries", [0, -1, -(10**400)])
def test_before_any_attempt_the_first_wait_is_as_good(tries: int) -> None:
    assert STEADY.wait(tries) == 0.5


@pytest.mark.parametrize("asked", [None, 0.0, 3.0])
def test_many_who_failed_in_one_moment_do_not_come_back_in_one(asked: float | None) -> None:
    waits = [Backoff().wait(3, asked) for _ in range(200)]
    assert len(set(waits)) > 190
    earliest, latest = min(waits), max(waits)
    width = 2.0 * 0.25 if asked is None else 0.5 * 0.25
    assert width * 0.8 < latest - earliest <= width


def test_what_the_service_asks_wins_over_the_longest_wait() -> None:
    """Whoever comes back earlier is only refused again; how long in all is the caller's own time."""
    assert Backoff(longest=1.0).wait(1, 60.0) >= 60.0


def test_a_service_that_asks_for_no_wait_is_not_stormed() -> None:
    assert any(Backoff().wait(1, 0.0) > 0.01 for _ in range(100))


# Whether another attempt may help.


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (ConnectError("x"), False),
        (CredentialError("x"), False),
        (HostNotFound("x"), False),
        (Unreachable("x"), False),
        (BrokenOff("x"), True),
        (TlsError("x"), False),
        (ConnectTimeout("x"), True),
        (ProxyError("x"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_answer_that_was_not_given_may_come_later(error: ConnectError, helps: bool) -> None:
    assert may_help(error) is helps


def test_every_way_not_to_be_answered_is_decided_here() -> None:
    kinds = {kind for kind in ConnectError.__subclasses__() if kind is not StatusError}
    assert kinds == {CredentialError, HostNotFound, Unreachable, BrokenOff, TlsError, ConnectTimeout, ProxyError}


def test_only_some_refusals_are_worth_another_attempt() -> None:
    for headers in ({}, {"retry-after": "1"}):
        helps = {s for s in range(200, 600) if may_help(StatusError.of(Refusal(s, headers)))}
        assert helps == {408, 429, *range(500, 600)}


@pytest.mark.parametrize("status", [407, 502, 503])
def test_a_proxys_refusal_is_not_tried_again(status: int) -> None:
    error = ProxyError("the proxy refused")
    error.status = status
    assert not may_help(error)


@pytest.mark.parametrize("code", ["OperationNotSupported", "OpperationNotSupported", "DeploymentNotFound", "429"])
def test_a_code_does_not_make_a_refusal_worth_another_attempt(code: str) -> None:
    assert not may_help(StatusError.of(Refusal(400, code=code)))


def test_a_conflict_is_worth_another_attempt_for_a_request_only() -> None:
    assert may_help(StatusError.of(Refusal(409, method="POST")))
    assert not may_help(StatusError.of(Refusal(409)))


def test_only_some_refusals_of_a_request_are_worth_another_attempt() -> None:
    helps = {s for s in range(200, 600) if may_help(StatusError.of(Refusal(s, method="GET")))}
    assert helps == {408, 409, 429, *range(500, 600)}
