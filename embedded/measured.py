"""Processes that a measurement starts and watches: real workers, a real web server, their CPU time and peak memory."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import psutil

from embedded.exceptions import EmbeddedError
from embedded.paths import Paths
from embedded.ports import free_port
from embedded.processes import Command, spawn, stop, tail
from embedded.programs import child_environment
from embedded.services import ServiceUrls

START_SECONDS = 120.0
_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.2
_KIB = 1024


@contextmanager
def started(command: Command) -> Iterator[Popen[bytes]]:
    """The command's process, ended afterwards."""
    process = spawn(command)
    try:
        yield process
    finally:
        stop(process, grace_s=_GRACE_SECONDS)


def python(
    name: str,
    *arguments: str,
    checkout: Path,
    paths: Paths,
    urls: ServiceUrls,
    extra: Mapping[str, str] | None = None,
) -> Command:
    """A Python program of the checkout with the measurement's servers; its log lies in the data folder."""
    metrics = {
        "PROMETHEUS_MULTIPROC_DIR": str(paths.data / "bench-metrics")
    }  # apart from those of a `make up`
    env = {**child_environment(os.environ, paths=paths, urls=urls), **metrics, **(extra or {})}
    Path(env["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)
    return Command(name, (sys.executable, *arguments), env=env, cwd=checkout, log=paths.logs / f"{name}.log")


@contextmanager
def web_server(
    *, threads: int, checkout: Path, paths: Paths, urls: ServiceUrls, extra: Mapping[str, str] | None = None
) -> Iterator[tuple[str, psutil.Process]]:
    """The production web server, one process of `threads` threads on loopback: its URL and its worker process.
    `extra` is its environment beside that.

    Raises EmbeddedError with the end of its log when it does not come up.
    """
    port = free_port()
    options = ("--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", str(threads))
    steady = ("--worker-class", "gthread", "--keep-alive", "75", "--log-level", "warning")
    command = python(
        "bench-web",
        "-m",
        "gunicorn",
        "ragsite.wsgi",
        *options,
        *steady,
        checkout=checkout,
        paths=paths,
        urls=urls,
        extra=extra,
    )
    paths.create()
    with started(command) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(f"{url}/readyz", process, command)
        yield url, psutil.Process(process.pid).children()[0]


def _wait_until_ready(url: str, process: Popen[bytes], command: Command) -> None:
    """The first answer of /readyz also loads the model."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:  # noqa: S310  our own loopback URL
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(_POLL_SECONDS)
    end_of_log = tail(command.log) if command.log else ""
    raise EmbeddedError(f"{command.name} did not come up. The end of its log:\n{end_of_log}")


def listening(port: int | None) -> psutil.Process | None:
    """The process of this machine that listens on a TCP port."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    return None


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def peak_bytes(process: psutil.Process) -> int:
    """The most that was resident so far; where the system does not say (not Linux), what is resident now."""
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIB
    except (FileNotFoundError, ProcessLookupError):
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
