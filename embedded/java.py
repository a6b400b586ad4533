"""Finds a Java that OpenSearch 3.6 runs on: version 21 or newer, with all its locales and the vector module.

A variable that names an unsuitable Java is an error for OPENSEARCH_JAVA_HOME and passed over for JAVA_HOME.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.exceptions import JavaMissing

MINIMUM = 21
NEWEST_TRIED = 25
USUAL_FOLDERS = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/.sdkman/candidates/java/*",
)
# Without them no index can be created ("Failed to build analyzers: [thai]"), and Lucene has no SIMD.
_NEEDED_MODULES = ("jdk.localedata", "jdk.incubator.vector")
_WAY_OUT = (
    f"Install a JDK {MINIMUM} or newer (Debian 13, Ubuntu 24.04: apt-get install openjdk-21-jdk-headless; "
    "Debian 12 has none of its own: Temurin from https://adoptium.net/installation/ ; macOS: brew install "
    "openjdk), or name one by OPENSEARCH_JAVA_HOME, or use a server of your own by OPENSEARCH_URL."
)


@dataclass(frozen=True)
class Java:
    home: Path
    version: int
    problem: str = ""

    @property
    def suitable(self) -> bool:
        return not self.problem


def find_java(
    environ: Mapping[str, str], *, folders: Iterable[str] = USUAL_FOLDERS, download_into: Path | None = None
) -> Java:
    """The Java to use. `download_into`: where cjdk may put one when there is none; None never downloads.

    Raises JavaMissing, which names what was found and what to install.
    """
    if named := environ.get("OPENSEARCH_JAVA_HOME"):
        return _named(Path(named))
    seen = [java for home in _candidates(environ, folders) if (java := inspect_java(home))]
    if suitable := [java for java in seen if java.suitable]:
        return max(suitable, key=_preference)
    found = ", ".join(f"{java.home} ({java.problem})" for java in seen) or "none"
    if download_into is None:
        raise JavaMissing(f"OpenSearch needs Java {MINIMUM} or newer. Found: {found}. {_WAY_OUT}")
    return _download(download_into, found)


def inspect_java(home: Path) -> Java | None:
    """What lies in a Java home; None when it is none."""
    if not (home / "bin" / "java").is_file():
        return None
    release = _release_file(home)
    version = _major(release.get("JAVA_VERSION", "")) or _version_by_running(home)
    if version is None:
        return None
    return Java(home, version, _problem(version, release.get("MODULES")))


def _problem(version: int, modules: str | None) -> str:
    if version < MINIMUM:
        return f"version {version}"
    missing = [name for name in _NEEDED_MODULES if modules is not None and name not in modules.split()]
    return f"a reduced runtime without {' and '.join(missing)}" if missing else ""


def _preference(java: Java) -> tuple[bool, int]:
    """The newest that OpenSearch 3.6 was tried on; of those that are newer still, the oldest."""
    return (True, java.version) if java.version <= NEWEST_TRIED else (False, -java.version)


def _named(home: Path) -> Java:
    java = inspect_java(home)
    if java is None:
        raise JavaMissing(
            f"OPENSEARCH_JAVA_HOME names {home}, where there is no bin/java that runs. {_WAY_OUT}"
        )
    if not java.suitable:
        raise JavaMissing(f"OPENSEARCH_JAVA_HOME names {home}: {java.problem}. {_WAY_OUT}")
    return java


def _candidates(environ: Mapping[str, str], folders: Iterable[str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home)
    for pattern in folders:
        path = Path(pattern).expanduser()
        yield from sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(on_path).resolve().parent.parent


def _release_file(home: Path) -> dict[str, str]:
    try:
        text = (home / "release").read_text(errors="replace")
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))


def _version_by_running(home: Path) -> int | None:
    try:
        done = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "([^"]+)"', done.stderr)
    return _major(found[1]) if found else None


def _major(version: str) -> int | None:
    """17.0.15 → 17, 1.8.0_402 → 8."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return int(found[1]) if found else None


def _download(folder: Path, found: str) -> Java:
    import cjdk

    try:
        home = cjdk.java_home(vendor="temurin", version=str(MINIMUM), cache_dir=folder)
    except Exception as error:  # cjdk lets errors of four libraries through; all mean "not to be had"
        raise JavaMissing(
            f"OpenSearch needs Java {MINIMUM} or newer. Found: {found}. Downloading one failed ({error}). "
            f"{_WAY_OUT}"
        ) from error
    java = inspect_java(Path(home))
    if java is None or not java.suitable:
        raise JavaMissing(
            f"The Java downloaded into {home} does not run. Delete {folder} and try again. {_WAY_OUT}"
        )
    return java
