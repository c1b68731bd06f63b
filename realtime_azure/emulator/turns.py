"""Where speech begins and ends: turn detection by energy, with the service's three settings. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import mul

from ..audio.pcm import FULL_SCALE, unpack

FRAME_MS = 20
LISTENING_RATE = 8000
"""Samples a second that are listened to: enough to tell how loud it is, and nothing in an emulator costs more."""
ONSET_FRAMES = 3
"""So many loud frames in a row are speech; fewer are a click."""


@dataclass(frozen=True)
class SpeechStarted:
    """*at_ms* counts from the first byte appended, and includes the padding kept before the speech, as far as it is
    not part of the turn before."""

    at_ms: int


@dataclass(frozen=True)
class SpeechStopped:
    """*at_ms* includes the silence that was waited for."""

    at_ms: int


class TurnDetector:
    """Listens to PCM16 mono at *rate* Hz, in pieces of any size.

    *threshold* is the service's, 0 to 1: at 0.5, a frame louder than -34 dBFS is speech, and a fan is not.
    """

    def __init__(
        self, rate: int, *, threshold: float = 0.5, prefix_padding_ms: int = 300, silence_duration_ms: int = 200
    ) -> None:
        self.speaking = False
        self._frame_bytes = rate * FRAME_MS // 1000 * 2
        self._step = max(1, rate // LISTENING_RATE)
        samples = len(range(0, self._frame_bytes // 2, self._step))
        self._loud = (10 ** ((-48 + 28 * threshold) / 20) * FULL_SCALE) ** 2 * samples
        self._padding_ms = prefix_padding_ms
        self._frames_to_stop = max(1, math.ceil(silence_duration_ms / FRAME_MS))
        self._pending = bytearray()
        self._now_ms = 0
        self._run = 0  # frames in a row that speak against the present state
        self._onset_ms = 0
        self._spoken_ms = 0
        self._free_from_ms = 0  # what was heard before belongs to an earlier turn

    @property
    def now_ms(self) -> int:
        """How much was heard so far."""
        return self._now_ms

    def feed(self, pcm: bytes) -> Iterator[SpeechStarted | SpeechStopped]:
        """What *pcm* changes, in order."""
        self._pending += pcm
        frames = len(self._pending) // self._frame_bytes
        heard = bytes(self._pending[: frames * self._frame_bytes])
        del self._pending[: len(heard)]
        for start in range(0, len(heard), self._frame_bytes):
            samples = unpack(heard[start : start + self._frame_bytes])[:: self._step]
            change = self._frame(sum(map(mul, samples, samples)) > self._loud)
            if change is not None:
                yield change

    def _frame(self, loud: bool) -> SpeechStarted | SpeechStopped | None:
        self._now_ms += FRAME_MS
        self._run = self._run + 1 if loud != self.speaking else 0
        if self.speaking and self._run >= self._frames_to_stop:
            self._spoken_ms += self._open_ms()
            self.speaking, self._run, self._free_from_ms = False, 0, self._now_ms
            return SpeechStopped(self._now_ms)
        if not self.speaking and self._run >= ONSET_FRAMES:
            self._onset_ms = self._now_ms - self._run * FRAME_MS
            self.speaking, self._run = True, 0
            return SpeechStarted(max(self._free_from_ms, self._onset_ms - self._padding_ms))
        return None

    def _open_ms(self) -> int:
        """How long the present speech has lasted, without the silence behind it."""
        return self._now_ms - self._run * FRAME_MS - self._onset_ms if self.speaking else 0

    def take_speech_seconds(self) -> float:
        """How much speech there was since this was last asked, and ends a turn that is open."""
        seconds = (self._spoken_ms + self._open_ms()) / 1000
        self.speaking, self._run, self._spoken_ms = False, 0, 0
        return seconds
