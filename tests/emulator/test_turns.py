from __future__ import annotations

from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.audio import pcm, wav
from realtime_azure.emulator.turns import SpeechStarted, SpeechStopped, TurnDetector

from ..audio.tones import tone

SAMPLES = Path(__file__).resolve().parents[2] / "audio_samples"
SPOKEN = sorted(path.name for path in SAMPLES.glob("*.wav") if path.name != "silence.wav")
CALM = 500  # ms of silence that end a turn and that nobody leaves between two words

Changes = list[SpeechStarted | SpeechStopped]


@cache
def spoken(seconds: float, amplitude: float = 0.3, rate: int = pcm.RATE) -> bytes:
    return tone(220, rate, seconds, amplitude)


def changes(sound: bytes, *, rate: int = pcm.RATE, **settings: Any) -> Changes:
    return list(TurnDetector(rate, **settings).feed(sound))


def turns(sound: bytes, **settings: Any) -> int:
    """How many turns were heard to their end."""
    heard = changes(sound, **settings)
    assert [type(change) for change in heard] == [SpeechStarted, SpeechStopped] * (len(heard) // 2)
    return len(heard) // 2


def test_silence_is_no_speech() -> None:
    assert changes(pcm.silence(3)) == []


def test_a_click_is_no_speech() -> None:
    """Two loud frames of 20 ms: a door, a key on the desk."""
    assert changes(pcm.silence(0.5) + spoken(0.04, 0.9) + pcm.silence(1)) == []


def test_speech_starts_with_its_padding_and_stops_with_its_silence() -> None:
    sound = pcm.silence(1) + spoken(0.6) + pcm.silence(1)
    assert changes(sound) == [SpeechStarted(700), SpeechStopped(1800)]


def test_speech_is_told_as_soon_as_it_is_known() -> None:
    """Three loud frames are speech, and the last frame of the silence ends it."""
    detector = TurnDetector(24000, silence_duration_ms=100)
    assert list(detector.feed(spoken(0.04))) == []
    assert list(detector.feed(spoken(0.02))) == [SpeechStarted(0)]
    assert detector.speaking
    assert list(detector.feed(spoken(0.3) + pcm.silence(0.08))) == []
    assert list(detector.feed(pcm.silence(0.02))) == [SpeechStopped(460)]
    assert not detector.speaking


@pytest.mark.parametrize(("pause_ms", "heard"), [(180, 1), (200, 2), (400, 2)])
def test_a_pause_ends_the_turn_when_it_lasts_long_enough(pause_ms: int, heard: int) -> None:
    sound = spoken(0.5) + pcm.silence(pause_ms / 1000) + spoken(0.5) + pcm.silence(1)
    assert turns(sound, silence_duration_ms=200) == heard


@pytest.mark.parametrize(
    ("silence_duration_ms", "stops_at_ms"), [(0, 520), (1, 520), (20, 520), (30, 540), (200, 700), (1000, 1500)]
)
def test_the_silence_waited_for_is_what_the_setting_says_in_whole_frames(
    silence_duration_ms: int, stops_at_ms: int
) -> None:
    sound = spoken(0.5) + pcm.silence(2)
    assert changes(sound, silence_duration_ms=silence_duration_ms)[-1] == SpeechStopped(stops_at_ms)


@pytest.mark.parametrize(("prefix_padding_ms", "starts_at_ms"), [(0, 1000), (300, 700), (950, 50), (2000, 0)])
def test_prefix_padding_reaches_back_but_not_before_the_beginning(prefix_padding_ms: int, starts_at_ms: int) -> None:
    sound = pcm.silence(1) + spoken(0.6)
    assert changes(sound, prefix_padding_ms=prefix_padding_ms) == [SpeechStarted(starts_at_ms)]


@pytest.mark.parametrize(
    ("threshold", "decibels", "heard"),
    [(0.0, -46, 1), (0.0, -50, 0), (0.5, -32, 1), (0.5, -36, 0), (1.0, -18, 1), (1.0, -22, 0)],
)
def test_the_threshold_says_how_loud_speech_is(threshold: float, decibels: float, heard: int) -> None:
    amplitude = 10 ** (decibels / 20) * 2**0.5  # of a sine with that level
    assert turns(spoken(0.5, amplitude) + pcm.silence(1), threshold=threshold) == heard


@pytest.mark.parametrize("rate", [8000, 24000])
def test_the_rate_changes_nothing(rate: int) -> None:
    sound = pcm.silence(0.5, rate) + spoken(0.5, rate=rate) + pcm.silence(0.5, rate)
    assert changes(sound, rate=rate) == [SpeechStarted(200), SpeechStopped(1200)]


def test_speech_seconds_are_those_spoken_since_they_were_last_taken() -> None:
    detector = TurnDetector(24000)
    list(detector.feed(pcm.silence(1) + spoken(0.5) + pcm.silence(0.5) + spoken(0.3) + pcm.silence(0.5)))
    assert detector.take_speech_seconds() == pytest.approx(0.8)
    assert detector.take_speech_seconds() == 0


def test_taking_the_speech_seconds_ends_an_open_turn() -> None:
    detector = TurnDetector(24000)
    list(detector.feed(spoken(0.5) + pcm.silence(0.1)))
    assert detector.take_speech_seconds() == pytest.approx(0.5)
    assert not detector.speaking
    assert list(detector.feed(pcm.silence(1))) == []


PIECES = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=8)


@given(pieces=PIECES, cuts=st.lists(st.integers(0, 30_000), max_size=30))
def test_any_chunking_gives_the_same_changes(pieces: list[tuple[bool, int]], cuts: list[int]) -> None:
    """Also one that cuts samples in half. Pieces last multiples of 10 ms, half a frame."""
    sound = b"".join((spoken if loud else pcm.silence)(count / 100) for loud, count in pieces)
    detector = TurnDetector(24000)
    bounds = [0, *(cut for cut in accumulate(cuts) if cut < len(sound)), len(sound)]
    heard = [change for start, end in pairwise(bounds) for change in detector.feed(sound[start:end])]
    assert heard == changes(sound)


@given(pieces=PIECES, silence_duration_ms=st.integers(0, 400), prefix_padding_ms=st.integers(0, 600))
def test_turns_begin_and_end_in_order(
    pieces: list[tuple[bool, int]], silence_duration_ms: int, prefix_padding_ms: int
) -> None:
    """The padding of a turn is not taken out of the turn before it."""
    sound = b"".join((spoken if loud else pcm.silence)(count / 100) for loud, count in pieces)
    heard = changes(sound, silence_duration_ms=silence_duration_ms, prefix_padding_ms=prefix_padding_ms)
    assert [isinstance(change, SpeechStarted) for change in heard] == [at % 2 == 0 for at in range(len(heard))]
    times = [change.at_ms for change in heard]
    assert times == sorted(times)
    assert all(0 <= at <= pcm.duration(sound) * 1000 for at in times)


@pytest.mark.parametrize("name", [name for name in SPOKEN if name != "long_pause.wav"])
def test_a_recording_is_one_turn(name: str) -> None:
    sound = wav.read(SAMPLES / name).pcm
    assert turns(sound + pcm.silence(1), silence_duration_ms=CALM) == 1


def test_a_recorded_turn_begins_and_ends_where_the_speech_does() -> None:
    """The recording is quiet for its first and its last 0.2 s."""
    sound = wav.read(SAMPLES / "question_weather.wav").pcm
    started, stopped = changes(sound + pcm.silence(1), prefix_padding_ms=0, silence_duration_ms=CALM)
    assert 180 <= started.at_ms <= 300
    end_ms = pcm.duration(sound) * 1000 - 200 + CALM
    assert end_ms - 150 <= stopped.at_ms <= end_ms + 20


@pytest.mark.parametrize(("silence_duration_ms", "heard"), [(200, 2), (500, 2), (1500, 2), (2000, 1)])
def test_a_long_pause_ends_the_turn_or_not_as_the_setting_says(silence_duration_ms: int, heard: int) -> None:
    sound = wav.read(SAMPLES / "long_pause.wav").pcm
    assert turns(sound + pcm.silence(2.5), silence_duration_ms=silence_duration_ms) == heard


def test_a_recording_of_silence_has_no_turn() -> None:
    assert changes(wav.read(SAMPLES / "silence.wav").pcm) == []


def test_in_noise_speech_is_found_with_a_threshold_above_it() -> None:
    """The fan runs from beginning to end; the words last from 0.22 s to 2.2 s."""
    sound = wav.read(SAMPLES / "noisy.wav").pcm
    started, stopped = changes(sound, threshold=0.6, prefix_padding_ms=0)
    assert 200 <= started.at_ms <= 300
    assert 2100 + 200 <= stopped.at_ms <= 2240 + 200


def test_noise_below_the_threshold_has_no_turn() -> None:
    noise = wav.read(SAMPLES / "noisy.wav").pcm[: len(pcm.silence(0.18))]
    assert pcm.level(noise) > 0.01
    assert changes(noise * 16, threshold=0.6) == []
