"""Embeddings: texts in, vectors out.

They come over the line in base64, four bytes a number instead of some ten, whatever the caller sees of them.
"""

from array import array
from collections.abc import Iterable
from sys import byteorder
from typing import Annotated, Any, Unpack

import pybase64
from pydantic import BeforeValidator, Field

from ..events._base import Part
from .call import Caller, CallOptions, Verb, given
from .result import CompletionUsage, Result


def _numbers(embedding: Any) -> Any:
    """The numbers of *embedding*: 32-bit floats, little-endian, in base64; or a list, which it stays."""
    if not isinstance(embedding, str):
        return embedding
    numbers = array("f", pybase64.b64decode(embedding, validate=True))
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


class Embedding(Part):
    """The vector of the text number *index* (from 0)."""

    index: int | None = None
    embedding: Annotated[list[float], BeforeValidator(_numbers)] = Field(default_factory=list[float])
    object: str | None = None


class Embeddings(Result):
    """A vector for each text, in their order."""

    data: list[Embedding] = Field(default_factory=list[Embedding])
    model: str | None = None
    object: str | None = None
    usage: CompletionUsage | None = None

    @property
    def vectors(self) -> list[list[float]]:
        """The vectors alone."""
        return [each.embedding for each in self.data]


class EmbeddingsOptions(CallOptions, total=False):
    """What embeddings may be told; the words are the service's."""

    dimensions: int
    encoding_format: str
    input_type: str
    user: str


_CREATE = Verb("embeddings", EmbeddingsOptions, deployed=True, has_model=True)


class EmbeddingsVerbs:
    """`client.embeddings`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        *,
        input: str | Iterable[str] | Iterable[int] | Iterable[Iterable[int]],  # noqa: A002 - the service's word
        model: str | None = None,
        **options: Unpack[EmbeddingsOptions],
    ) -> Embeddings:
        """A vector for each of *input*: a text, texts, or tokens.

        Raises `ConnectError`, of which `StatusError` is what the service refuses with.
        """
        said = input if isinstance(input, str) else list(input)
        body = given(input=said, model=model, encoding_format="base64")
        return await self._caller.result(_CREATE, Embeddings, options, body=body)
