"""A task group for tasks that serve the body of an `async with`, and stay out of its way.

When the body is left, the tasks are cancelled. What the body raised comes out as it is, not in an
`ExceptionGroup`, as if there had been no group.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyio import create_task_group, get_cancelled_exc_class
from anyio.abc import TaskGroup


@asynccontextmanager
async def service_group() -> AsyncGenerator[TaskGroup]:
    """A task group whose tasks live as long as the body, and whose body's error comes out bare.

    A task in it should not raise: what went wrong belongs where the body will look for it.
    """
    error: BaseException | None = None
    try:
        async with create_task_group() as tasks:
            try:
                yield tasks
            except get_cancelled_exc_class():
                raise  # the group has to see it
            except BaseException as exc:  # noqa: BLE001 - raised again below
                error = exc
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = error or bare(group)
    finally:
        # In a finally: leaving a task group is a checkpoint, and may raise Cancelled in place of the error.
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame; without this, only the garbage collector frees both


def bare(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What is in *group* beside cancellations when it is one thing (a Ctrl-C that a task of ours caught)."""
    _, others = group.split(get_cancelled_exc_class())
    leaf: BaseException = others or group
    while isinstance(leaf, BaseExceptionGroup) and len(leaf.exceptions) == 1:
        leaf = leaf.exceptions[0]
    return leaf
