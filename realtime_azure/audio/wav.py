"""Recordings in WAV files: what people have to ask with, and what an answer is kept in.

The standard library's `wave` refuses telephone recordings (G.711) and floats, believes every length that a
header claims, and raises several kinds of error for a file that is no WAV. Here the RIFF chunks are read as
they are found, what is there is used, and a file that cannot be read ends in one `AudioFileError` that names
it and says what to do.
"""

from __future__ import annotations

import os
import shlex
import struct
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AudioFileError
from . import g711
from .pcm import RATE, Bytes, duration, from_float, from_pcm, to_mono
from .resample import resample

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE

_COMPRESSIONS = {
    0x0002: "Microsoft ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0040: "G.721 ADPCM",
    0x0045: "G.726 ADPCM",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0160: "Windows Media",
    0x0161: "Windows Media",
    0x704F: "Opus",
    0xF1AC: "FLAC",
}

# (offset, bytes there, what it is)
_OTHER_FILES = (
    (0, b"ID3", "an MP3"),
    (0, b"\xff\xfb", "an MP3"),
    (0, b"\xff\xf3", "an MP3"),
    (0, b"\xff\xf2", "an MP3"),
    (0, b"OggS", "an Ogg"),
    (0, b"fLaC", "a FLAC"),
    (4, b"ftyp", "an M4A or MP4"),
    (0, b"\xff\xf1", "an AAC"),
    (0, b"FORM", "an AIFF"),
    (0, b".snd", "an AU"),
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska"),
    (0, b"#!AMR", "an AMR"),
    (0, b"RIFX", "a big-endian WAV (RIFX)"),
    (0, b"RF64", "an RF64 (a WAV beyond 4 GiB)"),
    (0, b"BW64", "a BW64 (a WAV beyond 4 GiB)"),
)

_MOST_CHANNELS = 256
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 1_000_000
_MOST_BYTES = 0xFFFF_FFFF - 36  # what a 32-bit RIFF size can say, beside the header that it counts


@dataclass(frozen=True)
class Recording:
    """Sound as the service takes it: `pcm`, mono PCM16, at `rate` samples a second."""

    pcm: bytes = field(repr=False)
    rate: int

    @property
    def duration(self) -> float:
        """How long it lasts, in seconds."""
        return duration(self.pcm, self.rate)


@dataclass(frozen=True)
class _Format:
    """How a file's samples are written: `tag` as Microsoft numbers formats, `width` in bytes."""

    tag: int
    channels: int
    rate: int
    width: int


def read(path: str | os.PathLike[str], rate: int = RATE) -> Recording:
    """The recording in a WAV file, mixed down to one channel and resampled to *rate*.

    Reads PCM of 8, 16, 24 and 32 bits, IEEE floats, and G.711. A file that breaks off, or whose header was
    never completed because it was streamed, gives what is there.

    Raises `AudioFileError` for a file that is missing or cannot be read, `ValueError` for a *rate* below 1.
    """
    name = os.fspath(path)
    try:
        content = Path(name).read_bytes()
    except FileNotFoundError as exc:
        raise _error(name, "does not exist; check the path") from exc
    except IsADirectoryError as exc:
        raise _error(name, "is a directory; name a WAV file in it") from exc
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _error(name, f"cannot be read: {_reason(exc)}") from exc
    return decode(content, name, rate)


def decode(data: Bytes, name: str = "recording", rate: int = RATE) -> Recording:
    """The recording in the bytes of a WAV file, as `read` gives it; errors call it *name*."""
    if rate <= 0:
        raise ValueError(f"a sample rate is positive, not {rate}")
    content = bytes(data)
    _check_riff(content, name)
    chunks = _chunks(content)
    if b"fmt " not in chunks:
        raise _error(name, f"is a WAV file without a format ('fmt ' chunk); {_convert(name)}")
    written = _format(chunks[b"fmt "], name)
    if b"data" not in chunks:
        raise _error(name, "is a WAV file without samples ('data' chunk); record it again")
    pcm = resample(to_mono(_pcm16(chunks[b"data"], written), written.channels), written.rate, rate)
    if not pcm:
        raise _error(name, "is a WAV file that holds no samples; record it again")
    return Recording(pcm, rate)


def write(path: str | os.PathLike[str], pcm: Bytes, rate: int = RATE) -> None:
    """Write *pcm* (mono PCM16) as a WAV file.

    Raises `AudioFileError` when the file cannot be written; `ValueError` as `encode`.
    """
    name = os.fspath(path)
    content = encode(pcm, rate)
    try:
        Path(name).write_bytes(content)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _error(name, f"cannot be written: {_reason(exc)}") from exc


def encode(pcm: Bytes, rate: int = RATE) -> bytes:
    """The bytes of a WAV file of *pcm* (mono PCM16); an odd last byte is dropped.

    Raises `ValueError` when a WAV file cannot hold that much (4 GiB), or cannot say that *rate*.
    """
    size = len(pcm) & ~1
    return header(size, rate) + bytes(memoryview(pcm)[:size])


def header(size: int, rate: int = RATE) -> bytes:
    """The 44 bytes before *size* bytes of mono PCM16 in a WAV file. Raises `ValueError` as `encode`."""
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"a WAV file holds at most 4 GiB of samples, not {size} bytes")
    if not 0 < rate <= 0x7FFF_FFFF:
        raise ValueError(f"a WAV file cannot have a sample rate of {rate}")
    form = struct.pack("<HHIIHH", _PCM, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size)


def _check_riff(content: bytes, name: str) -> None:
    if not content:
        raise _error(name, "is empty (0 bytes); record it again")
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return
    for offset, magic, kind in _OTHER_FILES:
        if content.startswith(magic, offset):
            raise _error(name, f"is not a WAV file but looks like {kind} file; {_convert(name)}")
    raise _error(name, f"is not a WAV file; if it is sound, {_convert(name)}")


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """The first chunk of each name, as much of each as is there."""
    chunks: dict[bytes, bytes] = {}
    said = struct.unpack_from("<I", content, 4)[0]
    start = 12
    while start + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, start)
        start += 8
        # A recorder that could not go back to fill in its header leaves zeros in it, or all ones.
        if name == b"data" and size == 0 and (8 + said <= start or said == 0xFFFF_FFFF):
            size = len(content)
        chunks.setdefault(name, content[start : start + size])
        start += size
        # The next chunk should begin at an even place, after a zero; some programs leave the zero out.
        if size % 2 and content[start : start + 1] == b"\0":
            start += 1
    return chunks


def _format(chunk: bytes, name: str) -> _Format:
    """What a 'fmt ' chunk says, made sure of."""
    if len(chunk) < 16:
        raise _corrupt(name, f"it is {len(chunk)} bytes long")
    tag, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if tag not in {_PCM, _FLOAT, _ALAW, _ULAW}:
        kind = f"format tag 0x{tag:04X}, {_COMPRESSIONS.get(tag, 'unknown')}"
        raise _error(name, f"is a compressed WAV file ({kind}); {_convert(name)}")
    if not 0 < channels <= _MOST_CHANNELS:
        raise _corrupt(name, f"it says {channels} channels")
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise _corrupt(name, f"it says {rate} samples a second")
    width = _width(tag, bits, frame // channels)
    if width not in {_PCM: {1, 2, 3, 4}, _FLOAT: {4, 8}}.get(tag, {1}):
        raise _corrupt(name, f"it says {bits} bits a sample")
    return _Format(tag, channels, rate, width)


def _width(tag: int, bits: int, room: int) -> int:
    """The bytes of one sample of *bits*, which has *room* bytes in a frame."""
    if tag in {_ALAW, _ULAW}:
        return 1
    width = (bits + 7) // 8
    return 4 if (width, room) == (3, 4) else width  # 24 bits are often kept in the upper bytes of four


def _pcm16(samples: bytes, written: _Format) -> bytes:
    match written.tag:
        case 0x0003:
            return from_float(samples, written.width)
        case 0x0006:
            return g711.decode_alaw(samples)
        case 0x0007:
            return g711.decode_ulaw(samples)
        case _:
            return from_pcm(samples, written.width)


def _corrupt(name: str, why: str) -> AudioFileError:
    return _error(name, f"is a WAV file with a corrupt format ('fmt ' chunk: {why}); {_convert(name)}")


def _convert(name: str) -> str:
    return f"convert it: ffmpeg -i {shlex.quote(_shown(name))} -ar 24000 -ac 1 out.wav"


def _error(name: str, what: str) -> AudioFileError:
    return AudioFileError(f"{_shown(name)} {what}")


def _shown(name: str) -> str:
    """*name* in one line that any terminal can print."""
    return name if name.isprintable() and name else ascii(name)


def _reason(exc: OSError | ValueError) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
