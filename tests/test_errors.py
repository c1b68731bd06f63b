"""What the package raises: facts in attributes, the message for a person, and copies that are like the original."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from realtime_azure import (
    AudioFileError,
    ConfigurationError,
    ConnectError,
    ConnectionClosed,
    ConnectionLost,
    HandshakeError,
    InvalidEvent,
    RealtimeError,
    StreamLapsed,
)
from realtime_azure.errors import Refusal, request_id_of

BAD_KEY = "Access denied due to invalid subscription key or wrong API endpoint."


def refused(status: int, headers: dict[str, str] | None = None, code: str | None = None, message: str = "") -> str:
    return str(HandshakeError(Refusal(status, headers or {}, b"", code, message)))


# A refused handshake.


def test_a_refusal_is_told_in_one_line() -> None:
    said = refused(404, {"apim-request-id": "b6e1"}, "DeploymentNotFound", "The API deployment does not exist.")
    assert said == (
        "the service refused the connection with HTTP 404 (DeploymentNotFound: The API deployment does not exist.) "
        "[request id b6e1]. Check the deployment's name and the endpoint; a dated api_version and 'v1' have "
        "different paths."
    )


def test_a_code_that_only_repeats_the_status_is_not_said_twice() -> None:
    assert refused(401, code="401", message=BAD_KEY).startswith(
        f"the service refused the connection with HTTP 401 ({BAD_KEY}). Check the key"
    )


def test_a_refusal_without_words_still_says_the_status() -> None:
    assert refused(502) == "the service refused the connection with HTTP 502"
    assert refused(502, {"x-request-id": "r1"}) == ("the service refused the connection with HTTP 502 [request id r1]")


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "may not be a realtime model"),
        (401, "Cognitive Services OpenAI User"),
        (403, "Networking"),
        (404, "deployment's name"),
        (429, "Too many requests"),
    ],
)
def test_a_refusal_says_what_to_try(status: int, hint: str) -> None:
    error = HandshakeError(Refusal(status))
    assert hint in error.hint
    assert str(error).endswith(error.hint)


@pytest.mark.parametrize("status", [301, 418, 500, 503])
def test_where_nothing_can_be_tried_there_is_no_hint(status: int) -> None:
    assert HandshakeError(Refusal(status)).hint == ""


def test_a_refusal_keeps_what_the_server_sent() -> None:
    headers = {"apim-request-id": "a", "x-request-id": "x", "x-ms-region": "East US 2"}
    error = HandshakeError(Refusal(429, headers, b'{"error":{}}', "TooManyRequests", "Slow down."))
    assert (error.status, error.code, error.message) == (429, "TooManyRequests", "Slow down.")
    assert error.headers == headers
    assert error.body == b'{"error":{}}'


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"apim-request-id": "a", "x-request-id": "x"}, "a"),
        ({"x-request-id": "x"}, "x"),
        ({"apim-request-id": "", "x-request-id": "x"}, "x"),
        ({"x-ms-client-request-id": "c"}, None),
        ({}, None),
    ],
)
def test_the_request_id_is_the_one_that_support_asks_for(headers: dict[str, str], wanted: str | None) -> None:
    assert request_id_of(headers) == wanted
    assert HandshakeError(Refusal(500, headers)).request_id == wanted
    assert ("[request id" in refused(500, headers)) is (wanted is not None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "nan", "retry-after": "7"}, 7.0),
    ],
)
def test_how_long_to_wait_is_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert HandshakeError(Refusal(429, headers)).retry_after == seconds


def test_a_refusal_does_not_print_headers_and_body_in_a_traceback() -> None:
    error = HandshakeError(Refusal(401, {"set-cookie": "hunter2"}, b"hunter2", "401", BAD_KEY))
    assert "hunter2" not in f"{error} {error!r} {error.args!r}"


# The end of a connection, a stream, a file.


def test_a_closed_connection_says_how() -> None:
    plain = ConnectionClosed("this connection was closed")
    assert (str(plain), plain.code, plain.reason) == ("this connection was closed", 1000, "")
    told = ConnectionClosed("closed", code=1001, reason="going away")
    assert (told.code, told.reason) == (1001, "going away")


def test_a_lost_connection_says_what_was_lost_with_it() -> None:
    plain = ConnectionLost("gone")
    assert (plain.code, plain.reason, plain.response_cut, plain.session_id) == (1006, "", None, None)
    assert plain.last_error is None
    told = ConnectionLost(
        "gone", code=1001, reason="expired", response_cut="resp_1", session_id="sess_1", last_error="60 minutes"
    )
    assert (str(told), told.code, told.reason) == ("gone", 1001, "expired")
    assert (told.response_cut, told.session_id, told.last_error) == ("resp_1", "sess_1", "60 minutes")


def test_a_lapsed_stream_says_how_much_it_dropped_and_what_to_do() -> None:
    error = StreamLapsed(17)
    assert error.dropped == 17
    assert "17 events were dropped" in str(error)
    assert "inbox_limit" in str(error)


# The tree.


@pytest.mark.parametrize(
    ("error", "caught_as"),
    [
        (ConfigurationError("x"), (RealtimeError, ValueError)),
        (InvalidEvent("x"), (RealtimeError, ValueError)),
        (AudioFileError("x"), (RealtimeError,)),
        (ConnectError("x"), (RealtimeError, ConnectionError, OSError)),
        (HandshakeError(Refusal(401)), (ConnectError, RealtimeError, ConnectionError, OSError)),
        (ConnectionClosed("x"), (RealtimeError,)),
        (ConnectionLost("x"), (ConnectionClosed, RealtimeError, ConnectionError, OSError)),
        (StreamLapsed(1), (RealtimeError,)),
    ],
)
def test_what_catches_what(error: RealtimeError, caught_as: tuple[type[BaseException], ...]) -> None:
    expected = {*caught_as, type(error), Exception, BaseException, object}
    assert set(type(error).__mro__) == expected


def test_a_connection_closed_on_purpose_is_no_network_trouble() -> None:
    """`except OSError` around a retry must not start again what the caller has ended."""
    assert not isinstance(ConnectionClosed("x"), OSError)


# Across a process boundary, as test runners and worker pools send them.

COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]  # noqa: S301


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("no endpoint"),
        ConnectError("host not found"),
        HandshakeError(Refusal(429, {"retry-after": "2", "apim-request-id": "a"}, b"{}", "TooMany", "Slow down.")),
        ConnectionClosed("closed", code=1001, reason="going away"),
        ConnectionLost("gone", code=1011, reason="r", response_cut="resp_1", session_id="s", last_error="e"),
        StreamLapsed(3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_says_and_holds_the_same(error: RealtimeError, copied: Callable[[Any], Any]) -> None:
    twin = copied(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
