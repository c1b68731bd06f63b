"""Models, which are the deployments."""

from __future__ import annotations

import time

from ..answer import Fields
from .exchange import Answered, Question, Wrong, answered

_STARTED = int(time.time())


async def listing(question: Question) -> Answered:
    """Where any deployment will do, none is listed."""
    return answered({"object": "list", "data": [_model(name) for name in question.house.door.deployments]})


async def retrieve(question: Question) -> Answered:
    (name,) = question.names
    if not question.house.door.has(name):
        raise Wrong(404, "model_not_found", f"The model '{name}' does not exist", "model")
    return answered(_model(name))


def _model(name: str) -> Fields:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "emulator"}
