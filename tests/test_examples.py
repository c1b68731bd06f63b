"""Each example does what it says, on the emulator, and fits on a screen."""

from __future__ import annotations

import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

from realtime_azure.audio import wav

from .cli import ROOT, environment

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NAMES = [path.name for path in EXAMPLES]
PATIENCE = 60.0

Said = tuple[int, str, str]


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `stream_pipeline.py` writes."""
    return tmp_path_factory.mktemp("pipeline") / "answer.wav"


@pytest.fixture(scope="module")
def said(answer: Path) -> dict[str, Said]:
    """What each one printed, alone and with an argument; they run at the same time."""
    calls = [
        *([name] for name in NAMES),
        ["ask.py", str(ROOT / "audio_samples" / "story.wav")],
        ["stream_pipeline.py", str(answer)],
    ]
    running = [(call, start(*call)) for call in calls]
    return {" ".join(Path(word).name for word in call): ended(process) for call, process in running}


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_the_examples_are_there() -> None:
    assert {"ask.py", "print_events.py", "trio_assistant.py", "stream_pipeline.py"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_without_an_account_and_without_a_warning(said: dict[str, Said], name: str) -> None:
    code, out, err = said[name]
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_on_a_screen_and_says_how_to_run_it(name: str) -> None:
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 75
    assert f"\n    python examples/{name}" in source
    assert "from realtime_azure._" not in source  # what it uses, everybody may


def test_ask_prints_the_answer(said: dict[str, Said]) -> None:
    assert re.fullmatch(r"This is the emulator\..+\n\(\d\.\d s of sound\)\n", said["ask.py"][1])
    assert "(0.0 s" not in said["ask.py"][1]


def test_ask_takes_a_question_of_ones_own(said: dict[str, Said]) -> None:
    """One with commas in it."""
    code, out, err = said["ask.py story.wav"]
    assert (code, err) == (0, "")
    assert "I heard you speak" in out
    assert "(0.0 s" not in out


def test_print_events_prints_the_stream(said: dict[str, Said]) -> None:
    lines = said["print_events.py"][1].splitlines()
    assert lines[0] == "session.created"
    assert re.fullmatch(r"response\.done +completed", lines[-1])
    words = [line.split(maxsplit=1)[1] for line in lines if line.startswith("response.output_audio_transcript.delta")]
    assert "".join(map(literal_eval, words)) == "This is the emulator. I read your message of one word."
    assert any(re.fullmatch(r"response\.output_audio\.delta +4800 bytes", line) for line in lines)


def test_trio_assistant_holds_a_conversation(said: dict[str, Said]) -> None:
    lines = said["trio_assistant.py"][1].splitlines()
    assert [line.split(":")[0].split()[0] for line in lines] == ["you", "you", "assistant"] * 3
    stopped = [int(line.split()[-2]) for line in lines if line.startswith("you stopped")]
    assert stopped == sorted(set(stopped))


def test_stream_pipeline_writes_what_it_played(said: dict[str, Said], answer: Path) -> None:
    code, out, err = said["stream_pipeline.py answer.wav"]
    assert (code, err) == (0, "")
    duration = wav.read(answer).duration
    assert duration > 0.5
    assert out == f"played {duration:.1f} s\n"
