"""What is configured, for every command that connects: where each value comes from, and as whom to sign in."""

from __future__ import annotations

import argparse
import base64
import json
import math
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import azure.identity
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import assume, given
from hypothesis import strategies as st

from realtime_azure import ConfigurationError, emulator
from realtime_azure.cli import configuration, main
from realtime_azure.endpoint import DEPLOYMENT_VARIABLES, VERSION_VARIABLES, Endpoint

KEY = "the-key-of-the-tests"
DATED = "2025-04-01-preview"


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configuration.add_to(parser)
    return parser.parse_args(arguments)


# Where values come from


def test_nothing_is_chosen_by_default() -> None:
    assert vars(options()) == {
        "endpoint": None,
        "deployment": None,
        "api_version": None,
        "entra": False,
        "scope": None,
        "proxy": None,
        "allow_insecure": False,
    }


def test_an_endpoint_of_options_needs_no_environment() -> None:
    made = configuration.endpoint_of(
        options("--endpoint", "https://name.openai.azure.com", "--deployment", "voice", "--api-version", "v1")
    )
    assert made == Endpoint("name.openai.azure.com", "v1", "voice")


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://other.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_REALTIME_DEPLOYMENT", "other")
    monkeypatch.setenv("OPENAI_API_VERSION", DATED)
    given = options("--endpoint", "https://name.openai.azure.com", "--deployment", "voice", "--api-version", "v1")
    assert configuration.endpoint_of(given) == Endpoint("name.openai.azure.com", "v1", "voice")
    assert configuration.sources(given) == {
        "endpoint": "--endpoint",
        "deployment": "--deployment",
        "api_version": "--api-version",
    }


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_what_is_not_encrypted_stays_here_unless_it_is_allowed(scheme: str) -> None:
    given = ("--endpoint", f"{scheme}://10.0.0.1", "--api-version", "v1")
    with pytest.raises(ConfigurationError):
        configuration.endpoint_of(options(*given))
    assert configuration.endpoint_of(options(*given, "--allow-insecure")).origin == "http://10.0.0.1"


URLS = {
    "https://name.openai.azure.com": (None, None),
    "https://name.openai.azure.com/openai/v1": (None, "v1"),
    "https://name.openai.azure.com/openai/v1/realtime?model=in-url": ("in-url", "v1"),
    "https://name.openai.azure.com/openai/deployments/in-url": ("in-url", None),
    f"https://name.openai.azure.com/openai/realtime?api-version={DATED}&deployment=in-url": ("in-url", DATED),
    f"https://gateway.example/team/openai?code=x&api-version={DATED}": (None, DATED),
}
VARIABLES = {
    **{name: st.sampled_from([name.lower(), ""]) for name in DEPLOYMENT_VARIABLES},
    **dict(zip(VERSION_VARIABLES, (st.sampled_from(["2024-10-01-preview", ""]), st.just("v1")), strict=True)),
}


@given(
    url=st.sampled_from(sorted(URLS)),
    by_option=st.booleans(),
    deployment=st.sampled_from([None, "", "in-url", "by-option"]),
    version=st.sampled_from([None, "", "v1", "2024-12-17"]),
    environ=st.fixed_dictionaries({}, optional=VARIABLES),
)
def test_each_value_is_that_of_the_source_that_is_named(
    url: str, by_option: bool, deployment: str | None, version: str | None, environ: dict[str, str]
) -> None:
    environ = environ if by_option else {**environ, "AZURE_OPENAI_ENDPOINT": url}
    given = argparse.Namespace(endpoint=url if by_option else None, deployment=deployment, api_version=version)
    try:
        made = Endpoint.resolve(given.endpoint, deployment=deployment, api_version=version, environ=environ)
    except ConfigurationError:
        assume(False)
    named = configuration.sources(given, environ)
    deployment_in_url, version_in_url = URLS[url]
    for fact, value, in_url in (
        ("deployment", made.deployment, deployment_in_url),
        ("api_version", made.api_version, version_in_url),
    ):
        match named[fact]:
            case "--deployment" | "--api-version":
                assert value == getattr(given, fact)
            case "the endpoint's URL":
                assert value == in_url
            case "nowhere":
                assert value is None
            case variable:
                assert value == environ[variable]
    assert named["endpoint"] == ("--endpoint" if by_option else "AZURE_OPENAI_ENDPOINT")


# Seconds


@given(st.floats(min_value=0, max_value=1e6, exclude_min=True, exclude_max=True))
def test_seconds_are_a_positive_number(number: float) -> None:
    assert configuration.seconds(str(number)) == number


@given(st.text() | st.floats(max_value=0).map(str) | st.floats(min_value=1e6).map(str))
def test_what_is_no_number_of_seconds_is_shown(text: str) -> None:
    try:
        assert 0 < float(text) < 1e6
    except (ValueError, AssertionError):
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            configuration.seconds(text)
        assert repr(text) in str(caught.value)


# How to get there


@pytest.mark.parametrize(
    ("arguments", "proxy"),
    [([], True), (["--proxy", "none"], False), (["--proxy", "http://proxy:3128"], "http://proxy:3128")],
)
def test_the_environments_proxy_is_used_unless_something_else_is_said(arguments: list[str], proxy: str | bool) -> None:
    with configuration.arguments_of(options(*arguments)) as how:
        assert how["proxy"] is proxy if isinstance(proxy, bool) else how["proxy"] == proxy
        assert "credential" not in how


# Microsoft Entra ID


class SignIn:
    """Stands in for azure-identity's, which would look for somebody who is signed in."""

    token = ""
    fails = False
    opened: ClassVar[list[SignIn]]

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.closed = False
        self.opened.append(self)

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert not self.closed
        self.scopes.append(scopes)
        if self.fails:
            raise ClientAuthenticationError("Nobody is signed in.\nSee the log.")
        return AccessToken(self.token, int(time.time()) + 3600)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> type[SignIn]:
    """What `DefaultAzureCredential` is, in a test."""
    claims = {"aud": "https://cognitiveservices.azure.com", "exp": int(time.time()) + 3600, "upn": "ada@example.com"}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    class Known(SignIn):
        token = f"eyJ9.{payload}.the-signature-of-the-tests"
        opened: ClassVar[list[SignIn]] = []

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Known)
    return Known


@pytest.fixture(scope="module")
def portal() -> Generator[BlockingPortal]:
    """An event loop in a thread, for servers."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def resource(portal: BlockingPortal, sign_in: type[SignIn], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A configured endpoint that takes the token, and no key; a key is configured, too."""
    serve = emulator.serve(api_key=sign_in.token, pace=math.inf)
    with portal.wrap_async_context_manager(serve) as service:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", service.url)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
        monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "gpt-realtime")
        monkeypatch.setenv("OPENAI_API_VERSION", "v1")
        yield


def test_the_credential_lives_as_long_as_it_is_needed(sign_in: type[SignIn]) -> None:
    with configuration.arguments_of(options("--entra")) as how:
        assert how["credential"] is sign_in.opened[0]
        assert not sign_in.opened[0].closed
    assert sign_in.opened[0].closed


def test_nobody_signs_in_unasked(sign_in: type[SignIn]) -> None:
    with configuration.arguments_of(options()):
        assert sign_in.opened == []


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], sign_in: type[SignIn]) -> Command:
    """The command in this process: its exit code, and what it says, which has neither the key nor the token."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([*map(str, arguments)])
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        assert sign_in.token not in said.out + said.err
        assert "the-signature" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.mark.usefixtures("resource")
def test_a_question_is_asked_by_whoever_is_signed_in(command: Command, sign_in: type[SignIn]) -> None:
    code, out, err = command("ask", "--text", "hello", "--entra")
    assert (code, err) == (0, "")
    assert "answer    This is the emulator." in out
    (signed_in,) = sign_in.opened
    assert signed_in.scopes == [("https://cognitiveservices.azure.com/.default",)]
    assert signed_in.closed


@pytest.mark.usefixtures("resource")
def test_a_question_with_the_key_that_is_not_taken(command: Command, sign_in: type[SignIn]) -> None:
    code, _, err = command("ask", "--text", "hello")
    assert code == 3
    assert "401" in err
    assert sign_in.opened == []


@pytest.mark.usefixtures("resource")
def test_a_scope_of_ones_own(command: Command, sign_in: type[SignIn]) -> None:
    code, _, _ = command("ask", "--text", "hello", "--entra", "--scope", "https://ai.azure.com/.default")
    assert code == 0
    assert sign_in.opened[0].scopes == [("https://ai.azure.com/.default",)]


@pytest.mark.usefixtures("resource")
def test_a_check_up_of_whoever_is_signed_in(command: Command, sign_in: type[SignIn]) -> None:
    code, out, err = command("doctor", "--entra", "--json")
    assert (code, err) == (0, "")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert checks["credential"]["facts"] == {"scope": "https://cognitiveservices.azure.com/.default"}
    assert checks["token"]["ok"] is True
    assert checks["token"]["facts"]["principal"] == "ada@example.com"
    assert checks["turn"]["ok"] is True
    (signed_in,) = sign_in.opened
    assert len(signed_in.scopes) == 1  # one token for all of it
    assert signed_in.closed


@pytest.mark.parametrize("host", ["name.openai.azure.us", "name.openai.azure.cn"])
def test_another_cloud_has_a_scope_of_its_own(command: Command, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"https://{host}/openai/v1")
    arguments = ("--deployment", "gpt-realtime", "--entra", "--json", "--proxy", "http://proxy.invalid")
    code, out, _ = command("doctor", *arguments)
    assert code == 4
    credential = json.loads(out)["checks"][1]
    assert credential["facts"] == {"scope": f"https://cognitiveservices.azure.{host[-2:]}/.default"}


@pytest.mark.usefixtures("resource")
def test_a_check_up_where_nobody_is_signed_in(
    command: Command, sign_in: type[SignIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "fails", True)
    code, out, err = command("doctor", "--entra", "--json")
    assert (code, err) == (4, "")
    *_, last = json.loads(out)["checks"]
    assert (last["name"], last["ok"]) == ("token", False)
    assert "Nobody is signed in" in last["said"]
    assert sign_in.opened[0].closed


@pytest.mark.usefixtures("resource")
def test_a_question_where_nobody_is_signed_in(
    command: Command, sign_in: type[SignIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "fails", True)
    code, _, err = command("ask", "--text", "hello", "--entra")
    assert code == 4
    assert err.count("\n") == 1
    assert "Nobody is signed in" in err
    assert sign_in.opened[0].closed


@pytest.mark.usefixtures("resource")
def test_a_key_is_given_up_for_a_sign_in(
    command: Command, sign_in: type[SignIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--entra silences the environment's token as well."""
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "another-token")
    assert command("doctor", "--entra")[0] == 0
    assert len(sign_in.opened) == 1


@pytest.mark.parametrize("name", ["ask", "doctor"])
def test_a_sign_in_says_what_else_there_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for option in ("--endpoint URL", "--deployment NAME", "--api-version V", "--entra", "--scope", "--proxy URL"):
        assert option in said
