"""What the package raises: facts in attributes, the message for a person, and copies that are like the original."""

from __future__ import annotations

import copy
import math
import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from anyio import BusyResourceError
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import (
    AnswerCut,
    AnswerError,
    AudioFileError,
    AuthenticationError,
    BadRequest,
    BrokenOff,
    ConfigurationError,
    ConnectError,
    ConnectionClosed,
    ConnectionLost,
    ConnectTimeout,
    ContentFiltered,
    CredentialError,
    EventRejected,
    HostNotFound,
    InvalidEvent,
    NotFound,
    OperationNotSupported,
    PermissionDenied,
    ProxyError,
    RateLimited,
    RealtimeError,
    Redirected,
    ServerError,
    StatusError,
    StreamBusy,
    StreamFailed,
    StreamLapsed,
    TlsError,
    Unreachable,
)
from realtime_azure.errors import Refusal, request_id_of, retry_after_of

BAD_KEY = "Access denied due to invalid subscription key or wrong API endpoint."
NOT_FOUND = "The API deployment for this resource does not exist."


def refused(status: int, headers: dict[str, str] | None = None, code: str | None = None, message: str = "") -> str:
    return str(StatusError.of(Refusal(status, headers or {}, b"", code, message)))


# A refused handshake.


def test_a_refusal_is_told_in_one_line() -> None:
    url = "wss://contoso.openai.azure.com/openai/v1/realtime"
    error = StatusError.of(Refusal(404, {"apim-request-id": "b6e1"}, b"", "DeploymentNotFound", NOT_FOUND, url))
    assert str(error) == (
        f"the service refused the connection to {url} with HTTP 404 (DeploymentNotFound: {NOT_FOUND}) "
        "[request id b6e1]. deployment= is the name that was given to the deployment, not the model's; it has to be "
        "in this resource, and a new one takes five minutes."
    )


def test_a_refusal_after_several_attempts_says_how_many() -> None:
    error = StatusError.of(Refusal(503, {"x-request-id": "r1"}, b"", "Busy", "Later."))
    error.attempts = 3
    assert str(error) == (
        "the service refused the connection with HTTP 503 (Busy: Later.) [request id r1], after 3 attempts. The "
        "service is in trouble: try again, and see https://azure.status.microsoft."
    )


def test_a_code_that_only_repeats_the_status_is_not_said_twice() -> None:
    assert refused(401, code="401", message=BAD_KEY).startswith(
        f"the service refused the connection with HTTP 401 ({BAD_KEY}). Check that the key"
    )


def test_a_refusal_without_words_still_says_the_status() -> None:
    assert refused(418) == "the service refused the connection with HTTP 418"
    assert refused(418, {"x-request-id": "r1"}) == "the service refused the connection with HTTP 418 [request id r1]"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param(None, "Slow\r\n  down.", id="message"),
        pytest.param("Too\nMany", "Slow down.", id="code"),
        pytest.param(None, "Slow\N{LINE SEPARATOR}down.", id="separator"),
    ],
)
def test_a_refusal_in_several_lines_is_told_in_one(code: str | None, message: str) -> None:
    assert len(refused(418, code=code, message=message).splitlines()) == 1


def test_what_can_be_tried_ends_the_message() -> None:
    for status in range(200, 600):
        error = StatusError.of(Refusal(status, {}, b"", "Code", "Message"))
        said = f"the service refused the connection with HTTP {status} (Code: Message)"
        assert str(error) == (f"{said}. {error.hint}" if error.hint else said)
        assert len(str(error).splitlines()) == 1


NAMED: dict[int, type[StatusError]] = {
    400: BadRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
}


def test_the_status_says_which_class() -> None:
    by_hundred: dict[int, type[StatusError]] = {3: Redirected, 5: ServerError}
    for status in range(200, 600):
        error = StatusError.of(Refusal(status))
        assert type(error) is NAMED.get(status, by_hundred.get(status // 100, StatusError)), status
        assert error.status == status


@pytest.mark.parametrize("code", ["OperationNotSupported", "OpperationNotSupported"])
def test_what_a_model_does_not_do_is_known_in_both_spellings(code: str) -> None:
    error = StatusError.of(Refusal(400, {}, b"", code, "Please choose different model."))
    assert type(error) is OperationNotSupported
    assert error.code == code  # as the service spelt it
    assert "a realtime model" in error.hint


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "BadRequest", BadRequest),
        (400, None, BadRequest),
        (404, "OperationNotSupported", NotFound),
        (500, "OpperationNotSupported", ServerError),
    ],
)
def test_only_a_bad_request_is_one_that_the_model_does_not_do(
    status: int, code: str | None, kind: type[StatusError]
) -> None:
    assert type(StatusError.of(Refusal(status, {}, b"", code))) is kind


def test_a_refusal_keeps_what_the_server_sent() -> None:
    headers = {"apim-request-id": "a", "x-request-id": "x", "x-ms-region": "East US 2", "retry-after": "2"}
    body = b'{"error":{}}'
    error = StatusError.of(Refusal(429, headers, body, "TooManyRequests", "Slow down.", "wss://h/openai/realtime"))
    assert vars(error) == {
        "said": Refusal(429, headers, body, "TooManyRequests", "Slow down.", "wss://h/openai/realtime"),
        "status": 429,
        "code": "TooManyRequests",
        "message": "Slow down.",
        "headers": headers,
        "body": body,
        "url": "wss://h/openai/realtime",
        "request_id": "a",
        "region": "East US 2",
        "retry_after": 2.0,
        "location": "",
        "hint": "The service asks to wait 2 s.",
        "client_request_id": None,
        "attempts": 1,
    }


def test_a_refusal_of_few_words_has_every_attribute() -> None:
    error = StatusError.of(Refusal(418))
    assert (error.code, error.message, error.headers, error.body, error.url) == (None, "", {}, b"", "")
    assert (error.request_id, error.region, error.retry_after) == (None, None, None)
    assert (error.client_request_id, error.attempts, error.hint, error.location) == (None, 1, "", "")


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
    assert StatusError.of(Refusal(500, headers)).request_id == wanted
    assert ("[request id" in refused(500, headers)) is (wanted is not None)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://other.example/openai/v1/realtime?code=hunter2", "https://other.example/openai/v1/realtime"),
        ("https://other.example/a#code=hunter2", "https://other.example/a"),
        ("https://other.example/?a=b?code=hunter2", "https://other.example/"),
        ("/login?code=hunter2", "/login"),
        ("https://other.example", "https://other.example"),
    ],
)
def test_a_redirect_says_where_to_without_its_query(location: str, shown: str) -> None:
    error = StatusError.of(Refusal(307, {"location": location}))
    assert isinstance(error, Redirected)
    assert error.location == shown
    assert f"It redirects to {shown}, which is not followed" in str(error)
    assert "hunter2" not in f"{error} {error!r} {error.args!r}"


def test_a_redirect_to_nowhere_is_told_too() -> None:
    error = StatusError.of(Refusal(302))
    assert error.location == ""
    assert "It redirects, which is not followed" in str(error)


# How long to wait.


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "0", "retry-after": "7"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Someday, 99 Nov 2026 99:99:99 GMT"}, None),
        ({}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "nan", "retry-after": "7"}, 7.0),
        ({"retry-after": "9" * 400}, None),
        # a date: the clock of this test stands at 12:00:00
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sunday, 22-Nov-26 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:59 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 14:00:30 +0200"}, 30.0),
        ({"retry-after-ms": "soon", "retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
    ],
)
def test_how_long_to_wait_is_in_seconds(
    headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr(time, "time", lambda: noon)
    assert retry_after_of(headers) == seconds
    assert StatusError.of(Refusal(429, headers)).retry_after == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="only POSIX can move this process to another zone")
@pytest.mark.parametrize(
    "date",
    [
        "Sun, 22 Nov 2026 12:00:30 GMT",
        *(pytest.param(date) for date in ("Sun Nov 22 12:00:30 2026", "Sun, 22 Nov 2026 12:00:30 -0000")),
    ],
)
def test_a_date_to_wait_for_is_in_universal_time(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all the forms of RFC 9110 §5.6.7, the one of asctime too, wherever this machine is."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        patch.setattr(time, "time", lambda: noon)
        seconds = retry_after_of({"retry-after": date})
    time.tzset()
    assert seconds == 30.0


SCRAPS = st.lists(
    st.sampled_from(
        [*"Sun, 22 Nov 2026 12:00:30 GMT + - +9999 -0000 99999999999 1:2:3 :: , . 0 inf 1e999".split(), "\xb2"]
    ),
    max_size=8,
).map(" ".join)


@given(st.text(max_size=20) | SCRAPS, st.text(max_size=20) | SCRAPS)
def test_whatever_a_server_says_to_wait_is_a_time_or_nothing(seconds: str, milliseconds: str) -> None:
    wait = retry_after_of({"retry-after": seconds, "retry-after-ms": milliseconds})
    assert wait is None or (math.isfinite(wait) and wait >= 0)


def test_a_refusal_does_not_print_headers_and_body_in_a_traceback() -> None:
    error = StatusError.of(Refusal(401, {"set-cookie": "hunter2"}, b"hunter2", "401", BAD_KEY))
    assert "hunter2" not in f"{error} {error!r} {error.args!r}"


# No connection.


def test_a_connection_that_did_not_come_about_says_what_to_try() -> None:
    error = Unreachable("could not reach h:443: refused", hint="Check the port.")
    assert str(error) == "could not reach h:443: refused. Check the port."
    error.attempts = 2
    assert str(error) == "could not reach h:443: refused, after 2 attempts. Check the port."
    assert error.hint == "Check the port."
    assert str(BrokenOff("h hung up")) == "h hung up"


def test_a_connection_that_did_not_come_about_has_the_attributes_of_a_refusal() -> None:
    """So that a caller can log them without asking which it was."""
    error = ConnectTimeout("h did not answer")
    assert (error.status, error.code, error.message, error.body) == (None, None, error.said, b"")
    assert (error.request_id, error.client_request_id, error.region, error.retry_after) == (None, None, None, None)
    assert (error.hint, error.attempts, dict(error.headers)) == ("", 1, {})
    with pytest.raises(TypeError):
        error.headers["x"] = "shared by all of them"  # type: ignore[index]  # that is the point


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


CONNECTING = (ConnectError, RealtimeError, ConnectionError, OSError)
REFUSING = (StatusError, *CONNECTING)


@pytest.mark.parametrize(
    ("error", "caught_as"),
    [
        (ConfigurationError("x"), (RealtimeError, ValueError)),
        (InvalidEvent("x"), (RealtimeError, ValueError)),
        (AudioFileError("x"), (RealtimeError,)),
        (ConnectError("x"), CONNECTING),
        (CredentialError("x"), CONNECTING),
        (HostNotFound("x"), CONNECTING),
        (Unreachable("x"), CONNECTING),
        (BrokenOff("x"), CONNECTING),
        (TlsError("x"), CONNECTING),
        (ConnectTimeout("x"), (*CONNECTING, TimeoutError)),
        (ProxyError("x"), CONNECTING),
        (StatusError.of(Refusal(418)), REFUSING),
        (StatusError.of(Refusal(302)), REFUSING),
        (StatusError.of(Refusal(400)), REFUSING),
        (StatusError.of(Refusal(400, code="OperationNotSupported")), (BadRequest, *REFUSING)),
        (StatusError.of(Refusal(401)), REFUSING),
        (StatusError.of(Refusal(403)), REFUSING),
        (StatusError.of(Refusal(404)), REFUSING),
        (StatusError.of(Refusal(429)), REFUSING),
        (StatusError.of(Refusal(503)), REFUSING),
        (ConnectionClosed("x"), (RealtimeError,)),
        (ConnectionLost("x"), (ConnectionClosed, RealtimeError, ConnectionError, OSError)),
        (StreamBusy(), (RealtimeError, BusyResourceError)),
        (StreamLapsed(1), (RealtimeError,)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_catches_what(error: RealtimeError, caught_as: tuple[type[BaseException], ...]) -> None:
    expected = {*caught_as, type(error), Exception, BaseException, object}
    assert set(type(error).__mro__) == expected


def test_a_connection_closed_on_purpose_is_no_network_trouble() -> None:
    """`except OSError` around a retry must not start again what the caller has ended."""
    assert not isinstance(ConnectionClosed("x"), OSError)


# Across a process boundary, as test runners and worker pools send them.

COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]  # noqa: S301


def tried(error: ConnectError) -> ConnectError:
    """*error* as it leaves the last of several attempts."""
    error.attempts, error.client_request_id = 3, "c0ffee"
    return error


SAID = {
    "retry-after": "2",
    "apim-request-id": "a",
    "x-ms-region": "East US 2",
    "location": "https://other.example/?code=k",
}
STATUSES = [
    *((status, None) for status in (307, 400, 401, 403, 404, 418, 429, 503)),
    *((400, code) for code in ("OperationNotSupported", "OpperationNotSupported", "content_filter")),
]
CONNECT_ERRORS: list[type[ConnectError]] = [
    *(ConnectError, CredentialError, HostNotFound, Unreachable, BrokenOff, TlsError, ConnectTimeout, ProxyError)
]
ERRORS: list[RealtimeError] = [
    RealtimeError("x"),
    ConfigurationError("no endpoint"),
    InvalidEvent("no type"),
    AudioFileError("no file"),
    *(tried(kind("no way", hint="Try another.")) for kind in CONNECT_ERRORS),
    *(
        tried(StatusError.of(Refusal(status, SAID, b"{}", code, "No.", "wss://h/openai/realtime")))
        for status, code in STATUSES
    ),
    tried(StatusError.of(Refusal(409, SAID, b"{}", None, "No.", "https://h/openai/files", "POST"))),
    AnswerError("no JSON", request_id="a", body=b"<html>"),
    AnswerCut("it was cut", request_id="a", body=b"{"),
    StreamFailed("no", code="c", kind="server_error", param="p", request_id="a", body=b"{}"),
    ConnectionClosed("closed", code=1001, reason="going away"),
    ConnectionLost("gone", code=1011, reason="r", response_cut="resp_1", session_id="s", last_error="e"),
    EventRejected("no", code="c", kind="invalid_request_error", param="session.type", event_id="event_1"),
    StreamBusy(),
    StreamLapsed(3),
]


def grown(kind: type[RealtimeError]) -> set[type[RealtimeError]]:
    return {kind}.union(*(grown(child) for child in kind.__subclasses__() if child.__module__ == kind.__module__))


def test_every_error_is_copied_here() -> None:
    assert {type(error) for error in ERRORS} == grown(RealtimeError)


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_copy_says_and_holds_the_same(error: RealtimeError, copied: Callable[[Any], Any]) -> None:
    twin = copied(error)
    assert twin is not error
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert repr(twin) == repr(error)
    assert vars(twin) == vars(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_says_something_in_one_line(error: RealtimeError) -> None:
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_a_proxys_answer_is_copied_too(copied: Callable[[Any], Any]) -> None:
    error = ProxyError("the proxy refused", hint="Give it a password.")
    error.status = 407
    assert (copied(error).status, copied(error).hint) == (407, "Give it a password.")


@pytest.mark.parametrize("code", ["content_filter", "ResponsibleAIPolicyViolation"])
def test_what_the_filters_refuse_is_a_kind_of_its_own(code: str) -> None:
    error = StatusError.of(Refusal(400, code=code, method="POST"))
    assert type(error) is ContentFiltered
    assert error.filtered is None


def test_an_answer_that_was_cut_is_network_trouble_and_one_that_failed_is_not() -> None:
    assert isinstance(AnswerCut("x"), ConnectionError)
    assert not isinstance(StreamFailed("x"), OSError)


def test_an_answer_that_cannot_be_used_names_its_request() -> None:
    assert str(AnswerError("no JSON", request_id="a")) == "no JSON [request id a]"
    assert str(AnswerError("no JSON")) == "no JSON"


def test_a_request_that_was_refused_says_which_it_was() -> None:
    error = StatusError.of(Refusal(409, {}, b"", "conflict", "Busy.", "https://h/openai/files", "POST"))
    assert str(error).startswith("the service refused POST https://h/openai/files with HTTP 409 (conflict: Busy.)")
