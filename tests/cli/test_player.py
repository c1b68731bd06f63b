"""`--play`: the answer is heard where a player works, and nothing is lost where none does."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from realtime_azure.audio import pcm, wav
from realtime_azure.cli import ask, main
from realtime_azure.cli.player import PLAYERS, play
from realtime_azure.emulator import serve

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes players, on a machine that has no other program than those."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, does: str) -> None:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        program.chmod(0o755)

    return make


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator takes no time to speak."""
    monkeypatch.setattr(ask, "serve", partial(serve, pace=math.inf))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "an answer.wav"
    wav.write(path, pcm.silence(0.1))
    return path


def records(path: Path) -> str:
    """What a player does that notes how it was called."""
    return f'echo "$0" "$@" >> \'{path}\''


@pytest.mark.anyio
async def test_the_first_player_there_is_plays(install: Install, sound: Path, tmp_path: Path) -> None:
    install("aplay", records(tmp_path / "calls"))
    install("play", records(tmp_path / "calls"))
    assert await play(sound, 0.1) == "aplay"
    assert (tmp_path / "calls").read_text().splitlines() == [f"{tmp_path}/bin/aplay -q {sound}"]


@pytest.mark.anyio
@pytest.mark.parametrize("player", [command for command, *_ in PLAYERS])
async def test_every_player_is_given_the_file(install: Install, sound: Path, tmp_path: Path, player: str) -> None:
    install(player, records(tmp_path / "calls"))
    assert await play(sound, 0.1) == player
    assert (tmp_path / "calls").read_text().endswith(f" {sound}\n")


@pytest.mark.anyio
async def test_a_player_that_fails_gives_way_to_the_next(install: Install, sound: Path) -> None:
    install("paplay", "echo 'Connection refused' >&2; exit 1")
    install("pw-play", "kill -SEGV $$")
    install("aplay", "exit 0")
    assert await play(sound, 0.1) == "aplay"


@pytest.mark.anyio
async def test_no_player(install: Install, sound: Path) -> None:
    assert await play(sound, 0.1) is None


@pytest.mark.anyio
async def test_no_player_that_works(install: Install, sound: Path) -> None:
    install("paplay", "exit 1")
    install("play", "exit 2")
    assert await play(sound, 0.1) is None


@pytest.mark.anyio
async def test_a_player_that_hangs_is_ended_and_the_next_one_tried(
    install: Install, sound: Path, tmp_path: Path
) -> None:
    """It is given five seconds more than the sound lasts; a sound of less than none makes that short."""
    install("paplay", f"echo $$ > '{tmp_path / 'pid'}'; exec /bin/sleep 60")
    install("aplay", "exit 0")
    with anyio.fail_after(5):
        assert await play(sound, -4.7) == "aplay"
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.anyio
async def test_a_player_that_cannot_be_started_gives_way_to_the_next(
    install: Install, sound: Path, tmp_path: Path
) -> None:
    install("paplay", "")
    (tmp_path / "bin" / "paplay").write_bytes(b"\x7fELF of another machine")
    install("aplay", "exit 0")
    assert await play(sound, 0.1) == "aplay"


@pytest.mark.usefixtures("swift")
def test_the_answer_is_played(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it is written nowhere else."""
    install("paplay", f"/bin/cp \"$1\" '{tmp_path / 'heard.wav'}'")
    assert main(["ask", "--text", "hello", "--play"]) == 0
    assert capsys.readouterr().out.endswith("\n(played with paplay)\n")
    assert wav.read(tmp_path / "heard.wav").duration > 0.5


@pytest.mark.usefixtures("swift")
def test_the_answer_is_played_from_where_it_was_written(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("paplay", records(tmp_path / "calls"))
    answer = tmp_path / "answer.wav"
    assert main(["ask", "--text", "hello", "--play", "-o", str(answer)]) == 0
    assert (tmp_path / "calls").read_text().endswith(f"paplay {answer}\n")


@pytest.mark.usefixtures("install", "swift")
def test_a_machine_without_a_player_is_told_where_the_answer_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tmp_path / "answer.wav"
    assert main(["ask", "--text", "hello", "--play", "-o", str(answer)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    last = said.out.splitlines()[-1]
    assert last == f"(not played: no player on this machine works; the answer is in {answer})"
    assert answer.exists()


@pytest.mark.usefixtures("swift")
def test_an_answer_in_json_is_played_too(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install("paplay", records(tmp_path / "calls"))
    assert main(["ask", "--text", "hello", "--play", "--json"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert (tmp_path / "calls").exists()


def test_nothing_is_played_of_a_question_that_was_not_asked(install: Install, tmp_path: Path) -> None:
    install("paplay", records(tmp_path / "calls"))
    assert main(["ask", "nothing.wav", "--play"]) == 2
    assert not (tmp_path / "calls").exists()
