"""The resource that a command asks over HTTP: what is configured, or an emulator in this process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TextIO

from ..emulator import serve
from ..errors import AnswerCut, AnswerError, ConfigurationError
from ..rest import RestClient, Timeouts
from . import configuration
from .exit_codes import NoAnswer, Refused
from .screen import printable

EXIT_CODES = """\
exit codes: 0 done, 2 wrong usage or configuration, 3 the service refused, 4 not reached or cut off, 130 interrupted
AZURE_OPENAI_REALTIME_DEPLOYMENT is for realtime models, and not looked at here."""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say whom to ask."""
    parser.add_argument("--emulator", action="store_true", help="ask an emulator in this process, not Azure")
    parser.add_argument(
        "--timeout",
        type=configuration.seconds,
        default=60.0,
        metavar="S",
        help="how long the service may be quiet (%(default)g s)",
    )
    configuration.add_to(parser)


@asynccontextmanager
async def opened(options: argparse.Namespace, *, deployed: bool = True) -> AsyncGenerator[RestClient]:
    """A client of what is configured, or of an emulator; *deployed*: with a deployment. Raises `ConfigurationError`."""
    timeouts = Timeouts(read=options.timeout)
    if not options.emulator:
        with configuration.arguments_of(options) as how:
            async with RestClient(
                options.endpoint,
                deployment=options.deployment,
                api_version=options.api_version,
                timeout=timeouts,
                **how,
            ) as client:
                if deployed and not client.endpoint.deployment:
                    raise ConfigurationError(
                        "no deployment: give --deployment NAME, or set AZURE_OPENAI_DEPLOYMENT_NAME"
                    )
                yield client
        return
    if options.endpoint or options.entra:
        raise ConfigurationError("--emulator has an endpoint and a key of its own: leave out --endpoint and --entra")
    deployment = options.deployment or "emulator"
    async with (
        serve(deployments=[deployment]) as emulator,
        RestClient(
            emulator.url,
            deployment=deployment,
            api_version=options.api_version or "v1",
            api_key=emulator.api_key,
            proxy=False,
            timeout=timeouts,
        ) as client,
    ):
        yield client


@contextmanager
def told() -> Generator[None]:
    """An answer that broke off, or that the service ended with an error, becomes an ending that commands have."""
    try:
        yield
    except AnswerCut as exc:
        raise NoAnswer(str(exc)) from exc
    except AnswerError as exc:
        raise Refused(str(exc)) from exc


def text_in(given: str | None, what: str) -> str:
    """*given*, or what comes through the pipe where that is `-` or nothing. Raises `ConfigurationError`."""
    try:
        text = sys.stdin.buffer.read().decode() if given in (None, "-") else str(given)
        text.encode()
    except UnicodeError:
        raise ConfigurationError(f"{what} is no text: it has to be UTF-8") from None
    if not text.strip():
        raise ConfigurationError(f"{what} is empty")
    return text


def shown(text: str, out: TextIO) -> str:
    """*text* as *out* may have it: on a terminal without escape sequences; lines stay lines."""
    if out.isatty():
        text = "".join(char if char in "\n\t" else printable(char) for char in text)
    encoding = out.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def complain(command: str, said: object) -> None:
    """Says on stderr what went wrong with a part of what was asked, where the rest goes on."""
    print(f"realtime-azure {command}: {printable(str(said))}", file=sys.stderr, flush=True)
