"""The table of events: what a row says, what is folded into one, and that nothing spoils a terminal."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.cli.events import known_types
from realtime_azure.cli.table import ERROR, OPEN_ROWS, PLAIN, PROBLEM, TEXT, Row, Table, cells, fit, shorten
from realtime_azure.events import ServerEvent, decode

from ..events.messages import CLASS_OF
from ..serving import SESSION_CREATED, text_delta

Fields = dict[str, Any]


def event(fields: Fields) -> ServerEvent:
    return decode(json.dumps(fields))


def rows_of(*messages: Fields) -> list[Row]:
    """The rows of *messages*, one a second."""
    table = Table()
    rows = [row for at, fields in enumerate(messages) for row in table.add(at, event(fields))]
    return [*rows, *table.close()]


def said_by(fields: Fields) -> str:
    """What is behind the type."""
    (row,) = rows_of(fields)
    return row.line().split(row.type, 1)[1].strip()


def sound_delta(size: int, item: str = "item_1", kind: str = "response.output_audio.delta", **more: Any) -> Fields:
    return {"type": kind, "item_id": item, "delta": base64.b64encode(bytes(size)).decode(), **more}


# Rows


def test_a_row_is_a_time_a_type_and_what_it_says() -> None:
    (row,) = rows_of(SESSION_CREATED)
    assert row.line() == f"   0.000   {'session.created':<38} realtime · sess_1"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"type": "error", "error": {"type": "t", "code": "bad", "message": "No.", "param": "p", "event_id": "e_1"}},
            "bad: No. · param p · e_1",
        ),
        ({"type": "error", "error": {}}, "no reason given"),
        (
            {"type": "response.done", "response": {"id": "r", "status": "completed", "usage": {"input_tokens": 3}}},
            "completed · 3 tokens in, 0 out · r",
        ),
        (
            {
                "type": "response.done",
                "response": {"status": "failed", "status_details": {"error": {"code": "x", "message": "Broken."}}},
            },
            "failed · x: Broken.",
        ),
        (
            {
                "type": "conversation.item.added",
                "item": {
                    "id": "i",
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hello,"}, {"type": "input_audio", "transcript": "you"}],
                },
            },
            "“Hello, you” · user · i",
        ),
        (
            {
                "type": "conversation.item.done",
                "item": {"id": "i", "type": "function_call", "name": "f", "arguments": "{}"},
            },
            "“{}” · function_call · f · i",
        ),
        (
            {"type": "response.function_call_arguments.done", "item_id": "i", "call_id": "c", "arguments": '{"a": 1}'},
            '“{"a": 1}” · i · c',
        ),
        (
            {"type": "input_audio_buffer.speech_started", "audio_start_ms": 320, "item_id": "i"},
            "audio_start_ms 320 · i",
        ),
        (
            {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "limit": 9, "remaining": 4}]},
            "tokens 4/9",
        ),
        (
            {"type": "response.content_part.done", "item_id": "i", "part": {"type": "audio", "transcript": "Hi"}},
            "“Hi” · audio · i",
        ),
    ],
)
def test_a_row_says_what_matters(fields: Fields, said: str) -> None:
    assert said_by(fields) == said


@pytest.mark.parametrize(
    ("fields", "mark"),
    [
        ({"type": "error", "error": {"message": "No."}}, ERROR),
        ({"type": "response.done", "response": {"status": "failed"}}, ERROR),
        ({"type": "mcp_list_tools.failed", "item_id": "i"}, ERROR),
        ({"type": "response.done", "response": {"status": "cancelled"}}, PLAIN),
        ({"type": "from.tomorrow"}, PROBLEM),
        ({"type": "input_audio_buffer.committed", "item_id": 5}, PROBLEM),
    ],
)
def test_trouble_stands_out(fields: Fields, mark: str) -> None:
    (row,) = rows_of(fields)
    assert row.mark == mark
    assert row.line()[9] == mark


def test_an_event_that_is_not_known_says_so_and_what_is_in_it() -> None:
    assert said_by({"type": "from.tomorrow", "n": 1, "more": {"a": []}}) == (
        'unknown event: unknown type · n 1 · more {"a": []}'
    )


def test_what_could_not_be_read_is_named() -> None:
    assert said_by({"type": "input_audio_buffer.committed", "item_id": 5}).startswith("problems: item_id: ")


def test_a_message_that_is_no_event_has_a_row() -> None:
    (row,) = Table().add(0.0, decode(b"\x00nonsense"))
    assert "(no type)" in row.line()
    assert "unknown event: not JSON" in row.line()


@pytest.mark.parametrize("kind", sorted(known_types()))
def test_every_type_has_a_row_of_its_own_name(kind: str) -> None:
    (row,) = rows_of({"type": kind, "delta": "AAAA"})
    assert row.line().split()[1:3][-1 if row.mark != PLAIN else 0] == kind


# Folding


def test_deltas_that_come_together_are_one_row() -> None:
    first, *_ = rows_of(*(text_delta(word) for word in ("It ", "is ", "Paris.")), SESSION_CREATED)
    assert (first.count, first.chars, first.at) == (3, 12, 0)
    assert first.line().endswith("“It is Paris.” · 3 deltas · item_1")


def test_sound_and_words_that_take_turns_are_two_rows() -> None:
    rows = rows_of(text_delta("It "), sound_delta(4800), text_delta("is."), sound_delta(4800))
    assert [(row.type, row.count) for row in rows] == [
        ("response.output_text.delta", 2),
        ("response.output_audio.delta", 2),
    ]
    assert rows[1].line().endswith("2 deltas · 9600 bytes · 0.20 s · item_1")


def test_items_are_told_apart() -> None:
    assert [row.count for row in rows_of(sound_delta(2, "a"), sound_delta(2, "b"), sound_delta(2, "a"))] == [2, 1]


def test_another_event_in_between_ends_the_row() -> None:
    rows = rows_of(text_delta("a"), SESSION_CREATED, text_delta("b"))
    assert [row.type for row in rows] == [
        "response.output_text.delta",
        "session.created",
        "response.output_text.delta",
    ]


def test_a_row_can_be_seen_while_it_grows() -> None:
    table = Table()
    assert table.add(0.0, event(text_delta("It "))) == []
    assert [row.text for row in table.open] == ["It "]
    assert table.add(0.1, event(text_delta("is"))) == []
    assert [row.text for row in table.open] == ["It is"]


def test_so_many_items_at_a_time_are_open_and_no_more() -> None:
    table = Table()
    for item in range(5 * OPEN_ROWS):
        table.add(0.0, event(sound_delta(2, f"item_{item}")))
        assert len(table.open) <= OPEN_ROWS


@pytest.mark.parametrize(
    ("output", "seconds"),
    [
        ({"type": "audio/pcm", "rate": 24000}, "0.10 s"),
        ({"type": "audio/pcmu"}, "0.60 s"),
        ({"type": "audio/pcm", "rate": 0}, "0.10 s"),
        ({"type": "audio/pcm", "rate": -8000}, "0.10 s"),
    ],
)
def test_the_session_says_how_long_a_byte_of_sound_is(output: Fields, seconds: str) -> None:
    session = {"type": "session.updated", "session": {"audio": {"output": {"format": output}}}}
    assert f"4800 bytes · {seconds}" in rows_of(session, sound_delta(4800))[1].line()


def test_a_dated_session_says_it_in_its_own_words() -> None:
    session = {"type": "session.updated", "session": {"output_audio_format": "g711_ulaw", "modalities": ["audio"]}}
    assert "0.60 s" in rows_of(session, sound_delta(4800, kind="response.audio.delta"))[1].line()


def test_a_translation_says_how_long_its_sound_is() -> None:
    sound = sound_delta(3200, kind="session.output_audio.delta", sample_rate=8000, channels=2)
    assert "3200 bytes · 0.10 s" in rows_of(sound)[0].line()


def test_the_middle_of_a_long_text_is_left_out_wherever_its_parts_end() -> None:
    words = [f"word{number} " for number in range(2000)]
    (row,) = rows_of(*map(text_delta, words))
    whole = shorten("".join(words), TEXT)
    assert row.chars == len("".join(words))
    assert len(row.text) <= 4 * TEXT + len(words[-1])
    assert f"“{whole}”" in row.line()
    assert len(whole) == TEXT


# Fitting


def test_a_text_gives_way_to_what_is_known_of_it() -> None:
    (row,) = rows_of(text_delta("word " * 100))
    assert cells(row.line(100).removesuffix(" · item_1")) <= 100
    assert "1 delta " in row.line(100)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("e\u0301x", 2, "e\u0301x")],
)
def test_a_line_is_cut_where_the_terminal_ends(text: str, width: int, shown: str) -> None:
    assert fit(text, width) == shown


@given(st.text(), st.integers(1, 50))
def test_what_is_cut_fits(text: str, width: int) -> None:
    assert cells(fit(text, width)) <= width


@given(st.text(), st.integers(4, 50))
def test_what_is_shortened_is_one_short_line(text: str, most: int) -> None:
    assert len(shorten(text, most)) <= most
    assert "\n" not in shorten(text, most)


# Whatever the service says


def named(kind: str, more: Fields) -> Fields:
    return more | {"type": kind}


NASTY = st.text(max_size=20) | st.sampled_from(["\x1b]0;owned\x07", "\x9b2J", "a\r\nb", "\u202e", "\ud800", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(sorted(known_types())) | NASTY
NAMES = st.sampled_from(
    "item_id call_id delta item session response error part text transcript content_index rate_limits usage".split()
)
SOUND = st.binary(max_size=64).map(lambda sound: base64.b64encode(sound).decode())
MESSAGES = st.one_of(
    st.builds(named, TYPES, st.dictionaries(NAMES | NASTY, JSON | SOUND, max_size=5)),
    st.builds(text_delta, NASTY),
    st.builds(sound_delta, st.integers(0, 200), st.sampled_from("ab")),
    st.just(SESSION_CREATED),
)


@given(st.lists(st.builds(event, MESSAGES) | st.builds(decode, st.binary()), max_size=30))
def test_whatever_comes_has_printable_rows_and_totals_that_add_up(events: list[ServerEvent]) -> None:
    table = Table()
    rows = [row for each in events for row in table.add(1.0, each)]
    rows += table.close()
    deltas = [getattr(each, "delta", None) for each in events if each.type.endswith(".delta")]
    assert all(row.line(width).isprintable() for row in rows for width in (None, 40, 200))
    assert sum(row.count for row in rows) == len(events)
    assert sum(row.count for row in rows if row.folds) == len(deltas)
    assert sum(row.size for row in rows) == sum(len(delta) for delta in deltas if isinstance(delta, bytes))
    assert sum(row.chars for row in rows) == sum(len(delta) for delta in deltas if isinstance(delta, str))


def test_the_types_are_those_that_have_a_class() -> None:
    assert set(CLASS_OF) <= known_types()
