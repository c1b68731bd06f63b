"""Models: what the resource could deploy. (The list of its deployments is the management plane's, not asked here.)"""

from typing import Unpack

from pydantic import Field

from .call import Caller, CallOptions, Verb
from .result import Result


class Model(Result):
    """A model; *capabilities* say what for, *lifecycle_status* and *deprecation* how long."""

    id: str | None = None
    object: str | None = None
    created: int | None = None
    created_at: int | None = None
    owned_by: str | None = None
    status: str | None = None
    capabilities: dict[str, bool | None] | None = None
    lifecycle_status: str | None = None
    deprecation: dict[str, int | None] | None = None
    model: str | None = None
    """What it was made of, if it was fine-tuned."""


class Models(Result):
    """All of them, in *data*."""

    object: str | None = None
    data: list[Model] = Field(default_factory=list[Model])


_LIST = Verb("models", method="GET")
_RETRIEVE = Verb("models/{model}", method="GET")


class ModelsVerbs:
    """`client.models`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self, **options: Unpack[CallOptions]) -> Models:
        """The models that the resource could deploy. Raises `ConnectError`."""
        return await self._caller.result(_LIST, Models, options)

    async def retrieve(self, model: str, **options: Unpack[CallOptions]) -> Model:
        """The model *model*. Raises `ConnectError`, of which `NotFound` is one."""
        return await self._caller.result(_RETRIEVE.of(model=model), Model, options)
