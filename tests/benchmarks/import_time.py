"""What importing costs, beside openai: `python tests/benchmarks/import_time.py`.

CPU time (user and system) of a new process that imports the module, less that of one that imports nothing; the
median of alternating rounds. The house rule is at most 45 % of openai's, and 60 % with the REST client; the exit code
says whether it is kept (on the second try at the latest: a machine may be busy).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 15
LIMITS = {"realtime_azure": 0.45, "realtime_azure.rest": 0.60}
MODULES = ("realtime_azure", "realtime_azure.rest", "realtime_azure.emulator", "openai")


def cpu_seconds(statement: str, bytecode: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # What is installed has been compiled; where nothing writes bytecode, only this package would be compiled each time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(bytecode: str) -> list[str]:
    """Prints what each costs; which cost more than they may."""
    # openai imports aiohttp where that is installed, as it is for these tests; by itself it does without.
    alone = "import sys; sys.modules['aiohttp'] = None; import "
    statements = {"": "pass"} | {module: alone + module for module in MODULES}
    times: dict[str, list[float]] = {module: [] for module in statements}
    for statement in statements.values():
        cpu_seconds(statement, bytecode)  # writes the bytecode
    for _ in range(ROUNDS):
        for module, statement in statements.items():
            times[module].append(cpu_seconds(statement, bytecode))
    cost = {module: statistics.median(taken) - statistics.median(times[""]) for module, taken in times.items()}
    for module in MODULES:
        share = cost[module] / cost["openai"]
        print(f"import {module:<26} {cost[module] * 1000:6.0f} ms of CPU  {share:6.1%} of openai")
    return [module for module, limit in LIMITS.items() if cost[module] > limit * cost["openai"]]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as bytecode:
        if measure(bytecode) and (dear := measure(bytecode)):
            sys.exit(f"importing {' and '.join(dear)} costs more than it may: see LIMITS")
