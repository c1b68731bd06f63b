"""Plays a WAV file with whatever player the machine has."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from anyio import move_on_after, run_process

PLAYERS: tuple[tuple[str, ...], ...] = (
    ("paplay",),
    ("pw-play",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
    ("play", "-q"),
)

PATIENCE = 5.0
"""How many seconds longer than the sound a player may take."""


async def play(path: Path, seconds: float) -> str | None:
    """Plays *path*, which lasts *seconds*; the player's name, or None where no player is there and works."""
    for command, *arguments in PLAYERS:
        found = shutil.which(command)
        if found is None:
            continue
        # A player may hang on a sound card that is not there.
        with move_on_after(seconds + PATIENCE), suppress(OSError):  # OSError: it cannot be started
            done = await run_process(
                [found, *arguments, str(path)], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if done.returncode == 0:
                return command
    return None
