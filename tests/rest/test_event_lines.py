"""Server-sent events, however their bytes are cut: the same as by a reader that goes line by line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.rest.stream import EventLines


def by_the_standard(body: bytes) -> list[bytes]:
    """The data of *body*'s events, by the HTML standard §9.2.6, line by line; without its empty line it is none."""
    events: list[bytes] = []
    data: list[bytes] = []
    *lines, _ = re.split(rb"\r\n|\n|\r", body.removeprefix(b"\xef\xbb\xbf"))
    for line in lines:
        name, _, value = line.partition(b":")
        if not line:
            if data:
                events.append(b"\n".join(data))
            data = []
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return events


def fed(*pieces: bytes) -> list[bytes]:
    lines = EventLines()
    return [event for piece in pieces for event in lines.feed(piece)]


LINES = st.sampled_from(
    [
        *(b"data: a", b"data:b", b"data:  c", b"data", b"data:", b"data: [DONE]", b"data: \xc3\xa9", b"data: x: y"),
        *(b": said aside", b":", b"event: e", b"id: 1", b"retry: 5", b"dat: no", b"data : no", b"database: no", b""),
        *(b"", b" data: no", b"\xef\xbb\xbfdata: no"),
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
BODIES = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.one_of(
        st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=12).map(b"".join),
        ENDS.flatmap(lambda end: st.lists(LINES.map(lambda line: line + end), max_size=12).map(b"".join)),
    ),
).map(b"".join)


@given(BODIES, st.data())
def test_wherever_it_is_cut_the_events_are_the_same(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    # A return at the very end may be half of a line's end: what tells is the next byte.
    assert fed(*pieces, b": end\n") == by_the_standard(body + b": end\n")


@given(BODIES)
def test_byte_by_byte_the_events_are_the_same(body: bytes) -> None:
    assert fed(*(bytes([byte]) for byte in body), b":\n") == by_the_standard(body + b":\n")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_is_there_as_soon_as_its_empty_line_is(end: bytes) -> None:
    lines = EventLines()
    assert lines.feed(b"data: a" + end) == []
    assert lines.feed(end) == [b"a"]


def test_what_is_not_complete_waits() -> None:
    lines = EventLines()
    assert lines.feed(b"data: a\n\ndata: b") == [b"a"]
    assert lines.waiting == 7
    assert lines.feed(b"c\n\n") == [b"bc"]
    assert lines.waiting == 0


def test_a_long_event_in_many_pieces_is_looked_at_once() -> None:
    """A picture comes in thousands of pieces; looking at all of them again for each would take minutes."""
    piece = b"x" * 1024
    assert fed(b"data: ", *[piece] * 20_000, b"\n\n") == [piece * 20_000]
