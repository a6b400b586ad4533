"""Child processes: how one is described, started and ended.

Each child leads a process group of its own and is told to end when the thread that started it ends, so start
children from the main thread.
"""

import ctypes
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from embedded.exceptions import DataInUse

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_LOG_LIMIT_BYTES = 20_000_000


@dataclass(frozen=True)
class Command:
    """A program to run. `env` is the whole environment; `user` is a name, None for the current one."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    log: Path | None = None
    user: str | None = None
    pid_file: Path | None = None


@dataclass(frozen=True)
class ProcessMark:
    """A process named so that another one with the same number is not taken for it."""

    pid: int
    created_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessMark":
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def read(cls, path: Path) -> "ProcessMark | None":
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"pid": self.pid, "created_at": self.created_at}))

    def process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = (
                abs(process.create_time() - self.created_at) < 1 and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return None
        return process if same else None


def spawn(command: Command) -> subprocess.Popen[bytes]:
    """Starts the command with its output in its log file."""
    if command.log is None:
        process = _popen(command, None)
    else:
        _rotate(command.log)
        with command.log.open("ab") as log:
            process = _popen(command, log.fileno())
    if command.pid_file is not None:
        ProcessMark.of(process.pid).write(command.pid_file)
    return process


def _popen(command: Command, output: int | None) -> subprocess.Popen[bytes]:
    account = pwd.getpwnam(command.user) if command.user else None
    return subprocess.Popen(
        command.argv,
        env=dict(command.env),
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        process_group=0,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - it only makes two system calls
    )


def _die_with(parent: int) -> Callable[[], None] | None:
    if _libc is None:
        return None

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask


def stop(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """SIGTERM, then SIGKILL for what is left of its group after the grace."""
    if process.poll() is None:
        process.terminate()
    wait_then_kill(process, grace_s=grace_s)


def wait_then_kill(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """Waits for a process that was asked to end; kills its group whether or not it did."""
    try:
        process.wait(max(grace_s, 0.05))
    except subprocess.TimeoutExpired:
        process.kill()
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end_leftover(pid_file: Path, *, folder: Path, grace_s: float) -> None:
    """Ends a server that outlived its launcher; one whose launcher still lives raises DataInUse."""
    mark = ProcessMark.read(pid_file)
    left = mark.process() if mark else None
    if left is None:
        return
    parent = left.parent()
    if parent is not None and parent.pid not in (1, os.getpid()):
        raise DataInUse(
            f"{left.name()} (process {left.pid}, started by process {parent.pid}, {parent.name()}) already "
            f"works on {folder}. Stop it first (make down), or choose another place by RAGSITE_DATA_DIR."
        )
    left.terminate()
    try:
        left.wait(grace_s)
    except psutil.TimeoutExpired:
        left.kill()
        left.wait(grace_s)


def unprivileged_user() -> str | None:
    """Whom OpenSearch runs as: None (ourselves) unless we are root, then `ragsite` or `nobody`."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("ragsite").pw_name
    except KeyError:
        return "nobody"


def tail(path: Path, *, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_bytes()[-20_000:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
