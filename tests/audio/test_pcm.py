from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure.audio import pcm
from tests.audio.tones import tone

SAMPLES = st.lists(st.integers(-32768, 32767), max_size=64)


def ints(sound: bytes) -> list[int]:
    """The samples, read by another way than the package's own."""
    return [sample for (sample,) in struct.iter_unpack("<h", sound)]


@given(SAMPLES)
def test_samples_are_little_endian_on_every_machine(samples: list[int]) -> None:
    packed = pcm.pack(samples)
    assert packed == struct.pack(f"<{len(samples)}h", *samples)
    assert list(pcm.unpack(packed)) == samples


def test_an_odd_last_byte_is_no_sample() -> None:
    assert list(pcm.unpack(b"\x01\x00\xff")) == [1]
    assert pcm.duration(bytes(48_001)) == 1.0
    assert pcm.level(b"\xff") == 0.0


def test_a_sample_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        pcm.pack([32768])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_will_do(kind: type[pcm.Bytes]) -> None:
    sound = kind(b"\x00\x40\x00\x40")
    assert pcm.level(sound) == 0.5
    assert list(pcm.chunks(sound, 20)) == [b"\x00\x40\x00\x40"]
    assert pcm.to_mono(sound, 2) == b"\x00\x40"


def test_level_is_the_root_mean_square_of_full_scale() -> None:
    assert pcm.level(b"") == 0.0
    assert pcm.level(bytes(480)) == 0.0
    assert pcm.level(pcm.pack([-32768] * 10)) == 1.0
    assert pcm.level(pcm.pack([8192, -8192])) == 0.25
    assert pcm.level(tone(1000, 24_000, 0.5, amplitude=1.0)) == pytest.approx(2**-0.5, abs=1e-3)


def test_duration_counts_one_channel_at_the_rate() -> None:
    assert pcm.duration(bytes(48_000)) == 1.0
    assert pcm.duration(bytes(16_000), rate=8000) == 1.0


def test_silence_is_as_long_as_asked() -> None:
    assert pcm.silence(0.5) == bytes(24_000)
    assert pcm.silence(1, rate=8000) == bytes(16_000)
    assert pcm.silence(0) == b""
    with pytest.raises(ValueError, match="negative"):
        pcm.silence(-1)


def test_pieces_last_as_long_as_asked() -> None:
    assert [len(piece) for piece in pcm.chunks(bytes(2500), 20)] == [960, 960, 580]
    assert [len(piece) for piece in pcm.chunks(bytes(640), 20, rate=8000)] == [320, 320]
    assert list(pcm.chunks(b"", 20)) == []


@given(st.binary(max_size=300), st.floats(0.001, 5))
def test_pieces_are_the_whole_and_never_split_a_sample(sound: bytes, ms: float) -> None:
    pieces = list(pcm.chunks(sound, ms))
    assert b"".join(pieces) == sound[: len(sound) & ~1]
    assert all(piece and len(piece) % 2 == 0 for piece in pieces)


@pytest.mark.parametrize("ms", [0, -20])
def test_a_piece_of_nothing_is_refused_at_once(ms: int) -> None:
    with pytest.raises(ValueError, match="must last"):
        pcm.chunks(bytes(100), ms)


def test_mono_is_the_mean_of_the_channels() -> None:
    stereo = pcm.pack([100, 300, -100, -300, 32767, 32767, -32768, -32768])
    assert ints(pcm.to_mono(stereo, 2)) == [200, -200, 32767, -32768]
    assert ints(pcm.to_mono(pcm.pack([3, 6, 9, 1]), 3)) == [6]  # an incomplete frame at the end


def test_one_channel_is_mono_already() -> None:
    assert pcm.to_mono(b"\x01\x02\x03\x04\x05", 1) == b"\x01\x02\x03\x04"
    with pytest.raises(ValueError, match="at least one channel"):
        pcm.to_mono(b"", 0)


@pytest.mark.parametrize(
    ("width", "written", "heard"),
    [
        (1, b"\x00\x80\xff", [-32768, 0, 32512]),
        (2, b"\x34\x12\x00\x80", [0x1234, -32768]),
        (3, b"\xff\x34\x12\x00\x00\x80", [0x1234, -32768]),
        (4, b"\xff\xff\x34\x12\x00\x00\x00\x80", [0x1234, -32768]),
    ],
)
def test_integers_of_any_width_keep_their_upper_bits(width: int, written: bytes, heard: list[int]) -> None:
    assert ints(pcm.from_pcm(written, width)) == heard
    cut_short = written + b"\x7f" * (width - 1)
    assert ints(pcm.from_pcm(cut_short, width)) == heard


@pytest.mark.parametrize(("width", "code"), [(4, "f"), (8, "d")])
def test_floats_are_clipped_and_never_trip(width: int, code: str) -> None:
    values = [0.0, 0.5, -1.0, 1.0, 7.5, -1e30, float("inf"), float("-inf"), float("nan")]
    written = struct.pack(f"<{len(values)}{code}", *values)
    assert ints(pcm.from_float(written, width)) == [0, 16384, -32768, 32767, 32767, -32768, 32767, -32768, 0]
    assert ints(pcm.from_float(written[:-1], width))[-1] == -32768


@given(st.binary(max_size=200), st.sampled_from([4, 8]))
def test_any_bytes_are_floats(data: bytes, width: int) -> None:
    assert len(pcm.from_float(data, width)) == 2 * (len(data) // width)


def test_a_width_that_no_sample_has_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 4 bytes"):
        pcm.from_pcm(b"", 5)
    with pytest.raises(ValueError, match="4 or 8 bytes"):
        pcm.from_float(b"", 2)
