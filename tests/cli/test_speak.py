"""`realtime-azure speak`: a text becomes sound, in a file, in a pipe, or in the air."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime_azure.audio import pcm, wav

from .asking import KEY, Outcome, Run, answer, emulated, ended, refusal, runner, scripted, start
from .terminal import terminal

Install = Callable[[str, str], None]
TONE = pcm.pack([3000, -3000] * 6000)  # half a second
STREAMED = wav.encode(TONE)[:4] + b"\xff" * 4 + wav.encode(TONE)[8:40] + b"\xff" * 4 + TONE
"""As the service sends it: when it begins, it does not know how much it will be."""


@pytest.fixture
def speak(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("speak", capsys)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes players, on a machine that has no other program than those."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, does: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (folder / name).chmod(0o755)

    return make


# Where the sound goes


def test_a_file(speak: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    outcome = speak("--emulator", "hello there", "-o", path)
    seconds = wav.read(path).duration
    assert seconds > 0.3
    assert outcome == Outcome(0, f"sound     {path} ({seconds:.1f} s)\n", "")


def test_what_is_asked_for(speak: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with scripted(monkeypatch, answer(b"ID3...", "audio/mpeg")) as service:
        outcome = speak("hello", "--voice", "coral", "--instructions", "Whisper.", "-o", tmp_path / "x.mp3")
    assert outcome == Outcome(0, f"sound     {tmp_path / 'x.mp3'} (6 bytes)\n", "")
    assert (tmp_path / "x.mp3").read_bytes() == b"ID3..."
    assert (service.asked[0].path, service.asked[0].headers["api-key"]) == ("/openai/v1/audio/speech", KEY)
    assert service.asked[0].json == {
        "model": "mine",
        "input": "hello",
        "voice": "coral",
        "instructions": "Whisper.",
        "response_format": "mp3",
    }


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["x.WAV"], "wav"),
        (["x.ogg"], "opus"),
        (["x.flac"], "flac"),
        (["x"], "wav"),
        (["x.mp3", "--format", "pcm"], "pcm"),
    ],
)
def test_the_format_is_that_of_the_name_unless_said(
    speak: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], kind: str
) -> None:
    with scripted(monkeypatch, answer(TONE, "audio/x")) as service:
        monkeypatch.chdir(tmp_path)
        assert speak("hello", "-o", *options).code == 0
    assert service.asked[0].json["response_format"] == kind


def test_a_wav_says_how_long_it_is(speak: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with scripted(monkeypatch, answer(STREAMED, "audio/wav")):
        outcome = speak("hello", "-o", tmp_path / "x.wav")
    assert outcome.out == f"sound     {tmp_path / 'x.wav'} (0.5 s)\n"
    assert (tmp_path / "x.wav").read_bytes() == wav.encode(TONE)


def test_from_a_pipe_into_a_pipe() -> None:
    process = start("speak", "--emulator", "--format", "pcm", "-o", "-", stdin=subprocess.PIPE)
    out, err = process.communicate(b"hello there\n", timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert pcm.duration(out) > 0.3


def test_a_pipe_that_has_heard_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, answer(TONE * 100, "audio/pcm")):
        process = start("speak", "hello", "-o", "-")
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdout, process.stderr:
            process.stdout.read(10)
            process.stdout.close()
            assert process.wait(20) == 0
            assert process.stderr.read() == b""


def test_without_a_file_it_is_played(install: Install, speak: Run, tmp_path: Path) -> None:
    install("paplay", f"/bin/cp \"$1\" '{tmp_path / 'heard.wav'}'")
    assert speak("--emulator", "hello there") == Outcome(0, "(played with paplay)\n", "")
    assert wav.read(tmp_path / "heard.wav").duration > 0.3


def test_bare_samples_are_played_as_a_wav(install: Install, speak: Run, tmp_path: Path) -> None:
    install("paplay", f"/bin/cp \"$1\" '{tmp_path / 'heard.wav'}'")
    assert speak("--emulator", "--format", "pcm", "hello there") == Outcome(0, "(played with paplay)\n", "")
    assert wav.read(tmp_path / "heard.wav").duration > 0.3


def test_written_and_played(install: Install, speak: Run, tmp_path: Path) -> None:
    install("paplay", f"echo \"$1\" > '{tmp_path / 'call'}'")
    outcome = speak("--emulator", "hello", "-o", tmp_path / "x.wav", "--play")
    assert outcome.out.endswith("\n(played with paplay)\n")
    assert (tmp_path / "call").read_text() == f"{tmp_path / 'x.wav'}\n"


def test_a_player_that_does_not_work(install: Install, speak: Run) -> None:
    install("paplay", "exit 1")
    said = "(not played: no player on this machine works; -o FILE writes the sound to a file)\n"
    assert speak("--emulator", "hello") == Outcome(0, said, "")


def test_without_a_player_nothing_is_asked(install: Install, speak: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    del install
    with scripted(monkeypatch) as service:
        outcome = speak("hello")
    assert (outcome.code, service.asked) == (2, [])
    assert outcome.complaint == "there is no player on this machine; -o FILE writes the sound to a file"


def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    with terminal("speak", "--emulator", "hello there", "-o", tmp_path / "x.wav") as window:
        shown = window.read()
        assert window.process.returncode == 0
    assert "s of sound …\r\x1b[Ksound     " in shown


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["", "-o", "x.wav"], "the text is empty"),
        (["hello", "-o", "nowhere/x.wav"], "--output: nowhere/x.wav cannot be a file"),
        (["hello", "-o", "."], "--output: . cannot be a file"),
        (["hello", "-o", "-", "--play"], "--play: "),
        (["hello", "-o", "x.wav", "--endpoint", "https://x.openai.azure.com"], "leave out --endpoint"),
    ],
)
def test_wrong_usage_is_told_in_one_line(speak: Run, arguments: list[str], says: str) -> None:
    outcome = speak("--emulator", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.complaint


def test_a_terminal_is_not_given_sound() -> None:
    with terminal("speak", "--emulator", "hello", "-o", "-") as window:
        assert "--output: stdout is a terminal" in window.read()
        assert window.process.returncode == 2


def test_an_unknown_format_is_refused(speak: Run) -> None:
    outcome = speak("--emulator", "hello", "--format", "midi")
    assert outcome.code == 2
    assert "invalid choice: 'midi'" in outcome.err


def test_a_refusal_leaves_an_older_file_as_it_is(speak: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("older")
    with scripted(monkeypatch, refusal("400 Bad Request", "No such voice.")):
        outcome = speak("hello", "-o", tmp_path / "x.wav")
    assert (outcome.code, outcome.out) == (3, "")
    assert "No such voice." in outcome.complaint
    assert KEY not in outcome.err
    assert (tmp_path / "x.wav").read_text() == "older"


def test_what_came_of_a_sound_that_was_cut_is_kept(speak: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with scripted(monkeypatch, answer(TONE, "audio/pcm", missing=100)):
        outcome = speak("hello", "-o", tmp_path / "x.pcm")
    assert (outcome.code, "the answer was cut" in outcome.complaint) == (4, True)
    assert outcome.out == f"sound     {tmp_path / 'x.pcm'} (incomplete: this is what was received)\n"
    assert (tmp_path / "x.pcm").read_bytes() == TONE


def test_no_sound_at_all(speak: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with scripted(monkeypatch, answer(b"", "audio/wav")):
        assert speak("hello", "-o", tmp_path / "x.wav") == Outcome(4, "", "realtime-azure speak: no sound came\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_file_that_cannot_be_written(speak: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with emulated(monkeypatch):
        outcome = speak("hello", "-o", "/dev/full")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint == "--output: /dev/full cannot be written: No space left on device"


def test_help_teaches_with_examples(speak: Run) -> None:
    assert "realtime-azure speak --emulator 'Hello!' -o hello.wav\n" in speak("--help").out


def test_a_text_of_the_pipe_that_is_none() -> None:
    outcome = ended(start("speak", "--emulator", "-o", "x.wav", stdin=subprocess.PIPE), b"\xff")
    assert outcome == Outcome(2, "", "realtime-azure speak: the text is no text: it has to be UTF-8\n")
