"""For pytest: an emulator, and a connection to it. Installed with the package.

    @pytest.mark.anyio
    @pytest.mark.realtime(faults=["drop@5"])
    async def test_my_assistant(realtime_emulator): ...

The tests run on asyncio and on trio (see the pytest plugin of anyio for how to choose). `realtime_emulator` is at
`AZURE_OPENAI_ENDPOINT` and in the other variables while the test runs, so that `connect()` finds it by itself.

pytest imports it, and with it the package, a fifth of a second, in every project of the environment that it is
installed in; `-p no:realtime_azure.testing.plugin` leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..connection import Connection
    from ..emulator import Emulator

DEPLOYMENT = "emulated"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "realtime(**options): what realtime_azure.emulator.serve is to be called with (faults, pace, ...)"
    )


@pytest.fixture
async def realtime_emulator(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, anyio_backend: Any
) -> AsyncGenerator[Emulator]:
    """A running `Emulator`; set its `responder` to say what it answers. Sound comes as fast as it goes."""
    from ..emulator import serve  # noqa: PLC0415 - for who uses it

    marker = request.node.get_closest_marker("realtime")
    options: dict[str, Any] = {"pace": math.inf, **(marker.kwargs if marker else {})}
    async with serve(**options) as emulator:
        for name, value in (
            ("AZURE_OPENAI_ENDPOINT", emulator.url),
            ("AZURE_OPENAI_API_KEY", emulator.api_key),
            ("AZURE_OPENAI_DEPLOYMENT_NAME", (*emulator.deployments, DEPLOYMENT)[0]),
            ("OPENAI_API_VERSION", "v1"),
        ):
            monkeypatch.setenv(name, value)
        for name in ("AZURE_OPENAI_REALTIME_DEPLOYMENT", "AZURE_OPENAI_AD_TOKEN"):  # they would come first
            monkeypatch.delenv(name, raising=False)
        yield emulator


@pytest.fixture
async def realtime_connection(realtime_emulator: Emulator) -> AsyncGenerator[Connection]:
    """A connection to `realtime_emulator`, of which nothing has been read yet."""
    from ..connection import connect  # noqa: PLC0415 - for who uses it

    async with connect() as connection:
        yield connection
