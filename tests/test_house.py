"""The house rules that a machine can check: who imports whom, what the front door opens, what documents promise."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realtime_azure
from realtime_azure import errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "realtime_azure"

# The rooms and their floors. A module that is not named belongs to the nearest room around it.
FLOORS = {
    "realtime_azure": 8,  # the front door itself
    "realtime_azure.__main__": 8,
    "realtime_azure.cli": 8,
    "realtime_azure.testing": 7,
    "realtime_azure.emulator": 6,
    "realtime_azure.reconnect": 5,
    "realtime_azure.session": 5,
    "realtime_azure.connection": 4,
    "realtime_azure.verbs": 4,
    "realtime_azure._dial": 3,
    "realtime_azure._handshake": 3,
    "realtime_azure._proxy": 3,
    "realtime_azure._websocket": 3,
    "realtime_azure.audio.devices": 3,
    "realtime_azure.rest": 3,
    "realtime_azure.streams": 3,
    "realtime_azure.backoff": 2,
    "realtime_azure.calls": 2,
    "realtime_azure.conversation": 2,
    "realtime_azure.playback": 2,
    "realtime_azure.tools": 2,
    "realtime_azure.audio": 1,
    "realtime_azure.auth": 1,
    "realtime_azure.endpoint": 1,
    "realtime_azure.events": 1,
    "realtime_azure._reason": 0,
    "realtime_azure._tasks": 0,
    "realtime_azure._version": 0,
    "realtime_azure.errors": 0,
    "realtime_azure.hints": 0,
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module: str) -> str | None:
    while module not in FLOORS:
        module, _, _ = module.rpartition(".")
        # Whoever is in no room is not in the hall either.
        if module in {"realtime_azure", ""}:
            return None
    return module


def imports_of(source: str, module: str, *, package: bool) -> Iterator[str]:
    """Every module that *source* imports anywhere, functions and `if TYPE_CHECKING` included, by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = module.split(".") if package else module.split(".")[:-1]
            above = here[: len(here) - (node.level - 1)] if node.level else []
            target = ".".join([*above, *([node.module] if node.module else [])])
            # `from . import pcm` imports a module, `from .pcm import level` a name of one.
            for alias in node.names:
                inner = f"{target}.{alias.name}"
                yield inner if inner in MODULES or inner in FLOORS else target


def upward(source: str, module: str, *, package: bool) -> list[str]:
    """What *source* imports from floors above its own."""
    floor = FLOORS[room_of(module) or ""]
    ours = (name for name in imports_of(source, module, package=package) if name.split(".")[0] == "realtime_azure")
    return [name for name in ours if FLOORS[room_of(name) or ""] > floor]


def test_there_is_a_house() -> None:
    assert {"realtime_azure", "realtime_azure.events.wire", "realtime_azure.connection"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_in_a_room(module: str) -> None:
    assert room_of(module), (
        f"{module} is on no floor: give it one in FLOORS, and in the map in realtime_azure's docstring"
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_floor_or_below(module: str) -> None:
    path = MODULES[module]
    assert upward(path.read_text("utf-8"), module, package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ..connection import connect", ["realtime_azure.connection"]),
        ("from .. import connection, errors", ["realtime_azure.connection"]),
        ("from .. import connect", ["realtime_azure"]),
        ("import realtime_azure.connection", ["realtime_azure.connection"]),
        ("from realtime_azure import connect", ["realtime_azure"]),
        ("def f():\n    from ..emulator import serve", ["realtime_azure.emulator"]),
        ("if TYPE_CHECKING:\n    from ..streams import EventStream", ["realtime_azure.streams"]),
        ("from ..audio.devices import microphone", ["realtime_azure.audio.devices"]),
        ("from ..audio import wav\nfrom . import parts\nfrom ..errors import InvalidEvent\nimport json", []),
    ],
)
def test_an_import_from_above_would_be_found(source: str, found: list[str]) -> None:
    assert upward(source, "realtime_azure.events.wire", package=False) == found


def test_no_module_imports_an_event_loop() -> None:
    """anyio is the only one who knows which loop runs."""
    guilty = [
        (module, name)
        for module, path in MODULES.items()
        for name in imports_of(path.read_text("utf-8"), module, package=path.name == "__init__.py")
        if name.split(".")[0] in {"asyncio", "trio"}
    ]
    assert guilty == []


# The front door.


def test_opening_the_front_door_opens_no_other() -> None:
    """What is imported by name, and what is heavy, is not imported by `import realtime_azure`."""
    code = "import json, sys, realtime_azure; print(json.dumps(list(sys.modules)))"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=True, cwd=ROOT)
    loaded: list[str] = json.loads(ran.stdout)
    assert "realtime_azure.connection" in loaded
    shut = (
        *("azure.identity", "azure.core", "httpx2", "httpx", "openai", "rich", "numpy", "trio", "pytest"),
        *(f"realtime_azure.{room}" for room in ("emulator", "cli", "testing", "rest", "audio.devices", "__main__")),
    )
    assert [name for name in loaded if any(name == room or name.startswith(f"{room}.") for room in shut)] == []


def listed(path: Path) -> bool:
    tree = ast.parse(path.read_text("utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


WITH_ALL = [module for module, path in MODULES.items() if listed(path)]


def test_the_front_door_and_the_events_are_listed() -> None:
    assert {"realtime_azure", "realtime_azure.events"} <= set(WITH_ALL)


@pytest.mark.parametrize("module", WITH_ALL)
def test_every_name_in_all_exists_and_is_there_once(module: str) -> None:
    room = importlib.import_module(module)
    names: list[str] = room.__all__
    assert [name for name in names if not hasattr(room, name)] == []
    assert sorted(names) == sorted(set(names))


def test_the_version_is_a_literal() -> None:
    version = (PACKAGE / "_version.py").read_text("utf-8")
    assert version.strip() == f'__version__ = "{realtime_azure.__version__}"'
    assert re.fullmatch(r"0\.\d+\.\d+\S*", realtime_azure.__version__)


def documented(name: str, thing: Any) -> bool:
    # A dataclass without words of its own gets its signature for a docstring.
    doc = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    return bool(doc and doc.strip() and not doc.startswith(f"{name}("))


def promised() -> Iterator[tuple[str, Any]]:
    """Every function and class of the front door, and every public method and property of its classes."""
    for name in realtime_azure.__all__:
        thing = getattr(realtime_azure, name)
        if isinstance(thing, type) or callable(thing):
            yield name, thing
        if isinstance(thing, type):
            for member, value in vars(thing).items():
                plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
                if not member.startswith("_") and (inspect.isfunction(plain) or isinstance(plain, property)):
                    yield f"{name}.{member}", plain


def test_everything_at_the_front_door_says_what_it_is() -> None:
    things = dict(promised())
    assert {"connect", "Connection", "Connection.send", "Endpoint.resolve", "StatusError"} <= set(things)
    silent = [name for name, thing in things.items() if not documented(name, thing)]
    assert silent == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_why_it_is_there(module: str) -> None:
    path = MODULES[module]
    assert path.name == "_version.py" or ast.get_docstring(ast.parse(path.read_text("utf-8")))


# The tree of errors.


def drawn(docstring: str) -> list[tuple[str, int]]:
    """The tree as it is drawn: each name and how deep it hangs."""
    lines = re.findall(r"^((?: |│)*)(├── |└── )?([A-Z]\w+)(?:  .*)?$", docstring, flags=re.MULTILINE)
    return [(name, (len(before) - 4) // 4 + bool(branch)) for before, branch, name in lines if before[:4] == "    "]


def grown(error: type[BaseException], depth: int = 0) -> Iterator[tuple[str, int]]:
    """The tree as it is, in the order of the source."""
    yield error.__name__, depth
    ours = [thing for thing in vars(errors).values() if isinstance(thing, type) and thing.__module__ == errors.__name__]
    for child in ours:
        if error in child.__bases__:
            yield from grown(child, depth + 1)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    tree = drawn(errors.__doc__ or "")
    assert tree == list(grown(errors.RealtimeError))
    assert len(tree) > 5


def test_every_error_hangs_on_the_tree_and_is_at_the_front_door() -> None:
    raised = {
        name
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, BaseException) and thing.__module__ == errors.__name__
    }
    assert raised == {name for name, _ in grown(errors.RealtimeError)}
    assert raised <= set(realtime_azure.__all__)


# Nothing of the machine on which it was written.

TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".jsonl", ".sh", ".cfg", ".ini", ""}
ELSEWHERE = re.compile(r"(?<![\w.~:/-])(?:/(?:root|work|home|Users|mnt)/\w|[A-Z]:\\Users\\)")


def texts() -> Iterator[Path]:
    for top in ROOT.iterdir():
        if top.is_file() and top.suffix in TEXT and top.name != ".git":  # a worktree has one, with its place
            yield top
        elif top.name in {"realtime_azure", "tests", "examples", "audio_samples", ".ci", ".github"}:
            yield from (
                path
                for path in top.rglob("*")
                if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts
            )


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    files = list(texts())
    assert Path(__file__).resolve() in [path.resolve() for path in files]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if ELSEWHERE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ["open('/{}/main/x')", "see /{}/me", "path=/{}/x", '"/{}/a"'])
@pytest.mark.parametrize("place", ["root", "work", "home"])
def test_a_place_on_somebodys_machine_would_be_found(line: str, place: str) -> None:
    assert ELSEWHERE.search(line.format(place))
    assert not ELSEWHERE.search(f"https://example.com/{place}/x")
