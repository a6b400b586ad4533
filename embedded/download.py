"""The pinned artifacts of the embedded OpenSearch, fetched from Maven Central.

A file whose hash is not the pinned one is never used.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from embedded.exceptions import DownloadFailed

Progress = Callable[[str], None]
_ATTEMPTS = 2
RETRY_PAUSE_S = 1.0
REPORT_EVERY_S = 5.0


@dataclass(frozen=True)
class Artifact:
    group: str
    name: str
    version: str
    sha256: str


SERVER = Artifact(
    "org.opensearch.distribution.integ-test-zip",
    "opensearch",
    "3.6.0",
    "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286",
)
# In the order in which they are installed: each may extend those before it.
PLUGINS = (
    Artifact(
        "org.opensearch.plugin",
        "opensearch-job-scheduler",
        "3.6.0.0",
        "f81d0aa9fc850b18f803292bd7ae68bd33561f6c1d12db0f68529d40eddcee24",
    ),
    Artifact(
        "org.opensearch.plugin",
        "opensearch-knn",
        "3.6.0.0",
        "ac392ca28a39b3bf290648a422ef30cb149dda2963a9d7feb26060e932341c9a",
    ),
    Artifact(
        "org.opensearch.plugin",
        "opensearch-ml-plugin",
        "3.6.0.0",
        "c051d436fe1936da1477bb999db829eb2bc92b12989e376c300d0a874fb90f9d",
    ),
    Artifact(
        "org.opensearch.plugin",
        "neural-search",
        "3.6.0.0",
        "6ef1b206e79391e2e36268e32dc34d27fd8b8a59a8eb0a7393c97d53b038e433",
    ),
)


@dataclass(frozen=True)
class Fetched:
    path: Path
    downloaded_bytes: int


Resolve = Callable[[Artifact, Path], Path]


def fetch(artifact: Artifact, *, into: Path, progress: Progress, resolve: Resolve | None = None) -> Fetched:
    """The artifact's file, checked. A half or wrong file is deleted and fetched again, once.

    Raises DownloadFailed.
    """
    resolve = resolve or partial(resolve_from_maven, progress=progress)
    reason = ""
    for _ in range(_ATTEMPTS):
        present = _local_path(artifact, into).exists()
        if not present:
            progress(f"downloading {artifact.name} {artifact.version}")
        try:
            path = resolve(artifact, into)
        except (OSError, RuntimeError, AssertionError) as error:  # what jgo and requests raise
            _local_path(artifact, into).unlink(missing_ok=True)
            reason = f"{type(error).__name__}: {error}"
            time.sleep(RETRY_PAUSE_S)
            continue
        found = sha256(path)
        if found == artifact.sha256:
            return Fetched(path, 0 if present else path.stat().st_size)
        path.unlink()
        reason = f"its SHA-256 is {found}, pinned is {artifact.sha256}"
        progress(f"{artifact.name}: the file is incomplete or not the pinned one; deleted")
    raise DownloadFailed(
        f"{artifact.group}:{artifact.name}:{artifact.version} (zip) is not to be had from Maven: {reason}. "
        "Check the network or proxy (HTTPS_PROXY) and run the command again, what is complete is kept; or "
        f"put the file at {_local_path(artifact, into)} by hand; or use your own server by OPENSEARCH_URL."
    )


def resolve_from_maven(artifact: Artifact, into: Path, *, progress: Progress) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=partial(report_bytes, progress))
    context = MavenContext(resolver=resolver, repo_cache=into, timeout=60)
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    return Path(component.artifact(packaging="zip").resolve())


@contextmanager
def report_bytes(progress: Progress, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that takes the size of each piece and reports now and then."""
    received = 0
    reported_at = time.monotonic()

    def add(size: int) -> None:
        nonlocal received, reported_at
        received += size
        if time.monotonic() - reported_at >= REPORT_EVERY_S:
            reported_at = time.monotonic()
            progress(f"{name}: {received / 1e6:.0f} of {total / 1e6:.0f} MB")

    yield add


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _local_path(artifact: Artifact, into: Path) -> Path:
    """Maven's own layout, which jgo keeps to."""
    folder = into.joinpath(*artifact.group.split("."), artifact.name, artifact.version)
    return folder / f"{artifact.name}-{artifact.version}.zip"
