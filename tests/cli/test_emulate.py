"""`realtime-azure emulate`: a server that says how to reach it, and ends when it is asked to."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import trustme

from realtime_azure._version import __version__
from realtime_azure.cli import main
from realtime_azure.emulator.faults import KINDS

from . import COMMAND, ROOT, environment

PATIENCE = 20.0


class Emulating:
    """The command, when it serves; *exports* is what it says to configure."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.said = ""
        for line in process.stdout:
            self.said += line
            if "API_VERSION" in line:
                break
        else:
            pytest.fail(f"it does not serve: {process.communicate()}")
        self.exports = dict(re.findall(r"^ +export (\w+)=(.+)$", self.said, re.MULTILINE))

    def end(self, signum: int) -> tuple[int, str, str]:
        """Exit code, stdout from now on, and stderr, after the signal."""
        self.process.send_signal(signum)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def emulate(*arguments: str) -> Generator[Emulating]:
    with subprocess.Popen(
        [*COMMAND, "emulate", "--port", "0", *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Emulating(process)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def emulating() -> Iterator[Emulating]:
    """One that takes any deployment and has made its key."""
    with emulate() as running:
        yield running


@pytest.fixture(scope="module")
def strict() -> Iterator[Emulating]:
    """One with a key and two deployments of its own."""
    with emulate("--api-key", "open-sesame", "--deployment", "gpt-realtime", "--deployment", "mini") as running:
        yield running


Configure = Callable[[dict[str, str]], None]
Asked = Callable[[], tuple[int, str]]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    def export(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return export


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str]) -> Asked:
    """What a client with the configuration there is gets: an exit code and complaints."""

    def ask() -> tuple[int, str]:
        code = main(["ask", "--text", "hello"])
        return code, capsys.readouterr().err

    return ask


def test_it_says_where_it_is_and_how_to_configure_a_client(emulating: Emulating) -> None:
    assert set(emulating.exports) == {
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_DEPLOYMENT_NAME",
        "OPENAI_API_VERSION",
    }
    url = emulating.exports["AZURE_OPENAI_ENDPOINT"]
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d{3,4}", url)
    assert emulating.said.startswith(f"realtime_azure emulator {__version__} at {url} ")


@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
def test_what_it_says_to_configure_works(
    emulating: Emulating, configure: Configure, asked: Asked, version: str
) -> None:
    configure(emulating.exports | {"OPENAI_API_VERSION": version})
    assert asked() == (0, "")


def test_a_key_that_was_given_is_not_printed(strict: Emulating) -> None:
    assert "open-sesame" not in strict.said
    assert "AZURE_OPENAI_API_KEY" not in strict.exports


@pytest.mark.parametrize(
    "given",
    [
        ("gpt-realtime", "open-sesame", ""),
        ("mini", "open-sesame", ""),
        ("maxi", "open-sesame", "HTTP 404 (DeploymentNotFound: "),
        ("mini", "open-barley", "HTTP 401 (Access denied "),
    ],
)
def test_key_and_deployments_are_checked(
    strict: Emulating, configure: Configure, asked: Asked, given: tuple[str, str, str]
) -> None:
    deployment, key, says = given
    configure(strict.exports | {"AZURE_OPENAI_API_KEY": key, "AZURE_OPENAI_DEPLOYMENT_NAME": deployment})
    code, complaints = asked()
    assert code == (3 if says else 0)
    assert says in complaints


def test_its_deployment_is_the_one_to_configure(strict: Emulating) -> None:
    assert strict.exports["AZURE_OPENAI_DEPLOYMENT_NAME"] == "gpt-realtime"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_it_ends_when_asked_to(name: str) -> None:
    with emulate() as running:
        assert running.end(getattr(signal, name)) == (0, "stopped\n", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_it_ends_in_mid_answer_too_and_its_client_hears_of_it(name: str) -> None:
    with (
        emulate("--quiet") as running,
        subprocess.Popen(
            [*COMMAND, "ask", "audio_samples/story.wav", "--fast", "--transcribe-with", "whisper"],
            cwd=ROOT,
            env=environment(PYTHONUNBUFFERED="1", **running.exports),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        assert client.stdout is not None
        for line in client.stdout:
            if line.startswith("you"):  # the turn was heard, and the answer has begun
                break
        assert running.end(getattr(signal, name)) == (0, "stopped\n", "")
        _, complaints = client.communicate(timeout=PATIENCE)
    assert client.returncode == 4
    assert complaints.startswith("realtime-azure ask: the connection was lost, in the middle of response resp_")
    assert "Traceback" not in complaints


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "emulate", "--port", str(port)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"realtime-azure emulate: cannot listen on 127.0.0.1:{port}: ")
    assert "in use" in done.stderr
    assert done.stderr.endswith("; choose another --port (0 picks one)\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8090.0", ""])
def test_a_port_that_is_none(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["emulate", f"--port={port}"])
    assert refused.value.code == 2
    assert f"{port!r} is not a port; give a number from 0 to 65535" in capsys.readouterr().err


def test_an_empty_key_is_not_a_secret_one() -> None:
    """As of `--api-key "$UNSET"`: nobody could connect."""
    with emulate("--api-key", "") as running:
        assert running.exports["AZURE_OPENAI_API_KEY"]


def test_a_reader_who_leaves_is_not_a_port_that_is_taken() -> None:
    """As in `emulate | true`."""
    with subprocess.Popen(
        [*COMMAND, "emulate", "--port", "0"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        complaints = process.stderr.read()
    assert "cannot listen" not in complaints
    assert process.returncode == 0


# Dialects, TLS, faults, and what it shows


@pytest.mark.parametrize(
    ("dialect", "version"),
    [
        ("v1", {"OPENAI_API_VERSION": "v1"}),
        ("dated", {"OPENAI_API_VERSION": "2025-04-01-preview"}),
        ("voice-live", {"AZURE_VOICELIVE_API_VERSION": "2026-07-15"}),
    ],
)
def test_each_dialect_has_its_configuration_which_works(
    configure: Configure, asked: Asked, dialect: str, version: dict[str, str]
) -> None:
    with emulate("--dialect", dialect) as running:
        assert version.items() <= running.exports.items()
        assert len([name for name in running.exports if name.endswith("API_VERSION")]) == 1
        assert running.exports["AZURE_OPENAI_ENDPOINT"].endswith("/voice-live") == (dialect == "voice-live")
        configure(running.exports)
        assert asked() == (0, "")


def test_with_tls_it_says_whom_to_trust(configure: Configure, asked: Asked) -> None:
    with emulate("--tls") as running:
        assert running.exports["AZURE_OPENAI_ENDPOINT"].startswith("https://127.0.0.1:")
        trust = Path(running.exports["SSL_CERT_FILE"])
        assert b"PRIVATE" not in trust.read_bytes()
        configure(running.exports)
        assert asked() == (0, "")
        configure({"SSL_CERT_FILE": ""})
        code, complaints = asked()
        assert code == 4
        assert "no secure connection" in complaints
        assert running.end(signal.SIGINT)[0] == 0
    assert not trust.parent.exists()


def test_a_certificate_of_ones_own(tmp_path: Path, configure: Configure, asked: Asked) -> None:
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with emulate("--certificate", str(tmp_path / "own.pem")) as running:
        assert "SSL_CERT_FILE" not in running.exports
        configure(running.exports | {"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
        assert asked() == (0, "")


@pytest.mark.parametrize("content", [None, "", "not PEM", "no key"])
def test_a_certificate_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None) -> None:
    path = tmp_path / "own.pem"
    if content == "no key":
        trustme.CA().cert_pem.write_to_path(str(path))
    elif content is not None:
        path.write_text(content)
    assert main(["emulate", "--port", "0", "--certificate", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"realtime-azure emulate: --certificate: {path}: ")
    assert said.count("\n") == 1


def test_faults_strike_and_their_seed_is_said(configure: Configure, asked: Asked) -> None:
    with emulate("--fault", "refuse=401*1", "--fault", "close@1=1008", "--seed", "7") as running:
        assert "  with faults: refuse=401*1, close@1=1008 (seed 7)\n" in running.said
        configure(running.exports)
        code, complaints = asked()
        assert (code, "HTTP 401" in complaints) == (3, True)
        code, complaints = asked()
        assert (code, "1008" in complaints) == (4, True)


def test_a_seed_is_made_and_said() -> None:
    with emulate("--fault", "drop") as running:
        assert re.search(r"with faults: drop \(seed \d+\)$", running.said, re.MULTILINE)
    with emulate() as running:
        assert "seed" not in running.said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "dorp@5"], "'dorp' is not a fault; there are refuse, close, drop"),
        (["--fault", "drop=5"], "drop=5: it has no value"),
        (["--pace", "0"], "pace: 0.0 is not a positive number"),
    ],
)
def test_what_cannot_be_served(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert main(["emulate", "--port", "0", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"realtime-azure emulate: {says}")
    assert captured.out == ""


def test_every_fault_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["emulate", "--help"])
    said = capsys.readouterr().out.partition("faults:")[2]
    assert [kind for kind in KINDS if kind not in said] == []


def test_a_row_for_each_event(configure: Configure, asked: Asked) -> None:
    with emulate() as running:
        configure(running.exports)
        assert asked() == asked() == (0, "")
        _, out, _ = running.end(signal.SIGINT)
    rows = [line.split() for line in out.splitlines() if line != "stopped" and not line.startswith("    -")]
    assert {row[0] for row in rows} == {"1", "2"}
    types = [(row[1], row[3]) for row in rows if row[0] == "2"]
    assert types[0] == ("<", "session.created")
    assert (">", "conversation.item.create") in types
    assert types[-1] == ("<", "response.done")
    assert len([kind for _, kind in types if kind.endswith(".delta")]) <= 4
    assert running.exports["AZURE_OPENAI_API_KEY"] not in out


def test_what_happens_besides_is_told(configure: Configure, asked: Asked) -> None:
    """Who is refused, and why; faults, connections and requests; but no key, nor what is asked in a URL's query."""
    with emulate("--api-key", "open-sesame", "--fault", "malformed@2", "--fault", "refuse=too_many*1") as running:
        url = running.exports["AZURE_OPENAI_ENDPOINT"]
        configure({**running.exports, "AZURE_OPENAI_API_KEY": "wrong-hunter2"})
        assert asked()[0] == 3
        configure({**running.exports, "AZURE_OPENAI_API_KEY": "open-sesame"})
        asked()
        models = httpx2.get(f"{url}/openai/v1/models?key=hunter2", headers={"api-key": "open-sesame"})
        assert models.status_code == 200
        _, out, err = running.end(signal.SIGINT)
    notes = [line.split(maxsplit=2)[2] for line in out.splitlines() if line.startswith("    -")]
    assert notes[0] == "refused: refuse=too_many*1"
    assert notes[1].startswith("a handshake at /openai/v1/realtime is refused with 429")
    assert notes[2].startswith("a handshake at /openai/v1/realtime is refused with 401 Access denied")
    assert notes[3] == "connection 1 begins (ga, any-name)"
    assert notes[4].startswith("connection 1: malformed@2 at message 2 (seed ")
    assert notes[5:] == ["connection 1 ends with 1000", "GET /openai/v1/models: 200"]
    assert "hunter2" not in out + err
    assert err == ""


def test_quiet_is_quiet(configure: Configure, asked: Asked) -> None:
    with emulate("--quiet") as running:
        configure(running.exports)
        assert asked() == (0, "")
        assert running.end(signal.SIGINT) == (0, "stopped\n", "")


@pytest.mark.parametrize("command", [[], ["ask"], ["emulate"]], ids=["realtime-azure", "ask", "emulate"])
def test_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(" ".join(["usage: realtime-azure", *command]))
    assert "130 interrupted" in said if not command else f"realtime-azure {command[0]} " in said.split("example")[1]


@pytest.mark.parametrize("command", ["ask", "emulate"])
def test_the_help_of_a_command_fits_on_a_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert len(capsys.readouterr().out.splitlines()) <= 50


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [*COMMAND, "--version"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"realtime-azure {__version__}\n", "")


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main([])
    assert refused.value.code == 2
    assert "usage: realtime-azure" in capsys.readouterr().err
