"""Cassettes: what is in the file, what is never in it, and that it is read as it was written."""

from __future__ import annotations

import io
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import RealtimeError
from realtime_azure._version import __version__
from realtime_azure.testing import Cassette, CassetteError, Recorder, recording, scrubbed
from realtime_azure.testing.cassettes import SCRUBBED, SHORT, Direction

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
SECRET = "s3cr3t-4nd-n0body-5"
SOUND = "AbCd" * 1600  # 100 ms


def said(*messages: bytes | dict[str, Any], sound: Any = "shortened") -> list[dict[str, Any]]:
    """The lines of a cassette of *messages*, all of which were received."""
    file = io.StringIO()
    recorder = Recorder(file, sound=sound)
    for message in messages:
        recorder("received", message if isinstance(message, bytes) else json.dumps(message).encode())
    return [json.loads(line) for line in file.getvalue().splitlines()]


def kept(message: bytes | dict[str, Any], sound: Any = "shortened") -> dict[str, Any]:
    """What of *message* is on file."""
    data: dict[str, Any] = said(message, sound=sound)[1]["data"]
    return data


# What is in the file


def test_a_cassette_is_a_line_for_each_message_with_who_and_when(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    with recording(path) as recorder:
        recorder("received", b'{"type": "session.created"}')
        recorder("sent", b'{"type":"response.create"}')
        recorder.closed(1001, "bye")
    head, first, second, close = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert head == {
        "kind": "cassette",
        "version": 1,
        "made_by": f"realtime_azure {__version__}",
        "sound": "shortened",
    }
    assert first.pop("at") >= 0
    assert first == {"kind": "message", "direction": "received", "data": {"type": "session.created"}}
    assert second["direction"] == "sent"
    assert 0 <= second["at"] <= close["at"] < 60
    assert (close["kind"], close["code"], close["reason"]) == ("close", 1001, "bye")


def test_each_line_is_there_as_soon_as_it_happens(tmp_path: Path) -> None:
    """Of a program that crashes, all is kept but the end."""
    with recording(tmp_path / "session.jsonl") as recorder:
        recorder("received", b'{"type":"session.created"}')
        assert [each.type for each in Cassette.read(tmp_path / "session.jsonl").messages] == ["session.created"]


def test_a_recording_that_is_there_stays(tmp_path: Path) -> None:
    """What a service said cannot be had again."""
    path = tmp_path / "session.jsonl"
    with recording(path) as recorder:
        recorder("received", b'{"type":"session.created"}')
    before = path.read_bytes()
    with pytest.raises(FileExistsError), recording(path):
        pass
    assert path.read_bytes() == before


def test_a_recording_begins_anew_where_that_is_asked_for(tmp_path: Path) -> None:
    for _ in range(2):
        with recording(tmp_path / "session.jsonl", overwrite=True) as recorder:
            recorder("received", b'{"type":"session.created"}')
    assert len(Cassette.read(tmp_path / "session.jsonl").messages) == 1


def test_a_file_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), recording(tmp_path / "nowhere" / "session.jsonl"):
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["sent", "received"]),
        st.dictionaries(st.text(max_size=8).map("x_".__add__), JSON).map(lambda d: {"type": "test", **d}),
    ),
    max_size=5,
)


@given(MESSAGES, st.none() | st.tuples(st.integers(1000, 4999), st.text(max_size=20)))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    messages: list[tuple[Direction, dict[str, Any]]],
    close: tuple[int, str] | None,
) -> None:
    """Whatever is in them: ends of lines that are none, halves of characters, the rest of Unicode."""
    path = tmp_path_factory.getbasetemp() / "written.jsonl"
    with recording(path, sound="kept", overwrite=True) as recorder:
        for direction, message in messages:
            recorder(direction, json.dumps(message).encode())
        if close is not None:
            recorder.closed(*close)
    cassette = Cassette.read(path)
    assert [(each.direction, each.fields) for each in cassette.messages] == [
        (direction, scrubbed(message)) for direction, message in messages
    ]
    assert (cassette.close_code, cassette.close_reason) == (close or (None, ""))


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b\x0cc", "\ud83d", "ßn️☃𝄞", "\r\n"])
def test_any_text_comes_back(tmp_path: Path, text: str) -> None:
    with recording(tmp_path / "x.jsonl") as recorder:
        recorder("sent", json.dumps({"type": "x", "text": text}).encode())
    (message,) = Cassette.read(tmp_path / "x.jsonl").messages
    assert message.fields["text"] == text


@pytest.mark.parametrize(
    "message",
    [b"", b"hello", b'{"type":', b"[1]", b"5", b"\xff\xfe\xfd", b"[" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000],
    ids=["nothing", "no JSON", "cut", "a list", "a number", "no text", "deep", "deep, and whole"],
)
def test_what_is_no_json_object_is_kept_as_text(message: bytes) -> None:
    data = kept(message)
    assert data["type"] == "unreadable"
    assert data["text"] == message.decode("utf-8", "replace")[:SHORT]


# What is never in it

BEGINNINGS = st.sampled_from(["", " ", "see ", "(", "ä", '"', "a,"])
NAMES = st.sampled_from(
    """authorization Authorization headers api_key api-key apiKey x-api-key access_token accessToken refresh_token token
    client_secret secret credential password private_key Ocp-Apim-Subscription-Key sig X-MS-Token cookie""".split()
)
FIELDS = NAMES.map(lambda name: {name: {"X-Key": f"Bearer {SECRET}"} if name == "headers" else SECRET})
CLIENT_SECRETS = st.sampled_from(
    [{"value": SECRET, "expires_at": 1}, {"client_secret": {"value": SECRET, "expires_at": 1}}]
)
LEGAL = string.ascii_letters + string.digits + "-._~:/@!$&'()*+,;="
HIDDEN_IN_URLS = st.builds(
    "{0}{1}://{2}{3}{4}={5}{6}".format,
    BEGINNINGS,
    st.sampled_from(["https", "HTTPS", "wss", "http", "ws"]),
    st.sampled_from(["h", "h.example:8080", "[::1]", "h/a/b", "h/a'b", "h/(x)", "me@h", "me:pw@h/x"]),
    st.sampled_from(["?", "/?", "?a=b&", "#"]),
    st.text(LEGAL, max_size=5),
    st.just(SECRET),
    st.text(LEGAL, max_size=5) | st.sampled_from([" and more", '"', ">"]),
)
IN_USER_NAMES = st.builds("https://{0}{1}@h/x".format, st.sampled_from(["", "me:"]), st.just(SECRET))
IN_TEXTS = st.builds(
    "{0}{1}{2}".format, BEGINNINGS, st.sampled_from(["Bearer ", "bearer ", "BEARER "]), st.just(SECRET)
)
TOKENS = st.builds(
    "{0}ek_{1}{2}".format, BEGINNINGS, st.just("s3cr3t4ndn0body5"), st.sampled_from(["", ".", " and more"])
)
IN_JSON = st.dictionaries(st.sampled_from(["arguments", "output"]), FIELDS.map(json.dumps), min_size=1)
SECRETS = FIELDS | CLIENT_SECRETS | HIDDEN_IN_URLS | IN_USER_NAMES | IN_TEXTS | IN_JSON
ANYWHERE = st.recursive(
    SECRETS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["tools", "session", "x", "audio", "server_url"]), inner, min_size=1)
    ),
    max_leaves=5,
)


@given(st.fixed_dictionaries({"type": st.just("session.update"), "session": ANYWHERE}), st.booleans())
def test_no_secret_is_on_file(message: dict[str, Any], keep: bool) -> None:
    sound = "kept" if keep else "shortened"
    assert SECRET in json.dumps(message)
    assert SECRET not in json.dumps(said(message, sound=sound))


@given(st.fixed_dictionaries({"type": st.just("session.update"), "session": FIELDS | CLIENT_SECRETS}), st.data())
def test_no_secret_of_half_a_message_is_on_file(message: dict[str, Any], data: st.DataObject) -> None:
    whole = json.dumps(message).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert SECRET[:8] not in json.dumps(said(whole[:cut], sound="kept"))
    assert SECRET[:8] not in json.dumps(said(b"[" + whole + b"]"))


@given(TOKENS)
def test_an_ephemeral_token_is_not_on_file_wherever_it_stands(text: str) -> None:
    assert "s3cr3t4ndn0body5" not in json.dumps(said({"type": "x", "text": text}))


def test_what_a_function_is_told_is_on_file_but_for_its_secrets() -> None:
    arguments = '{"city": "Oslo",  "tokens": 5}'  # as it came, where there is none in it
    assert kept({"type": "x", "arguments": arguments})["arguments"] == arguments
    told = {"type": "x", "output": json.dumps({"password": SECRET, "rain": True})}
    assert kept(told)["output"] == f'{{"password":"{SCRUBBED}","rain":true}}'


@given(ANYWHERE)
def test_what_is_clean_stays_as_it_is(value: Any) -> None:
    assert scrubbed(scrubbed(value)) == scrubbed(value)


def test_what_holds_a_secret_says_that_it_was_left_out() -> None:
    tool = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": f"https://mcp.example/a?key={SECRET}",
        "authorization": SECRET,
        "headers": {"X-Api-Key": SECRET},
        "require_approval": None,
    }
    assert kept({"type": "session.update", "session": {"tools": [tool]}})["session"]["tools"] == [
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": f"https://mcp.example/a?{SCRUBBED}",
            "authorization": SCRUBBED,
            "headers": SCRUBBED,
            "require_approval": None,
        }
    ]


def test_what_is_no_secret_is_kept() -> None:
    message = {
        "type": "x",
        "authorization": None,
        "logprobs": [{"token": "Paris", "logprob": -0.1}],
        "value": 5,
        "expires_at": None,
        "text": "what? https://example.com/a, and then: is it? yes; the bearer of bad news; a token of love",
        "max_output_tokens": 5,
        "usage": {"input_token_details": {"cached_tokens": 0}, "total_tokens": 9},
        "design": "signal",
    }
    assert kept(message) == message | {"value": SCRUBBED}  # beside an expires_at it may be one
    assert kept({"type": "x", "value": 5}) == {"type": "x", "value": 5}


# Sound


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ({"type": "response.output_audio.delta", "delta": SOUND}, "delta"),
        ({"type": "response.audio.delta", "delta": SOUND}, "delta"),
        ({"type": "session.output_audio.delta", "delta": SOUND}, "delta"),
        ({"type": "input_audio_buffer.append", "audio": SOUND}, "audio"),
    ],
)
def test_of_sound_the_beginning_is_left_unless_it_is_wanted(message: dict[str, Any], where: str) -> None:
    assert kept(message)[where] == SOUND[:SHORT]
    assert kept(message, "kept") == message


def test_sound_in_an_item_is_shortened_too() -> None:
    content = [{"type": "input_audio", "audio": SOUND, "transcript": "hello " * 500}]
    message = {"type": "conversation.item.create", "item": {"type": "message", "content": content}}
    (part,) = kept(message)["item"]["content"]
    assert part == {"type": "input_audio", "audio": SOUND[:SHORT], "transcript": "hello " * 500}


def test_words_are_not_shortened() -> None:
    message = {"type": "response.output_text.delta", "delta": SOUND}
    assert kept(message) == message


def test_of_half_a_message_the_sound_is_short_as_well() -> None:
    half = json.dumps({"type": "input_audio_buffer.append", "audio": SOUND}).encode()[:-3]
    assert len(kept(half)["text"]) <= SHORT


def test_the_file_says_what_became_of_the_sound() -> None:
    assert said(sound="kept")[0]["sound"] == "kept"
    assert said()[0]["sound"] == "shortened"


# Reading


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"",
        b"5",
        b"null",
        b'"message"',
        b"{}",
        b'{"kind":"film"}',
        b'{"kind":"cassette"}',
        b'{"kind":"cassette","version":2}',
        b'{"kind":"message","direction":"up","data":{}}',
        b'{"kind":"message","direction":"sent"}',
        b'{"kind":"message","direction":"sent","data":[]}',
        b'{"kind":"message","direction":"sent","data":{},"at":"noon"}',
        b'{"kind":"close"}',
        b'{"kind":"close","code":null}',
        b'{"kind":"close","code":1e999}',
        b"\xff\xfe",
        b'{"kind":"message","direction":"sent","data":{"text":"\xe4"}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_says_in_which_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b'{"kind":"cassette","version":1}\n' + line + b"\n")
    with pytest.raises(CassetteError, match=r"broken\.jsonl, line 2: this is no line of a cassette") as caught:
        Cassette.read(path)
    assert isinstance(caught.value, RealtimeError)


def test_a_file_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Cassette.read(tmp_path / "nothing.jsonl")


def test_time_and_head_may_be_missing(tmp_path: Path) -> None:
    """As in recordings that others made."""
    path = tmp_path / "plain.jsonl"
    path.write_text('{"kind":"message","direction":"sent","data":{"no":"type"}}\n{"kind":"close","code":1000}', "utf-8")
    cassette = Cassette.read(str(path))
    assert [(each.at, each.type) for each in cassette.messages] == [(0.0, "None")]
    assert (cassette.close_code, cassette.close_reason) == (1000, "")


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_recordings_of_the_service_are_cassettes(path: Path) -> None:
    cassette = Cassette.read(path)
    assert len(cassette.messages) == len(path.read_text("utf-8").splitlines())
    assert cassette.messages[0].type == "session.created"
    assert cassette.messages[0].direction == "received"
    assert cassette.dialect == ("voice-live" if "voice_live" in path.stem else "ga")


@pytest.mark.parametrize(
    ("session", "dialect"),
    [
        ({"modalities": ["audio"], "input_audio_format": "pcm16"}, "preview"),
        ({"output_modalities": ["audio"]}, "ga"),
        ({"audio": {"output": {}}}, "ga"),
        ({"modalities": ["audio"], "input_audio_sampling_rate": 24000}, "voice-live"),
    ],
)
def test_what_is_spoken_is_told_by_the_first_session(tmp_path: Path, session: Any, dialect: str) -> None:
    with recording(tmp_path / "x.jsonl") as recorder:
        recorder("sent", b'{"type":"session.update","session":{"output_modalities":["text"]}}')
        recorder("received", json.dumps({"type": "session.created", "session": session}).encode())
        recorder("received", b'{"type":"session.updated","session":{"output_modalities":["text"]}}')
    assert Cassette.read(tmp_path / "x.jsonl").dialect == dialect


def test_what_was_said_is_not_in_the_repr() -> None:
    """It ends up in the output of tests that fail."""
    assert "hello" not in repr(Cassette.read(RECORDINGS / "azure_ga_text_in_audio_out.jsonl").messages[3])
