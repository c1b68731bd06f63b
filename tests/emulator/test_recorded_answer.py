"""What the emulator says without a voice of its own: only what it can know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from realtime_azure import emulator
from realtime_azure.audio import pcm, wav
from realtime_azure.emulator import Turn, recorded_answer
from realtime_azure.emulator.responder import tone

SPEECH = Path(emulator.__file__).parent / "speech"
SOUND = pcm.silence(3)
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()


def said_in_sound(*names: str) -> bytes:
    return b"".join(wav.read(SPEECH / f"{name}.wav").pcm for name in names)


async def said(turn: Turn) -> str:
    reply = await recorded_answer(turn)
    intro, _, rest = reply.text.partition(". ")
    assert intro == "This is the emulator"
    return rest


pytestmark = pytest.mark.anyio


async def test_to_silence_it_says_that_it_heard_no_speech() -> None:
    assert await said(Turn(audio=SOUND)) == "I heard no speech."


@pytest.mark.parametrize(
    ("seconds", "heard"),
    [
        (0.1, "one second"),
        (1.4, "one second"),
        (1.6, "two seconds"),
        (20.4, "twenty seconds"),
        (21, "more than twenty seconds"),
        (47.3, "more than forty seconds"),
        (61, "more than sixty seconds"),
        (5000, "more than sixty seconds"),
    ],
)
async def test_to_speech_it_says_how_long_it_was(seconds: float, heard: str) -> None:
    assert await said(Turn(audio=SOUND, speech_seconds=seconds)) == f"I heard you speak for about {heard}."


@pytest.mark.parametrize(
    ("count", "read"),
    [(1, "one word"), (2, "two words"), (20, "twenty words"), (29, "more than twenty words"), (30, "thirty words")],
)
async def test_to_writing_it_says_how_many_words_it_read(count: int, read: str) -> None:
    """Thirty are thirty, not more than that."""
    assert await said(Turn(text=" ".join(["word"] * count))) == f"I read your message of {read}."


async def test_nothing_at_all_is_no_message() -> None:
    """As when a client asks for an answer before anybody said anything."""
    assert "message" not in await said(Turn())


async def test_speech_and_writing_together_are_both_mentioned() -> None:
    words = await said(Turn(text="Look at this.", audio=SOUND, speech_seconds=2))
    assert "two seconds" in words
    assert "three words" in words


async def test_it_does_not_repeat_what_it_cannot_know() -> None:
    """The words themselves are no part of the answer, nor is a transcript that somebody made."""
    reply = await recorded_answer(Turn(text="Paris", audio=SOUND, speech_seconds=1, transcript="Where is Lyon?"))
    assert not re.search("Paris|Lyon", reply.text)


@pytest.mark.parametrize(
    ("turn", "names"),
    [
        (Turn(audio=SOUND), ["intro", "no_speech"]),
        (Turn(audio=SOUND, speech_seconds=1), ["intro", "heard", "1", "second"]),
        (Turn(audio=SOUND, speech_seconds=12), ["intro", "heard", "12", "seconds"]),
        (Turn(audio=SOUND, speech_seconds=34), ["intro", "heard", "more_than", "30", "seconds"]),
        (Turn(text="a"), ["intro", "read", "1", "word"]),
        (Turn(text="a b c"), ["intro", "read", "3", "words"]),
    ],
)
async def test_the_sound_says_what_the_text_says(turn: Turn, names: list[str]) -> None:
    reply = await recorded_answer(turn)
    assert reply.audio == said_in_sound(*names)


@pytest.mark.parametrize("count", range(1, 21))
async def test_every_number_has_its_recording(count: int) -> None:
    reply = await recorded_answer(Turn(audio=SOUND, speech_seconds=count))
    assert reply.text.split()[-2] == ONES[count]
    assert reply.audio == said_in_sound("intro", "heard", str(count), "second" if count == 1 else "seconds")


async def test_the_sound_is_speech_at_24_khz() -> None:
    """As long as it takes to say so many words: some 2 to 4 in a second."""
    reply = await recorded_answer(Turn(audio=SOUND, speech_seconds=3))
    assert reply.audio is not None
    assert 2 < len(reply.text.split()) / pcm.duration(reply.audio) < 4.5
    assert pcm.level(reply.audio) > 0.05


@pytest.mark.parametrize(("text", "seconds"), [("", 0.3), ("Yes.", 0.3), ("x" * 50, 3.0)])
async def test_a_tone_stands_for_a_voice(text: str, seconds: float) -> None:
    sound = await tone(text)
    assert pcm.duration(sound) == pytest.approx(seconds, abs=0.001)
    assert 0.02 < pcm.level(sound) < 0.1
