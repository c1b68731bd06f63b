from __future__ import annotations

import io
import struct
import sys
import wave
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime_azure.audio import Recording, g711, pcm, wav
from realtime_azure.errors import AudioFileError
from tests.audio.tones import decibels, tone

SOUND = tone(440, 24000, 0.1)
PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE


def chunk(name: bytes, content: bytes, *, pad: bool = True) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (pad and len(content) % 2)


def fmt(tag: int = PCM, channels: int = 1, rate: int = 24000, bits: int = 16, frame: int | None = None) -> bytes:
    frame = channels * bits // 8 if frame is None else frame
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame & 0xFFFF_FFFF, frame & 0xFFFF, bits))


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def by_stdlib(channels: int, width: int, rate: int, frames: bytes) -> bytes:
    """A WAV file as the standard library writes it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(frames)
    return file.getvalue()


VALID = riff(fmt(), chunk(b"data", SOUND))


# What we write.


def test_the_standard_library_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "answer.wav"
    wav.write(path, SOUND + b"\x7f")  # half a sample
    with wave.open(str(path)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 24000)
        assert reader.getnframes() == len(SOUND) // 2
        assert reader.readframes(1_000_000) == SOUND
    assert path.stat().st_size == 44 + len(SOUND)


@given(st.binary(max_size=100).map(lambda data: data[: len(data) & ~1]), st.integers(1000, 200_000))
def test_what_we_write_we_read(sound: bytes, rate: int) -> None:
    file = wav.encode(sound, rate)
    assert file == by_stdlib(1, 2, rate, sound)
    if sound:
        assert wav.decode(file, rate=rate) == Recording(sound, rate)


def test_more_than_a_wav_can_hold_is_refused() -> None:
    assert len(wav.header(2**32 - 38)) == 44
    with pytest.raises(ValueError, match="4 GiB"):
        wav.header(2**32 - 36)
    for rate in (0, -1, 2**31):
        with pytest.raises(ValueError, match="sample rate"):
            wav.encode(SOUND, rate)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "answer.wav"
    with pytest.raises(AudioFileError) as caught:
        wav.write(path, SOUND)
    assert str(caught.value) == f"{path} cannot be written: No such file or directory"
    with pytest.raises(AudioFileError):
        wav.write("nul\0.wav", SOUND)


# What we read.


def test_a_recording_does_not_print_its_sound() -> None:
    recording = wav.decode(VALID)
    assert recording == Recording(SOUND, 24000)
    assert recording.duration == 0.1
    assert repr(recording) == "Recording(rate=24000)"


@pytest.mark.parametrize(("width", "quiet"), [(1, b"\x80"), (2, bytes(2)), (3, bytes(3)), (4, bytes(4))])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_integer_pcm_is_read(width: int, quiet: bytes, channels: int) -> None:
    """A tone in the first channel alone; the standard library is the witness for the layout."""
    before = tone(440, 24000, 0.1, amplitude=0.9)
    widened = b"".join(
        bytes([(sample >> 8) + 128])
        if width == 1
        else (sample << 8 * (width - 2)).to_bytes(width, "little", signed=True)
        for sample in pcm.unpack(before)
    )
    frames = b"".join(
        widened[start : start + width] + quiet * (channels - 1) for start in range(0, len(widened), width)
    )
    heard = wav.decode(by_stdlib(channels, width, 24000, frames)).pcm
    error = max(abs(a - b / channels) for a, b in zip(pcm.unpack(heard), pcm.unpack(before), strict=True))
    assert error <= (256 / channels + 1 if width == 1 else 1)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000])
def test_any_rate_is_resampled(rate: int) -> None:
    recording = wav.decode(by_stdlib(1, 2, rate, tone(440, rate, 0.5)))
    assert recording.rate == 24000
    assert recording.duration == pytest.approx(0.5, abs=1e-4)
    assert abs(decibels(recording.pcm, tone(440, 24000, 0.5))) < 0.2
    assert wav.decode(by_stdlib(1, 2, rate, tone(440, rate, 0.5)), rate=16000).rate == 16000


@pytest.mark.parametrize(("code", "bits"), [("f", 32), ("d", 64)])
def test_floats_are_read(code: str, bits: int) -> None:
    samples = pcm.unpack(SOUND)
    floats = struct.pack(f"<{len(samples)}{code}", *(sample / 32768 for sample in samples))
    assert wav.decode(riff(fmt(FLOAT, bits=bits), chunk(b"data", floats))).pcm == SOUND


def test_telephone_recordings_are_read() -> None:
    ulaw, alaw = g711.encode_ulaw(SOUND), g711.encode_alaw(SOUND)
    assert wav.decode(riff(fmt(ULAW, bits=8), chunk(b"data", ulaw))).pcm == g711.decode_ulaw(ulaw)
    assert wav.decode(riff(fmt(ALAW, bits=8), chunk(b"data", alaw))).pcm == g711.decode_alaw(alaw)


@pytest.mark.parametrize(("tag", "data"), [(PCM, SOUND), (ULAW, g711.encode_ulaw(SOUND))])
def test_the_extensible_form_is_read(tag: int, data: bytes) -> None:
    bits = 16 if tag == PCM else 8
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    extensible = fmt(EXTENSIBLE, bits=bits)[8:] + struct.pack("<HHI", 22, bits, 4) + guid
    assert abs(decibels(wav.decode(riff(chunk(b"fmt ", extensible), chunk(b"data", data))).pcm, SOUND)) < 0.1


def test_24_bits_kept_in_four_bytes_are_read() -> None:
    data = b"".join(b"\0\0" + SOUND[start : start + 2] for start in range(0, len(SOUND), 2))
    assert wav.decode(riff(fmt(bits=24, frame=4), chunk(b"data", data))).pcm == SOUND


@pytest.mark.parametrize("pad", [True, False], ids=["padded", "unpadded"])
def test_other_chunks_may_stand_anywhere(pad: bool) -> None:
    note, fact = chunk(b"LIST", b"INFOodd", pad=pad), chunk(b"fact", b"\x01\x02\x03\x04\x05", pad=pad)
    data = chunk(b"data", SOUND)
    for order in ([note, fmt(), fact, data], [fact, note, data, fmt()], [fmt(), data, note]):
        assert wav.decode(riff(*order)).pcm == SOUND


def test_the_first_of_two_is_read() -> None:
    assert wav.decode(riff(fmt(), chunk(b"data", SOUND), chunk(b"data", bytes(99)), fmt(channels=7))).pcm == SOUND


@pytest.mark.parametrize("size", [0, 36, 0xFFFF_FFFF, 0x7FFF_FFFF])
@pytest.mark.parametrize("claimed", [0, 0xFFFF_FFFF, 0x8000_0000])
def test_a_header_that_was_never_completed_gives_what_is_there(size: int, claimed: int) -> None:
    """As `ffmpeg -f wav -`, `arecord`, `sox -t wav -` and recorders that were killed leave it."""
    if (size, claimed) == (0x7FFF_FFFF, 0):
        return  # a whole header that says "no samples" is believed
    file = riff(fmt(), b"data" + struct.pack("<I", claimed) + SOUND, size=size)
    assert wav.decode(file).pcm == SOUND


def test_a_file_that_breaks_off_gives_its_whole_frames() -> None:
    stereo = riff(fmt(channels=2), chunk(b"data", SOUND))
    assert wav.decode(VALID[:-101]).pcm == SOUND[:-102]
    assert len(wav.decode(stereo[:-3]).pcm) == len(SOUND) // 2 - 2


# What cannot be read.


def failure(data: bytes, name: str = "x.wav") -> str:
    with pytest.raises(AudioFileError) as caught:
        wav.decode(data, name)
    message = str(caught.value)
    assert message.isprintable()  # so it is one line
    assert message.startswith(f"{name} ")
    return message


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"ID3\x04", "an MP3"),
        (b"\xff\xfb\x90\x00", "an MP3"),
        (b"OggS\x00", "an Ogg"),
        (b"fLaC\x00", "a FLAC"),
        (b"\0\0\0\x20ftypM4A ", "an M4A"),
        (b"FORM\0\0\0\0AIFF", "an AIFF"),
        (b"RIFX\0\0\0\0WAVE", "RIFX"),
        (b"RF64\xff\xff\xff\xffWAVE", "RF64"),
    ],
)
def test_another_kind_of_sound_file_is_recognised(start: bytes, kind: str) -> None:
    message = failure(start + bytes(100))
    assert kind in message
    assert message.endswith("convert it: ffmpeg -i x.wav -ar 24000 -ac 1 out.wav")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello\n", "is not a WAV file"),
        (b"RIFF", "is not a WAV file"),
        (riff(fmt())[:8] + b"AVI " + bytes(50), "is not a WAV file"),
        (riff(), "without a format"),
        (riff(fmt()), "without samples"),
        (riff(fmt(), chunk(b"data", b"")), "holds no samples"),
        (riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFO")), "holds no samples"),
        (riff(fmt(channels=2), chunk(b"data", b"\1\2\3")), "holds no samples"),
        (riff(fmt(rate=96000), chunk(b"data", b"\1\2")), "holds no samples"),  # a quarter of one of ours
        (riff(fmt(0x11, bits=4), chunk(b"data", SOUND)), "is a compressed WAV file (format tag 0x0011, IMA ADPCM)"),
        (riff(fmt(0x1234), chunk(b"data", SOUND)), "is a compressed WAV file (format tag 0x1234, unknown)"),
        (riff(fmt(EXTENSIBLE), chunk(b"data", SOUND)), "format tag 0xFFFE"),
        (riff(chunk(b"fmt ", bytes(12)), chunk(b"data", SOUND)), "corrupt format ('fmt ' chunk: it is 12 bytes"),
        (riff(fmt(channels=0), chunk(b"data", SOUND)), "it says 0 channels"),
        (riff(fmt(channels=65535), chunk(b"data", SOUND)), "it says 65535 channels"),
        (riff(fmt(rate=0), chunk(b"data", SOUND)), "it says 0 samples a second"),
        (riff(fmt(rate=4_000_000_000), chunk(b"data", SOUND)), "it says 4000000000 samples a second"),
        (riff(fmt(bits=0), chunk(b"data", SOUND)), "it says 0 bits a sample"),
        (riff(fmt(bits=64), chunk(b"data", SOUND)), "it says 64 bits a sample"),
        (riff(fmt(FLOAT, bits=16), chunk(b"data", SOUND)), "it says 16 bits a sample"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(data: bytes, says: str) -> None:
    message = failure(data)
    assert says in message
    assert message.endswith(("record it again", "out.wav"))


def test_the_command_that_is_offered_can_be_pasted() -> None:
    assert "ffmpeg -i 'my question.mp3' -ar" in failure(b"ID3", "my question.mp3")


def test_a_name_that_would_break_the_line_is_shown_escaped() -> None:
    with pytest.raises(AudioFileError) as caught:
        wav.decode(b"", "a\nb\x1b[31m.wav")
    assert str(caught.value) == r"'a\nb\x1b[31m.wav' is empty (0 bytes); record it again"


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError) as caught:
        wav.read(tmp_path / "question.wav")
    assert str(caught.value) == f"{tmp_path / 'question.wav'} does not exist; check the path"
    with pytest.raises(AudioFileError, match="is a directory"):
        wav.read(tmp_path)


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(VALID)
    for path in (tmp_path / "file" / "x.wav", "nul\0.wav", "x" * 5000):
        with pytest.raises(AudioFileError, match="cannot be read: "):
            wav.read(path)


@pytest.mark.skipif(sys.platform == "win32", reason="files there have no such permission")
def test_a_file_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is made by hand, since root may read everything."""

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(AudioFileError, match=r"secret\.wav cannot be read: Permission denied"):
        wav.read(tmp_path / "secret.wav")


@pytest.mark.parametrize("rate", [0, -24000])
def test_a_rate_that_no_sound_has_is_the_callers_mistake(rate: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        wav.decode(VALID, rate=rate)


# Whatever the bytes are.


def read_or_refuse(data: bytes) -> None:
    message = "x.wav "
    recording = Recording(b"\0\0", 8000)
    try:
        recording = wav.decode(data, "x.wav", rate=8000)
    except AudioFileError as error:
        message = str(error)
    assert message.isprintable()
    assert message.startswith("x.wav ")
    assert recording.pcm
    assert len(recording.pcm) % 2 == 0
    assert recording.rate == 8000


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"RIFF\0\0\0\0WAVEdata")
def test_arbitrary_bytes_end_in_a_recording_or_in_our_error(data: bytes) -> None:
    read_or_refuse(data)
    read_or_refuse(b"RIFF\0\0\0\0WAVE" + data)
    read_or_refuse(riff(chunk(b"fmt ", data[:40]), chunk(b"data", data)))


SEEDS = [
    riff(fmt(), chunk(b"LIST", b"INFOodd"), chunk(b"data", SOUND[:64])),
    riff(fmt(ULAW, 2, 8000, 8), chunk(b"fact", b"1234"), chunk(b"data", SOUND[:64])),
    riff(fmt(FLOAT, 2, 48000, 32), chunk(b"data", SOUND[:64])),
    riff(
        chunk(b"fmt ", fmt(EXTENSIBLE, 1, 44100, 24)[8:] + struct.pack("<HHIH14s", 22, 24, 4, PCM, b"")),
        chunk(b"data", SOUND[:66]),
    ),
]


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 140), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    st.integers(0, 140),
)
def test_mutated_files_end_in_a_recording_or_in_our_error(
    seed: bytes, changes: list[tuple[int, bytes]], end: int
) -> None:
    data = bytearray(seed)
    for place, change in changes:
        data[place : place + len(change)] = change
    read_or_refuse(bytes(data))
    read_or_refuse(bytes(data[:end]))
    data[:4], data[8:12] = b"RIFF", b"WAVE"
    read_or_refuse(bytes(data))
