from __future__ import annotations

import importlib
import struct
import warnings
from collections.abc import Callable
from types import ModuleType

import pytest

from realtime_azure.audio import g711, pcm

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = struct.pack("<65536h", *range(-32768, 32768))

# From the tables of ITU-T G.711: code → sample, at the ends of the range, about zero, and where segments begin.
ULAW = {0x00: -32124, 0x80: 32124, 0x7F: 0, 0xFF: 0, 0xFE: 8, 0x7E: -8, 0xEF: 132, 0x6F: -132, 0x8F: 16764}
ALAW = {0xD5: 8, 0x55: -8, 0xD4: 24, 0xAA: 32256, 0x2A: -32256, 0xC5: 264, 0xF5: 528, 0x75: -528, 0x85: 4224}


def read(sound: bytes) -> list[int]:
    return [sample for (sample,) in struct.iter_unpack("<h", sound)]


@pytest.fixture
def audioop() -> ModuleType:
    """The standard library's own G.711, where there still is one (Python 3.11 and 3.12)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module("audioop")
        except ImportError:
            pytest.skip("this Python has no audioop any more")


@pytest.mark.parametrize(
    ("decode", "table"), [(g711.decode_ulaw, ULAW), (g711.decode_alaw, ALAW)], ids=["ulaw", "alaw"]
)
def test_codes_stand_for_the_samples_of_the_standard(decode: Callable[[bytes], bytes], table: dict[int, int]) -> None:
    assert read(decode(bytes(table))) == list(table.values())


@pytest.mark.parametrize(
    ("encode", "decode", "fixed_point"),
    [(g711.encode_ulaw, g711.decode_ulaw, 255), (g711.encode_alaw, g711.decode_alaw, 256)],
    ids=["ulaw", "alaw"],
)
def test_what_was_decoded_encodes_to_the_same_code(
    encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes], fixed_point: int
) -> None:
    again = encode(decode(EVERY_CODE))
    # µ-law has two zeros, and gives back the positive one.
    assert sum(code == before for code, before in zip(again, EVERY_CODE, strict=True)) == fixed_point
    assert decode(again) == decode(EVERY_CODE)


@pytest.mark.parametrize(
    ("encode", "decode"),
    [(g711.encode_ulaw, g711.decode_ulaw), (g711.encode_alaw, g711.decode_alaw)],
    ids=["ulaw", "alaw"],
)
def test_a_sample_comes_back_within_its_step(
    encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes]
) -> None:
    """A step is a sixteenth of its segment, so the error is at most half of that, 3 % of the sample, or small."""
    for sample, heard in zip(range(-32768, 32768), read(decode(encode(EVERY_SAMPLE))), strict=True):
        assert abs(sample - heard) <= 16 + abs(sample) / 32


def test_loud_samples_are_clipped_not_wrapped() -> None:
    assert g711.encode_ulaw(pcm.pack([32767, -32768, 0, -1])) == b"\x80\x00\xff\x7e"
    assert g711.encode_alaw(pcm.pack([32767, -32768, 0, -1])) == b"\xaa\x2a\xd5\x55"


def test_nothing_is_nothing_and_half_a_sample_too() -> None:
    assert g711.decode_ulaw(b"") == g711.encode_ulaw(b"") == g711.encode_alaw(b"\x01") == b""


def test_decoding_agrees_with_audioop(audioop: ModuleType) -> None:
    assert g711.decode_ulaw(EVERY_CODE) == audioop.ulaw2lin(EVERY_CODE, 2)
    assert g711.decode_alaw(EVERY_CODE) == audioop.alaw2lin(EVERY_CODE, 2)


def test_encoding_agrees_with_audioop(audioop: ModuleType) -> None:
    assert g711.encode_ulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert g711.encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
