"""What the tests of the commands that ask over HTTP have in common: running them, and whom they ask."""

from __future__ import annotations

import json
import math
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from realtime_azure import emulator
from realtime_azure.cli import main
from realtime_azure.emulator import Responder

from . import COMMAND, ROOT, environment

KEY = "the-key-of-the-tests"
PATIENCE = 30.0
ESCAPE = "\x1b]0;owned\x07"


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr, behind the command's name."""
        assert self.err.startswith("realtime-azure ")
        assert self.err.count("\n") == 1, self.err
        return self.err.partition(": ")[2].rstrip("\n")


Run = Callable[..., Outcome]


def runner(command: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """What runs *command* in this process."""

    def run(*arguments: str | Path) -> Outcome:
        try:
            code = main([command, *map(str, arguments)])
        except SystemExit as exc:  # argparse's way of refusing
            code = int(exc.code or 0)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


def start(*arguments: str | Path, stdin: int | None = subprocess.DEVNULL, **variables: str) -> subprocess.Popen[bytes]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes], given: bytes | None = None) -> Outcome:
    out, err = process.communicate(given, timeout=PATIENCE)
    return Outcome(process.returncode, out.decode(), err.decode())


def variables_for(url: str) -> dict[str, str]:
    """The environment of somebody whose resource is at *url*."""
    return {
        "AZURE_OPENAI_ENDPOINT": url,
        "AZURE_OPENAI_API_KEY": KEY,
        "AZURE_OPENAI_DEPLOYMENT_NAME": "mine",
        "OPENAI_API_VERSION": "v1",
    }


@contextmanager
def emulated(monkeypatch: pytest.MonkeyPatch, responder: Responder | None = None) -> Generator[None]:
    """Configures an emulator, which runs in another thread and has the deployment `mine`."""
    serve = emulator.serve(api_key=KEY, deployments=["mine"], responder=responder, pace=math.inf)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve) as service:
        for name, value in variables_for(service.url).items():
            monkeypatch.setenv(name, value)
        yield


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Scripted:
    """A service that gives *answers*, one to each request, and hangs up after each; none left, it only hangs up."""

    url: str
    answers: list[bytes]
    asked: list[Asked] = field(default_factory=list[Asked])


@contextmanager
def scripted(monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> Generator[Scripted]:
    """Configures a service that gives *answers*."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            service.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.close_connection = True
            if service.answers:
                self.wfile.write(service.answers.pop(0))

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    service = Scripted(f"http://127.0.0.1:{server.server_port}", list(answers))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        for name, value in variables_for(service.url).items():
            monkeypatch.setenv(name, value)
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(body: bytes | str, kind: str = "application/json", status: str = "200 OK", *, missing: int = 0) -> bytes:
    """An answer over HTTP, of whose length *missing* bytes do not come."""
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content) + missing}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + content


def events(said: Iterable[Any], *, done: bool = True) -> bytes:
    """An answer that is a stream of JSON."""
    lines = [f"data: {json.dumps(each)}\n\n" for each in said]
    return answer("".join([*lines, *(["data: [DONE]\n\n"] if done else [])]), "text/event-stream")


def refusal(status: str, message: str) -> bytes:
    return answer(json.dumps({"error": {"code": "the_code", "message": message}}), status=status)
