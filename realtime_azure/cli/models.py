"""`realtime-azure models`: what the resource could deploy, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import anyio

from ..rest import Model, Models
from . import resource
from .resource import told
from .screen import Screen

DESCRIPTION = """\
Lists the models that the resource could deploy: what each can do, how long it stays, and since when it is there. Which
of them are deployed, and under which names, is not told here, but in the portal. The emulator lists its deployments."""

EPILOG = f"""\
examples:
  realtime-azure models | grep realtime
  realtime-azure models --json | jq -r '.data[] | select(.capabilities.chat_completion) | .id'

{resource.EXIT_CODES}"""

HEADINGS = ("MODEL", "FOR", "STATE", "SINCE")


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "models",
        help="list the models that the resource could deploy",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    resource.add_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    models = anyio.run(_list, options)
    if options.json:
        print(json.dumps(models.model_dump(mode="json", exclude_unset=True)), flush=True)
        return 0
    screen = Screen()
    if not models.data:
        screen.note("The resource lists no models.")
    for line in table(models.data):
        screen.note(line)
    return 0


async def _list(options: argparse.Namespace) -> Models:
    async with resource.opened(options, deployed=False) as client:
        with told():
            return await client.models.list()


def table(models: Iterable[Model]) -> list[str]:
    """A line for each of *models*, by name, under a line of headings; nothing for none."""
    rows = sorted(_row(model) for model in models)
    if not rows:
        return []
    rows.insert(0, HEADINGS)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(model: Model) -> tuple[str, ...]:
    can = [name for name, able in (model.capabilities or {}).items() if able]
    since = model.created if model.created is not None else model.created_at
    return (model.id or "?", ", ".join(can) or "-", model.lifecycle_status or "-", _date(since))


def _date(seconds: int | None) -> str:
    try:
        return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "?"
