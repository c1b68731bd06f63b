"""The rows that `emulate` prints: what is in them, in which order, and that nothing in them disturbs a terminal."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.cli.traffic import Traffic
from realtime_azure.emulator import Seen

SOUND = base64.b64encode(bytes(4800)).decode()
APPEND = {"type": "input_audio_buffer.append", "audio": SOUND}
CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_1", "model": "any"}}
DELTA = {"type": "response.output_audio.delta", "item_id": "item_1", "response_id": "resp_1", "delta": SOUND}
WORD = {"type": "response.output_text.delta", "item_id": "item_1", "response_id": "resp_1", "delta": "Hello "}
DONE = {"type": "response.done", "response": {"id": "resp_1", "status": "completed"}}
CREATE = {"type": "response.create", "event_id": "event_1"}


def said(message: dict[str, Any] | bytes, *, by_client: bool = False, on: int = 1) -> Seen:
    return Seen(on, by_client, message if isinstance(message, bytes) else json.dumps(message).encode())


def rows(*seen: Seen) -> list[str]:
    """All that is printed, in the end, without spaces that are there for looks."""
    traffic = Traffic()
    printed = [row for at, each in enumerate(seen) for row in traffic.rows(at / 10, each)]
    return [" ".join(row.split()) for row in [*printed, *traffic.close()]]


def test_a_row_says_who_when_and_what() -> None:
    text = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello, you."}]}
    created, asked, refused = rows(
        said(CREATED),
        said({"type": "conversation.item.create", "item": text}, by_client=True),
        said({"type": "error", "error": {"type": "invalid_request_error", "code": "bad", "message": "No."}}),
    )
    assert created.startswith("1 < 0.000 session.created ")
    assert created.endswith(" · sess_1")
    assert asked == "1 > 0.100 conversation.item.create “Hello, you.” · user"
    assert refused == "1 < 0.200 ! error bad: No."


def test_rows_are_in_columns() -> None:
    traffic = Traffic()
    (first,) = traffic.rows(0, said(CREATED))
    (second,) = traffic.rows(12.5, said(CREATE, by_client=True, on=12))
    assert first.startswith("  1 <    0.000   session.created   ")
    assert second.startswith(" 12 >   12.500   response.create")


def test_sound_of_a_client_in_a_row_is_one_row() -> None:
    appends = [said(APPEND, by_client=True)] * 10
    assert rows(*appends, said(CREATE, by_client=True)) == [
        "1 > 0.000 input_audio_buffer.append 10 deltas · 48000 bytes · 1.00 s",
        "1 > 1.000 response.create",
    ]
    assert rows(*appends) == ["1 > 0.000 input_audio_buffer.append 10 deltas · 48000 bytes · 1.00 s"]


def test_what_the_service_says_ends_that_row_but_for_its_deltas() -> None:
    append = said(APPEND, by_client=True)
    stopped = said({"type": "input_audio_buffer.speech_stopped", "item_id": "item_2", "audio_end_ms": 100})
    printed = rows(append, append, said(DELTA), append, stopped, append)
    assert [row.split(" ", 3)[1:2] + row.split()[3:6] for row in printed] == [
        [">", "input_audio_buffer.append", "3", "deltas"],
        ["<", "response.output_audio.delta", "1", "delta"],
        ["<", "input_audio_buffer.speech_stopped", "audio_end_ms", "100"],
        [">", "input_audio_buffer.append", "1", "delta"],
    ]


def test_deltas_of_the_service_are_one_row() -> None:
    printed = rows(*[said(WORD)] * 3, *[said(DELTA)] * 2, said(DONE))
    assert printed == [
        "1 < 0.000 response.output_text.delta “Hello Hello Hello” · 3 deltas · item_1",
        "1 < 0.300 response.output_audio.delta 2 deltas · 9600 bytes · 0.20 s · item_1",
        "1 < 0.500 response.done completed · resp_1",
    ]


def test_connections_do_not_mix() -> None:
    printed = rows(
        said(WORD, on=1), said(WORD, on=2), said(APPEND, by_client=True, on=2), said(WORD, on=1), said(DONE, on=2)
    )
    assert [row.split()[0] for row in printed] == ["2", "2", "2", "1"]
    assert "“Hello Hello” · 2 deltas" in printed[3]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b"no JSON", "(no type)"),
        (b"[1]", "(no type)"),
        (b'{"type":"response.create","event_id":5}', "response.create"),
        (b'{"type":"unheard.of"}', "unheard.of"),
        (b'{"type":"input_audio_buffer.append","audio":"***"}', "input_audio_buffer.append"),
        (b"\xff\xfe", "(no type)"),
    ],
)
def test_what_a_client_may_not_say_is_marked(message: bytes, kind: str) -> None:
    append = said(APPEND, by_client=True)
    assert rows(append, said(message, by_client=True)) == [
        "1 > 0.000 input_audio_buffer.append 1 delta · 4800 bytes · 0.10 s",
        f"1 > 0.100 ? {kind} not what the service takes",
    ]


def test_nothing_was_said() -> None:
    assert rows() == []


TEXT = st.text(max_size=30) | st.sampled_from(
    ["\x1b[2J", "\x1b]0;owned\x07", "a\r\nb", "\u202eabc", "\x9b31m", "\ud800"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(
    "session.created response.done response.output_text.delta response.output_audio.delta error session.update "
    "input_audio_buffer.append conversation.item.create conversation.item.added unheard.of \x1b[2J".split(" ")
)
NAMES = st.sampled_from("session response item error delta audio item_id event_id transcript text".split())
FIELDS = st.dictionaries(NAMES, VALUES)
MESSAGES = st.binary(max_size=40) | FIELDS.flatmap(
    lambda fields: TYPES.map(lambda kind: json.dumps({**fields, "type": kind}).encode())
)


@given(st.lists(st.tuples(MESSAGES, st.booleans(), st.integers(1, 3)), max_size=8))
def test_whatever_comes_is_printable_and_one_line(seen: list[tuple[bytes, bool, int]]) -> None:
    traffic = Traffic()
    printed = [row for message, way, on in seen for row in traffic.rows(0.0, said(message, by_client=way, on=on))]
    printed += traffic.close()
    for row in printed:
        assert row.isprintable()
        row.encode()
        assert len(row) < 5000


def test_what_is_closed_is_closed() -> None:
    traffic = Traffic()
    assert list(traffic.rows(0, said(WORD))) == []
    assert len(list(traffic.close())) == 1
    assert list(traffic.close()) == []
