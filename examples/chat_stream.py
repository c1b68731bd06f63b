"""Chat in writing: each answer is printed as it comes, and what was said before is remembered.

    python examples/chat_stream.py [QUESTION …]

Without `AZURE_OPENAI_ENDPOINT` it asks the emulator. On trio: `anyio.run(main, QUESTIONS, backend="trio")`.
"""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack

import anyio

from realtime_azure.emulator import serve
from realtime_azure.errors import ContentFiltered, RateLimited
from realtime_azure.rest import RestClient

QUESTIONS = ["What is the capital of France?", "And how many people live there?"]


async def answer(client: RestClient, messages: list[dict[str, str]]) -> str:
    """Prints the answer to *messages* word by word, and returns it."""
    said = ""
    stream = await client.chat.completions.create(
        messages=messages, stream=True, stream_options={"include_usage": True}
    )
    async with stream:  # leaving it early ends the answer
        async for chunk in stream:
            print(chunk.text, end="", flush=True)
            said += chunk.text
            if chunk.usage is not None:
                print(f"\n({chunk.usage.prompt_tokens} tokens in, {chunk.usage.completion_tokens} out)")
    return said


async def main(questions: list[str]) -> None:
    async with AsyncExitStack() as stack:
        if "AZURE_OPENAI_ENDPOINT" not in os.environ:
            emulator = await stack.enter_async_context(serve())
            client = RestClient(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key)
        else:
            client = RestClient()
        await stack.enter_async_context(client)

        messages = [{"role": "system", "content": "Be brief."}]
        for question in questions:
            print(f"> {question}")
            messages.append({"role": "user", "content": question})
            try:
                messages.append({"role": "assistant", "content": await answer(client, messages)})
            except ContentFiltered as exc:
                messages.pop()
                print(f"(that was not let through: {exc.filtered})")
            except RateLimited as exc:  # after two more attempts, see max_retries= and max_retry_wait=
                sys.exit(f"too many requests; the service asks for {exc.retry_after} s")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:] or QUESTIONS)
