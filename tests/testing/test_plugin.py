"""The plugin for pytest, as a user's test file sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Somebody's project, with warnings as errors."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    pytester.makeconftest("pytest_plugins = ['realtime_azure.testing.plugin']\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def passed(project: pytest.Pytester, source: str, count: int) -> None:
    project.makepyfile(source)
    project.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=count)


ASSISTANT = """
import os
import pytest
from realtime_azure import connect
from realtime_azure.events import ResponseDone

pytestmark = pytest.mark.anyio

async def say(turn):
    return f"You said: {turn.text}"

async def test_an_assistant(realtime_emulator):
    realtime_emulator.responder = say
    async with connect() as connection:
        content = [{"type": "input_text", "text": "Hello."}]
        await connection.conversation.item.create({"type": "message", "role": "user", "content": content})
        await connection.response.create({"output_modalities": ["text"]})
        done = await connection.wait_for(ResponseDone)
    assert done.response.output[0].content[0].text == "You said: Hello."
"""


def test_a_users_test_runs_on_both_loops(project: pytest.Pytester) -> None:
    passed(project, ASSISTANT, 2)


def test_the_readmes_test_runs_and_is_short(project: pytest.Pytester) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (source,) = [
        block for block in re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL) if "pytest" in block
    ]
    assert len([line for line in source.splitlines() if line.strip()]) <= 25
    (project.path / "audio_samples").symlink_to(ROOT / "audio_samples")
    passed(project, source, 2)


def test_a_project_may_choose_its_loop(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest, sniffio
        from realtime_azure.events import SessionCreated

        @pytest.fixture
        def anyio_backend():
            return "trio"

        @pytest.mark.anyio
        async def test_it(realtime_connection):
            assert isinstance(await realtime_connection.receive(), SessionCreated)
            assert sniffio.current_async_library() == "trio"
        """
    )
    project.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_connection_is_to_the_emulator_and_nothing_of_it_is_read(project: pytest.Pytester) -> None:
    passed(
        project,
        """
        import pytest
        from realtime_azure.events import SessionCreated

        @pytest.mark.anyio
        async def test_it(realtime_emulator, realtime_connection):
            assert realtime_connection.endpoint.origin == realtime_emulator.url
            assert isinstance(await realtime_connection.receive(), SessionCreated)
        """,
        2,
    )


def test_the_marker_says_what_the_emulator_does(project: pytest.Pytester) -> None:
    passed(
        project,
        """
        import os, pytest
        from realtime_azure import ConnectionLost, StatusError, connect
        from realtime_azure.testing import VirtualClock

        pytestmark = [pytest.mark.anyio, pytest.mark.realtime(deployments=["mini"])]
        CLOCK = VirtualClock(0)

        async def test_a_module(realtime_emulator):
            assert realtime_emulator.deployments == ("mini",)
            assert os.environ["AZURE_OPENAI_DEPLOYMENT_NAME"] == "mini"
            async with connect() as connection:
                await connection.receive()
            with pytest.raises(StatusError):
                async with connect(deployment="maxi"):
                    pass

        @pytest.mark.realtime(faults=["drop@2"], seed=7, api_key="sesame", clock=CLOCK)
        async def test_a_test(realtime_emulator, realtime_connection):
            assert (realtime_emulator.seed, realtime_emulator.api_key) == (7, "sesame")
            assert realtime_emulator.deployments == ()
            created = await realtime_connection.receive()
            assert created.session.ga.expires_at == 3600
            await realtime_connection.response.create()
            with pytest.raises(ConnectionLost):
                await realtime_connection.receive()
        """,
        4,
    )


def test_a_wrong_option_is_an_error_of_the_test_alone(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.anyio
        @pytest.mark.realtime(faults=["dorp@2"])
        async def test_wrong(realtime_emulator):
            pass

        @pytest.mark.anyio
        async def test_right(realtime_emulator):
            pass
        """
    )
    result = project.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*'dorp' is not a fault*"])


VARIABLES = """
import os, pytest

NAMES = [name for name in os.environ if name.startswith(("AZURE_", "OPENAI_"))]
BEFORE = {name: os.environ[name] for name in NAMES}

def now():
    return {name: value for name, value in os.environ.items() if name.startswith(("AZURE_", "OPENAI_"))}

def test_before():
    assert now() == BEFORE

@pytest.mark.anyio
async def test_with_it(realtime_emulator, realtime_connection):
    assert now() == {
        "AZURE_OPENAI_ENDPOINT": realtime_emulator.url,
        "AZURE_OPENAI_API_KEY": realtime_emulator.api_key,
        "AZURE_OPENAI_DEPLOYMENT_NAME": "emulated",
        "OPENAI_API_VERSION": "v1",
    }

def test_after():
    assert now() == BEFORE
"""


def test_variables_are_set_for_the_test_and_set_back(project: pytest.Pytester) -> None:
    passed(project, VARIABLES, 4)


def test_what_is_configured_does_not_come_first(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer who has the real service in the environment does not pay for tests."""
    for name in (
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_AD_TOKEN",
        "AZURE_OPENAI_REALTIME_DEPLOYMENT",
        "AZURE_OPENAI_DEPLOYMENT_NAME",
        "OPENAI_API_VERSION",
    ):
        monkeypatch.setenv(name, f"https://real.example/{name}")
    passed(project, VARIABLES, 4)


def test_a_test_that_fails_leaves_nothing_running(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.anyio
        async def test_it(realtime_connection):
            await realtime_connection.response.create()
            raise ZeroDivisionError

        def test_next():
            pass
        """
    )
    project.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=2, passed=1)


def test_it_is_in_the_help(project: pytest.Pytester) -> None:
    shown = project.runpytest_inprocess("-p", "no:cacheprovider", "--markers").stdout.str()
    assert "@pytest.mark.realtime(**options)" in shown
    shown = project.runpytest_inprocess("-p", "no:cacheprovider", "--fixtures").stdout.str()
    assert "realtime_emulator" in shown
    assert "A running `Emulator`" in shown


@pytest.mark.parametrize("installed", [False, True], ids=["plain checkout", "installed"])
def test_it_is_loaded_once_however_it_is_found(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """By its entry point, by `pytest_plugins`, or by both."""
    if installed:  # as pip writes it down
        place = project.mkdir("site") / "realtime_azure_of_a_test-1.0.dist-info"
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: realtime-azure-of-a-test\nVersion: 1.0\n")
        (place / "RECORD").write_text("")
        said = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.entry-points.pytest11]\n")[2]
        (place / "entry_points.txt").write_text(f"[pytest11]\n{said.partition(chr(10))[0].replace(chr(34), '')}\n")
        monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{place.parent}")
        project.makeconftest("")
    project.makepyfile(ASSISTANT)
    alone = project.runpytest_subprocess("-p", "no:cacheprovider", "--trace-config")
    alone.assert_outcomes(passed=2)
    if installed:
        project.makeconftest("pytest_plugins = ['realtime_azure.testing.plugin']\n")
        project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_plugin_imports_the_package_alone() -> None:
    """No event loop, nor what only some commands need."""
    code = "import sys, realtime_azure.testing.plugin; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"trio", "httpx2", "azure.identity", "openai", "cryptography", "realtime_azure.cli", "realtime_azure.rest"}
    assert sorted(heavy & set(ran.stdout.split())) == []
