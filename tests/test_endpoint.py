"""From what people have to the URL that is dialled, and what they are told when it is not enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx2
import openai
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.sync.server import ServerConnection

from realtime_azure import ConfigurationError, Endpoint

from .serving import Certificates, serve_in_thread

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
    (f"https://{HOST.upper()}", f"wss://{HOST}/openai"),
    (f"https://{HOST}:443/", f"wss://{HOST}:443/openai"),
    (f"https://{HOST}\N{ZERO WIDTH SPACE}/", f"wss://{HOST}/openai"),  # copied from a page
    # with a path
    (f"https://{HOST}/openai", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/realtime", f"wss://{HOST}/openai"),
    (f"wss://{HOST}/openai/realtime/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/realtime", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/chat/completions", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/audio/speech/", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/embeddings", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/deployments/rt/images/generations", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/responses", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/realtimeapi/sessions", f"wss://{HOST}/openai"),
    (f"https://{HOST}/OpenAI/", f"wss://{HOST}/openai"),
    # the path of a base, put behind a base
    (f"https://{HOST}/openai/openai", f"wss://{HOST}/openai"),
    (f"https://{HOST}/openai/openai/realtime", f"wss://{HOST}/openai"),
    (f"https://{HOST}//openai//", f"wss://{HOST}/openai"),
    # other hosts: there is no list of allowed ones
    ("https://contoso.cognitiveservices.azure.com/", "wss://contoso.cognitiveservices.azure.com/openai"),
    ("https://contoso.services.ai.azure.com/", "wss://contoso.services.ai.azure.com/openai"),
    ("https://contoso.openai.azure.us", "wss://contoso.openai.azure.us/openai"),
    ("https://contoso.openai.azure.cn/", "wss://contoso.openai.azure.cn/openai"),
    ("https://eastus2.api.cognitive.microsoft.com", "wss://eastus2.api.cognitive.microsoft.com/openai"),
    ("https://voice.example.com:8443/", "wss://voice.example.com:8443/openai"),
    ("https://10.1.2.3", "wss://10.1.2.3/openai"),
    ("https://contoso.services.ai.azure.us", "wss://contoso.services.ai.azure.us/openai"),
    ("https://bücher.example", "wss://xn--bcher-kva.example/openai"),
    ("https://bücher.example:8443/openai", "wss://xn--bcher-kva.example:8443/openai"),
    ("https://例え.テスト", "wss://xn--r8jz45g.xn--zckzah/openai"),
    pytest.param(
        "https://例え.テスト:8443",
        "wss://xn--r8jz45g.xn--zckzah:8443/openai",
    ),
    ("https://[2001:db8::1]:8443", "wss://[2001:db8::1]:8443/openai"),
    ("https://[2001:DB8::1]", "wss://[2001:db8::1]/openai"),
    # a gateway before it
    ("https://gw.azure-api.net/team", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/team/", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/team/openai", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/a/b/openai/realtime", "wss://gw.azure-api.net/a/b/openai"),
    ("https://gw.azure-api.net/my-openai", "wss://gw.azure-api.net/my-openai/openai"),
    ("https://gw.azure-api.net/a%2Fb/openai", "wss://gw.azure-api.net/a%2Fb/openai"),
    ("https://gw.azure-api.net/team/openai/deployments/rt/chat/completions", "wss://gw.azure-api.net/team/openai"),
    ("https://gw.azure-api.net/team/openai/openai", "wss://gw.azure-api.net/team/openai"),
    ("https://contoso.azurefd.net/Team", "wss://contoso.azurefd.net/Team/openai"),
    ("https://gw.azure-api.net/team/v1", "wss://gw.azure-api.net/team/v1/openai"),
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
    # the "Target URI" of a deployment, of whatever kind
    (
        f"https://{HOST}/openai/deployments/rt/chat/completions?api-version=2025-01-01-preview",
        {},
        f"wss://{HOST}/openai/realtime?api-version=2025-01-01-preview&deployment=rt",
    ),
    (
        "https://contoso.cognitiveservices.azure.com/openai/deployments/rt/audio/transcriptions?api-version=2024-06-01",
        {},
        "wss://contoso.cognitiveservices.azure.com/openai/realtime?api-version=2024-06-01&deployment=rt",
    ),
    (
        f"https://contoso.cognitiveservices.azure.com/openai/realtime?api-version={DATED}&deployment=rt",
        {},
        f"wss://contoso.cognitiveservices.azure.com/openai/realtime?api-version={DATED}&deployment=rt",
    ),
    (
        f"https://{HOST}/openai/responses?api-version={DATED}",
        {"deployment": "rt"},
        f"wss://{HOST}/openai/realtime?api-version={DATED}&deployment=rt",
    ),
    (
        "https://contoso.services.ai.azure.com/openai/v1/chat/completions",
        {"deployment": "rt"},
        "wss://contoso.services.ai.azure.com/openai/v1/realtime?model=rt",
    ),
    (f"https://{HOST}/openai/v1/realtime/client_secrets", {"deployment": "rt"}, None),
    (f"https://{HOST}/openai/v1/realtime/calls/rtc_1/accept", {"deployment": "rt"}, None),
    (f"https://{HOST}/openai/v1/responses", {"deployment": "rt"}, None),
    (f"https://{HOST}/openai/v1/deployments/rt/chat/completions?api-version={DATED}", {}, None),
    # what was doubled
    (f"https://{HOST}/openai/openai/v1", {"deployment": "rt"}, None),
    (f"https://{HOST}/OpenAI/v1/", {"deployment": "rt"}, None),
    # a protocol of its own on the same host
    (
        f"wss://{HOST}/openai/v1/realtime/translations?model=rt",
        {},
        f"wss://{HOST}/openai/v1/realtime/translations?model=rt",
    ),
    (
        "https://gw.azure-api.net/team/openai/v1/realtime/translations/?code=k",
        {"deployment": "rt"},
        "wss://gw.azure-api.net/team/openai/v1/realtime/translations?code=k&model=rt",
    ),
    # the names of a query are the same in any case
    (
        f"https://{HOST}/openai/realtime?API-Version={DATED}&Deployment=rt",
        {},
        f"wss://{HOST}/openai/realtime?api-version={DATED}&deployment=rt",
    ),
    # outside this machine without TLS, where that is wanted
    (
        "http://10.0.0.1:8090/team?code=k",
        {"deployment": "rt", "api_version": "v1", "allow_insecure": True},
        "ws://10.0.0.1:8090/team/openai/v1/realtime?code=k&model=rt",
    ),
    (
        "ws://gateway.internal/openai/v1",
        {"deployment": "rt", "allow_insecure": True},
        "ws://gateway.internal/openai/v1/realtime?model=rt",
    ),
    (
        f"https://{HOST}/openai/v1",
        {"deployment": "rt", "allow_insecure": True},
        None,
    ),
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
        "https://gw.azure-api.net/team/openai/v1/chat/completions?subscription-key=k&model=rt",
        {},
        "wss://gw.azure-api.net/team/openai/v1/realtime?subscription-key=k&model=rt",
    ),
    pytest.param(
        "https://gw.azure-api.net/?code=%ff",
        {"deployment": "rt", "api_version": "v1"},
        "wss://gw.azure-api.net/openai/v1/realtime?code=%FF&model=rt",
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
    "AZURE_OPENAI_API_VERSION": "2024-10-21",
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


@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        ({"OPENAI_API_VERSION": DATED, "AZURE_OPENAI_API_VERSION": "v1"}, DATED),
        ({"OPENAI_API_VERSION": "", "AZURE_OPENAI_API_VERSION": "v1"}, "v1"),
        ({"AZURE_OPENAI_API_VERSION": DATED}, DATED),
        ({"OPENAI_API_VERSION": "v1"}, "v1"),
    ],
)
def test_the_order_of_the_version_variables(versions: dict[str, str], wanted: str) -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": f"https://{HOST}", "AZURE_OPENAI_DEPLOYMENT": "rt", **versions}
    assert Endpoint.from_env(environ=environ).api_version == wanted


def test_a_version_variable_that_is_no_version_is_refused() -> None:
    environ = EVERYTHING | {"OPENAI_API_VERSION": "2024-12", "AZURE_OPENAI_API_VERSION": "v1"}
    with pytest.raises(ConfigurationError, match="'2024-12' is neither"):
        Endpoint.from_env(environ=environ)


def test_an_endpoint_is_made_of_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EVERYTHING.items():
        monkeypatch.setenv(name, value)
    assert Endpoint.from_env() == Endpoint(host="environment.example", api_version=DATED, deployment="first")


def test_arguments_win_over_the_environment_that_an_endpoint_is_made_of() -> None:
    made = Endpoint.from_env(deployment="rt", api_version="v1", environ=EVERYTHING)
    assert made == Endpoint(host="environment.example", api_version="v1", deployment="rt")


def test_an_endpoint_of_the_environment_may_name_no_deployment() -> None:
    """A call and a transcription need none."""
    environ = {"AZURE_OPENAI_ENDPOINT": f"https://{HOST}/openai/v1"}
    made = Endpoint.from_env(environ=environ)
    assert made == Endpoint(host=HOST, api_version="v1")
    assert made.realtime_url(call_id="rtc_1") == f"wss://{HOST}/openai/v1/realtime?call_id=rtc_1"


@pytest.mark.parametrize("name", ["AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"])
def test_what_the_environment_lacks_is_named(name: str) -> None:
    environ = {variable: value for variable, value in EVERYTHING.items() if not variable.endswith(name)}
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        Endpoint.from_env(environ=environ)


def test_an_endpoint_of_the_environment_needs_leave_to_do_without_tls() -> None:
    environ = EVERYTHING | {"AZURE_OPENAI_ENDPOINT": "http://10.0.0.1"}
    with pytest.raises(ConfigurationError, match="allow_insecure=True"):
        Endpoint.from_env(environ=environ)
    assert Endpoint.from_env(environ=environ, allow_insecure=True).origin == "http://10.0.0.1"


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


def test_an_endpoint_without_tls_is_taken_for_this_machine_only() -> None:
    near = Endpoint(host="127.0.0.1:8090", api_version="v1", deployment="rt", secure=False)
    far = replace(near, host="10.0.0.1:8090")
    assert Endpoint.resolve(near) == near
    assert "use https://10.0.0.1:8090" in refusal(far)
    assert Endpoint.resolve(far, allow_insecure=True) == far


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


@pytest.mark.parametrize("endpoint", [V1, OLD])
def test_more_query_replaces_what_the_gateway_has_and_keeps_the_rest(endpoint: Endpoint) -> None:
    behind = replace(endpoint, query=(("code", "k"), ("sub", "s"), ("code", "l")))
    url = behind.realtime_url(query={"code": "other"})
    own = parse_qsl(urlsplit(endpoint.realtime_url()).query)
    assert parse_qsl(urlsplit(url).query) == [("sub", "s"), ("code", "other"), *own]


@pytest.mark.parametrize(("name", "value"), [("call_id", "rtc_1"), ("intent", "transcription")])
def test_a_dated_endpoint_has_neither_calls_nor_intents(name: str, value: str) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=f"^{name}: only the v1 URL has it; use api_version='v1'"):
        OLD.realtime_url(**arguments)


def test_a_call_and_an_intent_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="call_id and intent exclude each other"):
        V1.realtime_url(call_id="rtc_1", intent="transcription")


@pytest.mark.parametrize("environ", [NO_ENVIRONMENT, {"AZURE_OPENAI_DEPLOYMENT": "rt"}])
@pytest.mark.parametrize(("name", "value"), [("call_id", "rtc_1"), ("intent", "transcription")])
def test_a_call_or_an_intent_in_the_url_is_sent_to_its_argument(
    name: str, value: str, environ: Mapping[str, str]
) -> None:
    """It may not become a session with whatever model the environment names."""
    said = refusal(f"wss://{HOST}/openai/v1/realtime?{name}={value}", environ)
    assert said == f"endpoint: leave {name} out of the URL; pass {name}={value!r} instead"


@pytest.mark.parametrize("name", ["call_id", "intent"])
def test_an_empty_call_or_intent_is_not_dialled(name: str) -> None:
    arguments: dict[str, Any] = {name: ""}
    with pytest.raises(ConfigurationError, match=f"^{name}: it is empty$"):
        V1.realtime_url(**arguments)


# Translations.

TRANSLATIONS = Endpoint(host=HOST, api_version="v1", deployment="tr", protocol="translations")


def test_translations_have_a_path_of_their_own() -> None:
    assert TRANSLATIONS.realtime_url() == f"wss://{HOST}/openai/v1/realtime/translations?model=tr"
    assert Endpoint.resolve(f"wss://{HOST}/openai/v1/realtime/translations?model=tr", environ={}) == TRANSLATIONS


@pytest.mark.parametrize("name", ["call_id", "intent"])
def test_translations_have_neither_calls_nor_intents(name: str) -> None:
    arguments: dict[str, Any] = {name: "x"}
    with pytest.raises(ConfigurationError, match=f"^{name}: translations have none; end the endpoint after /openai/v1"):
        TRANSLATIONS.realtime_url(**arguments)


def test_what_is_not_realtime_is_asked_of_the_resource_of_translations_too() -> None:
    assert TRANSLATIONS.resource_url("models") == f"https://{HOST}/openai/v1/models"
    assert TRANSLATIONS.deployment_url("chat/completions") == f"https://{HOST}/openai/v1/chat/completions"


# Voice Live.

FOUNDRY = "contoso.services.ai.azure.com"
LIVE_VERSION = "2026-07-15"
LIVE = Endpoint(host=FOUNDRY, api_version=LIVE_VERSION, deployment="gpt-realtime", protocol="voice-live")
LIVE_URL = f"wss://{FOUNDRY}/voice-live/realtime?api-version={LIVE_VERSION}&model=gpt-realtime"
LIVE_ENVIRONMENT = {"AZURE_VOICELIVE_API_VERSION": LIVE_VERSION}


def test_voice_live_has_a_path_and_versions_of_its_own() -> None:
    assert LIVE.realtime_url() == LIVE_URL
    assert (LIVE.dialect, LIVE.dated, LIVE.origin) == ("voice-live", False, f"https://{FOUNDRY}")


@pytest.mark.parametrize("scheme", ["https", "wss"])
@pytest.mark.parametrize(
    "path", ["/voice-live", "/voice-live/", "/voice-live/realtime", "/voice-live/realtime/", "//voice-live//realtime"]
)
def test_the_path_says_that_it_is_voice_live(scheme: str, path: str) -> None:
    given = f"{scheme}://{FOUNDRY}{path}"
    assert Endpoint.resolve(given, deployment="gpt-realtime", api_version=LIVE_VERSION, environ={}) == LIVE
    assert url_of(given, {**LIVE_ENVIRONMENT, "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime"}) == LIVE_URL
    assert url_of(f"{given}?api-version={LIVE_VERSION}&model=gpt-realtime") == LIVE_URL


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            "https://swedencentral.api.cognitive.microsoft.com/voice-live/realtime",
            "wss://swedencentral.api.cognitive.microsoft.com/voice-live/realtime?",
        ),
        ("http://127.0.0.1:8090/voice-live", "ws://127.0.0.1:8090/voice-live/realtime?"),
        ("https://gw.azure-api.net/team/voice-live", "wss://gw.azure-api.net/team/voice-live/realtime?"),
        ("https://gw.azure-api.net/voice-live?code=k", "wss://gw.azure-api.net/voice-live/realtime?code=k&"),
    ],
)
def test_voice_live_is_wherever_its_path_is(given: str, wanted: str) -> None:
    made = url_of(given, LIVE_ENVIRONMENT, deployment="m")
    assert made == f"{wanted}api-version={LIVE_VERSION}&model=m"


def test_voice_live_comes_from_the_environment_too() -> None:
    environ = {**LIVE_ENVIRONMENT, "AZURE_OPENAI_ENDPOINT": f"https://{FOUNDRY}/voice-live"}
    assert Endpoint.from_env(deployment="gpt-realtime", environ=environ) == LIVE


def test_what_is_said_beats_the_version_variable_of_voice_live() -> None:
    given = f"https://{FOUNDRY}/voice-live"
    assert "api-version=2025-10-01&" in url_of(given, LIVE_ENVIRONMENT, deployment="m", api_version="2025-10-01")
    in_url = f"{given}?api-version=2026-01-01-preview"
    assert "api-version=2026-01-01-preview&" in url_of(in_url, LIVE_ENVIRONMENT, deployment="m")
    said = refusal(in_url, LIVE_ENVIRONMENT, deployment="m", api_version="2025-10-01")
    assert said == "api_version: '2025-10-01' was passed, but the endpoint's URL says '2026-01-01-preview'"


@pytest.mark.parametrize("name", ["OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION"])
def test_the_versions_of_the_others_are_not_voice_lives(name: str) -> None:
    """Somebody who has set one for `/openai` would be refused by the service, and not know why."""
    for version in ("v1", DATED):
        said = refusal(f"https://{FOUNDRY}/voice-live", {name: version}, deployment="m")
        assert said == (
            "api_version: Voice Live has dated versions, such as '2026-07-15'; pass it, or set "
            "AZURE_VOICELIVE_API_VERSION"
        )
    made = url_of(f"https://{FOUNDRY}", {name: "v1", **LIVE_ENVIRONMENT}, deployment="m")
    assert made == f"wss://{FOUNDRY}/openai/v1/realtime?model=m"


@pytest.mark.parametrize("version", ["v1", "latest", "2026-7-15", "2026-07-15-beta"])
def test_what_is_no_version_of_voice_live_is_refused(version: str) -> None:
    said = refusal(f"https://{FOUNDRY}/voice-live", deployment="m", api_version=version)
    assert said == f"api_version: Voice Live has dated versions, such as '2026-07-15'; {version!r} is none of them"
    assert said == refusal(LIVE, api_version=version)
    assert said == refusal(f"https://{FOUNDRY}/voice-live", {"AZURE_VOICELIVE_API_VERSION": version}, deployment="m")
    with pytest.raises(ConfigurationError, match="Voice Live has dated versions"):
        replace(LIVE, api_version=version)


def test_voice_live_needs_a_model_or_an_agent() -> None:
    assert refusal(replace(LIVE, deployment=None)).startswith(
        "no deployment: pass deployment='NAME' or set AZURE_OPENAI"
    )


@pytest.mark.parametrize("name", ["agent-name", "agent_id"])
def test_an_agent_of_voice_live_needs_no_model(name: str) -> None:
    bare = replace(LIVE, deployment=None)
    query = {name: "concierge", "agent-project-name": "front desk"}
    pairs = f"{name}=concierge&agent-project-name=front%20desk&api-version={LIVE_VERSION}"
    assert bare.realtime_url(query=query) == f"wss://{FOUNDRY}/voice-live/realtime?{pairs}"
    given = f"https://{FOUNDRY}/voice-live?{name}=concierge&agent-project-name=front%20desk"
    assert url_of(given, LIVE_ENVIRONMENT) == f"wss://{FOUNDRY}/voice-live/realtime?{pairs}"
    assert LIVE.realtime_url(query=query) == f"wss://{FOUNDRY}/voice-live/realtime?{pairs}&model=gpt-realtime"


@pytest.mark.parametrize("endpoint", [V1, OLD])
def test_the_others_need_a_deployment_whatever_agent_is_named(endpoint: Endpoint) -> None:
    query = {"agent-name": "concierge"}
    assert "=rt" in endpoint.realtime_url(query=query)
    with pytest.raises(ConfigurationError, match=r"^no deployment: "):
        replace(endpoint, deployment=None).realtime_url(query=query)


@pytest.mark.parametrize("name", ["call_id", "intent"])
def test_voice_live_has_neither_calls_nor_intents(name: str) -> None:
    arguments: dict[str, Any] = {name: "x"}
    with pytest.raises(ConfigurationError, match=f"^{name}: Voice Live has none; end the endpoint after /openai/v1$"):
        LIVE.realtime_url(**arguments)
    assert f"leave {name} out of the URL" in refusal(f"{LIVE_URL}&{name}=x")


@pytest.mark.parametrize("name", ["api-version", "model", "Model", "deployment"])
def test_more_query_cannot_override_what_an_endpoint_of_voice_live_sets(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^query: {name} is set by the endpoint"):
        LIVE.realtime_url(query={name: "x"})


def test_voice_live_has_no_other_calls() -> None:
    says = r"^endpoint: Voice Live has no REST calls; end the endpoint before /voice-live$"
    with pytest.raises(ConfigurationError, match=says):
        LIVE.resource_url("models")
    with pytest.raises(ConfigurationError, match=says):
        LIVE.deployment_url("chat/completions")


@pytest.mark.parametrize(
    "path",
    ["/voice-live/sessions", "/voice-live/realtime/calls", "/voice-live/openai", "/voice-live-2", "/voice-lives"],
)
def test_a_path_that_only_begins_like_voice_lives_is_not_voice_live(path: str) -> None:
    """It belongs to a gateway."""
    made = Endpoint.resolve(f"https://gw.azure-api.net{path}", deployment="rt", api_version="v1", environ={})
    assert made.dialect == "ga"
    prefix = path.removesuffix("/openai")
    assert made.realtime_url() == f"wss://gw.azure-api.net{prefix}/openai/v1/realtime?model=rt"


# The other calls.

GATEWAY = Endpoint(host="gw.azure-api.net", api_version=DATED, deployment="rt", prefix="/team", query=(("code", "k="),))


def test_a_call_of_a_deployment() -> None:
    assert OLD.deployment_url("embeddings") == f"https://{HOST}/openai/deployments/rt/embeddings?api-version={DATED}"
    assert V1.deployment_url("embeddings") == f"https://{HOST}/openai/v1/embeddings"
    wanted = f"https://gw.azure-api.net/team/openai/deployments/rt/embeddings?code=k%3D&api-version={DATED}"
    assert GATEWAY.deployment_url("embeddings") == wanted
    assert replace(V1, secure=False, host="[::1]:8090").deployment_url("embeddings") == (
        "http://[::1]:8090/openai/v1/embeddings"
    )


def test_a_call_of_another_deployment() -> None:
    other = OLD.deployment_url("audio/speech", deployment="a/b c")
    assert other == f"https://{HOST}/openai/deployments/a%2Fb%20c/audio/speech?api-version={DATED}"
    assert V1.deployment_url("audio/speech", deployment="a/b c") == f"https://{HOST}/openai/v1/audio/speech"


def test_a_call_of_no_deployment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^no deployment: pass deployment='NAME' or set AZURE_OPENAI"):
        replace(OLD, deployment=None).deployment_url("embeddings")
    assert "/deployments/other/" in replace(OLD, deployment=None).deployment_url("embeddings", deployment="other")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_deployment_cannot_climb_out_of_its_path(name: str) -> None:
    try:
        url = OLD.deployment_url("chat/completions", deployment=name)
    except ConfigurationError:
        return
    assert httpx2.URL(url).path == f"/openai/deployments/{name}/chat/completions"


@pytest.mark.parametrize("deployment", ["rt", None])
def test_a_call_of_the_resource_names_no_deployment(deployment: str | None) -> None:
    old, new = replace(OLD, deployment=deployment), replace(V1, deployment=deployment)
    assert old.resource_url("models") == f"https://{HOST}/openai/models?api-version={DATED}"
    assert new.resource_url("models") == f"https://{HOST}/openai/v1/models"
    assert new.resource_url("models", query={"limit": "2"}) == f"https://{HOST}/openai/v1/models?limit=2"
    assert replace(GATEWAY, deployment=deployment).resource_url("files") == (
        f"https://gw.azure-api.net/team/openai/files?code=k%3D&api-version={DATED}"
    )


@pytest.mark.parametrize("endpoint", [V1, OLD])
@pytest.mark.parametrize("name", ["api-version", "deployment", "model", "Model"])
def test_more_query_cannot_override_what_the_endpoint_sets_in_other_calls(endpoint: Endpoint, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^query: {name} is set by the endpoint"):
        endpoint.resource_url("models", query={name: "x"})
    with pytest.raises(ConfigurationError, match=rf"^query: {name} is set by the endpoint"):
        endpoint.deployment_url("embeddings", query={name: "x"})


# What does not work, and what it says.

NEITHER_VERSION = ("'v1' (/openai/v1/realtime)", "'2025-04-01-preview' (/openai/realtime)")
OURS: dict[str, Any] = {"api_version": "v1", "deployment": "rt"}

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
    (HOST, OURS, ("endpoint", "https://NAME.openai.azure.com", f"lacks https:// ({HOST})")),
    (f"{HOST}:8443", OURS, ("endpoint", f"lacks https:// ({HOST}:8443)")),
    (f"{HOST}/openai/v1", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f'"https://{HOST}"', OURS, ("endpoint", "https://NAME.openai.azure.com")),
    ("  ", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"https://{'ü' * 70}.example", OURS, ("endpoint", "the host's name cannot be read")),
    ("contoso", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    ("https://", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    ("https:///openai/v1", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"ftp://{HOST}", OURS, ("endpoint", "https://NAME.openai.azure.com")),
    (f"https://{HOST}:https", OURS, ("endpoint", "ort")),
    (f"https://{HOST}:99999", OURS, ("endpoint", "ort")),
    ("https://[::1", OURS, ("endpoint", "IPv6")),
    # other protocols on the same hosts
    (
        f"https://{HOST}/openai/realtime/translations",
        OURS | {"api_version": DATED},
        ("translations exist only in v1", "api_version='v1'"),
    ),
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
    (f"https://{HOST}/openai/deployments/rt/extensions/x", OURS, ("endpoint", "path of another call", "/openai/v1")),
    (f"https://{HOST}/openai/team/openai/v1", OURS, ("endpoint", "path of another call")),
    # what belongs into an argument
    (f"wss://{HOST}/openai/v1/realtime?call_id=rtc_1", {}, ("call_id out of the URL", "call_id='rtc_1'")),
    (f"wss://{HOST}/openai/v1/realtime?Intent=transcription", {}, ("intent out of the URL", "intent='transcription'")),
    # pages that people look at, and services that are something else
    ("https://portal.azure.com/#@contoso/resource/x", OURS, ("Azure portal", "Keys and Endpoint")),
    ("https://ai.azure.com/resource/overview", OURS, ("Foundry portal", "Keys and Endpoint")),
    ("https://oai.azure.com/", OURS, ("Azure OpenAI studio", "https://NAME.openai.azure.com")),
    ("https://Management.Azure.com./subscriptions/x", OURS, ("management API",)),
    ("https://api.openai.com/v1", OURS, ("OpenAI's own service",)),
    (f"https://{HOST}/openai/deployments/", OURS, ("endpoint", "path of another call")),
    (f"https://{HOST}/openai/v2", OURS, ("endpoint", "path of another call")),
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


# Beside openai-python: the same configuration, and the same URL wherever that client's is one that Azure has.


@dataclass(frozen=True)
class Case:
    """What a person configures, and asks for: *call* is a REST call, or None for the websocket.

    *theirs* are the arguments for that client, if it builds a URL that Azure has; `HERE` in them is the host.
    """

    name: str
    given: str
    wanted: str
    deployment: str | None = "m"
    call: str | None = None
    of_resource: bool = False
    call_id: str | None = None
    api_version: str | None = DATED
    theirs: Mapping[str, str] | None = None

    def ours(self, host: str = HOST) -> str:
        given = self.given.replace("HERE", host)
        made = Endpoint.resolve(given, deployment=self.deployment, api_version=self.api_version, environ={})
        if self.call is None:
            return made.realtime_url(call_id=self.call_id)
        return made.resource_url(self.call) if self.of_resource else made.deployment_url(self.call)

    def __str__(self) -> str:
        return self.name


DEPLOYMENT_CALLS = [
    *("completions", "chat/completions", "embeddings", "audio/transcriptions", "audio/translations", "audio/speech"),
    *("images/generations", "images/edits"),
]
RESOURCE_CALLS = ["models", "files", "responses", "realtime/client_secrets"]

REST_CASES = [
    Case(
        "a deployment's call, the model as its name",
        "https://HERE",
        "https://HERE/openai/deployments/m/CALL?api-version=VERSION",
        theirs={"azure_endpoint": "https://HERE"},
    ),
    Case(
        "a deployment's call, the deployment configured",
        "https://HERE",
        "https://HERE/openai/deployments/dep/CALL?api-version=VERSION",
        deployment="dep",
        theirs={"azure_endpoint": "https://HERE", "azure_deployment": "dep"},
    ),
    Case(
        "a deployment's call, with a name that has to be encoded",
        "https://HERE",
        "https://HERE/openai/deployments/a%2Fb%20c/CALL?api-version=VERSION",
        deployment="a/b c",
        theirs={"azure_endpoint": "https://HERE"},
    ),
    # Theirs is /openai/v1/deployments/m/CALL?api-version=VERSION, which Azure does not have.
    Case(
        "a deployment's call, v1",
        "https://HERE/openai/v1",
        "https://HERE/openai/v1/CALL",
        api_version=None,
    ),
    Case(
        "a deployment's call, v1, of the client that is not Azure's",
        "https://HERE/openai/v1/",
        "https://HERE/openai/v1/CALL",
        api_version=None,
        theirs={"base_url": "https://HERE/openai/v1/"},
    ),
]
RESOURCE_CASES = [
    Case(
        "a resource's call",
        "https://HERE",
        "https://HERE/openai/CALL?api-version=VERSION",
        theirs={"azure_endpoint": "https://HERE"},
    ),
    Case(
        "a resource's call, a deployment configured",
        "https://HERE",
        "https://HERE/openai/CALL?api-version=VERSION",
        deployment="dep",
        theirs={"azure_endpoint": "https://HERE", "azure_deployment": "dep"},
    ),
    # Theirs has an api-version, too.
    Case("a resource's call, v1", "https://HERE/openai/v1", "https://HERE/openai/v1/CALL", api_version=None),
    Case(
        "a resource's call, v1, of the client that is not Azure's",
        "https://HERE/openai/v1/",
        "https://HERE/openai/v1/CALL",
        api_version=None,
        theirs={"base_url": "https://HERE/openai/v1/"},
    ),
]
CALLS = [
    replace(case, name=f"{case.name}: {call}", wanted=case.wanted.replace("CALL", call), call=call, of_resource=whose)
    for cases, calls, whose in ((REST_CASES, DEPLOYMENT_CALLS, False), (RESOURCE_CASES, RESOURCE_CALLS, True))
    for case in cases
    for call in calls
]

SOCKETS = [
    Case(
        "an endpoint",
        "https://HERE",
        "wss://HERE/openai/realtime?api-version=VERSION&deployment=m",
        theirs={"azure_endpoint": "https://HERE"},
    ),
    Case(
        "an endpoint and a deployment",
        "https://HERE",
        "wss://HERE/openai/realtime?api-version=VERSION&deployment=dep",
        deployment="dep",
        theirs={"azure_endpoint": "https://HERE", "azure_deployment": "dep"},
    ),
    Case(
        "an endpoint behind a prefix",
        "https://HERE/gw/x",
        "wss://HERE/gw/x/openai/realtime?api-version=VERSION&deployment=m",
        theirs={"azure_endpoint": "https://HERE/gw/x"},
    ),
    # Theirs puts the path into the gateway's query: /gw?code=1%2Fopenai%2Frealtime&…
    Case(
        "an endpoint with a gateway's query",
        "https://HERE/gw?code=1",
        "wss://HERE/gw/openai/realtime?code=1&api-version=VERSION&deployment=dep",
        deployment="dep",
    ),
    Case(
        "a base that ends in /openai",
        "https://HERE/openai",
        "wss://HERE/openai/realtime?api-version=VERSION&deployment=m",
        theirs={"base_url": "https://HERE/openai"},
    ),
    # Theirs is the dated query on v1's path.
    Case(
        "a base that ends in /openai/v1",
        "https://HERE/openai/v1",
        "wss://HERE/openai/v1/realtime?model=m",
        api_version=None,
    ),
    # Theirs is /openai/deployments/dep/realtime?…&deployment=m.
    Case(
        "a base that ends in a deployment",
        "https://HERE/openai/deployments/dep",
        "wss://HERE/openai/realtime?api-version=VERSION&deployment=dep",
        deployment=None,
    ),
    # Theirs asks for TLS all the same.
    Case(
        "a base without TLS, on this machine",
        "http://localhost:8080/openai",
        "ws://localhost:8080/openai/realtime?api-version=VERSION&deployment=m",
    ),
    Case(
        "a websocket's base that ends in /openai/v1",
        "wss://HERE/openai/v1",
        "wss://HERE/openai/v1/realtime?model=m",
        api_version=None,
    ),
    Case(
        "a websocket's base with a query",
        "wss://HERE/openai?x=1",
        "wss://HERE/openai/realtime?x=1&api-version=VERSION&deployment=m",
        theirs={"azure_endpoint": "https://HERE", "websocket_base_url": "wss://HERE/openai?x=1"},
    ),
    # Theirs is refused by the websocket, for its https://.
    Case(
        "a websocket's base that begins with https",
        "https://HERE/openai",
        "wss://HERE/openai/realtime?api-version=VERSION&deployment=m",
    ),
    # Theirs wants a model, and says an api-version and a deployment to a call that has its own.
    Case(
        "a call, and no model",
        "https://HERE/openai/v1",
        "wss://HERE/openai/v1/realtime?call_id=rtc_1",
        deployment=None,
        call_id="rtc_1",
        api_version=None,
    ),
    Case(
        "a call, and a model",
        "https://HERE/openai/v1",
        "wss://HERE/openai/v1/realtime?call_id=rtc_1",
        call_id="rtc_1",
        api_version=None,
    ),
    Case(
        "v1, of the client that is not Azure's",
        "https://HERE/openai/v1",
        "wss://HERE/openai/v1/realtime?model=m",
        api_version=None,
        theirs={"base_url": "https://HERE/openai/v1"},
    ),
]


@pytest.mark.parametrize("case", [*CALLS, *SOCKETS], ids=str)
def test_the_urls_that_openai_python_has_or_should_have(case: Case) -> None:
    assert case.ours() == case.wanted.replace("HERE", HOST).replace("VERSION", DATED)


def compatible(case: Case, host: str, http_client: httpx2.Client | None = None) -> openai.OpenAI:
    """That client, as *case* configures it."""
    assert case.theirs is not None
    theirs: dict[str, Any] = {name: value.replace("HERE", host) for name, value in case.theirs.items()}
    theirs |= {"api_key": "k", "http_client": http_client, "max_retries": 0}
    if case.api_version is None:
        return openai.OpenAI(**theirs)
    return openai.AzureOpenAI(**theirs, api_version=case.api_version)


@pytest.mark.parametrize("case", [case for case in CALLS if case.theirs], ids=str)
def test_a_call_goes_where_openai_python_sends_it(case: Case) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json={})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http, compatible(case, HOST, http) as client:
        client.post(f"/{case.call}", body={"model": case.deployment}, cast_to=object)
    assert asked == [case.ours()]


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager:DeprecationWarning")  # by them
@pytest.mark.parametrize("case", [case for case in SOCKETS if case.theirs], ids=str)
def test_a_websocket_goes_where_openai_python_sends_it(case: Case, certificates: Certificates) -> None:
    asked: list[str] = []

    def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request.path)

    with serve_in_thread(note, tls=certificates.server("127.0.0.1")) as server:
        host = f"127.0.0.1:{server.port}"
        options: Any = {"ssl": certificates.client()}
        with (
            compatible(case, host) as client,
            client.realtime.connect(model="m", websocket_connection_options=options),
        ):
            pass
    url = urlsplit(case.ours(host))
    assert (url.scheme, url.netloc) == ("wss", host)
    assert asked == [f"{url.path}?{url.query}"]


# For every endpoint.

SEGMENTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Z"], exclude_characters="/?#"), min_size=1, max_size=8
).filter(lambda segment: segment.lower() not in {"openai", "voice-live"})
NAMES = st.text(min_size=1, max_size=12)
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{2,5})?|\[[0-9a-f]{1,4}::[0-9a-f]{1,4}\]", fullmatch=True)
PORTS = st.just("") | st.integers(1, 65535).map(":{}".format)
OUR_QUERY = {"api-version", "deployment", "model", "call_id", "intent"}
PAIRS = st.lists(st.tuples(NAMES.filter(lambda name: name.lower() not in OUR_QUERY), st.text(max_size=8)), max_size=3)
VERSIONS = st.sampled_from(["v1", DATED, "2024-10-21"])
TAILS = [
    *("", "/", "/openai", "/openai/", "/OpenAI", "/openai/openai//"),
    *("/openai/realtime", "/openai/realtimeapi/sessions", "/openai/deployments/NAME"),
    *(f"/openai/deployments/NAME/{call}" for call in DEPLOYMENT_CALLS),
]
V1_TAILS = ["/openai/v1", "/openai/v1/", "/openai/openai/v1", "/openai/v1/realtime/", "/openai/v1/responses"]


def encoded(path: str) -> str:
    """*path* as a URL writes it; what is encoded already stays."""
    return quote(path, safe="/%:!$&'()*+,;=~")


def check_url(url: str, *, scheme: str, host: str, prefix: str, query: Sequence[tuple[str, str]]) -> None:
    """Nothing that the gateway needs is lost, and `openai` is said once."""
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == (scheme, host)
    assert parts.path.startswith(f"{prefix}/openai/")
    assert [segment.lower() for segment in parts.path.split("/")].count("openai") == 1
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert pairs[: len(query)] == list(query)
    assert {name for name, _ in pairs[len(query) :]} <= OUR_QUERY


@given(
    host=HOSTS,
    port=PORTS,
    prefix=st.lists(SEGMENTS, max_size=3),
    tail=st.sampled_from([*TAILS, *V1_TAILS]),
    query=PAIRS,
    deployment=NAMES,
    version=VERSIONS,
    secure=st.booleans(),
)
@example(
    host="gw.net", port="", prefix=["v1"], tail="", query=[("code", "")], deployment="v1", version="v1", secure=True
)
def test_an_endpoint_reads_its_own_url_and_loses_nothing(
    *,
    host: str,
    port: str,
    prefix: list[str],
    tail: str,
    query: list[tuple[str, str]],
    deployment: str,
    version: str,
    secure: bool,
) -> None:
    before = "".join(f"/{segment}" for segment in prefix)
    end = tail.replace("NAME", quote(deployment, safe=""))
    given_url = f"http{'s' if secure else ''}://{host}{port}{before}{end}?{urlencode(query, quote_via=quote)}"
    api_version = "v1" if tail in V1_TAILS else version

    made = Endpoint.resolve(
        given_url, deployment=deployment, api_version=api_version, allow_insecure=not secure, environ={}
    )
    url = made.realtime_url()

    assert Endpoint.resolve(url, allow_insecure=not secure, environ={}) == made
    assert url_of(url, allow_insecure=not secure) == url
    check_url(url, scheme="wss" if secure else "ws", host=f"{host}{port}", prefix=encoded(before), query=query)
    parts = urlsplit(url)
    assert parts.path == f"{encoded(before)}/openai{'/v1' if api_version == 'v1' else ''}/realtime"
    ours = [("model", deployment)] if api_version == "v1" else [("api-version", version), ("deployment", deployment)]
    assert parse_qsl(parts.query, keep_blank_values=True) == [*query, *ours]


ENDPOINTS = st.builds(
    Endpoint,
    host=st.builds("{}{}".format, HOSTS, PORTS),
    api_version=VERSIONS,
    deployment=NAMES,
    secure=st.booleans(),
    prefix=st.lists(SEGMENTS, max_size=3).map(lambda prefix: encoded("".join(f"/{segment}" for segment in prefix))),
    query=PAIRS.map(tuple),
)


@given(
    endpoint=ENDPOINTS.filter(lambda endpoint: endpoint.deployment not in {".", ".."}),  # no path has such a part
    deployment_call=st.sampled_from(DEPLOYMENT_CALLS),
    resource_call=st.sampled_from([*RESOURCE_CALLS, "realtime/calls", "realtime/calls/rtc_1/hangup"]),
    end=st.sampled_from(["", "/"]),
)
def test_an_endpoint_reads_the_urls_of_its_other_calls(
    endpoint: Endpoint, deployment_call: str, resource_call: str, end: str
) -> None:
    """What their paths and queries do not say is passed; then it is the same endpoint."""

    def read(url: str, deployment: str | None = None) -> Endpoint:
        path, mark, query = url.partition("?")
        return Endpoint.resolve(
            f"{path}{end}{mark}{query}", deployment=deployment, allow_insecure=not endpoint.secure, environ={}
        )

    of_deployment, of_resource = endpoint.deployment_url(deployment_call), endpoint.resource_url(resource_call)
    for url in (of_deployment, of_resource):
        scheme = "https" if endpoint.secure else "http"
        check_url(url, scheme=scheme, host=endpoint.host, prefix=endpoint.prefix, query=endpoint.query)
    assert read(of_deployment, None if endpoint.dated else endpoint.deployment) == endpoint
    assert read(of_resource, endpoint.deployment) == endpoint
    assert read(of_resource) == replace(endpoint, deployment=None)
    assert Endpoint.resolve(endpoint, allow_insecure=not endpoint.secure) == endpoint


@given(endpoint=ENDPOINTS.map(lambda endpoint: replace(endpoint, api_version="v1", protocol="translations")))
def test_an_endpoint_of_translations_reads_its_own_url(endpoint: Endpoint) -> None:
    url = endpoint.realtime_url()
    assert Endpoint.resolve(url, allow_insecure=not endpoint.secure, environ={}) == endpoint
    scheme = "wss" if endpoint.secure else "ws"
    check_url(url, scheme=scheme, host=endpoint.host, prefix=endpoint.prefix, query=endpoint.query)


@given(
    endpoint=ENDPOINTS.map(
        lambda endpoint: replace(endpoint, api_version=LIVE_VERSION, protocol="voice-live"),
    )
)
def test_an_endpoint_of_voice_live_reads_its_own_url(endpoint: Endpoint) -> None:
    url = endpoint.realtime_url()
    assert Endpoint.resolve(url, allow_insecure=not endpoint.secure, environ={}) == endpoint
    parts = urlsplit(url)
    assert (parts.netloc, parts.path) == (endpoint.host, f"{endpoint.prefix}/voice-live/realtime")
    ours = [("api-version", LIVE_VERSION), ("model", endpoint.deployment)]
    assert parse_qsl(parts.query, keep_blank_values=True) == [*endpoint.query, *ours]


@given(
    endpoint=ENDPOINTS.map(lambda endpoint: replace(endpoint, api_version="v1")),
    name=st.sampled_from(["call_id", "intent"]),
    value=NAMES,
)
def test_a_call_and_an_intent_lose_nothing_either(endpoint: Endpoint, name: str, value: str) -> None:
    arguments: dict[str, Any] = {name: value}
    url = endpoint.realtime_url(**arguments)
    scheme = "wss" if endpoint.secure else "ws"
    check_url(url, scheme=scheme, host=endpoint.host, prefix=endpoint.prefix, query=endpoint.query)
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert pairs[len(endpoint.query) :] == [(name, value)]


@given(st.text(max_size=40) | st.from_regex(r"(https?|wss?)://[^ ]{0,30}", fullmatch=True))
@example("https://[v1.a]")
@example("http://[fe80::1%25eth0]")
@example("https://\N{ZERO WIDTH SPACE}")
def test_any_text_gives_an_endpoint_or_a_configuration_error(text: str) -> None:
    try:
        made = Endpoint.resolve(text, environ={}, **OURS)
    except ConfigurationError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both are good
        return
    assert made.realtime_url().startswith(("wss://", "ws://"))


@pytest.mark.parametrize(
    ("given", "deployment"),
    [(f"https://{HOST}", "caf\udce9"), (f"https://{HOST}/caf\udce9", "rt"), (f"https://{HOST}?code=\udce9", "rt")],
    ids=["deployment", "path", "query"],
)
def test_what_is_no_text_is_refused_or_sent_as_it_is(given: str, deployment: str) -> None:
    """So come variables that are not UTF-8."""
    try:
        url = url_of(given, api_version="v1", deployment=deployment)
    except ConfigurationError:
        return
    assert "%E9" in url
