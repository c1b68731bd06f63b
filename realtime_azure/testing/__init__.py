"""To test what is built on this package: without a network, an account, or waiting.

`connected()` is a connection to an emulator in memory, `VirtualClock` its time, `assert_events` shows where events
part from what was expected. `recording()` keeps a session on file, `replayed()` serves it again, `replay()` says it
again. The fixtures for pytest are in `realtime_azure.testing.plugin`.
"""

from ..emulator.clock import VirtualClock
from .cassettes import Cassette, CassetteError, Recorded, Recorder, recording, scrubbed
from .pair import connected
from .proxy import RecordingProxy, recording_proxy
from .replay import CassetteMismatch, Comparison, Replay, replay, replayed
from .sequences import assert_events, in_outline

__all__ = [
    # a session in memory
    "connected",
    "VirtualClock",
    "assert_events",
    "in_outline",
    # cassettes
    "recording",
    "Recorder",
    "recording_proxy",
    "RecordingProxy",
    "Cassette",
    "Recorded",
    "CassetteError",
    "scrubbed",
    # played again
    "replayed",
    "Replay",
    "CassetteMismatch",
    "replay",
    "Comparison",
]
