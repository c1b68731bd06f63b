"""`realtime-azure models`: what the resource could deploy, as a table and as JSON."""

from __future__ import annotations

import json
import subprocess

import pytest

from realtime_azure.cli.models import table
from realtime_azure.rest import Model

from . import COMMAND, ROOT, environment
from .asking import ESCAPE, KEY, Outcome, Run, answer, refusal, runner, scripted

MODELS = {
    "object": "list",
    "data": [
        {
            "id": "gpt-realtime",
            "created": 1756339200,
            "lifecycle_status": "generally-available",
            "capabilities": {"inference": True, "fine_tune": False, "realtime": True},
        },
        {"id": "ada", "created_at": 0, "newer": [1]},
        {"id": f"x{ESCAPE}", "created": 10**30},
    ],
}


@pytest.fixture
def models(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("models", capsys)


def test_a_table_by_name(models: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, answer(json.dumps(MODELS))) as service:
        monkeypatch.delenv("AZURE_OPENAI_DEPLOYMENT_NAME")  # it takes none
        outcome = models()
    assert (service.asked[0].path, service.asked[0].headers["api-key"]) == ("/openai/v1/models", KEY)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "MODEL         FOR                  STATE                SINCE\n"
        "ada           -                    -                    1970-01-01\n"
        "gpt-realtime  inference, realtime  generally-available  2025-08-28\n"
        "x ]0;owned    -                    -                    ?\n"
    )


def test_json_is_one_object_with_all_that_came(models: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, answer(json.dumps(MODELS))):
        outcome = models("--json")
    assert (outcome.code, outcome.err, outcome.out.count("\n")) == (0, "", 1)
    assert json.loads(outcome.out) == MODELS


def test_the_emulator_lists_its_deployment(models: Run) -> None:
    assert "\nmine " in models("--emulator", "--deployment", "mine", "--api-version", "2024-10-21").out


def test_a_resource_without_models_says_so(models: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, answer('{"data": []}')):
        assert models() == Outcome(0, "The resource lists no models.\n", "")


def test_nothing_makes_no_table() -> None:
    assert table([]) == []
    assert table([Model()])[1:] == ["?      -    -      -"]


def test_a_refusal(models: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, refusal("403 Forbidden", "Not from here.")):
        outcome = models("--json")
    assert (outcome.code, outcome.out) == (3, "")
    assert "HTTP 403 (the_code: Not from here.)" in outcome.complaint
    assert KEY not in outcome.err


def test_an_answer_that_is_none(models: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, answer("<html>Welcome!</html>", "text/html")):
        outcome = models()
    assert (outcome.code, outcome.out) == (3, "")
    assert "is not a JSON object: '<html>" in outcome.complaint


def test_without_an_endpoint(models: Run) -> None:
    outcome = models()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint.startswith("no endpoint: ")


def test_a_pipe_that_wants_one_line_only() -> None:
    command = subprocess.list2cmdline([*COMMAND, "models", "--emulator"])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | head -1"],  # noqa: S607
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"MODEL ")


def test_help_teaches_with_examples(models: Run) -> None:
    assert "realtime-azure models | grep realtime\n" in models("--help").out
