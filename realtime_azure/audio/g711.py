"""G.711: the samples of telephone lines, one byte each, usually 8000 a second.

The service takes and gives them as `audio/pcmu` (µ-law, North America and Japan) and `audio/pcma` (A-law,
elsewhere); recordings of calls hold them too. Both ways go through tables, since a call has no time to
compute: decoding is two `bytes.translate` (2 µs for 20 ms), encoding one look-up a sample (24 µs). The tables
of the encoders have 65536 entries and are built when first needed (some 30 ms each).

The bytes are those of the standard library's `audioop` as it was: the encoders look at the upper 14 bits of a
sample (µ-law) or 13 (A-law), as ITU-T G.711 has it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from .pcm import Bytes, unpack

_ULAW_BIAS = 33


def decode_ulaw(ulaw: Bytes) -> bytes:
    """µ-law bytes as PCM16."""
    return _decode(ulaw, *_decoder(_from_ulaw))


def decode_alaw(alaw: Bytes) -> bytes:
    """A-law bytes as PCM16."""
    return _decode(alaw, *_decoder(_from_alaw))


def encode_ulaw(pcm: Bytes) -> bytes:
    """PCM16 as µ-law bytes, one for each sample."""
    return _encode(pcm, _encoder(_to_ulaw))


def encode_alaw(pcm: Bytes) -> bytes:
    """PCM16 as A-law bytes, one for each sample."""
    return _encode(pcm, _encoder(_to_alaw))


def _decode(codes: Bytes, low: bytes, high: bytes) -> bytes:
    codes = bytes(codes)
    pcm = bytearray(2 * len(codes))
    pcm[0::2] = codes.translate(low)
    pcm[1::2] = codes.translate(high)
    return bytes(pcm)


def _encode(pcm: Bytes, table: bytes) -> bytes:
    # A negative sample indexes from the table's end, which is where its code stands.
    return bytes(map(table.__getitem__, unpack(pcm)))


@cache
def _decoder(expand: Callable[[int], int]) -> tuple[bytes, bytes]:
    """The lower and the upper byte of the sample that each of the 256 codes stands for."""
    samples = [expand(code) for code in range(256)]
    return bytes(sample & 0xFF for sample in samples), bytes(sample >> 8 & 0xFF for sample in samples)


@cache
def _encoder(compress: Callable[[int], int]) -> bytes:
    """The code of each sample: 0..32767, then -32768..-1."""
    return bytes(map(compress, [*range(32768), *range(-32768, 0)]))


def _from_ulaw(code: int) -> int:
    code ^= 0xFF
    magnitude = (((code & 0x0F) << 1) + _ULAW_BIAS << (code >> 4 & 7)) - _ULAW_BIAS
    return -4 * magnitude if code & 0x80 else 4 * magnitude


def _to_ulaw(sample: int) -> int:
    sample >>= 2
    sign = 0x80 if sample < 0 else 0
    magnitude = abs(sample) + _ULAW_BIAS
    segment = max(0, magnitude.bit_length() - 6)
    code = 0x7F if segment > 7 else segment << 4 | magnitude >> segment + 1 & 0x0F
    return (sign | code) ^ 0xFF


def _from_alaw(code: int) -> int:
    code ^= 0x55
    segment = code >> 4 & 7
    magnitude = ((code & 0x0F) << 1 | 1) + (32 if segment else 0) << max(0, segment - 1)
    return 8 * magnitude if code & 0x80 else -8 * magnitude


def _to_alaw(sample: int) -> int:
    sample >>= 3
    sign = 0x80 if sample >= 0 else 0
    magnitude = sample if sample >= 0 else ~sample
    segment = max(0, magnitude.bit_length() - 5)
    return (sign | segment << 4 | magnitude >> max(1, segment) & 0x0F) ^ 0x55
