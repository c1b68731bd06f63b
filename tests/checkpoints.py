"""An operation that is cancelled at each of its checkpoints, one after the other, in one way or another.

A checkpoint is where a task lets others run. A `Probe` sees those of an operation, in its own task and in those that
it starts, and strikes at one of them: as a task begins to wait there, or as what it waits for has come. On asyncio,
coroutines are stepped through; on trio, its own instrument does it. What is struck does not know.

    for probe in each_checkpoint(Moment.READY, least=2):
        await by_scope(operation, probe)
        ...  # what must hold, wherever it was cancelled
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count
from math import inf
from typing import Any

import pytest
import trio
from anyio import CancelScope, Event, create_task_group, current_time, fail_after
from anyio.lowlevel import checkpoint

Operation = Callable[[], Coroutine[Any, Any, None]]


class Moment(Enum):
    """When, at a checkpoint."""

    WAITING = "as it begins to wait"
    READY = "as what it waits for has come, before it runs again"


@dataclass(eq=False)
class Probe:
    """Calls *strike* at the checkpoint number *at* of the operation that it watches."""

    at: int
    moment: Moment
    strike: Callable[[], object] = print
    armed: bool = True
    """While it is not, checkpoints do not count."""
    passed: int = 0
    finished: bool = False
    """Whether the operation came to its end."""

    @property
    def struck(self) -> bool:
        return self.passed >= self.at

    def passes(self, moment: Moment) -> None:
        """One of the operation's tasks is at a checkpoint."""
        if not self.armed or moment is not self.moment:
            return
        self.passed += 1
        if self.passed == self.at:
            self.strike()

    def is_ready(self, _: object = None) -> None:
        self.passes(Moment.READY)

    async def watch(self, operation: Operation) -> None:
        """Runs *operation* in this task."""
        token = _PROBE.set(self)
        try:
            if _on_asyncio():
                with _new_tasks_are_watched():
                    await _stepped(operation(), self)
            else:
                trio.lowlevel.add_instrument(_INSTRUMENT)
                try:
                    await operation()
                finally:
                    trio.lowlevel.remove_instrument(_INSTRUMENT)
            self.finished = True
        finally:
            self.armed = False
            _PROBE.reset(token)


_PROBE: ContextVar[Probe | None] = ContextVar("probe", default=None)
"""Whose checkpoints are those of a task: tasks have it from the one that starts them."""


def each_checkpoint(moment: Moment, *, least: int) -> Iterator[Probe]:
    """Probes for the first checkpoint, the second, …, until there was no such one; there must be *least*."""
    for at in count(1):
        probe = Probe(at, moment)
        print(f"checkpoint {at}, {moment.value}")  # pytest shows it if the test fails there
        yield probe
        if not probe.struck:
            assert at > least, f"only {at - 1} checkpoints were seen"
            return


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@types.coroutine
def _stepped(coroutine: Coroutine[Any, Any, Any], probe: Probe) -> Generator[Any, None, Any]:
    """Runs *coroutine* and shows each of its waits to *probe*."""
    step: Callable[[], Any] = partial(coroutine.send, None)
    while True:
        try:
            awaited = step()
        except StopIteration as end:
            return end.value
        # Both are called before the task itself is woken: whoever asks first is called first.
        if awaited is None:
            asyncio.get_running_loop().call_soon(probe.is_ready)
        else:
            awaited.add_done_callback(probe.is_ready)
        probe.passes(Moment.WAITING)
        try:
            yield awaited
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as exc:  # noqa: BLE001 - raised in the coroutine
            step = partial(coroutine.throw, exc)
        else:
            step = partial(coroutine.send, None)


async def _watched_task(coroutine: Coroutine[Any, Any, Any], probe: Probe) -> Any:
    return await _stepped(coroutine, probe)


@contextmanager
def _new_tasks_are_watched() -> Generator[None]:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        probe = _PROBE.get()
        return asyncio.Task(coroutine if probe is None else _watched_task(coroutine, probe), loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield
    finally:
        loop.set_task_factory(before)


class _Instrument(trio.abc.Instrument):
    """Trio's: it is called around each step of each task."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._passes(task, Moment.READY)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._passes(task, Moment.WAITING)

    def _passes(self, task: trio.lowlevel.Task, moment: Moment) -> None:
        probe = task.context.get(_PROBE)
        if probe is not None:
            probe.passes(moment)


_INSTRUMENT = _Instrument()


# Ways to cancel. Each runs the operation, and fails where the cancellation is swallowed, or what comes out is not
# what it should be.

Way = Callable[[Operation, Probe], Awaitable[None]]


async def by_scope(operation: Operation, probe: Probe) -> None:
    """A cancel scope around it."""
    with CancelScope() as scope:
        probe.strike = scope.cancel
        await probe.watch(operation)
        await checkpoint()
    assert scope.cancelled_caught == probe.struck


async def by_deadline(operation: Operation, probe: Probe) -> None:
    """A time limit around it, which it exceeds just there."""

    def strike() -> None:
        scope.deadline = current_time()

    error: BaseException | None = None
    try:
        with fail_after(inf) as scope:
            probe.strike = strike
            await probe.watch(operation)
            await _until_struck_down(probe)
    except TimeoutError as exc:
        error = exc
    assert (error is not None) == probe.struck


async def _until_struck_down(probe: Probe) -> None:
    """Gives what was struck the time to fall."""
    for _ in range(10 if probe.struck else 0):
        await checkpoint()


class Crash(Exception):
    """A neighbour's."""


async def by_crash(operation: Operation, probe: Probe) -> None:
    """Another task of the same group, which crashes."""
    event = Event()
    crash = Crash()

    async def neighbour() -> None:
        await event.wait()
        raise crash

    probe.strike = event.set
    errors: tuple[Exception, ...] = ()
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(neighbour)
            await probe.watch(operation)
            if not probe.struck:
                tasks.cancel_scope.cancel()
    except ExceptionGroup as group:
        errors = group.exceptions
    assert errors == ((crash,) if probe.struck else ())


async def by_asyncio(operation: Operation, probe: Probe) -> None:
    """`task.cancel()`, of asyncio alone: it takes no notice of shields, and comes even if what was awaited has come."""
    task = asyncio.create_task(probe.watch(operation))
    probe.strike = task.cancel
    await asyncio.wait([task])
    if not task.cancelled():
        await task
    assert task.cancelled() == probe.struck


async def by_asyncio_timeout(operation: Operation, probe: Probe) -> None:
    """`asyncio.timeout`, which has to find its own cancellation again."""

    def strike() -> None:
        limit.reschedule(asyncio.get_running_loop().time())

    error: BaseException | None = None
    try:
        async with asyncio.timeout(None) as limit:
            probe.strike = strike
            await probe.watch(operation)
            await _until_struck_down(probe)
    except TimeoutError as exc:
        error = exc
    assert (error is not None) == probe.struck
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


ANYIO_WAYS = [by_scope, by_deadline, by_crash]
ASYNCIO_WAYS = [by_asyncio, by_asyncio_timeout]

in_every_way = pytest.mark.parametrize(
    ("anyio_backend", "way"),
    [("asyncio", way) for way in (*ANYIO_WAYS, *ASYNCIO_WAYS)] + [("trio", way) for way in ANYIO_WAYS],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
at_every_moment = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name.lower())
