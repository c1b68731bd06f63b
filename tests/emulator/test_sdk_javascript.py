"""OpenAI's JavaScript SDK, unmodified, through whole conversations with the emulator (`sdk_scenarios.mjs`).

It is installed from npm, into pytest's cache. Where there is no Node.js, or no network the first time, this is skipped.
It speaks TLS only, and trusts the emulator's certificate by the environment, as any program of Node's can be told to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after, run_process

from realtime_azure.audio import pcm
from realtime_azure.emulator import serve
from realtime_azure.emulator.certificate import server_context

from .sdk_scenarios import ARGUMENTS, SPEECH, SPOKEN, STORY, WEATHER, answer, pieces

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).with_name("sdk_scenarios.mjs")
PACKAGES = {"openai": "7", "ws": "8"}
CLIENTS = {"OpenAI", "AzureOpenAI"}


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> Path:
    """The script, beside an SDK that it finds."""
    node, npm, cache = shutil.which("node"), shutil.which("npm"), getattr(request.config, "cache", None)
    if node is None or npm is None or cache is None:
        pytest.skip("this needs node, npm and pytest's cache")
    folder: Path = cache.mkdir("javascript")
    (folder / "package.json").write_text('{"private": true}')
    if {name: installed(folder, name) for name in PACKAGES} != PACKAGES:
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", *wanted]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        except (subprocess.SubprocessError, OSError) as exc:
            pytest.skip(f"npm could not install the SDK: {exc}")
    return Path(shutil.copy(SCRIPT, folder))


def installed(folder: Path, package: str) -> str | None:
    """The major version of *package* there."""
    described = folder / "node_modules" / package / "package.json"
    return json.loads(described.read_text())["version"].partition(".")[0] if described.exists() else None


async def seen_in(scenario: str, script: Path, folder: Path) -> list[Any]:
    """What each client saw of *scenario*."""
    ssl_context, certificate = server_context("127.0.0.1")
    trusted = folder / "emulator.pem"
    trusted.write_bytes(certificate)
    async with serve(responder=answer, ssl_context=ssl_context) as emulator:
        given = {"url": emulator.url, "key": emulator.api_key, "tool": WEATHER}
        sound = {"spoken": pieces(SPOKEN), "speech": pieces(SPEECH)}
        with fail_after(20):
            done = await run_process(
                ["node", str(script), scenario],
                input=json.dumps(given | sound).encode(),
                env={**os.environ, "NODE_EXTRA_CA_CERTS": str(trusted)},
                check=False,
            )
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert seen.keys() == CLIENTS
    return list(seen.values())


async def test_a_question_in_writing_is_answered_in_writing(script: Path, tmp_path: Path) -> None:
    for seen in await seen_in("text", script, tmp_path):
        assert seen["text"] == seen["output"] == "You wrote: Where is Paris?"
        assert seen["kinds"][0] == "session.updated"
        assert not [kind for kind in seen["kinds"] if "audio" in kind]


async def test_a_spoken_question_is_heard_and_answered_aloud(script: Path, tmp_path: Path) -> None:
    for seen in await seen_in("speech", script, tmp_path):
        assert [kind for kind, _ in groupby(seen["kinds"])][:3] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
        ]
        assert seen["said"] == "You spoke for 2 seconds."
        assert seen["bytes"] == pcm.RATE  # half a second
        assert seen["status"] == "completed"


async def test_a_function_is_called_and_its_result_answered(script: Path, tmp_path: Path) -> None:
    for seen in await seen_in("tool", script, tmp_path):
        assert len(seen["pieces"]) > 1
        assert "".join(seen["pieces"]) == seen["call"]["arguments"] == ARGUMENTS
        assert seen["call"]["name"] == "get_weather"
        assert seen["text"] == "It is sunny in Paris."


async def test_speech_interrupts_an_answer_which_is_then_cut(script: Path, tmp_path: Path) -> None:
    for seen in await seen_in("interruption", script, tmp_path):
        response = seen["response"]
        assert "input_audio_buffer.speech_started" in seen["kinds"]
        assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
        assert STORY.text.startswith(response["output"][0]["content"][0]["transcript"])
        assert (seen["cut"]["item_id"], seen["cut"]["audio_end_ms"]) == (seen["item_id"], 50)


async def test_a_field_that_there_is_not_is_an_error_and_the_session_goes_on(script: Path, tmp_path: Path) -> None:
    for seen in await seen_in("error", script, tmp_path):
        assert seen["name"] == "OpenAIRealtimeError"
        assert (seen["error"]["code"], seen["error"]["param"]) == ("unknown_parameter", "session.voyce")


async def test_a_wrong_key_is_the_sdks_own_error(script: Path, tmp_path: Path) -> None:
    for seen in await seen_in("a wrong key", script, tmp_path):
        assert seen == {"name": "OpenAIRealtimeError", "message": "Unexpected server response: 401"}
