"""What a person may try after a refusal: one piece of advice for each that Azure is known to send.

The causes are those of Azure's troubleshooting and configuration pages; the words were recorded of the service.
"""

from __future__ import annotations

_NO_DEPLOYMENT = """deployment= is the name that was given to the deployment, not the model's; it has to be in this
resource, and a new one takes five minutes."""
_KNOWN: tuple[tuple[int, str, str], ...] = (
    # Status, what the code and the message contain (in lower case), what to try: the first that fits.
    (
        400,
        "api version",
        """Use api_version='v1', or a dated version that has realtime: '2025-04-01-preview'.""",
    ),
    (400, "the emulator", "Leave them out, or ask Azure."),
    (
        400,
        "requires either",
        """Say which deployment: pass deployment=, or intent='transcription' for a session that only writes down.""",
    ),
    (
        400,
        "notsupported",
        """Name a deployment of a realtime model. If it is one, its api_version may be the other form: newer models
        want 'v1'.""",
    ),
    (400, "", "The URL form may be the other one: see api_version."),
    (
        401,
        "permissiondenied",
        """The sign-in is good, but lacks a role: give its principal 'Cognitive Services OpenAI User' on the resource,
        and wait five minutes.""",
    ),
    (
        401,
        "token",
        """The token has ended, or is for something else: ask for the scope
        https://cognitiveservices.azure.com/.default (or https://ai.azure.com/.default; .us and .cn have their own), at
        an endpoint of the form https://NAME.openai.azure.com.""",
    ),
    (
        401,
        "subscription key",
        """Check that the key is one of this resource's own (its page 'Keys and Endpoint'), and that all of it is
        there.""",
    ),
    (401, "", "No sign-in that is known there reached the service: pass api_key= or credential=."),
    (403, "publicnetworkaccess", "The resource is closed to public networks: connect through its private endpoint."),
    (
        403,
        "authenticationtype",
        """The resource takes no keys: sign in with Microsoft Entra ID, credential=DefaultAzureCredential().""",
    ),
    (403, "blocked", "Azure has blocked the resource for now: its page in the portal, or Azure's support, says why."),
    (
        403,
        "",
        """The resource does not let in this network, or this way of signing in: see its page 'Networking', and
        whether its keys are disabled.""",
    ),
    (
        404,
        "deploymentnotfound",
        _NO_DEPLOYMENT,
    ),
    (
        404,
        "",
        """Check the endpoint and api_version: 'v1' asks for /openai/v1/realtime, a date for /openai/realtime; a model
        may have only one of them.""",
    ),
    (408, "", "Try again."),
    (409, "", "Something else is at it: try again."),
    (429, "", "Wait, open fewer connections at a time, or ask for more quota."),
    (431, "", "Azure takes at most 10 headers of its callers' own: leave some out."),
    (5, "", "The service is in trouble: try again, and see https://azure.status.microsoft."),
)


_OF_REQUESTS: tuple[tuple[int, str, str], ...] = (
    # What these statuses mean for a request is not what they mean for a handshake.
    (400, "api version", "Use api_version='v1', or a dated version that has this call: '2025-04-01-preview'."),
    (400, "notsupported", "The deployment's model does not do this: name one of a model that does."),
    (400, "", ""),
    (404, "deploymentnotfound", _NO_DEPLOYMENT),
    (404, "resource not found", "Check the endpoint and api_version: not every version has every call."),
    (404, "", ""),
    (429, "", "Wait, ask for less at a time, or ask for more quota."),
)


def hint(status: int, said: str, *, location: str = "", retry_after: float | None = None, request: bool = False) -> str:
    """What to try after *status*, with *said* (code and message); an empty text where nobody knows.

    *request* says that it was a request that was refused, not a handshake.
    """
    if status // 100 == 3:
        return (
            f"It redirects{f' to {location}' if location else ''}, which is not followed: the sign-in would go there "
            "too. If that is the right place, make it the endpoint."
        )
    if retry_after and status in {429, 503}:
        return f"The service asks to wait {retry_after:g} s."
    said = said.lower()
    for known, words, advice in (*_OF_REQUESTS, *_KNOWN) if request else _KNOWN:
        if known in {status, status // 100} and words in said:
            return " ".join(advice.split())
    return ""
