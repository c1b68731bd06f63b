"""A service group stays out of the way: what the body raises is what comes out."""

from __future__ import annotations

import gc
import sys
import weakref
from contextlib import suppress

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, sleep_forever
from anyio.lowlevel import checkpoint

from realtime_azure._tasks import service_group

pytestmark = pytest.mark.anyio


class Stop(BaseException):
    """Something like a KeyboardInterrupt."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mine"),
        Stop(),
        StopAsyncIteration(),
        StopIteration(),
        ExceptionGroup("mine", [ValueError("one")]),
        BaseExceptionGroup("mine", [Stop(), ValueError("two")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_the_body_raises_comes_out_as_the_same_object(error: BaseException) -> None:
    with fail_after(5), pytest.raises(type(error)) as caught:  # noqa: PT012 - the block is what is tested
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            await checkpoint()
            raise error
    assert caught.value is error
    assert error.__cause__ is None


async def test_the_tasks_are_cancelled_when_the_body_is_left() -> None:
    ended: list[str] = []

    async def serve(name: str) -> None:
        try:
            await sleep_forever()
        finally:
            ended.append(name)

    with fail_after(5):
        async with service_group() as tasks:
            tasks.start_soon(serve, "one")
            tasks.start_soon(serve, "two")
            await checkpoint()
            assert ended == []
    assert sorted(ended) == ["one", "two"]


async def test_the_body_is_cancelled_when_a_task_is_interrupted_and_the_interrupt_comes_out_bare(
    anyio_backend: str,
) -> None:
    """Trio raises a Ctrl-C in whatever task runs, ours too; asyncio stops the loop instead."""
    interrupt = KeyboardInterrupt() if anyio_backend == "trio" else Stop()

    async def interrupted() -> None:
        raise interrupt

    with fail_after(5), pytest.raises(type(interrupt)) as caught:  # noqa: PT012 - the block is what is tested
        async with service_group() as tasks:
            tasks.start_soon(interrupted)
            await sleep_forever()
    assert caught.value is interrupt


async def test_an_interrupt_comes_out_bare_though_an_outer_scope_is_cancelled() -> None:
    ready = Event()

    async def interrupted() -> None:
        ready.set()
        try:
            await sleep_forever()
        finally:
            raise Stop

    with fail_after(5), pytest.raises(Stop), CancelScope() as outer:  # noqa: PT012 - the block is what is tested
        async with service_group() as tasks:
            tasks.start_soon(interrupted)
            await ready.wait()
            outer.cancel()
            await sleep_forever()


async def test_an_outer_cancellation_goes_through() -> None:
    reached = False
    with fail_after(5), CancelScope() as outer:
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            outer.cancel()
            await sleep_forever()
        reached = True
    assert outer.cancelled_caught
    assert not reached


async def test_an_outer_cancellation_that_the_body_did_not_notice_goes_through() -> None:
    with fail_after(5), CancelScope() as outer:
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            outer.cancel()
        await checkpoint()
    assert outer.cancelled_caught


async def test_the_bodys_error_survives_an_outer_cancellation() -> None:
    """Leaving a task group is a checkpoint, which would raise Cancelled in place of the error."""
    error = ValueError("mine")
    with fail_after(5), pytest.raises(ValueError, match="mine") as caught, CancelScope() as outer:  # noqa: PT012 - the block is what is tested
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            outer.cancel()
            raise error
    assert caught.value is error
    await checkpoint()  # and no cancellation is left over for what comes next


async def test_the_bodys_error_survives_the_cancellation_of_a_neighbour(anyio_backend: str) -> None:
    error = ValueError("mine")

    async def body() -> None:
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            neighbours.cancel_scope.cancel()
            raise error

    with fail_after(5), pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the block is what is tested
        async with create_task_group() as neighbours:
            neighbours.start_soon(sleep_forever)
            neighbours.start_soon(body)
    assert caught.value.exceptions == (error,)
    if anyio_backend == "asyncio":
        import asyncio  # noqa: PLC0415 - only here

        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_a_cancelled_body_inside_the_group_is_the_bodys_own_affair() -> None:
    with fail_after(5):
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            with CancelScope() as inner:
                inner.cancel()
                await sleep_forever()
            await checkpoint()
    assert inner.cancelled_caught


class Thing:
    """Something large in the body's frame."""


async def test_an_error_frees_the_bodys_frame_without_the_garbage_collector() -> None:
    things: list[weakref.ref[Thing]] = []

    async def body() -> None:
        thing = Thing()
        things.append(weakref.ref(thing))
        async with service_group() as tasks:
            tasks.start_soon(sleep_forever)
            await checkpoint()
            raise Stop

    gc.collect()
    gc.disable()
    try:
        with suppress(Stop):
            await body()
        await checkpoint()
        assert sys.exc_info() == (None, None, None)
        assert things[0]() is None
    finally:
        gc.enable()
