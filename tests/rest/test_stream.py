"""Answers that come piece by piece: read to their end, left early, cut, failed."""

from __future__ import annotations

import gzip
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint

from realtime_azure import AnswerCut, AnswerError, StreamBusy, StreamFailed
from realtime_azure.rest import RestClient
from realtime_azure.rest import stream as streams
from tests.rest.serving import CHUNKED, END, Peer, Script, Server, answer, chunk, in_turn, serve, streamed

pytestmark = pytest.mark.anyio
ANY = dict[str, Any]
ONE, TWO, DONE = b'data: {"n": 1}\n\n', b'data: {"n": 2}\n\n', b"data: [DONE]\n\n"
WHOLE = streamed(ONE, TWO, DONE)


def of_chat(**options: Any) -> Any:
    return {"model": "gpt", "messages": [], "stream": True, **options}


class Visit:
    """A client of one connection at most: a slot that is lost stops the next call."""

    def __init__(self, server: Server, client: RestClient) -> None:
        self.server, self.client = server, client

    async def stream(self) -> Any:
        return await self.client.chat.completions.create(**of_chat())

    async def next_call_is_answered(self) -> None:
        with fail_after(3):
            async with await self.stream() as stream:
                async for _ in stream:
                    pass


@asynccontextmanager
async def visit(script: Script, **options: Any) -> AsyncGenerator[Visit]:
    given: dict[str, Any] = {"api_version": "v1", "api_key": "k", "proxy": False, "max_connections": 1, **options}
    async with serve(script) as server:
        async with RestClient(server.url, **given) as client:
            with fail_after(5):
                yield Visit(server, client)
        with fail_after(5):  # no socket is left
            await server.idle.wait()


def numbers(chunks: Sequence[Any]) -> list[int]:
    return [chunk.n for chunk in chunks]


async def first_then(first: bytes, wait: Event | None = None, then: bytes = b"") -> Script:
    """The first request is answered with *first*, then waits; every other one with a whole stream."""
    seen = 0

    async def script(peer: Peer) -> None:
        nonlocal seen
        while True:
            await peer.hear()
            seen += 1
            if seen > 1:
                await peer.say(WHOLE)
                continue
            await peer.say(first)
            if wait is None:
                return
            if not then:
                await peer.until_gone()
            await wait.wait()
            await peer.say(then)

    return script


async def test_a_stream_that_was_read_leaves_its_connection_for_the_next() -> None:
    async with visit(in_turn([WHOLE])) as there:
        for _ in range(3):
            got = [chunk async for chunk in await there.stream()]
            assert numbers(got) == [1, 2]
        assert (there.server.clients, len(there.server.heard)) == (1, 3)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_however_the_service_cuts_it_the_events_are_the_same(size: int) -> None:
    body = b": hello\r\n\r\n" + ONE.replace(b"\n", b"\r\n") + TWO + DONE
    said = streamed(*(body[at : at + size] for at in range(0, len(body), size)))
    async with visit(in_turn([said])) as there:
        assert numbers([chunk async for chunk in await there.stream()]) == [1, 2]


@pytest.mark.parametrize("end", [b"", chunk(ONE[:5])], ids=["between two events", "within one"])
async def test_a_stream_that_breaks_off_is_an_error_again_and_again(end: bytes) -> None:
    async with visit(await first_then(CHUNKED + chunk(ONE) + end)) as there:
        stream = await there.stream()
        assert (await anext(stream)).n == 1
        for _ in range(2):
            with pytest.raises(AnswerCut) as caught:
                await anext(stream)
            assert caught.value.request_id == "r1"
        await there.next_call_is_answered()


async def test_a_stream_that_ends_without_its_end_is_cut() -> None:
    async with visit(in_turn([streamed(ONE), WHOLE])) as there:
        stream = await there.stream()
        assert (await anext(stream)).n == 1
        for _ in range(2):
            with pytest.raises(AnswerCut, match="without its end"):
                await anext(stream)
        await there.next_call_is_answered()


async def test_a_cut_stream_is_not_asked_for_again() -> None:
    async with visit(await first_then(CHUNKED + chunk(ONE))) as there:
        with pytest.raises(AnswerCut):
            [chunk async for chunk in await there.stream()]
        assert len(there.server.heard) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b'{"error": {"code": "c", "message": "no", "type": "t", "param": "p"}}', "c"),
        (b'{"type": "error", "code": "c", "message": "no", "param": "p"}', "c"),
        (b'{"error": "no"}', None),
    ],
)
async def test_an_error_in_the_stream_ends_it(said: bytes, code: str | None) -> None:
    async with visit(in_turn([streamed(ONE, b"data: " + said + b"\n\n", TWO, DONE), WHOLE])) as there:
        stream = await there.stream()
        assert (await anext(stream)).n == 1
        for _ in range(2):
            with pytest.raises(StreamFailed, match="no") as caught:
                await anext(stream)
            assert (caught.value.code, caught.value.body, caught.value.request_id) == (code, said, "r1")
        await there.next_call_is_answered()


@pytest.mark.parametrize("said", [b"nonsense", b"[1]", b"5", b""])
async def test_what_is_no_chunk_ends_the_stream(said: bytes) -> None:
    """It is an error each time, and the connection is not left open."""
    async with visit(in_turn([streamed(ONE, b"data: " + said + b"\n\n", TWO, DONE), WHOLE])) as there:
        stream = await there.stream()
        assert (await anext(stream)).n == 1
        for _ in range(2):
            with pytest.raises(AnswerError, match="the answer is"):
                await anext(stream)
        await there.next_call_is_answered()


async def test_a_model_that_does_not_stream_gives_one_event() -> None:
    """`whisper` answers with all of the text, whatever it is asked."""
    whole = answer(200, {"text": "Hello.", "usage": {"type": "duration", "seconds": 2}})
    async with visit(in_turn([whole, answer(200, b"nonsense"), WHOLE])) as there:
        create = there.client.audio.transcriptions.create
        (event,) = [event async for event in await create(model="whisper", file=b"RIFF", stream=True)]
        assert (event.type, event.text) == ("transcript.text.done", "Hello.")
        with pytest.raises(AnswerError, match="not a JSON object"):
            await create(model="whisper", file=b"RIFF", stream=True)
        await there.next_call_is_answered()


async def test_text_about_an_error_is_none() -> None:
    said = b'data: {"n": 1, "error": null, "choices": []}\n\ndata: {"n": 2, "said": "\\"error\\""}\n\n'
    async with visit(in_turn([streamed(said, DONE)])) as there:
        assert numbers([chunk async for chunk in await there.stream()]) == [1, 2]


async def test_nothing_after_the_end_is_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GOODBYE", 0.05)
    never = Event()
    async with visit(await first_then(CHUNKED + chunk(ONE + DONE), never)) as there:
        assert numbers([chunk async for chunk in await there.stream()]) == [1]
        await there.next_call_is_answered()
        assert there.server.clients == 2


@pytest.mark.parametrize("how", ["async with", "aclose", "twice"])
async def test_a_stream_may_be_left_early(how: str) -> None:
    never = Event()
    async with visit(await first_then(CHUNKED + chunk(ONE), never)) as there:
        stream = await there.stream()
        if how == "async with":
            async with stream:
                async for got in stream:
                    assert got.n == 1
                    break
        else:
            assert (await anext(stream)).n == 1
            await stream.aclose()
            if how == "twice":
                await stream.aclose()
        assert [chunk async for chunk in stream] == []
        await there.next_call_is_answered()


async def test_of_two_tasks_that_read_the_first_goes_on() -> None:
    more = Event()
    got: list[Any] = []
    async with visit(await first_then(CHUNKED, more, chunk(ONE + DONE) + END)) as there:
        stream = await there.stream()

        async def read() -> None:
            got.extend([chunk async for chunk in stream])

        async with create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(StreamBusy):
                await anext(stream)
            more.set()
        assert numbers(got) == [1]
        await there.next_call_is_answered()


async def test_a_read_that_was_cancelled_ends_the_stream_and_says_so() -> None:
    never = Event()
    async with visit(await first_then(CHUNKED + chunk(ONE), never)) as there:
        stream = await there.stream()
        assert (await anext(stream)).n == 1
        with anyio.move_on_after(0.02) as scope:
            await anext(stream)
        assert scope.cancelled_caught
        for _ in range(2):
            with pytest.raises(AnswerCut, match="cancelled"):
                await anext(stream)
        await there.next_call_is_answered()


async def test_an_event_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_EVENT", 1 << 20)
    never = Event()
    long = chunk(b"data: " + b"x" * (1 << 20) + b"x")
    async with visit(await first_then(CHUNKED + long, never)) as there:
        stream = await there.stream()
        for _ in range(2):
            with pytest.raises(AnswerError, match="more than 1 MiB"):
                await anext(stream)
        await there.next_call_is_answered()


async def test_a_packed_answer_is_unpacked() -> None:
    packed = answer(200, gzip.compress(ONE + DONE), content_encoding="gzip", content_type="text/event-stream")
    async with visit(in_turn([packed])) as there:
        assert numbers([chunk async for chunk in await there.stream()]) == [1]
        assert there.server.heard[0].headers["accept-encoding"] == "identity"


async def test_what_is_packed_and_broken_is_an_error(request: pytest.FixtureRequest, anyio_backend: str) -> None:
    if anyio_backend == "trio":  # httpx2 leaves its innermost generator to the garbage collector
        request.applymarker(pytest.mark.xfail(strict=True, reason="BUG: a ResourceWarning"))
    packed = answer(200, b"no gzip at all", content_encoding="gzip", content_type="text/event-stream")
    async with visit(in_turn([packed, WHOLE])) as there:
        with pytest.raises(AnswerCut):
            [chunk async for chunk in await there.stream()]
        await there.next_call_is_answered()


async def test_a_long_burst_lets_other_tasks_run() -> None:
    turns = 0
    async with visit(in_turn([streamed(ONE * 1000 + DONE)])) as there, create_task_group() as tasks:

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await checkpoint()

        stream = await there.stream()
        await anext(stream)
        tasks.start_soon(others)
        got = [chunk async for chunk in stream]
        assert len(got) == 999
        assert turns >= 10
        tasks.cancel_scope.cancel()


async def test_a_client_may_be_closed_with_a_stream_open() -> None:
    never = Event()
    async with serve(await first_then(CHUNKED + chunk(ONE), never)) as server:
        client = RestClient(server.url, api_version="v1", api_key="k", proxy=False)
        stream = await client.chat.completions.create(**of_chat())
        await client.aclose()
        with fail_after(3):
            await stream.aclose()
