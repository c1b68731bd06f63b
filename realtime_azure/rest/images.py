"""Pictures: made of a prompt, or of other pictures and a prompt.

Source: the specification of Azure OpenAI's inference (2025-04-01-preview, v1).
"""

from collections.abc import Sequence
from typing import Any, Literal, Unpack, overload

import pybase64

from ..errors import AnswerError
from ..events._base import Part
from .call import Caller, CallOptions, Verb, given
from .result import ContentFilterResults, Result, Usage
from .stream import Stream
from .upload import File


def _decoded(picture: str | None) -> bytes:
    try:
        return pybase64.b64decode(picture or "")
    except ValueError as exc:
        raise AnswerError(f"the picture is not base64: {exc}") from None


class Image(Part):
    """A picture: in `b64_json`, or at *url* for a while."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    """What the model made of the prompt."""
    content_filter_results: ContentFilterResults | None = None
    prompt_filter_results: ContentFilterResults | None = None

    @property
    def content(self) -> bytes:
        """The picture itself, of `output_format`; `b""` where there is only a URL. Raises `AnswerError` if broken."""
        return _decoded(self.b64_json)


class Images(Result):
    """The pictures of one call; *created* is in seconds since 1970."""

    created: int | None = None
    data: list[Image] | None = None
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: Usage | None = None


class ImageEvent(Part):
    """A picture on its way: `….partial_image`, number *partial_image_index* (from 0), or `….completed`."""

    type: (
        Literal[
            "image_generation.partial_image",
            "image_generation.completed",
            "image_edit.partial_image",
            "image_edit.completed",
        ]
        | str
        | None
    ) = None
    b64_json: str | None = None
    partial_image_index: int | None = None
    created_at: int | None = None
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: Usage | None = None

    @property
    def content(self) -> bytes:
        """The picture itself, of `output_format`. Raises `AnswerError` if it is broken."""
        return _decoded(self.b64_json)


class ImageOptions(CallOptions, total=False):
    """What a picture may be told; the words are the service's."""

    background: str | None
    complexity: str | None
    moderation: str | None
    n: int | None
    output_compression: int | None
    output_format: str | None
    partial_images: int | None
    quality: str | None
    response_format: str | None
    safety_identifier: str
    size: str | None
    style: str | None
    user: str


class EditOptions(ImageOptions, total=False):
    """What an edit may be told besides."""

    input_fidelity: str | None


_GENERATE = Verb("images/generations", ImageOptions, deployed=True, has_model=True)
_EDIT = Verb("images/edits", EditOptions, deployed=True, has_model=True)


class ImagesVerbs:
    """`client.images`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def generate(
        self,
        *,
        prompt: str,
        model: str | None = None,
        stream: Literal[False] | None = None,
        **options: Unpack[ImageOptions],
    ) -> Images: ...
    @overload
    async def generate(
        self,
        *,
        prompt: str,
        model: str | None = None,
        stream: Literal[True],
        **options: Unpack[ImageOptions],
    ) -> Stream[ImageEvent]: ...
    async def generate(
        self,
        *,
        prompt: str,
        model: str | None = None,
        stream: bool | None = None,
        **options: Unpack[ImageOptions],
    ) -> Images | Stream[ImageEvent]:
        """Pictures of *prompt*; with *stream*, as they become clearer (`partial_images` of them).

        Raises `ConnectError`, of which `StatusError` is what the service refuses with (`ContentFiltered`).
        """
        body = given(prompt=prompt, model=model, stream=stream)
        if stream:
            return await self._caller.events(_GENERATE, ImageEvent, options, is_last=_is_whole, body=body)
        return await self._caller.result(_GENERATE, Images, options, body=body)

    @overload
    async def edit(
        self,
        *,
        image: File | Sequence[File],
        prompt: str,
        mask: File | None = None,
        model: str | None = None,
        stream: Literal[False] | None = None,
        **options: Unpack[EditOptions],
    ) -> Images: ...
    @overload
    async def edit(
        self,
        *,
        image: File | Sequence[File],
        prompt: str,
        mask: File | None = None,
        model: str | None = None,
        stream: Literal[True],
        **options: Unpack[EditOptions],
    ) -> Stream[ImageEvent]: ...
    async def edit(
        self,
        *,
        image: File | Sequence[File],
        prompt: str,
        mask: File | None = None,
        model: str | None = None,
        stream: bool | None = None,
        **options: Unpack[EditOptions],
    ) -> Images | Stream[ImageEvent]:
        """Pictures of *prompt* made of *image* (a file, or a list of them); *mask* says by its clear parts where.

        Raises `OSError` for the files, and `ConnectError`, of which `StatusError` is what the service refuses with.
        """
        form = given(prompt=prompt, model=model, stream=stream)
        files: list[tuple[str, Any]]
        files = [("image[]", each) for each in image] if isinstance(image, list) else [("image", image)]
        if mask is not None:
            files.append(("mask", mask))
        if stream:
            return await self._caller.events(_EDIT, ImageEvent, options, is_last=_is_whole, form=form, files=files)
        return await self._caller.result(_EDIT, Images, options, form=form, files=files)


def _is_whole(event: ImageEvent) -> bool:
    return (event.type or "").endswith(".completed")
