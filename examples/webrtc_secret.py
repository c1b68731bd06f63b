"""A browser that talks to the model by WebRTC: an ephemeral key for it, and its offer answered.

    python examples/webrtc_secret.py [OFFER.sdp]

The server keeps the resource's key, and gives the browser one that is good for two minutes and this session alone.
Without `AZURE_OPENAI_ENDPOINT` it asks the emulator, which has no media, and turns every stream of the offer down.
"""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from realtime_azure.emulator import serve
from realtime_azure.rest import RestClient

# As `RTCPeerConnection.createOffer()` makes them, much shortened: sound both ways, and a channel for the events.
OFFER = "\r\n".join(
    [
        *("v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"),
        *("m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendrecv", "a=rtpmap:111 opus/48000/2"),
        *("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:1", "a=sctp-port:5000", ""),
    ]
)
SESSION = {"instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}


async def main(offer: str) -> None:
    async with AsyncExitStack() as stack:
        if "AZURE_OPENAI_ENDPOINT" not in os.environ:
            emulator = await stack.enter_async_context(serve())
            client = RestClient(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key)
        else:
            client = RestClient()  # in v1: the dated versions have no such keys
        await stack.enter_async_context(client)

        secret = await client.realtime.client_secrets.create(
            session=SESSION, expires_after={"anchor": "created_at", "seconds": 120}
        )
        # This is what goes to the browser, over your own HTTPS, and into no log:
        for_browser = {"url": client.endpoint.resource_url("realtime/calls"), "key": secret.value or ""}
        print(f"the browser posts its offer to {for_browser['url']}")
        print("  content-type: application/sdp")
        print(f"  authorization: Bearer {for_browser['key'][:3]}…")

        # This is what the browser does with it; or the server does, and so hears of the call's id.
        call = await client.realtime.calls.create(sdp=offer, client_secret=secret)
        streams = [line for line in call.sdp.splitlines() if line.startswith("m=")]
        print(f"the call {call.call_id[:4]}… is answered, with {len(streams)} streams:")
        for stream in streams:
            print(f"  {stream}{' (turned down)' if stream.split()[1] == '0' else ''}")
        await client.realtime.calls.hangup(call.call_id)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]).read_bytes().decode() if len(sys.argv) > 1 else OFFER)
