"""One OpenSearch node on the loopback, without the security plugin.

Several nodes may share one `home` (nothing is written there); each has a `data_dir` of its own, which, when
we are root, must lie where an unprivileged user can enter (such as embedded.paths.scratch_folder).
"""

import json
import os
import pwd
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from embedded.assembly import assemble
from embedded.disk import GIB, require_disk
from embedded.exceptions import FolderUnusable, StartFailed
from embedded.java import find_java
from embedded.jvm import Jvm, own_jvm_options
from embedded.paths import make_enterable
from embedded.ports import free_port, require_free
from embedded.processes import Command, end_leftover, spawn, stop, tail, unprivileged_user

__all__ = ["Node", "assemble"]

START_TIMEOUT_S = 600.0
STOP_GRACE_S = 10.0
NEEDED_BYTES = 2 * GIB
# Watermarks as free space: the usual percentages would block a large, fairly full disk.
_CONFIG = """\
cluster.name: ragsite
node.name: embedded
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
path.data: {folder}/data
path.logs: {folder}/logs
cluster.routing.allocation.disk.watermark.low: 2gb
cluster.routing.allocation.disk.watermark.high: 1gb
cluster.routing.allocation.disk.watermark.flood_stage: 500mb
"""


class Node:
    """A node that is started, used and stopped. Raises children of EmbeddedError, each with the way out."""

    def __init__(
        self, *, home: Path, data_dir: Path, port: int = 0, heap: str = "1g", java_home: Path | None = None
    ) -> None:
        """`port` 0 takes a free one; `heap` is for -Xms and -Xmx; without `java_home` one is looked for."""
        self._home = home
        self._folder = data_dir.absolute()
        self._wanted_port = port
        self._heap = heap
        self._java_home = java_home
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self._folder / "console.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the node and waits until it serves; 20 to 50 s on two cores."""
        process = spawn(self.command())
        try:
            self.wait_until_ready(process)
        except BaseException:
            stop(process, grace_s=STOP_GRACE_S)
            raise
        self._process = process

    def stop(self) -> None:
        """Ends the node that `start` started; harmless when there is none."""
        if self._process is not None:
            stop(self._process, grace_s=STOP_GRACE_S)
            self._process = None
            self._pid_file.unlink(missing_ok=True)

    def command(self) -> Command:
        """Checks port, disk and folder, writes the config and gives the command that starts the node."""
        user = unprivileged_user()
        end_leftover(self._pid_file, folder=self._folder, grace_s=STOP_GRACE_S)
        self.port = self._wanted_port or free_port()
        require_free(self.port, what="the embedded OpenSearch", setting="OPENSEARCH_PORT")
        require_disk(
            self._folder, NEEDED_BYTES, what="The OpenSearch node (it stops taking documents below 0.5 GiB)"
        )
        self._write_folder(user)
        jvm = Jvm(
            home=self._home,
            java_home=self._java_home or find_java(os.environ).home,
            config=self._folder / "config",
            temporary=self._folder / "tmp",
            heap=self._heap,
        )
        return Command(
            name="opensearch",
            argv=jvm.argv(kept_in=self._folder / "jvm.json"),
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self._folder),
                "OPENSEARCH_PATH_CONF": str(self._folder / "config"),
            },
            cwd=self._home,
            log=self.log,
            user=user,
            pid_file=self._pid_file,
        )

    def wait_until_ready(
        self, process: subprocess.Popen[bytes], *, between: Callable[[], None] = lambda: None
    ) -> None:
        """Waits for yellow or green; `between` is called some times a second. Raises StartFailed."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if process.poll() is not None:
                raise StartFailed(
                    f"OpenSearch ended while starting ({process.returncode}).{self._last_lines()}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"OpenSearch did not serve within {START_TIMEOUT_S:.0f} s.{self._last_lines()}"
                )
            between()
            time.sleep(0.2)

    def is_ready(self) -> bool:
        return cluster_status(self.url) in ("yellow", "green")

    @property
    def _pid_file(self) -> Path:
        return self._folder / "node.json"

    def _last_lines(self) -> str:
        return f" The last lines of {self.log}:\n{tail(self.log)}\nMore logs: {self._folder / 'logs'}."

    def _write_folder(self, user: str | None) -> None:
        make_enterable(self._folder)
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        for name in ("config", "data", "logs", "tmp"):
            (self._folder / name).mkdir(exist_ok=True)
            (self._folder / name).chmod(0o700)
        config = self._folder / "config"
        (config / "opensearch.yml").write_text(_CONFIG.format(port=self.port, folder=self._folder))
        (config / "jvm.options").write_text(own_jvm_options(self._home / "config" / "jvm.options"))
        shutil.copyfile(self._home / "config" / "log4j2.properties", config / "log4j2.properties")
        if user is not None:
            self._give_to(user)

    def _give_to(self, user: str) -> None:
        account = pwd.getpwnam(user)
        for name in ("config", "data", "logs", "tmp"):
            top = self._folder / name
            for path in (top, *top.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        for folder in (self._home / "lib", self._folder / "data"):
            entered = subprocess.run(
                ["/bin/sh", "-c", 'cd "$0"', folder],
                user=user,
                group=account.pw_gid,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            if entered.returncode != 0:
                raise FolderUnusable(
                    f"OpenSearch refuses to run as root, so {user} runs it, who can't enter {folder}. "
                    "Open the folders on the way (chmod o+x), or choose another place by RAGSITE_DATA_DIR."
                )


def cluster_status(url: str, *, timeout_s: float = 2.0) -> str:
    """green, yellow or red; "" when nothing answers."""
    try:
        with urllib.request.urlopen(f"{url}/_cluster/health", timeout=timeout_s) as answer:  # noqa: S310
            health: dict[str, Any] = json.load(answer)
    except (OSError, ValueError, urllib.error.HTTPError):
        return ""
    return str(health.get("status", ""))
