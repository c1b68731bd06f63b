"""Every test of waiting code runs on asyncio and on trio, and no test sees the developer's own configuration."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["realtime_azure.testing.plugin"]  # where the package is not installed, but only checked out


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("AZURE_", "OPENAI_", "SSL_CERT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
