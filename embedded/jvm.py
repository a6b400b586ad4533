"""The java command line of a node.

`bin/opensearch` works it out with four short JVMs (4 s) at each start; here it is worked out once and kept.
"""

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from embedded.exceptions import StartFailed

# Idle memory: a third of the heap is never touched by a small index.
_OWN_OPTIONS = "-XX:-AlwaysPreTouch"
# Distributed options that would write into the home that nodes share.
_HOME_WRITERS = ("file=logs/gc.log", "-XX:HeapDumpPath", "-XX:ErrorFile", "-XX:+HeapDumpOnOutOfMemoryError")


@dataclass(frozen=True)
class Jvm:
    """A node's Java: all that its command line depends on."""

    home: Path
    java_home: Path
    config: Path
    temporary: Path
    heap: str

    def argv(self, *, kept_in: Path) -> tuple[str, ...]:
        """The command line; relative paths in it are meant from `home`. Raises StartFailed."""
        key = hashlib.sha256(json.dumps({k: str(v) for k, v in asdict(self).items()}).encode()).hexdigest()
        kept = _read(kept_in, key)
        if kept is None:
            kept = self._parse_options()
            kept_in.write_text(json.dumps({"key": key, "options": kept}))
        return (
            str(self.java_home / "bin" / "java"),
            "-Xshare:auto",
            *kept,
            f"-Dopensearch.path.home={self.home}",
            f"-Dopensearch.path.conf={self.config}",
            "-Dopensearch.distribution.type=zip",
            "-Dopensearch.bundled_jdk=false",
            "-cp",
            f"{self.home}/lib/*",
            "org.opensearch.bootstrap.OpenSearch",
        )

    def _parse_options(self) -> list[str]:
        done = subprocess.run(
            [
                self.java_home / "bin" / "java",
                "-cp",
                f"{self.home}/lib/*",
                "org.opensearch.tools.launchers.JvmOptionsParser",
                self.config,
            ],
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "OPENSEARCH_TMPDIR": str(self.temporary),
                "OPENSEARCH_JAVA_OPTS": f"-Xms{self.heap} -Xmx{self.heap} {_OWN_OPTIONS}",
            },
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StartFailed(
                f"{self.java_home} refuses OpenSearch's options (heap {self.heap}):\n"
                f"{done.stderr.strip()[-800:]}\nSet OPENSEARCH_HEAP to what the machine has (such as 512m), "
                "or name another Java by OPENSEARCH_JAVA_HOME."
            )
        return done.stdout.split()


def own_jvm_options(distributed: Path) -> str:
    """The distributed options, less those that would write into the shared home."""
    lines = distributed.read_text().splitlines()
    return "\n".join(line for line in lines if not any(word in line for word in _HOME_WRITERS)) + "\n"


def _read(path: Path, key: str) -> list[str] | None:
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    options: list[str] = stored["options"]
    return options if stored["key"] == key else None
