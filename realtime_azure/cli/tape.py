"""`realtime-azure record` and `realtime-azure replay`: sessions on file."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio

from ..connection import connect
from ..errors import ConfigurationError, ConnectError
from . import configuration
from .emulate import listening, port
from .exit_codes import NoAnswer

if TYPE_CHECKING:
    from ..emulator import Emulator
    from ..endpoint import Dialect
    from ..testing import Cassette, Comparison


PORT = 8090


def add_to(commands: Any) -> None:
    _add_record(commands)
    _add_replay(commands)


def _add_record(commands: Any) -> None:
    parser = commands.add_parser(
        "record",
        help="keep what a client and the service say on file",
        description="Listens on this machine and hands each connection on to the service, signing in by itself. What "
        "is said, either way, is written to a cassette: a JSON line for each message, without keys, tokens and the "
        "queries of URLs. Point any client at it, in any language; Ctrl-C ends it.",
        epilog="example: realtime-azure record session.jsonl, then: realtime-azure replay session.jsonl",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="the cassette; if it is there already, and for more connections, FILE-2, …",
    )
    parser.add_argument("--port", type=port, default=8091, help="where clients connect; 0 picks one (%(default)s)")
    parser.add_argument("--keep-sound", action="store_true", help="keep what is said aloud, too, not its beginnings")
    configuration.add_to(parser)
    parser.set_defaults(run=listening(_record))


def _tell() -> None:
    """What becomes of connections is printed as it happens."""
    told = logging.getLogger("realtime_azure.testing")
    told.setLevel(logging.INFO)
    told.addHandler(logging.StreamHandler(sys.stdout))


async def _record(options: argparse.Namespace) -> None:
    from ..testing import recording_proxy  # noqa: PLC0415 - only these two commands need it

    _tell()
    if not options.file.parent.is_dir():
        raise ConfigurationError(f"{options.file}: there is no folder {options.file.parent}")
    sound: Literal["kept", "shortened"] = "kept" if options.keep_sound else "shortened"
    with configuration.arguments_of(options) as how:
        async with recording_proxy(options.file, options.endpoint, sound=sound, port=options.port, **how) as proxy:
            print(f"what goes through {proxy.url} to {proxy.service} is written to {options.file} (Ctrl-C ends it)")
            print(f"  export AZURE_OPENAI_ENDPOINT={proxy.url}")
            print("  export AZURE_OPENAI_API_KEY=any", flush=True)
            await anyio.sleep_forever()


def _add_replay(commands: Any) -> None:
    parser = commands.add_parser(
        "replay",
        help="play a cassette: as the service, or to it",
        description="Serves a cassette to clients: what the service said is said again, each time the client has said "
        "what it had said before. With --against, it is the other way round: what the client said is said to a "
        "service, and what that says is compared with the cassette (exit code 1 if the kinds of events differ).",
        epilog="example: realtime-azure replay session.jsonl --against emulator",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the cassette")
    parser.add_argument("--port", type=port, default=PORT, help="where clients connect; 0 picks one (%(default)s)")
    parser.add_argument(
        "--strict", action="store_true", help="ids, pieces of sound and all fields have to be those of the cassette"
    )
    parser.add_argument("--pace", type=float, default=math.inf, help="1 takes the time that it took (no time)")
    parser.add_argument("--against", choices=["service", "emulator"], help="compare with what one of these says now")
    configuration.add_to(parser)
    parser.set_defaults(run=_run_replay)


def _run_replay(options: argparse.Namespace) -> int:
    # A comparison is no server: stopped, it has not found that all is the same.
    return anyio.run(_replay, options) if options.against else listening(_replay)(options)


async def _replay(options: argparse.Namespace) -> int:
    from ..testing import Cassette, CassetteError, replayed  # noqa: PLC0415 - likewise

    try:
        cassette = Cassette.read(options.file)
    except OSError as exc:
        raise ConfigurationError(f"{options.file}: {exc.strerror or exc}") from exc
    except CassetteError as exc:
        raise ConfigurationError(str(exc)) from exc
    if options.against:
        if not math.isinf(options.pace) or options.port != PORT:
            raise ConfigurationError("--pace and --port are for serving a cassette; leave them out with --against")
        return await _compare(options, cassette)
    _tell()
    async with replayed(cassette, strict=options.strict, pace=options.pace, port=options.port) as replay:
        said = sum(message.direction == "received" for message in cassette.messages)
        print(f"{options.file} ({said} events of the service) is played at {replay.url} (Ctrl-C ends it)")
        print(f"  export AZURE_OPENAI_ENDPOINT={replay.url}")
        print("  export AZURE_OPENAI_API_KEY=any", flush=True)
        await anyio.sleep_forever()
    return 0


async def _compare(options: argparse.Namespace, cassette: Cassette) -> int:
    try:
        comparison = await _said_again(options, cassette)
    except ConnectError:
        raise  # one of them is a TimeoutError as well
    except TimeoutError as exc:
        raise NoAnswer(str(exc)) from exc
    print(comparison)
    what = "events" if options.strict else "kinds of events"
    print(f"the same {what} came" if comparison.same else f"the {what} differ")
    return 0 if comparison.same else 1


async def _said_again(options: argparse.Namespace, cassette: Cassette) -> Comparison:
    from ..emulator import serve  # noqa: PLC0415 - likewise
    from ..testing import replay  # noqa: PLC0415 - likewise

    if options.against == "service":
        with configuration.arguments_of(options) as how:
            async with connect(configuration.endpoint_of(options), **how) as connection:
                return await replay(cassette, connection, strict=options.strict)
    async with serve(pace=math.inf) as emulator, connect(**emulated(emulator, cassette.dialect)) as connection:
        return await replay(cassette, connection, strict=options.strict)


def emulated(emulator: Emulator, dialect: Dialect) -> dict[str, Any]:
    """The arguments of `connect` for *emulator* in *dialect*."""
    signed_in = {"api_key": emulator.api_key, "deployment": "emulator"}
    match dialect:
        case "ga":
            return {"endpoint": emulator.url, "api_version": "v1", **signed_in}
        case "preview":
            return {"endpoint": emulator.url, "api_version": "2025-04-01-preview", **signed_in}
        case _:
            return {"endpoint": f"{emulator.url}/voice-live", "api_version": "2026-07-15", **signed_in}
