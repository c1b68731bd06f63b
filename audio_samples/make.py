#!/usr/bin/env python3
"""Make the recordings in this folder, and the emulator's recorded voice, again: `python3 audio_samples/make.py`.

Needs `flite` and `sox`, as Debian packages them, and nothing else. The bytes come out the same every time.
The voices are synthetic. The emulator's fragments are cut out of whole sentences, at the times at which flite says
each phone begins, so that they have the melody of the place at which they will stand again.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import wave
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

SAMPLES = Path(__file__).resolve().parent
SPEECH = SAMPLES.parent / "realtime_azure" / "emulator" / "speech"

FLITE_RATE = 16_000  # what flite's voices speak at
RATE = 24_000
PEAK = 0.7  # of full scale
EDGE = 0.2  # seconds of silence at both ends of a recording

Sound: TypeAlias = "array[int]"


@dataclass(frozen=True)
class Phone:
    """A sound of speech, as flite names it, and the seconds at which it begins and ends."""

    name: str
    start: float
    end: float


def run(*command: str, feed: bytes = b"") -> bytes:
    """The output of a program on the path."""
    program = shutil.which(command[0])
    if program is None:
        sys.exit(f"{command[0]} is not installed: apt-get install flite sox")
    # The commands are the ones below: nothing comes from outside.
    return subprocess.run([program, *command[1:]], input=feed, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603


def speak(text: str, voice: str, *options: str) -> tuple[Sound, list[Phone]]:
    """*text* spoken, at 16 kHz, and its phones, without the pauses around them."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "spoken.wav"))
        told = run("flite", "-voice", voice, *options, "-psdur", "-t", text, "-o", path).decode().split()
        with wave.open(path) as spoken:
            sound = array("h", spoken.readframes(spoken.getnframes()))
    ends = [(name, float(end)) for name, end in (word.split(":") for word in told)]
    phones = [Phone(name, start, end) for (_, start), (name, end) in pairwise([("", 0.0), *ends])]
    return sound, [phone for phone in phones if phone.name != "pau"]


def convert(sound: Sound, rate: int, *effects: str, source: int = FLITE_RATE) -> Sound:
    """*sound* at another rate, through sox, without dither (which would be different each time)."""
    raw = ("-t", "raw", "-e", "signed-integer", "-b", "16", "-c", "1", "-r")
    out = run("sox", "-D", *raw, str(source), "-", *raw, str(rate), "-", *effects, feed=sound.tobytes())
    return array("h", out)


def silence(seconds: float, rate: int = RATE) -> Sound:
    return array("h", bytes(2 * round(seconds * rate)))


def loudest(sound: Sound) -> int:
    return max(map(abs, sound))


def scaled(sound: Sound, factor: float) -> Sound:
    return array("h", (round(sample * factor) for sample in sound))


def trimmed(sound: Sound) -> Sound:
    """*sound* from where something is first heard to where something is last heard."""
    floor = loudest(sound) // 100
    heard = [place for place, sample in enumerate(sound) if abs(sample) > floor]
    return sound[heard[0] : heard[-1] + 1]


def say(text: str, voice: str, rate: int = RATE) -> Sound:
    """*text* spoken at *rate*, as loud as all of these recordings, with no silence about it."""
    sound = trimmed(convert(speak(text, voice)[0], rate, "gain", "-3"))
    return scaled(sound, PEAK * 32767 / loudest(sound))


def framed(sound: Sound, rate: int = RATE) -> Sound:
    return silence(EDGE, rate) + sound + silence(EDGE, rate)


def save(path: Path, sound: Sound, rate: int = RATE, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(sound.tobytes())


# The recordings.

STORY = (
    "An old clock stood in the hall of a quiet house. Every night at ten it stopped, and every morning it went on. "
    "Nobody knew why, until the cat moved out."
)


def plain(text: str, voice: str) -> Callable[[Path], None]:
    return lambda path: save(path, framed(say(text, voice)))


def long_pause(path: Path) -> None:
    first, second = say("Could you please tell me,", "rms"), say("how far away the moon is?", "rms")
    save(path, framed(first + silence(1.8) + second))


def noisy(path: Path) -> None:
    """Speech in the noise of a fan: low-pass noise from beginning to end, some 15 dB below the voice."""
    rng, smooth = random.Random(2), 0.0  # noqa: S311 - the same noise every time is what is wanted
    speech = framed(scaled(say("Please turn down the music in the kitchen.", "slt"), 0.9))
    noise: list[float] = []
    for _ in speech:
        smooth += 0.3 * (rng.gauss(0, 1300) - smooth)
        noise.append(smooth)
    save(path, array("h", (round(a + b) for a, b in zip(speech, noise, strict=True))))


def phone(path: Path) -> None:
    """What a telephone line leaves: 300 to 3400 Hz, 8 kHz, µ-law."""
    speech = say("I would like to speak to somebody about my order.", "awb", 8000)
    speech = framed(convert(speech, 8000, "sinc", "300-3400", source=8000), 8000)
    source = ("-t", "raw", "-e", "signed-integer", "-b", "16", "-c", "1", "-r", "8000", "-")
    run("sox", "-D", *source, "-e", "mu-law", str(path), feed=speech.tobytes())


def stereo(path: Path) -> None:
    """Somebody sitting left of the middle: softer, and 0.4 ms later, on the right."""
    left = framed(say("How many people live in Japan?", "rms", 48_000), 48_000)
    right = array("h", bytes(2 * 19)) + scaled(left, 0.6)[:-19]
    save(path, array("h", (sample for frame in zip(left, right, strict=True) for sample in frame)), 48_000, 2)


RECORDINGS: dict[str, Callable[[Path], None]] = {
    "question_capital": plain("What is the capital of France?", "slt"),
    "question_weather": plain("What is the weather like in Seattle today?", "rms"),
    "command_timer": plain("Set a timer for ten minutes.", "awb"),
    "interruption": plain("Stop! Wait a moment.", "kal16"),
    "story": plain(STORY, "slt"),
    "long_pause": long_pause,
    "noisy": noisy,
    "phone_g711": phone,
    "stereo_48k": stereo,
    "silence": lambda path: save(path, silence(2)),
}


# The emulator's voice.

VOICE = "slt"
JOINT = 0.03  # seconds of silence where a fragment will meet another one
BREATH = 0.06  # and where a sentence begins or ends
FADE = 0.006
SLOWER = ("--setf", "duration_stretch=1.1")
UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty"}
NUMBERS = dict(enumerate(UNITS + TEENS)) | TENS

# The sentences, and how many of their phones come before what is cut out, and how many are in their last word
# (of the third: in what is cut out).
SECONDS, BEFORE_SECONDS, IN_SECONDS = "I heard you speak for about {} seconds.", 17, 7
WORDS, BEFORE_WORDS, IN_WORDS = "I read your message of {} words.", 14, 4
MORE, BEFORE_MORE, IN_MORE = "I heard you speak for more than {} seconds.", 13, 6


def cut(text: str, first: int = 0, last: int | None = None) -> Sound:
    """Phones *first* to *last* (counted as in a slice) of *text* spoken, with the silence that belongs about them."""
    sound, phones = speak(text, VOICE, *SLOWER)
    wanted = phones[first:last]
    begins, ends = wanted[0] == phones[0], wanted[-1] == phones[-1]
    piece = sound[quietest(sound, wanted[0].start) : quietest(sound, wanted[-1].end)]
    fade = round(FADE * FLITE_RATE)
    for i in range(fade):
        piece[i] = piece[i] * i // fade
        piece[-1 - i] = piece[-1 - i] * i // fade
    edge = [silence(BREATH if at_edge else JOINT, FLITE_RATE) for at_edge in (begins, ends)]
    return edge[0] + trimmed(piece) + edge[1]


def quietest(sound: Sound, time: float) -> int:
    """The place within 20 ms of *time* about which 5 ms of *sound* are the softest."""
    reach, half = round(0.02 * FLITE_RATE), round(0.0025 * FLITE_RATE)
    middle = min(max(round(time * FLITE_RATE), reach + half), len(sound) - reach - half)
    return min(
        range(middle - reach, middle + reach + 1, 8),
        key=lambda place: sum(map(abs, sound[place - half : place + half])),
    )


def fragments() -> dict[str, Sound]:
    made = {
        "intro": cut("This is the emulator."),
        "no_speech": cut("I heard no speech."),
        "heard": cut(SECONDS.format("five"), 0, BEFORE_SECONDS),
        "seconds": cut(SECONDS.format("ten"), -IN_SECONDS),
        "second": cut(SECONDS.format("one").replace("seconds", "second"), 1 - IN_SECONDS),
        "more_than": cut(MORE.format("sixty"), BEFORE_MORE, BEFORE_MORE + IN_MORE),
        "read": cut(WORDS.format("five"), 0, BEFORE_WORDS),
        "words": cut(WORDS.format("ten"), -IN_WORDS),
        "word": cut(WORDS.format("one").replace("words", "word"), 1 - IN_WORDS),
    }
    for number, word in NUMBERS.items():
        made[str(number)] = cut(SECONDS.format(word), BEFORE_SECONDS, -IN_SECONDS)
    return made


def main() -> None:
    for name, make in RECORDINGS.items():
        make(SAMPLES / f"{name}.wav")
    made = fragments()
    gain = PEAK * 32767 / max(map(loudest, made.values()))  # one for all, so that they fit together
    SPEECH.mkdir(exist_ok=True)
    for name, sound in made.items():
        # At the service's rate, so that an answer is not resampled while somebody waits for it.
        save(SPEECH / f"{name}.wav", convert(scaled(sound, gain), RATE))


if __name__ == "__main__":
    main()
