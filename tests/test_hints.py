"""What a person is told to try after each refusal that Azure is known to send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import (
    AuthenticationError,
    BadRequest,
    NotFound,
    OperationNotSupported,
    PermissionDenied,
    RateLimited,
    Redirected,
    ServerError,
    StatusError,
)
from realtime_azure._handshake import refusal
from realtime_azure.hints import hint

URL = "wss://contoso.openai.azure.com/openai/v1/realtime"


@dataclass(frozen=True)
class Row:
    """A refusal as it comes, and what is made of it: *code* and *message* None where the body has none."""

    name: str
    status: int
    kind: type[StatusError]
    hint: str
    code: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def body(self) -> bytes:
        error = {"code": self.code, "message": self.message}
        return b"" if self.message is None else json.dumps({"error": error}).encode()

    def __str__(self) -> str:
        return self.name


TOKEN = (
    "The token has ended, or is for something else: ask for the scope https://cognitiveservices.azure.com/.default (or "
    "https://ai.azure.com/.default; .us and .cn have their own), at an endpoint of the form https://NAME.openai.azure.com."
)
BLOCKED = "Azure has blocked the resource for now: its page in the portal, or Azure's support, says why."
DOOR = (
    "The resource does not let in this network, or this way of signing in: see its page 'Networking', and whether its "
    "keys are disabled."
)
TROUBLE = "The service is in trouble: try again, and see https://azure.status.microsoft."
MODEL = (
    "Name a deployment of a realtime model. If it is one, its api_version may be the other form: newer models want "
    "'v1'."
)

ROWS = [
    Row(
        "nothing to sign in with",
        401,
        AuthenticationError,
        "No sign-in that is known there reached the service: pass api_key= or credential=.",
    ),
    Row(
        "a bad key",
        401,
        AuthenticationError,
        "Check that the key is one of this resource's own (its page 'Keys and Endpoint'), and that all of it is there.",
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource.",
    ),
    Row(
        "a role is missing",
        401,
        AuthenticationError,
        "The sign-in is good, but lacks a role: give its principal 'Cognitive Services OpenAI User' on the resource, "
        "and wait five minutes.",
        "PermissionDenied",
        "The principal `5e0bd9bd` lacks the required data action "
        "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/realtime/action` to perform `GET /openai/realtime` "
        "operation.",
    ),
    Row(
        "a token that has ended, or is for something else",
        401,
        AuthenticationError,
        TOKEN,
        "401",
        "Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired.",
    ),
    Row("a network rule", 403, PermissionDenied, DOOR, "403", "Access denied due to Virtual Network/Firewall rules."),
    Row(
        "a resource that is blocked",
        403,
        PermissionDenied,
        BLOCKED,
        "403",
        "The resource has been temporarily blocked.",
    ),
    Row(
        "no public network, said in a header",
        403,
        PermissionDenied,
        "The resource is closed to public networks: connect through its private endpoint.",
        "PublicNetworkAccessDisabled",
        headers={"x-ms-error-code": "PublicNetworkAccessDisabled"},
    ),
    Row(
        "not let in, said in a header",
        403,
        PermissionDenied,
        DOOR,
        "AuthorizationFailed",
        headers={"x-ms-error-code": "AuthorizationFailed"},
    ),
    Row("not let in, without a word", 403, PermissionDenied, DOOR),
    Row(
        "keys are disabled",
        403,
        PermissionDenied,
        "The resource takes no keys: sign in with Microsoft Entra ID, credential=DefaultAzureCredential().",
        "AuthenticationTypeDisabled",
        "Key based authentication is disabled for this resource.",
    ),
    Row(
        "no such deployment",
        404,
        NotFound,
        "deployment= is the name that was given to the deployment, not the model's; it has to be in this resource, and "
        "a new one takes five minutes.",
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
        "please wait a moment and try again.",
    ),
    Row(
        "no such path",
        404,
        NotFound,
        "Check the endpoint and api_version: 'v1' asks for /openai/v1/realtime, a date for /openai/realtime; a model "
        "may have only one of them.",
        "404",
        "Resource not found",
    ),
    *(
        Row(
            f"no realtime model, {code}",
            400,
            OperationNotSupported,
            MODEL,
            code,
            "The realtime operation does not work with the specified model. Please choose different model and try "
            "again.",
        )
        for code in ("OpperationNotSupported", "OperationNotSupported")
    ),
    Row(
        "no deployment named",
        400,
        OperationNotSupported,
        "Say which deployment: pass deployment=, or intent='transcription' for a session that only writes down.",
        "OperationNotSupported",
        "This operation requires either deployment=<deployment-id> or intent=transcription present on the querystring.",
    ),
    Row(
        "an api-version that is unknown",
        400,
        BadRequest,
        "Use api_version='v1', or a dated version that has realtime: '2025-04-01-preview'.",
        "BadRequest",
        "API version not supported",
    ),
    Row("a bad request, without a word", 400, BadRequest, "The URL form may be the other one: see api_version."),
    Row(
        "too many, for how long is said",
        429,
        RateLimited,
        "The service asks to wait 1.5 s.",
        "429",
        "Requests have exceeded the call rate limit of your current pricing tier. Please retry later.",
        {"retry-after-ms": "1500", "retry-after": "2"},
    ),
    Row(
        "too many",
        429,
        RateLimited,
        "Wait, open fewer connections at a time, or ask for more quota.",
        "TooManyRequests",
        "Too many requests.",
    ),
    Row(
        "too many headers",
        431,
        StatusError,
        "Azure takes at most 10 headers of its callers' own: leave some out.",
        "431",
        "Request Header Fields Too Large",
    ),
    Row("no answer in time", 408, StatusError, "Try again.", "408", "The operation was timeout."),
    Row("trouble", 500, ServerError, TROUBLE, "InternalServerError", "The server had an error."),
    Row("trouble before the service", 502, ServerError, TROUBLE),
    Row("unavailable", 503, ServerError, TROUBLE, "ServiceUnavailable", "The service is temporarily unable."),
    Row(
        "unavailable, for how long is said",
        503,
        ServerError,
        "The service asks to wait 20 s.",
        headers={"retry-after": "20"},
    ),
    Row(
        "elsewhere",
        307,
        Redirected,
        "It redirects to https://other.example/openai/v1/realtime, which is not followed: the sign-in would go there "
        "too. If that is the right place, make it the endpoint.",
        headers={"location": "https://other.example/openai/v1/realtime?code=hunter2"},
    ),
    Row(
        "elsewhere, unsaid where",
        302,
        Redirected,
        "It redirects, which is not followed: the sign-in would go there too. If that is the right place, make it the "
        "endpoint.",
    ),
    Row("something nobody knows", 418, StatusError, "", "Teapot", "Short and stout."),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_refusal_says_what_to_try(row: Row) -> None:
    said = {"apim-request-id": "req_1", "x-request-id": "req_2", "x-ms-region": "East US 2", **row.headers}
    error = StatusError.of(refusal(row.status, said, row.body, f"{URL}?code=hunter2"))
    assert type(error) is row.kind
    assert (error.status, error.code, error.message) == (row.status, row.code, row.message or "")
    assert (error.request_id, error.region) == ("req_1", "East US 2")
    assert (error.headers, error.body, error.url) == (said, row.body, URL)
    assert error.hint == row.hint
    assert str(error).endswith(f"[request id req_1]{f'. {row.hint}' if row.hint else ''}")
    assert "hunter2" not in f"{error} {error!r}"


@pytest.mark.parametrize("row", [row for row in ROWS if row.message and not row.headers], ids=str)
def test_the_case_of_what_was_said_does_not_matter(row: Row) -> None:
    """Gateways write it in other ways."""
    assert hint(row.status, f"{row.code} {row.message}".upper()) == row.hint


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("seconds", "said"), [(20.0, "20 s"), (0.25, "0.25 s"), (1.5, "1.5 s")])
def test_a_time_to_wait_is_told(status: int, seconds: float, said: str) -> None:
    assert hint(status, "", retry_after=seconds) == f"The service asks to wait {said}."


@pytest.mark.parametrize("seconds", [0.0, None])
def test_no_time_to_wait_is_not_told(seconds: float | None) -> None:
    assert "wait 0" not in hint(429, "", retry_after=seconds)
    assert hint(503, "", retry_after=seconds) == TROUBLE


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_time_to_wait_does_not_hide_what_would_help(status: int) -> None:
    assert hint(status, "", retry_after=5.0) == hint(status, "") != ""


@given(
    status=st.integers(100, 599),
    said=st.text(max_size=20) | st.sampled_from([f"{row.code} {row.message}" for row in ROWS]),
    location=st.sampled_from(["", "https://other.example/"]),
    retry_after=st.none() | st.floats(0, 1e9),
)
def test_a_hint_is_one_line_of_whole_sentences(
    status: int, said: str, location: str, retry_after: float | None
) -> None:
    advice = hint(status, said, location=location, retry_after=retry_after)
    assert advice == " ".join(advice.split())
    assert advice == "" or advice.endswith(".")
    assert advice or status // 100 not in {3, 5}
