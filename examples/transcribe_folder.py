"""Write down every recording of a folder, a few at a time: a task group, and a limit.

    python examples/transcribe_folder.py [FOLDER]

Without `AZURE_OPENAI_ENDPOINT` it asks the emulator, which needs the extra `emulator-voice` to tell words from words.
The whole of it, with subtitles and progress, is the command `realtime-azure transcribe`.
"""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from anyio import CapacityLimiter

from realtime_azure.emulator import serve
from realtime_azure.errors import RealtimeError
from realtime_azure.rest import RestClient

SAMPLES = Path(__file__).parent.parent / "audio_samples"
AT_A_TIME = CapacityLimiter(4)


async def write_down(client: RestClient, recording: Path) -> None:
    """Prints what is said in *recording*; one that fails does not stop the others."""
    async with AT_A_TIME:
        try:
            said = await client.audio.transcriptions.create(file=recording)
        except (RealtimeError, OSError) as exc:
            print(f"{recording.name}: {exc}")
        else:
            print(f"{recording.name}: {said.text}")


async def main(recordings: list[Path]) -> None:
    async with AsyncExitStack() as stack:
        if "AZURE_OPENAI_ENDPOINT" not in os.environ:
            emulator = await stack.enter_async_context(serve())
            client = RestClient(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key)
        else:
            client = RestClient()
        await stack.enter_async_context(client)

        async with anyio.create_task_group() as tasks:
            for recording in recordings:
                tasks.start_soon(write_down, client, recording)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    anyio.run(main, sorted(folder.glob("*.wav")))
