from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from realtime_azure.audio import pcm, wav

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "audio_samples"
SPEECH = ROOT / "realtime_azure" / "emulator" / "speech"

README = (SAMPLES / "README.md").read_text(encoding="utf-8")
# | `file.wav` | what is said | voice | format | 2.0 s |
ROWS = re.findall(r"^\| `(\w+\.wav)` \|.*\| ([\d.]+) s \|$", README, re.MULTILINE)
NAMES = [name for name, _ in ROWS]
FRAGMENTS = ["intro", "heard", "read", "no_speech", "seconds", "second", "words", "word", "more_than"]
NUMBERS = [str(number) for number in (*range(21), 30, 40, 50, 60)]


def loudest(sound: bytes) -> int:
    return max(map(abs, pcm.unpack(sound)))


def test_the_readme_names_the_recordings_that_are_there() -> None:
    assert len(NAMES) >= 8
    assert sorted(NAMES) == sorted(path.name for path in SAMPLES.glob("*.wav"))


@pytest.mark.parametrize(("name", "seconds"), ROWS, ids=NAMES)
def test_every_recording_is_read_and_is_as_long_as_said(name: str, seconds: str) -> None:
    recording = wav.read(SAMPLES / name)
    assert recording.rate == 24000
    assert recording.duration == pytest.approx(float(seconds), abs=0.051)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "silence.wav"])
def test_every_recording_but_one_is_heard_and_not_clipped(name: str) -> None:
    sound = wav.read(SAMPLES / name).pcm
    assert pcm.level(sound) > 0.05
    assert 10_000 < loudest(sound) < 32_000


@pytest.mark.parametrize("name", [name for name in NAMES if name != "noisy.wav"])
def test_a_recording_begins_and_ends_quietly(name: str) -> None:
    edge = len(pcm.silence(0.18))
    sound = wav.read(SAMPLES / name).pcm
    assert pcm.level(sound[:edge]) < 0.001
    assert pcm.level(sound[-edge:]) < 0.001


def test_silence_is_silent_and_noise_is_not() -> None:
    assert loudest(wav.read(SAMPLES / "silence.wav").pcm) == 0
    assert 0.005 < pcm.level(wav.read(SAMPLES / "noisy.wav").pcm[:9600]) < 0.05


def test_the_long_pause_lasts_long() -> None:
    """Longer than any `silence_duration_ms` that one would choose, so that it ends a turn."""
    levels = [pcm.level(piece) for piece in pcm.chunks(wav.read(SAMPLES / "long_pause.wav").pcm, 50)]
    speech = [place for place, loud in enumerate(levels) if loud > 0.01]
    longest = max(after - before for before, after in pairwise(speech))
    assert 1.5 <= longest * 0.05 <= 2.0


def test_recordings_of_other_kinds_are_what_they_say() -> None:
    """The bytes of the format chunk: tag, channels, rate."""
    assert (SAMPLES / "phone_g711.wav").read_bytes()[20:28] == b"\x07\0\x01\0\x40\x1f\0\0"
    assert (SAMPLES / "stereo_48k.wav").read_bytes()[20:28] == b"\x01\0\x02\0\x80\xbb\0\0"


def test_the_recordings_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()) < 2_000_000
    assert sum(path.stat().st_size for path in SPEECH.iterdir()) < 1_000_000


def test_the_emulator_has_its_whole_voice() -> None:
    assert sorted(path.name for path in SPEECH.iterdir()) == sorted(f"{name}.wav" for name in FRAGMENTS + NUMBERS)


@pytest.mark.parametrize("name", FRAGMENTS + NUMBERS)
def test_a_fragment_of_the_emulator_is_speech_from_edge_to_edge(name: str) -> None:
    assert (SPEECH / f"{name}.wav").read_bytes()[20:28] == b"\x01\0\x01\0\xc0\x5d\0\0"  # PCM, mono, 24 kHz
    sound = wav.read(SPEECH / f"{name}.wav", rate=24000).pcm
    assert pcm.level(sound) > 0.05
    assert loudest(sound) < 32_000
    heard = [place for place, sample in enumerate(pcm.unpack(sound)) if abs(sample) > 50]
    assert 0.02 < heard[0] / 24000 < 0.08
    assert 0.02 < (len(sound) // 2 - heard[-1]) / 24000 < 0.08
