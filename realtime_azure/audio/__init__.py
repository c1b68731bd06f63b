"""Arithmetic on samples: what stands between a recording, a telephone line or a microphone and the service.

The service hears and speaks PCM16: signed 16-bit little-endian samples, one channel, 24000 of them a second.
Nothing here waits, and the arithmetic needs the standard library alone (which `audioop` left with Python 3.13),
so that a voice can be read, levelled, resampled and written wherever Python runs.

* `pcm`: level, length, silence, pieces; other sample formats and several channels made PCM16
* `g711`: telephone samples, µ-law and A-law
* `resample`: from one sample rate to another, as a stream or in one go
* `wav`: recordings in files
"""

from __future__ import annotations

from . import g711, pcm, resample, wav
from .resample import Resampler
from .wav import Recording

__all__ = ["Recording", "Resampler", "g711", "pcm", "resample", "wav"]
