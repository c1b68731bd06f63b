"""From what people have to the URL that is dialled, and what they are told when it is not enough."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_azure import ConfigurationError, Endpoint

DATED = "2025-04-01-preview"
HOST = "contoso.openai.azure.com"
NO_ENVIRONMENT: Mapping[str, str] = {}


def url_of(endpoint: str | Endpoint | None, environ: Mapping[str, str] = NO_ENVIRONMENT, **arguments: Any) -> str:
    return Endpoint.resolve(endpoint, environ=environ, **arguments).realtime_url()


def refusal(endpoint: str | Endpoint | None, environ: Mapping[str, str] = NO_ENVIRONMENT, **arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        url_of(endpoint, environ, **arguments)
    return str(caught.value)


# What works: with api_version and deployment="rt" as arguments, this much of the URL is the endpoint's.

BASES = [
    # the portal's "Endpoint" field, and what people make of it
    (f"https://{HOST}", f"wss://{HOST}/openai"),
    (f"https://{HOST}/", f"wss://{HOST}/openai"),
    (f"wss://{HOST}", f"wss://{HOST}/openai"),
    (f"wss://{HOST}//", f"wss://{HOST}/openai"),
    (f"  https://{HOST}/\n", f"wss://{HOST}/openai"),
    ("HTTPS://Contoso.OpenAI.Azure.Com/", f"wss://{HOST}/openai"),
    (f"https://{HOST}#section", f"wss://{HOST}/openai"),
    # with a path
    (f"https://{HOST}/openai", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/realtime", f"wss://{HOST}/openai"),
    (f"wss://{HOST}/openai/realtime/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/realtime", f"wss://{HOST}/openai"),
    # other hosts: there is no list of allowed ones
    ("https://contoso.cognitiveservices.azure.com/", "wss://contoso.cognitiveservices.azure.com/openai"),
    ("https://contoso.services.ai.azure.com/", "wss://contoso.services.ai.azure.com/openai"),
    ("https://contoso.openai.azure.us", "wss://contoso.openai.azure.us/openai"),
    ("https://contoso.openai.azure.cn/", "wss://contoso.openai.azure.cn/openai"),
    ("https://eastus2.api.cognitive.microsoft.com", "wss://eastus2.api.cognitive.microsoft.com/openai"),
    ("https://voice.example.com:8443/", "wss://voice.example.com:8443/openai"),
    ("https://10.1.2.3", "wss://10.1.2.3/openai"),
    ("https://[2001:db8::1]:8443", "wss://[2001:db8::1]:8443/openai"),
    ("https://[2001:DB8::1]", "wss://[2001:db8::1]/openai"),
    # a gateway before it
    ("https://gw.azure-api.net/team", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/team/", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/team/openai", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/a/b/openai/realtime", "wss://gw.azure-api.net/a/b/openai"),
    ("https://gw.azure-api.net/my-openai", "wss://gw.azure-api.net/my-openai/openai"),
    ("https://gw.azure-api.net/a%2Fb/openai", "wss://gw.azure-api.net/a%2Fb/openai"),
    *(
        (given, f"wss://gw.azure-api.net{prefix}/openai")
        for given, prefix in (
            ("https://gw.azure-api.net/openai-eastus", "/openai-eastus"),
            ("https://gw.azure-api.net/openai-eastus/openai", "/openai-eastus"),
            ("https://gw.azure-api.net/openai.prod/v2/openai/realtime", "/openai.prod/v2"),
        )
    ),
    # this machine, where TLS is not asked for
    ("http://127.0.0.1:8090", "ws://127.0.0.1:8090/openai"),
    ("ws://127.0.0.1:8090/", "ws://127.0.0.1:8090/openai"),
    ("http://127.8.8.8", "ws://127.8.8.8/openai"),
    ("http://localhost:8090/openai", "ws://localhost:8090/openai"),
    ("http://api.localhost:8090", "ws://api.localhost:8090/openai"),
    ("http://LOCALHOST", "ws://localhost/openai"),
    ("http://[::1]:8090", "ws://[::1]:8090/openai"),
    ("https://localhost:8443", "wss://localhost:8443/openai"),
]


@pytest.mark.parametrize(("given", "base"), BASES)
def test_an_endpoint_in_a_dated_version(given: str, base: str) -> None:
    wanted = f"{base}/realtime?api-version={DATED}&deployment=rt"
    assert url_of(given, api_version=DATED, deployment="rt") == wanted


@pytest.mark.parametrize(("given", "base"), BASES)
def test_an_endpoint_in_v1(given: str, base: str) -> None:
    assert url_of(given, api_version="v1", deployment="rt") == f"{base}/v1/realtime?model=rt"


WHOLE = [
    # the path says v1
    (f"https://{HOST}/openai/v1", {"deployment": "rt"}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    (f"https://{HOST}/openai/v1/", {"deployment": "rt"}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    (f"wss://{HOST}/openai/v1/realtime", {"deployment": "rt"}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    (
        "https://gw.azure-api.net/team/openai/v1",
        {"deployment": "rt"},
        "wss://gw.azure-api.net/team/openai/v1/realtime?model=rt",
    ),
    # a whole URL, as the portal shows it, says everything
    (
        f"https://{HOST}/openai/realtime?api-version=2024-10-01-preview&deployment=rt",
        {},
        f"wss://{HOST}/openai/realtime?api-version=2024-10-01-preview&deployment=rt",
    ),
    (f"wss://{HOST}/openai/v1/realtime?model=rt", {}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    (f"https://{HOST}/openai/v1/realtime?deployment=rt", {}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    (
        f"https://{HOST}/openai/deployments/rt?api-version=2024-10-21",
        {},
        f"wss://{HOST}/openai/realtime?api-version=2024-10-21&deployment=rt",
    ),
    (f"https://{HOST}?api-version=v1&deployment=rt", {}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    # v1 answers to api-version=v1 and =preview too; the path has said it already
    (f"https://{HOST}/openai/v1?api-version=preview&model=rt", {}, f"wss://{HOST}/openai/v1/realtime?model=rt"),
    # what says the same twice does not contradict itself
    (
        f"https://{HOST}/openai/v1/realtime?model=rt",
        {"deployment": "rt", "api_version": "v1"},
        f"wss://{HOST}/openai/v1/realtime?model=rt",
    ),
    # what is empty says nothing
    (f"https://{HOST}?api-version=&deployment=", {"deployment": "rt", "api_version": "v1"}, None),
    (f"https://{HOST}?model=rt", {"deployment": "", "api_version": "v1"}, None),
    # a gateway's query stays, in its order, with repetitions and empty values
    (
        "https://gw.azure-api.net/team?code=k%2Fe%2By%3D%3D",
        {"deployment": "rt", "api_version": "v1"},
        "wss://gw.azure-api.net/team/openai/v1/realtime?code=k%2Fe%2By%3D%3D&model=rt",
    ),
    (
        f"https://gw.azure-api.net/openai?b=2&a=1&a=&api-version={DATED}&deployment=rt",
        {},
        f"wss://gw.azure-api.net/openai/realtime?b=2&a=1&a=&api-version={DATED}&deployment=rt",
    ),
    # names are percent-encoded
    (
        f"https://{HOST}",
        {"deployment": "a/b c&d=é+%?", "api_version": "v1"},
        f"wss://{HOST}/openai/v1/realtime?model=a%2Fb%20c%26d%3D%C3%A9%2B%25%3F",
    ),
    (
        f"https://{HOST}",
        {"deployment": "my rt", "api_version": DATED},
        f"wss://{HOST}/openai/realtime?api-version={DATED}&deployment=my%20rt",
    ),
    (f"https://{HOST}/openai/v1?model=a%2Fb%20c", {}, f"wss://{HOST}/openai/v1/realtime?model=a%2Fb%20c"),
    (
        f"https://{HOST}/openai/deployments/my%20rt?api-version={DATED}",
        {},
        f"wss://{HOST}/openai/realtime?api-version={DATED}&deployment=my%20rt",
    ),
    (
        "https://gw.azure-api.net/my team/openai/v1",
        {"deployment": "rt"},
        "wss://gw.azure-api.net/my%20team/openai/v1/realtime?model=rt",
    ),
]


@pytest.mark.parametrize(("given", "arguments", "wanted"), WHOLE)
def test_what_an_endpoint_says_by_itself(given: str, arguments: dict[str, Any], wanted: str | None) -> None:
    assert url_of(given, **arguments) == (wanted or f"wss://{HOST}/openai/v1/realtime?model=rt")


# The environment.


def test_everything_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"https://{HOST}/")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT_NAME", "rt")
    monkeypatch.setenv("OPENAI_API_VERSION", DATED)
    wanted = f"wss://{HOST}/openai/realtime?api-version={DATED}&deployment=rt"
    assert Endpoint.resolve().realtime_url() == wanted


EVERYTHING = {
    "AZURE_OPENAI_ENDPOINT": "https://environment.example",
    "AZURE_OPENAI_REALTIME_DEPLOYMENT": "first",
    "AZURE_OPENAI_DEPLOYMENT_NAME": "second",
    "AZURE_OPENAI_DEPLOYMENT": "third",
    "OPENAI_API_VERSION": DATED,
}


@pytest.mark.parametrize(
    ("gone", "wanted"),
    [
        ([], "first"),
        (["AZURE_OPENAI_REALTIME_DEPLOYMENT"], "second"),
        (["AZURE_OPENAI_REALTIME_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"], "third"),
    ],
)
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_the_order_of_the_deployment_variables(gone: list[str], wanted: str, how: str) -> None:
    environ = {name: "" if name in gone else value for name, value in EVERYTHING.items()}
    if how == "unset":
        environ = {name: value for name, value in environ.items() if value}
    assert Endpoint.resolve(environ=environ).deployment == wanted


def test_arguments_win_over_the_environment() -> None:
    made = Endpoint.resolve(f"https://{HOST}", deployment="rt", api_version="v1", environ=EVERYTHING)
    assert made == Endpoint(host=HOST, deployment="rt", api_version="v1")


def test_what_the_url_says_wins_over_the_environment() -> None:
    made = Endpoint.resolve(f"https://{HOST}/openai/v1?model=rt", environ=EVERYTHING)
    assert made == Endpoint(host=HOST, deployment="rt", api_version="v1")
    made = Endpoint.resolve(f"https://{HOST}/openai/deployments/rt?api-version=2024-10-21", environ=EVERYTHING)
    assert made == Endpoint(host=HOST, deployment="rt", api_version="2024-10-21")


def test_the_path_of_the_endpoint_variable_beats_the_version_variable() -> None:
    environ = EVERYTHING | {"AZURE_OPENAI_ENDPOINT": f"https://{HOST}/openai/v1/"}
    assert url_of(None, environ) == f"wss://{HOST}/openai/v1/realtime?model=first"


def test_an_empty_endpoint_is_none_at_all() -> None:
    assert Endpoint.resolve("", environ=EVERYTHING).host == "environment.example"


# An Endpoint in place of a URL.


def test_an_endpoint_is_taken_as_it_is_and_the_environment_is_not_asked() -> None:
    made = Endpoint(host=HOST, api_version=DATED, deployment="rt", prefix="/team", query=(("code", "k"),))
    assert Endpoint.resolve(made, environ=EVERYTHING) == made
    without = Endpoint(host=HOST, api_version="v1")
    assert Endpoint.resolve(without, environ=EVERYTHING).deployment is None


def test_arguments_replace_what_an_endpoint_says() -> None:
    made = Endpoint(host=HOST, api_version=DATED, deployment="rt")
    assert Endpoint.resolve(made, deployment="other").deployment == "other"
    assert Endpoint.resolve(made, api_version="v1") == Endpoint(host=HOST, api_version="v1", deployment="rt")
    assert "api_version: 'latest' is neither" in refusal(made, api_version="latest")


def test_an_endpoint_knows_its_origin_and_dialect() -> None:
    far = Endpoint.resolve(f"wss://{HOST}/openai/v1", deployment="rt", environ={})
    near = Endpoint.resolve("ws://[::1]:8090", deployment="rt", api_version=DATED, environ={})
    assert (far.origin, far.secure, far.dated) == (f"https://{HOST}", True, False)
    assert (near.origin, near.secure, near.dated) == ("http://[::1]:8090", False, True)


# Calls, transcription, and more query.

V1 = Endpoint(host=HOST, api_version="v1", deployment="rt")
OLD = Endpoint(host=HOST, api_version=DATED, deployment="rt")


@pytest.mark.parametrize("deployment", ["rt", None])
def test_a_call_is_joined_by_its_id_alone(deployment: str | None) -> None:
    endpoint = Endpoint(host=HOST, api_version="v1", deployment=deployment, query=(("code", "k"),))
    wanted = f"wss://{HOST}/openai/v1/realtime?code=k&call_id=rtc_%2F%C3%A9"
    assert endpoint.realtime_url(call_id="rtc_/é") == wanted


@pytest.mark.parametrize("deployment", ["rt", None])
def test_a_transcription_names_no_model(deployment: str | None) -> None:
    """The service refuses `model` and `intent` together."""
    endpoint = Endpoint(host=HOST, api_version="v1", deployment=deployment)
    assert endpoint.realtime_url(intent="transcription") == f"wss://{HOST}/openai/v1/realtime?intent=transcription"


@pytest.mark.parametrize("endpoint", [V1, OLD])
def test_more_query_is_added(endpoint: Endpoint) -> None:
    url = endpoint.realtime_url(query={"x-trace": "a b", "flag": ""})
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True)[:2] == [("x-trace", "a b"), ("flag", "")]
    assert endpoint.realtime_url().split("?")[1] in url


@pytest.mark.parametrize("endpoint", [V1, OLD])
@pytest.mark.parametrize(
    "name",
    [
        "api-version",
        "deployment",
        "model",
        "call_id",
        "intent",
        # servers do not tell the names of a query apart by case
        "API-Version",
        "Model",
    ],
)
def test_more_query_cannot_override_what_the_endpoint_sets(endpoint: Endpoint, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^query: {name} is set by the endpoint"):
        endpoint.realtime_url(query={name: "x"})


def test_more_query_replaces_or_refuses_what_the_gateway_has() -> None:
    endpoint = Endpoint(host=HOST, api_version="v1", deployment="rt", query=(("code", "k"),))
    try:
        url = endpoint.realtime_url(query={"code": "other"})
    except ConfigurationError:
        return
    assert url.count("code=") == 1


@pytest.mark.parametrize(("name", "value"), [("call_id", "rtc_1"), ("intent", "transcription")])
def test_a_dated_endpoint_has_neither_calls_nor_intents(name: str, value: str) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=f"^{name}: only the v1 URL has it; use api_version='v1'"):
        OLD.realtime_url(**arguments)


def test_a_call_and_an_intent_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="call_id and intent exclude each other"):
        V1.realtime_url(call_id="rtc_1", intent="transcription")


@pytest.mark.parametrize(("name", "value"), [("call_id", "rtc_1"), ("intent", "transcription")])
def test_a_call_or_an_intent_in_the_url_is_not_forgotten(name: str, value: str) -> None:
    """It may be honoured or refused; it may not become a session with whatever model the environment names."""
    try:
        result = url_of(f"wss://{HOST}/openai/v1/realtime?{name}={value}", EVERYTHING)
    except ConfigurationError as error:
        result = str(error)
    assert name in result


# What does not work, and what it says.

NEITHER_VERSION = ("'v1' (/openai/v1/realtime)", "'2025-04-01-preview' (/openai/realtime)")
OURS = {"api_version": "v1", "deployment": "rt"}

REFUSED: list[Any] = [
    # not enough
    (None, OURS, ("endpoint=", "AZURE_OPENAI_ENDPOINT")),
    ("", OURS, ("endpoint=", "AZURE_OPENAI_ENDPOINT")),
    (f"https://{HOST}", {"deployment": "rt"}, ("api_version=", "OPENAI_API_VERSION", *NEITHER_VERSION)),
    (f"https://{HOST}", {"deployment": "rt", "api_version": ""}, ("OPENAI_API_VERSION", *NEITHER_VERSION)),
    (
        f"https://{HOST}/openai/v1",
        {},
        (
            "deployment=",
            "AZURE_OPENAI_REALTIME_DEPLOYMENT",
            "AZURE_OPENAI_DEPLOYMENT_NAME",
            "AZURE_OPENAI_DEPLOYMENT)",
        ),
    ),
    (f"https://{HOST}", {"api_version": DATED}, ("deployment=", "AZURE_OPENAI_REALTIME_DEPLOYMENT")),
    # a version that is neither
    (f"https://{HOST}", {"deployment": "rt", "api_version": "latest"}, ("api_version", "'latest'", *NEITHER_VERSION)),
    (f"https://{HOST}", {"deployment": "rt", "api_version": "V1"}, ("api_version", "'V1'", *NEITHER_VERSION)),
    (f"https://{HOST}", {"deployment": "rt", "api_version": "2025-04-01-beta"}, ("'2025-04-01-beta'",)),
    (f"https://{HOST}", {"deployment": "rt", "api_version": "2025-4-1"}, ("'2025-4-1'",)),
    (f"https://{HOST}", {"deployment": "rt", "api_version": f"{DATED}\n"}, ("api_version", *NEITHER_VERSION)),
    (f"https://{HOST}?api-version=latest", {"deployment": "rt"}, ("api_version", "'latest'", *NEITHER_VERSION)),
    (f"https://{HOST}", {"deployment": "rt", "api_version": "٢٠٢٥-04-01"}, ("api_version", *NEITHER_VERSION)),
    # contradictions
    (f"https://{HOST}/openai/v1", {"deployment": "rt", "api_version": DATED}, ("api_version", f"'{DATED}'", "'v1'")),
    (
        f"https://{HOST}?api-version=2024-10-01-preview",
        {"deployment": "rt", "api_version": DATED},
        ("api_version", f"'{DATED}'", "'2024-10-01-preview'"),
    ),
    (f"https://{HOST}/openai/deployments/x", OURS, ("deployment", "'rt'", "'x'")),
    (f"https://{HOST}?deployment=x", OURS, ("deployment", "'rt'", "'x'")),
    (f"https://{HOST}/openai/v1?model=x", OURS, ("deployment", "'rt'", "'x'")),
    # not a URL, or not one of ours
    (HOST, OURS, ("endpoint", "https://NAME.openai.azure.com")),
    ("contoso", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    ("https://", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    ("https:///openai/v1", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"ftp://{HOST}", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"https://{HOST}:https", OURS, ("endpoint", "ort")),
    (f"https://{HOST}:99999", OURS, ("endpoint", "ort")),
    ("https://[::1", OURS, ("endpoint", "IPv6")),
    # other protocols on the same hosts
    ("https://contoso.services.ai.azure.com/voice-live", OURS, ("endpoint", "/voice-live", "not spoken here")),
    ("https://contoso.services.ai.azure.com/voice-live/realtime", OURS, ("/voice-live/realtime", "not spoken here")),
    (f"https://{HOST}/openai/v1/realtime/translations", OURS, ("translations", "not spoken here")),
    # no TLS, and not this machine
    (f"http://{HOST}", OURS, ("endpoint", "http://", "this machine", f"https://{HOST}")),
    (f"ws://{HOST}/openai/v1", OURS, ("endpoint", "ws://", "this machine", f"https://{HOST}")),
    ("http://10.0.0.1:8090", OURS, ("http://", "this machine")),
    ("http://0.0.0.0:8090", OURS, ("http://", "this machine")),
    ("http://localhost.example.com", OURS, ("http://", "this machine")),
    ("http://notlocalhost", OURS, ("http://", "this machine")),
    ("http://127.0.0.1.example.com", OURS, ("http://", "this machine")),
    ("http://[2001:db8::1]:8090", OURS, ("http://", "this machine")),
    ("http://[2001:db8::1]", OURS, ("https://[2001:db8::1]",)),
    # paths that belong to other calls: what would be dialled does not exist
    (f"https://{HOST}/openai/deployments/rt/chat/completions", OURS, ("endpoint", "path of another call")),
    (f"https://{HOST}/openai/v1/chat/completions", OURS, ("endpoint", "path of another call")),
    (f"https://{HOST}/openai/deployments/", OURS, ("endpoint", "path of another call")),
    (f"https://{HOST}/openai/v2", OURS, ("endpoint", "path of another call")),
    ("https://gw.azure-api.net/openai/openai/v1", OURS, ("endpoint", "path of another call")),
    (f"https://{HOST}/openai/v1/live", OURS, ("/openai/v1/live", "not spoken here")),
    # what is left of a host
    ("https://my host", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"https://{HOST}:", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"https://{HOST}\\@elsewhere.example", OURS, ("endpoint",)),
    (f"https://@{HOST}", OURS, ("endpoint", "user name")),
]


@pytest.mark.parametrize(("given", "arguments", "says"), REFUSED)
def test_a_refused_endpoint_says_why(given: str | None, arguments: dict[str, Any], says: tuple[str, ...]) -> None:
    message = refusal(given, **arguments)
    assert [word for word in says if word not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize(
    "given",
    [
        f"https://someone:hunter2@{HOST}",
        f"https://:hunter2@{HOST}",
        f"https://hunter2@{HOST}",
        f"https://someone:hunter2@{HOST}:port",
        "https://someone:hunter2@[::1",
        f"http://someone:hunter2@{HOST}",
        # of these the standard library would say what it could not read
        f"https://someone:hunter2/@{HOST}",
        f"https://someone:hunter2#@{HOST}",
        f"https://someone:hunter2?@{HOST}",
        f"https://someone:hunter2\N{ACCOUNT OF}@{HOST}",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Endpoint.resolve(given, environ={}, **OURS)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value)


def test_a_gateway_key_is_not_in_the_repr() -> None:
    made = Endpoint.resolve("https://gw.azure-api.net?code=hunter2", environ={}, **OURS)
    assert "hunter2" not in repr(made)


# For every endpoint.

SEGMENTS = st.text(string.ascii_letters + string.digits + "-._~%", min_size=1, max_size=8).filter(
    lambda segment: segment not in {"openai", "v1", "deployments", "realtime", "voice-live", "translations"}
)
NAMES = st.text(min_size=1, max_size=12)
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{2,5})?|\[[0-9a-f]{1,4}::[0-9a-f]{1,4}\]", fullmatch=True)
OUR_QUERY = {"api-version", "deployment", "model", "call_id", "intent"}
PAIRS = st.lists(st.tuples(NAMES.filter(lambda name: name.lower() not in OUR_QUERY), st.text(max_size=8)), max_size=3)


@given(
    host=HOSTS,
    port=st.none() | st.integers(1, 65535),
    prefix=st.lists(SEGMENTS, max_size=3),
    tail=st.sampled_from(["", "/", "/openai", "/openai/", "/openai/v1", "/openai/realtime", "/openai/v1/realtime/"]),
    query=PAIRS,
    deployment=NAMES,
    version=st.sampled_from(["v1", DATED, "2024-10-21"]),
)
@example(host="gw.net", port=None, prefix=["v1"], tail="", query=[("code", "")], deployment="v1", version="v1")
def test_an_endpoint_reads_its_own_url_and_loses_nothing(
    *,
    host: str,
    port: int | None,
    prefix: list[str],
    tail: str,
    query: list[tuple[str, str]],
    deployment: str,
    version: str,
) -> None:
    before = "".join(f"/{segment}" for segment in prefix)
    origin = host if port is None else f"{host}:{port}"
    given_url = f"https://{origin}{before}{tail}?{urlencode(query, quote_via=quote)}"
    api_version = "v1" if "/v1" in tail else version

    made = Endpoint.resolve(given_url, deployment=deployment, api_version=api_version, environ={})
    url = made.realtime_url()

    assert Endpoint.resolve(url, environ={}) == made
    assert url_of(url) == url
    parts = urlsplit(url)
    assert parts.netloc == origin
    assert parts.path == f"{before}/openai{'/v1' if api_version == 'v1' else ''}/realtime"
    ours = [("model", deployment)] if api_version == "v1" else [("api-version", version), ("deployment", deployment)]
    assert parse_qsl(parts.query, keep_blank_values=True) == [*query, *ours]


@given(st.text(max_size=40) | st.from_regex(r"(https?|wss?)://[^ ]{0,30}", fullmatch=True))
@example("https://[v1.a]")
@example("http://[fe80::1%25eth0]")
def test_any_text_gives_an_endpoint_or_a_configuration_error(text: str) -> None:
    try:
        made = Endpoint.resolve(text, environ={}, **OURS)
    except ConfigurationError:
        return
    assert made.realtime_url().startswith(("wss://", "ws://"))
