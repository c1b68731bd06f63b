"""Embeddings: unit vectors that are the same for the same text, and say nothing about it."""

from __future__ import annotations

import hashlib
import math
import struct
from typing import Literal

import pybase64
from anyio.lowlevel import checkpoint
from pydantic import Field

from .exchange import Answered, ModelBody, Question, answered
from .words import count

Tokens = list[int]


class _Embeddings(ModelBody):
    input: str | list[str] | Tokens | list[Tokens] = Field(min_length=1)
    dimensions: int = Field(1536, ge=1, le=3072)
    encoding_format: Literal["float", "base64"] = "float"

    def texts(self) -> list[str | Tokens]:
        """What is to become a vector each: texts, or texts in tokens."""
        if isinstance(self.input, str):
            return [self.input]
        tokens = [each for each in self.input if isinstance(each, int)]
        return [tokens] if tokens else [each for each in self.input if not isinstance(each, int)]


def vector(text: str | Tokens, dimensions: int) -> tuple[float, ...]:
    """A unit vector in 32-bit floats; fewer *dimensions* are the beginning of more, made a unit again."""
    known = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else repr(text).encode()
    drawn = struct.unpack(f"<{dimensions}I", hashlib.shake_256(known).digest(4 * dimensions))
    numbers = [number / 2**31 - 1 for number in drawn]
    length = math.hypot(*numbers)
    return struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(number / length for number in numbers)))


async def create(question: Question) -> Answered:
    body = question.read(_Embeddings)
    made: list[str | list[float]] = []
    for text in body.texts():
        await checkpoint()  # there may be two thousand
        numbers = vector(text, body.dimensions)
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
        made.append(list(numbers) if body.encoding_format == "float" else pybase64.b64encode(packed).decode())
    tokens = sum(count(text) if isinstance(text, str) else len(text) for text in body.texts())
    data = [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(made)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return answered({"object": "list", "data": data, "model": body.model, "usage": usage})
