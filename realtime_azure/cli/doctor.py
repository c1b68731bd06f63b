"""`realtime-azure doctor`: what is configured, whether it works, and if not, where it ends and what to do."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

import anyio

from ..emulator import serve
from ..errors import ConfigurationError
from . import configuration
from .checkup import Checkup, Finding
from .screen import Screen


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check the configuration and everything on the way to the service",
        description="Checks, one line each, what is configured and from where, the proxy, DNS, TCP, TLS, the sign-in, "
        "REST, the deployment, the handshake in both URL forms, the session, and a turn of one written word (which "
        "costs a few tokens). ✓ is well, ✗ is not, with what to do; - is for your information. Keys and tokens are "
        "never shown.",
        epilog="exit codes: 0 all is well, 2 wrong configuration, 3 refused by the service, 4 not reached, 130 "
        "interrupted | examples: realtime-azure doctor --emulator | realtime-azure doctor --entra --json",
    )
    parser.add_argument("--emulator", action="store_true", help="check an emulator in this process, not Azure")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument(
        "--timeout",
        type=configuration.seconds,
        default=10.0,
        metavar="S",
        help="how long each check may take (%(default)g s)",
    )
    configuration.add_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    return anyio.run(_examine, options)


async def _examine(options: argparse.Namespace) -> int:
    screen = Screen(silent=options.json)
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        took = (
            f" · {finding.ms:g} ms"
            if finding.ms and finding.name not in {"configuration", "credential", "proxy"}
            else ""
        )
        screen.finding(finding.ok, finding.name, f"{finding.said}{took}", finding.advice)

    async with AsyncExitStack() as stack:
        key = None
        if options.emulator:
            if options.endpoint or options.entra:
                raise ConfigurationError(
                    "--emulator has an endpoint and a key of its own: leave out --endpoint and --entra"
                )
            emulator = await stack.enter_async_context(serve())
            options.endpoint, key = emulator.url, emulator.api_key
            options.deployment = options.deployment or "emulator"
            options.api_version = options.api_version or "v1"
        checkup = Checkup(options, report, begin=screen.status, api_key=key)
        try:
            exit_code = await checkup.run()
        finally:  # interrupted, the line of what was going on is not to be the beginning of the next
            screen.clear()
    if options.json:
        checks = [asdict(finding) for finding in findings]
        print(json.dumps({"ok": exit_code == 0, "exit_code": exit_code, "checks": checks}), flush=True)
    else:
        wrong = sum(finding.ok is False for finding in findings)
        screen.note("All is well." if exit_code == 0 else f"{wrong} of {len(findings)} checks failed.")
    sys.stdout.flush()
    return exit_code
