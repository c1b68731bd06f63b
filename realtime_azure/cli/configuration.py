"""What is configured, for every command that connects: the options, and where each value came from."""

from __future__ import annotations

import argparse
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from ..endpoint import DEPLOYMENT_VARIABLES, VERSION_VARIABLES, VOICE_LIVE_VARIABLES, Endpoint


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where to connect, and as whom."""
    group = parser.add_argument_group("the service", "what is not given comes from the environment")
    group.add_argument("--endpoint", metavar="URL", help="the resource, instead of AZURE_OPENAI_ENDPOINT")
    group.add_argument(
        "--deployment",
        metavar="NAME",
        help="instead of AZURE_OPENAI_REALTIME_DEPLOYMENT or AZURE_OPENAI_DEPLOYMENT_NAME",
    )
    group.add_argument("--api-version", metavar="V", help="'v1' or a dated version, instead of OPENAI_API_VERSION")
    group.add_argument(
        "--entra",
        action="store_true",
        help="sign in with Microsoft Entra ID (azure.identity's DefaultAzureCredential), not with AZURE_OPENAI_API_KEY",
    )
    group.add_argument("--scope", metavar="SCOPE", help="what the token of --entra is asked for")
    group.add_argument("--proxy", metavar="URL", help="instead of HTTPS_PROXY; 'none' goes straight")
    group.add_argument("--allow-insecure", action="store_true", help="let http:// and ws:// leave this machine")


def seconds(text: str) -> float:
    """The type of an option that takes seconds."""
    try:
        given = float(text)
    except ValueError:
        given = 0.0
    if not 0 < given < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return given


def endpoint_of(options: argparse.Namespace) -> Endpoint:
    """Raises `ConfigurationError`."""
    return Endpoint.resolve(
        options.endpoint,
        deployment=options.deployment,
        api_version=options.api_version,
        allow_insecure=options.allow_insecure,
    )


@contextmanager
def arguments_of(options: argparse.Namespace) -> Generator[dict[str, Any]]:
    """The arguments of `connect` that say how to get there; the credential lives as long as the `with`."""
    how: dict[str, Any] = {
        "scope": options.scope,
        "allow_insecure": options.allow_insecure,
        "proxy": {None: True, "none": False}.get(options.proxy, options.proxy),
    }
    if not options.entra:
        yield how
        return
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - a third of a second, for this option only

    with DefaultAzureCredential() as credential:
        yield how | {"credential": credential}


def sources(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where the endpoint, the deployment and the api_version come from: an option, a variable, or the URL."""
    if getattr(options, "emulator", False):
        return dict.fromkeys(("endpoint", "deployment", "api_version"), "--emulator")
    url = options.endpoint or environ.get("AZURE_OPENAI_ENDPOINT", "")
    versions = VOICE_LIVE_VARIABLES if "/voice-live" in url else VERSION_VARIABLES
    return {
        "endpoint": "--endpoint" if options.endpoint else "AZURE_OPENAI_ENDPOINT",
        "deployment": _source("--deployment", options.deployment, url, DEPLOYMENT_VARIABLES, environ),
        "api_version": _source("--api-version", options.api_version, url, versions, environ),
    }


def _source(option: str, given: str | None, url: str, variables: tuple[str, ...], environ: Mapping[str, str]) -> str:
    if given:
        return option
    unset: dict[str, str] = dict.fromkeys((*VERSION_VARIABLES, *VOICE_LIVE_VARIABLES), "1970-01-01")
    at = Endpoint.resolve(url, allow_insecure=True, environ=unset)
    in_url = at.deployment is not None if option == "--deployment" else at.api_version != "1970-01-01"
    return "the endpoint's URL" if in_url else next((name for name in variables if environ.get(name)), "nowhere")
