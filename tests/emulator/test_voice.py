from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import voice
from realtime_azure.emulator.responder import Turn
from realtime_azure.errors import ConfigurationError, RealtimeError

NOW = datetime(2026, 11, 2, 14, 5)
SILENCE = pcm.silence(0.1)
SAMPLES = Path(__file__).parents[2] / "audio_samples"
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()

needs_voice = pytest.mark.skipif(not voice.available(), reason="the extra emulator-voice is not installed")


def spelled(number: int) -> str:
    if number >= 100:
        rest = f" and {spelled(number % 100)}" if number % 100 else ""
        return f"{ONES[number // 100]} hundred{rest}"
    if number >= 20:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    return ONES[number]


# What it answers


@given(st.integers(0, 999))
def test_numbers_are_read_in_words_and_in_digits(number: int) -> None:
    assert voice.number(spelled(number)) == number
    assert voice.number(spelled(number).replace(" and ", " ")) == number
    assert voice.number(str(number)) == number


@given(st.integers(0, 999), st.integers(0, 999), st.booleans(), st.sampled_from(["plus", "minus", "times"]))
def test_small_sums_are_computed(left: int, right: int, in_words: bool, word: str) -> None:
    result = {"plus": left + right, "minus": left - right, "times": left * right}[word]
    asked = f"what is {spelled(left)} {word} {spelled(right)}" if in_words else f"{left} {word} {right}?"
    assert voice.arithmetic(asked) == f"{left} {word} {right} is {result}."


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("2+2", "2 plus 2 is 4."),
        ("what's 12 \N{MULTIPLICATION SIGN} 12?", "12 times 12 is 144."),
        ("forty-two divided by six", "42 divided by 6 is 7."),
        ("7 / 2", "7 divided by 2 is 3, remainder 1."),
        ("one divided by zero", "1 divided by 0 is not defined."),
        ("a hundred minus one", "100 minus 1 is 99."),
    ],
)
def test_sums_are_found_however_they_are_written(asked: str, answered: str) -> None:
    assert voice.arithmetic(asked) == answered


@pytest.mark.parametrize(
    "asked",
    [
        "2 + 3 * 4",
        "one plus two plus three",
        "2.5 + 1",
        "1 + 2.5",
        "-3 + 4",
        "3 plus - 4",
        "1,000 + 1",
        "12345 + 1",
        "call 555-1234",
        "on 2026-11-02",
        "open 24/7",
        "three times a day",
        "someone plus one",
        "one plus onerous things",
        "",
    ],
)
def test_what_is_no_sum_of_two_whole_numbers_is_left_alone(asked: str) -> None:
    """Half of a sum, computed, would be a wrong answer."""
    assert voice.arithmetic(asked) is None


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    assert voice.answer(text, NOW)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("What time is it?", "It is 14:05 here."),
        ("What\N{RIGHT SINGLE QUOTATION MARK}s the time?", "It is 14:05 here."),
        ("what day is it today", "Today is Monday, November 2, 2026."),
        ("Tell me the date.", "Today is Monday, November 2, 2026."),
        ("How many words did I say", "I count 6 words."),
        ("who are you", "I stand in for the service on this computer. There is no model behind me."),
    ],
)
def test_a_few_things_can_be_answered(asked: str, answered: str) -> None:
    assert voice.answer(asked, NOW) == answered


@pytest.mark.parametrize("asked", ["what is the capital of france", "what is the time difference to japan"])
def test_what_it_does_not_know_it_says(asked: str) -> None:
    assert "there is no model here" in voice.answer(asked, NOW)


SPEECH = Turn(audio=SILENCE, speech_seconds=1.0)


@pytest.mark.parametrize(
    ("turn", "heard", "said"),
    [
        (Turn(text="What is 2 + 3?"), "", "You wrote: What is 2 + 3? 2 plus 3 is 5."),
        (SPEECH, "what is two plus three", "I think you said: what is two plus three. 2 plus 3 is 5."),
        (SPEECH, "", "I heard you speak, but I made out no words."),
        (Turn(audio=SILENCE), "", "I heard no speech."),
        (Turn(), "", "You have not said anything yet."),
    ],
)
def test_it_says_what_it_takes_for_the_question(turn: Turn, heard: str, said: str) -> None:
    assert voice.said(turn, heard, NOW) == said


def test_a_long_question_is_not_read_back_whole() -> None:
    said = voice.said(Turn(text="word " * 500), "", NOW)
    assert len(said.split()) < 60
    assert "and so on." in said


@pytest.mark.parametrize(
    ("transcript", "starred"),
    [
        ("what the fuck is this shit", "what the *** is this ***"),
        ("motherfuckers and BULLSHIT", "*** and ***"),
        (
            "the assessment of a cocktail by peacock and shiitake",
            "the assessment of a cocktail by peacock and shiitake",
        ),
        ("scunthorpe has a class of dickens on a cockatoo", "scunthorpe has a class of dickens on a cockatoo"),
    ],
)
def test_obscenities_are_starred_and_their_neighbours_are_not(transcript: str, starred: str) -> None:
    assert voice.starred(transcript) == starred


@pytest.mark.anyio
@pytest.mark.parametrize(
    "turn",
    [
        Turn(text="Good morning"),
        Turn(),
        Turn(audio=SILENCE),
        Turn(audio=SILENCE, speech_seconds=1.0, transcript="good morning"),
    ],
)
async def test_every_answer_says_that_it_is_the_emulators(turn: Turn) -> None:
    """None of these needs the extra: nothing is heard, or somebody else has heard it."""
    reply = await voice.spoken_answer(turn)
    assert reply.text.startswith("This is the emulator. ")
    assert reply.audio is None


# Without the extra


@pytest.mark.parametrize("missing", ["pocketsphinx", "espeakng_loader"])
def test_both_libraries_make_a_voice(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert not voice.available()


@pytest.mark.anyio
async def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "available", lambda: False)
    with pytest.raises(ConfigurationError, match=r"realtime-azure\[emulator-voice\]"):
        await voice.transcribe(SILENCE)
    with pytest.raises(ConfigurationError, match="emulator-voice"):
        await voice.speak("Hello")
    with pytest.raises(ConfigurationError, match="emulator-voice"):
        await voice.spoken_answer(Turn(audio=SILENCE, speech_seconds=1.0))
    with pytest.raises(ConfigurationError, match="emulator-voice"):
        await voice.warm_up()


# The worker process; it needs neither library to find that silence says nothing


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[voice.Worker]]:
    """All that are started."""
    started: list[voice.Worker] = []

    class Recorded(voice.Worker):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

    monkeypatch.setattr(voice, "available", lambda: True)
    monkeypatch.setattr(voice, "idle", [])
    monkeypatch.setattr(voice, "Worker", Recorded)
    yield started
    for worker in started:
        worker.kill()


@pytest.mark.anyio
async def test_a_worker_is_kept(workers: list[voice.Worker]) -> None:
    with anyio.fail_after(20):
        assert await voice.transcribe(SILENCE) == ""
        assert await voice.transcribe(b"") == ""
        assert await voice.transcribe(b"\x01") == ""
    assert len(workers) == 1


@pytest.mark.anyio
async def test_no_more_workers_than_allowed_are_started(workers: list[voice.Worker]) -> None:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(2 * voice.WORKERS + 1):
                tasks.start_soon(voice.transcribe, SILENCE)
    assert len(workers) == voice.WORKERS


@pytest.mark.anyio
async def test_a_cancelled_call_ends_its_worker(workers: list[voice.Worker]) -> None:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(voice.transcribe, SILENCE)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert [worker.alive for worker in workers] == [False]
        assert await voice.transcribe(SILENCE) == ""


@pytest.mark.anyio
async def test_a_worker_that_dies_at_work_is_an_error(workers: list[voice.Worker]) -> None:
    async def lost() -> None:
        with pytest.raises(RealtimeError, match="voice was lost"):
            await voice.transcribe(SILENCE)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lost)
            await anyio.wait_all_tasks_blocked()
            os.kill(workers[0].pid, signal.SIGTERM)
        assert await voice.transcribe(SILENCE) == ""


@pytest.mark.anyio
async def test_a_worker_that_died_while_idle_is_replaced(workers: list[voice.Worker]) -> None:
    with anyio.fail_after(20):
        await voice.transcribe(SILENCE)
        os.kill(workers[0].pid, signal.SIGTERM)
        while workers[0].alive:
            await checkpoint()
        assert await voice.transcribe(SILENCE) == ""
    assert len(workers) == 2


def test_what_goes_wrong_inside_is_told_and_the_worker_goes_on(workers: list[voice.Worker]) -> None:
    worker = voice.Worker()
    assert worker.ask(b"?", b"") == (b"-", b"KeyError: b'?'")
    assert worker.ask(b"t", SILENCE) == (b"+", b"")


SCRIPT = """
import sys
import anyio
from realtime_azure.emulator import voice

print("run")
voice.available = lambda: True

async def main():
    await voice.transcribe(bytes(4800))
    print([worker.pid for worker in voice.idle])

anyio.run(main, backend=sys.argv[1])
"""


def test_a_bare_script_runs_once_and_leaves_nothing(anyio_backend_name: str, tmp_path: Path) -> None:
    """The worker does not import the caller's main file, which here would start all over; nothing warns at exit."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), anyio_backend_name],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    ran, pids = done.stdout.splitlines()
    assert ran == "run"
    with pytest.raises(OSError):  # noqa: PT011 - ProcessLookupError; on Windows, one of several
        os.kill(int(pids.strip("[]")), 0)


# With the extra


@needs_voice
@pytest.mark.anyio
async def test_a_recorded_question_is_made_out() -> None:
    with anyio.fail_after(60):
        assert await voice.transcribe(wav.read(SAMPLES / "question_capital.wav").pcm) == "what is the capital of france"


@needs_voice
@pytest.mark.anyio
async def test_what_was_heard_before_changes_nothing() -> None:
    """The noisy one is where it would show: it is hard to make out."""
    noisy = wav.read(SAMPLES / "noisy.wav").pcm
    with anyio.fail_after(60):
        first = await voice.transcribe(noisy)
        assert await voice.transcribe(noisy) == first


@needs_voice
@pytest.mark.anyio
@pytest.mark.parametrize("sound", [pcm.pack([9000, -9000]), pcm.pack([9000, -9000] * 40)])
async def test_a_click_is_no_error(sound: bytes) -> None:
    """Shorter than what the recogniser can look at."""
    with anyio.fail_after(60):
        await voice.transcribe(sound)


@needs_voice
@pytest.mark.anyio
async def test_an_answer_is_spoken() -> None:
    with anyio.fail_after(60):
        sound = await voice.speak("This is the emulator.")
    assert 1.0 < pcm.duration(sound) < 3.0
    assert 0.02 < pcm.level(sound) < 0.5


@needs_voice
@pytest.mark.anyio
@pytest.mark.parametrize("text", ["", " ", "\0", "\N{SNOWMAN} \ud800", "<break time='1h'/>", "[[nothing"])
async def test_any_text_can_be_spoken(text: str) -> None:
    with anyio.fail_after(60):
        assert pcm.duration(await voice.speak(text)) < 10


@needs_voice
@pytest.mark.anyio
async def test_a_zero_byte_does_not_end_the_answer() -> None:
    with anyio.fail_after(60):
        whole, cut = await voice.speak("Hello\0my friend"), await voice.speak("Hello")
    assert len(whole) > 1.5 * len(cut)


@needs_voice
@pytest.mark.anyio
async def test_a_spoken_question_is_answered() -> None:
    sound = wav.read(SAMPLES / "question_capital.wav").pcm
    with anyio.fail_after(60):
        reply = await voice.spoken_answer(Turn(audio=sound, speech_seconds=1.6))
    assert reply.text.startswith("This is the emulator. I think you said: what is the capital of france.")


@needs_voice
@pytest.mark.anyio
async def test_models_are_loaded_before_they_are_needed() -> None:
    with anyio.fail_after(60):
        await voice.warm_up()
