"""Every field is said to be something: in its class, in a parent, or, where several classes have it, in its module."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from types import ModuleType

import pytest
from pydantic import BaseModel

from realtime_azure.events import client, parts, server, settings, voice_live

BASE = import_module("realtime_azure.events._base")

SHARED: dict[ModuleType, tuple[ModuleType, ...]] = {
    settings: (),
    parts: (),
    client: (),
    server: (),
    voice_live: (server, client, settings, parts),  # whose names it has, as its docstring says
}


def models(module: ModuleType) -> list[type[BaseModel]]:
    return [
        made
        for made in vars(module).values()
        if inspect.isclass(made) and issubclass(made, BaseModel) and made.__module__ == module.__name__
    ]


CASES = [pytest.param(module, made, id=made.__name__) for module in SHARED for made in models(module)]


@pytest.mark.parametrize(("module", "made"), CASES)
def test_every_field_is_documented(module: ModuleType, made: type[BaseModel]) -> None:
    classes = [each for each in made.__mro__ if each.__module__.startswith("realtime_azure")]
    said = " ".join(each.__doc__ or "" for each in (*classes, module, BASE, *SHARED[module]))
    assert [name for name in made.model_fields if not re.search(rf"\b{name}\b", said)] == []


@pytest.mark.parametrize("module", SHARED, ids=lambda module: module.__name__)
def test_every_room_says_where_its_facts_are_from(module: ModuleType) -> None:
    assert re.search(r"\bSources?: ", module.__doc__ or "")
