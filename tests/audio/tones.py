"""Tones to measure with."""

from __future__ import annotations

import math

from realtime_azure.audio import pcm


def tone(frequency: float, rate: int, seconds: float, amplitude: float = 0.5) -> bytes:
    """A sine in PCM16, *amplitude* of full scale."""
    step = 2 * math.pi * frequency / rate
    return pcm.pack(round(32767 * amplitude * math.sin(step * i)) for i in range(round(seconds * rate)))


def decibels(pcm_a: bytes, pcm_b: bytes) -> float:
    """How much louder the one is than the other; silence counts as one millionth of full scale."""
    return 20 * math.log10(max(pcm.level(pcm_a), 1e-6) / max(pcm.level(pcm_b), 1e-6))
