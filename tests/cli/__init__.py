"""The command, run as people run it: in this process where that is enough, else in one of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "audio_samples"
COMMAND = (sys.executable, "-W", "error", "-m", "realtime_azure")


def environment(**variables: str) -> dict[str, str]:
    """What a process of this checkout runs with, as a shell would give it, plus *variables*."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **variables}
