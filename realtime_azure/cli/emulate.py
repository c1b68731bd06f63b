"""`realtime-azure emulate`: the emulator as a server, for any client in any language."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import anyio

from .._version import __version__
from ..emulator import Emulator, Seen, serve
from ..emulator.faults import KINDS_EXPLAINED as FAULTS
from ..errors import ConfigurationError, ConnectError
from .traffic import Traffic, note


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "emulate",
        help="serve an emulator of the service on this machine",
        description="Serves an emulator of Azure OpenAI's realtime service: the same URLs, handshake and events, with "
        "answers made on this machine. Any client can use it; Ctrl-C stops it.",
        epilog="example: realtime-azure emulate --port 0 --deployment gpt-realtime --fault 'drop@10*1'\n\nfaults:\n"
        + FAULTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    parser.add_argument(
        "--dialect",
        choices=["v1", "dated", "voice-live"],
        default="v1",
        help="which one to print the configuration for; all are served (%(default)s)",
    )
    parser.add_argument(
        "--tls", action="store_true", help="speak TLS, with a certificate that is made now and good for a day"
    )
    parser.add_argument("--certificate", metavar="FILE", help="speak TLS with this one (PEM, its key included)")
    parser.add_argument(
        "--fault",
        metavar="FAULT",
        action="append",
        default=[],
        help="what goes wrong: drop@5, refuse=too_many*2, malformed@10%%; may be repeated (see below)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="what faults are drawn from; one is printed without it")
    parser.add_argument(
        "--pace", type=float, default=5.0, help="how much faster than it plays sound comes (%(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="print no rows of what happens")
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
    log = _Log(quiet=options.quiet)
    with _tls(options) as (context, trust):
        async with serve(
            host=options.host,
            port=options.port,
            api_key=options.api_key or None,
            deployments=options.deployment,
            faults=options.fault,
            seed=options.seed,
            pace=options.pace,
            watch=log,
            ssl_context=context,
        ) as emulator:
            print(f"realtime_azure emulator {__version__} at {emulator.url} (Ctrl-C stops it)")
            print(f"  it {'transcribes and speaks by itself' if emulator.voice else 'answers with recorded speech'}")
            if options.fault:
                print(f"  with faults: {', '.join(options.fault)} (seed {emulator.seed})")
            for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS") if trust is not None else ():
                print(f"  export {name}={trust}")
            for line in _configuration(options, emulator):
                print(f"  export {line}")
            sys.stdout.flush()
            with _notes(log):
                await log.wait_broken()


def _configuration(options: argparse.Namespace, emulator: Emulator) -> Iterator[str]:
    path = "/voice-live" if options.dialect == "voice-live" else ""
    yield f"AZURE_OPENAI_ENDPOINT={emulator.url}{path}"
    if not options.api_key:
        yield f"AZURE_OPENAI_API_KEY={emulator.api_key}"
    yield f"AZURE_OPENAI_DEPLOYMENT_NAME={(options.deployment or ['any-name'])[0]}"
    match options.dialect:
        case "v1":
            yield "OPENAI_API_VERSION=v1"
        case "dated":
            yield "OPENAI_API_VERSION=2025-04-01-preview"
        case _:
            yield "AZURE_VOICELIVE_API_VERSION=2026-07-15"


@contextmanager
def _tls(options: argparse.Namespace) -> Generator[tuple[ssl.SSLContext | None, Path | None]]:
    """The server's context, and the file that a client trusts it by, which is there as long as the `with`."""
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(options.certificate)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(f"--certificate: {options.certificate}: {exc.strerror or exc}") from exc
        yield context, None
        return
    if not options.tls:
        yield None, None
        return
    from ..emulator.certificate import server_context  # noqa: PLC0415 - for who wants it

    context, certificate = server_context(*{"localhost", "127.0.0.1", "::1", options.host})
    with TemporaryDirectory(prefix="realtime-azure-") as folder:
        trust = Path(folder) / "emulator.pem"
        trust.write_bytes(certificate)
        yield context, trust


class _Notes(logging.Handler):
    """What the emulator says of itself, among the rows of what it is told."""

    def __init__(self, log: _Log) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.note(record.getMessage())
        if record.exc_info:
            print(logging.Formatter().formatException(record.exc_info), file=sys.stderr)


@contextmanager
def _notes(log: _Log) -> Generator[None]:
    """Connections that begin and end, refusals, requests and faults are printed to *log*; at the end, what is left."""
    logger, notes = logging.getLogger("realtime_azure.emulator"), _Notes(log)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)
        logger.setLevel(before)
        log.close()


class _Log:
    """Prints a row for each event, and notes of what happens besides."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._traffic = Traffic()
        self._began = monotonic()
        self._broken = anyio.Event()

    def __call__(self, seen: Seen) -> None:
        if not self._quiet:
            self._say(self._traffic.rows(monotonic() - self._began, seen))

    def note(self, text: str) -> None:
        """*text* after the rows that were still growing, for they were before it."""
        if not self._quiet:
            self._say([*self._traffic.close(), note(monotonic() - self._began, text)])

    async def wait_broken(self) -> None:
        """Returns when nobody reads what is printed."""
        await self._broken.wait()

    def close(self) -> None:
        if self._broken.is_set():
            raise BrokenPipeError
        self._print(self._traffic.close())

    def _say(self, rows: Iterable[str]) -> None:
        if self._broken.is_set():
            return
        try:
            self._print(rows)
        except BrokenPipeError:  # not here, where it would end one client's connection
            self._broken.set()

    def _print(self, rows: Iterable[str]) -> None:
        for row in rows:
            print(row, flush=True)
