"""Ask in writing and print what the service says, event by event: the stream that everything else is made of.

    python examples/print_events.py

It asks the emulator. `realtime-azure events --emulator --say "Hello!"` shows the same as a table.
"""

from __future__ import annotations

import anyio

from realtime_azure import connect
from realtime_azure.emulator import serve
from realtime_azure.events import ErrorEvent, ResponseDone, ResponseOutputAudioDelta, ResponseOutputAudioTranscriptDelta


async def main() -> None:
    async with (
        serve() as emulator,
        connect(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key) as connection,
    ):
        await connection.conversation.item.create(
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}
        )
        await connection.response.create()
        async for event in connection:
            match event:
                case ResponseOutputAudioDelta(delta=sound):
                    print(f"{event.type:<40} {len(sound)} bytes")
                case ResponseOutputAudioTranscriptDelta(delta=text):
                    print(f"{event.type:<40} {text!r}")
                case ErrorEvent(error=error):
                    print(f"{event.type:<40} {error.message}")
                case ResponseDone(response=response):
                    print(f"{event.type:<40} {response.status}")
                    break
                case _:
                    print(event.type)


if __name__ == "__main__":
    anyio.run(main)
