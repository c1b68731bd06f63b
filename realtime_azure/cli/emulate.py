"""`realtime-azure emulate`: the emulator as a server, for any client in any language."""

from __future__ import annotations

import argparse
import errno
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from .._version import __version__
from ..emulator import serve
from ..errors import ConfigurationError, ConnectError


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "emulate",
        help="serve an emulator of the service on this machine",
        description="Serves an emulator of Azure OpenAI's realtime service: the same URLs, handshake and events, with "
        "answers made on this machine. Any client can use it; Ctrl-C stops it.",
        epilog="example: realtime-azure emulate --port 0 --deployment gpt-realtime",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (%(default)s); our own client speaks http:// to this machine only",
    )
    parser.add_argument("--port", type=port, default=8090, help="the port; 0 picks one (%(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="the key to ask for; without it one is made and printed")
    parser.add_argument(
        "--deployment",
        metavar="NAME",
        action="append",
        default=[],
        help="a deployment that exists; may be repeated; without it any name is accepted",
    )
    parser.set_defaults(run=listening(_serve))


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 0 to 65535")
    return int(text)


def _interrupt(_signal: int, _frame: object) -> None:
    signal.raise_signal(signal.SIGINT)


def listening(
    serve: Callable[[argparse.Namespace], Awaitable[int | None]],
) -> Callable[[argparse.Namespace], int]:
    """The command that runs *serve* until it is stopped."""

    def run(options: argparse.Namespace) -> int:
        # An asked-for end is a clean one, by Ctrl-C or by `kill`: the event loop knows what to do with a SIGINT.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return anyio.run(serve, options) or 0
        except KeyboardInterrupt:
            print("stopped")
        except BrokenPipeError:
            raise  # nobody reads what it says
        except ConnectError:
            raise
        except OSError as exc:
            other = "--port (0 picks one)" if exc.errno in {errno.EADDRINUSE, errno.EACCES} else "--host"
            said = exc.strerror or str(exc)
            where = f"{getattr(options, 'host', '127.0.0.1')}:{options.port}"
            raise ConfigurationError(f"cannot listen on {where}: {said}; choose another {other}") from exc
        return 0

    return run


async def _serve(options: argparse.Namespace) -> None:
    async with serve(
        host=options.host, port=options.port, api_key=options.api_key or None, deployments=options.deployment
    ) as emulator:
        print(f"realtime_azure emulator {__version__} at {emulator.url} (Ctrl-C stops it)")
        print(f"  it {'transcribes and speaks by itself' if emulator.voice else 'answers with recorded speech'}")
        print(f"  export AZURE_OPENAI_ENDPOINT={emulator.url}")
        if not options.api_key:
            print(f"  export AZURE_OPENAI_API_KEY={emulator.api_key}")
        print(f"  export AZURE_OPENAI_DEPLOYMENT_NAME={(options.deployment or ['any-name'])[0]}")
        print("  export OPENAI_API_VERSION=v1", flush=True)
        await anyio.sleep_forever()
