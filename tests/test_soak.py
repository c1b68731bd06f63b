"""A short soak (`soak.py` is the long one): what was opened is closed, and what was made is gone."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Generator

import pytest
from anyio import fail_after, wait_all_tasks_blocked

from . import soak

pytestmark = pytest.mark.anyio

UNDER_WAY = 5
"""Objects of one class, more or less, when one looks. What each connection or response kept would be 45 and more."""


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Generator[None]:
    """What is there already need not be looked at each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def port() -> Generator[int]:
    """Where the server of `soak.py` listens; when it has stopped, as much is open as was before."""
    held = descriptors()
    server = soak.RawServer()
    yield server.port
    server.stop()
    assert descriptors() == held


def descriptors() -> int:
    """How many files and sockets this process holds; 0 where the system does not say."""
    return soak.descriptors() if sys.platform == "linux" else 0


def ours() -> Counter[str]:
    """How many objects there are of each class of this package, and of those below it that the server does not use."""
    gc.collect()
    kinds = Counter(type(thing) for thing in gc.get_objects())
    return Counter(
        {
            f"{kind.__module__}.{kind.__qualname__}": count
            for kind, count in kinds.items()
            if str(kind.__module__).startswith(("realtime_azure", "websockets.client", "anyio"))  # C's may be no text
        }
    )


def grown(samples: list[Counter[str]]) -> dict[str, int]:
    """What there was more of at the end than at the beginning; what is just under way does not count."""
    return {kind: count for kind, count in (samples[-1] - samples[0]).items() if count > UNDER_WAY}


async def warmed(port: int) -> None:
    """What is made once and kept, is made."""
    await soak.cycles(port, soak.TENTHS * soak.AT_ONCE, lambda _: None)
    await wait_all_tasks_blocked()


async def test_connections_leave_nothing_behind(port: int) -> None:
    samples: list[Counter[str]] = []
    with fail_after(60):  # looking at all objects takes its time on a busy machine
        await warmed(port)
        await soak.cycles(port, 2 * soak.TENTHS * soak.AT_ONCE, lambda _: samples.append(ours()))
    assert len(samples) == soak.TENTHS
    assert grown(samples) == {}


async def test_events_leave_nothing_behind(port: int) -> None:
    samples: list[Counter[str]] = []
    with fail_after(60):  # looking at all objects takes its time on a busy machine
        await warmed(port)
        await soak.session(port, 5000, lambda _: samples.append(ours()))
    assert len(samples) == soak.TENTHS
    assert grown(samples) == {}


@pytest.mark.parametrize(
    ("memory", "held", "complaint"),
    [
        ([10, 11, 11, 11], [5, 5, 5, 5], []),
        ([10, 11, 11, 16], [5, 5, 5, 5], ["memory grew by 5.2 MB"]),
        ([10, 11, 11, 11], [5, 5, 5, 6], ["descriptors went from 5 to 6"]),
    ],
)
def test_what_grows_is_complained_of(memory: list[int], held: list[int], complaint: list[str]) -> None:
    samples = [soak.Sample(size << 20, count) for size, count in zip(memory, held, strict=True)]
    assert soak.complaints(samples) == complaint
