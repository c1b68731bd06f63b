"""`realtime-azure record` and `replay`: sessions on file, and what the commands say about them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime_azure import testing
from realtime_azure.cli import main
from realtime_azure.testing import Cassette, recording, replay

from . import COMMAND, ROOT, environment

PATIENCE = 20.0
RECORDINGS = ROOT / "tests" / "recordings"
TEXT_IN = RECORDINGS / "azure_ga_text_in_audio_out.jsonl"
CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_1", "output_modalities": ["text"]}}
UPDATE = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
UPDATED = {"type": "session.updated", "session": {"type": "realtime", "instructions": "Be brief."}}


class Listening:
    """A command that serves, once it has said how to reach it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.said = ""
        for line in process.stdout:
            self.said += line
            if "API_KEY" in line:
                break
        else:
            pytest.fail(f"it does not serve: {process.communicate()}")
        self.exports: dict[str, str] = dict(re.findall(r"^ +export (\w+)=(.+)$", self.said, re.MULTILINE))

    @property
    def url(self) -> str:
        return self.exports["AZURE_OPENAI_ENDPOINT"]

    def end(self, signum: int = signal.SIGINT) -> tuple[int, str, str]:
        """Exit code, stdout from now on, and stderr, after the signal."""
        self.process.send_signal(signum)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def listening(*arguments: str | Path, **variables: str) -> Generator[Listening]:
    with subprocess.Popen(
        [*COMMAND, *arguments, "--port", "0"],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Listening(process)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def service() -> Iterator[Listening]:
    """What stands for the service here."""
    with listening("emulate", "--api-key", "", "--quiet") as emulating:
        yield emulating


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "v1")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT_NAME", "any")


def ask(url: str) -> int:
    """What a client gets that asks there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_OPENAI_ENDPOINT", url)
        patch.setenv("AZURE_OPENAI_API_KEY", "any")
        return main(["ask", "--text", "hello"])


def run(*arguments: str | Path, **variables: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def write(path: Path, *said: tuple[Any, dict[str, Any]]) -> Path:
    with recording(path) as recorder:
        for direction, message in said:
            recorder(direction, json.dumps(message).encode())
    return path


# There and back


def test_a_session_is_recorded_and_played_again(
    service: Listening, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "session.jsonl"
    with listening("record", path, **service.exports) as recording_it:
        assert recording_it.exports["AZURE_OPENAI_API_KEY"] == "any"
        host = service.url.removeprefix("http://")
        assert recording_it.said.startswith(
            f"what goes through {recording_it.url} to {host} is written to {path} (Ctrl-C ends it)\n"
        )
        assert ask(recording_it.url) == 0
        assert ask(recording_it.url) == 0
        code, said, complaints = recording_it.end()
        assert (code, complaints) == (0, "")
        files = [path, tmp_path / "session-2.jsonl"]
        told = [f"a connection is written to {file}\n{file} is complete\n" for file in files]
        assert said == "".join([*told, "stopped\n"])
    first = capsys.readouterr().out
    assert service.exports["AZURE_OPENAI_API_KEY"] not in path.read_text("utf-8")
    assert Cassette.read(path).messages[-1].type == "response.done"
    assert Cassette.read(tmp_path / "session-2.jsonl").messages[-1].type == "response.done"

    with listening("replay", path) as replaying:
        count = sum(message.direction == "received" for message in Cassette.read(path).messages)
        assert replaying.said.startswith(f"{path} ({count} events of the service) is played at {replaying.url} ")
        assert replaying.exports["AZURE_OPENAI_API_KEY"] == "any"
        assert ask(replaying.url) == 0
        assert ask(replaying.url) == 0
        assert replaying.end(signal.SIGTERM) == (0, "played to the end\n" * 2 + "stopped\n", "")
    assert capsys.readouterr().out.count("emulator") == first.count("emulator") > 0


def test_sound_is_kept_on_wish(service: Listening, tmp_path: Path) -> None:
    with listening("record", tmp_path / "kept.jsonl", "--keep-sound", **service.exports) as it:
        assert ask(it.url) == 0
    messages = Cassette.read(tmp_path / "kept.jsonl").messages
    deltas = [each.fields["delta"] for each in messages if each.type == "response.output_audio.delta"]
    assert max(map(len, deltas)) > 640


def test_a_client_that_is_there_still_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", ("received", CREATED), ("sent", UPDATE), ("received", UPDATED))
    with (
        listening("replay", path) as replaying,
        subprocess.Popen(
            [*COMMAND, "events"],
            cwd=ROOT,
            env=environment(**replaying.exports, PYTHONUNBUFFERED="1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        assert client.stdout is not None
        assert "session.created" in client.stdout.readline()
        assert replaying.end() == (0, "stopped\n", "")
        _, complaints = client.communicate(timeout=PATIENCE)
    assert client.returncode == 4
    assert "1001" in complaints


def test_a_client_that_says_something_else_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "x.jsonl", ("received", CREATED), ("sent", UPDATE), ("received", UPDATED))
    with listening("replay", path, "--strict") as replaying:
        assert ask(replaying.url) in (3, 4)
        assert replaying.end()[0] == 0
    assert "cassette" in capsys.readouterr().err


# Compared


def test_the_same_kinds_of_events_are_no_difference(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", ("received", CREATED), ("sent", UPDATE), ("received", UPDATED))
    assert run("replay", path, "--against", "emulator") == (
        0,
        "(- cassette, + now)\n  session.created\n  session.updated\nthe same kinds of events came\n",
        "",
    )


@pytest.mark.parametrize("name", ["azure_ga_text_in_audio_out", "voice_live_text_in_audio_out"])
def test_a_recording_of_the_service_is_no_different_from_the_emulator(name: str) -> None:
    code, out, err = run("replay", RECORDINGS / f"{name}.jsonl", "--against", "emulator")
    assert (code, err) == (0, ""), out
    assert out.endswith("the same kinds of events came\n")


def test_other_kinds_of_events_are_a_difference(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        ("received", {"type": "odd"}),
        ("received", CREATED),
        ("sent", UPDATE),
        ("received", UPDATED),
    )
    assert run("replay", path, "--against", "emulator") == (
        1,
        "(- cassette, + now)\n- odd\n  session.created\n  session.updated\nthe kinds of events differ\n",
        "",
    )


def test_against_the_service_it_is_the_one_that_is_configured(service: Listening, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", ("received", CREATED), ("sent", UPDATE), ("received", UPDATED))
    assert run("replay", path, "--against", "service", **service.exports)[0] == 0
    wrong = service.exports | {"AZURE_OPENAI_API_KEY": "wrong"}
    code, out, err = run("replay", path, "--against", "service", **wrong)
    assert (code, out) == (3, "")
    assert "HTTP 401" in err


def test_what_does_not_come_is_a_service_that_went_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def impatient(cassette: Cassette, connection: Any, *, strict: bool) -> Any:
        return await replay(cassette, connection, strict=strict, timeout=0.05)

    monkeypatch.setattr(testing, "replay", impatient)
    path = write(tmp_path / "x.jsonl", ("received", CREATED), ("received", {"type": "expected"}))
    assert main(["replay", str(path), "--against", "emulator"]) == 4
    err = capsys.readouterr().err
    assert err.startswith("realtime-azure replay: expected did not come within 0.05 s")


def test_a_dialect_that_is_not_spoken_there_is_a_matter_of_configuration(service: Listening) -> None:
    path = RECORDINGS / "voice_live_text_in_audio_out.jsonl"
    code, _, err = run("replay", path, "--against", "service", **service.exports)
    assert code == 2
    assert "the cassette is in the dialect 'voice-live', the connection in 'ga'" in err


# What is wrong with a file


@pytest.mark.parametrize("against", [[], ["--against", "emulator"]])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        (b"hello\n", "line 1: this is no line of a cassette"),
        (b"\xff\xfe\n", "line 1: this is no line of a cassette"),
        (b'{"kind":"cassette","version":9}\n', "line 1: this is no line of a cassette"),
    ],
)
def test_a_wrong_file_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, says: str, against: list[str]
) -> None:
    path = tmp_path / "film.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert main(["replay", str(path), "--port", "0", *against]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"realtime-azure replay: {path}{',' if 'line' in says else ':'} {says}\n"
    assert captured.out == ""


def test_a_folder_is_no_cassette(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path)]) == 2
    assert f"{tmp_path}: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["record", "nowhere/at/all.jsonl"], "nowhere/at/all.jsonl: there is no folder nowhere/at"),
        (["record", "x.jsonl"], "no endpoint: pass endpoint="),
        (["replay", str(TEXT_IN), "--port", "0", "--pace", "0"], "pace: 0.0 is not a positive number"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", ["record", "replay"])
def test_help_fits_on_a_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 50
    assert f"example: realtime-azure {command}" in said


@pytest.mark.parametrize("more", [["--pace", "2"], ["--port", "9"]])
def test_how_to_serve_is_not_asked_of_a_comparison(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "x.jsonl", ("received", CREATED))
    assert main(["replay", str(path), "--against", "emulator", *more]) == 2
    assert "--against" in capsys.readouterr().err


def test_a_strict_comparison_is_of_whole_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The emulator's session has an id of its own each time."""
    path = write(tmp_path / "x.jsonl", ("received", CREATED))
    assert main(["replay", str(path), "--against", "emulator"]) == 0
    assert main(["replay", str(path), "--against", "emulator", "--strict"]) == 1
    assert "the events differ" in capsys.readouterr().out
