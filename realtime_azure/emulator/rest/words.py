"""What the responder says, for whoever asks over HTTP: words, calls and an end, one after another.

A word counts as one token, as in a realtime session.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from pydantic_core import to_json

from ...audio.pcm import RATE
from ..responder import FunctionCall, Reply, Said, Turn, pieces
from ..script import UnexpectedTurn
from ..turns import TurnDetector
from .exchange import FILTERS, House, Wrong

logger = logging.getLogger("realtime_azure.emulator")


@dataclass(frozen=True)
class End:
    """The answer ended for *reason*, after so many *tokens*."""

    reason: Literal["stop", "length", "tool_calls", "content_filter"]
    tokens: int


def count(text: str) -> int:
    """How many tokens *text* is."""
    return len(text.split())


def words_of(text: str) -> list[str]:
    """*text* in words, with the spaces before them."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text)


def pieces_of(arguments: str) -> list[str]:
    return re.findall(r"\w+|\W+", arguments)


def speech_in(pcm: bytes) -> float:
    """How many seconds of *pcm* are speech."""
    detector = TurnDetector(RATE)
    for _ in detector.feed(pcm):
        pass
    return detector.take_speech_seconds()


async def answer_to(house: House, turn: Turn, limit: int | None = None) -> AsyncGenerator[str | FunctionCall | End]:
    """The words of the answer to *turn*, its calls (with their arguments as text), and its end after *limit* tokens
    at the latest. Raises `Wrong` where it fails."""
    spent, called = 0, False
    async with aclosing(_replies(house, turn)) as replies:
        async for reply in replies:
            for word in words_of(reply.text):
                if limit is not None and spent >= limit:
                    yield End("length", spent)
                    return
                spent += 1
                yield word
            for call in reply.calls:
                arguments = call.arguments if isinstance(call.arguments, str) else to_json(call.arguments).decode()
                spent, called = spent + count(arguments), True
                yield FunctionCall(call.name, arguments)
            if reply.reason is not None:
                yield End(_reason(reply.reason, spent), spent)
                return
    yield End("tool_calls" if called else "stop", spent)


def _reason(reason: str, spent: int) -> Literal["length", "content_filter"]:
    if reason == "max_output_tokens":
        return "length"
    if reason != "content_filter":
        said = f"The response failed: {reason}."
        raise Wrong(429 if "rate_limit" in reason else 500, reason, said, kind="server_error")
    if spent:
        return "content_filter"
    # Nothing was said: it is the question that was filtered.
    raise Wrong(
        400,
        "content_filter",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
        "modify your prompt and retry.",
        "prompt",
        inner={
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {**FILTERS, "jailbreak": {"filtered": True, "detected": True}},
        },
    )


async def _replies(house: House, turn: Turn) -> AsyncGenerator[Reply]:
    try:
        if turn.speech_seconds and house.transcriber is not None:
            turn = replace(turn, transcript=await house.transcriber(turn.audio))
        async with aclosing(pieces(house.responder, turn)) as saying:
            async for said in saying:
                yield _reply(said)
    except UnexpectedTurn as exc:  # all its words, for they are meant for who reads the test
        raise Wrong(500, None, str(exc), kind="server_error") from exc
    except Exception as exc:
        logger.exception("the responder failed")
        said = f"The emulator's responder failed: {type(exc).__name__}"
        raise Wrong(500, None, said, kind="server_error") from exc


def _reply(said: Said) -> Reply:
    if isinstance(said, FunctionCall):
        return Reply(calls=(said,))
    return Reply(said) if isinstance(said, str) else said
