"""The README keeps what it promises: its commands can be pasted, its code runs, and what it names is there."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import realtime_azure
from realtime_azure._version import __version__
from realtime_azure.cli import main

from .cli import ROOT, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SET_UP = "python3 -m venv --without-pip .venv && python3 -m pip --python .venv/bin/python install"
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "sh"]
PYTHON = [block for language, block in BLOCKS if language == "python"]
PROSE = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
QUOTED: list[str] = re.findall(r"`([^`\n]+)`", PROSE)


SHOWN = ("ask", "emulate", "events", "record", "chat", "speak", "transcribe", "models")


def commands() -> list[list[str]]:
    """What is behind `realtime-azure` wherever the README runs it."""
    lines = [*"\n".join(SHELL).splitlines(), *QUOTED]
    found = [re.search(rf"(?:^|[ /])realtime-azure ((?:{'|'.join(SHOWN)})\b[^#`]*)", line) for line in lines]
    return [shlex.split(match[1]) for match in found if match]


COMMANDS = commands()


def variables(text: str) -> set[str]:
    return set(re.findall(r"\b(?:AZURE_)?OPENAI_[A-Z_]+\b", text))


def names_of_the_package() -> set[str]:
    """Every public name that a module of the package has."""
    names = set(dir(realtime_azure))
    for module in pkgutil.walk_packages(realtime_azure.__path__, "realtime_azure."):
        if not module.name.rpartition(".")[2].startswith("_"):
            names |= set(dir(importlib.import_module(module.name)))
    return names


# The two commands


def test_each_of_the_two_commands_is_one_line_that_does_all_the_set_up() -> None:
    ask, test = SHELL[:2]
    for block in (ask, test):
        assert block.count("\n") == 1
        assert block.startswith(f"{SET_UP} ")
        assert not re.search(r"\b(uv|activate|sudo|apt)\b", block)


def test_the_first_command_asks_a_recording_that_is_there() -> None:
    command, question, *options = shlex.split(SHELL[0].partition(".venv/bin/realtime-azure ")[2])
    assert command == "ask"
    assert question.startswith("audio_samples/")
    assert (ROOT / question).is_file()
    assert options[:2] == ["-o", "answer.wav"]


def test_the_second_command_runs_the_tests() -> None:
    install, run = SHELL[1].removeprefix(SET_UP).split("&&")
    assert "[test]" in install
    assert run.split()[:3] == [".venv/bin/python", "-m", "pytest"]


# Code


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.strip().splitlines()[0])
def test_the_code_compiles(block: str) -> None:
    compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.strip().splitlines()[0])
def test_what_the_code_imports_from_here_is_there(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "realtime_azure":
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


PROGRAMS = [block for block in PYTHON if "anyio.run(main" in block]


def test_there_is_a_program_for_connections_and_one_for_requests() -> None:
    assert ["connect" in program for program in PROGRAMS] == [True, False]
    assert ["RestClient" in program for program in PROGRAMS] == [False, True]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    assert "serve()" in program  # else it would need an account
    (tmp_path / "audio_samples").symlink_to(ROOT / "audio_samples")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "emulator" in done.stdout


# What it names


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:|#)([^)#]+)", README))))
def test_what_it_links_to_is_there(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_files_it_names_are_there() -> None:
    named = {word for text in [*QUOTED, *SHELL] for word in re.findall(r"[\w./-]+", text)}
    ours = ("audio_samples/", "examples/", "tests/", "realtime_azure/", ".ci/", "docs/")
    paths = {name for name in named if name.startswith(ours)}
    paths |= {f"examples/{name}" for name in named if re.fullmatch(r"\w+\.py", name)}
    assert ".ci/run" in paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_it_shows_are_understood(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--help` behind it a command is read up to there and not run; an option it does not have is refused."""
    for option in (word.partition("=")[0] for word in command if word.startswith("-")):
        with pytest.raises(SystemExit) as ended:
            main([command[0], "--help"])
        assert ended.value.code == 0
        assert re.search(rf"(^|[ ,\[]){re.escape(option)}\b", capsys.readouterr().out)


def test_it_shows_the_commands() -> None:
    assert {command[0] for command in COMMANDS} == set(SHOWN)


@pytest.mark.parametrize("option", sorted(set(re.findall(r"(?<![\w|-])--[a-z][a-z-]*", PROSE))))
def test_the_options_it_speaks_of_are_there(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    if option in {"--extra", "--python"}:  # uv's and pip's
        return
    helped = ""
    for command in SHOWN:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        helped += capsys.readouterr().out
    assert option in helped


def test_the_extras_it_names_are_there() -> None:
    named = {
        extra for names in re.findall(r"(?:realtime-azure|'\.)\[([\w,-]+)\]", README) for extra in names.split(",")
    }
    named |= set(re.findall(r"--extra (\S+?)\b", README))
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_the_classes_it_names_are_there() -> None:
    words = {word for text in QUOTED for word in re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", text)}
    assert words
    assert words <= names_of_the_package()


def test_the_variables_it_names_are_read() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(realtime_azure.__path__[0]).rglob("*.py"))
    assert {"AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"} <= variables(README)
    assert variables(README) <= variables(sources)


def test_the_exit_codes_are_those_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    codes = set(re.findall(r"\b\d+\b", capsys.readouterr().out.partition("exit codes")[2]))
    sentence = re.search(r"exits? with [^.]*", PROSE)
    assert sentence is not None
    assert set(re.findall(r"\b\d+\b", sentence[0])) == codes == {"0", "2", "3", "4", "130"}


def test_the_changelog_speaks_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", changelog, re.MULTILINE)


def test_the_project_says_what_it_needs() -> None:
    assert PROJECT["requires-python"] == ">=3.11"
    assert re.search(r"Python 3\.11 or later", README)
    assert PROJECT["scripts"]["realtime-azure"] == "realtime_azure.cli:main"
