"""Where things lie: the cache folder is shared by all checkouts, the data folder belongs to one.

As root both lie outside root's home, where anyone can enter, since OpenSearch runs as an unprivileged user.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Unix sockets: 107 bytes on Linux, 103 on macOS.
SOCKET_PATH_LIMIT_BYTES = 100


@dataclass(frozen=True)
class Paths:
    """The folders of one checkout. Nothing is created before `create()`."""

    cache: Path
    data: Path

    @property
    def maven(self) -> Path:
        return self.cache / "maven"

    @property
    def opensearch(self) -> Path:
        return self.data / "opensearch"

    @property
    def valkey_queue(self) -> Path:
        return self.data / "valkey-queue"

    @property
    def valkey_cache(self) -> Path:
        return self.data / "valkey-cache"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def uploads(self) -> Path:
        return self.data / "uploads"

    @property
    def metrics(self) -> Path:
        return self.data / "metrics"

    @property
    def models(self) -> Path:
        return self.cache / "models"

    @property
    def state_file(self) -> Path:
        return self.data / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.data / "lock"

    def create(self) -> None:
        """Makes the folders; those that hold content are closed to other users."""
        for shared in (self.cache, self.data):
            make_enterable(shared)
        for private in (self.valkey_queue, self.valkey_cache, self.logs, self.uploads):
            private.mkdir(exist_ok=True)
            private.chmod(0o700)


def checkout_paths(checkout: Path, *, environ: Mapping[str, str] | None = None, purpose: str = "") -> Paths:
    """The folders of a checkout; a purpose (such as "tests") gives a data folder beside the usual one."""
    environ = os.environ if environ is None else environ
    given = environ.get("RAGSITE_DATA_DIR")
    data = Path(given).expanduser().absolute() if given else _default_data_dir(checkout.resolve(), environ)
    if purpose:
        data = data.with_name(f"{data.name}-{purpose}")
    return Paths(cache=_cache_dir(environ), data=data)


def _cache_dir(environ: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/cache/ragsite")
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ragsite"


def _default_data_dir(checkout: Path, environ: Mapping[str, str]) -> Path:
    root = (
        Path("/var/lib")
        if os.geteuid() == 0
        else Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    )
    digest = hashlib.sha256(os.fsencode(checkout)).hexdigest()[:8]
    return root / "ragsite" / f"{checkout.name}-{digest}"


def make_enterable(folder: Path) -> None:
    """Makes the folder, and each that it has to make above it, one that any user can pass through."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


def socket_path(folder: Path) -> Path:
    """A path for the folder's Unix socket: inside it, or in a short private folder where that is too long."""
    inside = folder / "valkey.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT_BYTES:
        return inside
    short = Path("/tmp") / f"ragsite-{os.geteuid()}"  # noqa: S108 - $TMPDIR may be too long
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.geteuid() or short.is_symlink():
        raise PermissionError(f"{short} belongs to another user")
    return short / f"{hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]}.sock"


@contextmanager
def scratch_folder(prefix: str = "ragsite-") -> Iterator[Path]:
    """A temporary folder that an unprivileged node can enter (pytest's tmp_path is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
