from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_azure.audio import Resampler, pcm
from realtime_azure.audio.resample import resample
from tests.audio.tones import decibels, tone

RATES = st.sampled_from([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])


def middle(sound: bytes, margin: int = 500) -> bytes:
    """*sound* without its first and last *margin* samples, where it meets silence."""
    return sound[2 * margin : -2 * margin]


@pytest.mark.parametrize(
    ("source", "target"),
    [(48000, 24000), (8000, 24000), (16000, 24000), (44100, 24000), (24000, 8000), (44101, 24000)],
)
def test_a_tone_that_both_rates_can_carry_keeps_its_level(source: int, target: int) -> None:
    heard = resample(tone(1000, source, 0.5), source, target)
    assert abs(decibels(middle(heard), tone(1000, target, 0.5))) < 0.2


@pytest.mark.parametrize("source", [8000, 16000, 44100, 44101, 48000, 96000])
def test_a_tone_stays_in_time(source: int) -> None:
    """The difference to the same tone made at the target rate is small only when nothing is shifted."""
    heard, meant = resample(tone(440, source, 0.5), source, 24000), tone(440, 24000, 0.5)
    difference = [a - b for a, b in zip(pcm.unpack(middle(heard)), pcm.unpack(middle(meant)), strict=True)]
    assert max(map(abs, difference)) < 50


@pytest.mark.parametrize(
    ("frequency", "source", "target"),
    [(15000, 48000, 24000), (12500, 48000, 24000), (20000, 44100, 24000), (5000, 24000, 8000)],
)
def test_a_tone_beyond_the_lower_rate_does_not_come_back_as_another(frequency: int, source: int, target: int) -> None:
    before = tone(frequency, source, 0.5)
    assert decibels(middle(resample(before, source, target)), before) < -50


def test_upsampling_adds_no_image_of_the_tone() -> None:
    """3 kHz at 8 kHz has an image at 5 kHz, which taking every third sample of nothing would let through."""
    heard = middle(resample(tone(3000, 8000, 1), 8000, 24000))
    image = middle(tone(3000, 24000, 1))
    difference = pcm.pack(a - b for a, b in zip(pcm.unpack(heard), pcm.unpack(image), strict=True))
    assert decibels(difference, heard) < -50


def test_full_scale_is_clipped_not_wrapped() -> None:
    """A square wave overshoots when it is resampled."""
    square = pcm.pack([32767] * 200 + [-32768] * 200) * 4
    heard = pcm.unpack(resample(square, 48000, 24000))
    assert max(heard) == 32767
    assert min(heard) == -32768
    assert min(heard[20:80]) > 20000
    assert max(heard[120:180]) < -20000


def test_a_constant_stays_what_it_is() -> None:
    assert set(pcm.unpack(middle(resample(pcm.pack([12345] * 9000), 44100, 24000), 100))) == {12345}


@settings(deadline=None, max_examples=60)
@given(RATES, RATES, st.binary(max_size=1500), st.lists(st.integers(0, 300), max_size=12))
def test_any_cutting_gives_the_same_bytes(source: int, target: int, sound: bytes, cuts: list[int]) -> None:
    """Cut anywhere, in the middle of a sample too."""
    resampler = Resampler(source, target)
    pieces: list[bytes] = []
    rest = sound
    for cut in cuts:
        pieces.append(resampler.push(rest[:cut]))
        rest = rest[cut:]
    pieces += [resampler.push(rest), resampler.flush()]
    assert b"".join(pieces) == resample(sound, source, target)
    assert sum(map(len, pieces)) == 2 * round(len(sound) // 2 * target / source)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 200_000), st.integers(1, 200_000), st.integers(0, 40))
def test_the_length_is_the_nearest_at_any_two_rates(source: int, target: int, count: int) -> None:
    count = min(count, 20_000 * source // target)
    if source < 200 * target:  # a thousand taps are enough for a test
        assert len(resample(bytes(2 * count), source, target)) == 2 * round(count * target / source)


def test_a_long_sound_is_the_same_in_one_go_and_as_a_stream() -> None:
    sound = tone(700, 44100, 2.5)
    resampler = Resampler(44100, 24000)
    streamed = b"".join(map(resampler.push, pcm.chunks(sound, 20, 44100))) + resampler.flush()
    assert streamed == resample(sound, 44100, 24000)


def test_a_stream_comes_out_as_it_goes_in() -> None:
    """What is withheld is only what the filter still has to see: a millisecond, not the recording."""
    resampler = Resampler(48000, 24000)
    heard = sum(len(resampler.push(piece)) for piece in pcm.chunks(bytes(96_000), 20, 48000))
    assert 48_000 - heard == 2 * 18


def test_after_a_flush_a_new_stream_begins() -> None:
    resampler = Resampler(48000, 24000)
    sound = tone(1000, 48000, 0.1)
    first = resampler.push(sound + b"\x01") + resampler.flush()
    assert resampler.push(sound) + resampler.flush() == first


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(24000, 24000)
    assert [resampler.push(b"\x01\x02\x03"), resampler.push(b"\x04"), resampler.flush()] == [
        b"\x01\x02",
        b"\x03\x04",
        b"",
    ]


@pytest.mark.parametrize(("source", "target"), [(0, 24000), (24000, 0), (-8000, 24000)])
def test_a_rate_that_no_sound_has_is_refused(source: int, target: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Resampler(source, target)
    with pytest.raises(ValueError, match="positive"):
        resample(b"", source, target)


def test_five_seconds_of_48_khz_take_no_second() -> None:
    sound = tone(1000, 48000, 5)
    start = time.process_time()
    resample(sound, 48000, 24000)
    assert time.process_time() - start < 1.0  # measured: 0.3
