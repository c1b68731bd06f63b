"""The benchmarks run: what they measure depends on the machine, and is looked at by people."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["emulator_sessions", "2", "--seconds", "0.5"], r" 2 sessions: +\d+% of a core, late by -?\d+ ms"),
        (["rest_cpu", "--tokens", "20", "--rounds", "1", "--calls", "20"], r"ours, trio +\d+\.\d µs"),
    ],
    ids=["emulator_sessions", "rest_cpu"],
)
def test_a_benchmark_runs(arguments: list[str], says: str) -> None:
    module, *rest = arguments
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *rest]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert re.search(says, ran.stdout), ran.stdout
