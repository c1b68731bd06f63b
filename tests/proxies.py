"""Proxies that others wrote, each in a process of its own: proxy.py speaks HTTP, pproxy speaks SOCKS.

What they write is kept: a test that wants to know whether a proxy was used asks the proxy, which has it in its log.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Condition, Thread

import trustme
from anyio import to_thread

PATIENCE = 10.0
"""Seconds for which a process may start, end, or keep a test waiting for its log."""

USER = "user"
PASSWORD = "p@ss:w/örd?"
USERINFO = "user:p%40ss%3Aw%2F%C3%B6rd%3F"
"""Both, as they are in a URL."""
SOCKS_PASSWORD = "p@ss:w/ord?"
SOCKS_USERINFO = "user:p%40ss%3Aw%2Ford%3F"
"""The same for SOCKS, whose proxies know only ASCII."""

# pproxy 2.7.9 wants an event loop that nobody starts for it any more (Python 3.14).
_PPROXY = "import asyncio, pproxy.server; asyncio.set_event_loop(asyncio.new_event_loop()); pproxy.server.main()"


class Process:
    """A program that runs beside the tests, and what it has written."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"},
            start_new_session=True,  # proxy.py has children
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._written: list[str] = []
        self._over = False
        self._news = Condition()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._written.append(line)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    @property
    def log(self) -> str:
        return "".join(self._written)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Returns when *ready*, and fails if it ends before, or takes too long; looks again at least every 10 ms."""
        until = time.monotonic() + PATIENCE
        with self._news:
            while not ready():
                assert not self._over, self.log
                assert time.monotonic() < until, self.log
                self._news.wait(0.01)

    def lines_with(self, *words: str) -> list[str]:
        """The lines of its log with all *words* in them."""
        return [line for line in self._written if all(word in line for word in words)]

    def tell_to_end(self) -> None:
        self._process.terminate()

    def wait_ended(self) -> None:
        """Returns when it has ended, its children too, whatever it takes."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            if sys.platform != "win32":
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()


@dataclass(frozen=True)
class RunningProxy:
    """A proxy that takes connections on *port* of 127.0.0.1."""

    process: Process
    scheme: str
    port: int

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def url_with(self, userinfo: str) -> str:
        return f"{self.scheme}://{userinfo}@127.0.0.1:{self.port}"

    async def wrote(self, *words: str) -> str:
        """The first line of its log with all *words* in it; waits for it, and fails without."""
        await to_thread.run_sync(self.process.wait_until, lambda: bool(self.process.lines_with(*words)))
        return self.process.lines_with(*words)[0]


@dataclass(frozen=True)
class RunningProxies:
    """One of each kind.

    The *signed* ones want `USER` and `PASSWORD` (or `SOCKS_PASSWORD`); to *https* one speaks TLS.
    """

    http: RunningProxy
    signed: RunningProxy
    https: RunningProxy
    socks5: RunningProxy
    signed_socks5: RunningProxy
    socks4: RunningProxy


@contextmanager
def running_proxies(authority: trustme.CA) -> Generator[RunningProxies]:
    """Proxies of every kind, for as long as the block runs; the certificate of *https* is for 127.0.0.1."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key, chain = folder / "key.pem", folder / "chain.pem"
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(key)
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(chain, append=True)
        processes: list[Process] = []
        stack.callback(_end, processes)
        # All are started, and then waited for; all are told to end, and then waited for.
        options = [
            (),
            ("--basic-auth", f"{USER}:{PASSWORD}"),
            ("--key-file", str(key), "--cert-file", str(chain)),
        ]
        http = [_http(folder / f"port{number}", *more, processes=processes) for number, more in enumerate(options)]
        socks, ports = _socks(processes)
        plain, signed, secure = (_port_in(file, process) for process, file in http)
        yield RunningProxies(
            RunningProxy(http[0][0], "http", plain),
            RunningProxy(http[1][0], "http", signed),
            RunningProxy(http[2][0], "https", secure),
            *(RunningProxy(socks, *found) for found in zip(("socks5", "socks5", "socks4"), ports, strict=True)),
        )


def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        process.tell_to_end()
    with ExitStack() as stack:
        for process in processes:
            stack.callback(process.wait_ended)


def _http(file: Path, *options: str, processes: list[Process]) -> tuple[Process, Path]:
    """proxy.py, which chooses its port and writes it to *file*."""
    few = ("--num-acceptors", "1", "--num-workers", "1")
    where = ("--hostname", "127.0.0.1", "--port", "0", "--port-file", str(file))
    process = Process("-m", "proxy", *where, *few, *options)
    processes.append(process)
    return process, file


def _port_in(file: Path, process: Process) -> int:
    process.wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    port = int(file.read_text())
    _wait_taken(process, port)
    return port


def _socks(processes: list[Process]) -> tuple[Process, Sequence[int]]:
    """pproxy, whose ports have to be chosen for it; if one of them has been taken meanwhile, others are."""
    for _ in range(5):
        ports = _free_ports(3)
        processes.append(_pproxy(*ports))
        _wait_said(processes[-1], len(ports))
        if "failed" not in processes[-1].log:
            _wait_taken(processes[-1], *ports)
            return processes[-1], ports
    raise AssertionError(processes[-1].log)


def _pproxy(socks5: int, signed: int, socks4: int) -> Process:
    listens = [
        f"socks5://127.0.0.1:{socks5}",
        f"socks5://127.0.0.1:{signed}#{USER}:{SOCKS_PASSWORD}",
        f"socks4://127.0.0.1:{socks4}",
    ]
    # Without --auth=-1 it would let in whoever comes from an address that has signed in once.
    return Process("-c", _PPROXY, "-v", "--auth=-1", *(word for listen in listens for word in ("-l", listen)))


def _wait_said(process: Process, ports: int) -> None:
    """Waits until pproxy has said whether it got its *ports*."""
    process.wait_until(lambda: "failed" in process.log or len(process.lines_with("Serving on ipv")) == ports)


def _free_ports(count: int) -> Sequence[int]:
    with ExitStack() as stack:  # all at a time, so that they differ
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def _wait_taken(process: Process, *ports: int) -> None:
    """Waits until each of *ports* takes a connection."""
    for port in ports:
        process.wait_until(partial(_takes, port))


def _takes(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
