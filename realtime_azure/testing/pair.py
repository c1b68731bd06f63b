"""A connection without a port: client and emulator in one process, as fast as they go."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import TypedDict, Unpack

from ..connection import Connection, connect
from ..emulator import Clock, Fault, Responder, Seen, Transcriber, serve
from ..errors import Refusal


class ServeOptions(TypedDict, total=False):
    """What else an emulator is to be: arguments of `realtime_azure.emulator.serve`."""

    api_key: str | None
    deployments: Collection[str]
    transcriber: Transcriber | None
    session_lifetime: float
    rate_limits: bool
    refuse: Iterable[Refusal]
    faults: Iterable[Fault | str]
    seed: int | None
    clock: Clock | None
    watch: Callable[[Seen], None] | None


@asynccontextmanager
async def connected(
    responder: Responder | None = None,
    *,
    deployment: str = "emulated",
    api_version: str = "v1",
    pace: float = math.inf,
    **serving: Unpack[ServeOptions],
) -> AsyncGenerator[Connection]:
    """A connection to an emulator of its own, on a line in memory; *responder* answers.

    *serving* goes to `realtime_azure.emulator.serve` (`faults=["drop@5"]`, `clock=VirtualClock()`).
    """
    async with (
        serve(port=None, responder=responder, pace=pace, **serving) as emulator,
        connect(
            emulator.url,
            deployment=deployment,
            api_version=api_version,
            api_key=emulator.api_key,
            dial=emulator.dial,
            max_retries=0,
        ) as connection,
    ):
        yield connection
