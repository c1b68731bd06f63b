"""What is made of an answer, whatever is in it. Pure."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from realtime_azure.errors import AnswerError, ContentFiltered, Refusal, StatusError
from realtime_azure.rest import (
    ChatCompletion,
    ChatCompletionChunk,
    ClientSecret,
    ContentFilterResults,
    Embeddings,
    FileObjects,
    Image,
    ImageEvent,
    Images,
    Models,
    RateLimits,
    Response,
    ResponseEvent,
    Result,
    Transcription,
)
from realtime_azure.rest.call import as_json, form_fields, reader_of
from realtime_azure.rest.exchange import _filtered  # pyright: ignore[reportPrivateUsage]  # what reads an innererror
from realtime_azure.rest.result import read

HEADERS = httpx2.Headers({"apim-request-id": "r1", "X-RateLimit-Remaining-Requests": "9"})
FILTERS = {
    "hate": {"filtered": False, "severity": "safe"},
    "jailbreak": {"filtered": True, "detected": True},
    "newer": {"filtered": False},
}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTERS}],
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello.", "refusal": None},
            "content_filter_results": FILTERS,
            "logprobs": {"content": [{"token": "Hello", "bytes": [72], "logprob": -0.1, "top_logprobs": []}]},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def chat(**change: Any) -> ChatCompletion:
    return read(ChatCompletion, json.dumps({**CHAT, **change}).encode(), HEADERS)


def test_what_azure_says_of_filters_has_types() -> None:
    answer = chat()
    assert answer.prompt_filter_results is not None
    for results in (answer.prompt_filter_results[0].content_filter_results, answer.choices[0].content_filter_results):
        assert results is not None
        assert results.hate is not None
        assert (results.hate.severity, results.hate.filtered) == ("safe", False)
        assert results.jailbreak is not None
        assert results.jailbreak.detected
        assert results.filtered
        assert results.model_extra == {"newer": {"filtered": False}}
        assert results.violence is None


def test_what_is_newer_is_kept() -> None:
    answer = chat(novelty={"a": 1}, service_tier="turbo")
    assert (answer.model_extra or {})["novelty"] == {"a": 1}
    assert answer.service_tier == "turbo"
    assert json.loads(answer.model_dump_json(exclude_unset=True)) == json.loads(answer.raw)
    answer = chat(choices=[{"index": 0, "finish_reason": "bored", "message": {"role": "robot"}}])
    assert answer.choices[0].finish_reason == "bored"
    assert answer.text == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"created": "yesterday"}, "created"),
        ({"choices": [{"index": "x", "message": {"content": "Hello."}}]}, "choices.0.index"),
        ({"usage": 5}, "usage"),
        ({"prompt_filter_results": [{"content_filter_results": {"hate": "no"}}]}, "prompt_filter_results.0"),
    ],
)
def test_what_cannot_be_read_is_left_unset_and_named(change: dict[str, Any], problem: str) -> None:
    answer = chat(**change)
    assert [each.partition(": ")[0].startswith(problem) for each in answer.problems] == [True]
    assert answer.text == "Hello."
    assert answer.id == "chatcmpl-1"


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b"null", b'"x"', b"\xff", b'{"a":'])
def test_what_is_no_answer_is_an_error_that_says_so(body: bytes) -> None:
    with pytest.raises(AnswerError, match=r"the answer is .*\[request id r1\]") as caught:
        read(ChatCompletion, body, HEADERS)
    assert caught.value.body == body


def test_a_type_of_the_callers_own_is_read_or_refused() -> None:
    assert read(dict[str, int], b'{"a": 1}', HEADERS) == {"a": 1}
    with pytest.raises(AnswerError, match=r"a: Input should be a valid integer"):
        read(dict[str, int], b'{"a": "secret"}', HEADERS)


class Own(BaseModel):
    """A caller's own: it says itself what it can do without."""

    id: str
    count: int | None = None


def test_a_model_of_the_callers_own_loses_nothing_without_a_word() -> None:
    assert read(Own, b'{"id": "a", "count": 2}', HEADERS) == Own(id="a", count=2)
    for body, place in ((b'{"id": "a", "count": "many"}', "count"), (b'{"count": 1}', "id")):
        with pytest.raises(AnswerError, match=rf"{place}: .*\[request id r1\]") as caught:
            read(Own, body, HEADERS)
        assert "many" not in str(caught.value)


def test_a_stream_of_the_callers_own_events_loses_nothing_either() -> None:
    read_event = reader_of(Own, httpx2.Response(200, headers=HEADERS))
    assert read_event(b'{"id": "a"}') == Own(id="a")
    with pytest.raises(AnswerError, match="count"):
        read_event(b'{"id": "a", "count": "many"}')
    tolerant = reader_of(ChatCompletionChunk, httpx2.Response(200, headers=HEADERS))
    assert tolerant(b'{"id": "a", "created": "now"}').id == "a"


NEWER: list[Any] = [
    {"custom_blocklists": {"filtered": True, "details": [{"id": "mine", "filtered": True}]}},
    {"custom_blocklists": [{"id": "mine", "filtered": True}]},
    {"novelty": {"filtered": True, "severity": "high"}},
]


@pytest.mark.parametrize("found", NEWER)
def test_a_filter_that_is_newer_counts_as_well(found: dict[str, Any]) -> None:
    results = ContentFilterResults.model_validate({"hate": {"filtered": False, "severity": "safe"}, **found})
    assert results.filtered
    assert results.model_extra == found


@pytest.mark.parametrize("found", [{"novelty": {"filtered": False}}, {"novelty": 1}, {"novelty": []}, {}])
def test_a_filter_that_is_newer_and_let_it_through(found: dict[str, Any]) -> None:
    assert not ContentFilterResults.model_validate({"hate": {"filtered": False}, **found}).filtered


def test_a_chunk_of_the_asynchronous_filter_has_no_text() -> None:
    choice = {
        "index": 0,
        "finish_reason": None,
        "content_filter_results": FILTERS,
        "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198},
    }
    chunk = read(ChatCompletionChunk, json.dumps({"id": "", "choices": [choice]}).encode(), HEADERS)
    (only,) = chunk.choices
    assert (chunk.text, only.delta) == ("", None)
    assert only.content_filter_results is not None
    assert only.content_filter_results.filtered
    assert only.content_filter_offsets is not None
    assert (only.content_filter_offsets.start_offset, only.content_filter_offsets.end_offset) == (44, 198)


@pytest.mark.parametrize("kind", [Image, ImageEvent], ids=lambda kind: str(kind.__name__))
def test_a_picture_that_is_broken_is_an_error_of_ours(kind: type[Image | ImageEvent]) -> None:
    assert kind(b64_json="AAEC").content == b"\0\1\2"
    assert kind().content == b""
    for broken in ("A", "ø", "AA-_"):
        with pytest.raises(AnswerError, match="base64"):
            _ = kind(b64_json=broken).content


def test_numbers_that_are_none_cost_their_vector_alone() -> None:
    data = [
        {"index": 0, "embedding": "AACAPw=="},
        {"index": 1, "embedding": "AACA"},
        {"index": 2, "embedding": [1, 0.5]},
    ]
    made = read(Embeddings, json.dumps({"data": data}).encode(), HEADERS)
    assert made.vectors == [[1.0], [], [1.0, 0.5]]
    assert [problem.partition(": ")[0] for problem in made.problems] == ["data.1.embedding"]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("AAAA")
NAMES = st.sampled_from([*sorted(CHAT), "data", "hate", "message", "logprobs"])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
KINDS: list[type[Any]] = [
    *(ChatCompletion, ChatCompletionChunk, Embeddings, Images, Models, FileObjects, Response, ResponseEvent),
    *(Transcription, ClientSecret),
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(
    st.sampled_from(KINDS), st.dictionaries(st.sampled_from(sorted({n for k in KINDS for n in k.model_fields})), JSON)
)
def test_any_object_is_an_answer(kind: type[Result], fields: dict[str, Any]) -> None:
    """A field of a wrong type costs that field alone; nothing else is raised, and nothing goes on for ever."""
    made = read(kind, json.dumps(fields).encode(), HEADERS)
    assert isinstance(made, kind)
    assert set(made.model_fields_set) <= set(fields)


def test_what_came_with_it() -> None:
    answer = chat()
    assert answer.request_id == "r1"
    assert answer.headers["x-ratelimit-remaining-requests"] == "9"
    assert answer.rate_limits.remaining_requests == 9
    assert answer.rate_limits.limit_tokens is None


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))]  # noqa: S301


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_a_copy_is_the_same_but_for_what_came_with_it(copied: Callable[[Any], Any]) -> None:
    other = copied(chat())
    assert other == chat()
    assert other.rate_limits == RateLimits() or other.request_id == "r1"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3s", 3723.0),
        ("7", 7.0),
        ("1.5", 1.5),
        ("soon", None),
        ("", None),
    ],
)
def test_when_the_quota_begins_anew(said: str, seconds: float | None) -> None:
    assert RateLimits.of({"x-ratelimit-reset-tokens": said}).reset_tokens == seconds


@pytest.mark.parametrize(
    ("said", "count"), [("0", 0), ("1000000", 1000000), ("-1", None), ("9" * 5000, None), ("many", None)]
)
def test_how_much_of_the_quota_is_left(said: str, count: int | None) -> None:
    assert RateLimits.of({"x-ratelimit-remaining-tokens": said}).remaining_tokens == count


LIMITS = st.sampled_from([f"x-ratelimit-{what}-{of}" for what in ("limit", "reset") for of in ("tokens", "requests")])


@given(st.dictionaries(LIMITS, st.text()))
def test_whatever_the_headers_say(headers: dict[str, str]) -> None:
    assert isinstance(RateLimits.of(headers), RateLimits)


# Refusals


@pytest.mark.parametrize("inner", ["innererror", "inner_error"])
@pytest.mark.parametrize("results", ["content_filter_result", "content_filter_results"])
def test_why_a_prompt_was_filtered_however_it_is_spelt(inner: str, results: str) -> None:
    body = {"error": {"code": "content_filter", inner: {"code": "ResponsibleAIPolicyViolation", results: FILTERS}}}
    found = _filtered(json.dumps(body).encode())
    assert found is not None
    assert found.filtered


SILENT = [b"", b"[]", b"{}", b'{"error": 5}', b'{"error": {"innererror": "x"}}']


@pytest.mark.parametrize("body", [*SILENT, b'{"error": {"innererror": {"content_filter_result": 7}}}'])
def test_where_nobody_says_why_it_was_filtered(body: bytes) -> None:
    assert _filtered(body) is None
    assert isinstance(StatusError.of(Refusal(400, {}, body, "content_filter")), ContentFiltered)


# What nobody should see


@pytest.mark.parametrize("body", [b'{"value": "ek_hunter2"', b'[{"value": "ek_hunter2"}]', b' "ek_hunter2"'])
def test_an_answer_that_is_broken_shows_no_token(body: bytes) -> None:
    with pytest.raises(AnswerError, match="not a JSON object") as caught:
        read(ClientSecret, body, HEADERS)
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    assert caught.value.body == body


def test_an_ephemeral_token_is_in_no_repr() -> None:
    secret = read(ClientSecret, b'{"value": "ek_hunter2", "expires_at": 1, "session": {"type": "realtime"}}', HEADERS)
    assert secret.value == "ek_hunter2"
    assert "hunter2" not in repr(secret) + str(secret)


# What is sent


def test_results_go_back_as_they_came() -> None:
    answer = chat(choices=[{"index": 0, "message": {"role": "assistant", "content": None, "novelty": 1}}])
    (message,) = [choice.message for choice in answer.choices]
    assert json.loads(as_json({"messages": [message], "n": (1, 2)})) == {
        "messages": [{"role": "assistant", "content": None, "novelty": 1}],
        "n": [1, 2],
    }


@pytest.mark.parametrize("value", [{"a": b"bytes"}, {"a": object()}])
def test_what_is_no_json_is_not_sent(value: Any) -> None:
    with pytest.raises(ValueError, match="this is no JSON"):
        as_json(value)


def test_what_contains_itself_is_not_sent() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(ValueError, match="this is no JSON"):
        as_json(ring)


def test_a_form_is_written_as_openai_writes_it() -> None:
    fields = {"a": True, "b": None, "c": [1, "x"], "d": {"type": "server_vad", "deep": {"x": 0.5}}, "e": "ø"}
    assert dict(form_fields(fields)) == {
        "a": "true",
        "c[]": ["1", "x"],
        "d[type]": "server_vad",
        "d[deep][x]": "0.5",
        "e": "ø",
    }
