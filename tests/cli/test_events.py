"""`realtime-azure events`: what a person, a pipe and a program get to see of the stream, and when it ends."""

from __future__ import annotations

import base64
import json
import math
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from realtime_azure import emulator
from realtime_azure.cli import main
from realtime_azure.cli.errand import Errand
from realtime_azure.cli.events import is_of
from realtime_azure.cli.outgoing import client_event
from realtime_azure.cli.showing import json_line
from realtime_azure.errors import InvalidEvent
from realtime_azure.events import decode

from .. import serving
from ..serving import RESPONSE_CREATED, RESPONSE_DONE, SESSION_CREATED, Peer, close_frame, text, text_delta
from . import COMMAND, ROOT, environment
from .terminal import terminal

KEY = "the-key-of-the-tests"
PATIENCE = 20.0
ESCAPE = "\x1b]0;owned\x07"
SOUND = {
    "type": "response.output_audio.delta",
    "response_id": "resp_1",
    "item_id": "item_1",
    "delta": base64.b64encode(bytes(4800)).decode(),
}
ERROR = {"type": "error", "error": {"type": "invalid_request_error", "code": "bad", "message": "No."}}
ANSWER = (RESPONSE_CREATED, text_delta("It is "), text_delta("Paris."), SOUND, SOUND, RESPONSE_DONE)
UPDATE = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}


# Running it


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def types(self) -> list[str]:
        """The types in the rows of the table, in order."""
        found = [re.match(r" *\d+\.\d{3} [ !?] (\S+)", line) for line in self.out.splitlines()]
        assert all(found), self.out
        return [match[1] for match in found if match]

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        assert self.err.startswith("realtime-azure events: ")
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("realtime-azure events: ").rstrip("\n")


Events = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def terminal_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here depends on where the tests run."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def events(capsys: pytest.CaptureFixture[str]) -> Events:
    """The command in this process."""

    def run(*arguments: str | Path) -> Outcome:
        try:
            code = main(["events", *map(str, arguments)])
        except SystemExit as exc:
            code = int(exc.code or 0)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


def start(*arguments: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, "events", *arguments],
        cwd=ROOT,
        env=environment(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread, for servers."""
    with start_blocking_portal() as portal:
        yield portal


def configure(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT_NAME", "gpt-realtime")
    monkeypatch.setenv("OPENAI_API_VERSION", "v1")


@pytest.fixture
def emulate(portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A configured endpoint, which is an emulator that answers as fast as it can."""
    with portal.wrap_async_context_manager(emulator.serve(api_key=KEY, pace=math.inf)) as service:
        configure(monkeypatch, service.url)
        yield


Scripted = Callable[[serving.Script], None]


@pytest.fixture
def scripted(portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Starts a service that does what a script says, and configures it."""
    running: list[Any] = []

    def begin(script: serving.Script) -> None:
        async def in_time(peer: Peer) -> None:
            with anyio.move_on_after(PATIENCE):
                await script(peer)

        manager = portal.wrap_async_context_manager(serving.serve(in_time))
        running.append(manager)
        configure(monkeypatch, manager.__enter__().url)

    yield begin
    for manager in running:
        manager.__exit__(None, None, None)


def saying(*said: dict[str, Any]) -> serving.Script:
    """A service that says this by itself, and then nothing."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, *said)
        await peer.farewell()

    return script


def answering(*said: dict[str, Any]) -> serving.Script:
    """A service that answers the first `response.create` with this."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        while True:
            match await peer.hear():
                case {"type": "conversation.item.create", "item": item}:
                    await peer.say({"type": "conversation.item.added", "item": {"id": "item_0", **item}})
                case {"type": "response.create"}:
                    break
                case _:
                    pass
        await peer.say(*said)
        await peer.farewell()

    return script


# The table


@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
@pytest.mark.usefixtures("emulate")
def test_a_pipe_gets_a_row_for_each_event_and_one_for_deltas_that_come_together(events: Events, version: str) -> None:
    outcome = events("--say", "Hello there!", "--api-version", version)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.types[0] == "session.created"
    assert outcome.types[-1] == "response.done"
    deltas = [line for line in outcome.out.splitlines() if ".delta " in line]
    assert len(deltas) == 2
    assert re.search(r"“This is the emulator\. I read your message of two words\.” · \d+ deltas · item_", outcome.out)
    assert re.search(r"\d+ deltas · \d+ bytes · \d\.\d\d s · item_", outcome.out)
    assert not {"\x1b", "\r"} & set(outcome.out)


def test_an_emulator_of_its_own_needs_no_configuration(events: Events) -> None:
    outcome = events("--emulator", "--until", "session.created")
    assert (outcome.code, outcome.err, outcome.types) == (0, "", ["session.created"])


def test_what_comes_is_shown_even_if_the_connection_is_lost(events: Events, scripted: Scripted) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, *ANSWER[:-1])
        await peer.send(close_frame(1011, "that is all"))
        await peer.gone()

    scripted(script)
    outcome = events()
    assert outcome.code == 4
    assert outcome.types == [
        "session.created",
        "response.created",
        "response.output_text.delta",
        "response.output_audio.delta",
    ]
    assert "in the middle of response resp_1 (close 1011: that is all)" in outcome.complaint


def test_a_service_that_ends_in_good_order_ends_it_well(events: Events, scripted: Scripted) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.send(close_frame(1000))
        await peer.gone()

    scripted(script)
    outcome = events()
    assert (outcome.code, outcome.err, outcome.types) == (0, "", ["session.created"])


@pytest.mark.parametrize(
    ("types", "shown"),
    [
        (
            "response.*",
            ["response.created", "response.output_text.delta", "response.output_audio.delta", "response.done"],
        ),
        ("session.created,*.done", ["session.created", "response.done"]),
        ("*audio*", ["response.output_audio.delta"]),
        ("response.audio.delta", ["response.output_audio.delta"]),
    ],
)
def test_types_choose_what_is_shown_and_not_when_it_ends(
    events: Events, scripted: Scripted, types: str, shown: list[str]
) -> None:
    scripted(answering(*ANSWER))
    outcome = events("--say", "hello", "--types", types)
    assert (outcome.code, outcome.err, outcome.types) == (0, "", shown)


def test_a_session_that_is_not_shown_still_says_how_long_sound_is(events: Events, scripted: Scripted) -> None:
    session = {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    scripted(saying({"type": "session.updated", "session": session}, SOUND, RESPONSE_DONE))
    assert "4800 bytes · 0.60 s" in events("--types", "*.delta", "--until", "response.done").out


# On a terminal


def screen_of(shown: str) -> list[str]:
    """The lines that are left to be read, where the cursor goes up and lines are written over."""
    lines, at = [""], 0
    for piece in re.split(r"(\x1b\[\d+A|\n|\r\x1b\[K)", shown):
        if up := re.fullmatch(r"\x1b\[(\d+)A", piece):
            at -= int(up[1])
        elif piece == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif piece == "\r\x1b[K":
            lines[at] = ""
        else:
            lines[at] += piece
    return [line for line in lines if line]


def test_a_row_grows_on_a_terminal_while_deltas_come(portal: BlockingPortal, scripted: Scripted) -> None:
    seen = anyio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, RESPONSE_CREATED, text_delta("It is "), SOUND)
        await seen.wait()
        await peer.say(text_delta("Paris."), SOUND, RESPONSE_DONE)
        await peer.farewell()

    scripted(script)
    with terminal("events", "--until", "response.done") as window:
        before = screen_of(window.read_until("4800 bytes"))
        assert "“It is” · 1 delta" in before[2]
        portal.call(seen.set)
        lines = screen_of(window.read())
    assert window.process.returncode == 0
    assert [line.split()[1] for line in lines] == [
        "session.created",
        "response.created",
        "response.output_text.delta",
        "response.output_audio.delta",
        "response.done",
    ]
    assert "“It is Paris.” · 2" in lines[2]
    assert "2 deltas · 9600" in lines[3]
    assert all(len(line) < 80 for line in lines)


@pytest.mark.parametrize("plain", [False, True], ids=["in colour", "NO_COLOR"])
def test_trouble_has_a_colour_on_a_terminal(scripted: Scripted, monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    scripted(saying(ERROR, {"type": "from.tomorrow"}, RESPONSE_DONE))
    with terminal("events", "--until", "response.done") as window:
        created, error, unknown, done = screen_of(window.read())
    assert error.startswith("\x1b[31m") is not plain
    assert unknown.startswith("\x1b[33m") is not plain
    assert "bad: No." in error
    assert "unknown event" in unknown
    assert "\x1b" not in created + done


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["table", "json"])
def test_control_characters_of_the_service_do_not_reach_the_terminal(scripted: Scripted, arguments: list[str]) -> None:
    nasty = f"It{ESCAPE}\x9b2J\r\n\u202eis"
    unescaped = json.dumps({"type": "from.tomorrow", "say": "\x9b2J\u202e"}, ensure_ascii=False).encode()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED, text_delta(nasty), {**ERROR, "error": {"message": nasty}})
        await peer.send(text(unescaped), text(b"\x1b[2J not JSON"))
        await peer.say({"type": f"bad{nasty}"}, RESPONSE_DONE)
        await peer.farewell()

    scripted(script)
    with terminal("events", "--until", "response.done", *arguments) as window:
        shown = window.read()
    ours = re.sub(r"\x1b\[(\d+A|K|3[13]m|0m)", "", shown).replace("\r", "").replace("\n", "")
    assert window.process.returncode == 0
    assert ours.isprintable(), ours


def test_a_terminal_that_can_do_nothing_gets_whole_lines(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    scripted(saying(*ANSWER))
    with terminal("events", "--until", "response.done") as window:
        shown = window.read()
    assert "\x1b" not in shown
    assert shown.count("response.output_text.delta") == 1


# JSON lines


@pytest.mark.usefixtures("emulate")
def test_json_lines_are_the_events(events: Events) -> None:
    outcome = events("--say", "Hello!", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json[0]["type"] == "session.created"
    assert outcome.json[-1]["type"] == "response.done"
    sound = [line["delta"] for line in outcome.json if line["type"] == "response.output_audio.delta"]
    assert len(base64.b64decode("".join(sound))) > 48000


@pytest.mark.usefixtures("emulate")
def test_json_lines_without_sound_say_how_much_it_was(events: Events) -> None:
    outcome = events("--say", "Hello!", "--json", "--no-audio")
    sound = [line["delta"] for line in outcome.json if line["type"] == "response.output_audio.delta"]
    assert sound
    assert all(set(delta) == {"bytes"} for delta in sound)
    assert sum(delta["bytes"] for delta in sound) > 48000


def test_a_line_is_written_at_once(portal: BlockingPortal, scripted: Scripted) -> None:
    seen = anyio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await seen.wait()
        await peer.say(RESPONSE_DONE)
        await peer.farewell()

    scripted(script)
    with start("--json", "--until", "response.done") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == SESSION_CREATED
        portal.call(seen.set)
        assert json.loads(process.stdout.readline()) == RESPONSE_DONE
        assert process.wait(PATIENCE) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.just("type"), JSON), st.booleans(), st.sampled_from([None, 1]))
def test_a_json_line_is_the_event_as_it_came(fields: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    event = decode(json.dumps(fields, ensure_ascii=ascii_only, indent=indent).replace("\n", "\r\n\t"))
    line = json_line(event)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == json.loads(event.raw)


@given(st.binary())
def test_what_is_not_json_is_a_json_line_too(message: bytes) -> None:
    line = json_line(decode(message))
    assert line.isprintable()
    try:
        expected = json.loads(message)
    except ValueError:
        expected = {"not_json": base64.b64encode(message).decode()}
    assert json.loads(line) == expected


def test_the_sound_of_an_item_is_left_out_too() -> None:
    item = {"id": "i", "content": [{"type": "input_audio", "audio": base64.b64encode(bytes(4801)).decode()}]}
    line = json_line(decode(json.dumps({"type": "conversation.item.retrieved", "item": item})), no_audio=True)
    assert json.loads(line)["item"]["content"] == [{"type": "input_audio", "audio": {"bytes": 4801}}]


def test_settings_of_sound_are_kept_where_sound_is_left_out() -> None:
    fields = {"type": "session.updated", "session": {"audio": {"output": {"voice": "marin"}}}}
    assert json.loads(json_line(decode(json.dumps(fields)), no_audio=True)) == fields


# Saying and sending


def test_each_thing_is_said_after_the_response_to_the_one_before(events: Events, scripted: Scripted) -> None:
    heard: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        for number in range(2):
            item = (await peer.hear())["item"]
            await peer.hear()
            await peer.say({"type": "conversation.item.added", "item": item})
            await peer.say({"type": "response.created", "response": {"id": f"resp_{number}"}}, text_delta("Well"))
            await peer.send(Frame(Opcode.PING, b"?"))
            while (frame := await peer.frame()).opcode is not Opcode.PONG:
                pytest.fail(f"{frame} came before the response was done")
            await peer.say({"type": "response.done", "response": {"id": f"resp_{number}", "status": "completed"}})
            heard.append(item["content"][0]["text"])
        await peer.farewell()

    scripted(script)
    outcome = events("--say", "one", "--say", "two")
    assert (outcome.code, outcome.err) == (0, "")
    assert heard == ["one", "two"]
    assert outcome.types.count("response.done") == 2


@pytest.mark.usefixtures("emulate")
def test_what_is_sent_from_a_file_ends_when_it_is_answered(events: Events, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(UPDATE)}\n\n{json.dumps({'type': 'response.create'})}\n", encoding="utf-8")
    outcome = events("--send", file)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.types[:2] == ["session.created", "session.updated"]
    assert outcome.types[-1] == "response.done"


@pytest.mark.usefixtures("emulate")
def test_what_is_sent_without_asking_for_a_response_ends_with_the_answers(events: Events, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(UPDATE), encoding="utf-8")
    assert events("--send", file).types == ["session.created", "session.updated"]


def test_sound_is_sent_as_base64(events: Events, scripted: Scripted, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        heard.append(await peer.hear())
        await peer.farewell()

    scripted(script)
    file = tmp_path / "events.jsonl"
    file.write_text('{"type": "input_audio_buffer.append", "audio": "+/8A"}\n', encoding="utf-8")
    assert events("--send", file).code == 0
    assert heard[0]["audio"] == "+/8A"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "this is not JSON: Expecting property name"),
        ("[]", "this is not a JSON object"),
        ('{"type": "session.created"}', "'session.created' is not an event that can be sent"),
        ('{"type": "session.update", "session": {"voise": 1}}', "session.voise: there is no such field"),
        ('{"type": "input_audio_buffer.append", "audio": "*"}', "audio: this is not base64"),
        ("[" * 100_000, "this cannot be read: "),
        ("\udcff", "this cannot be read: 'utf-8' codec"),
    ],
)
def test_a_bad_line_of_a_file_is_named_before_anything_is_sent(
    events: Events, portal: BlockingPortal, tmp_path: Path, line: str, says: str
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(UPDATE)}\n\n{line}\n", encoding="utf-8", errors="surrogateescape")

    async def script(peer: Peer) -> None:
        await peer.gone()

    with portal.wrap_async_context_manager(serving.serve(script)) as server:
        where = ("--endpoint", server.url, "--deployment", "any", "--api-version", "v1")
        outcome = events("--send", file, *where)
        assert server.clients == 0
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint.startswith(f"{file}, line 3: ")
    assert says in outcome.complaint


def test_what_a_dialect_cannot_say_is_named_before_anything_is_sent() -> None:
    line = json.dumps({"type": "session.update", "session": {"type": "realtime", "truncation": "auto"}}).encode()
    assert client_event(line, "ga").type == "session.update"
    with pytest.raises(InvalidEvent, match="truncation"):
        client_event(line, "preview")


def test_stdin_is_sent_line_by_line(scripted: Scripted) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        while (await peer.hear())["type"] == "session.update":
            await peer.say({"type": "session.updated", "session": {}})
        await peer.say(RESPONSE_CREATED, RESPONSE_DONE)
        await peer.farewell()

    scripted(script)
    with start("--send", "-", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "session.created"
        for _ in range(2):
            process.stdin.write(f"{json.dumps(UPDATE)}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["type"] == "session.updated"
        out, err = process.communicate('{"type": "response.create"}', timeout=PATIENCE)  # and no end of the line
    assert (process.returncode, err) == (0, "")
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["response.created", "response.done"]


def test_it_ends_with_stdin_when_all_was_answered_before(scripted: Scripted) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.hear()
        await peer.say({"type": "session.updated", "session": {}})
        await peer.farewell()

    scripted(script)
    with start("--send", "-", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(UPDATE)}\n")
        process.stdin.flush()
        kinds = [json.loads(process.stdout.readline())["type"] for _ in range(2)]
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert (process.returncode, kinds) == (0, ["session.created", "session.updated"])


def test_a_bad_line_of_stdin_is_named(scripted: Scripted) -> None:
    scripted(saying())
    with start("--send", "-", stdin=subprocess.PIPE) as process:
        _, err = process.communicate(f"\n{json.dumps({'type': 'response.cancel'})}\n{{}}\n", timeout=PATIENCE)
    assert process.returncode == 2
    assert err == "realtime-azure events: stdin, line 3: 'an event without a type' is not an event that can be sent\n"


# What the service refuses


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ((ERROR,), "response.create was refused: No."),
        (
            (RESPONSE_CREATED, {"type": "response.done", "response": {"id": "resp_1", "status": "failed"}}),
            "the response failed: no reason given",
        ),
    ],
)
def test_a_response_that_does_not_come_about(
    events: Events, scripted: Scripted, said: tuple[dict[str, Any], ...], complaint: str
) -> None:
    scripted(answering(*said))
    outcome = events("--say", "hello")
    assert outcome.code == 3
    assert outcome.complaint == complaint
    assert " ! " in outcome.out.splitlines()[-1]


def test_an_event_that_is_refused_does_not_hide_the_others(events: Events, scripted: Scripted, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        first, second = await peer.hear(), await peer.hear()
        for refused in (first, second):
            await peer.say({"type": "error", "error": {"message": "No.", "event_id": refused["event_id"]}})
        await peer.farewell()

    scripted(script)
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(UPDATE)}\n{json.dumps(UPDATE)}\n", encoding="utf-8")
    outcome = events("--send", file)
    assert outcome.code == 3
    assert outcome.complaint == "session.update was refused: No. (and 1 more)"


@pytest.mark.usefixtures("emulate")
def test_a_wrong_key_is_told_as_by_the_other_commands(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "another")
    outcome = events("--say", "hello")
    assert (outcome.code, outcome.out) == (3, "")
    assert "HTTP 401" in outcome.complaint
    assert "Check that the key is one of this resource's own" in outcome.complaint


# When it ends


@pytest.mark.parametrize("until", ["response.output_audio.delta", "response.audio.delta", "*audio.delta"])
def test_until_ends_with_the_first_of_its_type(events: Events, scripted: Scripted, until: str) -> None:
    scripted(answering(*ANSWER))
    outcome = events("--say", "hello", "--until", until, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json[-1] == SOUND
    assert len(outcome.json) == 6


def test_until_counts_what_is_not_shown(events: Events, scripted: Scripted) -> None:
    scripted(saying(*ANSWER))
    outcome = events("--until", "response.done", "--types", "session.*")
    assert (outcome.code, outcome.types) == (0, ["session.created"])


def test_until_waits_beyond_the_last_response(events: Events, scripted: Scripted) -> None:
    scripted(answering(*ANSWER, {"type": "rate_limits.updated", "rate_limits": []}))
    assert events("--say", "hello", "--until", "rate_limits.updated").types[-1] == "rate_limits.updated"


@pytest.mark.parametrize(
    ("code", "says"), [(1000, "the service closed this connection"), (1011, "the connection was lost")]
)
@pytest.mark.parametrize("arguments", [["--until", "response.done"], ["--say", "hello"]])
def test_a_connection_that_ends_too_early(
    events: Events, scripted: Scripted, arguments: list[str], code: int, says: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await peer.send(close_frame(code))
        await peer.gone()

    scripted(script)
    outcome = events(*arguments)
    assert (outcome.code, outcome.types) == (4, ["session.created"])
    assert outcome.complaint.startswith(says)


def test_a_type_that_is_not_known_is_waited_for_with_a_hint(events: Events, scripted: Scripted) -> None:
    scripted(saying({"type": "respose.done"}))
    outcome = events("--until", "respose.done")
    assert outcome.code == 0
    assert outcome.types[-1] == "respose.done"
    assert "is of the type 'respose.done'; did you mean response.done" in outcome.complaint


def test_ctrl_c_shows_what_was_held_back(scripted: Scripted) -> None:
    scripted(saying(*ANSWER[:-1]))
    with start() as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "realtime-azure events: interrupted\n")
    assert "response.created" in first[1]
    assert [line.split()[1] for line in out.splitlines()] == [
        "response.output_text.delta",
        "response.output_audio.delta",
    ]


@pytest.mark.parametrize("stdin", [None, subprocess.PIPE], ids=["listening", "waiting for a line"])
def test_ctrl_c_on_a_terminal_leaves_a_clean_line(scripted: Scripted, stdin: int | None) -> None:
    scripted(saying(text_delta("It is")))
    with terminal("events", *(["--send", "-"] if stdin else [])) as window:
        window.read_until("“It is”")
        window.process.send_signal(signal.SIGINT)
        shown = window.read()
    assert window.process.returncode == 130
    assert screen_of(shown)[-1] == "realtime-azure events: interrupted"


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["table", "json"])
def test_a_reader_who_leaves_is_no_error(arguments: list[str]) -> None:
    """As in `| head -1`."""
    with start("--emulator", "--say", "hello", *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
        assert (process.wait(PATIENCE), complaints) == (0, "")


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no endpoint"),
        (["--say", " "], "--say: there is nothing to say"),
        (["--emulator", "--endpoint", "http://127.0.0.1"], "--emulator has an endpoint and a key of its own"),
        (["--emulator", "--send", "nowhere.jsonl"], "--send: nowhere.jsonl cannot be read: No such file"),
        (["--emulator", "--send", "."], "--send: . cannot be read: Is a directory"),
    ],
)
def test_wrong_usage_is_told_in_one_line(events: Events, arguments: list[str], says: str) -> None:
    outcome = events(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.complaint


def test_help_teaches_with_examples(events: Events) -> None:
    outcome = events("--help")
    assert outcome.code == 0
    assert "realtime-azure events --emulator --say 'Hello!'" in outcome.out
    assert all(len(line) <= 120 for line in outcome.out.splitlines())


# What is owed


def test_an_errand_is_over_when_all_is_sent_and_answered() -> None:
    errand = Errand()
    errand.ask(client_event(json.dumps(UPDATE).encode(), "ga"))
    errand.complete()
    assert not errand.over
    errand.hear(decode(json.dumps(SESSION_CREATED)))
    assert not errand.over
    errand.hear(decode(b'{"type": "session.updated"}'))
    assert errand.over


def test_an_errand_with_nothing_to_ask_is_over_when_the_service_has_said_something() -> None:
    errand = Errand()
    errand.complete()
    assert not errand.over
    errand.hear(decode(json.dumps(SESSION_CREATED)))
    assert errand.over


def test_a_response_of_somebody_elses_settles_nothing() -> None:
    errand = Errand()
    errand.ask(client_event(b'{"type": "response.create"}', "ga"))
    for fields in (RESPONSE_CREATED, {"type": "response.done", "response": {"id": "resp_2", "status": "failed"}}):
        errand.hear(decode(json.dumps(fields)))
    assert not errand.settled
    errand.hear(decode(json.dumps(RESPONSE_DONE)))
    assert errand.settled
    assert errand.refusals == []


def test_a_type_goes_by_its_names_in_every_dialect() -> None:
    event = decode(json.dumps(SOUND))
    assert is_of(event, ["response.audio.delta"])
    assert is_of(event, ["no", "*.output_audio.*"])
    assert not is_of(event, ["response.output_audio.done", "output_audio"])
