"""Files on their way to the service: what they are called, what of them arrives, and what is no file."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from anyio import create_task_group, fail_after, open_file, wait_all_tasks_blocked

from realtime_azure.errors import ConfigurationError
from realtime_azure.rest import RestClient
from realtime_azure.rest.upload import opened

from .serving import Server, answer, in_turn, serve

pytestmark = pytest.mark.anyio

CONTENT = b"RIFF....WAVE" + b"0123456789" * 5000


@asynccontextmanager
async def service() -> AsyncGenerator[tuple[Server, RestClient]]:
    """A service to which everything is right."""
    with fail_after(10):
        async with (
            serve(in_turn([answer()])) as server,
            RestClient(server.url, api_version="v1", api_key="k", max_retries=0) as client,
        ):
            yield server, client


@contextmanager
def piped(content: bytes, *, when: Event | None = None) -> Generator[int]:
    """The end of a pipe, into which somebody writes *content*, once *when* is set; without it after a while."""
    reading, writing = os.pipe()

    def write() -> None:
        if when is not None:
            when.wait(3)
        with os.fdopen(writing, "wb") as end:
            end.write(content)

    thread = Thread(target=write)
    thread.start()
    yield reading
    thread.join(5)


async def uploaded(file: Any) -> bytes:
    """The body in which *file* arrived."""
    async with service() as (server, client):
        await client.files.create(file=file, purpose="batch")
    (heard,) = server.heard
    return heard.body


# What arrives


@pytest.mark.parametrize("buffering", [-1, 0])
async def test_a_pipe_arrives_whole(buffering: int) -> None:
    """It has no length that could be known before."""
    with piped(CONTENT) as reading, os.fdopen(reading, "rb", buffering) as file:
        assert CONTENT in await uploaded(file)


async def test_a_path_may_lead_to_a_pipe() -> None:
    """As a shell's `<(…)` does."""
    with piped(CONTENT) as reading:
        body = await uploaded(f"/dev/fd/{reading}")
        os.close(reading)
    assert CONTENT in body


async def test_a_pipe_that_is_slow_keeps_nobody_else_waiting() -> None:
    """Who writes into it may be in the same event loop."""
    written = Event()
    async with service() as (server, client), create_task_group() as tasks:

        async def upload() -> None:
            with piped(CONTENT, when=written) as reading, os.fdopen(reading, "rb") as file:
                await client.files.create(file=file, purpose="batch")

        tasks.start_soon(upload)
        await wait_all_tasks_blocked()
        await client.models.list()
        assert [heard.method for heard in server.heard] == ["GET"]
        written.set()
    assert CONTENT in server.heard[1].body


async def test_an_open_file_is_sent_from_its_beginning_and_left_open() -> None:
    file = io.BytesIO(CONTENT)
    file.seek(100)
    assert CONTENT in await uploaded(file)
    assert not file.closed


async def test_a_file_that_is_not_there_is_found_out_before_anything_is_sent(tmp_path: Path) -> None:
    async with service() as (server, client):
        for path in (tmp_path / "nowhere.wav", str(tmp_path / "nowhere.wav")):
            with pytest.raises(FileNotFoundError):
                await client.files.create(file=path, purpose="batch")
        with pytest.raises(IsADirectoryError):
            await client.files.create(file=tmp_path, purpose="batch")
    assert server.clients == 0


async def test_what_is_no_file_is_found_out_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    path.write_bytes(CONTENT)
    async with service() as (server, client), await open_file(path, "rb") as waiting:
        with ExitStack() as stack:
            text = stack.enter_context(path.open(encoding="latin-1"))
            for wrong in (5, None, io.StringIO("x"), text, waiting, (), ("x",), (1, b"x"), ("a", "b", "c", "d")):
                with pytest.raises(ConfigurationError, match="file: "):
                    await client.files.create(file=wrong, purpose="batch")  # type: ignore[arg-type]  # a mistake
    assert server.clients == 0


# What it is called: the service knows a format by that


BEGINNINGS = {
    b"RIFF\0\0\0\0WAVEfmt ": "upload.wav",
    b"RIFF\0\0\0\0WEBPVP8 ": "upload.webp",
    b"ID3\x04": "upload.mp3",
    b"\xff\xfb\x90\x00": "upload.mp3",
    b"\xff\xf3\xe4\xc4": "upload.mp3",  # 24 kHz, as the service speaks
    b"OggS\0": "upload.ogg",
    b"fLaC\0": "upload.flac",
    b"\x1a\x45\xdf\xa3": "upload.webm",
    b"\0\0\0\x20ftypM4A ": "upload.m4a",
    b"\x89PNG\r\n": "upload.png",
    b"\xff\xd8\xff\xe0": "upload.jpg",
    b"{}\n": "upload",
    b"": "upload",
}


@pytest.mark.parametrize("content", BEGINNINGS, ids=repr)
async def test_what_has_no_name_is_called_by_how_it_begins(content: bytes) -> None:
    with piped(content) as reading, os.fdopen(reading, "rb") as pipe, tempfile.TemporaryFile() as nameless:
        nameless.write(content)
        for file in (content, bytearray(content), memoryview(content), io.BytesIO(content), nameless, pipe):
            async with opened(file, "file") as part:
                assert part.part[0] == BEGINNINGS[content]


async def test_who_has_a_name_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "said.m4a"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        for named in (path, str(path), file):
            async with opened(named, "file") as part:
                assert part.part[0] == "said.m4a"
        for given in (b"x", path, file, io.BytesIO()):
            async with opened(("other.wav", given, "audio/x"), "file") as part:
                assert (part.part[0], part.part[2]) == ("other.wav", "audio/x")


async def test_what_can_be_sent_once_more() -> None:
    with piped(b"x") as reading, os.fdopen(reading, "rb") as pipe:
        for file, can in ((b"x", True), (io.BytesIO(b"x"), True), (pipe, False)):
            async with opened(file, "file") as part:
                assert part.replayable is can


async def test_a_path_is_closed_after_the_call(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    async with opened(tmp_path / "x", "file") as part:
        file = part.part[1]
        assert not file.closed
    assert file.closed
