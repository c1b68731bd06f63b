"""Answer the telephone: a webhook says that it rings, the call is taken, a connection beside it says hello.

    python examples/sip_answer.py

Your web server gives `answer` the headers (in lower case) and the body of what the service posts to it;
`WEBHOOK_SECRET` is what you were shown when the webhook was made. Here a webhook is made up, and the emulator called.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping

import anyio

from realtime_azure import connect
from realtime_azure.emulator import serve
from realtime_azure.events import ResponseDone, ResponseOutputAudioTranscriptDone
from realtime_azure.rest import RestClient

SECRET = os.environ.get("WEBHOOK_SECRET", "whsec_c29tZSBieXRlcyB0aGF0IG5vYm9keSBrbm93cw==")
SESSION = {"instructions": "You answer the telephone of a bakery. Be brief.", "audio": {"output": {"voice": "marin"}}}


def signature(headers: Mapping[str, str], body: bytes) -> str:
    """What `webhook-signature` has to be (standardwebhooks.com): by it one knows who has sent a webhook."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def is_genuine(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the service has sent this, and not five minutes ago: an old one may be somebody's copy."""
    recent = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    given = headers["webhook-signature"].split()
    return recent and any(hmac.compare_digest(signature(headers, body), each) for each in given)


async def answer(client: RestClient, api_key: str | None, headers: Mapping[str, str], body: bytes) -> None:
    event = json.loads(body) if is_genuine(headers, body) else {}
    if event.get("type") != "realtime.call.incoming":
        return
    call_id = event["data"]["call_id"]
    print(next(each["value"] for each in event["data"]["sip_headers"] if each["name"] == "From"), "is calling")
    await client.realtime.calls.accept(call_id, session=SESSION)
    async with connect(client.endpoint, call_id=call_id, api_key=api_key) as connection:
        await connection.response.create({"instructions": "Say hello, and that the bakery is closed."})
        async for said in connection:
            if isinstance(said, ResponseOutputAudioTranscriptDone):
                print(f"the bakery says: {said.transcript}")
            if isinstance(said, ResponseDone):
                break
    await client.realtime.calls.hangup(call_id)
    print("hung up")


async def main() -> None:
    caller = {"name": "From", "value": "<sip:+4930123456@example.com>"}
    event = {"type": "realtime.call.incoming", "data": {"call_id": "rtc_1", "sip_headers": [caller]}}
    body, headers = json.dumps(event).encode(), {"webhook-id": "wh_1", "webhook-timestamp": str(int(time.time()))}
    headers["webhook-signature"] = signature(headers, body)
    async with (
        serve() as emulator,
        RestClient(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key) as client,
    ):
        await answer(client, emulator.api_key, headers, body)


if __name__ == "__main__":
    anyio.run(main)
