"""Images: a real PNG of the size that was asked for, in one colour, which the prompt decides."""

from __future__ import annotations

import hashlib
import re
import struct
import time
import zlib
from collections.abc import AsyncGenerator
from typing import Literal

import pybase64
from pydantic import Field

from ..answer import Fields
from .exchange import Answered, ModelBody, Question, Upload, Wrong, answered, cannot, event_stream, missing
from .words import count

LARGEST = 4096


class _Images(ModelBody):
    prompt: str = Field(min_length=1)
    n: int = Field(1, ge=1, le=10)
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool | None = None
    partial_images: int | None = Field(None, ge=0, le=3)

    def about(self) -> Fields:
        """What can be said of each image."""
        if self.output_format not in (None, "png"):
            raise cannot(f"it draws png, not {self.output_format}", "output_format")
        if self.response_format == "url":
            raise cannot("it keeps no images to link to; ask for b64_json", "response_format")
        background = "opaque" if self.background in (None, "auto") else self.background
        if background != "opaque":
            raise cannot("its images are opaque", "background")
        size = f"{self.dimensions[0]}x{self.dimensions[1]}"
        quality = "low" if self.quality in (None, "auto") else self.quality
        return {"background": background, "output_format": "png", "quality": quality, "size": size}

    @property
    def dimensions(self) -> tuple[int, int]:
        known = re.fullmatch(r"(\d{1,4})x(\d{1,4})", "1024x1024" if self.size in (None, "auto") else str(self.size))
        width, height = (int(known[1]), int(known[2])) if known else (0, 0)
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise Wrong(400, "invalid_value", f"Invalid value: '{self.size}' is no size; 1024x1024 is.", "size")
        return width, height


class _Edit(_Images):
    image: Upload | list[Upload] | None = None


def png(width: int, height: int, colour: bytes) -> bytes:
    """An image of one *colour* (red, green and blue)."""
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)  # one bit a pixel, into a palette of one
    pixels = zlib.compress(bytes(1 + (width + 7) // 8) * height)
    chunks = ((b"IHDR", header), (b"PLTE", colour), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


async def generations(question: Question) -> Answered:
    return await _drawn(question.read(_Images), "image_generation", 0)


async def edits(question: Question) -> Answered:
    """The image to edit is looked at no closer than to see that it is one."""
    body = question.read(_Edit)
    images = body.image if isinstance(body.image, list) else [body.image] if body.image else []
    if not images:
        raise missing("image")
    if not all(image.content.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF")) for image in images):
        said = "Invalid image file: supported are png, webp and jpg."
        raise Wrong(400, "invalid_image_file", said, "image")
    return await _drawn(body, "image_edit", len(images))


async def _drawn(body: _Images, kind: str, images: int) -> Answered:
    about, created = body.about(), int(time.time())
    heard = {"text_tokens": count(body.prompt), "image_tokens": images}
    shown = sum(heard.values())
    usage: Fields = {"input_tokens": shown, "input_tokens_details": heard, "output_tokens": body.n}
    usage["total_tokens"] = shown + body.n
    if body.stream:
        return await event_stream(_partial(body, kind, {"created_at": created, **about}, usage), named=True)
    data = [{"b64_json": _encoded(body, at, 1.0)} for at in range(body.n)]
    return answered({"created": created, "data": data, **about, "usage": usage})


async def _partial(body: _Images, kind: str, about: Fields, usage: Fields) -> AsyncGenerator[Fields]:
    """Each fainter than the one after it."""
    steps = body.partial_images or 0
    for at in range(steps):
        said = {"type": f"{kind}.partial_image", "partial_image_index": at, **about}
        yield {**said, "b64_json": _encoded(body, 0, (at + 1) / (steps + 1))}
    for at in range(body.n):
        yield {"type": f"{kind}.completed", **about, "b64_json": _encoded(body, at, 1.0), "usage": usage}


def _encoded(body: _Images, at: int, strength: float) -> str:
    colour = hashlib.sha256(f"{at} {body.prompt}".encode(errors="replace")).digest()[:3]
    faint = bytes(round(255 - (255 - level) * strength) for level in colour)
    return pybase64.b64encode(png(*body.dimensions, faint)).decode()
