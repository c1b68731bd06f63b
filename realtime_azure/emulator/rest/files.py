"""Files, kept for as long as the emulator runs."""

from __future__ import annotations

import secrets
import time
from typing import Literal

from ..answer import Fields
from .exchange import Answered, Body, Question, Upload, Wrong, answered, missing


class _File(Body):
    file: Upload | None = None
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


async def upload(question: Question) -> Answered:
    body = _File.of(question.asked)
    if body.file is None:
        raise missing("file")
    file: Fields = {
        "object": "file",
        "id": f"file-{secrets.token_hex(12)}",
        "bytes": len(body.file.content),
        "created_at": int(time.time()),
        "filename": body.file.name,
        "purpose": body.purpose,
        "status": "processed",
    }
    question.memory.files[file["id"]] = (file, body.file.content)
    return answered(file)


async def listing(question: Question) -> Answered:
    """The newest first, a page at a time (`limit`, `after`, `order`, `purpose`)."""
    query = question.asked.query
    files = [file for file, _ in question.memory.files.values() if query.get("purpose") in (None, file["purpose"])]
    if query.get("order") != "asc":
        files.reverse()
    ids = [file["id"] for file in files]
    if query.get("after") in ids:
        files = files[ids.index(query["after"]) + 1 :]
    limit = query.get("limit", "10000")
    page = files[: int(limit)] if limit.isdecimal() else files
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return answered({"object": "list", "data": page, **ends, "has_more": len(page) < len(files)})


async def retrieve(question: Question) -> Answered:
    return answered(_found(question)[0])


async def content(question: Question) -> Answered:
    return Answered(200, _found(question)[1], {"content-type": "application/octet-stream"})


async def delete(question: Question) -> Answered:
    file, _ = _found(question)
    del question.memory.files[file["id"]]
    return answered({"object": "file", "id": file["id"], "deleted": True})


def _found(question: Question) -> tuple[Fields, bytes]:
    (file_id,) = question.names
    found = question.memory.files.get(file_id)
    if found is None:
        raise Wrong(404, "not_found", f"No such File object: {file_id}", "id")
    return found
