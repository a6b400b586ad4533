"""Puts the OpenSearch folder together from its artifacts, once for all checkouts of a user.

It is built beside its place and renamed into it, so a folder in its place is whole. Nodes never write there.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.disk import GIB, require_disk
from embedded.download import PLUGINS, SERVER, Progress, Resolve, fetch
from embedded.exceptions import AssemblyFailed
from embedded.locks import held
from embedded.paths import make_enterable

NEEDED_BYTES = 2 * GIB


@dataclass(frozen=True)
class Assembled:
    home: Path
    downloaded_bytes: int


def assembled_home(cache: Path) -> Path:
    """Where the folder lies once it is whole; the name changes with the pins."""
    pins = "".join(artifact.sha256 for artifact in (SERVER, *PLUGINS))
    return cache / f"opensearch-{SERVER.version}-{hashlib.sha256(pins.encode()).hexdigest()[:8]}"


def assemble(
    cache: Path, *, java_home: Path, progress: Progress, resolve: Resolve | None = None
) -> Assembled:
    """The folder of the OpenSearch server, made where it is not yet there. Two callers at once make one.

    Raises DownloadFailed, AssemblyFailed, DiskShort.
    """
    home = assembled_home(cache)
    if home.exists():
        return Assembled(home, 0)
    make_enterable(cache)
    with held(cache / "assembly.lock"):
        if home.exists():
            return Assembled(home, 0)
        require_disk(cache, NEEDED_BYTES, what="The OpenSearch server, the first time,")
        _remove_half_built(cache)
        fetched = [
            fetch(a, into=cache / "maven", progress=progress, resolve=resolve) for a in (SERVER, *PLUGINS)
        ]
        progress("assembling the server and its plugins")
        _build(home, [file.path for file in fetched], java_home)
    return Assembled(home, sum(file.downloaded_bytes for file in fetched))


def _remove_half_built(cache: Path) -> None:
    """What an interrupted assembly left. We hold the lock, so nobody works on it."""
    for left in cache.glob("building-*"):
        shutil.rmtree(left, ignore_errors=True)


def _build(home: Path, archives: Sequence[Path], java_home: Path) -> None:
    workshop = Path(tempfile.mkdtemp(prefix="building-", dir=home.parent))
    try:
        unpacked = _unpack(archives[0], workshop)
        for plugin in archives[1:]:
            _install_plugin(unpacked, plugin, java_home)
        _let_everyone_read(unpacked)
        unpacked.rename(home)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _unpack(archive: Path, into: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(into)
    (top,) = into.iterdir()
    for script in (top / "bin").iterdir():
        script.chmod(0o755)
    return top


def _install_plugin(home: Path, archive: Path, java_home: Path) -> None:
    done = subprocess.run(
        [home / "bin" / "opensearch-plugin", "install", "--batch", archive.resolve().as_uri()],
        env={**os.environ, "OPENSEARCH_JAVA_HOME": str(java_home)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise AssemblyFailed(
            f"bin/opensearch-plugin could not install {archive.name}:\n"
            f"{(done.stdout + done.stderr).strip()[-800:]}\n"
            "Run the command again; if it fails in the same way, try another Java by OPENSEARCH_JAVA_HOME."
        )


def _let_everyone_read(folder: Path) -> None:
    """The node runs as another user, whatever our umask is."""
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        readable = mode | 0o444
        path.chmod(readable | 0o111 if path.is_dir() or mode & 0o100 else readable)
