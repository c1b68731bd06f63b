"""`realtime-azure transcribe`: what is said in recordings, and what a file that fails does to the others."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from . import COMMAND, ROOT, SAMPLES, environment
from .asking import ESCAPE, KEY, Outcome, Run, answer, emulated, ended, events, refusal, runner, scripted, start
from .terminal import on_screen, terminal

STORY = SAMPLES / "story.wav"
SILENCE = SAMPLES / "silence.wav"
TOLD = "This is the emulator. I heard you speak for about nine seconds."
NOTHING = "This is the emulator. I heard no speech."


@pytest.fixture
def transcribe(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("transcribe", capsys)


def text(said: str) -> bytes:
    return answer(json.dumps({"text": said}))


# Texts


def test_the_text_of_one_recording(transcribe: Run) -> None:
    assert transcribe("--emulator", STORY) == Outcome(0, f"{TOLD}\n", "")


def test_what_is_asked_for(transcribe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, text("Hello.")) as service:
        assert transcribe("--language", "en", "--prompt", "Ann", SILENCE) == Outcome(0, "Hello.\n", "")
    (asked,) = service.asked
    assert (asked.path, asked.headers["api-key"]) == ("/openai/v1/audio/transcriptions", KEY)
    fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n', asked.body))
    assert fields == {b"model": b"mine", b"response_format": b"json", b"language": b"en", b"prompt": b"Ann"}
    assert b'name="file"; filename="silence.wav"' in asked.body
    assert SILENCE.read_bytes() in asked.body


@pytest.mark.parametrize(
    ("kind", "begins"), [("txt", "This is"), ("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n\n00:00:00.000 --> ")]
)
def test_formats(transcribe: Run, kind: str, begins: str) -> None:
    outcome = transcribe("--emulator", "--format", kind, STORY)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(begins)
    assert TOLD in outcome.out


def test_several_come_in_the_order_of_the_files_under_headings(
    transcribe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with emulated(monkeypatch):
        outcome = transcribe("--jobs", "2", SILENCE, STORY, SILENCE)
    blocks = [f"==> {file} <==\n{said}\n" for file, said in ((SILENCE, NOTHING), (STORY, TOLD), (SILENCE, NOTHING))]
    assert outcome == Outcome(0, "".join(blocks), "")


def test_json_is_one_line_each(transcribe: Run) -> None:
    outcome = transcribe("--emulator", "--format", "json", STORY, SILENCE)
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(each["file"], each["text"]) for each in lines] == [(str(STORY), TOLD), (str(SILENCE), NOTHING)]
    assert lines[0]["usage"]["type"] == "duration"


def test_a_folder_of_texts_whose_names_are_printed(transcribe: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "texts"
    outcome = transcribe("--emulator", "--output-dir", folder, STORY, SILENCE)
    assert outcome == Outcome(0, f"{folder / 'story.txt'}\n{folder / 'silence.txt'}\n", "")
    assert (folder / "story.txt").read_text() == f"{TOLD}\n"
    assert (folder / "silence.txt").read_text() == f"{NOTHING}\n"


def test_not_more_at_a_time_than_jobs(transcribe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one, they are asked for in order, and so get the answers in order."""
    with scripted(monkeypatch, *map(text, "abcdef")):
        outcome = transcribe("--jobs", "1", "--format", "json", *[SILENCE] * 6)
    assert [json.loads(line)["text"] for line in outcome.out.splitlines()] == list("abcdef")


# Files that fail


def test_a_file_that_fails_is_named_and_does_not_stop_the_others(transcribe: Run, tmp_path: Path) -> None:
    missing, wrong = tmp_path / "missing.wav", tmp_path / "wrong.wav"
    wrong.write_text("no sound")
    outcome = transcribe("--emulator", "--format", "json", missing, wrong, tmp_path, STORY)
    assert outcome.code == 3
    assert [json.loads(line)["text"] for line in outcome.out.splitlines()] == [TOLD]
    first, second, third = outcome.err.splitlines()
    assert first == f"realtime-azure transcribe: {missing}: No such file or directory"
    assert second.startswith(f"realtime-azure transcribe: {wrong}: the service refused POST ")
    assert third == f"realtime-azure transcribe: {tmp_path}: Is a directory"


def test_files_that_are_not_there_are_wrong_usage(transcribe: Run) -> None:
    outcome = transcribe("--emulator", "missing.wav", STORY)
    assert (outcome.code, outcome.complaint) == (2, "missing.wav: No such file or directory")
    assert TOLD in outcome.out


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (refusal("400 Bad Request", "Too long."), 3),
        (answer("<html>", "text/html"), 3),
        (answer('{"text": ', missing=10), 4),
    ],
)
def test_exit_codes_and_no_key(transcribe: Run, monkeypatch: pytest.MonkeyPatch, script: bytes, code: int) -> None:
    with scripted(monkeypatch, *[script] * 3):
        outcome = transcribe(SILENCE)
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.complaint.startswith(f"{SILENCE}: ")
    assert KEY not in outcome.err


def test_a_text_that_cannot_be_written(transcribe: Run, tmp_path: Path) -> None:
    (tmp_path / "story.txt").mkdir()
    outcome = transcribe("--emulator", "--output-dir", tmp_path, STORY, SILENCE)
    assert (outcome.code, outcome.out) == (2, f"{tmp_path / 'silence.txt'}\n")
    assert outcome.complaint == f"{STORY}: {tmp_path / 'story.txt'}: Is a directory"


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required: FILE"),
        (["--jobs", "0", "x.wav"], "argument --jobs: '0' is not a number from 1 to 100"),
        (["--jobs", "many", "x.wav"], "argument --jobs: 'many' is not a number from 1 to 100"),
        (["--format", "doc", "x.wav"], "invalid choice: 'doc'"),
        (
            ["--output-dir", "t", "a/x.wav", "b/x.mp3"],
            "--output-dir: a/x.wav and b/x.mp3 would both be written to t/x.txt",
        ),
        (["--output-dir", "README.md", "x.wav"], "--output-dir: README.md cannot be made: File exists"),
        (["--output-dir", "a", "--format", "txt", "a/x.txt"], "--output-dir: a/x.txt is the recording"),
    ],
)
def test_wrong_usage(transcribe: Run, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    outcome = transcribe("--emulator", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err


def test_without_a_deployment_it_is_said_once(transcribe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch) as service:
        monkeypatch.delenv("AZURE_OPENAI_DEPLOYMENT_NAME")
        outcome = transcribe(STORY, SILENCE)
    assert (outcome.code, outcome.out, service.asked) == (2, "", [])
    assert outcome.complaint.startswith("no deployment: ")


# On a terminal, and in a pipe


def test_a_terminal_shows_the_text_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    deltas = [{"type": "transcript.text.delta", "delta": delta} for delta in ("One ", f"{ESCAPE}two.")]
    with (
        scripted(monkeypatch, events([*deltas, {"type": "transcript.text.done", "text": "One two."}])) as service,
        terminal("transcribe", SILENCE) as window,
    ):
        shown = window.read()
        assert window.process.returncode == 0
    assert on_screen(shown) == ["One  ]0;owned two."]
    assert b'name="stream"\r\n\r\ntrue\r\n' in service.asked[0].body


def test_a_text_that_comes_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        scripted(monkeypatch, events([{"type": "transcript.text.done", "text": "Yes."}])),
        terminal("transcribe", SILENCE) as window,
    ):
        assert on_screen(window.read()) == ["Yes."]
        assert window.process.returncode == 0


def test_a_model_without_streams_is_asked_for_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """whisper takes no notice of stream, and answers with JSON."""
    with scripted(monkeypatch, text("All."), text("All.")), terminal("transcribe", SILENCE) as window:
        shown = window.read()
        assert window.process.returncode == 0
    assert on_screen(shown) == ["All."]


def test_a_text_that_breaks_off_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = events([{"type": "transcript.text.delta", "delta": "One"}], done=False)
    with scripted(monkeypatch, cut), terminal("transcribe", SILENCE) as window:
        shown = window.read()
        assert window.process.returncode == 4
    said, complaint = on_screen(shown)
    assert said == "One"
    assert complaint.startswith(f"realtime-azure transcribe: {SILENCE}: the answer was cut")


def test_a_terminal_shows_how_far_it_is() -> None:
    with terminal("transcribe", "--emulator", "--format", "json", "--jobs", "1", STORY, SILENCE) as window:
        shown = window.read()
        assert window.process.returncode == 0
    assert "0 of 2 done …\r\x1b[K" in shown
    assert "1 of 2 done …\r\x1b[K" in shown
    assert len(on_screen(shown)) == 2


def test_a_pipe_gets_the_texts_alone() -> None:
    assert ended(start("transcribe", "--emulator", STORY)) == Outcome(0, f"{TOLD}\n", "")


def test_a_pipe_that_wants_one_line_only() -> None:
    command = subprocess.list2cmdline([*COMMAND, "transcribe", "--emulator", str(STORY), str(SILENCE)])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | head -1"],  # noqa: S607
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"==> {STORY} <=={os.linesep}"


def test_help_teaches_with_examples(transcribe: Run) -> None:
    assert "realtime-azure transcribe --emulator audio_samples/story.wav\n" in transcribe("--help").out
