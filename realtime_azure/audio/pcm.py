"""PCM16: signed 16-bit little-endian samples in bytes, as the service hears and speaks them.

The bytes are what travels, so every function takes bytes and gives bytes; `unpack` and `pack` are the way to
the numbers. A sample is two bytes: an odd last byte, as a cut stream leaves one, is no sample and is ignored.
Rates are in samples a second and count one channel.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Iterator
from operator import mul

RATE = 24_000
"""Samples a second, as the service speaks and, unless told otherwise, hears."""

FULL_SCALE = 32_768

Bytes = bytes | bytearray | memoryview
"""What is taken as samples: any bytes, one byte an item."""

_UNSIGNED_TO_SIGNED = bytes(value ^ 0x80 for value in range(256))


def unpack(pcm: Bytes) -> array[int]:
    """The samples of *pcm* as numbers, -32768..32767."""
    samples = array("h")
    samples.frombytes(memoryview(pcm)[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def pack(samples: Iterable[int]) -> bytes:
    """Numbers in -32768..32767 as PCM16. Raises `OverflowError` for one outside: clip first."""
    packed = array("h", samples)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def level(pcm: Bytes) -> float:
    """How loud *pcm* is: the root mean square of its samples, 0.0 (silence, or nothing) to 1.0."""
    samples = unpack(pcm)
    if not samples:
        return 0.0
    return math.sqrt(sum(map(mul, samples, samples)) / len(samples)) / FULL_SCALE


def duration(pcm: Bytes, rate: int = RATE) -> float:
    """How long *pcm* lasts, in seconds."""
    return len(pcm) // 2 / rate


def silence(seconds: float, rate: int = RATE) -> bytes:
    """Silence of that many *seconds*, to the nearest sample. Raises `ValueError` when they are negative."""
    return bytes(2 * round(seconds * rate))


def chunks(pcm: Bytes, ms: float, rate: int = RATE) -> Iterator[bytes]:
    """*pcm* in pieces of *ms* milliseconds, as a microphone would hand it over; the last may be shorter.

    Raises `ValueError` when *ms* is not positive.
    """
    if ms <= 0:
        raise ValueError(f"a piece must last more than nothing, not {ms} ms")
    size = 2 * max(1, round(rate * ms / 1000))
    whole = memoryview(pcm)[: len(pcm) & ~1]
    return (bytes(whole[start : start + size]) for start in range(0, len(whole), size))


def to_mono(pcm: Bytes, channels: int) -> bytes:
    """The mean of interleaved *channels*, as one channel. An incomplete last frame is dropped.

    Raises `ValueError` when there are no channels.
    """
    if channels < 1:
        raise ValueError(f"audio has at least one channel, not {channels}")
    samples = unpack(pcm)
    if channels == 1:
        return pack(samples)
    totals = map(sum, zip(*(samples[channel::channels] for channel in range(channels)), strict=False))
    half = channels // 2
    return pack((total + half) // channels for total in totals)


def from_pcm(data: Bytes, width: int) -> bytes:
    """PCM16 of little-endian integers of *width* bytes: 1 (unsigned, as WAV has it), 2, 3 or 4 (signed).

    Wider samples lose their lower bits. Raises `ValueError` for another *width*.
    """
    if width not in {1, 2, 3, 4}:
        raise ValueError(f"a sample is 1 to 4 bytes wide, not {width}")
    whole = bytes(data[: len(data) - len(data) % width])
    pcm = bytearray(2 * (len(whole) // width))
    if width == 1:
        pcm[1::2] = whole.translate(_UNSIGNED_TO_SIGNED)
    else:
        pcm[0::2] = whole[width - 2 :: width]
        pcm[1::2] = whole[width - 1 :: width]
    return bytes(pcm)


def from_float(data: Bytes, width: int = 4) -> bytes:
    """PCM16 of little-endian IEEE floats of *width* bytes (4 or 8), where full scale is 1.0.

    What is louder is clipped; what is not a number becomes 0. Raises `ValueError` for another *width*.
    """
    if width not in {4, 8}:
        raise ValueError(f"a float is 4 or 8 bytes wide, not {width}")
    values = array("f" if width == 4 else "d")
    values.frombytes(memoryview(data)[: len(data) - len(data) % width])
    if sys.byteorder == "big":
        values.byteswap()
    return pack(_clipped(value) for value in values)


def _clipped(value: float) -> int:
    if value != value:  # noqa: PLR0124 - only what is not a number differs from itself
        return 0
    return round(max(-FULL_SCALE, min(FULL_SCALE - 1, value * FULL_SCALE)))
