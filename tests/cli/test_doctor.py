"""`realtime-azure doctor`: what it finds where all is well, where the way ends, and what it says to do."""

from __future__ import annotations

import base64
import json
import math
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteReceiveStream, ByteStream
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.stapled import StapledByteStream
from hypothesis import given
from hypothesis import strategies as st

from realtime_azure import emulator
from realtime_azure.cli import main
from realtime_azure.cli.checkup import DATED_VERSION, claims_of
from realtime_azure.emulator import REFUSALS
from realtime_azure.errors import Refusal

from .. import serving
from ..serving import RESPONSE_CREATED, RESPONSE_DONE, SESSION_CREATED, Certificates, Peer, close_frame, text_delta
from . import COMMAND, ROOT, environment
from .terminal import on_screen, terminal

KEY = "the-key-of-the-tests"
SIGNATURE = "the-signature-of-the-tests"
GATEWAY_KEY = "the-gateway-key-of-the-tests"
PASSWORD = "the-password-of-the-tests"
SECRETS = (KEY, SIGNATURE, GATEWAY_KEY, PASSWORD)
PATIENCE = 20.0
ESCAPE = "\x1b]0;owned\x07"
MARKS = {"✓": True, "✗": False, "-": None}
NAMES = [
    "configuration",
    "credential",
    "proxy",
    "dns",
    "tcp",
    "tls",
    "token",
    "rest",
    "handshake",
    "deployment",
    "session",
    "turn",
    "other form",
]
PLAIN = [name for name in NAMES if name not in {"tls", "token"}]
"""What is checked with a key at an `http://` endpoint."""


# Running it


@dataclass(frozen=True)
class Finding:
    """A check, as it was shown."""

    ok: bool | None
    said: str
    advice: str
    ms: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout, where nothing else may be."""
        assert self.out.count("\n") == 1
        said: dict[str, Any] = json.loads(self.out)
        return said

    @property
    def checks(self) -> dict[str, Finding]:
        """What was found, by name, in order."""
        if not self.out.startswith("{"):
            return read_lines(self.out)
        return {check["name"]: _without_name(**check) for check in self.json["checks"]}

    def __getitem__(self, name: str) -> Finding:
        assert name in self.checks, self.out
        return self.checks[name]

    @property
    def wrong(self) -> list[str]:
        """The checks that failed."""
        return [name for name, finding in self.checks.items() if finding.ok is False]


def _without_name(*, name: str, **rest: Any) -> Finding:
    assert name
    return Finding(**rest)


def read_lines(out: str) -> dict[str, Finding]:
    """The findings in the lines that a person sees; the last line sums them up, and is none."""
    found: dict[str, Finding] = {}
    *lines, _summary = out.splitlines()
    for line in lines:
        if (check := re.match(rf"([✓✗-]) ({'|'.join(NAMES)}) +(.*)", line)) is not None:
            mark, name, said = check.groups()
            assert name not in found
            found[name] = Finding(MARKS[mark], said, "")
        else:
            advice = re.fullmatch(r" +→ (.+)", line)
            assert advice is not None, line
            name = next(reversed(found))
            found[name] = replace(found[name], advice=advice[1])
    return found


Doctor = Callable[..., Outcome]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """The command in this process; whatever it says, it gives no secret away."""

    def run(*arguments: str | Path) -> Outcome:
        try:
            code = main(["doctor", *map(str, arguments)])
        except SystemExit as exc:  # argparse's way of refusing
            code = int(exc.code or 0)
        said = capsys.readouterr()
        assert not [secret for secret in SECRETS if secret in said.out + said.err]
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture(scope="module")
def portal() -> Generator[BlockingPortal]:
    """An event loop in a thread, for servers."""
    with start_blocking_portal() as portal:
        yield portal


Configure = Callable[[str], None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Sets the environment as a user of Azure would, for the resource at a URL."""

    def set_up(url: str) -> None:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
        monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT_NAME", "gpt-realtime")
        monkeypatch.setenv("OPENAI_API_VERSION", "v1")

    return set_up


Emulate = Callable[..., emulator.Emulator]


@pytest.fixture
def emulate(portal: BlockingPortal, configure: Configure) -> Iterator[Emulate]:
    """Starts an emulator in another thread, and configures it."""
    with ExitStack() as running:

        def start(**options: Any) -> emulator.Emulator:
            given: dict[str, Any] = {"api_key": KEY, "deployments": ["gpt-realtime"], "pace": math.inf, **options}
            service = running.enter_context(portal.wrap_async_context_manager(emulator.serve(**given)))
            configure(service.url)
            return service

        yield start


Scripted = Callable[..., serving.Server]


@pytest.fixture
def scripted(portal: BlockingPortal, configure: Configure) -> Iterator[Scripted]:
    """Starts a service that does what scripts say: one for sessions, one for the other form, an answer to REST."""
    with ExitStack() as running:

        def start(session: serving.Script, **others: Any) -> serving.Server:
            script = in_time(service(session, **others))
            server = running.enter_context(portal.wrap_async_context_manager(serving.serve(script)))
            configure(server.url)
            return server

        yield start


def in_time(script: serving.Script) -> serving.Script:
    """*script*, after which the socket is closed, so that nobody waits for ever."""

    async def limited(peer: Peer) -> None:
        with anyio.move_on_after(PATIENCE):
            await script(peer)

    return limited


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


Trust = Callable[[], None]


@pytest.fixture
def trust(certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trust:
    """Sets `SSL_CERT_FILE` to the authority of the tests."""

    def set_up() -> None:
        file = tmp_path / "authority.pem"
        certificates.authority.cert_pem.write_to_path(file)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))

    return set_up


# Scripts


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def refusal(status: int, code: str, message: str) -> bytes:
    return http(status, json.dumps({"error": {"code": code, "message": message}}).encode())


def answering_http(answer: bytes) -> serving.Script:
    async def script(peer: Peer) -> None:
        await peer.answer(answer)

    return script


async def silent(peer: Peer) -> None:
    """Reads the request, and says nothing to it."""
    await peer.read_request()
    await peer.gone()


class _Again(ByteReceiveStream):
    """A *stream* of which the *head* has been read already."""

    def __init__(self, head: bytes, stream: ByteReceiveStream) -> None:
        self._head = head
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        head, self._head = self._head, b""
        return head or await self._stream.receive(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def read_head(stream: ByteStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()
    return head


NO_PATH = answering_http(refusal(404, "404", "Resource not found"))
NO_MODELS = answering_http(http(200, b'{"object": "list", "data": []}'))


def service(
    session: serving.Script, *, other: serving.Script = NO_PATH, rest: serving.Script = NO_MODELS
) -> serving.Script:
    """A resource of which each path has a script: *session* the v1 websocket, *other* the dated one, *rest* REST."""

    async def script(peer: Peer) -> None:
        head = await read_head(peer.stream)
        path = head.split()[1].decode().partition("?")[0]
        chosen = rest if path.endswith("/models") else session if path.endswith("/v1/realtime") else other
        await chosen(Peer(StapledByteStream(peer.stream, _Again(head, peer.stream))))

    return script


def answering(*events: dict[str, Any]) -> serving.Script:
    """Sessions in which the turn is answered with *events*."""

    async def then(peer: Peer) -> None:
        await peer.say(*events)
        await peer.farewell()

    return at_the_turn(then)


def at_the_turn(then: Callable[[Peer], Awaitable[None]]) -> serving.Script:
    """Sessions in which *then* happens when the client asks for a response."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        while (await peer.hear())["type"] != "response.create":
            pass
        await then(peer)

    return script


async def no_session(peer: Peer) -> None:
    """Accepts, and says nothing more."""
    await peer.accept()
    await peer.farewell()


READY = answering(RESPONSE_CREATED, text_delta("ready"), RESPONSE_DONE)


# All is well


def test_an_emulator_of_its_own_is_well(doctor: Doctor) -> None:
    outcome = doctor("--emulator")
    assert (outcome.code, outcome.err) == (0, "")
    assert list(outcome.checks) == PLAIN
    assert outcome.wrong == []
    assert {name for name in PLAIN if outcome[name].ok is None} == {"proxy", "other form"}
    assert all(finding.advice == "" for finding in outcome.checks.values())


def test_a_pipe_gets_plain_whole_lines(doctor: Doctor) -> None:
    out = doctor("--emulator").out
    assert out.endswith("\n")
    assert not re.search(r"[^\n -~✓✗→·“”…]", out)
    assert len(out.splitlines()) == len(PLAIN) + 1


def test_what_takes_time_is_shown_with_how_long_it_took(doctor: Doctor) -> None:
    outcome = doctor("--emulator")
    timed = {name for name, finding in outcome.checks.items() if re.search(r" · \d+(\.\d)? ms$", finding.said)}
    assert {"dns", "tcp", "rest", "handshake", "turn", "other form"} <= timed
    assert not timed & {"configuration", "credential", "proxy"}


def test_an_emulator_of_its_own_needs_nothing_of_the_environment(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://something.invalid")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", jwt(aud="https://elsewhere.example"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://{nobody}")
    monkeypatch.setenv("HTTP_PROXY", f"http://{nobody}")
    outcome = doctor("--emulator")
    assert outcome.code == 0
    assert "127.0.0.1" in outcome["configuration"].said


def test_an_emulator_of_its_own_speaks_the_other_form_too(doctor: Doctor) -> None:
    outcome = doctor("--emulator", "--api-version", DATED_VERSION, "--deployment", "voice")
    assert outcome.code == 0
    assert DATED_VERSION in outcome["handshake"].said
    assert "voice" in outcome["deployment"].said


@pytest.mark.parametrize("version", ["v1", DATED_VERSION, "2024-10-01-preview"])
def test_a_configured_endpoint_is_well_in_either_form(doctor: Doctor, emulate: Emulate, version: str) -> None:
    emulate()
    outcome = doctor("--api-version", version)
    assert (outcome.code, outcome.err) == (0, "")
    assert list(outcome.checks) == PLAIN
    assert outcome.wrong == []
    forms = {True: "/openai/v1/realtime", False: "/openai/realtime"}
    assert forms[version == "v1"] in outcome["handshake"].said
    assert version in outcome["handshake"].said
    assert forms[version != "v1"] in outcome["other form"].said
    assert "/v1/models" in outcome["rest"].said if version == "v1" else "/openai/models" in outcome["rest"].said
    assert "This is the emulator" in outcome["turn"].said


def test_the_other_form_is_for_information_only(doctor: Doctor, scripted: Scripted) -> None:
    scripted(READY)
    outcome = doctor("--json")
    assert outcome.code == 0
    assert outcome["other form"].ok is None
    assert outcome["other form"].facts["works"] is False
    assert "404" in outcome["other form"].said
    assert DATED_VERSION in outcome["other form"].said


@pytest.mark.parametrize("says_so", [True, False])
def test_the_other_form_that_works_is_named(doctor: Doctor, scripted: Scripted, says_so: bool) -> None:
    """The dated path refuses what the current one takes, and the other way round."""
    configured = answering_http(refusal(400, "OperationNotSupported", "Not this form."))
    scripted(configured, other=no_session if says_so else NO_PATH)
    outcome = doctor("--json")
    assert outcome.code == 3
    assert outcome["handshake"].ok is False
    assert outcome["other form"].facts["works"] is says_so
    assert "/openai/realtime" in outcome["other form"].said


def test_a_turn_shows_the_words_that_came(doctor: Doctor, scripted: Scripted) -> None:
    scripted(answering(RESPONSE_CREATED, text_delta("rea"), text_delta("dy"), RESPONSE_DONE))
    outcome = doctor("--json")
    assert outcome["turn"].ok is True
    assert "ready" in outcome["turn"].said
    assert outcome["turn"].facts["text"] == "ready"
    assert 0 <= outcome["turn"].facts["first_text_ms"] <= (outcome["turn"].ms or 0)


def test_a_turn_asks_for_one_word_in_writing(doctor: Doctor, scripted: Scripted) -> None:
    heard: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        heard.extend([await peer.hear(), await peer.hear()])
        await peer.say(RESPONSE_CREATED, RESPONSE_DONE)
        await peer.farewell()

    scripted(script)
    assert doctor().code == 0
    item, response = heard
    assert (item["type"], response["type"]) == ("conversation.item.create", "response.create")
    assert [part["type"] for part in item["item"]["content"]] == ["input_text"]
    assert response["response"]["output_modalities"] == ["text"]


def test_a_turn_without_words_is_none(doctor: Doctor, scripted: Scripted) -> None:
    scripted(answering(RESPONSE_CREATED, RESPONSE_DONE))
    outcome = doctor("--json")
    assert outcome["turn"].facts == {"text": "", "first_text_ms": None}
    assert "None" not in outcome["turn"].said


def test_long_answers_are_cut_on_the_screen(doctor: Doctor, scripted: Scripted) -> None:
    scripted(answering(RESPONSE_CREATED, text_delta("word " * 100), RESPONSE_DONE))
    assert max(map(len, doctor().out.splitlines())) < 200


def test_control_characters_do_not_reach_the_terminal(doctor: Doctor, scripted: Scripted) -> None:
    scripted(
        answering(RESPONSE_CREATED, text_delta(f"rea{ESCAPE}\x9b2J\ndy\u202e"), RESPONSE_DONE),
        other=answering_http(refusal(400, f"bad{ESCAPE}", f"news{ESCAPE}\n\u202e")),
        rest=answering_http(refusal(400, "bad", f"news{ESCAPE}\n\u202e")),
    )
    outcome = doctor()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(outcome.out)
    assert list(outcome.checks) == PLAIN


# For programs


def check_schema(outcome: Outcome) -> None:
    said = outcome.json
    assert outcome.err == ""
    assert set(said) == {"ok", "exit_code", "checks"}
    assert said["exit_code"] == outcome.code
    assert said["ok"] is (outcome.code == 0)
    names = [check["name"] for check in said["checks"]]
    assert names == [name for name in NAMES if name in names]
    for check in said["checks"]:
        assert set(check) == {"name", "ok", "said", "advice", "ms", "facts"}
        assert check["ok"] in {True, False, None}
        assert isinstance(check["said"], str)
        assert check["said"]
        assert isinstance(check["advice"], str)
        assert check["ms"] is None or (isinstance(check["ms"], float | int) and 0 <= check["ms"] < 60_000)
        assert isinstance(check["facts"], dict)


def test_json_says_all_there_is_to_know(doctor: Doctor, emulate: Emulate) -> None:
    service = emulate()
    outcome = doctor("--json")
    check_schema(outcome)
    assert outcome.json["ok"] is True
    assert list(outcome.checks) == PLAIN
    assert all(finding.ms is not None for finding in outcome.checks.values())
    assert outcome["configuration"].facts == {
        "endpoint": service.url,
        "deployment": "gpt-realtime",
        "api_version": "v1",
        "sources": {
            "endpoint": "AZURE_OPENAI_ENDPOINT",
            "deployment": "AZURE_OPENAI_DEPLOYMENT_NAME",
            "api_version": "OPENAI_API_VERSION",
        },
    }
    assert outcome["dns"].facts == {"addresses": ["127.0.0.1"]}
    assert outcome["handshake"].facts["region"] == "emulator"
    assert re.fullmatch(r"[0-9a-f-]{36}", outcome["handshake"].facts["request_id"])
    assert outcome["session"].facts["session_id"].startswith("sess_")
    assert outcome["session"].facts["model"] == "gpt-realtime"
    assert outcome["turn"].facts["text"].startswith("This is the emulator")
    assert outcome["other form"].facts == {"works": True}


def test_json_of_an_emulator_of_its_own(doctor: Doctor) -> None:
    outcome = doctor("--emulator", "--json")
    check_schema(outcome)
    assert outcome.json["ok"] is True


def test_json_of_a_refusal_has_what_the_support_asks_for(
    doctor: Doctor, emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulate()
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "another-key")
    outcome = doctor("--json")
    check_schema(outcome)
    assert (outcome.json["ok"], outcome.json["exit_code"]) == (False, 3)
    facts = outcome["handshake"].facts
    assert (facts["status"], facts["code"], facts["region"]) == (401, "401", "emulator")
    assert re.fullmatch(r"[0-9a-f-]{36}", facts["request_id"])
    assert re.fullmatch(r"[0-9a-f-]{36}", facts["client_request_id"])


@pytest.mark.parametrize("arguments", [[], ["--endpoint", "https://something.invalid"]])
def test_json_of_what_could_not_begin(doctor: Doctor, arguments: list[str]) -> None:
    outcome = doctor("--json", *arguments)
    check_schema(outcome)
    assert outcome.code == 2


# What is configured


def test_without_an_endpoint_it_is_said_what_to_set(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (2, ["configuration"])
    assert "AZURE_OPENAI_ENDPOINT" in outcome["configuration"].said
    assert list(outcome.checks) == ["configuration", "credential"]
    assert outcome["credential"].ok is True


# Voice Live

LIVE_VERSION = "2026-07-15"
LIVE = [name for name in PLAIN if name != "other form"]
"""What is checked at an endpoint of Voice Live, which has one form only."""


@pytest.fixture
def live(emulate: Emulate, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> emulator.Emulator:
    """An emulator, configured as a user of Voice Live would; the variables of the others are set to theirs."""
    service = emulate()
    configure(f"{service.url}/voice-live")
    monkeypatch.setenv("AZURE_VOICELIVE_API_VERSION", LIVE_VERSION)
    return service


def test_an_endpoint_of_voice_live_is_well(doctor: Doctor, live: emulator.Emulator) -> None:
    outcome = doctor()
    assert (outcome.code, outcome.err, outcome.wrong) == (0, "", [])
    assert list(outcome.checks) == LIVE
    assert f"endpoint {live.url} (AZURE_OPENAI_ENDPOINT)" in outcome["configuration"].said
    assert f"api_version {LIVE_VERSION} (AZURE_VOICELIVE_API_VERSION)" in outcome["configuration"].said
    assert outcome["rest"].ok is None
    assert "Voice Live has none" in outcome["rest"].said
    assert outcome["handshake"].said.startswith(f"/voice-live/realtime ({LIVE_VERSION})")
    assert outcome["deployment"].said.startswith("gpt-realtime is gpt-realtime")
    assert outcome["session"].said.startswith("session.created, sess_")
    assert "This is the emulator" in outcome["turn"].said


def test_json_of_voice_live(doctor: Doctor, live: emulator.Emulator) -> None:
    outcome = doctor("--json", "--endpoint", f"{live.url}/voice-live/realtime?model=gpt-realtime")
    assert (outcome.code, outcome.json["ok"]) == (0, True)
    assert list(outcome.checks) == LIVE
    assert "api_version 2026-07-15 (AZURE_VOICELIVE_API_VERSION)" in outcome["configuration"].said
    assert "deployment gpt-realtime (the endpoint's URL)" in outcome["configuration"].said
    assert outcome["session"].facts["model"] == "gpt-realtime"


@pytest.mark.parametrize(
    ("arguments", "path", "source"),
    [
        (["--api-version", "2025-10-01"], "", "2025-10-01 (--api-version)"),
        ([], "?api-version=2025-10-01", "2025-10-01 (the endpoint's URL)"),
    ],
)
def test_where_the_version_of_voice_live_comes_from(
    doctor: Doctor, live: emulator.Emulator, configure: Configure, *, arguments: list[str], path: str, source: str
) -> None:
    configure(f"{live.url}/voice-live{path}")
    outcome = doctor(*arguments)
    assert outcome.code == 0
    assert f"api_version {source}" in outcome["configuration"].said


def test_voice_live_without_its_own_version_says_which_variable(
    doctor: Doctor, live: emulator.Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`OPENAI_API_VERSION` is set, and is not its."""
    monkeypatch.delenv("AZURE_VOICELIVE_API_VERSION")
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (2, ["configuration"])
    assert "AZURE_VOICELIVE_API_VERSION" in outcome["configuration"].said


def test_a_model_that_voice_live_does_not_have(doctor: Doctor, live: emulator.Emulator) -> None:
    outcome = doctor("--endpoint", f"{live.url}/voice-live", "--deployment", "gpt-fake")
    assert (outcome.code, outcome.wrong) == (3, ["handshake", "deployment"])
    assert outcome["handshake"].said.startswith(f"/voice-live/realtime ({LIVE_VERSION})")
    assert "gpt-fake" in outcome["deployment"].said


@pytest.mark.parametrize(
    ("variable", "check", "says"),
    [
        ("AZURE_OPENAI_DEPLOYMENT_NAME", "configuration", "AZURE_OPENAI_DEPLOYMENT_NAME"),
        ("OPENAI_API_VERSION", "configuration", "'v1'"),
        ("AZURE_OPENAI_API_KEY", "credential", "AZURE_OPENAI_API_KEY"),
        ("AZURE_OPENAI_API_KEY", "credential", "DefaultAzureCredential"),
    ],
)
def test_what_is_not_configured_is_named_with_its_variable(
    doctor: Doctor, scripted: Scripted, monkeypatch: pytest.MonkeyPatch, *, variable: str, check: str, says: str
) -> None:
    server = scripted(READY)
    monkeypatch.delenv(variable)
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (2, [check])
    assert variable in outcome[check].said
    assert says in outcome[check].said
    assert server.clients == 0  # nothing was sent


def test_all_that_is_not_configured_is_told_at_once(doctor: Doctor) -> None:
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (2, ["configuration", "credential"])
    assert outcome.out.splitlines()[-1].startswith("2 of 2 ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--endpoint", "example.com"], "https://"),
        (["--endpoint", "https://portal.azure.com/#home"], "portal"),
        (["--endpoint", "http://example.com"], "https://example.com"),
        (["--api-version", "yesterday"], "yesterday"),
        (["--endpoint", "https://example.com/openai/v1", "--api-version", DATED_VERSION], DATED_VERSION),
        (["--endpoint", f"https://user:{PASSWORD}@example.com"], "user name"),
        (["--endpoint", "https://example.com:port"], "https://"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(
    doctor: Doctor, configure: Configure, arguments: list[str], says: str
) -> None:
    configure("https://something.invalid")
    outcome = doctor(*arguments)
    assert (outcome.code, outcome.wrong) == (2, ["configuration"])
    assert says in outcome["configuration"].said
    assert list(outcome.checks) == ["configuration", "credential"]


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f" {KEY}", f"{KEY}ß"])
def test_a_key_that_is_no_key_is_refused_without_being_shown(
    doctor: Doctor, configure: Configure, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    configure("https://something.invalid")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", key)
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (2, ["credential"])
    assert "AZURE_OPENAI_API_KEY" in outcome["credential"].said


DEPLOYMENT_SOURCES = {
    "--deployment": ({}, "", ["--deployment", "gpt-realtime"]),
    "AZURE_OPENAI_REALTIME_DEPLOYMENT": ({"AZURE_OPENAI_REALTIME_DEPLOYMENT": "gpt-realtime"}, "", []),
    "AZURE_OPENAI_DEPLOYMENT_NAME": ({"AZURE_OPENAI_DEPLOYMENT_NAME": "gpt-realtime"}, "", []),
    "AZURE_OPENAI_DEPLOYMENT": ({"AZURE_OPENAI_DEPLOYMENT": "gpt-realtime"}, "", []),
    "the endpoint's URL": ({}, "/openai/deployments/gpt-realtime", []),
}
VERSION_SOURCES = {
    "--api-version": ({}, "", ["--api-version", "v1"]),
    "OPENAI_API_VERSION": ({"OPENAI_API_VERSION": "v1"}, "", []),
    "AZURE_OPENAI_API_VERSION": ({"AZURE_OPENAI_API_VERSION": "v1"}, "", []),
    "the endpoint's URL": ({}, "/openai/v1", []),
}


@pytest.mark.parametrize("by_option", [True, False], ids=["--endpoint", "AZURE_OPENAI_ENDPOINT"])
@pytest.mark.parametrize(
    ("fact", "source", "variables", "path", "arguments"),
    [("deployment", source, *given) for source, given in DEPLOYMENT_SOURCES.items()]
    + [("api_version", source, *given) for source, given in VERSION_SOURCES.items()],
)
def test_each_value_is_shown_with_where_it_comes_from(
    doctor: Doctor,
    monkeypatch: pytest.MonkeyPatch,
    nobody: str,
    *,
    by_option: bool,
    fact: str,
    source: str,
    variables: dict[str, str],
    path: str,
    arguments: list[str],
) -> None:
    others = {"AZURE_OPENAI_API_KEY": KEY}
    others |= {"OPENAI_API_VERSION": "v1"} if fact == "deployment" else {"AZURE_OPENAI_DEPLOYMENT": "gpt-realtime"}
    url = f"http://{nobody}{path}"
    others |= {} if by_option else {"AZURE_OPENAI_ENDPOINT": url}
    for name, value in (others | variables).items():
        monkeypatch.setenv(name, value)
    said = doctor(*arguments, *(["--endpoint", url] if by_option else []))["configuration"]
    assert said.ok is True
    value = "gpt-realtime" if fact == "deployment" else "v1"
    assert f"{fact} {value} ({source})" in said.said
    assert f"endpoint http://{nobody} ({'--endpoint' if by_option else 'AZURE_OPENAI_ENDPOINT'})" in said.said


def test_a_gateways_prefix_is_shown_and_of_its_query_only_that_there_is_one(
    doctor: Doctor, configure: Configure, nobody: str
) -> None:
    configure(f"http://{nobody}/team/openai?code={GATEWAY_KEY}")
    for outcome in (doctor(), doctor("--json")):
        assert f"http://{nobody}/team" in outcome["configuration"].said
        assert "with a query" in outcome["configuration"].said
        assert "code" not in outcome["configuration"].said


def test_a_gateways_query_reaches_it_and_is_not_shown(doctor: Doctor, scripted: Scripted, configure: Configure) -> None:
    asked: list[str] = []

    def noting(script: serving.Script) -> serving.Script:
        async def noted(peer: Peer) -> None:
            await script(peer)
            asked.append(peer.request.path)

        return noted

    refusing = answering_http(http(302, b"", f"Location: https://elsewhere.example/?code={GATEWAY_KEY}"))
    server = scripted(noting(refusing), other=noting(refusing), rest=noting(refusing))
    configure(f"{server.url}/openai?code={GATEWAY_KEY}")
    for arguments in ([], ["--json"]):
        outcome = doctor(*arguments)
        assert (outcome.code, outcome.wrong) == (3, ["handshake"])
        assert "https://elsewhere.example" in outcome["handshake"].advice
    assert len(asked) == 6
    assert all(f"code={GATEWAY_KEY}" in path for path in asked)


def test_a_keys_length_and_source_are_shown_but_not_the_key(doctor: Doctor, emulate: Emulate) -> None:
    emulate()
    outcome = doctor()
    assert str(len(KEY)) in outcome["credential"].said
    assert "AZURE_OPENAI_API_KEY" in outcome["credential"].said
    assert KEY[:4] not in outcome["credential"].said


# What the service refuses


def test_a_wrong_key_is_told_with_all_that_helps(
    doctor: Doctor, emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulate()
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "another-key")
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (3, ["handshake"])
    assert "HTTP 401" in outcome["handshake"].said
    assert re.search(r"[0-9a-f-]{36}", outcome["handshake"].said)
    assert "key" in outcome["handshake"].advice
    assert outcome["rest"].ok is None
    assert "401" in outcome["rest"].said
    assert "401" in outcome["other form"].said
    assert "session" not in outcome.checks
    assert "another-key" not in outcome.out


def test_a_deployment_that_does_not_exist(doctor: Doctor, emulate: Emulate) -> None:
    emulate()
    outcome = doctor("--deployment", "gpt-imaginary")
    assert (outcome.code, outcome.wrong) == (3, ["handshake", "deployment"])
    assert "gpt-imaginary" in outcome["deployment"].said
    assert "does not exist" in outcome["deployment"].said
    assert "name" in outcome["deployment"].advice
    assert "404" in outcome["handshake"].said
    assert outcome["handshake"].advice == ""  # it is said once
    assert outcome["rest"].ok is True


OF_THE_DEPLOYMENT = {"no_such_deployment", "not_realtime", "no_deployment"}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_is_a_line_with_what_to_do(doctor: Doctor, emulate: Emulate, name: str) -> None:
    said = REFUSALS[name]
    at_once = replace(said, headers={**said.headers, "retry-after-ms": "1"})
    emulate(refuse=[at_once] * 8)
    outcome = doctor("--json")
    check_schema(outcome)
    assert outcome.code == 3
    assert outcome["handshake"].ok is False
    assert f"HTTP {said.status}" in outcome["handshake"].said
    assert outcome["handshake"].facts["status"] == said.status
    assert outcome["handshake"].facts["code"] == (said.code or said.headers["x-ms-error-code"])
    told = outcome["deployment" if name in OF_THE_DEPLOYMENT else "handshake"]
    assert told.ok is False
    assert told.advice
    assert told.advice.rstrip(".") not in told.said  # it is said once
    assert said.message in told.said
    assert ("deployment" in outcome.checks) is (name in OF_THE_DEPLOYMENT)
    assert outcome["rest"].ok is None
    assert str(said.status) in outcome["rest"].said
    assert outcome["other form"].ok is None
    assert str(said.status) in outcome["other form"].said


def test_a_refusal_that_passes_is_tried_again(doctor: Doctor, emulate: Emulate) -> None:
    service = emulate()
    later = Refusal(503, {"retry-after-ms": "1"}, code="503", message="Later.")
    service.refuse(later, later)  # REST, and the first handshake
    outcome = doctor()
    assert outcome.code == 0
    assert "503" in outcome["rest"].said


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (refusal(401, "401", "Access denied."), "401"),
        (refusal(403, "403", "Not from there."), "403"),
        (refusal(404, "404", "Resource not found"), "404"),
        (refusal(500, "500", "Sorry."), "500"),
        (http(200, b"<html>Sign in, please</html>", "Content-Type: text/html"), "200"),
        (http(502, b"<html>Bad\ngateway</html>", "Content-Type: text/html"), "502"),
        (http(403, b'"no"', "Content-Type: application/json"), "403"),
        (http(404, b"\xff\xfe\x00"), "404"),
        (http(302, b"", "Location: https://elsewhere.example/"), "302"),
        (http(204), "204"),
        (b"SSH-2.0-OpenSSH\r\n", "GET "),
        (b"", "GET "),
    ],
)
def test_what_rest_answers_only_informs(doctor: Doctor, scripted: Scripted, answer: bytes, says: str) -> None:
    scripted(READY, rest=answering_http(answer))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (0, [])
    assert says in outcome["rest"].said
    assert "/openai/v1/models" in outcome["rest"].said
    assert outcome["turn"].ok is True


def test_rest_that_does_not_answer_only_informs(doctor: Doctor, scripted: Scripted) -> None:
    scripted(READY, rest=silent)
    outcome = doctor("--timeout", "0.5")
    assert (outcome.code, outcome.wrong) == (0, [])


def test_another_form_that_does_not_answer_only_informs(doctor: Doctor, scripted: Scripted) -> None:
    scripted(READY, other=silent)
    outcome = doctor("--timeout", "0.5")
    assert (outcome.code, outcome.wrong) == (0, [])


# The way there


def test_a_host_that_nobody_knows(doctor: Doctor, configure: Configure) -> None:
    configure("https://something.invalid")
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["dns"])
    assert "something.invalid" in outcome["dns"].said
    assert "name" in outcome["dns"].advice
    assert list(outcome.checks)[-1] == "dns"


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b"])
def test_a_host_that_cannot_be(doctor: Doctor, configure: Configure, host: str) -> None:
    configure(f"https://{host}")
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["dns"])
    assert host in outcome["dns"].said


def test_a_port_where_nobody_listens(doctor: Doctor, configure: Configure, nobody: str) -> None:
    configure(f"http://{nobody}")
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["tcp"])
    assert nobody in outcome["tcp"].said
    assert "refused" in outcome["tcp"].said
    assert "port" in outcome["tcp"].advice
    assert outcome["dns"].ok is True
    assert list(outcome.checks)[-1] == "tcp"


def test_an_endpoint_by_its_ipv6_address(doctor: Doctor, emulate: Emulate) -> None:
    try:
        emulate(host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    outcome = doctor("--json")
    assert outcome.code == 0
    assert outcome["dns"].facts == {"addresses": ["::1"]}


# TLS


def test_a_certificate_is_shown(doctor: Doctor, emulate: Emulate, certificates: Certificates, trust: Trust) -> None:
    until = datetime.now(UTC) + timedelta(days=100)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = certificates.authority.issue_cert("127.0.0.1", common_name="the resource", not_after=until)
    issued.configure_cert(context)
    service = emulate(ssl_context=context)
    assert service.url.startswith("https://")
    trust()
    outcome = doctor("--json")
    check_schema(outcome)
    assert outcome.code == 0
    assert list(outcome.checks) == [name for name in NAMES if name != "token"]
    facts = outcome["tls"].facts
    assert facts["version"] in {"TLSv1.2", "TLSv1.3"}
    assert facts["issuer"].startswith("trustme ")
    assert facts["subject"] == "the resource"
    assert datetime.fromisoformat(facts["expires"]) == until.replace(microsecond=0)
    for shown in (facts["version"], facts["issuer"], f"{until:%Y-%m-%d}"):
        assert shown in outcome["tls"].said
    assert outcome["tls"].advice == ""


def test_a_certificate_without_a_common_name_is_for_its_first_name(
    doctor: Doctor, emulate: Emulate, certificates: Certificates, trust: Trust
) -> None:
    emulate(ssl_context=certificates.server("127.0.0.1"))
    trust()
    assert doctor("--json")["tls"].facts["subject"] == "127.0.0.1"


@pytest.mark.parametrize(("days", "warned"), [(3, True), (13, True), (15, False)])
def test_a_certificate_that_ends_soon_is_well_but_warned_of(
    doctor: Doctor, emulate: Emulate, certificates: Certificates, trust: Trust, *, days: int, warned: bool
) -> None:
    until = datetime.now(UTC) + timedelta(days=days, hours=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.authority.issue_cert("127.0.0.1", not_after=until).configure_cert(context)
    emulate(ssl_context=context)
    trust()
    outcome = doctor()
    assert (outcome.code, outcome["tls"].ok) == (0, True)
    assert (f"{days} days" in outcome["tls"].advice) is warned


def test_a_certificate_of_an_authority_that_nobody_knows(
    doctor: Doctor, emulate: Emulate, certificates: Certificates
) -> None:
    emulate(ssl_context=certificates.server("127.0.0.1"))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["tls"])
    assert "SSL_CERT_FILE" in outcome["tls"].advice
    assert outcome["tcp"].ok is True
    assert list(outcome.checks)[-1] == "tls"


def test_a_certificate_of_another_name(
    doctor: Doctor, emulate: Emulate, certificates: Certificates, trust: Trust
) -> None:
    emulate(ssl_context=certificates.server("elsewhere.example"))
    trust()
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["tls"])
    assert outcome["tls"].advice


def test_a_certificate_that_has_ended(
    doctor: Doctor, emulate: Emulate, certificates: Certificates, trust: Trust
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    certificates.authority.issue_cert("127.0.0.1", not_before=past, not_after=past).configure_cert(context)
    emulate(ssl_context=context)
    trust()
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["tls"])
    assert "clock" in outcome["tls"].advice


def test_a_port_that_speaks_no_tls(doctor: Doctor, emulate: Emulate, configure: Configure) -> None:
    configure(emulate().url.replace("http://", "https://"))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["tls"])
    assert "TLS" in outcome["tls"].advice


def test_a_file_of_authorities_that_does_not_exist(
    doctor: Doctor, emulate: Emulate, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    emulate(ssl_context=certificates.server("127.0.0.1"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (2, ["tls"])
    assert "SSL_CERT_FILE" in outcome["tls"].said
    assert "nothing.pem" in outcome["tls"].said


# Proxies


@dataclass
class ProxyServer:
    """A proxy that takes everybody to *target*, whatever they ask for."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What was asked for, and as whom."""


async def relay(stream: ByteStream, target: int) -> None:
    """Hands on what *stream* says to *target*, and the answers."""
    async with await anyio.connect_tcp("127.0.0.1", target) as upstream, anyio.create_task_group() as tasks:

        async def copy(source: ByteStream, sink: ByteStream) -> None:
            try:
                while True:
                    await sink.send(await source.receive())
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                tasks.cancel_scope.cancel()

        tasks.start_soon(copy, stream, upstream)
        tasks.start_soon(copy, upstream, stream)


def http_proxy(asked: list[tuple[str, str]], target: int) -> serving.Script:
    async def script(peer: Peer) -> None:
        head = (await read_head(peer.stream)).decode()
        signed = re.search(r"(?i)^proxy-authorization: basic (.*)\r$", head, re.MULTILINE)
        user = base64.b64decode(signed[1]).decode() if signed else ""
        asked.append((head.partition(" HTTP/")[0], user))
        if user != f"me:{PASSWORD}":
            await peer.stream.send(http(407, b"", "Proxy-Authenticate: Basic"))
            return
        await peer.stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await relay(peer.stream, target)

    return script


def socks_proxy(asked: list[tuple[str, str]], target: int) -> serving.Script:
    """SOCKS5 with a name and a password (RFC 1928, RFC 1929), to hosts by name."""

    async def script(peer: Peer) -> None:
        stream = BufferedByteReceiveStream(peer.stream)
        _, methods = await stream.receive_exactly(2)
        assert 2 in await stream.receive_exactly(methods)
        await peer.stream.send(b"\x05\x02")
        assert await stream.receive_exactly(1) == b"\x01"
        user, password = [(await stream.receive_exactly((await stream.receive_exactly(1))[0])).decode() for _ in "up"]
        await peer.stream.send(b"\x01\x00")
        assert await stream.receive_exactly(4) == b"\x05\x01\x00\x03"
        host = await stream.receive_exactly((await stream.receive_exactly(1))[0])
        port = int.from_bytes(await stream.receive_exactly(2))
        asked.append((f"CONNECT {host.decode()}:{port}", f"{user}:{password}"))
        await peer.stream.send(b"\x05\x00\x00\x01" + bytes(6))
        await relay(peer.stream, target)

    return script


@pytest.fixture
def hidden(emulate: Emulate, configure: Configure, certificates: Certificates, trust: Trust) -> int:
    """A configured endpoint, which is an emulator that only a proxy can find; its port."""
    service = emulate(ssl_context=certificates.server("resource.invalid"))
    configure("https://resource.invalid")
    trust()
    return int(service.url.rpartition(":")[2])


@pytest.fixture
def proxied(portal: BlockingPortal, hidden: int) -> Iterator[ProxyServer]:
    """An HTTP proxy that finds it."""
    asked: list[tuple[str, str]] = []
    with portal.wrap_async_context_manager(serving.serve(in_time(http_proxy(asked, hidden)))) as server:
        yield ProxyServer(f"127.0.0.1:{server.port}", asked)


@pytest.mark.parametrize("by_option", [True, False], ids=["--proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "lines"])
def test_everything_goes_through_the_proxy(
    doctor: Doctor, proxied: ProxyServer, monkeypatch: pytest.MonkeyPatch, by_option: bool, as_json: bool
) -> None:
    url = f"http://me:{PASSWORD}@{proxied.url}"
    if not by_option:
        monkeypatch.setenv("HTTPS_PROXY", url)
    outcome = doctor(*(["--proxy", url] if by_option else []), *(["--json"] if as_json else []))
    assert (outcome.code, outcome.wrong) == (0, [])
    assert list(outcome.checks) == [name for name in NAMES if name != "token"]
    assert outcome["proxy"].ok is True
    assert f"http://{proxied.url}" in outcome["proxy"].said
    assert "127.0.0.1" in outcome["dns"].said  # the proxy's: it looks up the resource
    assert f"http://{proxied.url}" in outcome["tcp"].said
    assert "200" in outcome["rest"].said
    assert set(proxied.asked) == {("CONNECT resource.invalid:443", f"me:{PASSWORD}")}
    assert len(proxied.asked) == 5  # TCP, TLS, REST and two handshakes


@pytest.mark.parametrize(("user", "advice"), [(f"me:wrong{PASSWORD}@", "password"), ("", "name"), ("me@", "password")])
def test_a_proxy_that_lets_nobody_through(doctor: Doctor, proxied: ProxyServer, user: str, advice: str) -> None:
    outcome = doctor("--proxy", f"http://{user}{proxied.url}")
    assert (outcome.code, outcome.wrong) == (4, ["tcp"])
    assert "407" in outcome["tcp"].said
    assert advice in outcome["tcp"].advice


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "lines"])
def test_a_proxy_that_is_not_there(
    doctor: Doctor, configure: Configure, monkeypatch: pytest.MonkeyPatch, nobody: str, as_json: bool
) -> None:
    configure("https://something.invalid")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@{nobody}")
    outcome = doctor(*(["--json"] if as_json else []))
    assert (outcome.code, outcome.wrong) == (4, ["tcp"])
    assert nobody in outcome["tcp"].said
    assert "proxy" in outcome["tcp"].advice
    assert outcome["proxy"].ok is True


def test_a_proxy_that_nobody_knows(doctor: Doctor, configure: Configure) -> None:
    configure("https://something.invalid")
    outcome = doctor("--proxy", "http://proxy.invalid:3128")
    assert (outcome.code, outcome.wrong) == (4, ["dns"])
    assert "proxy.invalid" in outcome["dns"].said


def test_a_proxy_at_this_machines_own_endpoint_has_to_be_asked_for(
    doctor: Doctor, emulate: Emulate, monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    emulate()
    monkeypatch.setenv("HTTP_PROXY", f"http://{nobody}")
    assert doctor().code == 0
    assert doctor("--proxy", f"http://{nobody}").code == 4


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({}, ["--proxy", "none"]),
        ({"NO_PROXY": "something.invalid"}, []),
        ({"NO_PROXY": "elsewhere.example,.invalid"}, []),
        ({"no_proxy": "*"}, []),
    ],
)
def test_no_proxy_is_used_where_none_is_wanted(
    doctor: Doctor,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    nobody: str,
    *,
    variables: dict[str, str],
    arguments: list[str],
) -> None:
    configure("https://something.invalid")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{nobody}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    outcome = doctor(*arguments)
    assert outcome["proxy"] == Finding(None, "none", "")
    assert (outcome.code, outcome.wrong) == (4, ["dns"])
    assert "something.invalid" in outcome["dns"].said


@pytest.mark.parametrize("url", [f"ftp://me:{PASSWORD}@proxy", f"http://me:{PASSWORD}@proxy:port", ""])
@pytest.mark.parametrize("by_option", [True, False], ids=["--proxy", "HTTPS_PROXY"])
def test_what_is_no_proxy(
    doctor: Doctor, configure: Configure, monkeypatch: pytest.MonkeyPatch, url: str, by_option: bool
) -> None:
    configure("https://something.invalid")
    monkeypatch.setenv("HTTPS_PROXY", url)
    outcome = doctor(*([f"--proxy={url}"] if by_option else []))
    if not url and not by_option:
        assert outcome["proxy"].ok is None
        return
    assert (outcome.code, outcome.wrong) == (2, ["proxy"])
    assert list(outcome.checks)[-1] == "proxy"
    if not by_option:
        assert "HTTPS_PROXY" in outcome["proxy"].said


def test_a_proxy_by_its_ipv6_address(doctor: Doctor, configure: Configure) -> None:
    configure("https://something.invalid")
    outcome = doctor("--proxy", "http://[::1]:9", "--json")
    assert outcome["dns"].facts == {"addresses": ["::1"]}


def test_a_socks_proxy(doctor: Doctor, portal: BlockingPortal, hidden: int) -> None:
    asked: list[tuple[str, str]] = []
    with portal.wrap_async_context_manager(serving.serve(in_time(socks_proxy(asked, hidden)))) as server:
        outcome = doctor("--proxy", f"socks5h://me:{PASSWORD}@127.0.0.1:{server.port}")
    assert (outcome.code, outcome.wrong) == (0, [])
    assert outcome["turn"].ok is True
    assert outcome["rest"].ok is None  # that goes only through the other kind
    assert asked == [("CONNECT resource.invalid:443", f"me:{PASSWORD}")] * 4


def test_a_socks_proxy_that_is_not_there(doctor: Doctor, configure: Configure, nobody: str) -> None:
    configure("https://something.invalid")
    outcome = doctor("--proxy", f"socks5://me:{PASSWORD}@{nobody}")
    assert (outcome.code, outcome.wrong) == (4, ["tcp"])
    assert f"socks5://{nobody}" in outcome["tcp"].said


# Tokens


def encoded(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def jwt(**claims: Any) -> str:
    """A token that says *claims* of itself."""
    header = {"typ": "JWT", "alg": "RS256"}
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}.{SIGNATURE}"


AUDIENCE = "https://cognitiveservices.azure.com"
TOMORROW = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
YESTERDAY = int((datetime.now(UTC) - timedelta(days=1)).timestamp())

WithToken = Callable[..., Outcome]


@pytest.fixture
def with_token(doctor: Doctor, emulate: Emulate, monkeypatch: pytest.MonkeyPatch) -> WithToken:
    """Examines an emulator that takes a token, with it."""

    def run(token: str, *arguments: str) -> Outcome:
        emulate(api_key=token)
        monkeypatch.delenv("AZURE_OPENAI_API_KEY")
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", token)
        outcome = doctor(*arguments)
        assert token not in outcome.out
        return outcome

    return run


@pytest.mark.parametrize("audience", [AUDIENCE, f"{AUDIENCE}/", "https://ai.azure.com", f"{AUDIENCE[:-3]}us"])
def test_a_token_that_is_for_this_and_has_not_ended(with_token: WithToken, audience: str) -> None:
    outcome = with_token(jwt(aud=audience, exp=TOMORROW, upn="ada@example.com", tid="the-tenant"), "--json")
    check_schema(outcome)
    assert outcome.code == 0
    assert list(outcome.checks) == [name for name in NAMES if name != "tls"]
    assert outcome["credential"].ok is True
    assert "AZURE_OPENAI_AD_TOKEN" in outcome["credential"].said
    assert outcome["token"].ok is True
    assert outcome["token"].advice == ""
    assert outcome["token"].facts == {
        "audience": audience,
        "principal": "ada@example.com",
        "tenant": "the-tenant",
        "expires": datetime.fromtimestamp(TOMORROW, UTC).isoformat(),
    }
    for shown in (audience, "ada@example.com", f"{datetime.fromtimestamp(TOMORROW, UTC):%Y-%m-%d %H:%M}"):
        assert shown in outcome["token"].said


@pytest.mark.parametrize(
    ("claims", "principal"),
    [
        ({"upn": "ada@example.com", "appid": "app", "oid": "object"}, "ada@example.com"),
        ({"preferred_username": "ada", "oid": "object"}, "ada"),
        ({"appid": "app", "oid": "object"}, "app"),
        ({"azp": "app"}, "app"),
        ({"oid": "object"}, "object"),
        ({}, "?"),
    ],
)
def test_whose_token_it_is(with_token: WithToken, claims: dict[str, str], principal: str) -> None:
    outcome = with_token(jwt(aud=AUDIENCE, exp=TOMORROW, **claims), "--json")
    assert outcome["token"].facts["principal"] == principal


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://management.azure.com"},
        {"aud": "https://graph.microsoft.com", "exp": TOMORROW},
        {"aud": "https://elsewhere.example/https://cognitiveservices.azure.com", "exp": TOMORROW},
        {"exp": TOMORROW},
        {"aud": None, "exp": TOMORROW},
        {"aud": 7, "exp": TOMORROW},
    ],
)
def test_a_token_for_something_else(with_token: WithToken, claims: dict[str, Any]) -> None:
    outcome = with_token(jwt(**claims))
    assert (outcome.code, outcome["token"].ok) == (0, None)  # a gateway may want it so
    assert "/.default" in outcome["token"].advice
    assert outcome["turn"].ok is True  # the rest is examined all the same


def test_a_token_for_several_things(with_token: WithToken) -> None:
    outcome = with_token(jwt(aud=["https://elsewhere.example", AUDIENCE], exp=TOMORROW))
    assert (outcome.code, outcome["token"].ok) == (0, True)
    assert AUDIENCE in outcome["token"].said


def test_a_token_that_has_ended(with_token: WithToken) -> None:
    outcome = with_token(jwt(aud=AUDIENCE, exp=YESTERDAY), "--json")
    check_schema(outcome)
    assert (outcome.code, outcome.wrong) == (3, ["token"])
    assert outcome["token"].advice
    assert outcome["token"].facts["expires"] == datetime.fromtimestamp(YESTERDAY, UTC).isoformat()


@pytest.mark.parametrize("claims", [{}, {"exp": None}, {"exp": "tomorrow"}, {"exp": [TOMORROW]}])
def test_a_token_without_an_end(with_token: WithToken, claims: dict[str, Any]) -> None:
    outcome = with_token(jwt(aud=AUDIENCE, **claims))
    assert (outcome.code, outcome["token"].ok) == (0, None)
    assert AUDIENCE in outcome["token"].said


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "lines"])
@pytest.mark.parametrize("exp", [1e20, -1e20, 10**400, math.nan, math.inf], ids=["far", "past", "huge", "nan", "inf"])
def test_a_token_whose_end_is_no_date(with_token: WithToken, exp: float, as_json: bool) -> None:
    outcome = with_token(jwt(aud=AUDIENCE, exp=exp), *(["--json"] if as_json else []))
    assert outcome["token"].said
    assert outcome["turn"].ok is True


@pytest.mark.parametrize(
    "token",
    [
        f"opaque-{SIGNATURE}",
        f"ey.{SIGNATURE}",
        f"a.b.c.{SIGNATURE}",
        f"{SIGNATURE}.{encoded(b'{}')}",
        f"eyJ9.{encoded(b'{}')}.c.{SIGNATURE}",
        f"..{SIGNATURE}",
        f"eyJ9.!!!!.{SIGNATURE}",
        f"eyJ9.{encoded(b'not JSON')}.{SIGNATURE}",
        f"eyJ9.{encoded(b'[1, 2]')}.{SIGNATURE}",
        f"eyJ9.{encoded(b'null')}.{SIGNATURE}",
        f"eyJ9.{encoded(bytes([0xFF, 0xFE, 0xFD]))}.{SIGNATURE}",
    ],
)
def test_a_token_of_which_nothing_can_be_read_is_no_fault(with_token: WithToken, token: str) -> None:
    outcome = with_token(token)
    assert (outcome.code, outcome["token"].ok) == (0, None)
    assert str(len(token)) in outcome["token"].said


def test_claims_cannot_reach_the_terminal_as_more_than_words(with_token: WithToken) -> None:
    outcome = with_token(jwt(aud=f"{AUDIENCE}{ESCAPE}\n", exp=TOMORROW, upn=f"ada{ESCAPE}\ud800\u202e"))
    assert outcome.code == 0
    assert not {"\x1b", "\x07", "\ud800", "\u202e"} & set(outcome.out)


def test_a_token_that_the_service_refuses(doctor: Doctor, emulate: Emulate, monkeypatch: pytest.MonkeyPatch) -> None:
    emulate()
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", jwt(aud=AUDIENCE, exp=TOMORROW))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (3, ["handshake"])
    assert "401" in outcome["handshake"].said
    assert "/.default" in outcome["handshake"].advice


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    st.text()
    | st.tuples(st.text(), st.text(), st.text()).map(".".join)
    | st.binary().map(lambda payload: f"h.{encoded(payload)}.s")
    | JSON.map(lambda value: f"h.{encoded(json.dumps(value).encode())}.s")
)
def test_whatever_is_no_token_has_no_claims(token: str) -> None:
    claims = claims_of(token)
    assert claims is None or isinstance(claims, dict)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_a_token_has_the_claims_that_were_put_into_it(claims: dict[str, Any]) -> None:
    assert claims_of(f"{encoded(b'{}')}.{encoded(json.dumps(claims).encode())}.{SIGNATURE}") == claims


def test_a_token_that_is_made_to_be_hard_to_read_has_no_claims() -> None:
    assert claims_of(f"h.{encoded(b'[' * 100_000)}.s") is None


# The session


def gave_up(finding: Finding) -> bool:
    """Whether it was this side that waited no longer, and not the service."""
    return finding.ms is not None and finding.ms < PATIENCE * 500


def test_a_session_that_does_not_begin(doctor: Doctor, scripted: Scripted) -> None:
    scripted(no_session)
    outcome = doctor("--timeout", "0.5", "--json")
    check_schema(outcome)
    assert (outcome.code, outcome.wrong) == (4, ["session"])
    assert gave_up(outcome["session"])
    assert outcome["handshake"].ok is True
    assert "turn" not in outcome.checks
    assert "deployment" not in outcome.checks


async def vanish(_peer: Peer) -> None:
    """The script ends, and its socket with it."""


async def reset(peer: Peer) -> None:
    await peer.reset()


async def fail(peer: Peer) -> None:
    await peer.send(close_frame(1011, "out of order"))
    await peer.gone()


async def say_goodbye(peer: Peer) -> None:
    await peer.send(close_frame(1000, "that is all"))
    await peer.gone()


async def begin_and_say_goodbye(peer: Peer) -> None:
    await peer.say(RESPONSE_CREATED, text_delta("rea"))
    await say_goodbye(peer)


async def say_nothing(peer: Peer) -> None:
    await peer.farewell()


@pytest.mark.parametrize("end", [vanish, fail, say_goodbye])
def test_a_service_that_hangs_up_instead_of_a_session(
    doctor: Doctor, scripted: Scripted, end: Callable[[Peer], Awaitable[None]]
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await end(peer)

    scripted(script)
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["session"])


@pytest.mark.parametrize(
    "end",
    [
        vanish,
        fail,
        begin_and_say_goodbye,
        say_goodbye,
    ],
)
def test_a_service_that_hangs_up_in_the_turn(
    doctor: Doctor, scripted: Scripted, end: Callable[[Peer], Awaitable[None]]
) -> None:
    scripted(at_the_turn(end))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (4, ["turn"])
    assert outcome["session"].ok is True


def test_a_service_that_does_not_answer_the_turn(doctor: Doctor, scripted: Scripted) -> None:
    scripted(at_the_turn(say_nothing))
    outcome = doctor("--timeout", "0.5", "--json")
    assert (outcome.code, outcome.wrong) == (4, ["turn"])
    assert gave_up(outcome["turn"])


def test_a_turn_that_is_answered_with_an_error(doctor: Doctor, scripted: Scripted) -> None:
    error = {"type": "invalid_request_error", "code": "quota", "message": "There is no quota left."}
    scripted(answering({"type": "error", "error": error}))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (3, ["turn"])
    assert "There is no quota left." in outcome["turn"].said


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
def test_a_turn_that_does_not_end_well(doctor: Doctor, scripted: Scripted, status: str) -> None:
    done = {"type": "response.done", "response": {"id": "resp_1", "status": status}}
    scripted(answering(RESPONSE_CREATED, text_delta("rea"), done))
    outcome = doctor()
    assert (outcome.code, outcome.wrong) == (3, ["turn"])
    assert status in outcome["turn"].said


@pytest.mark.parametrize("end", [vanish, reset])
def test_a_service_that_hangs_up_in_the_handshake(
    doctor: Doctor, scripted: Scripted, end: Callable[[Peer], Awaitable[None]]
) -> None:
    scripted(end)
    outcome = doctor("--timeout", "0.4")  # less than the wait before the next attempt
    assert (outcome.code, outcome.wrong) == (4, ["handshake"])
    assert outcome["other form"].ok is None


def test_a_service_that_does_not_answer_the_handshake(doctor: Doctor, scripted: Scripted) -> None:
    scripted(silent)
    outcome = doctor("--timeout", "0.5")
    assert (outcome.code, outcome.wrong) == (4, ["handshake"])
    assert "0.5 s" in outcome["handshake"].said


def test_the_exit_code_is_that_of_the_first_thing_that_is_wrong(
    doctor: Doctor, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(vanish)
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", jwt(aud=AUDIENCE, exp=YESTERDAY))
    outcome = doctor("--timeout", "0.4")
    assert (outcome.code, outcome.wrong) == (3, ["token", "handshake"])
    assert outcome.out.splitlines()[-1].startswith("2 of ")


# Its arguments


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf", ""])
def test_a_timeout_is_a_number_of_seconds(doctor: Doctor, seconds: str) -> None:
    outcome = doctor("--emulator", f"--timeout={seconds}")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith(f"argument --timeout: {seconds!r} is not a number of seconds\n")


def test_help_teaches(doctor: Doctor) -> None:
    outcome = doctor("--help")
    assert outcome.code == 0
    said = " ".join(outcome.out.split())
    for known in (
        "doctor --emulator",
        "--json",
        "--entra",
        "--proxy",
        "--timeout S",
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "OPENAI_API_VERSION",
        "HTTPS_PROXY",
        "exit codes: 0 ",
    ):
        assert known in said
    codes = said.partition("exit codes:")[2]
    assert all(re.search(rf"\b{code} [a-z]", codes) for code in (0, 2, 3, 4, 130))


def test_the_command_is_named_by_the_others_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert re.search(r"^ +doctor +\w", capsys.readouterr().out, re.MULTILINE)


# In a process of its own


def start(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "doctor", *arguments],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run(*arguments: str, **variables: str) -> tuple[int, bytes, bytes]:
    with start(*arguments, **variables) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_a_process_of_its_own_says_the_same() -> None:
    code, out, err = run("--emulator")
    assert (code, err) == (0, b"")
    assert list(read_lines(out.decode())) == PLAIN


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1"])
def test_lines_are_printed_in_any_encoding(scripted: Scripted, encoding: str) -> None:
    scripted(answering(RESPONSE_CREATED, text_delta("ready 👋"), RESPONSE_DONE), other=no_session)
    code, out, err = run(PYTHONIOENCODING=encoding)
    assert (code, err) == (0, b"")
    assert b"ok turn" in out
    assert b"- proxy" in out
    assert out.decode(encoding).isascii()


def test_what_is_wrong_is_marked_in_any_encoding(nobody: str, configure: Configure) -> None:
    configure(f"http://{nobody}")
    code, out, err = run(PYTHONIOENCODING="ascii")
    assert (code, err) == (4, b"")
    assert b"NO tcp" in out
    assert b"-> " in out


def test_json_is_printed_in_any_encoding(scripted: Scripted) -> None:
    scripted(answering(RESPONSE_CREATED, text_delta("grüß Gott 👋"), RESPONSE_DONE))
    code, out, err = run("--json", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, b"")
    turn = next(check for check in json.loads(out)["checks"] if check["name"] == "turn")
    assert turn["facts"]["text"] == "grüß Gott 👋"


@pytest.mark.parametrize(("arguments", "lines"), [([], 1), (["--json"], 0)], ids=["lines", "json"])
def test_a_reader_who_leaves_is_no_error(arguments: list[str], lines: int) -> None:
    """As in `| head -1`."""
    with start("--emulator", *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 0


def test_what_is_wrong_is_an_exit_code_even_if_nobody_reads_on(portal: BlockingPortal, scripted: Scripted) -> None:
    left = anyio.Event()

    async def script(peer: Peer) -> None:
        await left.wait()
        await peer.answer(refusal(401, "401", "Access denied."))

    scripted(script)
    with start() as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        portal.call(left.set)
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 3


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["lines", "json"])
def test_ctrl_c_ends_it_without_a_traceback(portal: BlockingPortal, scripted: Scripted, arguments: list[str]) -> None:
    waiting = anyio.Event()

    async def then(peer: Peer) -> None:
        waiting.set()
        await peer.farewell()

    scripted(at_the_turn(then))
    with start(*arguments) as process:
        portal.call(waiting.wait)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in out + err
    assert b"interrupted" in out + err


def test_a_terminal_shows_what_is_going_on_and_then_what_was_found() -> None:
    with terminal("doctor", "--emulator") as window:
        shown = window.read()
    assert window.process.returncode == 0
    assert all(f"{name} …" in shown for name in PLAIN if name != "deployment")
    assert "…\n" not in "\n".join([*on_screen(shown), ""])
    assert list(read_lines("\n".join([*on_screen(shown), ""]))) == PLAIN


def test_json_on_a_terminal_is_all_there_is() -> None:
    with terminal("doctor", "--emulator", "--json") as window:
        assert json.loads(window.read())["ok"] is True


def test_ctrl_c_on_a_terminal_leaves_a_clean_line(scripted: Scripted) -> None:
    scripted(at_the_turn(say_nothing))
    with terminal("doctor") as window:
        window.read_until("turn …")
        window.process.send_signal(signal.SIGINT)
        shown = window.read()
    assert window.process.returncode == 130
    assert "Traceback" not in shown
    assert "\n".join([*on_screen(shown), ""]).splitlines()[-1] == "realtime-azure doctor: interrupted"
