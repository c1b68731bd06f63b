"""Where in a JSON object something cannot be read, and how to take it out, so that the rest can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

Path = tuple[int | str, ...]


def unreadable(fields: Mapping[str, Any], error: ValidationError, *, tagged: bool = False) -> dict[Path, str]:
    """Where *fields* cannot be read, and why; nothing within what cannot be read itself.

    *tagged* says that the first step of each of the error's places is the name of a union's member.
    """
    found: dict[Path, str] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        loc = problem["loc"][tagged:]
        path = path_in(fields, loc)
        found.setdefault(path, f"{'.'.join(map(str, path or loc))}: {problem['msg']}")
    return {path: why for path, why in found.items() if not any(path[:n] in found for n in range(len(path)))}


def path_in(fields: Mapping[str, Any], loc: Iterable[int | str]) -> Path:
    """*loc* as far as it leads through *fields*; pydantic puts the names of union members in between."""
    path: list[int | str] = []
    here: Any = fields
    for step in loc:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(step)
    return tuple(path)


def take_out(fields: dict[str, Any], paths: Iterable[Path]) -> None:
    """Takes what is at *paths* out of *fields*."""
    for path in sorted(paths, reverse=True):  # from the end of each list, so that places stay what they are
        here: Any = fields
        for step in path[:-1]:
            here = here[step]
        del here[path[-1]]
