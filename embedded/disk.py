"""Free disk, asked before what needs it."""

import shutil
from pathlib import Path

from embedded.exceptions import DiskShort

GIB = 1024**3


def require_disk(folder: Path, needed_bytes: int, *, what: str) -> None:
    """Raises DiskShort when the file system of the folder (or of its nearest parent that exists) has less."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise DiskShort(
            f"{what} needs {needed_bytes / GIB:.1f} GiB of disk under {folder}, where {free / GIB:.1f} GiB "
            "are free. Free some space, or name another place: RAGSITE_DATA_DIR for the data, XDG_CACHE_HOME "
            "(not as root) for the downloads."
        )


def folder_size(folder: Path) -> int:
    """Bytes of the files under a folder; files that come and go meanwhile are passed over."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
        except OSError:
            continue
    return total
