"""Files that are kept at the resource: for batches, fine-tuning, assistants."""

import builtins
from collections.abc import Mapping
from typing import Any, Literal, Unpack

from pydantic import Field

from .call import Caller, CallOptions, Verb, given
from .result import Result
from .upload import File

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"] | str


class FileObject(Result):
    """What is known of a file: *bytes* is its size, times are seconds since 1970."""

    id: str | None = None
    object: str | None = None
    bytes: int | None = None
    created_at: int | None = None
    expires_at: int | None = None
    filename: str | None = None
    purpose: Purpose | None = None
    status: str | None = None
    status_details: str | None = None


class FileObjects(Result):
    """A page of files, in *data*; with *has_more*, the next is after *last_id*."""

    object: str | None = None
    data: list[FileObject] = Field(default_factory=list[FileObject])
    has_more: bool | None = None
    first_id: str | None = None
    last_id: str | None = None


class FileDeleted(Result):
    """Whether the file *id* is gone."""

    id: str | None = None
    object: str | None = None
    deleted: bool | None = None


class FileOptions(CallOptions, total=False):
    """*expires_after* is `{"anchor": "created_at", "seconds": …}`."""

    expires_after: Mapping[str, Any]


_CREATE = Verb("files", FileOptions)
_LIST = Verb("files", method="GET")
_ONE = Verb("files/{file_id}", method="GET")
_DELETE = Verb("files/{file_id}", method="DELETE")
_CONTENT = Verb("files/{file_id}/content", method="GET")


class Files:
    """`client.files`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(self, *, file: File, purpose: Purpose, **options: Unpack[FileOptions]) -> FileObject:
        """Uploads *file*, a path, bytes or an open file, for *purpose*. Raises `OSError` and `ConnectError`."""
        return await self._caller.result(
            _CREATE, FileObject, options, form={"purpose": purpose}, files=[("file", file)]
        )

    async def list(
        self,
        *,
        purpose: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        **options: Unpack[CallOptions],
    ) -> FileObjects:
        """The files that are there, a page of them: at most *limit*, those *after* an id. Raises `ConnectError`."""
        asked = given(purpose=purpose, limit=limit, after=after, order=order)
        query = {**{name: str(value) for name, value in asked.items()}, **options.get("extra_query", {})}
        return await self._caller.result(_LIST, FileObjects, {**options, "extra_query": query})

    async def retrieve(self, file_id: str, **options: Unpack[CallOptions]) -> FileObject:
        """What is known of the file. Raises `ConnectError`, of which `NotFound` is one."""
        return await self._caller.result(_ONE.of(file_id=file_id), FileObject, options)

    async def content(self, file_id: str, **options: Unpack[CallOptions]) -> builtins.bytes:
        """What is in the file. Raises `ConnectError`."""
        return await self._caller.result(_CONTENT.of(file_id=file_id), builtins.bytes, options)

    async def delete(self, file_id: str, **options: Unpack[CallOptions]) -> FileDeleted:
        """Deletes the file. Raises `ConnectError`."""
        return await self._caller.result(_DELETE.of(file_id=file_id), FileDeleted, options)
