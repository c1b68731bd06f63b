"""Each example does what it says, on the emulator, and fits on a screen."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import time
from ast import literal_eval
from pathlib import Path

import openai
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
    assert {"chat_stream.py", "transcribe_folder.py", "webrtc_secret.py", "sip_answer.py"} <= set(NAMES)


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


def test_chat_stream_remembers_what_was_said(said: dict[str, Said]) -> None:
    lines = said["chat_stream.py"][1].splitlines()
    assert [line for line in lines if line.startswith("This is the emulator.")] == lines[1::3]
    first, second = (int(line.split()[0].lstrip("(")) for line in lines[2::3])
    assert second > 2 * first  # the first question and its answer are in it


def test_transcribe_folder_writes_down_every_recording(said: dict[str, Said]) -> None:
    lines = sorted(said["transcribe_folder.py"][1].splitlines())
    recordings = sorted(path.name for path in (ROOT / "audio_samples").glob("*.wav"))
    assert [line.partition(": ")[0] for line in lines] == recordings
    assert "story.wav: This is the emulator. I heard you speak for about nine seconds." in lines


def test_webrtc_secret_says_what_a_browser_needs_and_shows_no_key(said: dict[str, Said]) -> None:
    lines = said["webrtc_secret.py"][1].splitlines()
    assert re.fullmatch(r"the browser posts its offer to http://127\.0\.0\.1:\d+/openai/v1/realtime/calls", lines[0])
    assert lines[2] == "  authorization: Bearer ek_…"
    assert lines[3] == "the call rtc_… is answered, with 2 streams:"


def test_sip_answer_takes_the_call_says_hello_and_hangs_up(said: dict[str, Said]) -> None:
    caller, hello, end = said["sip_answer.py"][1].splitlines()
    assert caller == "<sip:+4930123456@example.com> is calling"
    assert hello.startswith("the bakery says: This is the emulator.")
    assert end == "hung up"


def test_sip_answer_believes_what_openai_s_own_library_believes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    sip = importlib.import_module("sip_answer")
    webhooks = openai.OpenAI(api_key="none", webhook_secret=sip.SECRET).webhooks
    body = b'{"type": "realtime.call.incoming"}'
    headers = {"webhook-id": "wh_1", "webhook-timestamp": str(int(time.time()))}
    headers["webhook-signature"] = f"v1,b3RoZXI= {sip.signature(headers, body)}"
    webhooks.verify_signature(body, headers)
    assert sip.is_genuine(headers, body)
    old = {**headers, "webhook-timestamp": str(int(time.time()) - 301)}
    old["webhook-signature"] = sip.signature(old, body)
    forged = {**headers, "webhook-signature": "v1,b3RoZXI="}
    for wrong, content in ((headers, body + b" "), (old, body), (forged, body)):
        with pytest.raises(openai.InvalidWebhookSignatureError):
            webhooks.verify_signature(content, wrong)
        assert not sip.is_genuine(wrong, content)
