"""The command `realtime-azure`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import RealtimeError
from . import ask, chat, doctor, emulate, events, models, speak, tape, transcribe
from .exit_codes import exit_code
from .screen import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with *arguments* (those of the process if None); returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (RealtimeError, KeyboardInterrupt) as exc:
        return _explain(exc, options.command)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); what is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _explain(error: BaseException, command: str) -> int:
    said = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
    print(f"realtime-azure {command}: {printable(said)}", file=sys.stderr)
    return exit_code(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime-azure",
        description="Talk to Azure OpenAI's realtime models, or to an emulator of them.",
        epilog="exit codes: 0 done, 2 wrong usage or configuration, 3 refused by the service, 4 connection lost, "
        "130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"realtime-azure {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    ask.add_to(commands)
    chat.add_to(commands)
    doctor.add_to(commands)
    emulate.add_to(commands)
    events.add_to(commands)
    models.add_to(commands)
    speak.add_to(commands)
    tape.add_to(commands)
    transcribe.add_to(commands)
    return parser
