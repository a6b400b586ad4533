"""What a running `make up` costs: seconds, bytes, packages, memory; shown, and written as JSON."""

import importlib.metadata
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from embedded.assembly import assembled_home
from embedded.disk import folder_size
from embedded.paths import Paths

_MIB = 1024**2


@dataclass(frozen=True)
class Figures:
    seconds_to_ready: float
    downloaded_bytes: int
    disk_bytes: Mapping[str, int]
    packages: int
    memory_rss_bytes: Mapping[str, int]

    def lines(self) -> list[str]:
        disk = ", ".join(f"{name} {size / _MIB:,.0f}" for name, size in self.disk_bytes.items())
        memory = ", ".join(f"{name} {size / _MIB:,.0f}" for name, size in self.memory_rss_bytes.items())
        return [
            f"Downloaded: {self.downloaded_bytes / _MIB:,.0f} MiB of OpenSearch",
            f"Disk: {sum(self.disk_bytes.values()) / _MIB:,.0f} MiB ({disk})",
            f"Python packages: {self.packages}",
            f"Memory now: {sum(self.memory_rss_bytes.values()) / _MIB:,.0f} MiB ({memory})",
        ]


def measure(
    *, paths: Paths, pids: Mapping[str, int], seconds_to_ready: float, downloaded_bytes: int
) -> Figures:
    disk = {
        "packages": Path(sys.prefix),
        "OpenSearch": assembled_home(paths.cache),
        "its archives": paths.maven,
        "models": paths.models,
        "data": paths.data,
    }
    return Figures(
        seconds_to_ready=round(seconds_to_ready, 1),
        downloaded_bytes=downloaded_bytes,
        disk_bytes={name: folder_size(folder) for name, folder in disk.items()},
        packages=sum(1 for _ in importlib.metadata.distributions()),
        memory_rss_bytes={
            name: _family_rss(pid) for name, pid in {"supervisor": os.getpid(), **pids}.items()
        },
    )


def _family_rss(pid: int) -> int:
    """A process and its descendants; of ourselves alone, since our children are counted by name."""
    try:
        process = psutil.Process(pid)
        family = [process] if pid == os.getpid() else [process, *process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family)
    except psutil.NoSuchProcess:
        return 0
