"""`python -m embedded.doctor`: what this machine lacks for `make up` and `make test`, and what to do.

Exit code 1 when something required is missing. Nothing is installed or changed.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import environ
import psutil

from embedded.assembly import assembled_home
from embedded.disk import GIB
from embedded.download import SERVER
from embedded.exceptions import EmbeddedError
from embedded.java import find_java
from embedded.opensearch import cluster_status
from embedded.paths import Paths, checkout_paths
from embedded.ports import is_free
from embedded.programs import read_settings
from embedded.services import RunningState
from embedded.valkey import find_server

CHECKOUT = Path(__file__).resolve().parent.parent
State = Literal["ok", "advice", "missing"]
_DISK_FIRST_TIME_GIB = 4
_DISK_LATER_GIB = 2
_MEMORY_GIB = 4


@dataclass(frozen=True)
class Finding:
    """`missing` is required and not there; `advice` works, but worse."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine(environment: Mapping[str, str], paths: Paths) -> list[Finding]:
    return [
        _python(),
        _java(environment),
        _memory(),
        _disk(paths),
        _web_port(environment, paths),
        _opensearch(environment, paths),
        _valkey(environment),
        _chromium(),
    ]


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return Finding("Python", "ok", version)
    return Finding(
        "Python", "missing", version, "Install Python 3.11 and run make PYTHON=python3.11 install."
    )


def _java(environment: Mapping[str, str]) -> Finding:
    if environment.get("OPENSEARCH_URL"):
        return Finding("Java", "ok", "not needed: OPENSEARCH_URL is set")
    try:
        java = find_java(environment)
    except EmbeddedError as error:
        return Finding("Java", "missing", "none that OpenSearch runs on", str(error))
    return Finding("Java", "ok", f"{java.version} in {java.home}")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} free"
    if memory.available >= _MEMORY_GIB * GIB:
        return Finding("Memory", "ok", found)
    advice = f"{_MEMORY_GIB} GiB free are comfortable. Close programs, or set OPENSEARCH_HEAP=512m."
    return Finding("Memory", "advice", found, advice)


def _disk(paths: Paths) -> Finding:
    needed = _DISK_LATER_GIB if assembled_home(paths.cache).exists() else _DISK_FIRST_TIME_GIB
    free = {folder: _free_bytes(folder) / GIB for folder in (paths.cache, paths.data)}
    found = ", ".join(f"{size:.1f} GiB free for {folder}" for folder, size in free.items())
    if min(free.values()) >= needed:
        return Finding("Disk", "ok", found)
    return Finding(
        "Disk", "missing", found, f"{needed} GiB are needed. Free some, or name another RAGSITE_DATA_DIR."
    )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def _web_port(environment: Mapping[str, str], paths: Paths) -> Finding:
    if running := RunningState.read(paths.state_file):
        return Finding("Web port", "ok", f"`make up` runs at {running.web_url}")
    try:
        settings = read_settings(environment)
    except EmbeddedError as error:
        return Finding("Web port", "missing", "not readable", str(error))
    if is_free(settings.web_port, host=settings.web_host):
        return Finding("Web port", "ok", f"{settings.web_port} is free")
    advice = f"Stop the program that holds it, or WEB_PORT={settings.web_port + 1000} make up"
    return Finding("Web port", "missing", f"{settings.web_port} is in use", advice)


def _opensearch(environment: Mapping[str, str], paths: Paths) -> Finding:
    if url := environment.get("OPENSEARCH_URL"):
        if status := cluster_status(url):
            return Finding("OpenSearch", "ok", f"yours, {status}")
        advice = "Check OPENSEARCH_URL; one that asks for a password or a certificate can't be checked here."
        return Finding("OpenSearch", "advice", "yours, no answer without a password", advice)
    if assembled_home(paths.cache).exists():
        return Finding("OpenSearch", "ok", f"{SERVER.version}, assembled in {assembled_home(paths.cache)}")
    return Finding("OpenSearch", "ok", f"{SERVER.version}, to be downloaded (570 MB) at the first start")


def _valkey(environment: Mapping[str, str]) -> Finding:
    if environment.get("REDIS_URL"):
        return Finding("Valkey", "ok", "yours: REDIS_URL is set")
    try:
        server = find_server(environment)
    except EmbeddedError as error:
        return Finding("Valkey", "missing", "no server program", str(error))
    return Finding("Valkey", "ok", f"{_version(server)} in {server}")


def _chromium() -> Finding:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Finding("Chromium", "ok", f"{_version(Path(found))} in {found}")
    advice = "The browser test is skipped. Install one: apt-get install chromium, brew install chromium."
    return Finding("Chromium", "advice", "none", advice)


def _version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else "unknown version"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m embedded.doctor", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there")
    options = parser.parse_args(argv)
    environ.Env.read_env(CHECKOUT / ".env")
    findings = examine(os.environ, checkout_paths(CHECKOUT))
    for finding in findings:
        print(f"{finding.state:8} {finding.name:11} {finding.found}")
        if finding.advice:
            print(f"{'':20} {finding.advice}")
    if options.json:
        options.json.write_text(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n")
    return 1 if any(finding.state == "missing" for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
